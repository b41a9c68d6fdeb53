/* SPDX-License-Identifier: MIT */
/*
 * The consumers of VT-d and AMD-Vi: what they hand on in which order, that the head says no more than was done, syncs that
 * write. That of SMMUv3: smmu/test_consume.c.
 */
#include "cmd/consumerig.h"

static void test_batches(void **state)
{
	FOR_ROWS(row)
	{
		struct rig r;

		rig_open(&r, row);
		iodt_assert_ok(consume(&r));
		assert_int_equal(r.nr_calls, 0);
		put_some(&r, 0, 5);
		put_sync(&r);
		put_sync(&r);
		put_some(&r, 5, 100); /* more than are fetched at a time */
		iodt_assert_ok(consume(&r));
		assert_int_equal(consumed(&r), 107);
		assert_int_equal(r.head, 107 * row->entry);
		expect_call(&r, 0, 'c', 0, 5, 0);
		expect_call(&r, 1, 's', 0, 0, 5);
		expect_call(&r, 2, 'w', 0, 0, 6); /* behind it already */
		expect_call(&r, 3, 's', 0, 0, 6);
		expect_call(&r, 4, 'w', 0, 0, 7);
		expect_call(&r, 5, 'c', 5, r.calls[5].nr, 7);
		/* Around the end. */
		for (unsigned i = 0; i < 5; i++) {
			put_some(&r, 0, 60);
			iodt_assert_ok(consume(&r));
			assert_int_equal(consumed(&r), 60);
			assert_int_equal(r.head, (107 + 60 * (i + 1)) % row->nr * row->entry);
		}
		rig_close(&r);
	}
}

static void test_budget(void **state)
{
	FOR_ROWS(row)
	{
		struct rig r;

		rig_open(&r, row);
		put_some(&r, 0, 10);
		put_sync(&r);
		set_budget(&r, 4);
		for (unsigned i = 0; i < 2; i++) {
			iodt_assert_ok(consume(&r));
			assert_int_equal(consumed(&r), 4);
			assert_int_equal(r.head, 4 * (i + 1) * row->entry);
		}
		iodt_assert_ok(consume(&r));
		assert_int_equal(consumed(&r), 3);
		expect_call(&r, 2, 'c', 8, 2, 8);
		expect_call(&r, 3, 's', 0, 0, 10);
		/* Asked to come again: nothing is said. */
		put_some(&r, 0, 6);
		r.fail = -EAGAIN;
		r.fail_at = 2;
		set_budget(&r, 0);
		assert_int_equal(consume(&r), -EAGAIN);
		assert_int_equal(consumed(&r), 2);
		assert_int_equal(r.head, 13 * row->entry);
		assert_true(!r.fsts && r.status == 0x10);
		r.fail = 0;
		iodt_assert_ok(consume(&r));
		assert_int_equal(consumed(&r), 4);
		rig_close(&r);
	}
}

/* Every budget: the same in pieces. */
static void test_every_budget(void **state)
{
	FOR_ROWS(row)
	for (uint32_t budget = 1; budget <= 12; budget++) {
		uint64_t next = 0;
		unsigned syncs = 0;
		struct rig r;

		rig_open(&r, row);
		put_some(&r, 0, 5);
		put_sync(&r);
		put_some(&r, 5, 3);
		put_sync(&r);
		set_budget(&r, budget);
		for (uint32_t left = 10; left; left -= consumed(&r)) {
			iodt_assert_ok(consume(&r));
			assert_int_equal(consumed(&r), left < budget ? left : budget);
		}
		iodt_assert_ok(consume(&r));
		assert_int_equal(consumed(&r), 0);
		for (unsigned i = 0; i < r.nr_calls; i++) {
			if (r.calls[i].what == 's')
				assert_int_equal(next, syncs++ ? 8 : 5);
			if (r.calls[i].what != 'c')
				continue;
			assert_int_equal(r.calls[i].first, next);
			assert_true(r.calls[i].nr <= budget);
			next += r.calls[i].nr;
		}
		assert_int_equal(next, 8);
		assert_int_equal(syncs, 2);
		rig_close(&r);
	}
}

/* What was written where: by hand, the low word of 32 bits (VT-d), 64 bits (AMD). */
static void test_write(void **state)
{
	FOR_ROWS(row)
	{
		unsigned char want[16];
		struct rig r;

		rig_open(&r, row);
		memset(want, 0xa5, sizeof(want));
		if (row->vtd) {
			put(&r, UINT64_C(0x11223344) << 32 | 0x30 | 5, WORD + 12); /* SW, IF */
			memcpy(want + 4, "\x44\x33\x22\x11", 4);
		} else {
			put(&r, IODT_BIT(60) | (WORD + 8) | 3, UINT64_C(0x1122334455667788));
			memcpy(want, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
		}
		iodt_assert_ok(consume(&r));
		assert_int_equal(r.word_then, UINT64_C(0xa5a5a5a5a5a5a5a5)); /* not before */
		assert_memory_equal(&r.page[1], want, 16);
		assert_int_equal(r.page[0], UINT64_C(0xa5a5a5a5a5a5a5a5));
		expect_call(&r, 1, 'w', 1, 0, 1);
		/* The last word of the page; and where nothing is. */
		put(&r, row->vtd ? 7ull << 32 | 0x25 : IODT_BIT(60) | (WORD + 4088) | 1,
		    row->vtd ? WORD + 4092 : 7);
		put(&r, row->vtd ? 7ull << 32 | 0x25 : IODT_BIT(60) | (WORD + 4096) | 1,
		    row->vtd ? WORD + 4096 : 7);
		iodt_assert_ok(consume(&r));
		assert_int_equal(consumed(&r), 2);
		assert_int_equal(((unsigned char *)r.page)[row->vtd ? 4092 : 4088], 7);
		assert_true(!r.fsts && r.status == 0x10);
		rig_close(&r);
	}
}

static void test_misuse(void **state)
{
	FOR_ROWS(row)
	for (unsigned i = 0; i < 8; i++) {
		struct iod_vtd_consumer_ops vo = v_ops;
		struct iod_amdvi_consumer_ops ao = a_ops;
		struct rig r;

		rig_open(&r, row);
		put_some(&r, 0, 1);
		r.v.ops = &vo;
		r.a.ops = &ao;
		if (i == 0)
			r.v.size = r.a.size = 8;
		else if (i == 1)
			r.v.ops = NULL, r.a.ops = NULL;
		else if (i == 2)
			vo.commands = NULL, ao.commands = NULL;
		else if (i == 3)
			vo.sync = NULL, ao.sync = NULL;
		else if (i == 4)
			r.v.queue.kind = IOD_VTD_PRQ, r.a.queue.kind = IOD_AMDVI_EVTLOG;
		else if (i == 5)
			r.v.fsts = NULL, r.a.queue.status = NULL;
		else if (i == 6)
			r.v.queue.mem = r.a.queue.mem = NULL;
		else
			vo.size = ao.size = 8;
		assert_int_equal(consume(&r), -EINVAL);
		assert_int_equal(r.head, 0);
		rig_close(&r);
	}
	assert_int_equal(iod_vtd_iq_consume(NULL), -EINVAL);
	assert_int_equal(iod_amdvi_cmdq_consume(NULL), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batches),	     cmocka_unit_test(test_budget),
		cmocka_unit_test(test_write),	     cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_every_budget),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
