/* SPDX-License-Identifier: MIT */
/*
 * Defects of the past in what happens beside a split, a merge or a pruned sweep, each by its shortest way to
 * show it; and the two ends of the address space in one gather. What is beside runs in the callbacks of the
 * invalidation, in iod_gather_add_slow(), which is wrapped, or in a thread that runs while the other waits.
 */
#include "resizehw.h"

#include <pthread.h>
#include <semaphore.h>

void __real_iod_gather_add_slow(struct iod_gather *g, uint64_t first, uint64_t last,
				uint32_t leaf_levels, uint32_t table_levels);
void __wrap_iod_gather_add_slow(struct iod_gather *g, uint64_t first, uint64_t last,
				uint32_t leaf_levels, uint32_t table_levels);

/* Somebody else: a gather of its own, the same hardware, and what it does when it gets the chance. */
struct beside {
	struct hw hw; /* of the test's gather */
	struct iodt *t;
	struct iod_gather *gather;
	void (*fn)(struct beside *b);
	uint64_t iova, size;
	struct iodt_bits bits;
	/* the thread */
	pthread_t thread;
	sem_t inside, go;
	int (*op)(struct iod_pgtable *pt, struct iod_resize *z);
	struct iod_resize z;
	int fails, ret;
};

static struct beside *window;

static void step_into(struct beside *b)
{
	void (*fn)(struct beside *) = b->fn;

	b->fn = NULL;
	if (fn)
		fn(b);
}

/* When the split tells of what it replaced: then it is replaced. */
void __wrap_iod_gather_add_slow(struct iod_gather *g, uint64_t first, uint64_t last,
				uint32_t leaf_levels, uint32_t table_levels)
{
	struct iod_mapping m;

	if (window && g == window->t->gather && !iod_translate(window->t->pt, window->iova, &m) &&
	    m.len < window->size)
		step_into(window);
	__real_iod_gather_add_slow(g, first, last, leaf_levels, table_levels);
}

/* The test's gather invalidates. */
static void before_obeying(struct iodt *t, const struct iod_inv *inv, size_t nr)
{
	struct beside *b = t->priv;

	step_into(b);
	iodt_assert_ok(iod_iotlb_invalidate(b->hw.tlb, inv, nr));
}

static int obey(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct beside *b = cookie;

	if (b->op) { /* in the thread, the first time */
		b->op = NULL;
		sem_post(&b->inside);
		sem_wait(&b->go);
	}
	step_into(b);
	if (b->fails)
		return -EIO;
	return iod_iotlb_invalidate(b->hw.tlb, inv, nr);
}

static void open_beside(struct beside *b, struct iodt *t)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = obey };
	struct iod_gather_cfg cfg = { .size = sizeof(cfg), .ops = &ops, .cookie = b };

	memset(b, 0, sizeof(*b));
	hw_open(&b->hw, t);
	b->t = t;
	t->log.hook = before_obeying;
	iodt_assert_ok(iod_gather_create(&b->gather, t->pt, &cfg));
}

static void close_beside(struct beside *b)
{
	assert_null(b->fn);
	b->fails = 0;
	iodt_assert_ok(iod_gather_sync(b->gather));
	iodt_assert_ok(iod_gather_destroy(b->gather));
	hw_close(&b->hw, b->t);
}

static void sweep(struct beside *b, struct iod_gather *gather, uint32_t flags)
{
	struct iod_sweep s;

	iodt_bits_zero(&b->bits);
	s = iodt_sweep_arg(b->t, IOD_SWEEP_CLEAR, b->bits.bm.base_iova, b->size, &b->bits);
	s.gather = gather;
	s.flags = flags;
	iodt_assert_ok(iod_sweep(b->t->pt, &s));
	assert_int_equal(s.done, b->size);
	iodt_assert_ok(iod_gather_flush(gather));
}

/* ---- a gather ---- */

/* Nothing comes after the last page: the first one is no neighbour of it. */
static void ends_of_the_space(struct iodt *t)
{
	uint64_t end[2] = { 0 - t->page, 0 };
	struct iodt_seg want[2];
	struct beside b;
	unsigned int i;

	open_beside(&b, t);
	for (i = 0; i < 2; i++) {
		want[i] = (struct iodt_seg){ .iova = end[i], .last = end[i] + (t->page - 1) };
		iodt_map(t, end[i], (i + 1) * t->page, t->page, IODT_RW);
	}
	iodt_sync(t);
	for (i = 0; i < 2; i++)
		iodt_assert_ok(hw_access(t, end[i], IOD_ACCESS_READ));
	iodt_log_reset(t);
	iodt_unmap(t, end[0], t->page);
	iodt_unmap(t, end[1], t->page);
	iodt_sync(t);
	assert_true(iodt_log_covers(t, want, 2));
	for (i = 0; i < 2; i++)
		assert_int_equal(hw_access(t, end[i], IOD_ACCESS_READ), -EFAULT);
	close_beside(&b);
}

/* ---- a sweep beside a split ---- */

static void sweep_and_copy(struct beside *b)
{
	sweep(b, b->gather, 0);
	assert_int_equal(iodt_bits_count(&b->bits), b->size / b->t->page);
	/* and a device writes, maybe still through what it knows of the whole page */
	iodt_assert_ok(hw_access(b->t, b->iova + b->size / 2, IOD_ACCESS_WRITE));
}

/*
 * Parts are cleaned as soon as they are there, by somebody who knows nothing of a split: hardware that is told
 * of the parts' level alone keeps the whole page, with its dirty state.
 */
static void swept_before_the_split_ends(struct iodt *t)
{
	uint64_t size = hw_table_size(t);
	struct beside b;

	if (!size)
		skip();
	open_beside(&b, t);
	b.iova = t->v->first + size;
	b.size = size;
	iodt_bits_init(&b.bits, b.iova, size, t->page);
	iodt_map(t, b.iova, 0, size, IODT_RW);
	iodt_assert_ok(hw_access(t, b.iova, IOD_ACCESS_WRITE));
	b.fn = sweep_and_copy;
	window = &b;
	hw_split(t, b.iova, size, 0);
	window = NULL;
	assert_null(b.fn);
	iodt_sync(t);
	sweep(&b, t->gather, IOD_SWEEP_FINAL);
	assert_true(iodt_bits_get(&b.bits, b.iova + size / 2));
	iodt_bits_free(&b.bits);
	close_beside(&b);
}

/* ---- beside a pruned sweep ---- */

/* The smallest page of which one item is above the entries of leaf tables; 0: none, or too large. */
static uint64_t above_leaf_tables(const struct iodt *t)
{
	uint64_t sizes[64];
	size_t k, nr = rsz_sizes(t->v, sizes);

	for (k = 0; k < nr && sizes[k] <= IODT_1G; k++)
		if (iodt_item_level(t->v, sizes[k]) >= 2 &&
		    2 * sizes[k] - 1 <= t->v->last - t->v->first)
			return sizes[k];
	return 0;
}

static void split_a_part(struct beside *b)
{
	struct iod_resize z = rsz_arg(b->t, b->iova, b->t->page, 0);

	z.gather = b->gather;
	iodt_assert_ok(iod_split_range(b->t->pt, &z));
	iodt_assert_ok(iod_gather_sync(b->gather));
}

/* When the sweep asked which leaf tables were used there was none: the page was larger. */
static void split_before_it_is_swept(struct iodt *t)
{
	uint64_t size = above_leaf_tables(t);
	struct iod_mapping m;
	struct beside b;

	if (!size)
		skip();
	open_beside(&b, t);
	b.iova = t->v->first;
	b.size = 2 * size;
	iodt_bits_init(&b.bits, b.iova, b.size, t->page);
	iodt_map(t, b.iova, 0, size, IODT_RW);
	iodt_map(t, b.iova + size, t->page, t->page, IODT_RW);
	iodt_assert_ok(hw_access(t, b.iova, IOD_ACCESS_WRITE));
	iodt_assert_ok(
		hw_access(t, b.iova + size, IOD_ACCESS_WRITE)); /* this table is invalidated */
	b.fn = split_a_part;
	sweep(&b, t->gather, IOD_SWEEP_PRUNE);
	assert_null(b.fn);
	iodt_assert_ok(iod_translate(t->pt, b.iova, &m));
	assert_int_equal(m.len, t->page);
	assert_int_equal(iodt_bits_count(&b.bits), size / t->page + 1);
	iodt_bits_free(&b.bits);
	close_beside(&b);
}

static void *run_op(void *arg)
{
	struct beside *b = arg;

	b->ret = b->op(b->t->pt, &b->z);
	return NULL;
}

/* Between step 1 of the sweep and the look at the entries these are emptied. */
static void begin_op(struct beside *b)
{
	assert_int_equal(sem_init(&b->inside, 0, 0), 0);
	assert_int_equal(sem_init(&b->go, 0, 0), 0);
	assert_int_equal(pthread_create(&b->thread, NULL, run_op, b), 0);
	sem_wait(&b->inside);
}

/*
 * Page n of a leaf table is dirty. A pruned sweep takes Accessed from the table's entry; `op` empties what it
 * changes; the sweep finds nothing, and is over; then comes back what was there, or what it has become. The
 * next sweep finds the page.
 */
static void emptied_beside_a_sweep(struct beside *b, uint64_t dirty, int want)
{
	struct iodt *t = b->t;

	iodt_bits_init(&b->bits, b->iova, b->size, t->page);
	b->z = rsz_arg(t, b->iova, b->z.len, b->z.page_size);
	b->z.gather = b->gather;
	b->z.flags = IOD_RESIZE_ALLOW_FAULTS | IOD_RESIZE_BREAK;
	iodt_assert_ok(hw_access(t, dirty, IOD_ACCESS_WRITE));
	b->fn = begin_op;
	sweep(b, t->gather, IOD_SWEEP_PRUNE);
	assert_null(b->fn);
	sem_post(&b->go);
	assert_int_equal(pthread_join(b->thread, NULL), 0);
	sem_destroy(&b->inside);
	sem_destroy(&b->go);
	assert_int_equal(iodt_bits_count(&b->bits), 0);
	assert_int_equal(b->ret, want);
	sweep(b, t->gather, IOD_SWEEP_PRUNE | IOD_SWEEP_FINAL);
	assert_true(iodt_bits_get(&b->bits, dirty));
	iodt_bits_free(&b->bits);
	close_beside(b);
}

/* A merge that cannot invalidate puts the table back. */
static void table_that_comes_back(struct iodt *t)
{
	uint64_t size = hw_table_size(t);
	struct beside b;

	if (!size)
		skip();
	open_beside(&b, t);
	b.iova = t->v->first + size;
	b.size = b.z.len = size;
	iodt_map(t, b.iova, 0, size, IODT_RW);
	hw_split(t, b.iova, size, 0);
	iodt_sync(t);
	b.op = iod_merge_range;
	b.fails = 1;
	emptied_beside_a_sweep(&b, b.iova + 5 * t->page, -EIO);
}

/* The smallest run of entries of a leaf table, without BBM: it is emptied, and its pages are written anew. */
static void run_that_comes_back_as_pages(struct iodt *t)
{
	uint64_t sizes[64];
	size_t k, nr = rsz_sizes(t->v, sizes);
	struct beside b;

	for (k = 1; k < nr && iodt_item_size(t->v, sizes[k]) != t->page;)
		k++;
	if (k >= nr || iodt_table_span(t->v) - 1 > t->v->last - t->v->first)
		skip();
	open_beside(&b, t);
	b.iova = t->v->first;
	b.size = b.z.len = iodt_table_span(t->v);
	iodt_map(t, b.iova, 0, sizes[k], IODT_RW);
	b.op = iod_split_range;
	emptied_beside_a_sweep(&b, b.iova + 5 * t->page, 0);
}

/* ---- without memory, or without the place ---- */

/* No memory for the tables after nT was set: what could not be split is as it was. */
static void no_memory_takes_nt_back(struct iodt *t)
{
	uint64_t size = hw_table_size(t), iova = t->v->first;
	struct iodt_leaves l;
	struct iod_resize z;
	size_t i;

	if (!size || t->v->last - iova < 4 * size - 1)
		skip();
	for (i = 0; i < 4; i++) /* pages of their own: no run */
		iodt_map(t, iova + i * size, 2 * i * size, size, IODT_RW);
	iodt_assert_ok(iod_mem_set_limit(t->mem, iodt_stats(t->mem).bytes + 2 * t->v->granule));
	z = rsz_arg(t, iova, 4 * size, 0);
	assert_int_equal(iod_split_range(t->pt, &z), -ENOMEM);
	iodt_assert_ok(iod_mem_set_limit(t->mem, 0));
	iodt_leaves(t, &l);
	for (i = 0; i < l.nr; i++)
		assert_int_equal(l.leaf[i].size > t->page && l.leaf[i].pte >> 16 & 1, 0);
	iodt_leaves_free(&l);
	iodt_sync(t);
	iodt_verify(t);
}

static void map_in_the_hole(struct beside *b)
{
	iodt_assert_ok(iod_map(b->t->pt, b->iova, 4 * b->size, b->size, IODT_RW, NULL, NULL));
}

/* What a failed merge cannot put back, because there is something else, is freed: iodt_close() counts. */
static void place_is_taken(struct iodt *t)
{
	uint64_t size = hw_table_size(t);
	struct iod_resize z;
	struct beside b;

	if (!size)
		skip();
	open_beside(&b, t);
	b.iova = t->v->first;
	b.size = size;
	iodt_map(t, b.iova, 0, size, IODT_RW);
	hw_split(t, b.iova, size, 0);
	iodt_sync(t);
	b.fn = map_in_the_hole;
	b.fails = 1;
	z = rsz_arg(t, b.iova, size, 0);
	z.flags = IOD_RESIZE_ALLOW_FAULTS | IOD_RESIZE_BREAK;
	z.gather = b.gather;
	assert_int_equal(iod_merge_range(t->pt, &z), -EIO);
	assert_null(b.fn);
	iodt_expect_unmap(t, b.iova, size);
	iodt_expect_map(t, b.iova, 4 * size, size, IODT_RW);
	iodt_verify(t);
	close_beside(&b);
}

/*
 * A step of a split that needs invalidations is no longer than its budget, but for one entry: the table that it
 * becomes, here of 512 items at most, and the stretch that is looked at again.
 */
static void budget_bounds_a_step(struct iodt *t)
{
	uint64_t size = iodt_largest(t->v), iova = t->v->first;
	struct iod_resize z;

	while (size > IODT_1G)
		size /= 2;
	if (!(t->v->sizes & size) || !(t->v->sizes & IODT_2M) || t->page != IODT_4K)
		skip();
	iodt_map(t, iova, 0, size, IODT_RW);
	z = rsz_arg(t, iova, size, 0);
	z.budget = 1000;
	iodt_assert_ok(iod_split_range(t->pt, &z));
	assert_true(z.done > 0 && z.items <= 8192);
	iodt_sync(t);
	iodt_verify(t);
}

#define BESIDE (IODT_RESIZE | IODT_DIRTY | IODT_HUGE)

static const struct iodt_test tests[] = {
	{ "budget_bounds_a_step", IODT_HUGE | IODT_TABLES | IODT_RESIZE, IODT_REPLICAS,
	  budget_bounds_a_step },
	{ "ends_of_the_space", IODT_TOP64, IODT_UPPER, ends_of_the_space },
	{ "swept_before_the_split_ends", BESIDE | IODT_HITLESS, 0, swept_before_the_split_ends },
	{ "split_before_it_is_swept", BESIDE | IODT_PRUNE, 0, split_before_it_is_swept },
	{ "table_that_comes_back", BESIDE | IODT_PRUNE, 0, table_that_comes_back },
	{ "run_that_comes_back_as_pages", IODT_DIRTY | IODT_PRUNE | IODT_RUNS | IODT_TABLES,
	  IODT_HITLESS, run_that_comes_back_as_pages },
	{ "no_memory_takes_nt_back", BESIDE | IODT_NT, 0, no_memory_takes_nt_back },
	{ "place_is_taken", BESIDE, 0, place_is_taken },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
