/* SPDX-License-Identifier: MIT */
/*
 * Structures of an SMMUv3 by hand, for the tests of their decoders: words in host order, fields set by the bit
 * numbers of the specification (0 to 511), and ID registers with parts taken away.
 */
#ifndef IODTEST_STEFIX_H
#define IODTEST_STEFIX_H

#include "iodtest.h"
#include "mdl_smmu.h"

#include <iodirty/smmuv3_ste.h>

struct stefix_words {
	uint64_t w[8];
};

/* A field: lowest bit, bits, value. n = 0 ends a list. */
struct stefix_field {
	uint16_t lo;
	uint8_t n;
	uint64_t value;
};

/* An ID register with bits cleared, then set. */
struct stefix_id {
	uint8_t reg;
	uint32_t clear, set;
};

#define STEFIX_FIELDS 8
#define STEFIX_IDS    3

static inline void stefix_set(struct stefix_words *words, struct stefix_field f)
{
	uint64_t mask = f.n == 64 ? ~UINT64_C(0) : IODT_BIT(f.n) - 1;
	unsigned shift = f.lo % 64;

	assert_true(shift + f.n <= 64 && !(f.value & ~mask));
	words->w[f.lo / 64] &= ~(mask << shift);
	words->w[f.lo / 64] |= f.value << shift;
}

static inline uint64_t stefix_get(const struct stefix_words *words, unsigned lo, unsigned n)
{
	uint64_t v = words->w[lo / 64] >> lo % 64;

	return n == 64 ? v : v & (IODT_BIT(n) - 1);
}

static inline struct stefix_words stefix_with(struct stefix_words words,
					      const struct stefix_field *fields)
{
	for (unsigned i = 0; i < STEFIX_FIELDS && fields[i].n; i++)
		stefix_set(&words, fields[i]);
	return words;
}

/* Little-endian, as in memory. */
static inline uint64_t stefix_le(uint64_t v)
{
	uint8_t b[8];

	for (unsigned i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> 8 * i);
	memcpy(&v, b, 8);
	return v;
}

static inline struct iod_smmuv3_raw_ste stefix_ste(const struct stefix_words *words)
{
	struct iod_smmuv3_raw_ste raw;

	for (unsigned i = 0; i < 8; i++)
		raw.word[i] = stefix_le(words->w[i]);
	return raw;
}

static inline struct iod_smmuv3_raw_cd stefix_cd(const struct stefix_words *words)
{
	struct iod_smmuv3_raw_cd raw;

	for (unsigned i = 0; i < 8; i++)
		raw.word[i] = stefix_le(words->w[i]);
	return raw;
}

static inline struct iod_smmuv3_ste stefix_ste_of(const struct stefix_words *words)
{
	struct iod_smmuv3_raw_ste raw = stefix_ste(words);
	struct iod_smmuv3_ste ste;

	iodt_assert_ok(iod_smmuv3_ste_decode(&ste, &raw));
	return ste;
}

static inline struct stefix_words stefix_words(const uint64_t *le)
{
	struct stefix_words words;

	for (unsigned i = 0; i < 8; i++)
		words.w[i] = stefix_le(le[i]);
	return words;
}

/*
 * ID registers of an SMMU with 48-bit addresses that has everything here: IDR0 S2P, S1P, TTF 3, COHACC, HTTU 3,
 * Hyp, ATS, ASID16, MSI, SEV, PRI, VMID16, CD2L, TTENDIAN 0, ST_LEVEL 1; IDR1 SIDSIZE 32, SSIDSIZE 20; IDR3 HAD,
 * PBHA, XNX, MPAM, FWB, STT, RIL, BBML 2, E0PD, DPT 15, S1PI 18, S2PI 19, S2PO 20; IDR5 OAS 5, granules, DS, VAX 1.
 */
static const struct iod_smmuv3_id stefix_id_all = {
	.idr = { 0x080d76df, 0x00000520, 0, 0x001cb79c, 0, 0x000004f5 },
	.aidr = 2,
};

static inline struct iod_smmuv3_id stefix_id(const struct stefix_id *patch)
{
	struct iod_smmuv3_id id = stefix_id_all;

	for (unsigned i = 0; i < STEFIX_IDS; i++) {
		id.idr[patch[i].reg] &= ~patch[i].clear;
		id.idr[patch[i].reg] |= patch[i].set;
	}
	return id;
}

static inline struct mdl_smmu_id stefix_mdl_id(const struct iod_smmuv3_id *id)
{
	struct mdl_smmu_id mdl;

	memcpy(mdl.idr, id->idr, sizeof(mdl.idr));
	return mdl;
}

/* A structure, and what is said of it. */
struct stefix_rule {
	const char *name;
	const struct stefix_words *base;
	struct stefix_field set[STEFIX_FIELDS];
	struct stefix_id id[STEFIX_IDS];
	const char *why; /* how the reason begins; NULL: legal */
	uint32_t flags;
};

/* Each STE is judged as the rules say, and as the model does. */
void stefix_check_stes(const struct stefix_rule *rules, size_t nr);

/* Fields of ID registers. */
#define IDR0_HTTU(n)	  (n) << 6
#define IDR0_HTTU_ALL	  3u << 6
#define IDR0_TTF_ALL	  3u << 2
#define IDR0_STALL(n)	  (n) << 24
#define IDR0_TTENDIAN(n)  (n) << 21
#define IDR1_SSIDSIZE(n)  (n) << 6
#define IDR1_SSIDSIZE_ALL 0x1fu << 6

/* Granules */
enum { G4K = 0, G64K = 1, G16K = 2 };

/* It takes braces in a macro for a block. */
/* clang-format off */
/* Stage-2 geometry: T0SZ, SL0, TG. */
#define GEO(t0sz, sl0, tg) { STE_S2T0SZ, 6, t0sz }, { STE_S2SL0, 2, sl0 }, { STE_S2TG, 2, tg }
#define PS48		   { STE_S2PS, 3, 5 }
#define LPAE32		   { STE_S2AA64, 1, 0 }
#define OAS52		   { 5, 7, 6 }
#define FIELDS(...)	   (const struct stefix_field[STEFIX_FIELDS]){ __VA_ARGS__ }
#define IDS(...)	   (const struct stefix_id[STEFIX_IDS]){ __VA_ARGS__ }
#define NO_FIELDS	   FIELDS({ 0 })
#define NO_IDS		   IDS({ 0 })
/* clang-format on */

/* Bit numbers of STE fields (5.2) that the tests set. */
enum {
	STE_V = 0,
	STE_CONFIG = 1,
	STE_S1FMT = 4,
	STE_S1CTX = 6,
	STE_S1CDMAX = 59,
	STE_S1DSS = 64,
	STE_S2HWU = 72,
	STE_CONT = 77,
	STE_MEV = 83,
	STE_S1PIE = 88,
	STE_S2FWB = 89,
	STE_S1MPAM = 90,
	STE_S1STALLD = 91,
	STE_EATS = 92,
	STE_STRW = 94,
	STE_SHCFG = 108,
	STE_VMID = 128,
	STE_S2T0SZ = 160,
	STE_S2SL0 = 166,
	STE_S2TG = 174,
	STE_S2PS = 176,
	STE_S2AA64 = 179,
	STE_S2ENDI = 180,
	STE_S2AFFD = 181,
	STE_S2PTW = 182,
	STE_S2HD = 183,
	STE_S2HA = 184,
	STE_S2S = 185,
	STE_S2R = 186,
	STE_S2HAFT = 187,
	STE_S2PIE = 188,
	STE_S2POE = 189,
	STE_S2SL0_2 = 194,
	STE_S2DS = 195,
	STE_S2TTB = 196,
	STE_VMSPTR = 332,
	STE_S2POI = 448,
};

/* Bit numbers of CD fields (5.4). */
enum {
	CD_T0SZ = 0,
	CD_TG0 = 6,
	CD_EPD0 = 14,
	CD_ENDI = 15,
	CD_T1SZ = 16,
	CD_TG1 = 22,
	CD_EPD1 = 30,
	CD_V = 31,
	CD_IPS = 32,
	CD_AFFD = 35,
	CD_AA64 = 41,
	CD_HD = 42,
	CD_HA = 43,
	CD_S = 44,
	CD_R = 45,
	CD_A = 46,
	CD_ASID = 48,
	CD_HAFT = 67,
	CD_TTB0 = 68,
	CD_TTB1 = 132,
	CD_DS = 186,
	CD_PIE = 187,
	CD_MAIR = 192,
	CD_PIIU = 384,
	CD_PIIP = 448,
};

/* V, Config; S1ContextPtr 0x12340000; S2VMID 0x42, S2T0SZ 24, S2SL0 1, 4K, S2PS 40 bits, S2AA64, S2TTB 0x80000000. */
static const struct stefix_words stefix_abort = { { 0x1 } };
static const struct stefix_words stefix_bypass = { { 0x9, UINT64_C(1) << 44 } };
static const struct stefix_words stefix_s1 = { { 0xb | 0x12340000, 0, 0x42 } };
static const struct stefix_words stefix_s2 = { { 0xd, UINT64_C(1) << 44,
						 0x42 | UINT64_C(24) << 32 | UINT64_C(1) << 38 |
							 UINT64_C(2) << 48 | UINT64_C(1) << 51,
						 0x80000000 } };
static const struct stefix_words stefix_nested = { { 0xf | 0x12340000, 0,
						     0x42 | UINT64_C(24) << 32 | UINT64_C(1) << 38 |
							     UINT64_C(2) << 48 | UINT64_C(1) << 51,
						     0x80000000 } };
/* STRW 2; S1STALLD; S1PIE */
static const struct stefix_words stefix_el2 = { { 0xb | 0x12340000, UINT64_C(2) << 30, 0x42 } };
static const struct stefix_words stefix_stalld = { { 0xb | 0x12340000, UINT64_C(1) << 27, 0x42 } };
static const struct stefix_words stefix_pie = { { 0xb | 0x12340000, UINT64_C(1) << 24, 0x42 } };
/* Nested on 32-bit tables of stage 2: S2SL0 1. */
static const struct stefix_words stefix_nested32 = { { 0xf | 0x12340000, 0,
						       0x42 | UINT64_C(1) << 38, 0x80000000 } };

/*
 * T0SZ 16, TG0 4K, IR0, OR0 1, SH0 3; EPD1; V; IPS 48 bits; AA64; R, A; ASID 0x55; TTB0 0x40000000; MAIR. And with
 * both halves: T1SZ 25, TG1 4K (2), TTB1 0x50000000.
 */
#define STEFIX_CD0                                                                 \
	(16 | 1 << 8 | 1 << 10 | 3 << 12 | UINT64_C(1) << 31 | UINT64_C(5) << 32 | \
	 UINT64_C(1) << 41 | UINT64_C(1) << 45 | UINT64_C(1) << 46 | UINT64_C(0x55) << 48)
static const struct stefix_words stefix_lower = { { STEFIX_CD0 | 1 << 30, 0x40000000, 0,
						    UINT64_C(0x0000000000ff4404) } };
static const struct stefix_words stefix_both = {
	{ STEFIX_CD0 | 25 << 16 | 2 << 22 | 1 << 24 | 1 << 26 | 3 << 28, 0x40000000, 0x50000000,
	  UINT64_C(0x0000000000ff4404) }
};

#endif
