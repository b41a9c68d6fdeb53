/* SPDX-License-Identifier: MIT */
/*
 * Which STEs and CDs are ILLEGAL: legal ones by hand with one thing changed, in
 * the structure or in the identification registers (5.2.2, 5.4.2). And the
 * start levels of A1.4, row by row.
 */
#include <string.h>

#include "fakemem.h"
#include "mdl_smmu.h"
#include "smmu/golden_smmu.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)	 (UINT64_C(1) << (n))

/* Bits that are flipped, of one word and of one register. @why NULL: still legal. */
struct flip {
	unsigned word;
	uint64_t bits;
	unsigned idr;
	uint32_t id_bits;
	const char *why;
};

static struct mdl_smmu_id full_id(void)
{
	struct mdl_smmu_id id;

	memcpy(id.idr, gold_idr, sizeof(id.idr));
	return id;
}

static void same(const char *got, const char *want, size_t row)
{
	if (!want && got)
		fail_msg("row %zu is legal, not refused for %s", row, got);
	if (want && !got)
		fail_msg("row %zu is illegal: %s", row, want);
	if (want)
		assert_string_equal(got, want);
}

static void ste_rows(const uint64_t base[8], const struct flip *rows, size_t n)
{
	struct mdl_smmu_id id;
	struct mdl_ste ste;
	uint64_t w[8];
	size_t i;

	for (i = 0; i < n; i++) {
		id = full_id();
		memcpy(w, base, sizeof(w));
		w[rows[i].word] ^= rows[i].bits;
		id.idr[rows[i].idr] ^= rows[i].id_bits;
		mdl_ste_decode(w, &ste);
		same(mdl_ste_illegal(&ste, &id), rows[i].why, i);
	}
}

/* gold_idr has STALL_MODEL 0, HTTU 2, TTENDIAN 2, TTF 2, VMID16, no DPT */
static void ste_s1(void **state)
{
	static const struct flip rows[] = {
		{ 0, 0, 0, 0, NULL },
		{ 0, 1, 0, 0, "V" },
		{ 0, 0, 0, 1 << 1, "Config" }, /* no S1P */
		{ 0, 0, 0, 1 << 24, NULL },    /* STALL_MODEL 1 */
		{ 1, BIT(27), 0, 0, NULL },    /* S1STALLD */
		{ 1, BIT(27), 0, 1 << 24, "S1STALLD" },
		{ 1, BIT(27), 0, 1 << 25, "S1STALLD" },
		{ 0, UINT64_C(21) << 59, 0, 0, "S1CDMax" }, /* SSIDSIZE is 20 */
		{ 0, UINT64_C(20) << 59, 0, 0, NULL },
		{ 0, UINT64_C(21) << 59, 1, 20 << 6, NULL }, /* no substreams: not looked at */
		{ 0, BIT(59) | 0x10, 0, 1 << 19, "S1Fmt" },  /* no CD2L */
		{ 0, 0x10, 0, 1 << 19, NULL },		     /* S1CDMax 0 */
		{ 0, BIT(59) | 0x30, 0, 1 << 19, NULL },     /* 3 acts as 0 */
		{ 0, BIT(48), 0, 0, "S1ContextPtr" },
		{ 1, BIT(29), 0, 0, "EATS: split stage" },
		{ 1, BIT(29), 0, 1 << 10, NULL }, /* no ATS */
		{ 1, BIT(28), 0, 0, NULL },
		{ 1, BIT(28) | BIT(29), 0, 0, NULL }, /* 3 without DPT acts as 0 */
		{ 1, BIT(30), 0, 0, "STRW" },
		{ 1, BIT(31), 0, 0, NULL },
		{ 1, BIT(30) | BIT(31), 0, 0, "STRW" },
		{ 1, BIT(30), 0, 1 << 9, NULL }, /* no Hyp: not looked at */
		{ 1, BIT(28) | BIT(29) | BIT(31), 3, 1 << 15, "EATS: DPT outside EL1" },
		{ 2, 0x1ff, 0, 1 << 18, "S2VMID" }, /* 8-bit VMIDs */
		{ 2, 0xff, 0, 1 << 18, NULL },
		{ 2, 0x1ff, 0, 1 << 18 | 1 << 0, NULL }, /* no stage 2: not looked at */
		{ 2, BIT(57), 0, 1 << 24, NULL },	 /* S2S: not looked at */
		{ 2, BIT(55), 0, 3 << 6, NULL },	 /* S2HD: not looked at */
	};
	static const uint64_t base[8] = { 0x4004b };

	(void)state;
	ste_rows(base, rows, COUNT(rows));
}

/* 4K, T0SZ 24, SL0 1, PS 5, AA64, HA, HD */
static void ste_s2(void **state)
{
	static const struct flip rows[] = {
		{ 0, 0, 0, 0, NULL },
		{ 0, 0, 0, 1 << 0, "Config" },
		{ 0, 0, 0, 1 << 1, NULL },  /* no S1P: not needed */
		{ 1, BIT(25), 0, 0, NULL }, /* S2FWB off */
		{ 2, BIT(57), 0, 0, NULL }, /* S2S */
		{ 2, BIT(57), 0, 1 << 24, "S2S" },
		{ 2, 0, 0, 1 << 24, NULL },
		{ 2, 0, 0, 1 << 25, "S2S" }, /* forced */
		{ 2, BIT(57), 0, 1 << 25, NULL },
		{ 1, BIT(28), 0, 0, NULL }, /* EATS 1 */
		{ 1, BIT(29), 0, 0, "EATS: split stage" },
		{ 2, BIT(51), 0, 0, "S2FWB" },	     /* AA64 off */
		{ 2, 0, 0, 1 << 3, "S2AA64" },	     /* TTF 0 */
		{ 2, 0, 0, 1 << 7, "S2HA or S2HD" }, /* HTTU 0 */
		{ 2, 0, 0, 3 << 6, "S2HD" },	     /* HTTU 1 */
		{ 2, BIT(55), 0, 3 << 6, NULL },     /* and HD off */
		{ 2, BIT(56), 0, 0, NULL },	     /* HD without HA acts as neither */
		{ 2, BIT(59), 0, 0, NULL },	     /* S2HAFT, HTTU 2: RES0 */
		{ 2, BIT(59) | BIT(56), 0, 1 << 6, "S2HAFT" },
		{ 2, BIT(59), 0, 1 << 6, NULL },
		{ 2, BIT(52), 0, 0, "S2ENDI" },
		{ 2, BIT(52), 0, 1 << 22, NULL }, /* mixed */
		{ 2, 0, 0, 1 << 21, "S2ENDI" },	  /* big only */
		{ 2, 0, 5, 1 << 4, "S2TG" },	  /* no 4K */
		{ 2, BIT(46) | BIT(47), 0, 0, "S2TG" },
		{ 2, (UINT64_C(0x18) ^ 15) << 32, 0, 0, "S2T0SZ" },
		{ 2, (UINT64_C(0x18) ^ 40) << 32, 0, 0,
		  "S2SL0" }, /* STT: in range, not for level 1 */
		{ 2, (UINT64_C(0x18) ^ 40) << 32, 3, 1 << 9, "S2T0SZ" },
		{ 2, (UINT64_C(0x18) ^ 49) << 32, 0, 0, "S2T0SZ" },
		{ 2, 0, 5, 7, NULL },	  /* OAS 40 bits: 64 - 40 = 24 */
		{ 2, 0, 5, 4, "S2T0SZ" }, /* OAS 36 bits */
		{ 3, BIT(48), 0, 0, "S2TTB" },
		{ 3, BIT(47), 0, 0, NULL },
		{ 3, BIT(40), 5, 7, "S2TTB" }, /* PS 48, OAS 40 */
		{ 2, UINT64_C(0x100), 0, 1 << 18, "S2VMID" },
	};
	static const uint64_t base[8] = { 0xd, 0x02000000, UINT64_C(0x058d355800000034),
					  0x80002000 };

	(void)state;
	ste_rows(base, rows, COUNT(rows));
}

static void ste_other(void **state)
{
	static const struct flip nested[] = {
		{ 0, 0, 0, 0, NULL }, /* EATS 2 */
		{ 2, BIT(57), 0, 0, "EATS: split stage" },
		{ 0, 0, 0, 1 << 11, "EATS: split stage" }, /* NS1ATS */
		{ 1, BIT(28) | BIT(29), 0, 0, NULL },	   /* EATS 1 */
		{ 1, BIT(30), 0, 0, NULL },		   /* STRW: not looked at */
		{ 0, BIT(48), 0, 0, "S1ContextPtr" },
		{ 0, BIT(47), 0, 0, NULL },
		/* 3.4: 40 bits where there are no 64-bit tables; what follows is refused later */
		{ 0, BIT(40), 0, 3 << 2, "S1ContextPtr" },
		{ 0, BIT(39), 0, 3 << 2, "S2AA64" },
	};
	static const struct flip full[] = {
		{ 2, BIT(57), 0, 0, "EATS: full with S2S" },
	};
	static const struct flip bypass[] = {
		{ 0, 0, 0, 3, NULL }, /* neither stage */
		{ 0, BIT(48), 0, 0, NULL },
		{ 1, BIT(29), 0, 0, NULL },
		{ 2, ~UINT64_C(0), 0, 1 << 18, NULL },
	};
	/* 32-bit LPAE: T0SZ -8 (40 bits), SL0 1 */
	static const struct flip aa32[] = {
		{ 0, 0, 0, 0, "S2AA64" },
		{ 0, 0, 0, 1 << 2, NULL }, /* TTF 3 */
		{ 2, BIT(56), 0, 1 << 2, "S2HA or S2HD" },
		{ 2, BIT(47) | BIT(46), 0, 1 << 2, NULL },	    /* S2TG: RES0 */
		{ 2, BIT(38), 0, 1 << 2, "S2SL0" },		    /* level 2 reaches 34 bits */
		{ 2, BIT(39), 0, 1 << 2, "S2SL0" },		    /* 3 */
		{ 2, UINT64_C(8) << 32, 0, 1 << 2, NULL },	    /* T0SZ 0: 32 bits */
		{ 2, (UINT64_C(8) ^ 2) << 32, 0, 1 << 2, "S2SL0" }, /* T0SZ 2: 30 bits, none left */
		{ 3, BIT(40), 0, 1 << 2, "S2TTB" },
	};
	static const uint64_t base_nested[8] = { 0x4004f, 0x20000000,
						 UINT64_C(0x040d355900000001) };
	static const uint64_t base_full[8] = { 0x4004f, 0x10000000, UINT64_C(0x040d355900000001) };
	static const uint64_t base_bypass[8] = { 0x9 };
	static const uint64_t base_aa32[8] = { 0xd, 0, UINT64_C(0x0005354800000001) };

	(void)state;
	ste_rows(base_nested, nested, COUNT(nested));
	ste_rows(base_full, full, COUNT(full));
	ste_rows(base_bypass, bypass, COUNT(bypass));
	ste_rows(base_aa32, aa32, COUNT(aa32));
}

static void cd_rows(const uint64_t ste_w[8], const uint64_t base[8], const struct flip *rows,
		    size_t n, bool e2h)
{
	struct mdl_smmu_id id;
	struct mdl_ste ste;
	struct mdl_cd cd;
	uint64_t w[8];
	size_t i;

	for (i = 0; i < n; i++) {
		id = full_id();
		memcpy(w, base, sizeof(w));
		w[rows[i].word] ^= rows[i].bits;
		id.idr[rows[i].idr] ^= rows[i].id_bits;
		mdl_ste_decode(ste_w, &ste);
		mdl_cd_decode(w, &cd);
		same(mdl_cd_illegal(&ste, &cd, &id, e2h), rows[i].why, i);
	}
}

static const uint64_t ste_el1[8] = { 0x4004b }, ste_stalld[8] = { 0x4004b, BIT(27) },
		      ste_el2[8] = { 0x4004b, BIT(31) },
		      ste_aa32[8] = { 0x4004f, 0, UINT64_C(0x0005354800000001) };
/* T0SZ 16, EPD1, V, IPS 5, AA64, HD, HA, R, A, ASID 0x42 */
static const uint64_t cd_lower[8] = { UINT64_C(0x00426e05c0003510), 0x12345000 };

static void cds(void **state)
{
	static const struct flip rows[] = {
		{ 0, 0, 0, 0, NULL },
		{ 0, BIT(31), 0, 0, "V" },
		{ 0, BIT(44), 0, 0, NULL },
		{ 0, BIT(44), 0, 1 << 24, "S" },
		{ 0, 0, 0, 1 << 25, "S" },
		{ 0, BIT(46), 0, 0, NULL },
		{ 0, BIT(46), 0, 1 << 26, "A" },
		{ 0, BIT(15), 0, 0, "ENDI" },
		{ 0, BIT(15) | BIT(14), 0, 0, NULL }, /* both halves off */
		{ 0, BIT(41), 0, 0, "AA64" },
		{ 0, 0, 0, 1 << 3, "AA64" },
		{ 0, 0, 0, 1 << 7, "HA or HD" },
		{ 0, 0, 0, 3 << 6, "HD" },
		{ 1, BIT(3), 0, 0, NULL },
		{ 1, BIT(3), 0, 1 << 6, NULL },
		{ 0, BIT(48) << 8, 0, 1 << 12, "ASID" },
		{ 0, BIT(48) << 8, 0, 0, NULL },
		{ 0, 0x10 ^ 15, 0, 0, "TSZ" },
		{ 0, 0x10 ^ 40, 0, 0, NULL },
		{ 0, 0x10 ^ 40, 3, 1 << 9, "TSZ" },
		{ 0, 0x10 ^ 49, 0, 0, "TSZ" },
		{ 0, (0x10 ^ 48) | 0x40, 0, 0, "TSZ" }, /* 64K: 47 */
		{ 0, (0x10 ^ 47) | 0x40, 0, 0, NULL },
		{ 0, (0x10 ^ 12) | 0x40, 0, 0, "TSZ" },
		{ 0, (0x10 ^ 12) | 0x40, 5, 1 << 10, NULL }, /* VAX 1 */
		{ 0, 0xc0, 0, 0, "TG" },
		{ 0, 0x80, 0, 0, NULL },
		{ 0, 0x80, 5, 1 << 5, "TG" },
		{ 0, 0xc0 | BIT(14), 0, 0, NULL },
		{ 1, BIT(48), 0, 0, "TTB" },
		{ 1, BIT(47), 0, 0, NULL },
		{ 1, BIT(48) | BIT(51), 5, 3, "TTB" }, /* OAS 52: 4K has 48 all the same */
		{ 0, BIT(30), 0, 0, "TG" },	       /* upper half on: TG1 0 is reserved */
		{ 0, BIT(30) | 0x990000, 0, 0, NULL },
		{ 0, BIT(30) | 0x8f0000, 0, 0, "TSZ" },
		{ 0, BIT(30) | 0x400000, 5, 1 << 5, "TG" },
	};
	static const struct flip stalld[] = { { 0, 0, 0, 0, NULL },
					      { 0, BIT(44), 0, 0, "S with S1STALLD" } };
	static const struct flip haft[] = {
		{ 1, BIT(3), 0, 0, NULL },
		{ 1, BIT(3), 0, 1 << 6, "HAFT" },
	};
	static const uint64_t cd_no_ha[8] = { UINT64_C(0x00426205c0003510), 0x12345000 };

	(void)state;
	cd_rows(ste_el1, cd_lower, rows, COUNT(rows), false);
	cd_rows(ste_stalld, cd_lower, stalld, COUNT(stalld), false);
	cd_rows(ste_el1, cd_no_ha, haft, COUNT(haft), false);
}

/* The STE decides, too. */
static void cds_regime(void **state)
{
	static const struct flip el2[] = {
		{ 0, BIT(48) << 8, 0, 1 << 12, NULL }, /* no ASIDs */
		{ 0, BIT(30), 0, 0, NULL },	       /* no upper half */
		{ 0, BIT(14) | 0xc0, 0, 0, "TG" },     /* EPD0 does not count */
	};
	static const struct flip e2h[] = {
		{ 0, BIT(48) << 8, 0, 1 << 12, "ASID" },
		{ 0, BIT(30), 0, 0, "TG" },
		{ 0, BIT(41), 0, 1 << 2, "AA64" },
	};
	static const struct flip aa32[] = {
		{ 0, 0, 0, 1 << 2, "AA64" },
		{ 0, BIT(41), 0, 1 << 2, NULL },
		{ 0, BIT(41), 0, 1 << 2 | 1 << 7, NULL }, /* HA and HD do not count */
	};

	(void)state;
	cd_rows(ste_el2, cd_lower, el2, COUNT(el2), false);
	cd_rows(ste_el2, cd_lower, e2h, COUNT(e2h), true);
	cd_rows(ste_aa32, cd_lower, aa32, COUNT(aa32), false);
}

/*
 * A1.4: granule, start level code, and which S2T0SZ it goes with, concatenation
 * included, on an SMMU of 48 bits with small tables.
 */
static void start_levels(void **state)
{
	static const struct {
		unsigned tg, sl0, low, high;
	} rows[] = {
		{ 0, 0, 30, 42 }, { 0, 1, 21, 33 }, { 0, 2, 16, 24 }, { 0, 3, 39, 48 },
		{ 2, 0, 35, 48 }, { 2, 1, 24, 38 }, { 2, 2, 16, 27 }, { 2, 3, 64, 64 },
		{ 1, 0, 31, 47 }, { 1, 1, 18, 34 }, { 1, 2, 16, 21 }, { 1, 3, 64, 64 },
	};
	struct mdl_smmu_id id = full_id();
	uint64_t w[8] = { 0xd };
	struct mdl_ste ste;
	unsigned i, t0sz;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		for (t0sz = 0; t0sz < 64; t0sz++) {
			w[2] = UINT64_C(0x000d350000000000) | (uint64_t)rows[i].tg << 46 |
			       (uint64_t)rows[i].sl0 << 38 | (uint64_t)t0sz << 32;
			mdl_ste_decode(w, &ste);
			if (!mdl_ste_illegal(&ste, &id) !=
			    (t0sz >= rows[i].low && t0sz <= rows[i].high))
				fail_msg("TG %u SL0 %u T0SZ %u", rows[i].tg, rows[i].sl0, t0sz);
		}
	}
}

int mdl_test_smmu_legal(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ste_s1),     cmocka_unit_test(ste_s2),
		cmocka_unit_test(ste_other),  cmocka_unit_test(cds),
		cmocka_unit_test(cds_regime), cmocka_unit_test(start_levels),
	};

	return cmocka_run_group_tests_name("SMMUv3 legality by hand", tests, NULL, NULL);
}
