/* SPDX-License-Identifier: MIT */
/* Inside of iod_smmuv3_inv: a gather's way to an SMMU. */
#ifndef IOD_SMMUV3_INV_H
#define IOD_SMMUV3_INV_H

#include <iodirty/smmuv3_inv.h>

#include "inv_core.h"
#include "smmuv3/cmd.h"

struct iod_smmuv3_inv {
	struct inv_core core;
	struct iod_smmuv3_sink sink;
	int (*quirk)(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max);
	void *quirk_cookie;
	uint32_t flags;
	bool stage2, ranges, el2_too, ats;
	uint32_t sid_bits, ssid_bits;
	/* First words: by address, for everything of the table, of the VMID for combined translations. */
	uint64_t narrow, wide, combined_op;
};

static inline const struct iod_smmuv3_inv *inv_of(const struct inv_core *core)
{
	return (const struct iod_smmuv3_inv *)(const void *)core;
}

/* See struct inv_vendor. */
bool iod_smmuv3_inv_narrow(struct inv_out *o, const struct iod_inv *items, size_t nr,
			   uint64_t *budget);
uint64_t iod_smmuv3_inv_most(const struct inv_core *core, const struct iod_inv *item);

#endif
