/* SPDX-License-Identifier: MIT */
/*
 * IOD_UNMAP_SPLIT: a range that cuts through pages. What is inside is unmapped and reported, what is outside
 * stays mapped, in the largest pages that fit, and as dirty as it was.
 */
#include "unmaprig.h"

/* Pages whose pieces are too many to look at each time; and too many to look at at all. */
#define MANY IODT_BIT(12)

static uint64_t too_many(void)
{
	return iodt_scale(100) < 50 ? MANY : IODT_BIT(18);
}

static bool is_arm(const struct iodt *t)
{
	return t->caps & IODT_ARM;
}

/* The flags without which ARM refuses to split what devices use. */
static uint32_t split_flags(const struct iodt *t)
{
	if (is_arm(t) && !(t->v->features & (IOD_PT_BBM_1 | IOD_PT_BBM_2)))
		return IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS;
	return IOD_UNMAP_SPLIT;
}

/* The same configuration, on hardware that bears page sizes being changed. */
static void with_bbm(struct iodt *t, uint32_t bbm, void (*fn)(struct iodt *t))
{
	struct iodt_variant v = *t->v;
	struct iodt *own;

	v.features = (v.features & ~(IOD_PT_BBM_1 | IOD_PT_BBM_2)) | bbm;
	own = iodt_open(&v);
	assert_non_null(own);
	fn(own);
	iodt_assert_ok(iodt_close(own));
}

static void with_each_bbm(struct iodt *t, void (*fn)(struct iodt *t))
{
	if (is_arm(t)) {
		with_bbm(t, 0, fn);
		with_bbm(t, IOD_PT_BBM_1, fn);
		with_bbm(t, IOD_PT_BBM_2, fn);
	} else {
		fn(t);
	}
}

/* What is left in [iova, last], where one page was: the largest pages that fit, back to back. */
static void largest_that_fit(struct iodt *t, uint64_t iova, uint64_t last)
{
	struct iodt_leaves l;
	uint64_t at = iova;
	size_t i;

	iodt_leaves(t, &l);
	for (i = 0; i < l.nr; i++) {
		if (l.leaf[i].iova < iova || l.leaf[i].iova > last)
			continue;
		assert_int_equal(l.leaf[i].iova, at);
		assert_int_equal(l.leaf[i].size,
				 iodt_best_size(t->v, at, l.leaf[i].pa, last - at + 1));
		at += l.leaf[i].size;
	}
	assert_int_equal(at - 1, last);
	iodt_leaves_free(&l);
}

/* Unmaps [off, off + len) of one page, of which item @item is dirty (-1: none). */
static void cut_one(struct iodt *t, uint64_t size, uint64_t off, uint64_t len, int item)
{
	uint64_t base = t->v->first;
	struct unm_done d;

	iodt_map(t, base, 0, size, IODT_RW);
	if (item >= 0)
		unm_mark(t, base, (unsigned int)item);
	d = unm_relative(t, base + off, len, split_flags(t));
	assert_int_equal(d.unmapped, len);
	assert_int_equal(d.dirty, item >= 0 ? len : 0);
	if (off)
		largest_that_fit(t, base, base + (off - 1));
	if (off + len < size)
		largest_that_fit(t, base + off + len, base + (size - 1));
	/* the rest is as dirty as it was */
	d = unm_relative(t, base, size, 0);
	assert_int_equal(d.unmapped, size - len);
	assert_int_equal(d.dirty, item >= 0 ? size - len : 0);
}

/* At both ends, in the middle, halves; clean, and dirty by any one item. */
static void every_size_cut(struct iodt *t)
{
	uint64_t size, p = t->page;
	unsigned int s, i;

	for (s = 13; s < 64; s++) {
		size = IODT_BIT(s);
		if (!(t->v->sizes & size) || size == p || size / p > too_many())
			continue;
		uint64_t where[][2] = {
			{ 0, p },	 { size - p, p },	 { size / 2, p },
			{ 0, size / 2 }, { size / 2, size / 2 }, { p, size - 2 * p }
		};

		for (i = 0; i < IODT_ARRAY_SIZE(where); i++) {
			if (!where[i][1] || (size / p > MANY && i % 2))
				continue;
			cut_one(t, size, where[i][0], where[i][1], 0);
			if (size / p > MANY)
				continue;
			cut_one(t, size, where[i][0], where[i][1], -1);
			if (size != iodt_item_size(t->v, size))
				cut_one(t, size, where[i][0], where[i][1],
					(int)(size / iodt_item_size(t->v, size)) - 1);
		}
	}
}

static void cuts_one_page(struct iodt *t)
{
	with_each_bbm(t, every_size_cut);
}

/* Pages of all sizes, holes, and ends anywhere. */
static void random_ranges(struct iodt *t)
{
	uint64_t span = iodt_table_span(t->v), size, from, n, base = t->v->first;
	struct iodt_bits b;
	unsigned int i, k;

	for (i = 0; i < iodt_scale(6); i++) {
		size = unm_room(t, i % 3 ? 3 * span : 2 * IODT_1G);
		unm_populate(t, base, size, 40);
		iodt_bits_init(&b, base, size, t->page);
		for (k = 0; k < 8; k++) {
			from = iodt_below(t, size / t->page);
			n = 1 + iodt_below(t, size / t->page - from);
			if (k % 2 && n > 50)
				n = 50;
			unm_check(t, base + from * t->page, n * t->page, split_flags(t), &b);
		}
		unm_check(t, base, size, 0, &b);
		iodt_bits_free(&b);
	}
}

static void cuts_anywhere(struct iodt *t)
{
	with_each_bbm(t, random_ranges);
}

static uint64_t a_large_size(const struct iodt *t)
{
	uint64_t size = t->page;
	unsigned int s;

	for (s = 12; s < 64; s++)
		if (t->v->sizes & IODT_BIT(s) && IODT_BIT(s) / t->page <= 4096)
			size = IODT_BIT(s);
	return size;
}

/* ARM below break-before-make levels 1 and 2: refused as a whole, unless faults are allowed. */
static void refuse_without_faults(struct iodt *t)
{
	uint64_t size = a_large_size(t), base = t->v->first, p = t->page;
	struct iod_unmap_dirty u;
	struct iodt_bits b;

	if (size == p)
		return;
	iodt_bits_init(&b, base, size, p);
	iodt_map(t, base, 0, size, IODT_RW | IOD_PROT_DIRTY);
	u = unm_arg(t, base, p, IOD_UNMAP_SPLIT, &b);
	unm_refused(t, &u, -EOPNOTSUPP);
	u = unm_arg(t, base + (size - p), p, IOD_UNMAP_SPLIT, &b);
	unm_refused(t, &u, -EOPNOTSUPP);
	u.flags |= IOD_UNMAP_DRY_RUN;
	unm_refused(t, &u, -EOPNOTSUPP);
	/* faults are for splitting only */
	u = unm_arg(t, base, p, IOD_UNMAP_ALLOW_FAULTS, &b);
	unm_refused(t, &u, -EINVAL);
	assert_int_equal(iod_unmap(t->pt, base, p, IOD_UNMAP_SPLIT, t->gather, NULL), -EOPNOTSUPP);
	iodt_verify(t);
	/* nothing is cut: nothing is needed */
	unm_check(t, base, size, IOD_UNMAP_SPLIT, &b);
	iodt_bits_free(&b);
}

static void needs_break_before_make(struct iodt *t)
{
	with_bbm(t, 0, refuse_without_faults);
}

/* A hole is not made good by what a page that is cut maps outside of the range. */
static void refuse_holes(struct iodt *t)
{
	uint64_t size = a_large_size(t), base = t->v->first, p = t->page;
	uint32_t flags = split_flags(t) | IOD_UNMAP_NO_HOLES;
	struct iod_unmap_dirty u;
	struct iodt_bits b;

	if (size == p || unm_room(t, 2 * size) < 2 * size)
		return;
	iodt_map(t, base, 0, size, IODT_RW | IOD_PROT_DIRTY);
	iodt_bits_init(&b, base, 2 * size, p);
	u = unm_arg(t, base + size / 2, size, flags, &b);
	unm_refused(t, &u, -ENOENT);
	u = unm_arg(t, base + (size - p), 2 * p, flags, &b);
	unm_refused(t, &u, -ENOENT);
	assert_int_equal(iod_unmap(t->pt, base + (size - p), 2 * p, flags, t->gather, NULL),
			 -ENOENT);
	iodt_verify(t);
	unm_check(t, base + p, size - p, flags, &b);
	unm_check(t, base, p, flags, &b);
	iodt_bits_free(&b);
}

static void no_holes_beside_a_cut(struct iodt *t)
{
	with_each_bbm(t, refuse_holes);
}

/* iod_unmap() does the same, without the bitmap. */
static void plain_cut(struct iodt *t)
{
	uint64_t size, p = t->page, base = t->v->first, done;
	struct unm_done d;
	unsigned int s;

	for (s = 13; s < 64; s++) {
		size = IODT_BIT(s);
		if (!(t->v->sizes & size) || size == p || size / p > MANY)
			continue;
		iodt_map(t, base, 0, size, IODT_RW);
		unm_mark(t, base, 0);
		done = 0;
		iodt_assert_ok(
			iod_unmap(t->pt, base + size / 2, p, split_flags(t), t->gather, &done));
		assert_int_equal(done, p);
		iodt_expect_unmap(t, base + size / 2, p);
		iodt_sync(t);
		iodt_verify(t);
		d = unm_relative(t, base, size, 0);
		assert_int_equal(d.dirty, size - p);
	}
}

static void plain_unmap_cuts(struct iodt *t)
{
	with_each_bbm(t, plain_cut);
}

/* ---- a device that writes on ---- */

/*
 * A device knows the page as one large dirty one. The middle is unmapped; the device writes on beside it, and
 * marks nothing, until the sync. So the pieces must have been born dirty. The twin cleans them.
 */
static unsigned int writes_beside(struct iodt *t, bool born_clean)
{
	uint64_t size = a_large_size(t), base = t->v->first, p = t->page, i;
	struct iod_unmap_dirty u;
	struct iodt_bits b, rest;
	struct unm_dev d;
	struct iod_sweep s;
	unsigned int stale;

	unm_dev_open(&d, t, 0);
	iodt_bits_init(&b, base, size, p);
	iodt_bits_init(&rest, base, size, p);
	iodt_map(t, base, 0, size, IODT_RW);
	for (i = 0; i < size; i += p)
		d.iova[d.nr++] = base + i;
	for (i = 0; i < size; i += p)
		iodt_assert_ok(unm_dev_write(&d, base + i));
	u = unm_arg(t, base + size / 2, p, split_flags(t), &b);
	iodt_assert_ok(iod_unmap_dirty(t->pt, &u));
	assert_int_equal(u.dirty, p);
	if (born_clean) {
		for (i = 0; i < size; i += p) {
			struct mdl_leaf leaf;

			if (i == size / 2)
				continue;
			leaf = iodt_walk(t, base + i);
			iodt_write(t, leaf.pte_pa, iodt_pte_clean(t->v, leaf.pte));
		}
	}
	for (i = 0; i < size; i += p)
		unm_dev_write(&d, base + i);
	iodt_sync(t);
	assert_int_equal(unm_dev_write(&d, base + size / 2), -EFAULT);
	unm_dev_copy(&d, &b);
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, base, size, &rest);
	iodt_assert_ok(iod_sweep(t->pt, &s));
	iodt_sync(t);
	unm_dev_copy(&d, &rest);
	stale = unm_dev_stale(&d);
	iodt_expect_unmap(t, base, size);
	iodt_assert_ok(iod_unmap(t->pt, base, size, 0, t->gather, NULL));
	iodt_sync(t);
	unm_dev_close(&d);
	iodt_bits_free(&b);
	iodt_bits_free(&rest);
	return stale;
}

static void inherit(struct iodt *t)
{
	assert_int_equal(writes_beside(t, false), 0);
}

static void pieces_inherit_dirty(struct iodt *t)
{
	with_each_bbm(t, inherit);
}

static void born_clean(struct iodt *t)
{
	assert_int_not_equal(writes_beside(t, true), 0);
}

/* Not with break-before-make: that invalidates before the pieces are there. */
static void twin_pieces_born_clean(struct iodt *t)
{
	if (is_arm(t))
		with_bbm(t, IOD_PT_BBM_2, born_clean);
	else
		born_clean(t);
}

/* ---- memory ---- */

/* Tables run out while the edges are split: refused, everything is mapped, and dirty. */
static void tables_run_out(struct iodt *t)
{
	uint64_t size = a_large_size(t), base = t->v->first, p = t->page, extra, bytes;
	uint64_t table = t->v->granule > 4096 ? t->v->granule : 4096;
	struct iod_unmap_dirty u;
	struct iodt_bits b;
	int ret = -ENOMEM;

	if (size <= p || unm_room(t, 2 * size) < 2 * size || !iodt_item_level(t->v, size))
		return;
	iodt_map(t, base, 0, 2 * size, IODT_RW);
	unm_mark(t, base, 0);
	unm_mark(t, base + size, 0);
	iodt_bits_init(&b, base, 2 * size, p);
	u = unm_arg(t, base + (size - p), 2 * p, split_flags(t), &b);
	for (extra = 0; ret; extra += table) {
		assert_in_range(extra, 0, 16 * table);
		bytes = iodt_stats(t->mem).bytes;
		iodt_assert_ok(iod_mem_set_limit(t->mem, bytes + (extra ? table : 0)));
		ret = iod_unmap_dirty(t->pt, &u);
		iodt_assert_ok(iod_mem_set_limit(t->mem, 0));
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(iodt_bits_count(&b), 0);
		iodt_sync(t);
		iodt_verify(t);
	}
	assert_int_equal(u.unmapped, 2 * p);
	iodt_expect_unmap(t, u.iova, u.len);
	iodt_sync(t);
	iodt_verify(t);
	assert_int_equal(iodt_bits_count(&b), 2);
	assert_int_equal(unm_check(t, base, 2 * size, 0, &b).dirty, 2 * size - 2 * p);
	iodt_bits_free(&b);
}

static const struct iodt_test tests[] = {
	{ "cuts_one_page", IODT_DIRTY, 0, cuts_one_page },
	{ "cuts_anywhere", IODT_DIRTY, 0, cuts_anywhere },
	{ "needs_break_before_make", IODT_DIRTY | IODT_ARM, 0, needs_break_before_make },
	{ "no_holes_beside_a_cut", IODT_DIRTY, 0, no_holes_beside_a_cut },
	{ "plain_unmap_cuts", IODT_DIRTY, 0, plain_unmap_cuts },
	{ "pieces_inherit_dirty", IODT_DIRTY | IODT_PLAIN, 0, pieces_inherit_dirty },
	{ "twin_pieces_born_clean", IODT_DIRTY | IODT_PLAIN, 0, twin_pieces_born_clean },
	{ "tables_run_out", IODT_DIRTY | IODT_HUGE, 0, tables_run_out },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
