/* SPDX-License-Identifier: MIT */
/* ID registers of an SMMU that has everything: as modelled, and as far as structures and commands go. */
#include "smmuv3/id.h"

#include <errno.h>

#define IDR0_FULL                                                              \
	(IOD_SMMUV3_IDR0_S2P | IOD_SMMUV3_IDR0_S1P | IOD_SMMUV3_IDR0_TTF |     \
	 IOD_SMMUV3_IDR0_COHACC | IOD_SMMUV3_IDR0_HTTU | IOD_SMMUV3_IDR0_HYP | \
	 IOD_SMMUV3_IDR0_ATS | IOD_SMMUV3_IDR0_ASID16 | IOD_SMMUV3_IDR0_MSI |  \
	 IOD_SMMUV3_IDR0_SEV | IOD_SMMUV3_IDR0_PRI | IOD_SMMUV3_IDR0_VMID16 |  \
	 IOD_SMMUV3_IDR0_CD2L | 1u << IOD_SMMUV3_IDR0_ST_LEVEL_SHIFT)
#define IDR1_FULL                                                                           \
	(32u | 20u << IOD_SMMUV3_IDR1_SSIDSIZE_SHIFT | 19u << IOD_SMMUV3_IDR1_PRIQS_SHIFT | \
	 19u << IOD_SMMUV3_IDR1_EVTQS_SHIFT | 19u << IOD_SMMUV3_IDR1_CMDQS_SHIFT)
#define IDR3_FULL                                                                                \
	(IOD_SMMUV3_IDR3_HAD | IOD_SMMUV3_IDR3_XNX | IOD_SMMUV3_IDR3_PPS | IOD_SMMUV3_IDR3_FWB | \
	 IOD_SMMUV3_IDR3_STT | IOD_SMMUV3_IDR3_RIL | 2u << IOD_SMMUV3_IDR3_BBML_SHIFT |          \
	 IOD_SMMUV3_IDR3_E0PD)
#define IDR5_GRANULES (IOD_SMMUV3_IDR5_GRAN4K | IOD_SMMUV3_IDR5_GRAN16K | IOD_SMMUV3_IDR5_GRAN64K)
#define OAS_48	      5u
#define OAS_52	      6u
#define STALL_MAX     256u
#define AIDR_SMMUV3_2 2u

/* Both endiannesses and 52-bit addresses are legal here, though not all of it is modelled. */
const struct iod_smmuv3_id iod_smmuv3_id_all = {
	.idr = {
		IDR0_FULL | IOD_SMMUV3_IDR0_BTM,
		IDR1_FULL,
		0,
		IDR3_FULL | IOD_SMMUV3_IDR3_PBHA | IOD_SMMUV3_IDR3_MPAM | IDR3_DPT | IDR3_S1PI |
			IDR3_S2PI | IDR3_S2PO,
		0,
		OAS_52 | IDR5_GRANULES | IOD_SMMUV3_IDR5_DS | 1u << IOD_SMMUV3_IDR5_VAX_SHIFT |
			0xffffu << IOD_SMMUV3_IDR5_STALL_MAX_SHIFT,
	},
	.aidr = AIDR_SMMUV3_2,
};

int iod_smmuv3_id_full(struct iod_smmuv3_id *id)
{
	if (!id)
		return -EINVAL;
	*id = (struct iod_smmuv3_id){
		.idr = {
			IDR0_FULL | TTENDIAN_LITTLE << IOD_SMMUV3_IDR0_TTENDIAN_SHIFT,
			IDR1_FULL,
			0,
			IDR3_FULL,
			0,
			OAS_48 | IDR5_GRANULES | STALL_MAX << IOD_SMMUV3_IDR5_STALL_MAX_SHIFT,
		},
		.aidr = AIDR_SMMUV3_2,
	};
	return 0;
}
