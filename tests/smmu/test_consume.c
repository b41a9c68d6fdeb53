/* SPDX-License-Identifier: MIT */
/*
 * The consumer of commands (Arm IHI 0070, 4.1.4, 4.7.3, 7.1): what it hands on in which order, that CONS says no
 * more than was done, errors and their acknowledgement.
 */
#include "iodtest.h"

#define BASE	  IODT_BIT(32)
#define LOG2SIZE  7u
#define NR	  (1u << LOG2SIZE)
#define SYNC_WORD 0x46
#define MAX_CALLS 400

struct call {
	bool sync;
	uint64_t first; /* number of the first command */
	size_t nr;
	uint32_t cons; /* as it was then */
};

struct rig {
	struct iod_mem *mem;
	_Alignas(8) uint64_t ring[2 * NR];
	uint32_t prod, cons, gerror, gerrorn;
	struct iod_smmuv3_consume turn;
	struct call calls[MAX_CALLS];
	unsigned nr_calls;
	uint64_t fail_at; /* number of the command that is refused */
	int fail;
	int fail_sync;
};

/* The number of a command is its StreamID. */
static int on_commands(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr,
		       size_t *handled)
{
	struct rig *r = cookie;
	struct iod_smmuv3_cmd cmd, next;

	iodt_assert_ok(iod_smmuv3_cmd_decode(&cmd, &cmds[0], NULL, NULL));
	assert_true(r->nr_calls < MAX_CALLS);
	assert_true(nr > 0);
	r->calls[r->nr_calls++] = (struct call){ .first = cmd.sid, .nr = nr, .cons = r->cons };
	for (size_t i = 0; i < nr; i++) {
		iodt_assert_ok(iod_smmuv3_cmd_decode(&next, &cmds[i], NULL, NULL));
		assert_int_equal(next.sid, cmd.sid + i);
		*handled = i;
		if (r->fail && next.sid == r->fail_at)
			return r->fail;
	}
	*handled = nr;
	return 0;
}

static int on_sync(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	struct rig *r = cookie;

	assert_int_equal(sync->op, IOD_SMMUV3_SYNC);
	assert_true(r->nr_calls < MAX_CALLS);
	r->calls[r->nr_calls++] = (struct call){ .sync = true, .cons = r->cons };
	return r->fail_sync;
}

static const struct iod_smmuv3_consumer_ops ops = { sizeof(ops), on_commands, on_sync };

static void rig_open(struct rig *r)
{
	struct iod_mem_region region = { .pa = BASE, .len = sizeof(r->ring) };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };

	memset(r, 0, sizeof(*r));
	region.host = r->ring;
	iodt_assert_ok(iod_mem_create_vm(&r->mem, &cfg));
	r->turn = (struct iod_smmuv3_consume){
		.size = sizeof(r->turn),
		.queue = { .size = sizeof(r->turn.queue),
			   .kind = IOD_SMMUV3_CMDQ,
			   .mem = r->mem,
			   .base = BASE | LOG2SIZE,
			   .prod = &r->prod,
			   .cons = &r->cons },
		.gerror = &r->gerror,
		.gerrorn = &r->gerrorn,
		.ops = &ops,
		.cookie = r,
	};
}

static void rig_close(struct rig *r)
{
	iodt_assert_ok(iod_mem_destroy(r->mem));
}

static void put(struct rig *r, uint64_t w0)
{
	uint64_t word[2];

	iodt_put_le64(&word[0], w0);
	word[1] = 0;
	iodt_assert_ok(iod_smmuv3_queue_push(&r->turn.queue, word, 1));
}

/* CFGI_STE of StreamIDs from @first on. */
static void put_some(struct rig *r, uint64_t first, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		put(r, (first + i) << 32 | 0x03);
}

static void expect_call(const struct rig *r, unsigned i, bool sync, uint64_t first, size_t nr,
			uint32_t cons)
{
	assert_true(i < r->nr_calls);
	assert_int_equal(r->calls[i].sync, sync);
	assert_int_equal(r->calls[i].first, first);
	assert_int_equal(r->calls[i].nr, nr);
	assert_int_equal(r->calls[i].cons, cons);
}

static void test_batches(void **state)
{
	struct rig r;

	rig_open(&r);
	iodt_assert_ok(iod_smmuv3_cmdq_consume(&r.turn));
	assert_int_equal(r.nr_calls, 0);
	put_some(&r, 0, 5);
	put(&r, SYNC_WORD);
	put(&r, SYNC_WORD);
	put_some(&r, 5, 100); /* more than are fetched at a time */
	iodt_assert_ok(iod_smmuv3_cmdq_consume(&r.turn));
	assert_int_equal(r.turn.cerror, 0);
	assert_int_equal(r.turn.consumed, 107);
	assert_int_equal(r.cons, 107);
	expect_call(&r, 0, false, 0, 5, 0);
	expect_call(&r, 1, true, 0, 0, 5);
	expect_call(&r, 2, true, 0, 0, 6);
	expect_call(&r, 3, false, 5, r.calls[3].nr, 7);
	assert_int_equal(r.gerror, 0);
	/* Around the end. */
	put_some(&r, 0, 60);
	iodt_assert_ok(iod_smmuv3_cmdq_consume(&r.turn));
	assert_int_equal(r.cons, 167);
	assert_int_equal(r.turn.consumed, 60);
	rig_close(&r);
}

static void test_budget(void **state)
{
	struct rig r;

	rig_open(&r);
	put_some(&r, 0, 10);
	put(&r, SYNC_WORD);
	r.turn.budget = 4;
	for (unsigned i = 0; i < 2; i++) {
		iodt_assert_ok(iod_smmuv3_cmdq_consume(&r.turn));
		assert_int_equal(r.turn.consumed, 4);
		assert_int_equal(r.cons, 4 * (i + 1));
	}
	iodt_assert_ok(iod_smmuv3_cmdq_consume(&r.turn));
	assert_int_equal(r.turn.consumed, 3);
	expect_call(&r, 2, false, 8, 2, 8);
	expect_call(&r, 3, true, 0, 0, 10);
	rig_close(&r);
}

/* 7.1: the reason and the place in CONS, GERROR toggles, nothing moves until GERRORN follows. */
static void stop(struct rig *r, int fail, enum iod_smmuv3_cerror cerror)
{
	uint32_t cons = r->cons & 0xff, gerror = r->gerror;

	r->nr_calls = 0;
	r->fail = fail;
	r->fail_at = 3;
	put_some(r, 0, 6);
	iodt_assert_ok(iod_smmuv3_cmdq_consume(&r->turn));
	assert_int_equal(r->turn.cerror, cerror);
	assert_int_equal(r->turn.consumed, 3);
	assert_int_equal(r->cons, (uint32_t)cerror << 24 | ((cons + 3) & 0xff));
	assert_int_equal(r->gerror, gerror ^ 1);
	for (unsigned i = 0; i < 2; i++) {
		iodt_assert_ok(iod_smmuv3_cmdq_consume(&r->turn));
		assert_int_equal(r->turn.cerror, 0);
		assert_int_equal(r->turn.consumed, 0);
	}
	assert_int_equal(r->nr_calls, 1);
	r->fail = 0;
	r->gerrorn = r->gerror;
	iodt_assert_ok(iod_smmuv3_cmdq_consume(&r->turn));
	assert_int_equal(r->turn.consumed, 3);
	assert_int_equal(r->cons, (cons + 6) & 0xff);
	expect_call(r, 1, false, 3, 3, (uint32_t)cerror << 24 | ((cons + 3) & 0xff));
}

static void test_errors(void **state)
{
	struct rig r;

	rig_open(&r);
	for (unsigned i = 0; i < 40;
	     i++) { /* at every place of the ring, and both ways of GERROR */
		stop(&r, -EINVAL, IOD_SMMUV3_CERROR_ILL);
		stop(&r, -EOPNOTSUPP, IOD_SMMUV3_CERROR_ILL);
		stop(&r, -EFAULT, IOD_SMMUV3_CERROR_ABT);
	}
	rig_close(&r);
}

static void test_sync_errors(void **state)
{
	struct rig r;

	rig_open(&r);
	put_some(&r, 0, 1);
	put(&r, SYNC_WORD);
	r.fail_sync = -ETIMEDOUT;
	iodt_assert_ok(iod_smmuv3_cmdq_consume(&r.turn));
	assert_int_equal(r.turn.cerror, IOD_SMMUV3_CERROR_ATC_INV_SYNC);
	assert_int_equal(r.cons, 0x03000001); /* at the SYNC */
	assert_int_equal(r.gerror, 1);
	r.gerrorn = 1;
	r.fail_sync = -EAGAIN;
	assert_int_equal(iod_smmuv3_cmdq_consume(&r.turn), -EAGAIN);
	assert_int_equal(r.turn.cerror, 0);
	assert_int_equal(r.cons & 0xff, 1);
	assert_int_equal(r.gerror, 1);
	r.fail_sync = 0;
	iodt_assert_ok(iod_smmuv3_cmdq_consume(&r.turn));
	assert_int_equal(r.cons, 2);
	/* CS = 3 is illegal (4.7.3): sync is not called. */
	r.nr_calls = 0;
	put(&r, 0x3046);
	iodt_assert_ok(iod_smmuv3_cmdq_consume(&r.turn));
	assert_int_equal(r.turn.cerror, IOD_SMMUV3_CERROR_ILL);
	assert_int_equal(r.turn.reason, IOD_CMD_BAD_FIELD);
	assert_int_equal(r.nr_calls, 0);
	assert_int_equal(r.cons, 0x01000002);
	rig_close(&r);
}

/* Ask again later: what was done is said, and no error raised. */
static void test_again(void **state)
{
	struct rig r;

	rig_open(&r);
	put_some(&r, 0, 5);
	r.fail = -EAGAIN;
	r.fail_at = 2;
	assert_int_equal(iod_smmuv3_cmdq_consume(&r.turn), -EAGAIN);
	assert_int_equal(r.turn.consumed, 2);
	assert_int_equal(r.cons, 2);
	assert_int_equal(r.gerror, 0);
	rig_close(&r);
}

/* 4.1.4: an unreadable command is CERROR_ABT; those before it are obeyed. */
static void test_unreadable(void **state)
{
	struct rig r;

	rig_open(&r);
	put_some(&r, 0, NR);
	r.turn.queue.base = BASE | (LOG2SIZE + 1);
	r.prod = NR + 10;
	iodt_assert_ok(iod_smmuv3_cmdq_consume(&r.turn));
	assert_int_equal(r.turn.cerror, IOD_SMMUV3_CERROR_ABT);
	assert_int_equal(r.turn.consumed, NR);
	assert_int_equal(r.cons, 2u << 24 | NR);
	rig_close(&r);
}

/* Registers that make no sense end, and touch nothing beside the ring. */
static void test_hostile(void **state)
{
	struct rig r;
	uint64_t rng = 5;

	rig_open(&r);
	for (unsigned i = 0; i < NR; i++)
		iodt_put_le64(&r.ring[2 * i], (uint64_t)i << 32 | (i % 3 ? SYNC_WORD : 0x03));
	for (unsigned i = 0; i < 200; i++) {
		rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
		r.prod = (uint32_t)(rng >> 32);
		r.cons = (uint32_t)(rng >> 16);
		r.gerrorn = r.gerror;
		r.nr_calls = 0;
		iodt_assert_ok(iod_smmuv3_cmdq_consume(&r.turn));
		assert_true(r.turn.consumed < 2 * NR);
		assert_int_equal(iod_smmuv3_queue_used(&r.turn.queue), 0);
	}
	rig_close(&r);
}

static void test_misuse(void **state)
{
	struct iod_smmuv3_consumer_ops no_sync = { sizeof(no_sync), on_commands, NULL };
	struct iod_smmuv3_consume bad;
	struct rig r;

	rig_open(&r);
	put_some(&r, 0, 1);
	for (unsigned i = 0; i < 7; i++) {
		bad = r.turn;
		if (i == 0)
			bad.size--;
		else if (i == 1)
			bad.queue.kind = IOD_SMMUV3_PRIQ;
		else if (i == 2)
			bad.gerror = NULL;
		else if (i == 3)
			bad.gerrorn = NULL;
		else if (i == 4)
			bad.ops = NULL;
		else if (i == 5)
			bad.ops = &no_sync;
		else
			bad.queue.size = 0;
		assert_int_equal(iod_smmuv3_cmdq_consume(&bad), -EINVAL);
	}
	assert_int_equal(iod_smmuv3_cmdq_consume(NULL), -EINVAL);
	assert_int_equal(r.cons, 0);
	rig_close(&r);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batches), cmocka_unit_test(test_budget),
		cmocka_unit_test(test_errors),	cmocka_unit_test(test_sync_errors),
		cmocka_unit_test(test_again),	cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_misuse),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
