/* SPDX-License-Identifier: MIT */
/* ARM access flag and dirty state by hand (bits.md A1.9 - A1.13). */
#include "fakemem.h"

#define DBM  UINT64_C(0x0008000000000000)
#define CONT UINT64_C(0x0010000000000000)

/* 4K, L2[0] -> L3: page i at iova i << 12, its descriptor at 0x2000 + 8 * i */
static const struct mdl_table off = {
	.format = MDL_ARM_S1,
	.root = 0x1000,
	.granule_lg2 = 12,
	.ias = 30,
	.start_level = 2,
	.oas = 48,
};

static struct fakemem *mem(void)
{
	struct fakemem *m = fm_new();

	fm_add(m, 0x1000, 0x2000);
	fm_set(m, 0x1000, 0x2003);
	return m;
}

/* A1.12, stage 1 */
static void s1_states(void **state)
{
	struct mdl_table t = off;
	struct fakemem *m = mem();

	(void)state;
	fm_set(m, 0x2000, 0x10f47);
	fm_set(m, 0x2008, 0x11fc7);
	fm_set(m, 0x2010, DBM | 0x12f47);
	fm_set(m, 0x2018, DBM | 0x13fc7);
	fm_enum(&t, m, 2,
		"0 1000 10000 rwx a1 d- x1 L3\n"
		"1000 1000 11000 r-x a1 d- x1 L3\n"
		"2000 1000 12000 rwx a1 d1 x1 L3\n"
		"3000 1000 13000 r-x a1 d0 x1 L3\n");
	fm_access(&t, m, 0x3000, true, MDL_PERMISSION, 0x2018, DBM | 0x13fc7);
	t.hw_dirty = true; /* HD without HA: off (A1.10) */
	fm_access(&t, m, 0x3000, true, MDL_PERMISSION, 0x2018, DBM | 0x13fc7);
	t.hw_access = true;
	fm_walk(&t, m, 0x3000, "3000 1000 13000 rwx a1 d0 x1 L3");
	fm_access(&t, m, 0x3000, false, MDL_OK, 0x2018, DBM | 0x13fc7);
	assert_int_equal(m->writes, 0);
	fm_access(&t, m, 0x3000, true, MDL_OK, 0x2018, DBM | 0x13f47);
	assert_int_equal(m->writes, 1);
	fm_access(&t, m, 0x1000, true, MDL_PERMISSION, 0x2008, 0x11fc7);
	fm_access(&t, m, 0x0000, true, MDL_OK, 0x2000, 0x10f47);
	fm_access(&t, m, 0x2000, true, MDL_OK, 0x2010, DBM | 0x12f47);
	assert_int_equal(m->writes, 1);
	fm_free(m);
}

/* A1.12, stage 2: 0x77f is S2AP=01, 0x7ff S2AP=11, 0x7bf S2AP=10 */
static void s2_states(void **state)
{
	struct mdl_table t = off;
	struct fakemem *m = mem();

	(void)state;
	t.format = MDL_ARM_S2;
	fm_set(m, 0x2000, 0x107ff);
	fm_set(m, 0x2008, 0x1177f);
	fm_set(m, 0x2010, DBM | 0x127ff);
	fm_set(m, 0x2018, DBM | 0x1377f);
	fm_set(m, 0x2020, DBM | 0x1473f); /* S2AP=00: write-only and clean */
	fm_access(&t, m, 0x3000, true, MDL_PERMISSION, 0x2018, DBM | 0x1377f);
	t.hw_access = t.hw_dirty = true;
	fm_enum(&t, m, 2,
		"0 1000 10000 rwx a1 d- x1 L3\n"
		"1000 1000 11000 r-x a1 d- x1 L3\n"
		"2000 1000 12000 rwx a1 d1 x1 L3\n"
		"3000 1000 13000 rwx a1 d0 x1 L3\n"
		"4000 1000 14000 -wx a1 d0 x1 L3\n");
	fm_access(&t, m, 0x3000, true, MDL_OK, 0x2018, DBM | 0x137ff);
	fm_access(&t, m, 0x4000, false, MDL_PERMISSION, 0x2020, DBM | 0x1473f);
	fm_access(&t, m, 0x4000, true, MDL_OK, 0x2020, DBM | 0x147bf);
	fm_access(&t, m, 0x1000, true, MDL_PERMISSION, 0x2008, 0x1177f);
	fm_free(m);
}

/* A1.11 rules 1-3: AF and dirty in one exchange; a refused access changes nothing */
static void access_flag(void **state)
{
	struct mdl_table t = off;
	struct fakemem *m = mem();

	(void)state;
	fm_set(m, 0x2000, 0x10b47); /* AF=0 */
	fm_set(m, 0x2008, DBM | 0x11bc7);
	fm_set(m, 0x2010, 0x12bc7);
	fm_access(&t, m, 0, false, MDL_ACCESS_FLAG, 0x2000, 0x10b47);
	t.hw_access = t.hw_dirty = true;
	fm_access(&t, m, 0, false, MDL_OK, 0x2000, 0x10f47);
	fm_access(&t, m, 0x1000, true, MDL_OK, 0x2008, DBM | 0x11f47);
	fm_access(&t, m, 0x2000, true, MDL_PERMISSION, 0x2010, 0x12bc7);
	assert_int_equal(m->writes, 2);
	assert_int_equal(fm_get(m, 0x1000), 0x2003);
	fm_free(m);
}

/* A1.13 and A1.8: bit 10 of a table only with HAFT */
static void table_flag(void **state)
{
	struct mdl_table t = off;
	struct fakemem *m = mem();

	(void)state;
	fm_set(m, 0x2000, 0x10f47);
	fm_set(m, 0x2008, DBM | 0x11fc7);
	t.hw_table_access = true; /* needs HA */
	fm_access(&t, m, 0, false, MDL_OK, 0x1000, 0x2003);
	t.hw_access = t.hw_dirty = true;
	fm_access(&t, m, 0, false, MDL_OK, 0x1000, 0x2403);
	/* APTable[1]: not writable-clean, no dirty update */
	fm_set(m, 0x1000, UINT64_C(0x4000000000002003));
	fm_walk(&t, m, 0x1000, "1000 1000 11000 r-x a1 d0 x1 L3");
	fm_access(&t, m, 0x1000, true, MDL_PERMISSION, 0x2008, DBM | 0x11fc7);
	fm_free(m);
}

/* A1.9: one member is updated; reports are of the whole run */
static void run_update(void **state)
{
	struct mdl_table t = off;
	struct fakemem *m = mem();
	struct mdl_leaf leaf;
	uint64_t i;

	(void)state;
	t.hw_access = t.hw_dirty = true;
	for (i = 0; i < 16; i++)
		fm_set(m, 0x2080 + 8 * i, DBM | CONT | (0x20bc7 + (i << 12)));
	fm_walk(&t, m, 0x13000, "10000 10000 20000 rwx a0 d0 x16 L3");
	fm_access(&t, m, 0x15008, true, MDL_OK, 0x20a8, DBM | CONT | 0x25f47);
	assert_int_equal(m->writes, 1);
	assert_int_equal(fm_get(m, 0x2080), DBM | CONT | 0x20bc7);
	fm_walk(&t, m, 0x13000, "10000 10000 20000 rwx a1 d1 x16 L3");
	fm_enum(&t, m, 2, "10000 10000 20000 rwx a1 d1 x16 L3\n");
	/* an access elsewhere in the run updates its own member too */
	assert_int_equal(mdl_access(&t, &m->mem, 0x1f000, false, &leaf), MDL_OK);
	assert_int_equal(leaf.pte_pa, 0x20f8);
	assert_int_equal(leaf.pte, DBM | CONT | 0x2ffc7);
	assert_true(leaf.a && leaf.d == 1 && leaf.iova == 0x10000 && leaf.items == 16);
	fm_free(m);
}

/* A1.11 rule 11: the descriptor changed under the walk */
static void race(void **state)
{
	struct mdl_table t = off;
	struct fakemem *m = mem();

	(void)state;
	t.hw_access = t.hw_dirty = true;
	fm_set(m, 0x2000, DBM | 0x10fc7);
	m->race_pa = 0x2000;
	m->race_val = DBM | 0x77fc7;
	fm_access(&t, m, 0, true, MDL_OK, 0x2000, DBM | 0x77f47);
	assert_int_equal(m->writes, 1);
	fm_set(m, 0x2000, DBM | 0x10fc7);
	m->race_pa = 0x2000;
	m->race_val = 0;
	fm_access(&t, m, 0, true, MDL_NOT_PRESENT, 0x2000, 0);
	fm_set(m, 0x2000, DBM | 0x10fc7);
	m->mem.cmpxchg64 = NULL;
	fm_access(&t, m, 0, false, MDL_OK, 0x2000, DBM | 0x10fc7);
	fm_access(&t, m, 0, true, MDL_WALK_ABORT, 0x2000, DBM | 0x10fc7);
	fm_free(m);
}

int mdl_test_arm_ad(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(s1_states),   cmocka_unit_test(s2_states),
		cmocka_unit_test(access_flag), cmocka_unit_test(table_flag),
		cmocka_unit_test(run_update),  cmocka_unit_test(race),
	};

	return cmocka_run_group_tests_name("model: arm access and dirty", tests, NULL, NULL);
}
