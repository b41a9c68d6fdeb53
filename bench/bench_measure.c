/* SPDX-License-Identifier: MIT */
/*
 * Repeats a case, limit and work in turn, until the spread is small or the time is up. Medians and
 * the median absolute deviation, because neighbours on the machine only ever add time. Repetitions in
 * which the kernel ran somebody else are left out; where there are no others, they count with the
 * time that this thread itself ran, and the row is called noisy.
 */
#include "bench.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define LEAST_REPS 3u

/* One repetition. */
struct pair {
	double work, limit; /* ns per item */
	bool disturbed;
};

/* Stay on the CPU where we are; go on without where that is not permitted. */
void bench_pin(void)
{
#if defined(__linux__)
	int cpu = sched_getcpu();
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
#endif
}

static double read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

double bench_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* How often this thread was preempted; always 0 where the system does not say. */
static long preemptions(void)
{
#ifdef RUSAGE_THREAD
	struct rusage usage;

	if (!getrusage(RUSAGE_THREAD, &usage))
		return usage.ru_nivcsw;
#endif
	return 0;
}

struct bench_watch bench_start(void)
{
	struct bench_watch watch = { .preempted = preemptions() };

	watch.cpu = read_clock(CLOCK_THREAD_CPUTIME_ID);
	watch.wall = bench_now();
	return watch;
}

/* Nanoseconds since the start; without what others ran in between when the thread was preempted. */
double bench_stop(const struct bench_watch *watch)
{
	double wall = bench_now() - watch->wall;

	if (preemptions() == watch->preempted)
		return wall;
	return read_clock(CLOCK_THREAD_CPUTIME_ID) - watch->cpu;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the values. */
static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Fill the row from the repetitions: the quiet ones if there are enough, else all. */
static void evaluate(struct bench_row *row, const struct pair *pairs, uint32_t nr)
{
	double work[BENCH_MAX_REPS], limit[BENCH_MAX_REPS], ratio[BENCH_MAX_REPS];
	uint32_t quiet = 0, n = 0;

	for (uint32_t i = 0; i < nr; i++)
		quiet += !pairs[i].disturbed;
	row->disturbed = nr - quiet;
	for (uint32_t i = 0; i < nr; i++) {
		if (quiet >= LEAST_REPS && pairs[i].disturbed)
			continue;
		work[n] = pairs[i].work;
		limit[n] = pairs[i].limit;
		ratio[n] = pairs[i].limit > 0 ? pairs[i].work / pairs[i].limit : 0;
		n++;
	}
	row->reps = n;
	row->ns = median(work, n);
	row->min = work[0];
	row->max = work[n - 1];
	row->limit = median(limit, n);
	row->ratio = median(ratio, n);
	for (uint32_t i = 0; i < n; i++)
		work[i] = work[i] < row->ns ? row->ns - work[i] : work[i] - row->ns;
	row->mad = median(work, n);
	row->noisy = quiet < LEAST_REPS || row->mad > BENCH_MAX_SPREAD * row->ns;
}

static int repeat(struct bench_rig *rig, const struct bench_case *c, uint64_t items,
		  struct pair *pair)
{
	struct bench_watch watch;
	long preempted;
	int err = c->ops->prepare(rig, c);

	if (err)
		return err;
	preempted = preemptions();
	if (!c->warm)
		bench_evict();
	pair->limit = c->ops->limit(rig, c);
	if (!c->warm)
		bench_evict();
	watch = bench_start();
	err = c->ops->work(rig, c);
	pair->work = bench_stop(&watch) / (double)items;
	pair->disturbed = preemptions() != preempted;
	return err ? err : c->ops->check(rig, c);
}

int bench_measure(struct bench_rig *rig, struct bench_row *row, const struct bench_budget *budget)
{
	struct pair pairs[BENCH_MAX_REPS];
	double deadline = bench_now() + budget->ns;
	uint32_t nr = 0, quiet;

	row->range = bench_span(row->c, rig->len);
	row->items = bench_items(row->c, rig->len);
	do {
		int err = repeat(rig, row->c, row->items, &pairs[nr]);

		if (err)
			return err;
		evaluate(row, pairs, ++nr);
		quiet = nr - row->disturbed;
		if (quiet >= budget->max_reps || (quiet >= budget->min_reps && !row->noisy))
			break;
	} while (nr < BENCH_MAX_REPS && (nr < LEAST_REPS || bench_now() < deadline));
	row->ok = !row->bounded || row->ns <= row->bound;
	return 0;
}
