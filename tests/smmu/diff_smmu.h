/* SPDX-License-Identifier: MIT */
/* Differential tests of SMMUv3 code against tests/model: random numbers and identification registers. */
#ifndef DIFF_SMMU_H
#define DIFF_SMMU_H

#include "iodtest.h"

#include <iodirty/smmuv3.h>

#include "mdl_smmu.h"
#include "smmu/golden_smmu.h"

#define DIFF_COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct diff {
	uint64_t state; /* of the random numbers */
	struct iod_smmuv3_id id;
	struct mdl_smmu_id mid;
	int twin; /* what is broken on purpose, 0: nothing. Then mismatches are counted, no failures */
	unsigned mismatches;
};

/* Seeded by IOD_SEED or a constant; printed when not the constant. */
void diff_start(struct diff *d);
uint64_t diff_random(struct diff *d);
/* The library and the model disagree: the test fails, or a twin is found out. */
void diff_mismatch(struct diff *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* 0..n-1 */
unsigned diff_below(struct diff *d, unsigned n);
bool diff_chance(struct diff *d, unsigned one_in);
/* The SMMU of the golden words. */
void diff_id_gold(struct diff *d);
/* Another one: every feature that the model knows, here or not. */
void diff_id_random(struct diff *d);
/* Little-endian words in memory, from and to values. */
void diff_to_le(uint64_t *mem, const uint64_t *w, unsigned n);
void diff_from_le(uint64_t *w, const uint64_t *mem, unsigned n);
/* Flips a few bits of @n words, none at times. */
void diff_flip(struct diff *d, uint64_t *w, unsigned n);

#endif
