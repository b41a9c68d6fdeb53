/* SPDX-License-Identifier: MIT */
/* Misuse of sweep, gather and iotlb. */
#include "iodtest.h"

#include "badinput.h"

/* R15, R17, R22: after a refusal no bit is set and nothing is cleaned. */
static void sweep(struct iodt *t)
{
	uint64_t p = t->page, base = t->v->first;
	struct iodt_snapshot snap;
	struct iodt_bits b;
	struct iod_sweep good, s;
	struct iod_bitmap none = { 0 };
	struct {
		struct iod_sweep s;
		uint64_t tail;
	} big = { .tail = 1 };

	iodt_map(t, base, 0, 2 * p, IODT_RW | IOD_PROT_DIRTY);
	iodt_bits_init(&b, base, 2 * p, p);
	iodt_snapshot(t, &snap);
	good = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, base, 2 * p, &b);
	assert_int_equal(iod_sweep(NULL, &good), -EINVAL);
	assert_int_equal(iod_sweep(t->pt, NULL), -EINVAL);
	EXPECT_SWEEP(size = 0, -EINVAL);
	EXPECT_SWEEP(size = 24, -EINVAL);
	EXPECT_SWEEP(mode = (enum iod_sweep_mode)0, -EINVAL);
	EXPECT_SWEEP(mode = (enum iod_sweep_mode)4, -EINVAL);
	EXPECT_SWEEP(flags = 8, -EINVAL);
	EXPECT_SWEEP(mode = IOD_SWEEP_READ; s.gather = NULL; s.flags = IOD_SWEEP_PRUNE, -EINVAL);
	EXPECT_SWEEP(flags = 1u << 31, -EINVAL);
	EXPECT_SWEEP(len = 0, -EINVAL);
	EXPECT_SWEEP(len = p - 1, -EINVAL);
	EXPECT_SWEEP(iova = base + 8, -EINVAL);
	EXPECT_SWEEP(bitmap = NULL, -EINVAL);
	s = good;
	s.bitmap = &none;
	assert_true(same_error(iod_sweep(t->pt, &s), ANY_OF_EINVAL_ERANGE));
	EXPECT_SWEEP(gather = NULL, -EINVAL);
	EXPECT_SWEEP(mode = IOD_SWEEP_CLEAR_BY_BITMAP; s.gather = NULL, -EINVAL);
	EXPECT_SWEEP(mode = IOD_SWEEP_READ, -EINVAL); /* with a gather */
	/* outside the bitmap, outside the table, around the end */
	EXPECT_SWEEP(len = 3 * p, -ERANGE);
	EXPECT_SWEEP(iova = base + p, -ERANGE);
	EXPECT_SWEEP(iova = 0 - p, -ERANGE);
	EXPECT_SWEEP(iova = base + p; s.len = 0 - p, -ERANGE);
	big.s = good;
	big.s.size = sizeof(big);
	assert_int_equal(iod_sweep(t->pt, &big.s), -E2BIG);
	assert_int_equal(iodt_bits_count(&b), 0);
	assert_int_equal(iodt_gather_info(t->gather).ranges, 0);
	iodt_unchanged(t, &snap);
	iodt_bits_free(&b);
}

/* A gather of another table may not collect what this one's sweep cleans. */
static void sweep_with_foreign_gather(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg) };
	struct iod_gather *gather = NULL;
	struct iod_pgtable *other = NULL;
	struct iodt_bits b;
	struct iod_sweep s;

	iodt_map(t, t->v->first, 0, t->page, IODT_RW | IOD_PROT_DIRTY);
	iodt_assert_ok(iod_pgtable_create(&other, &cfg));
	iodt_assert_ok(iod_gather_create(&gather, other, &gcfg));
	iodt_bits_init(&b, t->v->first, t->page, t->page);
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, t->v->first, t->page, &b);
	s.gather = gather;
	assert_int_equal(iod_sweep(t->pt, &s), -EINVAL);
	assert_int_equal(iodt_bits_count(&b), 0);
	assert_int_equal(iodt_walk(t, t->v->first).d, 1);
	iodt_bits_free(&b);
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_assert_ok(iod_pgtable_destroy(other));
}

static int inv_nothing(void *cookie, const struct iod_inv *inv, size_t nr)
{
	return 0;
}

static void gather(struct iodt *t)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = inv_nothing };
	struct iod_gather_cfg cfg = { .size = sizeof(cfg) };
	struct iod_gather *g = NULL;

	assert_int_equal(iod_gather_create(NULL, t->pt, &cfg), -EINVAL);
	assert_int_equal(iod_gather_create(&g, NULL, &cfg), -EINVAL);
	cfg.size = 0;
	assert_int_equal(iod_gather_create(&g, t->pt, &cfg), -EINVAL);
	cfg.size = 8;
	assert_int_equal(iod_gather_create(&g, t->pt, &cfg), -EINVAL);
	cfg.size = sizeof(cfg);
	cfg.reserved = 1;
	assert_int_equal(iod_gather_create(&g, t->pt, &cfg), -EINVAL);
	cfg.reserved = 0;
	cfg.ops = &ops;
	ops.size = 0;
	assert_int_equal(iod_gather_create(&g, t->pt, &cfg), -EINVAL);
	ops.size = sizeof(ops);
	assert_null(g);
	/* without sync: invalidate is synchronous */
	iodt_assert_ok(iod_gather_create(&g, t->pt, &cfg));
	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	iodt_assert_ok(iod_unmap(t->pt, t->v->first, t->page, 0, g, NULL));
	iodt_expect_unmap(t, t->v->first, t->page);
	iodt_assert_ok(iod_gather_sync(g));
	iodt_assert_ok(iod_gather_destroy(g));
	assert_int_equal(iod_gather_destroy(NULL), -EINVAL);
	assert_int_equal(iod_gather_flush(NULL), -EINVAL);
	assert_int_equal(iod_gather_sync(NULL), -EINVAL);
	iodt_verify(t);
}

static int move_nothing(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	return 0;
}

static void iotlb_create(void **state)
{
	static const struct iod_iotlb_cfg bad[] = {
		{ .size = 0 },
		{ .size = 8 },
		{ .size = sizeof(bad[0]), .entries = 3 },
		{ .size = sizeof(bad[0]), .ways = 3 },
		{ .size = sizeof(bad[0]), .entries = 4, .ways = 8 },
		{ .size = sizeof(bad[0]), .walk_entries = 5 },
		{ .size = sizeof(bad[0]), .flags = IOD_IOTLB_EXACT_LEVELS << 1 },
		{ .size = sizeof(bad[0]), .flags = 1u << 31 },
	};
	struct {
		struct iod_iotlb_cfg cfg;
		uint64_t tail;
	} big = { .cfg.size = sizeof(big), .tail = 1 };
	struct iod_iotlb *tlb = NULL;
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(bad); i++)
		assert_int_equal(iod_iotlb_create(&tlb, &bad[i]), -EINVAL);
	assert_int_equal(iod_iotlb_create(&tlb, &big.cfg), -E2BIG);
	big.tail = 0;
	assert_int_equal(iod_iotlb_create(NULL, &big.cfg), -EINVAL);
	assert_null(tlb);
	iodt_assert_ok(iod_iotlb_create(&tlb, &big.cfg));
	CHECK_INFO(struct iod_iotlb_stats, iod_iotlb_get_stats, tlb);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
	assert_int_equal(iod_iotlb_destroy(NULL), -EINVAL);
}

/* Refused accesses touch no table. */
static void iotlb_access(struct iodt *t)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg), .allocator = &t->alloc.ops };
	uint64_t base = t->v->first, p = t->page, done = 3;
	struct iod_inv inv = { .kind = (enum iod_inv_kind)9 };
	struct iod_iotlb *tlb = NULL;
	struct iodt_snapshot snap;

	iodt_map(t, base, 0, p, IODT_RW);
	iodt_assert_ok(iod_iotlb_create(&tlb, &cfg));
	iodt_snapshot(t, &snap);
	assert_int_equal(iod_iotlb_access(NULL, t->pt, base, IOD_ACCESS_READ, NULL, NULL), -EINVAL);
	assert_int_equal(iod_iotlb_access(tlb, NULL, base, IOD_ACCESS_READ, NULL, NULL), -EINVAL);
	assert_int_equal(iod_iotlb_access(tlb, t->pt, base, 0, NULL, NULL), -EINVAL);
	assert_int_equal(iod_iotlb_access(tlb, t->pt, base, IOD_ACCESS_EXEC, NULL, NULL), -EINVAL);
	assert_int_equal(iod_iotlb_access(tlb, t->pt, base, IOD_ACCESS_READ | 1u << 4, NULL, NULL),
			 -EINVAL);
	assert_int_equal(
		iod_iotlb_dma(tlb, t->pt, base, p, IOD_ACCESS_WRITE, NULL, NULL, &done, NULL),
		-EINVAL);
	assert_int_equal(iod_iotlb_dma(tlb, t->pt, base, 0, IOD_ACCESS_WRITE, move_nothing, NULL,
				       &done, NULL),
			 -EINVAL);
	assert_int_equal(iod_iotlb_dma(NULL, t->pt, base, p, IOD_ACCESS_WRITE, move_nothing, NULL,
				       &done, NULL),
			 -EINVAL);
	assert_int_equal(iod_iotlb_dma(tlb, NULL, base, p, IOD_ACCESS_WRITE, move_nothing, NULL,
				       &done, NULL),
			 -EINVAL);
	assert_int_equal(iod_iotlb_dma(tlb, t->pt, UINT64_MAX, 2, IOD_ACCESS_WRITE, move_nothing,
				       NULL, &done, NULL),
			 -ERANGE);
	assert_int_equal(done, 3);
	assert_int_equal(iod_iotlb_invalidate(NULL, &inv, 1), -EINVAL);
	assert_int_equal(iod_iotlb_invalidate(tlb, NULL, 1), -EINVAL);
	assert_int_equal(iod_iotlb_invalidate(tlb, &inv, 1), -EINVAL);
	iodt_unchanged(t, &snap);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

static const struct iodt_test tests[] = {
	{ "sweep", IODT_DIRTY, 0, sweep },
	{ "sweep_with_foreign_gather", IODT_DIRTY, 0, sweep_with_foreign_gather },
	{ "gather", IODT_PLAIN, 0, gather },
	{ "iotlb_access", IODT_PLAIN, 0, iotlb_access },
};

static const struct CMUnitTest plain[] = {
	cmocka_unit_test(iotlb_create),
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
