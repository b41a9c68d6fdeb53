/* SPDX-License-Identifier: MIT */
/* The dirty bitmap in the caller's memory. Ranges are turned into bit numbers once, at the door. */
#include "dirty/bitmap.h"
#include "kernels.h"

#include <errno.h>

#define GRANULE_MIN 4096u

static bool granule_ok(uint64_t granule)
{
	return granule >= GRANULE_MIN && is_pow2(granule);
}

static uint64_t nr_words(uint64_t nbits)
{
	return nbits / 64 + (nbits % 64 != 0);
}

int iod_bitmap_init(struct iod_bitmap *bm, uint64_t iova, uint64_t len, uint64_t granule,
		    void *data, uint64_t data_len, uint32_t flags)
{
	uint64_t bytes;

	if (!bm || !data || (uintptr_t)data % 8 || flags & ~IOD_BITMAP_ATOMIC)
		return -EINVAL;
	bytes = iod_bitmap_bytes(len, granule);
	if (!bytes || iova & (granule - 1) || data_len < bytes ||
	    bytes - 1 > UINTPTR_MAX - (uintptr_t)data)
		return -EINVAL;
	if (len - 1 > UINT64_MAX - iova)
		return -ERANGE;
	bm->base_iova = iova;
	bm->granule_lg2 = ctz64(granule);
	bm->nbits = len >> bm->granule_lg2;
	bm->words = data;
	bm->flags = flags;
	return 0;
}

uint64_t iod_bitmap_bytes(uint64_t len, uint64_t granule)
{
	if (!len || !granule_ok(granule) || len & (granule - 1))
		return 0;
	return nr_words(len / granule) * 8;
}

/* Offset of [iova, iova + len) in the bitmap. @return 0, -EINVAL, -ERANGE */
static int range_offset(const struct iod_bitmap *bm, uint64_t iova, uint64_t len, uint64_t *off)
{
	uint64_t total;

	if (!bm || !len)
		return -EINVAL;
	total = bm->nbits << bm->granule_lg2;
	*off = iova - bm->base_iova;
	if (iova < bm->base_iova || *off >= total || len > total - *off)
		return -ERANGE;
	return 0;
}

void iod_bitmap_set_bits(struct iod_bitmap *bm, uint64_t first, uint64_t last)
{
	uint64_t i, mask;

	if (last >= bm->nbits)
		last = bm->nbits - 1;
	if (first > last)
		return;
	for (i = first / 64; i <= last / 64; i++) {
		mask = iod_bitmap_word_mask(i, first, last);
		if (mask == UINT64_MAX) /* what was there before does not matter */
			__atomic_store_n((iod_word *)&bm->words[i], mask, __ATOMIC_RELAXED);
		else
			iod_bitmap_or_at(bm, i, mask);
	}
}

bool iod_bitmap_all_set(const struct iod_bitmap *bm, uint64_t first, uint64_t last)
{
	uint64_t i, mask;

	if (last >= bm->nbits)
		return false;
	for (i = first / 64; i <= last / 64; i++) {
		mask = iod_bitmap_word_mask(i, first, last);
		if ((iod_bitmap_load(bm, i) & mask) != mask)
			return false;
	}
	return true;
}

int iod_bitmap_set(struct iod_bitmap *bm, uint64_t iova, uint64_t len)
{
	uint64_t off;
	int ret = range_offset(bm, iova, len, &off);

	if (ret)
		return ret;
	iod_bitmap_set_bits(bm, off >> bm->granule_lg2, (off + (len - 1)) >> bm->granule_lg2);
	return 0;
}

static void clear_at(struct iod_bitmap *bm, uint64_t index, uint64_t bits)
{
	iod_word *word = (iod_word *)&bm->words[index];
	uint64_t keep = iod_le64(~bits);

	if (bm->flags & IOD_BITMAP_ATOMIC)
		__atomic_fetch_and(word, keep, __ATOMIC_RELAXED);
	else
		__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) & keep,
				 __ATOMIC_RELAXED);
}

int iod_bitmap_clear(struct iod_bitmap *bm, uint64_t iova, uint64_t len)
{
	uint64_t off, first, end, i;
	int ret = range_offset(bm, iova, len, &off);

	if (ret)
		return ret;
	first = (off >> bm->granule_lg2) + (!is_aligned(off, bm->granule_lg2));
	end = (off + len) >> bm->granule_lg2;
	if (first >= end)
		return 0;
	for (i = first / 64; i <= (end - 1) / 64; i++)
		clear_at(bm, i, iod_bitmap_word_mask(i, first, end - 1));
	return 0;
}

bool iod_bitmap_test(const struct iod_bitmap *bm, uint64_t iova)
{
	uint64_t bit;

	if (!bm || iova < bm->base_iova)
		return false;
	bit = (iova - bm->base_iova) >> bm->granule_lg2;
	return bit < bm->nbits && iod_bitmap_load(bm, bit / 64) >> (bit % 64) & 1;
}

/* A word without what lies beyond the end of the bitmap: that is not ours to read anything into. */
static uint64_t load_valid(const struct iod_bitmap *bm, uint64_t index)
{
	return iod_bitmap_load(bm, index) & iod_bitmap_word_mask(index, 0, bm->nbits - 1);
}

uint64_t iod_bitmap_count(const struct iod_bitmap *bm)
{
	uint64_t words;

	if (!bm || !bm->nbits)
		return 0;
	words = nr_words(bm->nbits);
	return iod_kernels_best()->popcount(bm->words, (size_t)words - 1) +
	       popcount64(load_valid(bm, words - 1));
}

/* First word of [i, words) that is not all `same` (0 or all ones: the byte order does not matter). */
static uint64_t find_other(const uint64_t *w, uint64_t i, uint64_t words, uint64_t same)
{
	return i + iod_kernels_best()->find_other(&w[i], (size_t)(words - i), same);
}

/* First bit at or after `bit` that is set (or clear, with flip all ones); nbits when there is none. */
static uint64_t find_bit(const struct iod_bitmap *bm, uint64_t bit, uint64_t flip)
{
	uint64_t i = bit / 64, word, words = nr_words(bm->nbits);

	if (bit >= bm->nbits)
		return bm->nbits;
	word = (iod_bitmap_load(bm, i) ^ flip) & (UINT64_MAX << (bit % 64));
	while (!word) { /* again when the word found was set beside us and looked at too late */
		i = find_other(bm->words, i + 1, words, flip);
		if (i == words)
			return bm->nbits;
		word = iod_bitmap_load(bm, i) ^ flip;
	}
	bit = i * 64 + ctz64(word);
	return bit < bm->nbits ? bit : bm->nbits;
}

int iod_bitmap_next(const struct iod_bitmap *bm, uint64_t *iova, uint64_t *len)
{
	uint64_t from = 0, first, end;

	if (!bm || !iova || !len)
		return -EINVAL;
	if (*iova > bm->base_iova)
		from = (*iova - bm->base_iova) >> bm->granule_lg2;
	first = find_bit(bm, from, 0);
	if (first >= bm->nbits)
		return -ENOENT;
	end = find_bit(bm, first, UINT64_MAX);
	*iova = bm->base_iova + (first << bm->granule_lg2);
	*len = (end - first) << bm->granule_lg2;
	return 0;
}

/* Words [0, words) into a bitmap that others set bits in, too. */
static void or_atomic(struct iod_bitmap *dst, const struct iod_bitmap *src, uint64_t words)
{
	uint64_t i, word;

	for (i = 0; i < words; i++) {
		word = iod_bitmap_load(src, i);
		if (!word) {
			i = find_other(src->words, i, words, 0);
			if (i == words)
				return;
			word = iod_bitmap_load(src, i);
		}
		iod_bitmap_or_at(dst, i, word);
	}
}

int iod_bitmap_or(struct iod_bitmap *dst, const struct iod_bitmap *src)
{
	uint64_t word, last;

	if (!dst || !src || dst->base_iova != src->base_iova || dst->nbits != src->nbits ||
	    dst->granule_lg2 != src->granule_lg2)
		return -EINVAL;
	if (!src->nbits)
		return 0;
	last = nr_words(src->nbits) - 1;
	if (dst->flags & IOD_BITMAP_ATOMIC)
		or_atomic(dst, src, last);
	else
		iod_kernels_best()->or_words(dst->words, src->words, (size_t)last);
	word = load_valid(src, last);
	if (word)
		iod_bitmap_or_at(dst, last, word);
	return 0;
}
