/* SPDX-License-Identifier: MIT */
/*
 * Iotlbs under threads: DMA against cleaning and invalidation, where no written page may be
 * lost, and against unmapping, where no DMA may use what is gone.
 */
#include <sched.h>

#include "dmapool.h"

#define PAGES DMA_PAGES

struct world {
	struct iodt *t;
	struct dma_pool dma;
	iod_word data[PAGES]; /* writes that reached it */
	uint64_t copy[PAGES]; /* what was last copied */
	uint64_t item[PAGES]; /* of the leaf */
};

static void open_dma(struct world *w, uint32_t flags,
		     int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t off))
{
	w->dma.pt = w->t->pt;
	w->dma.first = w->t->v->first;
	w->dma.page = w->t->page;
	w->dma.active = PAGES;
	w->dma.move = move;
	w->dma.cookie = w;
	dma_open(&w->dma, flags);
}

static int both_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct world *w = cookie;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < DMA_TLBS && !ret; i++)
		ret = iod_iotlb_invalidate(w->dma.tlb[i], inv, nr);
	return ret;
}

/* ---- cleaning ---- */

static int write_page(void *cookie, uint64_t pa, uint64_t len, uint64_t off)
{
	struct world *w = cookie;

	dma_add(&w->data[pa / (2 * w->t->page)]);
	return 0;
}

static bool test_and_clean(struct world *w, unsigned int page)
{
	struct mdl_mem mem = iodt_mdl_mem(w->t);
	uint64_t pte = iodt_read(w->t, w->item[page]), seen;

	while (iodt_pte_dirty(w->t->v, pte)) {
		iodt_assert_ok(mem.cmpxchg64(mem.cookie, w->item[page], pte,
					     iodt_pte_clean(w->t->v, pte), &seen));
		if (seen == pte)
			return true;
		pte = seen;
	}
	return false;
}

/* Clean, invalidate, copy: in this order (invalidate may be left out, to see that it is missed). */
static void sweep_once(struct world *w, bool invalidate)
{
	struct iod_inv inv = { .kind = IOD_INV_RANGE,
			       .flags = IOD_INV_LEAF_ONLY,
			       .domain = 0x1234 };
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		if (!test_and_clean(w, i))
			continue;
		inv.iova = w->t->v->first + i * w->t->page;
		inv.last = inv.iova + w->t->page - 1;
		if (invalidate)
			iodt_assert_ok(both_invalidate(w, &inv, 1));
		w->copy[i] = dma_load(&w->data[i]);
	}
}

static unsigned int run_sweeps(struct iodt *t, uint32_t flags, bool invalidate)
{
	struct iod_inv all = { .kind = IOD_INV_ALL };
	struct world w = { .t = t };
	unsigned int i, lost = 0, rounds = iodt_scale(20);
	uint64_t iova;

	/* every other output page: no runs */
	for (i = 0; i < PAGES; i++) {
		iova = t->v->first + i * t->page;
		iodt_map(t, iova, 2 * i * t->page, t->page, IODT_RW);
		w.item[i] = iodt_walk(t, iova).pte_pa;
	}
	open_dma(&w, flags, write_page);
	dma_start(&w.dma);
	dma_let_run(&w.dma);
	for (i = 0; i < rounds; i++) {
		sweep_once(&w, invalidate);
		sched_yield();
	}
	dma_let_run(&w.dma);
	dma_stop(&w.dma);
	/* the final pass: quiesced; invalidate, then scan */
	iodt_assert_ok(both_invalidate(&w, &all, 1));
	sweep_once(&w, invalidate);
	for (i = 0; i < PAGES; i++)
		lost += w.copy[i] != w.data[i];
	assert_int_equal(w.dma.refused, 0);
	dma_close(&w.dma);
	return lost;
}

static void nothing_lost(struct iodt *t)
{
	assert_int_equal(run_sweeps(t, 0, true), 0);
}

static void nothing_lost_late(struct iodt *t)
{
	assert_int_equal(run_sweeps(t, IOD_IOTLB_LATE_DIRTY | IOD_IOTLB_SPECULATE, true), 0);
}

static void nothing_lost_atc(struct iodt *t)
{
	assert_int_equal(run_sweeps(t, IOD_IOTLB_ATC, true), 0);
}

/* The iotlb is a true adversary: without the invalidation pages are lost. */
static void lost_without_invalidation(struct iodt *t)
{
	assert_int_not_equal(run_sweeps(t, 0, false), 0);
}

/* ---- unmapping: generation g of page i is output page g * PAGES + i ---- */

static int check_generation(void *cookie, uint64_t pa, uint64_t len, uint64_t off)
{
	struct world *w = cookie;

	dma_check_generation(&w->dma, pa / (PAGES * w->t->page));
	return 0;
}

static void unmapped_is_gone(struct iodt *t)
{
	struct world w = { .t = t };
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = both_invalidate };
	struct iod_gather_cfg cfg = { .size = sizeof(cfg), .ops = &ops, .cookie = &w };
	uint64_t g, rounds = iodt_scale(25), len = PAGES * t->page;
	struct iod_gather *gather;

	iodt_assert_ok(iod_gather_create(&gather, t->pt, &cfg));
	open_dma(&w, IOD_IOTLB_SPECULATE, check_generation);
	dma_start(&w.dma);
	for (g = 0; g < rounds; g++) {
		iodt_assert_ok(iod_map(t->pt, t->v->first, g * len, len, IODT_RW, gather, NULL));
		sched_yield();
		iodt_assert_ok(iod_unmap(t->pt, t->v->first, len, 0, gather, NULL));
		iodt_assert_ok(iod_gather_sync(gather));
		__atomic_store_n(&w.dma.retired, g + 1, __ATOMIC_RELEASE);
	}
	dma_stop(&w.dma);
	assert_int_equal(w.dma.bad, 0);
	iodt_assert_ok(iod_gather_destroy(gather));
	dma_close(&w.dma);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "nothing_lost", IODT_PLAIN | IODT_DIRTY, 0, nothing_lost },
		{ "nothing_lost_late", IODT_PLAIN | IODT_DIRTY, 0, nothing_lost_late },
		{ "nothing_lost_atc", IODT_PLAIN | IODT_DIRTY, 0, nothing_lost_atc },
		{ "lost_without_invalidation", IODT_PLAIN | IODT_DIRTY, 0,
		  lost_without_invalidation },
		{ "unmapped_is_gone", IODT_PLAIN, 0, unmapped_is_gone },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
