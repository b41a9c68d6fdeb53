/* SPDX-License-Identifier: MIT */
/* iod_vtd_visit_devices() and iod_amdvi_visit_devices() on structures made by hand. */
#include "devfix.h"

#include <errno.h>

#define ROOT	    UINT64_C(0x100000)
#define CTX	    UINT64_C(0x101000)
#define DIR	    UINT64_C(0x102000)
#define PASID	    UINT64_C(0x103000)
#define TABLE	    UINT64_C(0x110000)

#define RW	    (IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY)
#define ENTRY(n)    (CTX + (n)*16) /* legacy context entry of devfn n */
#define SM_ENTRY(n) (CTX + (n)*32)

static void visit_vtd(struct devfix *fix, uint64_t rtaddr)
{
	fix->nr = 0;
	assert_int_equal(iod_vtd_visit_devices(fix->mem, rtaddr, devfix_fn, fix), 0);
}

static void vtd_legacy(void **state)
{
	struct devfix *fix = *state;
	const struct iod_device *dev;

	PUT(fix, ROOT + 1 * 16, CTX | 1, 0);
	PUT(fix, ROOT + 2 * 16, FIX_AWAY | 1, 0);
	PUT(fix, ENTRY(0x10), TABLE | 1, 2 | 5 << 8);	       /* TT=0, AW=2, DID=5 */
	PUT(fix, ENTRY(0x18), TABLE | 1 << 2 | 1, 1 | 6 << 8); /* TT=1 (ATS), AW=1 */
	PUT(fix, ENTRY(0x20), 2 << 2 | 1, 2 | 7 << 8);	       /* TT=2 */
	PUT(fix, ENTRY(0x28), 3 << 2 | 1, 2 | 8 << 8);	       /* TT=3 */
	PUT(fix, ENTRY(0x30), TABLE | 1, 4 | 9 << 8);	       /* AW=4 */
	PUT(fix, ENTRY(0x38), TABLE, 2);		       /* not present */
	visit_vtd(fix, ROOT);
	assert_int_equal(fix->nr, 6);

	dev = devfix_get(fix, 0x110, -1);
	assert_int_equal(dev->kind, IOD_DEVICE_TRANSLATED);
	assert_string_equal(dev->translation, "second-stage");
	assert_int_equal(dev->stage, 2);
	assert_int_equal(dev->domain, 5);
	assert_int_equal(dev->root, TABLE);
	assert_int_equal(dev->cfg.format, IOD_VTD_SS);
	assert_int_equal(dev->cfg.levels, 4);
	assert_int_equal(dev->cfg.oas, 52);
	assert_int_equal(dev->cfg.features, 0); /* no A/D in legacy mode */
	assert_int_equal(dev->cfg.domain, 5);
	assert_int_equal(dev->entry_pa, ENTRY(0x10));
	assert_int_equal(dev->entry[0], TABLE | 1);
	assert_int_equal(dev->entry[1], 0x502);
	assert_int_equal(dev->entry[2], 0);
	assert_int_equal(devfix_get(fix, 0x118, -1)->cfg.levels, 3);

	dev = devfix_get(fix, 0x120, -1);
	assert_int_equal(dev->kind, IOD_DEVICE_BYPASS);
	assert_string_equal(dev->translation, "pass-through");
	devfix_bad(devfix_get(fix, 0x128, -1), "TT", ENTRY(0x28));
	devfix_bad(devfix_get(fix, 0x130, -1), "AW", ENTRY(0x30));
	devfix_bad(devfix_get(fix, 0x200, -1), "context table", FIX_AWAY);
}

static void vtd_arguments(void **state)
{
	struct devfix *fix = *state;
	struct iod_mem *mem = fix->mem;

	PUT(fix, ROOT, CTX | 1, 0);
	PUT(fix, ENTRY(0), TABLE | 1, 2);
	PUT(fix, ENTRY(1), TABLE | 1, 2);
	assert_int_equal(iod_vtd_visit_devices(NULL, ROOT, devfix_fn, fix), -EINVAL);
	assert_int_equal(iod_vtd_visit_devices(mem, ROOT, NULL, fix), -EINVAL);
	assert_int_equal(iod_vtd_visit_devices(mem, ROOT | 2 << 10, devfix_fn, fix), -EINVAL);
	assert_int_equal(iod_vtd_visit_devices(mem, FIX_AWAY, devfix_fn, fix), -EFAULT);
	assert_int_equal(iod_vtd_visit_devices(mem, ROOT | 3 << 10, devfix_fn, fix), 0);
	assert_int_equal(fix->nr, 0); /* TTM=3 refuses every request */
	fix->stop_after = 1;
	assert_int_equal(iod_vtd_visit_devices(mem, ROOT, devfix_fn, fix), 42);
	assert_int_equal(fix->nr, 1);
}

/* One device of scalable mode whose PASID 0 has the entry given. */
static const struct iod_device *one_pasid(struct devfix *fix, uint64_t rtaddr, uint64_t w0,
					  uint64_t w1, uint64_t w2)
{
	PUT(fix, ROOT, CTX | 1, 0);
	PUT(fix, SM_ENTRY(8), DIR | 1, 0, 0, 0);
	PUT(fix, DIR, PASID | 1);
	PUT(fix, PASID, w0, w1, w2);
	visit_vtd(fix, rtaddr);
	assert_int_equal(fix->nr, 1);
	return devfix_get(fix, 8, -1);
}

static void vtd_pasid_types(void **state)
{
	struct devfix *fix = *state;
	const uint64_t sm = ROOT | 1 << 10, second = TABLE | 2 << 2 | 1;
	const struct iod_device *dev;

	dev = one_pasid(fix, sm, 1 << 6 | 1, 3, TABLE | 1 << 2); /* first stage, 5 levels */
	assert_string_equal(dev->translation, "first-stage");
	assert_int_equal(dev->stage, 1);
	assert_int_equal(dev->root, TABLE);
	assert_int_equal(dev->domain, 3);
	assert_int_equal(dev->cfg.format, IOD_VTD_FS);
	assert_int_equal(dev->cfg.levels, 5);
	assert_int_equal(dev->cfg.features, RW);
	assert_int_equal(dev->entry_pa, PASID);

	dev = one_pasid(fix, sm, second | 2 << 6 | 1 << 9, 4, 0); /* SSADE */
	assert_string_equal(dev->translation, "second-stage");
	assert_int_equal(dev->cfg.format, IOD_VTD_SS);
	assert_int_equal(dev->cfg.levels, 4);
	assert_int_equal(dev->cfg.features, RW);
	assert_int_equal(one_pasid(fix, sm, second | 2 << 6, 4, 0)->cfg.features, 0);

	dev = one_pasid(fix, sm, second | 3 << 6, 5, 0x7654000); /* nested */
	assert_string_equal(dev->translation, "nested");
	assert_int_equal(dev->stage, 3);
	assert_int_equal(dev->cfg.format, IOD_VTD_FS);
	assert_int_equal(dev->root, 0x7654000);
	assert_int_equal(dev->cfg2.format, IOD_VTD_SS);
	assert_int_equal(dev->cfg2.levels, 4);
	assert_int_equal(dev->root2, TABLE);

	dev = one_pasid(fix, sm, 4 << 6 | 1, 6, 0);
	assert_int_equal(dev->kind, IOD_DEVICE_BYPASS);
	dev = one_pasid(fix, sm, 1 << 6, 0, 0); /* not present */
	assert_int_equal(dev->kind, IOD_DEVICE_BLOCKED);
	assert_string_equal(dev->translation, "blocked");
	devfix_bad(one_pasid(fix, sm, 0 << 6 | 1, 0, 0), "PGTT", PASID);
	devfix_bad(one_pasid(fix, sm, 5 << 6 | 1, 0, 0), "PGTT", PASID);
	devfix_bad(one_pasid(fix, sm, TABLE | 2 << 6 | 1, 0, 0), "AW", PASID);
	devfix_bad(one_pasid(fix, sm, 1 << 6 | 1, 0, TABLE | 2 << 2), "FSPM", PASID);
	devfix_bad(one_pasid(fix, sm | 1 << 7, second | 2 << 6, 0, 0), "SSIRWE", PASID);
}

static void vtd_scalable(void **state)
{
	struct devfix *fix = *state;

	/* Bus 3: devices 0-15 in one context table, 16-31 in another. */
	PUT(fix, ROOT + 3 * 16, CTX | 1, (CTX + 0x8000) | 1);
	PUT(fix, SM_ENTRY(1), DIR | 1, 0x41, 0, 0);		  /* RID_PASID 0x41 */
	PUT(fix, CTX + 0x8000 + 32, (DIR + 0x8000) | 1, 0, 0, 0); /* devfn 0x81 */
	PUT(fix, CTX + 0x8000 + 64, FIX_AWAY | 1, 0, 0, 0);	  /* devfn 0x82 */
	PUT(fix, CTX + 0x8000 + 96, DIR | 1, 128 << 6, 0, 0);	  /* devfn 0x83 */
	PUT(fix, DIR, PASID | 1, (PASID + 0x1000) | 1, 0, (FIX_AWAY + 0x1000) | 1);
	PUT(fix, DIR + 127 * 8, (PASID + 0x2000) | 1);
	PUT(fix, DIR + 128 * 8, (PASID + 0x2000) | 1); /* beyond PDTS=0 */
	PUT(fix, PASID + 5 * 64, 4 << 6 | 1);
	PUT(fix, PASID + 0x1000 + 1 * 64, 4 << 6 | 1);
	PUT(fix, PASID + 0x2000 + 63 * 64, 1 << 6 | 1, 9, TABLE);
	visit_vtd(fix, ROOT | 1 << 10);

	assert_int_equal(devfix_get(fix, 0x301, -1)->pasid, 0x41);
	assert_int_equal(devfix_get(fix, 0x301, -1)->kind, IOD_DEVICE_BYPASS);
	assert_int_equal(devfix_get(fix, 0x301, 5)->kind, IOD_DEVICE_BYPASS);
	assert_int_equal(devfix_get(fix, 0x301, 127 * 64 + 63)->root, TABLE);
	devfix_bad(devfix_get(fix, 0x301, 3 * 64), "PASID table", FIX_AWAY + 0x1000);
	assert_int_equal(devfix_get(fix, 0x381, -1)->kind, IOD_DEVICE_BLOCKED);
	devfix_bad(devfix_get(fix, 0x382, -1), "PASID directory", FIX_AWAY);
	devfix_bad(devfix_get(fix, 0x383, -1), "RID_PASID", CTX + 0x8000 + 96);
	/* 4 of devfn 1, one each of 0x81 and 0x82, of 0x83 also the 4 PASIDs of the shared table */
	assert_int_equal(fix->nr, 4 + 1 + 1 + 1 + 4);
}

/* Every device shares one directory, all of whose entries name one table, all of it present. */
static int count_only(void *cookie, const struct iod_device *device)
{
	uint64_t *count = cookie;

	count[device->pasid_valid]++;
	if (device->kind == IOD_DEVICE_BAD)
		count[2]++;
	return 0;
}

static void vtd_bounded(void **state)
{
	struct devfix *fix = *state;
	uint64_t count[3] = { 0 };
	unsigned i;

	for (i = 0; i < 256; i++)
		PUT(fix, ROOT + i * 16, CTX | 1, CTX | 1);
	for (i = 0; i < 128; i++)
		PUT(fix, SM_ENTRY(i), 0x120000 | 7 << 9 | 1, 0, 0, 0);
	for (i = 0; i < 1u << 14; i++)
		PUT(fix, 0x120000 + i * 8, PASID | 1);
	for (i = 0; i < 64; i++)
		PUT(fix, PASID + i * 64, 4 << 6 | 1);
	assert_int_equal(iod_vtd_visit_devices(fix->mem, ROOT | 1 << 10, count_only, count), 0);
	assert_int_equal(count[0], 65536 + 1); /* every device's plain requests, and the notice */
	assert_true(count[1] > 1u << 20 && count[1] <= 1u << 24);
	assert_int_equal(count[2], 1);
}

/* Those that go through tables, plain and by PASID; and the notice. */
static int count_translated(void *cookie, const struct iod_device *device)
{
	uint64_t *count = cookie;

	count[device->pasid_valid] += device->kind == IOD_DEVICE_TRANSLATED;
	count[2] += device->kind == IOD_DEVICE_BAD;
	return 0;
}

#define DTE(n)	(ROOT + (n)*32)
#define IR_IW	(UINT64_C(3) << 61)
#define MODE(m) ((uint64_t)(m) << 9)
#define V_TV	UINT64_C(3)
#define GV	BIT(55)
#define GIOV	BIT(54)
#define GLX(n)	((uint64_t)(n) << 56)
/* The three pieces of a GCR3 table address. */
#define GCR3_0(a) (((a) >> 12 & 7) << 58)
#define GCR3_1(a) (((a) >> 15 & 0xffff) << 16 | ((a) >> 31) << 43)

static void visit_amd(struct devfix *fix, uint64_t devtab)
{
	fix->nr = 0;
	assert_int_equal(iod_amdvi_visit_devices(fix->mem, devtab, devfix_fn, fix), 0);
}

static void amd_host(void **state)
{
	struct devfix *fix = *state;
	const struct iod_device *dev;

	PUT(fix, DTE(1), IR_IW | TABLE | MODE(4) | 3 << 7 | V_TV, 0xabcd, 0, 7); /* HAD=3 */
	PUT(fix, DTE(2), IR_IW | TABLE | MODE(6) | 1 << 7 | V_TV, 1);
	PUT(fix, DTE(3), IR_IW | V_TV, 2);
	PUT(fix, DTE(4), V_TV, 3);
	PUT(fix, DTE(5), IR_IW | TABLE | MODE(3) | 1, 4); /* TV=0 */
	PUT(fix, DTE(6), IR_IW | TABLE | MODE(7) | V_TV, 5);
	PUT(fix, DTE(8), TABLE | MODE(3) | 1, 4);	  /* TV=0, and no permissions */
	PUT(fix, DTE(7), IR_IW | TABLE | MODE(3) | 2, 6); /* V=0 */
	PUT(fix, DTE(128), BIT(61) | V_TV, 7);		  /* in the second page */
	visit_amd(fix, ROOT | 1);
	assert_int_equal(fix->nr, 8);

	dev = devfix_get(fix, 1, -1);
	assert_int_equal(dev->kind, IOD_DEVICE_TRANSLATED);
	assert_string_equal(dev->translation, "v1");
	assert_int_equal(dev->domain, 0xabcd);
	assert_int_equal(dev->root, TABLE);
	assert_int_equal(dev->cfg.format, IOD_AMD_V1);
	assert_int_equal(dev->cfg.levels, 4);
	assert_int_equal(dev->cfg.features, RW);
	assert_int_equal(dev->entry[3], 7);
	dev = devfix_get(fix, 2, -1);
	assert_int_equal(dev->cfg.levels, 6);
	assert_int_equal(dev->cfg.features, IOD_PT_HW_ACCESS);
	assert_int_equal(devfix_get(fix, 3, -1)->kind, IOD_DEVICE_BYPASS);
	assert_int_equal(devfix_get(fix, 4, -1)->kind, IOD_DEVICE_BLOCKED);
	assert_int_equal(devfix_get(fix, 5, -1)->kind, IOD_DEVICE_BYPASS);
	assert_int_equal(devfix_get(fix, 8, -1)->kind, IOD_DEVICE_BLOCKED);
	devfix_bad(devfix_get(fix, 6, -1), "mode 7", DTE(6));
	assert_int_equal(devfix_get(fix, 128, -1)->kind, IOD_DEVICE_BYPASS);
}

static void amd_guest(void **state)
{
	struct devfix *fix = *state;
	const uint64_t gcr3 = 0x120000;
	const struct iod_device *dev;

	/* One level, PASID 0 serves plain requests, 5-level guest tables. */
	PUT(fix, DTE(1), IR_IW | GV | GIOV | GCR3_0(gcr3) | V_TV, GCR3_1(gcr3) | 4, BIT(54));
	PUT(fix, gcr3, TABLE | 1, 0, (TABLE + 0x1000) | 1);
	/* Two levels; plain requests pass. */
	PUT(fix, DTE(2), IR_IW | GV | GLX(1) | GCR3_0(gcr3 + 0x1000) | V_TV, GCR3_1(gcr3 + 0x1000));
	PUT(fix, gcr3 + 0x1000 + 8, (gcr3 + 0x2000) | 1);
	PUT(fix, gcr3 + 0x2000 + 3 * 8, TABLE | 1);
	PUT(fix, DTE(3), GV | GLX(3) | V_TV);
	PUT(fix, DTE(4), GV | GIOV | GCR3_0(FIX_AWAY) | V_TV, GCR3_1(FIX_AWAY));
	PUT(fix, DTE(5), GV | GIOV | GCR3_0(gcr3 + 0x3000) | V_TV, GCR3_1(gcr3 + 0x3000));
	visit_amd(fix, ROOT);

	dev = devfix_get(fix, 1, -1);
	assert_string_equal(dev->translation, "v2");
	assert_int_equal(dev->stage, 1);
	assert_int_equal(dev->domain, 4);
	assert_int_equal(dev->root, TABLE);
	assert_int_equal(dev->cfg.format, IOD_AMD_V2);
	assert_int_equal(dev->cfg.levels, 5);
	assert_int_equal(devfix_get(fix, 1, 2)->root, TABLE + 0x1000);
	assert_int_equal(devfix_get(fix, 2, -1)->kind, IOD_DEVICE_BYPASS);
	dev = devfix_get(fix, 2, 512 + 3);
	assert_int_equal(dev->root, TABLE);
	assert_int_equal(dev->cfg.levels, 4);
	assert_int_equal(devfix_get(fix, 5, -1)->kind, IOD_DEVICE_BLOCKED); /* PASID 0 invalid */
	devfix_bad(devfix_get(fix, 4, -1), "GCR3 table", FIX_AWAY);
	assert_int_equal(fix->nr, 2 + 2 + 2 + 1 + 1);
}

/* Every device shares one GCR3 table, all of it present: their plain requests are told of all the same. */
static void amd_bounded(void **state)
{
	struct devfix *fix = *state;
	const uint64_t gcr3 = 0x120000;
	uint64_t count[3] = { 0 };
	unsigned i;

	for (i = 0; i < 128; i++)
		PUT(fix, DTE(i), IR_IW | GV | GIOV | GLX(1) | GCR3_0(gcr3) | V_TV, GCR3_1(gcr3));
	for (i = 0; i < 512; i++)
		PUT(fix, gcr3 + i * 8, (gcr3 + 0x1000) | 1);
	PUT(fix, gcr3 + 0x1000, TABLE | 1);
	assert_int_equal(iod_amdvi_visit_devices(fix->mem, ROOT, count_translated, count), 0);
	assert_int_equal(count[0], 128);
	assert_true(count[1] < 64 * 512);
	assert_int_equal(count[2], 1);
}

/* A guest table over a host table: the GCR3 table lies at a guest address. */
static void amd_nested(void **state)
{
	struct devfix *fix = *state;
	const uint64_t gcr3 = 0x40000000 + 0x120000;
	const struct iod_device *dev;

	/* Host, mode 3: 1 GiB of guest memory at 0x40000000 is host memory from 0. */
	PUT(fix, TABLE + 8, IR_IW | 1);
	PUT(fix, 0x120000, (UINT64_C(0x40000000) + 0x130000) | 1);
	PUT(fix, DTE(1), IR_IW | TABLE | MODE(3) | GV | GIOV | GCR3_0(gcr3) | V_TV, GCR3_1(gcr3));
	PUT(fix, DTE(2), IR_IW | FIX_AWAY | MODE(3) | GV | GIOV | GCR3_0(gcr3) | V_TV,
	    GCR3_1(gcr3));
	visit_amd(fix, ROOT);
	dev = devfix_get(fix, 1, -1);
	assert_string_equal(dev->translation, "nested");
	assert_int_equal(dev->stage, 3);
	assert_int_equal(dev->cfg.format, IOD_AMD_V2);
	assert_int_equal(dev->root, 0x40130000);
	assert_int_equal(dev->cfg2.format, IOD_AMD_V1);
	assert_int_equal(dev->cfg2.levels, 3);
	assert_null(dev->cfg2.mem);
	assert_int_equal(dev->root2, TABLE);
	devfix_bad(devfix_get(fix, 2, -1), "host table", FIX_AWAY);
	assert_int_equal(fix->nr, 2);
}

static void amd_arguments(void **state)
{
	struct devfix *fix = *state;
	/* The last page of memory, and one that is not there. */
	const uint64_t edge = FIX_BASE + FIX_LEN - 4096;

	assert_int_equal(iod_amdvi_visit_devices(NULL, ROOT, devfix_fn, fix), -EINVAL);
	assert_int_equal(iod_amdvi_visit_devices(fix->mem, ROOT, NULL, fix), -EINVAL);
	assert_int_equal(iod_amdvi_visit_devices(fix->mem, FIX_AWAY, devfix_fn, fix), -EFAULT);
	assert_int_equal(fix->nr, 0);
	visit_amd(fix, edge | 2);
	assert_int_equal(fix->nr, 1);
	devfix_bad(devfix_get(fix, 128, -1), "device table", edge + 4096);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, devfix_setup, devfix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(vtd_legacy),  TEST(vtd_arguments), TEST(vtd_pasid_types), TEST(vtd_scalable),
		TEST(vtd_bounded), TEST(amd_host),	TEST(amd_guest),       TEST(amd_bounded),
		TEST(amd_nested),  TEST(amd_arguments),
	};

	return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
