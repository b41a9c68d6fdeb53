/* SPDX-License-Identifier: MIT */
/*
 * Unmap. Where dirty state is wanted (ctx->sink), leaves are taken one by
 * one by an atomic exchange, and subtrees that are cut off are looked at when hardware has let go of them
 * (pt_harvest.h). Included by the template.
 */
#ifndef IOD_PT_UNMAP_H
#define IOD_PT_UNMAP_H

#include "pgtable/gather.h"
#include "pgtable/pt_attr.h"
#include "pgtable/pt_content.h"
#include "pgtable/pt_exclude.h"
#include "pgtable/pt_split.h"
#include "pgtable/pt_walk.h"

#include "kernels.h"

struct pt_unmap_ctx {
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	struct pt_range r;
	uint32_t flags;
	struct pt_sink sink;		  /* where dirty state goes */
	struct pt_scan_spec spec;	  /* what is dirty, with a sink */
	uint64_t bytes;			  /* unmapped */
	uint64_t dirty;			  /* bytes handed to the sink */
	uint64_t dirty_first, dirty_last; /* the last page of those */
	/* what goes to the gather next: neighbours are joined */
	uint64_t first, last;
	uint32_t leaf_levels, table_levels;
};

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

/* The page, of a run as a whole, that LEAF item i, taken as pte, stands for is dirty. */
static void pt_take_dirty(struct pt_unmap_ctx *ctx, const struct pt_table *t, unsigned i,
			  uint64_t pte)
{
	unsigned n = pt_run_items(ctx->pt, t->level, pte), from = i & ~(n - 1);
	uint64_t first = pt_max(pt_item_first(ctx->pt, t, from), ctx->r.first);
	uint64_t last = pt_min(pt_item_last(ctx->pt, t, from + n - 1), ctx->r.last);

	/* Another item of it. What begins there may reach further, in an adopted table. */
	if (ctx->dirty && first == ctx->dirty_first && last <= ctx->dirty_last)
		return;
	ctx->dirty_first = first;
	ctx->dirty_last = last;
	ctx->sink.ops->range(ctx->sink.bitmap, first + ctx->r.off, last + ctx->r.off);
	ctx->dirty += last - first + 1;
}

/* The same as pt_clear_items(), and what they were is told. */
static void pt_take_items(struct pt_unmap_ctx *ctx, const struct pt_table *t, unsigned i,
			  unsigned end)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t pte;

	for (; i <= end; i++) {
		pte = item_load_relaxed(&t->items[i]);
		if (pt_item_type(pt, t->level, pte) != PT_LEAF)
			continue;
		pte = item_exchange(&t->items[i], 0);
		if (pt_item_type(pt, t->level, pte) != PT_LEAF)
			continue;
		if (pt_spec_is_dirty(&ctx->spec, pte))
			pt_take_dirty(ctx, t, i, pte);
		ctx->bytes += BIT64(pt_shift(pt, t->level));
		pt_unmap_note(ctx, pt_item_first(pt, t, i), pt_item_last(pt, t, i), 1u << t->level,
			      0);
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
	if (ctx->sink.ops)
		pt_take_items(ctx, t, i, end);
	else if (full)
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
	uint64_t prunes = word_load(&pt->prunes);
	struct gather_subtree s;

	if (iod_gather_reserve(ctx->gather, 1) || !pt_cut_table(pt, t, i, &pte))
		return false;
	/* Count after the cut: nobody maps into it any more. */
	pt_count_content(pt, child, child->base, child->last, &c);
	s = pt_subtree(child, c.tables);
	s.sink = ctx->sink;
	s.prunes = prunes;
	s.used = pt_table_accessed(pt, pte);
	if (s.sink.ops)
		s.harvest = HARVEST_BITMAP;
	iod_gather_subtree(ctx->gather, &s);
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
			if (ctx->sink.ops) {
				pt_take_items(ctx, t, i, i);
				break;
			}
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

static bool pt_cuts_first(const struct pt_unmap_ctx *ctx, const struct pt_table *t)
{
	return ctx->pt->sizes_mixed && pt_cuts_page(ctx->pt, t, ctx->r.first, ctx->r.first - 1);
}

static bool pt_cuts_last(const struct pt_unmap_ctx *ctx, const struct pt_table *t)
{
	return ctx->pt->sizes_mixed && pt_cuts_page(ctx->pt, t, ctx->r.last, ctx->r.last + 1);
}

/* Inside a reader section. *t is the table to begin at. */
static int pt_unmap_check(const struct pt_unmap_ctx *ctx, struct pt_table *t)
{
	struct pt_content c = { 0 };

	if (!pt_open_common(ctx->pt, ctx->r.first, ctx->r.last, t))
		return -EFAULT;
	if (pt_cuts_first(ctx, t) || pt_cuts_last(ctx, t)) {
		if (!(ctx->flags & IOD_UNMAP_SPLIT))
			return iod_refuse(ctx->pt->mem, -EINVAL, "iova, len: cut through a page");
		if (!pt_resize_allowed(ctx->pt, ctx->flags & IOD_UNMAP_ALLOW_FAULTS))
			return iod_refuse(ctx->pt->mem, -EOPNOTSUPP,
					  "flags: a split needs break-before-make");
	}
	if (!(ctx->flags & IOD_UNMAP_NO_HOLES))
		return 0;
	pt_count_content(ctx->pt, t, ctx->r.first, ctx->r.last, &c);
	return c.bytes > ctx->r.last - ctx->r.first ? 0 : -ENOENT;
}

/* Splits the pages that reach over the edges, no further than it takes. */
static int pt_unmap_split(struct pt_unmap_ctx *ctx)
{
	bool faults = ctx->flags & IOD_UNMAP_ALLOW_FAULTS, first = false, last = false;
	struct pt_table t;
	int ret = 0;

	rcu_enter();
	if (pt_open_common(ctx->pt, ctx->r.first, ctx->r.last, &t)) {
		first = pt_cuts_first(ctx, &t);
		last = pt_cuts_last(ctx, &t);
	}
	rcu_leave();
	if (first)
		ret = pt_split_at(ctx->pt, ctx->gather, ctx->r.first, ctx->r.first, faults);
	if (!ret && last)
		ret = pt_split_at(ctx->pt, ctx->gather, ctx->r.last, ctx->r.last + 1, faults);
	return ret;
}

/* What both kinds of unmap check of their arguments; *r is the range. */
static int pt_unmap_arguments(struct pt_unmap_ctx *ctx, uint64_t iova, uint64_t len,
			      uint32_t known_flags)
{
	const struct iod_pgtable *pt = ctx->pt;

	if (!ctx->gather || !iod_gather_is_for(ctx->gather, pt))
		return iod_refuse(pt->mem, -EINVAL, "gather: none, or of another page table");
	if (ctx->flags & ~known_flags)
		return iod_refuse(pt->mem, -EINVAL, "flags: unknown bit");
	if ((ctx->flags & IOD_UNMAP_SPLIT) && rcu_inside())
		return iod_refuse(pt->mem, -EINVAL, "flags: no splits inside a visit");
	if (!pt->owned)
		return iod_refuse(pt->mem, -EOPNOTSUPP, "pt: attached without adopting");
	return iod_pt_range(pt, iova, len, &ctx->r);
}

/* Checks, splits, takes away. */
static int pt_unmap_run(struct pt_unmap_ctx *ctx, bool dry)
{
	struct pt_table t;
	int ret;

	rcu_enter();
	ret = pt_unmap_check(ctx, &t);
	if (!ret && !dry && (ctx->flags & IOD_UNMAP_SPLIT)) {
		rcu_leave();
		ret = pt_unmap_split(ctx);
		rcu_enter();
		if (!ret && !pt_open_common(ctx->pt, ctx->r.first, ctx->r.last, &t))
			ret = -EFAULT;
	}
	if (!ret && !dry)
		pt_unmap_table(ctx, &t);
	pt_unmap_flush(ctx);
	rcu_leave();
	if (!ret && !dry)
		iod_gather_bound(ctx->gather);
	return ret;
}

static int pt_unmap_range(struct iod_pgtable *pt, uint64_t iova, uint64_t len, uint32_t flags,
			  struct iod_gather *gather, uint64_t *done)
{
	struct pt_unmap_ctx ctx = { .pt = pt, .gather = gather, .flags = flags };
	int ret;

	if (!pt)
		return -EINVAL;
	ret = pt_unmap_arguments(&ctx, iova, len,
				 IOD_UNMAP_NO_HOLES | IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS);
	if (!ret)
		ret = pt_unmap_run(&ctx, false);
	if (!ret && done)
		*done += ctx.bytes;
	return ret ? ret : ctx.bytes ? 0 : -ENOENT;
}

/* A page of one item, about to be unmapped. */
struct pt_unmap_found {
	uint64_t x, *item;
	struct pt_table_lock *lock;
};

/*
 * One page, mapped as such, as pt_map_page() maps it; in a reader section until pt_unmap_page_end(). False: not
 * this way, nothing changed.
 */
static inline bool pt_unmap_page_begin(struct iod_pgtable *pt, uint64_t iova,
				       const struct iod_gather *gather, struct pt_unmap_found *f)
{
	unsigned shift = pt_shift(pt, 0);
	struct mem_leaf_note *note;
	uint64_t table, pte;

	if (!is_aligned(iova, shift) || !gather || !iod_gather_is_for(gather, pt) ||
	    iod_pt_address(pt, iova, &f->x))
		return false;
	rcu_enter();
	table = pt_index_get(pt, f->x);
	f->item = pt_direct_item(pt, table, f->x);
	pte = table ? item_load_relaxed(f->item) : 0;
	if (!pte || pt_leaf_lg2(pt, 0, pte) != shift) {
		rcu_leave();
		return false;
	}
	note = iod_mem_note(pt->mem, table);
	if (__atomic_load_n(&note->full, __ATOMIC_RELAXED))
		__atomic_store_n(&note->full, 0, __ATOMIC_RELAXED);
	f->lock = pt_mutate_begin(pt, table);
	return true;
}

static inline void pt_unmap_page_end(const struct iod_pgtable *pt, struct iod_gather *gather,
				     const struct pt_unmap_found *f)
{
	pt_mutate_end(f->lock);
	iod_gather_add(gather, f->x, f->x + low_mask(pt_shift(pt, 0)), 1, 0);
	rcu_leave();
}

static inline bool pt_unmap_page(struct iod_pgtable *pt, uint64_t iova, uint32_t flags,
				 struct iod_gather *gather)
{
	struct pt_unmap_found f;

	if (flags & ~IOD_UNMAP_NO_HOLES || !pt_unmap_page_begin(pt, iova, gather, &f))
		return false;
	item_store_relaxed(f.item, 0);
	pt_unmap_page_end(pt, gather, &f);
	return true;
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

#endif
