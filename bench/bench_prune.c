/* SPDX-License-Identifier: MIT */
/*
 * Sweeps that skip what no device touched (IOD_SWEEP_PRUNE), against full sweeps of the same tables.
 *
 * Devices touch some 2 MiB regions: they set Accessed in the table entries on the way there and
 * Accessed and Dirty in a few of the region's leaves. Both sweeps find the same pages.
 */
#include "bench.h"

#include <errno.h>
#include <string.h>

#define REGION_LG2	 21
#define PERMILLE_TOUCHED 1u
#define DIRTY_LEAVES	 4u /* of a region that was touched, where few are */
#define LEAVES_APART	 (BENCH_LEAF_ITEMS / DIRTY_LEAVES)
#define WRITTEN_EVERY	 64u /* where all are touched, most of them are only read */

static bool all_touched(const struct bench_case *c)
{
	return c->pattern == BENCH_DIRTY_100;
}

/* Whether a device used the n-th region. At least the first, however few regions there are. */
static bool touched(const struct bench_case *c, size_t n)
{
	return all_touched(c) || n == 0 || bench_random(n) % 1000 < PERMILLE_TOUCHED;
}

static bool written(const struct bench_case *c, size_t n)
{
	return touched(c, n) && (!all_touched(c) || n % WRITTEN_EVERY == 0);
}

/* No table entry is accessed, as after a pruned sweep. */
static void forget_accesses(struct bench_tables *t)
{
	const uint64_t keep = ~bench_le64(t->raw->table_accessed);

	for (unsigned int level = 1; level < BENCH_LEVELS; level++)
		for (size_t n = 0; n < t->nr_upper[level]; n++)
			for (unsigned int i = 0; t->upper[level][n] && i < BENCH_LEAF_ITEMS; i++)
				t->upper[level][n][i] &= keep;
}

/* The table entries that a walk to this address uses. */
static void access_path(struct bench_tables *t, uint64_t iova)
{
	const uint64_t accessed = bench_le64(t->raw->table_accessed);

	for (unsigned int level = 1; level < BENCH_LEVELS; level++) {
		unsigned int lg2 = BENCH_PAGE_LG2 + BENCH_TABLE_LG2 * level;
		uint64_t *table = t->upper[level][bench_upper_index(t, level, iova)];

		if (table)
			table[iova >> lg2 & (BENCH_LEAF_ITEMS - 1)] |= accessed;
	}
}

/* Write a region: some of its leaves become dirty, and are expected in the bitmap. */
static void write_region(struct bench_tables *t, size_t n)
{
	const uint64_t mask = bench_le64(t->raw->dirty_mask);
	const uint64_t value = bench_le64(t->raw->dirty_value);
	const uint64_t accessed = bench_le64(t->raw->accessed);

	for (unsigned int k = 0; k < DIRTY_LEAVES; k++) {
		unsigned int i =
			k * LEAVES_APART + (unsigned int)(bench_random(n + k) % LEAVES_APART);
		uint64_t *item = &t->leaf[n][i];

		*item = (*item & ~mask) | value | accessed;
		t->expect[n * (BENCH_LEAF_ITEMS / 8) + i / 8] |= (unsigned char)(1 << i % 8);
		t->nr_items++;
	}
}

/* What devices did since the last sweep. Leaves are clean before. */
static void touch(struct bench_tables *t, const struct bench_case *c)
{
	memset(t->expect, 0, (size_t)t->bits_len);
	t->patterned = false;
	t->nr_items = 0;
	forget_accesses(t);
	for (size_t n = 0; n < t->nr_leaf; n++) {
		if (touched(c, n))
			access_path(t, t->iova + ((uint64_t)n << REGION_LG2));
		if (written(c, n))
			write_region(t, n);
	}
	t->nr_entries = t->nr_items;
}

static int prune_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	int err = bench_tables_ready(t, false);

	if (err)
		return err;
	if (t->state != BENCH_STATE_CLEANED)
		bench_dirty_set(t, BENCH_CLEAN);
	return 0;
}

/* A sweep of its own, from the same state on. */
static double full_measure(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	struct bench_watch watch;
	struct iod_sweep sweep;
	double ns;
	int err;

	touch(t, c);
	bench_sweep_begin(t, &sweep, IOD_SWEEP_CLEAR);
	sweep.gather = t->gather;
	bench_evict();
	watch = bench_start();
	err = iod_sweep(t->pt, &sweep);
	ns = bench_stop(&watch) / (double)(t->len >> t->item_lg2);
	if (err)
		return bench_fail(err, "iod_sweep");
	err = bench_sweep_verify(t, &sweep, t->gather);
	touch(t, c);
	bench_sweep_begin(t, &rig->sweep, IOD_SWEEP_CLEAR);
	rig->sweep.gather = t->gather;
	rig->sweep.flags = IOD_SWEEP_PRUNE;
	return err ? err : ns;
}

static int prune_work(struct bench_rig *rig, const struct bench_case *c)
{
	int err = iod_sweep(rig->t->pt, &rig->sweep);

	return err ? bench_fail(err, "iod_sweep") : 0;
}

static int prune_check(struct bench_rig *rig, const struct bench_case *c)
{
	return bench_sweep_verify(rig->t, &rig->sweep, rig->t->gather);
}

const struct bench_ops bench_prune_ops = {
	.prepare = prune_prepare,
	.work = prune_work,
	.check = prune_check,
};
/* Measured before the work, which it prepares: both need the tables touched. */
const struct bench_limit bench_limit_full = { "full", full_measure, false };
