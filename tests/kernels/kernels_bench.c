/* SPDX-License-Identifier: MIT */
/*
 * test-kernels --bench: nanoseconds per item of every kernel of every set, from memory and from caches,
 * beside what the machine can do with the same memory. The least of several rounds, in which the sets
 * take turns: neighbours on the machine only ever add time.
 */
#include "kernels_test.h"

#include <sys/mman.h>
#include <time.h>

#define TABLE  512u /* items */
#define ROUNDS 7u
#define SETS   4u

/* Dirty: bit 6 of an item that is present (bit 0). */
#define DIRTY	UINT64_C(0x40)
#define PRESENT UINT64_C(1)

struct place {
	const char *name;
	size_t items;
	unsigned passes; /* in one round */
};

static const struct place places[] = {
	{ "memory", (size_t)128 << 17, 1 },
	{ "L2", (size_t)256 << 7, 16 },
	{ "L1", (size_t)16 << 7, 64 },
};

static uint64_t *items, *other; /* one place's worth each; `other` is what ORs read */
static const struct iod_clean_spec spec = { .mask = DIRTY | PRESENT,
					    .match = DIRTY | PRESENT,
					    .clear = DIRTY };
static volatile uint64_t sink;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static uint64_t *map_items(size_t n)
{
	void *p = mmap(NULL, n * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
#ifdef MADV_HUGEPAGE
	madvise(p, n * 8, MADV_HUGEPAGE);
#endif
	memset(p, 1, n * 8);
	return p;
}

/* ---- what is measured: one pass over the place ---- */

typedef uint64_t work_fn(const struct iod_kernels *k, size_t n);

static uint64_t do_scan(const struct iod_kernels *k, size_t n)
{
	uint64_t words[TABLE / 64], found = 0;

	for (size_t i = 0; i < n; i += TABLE)
		found += k->scan(&items[i], TABLE, spec.mask, spec.match, words, NULL);
	return found;
}

static uint64_t do_clean(const struct iod_kernels *k, size_t n)
{
	uint64_t words[TABLE / 64], found = 0;

	for (size_t i = 0; i < n; i += TABLE)
		if (k->scan(&items[i], TABLE, spec.mask, spec.match, words, NULL))
			found += k->clean(&items[i], TABLE, &spec, words);
	return found;
}

static uint64_t do_clean_stores(const struct iod_kernels *k, size_t n)
{
	uint64_t words[TABLE / 64], found = 0;

	for (size_t i = 0; i < n; i += TABLE)
		if (k->scan(&items[i], TABLE, spec.mask, spec.match, words, NULL))
			found += k->clean_stores(&items[i], TABLE, &spec, words);
	return found;
}

static uint64_t do_scan_stores(const struct iod_kernels *k, size_t n)
{
	uint64_t words[TABLE / 64], cleaned[TABLE / 64], found = 0;

	for (size_t i = 0; i < n; i += TABLE)
		found += k->scan_stores(&items[i], TABLE, spec.mask, spec.match, &spec, words,
					cleaned, NULL)
				 .cleaned;
	return found;
}

static uint64_t do_fill(const struct iod_kernels *k, size_t n)
{
	for (size_t i = 0; i < n; i += TABLE)
		k->fill(&items[i], TABLE, i << 12 | 3, 4096);
	return 0;
}

static uint64_t do_popcount(const struct iod_kernels *k, size_t n)
{
	return k->popcount(items, n);
}

static uint64_t do_find_other(const struct iod_kernels *k, size_t n)
{
	return k->find_other(items, n, items[0]);
}

static uint64_t do_or(const struct iod_kernels *k, size_t n)
{
	k->or_words(other, items, n);
	return 0;
}

/* Limits of the machine. */
static uint64_t do_read(const struct iod_kernels *k, size_t n)
{
	return k->popcount(items, n); /* the shortest of the loops that read in order */
}

static uint64_t do_rmw(const struct iod_kernels *k, size_t n)
{
	const uint64_t keep = ~DIRTY;

	(void)k;
	for (size_t i = 0; i < n; i++)
		items[i] &= keep;
	return 0;
}

static uint64_t do_locked(const struct iod_kernels *k, size_t n)
{
	(void)k;
	for (size_t i = 0; i < n; i++)
		__atomic_fetch_and((iod_word *)&items[i], ~DIRTY, __ATOMIC_RELAXED);
	return 0;
}

static uint64_t do_memset(const struct iod_kernels *k, size_t n)
{
	(void)k;
	memset(items, (int)(sink & 0x7f), n * 8);
	return 0;
}

static const struct row {
	const char *name;
	work_fn *work;
	unsigned permille, cluster; /* dirty items, in clusters of so many */
	bool limit, slow;	    /* the same for all sets; not worth many rounds */
} rows[] = {
	{ "limit: read in order", do_read, 0, 1, true, false },
	{ "limit: read, modify, write", do_rmw, 1000, 1, true, false },
	{ "limit: write", do_memset, 0, 1, true, false },
	{ "limit: locked and, 100 %", do_locked, 1000, 1, true, true },
	{ "scan, 0 % dirty", do_scan, 0, 1, false, false },
	{ "scan, 50 %", do_scan, 500, 1, false, false },
	{ "scan, 100 %", do_scan, 1000, 1, false, false },
	{ "scan + clean, 10 %", do_clean, 100, 1, false, false },
	{ "scan + clean, 100 %", do_clean, 1000, 1, false, true },
	{ "scan + clean_stores, 0.1 %", do_clean_stores, 1, 1, false, false },
	{ "scan + clean_stores, 1 %", do_clean_stores, 10, 1, false, false },
	{ "scan + clean_stores, 5 %", do_clean_stores, 50, 1, false, false },
	{ "scan + clean_stores, 10 %", do_clean_stores, 100, 1, false, false },
	{ "scan + clean_stores, 20 %", do_clean_stores, 200, 1, false, false },
	{ "scan + clean_stores, 35 %", do_clean_stores, 350, 1, false, false },
	{ "scan + clean_stores, 50 %", do_clean_stores, 500, 1, false, false },
	{ "scan + clean_stores, 65 %", do_clean_stores, 650, 1, false, false },
	{ "scan + clean_stores, 80 %", do_clean_stores, 800, 1, false, false },
	{ "scan + clean_stores, 99 %", do_clean_stores, 990, 1, false, false },
	{ "scan + clean_stores, 100 %", do_clean_stores, 1000, 1, false, false },
	{ "scan_stores, 1 %", do_scan_stores, 10, 1, false, false },
	{ "scan_stores, 10 %", do_scan_stores, 100, 1, false, false },
	{ "scan_stores, 50 %", do_scan_stores, 500, 1, false, false },
	{ "scan_stores, 100 %", do_scan_stores, 1000, 1, false, false },
	{ "scan + clean_stores, 10 % by 16", do_clean_stores, 100, 16, false, false },
	{ "scan + clean_stores, 50 % by 64", do_clean_stores, 500, 64, false, false },
	{ "fill", do_fill, 0, 1, false, false },
	{ "popcount", do_popcount, 500, 1, false, false },
	{ "find_other", do_find_other, 0, 0, false, false },
	{ "or_words, source empty", do_or, 0, 0, false, false },
	{ "or_words, source full", do_or, 1000, 1, false, false },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void prepare(const struct row *row, size_t n)
{
	uint64_t seed = 1, random = 0;

	for (size_t i = 0; i < n; i++) {
		if (row->cluster && i % row->cluster == 0)
			random = next_random(&seed) % 1000;
		if (!row->cluster)
			items[i] = 0;
		else
			items[i] = i << 12 | PRESENT | (random < row->permille ? DIRTY : 0);
	}
}

/* Nanoseconds per item of one pass. */
static double measure(const struct row *row, const struct iod_kernels *k, const struct place *place)
{
	double begin, sum = 0;

	for (unsigned i = 0; i < place->passes; i++) {
		prepare(row, place->items);
		begin = now();
		sink += row->work(k, place->items);
		sum += now() - begin;
	}
	return sum / ((double)place->items * place->passes);
}

static void bench_row(const struct row *row, const struct place *place)
{
	const struct iod_kernels *k;
	double best[SETS] = { 0 }, ns, c = 0;
	unsigned i, round, sets = 0;

	while (sets < SETS && kernels_nth(sets))
		sets++;
	for (round = 0; round < (row->slow ? 2 : ROUNDS); round++) {
		for (i = 0; i < (row->limit ? 1 : sets); i++) {
			ns = measure(row, kernels_nth(i), place);
			if (!round || ns < best[i])
				best[i] = ns;
		}
	}
	if (row->limit) {
		printf("%-34s %-7s %8.3f %24.1f\n", row->name, "", best[0], 8 / best[0]);
		return;
	}
	c = best[sets - 1]; /* C is the last */
	for (i = 0; (k = kernels_nth(i)) && i < SETS; i++)
		printf("%-34s %-7s %8.3f %13.2f %10.1f\n", i ? "" : row->name, k->name, best[i],
		       best[i] / c, 8 / best[i]);
}

int kernels_bench(const char *only)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	items = map_items(places[0].items);
	other = map_items(places[0].items);
	if (!items || !other) {
		fprintf(stderr, "test-kernels: no memory\n");
		return 1;
	}
	for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
		printf("%sfrom %s (%zu KiB), items of 8 bytes\n", p ? "\n" : "", places[p].name,
		       places[p].items >> 7);
		printf("%-34s %-7s %8s %13s %10s\n", "", "set", "ns/item", "ratio to C", "GB/s");
		for (size_t i = 0; i < ROWS; i++)
			if (!only || strstr(rows[i].name, only))
				bench_row(&rows[i], &places[p]);
	}
	return 0;
}
