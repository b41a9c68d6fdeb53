/* SPDX-License-Identifier: MIT */
/*
 * Writing 128 bits at once, where the host can: CMPXCHG16B of x86-64, exclusive pairs of AArch64. In assembly, as
 * compilers make calls of a library of their own out of 16-byte atomics.
 */
#ifndef IOD_AMDVI_ATOMIC128_H
#define IOD_AMDVI_ATOMIC128_H

#include "bits.h"

#include <stdbool.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static inline bool host_has_atomic128(void)
{
#if defined(__x86_64__)
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_CMPXCHG16B);
#elif defined(__aarch64__)
	return true;
#else
	return false;
#endif
}

/* Both words at @at, a multiple of 16, become @word. Ordered after what was written before; only where the host can. */
static inline void store128(uint64_t *at, const uint64_t word[2])
{
#if defined(__x86_64__)
	uint64_t lo = __atomic_load_n((iod_word *)&at[0], __ATOMIC_RELAXED);
	uint64_t hi = __atomic_load_n((iod_word *)&at[1], __ATOMIC_RELAXED);
	bool done;

	do { /* what was there meanwhile is in lo and hi */
		__asm__ volatile("lock cmpxchg16b %1"
				 : "=@ccz"(done), "+m"(*(uint64_t(*)[2])at), "+a"(lo), "+d"(hi)
				 : "b"(word[0]), "c"(word[1])
				 : "memory");
	} while (!done);
#elif defined(__aarch64__)
	uint64_t lo, hi;
	uint32_t failed;

	do {
		__asm__ volatile("ldxp %0, %1, %3\n\t"
				 "stlxp %w2, %4, %5, %3"
				 : "=&r"(lo), "=&r"(hi), "=&r"(failed), "+Q"(*(uint64_t(*)[2])at)
				 : "r"(word[0]), "r"(word[1])
				 : "memory");
	} while (failed);
#else
	(void)at;
	(void)word;
#endif
}

#endif
