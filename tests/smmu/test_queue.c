/* SPDX-License-Identifier: MIT */
/*
 * Queues as their registers describe them (Arm IHI 0070, 3.5, 7.1, 7.2, 7.4, 8.1): positions of every size,
 * overflow, registers and memory that a guest made up, and the consumer of commands.
 */
#include <pthread.h>

#include "iodtest.h"

#define BASE IODT_BIT(32) /* aligned to the largest ring */

/* A ring with its registers in memory of exactly its size, so that a sanitizer sees a step beside it. */
struct fix {
	struct iod_mem *mem;
	void *host;
	uint32_t prod, cons, gerror, gerrorn;
	struct iod_smmuv3_queue q;
	uint32_t nr;
	size_t entry; /* bytes */
};

static void fix_open(struct fix *f, enum iod_smmuv3_queue_kind kind, unsigned log2size)
{
	struct iod_mem_region region = { .pa = BASE };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };

	memset(f, 0, sizeof(*f));
	f->entry = kind == IOD_SMMUV3_EVTQ ? 32 : 16;
	f->nr = 1u << log2size;
	region.len = f->nr * f->entry;
	f->host = calloc(f->nr, f->entry);
	assert_non_null(f->host);
	region.host = f->host;
	iodt_assert_ok(iod_mem_create_vm(&f->mem, &cfg));
	f->q.size = sizeof(f->q);
	f->q.kind = kind;
	f->q.mem = f->mem;
	f->q.base = BASE | log2size;
	f->q.prod = &f->prod;
	f->q.cons = &f->cons;
	iodt_assert_ok(iod_smmuv3_queue_check(&f->q));
}

static void fix_close(struct fix *f)
{
	iodt_assert_ok(iod_mem_destroy(f->mem));
	free(f->host);
}

/* An entry that says its number. */
static void make_entries(uint64_t *words, size_t entry, uint64_t first, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		for (size_t k = 0; k < entry / 8; k++)
			words[i * (entry / 8) + k] = (first + i) << 8 | k;
}

static void push_some(struct fix *f, uint64_t first, size_t nr, int want)
{
	uint64_t *words = calloc(nr + 1, f->entry);

	assert_non_null(words);
	make_entries(words, f->entry, first, nr);
	assert_int_equal(iod_smmuv3_queue_push(&f->q, words, nr), want);
	free(words);
}

static void pop_some(struct fix *f, uint64_t first, size_t max, size_t want)
{
	uint64_t *words = calloc(max + 1, f->entry), *expect = calloc(max + 1, f->entry);
	size_t nr = 12345;

	assert_true(words && expect);
	iodt_assert_ok(iod_smmuv3_queue_pop(&f->q, words, max, &nr));
	assert_int_equal(nr, want);
	make_entries(expect, f->entry, first, nr);
	assert_memory_equal(words, expect, (max + 1) * f->entry);
	free(words);
	free(expect);
}

/* 3.5.1, by hand: two entries, so the index is bit 0 and the wrap bit is bit 1. */
static void test_registers(void **state)
{
	static const uint32_t positions[] = { 0, 1, 2, 3, 0, 1 };
	struct fix f;

	fix_open(&f, IOD_SMMUV3_CMDQ, 1);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(f.prod, positions[i]);
		assert_int_equal(f.cons, positions[i]);
		assert_int_equal(iod_smmuv3_queue_used(&f.q), 0);
		push_some(&f, i, 1, 0);
		assert_int_equal(f.prod, positions[i + 1]);
		assert_int_equal(iod_smmuv3_queue_used(&f.q), 1);
		pop_some(&f, i, 2, 1);
		assert_int_equal(f.cons, positions[i + 1]);
	}
	/* Full: same index, other wrap bit. */
	f.prod = f.cons = 1;
	push_some(&f, 0, 2, 0);
	assert_int_equal(f.prod, 3);
	push_some(&f, 0, 1, -ENOSPC);
	assert_int_equal(f.prod, 3);
	assert_int_equal(iod_smmuv3_queue_used(&f.q), 2);
	/* The second entry lies at index 0: nothing of ours is before it. */
	assert_int_equal(((uint64_t *)f.host)[0], (uint64_t)1 << 8);
	fix_close(&f);
}

/* Positions as 64-bit counters say they must be. */
static void run_size(enum iod_smmuv3_queue_kind kind, unsigned log2size)
{
	uint64_t head = 0, tail = 0, rng = log2size * 3u + (unsigned)kind, n;
	struct fix f;

	fix_open(&f, kind, log2size);
	for (unsigned step = 0; step < (log2size < 12 ? 200u : 12u); step++) {
		rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
		n = (rng >> 33) % (f.nr + 2);
		push_some(&f, head, n, head + n - tail <= f.nr ? 0 : -ENOSPC);
		if (head + n - tail <= f.nr)
			head += n;
		assert_int_equal(f.prod, head & (2 * f.nr - 1));
		n = (rng >> 40) % (f.nr + 2);
		pop_some(&f, tail, n, n < head - tail ? n : head - tail);
		tail += n < head - tail ? n : head - tail;
		assert_int_equal(f.cons, tail & (2 * f.nr - 1));
		assert_int_equal(iod_smmuv3_queue_used(&f.q), head - tail);
	}
	push_some(&f, head, f.nr - (head - tail), 0); /* every entry is usable */
	push_some(&f, 0, 1, -ENOSPC);
	pop_some(&f, tail, f.nr, f.nr);
	assert_int_equal(f.prod, f.cons);
	fix_close(&f);
}

static void test_sizes(void **state)
{
	for (unsigned log2size = 0; log2size <= 19; log2size++) {
		run_size(IOD_SMMUV3_CMDQ, log2size);
		run_size(IOD_SMMUV3_EVTQ, log2size);
		run_size(IOD_SMMUV3_PRIQ, log2size);
	}
}

/* 7.4: an overflow is told once, recording goes on when there is room. */
static void test_event_overflow(void **state)
{
	struct fix f;

	fix_open(&f, IOD_SMMUV3_EVTQ, 1);
	push_some(&f, 0, 2, 0);
	push_some(&f, 2, 1, -ENOSPC);
	assert_false(iod_smmuv3_queue_overflowed(&f.q));
	iodt_assert_ok(iod_smmuv3_queue_overflow(&f.q));
	assert_int_equal(f.prod, 0x80000002);
	assert_true(iod_smmuv3_queue_overflowed(&f.q));
	iodt_assert_ok(iod_smmuv3_queue_overflow(&f.q)); /* not acknowledged yet: stays */
	assert_int_equal(f.prod, 0x80000002);
	pop_some(&f, 0, 1, 1);
	assert_int_equal(f.cons, 1);
	push_some(&f, 2, 1, 0);
	assert_int_equal(f.prod, 0x80000003);
	assert_int_equal(iod_smmuv3_queue_ack_overflow(&f.q), 1);
	assert_int_equal(f.cons, 0x80000001);
	assert_int_equal(iod_smmuv3_queue_ack_overflow(&f.q), 0);
	assert_false(iod_smmuv3_queue_overflowed(&f.q));
	iodt_assert_ok(iod_smmuv3_queue_overflow(&f.q));
	assert_int_equal(f.prod, 3);
	assert_int_equal(iod_smmuv3_queue_ack_overflow(&f.q), 1);
	pop_some(&f, 1, 5, 2);
	assert_int_equal(f.cons, 3);
	fix_close(&f);
}

/* 8.1: the PRI queue takes nothing until the overflow was acknowledged. */
static void test_pri_overflow(void **state)
{
	struct fix f;

	fix_open(&f, IOD_SMMUV3_PRIQ, 2);
	push_some(&f, 0, 4, 0);
	push_some(&f, 4, 1, -ENOSPC);
	iodt_assert_ok(iod_smmuv3_queue_overflow(&f.q));
	pop_some(&f, 0, 4, 4);
	push_some(&f, 4, 1, -ENOSPC);
	assert_int_equal(iod_smmuv3_queue_ack_overflow(&f.q), 1);
	push_some(&f, 4, 1, 0);
	pop_some(&f, 4, 4, 1);
	fix_close(&f);
}

static void test_hostile_registers(void **state)
{
	uint64_t words[4 * 16], rng = 7;
	size_t nr;

	for (unsigned log2size = 0; log2size < 4; log2size++) {
		struct fix f;

		fix_open(&f, IOD_SMMUV3_EVTQ, log2size);
		for (unsigned i = 0; i < 20000; i++) {
			int64_t used;

			rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
			f.prod = (uint32_t)(rng >> 32);
			rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
			f.cons = (uint32_t)(rng >> 32);
			used = iod_smmuv3_queue_used(&f.q);
			assert_in_range(used, 0, f.nr);
			iodt_assert_ok(iod_smmuv3_queue_pop(&f.q, words, 16, &nr));
			assert_int_equal(nr, used);
			(void)iod_smmuv3_queue_push(&f.q, words, i % (f.nr + 1));
			iodt_assert_ok(iod_smmuv3_queue_overflow(&f.q));
			assert_true(iod_smmuv3_queue_ack_overflow(&f.q) >= 0);
		}
		/* More than fit count as a full ring. */
		f.prod = 2 * f.nr - 1;
		f.cons = 0;
		assert_int_equal(iod_smmuv3_queue_used(&f.q), f.nr);
		assert_int_equal(iod_smmuv3_queue_push(&f.q, words, 1), -ENOSPC);
		fix_close(&f);
	}
}

static void test_missing_memory(void **state)
{
	uint64_t words[8] = { 0 };
	struct fix f;
	size_t nr;

	fix_open(&f, IOD_SMMUV3_CMDQ, 2);
	f.q.base = BASE | 3; /* twice what is there */
	assert_int_equal(iod_smmuv3_queue_check(&f.q), -EFAULT);
	f.prod = f.cons = 3;
	iodt_assert_ok(iod_smmuv3_queue_push(&f.q, words, 1));
	assert_int_equal(f.prod, 4);
	assert_int_equal(iod_smmuv3_queue_push(&f.q, words, 1), -EFAULT);
	assert_int_equal(f.prod, 4);
	f.prod = 5;
	nr = 9;
	assert_int_equal(iod_smmuv3_queue_pop(&f.q, words, 2, &nr), -EFAULT);
	assert_int_equal(nr, 0);
	assert_int_equal(f.cons, 3); /* all or nothing */
	f.q.base = 0xfffffffffffff2;
	assert_int_equal(iod_smmuv3_queue_check(&f.q), -EFAULT);
	assert_int_equal(iod_smmuv3_queue_push(&f.q, words, 1), -EFAULT);
	fix_close(&f);
}

/* Regions that meet inside the ring, one of them not to be written. */
static void test_pieces(void **state)
{
	_Alignas(8) uint64_t low[512] = { 0 }, high[512] = { 0 };
	uint64_t words[4];
	struct iod_mem_region regions[2] = {
		{ .pa = BASE, .len = 4096, .host = low },
		{ .pa = BASE + 4096, .len = 4096, .host = high },
	};
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = regions, .nr_regions = 2 };
	uint32_t prod = 255, cons = 255;
	struct iod_smmuv3_queue q = { .size = sizeof(q),
				      .kind = IOD_SMMUV3_PRIQ,
				      .base = BASE | 9,
				      .prod = &prod,
				      .cons = &cons };
	size_t nr;

	iodt_assert_ok(iod_mem_create_vm(&q.mem, &cfg));
	iodt_assert_ok(iod_smmuv3_queue_check(&q));
	make_entries(words, 16, 7, 2);
	iodt_assert_ok(iod_smmuv3_queue_push(&q, words, 2));
	assert_true(low[510] == words[0] && high[1] == words[3]);
	iodt_assert_ok(iod_smmuv3_queue_pop(&q, words, 2, &nr));
	assert_true(nr == 2 && words[2] == 8 << 8);
	iodt_assert_ok(iod_mem_destroy(q.mem));

	regions[1].flags = IOD_REGION_READONLY;
	iodt_assert_ok(iod_mem_create_vm(&q.mem, &cfg));
	assert_int_equal(iod_smmuv3_queue_check(&q), -EFAULT);
	q.kind = IOD_SMMUV3_CMDQ; /* which an SMMU only reads */
	iodt_assert_ok(iod_smmuv3_queue_check(&q));
	assert_int_equal(iod_smmuv3_queue_push(&q, words, 1), -EFAULT);
	iodt_assert_ok(iod_mem_destroy(q.mem));
}

static void test_misuse(void **state)
{
	uint64_t words[4] = { 0 };
	struct iod_smmuv3_queue bad;
	struct fix f;
	size_t nr;

	fix_open(&f, IOD_SMMUV3_CMDQ, 2);
	for (unsigned i = 0; i < 7; i++) {
		bad = f.q;
		if (i == 0)
			bad.size--;
		else if (i == 1)
			bad.kind = (enum iod_smmuv3_queue_kind)4;
		else if (i == 2)
			bad.mem = NULL;
		else if (i == 3)
			bad.prod = NULL;
		else if (i == 4)
			bad.cons = NULL;
		else if (i == 5)
			bad.base = BASE | 20;
		else
			bad.reserved = 1;
		assert_int_equal(iod_smmuv3_queue_check(&bad), -EINVAL);
		assert_int_equal(iod_smmuv3_queue_used(&bad), -EINVAL);
		assert_int_equal(iod_smmuv3_queue_push(&bad, words, 1), -EINVAL);
		assert_int_equal(iod_smmuv3_queue_pop(&bad, words, 1, &nr), -EINVAL);
		assert_int_equal(iod_smmuv3_queue_overflow(&bad), -EINVAL);
		assert_int_equal(iod_smmuv3_queue_ack_overflow(&bad), -EINVAL);
		assert_false(iod_smmuv3_queue_overflowed(&bad));
	}
	assert_int_equal(iod_smmuv3_queue_check(NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_queue_push(&f.q, NULL, 1), -EINVAL);
	iodt_assert_ok(iod_smmuv3_queue_push(&f.q, NULL, 0));
	assert_int_equal(iod_smmuv3_queue_pop(&f.q, NULL, 1, &nr), -EINVAL);
	assert_int_equal(iod_smmuv3_queue_pop(&f.q, words, 1, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_queue_overflow(&f.q), -EINVAL); /* commands do not overflow */
	assert_int_equal(iod_smmuv3_queue_ack_overflow(&f.q), -EINVAL);
	assert_int_equal(f.prod | f.cons, 0);
	/* Bits of the base that are hints (RA, WA), and those below the alignment. */
	f.q.base |= IODT_BIT(62) | 0x20;
	iodt_assert_ok(iod_smmuv3_queue_check(&f.q));
	fix_close(&f);
}

/* One thread on either side. */
#define STREAM 20000u

static void *producer(void *arg)
{
	struct fix *f = arg;
	uint64_t words[3 * 4];

	for (uint64_t i = 0; i < STREAM;) {
		size_t n = 1 + i % 3;

		make_entries(words, 32, i, n);
		if (!iod_smmuv3_queue_push(&f->q, words, n))
			i += n;
		else
			sched_yield();
	}
	return NULL;
}

static void test_two_threads(void **state)
{
	uint64_t words[4 * 4], expect[4 * 4], next = 0;
	pthread_t thread;
	struct fix f;
	size_t nr;

	fix_open(&f, IOD_SMMUV3_EVTQ, 3);
	iodt_assert_ok(pthread_create(&thread, NULL, producer, &f));
	while (next < STREAM) {
		iodt_assert_ok(iod_smmuv3_queue_pop(&f.q, words, 4, &nr));
		make_entries(expect, 32, next, nr);
		assert_memory_equal(words, expect, nr * 32);
		next += nr;
		if (!nr)
			sched_yield();
	}
	iodt_assert_ok(pthread_join(thread, NULL));
	fix_close(&f);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_event_overflow),
		cmocka_unit_test(test_pri_overflow),
		cmocka_unit_test(test_hostile_registers),
		cmocka_unit_test(test_missing_memory),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_two_threads),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
