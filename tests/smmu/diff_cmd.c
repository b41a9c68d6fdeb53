/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3 commands: the library's codec, and what it says that a command does,
 * against the independent model. Uniform words, words one or a few bits off
 * legal ones, every bit of every golden word.
 */
#include "smmu/diff_smmu.h"

#include <string.h>

#include <iodirty/smmuv3_cmd.h>

/* The library's command in the model's words. */
static struct mdl_smmu_cmd in_model_words(const struct iod_smmuv3_cmd *c)
{
	bool ranged = c->op != IOD_SMMUV3_CFGI_STE_RANGE;

	return (struct mdl_smmu_cmd){
		.op = (unsigned)c->op,
		.ssv = c->ssv,
		.global = c->global,
		.leaf = c->leaf,
		.ac = c->retry,
		.ab = c->abort,
		.ssid = c->ssid,
		.sid = c->sid,
		.msi_data = c->msi_data,
		.vmid = c->vmid,
		.asid = c->asid,
		.stag = c->stag,
		.prgi = c->prgi,
		.num = c->num,
		.scale = c->scale,
		.ttl = c->ttl,
		.tg = c->tg,
		.range = ranged ? 0 : c->range,
		.size = c->span,
		.resp = c->resp,
		.cs = c->cs,
		.msh = c->msh,
		.msi_attr = c->msi_attr,
		.addr = c->addr,
		.msi_addr = c->msi_addr,
	};
}

#define SAME(m)                                                                \
	if (a->m != b->m)                                                      \
	diff_mismatch(d, "%016llx %016llx: %s is %#llx, the model says %#llx", \
		      (unsigned long long)w[0], (unsigned long long)w[1], #m,  \
		      (unsigned long long)a->m, (unsigned long long)b->m)

static void same_fields(struct diff *d, const uint64_t w[2], const struct mdl_smmu_cmd *a,
			const struct mdl_smmu_cmd *b)
{
	SAME(op);
	SAME(ssv);
	SAME(global);
	SAME(leaf);
	SAME(ac);
	SAME(ab);
	SAME(ssid);
	SAME(sid);
	SAME(msi_data);
	SAME(vmid);
	SAME(asid);
	SAME(stag);
	SAME(prgi);
	SAME(num);
	SAME(scale);
	SAME(ttl);
	SAME(tg);
	SAME(range);
	SAME(size);
	SAME(resp);
	SAME(cs);
	SAME(msh);
	SAME(msi_attr);
	SAME(addr);
	SAME(msi_addr);
}

static void model_of(struct diff *d, const uint64_t w[2], struct mdl_smmu_cmd *m)
{
	uint64_t mem[2];

	diff_to_le(mem, w, 2);
	mdl_smmu_cmd((const uint8_t *)mem, &d->mid, m);
	mdl_smmu_cmd_ignore(m, &d->mid);
}

/* Libraries that are wrong on purpose. */
enum { TWIN_NONE, TWIN_RESERVED, TWIN_ASID, TWIN_ILLEGAL };

static int lib_decode(struct diff *d, const uint64_t w[2], struct iod_smmuv3_cmd *c,
		      enum iod_cmd_reason *why)
{
	struct iod_smmuv3_raw_cmd raw;
	uint64_t seen[2] = { w[0], w[1] };
	int ret;

	memset(c, 0xa5, sizeof(*c));
	if (d->twin == TWIN_RESERVED) /* bits of no field make another StreamID */
		seen[0] = (w[0] & ~UINT64_C(0x500)) ^ (w[0] & 0x500) << 32;
	if (d->twin == TWIN_ILLEGAL && (w[0] & 0xff) == MDL_OP_SYNC)
		seen[0] &= ~UINT64_C(0x1000);
	diff_to_le(raw.word, seen, 2);
	ret = iod_smmuv3_cmd_decode(c, &raw, &d->id, why);
	if (d->twin == TWIN_ASID)
		c->asid &= 0xff;
	return ret;
}

/* A refusal must have a reason that the model knows of. */
static void refused_rightly(struct diff *d, const uint64_t w[2], int ret, enum iod_cmd_reason why,
			    const struct mdl_smmu_cmd *m)
{
	bool ok = m->verdict != MDL_CMD_OK;

	if (why == IOD_CMD_BAD_SOURCE || why == IOD_CMD_BAD_PASID)
		ok = m->beyond_id;
	/* the library's list of commands leaves this one out */
	if (why == IOD_CMD_BAD_OPCODE && m->op == MDL_OP_CFGI_VMS_PIDM)
		ok = true;
	if (!ok)
		diff_mismatch(d, "%016llx %016llx is legal, refused: %s", (unsigned long long)w[0],
			      (unsigned long long)w[1], iod_cmd_reason_name(why));
	assert_int_equal(ret, why == IOD_CMD_BAD_OPCODE || why == IOD_CMD_BAD_PERMISSION
				      ? -EOPNOTSUPP
				      : -EINVAL);
}

/* What the library accepts, it can say again, and means the same. */
static void again(struct diff *d, const uint64_t w[2], const struct iod_smmuv3_cmd *c,
		  const struct mdl_smmu_cmd *m)
{
	struct iod_smmuv3_raw_cmd raw;
	struct mdl_smmu_cmd m2;
	uint64_t w2[2];

	if (iod_smmuv3_cmd_encode(&raw, c, &d->id, NULL)) {
		diff_mismatch(d, "%016llx %016llx cannot be said again", (unsigned long long)w[0],
			      (unsigned long long)w[1]);
		return;
	}
	diff_from_le(w2, raw.word, 2);
	model_of(d, w2, &m2);
	if (m2.verdict == MDL_CMD_ILL || m2.res[0] || m2.res[1])
		diff_mismatch(d, "%016llx %016llx is what it says again", (unsigned long long)w2[0],
			      (unsigned long long)w2[1]);
	same_fields(d, w2, &m2, m);
}

/* @return whether the library accepts */
static bool compare(struct diff *d, const uint64_t w[2])
{
	enum iod_cmd_reason why = (enum iod_cmd_reason)99;
	struct mdl_smmu_cmd m, l;
	struct iod_smmuv3_cmd c;
	int ret;

	model_of(d, w, &m);
	ret = lib_decode(d, w, &c, &why);
	if (ret) {
		refused_rightly(d, w, ret, why, &m);
		return false;
	}
	assert_int_equal(why, IOD_CMD_OK);
	if (m.verdict == MDL_CMD_ILL)
		diff_mismatch(d, "%016llx %016llx is accepted, but illegal",
			      (unsigned long long)w[0], (unsigned long long)w[1]);
	l = in_model_words(&c);
	mdl_smmu_cmd_ignore(&l, &d->mid);
	m.stride = 0; /* a hint that the library does not have */
	same_fields(d, w, &l, &m);
	again(d, w, &c, &m);
	return true;
}

static void uniform(void **state)
{
	unsigned i, n = iodt_scale(400000), accepted = 0;
	struct diff d;
	uint64_t w[2];

	(void)state;
	diff_start(&d);
	for (i = 0; i < n; i++) {
		if (!(i % 16))
			diff_id_random(&d);
		w[0] = diff_random(&d);
		w[1] = diff_random(&d);
		/* fewer bits now and then, or nothing would ever be legal */
		if (i & 1) {
			w[0] &= diff_random(&d) & diff_random(&d) & diff_random(&d);
			w[1] &= diff_random(&d) & diff_random(&d) & diff_random(&d);
			w[1] &= diff_random(&d) & diff_random(&d);
		}
		w[0] = (w[0] & ~UINT64_C(0xff)) | diff_below(&d, i & 2 ? 256 : 0x48);
		accepted += compare(&d, w);
	}
	print_message("%u of %u accepted\n", accepted, n);
	assert_true(accepted > n / 1000);
}

static unsigned run_near_legal(struct diff *d, unsigned n)
{
	unsigned i, accepted = 0;
	const struct gold *g;
	uint64_t w[2];

	for (i = 0; i < n; i++) {
		if (!(i % 16) && diff_chance(d, 2))
			diff_id_random(d);
		else if (!(i % 16))
			diff_id_gold(d);
		g = &gold_cmds[diff_below(d, DIFF_COUNT(gold_cmds))];
		w[0] = g->w[0];
		w[1] = g->w[1];
		diff_flip(d, w, 2);
		accepted += compare(d, w);
	}
	return accepted;
}

static void near_legal(void **state)
{
	unsigned n = iodt_scale(400000), accepted;
	struct diff d;

	(void)state;
	diff_start(&d);
	accepted = run_near_legal(&d, n);
	print_message("%u of %u accepted\n", accepted, n);
	assert_true(accepted > n / 8);
}

/* Libraries that drop reserved bits, cut ASIDs off, or take what is illegal are found out. */
static void twins(void **state)
{
	struct diff d;
	int twin;

	(void)state;
	for (twin = TWIN_RESERVED; twin <= TWIN_ILLEGAL; twin++) {
		diff_start(&d);
		d.twin = twin;
		run_near_legal(&d, 20000);
		assert_true(d.mismatches > 10);
	}
}

/*
 * Every bit of every golden word: what comes of it is another value of a field,
 * or refused. Silent only where hardware ignores the bit as well.
 */
static void every_bit(void **state)
{
	unsigned i, bit, fields = 0, refused = 0, ignored = 0;
	struct iod_smmuv3_cmd c, c0;
	enum iod_cmd_reason why;
	struct mdl_smmu_cmd m, m0;
	struct diff d;
	uint64_t w[2];

	(void)state;
	diff_start(&d);
	d.id.idr[1] |= 0x20; /* StreamIDs of 32 bits and more */
	d.mid.idr[1] |= 0x20;
	for (i = 0; i < DIFF_COUNT(gold_cmds); i++) {
		if (gold_cmds[i].verdict != GOLD_OK)
			continue;
		assert_int_equal(lib_decode(&d, gold_cmds[i].w, &c0, &why), 0);
		model_of(&d, gold_cmds[i].w, &m0);
		for (bit = 0; bit < 128; bit++) {
			w[0] = gold_cmds[i].w[0];
			w[1] = gold_cmds[i].w[1];
			w[bit / 64] ^= UINT64_C(1) << bit % 64;
			if (!compare(&d, w)) {
				refused++;
				continue;
			}
			lib_decode(&d, w, &c, &why);
			if (memcmp(&c, &c0, sizeof(c))) {
				fields++;
				continue;
			}
			ignored++;
			model_of(&d, w, &m);
			m.verdict = m0.verdict; /* TTL 1 of 16K acts as 0 */
			if (m.res[0] || m.res[1] || memcmp(&m, &m0, sizeof(m)))
				/* Stride of PREFETCH_ADDR: a hint, and reserved in the model */
				if ((w[0] & 0xff) != MDL_OP_PREFETCH_ADDR)
					fail_msg("%s: bit %u is dropped", gold_cmds[i].name, bit);
		}
	}
	print_message("%u bits: %u other values, %u refused, %u ignored\n",
		      fields + refused + ignored, fields, refused, ignored);
	assert_true(fields > 500 && refused > 500);
}

/* The golden words themselves: also what the library's struct says, by name. */
static void golden(void **state)
{
	struct mdl_smmu_cmd m, l;
	enum iod_cmd_reason why;
	struct iod_smmuv3_cmd c;
	struct diff d;
	unsigned i;
	int ret;

	(void)state;
	diff_start(&d);
	d.id.idr[1] |= 0x20;
	d.mid.idr[1] |= 0x20;
	for (i = 0; i < DIFF_COUNT(gold_cmds); i++) {
		ret = lib_decode(&d, gold_cmds[i].w, &c, &why);
		if (gold_cmds[i].verdict != GOLD_OK) {
			assert_true(ret < 0);
			continue;
		}
		if (ret)
			fail_msg("%s: %s", gold_cmds[i].name, iod_cmd_reason_name(why));
		l = in_model_words(&c);
		mdl_smmu_cmd_ignore(&l, &d.mid);
		model_of(&d, gold_cmds[i].w, &m);
		same_fields(&d, gold_cmds[i].w, &l, &m);
	}
}

/* ---- What a TLBI removes ---- */

static bool inv_hits(const struct mdl_smmu_cached *e, uint64_t tag, const struct iod_inv *inv)
{
	uint64_t last = e->first + ((UINT64_C(1) << e->lg2) - 1);
	uint32_t levels = e->table ? inv->table_levels : inv->leaf_levels;

	if (inv->kind != IOD_INV_ALL && ((tag ^ inv->domain) & ~inv->domain_ignore))
		return false;
	if (inv->flags & (e->global ? IOD_INV_NO_GLOBAL : IOD_INV_ONLY_GLOBAL))
		return false;
	if (inv->kind != IOD_INV_RANGE)
		return true;
	if (last < inv->iova || inv->last < e->first)
		return false;
	if (e->table && (inv->flags & IOD_INV_LEAF_ONLY))
		return false;
	return !levels || levels >> (3 - e->level) & 1;
}

/* Does it go, says the library, where levels are taken literally? */
static bool goes(const struct mdl_smmu_cached *e, const struct iod_cmd_effect *effect)
{
	uint64_t tag = e->s2	? IOD_SMMUV3_TAG_S2(e->vmid)
		       : e->el2 ? IOD_SMMUV3_TAG_EL2(e->asid)
				: IOD_SMMUV3_TAG_S1(e->vmid, e->asid);
	const struct iod_inv *inv = e->s2 ? effect->s2 : effect->s1;
	uint32_t i, nr = e->s2 ? effect->nr_s2 : effect->nr_s1;

	for (i = 0; i < nr; i++)
		if (inv_hits(e, tag, &inv[i]))
			return true;
	return false;
}

/* One that has something to do with the command, mostly. */
static struct mdl_smmu_cached some_entry(struct diff *d, const struct mdl_smmu_cmd *m,
					 const struct mdl_smmu_cover *v)
{
	static const uint8_t granules[3] = { 12, 14, 16 };
	uint64_t at[4] = { v->first, v->last, v->first - 1, v->last + 1 };
	struct mdl_smmu_cached e = { 0 };
	uint64_t where = at[diff_below(d, 4)];

	e.s2 = diff_chance(d, 3);
	e.el2 = !e.s2 && diff_chance(d, 3);
	e.table = diff_chance(d, 2);
	e.global = !e.table && !e.s2 && diff_chance(d, 3);
	e.vmid = diff_chance(d, 4) ? (uint16_t)diff_random(d) : m->vmid;
	e.asid = diff_chance(d, 3) ? (uint16_t)diff_random(d) : m->asid;
	if (e.el2)
		e.vmid = 0;
	e.granule_lg2 =
		v->granule_lg2 && !diff_chance(d, 4) ? v->granule_lg2 : granules[diff_below(d, 3)];
	e.level = e.table ? diff_below(d, 3) : 1 + diff_below(d, 3);
	if (e.granule_lg2 == 16 && !e.level)
		e.level = 1;
	e.lg2 = e.granule_lg2 + (3 - e.level) * (e.granule_lg2 - 3);
	if (diff_chance(d, 4))
		where = diff_random(d);
	e.first = where & ~((UINT64_C(1) << e.lg2) - 1);
	return e;
}

/* A legal TLBI, mostly one that is a bit off a golden one. */
static void some_tlbi(struct diff *d, uint64_t w[2], struct iod_smmuv3_cmd *c)
{
	enum iod_cmd_reason why;
	const struct gold *g;
	unsigned op;

	do {
		g = &gold_cmds[diff_below(d, DIFF_COUNT(gold_cmds))];
		w[0] = g->w[0];
		w[1] = g->w[1];
		op = (unsigned)(w[0] & 0xff);
		diff_flip(d, w, 2);
		if (diff_chance(d, 2))
			w[1] ^= diff_random(d) << 12 & diff_random(d);
	} while (op < MDL_OP_TLBI_NH_ALL || op > MDL_OP_TLBI_NSNH_ALL || lib_decode(d, w, c, &why));
}

static void effects(void **state)
{
	unsigned i, k, n = iodt_scale(40000), gone = 0, more = 0;
	struct iod_cmd_effect effect;
	struct mdl_smmu_cover v;
	struct iod_smmuv3_cmd c;
	struct mdl_smmu_cmd m;
	struct mdl_smmu_cached e;
	struct diff d;
	uint64_t w[2];

	(void)state;
	diff_start(&d);
	for (i = 0; i < n; i++) {
		some_tlbi(&d, w, &c);
		model_of(&d, w, &m);
		mdl_smmu_cover(&m, &d.mid, &v);
		assert_int_equal(iod_smmuv3_cmd_effect(&effect, &c), 0);
		for (k = 0; k < 16; k++) {
			e = some_entry(&d, &m, &v);
			if (mdl_smmu_must_go(&e, &v)) {
				gone++;
				if (!goes(&e, &effect))
					fail_msg("%016llx %016llx keeps %s level %u of %u at %#llx",
						 (unsigned long long)w[0], (unsigned long long)w[1],
						 e.table ? "a table" : "a leaf", e.level,
						 e.granule_lg2, (unsigned long long)e.first);
			} else if (goes(&e, &effect)) {
				more++;
				/* more than is demanded: only where the model's bounds are finer */
				if (!v.unpredictable && e.granule_lg2 == v.granule_lg2 &&
				    v.last != UINT64_C(0x007fffffffffffff))
					fail_msg("%016llx %016llx drops %s level %u of %u at %#llx",
						 (unsigned long long)w[0], (unsigned long long)w[1],
						 e.table ? "a table" : "a leaf", e.level,
						 e.granule_lg2, (unsigned long long)e.first);
			}
		}
	}
	print_message("%u had to go and went, %u more went\n", gone, more);
	assert_true(gone > n);
}

static void atc(void **state)
{
	struct mdl_smmu_cover v;
	enum iod_cmd_reason why;
	struct iod_smmuv3_cmd c;
	struct mdl_smmu_cmd m;
	uint64_t first, last;
	struct diff d;
	uint64_t w[2];
	unsigned i;

	(void)state;
	diff_start(&d);
	for (i = 0; i < 20000; i++) {
		w[0] = 0x40;
		w[1] = (diff_random(&d) & ~UINT64_C(0xfff)) | diff_below(&d, 53);
		assert_int_equal(lib_decode(&d, w, &c, &why), 0);
		model_of(&d, w, &m);
		mdl_smmu_cover(&m, &d.mid, &v);
		assert_int_equal(iod_smmuv3_cmd_atc_range(&c, &first, &last), 0);
		assert_int_equal(first, v.first);
		assert_int_equal(last, v.last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),     cmocka_unit_test(uniform),
		cmocka_unit_test(near_legal), cmocka_unit_test(every_bit),
		cmocka_unit_test(twins),      cmocka_unit_test(effects),
		cmocka_unit_test(atc),
	};

	return cmocka_run_group_tests_name("SMMUv3 commands against the model", tests, NULL, NULL);
}
