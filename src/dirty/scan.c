/* SPDX-License-Identifier: MIT */
/* Scan kernels in plain C. */
#include "dirty/scan.h"

/* 64 items at most; branch-free, so that it runs at the speed of the loads. */
static inline uint64_t scan_word(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match)
{
	uint64_t word = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		uint64_t v = __atomic_load_n((const iod_word *)&items[i], __ATOMIC_RELAXED);

		word |= (uint64_t)((v & mask) == match) << i;
	}
	return word;
}

static bool scan_c(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match,
		   uint64_t *words)
{
	uint64_t any = 0;
	unsigned i, left = n % 64;

	/* A constant count lets the compiler unroll. */
	for (i = 0; i < n / 64; i++)
		any |= words[i] = scan_word(&items[i * 64], 64, mask, match);
	if (left)
		any |= words[i] = scan_word(&items[i * 64], left, mask, match);
	return any != 0;
}

static const struct iod_scan_kernels kernels_c = { .name = "c", .scan = scan_c };

const struct iod_scan_kernels *iod_scan_kernels(void)
{
	return &kernels_c;
}
