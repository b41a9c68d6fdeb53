/* SPDX-License-Identifier: MIT */
/* What a subtree holds, and freeing it. Included by the template. */
#ifndef IOD_PT_CONTENT_H
#define IOD_PT_CONTENT_H

#include "pgtable/gather.h"
#include "pgtable/pt_access.h"
#include "pgtable/pt_walk.h"

struct pt_content {
	uint64_t bytes;	 /* mapped */
	uint64_t tables; /* the one looked at included */
	uint32_t leaf_levels, table_levels;
};

/* Counts LEAF items between i and end. Kept apart: this loop is most of a bulk unmap. */
static uint64_t pt_count_items(const struct iod_pgtable *pt, const struct pt_table *t, unsigned i,
			       unsigned end)
{
	uint64_t n = 0;

	for (; i <= end; i++)
		n += pt_item_type(pt, 0, item_load_relaxed(&t->items[i])) == PT_LEAF;
	return n;
}

/* Whether it is known without reading it that every item of a leaf table is a leaf. */
static inline bool pt_is_full(const struct iod_pgtable *pt, uint64_t table_pa)
{
	const struct mem_leaf_note *note = pt->direct ? iod_mem_note(pt->mem, table_pa) : NULL;

	return note && __atomic_load_n(&note->full, __ATOMIC_RELAXED);
}

static void pt_count_content(const struct iod_pgtable *pt, const struct pt_table *t, uint64_t first,
			     uint64_t last, struct pt_content *c)
{
	unsigned shift = pt_shift(pt, t->level), i, end;
	struct pt_table child;
	uint64_t pte, n;

	if (!pt_items_of(pt, t, first, last, &i, &end))
		return;
	c->tables++;
	if (!t->level) {
		n = pt_is_full(pt, t->pa) ? end - i + 1 : pt_count_items(pt, t, i, end);
		c->bytes += n << shift;
		c->leaf_levels |= n ? 1 : 0;
		return;
	}
	for (; i <= end; i++) {
		pte = item_load(&t->items[i]);
		switch (pt_item_type(pt, t->level, pte)) {
		case PT_LEAF:
			c->bytes += pt_min(last, pt_item_last(pt, t, i)) -
				    pt_max(first, pt_item_first(pt, t, i)) + 1;
			c->leaf_levels |= 1u << t->level;
			break;
		case PT_TABLE:
			c->table_levels |= 1u << t->level;
			if (t->level == 1 && pt_is_full(pt, pt_table_pa(pt, pte)) &&
			    first <= pt_item_first(pt, t, i) && last >= pt_item_last(pt, t, i)) {
				c->tables++;
				c->bytes += BIT64(shift);
				c->leaf_levels |= 1u;
			} else if (pt_open_child(pt, t, i, pte, false, &child))
				pt_count_content(pt, &child, first, last, c);
			break;
		default:
			break;
		}
	}
}

/* ---- freeing ---- */

static uint64_t pt_tables_in(const struct iod_pgtable *pt, const struct pt_table *t)
{
	struct pt_content c = { 0 };

	pt_count_content(pt, t, t->base, t->last, &c);
	return c.tables;
}

/* What a gather remembers of a table that was cut off, with all below it. Accessed tells nothing of it. */
static struct gather_subtree pt_subtree(const struct pt_table *t, uint64_t tables)
{
	return (struct gather_subtree){
		.pa = t->pa,
		.tables = tables,
		.x = t->base,
		.level = t->level,
		.used = true,
		.prunes = PT_PRUNES_ACTIVE,
	};
}

/* n tables of a level that nobody uses any more. */
static void pt_free_tables(struct iod_pgtable *pt, const uint64_t *pa, unsigned n, unsigned level,
			   unsigned bits)
{
	unsigned i;

	for (i = 0; !level && i < n; i++)
		pt_index_forget(pt, pa[i]);
	word_sub(&pt->tables, n);
	word_sub(&pt->table_bytes, (uint64_t)n * 8 << bits);
	iod_mem_tables_free(pt->mem, pa, n, bits + 3);
}

#define PT_FREE_BATCH 64u

static void pt_free_tree(struct iod_pgtable *pt, const struct pt_table *t)
{
	unsigned i, n = 0, bits = pt_items_lg2(pt, 0, PT_MAX_LEVELS);
	uint64_t pte, leaf[PT_FREE_BATCH];
	struct pt_table child;

	for (i = 0; t->level && !(i >> t->bits); i++) {
		pte = item_load(&t->items[i]);
		if (pt_item_type(pt, t->level, pte) != PT_TABLE)
			continue;
		if (pt_table_level(pt, t->level, pte) == 0) {
			leaf[n++] = pt_table_pa(pt, pte);
			if (n == PT_FREE_BATCH) {
				pt_free_tables(pt, leaf, n, 0, bits);
				n = 0;
			}
		} else if (pt_open_child(pt, t, i, pte, false, &child)) {
			pt_free_tree(pt, &child);
		}
	}
	if (n)
		pt_free_tables(pt, leaf, n, 0, bits);
	pt_free_tables(pt, &t->pa, 1, t->level, t->bits);
}

static void pt_free_subtree(struct iod_pgtable *pt, uint64_t pa, unsigned level, unsigned top_level)
{
	struct pt_table t;

	if (pt_open(pt, pa, level, top_level, 0, false, &t))
		pt_free_tree(pt, &t);
}

#endif
