/* SPDX-License-Identifier: MIT */
/*
 * Tables whose addresses a guest chose: what is dirty by IOVA becomes pending by GPA.
 *
 * Such a table is swept by itself, in chunks of its own addresses: those that the join knows and, when only
 * a part of the log is asked for, those that stand for that part. The stage is invalidated as always, then
 * looked up. From before the first sweep until then the join forgets nothing (iod_join_begin()): what was
 * unmapped meanwhile is found where it was.
 *
 * What is only reported, without re-arming, goes to pending as well. It is in two places then; the clear that
 * follows takes it from both.
 */
#include "dirty/log.h"

#include <errno.h>

/* ---- dirty IOVAs to pending ---- */

struct join_found {
	struct iod_dirty_log *log;
	uint64_t n; /* parts that were found */
};

/* The part of [gpa, last] that the log covers, in bits. */
static bool log_part(const struct iod_dirty_log *log, uint64_t gpa, uint64_t last, uint64_t *first,
		     uint64_t *end)
{
	uint64_t top = log->base + ((log->nbits << log->granule_lg2) - 1);

	if (gpa > top || last < log->base)
		return false;
	*first = ((gpa > log->base ? gpa : log->base) - log->base) >> log->granule_lg2;
	*end = ((last < top ? last : top) - log->base) >> log->granule_lg2;
	return true;
}

/* A join that remembers no more marks GPAs: with its lock held, perhaps in another thread. */
static void mark_gpas(struct join_user *user, uint64_t gpa, uint64_t last)
{
	struct log_table *t = (void *)((char *)user - offsetof(struct log_table, user));
	uint64_t first, end;

	if (log_part(t->log, gpa, last, &first, &end))
		iod_log_pending_set(t->log, first, end);
}

int iod_log_join_attach(struct iod_dirty_log *log, struct log_table *t, struct iod_gpa_join *join)
{
	int ret;

	t->user.log = log;
	t->user.mark = mark_gpas;
	ret = iod_join_attach(join, &t->user);
	if (!ret)
		t->join = join;
	return ret;
}

static int found_part(void *cookie, uint64_t iova, uint64_t last, uint64_t gpa)
{
	struct join_found *f = cookie;
	uint64_t first, end;

	f->n++;
	if (log_part(f->log, gpa, gpa + (last - iova), &first, &end))
		iod_log_pending_set(f->log, first, end);
	return 0;
}

/* With the join's lock. */
static void keep_range(struct log_table *t, uint64_t iova, uint64_t last)
{
	struct join_found f = { .log = t->log };

	iod_join_parts(t->join, iova, last, found_part, &f);
	if (!f.n)
		t->join->unknown += (last - iova) / BIT64(t->log->granule_lg2) + 1;
}

/* [first, last] of the bits of the window. */
static void keep_bits(struct log_table *t, uint64_t first, uint64_t last)
{
	unsigned g = t->log->granule_lg2;

	keep_range(t, first << g, (last << g) | low_mask(g));
}

void iod_log_join_keep_bits(struct log_table *t, uint64_t first, uint64_t last)
{
	pthread_mutex_lock(&t->join->lock);
	keep_bits(t, first, last);
	pthread_mutex_unlock(&t->join->lock);
}

/* Words that are looked up with the lock held. */
#define KEEP_WORDS 64u

void iod_log_join_keep(struct log_table *t, const struct log_chunk *c)
{
	struct iod_dirty_log *log = t->log;
	uint64_t j = 0, n = c->last / 64 - c->word + 1, stop, word;
	unsigned from, len;

	while (j < n) {
		j += log->kernels->find_other(&log->stage[j], (size_t)(n - j), 0);
		stop = n - j < KEEP_WORDS ? n : j + KEEP_WORDS;
		if (j == n)
			break;
		pthread_mutex_lock(&t->join->lock);
		for (; j < stop; j++) {
			word = iod_le64(log->stage[j]);
			log->stage[j] = 0;
			while (word) {
				iod_bitmap_take_stretch(&word, &from, &len);
				keep_bits(t, (c->word + j) * 64 + from,
					  (c->word + j) * 64 + from + len - 1);
			}
		}
		pthread_mutex_unlock(&t->join->lock);
	}
}

/* ---- the caller's bits, by IOVA ---- */

struct join_load {
	const struct log_pass *p;
	uint64_t bit0;
	uint64_t *dst;
	bool deny; /* the second time around: what may not be cleaned */
};

/* Whether all that [gpa, last] touches may be cleaned. */
static bool may_clean(const struct log_pass *p, uint64_t gpa, uint64_t last)
{
	const struct iod_dirty_log *log = p->log;
	uint64_t first, end, b;
	unsigned n;

	if (gpa < log->base || !log_part(log, gpa, last, &first, &end) || first < p->first ||
	    end > p->last || log_addr(log, end) + low_mask(log->granule_lg2) < last)
		return false;
	for (b = first;; b += n) {
		n = end - b < 63 ? (unsigned)(end - b) + 1 : 64;
		if (iod_log_caller_bits(log, p->clear, b, n) != low_mask(n))
			return false;
		if (end - b < n)
			return true;
	}
}

/* The same for n granules of the log, from bit b on, which need not be in it (modulo 2^64: below it): a bit each. */
static uint64_t may_clean_bits(const struct log_pass *p, uint64_t b, unsigned n)
{
	uint64_t end = b + (n - 1);
	unsigned skip = 0;

	if (end < b) {
		skip = (unsigned)-b;
		b = 0;
	}
	if (b > p->last || end < p->first)
		return 0;
	if (b < p->first) {
		skip += (unsigned)(p->first - b);
		b = p->first;
	}
	if (end > p->last)
		end = p->last;
	return iod_log_caller_bits(p->log, p->clear, b, (unsigned)(end - b) + 1) << skip;
}

/* Whole granules, word by word of dst. */
static void load_words(struct join_load *l, uint64_t first, uint64_t last, uint64_t gpa)
{
	const struct iod_dirty_log *log = l->p->log;
	unsigned g = log->granule_lg2, n;
	uint64_t b, to = (gpa >> g) - (log->base >> g), bit, word;

	for (b = first;; b += n, to += n) {
		bit = b - l->bit0;
		n = 64 - bit % 64;
		if (last - b < n - 1)
			n = (unsigned)(last - b) + 1;
		word = may_clean_bits(l->p, to, n);
		if (l->deny)
			l->dst[bit / 64] &= iod_le64(~((~word & low_mask(n)) << bit % 64));
		else
			l->dst[bit / 64] |= iod_le64(word << bit % 64);
		if (last - b < n)
			return;
	}
}

/* The bits of dst that stand for a granule each: allowed by one part, and then denied by any other. */
static int load_part(void *cookie, uint64_t iova, uint64_t last, uint64_t gpa)
{
	struct join_load *l = cookie;
	unsigned g = l->p->log->granule_lg2;
	uint64_t b, from, to, bit;

	if (!((iova | (last + 1) | (gpa - l->p->log->base)) & low_mask(g))) {
		load_words(l, iova >> g, last >> g, gpa);
		return 0;
	}
	for (b = iova >> g; b <= last >> g; b++) {
		from = b << g > iova ? b << g : iova;
		to = ((b << g) | low_mask(g)) < last ? (b << g) | low_mask(g) : last;
		if (may_clean(l->p, gpa + (from - iova), gpa + (to - iova)) == l->deny)
			continue;
		bit = b - l->bit0;
		if (l->deny)
			l->dst[bit / 64] &= iod_le64(~BIT64(bit % 64));
		else
			l->dst[bit / 64] |= iod_le64(BIT64(bit % 64));
	}
	return 0;
}

void iod_log_join_load(const struct log_pass *p, struct log_table *t, uint64_t first, uint64_t last,
		       uint64_t bit0, uint64_t *dst)
{
	struct join_load l = { .p = p, .bit0 = bit0, .dst = dst };
	unsigned g = p->log->granule_lg2;

	pthread_mutex_lock(&t->join->lock);
	iod_join_parts(t->join, first << g, (last << g) | low_mask(g), load_part, &l);
	l.deny = true;
	iod_join_parts(t->join, first << g, (last << g) | low_mask(g), load_part, &l);
	pthread_mutex_unlock(&t->join->lock);
}

#define ALL_SET_WORDS 16u

bool iod_log_join_all_set(const struct log_pass *p, struct log_table *t, uint64_t first,
			  uint64_t last)
{
	uint64_t b, n;
	unsigned i;

	for (b = first;; b += n) {
		_Alignas(8) uint64_t words[ALL_SET_WORDS] = { 0 };

		n = last - b < ALL_SET_WORDS * 64 ? last - b + 1 : ALL_SET_WORDS * 64;
		iod_log_join_load(p, t, b, b + n - 1, b, words);
		for (i = 0; i * 64 < n; i++)
			if (words[i] !=
			    iod_le64(low_mask(n - i * 64 < 64 ? (unsigned)(n - i * 64) : 64)))
				return false;
		if (last - b < n)
			return true;
	}
}

/*
 * What was cleaned, once more: an IOVA may have become that of other memory after its bit was loaded, and have been
 * written there before it was cleaned.
 */
struct join_recheck {
	const struct log_pass *p;
	uint64_t bit0;
	const uint64_t *src;
};

static int recheck_part(void *cookie, uint64_t iova, uint64_t last, uint64_t gpa)
{
	const struct join_recheck *r = cookie;
	unsigned g = r->p->log->granule_lg2;
	struct join_found f = { .log = r->p->log };
	uint64_t b, from, to, bit;

	for (b = iova >> g; b <= last >> g; b++) {
		bit = b - r->bit0;
		if (r->src && !(iod_le64(r->src[bit / 64]) >> bit % 64 & 1))
			continue;
		from = b << g > iova ? b << g : iova;
		to = ((b << g) | low_mask(g)) < last ? (b << g) | low_mask(g) : last;
		if (!may_clean(r->p, gpa + (from - iova), gpa + (to - iova)))
			found_part(&f, from, to, gpa + (from - iova));
	}
	return 0;
}

void iod_log_join_recheck(const struct log_pass *p, struct log_table *t, uint64_t first,
			  uint64_t last, uint64_t bit0, const uint64_t *src)
{
	struct join_recheck r = { p, bit0, src };
	unsigned g = p->log->granule_lg2;

	pthread_mutex_lock(&t->join->lock);
	iod_join_parts(t->join, first << g, (last << g) | low_mask(g), recheck_part, &r);
	pthread_mutex_unlock(&t->join->lock);
}

/* ---- where to look ---- */

bool iod_log_join_next(struct log_table *t, uint64_t *bit)
{
	unsigned g = t->log->granule_lg2;
	const struct itree_node *n;
	bool found;

	if (*bit > t->last)
		return false;
	pthread_mutex_lock(&t->join->lock);
	n = iod_itree_first(&t->join->iovas, *bit << g, (t->last << g) | low_mask(g));
	found = n;
	if (n && n->first >> g > *bit)
		*bit = n->first >> g;
	pthread_mutex_unlock(&t->join->lock);
	return found;
}

/* Calls for the ranges that stand for anything the pass wants. */
static void call_ranges(const struct log_pass *p, struct log_table *t)
{
	uint64_t gpa = log_addr(p->log, p->first), from, to;
	uint64_t last = log_addr(p->log, p->last) + low_mask(p->log->granule_lg2);
	struct iod_gpa_join *join = t->join;
	struct itree_node *n;

	pthread_mutex_lock(&join->lock);
	for (n = iod_itree_first(&join->gpas, gpa, last); n; n = iod_itree_next(n, gpa, last)) {
		from = n->first > gpa ? n->first : gpa;
		to = n->last < last ? n->last : last;
		if (!p->clear || iod_log_any(p->clear, from, to))
			iod_itree_call(&join_by_gpa(n)->iova, true);
	}
	pthread_mutex_unlock(&join->lock);
}

/* The next stretch of the window with ranges that were called for, no longer than the stage by much. */
static bool next_called(struct log_table *t, uint64_t *first, uint64_t *last)
{
	uint64_t from, to, reach = 0;
	struct iod_dirty_log *log = t->log;
	unsigned g = log->granule_lg2;
	struct itree_node *n;
	bool any = false;

	pthread_mutex_lock(&t->join->lock);
	while ((n = iod_itree_called(&t->join->iovas))) {
		from = n->first >> g > t->first ? n->first >> g : t->first;
		to = n->last >> g < t->last ? n->last >> g : t->last;
		if (from <= to && any && from > reach)
			break;
		iod_itree_call(n, false);
		if (from > to)
			continue; /* of another window */
		*first = any ? *first : from;
		*last = any && *last > to ? *last : to;
		reach = *last | (log->stage_words * 64 - 1);
		any = true;
	}
	pthread_mutex_unlock(&t->join->lock);
	return any;
}

/* ---- the pass ---- */

/* A chunk of the window: swept, invalidated, looked up. */
static int join_chunk(const struct log_pass *p, struct log_table *t, const struct log_chunk *c)
{
	struct iod_dirty_log *log = p->log;
	uint64_t n = c->last / 64 - c->word + 1, changes = iod_join_changes(t->join);
	int ret;

	if (p->clear) {
		iod_log_join_load(p, t, c->first, c->last, c->word * 64, log->stage);
		if (log->kernels->find_other(log->stage, (size_t)n, 0) == n)
			return 0;
	}
	ret = iod_log_sweep_chunk(p, c);
	if (p->clear) {
		if (changes != iod_join_changes(t->join))
			iod_log_join_recheck(p, t, c->first, c->last, c->word * 64, log->stage);
		iod_log_stage_zero(log, c);
	} else {
		iod_log_join_keep(t, c);
	}
	return ret;
}

static int join_stretch(const struct log_pass *p, struct log_table *t, uint64_t first,
			uint64_t last)
{
	struct log_chunk c = log_chunk_at(p->log, first, last);
	int ret;

	while (!(ret = join_chunk(p, t, &c)) && c.last != last)
		c = log_chunk_at(p->log, c.last + 1, last);
	return ret;
}

/* All that the join knows, chunk by chunk. */
static int join_all(const struct log_pass *p, struct log_table *t)
{
	uint64_t at = t->first;
	struct log_chunk c;
	int ret = 0;

	while (!ret && iod_log_join_next(t, &at)) {
		/* Pages and tables are looked at as a whole, if there is no reason not to. */
		at &= ~(p->log->stage_words * 64 - 1);
		c = log_chunk_at(p->log, at > t->first ? at : t->first, t->last);
		ret = join_chunk(p, t, &c);
		if (c.last == t->last)
			break;
		at = c.last + 1;
	}
	return ret;
}

static int join_table(const struct log_pass *user, struct log_table *t)
{
	struct log_pass p = *user;
	uint64_t first = 0, last = 0;
	int ret = 0;

	/* Wherever in the window they lie, pages may be cleaned. */
	p.only = t;
	p.only_first = t->first;
	p.only_last = t->last;
	iod_join_begin(t->join, &t->user, JOIN_PASS);
	if (p.first == 0 && p.last == p.log->nbits - 1 && !p.clear) {
		ret = join_all(&p, t);
	} else {
		call_ranges(&p, t);
		while (!ret && next_called(t, &first, &last))
			ret = join_stretch(&p, t, first, last);
	}
	/* What an earlier pass cleaned may still wait here, whatever part of the log it is. */
	if (!ret)
		ret = iod_log_table_sync(p.log, t);
	iod_join_end(t->join, &t->user, JOIN_PASS);
	return ret;
}

/* The caller's bits of the range go to pending: if anything fails, they are dirty again. */
static void keep_caller_bits(const struct log_pass *p)
{
	uint64_t b, bits;
	unsigned n;

	for (b = p->first;; b += n) {
		n = 64 - b % 64;
		if (p->last - b < n - 1)
			n = (unsigned)(p->last - b) + 1;
		bits = iod_log_caller_bits(p->log, p->clear, b, n);
		if (bits)
			iod_log_pending_or(p->log, b / 64, bits << b % 64);
		if (p->last - b < n)
			return;
	}
}

int iod_log_join_pass(const struct log_pass *p)
{
	struct log_table *t = p->log->tables;
	int ret = 0;

	while (t && !t->join)
		t = t->next;
	if (!t)
		return 0;
	if (p->clear)
		keep_caller_bits(p);
	for (; t && !ret; t = t->next)
		if (t->join)
			ret = join_table(p, t);
	return ret;
}

/* ---- unmapping ---- */

/*
 * The window's own words cover what the stage covers; a larger range is recorded in coarser granules. Little is:
 * it was swept before.
 */
void iod_log_join_record(struct log_table *t, uint64_t iova, uint64_t last)
{
	unsigned lg2 = t->log->granule_lg2;

	iod_join_begin(t->join, &t->user, JOIN_UNMAP);
	while ((last >> lg2) - (iova >> lg2) >= t->log->stage_words * 64)
		lg2++;
	t->unmap_bm = (struct iod_bitmap){
		.base_iova = align_down(iova, lg2),
		.nbits = (last >> lg2) - (iova >> lg2) + 1,
		.words = t->own,
		.granule_lg2 = lg2,
		.flags = IOD_BITMAP_ATOMIC,
	};
}

void iod_log_join_collect(struct log_table *t)
{
	uint64_t iova = t->unmap_bm.base_iova, len, end;

	end = iova + ((t->unmap_bm.nbits << t->unmap_bm.granule_lg2) - 1);
	pthread_mutex_lock(&t->join->lock);
	while (!iod_bitmap_next(&t->unmap_bm, &iova, &len)) {
		keep_range(t, iova, iova + (len - 1));
		if (iova + (len - 1) == end)
			break;
		iova += len;
	}
	pthread_mutex_unlock(&t->join->lock);
	memset(t->own, 0, (size_t)((t->unmap_bm.nbits - 1) / 64 + 1) * sizeof(*t->own));
	iod_join_end(t->join, &t->user, JOIN_UNMAP);
}

struct join_out {
	struct iod_dirty_log *log;
	struct iod_bitmap *bm;
	uint64_t dirty;
};

static int covers_part(void *cookie, uint64_t iova, uint64_t last, uint64_t gpa)
{
	struct join_out *o = cookie;
	uint64_t first, end;

	return log_part(o->log, gpa, gpa + (last - iova), &first, &end) &&
	       !iod_bitmap_covers(o->bm, log_addr(o->log, first),
				  log_addr(o->log, end) + low_mask(o->log->granule_lg2));
}

bool iod_log_join_covers(struct log_table *t, uint64_t iova, uint64_t last,
			 const struct iod_bitmap *bm)
{
	struct join_out o = { .log = t->log, .bm = (struct iod_bitmap *)(uintptr_t)bm };
	int ret;

	pthread_mutex_lock(&t->join->lock);
	ret = iod_join_parts(t->join, iova, last, covers_part, &o);
	pthread_mutex_unlock(&t->join->lock);
	return !ret;
}

static int hand_out_part(void *cookie, uint64_t iova, uint64_t last, uint64_t gpa)
{
	struct join_out *o = cookie;
	uint64_t first, end;

	/* What came into the join after it was asked whether the bitmap covers all of it stays. */
	if (!covers_part(o, iova, last, gpa) &&
	    log_part(o->log, gpa, gpa + (last - iova), &first, &end))
		o->dirty += iod_log_hand_out(o->log, first, end, o->bm);
	return 0;
}

uint64_t iod_log_join_hand_out(struct log_table *t, uint64_t iova, uint64_t last,
			       struct iod_bitmap *bm)
{
	struct join_out o = { .log = t->log, .bm = bm };

	pthread_mutex_lock(&t->join->lock);
	iod_join_parts(t->join, iova, last, hand_out_part, &o);
	pthread_mutex_unlock(&t->join->lock);
	return o.dirty;
}
