/* SPDX-License-Identifier: MIT */
/*
 * Plans from one DTE to another: every mixture of what is written and what was there, in every step, is the old
 * entry, the new one, or, where the plan says so, one that blocks. A decoder of the tests' own decides.
 */
#include "amdvi/dtefix.h"

static unsigned unit(unsigned word, bool words)
{
	return words ? 1u << word : word < 2 ? 3u : 0xcu;
}

/* Mixtures of a step that mean what they may not. */
static unsigned wrong_mixtures(const struct dtefix *before, const struct dtefix *after,
			       unsigned mask, bool words, bool breaks, const struct dtefix *from,
			       const struct dtefix *to)
{
	unsigned wrong = 0;

	for (unsigned pick = 0; pick < 16; pick++) {
		struct dtefix mix = *before;
		enum dtefix_class c;
		bool whole = true;

		for (unsigned i = 0; i < 4; i++) /* units are written at once */
			whole = whole &&
				(!(pick >> i & 1) || (pick & unit(i, words)) == unit(i, words));
		if (!whole)
			continue;
		for (unsigned i = 0; i < 4; i++)
			if (pick & mask & 1u << i)
				mix.w[i] = after->w[i];
		c = dtefix_class(&mix, from, to);
		wrong += c == DTEFIX_WRONG || (c == DTEFIX_BLOCKS && !breaks);
	}
	return wrong;
}

static unsigned wrong_steps(const struct iod_amdvi_plan *plan, const struct dtefix *from,
			    const struct dtefix *to, bool words)
{
	struct dtefix now = *from, next;
	unsigned wrong = 0;

	for (unsigned k = 0; k < plan->nr; k++) {
		next = dtefix_of(&plan->step[k].value);
		for (unsigned i = 0; i < 4; i++)
			if (!(plan->step[k].mask >> i & 1)) /* nothing else changes */
				assert_true(next.w[i] == now.w[i]);
		wrong += wrong_mixtures(&now, &next, plan->step[k].mask, words, plan->breaks, from,
					to);
		now = next;
	}
	assert_memory_equal(&now, to, sizeof(now));
	return wrong;
}

/* Whether some words first and the others then would do. */
static bool two_steps_do(const struct dtefix *from, const struct dtefix *to, bool words)
{
	for (unsigned first = 0; first < 16; first++) {
		struct dtefix mid = *from;
		bool whole = true;

		for (unsigned i = 0; i < 4; i++) {
			whole = whole &&
				(!(first >> i & 1) || (first & unit(i, words)) == unit(i, words));
			if (first >> i & 1)
				mid.w[i] = to->w[i];
		}
		if (whole && !wrong_mixtures(from, &mid, 0xf, words, false, from, to) &&
		    !wrong_mixtures(&mid, to, 0xf, words, false, from, to))
			return true;
	}
	return false;
}

static void check_pair(const struct dtefix *from, const struct dtefix *to)
{
	struct iod_amdvi_raw_dte a = dtefix_raw(from), b = dtefix_raw(to);
	struct iod_amdvi_plan plan;
	bool breaks[2];

	for (int words = 0; words < 2; words++) {
		uint32_t flags = words ? IOD_AMDVI_CHANGE_WORDS : 0;

		iodt_assert_ok(iod_amdvi_dte_plan(&plan, &a, &b, flags));
		assert_true(plan.nr <= IOD_AMDVI_MAX_STEPS);
		assert_int_equal(!plan.nr, !memcmp(&a, &b, sizeof(a)));
		assert_int_equal(wrong_steps(&plan, from, to, words), 0);
		breaks[words] = plan.breaks;
		if (plan.breaks) { /* V=1, TV=1, no IR, IW, GV: blocks whatever is UNCONFIRMED */
			struct dtefix mid = dtefix_of(&plan.step[0].value);

			assert_true((mid.w[0] & (DTE_VTV | DTE_RW | DTE_GV)) == DTE_VTV);
		}
		/* Fewer would be wrong. (That no permissions block guest tables, too, is not relied
		 * upon.) */
		if (plan.nr > 1 && !dtefix_blocks(from) && !dtefix_blocks(to))
			assert_true(wrong_mixtures(from, to, 0xf, words, false, from, to));
		if (plan.nr > 2 && !dtefix_blocks(from) && !dtefix_blocks(to))
			assert_false(two_steps_do(from, to, words));
		assert_int_equal(
			iod_amdvi_dte_plan(&plan, &a, &b, flags | IOD_AMDVI_CHANGE_HITLESS),
			breaks[words] ? -EBUSY : 0);
	}
	assert_true(breaks[1] || !breaks[0]); /* halves are never worse than words */
}

static void test_all_pairs(void **state)
{
	for (unsigned a = 0; a < DTEFIX_NR; a++)
		for (unsigned b = 0; b < DTEFIX_NR; b++)
			check_pair(&dtefix_entries[a], &dtefix_entries[b]);
}

static void test_random_pairs(void **state)
{
	struct amdrand r = amdrand_start();

	for (unsigned i = 0; i < 20000; i++) {
		struct dtefix a = dtefix_random(&r), b = dtefix_random(&r);

		check_pair(&a, &b);
	}
}

/* Twins: what is broken on purpose is found. */
static void test_twins(void **state)
{
	struct iod_amdvi_raw_dte a, b;
	struct iod_amdvi_plan plan;
	unsigned all_at_once = 0, turned = 0, torn = 0;

	for (unsigned i = 0; i < DTEFIX_NR; i++) {
		for (unsigned k = 0; k < DTEFIX_NR; k++) {
			const struct dtefix *from = &dtefix_entries[i], *to = &dtefix_entries[k];
			struct dtefix mid = { { to->w[0], to->w[1], from->w[2], from->w[3] } };

			a = dtefix_raw(from);
			b = dtefix_raw(to);
			/* every word in one step, 64 bits each */
			all_at_once += !!wrong_mixtures(from, to, 0xf, true, true, from, to);
			/* the lower half always first */
			turned += dtefix_class(&mid, from, to) == DTEFIX_WRONG;
			/* a plan for halves carried out in words */
			iodt_assert_ok(iod_amdvi_dte_plan(&plan, &a, &b, 0));
			torn += !!wrong_steps(&plan, from, to, true);
		}
	}
	assert_true(all_at_once > 50);
	assert_true(turned > 0);
	assert_true(torn > 20);
}

enum { HALVES, WORDS };

/* Which pairs, in how many steps, and what must be invalidated behind them. */
static const struct {
	uint8_t from, to;
	uint8_t nr[2];
	bool breaks[2];
	bool tlbi, atc, irt;
} known_rows[] = {
	{ 4, 4, { 0, 0 }, { false, false }, false, false, false },
	{ 4, 5, { 1, 1 }, { false, false }, true, false, false }, /* HAD on: one store */
	{ 5, 4, { 1, 1 }, { false, false }, true, false, false }, /* and off */
	{ 4, 6, { 1, 1 }, { false, false }, true, false, false }, /* Mode and root: one word */
	{ 4, 7, { 1, 3 }, { false, true }, true, true, false },	  /* and DomainID: another word */
	{ 7, 4, { 1, 3 }, { false, true }, true, true, false },
	{ 0, 4, { 1, 2 }, { false, false }, true, false, false }, /* valid: the rest first */
	{ 4, 0, { 1, 2 }, { false, false }, true, false, false }, /* invalid: the rest last */
	{ 1, 4, { 1, 3 }, { false, true }, true, false, false },
	{ 8, 9, { 1, 1 }, { false, false }, true, false, false }, /* GuestPagingMode alone */
	{ 9, 10, { 1, 3 }, { false, true }, true, false, false },
	{ 8, 10, { 3, 3 }, { true, true }, true, false, false }, /* it and the GCR3 table */
	{ 4, 9, { 2, 3 }, { false, true }, true, false, false }, /* host to guest: upper first */
	{ 9, 4, { 2, 3 }, { false, true }, true, false, false }, /* and back: lower first */
	{ 11, 12, { 3, 3 }, { true, true }, true, true, false },
	{ 4, 13, { 1, 1 }, { false, false }, false, false, true }, /* interrupts alone */
	{ 13, 14, { 1, 3 }, { false, true }, true, false, true },
};

static void test_known(void **state)
{
	for (size_t i = 0; i < IODT_ARRAY_SIZE(known_rows); i++) {
		struct iod_amdvi_raw_dte a = dtefix_raw(&dtefix_entries[known_rows[i].from]);
		struct iod_amdvi_raw_dte b = dtefix_raw(&dtefix_entries[known_rows[i].to]);
		struct iod_amdvi_plan plan;

		for (int words = HALVES; words <= WORDS; words++) {
			iodt_assert_ok(iod_amdvi_dte_plan(&plan, &a, &b,
							  words ? IOD_AMDVI_CHANGE_WORDS : 0));
			if (plan.nr != known_rows[i].nr[words] ||
			    plan.breaks != known_rows[i].breaks[words] ||
			    plan.tlbi != known_rows[i].tlbi || plan.atc != known_rows[i].atc ||
			    plan.irt != known_rows[i].irt)
				fail_msg(
					"row %zu words %d: %u steps, breaks %d, tlbi %d atc %d irt %d",
					i, words, plan.nr, plan.breaks, plan.tlbi, plan.atc,
					plan.irt);
		}
	}
}

static void test_arguments(void **state)
{
	struct iod_amdvi_raw_dte a = { { 0 } };
	struct iod_amdvi_plan plan;

	assert_int_equal(iod_amdvi_dte_plan(NULL, &a, &a, 0), -EINVAL);
	assert_int_equal(iod_amdvi_dte_plan(&plan, NULL, &a, 0), -EINVAL);
	assert_int_equal(iod_amdvi_dte_plan(&plan, &a, NULL, 0), -EINVAL);
	assert_int_equal(iod_amdvi_dte_plan(&plan, &a, &a, 4), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_pairs), cmocka_unit_test(test_random_pairs),
		cmocka_unit_test(test_twins),	  cmocka_unit_test(test_known),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
