/* SPDX-License-Identifier: MIT */
/*
 * One operation between an iotlb that held everything before it and one that holds nothing: what the gather
 * asked for, and whether the two see the same afterwards. The first may be told less than was asked for.
 */
#ifndef INVRIG_H
#define INVRIG_H

#include "iodtest.h"

#define MAX_PROBES 16
#define MAX_WANT   4
#define DOMAIN	   0x1234

/* Ways to tell hardware less than was asked for. */
enum narrow_kind { FULL, NO_LEAF_LEVEL, NO_TABLE_LEVEL, LEAF_ONLY, NO_FIRST, NO_LAST };

struct narrow {
	enum narrow_kind kind;
	uint32_t level;
};

struct want {
	uint64_t iova, last;
	uint32_t flags, leaf_levels, table_levels;
};

/* The places that the cases are about. */
struct ix {
	struct iodt *t;
	struct iod_iotlb *warm;
	const struct narrow *narrow; /* NULL: obey */
	uint64_t p, s1, s2; /* smallest page, what an item of level 1 maps, and one of level 2 */
	uint64_t base;	    /* aligned to s2, if there are two such, otherwise to s1 */
	uint64_t probe[MAX_PROBES];
	uint64_t size[MAX_PROBES]; /* of the pages there, before */
	size_t nr_probes;
	struct want want[MAX_WANT];
	size_t nr_want;
	uint32_t not_held; /* levels of leaves that are named, but that nobody can hold */
	unsigned int syncs;
	bool writes; /* dirty state is what is stale */
};

struct ix_case {
	const char *name;
	bool (*setup)(struct ix *x); /* false: not for this variant */
	void (*op)(struct ix *x);
};

void ix_open(struct ix *x, struct iodt *t);

/* Whether the tree has entries at that level, and room for two of them. */
bool ix_deep(const struct ix *x, uint32_t level);

/* Holds much, takes levels literally. */
struct iod_iotlb *ix_iotlb(void);

/* From now on hardware obeys. */
void ix_obey(struct ix *x);

/* Sets up, warms hardware up, does it, flushes; without narrow, compares what was asked for. Returns how many
 * pages are stale, or -1: not for this variant. */
int ix_run(struct ix *x, const struct ix_case *c, const struct narrow *narrow);

/* Unmaps all. */
void ix_clean_up(struct ix *x);

#endif
