/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi rings: the library's two sides against the model's arithmetic and a plain list, for every size and kind, with
 * overflow, and with registers that say nonsense.
 */
#include "amdvi/diff_amdvi.h"

#include <string.h>

#include <iodirty/amdvi_queue.h>
#include <iodirty/mem.h>

#define RING_PA	       UINT64_C(0x40000000)
#define LIST_MAX       32768u
#define STATUS_EVT_OVF 0x01u
#define STATUS_EVT_INT 0x02u
#define STATUS_EVT_RUN 0x08u
#define STATUS_PPR_OVF 0x20u
#define STATUS_PPR_INT 0x40u
#define STATUS_PPR_RUN 0x80u

/* Libraries that are wrong on purpose. */
enum { TWIN_NONE, TWIN_TAIL, TWIN_HEAD, TWIN_INT, TWIN_LAST };

struct rig {
	struct diff d;
	uint64_t *ring;
	struct iod_mem *mem;
	struct iod_amdvi_queue q;
	uint64_t head, tail;
	uint32_t status, entries;
	uint32_t ovf, intr, runs; /* bits of status */
	/* what waits, as the first word of each, in a ring of its own */
	uint64_t list[LIST_MAX];
	uint64_t in, out;
	unsigned pushed, full;
};

static void rig_open(struct rig *r, enum iod_amdvi_queue_kind kind, unsigned code)
{
	struct iod_mem_region region = { .pa = RING_PA };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };

	memset(r, 0, sizeof(*r));
	diff_start(&r->d);
	r->entries = mdl_amdvi_ring_entries(code);
	region.len = (uint64_t)16 * r->entries;
	r->ring = calloc(1, (size_t)region.len);
	assert_non_null(r->ring);
	region.host = r->ring;
	assert_int_equal(iod_mem_create_vm(&r->mem, &cfg), 0);
	if (kind == IOD_AMDVI_EVTLOG) {
		r->ovf = STATUS_EVT_OVF;
		r->intr = STATUS_EVT_INT;
		r->runs = STATUS_EVT_RUN;
	} else if (kind == IOD_AMDVI_PPRLOG) {
		r->ovf = STATUS_PPR_OVF;
		r->intr = STATUS_PPR_INT;
		r->runs = STATUS_PPR_RUN;
	}
	r->status = r->runs;
	r->q = (struct iod_amdvi_queue){
		.size = sizeof(r->q),
		.kind = kind,
		.mem = r->mem,
		.base = RING_PA | (uint64_t)code << 56,
		.head = &r->head,
		.tail = &r->tail,
		.status = &r->status,
	};
	assert_int_equal(iod_amdvi_queue_check(&r->q), 0);
}

static void rig_close(struct rig *r)
{
	assert_int_equal(iod_mem_destroy(r->mem), 0);
	free(r->ring);
}

static void push(struct rig *r)
{
	unsigned i, n = diff_below(&r->d, diff_chance(&r->d, 4) ? 120 : 6);
	uint64_t entries[2 * 120], room = r->entries - 1 - (r->in - r->out);
	bool stopped = r->runs && !(r->status & r->runs);
	uint32_t want = (uint32_t)r->tail;
	int ret;

	for (i = 0; i < n * 2; i++)
		entries[i] = diff_random(&r->d);
	r->status &= ~r->intr;
	ret = iod_amdvi_queue_push(&r->q, entries, n);
	if (n && (stopped || n > room)) {
		assert_int_equal(ret, -ENOSPC);
		assert_true(r->tail == want && !(r->status & r->intr));
		r->full++;
		return;
	}
	assert_int_equal(ret, 0);
	for (i = 0; i < n; i++) {
		assert_memory_equal(&r->ring[want / 8], &entries[i * 2], 16);
		want = mdl_amdvi_ring_next(r->entries, want);
		r->list[r->in++ % LIST_MAX] = entries[i * 2];
	}
	if (r->d.twin == TWIN_TAIL && n) /* does not wrap */
		r->tail = r->tail ? r->tail : 16 * r->entries;
	if (r->d.twin == TWIN_INT)
		r->status &= ~r->intr;
	if (r->tail != want)
		diff_mismatch(&r->d, "tail %#llx, not %#x", (unsigned long long)r->tail, want);
	if ((r->status & r->intr) != (n ? r->intr : 0))
		diff_mismatch(&r->d, "status %#x", r->status);
	r->pushed += n;
}

static void pop(struct rig *r)
{
	size_t i, n = 99, max = diff_below(&r->d, diff_chance(&r->d, 4) ? 120 : 6);
	uint64_t entries[2 * 120], wait = r->in - r->out;
	uint32_t want = (uint32_t)r->head;

	assert_int_equal(iod_amdvi_queue_pop(&r->q, entries, max, &n), 0);
	assert_int_equal(n, wait < max ? wait : max);
	for (i = 0; i < n; i++) {
		assert_true(entries[i * 2] == r->list[r->out++ % LIST_MAX]);
		want = mdl_amdvi_ring_next(r->entries, want);
	}
	if (r->d.twin == TWIN_HEAD && n)
		r->head ^= 16;
	if (r->head != want)
		diff_mismatch(&r->d, "head %#llx, not %#x", (unsigned long long)r->head, want);
}

/* Overflow stops a log; it runs again when it was restarted. */
static void overflow(struct rig *r)
{
	bool was = r->status & r->ovf;

	if (!r->runs) {
		assert_int_equal(iod_amdvi_queue_overflow(&r->q), -EINVAL);
		return;
	}
	assert_int_equal(iod_amdvi_queue_overflowed(&r->q), was);
	if (diff_chance(&r->d, 4)) {
		assert_int_equal(iod_amdvi_queue_overflow(&r->q), 0);
		assert_int_equal(r->status & (r->ovf | r->runs), r->ovf);
	} else {
		assert_int_equal(iod_amdvi_queue_ack_overflow(&r->q), was);
		assert_int_equal(r->status & (r->ovf | r->runs), r->runs);
	}
}

/* Until a twin is found out. */
static void run(struct rig *r, unsigned steps)
{
	while (steps-- && !r->d.mismatches) {
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
		if (r->d.mismatches)
			break;
		assert_int_equal(iod_amdvi_queue_used(&r->q), r->in - r->out);
		assert_int_equal(
			mdl_amdvi_ring_used(r->entries, (uint32_t)r->head, (uint32_t)r->tail),
			r->in - r->out);
	}
}

static void all_sizes(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	enum iod_amdvi_queue_kind kind;
	unsigned code;

	(void)state;
	assert_non_null(r);
	for (kind = IOD_AMDVI_CMDBUF; kind <= IOD_AMDVI_PPRLOG; kind++) {
		for (code = 8; code <= 15; code++) {
			rig_open(r, kind, code);
			run(r, iodt_scale(code > 11 ? 6000 : 3000));
			assert_true(r->pushed > 500);
			if (code == 8)
				assert_true(r->pushed > 2 * r->entries && r->full);
			rig_close(r);
		}
	}
	free(r);
}

static void reserved_lengths(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint64_t code;

	(void)state;
	assert_non_null(r);
	rig_open(r, IOD_AMDVI_CMDBUF, 8);
	for (code = 0; code < 16; code++) {
		if (mdl_amdvi_ring_entries((unsigned)code))
			continue;
		r->q.base = RING_PA | code << 56;
		assert_int_equal(iod_amdvi_queue_check(&r->q), -EINVAL);
	}
	rig_close(r);
	free(r);
}

/* Registers that say nonsense: never more than a full ring, and nothing outside of it. */
static void nonsense(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint64_t entries[2 * 300];
	unsigned i;
	size_t n;

	(void)state;
	assert_non_null(r);
	rig_open(r, IOD_AMDVI_CMDBUF, 8);
	for (i = 0; i < 20000; i++) {
		r->head = diff_random(&r->d);
		r->tail = diff_random(&r->d);
		assert_in_range(iod_amdvi_queue_used(&r->q), 0, 255);
		n = 999;
		iod_amdvi_queue_pop(&r->q, entries, 300, &n);
		assert_true(n <= 255);
		iod_amdvi_queue_push(&r->q, entries, 3);
	}
	rig_close(r);
	free(r);
}

static void twins(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	int twin;

	(void)state;
	assert_non_null(r);
	for (twin = TWIN_TAIL; twin < TWIN_LAST; twin++) {
		rig_open(r, IOD_AMDVI_EVTLOG, 8);
		r->d.twin = twin;
		run(r, 3000);
		assert_int_equal(r->d.mismatches, 1);
		rig_close(r);
	}
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sizes),
		cmocka_unit_test(reserved_lengths),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(twins),
	};

	return cmocka_run_group_tests_name("AMD-Vi rings against the model", tests, NULL, NULL);
}
