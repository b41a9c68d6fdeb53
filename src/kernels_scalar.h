/* SPDX-License-Identifier: MIT */
/*
 * Cleaning in plain C, shared by all sets of kernels: what changes a live item is scalar everywhere.
 * Each set compiles it for its own instructions.
 */
#ifndef IOD_KERNELS_SCALAR_H
#define IOD_KERNELS_SCALAR_H

#include "bits.h"
#include "kernels.h"

#include <string.h>

#define KERNEL_CHUNK  256u /* items that clean_stores takes at a time: indices are bytes */
#define KERNEL_INLINE static inline __attribute__((always_inline))

KERNEL_INLINE uint64_t kernel_load(const uint64_t *item)
{
	return __atomic_load_n((const iod_word *)item, __ATOMIC_RELAXED);
}

KERNEL_INLINE void kernel_store(uint64_t *item, uint64_t v)
{
	__atomic_store_n((iod_word *)item, v, __ATOMIC_RELAXED);
}

/* ---- locked ---- */

KERNEL_INLINE bool kernel_clean_item(uint64_t *item, const struct iod_clean_spec *spec)
{
	uint64_t v = kernel_load(item);

	while ((v & spec->mask) == spec->match)
		if (__atomic_compare_exchange_n((iod_word *)item, &v,
						(v & ~spec->clear) | spec->set, true,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return true;
	return false;
}

/*
 * Nothing is stored between the locked operations, not even a register: each of them waits until all
 * stores before it are done.
 */
KERNEL_INLINE unsigned kernel_clean(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
				    uint64_t *words)
{
	const struct iod_clean_spec s = *spec;
	unsigned w, cleaned = 0;
	uint64_t left, lost;

	for (w = 0; w * 64 < n; w++) {
		for (left = words[w], lost = 0; left; left &= left - 1) {
			if (kernel_clean_item(&items[w * 64 + ctz64(left)], &s))
				cleaned++;
			else
				lost |= left & -left;
		}
		if (lost)
			words[w] &= ~lost;
	}
	return cleaned;
}

/* ---- taking away ---- */

KERNEL_INLINE void kernel_zero(uint64_t *items, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		kernel_store(&items[i], 0);
}

/* ---- bitmaps, from word i on: all of one, or what a vector leaves over ---- */

KERNEL_INLINE size_t kernel_find_other(const uint64_t *words, size_t i, size_t n, uint64_t same)
{
	while (i < n && kernel_load(&words[i]) == same)
		i++;
	return i;
}

KERNEL_INLINE void kernel_or_words(uint64_t *dst, const uint64_t *src, size_t i, size_t n)
{
	for (; i < n; i++)
		kernel_store(&dst[i], kernel_load(&dst[i]) | kernel_load(&src[i]));
}

/* ---- by stores ---- */

/*
 * The spec, for specs that change only bits that the mask pins down: an item matches iff
 * ((item ^ match) & mask) is 0, and is cleaned by one more exclusive or.
 */
struct kernel_flip {
	uint64_t mask, match, back; /* cleaned: item ^ match ^ back */
};

/* What a set may do in its own way. */
struct kernel_parts {
	bool (*store_8)(uint64_t *items, const struct kernel_flip *f);
	unsigned (*list_bits)(uint64_t word, unsigned base, uint8_t *list);
};

/* The bits that are set in a byte, lowest first. */
extern const uint8_t iod_kernels_bits[256][8];

KERNEL_INLINE bool kernel_flip_of(const struct iod_clean_spec *spec, struct kernel_flip *f)
{
	f->mask = spec->mask;
	f->match = spec->match;
	f->back = (spec->match & ~spec->clear) | spec->set;
	return !((spec->match | spec->clear | spec->set) & ~spec->mask);
}

/* Any spec, bit by bit. */
KERNEL_INLINE unsigned kernel_store_bits(uint64_t *items, unsigned n,
					 const struct iod_clean_spec *spec, uint64_t *words)
{
	unsigned w, i, cleaned = 0;
	uint64_t left, v;

	for (w = 0; w * 64 < n; w++) {
		for (left = words[w]; left; left &= left - 1) {
			i = ctz64(left);
			v = kernel_load(&items[w * 64 + i]);
			if ((v & spec->mask) == spec->match) {
				kernel_store(&items[w * 64 + i], (v & ~spec->clear) | spec->set);
				cleaned++;
			} else {
				words[w] &= ~BIT64(i);
			}
		}
	}
	return cleaned;
}

/* Eight items at once, or none if one of them does not match. */
KERNEL_INLINE bool kernel_store_8(uint64_t *p, const struct kernel_flip *f)
{
	uint64_t a = kernel_load(p) ^ f->match, b = kernel_load(p + 1) ^ f->match;
	uint64_t c = kernel_load(p + 2) ^ f->match, d = kernel_load(p + 3) ^ f->match;
	uint64_t e = kernel_load(p + 4) ^ f->match, g = kernel_load(p + 5) ^ f->match;
	uint64_t h = kernel_load(p + 6) ^ f->match, i = kernel_load(p + 7) ^ f->match;

	if (((a | b) | (c | d) | (e | g) | (h | i)) & f->mask)
		return false;
	kernel_store(p, a ^ f->back);
	kernel_store(p + 1, b ^ f->back);
	kernel_store(p + 2, c ^ f->back);
	kernel_store(p + 3, d ^ f->back);
	kernel_store(p + 4, e ^ f->back);
	kernel_store(p + 5, g ^ f->back);
	kernel_store(p + 6, h ^ f->back);
	kernel_store(p + 7, i ^ f->back);
	return true;
}

/*
 * Appends base + i for every bit i to a list that has room for 64 more; returns how many. With as few
 * branches as can be: how many bits there are is what nobody can predict. Up to eight by looking for
 * them; more a byte of the word at a time, by a table.
 */
KERNEL_INLINE unsigned kernel_list_bits(uint64_t word, unsigned base, uint8_t *list)
{
	uint64_t eight, bases = base * UINT64_C(0x0101010101010101);
	uint64_t counts = count_bytes64(word);
	unsigned k, nr = (unsigned)(counts >> 56);

	if (nr <= 8) {
		for (k = 0; k < 8; k++, word &= word - 1)
			list[k] = (uint8_t)(base + ctz64(word | BIT64(63)));
		return nr;
	}
	for (k = 0, counts <<= 8; k < 8; k++, word >>= 8, counts >>= 8) {
		memcpy(&eight, iod_kernels_bits[word & 0xff], 8);
		eight += bases; /* no carries: all is below 256 */
		memcpy(&list[counts & 0xff], &eight, 8);
		bases += UINT64_C(0x0808080808080808);
	}
	return nr;
}

/* An item that is not dirty any more loses its bit. Returns how many were cleaned: 0, 1. */
KERNEL_INLINE unsigned kernel_store_1(uint64_t *items, unsigned i, const struct kernel_flip *f,
				      uint64_t *words)
{
	uint64_t x = kernel_load(&items[i]) ^ f->match;

	if (__builtin_expect((x & f->mask) != 0, 0)) {
		words[i / 64] &= ~BIT64(i % 64);
		return 0;
	}
	kernel_store(&items[i], x ^ f->back);
	return 1;
}

/* The items of a list. Returns how many were cleaned. */
KERNEL_INLINE unsigned kernel_store_list(uint64_t *items, const uint8_t *list, unsigned nr,
					 const struct kernel_flip *f, uint64_t *words)
{
	unsigned k, cleaned = 0;

	for (k = 0; k + 4 <= nr; k += 4) { /* a third faster than one at a time */
		cleaned += kernel_store_1(items, list[k], f, words);
		cleaned += kernel_store_1(items, list[k + 1], f, words);
		cleaned += kernel_store_1(items, list[k + 2], f, words);
		cleaned += kernel_store_1(items, list[k + 3], f, words);
	}
	for (; k < nr; k++)
		cleaned += kernel_store_1(items, list[k], f, words);
	return cleaned;
}

/*
 * At most KERNEL_CHUNK items. Whole words straight on; all others become one list, so that the end of a
 * loop is mispredicted once in a chunk and not once in a word.
 */
KERNEL_INLINE unsigned kernel_store_chunk(uint64_t *items, unsigned n, const struct kernel_flip *f,
					  uint64_t *words, const struct kernel_parts *parts)
{
	uint8_t list[KERNEL_CHUNK + 64];
	unsigned w, k, nr = 0, straight = 0;

	for (w = 0; w * 64 < n; w++) {
		k = 0;
		if (words[w] == ~UINT64_C(0)) {
			while (k < 64 && parts->store_8(&items[w * 64 + k], f))
				k += 8;
			straight += k;
			if (k == 64)
				continue;
		}
		nr += parts->list_bits(words[w] & ~low_mask(k), w * 64, &list[nr]);
	}
	return straight + kernel_store_list(items, list, nr, f, words);
}

KERNEL_INLINE unsigned kernel_clean_stores(uint64_t *items, unsigned n,
					   const struct iod_clean_spec *spec, uint64_t *words,
					   const struct kernel_parts *parts)
{
	struct kernel_flip f;
	unsigned i, cleaned = 0;

	if (!kernel_flip_of(spec, &f))
		return kernel_store_bits(items, n, spec, words);
	for (i = 0; i < n; i += KERNEL_CHUNK)
		cleaned +=
			kernel_store_chunk(&items[i], n - i < KERNEL_CHUNK ? n - i : KERNEL_CHUNK,
					   &f, &words[i / 64], parts);
	return cleaned;
}

/* 64 items, of which those of the word are dirty. Returns which were cleaned. */
KERNEL_INLINE uint64_t kernel_store_word(uint64_t *items, uint64_t word,
					 const struct kernel_flip *f,
					 const struct kernel_parts *parts)
{
	uint64_t left = word, cleaned = word, x;
	unsigned k = 0;

	if (word == ~UINT64_C(0)) {
		while (k < 64 && parts->store_8(&items[k], f))
			k += 8;
		left &= ~low_mask(k);
	}
	for (; left; left &= left - 1) {
		k = ctz64(left);
		x = kernel_load(&items[k]) ^ f->match;
		if (__builtin_expect((x & f->mask) != 0, 0))
			cleaned &= ~BIT64(k);
		else
			kernel_store(&items[k], x ^ f->back);
	}
	return cleaned;
}

/* The loop of scan_stores(), around a set's own way to scan 64 items. */
#define KERNEL_SCAN_STORES(items, n, spec, found, cleaned, parts, scan_64)            \
	do {                                                                          \
		struct iod_scan_result r_ = { 0, 0 };                                 \
		struct kernel_flip f_;                                                \
		bool flip_ = kernel_flip_of(spec, &f_);                               \
		uint64_t w_;                                                          \
		unsigned i_;                                                          \
		for (i_ = 0; i_ < (n); i_ += 64) {                                    \
			w_ = (scan_64);                                               \
			(found)[i_ / 64] = w_;                                        \
			(cleaned)[i_ / 64] = 0;                                       \
			if (!w_)                                                      \
				continue;                                             \
			r_.found += popcount64(w_);                                   \
			if (flip_)                                                    \
				w_ = kernel_store_word(&(items)[i_], w_, &f_, parts); \
			else                                                          \
				kernel_store_bits(&(items)[i_], 64, spec, &w_);       \
			(cleaned)[i_ / 64] = w_;                                      \
			r_.cleaned += popcount64(w_);                                 \
		}                                                                     \
		return r_;                                                            \
	} while (0)

/* differ() of items from i on. Four at a time, as compilers do not unroll atomic loads. */
KERNEL_INLINE uint64_t kernel_differ(const uint64_t *items, unsigned i, unsigned n, uint64_t first,
				     uint64_t step)
{
	uint64_t a = 0, b = 0, v = first + i * step;

	for (; i + 4 <= n; i += 4, v += 4 * step) {
		a |= iod_le64(kernel_load(&items[i])) ^ v;
		b |= iod_le64(kernel_load(&items[i + 1])) ^ (v + step);
		a |= iod_le64(kernel_load(&items[i + 2])) ^ (v + 2 * step);
		b |= iod_le64(kernel_load(&items[i + 3])) ^ (v + 3 * step);
	}
	for (; i < n; i++, v += step)
		a |= iod_le64(kernel_load(&items[i])) ^ v;
	return a | b;
}

#endif
