/* SPDX-License-Identifier: MIT */
/*
 * Plans for changing live structures (3.21.3): hardware may read each word before or after it is written, in any
 * order; each mixture of each step means the old or the new, or V=0 where the plan says so. And no plan with fewer
 * steps does that.
 */
#include "planfix.h"

static unsigned differing(const struct stefix_words *a, const struct stefix_words *b)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < 8; i++)
		mask |= (unsigned)(a->w[i] != b->w[i]) << i;
	return mask;
}

static struct stefix_words mixture(const struct stefix_words *a, const struct stefix_words *b,
				   unsigned of_b)
{
	struct stefix_words m = *a;

	for (unsigned i = 0; i < 8; i++) {
		if (of_b >> i & 1)
			m.w[i] = b->w[i];
	}
	return m;
}

/* Whether a class of mixtures is what a plan promises. @haft: the CD's HAFT has a step of its own */
static bool allowed(enum plan_class c, bool haft, bool breaks)
{
	return c == PLAN_OLD_OR_NEW || (c == PLAN_HAFT && haft) || (c == PLAN_INVALID && breaks);
}

/* Mixtures of a plan that mean neither the old nor the new. */
static unsigned count_mixed(enum plan_kind kind, const struct iod_smmuv3_plan *plan,
			    const struct stefix_words *from, const struct stefix_words *to,
			    bool haft)
{
	struct stefix_words now = *from, next;
	unsigned bad = 0, subset;

	for (unsigned i = 0; i < plan->nr; i++) {
		next = stefix_words(plan->step[i].value.word);
		for (subset = plan->step[i].mask;; subset = (subset - 1) & plan->step[i].mask) {
			struct stefix_words m = mixture(&now, &next, subset);

			bad += !allowed(plan_class(kind, &m, from, to), haft, plan->breaks);
			if (!subset)
				break;
		}
		now = next;
	}
	return bad;
}

/* Whether HAFT may have a step of its own: both are CDs in use, and it differs. */
static bool haft_differs(enum plan_kind kind, const struct stefix_words *from,
			 const struct stefix_words *to)
{
	return kind == PLAN_CD && stefix_get(from, CD_V, 1) && stefix_get(to, CD_V, 1) &&
	       stefix_get(from, CD_HAFT, 1) != stefix_get(to, CD_HAFT, 1);
}

static void check_plan(enum plan_kind kind, const struct iod_smmuv3_plan *plan,
		       const struct stefix_words *from, const struct stefix_words *to,
		       const char *what)
{
	struct stefix_words now = *from, next;

	assert_true(plan->nr <= IOD_SMMUV3_MAX_STEPS);
	for (unsigned i = 0; i < plan->nr; i++) {
		next = stefix_words(plan->step[i].value.word);
		assert_true(plan->step[i].mask);
		assert_int_equal(plan->step[i].mask, differing(&now, &next));
		now = next;
	}
	assert_memory_equal(&now, to, sizeof(now));
	if (count_mixed(kind, plan, from, to, haft_differs(kind, from, to) && !plan->breaks))
		fail_msg("%s: hardware may see a mixture", what);
}

/*
 * Exhaustive search. Each word that differs may be as in the old one, as in the new one, or, bit by bit, either of
 * them by what the old or the new one looks at; word 0 also without V. A state is one of these for each word;
 * mixtures of two states are states.
 */
#define CHOICES 8

struct search {
	enum plan_kind kind;
	const struct stefix_words *from, *to;
	unsigned nr_words, word[8];
	unsigned nr_choices[8];
	uint64_t choice[8][CHOICES];
	unsigned nr_states, stride[8];
	uint8_t *class;	   /* enum plan_class */
	uint8_t *dist;	   /* steps; 255: not reached */
	bool haft, breaks; /* what is allowed between */
};

/* Bits whose change changes the meaning. */
static void matters(enum plan_kind kind, const struct stefix_words *words, uint64_t *mask)
{
	bool haft, other;
	struct meaning m = plan_meaning(kind, words, &haft);

	for (unsigned bit = 0; bit < 512; bit++) {
		struct stefix_words flipped = *words;
		struct meaning n;

		if (!(bit % 64))
			mask[bit / 64] = 0;
		flipped.w[bit / 64] ^= IODT_BIT(bit % 64);
		n = plan_meaning(kind, &flipped, &other);
		if (memcmp(&m, &n, sizeof(m)) || haft != other)
			mask[bit / 64] |= IODT_BIT(bit % 64);
	}
}

static void add_choice(struct search *s, unsigned n, uint64_t value)
{
	for (unsigned i = 0; i < s->nr_choices[n]; i++) {
		if (s->choice[n][i] == value)
			return;
	}
	assert_true(s->nr_choices[n] < CHOICES);
	s->choice[n][s->nr_choices[n]++] = value;
}

static void search_choices(struct search *s)
{
	uint64_t v = s->kind == PLAN_STE ? 1 : IODT_BIT(31), used_from[8], used_to[8];

	matters(s->kind, s->from, used_from);
	matters(s->kind, s->to, used_to);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t a = s->from->w[i], b = s->to->w[i];
		unsigned n = s->nr_words;

		if (a == b && i)
			continue;
		s->word[s->nr_words++] = i;
		s->nr_choices[n] = 0;
		add_choice(s, n, a);
		add_choice(s, n, b);
		add_choice(s, n, (a & used_from[i]) | (b & ~used_from[i]));
		add_choice(s, n, (b & used_to[i]) | (a & ~used_to[i]));
		if (i == 0) {
			add_choice(s, n, a & ~v);
			add_choice(s, n, b & ~v);
		}
		if (i == 1 && s->kind == PLAN_CD) { /* HAFT alone */
			add_choice(s, n, a & ~UINT64_C(8));
			add_choice(s, n, b & ~UINT64_C(8));
		}
	}
}

static unsigned state_choice(const struct search *s, unsigned state, unsigned n)
{
	return state / s->stride[n] % s->nr_choices[n];
}

static struct stefix_words state_words(const struct search *s, unsigned state)
{
	struct stefix_words words = *s->from;

	for (unsigned n = 0; n < s->nr_words; n++)
		words.w[s->word[n]] = s->choice[n][state_choice(s, state, n)];
	return words;
}

static bool state_good(const struct search *s, unsigned state)
{
	return allowed((enum plan_class)s->class[state], s -> haft, s -> breaks);
}

/* Whether all mixtures of two states are good. */
static bool edge_good(const struct search *s, unsigned a, unsigned b)
{
	unsigned delta[8], nr = 0;

	for (unsigned n = 0; n < s->nr_words; n++) {
		unsigned ca = state_choice(s, a, n), cb = state_choice(s, b, n);

		if (ca != cb)
			delta[nr++] = cb * s->stride[n] - ca * s->stride[n]; /* wraps */
	}
	for (unsigned subset = 1; subset < 1u << nr; subset++) {
		unsigned state = a;

		for (unsigned i = 0; i < nr; i++)
			state += subset >> i & 1 ? delta[i] : 0;
		if (!state_good(s, state))
			return false;
	}
	return true;
}

/* Fewest steps from the old to the new, or 255. */
static unsigned search_steps(struct search *s, unsigned goal)
{
	memset(s->dist, 255, s->nr_states);
	s->dist[0] = 0; /* the first choice of each word is the old one */
	for (unsigned d = 0; d < 5; d++) {
		if (s->dist[goal] != 255)
			break;
		for (unsigned a = 0; a < s->nr_states; a++) {
			if (s->dist[a] != d)
				continue;
			for (unsigned b = 0; b < s->nr_states; b++) {
				if (s->dist[b] == 255 && state_good(s, b) && edge_good(s, a, b))
					s->dist[b] = (uint8_t)(d + 1);
			}
		}
	}
	return s->dist[goal];
}

/* What a search finds: steps, and whether V=0 is needed. */
static unsigned fewest(enum plan_kind kind, const struct stefix_words *from,
		       const struct stefix_words *to, bool *breaks)
{
	struct search s = { .kind = kind, .from = from, .to = to };
	unsigned goal = 0, steps;

	search_choices(&s);
	s.nr_states = 1;
	for (unsigned n = 0; n < s.nr_words; n++) {
		s.stride[n] = s.nr_states;
		s.nr_states *= s.nr_choices[n];
	}
	s.class = calloc(s.nr_states, 2);
	assert_non_null(s.class);
	s.dist = s.class + s.nr_states;
	for (unsigned i = 0; i < s.nr_states; i++) {
		struct stefix_words words = state_words(&s, i);

		s.class[i] = (uint8_t)plan_class(kind, &words, from, to);
		if (!memcmp(&words, to, sizeof(words)))
			goal = i;
	}
	steps = search_steps(&s, goal);
	if (steps == 255 && haft_differs(kind, from, to)) {
		s.haft = true;
		steps = search_steps(&s, goal);
		s.haft = false;
	}
	*breaks = steps == 255;
	if (*breaks) {
		s.breaks = true;
		steps = search_steps(&s, goal);
	}
	free(s.class);
	return steps;
}

static void all_pairs(enum plan_kind kind)
{
	struct plan_case cases[PLAN_CASES];
	unsigned nr = plan_cases(kind, cases), count[IOD_SMMUV3_MAX_STEPS + 1][2] = { { 0 } };

	for (unsigned i = 0; i < nr; i++) {
		for (unsigned j = 0; j < nr; j++) {
			const struct stefix_words *from = &cases[i].words, *to = &cases[j].words;
			struct iod_smmuv3_plan plan = plan_of(kind, from, to);
			char what[100];
			unsigned steps;
			bool breaks;

			snprintf(what, sizeof(what), "%s -> %s", cases[i].name, cases[j].name);
			check_plan(kind, &plan, from, to, what);
			steps = fewest(kind, from, to, &breaks);
			if (plan.nr != steps || plan.breaks != breaks)
				fail_msg("%s: %u steps%s, a search finds %u%s", what, plan.nr,
					 plan.breaks ? " that break" : "", steps,
					 breaks ? " that break" : "");
			count[plan.nr][plan.breaks]++;
		}
	}
	/* There are some of each. */
	assert_int_equal(count[0][0], nr);
	assert_true(count[1][0] && count[2][0] && count[3][0] && count[3][1]);
}

static void ste_pairs(void **state)
{
	all_pairs(PLAN_STE);
}

static void cd_pairs(void **state)
{
	all_pairs(PLAN_CD);
}

/* Anything to anything: never a mixture, always the end. */
static void random_pairs(void **state)
{
	struct iodt t = { .rng = 40 };

	for (unsigned i = 0; i < iodt_scale(20000); i++) {
		enum plan_kind kind = iodt_random(&t) & 1 ? PLAN_STE : PLAN_CD;
		struct plan_case cases[PLAN_CASES];
		unsigned nr = plan_cases(kind, cases);
		struct stefix_words from = cases[iodt_below(&t, nr)].words;
		struct stefix_words to = cases[iodt_below(&t, nr)].words;
		struct iod_smmuv3_plan plan;
		char what[256];

		for (uint64_t n = iodt_below(&t, 5); n; n--)
			from.w[iodt_below(&t, 6)] ^= IODT_BIT(iodt_below(&t, 64));
		for (uint64_t n = iodt_below(&t, 5); n; n--)
			to.w[iodt_below(&t, 6)] ^= IODT_BIT(iodt_below(&t, 64));
		plan = plan_of(kind, &from, &to);
		for (unsigned n = 0; n < 6; n++)
			snprintf(what + 34 * n, 35, "%016jx>%016jx ", (uintmax_t)from.w[n],
				 (uintmax_t)to.w[n]);
		check_plan(kind, &plan, &from, &to, what);
	}
}

static const struct stefix_words *find(const struct plan_case *cases, unsigned nr, const char *name)
{
	for (unsigned i = 0; i < nr; i++) {
		if (!strcmp(cases[i].name, name))
			return &cases[i].words;
	}
	fail_msg("no case %s", name);
	return NULL;
}

/* By hand: steps, V=0 in between, what to invalidate (5.2.1, 5.4.1, 3.9.2). */
struct expected {
	enum plan_kind kind;
	const char *from, *to;
	unsigned steps;
	bool breaks, tlbi, atc;
};

static const struct expected by_hand[] = {
	/* Config is in word 0, SHCFG in word 1. */
	{ PLAN_STE, "nothing", "abort", 1, false, false, false },
	{ PLAN_STE, "abort", "bypass", 2, false, false, false },
	{ PLAN_STE, "bypass", "abort", 2, false, false, false },
	{ PLAN_STE, "abort", "s1", 2, false, false, false },
	/* Word 0 only: what is behind it (VMID) may stay. */
	{ PLAN_STE, "abort", "s2", 2, false, false, false },
	{ PLAN_STE, "nothing", "nested", 2, false, false, false },
	{ PLAN_STE, "nested", "nothing", 2, false, true, false },
	/* SHCFG on; Config; S1DSS off. And S1DSS on; Config; SHCFG off. */
	{ PLAN_STE, "s1, 256 CDs", "s2", 3, false, true, false },
	{ PLAN_STE, "s2", "s1, 256 CDs", 3, false, true, false },
	/* S1DSS and the like are 0. */
	{ PLAN_STE, "s1", "s2", 2, false, true, false },
	{ PLAN_STE, "s2", "s1", 2, false, true, false },
	{ PLAN_STE, "s2", "nested", 2, false, false, false },
	{ PLAN_STE, "s1", "nested", 2, false, true, false },
	/* Dirty tracking on and off: one word. */
	{ PLAN_STE, "s2", "s2, tracked", 1, false, true, false },
	{ PLAN_STE, "s2, tracked", "s2, tracked in tables", 1, false, true, false },
	{ PLAN_STE, "nested", "nested, tracked", 1, false, true, false },
	{ PLAN_STE, "nested, tracked", "nested", 1, false, true, false },
	/* S2FWB is in word 1, S2HA in word 2. */
	{ PLAN_STE, "s2", "s2, FWB and tracked", 3, true, true, false },
	{ PLAN_STE, "s2", "s2, other VMID", 1, false, true, false },
	{ PLAN_STE, "s2", "s2, other table", 1, false, true, false },
	{ PLAN_STE, "s2", "s2, other VMID and table", 3, true, true, false },
	{ PLAN_STE, "s2", "s2, recorded", 1, false, false, false },
	{ PLAN_STE, "s2", "s2, shareable", 1, false, false, false },
	{ PLAN_STE, "s1", "s1, other pointer", 1, false, true, false },
	/* S1DSS is ignored while there are no substreams. */
	{ PLAN_STE, "s1", "s1, 256 CDs", 2, false, false, false },
	/* What was a CD is a table of them. */
	{ PLAN_STE, "s1", "s1, two levels", 2, false, true, false },
	{ PLAN_STE, "s1, 256 CDs", "s1, 1024 CDs", 1, false, false, false },
	{ PLAN_STE, "s1, 1024 CDs", "s1, 256 CDs", 1, false, true, false },
	{ PLAN_STE, "s1", "s1, ATS", 1, false, false, false },
	{ PLAN_STE, "s1, ATS", "s1", 1, false, false, true },
	{ PLAN_STE, "s1, ATS", "abort", 2, false, true, true },
	{ PLAN_STE, "s2, ATS", "s2, other VMID", 3, true, true, true },
	{ PLAN_STE, "s1", "s1, MEV", 1, false, false, false },
	{ PLAN_STE, "bypass", "bypass, shareable", 1, false, false, false },
	{ PLAN_STE, "nothing", "leftovers", 1, false, false, false },

	{ PLAN_CD, "nothing", "lower", 2, false, false, false },
	{ PLAN_CD, "lower", "nothing", 2, false, true, true },
	/* HA, HD and ASID are in word 0, HAFT and TTB0 in word 1. */
	{ PLAN_CD, "lower", "lower, tracked", 1, false, true, true },
	{ PLAN_CD, "lower, tracked", "lower", 1, false, true, true },
	{ PLAN_CD, "lower, tracked", "lower, tracked in tables", 1, false, true, true },
	{ PLAN_CD, "lower", "lower, tracked in tables", 2, false, true, true },
	{ PLAN_CD, "lower, tracked in tables", "lower", 2, false, true, true },
	{ PLAN_CD, "lower", "lower, other ASID", 1, false, true, true },
	{ PLAN_CD, "lower", "lower, other table", 1, false, true, true },
	{ PLAN_CD, "lower", "lower, other ASID and table", 3, true, true, true },
	{ PLAN_CD, "lower", "lower, smaller", 1, false, true, true },
	{ PLAN_CD, "lower", "lower, other MAIR", 1, false, true, true },
	{ PLAN_CD, "lower", "lower, stalls", 1, false, false, false },
	/* TTB1 before EPD1 is cleared, and after it is set. */
	{ PLAN_CD, "lower", "both", 2, false, true, true },
	{ PLAN_CD, "both", "lower", 2, false, true, true },
	{ PLAN_CD, "lower", "both, tracked in tables", 3, false, true, true },
	{ PLAN_CD, "both, tracked in tables", "lower", 3, false, true, true },
};

static void steps_by_hand(void **state)
{
	for (size_t i = 0; i < IODT_ARRAY_SIZE(by_hand); i++) {
		const struct expected *e = &by_hand[i];
		struct plan_case cases[PLAN_CASES];
		unsigned nr = plan_cases(e->kind, cases);
		struct iod_smmuv3_plan plan =
			plan_of(e->kind, find(cases, nr, e->from), find(cases, nr, e->to));

		if (plan.nr != e->steps || plan.breaks != e->breaks || plan.tlbi != e->tlbi ||
		    plan.atc != e->atc)
			fail_msg("%s -> %s: %u steps, breaks %d, tlbi %d, atc %d", e->from, e->to,
				 plan.nr, plan.breaks, plan.tlbi, plan.atc);
	}
}

/* Twins: all words at once, or two steps as one. The checker sees the mixtures. */
static void twins(void **state)
{
	unsigned at_once = 0, joined = 0, nr_joined = 0;
	bool haft;

	for (enum plan_kind kind = PLAN_STE; kind <= PLAN_CD; kind++) {
		struct plan_case cases[PLAN_CASES];
		unsigned nr = plan_cases(kind, cases);

		for (unsigned i = 0; i < nr * nr; i++) {
			const struct stefix_words *from = &cases[i / nr].words;
			const struct stefix_words *to = &cases[i % nr].words;
			struct iod_smmuv3_plan plan = plan_of(kind, from, to), twin = { .nr = 1 };

			if (plan.nr < 2)
				continue;
			haft = count_mixed(kind, &plan, from, to, false);
			twin.breaks = plan.breaks;
			twin.step[0].mask = (uint8_t)differing(from, to);
			twin.step[0].value = plan.step[plan.nr - 1].value;
			at_once += !!count_mixed(kind, &twin, from, to, false);
			for (unsigned n = 0; n + 1 < plan.nr; n++) {
				twin = plan;
				twin.nr--;
				twin.step[n].mask |= plan.step[n + 1].mask;
				twin.step[n].value = plan.step[n + 1].value;
				for (unsigned m = n + 1; m < twin.nr; m++)
					twin.step[m] = plan.step[m + 1];
				nr_joined++;
				joined += !!count_mixed(kind, &twin, from, to, haft);
			}
		}
	}
	assert_true(at_once > 500);
	assert_int_equal(joined, nr_joined);
}

static void arguments(void **state)
{
	struct iod_smmuv3_raw_ste ste = { { 0 } };
	struct iod_smmuv3_raw_cd cd = { { 0 } };
	struct iod_smmuv3_plan plan;

	assert_int_equal(iod_smmuv3_ste_plan(NULL, &ste, &ste), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_plan(&plan, NULL, &ste), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_plan(&plan, &ste, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_plan(NULL, &cd, &cd), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_plan(&plan, NULL, &cd), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_plan(&plan, &cd, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ste_pairs),	cmocka_unit_test(cd_pairs),
		cmocka_unit_test(random_pairs), cmocka_unit_test(steps_by_hand),
		cmocka_unit_test(twins),	cmocka_unit_test(arguments),
	};

	return cmocka_run_group_tests_name("smmu_plan", tests, NULL, NULL);
}
