/* SPDX-License-Identifier: MIT */
/* Handing out what is dirty, as bits or as runs, and the second phase, clear by bitmap. */
#include "dirty/log.h"

#include <errno.h>

#define SYNC_FLAGS                                                               \
	(IOD_DIRTY_SYNC_NO_REARM | IOD_DIRTY_SYNC_FINAL | IOD_DIRTY_SYNC_PRUNE | \
	 IOD_DIRTY_SYNC_SKIP_UNTRACKED)

/* Words moved at a time. */
#define SINK_BLOCK 64u

/* Where dirty granules go. */
struct log_sink {
	struct iod_bitmap *bm; /* or NULL: */
	iod_dirty_run_fn fn;
	void *cookie;
	uint64_t run, n; /* granules found and not handed to fn yet: it may go on */
	uint64_t dirty;	 /* handed out */
	bool refused;	 /* that run, by fn */
};

/* Hands out the run that was waiting for more. */
static int sink_close(const struct iod_dirty_log *log, struct log_sink *s)
{
	int ret;

	if (!s->n)
		return 0;
	ret = s->fn(s->cookie, log_addr(log, s->run), s->n << log->granule_lg2);
	s->refused = ret;
	if (ret)
		return ret;
	s->dirty += s->n;
	s->n = 0;
	return 0;
}

static int sink_stretch(const struct iod_dirty_log *log, struct log_sink *s, uint64_t bit,
			uint64_t n)
{
	int ret;

	if (s->bm) {
		s->dirty += n;
		return iod_bitmap_set(s->bm, log_addr(log, bit), n << log->granule_lg2);
	}
	if (s->n && s->run + s->n == bit) {
		s->n += n;
		return 0;
	}
	ret = sink_close(log, s);
	if (!ret) {
		s->run = bit;
		s->n = n;
	}
	return ret;
}

/* A word of granules of the log, from `bit` on. After an error *word is what was not taken. */
static int sink_word(const struct iod_dirty_log *log, struct log_sink *s, uint64_t bit,
		     uint64_t *word)
{
	uint64_t was, off = log_addr(log, bit) - (s->bm ? s->bm->base_iova : 0);
	unsigned from, n;
	int ret;

	if (s->bm && s->bm->granule_lg2 == log->granule_lg2 &&
	    log_addr(log, bit) >= s->bm->base_iova) {
		s->dirty += popcount64(*word);
		iod_bitmap_or_word(s->bm, off >> log->granule_lg2, *word, 64);
		return 0;
	}
	while (*word) {
		was = *word;
		iod_bitmap_take_stretch(word, &from, &n);
		ret = sink_stretch(log, s, bit + from, n);
		if (ret) {
			*word = was;
			return ret;
		}
	}
	return 0;
}

/*
 * The stage's words are the caller's words: blocks of them at once, those without a bit left alone. A
 * word of the stage at the edge of the chunk has no bits beyond it.
 */
static bool sink_blocks(struct iod_dirty_log *log, struct log_sink *s, const struct log_chunk *c)
{
	const struct iod_kernels *k = log->kernels;
	uint64_t j = 0, n = c->last / 64 - c->word + 1, at = log_addr(log, c->word * 64), to;
	size_t len;

	if (!s->bm || s->bm->granule_lg2 != log->granule_lg2 || at < s->bm->base_iova ||
	    s->bm->flags & IOD_BITMAP_ATOMIC)
		return false;
	to = (at - s->bm->base_iova) >> log->granule_lg2;
	if (to % 64)
		return false;
	for (to /= 64; j < n; j += len) {
		j += k->find_other(&log->stage[j], (size_t)(n - j), 0);
		len = n - j < SINK_BLOCK ? (size_t)(n - j) : SINK_BLOCK;
		s->dirty += k->popcount(&log->stage[j], len);
		k->or_words(&s->bm->words[to + j], &log->stage[j], len);
		memset(&log->stage[j], 0, len * sizeof(log->stage[0]));
	}
	return true;
}

/* Empties the stage into the sink; what is refused goes back if it was taken. */
static int sink_stage(struct iod_dirty_log *log, struct log_sink *s, const struct log_chunk *c,
		      bool taken)
{
	uint64_t j = 0, n = c->last / 64 - c->word + 1, word;
	int ret;

	if (sink_blocks(log, s, c))
		return 0;
	while (j < n) {
		if (!log->stage[j])
			j += log->kernels->find_other(&log->stage[j], (size_t)(n - j), 0);
		if (j == n)
			break;
		word = iod_le64(log->stage[j]);
		ret = sink_word(log, s, (c->word + j) * 64, &word);
		log->stage[j] = ret ? iod_le64(word) : 0;
		if (ret && taken)
			iod_log_stage_keep(log, c, j);
		else if (ret)
			iod_log_stage_zero(log, c);
		if (ret)
			return ret;
		j++;
	}
	return 0;
}

static int sync_chunk(const struct log_pass *p, struct log_sink *s, const struct log_chunk *c)
{
	bool take = p->mode == IOD_SWEEP_CLEAR;
	int ret = iod_log_sweep_chunk(p, c);

	if (!ret) {
		iod_log_pending_read(p->log, c, take);
		return sink_stage(p->log, s, c, take);
	}
	/* Not known to be invalidated: nobody may copy it yet, nor forget it. */
	if (take)
		iod_log_stage_keep(p->log, c, 0);
	else
		iod_log_stage_zero(p->log, c);
	return ret;
}

/* After all was handed out: what fails is for later. */
static void merge(struct iod_dirty_log *log)
{
	uint64_t items = 0;

	if (iod_log_merge_mature(log, log->budget, &items))
		log->resize_errors++;
}

/* All chunks; *done is the number of granules, from the first on, that were handed out. */
static int sync_range(const struct log_pass *p, struct log_sink *s, uint64_t *done)
{
	struct log_chunk c = log_chunk_at(p->log, p->first, p->last);
	int ret, closed;

	while (!(ret = sync_chunk(p, s, &c)) && c.last != p->last)
		c = log_chunk_at(p->log, c.last + 1, p->last);
	*done = (ret ? c.first : c.last + 1) - p->first;
	/* The last run is good, whatever became of what comes behind it. */
	closed = s->refused ? ret : sink_close(p->log, s);
	if (closed) {
		if (p->mode == IOD_SWEEP_CLEAR)
			iod_log_pending_set(p->log, s->run, s->run + s->n - 1);
		*done = s->run - p->first;
		ret = closed;
	}
	return ret;
}

uint64_t iod_log_hand_out(struct iod_dirty_log *log, uint64_t first, uint64_t last,
			  struct iod_bitmap *bm)
{
	struct log_chunk c = log_chunk_at(log, first, last);
	struct log_sink sink = { .bm = bm };

	for (;; c = log_chunk_at(log, c.last + 1, last)) {
		iod_log_pending_read(log, &c, true);
		sink_stage(log, &sink, &c, true); /* what it cannot take stays */
		if (c.last == last)
			return sink.dirty;
	}
}

int iod_log_ask_provider(struct iod_dirty_log *log, uint64_t iova, uint64_t len)
{
	return log->provider ? log->provider(log->provider_cookie, log, iova, len) : 0;
}

/* [iova, iova + len) as bits, for a call that walks the tables. */
static int pass_range(struct log_pass *p, uint64_t iova, uint64_t len, const struct iod_bitmap *bm)
{
	const struct log_table *t;
	uint64_t edges = iova | len;
	int ret;

	if (edges & low_mask(p->log->granule_lg2))
		return -EINVAL;
	ret = iod_log_bits(p->log, iova, len, &p->first, &p->last);
	if (ret)
		return ret;
	if (bm && !iod_bitmap_covers(bm, iova, iova + (len - 1)))
		return -ERANGE;
	for (t = p->log->tables; t; t = t->next)
		if (!t->join && t->first <= p->last && t->last >= p->first &&
		    edges & low_mask(t->pt->min_lg2))
			return -EINVAL;
	return 0;
}

static int sync_check(const struct iod_dirty_log_sync *arg)
{
	if (arg->flags & ~SYNC_FLAGS || arg->reserved || !arg->bitmap == !arg->fn)
		return -EINVAL;
	if ((arg->flags & IOD_DIRTY_SYNC_NO_REARM) && (arg->flags & IOD_DIRTY_SYNC_PRUNE))
		return -EINVAL;
	return arg->bitmap && !iod_bitmap_is_sane(arg->bitmap) ? -EINVAL : 0;
}

static int sync_locked(struct iod_dirty_log *log, struct iod_dirty_log_sync *arg)
{
	struct log_sink sink = { .bm = arg->bitmap, .fn = arg->fn, .cookie = arg->cookie };
	struct log_pass p = { .log = log, .mode = IOD_SWEEP_CLEAR };
	struct log_table *t;
	uint64_t granules;
	int ret;

	if (!log->started)
		return -EINVAL;
	if (arg->flags & IOD_DIRTY_SYNC_NO_REARM)
		p.mode = IOD_SWEEP_READ;
	if (arg->flags & IOD_DIRTY_SYNC_PRUNE)
		p.flags |= IOD_SWEEP_PRUNE;
	if (arg->flags & IOD_DIRTY_SYNC_SKIP_UNTRACKED)
		p.flags |= IOD_SWEEP_SKIP_UNTRACKED;
	/* Nobody will look again after a final pass. */
	p.policy = log->policy && !(arg->flags & IOD_DIRTY_SYNC_FINAL);
	ret = pass_range(&p, arg->iova, arg->len, arg->bitmap);
	if (!ret)
		ret = iod_log_ask_provider(log, arg->iova, arg->len);
	if (ret)
		return ret;
	for (t = log->tables; t; t = t->next)
		t->final_due = arg->flags & IOD_DIRTY_SYNC_FINAL;
	granules = 0;
	ret = iod_log_join_pass(&p);
	if (!ret)
		ret = sync_range(&p, &sink, &granules);
	for (t = log->tables; t; t = t->next)
		t->final_due = false;
	if (!ret && p.policy && p.mode == IOD_SWEEP_CLEAR)
		merge(log);
	arg->done = granules << log->granule_lg2;
	arg->next_iova = arg->iova + arg->done;
	arg->dirty = sink.dirty;
	return ret;
}

int iod_dirty_log_sync(struct iod_dirty_log *log, struct iod_dirty_log_sync *user)
{
	struct iod_dirty_log_sync arg;
	int ret = !log || rcu_inside() ? -EINVAL : 0, out;

	if (!ret)
		ret = iod_struct_in(&arg, sizeof(arg), user, sizeof(arg));
	if (!ret)
		ret = sync_check(&arg);
	if (ret)
		return ret;
	arg.done = arg.dirty = 0;
	arg.next_iova = arg.iova;
	pthread_mutex_lock(&log->lock);
	ret = sync_locked(log, &arg);
	pthread_mutex_unlock(&log->lock);
	out = iod_struct_out(user, &arg, sizeof(arg), sizeof(arg));
	return ret ? ret : out;
}

int iod_log_sync_whole(struct iod_dirty_log *log, struct iod_bitmap *bm, uint64_t iova,
		       uint64_t len, uint32_t flags)
{
	struct iod_dirty_log_sync arg = {
		.size = sizeof(arg), .iova = iova, .len = len, .flags = flags, .bitmap = bm
	};
	int ret = iod_dirty_log_sync(log, &arg);

	if (ret && arg.dirty && !(flags & IOD_DIRTY_SYNC_NO_REARM))
		iod_dirty_log_rollback(log, bm);
	return ret;
}

/* ---- the second phase ---- */

static int clear_chunk(const struct log_pass *p, const struct log_chunk *c)
{
	uint64_t n = c->last / 64 - c->word + 1;
	int ret;

	iod_log_load(p->log, p->clear, c->first, c->last, c->word * 64, p->log->stage);
	if (p->log->kernels->find_other(p->log->stage, (size_t)n, 0) == n)
		return 0;
	ret = iod_log_sweep_chunk(p, c);
	if (ret) {
		/* Some of it may be clean by now, and devices not know: it is not the caller's yet. */
		iod_log_stage_keep(p->log, c, 0);
		return ret;
	}
	iod_log_pending_drop(p->log, c);
	iod_log_stage_zero(p->log, c);
	return 0;
}

static int clear_locked(struct iod_dirty_log *log, uint64_t iova, uint64_t len,
			const struct iod_bitmap *bitmap, uint64_t *done)
{
	struct log_pass p = { .log = log,
			      .mode = IOD_SWEEP_CLEAR_BY_BITMAP,
			      .clear = bitmap,
			      .policy = log->policy };
	struct log_chunk c;
	int ret = log->started ? pass_range(&p, iova, len, bitmap) : -EINVAL;

	if (!ret)
		ret = iod_log_join_pass(&p);
	if (ret)
		return ret;
	for (c = log_chunk_at(log, p.first, p.last);; c = log_chunk_at(log, c.last + 1, p.last)) {
		ret = clear_chunk(&p, &c);
		if (ret)
			return ret;
		if (done)
			*done += (c.last - c.first + 1) << log->granule_lg2;
		if (c.last == p.last)
			break;
	}
	if (p.policy)
		merge(log);
	return 0;
}

int iod_dirty_log_clear(struct iod_dirty_log *log, uint64_t iova, uint64_t len,
			const struct iod_bitmap *bitmap, uint64_t *done)
{
	int ret;

	if (!log || !bitmap || !iod_bitmap_is_sane(bitmap) || rcu_inside())
		return -EINVAL;
	pthread_mutex_lock(&log->lock);
	ret = clear_locked(log, iova, len, bitmap, done);
	pthread_mutex_unlock(&log->lock);
	return ret;
}
