/* SPDX-License-Identifier: MIT */
/*
 * iod_gpa_join: what is reported where, one rule at a time. Twins: no journal; the order of unmapping reversed.
 */
#include "joinrig.h"

/* ---- stepping in ---- */

struct join_user;
void __real_iod_join_begin(struct iod_gpa_join *join, struct join_user *user, int hold);
void __wrap_iod_join_begin(struct iod_gpa_join *join, struct join_user *user, int hold);

static bool no_journal;

void __wrap_iod_join_begin(struct iod_gpa_join *join, struct join_user *user, int hold)
{
	if (!no_journal)
		__real_iod_join_begin(join, user, hold);
}

/* ---- what is reported ---- */

/* Exactly these frames, in all of the log. */
static void assert_frames(struct joinrig *r, const unsigned int *frame, size_t n)
{
	uint64_t want = 0, per = r->t->page / r->granule;
	size_t i;

	for (i = 0; i < n; i++) {
		assert_true(iodt_bits_get(&r->bits, r->base + frame[i] * r->t->page));
		want += per;
	}
	assert_int_equal(iodt_bits_count(&r->bits), want);
}

static void assert_synced(struct joinrig *r, const unsigned int *frame, size_t n)
{
	iodt_assert_ok(joinrig_sync(r, 0, JOINRIG_FRAMES, 0));
	assert_frames(r, frame, n);
}

#define FRAMES(...)                            \
	(const unsigned int[]){ __VA_ARGS__ }, \
		IODT_ARRAY_SIZE(((const unsigned int[]){ __VA_ARGS__ }))

static void open_started(struct joinrig *r, struct iodt *t)
{
	static const struct joinrig_cfg cfg = { 0 };

	joinrig_open(r, t, &cfg);
	joinrig_start(r);
	r->small = true;
}

static void test_exact(struct iodt *t)
{
	struct joinrig r;

	open_started(&r, t);
	joinrig_map(&r, 0, 4, 20);
	joinrig_map(&r, 4, 1, 7);
	joinrig_map(&r, 70, 3, 100);
	joinrig_dma(&r, 1);
	joinrig_dma(&r, 4);
	joinrig_dma(&r, 72);
	assert_synced(&r, FRAMES(7, 21, 102));
	assert_synced(&r, NULL, 0);
	/* A part of guest memory only. */
	joinrig_dma(&r, 0);
	joinrig_dma(&r, 70);
	iodt_assert_ok(joinrig_sync(&r, 96, 16, 0));
	assert_frames(&r, FRAMES(100));
	assert_synced(&r, FRAMES(20));
	assert_int_equal(joinrig_stale(&r), 0);
	joinrig_close(&r);
}

static void test_aliases(struct iodt *t)
{
	struct joinrig r;

	open_started(&r, t);
	joinrig_map(&r, 0, 2, 50);
	joinrig_map(&r, 66, 2, 50);
	joinrig_map(&r, 10, 1, 51);
	joinrig_dma(&r, 66);
	joinrig_dma(&r, 10);
	assert_synced(&r, FRAMES(50, 51));
	joinrig_dma(&r, 1);
	/* Reported once, and cleaned under both names. */
	joinrig_dma(&r, 67);
	iodt_assert_ok(joinrig_two_phases(&r, 51, 1));
	assert_frames(&r, FRAMES(51));
	assert_synced(&r, NULL, 0);
	joinrig_close(&r);
}

/* A range that begins below the log: what of it is in the log can be cleaned. */
static void test_below_the_log(struct iodt *t)
{
	uint64_t page = t->page, i, at;
	struct joinrig r;

	open_started(&r, t);
	at = joinrig_iova(&r, 0);
	iodt_assert_ok(iod_gpa_join_map(r.join, at, 8 * page, r.base - 4 * page));
	for (i = 0; i < 8; i++) {
		iodt_assert_ok(iod_map(t->pt, at + i * page, r.pa + 2 * i * page, page, IODT_RW,
				       NULL, NULL));
		iodt_assert_ok(iod_iotlb_access(r.tlb, t->pt, at + i * page, IOD_ACCESS_WRITE, NULL,
						NULL));
	}
	iodt_assert_ok(joinrig_two_phases(&r, 0, JOINRIG_FRAMES));
	assert_frames(&r, FRAMES(0, 1, 2, 3));
	assert_synced(&r, NULL, 0);
	iodt_assert_ok(iod_unmap(t->pt, at, 8 * page, 0, t->gather, NULL));
	iodt_sync(t);
	iodt_assert_ok(iod_gpa_join_unmap(r.join, at, 8 * page, 0));
	joinrig_close(&r);
}

static void test_two_phases(struct iodt *t)
{
	struct joinrig r;
	unsigned int i;

	open_started(&r, t);
	for (i = 0; i < 8; i++)
		joinrig_map(&r, i, 1, 40 - 2 * i);
	joinrig_map(&r, 64, 8, 100);
	for (i = 0; i < 8; i++)
		joinrig_dma(&r, i);
	joinrig_dma(&r, 65);
	iodt_assert_ok(joinrig_sync(&r, 0, JOINRIG_FRAMES, IOD_DIRTY_SYNC_NO_REARM));
	assert_frames(&r, FRAMES(40, 38, 36, 34, 32, 30, 28, 26, 101));
	/* A part of it is cleared: it alone is clean, in the log and in the table. */
	iodt_assert_ok(joinrig_clear(&r, 30, 6));
	iodt_assert_ok(joinrig_sync(&r, 0, JOINRIG_FRAMES, IOD_DIRTY_SYNC_NO_REARM));
	assert_frames(&r, FRAMES(40, 38, 36, 28, 26, 101));
	iodt_assert_ok(joinrig_clear(&r, 0, JOINRIG_FRAMES));
	assert_synced(&r, NULL, 0);
	assert_int_equal(joinrig_stale(&r), 0);
	joinrig_close(&r);
}

/* What is not named by the caller's bits stays dirty, though it is in the same granule of IOVAs. */
static void test_clear_neighbour(struct iodt *t)
{
	struct joinrig r;
	struct joinrig_cfg cfg = { .granule = 4 * t->page };

	joinrig_open(&r, t, &cfg);
	joinrig_start(&r);
	joinrig_map(&r, 0, 1, 8);
	joinrig_map(&r, 1, 1, 40);
	joinrig_dma(&r, 0);
	iodt_assert_ok(joinrig_sync(&r, 0, JOINRIG_FRAMES, 0));
	joinrig_dma(&r, 0);
	joinrig_dma(&r, 1);
	iodt_assert_ok(joinrig_clear(&r, 8, 4));
	iodt_assert_ok(joinrig_sync(&r, 0, JOINRIG_FRAMES, 0));
	assert_int_equal(joinrig_stale(&r), 0);
	joinrig_close(&r);
}

/* ---- unmapped and remapped ---- */

static void test_remap(struct iodt *t)
{
	struct joinrig r;

	open_started(&r, t);
	joinrig_map(&r, 0, 4, 20);
	joinrig_dma(&r, 1);
	joinrig_dma(&r, 2);
	iodt_assert_ok(joinrig_unmap(&r, 0, 4, true));
	assert_frames(&r, FRAMES(21, 22));
	joinrig_map(&r, 0, 4, 60);
	joinrig_dma(&r, 3);
	iodt_assert_ok(joinrig_unmap(&r, 0, 4, false));
	joinrig_map(&r, 0, 4, 80);
	joinrig_dma(&r, 0);
	assert_synced(&r, FRAMES(63, 80));
	joinrig_dma(&r, 0);
	joinrig_unmap_own(&r, 0, 4);
	assert_synced(&r, FRAMES(80));
	assert_int_equal(joinrig_stale(&r), 0);
	assert_int_equal(joinrig_info(&r).journal, 0);
	joinrig_close(&r);
}

/* Hardware does not answer; until it does, the IOVA belongs to somebody else. */
static void remap_unanswered(struct joinrig *r)
{
	joinrig_map(r, 0, 4, 20);
	joinrig_dma(r, 1);
	r->fail = 1;
	assert_int_equal(joinrig_unmap(r, 0, 4, true), -ETIMEDOUT);
	joinrig_map(r, 0, 4, 60);
	joinrig_dma(r, 3);
	iodt_assert_ok(joinrig_sync(r, 0, JOINRIG_FRAMES, 0));
}

static void test_remap_unanswered(struct iodt *t)
{
	struct joinrig r;

	open_started(&r, t);
	remap_unanswered(&r);
	assert_int_equal(joinrig_stale(&r), 0);
	assert_true(iodt_bits_get(&r.bits, r.base + 21 * t->page));
	assert_true(iodt_bits_get(&r.bits, r.base + 63 * t->page));
	assert_int_equal(joinrig_info(&r).journal, 0);
	joinrig_close(&r);
}

static void remap(struct joinrig *r)
{
	r->during = NULL;
	joinrig_unmap_own(r, 0, 4);
	joinrig_map(r, 0, 4, 60);
	joinrig_dma(r, 2);
}

static void remap_in_sync(struct joinrig *r)
{
	joinrig_map(r, 0, 4, 20);
	joinrig_dma(r, 1);
	r->during = remap;
	iodt_assert_ok(joinrig_sync(r, 0, JOINRIG_FRAMES, 0));
	iodt_assert_ok(joinrig_sync(r, 0, JOINRIG_FRAMES, 0));
}

static void test_remap_in_sync(struct iodt *t)
{
	struct joinrig r;

	open_started(&r, t);
	remap_in_sync(&r);
	assert_int_equal(joinrig_stale(&r), 0);
	assert_int_equal(joinrig_info(&r).journal, 0);
	joinrig_close(&r);
}

/* What the caller's bits named is somebody else's, and written, when it is cleaned. */
static void test_remap_in_clear(struct iodt *t)
{
	struct joinrig r;
	unsigned int i;

	open_started(&r, t);
	joinrig_map(&r, 0, 4, 20);
	joinrig_map(&r, 8, 1, 100);
	joinrig_dma(&r, 2);
	joinrig_dma(&r, 8);
	/* So that hardware is waited for between the look at the bits and the sweep. */
	r.fail = 1;
	assert_int_equal(joinrig_unmap(&r, 8, 1, false), -ETIMEDOUT);
	iodt_bits_zero(&r.bits);
	for (i = 0; i < 4; i++)
		iod_bitmap_set(&r.bits.bm, r.base + (20 + i) * t->page, t->page);
	r.during = remap;
	iodt_assert_ok(joinrig_clear(&r, 20, 4));
	iodt_assert_ok(joinrig_sync(&r, 0, JOINRIG_FRAMES, 0));
	assert_int_equal(joinrig_stale(&r), 0);
	joinrig_close(&r);
}

/* What a failed sync took is not handed out unanswered, though nothing stands for that memory any more. */
static void test_unanswered_and_gone(struct iodt *t)
{
	struct joinrig r;

	open_started(&r, t);
	joinrig_map(&r, 0, 4, 20);
	joinrig_dma(&r, 1);
	r.fail = 1;
	assert_int_equal(joinrig_sync(&r, 0, JOINRIG_FRAMES, 0), -ETIMEDOUT);
	joinrig_unmap_own(&r, 0, 4);
	r.fail = 1;
	assert_int_equal(joinrig_sync(&r, 20, 4, 0), -ETIMEDOUT);
	assert_int_equal(iodt_bits_count(&r.bits), 0);
	iodt_assert_ok(joinrig_sync(&r, 20, 4, 0));
	assert_frames(&r, FRAMES(21));
	joinrig_close(&r);
}

static void twin_no_journal(struct iodt *t)
{
	struct joinrig r;

	open_started(&r, t);
	no_journal = true;
	remap_in_sync(&r);
	assert_int_equal(joinrig_stale(&r), 1);
	no_journal = false;
	joinrig_close(&r);
}

static void twin_no_journal_unanswered(struct iodt *t)
{
	struct joinrig r;

	open_started(&r, t);
	no_journal = true;
	remap_unanswered(&r);
	assert_int_equal(joinrig_stale(&r), 1);
	no_journal = false;
	joinrig_close(&r);
}

static void twin_reversed(struct iodt *t)
{
	struct joinrig r;

	open_started(&r, t);
	r.reversed = true;
	joinrig_map(&r, 0, 4, 20);
	joinrig_dma(&r, 1);
	iodt_assert_ok(joinrig_unmap(&r, 0, 4, false));
	iodt_assert_ok(joinrig_sync(&r, 0, JOINRIG_FRAMES, 0));
	assert_int_equal(joinrig_stale(&r), 1);
	assert_int_equal(joinrig_info(&r).unknown, t->page / IODT_4K);
	joinrig_close(&r);
}

/* A plain unmap loses what was dirty; so the join reports all of it. */
static void test_all_dirty(struct iodt *t)
{
	struct joinrig r;

	open_started(&r, t);
	joinrig_map(&r, 0, 4, 20);
	joinrig_dma(&r, 1);
	iodt_assert_ok(iod_unmap(t->pt, joinrig_iova(&r, 1), 2 * t->page,
				 IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS, t->gather, NULL));
	iodt_assert_ok(iod_gather_sync(t->gather));
	iodt_assert_ok(iod_gpa_join_unmap(r.join, joinrig_iova(&r, 1), 2 * t->page,
					  IOD_GPA_JOIN_ALL_DIRTY));
	assert_synced(&r, FRAMES(21, 22));
	assert_int_equal(joinrig_stale(&r), 0);
	joinrig_close(&r);
}

/* ---- the bound ---- */

static void test_bound(struct iodt *t)
{
	static const struct joinrig_cfg cfg = { .max_ranges = 2 };
	uint64_t page = t->page, gpa;
	struct joinrig r;

	joinrig_open(&r, t, &cfg);
	joinrig_start(&r);
	r.bounded = false;
	r.small = true;
	joinrig_map(&r, 0, 8, 20);
	joinrig_map(&r, 8, 8, 60);
	assert_int_equal(iod_gpa_join_map(r.join, joinrig_iova(&r, 30), page, 0), -ENOSPC);
	/* A hole that there is no room for. */
	iodt_assert_ok(joinrig_unmap(&r, 2, 2, false));
	assert_int_equal(joinrig_info(&r).loose, 1);
	iodt_assert_ok(joinrig_unmap(&r, 8, 8, false));
	joinrig_map(&r, 2, 2, 100);
	iodt_assert_ok(iod_gpa_join_lookup(r.join, joinrig_iova(&r, 2), &gpa, NULL));
	assert_int_equal(gpa, r.base + 100 * page);
	joinrig_dma(&r, 2);
	joinrig_dma(&r, 5);
	assert_synced(&r, FRAMES(22, 25, 100)); /* 22 is what it might have been */
	assert_int_equal(joinrig_stale(&r), 0);
	/* Gone as a whole. */
	iodt_assert_ok(joinrig_unmap(&r, 0, 8, false));
	assert_int_equal(joinrig_info(&r).loose, 0);
	assert_int_equal(joinrig_info(&r).ranges, 0);
	joinrig_close(&r);
}

static void test_bound_journal(struct iodt *t)
{
	static const struct joinrig_cfg cfg = { .max_ranges = 1 };
	struct joinrig r;

	joinrig_open(&r, t, &cfg);
	joinrig_start(&r);
	r.bounded = false;
	r.small = true;
	remap_in_sync(&r);
	assert_int_equal(joinrig_stale(&r), 0);
	assert_int_equal(joinrig_info(&r).given_up, 4 * t->page);
	joinrig_close(&r);
}

static void test_no_memory(struct iodt *t)
{
	struct joinrig r;

	open_started(&r, t);
	joinrig_map(&r, 0, 8, 20);
	joinrig_dma(&r, 3);
	t->alloc.fail_at = t->alloc.calls + 1;
	assert_int_equal(iod_gpa_join_map(r.join, joinrig_iova(&r, 70), t->page, 0), -ENOMEM);
	/* The hole is not noted. */
	t->alloc.fail_at = t->alloc.calls + 1;
	iodt_assert_ok(iod_gpa_join_unmap(r.join, joinrig_iova(&r, 4), t->page, 0));
	t->alloc.fail_at = 0;
	assert_int_equal(joinrig_info(&r).loose, 1);
	assert_synced(&r, FRAMES(23));
	joinrig_close(&r);
}

/* ---- large pages, large windows ---- */

#define BIG_PAGES 16u

struct big {
	struct iod_dirty_log *log;
	struct iod_gpa_join *join;
	struct iod_iotlb *tlb;
	struct iodt_bits bits;
	uint64_t iova, gpa, len;
};

static int big_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	return iod_iotlb_invalidate(cookie, inv, nr);
}

/* 32 MiB of the guest in 2 MiB pages; window 0: all of the table. */
static void big_open(struct big *b, struct iodt *t, uint64_t window, uint64_t staging)
{
	struct iod_iotlb_cfg tcfg = { .size = sizeof(tcfg), .seed = 1 };
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .allocator = &t->alloc.ops };
	struct iod_inv_ops ops = { sizeof(ops), big_invalidate, NULL };
	struct iod_dirty_log_table win = { .size = sizeof(win), .pt = t->pt, .ops = &ops };

	b->iova = t->v->first + 5 * IODT_1G;
	b->gpa = IODT_2M;
	b->len = BIG_PAGES * IODT_2M;
	cfg.len = 4 * b->len;
	cfg.staging = staging;
	iodt_assert_ok(iod_iotlb_create(&b->tlb, &tcfg));
	iodt_assert_ok(iod_gpa_join_create(&b->join, NULL));
	iodt_assert_ok(iod_dirty_log_create(&b->log, &cfg));
	iodt_bits_init(&b->bits, 0, cfg.len, IODT_4K);
	win.cookie = b->tlb;
	win.table_iova = t->v->first;
	/* The whole space has no length. */
	win.len = window;
	if (!window && !t->v->hole_first && t->v->last - t->v->first == UINT64_MAX)
		win.len = IODT_BIT(63);
	win.join = b->join;
	iodt_assert_ok(iod_dirty_log_add_table(b->log, &win));
	iodt_assert_ok(iod_gpa_join_map(b->join, b->iova, b->len, b->gpa));
	iodt_assert_ok(
		iod_map(t->pt, b->iova, iodt_pa(t->v, IODT_2M, 0), b->len, IODT_RW, NULL, NULL));
}

static void big_close(struct big *b)
{
	iodt_bits_free(&b->bits);
	iodt_assert_ok(iod_dirty_log_destroy(b->log));
	iodt_assert_ok(iod_gpa_join_destroy(b->join));
	iodt_assert_ok(iod_iotlb_destroy(b->tlb));
}

static void big_dma(struct big *b, struct iodt *t, uint64_t off)
{
	iodt_assert_ok(
		iod_iotlb_access(b->tlb, t->pt, b->iova + off, IOD_ACCESS_WRITE, NULL, NULL));
}

/* How many granules a sync of [gpa, gpa + len) hands out. */
static uint64_t big_sync(struct big *b, uint64_t gpa, uint64_t len, uint32_t flags)
{
	struct iod_dirty_log_sync s = {
		.size = sizeof(s), .iova = gpa, .len = len, .flags = flags, .bitmap = &b->bits.bm
	};

	iodt_bits_zero(&b->bits);
	iodt_assert_ok(iod_dirty_log_sync(b->log, &s));
	return s.dirty;
}

static void big_unmap(struct big *b, struct iodt *t, uint64_t iova, uint64_t len)
{
	struct iod_dirty_log_unmap u = {
		.size = sizeof(u), .pt = t->pt, .iova = iova, .len = len, .bitmap = &b->bits.bm
	};

	iodt_bits_zero(&b->bits);
	iodt_assert_ok(iod_dirty_log_unmap(b->log, &u));
	assert_int_equal(u.unmapped, b->len);
	iodt_assert_ok(iod_gpa_join_unmap(b->join, iova, len, 0));
}

static void large_pages(struct iodt *t, uint64_t staging)
{
	uint64_t all = 4 * BIG_PAGES * IODT_2M, half = IODT_2M / IODT_4K;
	struct big b;

	big_open(&b, t, 0, staging);
	iodt_assert_ok(iod_dirty_log_start(b.log, NULL));
	big_dma(&b, t, 3 * IODT_2M + 5);
	assert_int_equal(big_sync(&b, 0, all, 0), half);
	assert_true(iodt_bits_get(&b.bits, b.gpa + 3 * IODT_2M));
	/* Clear of less than a page cleans nothing. */
	big_dma(&b, t, 4 * IODT_2M);
	assert_int_equal(big_sync(&b, 0, all, IOD_DIRTY_SYNC_NO_REARM), half);
	iodt_assert_ok(iod_dirty_log_clear(b.log, b.gpa + 4 * IODT_2M, IODT_1M, &b.bits.bm, NULL));
	assert_int_equal(big_sync(&b, 0, all, IOD_DIRTY_SYNC_NO_REARM), half);
	iodt_assert_ok(iod_dirty_log_clear(b.log, b.gpa + 4 * IODT_2M, IODT_2M, &b.bits.bm, NULL));
	assert_int_equal(big_sync(&b, 0, all, 0), 0);
	/* All of the table at once. */
	big_dma(&b, t, 7 * IODT_2M);
	big_unmap(&b, t, t->v->first, 6 * IODT_1G);
	assert_int_equal(iodt_bits_count(&b.bits), half);
	assert_true(iodt_bits_get(&b.bits, b.gpa + 7 * IODT_2M));
	big_close(&b);
}

static void test_large_pages(struct iodt *t)
{
	large_pages(t, 0);
	/* Pages reach over the ends of chunks. */
	large_pages(t, 32);
}

static void test_split(struct iodt *t)
{
	struct iod_dirty_log_start start = { .size = sizeof(start),
					     .policy = IOD_SPLIT_ON_DIRTY,
					     .resize_flags =
						     IOD_RESIZE_ALLOW_FAULTS | IOD_RESIZE_BREAK,
					     .merge_after = 2 };
	uint64_t all = 4 * BIG_PAGES * IODT_2M, page = t->page / IODT_4K;
	struct iod_dirty_log_info info = { .size = sizeof(info) };
	struct big b;

	big_open(&b, t, 6 * IODT_1G, 0);
	iodt_assert_ok(iod_dirty_log_start(b.log, &start));
	big_dma(&b, t, 3 * IODT_2M);
	assert_int_equal(big_sync(&b, 0, all, 0), IODT_2M / IODT_4K);
	big_dma(&b, t, 3 * IODT_2M + t->page);
	assert_int_equal(big_sync(&b, 0, all, 0), page);
	assert_true(iodt_bits_get(&b.bits, b.gpa + 3 * IODT_2M + t->page));
	assert_int_equal(big_sync(&b, 0, all, 0), 0);
	assert_int_equal(big_sync(&b, 0, all, 0), 0);
	assert_int_equal(big_sync(&b, 0, all, 0), 0);
	iodt_assert_ok(iod_dirty_log_get_info(b.log, &info));
	assert_true(info.splits && info.merges);
	big_dma(&b, t, 3 * IODT_2M);
	iodt_assert_ok(iod_dirty_log_stop(b.log, IOD_DIRTY_LOG_MERGE));
	start.flags = IOD_DIRTY_LOG_RESUME;
	iodt_assert_ok(iod_dirty_log_start(b.log, &start));
	assert_true(big_sync(&b, 0, all, 0) >= page);
	assert_true(iodt_bits_get(&b.bits, b.gpa + 3 * IODT_2M));
	big_close(&b);
}

/* ---- the log's life ---- */

/* In whatever order they come. */
static void test_neighbours(struct iodt *t)
{
	struct joinrig r;
	unsigned int i;

	open_started(&r, t);
	for (i = 8; i--;)
		joinrig_map(&r, i, 1, 20 + i);
	assert_int_equal(joinrig_info(&r).ranges, 1);
	iodt_assert_ok(joinrig_unmap(&r, 3, 2, false));
	assert_int_equal(joinrig_info(&r).ranges, 2);
	joinrig_map(&r, 3, 1, 90);
	joinrig_map(&r, 4, 1, 24);
	assert_int_equal(joinrig_info(&r).ranges, 3);
	iodt_assert_ok(joinrig_unmap(&r, 3, 1, false));
	joinrig_map(&r, 3, 1, 23);
	assert_int_equal(joinrig_info(&r).ranges, 1);
	joinrig_dma(&r, 0);
	joinrig_dma(&r, 3);
	joinrig_dma(&r, 7);
	assert_synced(&r, FRAMES(20, 23, 27));
	joinrig_close(&r);
}

static void test_life(struct iodt *t)
{
	struct iod_dirty_log_start resume = { .size = sizeof(resume),
					      .flags = IOD_DIRTY_LOG_RESUME };
	struct joinrig r;

	open_started(&r, t);
	joinrig_map(&r, 0, 4, 20);
	joinrig_map(&r, 64, 4, 50);
	joinrig_dma(&r, 0);
	iodt_assert_ok(iod_dirty_log_stop(r.log, 0));
	joinrig_dma(&r, 65);
	iodt_assert_ok(iod_dirty_log_start(r.log, &resume));
	assert_synced(&r, FRAMES(20, 51));
	iodt_assert_ok(iod_dirty_log_rollback(r.log, &r.bits.bm));
	assert_synced(&r, FRAMES(20, 51));
	/* A plain start: everything counts as clean. */
	joinrig_dma(&r, 0);
	iodt_assert_ok(iod_dirty_log_stop(r.log, 0));
	joinrig_start(&r);
	joinrig_copy(&r);
	assert_synced(&r, NULL, 0);
	/* The device is unplugged. */
	joinrig_dma(&r, 66);
	joinrig_dma(&r, 3);
	r.fail = 1;
	assert_int_equal(iod_dirty_log_remove_table(r.log, t->pt, 0), -ETIMEDOUT);
	iodt_assert_ok(iod_dirty_log_remove_table(r.log, t->pt, 0));
	assert_synced(&r, FRAMES(23, 52));
	iodt_bits_free(&r.bits);
	iodt_assert_ok(iod_dirty_log_destroy(r.log));
	iodt_assert_ok(iod_gpa_join_destroy(r.join));
	iodt_assert_ok(iod_iotlb_destroy(r.tlb));
}

/* ---- two tables ---- */

static int sync_fails(void *cookie)
{
	unsigned int *fail = cookie;

	if (!*fail)
		return 0;
	--*fail;
	return -EIO;
}

static int no_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	return 0;
}

/*
 * A page that two tables map: one is swept and cannot be invalidated. Unmapped from the other, it is not handed
 * out before the first was invalidated.
 */
static void test_unmap_waits_for_all(struct iodt *t)
{
	unsigned int fail = 0;
	struct iod_inv_ops ops = { sizeof(ops), no_invalidate, sync_fails };
	struct iod_dirty_log_table win = {
		.size = sizeof(win), .ops = &ops, .cookie = &fail, .len = 64 * t->page
	};
	struct iod_dirty_log_unmap u = { .size = sizeof(u),
					 .len = t->page,
					 .flags = IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS };
	struct iodt *other = iodt_open(t->v);
	struct joinrig r;

	assert_non_null(other);
	open_started(&r, t);
	iodt_assert_ok(iod_map(other->pt, t->v->first, r.pa + 30 * t->page, 4 * t->page, IODT_RW,
			       NULL, NULL));
	win.pt = other->pt;
	win.iova = r.base + 32 * t->page;
	win.table_iova = t->v->first;
	iodt_assert_ok(iod_dirty_log_add_table(r.log, &win));
	joinrig_map(&r, 0, 1, 32);
	joinrig_dma(&r, 0);
	r.fail = 1;
	assert_int_equal(joinrig_sync(&r, 0, JOINRIG_FRAMES, 0), -ETIMEDOUT);
	iodt_bits_zero(&r.bits);
	u.pt = other->pt;
	u.iova = t->v->first;
	u.bitmap = &r.bits.bm;
	r.fail = 1;
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -ETIMEDOUT);
	assert_int_equal(iodt_bits_count(&r.bits), 0);
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_frames(&r, FRAMES(32));
	joinrig_copy(&r);
	/* And the other way around. */
	iodt_assert_ok(iod_iotlb_access(r.tlb, other->pt, t->v->first + t->page, IOD_ACCESS_WRITE,
					NULL, NULL));
	joinrig_map(&r, 1, 1, 33);
	fail = 1;
	assert_int_equal(joinrig_sync(&r, 0, JOINRIG_FRAMES, 0), -EIO);
	fail = 1;
	assert_int_equal(joinrig_unmap(&r, 1, 1, true), -EIO);
	assert_synced(&r, FRAMES(33));
	joinrig_close(&r);
	iodt_assert_ok(iodt_close(other));
}

/* ---- misuse ---- */

static void test_refused(struct iodt *t)
{
	struct iod_gpa_join_cfg bad = { .size = sizeof(bad), .flags = 1 };
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .len = IODT_1M };
	struct iod_dirty_log_table win = { .size = sizeof(win), .len = IODT_1M };
	uint64_t page = t->page, iova, gpa, len;
	struct iod_gpa_join *none;
	struct iod_dirty_log *log;
	struct joinrig r;
	struct iodt *other = iodt_open(t->v);

	open_started(&r, t);
	iova = joinrig_iova(&r, 0);
	assert_int_equal(iod_gpa_join_create(NULL, NULL), -EINVAL);
	assert_int_equal(iod_gpa_join_create(&none, &bad), -EINVAL);
	bad.flags = 0;
	bad.size = 4;
	assert_int_equal(iod_gpa_join_create(&none, &bad), -EINVAL);
	assert_int_equal(iod_gpa_join_map(NULL, iova, page, 0), -EINVAL);
	assert_int_equal(iod_gpa_join_map(r.join, iova, 0, 0), -EINVAL);
	assert_int_equal(iod_gpa_join_map(r.join, iova + 1, page, 0), -EINVAL);
	assert_int_equal(iod_gpa_join_map(r.join, iova, page, 512), -EINVAL);
	assert_int_equal(iod_gpa_join_map(r.join, -page, 2 * page, 0), -ERANGE);
	assert_int_equal(iod_gpa_join_map(r.join, 0, 2 * page, -page), -ERANGE);
	assert_int_equal(iod_gpa_join_unmap(r.join, iova, page, 2), -EINVAL);
	assert_int_equal(iod_gpa_join_unmap(r.join, -page, 2 * page, 0), -ERANGE);
	assert_int_equal(iod_gpa_join_lookup(r.join, iova, &gpa, &len), -ENOENT);
	iodt_assert_ok(iod_gpa_join_map(r.join, iova, 4 * page, 9 * page));
	iodt_assert_ok(iod_gpa_join_map(r.join, iova + 4 * page, page, 13 * page));
	assert_int_equal(joinrig_info(&r).ranges, 1);
	assert_int_equal(iod_gpa_join_map(r.join, iova + 3 * page, 4 * page, 0), -EEXIST);
	iodt_assert_ok(iod_gpa_join_lookup(r.join, iova + 2 * page + 5, &gpa, &len));
	assert_int_equal(gpa, 11 * page + 5);
	assert_int_equal(len, 3 * page - 5);
	/* A join serves one log; the log's address is the GPA. */
	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	win.pt = other->pt;
	win.join = r.join;
	win.table_iova = t->v->first;
	assert_int_equal(iod_dirty_log_add_table(log, &win), -EBUSY);
	win.iova = IODT_64K;
	assert_int_equal(iod_dirty_log_add_table(r.log, &win), -EINVAL);
	win.iova = 0;
	iodt_assert_ok(iod_dirty_log_add_table(r.log, &win));
	win.pt = t->pt;
	assert_int_equal(iod_dirty_log_add_table(r.log, &win), -EEXIST);
	iodt_assert_ok(iod_dirty_log_destroy(log));
	joinrig_close(&r);
	iodt_assert_ok(iodt_close(other));
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "exact", IODT_DIRTY | IODT_MIDDLING, 0, test_exact },
		{ "aliases", IODT_DIRTY | IODT_MIDDLING, 0, test_aliases },
		{ "below_the_log", IODT_DIRTY | IODT_MIDDLING, 0, test_below_the_log },
		{ "two_phases", IODT_DIRTY | IODT_MIDDLING, 0, test_two_phases },
		{ "clear_neighbour", IODT_DIRTY | IODT_MIDDLING, 0, test_clear_neighbour },
		{ "remap", IODT_DIRTY | IODT_MIDDLING, 0, test_remap },
		{ "remap_unanswered", IODT_DIRTY | IODT_MIDDLING, 0, test_remap_unanswered },
		{ "remap_in_sync", IODT_DIRTY | IODT_MIDDLING, 0, test_remap_in_sync },
		{ "remap_in_clear", IODT_DIRTY | IODT_MIDDLING, 0, test_remap_in_clear },
		{ "unanswered_and_gone", IODT_DIRTY | IODT_MIDDLING, 0, test_unanswered_and_gone },
		{ "twin_no_journal", IODT_DIRTY | IODT_MIDDLING, 0, twin_no_journal },
		{ "twin_no_journal_unanswered", IODT_DIRTY | IODT_MIDDLING, 0,
		  twin_no_journal_unanswered },
		{ "twin_reversed", IODT_DIRTY | IODT_MIDDLING, 0, twin_reversed },
		{ "all_dirty", IODT_DIRTY | IODT_MIDDLING, 0, test_all_dirty },
		{ "bound", IODT_DIRTY | IODT_MIDDLING, 0, test_bound },
		{ "bound_journal", IODT_DIRTY | IODT_MIDDLING, 0, test_bound_journal },
		{ "no_memory", IODT_DIRTY | IODT_MIDDLING, 0, test_no_memory },
		{ "large_pages", IODT_DIRTY | IODT_ROOMY | IODT_X86_SIZES, 0, test_large_pages },
		{ "split", IODT_DIRTY | IODT_ROOMY | IODT_X86_SIZES, 0, test_split },
		{ "neighbours", IODT_DIRTY | IODT_MIDDLING, 0, test_neighbours },
		{ "life", IODT_DIRTY | IODT_MIDDLING, 0, test_life },
		{ "unmap_waits_for_all", IODT_DIRTY | IODT_MIDDLING, 0, test_unmap_waits_for_all },
		{ "refused", IODT_DIRTY | IODT_MIDDLING, 0, test_refused },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
