/* SPDX-License-Identifier: MIT */
/*
 * Plans for changing live structures (Intel VT-d, 6.5.3.3). The hardware here fetches a structure word by word, the one
 * with P first, the others whenever it likes until the flush that follows is complete. What it reads must be the old
 * structure, the new one, or one that is not present.
 */
#include "planfix.h"

/* ---- what hardware may read ---- */

struct reader {
	const struct iod_vtd_plan *plan;
	const uint64_t *from, *to;
	uint64_t version[IOD_VTD_MAX_STEPS + 1][WORDS]; /* after so many steps */
	unsigned first, last;				/* versions between two flushes */
	unsigned mixed;
};

static void judge(struct reader *r, const uint64_t w[WORDS])
{
	if (w[0] & P)
		r->mixed += memcmp(w, r->from, WORDS * 8) && memcmp(w, r->to, WORDS * 8);
}

/* Word 0 as it was after @v steps; the others of any step that can be under way when they are read. */
static void read_others(struct reader *r, unsigned v, uint64_t w[WORDS], unsigned word)
{
	unsigned lo = v;

	if (word == WORDS) {
		judge(r, w);
		return;
	}
	/* A step's own words are written in any order. */
	if (v > r->first && r->plan->step[v - 1].mask & 1)
		lo = v - 1;
	for (unsigned k = lo; k <= r->last; k++) {
		if (k > lo && r->version[k][word] == r->version[k - 1][word])
			continue;
		w[word] = r->version[k][word];
		read_others(r, v, w, word + 1);
	}
}

/* Structures that mean neither the old nor the new: 0 when the plan keeps its promise. */
static unsigned count_mixed(const struct iod_vtd_plan *plan, const uint64_t *from,
			    const uint64_t *to)
{
	struct reader r = { .plan = plan, .from = from, .to = to };
	uint64_t w[WORDS];
	unsigned i, k;

	memcpy(r.version[0], from, sizeof(r.version[0]));
	for (i = 0; i < plan->nr; i++) {
		memcpy(r.version[i + 1], r.version[i], sizeof(r.version[i]));
		words_of(w, &plan->step[i].value);
		for (k = 0; k < WORDS; k++)
			if (plan->step[i].mask >> k & 1)
				r.version[i + 1][k] = w[k];
	}
	for (i = 0; i < plan->nr; i++) {
		r.last = i + 1;
		if (!plan->step[i].inv && i + 1 < plan->nr)
			continue;
		for (k = r.first; k <= r.last; k++) {
			w[0] = r.version[k][0];
			read_others(&r, k, w, 1);
		}
		r.first = r.last;
	}
	return r.mixed;
}

static struct iod_vtd_plan plan_of(const uint64_t *from, const uint64_t *to,
				   const struct iod_vtd_id *id)
{
	struct iod_vtd_raw_pasid a = raw_of(from), b = raw_of(to);
	struct iod_vtd_plan plan;
	uint64_t w[WORDS];

	memset(&plan, 0xa5, sizeof(plan));
	iodt_assert_ok(iod_vtd_pasid_plan(&plan, &a, &b, id));
	assert_true(plan.nr <= IOD_VTD_MAX_STEPS);
	if (plan.nr) {
		words_of(w, &plan.step[plan.nr - 1].value);
		assert_memory_equal(w, to, sizeof(w));
	} else {
		assert_memory_equal(from, to, sizeof(w));
	}
	return plan;
}

/* The case that live migration needs: one word, nothing breaks, and all caches of it (Table 28). */
static void test_ssade(void **state)
{
	uint64_t from[WORDS], to[WORDS];
	struct iod_vtd_plan plan;
	struct iod_vtd_id id;

	iodt_assert_ok(iod_vtd_id_full(&id));
	for (int on = 0; on < 2; on++) {
		second(from, 0x1234000, 7, !on);
		second(to, 0x1234000, 7, on);
		plan = plan_of(from, to, &id);
		assert_int_equal(plan.nr, 1);
		assert_false(plan.breaks);
		assert_int_equal(plan.step[0].mask, 1);
		assert_int_equal(plan.step[0].did, 7);
		assert_int_equal(plan.step[0].inv,
				 IOD_VTD_FLUSH_PASID | IOD_VTD_FLUSH_IOTLB | IOD_VTD_FLUSH_DEV_TLB);
		assert_int_equal(count_mixed(&plan, from, to), 0);
		from[0] |= 3 << 6; /* nested: the same */
		to[0] |= 3 << 6;
		assert_int_equal(plan_of(from, to, &id).step[0].inv, plan.step[0].inv);
	}
}

static void test_kinds_of_change(void **state)
{
	uint64_t none[WORDS] = { 0 }, a[WORDS], b[WORDS], c[WORDS];
	struct iod_vtd_plan plan;
	struct iod_vtd_id id;

	iodt_assert_ok(iod_vtd_id_full(&id));
	second(a, 0x1000, 7, false);
	second(b, 0x2000, 8, false);
	first(c, 0x3000, 9);

	assert_int_equal(plan_of(a, a, &id).nr, 0);
	plan = plan_of(none, a, &id); /* no flush without caching mode, P last */
	assert_int_equal(plan.nr, 2);
	assert_int_equal(plan.step[0].mask, 2);
	assert_int_equal(plan.step[1].mask, 1);
	assert_int_equal(plan.step[0].inv | plan.step[1].inv, 0);
	plan = plan_of(none, a, NULL);
	assert_int_equal(plan.step[1].inv, IOD_VTD_FLUSH_PASID | IOD_VTD_FLUSH_IOTLB);
	assert_int_equal(plan.step[1].did, 7);

	plan = plan_of(a, none, &id); /* P first, the others when nobody looks */
	assert_int_equal(plan.nr, 2);
	assert_false(plan.breaks);
	assert_int_equal(plan.step[0].mask, 1);
	assert_int_equal(plan.step[0].inv,
			 IOD_VTD_FLUSH_PASID | IOD_VTD_FLUSH_IOTLB | IOD_VTD_FLUSH_DEV_TLB);
	assert_int_equal(plan.step[0].did, 7);

	memcpy(b, none, sizeof(b));
	b[0] = 2; /* FPD counts when P is 0, and is cached in caching mode: flushed with P */
	plan = plan_of(a, b, NULL);
	assert_int_equal(plan.nr, 2);
	assert_true(plan.step[0].value.word[0] == raw_of(b).word[0]);
	assert_int_equal(plan.step[1].mask, 2);

	second(b, 0x2000, 8, false);
	plan = plan_of(a, b, &id); /* two words: through P = 0 */
	assert_true(plan.breaks);
	assert_int_equal(plan.nr, 3);
	assert_int_equal(plan.step[0].did, 7);
	assert_int_equal(plan.step[2].mask, 1);

	plan = plan_of(c, none, &id); /* first stage: by PASID */
	assert_int_equal(plan.step[0].inv,
			 IOD_VTD_FLUSH_PASID | IOD_VTD_FLUSH_P_IOTLB | IOD_VTD_FLUSH_DEV_TLB);

	memcpy(b, a, sizeof(b));
	b[0] |= 2; /* FPD */
	plan = plan_of(a, b, &id);
	assert_int_equal(plan.nr, 1);
	assert_int_equal(plan.step[0].inv, IOD_VTD_FLUSH_PASID);
}

/* Random pairs: whatever hardware reads is old, new or not present; and it breaks only where it must. */
static void test_random(void **state)
{
	struct iodt *t = iodt_open(NULL);
	struct iod_vtd_plan plan;
	uint64_t a[WORDS], b[WORDS];
	unsigned differ, broken = 0, direct = 0, rounds = iodt_scale(3000);

	for (unsigned n = 0; n < rounds; n++) {
		for (unsigned i = 0; i < WORDS; i++)
			a[i] = iodt_below(t, 3) ? iodt_random(t) : 0;
		memcpy(b, a, sizeof(b));
		for (uint64_t k = iodt_below(t, 4); k; k--)
			b[iodt_below(t, WORDS)] ^= IODT_BIT(iodt_below(t, 64));
		if (!iodt_below(t, 3))
			b[0] ^= P;
		plan = plan_of(a, b, NULL);
		assert_int_equal(count_mixed(&plan, a, b), 0);
		differ = 0;
		for (unsigned i = 0; i < WORDS; i++)
			differ += a[i] != b[i];
		assert_int_equal(plan.breaks, (a[0] & b[0] & P) && differ > 1);
		broken += plan.breaks;
		direct += plan.nr == 1;
		/* What was present is flushed before any other step, and for its own domain. */
		if (plan.nr && (a[0] & P)) {
			assert_true(plan.step[0].inv & IOD_VTD_FLUSH_PASID);
			assert_int_equal(plan.step[0].did, a[1] & 0xffff);
		}
	}
	assert_true(broken > rounds / 30 && direct > rounds / 30);
	iodt_assert_ok(iodt_close(t));
}

/* The twins: P together with the rest, P first, no flush after P = 0. */
static void test_twins(void **state)
{
	uint64_t none[WORDS] = { 0 }, a[WORDS], b[WORDS];
	struct iod_vtd_plan plan;

	second(a, 0x1000, 7, false);
	second(b, 0x2000, 8, false);
	plan = plan_of(none, a, NULL);
	plan.step[1].mask = 3;
	plan.step[0] = plan.step[1];
	plan.nr = 1;
	assert_true(count_mixed(&plan, none, a) > 0);
	plan = plan_of(a, b, NULL);
	assert_int_equal(count_mixed(&plan, a, b), 0);
	plan.step[0].inv = 0;
	assert_true(count_mixed(&plan, a, b) > 0);
	plan = plan_of(a, b, NULL);
	plan.step[0] = plan.step[2];
	plan.nr = 2;
	assert_true(count_mixed(&plan, a, b) > 0);
}

static void test_contexts(void **state)
{
	struct iod_vtd_raw_sm_context sm = { { 0 } }, sm2 = { { 0 } };
	struct iod_vtd_raw_context from = { { 0 } }, to = { { 0 } };
	struct iod_vtd_plan plan;
	struct iod_vtd_id id;

	iodt_assert_ok(iod_vtd_id_full(&id));
	iodt_put_le64(&from.word[0], 0x1000 | P);
	iodt_put_le64(&from.word[1], 2 | 7 << 8);
	iodt_put_le64(&to.word[0], 0x2000 | P);
	to.word[1] = from.word[1];
	iodt_assert_ok(iod_vtd_context_plan(&plan, &from, &to, &id));
	assert_int_equal(plan.nr, 1);
	assert_int_equal(plan.step[0].did, 7);
	assert_int_equal(plan.step[0].inv,
			 IOD_VTD_FLUSH_CONTEXT | IOD_VTD_FLUSH_IOTLB | IOD_VTD_FLUSH_DEV_TLB);
	iodt_put_le64(&to.word[1], 2 | 8 << 8);
	iodt_assert_ok(iod_vtd_context_plan(&plan, &from, &to, &id));
	assert_true(plan.breaks && plan.nr == 3);

	iodt_put_le64(&sm2.word[0], 0x2000 | P);
	iodt_put_le64(&sm2.word[1], 5);
	iodt_assert_ok(iod_vtd_sm_context_plan(&plan, &sm, &sm2, &id));
	assert_int_equal(plan.nr, 2);
	assert_int_equal(plan.step[0].mask, 2);
	iodt_assert_ok(iod_vtd_sm_context_plan(&plan, &sm2, &sm, &id));
	assert_int_equal(plan.step[0].inv, IOD_VTD_FLUSH_CONTEXT | IOD_VTD_FLUSH_PASID |
						   IOD_VTD_FLUSH_IOTLB | IOD_VTD_FLUSH_DEV_TLB);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ssade),	 cmocka_unit_test(test_kinds_of_change),
		cmocka_unit_test(test_random),	 cmocka_unit_test(test_twins),
		cmocka_unit_test(test_contexts),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
