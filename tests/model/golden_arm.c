/* SPDX-License-Identifier: MIT */
/*
 * ARM tables by hand. Leaf words used (bits.md A1.6, A1.7):
 *   0xf47  S1 page: valid 3, AttrIndx 1 (0x4), AP[1] 0x40, SH 0x300, AF 0x400, nG 0x800
 *   0xf45  the same as a block; 0xfc7/0xfc5 read-only (AP[2] 0x80)
 *   0x7ff  S2 page: valid 3, MemAttr 1111 (0x3c), S2AP 11 (0xc0), SH 0x300, AF 0x400
 *   DBM bit 51 = 0x0008..., Contiguous bit 52 = 0x0010..., UXN bit 54 = 0x0040...
 */
#include "fakemem.h"

#define CONT UINT64_C(0x0010000000000000)

static const struct mdl_table s1_4k = {
	.format = MDL_ARM_S1,
	.root = 0x1000,
	.granule_lg2 = 12,
	.ias = 48,
	.oas = 48,
};

/* L0[1] -> L1[2] -> L2[3] -> L3[4]: 1<<39 | 2<<30 | 3<<21 | 4<<12 = 0x8080604000 (A1.1) */
static struct fakemem *mem_4k(void)
{
	struct fakemem *m = fm_new();

	fm_add(m, 0x1000, 0x4000);
	fm_set(m, 0x1008, 0x2003);
	fm_set(m, 0x2010, 0x3003);
	fm_set(m, 0x3018, 0x4003);
	fm_set(m, 0x4020, 0x12345f47);
	return m;
}

static void s1_4k_sizes(void **state)
{
	struct fakemem *m = mem_4k();

	(void)state;
	fm_set(m, 0x2018, 0x80000fc5);			 /* 1G block, L1[3], read-only */
	fm_set(m, 0x3028, UINT64_C(0x0040000040200f45)); /* 2M block, L2[5], UXN */
	fm_set(m, 0x4028, 0x12346807);			 /* AP=00: privileged only; AF=0 */
	fm_enum(&s1_4k, m, 4,
		"8080604000 1000 12345000 rwx a1 d- x1 L3\n"
		"8080605000 1000 12346000 --x a0 d- x1 L3\n"
		"8080a00000 200000 40200000 rw- a1 d- x1 L2\n"
		"80c0000000 40000000 80000000 r-x a1 d- x1 L1\n");
	fm_walk(&s1_4k, m, 0x8080604abc, "8080604000 1000 12345000 rwx a1 d- x1 L3");
	fm_walk(&s1_4k, m, 0x8080bfffff, "8080a00000 200000 40200000 rw- a1 d- x1 L2");
	fm_fault(&s1_4k, m, 0x8080603fff, MDL_NOT_PRESENT);
	fm_fault(&s1_4k, m, 0x8080605000, MDL_ACCESS_FLAG); /* A1.11 rule 18 */
	fm_fault(&s1_4k, m, UINT64_C(0x1000000000000), MDL_RANGE);
	fm_fault(&s1_4k, m, UINT64_C(0xffff008080604000), MDL_RANGE);
	fm_free(m);
}

static int ignore(void *cookie, const struct mdl_leaf *leaf)
{
	(void)cookie;
	(void)leaf;
	return 0;
}

/* A1.5, A1.14 */
static void s1_4k_faults(void **state)
{
	struct mdl_table t = s1_4k;
	struct fakemem *m = mem_4k();

	(void)state;
	fm_set(m, 0x4028, 0x12346f45); /* 01 at L3 */
	fm_set(m, 0x1010, 0x12346f45); /* 01 at L0, no DS */
	fm_set(m, 0x4030, 0x12346f46); /* bit 0 clear */
	fm_set(m, 0x1018, 0x70003);    /* table nobody has */
	fm_fault(&t, m, 0x8080605000, MDL_RESERVED);
	fm_fault(&t, m, 0x10000000000, MDL_RESERVED);
	fm_fault(&t, m, 0x8080606000, MDL_NOT_PRESENT);
	fm_fault(&t, m, 0x18000000000, MDL_WALK_ABORT);
	assert_int_equal(mdl_enumerate(&t, &m->mem, ignore, NULL, NULL), -1);
	fm_set(m, 0x1018, 0);
	t.oas = 32;
	fm_set(m, 0x4038, UINT64_C(0x100000f47)); /* page at 2^32 */
	fm_set(m, 0x1018, UINT64_C(0x100000003)); /* table at 2^32 */
	fm_fault(&t, m, 0x8080607000, MDL_ADDR_SIZE);
	fm_fault(&t, m, 0x18000000000, MDL_ADDR_SIZE);
	fm_enum(&t, m, 4, "8080604000 1000 12345000 rwx a1 d- x1 L3\n");
	fm_free(m);
}

/* A1.8: APTable[0] bit 61, APTable[1] bit 62, XNTable bit 60 */
static void s1_hierarchy(void **state)
{
	struct fakemem *m = mem_4k();
	struct mdl_table s2 = s1_4k;

	(void)state;
	fm_set(m, 0x1010, UINT64_C(0x4000000000002003));
	fm_set(m, 0x1018, UINT64_C(0x2000000000002003));
	fm_set(m, 0x1020, UINT64_C(0x1000000000002003));
	fm_set(m, 0x1028, UINT64_C(0x0800000000002003)); /* PXNTable */
	fm_enum(&s1_4k, m, 16,
		"8080604000 1000 12345000 rwx a1 d- x1 L3\n"
		"10080604000 1000 12345000 r-x a1 d- x1 L3\n"
		"18080604000 1000 12345000 --x a1 d- x1 L3\n"
		"20080604000 1000 12345000 rw- a1 d- x1 L3\n"
		"28080604000 1000 12345000 rwx a1 d- x1 L3\n");
	/* stage 2 has no such bits; 0xf47 there is S2AP=01 */
	s2.format = MDL_ARM_S2;
	fm_walk(&s2, m, 0x10080604000, "10080604000 1000 12345000 r-x a1 d- x1 L3");
	fm_set(m, 0x4020, 0x123457ff);
	fm_walk(&s2, m, 0x10080604000, "10080604000 1000 12345000 rwx a1 d- x1 L3");
	fm_free(m);
}

static void fill(struct fakemem *m, uint64_t at, int n, uint64_t first, uint64_t step)
{
	int i;

	for (i = 0; i < n; i++)
		fm_set(m, at + 8 * (uint64_t)i, first + step * (uint64_t)i);
}

/* A1.9: 16 entries at L1, L2 and L3 */
static void s1_4k_runs(void **state)
{
	struct fakemem *m = mem_4k();

	(void)state;
	fm_set(m, 0x4020, 0);
	fill(m, 0x4080, 16, CONT | 0x500f47, 0x1000);	     /* L3[16..31] */
	fill(m, 0x3080, 16, CONT | 0x42000f45, 0x200000);    /* L2[16..31] */
	fill(m, 0x2080, 16, CONT | 0x400000f45, 0x40000000); /* L1[16..31] */
	fm_set(m, 0x1008 + 8, CONT | 0x400000f45);	     /* no block at L0 at all */
	fm_enum(&s1_4k, m, 4,
		"8080610000 10000 500000 rwx a1 d- x16 L3\n"
		"8082000000 2000000 42000000 rwx a1 d- x16 L2\n"
		"8400000000 400000000 400000000 rwx a1 d- x16 L1\n");
	fm_walk(&s1_4k, m, 0x808061f123, "8080610000 10000 500000 rwx a1 d- x16 L3");
	/* AF may differ: ORed; the walked member decides the fault */
	fill(m, 0x4080, 16, CONT | 0x500b47, 0x1000);
	fm_set(m, 0x40c0, CONT | 0x508f47);
	fm_walk(&s1_4k, m, 0x8080618000, "8080610000 10000 500000 rwx a1 d- x16 L3");
	fm_fault(&s1_4k, m, 0x8080617000, MDL_ACCESS_FLAG);
	fm_free(m);
}

/* Groups that are no run are read entry by entry. */
static void s1_broken_runs(void **state)
{
	struct fakemem *m = mem_4k();

	(void)state;
	fm_set(m, 0x4020, 0);
	fill(m, 0x4080, 16, CONT | 0x500f47, 0x1000);
	fm_set(m, 0x40f8, 0x50ff47); /* L3[31] without the bit */
	fm_walk(&s1_4k, m, 0x8080610000, "8080610000 1000 500000 rwx a1 d- x1 L3");
	fm_walk(&s1_4k, m, 0x808061f000, "808061f000 1000 50f000 rwx a1 d- x1 L3");
	fm_set(m, 0x40f8, CONT | 0x60ff47); /* another address */
	fm_walk(&s1_4k, m, 0x8080611000, "8080611000 1000 501000 rwx a1 d- x1 L3");
	fm_set(m, 0x40f8, CONT | 0x50ffc7); /* another permission, no DBM */
	fm_walk(&s1_4k, m, 0x8080611000, "8080611000 1000 501000 rwx a1 d- x1 L3");
	fill(m, 0x4080, 16, CONT | 0x508f47, 0x1000); /* not aligned to 64K */
	fm_walk(&s1_4k, m, 0x8080611000, "8080611000 1000 509000 rwx a1 d- x1 L3");
	fm_free(m);
}

/* T1SZ=25: ias 39, from L1 (A1.3) */
static void s1_ttbr1(void **state)
{
	struct mdl_table t = s1_4k;
	struct fakemem *m = fm_new();

	(void)state;
	t.ias = 39;
	t.start_level = 1;
	t.upper = true;
	fm_add(m, 0x1000, 0x3000);
	fm_set(m, 0x1ff8, 0x2003);
	fm_set(m, 0x2ff8, 0x3003);
	fm_set(m, 0x3ff8, 0x5f47);
	fm_set(m, 0x1000, 0x40000f45);
	fm_enum(&t, m, 3,
		"ffffff8000000000 40000000 40000000 rwx a1 d- x1 L1\n"
		"fffffffffffff000 1000 5000 rwx a1 d- x1 L3\n");
	fm_walk(&t, m, UINT64_MAX, "fffffffffffff000 1000 5000 rwx a1 d- x1 L3");
	fm_fault(&t, m, UINT64_C(0xffffff7fffffffff), MDL_RANGE);
	fm_fault(&t, m, 0, MDL_RANGE);
	fm_free(m);
}

/* L1[3] -> L2[5] -> L3[7]: 3<<36 | 5<<25 | 7<<14 = 0x300a01c000 */
static void s1_16k(void **state)
{
	struct mdl_table t = { .format = MDL_ARM_S1,
			       .root = 0x10000,
			       .granule_lg2 = 14,
			       .ias = 47,
			       .start_level = 1,
			       .oas = 48 };
	struct fakemem *m = fm_new();

	(void)state;
	fm_add(m, 0x10000, 0xc000);
	fm_add(m, 0x20000, 0x10);
	fm_set(m, 0x10018, 0x14003);
	fm_set(m, 0x14028, 0x18003);
	fm_set(m, 0x18038, 0x8004f47);
	fm_set(m, 0x14030, 0x6000f45);			    /* 32M, L2[6] */
	fill(m, 0x18400, 128, CONT | 0x8200f47, 0x4000);    /* 2M: L3[128..255] */
	fill(m, 0x14100, 32, CONT | 0x40000f45, 0x2000000); /* 1G: L2[32..63] */
	fm_set(m, 0x10020, CONT | UINT64_C(0x1000000f45));  /* 64G block: only DS=1 */
	fm_enum(&t, m, 3,
		"300a01c000 4000 8004000 rwx a1 d- x1 L3\n"
		"300a200000 200000 8200000 rwx a1 d- x128 L3\n"
		"300c000000 2000000 6000000 rwx a1 d- x1 L2\n"
		"3040000000 40000000 40000000 rwx a1 d- x32 L2\n");
	fm_fault(&t, m, 0x4000000000, MDL_RESERVED);
	fm_fault(&t, m, UINT64_C(0x800000000000), MDL_RANGE);
	/* TnSZ=16: L0 with two entries, bit 47 */
	fm_set(m, 0x20008, 0x10003);
	t.root = 0x20000;
	t.ias = 48;
	t.start_level = 0;
	fm_walk(&t, m, UINT64_C(0x80300a01c000), "80300a01c000 4000 8004000 rwx a1 d- x1 L3");
	fm_fault(&t, m, 0x300a01c000, MDL_NOT_PRESENT);
	fm_free(m);
}

/* L1[2] -> L2[3] -> L3[4]: 2<<42 | 3<<29 | 4<<16 = 0x80060040000 */
static void s1_64k(void **state)
{
	struct mdl_table t = { .format = MDL_ARM_S1,
			       .root = 0x10000,
			       .granule_lg2 = 16,
			       .ias = 48,
			       .start_level = 1,
			       .oas = 48 };
	struct fakemem *m = fm_new();

	(void)state;
	fm_add(m, 0x10000, 0x30000);
	fm_set(m, 0x10010, 0x20003);
	fm_set(m, 0x20018, 0x30003);
	fm_set(m, 0x30020, 0x7faf47);			      /* bits 15:12 RES0 without 52 bits */
	fm_set(m, 0x20020, 0x20000f45);			      /* 512M, L2[4] */
	fill(m, 0x30100, 32, CONT | 0x200f47, 0x10000);	      /* 2M: L3[32..63] */
	fill(m, 0x20100, 32, CONT | 0x400000f45, 0x20000000); /* 16G: L2[32..63] */
	fm_set(m, 0x10008, UINT64_C(0x40000009f45));	      /* 4T, L1[1] */
	fm_enum(&t, m, 3,
		"80060040000 10000 7f0000 rwx a1 d- x1 L3\n"
		"80060200000 200000 200000 rwx a1 d- x32 L3\n"
		"80080000000 20000000 20000000 rwx a1 d- x1 L2\n"
		"80400000000 400000000 400000000 rwx a1 d- x32 L2\n");
	fm_fault(&t, m, 0x40000000000, MDL_RESERVED);
	/* A1.14: OA[51:48] = desc[15:12]; input 52 bits: L1 has 1024 entries */
	t.lpa52 = true;
	t.oas = 52;
	t.ias = 52;
	fm_set(m, 0x11ff8, 0x20003); /* L1[1023] */
	fm_walk(&t, m, 0x80060040000, "80060040000 10000 a0000007f0000 rwx a1 d- x1 L3");
	fm_walk(&t, m, 0x40000000000, "40000000000 40000000000 9040000000000 rwx a1 d- x1 L1");
	fm_walk(&t, m, UINT64_C(0xffc0060040000),
		"ffc0060040000 10000 a0000007f0000 rwx a1 d- x1 L3");
	t.oas = 48;
	fm_fault(&t, m, 0x80060040000, MDL_ADDR_SIZE);
	fm_free(m);
}

/* Next-level table above 2^48: desc[15:12] in a table descriptor too */
static void s1_64k_table52(void **state)
{
	struct mdl_table t = { .format = MDL_ARM_S1,
			       .root = UINT64_C(0x5000000010000),
			       .granule_lg2 = 16,
			       .ias = 42,
			       .start_level = 2,
			       .oas = 52,
			       .lpa52 = true };
	struct fakemem *m = fm_new();

	(void)state;
	fm_add(m, UINT64_C(0x5000000010000), 0x10000);
	fm_add(m, UINT64_C(0x3000000020000), 0x10000);
	fm_set(m, UINT64_C(0x5000000010008), 0x23003); /* L2[1] */
	fm_set(m, UINT64_C(0x3000000020008), 0x7f47);  /* 7<<48, L3[1] */
	fm_enum(&t, m, 2, "20010000 10000 7000000000000 rwx a1 d- x1 L3\n");
	fm_free(m);
}

/* S2T0SZ=22, SL0 L1: 42 bits, 8 tables side by side (A1.4); index 0xabc = bits 41:30 */
static void s2_4k_concat(void **state)
{
	struct mdl_table t = { .format = MDL_ARM_S2,
			       .root = 0x8000,
			       .granule_lg2 = 12,
			       .ias = 42,
			       .start_level = 1,
			       .oas = 48 };
	struct fakemem *m = fm_new();

	(void)state;
	fm_add(m, 0x8000, 0x8000);
	fm_add(m, 0x10000, 0x2000);
	fm_set(m, 0xd5e0, 0x10003); /* 0x8000 + 8 * 0xabc */
	fm_set(m, 0x10008, 0x11003);
	fm_set(m, 0x11010, 0x60007ff);
	fm_set(m, 0x11018, 0x600177f);			  /* S2AP=01 */
	fm_set(m, 0x11020, 0x60027bf);			  /* S2AP=10: write only */
	fm_set(m, 0x11028, 0x600373f);			  /* S2AP=00 */
	fm_set(m, 0x11030, UINT64_C(0x00400000060047ff)); /* XN */
	fm_set(m, 0xfff8, 0x7c00007fd);			  /* last 1G block */
	fm_enum(&t, m, 10,
		"2af00202000 1000 6000000 rwx a1 d- x1 L3\n"
		"2af00203000 1000 6001000 r-x a1 d- x1 L3\n"
		"2af00204000 1000 6002000 -wx a1 d- x1 L3\n"
		"2af00205000 1000 6003000 --x a1 d- x1 L3\n"
		"2af00206000 1000 6004000 rw- a1 d- x1 L3\n"
		"3ffc0000000 40000000 7c0000000 rwx a1 d- x1 L1\n");
	fm_fault(&t, m, UINT64_C(0x40000000000), MDL_RANGE);
	t.root = 0x8008; /* low bits count as 0 */
	fm_walk(&t, m, 0x2af00203000, "2af00203000 1000 6001000 r-x a1 d- x1 L3");
	t.root = 0x8000;
	t.ias = 44; /* 32 tables: too many */
	fm_fault(&t, m, 0, MDL_WALK_ABORT);
	t.ias = 42;
	t.format = MDL_ARM_S1; /* stage 1 does not concatenate */
	fm_fault(&t, m, 0, MDL_WALK_ABORT);
	fm_free(m);
}

/* 16K, 48 bits, L1 x 2; 64K, S2T0SZ=18, L2 x 16 (A1.4) */
static void s2_wide_concat(void **state)
{
	struct mdl_table t = { .format = MDL_ARM_S2,
			       .root = 0x10000,
			       .granule_lg2 = 14,
			       .ias = 48,
			       .start_level = 1,
			       .oas = 48 };
	struct fakemem *m = fm_new();

	(void)state;
	fm_add(m, 0x10000, 0x10000);
	fm_set(m, 0x17ff8, 0x18003);   /* L1[4095] */
	fm_set(m, 0x18008, 0x20007fd); /* L2[1], 32M block */
	fm_enum(&t, m, 3, "fff002000000 2000000 2000000 rwx a1 d- x1 L2\n");
	t.start_level = 0; /* not in stage 2 without DS */
	fm_fault(&t, m, 0, MDL_WALK_ABORT);
	fm_free(m);

	m = fm_new();
	t = (struct mdl_table){ .format = MDL_ARM_S2,
				.root = 0x100000,
				.granule_lg2 = 16,
				.ias = 46,
				.start_level = 2,
				.oas = 48 };
	fm_add(m, 0x100000, 0x100000);
	fm_add(m, 0x10000, 0x10000);
	fm_set(m, 0x1ffff8, 0x10003); /* L2[131071]: 0x1ffff << 29 */
	fm_set(m, 0x1fff8, 0x307ff);  /* L3[8191], 64K page at 0x30000 */
	fm_set(m, 0x100000, 0x200007fd);
	fm_enum(&t, m, 17,
		"0 20000000 20000000 rwx a1 d- x1 L2\n"
		"3fffffff0000 10000 30000 rwx a1 d- x1 L3\n");
	fm_free(m);
}

/* 32-bit LPAE: L1 with 4 entries; TTBR1 with T1SZ=1 */
static void lpae32(void **state)
{
	struct mdl_table t = { .format = MDL_ARM_S1,
			       .root = 0x1000,
			       .granule_lg2 = 12,
			       .ias = 32,
			       .start_level = 1,
			       .oas = 40,
			       .lpae32 = true,
			       .hw_access = true,
			       .hw_dirty = true };
	struct fakemem *m = fm_new();

	(void)state;
	fm_add(m, 0x1000, 0x3000);
	fm_set(m, 0x1008, 0x40000f45);			 /* L1[1] */
	fm_set(m, 0x1018, 0x2003);			 /* L1[3] */
	fm_set(m, 0x2ff8, UINT64_C(0x000800ff00000fc5)); /* bit 51 is not DBM here */
	fm_enum(&t, m, 2,
		"40000000 40000000 40000000 rwx a1 d- x1 L1\n"
		"ffe00000 200000 ff00000000 r-x a1 d- x1 L2\n");
	fm_fault(&t, m, UINT64_C(0x100000000), MDL_RANGE);
	t.upper = true;
	t.ias = 31;
	fm_enum(&t, m, 1, "c0000000 40000000 40000000 rwx a1 d- x1 L1\n");
	fm_fault(&t, m, 0x7fffffff, MDL_RANGE);
	fm_fault(&t, m, UINT64_C(0xffffffffc0000000), MDL_RANGE);
	t.ias = 30; /* T1SZ=2: from L2 */
	t.start_level = 2;
	t.root = 0x2000;
	fm_walk(&t, m, 0xffffffff, "ffe00000 200000 ff00000000 r-x a1 d- x1 L2");
	fm_set(m, 0x2ff8, 0xb45); /* AF=0: no hardware update here */
	fm_fault(&t, m, 0xffffffff, MDL_ACCESS_FLAG);
	fm_free(m);
}

int mdl_test_arm(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(s1_4k_sizes),	  cmocka_unit_test(s1_4k_faults),
		cmocka_unit_test(s1_hierarchy),	  cmocka_unit_test(s1_4k_runs),
		cmocka_unit_test(s1_broken_runs), cmocka_unit_test(s1_ttbr1),
		cmocka_unit_test(s1_16k),	  cmocka_unit_test(s1_64k),
		cmocka_unit_test(s1_64k_table52), cmocka_unit_test(s2_4k_concat),
		cmocka_unit_test(s2_wide_concat), cmocka_unit_test(lpae32),
	};

	return cmocka_run_group_tests_name("model: arm", tests, NULL, NULL);
}
