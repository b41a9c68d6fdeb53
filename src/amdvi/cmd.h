/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi commands: where their fields lie (bits.md C3.1; AMD 48882, 2.4). The one list that encoder and decoder, and
 * what is reserved, are made from.
 *
 * Places of different commands overlap. So commands fall into forms, inside which nothing overlaps.
 */
#ifndef IOD_AMDVI_CMD_CODEC_H
#define IOD_AMDVI_CMD_CODEC_H

#include "bits.h"

/* Forms, one bit each, so far apart that compilers make no table of jumps of them: those are hard to predict. */
#define FORM_WAIT     (1u << 0)
#define FORM_DEV      (1u << 4) /* a DeviceID and nothing else */
#define FORM_PAGES    (1u << 8)
#define FORM_IOTLB    (1u << 12)
#define FORM_PREFETCH (1u << 16)
#define FORM_PPR      (1u << 20)
#define FORM_NONE     (1u << 24)

#define FORM_HAS_DEV  (FORM_DEV | FORM_IOTLB | FORM_PREFETCH | FORM_PPR)
#define FORM_ADDR     (FORM_PAGES | FORM_IOTLB | FORM_PREFETCH)
#define FORM_GN	      (FORM_ADDR | FORM_PPR)

/* X(member, word, highest bit, lowest bit, lowest bit of the member's value, forms that have it) */
#define CMD_FIELDS(X)                                    \
	X(store, 0, 0, 0, 0, FORM_WAIT)                  \
	X(irq, 0, 1, 1, 0, FORM_WAIT)                    \
	X(flush, 0, 2, 2, 0, FORM_WAIT)                  \
	X(store_addr, 0, 51, 3, 3, FORM_WAIT)            \
	X(data, 1, 63, 0, 0, FORM_WAIT)                  \
	X(devid, 0, 15, 0, 0, FORM_HAS_DEV)              \
	X(pasid, 0, 19, 0, 0, FORM_PAGES)                \
	X(pasid, 0, 23, 16, 8, FORM_IOTLB)               \
	X(pasid, 0, 55, 48, 0, FORM_IOTLB)               \
	X(pasid, 0, 59, 56, 16, FORM_IOTLB)              \
	X(pasid, 0, 51, 32, 0, FORM_PREFETCH | FORM_PPR) \
	X(domain, 0, 47, 32, 0, FORM_PAGES)              \
	X(maxpend, 0, 31, 24, 0, FORM_IOTLB)             \
	X(queueid, 0, 47, 32, 0, FORM_IOTLB)             \
	X(count, 0, 31, 24, 0, FORM_PREFETCH)            \
	X(s, 1, 0, 0, 0, FORM_ADDR)                      \
	X(pde, 1, 1, 1, 0, FORM_PAGES)                   \
	X(gn, 1, 2, 2, 0, FORM_GN)                       \
	X(inval, 1, 4, 4, 0, FORM_PREFETCH)              \
	X(type, 1, 5, 4, 0, FORM_IOTLB)                  \
	X(addr, 1, 63, 12, 12, FORM_ADDR)                \
	X(tag, 1, 40, 32, 0, FORM_PPR)                   \
	X(status, 1, 47, 44, 0, FORM_PPR)

#define CMD0_OP_SHIFT 60
#define CMD0_OP	      MASK64(63, 60)
/* Sources disagree whether the tag ends at bit 8 or goes on (bits.md C3.1). */
#define CMD1_PPR_TAG_TOP  MASK64(43, 41)

#define CMD0_PAGES_PASID  MASK64(19, 0)
#define CMD0_PAGES_DOMAIN MASK64(47, 32)
#define CMD0_DEVID	  MASK64(15, 0) /* of all that have one */
#define CMD0_IOTLB_PEND	  MASK64(31, 24)
#define CMD0_IOTLB_QUEUE  MASK64(47, 32)
#define CMD1_S		  BIT64(0)
#define CMD1_PDE	  BIT64(1)
#define CMD1_GN		  BIT64(2)
#define CMD1_ADDR	  MASK64(63, 12)

#define PASID_BITS	  20u
/* log2 of the most that a size can say short of everything. */
#define SIZE_LG2_MAX 52u

/* Bits of word @word that a form has. @form is a constant wherever this is called. */
static inline __attribute__((always_inline)) uint64_t cmd_known(uint32_t form, int word)
{
	uint64_t known[2] = { CMD0_OP, 0 };

#define KNOW(member, w, hi, lo, vlo, forms) \
	if ((forms)&form)                   \
		known[w] |= MASK64(hi, lo);
	CMD_FIELDS(KNOW)
#undef KNOW
	return known[word];
}

/* lg2 of the bytes that an address covers; 64: everything. The first 0 bit from bit 12 up is bit s - 1 of 2^s bytes. */
static inline unsigned cmd_range_lg2(uint64_t addr, bool s)
{
	uint64_t above = ~(addr | low_mask(12));
	unsigned lg2 = !s ? 12 : above ? ctz64(above) + 1 : 64;

	return lg2 > SIZE_LG2_MAX ? 64 : lg2;
}

#endif
