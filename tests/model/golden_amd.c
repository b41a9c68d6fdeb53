/* SPDX-License-Identifier: MIT */
/*
 * AMD v1 tables by hand (bits.md A3.1 - A3.4). PR 1, A 0x20, D 0x40, NextLevel n << 9
 * (1 0x200, 2 0x400, 3 0x600, 4 0x800, 5 0xa00, 7 0xe00), IR bit 61, IW bit 62.
 */
#include <string.h>

#include "fakemem.h"

#define RW UINT64_C(0x6000000000000000)
#define R_ UINT64_C(0x2000000000000000)
#define W_ UINT64_C(0x4000000000000000)

static struct mdl_table v1(unsigned mode, uint64_t root)
{
	return (struct mdl_table){
		.format = MDL_AMD_V1, .root = root, .granule_lg2 = 12, .levels = mode, .oas = 52
	};
}

/* Level n lives at n << 12 and leads to the next one at index n, down to L1[1]. */
static struct fakemem *mem(void)
{
	struct fakemem *m = fm_new();

	fm_add(m, 0x1000, 0x6000);
	fm_set(m, 0x6030, RW | 0x5a01);	    /* L6[6]: 6 << 57 = 0x0c00... */
	fm_set(m, 0x5028, RW | 0x4801);	    /* L5[5]: 5 << 48 */
	fm_set(m, 0x4020, RW | 0x3601);	    /* L4[4]: 4 << 39 = 0x20000000000 */
	fm_set(m, 0x3018, RW | 0x2401);	    /* L3[3]: 3 << 30 = 0xc0000000 */
	fm_set(m, 0x2010, RW | 0x1201);	    /* L2[2]: 2 << 21 = 0x400000 */
	fm_set(m, 0x1008, RW | 0x12345001); /* L1[1]: 1 << 12 */
	return m;
}

static void modes(void **state)
{
	static const char *const want[] = {
		"1000 1000 12345000 rwx a0 d0 x1 L1\n",
		"401000 1000 12345000 rwx a0 d0 x1 L1\n",
		"c0401000 1000 12345000 rwx a0 d0 x1 L1\n",
		"200c0401000 1000 12345000 rwx a0 d0 x1 L1\n",
		"50200c0401000 1000 12345000 rwx a0 d0 x1 L1\n",
		"c050200c0401000 1000 12345000 rwx a0 d0 x1 L1\n",
	};
	static const uint64_t iova[] = {
		0x1000, 0x401000, 0xc0401000, 0x200c0401000, 0x50200c0401000, 0xc050200c0401000,
	};
	struct fakemem *m = mem();
	struct mdl_table t;
	unsigned mode;
	char line[128];

	(void)state;
	for (mode = 1; mode <= 6; mode++) {
		t = v1(mode, (uint64_t)mode << 12);
		strcpy(line, want[mode - 1]);
		fm_enum(&t, m, mode, line);
		line[strlen(line) - 1] = 0;
		fm_walk(&t, m, iova[mode - 1] + 0xfff, line);
		fm_fault(&t, m, iova[mode - 1] + 0x1000, MDL_NOT_PRESENT);
		if (mode < 6)
			fm_fault(&t, m, UINT64_C(1) << (12 + 9 * mode), MDL_RANGE);
	}
	t = v1(0, 0x1000);
	fm_fault(&t, m, 0, MDL_WALK_ABORT);
	t = v1(7, 0x1000);
	fm_fault(&t, m, 0, MDL_WALK_ABORT);
	/* level 6 has 128 entries: L6[127] is the last, L6[128] is not looked at */
	t = v1(6, 0x6000);
	fm_set(m, 0x6030, 0);
	fm_set(m, 0x63f8, RW | 0x5a01);
	fm_set(m, 0x6400, RW | 0x5a01);
	fm_enum(&t, m, 6, "fe050200c0401000 1000 12345000 rwx a0 d0 x1 L1\n");
	fm_fault(&t, m, UINT64_MAX, MDL_NOT_PRESENT);
	fm_free(m);
}

/* A3.2: NextLevel 0 is the default size of the level, none at level 6 */
static void default_sizes(void **state)
{
	struct mdl_table t = v1(6, 0x6000);
	struct fakemem *m = mem();

	(void)state;
	fm_set(m, 0x1008, 0);
	fm_set(m, 0x2018, R_ | 0x600001);		   /* 2M */
	fm_set(m, 0x3020, W_ | 0x140000061);		   /* 1G, A and D */
	fm_set(m, 0x4028, RW | UINT64_C(0x8000000001));	   /* 512G */
	fm_set(m, 0x5030, RW | UINT64_C(0x1000000000001)); /* 256T */
	fm_set(m, 0x6038, RW | 1);
	fm_enum(&t, m, 6,
		"c050200c0600000 200000 600000 r-x a0 d0 x1 L2\n"
		"c05020100000000 40000000 140000000 -w- a1 d1 x1 L3\n"
		"c05028000000000 8000000000 8000000000 rwx a0 d0 x1 L4\n"
		"c06000000000000 1000000000000 1000000000000 rwx a0 d0 x1 L5\n");
	fm_fault(&t, m, UINT64_C(0xe00000000000000), MDL_RESERVED);
	fm_free(m);
}

/* @n replicas of the same word */
static void fill(struct fakemem *m, uint64_t pa, unsigned n, uint64_t val)
{
	while (n--)
		fm_set(m, pa + 8 * (uint64_t)n, val);
}

/* The worked codes of A3.3, with an SPA */
static void sizes_coded(void **state)
{
	struct mdl_table t = v1(3, 0x3000);
	struct fakemem *m = mem();

	(void)state;
	fm_set(m, 0x1008, 0);
	fill(m, 0x1010, 2, RW | 0xabc000e01 | 0);	     /* 8K: none set; L1[2..3] */
	fill(m, 0x1020, 4, RW | 0xabc000e01 | 0x1000);	     /* 16K; L1[4..7] */
	fill(m, 0x1040, 8, RW | 0xab8000e01 | 0x3000);	     /* 32K; L1[8..15] */
	fill(m, 0x1080, 16, R_ | 0xab0000e01 | 0x7000);	     /* 64K; L1[16..31] */
	fill(m, 0x1800, 256, RW | 0xa00000e01 | 0x7f000);    /* 1M; L1[256..511] */
	fill(m, 0x2020, 2, RW | 0x1800000e01 | 0x1ff000);    /* 4M; L2[4..5] */
	fill(m, 0x2800, 256, RW | 0x1020000e01 | 0xffff000); /* 512M; L2[256..511] */
	fill(m, 0x3020, 2, RW | 0x2080000e01 | 0x3ffff000);  /* 2G; L3[4..5] */
	fm_enum(&t, m, 3,
		"c0402000 2000 abc000000 rwx a0 d0 x2 L1\n"
		"c0404000 4000 abc000000 rwx a0 d0 x4 L1\n"
		"c0408000 8000 ab8000000 rwx a0 d0 x8 L1\n"
		"c0410000 10000 ab0000000 r-x a0 d0 x16 L1\n"
		"c0500000 100000 a00000000 rwx a0 d0 x256 L1\n"
		"c0800000 400000 1800000000 rwx a0 d0 x2 L2\n"
		"e0000000 20000000 1020000000 rwx a0 d0 x256 L2\n"
		"100000000 80000000 2080000000 rwx a0 d0 x2 L3\n");
	fm_walk(&t, m, 0xc041f123, "c0410000 10000 ab0000000 r-x a0 d0 x16 L1");
	fm_walk(&t, m, 0x17fffffff, "100000000 80000000 2080000000 rwx a0 d0 x2 L3");
	fm_free(m);
}

/* A3.3: 1T in L4, 2^51 in L5; sizes that a level cannot have */
static void sizes_limits(void **state)
{
	struct mdl_table t = v1(5, 0x5000);
	struct fakemem *m = mem();

	(void)state;
	fm_set(m, 0x1008, 0);
	fill(m, 0x4030, 2, RW | UINT64_C(0x10000000e01) | UINT64_C(0x7ffffff000));
	fill(m, 0x5040, 8, RW | 0xe01 | UINT64_C(0x8000000000000) | UINT64_C(0x3fffffffff000));
	fm_enum(&t, m, 5,
		"5030000000000 10000000000 10000000000 rwx a0 d0 x2 L4\n"
		"8000000000000 8000000000000 8000000000000 rwx a0 d0 x8 L5\n");
	fm_set(m, 0x1010, RW | 0xaff000 | 0xe01);		   /* 2M code in L1 */
	fm_set(m, 0x1018, RW | 0x1ff000 | 0xe01);		   /* 4M code in L1 */
	fm_set(m, 0x2018, RW | 0x7f000 | 0xe01);		   /* 1M code in L2 */
	fm_set(m, 0x5080, RW | UINT64_C(0x7fffffffff000) | 0xe01); /* 2^52 */
	fm_set(m, 0x5088, RW | UINT64_C(0xffffffffff000) | 0xe01); /* no 0 bit at all */
	fm_set(m, 0x1018, RW | 0x1ff000 | 0xe01);
	fm_fault(&t, m, UINT64_C(0x50200c0402000), MDL_RESERVED);
	fm_fault(&t, m, UINT64_C(0x50200c0403000), MDL_RESERVED);
	fm_fault(&t, m, UINT64_C(0x50200c0600000), MDL_RESERVED);
	fm_fault(&t, m, UINT64_C(0x10000000000000), MDL_RESERVED);
	fm_fault(&t, m, UINT64_C(0x11000000000000), MDL_RESERVED);
	fm_free(m);
}

/* A and D are ORed; a group with a stranger is read slot by slot */
static void replicas(void **state)
{
	struct mdl_table t = v1(1, 0x1000);
	struct fakemem *m = mem();

	(void)state;
	fm_set(m, 0x1008, 0);
	fill(m, 0x1020, 4, RW | 0x40001e01);
	fm_set(m, 0x1028, RW | 0x40001e21);
	fm_set(m, 0x1038, RW | 0x40001e41);
	fm_enum(&t, m, 1, "4000 4000 40000000 rwx a1 d1 x4 L1\n");
	fm_set(m, 0x1030, RW | 0x50000001);
	fm_enum(&t, m, 1,
		"4000 1000 40000000 rwx a0 d0 x1 L1\n"
		"5000 1000 40001000 rwx a1 d0 x1 L1\n"
		"6000 1000 50000000 rwx a0 d0 x1 L1\n"
		"7000 1000 40003000 rwx a0 d1 x1 L1\n");
	fm_walk(&t, m, 0x7010, "7000 1000 40003000 rwx a0 d1 x1 L1");
	fm_set(m, 0x1030, 0);
	fm_fault(&t, m, 0x6000, MDL_NOT_PRESENT);
	fm_free(m);
}

/* A3.2: skipping L4 and L3 asks for IOVA[47:30] = 0; levels must descend */
static void skipping(void **state)
{
	struct mdl_table t = v1(5, 0x5000);
	struct fakemem *m = mem();

	(void)state;
	fm_set(m, 0x5028, 0);
	fm_set(m, 0x5010, RW | 0x2401); /* L5[2] -> L2 */
	fm_enum(&t, m, 3, "2000000401000 1000 12345000 rwx a0 d0 x1 L1\n");
	fm_walk(&t, m, UINT64_C(0x2000000401000), "2000000401000 1000 12345000 rwx a0 d0 x1 L1");
	fm_fault(&t, m, UINT64_C(0x2000040401000), MDL_NOT_PRESENT); /* bit 30 */
	fm_fault(&t, m, UINT64_C(0x2800000401000), MDL_NOT_PRESENT); /* bit 47 */
	fm_set(m, 0x5018, RW | 0x2a01);				     /* L5 -> NextLevel 5 */
	fm_set(m, 0x5020, RW | 0x2c01);				     /* L5 -> NextLevel 6 */
	fm_set(m, 0x2018, RW | 0x2401);				     /* L2 -> NextLevel 2 */
	fm_fault(&t, m, UINT64_C(0x3000000401000), MDL_RESERVED);
	fm_fault(&t, m, UINT64_C(0x4000000401000), MDL_RESERVED);
	fm_fault(&t, m, UINT64_C(0x2000000600000), MDL_RESERVED);
	t = v1(6, 0x6000); /* L6[0] -> L1: IOVA[56:21] = 0 */
	fm_set(m, 0x6000, RW | 0x1201);
	fm_set(m, 0x6030, 0);
	fm_enum(&t, m, 2, "1000 1000 12345000 rwx a0 d0 x1 L1\n");
	fm_fault(&t, m, UINT64_C(0x100000000001000), MDL_NOT_PRESENT);
	fm_fault(&t, m, 0x201000, MDL_NOT_PRESENT);
	fm_free(m);
}

/* A3.1 */
static void bits(void **state)
{
	struct mdl_table t = v1(2, 0x2000);
	struct fakemem *m = mem();

	(void)state;
	/* FC, U and the ignored ones */
	fm_set(m, 0x1010, RW | 0x20001000 | UINT64_C(0x980000000000019f));
	fm_set(m, 0x1018, RW | 0x20002001 | UINT64_C(0x0010000000000000)); /* bit 52 */
	fm_set(m, 0x2018, RW | 0x1201 | UINT64_C(0x1000000000000000));	   /* bit 60 */
	fm_set(m, 0x2020, RW | 0x1201 | UINT64_C(0x80000000000001fe));	   /* ignored */
	fm_set(m, 0x2028, R_ | 0x1201);
	fm_enum(&t, m, 4,
		"401000 1000 12345000 rwx a0 d0 x1 L1\n"
		"402000 1000 20001000 rwx a0 d0 x1 L1\n"
		"801000 1000 12345000 rwx a0 d0 x1 L1\n"
		"802000 1000 20001000 rwx a0 d0 x1 L1\n"
		"a01000 1000 12345000 r-x a0 d0 x1 L1\n"
		"a02000 1000 20001000 r-x a0 d0 x1 L1\n");
	fm_fault(&t, m, 0x403000, MDL_RESERVED);
	fm_fault(&t, m, 0x601000, MDL_RESERVED);
	t.oas = 40;
	fm_set(m, 0x1018, RW | UINT64_C(0x10000000001));
	fm_set(m, 0x2018, RW | UINT64_C(0x10000000201));
	fm_fault(&t, m, 0x403000, MDL_RESERVED);
	fm_fault(&t, m, 0x601000, MDL_RESERVED);
	fm_free(m);
}

/* A3.4: HAD 0, 1, 3; one replica only */
static void had(void **state)
{
	struct mdl_table t = v1(2, 0x2000);
	struct fakemem *m = mem();

	(void)state;
	fill(m, 0x1020, 4, RW | 0x40001e01);
	fm_set(m, 0x1010, R_ | 0x50000001);
	fm_access(&t, m, 0x401000, true, MDL_OK, 0x1008, RW | 0x12345001);
	t.hw_dirty = true; /* HAD=2 is reserved: off */
	fm_access(&t, m, 0x401000, true, MDL_OK, 0x1008, RW | 0x12345001);
	t.hw_dirty = false;
	t.hw_access = true;
	fm_access(&t, m, 0x401000, true, MDL_OK, 0x1008, RW | 0x12345021);
	t.hw_dirty = true;
	fm_access(&t, m, 0x401000, false, MDL_OK, 0x1008, RW | 0x12345021);
	fm_access(&t, m, 0x401000, true, MDL_OK, 0x1008, RW | 0x12345061);
	fm_access(&t, m, 0x402000, true, MDL_PERMISSION, 0x1010, R_ | 0x50000001);
	assert_int_equal(fm_get(m, 0x2010), RW | 0x1201);
	m->writes = 0;
	fm_access(&t, m, 0x406000, true, MDL_OK, 0x1030, RW | 0x40001e61);
	assert_int_equal(m->writes, 1);
	fm_walk(&t, m, 0x404000, "404000 4000 40000000 rwx a1 d1 x4 L1");
	t.hw_table_access = true;
	fm_access(&t, m, 0x404000, false, MDL_OK, 0x2010, RW | 0x1221);
	fm_free(m);
}

int mdl_test_amd(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),       cmocka_unit_test(default_sizes),
		cmocka_unit_test(sizes_coded), cmocka_unit_test(sizes_limits),
		cmocka_unit_test(replicas),    cmocka_unit_test(skipping),
		cmocka_unit_test(bits),	       cmocka_unit_test(had),
	};

	return cmocka_run_group_tests_name("model: amd v1", tests, NULL, NULL);
}
