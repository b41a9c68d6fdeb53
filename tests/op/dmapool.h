/* SPDX-License-Identifier: MIT */
/* Threads of DMA that write pages at random, through several iotlbs of one page table. */
#ifndef DMAPOOL_H
#define DMAPOOL_H

#include "iodtest.h"

#include <pthread.h>

#include "bits.h"

#define DMA_THREADS 3
#define DMA_TLBS    2
#define DMA_PAGES   32

struct dma_pool;

struct dma_agent {
	struct dma_pool *pool;
	pthread_t thread;
	struct iod_iotlb *tlb;
	uint64_t rng;
	iod_word granted;
};

struct dma_pool {
	struct iod_pgtable *pt;
	uint64_t first, page; /* address of the first page, bytes from one to the next */
	iod_word active;      /* pages in use */
	int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t off);
	void *cookie;
	struct iod_iotlb *tlb[DMA_TLBS];
	struct dma_agent agent[DMA_THREADS];
	iod_word refused;
	iod_word retired; /* generations below are unmapped and synced */
	iod_word bad;	  /* DMA to one of those */
	unsigned int stop;
};

static inline uint64_t dma_load(const iod_word *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void dma_add(iod_word *p)
{
	__atomic_add_fetch(p, 1, __ATOMIC_ACQ_REL);
}

/* The iotlbs. */
void dma_open(struct dma_pool *pool, uint32_t flags);
void dma_close(struct dma_pool *pool);
void dma_start(struct dma_pool *pool);
/* Until every agent has written every page, as far as chance can be trusted. */
void dma_let_run(const struct dma_pool *pool);
void dma_stop(struct dma_pool *pool);
/* A write to a page of this generation is under way. */
void dma_check_generation(struct dma_pool *pool, uint64_t generation);

#endif
