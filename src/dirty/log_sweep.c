/* SPDX-License-Identifier: MIT */
/*
 * The log's way through its tables: one chunk after the other, swept into the stage and invalidated
 * before anybody looks at the stage.
 *
 * A page that reaches over the end of a chunk is left dirty by the sweeps on both sides of it
 * (docs/dirty.md, D2). If the whole range holds it, it is swept once more by itself, with a bitmap of
 * one bit, and goes to pending, from where the chunks take it.
 */
#include "dirty/log.h"

#include <errno.h>

/* ---- the caller's bits, for clear by bitmap ---- */

uint64_t iod_log_caller_bits(const struct iod_dirty_log *log, const struct iod_bitmap *bm,
			     uint64_t b, unsigned n)
{
	uint64_t off = log_addr(log, b) - bm->base_iova, bit = off >> bm->granule_lg2, word = 0;
	uint64_t granule = BIT64(log->granule_lg2);
	unsigned i, shift = bit % 64;

	if (bm->granule_lg2 != log->granule_lg2) {
		for (i = 0; i < n; i++, off += granule)
			if (iod_bitmap_all_set(bm, off >> bm->granule_lg2,
					       (off + (granule - 1)) >> bm->granule_lg2))
				word |= BIT64(i);
		return word;
	}
	word = iod_bitmap_load(bm, bit / 64) >> shift;
	if (shift && n > 64 - shift)
		word |= iod_bitmap_load(bm, bit / 64 + 1) << (64 - shift);
	return word & low_mask(n);
}

void iod_log_load(const struct iod_dirty_log *log, const struct iod_bitmap *bm, uint64_t first,
		  uint64_t last, uint64_t bit0, uint64_t *dst)
{
	uint64_t b = first, off, left;
	unsigned n;

	for (;;) {
		off = b - bit0;
		left = last - b;
		n = 64 - off % 64;
		if (left < n - 1)
			n = (unsigned)left + 1;
		dst[off / 64] |= iod_le64(iod_log_caller_bits(log, bm, b, n) << off % 64);
		if (left < n)
			return;
		b += n;
	}
}

/* ---- one piece of one table ---- */

/* *large: dirty pages that are larger than the bitmap's granule. */
static int sweep(const struct log_pass *p, struct log_table *t, uint64_t iova, uint64_t len,
		 struct iod_bitmap *bm, uint64_t *large)
{
	struct iod_sweep s = {
		.size = sizeof(s),
		.mode = p->mode,
		.flags = p->flags,
		.iova = iova,
		.len = len,
		.bitmap = bm,
	};
	int ret = iod_log_settle(p->log, t->pt);

	if (ret)
		return ret;
	if (t->final_due)
		s.flags |= IOD_SWEEP_FINAL;
	if ((s.flags & IOD_SWEEP_PRUNE) &&
	    (t->pt->attached || !(t->pt->features & IOD_PT_HW_TABLE_ACCESS) ||
	     !iod_gather_has_ops(t->gather)))
		s.flags &= ~IOD_SWEEP_PRUNE;
	if (p->mode != IOD_SWEEP_READ || (s.flags & IOD_SWEEP_FINAL))
		s.gather = t->gather;
	ret = iod_sweep(t->pt, &s);
	if (!ret)
		t->final_due = false;
	*large = s.large;
	return ret;
}

bool iod_log_any(const struct iod_bitmap *bm, uint64_t iova, uint64_t last)
{
	uint64_t len;

	return !iod_bitmap_next(bm, &iova, &len) && iova <= last;
}

/* stage |= n bits of odd, which begin at bit b of the log; odd is zero then. */
static void odd_to_stage(struct iod_dirty_log *log, const struct log_chunk *c, uint64_t b,
			 uint64_t n)
{
	uint64_t at = b - c->word * 64, j, word;
	unsigned shift = at % 64;

	for (j = 0; j * 64 < n; j++) {
		word = iod_le64(log->odd[j]);
		log->odd[j] = 0;
		if (!word)
			continue;
		log->stage[at / 64 + j] |= iod_le64(word << shift);
		if (shift && word >> (64 - shift))
			log->stage[at / 64 + j + 1] |= iod_le64(word >> (64 - shift));
	}
}

/* ---- pages over the end of a chunk ---- */

/* The bits of the page that reaches over the end of the chunk, if the pass may clean it. */
static bool straddler(const struct log_pass *p, const struct log_table *t,
		      const struct log_chunk *c, struct iod_mapping *m, uint64_t *first,
		      uint64_t *last)
{
	const struct iod_dirty_log *log = p->log;
	uint64_t from = t->join ? p->only_first : p->first, lo = from > t->first ? from : t->first;
	uint64_t to = t->join ? p->only_last : p->last, hi = to < t->last ? to : t->last;
	uint64_t at = c->last + 1, iova;
	unsigned g = log->granule_lg2;

	if (c->last >= hi || at <= lo)
		return false;
	iova = log_addr(log, at) - t->delta;
	if (iod_translate(t->pt, iova, m) || m->iova >= iova || !is_pow2(m->len))
		return false;
	*first = at - ((iova - m->iova) >> g);
	*last = at + ((m->iova + (m->len - 1) - iova) >> g);
	return at - lo >= (iova - m->iova) >> g && *last <= hi;
}

static int sweep_straddler(const struct log_pass *p, struct log_table *t, const struct log_chunk *c)
{
	_Alignas(8) uint64_t word = 0;
	uint64_t first, last, off, large;
	struct log_pass one = *p;
	struct iod_mapping m;
	struct iod_bitmap bm;
	int ret;

	if (p->mode == IOD_SWEEP_READ || !straddler(p, t, c, &m, &first, &last))
		return 0;
	bm = (struct iod_bitmap){ m.iova, 1, &word, ctz64(m.len), 0 };
	if (p->clear && t->join) { /* the caller's bits are pending already */
		if (!iod_log_join_all_set(p, t, first, last))
			return 0;
		word = iod_le64(1);
	} else if (p->clear) {
		off = log_addr(p->log, first) - p->clear->base_iova;
		if (!iod_bitmap_all_set(p->clear, off >> p->clear->granule_lg2,
					(off + (m.len - 1)) >> p->clear->granule_lg2))
			return 0;
		word = iod_le64(1);
		/* If it ends with an error here, nobody but pending knows of the page's other end. */
		iod_log_pending_set(p->log, first > c->first ? first : c->first, last);
	}
	one.flags &= ~IOD_SWEEP_PRUNE;
	ret = sweep(&one, t, m.iova, m.len, &bm, &large);
	if (p->clear && t->join)
		iod_log_join_recheck(p, t, first, last, 0, NULL);
	if (p->clear || !word)
		return ret;
	if (t->join)
		iod_log_join_keep_bits(t, first, last);
	else
		iod_log_pending_set(p->log, first, last);
	if (!p->policy || !t->rs.on)
		return ret;
	if (!ret && m.len > BIT64(t->rs.split_lg2))
		ret = iod_log_split_swept(p->log, t, &bm, m.iova, m.iova + (m.len - 1));
	iod_log_watch_ahead(t, m.iova, m.iova + (m.len - 1), log_addr(p->log, c->last) - t->delta);
	return ret;
}

/* ---- a chunk of one table ---- */

/* The policy's part of a sweep: before it, and after it. bm is of [iova, last] and more. */
static int before_sweep(const struct log_pass *p, struct log_table *t, const struct iod_bitmap *bm,
			uint64_t iova, uint64_t last)
{
	if (!p->policy || !t->rs.on || p->mode != IOD_SWEEP_CLEAR_BY_BITMAP)
		return 0;
	/* In the caller's bits there is no telling afterwards what was dirty in this table. */
	return iod_log_split_marked(p->log, t, bm, iova, last);
}

static int after_sweep(const struct log_pass *p, struct log_table *t, const struct iod_bitmap *bm,
		       uint64_t iova, uint64_t last, uint64_t large)
{
	if (!p->policy || !t->rs.on || p->mode == IOD_SWEEP_CLEAR_BY_BITMAP)
		return 0;
	iod_log_watch(p, t, bm, iova, last);
	if (!large || p->mode == IOD_SWEEP_READ)
		return 0;
	return iod_log_split_swept(p->log, t, bm, iova, last);
}

static int sweep_with(const struct log_pass *p, struct log_table *t, const struct log_chunk *c,
		      struct iod_bitmap *bm, uint64_t iova, uint64_t len)
{
	uint64_t last = iova + (len - 1), large = 0;
	int ret = before_sweep(p, t, bm, iova, last);

	if (!ret)
		ret = sweep(p, t, iova, len, bm, &large);
	if (!ret)
		ret = sweep_straddler(p, t, c);
	return ret ? ret : after_sweep(p, t, bm, iova, last, large);
}

/* Whether what the sweep sets must be told from what other tables set in this chunk. */
static bool wants_own_bits(const struct log_pass *p, const struct log_table *t)
{
	return p->policy && t->rs.on && p->log->stage_used && p->mode != IOD_SWEEP_CLEAR_BY_BITMAP;
}

/*
 * The stage as the table's sweep is to see it begins up to 63 granules before the piece. A table whose
 * window begins at address 0 has no such address: it gets a bitmap of its own.
 */
static int sweep_piece(const struct log_pass *p, struct log_table *t, const struct log_chunk *c)
{
	struct iod_dirty_log *log = p->log;
	uint64_t first = c->first > t->first ? c->first : t->first;
	uint64_t last = c->last < t->last ? c->last : t->last;
	uint64_t iova, n = last - first + 1, skew = first % 64;
	struct iod_bitmap bm = { .granule_lg2 = log->granule_lg2 };
	int ret;

	if (first > last)
		return 0;
	iova = log_addr(log, first) - t->delta;
	if (skew > iova >> log->granule_lg2 || wants_own_bits(p, t)) {
		if (p->mode == IOD_SWEEP_CLEAR_BY_BITMAP)
			iod_log_load(log, p->clear, first, last, first, log->odd);
		bm.words = log->odd;
		skew = 0;
	} else {
		bm.words = &log->stage[first / 64 - c->word];
	}
	bm.base_iova = iova - (skew << log->granule_lg2);
	bm.nbits = skew + n;
	ret = sweep_with(p, t, c, &bm, iova, n << log->granule_lg2);
	if (bm.words == log->odd)
		odd_to_stage(log, c, first, n);
	log->stage_used = true;
	return ret;
}

bool iod_log_table_is_dirty(struct log_table *t, uint64_t iova, uint64_t last)
{
	_Alignas(8) uint64_t word = 0; /* two granules are the whole space */
	struct iod_bitmap bm = { 0, 2, &word, 63, 0 };
	struct iod_sweep s = { .size = sizeof(s),
			       .mode = IOD_SWEEP_READ,
			       .flags = IOD_SWEEP_SKIP_UNTRACKED,
			       .iova = iova,
			       .len = last - iova + 1,
			       .bitmap = &bm };

	return iod_sweep(t->pt, &s) || word;
}

/* ---- all tables ---- */

int iod_log_table_sync(struct iod_dirty_log *log, struct log_table *t)
{
	int ret = iod_gather_sync(t->gather);

	if (ret)
		return ret;
	t->unsettled = false;
	iod_log_unmap_collect(log, t);
	return 0;
}

int iod_log_settle(struct iod_dirty_log *log, const struct iod_pgtable *pt)
{
	struct log_table *t;
	int ret = 0;

	if (!log->unsettled)
		return 0;
	log->unsettled = false;
	for (t = log->tables; t; t = t->next) {
		if (!ret && t->unsettled && t->pt == pt)
			ret = iod_log_table_sync(log, t);
		log->unsettled = log->unsettled || t->unsettled;
	}
	return ret;
}

static bool meets(const struct log_pass *p, const struct log_table *t, const struct log_chunk *c)
{
	return (p->only ? p->only == t : !t->join) && t->first <= c->last && t->last >= c->first;
}

int iod_log_sweep_chunk(const struct log_pass *p, const struct log_chunk *c)
{
	struct log_table *t;
	int ret = 0;

	p->log->stage_used = false;
	for (t = p->log->tables; t && !ret; t = t->next)
		if (meets(p, t, c))
			ret = sweep_piece(p, t, c);
	/* Also what an earlier pass cleaned and could not invalidate: the gathers remember. */
	for (t = p->log->tables; t && !ret; t = t->next)
		if (meets(p, t, c))
			ret = iod_log_table_sync(p->log, t);
	for (t = p->log->tables; p->policy && t; t = t->next) {
		log_unsettle(p->log, t, ret && t->resized);
		t->resized = false;
	}
	return ret;
}

int iod_log_table_harvest(struct iod_dirty_log *log, struct log_table *t, uint64_t first,
			  uint64_t last, bool final)
{
	struct log_pass p = { .log = log,
			      .mode = IOD_SWEEP_CLEAR,
			      .first = first,
			      .last = last,
			      .only = t,
			      .only_first = first,
			      .only_last = last };
	struct log_chunk c;
	int ret = 0;

	t->final_due = final; /* the last look that anybody takes */
	if (t->join)
		iod_join_begin(t->join, &t->user, JOIN_PASS);
	for (; !ret && (!t->join || iod_log_join_next(t, &first)); first = c.last + 1) {
		c = log_chunk_at(log, first, last);
		ret = iod_log_sweep_chunk(&p, &c);
		if (t->join)
			iod_log_join_keep(t, &c);
		else
			iod_log_stage_keep(log, &c, 0);
		if (c.last == last)
			break;
	}
	t->final_due = false;
	if (!ret)
		ret = iod_log_table_sync(log, t);
	if (t->join)
		iod_join_end(t->join, &t->user, JOIN_PASS);
	return ret;
}

int iod_log_table_discard(struct iod_dirty_log *log, struct log_table *t)
{
	struct log_pass p = { .log = log, .mode = IOD_SWEEP_CLEAR };
	_Alignas(8) uint64_t nowhere = 0; /* two granules are the whole space */
	struct iod_bitmap bm = { 0, 2, &nowhere, 63, 0 };
	uint64_t large;
	int ret;

	ret = sweep(&p, t, log_table_iova(log, t), log_table_len(log, t), &bm, &large);
	return ret ? ret : iod_log_table_sync(log, t);
}
