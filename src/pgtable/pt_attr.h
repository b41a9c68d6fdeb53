/* SPDX-License-Identifier: MIT */
/* Leaves without their address and size, and dirty state set by software. Included by the template. */
#ifndef IOD_PT_ATTR_H
#define IOD_PT_ATTR_H

#include "pgtable/pt_access.h"
#include "pgtable/pt_exclude.h"
#include "pgtable/pt_walk.h"

static inline bool pt_spec_is_dirty(const struct pt_scan_spec *spec, uint64_t pte)
{
	return (pte & spec->mask) == spec->match;
}

/* Whether hardware tracks the leaf: its dirty bit is state, not a permission. */
static inline bool pt_spec_tracks(const struct pt_scan_spec *spec, uint64_t pte)
{
	return (pte & spec->clean_mask) == spec->clean_match;
}

/* The leaf (or its attributes) as a write leaves it. */
static inline uint64_t pt_spec_dirtied(const struct pt_scan_spec *spec, uint64_t pte)
{
	if (!pt_spec_tracks(spec, pte))
		return pte;
	pte |= spec->accessed;
	return spec->clean_sets ? pte & ~spec->clean_bit : pte | spec->clean_bit;
}

/* What of a leaf changes by itself: dirty state, and Accessed where hardware sets it. */
static inline uint64_t pt_spec_state(const struct iod_pgtable *pt, const struct pt_scan_spec *spec,
				     uint64_t pte)
{
	return (pt->features & IOD_PT_HW_ACCESS ? spec->accessed : 0) |
	       (pt_spec_tracks(spec, pte) ? spec->clean_bit : 0);
}

static void pt_dirty_items(const struct pt_table *t, unsigned i, unsigned end,
			   const struct iod_pgtable *pt, const struct pt_scan_spec *spec)
{
	uint64_t pte;

	for (; i <= end; i++) {
		pte = item_load(&t->items[i]);
		while (pt_item_type(pt, t->level, pte) == PT_LEAF &&
		       pt_spec_dirtied(spec, pte) != pte &&
		       !item_cas(&t->items[i], &pte, pt_spec_dirtied(spec, pte)))
			;
	}
}

/*
 * Makes the leaves that [first, last] touches dirty, at least in the items inside: what is known of them
 * was found elsewhere. A sweep that clears densely stores only over leaves that were dirty before.
 */
static void pt_set_dirty(const struct iod_pgtable *pt, const struct pt_table *t, uint64_t first,
			 uint64_t last, const struct pt_scan_spec *spec)
{
	struct pt_table child;
	unsigned i, end;
	uint64_t pte;

	if (!pt_items_of(pt, t, first, last, &i, &end))
		return;
	pt_dirty_items(t, i, end, pt, spec);
	for (; t->level && i <= end; i++) {
		pte = item_load(&t->items[i]);
		if (pt_item_type(pt, t->level, pte) == PT_TABLE &&
		    pt_open_child(pt, t, i, pte, true, &child))
			pt_set_dirty(pt, &child, first, last, spec);
	}
}

/* The same in the tables that are in use now, and says so to pruned sweeps. */
static void pt_set_dirty_live(const struct iod_pgtable *pt, uint64_t first, uint64_t last,
			      const struct pt_scan_spec *spec)
{
	struct pt_table root;

	if (!pt_open_top(pt, pt_get_top(pt), true, &root))
		return;
	pt_set_dirty(pt, &root, first, last, spec);
	if (pt->features & IOD_PT_HW_TABLE_ACCESS)
		pt_mark_used(pt, &root, first, last);
}

#endif
