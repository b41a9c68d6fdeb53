/* SPDX-License-Identifier: MIT */
/*
 * What the machine can do with the same tables: read them in order, read-modify-write them, write as
 * much memory, load one item at random. Plain C that compilers turn into vector code, compiled for
 * several instruction sets where the system can choose between them at run time.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Run-time choice needs ifunc, and sanitizers are not ready yet when its resolvers run. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && \
	!defined(__SANITIZE_THREAD__)
#if defined(__clang__)
#if __has_attribute(target_clones) && !__has_feature(address_sanitizer) && \
	!__has_feature(thread_sanitizer) && !__has_feature(memory_sanitizer)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#elif defined(__GNUC__) && __GNUC__ >= 6
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#endif
#ifndef CLONES
#define CLONES
#endif

#define LINE_ITEMS	 8u  /* items of one 64-byte cache line */
#define BLOCK_ITEMS	 64u /* items per step */
#define READ_AHEAD	 1024u
#define HUGE_PAGE	 (UINT64_C(2) << 20)
#define EVICT_MIN	 (UINT64_C(64) << 20)
#define EVICT_MAX	 (UINT64_C(256) << 20)
#define MAX_WRITE_BUFFER (UINT64_C(1) << 30)

static uint64_t evict_bytes, write_bytes;
static void *evict_buffer, *write_buffer; /* the latter may be the former's beginning */
static volatile uint64_t sink;		  /* so that no result is unused */

/* Both lengths are multiples of a leaf table; prefetching beyond the end is harmless. */
CLONES static uint64_t read_items(const uint64_t *p, size_t n)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i += BLOCK_ITEMS) {
		uint64_t block = 0;

		for (size_t k = 0; k < BLOCK_ITEMS; k += LINE_ITEMS)
			__builtin_prefetch(p + i + READ_AHEAD + k);
		for (size_t k = 0; k < BLOCK_ITEMS; k++)
			block |= p[i + k];
		all |= block;
	}
	return all;
}

CLONES static void rmw_items(uint64_t *p, size_t n, uint64_t keep)
{
	for (size_t i = 0; i < n; i++)
		p[i] &= keep;
}

/* Length in items of the run of leaf tables that begins at table @p t and is contiguous. */
static size_t leaf_run(const struct bench_rig *rig, size_t t, size_t nr)
{
	size_t end = t + 1;

	while (end < nr && rig->leaf[end] == rig->leaf[end - 1] + BENCH_LEAF_ITEMS)
		end++;
	return (end - t) * BENCH_LEAF_ITEMS;
}

static size_t nr_tables(const struct bench_rig *rig, const struct bench_case *c)
{
	return (size_t)(bench_span(c, rig->len) / BENCH_LEAF_SPAN);
}

double bench_limit_read(struct bench_rig *rig, const struct bench_case *c)
{
	size_t nr = nr_tables(rig, c), n;
	uint64_t all = 0;
	struct bench_watch watch = bench_start();

	for (size_t t = 0; t < nr; t += n / BENCH_LEAF_ITEMS) {
		n = leaf_run(rig, t, nr);
		all |= read_items(rig->leaf[t], n);
	}
	sink = all;
	return bench_stop(&watch) / ((double)nr * BENCH_LEAF_ITEMS);
}

/* Every item is stored, with the value that it has. */
double bench_limit_rmw(struct bench_rig *rig, const struct bench_case *c)
{
	size_t nr = nr_tables(rig, c), n;
	uint64_t keep;
	struct bench_watch watch = bench_start();

	sink = UINT64_MAX;
	keep = sink; /* unknown to the compiler */
	for (size_t t = 0; t < nr; t += n / BENCH_LEAF_ITEMS) {
		n = leaf_run(rig, t, nr);
		rmw_items(rig->leaf[t], n, keep);
	}
	return bench_stop(&watch) / ((double)nr * BENCH_LEAF_ITEMS);
}

double bench_limit_write(struct bench_rig *rig, const struct bench_case *c)
{
	static unsigned char value;
	uint64_t bytes = bench_span(c, rig->len) / BENCH_LEAF_ITEMS;
	struct bench_watch watch;

	if (bytes > write_bytes)
		bytes = write_bytes;
	value = (unsigned char)(value % 255 + 1);
	watch = bench_start();
	memset(write_buffer, value, (size_t)bytes);
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

double bench_limit_write_fresh(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t bytes = bench_span(c, rig->len) / BENCH_LEAF_ITEMS;
	uint64_t slack = bytes + HUGE_PAGE;
	void *p = map_buffer(slack);
	struct bench_watch watch;
	double ns;

	if (!p)
		return 0;
	watch = bench_start();
	memset((char *)p + (-(uintptr_t)p & (HUGE_PAGE - 1)), 1, (size_t)bytes);
	ns = bench_stop(&watch) / (double)(bytes / 8);
	munmap(p, (size_t)slack);
	return ns;
}

double bench_limit_load(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t mask = bench_span(c, rig->len) - 1;
	uint64_t all = 0;
	struct bench_watch watch = bench_start();

	for (uint64_t i = 0; i < c->items; i++) {
		uint64_t page = (bench_random(i) & mask) >> BENCH_PAGE_LG2;

		all |= rig->leaf[page / BENCH_LEAF_ITEMS][page % BENCH_LEAF_ITEMS];
	}
	sink = all;
	return bench_stop(&watch) / (double)c->items;
}

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

	evict_bytes = 2 * cache_bytes();
	if (evict_bytes < EVICT_MIN)
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
	sink = read_items(evict_buffer, (size_t)(evict_bytes / 8));
}
