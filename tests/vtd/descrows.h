/* SPDX-License-Identifier: MIT */
/* Descriptors worked out by hand, for the tests of the codec and of queues. */
#ifndef VTD_DESCROWS_H
#define VTD_DESCROWS_H

#include "iodtest.h"

struct descrow {
	struct iod_vtd_desc desc;
	uint64_t word[2];
	uint64_t field[2];   /* bits of fields: to flip one is another descriptor */
	uint64_t bad[2];     /* those of them that may not be flipped in this one */
	uint64_t ignored[2]; /* bits that mean nothing in this one */
};

extern const struct descrow descrows[];
extern const size_t nr_descrows;

/* Members that differ: 0 none. */
bool descrow_same(const struct iod_vtd_desc *a, const struct iod_vtd_desc *b);
struct iod_vtd_raw_desc descrow_raw(const uint64_t word[2]);

#endif
