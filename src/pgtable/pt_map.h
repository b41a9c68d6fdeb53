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
#include "pgtable/pt_unmap.h"
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

		pte = item_load(&t->items[i]);
		if (pt_item_type(pt, t->level, pte) != PT_TABLE)
			continue;
		if (iod_gather_reserve(ctx->gather))
			return 0; /* no memory to remember it by: smaller pages will do */
		if (!pt_cut_table(pt, t, i, &pte))
			return -EAGAIN;
		if (!pt_open_child(pt, t, i, pte, false, &child))
			return -EFAULT;
		pt_count_content(pt, &child, child.base, child.last, &c);
		iod_gather_subtree(ctx->gather, child.pa, child.level, c.tables);
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
	item = (uint64_t *)(pt->direct + (uintptr_t)table) +
	       (x >> shift & low_mask(pt_items_lg2(pt, 0, PT_MAX_LEVELS)));
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
