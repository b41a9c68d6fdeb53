/* SPDX-License-Identifier: MIT */
/*
 * Iotlbs under threads: DMA against cleaning and invalidation, where no written page may be
 * lost, and against unmapping, where no DMA may use what is gone.
 */
#include "iodtest.h"

#include <pthread.h>
#include <sched.h>

#include "bits.h"

#define PAGES	32
#define THREADS 3
#define TLBS	2

struct world {
	struct iodt *t;
	struct iod_iotlb *tlb[TLBS];
	iod_word data[PAGES]; /* writes that reached it */
	uint64_t copy[PAGES]; /* what was last copied */
	uint64_t item[PAGES]; /* of the leaf */
	iod_word retired;     /* generations below are unmapped and synced */
	iod_word bad;	      /* DMA to one of those */
	iod_word refused;
	unsigned int stop;
	int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t off);
};

struct agent {
	struct world *w;
	pthread_t thread;
	struct iod_iotlb *tlb;
	uint64_t rng;
	iod_word dma; /* granted */
};

static uint64_t load(const iod_word *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void add(iod_word *p)
{
	__atomic_add_fetch(p, 1, __ATOMIC_ACQ_REL);
}

static void *agent_main(void *arg)
{
	struct agent *a = arg;
	struct world *w = a->w;
	uint64_t iova;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		a->rng = a->rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
		iova = w->t->v->first + (a->rng >> 40) % PAGES * w->t->page;
		if (iod_iotlb_dma(a->tlb, w->t->pt, iova, 8, IOD_ACCESS_WRITE, w->move, w, NULL,
				  NULL))
			add(&w->refused);
		else
			add(&a->dma);
	}
	return NULL;
}

static void start(struct world *w, struct agent agents[THREADS], uint32_t flags)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg), .flags = flags };
	unsigned int i;

	for (i = 0; i < TLBS; i++) {
		cfg.seed = i;
		iodt_assert_ok(iod_iotlb_create(&w->tlb[i], &cfg));
	}
	for (i = 0; i < THREADS; i++) {
		agents[i] = (struct agent){ .w = w, .tlb = w->tlb[i % TLBS], .rng = i };
		iodt_assert_ok(pthread_create(&agents[i].thread, NULL, agent_main, &agents[i]));
	}
}

/* Until every agent has written every page, as far as chance can be trusted. */
static void let_run(struct agent agents[THREADS])
{
	uint64_t until;
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		until = load(&agents[i].dma) + 20 * PAGES;
		while (load(&agents[i].dma) < until)
			sched_yield();
	}
}

static void stop(struct world *w, struct agent agents[THREADS])
{
	unsigned int i;

	__atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < THREADS; i++)
		iodt_assert_ok(pthread_join(agents[i].thread, NULL));
}

static void destroy(struct world *w)
{
	unsigned int i;

	for (i = 0; i < TLBS; i++)
		iodt_assert_ok(iod_iotlb_destroy(w->tlb[i]));
}

static int both_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct world *w = cookie;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < TLBS && !ret; i++)
		ret = iod_iotlb_invalidate(w->tlb[i], inv, nr);
	return ret;
}

/* ---- cleaning ---- */

static int write_page(void *cookie, uint64_t pa, uint64_t len, uint64_t off)
{
	struct world *w = cookie;

	add(&w->data[pa / (2 * w->t->page)]);
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
		w->copy[i] = load(&w->data[i]);
	}
}

static unsigned int run_sweeps(struct iodt *t, uint32_t flags, bool invalidate)
{
	struct world w = { .t = t, .move = write_page };
	struct iod_inv all = { .kind = IOD_INV_ALL };
	struct agent agents[THREADS];
	unsigned int i, lost = 0, rounds = iodt_scale(20);
	uint64_t iova;

	/* every other output page: no runs */
	for (i = 0; i < PAGES; i++) {
		iova = t->v->first + i * t->page;
		iodt_map(t, iova, 2 * i * t->page, t->page, IODT_RW);
		w.item[i] = iodt_walk(t, iova).pte_pa;
	}
	start(&w, agents, flags);
	let_run(agents);
	for (i = 0; i < rounds; i++) {
		sweep_once(&w, invalidate);
		sched_yield();
	}
	let_run(agents);
	stop(&w, agents);
	/* the final pass: quiesced; invalidate, then scan */
	iodt_assert_ok(both_invalidate(&w, &all, 1));
	sweep_once(&w, invalidate);
	for (i = 0; i < PAGES; i++)
		lost += w.copy[i] != w.data[i];
	assert_int_equal(w.refused, 0);
	destroy(&w);
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
	uint64_t generation = pa / (PAGES * w->t->page);

	if (generation < load(&w->retired))
		add(&w->bad);
	sched_yield();
	/* nor does it go while we write */
	if (generation < load(&w->retired))
		add(&w->bad);
	return 0;
}

static void unmapped_is_gone(struct iodt *t)
{
	struct world w = { .t = t, .move = check_generation };
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = both_invalidate };
	struct iod_gather_cfg cfg = { .size = sizeof(cfg), .ops = &ops, .cookie = &w };
	uint64_t g, rounds = iodt_scale(25), len = PAGES * t->page;
	struct agent agents[THREADS];
	struct iod_gather *gather;

	iodt_assert_ok(iod_gather_create(&gather, t->pt, &cfg));
	start(&w, agents, IOD_IOTLB_SPECULATE);
	for (g = 0; g < rounds; g++) {
		iodt_assert_ok(iod_map(t->pt, t->v->first, g * len, len, IODT_RW, gather, NULL));
		sched_yield();
		iodt_assert_ok(iod_unmap(t->pt, t->v->first, len, 0, gather, NULL));
		iodt_assert_ok(iod_gather_sync(gather));
		__atomic_store_n(&w.retired, g + 1, __ATOMIC_RELEASE);
	}
	stop(&w, agents);
	assert_int_equal(w.bad, 0);
	iodt_assert_ok(iod_gather_destroy(gather));
	destroy(&w);
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
