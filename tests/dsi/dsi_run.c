/* SPDX-License-Identifier: MIT */
/* Events in simulated time: buffers, writes of devices, the flush timer, rounds of pre-copy. */
#include "dsi.h"

/*
 * Figures of the field: 89 domain-selective invalidations a second under fio on an emulated NVMe drive, 22 in
 * about 55 seconds with a GPU. The timer of the queue is 10 ms, as is common.
 */
const struct dsi_preset dsi_presets[] = {
	{ .name = "nvme-fio",
	  .gap = 1690 * 1000,
	  .hold_min = DSI_MS / 20,
	  .hold_max = 2 * DSI_MS,
	  .pages_min = 1,
	  .pages_max = 32,
	  .writes = 6,
	  .high = 20,
	  .queue = 256,
	  .timeout = 10 * DSI_MS,
	  .round = 50 * DSI_MS,
	  .frames = 16384,
	  .flushes = 89,
	  .seconds = 1 },
	{ .name = "gpu",
	  .gap = 2490 * DSI_MS,
	  .hold_min = 1000 * DSI_MS,
	  .hold_max = 20000 * DSI_MS,
	  .pages_min = 256,
	  .pages_max = 4096,
	  .writes = 2000,
	  .high = 50,
	  .queue = 256,
	  .timeout = 10 * DSI_MS,
	  .round = 300 * DSI_MS,
	  .frames = 65536,
	  .flushes = 22,
	  .seconds = 55 },
	/* so many unmaps that the queue is full before the timer ends */
	{ .name = "burst",
	  .gap = 20 * 1000,
	  .hold_min = 1000,
	  .hold_max = 3 * DSI_MS,
	  .pages_min = 1,
	  .pages_max = 4,
	  .writes = 2,
	  .high = 50,
	  .queue = 256,
	  .timeout = 10 * DSI_MS,
	  .round = 4 * DSI_MS,
	  .frames = 8192,
	  .flushes = 195, /* a buffer every 20 us, 256 in the queue */
	  .seconds = 1 },
};

const size_t dsi_nr_presets = IODT_ARRAY_SIZE(dsi_presets);

const struct dsi_preset *dsi_preset(const char *name)
{
	size_t i;

	for (i = 0; i < dsi_nr_presets; i++)
		if (!strcmp(dsi_presets[i].name, name))
			return &dsi_presets[i];
	return NULL;
}

/* ---- events: a heap by time, and by age at equal times ---- */

enum what { SUBMIT, WRITE, DONE, TIMER, SWEEP, SYNC, COPY };

struct event {
	uint64_t time, age;
	enum what what;
	uint32_t arg;
};

struct run {
	struct dsi d;
	struct event *heap;
	size_t nr, cap;
	uint64_t age;
	bool armed;
};

static bool before(const struct event *a, const struct event *b)
{
	return a->time != b->time ? a->time < b->time : a->age < b->age;
}

static void push(struct run *r, uint64_t delay, enum what what, uint32_t arg)
{
	struct event e = { r->d.now + delay, r->age++, what, arg };
	size_t i, up;

	if (r->nr == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 256;
		r->heap = realloc(r->heap, r->cap * sizeof(*r->heap));
		assert_non_null(r->heap);
	}
	for (i = r->nr++; i; i = up) {
		up = (i - 1) / 2;
		if (!before(&e, &r->heap[up]))
			break;
		r->heap[i] = r->heap[up];
	}
	r->heap[i] = e;
}

static struct event pop(struct run *r)
{
	struct event first = r->heap[0], e = r->heap[--r->nr];
	size_t i = 0, down;

	while ((down = 2 * i + 1) < r->nr) {
		if (down + 1 < r->nr && before(&r->heap[down + 1], &r->heap[down]))
			down++;
		if (!before(&r->heap[down], &e))
			break;
		r->heap[i] = r->heap[down];
		i = down;
	}
	r->heap[i] = e;
	return first;
}

/* ---- what happens ---- */

static void submit(struct run *r)
{
	const struct dsi_preset *p = r->d.cfg->preset;
	uint64_t hold = p->hold_min + dsi_below(&r->d, p->hold_max - p->hold_min + 1);
	uint32_t slot, i;

	push(r, dsi_below(&r->d, 2 * p->gap + 1), SUBMIT, 0);
	slot = dsi_guest_map(&r->d);
	if (slot == DSI_BUFFERS)
		return;
	r->d.res->buffers++;
	for (i = 0; i < p->writes; i++)
		push(r, dsi_below(&r->d, hold), WRITE, slot);
	push(r, hold, DONE, slot);
}

static void write_one(struct run *r, uint32_t slot)
{
	struct dsi_buffer *b = &r->d.guest.buffer[slot];
	uint64_t page = dsi_below(&r->d, b->pages);

	/* what is mapped must never be refused */
	assert_true(dsi_vmm_write(&r->d, slot % DSI_AGENTS, b->iova + page * DSI_PAGE));
	r->d.res->writes++;
}

static void flush(struct run *r, uint64_t *cause)
{
	r->armed = false;
	++*cause;
	dsi_vmm_invalidate(&r->d);
}

static void done(struct run *r, uint32_t slot)
{
	bool full = dsi_guest_unmap(&r->d, slot);

	if (full) {
		flush(r, &r->d.res->by_full);
	} else if (!r->armed) {
		r->armed = true;
		push(r, r->d.cfg->preset->timeout, TIMER, (uint32_t)r->d.res->flushes);
	}
}

static void handle(struct run *r, const struct event *e)
{
	struct dsi *d = &r->d;

	switch (e->what) {
	case SUBMIT:
		submit(r);
		break;
	case WRITE:
		write_one(r, e->arg);
		break;
	case DONE:
		done(r, e->arg);
		break;
	case TIMER: /* unless the queue was full in between */
		if (r->armed && e->arg == (uint32_t)d->res->flushes)
			flush(r, &d->res->by_timer);
		break;
	case SWEEP: /* devices, and the guest, go on between the steps of a round */
		dsi_vmm_sweep(d, 0);
		push(r, dsi_below(d, DSI_MS), SYNC, 0);
		break;
	case SYNC:
		dsi_vmm_sync(d);
		push(r, dsi_below(d, DSI_MS), COPY, 0);
		break;
	case COPY:
		dsi_vmm_copy(d);
		push(r, d->cfg->preset->round, SWEEP, 0);
		break;
	}
}

/* Devices are quiet: the last round, then the pages whose copies are old. */
static void finish(struct dsi *d)
{
	uint32_t i;

	dsi_vmm_sync(d);
	dsi_vmm_invalidate(d);
	dsi_vmm_sweep(d, IOD_SWEEP_FINAL);
	dsi_vmm_sync(d);
	dsi_vmm_copy(d);
	for (i = 0; i < d->cfg->preset->frames; i++)
		d->res->lost += d->vmm.version[i] != d->vmm.copy[i];
}

void dsi_run(const struct dsi_cfg *cfg, struct dsi_result *res)
{
	struct run *r = calloc(1, sizeof(*r));
	struct event e;

	assert_non_null(r);
	memset(res, 0, sizeof(*res));
	r->d = (struct dsi){ .cfg = cfg, .res = res, .rng = cfg->seed };
	dsi_guest_open(&r->d);
	dsi_vmm_open(&r->d);
	push(r, 0, SUBMIT, 0);
	push(r, cfg->preset->round, SWEEP, 0);
	while (r->heap[0].time <= cfg->time) {
		e = pop(r);
		r->d.now = e.time;
		handle(r, &e);
	}
	finish(&r->d);
	dsi_vmm_close(&r->d);
	dsi_guest_close(&r->d);
	free(r->heap);
	free(r);
}
