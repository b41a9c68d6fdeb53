/* SPDX-License-Identifier: MIT */
/* VT-d rings: both sides of the library's against the model's arithmetic and a plain list, for every size and kind. */
#include "vtd/diff_vtd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <iodirty/mem.h>
#include <iodirty/vtd_desc.h>
#include <iodirty/vtd_queue.h>

#define RING_PA	 UINT64_C(0x40000000)
#define LIST_MAX 32768u
#define BATCH	 70u

struct rig {
	struct diff d;
	uint64_t *ring;
	struct iod_mem *mem;
	struct iod_vtd_queue q;
	struct mdl_vtd_ring m;
	uint64_t head, tail;
	uint32_t prs;
	/* what waits, as the second word of each */
	uint64_t list[LIST_MAX];
	uint64_t in, out;
	bool skips; /* a twin: the tail goes one too far now and then */
};

static void rig_open(struct rig *r, bool prq, bool wide, unsigned qs)
{
	struct iod_mem_region region = { .pa = RING_PA, .len = UINT64_C(4096) << qs };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };
	uint64_t base = RING_PA | qs | (wide && !prq ? IOD_VTD_IQA_DW : 0);

	memset(r, 0, sizeof(*r));
	diff_start(&r->d);
	/* bits of the address below the ring's size are ignored */
	base |= diff_random(&r->d) & (region.len - 1) & ~UINT64_C(4095);
	r->ring = aligned_alloc(4096, (size_t)region.len);
	assert_non_null(r->ring);
	memset(r->ring, 0, (size_t)region.len);
	region.host = r->ring;
	assert_int_equal(iod_mem_create_vm(&r->mem, &cfg), 0);
	mdl_vtd_ring(base, prq, &r->m);
	assert_int_equal(r->m.base, RING_PA);
	r->head = r->tail = diff_below(&r->d, r->m.bytes / r->m.entry) * r->m.entry;
	r->q = (struct iod_vtd_queue){ .size = sizeof(r->q),
				       .kind = prq ? IOD_VTD_PRQ : IOD_VTD_IQ,
				       .mem = r->mem,
				       .base = base,
				       .head = &r->head,
				       .tail = &r->tail,
				       .prs = prq ? &r->prs : NULL };
	assert_int_equal(iod_vtd_queue_check(&r->q), 0);
}

static void rig_close(struct rig *r)
{
	assert_int_equal(iod_mem_destroy(r->mem), 0);
	free(r->ring);
}

static void push(struct rig *r)
{
	uint64_t entries[BATCH][4] = { { 0 } };
	unsigned i, n = diff_below(&r->d, diff_chance(&r->d, 4) ? BATCH : 6);
	unsigned room = mdl_vtd_ring_room(&r->m, (unsigned)r->head, (unsigned)r->tail);
	unsigned at = (unsigned)r->tail, words = r->m.entry / 8, k;
	bool blocked = r->prs & IOD_VTD_PRS_PRO;
	int ret;

	for (i = 0; i < n; i++)
		for (k = 0; k < words; k++)
			entries[i][k] = diff_random(&r->d);
	ret = iod_vtd_queue_push(&r->q, entries, n);
	if (n && (blocked || n > room)) {
		assert_int_equal(ret, -ENOSPC);
		assert_int_equal(r->tail, at);
		return;
	}
	assert_int_equal(ret, 0);
	for (i = 0; i < n; i++) {
		assert_memory_equal(r->ring + at / 8, entries[i], r->m.entry);
		at = mdl_vtd_ring_next(&r->m, at);
		r->list[r->in++ % LIST_MAX] = entries[i][1];
	}
	if (r->skips && n == 5)
		r->tail = mdl_vtd_ring_next(&r->m, (unsigned)r->tail);
	if (r->tail != at)
		diff_mismatch(&r->d, "tail %llx, the model says %x", (unsigned long long)r->tail,
			      at);
	r->tail = at;
	assert_true(!n || !r->q.prs || (r->prs & IOD_VTD_PRS_PPR));
}

static void pop(struct rig *r)
{
	size_t n = 99, max = diff_below(&r->d, 8), i;
	uint64_t entries[8][4], wait = r->in - r->out;
	unsigned at = (unsigned)r->head;

	assert_int_equal(iod_vtd_queue_pop(&r->q, entries, max, &n), 0);
	assert_int_equal(n, wait < max ? wait : max);
	for (i = 0; i < n; i++) {
		assert_int_equal(entries[i][1], r->list[r->out++ % LIST_MAX]);
		assert_true(r->m.entry == 32 || !(entries[i][2] | entries[i][3]));
		at = mdl_vtd_ring_next(&r->m, at);
	}
	assert_int_equal(r->head, at);
}

static void overflow(struct rig *r)
{
	bool was = r->prs & IOD_VTD_PRS_PRO;

	if (!r->q.prs) {
		assert_int_equal(iod_vtd_queue_overflow(&r->q), -EINVAL);
		return;
	}
	assert_int_equal(iod_vtd_queue_overflowed(&r->q), was);
	if (diff_chance(&r->d, 2)) {
		assert_int_equal(iod_vtd_queue_overflow(&r->q), 0);
		assert_true(r->prs & IOD_VTD_PRS_PRO);
	} else {
		assert_int_equal(iod_vtd_queue_ack_overflow(&r->q), was);
		assert_false(r->prs & IOD_VTD_PRS_PRO);
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
		assert_int_equal(iod_vtd_queue_used(&r->q), r->in - r->out);
		assert_int_equal(mdl_vtd_ring_used(&r->m, (unsigned)r->head, (unsigned)r->tail),
				 r->in - r->out);
	}
}

static void all_sizes(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	unsigned qs, kind;

	(void)state;
	assert_non_null(r);
	for (kind = 0; kind < 3; kind++) {
		for (qs = 0; qs < 8; qs++) {
			rig_open(r, kind == 2, kind == 1, qs);
			run(r, (unsigned)iodt_scale(4000));
			rig_close(r);
		}
	}
	free(r);
}

static void twin(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	(void)state;
	assert_non_null(r);
	rig_open(r, false, true, 0);
	r->skips = true;
	r->d.twin = 1;
	run(r, 2000);
	assert_true(r->d.mismatches > 10);
	rig_close(r);
	free(r);
}

/* Registers that say nonsense: never more than a full ring, and nothing outside of it. */
static void nonsense(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint64_t entries[64][4] = { { 0 } };
	unsigned i, kind;
	size_t n;

	(void)state;
	assert_non_null(r);
	for (kind = 0; kind < 3; kind++) {
		rig_open(r, kind == 2, kind == 1, 0);
		for (i = 0; i < 10000; i++) {
			r->head = diff_random(&r->d) >> diff_below(&r->d, 64);
			r->tail = diff_random(&r->d) >> diff_below(&r->d, 64);
			assert_true(iod_vtd_queue_used(&r->q) < r->m.bytes / r->m.entry);
			n = 99;
			iod_vtd_queue_pop(&r->q, entries, 60, &n);
			assert_true(n <= 60 || n == 99);
			iod_vtd_queue_push(&r->q, entries, 3);
		}
		rig_close(r);
	}
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sizes),
		cmocka_unit_test(twin),
		cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests_name("VT-d rings against the model", tests, NULL, NULL);
}
