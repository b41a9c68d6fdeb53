/* SPDX-License-Identifier: MIT */
/*
 * The order that the log promises, with iod_iotlb as the adversary: devices write through cached
 * translations whenever the log calls out. Each write raises the version of a frame; a migration copies
 * what it is told to; at the end every frame's newest version must have been copied.
 *
 * The twins break the order outside the log, where a caller could: a wait that does not wait, a copy
 * that is too early, devices that never hear of an invalidation. They must lose a frame.
 */
#include "logrig.h"

#define ROUNDS 30
#define HOT    8

/* ---- devices that write whenever they can ---- */

static void write_some(struct logrig *r)
{
	uint64_t pages = r->len / r->t->page, i;

	for (i = 0; i < 3; i++)
		logrig_dma(r, iodt_below(r->t, pages < HOT ? pages : HOT) * r->t->page);
	logrig_dma(r, iodt_below(r->t, r->len));
	if (!iodt_below(r->t, 4))
		logrig_cpu(r, iodt_below(r->t, r->len));
}

static void open_busy(struct logrig *r, struct iodt *t, bool small)
{
	logrig_open(r, t, 200, small ? t->page : 0, t->page, 8, 0, 3 * t->page);
	r->before = write_some;
	r->during = write_some;
}

/* One phase: sync, then copy. */
static void round_one_phase(struct logrig *r, struct iodt_bits *b)
{
	logrig_sync_all(r, 0, b);
	logrig_copy(r, b);
}

/* The same, skipping what was not touched where the table allows it. */
static void round_pruned(struct logrig *r, struct iodt_bits *b)
{
	logrig_sync_all(r, IOD_DIRTY_SYNC_PRUNE, b);
	logrig_copy(r, b);
}

/* Two phases, in parts, in the order that the header demands. */
static void round_two_phases(struct logrig *r, struct iodt_bits *b)
{
	uint64_t at, len;

	logrig_sync_all(r, IOD_DIRTY_SYNC_NO_REARM, b);
	write_some(r); /* between report and clear */
	for (at = 0; at < r->size; at += len) {
		len = 64 * r->t->page;
		if (len > r->size - at)
			len = r->size - at;
		iodt_assert_ok(iod_dirty_log_clear(r->log, at, len, &b->bm, NULL));
		write_some(r);
	}
	logrig_copy(r, b);
}

/* Each run is copied as it comes, while devices go on. */
static int copy_run(void *cookie, uint64_t iova, uint64_t len)
{
	struct logrig *r = cookie;
	uint64_t at;

	for (at = iova; at != iova + len; at += r->t->page)
		if (at >= r->at)
			r->copy[(at - r->at) / r->t->page] = r->version[(at - r->at) / r->t->page];
	write_some(r);
	return 0;
}

static void round_runs(struct logrig *r, struct iodt_bits *b)
{
	struct iod_dirty_log_sync s = {
		.size = sizeof(s), .len = r->size, .fn = copy_run, .cookie = r
	};

	iodt_assert_ok(iod_dirty_log_sync(r->log, &s));
}

/* Rounds of migration, then the devices stop, and a final pass. Returns frames lost. */
static unsigned int migrate(struct logrig *r, unsigned int n,
			    void (*round)(struct logrig *, struct iodt_bits *))
{
	struct iodt_bits b;
	unsigned int i, lost;

	iodt_bits_init(&b, r->base, r->size, r->granule);
	logrig_start(r, 0);
	memcpy(r->copy, r->version, sizeof(r->copy)); /* the first, full pass */
	for (i = 0; i < n; i++) {
		write_some(r);
		round(r, &b);
	}
	r->before = r->during = NULL;
	logrig_sync_all(r, IOD_DIRTY_SYNC_FINAL, &b);
	logrig_copy(r, &b);
	lost = logrig_stale(r);
	iodt_bits_free(&b);
	return lost;
}

static void nothing_lost(struct iodt *t)
{
	static void (*const round[])(struct logrig *,
				     struct iodt_bits *) = { round_one_phase, round_two_phases,
							     round_runs, round_pruned };
	unsigned int i;
	struct logrig r;

	for (i = 0; i < 4 * IODT_ARRAY_SIZE(round); i++) {
		open_busy(&r, t, i % 2);
		r.is_late = i / 2 % 2; /* invalidations in flight until sync */
		assert_int_equal(migrate(&r, iodt_scale(ROUNDS), round[i / 4]), 0);
		assert_true(r.syncs > 0);
		logrig_close(&r);
		iodt_unmap(t, r.iova, r.len);
		iodt_sync(t);
	}
}

/* ---- twins ---- */

static void must_lose(struct iodt *t, void (*break_it)(struct logrig *),
		      void (*round)(struct logrig *, struct iodt_bits *))
{
	struct logrig r;

	open_busy(&r, t, true);
	break_it(&r);
	assert_true(migrate(&r, 2 * ROUNDS, round) > 0);
	r.forgets_sync = false;
	logrig_close(&r);
}

static void no_wait(struct logrig *r)
{
	r->is_late = true;
	r->forgets_sync = true;
}

/* The bitmap is trusted while the invalidation is still on its way. */
static void round_late_completion(struct logrig *r, struct iodt_bits *b)
{
	logrig_sync_all(r, 0, b);
	logrig_copy(r, b);
	write_some(r);
	iodt_assert_ok(iod_iotlb_invalidate(r->tlb, r->late, r->nr_late));
	r->nr_late = 0;
}

static void twin_handed_out_before_completion(struct iodt *t)
{
	must_lose(t, no_wait, round_late_completion);
}

static int obeys_nothing(void *cookie, const struct iod_inv *inv, size_t nr)
{
	return 0;
}

static void deaf(struct logrig *r)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = obeys_nothing };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = r->t->pt,
					   .iova = r->at,
					   .table_iova = r->iova,
					   .len = r->len,
					   .ops = &ops };

	iodt_assert_ok(iod_dirty_log_remove_table(r->log, r->t->pt, 0));
	iodt_assert_ok(iod_dirty_log_add_table(r->log, &win));
}

static void twin_no_invalidation(struct iodt *t)
{
	must_lose(t, deaf, round_one_phase);
}

static void nothing_broken(struct logrig *r)
{
}

/* What was reported is copied before it was cleared. */
static void round_copy_before_clear(struct logrig *r, struct iodt_bits *b)
{
	logrig_sync_all(r, IOD_DIRTY_SYNC_NO_REARM, b);
	logrig_copy(r, b);
	write_some(r);
	iodt_assert_ok(iod_dirty_log_clear(r->log, 0, r->size, &b->bm, NULL));
}

static void twin_copied_before_clear(struct iodt *t)
{
	must_lose(t, nothing_broken, round_copy_before_clear);
}

/* A sync that failed is not repeated, and nothing else is either: what it cleaned is known to nobody. */
static void twin_failed_sync_given_up(struct iodt *t)
{
	struct iodt_bits b;
	struct logrig r;

	logrig_open(&r, t, 200, t->page, t->page, 8, 0, 0);
	iodt_bits_init(&b, 0, r.size, t->page);
	logrig_start(&r, 0);
	logrig_dma(&r, 0);
	r.fail_invalidate = 1;
	assert_int_equal(logrig_sync(&r, 0, r.size, 0, &b, NULL), -EIO);
	iodt_assert_ok(iod_dirty_log_stop(r.log, 0));
	logrig_start(&r, 0); /* not _RESUME */
	logrig_sync_all(&r, 0, &b);
	logrig_copy(&r, &b);
	assert_true(logrig_stale(&r) > 0);
	iodt_bits_free(&b);
	logrig_close(&r);
}

/* ---- failures ---- */

/* In the callbacks: nothing of what is not invalidated yet has been handed out. */
struct watch {
	struct iodt_bits *b;
	uint64_t allowed; /* bits that may be there */
};

static void watch_bitmap(struct logrig *r)
{
	struct watch *w = r->priv;

	assert_int_equal(iodt_bits_count(w->b), w->allowed);
}

static void failing_invalidation(struct iodt *t)
{
	uint64_t page = t->page, done = 1;
	struct watch w = { 0 };
	struct iodt_bits b;
	struct logrig r;

	if (t->v->last - t->v->first < 200 * page)
		return;
	logrig_open(&r, t, 200, page, page, 8, 0, 0);
	iodt_bits_init(&b, 0, r.size, page);
	w.b = &b;
	r.priv = &w;
	r.before = r.during = watch_bitmap;
	r.is_late = true;
	logrig_start(&r, 0);
	logrig_dma(&r, 0);
	logrig_dma(&r, 130 * page); /* the third chunk */
	/* once, at the first chunk */
	r.fail_invalidate = 1;
	assert_int_equal(logrig_sync(&r, 0, r.size, 0, &b, &done), -EIO);
	assert_int_equal(done, 0);
	assert_int_equal(logrig_info(&r).held, 1);
	/* still not invalidated: a device writes and marks nothing */
	logrig_dma(&r, 0);
	assert_int_equal(iodt_walk(t, r.iova).d, 0);
	/* twice, now the wait; also without re-arming */
	r.fail_sync = 2;
	assert_int_equal(logrig_sync(&r, 0, r.size, 0, &b, &done), -ETIMEDOUT);
	assert_int_equal(logrig_sync(&r, 0, r.size, IOD_DIRTY_SYNC_NO_REARM, &b, &done),
			 -ETIMEDOUT);
	assert_int_equal(iodt_bits_count(&b), 0);
	/* it goes through; the third chunk fails: two are complete */
	r.before = NULL;
	r.during = NULL;
	iodt_assert_ok(logrig_sync(&r, 0, 128 * page, IOD_DIRTY_SYNC_NO_REARM, &b, NULL));
	assert_int_equal(iodt_bits_count(&b), 1);
	iodt_bits_zero(&b);
	r.fail_sync = 1;
	assert_int_equal(logrig_sync(&r, 0, r.size, 0, &b, &done), -ETIMEDOUT);
	assert_int_equal(done, 128 * page);
	assert_int_equal(iodt_bits_count(&b), 1);
	logrig_copy(&r, &b);
	iodt_bits_zero(&b);
	iodt_assert_ok(logrig_sync(&r, done, r.size - done, 0, &b, NULL));
	assert_int_equal(iodt_bits_count(&b), 1);
	assert_true(iodt_bits_get(&b, 130 * page));
	logrig_copy(&r, &b);
	assert_int_equal(logrig_stale(&r), 0);
	assert_int_equal(logrig_info(&r).held, 0);
	iodt_bits_free(&b);
	logrig_close(&r);
}

/* A clear that fails: what it may have cleaned is reported again. */
static void failing_clear(struct iodt *t)
{
	uint64_t page = t->page, done = 0;
	struct iodt_bits b;
	struct logrig r;

	if (t->v->last - t->v->first < 200 * page)
		return;
	logrig_open(&r, t, 200, page, page, 8, 0, 0);
	iodt_bits_init(&b, 0, r.size, page);
	logrig_start(&r, 0);
	logrig_dma(&r, 0);
	logrig_dma(&r, 70 * page);
	logrig_cpu(&r, 71 * page);
	assert_int_equal(logrig_sync_all(&r, IOD_DIRTY_SYNC_NO_REARM, &b), 3);
	iodt_assert_ok(iod_dirty_log_clear(r.log, 0, 64 * page, &b.bm, &done));
	r.fail_invalidate = 1;
	assert_int_equal(iod_dirty_log_clear(r.log, 64 * page, r.size - 64 * page, &b.bm, &done),
			 -EIO);
	assert_int_equal(done, 64 * page);
	logrig_dma(&r, 70 * page); /* through the cache */
	assert_int_equal(logrig_sync_all(&r, IOD_DIRTY_SYNC_NO_REARM, &b), 2);
	assert_true(iodt_bits_get(&b, 70 * page) && iodt_bits_get(&b, 71 * page));
	iodt_assert_ok(iod_dirty_log_clear(r.log, 0, r.size, &b.bm, NULL));
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	iodt_bits_free(&b);
	logrig_close(&r);
}

/* A start that fails leaves a log that can be started, and what it cleaned is invalidated then. */
static void failing_start(struct iodt *t)
{
	struct iodt_bits b;
	struct logrig r;

	logrig_open(&r, t, 200, t->page, t->page, 8, 0, 0);
	iodt_bits_init(&b, 0, r.size, t->page);
	logrig_dma(&r, 0);
	r.fail_sync = 1;
	assert_int_equal(iod_dirty_log_start(r.log, NULL), -ETIMEDOUT);
	assert_int_equal(logrig_info(&r).started, 0);
	r.fail_invalidate = 1;
	assert_int_equal(iod_dirty_log_destroy(r.log), -EIO);
	logrig_start(&r, 0);
	logrig_dma(&r, 0); /* walks, and marks */
	assert_int_equal(logrig_sync_all(&r, 0, &b), 1);
	iodt_bits_free(&b);
	logrig_close(&r);
}

/* ---- marks and rollback ---- */

static void mark_in_the_window(struct logrig *r)
{
	logrig_cpu(r, r->len - 1);
}

/* Marked while the sync is between sweep and wait: in this one or the next. */
static void marks_during_a_sync(struct iodt *t)
{
	struct iodt_bits b;
	struct logrig r;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		logrig_open(&r, t, 200, t->page, t->page, 0, 0, 0);
		iodt_bits_init(&b, 0, r.size, t->page);
		logrig_start(&r, 0);
		*(i ? &r.before : &r.during) = mark_in_the_window;
		logrig_dma(&r, 0);
		logrig_sync_all(&r, 0, &b);
		logrig_copy(&r, &b);
		r.before = r.during = NULL;
		logrig_sync_all(&r, 0, &b);
		logrig_copy(&r, &b);
		assert_int_equal(logrig_stale(&r), 0);
		iodt_bits_free(&b);
		logrig_close(&r);
		iodt_unmap(t, r.iova, r.len);
		iodt_sync(t);
	}
}

/* A migration fails: what it took and did not send is in the next round, also after a stop. */
static void rollback(struct iodt *t)
{
	struct iodt_bits b;
	struct logrig r;

	logrig_open(&r, t, 200, t->page, t->page, 8, 0, 0);
	iodt_bits_init(&b, 0, r.size, t->page);
	logrig_start(&r, 0);
	logrig_dma(&r, 0);
	logrig_cpu(&r, r.len - 1);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 2);
	iodt_assert_ok(iod_dirty_log_stop(r.log, 0));
	iodt_assert_ok(iod_dirty_log_rollback(r.log, &b.bm));
	logrig_start(&r, IOD_DIRTY_LOG_RESUME);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 2);
	logrig_copy(&r, &b);
	assert_int_equal(logrig_stale(&r), 0);
	iodt_bits_free(&b);
	logrig_close(&r);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "nothing_lost", IODT_DIRTY, 0, nothing_lost },
		{ "twin_handed_out_before_completion", IODT_DIRTY | IODT_PLAIN, 0,
		  twin_handed_out_before_completion },
		{ "twin_no_invalidation", IODT_DIRTY | IODT_PLAIN, 0, twin_no_invalidation },
		{ "twin_copied_before_clear", IODT_DIRTY | IODT_PLAIN, 0,
		  twin_copied_before_clear },
		{ "twin_failed_sync_given_up", IODT_DIRTY | IODT_PLAIN, 0,
		  twin_failed_sync_given_up },
		{ "failing_invalidation", IODT_DIRTY, 0, failing_invalidation },
		{ "failing_clear", IODT_DIRTY, 0, failing_clear },
		{ "failing_start", IODT_DIRTY, 0, failing_start },
		{ "marks_during_a_sync", IODT_DIRTY, 0, marks_during_a_sync },
		{ "rollback", IODT_DIRTY, 0, rollback },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
