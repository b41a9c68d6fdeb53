/* SPDX-License-Identifier: MIT */
/*
 * VT-d and x86 tables by hand (bits.md A2.1 - A2.3, A3.5).
 * SS: R 1, W 2, PS 0x80, A 0x100, D 0x200. FS/v2: P 1, RW 2, US 4, A 0x20, D 0x40, PS 0x80, XD 63.
 */
#include "fakemem.h"

#define XD UINT64_C(0x8000000000000000)

static const struct mdl_table ss4 = {
	.format = MDL_VTD_SS,
	.root = 0x1000,
	.granule_lg2 = 12,
	.levels = 4,
	.oas = 46,
};

/* PML4[1] -> PDP[2] -> PD[3] -> PT[4], the same split as ARM 4K: 0x8080604000 */
static struct fakemem *mem(uint64_t flags)
{
	struct fakemem *m = fm_new();

	fm_add(m, 0x0, 0x6000);
	fm_set(m, 0x1008, 0x2000 | flags);
	fm_set(m, 0x2010, 0x3000 | flags);
	fm_set(m, 0x3018, 0x4000 | flags);
	fm_set(m, 0x4020, 0x12345000 | flags);
	return m;
}

static void ss_sizes(void **state)
{
	struct mdl_table t = ss4;
	struct fakemem *m = mem(3);

	(void)state;
	fm_set(m, 0x4028, 0x12346301); /* R, A and D set */
	fm_set(m, 0x4030, 0x12347082); /* W only; bit 7 ignored in a PTE */
	fm_set(m, 0x3028, 0x40200883); /* 2M, PD[5], SNP */
	fm_set(m, 0x2018, 0x80000083); /* 1G, PDP[3] */
	fm_set(m, 0x4040, 0x12349f04); /* R=W=0: not present, whatever else */
	fm_enum(&t, m, 4,
		"8080604000 1000 12345000 rwx a0 d0 x1 L1\n"
		"8080605000 1000 12346000 r-x a1 d1 x1 L1\n"
		"8080606000 1000 12347000 -w- a0 d0 x1 L1\n"
		"8080a00000 200000 40200000 rwx a0 d0 x1 L2\n"
		"80c0000000 40000000 80000000 rwx a0 d0 x1 L3\n");
	fm_walk(&t, m, 0x80ffffffff, "80c0000000 40000000 80000000 rwx a0 d0 x1 L3");
	fm_fault(&t, m, 0x8080608000, MDL_NOT_PRESENT);
	fm_fault(&t, m, UINT64_C(0x1000000000000), MDL_RANGE);
	/* 39 bits from the PDP; 57 bits with one more level */
	t.levels = 3;
	t.root = 0x2000;
	fm_walk(&t, m, 0x80604000, "80604000 1000 12345000 rwx a0 d0 x1 L1");
	fm_fault(&t, m, 0x8080604000, MDL_RANGE);
	t.levels = 5;
	t.root = 0x5000;
	fm_set(m, 0x5ff8, 0x1003);
	fm_walk(&t, m, UINT64_C(0x1ff008080604000),
		"1ff008080604000 1000 12345000 rwx a0 d0 x1 L1");
	fm_fault(&t, m, UINT64_C(0x200000000000000), MDL_RANGE);
	t.levels = 6;
	fm_fault(&t, m, 0, MDL_WALK_ABORT);
	fm_free(m);
}

/* A2.1: permissions are ANDed; a table may be R only */
static void ss_permissions(void **state)
{
	struct fakemem *m = mem(3);

	(void)state;
	fm_set(m, 0x1010, 0x2001);
	fm_set(m, 0x1018, 0x2002);
	fm_set(m, 0x4020, 0x12345001);
	fm_set(m, 0x4028, 0x12346003);
	fm_enum(&ss4, m, 10,
		"8080604000 1000 12345000 r-x a0 d0 x1 L1\n"
		"8080605000 1000 12346000 rwx a0 d0 x1 L1\n"
		"10080604000 1000 12345000 r-x a0 d0 x1 L1\n"
		"10080605000 1000 12346000 r-x a0 d0 x1 L1\n"
		"18080604000 1000 12345000 --- a0 d0 x1 L1\n"
		"18080605000 1000 12346000 -w- a0 d0 x1 L1\n");
	fm_access(&ss4, m, 0x10080605000, true, MDL_PERMISSION, 0x4028, 0x12346003);
	fm_access(&ss4, m, 0x18080605000, false, MDL_PERMISSION, 0x4028, 0x12346003);
	fm_free(m);
}

static void ss_reserved(void **state)
{
	static const struct {
		uint64_t pa, val, iova;
	} bad[] = {
		{ 0x1008, 0x2083, 0x8080604000 },	  /* PS in PML4E */
		{ 0x2010, 0x80001083, 0x8080604000 },	  /* 1G, bit 12 */
		{ 0x2010, 0xa0000083, 0x8080604000 },	  /* 1G, bit 29 */
		{ 0x3018, 0x40301083, 0x8080604000 },	  /* 2M, bits 20 and 12 */
		{ 0x3018, 0x4803, 0x8080604000 },	  /* bit 11 of a table */
		{ 0x4020, 0x400012345003, 0x8080604000 }, /* bit 46 >= oas */
		{ 0x3018, 0x400000004003, 0x8080604000 },
		{ 0x4020, 0x4000000012345003, 0x8080604000 }, /* bit 62, SSIRWE=0 */
	};
	struct fakemem *m = mem(3);
	unsigned i;
	uint64_t was;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		was = fm_get(m, bad[i].pa);
		fm_set(m, bad[i].pa, bad[i].val);
		fm_fault(&ss4, m, bad[i].iova, MDL_RESERVED);
		fm_set(m, bad[i].pa, bad[i].val & ~UINT64_C(3)); /* only if present */
		fm_fault(&ss4, m, bad[i].iova, MDL_NOT_PRESENT);
		fm_set(m, bad[i].pa, was);
	}
	/* ignored: 63, 61, 60:52, 10, 9, 6:2 of a table; 61, 10 and 6:2 of a leaf */
	fm_set(m, 0x3018, UINT64_C(0xbff000000000467f));
	fm_set(m, 0x4020, UINT64_C(0xbff000001234547f));
	fm_walk(&ss4, m, 0x8080604000, "8080604000 1000 12345000 rwx a0 d0 x1 L1");
	fm_free(m);
}

/* A2.3 rules 2 and 3 */
static void ss_access(void **state)
{
	struct mdl_table t = ss4;
	struct fakemem *m = mem(3);

	(void)state;
	fm_access(&t, m, 0x8080604000, true, MDL_OK, 0x4020, 0x12345003);
	assert_int_equal(m->writes, 0);
	t.hw_access = t.hw_dirty = true;
	fm_access(&t, m, 0x8080604000, false, MDL_OK, 0x4020, 0x12345103);
	assert_int_equal(fm_get(m, 0x1008), 0x2103);
	assert_int_equal(fm_get(m, 0x2010), 0x3103);
	assert_int_equal(fm_get(m, 0x3018), 0x4103);
	assert_int_equal(m->writes, 4);
	fm_access(&t, m, 0x8080604000, true, MDL_OK, 0x4020, 0x12345303);
	assert_int_equal(m->writes, 5);
	fm_access(&t, m, 0x8080604000, true, MDL_OK, 0x4020, 0x12345303);
	assert_int_equal(m->writes, 5);
	/* a table that vanishes under the walk */
	fm_set(m, 0x4020, 0x12345003);
	m->race_pa = 0x3018;
	m->race_val = 0;
	fm_access(&t, m, 0x8080604000, true, MDL_OK, 0x4020, 0x12345303);
	fm_access(&t, m, 0x8080604000, true, MDL_NOT_PRESENT, 0x3018, 0);
	fm_free(m);
}

static void fs_sizes(void **state)
{
	struct mdl_table t = {
		.format = MDL_VTD_FS, .root = 0x1000, .granule_lg2 = 12, .levels = 4, .oas = 46
	};
	struct fakemem *m = mem(7);

	(void)state;
	fm_set(m, 0x1800, 0x2007);	    /* PML4[256]: upper half */
	fm_set(m, 0x4028, XD | 0x12346065); /* read-only, A, D, XD */
	fm_set(m, 0x4030, 0x12347003);	    /* supervisor */
	fm_set(m, 0x3028, 0x40201187);	    /* 2M, PD[5], G, PAT (bit 12) */
	fm_set(m, 0x2018, XD | 0x800000a7); /* 1G, PDP[3] */
	fm_enum(&t, m, 7,
		"8080604000 1000 12345000 rwx a0 d0 x1 L1\n"
		"8080605000 1000 12346000 r-- a1 d1 x1 L1\n"
		"8080606000 1000 12347000 --- a0 d0 x1 L1\n"
		"8080a00000 200000 40200000 rwx a0 d0 x1 L2\n"
		"80c0000000 40000000 80000000 rw- a1 d0 x1 L3\n"
		"ffff800080604000 1000 12345000 rwx a0 d0 x1 L1\n"
		"ffff800080605000 1000 12346000 r-- a1 d1 x1 L1\n"
		"ffff800080606000 1000 12347000 --- a0 d0 x1 L1\n"
		"ffff800080a00000 200000 40200000 rwx a0 d0 x1 L2\n"
		"ffff8000c0000000 40000000 80000000 rw- a1 d0 x1 L3\n");
	fm_walk(&t, m, UINT64_C(0xffff800080bfffff),
		"ffff800080a00000 200000 40200000 rwx a0 d0 x1 L2");
	fm_fault(&t, m, UINT64_C(0x800080604000), MDL_RANGE);
	fm_fault(&t, m, UINT64_C(0xfffe800080604000), MDL_RANGE);
	fm_fault(&t, m, UINT64_C(0x8000008080604000), MDL_RANGE);
	/* 57 bits: what was not canonical is, PML5[511] is the upper half */
	t.levels = 5;
	t.root = 0x5000;
	fm_set(m, 0x5000, 0x1007);
	fm_set(m, 0x5ff8, 0x1005); /* read-only */
	fm_walk(&t, m, UINT64_C(0x800080604000), "800080604000 1000 12345000 rwx a0 d0 x1 L1");
	fm_walk(&t, m, UINT64_C(0xffff800080604000),
		"ffff800080604000 1000 12345000 r-x a0 d0 x1 L1");
	fm_fault(&t, m, UINT64_C(0x100000000000000), MDL_RANGE);
	fm_fault(&t, m, UINT64_C(0xfe00000000000000), MDL_RANGE);
	fm_fault(&t, m, UINT64_C(0xff00000000000000), MDL_NOT_PRESENT);
	fm_free(m);
}

static void fs_reserved(void **state)
{
	struct mdl_table t = {
		.format = MDL_VTD_FS, .root = 0x1000, .granule_lg2 = 12, .levels = 4, .oas = 46
	};
	struct fakemem *m = mem(7);

	(void)state;
	fm_set(m, 0x1010, 0x2087);		     /* PS in PML4E */
	fm_set(m, 0x2018, 0x80002087);		     /* 1G, bit 13 */
	fm_set(m, 0x3028, 0x40302087);		     /* 2M, bits 20 and 13 */
	fm_set(m, 0x4028, UINT64_C(0x400012345007)); /* bit 46 */
	fm_fault(&t, m, 0x10080604000, MDL_RESERVED);
	fm_fault(&t, m, 0x80c0000000, MDL_RESERVED);
	fm_fault(&t, m, 0x8080a00000, MDL_RESERVED);
	fm_fault(&t, m, 0x8080605000, MDL_RESERVED);
	fm_enum(&t, m, 4, "8080604000 1000 12345000 rwx a0 d0 x1 L1\n");
	fm_free(m);
}

/* A2.3 rule 1; the same for AMD v2 */
static void x86_access(void **state)
{
	struct mdl_table t = { .root = 0x1000, .granule_lg2 = 12, .levels = 4, .oas = 48 };
	enum mdl_format formats[] = { MDL_VTD_FS, MDL_AMD_V2 };
	struct fakemem *m;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		m = mem(7);
		t.format = formats[i];
		fm_set(m, 0x4028, 0x12346005);
		fm_set(m, 0x4030, 0x12347003);
		fm_access(&t, m, 0x8080605000, true, MDL_PERMISSION, 0x4028, 0x12346005);
		fm_access(&t, m, 0x8080606000, false, MDL_PERMISSION, 0x4030, 0x12347003);
		assert_int_equal(m->writes, 0);
		fm_access(&t, m, 0x8080605000, false, MDL_OK, 0x4028, 0x12346025);
		assert_int_equal(fm_get(m, 0x1008), 0x2027);
		assert_int_equal(fm_get(m, 0x2010), 0x3027);
		assert_int_equal(fm_get(m, 0x3018), 0x4027);
		fm_access(&t, m, 0x8080604000, true, MDL_OK, 0x4020, 0x12345067);
		assert_int_equal(m->writes, 5);
		fm_free(m);
	}
}

/* A3.5 */
static void amd_v2(void **state)
{
	struct mdl_table t = {
		.format = MDL_AMD_V2, .root = 0x5000, .granule_lg2 = 12, .levels = 5, .oas = 48
	};
	struct fakemem *m = mem(7);

	(void)state;
	fm_set(m, 0x5000, 0x1007);
	fm_set(m, 0x5ff8, XD | 0x1007);
	fm_set(m, 0x3028, 0x402000e7); /* 2M, A, D */
	fm_enum(&t, m, 9,
		"8080604000 1000 12345000 rwx a0 d0 x1 L1\n"
		"8080a00000 200000 40200000 rwx a1 d1 x1 L2\n"
		"ffff008080604000 1000 12345000 rw- a0 d0 x1 L1\n"
		"ffff008080a00000 200000 40200000 rw- a1 d1 x1 L2\n");
	t.levels = 3;
	fm_fault(&t, m, 0, MDL_WALK_ABORT);
	fm_free(m);
}

int mdl_test_vtd(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ss_sizes),    cmocka_unit_test(ss_permissions),
		cmocka_unit_test(ss_reserved), cmocka_unit_test(ss_access),
		cmocka_unit_test(fs_sizes),    cmocka_unit_test(fs_reserved),
		cmocka_unit_test(x86_access),  cmocka_unit_test(amd_v2),
	};

	return cmocka_run_group_tests_name("model: vt-d, amd v2", tests, NULL, NULL);
}
