/* SPDX-License-Identifier: MIT */
/*
 * Raw knowledge of the formats, kept apart from the library's on purpose: the bits that hardware sets,
 * written straight into the tables, and the bitmap that a sweep must therefore produce.
 */
#include "bench.h"

#include <string.h>

#define BIT(n) (UINT64_C(1) << (n))

/* Writable leaves are born with DBM = 1 on ARM, so there the dirty state is AP[2] or S2AP[1] alone. */
static const struct bench_raw raw_arm_s1 = { BIT(7), 0, BIT(10), 0 };
static const struct bench_raw raw_arm_s2 = { BIT(7), BIT(7), BIT(10), 0 };
static const struct bench_raw raw_vtd_ss = { BIT(9), BIT(9), BIT(8), BIT(8) };
static const struct bench_raw raw_x86 = { BIT(6), BIT(6), BIT(5), BIT(5) };

const struct bench_raw *bench_raw_of(enum iod_format format)
{
	switch (format) {
	case IOD_ARM_LPAE_S1:
		return &raw_arm_s1;
	case IOD_ARM_LPAE_S2:
		return &raw_arm_s2;
	case IOD_VTD_SS:
		return &raw_vtd_ss;
	case IOD_VTD_FS:
	case IOD_AMD_V1:
	case IOD_AMD_V2:
		return &raw_x86;
	}
	return NULL;
}

/* Write one leaf table; returns the number of dirty entries and fills 512 bits of bitmap. */
static uint64_t dirty_leaf(uint64_t *table, const struct bench_raw *raw, uint64_t first,
			   uint64_t threshold, unsigned char *bits)
{
	const uint64_t clean = bench_le64((raw->dirty_mask ^ raw->dirty_value) | raw->accessed);
	const uint64_t dirty = bench_le64(raw->dirty_value | raw->accessed);
	const uint64_t keep = ~bench_le64(raw->dirty_mask | raw->accessed);
	uint64_t n = 0;

	memset(bits, 0, BENCH_LEAF_ITEMS / 8);
	for (unsigned int i = 0; i < BENCH_LEAF_ITEMS; i++) {
		bool hit = bench_random(first + i) >> 32 < threshold;

		table[i] = (table[i] & keep) | (hit ? dirty : clean);
		bits[i / 8] |= (unsigned char)(hit << i % 8);
		n += hit;
	}
	return n;
}

/*
 * Devices read every page and wrote this many: Accessed is set everywhere, in table entries too, so
 * that no sweep may skip anything, and Dirty in pseudo-random places (the same each time).
 */
void bench_dirty_set(struct bench_rig *rig, int permille)
{
	const uint64_t threshold = ((uint64_t)permille << 32) / 1000;
	const uint64_t accessed = bench_le64(rig->raw->table_accessed);

	if (rig->dirty_state == permille)
		return;
	rig->nr_dirty = 0;
	for (size_t t = 0; t < rig->nr_leaf; t++)
		rig->nr_dirty += dirty_leaf(rig->leaf[t], rig->raw, t * BENCH_LEAF_ITEMS, threshold,
					    rig->expect + t * (BENCH_LEAF_ITEMS / 8));
	for (size_t t = 0; t < rig->nr_upper; t++)
		for (unsigned int i = 0; i < BENCH_LEAF_ITEMS; i++)
			if (rig->upper[t][i])
				rig->upper[t][i] |= accessed;
	rig->dirty_state = permille;
}

uint64_t bench_dirty_count(const struct bench_rig *rig)
{
	const uint64_t mask = bench_le64(rig->raw->dirty_mask);
	const uint64_t value = bench_le64(rig->raw->dirty_value);
	uint64_t n = 0;

	for (size_t t = 0; t < rig->nr_leaf; t++)
		for (unsigned int i = 0; i < BENCH_LEAF_ITEMS; i++)
			n += (rig->leaf[t][i] & mask) == value;
	return n;
}
