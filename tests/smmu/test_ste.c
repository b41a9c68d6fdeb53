/* SPDX-License-Identifier: MIT */
/*
 * STEs: each rule that makes one ILLEGAL (5.2, 5.2.2), by hand values, with what is just legal beside it. Those of
 * stage 2 are in test_ste_stage2.c.
 */
#include "stefix.h"

static const struct stefix_rule rules[] = {
	{ "V", &stefix_s1, { { STE_V, 1, 0 } }, { { 0 } }, "V:", 0 },
	{ "all Configs that abort", &stefix_abort, { { STE_CONFIG, 3, 3 } }, { { 0 } }, NULL, 0 },
	{ "an abort is legal whatever else it says",
	  &stefix_abort,
	  { { STE_EATS, 2, 3 }, { STE_STRW, 2, 3 }, { STE_S2TG, 2, 3 }, { STE_S1CDMAX, 5, 31 } },
	  { { 0 } },
	  NULL,
	  0 },
	{ "unknown bits", &stefix_s1, { { 56, 1, 1 } }, { { 0 } }, NULL, 0 },
	{ "unknown bits, asked for",
	  &stefix_s1,
	  { { 56, 1, 1 } },
	  { { 0 } },
	  "bits of no",
	  IOD_SMMUV3_CHECK_UNKNOWN },
	{ "unknown bits of an abort",
	  &stefix_abort,
	  { { 448, 1, 1 } },
	  { { 0 } },
	  "bits of no",
	  IOD_SMMUV3_CHECK_UNKNOWN },
	{ "SW is known", &stefix_s1, { { 84, 4, 15 } }, { { 0 } }, NULL, IOD_SMMUV3_CHECK_UNKNOWN },

	/* Config against IDR0.S1P, S2P */
	{ "no S1P, S1", &stefix_s1, { { 0 } }, { { 0, 2, 0 } }, "Config: no stage 1", 0 },
	{ "no S1P, nested", &stefix_nested, { { 0 } }, { { 0, 2, 0 } }, "Config: no stage 1", 0 },
	{ "no S1P, S2", &stefix_s2, { { 0 } }, { { 0, 2, 0 } }, NULL, 0 },
	{ "no S2P, S2", &stefix_s2, { { 0 } }, { { 0, 1, 0 } }, "Config: no stage 2", 0 },
	{ "no S2P, nested", &stefix_nested, { { 0 } }, { { 0, 1, 0 } }, "Config: no stage 2", 0 },
	{ "no S2P, S1", &stefix_s1, { { 0 } }, { { 0, 1, 0 } }, NULL, 0 },
	{ "neither, bypass", &stefix_bypass, { { 0 } }, { { 0, 3, 0 } }, NULL, 0 },

	/* STRW: looked at with Config 5, S1P and Hyp only */
	{ "STRW 1", &stefix_s1, { { STE_STRW, 2, 1 } }, { { 0 } }, "STRW:", 0 },
	{ "STRW 3", &stefix_s1, { { STE_STRW, 2, 3 } }, { { 0 } }, "STRW:", 0 },
	{ "STRW 2", &stefix_s1, { { STE_STRW, 2, 2 } }, { { 0 } }, NULL, 0 },
	{ "STRW 1 without Hyp",
	  &stefix_s1,
	  { { STE_STRW, 2, 1 } },
	  { { 0, 1u << 9, 0 } },
	  NULL,
	  0 },
	{ "STRW 1, nested", &stefix_nested, { { STE_STRW, 2, 1 } }, { { 0 } }, NULL, 0 },
	{ "STRW 3, bypass", &stefix_bypass, { { STE_STRW, 2, 3 } }, { { 0 } }, NULL, 0 },

	/* EATS */
	{ "full ATS, S1",
	  &stefix_s1,
	  { { STE_EATS, 2, 1 }, { STE_S2S, 1, 1 } },
	  { { 0 } },
	  NULL,
	  0 },
	{ "full ATS, S2", &stefix_s2, { { STE_EATS, 2, 1 } }, { { 0 } }, NULL, 0 },
	{ "full ATS, S2S",
	  &stefix_s2,
	  { { STE_EATS, 2, 1 }, { STE_S2S, 1, 1 } },
	  { { 0 } },
	  "EATS: full",
	  0 },
	{ "full ATS, S2S, no ATS",
	  &stefix_s2,
	  { { STE_EATS, 2, 1 }, { STE_S2S, 1, 1 } },
	  { { 0, 1u << 10, 0 } },
	  NULL,
	  0 },
	{ "split, nested", &stefix_nested, { { STE_EATS, 2, 2 } }, { { 0 } }, NULL, 0 },
	{ "split, S1",
	  &stefix_s1,
	  { { STE_EATS, 2, 2 } },
	  { { 0 } },
	  "EATS: split-stage ATS without",
	  0 },
	{ "split, S2",
	  &stefix_s2,
	  { { STE_EATS, 2, 2 } },
	  { { 0 } },
	  "EATS: split-stage ATS without",
	  0 },
	{ "split, S2S",
	  &stefix_nested,
	  { { STE_EATS, 2, 2 }, { STE_S2S, 1, 1 } },
	  { { 0 } },
	  "EATS: split-stage ATS with S2S",
	  0 },
	{ "split, NS1ATS",
	  &stefix_nested,
	  { { STE_EATS, 2, 2 } },
	  { { 0, 0, 1u << 11 } },
	  "EATS: no split",
	  0 },
	{ "split, no ATS", &stefix_s1, { { STE_EATS, 2, 2 } }, { { 0, 1u << 10, 0 } }, NULL, 0 },
	{ "split, bypass", &stefix_bypass, { { STE_EATS, 2, 2 } }, { { 0 } }, NULL, 0 },
	{ "DPT, EL1", &stefix_s1, { { STE_EATS, 2, 3 } }, { { 0 } }, NULL, 0 },
	{ "DPT, EL2",
	  &stefix_s1,
	  { { STE_EATS, 2, 3 }, { STE_STRW, 2, 2 } },
	  { { 0 } },
	  "EATS: DPT outside",
	  0 },
	{ "DPT, EL2, no DPT",
	  &stefix_s1,
	  { { STE_EATS, 2, 3 }, { STE_STRW, 2, 2 } },
	  { { 3, 1u << 15, 0 } },
	  NULL,
	  0 },
	{ "DPT, S2S",
	  &stefix_nested,
	  { { STE_EATS, 2, 3 }, { STE_S2S, 1, 1 } },
	  { { 0 } },
	  "EATS: DPT with",
	  0 },
	{ "DPT, S2S, no DPT",
	  &stefix_nested,
	  { { STE_EATS, 2, 3 }, { STE_S2S, 1, 1 } },
	  { { 3, 1u << 15, 0 } },
	  NULL,
	  0 },

	/* Stage 1 */
	{ "S1STALLD", &stefix_s1, { { STE_S1STALLD, 1, 1 } }, { { 0 } }, NULL, 0 },
	{ "S1STALLD, no stalls",
	  &stefix_s1,
	  { { STE_S1STALLD, 1, 1 } },
	  { { 0, 0, IDR0_STALL(1u) } },
	  "S1STALLD:",
	  0 },
	{ "S1STALLD, forced",
	  &stefix_nested,
	  { { STE_S1STALLD, 1, 1 }, { STE_S2S, 1, 1 } },
	  { { 0, 0, IDR0_STALL(2u) } },
	  "S1STALLD:",
	  0 },
	{ "S1STALLD, S2",
	  &stefix_s2,
	  { { STE_S1STALLD, 1, 1 } },
	  { { 0, 0, IDR0_STALL(1u) } },
	  NULL,
	  0 },
	{ "S1CDMax at SSIDSIZE",
	  &stefix_s1,
	  { { STE_S1CDMAX, 5, 8 } },
	  { { 1, IDR1_SSIDSIZE_ALL, IDR1_SSIDSIZE(8) } },
	  NULL,
	  0 },
	{ "S1CDMax above",
	  &stefix_s1,
	  { { STE_S1CDMAX, 5, 9 } },
	  { { 1, IDR1_SSIDSIZE_ALL, IDR1_SSIDSIZE(8) } },
	  "S1CDMax:",
	  0 },
	{ "S1CDMax without substreams",
	  &stefix_s1,
	  { { STE_S1CDMAX, 5, 31 }, { STE_S1FMT, 2, 1 } },
	  { { 1, IDR1_SSIDSIZE_ALL, 0 }, { 0, 1u << 19, 0 } },
	  NULL,
	  0 },
	{ "S1CDMax 21", &stefix_s1, { { STE_S1CDMAX, 5, 21 } }, { { 0 } }, "S1CDMax:", 0 },
	{ "S1CDMax, S2", &stefix_s2, { { STE_S1CDMAX, 5, 31 } }, { { 0 } }, NULL, 0 },
	{ "S1Fmt 1 without CD2L",
	  &stefix_s1,
	  { { STE_S1CDMAX, 5, 8 }, { STE_S1FMT, 2, 1 } },
	  { { 0, 1u << 19, 0 } },
	  "S1Fmt:",
	  0 },
	{ "S1Fmt 2 without CD2L",
	  &stefix_s1,
	  { { STE_S1CDMAX, 5, 8 }, { STE_S1FMT, 2, 2 } },
	  { { 0, 1u << 19, 0 } },
	  "S1Fmt:",
	  0 },
	{ "S1Fmt 3 without CD2L",
	  &stefix_s1,
	  { { STE_S1CDMAX, 5, 8 }, { STE_S1FMT, 2, 3 } },
	  { { 0, 1u << 19, 0 } },
	  NULL,
	  0 },
	{ "S1Fmt 0 without CD2L",
	  &stefix_s1,
	  { { STE_S1CDMAX, 5, 8 } },
	  { { 0, 1u << 19, 0 } },
	  NULL,
	  0 },
	{ "S1Fmt without substreams",
	  &stefix_s1,
	  { { STE_S1FMT, 2, 2 } },
	  { { 0, 1u << 19, 0 } },
	  NULL,
	  0 },
	{ "S1ContextPtr below 2^48",
	  &stefix_s1,
	  { { STE_S1CTX, 50, IODT_BIT(41) } },
	  { { 0 } },
	  NULL,
	  0 },
	{ "S1ContextPtr at 2^48",
	  &stefix_s1,
	  { { STE_S1CTX, 50, IODT_BIT(42) } },
	  { { 0 } },
	  "S1ContextPtr:",
	  0 },
	{ "S1ContextPtr at 2^36 of 36",
	  &stefix_s1,
	  { { STE_S1CTX, 50, IODT_BIT(30) } },
	  { { 5, 7, 1 } },
	  "S1ContextPtr:",
	  0 },
	/* Nested: an IPA; with 32-bit LPAE there are 40 bits of those at least. T0SZ 32: 32 bits. */
	{ "S1ContextPtr at 2^36, nested",
	  &stefix_nested,
	  { { STE_S1CTX, 50, IODT_BIT(30) }, { STE_S2T0SZ, 6, 32 } },
	  { { 5, 7, 1 } },
	  NULL,
	  0 },
	{ "S1ContextPtr at 2^40, nested",
	  &stefix_nested,
	  { { STE_S1CTX, 50, IODT_BIT(34) }, { STE_S2T0SZ, 6, 32 } },
	  { { 5, 7, 1 } },
	  "S1ContextPtr:",
	  0 },
	{ "S1ContextPtr at 2^36, no LPAE32",
	  &stefix_nested,
	  { { STE_S1CTX, 50, IODT_BIT(30) }, { STE_S2T0SZ, 6, 32 } },
	  { { 5, 7, 1 }, { 0, 1u << 2, 0 } },
	  "S1ContextPtr:",
	  0 },
	{ "VMSPtr",
	  &stefix_nested,
	  { { STE_VMSPTR, 44, IODT_BIT(35) }, { STE_S1MPAM, 1, 1 } },
	  { { 0 } },
	  NULL,
	  0 },
	{ "VMSPtr at 2^48",
	  &stefix_nested,
	  { { STE_VMSPTR, 44, IODT_BIT(36) }, { STE_S1MPAM, 1, 1 } },
	  { { 0 } },
	  "VMSPtr:",
	  0 },
	{ "VMSPtr at 2^48, S1MPAM=0",
	  &stefix_nested,
	  { { STE_VMSPTR, 44, IODT_BIT(36) } },
	  { { 0 } },
	  NULL,
	  0 },
	{ "VMSPtr at 2^48, no MPAM",
	  &stefix_nested,
	  { { STE_VMSPTR, 44, IODT_BIT(36) }, { STE_S1MPAM, 1, 1 } },
	  { { 3, 1u << 7, 0 } },
	  NULL,
	  0 },
};

static void illegal(void **state)
{
	stefix_check_stes(rules, IODT_ARRAY_SIZE(rules));
}

/* Near-legal structures on random SMMUs: the model judges them alike. */
static void random_against_model(void **state)
{
	const struct stefix_words *bases[] = { &stefix_abort, &stefix_bypass, &stefix_s1,
					       &stefix_s2, &stefix_nested };
	struct iodt t = { .rng = 30 };
	unsigned nr_legal = 0;

	for (unsigned i = 0; i < 300000; i++) {
		struct stefix_words words = *bases[iodt_random(&t) % 5];
		struct iod_smmuv3_id id = stefix_id_all;
		struct mdl_smmu_id mdl_id;
		struct iod_smmuv3_raw_ste raw;
		struct iod_smmuv3_ste ste;
		struct mdl_ste mdl;
		const char *why;
		bool bad;

		for (unsigned n = iodt_random(&t) % 4; n; n--) {
			unsigned bit = (unsigned)(iodt_random(&t) % 256);

			words.w[bit / 64] ^= IODT_BIT(bit % 64);
		}
		for (unsigned n = iodt_random(&t) % 3; n; n--)
			id.idr[(const uint8_t[]){ 0, 0, 1, 3, 5 }[iodt_random(&t) % 5]] ^=
				1u << iodt_random(&t) % 29;
		mdl_id = stefix_mdl_id(&id);
		raw = stefix_ste(&words);
		iodt_assert_ok(iod_smmuv3_ste_decode(&ste, &raw));
		mdl_ste_decode(words.w, &mdl);
		/* Neither side has 128-bit descriptors; they differ on IAS where there are no 64-bit tables. */
		if (mdl_ste_beyond(&mdl, &mdl_id) || id.idr[5] >> 8 & 1 || (id.idr[5] & 7) == 7 ||
		    !(id.idr[0] & 8))
			continue;
		bad = iod_smmuv3_ste_check(&ste, &id, 0, &why);
		nr_legal += !bad;
		if (bad != !!mdl_ste_illegal(&mdl, &mdl_id))
			fail_msg("%016jx %016jx %016jx %016jx on %08x %08x %08x %08x: %s, model %s",
				 (uintmax_t)words.w[0], (uintmax_t)words.w[1],
				 (uintmax_t)words.w[2], (uintmax_t)words.w[3], id.idr[0], id.idr[1],
				 id.idr[3], id.idr[5], why ? why : "legal",
				 mdl_ste_illegal(&mdl, &mdl_id) ? mdl_ste_illegal(&mdl, &mdl_id)
								: "legal");
	}
	assert_true(nr_legal > 100000);
}

static void arguments(void **state)
{
	struct iod_smmuv3_ste ste = { .valid = true };
	struct iod_smmuv3_id id;

	assert_int_equal(iod_smmuv3_ste_check(NULL, NULL, 0, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_check(&ste, NULL, 4, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_effective(NULL, &ste, NULL, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_effective(&ste, NULL, NULL, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_effective(&ste, &ste, NULL, 4), -EINVAL);
	assert_int_equal(iod_smmuv3_id_full(NULL), -EINVAL);
	iodt_assert_ok(iod_smmuv3_id_full(&id));
	/* S2P, S1P, TTF 3, COHACC, HTTU 3, Hyp, ATS, ASID16, MSI, SEV, PRI, VMID16, CD2L, TTENDIAN 2, ST_LEVEL 1 */
	assert_int_equal(id.idr[0], 0x084d76df);
	/* SIDSIZE 32, SSIDSIZE 20, queues of 2^19 */
	assert_int_equal(id.idr[1], 32 | 20 << 6 | 19 << 11 | 19 << 16 | 19 << 21);
	/* HAD, XNX, PPS, FWB, STT, RIL, BBML 2, E0PD */
	assert_int_equal(id.idr[3], 0x3734);
	/* OAS 48 bits, three granules */
	assert_int_equal(id.idr[5] & 0xffff, 0x75);
	assert_true(id.idr[5] >> 16);
	assert_int_equal(id.aidr, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(illegal),
		cmocka_unit_test(random_against_model),
		cmocka_unit_test(arguments),
	};

	return cmocka_run_group_tests_name("smmu_ste", tests, NULL, NULL);
}
