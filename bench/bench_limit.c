/* SPDX-License-Identifier: MIT */
/*
 * What the machine can do with the same tables: read them in order, read-modify-write them, write as
 * much memory, fault it in, load one item at random.
 */
#include "bench.h"

#include "bench_loops.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE	 (UINT64_C(2) << 20)
#define EVICT_MIN	 (UINT64_C(64) << 20)
#define SMALL_TABLES	 (UINT64_C(16) << 20) /* less than caches hold: pushed out soon */
#define EVICT_MAX	 (UINT64_C(256) << 20)
#define MAX_WRITE_BUFFER (UINT64_C(1) << 30)
#define TRIALS		 3u

static uint64_t evict_bytes, write_bytes;
static void *evict_buffer, *write_buffer;	/* the latter may be the former's beginning */
static volatile uint64_t sink;			/* so that no result is unused */
static volatile uint64_t all_ones = UINT64_MAX; /* unknown to the compiler */

/* Items of the run of leaf tables that begins at table @p i and is contiguous. */
static size_t leaf_run(const struct bench_tables *t, size_t i)
{
	size_t end = i + 1;

	while (end < t->nr_leaf && t->leaf[end] == t->leaf[end - 1] + BENCH_LEAF_ITEMS)
		end++;
	return (end - i) * BENCH_LEAF_ITEMS;
}

static double per_item(const struct bench_watch *watch, const struct bench_tables *t)
{
	return bench_stop(watch) / ((double)t->nr_leaf * BENCH_LEAF_ITEMS);
}

static double read_measure(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_tables *t = rig->t;
	struct bench_watch watch = bench_start();
	uint64_t all = 0;

	for (size_t i = 0, n; i < t->nr_leaf; i += n / BENCH_LEAF_ITEMS) {
		n = leaf_run(t, i);
		all |= bench_read(t->leaf[i], n);
	}
	sink = all;
	return per_item(&watch, t);
}

static double random_once(const struct bench_tables *t, unsigned int variant)
{
	struct bench_watch watch;

	bench_evict();
	watch = bench_start();
	sink = bench_read_tables(t->leaf, t->nr_leaf, variant);
	return per_item(&watch, t);
}

/* Which prefetch distance is best depends on the order: found out once for each set of tables. */
static double random_measure(struct bench_rig *rig, const struct bench_case *c)
{
	static uint64_t **tried;
	static unsigned int winner;
	double best = 0;

	if (tried != rig->t->leaf) {
		tried = rig->t->leaf;
		for (unsigned int trial = 0; trial < TRIALS; trial++) {
			for (unsigned int v = 0; v < bench_nr_read_tables; v++) {
				double ns = random_once(rig->t, v);

				if (best > 0 && ns >= best)
					continue;
				best = ns;
				winner = v;
			}
		}
	}
	return random_once(rig->t, winner);
}

static double rmw_measure(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_tables *t = rig->t;
	struct bench_watch watch = bench_start();

	for (size_t i = 0, n; i < t->nr_leaf; i += n / BENCH_LEAF_ITEMS) {
		n = leaf_run(t, i);
		bench_rmw(t->leaf[i], n, all_ones);
	}
	return per_item(&watch, t);
}

/* Of tables that are there whatever the work does to its own. */
static double rmw_plain_measure(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	double ns;

	rig->t = &rig->plain;
	ns = rmw_measure(rig, c);
	rig->t = t;
	return ns;
}

static double locked_measure(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_tables *t = rig->t;
	struct bench_watch watch = bench_start();

	for (size_t i = 0; i < t->nr_leaf; i++)
		bench_locked(t->leaf[i], BENCH_LEAF_ITEMS, all_ones);
	return per_item(&watch, t);
}

static double write_measure(struct bench_rig *rig, const struct bench_case *c)
{
	static uint64_t value;
	uint64_t bytes = bench_table_bytes(rig, c);
	struct bench_watch watch;

	if (bytes > write_bytes)
		bytes = write_bytes;
	value = value % 255 + 1;
	watch = bench_start();
	bench_write(write_buffer, (size_t)(bytes / 8), value);
	return bench_stop(&watch) / (double)(bytes / 8);
}

static void *map_buffer(uint64_t bytes)
{
	void *p = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	if (p == MAP_FAILED)
		return NULL;
#ifdef MADV_HUGEPAGE
	madvise(p, (size_t)bytes, MADV_HUGEPAGE);
#endif
	return p;
}

/*
 * Have the system hand out as much memory as the tables need, and write it: through the caches, where
 * the system has just cleared it, which is faster than past them.
 */
static double fault_measure(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t bytes = bench_table_bytes(rig, c);
	uint64_t slack = bytes + HUGE_PAGE;
	void *p = map_buffer(slack);
	struct bench_watch watch;
	double ns;

	if (!p)
		return bench_fail(-ENOMEM, "fresh memory");
	watch = bench_start();
	bench_store((uint64_t *)((char *)p + (-(uintptr_t)p & (HUGE_PAGE - 1))),
		    (size_t)(bytes / 8), all_ones);
	ns = bench_stop(&watch) / (double)(bytes / 8);
	munmap(p, (size_t)slack);
	return ns;
}

static double load_measure(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_tables *t = rig->t;
	uint64_t mask = bench_span(c, t->len) - 1;
	uint64_t all = 0;
	struct bench_watch watch = bench_start();

	for (uint64_t i = 0; i < c->items; i++) {
		uint64_t page = (bench_random(i) & mask) >> BENCH_PAGE_LG2;

		all |= t->leaf[page / BENCH_LEAF_ITEMS][page % BENCH_LEAF_ITEMS];
	}
	sink = all;
	return bench_stop(&watch) / (double)c->items;
}

const struct bench_limit bench_limit_read = { "read", read_measure, true };
const struct bench_limit bench_limit_random = { "random", random_measure, true };
const struct bench_limit bench_limit_rmw = { "rmw", rmw_measure, true };
const struct bench_limit bench_limit_read_once = { "read", read_measure, false };
const struct bench_limit bench_limit_rmw_plain = { "rmw", rmw_plain_measure, true };
const struct bench_limit bench_limit_locked = { "locked", locked_measure, true };
const struct bench_limit bench_limit_write = { "write", write_measure, true };
const struct bench_limit bench_limit_fault = { "fault", fault_measure, true };
const struct bench_limit bench_limit_load = { "load", load_measure, false };

/* Bytes of the last-level cache as the kernel sees it; 0 when it does not say. */
static uint64_t cache_bytes(void)
{
	uint64_t kib = 0;
	FILE *file = fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "r");

	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64 "K", &kib) != 1)
		kib = 0;
	fclose(file);
	return kib << 10;
}

int bench_limit_init(uint64_t table_bytes)
{
	uint64_t bytes;

	evict_bytes = 4 * cache_bytes();
	if (evict_bytes < EVICT_MIN || table_bytes < SMALL_TABLES)
		evict_bytes = EVICT_MIN;
	if (evict_bytes > EVICT_MAX)
		evict_bytes = EVICT_MAX;
	write_bytes = table_bytes < MAX_WRITE_BUFFER ? table_bytes : MAX_WRITE_BUFFER;
	bytes = write_bytes > evict_bytes ? write_bytes : evict_bytes;
	evict_buffer = map_buffer(bytes);
	if (!evict_buffer)
		return -1;
	write_buffer = evict_buffer;
	memset(write_buffer, 1, (size_t)bytes);
	bench_loops_init(write_buffer, (size_t)(bytes / 8));
	return 0;
}

void bench_limit_exit(void)
{
	uint64_t bytes = write_bytes > evict_bytes ? write_bytes : evict_bytes;

	if (evict_buffer)
		munmap(evict_buffer, (size_t)bytes);
	evict_buffer = NULL;
	write_buffer = NULL;
}

/* Fill the caches with something else, so that every timing begins alike. */
void bench_evict(void)
{
	bench_touch_lines(evict_buffer, (size_t)(evict_bytes / 8));
}
