/* SPDX-License-Identifier: MIT */
/* What the rows have in common: see the header. */
#include "cmdrig.h"

#include <sched.h>

void rig_obey(struct rig *rig, uint32_t n)
{
	if (rig->nr_pending < RIG_STREAM)
		rig->pending[rig->nr_pending++] = n;
}

void rig_complete_all(struct rig *rig)
{
	for (uint32_t i = 0; i < rig->nr_pending; i++) {
		__atomic_store_n(&rig->complete[rig->pending[i] % RIG_IDS], 1, __ATOMIC_RELAXED);
		if (rig->nr_order < RIG_STREAM)
			rig->order[rig->nr_order++] = rig->pending[i];
	}
	rig->nr_pending = 0;
}

void rig_unanswer(struct rig *rig)
{
	for (uint32_t i = 0; i < rig->nr_pending; i++)
		__atomic_store_n(&rig->unanswered[rig->pending[i] % RIG_IDS], 1, __ATOMIC_RELAXED);
	rig_complete_all(rig); /* it is never tried again */
}

void rig_turn(struct rig *rig)
{
	pthread_mutex_lock(&rig->lock);
	if (!rig->stopped)
		rig->row->turn(rig);
	pthread_mutex_unlock(&rig->lock);
}

bool rig_complete(struct rig *rig, uint32_t n)
{
	return __atomic_load_n(&rig->complete[n % RIG_IDS], __ATOMIC_RELAXED);
}

void rig_doorbell(void *cookie)
{
	struct rig *rig = cookie;

	if (rig->on_doorbell)
		rig->on_doorbell(rig);
	rig_turn(rig);
}

int rig_wait(void *cookie)
{
	struct rig *rig = cookie;

	sched_yield();
	if (rig->on_wait)
		rig->on_wait(rig);
	if (rig->row->own && !rig->own_thread)
		rig_turn(rig);
	if (rig->patience && __atomic_add_fetch(&rig->waited, 1, __ATOMIC_RELAXED) >= rig->patience)
		return rig->wait_gives;
	return 0;
}

static void *hw_thread(void *arg)
{
	struct rig *rig = arg;

	while (!__atomic_load_n(&rig->quit, __ATOMIC_RELAXED)) {
		rig_turn(rig);
		sched_yield();
	}
	return NULL;
}

void rig_open(struct rig *rig, const struct rig_row *row, unsigned lg2, uint32_t start,
	      bool own_thread)
{
	struct iod_mem_region regions[2] = {
		{ .pa = RIG_WORD, .len = 4096 },
		{ .pa = RIG_BASE, .len = (uint64_t)row->entry << lg2 },
	};
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm), .regions = regions, .nr_regions = 2 };

	memset(rig, 0, sizeof(*rig));
	iodt_alloc_init(&rig->alloc);
	rig->row = row;
	rig->lg2 = lg2;
	rig->own_thread = own_thread;
	rig->ring = aligned_alloc(64, (regions[1].len + 63) & ~UINT64_C(63));
	rig->page = aligned_alloc(64, 4096);
	assert_non_null(rig->ring);
	assert_non_null(rig->page);
	memset(rig->ring, 0, regions[1].len);
	memset(rig->page, 0xa5, 4096);
	regions[0].host = rig->page;
	regions[1].host = rig->ring;
	iodt_assert_ok(iod_mem_create_vm(&rig->mem, &vm));
	iodt_assert_ok(pthread_mutex_init(&rig->lock, NULL));
	iodt_assert_ok(pthread_mutex_init(&rig->event_lock, NULL));
	row->reset(rig, start);
	iodt_assert_ok(row->create(rig, lg2, &rig->q));
	if (own_thread)
		iodt_assert_ok(pthread_create(&rig->thread, NULL, hw_thread, rig));
}

void rig_close(struct rig *rig)
{
	__atomic_store_n(&rig->quit, true, __ATOMIC_RELAXED);
	if (rig->own_thread)
		iodt_assert_ok(pthread_join(rig->thread, NULL));
	assert_int_equal(iod_mem_destroy(rig->mem), -EBUSY); /* the queue uses it */
	rig->row->destroy(rig->q);
	iodt_assert_ok(iod_mem_destroy(rig->mem));
	pthread_mutex_destroy(&rig->lock);
	pthread_mutex_destroy(&rig->event_lock);
	assert_int_equal(rig->alloc.live, 0);
	assert_int_equal(rig->alloc.bad, 0);
	free(rig->ring);
	free(rig->page);
}

void rig_put(struct rig *rig, void *cmds, size_t i, uint32_t n)
{
	rig->row->put((unsigned char *)cmds + i * rig->row->raw_size, n);
}

void rig_puts(struct rig *rig, void *cmds, uint32_t first, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		rig_put(rig, cmds, i, first == RIG_BAD ? RIG_BAD : (first + (uint32_t)i) % RIG_IDS);
}

int rig_submit(struct rig *rig, uint32_t first, size_t nr, bool sync, struct rig_result *result)
{
	struct rig_result unused;
	void *cmds = calloc(nr + 1, RIG_RAW);
	int ret;

	assert_non_null(cmds);
	rig_puts(rig, cmds, first, nr);
	ret = rig->row->submit(rig->q, cmds, nr, sync, result ? result : &unused);
	free(cmds);
	return ret;
}

struct rig_stats rig_stats(struct rig *rig)
{
	struct rig_stats stats;

	rig->row->stats(rig->q, &stats);
	return stats;
}
