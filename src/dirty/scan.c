/* SPDX-License-Identifier: MIT */
/* Scan kernels in plain C. */
#include "dirty/scan.h"

/* 64 items at most; branch-free, so that it runs at the speed of the loads. */
static inline uint64_t scan_word(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match)
{
	uint64_t word = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		uint64_t v = __atomic_load_n(&items[i], __ATOMIC_RELAXED);

		word |= (uint64_t)((v & mask) == match) << i;
	}
	return word;
}

/* The same, and ORs into *runs whether a run member was met. */
static inline uint64_t scan_word_runs(const uint64_t *items, unsigned n,
				      const struct iod_scan_words *spec, uint64_t *runs)
{
	uint64_t word = 0, any = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		uint64_t v = __atomic_load_n(&items[i], __ATOMIC_RELAXED);

		word |= (uint64_t)((v & spec->mask) == spec->match) << i;
		any |= (v & spec->run_mask) == spec->run_match;
	}
	*runs |= any;
	return word;
}

static unsigned scan_plain(const uint64_t *items, unsigned n, const struct iod_scan_words *spec,
			   uint64_t *words)
{
	uint64_t mask = spec->mask, match = spec->match, any = 0;
	unsigned i, left = n % 64;

	/* A constant count lets the compiler unroll. */
	for (i = 0; i < n / 64; i++)
		any |= words[i] = scan_word(&items[i * 64], 64, mask, match);
	if (left)
		any |= words[i] = scan_word(&items[i * 64], left, mask, match);
	return any ? SCAN_DIRTY : 0;
}

static unsigned scan_runs(const uint64_t *items, unsigned n, const struct iod_scan_words *spec,
			  uint64_t *words)
{
	uint64_t any = 0, runs = 0;
	unsigned i, left = n % 64;

	for (i = 0; i < n / 64; i++)
		any |= words[i] = scan_word_runs(&items[i * 64], 64, spec, &runs);
	if (left)
		any |= words[i] = scan_word_runs(&items[i * 64], left, spec, &runs);
	return (any ? SCAN_DIRTY : 0) | (runs ? SCAN_RUNS : 0);
}

static unsigned scan_c(const uint64_t *items, unsigned n, const struct iod_scan_words *spec,
		       uint64_t *words)
{
	return spec->run_mask ? scan_runs(items, n, spec, words) : scan_plain(items, n, spec, words);
}

static const struct iod_scan_kernels kernels_c = { .name = "c", .scan = scan_c };

const struct iod_scan_kernels *iod_scan_kernels(void)
{
	return &kernels_c;
}
