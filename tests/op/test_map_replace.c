/* SPDX-License-Identifier: MIT */
/* iod_map() where tables already stand: empty ones give way, others refuse; long random runs. */
#include "iodtest.h"

/* The smallest page above the leaf table. */
static uint64_t block_size(const struct iodt_variant *v)
{
	unsigned int s = 12;

	while (!(v->sizes & IODT_BIT(s)) || !iodt_item_level(v, IODT_BIT(s)))
		s++;
	return IODT_BIT(s);
}

/* Small pages over [iova, iova + len), one call each so that no run is made. */
static void fill_with_pages(struct iodt *t, uint64_t iova, uint64_t pa, uint64_t len)
{
	uint64_t at;

	for (at = 0; at < len; at += t->page)
		iodt_map(t, iova + at, pa + at, t->page, IODT_RW);
}

/* Entry by entry, so that the table stays behind. */
static void drain_in_halves(struct iodt *t, uint64_t iova, uint64_t len)
{
	iodt_unmap(t, iova, len / 2);
	iodt_unmap(t, iova + len / 2, len / 2);
	iodt_sync(t);
}

static void nothing_there_while_invalidating(struct iodt *t, const struct iod_inv *inv, size_t nr)
{
	uint64_t *iova = t->priv;
	struct mdl_mem mem = iodt_mdl_mem(t);
	struct mdl_table table;

	iodt_model(t, &table);
	assert_int_equal(mdl_walk(&table, &mem, *iova, NULL), MDL_NOT_PRESENT);
}

static void assert_leaf(struct iodt *t, uint64_t iova, uint64_t size)
{
	struct iod_mapping m;

	iodt_assert_ok(iod_translate(t->pt, iova, &m));
	assert_int_equal(m.iova, iova);
	assert_int_equal(m.len, size);
}

/* R54: an empty table is cleared, invalidated and synced before the page goes in; freed with the
 * gather. Small maps unmapped, then a larger leaf replaces them. */
static void small_maps_unmapped_then_larger_leaf(struct iodt *t)
{
	uint64_t size = block_size(t->v), iova = t->v->first, before;

	fill_with_pages(t, iova, 0, size);
	drain_in_halves(t, iova, size);
	before = iodt_info(t->pt).tables; /* detached ones count until they are freed */
	iodt_log_reset(t);
	t->priv = &iova;
	t->log.hook = nothing_there_while_invalidating;
	iodt_map(t, iova, 0, size, IODT_RW);
	t->log.hook = NULL;
	assert_leaf(t, iova, size);
	assert_true(t->log.nr > 0 && t->log.syncs > 0);
	assert_int_equal(t->log.unsynced, 0);
	assert_false(t->log.inv[0].flags & IOD_INV_LEAF_ONLY);
	assert_true(t->log.inv[0].table_levels & IODT_BIT(iodt_item_level(t->v, size)));
	assert_true(t->log.inv[0].iova <= iova && t->log.inv[0].last >= iova + (size - 1));
	if (!t->v->max_levels)
		assert_int_equal(iodt_info(t->pt).tables, before);
	assert_true(iodt_stats(t->mem).pending > 0);
	iodt_sync(t);
	assert_int_equal(iodt_stats(t->mem).pending, 0);
	if (!t->v->max_levels)
		assert_true(iodt_info(t->pt).tables < before);
	iodt_verify(t);
}

/* Also when half the range was replaced and the rest stays as it is. */
static void half_the_range_replaced(struct iodt *t)
{
	uint64_t size = block_size(t->v), iova = t->v->first;

	if (t->v->last - iova < 2 * size - 1)
		return;
	fill_with_pages(t, iova, 0, size);
	fill_with_pages(t, iova + size, 8 * size, size);
	drain_in_halves(t, iova, size);
	iodt_map(t, iova, 4 * size, size, IODT_RW);
	assert_leaf(t, iova, size);
	assert_leaf(t, iova + size, t->page);
	iodt_sync(t);
	iodt_verify(t);
	/* and half of one table */
	iodt_unmap(t, iova + size, size / 2);
	iodt_map(t, iova + size, 0, size / 2, IOD_PROT_READ);
	iodt_verify(t);
}

/* R54: without a gather nothing can be replaced: smaller pages, no invalidation. */
static void smaller_pages_without_gather(struct iodt *t)
{
	uint64_t size = block_size(t->v), iova = t->v->first;
	struct iod_mapping m;

	iodt_map(t, iova, 0, t->page, IODT_RW);
	iodt_unmap(t, iova, t->page);
	iodt_sync(t);
	iodt_log_reset(t);
	iodt_assert_ok(iod_map(t->pt, iova, 0, size, IODT_RW, NULL, NULL));
	iodt_expect_map(t, iova, 0, size, IODT_RW);
	iodt_assert_ok(iod_translate(t->pt, iova, &m));
	assert_true(m.len < size);
	assert_int_equal(t->log.calls, 0);
	iodt_verify(t);
}

/* R54: "assumed empty" is verified: one page left is -EEXIST, nothing is changed. */
static void table_in_use_is_not_replaced(struct iodt *t)
{
	uint64_t size = block_size(t->v), iova = t->v->first;
	struct iodt_snapshot s;

	iodt_map(t, iova + size - t->page, 0, t->page, IODT_RW);
	iodt_log_reset(t);
	iodt_snapshot(t, &s);
	assert_int_equal(iod_map(t->pt, iova, 0, size, IODT_RW, t->gather, NULL), -EEXIST);
	iodt_unchanged(t, &s);
	assert_int_equal(t->log.calls, 0);
	iodt_verify(t);
}

/* An invalidation that fails: its errno, exact progress, a valid table; the next try works. */
static void failing_invalidation_stops_the_replacement(struct iodt *t)
{
	uint64_t size = block_size(t->v), iova = t->v->first, done = 0;

	iodt_map(t, iova, 0, t->page, IODT_RW);
	iodt_unmap(t, iova, t->page);
	iodt_sync(t);
	t->log.fail_invalidate = -ETIMEDOUT;
	assert_int_equal(iod_map(t->pt, iova, 0, size, IODT_RW, t->gather, &done), -ETIMEDOUT);
	assert_int_equal(done, 0);
	iodt_verify(t);
	iodt_map(t, iova, 0, size, IODT_RW);
	assert_leaf(t, iova, size);
	iodt_sync(t);
	iodt_verify(t);
}

/* An empty table holding empty tables gives way as well, all of them freed. */
static void tree_of_empty_tables_gives_way(struct iodt *t)
{
	uint64_t size = IODT_1G, small = IODT_2M, i;

	for (i = 0; i < 4; i++) {
		iodt_map(t, i * small, 0, t->page, IODT_RW);
		iodt_unmap(t, i * small, t->page);
	}
	iodt_sync(t);
	iodt_map(t, 0, 0, size, IODT_RW);
	assert_leaf(t, 0, size);
	assert_true(iodt_stats(t->mem).pending > 0);
	assert_true(iodt_info(t->pt).tables > t->v->walk_levels - 2 + 4);
	iodt_sync(t);
	assert_int_equal(iodt_info(t->pt).tables, t->v->walk_levels - 2);
	iodt_verify(t);
}

/* ---- 1000 random ranges ---- */

static void random_range(struct iodt *t, uint64_t *iova, uint64_t *len)
{
	struct iodt_part part[2];
	size_t n = iodt_parts(t->v, part);
	uint64_t window, pages, start;

	/* crowded windows at the start and the end of each part */
	*part = part[iodt_below(t, n)];
	window = part->len < 4096 * t->page ? part->len : 4096 * t->page;
	start = iodt_below(t, 2) ? part->iova : part->iova + (part->len - window);
	pages = window / t->page;
	*iova = start + iodt_below(t, pages) * t->page;
	*len = (1 + iodt_below(t, iodt_below(t, 2) ? 8 : 600)) * t->page;
	if (*len > window - (*iova - start))
		*len = window - (*iova - start);
}

static void try_map(struct iodt *t)
{
	uint64_t iova, len, out = IODT_BIT(iodt_out_bits(t->v)), pa, done = 0;
	int ret;

	random_range(t, &iova, &len);
	pa = iodt_below(t, (out - len) / t->page + 1) * t->page;
	if (iodt_below(t, 2)) {
		pa = pa / (512 * t->page) * (512 * t->page) + iova % (512 * t->page);
		if (pa > out - len)
			pa = 0;
	}
	ret = iod_map(t->pt, iova, pa, len, IODT_RW, t->gather, &done);
	if (iodt_expected_any(t, iova, len)) {
		assert_int_equal(ret, -EEXIST);
		assert_int_equal(done, 0);
		return;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(done, len);
	iodt_expect_map(t, iova, pa, len, IODT_RW);
}

/* Exactly one mapped piece, or none: a cut through a page is refused by the library. */
static void try_unmap(struct iodt *t)
{
	struct iodt_snapshot s;
	uint64_t iova, len, done = 0;
	int ret;

	random_range(t, &iova, &len);
	iodt_snapshot(t, &s);
	ret = iod_unmap(t->pt, iova, len, 0, t->gather, &done);
	if (!iodt_expected_any(t, iova, len)) {
		assert_int_equal(ret, -ENOENT);
	} else if (ret == 0) {
		iodt_expect_unmap(t, iova, len);
	} else {
		assert_int_equal(ret, -EINVAL);
	}
	if (ret) {
		assert_int_equal(done, 0);
		iodt_unchanged(t, &s);
	} else {
		iodt_snapshot_free(&s);
	}
}

static void check_every_page(struct iodt *t)
{
	uint64_t iova;
	size_t i;

	iodt_verify(t);
	for (i = 0; i < t->nr_segs; i++) {
		iova = t->seg[i].iova;
		do {
			iodt_verify_at(t, iova);
			iova += t->page;
		} while (iova - 1 != t->seg[i].last && iova);
	}
}

/* 1000 random ranges with overlaps refused, every page translated, empty at the end. */
static void random_ranges(struct iodt *t)
{
	unsigned int i, rounds = iodt_scale(t->v->plain ? 1000 : 300);
	struct iodt_part part[2];
	size_t k, n = iodt_parts(t->v, part);

	for (i = 0; i < rounds; i++) {
		if (iodt_below(t, 5))
			try_map(t);
		else
			try_unmap(t);
		if (i % 128 == 127)
			iodt_sync(t);
		if (i % 256 == 255)
			iodt_verify(t);
	}
	check_every_page(t);
	for (k = 0; k < n; k++)
		if (iodt_expected_any(t, part[k].iova, part[k].len))
			iodt_unmap(t, part[k].iova, part[k].len);
	iodt_sync(t);
	assert_int_equal(t->nr_segs, 0);
	iodt_verify(t);
	/* whole parts were unmapped: only the root is left */
	assert_int_equal(iodt_info(t->pt).tables, 1);
}

static const struct iodt_test tests[] = {
	{ "small_maps_unmapped_then_larger_leaf", IODT_HUGE, 0,
	  small_maps_unmapped_then_larger_leaf },
	{ "half_the_range_replaced", IODT_HUGE, 0, half_the_range_replaced },
	{ "smaller_pages_without_gather", IODT_HUGE, 0, smaller_pages_without_gather },
	{ "table_in_use_is_not_replaced", IODT_HUGE, 0, table_in_use_is_not_replaced },
	{ "failing_invalidation_stops_the_replacement", IODT_HUGE, 0,
	  failing_invalidation_stops_the_replacement },
	{ "tree_of_empty_tables_gives_way", IODT_X86_SIZES | IODT_ROOMY, IODT_UPPER,
	  tree_of_empty_tables_gives_way },
	{ "random_ranges", 0, 0, random_ranges },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
