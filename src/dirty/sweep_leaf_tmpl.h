/* SPDX-License-Identifier: MIT */
/*
 * Sweeping leaf tables that the range covers wholly: one kernel looks at all items, and what it finds is
 * recorded and cleaned by words. Where the words do not tell all (runs of several sizes, items
 * of a guest's table that are not alike) it is item by item. Compiled once per format.
 */
#ifndef IOD_SWEEP_LEAF_TMPL_H
#define IOD_SWEEP_LEAF_TMPL_H

#include "dirty/sweep.h"
#include "pgtable/pt_access.h"
#include "pgtable/pt_exclude.h"
#include "pgtable/pt_walk.h"

/* Items handed to a kernel at a time: the largest leaf table but for concatenated roots. */
#define SWEEP_CHUNK 8192u
/* So many dirty items in a table are cleaned by stores if possible; fewer are not worth the lock. */
#define SWEEP_DENSE 8u
/* So many tables must be left to sweep for a grace period to be worth it. */
#define SWEEP_DENSE_LEFT 4u

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

/* Items [base, base + n) of a table. */
struct pt_sweep_chunk {
	const struct pt_table *t;
	unsigned base, n;
	unsigned found;	   /* bits in dirty[] */
	unsigned done;	   /* bits in cleaned[]: cleaned with the scan */
	unsigned done_lg2; /* of leaves of this size */
	unsigned run_end;  /* first item behind the run counted last */
	bool writable;
	uint64_t mask, match;		    /* of the leaves that are cleaned by words */
	uint64_t dirty[SWEEP_CHUNK / 64];   /* as scanned */
	uint64_t out[SWEEP_CHUNK / 64];	    /* as reported */
	uint64_t cleaned[SWEEP_CHUNK / 64]; /* as invalidated */
};

/* Runs of n items (a power of two, at most 64): all bits of those with a bit set in the word. */
static inline uint64_t pt_spread(uint64_t word, unsigned n)
{
	uint64_t heads = UINT64_MAX / (n < 64 ? low_mask(n) : UINT64_MAX); /* bit 0 of each run */
	unsigned shift;

	for (shift = n / 2; shift; shift /= 2)
		word |= word >> shift;
	return (word & heads) * low_mask(n);
}

/* ---- item by item ---- */

/* A dirty member makes the whole run dirty. */
static void pt_sweep_expand(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c, unsigned from,
			    unsigned n)
{
	unsigned i;

	/* Leaves are aligned to their size: inside what was counted last, or wider, if mapped anew. */
	if (from + n <= c->run_end)
		return;
	if (from >= c->run_end)
		iod_sweep_count(ctx->s, pt_shift(ctx->pt, 0) + ctz64(n), 1);
	c->run_end = from + n;
	for (i = from; i < from + n; i++)
		c->out[i / 64] |= BIT64(i % 64);
}

static void pt_sweep_item(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c, unsigned i)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t *item = &c->t->items[c->base + i], pte = item_load_relaxed(item), k;
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
		iod_sweep_count(ctx->s, pt_shift(pt, 0), 1);
	if (!ctx->cleaning || !c->writable ||
	    !pt_clean_item(ctx, 0, pt_leaf_lg2(pt, 0, pte), item, &pte))
		return;
	ctx->s->cleaned++;
	for (k = from; k < from + n; k++)
		c->cleaned[k / 64] |= BIT64(k % 64);
}

/* Returns how many bits of cleaned[] may be set at most. */
static unsigned pt_sweep_one_by_one(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c)
{
	unsigned w, words = (c->n + 63) / 64, shift = pt_shift(ctx->pt, 0);
	uint64_t left, before = ctx->s->cleaned;

	memcpy(c->out, c->dirty, words * sizeof(c->out[0]));
	for (w = 0; w < words; w++) { /* what was cleaned with the scan */
		c->cleaned[w] = c->done ? pt_spread(c->cleaned[w], 1u << (c->done_lg2 - shift)) : 0;
		c->out[w] |= c->cleaned[w];
	}
	ctx->s->cleaned += c->done;
	c->run_end = 0;
	for (w = 0; w < words; w++)
		for (left = c->dirty[w]; left; left &= left - 1)
			pt_sweep_item(ctx, c, w * 64 + ctz64(left));
	return ctx->s->cleaned == before ? 0 : c->n;
}

/* ---- by words ---- */

/*
 * Whether all dirty items are leaves of one size, *lg2, none of which leaves a word. (c->mask, c->match)
 * says which are, then.
 */
static bool pt_sweep_one_size(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c, unsigned *lg2)
{
	const struct iod_pgtable *pt = ctx->pt;
	unsigned w = 0;
	uint64_t pte;

	if (c->done == c->found) { /* the scan has cleaned all: they are */
		*lg2 = c->done_lg2;
		return true;
	}
	*lg2 = pt_shift(pt, 0);
	if (!pt->attached && !pt->has_runs) {
		pt_size_spec(pt, *lg2, &c->mask, &c->match);
		return true;
	}
	while (!c->dirty[w])
		w++;
	pte = item_load_relaxed(&c->t->items[c->base + w * 64 + ctz64(c->dirty[w])]);
	if (pt_item_type(pt, 0, pte) != PT_LEAF)
		return false;
	*lg2 = pt_leaf_lg2(pt, 0, pte);
	if (*lg2 > pt_shift(pt, 0) + 6)
		return false;
	if (pt->attached)
		pt_like_spec(pt, pte, &c->mask, &c->match);
	else
		pt_size_spec(pt, *lg2, &c->mask, &c->match);
	ctx->kernels->scan(&c->t->items[c->base], c->n, iod_le64(c->mask), iod_le64(c->match),
			   c->out, NULL);
	for (; w < (c->n + 63) / 64; w++)
		if (c->dirty[w] & ~c->out[w])
			return false;
	return true;
}

/* What may be cleaned: dirty items that (mask, match) says are leaves, by locked operations or by stores. */
static inline struct iod_clean_spec pt_clean_spec(const struct pt_sweep_ctx *ctx, uint64_t mask,
						  uint64_t match, bool stores)
{
	const struct pt_scan_spec *s = &ctx->spec;
	uint64_t accessed = stores ? s->accessed : 0;

	return (struct iod_clean_spec){
		.mask = iod_le64(s->mask | s->clean_mask | mask | accessed),
		.match = iod_le64(s->match | s->clean_match | match | accessed),
		.clear = s->clean_sets ? 0 : iod_le64(s->clean_bit),
		.set = s->clean_sets ? iod_le64(s->clean_bit) : 0,
	};
}

/* By stores, if the table is dense and nobody else is at it. Returns how many; cleaned[] says which. */
static unsigned pt_clean_dense(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c)
{
	struct pt_table_lock *lock;
	struct iod_clean_spec spec;
	unsigned done;

	if (c->found < SWEEP_DENSE || ctx->dense == DENSE_NEVER)
		return 0;
	if (ctx->dense != DENSE_ON) {
		if (ctx->r.last - c->t->last > SWEEP_DENSE_LEFT * (c->t->last - c->t->base)) {
			ctx->dense = DENSE_WANTED;
			ctx->stop_at = 0;
		}
		return 0;
	}
	lock = pt_lock_of(ctx->pt, c->t->pa);
	if (!pt_dense_try(lock))
		return 0;
	spec = pt_clean_spec(ctx, c->mask, c->match, true);
	memcpy(c->cleaned, c->dirty, (c->n + 63) / 64 * sizeof(c->cleaned[0]));
	done = ctx->kernels->clean_stores(&c->t->items[c->base], c->n, &spec, c->cleaned);
	pt_dense_leave(lock);
	return done;
}

/* Cleans what is dirty; cleaned[] says which. Returns how many items. */
static unsigned pt_sweep_clean(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c)
{
	unsigned w, words = (c->n + 63) / 64;
	unsigned done = c->done ? c->done : pt_clean_dense(ctx, c);
	uint64_t left[SWEEP_CHUNK / 64];
	struct iod_clean_spec spec;

	if (done == c->found)
		return done;
	spec = pt_clean_spec(ctx, c->mask, c->match, false);
	if (!done) {
		memcpy(c->cleaned, c->dirty, words * sizeof(c->cleaned[0]));
		return ctx->kernels->clean(&c->t->items[c->base], c->n, &spec, c->cleaned);
	}
	for (w = 0; w < words; w++)
		left[w] = c->dirty[w] & ~c->cleaned[w];
	done += ctx->kernels->clean(&c->t->items[c->base], c->n, &spec, left);
	for (w = 0; w < words; w++)
		c->cleaned[w] |= left[w];
	return done;
}

/* Returns how many bits of cleaned[] may be set at most. */
static unsigned pt_sweep_by_words(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c, unsigned lg2)
{
	unsigned w, words = (c->n + 63) / 64, run = 1u << (lg2 - pt_shift(ctx->pt, 0));
	unsigned found = c->found, done = 0;

	if (ctx->cleaning && c->writable)
		done = pt_sweep_clean(ctx, c);
	if (run > 1) {
		for (w = 0, found = 0; w < words; w++) {
			c->out[w] = pt_spread(c->dirty[w], run);
			found += popcount64(c->out[w]);
			if (done)
				c->cleaned[w] = pt_spread(c->cleaned[w], run);
		}
	}
	if (done && !c->done) { /* what the next table is expected to be like */
		ctx->clean_stores = pt_clean_spec(ctx, c->mask, c->match, true);
		ctx->clean_lg2 = lg2;
	}
	iod_sweep_count(ctx->s, lg2, found / run);
	ctx->s->cleaned += done;
	return done * run;
}

/* ---- a table ---- */

static void pt_sweep_chunk(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c)
{
	uint64_t x = pt_item_first(ctx->pt, c->t, c->base);
	unsigned shift = pt_shift(ctx->pt, 0), lg2, cleaned;
	const uint64_t *report = c->out;

	if (pt_sweep_one_size(ctx, c, &lg2)) {
		cleaned = pt_sweep_by_words(ctx, c, lg2);
		if (lg2 == shift)
			report = c->dirty;
	} else {
		cleaned = pt_sweep_one_by_one(ctx, c);
	}
	if (cleaned)
		iod_sweep_gather_words(ctx->s->gather, x, shift, c->cleaned, c->n, cleaned);
	iod_sweep_record_words(ctx->s->bitmap, x + ctx->r.off, shift, report, c->n);
}

/* So many tables after a dirty one the next is expected to be dirty, too. */
#define SWEEP_LATELY 8u

/* Where the leaf table at x will be recorded is fetched with the table, while tables are dirty. */
static inline void pt_sweep_prefetch_bitmap(struct pt_sweep_ctx *ctx, uint64_t x)
{
	const struct iod_bitmap *bm = ctx->s->bitmap;
	uint64_t bit = (x + ctx->r.off - bm->base_iova) >> bm->granule_lg2;

	ctx->dirty_lately--;
	if (bit < bm->nbits)
		__builtin_prefetch(&bm->words[bit / 64], 1);
}

/* A chunk in which the scan found something. Kept apart: the loops that scan stay small. */
static __attribute__((noinline)) void pt_sweep_found(struct pt_sweep_ctx *ctx,
						     struct pt_sweep_chunk *c)
{
	ctx->dense_lately = c->found >= SWEEP_DENSE;
	ctx->dirty_lately = SWEEP_LATELY;
	pt_sweep_chunk(ctx, c);
}

static void pt_sweep_leaf_table(struct pt_sweep_ctx *ctx, const struct pt_table *t, bool writable)
{
	uint64_t mask = iod_le64(ctx->spec.mask), match = iod_le64(ctx->spec.match);
	unsigned items = 1u << t->bits;
	struct pt_sweep_chunk c;

	c.t = t;
	c.writable = writable;
	c.done = 0;
	c.n = items < SWEEP_CHUNK ? items : SWEEP_CHUNK;
	for (c.base = 0; c.base < items; c.base += c.n) {
		c.found = ctx->kernels->scan(&t->items[c.base], c.n, mask, match, c.dirty, NULL);
		if (c.found)
			pt_sweep_found(ctx, &c);
	}
	ctx->s->items += items;
}

/* ---- leaf tables side by side ---- */

/* The first item at or after i, at most last + 1, that a pruned sweep has to look at. */
static inline unsigned pt_sweep_next_touched(const struct pt_sweep_ctx *ctx,
					     const struct pt_table *t, unsigned i, unsigned last)
{
	const struct sweep_touched *touched = ctx->touched;
	uint64_t x, at, word;

	while (i <= last) {
		x = pt_item_first(ctx->pt, t, i);
		if (x < touched->first || x > touched->last)
			return i;
		at = (x - touched->base) >> pt_shift(ctx->pt, 1);
		word = touched->bits[at / 64] >> at % 64;
		if (word)
			return pt_min(i + ctz64(word), last + 1);
		i += (unsigned)pt_min(64 - at % 64,
				      ((touched->last - x) >> pt_shift(ctx->pt, 1)) + 1);
	}
	return last + 1;
}

/* Whether from item i of t on there may be leaf tables to be swept in one go. */
static inline bool pt_sweep_runs_on(const struct pt_sweep_ctx *ctx, const struct pt_table *t,
				    unsigned i)
{
	return ctx->pt->direct && t->level == 1 && ctx->s->mode != IOD_SWEEP_CLEAR_BY_BITMAP &&
	       pt_item_first(ctx->pt, t, i) >= ctx->r.first &&
	       pt_item_last(ctx->pt, t, i) <= ctx->r.last;
}

/* Address of the leaf table under item i of a table of level 1, or 0 if there is none. */
static inline uint64_t pt_leaf_table_at(const struct iod_pgtable *pt, const struct pt_table *t,
					unsigned i)
{
	uint64_t pte;

	if (i >> t->bits)
		return 0;
	pte = item_load(&t->items[i]);
	return pt_item_type(pt, 1, pte) == PT_TABLE ? pt_table_pa(pt, pte) : 0;
}

/* A leaf table is fetched while the one so many before it is looked at; its first line, which also finds
 * its page, so much earlier; the entry that leads to it, earlier still. */
#define SWEEP_NEAR   2u
#define SWEEP_FAR    6u
#define SWEEP_LEVEL1 32u

/*
 * Looks at all of a leaf table, and cleans it at the same time where that is likely to be wanted, allowed
 * and not in somebody's way.
 */
static inline void pt_sweep_scan(struct pt_sweep_ctx *ctx, struct pt_sweep_chunk *c,
				 const uint64_t *ahead)
{
	uint64_t mask = iod_le64(ctx->spec.mask), match = iod_le64(ctx->spec.match);
	struct pt_table_lock *lock;
	struct iod_scan_result r;

	if (ctx->dense == DENSE_ON && ctx->dense_lately) {
		lock = pt_lock_of(ctx->pt, c->t->pa);
		if (pt_dense_try(lock)) {
			r = ctx->kernels->scan_stores(c->t->items, c->n, mask, match,
						      &ctx->clean_stores, c->dirty, c->cleaned,
						      ahead);
			pt_dense_leave(lock);
			c->found = r.found;
			c->done = r.cleaned;
			c->done_lg2 = ctx->clean_lg2;
			return;
		}
	}
	c->found = ctx->kernels->scan(c->t->items, c->n, mask, match, c->dirty, ahead);
	c->done = 0;
}

/* The item to be swept after item i. */
static inline unsigned pt_sweep_after(const struct pt_sweep_ctx *ctx, const struct pt_table *t,
				      unsigned i, unsigned last)
{
	return ctx->touched ? pt_sweep_next_touched(ctx, t, i + 1, last) : i + 1;
}

/* Has the table under item `near` of level 1 fetched while the one at pa is looked at. */
static inline const uint64_t *pt_sweep_fetch(const struct pt_sweep_ctx *ctx,
					     const struct pt_table *t, unsigned near,
					     const struct pt_table *leaf)
{
	const struct iod_pgtable *pt = ctx->pt;
	uint64_t at = pt_leaf_table_at(pt, t, near), far = 0;

	__builtin_prefetch(&t->items[near + SWEEP_LEVEL1]);
	/* Hardware does not find it, and it will be needed. */
	if (at != leaf->pa + (SWEEP_NEAR * UINT64_C(8) << leaf->bits) && !ctx->touched)
		far = pt_leaf_table_at(pt, t, near + SWEEP_FAR);
	if (far)
		__builtin_prefetch((const void *)(pt->direct + (uintptr_t)far));
	return at ? (const uint64_t *)(pt->direct + (uintptr_t)at) : leaf->items;
}

/*
 * The main path: leaf tables under items i to last of a table of level 1, while there are some and the
 * reader section lasts. Returns the first item that is left to do, at least i + 1.
 */
static unsigned pt_sweep_leaf_tables(struct pt_sweep_ctx *ctx, const struct pt_table *t, unsigned i,
				     unsigned last)
{
	const struct iod_pgtable *pt = ctx->pt;
	struct pt_table leaf = { .bits = pt_items_lg2(pt, 0, PT_MAX_LEVELS) };
	unsigned next, near, shift = pt_shift(pt, 1);
	struct pt_sweep_chunk c;

	if (pt_item_last(pt, t, last) > ctx->r.last)
		last--;
	c.t = &leaf;
	c.base = 0;
	c.n = 1u << leaf.bits; /* a chunk at most */
	c.writable = true;
	ctx->s->items--; /* the caller counted the first */
	next = pt_sweep_after(ctx, t, i, last);
	for (; i <= last && !ctx->stopped && (leaf.pa = pt_leaf_table_at(pt, t, i));
	     i = next, next = near) {
		ctx->s->items++;
		leaf.base = pt_item_first(pt, t, i);
		leaf.last = leaf.base + low_mask(shift);
		leaf.items = (uint64_t *)(pt->direct + (uintptr_t)leaf.pa);
		near = pt_sweep_after(ctx, t, next, last);
		if (pt_is_quiet(pt, leaf.pa)) {
			ctx->s->pruned++;
			continue;
		}
		if (ctx->dirty_lately)
			pt_sweep_prefetch_bitmap(ctx, leaf.base + ((uint64_t)SWEEP_NEAR << shift));
		pt_sweep_scan(ctx, &c, pt_sweep_fetch(ctx, t, near, &leaf));
		ctx->s->items += c.n;
		if (c.found)
			pt_sweep_found(ctx, &c);
		if (ctx->s->items >= ctx->stop_at && leaf.last < ctx->r.last) {
			ctx->stopped = true;
			ctx->pos = leaf.last + 1;
		}
	}
	return i;
}

#endif
