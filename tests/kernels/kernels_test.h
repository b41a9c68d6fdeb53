/* SPDX-License-Identifier: MIT */
/* What the parts of test-kernels share. */
#ifndef KERNELS_TEST_H
#define KERNELS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <iodirty/pgtable.h>

#include "bits.h"
#include "kernels.h"

/* The index-th set that this CPU runs, or NULL. */
static inline const struct iod_kernels *kernels_nth(unsigned index)
{
	const char *name = iod_kernels_name(index);

	return name ? iod_kernels_by_name(name) : NULL;
}

static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* n scaled by the environment variable IOD_TEST_SCALE (percent), at least 1. */
static inline unsigned scaled(unsigned n)
{
	const char *s = getenv("IOD_TEST_SCALE");
	uint64_t v = s ? (uint64_t)n * strtoul(s, NULL, 0) / 100 : n;

	return v ? (unsigned)v : 1;
}

/* kernels_threads.c */
void threads_clean(void **state);
void threads_clean_stores(void **state);
void threads_scan_stores(void **state);
void threads_twin_lines(void **state);
void threads_twin_condition(void **state);

/* kernels_bench.c: prints the table, or the rows that have `only` in their names. For main(). */
int kernels_bench(const char *only);

#endif
