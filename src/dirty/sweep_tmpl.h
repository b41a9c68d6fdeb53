/* SPDX-License-Identifier: MIT */
/*
 * The sweep, compiled once per format. A leaf table that the range covers wholly goes through a scan
 * kernel; everything else (tables at the edges, upper levels, clear-by-bitmap) item by item.
 *
 * The rules are those of docs/dirty.md: an item is cleaned by compare-exchange against the value that
 * is reported; nothing is cleaned that was not recorded; a page only partly inside stays dirty; a run
 * is dirty if any item is, and is cleaned in all.
 */
#ifndef IOD_SWEEP_TMPL_H
#define IOD_SWEEP_TMPL_H

#include "dirty/sweep.h"
#include "pgtable/pt_walk.h"

/* Items handed to a kernel at a time: the largest leaf table but for concatenated roots. */
#define SWEEP_CHUNK 8192u

static inline bool pt_is_dirty(const struct pt_sweep_ctx *ctx, uint64_t pte)
{
	return (pte & ctx->spec.mask) == ctx->spec.match;
}

/*
 * Cleans an item that was read, and judged, as pte: a leaf of 2^lg2. Fails against whoever changes it
 * meanwhile and looks again, but leaves a leaf of another size as it is, dirty: what was recorded, and
 * what was found to lie inside the range, does not hold for that one. *pte is what was seen last, and
 * replaced if so.
 */
static inline bool pt_clean_item(const struct pt_sweep_ctx *ctx, unsigned level, unsigned lg2,
				 uint64_t *item, uint64_t *pte)
{
	const struct pt_scan_spec *spec = &ctx->spec;
	uint64_t bit = spec->clean_bit;

	while (pt_is_dirty(ctx, *pte) && (*pte & spec->clean_mask) == spec->clean_match &&
	       pt_item_type(ctx->pt, level, *pte) == PT_LEAF &&
	       pt_leaf_lg2(ctx->pt, level, *pte) == lg2) {
		if (item_cas(item, pte, spec->clean_sets ? *pte | bit : *pte & ~bit))
			return true;
	}
	return false;
}

/* ---- whole leaf tables ---- */

/* Items [base, base + n) of a table, as bits of dirty[] (as scanned) and out[] (as reported). */
struct pt_sweep_chunk {
	const struct pt_table *t;
	unsigned base, n;
	uint64_t dirty[SWEEP_CHUNK / 64], out[SWEEP_CHUNK / 64]; /* out: item by item only */
	struct sweep_span span;
	unsigned run_end; /* first item behind the run counted last */
	bool writable;
};

/* A dirty member makes the whole run dirty. */
static void pt_sweep_expand(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c, unsigned from,
			    unsigned n)
{
	unsigned i;

	if (from < c->run_end)
		return;
	c->run_end = from + n;
	ctx->s->dirty++;
	for (i = from; i < from + n; i++)
		c->out[i / 64] |= BIT64(i % 64);
}

static void pt_sweep_item(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c, unsigned i)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t *item = &c->t->items[c->base + i], pte = item_load_relaxed(item), first;
	unsigned n, from;

	if (pt_item_type(pt, 0, pte) != PT_LEAF) {
		/* A foreign item that only looks dirty. What was unmapped meanwhile stays reported: it
		 * does not even look so any more. */
		if (pt->attached && pt_is_dirty(ctx, pte))
			c->out[i / 64] &= ~BIT64(i % 64);
		return;
	}
	n = pt_run_items(pt, 0, pte);
	from = i & ~(n - 1);
	if (n > 1)
		pt_sweep_expand(ctx, c, from, n);
	else
		ctx->s->dirty++;
	if (!ctx->cleaning || !c->writable ||
	    !pt_clean_item(ctx, 0, pt_leaf_lg2(pt, 0, pte), item, &pte))
		return;
	ctx->s->cleaned++;
	first = pt_item_first(pt, c->t, c->base + from);
	iod_sweep_span_add(ctx, &c->span, first, first + ((uint64_t)n << pt_shift(pt, 0)) - 1, 0);
}

/* Cleans what the word names, but for runs that were not there before; which of it was cleaned. */
static uint64_t pt_clean_word(const struct pt_sweep_ctx *ctx, uint64_t *items, uint64_t word)
{
	uint64_t cleaned = 0, pte;
	unsigned i;

	for (; word; word &= word - 1) {
		i = ctz64(word);
		pte = item_load_relaxed(&items[i]);
		if (pt_clean_item(ctx, 0, pt_shift(ctx->pt, 0), &items[i], &pte))
			cleaned |= BIT64(i);
	}
	return cleaned;
}

/* Nothing to widen and nothing to doubt: the kernel's words are the answer. */
static void pt_sweep_words(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c)
{
	unsigned w, words = (c->n + 63) / 64, shift = pt_shift(ctx->pt, 0);
	bool clean = ctx->cleaning && c->writable;
	uint64_t cleaned;

	for (w = 0; w < words; w++) {
		if (!c->dirty[w])
			continue;
		ctx->s->dirty += popcount64(c->dirty[w]);
		if (!clean)
			continue;
		cleaned = pt_clean_word(ctx, &c->t->items[c->base + w * 64], c->dirty[w]);
		ctx->s->cleaned += popcount64(cleaned);
		iod_sweep_span_add_word(ctx, &c->span,
					pt_item_first(ctx->pt, c->t, c->base + w * 64), shift,
					cleaned, 0);
	}
}

/* Whether any item of the chunk belongs to a run. Looked for in dirty tables only. */
static bool pt_sweep_has_runs(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c)
{
	const struct pt_scan_spec *spec = &ctx->spec;

	return spec->run_mask && ctx->pt->has_runs &&
	       ctx->kernels->scan(&c->t->items[c->base], c->n, iod_le64(spec->run_mask),
				  iod_le64(spec->run_match), c->out, NULL);
}

static void pt_sweep_chunk(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c)
{
	unsigned w, words = (c->n + 63) / 64;
	const uint64_t *report = c->dirty;
	uint64_t left;

	c->span.spans = 0;
	if (!ctx->pt->attached && !pt_sweep_has_runs(ctx, c)) {
		pt_sweep_words(ctx, c);
	} else {
		memcpy(c->out, c->dirty, words * sizeof(c->out[0]));
		c->run_end = 0;
		for (w = 0; w < words; w++)
			for (left = c->dirty[w]; left; left &= left - 1)
				pt_sweep_item(ctx, c, w * 64 + ctz64(left));
		report = c->out;
	}
	iod_sweep_span_end(ctx, &c->span, 0);
	iod_sweep_record_words(ctx->s->bitmap, pt_item_first(ctx->pt, c->t, c->base) + ctx->r.off,
			       pt_shift(ctx->pt, 0), report, c->n);
}

static void pt_sweep_leaf_table(struct pt_sweep_ctx *ctx, const struct pt_table *t, bool writable)
{
	uint64_t mask = iod_le64(ctx->spec.mask), match = iod_le64(ctx->spec.match);
	unsigned items = 1u << t->bits;
	struct pt_sweep_chunk c;

	c.t = t;
	c.writable = writable;
	c.n = items < SWEEP_CHUNK ? items : SWEEP_CHUNK;
	for (c.base = 0; c.base < items; c.base += c.n)
		if (ctx->kernels->scan(&t->items[c.base], c.n, mask, match, c.dirty, NULL))
			pt_sweep_chunk(ctx, &c);
	ctx->s->items += items;
}

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
	s->dirty += first != ctx->counted;
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
		pte = item_load(&t->items[i]);
		ctx->s->items++;
		switch (pt_item_type(pt, t->level, pte)) {
		case PT_NONE:
			break;
		case PT_LEAF:
			pt_sweep_leaf(ctx, t, i, pte, writable);
			break;
		case PT_TABLE: /* what widening met is no run's item then, and none of ours */
			if (i >= first && i <= last)
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
	} while (!ret && ctx->stopped && !over_budget);
	return ret;
}

static int pt_sweep(struct iod_pgtable *pt, struct iod_sweep *user)
{
	struct iod_sweep s;
	struct pt_sweep_ctx ctx = { .pt = pt, .s = &s };
	int ret = pt ? iod_sweep_check(pt, &s, user, &ctx.r) : -EINVAL;

	if (!ret && (s.flags & IOD_SWEEP_FINAL))
		ret = iod_gather_flush_domain(s.gather);
	if (ret)
		return ret;
	pt_get_scan_spec(pt, s.flags & IOD_SWEEP_SKIP_UNTRACKED, &ctx.spec);
	ctx.kernels = pt->kernels;
	ctx.cleaning = s.mode != IOD_SWEEP_READ;
	ctx.pos = ctx.r.first;
	ctx.counted = UINT64_MAX;
	ret = pt_sweep_run(&ctx);
	if (ret)
		return ret;
	s.done = ctx.stopped ? ctx.pos - ctx.r.first : s.len;
	s.next_iova = s.iova + s.done;
	return iod_struct_out(user, &s, sizeof(s), offsetof(struct iod_sweep, pruned));
}

#endif
