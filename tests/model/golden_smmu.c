/* SPDX-License-Identifier: MIT */
/* The model's own fields, verdicts, covers and queue indices against the words worked out by hand. */
#include <string.h>

#include "fakemem.h"
#include "mdl_smmu.h"
#include "smmu/golden_smmu.h"

/* A member of a struct, found by the specification's name of the field. */
struct member {
	const char *name;
	size_t offset, size;
};

#define M(type, name, member)                                                              \
	{                                                                                  \
		name, offsetof(struct type, member), sizeof(((struct type *)NULL)->member) \
	}
#define C(m) M(mdl_smmu_cmd, #m, m)
#define S(m) M(mdl_ste, #m, m)
#define D(m) M(mdl_cd, #m, m)
#define E(m) M(mdl_smmu_event, #m, m)
#define P(m) M(mdl_smmu_ppr, #m, m)
#define END       \
	{         \
		0 \
	}

static const struct member cmd_members[] = {
	C(ssec),
	C(ssv),
	C(global),
	C(leaf),
	C(ttl128),
	C(ac),
	C(ab),
	C(ssid),
	C(sid),
	C(vmid),
	C(asid),
	C(stag),
	C(prgi),
	C(num),
	C(scale),
	C(ttl),
	C(tg),
	C(range),
	C(size),
	C(stride),
	C(resp),
	C(cs),
	C(msh),
	C(addr),
	M(mdl_smmu_cmd, "msiattr", msi_attr),
	M(mdl_smmu_cmd, "msidata", msi_data),
	M(mdl_smmu_cmd, "msiaddr", msi_addr),
	END,
};

static const struct member ste_members[] = {
	S(v),	     S(config),	    S(s1fmt),
	S(s1cdmax),  S(s1dss),	    S(s1cir),
	S(s1cor),    S(s1csh),	    M(mdl_ste, "s1contextptr", s1ctxptr),
	S(s2hwu),    S(cont),	    S(dre),
	S(dcp),	     S(ppar),	    S(mev),
	S(s1pie),    S(s2fwb),	    S(s1mpam),
	S(s1stalld), S(mtcfg),	    S(sw),
	S(eats),     S(strw),	    S(memattr),
	S(alloccfg), S(shcfg),	    S(nscfg),
	S(privcfg),  S(instcfg),    S(s2vmid),
	S(s2t0sz),   S(s2sl0),	    S(s2ir0),
	S(s2or0),    S(s2sh0),	    S(s2tg),
	S(s2ps),     S(dpt_vmatch), S(s2aa64),
	S(s2endi),   S(s2affd),	    S(s2ptw),
	S(s2hd),     S(s2ha),	    S(s2s),
	S(s2r),	     S(s2haft),	    S(s2pie),
	S(s2poe),    S(s2sl0_2),    S(s2ds),
	S(partid),   S(pmg),	    S(vmsptr),
	S(s2ttb),    END,
};

static const struct member cd_members[] = {
	D(v),	 D(t0sz),  D(tg0),    D(ir0),  D(or0),	 D(sh0),  D(t1sz),   D(tg1),  D(ir1),
	D(or1),	 D(sh1),   D(ips),    D(epd0), D(epd1),	 D(endi), D(affd),   D(wxn),  D(uwxn),
	D(tbi0), D(tbi1),  D(pan),    D(aa64), D(hd),	 D(ha),	  D(s),	     D(r),    D(a),
	D(aset), D(asid),  D(nscfg0), D(had0), D(e0pd0), D(haft), D(nscfg1), D(had1), D(e0pd1),
	D(aie),	 D(ds),	   D(pie),    D(pnch), D(epan),	 D(hwu0), D(hwu1),   D(ttb0), D(ttb1),
	D(mair), D(amair), D(partid), D(pmg),  END,
};

static const struct member event_members[] = {
	E(type),
	E(ssv),
	E(stall),
	E(gpcf),
	E(pnu),
	E(ind),
	E(rnw),
	E(nsipa),
	E(s2),
	E(ttrnw),
	E(px),
	E(pw),
	E(pr),
	E(ux),
	E(uw),
	E(ur),
	E(ssid),
	E(sid),
	E(stag),
	E(reason),
	E(span),
	E(ipa),
	M(mdl_smmu_event, "class", cls),
	M(mdl_smmu_event, "inputaddr", addr),
	M(mdl_smmu_event, "fetchaddr", fetch),
	END,
};

static const struct member ppr_members[] = {
	P(sid),	 P(ssid), P(priv), P(exec), P(read), P(write),
	P(last), P(ssv),  P(prgi), P(addr), P(stop), END,
};

static uint64_t value(const void *obj, const struct member *m)
{
	const unsigned char *at = (const unsigned char *)obj + m->offset;
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	switch (m->size) {
	case 1:
		return *at;
	case 2:
		memcpy(&v16, at, 2);
		return v16;
	case 4:
		memcpy(&v32, at, 4);
		return v32;
	default:
		memcpy(&v64, at, 8);
		return v64;
	}
}

/* Every listed field has its value, all others are 0, and every name is known. */
static void same_fields(const struct gold *g, const void *obj, const struct member *members)
{
	const struct gold_field *f;
	const struct member *m;
	unsigned found = 0, listed = 0;
	uint64_t want;

	for (f = g->f; f->name; f++)
		listed++;
	for (m = members; m->name; m++) {
		want = 0;
		for (f = g->f; f->name; f++) {
			if (strcmp(f->name, m->name))
				continue;
			want = f->value;
			found++;
		}
		if (value(obj, m) != want)
			fail_msg("%s: %s is %#llx, not %#llx", g->name, m->name,
				 (unsigned long long)value(obj, m), (unsigned long long)want);
	}
	if (found != listed)
		fail_msg("%s: a field of an unknown name", g->name);
}

static void bytes_of(const uint64_t *w, uint8_t raw[16])
{
	unsigned i;

	for (i = 0; i < 16; i++)
		raw[i] = (uint8_t)(w[i / 8] >> 8 * (i % 8));
}

static struct mdl_smmu_id full_id(void)
{
	struct mdl_smmu_id id;

	memcpy(id.idr, gold_idr, sizeof(id.idr));
	return id;
}

static struct mdl_smmu_cmd parse(const struct mdl_smmu_id *id, uint64_t w0, uint64_t w1)
{
	const uint64_t w[2] = { w0, w1 };
	struct mdl_smmu_cmd c;
	uint8_t raw[16];

	bytes_of(w, raw);
	mdl_smmu_cmd(raw, id, &c);
	return c;
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void commands(void **state)
{
	static const enum mdl_smmu_verdict verdicts[] = { MDL_CMD_OK, MDL_CMD_ILL, MDL_CMD_EITHER };
	struct mdl_smmu_id id = full_id();
	struct mdl_smmu_cmd c;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(gold_cmds); i++) {
		c = parse(&id, gold_cmds[i].w[0], gold_cmds[i].w[1]);
		if (c.verdict != verdicts[gold_cmds[i].verdict])
			fail_msg("%s: verdict %d", gold_cmds[i].name, c.verdict);
		if (gold_cmds[i].verdict == GOLD_OK) {
			same_fields(&gold_cmds[i], &c, cmd_members);
			assert_int_equal(c.op, gold_cmds[i].w[0] & 0xff);
			assert_int_equal(c.res[0] | c.res[1], 0);
		}
	}
}

static void structures(void **state)
{
	struct mdl_smmu_id id = full_id();
	struct mdl_l1std l1std;
	struct mdl_l1cd l1cd;
	struct mdl_ste ste;
	struct mdl_cd cd;
	size_t i, j;

	(void)state;
	for (i = 0; i < COUNT(gold_stes); i++) {
		mdl_ste_decode(gold_stes[i].w, &ste);
		same_fields(&gold_stes[i], &ste, ste_members);
		for (j = 0; j < 8; j++)
			assert_int_equal(ste.res[j], 0);
		assert_int_equal(!mdl_ste_illegal(&ste, &id), gold_stes[i].verdict == GOLD_OK);
	}
	mdl_ste_decode(gold_stes[4].w, &ste); /* one that lets CDs stall */
	for (i = 0; i < COUNT(gold_cds); i++) {
		mdl_cd_decode(gold_cds[i].w, &cd);
		same_fields(&gold_cds[i], &cd, cd_members);
		for (j = 0; j < 8; j++)
			assert_int_equal(cd.res[j], 0);
		assert_int_equal(!mdl_cd_illegal(&ste, &cd, &id, false),
				 gold_cds[i].verdict == GOLD_OK);
	}
	for (i = 0; i < COUNT(gold_l1stds); i++) {
		mdl_l1std_decode(gold_l1stds[i].w[0], &l1std);
		assert_int_equal(l1std.lg2 >= 0, gold_l1stds[i].verdict == GOLD_OK);
		assert_int_equal(l1std.ptr, 0x80010000);
		assert_int_equal(l1std.res, 0);
	}
	mdl_l1std_decode(gold_l1stds[1].w[0], &l1std);
	assert_int_equal(l1std.lg2, 8);
	for (i = 0; i < COUNT(gold_l1cds); i++) {
		mdl_l1cd_decode(gold_l1cds[i].w[0], &l1cd);
		assert_int_equal(l1cd.v, gold_l1cds[i].verdict == GOLD_OK);
		assert_int_equal(l1cd.ptr, gold_l1cds[i].w[0] & ~UINT64_C(1));
		assert_int_equal(l1cd.res, 0);
	}
}

static void events(void **state)
{
	struct mdl_smmu_event e;
	struct mdl_smmu_ppr p;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(gold_events); i++) {
		mdl_smmu_event(gold_events[i].w, &e);
		same_fields(&gold_events[i], &e, event_members);
		assert_true(e.known);
		assert_int_equal(e.res[0] | e.res[1] | e.res[2] | e.res[3], 0);
	}
	for (i = 0; i < COUNT(gold_pprs); i++) {
		mdl_smmu_ppr(gold_pprs[i].w, &p);
		same_fields(&gold_pprs[i], &p, ppr_members);
		assert_int_equal(p.res[0] | p.res[1], 0);
	}
}

/* The same word on an SMMU that lacks what the command needs. */
static void permitted(void **state)
{
	static const struct {
		uint64_t w[2];
		unsigned idr, bit; /* without this bit: CERROR_ILL */
	} need[] = {
		{ { 0x05, 0 }, 0, 1 },	{ { 0x06, 0 }, 0, 1 },	    { { 0x10, 0 }, 0, 1 },
		{ { 0x11, 0 }, 0, 1 },	{ { 0x12, 0x1000 }, 0, 1 }, { { 0x13, 0x1000 }, 0, 1 },
		{ { 0x20, 0 }, 0, 9 },	{ { 0x21, 0 }, 0, 9 },	    { { 0x22, 0 }, 0, 9 },
		{ { 0x23, 0 }, 0, 9 },	{ { 0x28, 0 }, 0, 0 },	    { { 0x2a, 0x1000 }, 0, 0 },
		{ { 0x40, 0 }, 0, 10 }, { { 0x41, 0 }, 0, 16 },
	};
	struct mdl_smmu_id id;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(need); i++) {
		id = full_id();
		assert_int_equal(parse(&id, need[i].w[0], need[i].w[1]).verdict, MDL_CMD_OK);
		id.idr[need[i].idr] &= ~(1u << need[i].bit);
		assert_int_equal(parse(&id, need[i].w[0], need[i].w[1]).verdict, MDL_CMD_ILL);
	}
	id = full_id();
	id.idr[0] |= 1u << 24; /* STALL_MODEL 1 */
	assert_int_equal(parse(&id, 0x44, 0).verdict, MDL_CMD_ILL);
	assert_int_equal(parse(&id, 0x45, 0).verdict, MDL_CMD_ILL);
	id.idr[3] |= 1u << 7; /* MPAM */
	assert_int_equal(parse(&id, 0x07, 0).verdict, MDL_CMD_OK);
	assert_int_equal(parse(&id, 0x30, 0).verdict, MDL_CMD_OK);
	/* without RIL the fields of ranges are reserved, and a VMID of 16 bits without VMID16 */
	id.idr[3] &= ~(1u << 10);
	assert_int_equal(parse(&id, 0x1012, 0x1300).verdict, MDL_CMD_EITHER);
	assert_int_equal(parse(&id, 0x1012, 0x1300).tg, 0);
	id.idr[0] &= ~(1u << 18);
	assert_int_equal(parse(&id, UINT64_C(0x0000010000000010), 0).verdict, MDL_CMD_EITHER);
	assert_int_equal(parse(&id, UINT64_C(0x000000ff00000010), 0).verdict, MDL_CMD_OK);
	/* 4.4.1.1: TTL 1 of 16K is TTL 0, and then NUM and SCALE must say something */
	id = full_id();
	assert_int_equal(parse(&id, 0x12, 0x900).verdict, MDL_CMD_ILL);
	assert_int_equal(parse(&id, 0x1012, 0x900).verdict, MDL_CMD_EITHER);
	assert_int_equal(parse(&id, 0x40, 53).verdict, MDL_CMD_EITHER);
}

static struct mdl_smmu_cover cover(uint64_t w0, uint64_t w1)
{
	struct mdl_smmu_id id = full_id();
	struct mdl_smmu_cmd c = parse(&id, w0, w1);
	struct mdl_smmu_cover v;

	mdl_smmu_cover(&c, &id, &v);
	return v;
}

static void is_span(const struct mdl_smmu_cover *v, uint64_t first, uint64_t last)
{
	assert_int_equal(v->first, first);
	assert_int_equal(v->last, last);
	assert_false(v->unpredictable);
}

/* 4.4.1.1, 4.4.2: what must go */
static void covers_tlbi(void **state)
{
	struct mdl_smmu_cover v;

	(void)state;
	/* (15 + 1) * 2^5 * 4 KiB = 2 MiB of level-3 leaves */
	v = cover(UINT64_C(0x001100220050f012), 0x40000701);
	is_span(&v, 0x40000000, 0x401fffff);
	assert_true(v.s1 && !v.s2 && !v.el2 && v.globals && !v.any_asid && !v.any_vmid);
	assert_int_equal(v.vmid, 0x22);
	assert_int_equal(v.asid, 0x11);
	assert_int_equal(v.granule_lg2, 12);
	assert_int_equal(v.leaf_levels, 8);
	assert_int_equal(v.table_levels, 0);
	/* 2^3 * 64 KiB at level 2, tables of level 0 and 1 */
	v = cover(UINT64_C(0x0000000900300013), 0x20000e00);
	is_span(&v, 0x20000000, 0x2007ffff);
	assert_true(v.any_asid && v.globals);
	assert_int_equal(v.granule_lg2, 16);
	assert_int_equal(v.leaf_levels, 4);
	assert_int_equal(v.table_levels, 3);
	/* 32 * 2^20 * 16 KiB = 2^39 */
	v = cover(UINT64_C(0x0000ffff0141f012), 0x4800);
	is_span(&v, 0x4000, UINT64_C(0x8000003fff));
	assert_int_equal(v.leaf_levels, 15);
	assert_int_equal(v.table_levels, 7);
	/* 2 * 2^9 * 4 KiB of stage 2 */
	v = cover(UINT64_C(0x000000050090102a), 0x80000600);
	is_span(&v, 0x80000000, 0x803fffff);
	assert_true(v.s2 && !v.s1 && !v.any_vmid);
	/* one address: any granule, any level */
	v = cover(UINT64_C(0x0003000200000012), UINT64_C(0xffff800012345001));
	is_span(&v, UINT64_C(0xffff800012345000), UINT64_C(0xffff800012345fff));
	assert_int_equal(v.granule_lg2, 0);
	assert_int_equal(v.leaf_levels, 15);
	v = cover(UINT64_C(0xcafe000100000011), 0);
	is_span(&v, 0, UINT64_MAX);
	assert_true(v.s1 && !v.globals && !v.any_asid);
	v = cover(0x30, 0);
	assert_true(v.s1 && v.s2 && !v.el2 && v.any_vmid && v.any_asid && v.globals);
	v = cover(UINT64_C(0x0000010000000028), 0);
	assert_true(v.s1 && v.s2 && !v.any_vmid);
	v = cover(0x20, 0);
	assert_true(!v.s1 && !v.s2 && v.el2 && v.globals);
	/* a range does not wrap, nor does it go on from the lower half into the upper */
	v = cover(0x02700012, UINT64_C(0xfffffffffffff400));
	is_span(&v, UINT64_C(0xfffffffffffff000), UINT64_MAX);
	/* 2^31 * 64 KiB = 2^47 */
	v = cover(0x01f00012, UINT64_C(0x007fffffffff0c00));
	is_span(&v, UINT64_C(0x007fffffffff0000), UINT64_C(0x007fffffffffffff));
	/* TTL 2 of 4K wants 2 MiB alignment */
	assert_true(cover(0x1012, 0x1600).unpredictable);
	assert_false(cover(0x1012, 0x200600).unpredictable);
}

static void covers_other(void **state)
{
	struct mdl_smmu_cover v;

	(void)state;
	v = cover(UINT64_C(0x0000012300000004), 7);
	assert_int_equal(v.sid_first, 0x100);
	assert_int_equal(v.sid_last, 0x1ff);
	assert_true(v.ste && v.cd && v.l1std && v.l1cd && v.any_ssid);
	v = cover(0x04, 0x1f);
	assert_int_equal(v.sid_first, 0);
	assert_int_equal(v.sid_last, 0xffffffff);
	v = cover(UINT64_C(0xabcd123400000003), 1);
	assert_true(v.ste && v.cd && !v.l1std && v.l1cd);
	assert_int_equal(v.sid_first, 0xabcd1234);
	v = cover(UINT64_C(0x00000012fffff005), 1);
	assert_true(!v.ste && v.cd && !v.l1cd && !v.any_ssid);
	assert_int_equal(v.ssid, 0xfffff);
	v = cover(UINT64_C(0x0000001812345840), 0x212009);
	is_span(&v, 0x200000, 0x3fffff);
	assert_true(v.atc && v.atc_ssv && !v.atc_global);
	v = cover(UINT64_C(0x0000001800000040), 0x34);
	is_span(&v, 0, UINT64_MAX);
	v = cover(UINT64_C(0x0000001800001a40), 0x3000);
	is_span(&v, 0x3000, 0x3fff);
	assert_true(v.atc_global);
	/* without SSV the Global bit does not count */
	assert_false(cover(0x240, 0).atc_global);
}

/* 3.5, 7.4: 8 entries, wrap bit 3, overflow bit 31 */
static void queues(void **state)
{
	const uint32_t ov = UINT32_C(1) << 31;

	(void)state;
	assert_true(mdl_queue_empty(3, 0, 0));
	assert_true(mdl_queue_empty(3, 0xd | ov, 0xd));
	assert_true(mdl_queue_full(3, 0x8, 0));
	assert_true(mdl_queue_full(3, 0x5, 0xd));
	assert_false(mdl_queue_full(3, 0x5, 0xc));
	assert_int_equal(mdl_queue_used(3, 0x9, 0x6), 3);
	assert_int_equal(mdl_queue_used(3, 0x2, 0xf), 3);
	assert_int_equal(mdl_queue_used(3, 0x5, 0xd), 8);
	assert_int_equal(mdl_queue_index(3, 0xd | ov), 5);
	assert_int_equal(mdl_queue_next(3, 7), 8);
	assert_int_equal(mdl_queue_next(3, 0xf), 0);
	assert_int_equal(mdl_queue_next(3, 0xf | ov), ov);
	/* one entry: the wrap bit is bit 0 */
	assert_int_equal(mdl_queue_next(0, 0), 1);
	assert_int_equal(mdl_queue_next(0, 1), 0);
	assert_true(mdl_queue_full(0, 1, 0));
	/* the flag toggles once until it is acknowledged */
	assert_int_equal(mdl_queue_overflow(8, 0), 8 | ov);
	assert_int_equal(mdl_queue_overflow(8 | ov, 0), 8 | ov);
	assert_int_equal(mdl_queue_overflow(8 | ov, ov), 8);
	assert_true(mdl_queue_overflown(ov, 0));
	assert_false(mdl_queue_overflown(ov, ov));
}

int mdl_test_smmu(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),    cmocka_unit_test(structures),
		cmocka_unit_test(events),      cmocka_unit_test(permitted),
		cmocka_unit_test(covers_tlbi), cmocka_unit_test(covers_other),
		cmocka_unit_test(queues),
	};

	return cmocka_run_group_tests_name("SMMUv3 by hand", tests, NULL, NULL);
}
