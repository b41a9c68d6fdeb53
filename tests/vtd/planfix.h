/* SPDX-License-Identifier: MIT */
/* PASID entries as words, for tests of changes to live ones: where the bits are is written here once more. */
#ifndef VTD_PLANFIX_H
#define VTD_PLANFIX_H

#include "iodtest.h"

#define WORDS 8
#define P     UINT64_C(1)
#define SSADE (UINT64_C(1) << 9)

/* A PASID entry of the second stage, 4 levels. */
static inline void second(uint64_t w[WORDS], uint64_t ptr, unsigned did, bool ssade)
{
	memset(w, 0, WORDS * 8);
	w[0] = ptr | P | 2 << 2 | 2 << 6 | (ssade ? SSADE : 0);
	w[1] = did | 1 << 23;
}

static inline void first(uint64_t w[WORDS], uint64_t ptr, unsigned did)
{
	memset(w, 0, WORDS * 8);
	w[0] = P | 1 << 6;
	w[1] = did | 1 << 23;
	w[2] = ptr;
}

static inline struct iod_vtd_raw_pasid raw_of(const uint64_t w[WORDS])
{
	struct iod_vtd_raw_pasid raw;

	for (unsigned i = 0; i < WORDS; i++)
		iodt_put_le64(&raw.word[i], w[i]);
	return raw;
}

static inline void words_of(uint64_t w[WORDS], const struct iod_vtd_raw_pasid *raw)
{
	for (unsigned i = 0; i < WORDS; i++)
		iodt_put_le64(&w[i], raw->word[i]);
}

#endif
