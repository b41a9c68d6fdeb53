/* SPDX-License-Identifier: MIT */
/* Accessed bits in the entries that point to leaf tables. Included by the template. */
#ifndef IOD_PT_ACCESS_H
#define IOD_PT_ACCESS_H

#include "pgtable/pt_walk.h"

/*
 * Accessed clear says that no device used a leaf table, and that nothing in it is dirty, but while a pruned
 * sweep is at work: it has taken Accessed from tables that it did not look at yet. pt->prunes tells: how
 * many are at work in its low bits, how many ever began above.
 */
#define PT_PRUNES_ACTIVE low_mask(16)

static inline void pt_prune_begin(struct iod_pgtable *pt)
{
	word_add(&pt->prunes, PT_PRUNES_ACTIVE + 2);
}

static inline void pt_prune_end(struct iod_pgtable *pt)
{
	word_sub(&pt->prunes, 1);
}

/*
 * Whether Accessed bits of tables that are cut off tell what is dirty: `was` is pt->prunes before the cut. They
 * do not tell of leaves that are always dirty: those must not matter, or not exist in the format.
 */
static inline bool pt_access_tells(const struct iod_pgtable *pt, uint64_t was, bool skip_untracked)
{
	struct pt_scan_spec all, tracked;

	if (!(pt->features & IOD_PT_HW_TABLE_ACCESS) || pt->attached || (was & PT_PRUNES_ACTIVE) ||
	    word_load(&pt->prunes) != was)
		return false;
	pt_get_scan_spec(pt, false, &all);
	pt_get_scan_spec(pt, true, &tracked);
	return skip_untracked || all.mask == tracked.mask;
}

/* Whether it is known without reading it that nothing in the leaf table at pa can be dirty. */
static inline bool pt_is_quiet(const struct iod_pgtable *pt, uint64_t pa)
{
	const struct mem_leaf_note *note;

	if (!pt->direct || !word_load(&pt->quiet_tables))
		return false;
	note = iod_mem_note(pt->mem, pa);
	return note && !__atomic_load_n(&note->writable, __ATOMIC_ACQUIRE);
}

static inline bool pt_table_accessed(const struct iod_pgtable *pt, uint64_t pte)
{
	uint64_t mask, match, bit;

	pt_table_access_spec(pt, &mask, &match, &bit);
	return pte & bit;
}

/*
 * Says of the leaf tables of [first, last] that they were used, so that the next pruned sweep looks at
 * them: for leaves that became dirty without hardware. To be called when they are visible.
 */
static void pt_mark_used(const struct iod_pgtable *pt, const struct pt_table *t, uint64_t first,
			 uint64_t last)
{
	uint64_t pte, mask, match, bit;
	struct pt_table child;
	unsigned i, end;

	if (!t->level || !pt_items_of(pt, t, first, last, &i, &end))
		return;
	pt_table_access_spec(pt, &mask, &match, &bit);
	for (; i <= end; i++) {
		pte = item_load(&t->items[i]);
		if (t->level > 1) {
			if (pt_item_type(pt, t->level, pte) == PT_TABLE &&
			    pt_open_child(pt, t, i, pte, true, &child))
				pt_mark_used(pt, &child, first, last);
			continue;
		}
		while (pt_item_type(pt, 1, pte) == PT_TABLE && !(pte & bit) &&
		       !item_cas(&t->items[i], &pte, pte | bit))
			;
	}
}

#endif
