/* SPDX-License-Identifier: MIT */
/* The format vtd_fs: VT-d first stage (bits.md A2.2), x86-64 entries. */
#define PT_FORMAT		 IOD_VTD_FS
#define PT_NAME			 "vtd_fs"
#define PT_ENGINE		 iod_vtd_fs_engine
#define PT_STAGE		 1
#define PT_X86_TABLE_ACCESS_OPEN 0 /* A2.3 rule 1: set at every level */

#include "pgtable/pt_defs.h"

static inline void x86_hw_info(struct pt_top top, struct iod_hw_info *info)
{
	info->u.vtd_fs.fsptptr = top.pa;
	info->u.vtd_fs.fspm = top.level == 4; /* FSPM 1: 5 levels */
}

#include "pgtable/x86_64_fmt.h"

#include "format_tmpl.h"
