/* SPDX-License-Identifier: MIT */
/* The ground: powers of two, alignment, byte order. */
#ifndef IOD_BITS_H
#define IOD_BITS_H

#include <stdbool.h>
#include <stdint.h>

/* A word that is read and written whole: on i386 a uint64_t need only be aligned to 4. */
typedef uint64_t __attribute__((__aligned__(8))) iod_word;

#define BIT64(n) (UINT64_C(1) << (n))
/* Bits hi..lo of a 64-bit word. */
#define MASK64(hi, lo) ((~UINT64_C(0) >> (63 - (hi))) & (~UINT64_C(0) << (lo)))

static inline bool is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* Low n bits set; n may be 64. */
static inline uint64_t low_mask(unsigned n)
{
	return n >= 64 ? ~UINT64_C(0) : BIT64(n) - 1;
}

/* Index of the lowest / highest set bit; v must not be 0. */
static inline unsigned ctz64(uint64_t v)
{
	return (unsigned)__builtin_ctzll(v);
}

static inline unsigned fls64(uint64_t v)
{
	return 63u - (unsigned)__builtin_clzll(v);
}

static inline unsigned popcount64(uint64_t v)
{
	return (unsigned)__builtin_popcountll(v);
}

/* Byte k of it: how many bits the bytes up to k have. The last is popcount64() where that takes a call. */
static inline uint64_t count_bytes64(uint64_t v)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);

	v -= (v >> 1) & ones * 0x55;
	v = (v & ones * 0x33) + ((v >> 2) & ones * 0x33);
	return ((v + (v >> 4)) & ones * 0x0f) * ones;
}

static inline uint64_t align_down(uint64_t v, unsigned lg2)
{
	return v & ~low_mask(lg2);
}

static inline bool is_aligned(uint64_t v, unsigned lg2)
{
	return !(v & low_mask(lg2));
}

/* Tables and bitmaps are little-endian in memory; converts both ways. */
static inline uint64_t iod_le64(uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(v);
#else
	return v;
#endif
}

static inline uint32_t iod_le32(uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap32(v);
#else
	return v;
#endif
}

#endif
