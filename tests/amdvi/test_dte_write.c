/* SPDX-License-Identifier: MIT */
/*
 * Carrying plans out on memory that hardware reads: what is in memory at each COMPLETION_WAIT, commands that fail, and
 * a thread that reads all the while.
 */
#include "amdvi/dtefix.h"

#include <iodirty/amdvi_queue.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define BASE  UINT64_C(0x10000)
#define DEVID 0x1234u

struct hw {
	_Alignas(32) uint64_t memory[4096 / 8];
	struct iod_mem *mem;
	struct iod_amdvi_sink sink;
	unsigned calls, fail_at; /* of the sink; 0: never */
	int error;
	struct iod_amdvi_raw_dte seen[8]; /* at each call */
};

static int issue(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, bool sync,
		 size_t *issued)
{
	struct hw *hw = cookie;
	uint64_t want[2];

	/* INVALIDATE_DEVTAB_ENTRY, and a sync */
	iodt_put_le64(&want[0], UINT64_C(2) << 60 | DEVID);
	want[1] = 0;
	assert_int_equal(nr, 1);
	assert_true(sync);
	assert_memory_equal(cmds, want, sizeof(want));
	assert_true(hw->calls < IODT_ARRAY_SIZE(hw->seen));
	memcpy(&hw->seen[hw->calls], hw->memory, 32);
	hw->calls++;
	*issued = hw->calls != hw->fail_at;
	return *issued ? 0 : hw->error;
}

static void hw_open(struct hw *hw, void *host, const struct dtefix *dte)
{
	struct iod_mem_region region = { .pa = BASE, .len = 4096, .host = host };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };
	struct iod_amdvi_raw_dte raw = dtefix_raw(dte);

	memset(hw, 0, sizeof(*hw));
	iodt_assert_ok(iod_mem_create_vm(&hw->mem, &cfg));
	hw->sink =
		(struct iod_amdvi_sink){ .size = sizeof(hw->sink), .issue = issue, .cookie = hw };
	memcpy(host, &raw, sizeof(raw));
}

static struct iod_amdvi_change change_of(struct hw *hw, uint32_t flags)
{
	return (struct iod_amdvi_change){ .size = sizeof(struct iod_amdvi_change),
					  .mem = hw->mem,
					  .pa = BASE,
					  .devid = DEVID,
					  .flags = flags,
					  .sink = &hw->sink };
}

static void check_written(const struct hw *hw, const struct iod_amdvi_raw_dte *to)
{
	assert_memory_equal(hw->memory, to, sizeof(*to));
}

/* All pairs: a sync after each step, with what the plan says in memory. */
static void test_steps(void **state)
{
	struct iod_amdvi_raw_dte a, b;
	struct iod_amdvi_plan plan;
	struct hw hw;

	for (unsigned n = 0; n < 2 * DTEFIX_NR * DTEFIX_NR; n++) {
		uint32_t flags = n % 2 || !iod_amdvi_atomic128() ? IOD_AMDVI_CHANGE_WORDS : 0;
		const struct dtefix *from = &dtefix_entries[n / 2 % DTEFIX_NR];
		const struct dtefix *to = &dtefix_entries[n / 2 / DTEFIX_NR];
		struct iod_amdvi_change change;

		hw_open(&hw, hw.memory, from);
		change = change_of(&hw, flags);
		a = dtefix_raw(from);
		b = dtefix_raw(to);
		iodt_assert_ok(iod_amdvi_dte_plan(&plan, &a, &b, flags));
		iodt_assert_ok(iod_amdvi_dte_write(&change, &b));
		assert_int_equal(hw.calls, plan.nr);
		assert_int_equal(change.steps, plan.nr);
		assert_int_equal(change.flags, flags);
		assert_int_equal(change.unsynced, 0);
		for (unsigned k = 0; k < plan.nr; k++)
			assert_memory_equal(&hw.seen[k], &plan.step[k].value, 32);
		check_written(&hw, &b);
		iod_mem_destroy(hw.mem);
	}
}

static void test_hitless(void **state)
{
	struct iod_amdvi_raw_dte from = dtefix_raw(&dtefix_entries[8]);
	struct iod_amdvi_raw_dte to = dtefix_raw(&dtefix_entries[10]);
	struct iod_amdvi_change change;
	struct hw hw;

	hw_open(&hw, hw.memory, &dtefix_entries[8]);
	change = change_of(&hw, IOD_AMDVI_CHANGE_HITLESS);
	assert_int_equal(iod_amdvi_dte_write(&change, &to), -EBUSY);
	check_written(&hw, &from);
	assert_int_equal(hw.calls, 0);
	iod_mem_destroy(hw.mem);
}

/* A command that fails at each call: calling again with the same struct goes on, and what is owed stays. */
static void test_failures(void **state)
{
	struct iod_amdvi_raw_dte to;
	struct hw hw;

	for (unsigned n = 0; n < DTEFIX_NR * DTEFIX_NR; n++) {
		const struct dtefix *from = &dtefix_entries[n % DTEFIX_NR];
		struct iod_amdvi_plan plan;
		struct iod_amdvi_raw_dte a = dtefix_raw(from);

		to = dtefix_raw(&dtefix_entries[n / DTEFIX_NR]);
		iodt_assert_ok(iod_amdvi_dte_plan(&plan, &a, &to, IOD_AMDVI_CHANGE_WORDS));
		for (unsigned at = 1; at <= plan.nr; at++) {
			struct iod_amdvi_change change;

			hw_open(&hw, hw.memory, from);
			hw.fail_at = at;
			hw.error = -ETIMEDOUT;
			change = change_of(&hw, IOD_AMDVI_CHANGE_WORDS);
			assert_int_equal(iod_amdvi_dte_write(&change, &to), -ETIMEDOUT);
			assert_int_equal(change.unsynced, 1);
			assert_int_equal(change.steps, at - 1);
			iodt_assert_ok(iod_amdvi_dte_write(&change, &to));
			/* first what was owed, with the same in memory */
			assert_memory_equal(&hw.seen[at - 1], &hw.seen[at], 32);
			assert_int_equal(change.unsynced, 0);
			assert_true(change.plan.tlbi >= plan.tlbi && change.plan.atc >= plan.atc &&
				    change.plan.irt >= plan.irt);
			check_written(&hw, &to);
			iod_mem_destroy(hw.mem);
		}
	}
}

static void test_arguments(void **state)
{
	struct iod_amdvi_raw_dte to = { { 0 } };
	struct iod_amdvi_change change;
	struct hw hw;

	hw_open(&hw, hw.memory, &dtefix_entries[4]);
	assert_int_equal(iod_amdvi_dte_write(NULL, &to), -EINVAL);
	change = change_of(&hw, 0);
	assert_int_equal(iod_amdvi_dte_write(&change, NULL), -EINVAL);
	change.pa = BASE + 16;
	assert_int_equal(iod_amdvi_dte_write(&change, &to), -EINVAL);
	change = change_of(&hw, 4);
	assert_int_equal(iod_amdvi_dte_write(&change, &to), -EINVAL);
	change = change_of(&hw, 0);
	change.unsynced = 2;
	assert_int_equal(iod_amdvi_dte_write(&change, &to), -EINVAL);
	change = change_of(&hw, 0);
	change.mem = NULL;
	assert_int_equal(iod_amdvi_dte_write(&change, &to), -EINVAL);
	change = change_of(&hw, 0);
	change.size = 1;
	assert_int_equal(iod_amdvi_dte_write(&change, &to), -EINVAL);
	change = change_of(&hw, 0);
	change.pa = BASE + 4096;
	assert_int_equal(iod_amdvi_dte_write(&change, &to), -EFAULT);
	change = change_of(&hw, 0);
	change.sink = NULL; /* no hardware yet */
	iodt_assert_ok(iod_amdvi_dte_write(&change, &to));
	check_written(&hw, &to);
	assert_int_equal(hw.calls, 0);
	iod_mem_destroy(hw.mem);
}

/* A DTE that is not at a multiple of 16 in the host's memory is written by words. */
static void test_misaligned(void **state)
{
	_Alignas(32) static uint64_t memory[4096 / 8 + 1];
	struct iod_amdvi_raw_dte to = dtefix_raw(&dtefix_entries[7]);
	struct iod_amdvi_change change;
	struct hw hw;

	hw_open(&hw, memory + 1, &dtefix_entries[4]);
	hw.sink.issue = NULL;
	change = change_of(&hw, 0);
	change.sink = NULL;
	iodt_assert_ok(iod_amdvi_dte_write(&change, &to));
	assert_memory_equal(memory + 1, &to, sizeof(to));
	assert_true(change.plan.breaks && change.plan.nr == 3);
	assert_int_equal(change.flags, 0);
	iod_mem_destroy(hw.mem);
}

/* ---- a reader all the while ---- */

struct reader {
	struct hw *hw;
	struct dtefix from, to;
	bool breaks;
	atomic_bool stop;
	uint64_t reads;
	atomic_uint wrong;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;

	do {
		struct iod_amdvi_raw_dte raw;
		struct dtefix dte;
		enum dtefix_class c;

		if (iod_amdvi_dte_read(&raw, r->hw->mem, BASE))
			abort();
		dte = dtefix_of(&raw);
		c = dtefix_class(&dte, &r->from, &r->to);
		if (c == DTEFIX_WRONG || (c == DTEFIX_BLOCKS && !r->breaks))
			atomic_fetch_add(&r->wrong, 1);
		r->reads++;
	} while (!atomic_load(&r->stop));
	return NULL;
}

static int no_hardware(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, bool sync,
		       size_t *issued)
{
	*issued = nr;
	return 0;
}

/* To and fro while somebody reads. With plain stores instead, in the wrong order, it is seen. */
static unsigned race(unsigned from, unsigned to, uint32_t flags, bool broken, unsigned rounds)
{
	struct iod_amdvi_raw_dte raw[2] = { dtefix_raw(&dtefix_entries[from]),
					    dtefix_raw(&dtefix_entries[to]) };
	struct iod_amdvi_change change;
	struct reader r = { .from = dtefix_entries[from], .to = dtefix_entries[to] };
	struct hw hw;
	pthread_t thread;

	hw_open(&hw, hw.memory, &dtefix_entries[from]);
	hw.sink.issue = no_hardware;
	r.hw = &hw;
	change = change_of(&hw, flags);
	if (!iod_amdvi_atomic128())
		flags |= IOD_AMDVI_CHANGE_WORDS; /* as it is written */
	iodt_assert_ok(iod_amdvi_dte_plan(&change.plan, &raw[0], &raw[1], flags));
	r.breaks = change.plan.breaks;
	assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
	for (unsigned i = 1; i <= rounds || (broken && !atomic_load(&r.wrong) && i < 100 * rounds);
	     i++) {
		if (!broken) {
			iodt_assert_ok(iod_amdvi_dte_write(&change, &raw[i % 2]));
			continue;
		}
		for (unsigned k = 0; k < 4; k++) {
			__atomic_store_n(&hw.memory[k], raw[i % 2].word[k], __ATOMIC_SEQ_CST);
			if (!k && !(i % 64)) /* they differ in words 0 and 1 */
				sched_yield();
		}
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	iod_mem_destroy(hw.mem);
	assert_true(r.reads > 0);
	return atomic_load(&r.wrong);
}

static void test_race(void **state)
{
	static const uint8_t pairs[][2] = { { 4, 5 },	{ 4, 7 }, { 8, 10 },
					    { 11, 12 }, { 4, 9 }, { 13, 14 } };

	for (size_t i = 0; i < IODT_ARRAY_SIZE(pairs); i++)
		for (uint32_t flags = 0; flags <= IOD_AMDVI_CHANGE_WORDS;
		     flags += IOD_AMDVI_CHANGE_WORDS)
			assert_int_equal(
				race(pairs[i][0], pairs[i][1], flags, false, iodt_scale(4000)), 0);
}

static void test_race_twin(void **state)
{
	assert_true(race(4, 7, 0, true, iodt_scale(20000)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),	   cmocka_unit_test(test_hitless),
		cmocka_unit_test(test_failures),   cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_misaligned), cmocka_unit_test(test_race),
		cmocka_unit_test(test_race_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
