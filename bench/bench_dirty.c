/* SPDX-License-Identifier: MIT */
/*
 * Raw knowledge of the formats, kept apart from the library's on purpose: the bits that hardware sets,
 * written straight into the tables, and the bitmap that a sweep must therefore produce.
 */
#include "bench_tables.h"

#include <string.h>

#define BIT(n)	   (UINT64_C(1) << (n))
#define LEAF_WORDS (BENCH_LEAF_ITEMS / 64)

/* Writable leaves are born with DBM = 1 on ARM, so there the dirty state is AP[2] or S2AP[1] alone. */
static const struct bench_raw raw_arm_s1 = { BIT(7), 0, BIT(10), BIT(10), true };
static const struct bench_raw raw_arm_s2 = { BIT(7), BIT(7), BIT(10), BIT(10), true };
static const struct bench_raw raw_vtd_ss = { BIT(9), BIT(9), BIT(8), BIT(8), false };
static const struct bench_raw raw_x86 = { BIT(6), BIT(6), BIT(5), BIT(5), false };

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

static uint64_t random_word(uint64_t first, uint64_t permille)
{
	const uint64_t threshold = (permille << 32) / 1000;
	uint64_t word = 0;

	for (unsigned int i = 0; i < 64; i++)
		word |= (uint64_t)(bench_random(first + i) >> 32 < threshold) << i;
	return word;
}

/* 16 bits to each of the word's four runs. */
static uint64_t run_word(uint64_t first, bool one)
{
	const uint64_t threshold = (UINT64_C(100) << 32) / 1000;
	uint64_t word = 0;

	for (unsigned int i = 0; i < 64; i += BENCH_RUN_ITEMS) {
		uint64_t r = bench_random(first + i);

		if (one)
			word |= BIT(i + (r & (BENCH_RUN_ITEMS - 1)));
		else if (r >> 32 < threshold)
			word |= UINT64_C(0xffff) << i;
	}
	return word;
}

/* Which of the 64 items from @p first on are dirty. */
static uint64_t pattern_word(enum bench_pattern pattern, uint64_t first)
{
	switch (pattern) {
	case BENCH_CLEAN:
		return 0;
	case BENCH_DIRTY_0_1:
		return random_word(first, 1);
	case BENCH_DIRTY_10:
		return random_word(first, 100);
	case BENCH_DIRTY_100:
		return UINT64_MAX;
	case BENCH_DIRTY_10_RUNS:
		return run_word(first, false);
	case BENCH_DIRTY_ONE:
		return run_word(first, true);
	}
	return 0;
}

/* A dirty item makes its run dirty. */
static uint64_t widen_to_runs(uint64_t word)
{
	for (unsigned int i = 0; i < 64; i += BENCH_RUN_ITEMS)
		if (word >> i & 0xffff)
			word |= UINT64_C(0xffff) << i;
	return word;
}

/* Fill marks and expect. Larger pages than one granule of the bitmap are measured clean only. */
static void make_pattern(struct bench_tables *t, enum bench_pattern pattern)
{
	size_t words = t->nr_leaf * LEAF_WORDS;

	t->nr_items = 0;
	t->nr_entries = 0;
	memset(t->expect, 0, (size_t)t->bits_len);
	for (size_t w = 0; w < words; w++) {
		uint64_t word = pattern_word(pattern, (uint64_t)w * 64);
		uint64_t report = t->layout == BENCH_RUNS ? widen_to_runs(word) : word;

		t->marks[w] = word;
		t->nr_items += (uint64_t)__builtin_popcountll(word);
		t->nr_entries += (uint64_t)__builtin_popcountll(report);
		if (t->item_lg2 != BENCH_PAGE_LG2)
			continue;
		report = bench_le64(report);
		memcpy(t->expect + w * sizeof(report), &report, sizeof(report));
	}
	if (t->layout == BENCH_RUNS)
		t->nr_entries /= BENCH_RUN_ITEMS;
	t->pattern = pattern;
	t->patterned = true;
}

/* Write every item of one leaf table. */
static void write_leaf(uint64_t *table, const struct bench_raw *raw, const uint64_t *marks)
{
	const uint64_t clean = bench_le64((raw->dirty_mask ^ raw->dirty_value) | raw->accessed);
	const uint64_t dirty = bench_le64(raw->dirty_value | raw->accessed);
	const uint64_t keep = ~bench_le64(raw->dirty_mask | raw->accessed);

	for (unsigned int i = 0; i < BENCH_LEAF_ITEMS; i++) {
		uint64_t mark = -(marks[i / 64] >> i % 64 & 1); /* all ones: dirty */

		table[i] = (table[i] & keep) | (dirty & mark) | (clean & ~mark);
	}
}

/* Dirty the marked items of a table whose items are all clean. */
static void mark_leaf(uint64_t *table, const struct bench_raw *raw, const uint64_t *marks)
{
	const uint64_t flip = bench_le64(raw->dirty_mask);

	for (unsigned int w = 0; w < LEAF_WORDS; w++)
		for (uint64_t word = marks[w]; word; word &= word - 1)
			table[w * 64 + (unsigned int)__builtin_ctzll(word)] ^= flip;
}

/*
 * Devices read every page and wrote some: Accessed is set everywhere, in table entries too, so that no
 * sweep may skip anything, and Dirty where the pattern says so.
 */
void bench_dirty_set(struct bench_tables *t, enum bench_pattern pattern)
{
	const uint64_t accessed = t->marks_tables ? bench_le64(t->raw->table_accessed) : 0;
	bool same = t->patterned && t->pattern == pattern;

	if (same && t->state == BENCH_STATE_PATTERN)
		return;
	if (!same)
		make_pattern(t, pattern);
	for (size_t i = 0; i < t->nr_leaf; i++) {
		const uint64_t *marks = t->marks + i * LEAF_WORDS;

		if (t->state == BENCH_STATE_CLEANED)
			mark_leaf(t->leaf[i], t->raw, marks);
		else
			write_leaf(t->leaf[i], t->raw, marks);
	}
	for (unsigned int level = 0; level < BENCH_LEVELS; level++)
		for (size_t n = 0; n < t->nr_upper[level]; n++)
			for (unsigned int i = 0; t->upper[level][n] && i < BENCH_LEAF_ITEMS; i++)
				if (t->upper[level][n][i])
					t->upper[level][n][i] |= accessed;
	t->state = BENCH_STATE_PATTERN;
}

/* Dirty items. */
uint64_t bench_dirty_count(const struct bench_tables *t)
{
	const uint64_t mask = bench_le64(t->raw->dirty_mask);
	const uint64_t value = bench_le64(t->raw->dirty_value);
	uint64_t n = 0;

	for (size_t i = 0; i < t->nr_leaf; i++)
		for (unsigned int k = 0; k < BENCH_LEAF_ITEMS; k++)
			n += (t->leaf[i][k] & mask) == value;
	return n;
}
