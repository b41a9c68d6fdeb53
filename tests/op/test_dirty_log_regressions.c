/* SPDX-License-Identifier: MIT */
/*
 * Defects of the past in a dirty log's splitting and merging, each by its shortest way to show it: a budget
 * that never got anywhere, what an earlier session left behind, calls that are refused.
 */
#include "policyrig.h"

/* The smallest page of several leaf tables of which two fit; 0: none, or too large. */
static uint64_t several_tables(const struct iodt *t)
{
	uint64_t have = t->v->hole_first ? t->v->hole_first - 1 : t->v->last;
	uint64_t sizes = t->v->sizes & -(4 * iodt_table_span(t->v)), size = sizes & -sizes;

	return size <= IODT_1G && have - t->v->first >= 2 * size - 1 ? size : 0;
}

/* Two such pages, and a log over them. */
static uint64_t open_two(struct logrig *r, struct iodt *t)
{
	uint64_t size = several_tables(t);
	struct iod_dirty_log_cfg cfg = {
		.size = sizeof(cfg), .len = 2 * size, .granule = t->page, .allocator = &t->alloc.ops
	};
	struct iod_dirty_log_table win = {
		.size = sizeof(win), .pt = t->pt, .table_iova = t->v->first, .len = 2 * size
	};

	if (!size)
		skip();
	memset(r, 0, sizeof(*r));
	r->t = t;
	r->iova = t->v->first;
	r->len = r->size = 2 * size;
	r->granule = t->page;
	/* one after the other: some formats have pages twice as large */
	iodt_map(t, r->iova, iodt_pa(t->v, 2 * size, 1), size, IODT_RW);
	iodt_map(t, r->iova + size, iodt_pa(t->v, 2 * size, 1) + size, size, IODT_RW);
	iodt_assert_ok(iod_dirty_log_create(&r->log, &cfg));
	iodt_assert_ok(iod_dirty_log_add_table(r->log, &win));
	return size;
}

static void close_two(struct logrig *r, struct iodt_bits *b)
{
	iodt_verify(r->t);
	if (b)
		iodt_bits_free(b);
	iodt_assert_ok(iod_dirty_log_destroy(r->log));
	iod_unmap(r->t->pt, r->iova, r->len, 0, r->t->gather, NULL);
	iodt_expect_unmap(r->t, r->iova, r->len);
	iodt_sync(r->t);
}

static uint64_t size_at(struct iodt *t, uint64_t iova)
{
	return iodt_walk(t, iova).size;
}

static struct iod_dirty_log_start on_dirty(struct iodt *t)
{
	return policyrig_arg(IOD_SPLIT_ON_DIRTY,
			     t->caps & IODT_HITLESS ? 0 : IOD_RESIZE_ALLOW_FAULTS);
}

/* One of the smallest pages goes, of what was split. */
static void punch(struct logrig *r, uint64_t off)
{
	struct iod_dirty_log_unmap u = {
		.size = sizeof(u), .pt = r->t->pt, .iova = r->iova + off, .len = r->t->page
	};

	iodt_assert_ok(iod_dirty_log_unmap(r->log, &u));
	assert_int_equal(u.unmapped, r->t->page);
	iodt_expect_unmap(r->t, u.iova, u.len);
}

/* ---- merging in parts ---- */

/*
 * The first page was split, and has a hole near its end: it cannot be merged as a whole, only table by table.
 * Each call goes on where the one before stopped, so that it comes to an end, and the second page has its turn.
 */
static void budget_gets_on(struct iodt *t)
{
	struct iod_dirty_log_start start = on_dirty(t);
	struct iod_dirty_log_resize rs = { .size = sizeof(rs) };
	uint64_t g = t->page, size, items = 0, calls = 0;
	struct iodt_bits b;
	struct logrig r;

	size = open_two(&r, t);
	iodt_bits_init(&b, r.base, r.size, g);
	start.merge_after = 2;
	start.budget = rs.budget = size / g / 16;
	policyrig_start(&r, start);
	iodt_dma_write(t, r.iova + 5 * g);
	iodt_dma_write(t, r.iova + size);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 2 * size / g);
	assert_int_equal(size_at(t, r.iova), g);
	punch(&r, size - 8 * g);
	logrig_sync_all(&r, 0, &b);
	logrig_sync_all(&r, 0, &b);
	do {
		iodt_assert_ok(iod_dirty_log_resize(r.log, &rs));
		items += rs.items;
		/* all items a few times over would do */
		assert_true(++calls < 200 && items < 16 * size / g);
	} while (rs.left);
	assert_true(size_at(t, r.iova) >= iodt_table_span(t->v));
	assert_true(size_at(t, r.iova + size - 9 * g) < iodt_table_span(t->v));
	assert_int_equal(size_at(t, r.iova + size), size);
	assert_int_equal(logrig_info(&r).resize_left, 0);
	close_two(&r, &b);
}

/* After a stop, merges in parts until some of the first page is merged, and some is not. */
static void merge_a_part(struct logrig *r, uint64_t size)
{
	struct iod_dirty_log_resize rs = { .size = sizeof(rs), .flags = IOD_DIRTY_LOG_MERGE };
	uint64_t g = r->t->page;
	unsigned int calls = 0;

	rs.budget = size / g / 16;
	do {
		iodt_assert_ok(iod_dirty_log_resize(r->log, &rs));
		assert_true(++calls < 200);
	} while (size_at(r->t, r->iova) == g);
	assert_true(rs.left > 0);
	assert_int_equal(size_at(r->t, r->iova + size / 2), g);
}

/* The first page was split, and has a hole near its end; stopped, not merged. */
static void split_and_stop(struct logrig *r, uint64_t size, struct iodt_bits *b)
{
	uint64_t g = r->t->page;

	policyrig_start(r, on_dirty(r->t));
	iodt_dma_write(r->t, r->iova + 5 * g);
	assert_int_equal(logrig_sync_all(r, 0, b), size / g);
	punch(r, size - 8 * g);
	iodt_assert_ok(iod_dirty_log_stop(r->log, 0));
}

/* Where the merge of an earlier session stopped says nothing about what a later one has split. */
static void start_begins_anew(struct iodt *t)
{
	struct iod_dirty_log_start resume = { .size = sizeof(resume),
					      .flags = IOD_DIRTY_LOG_RESUME };
	struct iodt_bits b;
	struct logrig r;
	uint64_t size;

	size = open_two(&r, t);
	iodt_bits_init(&b, r.base, r.size, t->page);
	split_and_stop(&r, size, &b);
	merge_a_part(&r, size);
	policyrig_start(&r, on_dirty(t));
	iodt_dma_write(t, r.iova + 5 * t->page);
	assert_true(logrig_sync_all(&r, 0, &b) > 0);
	assert_int_equal(size_at(t, r.iova), t->page);
	iodt_dma_write(t, r.iova + 3 * (size / 4));
	iodt_assert_ok(iod_dirty_log_stop(r.log, IOD_DIRTY_LOG_MERGE));
	assert_int_equal(logrig_info(&r).resize_left, 0);
	assert_true(size_at(t, r.iova) >= iodt_table_span(t->v));
	/* what was dirty went to the log's own bits before it was merged */
	policyrig_start(&r, resume);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 1);
	assert_true(iodt_bits_get(&b, 3 * (size / 4)));
	close_two(&r, &b);
}

/* Devices write between two parts of a merge: that goes to the log's own bits, too, before it is merged. */
static void parts_are_exact(struct iodt *t)
{
	struct iod_dirty_log_start resume = { .size = sizeof(resume),
					      .flags = IOD_DIRTY_LOG_RESUME };
	struct iod_dirty_log_resize rs = { .size = sizeof(rs), .flags = IOD_DIRTY_LOG_MERGE };
	struct iodt_bits b;
	struct logrig r;
	uint64_t size, at[2];

	size = open_two(&r, t);
	iodt_bits_init(&b, r.base, r.size, t->page);
	split_and_stop(&r, size, &b);
	merge_a_part(&r, size);
	at[0] = size / 2 + 2 * t->page;
	at[1] = 3 * (size / 4);
	iodt_dma_write(t, r.iova + at[0]);
	iodt_dma_write(t, r.iova + at[1]);
	rs.budget = size / t->page / 16;
	do
		iodt_assert_ok(iod_dirty_log_resize(r.log, &rs));
	while (rs.left);
	assert_true(size_at(t, r.iova + at[0]) > t->page);
	policyrig_start(&r, resume);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 2);
	assert_true(iodt_bits_get(&b, at[0]) && iodt_bits_get(&b, at[1]));
	close_two(&r, &b);
}

/* ---- two tables ---- */

static int fail_or_obey(void *cookie, const struct iod_inv *inv, size_t nr)
{
	unsigned int *fail = cookie;

	return *fail ? --*fail, -EIO : 0;
}

/* Table `a` ran out of memory; that an invalidation of table `b` failed, long ago, is no reason not to start. */
static void no_memory_but_started(struct iodt *t, struct iodt *first, struct iodt *second,
				  bool swap)
{
	struct iod_dirty_log_start start = policyrig_arg(IOD_SPLIT_EAGER, 0);
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = fail_or_obey };
	uint64_t size = several_tables(t);
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .len = size, .granule = t->page };
	struct iod_dirty_log_table win = {
		.size = sizeof(win), .table_iova = t->v->first, .len = size, .ops = &ops
	};
	struct iodt *table[2] = { first, second }, *a = table[swap], *b = table[!swap];
	unsigned int i, fail[2] = { 0 };
	struct iodt_bits bits;
	struct logrig r = { .size = size };

	iodt_bits_init(&bits, 0, size, t->page);
	iodt_assert_ok(iod_dirty_log_create(&r.log, &cfg));
	for (i = 0; i < 2; i++) {
		iodt_map(table[i], t->v->first, iodt_pa(t->v, size, 1), size, IODT_RW);
		win.pt = table[i]->pt;
		win.cookie = &fail[i];
		iodt_assert_ok(iod_dirty_log_add_table(r.log, &win));
	}
	logrig_start(&r, 0);
	iodt_dma_write(b, t->v->first);
	fail[!swap] = 1;
	assert_int_equal(logrig_sync(&r, 0, size, 0, &bits, NULL), -EIO);
	assert_int_equal(logrig_sync_all(&r, 0, &bits), size / t->page);
	iodt_assert_ok(iod_dirty_log_stop(r.log, 0));
	iodt_assert_ok(iod_mem_set_limit(a->mem, iodt_stats(a->mem).bytes));
	policyrig_start(&r, start);
	assert_int_equal(logrig_info(&r).started, 1);
	assert_int_equal(logrig_info(&r).resize_errors > 0, true);
	iodt_bits_free(&bits);
	iodt_assert_ok(iod_dirty_log_destroy(r.log));
}

static void failure_of_long_ago(struct iodt *t)
{
	struct iodt *a, *b;
	unsigned int i;

	if (!several_tables(t))
		skip();
	for (i = 0; i < 2; i++) {
		a = iodt_open(t->v);
		b = iodt_open(t->v);
		no_memory_but_started(t, a, b, i);
		assert_int_equal(iodt_close(a), 0);
		assert_int_equal(iodt_close(b), 0);
	}
}

/* ---- what is refused ---- */

/* ARM below BBM level 1: a start that may not break entries is refused, and all is as it was. */
static void refused_start_changes_nothing(struct iodt *t)
{
	struct iod_dirty_log_resize rs = { .size = sizeof(rs), .flags = IOD_DIRTY_LOG_MERGE };
	struct iod_dirty_log_start start = on_dirty(t);
	struct iod_dirty_log_info info;
	struct iodt_bits b;
	struct logrig r;
	uint64_t size;

	size = open_two(&r, t);
	iodt_bits_init(&b, r.base, r.size, t->page);
	policyrig_start(&r, start);
	iodt_dma_write(t, r.iova);
	iodt_dma_write(t, r.iova + size);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 2 * size / t->page);
	assert_int_equal(size_at(t, r.iova + size), t->page);
	iodt_assert_ok(iod_dirty_log_stop(r.log, 0));
	rs.budget = 10;
	iodt_assert_ok(iod_dirty_log_resize(r.log, &rs));
	assert_true(rs.left > 0);
	start.resize_flags = 0;
	start.merge_after = 7;
	assert_int_equal(iod_dirty_log_start(r.log, &start), -EOPNOTSUPP);
	info = logrig_info(&r);
	assert_int_equal(info.started, 0);
	assert_int_equal(info.resize_left, rs.left);
	/* the merge goes on, in the way that the earlier start allowed */
	rs.budget = 0;
	iodt_assert_ok(iod_dirty_log_resize(r.log, &rs));
	assert_int_equal(rs.left, 0);
	assert_int_equal(size_at(t, r.iova), size);
	assert_int_equal(size_at(t, r.iova + size), size);
	close_two(&r, &b);
}

static int asked(void *cookie, uint64_t iova, uint64_t len, unsigned int attempt)
{
	++*(unsigned int *)cookie;
	return 0;
}

/* Also while stopped a dry run says what the call would, and nobody is asked to let go of pages for nothing. */
static void dry_run_while_stopped(struct iodt *t)
{
	unsigned int calls = 0;
	struct iod_dirty_log_unmap u = { .size = sizeof(u), .pt = t->pt, .cookie = &calls };
	const uint32_t dry = IOD_UNMAP_DRY_RUN | IOD_DIRTY_LOG_UNMAP_STOPPED;
	struct logrig r;
	uint64_t size;

	size = open_two(&r, t);
	u.iova = r.iova;
	u.len = t->page; /* cuts the page */
	u.flags = dry;
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -EINVAL);
	u.notify = asked;
	u.flags = IOD_DIRTY_LOG_UNMAP_STOPPED;
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -EINVAL);
	u.len = size;
	u.flags = dry;
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(calls, 0);
	assert_int_equal(size_at(t, r.iova), size);
	u.flags = IOD_DIRTY_LOG_UNMAP_STOPPED;
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(calls, 1);
	assert_int_equal(u.unmapped, size);
	iodt_expect_unmap(t, r.iova, size);
	/* now there is a hole */
	u.len = 2 * size;
	u.flags = dry | IOD_UNMAP_NO_HOLES;
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -ENOENT);
	u.flags &= ~IOD_UNMAP_DRY_RUN;
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -ENOENT);
	assert_int_equal(calls, 1);
	close_two(&r, NULL);
}

#define NEED (IODT_RESIZE | IODT_PLAIN | IODT_DIRTY | IODT_HUGE)

static const struct iodt_test tests[] = {
	{ "budget_gets_on", NEED, 0, budget_gets_on },
	{ "start_begins_anew", NEED, 0, start_begins_anew },
	{ "parts_are_exact", NEED, 0, parts_are_exact },
	{ "failure_of_long_ago", NEED | IODT_HITLESS, 0, failure_of_long_ago },
	{ "refused_start_changes_nothing", NEED, IODT_HITLESS, refused_start_changes_nothing },
	{ "dry_run_while_stopped", NEED, 0, dry_run_while_stopped },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
