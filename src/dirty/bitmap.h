/* SPDX-License-Identifier: MIT */
/**
 * @file bitmap.h
 * Inside of iod_bitmap: setting and asking by bit index, for sweeps.
 *
 * Words lie little-endian in memory, so masks are made in host order and converted on their way in.
 * Setters are atomic or not as the bitmap says; even then every access is a relaxed atomic one, as
 * counting and searching run beside setters. (Kernels use vectors: kernels.h says why they may.)
 */
#ifndef IOD_DIRTY_BITMAP_H
#define IOD_DIRTY_BITMAP_H

#include "bits.h"

#include <iodirty/bitmap.h>

static inline uint64_t iod_bitmap_load(const struct iod_bitmap *bm, uint64_t index)
{
	return iod_le64(__atomic_load_n((const iod_word *)&bm->words[index], __ATOMIC_RELAXED));
}

/* Bits of the word `index` of which [first, last] of the bitmap touches. */
static inline uint64_t iod_bitmap_word_mask(uint64_t index, uint64_t first, uint64_t last)
{
	uint64_t mask = UINT64_MAX;

	if (index == first / 64)
		mask <<= first % 64;
	if (index == last / 64)
		mask &= low_mask((unsigned)(last % 64) + 1);
	return mask;
}

/* Takes the lowest stretch of set bits out of *word, which is not 0. */
static inline void iod_bitmap_take_stretch(uint64_t *word, unsigned *from, unsigned *n)
{
	uint64_t rest;

	*from = ctz64(*word);
	rest = ~(*word >> *from);
	*n = rest ? ctz64(rest) : 64;
	*word &= *from + *n >= 64 ? 0 : ~low_mask(*from + *n);
}

/* Whether iod_bitmap_init() could have made it. */
static inline bool iod_bitmap_is_sane(const struct iod_bitmap *bm)
{
	return bm && bm->words && bm->nbits && bm->granule_lg2 >= 12 && bm->granule_lg2 < 64;
}

/* Both ends inside; compared without sums, so that the top of the space works. */
static inline bool iod_bitmap_covers(const struct iod_bitmap *bm, uint64_t first, uint64_t last)
{
	return first >= bm->base_iova && (last - bm->base_iova) >> bm->granule_lg2 < bm->nbits;
}

/* OR bits, given in host order, into one word. */
static inline void iod_bitmap_or_at(struct iod_bitmap *bm, uint64_t index, uint64_t bits)
{
	iod_word *word = (iod_word *)&bm->words[index];

	bits = iod_le64(bits);
	if (bm->flags & IOD_BITMAP_ATOMIC)
		__atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
	else
		__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) | bits,
				 __ATOMIC_RELAXED);
}

/**
 * OR the low @p n (1 to 64) bits of @p word into the bitmap from bit @p bit on; what lies beyond the
 * end of the bitmap is dropped.
 */
static inline void iod_bitmap_or_word(struct iod_bitmap *bm, uint64_t bit, uint64_t word,
				      unsigned n)
{
	unsigned shift = bit % 64;
	uint64_t high;

	if (bit >= bm->nbits)
		return;
	if (n > bm->nbits - bit)
		n = (unsigned)(bm->nbits - bit);
	word &= low_mask(n);
	if (!word)
		return;
	if (word << shift)
		iod_bitmap_or_at(bm, bit / 64, word << shift);
	high = shift ? word >> (64 - shift) : 0;
	if (high)
		iod_bitmap_or_at(bm, bit / 64 + 1, high);
}

/* A cache line of words, aligned to words and not atomic. Which of them are 0 is hard to predict. */
static inline void iod_bitmap_or_line(uint64_t *to, const uint64_t *words)
{
	unsigned i;

	if (!(words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] |
	      words[7]))
		return;
	for (i = 0; i < 8; i++)
		__atomic_store_n((iod_word *)&to[i],
				 __atomic_load_n((iod_word *)&to[i], __ATOMIC_RELAXED) |
					 iod_le64(words[i]),
				 __ATOMIC_RELAXED);
}

/**
 * OR @p n bits into the bitmap from bit @p bit on: @p words in host order, the first bit in bit 0 of the
 * first; what lies beyond the end of the bitmap, and bits of @p words beyond @p n, are dropped.
 */
static inline void iod_bitmap_or_words(struct iod_bitmap *bm, uint64_t bit, const uint64_t *words,
				       uint64_t n)
{
	uint64_t i = 0;

	if (bit >= bm->nbits)
		return;
	if (n > bm->nbits - bit)
		n = bm->nbits - bit;
	if (bit % 64 == 0 && !(bm->flags & IOD_BITMAP_ATOMIC))
		for (; i + 512 <= n; i += 512)
			iod_bitmap_or_line(&bm->words[(bit + i) / 64], &words[i / 64]);
	for (; i < n; i += 64)
		iod_bitmap_or_word(bm, bit + i, words[i / 64], n - i < 64 ? (unsigned)(n - i) : 64);
}

/** Set bits [first, last]; what lies beyond the end of the bitmap is dropped. */
void iod_bitmap_set_bits(struct iod_bitmap *bm, uint64_t first, uint64_t last);

/** Whether all bits [first, last] are set; beyond the end of the bitmap none is. */
bool iod_bitmap_all_set(const struct iod_bitmap *bm, uint64_t first, uint64_t last);

#endif
