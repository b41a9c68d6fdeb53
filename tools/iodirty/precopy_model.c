/* SPDX-License-Identifier: MIT */
/*
 * The modelled VM of `iodirty precopy`: memory in which each page's contents is the number of times
 * that it was written, and DMA agents that write through translation caches of their own.
 *
 * An agent's writes go to a pool of buffers that it uses again and again (which makes its cache hit,
 * dirty state included: what the protocol must cope with), to a hot window that slides slowly, and
 * to anywhere. Its reads go anywhere, also to the top of the memory, which nobody ever writes.
 */
#include "precopy_model.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TLB_ENTRIES   1024
#define POOL_PAGES    64   /* few enough to stay in the cache most of the time */
#define POOL_LIFE     4096 /* writes before an agent takes other buffers */
#define SLIDE	      64   /* writes per page that the hot window moves on */
#define THROTTLE_STEP 32   /* writes between looks at the clock */
#define REBASE_NS     (100 * 1000000ull)
#define BEHIND_NS     (20 * 1000000ull)
#define NAP_NS	      (2 * 1000000ull) /* so that a stop is noticed soon */
#define MAX_DMA_PAGES 8
#define SIZE_64K      (1ull << 16)
#define SIZE_2M	      (1ull << 21)
#define SIZE_4M	      (1ull << 22)
#define SIZE_32M      (1ull << 25)

struct precopy_agent {
	alignas(64) struct precopy_vm *vm;
	struct iod_iotlb *tlb;
	pthread_t thread;
	uint64_t rng;
	uint64_t hot_base; /* first page of the hot window */
	uint64_t hot_len;  /* pages */
	uint64_t iova;	   /* of the DMA under way */
	uint64_t rate;	   /* writes per second; 0: flat out */
	uint64_t base_ns;  /* when the agent had done base_writes */
	uint64_t base_writes;
	uint64_t started_ns;
	uint64_t stopped_ns;
	uint64_t writes;
	uint64_t reads;
	uint64_t misplaced;
	uint64_t pool_left;
	uint32_t seen; /* what was read goes here */
	int error;
	bool atc;
	struct iod_fault fault;
	uint64_t pool[POOL_PAGES];
};

void precopy_sleep(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000u),
			       .tv_nsec = (long)(ns % 1000000000u) };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* By default the agents dirty about 40 % of what the link carries, so that pre-copy converges. */
uint64_t precopy_rate(const struct precopy_opts *opts)
{
	const uint64_t most = 1200000;
	uint64_t rate;

	if (opts->rate != PRECOPY_RATE_AUTO)
		return opts->rate;
	rate = opts->bandwidth / PRECOPY_PAGE * 2 / 5;
	if (rate > most)
		return most;
	return rate ? rate : 1;
}

/* --- Agents ------------------------------------------------------------------------------------*/

/* SplitMix64 (Vigna, public domain): good enough, and any seed will do. */
static uint64_t agent_random(struct precopy_agent *a)
{
	uint64_t z = a->rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* A number below n; n is at most 2^32. */
static uint64_t agent_below(struct precopy_agent *a, uint64_t n)
{
	return ((agent_random(a) >> 32) * n) >> 32;
}

static uint64_t agent_hot_page(struct precopy_agent *a)
{
	return (a->hot_base + agent_below(a, a->hot_len)) % a->vm->writable;
}

static void agent_refill_pool(struct precopy_agent *a)
{
	unsigned i;

	for (i = 0; i < POOL_PAGES; i++)
		a->pool[i] = agent_hot_page(a);
	a->pool_left = POOL_LIFE;
}

/* The data of one piece of a DMA: a write is one more version of each page it touches. */
static int agent_write_data(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct precopy_agent *a = cookie;
	struct precopy_vm *vm = a->vm;
	uint64_t page = pa >> PRECOPY_PAGE_LG2;
	uint64_t last = (pa + len - 1) >> PRECOPY_PAGE_LG2;

	if (pa != a->iova + offset || last >= vm->writable) {
		a->misplaced++;
		return 0;
	}
	for (; page <= last; page++, a->writes++)
		atomic_fetch_add_explicit(&vm->version[page], 1, memory_order_acq_rel);
	return 0;
}

static int agent_read_data(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct precopy_agent *a = cookie;
	uint64_t page = pa >> PRECOPY_PAGE_LG2;

	if (pa != a->iova + offset || len > PRECOPY_PAGE || page >= a->vm->pages) {
		a->misplaced++;
		return 0;
	}
	a->seen ^= atomic_load_explicit(&a->vm->version[page], memory_order_relaxed);
	a->reads++;
	return 0;
}

static int agent_dma(struct precopy_agent *a, uint64_t iova, uint64_t len, uint32_t access)
{
	bool write = access & IOD_ACCESS_WRITE;

	a->iova = iova;
	return iod_iotlb_dma(a->tlb, a->vm->pt, iova, len, access,
			     write ? agent_write_data : agent_read_data, a, NULL, &a->fault);
}

/* Packets and sectors, pages, and now and then several pages in one go. */
static int agent_write(struct precopy_agent *a)
{
	const struct precopy_opts *opts = a->vm->opts;
	unsigned where = (unsigned)agent_below(a, 100);
	unsigned what = (unsigned)agent_below(a, 10);
	uint64_t page, nr = 1, offset = 0, len = PRECOPY_PAGE;

	if (where * 2 < opts->hot)
		page = a->pool[agent_below(a, POOL_PAGES)];
	else if (where < opts->hot)
		page = agent_hot_page(a);
	else
		page = agent_below(a, a->vm->writable);

	if (what < 5) {
		len = 64 * (1 + agent_below(a, 24));
		offset = 64 * agent_below(a, (PRECOPY_PAGE - len) / 64 + 1);
	} else if (what == 9 && where * 2 >= opts->hot) {
		nr = 2 + agent_below(a, MAX_DMA_PAGES - 1);
	}
	if (page + nr > a->vm->writable)
		nr = a->vm->writable - page;
	if (nr > 1)
		len = nr * PRECOPY_PAGE;

	if (a->writes % SLIDE == 0)
		a->hot_base = (a->hot_base + 1) % a->vm->writable;
	if (--a->pool_left == 0)
		agent_refill_pool(a);
	return agent_dma(a, (page << PRECOPY_PAGE_LG2) + offset, len, IOD_ACCESS_WRITE);
}

/* Half of the reads go where nobody writes: were a read to dirty, it would show there. */
static int agent_read(struct precopy_agent *a)
{
	struct precopy_vm *vm = a->vm;
	uint64_t page;

	if (agent_below(a, 2))
		page = vm->writable + agent_below(a, vm->pages - vm->writable);
	else
		page = agent_below(a, vm->pages);
	return agent_dma(a, page << PRECOPY_PAGE_LG2, PRECOPY_PAGE, IOD_ACCESS_READ);
}

/*
 * Keep to the rate. What was missed because the machine was busy is not made up for later: a burst
 * would say more about this machine than about the protocol.
 */
static void agent_throttle(struct precopy_agent *a)
{
	uint64_t due = a->base_ns + (a->writes - a->base_writes) * 1000000000u / a->rate;
	uint64_t now = figure_now();

	if (now > due + BEHIND_NS || due > a->base_ns + REBASE_NS) {
		a->base_ns = now > due ? now : due;
		a->base_writes = a->writes;
	}
	while (now < due && !atomic_load_explicit(&a->vm->stop, memory_order_relaxed)) {
		precopy_sleep(due - now < NAP_NS ? due - now : NAP_NS);
		now = figure_now();
	}
}

static void *agent_main(void *arg)
{
	struct precopy_agent *a = arg;
	uint64_t step = a->rate / 1000 < THROTTLE_STEP ? a->rate / 1000 + 1 : THROTTLE_STEP;
	uint64_t look = step;

	a->started_ns = a->base_ns = figure_now();
	while (!a->error && !atomic_load_explicit(&a->vm->stop, memory_order_relaxed)) {
		if (agent_below(a, 4))
			a->error = agent_write(a);
		else
			a->error = agent_read(a);
		if (a->rate && a->writes >= look) {
			agent_throttle(a);
			look = a->writes + step;
		}
	}
	a->stopped_ns = figure_now();
	return NULL;
}

/* Of four agents two are devices with an ATC, one moves data before it marks, one walks ahead. */
static int agent_create(struct precopy_vm *vm, unsigned i, enum iod_format format)
{
	static const uint32_t kinds[] = { 0, IOD_IOTLB_ATC, IOD_IOTLB_LATE_DIRTY,
					  IOD_IOTLB_ATC | IOD_IOTLB_SPECULATE };
	const struct precopy_opts *opts = vm->opts;
	struct precopy_agent *a = &vm->agents[i];
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg),
				     .entries = TLB_ENTRIES,
				     .flags = kinds[i % 4] };

	if (i % 4 == 2 && (format == IOD_AMD_V1 || format == IOD_AMD_V2))
		cfg.flags |= IOD_IOTLB_NO_TABLE_ACCESS;
	memset(a, 0, sizeof(*a));
	a->vm = vm;
	a->atc = cfg.flags & IOD_IOTLB_ATC;
	a->rng = opts->seed * 0x2545f4914f6cdd1dull + i;
	cfg.seed = agent_random(a);
	a->hot_len = vm->writable * opts->hot_set / 100 / vm->nr_agents;
	if (!a->hot_len)
		a->hot_len = 1;
	a->hot_base = vm->writable / vm->nr_agents * i;
	a->rate = precopy_rate(opts) / vm->nr_agents;
	if (!a->rate && opts->rate)
		a->rate = 1;
	agent_refill_pool(a);
	return iod_iotlb_create(&a->tlb, &cfg);
}

/* --- The VM ------------------------------------------------------------------------------------*/

static uint64_t vm_pgsizes(enum iod_format format, enum precopy_pages pages)
{
	switch (pages) {
	case PRECOPY_4K:
		return PRECOPY_PAGE;
	case PRECOPY_2M:
		return PRECOPY_PAGE | SIZE_2M;
	case PRECOPY_MIXED:
		break;
	}
	if (format == IOD_AMD_V1)
		return PRECOPY_PAGE | SIZE_64K | SIZE_2M | SIZE_4M | SIZE_32M;
	if (format == IOD_ARM_LPAE_S1 || format == IOD_ARM_LPAE_S2)
		return PRECOPY_PAGE | SIZE_64K | SIZE_2M | SIZE_32M;
	return PRECOPY_PAGE | SIZE_2M;
}

/*
 * mixed: how the memory at iova is cut, and in what steps it is mapped. Half of it is in 2 MiB pages,
 * the rest in 4 KiB pages and, where the format has them, runs of 64 KiB, 4 MiB and 32 MiB.
 */
static uint64_t mixed_chunk(uint64_t iova, uint64_t left, uint64_t *step)
{
	static const uint64_t steps[] = { SIZE_4M,	SIZE_2M, SIZE_64K,     SIZE_2M,
					  PRECOPY_PAGE, SIZE_2M, PRECOPY_PAGE, SIZE_2M };

	if (iova % SIZE_32M == 0 && left >= SIZE_32M && iova / SIZE_32M % 8 == 1) {
		*step = SIZE_32M;
		return SIZE_32M;
	}
	if (left < SIZE_4M) {
		*step = SIZE_2M;
		return left;
	}
	*step = steps[iova / SIZE_4M % 8];
	return SIZE_4M;
}

static int vm_map(struct precopy_vm *vm, uint64_t iova, uint64_t len)
{
	const uint32_t prot = IOD_PROT_READ | IOD_PROT_WRITE;
	uint64_t chunk, step, at;
	int ret;

	if (vm->opts->pages != PRECOPY_MIXED)
		return iod_map(vm->pt, iova, iova, len, prot, NULL, NULL);
	for (; len; iova += chunk, len -= chunk) {
		chunk = mixed_chunk(iova, len, &step);
		for (at = iova; at < iova + chunk; at += step) {
			ret = iod_map(vm->pt, at, at, step, prot, NULL, NULL);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* Large pages of ARM's can be split while they are used from break-before-make level 1 on. */
static uint32_t vm_features(enum iod_format format, enum precopy_policy policy)
{
	bool arm = format == IOD_ARM_LPAE_S1 || format == IOD_ARM_LPAE_S2;

	return IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY | (arm && policy ? IOD_PT_BBM_2 : 0);
}

uint64_t precopy_vm_large(const struct precopy_vm *vm)
{
	return vm->opts->pages == PRECOPY_MIXED ? SIZE_64K : SIZE_2M;
}

static int vm_create_tables(struct precopy_vm *vm, enum iod_format format,
			    enum precopy_policy policy)
{
	const struct precopy_opts *opts = vm->opts;
	uint64_t split = vm->writable << PRECOPY_PAGE_LG2;
	struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg),
		.format = format,
		.features = vm_features(format, policy),
		.pgsize_bitmap = vm_pgsizes(format, opts->pages),
		.domain = precopy_iommu_tag(format),
	};
	int ret;

	vm->what = "cannot create the arena for the page tables";
	ret = iod_mem_create_arena(&vm->mem, NULL);
	if (ret)
		return ret;
	cfg.mem = vm->mem;
	vm->what = "cannot create the page table";
	ret = iod_pgtable_create(&vm->pt, &cfg);
	if (ret)
		return ret;
	vm->what = "cannot map the memory";
	vm->map_ns = figure_now();
	ret = vm_map(vm, 0, split);
	if (!ret)
		ret = vm_map(vm, split, opts->memory - split);
	vm->map_ns = figure_now() - vm->map_ns;
	return ret;
}

/* Pages start at version 1 and the destination at 0, so that a page never copied is found, too. */
static int vm_create_memory(struct precopy_vm *vm)
{
	uint64_t i, len;

	vm->what = "cannot allocate the version numbers";
	if (vm->pages > SIZE_MAX / sizeof(*vm->version))
		return -ENOMEM;
	vm->version = malloc((size_t)vm->pages * sizeof(*vm->version));
	vm->dest = calloc((size_t)vm->pages, sizeof(*vm->dest));
	if (!vm->version || !vm->dest)
		return -ENOMEM;
	for (i = 0; i < vm->pages; i++)
		atomic_init(&vm->version[i], 1);
	len = iod_bitmap_bytes(vm->opts->memory, PRECOPY_PAGE);
	vm->delivered_bits = calloc(1, (size_t)len);
	if (!vm->delivered_bits)
		return -ENOMEM;
	return iod_bitmap_init(&vm->delivered, 0, vm->opts->memory, PRECOPY_PAGE,
			       vm->delivered_bits, len, IOD_BITMAP_ATOMIC);
}

/* A bit that is set while this runs is taken now or by the next call. */
void precopy_vm_take_delivered(struct precopy_vm *vm, struct iod_bitmap *bitmap)
{
	unsigned char *from = (unsigned char *)vm->delivered_bits;
	unsigned char *to = (unsigned char *)bitmap->words;
	uint64_t i;

	/* By bytes, which every host exchanges. */
	for (i = 0; i < vm->pages / 8; i++) {
		if (__atomic_load_n(&from[i], __ATOMIC_RELAXED))
			to[i] |= __atomic_exchange_n(&from[i], 0, __ATOMIC_ACQ_REL);
	}
}

static int vm_create_agents(struct precopy_vm *vm, enum iod_format format)
{
	unsigned i;
	int ret;

	vm->what = "cannot create an IOTLB";
	vm->agents = aligned_alloc(alignof(struct precopy_agent),
				   vm->opts->agents * sizeof(*vm->agents));
	if (!vm->agents)
		return -ENOMEM;
	memset(vm->agents, 0, vm->opts->agents * sizeof(*vm->agents));
	vm->nr_agents = vm->opts->agents;
	for (i = 0; i < vm->nr_agents; i++) {
		ret = agent_create(vm, i, format);
		if (ret)
			return ret;
	}
	return 0;
}

int precopy_vm_create(struct precopy_vm *vm, const struct precopy_opts *opts,
		      enum iod_format format, enum precopy_policy policy)
{
	uint64_t read_only = opts->memory / 64 / SIZE_2M * SIZE_2M;
	int ret;

	memset(vm, 0, sizeof(*vm));
	vm->opts = opts;
	if (!read_only)
		read_only = SIZE_2M;
	vm->pages = opts->memory >> PRECOPY_PAGE_LG2;
	vm->writable = vm->pages - (read_only >> PRECOPY_PAGE_LG2);
	ret = vm_create_memory(vm);
	if (!ret)
		ret = vm_create_tables(vm, format, policy);
	if (!ret)
		ret = vm_create_agents(vm, format);
	if (!ret)
		ret = precopy_iommu_create(vm, format);
	if (!ret)
		ret = precopy_plug_create(vm);
	return ret;
}

void precopy_vm_destroy(struct precopy_vm *vm)
{
	unsigned i;

	for (i = 0; i < vm->nr_agents; i++) {
		if (vm->agents[i].tlb)
			iod_iotlb_destroy(vm->agents[i].tlb);
	}
	free(vm->agents);
	precopy_plug_destroy(vm->plug);
	precopy_iommu_destroy(vm->iommu);
	if (vm->pt)
		iod_pgtable_destroy(vm->pt);
	if (vm->mem)
		iod_mem_destroy(vm->mem);
	free(vm->version);
	free(vm->dest);
	free(vm->delivered_bits);
	memset(vm, 0, sizeof(*vm));
}

int precopy_vm_start(struct precopy_vm *vm)
{
	int ret;

	vm->what = "cannot start a thread";
	atomic_init(&vm->stop, false);
	for (vm->running = 0; vm->running < vm->nr_agents; vm->running++) {
		struct precopy_agent *a = &vm->agents[vm->running];

		ret = pthread_create(&a->thread, NULL, agent_main, a);
		if (ret)
			return -ret;
	}
	return precopy_plug_start(vm->plug);
}

void precopy_vm_stop(struct precopy_vm *vm, struct precopy_activity *did)
{
	unsigned i, nr = vm->running;

	memset(did, 0, sizeof(*did));
	atomic_store(&vm->stop, true);
	for (i = 0; i < nr; i++)
		pthread_join(vm->agents[i].thread, NULL);
	vm->running = 0;
	for (i = 0; i < nr; i++) {
		struct precopy_agent *a = &vm->agents[i];
		struct iod_iotlb_stats stats = { .size = sizeof(stats) };

		did->writes += a->writes;
		did->reads += a->reads;
		did->misplaced += a->misplaced;
		if (a->stopped_ns - a->started_ns > did->ns)
			did->ns = a->stopped_ns - a->started_ns;
		if (a->error && !did->error) {
			did->error = a->error;
			did->fault = a->fault;
		}
		if (!iod_iotlb_get_stats(a->tlb, &stats)) {
			did->hits += stats.hits;
			did->misses += stats.misses;
		}
	}
	precopy_plug_stop(vm->plug, did);
}

int precopy_vm_obey(struct precopy_vm *vm, const struct iod_inv *inv, size_t nr)
{
	unsigned i;
	int ret = 0;

	for (i = 0; i < vm->nr_agents && !ret; i++)
		if (!vm->agents[i].atc)
			ret = iod_iotlb_invalidate(vm->agents[i].tlb, inv, nr);
	return ret;
}

struct iod_iotlb *precopy_vm_atc(struct precopy_vm *vm, uint32_t device)
{
	if (device == PRECOPY_MAX_AGENTS)
		return precopy_plug_atc(vm->plug);
	return device < vm->nr_agents && vm->agents[device].atc ? vm->agents[device].tlb : NULL;
}

void precopy_vm_gather(struct precopy_vm *vm, struct iod_gather_cfg *cfg)
{
	*cfg = (struct iod_gather_cfg){ .size = sizeof(*cfg) };
	precopy_iommu_gather(vm->iommu, cfg);
}
