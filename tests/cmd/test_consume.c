/* SPDX-License-Identifier: MIT */
/*
 * The consumers of VT-d and AMD-Vi: what they hand on in which order, that the head says no more than was done, errors and
 * how they are told, syncs that write, registers and memory of nonsense. That of SMMUv3: smmu/test_consume.c.
 */
#include "iodtest.h"

#define BASE	  IODT_BIT(32)
#define WORD	  IODT_BIT(20) /* a page for what syncs write */
#define MAX_CALLS 400

struct row {
	const char *name;
	unsigned entry, nr; /* bytes and number in the ring */
	bool vtd;
	uint64_t sync; /* a sync that writes nothing */
};

static const struct row rows[] = {
	{ "vtd, 128 bits", 16, 256, true, 5 },
	{ "vtd, 256 bits", 32, 128, true, 5 },
	{ "amdvi", 16, 256, false, IODT_BIT(60) },
};

#define FOR_ROWS(row) for (const struct row *row = rows; row < rows + IODT_ARRAY_SIZE(rows); row++)

struct call {
	char what; /* c, s, w: commands, a sync, it was written */
	uint64_t first;
	size_t nr;
	uint64_t head; /* as it was then */
};

struct rig {
	const struct row *row;
	struct iod_mem *mem;
	uint64_t *ring, *page;
	_Alignas(8) uint64_t head, tail, iqercd;
	uint32_t fsts, status;
	uint16_t sid;
	struct iod_vtd_consume v;
	struct iod_amdvi_consume a;
	struct call calls[MAX_CALLS];
	unsigned nr_calls;
	uint64_t fail_at; /* number of the command that is refused */
	int fail, fail_sync;
	uint64_t word_then; /* what lay at WORD + 8 in sync */
};

static uint64_t le64(uint64_t v)
{
	uint64_t word;

	iodt_put_le64(&word, v);
	return word;
}

static void note(struct rig *r, char what, uint64_t first, size_t nr)
{
	assert_true(r->nr_calls < MAX_CALLS);
	r->calls[r->nr_calls++] = (struct call){ what, first, nr, r->head };
}

/* The number of a command: domain of a CONTEXT_INV, device of an INVALIDATE_DEVTAB_ENTRY. */
static uint64_t number(const struct rig *r, const uint64_t *raw)
{
	return r->row->vtd ? le64(raw[0]) >> 16 & 0xffff : le64(raw[0]) & 0xffff;
}

static int on_commands(struct rig *r, const uint64_t *raw, size_t nr, size_t *handled)
{
	size_t words = r->row->vtd ? 4 : 2;

	assert_in_range(nr, 1, 64);
	note(r, 'c', number(r, raw), nr);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(number(r, &raw[i * words]), number(r, raw) + i);
		for (size_t k = r->row->entry / 8; k < words; k++)
			assert_int_equal(raw[i * words + k], 0);
		*handled = i;
		if (r->fail && number(r, &raw[i * words]) == r->fail_at)
			return r->fail;
	}
	*handled = nr;
	return 0;
}

static int on_sync(struct rig *r)
{
	note(r, 's', 0, 0);
	r->word_then = r->page[1];
	return r->fail_sync;
}

static int v_commands(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr,
		      size_t *handled)
{
	return on_commands(cookie, descs[0].word, nr, handled);
}

static int v_sync(void *cookie, const struct iod_vtd_desc *wait)
{
	assert_int_equal(wait->type, IOD_VTD_WAIT);
	return on_sync(cookie);
}

static void v_written(void *cookie, const struct iod_vtd_desc *wait)
{
	note(cookie, 'w', wait->intr, 0);
}

static int a_commands(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr,
		      size_t *handled)
{
	return on_commands(cookie, cmds[0].word, nr, handled);
}

static int a_sync(void *cookie, const struct iod_amdvi_cmd *wait)
{
	assert_int_equal(wait->op, IOD_AMDVI_COMPLETION_WAIT);
	return on_sync(cookie);
}

static void a_written(void *cookie, const struct iod_amdvi_cmd *wait)
{
	note(cookie, 'w', wait->irq, 0);
}

static const struct iod_vtd_consumer_ops v_ops = { sizeof(v_ops), v_commands, v_sync, v_written };
static const struct iod_amdvi_consumer_ops a_ops = { sizeof(a_ops), a_commands, a_sync, a_written };

static void rig_open(struct rig *r, const struct row *row)
{
	struct iod_mem_region regions[2] = {
		{ .pa = WORD, .len = 4096 },
		{ .pa = BASE, .len = 4096 },
	};
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = regions, .nr_regions = 2 };

	memset(r, 0, sizeof(*r));
	r->row = row;
	r->ring = aligned_alloc(64, 4096);
	r->page = aligned_alloc(64, 4096);
	assert_true(r->ring && r->page);
	memset(r->ring, 0, 4096);
	memset(r->page, 0xa5, 4096);
	regions[0].host = r->page;
	regions[1].host = r->ring;
	iodt_assert_ok(iod_mem_create_vm(&r->mem, &cfg));
	r->status = 0x10;
	r->v = (struct iod_vtd_consume){
		.size = sizeof(r->v),
		.queue = { .size = sizeof(r->v.queue),
			   .kind = IOD_VTD_IQ,
			   .mem = r->mem,
			   .base = BASE | (row->entry == 32 ? 1u << 11 : 0),
			   .head = &r->head,
			   .tail = &r->tail },
		.fsts = &r->fsts,
		.iqercd = &r->iqercd,
		.sid = &r->sid,
		.ops = &v_ops,
		.cookie = r,
	};
	r->a = (struct iod_amdvi_consume){
		.size = sizeof(r->a),
		.queue = { .size = sizeof(r->a.queue),
			   .kind = IOD_AMDVI_CMDBUF,
			   .mem = r->mem,
			   .base = BASE | IODT_BIT(56) * 8,
			   .head = &r->head,
			   .tail = &r->tail,
			   .status = &r->status },
		.ops = &a_ops,
		.cookie = r,
	};
}

static void rig_close(struct rig *r)
{
	iodt_assert_ok(iod_mem_destroy(r->mem));
	free(r->ring);
	free(r->page);
}

static int consume(struct rig *r)
{
	return r->row->vtd ? iod_vtd_iq_consume(&r->v) : iod_amdvi_cmdq_consume(&r->a);
}

static uint32_t consumed(const struct rig *r)
{
	return r->row->vtd ? r->v.consumed : r->a.consumed;
}

static void set_budget(struct rig *r, uint32_t budget)
{
	r->v.budget = r->a.budget = budget;
}

static void put(struct rig *r, uint64_t w0, uint64_t w1)
{
	uint64_t *at = &r->ring[r->tail / 8];

	memset(at, 0, r->row->entry);
	iodt_put_le64(&at[0], w0);
	iodt_put_le64(&at[1], w1);
	r->tail = (r->tail + r->row->entry) % 4096;
}

static void put_some(struct rig *r, uint64_t first, unsigned nr)
{
	for (uint64_t i = first; i < first + nr; i++)
		put(r, r->row->vtd ? i << 16 | 0x21 : IODT_BIT(61) | i, 0);
}

static void put_sync(struct rig *r)
{
	put(r, r->row->sync, 0);
}

static void expect_call(const struct rig *r, unsigned i, char what, uint64_t first, size_t nr,
			uint64_t pos)
{
	assert_true(i < r->nr_calls);
	assert_int_equal(r->calls[i].what, what);
	assert_int_equal(r->calls[i].first, first);
	assert_int_equal(r->calls[i].nr, nr);
	assert_int_equal(r->calls[i].head, pos % r->row->nr * r->row->entry);
}

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
		assert_int_equal(consumed(&r), 0);
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
		cmocka_unit_test(test_batches),	 cmocka_unit_test(test_budget),
		cmocka_unit_test(test_write),	 cmocka_unit_test(test_errors_vtd),
		cmocka_unit_test(test_iqei),	 cmocka_unit_test(test_errors_amdvi),
		cmocka_unit_test(test_tail_vtd), cmocka_unit_test(test_memory_missing),
		cmocka_unit_test(test_misuse),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
