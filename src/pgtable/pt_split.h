/* SPDX-License-Identifier: MIT */
/*
 * Split: a page becomes smaller ones, step by step. A run is first written anew as smaller runs or single
 * items of the same table; a single item becomes a table of the next smaller pages in use that fit. Parts
 * inherit attributes and state; the swap is a compare-exchange that fails when hardware marked the page
 * meanwhile. Included by the template.
 */
#ifndef IOD_PT_SPLIT_H
#define IOD_PT_SPLIT_H

#include "pgtable/pt_resize.h"

/* So much is split in one call that its tables do not stay in the caches. */
#define PT_PAST_CACHES (UINT64_C(1) << 34)

/* ---- which sizes ---- */

/*
 * The page that the part of an entry that begins at x becomes in a table of that level, where the part may
 * reach to `last`: the largest that is small enough, or wholly outside the range; else a single item, to be
 * split further; 0: only a table will do there.
 */
static unsigned pt_part_lg2(const struct pt_resize_ctx *ctx, unsigned level, uint64_t x,
			    uint64_t last)
{
	uint64_t sizes = pt_leaf_sizes(ctx->pt, level) & ctx->pt->pgsize_bitmap, s;
	unsigned lg2;

	for (s = sizes; s; s &= ~BIT64(lg2)) {
		lg2 = fls64(s);
		if (!is_aligned(x, lg2) || low_mask(lg2) > last - x)
			continue;
		if (lg2 <= ctx->max_lg2 || x > ctx->r.last || x + low_mask(lg2) < ctx->r.first)
			return lg2;
	}
	return sizes & BIT64(pt_shift(ctx->pt, level)) ? pt_shift(ctx->pt, level) : 0;
}

/* Whether all parts of [first, last] become pages of one size. */
static bool pt_parts_alike(const struct pt_resize_ctx *ctx, uint64_t first, uint64_t last)
{
	return first >= ctx->r.first && last <= ctx->r.last;
}

/* ---- tables that nobody sees yet ---- */

static int pt_build_table(struct pt_resize_ctx *ctx, const struct pt_entry *e, unsigned level,
			  uint64_t x, uint64_t *pa);

/* Writes a table from fill->x on: pages, and tables where nothing else will do. */
static int pt_build_items(struct pt_resize_ctx *ctx, const struct pt_entry *e,
			  const struct pt_table *t, struct pt_map_ctx *fill)
{
	unsigned lg2, span = pt_shift(ctx->pt, t->level) + t->bits;
	uint64_t pa, n;
	int ret;

	while (!fill->complete) {
		lg2 = pt_part_lg2(ctx, t->level, fill->x, t->last);
		if (lg2) {
			n = pt_parts_alike(ctx, t->base, t->last) ? BIT64(span - lg2) : 1;
			pt_write_leaves(fill, t, lg2, n, false);
			continue;
		}
		ret = pt_build_table(ctx, e, t->level - 1, fill->x, &pa);
		if (ret)
			return ret;
		item_store_relaxed(&t->items[pt_index(ctx->pt, t, fill->x)],
				   pt_used_table(ctx->pt, t->level, pa));
		pt_map_advance(fill, fill->x + low_mask(pt_shift(ctx->pt, t->level)));
	}
	return 0;
}

/* A table at that level for the part of the entry that begins at x. */
static int pt_build_table(struct pt_resize_ctx *ctx, const struct pt_entry *e, unsigned level,
			  uint64_t x, uint64_t *pa)
{
	struct iod_pgtable *pt = ctx->pt;
	struct pt_map_ctx fill = { .pt = pt, .x = x, .delta = e->pa - e->x, .attr = e->attr };
	struct pt_table t;
	int ret = pt_new_table(pt, level, level > 0, pa);

	if (ret)
		return ret;
	pt_count_tables(pt, 1, level, PT_MAX_LEVELS);
	pt_open(pt, *pa, level, PT_MAX_LEVELS, x, true, &t);
	ctx->items += ctx->commit ? 0 : BIT64(t.bits);
	fill.last = t.last;
	fill.may_dirty = e->may_dirty;
	fill.past_caches = ctx->past_caches && !level;
	ret = pt_build_items(ctx, e, &t, &fill);
	if (fill.past_caches)
		pt->kernels->fill_end();
	if (!ret && !level)
		pt_note_new(&fill, *pa, true);
	if (ret)
		pt_free_tree(pt, &t);
	return ret;
}

/* ---- the swap ---- */

/*
 * A table in the place of item e->i + k. False when the item is not of the entry any more. *e is dirty
 * afterwards if the item was, also if its table was built before that was known.
 */
static bool pt_swap_table(struct pt_resize_ctx *ctx, struct pt_entry *e, unsigned k,
			  uint64_t child_pa)
{
	struct iod_pgtable *pt = ctx->pt;
	unsigned level = e->t->level;
	uint64_t *item = &e->t->items[e->i + k], pte = item_load(item);
	struct pt_table child;
	bool told = e->dirty;

	pt_open(pt, child_pa, level - 1, PT_MAX_LEVELS, pt_item_first(pt, e->t, e->i + k), true,
		&child);
	while (pt_entry_has(pt, e, pte)) {
		if (pt_spec_is_dirty(&ctx->spec, pte) && !told) {
			pt_set_dirty(pt, &child, child.base, child.last, &ctx->spec);
			told = true;
		}
		if (item_cas(item, &pte, pt_used_table(pt, level, child_pa))) {
			pt_index_tree(pt, &child);
			e->dirty |= told;
			return true;
		}
	}
	return false;
}

static int pt_build_tables(struct pt_resize_ctx *ctx, const struct pt_entry *e, uint64_t *child)
{
	unsigned level = e->t->level, k;
	int ret;

	for (k = 0; k < e->n; k++) {
		ret = pt_build_table(ctx, e, level - 1, pt_item_first(ctx->pt, e->t, e->i + k),
				     &child[k]);
		if (!ret)
			continue;
		while (k--)
			pt_drop_table(ctx->pt, level - 1, child[k]);
		return ret;
	}
	return 0;
}

/* Tables in the place of all items of the entry. */
static int pt_split_to_tables(struct pt_resize_ctx *ctx, struct pt_entry *e)
{
	uint64_t child[PT_RUN_ITEMS];
	int ret = pt_build_tables(ctx, e, child);
	unsigned k;

	if (ret)
		return ret;
	/* Before the first swap: what a sweep beside cleans in a part, hardware may hold as the whole. */
	iod_gather_resized(ctx->gather);
	for (k = 0; k < e->n; k++)
		if (!pt_swap_table(ctx, e, k, child[k]))
			pt_drop_table(ctx->pt, e->t->level - 1, child[k]);
	/*
	 * Until the last item was replaced hardware could mark that one, which stands for all of the run, and
	 * write to parts that were replaced before: and a sweep beside may have cleaned those again.
	 */
	if (e->n > 1 && e->dirty) {
		pt_set_dirty(ctx->pt, e->t, e->x, e->last, &ctx->spec);
		pt_resize_used(ctx->pt, e->x, e->last);
	}
	iod_gather_add(ctx->gather, e->x, e->last, 1u << e->t->level, 0);
	return 0;
}

/* The item at x of what the run becomes in its table: struct pt_part is where the part it is in begins. */
struct pt_part {
	uint64_t x, last;
	unsigned lg2;
};

static void pt_part_at(const struct pt_resize_ctx *ctx, const struct pt_entry *e, uint64_t x,
		       struct pt_part *part)
{
	if (x > e->x && x <= part->last)
		return;
	part->x = x;
	part->lg2 = pt_part_lg2(ctx, e->t->level, x, e->last);
	part->last = x + low_mask(part->lg2);
}

/* The run is written anew in smaller pages, item by item. */
static void pt_split_run(struct pt_resize_ctx *ctx, struct pt_entry *e)
{
	struct iod_pgtable *pt = ctx->pt;
	struct pt_table_lock *lock = e->t->level ? NULL : pt_mutate_begin(pt, e->t->pa);
	struct pt_part part = { 0 };
	uint64_t pte, v, x;
	unsigned k;

	iod_gather_resized(ctx->gather); /* as above */
	for (k = e->i; k < e->i + e->n; k++) {
		pte = item_load(&e->t->items[k]);
		x = pt_item_first(pt, e->t, k);
		pt_part_at(ctx, e, x, &part);
		while (pt_entry_has(pt, e, pte)) {
			v = pt_entry_part(pt, e, part.lg2, x, pt_leaf_attr(pt, e->t->level, pte));
			e->dirty |= pt_spec_is_dirty(&ctx->spec, pte);
			if (e->dirty)
				v = pt_spec_dirtied(&ctx->spec, v);
			if (item_cas(&e->t->items[k], &pte, v))
				break;
		}
	}
	/* As above. */
	if (e->dirty)
		pt_dirty_items(e->t, e->i, e->i + e->n - 1, pt, &ctx->spec);
	pt_mutate_end(lock);
	if (e->dirty && !e->t->level)
		pt_resize_used(pt, e->x, e->last);
	ctx->items += e->n;
	iod_gather_add(ctx->gather, e->x, e->last, 1u << e->t->level, 0);
}

/* ---- what is prepared, and done after an invalidation ---- */

static void pt_split_set_nt(struct pt_resize_ctx *ctx, const struct pt_entry *e)
{
	uint64_t pte;
	unsigned k;

	for (k = e->i; k < e->i + e->n; k++) {
		pte = item_load(&e->t->items[k]);
		while (pt_entry_has(ctx->pt, e, pte) &&
		       !item_cas(&e->t->items[k], &pte, pte | PT_NT))
			;
	}
	ctx->waiting += e->n;
	ctx->items += (uint64_t)e->n << pt_items_lg2(ctx->pt, e->t->level - 1, PT_MAX_LEVELS);
	iod_gather_add(ctx->gather, e->x, e->last, 1u << e->t->level, 0);
}

/* Empties the items; tables will come, or smaller pages. */
static int pt_split_break(struct pt_resize_ctx *ctx, const struct pt_entry *e, bool tables)
{
	struct iod_pgtable *pt = ctx->pt;
	uint64_t child[PT_RUN_ITEMS], pte, x;
	struct pt_part part = { 0 };
	struct pt_table_lock *lock;
	unsigned k;
	int ret = tables ? pt_build_tables(ctx, e, child) : 0;

	if (ret)
		return ret;
	iod_gather_resized(ctx->gather);
	lock = e->t->level ? NULL : pt_mutate_begin(pt, e->t->pa);
	for (k = 0; k < e->n; k++) {
		x = pt_item_first(pt, e->t, e->i + k);
		if (!tables)
			pt_part_at(ctx, e, x, &part);
		pte = item_load(&e->t->items[e->i + k]);
		while (pt_entry_has(pt, e, pte) && !item_cas(&e->t->items[e->i + k], &pte, 0))
			;
		if (!pt_entry_has(pt, e, pte)) {
			if (tables)
				pt_drop_table(pt, e->t->level - 1, child[k]);
			continue;
		}
		ctx->broken[ctx->waiting++] = (struct pt_broken){
			.x = x,
			.old = pte,
			.child = tables ? child[k] : 0,
			.pte = tables ? 0
				      : pt_entry_part(pt, e, part.lg2, x,
						      pt_leaf_attr(pt, e->t->level, pte)),
			.level = (uint8_t)e->t->level,
			.group_lg2 = (uint8_t)e->lg2,
		};
	}
	pt_mutate_end(lock);
	iod_gather_add(ctx->gather, e->x, e->last, 1u << e->t->level, 0);
	return 0;
}

/* ---- the walk ---- */

/* Whether what the entry becomes are tables: a single item, or a run where no smaller pages are in use. */
static bool pt_split_makes_tables(const struct pt_resize_ctx *ctx, const struct pt_entry *e)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t sizes = pt_leaf_sizes(pt, e->t->level) & pt->pgsize_bitmap;

	return e->n == 1 ||
	       !(sizes & (low_mask(ctx->max_lg2 + 1) | BIT64(pt_shift(pt, e->t->level))));
}

/* Whether new tables in the place of the entry have nothing that is too large. */
static bool pt_split_is_done(const struct pt_resize_ctx *ctx, const struct pt_entry *e)
{
	const struct iod_pgtable *pt = ctx->pt;

	return pt_leaf_sizes(pt, e->t->level - 1) & pt->pgsize_bitmap & low_mask(ctx->max_lg2 + 1);
}

/* LEAF item i. *next is the item to go on with: the same once more, where parts may be too large. */
static int pt_split_leaf(struct pt_resize_ctx *ctx, const struct pt_table *t, unsigned i,
			 uint64_t pte, unsigned *next)
{
	struct pt_entry e;
	bool tables;
	int ret = 0;

	*next = (i | (pt_run_items(ctx->pt, t->level, pte) - 1)) + 1;
	if (pt_leaf_lg2(ctx->pt, t->level, pte) <= ctx->max_lg2)
		return 0;
	pt_entry_read(ctx, t, i, pte, &e);
	tables = pt_split_makes_tables(ctx, &e);
	if (ctx->how == RESIZE_BREAK ? pt_broken_full(ctx, e.n) : ctx->waiting >= PT_RESIZE_BATCH) {
		pt_resize_stop_before(ctx, e.x);
		return 0;
	}
	if (ctx->how == RESIZE_NT && (ctx->commit ? !tables || !(pte & PT_NT) : tables)) {
		if (!ctx->commit)
			pt_split_set_nt(ctx, &e);
		return 0;
	}
	if (ctx->how == RESIZE_BREAK)
		ret = pt_split_break(ctx, &e, tables);
	else if (tables)
		ret = pt_split_to_tables(ctx, &e);
	else
		pt_split_run(ctx, &e);
	if (ret)
		return ret;
	ctx->entries++;
	if (ctx->how != RESIZE_BREAK && !ctx->commit && !(tables && pt_split_is_done(ctx, &e)))
		*next = i;
	return 0;
}

/* A leaf table of a created page table whose pages are all small enough. */
static bool pt_split_skips(const struct pt_resize_ctx *ctx, const struct pt_table *t)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t sizes = pt_leaf_sizes(pt, 0) & pt->pgsize_bitmap;

	return !t->level && !pt->attached && !(sizes & ~low_mask(ctx->max_lg2 + 1));
}

static int pt_split_table(struct pt_resize_ctx *ctx, const struct pt_table *t);

static int pt_split_item(struct pt_resize_ctx *ctx, const struct pt_table *t, unsigned i,
			 uint64_t pte, unsigned *next)
{
	struct pt_table child;

	if (pt_item_type(ctx->pt, t->level, pte) == PT_LEAF)
		return pt_split_leaf(ctx, t, i, pte, next);
	return pt_open_child(ctx->pt, t, i, pte, true, &child) ? pt_split_table(ctx, &child) : 0;
}

static int pt_split_table(struct pt_resize_ctx *ctx, const struct pt_table *t)
{
	return pt_split_skips(ctx, t) ? 0 : pt_resize_items(ctx, t, pt_split_item);
}

/* ---- the operations ---- */

static int pt_split_range(struct iod_pgtable *pt, struct iod_resize *user)
{
	struct pt_resize_ctx ctx = { 0 };
	struct iod_resize r;
	uint64_t done;
	int ret = pt_resize_begin(pt, &r, user, pt ? pt->min_lg2 : 0, &ctx);

	if (ret)
		return ret;
	if (ctx.max_lg2 < pt->min_lg2)
		ret = iod_refuse(pt->mem, -EOPNOTSUPP, "page_size: no page in use is as small");
	done = 0;
	ctx.past_caches = r.len >= PT_PAST_CACHES && pt->kernels->fill_past;
	if (!ret)
		ret = pt_resize_run(&ctx, r.budget, &done, pt_split_table);
	pt_resize_end(&ctx, &r, user, done);
	return ret;
}

/* Splits the page that holds x until `edge` (0: the end of the space) is between two pages. */
static int pt_split_at(struct iod_pgtable *pt, struct iod_gather *gather, uint64_t x, uint64_t edge,
		       bool faults)
{
	struct iod_resize r = {
		.size = sizeof(r),
		.iova = align_down(x, pt->min_lg2) + iod_pt_offset(pt, x),
		.len = BIT64(pt->min_lg2),
		.flags = faults ? IOD_RESIZE_ALLOW_FAULTS : 0,
		.page_size = edge ? edge & -edge : 0,
		.gather = gather,
	};

	return pt_split_range(pt, &r);
}

#endif
