/* SPDX-License-Identifier: MIT */
/* Features of an IOMMU that has everything modelled. */
#include "amdvi/id.h"

#include <errno.h>

#define EFR_FULL                                                                                   \
	(IOD_AMDVI_EFR_PREFSUP | IOD_AMDVI_EFR_PPRSUP | IOD_AMDVI_EFR_NXSUP |                      \
	 IOD_AMDVI_EFR_GTSUP | IOD_AMDVI_EFR_IASUP | UINT64_C(2) << IOD_AMDVI_EFR_HATS_SHIFT |     \
	 UINT64_C(1) << IOD_AMDVI_EFR_GATS_SHIFT | UINT64_C(2) << IOD_AMDVI_EFR_GLXSUP_SHIFT |     \
	 (uint64_t)(AMDVI_PASID_BITS - 1) << IOD_AMDVI_EFR_PASMAX_SHIFT | IOD_AMDVI_EFR_USSUP |    \
	 IOD_AMDVI_EFR_GIOSUP | IOD_AMDVI_EFR_HASUP | IOD_AMDVI_EFR_EPHSUP | IOD_AMDVI_EFR_HDSUP | \
	 IOD_AMDVI_EFR_INVIOTLBTYPESUP)

int iod_amdvi_id_full(struct iod_amdvi_id *id)
{
	if (!id)
		return -EINVAL;
	*id = (struct iod_amdvi_id){ .efr = EFR_FULL, .efr2 = IOD_AMDVI_EFR2_GCR3TRPMODE };
	return 0;
}
