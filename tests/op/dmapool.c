/* SPDX-License-Identifier: MIT */
/* Threads of DMA that write pages at random. */
#include "dmapool.h"

#include <sched.h>

void dma_open(struct dma_pool *pool, uint32_t flags)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg), .flags = flags };
	unsigned int i;

	for (i = 0; i < DMA_TLBS; i++) {
		cfg.seed = i;
		iodt_assert_ok(iod_iotlb_create(&pool->tlb[i], &cfg));
	}
}

void dma_close(struct dma_pool *pool)
{
	unsigned int i;

	for (i = 0; i < DMA_TLBS; i++)
		iodt_assert_ok(iod_iotlb_destroy(pool->tlb[i]));
}

static void *agent_main(void *arg)
{
	struct dma_agent *a = arg;
	struct dma_pool *pool = a->pool;
	uint64_t iova;

	while (!__atomic_load_n(&pool->stop, __ATOMIC_ACQUIRE)) {
		a->rng = a->rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
		iova = pool->first + (a->rng >> 40) % dma_load(&pool->active) * pool->page;
		if (iod_iotlb_dma(a->tlb, pool->pt, iova, 8, IOD_ACCESS_WRITE, pool->move,
				  pool->cookie, NULL, NULL))
			dma_add(&pool->refused);
		else
			dma_add(&a->granted);
	}
	return NULL;
}

void dma_start(struct dma_pool *pool)
{
	struct dma_agent *a;
	unsigned int i;

	for (i = 0; i < DMA_THREADS; i++) {
		a = &pool->agent[i];
		*a = (struct dma_agent){ .pool = pool, .tlb = pool->tlb[i % DMA_TLBS], .rng = i };
		iodt_assert_ok(pthread_create(&a->thread, NULL, agent_main, a));
	}
}

void dma_let_run(const struct dma_pool *pool)
{
	uint64_t until;
	unsigned int i;

	for (i = 0; i < DMA_THREADS; i++) {
		until = dma_load(&pool->agent[i].granted) + 20 * DMA_PAGES;
		while (dma_load(&pool->agent[i].granted) < until)
			sched_yield();
	}
}

void dma_stop(struct dma_pool *pool)
{
	unsigned int i;

	__atomic_store_n(&pool->stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < DMA_THREADS; i++)
		iodt_assert_ok(pthread_join(pool->agent[i].thread, NULL));
}

void dma_check_generation(struct dma_pool *pool, uint64_t generation)
{
	if (generation < dma_load(&pool->retired))
		dma_add(&pool->bad);
	sched_yield();
	/* nor does it go while we write */
	if (generation < dma_load(&pool->retired))
		dma_add(&pool->bad);
}
