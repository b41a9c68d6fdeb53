/* SPDX-License-Identifier: MIT */
/*
 * Kernels for x86-64 with AVX-512 as of Ice Lake and Zen 4 (VBMI2, VPOPCNTDQ). Older CPUs with AVX-512
 * lower their frequency for it, and are better off with AVX2. What vector loads of live words may and
 * may not be trusted with: kernels.h.
 */
#include "kernels_x86.h"

#define TARGET	      "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi2,avx512vpopcntdq,bmi,bmi2,popcnt"
#define AVX512	      __attribute__((target(TARGET)))
#define AVX512_INLINE static inline __attribute__((always_inline, target(TARGET)))

#define BLOCK	      64u /* words per step of the bitmap kernels: eight cache lines */

AVX512_INLINE __m512i load8(const uint64_t *p)
{
	return _mm512_loadu_si512(p);
}

/* ---- tables ---- */

AVX512_INLINE uint64_t scan8(const uint64_t *items, __m512i mask, __m512i match)
{
	return _cvtmask8_u32(_mm512_cmpeq_epi64_mask(_mm512_and_si512(load8(items), mask), match));
}

AVX512_INLINE uint64_t scan64(const uint64_t *items, __m512i mask, __m512i match)
{
	uint64_t a = scan8(items, mask, match) | scan8(items + 8, mask, match) << 8;
	uint64_t b = scan8(items + 16, mask, match) | scan8(items + 24, mask, match) << 8;
	uint64_t c = scan8(items + 32, mask, match) | scan8(items + 40, mask, match) << 8;
	uint64_t d = scan8(items + 48, mask, match) | scan8(items + 56, mask, match) << 8;

	return a | b << 16 | c << 32 | d << 48;
}

AVX512 static unsigned scan_avx512(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match,
				   uint64_t *words, const uint64_t *ahead)
{
	uintptr_t next = (uintptr_t)ahead ? (uintptr_t)ahead : (uintptr_t)items + KERNEL_AHEAD * 8;
	__m512i mask8 = _mm512_set1_epi64((long long)mask);
	__m512i match8 = _mm512_set1_epi64((long long)match);
	unsigned i, k, count = 0;
	uint64_t word;

	for (i = 0; i + 64 <= n; i += 64) {
		kernel_prefetch(next + i * 8);
		word = scan64(&items[i], mask8, match8);
		words[i / 64] = word;
		count += popcount64(word);
	}
	if (i == n)
		return count;
	for (word = 0, k = 0; i + k < n; k += 8) {
		__mmask8 there = n - i - k < 8 ? (__mmask8)low_mask(n - i - k) : 0xff;
		__m512i v = _mm512_maskz_loadu_epi64(there, &items[i + k]);

		word |= (uint64_t)_mm512_mask_cmpeq_epi64_mask(there, _mm512_and_si512(v, mask8),
							       match8)
			<< k;
	}
	words[i / 64] = word;
	return count + popcount64(word);
}

AVX512 static unsigned clean_avx512(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
				    uint64_t *words)
{
	return kernel_clean(items, n, spec, words);
}

/* As kernel_list_bits(), in one step. */
AVX512_INLINE unsigned list_bits(uint64_t word, unsigned base, uint8_t *list)
{
	const __m512i all = _mm512_set_epi8(
		63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43,
		42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22,
		21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);

	_mm512_storeu_si512(list, _mm512_add_epi8(_mm512_maskz_compress_epi8((__mmask64)word, all),
						  _mm512_set1_epi8((char)base)));
	return popcount64(word);
}

AVX512 static unsigned clean_stores_avx512(uint64_t *items, unsigned n,
					   const struct iod_clean_spec *spec, uint64_t *words)
{
	static const struct kernel_parts parts = { kernel_store_8_x86, list_bits };

	return kernel_clean_stores(items, n, spec, words, &parts);
}

AVX512 static struct iod_scan_result scan_stores_avx512(uint64_t *items, unsigned n, uint64_t mask,
							uint64_t match,
							const struct iod_clean_spec *spec,
							uint64_t *found, uint64_t *cleaned,
							const uint64_t *ahead)
{
	static const struct kernel_parts parts = { kernel_store_8_x86, list_bits };
	uintptr_t next = (uintptr_t)ahead ? (uintptr_t)ahead : (uintptr_t)items + KERNEL_AHEAD * 8;
	__m512i mask8 = _mm512_set1_epi64((long long)mask);
	__m512i match8 = _mm512_set1_epi64((long long)match);

	KERNEL_SCAN_STORES(items, n, spec, found, cleaned, &parts,
			   (kernel_prefetch(next + i_ * 8), scan64(&items[i_], mask8, match8)));
}

AVX512_INLINE void fill8(uint64_t *items, unsigned n, uint64_t first, uint64_t step, bool past)
{
	const __m512i at = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
	__m512i v = _mm512_add_epi64(_mm512_set1_epi64((long long)first),
				     _mm512_mullo_epi64(at, _mm512_set1_epi64((long long)step)));
	__m512i step8 = _mm512_set1_epi64((long long)(step * 8));
	unsigned i;

	for (i = 0; i + 8 <= n; i += 8, v = _mm512_add_epi64(v, step8)) {
		if (past)
			_mm512_stream_si512((__m512i *)(void *)&items[i], v);
		else
			_mm512_storeu_si512(&items[i], v);
	}
	if (i < n)
		_mm512_mask_storeu_epi64(&items[i], (__mmask8)low_mask(n - i), v);
}

AVX512 static void fill_avx512(uint64_t *items, unsigned n, uint64_t first, uint64_t step)
{
	fill8(items, n, first, step, false);
}

AVX512 static void fill_past_avx512(uint64_t *items, unsigned n, uint64_t first, uint64_t step)
{
	if ((uintptr_t)items % 64)
		fill8(items, n, first, step, false);
	else
		fill8(items, n, first, step, true);
}

static void fill_end_avx512(void)
{
	_mm_sfence();
}

AVX512 static uint64_t differ_avx512(const uint64_t *items, unsigned n, uint64_t first,
				     uint64_t step)
{
	const __m512i at = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
	__m512i v = _mm512_add_epi64(_mm512_set1_epi64((long long)first),
				     _mm512_mullo_epi64(at, _mm512_set1_epi64((long long)step)));
	__m512i step8 = _mm512_set1_epi64((long long)(step * 8)), or = _mm512_setzero_si512();
	unsigned i;

	for (i = 0; i + 8 <= n; i += 8, v = _mm512_add_epi64(v, step8)) {
		if (i % 64 == 0)
			kernel_prefetch((uintptr_t)(items + i) + KERNEL_AHEAD * 8);
		or = _mm512_or_si512(or, _mm512_xor_si512(load8(&items[i]), v));
	}
	return (uint64_t)_mm512_reduce_or_epi64(or) | kernel_differ(items, i, n, first, step);
}

AVX512 static void zero_avx512(uint64_t *items, unsigned n)
{
	kernel_zero_x86(items, n);
}

/* ---- bitmaps ---- */

AVX512 static uint64_t popcount_avx512(const uint64_t *words, size_t n)
{
	__m512i a = _mm512_setzero_si512(), b = a;
	uint64_t count = 0;
	size_t i, k;

	for (i = 0; i + BLOCK <= n; i += BLOCK) {
		kernel_prefetch((uintptr_t)words + (i + KERNEL_AHEAD) * 8);
		for (k = i; k < i + BLOCK; k += 16) {
			a = _mm512_add_epi64(a, _mm512_popcnt_epi64(load8(&words[k])));
			b = _mm512_add_epi64(b, _mm512_popcnt_epi64(load8(&words[k + 8])));
		}
	}
	for (; i < n; i++)
		count += popcount64(kernel_load(&words[i]));
	return count + (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(a, b));
}

AVX512 static size_t find_other_avx512(const uint64_t *words, size_t n, uint64_t same)
{
	__m512i all = _mm512_set1_epi64(-1), match = _mm512_set1_epi64((long long)same);
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

AVX512_INLINE bool block_is_empty(const uint64_t *p)
{
	__m512i any = load8(p);
	unsigned k;

	for (k = 8; k < BLOCK; k += 8)
		any = _mm512_or_si512(any, load8(p + k));
	return !_mm512_test_epi64_mask(any, any);
}

AVX512 static void or_words_avx512(uint64_t *dst, const uint64_t *src, size_t n)
{
	size_t i, k;

	for (i = 0; i + BLOCK <= n; i += BLOCK) {
		kernel_prefetch((uintptr_t)src + (i + KERNEL_AHEAD) * 8);
		if (block_is_empty(&src[i])) /* nor is dst read or written then */
			continue;
		for (k = i; k < i + BLOCK; k += 8)
			_mm512_storeu_si512(&dst[k],
					    _mm512_or_si512(load8(&dst[k]), load8(&src[k])));
	}
	kernel_or_words(dst, src, i, n);
}

const struct iod_kernels iod_kernels_avx512 = {
	.name = "avx512",
	.scan = scan_avx512,
	.clean = clean_avx512,
	.clean_stores = clean_stores_avx512,
	.scan_stores = scan_stores_avx512,
	.fill = fill_avx512,
	.fill_past = fill_past_avx512,
	.fill_end = fill_end_avx512,
	.differ = differ_avx512,
	.zero = zero_avx512,
	.popcount = popcount_avx512,
	.find_other = find_other_avx512,
	.or_words = or_words_avx512,
};
