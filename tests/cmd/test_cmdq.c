/* SPDX-License-Identifier: MIT */
/*
 * A driver's command queue of each vendor, one thread: batches of every size, errors and who is told of them, hardware
 * that does not answer, devices that do not. What is an SMMU's own is in smmu/test_cmdq.c; hardware that lies:
 * test_cmdq_hostile.c.
 */
#include "cmd/cmdrig.h"

static struct rig rig;

static void expect(int ret, int want_ret, const struct rig_result *result, size_t issued,
		   enum rig_error error)
{
	assert_int_equal(ret, want_ret);
	assert_int_equal(result->issued, issued);
	assert_int_equal(result->error, error);
}

static void open_row(const struct rig_row *row, unsigned more_lg2)
{
	rig_open(&rig, row, row->min_lg2 + more_lg2, 3, false);
}

/* By hand: two commands and a sync, around the end of the ring. */
static void expect_entry(unsigned index, uint64_t w0, uint64_t w1)
{
	uint64_t word[4] = { 0 };

	iodt_put_le64(&word[0], w0);
	iodt_put_le64(&word[1], w1);
	assert_memory_equal(&rig.ring[(size_t)index * rig.row->entry / 8], word, rig.row->entry);
}

static void test_ring(void **state)
{
	RIG_FOR_ROWS(row)
	{
		unsigned lg2 = row->min_lg2, nr = 1u << lg2;
		struct rig_result result;

		if (!row->spare)
			continue; /* smmu/test_cmdq.c */
		rig_open(&rig, row, lg2, nr - 2, false);
		expect(rig_submit(&rig, 0x1234, 2, true, &result), 0, &result, 2, RIG_OK);
		assert_int_equal(rig.tail, row->entry);
		assert_int_equal(rig.head, row->entry);
		/* Positions begin at twice the ring: the sync stores that of the entry behind it, 3 N + 1. */
		if (row->raw_size == 32) {
			expect_entry(nr - 2, UINT64_C(0x12340021), 0);
			expect_entry(nr - 1, UINT64_C(0x12350021), 0);
			expect_entry(0, (UINT64_C(3) * nr + 1) << 32 | 0x65, RIG_WORD + 12);
			assert_int_equal(((unsigned char *)rig.page)[12], (3 * nr + 1) & 0xff);
			assert_int_equal(((unsigned char *)rig.page)[13], 3 * nr >> 8);
			assert_int_equal(((unsigned char *)rig.page)[16], 0xa5);
		} else {
			expect_entry(nr - 2, UINT64_C(0x2000000000001234), 0);
			expect_entry(nr - 1, UINT64_C(0x2000000000001235), 0);
			expect_entry(0, UINT64_C(0x1000000000000005) | (RIG_WORD + 16),
				     UINT64_C(3) * nr + 1);
			assert_int_equal(((unsigned char *)rig.page)[16], 1);
			assert_int_equal(((unsigned char *)rig.page)[24], 0xa5);
		}
		assert_int_equal(((unsigned char *)rig.page)[11], 0xa5);
		rig_close(&rig);
	}
}

static void test_sizes(void **state)
{
	RIG_FOR_ROWS(row)
	for (unsigned more = 0; more < 3; more++) {
		struct rig_result result;
		uint32_t next = 0;

		open_row(row, more);
		for (size_t nr = 0; nr < 60; nr++) {
			expect(rig_submit(&rig, next, nr, nr % 3, &result), 0, &result, nr, RIG_OK);
			next += (uint32_t)nr;
		}
		expect(rig_submit(&rig, next, 1100, true, &result), 0, &result, 1100, RIG_OK);
		next += 1100;
		assert_int_equal(rig.nr_order, next);
		for (uint32_t i = 0; i < next; i++)
			assert_int_equal(rig.order[i], i);
		rig_close(&rig);
	}
}

/* The ring takes all its entries but those that must stay empty. */
static void test_full(void **state)
{
	RIG_FOR_ROWS(row)
	{
		uint32_t capacity = (1u << row->min_lg2) - row->spare;
		struct rig_result result;

		open_row(row, 0);
		rig.stopped = true;
		rig.patience = 5;
		rig.wait_gives = -ETIME;
		expect(rig_submit(&rig, 0, capacity, false, &result), 0, &result, capacity, RIG_OK);
		assert_int_equal(rig_stats(&rig).full, 0);
		expect(rig_submit(&rig, 0, 1, false, &result), -ETIME, &result, 0, RIG_OK);
		assert_int_equal(rig_stats(&rig).full, 1);
		rig.stopped = false;
		rig.patience = 0;
		rig_turn(&rig);
		iodt_assert_ok(rig_submit(&rig, 0, 0, true, NULL));
		assert_int_equal(rig.nr_order, capacity);
		rig_close(&rig);
	}
}

/* A refused command at each place of a batch: it is named, the rest is done, nobody is told twice. */
static void test_refused(void **state)
{
	unsigned char cmds[9 * RIG_RAW];

	RIG_FOR_ROWS(row)
	{
		struct rig_result result;

		open_row(row, 0);
		for (size_t bad = 0; bad < 9; bad++) {
			rig.nr_order = 0;
			rig_puts(&rig, cmds, 0, 9);
			rig_put(&rig, cmds, bad, RIG_BAD);
			expect(row->submit(rig.q, cmds, 9, true, &result), -EIO, &result, bad,
			       RIG_REFUSED);
			assert_false(row->stands(&rig));
			assert_int_equal(rig.nr_order, 8);
			for (uint32_t i = 0; i < 8; i++)
				assert_int_equal(rig.order[i], i < bad ? i : i + 1);
			expect(rig_submit(&rig, 0, 1, true, &result), 0, &result, 1, RIG_OK);
		}
		assert_true(rig_stats(&rig).errors >= 9 * row->stops);
		/* Three, two of them side by side: the first is named. */
		rig_puts(&rig, cmds, 0, 9);
		rig_put(&rig, cmds, 7, RIG_BAD);
		rig_put(&rig, cmds, 3, RIG_BAD);
		rig_put(&rig, cmds, 2, RIG_BAD);
		rig.nr_order = 0;
		expect(row->submit(rig.q, cmds, 9, true, &result), -EIO, &result, 2, RIG_REFUSED);
		assert_int_equal(rig.nr_order, 6);
		expect(rig_submit(&rig, 0, 1, true, &result), 0, &result, 1, RIG_OK);
		rig_close(&rig);
	}
}

/* Without a sync the thread is told when it syncs. */
static void test_refused_stray(void **state)
{
	RIG_FOR_ROWS(row)
	{
		struct rig_result result;

		open_row(row, 3);
		expect(rig_submit(&rig, RIG_BAD, 1, false, &result), 0, &result, 1, RIG_OK);
		iodt_assert_ok(rig_submit(&rig, 1, 1, false, NULL));
		expect(rig_submit(&rig, 2, 2, true, &result), -EIO, &result, 2, RIG_REFUSED);
		expect(rig_submit(&rig, 4, 1, true, &result), 0, &result, 1, RIG_OK);
		assert_int_equal(rig.nr_order, 4);
		rig_close(&rig);
	}
}

static void *sync_thread(void *arg)
{
	*(int *)arg = rig_submit(&rig, 0, 0, true, NULL);
	return NULL;
}

static int sync_elsewhere(void)
{
	pthread_t thread;
	int ret = 1;

	iodt_assert_ok(pthread_create(&thread, NULL, sync_thread, &ret));
	iodt_assert_ok(pthread_join(thread, NULL));
	return ret;
}

/* A sync of another thread is told as well: who submits need not be who syncs. */
static void test_stray_of_another(void **state)
{
	RIG_FOR_ROWS(row)
	{
		open_row(row, 4);
		iodt_assert_ok(rig_submit(&rig, RIG_BAD, 1, false, NULL));
		assert_int_equal(sync_elsewhere(), -EIO);
		assert_int_equal(sync_elsewhere(), 0);
		assert_int_equal(rig_submit(&rig, 0, 0, true, NULL), -EIO);
		iodt_assert_ok(rig_submit(&rig, 0, 0, true, NULL));
		/* Nothing of ours is open now. */
		rig.timeouts = 1;
		assert_int_equal(sync_elsewhere(), -EIO);
		iodt_assert_ok(rig_submit(&rig, 0, 0, true, NULL));
		/* An invalidation of ours may be what timed out in the other's sync. */
		iodt_assert_ok(rig_submit(&rig, 1, 1, false, NULL));
		rig.timeouts = 1;
		assert_int_equal(sync_elsewhere(), -EIO);
		assert_int_equal(rig_submit(&rig, 0, 0, true, NULL), -EIO);
		iodt_assert_ok(rig_submit(&rig, 0, 0, true, NULL));
		rig_close(&rig);
	}
}

static void *stray_thread(void *arg)
{
	assert_int_equal(rig_submit(&rig, 1, 1, false, NULL), 0);
	return NULL;
}

/* More threads with open ends than can be remembered: those that are too many wait. */
static void test_many_strays(void **state)
{
	RIG_FOR_ROWS(row)
	{
		pthread_t thread[80];
		uint32_t syncs;

		open_row(row, 1);
		for (unsigned i = 0; i < 80;
		     i++) /* all alive at once, or their ids would be used again */
			iodt_assert_ok(pthread_create(&thread[i], NULL, stray_thread, NULL));
		for (unsigned i = 0; i < 80; i++)
			iodt_assert_ok(pthread_join(thread[i], NULL));
		syncs = rig.syncs;
		iodt_assert_ok(rig_submit(&rig, 2, 1, true, NULL));
		assert_int_equal(rig.syncs, syncs + 1);
		assert_int_equal(rig.nr_order, 81);
		rig_close(&rig);
	}
}

static void test_timeout(void **state)
{
	RIG_FOR_ROWS(row)
	{
		struct rig_result result;
		unsigned char cmds[3 * RIG_RAW];
		size_t issued = 9;

		open_row(row, 4);
		rig.timeouts = row->by_event ? 1 : 3; /* the sync is tried until it goes through */
		expect(rig_submit(&rig, 0, 3, true, &result), -EIO, &result, 3, RIG_TIMEOUT);
		assert_int_equal(rig.timeouts, 0);
		assert_int_equal(rig.syncs, 1);
		assert_int_equal(rig_stats(&rig).errors, row->by_event ? 1 : 3);
		assert_false(row->stands(&rig));
		expect(rig_submit(&rig, 0, 3, true, &result), 0, &result, 3, RIG_OK);
		/* That a command was refused says more. */
		rig_puts(&rig, cmds, 0, 3);
		rig_put(&rig, cmds, 1, RIG_BAD);
		rig.timeouts = 1;
		expect(row->submit(rig.q, cmds, 3, true, &result), -EIO, &result, 1, RIG_REFUSED);
		expect(rig_submit(&rig, 0, 3, true, &result), 0, &result, 3, RIG_OK);
		/* A sink passes it on. */
		rig_puts(&rig, cmds, 0, 3);
		rig.timeouts = 1;
		assert_int_equal(row->issue(rig.q, cmds, 3, true, &issued), -ETIMEDOUT);
		assert_int_equal(issued, 3);
		iodt_assert_ok(row->issue(rig.q, cmds, 2, true, &issued));
		assert_int_equal(issued, 2);
		rig_put(&rig, cmds, 1, RIG_BAD);
		assert_int_equal(row->issue(rig.q, cmds, 3, true, &issued), -EIO);
		assert_int_equal(issued, 1);
		rig.stopped = true;
		rig.patience = 1;
		rig.wait_gives = -ETIMEDOUT;
		assert_int_equal(row->issue(rig.q, cmds, 1, true, &issued), -ETIME);
		rig_close(&rig);
	}
}

/* It never completes: the caller decides when it is enough, also where hardware answers at once. */
static void test_timeout_for_ever(void **state)
{
	RIG_FOR_ROWS(row)
	{
		struct rig_result result;

		if (row->by_event)
			continue; /* hardware goes on by itself */
		open_row(row, 4);
		rig.timeouts = UINT32_MAX;
		rig.patience = 50;
		rig.wait_gives = -ETIME;
		expect(rig_submit(&rig, 0, 2, true, &result), -ETIME, &result, 2, RIG_TIMEOUT);
		assert_int_equal(rig.waited, 50);
		rig.timeouts = 0;
		rig.patience = 0;
		assert_int_equal(rig_submit(&rig, 2, 1, true, NULL),
				 -EIO); /* what was left behind */
		iodt_assert_ok(rig_submit(&rig, 3, 1, true, NULL));
		rig_close(&rig);
	}
}

/* Nobody looks at the event log before a sync returns: the next one tells. */
static void test_timeout_late(void **state)
{
	RIG_FOR_ROWS(row)
	{
		if (!row->by_event)
			continue;
		memset(&rig, 0, sizeof(rig));
		rig_open(&rig, row, row->min_lg2, 0, false);
		row->destroy(rig.q);
		rig.no_events = true;
		row->reset(&rig, 7);
		iodt_assert_ok(row->create(&rig, rig.lg2, &rig.q));
		iodt_assert_ok(rig_submit(&rig, 0, 3, true, NULL));
		iodt_assert_ok(iod_amdvi_cmdq_timeout(rig.q));
		assert_int_equal(sync_elsewhere(), -EIO);
		iodt_assert_ok(rig_submit(&rig, 0, 1, true, NULL));
		/* Commands of this thread are open: it is told as well. */
		iodt_assert_ok(rig_submit(&rig, 0, 1, false, NULL));
		iodt_assert_ok(iod_amdvi_cmdq_timeout(rig.q));
		assert_int_equal(sync_elsewhere(), -EIO);
		assert_int_equal(rig_submit(&rig, 0, 1, true, NULL), -EIO);
		iodt_assert_ok(rig_submit(&rig, 0, 1, true, NULL));
		assert_int_equal(iod_amdvi_cmdq_timeout(NULL), -EINVAL);
		rig_close(&rig);
	}
}

static void test_dead(void **state)
{
	RIG_FOR_ROWS(row)
	{
		struct rig_result result;

		open_row(row, 2);
		iodt_assert_ok(rig_submit(&rig, 0, 2, true, &result));
		rig.broken = true;
		assert_int_equal(rig_submit(&rig, 0, 2, true, &result), -EIO);
		assert_true(result.error == RIG_LOST || result.error == RIG_REFUSED);
		assert_true(result.issued <= 2);
		rig.broken = false;
		expect(rig_submit(&rig, 0, 2, true, &result), -EIO, &result, 0, RIG_LOST);
		expect(rig_submit(&rig, 0, 2, false, &result), -EIO, &result, 0, RIG_LOST);
		rig_close(&rig);
	}
}

static void test_gives_up(void **state)
{
	RIG_FOR_ROWS(row)
	{
		struct rig_result result;

		open_row(row, 2);
		rig.stopped = true;
		rig.patience = 10;
		rig.wait_gives = -ETIME;
		expect(rig_submit(&rig, 0, 2, true, &result), -ETIME, &result, 2, RIG_OK);
		assert_int_equal(rig.waited, 10);
		rig.stopped = false;
		rig.patience = 0;
		rig_turn(&rig);
		expect(rig_submit(&rig, 2, 1, true, &result), 0, &result, 1, RIG_OK);
		assert_int_equal(rig.nr_order, 3);
		/* What was left behind and is refused later is told by the next sync. */
		rig.stopped = true;
		rig.patience = 1;
		assert_int_equal(rig_submit(&rig, RIG_BAD, 1, true, NULL), -ETIME);
		rig.stopped = false;
		rig.patience = 0;
		expect(rig_submit(&rig, 4, 1, true, &result), -EIO, &result, 1, RIG_REFUSED);
		expect(rig_submit(&rig, 4, 1, true, &result), 0, &result, 1, RIG_OK);
		rig_close(&rig);
	}
}

static void call_inside(struct rig *r)
{
	r->on_doorbell = NULL;
	r->on_wait = NULL;
	iodt_assert_ok(rig_submit(r, 100, 1, false, NULL));
	(void)rig_stats(r);
}

/* Neither the bell nor wait is called with a lock held. */
static void test_no_lock(void **state)
{
	RIG_FOR_ROWS(row)
	{
		open_row(row, 4);
		rig.on_doorbell = call_inside;
		iodt_assert_ok(rig_submit(&rig, 0, 1, true, NULL));
		iodt_assert_ok(rig_submit(&rig, 0, 0, true, NULL));
		assert_true(rig_complete(&rig, 100));
		rig_close(&rig);
		rig_open(&rig, row, row->min_lg2 + 4, 0, true);
		rig.on_wait = call_inside;
		for (unsigned i = 0; i < 1000 && rig.on_wait; i++)
			iodt_assert_ok(rig_submit(&rig, 0, 1, true, NULL));
		rig_close(&rig);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_stray),
		cmocka_unit_test(test_stray_of_another),
		cmocka_unit_test(test_many_strays),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_timeout_for_ever),
		cmocka_unit_test(test_timeout_late),
		cmocka_unit_test(test_dead),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_no_lock),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
