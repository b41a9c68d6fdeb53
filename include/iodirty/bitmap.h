/* SPDX-License-Identifier: MIT */
/**
 * @file bitmap.h
 * iod_bitmap: a dirty bitmap in the caller's memory, in the byte layout of VFIO and iommufd.
 *
 * Bit i stands for the granule [base_iova + i * granule, + granule). Bit i is bit (i % 8) of byte
 * i / 8, which is bit (i % 64) of little-endian 64-bit word i / 64, and the layout of a BSD bitstr_t.
 * The library sets bits, it never clears them but in iod_bitmap_clear().
 *
 * Locking: with IOD_BITMAP_ATOMIC words are updated by atomic OR and any number of threads may set
 * bits at once; without it one thread at a time. Counting and searching may run beside setters.
 */
#ifndef IODIRTY_BITMAP_H
#define IODIRTY_BITMAP_H

#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bits are set by atomic OR. */
#define IOD_BITMAP_ATOMIC (1u << 0)

/** A bitmap; fill it with iod_bitmap_init() and leave the fields alone. */
struct iod_bitmap {
	uint64_t base_iova;   /**< first byte that bit 0 stands for */
	uint64_t nbits;	      /**< number of bits */
	uint64_t *words;      /**< caller's memory, little-endian words */
	uint32_t granule_lg2; /**< log2 of the bytes per bit */
	uint32_t flags;	      /**< IOD_BITMAP_* */
};

/**
 * Describe the caller's memory as a bitmap. The memory is not touched: zero it yourself.
 * @param bm       receives the description
 * @param iova     first byte, a multiple of @p granule
 * @param len      bytes covered, not 0, a multiple of @p granule; iova + len may be 2^64 at most
 * @param granule  bytes per bit: a power of two, 4 KiB or more
 * @param data     memory, aligned to 8
 * @param data_len its bytes; at least the number of bits rounded up to 64, divided by 8
 * @param flags    0 or IOD_BITMAP_ATOMIC
 * @return 0; -EINVAL; -ERANGE when iova + len exceeds 2^64
 */
IOD_API int iod_bitmap_init(struct iod_bitmap *bm, uint64_t iova, uint64_t len, uint64_t granule,
			    void *data, uint64_t data_len, uint32_t flags);

/** Bytes of memory that a bitmap of that range needs; 0 when the arguments are bad. */
IOD_API uint64_t iod_bitmap_bytes(uint64_t len, uint64_t granule);

/**
 * Set every bit that [iova, iova + len) touches, if only in part (rounds out).
 * @return 0; -EINVAL; -ERANGE when the range is not wholly inside the bitmap (nothing is set)
 */
IOD_API int iod_bitmap_set(struct iod_bitmap *bm, uint64_t iova, uint64_t len);

/** Clear every bit that lies wholly inside [iova, iova + len). @return as iod_bitmap_set() */
IOD_API int iod_bitmap_clear(struct iod_bitmap *bm, uint64_t iova, uint64_t len);

/** Whether the bit of the granule that holds @p iova is set; false outside the bitmap. */
IOD_API bool iod_bitmap_test(const struct iod_bitmap *bm, uint64_t iova);

/** Number of bits set. */
IOD_API uint64_t iod_bitmap_count(const struct iod_bitmap *bm);

/**
 * Next run of set bits at or after the granule that holds *iova.
 * @param iova in: where to look from (below the bitmap: its beginning); out: first byte of the run
 * @param len  out: bytes of the run; go on at *iova + *len, unless that wraps to 0: then the bitmap
 *             ends there, at 2^64
 * @return 0; -ENOENT when no more bits are set; -EINVAL
 */
IOD_API int iod_bitmap_next(const struct iod_bitmap *bm, uint64_t *iova, uint64_t *len);

/**
 * dst |= src. Both must have the same base, granule and number of bits.
 * @return 0, -EINVAL
 */
IOD_API int iod_bitmap_or(struct iod_bitmap *dst, const struct iod_bitmap *src);

#ifdef __cplusplus
}
#endif

#endif
