/* SPDX-License-Identifier: MIT */
/*
 * A batch by address for IOMMUs whose commands name aligned powers of two of pages of 4 KiB, and say whether
 * table entries changed as well: the blocks that cost least.
 */
#ifndef IOD_INV_BLOCKS_H
#define IOD_INV_BLOCKS_H

#include "inv_core.h"

/* How a vendor puts one. */
struct inv_block_form {
	unsigned max_lg2; /* pages of the largest */
	bool all_tables;  /* always as if table entries had changed */
	/* leaf: no table entry changed */
	void (*put)(struct inv_out *o, uint16_t domain, uint64_t page, unsigned lg2, bool leaf);
};

/* struct inv_vendor's narrow() for every domain of the object. */
bool iod_inv_blocks(struct inv_out *o, const struct inv_block_form *form,
		    const struct iod_inv *items, size_t nr, uint64_t *budget);

/* And its most(), for one domain. */
uint64_t iod_inv_blocks_most(const struct inv_block_form *form, const struct iod_inv *item);

#endif
