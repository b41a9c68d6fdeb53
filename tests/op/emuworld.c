/* SPDX-License-Identifier: MIT */
/* A driver and its devices on the two sides of an emulated IOMMU. */
#include "emuworld.h"

#include <sched.h>

#define PAGE UINT64_C(4096)

void ew_map(struct emuworld *w, struct iod_pgtable *guest)
{
	uint64_t all = EW_PAGES * PAGE, window = EW_WINDOW * PAGE;

	if (guest) {
		/* Its addresses are those of its host, and its tables lie at the addresses they have. */
		assert_int_equal(iod_map(guest, EW_IOVA, EW_IOVA, all, IODT_RW, NULL, NULL), 0);
		assert_int_equal(
			iod_map(guest, EW_WINDOW_AT, EW_WINDOW_AT, window, IODT_RW, NULL, NULL), 0);
		assert_int_equal(
			iod_map(w->pt, IODT_2M, IODT_2M, IODT_BIT(26), IODT_RW, NULL, NULL), 0);
	}
	assert_int_equal(iod_map(w->pt, EW_IOVA, EW_DATA, all, IODT_RW, NULL, NULL), 0);
}

/* ---- the devices ---- */

static int ew_move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct emuworld *w = cookie;
	uint64_t page = (pa - EW_DATA) / PAGE;

	(void)len;
	(void)offset;
	if (page < EW_PAGES)
		__atomic_fetch_add(&w->data[page], 1, __ATOMIC_RELAXED);
	else if (page - 1024 >= EW_WINDOW)
		__atomic_fetch_add(&w->bad, 1, __ATOMIC_RELAXED);
	else if (!__atomic_load_n(&w->mapped[page - 1024], __ATOMIC_ACQUIRE))
		__atomic_fetch_add(&w->bad, 1, __ATOMIC_RELAXED);
	return 0;
}

static struct iod_emu_req ew_request(const struct emuworld *w, uint64_t iova)
{
	struct iod_emu_req req = w->req;

	req.size = sizeof(req);
	req.access = IOD_ACCESS_WRITE;
	req.iova = iova;
	return req;
}

void ew_dma(struct emuworld *w, uint64_t iova)
{
	struct iod_emu_req req = ew_request(w, iova);

	w->ops->dma(w->emu, &req, 64, ew_move, w);
}

static void *ew_device(void *arg)
{
	struct emuworld *w = arg;
	uint64_t x = (uintptr_t)&arg | 1, n = 0, iova;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		/* A few pages are hot: they stay cached. */
		iova = EW_IOVA + (x >> 33) % ((x >> 60) < 12 ? 8 : EW_PAGES) * PAGE;
		if ((x >> 56 & 3) == 0)
			iova = EW_WINDOW_AT + (x >> 33) % EW_WINDOW * PAGE;
		ew_dma(w, iova);
		if ((++n & 63) == 0) {
			__atomic_fetch_add(&w->writes, 64, __ATOMIC_RELAXED);
			sched_yield();
		}
	}
	return NULL;
}

void ew_start(struct emuworld *w)
{
	unsigned int i;

	for (i = 0; i < EW_DMAS; i++)
		assert_int_equal(pthread_create(&w->thread[i], NULL, ew_device, w), 0);
}

void ew_stop(struct emuworld *w)
{
	unsigned int i;

	__atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < EW_DMAS; i++)
		pthread_join(w->thread[i], NULL);
}

/* ---- the driver ---- */

void ew_round(struct emuworld *w, uint32_t flags)
{
	uint64_t words[EW_PAGES / 64] = { 0 };
	struct iod_sweep sweep = { .size = sizeof(sweep), .mode = IOD_SWEEP_CLEAR };
	struct iod_bitmap bitmap;
	unsigned int i;

	if (w->untracked)
		return;
	assert_int_equal(
		iod_bitmap_init(&bitmap, EW_IOVA, EW_PAGES * PAGE, PAGE, words, sizeof(words), 0),
		0);
	sweep.flags = flags;
	sweep.iova = EW_IOVA;
	sweep.len = EW_PAGES * PAGE;
	sweep.bitmap = &bitmap;
	sweep.gather = w->gather;
	assert_int_equal(iod_sweep(w->pt, &sweep), 0);
	assert_int_equal(iod_gather_sync(w->gather), 0);
	for (i = 0; i < EW_PAGES; i++) {
		if (iod_bitmap_test(&bitmap, EW_IOVA + i * PAGE))
			w->copy[i] = __atomic_load_n(&w->data[i], __ATOMIC_RELAXED);
	}
}

static void ew_map_window(struct emuworld *w, unsigned int i)
{
	uint64_t iova = EW_WINDOW_AT + i * PAGE, pa = EW_DATA + (1024 + i) * PAGE;

	__atomic_store_n(&w->mapped[i], 1, __ATOMIC_RELEASE);
	assert_int_equal(iod_map(w->pt, iova, pa, PAGE, IODT_RW, w->gather, NULL), 0);
}

static void ew_unmap_window(struct emuworld *w, unsigned int i)
{
	uint64_t iova = EW_WINDOW_AT + i * PAGE;

	assert_int_equal(iod_unmap(w->pt, iova, PAGE, 0, w->gather, NULL), 0);
	assert_int_equal(iod_gather_sync(w->gather), 0);
	__atomic_store_n(&w->mapped[i], 0, __ATOMIC_RELEASE);
}

void ew_rounds(struct emuworld *w, uint64_t dmas)
{
	uint64_t end = __atomic_load_n(&w->writes, __ATOMIC_RELAXED) + dmas;
	unsigned int n;

	for (n = 0; __atomic_load_n(&w->writes, __ATOMIC_RELAXED) < end; n++) {
		ew_map_window(w, n % EW_WINDOW);
		sched_yield();
		ew_unmap_window(w, n % EW_WINDOW);
		if (n % 4 == 0)
			ew_round(w, 0);
		sched_yield();
	}
}

unsigned int ew_lost(struct emuworld *w)
{
	unsigned int i, n = 0;

	for (i = 0; i < EW_PAGES && !w->untracked; i++)
		n += w->copy[i] != w->data[i];
	return n;
}

void ew_steps(struct emuworld *w)
{
	ew_dma(w, EW_IOVA); /* walks, marks, is cached */
	ew_round(w, 0);
	ew_dma(w, EW_IOVA);
	ew_round(w, 0);
	ew_map_window(w, 0);
	ew_dma(w, EW_WINDOW_AT);
	ew_unmap_window(w, 0);
	ew_dma(w, EW_WINDOW_AT);
}

/* ---- a device with a cache of its own ---- */

void ew_ats_write(struct emuworld *w)
{
	struct iod_emu_result res = { .size = sizeof(res) };
	struct iod_emu_req req = ew_request(w, EW_IOVA);

	if (!w->atc) {
		req.access = IOD_ACCESS_READ | IOD_ACCESS_WRITE;
		req.flags = IOD_EMU_REQ_ATS;
		assert_int_equal(w->ops->access(w->emu, &req, &res), 0);
		assert_int_equal(res.prot & IODT_RW, IODT_RW);
		w->atc = res.pa;
	}
	req.access = IOD_ACCESS_WRITE;
	req.flags = IOD_EMU_REQ_TRANSLATED;
	req.iova = w->atc;
	assert_int_equal(w->ops->dma(w->emu, &req, 64, ew_move, w), 0);
}

void ew_forget(struct emuworld *w, uint64_t first, uint64_t last)
{
	if (first <= EW_IOVA && EW_IOVA <= last)
		w->atc = 0;
}

/* ---- a DMA that takes its time ---- */

static int ew_slow_move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct emuworld *w = cookie;

	(void)pa;
	(void)len;
	(void)offset;
	__atomic_store_n(&w->inside, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&w->go, __ATOMIC_ACQUIRE))
		sched_yield();
	__atomic_store_n(&w->inside, 2, __ATOMIC_RELEASE);
	return 0;
}

static void *ew_slow_device(void *arg)
{
	struct emuworld *w = arg;
	struct iod_emu_req req = ew_request(w, EW_IOVA);

	w->ops->dma(w->emu, &req, 2 * PAGE, ew_slow_move, w);
	return NULL;
}

static void *ew_let_go(void *arg)
{
	struct emuworld *w = arg;
	unsigned int i;

	for (i = 0; i < 2000; i++)
		sched_yield();
	__atomic_store_n(&w->go, 1, __ATOMIC_RELEASE);
	return NULL;
}

void ew_slow_dma(struct emuworld *w, void (*act)(void *cookie), void *cookie)
{
	pthread_t thread[2];

	assert_int_equal(pthread_create(&thread[0], NULL, ew_slow_device, w), 0);
	while (!__atomic_load_n(&w->inside, __ATOMIC_ACQUIRE))
		sched_yield();
	assert_int_equal(pthread_create(&thread[1], NULL, ew_let_go, w), 0);
	act(cookie);
	assert_int_equal(__atomic_load_n(&w->inside, __ATOMIC_ACQUIRE), 2);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
}
