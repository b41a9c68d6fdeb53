/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3 commands: where their fields lie (Arm IHI 0070, 4.1 to 4.7). The one list that encoder and decoder
 * are made from.
 *
 * A field has the same place in every command that has it, but places of different commands overlap. So
 * commands fall into forms, inside which nothing overlaps; a command's mask says which fields of its form
 * it has.
 */
#ifndef IOD_SMMUV3_CMD_CODEC_H
#define IOD_SMMUV3_CMD_CODEC_H

#include "bits.h"

/* Forms, one bit each. */
#define FORM_TLBI   (1u << 0)
#define FORM_CFGI   (1u << 1) /* also what has a StreamID and nothing else */
#define FORM_STES   (1u << 2) /* CFGI_STE_RANGE */
#define FORM_SPAN   (1u << 3) /* ATC_INV, PREFETCH */
#define FORM_PRI    (1u << 4)
#define FORM_RESUME (1u << 5)
#define FORM_SYNC   (1u << 6)

/* X(member, word, highest bit, lowest bit, shift of the member's value, forms that have it) */
#define CMD_FIELDS(X)                                            \
	X(sid, 0, 63, 32, 32, ~(FORM_TLBI | FORM_SYNC))          \
	X(ssid, 0, 31, 12, 12, FORM_CFGI | FORM_SPAN | FORM_PRI) \
	X(ssv, 0, 11, 11, 11, FORM_SPAN | FORM_PRI)              \
	X(global, 0, 9, 9, 9, FORM_SPAN)                         \
	X(leaf, 1, 0, 0, 0, FORM_TLBI | FORM_CFGI)               \
	X(range, 1, 4, 0, 0, FORM_STES)                          \
	X(span, 1, 5, 0, 0, FORM_SPAN)                           \
	X(vmid, 0, 47, 32, 32, FORM_TLBI)                        \
	X(asid, 0, 63, 48, 48, FORM_TLBI)                        \
	X(num, 0, 16, 12, 12, FORM_TLBI)                         \
	X(scale, 0, 25, 20, 20, FORM_TLBI)                       \
	X(ttl, 1, 9, 8, 8, FORM_TLBI)                            \
	X(tg, 1, 11, 10, 10, FORM_TLBI)                          \
	X(addr, 1, 63, 12, 0, FORM_TLBI | FORM_SPAN)             \
	X(prgi, 1, 8, 0, 0, FORM_PRI)                            \
	X(resp, 1, 13, 12, 12, FORM_PRI)                         \
	X(retry, 0, 12, 12, 12, FORM_RESUME)                     \
	X(abort, 0, 13, 13, 13, FORM_RESUME)                     \
	X(stag, 1, 15, 0, 0, FORM_RESUME)                        \
	X(cs, 0, 13, 12, 12, FORM_SYNC)                          \
	X(msh, 0, 23, 22, 22, FORM_SYNC)                         \
	X(msi_attr, 0, 27, 24, 24, FORM_SYNC)                    \
	X(msi_data, 0, 63, 32, 32, FORM_SYNC)                    \
	X(msi_addr, 1, 55, 2, 0, FORM_SYNC)

/* Bits of words; the number is the word. */
#define CMD0_OP	      MASK64(7, 0)
#define CMD0_GLOBAL   BIT64(9)
#define CMD0_SSV      BIT64(11)
#define CMD0_SSID     MASK64(31, 12)
#define CMD0_SID      MASK64(63, 32)
#define CMD0_VMID     MASK64(47, 32)
#define CMD0_ASID     MASK64(63, 48)
#define CMD0_NUM      MASK64(16, 12)
#define CMD0_SCALE    MASK64(25, 20)
#define CMD0_AC	      BIT64(12)
#define CMD0_AB	      BIT64(13)
#define CMD0_CS	      MASK64(13, 12)
#define CMD0_CS_SHIFT 12
#define CMD0_MSH      MASK64(23, 22)
#define CMD0_MSI_ATTR MASK64(27, 24)
#define CMD0_MSI_DATA MASK64(63, 32)
#define CMD1_LEAF     BIT64(0)
#define CMD1_TTL      MASK64(9, 8)
#define CMD1_TTL_1    BIT64(8)
#define CMD1_TG	      MASK64(11, 10)
#define CMD1_TG_16K   BIT64(11)
#define CMD1_ADDR     MASK64(63, 12)
#define CMD1_IPA      MASK64(51, 12)
#define CMD1_SPAN     MASK64(5, 0)
#define CMD1_PRGI     MASK64(8, 0)
#define CMD1_RESP     MASK64(13, 12)
#define CMD1_STAG     MASK64(15, 0)
#define CMD1_MSI_ADDR MASK64(55, 2)

/* A field's value in its place, and out of it. */
#define CMD_PUT(mask, value) ((uint64_t)(value) * ((mask) & (~(mask) + 1)))
#define CMD_GET(mask, word)  (((word) & (mask)) / ((mask) & (~(mask) + 1)))

/* log2 of a granule that TG names, and back. */
static inline unsigned cmd_tg_lg2(unsigned tg)
{
	return 10u + 2u * tg;
}

static inline unsigned cmd_lg2_tg(unsigned granule_lg2)
{
	return (granule_lg2 - 10u) / 2u;
}

#endif
