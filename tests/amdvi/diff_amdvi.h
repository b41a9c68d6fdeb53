/* SPDX-License-Identifier: MIT */
/* Differential tests of AMD-Vi code against tests/model: random numbers and feature registers. */
#ifndef DIFF_AMDVI_H
#define DIFF_AMDVI_H

#include "iodtest.h"

#include <iodirty/amdvi.h>

#include "amdvi/amdrand.h"
#include "amdvi/golden_amdvi.h"
#include "mdl_amdvi.h"

struct diff {
	struct amdrand rand;
	struct iod_amdvi_id id;
	struct mdl_amdvi_id mid;
	int twin; /* what is broken on purpose, 0: nothing. Then mismatches are counted, no failures */
	unsigned mismatches;
};

/* Everything is there. */
void diff_start(struct diff *d);
void diff_id_full(struct diff *d);
/* Another IOMMU: every feature that the model knows, here or not. */
void diff_id_random(struct diff *d);
uint64_t diff_random(struct diff *d);
/* 0..n-1 */
unsigned diff_below(struct diff *d, unsigned n);
bool diff_chance(struct diff *d, unsigned one_in);
/* The library and the model disagree: the test fails, or a twin is found out. */
void diff_mismatch(struct diff *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Little-endian words in memory, from and to values. */
void diff_to_le(uint64_t *mem, const uint64_t *w, unsigned n);
void diff_from_le(uint64_t *w, const uint64_t *mem, unsigned n);
/* Flips a few bits of @n words, none at times. */
void diff_flip(struct diff *d, uint64_t *w, unsigned n);

#endif
