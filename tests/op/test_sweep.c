/* SPDX-License-Identifier: MIT */
/* iod_sweep(): what is dirty, what is cleaned, what is reported. */
#include "iodtest.h"

#define READ  IOD_SWEEP_READ
#define CLEAR IOD_SWEEP_CLEAR

/* pages at the start that every variant with more than a handful has */
static uint64_t some_pages(const struct iodt *t, uint64_t want)
{
	uint64_t have = (t->v->last - t->v->first) / t->page + 1;

	return have && have < want ? have : want;
}

static void map_pages(struct iodt *t, uint64_t n)
{
	uint64_t i, base = t->v->first;

	/* backwards, so that nothing is joined to a run */
	for (i = n; i-- > 0;)
		iodt_map(t, base + i * t->page, (i ^ 1) * t->page, t->page, IODT_RW);
}

/* R2, R3: one errno where hardware does not keep the state, and nothing is touched. */
static void capability_refused_when_absent(struct iodt *t)
{
	static const enum iod_sweep_mode modes[] = { READ, CLEAR, IOD_SWEEP_CLEAR_BY_BITMAP };
	struct iodt_snapshot snap;
	struct iodt_bits b;
	struct iod_sweep s;
	size_t i;

	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	iodt_bits_init(&b, t->v->first, t->page, t->page);
	iodt_snapshot(t, &snap);
	for (i = 0; i < 3; i++) {
		s = iodt_sweep_arg(t, modes[i], t->v->first, t->page, &b);
		assert_int_equal(iod_sweep(t->pt, &s), -EOPNOTSUPP);
	}
	assert_int_equal(iodt_bits_count(&b), 0);
	iodt_unchanged(t, &snap);
	iodt_bits_free(&b);
}

/*
 * R4: nothing is attached anywhere; R11, R61: read keeps, clear cleans, the second read is
 * empty.
 */
static void second_read_is_empty(struct iodt *t)
{
	uint64_t n = some_pages(t, 70), base = t->v->first;
	struct iodt_bits b;

	map_pages(t, n);
	iodt_bits_init(&b, base, n * t->page, t->page);
	assert_int_equal(iodt_sweep(t, READ, 0, base, n * t->page, 0, &b).dirty, 0);
	iodt_dma_write(t, base);
	iodt_dma_write(t, base + (n - 1) * t->page + 7);
	assert_int_equal(iodt_sweep(t, CLEAR, 0, base, n * t->page, 0, &b).dirty, 2);
	assert_int_equal(iodt_bits_count(&b), 2);
	iodt_bits_zero(&b);
	assert_int_equal(iodt_sweep(t, READ, 0, base, n * t->page, 0, &b).dirty, 0);
	assert_int_equal(iodt_sweep(t, CLEAR, 0, base, n * t->page, 0, &b).cleaned, 0);
	assert_int_equal(iodt_bits_count(&b), 0);
	/* hardware marks it again */
	iodt_dma_write(t, base);
	assert_int_equal(iodt_sweep(t, READ, 0, base, n * t->page, 0, &b).dirty, 1);
	iodt_bits_free(&b);
	iodt_verify(t);
}

/* The keeping variant tells the same twice. */
static void keep_identical_twice(struct iodt *t)
{
	uint64_t n = some_pages(t, 200), base = t->v->first, i;
	struct iodt_bits a, b;

	map_pages(t, n);
	for (i = 0; i < n; i += 3)
		iodt_dma_write(t, base + i * t->page);
	iodt_bits_init(&a, base, n * t->page, t->page);
	iodt_bits_init(&b, base, n * t->page, t->page);
	iodt_sweep(t, READ, 0, base, n * t->page, 0, &a);
	iodt_sweep(t, READ, 0, base, n * t->page, 0, &b);
	assert_int_equal(iodt_bits_count(&a), (n + 2) / 3);
	assert_memory_equal(a.mem, b.mem, a.bytes);
	iodt_bits_free(&a);
	iodt_bits_free(&b);
}

static void every_second_entry_dirty(struct iodt *t)
{
	uint64_t n = some_pages(t, 1100), base = t->v->first, i;
	struct iodt_bits b;

	map_pages(t, n);
	for (i = 0; i < n; i += 2)
		iodt_mark_item(t, base + i * t->page, 0);
	iodt_bits_init(&b, base, n * t->page, t->page);
	assert_int_equal(iodt_sweep(t, CLEAR, 0, base, n * t->page, 0, &b).cleaned, (n + 1) / 2);
	for (i = 0; i < n; i++)
		assert_int_equal(iodt_bits_get(&b, base + i * t->page), !(i & 1));
	iodt_bits_free(&b);
}

/* Everything dirty: the dense case. */
static void all_dirty(struct iodt *t)
{
	uint64_t n = some_pages(t, 1100), base = t->v->first;
	struct iodt_bits b;

	iodt_map(t, base, 0, n * t->page, IODT_RW | IOD_PROT_DIRTY);
	iodt_bits_init(&b, base, n * t->page, t->page);
	iodt_sweep(t, READ, 0, base, n * t->page, 0, &b);
	assert_int_equal(iodt_bits_count(&b), n);
	iodt_bits_zero(&b);
	iodt_sweep(t, CLEAR, 0, base, n * t->page, 0, &b);
	assert_int_equal(iodt_bits_count(&b), n);
	assert_int_equal(iodt_sweep(t, READ, 0, base, n * t->page, 0, &b).dirty, 0);
	iodt_bits_free(&b);
}

/*
 * R22: bitmaps ending inside a byte, inside a word, with a tail; starting anywhere in a larger
 * one.
 */
static void bitmaps_of_every_length(struct iodt *t)
{
	uint64_t n = some_pages(t, 140), base = t->v->first, i, len, start;
	struct iodt_bits b;

	map_pages(t, n);
	for (i = 0; i < n; i++)
		if (i % 5 != 3)
			iodt_mark_item(t, base + i * t->page, 0);
	for (len = 1; len <= n; len += t->v->plain ? 1 : 11) {
		iodt_bits_init(&b, base, len * t->page, t->page);
		iodt_sweep(t, READ, 0, base, len * t->page, 0, &b);
		iodt_bits_free(&b);
	}
	for (start = 1; start < n; start += t->v->plain ? 7 : 30) {
		iodt_bits_init(&b, base, n * t->page, t->page);
		iodt_sweep(t, READ, 0, base + start * t->page, (n - start) / 2 * t->page + t->page,
			   0, &b);
		assert_false(iodt_bits_get(&b, base));
		iodt_bits_free(&b);
	}
}

/* Bits are ORed: what the caller had set stays. */
static void bits_are_only_set(struct iodt *t)
{
	uint64_t n = some_pages(t, 100), base = t->v->first, i;
	struct iodt_bits b;

	map_pages(t, n);
	iodt_mark_item(t, base + t->page, 0);
	iodt_bits_init(&b, base, n * t->page, t->page);
	for (i = 0; i < n; i += 2)
		iodt_bits_put(&b, base + i * t->page);
	iodt_sweep(t, CLEAR, 0, base, n * t->page, 0, &b);
	assert_int_equal(iodt_bits_count(&b), (n + 1) / 2 + 1);
	iodt_bits_free(&b);
}

/* Calls @fn with one mapped leaf of each size at the start of the input space. */
static void for_each_size(struct iodt *t, void (*fn)(struct iodt *t, uint64_t size))
{
	unsigned int s;

	for (s = 12; s < 64; s++) {
		if (!(t->v->sizes & IODT_BIT(s)))
			continue;
		iodt_map(t, t->v->first, 0, IODT_BIT(s), IODT_RW);
		fn(t, IODT_BIT(s));
		if (iodt_expected_any(t, t->v->first, IODT_BIT(s)))
			iodt_unmap(t, t->v->first, IODT_BIT(s));
		iodt_sync(t);
	}
}

/* A granule for which @len has some thousand bits at most. */
static uint64_t granule_for(const struct iodt *t, uint64_t len)
{
	return len / IODT_BIT(13) > t->page ? len / IODT_BIT(13) : t->page;
}

static void expect_all_bits(struct iodt *t, uint64_t size)
{
	uint64_t base = t->v->first, g = granule_for(t, size);
	struct iodt_bits b;

	iodt_bits_init(&b, base, size, g);
	iodt_dma_write(t, base + size - 1);
	iodt_sweep(t, READ, 0, base, size, 0, &b);
	assert_int_equal(iodt_bits_count(&b), size / g);
	iodt_bits_zero(&b);
	iodt_sweep(t, CLEAR, 0, base, size, 0, &b);
	assert_int_equal(iodt_bits_count(&b), size / g);
	assert_int_equal(iodt_sweep(t, READ, 0, base, size, 0, &b).dirty, 0);
	iodt_bits_free(&b);
}

/* R13: a large leaf sets all its base-page bits. */
static void large_leaf_sets_all_its_bits(struct iodt *t)
{
	for_each_size(t, expect_all_bits);
}

/* The whole leaf table goes another way through the sweep than a part of it. */
static void dirty_each_item_in_a_whole_table(struct iodt *t, uint64_t size)
{
	uint64_t span = t->page * (t->v->granule > 4096 ? t->v->granule / 8 : 512), n;
	uint64_t base = t->v->first, items = size / t->page;
	struct iodt_bits b;

	if (size >= span || span - 1 > t->v->last - base)
		return;
	iodt_bits_init(&b, base, span, t->page);
	for (n = 0; n<items; n += items> 16 ? 5 : 1) {
		iodt_mark_item(t, base, (unsigned int)n);
		iodt_sweep(t, READ, 0, base, span, 0, &b);
		assert_int_equal(iodt_bits_count(&b), items);
		iodt_bits_zero(&b);
		assert_int_equal(iodt_sweep(t, CLEAR, 0, base, span, 0, &b).cleaned, 1);
		assert_int_equal(iodt_bits_count(&b), items);
		iodt_bits_zero(&b);
	}
	iodt_bits_free(&b);
}

static void dirty_each_item(struct iodt *t, uint64_t size)
{
	uint64_t item = iodt_item_size(t->v, size), items = size / item, base = t->v->first, n;
	struct iodt_swept got;
	struct iodt_bits b;

	iodt_bits_init(&b, base, size, item);
	for (n = 0; n<items; n += items> 16 ? 5 : 1) {
		iodt_mark_item(t, base, (unsigned int)n);
		iodt_sweep(t, READ, 0, base, size, 0, &b);
		assert_int_equal(iodt_bits_count(&b), items);
		iodt_bits_zero(&b);
		/* only the dirty member is written; the tables are compared word by word */
		got = iodt_sweep(t, CLEAR, 0, base, size, 0, &b);
		assert_int_equal(got.cleaned, 1);
		assert_int_equal(iodt_bits_count(&b), items);
		iodt_bits_zero(&b);
	}
	iodt_mark_item(t, base, 0);
	iodt_mark_item(t, base, (unsigned int)items - 1);
	iodt_sweep(t, CLEAR, 0, base, size, 0, &b);
	assert_int_equal(iodt_bits_count(&b), items);
	iodt_bits_free(&b);
}

/* R58: a run of n items reports n, whichever one is dirty; cleaning touches only dirty members. */
static void run_reports_all_its_items(struct iodt *t)
{
	for_each_size(t, dirty_each_item);
	for_each_size(t, dirty_each_item_in_a_whole_table);
}

static void sweep_parts(struct iodt *t, uint64_t size)
{
	uint64_t base = t->v->first, p = t->page, g = granule_for(t, size), cut[5];
	unsigned int i, j;
	struct iodt_bits b;

	if (size < 4 * g)
		return;
	cut[0] = 0;
	cut[1] = g;
	cut[2] = size / 2;
	cut[3] = size - g;
	cut[4] = size;
	for (i = 0; i < 5; i++) {
		for (j = i + 1; j < 5; j++) {
			iodt_mark_item(t, base, 0);
			iodt_bits_init(&b, base, size, g);
			iodt_sweep(t, CLEAR, 0, base + cut[i], cut[j] - cut[i], 0, &b);
			assert_int_equal(iodt_bits_count(&b), (cut[j] - cut[i]) / g);
			/* left dirty but for the whole */
			assert_int_equal(iodt_sweep(t, READ, 0, base, p, 0, &b).dirty,
					 cut[j] - cut[i] < size);
			iodt_bits_free(&b);
		}
	}
}

/* R14, R21: a range that covers part of a leaf reports that part and leaves it dirty. */
static void part_of_a_leaf(struct iodt *t)
{
	for_each_size(t, sweep_parts);
}

/*
 * The next block is not missed when the sweep starts inside a clean or dirty one (and ends
 * inside).
 */
static void starts_and_ends_inside_blocks(struct iodt *t)
{
	uint64_t size = IODT_2M, base = t->v->first, g = t->page, i;
	unsigned int dirty;
	struct iodt_bits b;

	for (i = 0; i < 3; i++)
		iodt_map(t, base + i * size, (7 - 2 * i) * size, size, IODT_RW);
	for (dirty = 0; dirty < 8; dirty++) {
		for (i = 0; i < 3; i++)
			if (dirty >> i & 1)
				iodt_mark_item(t, base + i * size, 0);
		iodt_bits_init(&b, base, 3 * size, g);
		iodt_sweep(t, CLEAR, 0, base + g, 3 * size - 2 * g, 0, &b);
		assert_int_equal(iodt_bits_get(&b, base + size / 2), dirty & 1);
		assert_int_equal(iodt_bits_get(&b, base + size), dirty >> 1 & 1);
		assert_int_equal(iodt_bits_get(&b, base + 2 * size), dirty >> 2 & 1);
		assert_int_equal(iodt_bits_get(&b, base), false);
		assert_int_equal(iodt_bits_get(&b, base + 3 * size - g), false);
		iodt_bits_zero(&b);
		iodt_sweep(t, CLEAR, 0, base, 3 * size, 0, &b);
		assert_int_equal(iodt_bits_get(&b, base), dirty & 1);
		assert_int_equal(iodt_bits_get(&b, base + size), false);
		iodt_bits_free(&b);
	}
}

/* R18, R95: holes are clean, at any level; nothing is created for them. */
static void holes_are_clean(struct iodt *t)
{
	uint64_t p = t->page, base = t->v->first, n = some_pages(t, 64), tables;
	struct iodt_bits b;

	iodt_bits_init(&b, base, n * p, p);
	iodt_sweep(t, CLEAR, 0, base, n * p, 0, &b);
	iodt_map(t, base + (n - 1) * p, 0, p, IODT_RW);
	iodt_mark_item(t, base + (n - 1) * p, 0);
	tables = iodt_info(t->pt).tables;
	assert_int_equal(iodt_sweep(t, CLEAR, 0, base, n * p, 0, &b).dirty, 1);
	assert_int_equal(iodt_bits_count(&b), 1);
	assert_int_equal(iodt_info(t->pt).tables, tables);
	iodt_bits_free(&b);
}

/* R60, R94: the whole space, sparse, with a coarse bitmap; R25: its ends. */
static void whole_space(struct iodt *t)
{
	uint64_t places[IODT_PLACES], g;
	size_t i, k, n = iodt_places(t->v, t->page, places), parts;
	struct iodt_part part[2];
	struct iodt_bits b;

	for (i = 0; i < n; i++) {
		iodt_map(t, places[i], 0, t->page, IODT_RW);
		iodt_mark_item(t, places[i], 0);
	}
	parts = iodt_parts(t->v, part);
	for (k = 0; k < parts; k++) {
		g = granule_for(t, part[k].len);
		iodt_bits_init(&b, part[k].iova, part[k].len, g);
		iodt_sweep(t, CLEAR, 0, part[k].iova, part[k].len, 0, &b);
		for (i = 0; i < n; i++)
			if (places[i] - part[k].iova < part[k].len)
				assert_true(iodt_bits_get(&b, places[i]));
		iodt_bits_zero(&b);
		iodt_sweep(t, READ, 0, part[k].iova, part[k].len, 0, &b);
		assert_int_equal(iodt_bits_count(&b), 0);
		iodt_bits_free(&b);
	}
}

/* R25: a range that ends at 2^64. */
static void range_that_ends_at_the_top(struct iodt *t)
{
	uint64_t len = 64 * t->page, iova = 0 - len;
	struct iodt_bits b;

	iodt_map(t, iova, 0, len, IODT_RW);
	iodt_mark_item(t, UINT64_MAX, 0);
	iodt_bits_init(&b, iova, len, t->page);
	iodt_sweep(t, CLEAR, 0, iova, len, 0, &b);
	assert_true(iodt_bits_get(&b, UINT64_MAX));
	iodt_mark_item(t, UINT64_MAX, 0);
	iodt_bits_zero(&b);
	iodt_sweep(t, READ, 0, 0 - t->page, t->page, 0, &b);
	assert_int_equal(iodt_bits_count(&b), 1);
	iodt_bits_free(&b);
}

/* R1: writable without DBM is reported every time and never cleaned, or skipped when asked. */
static void untracked_leaves(struct iodt *t)
{
	uint64_t p = t->page, base = t->v->first;
	struct iodt_bits b;
	int i;

	iodt_map(t, base, 0, p, IODT_RW | IOD_PROT_UNTRACKED);
	iodt_map(t, base + p, p, p, IODT_RW);
	iodt_bits_init(&b, base, 2 * p, p);
	for (i = 0; i < 2; i++) {
		iodt_sweep(t, CLEAR, 0, base, 2 * p, 0, &b);
		assert_true(iodt_bits_get(&b, base));
		assert_false(iodt_bits_get(&b, base + p));
		iodt_bits_zero(&b);
	}
	iodt_sweep(t, CLEAR, IOD_SWEEP_SKIP_UNTRACKED, base, 2 * p, 0, &b);
	assert_int_equal(iodt_bits_count(&b), 0);
	iodt_dma_write(t, base + p);
	iodt_sweep(t, CLEAR, IOD_SWEEP_SKIP_UNTRACKED, base, 2 * p, 0, &b);
	assert_int_equal(iodt_bits_count(&b), 1);
	iodt_bits_free(&b);
}

/* R1: what nobody can write is never dirty. */
static void read_only_is_clean(struct iodt *t)
{
	uint64_t n = some_pages(t, 70), base = t->v->first;
	struct iodt_bits b;

	iodt_map(t, base, 0, n * t->page, IOD_PROT_READ);
	iodt_bits_init(&b, base, n * t->page, t->page);
	assert_int_equal(iodt_sweep(t, CLEAR, 0, base, n * t->page, 0, &b).dirty, 0);
	assert_int_equal(iodt_bits_count(&b), 0);
	iodt_bits_free(&b);
}

static const struct iodt_test tests[] = {
	{ "capability_refused_when_absent", 0, IODT_DIRTY, capability_refused_when_absent },
	{ "second_read_is_empty", IODT_DIRTY, 0, second_read_is_empty },
	{ "keep_identical_twice", IODT_DIRTY, 0, keep_identical_twice },
	{ "every_second_entry_dirty", IODT_DIRTY, 0, every_second_entry_dirty },
	{ "all_dirty", IODT_DIRTY, 0, all_dirty },
	{ "bitmaps_of_every_length", IODT_DIRTY, 0, bitmaps_of_every_length },
	{ "bits_are_only_set", IODT_DIRTY, 0, bits_are_only_set },
	{ "large_leaf_sets_all_its_bits", IODT_DIRTY, 0, large_leaf_sets_all_its_bits },
	{ "run_reports_all_its_items", IODT_DIRTY | IODT_RUNS, 0, run_reports_all_its_items },
	{ "part_of_a_leaf", IODT_DIRTY, 0, part_of_a_leaf },
	{ "starts_and_ends_inside_blocks", IODT_DIRTY | IODT_X86_SIZES, 0,
	  starts_and_ends_inside_blocks },
	{ "holes_are_clean", IODT_DIRTY, 0, holes_are_clean },
	{ "whole_space", IODT_DIRTY, 0, whole_space },
	{ "range_that_ends_at_the_top", IODT_DIRTY | IODT_TOP64, 0, range_that_ends_at_the_top },
	{ "untracked_leaves", IODT_DIRTY | IODT_ARM, 0, untracked_leaves },
	{ "read_only_is_clean", IODT_DIRTY, 0, read_only_is_clean },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
