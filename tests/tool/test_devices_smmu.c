/* SPDX-License-Identifier: MIT */
/* iod_smmuv3_visit_devices() on stream tables and context descriptors made by hand. */
#include "devfix.h"

#include <errno.h>

#define STRTAB		    UINT64_C(0x100000)
#define CD		    UINT64_C(0x120000)
#define TABLE		    UINT64_C(0x140000)
#define STE(n)		    (STRTAB + (n)*64)

#define LINEAR(bits)	    ((uint32_t)(bits))
#define TWO_LEVEL(bits, sp) ((uint32_t)(bits) | (uint32_t)(sp) << 6 | 1u << 16)
#define CONFIG(c)	    ((uint64_t)(c) << 1 | 1)
#define S1FMT(f)	    ((uint64_t)(f) << 4)
#define S1CDMAX(n)	    ((uint64_t)(n) << 59)

/* Word 2 of an STE: VMID 0x77, S2AA64, and the fields given. */
#define S2(t0sz, sl0, tg, ps)                                                           \
	(0x77 | (uint64_t)(t0sz) << 32 | (uint64_t)(sl0) << 38 | (uint64_t)(tg) << 46 | \
	 (uint64_t)(ps) << 48 | BIT(51))

/* Word 0 of a CD: V, AA64, EPD1, ASID 0x55, and the fields given. */
#define CD0(t0sz, tg0, ips)                                                                    \
	((uint64_t)(t0sz) | (uint64_t)(tg0) << 6 | BIT(30) | BIT(31) | (uint64_t)(ips) << 32 | \
	 BIT(41) | UINT64_C(0x55) << 48)
#define GOOD_CD CD0(16, 0, 5)

static void visit(struct devfix *fix, uint32_t cfg)
{
	fix->nr = 0;
	assert_int_equal(iod_smmuv3_visit_devices(fix->mem, STRTAB | BIT(62), cfg, devfix_fn, fix),
			 0);
}

static void arguments(void **state)
{
	struct devfix *fix = *state;
	struct iod_mem *mem = fix->mem;

	assert_int_equal(iod_smmuv3_visit_devices(NULL, STRTAB, 4, devfix_fn, fix), -EINVAL);
	assert_int_equal(iod_smmuv3_visit_devices(mem, STRTAB, 4, NULL, fix), -EINVAL);
	assert_int_equal(iod_smmuv3_visit_devices(mem, STRTAB, 2u << 16, devfix_fn, fix), -EINVAL);
	assert_int_equal(iod_smmuv3_visit_devices(mem, FIX_AWAY, 4, devfix_fn, fix), -EFAULT);
	assert_int_equal(iod_smmuv3_visit_devices(mem, FIX_AWAY, TWO_LEVEL(12, 8), devfix_fn, fix),
			 -EFAULT);
	assert_int_equal(fix->nr, 0);
	/* 2^16 entries are aligned to 4 MiB; memory holds the second MiB: a bad device per gap. */
	visit(fix, LINEAR(16));
	assert_int_equal(fix->nr, 2);
	devfix_bad(devfix_get(fix, 0, -1), "stream table", 0);
	devfix_bad(devfix_get(fix, 0x200000 / 64, -1), "stream table", 0x200000);
}

static void linear(void **state)
{
	struct devfix *fix = *state;
	const struct iod_device *dev;

	PUT(fix, STE(1), CONFIG(0));
	PUT(fix, STE(2), CONFIG(4));
	PUT(fix, STE(3), CONFIG(5) | CD);
	PUT(fix, STE(4), CONFIG(6), 0, S2(24, 1, 0, 4) | BIT(56) | BIT(55), TABLE);
	PUT(fix, STE(5), CONFIG(4) & ~UINT64_C(1)); /* V=0 */
	PUT(fix, STE(6), CONFIG(5) | FIX_AWAY);
	PUT(fix, STE(7), CONFIG(5) | (CD + 64)); /* CD.V=0 */
	PUT(fix, STE(16), CONFIG(4));		 /* beyond LOG2SIZE */
	PUT(fix, CD, GOOD_CD | BIT(43) | BIT(42), TABLE | BIT(3), 0, 0x1122334455667788);
	visit(fix, LINEAR(4));
	assert_int_equal(fix->nr, 6);
	assert_int_equal(devfix_get(fix, 1, -1)->kind, IOD_DEVICE_BLOCKED);
	dev = devfix_get(fix, 2, -1);
	assert_int_equal(dev->kind, IOD_DEVICE_BYPASS);
	assert_string_equal(dev->translation, "bypass");

	dev = devfix_get(fix, 3, -1);
	assert_int_equal(dev->kind, IOD_DEVICE_TRANSLATED);
	assert_string_equal(dev->translation, "stage1");
	assert_int_equal(dev->stage, 1);
	assert_int_equal(dev->domain, 0x55);
	assert_int_equal(dev->root, TABLE);
	assert_int_equal(dev->entry_pa, CD);
	assert_int_equal(dev->cfg.format, IOD_ARM_LPAE_S1);
	assert_int_equal(dev->cfg.features,
			 IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY | IOD_PT_HW_TABLE_ACCESS);
	assert_int_equal(dev->cfg.ias, 48);
	assert_int_equal(dev->cfg.oas, 48);
	assert_int_equal(dev->cfg.granule, 4096);
	assert_int_equal(dev->cfg.mair, 0x1122334455667788);

	dev = devfix_get(fix, 4, -1);
	assert_string_equal(dev->translation, "stage2");
	assert_int_equal(dev->stage, 2);
	assert_int_equal(dev->domain, 0x77);
	assert_int_equal(dev->root, TABLE);
	assert_int_equal(dev->cfg.format, IOD_ARM_LPAE_S2);
	assert_int_equal(dev->cfg.features, IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY);
	assert_int_equal(dev->cfg.ias, 40);
	assert_int_equal(dev->cfg.oas, 44);
	assert_int_equal(dev->cfg.levels, 3); /* 40 bits from level 1: two concatenated tables */
	devfix_bad(devfix_get(fix, 6, -1), "not in memory", FIX_AWAY);
	devfix_bad(devfix_get(fix, 7, -1), "V=0", CD + 64);
}

static void two_level(void **state)
{
	struct devfix *fix = *state;
	const uint64_t leaf = STRTAB + 0x10000;

	PUT(fix, STRTAB + 0 * 8, leaf | 9);  /* 256 entries */
	PUT(fix, STRTAB + 1 * 8, leaf | 1);  /* 1 entry */
	PUT(fix, STRTAB + 2 * 8, leaf);	     /* Span 0: invalid */
	PUT(fix, STRTAB + 3 * 8, leaf | 12); /* reserved: as 0 */
	PUT(fix, STRTAB + 4 * 8, leaf | 10); /* more than SPLIT */
	PUT(fix, STRTAB + 5 * 8, FIX_AWAY | 3);
	PUT(fix, STRTAB + 16 * 8, leaf | 9); /* beyond LOG2SIZE */
	PUT(fix, leaf, CONFIG(4));
	PUT(fix, leaf + 255 * 64, CONFIG(4));
	visit(fix, TWO_LEVEL(12, 8));
	assert_int_equal(fix->nr, 5);
	assert_int_equal(devfix_get(fix, 0, -1)->kind, IOD_DEVICE_BYPASS);
	assert_int_equal(devfix_get(fix, 255, -1)->kind, IOD_DEVICE_BYPASS);
	assert_int_equal(devfix_get(fix, 256, -1)->kind, IOD_DEVICE_BYPASS);
	devfix_bad(devfix_get(fix, 4 * 256, -1), "Span", STRTAB + 4 * 8);
	devfix_bad(devfix_get(fix, 5 * 256, -1), "level-2 stream table", FIX_AWAY);
	/* SPLIT 6 and 10; the reserved 7 is 6. */
	visit(fix, TWO_LEVEL(20, 10));
	assert_int_equal(devfix_get(fix, 1024, -1)->kind, IOD_DEVICE_BYPASS);
	visit(fix, TWO_LEVEL(8, 7));
	assert_int_equal(devfix_get(fix, 64, -1)->kind, IOD_DEVICE_BYPASS);
}

/* The device of a CD with these words. */
static const struct iod_device *one_cd(struct devfix *fix, uint64_t w0, uint64_t w1, uint64_t w2)
{
	PUT(fix, STE(1), CONFIG(5) | CD);
	PUT(fix, CD, w0, w1, w2, 0);
	visit(fix, LINEAR(3));
	assert_int_equal(fix->nr, 1);
	return devfix_get(fix, 1, -1);
}

static void stage1_geometry(void **state)
{
	struct devfix *fix = *state;
	const struct iod_device *dev;

	dev = one_cd(fix, CD0(25, 2, 2), TABLE, 0);
	assert_int_equal(dev->cfg.granule, 16384);
	assert_int_equal(dev->cfg.ias, 39);
	assert_int_equal(dev->cfg.oas, 40);
	dev = one_cd(fix, CD0(12, 1, 6), TABLE, 0);
	assert_int_equal(dev->cfg.granule, 65536);
	assert_int_equal(dev->cfg.ias, 52);
	assert_int_equal(dev->cfg.oas, 52);
	assert_int_equal(one_cd(fix, CD0(16, 0, 6), TABLE, 0)->cfg.oas, 48);
	assert_int_equal(one_cd(fix, CD0(40, 0, 0), TABLE, 0)->cfg.features, IOD_PT_SMALL);
	/* HD without HA does nothing. */
	assert_int_equal(one_cd(fix, GOOD_CD | BIT(42), TABLE, 0)->cfg.features, 0);
	assert_int_equal(one_cd(fix, GOOD_CD | BIT(43), TABLE, 0)->cfg.features, IOD_PT_HW_ACCESS);
	/* 32-bit LPAE: T0SZ has three bits. */
	dev = one_cd(fix, (GOOD_CD & ~BIT(41) & ~UINT64_C(63)) | 2, TABLE, 0);
	assert_int_equal(dev->cfg.features, IOD_PT_LPAE32);
	assert_int_equal(dev->cfg.ias, 30);
	assert_int_equal(dev->cfg.oas, 40);

	devfix_bad(one_cd(fix, CD0(16, 3, 5), TABLE, 0), "TG0", CD);
	devfix_bad(one_cd(fix, CD0(15, 0, 5), TABLE, 0), "T0SZ", CD);
	devfix_bad(one_cd(fix, CD0(49, 0, 5), TABLE, 0), "T0SZ", CD);
	devfix_bad(one_cd(fix, CD0(48, 1, 5), TABLE, 0), "T0SZ", CD);
	devfix_bad(one_cd(fix, GOOD_CD | BIT(15), TABLE, 0), "big-endian", CD);
	devfix_bad(one_cd(fix, GOOD_CD, TABLE, BIT(58)), "DS", CD);
	assert_int_equal(one_cd(fix, GOOD_CD | BIT(14), TABLE, 0)->kind, IOD_DEVICE_BLOCKED);
}

static void both_halves(void **state)
{
	struct devfix *fix = *state;
	const struct iod_device *lower, *upper;
	/* T1SZ=25, TG1=3 (64K), both halves walked. */
	const uint64_t cd0 = (GOOD_CD & ~BIT(30)) | 25 << 16 | 3 << 22;

	PUT(fix, STE(1), CONFIG(5) | CD);
	PUT(fix, CD, cd0, TABLE, TABLE + 0x10000, 0);
	visit(fix, LINEAR(1));
	assert_int_equal(fix->nr, 2);
	lower = &fix->found[0];
	upper = &fix->found[1];
	assert_int_equal(lower->root, TABLE);
	assert_int_equal(lower->cfg.features, 0);
	assert_int_equal(upper->root, TABLE + 0x10000);
	assert_int_equal(upper->cfg.features, IOD_PT_UPPER);
	assert_int_equal(upper->cfg.granule, 65536);
	assert_int_equal(upper->cfg.ias, 39);
	/* EPD0: only the upper half. STRW=EL2: no upper half. */
	PUT(fix, CD, cd0 | BIT(14));
	visit(fix, LINEAR(1));
	assert_int_equal(fix->nr, 1);
	assert_int_equal(fix->found[0].cfg.features, IOD_PT_UPPER);
	PUT(fix, CD, cd0);
	PUT(fix, STE(1), CONFIG(5) | CD, BIT(31));
	visit(fix, LINEAR(1));
	assert_int_equal(fix->nr, 1);
	assert_int_equal(fix->found[0].cfg.features, 0);
}

static void substreams(void **state)
{
	struct devfix *fix = *state;

	/* Linear, 4 descriptors: 0 and 2 valid. S1DSS: 0 terminate, 1 bypass, 2 descriptor 0. */
	PUT(fix, STE(1), CONFIG(5) | CD | S1CDMAX(2), 0);
	PUT(fix, CD, GOOD_CD, TABLE);
	PUT(fix, CD + 2 * 64, GOOD_CD, TABLE + 0x2000);
	visit(fix, LINEAR(1));
	assert_int_equal(fix->nr, 3);
	assert_int_equal(devfix_get(fix, 1, -1)->kind, IOD_DEVICE_BLOCKED);
	assert_int_equal(devfix_get(fix, 1, 0)->root, TABLE);
	assert_int_equal(devfix_get(fix, 1, 2)->root, TABLE + 0x2000);
	PUT(fix, STE(1) + 8, 1);
	visit(fix, LINEAR(1));
	assert_int_equal(fix->nr, 3);
	assert_int_equal(devfix_get(fix, 1, -1)->kind, IOD_DEVICE_BYPASS);
	PUT(fix, STE(1) + 8, 2);
	visit(fix, LINEAR(1));
	assert_int_equal(fix->nr, 2);
	assert_int_equal(devfix_get(fix, 1, -1)->root, TABLE);
	assert_int_equal(devfix_get(fix, 1, 2)->root, TABLE + 0x2000);

	/* Two levels with leaves of 64: descriptors 0 and 64 + 7, and a leaf that is not there. */
	PUT(fix, STE(1), CONFIG(5) | (CD + 0x8000) | S1CDMAX(8) | S1FMT(1), 2);
	PUT(fix, CD + 0x8000, CD | 1, (CD + 0x1000) | 1, FIX_AWAY | 1, 0);
	PUT(fix, CD + 0x1000 + 7 * 64, GOOD_CD, TABLE + 0x3000);
	visit(fix, LINEAR(1));
	assert_int_equal(fix->nr, 4);
	assert_int_equal(devfix_get(fix, 1, -1)->root, TABLE);
	assert_int_equal(devfix_get(fix, 1, 2)->root, TABLE + 0x2000);
	assert_int_equal(devfix_get(fix, 1, 71)->root, TABLE + 0x3000);
	devfix_bad(devfix_get(fix, 1, 128), "context descriptor", FIX_AWAY);

	/* Leaves of 1024: the second level-1 descriptor stands for substreams from 1024. */
	PUT(fix, STE(1), CONFIG(5) | (CD + 0x8000) | S1CDMAX(11) | S1FMT(2), 2);
	PUT(fix, CD + 0x8000, CD | 1, (CD + 0x11000) | 1, 0, 0); /* L2Ptr[15:12]: RES0 */
	PUT(fix, CD + 0x10000 + 7 * 64, GOOD_CD, TABLE + 0x4000);
	visit(fix, LINEAR(1));
	assert_int_equal(devfix_get(fix, 1, 1024 + 7)->root, TABLE + 0x4000);
	PUT(fix, STE(1), CONFIG(5) | CD | S1CDMAX(21), 2);
	visit(fix, LINEAR(1));
	devfix_bad(devfix_get(fix, 1, -1), "S1CDMax", STE(1));
}

static const struct iod_device *one_s2(struct devfix *fix, uint64_t w2, uint64_t w3)
{
	PUT(fix, STE(1), CONFIG(6), 0, w2, w3 | TABLE);
	visit(fix, LINEAR(1));
	assert_int_equal(fix->nr, 1);
	return devfix_get(fix, 1, -1);
}

static void stage2_geometry(void **state)
{
	struct devfix *fix = *state;
	const struct iod_device *dev;

	/* Start levels: formats by granule, T0SZ and SL0 as the architecture's table pairs them. */
	assert_int_equal(one_s2(fix, S2(16, 2, 0, 5), 0)->cfg.levels, 4);
	assert_int_equal(one_s2(fix, S2(21, 1, 0, 5), 0)->cfg.levels, 3); /* 16 tables */
	assert_int_equal(one_s2(fix, S2(34, 0, 0, 5), 0)->cfg.levels, 2);
	assert_int_equal(one_s2(fix, S2(16, 2, 2, 5), 0)->cfg.levels, 3); /* 16K, 2 tables */
	assert_int_equal(one_s2(fix, S2(28, 1, 2, 5), 0)->cfg.levels, 2);
	assert_int_equal(one_s2(fix, S2(16, 2, 1, 6), 0)->cfg.levels, 3); /* 64K */
	assert_int_equal(one_s2(fix, S2(22, 1, 1, 5), 0)->cfg.levels, 2);
	dev = one_s2(fix, S2(43, 3, 0, 0), 0); /* small: one level */
	assert_int_equal(dev->cfg.levels, 1);
	assert_int_equal(dev->cfg.features, IOD_PT_SMALL);
	assert_int_equal(dev->cfg.oas, 32);

	devfix_bad(one_s2(fix, S2(20, 1, 0, 5), 0), "fit", STE(1)); /* 32 tables */
	devfix_bad(one_s2(fix, S2(34, 1, 0, 5), 0), "fit", STE(1)); /* level 2 would do */
	devfix_bad(one_s2(fix, S2(25, 2, 0, 5), 0), "fit", STE(1));
	devfix_bad(one_s2(fix, S2(24, 3, 1, 5), 0), "fit", STE(1)); /* reserved SL0 */
	devfix_bad(one_s2(fix, S2(24, 1, 3, 5), 0), "S2TG", STE(1));
	devfix_bad(one_s2(fix, S2(15, 2, 0, 5), 0), "S2T0SZ", STE(1));
	devfix_bad(one_s2(fix, S2(24, 1, 0, 5) | BIT(52), 0), "big-endian", STE(1));
	devfix_bad(one_s2(fix, S2(24, 1, 0, 5), BIT(3)), "DS", STE(1));

	/* 32-bit LPAE: signed size; more than 32 bits are legal, but for no page table of this library. */
	dev = one_s2(fix, 0x77 | UINT64_C(1) << 38, 0);
	assert_int_equal(dev->cfg.features, IOD_PT_LPAE32);
	assert_int_equal(dev->cfg.ias, 32);
	assert_int_equal(dev->cfg.levels, 3);
	devfix_bad(one_s2(fix, 0x77 | UINT64_C(8) << 32 | UINT64_C(1) << 38, 0), "32 bits", STE(1));
	devfix_bad(one_s2(fix, 0x77 | UINT64_C(2) << 38, 0), "S2SL0", STE(1));
	devfix_bad(one_s2(fix, 0x77 | BIT(56), 0), "32-bit", STE(1));
}

/* The context descriptor lies at a guest address that stage 2 maps in one 1 GiB block. */
static void nested(void **state)
{
	struct devfix *fix = *state;
	const uint64_t guest = 0x40000000;
	const struct iod_device *dev;

	/* Block of level 1 for IPA 1 GiB: output 0, AF, read and write, normal memory. */
	PUT(fix, TABLE + 8, BIT(10) | 3 << 6 | 0xf << 2 | 1);
	PUT(fix, STE(1), CONFIG(7) | (guest + CD), BIT(25), S2(25, 1, 0, 5), TABLE);
	PUT(fix, STE(2), CONFIG(7) | CD, 0, S2(25, 1, 0, 5), TABLE); /* not mapped by stage 2 */
	PUT(fix, STE(3), CONFIG(7) | (guest + CD), 0, S2(25, 1, 0, 5), FIX_AWAY);
	PUT(fix, STE(4), CONFIG(7) | (guest + CD) | S1CDMAX(1), 1, S2(25, 1, 0, 5), TABLE);
	PUT(fix, CD, GOOD_CD, guest + 0x5000);
	visit(fix, LINEAR(3));
	dev = devfix_get(fix, 1, -1);
	assert_int_equal(dev->kind, IOD_DEVICE_TRANSLATED);
	assert_string_equal(dev->translation, "nested");
	assert_int_equal(dev->stage, 3);
	assert_int_equal(dev->domain, 0x55);
	assert_int_equal(dev->entry_pa, CD); /* where it really lies */
	assert_int_equal(dev->cfg.format, IOD_ARM_LPAE_S1);
	assert_int_equal(dev->root, guest + 0x5000);
	assert_int_equal(dev->cfg2.format, IOD_ARM_LPAE_S2);
	assert_int_equal(dev->cfg2.features, IOD_PT_S2FWB);
	assert_int_equal(dev->cfg2.domain, 0x77);
	assert_int_equal(dev->root2, TABLE);
	assert_null(dev->cfg2.mem);
	devfix_bad(devfix_get(fix, 2, -1), "context descriptor", CD);
	devfix_bad(devfix_get(fix, 3, -1), "stage-2", FIX_AWAY);
	/* S1DSS=1: plain requests skip stage 1 only. */
	dev = devfix_get(fix, 4, -1);
	assert_string_equal(dev->translation, "stage2");
	assert_int_equal(dev->root, TABLE);
	assert_int_equal(dev->domain, 0x77);
	assert_int_equal(devfix_get(fix, 4, 0)->stage, 3);
}

static int count_only(void *cookie, const struct iod_device *device)
{
	uint64_t *count = cookie;

	count[device->kind == IOD_DEVICE_BAD]++;
	return 0;
}

/* 2^17 level-1 descriptors that all name one leaf table of 1024 valid entries: 2^27 streams. */
static void bounded(void **state)
{
	struct devfix *fix = *state;
	uint64_t count[2] = { 0 };
	unsigned i;

	for (i = 0; i < FIX_LEN / 8; i++)
		PUT(fix, STRTAB + i * 8, (STRTAB + 0x10000) | 11);
	/* As entries these words are valid, too: V=1, Config=5, without a valid descriptor. */
	assert_int_equal(
		iod_smmuv3_visit_devices(fix->mem, STRTAB, TWO_LEVEL(27, 10), count_only, count),
		0);
	assert_true(count[0] + count[1] <= (1u << 24) + 1);
	assert_true(count[1] >= 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, devfix_setup, devfix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(arguments),       TEST(linear),	  TEST(two_level),
		TEST(stage1_geometry), TEST(both_halves), TEST(substreams),
		TEST(stage2_geometry), TEST(nested),	  TEST(bounded),
	};

	return cmocka_run_group_tests_name("devices_smmu", tests, NULL, NULL);
}
