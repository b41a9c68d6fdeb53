/* SPDX-License-Identifier: MIT */
/*
 * STE and CD from page tables, and page tables from STE and CD: what hardware is told of a table leads a second
 * reader, and the independent one, to the same translations.
 */
#include "stefix.h"

#define VMID 0x42u
#define ASID 0x55u

static const struct stefix_id oas52[STEFIX_IDS] = { { 5, 7, 6 } };

static struct iod_hw_info hw_info(struct iod_pgtable *pt)
{
	struct iod_hw_info info = { .size = sizeof(info) };

	iodt_assert_ok(iod_pgtable_get_hw_info(pt, &info));
	return info;
}

/* Through words and back, judged by an SMMU with 52-bit addresses; what comes of it. */
static struct iod_smmuv3_ste live_ste(const struct iod_smmuv3_ste *ste)
{
	struct iod_smmuv3_id id = stefix_id(oas52);
	struct mdl_smmu_id mdl_id = stefix_mdl_id(&id);
	struct iod_smmuv3_raw_ste raw;
	struct iod_smmuv3_ste out;
	struct stefix_words words;
	struct mdl_ste mdl;

	iodt_assert_ok(iod_smmuv3_ste_encode(&raw, ste));
	words = stefix_words(raw.word);
	mdl_ste_decode(words.w, &mdl);
	assert_null(mdl_ste_illegal(&mdl, &mdl_id));
	iodt_assert_ok(iod_smmuv3_ste_decode(&out, &raw));
	iodt_assert_ok(iod_smmuv3_ste_check(&out, &id, IOD_SMMUV3_CHECK_UNKNOWN, NULL));
	iodt_assert_ok(iod_smmuv3_ste_effective(&out, &out, &id, 0));
	return out;
}

static struct iod_smmuv3_cd live_cd(const struct iod_smmuv3_cd *cd)
{
	struct iod_smmuv3_id id = stefix_id(oas52);
	struct mdl_smmu_id mdl_id = stefix_mdl_id(&id);
	struct iod_smmuv3_raw_cd raw;
	struct iod_smmuv3_cd out;
	struct stefix_words words;
	struct mdl_ste mdl_ste;
	struct mdl_cd mdl;

	iodt_assert_ok(iod_smmuv3_cd_encode(&raw, cd));
	words = stefix_words(raw.word);
	mdl_ste_decode(stefix_s1.w, &mdl_ste);
	mdl_cd_decode(words.w, &mdl);
	assert_null(mdl_cd_illegal(&mdl_ste, &mdl, &mdl_id, false));
	iodt_assert_ok(iod_smmuv3_cd_decode(&out, &raw));
	iodt_assert_ok(iod_smmuv3_cd_check(&out, NULL, &id, IOD_SMMUV3_CHECK_UNKNOWN, NULL));
	iodt_assert_ok(iod_smmuv3_cd_effective(&out, &out, NULL, &id, 0));
	return out;
}

/* A second reader finds the same pages. */
static void same_pages(struct iodt *t, struct iod_pgtable_cfg *cfg, uint64_t root)
{
	struct iod_pgtable_info own = iodt_info(t->pt), info;
	struct iod_pgtable *pt;

	cfg->mem = t->mem;
	iodt_assert_ok(iod_pgtable_attach(&pt, cfg, root));
	info = iodt_info(pt);
	assert_true(info.first == own.first && info.last == own.last && info.ias == own.ias &&
		    info.oas == own.oas && info.levels == own.levels &&
		    info.granule_lg2 == own.granule_lg2);
	/* Break-before-make levels are the SMMU's, not the stream's. */
	assert_int_equal(info.features, own.features & ~(IOD_PT_BBM_1 | IOD_PT_BBM_2));
	for (size_t i = 0; i < t->nr_segs; i++) {
		struct iod_mapping m;

		iodt_assert_ok(iod_translate(pt, t->seg[i].iova, &m));
		assert_int_equal(m.pa, t->seg[i].pa);
	}
	assert_int_equal(iod_pgtable_destroy(pt), 0);
}

static void some_pages(struct iodt *t)
{
	uint64_t places[IODT_PLACES];
	size_t n = iodt_places(t->v, t->page, places);

	for (size_t i = 0; i < n; i++)
		iodt_map(t, places[i], (i + 1) * t->page, t->page, IODT_RW);
}

static void stage2(struct iodt *t)
{
	struct iod_hw_info info = hw_info(t->pt);
	struct iod_smmuv3_ste ste = { .valid = true, .config = IOD_SMMUV3_S2, .s2r = true };
	struct iod_pgtable_cfg cfg;
	const char *why = "?";
	uint64_t root;

	if (t->v->format != IOD_ARM_LPAE_S2)
		return;
	some_pages(t);
	iodt_assert_ok(iod_smmuv3_ste_set_stage2(&ste, &info, VMID));
	assert_true(ste.s2r && ste.config == IOD_SMMUV3_S2);
	ste = live_ste(&ste);
	iodt_assert_ok(iod_smmuv3_ste_get_stage2(&ste, &cfg, &root, &why));
	assert_null(why);
	assert_int_equal(cfg.domain, VMID);
	assert_int_equal(root, info.root);
	same_pages(t, &cfg, root);
	/* The independent reader of STEs agrees where the tables are. */
	assert_int_equal(ste.s2ttb, root);
}

static void stage1(struct iodt *t)
{
	struct iod_hw_info info = hw_info(t->pt);
	struct iod_smmuv3_cd cd = { .r = true, .a = true };
	struct iod_pgtable_cfg cfg;
	const char *why = "?";
	bool upper;
	uint64_t root;

	if (t->v->format != IOD_ARM_LPAE_S1)
		return;
	upper = info.u.arm_s1.upper;
	some_pages(t);
	iodt_assert_ok(iod_smmuv3_cd_set_stage1(&cd, &info, ASID));
	assert_true(cd.valid && cd.r && cd.a && cd.asid == ASID);
	assert_true(upper ? cd.epd0 && !cd.epd1 : cd.epd1 && !cd.epd0);
	cd = live_cd(&cd);
	iodt_assert_ok(iod_smmuv3_cd_get_stage1(&cd, upper, &cfg, &root, &why));
	assert_null(why);
	assert_int_equal(cfg.domain, ASID);
	assert_int_equal(root, info.root);
	assert_int_equal(cfg.mair, info.u.arm_s1.mair);
	same_pages(t, &cfg, root);
	assert_int_equal(iod_smmuv3_cd_get_stage1(&cd, !upper, &cfg, &root, &why), -ENOENT);
	assert_non_null(why);
	/* The other kind of structure is not filled from it. */
	assert_int_equal(iod_smmuv3_ste_set_stage2(&(struct iod_smmuv3_ste){ 0 }, &info, 1),
			 -EINVAL);
}

/* Two tables in one CD: where they share fields they must agree. */
static void two_halves(void **state)
{
	struct iod_mem *mem = iodt_mem_create(NULL);
	struct iod_pgtable_cfg low = { .size = sizeof(low), .format = IOD_ARM_LPAE_S1, .mem = mem };
	struct iod_pgtable_cfg high = low, other;
	struct iod_pgtable *pt[3];
	struct iod_hw_info lower, upper, info;
	struct iod_smmuv3_cd cd = { 0 };
	uint64_t root;

	if (!iod_format_ops(IOD_ARM_LPAE_S1)) {
		iodt_assert_ok(iod_mem_destroy(mem));
		skip();
	}
	low.features = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY;
	high.features = low.features | IOD_PT_UPPER;
	high.granule = 65536;
	high.ias = 39;
	other = high;
	other.features = IOD_PT_UPPER;
	iodt_assert_ok(iod_pgtable_create(&pt[0], &low));
	iodt_assert_ok(iod_pgtable_create(&pt[1], &high));
	iodt_assert_ok(iod_pgtable_create(&pt[2], &other));
	lower = hw_info(pt[0]);
	upper = hw_info(pt[1]);
	iodt_assert_ok(iod_smmuv3_cd_set_stage1(&cd, &lower, ASID));
	info = hw_info(pt[2]);
	assert_int_equal(iod_smmuv3_cd_set_stage1(&cd, &info, ASID), -EINVAL); /* HTTU */
	assert_int_equal(iod_smmuv3_cd_set_stage1(&cd, &upper, ASID + 1), -EINVAL);
	info = upper;
	info.u.arm_s1.ips = 4;
	assert_int_equal(iod_smmuv3_cd_set_stage1(&cd, &info, ASID), -EINVAL);
	info = upper;
	info.u.arm_s1.mair = 1;
	assert_int_equal(iod_smmuv3_cd_set_stage1(&cd, &info, ASID), -EINVAL);
	info = upper;
	info.u.arm_s1.aa64 = 0;
	assert_int_equal(iod_smmuv3_cd_set_stage1(&cd, &info, ASID), -EINVAL);
	assert_true(cd.epd1);
	iodt_assert_ok(iod_smmuv3_cd_set_stage1(&cd, &upper, ASID));
	assert_true(!cd.epd0 && !cd.epd1);
	cd = live_cd(&cd);
	iodt_assert_ok(iod_smmuv3_cd_get_stage1(&cd, false, &low, &root, NULL));
	assert_int_equal(root, lower.root);
	iodt_assert_ok(iod_smmuv3_cd_get_stage1(&cd, true, &high, &root, NULL));
	assert_int_equal(root, upper.root);
	assert_true(low.granule == 4096 && high.granule == 65536 && high.ias == 39);
	/* A half alone may be replaced by anything. */
	cd.epd0 = true;
	info = hw_info(pt[2]);
	iodt_assert_ok(iod_smmuv3_cd_set_stage1(&cd, &info, ASID + 1));
	assert_true(cd.asid == ASID + 1 && !cd.ha);
	for (unsigned i = 0; i < 3; i++)
		iodt_assert_ok(iod_pgtable_destroy(pt[i]));
	iodt_assert_ok(iod_mem_destroy(mem));
}

static struct iod_smmuv3_ste ste_with(const struct stefix_field *set)
{
	struct stefix_words words = stefix_with(stefix_s2, set);
	struct iod_smmuv3_raw_ste raw = stefix_ste(&words);
	struct iod_smmuv3_ste ste;

	iodt_assert_ok(iod_smmuv3_ste_decode(&ste, &raw));
	return ste;
}

static struct iod_smmuv3_cd cd_with(const struct stefix_field *set)
{
	struct stefix_words words = stefix_with(stefix_both, set);
	struct iod_smmuv3_raw_cd raw = stefix_cd(&words);
	struct iod_smmuv3_cd cd;

	iodt_assert_ok(iod_smmuv3_cd_decode(&cd, &raw));
	return cd;
}

static int get2(const struct stefix_field *set, struct iod_pgtable_cfg *cfg)
{
	struct iod_smmuv3_ste ste = ste_with(set);
	const char *why = NULL;
	uint64_t root;
	int ret = iod_smmuv3_ste_get_stage2(&ste, cfg, &root, &why);

	assert_true(!ret == !why);
	assert_int_equal(iod_smmuv3_ste_get_stage2(&ste, cfg, &root, NULL), ret);
	return ret;
}

static int get1(const struct stefix_field *set, bool upper, struct iod_pgtable_cfg *cfg)
{
	struct iod_smmuv3_cd cd = cd_with(set);
	const char *why = NULL;
	uint64_t root;
	int ret = iod_smmuv3_cd_get_stage1(&cd, upper, cfg, &root, &why);

	assert_true(!ret == !why);
	assert_int_equal(iod_smmuv3_cd_get_stage1(&cd, upper, cfg, &root, NULL), ret);
	return ret;
}

/* Hardware ignores the low bits of a root up to its size: entries x 8, 64 bytes at least (5.2, 5.4). */
static void roots_aligned_down(void **state)
{
	static const struct {
		struct stefix_field set[STEFIX_FIELDS];
		uint64_t root; /* of 0x7ffffffff0 */
	} s2[] = {
		/* 4 KiB, level 1 (39 bits a table). 40 bits: two tables; 43: sixteen */
		{ { GEO(24, 1, G4K) }, UINT64_C(0x7fffffe000) },
		{ { GEO(21, 1, G4K) }, UINT64_C(0x7fffff0000) },
		/* 36 bits: 64 entries; 33: 8 entries; 31: 2, which is less than 64 bytes */
		{ { GEO(28, 1, G4K) }, UINT64_C(0x7ffffffe00) },
		{ { GEO(31, 1, G4K) }, UINT64_C(0x7fffffffc0) },
		{ { GEO(33, 1, G4K) }, UINT64_C(0x7fffffffc0) },
		/* 64 KiB: level 2 has 42 bits; 40 bits are 2048 entries */
		{ { GEO(24, 1, G64K) }, UINT64_C(0x7fffffc000) },
		/* 32-bit, S2T0SZ 0, level 1 has 4 entries; S2SL0 0: level 2, four tables */
		{ { LPAE32, GEO(0, 1, G4K) }, UINT64_C(0x7fffffffc0) },
		{ { LPAE32, GEO(0, 0, G4K) }, UINT64_C(0x7fffffc000) },
	};
	static const struct {
		struct stefix_field set[STEFIX_FIELDS];
		bool upper;
		uint64_t root;
	} s1[] = {
		/* 4 KiB. 48 bits: 512 entries of level 0; 39: 512 of level 1; 37: 128 */
		{ { { CD_T0SZ, 6, 16 } }, false, UINT64_C(0x7ffffff000) },
		{ { { CD_T0SZ, 6, 25 } }, false, UINT64_C(0x7ffffff000) },
		{ { { CD_T0SZ, 6, 27 } }, false, UINT64_C(0x7ffffffc00) },
		{ { { CD_T1SZ, 6, 27 } }, true, UINT64_C(0x7ffffffc00) },
		/* 16 KiB (2), 48 bits: 2 entries at level 0 */
		{ { { CD_TG0, 2, 2 } }, false, UINT64_C(0x7fffffffc0) },
		/* 64 KiB (1), 48 bits: 64 entries at level 1 */
		{ { { CD_TG0, 2, 1 } }, false, UINT64_C(0x7ffffffe00) },
		/* 32-bit: T0SZ 0 is 4 entries, T0SZ 7 is 25 bits: 16 entries of level 2 */
		{ { { CD_AA64, 1, 0 } }, false, UINT64_C(0x7fffffffc0) },
		{ { { CD_AA64, 1, 0 }, { CD_T0SZ, 6, 7 } }, false, UINT64_C(0x7fffffff80) },
	};
	struct iod_pgtable_cfg cfg;
	struct iod_smmuv3_ste ste;
	struct iod_smmuv3_cd cd;
	uint64_t root;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(s2); i++) {
		ste = ste_with(s2[i].set);
		ste.s2ttb = UINT64_C(0x7ffffffff0);
		iodt_assert_ok(iod_smmuv3_ste_get_stage2(&ste, &cfg, &root, NULL));
		assert_int_equal(root, s2[i].root);
	}
	for (size_t i = 0; i < IODT_ARRAY_SIZE(s1); i++) {
		cd = cd_with(s1[i].set);
		cd.ttb0 = s1[i].upper ? 0 : UINT64_C(0x7ffffffff0);
		cd.ttb1 = s1[i].upper ? UINT64_C(0x7ffffffff0) : 0;
		iodt_assert_ok(iod_smmuv3_cd_get_stage1(&cd, s1[i].upper, &cfg, &root, NULL));
		assert_int_equal(root, s1[i].root);
	}
}

static void what_is_not_walked(void **state)
{
	struct iod_pgtable_cfg cfg;
	struct iod_smmuv3_ste ste = ste_with(NO_FIELDS);
	struct iod_smmuv3_cd cd = cd_with(NO_FIELDS);
	uint64_t root;

	iodt_assert_ok(get2(NO_FIELDS, &cfg));
	assert_int_equal(get2(FIELDS({ STE_S2ENDI, 1, 1 }), &cfg), -EOPNOTSUPP);
	assert_int_equal(get2(FIELDS({ STE_S2DS, 1, 1 }), &cfg), -EOPNOTSUPP);
	assert_int_equal(get2(FIELDS({ STE_S2PIE, 1, 1 }), &cfg), -EOPNOTSUPP);
	assert_int_equal(get2(FIELDS({ STE_S2POE, 1, 1 }), &cfg), -EOPNOTSUPP);
	assert_int_equal(get2(FIELDS({ STE_S2TG, 2, 3 }), &cfg), -EINVAL);
	assert_int_equal(get2(FIELDS(GEO(24, 3, G64K)), &cfg), -EINVAL);
	assert_int_equal(get2(FIELDS({ STE_CONFIG, 3, 5 }), &cfg), -EINVAL);
	assert_int_equal(get2(FIELDS({ STE_V, 1, 0 }), &cfg), -EINVAL);
	/* 52 bits in, 48 out: no table of this library. */
	assert_int_equal(get2(FIELDS(GEO(12, 2, G64K), PS48), &cfg), -EOPNOTSUPP);
	iodt_assert_ok(get2(FIELDS(GEO(12, 2, G64K), { STE_S2PS, 3, 6 }), &cfg));
	assert_true(cfg.ias == 52 && cfg.oas == 52);
	/* 32-bit LPAE: S2T0SZ 0 is 32 bits, 15 is 33. */
	iodt_assert_ok(get2(FIELDS({ STE_S2AA64, 1, 0 }, { STE_S2T0SZ, 6, 0 }), &cfg));
	assert_int_equal(cfg.ias, 32);
	assert_int_equal(get2(FIELDS({ STE_S2AA64, 1, 0 }, { STE_S2T0SZ, 6, 15 }), &cfg),
			 -EOPNOTSUPP);
	assert_int_equal(get2(FIELDS({ STE_S2AA64, 1, 0 }, { STE_S2T0SZ, 6, 8 }), &cfg),
			 -EOPNOTSUPP);
	/* S2AFFD; HA makes it meaningless. */
	iodt_assert_ok(get2(FIELDS({ STE_S2AFFD, 1, 1 }), &cfg));
	assert_int_equal(cfg.features, IOD_PT_NO_ACCESS_FAULT);
	iodt_assert_ok(get2(FIELDS({ STE_S2AFFD, 1, 1 }, { STE_S2HA, 1, 1 }), &cfg));
	assert_int_equal(cfg.features, IOD_PT_HW_ACCESS);
	iodt_assert_ok(get2(FIELDS({ STE_S2FWB, 1, 1 }), &cfg));
	assert_int_equal(cfg.features, IOD_PT_S2FWB);

	iodt_assert_ok(get1(NO_FIELDS, false, &cfg));
	iodt_assert_ok(get1(NO_FIELDS, true, &cfg));
	assert_int_equal(get1(FIELDS({ CD_EPD0, 1, 1 }), false, &cfg), -ENOENT);
	assert_int_equal(get1(FIELDS({ CD_ENDI, 1, 1 }), false, &cfg), -EOPNOTSUPP);
	assert_int_equal(get1(FIELDS({ CD_DS, 1, 1 }), true, &cfg), -EOPNOTSUPP);
	assert_int_equal(get1(FIELDS({ CD_PIE, 1, 1 }), true, &cfg), -EOPNOTSUPP);
	assert_int_equal(get1(FIELDS({ CD_TG0, 2, 3 }), false, &cfg), -EINVAL);
	assert_int_equal(get1(FIELDS({ CD_TG1, 2, 0 }), true, &cfg), -EINVAL);
	assert_int_equal(get1(FIELDS({ CD_V, 1, 0 }), true, &cfg), -EINVAL);
	assert_int_equal(get1(FIELDS({ CD_T0SZ, 6, 12 }, { CD_TG0, 2, 1 }), false, &cfg),
			 -EOPNOTSUPP);
	iodt_assert_ok(
		get1(FIELDS({ CD_T0SZ, 6, 12 }, { CD_TG0, 2, 1 }, { CD_IPS, 3, 6 }), false, &cfg));
	iodt_assert_ok(get1(FIELDS({ CD_AFFD, 1, 1 }), false, &cfg));
	assert_int_equal(cfg.features, IOD_PT_NO_ACCESS_FAULT);
	/* 32-bit LPAE: T1SZ 25 is 1 in three bits. With both sizes 0 the lower half has everything. */
	iodt_assert_ok(get1(FIELDS({ CD_AA64, 1, 0 }), true, &cfg));
	assert_true(cfg.ias == 31 && cfg.oas == 40);
	iodt_assert_ok(get1(FIELDS({ CD_AA64, 1, 0 }), false, &cfg));
	assert_int_equal(cfg.ias, 32);
	assert_int_equal(get1(FIELDS({ CD_AA64, 1, 0 }, { CD_T1SZ, 6, 0 }), true, &cfg), -ENOENT);
	assert_int_equal(
		get1(FIELDS({ CD_AA64, 1, 0 }, { CD_T1SZ, 6, 0 }, { CD_T0SZ, 6, 1 }), true, &cfg),
		-EOPNOTSUPP);

	assert_int_equal(iod_smmuv3_ste_get_stage2(NULL, &cfg, &root, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_get_stage2(&ste, NULL, &root, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_get_stage2(&ste, &cfg, NULL, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_get_stage1(NULL, false, &cfg, &root, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_get_stage1(&cd, false, NULL, &root, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_get_stage1(&cd, false, &cfg, NULL, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_set_stage2(NULL, NULL, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_set_stage2(&ste, NULL, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_set_stage1(NULL, NULL, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_set_stage1(&cd, NULL, 0), -EINVAL);
}

static const struct iodt_test tests[] = {
	{ "stage2", IODT_ARM, 0, stage2 },
	{ "stage1", IODT_ARM, 0, stage1 },
};

static const struct CMUnitTest plain[] = {
	cmocka_unit_test(two_halves),
	cmocka_unit_test(roots_aligned_down),
	cmocka_unit_test(what_is_not_walked),
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
