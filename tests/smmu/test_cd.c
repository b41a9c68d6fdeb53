/* SPDX-License-Identifier: MIT */
/*
 * Context descriptors: each rule that makes one ILLEGAL (5.4, 5.4.2), by hand values, with what is just legal beside
 * it.
 */
#include "stefix.h"

#define HTTU_ALL  3u << 6
#define HTTU(n)	  (n) << 6
#define STALL(n)  (n) << 24
#define ENDIAN(n) (n) << 21
#define E2H	  IOD_SMMUV3_CHECK_E2H

/* clang-format off */
#define NO_VAX	{ 5, 3u << 10, 0 }
#define NO_DS	{ 5, 1u << 7, 0 }
#define NO_STT	{ 3, 1u << 9, 0 }

/* T0SZ, TG0 (4K 0, 64K 1, 16K 2); T1SZ, TG1 (16K 1, 4K 2, 64K 3) */
#define LOW(t0sz, tg0)	{ CD_T0SZ, 6, t0sz }, { CD_TG0, 2, tg0 }
#define HIGH(t1sz, tg1)	{ CD_T1SZ, 6, t1sz }, { CD_TG1, 2, tg1 }
/* clang-format on */

static const struct stefix_words el2 = { { 0xb | 0x12340000, UINT64_C(2) << 30, 0x42 } };
static const struct stefix_words stalld = { { 0xb | 0x12340000, UINT64_C(1) << 27, 0x42 } };
static const struct stefix_words pie = { { 0xb | 0x12340000, UINT64_C(1) << 24, 0x42 } };
/* Nested on 32-bit tables of stage 2: S2SL0 1. */
static const struct stefix_words nested32 = { { 0xf | 0x12340000, 0, 0x42 | UINT64_C(1) << 38,
						0x80000000 } };

struct rule {
	const char *name;
	const struct stefix_words *base;
	struct stefix_field set[STEFIX_FIELDS];
	struct stefix_id id[STEFIX_IDS];
	const char *why;		/* how the reason begins; NULL: legal */
	const struct stefix_words *ste; /* NULL: stage 1 of EL1 */
	uint32_t flags;
};

static const struct rule rules[] = {
	{ "V", &stefix_lower, { { CD_V, 1, 0 } }, { { 0 } }, "V:", NULL, 0 },
	{ "unknown bits", &stefix_lower, { { 120, 1, 1 } }, { { 0 } }, NULL, NULL, 0 },
	{ "unknown bits, asked for",
	  &stefix_lower,
	  { { 320, 1, 1 } },
	  { { 0 } },
	  "bits of no",
	  NULL,
	  IOD_SMMUV3_CHECK_UNKNOWN },

	/* Stalls and aborts */
	{ "S", &stefix_lower, { { CD_S, 1, 1 } }, { { 0 } }, NULL, NULL, 0 },
	{ "S with S1STALLD",
	  &stefix_lower,
	  { { CD_S, 1, 1 } },
	  { { 0 } },
	  "S: stalls are disabled",
	  &stalld,
	  0 },
	{ "S1STALLD alone", &stefix_lower, { { 0 } }, { { 0 } }, NULL, &stalld, 0 },
	{ "S, no stalls",
	  &stefix_lower,
	  { { CD_S, 1, 1 } },
	  { { 0, 0, STALL(1u) } },
	  "S: no stalls",
	  NULL,
	  0 },
	{ "no S, forced",
	  &stefix_lower,
	  { { 0 } },
	  { { 0, 0, STALL(2u) } },
	  "S: stalls are forced",
	  NULL,
	  0 },
	{ "S, forced", &stefix_lower, { { CD_S, 1, 1 } }, { { 0, 0, STALL(2u) } }, NULL, NULL, 0 },
	{ "no A", &stefix_lower, { { CD_A, 1, 0 } }, { { 0 } }, NULL, NULL, 0 },
	{ "no A, TERM_MODEL 1",
	  &stefix_lower,
	  { { CD_A, 1, 0 } },
	  { { 0, 0, 1u << 26 } },
	  "A:",
	  NULL,
	  0 },
	{ "A, TERM_MODEL 1", &stefix_lower, { { 0 } }, { { 0, 0, 1u << 26 } }, NULL, NULL, 0 },

	/* Endianness */
	{ "big-endian, mixed", &stefix_lower, { { CD_ENDI, 1, 1 } }, { { 0 } }, NULL, NULL, 0 },
	{ "big-endian, little only",
	  &stefix_lower,
	  { { CD_ENDI, 1, 1 } },
	  { { 0, 0, ENDIAN(2u) } },
	  "ENDI:",
	  NULL,
	  0 },
	{ "little-endian, big only",
	  &stefix_lower,
	  { { 0 } },
	  { { 0, 0, ENDIAN(3u) } },
	  "ENDI:",
	  NULL,
	  0 },
	{ "big-endian, nothing walked",
	  &stefix_lower,
	  { { CD_ENDI, 1, 1 }, { CD_EPD0, 1, 1 } },
	  { { 0, 0, ENDIAN(2u) } },
	  NULL,
	  NULL,
	  0 },
	{ "big-endian, EPD0 ignored on EL2",
	  &stefix_lower,
	  { { CD_ENDI, 1, 1 }, { CD_EPD0, 1, 1 } },
	  { { 0, 0, ENDIAN(2u) } },
	  "ENDI:",
	  &el2,
	  0 },
	{ "big-endian, EPD0 on EL2-E2H",
	  &stefix_lower,
	  { { CD_ENDI, 1, 1 }, { CD_EPD0, 1, 1 } },
	  { { 0, 0, ENDIAN(2u) } },
	  NULL,
	  &el2,
	  E2H },

	/* Format */
	{ "32-bit", &stefix_lower, { { CD_AA64, 1, 0 } }, { { 0 } }, NULL, NULL, 0 },
	{ "32-bit, not here",
	  &stefix_lower,
	  { { CD_AA64, 1, 0 } },
	  { { 0, 1u << 2, 0 } },
	  "AA64: no 32",
	  NULL,
	  0 },
	{ "32-bit, EL2", &stefix_lower, { { CD_AA64, 1, 0 } }, { { 0 } }, NULL, &el2, 0 },
	{ "32-bit, EL2-E2H",
	  &stefix_lower,
	  { { CD_AA64, 1, 0 } },
	  { { 0 } },
	  "AA64: 32",
	  &el2,
	  E2H },
	{ "32-bit on 32-bit", &stefix_lower, { { CD_AA64, 1, 0 } }, { { 0 } }, NULL, &nested32, 0 },
	{ "64-bit on 32-bit",
	  &stefix_lower,
	  { { 0 } },
	  { { 0 } },
	  "AA64: 64-bit tables on",
	  &nested32,
	  0 },
	{ "64-bit on 64-bit", &stefix_lower, { { 0 } }, { { 0 } }, NULL, &stefix_nested, 0 },
	{ "64-bit, not here",
	  &stefix_lower,
	  { { 0 } },
	  { { 0, 2u << 2, 0 } },
	  "AA64: no 64",
	  NULL,
	  0 },

	/* HTTU 0 to 3 */
	{ "HA, HTTU 0",
	  &stefix_lower,
	  { { CD_HA, 1, 1 } },
	  { { 0, HTTU_ALL, 0 } },
	  "HA, HD: no hardware",
	  NULL,
	  0 },
	{ "HD, HTTU 0",
	  &stefix_lower,
	  { { CD_HD, 1, 1 } },
	  { { 0, HTTU_ALL, 0 } },
	  "HA, HD: no hardware",
	  NULL,
	  0 },
	{ "HA, HTTU 1",
	  &stefix_lower,
	  { { CD_HA, 1, 1 } },
	  { { 0, HTTU_ALL, HTTU(1u) } },
	  NULL,
	  NULL,
	  0 },
	{ "HD, HTTU 1",
	  &stefix_lower,
	  { { CD_HD, 1, 1 } },
	  { { 0, HTTU_ALL, HTTU(1u) } },
	  "HD: no hardware update of dirty",
	  NULL,
	  0 },
	{ "HA, HD, HTTU 2",
	  &stefix_lower,
	  { { CD_HA, 1, 1 }, { CD_HD, 1, 1 } },
	  { { 0, HTTU_ALL, HTTU(2u) } },
	  NULL,
	  NULL,
	  0 },
	{ "HD alone, HTTU 2",
	  &stefix_lower,
	  { { CD_HD, 1, 1 } },
	  { { 0, HTTU_ALL, HTTU(2u) } },
	  NULL,
	  NULL,
	  0 },
	{ "HAFT alone, HTTU 2",
	  &stefix_lower,
	  { { CD_HAFT, 1, 1 } },
	  { { 0, HTTU_ALL, HTTU(2u) } },
	  NULL,
	  NULL,
	  0 },
	{ "HAFT alone, HTTU 3", &stefix_lower, { { CD_HAFT, 1, 1 } }, { { 0 } }, "HAFT:", NULL, 0 },
	{ "HAFT, HA, HTTU 3",
	  &stefix_lower,
	  { { CD_HAFT, 1, 1 }, { CD_HA, 1, 1 } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },
	{ "all of it, HTTU 0, 32-bit",
	  &stefix_lower,
	  { { CD_HAFT, 1, 1 }, { CD_HA, 1, 1 }, { CD_HD, 1, 1 }, { CD_AA64, 1, 0 } },
	  { { 0, HTTU_ALL, 0 } },
	  NULL,
	  NULL,
	  0 },
	{ "HAFT alone, HTTU 3, 32-bit",
	  &stefix_lower,
	  { { CD_HAFT, 1, 1 }, { CD_AA64, 1, 0 } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },

	/* ASID */
	{ "ASID 256, 8 bits",
	  &stefix_lower,
	  { { CD_ASID, 16, 256 } },
	  { { 0, 1u << 12, 0 } },
	  "ASID:",
	  NULL,
	  0 },
	{ "ASID 255, 8 bits",
	  &stefix_lower,
	  { { CD_ASID, 16, 255 } },
	  { { 0, 1u << 12, 0 } },
	  NULL,
	  NULL,
	  0 },
	{ "ASID 256, 8 bits, EL2",
	  &stefix_lower,
	  { { CD_ASID, 16, 256 } },
	  { { 0, 1u << 12, 0 } },
	  NULL,
	  &el2,
	  0 },
	{ "ASID 256, 8 bits, EL2-E2H",
	  &stefix_lower,
	  { { CD_ASID, 16, 256 } },
	  { { 0, 1u << 12, 0 } },
	  "ASID:",
	  &el2,
	  E2H },
	{ "ASID 65535", &stefix_lower, { { CD_ASID, 16, 65535 } }, { { 0 } }, NULL, NULL, 0 },

	/* The lower half */
	{ "TG0 3", &stefix_lower, { LOW(16, 3) }, { { 0 } }, "TG0: reserved", NULL, 0 },
	{ "TG0 3, EPD0",
	  &stefix_lower,
	  { LOW(0, 3), { CD_EPD0, 1, 1 } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },
	{ "TG0 3, EPD0, EL2",
	  &stefix_lower,
	  { LOW(16, 3), { CD_EPD0, 1, 1 } },
	  { { 0 } },
	  "TG0: reserved",
	  &el2,
	  0 },
	{ "TG0 3, 32-bit",
	  &stefix_lower,
	  { LOW(0x3f, 3), { CD_AA64, 1, 0 } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },
	{ "no 4K", &stefix_lower, { LOW(16, 0) }, { { 5, 0x10, 0 } }, "TG0: no such", NULL, 0 },
	{ "no 64K", &stefix_lower, { LOW(16, 1) }, { { 5, 0x40, 0 } }, "TG0: no such", NULL, 0 },
	{ "no 16K", &stefix_lower, { LOW(16, 2) }, { { 5, 0x20, 0 } }, "TG0: no such", NULL, 0 },
	{ "T0SZ 15, 4K", &stefix_lower, { LOW(15, 0) }, { { 0 } }, "T0SZ: too large", NULL, 0 },
	{ "T0SZ 15, 4K, DS",
	  &stefix_lower,
	  { LOW(15, 0), { CD_DS, 1, 1 } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },
	{ "T0SZ 15, 4K, DS not here",
	  &stefix_lower,
	  { LOW(15, 0), { CD_DS, 1, 1 } },
	  { NO_DS },
	  "T0SZ: too large",
	  NULL,
	  0 },
	{ "T0SZ 12, 64K", &stefix_lower, { LOW(12, 1) }, { { 0 } }, NULL, NULL, 0 },
	{ "T0SZ 11, 64K", &stefix_lower, { LOW(11, 1) }, { { 0 } }, "T0SZ: too large", NULL, 0 },
	{ "T0SZ 15, 64K, no VAX",
	  &stefix_lower,
	  { LOW(15, 1) },
	  { NO_VAX },
	  "T0SZ: too large",
	  NULL,
	  0 },
	{ "T0SZ 39, no STT", &stefix_lower, { LOW(39, 0) }, { NO_STT }, NULL, NULL, 0 },
	{ "T0SZ 40, no STT",
	  &stefix_lower,
	  { LOW(40, 0) },
	  { NO_STT },
	  "T0SZ: too small",
	  NULL,
	  0 },
	{ "T0SZ 48, 16K", &stefix_lower, { LOW(48, 2) }, { { 0 } }, NULL, NULL, 0 },
	{ "T0SZ 49, 16K", &stefix_lower, { LOW(49, 2) }, { { 0 } }, "T0SZ: too small", NULL, 0 },
	{ "T0SZ 47, 64K", &stefix_lower, { LOW(47, 1) }, { { 0 } }, NULL, NULL, 0 },
	{ "T0SZ 48, 64K", &stefix_lower, { LOW(48, 1) }, { { 0 } }, "T0SZ: too small", NULL, 0 },
	{ "T0SZ 0, EPD0",
	  &stefix_lower,
	  { LOW(0, 0), { CD_EPD0, 1, 1 } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },
	{ "TTB0 below 2^48",
	  &stefix_lower,
	  { { CD_TTB0, 52, IODT_BIT(43) } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },
	{ "TTB0 at 2^48",
	  &stefix_lower,
	  { { CD_TTB0, 52, IODT_BIT(44) } },
	  { { 0 } },
	  "TTB0:",
	  NULL,
	  0 },
	{ "TTB0 at IPS",
	  &stefix_lower,
	  { { CD_IPS, 3, 2 }, { CD_TTB0, 52, IODT_BIT(36) } },
	  { { 0 } },
	  "TTB0:",
	  NULL,
	  0 },
	{ "TTB0 at OAS",
	  &stefix_lower,
	  { { CD_TTB0, 52, IODT_BIT(40) } },
	  { { 5, 7, 4 } },
	  "TTB0:",
	  NULL,
	  0 },
	{ "TTB0 at 2^48, 4K, IPS 52",
	  &stefix_lower,
	  { { CD_IPS, 3, 6 }, { CD_TTB0, 52, IODT_BIT(44) } },
	  { OAS52 },
	  "TTB0:",
	  NULL,
	  0 },
	{ "TTB0 at 2^48, 64K, IPS 52",
	  &stefix_lower,
	  { LOW(16, 1), { CD_IPS, 3, 6 }, { CD_TTB0, 52, IODT_BIT(44) } },
	  { OAS52 },
	  NULL,
	  NULL,
	  0 },
	{ "TTB0 at 2^48, 4K, DS",
	  &stefix_lower,
	  { { CD_DS, 1, 1 }, { CD_IPS, 3, 6 }, { CD_TTB0, 52, IODT_BIT(44) } },
	  { OAS52 },
	  NULL,
	  NULL,
	  0 },
	{ "TTB0 at 2^48, EPD0",
	  &stefix_lower,
	  { { CD_EPD0, 1, 1 }, { CD_TTB0, 52, IODT_BIT(44) } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },
	{ "TTB0 at 2^40, 32-bit",
	  &stefix_lower,
	  { { CD_AA64, 1, 0 }, { CD_TTB0, 52, IODT_BIT(36) } },
	  { { 0 } },
	  "TTB0:",
	  NULL,
	  0 },
	{ "TTB0 below 2^40, 32-bit, IPS 32",
	  &stefix_lower,
	  { { CD_AA64, 1, 0 }, { CD_IPS, 3, 0 }, { CD_TTB0, 52, IODT_BIT(35) } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },

	/* The upper half */
	{ "both", &stefix_both, { { 0 } }, { { 0 } }, NULL, NULL, 0 },
	{ "TG1 0", &stefix_both, { HIGH(25, 0) }, { { 0 } }, "TG1: reserved", NULL, 0 },
	{ "TG1 0, EPD1",
	  &stefix_both,
	  { HIGH(0, 0), { CD_EPD1, 1, 1 } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },
	{ "TG1 0, EL2", &stefix_both, { HIGH(0, 0) }, { { 0 } }, NULL, &el2, 0 },
	{ "TG1 0, EL2-E2H", &stefix_both, { HIGH(25, 0) }, { { 0 } }, "TG1: reserved", &el2, E2H },
	{ "TG1 16K, no 16K",
	  &stefix_both,
	  { HIGH(25, 1) },
	  { { 5, 0x20, 0 } },
	  "TG1: no such",
	  NULL,
	  0 },
	{ "TG1 64K, no 64K",
	  &stefix_both,
	  { HIGH(25, 3) },
	  { { 5, 0x40, 0 } },
	  "TG1: no such",
	  NULL,
	  0 },
	{ "TG1 4K, no 64K", &stefix_both, { HIGH(25, 2) }, { { 5, 0x40, 0 } }, NULL, NULL, 0 },
	{ "T1SZ 15", &stefix_both, { HIGH(15, 2) }, { { 0 } }, "T1SZ: too large", NULL, 0 },
	{ "T1SZ 12, 64K", &stefix_both, { HIGH(12, 3) }, { { 0 } }, NULL, NULL, 0 },
	{ "T1SZ 40, no STT",
	  &stefix_both,
	  { HIGH(40, 2) },
	  { NO_STT },
	  "T1SZ: too small",
	  NULL,
	  0 },
	{ "T1SZ 48", &stefix_both, { HIGH(48, 2) }, { { 0 } }, NULL, NULL, 0 },
	{ "T1SZ 48, 64K", &stefix_both, { HIGH(48, 3) }, { { 0 } }, "T1SZ: too small", NULL, 0 },
	{ "TTB1 at 2^48",
	  &stefix_both,
	  { { CD_TTB1, 52, IODT_BIT(44) } },
	  { { 0 } },
	  "TTB1:",
	  NULL,
	  0 },
	{ "TTB1 at 2^48, EPD1",
	  &stefix_both,
	  { { CD_TTB1, 52, IODT_BIT(44) }, { CD_EPD1, 1, 1 } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },
	{ "EPD0 alone",
	  &stefix_both,
	  { { CD_EPD0, 1, 1 }, LOW(0, 3), { CD_TTB0, 52, IODT_BIT(51) } },
	  { { 0 } },
	  NULL,
	  NULL,
	  0 },

	/* Permission indirection */
	{ "PIIP 4",
	  &stefix_lower,
	  { { CD_PIE, 1, 1 }, { CD_PIIP + 45, 3, 4 } },
	  { { 0 } },
	  "PIIP: reserved",
	  &pie,
	  0 },
	{ "PIIP 6",
	  &stefix_lower,
	  { { CD_PIE, 1, 1 }, { CD_PIIP, 3, 6 } },
	  { { 0 } },
	  "PIIP: reserved",
	  &pie,
	  0 },
	{ "PIIU 4",
	  &stefix_lower,
	  { { CD_PIE, 1, 1 }, { CD_PIIU, 3, 4 } },
	  { { 0 } },
	  "PIIU: reserved",
	  &pie,
	  0 },
	{ "PIIP 3, PIIU 5",
	  &stefix_lower,
	  { { CD_PIE, 1, 1 }, { CD_PIIP, 3, 3 }, { CD_PIIU, 3, 5 } },
	  { { 0 } },
	  "PIIP: executes",
	  &pie,
	  0 },
	{ "PIIP 5, PIIU 3",
	  &stefix_lower,
	  { { CD_PIE, 1, 1 }, { CD_PIIP, 3, 5 }, { CD_PIIU, 3, 3 } },
	  { { 0 } },
	  NULL,
	  &pie,
	  0 },
	{ "PIIP 4 without PIE", &stefix_lower, { { CD_PIIP, 3, 4 } }, { { 0 } }, NULL, &pie, 0 },
	{ "PIIP 4 without S1PIE",
	  &stefix_lower,
	  { { CD_PIE, 1, 1 }, { CD_PIIP, 3, 4 } },
	  { { 0 } },
	  NULL,
	  &stefix_s1,
	  0 },
	{ "PIIP 4, no S1PI",
	  &stefix_lower,
	  { { CD_PIE, 1, 1 }, { CD_PIIP, 3, 4 } },
	  { { 3, 1u << 18, 0 } },
	  NULL,
	  &pie,
	  0 },
};

static struct iod_smmuv3_ste ste_of(const struct stefix_words *words)
{
	struct iod_smmuv3_raw_ste raw = stefix_ste(words);
	struct iod_smmuv3_ste ste;

	iodt_assert_ok(iod_smmuv3_ste_decode(&ste, &raw));
	return ste;
}

static void check_rule(const struct rule *r)
{
	struct stefix_words words = stefix_with(*r->base, r->set);
	struct iod_smmuv3_raw_cd raw = stefix_cd(&words);
	struct iod_smmuv3_id id = stefix_id(r->id);
	struct mdl_smmu_id mdl_id = stefix_mdl_id(&id);
	struct iod_smmuv3_ste ste = ste_of(r->ste ? r->ste : &stefix_s1);
	struct iod_smmuv3_cd cd;
	const char *why = "?";
	struct mdl_ste mdl_ste;
	struct mdl_cd mdl;
	int ret;

	iodt_assert_ok(iod_smmuv3_cd_decode(&cd, &raw));
	ret = iod_smmuv3_cd_check(&cd, r->ste ? &ste : NULL, &id, r->flags, &why);
	if (ret != (r->why ? IOD_SMMUV3_C_BAD_CD : 0) ||
	    (r->why ? !why || strncmp(why, r->why, strlen(r->why)) : why != NULL))
		fail_msg("%s: %d, %s", r->name, ret, why ? why : "legal");
	assert_int_equal(iod_smmuv3_cd_check(&cd, &ste, &id, r->flags, NULL), ret);
	mdl_ste_decode((r->ste ? r->ste : &stefix_s1)->w, &mdl_ste);
	mdl_cd_decode(words.w, &mdl);
	if (!(r->flags & IOD_SMMUV3_CHECK_UNKNOWN) && !mdl_cd_beyond(&mdl_ste, &mdl, &mdl_id) &&
	    !cd.pie)
		if (!mdl_cd_illegal(&mdl_ste, &mdl, &mdl_id, r->flags & E2H) != !r->why)
			fail_msg("%s: the model says otherwise", r->name);
}

static void illegal(void **state)
{
	for (size_t i = 0; i < IODT_ARRAY_SIZE(rules); i++)
		check_rule(&rules[i]);
}

/* Near-legal structures on random SMMUs, below random streams: the model judges them alike. */
static void random_against_model(void **state)
{
	const struct stefix_words *stes[] = { &stefix_s1, &stefix_nested, &el2, &stalld,
					      &nested32 };
	const struct stefix_words *bases[] = { &stefix_lower, &stefix_both };
	struct iodt t = { .rng = 31 };
	unsigned nr_legal = 0;

	for (unsigned i = 0; i < 300000; i++) {
		const struct stefix_words *ste_words = stes[iodt_random(&t) % 5];
		struct stefix_words words = *bases[iodt_random(&t) % 2];
		uint32_t flags = iodt_random(&t) & 1 ? E2H : 0;
		struct iod_smmuv3_ste ste = ste_of(ste_words);
		struct iod_smmuv3_id id = stefix_id_all;
		struct mdl_smmu_id mdl_id;
		struct iod_smmuv3_raw_cd raw;
		struct iod_smmuv3_cd cd;
		struct mdl_ste mdl_ste;
		struct mdl_cd mdl;
		const char *why;
		bool bad;

		for (unsigned n = iodt_random(&t) % 4; n; n--) {
			unsigned bit = (unsigned)(iodt_random(&t) % 192);

			words.w[bit / 64] ^= IODT_BIT(bit % 64);
		}
		for (unsigned n = iodt_random(&t) % 3; n; n--)
			id.idr[(const uint8_t[]){ 0, 0, 1, 3, 5 }[iodt_random(&t) % 5]] ^=
				1u << iodt_random(&t) % 29;
		mdl_id = stefix_mdl_id(&id);
		raw = stefix_cd(&words);
		iodt_assert_ok(iod_smmuv3_cd_decode(&cd, &raw));
		mdl_ste_decode(ste_words->w, &mdl_ste);
		mdl_cd_decode(words.w, &mdl);
		if (mdl_cd_beyond(&mdl_ste, &mdl, &mdl_id) || id.idr[5] >> 8 & 1 ||
		    (id.idr[5] & 7) == 7)
			continue;
		bad = iod_smmuv3_cd_check(&cd, &ste, &id, flags, &why);
		nr_legal += !bad;
		if (bad != !!mdl_cd_illegal(&mdl_ste, &mdl, &mdl_id, flags))
			fail_msg("%016jx %016jx %016jx on %08x %08x %08x: %s, model %s",
				 (uintmax_t)words.w[0], (uintmax_t)words.w[1],
				 (uintmax_t)words.w[2], id.idr[0], id.idr[3], id.idr[5],
				 why ? why : "legal",
				 mdl_cd_illegal(&mdl_ste, &mdl, &mdl_id, flags)
					 ? mdl_cd_illegal(&mdl_ste, &mdl, &mdl_id, flags)
					 : "legal");
	}
	assert_true(nr_legal > 80000);
}

static void arguments(void **state)
{
	struct iod_smmuv3_cd cd = { .valid = true };

	assert_int_equal(iod_smmuv3_cd_check(NULL, NULL, NULL, 0, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_check(&cd, NULL, NULL, 4, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_effective(NULL, &cd, NULL, NULL, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_effective(&cd, NULL, NULL, NULL, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_effective(&cd, &cd, NULL, NULL, 4), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(illegal),
		cmocka_unit_test(random_against_model),
		cmocka_unit_test(arguments),
	};

	return cmocka_run_group_tests_name("smmu_cd", tests, NULL, NULL);
}
