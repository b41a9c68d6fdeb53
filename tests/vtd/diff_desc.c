/* SPDX-License-Identifier: MIT */
/*
 * VT-d descriptors: the library's codec, and what it says that a descriptor does, against the independent model.
 * Uniform words, words a few bits off legal ones, every bit of every golden word.
 */
#include "vtd/diff_vtd.h"

#include <errno.h>
#include <string.h>

#include <iodirty/vtd_desc.h>

#define BIT(n) (UINT64_C(1) << (n))

/* Legal ones, from the figures of 6.5.2: each type and granularity. */
static const uint64_t gold[][2] = {
	{ 0x11, 0 },
	{ 0x12340021, 0 },
	{ 0x0002abcd12340031, 0 },
	{ 0xd2, 0 },
	{ 0xbeef0022, 0 },
	{ 0x00050032, 0x40200049 },
	{ 0x00050072, 0x0000123456789000 },
	{ 0xfff0ffff001ff003, 0x7ffffffffffff001 },
	{ 0x0100010800108003, 0xabf000 },
	{ 0x0000123418000014, 0 },
	{ 0x4, 0 },
	{ 0xcafef00d00000065, 0x1234567c },
	{ 0xd5, 0 },
	{ 0x000fffff00070036, 0xfffffffffffff000 },
	{ 0x0001234500070026, 0 },
	{ 0x000abcde00420036, 0x7fffc0000012 },
	{ 0x0000000100100017, 0 },
	{ 0x00100007, 0 },
	{ 0x37, 0 },
	{ 0xfffabcde010881f8, 0x7f0000004800 },
	{ 0x00000005000800f8, 0x7ffffffffffff800 },
	{ 0x00000005000800f8, 1 },
	{ 0x0001234501081019, 0xff8 },
	{ 0x00000000ffff0009, 0x8 },
	{ 0x000fffff0108f019, 0xff8 },
};

enum {
	TWIN_NONE,
	TWIN_RESERVED, /* bits of no field change the domain id */
	TWIN_PASID,    /* PASIDs are cut to 16 bits */
	TWIN_ILLEGAL,  /* a granularity that is reserved becomes another */
	TWIN_SIZE,     /* the span of device TLBs is one less */
	TWIN_LAST,
	TWIN_TABLES,  /* an effect that says of IH = 1 what 0 does */
	TWIN_FORGETS, /* one that leaves out the first stage */
	TWIN_ALL_PASIDS,
};

struct words {
	uint64_t w[4];
	bool narrow;
};

static void model_of(const struct diff *d, const struct words *x, struct mdl_vtd_inv *m)
{
	mdl_vtd_inv(x->w, &d->mid, x->narrow, m);
	mdl_vtd_inv_ignore(m);
}

static int lib_decode(struct diff *d, const struct words *x, struct iod_vtd_desc *c,
		      enum iod_cmd_reason *why)
{
	struct iod_vtd_raw_desc raw;
	uint64_t seen[4];
	int ret;

	memcpy(seen, x->w, sizeof(seen));
	memset(c, 0xa5, sizeof(*c));
	if (d->twin == TWIN_RESERVED)
		seen[0] = (seen[0] & ~BIT(8)) ^ (seen[0] & BIT(8)) << 8;
	if (d->twin == TWIN_ILLEGAL && (seen[0] & 0xe3f) == 7 + 0x20)
		seen[0] ^= 0x30;
	diff_to_le(raw.word, seen, 4);
	ret = iod_vtd_desc_decode(c, &raw, &d->id, x->narrow ? IOD_VTD_DESC_128 : 0, why);
	if (d->twin == TWIN_PASID)
		c->pasid &= 0xffff;
	if (d->twin == TWIN_SIZE && c->span > 1)
		c->span--;
	return ret;
}

/* The library's descriptor in the model's words; addr and s of device TLBs: by the range. */
static struct mdl_vtd_inv in_model_words(const struct iod_vtd_desc *c)
{
	return (struct mdl_vtd_inv){
		.type = (unsigned)c->type,
		.g = c->gran,
		.did = c->did,
		.sid = c->sid,
		.pfsid = c->pfsid,
		.fm = c->fm,
		.am = c->am,
		.mip = c->mip,
		.im = c->im,
		.iidx = c->iidx,
		.pasid = c->pasid,
		.rc = c->code,
		.prgi = c->prgi,
		.dr = c->dr,
		.dw = c->dw,
		.ih = c->ih,
		.intr = c->intr,
		.write = c->write,
		.fence = c->fence,
		.drain = c->drain,
		.all_pasids = c->global,
		.pp = c->pasid_valid,
		.data = c->data,
		.addr = c->addr,
	};
}

#define SAME(m)                                                                     \
	if (a->m != b->m)                                                           \
	diff_mismatch(d, "%016llx %016llx: %s is %#llx, the model says %#llx",      \
		      (unsigned long long)x->w[0], (unsigned long long)x->w[1], #m, \
		      (unsigned long long)a->m, (unsigned long long)b->m)

static bool is_device(unsigned type)
{
	return type == MDL_VTD_DEV_TLB || type == MDL_VTD_P_DEV_TLB;
}

static void same_fields(struct diff *d, const struct words *x, const struct mdl_vtd_inv *a,
			const struct mdl_vtd_inv *b)
{
	SAME(type);
	SAME(g);
	SAME(did);
	SAME(sid);
	SAME(pfsid);
	SAME(fm);
	SAME(am);
	SAME(mip);
	SAME(im);
	SAME(iidx);
	SAME(pasid);
	SAME(rc);
	SAME(prgi);
	SAME(dr);
	SAME(dw);
	SAME(ih);
	SAME(intr);
	SAME(write);
	SAME(fence);
	SAME(drain);
	SAME(all_pasids);
	SAME(pp);
	SAME(data);
	if (!is_device(a->type))
		SAME(addr);
}

static void same_range(struct diff *d, const struct words *x, const struct iod_vtd_desc *c,
		       const struct mdl_vtd_inv *m)
{
	uint64_t first, last, first2, last2;

	if (!is_device(m->type)) {
		assert_int_equal(iod_vtd_desc_dev_range(c, &first, &last), -EINVAL);
		return;
	}
	mdl_vtd_inv_device(m, &first2, &last2);
	assert_int_equal(iod_vtd_desc_dev_range(c, &first, &last), 0);
	if (first != first2 || last != last2)
		diff_mismatch(d, "%016llx %016llx: [%llx, %llx], the model says [%llx, %llx]",
			      (unsigned long long)x->w[0], (unsigned long long)x->w[1],
			      (unsigned long long)first, (unsigned long long)last,
			      (unsigned long long)first2, (unsigned long long)last2);
}

/* What the library accepts, it can say again, and means the same. */
static void again(struct diff *d, const struct words *x, const struct iod_vtd_desc *c,
		  const struct mdl_vtd_inv *m)
{
	uint64_t first, last, first2, last2;
	struct iod_vtd_raw_desc raw;
	struct words y = { .narrow = x->narrow };
	struct mdl_vtd_inv m2;

	if (iod_vtd_desc_encode(&raw, c, &d->id, x->narrow ? IOD_VTD_DESC_128 : 0, NULL)) {
		diff_mismatch(d, "%016llx %016llx cannot be said again",
			      (unsigned long long)x->w[0], (unsigned long long)x->w[1]);
		return;
	}
	diff_from_le(y.w, raw.word, 4);
	model_of(d, &y, &m2);
	if (m2.legal == MDL_INV_IQE)
		diff_mismatch(d, "%016llx %016llx is what it says again",
			      (unsigned long long)y.w[0], (unsigned long long)y.w[1]);
	same_fields(d, &y, &m2, m);
	if (!is_device(m->type))
		return;
	mdl_vtd_inv_device(m, &first, &last);
	mdl_vtd_inv_device(&m2, &first2, &last2);
	if (first != first2 || last != last2)
		diff_mismatch(d, "%016llx %016llx: another range", (unsigned long long)y.w[0],
			      (unsigned long long)y.w[1]);
}

/* @return whether the library accepts */
static bool compare(struct diff *d, const struct words *x)
{
	enum iod_cmd_reason why = (enum iod_cmd_reason)99;
	struct mdl_vtd_inv m, l;
	struct iod_vtd_desc c;
	int ret;

	model_of(d, x, &m);
	ret = lib_decode(d, x, &c, &why);
	if (ret) {
		assert_int_equal(ret, why == IOD_CMD_BAD_OPCODE || why == IOD_CMD_BAD_PERMISSION
					      ? -EOPNOTSUPP
					      : -EINVAL);
		if (m.legal == MDL_INV_OK)
			diff_mismatch(d, "%016llx %016llx is legal, refused: %s",
				      (unsigned long long)x->w[0], (unsigned long long)x->w[1],
				      iod_cmd_reason_name(why));
		return false;
	}
	assert_int_equal(why, IOD_CMD_OK);
	if (m.legal == MDL_INV_IQE)
		diff_mismatch(d, "%016llx %016llx is accepted, but illegal",
			      (unsigned long long)x->w[0], (unsigned long long)x->w[1]);
	l = in_model_words(&c);
	mdl_vtd_inv_ignore(&l); /* addresses may point into the block */
	same_fields(d, x, &l, &m);
	same_range(d, x, &c, &m);
	again(d, x, &c, &m);
	return true;
}

static void uniform(void **state)
{
	unsigned i, k, n = (unsigned)iodt_scale(400000), accepted = 0;
	struct words x;
	struct diff d;

	(void)state;
	diff_start(&d);
	for (i = 0; i < n; i++) {
		if (!(i % 16))
			diff_id_random(&d);
		memset(&x, 0, sizeof(x));
		x.narrow = diff_chance(&d, 3);
		for (k = 0; k < 2; k++) {
			x.w[k] = diff_random(&d);
			/* fewer bits now and then, or nothing would ever be legal */
			if (i & 1)
				x.w[k] &= diff_random(&d) & diff_random(&d) & diff_random(&d);
		}
		if (!x.narrow && diff_chance(&d, 8))
			x.w[2 + diff_below(&d, 2)] = diff_random(&d);
		if (i & 2)
			x.w[0] = (x.w[0] & ~UINT64_C(0xe0f)) | diff_below(&d, 11);
		accepted += compare(&d, &x);
	}
	print_message("%u of %u accepted\n", accepted, n);
	assert_true(accepted > n / 1000);
}

static unsigned run_near_legal(struct diff *d, unsigned n)
{
	unsigned i, accepted = 0;
	const uint64_t *g;
	struct words x;

	for (i = 0; i < n; i++) {
		if (!(i % 16) && diff_chance(d, 2))
			diff_id_random(d);
		else if (!(i % 16))
			diff_id_full(d);
		g = gold[diff_below(d, DIFF_COUNT(gold))];
		x = (struct words){ { g[0], g[1], 0, 0 }, diff_chance(d, 4) };
		diff_flip(d, x.w, diff_chance(d, 8) && !x.narrow ? 4 : 2);
		accepted += compare(d, &x);
	}
	return accepted;
}

static void near_legal(void **state)
{
	unsigned n = (unsigned)iodt_scale(400000), accepted;
	struct diff d;

	(void)state;
	diff_start(&d);
	accepted = run_near_legal(&d, n);
	print_message("%u of %u accepted\n", accepted, n);
	assert_true(accepted > n / 8);
}

/* Libraries that are wrong on purpose are found out. */
static void twins(void **state)
{
	struct diff d;
	int twin;

	(void)state;
	for (twin = TWIN_NONE + 1; twin < TWIN_LAST; twin++) {
		diff_start(&d);
		d.twin = twin;
		run_near_legal(&d, 40000);
		if (d.mismatches <= 10)
			fail_msg("twin %d: %u", twin, d.mismatches);
	}
}

/* Every bit of every golden word: another value of a field, refused, or ignored as hardware does. */
static void every_bit(void **state)
{
	unsigned i, bit, fields = 0, refused = 0, ignored = 0;
	struct iod_vtd_desc c, c0;
	struct mdl_vtd_inv m, m0;
	enum iod_cmd_reason why;
	struct words x, x0;
	struct diff d;

	(void)state;
	diff_start(&d);
	for (i = 0; i < DIFF_COUNT(gold); i++) {
		x0 = (struct words){ { gold[i][0], gold[i][1], 0, 0 }, false };
		if (lib_decode(&d, &x0, &c0, &why))
			fail_msg("golden %u: %s", i, iod_cmd_reason_name(why));
		assert_true(compare(&d, &x0));
		model_of(&d, &x0, &m0);
		for (bit = 0; bit < 256; bit++) {
			x = x0;
			x.w[bit / 64] ^= BIT(bit % 64);
			if (!compare(&d, &x)) {
				refused++;
				continue;
			}
			lib_decode(&d, &x, &c, &why);
			if (memcmp(&c, &c0, sizeof(c))) {
				fields++;
				continue;
			}
			ignored++;
			model_of(&d, &x, &m);
			m.legal = m0.legal;
			/* device TLBs: an S or an address that says the same range is another word */
			if (memcmp(&m, &m0, sizeof(m)) && !is_device(m.type))
				fail_msg("golden %u: bit %u is dropped", i, bit);
		}
	}
	print_message("%u bits: %u other values, %u refused, %u ignored\n",
		      fields + refused + ignored, fields, refused, ignored);
	assert_true(fields > 300 && refused > 500);
}

/* ---- What a descriptor removes ---- */

static bool inv_hits(const struct mdl_vtd_cached *e, uint64_t tag, const struct iod_inv *inv)
{
	uint64_t last = e->first + (BIT(e->lg2) - 1);

	assert_int_equal(inv->flags & ~IOD_INV_LEAF_ONLY, 0);
	assert_int_equal(inv->leaf_levels | inv->table_levels, 0);
	if (inv->kind != IOD_INV_ALL && ((tag ^ inv->domain) & ~inv->domain_ignore))
		return false;
	if (e->table && (inv->flags & IOD_INV_LEAF_ONLY))
		return false;
	return inv->kind != IOD_INV_RANGE || (inv->iova <= last && e->first <= inv->last);
}

/* Does it go, says the library? */
static bool goes(const struct mdl_vtd_cached *e, const struct iod_cmd_effect *effect)
{
	bool ss = e->stage == MDL_VTD_SECOND;
	uint64_t tag = ss ? IOD_VTD_TAG_S2(e->did) : IOD_VTD_TAG_S1(e->did, e->pasid);
	uint32_t i, nr = ss ? effect->nr_s2 : effect->nr_s1;

	for (i = 0; i < nr; i++)
		if (inv_hits(e, tag, ss ? &effect->s2[i] : &effect->s1[i]))
			return true;
	return false;
}

/* One that has something to do with the descriptor, mostly. */
static struct mdl_vtd_cached some_entry(struct diff *d, const struct mdl_vtd_inv *m)
{
	uint64_t first = m->addr & ~((BIT(12) << m->am) - 1), size = BIT(12) << m->am;
	uint64_t at[4] = { first, first + size - 1, first - 1, first + size };
	struct mdl_vtd_cached e = { 0 };
	uint64_t where = diff_chance(d, 4) ? diff_random(d) : at[diff_below(d, 4)];

	e.stage = (enum mdl_vtd_stage)diff_below(d, 3);
	e.table = diff_chance(d, 2);
	if (e.table && e.stage == MDL_VTD_NESTED)
		e.stage = MDL_VTD_FIRST;
	e.did = diff_chance(d, 4) ? diff_below(d, 65536) : m->did;
	e.pasid = diff_chance(d, 3) ? diff_below(d, 1 << 20) : m->pasid;
	e.lg2 = 12 + 9 * diff_below(d, e.table ? 4 : 3) + (e.table ? 9 : 0);
	e.first = where & ~(BIT(e.lg2) - 1);
	return e;
}

/* A legal one, mostly of the IOTLB. */
static void some_desc(struct diff *d, struct words *x, struct iod_vtd_desc *c)
{
	static const uint8_t iotlb[] = { 3, 4, 5, 6, 13, 14, 15 };
	enum iod_cmd_reason why;
	const uint64_t *g;

	do {
		g = gold[diff_chance(d, 16) ? diff_below(d, DIFF_COUNT(gold))
					    : iotlb[diff_below(d, sizeof(iotlb))]];
		*x = (struct words){ { g[0], g[1], 0, 0 }, false };
		diff_flip(d, x->w, 2);
		if (diff_chance(d, 2))
			x->w[1] ^= diff_random(d) << 12 & diff_random(d);
	} while (lib_decode(d, x, c, &why));
}

/*
 * What is not certain, and no more: iotlbs drop large pages by any of their addresses; first-stage tables of a domain
 * whose second stage changed, with IH = 1 (UNCONFIRMED: they were found through it).
 */
static bool may_go(const struct mdl_vtd_cached *e, const struct mdl_vtd_inv *m)
{
	struct mdl_vtd_inv wide = *m;

	if (!e->table && e->lg2 > 12 + m->am)
		wide.am = e->lg2 - 12;
	if (e->table && m->type == MDL_VTD_IOTLB && e->stage != MDL_VTD_SECOND)
		wide.ih = false;
	return mdl_vtd_must_go(e, &wide);
}

static void spoil(const struct diff *d, struct iod_cmd_effect *effect)
{
	if (d->twin == TWIN_TABLES)
		effect->s1[0].flags = effect->s2[0].flags = 0;
	if (d->twin == TWIN_FORGETS)
		effect->nr_s1 = 0;
	if (d->twin == TWIN_ALL_PASIDS)
		effect->s1[0].domain_ignore |= 0xfffff;
}

static void one_effect(struct diff *d, unsigned *gone, unsigned *more)
{
	struct iod_cmd_effect effect;
	struct mdl_vtd_cached e;
	struct iod_vtd_desc c;
	struct mdl_vtd_inv m;
	struct words x;
	unsigned k;

	some_desc(d, &x, &c);
	model_of(d, &x, &m);
	assert_int_equal(iod_vtd_desc_effect(&effect, &c), 0);
	spoil(d, &effect);
	for (k = 0; k < 16; k++) {
		e = some_entry(d, &m);
		if (mdl_vtd_must_go(&e, &m)) {
			++*gone;
			if (!goes(&e, &effect))
				diff_mismatch(d, "%016llx %016llx keeps %s, stage %d, 2^%u at %llx",
					      (unsigned long long)x.w[0],
					      (unsigned long long)x.w[1],
					      e.table ? "a table" : "a leaf", e.stage, e.lg2,
					      (unsigned long long)e.first);
		} else if (goes(&e, &effect)) {
			++*more;
			if (!may_go(&e, &m))
				diff_mismatch(d, "%016llx %016llx drops %s, stage %d, 2^%u at %llx",
					      (unsigned long long)x.w[0],
					      (unsigned long long)x.w[1],
					      e.table ? "a table" : "a leaf", e.stage, e.lg2,
					      (unsigned long long)e.first);
		}
	}
}

static void effects(void **state)
{
	unsigned i, n = (unsigned)iodt_scale(40000), gone = 0, more = 0;
	struct diff d;

	(void)state;
	diff_start(&d);
	for (i = 0; i < n; i++)
		one_effect(&d, &gone, &more);
	print_message("%u had to go and went, %u more went\n", gone, more);
	assert_true(gone > n);
}

static void effect_twins(void **state)
{
	unsigned i, gone = 0, more = 0;
	struct diff d;
	int twin;

	(void)state;
	for (twin = TWIN_TABLES; twin <= TWIN_ALL_PASIDS; twin++) {
		diff_start(&d);
		d.twin = twin;
		for (i = 0; i < 4000; i++)
			one_effect(&d, &gone, &more);
		if (d.mismatches <= 10)
			fail_msg("twin %d: %u", twin, d.mismatches);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uniform),   cmocka_unit_test(near_legal),
		cmocka_unit_test(every_bit), cmocka_unit_test(twins),
		cmocka_unit_test(effects),   cmocka_unit_test(effect_twins),
	};

	return cmocka_run_group_tests_name("VT-d descriptors against the model", tests, NULL, NULL);
}
