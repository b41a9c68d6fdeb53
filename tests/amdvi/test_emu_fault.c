/* SPDX-License-Identifier: MIT */
/* The emulated AMD IOMMU: every event of accesses, flag by flag, and what keeps one out of the log. */
#include "emurig.h"

#define R   IOD_ACCESS_READ
#define W   IOD_ACCESS_WRITE
#define DOM 9u
#define DEV 3u

/* A fresh device with a host table that has one entry at 0x1000's place in the last level. */
static uint64_t with_entry(struct amdrig *r, uint64_t pte)
{
	uint64_t root = rig_page(r);

	rig_map_host(r, root, 0x1000, pte);
	rig_v1(r, DEV, 0, DOM, root);
	rig_cmd(r, CMD(2) | DEV, 0);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), CMD1_ALL | CMD1_PDE);
	return root;
}

static void page_fault(void **state)
{
	struct amdrig *r = *state;
	const uint64_t base = EV(2, DEV) | EV_DOM(DOM);
	static const struct {
		uint64_t pte, flags;
	} rows[] = {
		{ 0, 0 },				 /* not present */
		{ V1_IR | V1_IW, 0 },			 /* nor this */
		{ V1_RW | IODT_BIT(52), EV_PR | EV_RZ }, /* reserved */
		{ V1_RW | IODT_BIT(56), EV_PR | EV_RZ },
		{ V1_RW | V1_NL(1), EV_PR | EV_RZ }, /* a table in level 1 */
		{ V1_RW | V1_NL(6), EV_PR | EV_RZ },
		{ V1_RW | V1_NL(7) | 0xff000, EV_PR | EV_RZ }, /* 2 MiB in level 1 */
	};
	unsigned int i;

	for (i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		with_entry(r, rows[i].pte ? rows[i].pte | RIG_DATA : 0);
		rig_bad(r, DEV, -1, 0x1234, R, base | rows[i].flags, 0x1234);
		rig_bad(r, DEV, -1, 0x1234, W, base | rows[i].flags | EV_RW, 0x1234);
	}
	/* above what Mode 3 covers */
	rig_bad(r, DEV, -1, IODT_BIT(39), R, base, IODT_BIT(39));
}

/* A directory that leads to as high a level, or has reserved bits. */
static void directories(void **state)
{
	struct amdrig *r = *state;
	const uint64_t base = EV(2, DEV) | EV_DOM(DOM) | EV_PR | EV_RZ;
	uint64_t root = with_entry(r, RIG_DATA | V1_RW), pde = rig_r64(r, root);

	rig_w64(r, root, (pde & ~V1_NL(7)) | V1_NL(3));
	rig_bad(r, DEV, -1, 0x1234, R, base, 0x1234);
	rig_w64(r, root, pde | IODT_BIT(60));
	rig_bad(r, DEV, -1, 0x1234, R, base, 0x1234);
	rig_w64(r, root, pde);
	rig_ok(r, DEV, -1, 0x1234, R, RIG_DATA + 0x234);
}

static void hardware_errors(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), guest;

	/* a table, and the root itself, that are not in memory */
	rig_w64(r, root, RIG_AWAY | V1_NL(2) | V1_RW);
	rig_v1(r, DEV, 0, DOM, root);
	rig_bad(r, DEV, -1, 0x1000, R, EV(4, DEV) | EV_DOM(DOM) | EV_TYPE(2), RIG_AWAY);
	rig_v1(r, 4, 0, DOM + 1, RIG_AWAY);
	rig_bad(r, 4, -1, 0x40000000, W, EV(4, 4) | EV_DOM(DOM + 1) | EV_TYPE(2) | EV_RW,
		RIG_AWAY + 8);
	/* of a guest table; of the GCR3 table */
	guest = rig_page(r);
	rig_w64(r, guest, RIG_AWAY | V2_RW);
	rig_v2(r, 5, 0, DOM + 2, 5, guest);
	rig_bad(r, 5, 5, 0x1000, R, EV(4, 5) | EV_GN | EV_PASID(5) | EV_TYPE(2), RIG_AWAY);
	rig_dte(r, 6, DTE_OK | DTE_GV | DTE0_GCR3(RIG_AWAY), DTE1_DOM(DOM) | DTE1_GCR3(RIG_AWAY), 0,
		0);
	rig_bad(r, 6, 7, 0x1000, R, EV(4, 6) | EV_GN | EV_PASID(7) | EV_TYPE(2), RIG_AWAY + 56);
	/* a translation request has one, too */
	rig_dte(r, 7, DTE_OK | DTE_MODE(3) | RIG_AWAY, DTE1_DOM(DOM + 3) | DTE1_I, 0, 0);
	assert_int_equal(rig_req(r, 7, -1, 0x1000, R, IOD_EMU_REQ_ATS), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_CA);
	rig_expect_event(r, EV(4, 7) | EV_DOM(DOM + 3) | EV_TYPE(2) | EV_TR, RIG_AWAY);
}

static void device_table(void **state)
{
	struct amdrig *r = *state;

	/* 2 pages are 256 DTEs. Which event it is is unconfirmed. */
	rig_bad(r, 0x100, -1, 0x1000, R, EV(1, 0x100), 0x1000);
	rig_reg(r, R_DEVTAB, RIG_AWAY | 1);
	rig_bad(r, 9, -1, 0x1000, W, EV(3, 9) | EV_TYPE(2) | EV_RW, RIG_AWAY + 9 * 32);
	rig_reg(r, R_DEVTAB, RIG_DEVTAB | 1);
	rig_ok(r, 9, -1, 0x1000, W, 0x1000); /* what was not fetched is not cached */
}

/* ILLEGAL_DEV_TABLE_ENTRY: reserved bits and codes; cached until it is invalidated. */
static void illegal_dtes(void **state)
{
	struct amdrig *r = *state;
	static const struct {
		uint64_t w0, w1;
	} rows[] = {
		{ DTE_OK | DTE_HAD(2) | DTE_MODE(3) | RIG_TABLES, 0 },
		{ DTE_OK | IODT_BIT(63), 0 },
		{ DTE_OK | DTE_GV | DTE_GLX(3), 0 },
		{ DTE_OK | DTE_MODE(7) | RIG_TABLES, 0 },
	};
	unsigned int i;

	for (i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		rig_dte(r, DEV + i, rows[i].w0, rows[i].w1, 0, 0);
		rig_bad(r, DEV + i, -1, 0x1237, W, EV(1, DEV + i) | EV_RZ | EV_RW, 0x1234);
		rig_dte(r, DEV + i, DTE_OK, 0, 0, 0);
		rig_bad(r, DEV + i, -1, 0x1234, R, EV(1, DEV + i) | EV_RZ, 0x1234);
		assert_int_equal(rig_req(r, DEV + i, -1, 0x1000, R, IOD_EMU_REQ_ATS), -EFAULT);
		rig_expect_event(r, EV(1, DEV + i) | EV_RZ | EV_TR, 0x1000);
		rig_cmd(r, CMD(2) | (DEV + i), 0);
		rig_ok(r, DEV + i, -1, 0x1234, R, 0x1234);
	}
}

/* In nested memory: faults of the host table on the way to the guest's. */
static void nested_tables(void **state)
{
	struct amdrig *r = *state;
	const uint64_t gpa = EV(2, DEV) | EV_DOM(DOM);
	uint64_t root = rig_page(r), leaf, item, table;

	rig_host(r, V1_RW);
	rig_map_guest(r, root, 0x1000, (RIG_DATA + RIG_GPA) | V2_RW, RIG_GPA);
	rig_nested(r, DEV, 0, DOM, 5, root);
	leaf = rig_guest_leaf(r, root, 0x1000, RIG_GPA);
	/* the page of the last table is read-only: A cannot be set there */
	item = rig_host_leaf(r, r->host_root, (leaf & ~UINT64_C(0xfff)) + RIG_GPA);
	table = rig_r64(r, item);
	rig_w64(r, item, table & ~V1_IW);
	rig_bad(r, DEV, 5, 0x1010, R, gpa | EV_PR | EV_PE | EV_RW, leaf + RIG_GPA);
	/* it is not there */
	rig_w64(r, item, 0);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), CMD1_ALL | CMD1_PDE);
	rig_bad(r, DEV, 5, 0x1010, W, gpa, leaf + RIG_GPA);
	rig_w64(r, item, table);
	rig_ok(r, DEV, 5, 0x1010, W, RIG_DATA + 0x10);
}

static void nested_gcr3(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), gcr3, item;

	rig_host(r, V1_RW);
	gcr3 = rig_nested(r, DEV, 0, DOM, 5, root);
	item = rig_host_leaf(r, r->host_root, gcr3 + RIG_GPA);
	rig_w64(r, item, 0);
	rig_bad(r, DEV, 5, 0x1010, W, EV(2, DEV) | EV_DOM(DOM), gcr3 + 5 * 8 + RIG_GPA);
}

/* SA: none is logged. SE: one, until the DTE is invalidated. Other events are. */
static void suppressed(void **state)
{
	struct amdrig *r = *state;
	const uint64_t gone = EV(2, DEV) | EV_DOM(DOM);
	uint64_t root = rig_page(r);
	struct iod_amdvi_emu_stats stats = { .size = sizeof(stats) };

	rig_dte(r, DEV, DTE_OK | DTE_MODE(3) | root, DTE1_DOM(DOM) | DTE1_SE, 0, 0);
	rig_bad(r, DEV, -1, 0x1000, R, gone, 0x1000);
	assert_int_equal(rig_access(r, DEV, -1, 0x2000, R), -EFAULT);
	assert_false(r->res.recorded);
	assert_int_equal(r->ev.type, IOD_AMDVI_IO_PAGE_FAULT);
	rig_no_event(r);
	rig_cmd(r, CMD(2) | DEV, 0);
	rig_bad(r, DEV, -1, 0x2000, R, gone, 0x2000);
	rig_dte(r, 4, DTE_OK | DTE_MODE(3) | root, DTE1_DOM(DOM) | DTE1_SA, 0, 0);
	assert_int_equal(rig_access(r, 4, -1, 0x2000, R), -EFAULT);
	rig_no_event(r);
	rig_w64(r, root, RIG_AWAY | V1_NL(2) | V1_RW);
	rig_bad(r, 4, -1, 0x2000, R, EV(4, 4) | EV_DOM(DOM) | EV_TYPE(2), RIG_AWAY);
	/* what the GCR3 table refuses is no other fault */
	rig_v2(r, 5, 0, DOM, 1, root);
	rig_w64(r, RIG_DEVTAB + 5 * 32 + 8, rig_r64(r, RIG_DEVTAB + 5 * 32 + 8) | DTE1_SA);
	assert_int_equal(rig_access(r, 5, 2, 0x2000, R), -EFAULT);
	assert_int_equal(r->ev.type, IOD_AMDVI_IO_PAGE_FAULT);
	rig_no_event(r);
	rig_v2(r, 6, 0, DOM, 1, root);
	rig_w64(r, RIG_DEVTAB + 6 * 32 + 8, rig_r64(r, RIG_DEVTAB + 6 * 32 + 8) | DTE1_SE);
	rig_bad(r, 6, 2, 0x2000, R, EV(2, 6) | EV_PASID(2) | EV_GN | EV_US, 0x2000);
	assert_int_equal(rig_access(r, 6, 2, 0x2000, R), -EFAULT);
	rig_no_event(r);
	assert_int_equal(iod_amdvi_emu_get_stats(r->emu, &stats), 0);
	assert_int_equal(stats.suppressed, 4);
	assert_int_equal(stats.dropped, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup_enabled, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(page_fault),   TEST(directories),	 TEST(hardware_errors), TEST(device_table),
		TEST(illegal_dtes), TEST(nested_tables), TEST(nested_gcr3),	TEST(suppressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
