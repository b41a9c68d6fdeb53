/* SPDX-License-Identifier: MIT */
/*
 * The model of an AMD IOMMU against words and walks worked out by hand from bits.md A3 and C3. Addresses: device table at
 * 10000h, host tables from 20000h, GCR3 table at 30000h, guest tables from 40000h.
 */
#include "fakemem.h"
#include "mdl_amdvi.h"

#define RW  UINT64_C(0x6000000000000000)
#define ALL UINT64_C(0xfffffffffffff000)

/* PrefSup, PPRSup, GTSup, IASup; 6 and 5 levels, GLX 2; PASIDs of 20 bits; GIO, HA, EPH, HD */
static const struct mdl_amdvi_id full = { .efr = UINT64_C(0x0017001300009853) };

static struct mdl_amdvi_cmd parse(uint64_t w0, uint64_t w1)
{
	const uint64_t w[2] = { w0, w1 };
	struct mdl_amdvi_cmd c;

	mdl_amdvi_cmd(w, &full, &c);
	return c;
}

static void commands(void **state)
{
	struct mdl_amdvi_cmd c;

	(void)state;
	c = parse(0x100abcde1234567f, UINT64_C(0x1122334455667788));
	assert_true(c.verdict == MDL_AMD_OK && c.store && c.irq && c.flush);
	assert_true(c.store_addr == 0xabcde12345678 && c.data == UINT64_C(0x1122334455667788));
	c = parse(0x30000001000abcde, 0x4007f007);
	assert_true(c.verdict == MDL_AMD_OK && c.domain == 1 && c.pasid == 0xabcde &&
		    c.addr == 0x4007f000);
	assert_true(c.s && c.pde && c.gn);
	/* PASID abcde: bc at 23:16, de at 55:48, a at 59:56; without InvIotlbTypeSup Type is in doubt */
	c = parse(0x4ade030420bc0102, 0x2ff005);
	assert_true(c.verdict == MDL_AMD_OK && c.devid == 0x102 && c.queueid == 0x304);
	assert_true(c.maxpend == 0x20 && c.pasid == 0xabcde && c.addr == 0x2ff000);
	assert_int_equal(parse(0x4ade030420bc0102, 0x2ff025).verdict, MDL_AMD_EITHER);
	c = parse(0x6000000305000010, 0x9014);
	assert_true(c.verdict == MDL_AMD_OK && c.count == 5 && c.pasid == 3 && c.gn && c.inval);
	c = parse(0x7000000700000020, UINT64_C(0x0000f1ff00000004));
	assert_true(c.verdict == MDL_AMD_OK && c.tag == 0x1ff && c.status == 15 && c.pasid == 7);
	assert_int_equal(parse(0x8000000000000000, 0).verdict, MDL_AMD_OK);
	assert_int_equal(parse(0x8000000000000000, 1).verdict, MDL_AMD_ILLEGAL);
	assert_int_equal(parse(0x2000000000010000, 0).verdict, MDL_AMD_ILLEGAL);
	assert_int_equal(parse(0x3000000000000000, 8).verdict, MDL_AMD_ILLEGAL);
	assert_int_equal(parse(0, 0).verdict, MDL_AMD_ILLEGAL);
	assert_int_equal(parse(0x9000000000000000, 0).verdict, MDL_AMD_EITHER);
}

static struct mdl_amdvi_cover cover(uint64_t w0, uint64_t w1)
{
	struct mdl_amdvi_cmd c = parse(w0, w1);
	struct mdl_amdvi_cover v;

	mdl_amdvi_cover(&c, &v);
	return v;
}

static void covers(void **state)
{
	struct mdl_amdvi_cached leaf = { .domain = 5, .lg2 = 12, .first = 0x7000 }, e;
	struct mdl_amdvi_cover v;

	(void)state;
	/* sizes: 8K from no ones; 64K: bits 14:12; everything */
	v = cover(0x3000000500000000, 0x1234001);
	assert_true(v.first == 0x1234000 && v.last == 0x1235fff);
	v = cover(0x3000000500000000, 0x1237001);
	assert_true(v.first == 0x1230000 && v.last == 0x123ffff);
	v = cover(0x3000000500000000, 0x7ffffffffffff001);
	assert_true(v.first == 0 && v.last == UINT64_MAX && !v.undefined);
	assert_true(cover(0x3000000500000000, ALL | 1).undefined);
	/* host leaves: of the domain, overlapping; directories by PDE */
	v = cover(0x3000000500000000, 0x7000);
	assert_true(mdl_amdvi_must_go(&leaf, &v));
	e = leaf;
	e.first = 0x8000;
	assert_false(mdl_amdvi_must_go(&e, &v));
	e.first = 0;
	e.lg2 = 21;
	assert_true(mdl_amdvi_must_go(&e, &v));
	e.table = true;
	assert_false(mdl_amdvi_must_go(&e, &v));
	v = cover(0x3000000500000000, 0x7002);
	assert_true(mdl_amdvi_must_go(&e, &v));
	/* guest leaves: of the PASID, with GN; host ones stay then */
	e = leaf;
	e.guest = true;
	e.pasid = 3;
	assert_false(mdl_amdvi_must_go(&e, &v));
	v = cover(0x3000000500000003, 0x7004);
	assert_true(mdl_amdvi_must_go(&e, &v) && !mdl_amdvi_must_go(&leaf, &v));
	e.pasid = 4;
	assert_false(mdl_amdvi_must_go(&e, &v));
	v = cover(0x8000000000000000, 0);
	assert_true(mdl_amdvi_must_go(&e, &v) && mdl_amdvi_must_go(&leaf, &v) && v.dte && v.irt);
}

static void records(void **state)
{
	static const uint64_t fault[2] = { 0x2107000500000100, 0x1000 };
	static const uint64_t host[2] = { 0x2070beef00000100, 0xdeadbeef123 };
	static const uint64_t ppr[2] = { 0x11662bffbcde1234, 0xabc000 };
	struct mdl_amdvi_event e;
	struct mdl_amdvi_ppr p;

	(void)state;
	mdl_amdvi_event(fault, &e); /* GN 16, NX 17, US 18, TR 24 */
	assert_true(e.type == 2 && e.devid == 0x100 && e.pasid == 5 && e.gn && e.nx && e.us &&
		    e.tr);
	assert_true(!e.pr && !e.domain && e.addr == 0x1000 && !e.res[0] && !e.res[1]);
	mdl_amdvi_event(host, &e); /* PR 20, RW 21, PE 22 */
	assert_true(e.domain == 0xbeef && e.pr && e.rw && e.pe && !e.rz && !e.gn && !e.pasid);
	mdl_amdvi_ppr(ppr, &p);
	assert_true(p.devid == 0x1234 && p.pasid == 0xabcde && p.tag == 0x1ff && p.type == 1);
	assert_true(p.last && p.exec && p.read && p.write && p.user && p.gn && !p.rvsd);
	assert_true(p.addr == 0xabc000 && !p.res[0] && !p.res[1]);
}

static enum mdl_amdvi_verdict verdict(uint64_t w0, uint64_t w1, uint64_t efr)
{
	const uint64_t w[4] = { w0, w1, 0, 0 };
	struct mdl_amdvi_id id = { .efr = efr };
	struct mdl_dte d;
	const char *why;

	mdl_dte_decode(w, &d);
	return mdl_dte_verdict(&d, &id, &why);
}

static void entries(void **state)
{
	static const uint64_t w[4] = { 0x3af0000000001603, 0xfedcbbac530e0001, 0x0040000000000000,
				       0 };
	struct mdl_dte d;

	(void)state;
	mdl_dte_decode(w, &d);
	assert_true(d.v && d.tv && d.mode == 3 && d.root == 0x1000 && d.ppr && d.gprp && d.giov &&
		    d.gv);
	assert_true(d.glx == 2 && d.gcr3 == 0xfedcba9876000 && d.ir && !d.iw && d.domain == 1);
	assert_true(d.sa && d.ioctl == 1 && d.cache && d.ex && d.sysmgt == 3 &&
		    d.guestpagingmode == 1);
	assert_int_equal(verdict(0x983, 0, full.efr), MDL_AMD_OK);	     /* HAD 3, Mode 4 */
	assert_int_equal(verdict(0x7c, ~UINT64_C(0), full.efr), MDL_AMD_OK); /* V = 0 */
	assert_int_equal(verdict(0xe03, 0, full.efr), MDL_AMD_ILLEGAL);	     /* Mode 7 */
	assert_int_equal(verdict(0xa03, 0, full.efr & ~UINT64_C(0xc00)), MDL_AMD_ILLEGAL);
	assert_int_equal(verdict(0x7, 0, full.efr), MDL_AMD_ILLEGAL);  /* bit 2 */
	assert_int_equal(verdict(0x103, 0, full.efr), MDL_AMD_EITHER); /* HAD 2 */
}

/* Four devices: host, guest, nested, and one of V = 0; see the head of this file. */
static struct fakemem *machine(void)
{
	struct fakemem *m = fm_new();

	fm_add(m, 0x10000, 0x1000);
	fm_add(m, 0x20000, 0x3000);
	fm_add(m, 0x30000, 0x1000);
	fm_add(m, 0x40000, 0x4000);
	/* device 0: HAD 3, Mode 3, 20000h, domain 7: IOVA 0 to 1fffffh is 1:1 by pages, of which some are mapped */
	fm_set(m, 0x10000, RW | 0x20783);
	fm_set(m, 0x10008, 7);
	fm_set(m, 0x20000, RW | 0x21401);
	fm_set(m, 0x21000, RW | 0x22201);
	fm_set(m, 0x22000 + 8 * 0x30, RW | 0x30001); /* GCR3 table */
	fm_set(m, 0x22000 + 8 * 0x40, RW | 0x40001); /* guest tables */
	fm_set(m, 0x22000 + 8 * 0x41, RW | 0x41001);
	fm_set(m, 0x22000 + 8 * 0x42, RW | 0x42001);
	fm_set(m, 0x22000 + 8 * 0x43, RW | 0x43001);
	fm_set(m, 0x22000 + 8 * 0x50, RW | 0x99001);		     /* data */
	fm_set(m, 0x22000 + 8 * 0x51, UINT64_C(0x2000000000098001)); /* IR only */
	/* device 1: GV, GCR3 30000h: 14:12 is 0, 30:15 is 6; device 2: the same over the table of device 0 */
	fm_set(m, 0x10020, RW | 0x0080000000000003);
	fm_set(m, 0x10028, 6 << 16 | 8);
	fm_set(m, 0x10040, RW | 0x0080000000020783);
	fm_set(m, 0x10048, 6 << 16 | 9);
	/* PASID 1: VA 1000h is 50000h, 2000h is 51000h, 3000h is 53000h, read-only */
	fm_set(m, 0x30008, 0x40001);
	fm_set(m, 0x40000, 0x41007);
	fm_set(m, 0x41000, 0x42007);
	fm_set(m, 0x42000, 0x43007);
	fm_set(m, 0x43008, 0x50007);
	fm_set(m, 0x43010, 0x51007);
	fm_set(m, 0x43018, 0x53005);
	return m;
}

static struct mdl_amdvi_result ask(struct fakemem *m, unsigned devid, int pasid, uint64_t iova,
				   bool write)
{
	struct mdl_amdvi iommu = { .id = full,
				   .devtab_base = 0x10000,
				   .control = UINT64_C(0x0400000000010001),
				   .mem = &m->mem };
	struct mdl_amdvi_access a = { .devid = devid, .iova = iova, .write = write };
	struct mdl_amdvi_result r;

	a.has_pasid = pasid >= 0;
	a.pasid = a.has_pasid ? (unsigned)pasid : 0;
	mdl_amdvi_access(&iommu, &a, &r);
	assert_false(r.beyond);
	return r;
}

static void expect_fault(const struct mdl_amdvi_result *r, unsigned type, bool gn, bool pr, bool pe,
			 uint64_t addr)
{
	const struct mdl_amdvi_event *e = &r->why[0].event;

	assert_int_equal(r->refused, 1);
	assert_int_equal(e->type, type);
	assert_true(e->gn == gn && e->pr == pr && e->pe == pe && e->addr == addr);
}

static void requests(void **state)
{
	struct fakemem *m = machine();
	struct mdl_amdvi_result r;

	(void)state;
	r = ask(m, 0, -1, 0x50123, true);
	assert_true(!r.refused && r.pa == 0x99123);
	assert_int_equal(fm_get(m, 0x22280) & 0x60, 0x60); /* A and D */
	assert_int_equal(fm_get(m, 0x21000) & 0x60, 0x20); /* A of a directory */
	r = ask(m, 0, -1, 0x51000, true);
	expect_fault(&r, 2, false, true, true, 0x51000);
	r = ask(m, 0, -1, 0x52000, false);
	expect_fault(&r, 2, false, false, false, 0x52000);
	assert_int_equal(r.why[0].event.domain, 7);
	/* a PASID where there is no guest table; not canonical; no entry of the PASID */
	assert_int_equal(ask(m, 0, 1, 0x50000, false).refused, 1);
	r = ask(m, 1, 1, UINT64_C(1) << 47, false);
	expect_fault(&r, 2, true, false, false, UINT64_C(1) << 47);
	r = ask(m, 1, 2, 0x1000, false);
	expect_fault(&r, 2, true, false, false, 0x1000);
	/* guest alone: marked always */
	r = ask(m, 1, 1, 0x1004, true);
	assert_true(!r.refused && !r.nested && r.pa == 0x50004);
	assert_int_equal(fm_get(m, 0x43008), 0x50067);
	r = ask(m, 1, 1, 0x3000, true);
	expect_fault(&r, 2, true, true, true, 0x3000);
	/* without a PASID: no GIOV, no host table */
	r = ask(m, 1, -1, 0x1234, true);
	assert_true(!r.refused && r.passes && r.pa == 0x1234);
	/* V = 0 */
	assert_true(ask(m, 3, -1, 0x1234, true).passes);
	/* outside the table */
	assert_int_equal(ask(m, 128, -1, 0, true).refused, 2);
	fm_free(m);
}

static void nested(void **state)
{
	struct fakemem *m = machine();
	struct mdl_amdvi_result r;

	(void)state;
	r = ask(m, 2, 1, 0x1008, true);
	assert_true(!r.refused && r.nested && r.pa == 0x99008);
	assert_int_equal(fm_get(m, 0x43008), 0x50067);	   /* the guest's leaf: A and D */
	assert_int_equal(fm_get(m, 0x22280) & 0x60, 0x60); /* the page: A and D */
	assert_int_equal(fm_get(m, 0x22218) & 0x60,
			 0x60); /* the guest's leaf table, written: A and D */
	assert_int_equal(fm_get(m, 0x22180) & 0x60, 0x20); /* the GCR3 table, read: A */
	/* the host lets the page be read only, or has none; about the guest's address */
	r = ask(m, 2, 1, 0x2008, true);
	expect_fault(&r, 2, false, true, true, 0x51008);
	r = ask(m, 2, 1, 0x3008, false);
	expect_fault(&r, 2, false, false, false, 0x53008);
	/* not the guest's table itself any more */
	fm_set(m, 0x22000 + 8 * 0x42, 0);
	r = ask(m, 2, 1, 0x2008, false);
	expect_fault(&r, 2, false, false, false, 0x42000);
	/* without a PASID: guest addresses */
	r = ask(m, 2, -1, 0x50010, false);
	assert_true(!r.refused && !r.nested && r.pa == 0x99010);
	fm_free(m);
}

static void rings(void **state)
{
	(void)state;
	assert_int_equal(mdl_amdvi_ring_entries(7), 0);
	assert_int_equal(mdl_amdvi_ring_entries(9), 512);
	assert_int_equal(mdl_amdvi_ring_entries(15), 32768);
	assert_int_equal(mdl_amdvi_ring_next(256, 0xff0), 0);
	assert_int_equal(mdl_amdvi_ring_used(256, 0xff0, 0x20), 3);
	assert_int_equal(mdl_amdvi_ring_used(32768, 0, 0x7fff0), 32767);
}

int mdl_test_amdvi(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands), cmocka_unit_test(covers),	cmocka_unit_test(records),
		cmocka_unit_test(entries),  cmocka_unit_test(requests), cmocka_unit_test(nested),
		cmocka_unit_test(rings),
	};

	return cmocka_run_group_tests_name("model: AMD IOMMU", tests, NULL, NULL);
}
