/* SPDX-License-Identifier: MIT */
/*
 * The sweep, compiled once per format. A leaf table that the range covers wholly goes through a scan
 * kernel; everything else (tables at the edges, upper levels, clear-by-bitmap) item by item.
 *
 * The rules are those of docs/dirty.md: an item is cleaned by compare-exchange against the value that
 * is reported, or, in dense tables that are ours, by a store that comes to the same; nothing is cleaned that was not recorded; a page only partly inside stays dirty; a run
 * is dirty if any item is, and is cleaned in all.
 */
#ifndef IOD_SWEEP_TMPL_H
#define IOD_SWEEP_TMPL_H

#include "dirty/sweep_leaf_tmpl.h"
#include "dirty/sweep_prune_tmpl.h"
#include "pgtable/pt_walk.h"

/* ---- item by item ---- */

static void pt_sweep_leaf(struct pt_sweep_ctx *ctx, const struct pt_table *t, unsigned i,
			  uint64_t pte, bool writable)
{
	const struct iod_pgtable *pt = ctx->pt;
	struct iod_sweep *s = ctx->s;
	unsigned n = pt_run_items(pt, t->level, pte), from = i & ~(n - 1);
	uint64_t first = pt_item_first(pt, t, from), last = pt_item_last(pt, t, from + n - 1);
	uint64_t in_first = pt_max(first, ctx->r.first), in_last = pt_min(last, ctx->r.last);
	bool inside = in_first == first && in_last == last;

	if (!pt_is_dirty(ctx, pte) || in_first > in_last)
		return;
	if (first != ctx->counted)
		iod_sweep_count(s, pt_leaf_lg2(pt, t->level, pte), 1);
	ctx->counted = first;
	if (s->mode == IOD_SWEEP_CLEAR_BY_BITMAP)
		inside = inside &&
			 iod_sweep_recorded(s->bitmap, first + ctx->r.off, last + ctx->r.off);
	else
		iod_sweep_record(s->bitmap, in_first + ctx->r.off, in_last + ctx->r.off);
	if (ctx->cleaning && inside && writable &&
	    pt_clean_item(ctx, t->level, pt_leaf_lg2(pt, t->level, pte), &t->items[i], &pte)) {
		s->cleaned++;
		iod_gather_add(s->gather, first, last, 1u << t->level, 0);
	}
}

static void pt_sweep_table(struct pt_sweep_ctx *ctx, const struct pt_table *t, bool writable);

static void pt_sweep_child(struct pt_sweep_ctx *ctx, const struct pt_table *t, unsigned i,
			   uint64_t pte)
{
	uint64_t last = pt_item_last(ctx->pt, t, i);
	struct pt_table child;
	bool writable = ctx->cleaning;

	if (!pt_table_level(ctx->pt, t->level, pte) &&
	    pt_is_quiet(ctx->pt, pt_table_pa(ctx->pt, pte))) {
		ctx->s->pruned++;
		return;
	}
	if (!pt_open_child(ctx->pt, t, i, pte, writable, &child)) {
		/* Memory that may be read but not written: report without cleaning. */
		writable = false;
		if (!ctx->cleaning || !pt_open_child(ctx->pt, t, i, pte, false, &child)) {
			ctx->s->bad++;
			return;
		}
	}
	pt_sweep_table(ctx, &child, writable);
	if (!ctx->stopped && ctx->s->items >= ctx->stop_at && last < ctx->r.last &&
	    is_aligned(last + 1, ctx->pt->min_lg2)) {
		ctx->stopped = true;
		ctx->pos = last + 1;
	}
}

/* A run that begins before the range or ends behind it is looked at as a whole: widens [*i, *end]. */
static void pt_widen_to_runs(const struct iod_pgtable *pt, const struct pt_table *t, unsigned *i,
			     unsigned *end)
{
	uint64_t pte = item_load_relaxed(&t->items[*i]);

	if (pt_item_type(pt, t->level, pte) == PT_LEAF)
		*i &= ~(pt_run_items(pt, t->level, pte) - 1);
	pte = item_load_relaxed(&t->items[*end]);
	if (pt_item_type(pt, t->level, pte) == PT_LEAF)
		*end |= pt_run_items(pt, t->level, pte) - 1;
}

static void pt_sweep_items(struct pt_sweep_ctx *ctx, const struct pt_table *t, bool writable)
{
	const struct iod_pgtable *pt = ctx->pt;
	unsigned i, end, first, last;
	uint64_t pte;

	if (!pt_items_of(pt, t, ctx->pos, ctx->r.last, &first, &last))
		return;
	i = first;
	end = last;
	pt_widen_to_runs(pt, t, &i, &end);
	for (; !ctx->stopped && i <= end; i++) {
		if (ctx->touched && t->level == 1) {
			i = pt_sweep_next_touched(ctx, t, i, end);
			if (i > end)
				break;
		}
		pte = item_load(&t->items[i]);
		ctx->s->items++;
		switch (pt_item_type(pt, t->level, pte)) {
		case PT_NONE:
			break;
		case PT_LEAF:
			pt_sweep_leaf(ctx, t, i, pte, writable);
			break;
		case PT_TABLE: /* what widening met is no run's item then, and none of ours */
			if (i < first || i > last)
				break;
			if (pt_sweep_runs_on(ctx, t, i))
				i = pt_sweep_leaf_tables(ctx, t, i, last) - 1;
			else
				pt_sweep_child(ctx, t, i, pte);
			break;
		case PT_BAD:
			ctx->s->bad++;
			break;
		}
	}
}

static void pt_sweep_table(struct pt_sweep_ctx *ctx, const struct pt_table *t, bool writable)
{
	if (!t->level && t->base >= ctx->r.first && t->last <= ctx->r.last &&
	    ctx->s->mode != IOD_SWEEP_CLEAR_BY_BITMAP)
		pt_sweep_leaf_table(ctx, t, writable);
	else
		pt_sweep_items(ctx, t, writable);
}

/* Between reader sections: mutators that do not know of dense clears yet are waited for. */
static void pt_sweep_begin_dense(struct pt_sweep_ctx *ctx)
{
	if (ctx->dense != DENSE_WANTED)
		return;
	iod_pt_dense_begin(ctx->pt);
	ctx->dense = DENSE_ON;
}

/* One reader section after the other, each a bounded number of items. */
static int pt_sweep_run(struct pt_sweep_ctx *ctx)
{
	struct iod_sweep *s = ctx->s;
	struct pt_table root;
	bool over_budget;
	int ret = 0;

	do {
		ctx->stopped = false;
		ctx->stop_at = s->items + SWEEP_SECTION_ITEMS;
		if (s->budget && s->budget < ctx->stop_at)
			ctx->stop_at = s->budget;
		rcu_enter();
		if (pt_open_top(ctx->pt, pt_get_top(ctx->pt), ctx->cleaning, &root))
			pt_sweep_table(ctx, &root, ctx->cleaning);
		else if (pt_open_top(ctx->pt, pt_get_top(ctx->pt), false, &root))
			ret = -EOPNOTSUPP;
		else
			ret = -EFAULT;
		rcu_leave();
		over_budget = s->budget && s->items >= s->budget;
		if (ctx->stopped && !over_budget)
			pt_sweep_begin_dense(ctx);
	} while (!ret && ctx->stopped && !over_budget);
	return ret;
}

static int pt_sweep(struct iod_pgtable *pt, struct iod_sweep *user)
{
	struct pt_range whole;
	uint64_t mask, match;
	struct iod_sweep s;
	struct pt_sweep_ctx ctx = { .pt = pt, .s = &s };
	int ret = pt ? iod_sweep_check(pt, &s, user, &ctx.r) : -EINVAL;

	if (!ret && (s.flags & IOD_SWEEP_FINAL))
		ret = iod_gather_flush_domain(s.gather);
	if (ret)
		return ret;
	pt_get_scan_spec(pt, s.flags & IOD_SWEEP_SKIP_UNTRACKED, &ctx.spec);
	ctx.kernels = pt->kernels;
	pt_size_spec(pt, pt_shift(pt, 0), &mask, &match);
	ctx.clean_stores = pt_clean_spec(&ctx, mask, match, true);
	ctx.clean_lg2 = pt_shift(pt, 0);
	ctx.cleaning = s.mode != IOD_SWEEP_READ;
	/* Inside a visit's reader section no grace period can be waited for. */
	ctx.dense = ctx.cleaning && !pt->attached && !rcu_inside() ? DENSE_NOT : DENSE_NEVER;
	ctx.pos = ctx.r.first;
	ctx.counted = UINT64_MAX;
	whole = ctx.r;
	if (s.flags & IOD_SWEEP_PRUNE) {
		pt_prune_begin(pt);
		ret = pt_sweep_pruned(&ctx);
		pt_prune_end(pt);
	} else {
		ret = pt_sweep_run(&ctx);
	}
	if (ctx.dense == DENSE_ON)
		iod_pt_dense_end(pt);
	s.done = ret || ctx.stopped ? ctx.pos - whole.first : s.len;
	s.next_iova = s.iova + s.done;
	iod_struct_out(user, &s, sizeof(s), offsetof(struct iod_sweep, pruned));
	return ret;
}

#endif
