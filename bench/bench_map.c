/* SPDX-License-Identifier: MIT */
/*
 * Map and unmap: the whole range in one call, and one call per page.
 *
 * "fresh" maps into an arena that was just created, so the operating system's page faults count;
 * "recycled" into tables that were freed before. Unmapping a range includes the sync of its gather,
 * which frees the tables; one call per page does not, as callers batch it.
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>

static int check_done(struct bench_rig *rig, const char *what, uint64_t len)
{
	if (rig->done == len)
		return 0;
	return bench_rig_fail(rig, -EIO, "%s: %" PRIu64 " of %" PRIu64 " bytes", what, rig->done,
			      len);
}

/* A new page table in the second arena; a new arena as well when there is none. */
static int aux_create(struct bench_rig *rig)
{
	int err;

	bench_destroy_pt(&rig->aux_pt, &rig->aux_gather);
	rig->done = 0;
	if (!rig->aux_mem) {
		err = iod_mem_create_arena(&rig->aux_mem, NULL);
		if (err)
			return bench_rig_fail(rig, err, "iod_mem_create_arena");
	}
	return bench_create_pt(rig, rig->aux_mem, &rig->aux_pt, &rig->aux_gather);
}

static int fresh_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	bench_destroy_pt(&rig->aux_pt, &rig->aux_gather);
	if (rig->aux_mem)
		iod_mem_destroy(rig->aux_mem);
	rig->aux_mem = NULL;
	return aux_create(rig);
}

static int aux_map_range(struct bench_rig *rig, const struct bench_case *c)
{
	int err = iod_map(rig->aux_pt, rig->iova, rig->pa, bench_span(c, rig->len),
			  IOD_PROT_READ | IOD_PROT_WRITE, NULL, &rig->done);

	if (err)
		return bench_rig_fail(rig, err, "iod_map");
	return 0;
}

static int fresh_check(struct bench_rig *rig, const struct bench_case *c)
{
	int err = check_done(rig, "iod_map", rig->len);

	if (!err)
		err = bench_check_mapped(rig, rig->aux_pt, rig->len);
	/* Not a page of it may be left for the next repetition, or for the next case. */
	bench_destroy_pt(&rig->aux_pt, &rig->aux_gather);
	iod_mem_destroy(rig->aux_mem);
	rig->aux_mem = NULL;
	return err;
}

static int map_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = 0;

	if (!rig->mapped)
		err = bench_rig_map(rig);
	if (!err)
		err = bench_rig_unmap(rig);
	rig->done = 0;
	return err;
}

static int map_work(struct bench_rig *rig, const struct bench_case *c)
{
	return bench_rig_map(rig);
}

static int map_check(struct bench_rig *rig, const struct bench_case *c)
{
	int err = check_done(rig, "iod_map", rig->len);

	return err ? err : bench_check_mapped(rig, rig->pt, rig->len);
}

static int unmap_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_rig_ready(rig, false);

	rig->done = 0;
	return err;
}

static int unmap_work(struct bench_rig *rig, const struct bench_case *c)
{
	return bench_rig_unmap(rig);
}

static int unmap_check(struct bench_rig *rig, const struct bench_case *c)
{
	int err = check_done(rig, "iod_unmap", rig->len);

	return err ? err : bench_check_unmapped(rig, rig->pt, rig->len);
}

static int map_call_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	return aux_create(rig);
}

static int map_call_work(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t span = bench_span(c, rig->len);

	for (uint64_t at = 0; at < span; at += BENCH_PAGE) {
		int err = iod_map(rig->aux_pt, rig->iova + at, rig->pa + at, BENCH_PAGE,
				  IOD_PROT_READ | IOD_PROT_WRITE, NULL, &rig->done);

		if (err)
			return bench_rig_fail(rig, err, "iod_map");
	}
	return 0;
}

static int map_call_check(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t span = bench_span(c, rig->len);
	int err = check_done(rig, "iod_map", span);

	return err ? err : bench_check_mapped(rig, rig->aux_pt, span);
}

static int unmap_call_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = aux_create(rig);

	if (!err)
		err = aux_map_range(rig, c);
	if (!err)
		err = bench_rig_ready(rig, false); /* the limit reads the tables of the range */
	rig->done = 0;
	return err;
}

static int unmap_call_work(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t span = bench_span(c, rig->len);

	for (uint64_t at = 0; at < span; at += BENCH_PAGE) {
		int err = iod_unmap(rig->aux_pt, rig->iova + at, BENCH_PAGE, 0, rig->aux_gather,
				    &rig->done);

		if (err)
			return bench_rig_fail(rig, err, "iod_unmap");
	}
	return 0;
}

static int unmap_call_check(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t span = bench_span(c, rig->len);
	int err = check_done(rig, "iod_unmap", span);

	if (iod_gather_sync(rig->aux_gather) && !err)
		err = bench_rig_fail(rig, -EIO, "iod_gather_sync");
	return err ? err : bench_check_unmapped(rig, rig->aux_pt, span);
}

const struct bench_ops bench_map_fresh_ops = {
	.prepare = fresh_prepare,
	.work = aux_map_range,
	.check = fresh_check,
	.limit = bench_limit_write_fresh,
};

const struct bench_ops bench_map_ops = {
	.prepare = map_prepare,
	.work = map_work,
	.check = map_check,
	.limit = bench_limit_write,
};

const struct bench_ops bench_unmap_ops = {
	.prepare = unmap_prepare,
	.work = unmap_work,
	.check = unmap_check,
	.limit = bench_limit_read,
};

const struct bench_ops bench_map_call_ops = {
	.prepare = map_call_prepare,
	.work = map_call_work,
	.check = map_call_check,
	.limit = bench_limit_write,
};

const struct bench_ops bench_unmap_call_ops = {
	.prepare = unmap_call_prepare,
	.work = unmap_call_work,
	.check = unmap_call_check,
	.limit = bench_limit_read,
};
