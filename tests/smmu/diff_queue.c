/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3 queues: the library's two sides of a ring against the model's
 * arithmetic and a plain list, for every size and kind, with overflow.
 */
#include "smmu/diff_smmu.h"

#include <string.h>

#include <iodirty/mem.h>
#include <iodirty/smmuv3_queue.h>

#define RING_PA	  UINT64_C(0x40000000)
#define RING_MAX  10 /* log2 of the entries of rings that are run round many times */
#define LIST_MAX  (1u << RING_MAX)
#define ENTRY_MAX 4 /* words */

struct rig {
	struct diff d;
	uint64_t *ring;
	struct iod_mem *mem;
	struct iod_smmuv3_queue q;
	uint32_t prod, cons; /* the registers */
	unsigned lg2, words;
	/* what waits, as the first word of each, in a ring of its own */
	uint64_t list[LIST_MAX];
	uint64_t in, out;
};

static void rig_open(struct rig *r, enum iod_smmuv3_queue_kind kind, unsigned lg2)
{
	struct iod_mem_region region = { .pa = RING_PA };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };

	memset(r, 0, sizeof(*r));
	diff_start(&r->d);
	r->lg2 = lg2;
	r->words = kind == IOD_SMMUV3_EVTQ ? 4 : 2;
	region.len = (uint64_t)8 * r->words << lg2;
	r->ring = calloc(1, (size_t)region.len);
	assert_non_null(r->ring);
	region.host = r->ring;
	assert_int_equal(iod_mem_create_vm(&r->mem, &cfg), 0);
	r->q = (struct iod_smmuv3_queue){
		.size = sizeof(r->q),
		.kind = kind,
		.mem = r->mem,
		.base = RING_PA | lg2,
		.prod = &r->prod,
		.cons = &r->cons,
	};
	assert_int_equal(iod_smmuv3_queue_check(&r->q), 0);
}

static void rig_close(struct rig *r)
{
	assert_int_equal(iod_mem_destroy(r->mem), 0);
	free(r->ring);
}

static uint64_t room(const struct rig *r)
{
	return (UINT64_C(1) << r->lg2) - (r->in - r->out);
}

static void push(struct rig *r)
{
	unsigned i, n = diff_below(&r->d, 6);
	uint64_t entries[5 * ENTRY_MAX];
	uint32_t want = r->prod;
	bool blocked = r->q.kind == IOD_SMMUV3_PRIQ && mdl_queue_overflown(r->prod, r->cons);
	int ret;

	for (i = 0; i < n * r->words; i++)
		entries[i] = diff_random(&r->d);
	ret = iod_smmuv3_queue_push(&r->q, entries, n);
	if (n && (blocked || n > room(r))) {
		assert_int_equal(ret, -ENOSPC);
		assert_int_equal(r->prod, want);
		return;
	}
	assert_int_equal(ret, 0);
	for (i = 0; i < n; i++) {
		assert_memory_equal(&r->ring[mdl_queue_index(r->lg2, want) * r->words],
				    &entries[i * r->words], 8 * r->words);
		want = mdl_queue_next(r->lg2, want);
		r->list[r->in++ % LIST_MAX] = entries[i * r->words];
	}
	assert_int_equal(r->prod, want);
}

static void pop(struct rig *r)
{
	size_t i, n = 99, max = diff_below(&r->d, 6);
	uint64_t entries[5 * ENTRY_MAX], wait = r->in - r->out;
	uint32_t want = r->cons;

	assert_int_equal(iod_smmuv3_queue_pop(&r->q, entries, max, &n), 0);
	assert_int_equal(n, wait < max ? wait : max);
	for (i = 0; i < n; i++) {
		assert_int_equal(entries[i * r->words], r->list[r->out++ % LIST_MAX]);
		want = mdl_queue_next(r->lg2, want);
	}
	assert_int_equal(r->cons, want);
}

static void overflow(struct rig *r)
{
	uint32_t want = mdl_queue_overflow(r->prod, r->cons);
	bool was = mdl_queue_overflown(r->prod, r->cons);

	if (r->q.kind == IOD_SMMUV3_CMDQ) {
		assert_int_equal(iod_smmuv3_queue_overflow(&r->q), -EINVAL);
		return;
	}
	assert_int_equal(iod_smmuv3_queue_overflowed(&r->q), was);
	if (diff_chance(&r->d, 2)) {
		assert_int_equal(iod_smmuv3_queue_overflow(&r->q), 0);
		assert_int_equal(r->prod, want);
	} else {
		assert_int_equal(iod_smmuv3_queue_ack_overflow(&r->q), was);
		assert_false(mdl_queue_overflown(r->prod, r->cons));
	}
}

static void run(struct rig *r, unsigned steps)
{
	while (steps--) {
		switch (diff_below(&r->d, 8)) {
		case 0:
			overflow(r);
			break;
		case 1:
		case 2:
		case 3:
			pop(r);
			break;
		default:
			push(r);
			break;
		}
		assert_int_equal(iod_smmuv3_queue_used(&r->q), r->in - r->out);
		assert_int_equal(mdl_queue_used(r->lg2, r->prod, r->cons), r->in - r->out);
		assert_int_equal(mdl_queue_empty(r->lg2, r->prod, r->cons), r->in == r->out);
		assert_int_equal(mdl_queue_full(r->lg2, r->prod, r->cons), !room(r));
	}
}

static void all_sizes(void **state)
{
	enum iod_smmuv3_queue_kind kind;
	struct rig *r = calloc(1, sizeof(*r));
	unsigned lg2;

	(void)state;
	assert_non_null(r);
	for (kind = IOD_SMMUV3_CMDQ; kind <= IOD_SMMUV3_PRIQ; kind++) {
		for (lg2 = 0; lg2 <= RING_MAX; lg2++) {
			rig_open(r, kind, lg2);
			run(r, iodt_scale(5000));
			rig_close(r);
		}
	}
	free(r);
}

/* The largest ring there is, at the point where it wraps. */
static void largest(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	(void)state;
	assert_non_null(r);
	rig_open(r, IOD_SMMUV3_EVTQ, 19);
	r->prod = r->cons = (UINT32_C(1) << 20) - 3;
	run(r, 50);
	rig_close(r);
	free(r);
}

/* Registers that say nonsense: never more than a full ring, and nothing outside of it. */
static void nonsense(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint64_t entries[64];
	unsigned i;
	size_t n;

	(void)state;
	assert_non_null(r);
	rig_open(r, IOD_SMMUV3_CMDQ, 4);
	for (i = 0; i < 20000; i++) {
		r->prod = (uint32_t)diff_random(&r->d);
		r->cons = (uint32_t)diff_random(&r->d);
		assert_in_range(iod_smmuv3_queue_used(&r->q), 0, 16);
		n = 99;
		iod_smmuv3_queue_pop(&r->q, entries, 20, &n);
		assert_true(n <= 16);
		iod_smmuv3_queue_push(&r->q, entries, 3);
	}
	rig_close(r);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sizes),
		cmocka_unit_test(largest),
		cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests_name("SMMUv3 queues against the model", tests, NULL, NULL);
}
