/* SPDX-License-Identifier: MIT */
/* Bits to be ignored, configurations that make no sense, runs at their edges. */
#include "fakemem.h"

#define CONT UINT64_C(0x0010000000000000)
#define RW   UINT64_C(0x6000000000000000)

static void expect_bad(struct mdl_table t)
{
	struct fakemem *m = fm_new();

	fm_add(m, 0, 0x100000);
	fm_fault(&t, m, 0, MDL_WALK_ABORT);
	assert_int_equal(mdl_enumerate(&t, &m->mem, NULL, NULL, NULL), -1);
	fm_free(m);
}

static void expect_good(struct mdl_table t)
{
	struct fakemem *m = fm_new();

	fm_add(m, 0, 0x200000);
	fm_fault(&t, m, t.upper ? UINT64_MAX : 0, MDL_NOT_PRESENT);
	fm_free(m);
}

static struct mdl_table arm(enum mdl_format format, unsigned lg2, unsigned ias, int level)
{
	return (struct mdl_table){
		.format = format, .granule_lg2 = lg2, .ias = ias, .start_level = level, .oas = 48
	};
}

/* A1.3, A1.4 */
static void arm_config(void **state)
{
	struct mdl_table t;

	(void)state;
	expect_good(arm(MDL_ARM_S1, 12, 48, 0));
	expect_bad(arm(MDL_ARM_S1, 12, 49, 0));
	expect_bad(arm(MDL_ARM_S1, 12, 39, 0)); /* T0SZ 25: from L1 */
	expect_good(arm(MDL_ARM_S1, 12, 40, 0));
	expect_bad(arm(MDL_ARM_S1, 12, 40, 1));	 /* no concatenation */
	expect_good(arm(MDL_ARM_S2, 12, 43, 1)); /* x 16 */
	expect_bad(arm(MDL_ARM_S2, 12, 44, 1));
	expect_bad(arm(MDL_ARM_S1, 12, 20, 4));
	expect_bad(arm(MDL_ARM_S1, 12, 48, -1));
	expect_bad(arm(MDL_ARM_S1, 13, 39, 1));
	expect_bad(arm(MDL_ARM_S1, 16, 48, 0));
	expect_good(arm(MDL_ARM_S1, 14, 48, 0));
	expect_bad(arm(MDL_ARM_S2, 14, 48, 0));
	t = arm(MDL_ARM_S1, 16, 52, 1);
	expect_bad(t);
	t.lpa52 = true;
	expect_good(t);
	t.ias = 53;
	expect_bad(t);
	t = arm(MDL_ARM_S1, 12, 39, 1);
	t.lpa52 = true;
	expect_bad(t);
	t = arm(MDL_ARM_S1, 12, 32, 1);
	t.lpae32 = true;
	expect_good(t);
	t.ias = 33;
	expect_bad(t);
	t = arm(MDL_ARM_S1, 14, 32, 2);
	t.lpae32 = true;
	expect_bad(t);
	t = arm(MDL_ARM_S2, 12, 39, 1);
	t.upper = true;
	expect_bad(t);
	t.format = MDL_ARM_S1;
	expect_good(t);
}

/* RES0 or ignored: A1.1 bits 49:48 without DS, A1.8 bits 11:2 and 58:51, A2.2 62:52 */
static void ignored_bits(void **state)
{
	struct mdl_table t = arm(MDL_ARM_S1, 12, 39, 1);
	struct fakemem *m = fm_new();

	(void)state;
	fm_add(m, 0x1000, 0x3000);
	t.root = 0x1000;
	fm_set(m, 0x1000, UINT64_C(0x87fb000000002fff));
	fm_set(m, 0x2000, UINT64_C(0x87fb000000003fff));
	fm_set(m, 0x3000, UINT64_C(0xff83000012345f47)); /* 63:55 and 49:48 */
	fm_enum(&t, m, 3, "0 1000 12345000 rwx a1 d- x1 L3\n");
	fm_set(m, 0x2008, UINT64_C(0x405fef45)); /* 2M: bits 20:12 RES0, nT */
	fm_walk(&t, m, 0x200000, "200000 200000 40400000 rwx a1 d- x1 L2");

	t = (struct mdl_table){ .format = MDL_AMD_V2, .root = 0x1000, .levels = 4 };
	fm_set(m, 0x1000, UINT64_C(0x7ff0000000002f7f)); /* all but PS, XD */
	fm_set(m, 0x2000, UINT64_C(0x7ff0000000003f7f));
	fm_set(m, 0x3000, UINT64_C(0x7ff0000040201f9f)); /* 2M, PAT in bit 12 */
	fm_set(m, 0x2008, 0);
	fm_walk(&t, m, 0, "0 200000 40200000 rwx a0 d0 x1 L2");
	t.oas = 30; /* 0x40200000 is beyond */
	fm_fault(&t, m, 0, MDL_RESERVED);
	t.oas = 31;
	fm_walk(&t, m, 0, "0 200000 40200000 rwx a0 d0 x1 L2");
	fm_free(m);
}

/* ias 33 from L1: 8 entries, so no run of 16; ias 34 is just enough */
static void run_and_root(void **state)
{
	struct mdl_table t = arm(MDL_ARM_S1, 12, 33, 1);
	struct fakemem *m = fm_new();
	uint64_t i;

	(void)state;
	fm_add(m, 0x1000, 0x1000);
	t.root = 0x1000;
	for (i = 0; i < 16; i++)
		fm_set(m, 0x1000 + 8 * i, CONT | (i << 30) | 0xf45);
	fm_walk(&t, m, 0x1c0000000, "1c0000000 40000000 1c0000000 rwx a1 d- x1 L1");
	t.ias = 34;
	fm_walk(&t, m, 0x1c0000000, "0 400000000 0 rwx a1 d- x16 L1");
	fm_set(m, 0x1010, 0); /* a hole */
	fm_walk(&t, m, 0x1c0000000, "1c0000000 40000000 1c0000000 rwx a1 d- x1 L1");
	fm_set(m, 0x1010, UINT64_C(0x4000003)); /* a table: claims no size */
	fm_walk(&t, m, 0x1c0000000, "1c0000000 40000000 1c0000000 rwx a1 d- x1 L1");
	/* software bits may differ, MemAttr may not; 63 is software's in stage 1 only */
	fm_set(m, 0x1010, CONT | UINT64_C(0x8780000080000f45));
	fm_walk(&t, m, 0x1c0000000, "0 400000000 0 rwx a1 d- x16 L1");
	t.format = MDL_ARM_S2;
	fm_walk(&t, m, 0x1c0000000, "1c0000000 40000000 1c0000000 r-x a1 d- x1 L1");
	t.format = MDL_ARM_S1;
	fm_set(m, 0x1010, CONT | UINT64_C(0x80000f49));
	fm_walk(&t, m, 0x1c0000000, "1c0000000 40000000 1c0000000 rwx a1 d- x1 L1");
	fm_set(m, 0x1010, CONT | UINT64_C(0x1000000080000f45)); /* bit 60, PBHA */
	fm_walk(&t, m, 0x1c0000000, "1c0000000 40000000 1c0000000 rwx a1 d- x1 L1");
	fm_free(m);
}

/* Contiguous is RES0 at 16K L1 (no block) and 64K L1: a 4T block stays one */
static void run_res0(void **state)
{
	struct mdl_table t = arm(MDL_ARM_S1, 16, 52, 1);
	struct fakemem *m = fm_new();

	(void)state;
	t.lpa52 = true;
	t.oas = 52;
	fm_add(m, 0, 0x2000);
	fm_set(m, 0x0, CONT | UINT64_C(0x0f45));
	fm_set(m, 0x8, CONT | UINT64_C(0x40000000f45));
	fm_enum(&t, m, 1,
		"0 40000000000 0 rwx a1 d- x1 L1\n"
		"40000000000 40000000000 40000000000 rwx a1 d- x1 L1\n");
	fm_free(m);
}

/* 32 pages of 64K with OA[51:48] = 3: a run; one with 4 is not of it */
static void run_lpa52(void **state)
{
	struct mdl_table t = arm(MDL_ARM_S1, 16, 29, 3);
	struct fakemem *m = fm_new();
	uint64_t i;

	(void)state;
	t.lpa52 = true;
	t.oas = 52;
	fm_add(m, 0, 0x10000);
	for (i = 0; i < 32; i++)
		fm_set(m, 8 * i, CONT | (i << 16) | 0x603f47);
	fm_enum(&t, m, 1, "0 200000 3000000600000 rwx a1 d- x32 L3\n");
	fm_set(m, 8, CONT | 0x614f47);
	fm_walk(&t, m, 0, "0 10000 3000000600000 rwx a1 d- x1 L3");
	fm_walk(&t, m, 0x10000, "10000 10000 4000000610000 rwx a1 d- x1 L3");
	fm_free(m);
}

/* Groups of AMD: what is compared (A3.1) and what not */
static void replica_bits(void **state)
{
	struct mdl_table t = { .format = MDL_AMD_V1, .levels = 1, .oas = 48 };
	struct fakemem *m = fm_new();

	(void)state;
	fm_add(m, 0, 0x1000);
	fm_set(m, 0x0, RW | 0x40000e01);
	fm_set(m, 0x8, RW | UINT64_C(0x8000000040000fff));
	fm_enum(&t, m, 1, "0 2000 40000000 rwx a1 d1 x2 L1\n");
	fm_set(m, 0x8, UINT64_C(0x2000000040000e01)); /* IW differs */
	fm_enum(&t, m, 1,
		"0 1000 40000000 rwx a0 d0 x1 L1\n"
		"1000 1000 40001000 r-x a0 d0 x1 L1\n");
	fm_set(m, 0x8, RW | 0x40002e01); /* SPA differs */
	fm_walk(&t, m, 0x1000, "1000 1000 40003000 rwx a0 d0 x1 L1");
	fm_set(m, 0x8, RW | 0x40001001); /* NextLevel 0 */
	fm_walk(&t, m, 0x1000, "1000 1000 40001000 rwx a0 d0 x1 L1");
	fm_walk(&t, m, 0, "0 1000 40000000 rwx a0 d0 x1 L1");
	fm_free(m);
}

/* What mdl_access() hands back */
static void access_result(void **state)
{
	struct mdl_table t = arm(MDL_ARM_S1, 12, 21, 3);
	struct fakemem *m = fm_new();
	struct mdl_leaf l;

	(void)state;
	fm_add(m, 0, 0x1000);
	t.hw_access = true;
	fm_set(m, 0, UINT64_C(0x0008000000010bc7));
	assert_int_equal(mdl_access(&t, &m->mem, 0x123, true, &l), MDL_PERMISSION);
	assert_true(!l.a && l.d == 0 && !l.w && l.pa == 0x10000);
	assert_int_equal(mdl_access(&t, &m->mem, 0x123, false, &l), MDL_OK);
	assert_true(l.a && l.d == 0 && l.pte == UINT64_C(0x0008000000010fc7));
	t.hw_dirty = true;
	assert_int_equal(mdl_access(&t, &m->mem, 0x123, true, &l), MDL_OK);
	assert_true(l.a && l.d == 1 && l.w && l.pte_pa == 0 && l.items == 1);
	fm_set(m, 0, 0x10f47); /* untracked */
	assert_int_equal(mdl_access(&t, &m->mem, 0x123, true, &l), MDL_OK);
	assert_true(l.a && l.d == -1);
	assert_int_equal(m->writes, 2);
	assert_int_equal(mdl_access(&t, &m->mem, 0x1000, true, NULL), MDL_NOT_PRESENT);
	fm_free(m);
}

static int stop_at_2(void *cookie, const struct mdl_leaf *leaf)
{
	(void)leaf;
	return ++*(int *)cookie == 2 ? 77 : 0;
}

static void enumerate_stops(void **state)
{
	struct mdl_table t = arm(MDL_ARM_S1, 12, 30, 2);
	struct fakemem *m = fm_new();
	int n = 0, i;

	(void)state;
	fm_add(m, 0x0, 0x2000);
	fm_set(m, 0x0, 0x1003);
	fm_set(m, 0x8, 0x200f45);
	for (i = 0; i < 3; i++)
		fm_set(m, 0x1000 + 8 * (uint64_t)i, 0x5f47);
	assert_int_equal(mdl_enumerate(&t, &m->mem, stop_at_2, &n, NULL), 77);
	assert_int_equal(n, 2);
	fm_free(m);
}

int mdl_test_edge(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(arm_config),	 cmocka_unit_test(ignored_bits),
		cmocka_unit_test(run_and_root),	 cmocka_unit_test(run_res0),
		cmocka_unit_test(run_lpa52),	 cmocka_unit_test(replica_bits),
		cmocka_unit_test(access_result), cmocka_unit_test(enumerate_stops),
	};

	return cmocka_run_group_tests_name("model: edges", tests, NULL, NULL);
}
