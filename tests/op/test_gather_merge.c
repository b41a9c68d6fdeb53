/* SPDX-License-Identifier: MIT */
/* iod_gather_merge(): everything of one gather becomes the other's, or nothing. */
#include "iodtest.h"

/* Another gather for the test's table, with invalidations recorded by nobody. */
static struct iod_gather *another(struct iodt *t, uint32_t max_ranges)
{
	struct iod_gather_cfg cfg = { .size = sizeof(cfg), .max_ranges = max_ranges };
	struct iod_gather *g = NULL;

	iodt_assert_ok(iod_gather_create(&g, t->pt, &cfg));
	return g;
}

static void map_and_unmap(struct iodt *t, struct iod_gather *g, uint64_t iova, uint64_t len)
{
	iodt_assert_ok(iod_map(t->pt, iova, t->page, len, IODT_RW, NULL, NULL));
	iodt_assert_ok(iod_unmap(t->pt, iova, len, 0, g, NULL));
}

static void refused(struct iodt *t)
{
	struct iodt *other = iodt_open(t->v);
	struct iod_gather *g = another(t, 0);

	assert_non_null(other);
	map_and_unmap(t, g, t->v->first, t->page);
	assert_int_equal(iod_gather_merge(NULL, g), -EINVAL);
	assert_int_equal(iod_gather_merge(g, NULL), -EINVAL);
	assert_int_equal(iod_gather_merge(g, g), -EINVAL);
	assert_int_equal(iod_gather_merge(other->gather, g), -EINVAL);
	assert_int_equal(iod_gather_merge(g, other->gather), -EINVAL);
	assert_int_equal(iodt_gather_info(g).ranges, 1);
	assert_int_equal(iodt_gather_info(other->gather).ranges, 0);
	iodt_assert_ok(iod_gather_sync(g));
	iodt_assert_ok(iod_gather_destroy(g));
	iodt_assert_ok(iodt_close(other));
}

/* Both held something: one sync for all, one invalidation that covers each. */
static void ranges(struct iodt *t)
{
	struct iodt_seg want[24];
	struct iod_gather *g;
	uint64_t at;
	unsigned int i;

	if ((t->v->last - t->v->first) / t->page < 256)
		return;
	g = another(t, 0);
	for (i = 0; i < 24; i++) {
		at = t->v->first + i * 4 * t->page;
		want[i] = (struct iodt_seg){ .iova = at, .last = at + t->page - 1 };
		map_and_unmap(t, i % 3 ? g : t->gather, at, t->page);
	}
	iodt_assert_ok(iod_gather_merge(t->gather, g));
	assert_int_equal(iodt_gather_info(g).ranges, 0);
	assert_int_equal(iodt_gather_info(t->gather).ranges, 24);
	iodt_assert_ok(iod_gather_destroy(g)); /* not busy any more */
	iodt_log_reset(t);
	iodt_assert_ok(iod_gather_sync(t->gather));
	assert_true(iodt_log_is(t, want, 24));
	assert_int_equal(t->log.syncs, 1);
}

/* Into one that is too small: joined, never forgotten; levels as well. */
static void into_a_small_one(struct iodt *t)
{
	struct iod_gather *from = another(t, 0), *to = another(t, 2);
	struct iod_gather_info a, b;
	uint64_t span = iodt_table_span(t->v), i;

	if ((t->v->last - t->v->first) / span < 64)
		goto out;
	for (i = 0; i < 40; i++)
		map_and_unmap(t, from, t->v->first + i * span + t->page, t->page);
	map_and_unmap(t, from, t->v->first, span);
	a = iodt_gather_info(from);
	iodt_assert_ok(iod_gather_merge(to, from));
	b = iodt_gather_info(to);
	assert_true(b.ranges <= 2);
	assert_true(b.first <= a.first && b.last >= a.last);
	assert_int_equal(b.leaf_levels, a.leaf_levels);
	assert_int_equal(b.table_levels, a.table_levels);
	assert_int_equal(b.subtrees, a.subtrees);
	iodt_assert_ok(iod_gather_sync(to));
out:
	iodt_assert_ok(iod_gather_destroy(from));
	iodt_assert_ok(iod_gather_destroy(to));
}

/* Nothing is freed before the sync of the one that holds it now. */
static void subtrees(struct iodt *t)
{
	uint64_t span = iodt_table_span(t->v), tables, i;
	struct iod_gather *g[3] = { another(t, 0), another(t, 0), another(t, 0) };

	if ((t->v->last - t->v->first) / span < 200)
		goto out;
	/* the upper levels stay */
	iodt_map(t, t->v->first, t->page, t->page, IODT_RW);
	for (i = 1; i < 151; i++) /* more than there is room for without growing */
		iodt_assert_ok(
			iod_map(t->pt, t->v->first + i * span, t->page, span, IODT_RW, NULL, NULL));
	for (i = 1; i < 151; i++)
		iodt_assert_ok(iod_unmap(t->pt, t->v->first + i * span, span, 0, g[i % 3], NULL));
	tables = iodt_stats(t->mem).tables;
	assert_int_equal(iodt_stats(t->mem).pending, 150);
	iodt_assert_ok(iod_gather_merge(g[0], g[1]));
	iodt_assert_ok(iod_gather_merge(g[0], g[2]));
	iodt_assert_ok(iod_gather_sync(g[1]));
	iodt_assert_ok(iod_gather_sync(g[2]));
	assert_int_equal(iodt_gather_info(g[0]).subtrees, 150);
	assert_int_equal(iodt_stats(t->mem).tables, tables);
	assert_int_equal(iodt_stats(t->mem).pending, 150);
	iodt_assert_ok(iod_gather_flush(g[0]));
	assert_int_equal(iodt_stats(t->mem).tables, tables);
	iodt_assert_ok(iod_gather_sync(g[0]));
	assert_int_equal(iodt_stats(t->mem).tables, tables - 150);
	assert_int_equal(iodt_stats(t->mem).pending, 0);
	/* usable as before */
	map_and_unmap(t, g[2], t->v->first + 5 * span, span);
	iodt_assert_ok(iod_gather_merge(t->gather, g[2]));
	iodt_sync(t);
out:
	for (i = 0; i < 3; i++)
		iodt_assert_ok(iod_gather_destroy(g[i]));
}

/* No memory to remember the subtrees by: both as they were, and it can be tried again. */
static void no_memory(struct iodt *t)
{
	uint64_t span = iodt_table_span(t->v), i;
	struct iod_gather_info to, from, now;
	struct iod_gather *g = another(t, 0);

	if ((t->v->last - t->v->first) / span < 200)
		goto out;
	iodt_assert_ok(iod_map(t->pt, t->v->first, t->page, t->page, IODT_RW, NULL, NULL));
	for (i = 1; i < 131; i++)
		iodt_assert_ok(
			iod_map(t->pt, t->v->first + i * span, t->page, span, IODT_RW, NULL, NULL));
	for (i = 1; i < 131; i++)
		iodt_assert_ok(iod_unmap(t->pt, t->v->first + i * span, span, 0,
					 i < 40 ? t->gather : g, NULL));
	to = iodt_gather_info(t->gather);
	from = iodt_gather_info(g);
	t->alloc.fail_at = t->alloc.calls + 1;
	assert_int_equal(iod_gather_merge(t->gather, g), -ENOMEM);
	t->alloc.fail_at = 0;
	now = iodt_gather_info(t->gather);
	assert_memory_equal(&now, &to, sizeof(now));
	now = iodt_gather_info(g);
	assert_memory_equal(&now, &from, sizeof(now));
	iodt_assert_ok(iod_gather_merge(t->gather, g));
	assert_int_equal(iodt_gather_info(t->gather).subtrees, to.subtrees + from.subtrees);
	iodt_assert_ok(iod_unmap(t->pt, t->v->first, t->page, 0, t->gather, NULL));
	iodt_sync(t);
	assert_int_equal(iodt_stats(t->mem).pending, 0);
out:
	iodt_assert_ok(iod_gather_destroy(g));
}

/* What failed to be invalidated stays, wherever it is. */
static void after_a_failure(struct iodt *t)
{
	struct iod_gather *g = another(t, 0);
	struct iodt_seg want[2] = { { .iova = t->v->first, .last = t->v->first + t->page - 1 },
				    { .iova = t->v->first + 4 * t->page,
				      .last = t->v->first + 5 * t->page - 1 } };

	map_and_unmap(t, t->gather, want[0].iova, t->page);
	map_and_unmap(t, g, want[1].iova, t->page);
	t->log.fail_sync = -EIO;
	assert_int_equal(iod_gather_sync(t->gather), -EIO);
	iodt_assert_ok(iod_gather_merge(t->gather, g));
	iodt_log_reset(t);
	iodt_assert_ok(iod_gather_sync(t->gather));
	assert_true(iodt_log_is(t, want, 2));
	iodt_assert_ok(iod_gather_destroy(g));
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "refused", IODT_PLAIN, 0, refused },
		{ "ranges", 0, 0, ranges },
		{ "into_a_small_one", IODT_TABLES, 0, into_a_small_one },
		{ "subtrees", IODT_TABLES, 0, subtrees },
		{ "no_memory", IODT_PLAIN, 0, no_memory },
		{ "after_a_failure", IODT_PLAIN, 0, after_a_failure },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
