/* SPDX-License-Identifier: MIT */
/* What hardware makes of legal STEs and CDs: caps, what is ignored, what behaves as something else. */
#include "stefix.h"

#define E2H IOD_SMMUV3_CHECK_E2H

/* clang-format off */
#define NO_DS	       { 5, 1u << 7, 0 }
#define LOW(t0sz, tg0) { CD_T0SZ, 6, t0sz }, { CD_TG0, 2, tg0 }
/* clang-format on */

static const struct stefix_words el2 = { { 0xb | 0x12340000, UINT64_C(2) << 30, 0x42 } };
static const struct stefix_words pie = { { 0xb | 0x12340000, UINT64_C(1) << 24, 0x42 } };

static struct iod_smmuv3_ste ste_of(const struct stefix_words *words)
{
	struct iod_smmuv3_raw_ste raw = stefix_ste(words);
	struct iod_smmuv3_ste ste;

	iodt_assert_ok(iod_smmuv3_ste_decode(&ste, &raw));
	return ste;
}

static struct iod_smmuv3_ste ste_effective(const struct stefix_words *base,
					   const struct stefix_field *set,
					   const struct stefix_id *patch)
{
	struct stefix_words words = stefix_with(*base, set);
	struct iod_smmuv3_raw_ste raw = stefix_ste(&words);
	struct iod_smmuv3_id id = stefix_id(patch);
	struct iod_smmuv3_ste ste, out;

	iodt_assert_ok(iod_smmuv3_ste_decode(&ste, &raw));
	iodt_assert_ok(iod_smmuv3_ste_check(&ste, &id, 0, NULL));
	iodt_assert_ok(iod_smmuv3_ste_effective(&out, &ste, &id, 0));
	iodt_assert_ok(iod_smmuv3_ste_effective(&ste, &ste, &id, 0));
	assert_memory_equal(&out, &ste, sizeof(out));
	return out;
}

static void what_stage1_comes_to(void **state)
{
	struct iod_smmuv3_ste e;

	/* Row 100: S1Fmt, S1CDMax and S1DSS are carried; they matter only with substreams. */
	e = ste_effective(&stefix_s1,
			  FIELDS({ STE_S1CDMAX, 5, 9 }, { STE_S1FMT, 2, 2 }, { STE_S1DSS, 2, 2 }),
			  NO_IDS);
	assert_true(e.s1cdmax == 9 && e.s1fmt == 2 && e.s1dss == 2 && e.s1contextptr == 0x12340000);
	e = ste_effective(&stefix_s1,
			  FIELDS({ STE_S1CDMAX, 5, 9 }, { STE_S1FMT, 2, 3 }, { STE_S1DSS, 2, 3 }),
			  NO_IDS);
	assert_true(e.s1cdmax == 9 && e.s1fmt == 0 && e.s1dss == 0);
	e = ste_effective(&stefix_s1, FIELDS({ STE_S1FMT, 2, 1 }, { STE_S1DSS, 2, 1 }), NO_IDS);
	assert_true(e.s1cdmax == 0 && e.s1fmt == 0 && e.s1dss == 0);
	e = ste_effective(&stefix_s1,
			  FIELDS({ STE_S1CDMAX, 5, 9 }, { STE_S1FMT, 2, 1 }, { STE_S1DSS, 2, 1 }),
			  IDS({ 1, IDR1_SSIDSIZE_ALL, 0 }));
	assert_true(e.s1cdmax == 0 && e.s1fmt == 0 && e.s1dss == 0);
	e = ste_effective(&stefix_s2, FIELDS({ STE_S1CDMAX, 5, 9 }, { STE_S1FMT, 2, 1 }), NO_IDS);
	assert_true(e.s1cdmax == 0 && e.s1fmt == 0 && e.s1contextptr == 0);
	/* EL2 has no VMID, EL1 has. */
	e = ste_effective(&stefix_s1, FIELDS({ STE_STRW, 2, 2 }), NO_IDS);
	assert_true(e.strw == 2 && e.s2vmid == 0);
	e = ste_effective(&stefix_s1, FIELDS({ STE_STRW, 2, 2 }), IDS({ 0, 1u << 9, 0 }));
	assert_true(e.strw == 0 && e.s2vmid == 0x42);
	e = ste_effective(&stefix_nested, FIELDS({ STE_STRW, 2, 3 }), NO_IDS);
	assert_true(e.strw == 0 && e.s2vmid == 0x42);
	/* EATS */
	assert_int_equal(ste_effective(&stefix_bypass, FIELDS({ STE_EATS, 2, 1 }), NO_IDS).eats, 0);
	assert_int_equal(ste_effective(&stefix_s1, FIELDS({ STE_EATS, 2, 1 }), NO_IDS).eats, 1);
	assert_int_equal(
		ste_effective(&stefix_s1, FIELDS({ STE_EATS, 2, 1 }), IDS({ 0, 1u << 10, 0 })).eats,
		0);
	assert_int_equal(ste_effective(&stefix_s1, FIELDS({ STE_EATS, 2, 3 }), NO_IDS).eats, 3);
	assert_int_equal(
		ste_effective(&stefix_s1, FIELDS({ STE_EATS, 2, 3 }), IDS({ 3, 1u << 15, 0 })).eats,
		0);
}

static void what_stage2_comes_to(void **state)
{
	struct iod_smmuv3_ste e;

	e = ste_effective(&stefix_s2, FIELDS(PS48, { STE_S2HD, 1, 1 }, { STE_S2AFFD, 1, 1 }),
			  IDS({ 5, 7, 3 }));
	assert_true(e.s2ps == 3 && !e.s2ha && !e.s2hd && e.s2affd);
	assert_true(e.s2vmid == 0x42 && e.s2t0sz == 24 && e.s2sl0 == 1 && e.s2aa64 &&
		    e.s2ttb == 0x80000000);
	e = ste_effective(&stefix_s2,
			  FIELDS({ STE_S2HA, 1, 1 }, { STE_S2HD, 1, 1 }, { STE_S2HAFT, 1, 1 },
				 { STE_S2AFFD, 1, 1 }),
			  NO_IDS);
	assert_true(e.s2ps == 2 && e.s2ha && e.s2hd && e.s2haft && !e.s2affd);
	e = ste_effective(&stefix_s2, FIELDS({ STE_S2HA, 1, 1 }, { STE_S2HAFT, 1, 1 }),
			  IDS({ 0, IDR0_HTTU_ALL, IDR0_HTTU(2u) }));
	assert_true(e.s2ha && !e.s2haft);
	/* DS and S2SL0_2 only where they are, S2FWB too. */
	e = ste_effective(&stefix_s2, FIELDS({ STE_S2DS, 1, 1 }, { STE_S2FWB, 1, 1 }), NO_IDS);
	assert_true(e.s2ds && e.s2fwb);
	e = ste_effective(&stefix_s2,
			  FIELDS({ STE_S2DS, 1, 1 }, { STE_S2SL0_2, 1, 1 }, { STE_S2FWB, 1, 1 }),
			  IDS({ 5, 1u << 7, 0 }, { 3, 1u << 8, 0 }));
	assert_true(!e.s2ds && !e.s2sl0_2 && !e.s2fwb);
	e = ste_effective(&stefix_s2, FIELDS(GEO(24, 1, G64K), { STE_S2DS, 1, 1 }), NO_IDS);
	assert_false(e.s2ds);
	e = ste_effective(&stefix_s2,
			  FIELDS(LPAE32, GEO(0x3f, 0, 2), { STE_S2PS, 3, 7 }, { STE_S2DS, 1, 1 }),
			  NO_IDS);
	assert_true(e.s2t0sz == 15 && e.s2tg == 0 && e.s2ps == 0 && !e.s2ds && !e.s2aa64);
	/* S2PTW is about both stages. */
	assert_false(ste_effective(&stefix_s2, FIELDS({ STE_S2PTW, 1, 1 }), NO_IDS).s2ptw);
	assert_true(ste_effective(&stefix_nested, FIELDS({ STE_S2PTW, 1, 1 }), NO_IDS).s2ptw);
}

static void what_the_rest_comes_to(void **state)
{
	static const struct iod_smmuv3_ste nothing;
	struct iod_smmuv3_ste e, off = nothing;

	off.valid = true;
	e = ste_effective(&stefix_abort,
			  FIELDS({ STE_CONFIG, 3, 3 }, { STE_S2R, 1, 1 }, { STE_SHCFG, 2, 3 }),
			  NO_IDS);
	assert_memory_equal(&e, &off, sizeof(e));
	e = ste_effective(&stefix_bypass,
			  FIELDS({ STE_S2R, 1, 1 }, { STE_S1CTX, 8, 255 }, { STE_MEV, 1, 1 }),
			  NO_IDS);
	assert_true(e.config == 4 && e.shcfg == 1 && e.mev && !e.s2r && !e.s1contextptr &&
		    !e.s2vmid);
	iodt_assert_ok(iod_smmuv3_ste_effective(&e, &nothing, NULL, 0));
	assert_memory_equal(&e, &nothing, sizeof(e));
	/* Bits of no field, and those for software, mean nothing to hardware. */
	e = ste_effective(&stefix_bypass, FIELDS({ 84, 4, 15 }, { 448, 64, ~UINT64_C(0) }), NO_IDS);
	off.config = 4;
	off.shcfg = 1;
	assert_memory_equal(&e, &off, sizeof(e));
}

static struct iod_smmuv3_cd cd_effective(const struct stefix_words *base,
					 const struct stefix_field *set,
					 const struct stefix_id *patch,
					 const struct stefix_words *ste_words, uint32_t flags)
{
	struct stefix_words words = stefix_with(*base, set);
	struct iod_smmuv3_raw_cd raw = stefix_cd(&words);
	struct iod_smmuv3_id id = stefix_id(patch);
	struct iod_smmuv3_ste ste = ste_of(ste_words ? ste_words : &stefix_s1);
	struct iod_smmuv3_cd cd, out;

	iodt_assert_ok(iod_smmuv3_cd_decode(&cd, &raw));
	iodt_assert_ok(iod_smmuv3_cd_check(&cd, ste_words ? &ste : NULL, &id, flags, NULL));
	iodt_assert_ok(iod_smmuv3_cd_effective(&out, &cd, ste_words ? &ste : NULL, &id, flags));
	iodt_assert_ok(iod_smmuv3_cd_effective(&cd, &cd, &ste, &id, flags));
	assert_memory_equal(&out, &cd, sizeof(out));
	return out;
}

static void what_a_cd_comes_to(void **state)
{
	static const struct iod_smmuv3_cd nothing;
	struct iod_smmuv3_cd e;

	e = cd_effective(&stefix_both, NO_FIELDS, NO_IDS, NULL, 0);
	assert_true(e.valid && e.aa64 && e.asid == 0x55 && e.ips == 5 && e.t0sz == 16 &&
		    e.t1sz == 25 && e.tg1 == 2);
	assert_true(e.ttb0 == 0x40000000 && e.ttb1 == 0x50000000 && e.mair == 0xff4404 && e.r &&
		    e.a && !e.s);
	/* A half that is disabled has nothing. */
	e = cd_effective(&stefix_both, FIELDS({ CD_EPD1, 1, 1 }), NO_IDS, NULL, 0);
	assert_true(e.epd1 && !e.t1sz && !e.tg1 && !e.ttb1 && !e.sh1 && e.ttb0 == 0x40000000);
	/* EL2: TTB0 whatever EPD0 says, no TTB1, no ASID. With E2H as EL1. */
	e = cd_effective(&stefix_both, FIELDS({ CD_EPD0, 1, 1 }), NO_IDS, &el2, 0);
	assert_true(!e.epd0 && e.epd1 && e.ttb0 == 0x40000000 && !e.ttb1 && !e.asid);
	e = cd_effective(&stefix_both, FIELDS({ CD_EPD0, 1, 1 }), NO_IDS, &el2, E2H);
	assert_true(e.epd0 && !e.epd1 && !e.ttb0 && e.ttb1 == 0x50000000 && e.asid == 0x55);
	/* IPS is capped; HD needs HA, HAFT HTTU 3; AFFD is for those without HA. */
	e = cd_effective(&stefix_lower,
			 FIELDS({ CD_IPS, 3, 7 }, { CD_HD, 1, 1 }, { CD_AFFD, 1, 1 }),
			 IDS({ 5, 7, 3 }), NULL, 0);
	assert_true(e.ips == 3 && !e.ha && !e.hd && e.affd);
	e = cd_effective(
		&stefix_lower,
		FIELDS({ CD_HA, 1, 1 }, { CD_HD, 1, 1 }, { CD_HAFT, 1, 1 }, { CD_AFFD, 1, 1 }),
		NO_IDS, NULL, 0);
	assert_true(e.ha && e.hd && e.haft && !e.affd);
	e = cd_effective(&stefix_lower, FIELDS({ CD_HA, 1, 1 }, { CD_HAFT, 1, 1 }),
			 IDS({ 0, IDR0_HTTU_ALL, IDR0_HTTU(2u) }), NULL, 0);
	assert_true(e.ha && !e.haft);
	/* 32-bit tables have none of that. */
	e = cd_effective(&stefix_lower,
			 FIELDS(LOW(0x3a, 3), { CD_AA64, 1, 0 }, { CD_HA, 1, 1 }, { CD_HD, 1, 1 },
				{ CD_HAFT, 1, 1 }, { CD_DS, 1, 1 }),
			 NO_IDS, NULL, 0);
	assert_true(!e.aa64 && !e.ha && !e.hd && !e.haft && !e.ds && e.t0sz == 2 && !e.tg0 &&
		    !e.ips);
	/* DS: where the SMMU has it and a half that is walked has small granules. */
	assert_true(cd_effective(&stefix_lower, FIELDS({ CD_DS, 1, 1 }), NO_IDS, NULL, 0).ds);
	assert_false(cd_effective(&stefix_lower, FIELDS({ CD_DS, 1, 1 }), IDS(NO_DS), NULL, 0).ds);
	assert_false(
		cd_effective(&stefix_lower, FIELDS(LOW(16, 1), { CD_DS, 1, 1 }), NO_IDS, NULL, 0)
			.ds);
	/* PIE needs STE.S1PIE. */
	assert_false(
		cd_effective(&stefix_lower, FIELDS({ CD_PIE, 1, 1 }), NO_IDS, &stefix_s1, 0).pie);
	assert_true(cd_effective(&stefix_lower, FIELDS({ CD_PIE, 1, 1 }), NO_IDS, &pie, 0).pie);
	iodt_assert_ok(iod_smmuv3_cd_effective(&e, &nothing, NULL, NULL, 0));
	assert_memory_equal(&e, &nothing, sizeof(e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stage1_comes_to),
		cmocka_unit_test(what_stage2_comes_to),
		cmocka_unit_test(what_the_rest_comes_to),
		cmocka_unit_test(what_a_cd_comes_to),
	};

	return cmocka_run_group_tests_name("smmu_ste_effective", tests, NULL, NULL);
}
