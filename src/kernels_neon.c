/* SPDX-License-Identifier: MIT */
/*
 * Kernels for 64-bit Arm with Advanced SIMD, which every such CPU has. What vector loads of live words
 * may and may not be trusted with: kernels.h.
 */
#include "kernels_scalar.h"

#include <arm_neon.h>

#define BLOCK 64u   /* words per step: eight cache lines */
#define AHEAD 1024u /* words: where the next but one table begins, when nobody says where it is */

/* Eight lines. By number, as the address may lie beyond everything that is mapped. */
KERNEL_INLINE void prefetch_block(uintptr_t at)
{
	unsigned k;

	for (k = 0; k < 8; k++)
		__builtin_prefetch((const void *)(at + k * 64));
}

/* ---- tables ---- */

KERNEL_INLINE uint64x2_t same2(const uint64_t *items, uint64x2_t mask, uint64x2_t match)
{
	return vceqq_u64(vandq_u64(vld1q_u64(items), mask), match);
}

/* Four items, all ones or zero each. */
KERNEL_INLINE uint32x4_t same4(const uint64_t *items, uint64x2_t mask, uint64x2_t match)
{
	return vuzp1q_u32(vreinterpretq_u32_u64(same2(items, mask, match)),
			  vreinterpretq_u32_u64(same2(items + 2, mask, match)));
}

KERNEL_INLINE uint16x8_t same8(const uint64_t *items, uint64x2_t mask, uint64x2_t match)
{
	return vuzp1q_u16(vreinterpretq_u16_u32(same4(items, mask, match)),
			  vreinterpretq_u16_u32(same4(items + 4, mask, match)));
}

/* Sixteen items: byte i is bit i % 8 of its byte of the word, or zero. */
KERNEL_INLINE uint8x16_t same16(const uint64_t *items, uint64x2_t mask, uint64x2_t match)
{
	static const uint8_t bits[16] = {
		1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128
	};
	uint8x16_t same = vuzp1q_u8(vreinterpretq_u8_u16(same8(items, mask, match)),
				    vreinterpretq_u8_u16(same8(items + 8, mask, match)));

	return vandq_u8(same, vld1q_u8(bits));
}

/* Adding neighbours three times puts the eight bits of each byte together. */
KERNEL_INLINE uint64_t scan64(const uint64_t *items, uint64x2_t mask, uint64x2_t match)
{
	uint8x16_t a = vpaddq_u8(same16(items, mask, match), same16(items + 16, mask, match));
	uint8x16_t b = vpaddq_u8(same16(items + 32, mask, match), same16(items + 48, mask, match));

	a = vpaddq_u8(a, b);
	a = vpaddq_u8(a, a);
	return vgetq_lane_u64(vreinterpretq_u64_u8(a), 0);
}

static unsigned scan_neon(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match,
			  uint64_t *words, const uint64_t *ahead)
{
	uintptr_t next = (uintptr_t)ahead ? (uintptr_t)ahead : (uintptr_t)items + AHEAD * 8;
	uint64x2_t mask2 = vdupq_n_u64(mask), match2 = vdupq_n_u64(match);
	unsigned i, k, count = 0;
	uint64_t word;

	for (i = 0; i + 64 <= n; i += 64) {
		prefetch_block(next + i * 8);
		word = scan64(&items[i], mask2, match2);
		words[i / 64] = word;
		if (word)
			count += popcount64(word);
	}
	if (i == n)
		return count;
	for (word = 0, k = 0; i + k < n; k++)
		word |= (uint64_t)((kernel_load(&items[i + k]) & mask) == match) << k;
	words[i / 64] = word;
	return count + popcount64(word);
}

static unsigned clean_neon(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
			   uint64_t *words)
{
	return kernel_clean(items, n, spec, words);
}

static unsigned clean_stores_neon(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
				  uint64_t *words)
{
	static const struct kernel_parts parts = { kernel_store_8, kernel_list_bits };

	return kernel_clean_stores(items, n, spec, words, &parts);
}

static struct iod_scan_result scan_stores_neon(uint64_t *items, unsigned n, uint64_t mask,
					       uint64_t match, const struct iod_clean_spec *spec,
					       uint64_t *found, uint64_t *cleaned,
					       const uint64_t *ahead)
{
	static const struct kernel_parts parts = { kernel_store_8, kernel_list_bits };
	uintptr_t next = (uintptr_t)ahead ? (uintptr_t)ahead : (uintptr_t)items + AHEAD * 8;
	uint64x2_t mask2 = vdupq_n_u64(mask), match2 = vdupq_n_u64(match);

	KERNEL_SCAN_STORES(items, n, spec, found, cleaned, &parts,
			   (prefetch_block(next + i_ * 8), scan64(&items[i_], mask2, match2)));
}

static void fill_neon(uint64_t *items, unsigned n, uint64_t first, uint64_t step)
{
	uint64x2_t v = vcombine_u64(vcreate_u64(first), vcreate_u64(first + step));
	uint64x2_t step2 = vdupq_n_u64(step * 2), step4 = vdupq_n_u64(step * 4);
	unsigned i;

	for (i = 0; i + 4 <= n; i += 4, v = vaddq_u64(v, step4)) {
		vst1q_u64(&items[i], v);
		vst1q_u64(&items[i + 2], vaddq_u64(v, step2));
	}
	for (; i < n; i++)
		items[i] = first + i * step;
}

static uint64_t differ_neon(const uint64_t *items, unsigned n, uint64_t first, uint64_t step)
{
	uint64x2_t v = vcombine_u64(vcreate_u64(first), vcreate_u64(first + step));
	uint64x2_t step2 = vdupq_n_u64(step * 2), or = vdupq_n_u64(0);
	unsigned i;

	for (i = 0; i + 2 <= n; i += 2, v = vaddq_u64(v, step2))
		or = vorrq_u64(or, veorq_u64(vld1q_u64(&items[i]), v));
	return vgetq_lane_u64(or, 0) | vgetq_lane_u64(or, 1) |
	       kernel_differ(items, i, n, first, step);
}

static void zero_neon(uint64_t *items, unsigned n)
{
	kernel_zero(items, n);
}

/* ---- bitmaps ---- */

static uint64_t popcount_neon(const uint64_t *words, size_t n)
{
	uint64x2_t sum = vdupq_n_u64(0);
	uint64_t count = 0;
	size_t i, k;

	for (i = 0; i + BLOCK <= n; i += BLOCK) {
		uint16x8_t part = vdupq_n_u16(0);

		prefetch_block((uintptr_t)words + (i + AHEAD) * 8);
		for (k = i; k < i + BLOCK; k += 2)
			part = vpadalq_u8(part,
					  vcntq_u8(vreinterpretq_u8_u64(vld1q_u64(&words[k]))));
		sum = vpadalq_u32(sum, vpaddlq_u16(part));
	}
	for (; i < n; i++)
		count += popcount64(kernel_load(&words[i]));
	return count + vgetq_lane_u64(sum, 0) + vgetq_lane_u64(sum, 1);
}

static size_t find_other_neon(const uint64_t *words, size_t n, uint64_t same)
{
	uint64x2_t all = vdupq_n_u64(UINT64_MAX), match = vdupq_n_u64(same);
	uint64_t other;
	size_t i;

	/* Not only whether there is one but where, without another branch to mispredict. */
	for (i = 0; i + 64 <= n; i += 64) {
		prefetch_block((uintptr_t)words + (i + AHEAD) * 8);
		other = ~scan64(&words[i], all, match);
		if (other)
			return i + ctz64(other);
	}
	return kernel_find_other(words, i, n, same);
}

KERNEL_INLINE bool block_is_empty(const uint64_t *p)
{
	uint64x2_t a = vld1q_u64(p), b = vld1q_u64(p + 2);
	unsigned k;

	for (k = 4; k < BLOCK; k += 4) {
		a = vorrq_u64(a, vld1q_u64(p + k));
		b = vorrq_u64(b, vld1q_u64(p + k + 2));
	}
	a = vorrq_u64(a, b);
	return !(vgetq_lane_u64(a, 0) | vgetq_lane_u64(a, 1));
}

static void or_words_neon(uint64_t *dst, const uint64_t *src, size_t n)
{
	size_t i, k;

	for (i = 0; i + BLOCK <= n; i += BLOCK) {
		prefetch_block((uintptr_t)src + (i + AHEAD) * 8);
		if (block_is_empty(&src[i])) /* dst is not touched either */
			continue;
		for (k = i; k < i + BLOCK; k += 2)
			vst1q_u64(&dst[k], vorrq_u64(vld1q_u64(&dst[k]), vld1q_u64(&src[k])));
	}
	kernel_or_words(dst, src, i, n);
}

const struct iod_kernels iod_kernels_neon = {
	.name = "neon",
	.scan = scan_neon,
	.clean = clean_neon,
	.clean_stores = clean_stores_neon,
	.scan_stores = scan_stores_neon,
	.fill = fill_neon,
	.differ = differ_neon,
	.zero = zero_neon,
	.popcount = popcount_neon,
	.find_other = find_other_neon,
	.or_words = or_words_neon,
};
