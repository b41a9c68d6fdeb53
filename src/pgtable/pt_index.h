/* SPDX-License-Identifier: MIT */
/*
 * The leaf index: for each leaf table's place in table space, the address of the table that is installed
 * there, or 0. It spares lookups and single-page mutations the walk.
 *
 * Only mutators write it: after a leaf table was installed, and after the entry that leads to it was cut,
 * before the call returns; so whoever is ordered behind a mutation finds what it left. A table that is
 * being freed, after its grace period, is taken out once more, for overlapping mutations that raced.
 * Tables of the library in an arena only; where the index does not reach, or has no memory, one walks.
 */
#ifndef IOD_PT_INDEX_H
#define IOD_PT_INDEX_H

#include "pgtable/pt_defs.h"

/* Address of the leaf table that holds x, or 0: not known this way. Inside a reader section. */
static inline uint64_t pt_index_get(const struct iod_pgtable *pt, uint64_t x)
{
	uint64_t slot = x >> pt->slot_lg2;

	return slot < pt->leaf_slots ? word_load(&pt->leaf_index[slot]) : 0;
}

static inline void pt_index_set(struct iod_pgtable *pt, uint64_t x, uint64_t table_pa)
{
	uint64_t slot = x >> pt->slot_lg2;

	if (slot >= pt->leaf_slots)
		return;
	iod_mem_note(pt->mem, table_pa)->slot = (uint32_t)slot;
	__atomic_store_n((iod_word *)&pt->leaf_index[slot], table_pa, __ATOMIC_RELEASE);
}

/* Nothing is installed in [first, last] any more. */
static inline void pt_index_clear(const struct iod_pgtable *pt, uint64_t first, uint64_t last)
{
	uint64_t slot = first >> pt->slot_lg2, end = last >> pt->slot_lg2;

	for (; slot <= end && slot < pt->leaf_slots; slot++)
		if (__atomic_load_n((iod_word *)&pt->leaf_index[slot], __ATOMIC_RELAXED))
			__atomic_store_n((iod_word *)&pt->leaf_index[slot], 0, __ATOMIC_RELEASE);
}

/* A table is about to be freed. */
static inline void pt_index_forget(struct iod_pgtable *pt, uint64_t table_pa)
{
	uint64_t slot, old = table_pa;

	if (!pt->leaf_slots)
		return;
	slot = iod_mem_note(pt->mem, table_pa)->slot;
	if (slot < pt->leaf_slots && word_load(&pt->leaf_index[slot]) == table_pa)
		word_cas(&pt->leaf_index[slot], &old, 0);
}

#endif
