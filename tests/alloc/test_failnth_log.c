/* SPDX-License-Identifier: MIT */
/* Each allocation of a dirty log made to fail once; and the proof that its work allocates nothing. */
#include "iodtest.h"

#define MAX_CALLS 100

/* @fail: the number of the allocation, from here on, that fails. */
static int make(struct iodt *t, struct iod_dirty_log **log, uint64_t fail)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg),
					 .len = 8 * t->page,
					 .allocator = &t->alloc.ops };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = t->pt,
					   .table_iova = t->v->first };
	int ret;

	t->alloc.fail_at = fail ? t->alloc.calls + fail : 0;
	*log = NULL;
	ret = iod_dirty_log_create(log, &cfg);
	if (!ret)
		ret = iod_dirty_log_add_table(*log, &win);
	t->alloc.fail_at = 0;
	return ret;
}

static void creating(struct iodt *t)
{
	uint64_t live = t->alloc.live, n;
	struct iod_dirty_log *log;
	int ret = -ENOMEM;

	for (n = 1; ret; n++) {
		assert_in_range(n, 1, MAX_CALLS);
		ret = make(t, &log, n);
		assert_true(ret == 0 || ret == -ENOMEM);
		if (log)
			iodt_assert_ok(iod_dirty_log_destroy(log));
		assert_int_equal(t->alloc.live, live);
		assert_int_equal(t->alloc.bad, 0);
	}
	/* the log, its four bitmaps, the window and its gather */
	assert_true(n > 7);
}

/* More than anybody has. */
static void too_large(struct iodt *t)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg),
					 .len = IODT_BIT(63),
					 .allocator = &t->alloc.ops };
	struct iod_dirty_log *log;

	t->alloc.fail_at = t->alloc.calls + 2;
	assert_int_equal(iod_dirty_log_create(&log, &cfg), -ENOMEM);
	t->alloc.fail_at = 0;
}

static void working_allocates_nothing(struct iodt *t)
{
	struct iod_dirty_log_sync s = { .size = sizeof(s) };
	struct iod_dirty_log *log;
	struct iodt_bits b;
	uint64_t calls;

	iodt_map(t, t->v->first, 0, t->page, IODT_RW | IOD_PROT_DIRTY);
	iodt_assert_ok(make(t, &log, 0));
	iodt_bits_init(&b, 0, t->page, t->page);
	calls = t->alloc.calls;
	iodt_assert_ok(iod_dirty_log_start(log, NULL));
	iodt_dma_write(t, t->v->first);
	s.bitmap = &b.bm;
	s.len = t->page;
	iodt_assert_ok(iod_dirty_log_sync(log, &s));
	assert_int_equal(iodt_bits_count(&b), 1);
	iodt_assert_ok(iod_dirty_log_rollback(log, &b.bm));
	iodt_assert_ok(iod_dirty_log_mark_dirty(log, 0, 8 * t->page));
	iodt_assert_ok(iod_dirty_log_clear(log, 0, t->page, &b.bm, NULL));
	iodt_assert_ok(iod_dirty_log_remove_table(log, t->pt, 0));
	iodt_assert_ok(iod_dirty_log_stop(log, 0));
	assert_int_equal(t->alloc.calls, calls);
	iodt_assert_ok(iod_dirty_log_destroy(log));
	iodt_bits_free(&b);
}

/* ---- behind a virtual IOMMU ---- */

/* A join of three ranges, and a window with it. */
static int join_make(struct iodt *t, struct iod_dirty_log *log, struct iod_gpa_join **join)
{
	struct iod_gpa_join_cfg cfg = { .size = sizeof(cfg), .allocator = &t->alloc.ops };
	struct iod_dirty_log_table win = {
		.size = sizeof(win), .pt = t->pt, .table_iova = t->v->first, .len = 64 * t->page
	};
	int ret = iod_gpa_join_create(join, &cfg);
	unsigned int i;

	for (i = 0; i < 3 && !ret; i++)
		ret = iod_gpa_join_map(*join, t->v->first + 2 * i * t->page, t->page, i * t->page);
	win.join = *join;
	return ret ? ret : iod_dirty_log_add_table(log, &win);
}

static void joining(struct iodt *t)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg),
					 .len = 8 * t->page,
					 .allocator = &t->alloc.ops };
	struct iod_gpa_join *join;
	struct iod_dirty_log *log;
	int ret = -ENOMEM;
	uint64_t live, n;

	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	live = t->alloc.live;
	for (n = 1; ret; n++) {
		assert_in_range(n, 1, MAX_CALLS);
		join = NULL;
		t->alloc.fail_at = t->alloc.calls + n;
		ret = join_make(t, log, &join);
		t->alloc.fail_at = 0;
		assert_true(ret == 0 || ret == -ENOMEM);
		if (!ret)
			iodt_assert_ok(iod_dirty_log_remove_table(log, t->pt, 0));
		else
			assert_int_equal(iod_dirty_log_remove_table(log, t->pt, 0), -ENOENT);
		if (join)
			iodt_assert_ok(iod_gpa_join_destroy(join));
		assert_int_equal(t->alloc.live, live);
		assert_int_equal(t->alloc.bad, 0);
	}
	/* the join, its ranges, the window, what unmaps are recorded in */
	assert_true(n > 6);
	iodt_assert_ok(iod_dirty_log_destroy(log));
}

/* ---- with a policy: what fails is tried again, and loses nothing ---- */

/* A leaf table's worth in one page, on hardware that bears its splitting. */
static struct iodt *open_large(const struct iodt *t, struct iodt_variant *v)
{
	struct iodt *own;

	*v = *t->v;
	if (t->caps & IODT_ARM)
		v->features |= IOD_PT_BBM_2;
	own = iodt_open(v);
	assert_non_null(own);
	iodt_map(own, v->first, iodt_table_span(v), iodt_table_span(v), IODT_RW);
	return own;
}

static void sync_reports(struct iodt *t, struct iod_dirty_log *log, struct iodt_bits *b)
{
	struct iod_dirty_log_sync s = { .size = sizeof(s),
					.len = iodt_table_span(t->v),
					.bitmap = &b->bm };

	iodt_bits_zero(b);
	iodt_dma_write(t, t->v->first);
	iodt_assert_ok(iod_dirty_log_sync(log, &s)); /* whatever became of the policy */
	assert_true(iodt_bits_get(b, 0));
}

static void unmap_delivers(struct iodt *t, struct iod_dirty_log *log, struct iodt_bits *b)
{
	struct iod_dirty_log_unmap u = { .size = sizeof(u),
					 .pt = t->pt,
					 .iova = t->v->first,
					 .len = iodt_table_span(t->v),
					 .bitmap = &b->bm };
	int ret;

	iodt_bits_zero(b);
	iodt_dma_write(t, u.iova);
	ret = iod_dirty_log_unmap(log, &u);
	if (ret) {
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(u.unmapped | iodt_bits_count(b), 0);
		iodt_assert_ok(iod_dirty_log_unmap(log, &u));
	}
	assert_int_equal(u.unmapped, u.len);
	assert_true(iodt_bits_get(b, 0));
	iodt_expect_unmap(t, u.iova, u.len);
}

/* Returns whether the allocation failed that was to. */
static bool policy_with_failure(struct iodt *t, uint32_t policy, uint64_t fail)
{
	struct iod_dirty_log_start start = { .size = sizeof(start), .policy = policy };
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg),
					 .len = iodt_table_span(t->v),
					 .granule = t->page,
					 .allocator = &t->alloc.ops };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = t->pt,
					   .table_iova = t->v->first };
	struct iod_dirty_log_resize rs = { .size = sizeof(rs) };
	struct iod_dirty_log *log;
	struct iodt_bits b;
	uint64_t calls;
	int ret;

	start.merge_after = 1;
	iodt_bits_init(&b, 0, cfg.len, t->page);
	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	iodt_assert_ok(iod_dirty_log_add_table(log, &win));
	t->alloc.fail_at = t->alloc.calls + fail;
	ret = iod_dirty_log_start(log, &start);
	assert_true(!ret || ret == -ENOMEM);
	if (ret)
		iodt_assert_ok(iod_dirty_log_start(log, &start));
	sync_reports(t, log, &b);
	iodt_assert_ok(iod_dirty_log_resize(log, &rs));
	sync_reports(t, log, &b);
	ret = iod_dirty_log_stop(log, IOD_DIRTY_LOG_MERGE);
	assert_true(!ret || ret == -ENOMEM);
	if (ret)
		iodt_assert_ok(iod_dirty_log_resize(log, &rs));
	assert_int_equal(iodt_walk(t, t->v->first).size, iodt_table_span(t->v));
	start.flags = IOD_DIRTY_LOG_RESUME;
	iodt_assert_ok(iod_dirty_log_start(log, &start));
	unmap_delivers(t, log, &b);
	calls = t->alloc.calls;
	fail = t->alloc.fail_at;
	t->alloc.fail_at = 0;
	iodt_assert_ok(iod_dirty_log_destroy(log));
	iodt_bits_free(&b);
	return fail <= calls;
}

static void policies(struct iodt *t)
{
	struct iodt_variant v;
	struct iodt *own;
	uint32_t policy;
	uint64_t n;
	bool failed;

	if (!(t->v->sizes & iodt_table_span(t->v)))
		return;
	for (policy = IOD_SPLIT_EAGER; policy <= IOD_SPLIT_ON_DIRTY; policy++)
		for (n = 1, failed = true; failed; n++) {
			assert_in_range(n, 1, MAX_CALLS);
			own = open_large(t, &v);
			failed = policy_with_failure(own, policy, n);
			assert_int_equal(iodt_close(own), 0);
			assert_true(failed || n > 2);
		}
}

static const struct iodt_test tests[] = {
	{ "joining", IODT_DIRTY | IODT_PLAIN | IODT_MIDDLING, 0, joining },
	{ "creating", IODT_DIRTY | IODT_PLAIN, 0, creating },
	{ "too_large", IODT_DIRTY | IODT_PLAIN, 0, too_large },
	{ "policies", IODT_DIRTY | IODT_PLAIN, 0, policies },
	{ "working_allocates_nothing", IODT_DIRTY | IODT_PLAIN, 0, working_allocates_nothing },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
