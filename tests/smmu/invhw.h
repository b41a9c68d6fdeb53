/* SPDX-License-Identifier: MIT */
/*
 * A page table whose gather goes to an SMMU: a sink in front of an iod_iotlb that takes levels literally and of a
 * device's ATC, both of which obey the commands and nothing else.
 */
#ifndef INVHW_H
#define INVHW_H

#include "invsink.h"

#define HW_SID 0x42u

struct invhw {
	struct iodt *t;
	struct sink sink;
	struct iod_smmuv3_inv *inv;
	struct iod_iotlb *tlb, *atc;
	uint64_t domain; /* that commands for this table come out with */
};

struct invhw_cfg {
	bool addresses; /* no ranges */
	bool no_atc;
	const struct iod_inv_cost *cost; /* NULL: defaults */
	uint32_t flags;			 /* IOD_SMMUV3_INV_* */
	int (*quirk)(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max);
	void *quirk_cookie;
};

/* In place of the test's own gather. */
struct invhw *invhw_open(struct iodt *t, const struct invhw_cfg *cfg);
void invhw_close(struct invhw *hw);

/* Both learn what they can of an address. */
void invhw_warm(struct invhw *hw, uint64_t iova, uint32_t access);

/* How many of both see it otherwise than hardware that holds nothing. */
unsigned invhw_stale(struct invhw *hw, uint64_t iova);

/* How many of both write to it without the table saying so; where it is mapped and dirty state is kept. */
unsigned invhw_unseen(struct invhw *hw, uint64_t iova);

#endif
