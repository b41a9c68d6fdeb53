/* SPDX-License-Identifier: MIT */
/*
 * Map. Three walks over the range: check that nothing is mapped there; take away empty tables that
 * stand where a large page will go (only with a gather, and only when there are some); write leaves,
 * from the root down, in the largest sizes that fit.
 */
#ifndef IOD_PT_MAP_H
#define IOD_PT_MAP_H

#include "pgtable/gather.h"
#include "pgtable/pt_access.h"
#include "pgtable/pt_fill.h"
#include "pgtable/pt_unmap.h"
#include "pgtable/pt_walk.h"

/* ---- walk 1: nothing mapped? ---- */

static int pt_check_empty(struct pt_map_ctx *ctx, const struct pt_table *t)
{
	const struct iod_pgtable *pt = ctx->pt;
	struct pt_table child;
	unsigned i, end;
	uint64_t pte;
	int ret = 0;

	if (!pt_items_of(pt, t, ctx->x, ctx->last, &i, &end))
		return 0;
	for (; !ret && i <= end; i++) {
		pte = item_load(&t->items[i]);
		if (!pte)
			continue;
		switch (pt_item_type(pt, t->level, pte)) {
		case PT_NONE:
			break;
		case PT_TABLE:
			if (!pt_open_child(pt, t, i, pte, true, &child))
				return -EFAULT;
			if (!ctx->gather && !pt_fits_below(pt, t->level))
				return -EBUSY;
			if (pt_item_first(pt, t, i) >= ctx->x &&
			    pt_item_last(pt, t, i) <= ctx->last)
				ctx->covers_tables = true;
			ret = pt_check_empty(ctx, &child);
			break;
		default:
			ret = -EEXIST;
		}
	}
	return ret;
}

/* Whether any item under a leaf of 2^lg2 at ctx->x is taken: by an empty table, or lost a race. */
static bool pt_leaf_blocked(const struct pt_map_ctx *ctx, const struct pt_table *t, unsigned lg2)
{
	unsigned i = pt_index(ctx->pt, t, ctx->x);
	unsigned n = 1u << (lg2 - pt_shift(ctx->pt, t->level)), k;

	for (k = 0; k < n; k++)
		if (pt_item_type(ctx->pt, t->level, item_load(&t->items[i + k])) != PT_NONE)
			return true;
	return false;
}

/* Writes leaves at ctx->x in this table if any size fits; false: go down. */
static bool pt_map_leaves(struct pt_map_ctx *ctx, const struct pt_table *t)
{
	uint64_t sizes = pt_leaf_sizes(ctx->pt, t->level) & ctx->pt->pgsize_bitmap;
	unsigned lg2 = pt_best_lg2(ctx, sizes);

	if (!t->level) {
		if (lg2)
			pt_fill(ctx, t, lg2, pt_leaf_count(ctx, t, sizes, lg2));
		return lg2 != 0;
	}
	while (lg2 && pt_leaf_blocked(ctx, t, lg2)) {
		sizes &= low_mask(lg2);
		lg2 = pt_best_lg2(ctx, sizes);
	}
	if (lg2)
		pt_fill(ctx, t, lg2, 1);
	return lg2 != 0;
}

static int pt_map_table(struct pt_map_ctx *ctx, const struct pt_table *t)
{
	struct iod_pgtable *pt = ctx->pt;
	struct pt_table child;
	uint64_t pte, x;
	unsigned i, n;
	int ret;

	while (!ctx->complete && ctx->x <= t->last) {
		if (pt_map_leaves(ctx, t))
			continue;
		if (!pt_fits_below(pt, t->level))
			return -EBUSY; /* an empty table is in the way, and nothing smaller will do */
		x = ctx->x;
		i = pt_index(pt, t, x);
		n = pt_count_absent(ctx, t, i);
		if (n) {
			ret = pt_add_full_tables(ctx, t, i, n);
			if (ret)
				return ret;
			if (ctx->complete || ctx->x != x)
				continue;
		}
		pte = item_load(&t->items[i]);
		if (pt_item_type(pt, t->level, pte) == PT_NONE) {
			ret = pt_add_table(ctx, t, i, &pte);
			if (ret)
				return ret;
		}
		if (pt_item_type(pt, t->level, pte) != PT_TABLE)
			return -EEXIST;
		if (!pt_open_child(pt, t, i, pte, true, &child))
			return -EFAULT;
		ret = pt_map_table(ctx, &child);
		if (ret)
			return ret;
		/* A child that skips levels does not reach to the end of its item. */
		if (!ctx->complete && ctx->x <= pt_item_last(pt, t, i))
			return -EEXIST;
	}
	return 0;
}

/* ---- walk 2: empty tables out of the way ---- */

static int pt_detach_empty(struct pt_map_ctx *ctx, const struct pt_table *t, unsigned i, unsigned n)
{
	const struct iod_pgtable *pt = ctx->pt;
	struct pt_table child;
	uint64_t pte;

	for (; n--; i++) {
		struct pt_content c = { 0 };
		struct gather_subtree s;

		pte = item_load(&t->items[i]);
		if (pt_item_type(pt, t->level, pte) != PT_TABLE)
			continue;
		if (iod_gather_reserve(ctx->gather, 1))
			return 0; /* no memory to remember it by: smaller pages will do */
		if (!pt_cut_table(pt, t, i, &pte))
			return -EAGAIN;
		if (!pt_open_child(pt, t, i, pte, false, &child))
			return -EFAULT;
		pt_count_content(pt, &child, child.base, child.last, &c);
		s = pt_subtree(&child, c.tables);
		iod_gather_subtree(ctx->gather, &s);
		iod_gather_add(ctx->gather, pt_item_first(pt, t, i), pt_item_last(pt, t, i), 0,
			       c.table_levels | 1u << t->level);
	}
	return 0;
}

static int pt_clear_way(struct pt_map_ctx *ctx, const struct pt_table *t)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t sizes = pt_leaf_sizes(pt, t->level) & pt->pgsize_bitmap, pte;
	struct pt_table child;
	unsigned i, lg2;
	int ret = 0;

	while (t->level && !ret && !ctx->complete && ctx->x <= t->last) {
		i = pt_index(pt, t, ctx->x);
		lg2 = pt_best_lg2(ctx, sizes);
		if (lg2) {
			ret = pt_detach_empty(ctx, t, i, 1u << (lg2 - pt_shift(pt, t->level)));
			pt_map_advance(ctx, ctx->x + low_mask(lg2));
			continue;
		}
		pte = item_load(&t->items[i]);
		if (pt_item_type(pt, t->level, pte) == PT_TABLE &&
		    pt_open_child(pt, t, i, pte, true, &child))
			ret = pt_clear_way(ctx, &child);
		if (!ctx->complete && ctx->x <= pt_item_last(pt, t, i))
			pt_map_advance(ctx, pt_item_last(pt, t, i));
	}
	return ret;
}

/* ---- growing the top ---- */

/* Lowest level that has room for the largest page that the range may use. */
static unsigned pt_level_wanted(const struct pt_map_ctx *ctx)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t sizes = pt->pgsize_bitmap, first;
	unsigned level, lg2;

	/* What alignment to the output address and the length allow at all, then one by one. */
	if (ctx->delta)
		sizes &= low_mask(ctz64(ctx->delta) + 1);
	if (ctx->last - ctx->x != UINT64_MAX)
		sizes &= low_mask(fls64(ctx->last - ctx->x + 1) + 1);
	for (; sizes; sizes &= low_mask(lg2)) {
		lg2 = fls64(sizes);
		first = ctx->x + (-ctx->x & low_mask(lg2));
		if (first >= ctx->x && first <= ctx->last && ctx->last - first >= low_mask(lg2))
			break;
	}
	for (level = 0; sizes && !(pt_leaf_sizes(pt, level) & BIT64(lg2)); level++)
		;
	return level;
}

/* One more level on top of the root. */
static int pt_grow_once(struct iod_pgtable *pt, uint64_t word)
{
	struct pt_top top = pt_top_unpack(word);
	unsigned level = top.level + 1;
	struct pt_table above;
	uint64_t pa;
	int ret = pt_new_table(pt, level, true, &pa);

	if (ret)
		return ret;
	pt_open(pt, pa, level, level, 0, true, &above);
	item_store_relaxed(&above.items[0], pt_make_table(pt, level, top.pa));
	if (word_cas(&pt->top, &word, pa | level))
		pt_count_tables(pt, 1, level, level);
	else
		iod_mem_table_free(pt->mem, pa, pt_items_lg2(pt, level, PT_MAX_LEVELS) + 3);
	return 0;
}

/*
 * Until the root reaches the range's end, and is high enough. Then *t, the table to begin at, is the new
 * root; the old one, perhaps empty, is a table below it that may stand in the way.
 */
static int pt_grow(struct pt_map_ctx *ctx, struct pt_table *t)
{
	struct iod_pgtable *pt = ctx->pt;
	unsigned wanted = pt_level_wanted(ctx);
	struct pt_top top;
	uint64_t word;
	int ret;

	for (;;) {
		word = word_load(&pt->top);
		top = pt_top_unpack(word);
		if (top.level >= wanted && !(ctx->last & ~low_mask(pt_shift(pt, top.level + 1))))
			break;
		/* What is the root now will be a table that may stand in the way. */
		if (!ctx->gather && !pt_fits_below(pt, top.level + 1) &&
		    !(ctx->x & ~low_mask(pt_shift(pt, top.level + 1))))
			return -EBUSY;
		ret = pt_grow_once(pt, word);
		if (ret)
			return ret;
		ctx->covers_tables = true;
	}
	/* Somebody else may have made it grow as well: what was found before may be too small. */
	if (!ctx->covers_tables && ctx->last <= t->last)
		return 0;
	return pt_open_top(pt, top, true, t) ? 0 : -EFAULT;
}

/* ---- the operation ---- */

static int pt_map_check(const struct iod_pgtable *pt, uint64_t iova, uint64_t pa, uint64_t len,
			uint32_t prot, const struct iod_gather *gather, struct pt_map_ctx *ctx)
{
	struct pt_range r;
	int ret;

	if (!pt)
		return -EINVAL;
	if (!(prot & PT_RW) || (prot & ~PT_PROT_DEFINED))
		return iod_refuse(pt->mem, -EINVAL,
				  "prot: neither read nor write, or unknown bits");
	if (gather && !iod_gather_is_for(gather, pt))
		return iod_refuse(pt->mem, -EINVAL, "gather: of another page table");
	if (!pt->owned)
		return iod_refuse(pt->mem, -EOPNOTSUPP, "pt: attached without adopting");
	ret = iod_pt_range(pt, iova, len, &r);
	if (ret)
		return ret;
	if (!is_aligned(pa, pt->min_lg2))
		return iod_refuse(pt->mem, -EINVAL, "pa: not a multiple of the smallest page");
	if (pa > pt->max_pa || len - 1 > pt->max_pa - pa)
		return iod_refuse(pt->mem, -ERANGE, "pa: the range exceeds the output range");
	ctx->x = r.first;
	ctx->last = r.last;
	ctx->delta = pa - r.first;
	ctx->may_dirty = prot & (IOD_PROT_WRITE | IOD_PROT_DIRTY);
	ret = pt_encode_prot(pt, prot, &ctx->attr);
	return ret ? iod_refuse(pt->mem, ret, "prot: not for this format") : 0;
}

/*
 * Walk 2, and the invalidation it needs (or that an earlier one still needs, which failed), with the
 * reader section left while the caller's ops run: *t and what walk 1 found do not outlive that, so both
 * are taken again.
 */
static int pt_replace_empty(struct pt_map_ctx *ctx, struct pt_table *t)
{
	struct pt_map_ctx way = *ctx;
	int ret = pt_clear_way(&way, t);

	if (ret || !iod_gather_has_tables(ctx->gather, ctx->x, ctx->last))
		return ret;
	rcu_leave();
	ret = iod_gather_flush(ctx->gather);
	rcu_enter();
	if (!ret && !pt_open_common(ctx->pt, ctx->x, ctx->last, t))
		ret = -EFAULT;
	return ret ? ret : pt_check_empty(ctx, t);
}

static int pt_map_range(struct iod_pgtable *pt, uint64_t iova, uint64_t pa, uint64_t len,
			uint32_t prot, struct iod_gather *gather, uint64_t *done)
{
	struct pt_map_ctx ctx = { .pt = pt, .gather = gather };
	struct pt_table t;
	uint64_t first;
	int ret;

	ret = pt_map_check(pt, iova, pa, len, prot, gather, &ctx);
	if (ret)
		return ret;
	if (gather && rcu_inside())
		return iod_refuse(pt->mem, -EINVAL, "gather: not inside a visit");
	first = ctx.x;
	rcu_enter();
	ret = pt_open_common(pt, ctx.x, ctx.last, &t) ? 0 : -EFAULT;
	if (!ret)
		ret = pt_check_empty(&ctx, &t);
	if (!ret && PT_CAN_GROW)
		ret = pt_grow(&ctx, &t);
	if (!ret && gather && (ctx.covers_tables || iod_gather_has_tables(gather, ctx.x, ctx.last)))
		ret = pt_replace_empty(&ctx, &t);
	if (!ret)
		ret = pt_map_table(&ctx, &t);
	if ((prot & IOD_PROT_DIRTY) && (pt->features & IOD_PT_HW_TABLE_ACCESS) &&
	    pt_open_top(pt, pt_get_top(pt), true, &t))
		pt_mark_used(pt, &t, first, ctx.last);
	rcu_leave();
	if (!ret && !ctx.complete)
		ret = -EAGAIN; /* overlapping mutations: the tables changed under the walk */
	if (done && (ctx.complete || ctx.x != first))
		*done += ctx.complete ? len : ctx.x - first;
	return ret;
}

/*
 * One page, of the smallest size, into a leaf table that is there already: what callers do millions of
 * times. False: not this way, nothing changed; whatever is wrong is found out the long way.
 */
static inline bool pt_map_page(struct iod_pgtable *pt, uint64_t iova, uint64_t pa, uint32_t prot,
			       const struct iod_gather *gather)
{
	unsigned shift = pt_shift(pt, 0);
	uint64_t x, table, *item;
	bool ok = false;

	if (!is_aligned(iova | pa, shift) || pa > pt->max_pa || prot > PT_RW ||
	    !pt->plain_attr[prot] || iod_pt_address(pt, iova, &x) ||
	    (gather && (rcu_inside() || !iod_gather_is_for(gather, pt))))
		return false;
	rcu_enter();
	table = pt_index_get(pt, x);
	item = pt_direct_item(pt, table, x);
	if (table && !item_load_relaxed(item)) {
		if (prot & IOD_PROT_WRITE)
			pt_note_writable(pt, table);
		item_store_relaxed(item, pt_make_leaf(pt, 0, shift, pa, pt->plain_attr[prot]));
		ok = true;
	}
	rcu_leave();
	return ok;
}

static int pt_map(struct iod_pgtable *pt, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot,
		  struct iod_gather *gather, uint64_t *done)
{
	if (pt && len == pt->one_page && pt_map_page(pt, iova, pa, prot, gather)) {
		if (done)
			*done += len;
		return 0;
	}
	return pt_map_range(pt, iova, pa, len, prot, gather, done);
}

#endif
