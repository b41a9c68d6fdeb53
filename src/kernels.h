/* SPDX-License-Identifier: MIT */
/*
 * Kernels: the inner loops over the items of one table and over the words of a bitmap, for one
 * instruction set. Dirty state is data (struct pt_scan_spec), so one set serves every format.
 *
 * Items may be changed by others at any time. A scan reads each item at least once; what it says may be
 * out of date by the time it returns. Everything that changes an item reads it again, as a whole
 * 64-bit word, and judges that. Masks and values are in the byte order of the table.
 *
 * Vector loads. Scans load 16 to 64 bytes at a time, though not all of it need come from one moment:
 * documented as atomic are aligned quadwords (Intel SDM vol. 3, "Guaranteed Atomic Operations"; AMD APM
 * vol. 2, 7.3.2 "Access Atomicity") and, where there is AVX, VMOVDQA of 16 aligned bytes both ways (both);
 * nothing is promised of 32 and 64 bytes, and what Arm promises of the elements of vectors (Arm ARM,
 * B2.2.1) is not made use of. A scan needs less: that every byte is as new as the call. Hardware marks an
 * item by one bit, that lies in one byte, and whoever acts on a bit of the answer loads that item again.
 * The same holds for counting, searching and joining bitmaps, where bits are only ever set beside us.
 * To ThreadSanitizer these loads are races; built with it, there is only C, which loads atomically.
 */
#ifndef IOD_KERNELS_H
#define IOD_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An item may be cleaned iff (item & mask) == match; it becomes (item & ~clear) | set. */
struct iod_clean_spec {
	uint64_t mask, match;
	uint64_t clear, set;
};

struct iod_scan_result {
	unsigned found, cleaned;
};

struct iod_kernels {
	const char *name;
	/*
	 * n items (n > 0): bit i of words[] says whether (item i & mask) == match; the last word's unused
	 * bits are 0. Returns how many bits are set. `ahead` is where the caller will read next but
	 * one: as many bytes from there on are prefetched (it need not be mapped).
	 */
	unsigned (*scan)(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match,
			 uint64_t *words, const uint64_t *ahead);
	/*
	 * Cleans the items whose bits are set in words[] by compare-exchange; an item that does not
	 * match (any more) loses its bit. Returns how many were cleaned.
	 */
	unsigned (*clean)(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
			  uint64_t *words);
	/*
	 * The same by plain 8-byte atomic stores, no locked operation: only where nobody else changes
	 * items that match the spec (docs/dirty.md, "Dense clears").
	 */
	unsigned (*clean_stores)(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
				 uint64_t *words);
	/*
	 * scan() and clean_stores() in one pass, so that the next tables are fetched while items are
	 * cleaned: n is a multiple of 64. found[] says what scan() says, cleaned[] which of those were
	 * cleaned.
	 */
	struct iod_scan_result (*scan_stores)(uint64_t *items, unsigned n, uint64_t mask,
					      uint64_t match, const struct iod_clean_spec *spec,
					      uint64_t *found, uint64_t *cleaned,
					      const uint64_t *ahead);
	/* items[i] = first + i * step (host byte order), into a table that nobody else sees yet. */
	void (*fill)(uint64_t *items, unsigned n, uint64_t first, uint64_t step);
	/* The same past the caches, for more than they hold; NULL: there is no such thing. Nobody may be
	 * shown the table before fill_end(). */
	void (*fill_past)(uint64_t *items, unsigned n, uint64_t first, uint64_t step);
	void (*fill_end)(void);
	/*
	 * The OR of (items[i] ^ (first + i * step)), in host byte order: which bits differ anywhere from what
	 * fill() writes. Bits that nobody changes are as they are; of others, any that was set or clear when
	 * it began is seen so, or as it is later.
	 */
	uint64_t (*differ)(const uint64_t *items, unsigned n, uint64_t first, uint64_t step);
	/* items[i] = 0, in a table that others see: each changes at once. */
	void (*zero)(uint64_t *items, unsigned n);

	/* Bitmaps: words in memory byte order, n >= 0 of them, aligned to 8. */
	uint64_t (*popcount)(const uint64_t *words, size_t n);
	/* Index of the first word that is not `same` (0 or all ones); n if there is none. */
	size_t (*find_other)(const uint64_t *words, size_t n, uint64_t same);
	/* dst[i] |= src[i], not atomically. */
	void (*or_words)(uint64_t *dst, const uint64_t *src, size_t n);
};

/* Each is there only in builds for its machine: ask the functions below. */
extern const struct iod_kernels iod_kernels_c, iod_kernels_avx2, iod_kernels_avx512,
	iod_kernels_neon;

/* The fastest that this CPU runs. */
const struct iod_kernels *iod_kernels_best(void);
/* By name, if this CPU runs it, or NULL. */
const struct iod_kernels *iod_kernels_by_name(const char *name);

#endif
