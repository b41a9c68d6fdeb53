/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU: what it caches stays until a command names it, and no command does more than it says. So
 * each test is seen to go wrong first: without the command, the old is still in force.
 */
#include "emurig.h"

#include <pthread.h>
#include <unistd.h>

#define R   IOD_ACCESS_READ
#define W   IOD_ACCESS_WRITE
#define DOM 9u
#define DEV 3u
#define P2  (RIG_DATA + 0x1000)

static void pages(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), k;

	for (k = 1; k < 6; k++)
		rig_map_host(r, root, k * 4096, RIG_DATA | V1_RW);
	rig_v1(r, DEV, 0, DOM, root);
	for (k = 1; k < 6; k++) {
		rig_ok(r, DEV, -1, k * 4096, W, RIG_DATA);
		rig_map_host(r, root, k * 4096, P2 | V1_RW);
		rig_ok(r, DEV, -1, k * 4096, W, RIG_DATA);
	}
	/* another domain; the guest's translations; the device's DTE: not these */
	rig_cmd(r, CMD(3) | CMD_DOM(DOM + 1), CMD1_ALL | CMD1_PDE);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), CMD1_ALL | CMD1_PDE | CMD1_GN);
	rig_cmd(r, CMD(2) | DEV, 0);
	for (k = 1; k < 6; k++)
		rig_ok(r, DEV, -1, k * 4096, W, RIG_DATA);
	/* one page; then 8 KiB, whose code is no bit: pages 2 and 3 */
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), 0x1000);
	rig_ok(r, DEV, -1, 0x1000, W, P2);
	rig_ok(r, DEV, -1, 0x2000, W, RIG_DATA);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), 0x2000 | CMD1_S);
	rig_ok(r, DEV, -1, 0x2000, W, P2);
	rig_ok(r, DEV, -1, 0x3000, W, P2);
	rig_ok(r, DEV, -1, 0x4000, W, RIG_DATA);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), CMD1_ALL);
	rig_ok(r, DEV, -1, 0x4000, W, P2);
	rig_ok(r, DEV, -1, 0x5000, W, P2);
}

/* PDE=0 leaves what is remembered of tables. */
static void tables(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), l1 = rig_page(r), pde;

	rig_map_host(r, root, 0x1000, RIG_DATA | V1_RW);
	rig_v1(r, DEV, 0, DOM, root);
	rig_ok(r, DEV, -1, 0x1000, W, RIG_DATA);
	rig_w64(r, l1 + 8, P2 | V1_RW);
	pde = rig_r64(r, root) & UINT64_C(0x000ffffffffff000);
	rig_w64(r, pde, l1 | V1_NL(1) | V1_RW);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), 0x1000);
	rig_ok(r, DEV, -1, 0x1000, W, RIG_DATA);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), 0x1000 | CMD1_PDE);
	rig_ok(r, DEV, -1, 0x1000, W, P2);
}

static void devtab_entries(void **state)
{
	struct amdrig *r = *state;
	uint64_t a = rig_page(r), b = rig_page(r);
	struct iod_amdvi_emu_stats stats = { .size = sizeof(stats) };

	rig_map_host(r, a, 0x1000, RIG_DATA | V1_RW);
	rig_map_host(r, b, 0x1000, P2 | V1_RW);
	/* V=0 is cached as anything */
	rig_ok(r, DEV, -1, 0x1000, W, 0x1000);
	rig_v1(r, DEV, 0, DOM, a);
	rig_ok(r, DEV, -1, 0x1000, W, 0x1000);
	rig_cmd(r, CMD(2) | (DEV + 1), 0);
	rig_ok(r, DEV, -1, 0x1000, W, 0x1000);
	rig_cmd(r, CMD(2) | DEV, 0);
	rig_ok(r, DEV, -1, 0x1000, W, RIG_DATA);
	/* another table of the same domain: the DTE's command leaves translations, and theirs the DTE */
	rig_v1(r, DEV, 0, DOM, b);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), CMD1_ALL | CMD1_PDE);
	rig_ok(r, DEV, -1, 0x1000, W, RIG_DATA);
	rig_cmd(r, CMD(2) | DEV, 0);
	rig_ok(r, DEV, -1, 0x1000, W, RIG_DATA);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), CMD1_ALL | CMD1_PDE);
	rig_ok(r, DEV, -1, 0x1000, W, P2);
	/* INVALIDATE_IOMMU_ALL is both */
	rig_v1(r, DEV, 0, DOM, a);
	rig_ok(r, DEV, -1, 0x1000, W, P2);
	rig_cmd(r, CMD(8), 0);
	rig_ok(r, DEV, -1, 0x1000, W, RIG_DATA);
	assert_int_equal(iod_amdvi_emu_get_stats(r->emu, &stats), 0);
	assert_int_equal(stats.dte_fetches, 4);
}

/* GCR3 table entries: with the PASID's tables. */
static void gcr3_entries(void **state)
{
	struct amdrig *r = *state;
	uint64_t a = rig_page(r), b = rig_page(r), gcr3;

	rig_map_guest(r, a, 0x1000, RIG_DATA | V2_RW, 0);
	rig_map_guest(r, b, 0x1000, P2 | V2_RW, 0);
	gcr3 = rig_v2(r, DEV, 0, DOM, 5, a);
	rig_ok(r, DEV, 5, 0x1000, W, RIG_DATA);
	rig_w64(r, gcr3 + 5 * 8, b | 1);
	rig_ok(r, DEV, 5, 0x1000, W, RIG_DATA);
	/* leaves only, another PASID, the host's: not the entry */
	rig_cmd(r, CMD(3) | CMD_DOM(DOM) | 5, CMD1_ALL | CMD1_GN);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM) | 6, CMD1_ALL | CMD1_PDE | CMD1_GN);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), CMD1_ALL | CMD1_PDE);
	rig_ok(r, DEV, 5, 0x1000, W, RIG_DATA);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM) | 5, CMD1_ALL | CMD1_PDE | CMD1_GN);
	rig_ok(r, DEV, 5, 0x1000, W, P2);
	/* an entry that was not valid is looked at again */
	assert_int_equal(rig_access(r, DEV, 6, 0x1000, R), -EFAULT);
	rig_w64(r, gcr3 + 6 * 8, a | 1);
	rig_ok(r, DEV, 6, 0x1000, R, RIG_DATA);
}

/* What the host changes under nested tables: both kinds of translations have to go. The host's takes the other along,
 * unless it is not to. */
static void nested_pages(void **state)
{
	struct iod_amdvi_emu_cfg cfg = { .flags = IOD_AMDVI_EMU_KEEP_COMBINED };
	struct amdrig r;
	uint64_t root;

	(void)state;
	for (unsigned int keep = 0; keep < 2; keep++) {
		rig_init(&r, keep ? &cfg : NULL);
		rig_enable(&r, CTRL_ALL);
		root = rig_page(&r);
		rig_host(&r, V1_RW);
		rig_map_guest(&r, root, 0x1000, (RIG_DATA + RIG_GPA) | V2_RW, RIG_GPA);
		rig_nested(&r, DEV, 0, DOM, 5, root);
		rig_ok(&r, DEV, 5, 0x1000, W, RIG_DATA);
		rig_w64(&r, rig_host_leaf(&r, r.host_root, RIG_DATA + RIG_GPA), P2 | V1_RW);
		rig_cmd(&r, CMD(3) | CMD_DOM(DOM) | 5, CMD1_ALL | CMD1_GN);
		rig_ok(&r, DEV, 5, 0x1000, W, RIG_DATA); /* the host's is still there */
		rig_cmd(&r, CMD(3) | CMD_DOM(DOM + 1), RIG_DATA + RIG_GPA);
		rig_ok(&r, DEV, 5, 0x1000, W, RIG_DATA);
		rig_cmd(&r, CMD(3) | CMD_DOM(DOM), RIG_DATA + RIG_GPA);
		rig_ok(&r, DEV, 5, 0x1000, W, keep ? RIG_DATA : P2);
		rig_cmd(&r, CMD(3) | CMD_DOM(DOM) | 5, CMD1_ALL | CMD1_GN);
		rig_ok(&r, DEV, 5, 0x1000, W, P2);
		rig_fini(&r);
	}
}

/* Answers to translation requests are cached here as well; the device's own copy is its own business. */
static void ats_answers(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r);

	rig_map_host(r, root, 0x1000, RIG_DATA | V1_RW);
	rig_dte(r, DEV, DTE_OK | DTE_MODE(3) | root, DTE1_DOM(DOM) | DTE1_I, 0, 0);
	assert_int_equal(rig_req(r, DEV, -1, 0x1000, R, IOD_EMU_REQ_ATS), 0);
	rig_map_host(r, root, 0x1000, P2 | V1_RW);
	assert_int_equal(rig_req(r, DEV, -1, 0x1000, R, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.pa, RIG_DATA);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), 0x1000);
	assert_int_equal(rig_req(r, DEV, -1, 0x1000, R, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.pa, P2);
}

/*
 * Dirty tracking on and off under a device that writes, as Linux does it: DTE, INVALIDATE_DEVTAB_ENTRY, then the
 * domain's pages. Without the last, writes through what was cached before mark nothing.
 */
static void toggled(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), leaf;

	rig_map_host(r, root, 0x1000, RIG_DATA | V1_RW);
	rig_map_host(r, root, 0x2000, RIG_DATA | V1_RW);
	leaf = rig_host_leaf(r, root, 0x1000);
	rig_v1(r, DEV, 0, DOM, root);
	rig_ok(r, DEV, -1, 0x1000, W, RIG_DATA);
	assert_int_equal(rig_r64(r, leaf) & (V1_A | V1_D), 0);
	rig_v1(r, DEV, DTE_HAD(3), DOM, root);
	rig_ok(r, DEV, -1, 0x2000, W, RIG_DATA); /* the DTE is cached */
	assert_int_equal(rig_r64(r, leaf + 8) & (V1_A | V1_D), 0);
	rig_cmd(r, CMD(2) | DEV, 0);
	rig_ok(r, DEV, -1, 0x1000, W, RIG_DATA); /* and the translation */
	assert_int_equal(rig_r64(r, leaf) & (V1_A | V1_D), 0);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), CMD1_ALL | CMD1_PDE);
	rig_wait(r);
	rig_ok(r, DEV, -1, 0x1000, W, RIG_DATA);
	assert_int_equal(rig_r64(r, leaf) & (V1_A | V1_D), V1_A | V1_D);
	/* off again */
	rig_v1(r, DEV, 0, DOM, root);
	rig_cmd(r, CMD(2) | DEV, 0);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), CMD1_ALL | CMD1_PDE);
	rig_w64(r, leaf, RIG_DATA | V1_RW);
	rig_ok(r, DEV, -1, 0x1000, W, RIG_DATA);
	assert_int_equal(rig_r64(r, leaf) & (V1_A | V1_D), 0);
}

/* A write of two pages; what is done to its DTE happens between them. */
struct slow {
	struct amdrig *r;
	uint32_t begun; /* atomic */
};

static int slow_move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct slow *slow = cookie;

	(void)pa;
	(void)len;
	if (!offset) {
		__atomic_store_n(&slow->begun, 1, __ATOMIC_RELEASE);
		usleep(20000); /* so that the invalidation is next to get in */
	}
	return 0;
}

static void *slow_write(void *cookie)
{
	struct slow *slow = cookie;
	struct iod_emu_req req = {
		.size = sizeof(req), .source = DEV, .access = W, .iova = 0x1000
	};

	assert_int_equal(
		iod_amdvi_emu_dma(slow->r->emu, &req, 0x2000, slow_move, slow, NULL, NULL, NULL),
		0);
	return NULL;
}

/* An access that began under the old DTE ends while the commands are at work: what it cached does not stay. */
static void toggled_under_way(void **state)
{
	struct slow slow = { .r = *state };
	struct amdrig *r = *state;
	uint64_t root = rig_page(r), leaf;
	pthread_t thread;

	rig_map_host(r, root, 0x1000, RIG_DATA | V1_RW);
	rig_map_host(r, root, 0x2000, P2 | V1_RW);
	leaf = rig_host_leaf(r, root, 0x2000);
	rig_v1(r, DEV, 0, DOM, root);
	assert_int_equal(pthread_create(&thread, NULL, slow_write, &slow), 0);
	while (!__atomic_load_n(&slow.begun, __ATOMIC_ACQUIRE))
		usleep(100);
	rig_v1(r, DEV, DTE_HAD(3), DOM, root);
	rig_cmd(r, CMD(2) | DEV, 0);
	rig_cmd(r, CMD(3) | CMD_DOM(DOM), CMD1_ALL | CMD1_PDE);
	rig_wait(r);
	assert_int_equal(pthread_join(thread, NULL), 0);
	rig_ok(r, DEV, -1, 0x2000, W, P2);
	assert_int_equal(rig_r64(r, leaf) & V1_D, V1_D);
}

/* The directories' Accessed bits are set, or not, as configured: no source confirms either. */
static void directory_access(void **state)
{
	struct iod_iotlb_cfg tlb = { .size = sizeof(tlb), .flags = IOD_IOTLB_NO_TABLE_ACCESS };
	struct iod_amdvi_emu_cfg cfg = { .tlb_s1 = &tlb, .tlb_s2 = &tlb };
	uint64_t v1, v2;
	struct amdrig r;
	unsigned int no;

	(void)state;
	for (no = 0; no < 2; no++) {
		rig_init(&r, no ? &cfg : NULL);
		rig_enable(&r, CTRL_ALL);
		v1 = rig_page(&r);
		v2 = rig_page(&r);
		rig_map_host(&r, v1, 0x1000, RIG_DATA | V1_RW);
		rig_map_guest(&r, v2, 0x1000, RIG_DATA | V2_RW, 0);
		rig_v1(&r, DEV, DTE_HAD(3), DOM, v1);
		rig_v2(&r, 4, 0, DOM, 5, v2);
		rig_ok(&r, DEV, -1, 0x1000, W, RIG_DATA);
		rig_ok(&r, 4, 5, 0x1000, W, RIG_DATA);
		assert_int_equal(!!(rig_r64(&r, v1) & V1_A), !no);
		assert_int_equal(!!(rig_r64(&r, v2) & V2_A), !no);
		assert_int_equal(rig_r64(&r, rig_host_leaf(&r, v1, 0x1000)) & V1_D, V1_D);
		rig_fini(&r);
	}
}

/* More devices and PASIDs than the caches hold: nothing but speed changes. */
static void crowded(void **state)
{
	struct iod_amdvi_emu_cfg cfg = { .config_entries = 2 };
	struct amdrig r;
	uint64_t root, gcr3;
	unsigned int i;

	(void)state;
	rig_init(&r, &cfg);
	rig_enable(&r, CTRL_ALL);
	root = rig_page(&r);
	rig_map_guest(&r, root, 0x1000, RIG_DATA | V2_RW, 0);
	gcr3 = rig_v2(&r, 0, 0, DOM, 0, root);
	for (i = 0; i < 100; i++) {
		rig_w64(&r, gcr3 + i * 8, root | 1);
		rig_dte(&r, i, DTE_OK | DTE_GV | DTE0_GCR3(gcr3), DTE1_DOM(DOM) | DTE1_GCR3(gcr3),
			0, 0);
	}
	for (i = 0; i < 1000; i++)
		rig_ok(&r, i % 100, i * 7 % 100, 0x1000, W, RIG_DATA);
	rig_fini(&r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup_enabled, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages),
		TEST(tables),
		TEST(devtab_entries),
		TEST(gcr3_entries),
		cmocka_unit_test(nested_pages),
		TEST(ats_answers),
		TEST(toggled),
		TEST(toggled_under_way),
		cmocka_unit_test(directory_access),
		cmocka_unit_test(crowded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
