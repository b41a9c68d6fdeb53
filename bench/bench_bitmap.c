/* SPDX-License-Identifier: MIT */
/*
 * Bitmaps without page tables: count, combine, walk over the runs. An item is a word of 64 bits.
 */
#include "bench.h"

#include "bench_loops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NR_BITMAPS 3u

/* For the same range. The third is what the limit combines, so that the work finds bits to set. */
struct bench_bitmaps {
	uint64_t words;
	uint64_t *data[NR_BITMAPS];
	uint64_t expect; /* bits set in the first; in or-ed ones: in the result */
	enum bench_pattern pattern;
	bool filled;
	struct iod_bitmap bm[NR_BITMAPS];
};

static volatile uint64_t sink;

void bench_bitmaps_free(struct bench_rig *rig)
{
	if (!rig->bitmaps)
		return;
	for (unsigned int i = 0; i < NR_BITMAPS; i++)
		free(rig->bitmaps->data[i]);
	free(rig->bitmaps);
	rig->bitmaps = NULL;
}

/* 32 MiB, for 1 TiB, but for smaller ranges; whole pages, so that vector loops need no tail. */
static int alloc_bitmaps(struct bench_rig *rig)
{
	uint64_t bytes = iod_bitmap_bytes(rig->bitmap_range, BENCH_PAGE);
	struct bench_bitmaps *b = calloc(1, sizeof(*b));
	int err = 0;

	if (!b)
		return bench_fail(-ENOMEM, "bitmaps");
	rig->bitmaps = b;
	b->words = bytes / 8;
	for (unsigned int i = 0; i < NR_BITMAPS && !err; i++) {
		b->data[i] = aligned_alloc(BENCH_PAGE, (size_t)bytes);
		if (!b->data[i])
			return bench_fail(-ENOMEM, "bitmaps");
		err = iod_bitmap_init(&b->bm[i], 0, rig->bitmap_range, BENCH_PAGE, b->data[i],
				      bytes, 0);
	}
	return err ? bench_fail(err, "iod_bitmap_init") : 0;
}

/* One bit, or one whole word, of so many. */
static uint64_t make_word(enum bench_pattern pattern, uint64_t i)
{
	uint64_t r = bench_random(i);

	switch (pattern) {
	case BENCH_DIRTY_0_1: /* single bits */
		return r % 1000 < 64 ? UINT64_C(1) << (r >> 58) : 0;
	case BENCH_DIRTY_10_RUNS: /* clusters of 256 KiB, 0.1 % as well */
		return r % 1000 < 1 ? UINT64_MAX : 0;
	default:
		return r;
	}
}

static int bitmap_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_bitmaps *b;
	int err = rig->bitmaps ? 0 : alloc_bitmaps(rig);

	if (err)
		return err;
	b = rig->bitmaps;
	rig->sum = 0;
	if (b->filled && b->pattern == c->pattern && c->ops != &bench_or_ops)
		return 0;
	b->expect = 0;
	for (uint64_t i = 0; i < b->words; i++) {
		uint64_t word = make_word(c->pattern, i);
		uint64_t other = bench_random(~i);

		b->data[0][i] = bench_le64(word);
		b->data[1][i] = bench_le64(other);
		b->data[2][i] = bench_le64(other);
		if (c->ops == &bench_or_ops)
			word |= other;
		b->expect += (uint64_t)__builtin_popcountll(word);
	}
	b->filled = true;
	b->pattern = c->pattern;
	return 0;
}

static int count_work(struct bench_rig *rig, const struct bench_case *c)
{
	rig->sum = iod_bitmap_count(&rig->bitmaps->bm[0]);
	return 0;
}

static int or_work(struct bench_rig *rig, const struct bench_case *c)
{
	int err = iod_bitmap_or(&rig->bitmaps->bm[1], &rig->bitmaps->bm[0]);

	return err ? bench_fail(err, "iod_bitmap_or") : 0;
}

static int iterate_work(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t iova = 0, len = 0, bytes = 0;

	for (; !iod_bitmap_next(&rig->bitmaps->bm[0], &iova, &len); iova += len)
		bytes += len;
	rig->sum = bytes >> BENCH_PAGE_LG2;
	return 0;
}

static int sum_check(struct bench_rig *rig, const struct bench_case *c)
{
	return rig->sum == rig->bitmaps->expect ? 0 : bench_fail(-EIO, "wrong number of bits");
}

static int or_check(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_bitmaps *b = rig->bitmaps;

	for (uint64_t i = 0; i < b->words; i++)
		rig->sum += (uint64_t)__builtin_popcountll(b->data[1][i]);
	return sum_check(rig, c);
}

static double bitmap_read_measure(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_bitmaps *b = rig->bitmaps;
	struct bench_watch watch = bench_start();

	sink = bench_read(b->data[0], (size_t)b->words);
	return bench_stop(&watch) / (double)b->words;
}

static double bitmap_or_measure(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_bitmaps *b = rig->bitmaps;
	struct bench_watch watch = bench_start();

	bench_or(b->data[2], b->data[0], (size_t)b->words);
	return bench_stop(&watch) / (double)b->words;
}

const struct bench_ops bench_count_ops = {
	.prepare = bitmap_prepare,
	.work = count_work,
	.check = sum_check,
};
const struct bench_ops bench_or_ops = {
	.prepare = bitmap_prepare,
	.work = or_work,
	.check = or_check,
};
const struct bench_ops bench_iterate_ops = {
	.prepare = bitmap_prepare,
	.work = iterate_work,
	.check = sum_check,
};
const struct bench_limit bench_limit_bitmap_read = { "read", bitmap_read_measure, true };
const struct bench_limit bench_limit_bitmap_or = { "or", bitmap_or_measure, true };
