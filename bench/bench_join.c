/* SPDX-License-Identifier: MIT */
/*
 * A sync of a log whose table is behind a virtual IOMMU, against the same sync of the same table without a join:
 * what looking up guest addresses costs. `mode` is the size of the guest's fragments, which are shuffled, so that
 * no two of them join.
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK (UINT64_C(1) << 21)

/* Stays from one repetition to the next: it takes longer to build than to use. */
static struct {
	struct iod_gpa_join *join;
	uint64_t iova, len, fragment;
} joined;

static struct {
	struct iod_dirty_log *log;
	struct iod_bitmap bitmap;
	uint64_t *bits, bytes, dirty;
} synced;

static void join_drop(void)
{
	if (joined.join)
		iod_gpa_join_destroy(joined.join);
	memset(&joined, 0, sizeof(joined));
}

static void log_drop(void)
{
	if (synced.log)
		iod_dirty_log_destroy(synced.log);
	free(synced.bits);
	memset(&synced, 0, sizeof(synced));
}

void bench_join_end(void)
{
	log_drop();
	join_drop();
}

/* Which fragment of guest memory the i-th one of n is, a power of two: each is one once. */
static uint64_t shuffled(uint64_t i, uint64_t n)
{
	return (i * UINT64_C(0x9e3779b97f4a7c15) + 12345) & (n - 1);
}

static int join_ready(const struct bench_tables *t, uint64_t len, uint64_t fragment)
{
	struct iod_gpa_join_cfg cfg = { .size = sizeof(cfg), .max_ranges = len / fragment };
	uint64_t n = len / fragment;
	int err;

	if (joined.join && joined.iova == t->iova && joined.len == len &&
	    joined.fragment == fragment)
		return 0;
	join_drop();
	err = iod_gpa_join_create(&joined.join, &cfg);
	for (uint64_t i = 0; i < n && !err; i++)
		err = iod_gpa_join_map(joined.join, t->iova + i * fragment, fragment,
				       shuffled(i, n) * fragment);
	joined.iova = t->iova;
	joined.len = len;
	joined.fragment = fragment;
	return err ? bench_fail(err, "iod_gpa_join_map") : 0;
}

/* A log that has nothing to tell yet but what is dirty in the table. */
static int log_ready(struct bench_tables *t, uint64_t len, struct iod_gpa_join *join)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .len = len };
	struct iod_dirty_log_start start = { .size = sizeof(start), .flags = IOD_DIRTY_LOG_RESUME };
	struct iod_dirty_log_table win = {
		.size = sizeof(win), .pt = t->pt, .table_iova = t->iova, .len = len, .join = join
	};
	int err;

	log_drop();
	synced.bytes = iod_bitmap_bytes(len, BENCH_PAGE);
	synced.bits = calloc(1, (size_t)synced.bytes);
	err = synced.bits ? 0 : -ENOMEM;
	if (!err)
		err = iod_bitmap_init(&synced.bitmap, 0, len, BENCH_PAGE, synced.bits, synced.bytes,
				      0);
	if (!err)
		err = iod_dirty_log_create(&synced.log, &cfg);
	if (!err)
		err = iod_dirty_log_add_table(synced.log, &win);
	if (!err)
		err = iod_dirty_log_start(synced.log, &start);
	return err ? bench_fail(err, "a log for the join") : 0;
}

static int sync_all(uint64_t len)
{
	struct iod_dirty_log_sync sync = { .size = sizeof(sync),
					   .len = len,
					   .bitmap = &synced.bitmap };
	int err = iod_dirty_log_sync(synced.log, &sync);

	synced.dirty = sync.dirty;
	return err ? bench_fail(err, "iod_dirty_log_sync") : 0;
}

/* Whether every dirty page, and no other, is reported at its guest address. */
static int check_bits(struct bench_tables *t, uint64_t len, uint64_t fragment)
{
	const uint64_t n = len / fragment, per = fragment / BENCH_PAGE;
	uint64_t want = 0;

	t->state = BENCH_STATE_UNKNOWN;
	for (uint64_t i = 0; i < len / BENCH_PAGE; i++) {
		uint64_t gpa = (shuffled(i / per, n) * per + i % per) * BENCH_PAGE;

		if (!(t->expect[i / 8] >> i % 8 & 1))
			continue;
		want++;
		if (!iod_bitmap_test(&synced.bitmap, gpa))
			return bench_fail(-EIO, "page %" PRIu64 " is missing", i);
	}
	if (synced.dirty != want)
		return bench_fail(-EIO, "%" PRIu64 " dirty, should be %" PRIu64, synced.dirty,
				  want);
	return 0;
}

static uint64_t fragment_of(const struct bench_case *c)
{
	return strcmp(c->mode, "2M") ? BENCH_PAGE : BLOCK;
}

static int join_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t len = bench_span(c, rig->t->len);
	int err = bench_tables_ready(rig->t, false);

	if (!err)
		err = join_ready(rig->t, len, fragment_of(c));
	if (!err)
		err = log_ready(rig->t, len, joined.join);
	if (!err)
		bench_dirty_set(rig->t, c->pattern);
	return err;
}

static int join_work(struct bench_rig *rig, const struct bench_case *c)
{
	return sync_all(bench_span(c, rig->t->len));
}

static int join_check(struct bench_rig *rig, const struct bench_case *c)
{
	int err = check_bits(rig->t, bench_span(c, rig->t->len), fragment_of(c));

	log_drop();
	return err;
}

/* The same table without a join; then it is made ready for the work. */
static double unjoined_measure(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t len = bench_span(c, rig->t->len);
	struct bench_watch watch;
	double ns;
	int err = bench_tables_ready(rig->t, false);

	if (!err)
		err = log_ready(rig->t, len, NULL);
	if (err)
		return err;
	bench_dirty_set(rig->t, c->pattern);
	bench_evict();
	watch = bench_start();
	err = sync_all(len);
	ns = bench_stop(&watch) / (double)(len >> rig->t->item_lg2);
	rig->t->state = BENCH_STATE_UNKNOWN;
	if (!err)
		err = join_prepare(rig, c);
	return err ? err : ns;
}

const struct bench_ops bench_join_ops = {
	.prepare = join_prepare,
	.work = join_work,
	.check = join_check,
};
const struct bench_limit bench_limit_unjoined = { "no join", unjoined_measure, false };
