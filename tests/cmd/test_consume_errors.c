/* SPDX-License-Identifier: MIT */
/* The consumers of VT-d and AMD-Vi: errors and how they are told, registers and memory of nonsense. */
#include "cmd/consumerig.h"

/* The head stays at the command, and nothing is consumed until the error is cleared. */
static void stop(struct rig *r, int fail)
{
	uint64_t head = r->head;

	r->nr_calls = 0;
	r->fail = fail;
	r->fail_at = 3;
	put_some(r, 0, 6);
	iodt_assert_ok(consume(r));
	assert_int_equal(consumed(r), 3);
	assert_int_equal(r->head, (head + 3 * r->row->entry) % 4096);
}

static void go_on(struct rig *r)
{
	uint64_t head = r->head;

	for (unsigned i = 0; i < 2; i++) {
		iodt_assert_ok(consume(r));
		assert_int_equal(consumed(r), 0);
		assert_false(r->v.error | r->a.error);
	}
	assert_int_equal(r->head, head);
	r->fail = r->fail_sync = 0;
	r->fsts &= ~0x70u;
	r->status |= 0x10;
	iodt_assert_ok(consume(r));
	assert_int_equal(r->head, r->tail);
}

static void test_errors_vtd(void **state)
{
	for (const struct row *row = rows; row < rows + 2; row++) {
		struct rig r;

		rig_open(&r, row);
		r.fsts = 0x2; /* another's */
		r.sid = 0x1234;
		stop(&r, -EINVAL); /* for a reason of its own */
		assert_int_equal(r.fsts, 0x12);
		assert_int_equal(r.v.error, IOD_VTD_IQ_IQE);
		assert_int_equal(r.v.iqei, IOD_VTD_IQEI_NONE);
		assert_int_equal(r.v.reason, IOD_CMD_OK);
		assert_int_equal(r.iqercd, 0);
		go_on(&r);
		stop(&r, -EPERM);
		assert_int_equal(r.v.error, IOD_VTD_IQ_IQE);
		go_on(&r);
		stop(&r, -ETIMEDOUT);
		assert_int_equal(r.fsts, 0x42);
		assert_int_equal(r.v.error, IOD_VTD_IQ_ITE);
		assert_int_equal(r.iqercd, UINT64_C(0x1234) << 32);
		go_on(&r);
		put_sync(&r);
		r.sid = 0x4321;
		r.fail_sync = -EIO;
		iodt_assert_ok(consume(&r));
		assert_int_equal(r.fsts, 0x22);
		assert_int_equal(r.v.error, IOD_VTD_IQ_ICE);
		assert_int_equal(r.iqercd, UINT64_C(0x4321) << 48 | UINT64_C(0x1234) << 32);
		go_on(&r);
		r.v.sid = NULL;
		put_sync(&r);
		r.fail_sync = -ETIMEDOUT;
		iodt_assert_ok(consume(&r));
		assert_int_equal(r.v.error, IOD_VTD_IQ_ITE);
		assert_int_equal(r.iqercd, UINT64_C(0x4321) << 48);
		assert_int_equal(consumed(&r), 1); /* the wait is aborted */
		assert_int_equal(r.head, r.tail);
		go_on(&r);
		r.v.iqercd = NULL;
		stop(&r, -EINVAL);
		assert_int_equal(r.v.error, IOD_VTD_IQ_IQE);
		rig_close(&r);
	}
}

/* IQERCD says what decoding finds. */
static void test_iqei(void **state)
{
	static const struct {
		uint64_t w0, w1;
		enum iod_vtd_iqei iqei[2]; /* 128, 256 bits */
		enum iod_cmd_reason reason;
	} bad[] = {
		{ 0xf, 0, { 3, 3 }, IOD_CMD_BAD_OPCODE }, /* no such type */
		{ 0xe01, 0, { 3, 3 }, IOD_CMD_BAD_OPCODE },
		{ 0x21 | IODT_BIT(63), 0, { 4, 4 }, IOD_CMD_BAD_RESERVED },
		{ 5 | 1 << 8, 0, { 4, 4 }, IOD_CMD_BAD_RESERVED }, /* a wait */
		{ 5 | 1 << 5, 1, { 4, 4 }, IOD_CMD_BAD_RESERVED },
		{ 0x401, 0, { 3, 3 }, IOD_CMD_BAD_OPCODE },
	};

	for (const struct row *row = rows; row < rows + 2; row++)
		for (unsigned i = 0; i < IODT_ARRAY_SIZE(bad); i++) {
			struct rig r;

			rig_open(&r, row);
			put(&r, bad[i].w0, bad[i].w1);
			r.fail = -EINVAL;
			r.fail_at = bad[i].w0 >> 16 & 0xffff;
			r.iqercd = 0xf;
			iodt_assert_ok(consume(&r));
			assert_int_equal(r.fsts, 0x10);
			assert_int_equal(r.v.iqei, bad[i].iqei[row - rows]);
			assert_int_equal(r.v.reason, bad[i].reason);
			assert_int_equal(r.iqercd, bad[i].iqei[row - rows]);
			assert_int_equal(r.head, 0);
			rig_close(&r);
		}
}

static void test_errors_amdvi(void **state)
{
	struct rig r;

	rig_open(&r, &rows[2]);
	r.status = 0x58; /* others' */
	stop(&r, -EINVAL);
	assert_int_equal(r.status, 0x48);
	assert_int_equal(r.a.error, IOD_AMDVI_CMDQ_ILLEGAL);
	assert_int_equal(r.a.address, BASE + 3 * 16);
	go_on(&r);
	assert_int_equal(r.a.address, 0);
	stop(&r, -EOPNOTSUPP);
	assert_int_equal(r.a.error, IOD_AMDVI_CMDQ_ILLEGAL);
	assert_int_equal(r.a.address, BASE + 9 * 16);
	go_on(&r);
	stop(&r, -EIO);
	assert_int_equal(r.a.error, IOD_AMDVI_CMDQ_HARDWARE);
	go_on(&r);
	put(&r, IODT_BIT(60) | IODT_BIT(53), 0); /* a COMPLETION_WAIT with a reserved bit */
	iodt_assert_ok(consume(&r));
	assert_int_equal(r.a.error, IOD_AMDVI_CMDQ_ILLEGAL);
	assert_int_equal(r.a.reason, IOD_CMD_BAD_RESERVED);
	assert_int_equal(r.a.address, BASE + 18 * 16);
	r.tail = r.head;
	go_on(&r);
	put_sync(&r);
	r.fail_sync = -ENOMEM;
	iodt_assert_ok(consume(&r));
	assert_int_equal(r.a.error, IOD_AMDVI_CMDQ_HARDWARE);
	go_on(&r);
	/* Stopped by software: nothing. */
	put_some(&r, 0, 3);
	r.status = 0;
	iodt_assert_ok(consume(&r));
	assert_int_equal(consumed(&r), 0);
	rig_close(&r);
}

static void test_tail_vtd(void **state)
{
	for (const struct row *row = rows; row < rows + 2; row++) {
		struct rig r;

		rig_open(&r, row);
		r.tail = 4096; /* outside */
		iodt_assert_ok(consume(&r));
		assert_int_equal(r.fsts, 0x10);
		assert_int_equal(r.v.error, IOD_VTD_IQ_IQE);
		assert_int_equal(r.v.iqei, IOD_VTD_IQEI_TAIL);
		assert_int_equal(r.iqercd, 1);
		assert_int_equal(r.nr_calls, 0);
		r.fsts = 0;
		r.tail = 16 + 15; /* low bits are not there */
		put_some(&r, 0, 0);
		memset(r.ring, 0, 4096);
		iodt_put_le64(r.ring, 0x21);
		iodt_assert_ok(consume(&r));
		if (row->entry == 16) {
			assert_int_equal(r.fsts, 0);
			assert_int_equal(consumed(&r), 1);
		} else {
			assert_int_equal(r.fsts, 0x10);
			assert_int_equal(r.v.iqei, IOD_VTD_IQEI_MISALIGNED);
		}
		rig_close(&r);
	}
}

/* Memory that is not there, from the second page on. */
static void test_memory_missing(void **state)
{
	FOR_ROWS(row)
	{
		struct rig r;

		rig_open(&r, row);
		r.v.queue.base |= 1;
		r.a.queue.base += IODT_BIT(56);
		r.head = 4096 - row->entry;
		r.tail = 4096 + row->entry;
		put_some(&r, 0, 0);
		iodt_put_le64(&r.ring[r.head / 8], row->vtd ? 0x21 : IODT_BIT(61));
		iodt_assert_ok(consume(&r));
		assert_int_equal(consumed(&r), 1);
		assert_int_equal(r.head, 4096);
		if (row->vtd) {
			assert_int_equal(r.fsts, 0x10);
			assert_int_equal(r.v.iqei, IOD_VTD_IQEI_FETCH);
		} else {
			assert_int_equal(r.status, 0);
			assert_int_equal(r.a.error, IOD_AMDVI_CMDQ_HARDWARE);
			assert_int_equal(r.a.address, BASE + 4096);
		}
		rig_close(&r);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors_vtd),     cmocka_unit_test(test_iqei),
		cmocka_unit_test(test_errors_amdvi),   cmocka_unit_test(test_tail_vtd),
		cmocka_unit_test(test_memory_missing),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
