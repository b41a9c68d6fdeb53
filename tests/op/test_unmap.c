/* SPDX-License-Identifier: MIT */
/* iod_unmap(): what is removed, what is refused, what becomes of tables. */
#include "iodtest.h"

/* Unmap of nothing is -ENOENT, and touches nothing. */
static void unmap_of_nothing(struct iodt *t)
{
	struct iodt_part part[2];
	size_t i, n = iodt_parts(t->v, part);
	uint64_t done = 9;

	for (i = 0; i < n; i++) {
		assert_int_equal(iod_unmap(t->pt, part[i].iova, part[i].len, 0, t->gather, &done),
				 -ENOENT);
		assert_int_equal(iod_unmap(t->pt, part[i].iova, t->page, IOD_UNMAP_NO_HOLES,
					   t->gather, &done),
				 -ENOENT);
	}
	assert_int_equal(done, 9);
	assert_int_equal(iodt_gather_info(t->gather).ranges, 0);
	iodt_verify(t);
}

/* R94: the whole space in one or two calls, sparse; every table below the root goes. */
static void whole_space_at_once(struct iodt *t)
{
	uint64_t places[IODT_PLACES];
	size_t i, k, n = iodt_places(t->v, t->page, places);
	struct iodt_part part[2];
	uint64_t tables;

	for (i = 0; i < n; i++)
		iodt_map(t, places[i], i * t->page, t->page, IODT_RW);
	iodt_verify(t);
	tables = iodt_info(t->pt).tables;
	n = iodt_parts(t->v, part);
	for (k = 0; k < n; k++)
		iodt_unmap(t, part[k].iova, part[k].len);
	iodt_verify(t);
	assert_int_equal(iodt_stats(t->mem).pending > 0, tables > 1);
	assert_int_equal(iodt_stats(t->mem).tables, tables);
	iodt_sync(t);
	assert_int_equal(iodt_info(t->pt).tables, 1);
	assert_int_equal(iodt_stats(t->mem).pending, 0);
	assert_int_equal(iodt_stats(t->mem).tables, 1);
}

static void refuse(struct iodt *t, uint64_t iova, uint64_t len, uint32_t flags, int err)
{
	struct iod_gather_info before = iodt_gather_info(t->gather), after;
	struct iodt_snapshot s;
	uint64_t done = 1;

	iodt_snapshot(t, &s);
	assert_int_equal(iod_unmap(t->pt, iova, len, flags, t->gather, &done), err);
	assert_int_equal(done, 1);
	after = iodt_gather_info(t->gather);
	assert_memory_equal(&after, &before, sizeof(after));
	iodt_unchanged(t, &s);
}

/* R55, R81: a range that cuts through a page, at either end, is refused before any change. */
static void bisecting_is_refused(struct iodt *t)
{
	uint64_t size, iova, p = t->page;
	unsigned int s;

	for (s = 13; s < 64; s++) {
		size = IODT_BIT(s);
		if (!(t->v->sizes & size) || size == p)
			continue;
		iova = t->v->first;
		iodt_map(t, iova, 0, size, IODT_RW);
		refuse(t, iova, size / 2, 0, -EINVAL);
		refuse(t, iova, p, 0, -EINVAL);
		refuse(t, iova + size / 2, size / 2, 0, -EINVAL);
		refuse(t, iova + p, p, 0, -EINVAL);
		refuse(t, iova + (size - p), p, 0, -EINVAL);
		refuse(t, iova + p, size - p, IOD_UNMAP_NO_HOLES, -EINVAL);
		if (t->v->last - iova >= size + p - 1 && size < IODT_BIT(47)) {
			iodt_map(t, iova + size, 0, p, IODT_RW);
			refuse(t, iova + p, size, 0, -EINVAL);
			iodt_unmap(t, iova + size, p);
		}
		iodt_unmap(t, iova, size);
		iodt_sync(t);
	}
	iodt_verify(t);
}

/* R55: a range may span mappings exactly, with holes between and around them. */
static void spans_mappings_exactly(struct iodt *t)
{
	uint64_t base = t->v->first, p = t->page;

	if (t->v->last - base < 16 * p - 1)
		return;
	iodt_map(t, base + p, 0, 2 * p, IODT_RW);
	iodt_map(t, base + 4 * p, 8 * p, 4 * p, IOD_PROT_READ);
	iodt_map(t, base + 10 * p, 32 * p, p, IODT_RW);
	iodt_unmap(t, base, 9 * p);
	iodt_verify(t);
	assert_int_equal(t->nr_segs, 1);
	iodt_unmap(t, base, 16 * p);
	iodt_verify(t);
	iodt_sync(t);
}

/* R55: with NO_HOLES a hole at the start, in the middle or at the end refuses the whole. */
static void holes_refused_when_flagged(struct iodt *t)
{
	uint64_t base = t->v->first, p = t->page;

	if (t->v->last - base < 16 * p - 1)
		return;
	iodt_map(t, base + p, 0, 2 * p, IODT_RW);
	iodt_map(t, base + 4 * p, 8 * p, 4 * p, IODT_RW);
	refuse(t, base, 3 * p, IOD_UNMAP_NO_HOLES, -ENOENT);
	refuse(t, base + p, 7 * p, IOD_UNMAP_NO_HOLES, -ENOENT);
	refuse(t, base + 4 * p, 5 * p, IOD_UNMAP_NO_HOLES, -ENOENT);
	refuse(t, base + 9 * p, p, IOD_UNMAP_NO_HOLES, -ENOENT);
	iodt_assert_ok(iod_unmap(t->pt, base + 4 * p, 4 * p, IOD_UNMAP_NO_HOLES, t->gather, NULL));
	iodt_expect_unmap(t, base + 4 * p, 4 * p);
	iodt_verify(t);
	iodt_unmap(t, base, 16 * p);
	iodt_sync(t);
}

/* A hole that is a whole missing table, high above the leaves. */
static void hole_of_a_missing_table(struct iodt *t)
{
	uint64_t p = t->page, far = IODT_1G - p;

	iodt_map(t, t->v->first, 0, p, IODT_RW);
	iodt_map(t, t->v->first + far, 0, p, IODT_RW);
	refuse(t, t->v->first, far + p, IOD_UNMAP_NO_HOLES, -ENOENT);
	iodt_unmap(t, t->v->first, far + p);
	iodt_verify(t);
	iodt_sync(t);
}

/* Every start and length of five pages: single pages in every alignment. */
static void every_start_and_length(struct iodt *t)
{
	uint64_t base = t->v->first, p = t->page, start, len;

	if (t->v->last - base < 8 * p - 1)
		return;
	for (start = 0; start < 5; start++) {
		for (len = 1; start + len <= 5; len++) {
			for (uint64_t i = 0; i < 5; i++)
				iodt_map(t, base + i * p, i * p, p, IODT_RW);
			iodt_unmap(t, base + start * p, len * p);
			iodt_verify(t);
			if (len < 5)
				iodt_unmap(t, base, 8 * p);
			assert_int_equal(t->nr_segs, 0);
		}
	}
	iodt_sync(t);
}

/* A partial unmap leaves the neighbours, their entries bit for bit. */
static void neighbours_stay(struct iodt *t)
{
	uint64_t base = t->v->first, p = t->page;
	struct mdl_leaf left, right;

	if (t->v->last - base < 4 * p - 1)
		return;
	iodt_map(t, base, 0, p, IODT_RW);
	iodt_map(t, base + p, 8 * p, p, IODT_RW);
	iodt_map(t, base + 2 * p, 16 * p, p, IODT_RW);
	left = iodt_walk(t, base);
	right = iodt_walk(t, base + 2 * p);
	iodt_unmap(t, base + p, p);
	assert_int_equal(iodt_walk(t, base).pte, left.pte);
	assert_int_equal(iodt_walk(t, base + 2 * p).pte, right.pte);
	iodt_verify(t);
	iodt_unmap(t, base, 3 * p);
	iodt_sync(t);
}

/* Unmap, map elsewhere, sync, map again: the same place takes something else. */
static void remap_after_unmap(struct iodt *t)
{
	uint64_t size = iodt_largest(t->v), iova = t->v->first;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		iodt_map(t, iova, iodt_pa(t->v, size, i), size, IODT_RW);
		iodt_verify(t);
		iodt_unmap(t, iova, size);
		iodt_sync(t);
		iodt_map(t, iova, 0, t->page, IOD_PROT_READ);
		iodt_verify(t);
		iodt_unmap(t, iova, t->page);
		iodt_sync(t);
	}
}

/* R25: outside the input range. */
static void outside_is_refused(struct iodt *t)
{
	const struct iodt_variant *v = t->v;
	uint64_t p = t->page;

	iodt_map(t, v->last - (p - 1), 0, p, IODT_RW);
	iodt_map(t, v->first, 0, p, IODT_RW);
	refuse(t, v->last - (p - 1), 2 * p, 0, -ERANGE);
	if (v->first)
		refuse(t, v->first - p, 2 * p, 0, -ERANGE);
	if (v->hole_first) {
		refuse(t, v->hole_first - p, 2 * p, 0, -ERANGE);
		refuse(t, v->hole_first, p, 0, -ERANGE);
		refuse(t, v->hole_last + 1 - p, 2 * p, 0, -ERANGE);
		refuse(t, 0, v->hole_last + 1 + p, 0, -ERANGE);
	}
	iodt_verify(t);
}

/* R25: a range that ends at 2^64. */
static void range_that_ends_at_the_top(struct iodt *t)
{
	uint64_t p = t->page, len = 2 * p;

	iodt_map(t, 0 - len, 0, len, IODT_RW);
	iodt_verify(t);
	iodt_verify_at(t, UINT64_MAX);
	refuse(t, 0 - p, 2 * p, 0, -ERANGE);
	iodt_unmap(t, 0 - len, len);
	iodt_verify(t);
	iodt_sync(t);
}

/* The dirty and accessed bits that hardware set do not stand in the way. */
static void dirty_pages_are_unmapped(struct iodt *t)
{
	uint64_t size = iodt_largest(t->v), iova = t->v->first;

	iodt_map(t, iova, 0, size, IODT_RW);
	iodt_dma_write(t, iova + size - 1);
	iodt_verify(t);
	refuse(t, iova, size, 1u << 31, -EINVAL);
	iodt_unmap(t, iova, size);
	iodt_verify(t);
	iodt_sync(t);
}

/* A run whose items differ in their dirty state is still one entry. */
static void run_with_mixed_items_is_one_entry(struct iodt *t)
{
	uint64_t size, p = t->page;
	unsigned int s;

	for (s = 13; s < 64; s++) {
		size = IODT_BIT(s);
		if (!(t->v->sizes & size) || iodt_item_size(t->v, size) == size)
			continue;
		iodt_map(t, t->v->first, 0, size, IODT_RW);
		iodt_mark_item(t, t->v->first, 1);
		iodt_verify(t);
		refuse(t, t->v->first, iodt_item_size(t->v, size), 0, -EINVAL);
		refuse(t, t->v->first + size / 2, p, 0, -EINVAL);
		iodt_unmap(t, t->v->first, size);
		iodt_verify(t);
		iodt_sync(t);
	}
}

static const struct iodt_test tests[] = {
	{ "unmap_of_nothing", 0, 0, unmap_of_nothing },
	{ "whole_space_at_once", 0, 0, whole_space_at_once },
	{ "bisecting_is_refused", 0, 0, bisecting_is_refused },
	{ "spans_mappings_exactly", 0, 0, spans_mappings_exactly },
	{ "holes_refused_when_flagged", 0, 0, holes_refused_when_flagged },
	{ "hole_of_a_missing_table", IODT_MIDDLING, 0, hole_of_a_missing_table },
	{ "every_start_and_length", 0, 0, every_start_and_length },
	{ "neighbours_stay", 0, 0, neighbours_stay },
	{ "remap_after_unmap", 0, 0, remap_after_unmap },
	{ "outside_is_refused", 0, 0, outside_is_refused },
	{ "range_that_ends_at_the_top", IODT_TOP64, 0, range_that_ends_at_the_top },
	{ "dirty_pages_are_unmapped", IODT_DIRTY, 0, dirty_pages_are_unmapped },
	{ "run_with_mixed_items_is_one_entry", IODT_DIRTY | IODT_RUNS, 0,
	  run_with_mixed_items_is_one_entry },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
