/* SPDX-License-Identifier: MIT */
/*
 * Event log and PPR log records of AMD-Vi: the library's codec against the independent model. Uniform words, and every
 * bit of every golden record.
 */
#include "amdvi/diff_amdvi.h"

#include <string.h>

/* Libraries that are wrong on purpose. */
enum { TWIN_NONE, TWIN_PASID, TWIN_RW, TWIN_ADDR, TWIN_PPR, TWIN_LAST };

#define SAME(l, m)                                                             \
	if ((uint64_t)(l) != (uint64_t)(m))                                    \
	diff_mismatch(d, "%016llx %016llx: %s is %#llx, the model says %#llx", \
		      (unsigned long long)w[0], (unsigned long long)w[1], #l,  \
		      (unsigned long long)(l), (unsigned long long)(m))

/* Bits 31:27 of the first doubleword: newer revisions, one source. */
#define NEWER UINT64_C(0xf8000000)

static void same_fields(struct diff *d, const uint64_t w[2], const struct iod_amdvi_event *e,
			const struct mdl_amdvi_event *m)
{
	SAME(e->devid, m->devid);
	if (!m->known)
		return;
	SAME(e->gn, m->gn);
	SAME(e->nx, m->nx);
	SAME(e->us, m->us);
	SAME(e->irq, m->irq);
	SAME(e->pr, m->pr);
	SAME(e->rw, m->rw);
	SAME(e->pe, m->pe);
	SAME(e->rz, m->rz);
	SAME(e->tr, m->tr);
	SAME(e->errtype, m->errtype);
	SAME(e->pasid, m->pasid);
	SAME(e->domain, m->domain);
	SAME(e->addr, m->addr);
	SAME(e->tag, 0);
}

static void break_event(const struct diff *d, struct iod_amdvi_event *e)
{
	if (d->twin == TWIN_PASID)
		e->pasid &= 0xffff;
	if (d->twin == TWIN_RW)
		e->rw = e->pr && e->rw;
	if (d->twin == TWIN_ADDR)
		e->addr &= ~UINT64_C(0xfff);
}

static bool compare(struct diff *d, const uint64_t w[2])
{
	struct iod_amdvi_raw_event raw, unknown, back;
	struct mdl_amdvi_event m;
	struct iod_amdvi_event e;
	uint64_t u[2], w2[2];
	int ret;

	diff_to_le(raw.word, w, 2);
	memset(&e, 0xa5, sizeof(e));
	ret = iod_amdvi_event_decode(&e, &raw, &unknown);
	mdl_amdvi_event(w, &m);
	if (ret) {
		assert_int_equal(ret, m.type ? -EOPNOTSUPP : -EAGAIN);
		assert_true(!m.type || m.type == 15);
		return false;
	}
	assert_int_equal(e.type, m.type);
	/* Types A to C: nothing is known of them. */
	if (m.type >= 10 && m.type <= 12)
		return true;
	break_event(d, &e);
	same_fields(d, w, &e, &m);
	diff_from_le(u, unknown.word, 2);
	if (m.known && ((u[0] ^ m.res[0]) & ~NEWER || u[1] != m.res[1]))
		diff_mismatch(d, "%016llx %016llx: unknown %016llx %016llx",
			      (unsigned long long)w[0], (unsigned long long)w[1],
			      (unsigned long long)u[0], (unsigned long long)u[1]);
	if (d->twin)
		return true;
	iodt_assert_ok(iod_amdvi_event_encode(&back, &e));
	diff_from_le(w2, back.word, 2);
	assert_true(w2[0] == (w[0] & ~u[0]) && w2[1] == (w[1] & ~u[1]));
	return true;
}

static void compare_ppr(struct diff *d, const uint64_t w[2])
{
	struct iod_amdvi_raw_ppr raw, unknown;
	struct mdl_amdvi_ppr m;
	struct iod_amdvi_ppr p;
	uint64_t u[2];
	int ret;

	diff_to_le(raw.word, w, 2);
	memset(&p, 0xa5, sizeof(p));
	ret = iod_amdvi_ppr_decode(&p, &raw, &unknown);
	mdl_amdvi_ppr(w, &m);
	assert_int_equal(ret, m.type ? 0 : -EAGAIN);
	if (ret)
		return;
	if (d->twin == TWIN_PPR)
		p.write = p.exec;
	/* A PASID means nothing without GN: the library calls it unknown. */
	if (!m.gn) {
		m.res[0] |= w[0] & UINT64_C(0x3c00ffff0000);
		m.pasid = 0;
	}
	SAME(p.devid, m.devid);
	SAME(p.pasid, m.pasid);
	SAME(p.tag, m.tag);
	SAME(p.type, m.type);
	SAME(p.last, m.last);
	SAME(p.exec, m.exec);
	SAME(p.read, m.read);
	SAME(p.write, m.write);
	SAME(p.user, m.user);
	SAME(p.rvsd, m.rvsd);
	SAME(p.gn, m.gn);
	SAME(p.addr, m.addr);
	diff_from_le(u, unknown.word, 2);
	SAME(u[0], m.res[0]);
	SAME(u[1], m.res[1]);
}

static void run(struct diff *d, unsigned n)
{
	uint64_t w[2];
	unsigned i;

	for (i = 0; i < n; i++) {
		w[0] = diff_random(d);
		w[1] = diff_random(d);
		if (diff_chance(d, 2))
			w[0] &= diff_random(d) | UINT64_C(15) << 60;
		compare(d, w);
		compare_ppr(d, w);
	}
}

static void uniform(void **state)
{
	struct diff d;

	(void)state;
	diff_start(&d);
	run(&d, iodt_scale(400000));
}

static void every_bit(void **state)
{
	unsigned i, bit, k, seen = 0;
	struct diff d;
	uint64_t w[2];

	(void)state;
	diff_start(&d);
	for (i = 0; i < GOLD_NR_EVENTS + GOLD_NR_PPRS; i++) {
		for (bit = 0; bit <= 128; bit++) {
			for (k = 0; k < 2; k++)
				w[k] = i < GOLD_NR_EVENTS ? gold_events[i].word[k]
							  : gold_pprs[i - GOLD_NR_EVENTS].word[k];
			if (bit < 128)
				w[bit / 64] ^= UINT64_C(1) << bit % 64;
			if (i < GOLD_NR_EVENTS)
				seen += compare(&d, w);
			else
				compare_ppr(&d, w);
		}
	}
	assert_true(seen > 1500);
}

static void twins(void **state)
{
	struct diff d;
	int twin;

	(void)state;
	for (twin = TWIN_PASID; twin < TWIN_LAST; twin++) {
		diff_start(&d);
		d.twin = twin;
		run(&d, 20000);
		print_message("twin %d: %u mismatches\n", twin, d.mismatches);
		assert_true(d.mismatches > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uniform),
		cmocka_unit_test(every_bit),
		cmocka_unit_test(twins),
	};

	return cmocka_run_group_tests_name("AMD-Vi records against the model", tests, NULL, NULL);
}
