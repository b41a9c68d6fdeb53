/* SPDX-License-Identifier: MIT */
/* Differential tests of VT-d code against tests/model: random numbers and capability registers. */
#ifndef DIFF_VTD_H
#define DIFF_VTD_H

#include "iodtest.h"

#include <iodirty/vtd.h>

#include "mdl_vtd_inv.h"

#define DIFF_COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct diff {
	uint64_t state; /* of the random numbers */
	struct iod_vtd_id id;
	struct mdl_vtd_id mid;
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
/* A unit that has everything, by bits of the registers. */
void diff_id_full(struct diff *d);
/* Another one: every feature here or not. */
void diff_id_random(struct diff *d);
/* Flips a few bits of @n words, none at times. */
void diff_flip(struct diff *d, uint64_t *w, unsigned n);
/* Little-endian words in memory, from and to values. */
void diff_to_le(uint64_t *mem, const uint64_t *w, unsigned n);
void diff_from_le(uint64_t *w, const uint64_t *mem, unsigned n);

#endif
