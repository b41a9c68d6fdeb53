/* SPDX-License-Identifier: MIT */
/**
 * @file iodirty.h
 * Everything.
 */
#ifndef IODIRTY_IODIRTY_H
#define IODIRTY_IODIRTY_H

#include <iodirty/amdvi.h>
#include <iodirty/amdvi_cmd.h>
#include <iodirty/amdvi_dte.h>
#include <iodirty/amdvi_emu.h>
#include <iodirty/amdvi_event.h>
#include <iodirty/amdvi_inv.h>
#include <iodirty/amdvi_queue.h>
#include <iodirty/amdvi_viommu.h>
#include <iodirty/bitmap.h>
#include <iodirty/command.h>
#include <iodirty/devices.h>
#include <iodirty/dirty_log.h>
#include <iodirty/emu.h>
#include <iodirty/fault.h>
#include <iodirty/gather.h>
#include <iodirty/gpa_join.h>
#include <iodirty/inv_cost.h>
#include <iodirty/iommufd.h>
#include <iodirty/iotlb.h>
#include <iodirty/mem.h>
#include <iodirty/pgtable.h>
#include <iodirty/resize.h>
#include <iodirty/shadow.h>
#include <iodirty/smmuv3.h>
#include <iodirty/smmuv3_cmd.h>
#include <iodirty/smmuv3_emu.h>
#include <iodirty/smmuv3_event.h>
#include <iodirty/smmuv3_inv.h>
#include <iodirty/smmuv3_queue.h>
#include <iodirty/smmuv3_ste.h>
#include <iodirty/smmuv3_viommu.h>
#include <iodirty/sweep.h>
#include <iodirty/types.h>
#include <iodirty/uapi.h>
#include <iodirty/unmap.h>
#include <iodirty/version.h>
#include <iodirty/viommu.h>
#include <iodirty/vtd.h>
#include <iodirty/vtd_desc.h>
#include <iodirty/vtd_emu.h>
#include <iodirty/vtd_entry.h>
#include <iodirty/vtd_event.h>
#include <iodirty/vtd_inv.h>
#include <iodirty/vtd_queue.h>
#include <iodirty/vtd_shadow.h>
#include <iodirty/vtd_viommu.h>

#endif
