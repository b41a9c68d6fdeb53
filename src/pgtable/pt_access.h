/* SPDX-License-Identifier: MIT */
/* Accessed bits in the entries that point to leaf tables. Included by the template. */
#ifndef IOD_PT_ACCESS_H
#define IOD_PT_ACCESS_H

#include "pgtable/pt_walk.h"

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
