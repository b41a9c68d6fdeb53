/* SPDX-License-Identifier: MIT */
/*
 * What split and merge share: the ways to replace a live entry (docs/resize.md), and their arguments.
 *
 * RESIZE_DIRECT  compare-exchange against the live items
 * RESIZE_NT      nT is set in blocks and invalidated before tables take their place, or after; runs directly
 * RESIZE_BREAK   items are emptied, remembered, and written anew after the invalidation
 *
 * The last two work in stretches: a pass prepares what it meets (ctx->waiting), pt_resize_settle()
 * invalidates, waits and finishes, and the same stretch is looked at again. Included by the template.
 */
#ifndef IOD_PT_RESIZE_H
#define IOD_PT_RESIZE_H

#include "pgtable/gather.h"
#include "pgtable/pt_attr.h"
#include "pgtable/pt_content.h"
#include "pgtable/pt_fill.h"
#include "pgtable/pt_harvest.h"

/* Formats whose hardware asks for break-before-make have the nT bit of blocks here. */
#ifndef PT_NT
#define PT_NT		  0
#define PT_BREAK_DEMANDED 0
#else
#define PT_BREAK_DEMANDED 1
#endif

#define PT_RESIZE_SECTION (UINT64_C(1) << 18) /* items in one reader section */
#define PT_RESIZE_BATCH	  1024u		      /* items prepared between two invalidations */
#define PT_RUN_ITEMS	  256u		      /* items of the longest run */

enum pt_resize_how { RESIZE_DIRECT, RESIZE_NT, RESIZE_BREAK };

/* An item that was emptied, and what comes into its place. */
struct pt_broken {
	uint64_t x, old;
	uint64_t child; /* a table, or 0: a leaf */
	uint64_t pte;	/* the leaf, clean */
	uint8_t level;
	uint8_t group_lg2; /* dirty state is that of all items of a group */
};

struct pt_resize_ctx {
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	struct pt_range r;
	struct pt_scan_spec spec;
	enum pt_resize_how how;
	unsigned max_lg2; /* no larger pages than this */
	/* the pass at hand */
	uint64_t first, last;
	uint64_t stop_at; /* value of items to stop at */
	uint64_t end;	  /* x of the last byte done, if it stopped */
	bool stopped;
	bool commit;	  /* RESIZE_NT: what is prepared is replaced */
	unsigned waiting; /* items prepared */
	struct pt_broken *broken;
	/* of all */
	uint64_t items, entries;
	bool flush; /* tables were merged: their dirty state is owed a look */
	bool nt;    /* blocks with nT were made, up to: */
	uint64_t nt_last;
	bool past_caches; /* many tables are written */
};

/* A mapping: n items from i on of one table. */
struct pt_entry {
	const struct pt_table *t;
	unsigned i, n, lg2;
	uint64_t x, last, pa;
	uint64_t attr;	/* dirty if any item is */
	bool may_dirty; /* can become dirty, or is */
	bool dirty;
};

static enum pt_resize_how pt_resize_how(const struct iod_pgtable *pt)
{
	if (!PT_BREAK_DEMANDED || (pt->features & IOD_PT_BBM_2))
		return RESIZE_DIRECT;
	return pt->features & IOD_PT_BBM_1 ? RESIZE_NT : RESIZE_BREAK;
}

static bool pt_resize_allowed(const struct iod_pgtable *pt, bool faults)
{
	return faults || pt_resize_how(pt) != RESIZE_BREAK;
}

/* ---- entries ---- */

/* Whether an item is (still) of the entry. */
static inline bool pt_entry_has(const struct iod_pgtable *pt, const struct pt_entry *e,
				uint64_t pte)
{
	return pt_item_type(pt, e->t->level, pte) == PT_LEAF &&
	       pt_leaf_lg2(pt, e->t->level, pte) == e->lg2 &&
	       pt_leaf_pa(pt, e->t->level, pte) == e->pa;
}

/* The entry of LEAF item i, which was read as pte. */
static void pt_entry_read(const struct pt_resize_ctx *ctx, const struct pt_table *t, unsigned i,
			  uint64_t pte, struct pt_entry *e)
{
	const struct iod_pgtable *pt = ctx->pt;
	bool accessed = false;
	unsigned k;

	e->t = t;
	e->lg2 = pt_leaf_lg2(pt, t->level, pte);
	e->n = pt_run_items(pt, t->level, pte);
	e->i = i & ~(e->n - 1);
	e->x = pt_item_first(pt, t, e->i);
	e->last = e->x + low_mask(e->lg2);
	e->pa = pt_leaf_pa(pt, t->level, pte);
	e->attr = pt_leaf_attr(pt, t->level, pte);
	e->dirty = false;
	for (k = e->i; k < e->i + e->n; k++) {
		pte = item_load_relaxed(&t->items[k]);
		if (!pt_entry_has(pt, e, pte))
			continue;
		e->dirty |= pt_spec_is_dirty(&ctx->spec, pte);
		accessed |= pt_leaf_accessed(pt, pte);
	}
	if (e->dirty)
		e->attr = pt_spec_dirtied(&ctx->spec, e->attr);
	if (accessed && (pt->features & IOD_PT_HW_ACCESS))
		e->attr |= ctx->spec.accessed;
	e->may_dirty = e->dirty || (pt_leaf_prot(pt, e->attr) & IOD_PROT_WRITE);
}

/* The item at x of a leaf of 2^lg2 at that level that goes where the entry is. */
static inline uint64_t pt_entry_part(const struct iod_pgtable *pt, const struct pt_entry *e,
				     unsigned lg2, uint64_t x, uint64_t attr)
{
	return pt_make_leaf(pt, e->t->level, lg2, e->pa + (x - e->x), attr);
}

/* A new table's entry: used, as far as a pruned sweep is concerned. */
static inline uint64_t pt_used_table(const struct iod_pgtable *pt, unsigned level, uint64_t pa)
{
	uint64_t mask, match, bit;

	pt_table_access_spec(pt, &mask, &match, &bit);
	return pt_make_table(pt, level, pa) | bit;
}

/* The leaf tables at and below a table that was just installed get known. */
static void pt_index_tree(struct iod_pgtable *pt, const struct pt_table *t)
{
	struct pt_table child;
	uint64_t pte;
	unsigned i;

	if (!t->level) {
		pt_index_set(pt, t->base, t->pa);
		return;
	}
	for (i = 0; !(i >> t->bits); i++) {
		pte = item_load_relaxed(&t->items[i]);
		if (pt_item_type(pt, t->level, pte) == PT_TABLE &&
		    pt_open_child(pt, t, i, pte, true, &child))
			pt_index_tree(pt, &child);
	}
}

/*
 * What is dirty in [first, last] was written by us, not by hardware that walked there: a pruned sweep beside may
 * have taken Accessed from the tables, and found nothing.
 */
static void pt_resize_used(const struct iod_pgtable *pt, uint64_t first, uint64_t last)
{
	struct pt_table root;

	if ((pt->features & IOD_PT_HW_TABLE_ACCESS) && pt_open_top(pt, pt_get_top(pt), true, &root))
		pt_mark_used(pt, &root, first, last);
}

/* ---- break-before-make ---- */

static bool pt_broken_full(const struct pt_resize_ctx *ctx, unsigned n)
{
	return ctx->waiting + n > PT_RESIZE_BATCH;
}

/* Stops the pass before x: what waits is settled first. */
static void pt_resize_stop_before(struct pt_resize_ctx *ctx, uint64_t x)
{
	ctx->stopped = true;
	ctx->end = x - 1;
}

/* The table at `level` that holds x, if there is one. */
static bool pt_open_at(const struct iod_pgtable *pt, uint64_t x, unsigned level, struct pt_table *t)
{
	unsigned i;
	uint64_t pte;

	if (!pt_open_top(pt, pt_get_top(pt), true, t))
		return false;
	while (t->level > level) {
		if (x > t->last)
			return false;
		i = pt_index(pt, t, x);
		pte = item_load(&t->items[i]);
		if (pt_item_type(pt, t->level, pte) != PT_TABLE ||
		    !pt_open_child(pt, t, i, pte, true, t))
			return false;
	}
	return t->level == level && x <= t->last;
}

/* A table that nobody ever saw. */
static void pt_drop_table(struct iod_pgtable *pt, unsigned level, uint64_t pa)
{
	struct pt_table t;

	if (pt_open(pt, pa, level, PT_MAX_LEVELS, 0, false, &t))
		pt_free_tree(pt, &t);
}

/* Opens the table that the item pointed to. */
static void pt_broken_table(const struct pt_resize_ctx *ctx, const struct pt_broken *b,
			    struct pt_table *t)
{
	pt_open(ctx->pt, pt_table_pa(ctx->pt, b->old), pt_table_level(ctx->pt, b->level, b->old),
		PT_MAX_LEVELS, b->x, false, t);
}

/* Whether anything is dirty in what the item was: a leaf, or a table that hardware has let go of. */
static bool pt_broken_dirty(struct pt_resize_ctx *ctx, const struct pt_broken *b)
{
	struct pt_harvest h = { .pt = ctx->pt, .ask_only = true };
	struct gather_subtree s;
	struct pt_table t;

	if (pt_item_type(ctx->pt, b->level, b->old) != PT_TABLE)
		return pt_spec_is_dirty(&ctx->spec, b->old);
	pt_broken_table(ctx, b, &t);
	s = pt_subtree(&t, 0);
	h.from = &s;
	pt_harvest_run(&h);
	return h.found;
}

/* Writes what comes into the place of one item; dirty: as a part of something dirty. */
static void pt_broken_put(struct pt_resize_ctx *ctx, const struct pt_broken *b, bool dirty)
{
	struct iod_pgtable *pt = ctx->pt;
	struct pt_table t, child;
	uint64_t empty = 0, pte = b->pte;
	unsigned i;

	if (b->child) {
		pt_open(pt, b->child, b->level - 1u, PT_MAX_LEVELS, b->x, true, &child);
		if (dirty)
			pt_set_dirty(pt, &child, child.base, child.last, &ctx->spec);
		pte = pt_used_table(pt, b->level, b->child);
	} else if (dirty) {
		pte = pt_spec_dirtied(&ctx->spec, pte);
	}
	if (!pt_open_at(pt, b->x, b->level, &t) ||
	    (i = pt_index(pt, &t, b->x), !item_cas(&t.items[i], &empty, pte))) {
		if (b->child)
			pt_drop_table(pt, b->level - 1u, b->child);
		return;
	}
	if (b->child)
		pt_index_tree(pt, &child);
	else if (dirty && !b->level)
		pt_resize_used(pt, b->x, b->x);
}

/* The invalidation failed: hardware may still use what was there, so it comes back. False: its place is taken. */
static bool pt_broken_put_back(struct pt_resize_ctx *ctx, const struct pt_broken *b)
{
	struct iod_pgtable *pt = ctx->pt;
	struct pt_table t, child;
	uint64_t empty = 0;
	unsigned i;

	if (b->child)
		pt_drop_table(pt, b->level - 1u, b->child);
	if (!pt_open_at(pt, b->x, b->level, &t))
		return false;
	i = pt_index(pt, &t, b->x);
	if (!item_cas(&t.items[i], &empty, b->old))
		return false;
	pt_resize_used(pt, b->x, pt_item_last(pt, &t, i));
	if (pt_item_type(pt, b->level, b->old) == PT_TABLE &&
	    pt_open_child(pt, &t, i, b->old, true, &child))
		pt_index_tree(pt, &child);
	return true;
}

/* Group by group: n items were one entry, or become one. */
static void pt_broken_finish(struct pt_resize_ctx *ctx, bool failed)
{
	const struct pt_broken *b = ctx->broken, *end = b + ctx->waiting, *g;
	struct gather_subtree s;
	struct pt_table t;
	bool dirty;

	for (; b < end; b = g) {
		dirty = false;
		for (g = b; g < end && g->group_lg2 == b->group_lg2 &&
			    g->x >> g->group_lg2 == b->x >> b->group_lg2;
		     g++)
			dirty |= !failed && pt_broken_dirty(ctx, g);
		for (; b < g; b++) {
			if (failed && pt_broken_put_back(ctx, b))
				continue;
			if (!failed)
				pt_broken_put(ctx, b, dirty);
			if (pt_item_type(ctx->pt, b->level, b->old) != PT_TABLE)
				continue;
			/* There is room: it was reserved before the item was emptied. */
			pt_broken_table(ctx, b, &t);
			s = pt_subtree(&t, pt_tables_in(ctx->pt, &t));
			iod_gather_subtree(ctx->gather, &s);
		}
	}
}

/* ---- between two passes ---- */

/* Invalidates and waits, then finishes what was emptied. */
static int pt_resize_settle(struct pt_resize_ctx *ctx)
{
	int ret = iod_gather_flush(ctx->gather);

	if (ctx->how == RESIZE_BREAK) {
		rcu_enter();
		pt_broken_finish(ctx, ret);
		rcu_leave();
	}
	ctx->waiting = 0;
	return ret;
}

/* After item i: enough for this pass? */
static void pt_resize_mind(struct pt_resize_ctx *ctx, const struct pt_table *t, unsigned i)
{
	uint64_t last = pt_item_last(ctx->pt, t, i);

	if (ctx->stopped || ctx->items < ctx->stop_at || last >= ctx->last ||
	    !is_aligned(last + 1, ctx->pt->min_lg2))
		return;
	ctx->stopped = true;
	ctx->end = last;
}

/* Items of a table within the stretch that are leaves or tables: what fn makes of each. *next is the item to go
 * on with, which may be the same once more. */
static int pt_resize_items(struct pt_resize_ctx *ctx, const struct pt_table *t,
			   int (*fn)(struct pt_resize_ctx *ctx, const struct pt_table *t,
				     unsigned i, uint64_t pte, unsigned *next))
{
	unsigned i, end, next;
	enum pt_type type;
	uint64_t pte;
	int ret = 0;

	if (!pt_items_of(ctx->pt, t, ctx->first, ctx->last, &i, &end))
		return 0;
	for (; !ret && !ctx->stopped && i <= end; i = next) {
		pte = item_load(&t->items[i]);
		next = i + 1;
		ctx->items++;
		type = pt_item_type(ctx->pt, t->level, pte);
		if (type == PT_LEAF || type == PT_TABLE)
			ret = fn(ctx, t, i, pte, &next);
		if (!ret && next > i)
			pt_resize_mind(ctx, t, next - 1);
	}
	return ret;
}

/* One pass over [first, last] in one reader section; ctx->end is where it ended. */
static int pt_resize_pass(struct pt_resize_ctx *ctx, uint64_t first, uint64_t last, uint64_t items,
			  int (*fn)(struct pt_resize_ctx *ctx, const struct pt_table *t))
{
	struct pt_table root;
	int ret = -EFAULT;

	ctx->first = first;
	ctx->last = last;
	ctx->end = last;
	ctx->stopped = false;
	ctx->stop_at = items > UINT64_MAX - ctx->items ? UINT64_MAX : ctx->items + items;
	rcu_enter();
	if (pt_open_top(ctx->pt, pt_get_top(ctx->pt), true, &root))
		ret = fn(ctx, &root);
	rcu_leave();
	return ret;
}

/* Takes nT from the blocks of [ctx->first, ctx->last], after what they replaced was invalidated. */
static int pt_resize_clear_nt(struct pt_resize_ctx *ctx, const struct pt_table *t)
{
	const struct iod_pgtable *pt = ctx->pt;
	struct pt_table child;
	unsigned i, end;
	uint64_t pte;

	if (!t->level || !pt_items_of(pt, t, ctx->first, ctx->last, &i, &end))
		return 0;
	for (; i <= end; i++) {
		pte = item_load(&t->items[i]);
		if (pt_item_type(pt, t->level, pte) == PT_TABLE &&
		    pt_open_child(pt, t, i, pte, true, &child))
			pt_resize_clear_nt(ctx, &child);
		while (pt_item_type(pt, t->level, pte) == PT_LEAF && (pte & PT_NT))
			if (item_cas(&t->items[i], &pte, pte & ~PT_NT)) {
				iod_gather_add(ctx->gather, pt_item_first(pt, t, i),
					       pt_item_last(pt, t, i), 1u << t->level, 0);
				break;
			}
	}
	return 0;
}

/*
 * From x on for about so many items, until nothing waits: ctx->end is where it ended. What a settled stretch
 * holds is looked at again, as parts of what was too large may still be.
 */
static int pt_resize_stretch(struct pt_resize_ctx *ctx, uint64_t x, uint64_t items,
			     int (*fn)(struct pt_resize_ctx *ctx, const struct pt_table *t))
{
	uint64_t last = ctx->r.last, from = ctx->items, left = items;
	int ret, settled;

	for (;;) {
		ret = pt_resize_pass(ctx, x, last, left, fn);
		if (!ctx->waiting)
			return ret;
		settled = pt_resize_settle(ctx);
		if (ret || settled)
			return settled ? settled : ret;
		last = ctx->end;
		if (ctx->how == RESIZE_NT) { /* all that was prepared, and counted */
			ctx->commit = true;
			ret = pt_resize_pass(ctx, x, last, UINT64_MAX, fn);
			ctx->commit = false;
		}
		if (ret) { /* no memory: what is left stays as it was */
			pt_resize_pass(ctx, x, last, UINT64_MAX, pt_resize_clear_nt);
			return ret;
		}
		/* What was settled is looked at in any case. */
		left = ctx->items - from < items ? items - (ctx->items - from) : 0;
		left = pt_max(left, PT_RESIZE_BATCH);
	}
}

/* The whole range. *done is the bytes of it that are. */
static int pt_resize_run(struct pt_resize_ctx *ctx, uint64_t budget, uint64_t *done,
			 int (*fn)(struct pt_resize_ctx *ctx, const struct pt_table *t))
{
	uint64_t x = ctx->r.first, items;
	int ret;

	*done = 0;
	do {
		items = PT_RESIZE_SECTION;
		if (budget && budget - ctx->items < items)
			items = budget - ctx->items;
		ret = pt_resize_stretch(ctx, x, items, fn);
		if (ret)
			break;
		*done = ctx->end - ctx->r.first + 1;
		x = ctx->end + 1;
	} while (ctx->end < ctx->r.last && (!budget || ctx->items < budget));
	return ret;
}

/* ---- arguments ---- */

static int pt_resize_check(const struct iod_pgtable *pt, const struct iod_resize *r,
			   struct pt_resize_ctx *ctx)
{
	if (!r->gather || !iod_gather_is_for(r->gather, pt))
		return iod_refuse(pt->mem, -EINVAL, "gather: none, or of another page table");
	if ((r->flags & ~(IOD_RESIZE_ALLOW_FAULTS | IOD_RESIZE_BREAK)) || r->reserved)
		return iod_refuse(pt->mem, -EINVAL, "flags: unknown bit, or reserved set");
	if ((r->flags & IOD_RESIZE_BREAK) && !(r->flags & IOD_RESIZE_ALLOW_FAULTS))
		return iod_refuse(pt->mem, -EINVAL, "flags: to break is to allow faults");
	if (r->page_size & (r->page_size - 1))
		return iod_refuse(pt->mem, -EINVAL, "page_size: not a power of two");
	if (rcu_inside())
		return iod_refuse(pt->mem, -EINVAL, "pt: not inside a visit");
	if (!pt->owned)
		return iod_refuse(pt->mem, -EOPNOTSUPP, "pt: attached without adopting");
	if (!pt_resize_allowed(pt, r->flags & IOD_RESIZE_ALLOW_FAULTS))
		return iod_refuse(pt->mem, -EOPNOTSUPP, "flags: needs break-before-make");
	ctx->how = r->flags & IOD_RESIZE_BREAK ? RESIZE_BREAK : pt_resize_how(pt);
	ctx->gather = r->gather;
	return iod_pt_range(pt, r->iova, r->len, &ctx->r);
}

static void pt_resize_end(struct pt_resize_ctx *ctx, struct iod_resize *r, struct iod_resize *user,
			  uint64_t done)
{
	iod_mem_zfree(ctx->pt->mem, ctx->broken, PT_RESIZE_BATCH * sizeof(*ctx->broken));
	r->done = done;
	r->next_iova = r->iova + done;
	r->items = ctx->items;
	r->entries = ctx->entries;
	iod_struct_out(user, r, sizeof(*r), sizeof(*r));
	iod_gather_bound(ctx->gather);
}

/* Everything but what differs: smallest or largest is what a page_size of 0 stands for. */
static int pt_resize_begin(struct iod_pgtable *pt, struct iod_resize *r, struct iod_resize *user,
			   unsigned default_lg2, struct pt_resize_ctx *ctx)
{
	int ret = iod_struct_in(r, sizeof(*r), user, sizeof(*r));

	if (ret)
		return ret;
	if (!pt)
		return -EINVAL;
	ret = pt_resize_check(pt, r, ctx);
	if (ret)
		return ret;
	ctx->pt = pt;
	ctx->max_lg2 = r->page_size ? ctz64(r->page_size) : default_lg2;
	pt_get_scan_spec(pt, false, &ctx->spec);
	if (!(pt->features & IOD_PT_HW_DIRTY)) { /* the bit is an attribute then: no item matches */
		ctx->spec.mask = ctx->spec.clean_mask = 0;
		ctx->spec.match = ctx->spec.clean_match = 1;
	}
	if (ctx->how != RESIZE_BREAK)
		return 0;
	ctx->broken = iod_mem_zalloc(pt->mem, PT_RESIZE_BATCH * sizeof(*ctx->broken));
	if (!ctx->broken)
		pt_resize_end(ctx, r, user, 0);
	return ctx->broken ? 0 : -ENOMEM;
}

#endif
