/* SPDX-License-Identifier: MIT */
/* iod_unmap_dirty(): what is reported and removed, exactly; what is refused before anything is changed. */
#include "unmaprig.h"

/* ---- many mappings, one bitmap ---- */

static uint64_t region(struct iodt *t, unsigned int i)
{
	const uint64_t span = iodt_table_span(t->v);
	const uint64_t lens[] = { 24 * t->page, span, 3 * span, 5 * IODT_1G, 70 * IODT_1G };

	return unm_room(t, lens[i % IODT_ARRAY_SIZE(lens)]);
}

/* A range of pages that are not cut; sometimes all. */
static void pick(struct iodt *t, uint64_t base, uint64_t size, uint64_t *iova, uint64_t *len)
{
	uint64_t pages = size / t->page, from = iodt_below(t, pages), n;

	if (!iodt_below(t, 6)) {
		*iova = base;
		*len = size;
		return;
	}
	n = iodt_below(t, 3) ? 1 + iodt_below(t, 40) : 1 + iodt_below(t, pages);
	if (n > pages - from)
		n = pages - from;
	*iova = base + from * t->page;
	*len = n * t->page;
	if (iodt_below(t, 4) || t->nr_segs == 0)
		unm_widen(t, iova, len);
	else { /* what is mapped, from a page on */
		*iova = t->seg[iodt_below(t, t->nr_segs)].iova;
		*len = t->page;
		unm_widen(t, iova, len);
	}
}

/* R71, R73, R78, R79, R82: mappings of all sizes, holes, runs; bitmaps of the request and of the table. */
static void random_unmaps(struct iodt *t)
{
	uint64_t base = t->v->first, size, iova, len, granule;
	struct iodt_bits b;
	unsigned int i, k;

	for (i = 0; i < iodt_scale(10); i++) {
		size = region(t, i);
		unm_populate(t, base, size, 60);
		/* one for all of it: bits of earlier unmaps stay */
		granule = t->page << (i % 3);
		iodt_bits_init(&b, base, (size + granule - 1) & -granule, granule);
		for (k = 0; k < 6; k++) {
			pick(t, base, size, &iova, &len);
			if (k % 2)
				unm_check(t, iova, len, 0, &b);
			else
				unm_relative(t, iova, len, 0);
			unm_populate(t, base, size, 4);
		}
		unm_check(t, base, size, 0, &b);
		assert_int_equal(t->nr_segs, 0);
		iodt_bits_free(&b);
	}
}

/* Every size, at the ends of the space: clean, dirty, and a run of which any one item is. */
static void one_page_of_every_size(struct iodt *t)
{
	uint64_t size, places[IODT_PLACES];
	unsigned int s, item, items;
	struct unm_done d;
	size_t i, n;

	for (s = 12; s < 64; s++) {
		size = IODT_BIT(s);
		if (!(t->v->sizes & size) || size / t->page > IODT_BIT(20))
			continue;
		n = iodt_places(t->v, size, places);
		for (i = 0; i < n; i++) {
			iodt_map(t, places[i], iodt_pa(t->v, size, i), size, IODT_RW);
			items = iodt_walk(t, places[i]).items;
			d = unm_relative(t, places[i], size, 0);
			assert_true(d.unmapped == size && d.dirty == 0);
			for (item = 0; item < items; item += 1 + items / 3) {
				iodt_map(t, places[i], iodt_pa(t->v, size, i), size, IODT_RW);
				unm_mark(t, places[i], item);
				d = unm_relative(t, places[i], size, IOD_UNMAP_NO_HOLES);
				assert_true(d.unmapped == size && d.dirty == size);
			}
		}
	}
}

/* R75, R78: granules from 4 KiB up, smaller and larger than pages; ranges that begin inside one. */
static void granules(struct iodt *t)
{
	uint64_t base = t->v->first, size = unm_room(t, 64 * t->page), granule, iova, len;
	struct iodt_bits b;
	unsigned int i;

	for (granule = IODT_4K; granule <= 128 * t->page; granule *= 2) {
		if (base & (granule - 1) || (size & (granule - 1) && granule < size))
			continue;
		for (i = 0; i < 4; i++) {
			unm_populate(t, base, size, 30);
			iodt_bits_init(&b, base, granule > size ? granule : size, granule);
			pick(t, base, size, &iova, &len);
			unm_check(t, iova, len, 0, &b);
			iodt_bits_free(&b);
		}
	}
}

/* ---- by table-level entries ---- */

/* Small pages, scattered; some dirty. */
static void scatter(struct iodt *t, uint64_t base, uint64_t len, unsigned int n)
{
	uint64_t at, k;

	for (k = 0; k < n; k++) {
		at = base + iodt_below(t, len / t->page) * t->page;
		if (iodt_expected_any(t, at, t->page))
			continue;
		iodt_map(t, at, iodt_pa(t->v, t->page, 2 * k + 1), t->page, IODT_RW);
		if (iodt_below(t, 2))
			unm_mark(t, at, 0);
	}
}

/* R84: mapped in the smallest pages, unmapped as what one entry of each level above covers. */
static void mapped_small_unmapped_large(struct iodt *t)
{
	uint64_t base = t->v->first, granule = t->v->granule ? t->v->granule : 4096;
	uint64_t span = iodt_table_span(t->v), bits;
	struct iodt_bits b;

	for (; span - 1 < t->v->last - base && span <= IODT_BIT(52); span *= granule / 8) {
		if (t->v->hole_first && span > t->v->hole_first - base)
			break;
		bits = span / IODT_BIT(20) > t->page ? span / IODT_BIT(20) : t->page;
		iodt_bits_init(&b, base, span, bits);
		unm_map_small(t, base, 40 * t->page);
		scatter(t, base, span, 30);
		unm_mark(t, base + 3 * t->page, 0);
		unm_check(t, base, span, 0, &b);
		assert_true(iodt_bits_get(&b, base + 3 * t->page));
		assert_int_equal(t->nr_segs, 0);
		/* the table is full, every page dirty */
		unm_map_small(t, base, iodt_table_span(t->v));
		for (uint64_t i = 0; i < iodt_table_span(t->v); i += t->page)
			unm_mark(t, base + i, 0);
		iodt_bits_zero(&b);
		assert_int_equal(unm_check(t, base, span, 0, &b).dirty, iodt_table_span(t->v));
		iodt_bits_free(&b);
	}
}

/* R87, R94: all of the space, sparse, in one or two calls; more than 2^31 pages where there are as many. */
static void whole_space(struct iodt *t)
{
	uint64_t places[IODT_PLACES], granule;
	struct iodt_part part[2];
	size_t i, k, n = iodt_places(t->v, t->page, places);
	struct iodt_bits b;

	for (i = 0; i < n; i++) {
		iodt_map(t, places[i], (2 * i + 1) * t->page, t->page, IODT_RW);
		if (i % 2 == 0)
			unm_mark(t, places[i], 0);
	}
	n = iodt_parts(t->v, part);
	for (k = 0; k < n; k++) {
		granule = part[k].len >> 20;
		iodt_bits_init(&b, part[k].iova, part[k].len,
			       granule > t->page ? granule : t->page);
		unm_check(t, part[k].iova, part[k].len, 0, &b);
		/* again: nothing is there */
		assert_int_equal(unm_check(t, part[k].iova, part[k].len, 0, &b).unmapped, 0);
		iodt_bits_free(&b);
	}
	assert_int_equal(t->nr_segs, 0);
	assert_int_equal(iodt_info(t->pt).tables, 1);
}

/* R87: more than 2^31 pages, and a bit for each. */
static void more_than_int_max_pages(struct iodt *t)
{
	uint64_t pages = IODT_BIT(31) + 128, len = pages * t->page, base = t->v->first, at[4], i;
	uint64_t bytes = iod_bitmap_bytes(len, t->page), *mem;
	struct iod_unmap_dirty u;
	struct iodt_bits b;

	if (sizeof(void *) < 8 || unm_room(t, len) != len)
		return;
	mem = calloc(1, bytes);
	if (!mem)
		return;
	iodt_assert_ok(iod_bitmap_init(&b.bm, base, len, t->page, mem, bytes, 0));
	at[0] = base;
	at[1] = base + (IODT_BIT(31) - 1) * t->page;
	at[2] = base + IODT_BIT(31) * t->page;
	at[3] = base + (pages - 1) * t->page;
	for (i = 0; i < 4; i++)
		iodt_map(t, at[i], (2 * i + 1) * t->page, t->page, IODT_RW | IOD_PROT_DIRTY);
	u = unm_arg(t, base, len, 0, &b);
	iodt_assert_ok(iod_unmap_dirty(t->pt, &u));
	iodt_sync(t);
	assert_int_equal(u.unmapped, 4 * t->page);
	assert_int_equal(iod_bitmap_count(&b.bm), 4);
	for (i = 0; i < 4; i++)
		assert_true(iod_bitmap_test(&b.bm, at[i]));
	iodt_expect_unmap(t, base, len);
	iodt_verify(t);
	free(mem);
}

/* ---- holes ---- */

/* R80, R82: holes at the first and the last page, an empty table: no error, and 0 bytes say so. */
static void holes_and_nothing(struct iodt *t)
{
	uint64_t base = t->v->first, p = t->page, len = unm_room(t, 16 * p);
	struct unm_done d;

	d = unm_relative(t, base, len, 0);
	assert_true(d.unmapped == 0 && d.dirty == 0);
	if (len < 16 * p)
		return;
	iodt_map(t, base + p, p, 2 * p, IODT_RW | IOD_PROT_DIRTY);
	iodt_map(t, base + 9 * p, 32 * p, p, IODT_RW);
	d = unm_relative(t, base, len, 0);
	assert_true(d.unmapped == 3 * p && d.dirty == 2 * p);
	/* the tables are there, or gone: nothing mapped either way */
	d = unm_relative(t, base + p, p, 0);
	assert_int_equal(d.unmapped, 0);
}

/* R81: a hole anywhere, when none is allowed. */
static void no_holes(struct iodt *t)
{
	uint64_t base = t->v->first, p = t->page, len = 16 * p;
	struct iod_unmap_dirty u;
	struct iodt_bits b;

	if (unm_room(t, len) < len)
		return;
	iodt_bits_init(&b, base, len, p);
	iodt_map(t, base + p, 0, 2 * p, IODT_RW | IOD_PROT_DIRTY);
	iodt_map(t, base + 4 * p, 8 * p, 4 * p, IODT_RW | IOD_PROT_DIRTY);
	u = unm_arg(t, base, 3 * p, IOD_UNMAP_NO_HOLES, &b);
	unm_refused(t, &u, -ENOENT);
	u = unm_arg(t, base + p, 7 * p, IOD_UNMAP_NO_HOLES, &b);
	unm_refused(t, &u, -ENOENT);
	u = unm_arg(t, base + 4 * p, 5 * p, IOD_UNMAP_NO_HOLES, &b);
	unm_refused(t, &u, -ENOENT);
	u = unm_arg(t, base + 9 * p, p, IOD_UNMAP_NO_HOLES, &b);
	unm_refused(t, &u, -ENOENT);
	assert_int_equal(unm_check(t, base + 4 * p, 4 * p, IOD_UNMAP_NO_HOLES, &b).dirty, 4 * p);
	iodt_bits_free(&b);
}

/* ---- refusals ---- */

static void refuse_at(struct iodt *t, uint64_t iova, uint64_t len, uint32_t flags, int err)
{
	struct iod_unmap_dirty u;
	struct iodt_bits b;

	iodt_bits_init(&b, iova, len, t->page);
	u = unm_arg(t, iova, len, flags, &b);
	unm_refused(t, &u, err);
	u = unm_arg(t, iova, len, flags | IOD_UNMAP_DRY_RUN, &b);
	unm_refused(t, &u, err);
	iodt_bits_free(&b);
}

/* R81: a range that cuts a page, at either end, whatever else is in it. */
static void bisecting(struct iodt *t)
{
	uint64_t size, base = t->v->first, p = t->page;
	unsigned int s;

	for (s = 13; s < 64; s++) {
		size = IODT_BIT(s);
		if (!(t->v->sizes & size) || size == p || size / p > IODT_BIT(22))
			continue;
		iodt_map(t, base, 0, size, IODT_RW | IOD_PROT_DIRTY);
		refuse_at(t, base, size / 2, 0, -EINVAL);
		refuse_at(t, base, p, 0, -EINVAL);
		refuse_at(t, base + size / 2, size / 2, 0, -EINVAL);
		refuse_at(t, base + p, p, 0, -EINVAL);
		refuse_at(t, base + p, size - p, IOD_UNMAP_NO_HOLES, -EINVAL);
		if (unm_room(t, 2 * size) == 2 * size) {
			iodt_map(t, base + size, p, p, IODT_RW | IOD_PROT_DIRTY);
			refuse_at(t, base + p, size, 0, -EINVAL);
			refuse_at(t, base + size / 2, size, 0, -EINVAL);
		}
		unm_relative(t, base, unm_room(t, 2 * size), 0);
		assert_int_equal(t->nr_segs, 0);
	}
}

/* R73, R77, R89: what cannot be recorded is not unmapped. */
static void bitmap_too_small(struct iodt *t)
{
	uint64_t base = t->v->first, p = t->page;
	struct iod_unmap_dirty u;
	struct iodt_bits b;

	if (unm_room(t, 8 * p) < 8 * p)
		return;
	unm_map_small(t, base, 4 * p);
	unm_mark(t, base, 0);
	iodt_bits_init(&b, base + p, 2 * p, p);
	u = unm_arg(t, base, 3 * p, 0, &b); /* begins before */
	unm_refused(t, &u, -ERANGE);
	u = unm_arg(t, base + p, 3 * p, 0, &b); /* ends behind */
	unm_refused(t, &u, -ERANGE);
	u = unm_arg(t, base + 3 * p, p, IOD_UNMAP_DRY_RUN, &b);
	unm_refused(t, &u, -ERANGE);
	u = unm_arg(t, base, 4 * p, 0, &b);
	unm_refused(t, &u, -ERANGE);
	unm_check(t, base + p, 2 * p, 0, &b);
	iodt_bits_free(&b);
	unm_relative(t, base, 4 * p, 0);
}

/* R25 */
static void outside(struct iodt *t)
{
	const struct iodt_variant *v = t->v;
	uint64_t p = t->page;

	iodt_map(t, v->last - (p - 1), 0, p, IODT_RW);
	iodt_map(t, v->first, 0, p, IODT_RW);
	if (v->last != UINT64_MAX)
		refuse_at(t, v->last - (p - 1), 2 * p, 0, -ERANGE);
	if (v->first)
		refuse_at(t, v->first - p, 2 * p, 0, -ERANGE);
	if (v->hole_first) {
		refuse_at(t, v->hole_first - p, 2 * p, 0, -ERANGE);
		refuse_at(t, v->hole_last + 1 - p, 2 * p, 0, -ERANGE);
	}
	unm_relative(t, v->last - (p - 1), p, 0);
	unm_relative(t, v->first, p, 0);
}

/* R74, R76, R77: every field, one at a time. */
static void bad_arguments(struct iodt *t)
{
	uint64_t p = t->page, base = t->v->first, odd[4] = { 0 };
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	struct iod_bitmap none = { 0 };
	struct iod_unmap_dirty good, u;
	struct iod_pgtable *other = NULL;
	struct iod_gather *gather = NULL;
	struct iodt_bits b;
	struct {
		struct iod_unmap_dirty u;
		uint64_t tail;
	} big = { .tail = 1 };

	iodt_map(t, base, 0, p, IODT_RW | IOD_PROT_DIRTY);
	iodt_bits_init(&b, base, p, p);
	good = unm_arg(t, base, p, 0, &b);
	assert_int_equal(iod_unmap_dirty(NULL, &good), -EINVAL);
	assert_int_equal(iod_unmap_dirty(t->pt, NULL), -EINVAL);
#define REFUSED(change, err)             \
	do {                             \
		u = good;                \
		u.change;                \
		unm_refused(t, &u, err); \
	} while (0)
	REFUSED(size = 0, -EINVAL);
	REFUSED(size = 24, -EINVAL);
	REFUSED(flags = 1u << 5, -EINVAL);
	REFUSED(flags = 1u << 31, -EINVAL);
	REFUSED(reserved = 1, -EINVAL);
	REFUSED(len = 0, -EINVAL);
	REFUSED(len = p - 1, -EINVAL);
	REFUSED(len = p / 2, -EINVAL);
	REFUSED(iova = base + 8, -EINVAL);
	REFUSED(gather = NULL, -EINVAL);
	REFUSED(bitmap = NULL, -EINVAL);
	REFUSED(iova = 0 - p; u.len = 2 * p, -ERANGE);
	iodt_assert_ok(iod_pgtable_create(&other, &cfg));
	iodt_assert_ok(iod_gather_create(&gather, other, NULL));
	REFUSED(gather = gather, -EINVAL);
	u = good;
	u.bitmap = &none;
	assert_int_not_equal(iod_unmap_dirty(t->pt, &u), 0);
	big.u = good;
	big.u.size = sizeof(big);
	unm_refused(t, &big.u, -E2BIG);
	/* a struct of tomorrow with nothing in it */
	big.tail = 0;
	big.u.flags = IOD_UNMAP_DRY_RUN;
	unm_refused(t, &big.u, 0);
	/* bitmaps that are none are refused when they are made */
	assert_int_equal(iod_bitmap_init(&none, base, p, p, NULL, 8, 0), -EINVAL);
	assert_int_equal(iod_bitmap_init(&none, base, p, p, (char *)odd + 1, 16, 0), -EINVAL);
	assert_int_equal(iod_bitmap_init(&none, base, 3 * p, 3 * p, odd, 16, 0), -EINVAL);
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_assert_ok(iod_pgtable_destroy(other));
	unm_check(t, base, p, 0, &b);
	iodt_bits_free(&b);
}

/* R88: where hardware marks nothing, a bitmap would be empty and mean nothing. */
static void without_dirty(struct iodt *t)
{
	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	refuse_at(t, t->v->first, t->page, 0, -EOPNOTSUPP);
	iodt_unmap(t, t->v->first, t->page);
}

static void attached(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	struct iod_hw_info hw = { .size = sizeof(hw) };
	struct iod_gather *gather = NULL;
	struct iod_pgtable *pt = NULL;
	struct iod_unmap_dirty u;
	struct iodt_bits b;

	iodt_map(t, t->v->first, 0, t->page, IODT_RW | IOD_PROT_DIRTY);
	iodt_assert_ok(iod_pgtable_get_hw_info(t->pt, &hw));
	cfg.levels = hw.levels;
	iodt_assert_ok(iod_pgtable_attach(&pt, &cfg, hw.root));
	iodt_assert_ok(iod_gather_create(&gather, pt, NULL));
	iodt_bits_init(&b, t->v->first, t->page, t->page);
	u = unm_arg(t, t->v->first, t->page, 0, &b);
	u.gather = gather;
	assert_int_equal(iod_unmap_dirty(pt, &u), -EOPNOTSUPP);
	assert_int_equal(iodt_bits_count(&b), 0);
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_assert_ok(iod_pgtable_destroy(pt));
	iodt_verify(t);
	iodt_bits_free(&b);
}

/* A dry run says what the call would say, and changes nothing. */
static void dry_run(struct iodt *t)
{
	uint64_t base = t->v->first, size = unm_room(t, 3 * iodt_table_span(t->v));
	struct iod_unmap_dirty u;
	struct iodt_bits b;

	unm_populate(t, base, size, 40);
	iodt_bits_init(&b, base, size, t->page);
	u = unm_arg(t, base, size, IOD_UNMAP_DRY_RUN, &b);
	unm_refused(t, &u, 0);
	u.flags |= IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS;
	unm_refused(t, &u, 0);
	unm_check(t, base, size, 0, &b);
	iodt_bits_free(&b);
}

/* ---- what is reported ---- */

/* ARM without DBM: hardware never says, so it counts as dirty, unless asked otherwise. */
static void untracked(struct iodt *t)
{
	uint64_t base = t->v->first, p = t->page;
	uint32_t flags = 0;
	unsigned int i;

	if (unm_room(t, 8 * p) < 8 * p)
		return;
	for (i = 0; i < 2; i++, flags = IOD_UNMAP_SKIP_UNTRACKED) {
		iodt_map(t, base, p, p, IODT_RW | IOD_PROT_UNTRACKED);
		iodt_map(t, base + 2 * p, 3 * p, p, IODT_RW | IOD_PROT_DIRTY);
		iodt_map(t, base + 4 * p, 7 * p, p, IOD_PROT_READ);
		assert_int_equal(unm_relative(t, base, 8 * p, flags).dirty, (2 - i) * p);
		/* in a table that is cut off */
		if (unm_room(t, 2 * iodt_table_span(t->v)) < 2 * iodt_table_span(t->v))
			continue;
		iodt_map(t, base, p, p, IODT_RW | IOD_PROT_UNTRACKED);
		iodt_map(t, base + 2 * p, 3 * p, p, IODT_RW | IOD_PROT_DIRTY);
		assert_int_equal(unm_relative(t, base, iodt_table_span(t->v), flags).dirty,
				 (2 - i) * p);
	}
}

/*
 * A pruned sweep that was not to report untracked pages took Accessed from their table: that says nothing to
 * an unmap that is to report them, and is the last to look.
 */
static void untracked_behind_a_pruned_sweep(struct iodt *t)
{
	uint64_t base = t->v->first, p = t->page, len = iodt_table_span(t->v);
	struct iod_sweep s;
	struct iodt_bits b;

	if (unm_room(t, 2 * len) < 2 * len)
		return;
	iodt_map(t, base + p, 2 * p, p, IODT_RW | IOD_PROT_UNTRACKED);
	iodt_map(t, base + 4 * p, p, p, IODT_RW);
	iodt_bits_init(&b, base, len, p);
	iodt_dma_write(t, base + p);
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, base, len, &b);
	s.flags = IOD_SWEEP_PRUNE | IOD_SWEEP_SKIP_UNTRACKED;
	iodt_assert_ok(iod_sweep(t->pt, &s));
	iodt_sync(t);
	assert_int_equal(iodt_bits_count(&b), 0);
	assert_int_equal(unm_check(t, base, len, 0, &b).dirty, p);
	assert_true(iodt_bits_get(&b, base + p));
	iodt_bits_free(&b);
}

/* R73: bits that are set stay, bits beside the range are left alone. */
static void bitmap_is_never_zeroed(struct iodt *t)
{
	uint64_t base = t->v->first, size = unm_room(t, 2 * iodt_table_span(t->v)), i;
	struct iodt_bits b;

	unm_populate(t, base, size, 40);
	iodt_bits_init(&b, base, size, t->page);
	for (i = 0; i < b.bytes / 8 - 1; i++)
		b.mem[i] = iodt_random(t);
	unm_check(t, base, size, 0, &b);
	iodt_bits_free(&b);
}

/* What is left of a run whose first item became a page of its own: all of it is dirty, and begins where that does. */
static void partial_replica_set(struct iodt *t)
{
	uint64_t leaf, words[1] = { 0 }, size = 4 * IODT_2M;
	struct iod_bitmap bm;
	struct iod_unmap_dirty u = { .size = sizeof(u), .len = size, .gather = t->gather };
	struct iod_mapping m;

	if (!(t->v->sizes & size) || !(t->v->sizes & IODT_2M))
		skip();
	iodt_assert_ok(iod_map(t->pt, 0, 0, size, IODT_RW | IOD_PROT_DIRTY, t->gather, NULL));
	iodt_assert_ok(iod_translate(t->pt, 0, &m));
	assert_int_equal(m.items, 4);
	leaf = iodt_make_leaf(t->v, IODT_2M, 0, IODT_RW);
	iodt_write(t, m.pte_pa, iodt_pte_mark(t->v, leaf));
	iodt_assert_ok(iod_bitmap_init(&bm, 0, size, IODT_2M, words, sizeof(words), 0));
	u.bitmap = &bm;
	iodt_assert_ok(iod_unmap_dirty(t->pt, &u));
	iodt_assert_ok(iod_gather_sync(t->gather));
	assert_int_equal(u.unmapped, size);
	assert_int_equal(iod_bitmap_count(&bm), 4);
}

static const struct iodt_test tests[] = {
	{ "partial_replica_set", IODT_DIRTY | IODT_REPLICAS, 0, partial_replica_set },
	{ "random_unmaps", IODT_DIRTY, 0, random_unmaps },
	{ "one_page_of_every_size", IODT_DIRTY, 0, one_page_of_every_size },
	{ "granules", IODT_DIRTY, 0, granules },
	{ "mapped_small_unmapped_large", IODT_DIRTY | IODT_TABLES, 0, mapped_small_unmapped_large },
	{ "whole_space", IODT_DIRTY, 0, whole_space },
	{ "more_than_int_max_pages", IODT_DIRTY | IODT_PLAIN | IODT_GRAN4K, 0,
	  more_than_int_max_pages },
	{ "holes_and_nothing", IODT_DIRTY, 0, holes_and_nothing },
	{ "no_holes", IODT_DIRTY, 0, no_holes },
	{ "bisecting", IODT_DIRTY, 0, bisecting },
	{ "bitmap_too_small", IODT_DIRTY, 0, bitmap_too_small },
	{ "outside", IODT_DIRTY, 0, outside },
	{ "bad_arguments", IODT_DIRTY, 0, bad_arguments },
	{ "without_dirty", 0, IODT_DIRTY, without_dirty },
	{ "attached", IODT_DIRTY, 0, attached },
	{ "dry_run", IODT_DIRTY, 0, dry_run },
	{ "untracked", IODT_DIRTY | IODT_ARM, 0, untracked },
	{ "untracked_behind_a_pruned_sweep", IODT_DIRTY | IODT_ARM | IODT_PRUNE | IODT_TABLES, 0,
	  untracked_behind_a_pruned_sweep },
	{ "bitmap_is_never_zeroed", IODT_DIRTY, 0, bitmap_is_never_zeroed },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
