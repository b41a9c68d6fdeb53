/* SPDX-License-Identifier: MIT */
/* iod_map(): page sizes, places, refusals, replacement of empty tables. */
#include "iodtest.h"

/* A fresh table translates nothing and is one hole. */
static void empty_translates_nothing(struct iodt *t)
{
	uint64_t places[IODT_PLACES];
	size_t i, n = iodt_places(t->v, t->page, places);

	iodt_verify(t);
	for (i = 0; i < n; i++)
		iodt_verify_at(t, places[i]);
}

static void use_one_leaf(struct iodt *t, uint64_t iova, uint64_t pa, uint64_t size)
{
	struct iod_mapping m;

	iodt_map(t, iova, pa, size, IODT_RW);
	iodt_assert_ok(iod_translate(t->pt, iova, &m));
	assert_int_equal(m.iova, iova);
	assert_int_equal(m.len, size);
	assert_int_equal(m.level, iodt_item_level(t->v, size));
	iodt_verify_at(t, iova);
	iodt_verify_at(t, iova + size / 2 + 5);
	iodt_verify_at(t, iova + (size - 1));
	iodt_verify(t);
	iodt_unmap(t, iova, size);
	iodt_verify_at(t, iova);
	iodt_sync(t);
	iodt_verify(t);
}

/*
 * R27: one leaf of every size maps, translates, counts, unmaps and leaves no mapping,
 * everywhere.
 */
static void one_leaf_of_every_size(struct iodt *t)
{
	uint64_t places[IODT_PLACES], size;
	unsigned int s;
	size_t i, n;

	for (s = 12; s < 64; s++) {
		size = IODT_BIT(s);
		if (!(t->v->sizes & size))
			continue;
		n = iodt_places(t->v, size, places);
		for (i = 0; i < n; i++)
			use_one_leaf(t, places[i], iodt_pa(t->v, size, i + 1), size);
	}
}

/* R25: the largest page that the last addresses can hold; R27: in a concatenated root too. */
static void last_largest_page(struct iodt *t)
{
	uint64_t size = iodt_largest(t->v), iova = t->v->last - (size - 1);
	struct iod_mapping m;

	iodt_map(t, iova, 0, size, IODT_RW);
	iodt_assert_ok(iod_translate(t->pt, t->v->last, &m));
	assert_int_equal(m.len, size);
	assert_int_equal(m.pa, 0);
	assert_int_equal(
		iod_map(t->pt, t->v->last - (t->page - 1), 0, t->page, IODT_RW, t->gather, NULL),
		-EEXIST);
	iodt_verify(t);
	iodt_unmap(t, iova, size);
	iodt_map(t, t->v->last - (t->page - 1), 0, t->page, IODT_RW);
	iodt_verify(t);
	iodt_unmap(t, t->v->last - (t->page - 1), t->page);
}

static uint64_t check_sizes(struct iodt *t, const struct iodt_leaves *l, uint64_t iova, uint64_t pa,
			    uint64_t len)
{
	uint64_t at = 0, size;
	size_t i;

	for (i = 0; at < len; i++) {
		assert_true(i < l->nr);
		size = iodt_best_size(t->v, iova + at, pa + at, len - at);
		assert_int_equal(l->leaf[i].iova, iova + at);
		assert_int_equal(l->leaf[i].size, size);
		at += size;
	}
	return i;
}

static void map_and_check_sizes(struct iodt *t, uint64_t iova, uint64_t pa, uint64_t len)
{
	struct iodt_leaves l;

	iodt_map(t, iova, pa, len, IODT_RW);
	iodt_leaves(t, &l);
	assert_int_equal(check_sizes(t, &l, iova, pa, len), l.nr);
	iodt_leaves_free(&l);
	iodt_unmap(t, iova, len);
	iodt_sync(t);
}

/* R12: best page size equals brute force, whatever the alignments. */
static void best_page_size_equals_brute_force(struct iodt *t)
{
	uint64_t room = t->v->hole_first ? t->v->hole_first : t->v->last - t->v->first;
	uint64_t out = IODT_BIT(iodt_out_bits(t->v)), big, iova, pa, len;
	unsigned int i, rounds = iodt_scale(60);

	if (room / 4 < t->page)
		return;
	for (i = 0; i < rounds; i++) {
		/* within 600 of some page size, so that tables stay few */
		big = IODT_BIT(12 + iodt_below(t, 30)) & t->v->sizes;
		if (!big || (!(i & 1) && big > IODT_2M))
			big = t->page;
		if (big > room / 4 || big > out / 4)
			big = t->page;
		len = (1 + iodt_below(t, 3)) * big + iodt_below(t, 600) * t->page;
		if (len > room / 4)
			len = t->page;
		iova = t->v->first + iodt_below(t, room / 4 / t->page) * t->page;
		pa = iodt_below(t, out / 4 / t->page) * t->page;
		if (i & 1) { /* alike in the low bits */
			iova = (iova & -big) + (len & (big - 1)) % big;
			iova -= iova % t->page;
			pa = (pa & -big) | (iova & (big - 1));
		}
		map_and_check_sizes(t, iova, pa, len);
	}
	iodt_verify(t);
}

/* The low bits of addresses decide: 128 KiB to an output address that is odd at bit 12. */
static void pages_until_the_size_must_change(struct iodt *t)
{
	struct iodt_leaves l;

	if (t->v->first)
		return;
	iodt_map(t, 0xfef80000, 0x208b95d000 & (IODT_BIT(iodt_out_bits(t->v)) - 1), 0x20000,
		 IODT_RW);
	iodt_leaves(t, &l);
	/* 0xfef80000 ^ 0x208b95d000 ends in 0x...dd000: nothing but 4 KiB fits */
	assert_int_equal(l.nr, 32);
	assert_int_equal(l.leaf[0].size, 4096);
	iodt_leaves_free(&l);
	iodt_verify(t);
	iodt_unmap(t, 0xfef80000, 0x20000);
}

/* One call gives 14x2M + 3x1G + 3x2M. */
static void one_call_mixes_sizes(struct iodt *t)
{
	uint64_t len = 14 * IODT_2M + 3 * IODT_1G + 3 * IODT_2M, iova = IODT_1G - 14 * IODT_2M;
	unsigned int i;
	struct iodt_leaves l;

	iodt_map(t, iova, 3 * IODT_1G - 14 * IODT_2M, len, IODT_RW);
	iodt_leaves(t, &l);
	assert_int_equal(l.nr, 20);
	for (i = 0; i < 20; i++)
		assert_int_equal(l.leaf[i].size, i >= 14 && i < 17 ? IODT_1G : IODT_2M);
	iodt_leaves_free(&l);
	iodt_verify(t);
	iodt_unmap(t, iova, len);
}

struct shape {
	int first, pages; /* relative to a mapping of pages 4 to 11 */
};

/* Five overlap shapes, and refusal changes nothing: no entry, no table, no progress, no gather. */
static void five_overlap_shapes_are_refused(struct iodt *t)
{
	static const struct shape shapes[] = { { 4, 8 }, { 6, 2 }, { 2, 4 }, { 10, 4 }, { 2, 12 } };
	uint64_t base = t->v->first, pa = iodt_pa(t->v, 64 * t->page, 1);
	struct iodt_snapshot s;
	uint64_t done = 3, tables;
	size_t i;

	if (t->v->last - base < 16 * t->page - 1)
		return;
	iodt_map(t, base + 4 * t->page, pa, 8 * t->page, IODT_RW);
	tables = iodt_stats(t->mem).bytes;
	for (i = 0; i < IODT_ARRAY_SIZE(shapes); i++) {
		iodt_snapshot(t, &s);
		assert_int_equal(iod_map(t->pt, base + (uint64_t)shapes[i].first * t->page, 0,
					 (uint64_t)shapes[i].pages * t->page, IODT_RW, t->gather,
					 &done),
				 -EEXIST);
		assert_int_equal(done, 3);
		assert_int_equal(iodt_stats(t->mem).bytes, tables);
		assert_int_equal(iodt_gather_info(t->gather).ranges, 0);
		iodt_unchanged(t, &s);
	}
	iodt_unmap(t, base + 4 * t->page, 8 * t->page);
}

/* Whatever is mapped far into the range, nothing is changed before it is met. */
static void refusal_is_all_or_nothing(struct iodt *t)
{
	uint64_t big = iodt_largest(t->v), base = t->v->first, len, bytes;
	struct iodt_snapshot s;

	while (big > IODT_1G)
		big >>= 1;
	len = t->v->last - base;
	len = len < 4 * big ? len - len % t->page : 4 * big;
	iodt_map(t, base + len - t->page, 0, t->page, IOD_PROT_READ);
	bytes = iodt_stats(t->mem).bytes;
	iodt_snapshot(t, &s);
	assert_int_equal(iod_map(t->pt, base, 0, len, IODT_RW, t->gather, NULL), -EEXIST);
	assert_int_equal(iod_map(t->pt, base, 0, len, IODT_RW, NULL, NULL), -EEXIST);
	iodt_unchanged(t, &s);
	assert_int_equal(iodt_stats(t->mem).bytes, bytes);
	iodt_verify(t);
	iodt_unmap(t, base + len - t->page, t->page);
}

/* *done is added to, not set; NULL is fine. */
static void done_is_added_to(struct iodt *t)
{
	uint64_t done = UINT64_C(1) << 40, base = t->v->first;

	iodt_assert_ok(iod_map(t->pt, base, 0, t->page, IODT_RW, NULL, &done));
	assert_int_equal(done, (UINT64_C(1) << 40) + t->page);
	iodt_assert_ok(iod_unmap(t->pt, base, t->page, 0, t->gather, &done));
	assert_int_equal(done, (UINT64_C(1) << 40) + 2 * t->page);
	iodt_assert_ok(iod_map(t->pt, base, 0, t->page, IODT_RW, NULL, NULL));
	iodt_assert_ok(iod_unmap(t->pt, base, t->page, 0, t->gather, NULL));
	iodt_verify(t);
}

/* What read-only, read-write and write-only mean to the walker. */
static void permissions_reach_the_walker(struct iodt *t)
{
	uint64_t base = t->v->first;
	struct iod_mapping m;

	iodt_map(t, base, 0, t->page, IOD_PROT_READ);
	iodt_map(t, base + t->page, t->page, t->page, IOD_PROT_WRITE);
	iodt_verify(t);
	iodt_assert_ok(iod_translate(t->pt, base, &m));
	assert_int_equal(m.prot & IODT_RW, IOD_PROT_READ);
	iodt_assert_ok(iod_translate(t->pt, base + t->page, &m));
	assert_int_equal(m.prot & IODT_RW, t->caps & IODT_WRITE_ONLY ? IOD_PROT_WRITE : IODT_RW);
	iodt_unmap(t, base, 2 * t->page);
}

/* R1: born clean, or dirty when asked; R9: accessed with it. */
static void born_clean_or_dirty(struct iodt *t)
{
	uint64_t base = t->v->first;
	struct iod_mapping m;

	iodt_map(t, base, 0, t->page, IODT_RW);
	iodt_map(t, base + t->page, t->page, t->page, IODT_RW | IOD_PROT_DIRTY);
	iodt_verify(t);
	iodt_assert_ok(iod_translate(t->pt, base, &m));
	assert_int_equal(m.dirty, IOD_CLEAN);
	iodt_assert_ok(iod_translate(t->pt, base + t->page, &m));
	assert_int_equal(m.dirty, IOD_DIRTY);
	assert_true(m.accessed);
	iodt_unmap(t, base, 2 * t->page);
}

/* R1: all pages on ARM can be mapped without DBM; R2: elsewhere that is refused. */
static void untracked_only_on_arm(struct iodt *t)
{
	uint32_t prot = IODT_RW | IOD_PROT_UNTRACKED;
	struct iod_mapping m;

	if (!(t->caps & IODT_ARM)) {
		assert_int_equal(iod_map(t->pt, t->v->first, 0, t->page, prot, NULL, NULL),
				 -EOPNOTSUPP);
		iodt_verify(t);
		return;
	}
	iodt_map(t, t->v->first, 0, t->page, prot);
	iodt_verify(t);
	iodt_assert_ok(iod_translate(t->pt, t->v->first, &m));
	assert_int_equal(m.dirty, IOD_DIRTY_UNTRACKED);
	iodt_unmap(t, t->v->first, t->page);
}

/* R25: what the input and output sizes exclude is -ERANGE and changes nothing. */
static void outside_is_refused(struct iodt *t)
{
	const struct iodt_variant *v = t->v;
	uint64_t out = IODT_BIT(iodt_out_bits(v)), p = t->page;

	assert_int_equal(iod_map(t->pt, v->first, out, p, IODT_RW, NULL, NULL), -ERANGE);
	assert_int_equal(iod_map(t->pt, v->first, out - p, 2 * p, IODT_RW, NULL, NULL), -ERANGE);
	assert_int_equal(iod_map(t->pt, v->first, 0 - p, 2 * p, IODT_RW, NULL, NULL), -ERANGE);
	if (v->last != UINT64_MAX) {
		assert_int_equal(iod_map(t->pt, v->last + 1, 0, p, IODT_RW, NULL, NULL), -ERANGE);
		assert_int_equal(iod_map(t->pt, v->last + 1 - p, 0, 2 * p, IODT_RW, NULL, NULL),
				 -ERANGE);
	} else {
		assert_int_equal(iod_map(t->pt, 0 - p, 0, 2 * p, IODT_RW, NULL, NULL), -ERANGE);
	}
	if (v->first)
		assert_int_equal(iod_map(t->pt, v->first - p, 0, 2 * p, IODT_RW, NULL, NULL),
				 -ERANGE);
	if (v->hole_first) {
		assert_int_equal(iod_map(t->pt, v->hole_first - p, 0, 2 * p, IODT_RW, NULL, NULL),
				 -ERANGE);
		assert_int_equal(
			iod_map(t->pt, v->hole_last + 1 - p, 0, 2 * p, IODT_RW, NULL, NULL),
			-ERANGE);
		assert_int_equal(iod_map(t->pt, v->hole_first, 0, p, IODT_RW, NULL, NULL), -ERANGE);
	}
	iodt_verify(t);
}

/* AMD: the top grows one level at a time to the maximum, and what was mapped stays. */
static void top_grows_to_the_maximum(struct iodt *t)
{
	uint32_t level, lg2;
	uint64_t iova;

	iodt_map(t, 0, 0, t->page, IODT_RW);
	for (level = t->v->walk_levels; level < t->v->max_levels; level++) {
		assert_int_equal(iodt_info(t->pt).levels, level);
		lg2 = 12 + 9 * level;
		/* the last page that this many levels reach, then the first that they do not */
		if (!iodt_expected(t, IODT_BIT(lg2) - t->page))
			iodt_map(t, IODT_BIT(lg2) - t->page, t->page, t->page, IODT_RW);
		assert_int_equal(iodt_info(t->pt).levels, level);
		iova = IODT_BIT(lg2);
		iodt_verify_at(t, iova);
		iodt_map(t, iova, 2 * t->page, t->page, IODT_RW);
		assert_int_equal(iodt_info(t->pt).levels, level + 1);
		iodt_verify_at(t, iova);
		iodt_verify_at(t, 0);
		iodt_verify(t);
	}
	iodt_map(t, t->v->last - (t->page - 1), 0, t->page, IODT_RW);
	assert_int_equal(iodt_info(t->pt).levels, t->v->max_levels);
	iodt_verify(t);
}

/* R27: a range from the lowest address up by one page, over every table boundary. */
static void runs_across_table_boundaries(struct iodt *t)
{
	uint64_t size, iova, out = IODT_BIT(iodt_out_bits(t->v));
	unsigned int s;

	for (s = 12; s < 64; s++) {
		size = IODT_BIT(s);
		iova = t->v->first + size;
		if (iodt_item_size(t->v, size) != size || size < 4 * t->page ||
		    size > (t->v->last - t->v->first) / 2 || size + t->page > out)
			continue;
		if (t->v->hole_first && iova >= t->v->hole_first)
			continue;
		iodt_map(t, iova - t->page, 3 * t->page, 2 * t->page, IODT_RW);
		iodt_verify_at(t, iova - t->page);
		iodt_verify_at(t, iova);
		iodt_verify(t);
		iodt_unmap(t, iova - t->page, 2 * t->page);
		iodt_sync(t);
	}
}

/* R16, R59: no 4 KiB pages asked for: 2 MiB is the smallest and the alignment of everything. */
static void smallest_page_is_2m(void **state)
{
	static const struct iodt_variant v = {
		.name = "vtd_ss-4-2m1g",
		.format = IOD_VTD_SS,
		.features = IOD_PT_HW_DIRTY,
		.levels = 4,
		.pgsizes = IODT_2M | IODT_1G,
		.sizes = IODT_2M | IODT_1G,
		.last = IODT_BIT(48) - 1,
		.walk_levels = 4,
		.width = 48,
	};
	struct iodt_bits b;
	struct iodt *t;

	if (!iod_format_ops(v.format))
		skip();
	t = iodt_open(&v);
	assert_non_null(t);
	assert_int_equal(iod_map(t->pt, 0, 0, IODT_4K, IODT_RW, NULL, NULL), -EINVAL);
	assert_int_equal(iod_map(t->pt, 0, IODT_4K, IODT_2M, IODT_RW, NULL, NULL), -EINVAL);
	iodt_map(t, IODT_1G - IODT_2M, 3 * IODT_1G - IODT_2M, IODT_1G + 2 * IODT_2M, IODT_RW);
	iodt_map(t, 4 * IODT_1G, IODT_2M, IODT_1G, IODT_RW);
	iodt_verify(t);
	iodt_dma_write(t, IODT_1G - IODT_4K);
	iodt_bits_init(&b, 0, 8 * IODT_1G, IODT_4K);
	iodt_sweep(t, IOD_SWEEP_CLEAR, 0, 0, 8 * IODT_1G, 0, &b);
	assert_int_equal(iodt_bits_count(&b), 512);
	iodt_bits_free(&b);
	iodt_unmap(t, 0, 8 * IODT_1G);
	iodt_verify(t);
	iodt_assert_ok(iodt_close(t));
}

static const struct CMUnitTest plain[] = {
	cmocka_unit_test(smallest_page_is_2m),
};

static const struct iodt_test tests[] = {
	{ "empty_translates_nothing", 0, 0, empty_translates_nothing },
	{ "one_leaf_of_every_size", 0, 0, one_leaf_of_every_size },
	{ "last_largest_page", 0, 0, last_largest_page },
	{ "best_page_size_equals_brute_force", 0, 0, best_page_size_equals_brute_force },
	{ "pages_until_the_size_must_change", IODT_GRAN4K | IODT_ROOMY, 0,
	  pages_until_the_size_must_change },
	{ "one_call_mixes_sizes", IODT_X86_SIZES | IODT_ROOMY, IODT_UPPER, one_call_mixes_sizes },
	{ "five_overlap_shapes_are_refused", 0, 0, five_overlap_shapes_are_refused },
	{ "refusal_is_all_or_nothing", 0, 0, refusal_is_all_or_nothing },
	{ "done_is_added_to", 0, 0, done_is_added_to },
	{ "permissions_reach_the_walker", 0, 0, permissions_reach_the_walker },
	{ "born_clean_or_dirty", IODT_DIRTY, 0, born_clean_or_dirty },
	{ "untracked_only_on_arm", 0, 0, untracked_only_on_arm },
	{ "outside_is_refused", 0, 0, outside_is_refused },
	{ "top_grows_to_the_maximum", IODT_GROWS, 0, top_grows_to_the_maximum },
	{ "runs_across_table_boundaries", IODT_TABLES, 0, runs_across_table_boundaries },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
