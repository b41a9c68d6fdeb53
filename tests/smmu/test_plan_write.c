/* SPDX-License-Identifier: MIT */
/*
 * Carrying plans out on memory that hardware reads. The hardware here keeps every value of every word that it could
 * have read since the last SYNC that completed, and may put any of them together.
 */
#include "planfix.h"

#include <pthread.h>
#include <sched.h>

#include "bits.h"

#define SID	  0x1234u
#define SSID	  0x56u
#define SEEN_MAX  4u
#define SIDS	  40u
#define CALLS_MAX 64u

struct hw {
	enum plan_kind kind;
	struct iod_mem *mem;
	uint64_t pa;
	uint64_t *live;
	const struct stefix_words *from, *to;
	bool breaks, haft; /* what is allowed between */
	unsigned nr_seen[8];
	uint64_t seen[8][SEEN_MAX];
	unsigned mixed;			/* structures that mean neither */
	unsigned calls, syncs, nr_cmds; /* of the sink */
	unsigned fail_at;		/* the call that fails; 0: none */
	uint64_t cmd[CALLS_MAX * 16][2];
	struct iod_smmuv3_sink sink;
};

static void hw_forget(struct hw *hw)
{
	for (unsigned i = 0; i < 8; i++) {
		hw->seen[i][0] = stefix_le(hw->live[i]);
		hw->nr_seen[i] = 1;
	}
}

/* Memory is read once more. */
static void hw_see(struct hw *hw)
{
	for (unsigned i = 0; i < 8; i++) {
		uint64_t v = stefix_le(hw->live[i]);
		unsigned n = 0;

		while (n < hw->nr_seen[i] && hw->seen[i][n] != v)
			n++;
		if (n < hw->nr_seen[i])
			continue;
		assert_true(hw->nr_seen[i] < SEEN_MAX);
		hw->seen[i][hw->nr_seen[i]++] = v;
	}
}

/* Every structure that can be made of what was seen. */
static void hw_check(struct hw *hw)
{
	unsigned total = 1;

	for (unsigned i = 0; i < 8; i++)
		total *= hw->nr_seen[i];
	for (unsigned n = 0; n < total; n++) {
		struct stefix_words words;
		unsigned rest = n;
		enum plan_class c;

		for (unsigned i = 0; i < 8; i++) {
			words.w[i] = hw->seen[i][rest % hw->nr_seen[i]];
			rest /= hw->nr_seen[i];
		}
		c = plan_class(hw->kind, &words, hw->from, hw->to);
		hw->mixed += !(c == PLAN_OLD_OR_NEW || (c == PLAN_HAFT && hw->haft) ||
			       (c == PLAN_INVALID && hw->breaks));
	}
}

static int hw_issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		    size_t *issued)
{
	struct hw *hw = cookie;

	hw_see(hw);
	hw_check(hw);
	if (++hw->calls == hw->fail_at) {
		*issued = 0;
		return -EIO;
	}
	for (size_t i = 0; i < nr; i++) {
		assert_true(hw->nr_cmds < IODT_ARRAY_SIZE(hw->cmd));
		hw->cmd[hw->nr_cmds][0] = stefix_le(cmds[i].word[0]);
		hw->cmd[hw->nr_cmds++][1] = stefix_le(cmds[i].word[1]);
	}
	*issued = nr;
	hw->syncs += sync;
	if (sync)
		hw_forget(hw);
	return 0;
}

static void hw_put(struct hw *hw, const struct stefix_words *words)
{
	for (unsigned i = 0; i < 8; i++)
		hw->live[i] = stefix_le(words->w[i]);
}

static void hw_begin(struct hw *hw, enum plan_kind kind, const struct stefix_words *from,
		     const struct stefix_words *to)
{
	struct iod_smmuv3_plan plan = plan_of(kind, from, to);

	hw->kind = kind;
	hw->from = from;
	hw->to = to;
	hw->breaks = plan.breaks;
	hw->haft = kind == PLAN_CD && !plan.breaks && stefix_get(from, CD_V, 1) &&
		   stefix_get(to, CD_V, 1) &&
		   stefix_get(from, CD_HAFT, 1) != stefix_get(to, CD_HAFT, 1);
	hw->mixed = hw->calls = hw->syncs = hw->nr_cmds = hw->fail_at = 0;
	hw_put(hw, from);
	hw_forget(hw);
}

static int setup(void **state)
{
	struct hw *hw = calloc(1, sizeof(*hw));
	void *host;

	assert_non_null(hw);
	iodt_assert_ok(iod_mem_create_arena(&hw->mem, NULL));
	iodt_assert_ok(iod_mem_alloc(hw->mem, 4096, &hw->pa));
	hw->pa += 5 * 64;
	iodt_assert_ok(iod_mem_host_ptr(hw->mem, hw->pa, 64, true, &host));
	hw->live = host;
	hw->sink = (struct iod_smmuv3_sink){ sizeof(hw->sink), hw_issue, hw };
	*state = hw;
	return 0;
}

static int teardown(void **state)
{
	struct hw *hw = *state;

	iodt_assert_ok(iod_mem_free(hw->mem, hw->pa & ~UINT64_C(4095), 4096));
	iodt_assert_ok(iod_mem_destroy(hw->mem));
	free(hw);
	return 0;
}

static struct iod_smmuv3_change change_of(struct hw *hw)
{
	return (struct iod_smmuv3_change){
		.size = sizeof(struct iod_smmuv3_change),
		.mem = hw->mem,
		.pa = hw->pa,
		.sid = SID,
		.ssid = hw->kind == PLAN_CD ? SSID : 0,
		.sink = &hw->sink,
	};
}

static int write_to(struct hw *hw, struct iod_smmuv3_change *change)
{
	if (hw->kind == PLAN_STE) {
		struct iod_smmuv3_raw_ste raw = stefix_ste(hw->to);

		return iod_smmuv3_ste_write(change, &raw);
	} else {
		struct iod_smmuv3_raw_cd raw = stefix_cd(hw->to);

		return iod_smmuv3_cd_write(change, &raw);
	}
}

static void check_memory(const struct hw *hw, const struct stefix_words *words)
{
	struct stefix_words now = stefix_words(hw->live);

	assert_memory_equal(&now, words, sizeof(now));
}

static void for_all_pairs(struct hw *hw, void (*fn)(struct hw *hw))
{
	for (enum plan_kind kind = PLAN_STE; kind <= PLAN_CD; kind++) {
		struct plan_case cases[PLAN_CASES];
		unsigned nr = plan_cases(kind, cases);

		for (unsigned i = 0; i < nr * nr; i++) {
			hw_begin(hw, kind, &cases[i / nr].words, &cases[i % nr].words);
			fn(hw);
		}
	}
}

/* As many CFGI as steps, each with a SYNC; of the structure alone. */
static void one_change(struct hw *hw)
{
	struct iod_smmuv3_change change = change_of(hw);
	struct iod_smmuv3_plan plan = plan_of(hw->kind, hw->from, hw->to);

	iodt_assert_ok(write_to(hw, &change));
	check_memory(hw, hw->to);
	assert_int_equal(hw->mixed, 0);
	assert_memory_equal(&change.plan, &plan, sizeof(plan));
	assert_int_equal(change.steps, plan.nr);
	assert_int_equal(change.unsynced, 0);
	assert_int_equal(hw->syncs, plan.nr);
	assert_int_equal(hw->nr_cmds, plan.nr);
	for (unsigned i = 0; i < hw->nr_cmds; i++) {
		/* 4.3.1 CFGI_STE 3, 4.3.3 CFGI_CD 5: SSID [31:12], StreamID [63:32], Leaf 64. */
		uint64_t word = (uint64_t)SID << 32;

		word |= hw->kind == PLAN_STE ? 3 : SSID << 12 | 5;
		assert_int_equal(hw->cmd[i][0], word);
		assert_int_equal(hw->cmd[i][1], 1);
	}
	/* Again: nothing differs, nothing is done. */
	hw->calls = 0;
	iodt_assert_ok(write_to(hw, &change));
	assert_int_equal(change.plan.nr, 0);
	assert_int_equal(hw->calls, 0);
}

static void changes(void **state)
{
	for_all_pairs(*state, one_change);
}

/* The sink fails at any call; calling again goes on and ends right, and nothing is mixed meanwhile. */
static void failing_change(struct hw *hw)
{
	const struct stefix_words *from = hw->from, *to = hw->to;
	enum plan_kind kind = hw->kind;
	struct iod_smmuv3_plan whole = plan_of(kind, from, to);
	unsigned nr = whole.nr;

	for (unsigned fail_at = 1; fail_at <= nr; fail_at++) {
		for (unsigned again = 0; again < 2; again++) {
			struct iod_smmuv3_change change;

			hw_begin(hw, kind, from, to);
			change = change_of(hw);
			hw->fail_at = fail_at;
			assert_int_equal(write_to(hw, &change), -EIO);
			assert_int_equal(change.steps, fail_at - 1);
			assert_int_equal(change.unsynced, 1);
			if (again) { /* once more: nothing more is written */
				struct stefix_words before = stefix_words(hw->live);

				hw->fail_at = hw->calls + 1;
				assert_int_equal(write_to(hw, &change), -EIO);
				assert_int_equal(change.steps, 0);
				assert_int_equal(change.unsynced, 1);
				check_memory(hw, &before);
			}
			hw->fail_at = 0;
			iodt_assert_ok(write_to(hw, &change));
			assert_int_equal(change.unsynced, 0);
			assert_int_equal(change.steps, change.plan.nr);
			/* Steps that were done are not done again; the failed one is made good first. */
			assert_int_equal(change.plan.nr, nr - fail_at);
			/* What the old one left in TLBs and ATCs is there however often it was tried. */
			assert_true(change.plan.tlbi >= whole.tlbi);
			assert_true(change.plan.atc >= whole.atc);
			check_memory(hw, to);
			assert_int_equal(hw->mixed, 0);
		}
	}
}

static void failures(void **state)
{
	for_all_pairs(*state, failing_change);
}

static unsigned lost;

/* Twin: somebody forgets that a step was not synced. */
static void forgetful_change(struct hw *hw)
{
	struct iod_smmuv3_change change = change_of(hw);

	if (plan_of(hw->kind, hw->from, hw->to).nr < 2)
		return;
	hw->fail_at = 1;
	assert_int_equal(write_to(hw, &change), -EIO);
	hw->fail_at = 0;
	change.unsynced = 0;
	iodt_assert_ok(write_to(hw, &change));
	lost += !!hw->mixed;
}

static void twin_forgets(void **state)
{
	lost = 0;
	for_all_pairs(*state, forgetful_change);
	assert_true(lost > 500);
}

/* Twin: all words, one CFGI, one SYNC. */
static void hasty_change(struct hw *hw)
{
	struct iod_smmuv3_plan plan = plan_of(hw->kind, hw->from, hw->to);
	size_t issued;

	hw_put(hw, hw->to);
	hw_issue(hw, NULL, 0, true, &issued);
	if (plan.nr < 2)
		assert_int_equal(hw->mixed, 0);
	else
		lost += !!hw->mixed;
}

static void twin_at_once(void **state)
{
	lost = 0;
	for_all_pairs(*state, hasty_change);
	assert_true(lost > 500);
}

/* What would refuse traffic for a while is refused, if asked to. */
static void hitless_change(struct hw *hw)
{
	struct iod_smmuv3_change change = change_of(hw);

	change.flags = IOD_SMMUV3_CHANGE_HITLESS;
	assert_int_equal(write_to(hw, &change), hw->breaks ? -EBUSY : 0);
	if (!hw->breaks)
		return;
	assert_true(change.plan.breaks);
	assert_int_equal(change.steps, 0);
	assert_int_equal(hw->calls, 0);
	check_memory(hw, hw->from);
}

static void hitless(void **state)
{
	for_all_pairs(*state, hitless_change);
}

/* Before there is hardware: the end counts. */
static void silent_change(struct hw *hw)
{
	struct iod_smmuv3_change change = change_of(hw);

	change.sink = NULL;
	iodt_assert_ok(write_to(hw, &change));
	assert_int_equal(change.unsynced, 0);
	assert_int_equal(hw->calls, 0);
	check_memory(hw, hw->to);
}

static void no_hardware(void **state)
{
	for_all_pairs(*state, silent_change);
}

/* A CD that several streams reach is invalidated for each of them, and one SYNC is waited for. */
static void shared_cd(void **state)
{
	struct hw *hw = *state;
	struct plan_case cases[PLAN_CASES];
	struct iod_smmuv3_change change;
	uint32_t sids[SIDS];

	plan_cases(PLAN_CD, cases);
	for (unsigned i = 0; i < SIDS; i++)
		sids[i] = 100 + i;
	for (unsigned nr = 0; nr <= SIDS; nr++) {
		hw_begin(hw, PLAN_CD, &stefix_lower, &stefix_both);
		change = change_of(hw);
		change.sids = sids;
		change.nr_sids = nr;
		iodt_assert_ok(write_to(hw, &change));
		assert_int_equal(hw->mixed, 0);
		assert_int_equal(change.plan.nr, 2);
		assert_int_equal(hw->syncs, 2);
		assert_int_equal(hw->nr_cmds, 2 * (nr + 1));
		for (unsigned i = 0; i < hw->nr_cmds; i++) {
			unsigned n = i % (nr + 1);

			assert_int_equal(hw->cmd[i][0] & 0xff, 5);
			assert_int_equal(hw->cmd[i][0] >> 32, n ? sids[n - 1] : SID);
		}
	}
	/* Any of the calls may fail. */
	for (unsigned fail_at = 1; fail_at <= 6; fail_at++) {
		hw_begin(hw, PLAN_CD, &stefix_lower, &stefix_both);
		change = change_of(hw);
		change.sids = sids;
		change.nr_sids = SIDS;
		hw->fail_at = fail_at;
		assert_int_equal(write_to(hw, &change), -EIO);
		assert_int_equal(change.steps, (fail_at - 1) / 3);
		hw->fail_at = 0;
		iodt_assert_ok(write_to(hw, &change));
		assert_int_equal(hw->mixed, 0);
		check_memory(hw, &stefix_both);
	}
}

#define REFUSED(field, value, error)                            \
	do {                                                    \
		change = change_of(hw);                         \
		change.field = value;                           \
		assert_int_equal(write_to(hw, &change), error); \
		assert_int_equal(hw->calls, 0);                 \
		check_memory(hw, hw->from);                     \
	} while (0)

static void arguments(void **state)
{
	struct hw *hw = *state;
	struct iod_smmuv3_raw_ste ste = stefix_ste(&stefix_s2);
	struct iod_smmuv3_raw_cd cd = stefix_cd(&stefix_lower);
	struct iod_smmuv3_sink none = hw->sink;
	struct iod_smmuv3_change change;
	uint32_t sid = 7;

	none.issue = NULL;
	hw_begin(hw, PLAN_STE, &stefix_abort, &stefix_s2);
	change = change_of(hw);
	assert_int_equal(iod_smmuv3_ste_write(NULL, &ste), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_write(&change, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_write(NULL, &cd), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_write(&change, NULL), -EINVAL);
	REFUSED(size, 8, -EINVAL);
	REFUSED(mem, NULL, -EINVAL);
	REFUSED(pa, hw->pa + 8, -EINVAL);
	REFUSED(pa, 0, -EFAULT);
	REFUSED(flags, 2, -EINVAL);
	REFUSED(unsynced, 2, -EINVAL);
	REFUSED(reserved, 1, -EINVAL);
	REFUSED(sink, &none, -EINVAL);
	REFUSED(ssid, 1, -EINVAL);
	REFUSED(nr_sids, 1, -EINVAL);
	hw_begin(hw, PLAN_CD, &stefix_lower, &stefix_both);
	REFUSED(nr_sids, 1, -EINVAL);
	REFUSED(ssid, 1u << 20, -EINVAL);
	change = change_of(hw);
	change.sids = &sid;
	iodt_assert_ok(write_to(hw, &change));
}

/* A structure of a later version that sets nothing new is taken; one that does is not. */
static void sizes(void **state)
{
	struct hw *hw = *state;
	struct {
		struct iod_smmuv3_change change;
		uint64_t later;
	} large;
	struct iod_smmuv3_raw_ste ste = stefix_ste(&stefix_s2);

	hw_begin(hw, PLAN_STE, &stefix_abort, &stefix_s2);
	memset(&large, 0, sizeof(large));
	large.change = change_of(hw);
	large.change.size = sizeof(large);
	large.later = 1;
	assert_int_equal(iod_smmuv3_ste_write(&large.change, &ste), -E2BIG);
	large.later = 0;
	iodt_assert_ok(iod_smmuv3_ste_write(&large.change, &ste));
	assert_int_equal(large.change.size, sizeof(large));
	assert_int_equal(large.change.steps, 2);
}

/*
 * A thread that fetches word by word, in any order, and keeps what it has until it is told to forget it. It looks
 * at whole structures while another thread changes them.
 */
struct fetcher {
	struct hw *hw;
	pthread_mutex_t lock;			/* from and to */
	_Alignas(8) uint64_t forget, forgotten; /* atomic */
	uint64_t fetched, mixed;
	bool stop;
};

static int fetcher_issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
			 size_t *issued)
{
	struct fetcher *f = cookie;
	uint64_t want = __atomic_add_fetch(&f->forget, 1, __ATOMIC_ACQ_REL);

	*issued = nr;
	while (__atomic_load_n(&f->forgotten, __ATOMIC_ACQUIRE) < want)
		sched_yield();
	return 0;
}

static void fetcher_judge(struct fetcher *f, const struct stefix_words *words)
{
	const struct hw *hw = f->hw;
	enum plan_class c;

	pthread_mutex_lock(&f->lock);
	c = plan_class(hw->kind, words, hw->from, hw->to);
	f->mixed += !(c == PLAN_OLD_OR_NEW || (c == PLAN_HAFT && hw->haft) ||
		      (c == PLAN_INVALID && hw->breaks));
	pthread_mutex_unlock(&f->lock);
	f->fetched++;
}

static void *fetcher_run(void *arg)
{
	struct fetcher *f = arg;
	struct stefix_words words = { { 0 } };
	struct iodt t = { .rng = 50 };
	unsigned have = 0;

	while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
		uint64_t forget = __atomic_load_n(&f->forget, __ATOMIC_ACQUIRE);
		unsigned i = (unsigned)(iodt_random(&t) % 8);

		if (forget != f->forgotten) {
			have = 0;
			__atomic_store_n(&f->forgotten, forget, __ATOMIC_RELEASE);
		}
		if (!(have >> i & 1))
			words.w[i] = stefix_le(
				__atomic_load_n((iod_word *)&f->hw->live[i], __ATOMIC_RELAXED));
		have |= 1u << i;
		if (have == 0xff) {
			fetcher_judge(f, &words);
			have &= (unsigned)iodt_random(&t);
		}
	}
	return NULL;
}

static void fetched_meanwhile(void **state)
{
	struct hw *hw = *state;
	struct fetcher f = { .hw = hw, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct plan_case cases[2][PLAN_CASES];
	unsigned nr[2] = { plan_cases(PLAN_STE, cases[0]), plan_cases(PLAN_CD, cases[1]) };
	struct iodt t = { .rng = 51 };
	pthread_t thread;

	for (enum plan_kind kind = PLAN_STE; kind <= PLAN_CD; kind++) {
		const struct stefix_words *now = &cases[kind][0].words;

		hw_begin(hw, kind, now, now);
		f.stop = false;
		iodt_assert_ok(pthread_create(&thread, NULL, fetcher_run, &f));
		for (unsigned i = 0; i < iodt_scale(100); i++) {
			const struct stefix_words *to =
				&cases[kind][iodt_below(&t, nr[kind])].words;
			struct iod_smmuv3_sink sink = { sizeof(sink), fetcher_issue, &f };
			struct iod_smmuv3_plan plan = plan_of(kind, now, to);
			struct iod_smmuv3_change change = change_of(hw);

			pthread_mutex_lock(&f.lock);
			hw->from = now;
			hw->to = to;
			hw->breaks = plan.breaks;
			hw->haft = kind == PLAN_CD && !plan.breaks;
			pthread_mutex_unlock(&f.lock);
			change.sink = &sink;
			iodt_assert_ok(write_to(hw, &change));
			now = to;
		}
		__atomic_store_n(&f.stop, true, __ATOMIC_RELEASE);
		iodt_assert_ok(pthread_join(thread, NULL));
	}
	assert_true(f.fetched > 0);
	assert_int_equal(f.mixed, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(changes), TEST(failures),		TEST(twin_forgets), TEST(twin_at_once),
		TEST(hitless), TEST(no_hardware),	TEST(shared_cd),    TEST(arguments),
		TEST(sizes),   TEST(fetched_meanwhile),
	};

	return cmocka_run_group_tests_name("smmu_plan_write", tests, NULL, NULL);
}
