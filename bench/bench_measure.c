/* SPDX-License-Identifier: MIT */
/*
 * Repeats a case, limit and work in turn, until the spread is small or the time is up. Medians and
 * the median absolute deviation, because neighbours on the machine only ever add time. Repetitions in
 * which the kernel ran somebody else are left out; where there are not enough others, they count with
 * the time that this thread itself ran. A ratio is that of the pairs: the
 * limit of a repetition is the mean of before and after the work where it can be had twice.
 */
#include "bench.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define LEAST_REPS 3u
#define BUS_SHARE  0.95 /* of what the bus gives, where that is less than a speed-up's bound */

/* One repetition. */
struct pair {
	double work, limit; /* ns per item */
	double bus, worst, worst_alone;
	bool disturbed;
};

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

/* Nanoseconds that this thread ran. */
double bench_cpu_now(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* How often this thread was preempted; always 0 where the system does not say. */
long bench_preemptions(void)
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
	struct bench_watch watch = { .preempted = bench_preemptions() };

	watch.cpu = bench_cpu_now();
	watch.wall = bench_now();
	return watch;
}

/* Whether any measured time of this repetition was interrupted. */
static bool interrupted;

void bench_note_preemption(void)
{
	interrupted = true;
}

/* Nanoseconds since the start; without what others ran in between when the thread was preempted. */
double bench_stop(const struct bench_watch *watch)
{
	double wall = bench_now() - watch->wall;

	if (bench_preemptions() == watch->preempted)
		return wall;
	bench_note_preemption();
	return bench_cpu_now() - watch->cpu;
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

/* Relative median absolute deviation; the values are lost. */
static double spread_of(double *values, size_t n, double middle)
{
	for (size_t i = 0; i < n; i++)
		values[i] = values[i] < middle ? middle - values[i] : values[i] - middle;
	return middle > 0 ? median(values, n) / middle : 0;
}

/* Whether the bound is kept; fills row->bound. */
static bool within_bound(struct bench_row *row)
{
	const struct bench_bound *bound = &row->c->bound;

	row->bound = bound->value;
	switch (bound->kind) {
	case BENCH_NO_BOUND:
		return true;
	case BENCH_RATIO:
		return row->ratio <= bound->value;
	case BENCH_INVERSE:
		return row->ratio * bound->value <= 1;
	case BENCH_NS:
		return row->ns <= bound->value;
	case BENCH_SPEEDUP:
		if (BUS_SHARE * row->bus < bound->value)
			row->bound = BUS_SHARE * row->bus;
		return row->ratio >= row->bound;
	}
	return false;
}

static bool is_ratio(enum bench_bound_kind kind)
{
	return kind == BENCH_RATIO || kind == BENCH_INVERSE || kind == BENCH_SPEEDUP;
}

static double ratio_of(const struct bench_row *row, const struct pair *pair)
{
	double over = pair->work, under = pair->limit;

	if (row->c->bound.kind == BENCH_SPEEDUP) {
		over = pair->limit;
		under = pair->work;
	}
	return under > 0 ? over / under : 0;
}

/* A thread that is not running holds others up for as long: not where any repetition was quiet. */
static void find_worst(struct bench_row *row, const struct pair *pairs, uint32_t nr, uint32_t quiet)
{
	row->worst = 0;
	row->worst_alone = 0;
	for (uint32_t i = 0; i < nr; i++) {
		if (quiet && pairs[i].disturbed)
			continue;
		if (pairs[i].worst > row->worst)
			row->worst = pairs[i].worst;
		if (pairs[i].worst_alone > row->worst_alone)
			row->worst_alone = pairs[i].worst_alone;
	}
}

/* Fill the row from the repetitions: the quiet ones if there are enough, else all. */
static void evaluate(struct bench_row *row, const struct pair *pairs, uint32_t nr)
{
	double work[BENCH_MAX_REPS], limit[BENCH_MAX_REPS], ratio[BENCH_MAX_REPS];
	double bus[BENCH_MAX_REPS], ratio_spread;
	uint32_t quiet = 0, n = 0;

	for (uint32_t i = 0; i < nr; i++)
		quiet += !pairs[i].disturbed;
	row->disturbed = nr - quiet;
	find_worst(row, pairs, nr, quiet);
	for (uint32_t i = 0; i < nr; i++) {
		if (quiet >= LEAST_REPS && pairs[i].disturbed)
			continue;
		work[n] = pairs[i].work;
		limit[n] = pairs[i].limit;
		bus[n] = pairs[i].bus;
		ratio[n] = ratio_of(row, &pairs[i]);
		n++;
	}
	row->reps = n;
	row->ns = median(work, n);
	row->min = work[0];
	row->max = work[n - 1];
	row->limit = median(limit, n);
	row->bus = median(bus, n);
	row->ratio = median(ratio, n);
	ratio_spread = spread_of(ratio, n, row->ratio);
	row->spread = spread_of(work, n, row->ns);
	row->mad = row->spread * row->ns;
	if (is_ratio(row->c->bound.kind))
		row->spread = ratio_spread;
	row->noisy = row->spread > BENCH_MAX_SPREAD;
	row->ok = within_bound(row);
}

/* The limit once, with the caches as before the work. Negative: failed. */
static double measure_limit(struct bench_rig *rig, const struct bench_case *c)
{
	if (!c->warm)
		bench_evict();
	return c->limit->measure(rig, c);
}

static int repeat(struct bench_rig *rig, const struct bench_case *c, uint64_t items,
		  struct pair *pair)
{
	struct bench_watch watch;
	double after;
	int err;

	interrupted = false;
	rig->bus = 0;
	rig->work_ns = 0;
	rig->worst = 0;
	rig->worst_alone = 0;
	rig->commands = 0;
	rig->excess = 0;
	err = c->ops->prepare(rig, c);
	if (err)
		return err;
	pair->limit = measure_limit(rig, c);
	if (pair->limit < 0)
		return (int)pair->limit;
	if (!c->warm)
		bench_evict();
	watch = bench_start();
	err = c->ops->work(rig, c);
	pair->work = bench_stop(&watch);
	if (rig->work_ns > 0)
		pair->work = rig->work_ns;
	pair->work /= (double)items;
	if (!err && c->limit->twice) {
		after = measure_limit(rig, c);
		if (after < 0)
			return (int)after;
		pair->limit = (pair->limit + after) / 2;
	}
	pair->disturbed = interrupted;
	pair->bus = rig->bus;
	pair->worst = rig->worst;
	pair->worst_alone = rig->worst_alone;
	return err ? err : c->ops->check(rig, c);
}

static void count_items(const struct bench_rig *rig, struct bench_row *row)
{
	const struct bench_case *c = row->c;

	if (!c->formats && c->items) {
		row->items = c->items;
		return;
	}
	if (!c->formats) {
		row->range = rig->bitmap_range;
		row->items = row->range >> BENCH_PAGE_LG2 >> 6;
		return;
	}
	row->range = bench_span(c, rig->t->len);
	row->items = c->items ? c->items : row->range >> rig->t->item_lg2;
}

int bench_measure(struct bench_rig *rig, struct bench_row *row, const struct bench_budget *budget)
{
	struct pair pairs[BENCH_MAX_REPS];
	double deadline = bench_now() + budget->ns;
	uint32_t nr = 0, quiet;
	int err = row->format ? bench_rig_use(rig, row->c) : 0;

	if (err)
		return err;
	count_items(rig, row);
	do {
		err = repeat(rig, row->c, row->items, &pairs[nr]);
		if (err)
			return err;
		row->commands = rig->commands;
		row->excess = rig->excess;
		evaluate(row, pairs, ++nr);
		quiet = nr - row->disturbed;
		if (quiet >= budget->min_reps && !row->noisy)
			break;
	} while (nr < budget->max_reps && (nr < LEAST_REPS || bench_now() < deadline));
	return 0;
}
