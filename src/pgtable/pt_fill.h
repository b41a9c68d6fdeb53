/* SPDX-License-Identifier: MIT */
/*
 * What map writes: which sizes fit, leaves one by one into tables that others see, new tables, and whole
 * leaf tables many at a time. Included by pt_map.h.
 */
#ifndef IOD_PT_FILL_H
#define IOD_PT_FILL_H

#include "pgtable/pt_walk.h"

#include "kernels.h"

struct pt_map_ctx {
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	uint64_t x, last; /* what is left to do */
	uint64_t delta;	  /* output address = x + delta */
	uint64_t attr;
	bool may_dirty;	  /* the leaves can become dirty, or are born so */
	bool past_caches; /* many tables are written at a time */
	bool complete;
	bool covers_tables; /* the range covers whole existing tables */
};

/* Whether some page in use goes into tables below this level. */
static inline bool pt_fits_below(const struct iod_pgtable *pt, unsigned level)
{
	return pt->pgsize_bitmap & low_mask(pt_shift(pt, level));
}

/* ---- sizes ---- */

/* Largest leaf that may go at ctx->x in a table of this level, of those in `sizes`; 0: none. */
static unsigned pt_best_lg2(const struct pt_map_ctx *ctx, uint64_t sizes)
{
	uint64_t both = ctx->x | (ctx->x + ctx->delta), left = ctx->last - ctx->x;

	if (both)
		sizes &= low_mask(ctz64(both) + 1);
	if (left != UINT64_MAX)
		sizes &= low_mask(fls64(left + 1) + 1);
	return sizes ? fls64(sizes) : 0;
}

/* How many leaves of 2^lg2 go one after the other before the table, the range or the size ends. */
static uint64_t pt_leaf_count(const struct pt_map_ctx *ctx, const struct pt_table *t,
			      uint64_t sizes, unsigned lg2)
{
	uint64_t end = pt_min(t->last, ctx->last), larger = sizes & ~low_mask(lg2 + 1);
	uint64_t n = ((end - ctx->x) >> lg2) + (((end - ctx->x) & low_mask(lg2)) == low_mask(lg2));

	if (larger) {
		unsigned next = ctz64(larger);
		uint64_t to_next = -ctx->x & low_mask(next);

		if (to_next && is_aligned(ctx->delta, next))
			n = pt_min(n, to_next >> lg2);
	}
	return n;
}

static void pt_map_advance(struct pt_map_ctx *ctx, uint64_t last)
{
	if (last >= ctx->last)
		ctx->complete = true;
	else
		ctx->x = last + 1;
}

/* ---- writing ---- */

/*
 * n leaves of 2^lg2 from ctx->x on, into a table that only we change in that range. Items mostly differ
 * by one step from the next; where they do not (replicas, an address field in two pieces), each is made.
 * `seen`: others read the table, so each item is one store.
 */
static void pt_write_leaves(struct pt_map_ctx *ctx, const struct pt_table *t, unsigned lg2,
			    uint64_t n, bool seen)
{
	const struct iod_pgtable *pt = ctx->pt;
	unsigned shift = pt_shift(pt, t->level), level = t->level;
	uint64_t *item = &t->items[pt_index(pt, t, ctx->x)];
	uint64_t pa = ctx->x + ctx->delta, attr = ctx->attr, items = n << (lg2 - shift), k;
	uint64_t pte = pt_make_leaf(pt, level, lg2, pa, attr);
	uint64_t last = pt_make_leaf(pt, level, lg2, pa + ((items - 1) << shift), attr);

	if (last - pte != (items - 1) << shift) {
		for (k = 0; k < items; k++, pa += BIT64(shift))
			item_store_relaxed(&item[k], pt_make_leaf(pt, level, lg2, pa, attr));
	} else if (seen) {
		for (k = 0; k < items; k++, pte += BIT64(shift))
			item_store_relaxed(&item[k], pte);
	} else if (ctx->past_caches) {
		pt->kernels->fill_past(item, (unsigned)items, pte, BIT64(shift));
	} else {
		pt->kernels->fill(item, (unsigned)items, pte, BIT64(shift));
	}
	pt_map_advance(ctx, ctx->x + ((n << lg2) - 1));
}

/* Whoever finds a leaf that can become dirty also finds this noted. */
static inline void pt_note_writable(const struct iod_pgtable *pt, uint64_t table_pa)
{
	struct mem_leaf_note *note = iod_mem_note(pt->mem, table_pa);

	if (!note || __atomic_load_n(&note->writable, __ATOMIC_ACQUIRE))
		return;
	__atomic_store_n(&note->writable, 1, __ATOMIC_RELAXED);
	full_fence(); /* once a table */
}

/* The same in a table that others see. Dense clears need not be kept out: they store only to leaves. */
static void pt_fill(struct pt_map_ctx *ctx, const struct pt_table *t, unsigned lg2, uint64_t n)
{
	if (!t->level && ctx->may_dirty)
		pt_note_writable(ctx->pt, t->pa);
	pt_write_leaves(ctx, t, lg2, n, true);
}

/*
 * Gives a table to everybody, in place of empty item i: stores before this are seen by whoever sees the
 * item. *pte is the item as read, and as it stands afterwards.
 */
static bool pt_install(struct iod_pgtable *pt, const struct pt_table *t, unsigned i,
		       uint64_t child_pa, uint64_t *pte)
{
	uint64_t table = pt_make_table(pt, t->level, child_pa);

	if (!item_cas(&t->items[i], pte, table))
		return false;
	if (t->level == 1)
		pt_index_set(pt, pt_item_first(pt, t, i), child_pa);
	*pte = table;
	return true;
}

static int pt_new_table(struct iod_pgtable *pt, unsigned level, bool zero, uint64_t *pa)
{
	unsigned lg2 = pt_items_lg2(pt, level, PT_MAX_LEVELS) + 3;
	int ret = iod_mem_table_alloc(pt->mem, lg2, level ? MEM_UPPER : MEM_LEAF, pt->max_pa, zero,
				      pa);

	return ret ? -ENOMEM : 0;
}

static void pt_count_tables(struct iod_pgtable *pt, uint64_t n, unsigned level, unsigned top_level)
{
	word_add(&pt->tables, n);
	word_add(&pt->table_bytes, n * 8 << pt_items_lg2(pt, level, top_level));
}

/* What is known of a leaf table that nobody sees yet. */
static void pt_note_new(const struct pt_map_ctx *ctx, uint64_t pa, bool full)
{
	struct mem_leaf_note *note = iod_mem_note(ctx->pt->mem, pa);

	if (!note)
		return;
	__atomic_store_n(&note->full, full, __ATOMIC_RELAXED);
	__atomic_store_n(&note->writable, ctx->may_dirty, __ATOMIC_RELAXED);
	if (!ctx->may_dirty)
		word_add(&ctx->pt->quiet_tables, 1);
}

/*
 * A new, empty table under empty item i. *pte is the item as read, and as it stands afterwards, whoever
 * installed it.
 */
static int pt_add_table(struct pt_map_ctx *ctx, const struct pt_table *t, unsigned i, uint64_t *pte)
{
	struct iod_pgtable *pt = ctx->pt;
	uint64_t pa;
	int ret = pt_new_table(pt, t->level - 1, true, &pa);

	if (ret)
		return ret;
	if (t->level == 1)
		pt_note_new(ctx, pa, false);
	if (pt_install(pt, t, i, pa, pte))
		pt_count_tables(pt, 1, t->level - 1, PT_MAX_LEVELS);
	else /* Somebody was faster; nobody ever saw ours. */
		iod_mem_table_free(pt->mem, pa, pt_items_lg2(pt, t->level - 1, PT_MAX_LEVELS) + 3);
	return 0;
}

/* Leaf tables made at a time: enough to share the costs, few enough to stay in the cache. */
#define PT_BATCH 64u

/* How many leaf tables, from item i of a table of level 1 on, are absent and wholly in the range. */
static unsigned pt_count_absent(const struct pt_map_ctx *ctx, const struct pt_table *t, unsigned i)
{
	const struct iod_pgtable *pt = ctx->pt;
	unsigned n = 0;

	if (t->level != 1 || ctx->x != pt_item_first(pt, t, i))
		return 0;
	while (n < PT_BATCH && !((i + n) >> t->bits) && ctx->last >= pt_item_last(pt, t, i + n) &&
	       pt_item_type(pt, 1, item_load_relaxed(&t->items[i + n])) == PT_NONE)
		n++;
	return n;
}

/* Writes all of a leaf table that nobody sees yet. */
static void pt_fill_table(struct pt_map_ctx *ctx, uint64_t pa)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t sizes = pt_leaf_sizes(pt, 0) & pt->pgsize_bitmap;
	struct pt_table t;
	unsigned lg2;

	pt_open(pt, pa, 0, PT_MAX_LEVELS, ctx->x, true, &t);
	while (!ctx->complete && ctx->x <= t.last) {
		lg2 = pt_best_lg2(ctx, sizes);
		pt_write_leaves(ctx, &t, lg2, pt_leaf_count(ctx, &t, sizes, lg2), false);
	}
	pt_note_new(ctx, pa, true);
}

/*
 * n leaf tables under empty items from i on, written before they are installed. Stops where somebody else
 * was faster: the walk goes on there.
 */
static int pt_add_full_tables(struct pt_map_ctx *ctx, const struct pt_table *t, unsigned i,
			      unsigned n)
{
	struct iod_pgtable *pt = ctx->pt;
	unsigned lg2 = pt_items_lg2(pt, 0, PT_MAX_LEVELS) + 3, k, got;
	struct pt_map_ctx fill = *ctx;
	uint64_t pa[PT_BATCH], pte;
	bool fresh;

	got = iod_mem_tables_alloc(pt->mem, lg2, MEM_LEAF, pt->max_pa, n, pa, &fresh);
	if (!got)
		return -ENOMEM;
	/* What was just faulted in is in the caches already. */
	fill.past_caches = got == PT_BATCH && !fresh && pt->kernels->fill_past;
	for (k = 0; k < got; k++)
		pt_fill_table(&fill, pa[k]);
	if (fill.past_caches)
		pt->kernels->fill_end();
	for (k = 0; k < got; k++) {
		pte = item_load(&t->items[i + k]);
		if (pt_item_type(pt, 1, pte) != PT_NONE || !pt_install(pt, t, i + k, pa[k], &pte))
			break;
		pt_map_advance(ctx, pt_item_last(pt, t, i + k));
	}
	pt_count_tables(pt, k, 0, PT_MAX_LEVELS);
	iod_mem_tables_free(pt->mem, pa + k, got - k, lg2);
	return 0;
}

#endif
