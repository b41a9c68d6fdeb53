/* SPDX-License-Identifier: MIT */
/*
 * iod_bitmap: layout, rounding, ends, bad input. Expected values are worked out by hand, or come from
 * the bit string macros of BSD on the same memory.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <bsd/bitstring.h>

#include "dirty/bitmap.h"

#define K4   UINT64_C(4096)
#define BASE UINT64_C(0x100000000)

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* Memory with a guard word at either end. */
struct guarded {
	_Alignas(8) uint64_t before;
	uint64_t words[16];
	uint64_t after;
};

static unsigned char *bytes_of(struct guarded *mem)
{
	return (unsigned char *)mem->words;
}

/* A bitmap of nbits 4 KiB granules from BASE, over memory filled with `fill`. */
static struct iod_bitmap make(struct guarded *mem, uint64_t nbits, int fill, uint32_t flags)
{
	struct iod_bitmap bm;

	memset(mem, fill, sizeof(*mem));
	assert_int_equal(
		iod_bitmap_init(&bm, BASE, nbits * K4, K4, mem->words, sizeof(mem->words), flags),
		0);
	return bm;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void test_init_bad_input(void **state)
{
	static uint64_t words[4];
	unsigned char *raw = (unsigned char *)words;
	const struct {
		uint64_t iova, len, granule;
		void *data;
		uint64_t data_len;
		uint32_t flags;
		int ret;
	} rows[] = {
		{ BASE, 64 * K4, K4, words, 8, 0, 0 },
		{ BASE, 64 * K4, K4, words, 8, IOD_BITMAP_ATOMIC, 0 },
		{ BASE, 256 * K4, K4, words, 32, 0, 0 },
		{ 0, UINT64_C(1) << 63, UINT64_C(1) << 63, words, 8, 0, 0 },
		{ BASE, 64 * K4, K4, NULL, 8, 0, -EINVAL },
		{ BASE, 64 * K4, K4, raw + 1, 8, 0, -EINVAL }, /* unaligned memory */
		{ BASE, 64 * K4, K4, raw + 4, 8, 0, -EINVAL },
		{ BASE, 64 * K4, K4, words, 7, 0, -EINVAL }, /* too small */
		{ BASE, 65 * K4, K4, words, 15, 0, -EINVAL },
		{ BASE, 1 * K4, K4, words, 1, 0, -EINVAL }, /* whole words are needed */
		{ BASE, 64 * K4, K4, words, 0, 0, -EINVAL },
		{ BASE, 64 * K4, K4, words, 8, 2, -EINVAL }, /* unknown flag */
		{ BASE, 64 * K4, K4, words, 8, 1u << 31, -EINVAL },
		{ BASE, 0, K4, words, 8, 0, -EINVAL },
		{ BASE, 3 * K4, 3 * K4, words, 8, 0, -EINVAL }, /* no power of two */
		{ BASE, 64 * K4, 0, words, 8, 0, -EINVAL },
		{ BASE, 64 * K4, 2048, words, 32, 0, -EINVAL }, /* below 4 KiB */
		{ BASE, 64 * K4 + 1, K4, words, 32, 0, -EINVAL },
		{ BASE + 8, 64 * K4, K4, words, 8, 0, -EINVAL },
		{ BASE + K4, 64 * K4, 2 * K4, words, 8, 0, -EINVAL },
		{ BASE, 257 * K4, K4, words, 32, 0, -EINVAL },
		{ 0, UINT64_MAX - K4 + 1, K4, words, 32, 0, -EINVAL },
		{ 0 - 64 * K4, 64 * K4, K4, words, 8, 0, 0 }, /* ends at 2^64 */
		{ 0 - 64 * K4, 65 * K4, K4, words, 32, 0, -ERANGE },
		{ 0 - K4, 2 * K4, K4, words, 8, 0, -ERANGE },
	};
	struct iod_bitmap bm;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(iod_bitmap_init(&bm, rows[i].iova, rows[i].len, rows[i].granule,
						 rows[i].data, rows[i].data_len, rows[i].flags),
				 rows[i].ret);
	assert_int_equal(iod_bitmap_init(NULL, BASE, 64 * K4, K4, words, 8, 0), -EINVAL);
	/* The memory would run over the end of the address space. */
	assert_int_equal(iod_bitmap_init(&bm, 0, 128 * K4, K4, (void *)(UINTPTR_MAX - 7), 16, 0),
			 -EINVAL);
}

static void test_null(void **state)
{
	struct guarded mem;
	struct iod_bitmap bm = make(&mem, 64, 0, 0);
	uint64_t iova = 0, len;

	assert_int_equal(iod_bitmap_set(NULL, BASE, K4), -EINVAL);
	assert_int_equal(iod_bitmap_clear(NULL, BASE, K4), -EINVAL);
	assert_false(iod_bitmap_test(NULL, BASE));
	assert_int_equal(iod_bitmap_count(NULL), 0);
	assert_int_equal(iod_bitmap_next(NULL, &iova, &len), -EINVAL);
	assert_int_equal(iod_bitmap_next(&bm, NULL, &len), -EINVAL);
	assert_int_equal(iod_bitmap_next(&bm, &iova, NULL), -EINVAL);
	assert_int_equal(iod_bitmap_or(NULL, &bm), -EINVAL);
	assert_int_equal(iod_bitmap_or(&bm, NULL), -EINVAL);
}

static void test_bytes(void **state)
{
	assert_int_equal(iod_bitmap_bytes(K4, K4), 8);
	assert_int_equal(iod_bitmap_bytes(64 * K4, K4), 8);
	assert_int_equal(iod_bitmap_bytes(65 * K4, K4), 16);
	assert_int_equal(iod_bitmap_bytes(UINT64_C(1) << 40, K4), UINT64_C(1) << 25);
	assert_int_equal(iod_bitmap_bytes(UINT64_C(1) << 40, UINT64_C(2) << 20), 65536);
	assert_int_equal(iod_bitmap_bytes(UINT64_MAX - K4 + 1, K4), UINT64_C(1) << 49);
	assert_int_equal(iod_bitmap_bytes(0, K4), 0);
	assert_int_equal(iod_bitmap_bytes(K4, 0), 0);
	assert_int_equal(iod_bitmap_bytes(K4 + 1, K4), 0);
	assert_int_equal(iod_bitmap_bytes(K4, 2 * K4), 0);
	assert_int_equal(iod_bitmap_bytes(K4, 1024), 0);
	assert_int_equal(iod_bitmap_bytes(6 * K4, 3 * K4), 0);
}

static void test_layout(void **state)
{
	static const unsigned bits[] = { 0, 7, 8, 63, 64, 100 };
	static const unsigned char expected[16] = {
		[0] = 0x81, [1] = 0x01, [7] = 0x80, [8] = 0x01, [12] = 0x10,
	};
	struct guarded mem;
	struct iod_bitmap bm = make(&mem, 128, 0, 0);
	size_t i;

	for (i = 0; i < 6; i++)
		assert_int_equal(iod_bitmap_set(&bm, BASE + bits[i] * K4, K4), 0);
	assert_memory_equal(mem.words, expected, sizeof(expected));
	assert_int_equal(iod_bitmap_count(&bm), 6);
	assert_true(iod_bitmap_test(&bm, BASE + 100 * K4 + 4095));
	assert_false(iod_bitmap_test(&bm, BASE + 101 * K4));
	assert_false(iod_bitmap_test(&bm, BASE - 1));
	assert_false(iod_bitmap_test(&bm, BASE + 128 * K4));
}

/* The same ranges through the macros of BSD give the same bytes. */
static void test_layout_bsd(void **state)
{
	struct guarded mem;
	struct iod_bitmap bm = make(&mem, 1000, 0, IOD_BITMAP_ATOMIC);
	bitstr_t bit_decl(bsd, 1024);
	uint32_t seed = 1;
	uint64_t count;
	int i, first, last;

	memset(bsd, 0, sizeof(mem.words));
	for (i = 0; i < 40; i++) {
		first = (int)(next_random(&seed) % 1000);
		last = first + (int)(next_random(&seed) % 30);
		last = last > 999 ? 999 : last;
		bit_nset(bsd, first, last);
		assert_int_equal(iod_bitmap_set(&bm, BASE + (uint64_t)first * K4,
						(uint64_t)(last - first + 1) * K4),
				 0);
		assert_memory_equal(bsd, mem.words, sizeof(mem.words));
	}
	first = 300;
	bit_nclear(bsd, first, 399);
	assert_int_equal(iod_bitmap_clear(&bm, BASE + 300 * K4, 100 * K4), 0);
	assert_memory_equal(bsd, mem.words, sizeof(mem.words));

	memset(mem.words, 0, sizeof(mem.words));
	for (i = 0; i < 1000; i += 7)
		bit_set(bytes_of(&mem), i);
	for (i = 0, count = 0; i < 1000; i++) {
		assert_int_equal(iod_bitmap_test(&bm, BASE + (uint64_t)i * K4),
				 bit_test(bytes_of(&mem), i) != 0);
		count += i % 7 == 0;
	}
	assert_int_equal(iod_bitmap_count(&bm), count);
}

/* Ends inside a byte and inside a word: not one bit beyond is touched, or counted. */
static void test_tails(void **state)
{
	static const unsigned lengths[] = { 1, 5, 8, 13, 63, 64, 65, 67, 127, 128, 131, 1023 };
	uint64_t iova, len;
	size_t i;
	int bit;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		unsigned n = lengths[i];
		struct guarded mem;
		struct iod_bitmap bm = make(&mem, n, 0, i & 1 ? IOD_BITMAP_ATOMIC : 0);

		assert_int_equal(iod_bitmap_set(&bm, BASE, n * K4), 0);
		for (bit = 0; bit < 1024; bit++)
			assert_int_equal(bit_test(bytes_of(&mem), bit) != 0, bit < (int)n);
		assert_int_equal(mem.before | mem.after, 0);

		/* Garbage beyond the end: neither counted, nor found, nor cleared. */
		bm = make(&mem, n, 0xff, i & 1 ? 0 : IOD_BITMAP_ATOMIC);
		assert_int_equal(iod_bitmap_count(&bm), n);
		iova = 0;
		assert_int_equal(iod_bitmap_next(&bm, &iova, &len), 0);
		assert_int_equal(iova, BASE);
		assert_int_equal(len, n * K4);
		assert_int_equal(iod_bitmap_clear(&bm, BASE, n * K4), 0);
		for (bit = 0; bit < 1024; bit++)
			assert_int_equal(bit_test(bytes_of(&mem), bit) != 0, bit >= (int)n);
		assert_int_equal(mem.before & mem.after, UINT64_MAX);
		assert_int_equal(iod_bitmap_count(&bm), 0);
		iova = 0;
		assert_int_equal(iod_bitmap_next(&bm, &iova, &len), -ENOENT);
		if (n > 1000)
			continue;

		/* A run up to the end does not go on in garbage. */
		memset(mem.words, 0, sizeof(mem.words));
		bit_nset(bytes_of(&mem), (int)n - 1, (int)n + 1);
		assert_int_equal(iod_bitmap_next(&bm, &iova, &len), 0);
		assert_int_equal(iova, BASE + (n - 1) * K4);
		assert_int_equal(len, K4);
	}
}

static void test_every_second(void **state)
{
	struct guarded mem;
	struct iod_bitmap bm = make(&mem, 200, 0, 0);
	uint64_t iova = BASE, len, i, runs = 0;

	for (i = 1; i < 200; i += 2)
		assert_int_equal(iod_bitmap_set(&bm, BASE + i * K4, K4), 0);
	for (i = 0; i < 25; i++)
		assert_int_equal(bytes_of(&mem)[i], 0xaa);
	assert_int_equal(bytes_of(&mem)[25], 0);
	assert_int_equal(iod_bitmap_count(&bm), 100);
	while (!iod_bitmap_next(&bm, &iova, &len)) {
		assert_int_equal(iova, BASE + (2 * runs + 1) * K4);
		assert_int_equal(len, K4);
		iova += len;
		runs++;
	}
	assert_int_equal(runs, 100);
}

/* Setting rounds out, clearing rounds in. */
static void test_rounding(void **state)
{
	struct guarded mem;
	struct iod_bitmap bm = make(&mem, 64, 0, 0);

	iod_bitmap_set(&bm, BASE + K4 - 1, 2); /* the last byte of 0 and the first of 1 */
	assert_int_equal(bytes_of(&mem)[0], 0x03);
	iod_bitmap_set(&bm, BASE + 4 * K4 + 7, 1);
	assert_int_equal(bytes_of(&mem)[0], 0x13);
	iod_bitmap_set(&bm, BASE + 6 * K4 + 1, K4);
	assert_int_equal(bytes_of(&mem)[0], 0xd3);

	memset(mem.words, 0xff, sizeof(mem.words));
	assert_int_equal(iod_bitmap_clear(&bm, BASE + 1, K4), 0); /* no whole granule */
	assert_int_equal(iod_bitmap_clear(&bm, BASE + 1, K4 - 1), 0);
	assert_int_equal(iod_bitmap_clear(&bm, BASE, K4 - 1), 0);
	assert_int_equal(bytes_of(&mem)[0], 0xff);
	assert_int_equal(iod_bitmap_clear(&bm, BASE + 1, 3 * K4 - 1), 0); /* 1 and 2 */
	assert_int_equal(bytes_of(&mem)[0], 0xf9);
	assert_int_equal(iod_bitmap_clear(&bm, BASE + 3 * K4, 2 * K4 - 1), 0); /* 3 */
	assert_int_equal(bytes_of(&mem)[0], 0xf1);
	assert_int_equal(bytes_of(&mem)[1], 0xff);
}

static void test_ranges_refused(void **state)
{
	struct guarded mem;
	struct iod_bitmap bm = make(&mem, 100, 0, 0);
	const struct {
		uint64_t iova, len;
		int ret;
	} rows[] = {
		{ BASE, 0, -EINVAL },
		{ BASE - 1, 1, -ERANGE },
		{ BASE - 1, 2, -ERANGE },
		{ BASE - K4, K4, -ERANGE },
		{ 0, BASE + K4, -ERANGE },
		{ BASE + 100 * K4, 1, -ERANGE },
		{ BASE + 100 * K4 - 1, 2, -ERANGE },
		{ BASE, 100 * K4 + 1, -ERANGE },
		{ BASE, UINT64_MAX, -ERANGE },
		{ BASE + K4, UINT64_MAX, -ERANGE },
		{ BASE + K4, 0 - (BASE + K4), -ERANGE },
		{ UINT64_MAX, 1, -ERANGE },
		{ 0, UINT64_MAX, -ERANGE },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(mem.words, 0, sizeof(mem.words));
		assert_int_equal(iod_bitmap_set(&bm, rows[i].iova, rows[i].len), rows[i].ret);
		assert_int_equal(iod_bitmap_count(&bm), 0);
		memset(mem.words, 0xff, sizeof(mem.words));
		assert_int_equal(iod_bitmap_clear(&bm, rows[i].iova, rows[i].len), rows[i].ret);
		assert_int_equal(iod_bitmap_count(&bm), 100);
	}
}

static void test_top_of_the_space(void **state)
{
	_Alignas(8) uint64_t words[2] = { 0, 0 };
	uint64_t iova, len;
	const uint64_t base = 0 - 100 * K4;
	struct iod_bitmap bm;

	assert_int_equal(iod_bitmap_init(&bm, base, 100 * K4, K4, words, sizeof(words), 0), 0);
	assert_int_equal(iod_bitmap_set(&bm, UINT64_MAX, 1), 0);
	assert_true(iod_bitmap_test(&bm, UINT64_MAX));
	assert_true(iod_bitmap_test(&bm, 0 - K4));
	assert_false(iod_bitmap_test(&bm, 0 - K4 - 1));
	assert_false(iod_bitmap_test(&bm, 0));
	assert_int_equal(iod_bitmap_set(&bm, UINT64_MAX, 2), -ERANGE);
	assert_int_equal(iod_bitmap_set(&bm, 0, 1), -ERANGE);
	assert_int_equal(iod_bitmap_set(&bm, 0 - 3 * K4, 3 * K4), 0);
	iova = base;
	assert_int_equal(iod_bitmap_next(&bm, &iova, &len), 0);
	assert_int_equal(iova, 0 - 3 * K4);
	assert_int_equal(len, 3 * K4);
	assert_int_equal(iod_bitmap_clear(&bm, 0 - 2 * K4, 2 * K4), 0);
	assert_int_equal(iod_bitmap_count(&bm), 1);
	assert_int_equal(iod_bitmap_set(&bm, base, 100 * K4), 0);
	assert_int_equal(iod_bitmap_count(&bm), 100);
}

static void test_next(void **state)
{
	struct guarded mem;
	struct iod_bitmap bm = make(&mem, 1000, 0, 0);
	static const uint64_t runs[][2] = { { 3, 4 }, { 60, 10 }, { 128, 192 }, { 999, 1 } };
	uint64_t iova = 0, len;
	size_t i;

	for (i = 0; i < 4; i++)
		iod_bitmap_set(&bm, BASE + runs[i][0] * K4, runs[i][1] * K4);
	for (i = 0; i < 4; i++) {
		assert_int_equal(iod_bitmap_next(&bm, &iova, &len), 0);
		assert_int_equal(iova, BASE + runs[i][0] * K4);
		assert_int_equal(len, runs[i][1] * K4);
		iova += len;
	}
	assert_int_equal(iod_bitmap_next(&bm, &iova, &len), -ENOENT);
	iova = UINT64_MAX;
	assert_int_equal(iod_bitmap_next(&bm, &iova, &len), -ENOENT);
	assert_int_equal(iova, UINT64_MAX);
	iova = BASE + 200 * K4; /* from inside a run: the rest of it */
	assert_int_equal(iod_bitmap_next(&bm, &iova, &len), 0);
	assert_int_equal(iova, BASE + 200 * K4);
	assert_int_equal(len, 120 * K4);
	iova = BASE + 69 * K4 + 5; /* from inside a granule: that granule */
	assert_int_equal(iod_bitmap_next(&bm, &iova, &len), 0);
	assert_int_equal(iova, BASE + 69 * K4);
	assert_int_equal(len, K4);
}

static void test_or(void **state)
{
	struct guarded a, b;
	struct iod_bitmap dst = make(&a, 70, 0, IOD_BITMAP_ATOMIC);
	struct iod_bitmap src = make(&b, 70, 0xff, 0);
	struct iod_bitmap other;

	assert_int_equal(iod_bitmap_or(&dst, &src), 0); /* without what lies beyond 70 */
	assert_int_equal(iod_le64(a.words[0]), UINT64_MAX);
	assert_int_equal(iod_le64(a.words[1]), 0x3f);
	assert_int_equal(a.words[2], 0);

	memset(a.words, 0, sizeof(a.words));
	memset(b.words, 0, sizeof(b.words));
	iod_bitmap_set(&dst, BASE + 1 * K4, K4);
	iod_bitmap_set(&src, BASE + 2 * K4, K4);
	assert_int_equal(iod_bitmap_or(&dst, &src), 0);
	assert_int_equal(bytes_of(&a)[0], 0x06);
	assert_int_equal(bytes_of(&b)[0], 0x04);
	assert_int_equal(iod_bitmap_or(&dst, &dst), 0);
	assert_int_equal(bytes_of(&a)[0], 0x06);

	iod_bitmap_init(&other, BASE + K4, 70 * K4, K4, b.words, 16, 0);
	assert_int_equal(iod_bitmap_or(&dst, &other), -EINVAL);
	iod_bitmap_init(&other, BASE, 71 * K4, K4, b.words, 16, 0);
	assert_int_equal(iod_bitmap_or(&dst, &other), -EINVAL);
	iod_bitmap_init(&other, BASE, 70 * 2 * K4, 2 * K4, b.words, 16, 0);
	assert_int_equal(iod_bitmap_or(&dst, &other), -EINVAL);
	assert_int_equal(bytes_of(&a)[0], 0x06);
}

/* Every position and length of a word, up to and over the end. */
static void test_or_word(void **state)
{
	static const uint64_t patterns[] = { UINT64_MAX, UINT64_C(0x8000000000000001),
					     UINT64_C(0xdeadbeefcafe5ee5) };
	struct guarded mem;
	bitstr_t bit_decl(bsd, 192);
	unsigned bit, n, i, p;

	for (p = 0; p < 3; p++) {
		for (bit = 0; bit < 140; bit++) {
			for (n = 1; n <= 64; n++) {
				struct iod_bitmap bm = make(&mem, 131, 0, n & 1);

				memset(bsd, 0, 24);
				for (i = 0; i < n && bit + i < 131; i++)
					if (patterns[p] >> i & 1)
						bit_set(bsd, bit + i);
				iod_bitmap_or_word(&bm, bit, patterns[p], n);
				if (memcmp(bsd, mem.words, 24) || mem.words[3])
					fail_msg("bit %u, n %u, pattern %u", bit, n, p);
			}
		}
	}
}

static void test_set_bits(void **state)
{
	struct guarded mem;
	struct iod_bitmap bm = make(&mem, 300, 0, IOD_BITMAP_ATOMIC);

	iod_bitmap_set_bits(&bm, 60, 199);
	assert_int_equal(iod_bitmap_count(&bm), 140);
	assert_true(iod_bitmap_all_set(&bm, 60, 199));
	assert_true(iod_bitmap_all_set(&bm, 64, 127));
	assert_true(iod_bitmap_all_set(&bm, 60, 60));
	assert_false(iod_bitmap_all_set(&bm, 59, 199));
	assert_false(iod_bitmap_all_set(&bm, 60, 200));
	mem.words[1] &= ~iod_le64(UINT64_C(1) << 40);
	assert_false(iod_bitmap_all_set(&bm, 60, 199));
	assert_false(iod_bitmap_all_set(&bm, 104, 104));
	iod_bitmap_set_bits(&bm, 290, 1000); /* cut at the end */
	assert_int_equal(iod_bitmap_count(&bm), 149);
	assert_int_equal(iod_le64(mem.words[4]), UINT64_C(0xffc00000000));
	assert_true(iod_bitmap_all_set(&bm, 290, 299));
	assert_false(iod_bitmap_all_set(&bm, 290, 300));
	iod_bitmap_set_bits(&bm, 300, 400);
	assert_int_equal(iod_bitmap_count(&bm), 149);
}

/* More bits than 32 bits can count, over memory that is there only where it is written. */
static void test_more_than_32_bits(void **state)
{
	const uint64_t nbits = (UINT64_C(1) << 32) + 77;
	uint64_t iova = 0, len, bytes = iod_bitmap_bytes(nbits * K4, K4);
	struct iod_bitmap bm;
	void *data;

	if (sizeof(void *) < 8)
		skip();
	data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1,
		    0);
	if (data == MAP_FAILED)
		skip();
#ifdef MADV_HUGEPAGE
	madvise(data, bytes, MADV_HUGEPAGE);
#endif
	assert_int_equal(bytes, (UINT64_C(1) << 29) + 16);
	assert_int_equal(iod_bitmap_init(&bm, BASE, nbits * K4, K4, data, bytes, 0), 0);
	assert_int_equal(iod_bitmap_set(&bm, BASE + (UINT64_C(1) << 43) - K4, 3 * K4), 0);
	assert_int_equal(((unsigned char *)data)[(1 << 28) - 1], 0x80); /* bit 2^31 - 1 */
	assert_int_equal(((unsigned char *)data)[1 << 28], 0x03);
	assert_int_equal(iod_bitmap_set(&bm, BASE + (nbits - 1) * K4, K4), 0);
	assert_int_equal(((unsigned char *)data)[(UINT64_C(1) << 29) + 9], 1 << 4); /* 76 = 9*8+4 */
	assert_int_equal(iod_bitmap_count(&bm), 4);
	assert_int_equal(iod_bitmap_next(&bm, &iova, &len), 0);
	assert_int_equal(iova, BASE + (UINT64_C(1) << 43) - K4);
	assert_int_equal(len, 3 * K4);
	iova += len;
	assert_int_equal(iod_bitmap_next(&bm, &iova, &len), 0);
	assert_int_equal(iova, BASE + (UINT64_C(1) << 44) + 76 * K4);
	iova += len;
	assert_int_equal(iod_bitmap_next(&bm, &iova, &len), -ENOENT);
	munmap(data, bytes);
}

struct setter {
	struct iod_bitmap *bm;
	unsigned lane;
	unsigned *ready; /* threads that wait for the others */
};

/* Each thread has every fourth bit of every word, at changing alignments. */
static void *set_lane(void *arg)
{
	struct setter *setter = arg;
	uint64_t bit;

	__atomic_fetch_add(setter->ready, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(setter->ready, __ATOMIC_ACQUIRE) < 4)
		sched_yield();
	for (bit = setter->lane; bit < setter->bm->nbits; bit += 4)
		iod_bitmap_or_word(setter->bm, bit, 1, 1 + (unsigned)(bit % 64));
	return NULL;
}

static void test_atomic_setters(void **state)
{
	static uint64_t words[1024];
	struct setter setters[4];
	pthread_t threads[4];
	struct iod_bitmap bm;
	uint64_t iova = 0, len, round, i, last = 0;

	for (round = 0; round < 20; round++) {
		unsigned ready = 0;

		memset(words, 0, sizeof(words));
		assert_int_equal(iod_bitmap_init(&bm, 0, 65536 * K4, K4, words, sizeof(words),
						 IOD_BITMAP_ATOMIC),
				 0);
		for (i = 0; i < 4; i++) {
			setters[i] = (struct setter){ &bm, (unsigned)i, &ready };
			assert_int_equal(pthread_create(&threads[i], NULL, set_lane, &setters[i]),
					 0);
		}
		for (i = 0, last = 0; i < 10; i++) { /* counting beside setters only grows */
			uint64_t now = iod_bitmap_count(&bm);

			assert_true(now >= last);
			last = now;
		}
		for (i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(iod_bitmap_count(&bm), 65536);
	}
	assert_int_equal(iod_bitmap_next(&bm, &iova, &len), 0);
	assert_int_equal(len, 65536 * K4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init_bad_input),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_layout_bsd),
		cmocka_unit_test(test_tails),
		cmocka_unit_test(test_every_second),
		cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_ranges_refused),
		cmocka_unit_test(test_top_of_the_space),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_or),
		cmocka_unit_test(test_or_word),
		cmocka_unit_test(test_set_bits),
		cmocka_unit_test(test_more_than_32_bits),
		cmocka_unit_test(test_atomic_setters),
	};

	return cmocka_run_group_tests_name("bitmap", tests, NULL, NULL);
}
