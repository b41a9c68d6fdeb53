/* SPDX-License-Identifier: MIT */
/*
 * Every allocation made to fail once: objects through the allocator, tables through the limit.
 * After
 * each failure the call says -ENOMEM, what it says it did is there, the table is valid, nothing
 * leaks,
 * and the same call works once there is memory.
 */
#include "iodtest.h"

/* Steps over which an allocation may fail; more than any call makes. */
#define MAX_CALLS 200

/* ---- objects ---- */

static int make_and_break(struct iodt_alloc *alloc, const struct iodt_variant *v)
{
	struct iod_mem_arena_cfg acfg = { .size = sizeof(acfg),
					  .window = 64 * IODT_1M,
					  .allocator = &alloc->ops,
					  .flags = IOD_ARENA_NO_HUGEPAGES };
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg) };
	struct iod_iotlb_cfg tcfg = { .size = sizeof(tcfg), .allocator = &alloc->ops };
	struct iod_pgtable_cfg cfg;
	struct iod_gather *gather = NULL;
	struct iod_iotlb *tlb = NULL;
	struct iod_pgtable *pt = NULL;
	struct iod_mem *mem = NULL;
	int ret = iod_mem_create_arena(&mem, &acfg);

	if (!ret) {
		cfg = iodt_cfg(v, mem);
		ret = iod_pgtable_create(&pt, &cfg);
	}
	if (!ret)
		ret = iod_gather_create(&gather, pt, &gcfg);
	if (!ret)
		ret = iod_iotlb_create(&tlb, &tcfg);
	if (tlb)
		iodt_assert_ok(iod_iotlb_destroy(tlb));
	if (gather)
		iodt_assert_ok(iod_gather_destroy(gather));
	if (pt)
		iodt_assert_ok(iod_pgtable_destroy(pt));
	if (mem) {
		assert_int_equal(iodt_stats(mem).bytes, 0);
		iodt_assert_ok(iod_mem_destroy(mem));
	}
	return ret;
}

/*
 * create_arena, pgtable_create, gather_create, iotlb_create: each allocation, one after the
 * other.
 */
static void creating_objects(struct iodt *t)
{
	struct iodt_alloc alloc;
	uint64_t n;
	int ret = -ENOMEM;

	for (n = 1; ret; n++) {
		assert_in_range(n, 1, MAX_CALLS);
		iodt_alloc_init(&alloc);
		alloc.fail_at = n;
		ret = make_and_break(&alloc, t->v);
		assert_true(ret == 0 || ret == -ENOMEM);
		assert_int_equal(alloc.live, 0);
		assert_int_equal(alloc.bad, 0);
	}
	/* the last round failed nowhere; at least the four objects did before */
	assert_true(n > 5);
}

static void attaching(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	struct iod_hw_info hw = { .size = sizeof(hw) };
	struct iod_pgtable *pt = NULL;
	struct iodt_snapshot s;
	uint64_t live, n;
	int ret = -ENOMEM;

	iodt_map(t, t->v->last - (t->page - 1), 0, t->page, IODT_RW);
	iodt_assert_ok(iod_pgtable_get_hw_info(t->pt, &hw));
	cfg.levels = hw.levels;
	iodt_snapshot(t, &s);
	for (n = 1; ret; n++) {
		assert_in_range(n, 1, MAX_CALLS);
		live = t->alloc.live;
		t->alloc.fail_at = t->alloc.calls + n;
		ret = iod_pgtable_attach(&pt, &cfg, hw.root);
		t->alloc.fail_at = 0;
		if (!ret)
			iodt_assert_ok(iod_pgtable_destroy(pt));
		else
			assert_int_equal(ret, -ENOMEM);
		assert_int_equal(t->alloc.live, live);
	}
	assert_true(n > 2);
	iodt_unchanged(t, &s);
}

/* Adopting counts every table; a failure leaves them to whoever built them. */
static void adopting(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	uint64_t root, leaf, live, n, tables;
	struct iod_pgtable *pt = NULL;
	int ret = -ENOMEM;

	iodt_assert_ok(iod_mem_alloc(t->mem, 4096, &root));
	for (n = 0; n < 100; n++) {
		iodt_assert_ok(iod_mem_alloc(t->mem, 4096, &leaf));
		iodt_write(t, root + 8 * n, iodt_make_table(t->v, t->v->walk_levels - 1, leaf));
	}
	cfg.flags = IOD_ATTACH_ADOPT;
	tables = iodt_stats(t->mem).tables;
	for (n = 1; ret; n++) {
		assert_in_range(n, 1, MAX_CALLS);
		live = t->alloc.live;
		t->alloc.fail_at = t->alloc.calls + n;
		ret = iod_pgtable_attach(&pt, &cfg, root);
		t->alloc.fail_at = 0;
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(t->alloc.live, live);
		assert_int_equal(iodt_stats(t->mem).tables, tables);
	}
	iodt_assert_ok(iod_pgtable_destroy(pt));
	assert_int_equal(iodt_stats(t->mem).tables, tables - 101);
}

/* ---- map ---- */

static uint64_t map_len(const struct iodt *t)
{
	uint64_t len = t->page << 14, have = t->v->last - t->v->first;

	while (len - 1 > have)
		len >>= 1;
	return len;
}

/* What a failed map says is done is there, the rest is not. */
static void map_until_it_works(struct iodt *t, uint64_t iova, uint64_t pa, uint64_t len,
			       uint64_t *limit, uint64_t step)
{
	uint64_t done, tries = 0;
	int ret;

	for (;;) {
		assert_in_range(tries++, 0, 3 * MAX_CALLS);
		iodt_assert_ok(iod_mem_set_limit(t->mem, *limit));
		done = 0;
		ret = iod_map(t->pt, iova, pa, len, IODT_RW, t->gather, &done);
		assert_true(done <= len && !(done & (t->page - 1)));
		if (done)
			iodt_expect_map(t, iova, pa, done, IODT_RW);
		iodt_verify(t);
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_true(done < len);
		assert_true(iodt_stats(t->mem).bytes <= *limit);
		*limit += step;
		if (!done)
			continue;
		/* the rest alone; what is there cannot be mapped again */
		assert_int_equal(iod_map(t->pt, iova, pa, len, IODT_RW, t->gather, NULL), -EEXIST);
		iova += done;
		pa += done;
		len -= done;
	}
	assert_int_equal(done, len);
	iodt_assert_ok(iod_mem_set_limit(t->mem, 0));
}

/* Tables run out after each one: -ENOMEM, exact progress, then on from there. */
static void tables_run_out_while_mapping(struct iodt *t)
{
	uint64_t step = t->v->granule > 4096 ? t->v->granule : 4096;
	uint64_t limit = iodt_stats(t->mem).bytes, start = limit, p = t->page;
	uint64_t len = map_len(t);

	/* an odd output address makes small pages of it */
	map_until_it_works(t, t->v->first, p, len, &limit, step);
	if (t->v->walk_levels > 1)
		assert_true(limit > start);
	iodt_unmap(t, t->v->first, len);
	iodt_sync(t);
	iodt_verify(t);
}

/* Both ends of the space: a chain of tables for each. */
static void tables_run_out_far_apart(struct iodt *t)
{
	uint64_t step = t->v->granule > 4096 ? t->v->granule : 4096, places[IODT_PLACES];
	uint64_t limit = iodt_stats(t->mem).bytes;
	size_t i, n = iodt_places(t->v, t->page, places);

	for (i = 0; i < n; i++)
		map_until_it_works(t, places[i], 0, t->page, &limit, step);
	iodt_verify(t);
}

/* Refused for want of memory, a call leaves no mapping behind; the gather stays usable. */
static void nothing_at_all_left(struct iodt *t)
{
	uint64_t done = 0, tables = iodt_info(t->pt).tables;

	iodt_assert_ok(iod_mem_set_limit(t->mem, iodt_stats(t->mem).bytes));
	assert_int_equal(iod_map(t->pt, t->v->first, 0, t->page, IODT_RW, t->gather, &done),
			 -ENOMEM);
	assert_int_equal(done, 0);
	iodt_verify_at(t, t->v->first);
	assert_int_equal(iodt_info(t->pt).tables, tables);
	assert_int_equal(iod_unmap(t->pt, t->v->first, t->page, 0, t->gather, NULL), -ENOENT);
	iodt_assert_ok(iod_mem_set_limit(t->mem, 0));
	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	iodt_verify(t);
}

/* ---- objects needed while working: the gather's own lists ---- */

static void detach_many_tables(struct iodt *t, uint64_t span, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < n; i++)
		iodt_map(t, t->v->first + i * span, 0, t->page, IODT_RW);
}

/*
 * unmap needs room in the gather for what it cuts off. When there is none it says so with exact
 * progress and leaves a valid table; nothing detached is forgotten.
 */
static void gather_cannot_grow(struct iodt *t)
{
	uint64_t span = t->page * (t->v->granule > 4096 ? t->v->granule / 8 : 512);
	uint64_t n = 300, i, done, fail = 1;
	int ret;

	if (t->v->walk_levels < 2 || n * span - 1 > t->v->last - t->v->first)
		return;
	detach_many_tables(t, span, n);
	for (i = 0; i < n; i++) {
		t->alloc.fail_at = t->alloc.calls + fail;
		done = 0;
		ret = iod_unmap(t->pt, t->v->first + i * span, span, 0, t->gather, &done);
		t->alloc.fail_at = 0;
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_int_equal(done, 0);
			iodt_verify_at(t, t->v->first + i * span);
			iodt_assert_ok(iod_unmap(t->pt, t->v->first + i * span, span, 0, t->gather,
						 &done));
		}
		assert_int_equal(done, t->page);
		iodt_expect_unmap(t, t->v->first + i * span, span);
	}
	iodt_verify(t);
	iodt_sync(t);
	assert_int_equal(iodt_stats(t->mem).tables, iodt_info(t->pt).tables);
	iodt_verify(t);
}

/* The same in one call. */
static void gather_cannot_grow_midway(struct iodt *t)
{
	uint64_t span = t->page * (t->v->granule > 4096 ? t->v->granule / 8 : 512);
	uint64_t n = 300, done = 0, at = 0, tries = 0;
	int ret = -ENOMEM;

	if (t->v->walk_levels < 2 || n * span - 1 > t->v->last - t->v->first)
		return;
	detach_many_tables(t, span, n);
	iodt_map(t, t->v->last - (t->page - 1), 0, t->page, IODT_RW);
	while (ret) {
		assert_in_range(tries++, 0, MAX_CALLS);
		done = 0;
		t->alloc.fail_at = t->alloc.calls + tries;
		ret = iod_unmap(t->pt, t->v->first + at, n * span - at, 0, t->gather, &done);
		t->alloc.fail_at = 0;
		if (ret)
			assert_int_equal(ret, -ENOMEM);
		assert_int_equal(done % t->page, 0);
		/* done counts bytes: one page for each table */
		if (done)
			iodt_expect_unmap(t, t->v->first + at, done / t->page * span);
		at += done / t->page * span;
		iodt_verify(t);
	}
	assert_int_equal(at, n * span);
	iodt_sync(t);
	iodt_verify(t);
}

/* A sweep needs no memory: it cannot fail for want of it, with a million ranges. */
static void sweep_needs_no_memory(struct iodt *t)
{
	uint64_t n = 8, base = t->v->first, i;
	struct iodt_bits b;

	if (t->v->last - base < n * t->page - 1)
		return;
	for (i = n; i-- > 0;)
		iodt_map(t, base + i * t->page, (i ^ 1) * t->page, t->page,
			 IODT_RW | (i & 1 ? IOD_PROT_DIRTY : 0));
	iodt_bits_init(&b, base, n * t->page, t->page);
	t->alloc.fail_at = t->alloc.calls + 1;
	iodt_assert_ok(iod_mem_set_limit(t->mem, 4096));
	iodt_sweep(t, IOD_SWEEP_CLEAR, 0, base, n * t->page, 0, &b);
	t->alloc.fail_at = 0;
	assert_int_equal(iodt_bits_count(&b), n / 2);
	iodt_bits_free(&b);
}

static const struct iodt_test tests[] = {
	{ "creating_objects", IODT_PLAIN, 0, creating_objects },
	{ "attaching", IODT_PLAIN, 0, attaching },
	{ "adopting", IODT_X86_SIZES, IODT_ARM, adopting },
	{ "tables_run_out_while_mapping", 0, 0, tables_run_out_while_mapping },
	{ "tables_run_out_far_apart", 0, 0, tables_run_out_far_apart },
	{ "nothing_at_all_left", IODT_TABLES, IODT_GROWS, nothing_at_all_left },
	{ "gather_cannot_grow", IODT_TABLES, 0, gather_cannot_grow },
	{ "gather_cannot_grow_midway", IODT_TABLES, 0, gather_cannot_grow_midway },
	{ "sweep_needs_no_memory", IODT_DIRTY, 0, sweep_needs_no_memory },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
