/* SPDX-License-Identifier: MIT */
/* The emulated AMD IOMMU: which way accesses go, and what they mark; tables and structures by hand. */
#include "emurig.h"

#define R   IOD_ACCESS_READ
#define W   IOD_ACCESS_WRITE
#define DOM 9u
#define DEV 3u

static void create_rules(void **state)
{
	struct iod_mem_region region = { .pa = 0, .len = 4096 };
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm), .regions = &region, .nr_regions = 1 };
	struct iod_amdvi_emu_cfg cfg = { .size = sizeof(cfg) };
	struct iod_iotlb_cfg tlb = { .size = sizeof(tlb), .flags = IOD_IOTLB_ATC };
	struct iod_amdvi_emu *emu;
	void *page = calloc(1, 4096);

	(void)state;
	region.host = page;
	assert_int_equal(iod_mem_create_vm(&cfg.mem, &vm), 0);
	assert_int_equal(iod_amdvi_emu_create(NULL, &cfg), -EINVAL);
	assert_int_equal(iod_amdvi_emu_create(&emu, NULL), -EINVAL);
	cfg.config_entries = 3;
	assert_int_equal(iod_amdvi_emu_create(&emu, &cfg), -EINVAL);
	cfg.config_entries = 0;
	cfg.tlb_s1 = &tlb;
	assert_int_equal(iod_amdvi_emu_create(&emu, &cfg), -EINVAL);
	cfg.tlb_s1 = NULL;
	cfg.flags = ~IOD_AMDVI_EMU_KEEP_COMBINED;
	assert_int_equal(iod_amdvi_emu_create(&emu, &cfg), -EINVAL);
	cfg.flags = 0;
	assert_int_equal(iod_amdvi_emu_create(&emu, &cfg), 0);
	assert_int_equal(iod_mem_destroy(cfg.mem), -EBUSY);
	assert_int_equal(iod_amdvi_emu_destroy(emu), 0);
	assert_int_equal(iod_amdvi_emu_destroy(NULL), -EINVAL);
	assert_int_equal(iod_mem_destroy(cfg.mem), 0);
	free(page);
}

/* What is not modelled is not promised. */
static void features(void **state)
{
	const struct iod_amdvi_id all = { .efr = UINT64_MAX, .efr2 = UINT64_MAX };
	const struct iod_amdvi_id some = { .efr = ~(IODT_BIT(49) | IODT_BIT(50)) };
	struct iod_amdvi_emu_cfg cfg = { .id = &all };
	struct amdrig r;
	uint64_t efr;

	(void)state;
	rig_init(&r, &cfg);
	efr = rig_get(&r, R_EFR);
	/* XT 2, GA 7, HE 8, PC 9, Smif 17:16, GAM 23:21, dual logs 25:24 and 29:28, DevTblSeg 39:38, PPR automatics 40,
	 * 41, MARC 43:42, GAUpdateDis 61, SNP 63 */
	assert_true(!(efr & (IODT_BIT(2) | IODT_BIT(7) | IODT_BIT(8) | IODT_BIT(9) |
			     UINT64_C(0x33f30000) | UINT64_C(0xfc0) << 32 | IODT_BIT(61) |
			     IODT_BIT(63))));
	/* PPR 1, GT 4, IA 6, GIo 48, HA 49, HD 52 */
	assert_true((efr & (IODT_BIT(1) | IODT_BIT(4) | IODT_BIT(6) | IODT_BIT(48) | IODT_BIT(49) |
			    IODT_BIT(52))) == (IODT_BIT(1) | IODT_BIT(4) | IODT_BIT(6) |
					       IODT_BIT(48) | IODT_BIT(49) | IODT_BIT(52)));
	assert_int_equal(efr >> 10 & 3, 2); /* 3 is reserved */
	rig_fini(&r);
	/* HD needs HA, PPR needs EPH: drivers that look at one alone write DTEs that would be illegal */
	cfg.id = &some;
	rig_init(&r, &cfg);
	assert_false(rig_get(&r, R_EFR) & (IODT_BIT(1) | IODT_BIT(52)));
	rig_fini(&r);
}

/* Disabled: everything passes, nobody answers translation requests. */
static void disabled(void **state)
{
	struct amdrig *r = *state;

	rig_ok(r, DEV, -1, 0x123456, R | W, 0x123456);
	rig_ok(r, DEV, 5, 0x123456, R | W, 0x123456);
	assert_int_equal(rig_req(r, DEV, -1, 0x1000, R, IOD_EMU_REQ_ATS), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_UR);
	assert_int_equal(rig_access(r, DEV, -1, IODT_BIT(52), R), -EFAULT);
	assert_int_equal(r->ev.type, 0);
	assert_int_equal(rig_access(r, 0x10000, -1, 0, R), -EINVAL);
}

/* V=0 passes; V=1 with TV=0 blocks; Mode 0 is the identity, with IR and IW. */
static void without_tables(void **state)
{
	struct amdrig *r = *state;
	const uint64_t gone = EV(2, 2) | EV_DOM(DOM), denied = gone | EV_PR | EV_PE;

	rig_ok(r, 1, -1, 0x5000, R | W, 0x5000);
	rig_dte(r, 2, DTE_V | DTE_RW, DTE1_DOM(DOM), 0, 0);
	rig_bad(r, 2, -1, 0x5008, R, gone, 0x5008);
	rig_cmd(r, CMD(2) | 2, 0);
	rig_dte(r, 2, DTE_V | DTE_TV | DTE_IR, DTE1_DOM(DOM), 0, 0);
	rig_ok(r, 2, -1, 0x5008, R, 0x5008);
	assert_int_equal(r->res.prot, IOD_PROT_READ);
	rig_bad(r, 2, -1, 0x5008, W, denied | EV_RW, 0x5008);
	rig_cmd(r, CMD(2) | 2, 0);
	rig_dte(r, 2, DTE_V | DTE_TV | DTE_IW, DTE1_DOM(DOM), 0, 0);
	rig_ok(r, 2, -1, 0x5008, W, 0x5008);
	rig_bad(r, 2, -1, 0x5008, R, denied, 0x5008);
	rig_bad(r, 2, -1, 0x5008, R | W, denied | EV_RW, 0x5008);
}

/* Pages of the default sizes and runs, level skipping, permissions of every level. */
static void host_pages(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), l2 = rig_page(r), l1 = rig_page(r), i;

	rig_map_host(r, root, 0x1000, RIG_DATA | V1_RW);
	rig_map_host(r, root, 0x2000, (RIG_DATA + 0x1000) | V1_PR | V1_IR);
	rig_v1(r, DEV, 0, DOM, root);
	rig_ok(r, DEV, -1, 0x1abc, W, RIG_DATA + 0xabc);
	assert_int_equal(r->res.len, 0x1000 - 0xabc);
	rig_ok(r, DEV, -1, 0x2abc, R, RIG_DATA + 0x1abc);
	rig_bad(r, DEV, -1, 0x2abc, W, EV(2, DEV) | EV_DOM(DOM) | EV_PR | EV_PE | EV_RW, 0x2abc);
	/* 64 KiB in 16 replicas (A3.3: code 0x7000) at 0x10000 */
	for (i = 0; i < 16; i++)
		rig_map_host(r, root, 0x10000 + i * 4096,
			     (RIG_DATA + 0x100000) | 0x7000 | V1_NL(7) | V1_RW);
	rig_ok(r, DEV, -1, 0x1e123, W, RIG_DATA + 0x10e123);
	/* 2 MiB, and a table of level 1 below level 3: addresses with bits 29:21 set have none */
	rig_w64(r, root + 8, l2 | V1_NL(2) | V1_RW);
	rig_w64(r, l2, RIG_DATA | V1_RW);
	rig_ok(r, DEV, -1, 0x40012345, W, RIG_DATA + 0x12345);
	rig_w64(r, root + 16, l1 | V1_NL(1) | V1_RW);
	rig_w64(r, l1 + 8, RIG_DATA | V1_RW);
	rig_ok(r, DEV, -1, 0x80001008, R, RIG_DATA + 8);
	rig_bad(r, DEV, -1, 0x80201008, R, EV(2, DEV) | EV_DOM(DOM), 0x80201008);
	/* a directory without IW */
	rig_w64(r, root + 8, l2 | V1_NL(2) | V1_PR | V1_IR);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), CMD1_ALL | CMD1_PDE);
	rig_ok(r, DEV, -1, 0x40012345, R, RIG_DATA + 0x12345);
	rig_bad(r, DEV, -1, 0x40012345, W, EV(2, DEV) | EV_DOM(DOM) | EV_PR | EV_PE | EV_RW,
		0x40012345);
}

/* HAD: 0 nothing, 1 Accessed, 3 both; a write alone makes dirty, and only the item that the walk used. */
static void host_marks(void **state)
{
	static const struct {
		unsigned int had;
		uint64_t read, write;
	} rows[] = { { 0, 0, 0 }, { 1, V1_A, V1_A }, { 3, V1_A, V1_A | V1_D } };
	struct amdrig *r = *state;
	unsigned int i, k;
	uint64_t root, leaf;

	for (i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		root = rig_page(r);
		for (k = 0; k < 16; k++)
			rig_map_host(r, root, 0x10000 + k * 4096,
				     (RIG_DATA + 0x100000) | 0x7000 | V1_NL(7) | V1_RW);
		rig_v1(r, DEV + i, DTE_HAD(rows[i].had), DOM + i, root);
		leaf = rig_host_leaf(r, root, 0x15000);
		rig_ok(r, DEV + i, -1, 0x15000, R, RIG_DATA + 0x105000);
		assert_int_equal(rig_r64(r, leaf) & (V1_A | V1_D), rows[i].read);
		rig_ok(r, DEV + i, -1, 0x15000, W, RIG_DATA + 0x105000);
		assert_int_equal(rig_r64(r, leaf) & (V1_A | V1_D), rows[i].write);
		for (k = 0; k < 16; k++) {
			if (k != 5)
				assert_int_equal(
					rig_r64(r, rig_host_leaf(r, root, 0x10000 + k * 4096)) &
						(V1_A | V1_D),
					0);
		}
	}
}

/* A refused write marks nothing. */
static void refused_marks(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), leaf;

	rig_map_host(r, root, 0x1000, RIG_DATA | V1_RW);
	rig_dte(r, DEV, DTE_V | DTE_TV | DTE_IR | DTE_HAD(3) | DTE_MODE(3) | root, DTE1_DOM(DOM), 0,
		0);
	leaf = rig_host_leaf(r, root, 0x1000);
	rig_bad(r, DEV, -1, 0x1000, W, EV(2, DEV) | EV_DOM(DOM) | EV_PR | EV_PE | EV_RW, 0x1000);
	assert_int_equal(rig_r64(r, leaf) & (V1_A | V1_D), 0);
	rig_ok(r, DEV, -1, 0x1000, R, RIG_DATA);
	assert_int_equal(r->res.prot, IOD_PROT_READ);
}

/* Guest tables alone: system addresses; always Accessed and Dirty; US, NX. */
static void guest_tables(void **state)
{
	struct amdrig *r = *state;
	const uint64_t gone = EV(2, DEV) | EV_GN | EV_US, denied = gone | EV_PR | EV_PE;
	uint64_t root = rig_page(r), leaf;

	rig_map_guest(r, root, 0x1000, RIG_DATA | V2_RW, 0);
	rig_map_guest(r, root, 0x2000, (RIG_DATA + 0x1000) | V2_P | V2_U | V2_XD, 0);
	rig_map_guest(r, root, 0x3000, (RIG_DATA + 0x2000) | V2_P | V2_W, 0);
	rig_v2(r, DEV, 0, DOM, 5, root);
	leaf = rig_guest_leaf(r, root, 0x1000, 0);
	rig_ok(r, DEV, 5, 0x1008, R, RIG_DATA + 8);
	assert_int_equal(rig_r64(r, leaf) & (V2_A | V2_D), V2_A);
	rig_ok(r, DEV, 5, 0x1008, W, RIG_DATA + 8);
	assert_int_equal(rig_r64(r, leaf) & (V2_A | V2_D), V2_A | V2_D);
	rig_ok(r, DEV, 5, 0x2000, R, RIG_DATA + 0x1000);
	rig_bad(r, DEV, 5, 0x2000, W, denied | EV_PASID(5) | EV_RW, 0x2000);
	rig_bad(r, DEV, 5, 0x2000, R | IOD_ACCESS_EXEC, denied | EV_PASID(5) | EV_NX, 0x2000);
	rig_bad(r, DEV, 5, 0x3000, R, denied | EV_PASID(5), 0x3000);
	rig_ok(r, DEV, 5, 0x3000, R | IOD_ACCESS_PRIV, RIG_DATA + 0x2000);
	rig_bad(r, DEV, 5, 0x4000, R, gone | EV_PASID(5), 0x4000);
	/* not canonical; no entry; beyond the GCR3 table of one level */
	rig_bad(r, DEV, 5, IODT_BIT(48), R, gone | EV_PASID(5), IODT_BIT(48));
	rig_bad(r, DEV, 6, 0x1000, R, gone | EV_PASID(6), 0x1000);
	rig_bad(r, DEV, 0x10201, 0x1000, R, gone | EV_PASID(0x10201), 0x1000);
	/* without a PASID: no guest table, and the identity is what Mode 0 says */
	rig_ok(r, DEV, -1, 0x7000, R | W, 0x7000);
}

/* GIOV: what has no PASID is of PASID 0. And requests with one, where there is no guest translation. */
static void giov(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r);

	rig_map_guest(r, root, 0x1000, RIG_DATA | V2_RW, 0);
	rig_v2(r, DEV, DTE_GIOV, DOM, 0, root);
	rig_ok(r, DEV, -1, 0x1008, W, RIG_DATA + 8);
	rig_ok(r, DEV, 0, 0x1008, W, RIG_DATA + 8);
	rig_bad(r, DEV, -1, 0x2000, R, EV(2, DEV) | EV_GN | EV_US, 0x2000);
	rig_v1(r, 4, 0, DOM + 1, rig_page(r));
	rig_bad(r, 4, 7, 0x2000, R, EV(2, 4) | EV_DOM(DOM + 1), 0x2000);
	/* Control.GTEn = 0 */
	rig_reg(r, R_CONTROL, CTRL_ALL & ~CTRL_GT);
	assert_int_equal(rig_access(r, DEV, -1, 0x1008, R), -EFAULT);
	assert_int_equal(rig_access(r, DEV, 0, 0x1008, R), -EFAULT);
}

/* Three levels of GCR3 tables, five of guest tables. */
static void deep(void **state)
{
	struct amdrig *r = *state;
	uint64_t g[3] = { rig_page(r), rig_page(r), rig_page(r) }, top = rig_page(r);
	uint64_t root = rig_page(r);

	rig_map_guest(r, root, 0x1000, RIG_DATA | V2_RW, 0);
	rig_w64(r, top + 8, root | V2_RW); /* bit 48 */
	rig_w64(r, g[0] + 3 * 8, g[1] | 1);
	rig_w64(r, g[1] + 5 * 8, g[2] | 1);
	rig_w64(r, g[2] + 7 * 8, top | 1);
	rig_dte(r, DEV, DTE_OK | DTE_GV | DTE_GLX(2) | DTE0_GCR3(g[0]),
		DTE1_DOM(DOM) | DTE1_GCR3(g[0]), DTE2_GPM(1), 0);
	rig_ok(r, DEV, 3 << 18 | 5 << 9 | 7, IODT_BIT(48) | 0x1008, W, RIG_DATA + 8);
	rig_bad(r, DEV, 2 << 18, 0x1000, R, EV(2, DEV) | EV_GN | EV_US | EV_PASID(2 << 18), 0x1000);
}

/* Nested: both tables are marked; the guest's own are written through the host's. */
static void nested(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), host, leaf, page, table;

	rig_host(r, V1_RW);
	rig_map_guest(r, root, 0x1000, (RIG_DATA + RIG_GPA) | V2_RW, RIG_GPA);
	rig_map_guest(r, root, 0x2000, RIG_AWAY | V2_RW, RIG_GPA);
	rig_nested(r, DEV, DTE_HAD(3), DOM, 5, root);
	leaf = rig_guest_leaf(r, root, 0x1000, RIG_GPA);
	host = rig_host_leaf(r, r->host_root, RIG_DATA + RIG_GPA);
	table = rig_host_leaf(r, r->host_root, (leaf & ~UINT64_C(0xfff)) + RIG_GPA);
	page = rig_host_leaf(r, r->host_root, root + RIG_GPA);
	rig_ok(r, DEV, 5, 0x1010, R, RIG_DATA + 0x10);
	assert_int_equal(rig_r64(r, leaf) & (V2_A | V2_D), V2_A);
	assert_int_equal(rig_r64(r, host) & (V1_A | V1_D), V1_A);
	assert_int_equal(rig_r64(r, table) & (V1_A | V1_D), V1_A | V1_D); /* A was set in it */
	assert_true(rig_r64(r, page) & V1_A);
	rig_ok(r, DEV, 5, 0x1010, W, RIG_DATA + 0x10);
	assert_int_equal(rig_r64(r, leaf) & (V2_A | V2_D), V2_A | V2_D);
	assert_int_equal(rig_r64(r, host) & (V1_A | V1_D), V1_A | V1_D);
	/* The host has no such guest address: an event about that. */
	rig_bad(r, DEV, 5, 0x2010, W, EV(2, DEV) | EV_DOM(DOM) | EV_RW, RIG_AWAY | 0x10);
	/* Without a PASID: the host table alone. */
	rig_ok(r, DEV, -1, RIG_DATA + RIG_GPA + 8, W, RIG_DATA + 8);
}

/* Nested, and the GCR3 table's addresses are the system's (Control.GCR3TRPMode = 0). */
static void gcr3_system(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), gcr3 = rig_page(r);

	rig_reg(r, R_CONTROL, CTRL_ALL & ~CTRL_TRP);
	rig_host(r, V1_RW);
	rig_map_guest(r, root, 0x1000, (RIG_DATA + RIG_GPA) | V2_RW, RIG_GPA);
	rig_w64(r, gcr3 + 8, (root + RIG_GPA) | 1);
	rig_dte(r, DEV, DTE_OK | DTE_MODE(3) | r->host_root | DTE_GV | DTE0_GCR3(gcr3),
		DTE1_DOM(DOM) | DTE1_GCR3(gcr3), 0, 0);
	rig_ok(r, DEV, 1, 0x1010, W, RIG_DATA + 0x10);
}

/* ---- ATS ---- */

static void ats(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), leaf;

	rig_map_host(r, root, 0x1000, RIG_DATA | V1_RW);
	rig_map_host(r, root, 0x2000, RIG_DATA | V1_PR | V1_IR);
	rig_dte(r, DEV, DTE_OK | DTE_HAD(3) | DTE_MODE(3) | root, DTE1_DOM(DOM) | DTE1_I, 0, 0);
	leaf = rig_host_leaf(r, root, 0x1000);
	/* read: answered for reading, as a write would have to be marked */
	assert_int_equal(rig_req(r, DEV, -1, 0x1000, R, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.prot & IODT_RW, IOD_PROT_READ);
	assert_int_equal(rig_r64(r, leaf) & (V1_A | V1_D), V1_A);
	assert_int_equal(rig_req(r, DEV, -1, 0x1000, R | W, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.prot & IODT_RW, IODT_RW);
	assert_int_equal(r->res.pa, RIG_DATA);
	assert_int_equal(rig_r64(r, leaf) & (V1_A | V1_D), V1_A | V1_D);
	assert_int_equal(rig_req(r, DEV, -1, 0x2000, R | W, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.prot & IODT_RW, IOD_PROT_READ);
	/* a fault is an answer */
	assert_int_equal(rig_req(r, DEV, -1, 0x3000, R | W, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.prot, 0);
	rig_no_event(r);
	/* translated requests pass, whatever the tables say */
	assert_int_equal(rig_req(r, DEV, -1, RIG_DATA, W, IOD_EMU_REQ_TRANSLATED), 0);
	assert_int_equal(r->res.pa, RIG_DATA);
	/* a DTE without IW: not even marked */
	rig_map_host(r, root, 0x4000, RIG_DATA | V1_RW);
	rig_dte(r, 4, DTE_V | DTE_TV | DTE_IR | DTE_HAD(3) | DTE_MODE(3) | root,
		DTE1_DOM(DOM) | DTE1_I, 0, 0);
	assert_int_equal(rig_req(r, 4, -1, 0x4000, R | W, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.prot & IODT_RW, IOD_PROT_READ);
	assert_int_equal(rig_r64(r, rig_host_leaf(r, root, 0x4000)) & V1_D, 0);
}

/* I=0 and V=0: refused, and the guest is told. */
static void ats_denied(void **state)
{
	struct amdrig *r = *state;

	rig_v1(r, DEV, 0, DOM, rig_page(r));
	assert_int_equal(rig_req(r, DEV, -1, 0x1000, R, IOD_EMU_REQ_ATS), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_UR);
	rig_expect_event(r, EV(8, DEV) | EV_TR, 0x1000);
	assert_int_equal(rig_req(r, DEV, -1, 0x1000, R, IOD_EMU_REQ_TRANSLATED), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ABORTED);
	rig_expect_event(r, EV(8, DEV) | EV_TYPE(1), 0x1000);
	assert_int_equal(rig_req(r, 7, -1, 0x1000, R, IOD_EMU_REQ_ATS), -EFAULT);
	rig_expect_event(r, EV(8, 7) | EV_TR, 0x1000);
}

static void ats_nested(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), gcr3, host;

	rig_host(r, V1_RW);
	rig_map_guest(r, root, 0x1000, (RIG_DATA + RIG_GPA) | V2_RW, RIG_GPA);
	gcr3 = rig_nested(r, DEV, DTE_HAD(3), DOM, 5, root) + RIG_GPA;
	rig_w64(r, RIG_DEVTAB + DEV * 32 + 8, DTE1_DOM(DOM) | DTE1_I | DTE1_GCR3(gcr3));
	host = rig_host_leaf(r, r->host_root, RIG_DATA + RIG_GPA);
	assert_int_equal(rig_req(r, DEV, 5, 0x1000, R, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.prot & IODT_RW, IOD_PROT_READ);
	assert_int_equal(r->res.pa, RIG_DATA);
	assert_int_equal(rig_r64(r, host) & (V1_A | V1_D), V1_A);
	assert_int_equal(rig_req(r, DEV, 5, 0x1000, R | W, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.prot & IODT_RW, IODT_RW);
	assert_int_equal(rig_r64(r, host) & (V1_A | V1_D), V1_A | V1_D);
}

/* ---- DMA ---- */

struct moved {
	uint64_t pa[8], len[8];
	unsigned int nr;
};

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct moved *m = cookie;

	(void)offset;
	assert_true(m->nr < 8);
	m->pa[m->nr] = pa;
	m->len[m->nr++] = len;
	return 0;
}

/* Piece by piece; what faults in the middle says where. */
static void dma(void **state)
{
	struct amdrig *r = *state;
	struct iod_emu_req req = {
		.size = sizeof(req), .source = DEV, .access = W, .iova = 0x1f00
	};
	uint64_t root = rig_page(r), done = 0;
	struct moved m = { .nr = 0 };

	rig_map_host(r, root, 0x1000, RIG_DATA | V1_RW);
	rig_map_host(r, root, 0x2000, (RIG_DATA + 0x5000) | V1_RW);
	rig_v1(r, DEV, 0, DOM, root);
	assert_int_equal(iod_amdvi_emu_dma(r->emu, &req, 0x200, move, &m, &done, NULL, NULL), 0);
	assert_int_equal(done, 0x200);
	assert_int_equal(m.nr, 2);
	assert_int_equal(m.pa[1], RIG_DATA + 0x5000);
	m.nr = 0;
	done = 0;
	assert_int_equal(iod_amdvi_emu_dma(r->emu, &req, 0x1200, move, &m, &done, NULL, NULL),
			 -EFAULT);
	assert_int_equal(done, 0x1100);
	rig_expect_event(r, EV(2, DEV) | EV_DOM(DOM) | EV_RW, 0x3000);
	assert_int_equal(iod_amdvi_emu_dma(r->emu, &req, 0, move, &m, NULL, NULL, NULL), -EINVAL);
	req.source = 7; /* bypasses */
	m.nr = 0;
	assert_int_equal(iod_amdvi_emu_dma(r->emu, &req, 0x1200, move, &m, NULL, NULL, NULL), 0);
	assert_int_equal(m.pa[0], 0x1f00);
	req.iova = IODT_BIT(52) - 0x100;
	assert_int_equal(iod_amdvi_emu_dma(r->emu, &req, 0x200, move, &m, NULL, NULL, NULL),
			 -EFAULT);
}

#define TEST(f)	    cmocka_unit_test_setup_teardown(f, rig_setup_enabled, rig_teardown)
#define TEST_OFF(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_rules),
		cmocka_unit_test(features),
		TEST_OFF(disabled),
		TEST(without_tables),
		TEST(host_pages),
		TEST(host_marks),
		TEST(refused_marks),
		TEST(guest_tables),
		TEST(giov),
		TEST(deep),
		TEST(nested),
		TEST(gcr3_system),
		TEST(ats),
		TEST(ats_denied),
		TEST(ats_nested),
		TEST(dma),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
