/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3 event records and page requests: the library's codec against the
 * independent model. Uniform words, words a few bits off golden ones, every bit
 * of every golden word.
 */
#include "smmu/diff_smmu.h"

#include <string.h>

#include <iodirty/smmuv3_event.h>

/* Libraries that are wrong on purpose. */
enum { TWIN_NONE, TWIN_UNKNOWN, TWIN_IPA };

#define NE(l, m)                                    \
	do {                                        \
		if ((uint64_t)(l) != (uint64_t)(m)) \
			return #l;                  \
	} while (0)

static unsigned hints_of(const struct mdl_smmu_event *m)
{
	return (m->ux ? IOD_SMMUV3_HINT_UX : 0) | (m->uw ? IOD_SMMUV3_HINT_UW : 0) |
	       (m->ur ? IOD_SMMUV3_HINT_UR : 0) | (m->px ? IOD_SMMUV3_HINT_PX : 0) |
	       (m->pw ? IOD_SMMUV3_HINT_PW : 0) | (m->pr ? IOD_SMMUV3_HINT_PR : 0);
}

/* @return NULL, or the field that differs */
static const char *event_differs(const struct iod_smmuv3_event *l, const struct mdl_smmu_event *m)
{
	NE(l->type, m->type);
	NE(l->sid, m->sid);
	/* C_BAD_SUBSTREAMID has no such bit, its SubstreamID is always valid */
	if (m->type != MDL_EV_C_BAD_SUBSTREAMID)
		NE(l->ssv, m->ssv);
	NE(l->ssid, m->ssid);
	NE(l->stall, m->stall);
	NE(l->pnu, m->pnu);
	NE(l->ind, m->ind);
	NE(l->rnw, m->rnw);
	NE(l->s2, m->s2);
	NE(l->ttrnw, m->ttrnw);
	NE(l->nsipa, m->nsipa);
	NE(l->gpcf, m->gpcf);
	/* whether this one has a class is not known */
	if (m->type != MDL_EV_F_TLB_CONFLICT)
		NE(l->cls, m->cls);
	NE(l->span, m->span);
	NE(l->hints, hints_of(m));
	NE(l->stag, m->stag);
	NE(l->reason, m->reason);
	NE(l->addr, m->addr);
	NE(l->ipa, m->ipa);
	NE(l->fetch, m->fetch);
	return NULL;
}

static const char *pri_differs(const struct iod_smmuv3_pri *l, const struct mdl_smmu_ppr *m)
{
	NE(l->sid, m->sid);
	NE(l->ssv, m->ssv);
	/* 8: without a PASID these are 0, or UNKNOWN */
	NE(l->ssid, m->ssv ? m->ssid : 0);
	NE(l->priv, m->ssv && m->priv);
	NE(l->exec, m->ssv && m->exec);
	NE(l->read, m->read);
	NE(l->write, m->write);
	NE(l->last, m->last);
	NE(l->prgi, m->prgi);
	NE(l->addr, m->addr);
	NE(iod_smmuv3_pri_is_stop(l), m->stop);
	return NULL;
}

static int lib_event(struct diff *d, const uint64_t w[4], struct iod_smmuv3_event *e,
		     uint64_t unknown[4])
{
	struct iod_smmuv3_raw_event raw, rest;
	int ret;

	memset(e, 0xa5, sizeof(*e));
	diff_to_le(raw.word, w, 4);
	ret = iod_smmuv3_event_decode(e, &raw, &rest);
	if (ret)
		return ret;
	diff_from_le(unknown, rest.word, 4);
	if (d->twin == TWIN_UNKNOWN)
		memset(unknown, 0, 32);
	if (d->twin == TWIN_IPA)
		e->ipa &= ~(UINT64_C(1) << 51);
	return 0;
}

/* Bits of a record that its other bits make meaningless, or that nobody is sure about. */
static void loose_bits(const struct mdl_smmu_event *m, uint64_t loose[4])
{
	memset(loose, 0, 32);
	if (!m->ssv)
		loose[0] |= UINT64_C(0xfffff000);
	if (m->type < MDL_EV_F_TRANSLATION || m->type > MDL_EV_F_TLB_CONFLICT)
		return;
	if (m->type == MDL_EV_F_TLB_CONFLICT)
		loose[1] |= UINT64_C(3) << 40;
	else if (!m->stall)
		loose[1] |= 0xffff;
	if (!m->s2) {
		loose[1] |= UINT64_C(1) << 36;
		loose[3] |= UINT64_C(0x00fffffffffff000);
	}
}

/* What was decoded, encoded: the same bits but for the unknown and the meaningless ones. */
static void again(struct diff *d, const uint64_t w[4], const struct iod_smmuv3_event *e,
		  const struct mdl_smmu_event *m)
{
	struct iod_smmuv3_raw_event raw;
	uint64_t back[4], loose[4];
	unsigned i;

	if (iod_smmuv3_event_encode(&raw, e)) {
		if (e->cls != 3) /* reserved: told of, but not said */
			diff_mismatch(d, "event %02x cannot be said again", m->type);
		return;
	}
	loose_bits(m, loose);
	diff_from_le(back, raw.word, 4);
	for (i = 0; i < 4; i++)
		back[i] = (back[i] ^ (w[i] & ~m->res[i])) & ~loose[i];
	if (back[0] | back[1] | back[2] | back[3])
		diff_mismatch(d, "event %02x: %016llx %016llx %016llx %016llx differ", m->type,
			      (unsigned long long)back[0], (unsigned long long)back[1],
			      (unsigned long long)back[2], (unsigned long long)back[3]);
}

static bool compare_event(struct diff *d, const uint64_t w[4])
{
	uint64_t unknown[4], loose[4], stray;
	struct iod_smmuv3_event e;
	struct mdl_smmu_event m;
	const char *what;
	unsigned i;
	int ret;

	mdl_smmu_event(w, &m);
	loose_bits(&m, loose);
	mdl_smmu_event_ignore(&m);
	ret = lib_event(d, w, &e, unknown);
	if (ret != (m.known ? 0 : -EOPNOTSUPP)) {
		diff_mismatch(d, "event %02x: %d", m.type, ret);
		return false;
	}
	if (ret)
		return false;
	what = event_differs(&e, &m);
	if (what)
		diff_mismatch(d, "event %02x: %s", m.type, what);
	for (i = 0; i < 4; i++) {
		stray = (unknown[i] ^ m.res[i]) & ~loose[i];
		if (stray)
			diff_mismatch(d, "event %02x: unknown bits %016llx of word %u", m.type,
				      (unsigned long long)stray, i);
	}
	again(d, w, &e, &m);
	return true;
}

static void compare_pri(struct diff *d, const uint64_t w[2])
{
	struct iod_smmuv3_raw_pri raw, rest;
	struct iod_smmuv3_pri p;
	struct mdl_smmu_ppr m;
	uint64_t unknown[2], back[2];
	const char *what;

	diff_to_le(raw.word, w, 2);
	mdl_smmu_ppr(w, &m);
	memset(&p, 0xa5, sizeof(p));
	assert_int_equal(iod_smmuv3_pri_decode(&p, &raw, &rest), 0);
	what = pri_differs(&p, &m);
	if (what)
		diff_mismatch(d, "page request: %s", what);
	diff_from_le(unknown, rest.word, 2);
	if (m.ssv && memcmp(unknown, m.res, sizeof(unknown)))
		diff_mismatch(d, "page request: unknown bits");
	if (iod_smmuv3_pri_encode(&raw, &p)) {
		diff_mismatch(d, "page request cannot be said again");
		return;
	}
	diff_from_le(back, raw.word, 2);
	back[0] ^= w[0] & ~m.res[0];
	back[1] ^= w[1] & ~m.res[1];
	if (!m.ssv) /* ssid, priv, exec */
		back[0] &= ~(UINT64_C(0x0c0fffff) << 32);
	if (back[0] | back[1])
		diff_mismatch(d, "page request: said again %016llx %016llx differ",
			      (unsigned long long)back[0], (unsigned long long)back[1]);
}

static void golden(void **state)
{
	struct diff d;
	unsigned i;

	(void)state;
	diff_start(&d);
	for (i = 0; i < DIFF_COUNT(gold_events); i++)
		assert_true(compare_event(&d, gold_events[i].w));
	for (i = 0; i < DIFF_COUNT(gold_pprs); i++)
		compare_pri(&d, gold_pprs[i].w);
}

static void some_event(struct diff *d, unsigned i, uint64_t w[4])
{
	unsigned k;

	for (k = 0; k < 4; k++)
		w[k] = diff_random(d);
	if (i & 1) {
		memcpy(w, gold_events[diff_below(d, DIFF_COUNT(gold_events))].w, 32);
		diff_flip(d, w, 4);
	} else {
		w[0] = (w[0] & ~UINT64_C(0xff)) | diff_below(d, i & 2 ? 0x28 : 256);
	}
}

static void random_events(void **state)
{
	unsigned i, n = iodt_scale(200000), known = 0;
	struct diff d;
	uint64_t w[4];

	(void)state;
	diff_start(&d);
	for (i = 0; i < n; i++) {
		some_event(&d, i, w);
		known += compare_event(&d, w);
	}
	print_message("%u of %u known\n", known, n);
	assert_true(known > n / 2);
}

static void random_pprs(void **state)
{
	unsigned i, n = iodt_scale(100000);
	struct diff d;
	uint64_t w[2];

	(void)state;
	diff_start(&d);
	for (i = 0; i < n; i++) {
		w[0] = diff_random(&d);
		w[1] = diff_random(&d);
		if (i & 1) {
			memcpy(w, gold_pprs[diff_below(&d, DIFF_COUNT(gold_pprs))].w, 16);
			diff_flip(&d, w, 2);
		}
		compare_pri(&d, w);
	}
}

/* Every bit of every golden event: another value, another type, or told of as unknown. */
static void every_bit(void **state)
{
	unsigned i, bit, fields = 0, unknown_bits = 0, other = 0;
	struct iod_smmuv3_event e, e0;
	uint64_t w[4], unknown[4], loose[4];
	struct mdl_smmu_event m;
	struct diff d;

	(void)state;
	diff_start(&d);
	for (i = 0; i < DIFF_COUNT(gold_events); i++) {
		assert_int_equal(lib_event(&d, gold_events[i].w, &e0, unknown), 0);
		for (bit = 0; bit < 256; bit++) {
			memcpy(w, gold_events[i].w, sizeof(w));
			w[bit / 64] ^= UINT64_C(1) << bit % 64;
			if (!compare_event(&d, w)) {
				other++;
				continue;
			}
			assert_int_equal(lib_event(&d, w, &e, unknown), 0);
			if (memcmp(&e, &e0, sizeof(e))) {
				fields++;
			} else if (unknown[0] | unknown[1] | unknown[2] | unknown[3]) {
				unknown_bits++;
			} else {
				mdl_smmu_event(w, &m);
				loose_bits(&m, loose);
				if (!(loose[bit / 64] >> bit % 64 & 1))
					fail_msg("%s: bit %u is dropped", gold_events[i].name, bit);
			}
		}
	}
	print_message("%u other values, %u unknown, %u other types\n", fields, unknown_bits, other);
	assert_true(fields > 1000 && unknown_bits > 1000 && other > 50);
}

/* Libraries that drop unknown bits, or cut an address off, are found out. */
static void twins(void **state)
{
	unsigned i;
	uint64_t w[4];
	struct diff d;
	int twin;

	(void)state;
	for (twin = TWIN_UNKNOWN; twin <= TWIN_IPA; twin++) {
		diff_start(&d);
		d.twin = twin;
		for (i = 0; i < 10000; i++) {
			some_event(&d, i, w);
			compare_event(&d, w);
		}
		assert_true(d.mismatches > 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),      cmocka_unit_test(random_events),
		cmocka_unit_test(random_pprs), cmocka_unit_test(every_bit),
		cmocka_unit_test(twins),
	};

	return cmocka_run_group_tests_name("SMMUv3 events against the model", tests, NULL, NULL);
}
