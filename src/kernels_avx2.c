/* SPDX-License-Identifier: MIT */
/*
 * Kernels for x86-64 with AVX2 (and BMI1, BMI2, POPCNT, which all CPUs with AVX2 have). What vector
 * loads of live words may and may not be trusted with: kernels.h.
 */
#include "kernels_x86.h"

#define AVX2	    __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,bmi,bmi2,popcnt")))

#define BLOCK	    32u /* words per step of the bitmap kernels: four cache lines */

AVX2_INLINE __m256i load4(const uint64_t *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

AVX2_INLINE void store4(uint64_t *p, __m256i v)
{
	_mm256_storeu_si256((__m256i *)p, v);
}

/* ---- tables ---- */

AVX2_INLINE uint64_t scan4(const uint64_t *items, __m256i mask, __m256i match)
{
	__m256i same = _mm256_cmpeq_epi64(_mm256_and_si256(load4(items), mask), match);

	return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(same));
}

AVX2_INLINE uint64_t scan16(const uint64_t *items, __m256i mask, __m256i match)
{
	return scan4(items, mask, match) | scan4(items + 4, mask, match) << 4 |
	       scan4(items + 8, mask, match) << 8 | scan4(items + 12, mask, match) << 12;
}

AVX2_INLINE uint64_t scan64(const uint64_t *items, __m256i mask, __m256i match)
{
	return scan16(items, mask, match) | scan16(items + 16, mask, match) << 16 |
	       scan16(items + 32, mask, match) << 32 | scan16(items + 48, mask, match) << 48;
}

AVX2 static unsigned scan_avx2(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match,
			       uint64_t *words, const uint64_t *ahead)
{
	uintptr_t next = (uintptr_t)ahead ? (uintptr_t)ahead : (uintptr_t)items + KERNEL_AHEAD * 8;
	__m256i mask4 = _mm256_set1_epi64x((long long)mask);
	__m256i match4 = _mm256_set1_epi64x((long long)match);
	unsigned i, k, count = 0;
	uint64_t word;

	for (i = 0; i + 64 <= n; i += 64) {
		kernel_prefetch(next + i * 8);
		word = scan64(&items[i], mask4, match4);
		words[i / 64] = word;
		count += popcount64(word);
	}
	if (i == n)
		return count;
	for (word = 0, k = 0; i + k + 4 <= n; k += 4)
		word |= scan4(&items[i + k], mask4, match4) << k;
	for (; i + k < n; k++)
		word |= (uint64_t)((kernel_load(&items[i + k]) & mask) == match) << k;
	words[i / 64] = word;
	return count + popcount64(word);
}

AVX2 static unsigned clean_avx2(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
				uint64_t *words)
{
	return kernel_clean(items, n, spec, words);
}

AVX2 static unsigned clean_stores_avx2(uint64_t *items, unsigned n,
				       const struct iod_clean_spec *spec, uint64_t *words)
{
	static const struct kernel_parts parts = { kernel_store_8_x86, kernel_list_bits };

	return kernel_clean_stores(items, n, spec, words, &parts);
}

AVX2 static struct iod_scan_result scan_stores_avx2(uint64_t *items, unsigned n, uint64_t mask,
						    uint64_t match,
						    const struct iod_clean_spec *spec,
						    uint64_t *found, uint64_t *cleaned,
						    const uint64_t *ahead)
{
	static const struct kernel_parts parts = { kernel_store_8_x86, kernel_list_bits };
	uintptr_t next = (uintptr_t)ahead ? (uintptr_t)ahead : (uintptr_t)items + KERNEL_AHEAD * 8;
	__m256i mask4 = _mm256_set1_epi64x((long long)mask);
	__m256i match4 = _mm256_set1_epi64x((long long)match);

	KERNEL_SCAN_STORES(items, n, spec, found, cleaned, &parts,
			   (kernel_prefetch(next + i_ * 8), scan64(&items[i_], mask4, match4)));
}

AVX2_INLINE void fill4(uint64_t *items, unsigned n, uint64_t first, uint64_t step, bool past)
{
	__m256i v, step4 = _mm256_set1_epi64x((long long)(step * 4));
	unsigned i;

	v = _mm256_set_epi64x((long long)(first + 3 * step), (long long)(first + 2 * step),
			      (long long)(first + step), (long long)first);
	for (i = 0; i + 4 <= n; i += 4, v = _mm256_add_epi64(v, step4)) {
		if (past)
			_mm256_stream_si256((__m256i *)(void *)&items[i], v);
		else
			store4(&items[i], v);
	}
	for (; i < n; i++)
		items[i] = first + i * step;
}

AVX2 static void fill_avx2(uint64_t *items, unsigned n, uint64_t first, uint64_t step)
{
	fill4(items, n, first, step, false);
}

AVX2 static void fill_past_avx2(uint64_t *items, unsigned n, uint64_t first, uint64_t step)
{
	if ((uintptr_t)items % 32)
		fill4(items, n, first, step, false);
	else
		fill4(items, n, first, step, true);
}

static void fill_end_avx2(void)
{
	_mm_sfence();
}

AVX2 static uint64_t differ_avx2(const uint64_t *items, unsigned n, uint64_t first, uint64_t step)
{
	__m256i v, or = _mm256_setzero_si256(), step4 = _mm256_set1_epi64x((long long)(step * 4));
	uint64_t lane[4];
	unsigned i;

	v = _mm256_set_epi64x((long long)(first + 3 * step), (long long)(first + 2 * step),
			      (long long)(first + step), (long long)first);
	for (i = 0; i + 4 <= n; i += 4, v = _mm256_add_epi64(v, step4)) {
		if (i % 64 == 0)
			kernel_prefetch((uintptr_t)(items + i) + KERNEL_AHEAD * 8);
		or = _mm256_or_si256(or, _mm256_xor_si256(load4(&items[i]), v));
	}
	store4(lane, or);
	return lane[0] | lane[1] | lane[2] | lane[3] | kernel_differ(items, i, n, first, step);
}

AVX2 static void zero_avx2(uint64_t *items, unsigned n)
{
	kernel_zero_x86(items, n);
}

/* ---- bitmaps ---- */

/* Bits of each quadword, from a table of 16 nibbles. */
AVX2_INLINE __m256i count4(const uint64_t *words)
{
	const __m256i bits = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1,
					      1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
	const __m256i low = _mm256_set1_epi8(15);
	__m256i v = load4(words);

	return _mm256_add_epi8(
		_mm256_shuffle_epi8(bits, _mm256_and_si256(v, low)),
		_mm256_shuffle_epi8(bits, _mm256_and_si256(_mm256_srli_epi16(v, 4), low)));
}

/* Eight times at most 8 bits in a byte: no overflow. */
AVX2_INLINE __m256i count32(const uint64_t *words)
{
	__m256i a = _mm256_add_epi8(count4(words), count4(words + 4));
	__m256i b = _mm256_add_epi8(count4(words + 8), count4(words + 12));
	__m256i c = _mm256_add_epi8(count4(words + 16), count4(words + 20));
	__m256i d = _mm256_add_epi8(count4(words + 24), count4(words + 28));

	return _mm256_sad_epu8(_mm256_add_epi8(_mm256_add_epi8(a, b), _mm256_add_epi8(c, d)),
			       _mm256_setzero_si256());
}

AVX2 static uint64_t popcount_avx2(const uint64_t *words, size_t n)
{
	__m256i sum = _mm256_setzero_si256();
	uint64_t part[4], count = 0;
	size_t i;

	for (i = 0; i + 2 * BLOCK <= n; i += 2 * BLOCK) {
		kernel_prefetch((uintptr_t)words + (i + KERNEL_AHEAD) * 8);
		sum = _mm256_add_epi64(sum, count32(&words[i]));
		sum = _mm256_add_epi64(sum, count32(&words[i + BLOCK]));
	}
	store4(part, sum);
	for (; i < n; i++)
		count += popcount64(kernel_load(&words[i]));
	return count + part[0] + part[1] + part[2] + part[3];
}

AVX2 static size_t find_other_avx2(const uint64_t *words, size_t n, uint64_t same)
{
	__m256i all = _mm256_set1_epi64x(-1), match = _mm256_set1_epi64x((long long)same);
	uint64_t other;
	size_t i;

	/* Not only whether there is one but where, without another branch to mispredict. */
	for (i = 0; i + 64 <= n; i += 64) {
		kernel_prefetch((uintptr_t)words + (i + KERNEL_AHEAD) * 8);
		other = ~scan64(&words[i], all, match);
		if (other)
			return i + ctz64(other);
	}
	return kernel_find_other(words, i, n, same);
}

AVX2_INLINE __m256i or16(const uint64_t *p)
{
	return _mm256_or_si256(_mm256_or_si256(load4(p), load4(p + 4)),
			       _mm256_or_si256(load4(p + 8), load4(p + 12)));
}

AVX2_INLINE bool block_is_empty(const uint64_t *p)
{
	__m256i any = _mm256_or_si256(or16(p), or16(p + 16));

	return _mm256_testz_si256(any, any);
}

AVX2 static void or_words_avx2(uint64_t *dst, const uint64_t *src, size_t n)
{
	size_t i, k;

	for (i = 0; i + BLOCK <= n; i += BLOCK) {
		for (k = 0; k < BLOCK; k += 8)
			_mm_prefetch((const char *)((uintptr_t)&src[i + k] + KERNEL_AHEAD * 8),
				     _MM_HINT_T0);
		if (block_is_empty(&src[i])) /* nor is dst read or written then */
			continue;
		for (k = i; k < i + BLOCK; k += 4)
			store4(&dst[k], _mm256_or_si256(load4(&dst[k]), load4(&src[k])));
	}
	kernel_or_words(dst, src, i, n);
}

const struct iod_kernels iod_kernels_avx2 = {
	.name = "avx2",
	.scan = scan_avx2,
	.clean = clean_avx2,
	.clean_stores = clean_stores_avx2,
	.scan_stores = scan_stores_avx2,
	.fill = fill_avx2,
	.fill_past = fill_past_avx2,
	.fill_end = fill_end_avx2,
	.differ = differ_avx2,
	.zero = zero_avx2,
	.popcount = popcount_avx2,
	.find_other = find_other_avx2,
	.or_words = or_words_avx2,
};
