/* SPDX-License-Identifier: MIT */
/*
 * A driver's command queue, one thread: what lies in the ring, batches of every size, errors and who is told of
 * them, an SMMU that does not answer.
 */
#include "cmdqrig.h"

static struct cmdqrig rig;

#define SUBMITTED(name) struct iod_smmuv3_submitted name = { .size = sizeof(name) }

static void expect(int ret, int want_ret, const struct iod_smmuv3_submitted *result, size_t issued,
		   enum iod_smmuv3_cerror cerror)
{
	assert_int_equal(ret, want_ret);
	assert_int_equal(result->issued, issued);
	assert_int_equal(result->cerror, cerror);
}

static void expect_ring(unsigned index, uint64_t w0)
{
	uint64_t word[2];

	iodt_put_le64(&word[0], w0);
	word[1] = 0;
	assert_memory_equal(&rig.ring[2 * index], word, 16);
}

/* By hand: eight entries, from position 14 (index 6, wrapped) on. */
static void test_ring(void **state)
{
	struct iod_smmuv3_cmdq_stats stats;
	SUBMITTED(result);

	rig_open(&rig, 3, 14, false);
	expect(rig_submit(&rig, 1, 3, true, &result), 0, &result, 3, IOD_SMMUV3_CERROR_NONE);
	assert_int_equal(rig.prod, 2); /* 14 + 4 modulo 16 */
	assert_int_equal(rig.cons, 2);
	expect_ring(6, UINT64_C(1) << 32 | 3);
	expect_ring(7, UINT64_C(2) << 32 | 3);
	expect_ring(0, UINT64_C(3) << 32 | 3);
	expect_ring(1, RIG_SYNC); /* completion by CMDQ_CONS: CS = 0 */
	stats = rig_stats(&rig);
	assert_true(stats.commands == 4 && stats.syncs == 1 && !stats.errors && !stats.full);
	assert_int_equal(rig.nr_order, 3);
	/* A sync alone, and commands alone. */
	expect(rig_submit(&rig, 0, 0, true, &result), 0, &result, 0, IOD_SMMUV3_CERROR_NONE);
	assert_int_equal(rig.prod, 3);
	expect(rig_submit(&rig, 4, 2, false, &result), 0, &result, 2, IOD_SMMUV3_CERROR_NONE);
	assert_int_equal(rig.prod, 5);
	assert_false(rig_complete(&rig, 4));
	iodt_assert_ok(rig_submit(&rig, 0, 0, true, NULL));
	assert_true(rig_complete(&rig, 4) && rig_complete(&rig, 5));
	expect(rig_submit(&rig, 0, 0, false, &result), 0, &result, 0, IOD_SMMUV3_CERROR_NONE);
	assert_int_equal(rig.prod, 6);
	rig_close(&rig);
}

static void test_sizes(void **state)
{
	SUBMITTED(result);

	for (unsigned log2size = 0; log2size <= 7; log2size++) {
		uint32_t next = 0;

		rig_open(&rig, log2size, 0, false);
		for (size_t nr = 0; nr < 70; nr++) {
			expect(rig_submit(&rig, next, nr, nr % 3, &result), 0, &result, nr,
			       IOD_SMMUV3_CERROR_NONE);
			next += (uint32_t)nr;
		}
		iodt_assert_ok(rig_submit(&rig, next, 500, true, NULL));
		next += 500;
		assert_int_equal(rig.nr_order, next);
		for (uint32_t i = 0; i < next; i++)
			assert_int_equal(rig.order[i], i);
		rig_close(&rig);
	}
}

/* A refused command at each place of a batch, in small rings too: it is named, the rest is done. */
static void test_refused(void **state)
{
	struct iod_smmuv3_raw_cmd cmds[9];
	SUBMITTED(result);

	for (unsigned log2size = 0; log2size <= 5; log2size++) {
		rig_open(&rig, log2size, 0, false);
		for (size_t bad = 0; bad < 9; bad++) {
			rig.nr_order = 0;
			rig_cmds(cmds, 0, 9);
			rig_cmd(&cmds[bad], RIG_BAD);
			expect(iod_smmuv3_cmdq_submit(rig.q, cmds, 9, true, &result), -EIO, &result,
			       bad, IOD_SMMUV3_CERROR_ILL);
			assert_int_equal(rig.gerror, rig.gerrorn);
			assert_int_equal(rig.nr_order, 8);
			for (uint32_t i = 0; i < 8; i++)
				assert_int_equal(rig.order[i], i < bad ? i : i + 1);
			/* Nobody is told twice. */
			expect(rig_submit(&rig, 0, 1, true, &result), 0, &result, 1,
			       IOD_SMMUV3_CERROR_NONE);
		}
		assert_int_equal(rig_stats(&rig).errors, 9);
		/* Two: the first is named. */
		rig_cmds(cmds, 0, 9);
		rig_cmd(&cmds[7], RIG_BAD);
		rig_cmd(&cmds[2], RIG_BAD);
		expect(iod_smmuv3_cmdq_submit(rig.q, cmds, 9, true, &result), -EIO, &result, 2,
		       IOD_SMMUV3_CERROR_ILL);
		rig_close(&rig);
	}
}

/* Other bits of GERROR are not ours to acknowledge. */
static void test_other_errors(void **state)
{
	SUBMITTED(result);

	rig_open(&rig, 3, 0, false);
	rig.gerror = IOD_SMMUV3_GERROR_EVTQ_ABT | IOD_SMMUV3_GERROR_MSI_PRIQ;
	rig.gerrorn = IOD_SMMUV3_GERROR_MSI_PRIQ;
	expect(rig_submit(&rig, (uint32_t)RIG_BAD, 1, true, &result), -EIO, &result, 0,
	       IOD_SMMUV3_CERROR_ILL);
	assert_int_equal(rig.gerror, IOD_SMMUV3_GERROR_EVTQ_ABT | IOD_SMMUV3_GERROR_MSI_PRIQ | 1);
	assert_int_equal(rig.gerrorn, IOD_SMMUV3_GERROR_MSI_PRIQ | 1);
	rig_close(&rig);
}

/* Without a sync the thread is told when it syncs. */
static void test_refused_stray(void **state)
{
	SUBMITTED(result);

	rig_open(&rig, 4, 0, false);
	expect(rig_submit(&rig, (uint32_t)RIG_BAD, 1, false, &result), 0, &result, 1,
	       IOD_SMMUV3_CERROR_NONE);
	iodt_assert_ok(rig_submit(&rig, 1, 1, false, NULL));
	expect(rig_submit(&rig, 2, 2, true, &result), -EIO, &result, 2, IOD_SMMUV3_CERROR_ILL);
	expect(rig_submit(&rig, 4, 1, true, &result), 0, &result, 1, IOD_SMMUV3_CERROR_NONE);
	assert_int_equal(rig.nr_order, 4);
	rig_close(&rig);
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
	rig_open(&rig, 4, 0, false);
	iodt_assert_ok(rig_submit(&rig, (uint32_t)RIG_BAD, 1, false, NULL));
	assert_int_equal(sync_elsewhere(), -EIO);
	assert_int_equal(sync_elsewhere(), 0);
	assert_int_equal(rig_submit(&rig, 0, 0, true, NULL), -EIO);
	iodt_assert_ok(rig_submit(&rig, 0, 0, true, NULL));
	/* Nothing of ours is open now. */
	rig.timeouts = 1;
	assert_int_equal(sync_elsewhere(), -EIO);
	iodt_assert_ok(rig_submit(&rig, 0, 0, true, NULL));
	/* An ATC_INV of ours may be what timed out in the other's SYNC. */
	iodt_assert_ok(rig_submit(&rig, 1, 1, false, NULL));
	rig.timeouts = 1;
	assert_int_equal(sync_elsewhere(), -EIO);
	assert_int_equal(rig_submit(&rig, 0, 0, true, NULL), -EIO);
	iodt_assert_ok(rig_submit(&rig, 0, 0, true, NULL));
	rig_close(&rig);
}

static void *stray_thread(void *arg)
{
	assert_int_equal(rig_submit(&rig, 1, 1, false, NULL), 0);
	return NULL;
}

/* More threads with open ends than can be remembered: those that are too many wait. */
static void test_many_strays(void **state)
{
	pthread_t thread[80];
	uint32_t syncs;

	rig_open(&rig, 4, 0, false);
	for (unsigned i = 0; i < 80; i++) /* all alive at once, or their ids would be used again */
		iodt_assert_ok(pthread_create(&thread[i], NULL, stray_thread, NULL));
	for (unsigned i = 0; i < 80; i++)
		iodt_assert_ok(pthread_join(thread[i], NULL));
	syncs = rig.syncs;
	iodt_assert_ok(rig_submit(&rig, 2, 1, true, NULL));
	assert_int_equal(rig.syncs, syncs + 1);
	assert_int_equal(rig.nr_order, 81);
	rig_close(&rig);
}

static void test_atc_timeout(void **state)
{
	SUBMITTED(result);

	rig_open(&rig, 4, 0, false);
	rig.timeouts = 3; /* the SYNC is tried until it goes through */
	expect(rig_submit(&rig, 0, 3, true, &result), -EIO, &result, 3,
	       IOD_SMMUV3_CERROR_ATC_INV_SYNC);
	assert_int_equal(rig.syncs, 1);
	assert_int_equal(rig_stats(&rig).errors, 3);
	assert_int_equal(rig.gerror, rig.gerrorn);
	expect(rig_submit(&rig, 0, 3, true, &result), 0, &result, 3, IOD_SMMUV3_CERROR_NONE);
	rig_close(&rig);
}

/* It never completes: the caller decides when it is enough, also where the SMMU answers at once. */
static void test_atc_gives_up(void **state)
{
	SUBMITTED(result);

	rig_open(&rig, 4, 0, false);
	rig.timeouts = UINT32_MAX;
	rig.patience = 10;
	rig.wait_gives = -ETIME;
	expect(rig_submit(&rig, 0, 3, true, &result), -ETIME, &result, 3,
	       IOD_SMMUV3_CERROR_ATC_INV_SYNC);
	assert_int_equal(rig.waits, 10);
	rig.timeouts = 0;
	rig.patience = 0;
	(void)rig_submit(&rig, 0, 0, true, NULL);
	iodt_assert_ok(rig_submit(&rig, 0, 3, true, NULL));
	rig_close(&rig);
}

/* Both: that a command was refused is told, not that only a device was late. */
static void test_refused_and_late(void **state)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink) };
	struct iod_smmuv3_raw_cmd cmd;
	size_t issued;

	rig_open(&rig, 4, 0, false);
	iodt_assert_ok(iod_smmuv3_cmdq_sink(rig.q, &sink));
	rig_cmd(&cmd, RIG_BAD);
	iodt_assert_ok(sink.issue(sink.cookie, &cmd, 1, false, &issued));
	rig.timeouts = 1;
	assert_int_equal(sink.issue(sink.cookie, NULL, 0, true, &issued), -EIO);
	rig_close(&rig);
}

static void test_aborts(void **state)
{
	SUBMITTED(result);

	rig_open(&rig, 4, 0, false);
	rig.aborts = 5; /* it gets better */
	expect(rig_submit(&rig, 0, 3, true, &result), 0, &result, 3, IOD_SMMUV3_CERROR_NONE);
	rig.aborts = 1000; /* it does not */
	expect(rig_submit(&rig, 0, 3, true, &result), -EIO, &result, 3, IOD_SMMUV3_CERROR_ABT);
	expect(rig_submit(&rig, 0, 3, true, &result), -EIO, &result, 0, IOD_SMMUV3_CERROR_ABT);
	assert_int_equal(rig_submit(&rig, 0, 3, false, NULL), -EIO);
	rig_close(&rig);
}

/* An SMMU that does not answer: the caller decides when it is enough. */
static void test_gives_up(void **state)
{
	SUBMITTED(result);

	rig_open(&rig, 2, 0, false);
	rig.stopped = true;
	rig.patience = 10;
	rig.wait_gives = -ETIME;
	expect(rig_submit(&rig, 0, 2, true, &result), -ETIME, &result, 2, IOD_SMMUV3_CERROR_NONE);
	assert_int_equal(rig.waits, 10);
	expect(rig_submit(&rig, 2, 2, false, &result), -ETIME, &result, 1, IOD_SMMUV3_CERROR_NONE);
	assert_int_equal(rig_stats(&rig).full, 1);
	rig.stopped = false;
	rig.patience = 0;
	rig_turn(&rig); /* the bell has rung already */
	expect(rig_submit(&rig, 3, 1, true, &result), 0, &result, 1, IOD_SMMUV3_CERROR_NONE);
	assert_int_equal(rig.nr_order, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(rig.order[i], i);
	/* What was left behind and is refused later is told by the next sync. */
	rig.stopped = true;
	rig.patience = 1;
	assert_int_equal(rig_submit(&rig, (uint32_t)RIG_BAD, 1, true, NULL), -ETIME);
	rig.stopped = false;
	rig.patience = 0;
	expect(rig_submit(&rig, 4, 1, true, &result), -EIO, &result, 1, IOD_SMMUV3_CERROR_ILL);
	expect(rig_submit(&rig, 4, 1, true, &result), 0, &result, 1, IOD_SMMUV3_CERROR_NONE);
	rig_close(&rig);
}

/* CONS that no SMMU can have written is not believed. */
static void test_nonsense(void **state)
{
	SUBMITTED(result);

	rig_open(&rig, 3, 5, false);
	rig.stopped = true;
	rig.patience = 3;
	rig.wait_gives = -ETIME;
	rig.cons = 4;
	assert_int_equal(rig_submit(&rig, 0, 2, true, &result), -ETIME);
	rig.cons = 12; /* beyond PROD */
	assert_int_equal(rig_submit(&rig, 0, 0, true, &result), -ETIME);
	rig.cons = 5;
	rig.gerror =
		1; /* an error without a reason, nothing happened: asked to go on, for a while */
	assert_int_equal(rig_submit(&rig, 0, 0, true, &result), -ETIME);
	rig.stopped = false;
	rig.patience = 0;
	iodt_assert_ok(rig_submit(&rig, 0, 0, true, &result));
	rig_close(&rig);
}

static void call_inside(struct cmdqrig *r)
{
	r->on_doorbell = NULL;
	r->on_wait = NULL;
	iodt_assert_ok(rig_submit(r, 100, 1, false, NULL));
	(void)rig_stats(r);
}

/* Neither the bell nor wait is called with a lock held. */
static void test_no_lock(void **state)
{
	rig_open(&rig, 4, 0, false);
	rig.on_doorbell = call_inside;
	iodt_assert_ok(rig_submit(&rig, 0, 1, true, NULL));
	iodt_assert_ok(rig_submit(&rig, 0, 0, true, NULL));
	assert_true(rig_complete(&rig, 100));
	rig_close(&rig);
	rig_open(&rig, 4, 0, true);
	rig.on_wait = call_inside;
	for (unsigned i = 0; i < 1000 && rig.on_wait; i++)
		iodt_assert_ok(rig_submit(&rig, 0, 1, true, NULL));
	rig_close(&rig);
}

static void test_sink(void **state)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink) };
	struct iod_smmuv3_raw_cmd cmds[3];
	size_t issued = 99;

	rig_open(&rig, 4, 0, false);
	iodt_assert_ok(iod_smmuv3_cmdq_sink(rig.q, &sink));
	rig_cmds(cmds, 0, 3);
	iodt_assert_ok(sink.issue(sink.cookie, cmds, 3, true, &issued));
	assert_int_equal(issued, 3);
	rig_cmd(&cmds[1], RIG_BAD);
	assert_int_equal(sink.issue(sink.cookie, cmds, 3, true, &issued), -EIO);
	assert_int_equal(issued, 1);
	rig.timeouts = 1;
	assert_int_equal(sink.issue(sink.cookie, NULL, 0, true, &issued), -ETIMEDOUT);
	iodt_assert_ok(sink.issue(sink.cookie, NULL, 0, true, &issued));
	assert_int_equal(issued, 0);
	rig_cmd(&cmds[1], 1);
	rig.timeouts = 1;
	assert_int_equal(sink.issue(sink.cookie, cmds, 3, true, &issued), -ETIMEDOUT);
	assert_int_equal(issued, 3);
	/* Giving up is something else, whatever wait calls it. */
	rig.stopped = true;
	rig.patience = 1;
	rig.wait_gives = -ETIMEDOUT;
	assert_int_equal(sink.issue(sink.cookie, cmds, 3, true, &issued), -ETIME);
	assert_int_equal(iod_smmuv3_cmdq_sink(NULL, &sink), -EINVAL);
	assert_int_equal(iod_smmuv3_cmdq_sink(rig.q, NULL), -EINVAL);
	rig_close(&rig);
}

static void test_misuse(void **state)
{
	struct iod_smmuv3_submitted small = { .size = 4 };
	struct iod_smmuv3_cmdq_stats stats = { .size = 1 };
	struct iod_smmuv3_cmdq_cfg cfg;
	struct iod_smmuv3_cmdq *q;

	rig_open(&rig, 4, 0, false);
	for (unsigned i = 0; i < 9; i++) {
		cfg = rig_cfg(&rig, 4);
		if (i == 0)
			cfg.size = 8;
		else if (i == 1)
			cfg.mem = NULL;
		else if (i == 2)
			cfg.prod = NULL;
		else if (i == 3)
			cfg.cons = NULL;
		else if (i == 4)
			cfg.gerror = NULL;
		else if (i == 5)
			cfg.gerrorn = NULL;
		else if (i == 6)
			cfg.base = RIG_BASE | 20;
		else if (i == 7)
			rig.prod = 1; /* CONS is 0 */
		else
			cfg.base = RIG_BASE | 5; /* not all of it is there */
		assert_int_equal(iod_smmuv3_cmdq_create(&q, &cfg), i == 8 ? -EFAULT : -EINVAL);
		rig.prod = 0;
	}
	assert_int_equal(iod_smmuv3_cmdq_create(NULL, &cfg), -EINVAL);
	assert_int_equal(iod_smmuv3_cmdq_create(&q, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cmdq_destroy(NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cmdq_submit(NULL, NULL, 0, true, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cmdq_submit(rig.q, NULL, 1, true, NULL), -EINVAL);
	assert_int_equal(rig_submit(&rig, 0, 1, true, &small), -EINVAL);
	assert_int_equal(iod_smmuv3_cmdq_get_stats(rig.q, &stats), -EINVAL);
	assert_int_equal(iod_smmuv3_cmdq_get_stats(NULL, &stats), -EINVAL);
	assert_int_equal(rig.prod, 0);
	rig_close(&rig);
}

static void test_no_memory(void **state)
{
	struct iod_smmuv3_cmdq_cfg cfg;
	struct iod_smmuv3_cmdq *q = NULL;
	uint64_t live;

	rig_open(&rig, 4, 0, false);
	live = rig.alloc.live;
	for (unsigned n = 1; !q; n++) {
		assert_true(n < 10);
		cfg = rig_cfg(&rig, 4);
		rig.alloc.fail_at = rig.alloc.calls + n;
		if (iod_smmuv3_cmdq_create(&q, &cfg))
			assert_int_equal(rig.alloc.live, live);
	}
	rig.alloc.fail_at = 0;
	iodt_assert_ok(iod_smmuv3_cmdq_destroy(q));
	rig_close(&rig);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring),	      cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_refused),	      cmocka_unit_test(test_other_errors),
		cmocka_unit_test(test_refused_stray), cmocka_unit_test(test_stray_of_another),
		cmocka_unit_test(test_many_strays),   cmocka_unit_test(test_atc_timeout),
		cmocka_unit_test(test_atc_gives_up),  cmocka_unit_test(test_refused_and_late),
		cmocka_unit_test(test_aborts),	      cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_nonsense),      cmocka_unit_test(test_no_lock),
		cmocka_unit_test(test_sink),	      cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_no_memory),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
