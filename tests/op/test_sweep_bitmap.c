/* SPDX-License-Identifier: MIT */
/* iod_sweep(): granules finer and coarser than leaves, clear by bitmap, budgets, random work. */
#include "iodtest.h"

#define READ	IOD_SWEEP_READ
#define CLEAR	IOD_SWEEP_CLEAR
#define BY_BITS IOD_SWEEP_CLEAR_BY_BITMAP

/* The size of a window at the start of the space that is a power of two, @max at most. */
static uint64_t window(const struct iodt *t, uint64_t max)
{
	uint64_t have = t->v->last - t->v->first;

	while (max - 1 > have)
		max >>= 1;
	return max;
}

/* Leaves of all sizes that the window holds, with holes, some of them dirty. */
static void scatter(struct iodt *t, uint64_t len)
{
	uint64_t base = t->v->first, out = IODT_BIT(iodt_out_bits(t->v)), at = 0, size, i;

	for (i = 0; at < len; i++) {
		size = IODT_BIT(12 + iodt_below(t, 20)) & t->v->sizes;
		if (!size || size > len / 2)
			size = t->page;
		at = (at + size - 1) & -size;
		if (at >= len)
			break;
		if (i % 5)
			iodt_map(t, base + at, iodt_below(t, out / size) * size, size, IODT_RW);
		at += size;
		if (i > 500)
			at += len / 16;
	}
}

static void dirty_some(struct iodt *t, unsigned int n)
{
	const struct iodt_seg *s;
	uint64_t iova;

	while (n-- && t->nr_segs) {
		s = &t->seg[iodt_below(t, t->nr_segs)];
		iova = s->iova + iodt_below(t, s->last - s->iova + 1);
		if (iodt_below(t, 2))
			iodt_dma_write(t, iova);
		else
			iodt_mark_item(t, iova,
				       (unsigned int)iodt_below(t, iodt_walk(t, iova).items));
	}
}

/* R13, R20: any power-of-two granule, finer or coarser than the leaves, rounds out. */
static void granules_of_every_size(struct iodt *t)
{
	uint64_t len = window(t, IODT_BIT(26)), base = t->v->first, g;
	struct iodt_bits b;

	scatter(t, len);
	for (g = t->page; g <= len; g <<= 1) {
		dirty_some(t, 20);
		iodt_bits_init(&b, base, len, g);
		iodt_sweep(t, READ, 0, base, len, 0, &b);
		iodt_bits_zero(&b);
		iodt_sweep(t, CLEAR, 0, base, len, 0, &b);
		iodt_bits_free(&b);
	}
	/* finer than the smallest page, too */
	dirty_some(t, 20);
	iodt_bits_init(&b, base, len < IODT_2M ? len : IODT_2M, 4096);
	iodt_sweep(t, CLEAR, 0, base, len < IODT_2M ? len : IODT_2M, 0, &b);
	iodt_bits_free(&b);
}

/* R14, R20: the range need not begin or end on a granule. */
static void ranges_inside_granules(struct iodt *t)
{
	uint64_t len = window(t, IODT_BIT(22)), base = t->v->first, p = t->page, g, start, n;
	struct iodt_bits b;
	unsigned int i;

	scatter(t, len);
	for (i = 0; i < iodt_scale(t->v->plain ? 100 : 20); i++) {
		g = p << iodt_below(t, 10);
		if (g > len)
			g = len;
		start = iodt_below(t, len / p);
		n = 1 + iodt_below(t, len / p - start);
		dirty_some(t, 5);
		iodt_bits_init(&b, base, len, g);
		iodt_sweep(t, i & 1 ? CLEAR : READ, 0, base + start * p, n * p, 0, &b);
		iodt_bits_free(&b);
	}
}

/* R11: clear-by-bitmap cleans the chosen subset, reports nothing, leaves the bitmap. */
static void clear_by_bitmap_cleans_a_subset(struct iodt *t)
{
	uint64_t n = window(t, 128 * t->page) / t->page, base = t->v->first, p = t->page, i;
	struct iodt_bits b;

	for (i = n; i-- > 0;)
		iodt_map(t, base + i * p, (i ^ 1) * p, p, IODT_RW | IOD_PROT_DIRTY);
	iodt_bits_init(&b, base, n * p, p);
	assert_int_equal(iodt_sweep(t, BY_BITS, 0, base, n * p, 0, &b).cleaned, 0);
	for (i = 0; i < n; i += 2)
		iodt_bits_put(&b, base + i * p);
	assert_int_equal(iodt_sweep(t, BY_BITS, 0, base, n * p, 0, &b).cleaned, (n + 1) / 2);
	assert_int_equal(iodt_bits_count(&b), (n + 1) / 2);
	iodt_bits_zero(&b);
	iodt_sweep(t, READ, 0, base, n * p, 0, &b);
	assert_int_equal(iodt_bits_count(&b), n / 2);
	assert_false(iodt_bits_get(&b, base));
	/* what was read is what may be cleared */
	assert_int_equal(iodt_sweep(t, BY_BITS, 0, base, n * p, 0, &b).cleaned, n / 2);
	assert_int_equal(iodt_sweep(t, READ, 0, base, n * p, 0, &b).dirty, 0);
	iodt_bits_free(&b);
}

static uint64_t a_size_above_the_page(const struct iodt *t)
{
	unsigned int s;

	for (s = 13; s < 40; s++)
		if (t->v->sizes & IODT_BIT(s) && IODT_BIT(s) > t->page)
			return IODT_BIT(s);
	return 0;
}

/* R21: a leaf with one granule missing in the bitmap stays dirty. */
static void partly_covered_leaf_stays_dirty(struct iodt *t)
{
	uint64_t size = a_size_above_the_page(t), base = t->v->first, p = t->page, i;
	struct iodt_bits b;

	if (!size)
		return;
	iodt_map(t, base, 0, size, IODT_RW | IOD_PROT_DIRTY);
	iodt_bits_init(&b, base, size, p);
	for (i = 1; i < size / p; i++)
		iodt_bits_put(&b, base + i * p);
	assert_int_equal(iodt_sweep(t, BY_BITS, 0, base, size, 0, &b).cleaned, 0);
	iodt_bits_put(&b, base);
	/* all bits, but a part of the range: left dirty as well */
	assert_int_equal(iodt_sweep(t, BY_BITS, 0, base, size - p, 0, &b).cleaned, 0);
	assert_int_equal(iodt_sweep(t, BY_BITS, 0, base + p, size - p, 0, &b).cleaned, 0);
	assert_true(iodt_sweep(t, BY_BITS, 0, base, size, 0, &b).cleaned > 0);
	assert_int_equal(iodt_sweep(t, READ, 0, base, size, 0, &b).dirty, 0);
	iodt_bits_free(&b);
}

/* Clear by bitmap with granules in both directions. */
static void clear_by_bitmap_with_any_granule(struct iodt *t)
{
	uint64_t len = window(t, IODT_BIT(24)), base = t->v->first, g, at;
	struct iodt_bits b;

	scatter(t, len);
	for (g = t->page; g <= len; g <<= 1) {
		dirty_some(t, 30);
		iodt_bits_init(&b, base, len, g);
		for (at = 0; at < len; at += g)
			if (iodt_below(t, 3))
				iodt_bits_put(&b, base + at);
		iodt_sweep(t, BY_BITS, 0, base, len, 0, &b);
		iodt_bits_free(&b);
	}
}

/* R19, R60: a budget of one, resumed, gives what one call gives: bits, tables, invalidations. */
static void budget_one_equals_one_shot(struct iodt *t)
{
	uint64_t len = window(t, IODT_BIT(28)), base = t->v->first, g = t->page;
	uint64_t budget, calls = 0;
	struct iodt_bits b;

	scatter(t, len);
	if (len / g > IODT_BIT(18))
		g = len >> 18;
	for (budget = 1; budget < 5000; budget *= 17) {
		dirty_some(t, 40);
		iodt_bits_init(&b, base, len, g);
		calls += iodt_sweep(t, READ, 0, base, len, budget, &b).calls;
		iodt_bits_zero(&b);
		calls += iodt_sweep(t, CLEAR, 0, base, len, budget, &b).calls;
		iodt_bits_zero(&b);
		assert_int_equal(iodt_sweep(t, READ, 0, base, len, budget, &b).dirty, 0);
		iodt_bits_free(&b);
	}
	assert_true(calls >= 6);
}

/* R60: the budget is kept to, but for the table under way; several tables take several calls. */
static void budget_bounds_the_work(struct iodt *t)
{
	uint64_t per_table = t->v->granule > 4096 ? t->v->granule / 8 : 512, base = t->v->first;
	uint64_t span = per_table * t->page, i, calls = 0;
	struct iod_sweep s;
	struct iodt_bits b;

	if (span * 4 > t->v->last - base)
		return;
	for (i = 0; i < 4; i++)
		iodt_map(t, base + i * span, 0, t->page, IODT_RW);
	iodt_bits_init(&b, base, 4 * span, t->page);
	s = iodt_sweep_arg(t, READ, base, 4 * span, &b);
	s.budget = 1;
	do {
		iodt_assert_ok(iod_sweep(t->pt, &s));
		assert_true(s.items >= 1 && s.items <= 4 * per_table);
		s.len -= s.done;
		s.iova = s.next_iova;
		calls++;
	} while (s.len);
	assert_true(calls >= 4);
	iodt_bits_free(&b);
}

/*
 * Everything at once, against the model: mappings come and go, devices write, sweeps of all
 * kinds.
 */
static void random_sweeps(struct iodt *t)
{
	uint64_t len = window(t, IODT_BIT(23)), base = t->v->first, p = t->page, start, n, g;
	static const enum iod_sweep_mode modes[] = { READ, CLEAR, BY_BITS };
	unsigned int i, rounds = iodt_scale(t->v->plain ? 300 : 60);
	enum iod_sweep_mode mode;
	struct iodt_bits b;
	uint64_t at;

	for (i = 0; i < rounds; i++) {
		if (i % 16 == 0) {
			if (t->nr_segs)
				iodt_unmap(t, base, len);
			iodt_sync(t);
			scatter(t, len);
		}
		dirty_some(t, 1 + (unsigned int)iodt_below(t, 20));
		start = iodt_below(t, len / p);
		n = 1 + iodt_below(t, len / p - start);
		g = p << iodt_below(t, 12);
		if (g > len)
			g = p;
		mode = modes[iodt_below(t, 3)];
		iodt_bits_init(&b, base, len, g);
		for (at = 0; at < len; at += g)
			if (mode == BY_BITS && iodt_below(t, 16))
				iodt_bits_put(&b, base + at);
		iodt_sweep(t, mode, 0, base + start * p, n * p, iodt_below(t, 3) * 100, &b);
		iodt_bits_free(&b);
	}
	iodt_verify(t);
}

static const struct iodt_test tests[] = {
	{ "granules_of_every_size", IODT_DIRTY, 0, granules_of_every_size },
	{ "ranges_inside_granules", IODT_DIRTY, 0, ranges_inside_granules },
	{ "clear_by_bitmap_cleans_a_subset", IODT_DIRTY, 0, clear_by_bitmap_cleans_a_subset },
	{ "partly_covered_leaf_stays_dirty", IODT_DIRTY, 0, partly_covered_leaf_stays_dirty },
	{ "clear_by_bitmap_with_any_granule", IODT_DIRTY, 0, clear_by_bitmap_with_any_granule },
	{ "budget_one_equals_one_shot", IODT_DIRTY, 0, budget_one_equals_one_shot },
	{ "budget_bounds_the_work", IODT_DIRTY | IODT_TABLES, 0, budget_bounds_the_work },
	{ "random_sweeps", IODT_DIRTY, 0, random_sweeps },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
