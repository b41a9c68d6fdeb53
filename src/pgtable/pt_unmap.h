/* SPDX-License-Identifier: MIT */
/* Unmap, and freeing of detached subtrees. Included by the template. */
#ifndef IOD_PT_UNMAP_H
#define IOD_PT_UNMAP_H

#include "pgtable/gather.h"
#include "pgtable/pt_exclude.h"
#include "pgtable/pt_walk.h"

#include "kernels.h"

struct pt_unmap_ctx {
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	struct pt_range r;
	uint64_t bytes; /* unmapped */
	/* what goes to the gather next: neighbours are joined */
	uint64_t first, last;
	uint32_t leaf_levels, table_levels;
};

/* ---- what a subtree holds ---- */

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
			c->bytes += BIT64(shift);
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

/* ---- what must be invalidated ---- */

static void pt_unmap_flush(struct pt_unmap_ctx *ctx)
{
	if (ctx->leaf_levels | ctx->table_levels)
		iod_gather_add(ctx->gather, ctx->first, ctx->last, ctx->leaf_levels,
			       ctx->table_levels);
	ctx->leaf_levels = 0;
	ctx->table_levels = 0;
}

static void pt_unmap_note(struct pt_unmap_ctx *ctx, uint64_t first, uint64_t last,
			  uint32_t leaf_levels, uint32_t table_levels)
{
	bool joins = (ctx->leaf_levels | ctx->table_levels) && first == ctx->last + 1 &&
		     !ctx->table_levels == !table_levels;

	if (!joins) {
		pt_unmap_flush(ctx);
		ctx->first = first;
	}
	ctx->last = last;
	ctx->leaf_levels |= leaf_levels;
	ctx->table_levels |= table_levels;
}

/* ---- the walk ---- */

/* Each is judged by the one value that was read of it. */
static void pt_clear_items(struct pt_unmap_ctx *ctx, const struct pt_table *t, unsigned i,
			   unsigned end)
{
	const struct iod_pgtable *pt = ctx->pt;
	unsigned shift = pt_shift(pt, 0), n = 0;
	bool leaf;

	for (; i <= end; i++) {
		leaf = pt_item_type(pt, 0, item_load_relaxed(&t->items[i])) == PT_LEAF;
		if (leaf) {
			item_store_relaxed(&t->items[i], 0);
			n++;
		}
		if (n && (!leaf || i == end)) {
			unsigned last = leaf ? i : i - 1;

			ctx->bytes += (uint64_t)n << shift;
			pt_unmap_note(ctx, pt_item_first(pt, t, last - (n - 1)),
				      pt_item_last(pt, t, last), 1, 0);
			n = 0;
		}
	}
}

/* All are known to be leaves. */
static void pt_clear_all(struct pt_unmap_ctx *ctx, const struct pt_table *t, unsigned i,
			 unsigned end)
{
	ctx->pt->kernels->zero(&t->items[i], end - i + 1);
	ctx->bytes += (uint64_t)(end - i + 1) << pt_shift(ctx->pt, 0);
	pt_unmap_note(ctx, pt_item_first(ctx->pt, t, i), pt_item_last(ctx->pt, t, end), 1, 0);
}

/* Takes away LEAF items i..end of a leaf table. */
static void pt_unmap_items(struct pt_unmap_ctx *ctx, const struct pt_table *t, unsigned i,
			   unsigned end)
{
	struct mem_leaf_note *note = iod_mem_note(ctx->pt->mem, t->pa);
	struct pt_table_lock *lock = pt_mutate_begin(ctx->pt, t->pa);
	bool full = pt_is_full(ctx->pt, t->pa);

	if (note)
		__atomic_store_n(&note->full, 0, __ATOMIC_RELAXED);
	if (full)
		pt_clear_all(ctx, t, i, end);
	else
		pt_clear_items(ctx, t, i, end);
	pt_mutate_end(lock);
}

/*
 * Cuts off the table under item i, which the range covers wholly. False when there is no memory to
 * remember it by (or a race is lost): then the caller clears what is inside and keeps the tables.
 */
static bool pt_detach(struct pt_unmap_ctx *ctx, const struct pt_table *t, unsigned i, uint64_t pte,
		      const struct pt_table *child)
{
	const struct iod_pgtable *pt = ctx->pt;
	struct pt_content c = { .table_levels = 1u << t->level };

	if (iod_gather_reserve(ctx->gather) || !pt_cut_table(pt, t, i, &pte))
		return false;
	/* Count after the cut: nobody maps into it any more. */
	pt_count_content(pt, child, child->base, child->last, &c);
	iod_gather_subtree(ctx->gather, child->pa, child->level, c.tables);
	ctx->bytes += c.bytes;
	pt_unmap_note(ctx, pt_item_first(pt, t, i), pt_item_last(pt, t, i), c.leaf_levels,
		      c.table_levels);
	return true;
}

static void pt_unmap_table(struct pt_unmap_ctx *ctx, const struct pt_table *t)
{
	const struct iod_pgtable *pt = ctx->pt;
	struct pt_table child;
	uint64_t pte, first, last;
	unsigned i, end;

	if (!pt_items_of(pt, t, ctx->r.first, ctx->r.last, &i, &end))
		return;
	if (!t->level) {
		pt_unmap_items(ctx, t, i, end);
		return;
	}
	for (; i <= end; i++) {
		pte = item_load(&t->items[i]);
		first = pt_item_first(pt, t, i);
		last = pt_item_last(pt, t, i);
		switch (pt_item_type(pt, t->level, pte)) {
		case PT_LEAF:
			item_store_relaxed(&t->items[i], 0);
			ctx->bytes += last - first + 1;
			pt_unmap_note(ctx, first, last, 1u << t->level, 0);
			break;
		case PT_TABLE:
			if (!pt_open_child(pt, t, i, pte, true, &child))
				break;
			if (first < ctx->r.first || last > ctx->r.last ||
			    !pt_detach(ctx, t, i, pte, &child))
				pt_unmap_table(ctx, &child);
			break;
		default:
			break;
		}
	}
}

/* ---- the operation ---- */

/* Whether a page reaches over the edge: x, in t, is inside the range, `outside` its neighbour. */
static bool pt_cuts_page(const struct iod_pgtable *pt, const struct pt_table *t, uint64_t x,
			 uint64_t outside)
{
	unsigned span = pt_shift(pt, t->level) + t->bits, lg2;
	struct pt_top from = { .pa = t->pa, .level = t->level };
	struct pt_found f;

	if (x < t->base || x > t->last ||
	    pt_walk_to_leaf(pt, from, t->bits, x & low_mask(span), &f))
		return false;
	lg2 = pt_leaf_lg2(pt, f.t.level, f.pte);
	/* At either end of the space the neighbour wraps around, into another page. */
	return align_down(x, lg2) == align_down(outside, lg2);
}

static int pt_unmap_check(const struct iod_pgtable *pt, const struct pt_unmap_ctx *ctx,
			  const struct pt_table *t, uint64_t len, uint32_t flags)
{
	struct pt_content c = { 0 };

	if (pt->sizes_mixed && (pt_cuts_page(pt, t, ctx->r.first, ctx->r.first - 1) ||
				pt_cuts_page(pt, t, ctx->r.last, ctx->r.last + 1)))
		return iod_refuse(pt->mem, -EINVAL, "iova, len: cut through a page");
	if (!(flags & IOD_UNMAP_NO_HOLES))
		return 0;
	pt_count_content(pt, t, ctx->r.first, ctx->r.last, &c);
	return c.bytes == len ? 0 : -ENOENT;
}

static int pt_unmap_range(struct iod_pgtable *pt, uint64_t iova, uint64_t len, uint32_t flags,
			  struct iod_gather *gather, uint64_t *done)
{
	struct pt_unmap_ctx ctx = { .pt = pt, .gather = gather };
	struct pt_table t;
	int ret;

	if (!pt)
		return -EINVAL;
	if (!gather || !iod_gather_is_for(gather, pt))
		return iod_refuse(pt->mem, -EINVAL, "gather: none, or of another page table");
	if (flags & ~IOD_UNMAP_NO_HOLES)
		return iod_refuse(pt->mem, -EINVAL, "flags: unknown bit");
	if (!pt->owned)
		return iod_refuse(pt->mem, -EOPNOTSUPP, "pt: attached without adopting");
	ret = iod_pt_range(pt, iova, len, &ctx.r);
	if (ret)
		return ret;
	rcu_enter();
	ret = pt_open_common(pt, ctx.r.first, ctx.r.last, &t) ? 0 : -EFAULT;
	if (!ret)
		ret = pt_unmap_check(pt, &ctx, &t, len, flags);
	if (!ret)
		pt_unmap_table(&ctx, &t);
	pt_unmap_flush(&ctx);
	rcu_leave();
	if (!ret && done)
		*done += ctx.bytes;
	return ret ? ret : ctx.bytes ? 0 : -ENOENT;
}

/* One page, mapped as such, as pt_map_page() maps it. False: not this way, nothing changed. */
static inline bool pt_unmap_page(struct iod_pgtable *pt, uint64_t iova, uint32_t flags,
				 struct iod_gather *gather)
{
	unsigned shift = pt_shift(pt, 0);
	uint64_t x, table, *item, pte;
	struct pt_table_lock *lock;
	struct mem_leaf_note *note;
	bool ok = false;

	if (!is_aligned(iova, shift) || flags & ~IOD_UNMAP_NO_HOLES || !gather ||
	    !iod_gather_is_for(gather, pt) || iod_pt_address(pt, iova, &x))
		return false;
	rcu_enter();
	table = pt_index_get(pt, x);
	item = pt_direct_item(pt, table, x);
	pte = table ? item_load_relaxed(item) : 0;
	if (pte && pt_leaf_lg2(pt, 0, pte) == shift) {
		note = iod_mem_note(pt->mem, table);
		if (__atomic_load_n(&note->full, __ATOMIC_RELAXED))
			__atomic_store_n(&note->full, 0, __ATOMIC_RELAXED);
		lock = pt_mutate_begin(pt, table);
		item_store_relaxed(item, 0);
		pt_mutate_end(lock);
		iod_gather_add(gather, x, x + low_mask(shift), 1, 0);
		ok = true;
	}
	rcu_leave();
	return ok;
}

static int pt_unmap(struct iod_pgtable *pt, uint64_t iova, uint64_t len, uint32_t flags,
		    struct iod_gather *gather, uint64_t *done)
{
	if (pt && len == pt->one_page && pt_unmap_page(pt, iova, flags, gather)) {
		if (done)
			*done += len;
		return 0;
	}
	return pt_unmap_range(pt, iova, len, flags, gather, done);
}

/* ---- freeing ---- */

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
