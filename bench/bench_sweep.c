/* SPDX-License-Identifier: MIT */
/*
 * Sweeps of the whole range in one call. Every repetition is verified: the counts, the bitmap bit by
 * bit, and the entries that are dirty afterwards.
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Arguments for a sweep of everything, which the caller completes with gather and flags. */
void bench_sweep_begin(struct bench_tables *t, struct iod_sweep *sweep, enum iod_sweep_mode mode)
{
	memset(t->bits, 0, (size_t)t->bits_len);
	*sweep = (struct iod_sweep){
		.size = sizeof(*sweep),
		.mode = mode,
		.iova = t->iova,
		.len = t->len,
		.bitmap = &t->bitmap,
	};
}

static int verify_counts(const struct bench_tables *t, const struct iod_sweep *s)
{
	uint64_t cleaned = s->mode == IOD_SWEEP_READ ? 0 : t->nr_items;
	uint64_t left = t->nr_items - cleaned, found;

	if (s->done != t->len || s->bad)
		return bench_fail(-EIO, "swept %" PRIu64 " bytes, %" PRIu64 " bad", s->done,
				  s->bad);
	if (!(s->flags & IOD_SWEEP_PRUNE) &&
	    s->items + s->pruned * BENCH_LEAF_ITEMS < t->len >> t->item_lg2)
		return bench_fail(-EIO, "looked at %" PRIu64 " items", s->items);
	if (s->dirty != t->nr_entries || s->cleaned != cleaned)
		return bench_fail(-EIO,
				  "%" PRIu64 " dirty, %" PRIu64 " cleaned, should be %" PRIu64
				  ", %" PRIu64,
				  s->dirty, s->cleaned, t->nr_entries, cleaned);
	found = bench_dirty_count(t);
	if (found != left)
		return bench_fail(-EIO, "%" PRIu64 " dirty afterwards, should be %" PRIu64, found,
				  left);
	return 0;
}

/* What the sweep says, the bitmap and the tables agree with the pattern. */
int bench_sweep_verify(struct bench_tables *t, const struct iod_sweep *sweep,
		       struct iod_gather *gather)
{
	int err = verify_counts(t, sweep);

	if (!err && memcmp(t->bits, t->expect, (size_t)t->bits_len))
		err = bench_fail(-EIO, "the bitmap is not that of the dirty entries");
	if (sweep->mode == IOD_SWEEP_READ)
		return err;
	t->state = err ? BENCH_STATE_UNKNOWN : BENCH_STATE_CLEANED;
	if (iod_gather_sync(gather) && !err)
		err = bench_fail(-EIO, "iod_gather_sync");
	return err;
}

static struct iod_gather *gather_of(struct bench_rig *rig, const struct bench_case *c)
{
	return c->attached ? rig->attached_gather : rig->t->gather;
}

static int sweep_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_tables_ready(rig->t, c->recycled);

	if (!err && c->attached)
		err = bench_attach(rig);
	if (err)
		return err;
	bench_dirty_set(rig->t, c->pattern);
	bench_sweep_begin(rig->t, &rig->sweep, c->sweep);
	if (c->sweep != IOD_SWEEP_READ)
		rig->sweep.gather = gather_of(rig, c);
	return 0;
}

static int sweep_work(struct bench_rig *rig, const struct bench_case *c)
{
	int err = iod_sweep(c->attached ? rig->attached : rig->t->pt, &rig->sweep);

	return err ? bench_fail(err, "iod_sweep") : 0;
}

static int sweep_check(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_sweep_verify(rig->t, &rig->sweep, gather_of(rig, c));

	bench_detach(rig);
	return err;
}

/* The same state of plain tables of single pages, in the same repetition. */
static double plain_measure(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = &rig->plain;
	struct bench_watch watch;
	struct iod_sweep sweep;
	double ns;
	int err = bench_tables_ready(t, false);

	if (err)
		return err;
	bench_dirty_set(t, c->pattern);
	bench_sweep_begin(t, &sweep, c->sweep);
	sweep.gather = c->sweep == IOD_SWEEP_READ ? NULL : t->gather;
	bench_evict();
	watch = bench_start();
	err = iod_sweep(t->pt, &sweep);
	ns = bench_stop(&watch) / (double)(t->len >> t->item_lg2);
	if (err)
		return bench_fail(err, "iod_sweep");
	err = bench_sweep_verify(t, &sweep, t->gather);
	return err ? err : ns;
}

const struct bench_ops bench_sweep_ops = {
	.prepare = sweep_prepare,
	.work = sweep_work,
	.check = sweep_check,
};
const struct bench_limit bench_limit_plain = { "plain", plain_measure, true };
