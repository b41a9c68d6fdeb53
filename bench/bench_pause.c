/* SPDX-License-Identifier: MIT */
/*
 * How long a sweep holds up a mapper: single pages of the range that is swept are unmapped and mapped
 * again, while a sweep runs in another thread. The time is that of one unmap and map, of which 99.9 %
 * took no longer; beside it the longest of all. The limit is the same without a sweep: what the machine
 * itself does to such a loop.
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CALLS   (1u << 20)
#define ALONE_CALLS (1u << 17)
#define SYNC_EVERY  128u
#define LONG_CALL   20e3		   /* ns; shorter ones were not interrupted */
#define KEEP_SWEEPS 4u			   /* of a clean range, which are short */
#define LEAF_BYTES  (BENCH_LEAF_ITEMS / 8) /* of the bitmap */
#define LAST_PAGE   0x80		   /* the mapper's page, in the last of these */

static struct {
	const struct bench_case *c;
	struct bench_tables *t;
	struct iod_gather *gather; /* the mapper's own */
	struct iod_sweep sweep;
	float *ns; /* of each call */
	size_t nr;
	int err, sweep_err;
	bool swept;
} pause_;

/* After a failure, too. */
void bench_pause_end(void)
{
	bench_helper_stop();
	if (pause_.gather) {
		iod_gather_sync(pause_.gather);
		iod_gather_destroy(pause_.gather);
	}
	free(pause_.ns);
	memset(&pause_, 0, sizeof(pause_));
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* @return the time that 99.9 % did not exceed; *worst that none did */
static double evaluate(double *worst)
{
	qsort(pause_.ns, pause_.nr, sizeof(*pause_.ns), compare);
	*worst = pause_.nr ? (double)pause_.ns[pause_.nr - 1] : 0;
	return pause_.nr ? (double)pause_.ns[pause_.nr - 1 - pause_.nr / 1000] : 0;
}

/* The last page of some leaf table, unmapped and mapped again. */
static int remap(size_t n)
{
	struct bench_tables *t = pause_.t;
	uint64_t at = ((bench_random(n) % t->nr_leaf + 1) * BENCH_LEAF_ITEMS - 1) * BENCH_PAGE;
	int err = iod_unmap(t->pt, t->iova + at, BENCH_PAGE, 0, pause_.gather, NULL);

	return err ? err
		   : iod_map(t->pt, t->iova + at, t->pa + at, BENCH_PAGE,
			     IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL);
}

/* Until the sweep is over, or (max) so many calls. Calls in which the kernel ran somebody else do not count. */
static void mapper(size_t max, bool beside_sweep)
{
	long preempted = bench_preemptions();
	size_t nr = 0, calls = 0;

	pause_.err = 0;
	while (nr < max && !pause_.err) {
		double began = bench_now(), ns;

		if (beside_sweep && __atomic_load_n(&pause_.swept, __ATOMIC_ACQUIRE))
			break;
		pause_.err = remap(calls++);
		ns = bench_now() - began;
		if (ns < LONG_CALL || bench_preemptions() == preempted)
			pause_.ns[nr++] = (float)ns;
		else
			preempted = bench_preemptions();
		if (calls % SYNC_EVERY == 0 && !pause_.err)
			pause_.err = iod_gather_sync(pause_.gather);
	}
	pause_.nr = nr;
}

/* The helper's part. A clean range is swept again and again. */
static void sweep(void *unused)
{
	unsigned int left = pause_.c->pattern == BENCH_CLEAN ? KEEP_SWEEPS : 1;

	bench_noise_goes_on();
	while (left-- && !pause_.sweep_err)
		pause_.sweep_err = iod_sweep(pause_.t->pt, &pause_.sweep);
	__atomic_store_n(&pause_.swept, true, __ATOMIC_RELEASE);
}

static void map_beside(void *unused)
{
	mapper(MAX_CALLS, true);
}

static int pause_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	static const struct iod_gather_cfg cfg = { .size = sizeof(cfg) };
	struct bench_tables *t = rig->t;
	int err = bench_tables_ready(t, false);

	bench_pause_end();
	if (err)
		return err;
	pause_.c = c;
	pause_.t = t;
	pause_.ns = calloc(MAX_CALLS, sizeof(*pause_.ns));
	if (!pause_.ns)
		return bench_fail(-ENOMEM, "times");
	err = iod_gather_create(&pause_.gather, t->pt, &cfg);
	if (err)
		return bench_fail(err, "iod_gather_create");
	bench_dirty_set(t, c->pattern);
	bench_sweep_begin(t, &pause_.sweep, c->sweep);
	pause_.sweep.gather = c->sweep == IOD_SWEEP_READ ? NULL : t->gather;
	return bench_helper_start();
}

static int pause_work(struct bench_rig *rig, const struct bench_case *c)
{
	bench_beside(map_beside, NULL, sweep, NULL);
	rig->work_ns = evaluate(&rig->worst);
	if (pause_.sweep_err || pause_.err)
		return bench_fail(pause_.sweep_err ? pause_.sweep_err : pause_.err,
				  pause_.sweep_err ? "iod_sweep" : "iod_unmap, iod_map");
	return 0;
}

/* All pages but the mapper's are reported and cleaned, or left as they were. */
static int verify(struct bench_tables *t)
{
	unsigned char *bits = (unsigned char *)t->bits;
	int err = 0;

	for (size_t n = 0; n < t->nr_leaf; n++) {
		bits[n * LEAF_BYTES + LEAF_BYTES - 1] |= LAST_PAGE;
		t->expect[n * LEAF_BYTES + LEAF_BYTES - 1] |= LAST_PAGE;
	}
	t->patterned = false;
	if (pause_.sweep.done != t->len || pause_.sweep.bad ||
	    memcmp(t->bits, t->expect, (size_t)t->bits_len))
		err = bench_fail(-EIO, "the bitmap is not that of the dirty entries");
	else if (pause_.sweep.gather && bench_dirty_count(t))
		err = bench_fail(-EIO, "not cleaned");
	return err ? err : bench_check_mapped(t, t->pt, t->len);
}

/* The same calls without a sweep. */
static double alone_measure(struct bench_rig *rig, const struct bench_case *c)
{
	double ns;

	mapper(ALONE_CALLS, false);
	ns = evaluate(&rig->worst_alone);
	return pause_.err ? bench_fail(pause_.err, "iod_unmap, iod_map") : ns;
}

/* The mapper's pages lost their Accessed bits. */
static int pause_check(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	int err = verify(t);

	if (iod_gather_sync(t->gather) && !err)
		err = bench_fail(-EIO, "iod_gather_sync");
	bench_pause_end();
	t->state = BENCH_STATE_UNKNOWN;
	return err;
}

const struct bench_ops bench_pause_ops = {
	.prepare = pause_prepare,
	.work = pause_work,
	.check = pause_check,
};
const struct bench_limit bench_limit_alone = { "alone", alone_measure, false };
