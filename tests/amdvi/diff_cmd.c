/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi commands: the library's codec, and what it says that a command does, against the independent model. Uniform
 * words, words one or a few bits off legal ones, every bit of every golden word.
 */
#include "amdvi/diff_amdvi.h"

#include <string.h>

/* Libraries that are wrong on purpose. */
enum { TWIN_NONE, TWIN_RESERVED, TWIN_PASID, TWIN_FEATURE, TWIN_SIZE, TWIN_PDE, TWIN_LAST };

/* The library's command in the model's words. */
static struct mdl_amdvi_cmd in_model_words(const struct iod_amdvi_cmd *c)
{
	return (struct mdl_amdvi_cmd){
		.op = (unsigned)c->op,
		.s = c->s,
		.pde = c->pde,
		.gn = c->gn,
		.store = c->store,
		.irq = c->irq,
		.flush = c->flush,
		.inval = c->inval,
		.devid = c->devid,
		.domain = c->domain,
		.pasid = c->pasid,
		.count = c->count,
		.type = c->type,
		.maxpend = c->maxpend,
		.queueid = c->queueid,
		.tag = c->tag,
		.status = c->status,
		.addr = c->addr,
		.store_addr = c->store_addr,
		.data = c->data,
	};
}

#define SAME(m)                                                                \
	if (a->m != b->m)                                                      \
	diff_mismatch(d, "%016llx %016llx: %s is %#llx, the model says %#llx", \
		      (unsigned long long)w[0], (unsigned long long)w[1], #m,  \
		      (unsigned long long)a->m, (unsigned long long)b->m)

static void same_fields(struct diff *d, const uint64_t w[2], const struct mdl_amdvi_cmd *a,
			const struct mdl_amdvi_cmd *b)
{
	SAME(op);
	SAME(s);
	SAME(pde);
	SAME(gn);
	SAME(store);
	SAME(irq);
	SAME(flush);
	SAME(inval);
	SAME(devid);
	SAME(domain);
	SAME(pasid);
	SAME(count);
	SAME(type);
	SAME(maxpend);
	SAME(queueid);
	SAME(tag);
	SAME(status);
	SAME(addr);
	SAME(store_addr);
	SAME(data);
}

static void model_of(struct diff *d, const uint64_t w[2], struct mdl_amdvi_cmd *m)
{
	mdl_amdvi_cmd(w, &d->mid, m);
	mdl_amdvi_cmd_ignore(m);
}

static int lib_decode(struct diff *d, const uint64_t w[2], struct iod_amdvi_cmd *c,
		      enum iod_cmd_reason *why)
{
	struct iod_amdvi_raw_cmd raw;
	uint64_t seen[2] = { w[0], w[1] };
	int ret;

	memset(c, 0xa5, sizeof(*c));
	if (d->twin == TWIN_RESERVED) /* bits 3 and 11:6 of the upper word are not looked at */
		seen[1] &= w[0] >> 60 == 3 ? ~UINT64_C(0xff8) : ~UINT64_C(0);
	diff_to_le(raw.word, seen, 2);
	ret = iod_amdvi_cmd_decode(c, &raw, d->twin == TWIN_FEATURE ? NULL : &d->id, why);
	if (d->twin == TWIN_PASID && c->op == IOD_AMDVI_INVALIDATE_IOTLB_PAGES)
		c->pasid &= 0xffff;
	return ret;
}

/* A refusal must have a reason that the model knows of. */
static void refused_rightly(struct diff *d, const uint64_t w[2], int ret, enum iod_cmd_reason why,
			    const struct mdl_amdvi_cmd *m)
{
	if (why == IOD_CMD_BAD_PASID ? !m->beyond_id : m->verdict == MDL_AMD_OK)
		diff_mismatch(d, "%016llx %016llx is legal, refused: %s", (unsigned long long)w[0],
			      (unsigned long long)w[1], iod_cmd_reason_name(why));
	assert_int_equal(ret, why == IOD_CMD_BAD_OPCODE || why == IOD_CMD_BAD_PERMISSION
				      ? -EOPNOTSUPP
				      : -EINVAL);
}

/* What the library accepts, it can say again, and means the same. */
static void again(struct diff *d, const uint64_t w[2], const struct iod_amdvi_cmd *c,
		  const struct mdl_amdvi_cmd *m)
{
	const struct iod_amdvi_id *id = d->twin == TWIN_FEATURE ? NULL : &d->id;
	struct iod_amdvi_raw_cmd raw;
	struct mdl_amdvi_cmd m2;
	uint64_t w2[2];

	if (iod_amdvi_cmd_encode(&raw, c, id, NULL)) {
		diff_mismatch(d, "%016llx %016llx cannot be said again", (unsigned long long)w[0],
			      (unsigned long long)w[1]);
		return;
	}
	diff_from_le(w2, raw.word, 2);
	model_of(d, w2, &m2);
	if (m2.verdict == MDL_AMD_ILLEGAL)
		diff_mismatch(d, "%016llx %016llx is what it says again", (unsigned long long)w2[0],
			      (unsigned long long)w2[1]);
	same_fields(d, w2, &m2, m);
}

/* @return whether the library accepts */
static bool compare(struct diff *d, const uint64_t w[2])
{
	enum iod_cmd_reason why = (enum iod_cmd_reason)99;
	struct mdl_amdvi_cmd m, l;
	struct iod_amdvi_cmd c;
	int ret;

	model_of(d, w, &m);
	ret = lib_decode(d, w, &c, &why);
	if (ret) {
		refused_rightly(d, w, ret, why, &m);
		return false;
	}
	assert_int_equal(why, IOD_CMD_OK);
	if (m.verdict == MDL_AMD_ILLEGAL)
		diff_mismatch(d, "%016llx %016llx is accepted, but illegal",
			      (unsigned long long)w[0], (unsigned long long)w[1]);
	l = in_model_words(&c);
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
			w[1] &= diff_random(&d);
		}
		w[0] = (w[0] & ~(UINT64_C(15) << 60)) | (uint64_t)diff_below(&d, 16) << 60;
		accepted += compare(&d, w);
	}
	print_message("%u of %u accepted\n", accepted, n);
	assert_true(accepted > n / 100);
}

/* A golden word, with some of its fields made new. */
static void some_words(struct diff *d, uint64_t w[2])
{
	const struct gold_cmd *g = &gold_cmds[diff_below(d, GOLD_NR_CMDS)];
	unsigned i;

	for (i = 0; i < 2; i++) {
		w[i] = g->word[i];
		if (diff_chance(d, 3))
			w[i] ^= g->field[i] & diff_random(d);
	}
}

static unsigned run_near_legal(struct diff *d, unsigned n)
{
	unsigned i, accepted = 0;
	uint64_t w[2];

	for (i = 0; i < n; i++) {
		if (!(i % 16) && diff_chance(d, 2))
			diff_id_random(d);
		else if (!(i % 16))
			diff_id_full(d);
		some_words(d, w);
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

/* Every bit of every golden word: another value of a field, or refused; silent only where hardware ignores it. */
static void every_bit(void **state)
{
	unsigned i, bit, fields = 0, refused = 0, ignored = 0;
	struct iod_amdvi_cmd c, c0;
	enum iod_cmd_reason why;
	struct mdl_amdvi_cmd m, m0;
	struct diff d;
	uint64_t w[2];

	(void)state;
	diff_start(&d);
	for (i = 0; i < GOLD_NR_CMDS; i++) {
		assert_true(compare(&d, gold_cmds[i].word));
		assert_int_equal(lib_decode(&d, gold_cmds[i].word, &c0, &why), 0);
		model_of(&d, gold_cmds[i].word, &m0);
		for (bit = 0; bit < 128; bit++) {
			w[0] = gold_cmds[i].word[0];
			w[1] = gold_cmds[i].word[1];
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
			m.verdict = m0.verdict; /* bits 11:9 of a tag */
			if (memcmp(&m, &m0, sizeof(m)))
				fail_msg("%u: bit %u is dropped", i, bit);
		}
	}
	print_message("%u bits: %u other values, %u refused, %u ignored\n",
		      fields + refused + ignored, fields, refused, ignored);
	assert_true(fields > 500 && refused > 500);
}

/* ---- What a command removes ---- */

static bool inv_hits(const struct mdl_amdvi_cached *e, uint64_t tag, const struct iod_inv *inv)
{
	uint64_t last = e->first + ((UINT64_C(1) << e->lg2) - 1);

	if (inv->kind != IOD_INV_ALL && ((tag ^ inv->domain) & ~inv->domain_ignore))
		return false;
	if (e->table ? inv->flags & IOD_INV_LEAF_ONLY : inv->flags & IOD_INV_NO_LEAVES)
		return false;
	return inv->kind != IOD_INV_RANGE || (last >= inv->iova && inv->last >= e->first);
}

static bool goes(const struct mdl_amdvi_cached *e, const struct iod_cmd_effect *effect)
{
	uint64_t tag =
		e->guest ? IOD_AMDVI_TAG_S1(e->domain, e->pasid) : IOD_AMDVI_TAG_S2(e->domain);
	const struct iod_inv *inv = e->guest ? effect->s1 : effect->s2;
	uint32_t i, nr = e->guest ? effect->nr_s1 : effect->nr_s2;

	for (i = 0; i < nr; i++)
		if (inv_hits(e, tag, &inv[i]))
			return true;
	return false;
}

/* One that has something to do with the command, mostly. */
static struct mdl_amdvi_cached some_entry(struct diff *d, const struct mdl_amdvi_cover *v)
{
	uint64_t at[4] = { v->first, v->last, v->first - 1, v->last + 1 };
	uint64_t where = diff_chance(d, 4) ? diff_random(d) : at[diff_below(d, 4)];
	struct mdl_amdvi_cached e = {
		.guest = diff_chance(d, 2),
		.table = diff_chance(d, 2),
		.domain = diff_chance(d, 4) ? diff_below(d, 0x10000) : v->domain,
		.pasid = diff_chance(d, 4) ? diff_below(d, 0x100000) : v->pasid,
		.lg2 = 12 + diff_below(d, 40),
	};

	if (e.table || e.guest)
		e.lg2 = 12 + 9 * diff_below(d, e.table ? 5 : 3);
	if (!e.guest)
		e.pasid = 0;
	e.first = where & ~((UINT64_C(1) << e.lg2) - 1);
	return e;
}

static void some_invalidation(struct diff *d, uint64_t w[2], struct iod_amdvi_cmd *c)
{
	enum iod_cmd_reason why;
	unsigned op;

	do {
		some_words(d, w);
		if (diff_chance(d, 2)) /* ones from bit 12 on: sizes */
			w[1] |= ((UINT64_C(1) << diff_below(d, 63)) - 1) & ~UINT64_C(0xfff);
		op = (unsigned)(w[0] >> 60);
	} while ((op != 3 && op != 8 && !diff_chance(d, 16)) || lib_decode(d, w, c, &why));
	if (d->twin == TWIN_SIZE && c->s)
		c->addr &= ~(((c->addr ^ (c->addr + 0x1000)) + 0x1000) >> 2 & ~UINT64_C(0xfff));
	if (d->twin == TWIN_PDE)
		c->pde = false;
}

static const char *show(const struct mdl_amdvi_cached *e)
{
	return e->guest	  ? e->table ? "a guest directory" : "a guest leaf"
	       : e->table ? "a host directory"
			  : "a host leaf";
}

/* @return how many had to go */
static unsigned run_effects(struct diff *d, unsigned n)
{
	unsigned i, k, gone = 0, more = 0;
	struct iod_cmd_effect effect;
	struct mdl_amdvi_cached e;
	struct mdl_amdvi_cover v;
	struct iod_amdvi_cmd c;
	struct mdl_amdvi_cmd m;
	uint64_t w[2];

	for (i = 0; i < n; i++) {
		some_invalidation(d, w, &c);
		model_of(d, w, &m);
		mdl_amdvi_cover(&m, &v);
		assert_int_equal(iod_amdvi_cmd_effect(&effect, &c), 0);
		for (k = 0; k < 16; k++) {
			bool must, does;

			e = some_entry(d, &v);
			must = mdl_amdvi_must_go(&e, &v);
			does = goes(&e, &effect);
			gone += must;
			more += does && !must;
			if (must && !does)
				diff_mismatch(d, "%016llx %016llx keeps %s of 2^%u at %#llx",
					      (unsigned long long)w[0], (unsigned long long)w[1],
					      show(&e), e.lg2, (unsigned long long)e.first);
			/* more than is demanded: only what has no size, or one beyond all tables */
			if (does && !must && !v.undefined && v.last - v.first < UINT64_C(1) << 52)
				diff_mismatch(d, "%016llx %016llx drops %s of 2^%u at %#llx",
					      (unsigned long long)w[0], (unsigned long long)w[1],
					      show(&e), e.lg2, (unsigned long long)e.first);
		}
	}
	if (!d->twin)
		print_message("%u had to go and went, %u more went\n", gone, more);
	return gone;
}

static void effects(void **state)
{
	unsigned n = iodt_scale(60000);
	struct diff d;

	(void)state;
	diff_start(&d);
	assert_true(run_effects(&d, n) > n);
}

/* What a device forgets: at least that, and no more but where that is all that there is. */
static void device_ranges(void **state)
{
	struct mdl_amdvi_cover v;
	enum iod_cmd_reason why;
	struct iod_amdvi_cmd c;
	struct mdl_amdvi_cmd m;
	uint64_t first, last, w[2];
	unsigned i;
	struct diff d;

	(void)state;
	diff_start(&d);
	for (i = 0; i < 40000; i++) {
		w[0] = UINT64_C(4) << 60 | diff_below(&d, 0x10000);
		w[1] = (diff_random(&d) & ~UINT64_C(0xfff)) | diff_below(&d, 2);
		w[1] |= ((UINT64_C(1) << diff_below(&d, 64)) - 1) & ~UINT64_C(0xfff);
		assert_int_equal(lib_decode(&d, w, &c, &why), 0);
		model_of(&d, w, &m);
		mdl_amdvi_cover(&m, &v);
		assert_true(v.atc && !v.atc_pasid);
		assert_int_equal(iod_amdvi_cmd_range(&c, &first, &last), 0);
		if (v.undefined || v.last - v.first >= UINT64_C(1) << 52) {
			assert_true(!first && last == UINT64_MAX);
			continue;
		}
		assert_true(first == v.first && last == v.last);
	}
}

/* Ranges there and back: what is encoded covers what was asked for, and is not twice too large. */
static void set_range(void **state)
{
	struct mdl_amdvi_cover v;
	struct iod_amdvi_cmd c;
	struct iod_amdvi_raw_cmd raw;
	struct mdl_amdvi_cmd m;
	uint64_t first, last, w[2];
	unsigned i, lg2;
	struct diff d;

	(void)state;
	diff_start(&d);
	for (i = 0; i < 100000; i++) {
		first = diff_random(&d) >> diff_below(&d, 64);
		last = first + (diff_random(&d) >> diff_below(&d, 64));
		if (last < first)
			last = UINT64_MAX;
		c = (struct iod_amdvi_cmd){ .op = IOD_AMDVI_INVALIDATE_IOMMU_PAGES };
		iodt_assert_ok(iod_amdvi_cmd_set_range(&c, first, last));
		iodt_assert_ok(iod_amdvi_cmd_encode(&raw, &c, &d.id, NULL));
		diff_from_le(w, raw.word, 2);
		model_of(&d, w, &m);
		mdl_amdvi_cover(&m, &v);
		assert_int_equal(m.verdict, MDL_AMD_OK);
		assert_true(!v.undefined && v.first <= first && v.last >= last);
		/* the smallest aligned power of two */
		for (lg2 = 12; lg2 < 64 && first >> lg2 != last >> lg2;)
			lg2++;
		if (lg2 <= 52)
			assert_true(v.last - v.first == (UINT64_C(1) << lg2) - 1);
		else
			assert_true(!v.first && v.last == UINT64_MAX);
	}
}

/* Libraries that are wrong on purpose are found out. */
static void twins(void **state)
{
	struct diff d;
	int twin;

	(void)state;
	for (twin = TWIN_RESERVED; twin < TWIN_LAST; twin++) {
		diff_start(&d);
		d.twin = twin;
		if (twin < TWIN_SIZE)
			run_near_legal(&d, 20000);
		else
			run_effects(&d, 20000);
		print_message("twin %d: %u mismatches\n", twin, d.mismatches);
		assert_true(d.mismatches > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uniform),	 cmocka_unit_test(near_legal),
		cmocka_unit_test(every_bit),	 cmocka_unit_test(effects),
		cmocka_unit_test(device_ranges), cmocka_unit_test(set_range),
		cmocka_unit_test(twins),
	};

	return cmocka_run_group_tests_name("AMD-Vi commands against the model", tests, NULL, NULL);
}
