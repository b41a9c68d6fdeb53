/* SPDX-License-Identifier: MIT */
/*
 * Unmap: the whole range in one call (tables are cut off and freed, sync included); all of every leaf
 * table but its last page (no table can be cut off: entries are written); and one call per page, where
 * the sync is not included, as callers batch it.
 */
#include "bench.h"

#include "bench_map.h"

#include <errno.h>

#define LEAF_SPAN (BENCH_PAGE * BENCH_LEAF_ITEMS)

static int unmap_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_tables_ready(rig->t, false);

	rig->done = 0;
	return err;
}

static int unmap_work(struct bench_rig *rig, const struct bench_case *c)
{
	return bench_tables_unmap(rig->t, &rig->done);
}

static int unmap_check(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_check_done(rig, "iod_unmap", rig->t->len);

	return err ? err : bench_check_unmapped(rig->t, rig->t->pt, rig->t->len);
}

static int partial_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = 0;

	if (!rig->t->mapped)
		err = bench_tables_map(rig->t, NULL);
	rig->done = 0;
	return err;
}

static int partial_work(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	int err = 0;

	for (uint64_t at = 0; at < t->len && !err; at += LEAF_SPAN)
		err = iod_unmap(t->pt, t->iova + at, LEAF_SPAN - BENCH_PAGE, 0, t->gather,
				&rig->done);
	if (!err)
		err = iod_gather_sync(t->gather);
	return err ? bench_fail(err, "iod_unmap") : 0;
}

/* The last page of every table is there, and only that. Leaves everything unmapped. */
static int partial_check(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	int err = bench_check_done(rig, "iod_unmap", t->len - t->len / BENCH_LEAF_ITEMS);

	for (uint64_t at = 0; at < t->len && !err; at += LEAF_SPAN) {
		uint64_t last = t->iova + at + LEAF_SPAN - BENCH_PAGE, pa;
		uint64_t other = t->iova + at + bench_random(at) % (LEAF_SPAN - BENCH_PAGE);

		if (iod_iova_to_phys(t->pt, last, &pa) || pa != t->pa + (last - t->iova))
			err = bench_fail(-EIO, "the page beside is gone");
		else if (iod_iova_to_phys(t->pt, other, &pa) != -ENOENT)
			err = bench_fail(-EIO, "still mapped");
	}
	return err ? err : bench_tables_unmap(t, NULL);
}

static int unmap_call_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_aux_create(rig);

	if (!err)
		err = bench_aux_map(rig, c);
	rig->done = 0;
	return err;
}

static int unmap_call_work(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_tables *t = rig->t;
	uint64_t span = bench_span(c, t->len);

	for (uint64_t at = 0; at < span; at += BENCH_PAGE) {
		int err = iod_unmap(rig->aux_pt, t->iova + at, BENCH_PAGE, 0, rig->aux_gather,
				    &rig->done);

		if (err)
			return bench_fail(err, "iod_unmap");
	}
	return 0;
}

static int unmap_call_check(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t span = bench_span(c, rig->t->len);
	int err = bench_check_done(rig, "iod_unmap", span);

	if (iod_gather_sync(rig->aux_gather) && !err)
		err = bench_fail(-EIO, "iod_gather_sync");
	return err ? err : bench_check_unmapped(rig->t, rig->aux_pt, span);
}

const struct bench_ops bench_unmap_ops = {
	.prepare = unmap_prepare,
	.work = unmap_work,
	.check = unmap_check,
};
const struct bench_ops bench_unmap_partial_ops = {
	.prepare = partial_prepare,
	.work = partial_work,
	.check = partial_check,
};
const struct bench_ops bench_unmap_call_ops = {
	.prepare = unmap_call_prepare,
	.work = unmap_call_work,
	.check = unmap_call_check,
};
