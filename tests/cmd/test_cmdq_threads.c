/* SPDX-License-Identifier: MIT */
/*
 * Command queues of all vendors under many threads: when a sync returns, all that any thread had submitted before is
 * complete; each thread is told of its own errors and of no other's; none is told that all is well when a device did
 * not answer. The twins lose a sync or are silent about the device, and are seen to.
 */
#include "cmd/cmdrig.h"

#include <sched.h>

#define NR_THREADS 4u
#define IDS_EACH   (RIG_IDS / NR_THREADS)
#define BATCH_MAX  24u

static struct rig rig;
static const struct rig_row *row;

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

static int submit(struct worker *w, const void *cmds, size_t nr, bool sync,
		  struct rig_result *result)
{
	uint32_t before[NR_THREADS];
	int ret;

	for (uint32_t t = 0; t < NR_THREADS; t++)
		before[t] = __atomic_load_n(&workers[t].submitted, __ATOMIC_ACQUIRE);
	ret = row->submit(rig.q, cmds, nr, sync && !twin_no_sync, result);
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
static void check_told(struct worker *w, int ret, const struct rig_result *result, size_t bad)
{
	bool must = w->open || bad != SIZE_MAX;

	if (must ? ret != -EIO : ret && !(strays && ret == -EIO))
		w->violations++;
	if (bad != SIZE_MAX && result->issued != bad)
		w->violations++;
	if (!ret && result->error)
		w->violations++;
	w->told += !!ret;
	w->open = 0;
}

static void *work(void *arg)
{
	struct rig_result result;
	unsigned char cmds[BATCH_MAX * RIG_RAW];
	struct worker *w = arg;
	uint32_t next = 0;

	while (next + BATCH_MAX < w->until) {
		size_t nr = below(w, BATCH_MAX + 1), bad = SIZE_MAX;
		bool sync = !strays || below(w, 2);
		int ret;

		rig_puts(&rig, cmds, w->number * IDS_EACH + next, nr);
		if (bad_commands && nr && below(w, 4) == 0) {
			bad = below(w, (uint32_t)nr);
			rig_put(&rig, cmds, bad, RIG_BAD);
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
static uint32_t run(unsigned more_lg2, bool own_thread, bool too_early)
{
	uint32_t violations = 0;

	rig_open(&rig, row, row->min_lg2 + more_lg2, 3, own_thread);
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
	assert_false(row->stands(&rig));
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
	for (row = rig_rows; row < rig_rows + rig_nr_rows; row++)
		for (int own = 0; own < 2; own++) {
			setup(false, true);
			assert_int_equal(run(0, own, false), 0);
			setup(false, false);
			assert_int_equal(run(5, own, false), 0);
		}
}

/* Hardware takes a sync for done that is not: the test must see it. */
static void test_twin_early(void **state)
{
	for (row = rig_rows; row < rig_rows + rig_nr_rows; row++) {
		setup(false, true);
		assert_true(run(5, true, true) > 0);
		assert_true(run(5, false, true) > 0);
	}
}

/* The driver does not wait: the test must see it. */
static void test_twin_no_sync(void **state)
{
	for (row = rig_rows; row < rig_rows + rig_nr_rows; row++) {
		setup(false, true);
		twin_no_sync = true;
		assert_true(run(5, true, false) > 0);
	}
}

/* Each is told of its own, by its place. */
static void test_errors(void **state)
{
	for (row = rig_rows; row < rig_rows + rig_nr_rows; row++)
		for (int own = 0; own < 2; own++) {
			setup(true, false);
			assert_int_equal(run(0, own, false), 0);
			assert_int_equal(run(4, own, false), 0);
		}
}

static void test_stray_errors(void **state)
{
	for (row = rig_rows; row < rig_rows + rig_nr_rows; row++)
		for (int own = 0; own < 2; own++) {
			setup(true, true);
			assert_int_equal(run(0, own, false), 0);
			assert_int_equal(run(4, own, false), 0);
		}
}

/* Devices that do not answer: whose commands those were may not be told that they are complete. */
static void *sync_often(void *arg)
{
	struct worker *w = arg;
	uint32_t next = 0, told_to = 0, nr;
	int ret;

	while (next + BATCH_MAX < w->until) {
		nr = below(w, 5);
		if (below(w, 3) == 0) { /* stays open until the next sync */
			if (rig_submit(&rig, w->number * IDS_EACH + next, nr, false, NULL))
				w->violations++;
			next += nr;
			continue;
		}
		ret = rig_submit(&rig, w->number * IDS_EACH + next, nr, true, NULL);
		next += nr;
		w->told += ret == -EIO;
		for (; told_to < next; told_to++)
			if (!ret && __atomic_load_n(&rig.unanswered[w->number * IDS_EACH + told_to],
						    __ATOMIC_RELAXED))
				w->violations++;
	}
	return NULL;
}

static uint32_t run_timeouts(bool own_thread, bool silent, uint64_t *told)
{
	uint32_t violations = 0;

	rig_open(&rig, row, row->min_lg2 + 4, 0, own_thread);
	pthread_mutex_lock(&rig.lock);
	rig.timeouts = 100;
	rig.silent = silent;
	pthread_mutex_unlock(&rig.lock);
	for (uint32_t t = 0; t < NR_THREADS; t++) {
		memset(&workers[t], 0, sizeof(workers[t]));
		workers[t].number = t;
		workers[t].rng = t + 5;
		workers[t].until = 2000;
		iodt_assert_ok(pthread_create(&workers[t].thread, NULL, sync_often, &workers[t]));
	}
	*told = 0;
	for (uint32_t t = 0; t < NR_THREADS; t++) {
		iodt_assert_ok(pthread_join(workers[t].thread, NULL));
		*told += workers[t].told;
		violations += workers[t].violations;
	}
	assert_int_equal(rig.timeouts, 0);
	if (!silent)
		assert_int_equal(rig_stats(&rig).errors, 100);
	rig_close(&rig);
	return violations;
}

static void test_timeouts(void **state)
{
	uint64_t told;

	for (row = rig_rows; row < rig_rows + rig_nr_rows; row++)
		for (int own = 0; own < 2; own++) {
			assert_int_equal(run_timeouts(own, false, &told), 0);
			assert_true(told > 0);
		}
}

/* Nobody says so: the test must see it. */
static void test_twin_silent(void **state)
{
	uint64_t told;

	for (row = rig_rows; row < rig_rows + rig_nr_rows; row++) {
		assert_true(run_timeouts(true, true, &told) > 0);
		assert_int_equal(told, 0);
	}
}

#define NR_SYNCERS 3u

static _Thread_local unsigned syncer;
static uint32_t held[NR_SYNCERS], let_go[NR_SYNCERS]; /* atomic */

static void hold(struct rig *r)
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

/* A refused stray, a sync, another, a sync, another, a sync: whose call returns first is all the same. */
static void run_held(const unsigned order[NR_SYNCERS])
{
	rig_open(&rig, row, row->min_lg2 + 5, 0, false);
	rig.stopped = true;
	rig.on_wait = hold;
	for (unsigned t = 0; t < NR_SYNCERS; t++) {
		held[t] = let_go[t] = 0;
		workers[t].number = t;
		iodt_assert_ok(rig_submit(&rig, RIG_BAD, 1, false, NULL));
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

/* No sync behind a refused command says that all before it is done, unless another said the opposite before. */
static void test_stray_first_sync(void **state)
{
	static const unsigned orders[][NR_SYNCERS] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
						       { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (row = rig_rows; row < rig_rows + rig_nr_rows; row++)
		for (unsigned i = 0; i < IODT_ARRAY_SIZE(orders); i++)
			run_held(orders[i]);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sync_covers),  cmocka_unit_test(test_twin_early),
		cmocka_unit_test(test_twin_no_sync), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_stray_errors), cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_twin_silent),  cmocka_unit_test(test_stray_first_sync),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
