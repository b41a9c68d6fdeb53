/* SPDX-License-Identifier: MIT */
/* iod_gather: exact ranges and levels, failures, and when tables are freed. */
#include "iodtest.h"

/* One expected invalidation. */
struct want {
	uint64_t iova, last;
	uint32_t flags, leaf_levels, table_levels;
};

static void expect(struct iodt *t, const struct want *w, size_t nr)
{
	size_t i;

	assert_int_equal(t->log.nr, nr);
	for (i = 0; i < nr; i++) {
		assert_int_equal(t->log.inv[i].kind, IOD_INV_RANGE);
		assert_int_equal(t->log.inv[i].domain, 0x1234);
		assert_int_equal(t->log.inv[i].iova, w[i].iova);
		assert_int_equal(t->log.inv[i].last, w[i].last);
		assert_int_equal(t->log.inv[i].flags, w[i].flags);
		assert_int_equal(t->log.inv[i].leaf_levels, w[i].leaf_levels);
		assert_int_equal(t->log.inv[i].table_levels, w[i].table_levels);
		assert_int_equal(IODT_BIT(t->log.inv[i].granule_lg2), t->page);
	}
	assert_true(t->log.syncs > 0);
	assert_int_equal(t->log.unsynced, 0);
	iodt_log_reset(t);
}

static void empty_gather_issues_nothing(struct iodt *t)
{
	iodt_sync(t);
	iodt_assert_ok(iod_gather_flush(t->gather));
	assert_int_equal(t->log.calls, 0);
	assert_int_equal(iodt_gather_info(t->gather).invalidations, 0);
	/* mapping where nothing was needs none */
	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	iodt_sync(t);
	assert_int_equal(t->log.calls, 0);
}

/* R103, R105: a leaf of every size: its range, its level, leaf-only. */
static void one_leaf_of_every_size(struct iodt *t)
{
	uint64_t size, iova, guard;
	struct want w = { .flags = IOD_INV_LEAF_ONLY };
	unsigned int s;

	for (s = 12; s < 64; s++) {
		size = IODT_BIT(s);
		if (!(t->v->sizes & size))
			continue;
		iova = t->v->last - (size - 1);
		if (iova == t->v->first)
			continue;
		/* a neighbour in the same table keeps it; where none fits, the table may go */
		guard = iova - iodt_item_size(t->v, size);
		if (!(t->v->sizes & iodt_item_size(t->v, size)))
			continue;
		iodt_map(t, guard, 0, iodt_item_size(t->v, size), IODT_RW);
		iodt_map(t, iova, 0, size, IODT_RW);
		iodt_log_reset(t);
		iodt_unmap(t, iova, size);
		iodt_sync(t);
		w.iova = iova;
		w.last = iova + (size - 1);
		w.leaf_levels = 1u << iodt_item_level(t->v, size);
		if (iodt_item_size(t->v, size) * 2 <= size * 2)
			expect(t, &w, 1);
		iodt_unmap(t, guard, iodt_item_size(t->v, size));
		iodt_sync(t);
	}
}

/* A range that covers a table takes the table: its level is told, and not leaf-only. */
static void tables_that_go_are_told(struct iodt *t)
{
	uint64_t span = t->page * (t->v->granule > 4096 ? t->v->granule / 8 : 512);
	uint64_t iova = t->v->first + span;
	struct want w = { iova, iova + span - 1, 0, 1, 2 };

	if (t->v->last - t->v->first < 4 * span - 1 || t->v->walk_levels < 2)
		return;
	iodt_map(t, iova + 3 * t->page, 0, t->page, IODT_RW);
	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	iodt_log_reset(t);
	iodt_unmap(t, iova, span);
	assert_int_equal(iodt_gather_info(t->gather).table_levels, 2);
	assert_int_equal(iodt_gather_info(t->gather).subtrees, 1);
	assert_int_equal(iodt_stats(t->mem).pending, 1);
	iodt_sync(t);
	expect(t, &w, 1);
	iodt_verify(t);
}

/* What it holds, before and after. */
static void info_counts(struct iodt *t)
{
	struct iod_gather_info info;
	uint64_t p = t->page, base = t->v->first;

	if (t->v->last - base < 16 * p - 1)
		return;
	iodt_map(t, base, 0, p, IODT_RW);
	iodt_map(t, base + 2 * p, 4 * p, p, IODT_RW);
	iodt_map(t, base + 8 * p, 12 * p, p, IODT_RW);
	iodt_unmap(t, base + 2 * p, p);
	iodt_unmap(t, base + 8 * p, p);
	info = iodt_gather_info(t->gather);
	assert_int_equal(info.ranges, 2);
	assert_int_equal(info.first, base + 2 * p);
	assert_int_equal(info.last, base + 9 * p - 1);
	assert_int_equal(info.leaf_levels, 1);
	assert_int_equal(info.table_levels, 0);
	assert_int_equal(info.subtrees, 0);
	assert_int_equal(info.syncs, 0);
	iodt_sync(t);
	info = iodt_gather_info(t->gather);
	assert_int_equal(info.ranges, 0);
	assert_int_equal(info.leaf_levels, 0);
	assert_int_equal(info.invalidations, 2);
	assert_int_equal(info.syncs, 1);
}

/* Neighbours that touch become one; what does not touch stays apart. */
static void neighbours_are_joined(struct iodt *t)
{
	uint64_t p = t->page, base = t->v->first;
	struct iodt_seg one = { .iova = base, .last = base + 3 * p - 1 };

	if (t->v->last - base < 16 * p - 1)
		return;
	for (int i = 2; i >= 0; i--)
		iodt_map(t, base + (uint64_t)i * p, 0, p, IODT_RW);
	for (int i = 0; i < 3; i++)
		iodt_unmap(t, base + (uint64_t)i * p, p);
	assert_int_equal(iodt_gather_info(t->gather).ranges, 1);
	iodt_log_reset(t);
	iodt_sync(t);
	assert_true(iodt_log_is(t, &one, 1));
}

/* More ranges than it keeps: joined, never forgotten. */
static void few_ranges_cover_all(struct iodt *t)
{
	struct iod_inv_ops ops = { .size = sizeof(ops) };
	struct iod_gather_cfg cfg = { .size = sizeof(cfg), .max_ranges = 4 };
	struct iod_gather *few = NULL;
	uint64_t n = 64, p = t->page, base = t->v->first, i;

	if (t->v->last - base < n * p - 1)
		return;
	iodt_assert_ok(iod_gather_create(&few, t->pt, &cfg));
	for (i = n; i-- > 0;)
		iodt_map(t, base + i * p, (i ^ 1) * p, p, IODT_RW);
	for (i = 0; i < n; i += 2) {
		iodt_assert_ok(iod_unmap(t->pt, base + i * p, p, 0, few, NULL));
		iodt_expect_unmap(t, base + i * p, p);
	}
	assert_true(iodt_gather_info(few).ranges <= 4);
	assert_int_equal(iodt_gather_info(few).first, base);
	assert_int_equal(iodt_gather_info(few).last, base + (n - 1) * p - 1);
	assert_int_equal(iod_gather_destroy(few), -EBUSY);
	iodt_assert_ok(iod_gather_sync(few));
	iodt_assert_ok(iod_gather_destroy(few));
	/* ops without invalidate are none */
	cfg.ops = &ops;
	assert_int_equal(iod_gather_create(&few, t->pt, &cfg), -EINVAL);
	iodt_verify(t);
}

/* R54, R65: a failing invalidate or sync keeps everything; the next call does it all. */
static void failure_keeps_everything(struct iodt *t)
{
	uint64_t bytes, base = t->v->first, p = t->page;
	struct iodt_part part[2];
	struct iod_gather_info info;
	unsigned int i;

	iodt_map(t, base, 0, p, IODT_RW);
	iodt_parts(t->v, part);
	iodt_unmap(t, part[0].iova, part[0].len);
	bytes = iodt_stats(t->mem).bytes;
	info = iodt_gather_info(t->gather);
	assert_true(info.ranges > 0);
	for (i = 0; i < 4; i++) {
		t->log.fail_invalidate = i & 1 ? 0 : -EIO;
		t->log.fail_sync = i & 1 ? -ETIMEDOUT : 0;
		assert_int_equal(i & 2 ? iod_gather_flush(t->gather) : iod_gather_sync(t->gather),
				 i & 1 ? -ETIMEDOUT : -EIO);
		t->log.fail_invalidate = t->log.fail_sync = 0;
		assert_int_equal(iodt_gather_info(t->gather).ranges, info.ranges);
		assert_int_equal(iodt_gather_info(t->gather).first, info.first);
		assert_int_equal(iodt_gather_info(t->gather).last, info.last);
		assert_int_equal(iodt_gather_info(t->gather).subtrees, info.subtrees);
		assert_int_equal(iodt_stats(t->mem).bytes, bytes);
		assert_int_equal(iod_gather_destroy(t->gather), -EBUSY);
	}
	iodt_log_reset(t);
	iodt_sync(t);
	assert_true(t->log.nr > 0 && t->log.syncs > 0);
	assert_int_equal(iodt_stats(t->mem).pending, 0);
	assert_int_equal(iodt_stats(t->mem).tables, iodt_info(t->pt).tables);
}

static void tables_still_there(struct iodt *t, const struct iod_inv *inv, size_t nr)
{
	uint64_t *bytes = t->priv;

	assert_int_equal(iodt_stats(t->mem).bytes, *bytes);
}

/* R56, R65: tables are freed by sync, not by unmap, not by flush, not before the invalidation. */
static void tables_wait_for_sync(struct iodt *t)
{
	uint64_t places[IODT_PLACES], bytes, detached;
	size_t i, n = iodt_places(t->v, t->page, places);
	struct iodt_part part[2];

	for (i = 0; i < n; i++)
		iodt_map(t, places[i], 0, t->page, IODT_RW);
	bytes = iodt_stats(t->mem).bytes;
	detached = iodt_info(t->pt).tables > 1;
	n = iodt_parts(t->v, part);
	for (i = 0; i < n; i++)
		iodt_unmap(t, part[i].iova, part[i].len);
	assert_int_equal(iodt_stats(t->mem).bytes, bytes);
	assert_int_equal(iodt_stats(t->mem).pending > 0, detached);
	iodt_assert_ok(iod_gather_flush(t->gather));
	assert_int_equal(iodt_stats(t->mem).bytes, bytes);
	assert_int_equal(iodt_stats(t->mem).pending > 0, detached);
	t->priv = &bytes;
	t->log.hook = tables_still_there;
	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	bytes = iodt_stats(t->mem).bytes;
	iodt_unmap(t, t->v->first, t->page);
	iodt_sync(t);
	t->log.hook = NULL;
	assert_int_equal(iodt_stats(t->mem).pending, 0);
	assert_int_equal(iodt_stats(t->mem).tables, iodt_info(t->pt).tables);
	iodt_verify(t);
}

static int sync_inside(void *cookie, const struct iod_visit_event *ev)
{
	struct iodt *t = cookie;

	assert_int_equal(iod_gather_sync(t->gather), -EINVAL);
	return 1;
}

/* A sync from a visit's callback would wait for itself: refused, nothing forgotten. */
static void sync_inside_a_visit_is_refused(struct iodt *t)
{
	struct iod_visit visit = { .size = sizeof(visit),
				   .iova = t->v->first,
				   .len = t->page,
				   .fn = sync_inside,
				   .cookie = t };

	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	iodt_unmap(t, t->v->first, t->page);
	iodt_log_reset(t);
	assert_int_equal(iod_visit(t->pt, &visit), 1);
	assert_int_equal(t->log.calls, 0);
	assert_int_equal(iodt_gather_info(t->gather).ranges, 1);
	iodt_sync(t);
	assert_int_equal(t->log.nr, 1);
}

/* The order of life: no page table goes before its gather, no memory before its page table. */
static void busy_while_referred_to(struct iodt *t)
{
	assert_int_equal(iod_pgtable_destroy(t->pt), -EBUSY);
	assert_int_equal(iod_mem_destroy(t->mem), -EBUSY);
	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	iodt_verify(t);
}

/* A gather of another table is not accepted. */
static void gather_of_another_table(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	struct iod_pgtable *other = NULL;

	iodt_assert_ok(iod_pgtable_create(&other, &cfg));
	assert_int_equal(iod_map(other, t->v->first, 0, t->page, IODT_RW, t->gather, NULL),
			 -EINVAL);
	iodt_assert_ok(iod_map(other, t->v->first, 0, t->page, IODT_RW, NULL, NULL));
	assert_int_equal(iod_unmap(other, t->v->first, t->page, 0, t->gather, NULL), -EINVAL);
	iodt_assert_ok(iod_pgtable_destroy(other));
	iodt_verify(t);
}

static const struct iodt_test tests[] = {
	{ "empty_gather_issues_nothing", 0, 0, empty_gather_issues_nothing },
	{ "one_leaf_of_every_size", 0, 0, one_leaf_of_every_size },
	{ "tables_that_go_are_told", IODT_TABLES, 0, tables_that_go_are_told },
	{ "info_counts", 0, 0, info_counts },
	{ "neighbours_are_joined", 0, 0, neighbours_are_joined },
	{ "few_ranges_cover_all", 0, 0, few_ranges_cover_all },
	{ "failure_keeps_everything", 0, 0, failure_keeps_everything },
	{ "tables_wait_for_sync", 0, 0, tables_wait_for_sync },
	{ "sync_inside_a_visit_is_refused", 0, 0, sync_inside_a_visit_is_refused },
	{ "busy_while_referred_to", 0, 0, busy_while_referred_to },
	{ "gather_of_another_table", 0, 0, gather_of_another_table },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
