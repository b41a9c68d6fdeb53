/* SPDX-License-Identifier: MIT */
/**
 * @file bitmap.h
 * Inside of iod_bitmap: setting and asking by bit index, for sweeps.
 *
 * Words lie little-endian in memory, so masks are made in host order and converted on their way in.
 * Setters are atomic or not as the bitmap says; even then every access is a relaxed atomic one, as
 * counting and searching run beside setters.
 */
#ifndef IOD_DIRTY_BITMAP_H
#define IOD_DIRTY_BITMAP_H

#include "bits.h"

#include <iodirty/bitmap.h>

static inline uint64_t iod_bitmap_load(const struct iod_bitmap *bm, uint64_t index)
{
	return iod_le64(__atomic_load_n((const iod_word *)&bm->words[index], __ATOMIC_RELAXED));
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

/** Set bits [first, last]; what lies beyond the end of the bitmap is dropped. */
void iod_bitmap_set_bits(struct iod_bitmap *bm, uint64_t first, uint64_t last);

/** Whether all bits [first, last] are set; beyond the end of the bitmap none is. */
bool iod_bitmap_all_set(const struct iod_bitmap *bm, uint64_t first, uint64_t last);

#endif
