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

static void test_exact(struct iodt *t)
{
	struct joinrig r;

	joinrig_open_started(&r, t);
	joinrig_map(&r, 0, 4, 20);
	joinrig_map(&r, 4, 1, 7);
	joinrig_map(&r, 70, 3, 100);
	joinrig_dma(&r, 1);
	joinrig_dma(&r, 4);
	joinrig_dma(&r, 72);
	joinrig_assert_synced(&r, JOINRIG_THESE(7, 21, 102));
	joinrig_assert_synced(&r, NULL, 0);
	/* A part of guest memory only. */
	joinrig_dma(&r, 0);
	joinrig_dma(&r, 70);
	iodt_assert_ok(joinrig_sync(&r, 96, 16, 0));
	joinrig_assert_frames(&r, JOINRIG_THESE(100));
	joinrig_assert_synced(&r, JOINRIG_THESE(20));
	assert_int_equal(joinrig_stale(&r), 0);
	joinrig_close(&r);
}

static void test_aliases(struct iodt *t)
{
	struct joinrig r;

	joinrig_open_started(&r, t);
	joinrig_map(&r, 0, 2, 50);
	joinrig_map(&r, 66, 2, 50);
	joinrig_map(&r, 10, 1, 51);
	joinrig_dma(&r, 66);
	joinrig_dma(&r, 10);
	joinrig_assert_synced(&r, JOINRIG_THESE(50, 51));
	joinrig_dma(&r, 1);
	/* Reported once, and cleaned under both names. */
	joinrig_dma(&r, 67);
	iodt_assert_ok(joinrig_two_phases(&r, 51, 1));
	joinrig_assert_frames(&r, JOINRIG_THESE(51));
	joinrig_assert_synced(&r, NULL, 0);
	joinrig_close(&r);
}

/* A range that begins below the log: what of it is in the log can be cleaned. */
static void test_below_the_log(struct iodt *t)
{
	uint64_t page = t->page, i, at;
	struct joinrig r;

	joinrig_open_started(&r, t);
	at = joinrig_iova(&r, 0);
	iodt_assert_ok(iod_gpa_join_map(r.join, at, 8 * page, r.base - 4 * page));
	for (i = 0; i < 8; i++) {
		iodt_assert_ok(iod_map(t->pt, at + i * page, r.pa + 2 * i * page, page, IODT_RW,
				       NULL, NULL));
		iodt_assert_ok(iod_iotlb_access(r.tlb, t->pt, at + i * page, IOD_ACCESS_WRITE, NULL,
						NULL));
	}
	iodt_assert_ok(joinrig_two_phases(&r, 0, JOINRIG_FRAMES));
	joinrig_assert_frames(&r, JOINRIG_THESE(0, 1, 2, 3));
	joinrig_assert_synced(&r, NULL, 0);
	iodt_assert_ok(iod_unmap(t->pt, at, 8 * page, 0, t->gather, NULL));
	iodt_sync(t);
	iodt_assert_ok(iod_gpa_join_unmap(r.join, at, 8 * page, 0));
	joinrig_close(&r);
}

static void test_two_phases(struct iodt *t)
{
	struct joinrig r;
	unsigned int i;

	joinrig_open_started(&r, t);
	for (i = 0; i < 8; i++)
		joinrig_map(&r, i, 1, 40 - 2 * i);
	joinrig_map(&r, 64, 8, 100);
	for (i = 0; i < 8; i++)
		joinrig_dma(&r, i);
	joinrig_dma(&r, 65);
	iodt_assert_ok(joinrig_sync(&r, 0, JOINRIG_FRAMES, IOD_DIRTY_SYNC_NO_REARM));
	joinrig_assert_frames(&r, JOINRIG_THESE(40, 38, 36, 34, 32, 30, 28, 26, 101));
	/* A part of it is cleared: it alone is clean, in the log and in the table. */
	iodt_assert_ok(joinrig_clear(&r, 30, 6));
	iodt_assert_ok(joinrig_sync(&r, 0, JOINRIG_FRAMES, IOD_DIRTY_SYNC_NO_REARM));
	joinrig_assert_frames(&r, JOINRIG_THESE(40, 38, 36, 28, 26, 101));
	iodt_assert_ok(joinrig_clear(&r, 0, JOINRIG_FRAMES));
	joinrig_assert_synced(&r, NULL, 0);
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

	joinrig_open_started(&r, t);
	joinrig_map(&r, 0, 4, 20);
	joinrig_dma(&r, 1);
	joinrig_dma(&r, 2);
	iodt_assert_ok(joinrig_unmap(&r, 0, 4, true));
	joinrig_assert_frames(&r, JOINRIG_THESE(21, 22));
	joinrig_map(&r, 0, 4, 60);
	joinrig_dma(&r, 3);
	iodt_assert_ok(joinrig_unmap(&r, 0, 4, false));
	joinrig_map(&r, 0, 4, 80);
	joinrig_dma(&r, 0);
	joinrig_assert_synced(&r, JOINRIG_THESE(63, 80));
	joinrig_dma(&r, 0);
	joinrig_unmap_own(&r, 0, 4);
	joinrig_assert_synced(&r, JOINRIG_THESE(80));
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

	joinrig_open_started(&r, t);
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

	joinrig_open_started(&r, t);
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

	joinrig_open_started(&r, t);
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

	joinrig_open_started(&r, t);
	joinrig_map(&r, 0, 4, 20);
	joinrig_dma(&r, 1);
	r.fail = 1;
	assert_int_equal(joinrig_sync(&r, 0, JOINRIG_FRAMES, 0), -ETIMEDOUT);
	joinrig_unmap_own(&r, 0, 4);
	r.fail = 1;
	assert_int_equal(joinrig_sync(&r, 20, 4, 0), -ETIMEDOUT);
	assert_int_equal(iodt_bits_count(&r.bits), 0);
	iodt_assert_ok(joinrig_sync(&r, 20, 4, 0));
	joinrig_assert_frames(&r, JOINRIG_THESE(21));
	joinrig_close(&r);
}

static void twin_no_journal(struct iodt *t)
{
	struct joinrig r;

	joinrig_open_started(&r, t);
	no_journal = true;
	remap_in_sync(&r);
	assert_int_equal(joinrig_stale(&r), 1);
	no_journal = false;
	joinrig_close(&r);
}

static void twin_no_journal_unanswered(struct iodt *t)
{
	struct joinrig r;

	joinrig_open_started(&r, t);
	no_journal = true;
	remap_unanswered(&r);
	assert_int_equal(joinrig_stale(&r), 1);
	no_journal = false;
	joinrig_close(&r);
}

static void twin_reversed(struct iodt *t)
{
	struct joinrig r;

	joinrig_open_started(&r, t);
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

	joinrig_open_started(&r, t);
	joinrig_map(&r, 0, 4, 20);
	joinrig_dma(&r, 1);
	iodt_assert_ok(iod_unmap(t->pt, joinrig_iova(&r, 1), 2 * t->page,
				 IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS, t->gather, NULL));
	iodt_assert_ok(iod_gather_sync(t->gather));
	iodt_assert_ok(iod_gpa_join_unmap(r.join, joinrig_iova(&r, 1), 2 * t->page,
					  IOD_GPA_JOIN_ALL_DIRTY));
	joinrig_assert_synced(&r, JOINRIG_THESE(21, 22));
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
	joinrig_assert_synced(&r, JOINRIG_THESE(22, 25, 100)); /* 22 is what it might have been */
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

	joinrig_open_started(&r, t);
	joinrig_map(&r, 0, 8, 20);
	joinrig_dma(&r, 3);
	t->alloc.fail_at = t->alloc.calls + 1;
	assert_int_equal(iod_gpa_join_map(r.join, joinrig_iova(&r, 70), t->page, 0), -ENOMEM);
	/* The hole is not noted. */
	t->alloc.fail_at = t->alloc.calls + 1;
	iodt_assert_ok(iod_gpa_join_unmap(r.join, joinrig_iova(&r, 4), t->page, 0));
	t->alloc.fail_at = 0;
	assert_int_equal(joinrig_info(&r).loose, 1);
	joinrig_assert_synced(&r, JOINRIG_THESE(23));
	joinrig_close(&r);
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
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
