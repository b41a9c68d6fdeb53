/* SPDX-License-Identifier: MIT */
/* iod_gpa_join in a log's life: large pages and windows, several tables, start and stop, misuse. */
#include "joinrig.h"

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

	joinrig_open_started(&r, t);
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
	joinrig_assert_synced(&r, JOINRIG_THESE(20, 23, 27));
	joinrig_close(&r);
}

static void test_life(struct iodt *t)
{
	struct iod_dirty_log_start resume = { .size = sizeof(resume),
					      .flags = IOD_DIRTY_LOG_RESUME };
	struct joinrig r;

	joinrig_open_started(&r, t);
	joinrig_map(&r, 0, 4, 20);
	joinrig_map(&r, 64, 4, 50);
	joinrig_dma(&r, 0);
	iodt_assert_ok(iod_dirty_log_stop(r.log, 0));
	joinrig_dma(&r, 65);
	iodt_assert_ok(iod_dirty_log_start(r.log, &resume));
	joinrig_assert_synced(&r, JOINRIG_THESE(20, 51));
	iodt_assert_ok(iod_dirty_log_rollback(r.log, &r.bits.bm));
	joinrig_assert_synced(&r, JOINRIG_THESE(20, 51));
	/* A plain start: everything counts as clean. */
	joinrig_dma(&r, 0);
	iodt_assert_ok(iod_dirty_log_stop(r.log, 0));
	joinrig_start(&r);
	joinrig_copy(&r);
	joinrig_assert_synced(&r, NULL, 0);
	/* The device is unplugged. */
	joinrig_dma(&r, 66);
	joinrig_dma(&r, 3);
	r.fail = 1;
	assert_int_equal(iod_dirty_log_remove_table(r.log, t->pt, 0), -ETIMEDOUT);
	iodt_assert_ok(iod_dirty_log_remove_table(r.log, t->pt, 0));
	joinrig_assert_synced(&r, JOINRIG_THESE(23, 52));
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
	joinrig_open_started(&r, t);
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
	joinrig_assert_frames(&r, JOINRIG_THESE(32));
	joinrig_copy(&r);
	/* And the other way around. */
	iodt_assert_ok(iod_iotlb_access(r.tlb, other->pt, t->v->first + t->page, IOD_ACCESS_WRITE,
					NULL, NULL));
	joinrig_map(&r, 1, 1, 33);
	fail = 1;
	assert_int_equal(joinrig_sync(&r, 0, JOINRIG_FRAMES, 0), -EIO);
	fail = 1;
	assert_int_equal(joinrig_unmap(&r, 1, 1, true), -EIO);
	joinrig_assert_synced(&r, JOINRIG_THESE(33));
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

	joinrig_open_started(&r, t);
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
		{ "large_pages", IODT_DIRTY | IODT_ROOMY | IODT_X86_SIZES, 0, test_large_pages },
		{ "split", IODT_DIRTY | IODT_ROOMY | IODT_X86_SIZES, 0, test_split },
		{ "neighbours", IODT_DIRTY | IODT_MIDDLING, 0, test_neighbours },
		{ "life", IODT_DIRTY | IODT_MIDDLING, 0, test_life },
		{ "unmap_waits_for_all", IODT_DIRTY | IODT_MIDDLING, 0, test_unmap_waits_for_all },
		{ "refused", IODT_DIRTY | IODT_MIDDLING, 0, test_refused },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
