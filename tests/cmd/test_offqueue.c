/* SPDX-License-Identifier: MIT */
/*
 * Rings whose head and tail are byte offsets (VT-d, AMD-Vi) as their registers describe them: every size, one entry
 * that stays empty, overflow, registers and memory that a guest made up.
 */
#include "iodtest.h"

#define BASE IODT_BIT(32) /* aligned to the largest ring */

struct fix;

struct row {
	const char *name;
	unsigned kind;
	unsigned min_lg2, max_lg2;   /* entries */
	unsigned entry, raw;	     /* bytes in the ring, of the caller */
	uint32_t run, overflow, put; /* bits of the register that is told */
	bool vtd;
	/* PRO stops a queue, a Run bit that is clear does. */
	bool dw;
};

static const struct row rows[] = {
	{ "iq, 128 bits", IOD_VTD_IQ, 8, 15, 16, 32, 0, 0, 0, true, false },
	{ "iq, 256 bits", IOD_VTD_IQ, 7, 14, 32, 32, 0, 0, 0, true, true },
	{ "prq", IOD_VTD_PRQ, 7, 14, 32, 32, 0, 2, 1, true, false },
	{ "command buffer", IOD_AMDVI_CMDBUF, 8, 15, 16, 16, 0, 0, 0, false, false },
	{ "event log", IOD_AMDVI_EVTLOG, 8, 15, 16, 16, 8, 1, 2, false, false },
	{ "ppr log", IOD_AMDVI_PPRLOG, 8, 15, 16, 16, 0x80, 0x20, 0x40, false, false },
};

#define FOR_ROWS(row) for (const struct row *row = rows; row < rows + IODT_ARRAY_SIZE(rows); row++)

/* A ring with its registers in memory of exactly its size, so that a sanitizer sees a step beside it. */
struct fix {
	const struct row *row;
	struct iod_mem *mem;
	void *host;
	_Alignas(8) uint64_t head, tail;
	uint32_t reg; /* PRS, status */
	struct iod_vtd_queue v;
	struct iod_amdvi_queue a;
	uint32_t nr;
};

static void fix_open(struct fix *f, const struct row *row, unsigned lg2)
{
	struct iod_mem_region region = { .pa = BASE };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };

	memset(f, 0, sizeof(*f));
	f->row = row;
	f->nr = 1u << lg2;
	region.len = (uint64_t)f->nr * row->entry;
	f->host = calloc(f->nr, row->entry);
	assert_non_null(f->host);
	region.host = f->host;
	iodt_assert_ok(iod_mem_create_vm(&f->mem, &cfg));
	f->reg = row->run;
	f->v = (struct iod_vtd_queue){
		.size = sizeof(f->v),
		.kind = row->kind,
		.mem = f->mem,
		.base = BASE | (lg2 - row->min_lg2) | (row->dw ? 1u << 11 : 0),
		.head = &f->head,
		.tail = &f->tail,
		.prs = row->kind == IOD_VTD_PRQ ? &f->reg : NULL,
	};
	f->a = (struct iod_amdvi_queue){
		.size = sizeof(f->a),
		.kind = row->kind,
		.mem = f->mem,
		.base = BASE | (uint64_t)lg2 << 56,
		.head = &f->head,
		.tail = &f->tail,
		.status = &f->reg,
	};
}

static void fix_close(struct fix *f)
{
	iodt_assert_ok(iod_mem_destroy(f->mem));
	free(f->host);
}

static int check(struct fix *f)
{
	return f->row->vtd ? iod_vtd_queue_check(&f->v) : iod_amdvi_queue_check(&f->a);
}

static int64_t used(struct fix *f)
{
	return f->row->vtd ? iod_vtd_queue_used(&f->v) : iod_amdvi_queue_used(&f->a);
}

static int push(struct fix *f, const void *entries, size_t nr)
{
	return f->row->vtd ? iod_vtd_queue_push(&f->v, entries, nr)
			   : iod_amdvi_queue_push(&f->a, entries, nr);
}

static int pop(struct fix *f, void *entries, size_t max, size_t *nr)
{
	return f->row->vtd ? iod_vtd_queue_pop(&f->v, entries, max, nr)
			   : iod_amdvi_queue_pop(&f->a, entries, max, nr);
}

static int overflow(struct fix *f)
{
	return f->row->vtd ? iod_vtd_queue_overflow(&f->v) : iod_amdvi_queue_overflow(&f->a);
}

static bool overflowed(struct fix *f)
{
	return f->row->vtd ? iod_vtd_queue_overflowed(&f->v) : iod_amdvi_queue_overflowed(&f->a);
}

static int ack(struct fix *f)
{
	return f->row->vtd ? iod_vtd_queue_ack_overflow(&f->v)
			   : iod_amdvi_queue_ack_overflow(&f->a);
}

/* An entry that says its number; what is not in the ring is 0. */
static void make_entries(const struct row *row, uint64_t *words, uint64_t first, size_t nr)
{
	memset(words, 0, nr * row->raw);
	for (size_t i = 0; i < nr; i++)
		for (size_t k = 0; k < row->entry / 8; k++)
			words[i * (row->raw / 8) + k] = (first + i) << 8 | k;
}

static void push_some(struct fix *f, uint64_t first, size_t nr, int want)
{
	uint64_t *words = calloc(nr + 1, f->row->raw);

	assert_non_null(words);
	make_entries(f->row, words, first, nr);
	assert_int_equal(push(f, words, nr), want);
	free(words);
}

static void pop_some(struct fix *f, uint64_t first, size_t max, size_t want)
{
	uint64_t *words = calloc(max + 1, f->row->raw), *expect = calloc(max + 1, f->row->raw);
	size_t nr = 12345;

	assert_true(words && expect);
	iodt_assert_ok(pop(f, words, max, &nr));
	assert_int_equal(nr, want);
	make_entries(f->row, expect, first, nr);
	assert_memory_equal(words, expect, (max + 1) * f->row->raw);
	free(words);
	free(expect);
}

/* Sizes as the base registers count them, and the one entry that stays empty. */
static void test_sizes(void **state)
{
	FOR_ROWS(row)
	for (unsigned lg2 = row->min_lg2; lg2 <= row->max_lg2; lg2++) {
		struct fix f;

		fix_open(&f, row, lg2);
		iodt_assert_ok(check(&f));
		push_some(&f, 0, f.nr, -ENOSPC);
		push_some(&f, 0, f.nr - 1, 0);
		assert_int_equal(f.tail, (uint64_t)(f.nr - 1) * row->entry);
		assert_int_equal(used(&f), f.nr - 1);
		push_some(&f, 0, 1, -ENOSPC);
		pop_some(&f, 0, 3, 3);
		assert_int_equal(f.head, 3 * row->entry);
		push_some(&f, f.nr - 1, 3, 0);
		assert_int_equal(f.tail, 2 * row->entry);
		pop_some(&f, 3, f.nr + 5, f.nr - 1);
		assert_int_equal(used(&f), 0);
		assert_int_equal(f.reg, row->run | row->put);
		fix_close(&f);
	}
}

/* As a counter of 64 bits says it must be. */
static void test_random(void **state)
{
	FOR_ROWS(row)
	{
		uint64_t head = 0, tail = 0, rng = row->kind, n;
		struct fix f;

		fix_open(&f, row, row->min_lg2);
		for (unsigned step = 0; step < 2000; step++) {
			rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
			n = (rng >> 33) % (f.nr / 2);
			if (rng >> 63) {
				bool fits = n <= f.nr - 1 - (tail - head);

				push_some(&f, tail, n, fits ? 0 : -ENOSPC);
				tail += fits ? n : 0;
			} else {
				uint64_t got = n < tail - head ? n : tail - head;

				pop_some(&f, head, n, got);
				head += got;
			}
			assert_int_equal(f.head, head % f.nr * row->entry);
			assert_int_equal(f.tail, tail % f.nr * row->entry);
			assert_int_equal(used(&f), tail - head);
		}
		fix_close(&f);
	}
}

/* PRS.PRO and PRS.PPR; EvtOvf, EvtRun, EvtInt and those of the PPR log. */
static void test_overflow(void **state)
{
	FOR_ROWS(row)
	{
		struct fix f;

		fix_open(&f, row, row->min_lg2);
		assert_false(overflowed(&f));
		if (!row->overflow) {
			assert_int_equal(overflow(&f), -EINVAL);
			assert_int_equal(ack(&f), -EINVAL);
			fix_close(&f);
			continue;
		}
		assert_int_equal(ack(&f), 0);
		f.reg = row->run | 0x10000; /* another's bit */
		push_some(&f, 0, 1, 0);
		assert_int_equal(f.reg, row->run | row->put | 0x10000);
		iodt_assert_ok(overflow(&f));
		iodt_assert_ok(overflow(&f));
		assert_int_equal(f.reg, row->overflow | row->put | 0x10000);
		assert_true(overflowed(&f));
		push_some(&f, 1, 1, -ENOSPC); /* though there is room */
		push_some(&f, 1, 0, 0);
		pop_some(&f, 0, 2, 1);
		push_some(&f, 1, 1, -ENOSPC);
		assert_int_equal(ack(&f), 1);
		assert_int_equal(f.reg, row->run | row->put | 0x10000);
		push_some(&f, 1, 1, 0);
		pop_some(&f, 1, 2, 1);
		fix_close(&f);
	}
}

/* A ring that is not aligned to its size begins where one of that size does (VT-d); AMD: where it says. */
static void test_base(void **state)
{
	FOR_ROWS(row)
	{
		struct fix f;

		fix_open(&f, row, row->min_lg2 + 3);
		if (row->vtd)
			f.v.base |= 0x5008; /* in the ring, and reserved */
		push_some(&f, 7, 2, 0);
		pop_some(&f, 7, 2, 2);
		assert_int_not_equal(((uint64_t *)f.host)[0], 0);
		fix_close(&f);
	}
}

static void test_registers_of_nonsense(void **state)
{
	static const uint64_t words[] = { 0,
					  1,
					  8,
					  15,
					  16,
					  0x7fff0,
					  0x7ffff,
					  0x80000,
					  UINT64_MAX,
					  0xfffffffffff80000,
					  0x123456789abcdef0 };
	uint64_t *entries;
	size_t nr;

	FOR_ROWS(row)
	{
		struct fix f;

		fix_open(&f, row, row->min_lg2);
		entries = calloc(f.nr + 8, row->raw);
		assert_non_null(entries);
		for (unsigned i = 0; i < IODT_ARRAY_SIZE(words); i++)
			for (unsigned k = 0; k < IODT_ARRAY_SIZE(words); k++) {
				int ret;

				f.head = words[i];
				f.tail = words[k];
				assert_in_range(used(&f), 0, f.nr - 1);
				ret = push(&f, entries, 3);
				assert_true(ret == 0 || ret == -ENOSPC);
				f.head = words[i];
				f.tail = words[k];
				iodt_assert_ok(pop(&f, entries, f.nr + 8, &nr));
				assert_in_range(nr, 0, f.nr - 1);
				assert_in_range(f.head, 0,
						nr ? (f.nr - 1) * row->entry : UINT64_MAX);
			}
		free(entries);
		fix_close(&f);
	}
}

/* The ring is larger than the memory. */
static void test_memory_missing(void **state)
{
	uint64_t words[8] = { 0 };
	size_t nr;

	FOR_ROWS(row)
	{
		struct fix f;

		fix_open(&f, row, row->min_lg2);
		f.v.base += 1;
		f.a.base += IODT_BIT(56);
		assert_int_equal(check(&f), -EFAULT);
		f.head = f.tail = (uint64_t)f.nr * row->entry;
		assert_int_equal(push(&f, words, 1), -EFAULT);
		assert_int_equal(f.tail, (uint64_t)f.nr * row->entry);
		f.tail += row->entry;
		assert_int_equal(pop(&f, words, 2, &nr), -EFAULT);
		assert_int_equal(nr, 0);
		assert_int_equal(f.head, (uint64_t)f.nr * row->entry);
		/* Half of what is asked for. */
		f.head = f.tail = (uint64_t)(f.nr - 1) * row->entry;
		assert_int_equal(push(&f, words, 2), -EFAULT);
		assert_int_equal(f.tail, (uint64_t)(f.nr - 1) * row->entry);
		fix_close(&f);
	}
}

static void test_misuse(void **state)
{
	struct iod_vtd_raw_desc wide = { { 1, 2, 0, 4 } };
	uint64_t words[8] = { 0 };
	size_t nr;

	FOR_ROWS(row)
	for (unsigned i = 0; i < 7; i++) {
		struct fix f;

		fix_open(&f, row, row->min_lg2);
		assert_int_equal(push(&f, NULL, 1), -EINVAL);
		assert_int_equal(pop(&f, NULL, 1, &nr), -EINVAL);
		assert_int_equal(pop(&f, words, 1, NULL), -EINVAL);
		if (i == 0)
			f.v.size = f.a.size = 8;
		else if (i == 1)
			f.v.head = f.a.head = NULL;
		else if (i == 2)
			f.v.tail = f.a.tail = NULL;
		else if (i == 3)
			f.v.mem = f.a.mem = NULL;
		else if (i == 4)
			f.v.kind = 4, f.a.kind = 4;
		else if (i == 5)
			f.v.reserved = f.a.reserved = 1;
		else
			f.v.prs = f.v.prs ? NULL : &f.reg, f.a.status = NULL;
		assert_int_equal(check(&f), -EINVAL);
		assert_int_equal(used(&f), -EINVAL);
		assert_int_equal(push(&f, words, 1), -EINVAL);
		assert_int_equal(pop(&f, words, 1, &nr), -EINVAL);
		assert_int_equal(overflow(&f), -EINVAL);
		assert_int_equal(ack(&f), -EINVAL);
		assert_false(overflowed(&f));
		fix_close(&f);
	}
	for (uint64_t len = 0; len < 8; len++) { /* reserved length codes */
		struct fix f;

		fix_open(&f, &rows[3], 8);
		f.a.base = BASE | len << 56;
		assert_int_equal(check(&f), -EINVAL);
		fix_close(&f);
	}
	for (unsigned i = 0; i < 2; i++) { /* bits that 128-bit rings do not have */
		struct fix f;

		fix_open(&f, &rows[i], 8);
		assert_int_equal(push(&f, &wide, 1), i ? 0 : -EINVAL);
		fix_close(&f);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_registers_of_nonsense),
		cmocka_unit_test(test_memory_missing),
		cmocka_unit_test(test_misuse),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
