/* SPDX-License-Identifier: MIT */
/*
 * Sweeps of the whole range in one call. Every repetition is verified: the counts, the bitmap bit by
 * bit, and the entries that are dirty afterwards.
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int sweep_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_rig_ready(rig, c->recycled);

	if (err)
		return err;
	bench_dirty_set(rig, c->dirty);
	memset(rig->bits, 0, rig->bits_len);
	rig->sweep = (struct iod_sweep){
		.size = sizeof(rig->sweep),
		.mode = c->sweep,
		.iova = rig->iova,
		.len = rig->len,
		.bitmap = &rig->bitmap,
		.gather = c->sweep == IOD_SWEEP_READ ? NULL : rig->gather,
	};
	return 0;
}

static int sweep_work(struct bench_rig *rig, const struct bench_case *c)
{
	int err = iod_sweep(rig->pt, &rig->sweep);

	if (err)
		return bench_rig_fail(rig, err, "iod_sweep");
	return 0;
}

static int sweep_check_counts(struct bench_rig *rig, const struct bench_case *c)
{
	const struct iod_sweep *s = &rig->sweep;
	uint64_t cleaned = c->sweep == IOD_SWEEP_READ ? 0 : rig->nr_dirty;
	uint64_t left = rig->nr_dirty - cleaned;
	uint64_t found = bench_dirty_count(rig);

	if (s->done != rig->len || s->bad || s->items < rig->len >> BENCH_PAGE_LG2)
		return bench_rig_fail(rig, -EIO,
				      "swept %" PRIu64 " bytes, %" PRIu64 " items, %" PRIu64 " bad",
				      s->done, s->items, s->bad);
	if (s->dirty != rig->nr_dirty || s->cleaned != cleaned)
		return bench_rig_fail(rig, -EIO,
				      "%" PRIu64 " dirty, %" PRIu64 " cleaned, should be %" PRIu64
				      ", %" PRIu64,
				      s->dirty, s->cleaned, rig->nr_dirty, cleaned);
	if (found != left)
		return bench_rig_fail(rig, -EIO, "%" PRIu64 " dirty afterwards, should be %" PRIu64,
				      found, left);
	return 0;
}

static int sweep_check(struct bench_rig *rig, const struct bench_case *c)
{
	int err = sweep_check_counts(rig, c);

	if (!err && memcmp(rig->bits, rig->expect, rig->bits_len))
		err = bench_rig_fail(rig, -EIO, "the bitmap is not that of the dirty entries");
	if (c->sweep == IOD_SWEEP_READ)
		return err;
	rig->dirty_state = -1;
	if (iod_gather_sync(rig->gather) && !err)
		err = bench_rig_fail(rig, -EIO, "iod_gather_sync");
	return err;
}

static double sweep_limit(struct bench_rig *rig, const struct bench_case *c)
{
	return strcmp(c->limit, "rmw") ? bench_limit_read(rig, c) : bench_limit_rmw(rig, c);
}

const struct bench_ops bench_sweep_ops = {
	.prepare = sweep_prepare,
	.work = sweep_work,
	.check = sweep_check,
	.limit = sweep_limit,
};
