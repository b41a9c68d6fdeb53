/* SPDX-License-Identifier: MIT */
/*
 * Exact invalidation (R103 to R105): for each operation, what the gather asks for is compared with what must
 * be asked for, to the byte and to the level, with one sync. That it suffices is shown by an iotlb that takes
 * levels literally and holds everything beforehand. That nothing of it is too much: each way to ask for
 * less leaves something stale.
 */
#include "invrig.h"

/* ---- what cases are made of ---- */

static void ix_page(struct ix *x, uint64_t iova, uint64_t size)
{
	uint64_t pa = iodt_pa(x->t->v, size, 2 * (x->nr_probes + 1));

	iodt_map(x->t, iova, pa, size, IODT_RW);
	x->probe[x->nr_probes] = iova;
	x->size[x->nr_probes++] = size;
}

static void ix_want(struct ix *x, uint64_t iova, uint64_t len, uint32_t flags, uint32_t leaf_levels,
		    uint32_t table_levels)
{
	if (!leaf_levels)
		flags |= IOD_INV_NO_LEAVES;
	x->want[x->nr_want++] =
		(struct want){ iova, iova + (len - 1), flags, leaf_levels, table_levels };
	x->syncs = 1;
}

static void ix_leaves(struct ix *x, uint64_t iova, uint64_t len, uint32_t leaf_levels)
{
	ix_want(x, iova, len, IOD_INV_LEAF_ONLY, leaf_levels, 0);
}

/* Whether that is a page, and one that can be written out in full. */
static bool has(const struct ix *x, uint64_t size)
{
	return x->t->v->sizes & size && size <= IODT_1G;
}

/* ---- unmap ---- */

static bool unmap_a_page(struct ix *x)
{
	unsigned int i;

	if (!ix_deep(x, 1))
		return false;
	for (i = 0; i < 3; i++)
		ix_page(x, x->base + i * x->p, x->p);
	ix_leaves(x, x->base + x->p, x->p, 1);
	return true;
}

static bool unmap_pages(struct ix *x)
{
	unsigned int i;

	if (!ix_deep(x, 1))
		return false;
	for (i = 0; i < 4; i++)
		ix_page(x, x->base + i * x->p, x->p);
	ix_leaves(x, x->base + x->p, 3 * x->p, 1);
	return true;
}

static bool unmap_a_table(struct ix *x)
{
	if (!ix_deep(x, 1))
		return false;
	ix_page(x, x->base, x->p);
	ix_page(x, x->base + x->s1 - x->p, x->p);
	ix_want(x, x->base, x->s1, 0, 1, 2);
	return true;
}

/* The end of a table, a table, the beginning of one. */
static bool unmap_over_tables(struct ix *x)
{
	if (!ix_deep(x, 1))
		return false;
	ix_page(x, x->base, x->p);
	ix_page(x, x->base + x->s1 - x->p, x->p);
	ix_page(x, x->base + x->s1, x->p);
	ix_page(x, x->base + 2 * x->s1 - x->p, x->p);
	ix_page(x, x->base + 2 * x->s1, x->p);
	ix_page(x, x->base + 2 * x->s1 + x->p, x->p);
	ix_leaves(x, x->base + x->s1 - x->p, x->p, 1);
	ix_want(x, x->base + x->s1, x->s1, 0, 1, 2);
	ix_leaves(x, x->base + 2 * x->s1, x->p, 1);
	return true;
}

static bool unmap_a_large_leaf(struct ix *x)
{
	if (!ix_deep(x, 1) || !has(x, x->s1))
		return false;
	ix_page(x, x->base, x->s1);
	ix_page(x, x->base + x->s1, x->s1);
	ix_leaves(x, x->base + x->s1, x->s1, 2);
	return true;
}

static bool unmap_a_run(struct ix *x)
{
	uint64_t run = x->t->v->sizes & (x->s1 - 1) & ~x->p;

	run &= -run;
	if (!ix_deep(x, 1) || !run)
		return false;
	ix_page(x, x->base, run);
	ix_page(x, x->base + run, run);
	ix_leaves(x, x->base + run, run, 1);
	return true;
}

/* R103, R105: what a level-2 item maps, of 2 MiB leaves and 4 KiB pages, with the tables. */
static bool unmap_mixed_tables(struct ix *x)
{
	if (!ix_deep(x, 2) || !has(x, x->s1))
		return false;
	ix_page(x, x->base, x->p);
	ix_page(x, x->base + x->s1, x->s1);
	ix_page(x, x->base + x->s2 - x->p, x->p);
	ix_want(x, x->base, x->s2, 0, 3, 6);
	return true;
}

/* All that is asked for goes. */
static void op_unmap(struct ix *x)
{
	uint64_t first = x->want[0].iova, len = x->want[x->nr_want - 1].last - first + 1;

	iodt_unmap(x->t, first, len);
}

static void op_unmap_dirty(struct ix *x)
{
	uint64_t first = x->want[0].iova, len = x->want[x->nr_want - 1].last - first + 1;
	struct iod_unmap_dirty u = {
		.size = sizeof(u), .iova = first, .len = len, .gather = x->t->gather
	};
	struct iodt_bits b;

	if (!(x->t->caps & IODT_DIRTY)) {
		op_unmap(x);
		return;
	}
	iodt_bits_init(&b, first, len, x->p);
	u.bitmap = &b.bm;
	iodt_assert_ok(iod_unmap_dirty(x->t->pt, &u));
	iodt_expect_unmap(x->t, first, len);
	/* bits are set by the flush */
	iodt_assert_ok(iod_gather_flush(x->t->gather));
	iodt_bits_free(&b);
}

/* ---- map ---- */

static bool map_into_nothing(struct ix *x)
{
	if (!ix_deep(x, 1))
		return false;
	ix_page(x, x->base, x->p);
	return true;
}

static void op_map_neighbour(struct ix *x)
{
	iodt_map(x->t, x->base + x->p, 0, x->p, IODT_RW);
	iodt_map(x->t, x->base + x->s1, 0, has(x, x->s1) ? x->s1 : x->p, IODT_RW);
}

/* Hardware holds the table, which is empty by now. */
static void empty(struct ix *x, uint64_t iova)
{
	iodt_assert_ok(iod_iotlb_access(x->warm, x->t->pt, iova, IOD_ACCESS_READ, NULL, NULL));
	iodt_unmap(x->t, iova, x->p);
	iodt_sync(x->t);
}

static bool replace_an_empty_table(struct ix *x)
{
	if (!ix_deep(x, 1) || !has(x, x->s1))
		return false;
	ix_page(x, x->base + x->p, x->p);
	empty(x, x->base + x->p);
	ix_want(x, x->base, x->s1, 0, 0, 2);
	return true;
}

static bool replace_empty_tables(struct ix *x)
{
	if (!ix_deep(x, 2) || !has(x, x->s2))
		return false;
	ix_page(x, x->base + x->p, x->p);
	empty(x, x->base + x->p);
	ix_want(x, x->base, x->s2, 0, 0, 6);
	return true;
}

static void op_map_over(struct ix *x)
{
	iodt_map(x->t, x->want[0].iova, 0, x->want[0].last - x->want[0].iova + 1, IODT_RW);
}

/* ---- split ---- */

static bool direct(const struct ix *x)
{
	return x->t->caps & IODT_HITLESS && !(x->t->caps & IODT_NT);
}

static bool split_leaves(struct ix *x)
{
	if (!direct(x) || !unmap_a_large_leaf(x))
		return false;
	x->nr_want = 0;
	ix_leaves(x, x->base, 2 * x->s1, 2);
	return true;
}

static bool split_runs(struct ix *x)
{
	if (!direct(x) || !unmap_a_run(x))
		return false;
	x->nr_want = 0;
	ix_leaves(x, x->base, 2 * x->size[0], 1);
	return true;
}

static bool split_in_one(struct ix *x)
{
	if (!direct(x) || !ix_deep(x, 2) || !has(x, x->s2))
		return false;
	ix_page(x, x->base, x->s2);
	/* by way of pages of the size between, if there is one, which nobody had the time to hold */
	ix_leaves(x, x->base, x->s2, has(x, x->s1) ? 6 : 4);
	x->not_held = 2;
	return true;
}

static void op_split(struct ix *x)
{
	struct iod_resize z = {
		.size = sizeof(z),
		.iova = x->want[0].iova,
		.len = x->want[0].last - x->want[0].iova + 1,
		.gather = x->t->gather,
	};

	iodt_assert_ok(iod_split_range(x->t->pt, &z));
	assert_int_equal(z.done, z.len);
	assert_int_equal(x->t->log.nr, 0);
}

static void op_split_a_page(struct ix *x)
{
	struct iod_resize z = {
		.size = sizeof(z), .iova = x->base, .len = x->p, .gather = x->t->gather
	};

	iodt_assert_ok(iod_split_range(x->t->pt, &z));
}

/* ---- merge ---- */

static void ix_merge(struct ix *x, uint64_t iova, uint64_t from, uint64_t to)
{
	struct iod_resize z = { .size = sizeof(z),
				.iova = iova,
				.len = to,
				.page_size = from,
				.gather = x->t->gather };

	iodt_map(x->t, iova, iodt_pa(x->t->v, to, 1), to, IODT_RW);
	iodt_assert_ok(iod_split_range(x->t->pt, &z));
	iodt_sync(x->t);
	/* not the last one, which ends where the large one does */
	x->probe[0] = iova;
	x->probe[1] = iova + to / 2;
	x->probe[2] = iova + (to - 2 * from);
	x->size[0] = x->size[1] = x->size[2] = from;
	x->nr_probes = to > 4 * from ? 3 : 1;
}

static bool merge_into_a_leaf(struct ix *x)
{
	if (!direct(x) || !ix_deep(x, 1) || !has(x, x->s1))
		return false;
	ix_merge(x, x->base, x->p, x->s1);
	ix_want(x, x->base, x->s1, 0, 1, 2);
	return true;
}

static bool merge_into_a_run(struct ix *x)
{
	uint64_t run = x->t->v->sizes & (x->s1 - 1) & ~x->p;

	run &= -run;
	if (!direct(x) || !ix_deep(x, 1) || !run)
		return false;
	ix_merge(x, x->base, x->p, run);
	ix_leaves(x, x->base, run, 1);
	return true;
}

static bool merge_large_leaves(struct ix *x)
{
	if (!direct(x) || !ix_deep(x, 2) || !has(x, x->s1) || !has(x, x->s2))
		return false;
	ix_merge(x, x->base, x->s1, x->s2);
	ix_want(x, x->base, x->s2, 0, 2, 4);
	return true;
}

static bool merge_mixed(struct ix *x)
{
	struct iod_resize z = { .size = sizeof(z), .iova = x->base, .len = x->s1 };

	if (!merge_large_leaves(x))
		return false;
	z.gather = x->t->gather;
	iodt_assert_ok(iod_split_range(x->t->pt, &z));
	iodt_sync(x->t);
	x->size[0] = x->p;
	x->want[0].leaf_levels = 3;
	x->want[0].table_levels = 6;
	return true;
}

static void op_merge(struct ix *x)
{
	struct iod_resize z = {
		.size = sizeof(z),
		.iova = x->want[0].iova,
		.len = x->want[0].last - x->want[0].iova + 1,
		.gather = x->t->gather,
	};

	iodt_assert_ok(iod_merge_range(x->t->pt, &z));
	assert_int_equal(z.done, z.len);
	assert_int_equal(z.entries, 1);
}

/* ---- sweeps ---- */

static bool sweep_pages(struct ix *x)
{
	unsigned int i;

	if (!(x->t->caps & IODT_DIRTY) || !ix_deep(x, 1))
		return false;
	for (i = 0; i < 3; i++)
		ix_page(x, x->base + i * x->p, x->p);
	ix_page(x, x->base + x->s1 + x->p, x->p);
	x->writes = true;
	ix_leaves(x, x->base, 3 * x->p, 1);
	ix_leaves(x, x->base + x->s1 + x->p, x->p, 1);
	return true;
}

static bool sweep_a_run(struct ix *x)
{
	if (!(x->t->caps & IODT_DIRTY) || !unmap_a_run(x))
		return false;
	x->writes = true;
	x->nr_want = 0;
	ix_leaves(x, x->base, 2 * x->size[0], 1);
	return true;
}

static bool sweep_large_leaves(struct ix *x)
{
	if (!(x->t->caps & IODT_DIRTY) || !unmap_a_large_leaf(x))
		return false;
	x->writes = true;
	x->nr_want = 0;
	ix_leaves(x, x->base, 2 * x->s1, 2);
	return true;
}

static void sweep(struct ix *x, enum iod_sweep_mode mode, uint32_t flags)
{
	uint64_t len = 2 * x->s1;
	struct iodt_bits b;
	struct iod_sweep s;

	iodt_bits_init(&b, x->base, len, x->p);
	if (mode == IOD_SWEEP_CLEAR_BY_BITMAP)
		memset(b.mem, 0xff, b.bytes);
	s = iodt_sweep_arg(x->t, mode, x->base, len, &b);
	s.flags = flags;
	iodt_assert_ok(iod_sweep(x->t->pt, &s));
	iodt_bits_free(&b);
}

static void op_sweep(struct ix *x)
{
	sweep(x, IOD_SWEEP_CLEAR, 0);
}

static void op_clear_by_bitmap(struct ix *x)
{
	sweep(x, IOD_SWEEP_CLEAR_BY_BITMAP, 0);
}

/* First what the tables' Accessed bits were taken from, with walk caches; then what was cleaned. */
static bool sweep_pruned(struct ix *x)
{
	if (!(x->t->caps & IODT_PRUNE) || !sweep_pages(x))
		return false;
	x->nr_want = 0;
	ix_want(x, x->base, 2 * x->s1, 0, 1, 2);
	ix_leaves(x, x->base, 3 * x->p, 1);
	ix_leaves(x, x->base + x->s1 + x->p, x->p, 1);
	x->syncs = 2;
	return true;
}

static void op_prune(struct ix *x)
{
	sweep(x, IOD_SWEEP_CLEAR, IOD_SWEEP_PRUNE);
}

static void must_be_stale(struct ix *x, const struct ix_case *c, enum narrow_kind kind,
			  uint32_t level)
{
	struct narrow n = { kind, level };

	if (ix_run(x, c, &n) < 1)
		fail_msg("%s: hardware was told less (%d, level %u), and it did not show", c->name,
			 kind, level);
}

/* Every way to say less that there is for what was asked for. */
static void twins(struct ix *x, const struct ix_case *c)
{
	uint32_t leaves = 0, tables = 0, l;
	bool unknown = false;
	size_t i;

	for (i = 0; i < x->nr_want; i++) {
		leaves |= x->want[i].leaf_levels;
		tables |= x->want[i].table_levels;
		unknown = unknown || !x->want[i].leaf_levels;
	}
	leaves &= ~x->not_held;
	for (l = 0; l < 6; l++) {
		if (leaves >> l & 1)
			must_be_stale(x, c, NO_LEAF_LEVEL, l);
		if (tables >> l & 1)
			must_be_stale(x, c, NO_TABLE_LEVEL, l);
	}
	if (tables)
		must_be_stale(x, c, LEAF_ONLY, 0);
	if (!unknown && leaves) {
		must_be_stale(x, c, NO_FIRST, 0);
		must_be_stale(x, c, NO_LAST, 0);
	}
}

static const struct ix_case cases[] = {
	{ "map_into_nothing", map_into_nothing, op_map_neighbour },
	{ "replace_an_empty_table", replace_an_empty_table, op_map_over },
	{ "replace_empty_tables", replace_empty_tables, op_map_over },
	{ "unmap_a_page", unmap_a_page, op_unmap },
	{ "unmap_pages", unmap_pages, op_unmap },
	{ "unmap_a_table", unmap_a_table, op_unmap },
	{ "unmap_over_tables", unmap_over_tables, op_unmap },
	{ "unmap_a_large_leaf", unmap_a_large_leaf, op_unmap },
	{ "unmap_a_run", unmap_a_run, op_unmap },
	{ "unmap_mixed_tables", unmap_mixed_tables, op_unmap },
	{ "unmap_dirty_a_page", unmap_a_page, op_unmap_dirty },
	{ "unmap_dirty_a_table", unmap_a_table, op_unmap_dirty },
	{ "unmap_dirty_over_tables", unmap_over_tables, op_unmap_dirty },
	{ "unmap_dirty_a_large_leaf", unmap_a_large_leaf, op_unmap_dirty },
	{ "unmap_dirty_a_run", unmap_a_run, op_unmap_dirty },
	{ "unmap_dirty_mixed_tables", unmap_mixed_tables, op_unmap_dirty },
	{ "split_leaves", split_leaves, op_split },
	{ "split_runs", split_runs, op_split },
	{ "split_in_one", split_in_one, op_split },
	{ "split_out_a_page", split_in_one, op_split_a_page },
	{ "merge_into_a_leaf", merge_into_a_leaf, op_merge },
	{ "merge_into_a_run", merge_into_a_run, op_merge },
	{ "merge_large_leaves", merge_large_leaves, op_merge },
	{ "merge_mixed", merge_mixed, op_merge },
	{ "sweep_pages", sweep_pages, op_sweep },
	{ "sweep_a_run", sweep_a_run, op_sweep },
	{ "sweep_large_leaves", sweep_large_leaves, op_sweep },
	{ "clear_pages_by_bitmap", sweep_pages, op_clear_by_bitmap },
	{ "clear_a_run_by_bitmap", sweep_a_run, op_clear_by_bitmap },
	{ "clear_large_leaves_by_bitmap", sweep_large_leaves, op_clear_by_bitmap },
	{ "sweep_pruned", sweep_pruned, op_prune },
};

/* Each case: what is asked for, and that it suffices. Then less of it, every way there is. */
static void asks_for_exactly_what_it_takes(struct iodt *t)
{
	size_t i, ran = 0;
	struct ix x;
	int n;

	ix_open(&x, t);
	for (i = 0; i < IODT_ARRAY_SIZE(cases); i++) {
		n = ix_run(&x, &cases[i], NULL);
		ran += n >= 0;
		if (n > 0)
			fail_msg("%s: %d pages are stale", cases[i].name, n);
		if (!n)
			twins(&x, &cases[i]);
	}
	assert_true(ran >= 10 || !ix_deep(&x, 1) || t->v->sizes == t->page);
}

/* The final pass asks for all of the domain, once, before it looks at anything; then as any sweep. */
static void final_pass(struct iodt *t)
{
	struct ix x;

	ix_open(&x, t);
	x.warm = ix_iotlb();
	ix_obey(&x);
	if (sweep_pages(&x)) {
		iodt_assert_ok(
			iod_iotlb_access(x.warm, t->pt, x.probe[3], IOD_ACCESS_WRITE, NULL, NULL));
		iodt_log_reset(t);
		sweep(&x, IOD_SWEEP_CLEAR, IOD_SWEEP_FINAL);
		assert_int_equal(t->log.nr, 1);
		assert_int_equal(t->log.syncs, 1);
		assert_int_equal(t->log.inv[0].kind, IOD_INV_DOMAIN);
		assert_int_equal(t->log.inv[0].domain, DOMAIN);
		assert_int_equal(t->log.inv[0].flags, 0);
		iodt_sync(t);
		assert_int_equal(t->log.nr, 2);
		assert_int_equal(t->log.syncs, 2);
		assert_int_equal(t->log.inv[1].kind, IOD_INV_RANGE);
		assert_int_equal(t->log.inv[1].iova, x.probe[3]);
		assert_int_equal(t->log.inv[1].last, x.probe[3] + t->page - 1);
	}
	ix_clean_up(&x);
}

static const struct iodt_test tests[] = {
	{ "asks_for_exactly_what_it_takes", IODT_RESIZE | IODT_TABLES, 0,
	  asks_for_exactly_what_it_takes },
	{ "final_pass", IODT_DIRTY | IODT_TABLES, 0, final_pass },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
