/* SPDX-License-Identifier: MIT */
/*
 * iod_bitmap where vector kernels are at work: hundreds of words, sparse, full and mixed, at every end.
 * Expected values come from arrays with one byte a bit.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dirty/bitmap.h"

#define K4    UINT64_C(4096)
#define BASE  UINT64_C(0x100000000)
#define WORDS 300u
#define BITS  (WORDS * 64u)

/* A bitmap, and the same as bytes of 0 and 1. What lies beyond its end is set, and not ours. */
struct pair {
	struct iod_bitmap bm;
	_Alignas(64) uint64_t words[WORDS + 2];
	unsigned char bits[BITS + 128];
	uint64_t nbits;
};

static uint32_t seed = 3;

static uint32_t next_random(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

/* Words from the bytes. */
static void put(struct pair *p)
{
	size_t i;

	memset(p->words, 0, sizeof(p->words));
	for (i = 0; i < sizeof(p->words) * 8; i++)
		if (p->bits[i])
			((unsigned char *)p->words)[i / 8] |= (unsigned char)(1u << (i % 8));
}

/* Runs of set bits, `gap` clear ones apart or so. */
static void make(struct pair *p, uint64_t nbits, unsigned gap, unsigned run, uint32_t flags)
{
	uint64_t i = next_random() % (gap + 1), n;

	memset(p->bits, 0, sizeof(p->bits));
	for (; i < nbits; i += next_random() % (2 * gap + 1))
		for (n = next_random() % (2 * run) + 1; n && i < nbits; n--, i++)
			p->bits[i] = 1;
	for (i = nbits; i < sizeof(p->bits); i++)
		p->bits[i] = 1;
	p->nbits = nbits;
	put(p);
	assert_int_equal(
		iod_bitmap_init(&p->bm, BASE, nbits * K4, K4, p->words, sizeof(p->words), flags),
		0);
}

static void check(const struct pair *p)
{
	size_t i;

	for (i = 0; i < sizeof(p->words) * 8; i++)
		if ((((const unsigned char *)p->words)[i / 8] >> (i % 8) & 1) != p->bits[i])
			fail_msg("bit %zu of %ju", i, (uintmax_t)p->nbits);
}

/* gap, run */
static const unsigned shapes[][2] = { { 3, 2 },	      { 60, 1 },   { 5000, 1 },
				      { 5000, 3000 }, { 1, 5000 }, { 9000, 20000 },
				      { 1, 40000 },   { 700, 64 }, { 20000, 300 } };

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static uint64_t some_length(unsigned round)
{
	return round % 3 ? BITS - next_random() % 700 : BITS - round % 200;
}

static void count_and_iterate(void **state)
{
	static struct pair p;
	uint64_t i, end, iova, len, count;
	unsigned round;

	(void)state;
	for (round = 0; round < 20 * SHAPES; round++) {
		make(&p, some_length(round), shapes[round % SHAPES][0], shapes[round % SHAPES][1],
		     round & 1);
		for (i = 0, count = 0; i < p.nbits; i++)
			count += p.bits[i];
		assert_int_equal(iod_bitmap_count(&p.bm), count);
		for (i = 0, iova = 0; i < p.nbits; i = end, iova += len) {
			while (i < p.nbits && !p.bits[i])
				i++;
			for (end = i; end < p.nbits && p.bits[end];)
				end++;
			if (i == p.nbits)
				break;
			assert_int_equal(iod_bitmap_next(&p.bm, &iova, &len), 0);
			assert_int_equal(iova, BASE + i * K4);
			assert_int_equal(len, (end - i) * K4);
		}
		assert_int_equal(iod_bitmap_next(&p.bm, &iova, &len), -ENOENT);
	}
}

static void or_bitmaps(void **state)
{
	static struct pair dst, src;
	unsigned round, a, b;
	uint64_t nbits, i;

	(void)state;
	for (round = 0; round < 20 * SHAPES; round++) {
		a = round % SHAPES;
		b = round / 2 % SHAPES;
		nbits = some_length(round);
		make(&dst, nbits, shapes[a][0], shapes[a][1], round & 1);
		make(&src, nbits, shapes[b][0], shapes[b][1], round >> 1 & 1);
		for (i = nbits; i < sizeof(dst.bits); i += 3)
			dst.bits[i] = 0; /* stays so: src has nothing to say there */
		put(&dst);
		for (i = 0; i < nbits; i++)
			dst.bits[i] |= src.bits[i];
		assert_int_equal(iod_bitmap_or(&dst.bm, &src.bm), 0);
		check(&dst);
		check(&src);
	}
}

/* Words of a sweep into the middle of a bitmap, at any bit, over its end, too. */
static void or_words(void **state)
{
	static const unsigned lengths[] = { 1, 63, 64, 65, 511, 512, 513, 1024, 2000, 8192 };
	static struct pair p;
	uint64_t words[128], nbits, bit, i, n;
	unsigned round;

	(void)state;
	for (round = 0; round < 500; round++) {
		nbits = some_length(round);
		make(&p, nbits, 500, 200, round & 1);
		n = lengths[round % 10];
		bit = next_random() % (nbits + 100);
		if (round % 3)
			bit &= ~UINT64_C(63);
		for (i = 0; i < 128; i++) {
			words[i] = next_random() % 3
					   ? 0
					   : (uint64_t)next_random() << 40 | next_random();
			if (round % 5 == 0 && i / 8 % 2)
				words[i] = 0;
		}
		for (i = 0; i < n && bit + i < nbits; i++)
			p.bits[bit + i] |= words[i / 64] >> (i % 64) & 1;
		iod_bitmap_or_words(&p.bm, bit, words, n);
		check(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(count_and_iterate),
		cmocka_unit_test(or_bitmaps),
		cmocka_unit_test(or_words),
	};

	return cmocka_run_group_tests_name("bitmap_large", tests, NULL, NULL);
}
