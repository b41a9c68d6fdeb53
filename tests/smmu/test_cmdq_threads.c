/* SPDX-License-Identifier: MIT */
/*
 * A command queue under many threads: when a sync returns, all that any thread had submitted before is complete;
 * each thread is told of its own errors and of no other's. The twins lose a sync, and are seen to.
 */
#include "cmdqrig.h"

#include <sched.h>

#define NR_THREADS 4u
#define IDS_EACH   (RIG_IDS / NR_THREADS)
#define BATCH_MAX  24u

static struct cmdqrig rig;

struct worker {
	pthread_t thread;
	uint32_t number, until;
	uint64_t rng;
	uint32_t submitted;	       /* atomic: what others may count on */
	uint32_t verified[NR_THREADS]; /* up to where those of others were complete */
	uint32_t open;		       /* refused commands that it has not been told of */
	uint64_t told;
	uint32_t violations;
};

static struct worker workers[NR_THREADS];
static bool twin_no_sync; /* a sync that is none */
static bool bad_commands;
static bool strays;

static uint32_t below(struct worker *w, uint32_t n)
{
	w->rng = w->rng * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(w->rng >> 33) % n;
}

/* Whether all commands of @other before @to are complete, of which those before @from were seen to be. */
static bool all_complete(uint32_t other, uint32_t from, uint32_t to)
{
	for (uint32_t n = from; n < to; n++)
		if (!rig_complete(&rig, other * IDS_EACH + n))
			return false;
	return true;
}

static int submit(struct worker *w, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		  struct iod_smmuv3_submitted *result)
{
	uint32_t before[NR_THREADS];
	int ret;

	for (uint32_t t = 0; t < NR_THREADS; t++)
		before[t] = __atomic_load_n(&workers[t].submitted, __ATOMIC_ACQUIRE);
	ret = iod_smmuv3_cmdq_submit(rig.q, cmds, nr, sync && !twin_no_sync, result);
	if (!sync)
		return ret;
	before[w->number] += (uint32_t)nr;
	for (uint32_t t = 0; t < NR_THREADS && !bad_commands; t++) {
		if (before[t] > w->verified[t] && !all_complete(t, w->verified[t], before[t]))
			w->violations++;
		if (before[t] > w->verified[t])
			w->verified[t] = before[t];
	}
	return ret;
}

/* A sync tells of what this call, and this thread since its last, did wrong; of others' strays it may. */
static void check_told(struct worker *w, int ret, const struct iod_smmuv3_submitted *result,
		       size_t bad)
{
	bool must = w->open || bad != SIZE_MAX;

	if (must ? ret != -EIO : ret && !(strays && ret == -EIO))
		w->violations++;
	if (bad != SIZE_MAX && result->issued != bad)
		w->violations++;
	if (!ret && result->cerror)
		w->violations++;
	w->told += !!ret;
	w->open = 0;
}

static void *work(void *arg)
{
	struct iod_smmuv3_submitted result = { .size = sizeof(result) };
	struct iod_smmuv3_raw_cmd cmds[BATCH_MAX];
	struct worker *w = arg;
	uint32_t next = 0;

	while (next + BATCH_MAX < w->until) {
		size_t nr = below(w, BATCH_MAX + 1), bad = SIZE_MAX;
		bool sync = !strays || below(w, 2);
		int ret;

		rig_cmds(cmds, w->number * IDS_EACH + next, nr);
		if (bad_commands && nr && below(w, 4) == 0) {
			bad = below(w, (uint32_t)nr);
			rig_cmd(&cmds[bad], RIG_BAD);
		}
		ret = submit(w, cmds, nr, sync, &result);
		next += (uint32_t)nr;
		__atomic_store_n(&w->submitted, next, __ATOMIC_RELEASE);
		if (sync)
			check_told(w, ret, &result, bad);
		else if (ret)
			w->violations++;
		else
			w->open += bad != SIZE_MAX;
	}
	return NULL;
}

/* Returns how often something was not as it should be. */
static uint32_t run(unsigned log2size, bool own_thread, bool too_early)
{
	uint32_t violations = 0;

	rig_open(&rig, log2size, 3 & ((2u << log2size) - 1), own_thread);
	rig.sync_too_early = too_early;
	for (uint32_t t = 0; t < NR_THREADS; t++) {
		memset(&workers[t], 0, sizeof(workers[t]));
		workers[t].number = t;
		workers[t].rng = t + 77;
		workers[t].until = iodt_scale(4000) < IDS_EACH ? iodt_scale(4000) : IDS_EACH;
	}
	for (uint32_t t = 0; t < NR_THREADS; t++)
		iodt_assert_ok(pthread_create(&workers[t].thread, NULL, work, &workers[t]));
	for (uint32_t t = 0; t < NR_THREADS; t++) {
		iodt_assert_ok(pthread_join(workers[t].thread, NULL));
		violations += workers[t].violations;
	}
	assert_int_equal(rig.gerror, rig.gerrorn);
	rig_close(&rig);
	return violations;
}

static void setup(bool with_bad, bool with_strays)
{
	twin_no_sync = false;
	bad_commands = with_bad;
	strays = with_strays;
}

static void test_sync_covers(void **state)
{
	for (int own = 0; own < 2; own++) {
		setup(false, true);
		assert_int_equal(run(5, own, false), 0);
		assert_int_equal(run(0, own, false), 0);
		setup(false, false);
		assert_int_equal(run(8, own, false), 0);
	}
}

/* The SMMU takes a SYNC for done that is not: the test must see it. */
static void test_twin_early(void **state)
{
	setup(false, true);
	assert_true(run(5, true, true) > 0);
	assert_true(run(5, false, true) > 0);
}

/* The driver does not wait: the test must see it. */
static void test_twin_no_sync(void **state)
{
	setup(false, true);
	twin_no_sync = true;
	assert_true(run(5, true, false) > 0);
}

/* Each is told of its own, by its place. */
static void test_errors(void **state)
{
	for (int own = 0; own < 2; own++) {
		setup(true, false);
		assert_int_equal(run(5, own, false), 0);
		assert_int_equal(run(1, own, false), 0);
	}
}

static void test_stray_errors(void **state)
{
	for (int own = 0; own < 2; own++) {
		setup(true, true);
		assert_int_equal(run(5, own, false), 0);
		assert_int_equal(run(2, own, false), 0);
	}
}

static void *sync_often(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < 500; i++)
		w->told += rig_submit(&rig, w->number * IDS_EACH, below(w, 5), true, NULL) == -EIO;
	return NULL;
}

/* Every SYNC that timed out is told to somebody, that of each thread to the thread. */
static void test_timeouts(void **state)
{
	uint64_t told = 0;

	rig_open(&rig, 5, 0, true);
	pthread_mutex_lock(&rig.lock);
	rig.timeouts = 300;
	pthread_mutex_unlock(&rig.lock);
	for (uint32_t t = 0; t < NR_THREADS; t++) {
		memset(&workers[t], 0, sizeof(workers[t]));
		workers[t].number = t;
		iodt_assert_ok(pthread_create(&workers[t].thread, NULL, sync_often, &workers[t]));
	}
	for (uint32_t t = 0; t < NR_THREADS; t++) {
		iodt_assert_ok(pthread_join(workers[t].thread, NULL));
		told += workers[t].told;
	}
	assert_int_equal(rig.timeouts, 0);
	assert_int_equal(rig_stats(&rig).errors, 300);
	assert_true(told > 0); /* a SYNC that times out again and again is one */
	rig_close(&rig);
}

#define NR_SYNCERS 3u

static _Thread_local unsigned syncer;
static uint32_t held[NR_SYNCERS], let_go[NR_SYNCERS]; /* atomic */

static void hold(struct cmdqrig *r)
{
	__atomic_store_n(&held[syncer], 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&let_go[syncer], __ATOMIC_ACQUIRE))
		sched_yield();
}

static void *sync_held(void *arg)
{
	struct worker *w = arg;

	syncer = w->number;
	w->told = rig_submit(&rig, 0, 0, true, NULL) == -EIO;
	return NULL;
}

/* A refused stray, a SYNC, another, a SYNC, another, a SYNC: whose call returns first is all the same. */
static void run_held(const unsigned order[NR_SYNCERS])
{
	rig_open(&rig, 5, 0, false);
	rig.stopped = true;
	rig.on_wait = hold;
	for (unsigned t = 0; t < NR_SYNCERS; t++) {
		held[t] = let_go[t] = 0;
		workers[t].number = t;
		iodt_assert_ok(rig_submit(&rig, (uint32_t)RIG_BAD, 1, false, NULL));
		iodt_assert_ok(pthread_create(&workers[t].thread, NULL, sync_held, &workers[t]));
		while (!__atomic_load_n(&held[t], __ATOMIC_ACQUIRE))
			sched_yield();
	}
	pthread_mutex_lock(&rig.lock);
	rig.stopped = false;
	pthread_mutex_unlock(&rig.lock);
	rig_turn(&rig); /* from now on whoever acknowledges an error has the next */
	for (unsigned i = 0; i < NR_SYNCERS; i++) {
		__atomic_store_n(&let_go[order[i]], 1, __ATOMIC_RELEASE);
		iodt_assert_ok(pthread_join(workers[order[i]].thread, NULL));
		assert_int_equal(workers[order[i]].told, 1);
	}
	rig.on_wait = NULL;
	assert_int_equal(rig_submit(&rig, 0, 0, true, NULL), -EIO); /* they were this thread's */
	iodt_assert_ok(rig_submit(&rig, 0, 0, true, NULL));
	rig_close(&rig);
}

/* No SYNC behind a refused command says that all before it is done, unless another said the opposite before. */
static void test_stray_first_sync(void **state)
{
	static const unsigned orders[][NR_SYNCERS] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
						       { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (unsigned i = 0; i < IODT_ARRAY_SIZE(orders); i++)
		run_held(orders[i]);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sync_covers),	 cmocka_unit_test(test_twin_early),
		cmocka_unit_test(test_twin_no_sync),	 cmocka_unit_test(test_errors),
		cmocka_unit_test(test_stray_errors),	 cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_stray_first_sync),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
