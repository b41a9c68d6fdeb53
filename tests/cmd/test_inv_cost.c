/* SPDX-License-Identifier: MIT */
/* What costs decide between a gather and VT-d or an AMD IOMMU: one wide command, or many; exact ones, or fewer. */
#include "gcmd.h"

/* By default 500 commands are as dear as everything: decided for all items that are handed over together. */
static void decided_together(void **state)
{
	static struct iod_inv item[600];
	size_t i;
	unsigned v;

	for (i = 0; i < 600; i++)
		item[i] = gc_leaves(0x10000 + i * 64, 1);
	for (v = 0; v < GC_VENDORS; v++) {
		struct gc_cfg cfg = { .domain = 1 };
		struct gc *gc = gc_open(&gc_vendors[v], &cfg);

		iodt_assert_ok(gc_invalidate(gc, item, 500));
		assert_int_equal(gc->nr, 500);
		gc_reset(gc);
		iodt_assert_ok(gc_invalidate(gc, item, 501));
		GC_EXPECT(gc, "501", { .kind = GC_TABLE, .domain = 1 });
		iodt_assert_ok(gc_invalidate(gc, item, 600));
		GC_EXPECT(gc, "600", { .kind = GC_TABLE, .domain = 1 });
		gc_close(gc);
	}
}

/* Few items of many blocks: none is issued before it is known that all of them are cheaper than everything. */
static void decided_before(void **state)
{
	static const struct iod_inv_cost cost = { .size = sizeof(cost), .page = IOD_INV_NEVER };
	struct iod_inv item[32];
	size_t i;
	unsigned v;

	for (i = 0; i < 32; i++)
		item[i] = gc_leaves((i << 20) + 1, 2046); /* 20 blocks each */
	for (v = 0; v < GC_VENDORS; v++) {
		struct gc_cfg cfg = { .domain = 1, .cost = &cost };
		struct gc *gc = gc_open(&gc_vendors[v], &cfg);

		iodt_assert_ok(gc_invalidate(gc, item, 25));
		assert_int_equal(gc->nr, 500);
		gc_reset(gc);
		iodt_assert_ok(gc_invalidate(gc, item, 32));
		GC_EXPECT(gc, "32", { .kind = GC_TABLE, .domain = 1 });
		gc_close(gc);
		cfg.flags = GC_REPEAT;
		gc = gc_open(&gc_vendors[v], &cfg);
		iodt_assert_ok(gc_invalidate(gc, item, 20));
		GC_EXPECT(gc, "twice", { .kind = GC_TABLE, .domain = 1 },
			  { .kind = GC_TABLE, .domain = 1 });
		gc_close(gc);
	}
}

/* Nor before it is known that each can be named at all. */
static void decided_for_the_last(void **state)
{
	struct iod_inv item[97];
	size_t i;
	unsigned v;

	for (i = 0; i < 96; i++)
		item[i] = gc_leaves(i * 64, 1);
	for (v = 0; v < GC_VENDORS; v++) {
		struct gc_cfg cfg = { .flags = GC_NO_RANGES, .domain = 1 };
		struct gc *gc = gc_open(&gc_vendors[v], &cfg);

		item[96] = gc_leaves(1 << 20, 512);
		item[96].leaf_levels = 2;
		iodt_assert_ok(gc_invalidate(gc, item, 97));
		GC_EXPECT(gc, "a page of 2 MiB", { .kind = GC_TABLE, .domain = 1 });
		item[96] = gc_leaves((UINT64_C(1) << 51) - 1, 2);
		iodt_assert_ok(gc_invalidate(gc, item, 97));
		GC_EXPECT(gc, "over the middle", { .kind = GC_TABLE, .domain = 1 });
		gc_close(gc);
	}
}

/* Three of four pages, by default: one command for all four. A table among pages is kept apart where that pays. */
static void covered_by_cost(void **state)
{
	unsigned v;

	for (v = 0; v < GC_VENDORS; v++) {
		struct iod_inv_cost cost = gc_never;
		struct gc_cfg cfg = { .domain = 1 };
		struct gc *gc = gc_open(&gc_vendors[v], &cfg);
		const struct iod_inv mixed[] = { gc_leaves(0, 512), gc_tables(1024, 512),
						 gc_leaves(512, 512), gc_leaves(1536, 512) };
		const struct iod_inv inside[] = { gc_tables(16, 1), gc_leaves(0, 512) };

		gc_one(gc, gc_leaves(1, 3));
		GC_EXPECT(gc, "three", gc_pages(1, 0, 4, true), gc_sync_cmd);
		/* 8 MiB: one command with walk caches, 110 + 30, is less than two */
		iodt_assert_ok(gc_invalidate(gc, mixed, 4));
		GC_EXPECT(gc, "mixed", gc_pages(1, 0, 2048, false));
		gc_close(gc);
		cfg.cost = &cost;
		gc = gc_open(&gc_vendors[v], &cfg);
		gc_one(gc, gc_leaves(1, 3));
		GC_EXPECT(gc, "three", gc_pages(1, 1, 1, true), gc_pages(1, 2, 2, true),
			  gc_sync_cmd);
		/* that for leaves reaches over the table */
		iodt_assert_ok(gc_invalidate(gc, mixed, 4));
		GC_EXPECT(gc, "mixed", gc_pages(1, 1024, 512, false), gc_pages(1, 0, 2048, true));
		iodt_assert_ok(gc_invalidate(gc, inside, 2));
		GC_EXPECT(gc, "inside", gc_pages(1, 16, 1, false), gc_pages(1, 0, 512, true));
		gc_close(gc);
	}
}

/* Numbers that sum up to more than there is decide nothing, and leave nothing out. */
static void costs_without_end(void **state)
{
	static const struct iod_inv_cost dear = { .size = sizeof(dear),
						  .command = IOD_INV_NEVER,
						  .domain = IOD_INV_NEVER,
						  .page = IOD_INV_NEVER };
	const struct iod_inv both[] = { gc_tables(16, 1), gc_leaves(64, 1) };
	unsigned v;

	for (v = 0; v < GC_VENDORS; v++) {
		struct gc_cfg cfg = { .flags = GC_NO_RANGES, .domain = 1, .cost = &dear };
		struct gc *gc = gc_open(&gc_vendors[v], &cfg);

		iodt_assert_ok(gc_invalidate(gc, both, 2));
		GC_EXPECT(gc, "both", gc_pages(1, 16, 1, false), gc_pages(1, 64, 1, true));
		gc_close(gc);
	}
}

/* Whatever everything costs: never more than 2^20 commands for some items. */
static void bounded(void **state)
{
	static const struct iod_inv_cost cost = { .size = sizeof(cost), .domain = IOD_INV_NEVER };
	const struct iod_inv apart[] = { gc_leaves(0, 1 << 19), gc_leaves(1 << 20, 1 << 19),
					 gc_leaves(1 << 21, 1) };
	unsigned v;

	for (v = 0; v < GC_VENDORS; v++) {
		struct gc_cfg cfg = { .flags = GC_NO_RANGES, .domain = 1, .cost = &cost };
		struct gc *gc = gc_open(&gc_vendors[v], &cfg);
		size_t n;

		assert_int_equal(gc->v->encode(gc->inv, false, apart, 2, NULL, 0, &n), -ENOSPC);
		assert_int_equal(n, 1 << 20);
		iodt_assert_ok(gc_invalidate(gc, apart, 3));
		GC_EXPECT(gc, "too many", { .kind = GC_TABLE, .domain = 1 });
		gc_close(gc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decided_together),	cmocka_unit_test(decided_before),
		cmocka_unit_test(decided_for_the_last), cmocka_unit_test(covered_by_cost),
		cmocka_unit_test(costs_without_end),	cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
