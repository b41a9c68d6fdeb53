/* SPDX-License-Identifier: MIT */
/*
 * One range swept in two shares by two threads on two CPUs, each with a sweep and a gather of its own,
 * against one thread that does it all. What the memory allows is measured beside it: two threads that
 * do the limit's work (reading, or locked operations) on half of the tables each, against one.
 */
#include "bench.h"

#include "bench_loops.h"

#include <errno.h>

#define NR_SHARES 2u

/* One share and its thread's part. */
struct job {
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	struct iod_sweep sweep;
	int err;
};
static struct job jobs[NR_SHARES];

/* The limit's work on part of the tables. */
struct bus_job {
	const struct bench_tables *t;
	size_t first, end;
	bool locked;
	uint64_t sum; /* so that no result is unused */
};
static volatile uint64_t all_ones = UINT64_MAX;

static void bus_work(void *arg)
{
	struct bus_job *job = arg;
	uint64_t all = 0;

	for (size_t i = job->first; i < job->end; i++) {
		if (job->locked)
			bench_locked(job->t->leaf[i], BENCH_LEAF_ITEMS, all_ones);
		else
			all |= bench_read(job->t->leaf[i], BENCH_LEAF_ITEMS);
	}
	job->sum = all;
}

/* How much faster two threads are than one, at what bounds both. The helper is left running. */
static int measure_bus(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_tables *t = rig->t;
	struct bus_job whole = { t, 0, t->nr_leaf, c->attached, 0 };
	struct bus_job half = { t, t->nr_leaf / 2, t->nr_leaf, c->attached, 0 };
	struct bus_job other = { t, 0, t->nr_leaf / 2, c->attached, 0 };
	struct bench_watch watch;
	double one, two;
	int err;

	bench_evict();
	watch = bench_start();
	bus_work(&whole);
	one = bench_stop(&watch);
	err = bench_helper_start();
	if (err)
		return err;
	bench_evict();
	two = bench_both(bus_work, &other, &half);
	rig->bus = two > 0 && one > two ? one / two : 1;
	return 0;
}

static struct iod_pgtable *pt_of(struct bench_rig *rig, const struct bench_case *c)
{
	return c->attached ? rig->attached : rig->t->pt;
}

/* After a failure, too. */
void bench_shares_end(void)
{
	bench_helper_stop();
	for (unsigned int i = 0; i < NR_SHARES; i++) {
		if (!jobs[i].gather)
			continue;
		iod_gather_sync(jobs[i].gather);
		iod_gather_destroy(jobs[i].gather);
		jobs[i].gather = NULL;
	}
}

static int begin_shares(struct bench_rig *rig, const struct bench_case *c)
{
	const struct iod_gather_cfg cfg = { .size = sizeof(cfg) };
	struct iod_share shares[NR_SHARES];
	unsigned int nr = NR_SHARES;
	int err = iod_sweep_split(pt_of(rig, c), rig->t->iova, rig->t->len, &rig->t->bitmap, shares,
				  &nr);

	if (err || nr != NR_SHARES)
		return bench_fail(err ? err : -EIO, "iod_sweep_split");
	bench_dirty_set(rig->t, c->pattern);
	for (unsigned int i = 0; i < NR_SHARES; i++) {
		struct job *job = &jobs[i];

		job->pt = pt_of(rig, c);
		err = iod_gather_create(&job->gather, job->pt, &cfg);
		if (err)
			return bench_fail(err, "iod_gather_create");
		bench_sweep_begin(rig->t, &job->sweep, c->sweep);
		job->sweep.iova = shares[i].iova;
		job->sweep.len = shares[i].len;
		job->sweep.gather = c->sweep == IOD_SWEEP_READ ? NULL : job->gather;
	}
	return 0;
}

static int shares_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_tables_ready(rig->t, c->recycled);

	if (!err && c->attached)
		err = bench_attach(rig);
	return err;
}

/* One thread. The rest of what is measured beside it, and the shares, are made ready here. */
static double one_thread_measure(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	struct iod_gather *gather = c->attached ? rig->attached_gather : t->gather;
	struct bench_watch watch;
	double ns;
	int err;

	bench_dirty_set(t, c->pattern);
	bench_sweep_begin(t, &rig->sweep, c->sweep);
	rig->sweep.gather = c->sweep == IOD_SWEEP_READ ? NULL : gather;
	bench_evict();
	watch = bench_start();
	err = iod_sweep(pt_of(rig, c), &rig->sweep);
	ns = bench_stop(&watch) / (double)(t->len >> t->item_lg2);
	if (err)
		return bench_fail(err, "iod_sweep");
	err = bench_sweep_verify(t, &rig->sweep, gather);
	if (!err)
		err = measure_bus(rig, c);
	if (!err)
		err = begin_shares(rig, c);
	return err ? err : ns;
}

static void sweep_share(void *arg)
{
	struct job *job = arg;

	job->err = iod_sweep(job->pt, &job->sweep);
}

static int shares_work(struct bench_rig *rig, const struct bench_case *c)
{
	double ns = bench_both(sweep_share, &jobs[0], &jobs[1]);
	struct bench_watch watch = bench_start();
	int err;

	for (unsigned int i = 0; i < NR_SHARES; i++)
		if (jobs[i].err)
			return bench_fail(jobs[i].err, "iod_sweep of a share");
	err = iod_gather_merge(jobs[0].gather, jobs[1].gather);
	rig->work_ns = ns + bench_stop(&watch);
	return err ? bench_fail(err, "iod_gather_merge") : 0;
}

static int shares_check(struct bench_rig *rig, const struct bench_case *c)
{
	struct iod_sweep sum = jobs[0].sweep;
	const struct iod_sweep *s = &jobs[1].sweep;
	int err;

	sum.done += s->done;
	sum.items += s->items;
	sum.dirty += s->dirty;
	sum.cleaned += s->cleaned;
	sum.bad += s->bad;
	sum.pruned += s->pruned;
	err = bench_sweep_verify(rig->t, &sum, jobs[0].gather);
	bench_shares_end();
	bench_detach(rig);
	return err;
}

const struct bench_ops bench_shares_ops = {
	.prepare = shares_prepare,
	.work = shares_work,
	.check = shares_check,
};
const struct bench_limit bench_limit_one_thread = { "1 thread", one_thread_measure, false };
