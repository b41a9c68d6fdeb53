/* SPDX-License-Identifier: MIT */
/*
 * IOD_SWEEP_PRUNE: leaf tables that no device used since the last sweep are skipped. In stretches of
 * SWEEP_TOUCHED_TABLES leaf tables (docs/dirty.md, "Skipping what was not touched"):
 *
 *  1. take Accessed away from the entries that point to leaf tables, and remember those that had it;
 *  2. invalidate all of what they cover, walk caches included, and wait;
 *  3. sweep, skipping the leaf tables that are not remembered. The caller does the rest.
 *
 * Whatever is not swept after all gets its Accessed back. Compiled once per format.
 */
#ifndef IOD_SWEEP_PRUNE_TMPL_H
#define IOD_SWEEP_PRUNE_TMPL_H

#include "dirty/sweep.h"
#include "pgtable/pt_access.h"
#include "pgtable/pt_walk.h"

#define SWEEP_TOUCHED_LG2 17u
_Static_assert(SWEEP_TOUCHED_TABLES == 1u << SWEEP_TOUCHED_LG2, "");

static int pt_sweep_run(struct pt_sweep_ctx *ctx);

/* Items looked at in one go, all of most tables. */
#define SWEEP_PRUNE_CHUNK 512u

/* Bits of those of items from, from + 1, ... that lie within [first, last]. */
static inline uint64_t pt_prune_within(unsigned from, unsigned first, unsigned last)
{
	uint64_t bits = last - from >= 63 ? UINT64_MAX : low_mask(last - from + 1);

	return first > from ? bits & ~low_mask(first - from) : bits;
}

/*
 * Step 1 for items [from, from + n) of a table of level 1, as far as they lie within [first, last]. To be
 * looked at: leaf tables that were used, and whatever else is there.
 */
static void pt_prune_chunk(struct pt_sweep_ctx *ctx, const struct pt_table *t, unsigned from,
			   unsigned n, unsigned first, unsigned last, struct sweep_touched *touched)
{
	uint64_t used[SWEEP_PRUNE_CHUNK / 64], table[SWEEP_PRUNE_CHUNK / 64];
	uint64_t none[SWEEP_PRUNE_CHUNK / 64], mask, match, bit, within, at;
	unsigned shift = pt_shift(ctx->pt, 1), w;
	struct iod_clean_spec spec;

	pt_table_access_spec(ctx->pt, &mask, &match, &bit);
	spec = (struct iod_clean_spec){ iod_le64(mask), iod_le64(match), iod_le64(bit), 0 };
	ctx->kernels->scan(&t->items[from], n, spec.mask, spec.match, used, NULL);
	ctx->kernels->scan(&t->items[from], n, iod_le64(mask & ~bit), iod_le64(match & ~bit), table,
			   NULL);
	ctx->kernels->scan(&t->items[from], n, UINT64_MAX, 0, none, NULL);
	for (w = 0; w * 64 < n; w++)
		used[w] &= from + w * 64 > last ? 0 : pt_prune_within(from + w * 64, first, last);
	ctx->kernels->clean(&t->items[from], n, &spec, used);
	for (w = 0; w * 64 < n && from + w * 64 <= last; w++) {
		within = pt_prune_within(from + w * 64, first, last);
		at = pt_item_first(ctx->pt, t, from + w * 64);
		touched->bits[(at - touched->base) >> (shift + 6)] |=
			used[w] | (within & ~table[w] & ~none[w]);
		ctx->s->pruned += popcount64(within & table[w] & ~used[w]);
		iod_sweep_gather_tables(ctx->s->gather, at, shift, used[w]);
	}
}

static void pt_prune_items(struct pt_sweep_ctx *ctx, const struct pt_table *t,
			   struct sweep_touched *touched)
{
	unsigned first, last, from, n;

	if (!pt_items_of(ctx->pt, t, touched->first, touched->last, &first, &last))
		return;
	for (from = first & ~63u; from <= last; from += n) {
		n = (1u << t->bits) - from;
		if (n > SWEEP_PRUNE_CHUNK)
			n = SWEEP_PRUNE_CHUNK;
		pt_prune_chunk(ctx, t, from, n, first, last, touched);
	}
}

/* A larger leaf: the tables that it may be split into before it is looked at are. */
static void pt_prune_large(const struct pt_sweep_ctx *ctx, const struct pt_table *t, unsigned i,
			   struct sweep_touched *touched)
{
	uint64_t first = pt_max(pt_item_first(ctx->pt, t, i), touched->first);
	uint64_t last = pt_min(pt_item_last(ctx->pt, t, i), touched->last);
	unsigned shift = pt_shift(ctx->pt, 1) + 6;
	uint64_t w = (first - touched->base) >> shift, end = (last - touched->base) >> shift;

	for (; w <= end; w++)
		touched->bits[w] = UINT64_MAX;
}

static void pt_prune_table(struct pt_sweep_ctx *ctx, const struct pt_table *t,
			   struct sweep_touched *touched)
{
	struct pt_table child;
	unsigned i, end;
	uint64_t pte;

	if (t->level == 1) {
		pt_prune_items(ctx, t, touched);
		return;
	}
	if (!t->level || !pt_items_of(ctx->pt, t, touched->first, touched->last, &i, &end))
		return;
	for (; i <= end; i++) {
		pte = item_load(&t->items[i]);
		if (pt_item_type(ctx->pt, t->level, pte) == PT_LEAF)
			pt_prune_large(ctx, t, i, touched);
		else if (pt_item_type(ctx->pt, t->level, pte) == PT_TABLE &&
			 pt_open_child(ctx->pt, t, i, pte, true, &child))
			pt_prune_table(ctx, &child, touched);
	}
}

/* The leaf tables that lie wholly in the stretch; false when none does. */
static bool pt_prune_stretch(const struct pt_sweep_ctx *ctx, struct sweep_touched *touched)
{
	unsigned shift = pt_shift(ctx->pt, 1);
	uint64_t words;

	touched->first = ctx->r.first + (-ctx->r.first & low_mask(shift));
	touched->last = align_down(ctx->r.last + 1, shift) - 1;
	if (touched->first < ctx->r.first || touched->last > ctx->r.last ||
	    touched->first > touched->last)
		return false;
	touched->base = align_down(touched->first, shift + 6);
	words = ((touched->last - touched->base) >> (shift + 6)) + 1;
	memset(touched->bits, 0, words * sizeof(touched->bits[0]));
	return true;
}

/* Steps 1 and 2. */
static int pt_prune_take(struct pt_sweep_ctx *ctx, struct sweep_touched *touched)
{
	struct pt_table root;

	ctx->touched = NULL;
	if (!pt_prune_stretch(ctx, touched))
		return 0;
	rcu_enter();
	if (pt_open_top(ctx->pt, pt_get_top(ctx->pt), true, &root))
		pt_prune_table(ctx, &root, touched);
	rcu_leave();
	ctx->touched = touched;
	return iod_gather_flush(ctx->s->gather);
}

/* Accessed again for what was taken from x on, and not swept. */
static void pt_prune_give_back(struct pt_sweep_ctx *ctx, uint64_t x)
{
	const struct sweep_touched *touched = ctx->touched;
	unsigned shift = pt_shift(ctx->pt, 1);
	struct pt_table root;
	uint64_t first, bit;

	if (!touched)
		return;
	rcu_enter();
	for (first = align_down(pt_max(x, touched->first), shift);
	     first <= touched->last && pt_open_top(ctx->pt, pt_get_top(ctx->pt), true, &root);
	     first += BIT64(shift)) {
		bit = (first - touched->base) >> shift;
		if (touched->bits[bit / 64] >> bit % 64 & 1)
			pt_mark_used(ctx->pt, &root, first, first);
	}
	rcu_leave();
}

static int pt_sweep_pruned(struct pt_sweep_ctx *ctx)
{
	unsigned stretch = pt_shift(ctx->pt, 1) + SWEEP_TOUCHED_LG2;
	uint64_t last = ctx->r.last;
	struct sweep_touched touched;
	int ret;

	for (;;) {
		ctx->r.first = ctx->pos;
		ctx->r.last = pt_min(last, ctx->pos | low_mask(stretch));
		ret = pt_prune_take(ctx, &touched);
		if (!ret)
			ret = pt_sweep_run(ctx);
		if (ret || ctx->stopped) {
			pt_prune_give_back(ctx, ctx->pos);
			ctx->stopped = true;
			return ret;
		}
		if (ctx->r.last == last)
			return 0;
		ctx->pos = ctx->r.last + 1;
	}
}

#endif
