/* SPDX-License-Identifier: MIT */
/*
 * What one access through an iotlb reads and writes in tables: every expected value here was
 * put together by hand from the architectures' tables (bits.md A1.5-A1.13, A2.1-A2.3,
 * A3.1-A3.5).
 *
 * Each row is one page, walked on its own: 4 KiB tables, one item in each, the leaf in item 1
 * of the lowest one.
 */
#include "iotlb_hand.h"

struct row {
	const char *what;
	uint64_t leaf, after; /* without the address */
	uint32_t access;
	enum iod_fault_reason reason;
	uint64_t in_table; /* changed in the topmost table item */
};

static void check_tables(struct hand *h, const struct row *row)
{
	uint64_t item;
	unsigned int i;

	for (i = 1; i < h->c->depth; i++) {
		item = hand_item(h, i);
		if (i == h->c->depth - 1)
			item ^= row->in_table;
		if (row->reason == OK)
			item |= h->c->used;
		assert_int_equal(iodt_read(h->t, h->table[i]), item);
	}
}

static void check_row(struct hand *h, const struct row *row)
{
	struct iod_access_result result = { 0 };
	struct iod_fault fault = { 0 };
	unsigned int top = h->c->depth - 1;
	int ret;

	hand_reset(h, row->leaf ^ PAGE);
	iodt_write(h->t, h->table[top], hand_item(h, top) ^ row->in_table);
	ret = iod_iotlb_access(h->tlb, h->t->pt, IOVA, row->access, &result, &fault);
	if (fault.reason != row->reason || iodt_read(h->t, h->leaf_pa) != (row->after ^ PAGE))
		print_error("%s: reason %d, leaf %jx\n", row->what, (int)fault.reason,
			    (uintmax_t)iodt_read(h->t, h->leaf_pa));
	assert_int_equal(ret, row->reason == OK ? 0 : -EFAULT);
	assert_int_equal(fault.reason, row->reason);
	assert_int_equal(iodt_read(h->t, h->leaf_pa), row->after ^ PAGE);
	check_tables(h, row);
	if (ret) {
		assert_int_equal(fault.access, row->access);
		assert_int_equal(fault.iova, IOVA);
		assert_int_equal(fault.domain, 7);
		return;
	}
	assert_int_equal(result.pa, PAGE + 0x234);
	assert_int_equal(result.len, 0x1000 - 0x234);
	assert_false(result.hit);
}

static void check_rows(const struct hand_cfg *c, const struct row *rows, size_t nr)
{
	struct hand h;
	size_t i;

	hand_open(&h, c);
	for (i = 0; i < nr; i++)
		check_row(&h, &rows[i]);
	hand_close(&h);
}

#define CHECK(cfg, rows) check_rows(&(cfg), rows, IODT_ARRAY_SIZE(rows))

/* ---- ARM stage 1: 4K, ias 39, three tables ---- */

#define DBM    UINT64_C(0x0008000000000000)
#define XN     UINT64_C(0x0060000000000000) /* PXN, UXN */
#define NOUSER UINT64_C(0x2000000000000000) /* APTable[0] */
#define RDONLY UINT64_C(0x4000000000000000) /* APTable[1] */
#define XNTBL  UINT64_C(0x1000000000000000)

/* f43: nG AF SH=3 AP=01 page; 80: AP[2], 40: AP[1], 400: AF */
static void arm_s1_hd(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_ARM_LPAE_S1,
		.features = IOD_PT_HW_DIRTY,
		.ias = 39,
		.oas = 40,
		.depth = 3,
		.table = 3,
	};
	static const struct row rows[] = {
		{ "writable-clean, read", DBM | 0xfc3, DBM | 0xfc3, R, OK, 0 },
		{ "writable-clean, written", DBM | 0xfc3, DBM | 0xf43, W, OK, 0 },
		{ "writable-clean, both", DBM | 0xfc3, DBM | 0xf43, R | W, OK, 0 },
		{ "writable-dirty, written", DBM | 0xf43, DBM | 0xf43, W, OK, 0 },
		{ "AF=0, read", DBM | 0xbc3, DBM | 0xfc3, R, OK, 0 },
		{ "AF=0, written: AF comes with dirty", DBM | 0xbc3, DBM | 0xf43, W, OK, 0 },
		{ "untracked, written", 0xf43, 0xf43, W, OK, 0 },
		{ "untracked, AF=0", 0xb43, 0xf43, W, OK, 0 },
		{ "read-only, read", 0xbc3, 0xfc3, R, OK, 0 },
		{ "read-only, written", 0xfc3, 0xfc3, W, PERMISSION, 0 },
		{ "read-only, AF=0, written", 0xbc3, 0xbc3, W, PERMISSION, 0 },
		{ "privileged only", DBM | 0xf83, DBM | 0xf83, W, PERMISSION, 0 },
		{ "privileged only, by such", DBM | 0xf83, DBM | 0xf03, W | P, OK, 0 },
		{ "executed", 0xfc3, 0xfc3, R | X, OK, 0 },
		{ "execute never", XN | 0xfc3, XN | 0xfc3, R | X, PERMISSION, 0 },
		{ "invalid", DBM | 0xfc2, DBM | 0xfc2, R, NOT_THERE, 0 },
		{ "reserved encoding", DBM | 0xfc1, DBM | 0xfc1, R, NOT_THERE, 0 },
		{ "page beyond 40 bits", IODT_BIT(40) | 0xfc3, IODT_BIT(40) | 0xfc3, R, ADDR_SIZE,
		  0 },
		{ "table beyond 40 bits", 0xfc3, 0xfc3, R, ADDR_SIZE, IODT_BIT(40) },
		{ "table not in memory", 0xfc3, 0xfc3, R, ABORT, IODT_BIT(39) },
		{ "no table", 0xfc3, 0xfc3, R, NOT_THERE, 1 },
		{ "APTable takes writes away", DBM | 0xfc3, DBM | 0xfc3, W, PERMISSION, RDONLY },
		{ "APTable, read", DBM | 0xbc3, DBM | 0xfc3, R, OK, RDONLY },
		{ "APTable, users out", DBM | 0xfc3, DBM | 0xfc3, R, PERMISSION, NOUSER },
		{ "APTable, privileged", DBM | 0xfc3, DBM | 0xf43, W | P, OK, NOUSER },
		{ "XNTable", 0xfc3, 0xfc3, R | X, PERMISSION, XNTBL },
		{ "bits 7:2, 11, 58:52 of a table", DBM | 0xfc3, DBM | 0xf43, W, OK,
		  UINT64_C(0x07f00000000008fc) },
	};

	CHECK(c, rows);
}

static void arm_s1_ha(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_ARM_LPAE_S1,
		.features = IOD_PT_HW_ACCESS,
		.ias = 39,
		.depth = 3,
		.table = 3,
	};
	static const struct row rows[] = {
		{ "AF=0", 0xb43, 0xf43, R, OK, 0 },
		{ "DBM, read-only: not writable with HD=0", DBM | 0xfc3, DBM | 0xfc3, W, PERMISSION,
		  0 },
		{ "DBM, writable", DBM | 0xb43, DBM | 0xf43, W, OK, 0 },
	};

	CHECK(c, rows);
}

static void arm_s1_none(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_ARM_LPAE_S1,
		.ias = 39,
		.depth = 3,
		.table = 3,
	};
	static const struct row rows[] = {
		{ "AF=0", 0xb43, 0xb43, R, AFLAG, 0 },
		{ "AF=0 comes before permission", 0xbc3, 0xbc3, W, AFLAG, 0 },
		{ "AF=1", 0xf43, 0xf43, W, OK, 0 },
		{ "DBM, read-only", DBM | 0xfc3, DBM | 0xfc3, W, PERMISSION, 0 },
	};

	CHECK(c, rows);
}

/* AFFD (A1.11 rule 18): AF=0 is no fault, and nobody sets it. */
static void arm_s1_affd(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_ARM_LPAE_S1,
		.features = IOD_PT_NO_ACCESS_FAULT,
		.ias = 39,
		.depth = 3,
		.table = 3,
	};
	static const struct row rows[] = {
		{ "AF=0", 0xb43, 0xb43, W, OK, 0 },
		{ "AF=0, read-only", 0xbc3, 0xbc3, W, PERMISSION, 0 },
	};

	CHECK(c, rows);
}

static void arm_s1_haft(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_ARM_LPAE_S1,
		.features = IOD_PT_HW_DIRTY | IOD_PT_HW_TABLE_ACCESS,
		.ias = 39,
		.depth = 3,
		.table = 3,
		.used = 0x400,
		/* not open on ARM: the flag is for AMD */
		.iotlb = IOD_IOTLB_NO_TABLE_ACCESS,
	};
	static const struct row rows[] = {
		{ "read", DBM | 0xbc3, DBM | 0xfc3, R, OK, 0 },
		{ "written", DBM | 0xfc3, DBM | 0xf43, W, OK, 0 },
		{ "table AF=1 already", DBM | 0xfc3, DBM | 0xf43, W, OK, 0x400 },
		{ "refused", 0xfc3, 0xfc3, W, PERMISSION, 0 },
	};

	CHECK(c, rows);
}

/* ---- ARM stage 2: 4K, ias 39. 77f: AF SH=3 S2AP=01 MemAttr=1111 page; 80: S2AP[1] ---- */

static void arm_s2_hd(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_ARM_LPAE_S2,
		.features = IOD_PT_HW_DIRTY,
		.ias = 39,
		.oas = 40,
		.depth = 3,
		.table = 3,
	};
	static const struct row rows[] = {
		{ "writable-clean, read", DBM | 0x77f, DBM | 0x77f, R, OK, 0 },
		{ "writable-clean, written", DBM | 0x77f, DBM | 0x7ff, W, OK, 0 },
		{ "AF=0, written", DBM | 0x37f, DBM | 0x7ff, W, OK, 0 },
		{ "writable-dirty", DBM | 0x7ff, DBM | 0x7ff, W, OK, 0 },
		{ "untracked", 0x7ff, 0x7ff, W, OK, 0 },
		{ "read-only", 0x77f, 0x77f, W, PERMISSION, 0 },
		{ "write-only, written", 0x7bf, 0x7bf, W, OK, 0 },
		{ "write-only, read", 0x7bf, 0x7bf, R, PERMISSION, 0 },
		{ "clean, not readable", DBM | 0x73f, DBM | 0x7bf, W, OK, 0 },
		{ "nothing permitted", 0x73f, 0x73f, R, PERMISSION, 0 },
		{ "invalid", 0x77e, 0x77e, R, NOT_THERE, 0 },
		{ "page beyond 40 bits", IODT_BIT(40) | 0x77f, IODT_BIT(40) | 0x77f, R, ADDR_SIZE,
		  0 },
		{ "bits 63:59 of a table mean nothing here", DBM | 0x77f, DBM | 0x7ff, W, OK,
		  RDONLY | NOUSER },
	};

	CHECK(c, rows);
}

static void arm_s2_haft(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_ARM_LPAE_S2,
		.features = IOD_PT_HW_DIRTY | IOD_PT_HW_TABLE_ACCESS,
		.ias = 39,
		.depth = 3,
		.table = 3,
		.used = 0x400,
	};
	static const struct row rows[] = {
		{ "read", DBM | 0x37f, DBM | 0x77f, R, OK, 0 },
		{ "written", DBM | 0x77f, DBM | 0x7ff, W, OK, 0 },
		{ "refused", 0x77f, 0x77f, W, PERMISSION, 0 },
	};

	CHECK(c, rows);
}

/* ---- VT-d second stage, three levels: R 1, W 2, A 100, D 200 ---- */

static void vtd_ss_ad(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_VTD_SS,
		.features = IOD_PT_HW_DIRTY,
		.levels = 3,
		.depth = 3,
		.oas = 46,
		.table = 3,
		.used = 0x100,
	};
	static const struct row rows[] = {
		{ "read", 0x3, 0x103, R, OK, 0 },
		{ "written", 0x3, 0x303, W, OK, 0 },
		{ "accessed already", 0x103, 0x303, W, OK, 0 },
		{ "dirty already", 0x303, 0x303, W, OK, 0 },
		{ "read-only, read", 0x1, 0x101, R, OK, 0 },
		{ "read-only, written", 0x1, 0x1, W, PERMISSION, 0 },
		{ "write-only, written", 0x2, 0x302, W, OK, 0 },
		{ "write-only, read", 0x2, 0x2, R, PERMISSION, 0 },
		{ "not present", 0x300, 0x300, R, NOT_THERE, 0 },
		{ "ignored bits, SNP, EMT, IPAT", 0x3ff0000000000cff, 0x3ff0000000000fff, W, OK,
		  0 },
		{ "page beyond 46 bits", IODT_BIT(46) | 3, IODT_BIT(46) | 3, R, RESERVED, 0 },
		{ "table beyond 46 bits", 3, 3, R, RESERVED, IODT_BIT(46) },
		{ "bit 11 of a table", 3, 3, R, RESERVED, 0x800 },
		{ "table without W", 3, 3, W, PERMISSION, 2 },
		{ "table without W, read", 3, 0x103, R, OK, 2 },
		{ "table without R, read", 3, 3, R, PERMISSION, 1 },
		{ "table without R and W", 3, 3, R, NOT_THERE, 3 },
		{ "bits 3-6, 9, 10 of a table", 3, 0x303, W, OK, 0x678 },
		{ "table not in memory", 3, 3, R, ABORT, IODT_BIT(45) },
		{ "1G page, misaligned", 3, 3, R, RESERVED, 0x80 },
	};

	CHECK(c, rows);
}

static void vtd_ss_no_ad(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_VTD_SS,
		.levels = 3,
		.depth = 3,
		.table = 3,
	};
	static const struct row rows[] = {
		{ "written", 0x3, 0x3, W, OK, 0 },
		{ "A and D are ignored", 0x303, 0x303, R, OK, 0 },
	};

	CHECK(c, rows);
}

/* ---- x86-64: P 1, RW 2, US 4, A 20, D 40, PS 80, XD 63 ---- */

#define XD IODT_BIT(63)

static const struct row x86_rows[] = {
	{ "read", 0x7, 0x27, R, OK, 0 },
	{ "written", 0x7, 0x67, W, OK, 0 },
	{ "dirty already", 0x67, 0x67, W, OK, 0 },
	{ "read-only, read", 0x5, 0x25, R, OK, 0 },
	{ "read-only, written", 0x5, 0x5, W, PERMISSION, 0 },
	{ "supervisor page", 0x3, 0x3, R, PERMISSION, 0 },
	{ "supervisor page, by such", 0x3, 0x63, W | P, OK, 0 },
	{ "executed", 0x5, 0x25, R | X, OK, 0 },
	{ "XD", XD | 0x5, XD | 0x5, R | X, PERMISSION, 0 },
	{ "XD, read", XD | 0x5, XD | 0x25, R, OK, 0 },
	{ "not present", 0x66, 0x66, R, NOT_THERE, 0 },
	{ "page beyond 46 bits", IODT_BIT(46) | 7, IODT_BIT(46) | 7, R, RESERVED, 0 },
	{ "PS in the PML4E", 7, 7, R, RESERVED, 0x80 },
	{ "table read-only", 7, 7, W, PERMISSION, 2 },
	{ "table for supervisors", 7, 7, R, PERMISSION, 4 },
	{ "table XD", 7, 7, R | X, PERMISSION, XD },
	{ "table D ignored", 7, 0x67, W, OK, 0x40 },
	{ "no table", 7, 7, W, NOT_THERE, 1 },
};

static void vtd_fs(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_VTD_FS,
		.levels = 4,
		.depth = 4,
		.oas = 46,
		.table = 7,
		.used = 0x20,
		.iotlb = IOD_IOTLB_NO_TABLE_ACCESS, /* not open here */
	};

	CHECK(c, x86_rows);
}

static void amd_v2(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_AMD_V2,
		.levels = 4,
		.depth = 4,
		.oas = 46,
		.table = 7,
		.used = 0x20,
	};

	CHECK(c, x86_rows);
}

static void amd_v2_no_table_a(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_AMD_V2,
		.levels = 4,
		.depth = 4,
		.oas = 46,
		.table = 7,
		.iotlb = IOD_IOTLB_NO_TABLE_ACCESS,
	};

	CHECK(c, x86_rows);
}

/* ---- AMD v1, mode 3: PR 1, A 20, D 40, IR 61, IW 62 ---- */

#define IR IODT_BIT(61)
#define IW IODT_BIT(62)
#define RW (IR | IW | 1)

static const struct row amd_v1_rows[] = {
	{ "read", RW, RW | 0x20, R, OK, 0 },
	{ "written", RW, RW | 0x60, W, OK, 0 },
	{ "dirty already", RW | 0x60, RW | 0x60, W, OK, 0 },
	{ "read-only", IR | 1, IR | 1, W, PERMISSION, 0 },
	{ "write-only, read", IW | 1, IW | 1, R, PERMISSION, 0 },
	{ "write-only, written", IW | 1, IW | 0x61, W, OK, 0 },
	{ "not present", IR | IW, IR | IW, R, NOT_THERE, 0 },
	{ "ignored bits, U, FC", RW | 0x980000000000019e, RW | 0x98000000000001fe, W, OK, 0 },
	{ "bit 52", RW | IODT_BIT(52), RW | IODT_BIT(52), R, RESERVED, 0 },
	{ "Next Level 1 at level 1", RW | 0x200, RW | 0x200, R, RESERVED, 0 },
	{ "page beyond 46 bits", IODT_BIT(46) | RW, IODT_BIT(46) | RW, R, RESERVED, 0 },
	{ "PDE bit 60", RW, RW, R, RESERVED, IODT_BIT(60) },
	{ "PDE bits 4:1, 8:6, 63", RW, RW | 0x60, W, OK, IODT_BIT(63) | 0x1de },
	{ "PDE without IW", RW, RW, W, PERMISSION, IW },
	{ "PDE without IR", RW, RW, R, PERMISSION, IR },
	{ "Next Level 3 at level 3", RW, RW, R, RESERVED, 0x200 },
	{ "no PDE", RW, RW, R, NOT_THERE, 1 },
};

static void amd_v1(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_AMD_V1,
		.features = IOD_PT_HW_DIRTY,
		.levels = 3,
		.depth = 3,
		.oas = 46,
		.table = RW,
		.level_in_item = true,
		.used = 0x20,
	};

	CHECK(c, amd_v1_rows);
}

static void amd_v1_no_table_a(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_AMD_V1,
		.features = IOD_PT_HW_DIRTY,
		.levels = 3,
		.depth = 3,
		.oas = 46,
		.table = RW,
		.level_in_item = true,
		.iotlb = IOD_IOTLB_NO_TABLE_ACCESS,
	};

	CHECK(c, amd_v1_rows);
}

static void amd_v1_had(void **state)
{
	static const struct hand_cfg a_only = {
		.format = IOD_AMD_V1,
		.features = IOD_PT_HW_ACCESS,
		.levels = 3,
		.depth = 3,
		.table = RW,
		.level_in_item = true,
		.used = 0x20,
	};
	static const struct hand_cfg off = {
		.format = IOD_AMD_V1,
		.levels = 3,
		.depth = 3,
		.table = RW,
		.level_in_item = true,
	};
	static const struct row a_row[] = { { "HAD=1", RW, RW | 0x20, W, OK, 0 } };
	static const struct row off_row[] = { { "HAD=0", RW, RW, W, OK, 0 } };

	CHECK(a_only, a_row);
	CHECK(off, off_row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arm_s1_hd),	cmocka_unit_test(arm_s1_ha),
		cmocka_unit_test(arm_s1_none),	cmocka_unit_test(arm_s1_affd),
		cmocka_unit_test(arm_s1_haft),	cmocka_unit_test(arm_s2_hd),
		cmocka_unit_test(arm_s2_haft),	cmocka_unit_test(vtd_ss_ad),
		cmocka_unit_test(vtd_ss_no_ad), cmocka_unit_test(vtd_fs),
		cmocka_unit_test(amd_v2),	cmocka_unit_test(amd_v2_no_table_a),
		cmocka_unit_test(amd_v1),	cmocka_unit_test(amd_v1_no_table_a),
		cmocka_unit_test(amd_v1_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
