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

static const struct iodt_test tests[] = {
	{ "creating", IODT_DIRTY | IODT_PLAIN, 0, creating },
	{ "too_large", IODT_DIRTY | IODT_PLAIN, 0, too_large },
	{ "working_allocates_nothing", IODT_DIRTY | IODT_PLAIN, 0, working_allocates_nothing },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
