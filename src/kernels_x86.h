/* SPDX-License-Identifier: MIT */
/* What the AVX2 and the AVX-512 kernels share. */
#ifndef IOD_KERNELS_X86_H
#define IOD_KERNELS_X86_H

#include "kernels_scalar.h"

#include <immintrin.h>

#define KERNEL_AHEAD 1024u /* words: where the next but one table begins, when nobody says where */

/* Eight lines. By number, as the address may lie beyond everything that is mapped. */
KERNEL_INLINE void kernel_prefetch(uintptr_t at)
{
	unsigned k;

	for (k = 0; k < 8; k++)
		_mm_prefetch((const char *)(at + k * 64), _MM_HINT_T0);
}

/*
 * Two items, each as if loaded by itself: where there is AVX, this instruction loads 16 aligned bytes
 * atomically (kernels.h). Others that take their operand from memory are not in the guarantee, so the
 * compiler must not choose.
 */
static inline __attribute__((always_inline, target("avx2"))) __m128i
kernel_load_2(const uint64_t *items)
{
	__m128i v;

	__asm__ volatile("vmovdqa %1, %0" : "=x"(v) : "m"(*(const __m128i *)(const void *)items));
	return v;
}

static inline __attribute__((always_inline, target("avx2"))) void kernel_store_2(uint64_t *items,
										 __m128i v)
{
	kernel_store(&items[0], (uint64_t)_mm_cvtsi128_si64(v));
	kernel_store(&items[1], (uint64_t)_mm_extract_epi64(v, 1));
}

/* As kernel_store_8(), which it is a quarter faster than: loads and compares by two, stores by one. */
static inline __attribute__((always_inline, target("avx2"))) bool
kernel_store_8_x86(uint64_t *items, const struct kernel_flip *f)
{
	__m128i match = _mm_set1_epi64x((long long)f->match);
	__m128i back = _mm_set1_epi64x((long long)f->back), a, b, c, d;

	if ((uintptr_t)items % 16)
		return kernel_store_8(items, f);
	a = _mm_xor_si128(kernel_load_2(items), match);
	b = _mm_xor_si128(kernel_load_2(items + 2), match);
	c = _mm_xor_si128(kernel_load_2(items + 4), match);
	d = _mm_xor_si128(kernel_load_2(items + 6), match);
	if (!_mm_testz_si128(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)),
			     _mm_set1_epi64x((long long)f->mask)))
		return false;
	kernel_store_2(items, _mm_xor_si128(a, back));
	kernel_store_2(items + 2, _mm_xor_si128(b, back));
	kernel_store_2(items + 4, _mm_xor_si128(c, back));
	kernel_store_2(items + 6, _mm_xor_si128(d, back));
	return true;
}

/* Two items at a time: where there is AVX, this instruction stores 16 aligned bytes atomically. */
static inline __attribute__((always_inline, target("avx2"))) void kernel_zero_x86(uint64_t *items,
										  unsigned n)
{
	__m128i zero = _mm_setzero_si128();
	unsigned i = 0;

	if (n && (uintptr_t)items % 16)
		kernel_store(&items[i++], 0);
	for (; i + 2 <= n; i += 2)
		__asm__ volatile("vmovdqa %1, %0"
				 : "=m"(*(__m128i *)(void *)&items[i])
				 : "x"(zero));
	kernel_zero(&items[i], n - i);
}

#endif
