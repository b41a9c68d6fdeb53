/* SPDX-License-Identifier: MIT */
/*
 * Merge: items of one table, leaves or tables of leaves, that are one contiguous mapping become one page, from
 * the largest down. Tables that are cut off are looked at once more when hardware has let go of them: one
 * invalidation at the end of the call. Included by the template.
 */
#ifndef IOD_PT_MERGE_H
#define IOD_PT_MERGE_H

#include "pgtable/pt_resize.h"

/* What one contiguous mapping has in common, and the sum of what may differ. */
struct pt_uniform {
	uint64_t attr;	   /* without state */
	uint64_t state;	   /* the bits that may differ */
	uint64_t delta;	   /* output address = x + delta */
	uint64_t any, all; /* of state: set in any, in all leaves */
	uint32_t leaf_levels, table_levels;
};

/* ---- is it one mapping? ---- */

static inline bool pt_uniform_leaf(const struct iod_pgtable *pt, const struct pt_table *t,
				   unsigned i, uint64_t pte, struct pt_uniform *u)
{
	uint64_t x = pt_item_first(pt, t, i), attr = pt_leaf_attr(pt, t->level, pte);
	uint64_t pa =
		pt_leaf_pa(pt, t->level, pte) | (x & low_mask(pt_leaf_lg2(pt, t->level, pte)));

	if ((attr & ~u->state) != u->attr)
		return false;
	u->any |= attr;
	u->all &= attr;
	u->leaf_levels |= 1u << t->level;
	return pa == x + u->delta;
}

/*
 * The usual leaf table: pages of one item, each one step from the next. False: another, or not one mapping. What is
 * compared with is clean and not accessed, so that the state is among the differences.
 */
static bool pt_uniform_fast(const struct pt_resize_ctx *ctx, const struct pt_table *t,
			    struct pt_uniform *u)
{
	const struct iod_pgtable *pt = ctx->pt;
	unsigned shift = pt_shift(pt, 0), n = 1u << t->bits;
	uint64_t clean = ctx->spec.clean_sets ? u->state & ctx->spec.clean_bit : 0;
	uint64_t pte = pt_make_leaf(pt, 0, shift, t->base + u->delta, u->attr | clean), diff;
	uint64_t last = pt_make_leaf(
		pt, 0, shift, t->base + u->delta + ((n - UINT64_C(1)) << shift), u->attr | clean);

	if (last - pte != (n - UINT64_C(1)) << shift ||
	    ((item_load_relaxed(&t->items[0]) ^ pte) & ~u->state))
		return false;
	diff = pt->kernels->differ(t->items, n, pte, BIT64(shift));
	if (diff & ~u->state)
		return false;
	u->any |= diff & ~clean;
	u->all &= ~(diff & clean);
	u->leaf_levels |= 1;
	return true;
}

static bool pt_uniform_item(struct pt_resize_ctx *ctx, const struct pt_table *t, unsigned i,
			    struct pt_uniform *u)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t pte = item_load(&t->items[i]);
	struct pt_table child;
	unsigned k;

	if (pt_item_type(pt, t->level, pte) == PT_LEAF)
		return pt_uniform_leaf(pt, t, i, pte, u);
	if (pt_item_type(pt, t->level, pte) != PT_TABLE || pt_table_deny(pt, pte) ||
	    !pt_open_child(pt, t, i, pte, true, &child) || child.last != pt_item_last(pt, t, i))
		return false;
	u->table_levels |= 1u << t->level;
	ctx->items += BIT64(child.bits);
	if (!child.level && pt_uniform_fast(ctx, &child, u))
		return true;
	for (k = 0; !(k >> child.bits); k++)
		if (!pt_uniform_item(ctx, &child, k, u))
			return false;
	return true;
}

/* Begins with the first leaf at or below item i. */
static bool pt_uniform_begin(const struct pt_resize_ctx *ctx, const struct pt_table *t, unsigned i,
			     struct pt_uniform *u)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t x = pt_item_first(pt, t, i), pte = item_load(&t->items[i]);
	struct pt_table child = *t;

	while (pt_item_type(pt, child.level, pte) == PT_TABLE) {
		if (!pt_open_child(pt, &child, i, pte, true, &child))
			return false;
		i = 0;
		pte = item_load(&child.items[0]);
	}
	if (pt_item_type(pt, child.level, pte) != PT_LEAF)
		return false;
	*u = (struct pt_uniform){ .all = UINT64_MAX };
	u->attr = pt_leaf_attr(pt, child.level, pte);
	u->state = pt_spec_state(pt, &ctx->spec, u->attr);
	u->attr &= ~u->state;
	u->delta = (pt_leaf_pa(pt, child.level, pte) |
		    (x & low_mask(pt_leaf_lg2(pt, child.level, pte)))) -
		   x;
	return true;
}

/*
 * The largest page, of those in `sizes`, that can take the place of item i and those behind it; 0: none. *best
 * is what it holds.
 */
static unsigned pt_merge_lg2(struct pt_resize_ctx *ctx, const struct pt_table *t, unsigned i,
			     uint64_t sizes, struct pt_uniform *best)
{
	unsigned shift = pt_shift(ctx->pt, t->level), lg2 = 0, k, most;
	struct pt_uniform u;

	if (!sizes || !pt_uniform_begin(ctx, t, i, &u))
		return 0;
	if (u.delta)
		sizes &= low_mask(ctz64(u.delta) + 1);
	most = sizes ? 1u << (fls64(sizes) - shift) : 0;
	for (k = 0; k < most && pt_uniform_item(ctx, t, i + k, &u); k++) {
		if (!is_pow2(k + 1) || !(sizes & BIT64(shift + ctz64(k + 1))))
			continue;
		lg2 = shift + ctz64(k + 1);
		*best = u;
	}
	return lg2;
}

/* ---- the swap ---- */

/* The state that the whole has: Accessed and Dirty if any part is. */
static uint64_t pt_merged_attr(const struct pt_resize_ctx *ctx, const struct pt_uniform *u)
{
	const struct pt_scan_spec *spec = &ctx->spec;
	uint64_t attr = u->attr | (u->any & u->state & ~spec->clean_bit);
	uint64_t bit = u->state & spec->clean_bit;

	if (spec->clean_sets) /* clean only if all are */
		return attr | (u->all & bit);
	return attr | (u->any & bit);
}

/* Whether the item is (still) a part of what was found to be one mapping. */
static bool pt_merge_has(const struct iod_pgtable *pt, const struct pt_table *t, unsigned i,
			 uint64_t pte, const struct pt_uniform *u)
{
	struct pt_uniform again = *u;

	if (pt_item_type(pt, t->level, pte) == PT_TABLE)
		return true;
	return pt_item_type(pt, t->level, pte) == PT_LEAF && pt_uniform_leaf(pt, t, i, pte, &again);
}

/* The table that item i pointed to as pte was replaced. */
static void pt_merge_detached(struct pt_resize_ctx *ctx, const struct pt_table *t, unsigned i,
			      uint64_t pte)
{
	struct gather_subtree s;
	struct pt_table child;

	pt_open_child(ctx->pt, t, i, pte, false, &child);
	s = pt_subtree(&child, pt_tables_in(ctx->pt, &child));
	s.harvest = HARVEST_LIVE;
	iod_gather_subtree(ctx->gather, &s);
	ctx->flush = true;
}

/* Item i becomes a part of a page of 2^lg2, `leaf`; by break-before-make it is emptied, and that remembered. */
static void pt_merge_item(struct pt_resize_ctx *ctx, const struct pt_table *t, unsigned i,
			  uint64_t leaf, const struct pt_uniform *u, unsigned lg2)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t pte = item_load(&t->items[i]), v;

	do {
		if (!pt_merge_has(pt, t, i, pte, u))
			return;
		v = ctx->how == RESIZE_BREAK ? 0 : leaf;
		if (v && pt_item_type(pt, t->level, pte) == PT_LEAF &&
		    pt_spec_is_dirty(&ctx->spec, pte))
			v = pt_spec_dirtied(&ctx->spec, v);
	} while (!item_cas(&t->items[i], &pte, v));
	if (pt_item_type(pt, t->level, pte) == PT_TABLE)
		pt_index_clear(pt, pt_item_first(pt, t, i), pt_item_last(pt, t, i));
	if (ctx->how == RESIZE_BREAK)
		ctx->broken[ctx->waiting++] = (struct pt_broken){
			.x = pt_item_first(pt, t, i),
			.old = pte,
			.pte = leaf,
			.level = (uint8_t)t->level,
			.group_lg2 = (uint8_t)lg2,
		};
	else if (pt_item_type(pt, t->level, pte) == PT_TABLE)
		pt_merge_detached(ctx, t, i, pte);
}

/* There are blocks with nT up to here. */
static void pt_merge_nt(struct pt_resize_ctx *ctx, uint64_t last)
{
	ctx->nt = true;
	ctx->nt_last = pt_max(ctx->nt_last, last);
}

/* Items from i on become one page of 2^lg2. */
static int pt_merge_group(struct pt_resize_ctx *ctx, const struct pt_table *t, unsigned i,
			  unsigned lg2, const struct pt_uniform *u)
{
	struct iod_pgtable *pt = ctx->pt;
	unsigned shift = pt_shift(pt, t->level), n = 1u << (lg2 - shift), k;
	uint64_t x = pt_item_first(pt, t, i), attr = pt_merged_attr(ctx, u), leaf;
	uint32_t tables = u->table_levels;
	struct pt_table_lock *lock;

	if (tables && iod_gather_reserve(ctx->gather, (uint64_t)ctx->waiting + n))
		return -ENOMEM;
	iod_gather_resized(ctx->gather); /* as in a split, before the first swap */
	lock = t->level ? NULL : pt_mutate_begin(pt, t->pa);
	for (k = 0; k < n; k++) {
		leaf = pt_make_leaf(pt, t->level, lg2, x + u->delta + ((uint64_t)k << shift), attr);
		if (ctx->how == RESIZE_NT && tables) {
			leaf |= PT_NT;
			pt_merge_nt(ctx, x + low_mask(lg2));
		}
		pt_merge_item(ctx, t, i + k, leaf, u, lg2);
	}
	pt_mutate_end(lock);
	ctx->items += n;
	ctx->entries++;
	iod_gather_add(ctx->gather, x, x + low_mask(lg2), u->leaf_levels, tables);
	return 0;
}

/* ---- the walk ---- */

/* Pages larger than what is there that may begin at item i, as far as alignment and the range tell. */
static uint64_t pt_merge_sizes(const struct pt_resize_ctx *ctx, const struct pt_table *t,
			       unsigned i, uint64_t pte)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t sizes =
		pt_leaf_sizes(pt, t->level) & pt->pgsize_bitmap & low_mask(ctx->max_lg2 + 1);
	uint64_t x = pt_item_first(pt, t, i);

	if (pt_item_type(pt, t->level, pte) == PT_LEAF)
		sizes &= ~low_mask(pt_leaf_lg2(pt, t->level, pte) + 1);
	if (x)
		sizes &= low_mask(ctz64(x) + 1);
	if (x < ctx->r.first)
		return 0;
	while (sizes && low_mask(fls64(sizes)) > ctx->r.last - x)
		sizes &= ~BIT64(fls64(sizes));
	return sizes;
}

static int pt_merge_table(struct pt_resize_ctx *ctx, const struct pt_table *t);

/* Item i, which is a leaf or a table. *next is the item to go on with. */
static int pt_merge_at(struct pt_resize_ctx *ctx, const struct pt_table *t, unsigned i,
		       uint64_t pte, unsigned *next)
{
	const struct iod_pgtable *pt = ctx->pt;
	struct pt_uniform u;
	struct pt_table child;
	unsigned lg2 = pt_merge_lg2(ctx, t, i, pt_merge_sizes(ctx, t, i, pte), &u), n;

	if (lg2) {
		n = 1u << (lg2 - pt_shift(pt, t->level));
		if (ctx->how == RESIZE_BREAK && pt_broken_full(ctx, n)) {
			pt_resize_stop_before(ctx, pt_item_first(pt, t, i));
			return 0;
		}
		*next = i + n;
		return pt_merge_group(ctx, t, i, lg2, &u);
	}
	if (pt_item_type(pt, t->level, pte) == PT_LEAF) {
		*next = (i | (pt_run_items(pt, t->level, pte) - 1)) + 1;
		if (t->level && (pte & PT_NT))
			pt_merge_nt(ctx, pt_item_last(pt, t, *next - 1));
		return 0;
	}
	return pt_open_child(pt, t, i, pte, true, &child) ? pt_merge_table(ctx, &child) : 0;
}

static int pt_merge_table(struct pt_resize_ctx *ctx, const struct pt_table *t)
{
	return pt_resize_items(ctx, t, pt_merge_at);
}

/* ---- the operation ---- */

/* What was done so far is settled, also after an error. */
static int pt_merge_finish(struct pt_resize_ctx *ctx)
{
	int ret = 0;

	/* Also what an earlier call left, whose invalidation failed. */
	if (ctx->flush ||
	    (ctx->nt && iod_gather_has_tables(ctx->gather, ctx->r.first, ctx->nt_last)))
		ret = iod_gather_flush(ctx->gather);
	if (ret || !ctx->nt)
		return ret;
	return pt_resize_pass(ctx, ctx->r.first, ctx->nt_last, UINT64_MAX, pt_resize_clear_nt);
}

static int pt_merge_range(struct iod_pgtable *pt, struct iod_resize *user)
{
	struct pt_resize_ctx ctx = { 0 };
	struct iod_resize r;
	uint64_t done = 0;
	int ret = pt_resize_begin(pt, &r, user, pt ? fls64(pt->pgsize_bitmap) : 0, &ctx), finish;

	if (ret)
		return ret;
	ret = pt_resize_run(&ctx, r.budget, &done, pt_merge_table);
	finish = pt_merge_finish(&ctx);
	pt_resize_end(&ctx, &r, user, done);
	return ret ? ret : finish;
}

#endif
