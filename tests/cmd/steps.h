/* SPDX-License-Identifier: MIT */
/* Changes of a page table in random order, for tests that look at what hardware makes of each. */
#ifndef STEPS_H
#define STEPS_H

#include "iodtest.h"

/* Somewhere with four leaf tables, in a level-2 entry of its own if there are two such. */
struct step_region {
	uint64_t page, s1, s2, base, len;
	bool deep;
};

/* False: the variant has no room for it. */
bool step_region(struct iodt *t, struct step_region *r);

/* Maps, unmaps, sweeps or changes page sizes, then syncs or flushes the gather. */
void step_change(struct iodt *t, const struct step_region *r);

/* What a merge made of two things is not cut. */
void step_unmap(struct iodt *t, uint64_t iova, uint64_t len);

/* An address of the region. */
uint64_t step_address(struct iodt *t, const struct step_region *r);

#endif
