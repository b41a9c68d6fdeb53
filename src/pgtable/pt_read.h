/* SPDX-License-Identifier: MIT */
/* Reading: translate and visit. Included by the template. */
#ifndef IOD_PT_READ_H
#define IOD_PT_READ_H

#include "pgtable/pt_walk.h"

/* Whether item v belongs to the same run as pte. */
static inline bool pt_same_run(const struct iod_pgtable *pt, unsigned level, uint64_t pte,
			       uint64_t v)
{
	return pt_item_type(pt, level, v) == PT_LEAF &&
	       pt_leaf_lg2(pt, level, v) == pt_leaf_lg2(pt, level, pte) &&
	       pt_leaf_pa(pt, level, v) == pt_leaf_pa(pt, level, pte) &&
	       pt_leaf_prot(pt, v) == pt_leaf_prot(pt, pte) &&
	       pt_leaf_memattr(pt, level, v) == pt_leaf_memattr(pt, level, pte);
}

static inline void pt_merge_state(const struct iod_pgtable *pt, uint64_t pte, struct iod_mapping *m)
{
	enum iod_dirty dirty = pt_leaf_dirty(pt, pte);

	m->accessed |= pt_leaf_accessed(pt, pte);
	if (m->dirty == IOD_CLEAN || dirty == IOD_DIRTY)
		m->dirty = dirty;
}

/*
 * Describes the entry that LEAF item i belongs to: the neighbours of its aligned group, from item `from` on,
 * that are the same run, so that a partial replica set is reported as far as it goes. Returns its last item.
 */
static unsigned pt_read_entry(const struct iod_pgtable *pt, const struct pt_found *f, unsigned from,
			      uint64_t off, struct iod_mapping *m)
{
	const struct pt_table *t = &f->t;
	unsigned shift = pt_shift(pt, t->level), n = pt_run_items(pt, t->level, f->pte);
	unsigned group = f->i & ~(n - 1), lo = f->i, hi = f->i;
	uint32_t prot = pt_leaf_prot(pt, f->pte);
	uint64_t v, first_pte = f->pte;

	m->accessed = false;
	m->dirty = IOD_CLEAN;
	pt_merge_state(pt, f->pte, m);
	for (; lo > group && lo > from; lo--, first_pte = v) {
		v = item_load_relaxed(&t->items[lo - 1]);
		if (!pt_same_run(pt, t->level, f->pte, v))
			break;
		pt_merge_state(pt, v, m);
	}
	for (; hi < group + n - 1; hi++) {
		v = item_load_relaxed(&t->items[hi + 1]);
		if (!pt_same_run(pt, t->level, f->pte, v))
			break;
		pt_merge_state(pt, v, m);
	}
	m->iova = pt_item_first(pt, t, lo) + off;
	m->items = hi - lo + 1;
	m->len = (uint64_t)m->items << shift;
	m->pa = pt_leaf_pa(pt, t->level, f->pte) + ((uint64_t)(lo - group) << shift);
	m->prot = (prot & ~(f->deny & PT_RW)) | (f->deny & ~PT_RW);
	m->memattr = pt_leaf_memattr(pt, t->level, f->pte);
	m->level = t->level;
	m->pte = first_pte;
	m->pte_pa = t->pa + UINT64_C(8) * lo;
	return hi;
}

static int pt_translate(const struct iod_pgtable *pt, uint64_t iova, struct iod_mapping *out)
{
	struct pt_found f;
	uint64_t x;
	int ret;

	if (!pt || !out)
		return -EINVAL;
	ret = iod_pt_address(pt, iova, &x);
	if (ret)
		return ret;
	rcu_enter();
	ret = pt_lookup(pt, x, &f);
	if (!ret)
		pt_read_entry(pt, &f, 0, iova - x, out);
	rcu_leave();
	return ret;
}

/* The way of tables that are checked, and of what the index does not know. */
static __attribute__((noinline)) int pt_lookup_walk(const struct iod_pgtable *pt, uint64_t x,
						    uint64_t *pa)
{
	struct pt_found f;
	int ret = pt_lookup(pt, x, &f);

	if (!ret)
		*pa = pt_leaf_pa(pt, f.t.level, f.pte) |
		      (x & low_mask(pt_leaf_lg2(pt, f.t.level, f.pte)));
	return ret;
}

/*
 * Lookups at random addresses are bound by the latency of one cache miss, and overlap as far as the
 * instructions of several fit into the CPU's window: so this is short where the index knows the table.
 */
static int pt_iova_to_phys(const struct iod_pgtable *pt, uint64_t iova, uint64_t *pa)
{
	uint64_t x, table, pte;
	int ret = -ENOENT;

	if (!pt || !pa)
		return -EINVAL;
	if (iod_pt_address(pt, iova, &x))
		return -ERANGE;
	rcu_enter();
	table = pt_index_get(pt, x);
	if (__builtin_expect(table != 0, 1)) {
		pte = item_load(pt_direct_item(pt, table, x));
		if (__builtin_expect(pte != 0, 1)) {
			*pa = pt_page_pa(pt, pte, x);
			ret = 0;
		}
	} else {
		ret = pt_lookup_walk(pt, x, pa);
	}
	rcu_leave();
	return ret;
}

struct pt_visit_ctx {
	const struct iod_pgtable *pt;
	struct iod_visit *v;
	struct pt_range r;
	uint64_t pos;		      /* everything below was reported; x */
	bool at_end;		      /* pos ran over the end of the space */
	bool over_budget;	      /* stop; pos says where */
	uint64_t path[PT_MAX_LEVELS]; /* table addresses from the root down */
	unsigned depth;
};

static void pt_visit_advance(struct pt_visit_ctx *ctx, uint64_t last)
{
	if (last == UINT64_MAX)
		ctx->at_end = true;
	else if (last + 1 > ctx->pos)
		ctx->pos = last + 1;
}

/* Reports the hole between what was reported and `next`, inclusive of next - 1. */
static int pt_visit_hole(struct pt_visit_ctx *ctx, uint64_t next_minus_1)
{
	struct iod_visit_event e = { .kind = IOD_VISIT_HOLE };

	if (ctx->at_end || ctx->pos > next_minus_1)
		return 0;
	e.iova = ctx->pos + ctx->r.off;
	e.last = next_minus_1 + ctx->r.off;
	pt_visit_advance(ctx, next_minus_1);
	if (ctx->v->flags & IOD_VISIT_MAPPINGS_ONLY)
		return 0;
	return ctx->v->fn(ctx->v->cookie, &e);
}

static int pt_visit_bad(struct pt_visit_ctx *ctx, const struct pt_found *f, enum iod_bad bad)
{
	uint64_t first = pt_max(pt_item_first(ctx->pt, &f->t, f->i), ctx->r.first);
	uint64_t last = pt_min(pt_item_last(ctx->pt, &f->t, f->i), ctx->r.last);
	struct iod_visit_event e = {
		.kind = IOD_VISIT_BAD,
		.bad = bad,
		.iova = first + ctx->r.off,
		.last = last + ctx->r.off,
		.level = f->t.level,
		.pte = f->pte,
		.pte_pa = f->t.pa + UINT64_C(8) * f->i,
	};
	int ret;

	if (bad != IOD_BAD_RESERVED)
		e.table_pa = pt_table_pa(ctx->pt, f->pte);
	ret = first ? pt_visit_hole(ctx, first - 1) : 0;
	pt_visit_advance(ctx, last);
	return ret ? ret : ctx->v->fn(ctx->v->cookie, &e);
}

static int pt_visit_leaf(struct pt_visit_ctx *ctx, struct pt_found *f)
{
	struct iod_visit_event e = { .kind = IOD_VISIT_MAPPING, .level = f->t.level };
	unsigned from = 0;
	uint64_t first;
	int ret;

	/* A run that somebody is writing: what was met of it before was reported. */
	if (ctx->pos > ctx->r.first && ctx->pos > f->t.base)
		from = pt_index(ctx->pt, &f->t,
				pt_min(ctx->pos, pt_item_first(ctx->pt, &f->t, f->i)));
	f->i = pt_read_entry(ctx->pt, f, from, ctx->r.off, &e.mapping);
	e.iova = e.mapping.iova;
	e.last = e.iova + e.mapping.len - 1;
	first = e.iova - ctx->r.off;
	ret = first ? pt_visit_hole(ctx, first - 1) : 0;
	pt_visit_advance(ctx, e.last - ctx->r.off);
	return ret ? ret : ctx->v->fn(ctx->v->cookie, &e);
}

static int pt_visit_table(struct pt_visit_ctx *ctx, const struct pt_table *t, uint32_t deny);

static int pt_visit_child(struct pt_visit_ctx *ctx, const struct pt_found *f)
{
	const struct iod_pgtable *pt = ctx->pt;
	struct pt_table child;
	unsigned d;
	int ret;

	if (pt_item_reserved(pt, f->t.level, f->pte))
		return pt_visit_bad(ctx, f, IOD_BAD_RESERVED);
	for (d = 0; d < ctx->depth; d++)
		if (ctx->path[d] == pt_table_pa(pt, f->pte))
			return pt_visit_bad(ctx, f, IOD_BAD_CYCLE);
	if (!pt_open_child(pt, &f->t, f->i, f->pte, false, &child))
		return pt_visit_bad(ctx, f, IOD_BAD_UNREADABLE);
	ret = pt_visit_table(ctx, &child, f->deny | pt_table_deny(pt, f->pte));
	if (!ret && ctx->v->budget && ctx->v->items >= ctx->v->budget && !ctx->over_budget &&
	    is_aligned(pt_item_last(pt, &f->t, f->i) + 1, pt->min_lg2)) {
		ctx->over_budget = true;
		ret = pt_visit_hole(ctx, pt_min(pt_item_last(pt, &f->t, f->i), ctx->r.last));
	}
	return ret;
}

static int pt_visit_table(struct pt_visit_ctx *ctx, const struct pt_table *t, uint32_t deny)
{
	const struct iod_pgtable *pt = ctx->pt;
	struct pt_found f = { .t = *t, .deny = deny };
	unsigned end;
	int ret = 0;

	if (!pt_items_of(pt, t, ctx->r.first, ctx->r.last, &f.i, &end))
		return 0;
	if (!(ctx->v->flags & IOD_VISIT_MAPPINGS_ONLY)) {
		struct iod_visit_event e = {
			.kind = IOD_VISIT_TABLE,
			.iova = t->base + ctx->r.off,
			.last = t->last + ctx->r.off,
			.level = t->level,
			.table_len = 8u << t->bits,
			.table_pa = t->pa,
		};
		ret = ctx->v->fn(ctx->v->cookie, &e);
	}
	ctx->path[ctx->depth++] = t->pa;
	for (; !ret && !ctx->over_budget && f.i <= end; f.i++) {
		f.pte = item_load(&t->items[f.i]);
		ctx->v->items++;
		switch (pt_item_type(pt, t->level, f.pte)) {
		case PT_NONE:
			break;
		case PT_LEAF:
			ret = pt_item_reserved(pt, t->level, f.pte)
				      ? pt_visit_bad(ctx, &f, IOD_BAD_RESERVED)
				      : pt_visit_leaf(ctx, &f);
			break;
		case PT_TABLE:
			ret = pt_visit_child(ctx, &f);
			break;
		case PT_BAD:
			ret = pt_visit_bad(ctx, &f, IOD_BAD_RESERVED);
			break;
		}
	}
	ctx->depth--;
	return ret;
}

/* Offset that makes IOVAs of a whole table come out right in TABLE events is the range's. */
static int pt_visit(const struct iod_pgtable *pt, struct iod_visit *user)
{
	struct iod_visit v;
	struct pt_visit_ctx ctx = { .pt = pt, .v = &v };
	struct pt_table root;
	int ret;

	ret = iod_struct_in(&v, sizeof(v), user, offsetof(struct iod_visit, next_iova));
	if (ret)
		return ret;
	if (!pt)
		return -EINVAL;
	if (!v.fn || v.reserved || (v.flags & ~IOD_VISIT_MAPPINGS_ONLY))
		return iod_refuse(pt->mem, -EINVAL, "visit: no fn, unknown flags or reserved set");
	ret = iod_pt_range(pt, v.iova, v.len, &ctx.r);
	if (ret)
		return ret;
	v.items = 0;
	ctx.pos = ctx.r.first;
	rcu_enter();
	if (pt_open_top(pt, pt_get_top(pt), false, &root))
		ret = pt_visit_table(&ctx, &root, 0);
	else
		ret = -EFAULT;
	if (!ret && !ctx.over_budget)
		ret = pt_visit_hole(&ctx, ctx.r.last);
	rcu_leave();
	v.done = ctx.at_end ? v.len : pt_min(ctx.pos - ctx.r.first, v.len);
	v.next_iova = v.iova + v.done;
	iod_struct_out(user, &v, sizeof(v), offsetof(struct iod_visit, next_iova));
	return ret;
}

#endif
