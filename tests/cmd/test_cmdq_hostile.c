/* SPDX-License-Identifier: MIT */
/*
 * A driver's command queue of each vendor: hardware that says what cannot be, words that wrap, no memory, misuse.
 */
#include "cmd/cmdrig.h"

#include "cmdq.h"

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

/* Heads and words that no hardware can have written are not believed. */
static void test_nonsense(void **state)
{
	RIG_FOR_ROWS(row)
	{
		unsigned char *at;
		uint64_t head, was;

		if (!row->spare)
			continue; /* smmu/test_cmdq.c */
		open_row(row, 0);
		iodt_assert_ok(rig_submit(&rig, 0, 5, true, NULL));
		rig.stopped = true;
		rig.patience = 3;
		rig.wait_gives = -ETIME;
		head = rig.head;
		rig.head = head - row->entry; /* backwards */
		assert_int_equal(rig_submit(&rig, 0, 2, true, NULL), -ETIME);
		rig.head = rig.tail + row->entry; /* beyond the tail */
		assert_int_equal(rig_submit(&rig, 0, 0, true, NULL), -ETIME);
		rig.head =
			head + ((uint64_t)row->entry << rig.lg2); /* outside, on the right place */
		assert_int_equal(rig_submit(&rig, 0, 0, true, NULL), -ETIME);
		rig.head = head + 8; /* between two */
		assert_int_equal(rig_submit(&rig, 0, 0, true, NULL), -ETIME);
		rig.head = head;
		at = (unsigned char *)rig.page + row->word_at;
		memcpy(&was, at, 8);
		memset(at, 0x7e, row->raw_size == 32 ? 4 : 8); /* far ahead */
		assert_int_equal(rig_submit(&rig, 0, 0, true, NULL), -ETIME);
		memset(at, 0, row->raw_size == 32 ? 4 : 8); /* long ago */
		assert_int_equal(rig_submit(&rig, 0, 0, true, NULL), -ETIME);
		memcpy(at, &was, 8);
		/* An error that is about nothing. */
		rig.fsts = 0x10;
		assert_int_equal(rig_submit(&rig, 0, 0, true, NULL), -ETIME);
		rig.stopped = false;
		rig.patience = 0;
		(void)rig_submit(&rig, 0, 0, true, NULL);
		(void)rig_submit(&rig, 0, 0, true, NULL);
		rig_close(&rig);
	}
}

/* Complete, says the word; refused, says the head: nothing of what is gone is touched. */
static void test_contradiction(void **state)
{
	RIG_FOR_ROWS(row)
	{
		const struct cmdq *core;
		uint64_t word;

		if (!row->spare)
			continue;
		open_row(row, 0);
		rig.stopped = true;
		rig.patience = 3;
		rig.wait_gives = -ETIME;
		core = rig.q;
		iodt_put_le64(&word, core->head + 2);
		memcpy((unsigned char *)rig.page + row->word_at, &word,
		       row->raw_size == 32 ? 4 : 8);
		iodt_assert_ok(rig_submit(&rig, 0, 1, true, NULL)); /* it lies */
		rig.fsts = 0x10;
		rig.status = 0;
		for (unsigned i = 0; i < 20; i++) {
			(void)rig_submit(&rig, 0, 1, true, NULL);
			rig.fsts = 0x10;
			rig.status = 0;
		}
		rig_close(&rig);
	}
}

/* Status words have 32 bits (VT-d); positions go on behind 2^32, and half way. */
static void test_wrap(void **state)
{
	static const uint64_t ends[] = { UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(5) << 32 };

	RIG_FOR_ROWS(row)
	for (unsigned i = 0; i < IODT_ARRAY_SIZE(ends); i++) {
		struct rig_result result;
		struct cmdq *core;
		uint64_t word;

		if (!row->spare)
			continue;
		rig_open(&rig, row, row->min_lg2, 0u - 300, false);
		core = rig.q;
		core->head = core->tail = core->done = ends[i] - 300;
		iodt_put_le64(&word, core->done);
		memcpy((unsigned char *)rig.page + row->word_at, &word,
		       row->raw_size == 32 ? 4 : 8);
		for (unsigned n = 0; n < 300; n++)
			expect(rig_submit(&rig, n, n % 4, true, &result), 0, &result, n % 4,
			       RIG_OK);
		assert_true(core->done > ends[i] && core->done == core->head);
		rig_close(&rig);
	}
}

static void test_no_memory(void **state)
{
	RIG_FOR_ROWS(row)
	{
		void *q = NULL;
		uint64_t live;

		open_row(row, 0);
		live = rig.alloc.live;
		for (unsigned n = 1; !q; n++) {
			assert_true(n < 10);
			rig.alloc.fail_at = rig.alloc.calls + n;
			if (row->create(&rig, rig.lg2, &q))
				assert_int_equal(rig.alloc.live, live);
		}
		rig.alloc.fail_at = 0;
		row->destroy(q);
		/* More ring than there is memory. */
		rig.lg2++;
		assert_int_equal(row->create(&rig, rig.lg2, &q), -EFAULT);
		rig_close(&rig);
	}
}

/* The head of hardware that passes what it refuses is read before it gets on, the word after: stops, then. */
static void pass_by(struct rig *r)
{
	const struct cmdq *core = r->q;
	uint64_t word;

	if (!core->suspect) {
		r->head = r->row->entry * ((core->tail + 1) % (1u << r->lg2));
		r->status = 0;
		return;
	}
	iodt_put_le64(&word, core->head);
	memcpy((unsigned char *)r->page + r->row->word_at, &word, 8);
}

static void test_late_head(void **state)
{
	RIG_FOR_ROWS(row)
	{
		struct rig_result result;

		if (!row->passes)
			continue;
		open_row(row, 0);
		rig.stopped = true;
		rig.patience = 100;
		rig.wait_gives = -ETIME;
		rig.on_doorbell = pass_by;
		/* The first of three. */
		expect(rig_submit(&rig, 0, 3, true, &result), -EIO, &result, 0, RIG_REFUSED);
		rig.on_doorbell = NULL;
		rig.head = rig.tail;
		rig.stopped = false;
		expect(rig_submit(&rig, 3, 1, true, &result), 0, &result, 1, RIG_OK);
		rig_close(&rig);
	}
}

/* ICE, and the wait behind it is complete all the same. */
static void misanswer(struct rig *r)
{
	const struct cmdq *core = r->q;
	uint64_t word;

	if (!core->waiting || r->fsts)
		return;
	iodt_put_le64(&word, core->head);
	r->head = r->tail;
	memcpy((unsigned char *)r->page + r->row->word_at, &word, 4);
	r->fsts = 0x20;
	r->on_doorbell = NULL;
}

static void test_misanswered(void **state)
{
	RIG_FOR_ROWS(row)
	{
		struct rig_result result;

		if (row->raw_size != 32)
			continue;
		open_row(row, 0);
		rig.stopped = true;
		rig.on_doorbell = misanswer;
		expect(rig_submit(&rig, 0, 1, true, &result), -EIO, &result, 1, RIG_TIMEOUT);
		assert_int_equal(rig.fsts, 0);
		rig.stopped = false;
		expect(rig_submit(&rig, 1, 1, true, &result), 0, &result, 1, RIG_OK);
		rig_close(&rig);
	}
}

/* What syncs write is not in memory any more: nobody waits for it. */
static void test_word_gone(void **state)
{
	RIG_FOR_ROWS(row)
	{
		struct iod_mem_region ring = { .pa = RIG_BASE };
		struct iod_mem_vm_cfg vm = { .size = sizeof(vm),
					     .regions = &ring,
					     .nr_regions = 1 };
		struct rig_result result;
		struct cmdq *core;
		struct iod_mem *mem;

		if (!row->spare)
			continue;
		open_row(row, 0);
		core = rig.q;
		ring.len = (uint64_t)row->entry << rig.lg2;
		ring.host = rig.ring;
		iodt_assert_ok(iod_mem_create_vm(&mem, &vm));
		core->cfg.mem = mem;
		assert_int_equal(rig_submit(&rig, 0, 2, true, &result), -EFAULT);
		iodt_assert_ok(rig_submit(&rig, 2, 2, false, &result));
		core->cfg.mem = rig.mem;
		iodt_assert_ok(rig_submit(&rig, 4, 0, true, &result));
		assert_true(rig_complete(&rig, 1) && rig_complete(&rig, 3));
		iodt_assert_ok(iod_mem_destroy(mem));
		rig_close(&rig);
	}
}

static void test_misuse_vtd(void **state)
{
	struct iod_vtd_submitted small = { .size = 4 }, out = { .size = sizeof(out) };
	struct iod_vtd_raw_desc wide = { { 0x21, 0, 1, 0 } };
	struct iod_vtd_sink sink = { .size = sizeof(sink) };
	struct iod_vtd_iq_stats stats = { .size = 1 };
	struct iod_vtd_iq *q;
	struct iod_vtd_iq_cfg good, cfg;
	size_t issued;

	rig_open(&rig, &rig_rows[1], 8, 0, false); /* 128 bits */
	good = (struct iod_vtd_iq_cfg){ .size = sizeof(good),
					.mem = rig.mem,
					.base = RIG_BASE,
					.head = &rig.head,
					.tail = &rig.tail,
					.fsts = &rig.fsts,
					.status = RIG_WORD };
	for (unsigned i = 0; i < 8; i++) {
		cfg = good;
		if (i == 0)
			cfg.size = 8;
		else if (i == 1)
			cfg.mem = NULL;
		else if (i == 2)
			cfg.head = NULL;
		else if (i == 3)
			cfg.tail = NULL;
		else if (i == 4)
			cfg.fsts = NULL;
		else if (i == 5)
			cfg.status = RIG_WORD + 2;
		else if (i == 6)
			rig.tail = 16; /* the head is 0 */
		else
			cfg.status = RIG_WORD + 4096;
		assert_int_equal(iod_vtd_iq_create(&q, &cfg), i == 7 ? -EFAULT : -EINVAL);
		rig.tail = 0;
	}
	assert_int_equal(iod_vtd_iq_create(NULL, &good), -EINVAL);
	assert_int_equal(iod_vtd_iq_create(&q, NULL), -EINVAL);
	assert_int_equal(iod_vtd_iq_destroy(NULL), -EINVAL);
	assert_int_equal(iod_vtd_iq_submit(NULL, NULL, 0, true, NULL), -EINVAL);
	assert_int_equal(iod_vtd_iq_submit(rig.q, NULL, 1, true, NULL), -EINVAL);
	assert_int_equal(iod_vtd_iq_submit(rig.q, &wide, 1, true, &out), -EINVAL);
	assert_int_equal(iod_vtd_iq_submit(rig.q, &wide, 0, true, &small), -EINVAL);
	assert_int_equal(iod_vtd_iq_get_stats(rig.q, &stats), -EINVAL);
	assert_int_equal(iod_vtd_iq_get_stats(NULL, &stats), -EINVAL);
	assert_int_equal(iod_vtd_iq_sink(NULL, &sink), -EINVAL);
	iodt_assert_ok(iod_vtd_iq_sink(rig.q, &sink));
	assert_int_equal(sink.issue(sink.cookie, &wide, 1, true, &issued), -EINVAL);
	assert_int_equal(rig.tail, 0);
	rig_close(&rig);
}

static void test_misuse_amdvi(void **state)
{
	struct iod_amdvi_submitted small = { .size = 4 };
	struct iod_amdvi_sink sink = { .size = sizeof(sink) };
	struct iod_amdvi_cmdq_stats stats = { .size = 1 };
	struct iod_amdvi_cmdq *q;
	struct iod_amdvi_cmdq_cfg good, cfg;

	rig_open(&rig, &rig_rows[rig_nr_rows - 1], 8, 0, false);
	good = (struct iod_amdvi_cmdq_cfg){ .size = sizeof(good),
					    .mem = rig.mem,
					    .base = RIG_BASE | UINT64_C(8) << 56,
					    .head = &rig.head,
					    .tail = &rig.tail,
					    .status = &rig.status,
					    .store = RIG_WORD };
	for (unsigned i = 0; i < 10; i++) {
		cfg = good;
		if (i == 0)
			cfg.size = 8;
		else if (i == 1)
			cfg.mem = NULL;
		else if (i == 2)
			cfg.head = NULL;
		else if (i == 3)
			cfg.tail = NULL;
		else if (i == 4)
			cfg.status = NULL;
		else if (i == 5)
			cfg.store = RIG_WORD + 4;
		else if (i == 6)
			cfg.store = UINT64_C(1) << 52;
		else if (i == 7)
			cfg.base = RIG_BASE | UINT64_C(7) << 56; /* reserved */
		else if (i == 8)
			rig.tail = 16; /* the head is 0 */
		else
			cfg.store = RIG_WORD + 4096;
		assert_int_equal(iod_amdvi_cmdq_create(&q, &cfg), i == 9 ? -EFAULT : -EINVAL);
		rig.tail = 0;
	}
	assert_int_equal(iod_amdvi_cmdq_create(NULL, &good), -EINVAL);
	assert_int_equal(iod_amdvi_cmdq_create(&q, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_cmdq_destroy(NULL), -EINVAL);
	assert_int_equal(iod_amdvi_cmdq_submit(NULL, NULL, 0, true, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_cmdq_submit(rig.q, NULL, 1, true, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_cmdq_submit(rig.q, NULL, 0, true, &small), -EINVAL);
	assert_int_equal(iod_amdvi_cmdq_get_stats(rig.q, &stats), -EINVAL);
	assert_int_equal(iod_amdvi_cmdq_get_stats(NULL, &stats), -EINVAL);
	assert_int_equal(iod_amdvi_cmdq_sink(NULL, &sink), -EINVAL);
	assert_int_equal(iod_amdvi_cmdq_sink(rig.q, NULL), -EINVAL);
	assert_int_equal(rig.tail, 0);
	rig_close(&rig);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nonsense),     cmocka_unit_test(test_contradiction),
		cmocka_unit_test(test_wrap),	     cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_word_gone),    cmocka_unit_test(test_late_head),
		cmocka_unit_test(test_misanswered),  cmocka_unit_test(test_misuse_vtd),
		cmocka_unit_test(test_misuse_amdvi),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
