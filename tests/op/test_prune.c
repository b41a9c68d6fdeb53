/* SPDX-License-Identifier: MIT */
/*
 * IOD_SWEEP_PRUNE: what is skipped and what never is, what becomes of Accessed in the entries above leaf
 * tables, and what a stop or an error leaves behind. Random sequences with devices at work inside the
 * invalidations, and twins, are in prop/.
 */
#include "iodtest.h"

#define CLEAR  IOD_SWEEP_CLEAR
#define PRUNE  IOD_SWEEP_PRUNE
#define TABLES 6

/* Leaf tables full of the smallest pages; where there is room for so many. */
struct rows {
	struct iodt *t;
	uint64_t base, span;
	unsigned int nr;
	struct iodt_bits bits;
};

/* Only the smallest pages: output addresses fit no larger one. */
static void map_small(struct iodt *t, uint64_t iova, uint64_t len, uint32_t prot)
{
	iodt_map(t, iova, (iova - t->v->first) % IODT_1G + t->page, len, prot);
}

static void rows_init(struct rows *r, struct iodt *t, bool map)
{
	uint64_t room = (t->v->last - t->v->first) / iodt_table_span(t->v) + 1;
	unsigned int i;

	*r = (struct rows){ .t = t, .base = t->v->first, .span = iodt_table_span(t->v) };
	r->nr = room < TABLES ? (unsigned int)room : TABLES;
	iodt_bits_init(&r->bits, r->base, r->nr * r->span, t->page);
	/* page by page at both ends, whole tables by one call: both ways tables come into being */
	for (i = 0; map && i < r->nr; i++) {
		if (i % 3)
			map_small(t, r->base + i * r->span, r->span, IODT_RW);
		else
			map_small(t, r->base + i * r->span, r->span - t->page, IODT_RW);
	}
}

static void rows_free(struct rows *r)
{
	iodt_sync(r->t);
	iodt_bits_free(&r->bits);
}

static uint64_t page_at(const struct rows *r, unsigned int row, uint64_t page)
{
	return r->base + row * r->span + page * r->t->page;
}

static bool accessed(const struct rows *r, unsigned int row)
{
	uint64_t pa = iodt_table_entry(r->t->pt, r->t->v, page_at(r, row, 0));

	return pa && iodt_read(r->t, pa) & iodt_accessed_bit(r->t->v);
}

static struct iod_sweep sweep_part(struct rows *r, uint32_t flags, uint64_t iova, uint64_t len,
				   uint64_t budget)
{
	struct iod_sweep s = iodt_sweep_arg(r->t, CLEAR, iova, len, &r->bits);

	s.flags = flags;
	s.budget = budget;
	iodt_bits_zero(&r->bits);
	iodt_assert_ok(iod_sweep(r->t->pt, &s));
	assert_int_equal(s.bad, 0);
	return s;
}

static struct iod_sweep sweep_all(struct rows *r, uint32_t flags)
{
	struct iod_sweep s = sweep_part(r, flags, r->base, r->nr * r->span, 0);

	assert_int_equal(s.done, s.len);
	iodt_assert_ok(iod_gather_sync(r->t->gather));
	return s;
}

/* ---- where it is refused ---- */

static int ask(struct iodt *t, struct iod_pgtable *pt, struct iod_gather *gather,
	       enum iod_sweep_mode mode)
{
	struct iodt_bits b;
	struct iod_sweep s;
	int ret;

	iodt_bits_init(&b, t->v->first, t->page, t->page);
	s = iodt_sweep_arg(t, mode, t->v->first, t->page, &b);
	s.gather = mode == IOD_SWEEP_READ ? NULL : gather;
	s.flags = PRUNE;
	ret = iod_sweep(pt, &s);
	iodt_bits_free(&b);
	return ret;
}

static void refused_without_feature(struct iodt *t)
{
	assert_int_equal(ask(t, t->pt, t->gather, CLEAR), -EOPNOTSUPP);
}

static void refused_modes(struct iodt *t)
{
	assert_int_equal(ask(t, t->pt, t->gather, IOD_SWEEP_READ), -EINVAL);
	assert_int_equal(ask(t, t->pt, t->gather, IOD_SWEEP_CLEAR_BY_BITMAP), -EINVAL);
	assert_int_equal(ask(t, t->pt, t->gather, CLEAR), 0);
}

/* It would forget whom to tell. */
static void refused_without_ops(struct iodt *t)
{
	struct iod_gather *gather;
	struct iod_sweep s;
	struct iodt_bits b;

	iodt_map(t, t->v->first, 0, t->page, IODT_RW | IOD_PROT_DIRTY);
	iodt_bits_init(&b, t->v->first, t->page, t->page);
	iodt_assert_ok(iod_gather_create(&gather, t->pt, NULL));
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, t->v->first, t->page, &b);
	s.flags = IOD_SWEEP_PRUNE;
	s.gather = gather;
	assert_int_equal(iod_sweep(t->pt, &s), -EINVAL);
	assert_int_equal(iodt_bits_count(&b), 0);
	iodt_bits_free(&b);
	iodt_assert_ok(iod_gather_destroy(gather));
}

/* Tables of somebody else, adopted or not: how their entries came to be is not known. */
static void refused_on_attached(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	struct iod_hw_info hw = { .size = sizeof(hw) };
	struct iod_gather *gather;
	struct iod_pgtable *seen;
	uint64_t root;
	void *p;

	iodt_assert_ok(iod_pgtable_get_hw_info(t->pt, &hw));
	iodt_assert_ok(iod_pgtable_attach(&seen, &cfg, hw.root));
	iodt_assert_ok(iod_gather_create(&gather, seen, NULL));
	assert_int_equal(ask(t, seen, gather, CLEAR), -EOPNOTSUPP);
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_assert_ok(iod_pgtable_destroy(seen));
	iodt_assert_ok(iod_mem_alloc(t->mem, hw.root_len < 4096 ? 4096 : hw.root_len, &root));
	iodt_assert_ok(iod_mem_host_ptr(t->mem, root, hw.root_len, true, &p));
	cfg.flags = IOD_ATTACH_ADOPT;
	iodt_assert_ok(iod_pgtable_attach(&seen, &cfg, root));
	iodt_assert_ok(iod_gather_create(&gather, seen, NULL));
	assert_int_equal(ask(t, seen, gather, CLEAR), -EOPNOTSUPP);
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_assert_ok(iod_pgtable_destroy(seen));
}

static int visit_ret;

static int sweep_inside(void *cookie, const struct iod_visit_event *event)
{
	struct iodt *t = cookie;

	(void)event;
	visit_ret = ask(t, t->pt, t->gather, CLEAR);
	return 0;
}

static void refused_inside_visit(struct iodt *t)
{
	struct iod_visit v = { .size = sizeof(v), .fn = sweep_inside, .cookie = t };

	v.iova = t->v->first;
	v.len = t->page;
	visit_ret = 0;
	iodt_assert_ok(iod_visit(t->pt, &v));
	assert_int_equal(visit_ret, -EINVAL);
}

/* No source confirms it (bits.md F4). */
static void refused_by_amd(void **state)
{
	static const enum iod_format formats[] = { IOD_AMD_V1, IOD_AMD_V2 };
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg) };
	struct iod_pgtable *pt;
	size_t i;

	(void)state;
	iodt_assert_ok(iod_mem_create_arena(&cfg.mem, NULL));
	for (i = 0; i < 2; i++) {
		cfg.format = formats[i];
		cfg.features = IOD_PT_HW_DIRTY | IOD_PT_HW_TABLE_ACCESS;
		assert_int_equal(iod_pgtable_create(&pt, &cfg), -EOPNOTSUPP);
	}
	iodt_assert_ok(iod_mem_destroy(cfg.mem));
}

/* ---- what is skipped ---- */

/* Nothing used: nothing looked at. Then one, then none again; Accessed comes and goes. */
static void untouched_is_skipped(struct iodt *t)
{
	uint64_t per_table, row, i;
	struct iod_sweep s;
	struct rows r;

	rows_init(&r, t, true);
	per_table = r.span / t->page;
	s = sweep_all(&r, PRUNE);
	assert_int_equal(s.pruned, r.nr);
	assert_int_equal(iodt_bits_count(&r.bits), 0);
	assert_true(s.items < per_table);
	for (row = 0; row < r.nr; row++) {
		iodt_dma_write(t, page_at(&r, (unsigned int)row, 7));
		assert_true(accessed(&r, (unsigned int)row));
		s = sweep_all(&r, PRUNE);
		assert_int_equal(s.pruned, r.nr - 1);
		assert_int_equal(s.dirty, 1);
		assert_int_equal(s.cleaned, 1);
		assert_true(s.items >= per_table);
		assert_int_equal(iodt_bits_count(&r.bits), 1);
		assert_true(iodt_bits_get(&r.bits, page_at(&r, (unsigned int)row, 7)));
		for (i = 0; i < r.nr; i++)
			assert_false(accessed(&r, (unsigned int)i));
	}
	s = sweep_all(&r, PRUNE);
	assert_int_equal(s.pruned, r.nr);
	rows_free(&r);
}

/* A range that cuts through two tables: these keep Accessed, are swept all the same, every time. */
static void tables_at_the_edges(struct iodt *t)
{
	uint64_t first, last;
	unsigned int i;
	struct rows r;

	rows_init(&r, t, true);
	first = page_at(&r, 0, 5);
	last = page_at(&r, r.nr - 1, 9) - 1;
	for (i = 0; i < r.nr; i++)
		iodt_dma_write(t, page_at(&r, i, 6));
	sweep_part(&r, PRUNE, first, last - first + 1, 0);
	assert_int_equal(iodt_bits_count(&r.bits), r.nr);
	iodt_assert_ok(iod_gather_sync(t->gather));
	for (i = 0; i < r.nr; i++)
		assert_int_equal(accessed(&r, i), i == 0 || i == r.nr - 1);
	/* before and behind the range */
	iodt_dma_write(t, page_at(&r, 0, 1));
	iodt_dma_write(t, page_at(&r, r.nr - 1, 11));
	sweep_part(&r, PRUNE, first, last - first + 1, 0);
	assert_int_equal(iodt_bits_count(&r.bits), 0);
	sweep_all(&r, PRUNE);
	assert_int_equal(iodt_bits_count(&r.bits), 2);
	for (i = 0; i < r.nr; i++)
		assert_false(accessed(&r, i));
	rows_free(&r);
}

/* Leaves born dirty, page by page and in runs, in tables that exist or not, at the edges. */
static void born_dirty(struct iodt *t)
{
	unsigned int round, i, row, n;
	uint64_t pages, want, at;
	struct rows r;

	rows_init(&r, t, false);
	pages = r.span / t->page;
	for (round = 0; round < 40; round++) {
		for (want = 0, i = 0; i < 3; i++) {
			row = (unsigned int)iodt_below(t, r.nr);
			n = (unsigned int)iodt_below(t, 3) ? 1 : 40;
			at = iodt_below(t, pages - n);
			if (iodt_expected_any(t, page_at(&r, row, at), n * t->page))
				continue;
			map_small(t, page_at(&r, row, at), n * t->page,
				  IODT_RW | (i < 2 ? IOD_PROT_DIRTY : 0));
			want += i < 2 ? n : 0;
		}
		sweep_all(&r, PRUNE);
		assert_int_equal(iodt_bits_count(&r.bits), want);
	}
	assert_int_equal(sweep_all(&r, 0).dirty, 0);
	rows_free(&r);
}

/* A whole table at a time, and a mapping that begins in one and ends in another. */
static void born_dirty_tables(struct iodt *t)
{
	uint64_t len;
	struct rows r;

	rows_init(&r, t, false);
	len = r.nr * r.span - 2 * t->page;
	map_small(t, r.base + t->page, len, IODT_RW | IOD_PROT_DIRTY);
	sweep_all(&r, PRUNE);
	assert_int_equal(iodt_bits_count(&r.bits), len / t->page);
	assert_int_equal(sweep_all(&r, PRUNE).pruned, t->v->walk_levels > 1 ? r.nr : 0);
	iodt_unmap(t, r.base + t->page, len);
	map_small(t, r.base + 2 * t->page, t->page, IODT_RW | IOD_PROT_DIRTY);
	sweep_all(&r, PRUNE);
	assert_int_equal(iodt_bits_count(&r.bits), 1);
	rows_free(&r);
}

/* Leaves above the leaf tables are no tables: looked at every time, their Accessed left alone. */
static void large_leaves_between(struct iodt *t)
{
	uint64_t big = 0, i;
	struct rows r;
	struct iod_sweep s;
	uint64_t pte;

	rows_init(&r, t, false);
	if (r.nr < 4) { /* one table, or two */
		rows_free(&r);
		return;
	}
	map_small(t, r.base, r.span, IODT_RW);
	iodt_map(t, r.base + r.span, r.span, r.span, IODT_RW);
	map_small(t, r.base + 2 * r.span, r.span, IODT_RW);
	big = r.base + r.span;
	pte = iodt_walk(t, big).pte_pa;
	for (i = 0; i < 3; i++) {
		iodt_dma_write(t, big + 5 * t->page);
		s = sweep_all(&r, PRUNE);
		assert_int_equal(s.pruned, 2);
		assert_int_equal(s.dirty, 1);
		assert_int_equal(iodt_bits_count(&r.bits), r.span / t->page);
		assert_true(iodt_read(t, pte) & iodt_accessed_bit(t->v));
	}
	iodt_dma_write(t, r.base);
	iodt_dma_write(t, page_at(&r, 2, 3));
	s = sweep_all(&r, PRUNE);
	assert_int_equal(s.pruned, 0);
	assert_int_equal(iodt_bits_count(&r.bits), 2);
	rows_free(&r);
}

/* Sweeps that read, clear, or clear by bitmap in between take nothing from the next pruned one. */
static void other_sweeps_between(struct iodt *t)
{
	struct iod_sweep s;
	struct rows r;
	unsigned int row;

	rows_init(&r, t, true);
	for (row = 0; row < r.nr; row++) {
		iodt_dma_write(t, page_at(&r, row, 3));
		s = iodt_sweep_arg(t, IOD_SWEEP_READ, r.base, r.nr * r.span, &r.bits);
		iodt_assert_ok(iod_sweep(t->pt, &s));
		sweep_all(&r, PRUNE);
		assert_int_equal(iodt_bits_count(&r.bits), 1);
		iodt_dma_write(t, page_at(&r, row, 4));
		sweep_all(&r, 0);
		assert_int_equal(iodt_bits_count(&r.bits), 1);
		iodt_dma_write(t, page_at(&r, row, 5));
		s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR_BY_BITMAP, r.base, r.nr * r.span, &r.bits);
		iodt_assert_ok(iod_sweep(t->pt, &s)); /* page 4 only: clean */
		iodt_assert_ok(iod_gather_sync(t->gather));
		sweep_all(&r, PRUNE);
		assert_int_equal(iodt_bits_count(&r.bits), 1);
		assert_true(iodt_bits_get(&r.bits, page_at(&r, row, 5)));
	}
	rows_free(&r);
}

/* ---- a stop, an error ---- */

/* Stops with every budget; what was not swept has its Accessed again, for whoever comes next. */
static void stopped_by_budget(struct iodt *t)
{
	uint64_t budget, end, pages;
	unsigned int i, left, calls;
	struct iod_sweep s;
	struct rows r;

	rows_init(&r, t, true);
	pages = r.span / t->page;
	end = r.base + r.nr * r.span - 1;
	for (budget = 1; budget < pages * r.nr; budget += pages / 2 + 1) {
		for (i = 0; i < r.nr; i++)
			iodt_dma_write(t, page_at(&r, i, 2 + i));
		s = sweep_part(&r, PRUNE, r.base, r.nr * r.span, budget);
		assert_int_equal(s.next_iova, s.iova + s.done);
		for (left = 0, i = 0; i < r.nr; i++) {
			bool swept = s.done > i * r.span;

			assert_int_equal(accessed(&r, i), !swept);
			assert_int_equal(iodt_bits_get(&r.bits, page_at(&r, i, 2 + i)), swept);
			left += !swept;
		}
		iodt_assert_ok(iod_gather_sync(t->gather));
		if (iodt_below(t, 2)) { /* given up: from the beginning */
			assert_int_equal(sweep_all(&r, PRUNE).dirty, left);
			continue;
		}
		for (calls = 0; s.next_iova <= end && s.next_iova > r.base; calls++) {
			assert_true(calls <= r.nr);
			s = sweep_part(&r, PRUNE, s.next_iova, end - s.next_iova + 1, budget);
			left -= (unsigned int)s.dirty;
		}
		assert_int_equal(left, 0);
		iodt_assert_ok(iod_gather_sync(t->gather));
	}
	rows_free(&r);
}

/* Invalidations whose n-th call fails. */
struct flaky {
	unsigned int calls, fail_at;
};

static int flaky_call(struct flaky *f)
{
	return ++f->calls == f->fail_at ? -ETIMEDOUT : 0;
}

static int flaky_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	(void)inv;
	(void)nr;
	return flaky_call(cookie);
}

static int flaky_sync(void *cookie)
{
	return flaky_call(cookie);
}

/*
 * Places two stretches apart (of 2^17 leaf tables each), in tables that do not touch: several calls for
 * each stretch.
 */
#define SPOTS 40

static uint64_t spot(const struct rows *r, unsigned int i)
{
	return r->base + (i / (SPOTS / 2) * (r->span << 18)) + i % (SPOTS / 2) * 3 * r->span;
}

static struct iodt_bits far_bits;

static int flaky_sweep(struct iodt *t, struct iod_gather *gather, struct rows *r,
		       struct iod_sweep *s)
{
	*s = iodt_sweep_arg(t, CLEAR, r->base, far_bits.bm.nbits << far_bits.bm.granule_lg2,
			    &far_bits);
	s->flags = PRUNE;
	s->gather = gather;
	return iod_sweep(t->pt, s);
}

/* Whatever call fails: told so, how far it came is exact, and later sweeps find the rest. */
static void failing_invalidation(struct iodt *t)
{
	struct iod_inv_ops ops = { .size = sizeof(ops),
				   .invalidate = flaky_invalidate,
				   .sync = flaky_sync };
	struct flaky f = { 0 };
	struct iod_gather_cfg cfg = { .size = sizeof(cfg), .ops = &ops, .cookie = &f };
	struct rows r = { .t = t, .base = t->v->first, .span = iodt_table_span(t->v) };
	struct iod_gather *gather;
	struct iod_sweep s;
	unsigned int i, round, seen, found;
	int ret;

	if ((t->v->last - t->v->first) / r.span < 1u << 19)
		return;
	/* a granule per table */
	iodt_bits_init(&far_bits, r.base, r.span << 19, r.span);
	iodt_assert_ok(iod_gather_create(&gather, t->pt, &cfg));
	for (i = 0; i < SPOTS; i++)
		map_small(t, spot(&r, i), t->page, IODT_RW);
	for (round = 1, seen = 1; seen; round++) {
		for (i = 0; i < SPOTS; i++)
			iodt_dma_write(t, spot(&r, i));
		iodt_bits_zero(&far_bits);
		f = (struct flaky){ .fail_at = round };
		ret = flaky_sweep(t, gather, &r, &s);
		seen = f.calls >= round;
		assert_int_equal(ret, seen ? -ETIMEDOUT : 0);
		for (i = 0, found = 0; i < SPOTS; i++) {
			bool got = iodt_bits_get(&far_bits, spot(&r, i));
			uint64_t pa = iodt_table_entry(t->pt, t->v, spot(&r, i));

			assert_int_equal(got, spot(&r, i) - r.base < s.done);
			assert_int_equal(!!(iodt_read(t, pa) & iodt_accessed_bit(t->v)), !got);
			found += got;
		}
		assert_int_equal(s.next_iova, s.iova + s.done);
		assert_int_equal(s.dirty, found);
		iodt_bits_zero(&far_bits);
		iodt_assert_ok(flaky_sweep(t, gather, &r, &s));
		assert_int_equal(iodt_bits_count(&far_bits), SPOTS - found);
		iodt_assert_ok(iod_gather_sync(gather));
	}
	assert_true(round >= 5); /* two calls for each stretch, at least */
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_bits_free(&far_bits);
}

/* Around the end of a stretch, ranges that begin and end there. */
static void stretch_boundary(struct iodt *t)
{
	uint64_t span = iodt_table_span(t->v), edge, first, last;
	struct rows r = { .t = t, .base = t->v->first, .span = span };
	int i, from, to;

	if ((t->v->last - t->v->first) / span < 1u << 18)
		return;
	edge = t->v->first + (span << 17);
	iodt_bits_init(&r.bits, edge - 4 * span, 8 * span, span);
	for (i = -3; i < 3; i++)
		map_small(t, edge + (uint64_t)i * span, t->page * 2, IODT_RW);
	for (from = -3; from < 3; from++) {
		for (to = from; to < 3; to++) {
			first = edge + (uint64_t)from * span;
			last = edge + (uint64_t)to * span + (span - 1);
			for (i = -3; i < 3; i++)
				iodt_dma_write(t, edge + (uint64_t)i * span);
			sweep_part(&r, PRUNE, first, last - first + 1, 0);
			assert_int_equal(iodt_bits_count(&r.bits), to - from + 1);
			sweep_part(&r, PRUNE, first, last - first + 1, 0);
			assert_int_equal(iodt_bits_count(&r.bits), 0);
			sweep_part(&r, PRUNE, edge - 4 * span, 8 * span, 0);
			assert_int_equal(iodt_bits_count(&r.bits), 6 - (to - from + 1));
			iodt_assert_ok(iod_gather_sync(t->gather));
		}
	}
	rows_free(&r);
}

/* ---- the second step ---- */

/* It covers what was taken, with walk caches, and is complete before anything is cleaned. */
static uint64_t step2_item, step2_dirty, step2_calls;

static void look(struct iodt *t, const struct iod_inv *inv, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (inv[i].table_levels) {
			assert_int_equal(inv[i].flags & IOD_INV_LEAF_ONLY, 0);
			step2_dirty += iodt_pte_dirty(t->v, iodt_read(t, step2_item));
			step2_calls++;
		}
}

static void invalidates_first(struct iodt *t)
{
	struct iodt_seg want[TABLES];
	unsigned int i;
	struct rows r;

	rows_init(&r, t, true);
	sweep_all(&r, PRUNE);
	for (i = 0; i < r.nr; i += 2) {
		iodt_dma_write(t, page_at(&r, i, 1));
		want[i / 2] = (struct iodt_seg){ .iova = page_at(&r, i, 0),
						 .last = page_at(&r, i, 0) + (r.span - 1) };
	}
	step2_item = iodt_walk(t, page_at(&r, 0, 1)).pte_pa;
	step2_dirty = step2_calls = 0;
	iodt_log_reset(t);
	t->log.hook = look;
	sweep_part(&r, PRUNE, r.base, r.nr * r.span, 0);
	t->log.hook = NULL;
	if (t->v->walk_levels > 1) {
		assert_true(iodt_log_is(t, want, (r.nr + 1) / 2));
		assert_int_equal(t->log.syncs, 1);
		assert_int_equal(t->log.unsynced, 0);
		assert_true(step2_calls > 0);
		assert_int_equal(step2_dirty, step2_calls);
	}
	assert_false(iodt_pte_dirty(t->v, iodt_read(t, step2_item)));
	rows_free(&r);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "refused_without_feature", IODT_DIRTY, IODT_PRUNE, refused_without_feature },
		{ "refused_modes", IODT_PRUNE, 0, refused_modes },
		{ "refused_without_ops", IODT_PRUNE, 0, refused_without_ops },
		{ "refused_on_attached", IODT_PRUNE, 0, refused_on_attached },
		{ "refused_inside_visit", IODT_PRUNE, 0, refused_inside_visit },
		{ "untouched_is_skipped", IODT_PRUNE | IODT_TABLES, 0, untouched_is_skipped },
		{ "tables_at_the_edges", IODT_PRUNE | IODT_TABLES, 0, tables_at_the_edges },
		{ "born_dirty", IODT_PRUNE, 0, born_dirty },
		{ "born_dirty_tables", IODT_PRUNE, 0, born_dirty_tables },
		{ "large_leaves_between", IODT_PRUNE | IODT_HUGE, 0, large_leaves_between },
		{ "other_sweeps_between", IODT_PRUNE, 0, other_sweeps_between },
		{ "stopped_by_budget", IODT_PRUNE | IODT_TABLES, 0, stopped_by_budget },
		{ "failing_invalidation", IODT_PRUNE | IODT_ROOMY, 0, failing_invalidation },
		{ "stretch_boundary", IODT_PRUNE | IODT_ROOMY, 0, stretch_boundary },
		{ "invalidates_first", IODT_PRUNE, 0, invalidates_first },
	};
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(refused_by_amd),
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
