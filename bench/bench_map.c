/* SPDX-License-Identifier: MIT */
/*
 * Map: the whole range in one call, and one call per page. "fresh" maps into an arena that was just
 * created, so the operating system's page faults count; "recycled" into tables that were freed before.
 */
#include "bench.h"

#include "bench_map.h"

#include <errno.h>
#include <inttypes.h>

int bench_check_done(const struct bench_rig *rig, const char *what, uint64_t len)
{
	if (rig->done == len)
		return 0;
	return bench_fail(-EIO, "%s: %" PRIu64 " of %" PRIu64 " bytes", what, rig->done, len);
}

/* A new page table in the second arena; a new arena as well when there is none. */
int bench_aux_create(struct bench_rig *rig)
{
	int err;

	bench_destroy_pt(&rig->aux_pt, &rig->aux_gather);
	rig->done = 0;
	if (!rig->aux_mem) {
		err = iod_mem_create_arena(&rig->aux_mem, NULL);
		if (err)
			return bench_fail(err, "iod_mem_create_arena");
	}
	return bench_create_pt(rig->format, IOD_PT_HW_DIRTY, BENCH_PAGE, rig->aux_mem, &rig->aux_pt,
			       &rig->aux_gather);
}

int bench_aux_map(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_tables *t = rig->t;
	int err = iod_map(rig->aux_pt, t->iova, t->pa, bench_span(c, t->len),
			  IOD_PROT_READ | IOD_PROT_WRITE, NULL, &rig->done);

	return err ? bench_fail(err, "iod_map") : 0;
}

/* Not a page of it may be left for the next repetition, or for the next case. */
static void aux_destroy(struct bench_rig *rig)
{
	bench_destroy_pt(&rig->aux_pt, &rig->aux_gather);
	if (rig->aux_mem)
		iod_mem_destroy(rig->aux_mem);
	rig->aux_mem = NULL;
}

static int fresh_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	aux_destroy(rig);
	return bench_aux_create(rig);
}

static int fresh_check(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_check_done(rig, "iod_map", rig->t->len);

	if (!err)
		err = bench_check_mapped(rig->t, rig->aux_pt, rig->t->len);
	aux_destroy(rig);
	return err;
}

static int map_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = 0;

	if (!rig->t->mapped)
		err = bench_tables_map(rig->t, NULL);
	if (!err)
		err = bench_tables_unmap(rig->t, NULL);
	rig->done = 0;
	return err;
}

static int map_work(struct bench_rig *rig, const struct bench_case *c)
{
	return bench_tables_map(rig->t, &rig->done);
}

static int map_check(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_check_done(rig, "iod_map", rig->t->len);

	return err ? err : bench_check_mapped(rig->t, rig->t->pt, rig->t->len);
}

static int map_call_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	return bench_aux_create(rig);
}

static int map_call_work(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_tables *t = rig->t;
	uint64_t span = bench_span(c, t->len);

	for (uint64_t at = 0; at < span; at += BENCH_PAGE) {
		int err = iod_map(rig->aux_pt, t->iova + at, t->pa + at, BENCH_PAGE,
				  IOD_PROT_READ | IOD_PROT_WRITE, NULL, &rig->done);

		if (err)
			return bench_fail(err, "iod_map");
	}
	return 0;
}

static int map_call_check(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t span = bench_span(c, rig->t->len);
	int err = bench_check_done(rig, "iod_map", span);

	return err ? err : bench_check_mapped(rig->t, rig->aux_pt, span);
}

const struct bench_ops bench_map_fresh_ops = {
	.prepare = fresh_prepare,
	.work = bench_aux_map,
	.check = fresh_check,
};
const struct bench_ops bench_map_ops = {
	.prepare = map_prepare,
	.work = map_work,
	.check = map_check,
};
const struct bench_ops bench_map_call_ops = {
	.prepare = map_call_prepare,
	.work = map_call_work,
	.check = map_call_check,
};
