/* SPDX-License-Identifier: MIT */
/*
 * The library on both sides of one SMMU: a driver (page tables, gathers, commands, its command queue) and the
 * emulated SMMU, over the same memory, with threads of DMA between them.
 *
 * Migration: pages are swept, invalidated, copied, while devices write; after the final pass the copy is what
 * the memory is. Unmapping: when a gather is synced, no DMA reaches the page. Twins that drop commands on
 * their way to the queue lose pages, and reach what was unmapped.
 */
#include <pthread.h>
#include <sched.h>

#include <iodirty/smmuv3_emu.h>
#include <iodirty/smmuv3_inv.h>
#include <iodirty/sweep.h>

#include "iodtest.h"

#define PAGES	  128u		      /* written and migrated */
#define WINDOW	  16u		      /* mapped and unmapped */
#define DATA	  (UINT64_C(1) << 36) /* output address of page 0 */
#define IOVA	  UINT64_C(0x10000000)
#define WINDOW_AT UINT64_C(0x20000000)
#define DMA_SID	  3u
#define VMID	  7u
#define ASID	  5u
#define CR0	  0x20
#define DMAS	  2

enum kind { STAGE1, STAGE2, NESTED, KINDS };

struct world {
	enum kind kind;
	struct iod_mem *mem;
	struct iod_smmuv3_emu *emu;
	struct iod_smmuv3_cmdq *cmdq;
	struct iod_smmuv3_inv *inv;
	struct iod_pgtable *pt,
		*pt1; /* what is tracked; nested: stage 2, and the guest's stage 1 */
	struct iod_gather *gather;
	bool drop;	   /* the twin: no TLBI goes out */
	unsigned int stop; /* atomic */
	unsigned int bad;  /* atomic: DMA that reached a page after it was unmapped */
	bool deaf;	   /* the other twin: the device does not obey ATC_INV */
	uint64_t atc;	   /* the device's ATC: what page 0 translates to, writable; 0: nothing */
	_Alignas(8) uint64_t data[PAGES],
		copy[PAGES];	     /* atomic: what lies in the pages; word by word is enough */
	unsigned int mapped[WINDOW]; /* atomic: the page may be reached */
	_Alignas(8) uint64_t writes; /* atomic */
};

static int quirk(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max)
{
	const struct world *w = cookie;

	(void)cmds;
	(void)max;
	if (w->drop)
		*nr = 0;
	return 0;
}

static int atc_inv(void *cookie, uint32_t sid, bool ssv, uint32_t ssid, bool global, uint64_t first,
		   uint64_t last)
{
	struct world *w = cookie;

	(void)ssid;
	(void)global;
	if (sid == DMA_SID && !ssv && first <= IOVA && IOVA <= last && !w->deaf)
		w->atc = 0;
	return 0;
}

static void doorbell(void *cookie)
{
	iod_smmuv3_emu_update(cookie);
}

static uint64_t table_of(struct iod_mem *mem, uint64_t len)
{
	uint64_t pa;

	assert_int_equal(iod_mem_alloc(mem, len, &pa), 0);
	return pa;
}

static void put_words(struct iod_mem *mem, uint64_t pa, const uint64_t *le, unsigned int n)
{
	void *host;

	assert_int_equal(iod_mem_host_ptr(mem, pa, n * 8, true, &host), 0);
	memcpy(host, le, n * 8);
}

static struct iod_pgtable *table(struct world *w, enum iod_format format)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg), .format = format, .mem = w->mem };
	struct iod_pgtable *pt;

	cfg.features = IOD_PT_HW_DIRTY | IOD_PT_HW_ACCESS;
	cfg.ias = 39;
	assert_int_equal(iod_pgtable_create(&pt, &cfg), 0);
	return pt;
}

static void write_structures(struct world *w, uint64_t strtab)
{
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_smmuv3_ste ste = { .valid = true };
	struct iod_smmuv3_raw_ste raw_ste;
	struct iod_smmuv3_raw_cd raw_cd;
	struct iod_smmuv3_cd cd = { .r = true, .a = true };
	struct iod_pgtable *s1 = w->kind == STAGE1 ? w->pt : w->pt1;

	if (s1) {
		ste.s1contextptr = table_of(w->mem, 4096);
		assert_int_equal(iod_pgtable_get_hw_info(s1, &info), 0);
		assert_int_equal(iod_smmuv3_cd_set_stage1(&cd, &info, ASID), 0);
		assert_int_equal(iod_smmuv3_cd_encode(&raw_cd, &cd), 0);
		put_words(w->mem, ste.s1contextptr, raw_cd.word, 8);
	}
	if (w->kind != STAGE1) {
		assert_int_equal(iod_pgtable_get_hw_info(w->pt, &info), 0);
		assert_int_equal(iod_smmuv3_ste_set_stage2(&ste, &info, VMID), 0);
		ste.s2r = true;
	}
	ste.config = w->kind == STAGE1	 ? IOD_SMMUV3_S1
		     : w->kind == STAGE2 ? IOD_SMMUV3_S2
					 : IOD_SMMUV3_NESTED;
	ste.s2vmid = VMID;
	ste.eats = 1;
	assert_int_equal(iod_smmuv3_ste_encode(&raw_ste, &ste), 0);
	put_words(w->mem, strtab + DMA_SID * 64, raw_ste.word, 8);
}

static void reg(struct world *w, uint64_t offset, unsigned int len, uint64_t v)
{
	assert_int_equal(iod_smmuv3_emu_mmio(w->emu, offset, len, true, &v), 0);
}

static void open_smmu(struct world *w)
{
	uint64_t strtab = table_of(w->mem, 4096), cmdq = table_of(w->mem, 4096);
	struct iod_smmuv3_emu_cfg cfg = { .size = sizeof(cfg), .mem = w->mem, .config_entries = 4 };
	struct iod_smmuv3_emu_ops ops = { .size = sizeof(ops), .atc_inv = atc_inv };
	struct iod_iotlb_cfg tlb = { .size = sizeof(tlb), .entries = 64, .seed = 3 };
	struct iod_smmuv3_cmdq_cfg q = { .size = sizeof(q), .mem = w->mem, .base = cmdq | 6 };
	struct iod_smmuv3_regs *regs;

	tlb.flags = IOD_IOTLB_LATE_DIRTY | IOD_IOTLB_EXACT_LEVELS;
	cfg.ops = &ops;
	cfg.cookie = w;
	cfg.tlb_s1 = &tlb;
	cfg.tlb_s2 = &tlb;
	assert_int_equal(iod_smmuv3_emu_create(&w->emu, &cfg), 0);
	write_structures(w, strtab);
	regs = iod_smmuv3_emu_regs(w->emu);
	reg(w, 0x80, 8, strtab);
	reg(w, 0x88, 4, 6);
	reg(w, 0x90, 8, q.base);
	reg(w, CR0, 4, 0x19); /* SMMUEN, CMDQEN, ATSCHK */
	q.prod = &regs->cmdq_prod;
	q.cons = &regs->cmdq_cons;
	q.gerror = &regs->gerror;
	q.gerrorn = &regs->gerrorn;
	q.doorbell = doorbell;
	q.cookie = w->emu;
	assert_int_equal(iod_smmuv3_cmdq_create(&w->cmdq, &q), 0);
}

static void open_driver(struct world *w)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink) };
	struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg), .sink = &sink };
	struct iod_gather_cfg gather = { .size = sizeof(gather), .ops = iod_smmuv3_inv_ops() };

	assert_int_equal(iod_smmuv3_cmdq_sink(w->cmdq, &sink), 0);
	cfg.stage = w->kind == STAGE1 ? 1 : 2;
	cfg.asid = w->kind == STAGE1 ? ASID : 0;
	cfg.vmid = VMID;
	cfg.flags = w->kind == NESTED ? IOD_SMMUV3_INV_NESTED : 0;
	cfg.quirk = quirk;
	cfg.quirk_cookie = w;
	assert_int_equal(iod_smmuv3_inv_create(&w->inv, &cfg), 0);
	gather.cookie = w->inv;
	assert_int_equal(iod_gather_create(&w->gather, w->pt, &gather), 0);
}

static void open_world(struct world *w, enum kind kind, bool drop)
{
	struct iod_mem_arena_cfg arena = { .size = sizeof(arena), .window = IODT_BIT(26) };
	uint32_t prot = IODT_RW;

	memset(w, 0, sizeof(*w));
	w->kind = kind;
	w->drop = drop;
	assert_int_equal(iod_mem_create_arena(&w->mem, &arena), 0);
	w->pt = table(w, kind == STAGE1 ? IOD_ARM_LPAE_S1 : IOD_ARM_LPAE_S2);
	if (kind == NESTED) {
		/* The guest: its addresses are IOVA + ..., its tables lie at the addresses they have. */
		w->pt1 = table(w, IOD_ARM_LPAE_S1);
		assert_int_equal(iod_map(w->pt1, IOVA, IOVA, PAGES * 4096, prot, NULL, NULL), 0);
		assert_int_equal(
			iod_map(w->pt1, WINDOW_AT, WINDOW_AT, WINDOW * 4096, prot, NULL, NULL), 0);
		assert_int_equal(iod_map(w->pt, IODT_2M, IODT_2M, IODT_BIT(26), prot, NULL, NULL),
				 0);
	}
	assert_int_equal(iod_map(w->pt, IOVA, DATA, PAGES * 4096, prot, NULL, NULL), 0);
	open_smmu(w);
	open_driver(w);
}

static void close_world(struct world *w)
{
	assert_int_equal(iod_gather_sync(w->gather), 0);
	assert_int_equal(iod_gather_destroy(w->gather), 0);
	assert_int_equal(iod_smmuv3_inv_destroy(w->inv), 0);
	assert_int_equal(iod_smmuv3_cmdq_destroy(w->cmdq), 0);
	assert_int_equal(iod_smmuv3_emu_destroy(w->emu), 0);
	if (w->pt1)
		assert_int_equal(iod_pgtable_destroy(w->pt1), 0);
	assert_int_equal(iod_pgtable_destroy(w->pt), 0);
	assert_int_equal(iod_mem_destroy(w->mem), 0);
}

/* ---- the devices ---- */

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct world *w = cookie;
	uint64_t page = (pa - DATA) >> 12;

	(void)len;
	(void)offset;
	if (page < PAGES)
		__atomic_fetch_add(&w->data[page], 1, __ATOMIC_RELAXED);
	else if (page - 1024 >= WINDOW)
		__atomic_fetch_add(&w->bad, 1, __ATOMIC_RELAXED);
	else if (!__atomic_load_n(&w->mapped[page - 1024], __ATOMIC_ACQUIRE))
		__atomic_fetch_add(&w->bad, 1, __ATOMIC_RELAXED);
	return 0;
}

static void *device(void *arg)
{
	struct world *w = arg;
	struct iod_emu_req req = { .size = sizeof(req), .source = DMA_SID };
	uint64_t x = (uintptr_t)&req | 1, n = 0;

	req.access = IOD_ACCESS_WRITE;
	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		/* A few pages are hot: they stay cached. */
		req.iova = IOVA + (x >> 33) % ((x >> 60) < 12 ? 8 : PAGES) * 4096;
		if ((x >> 56 & 3) == 0)
			req.iova = WINDOW_AT + (x >> 33) % WINDOW * 4096;
		iod_smmuv3_emu_dma(w->emu, &req, 64, move, w, NULL, NULL, NULL);
		if ((++n & 63) == 0) {
			__atomic_fetch_add(&w->writes, 64, __ATOMIC_RELAXED);
			sched_yield();
		}
	}
	return NULL;
}

/* ---- the driver ---- */

static void round_of(struct world *w, uint32_t flags)
{
	uint64_t words[PAGES / 64] = { 0 };
	struct iod_sweep sweep = { .size = sizeof(sweep), .mode = IOD_SWEEP_CLEAR };
	struct iod_bitmap bitmap;
	unsigned int i;

	assert_int_equal(
		iod_bitmap_init(&bitmap, IOVA, PAGES * 4096, 4096, words, sizeof(words), 0), 0);
	sweep.flags = flags;
	sweep.iova = IOVA;
	sweep.len = PAGES * 4096;
	sweep.bitmap = &bitmap;
	sweep.gather = w->gather;
	assert_int_equal(iod_sweep(w->pt, &sweep), 0);
	assert_int_equal(iod_gather_sync(w->gather), 0);
	for (i = 0; i < PAGES; i++) {
		if (iod_bitmap_test(&bitmap, IOVA + i * UINT64_C(4096)))
			w->copy[i] = __atomic_load_n(&w->data[i], __ATOMIC_RELAXED);
	}
}

static void map_and_unmap(struct world *w, unsigned int i)
{
	uint64_t iova = WINDOW_AT + i * UINT64_C(4096), pa = DATA + (1024 + i) * UINT64_C(4096);

	__atomic_store_n(&w->mapped[i], 1, __ATOMIC_RELEASE);
	assert_int_equal(iod_map(w->pt, iova, pa, 4096, IODT_RW, w->gather, NULL), 0);
	sched_yield();
	assert_int_equal(iod_unmap(w->pt, iova, 4096, 0, w->gather, NULL), 0);
	assert_int_equal(iod_gather_sync(w->gather), 0);
	__atomic_store_n(&w->mapped[i], 0, __ATOMIC_RELEASE);
}

static unsigned int lost(struct world *w)
{
	unsigned int i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += w->copy[i] != w->data[i];
	return n;
}

static void run(struct world *w, unsigned int rounds)
{
	pthread_t thread[DMAS];
	unsigned int i, n;

	for (i = 0; i < DMAS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, device, w), 0);
	for (n = 0; n < rounds || __atomic_load_n(&w->writes, __ATOMIC_RELAXED) < 64u * rounds;
	     n++) {
		map_and_unmap(w, n % WINDOW);
		if (n % 4 == 0)
			round_of(w, 0);
		sched_yield();
	}
	__atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < DMAS; i++)
		pthread_join(thread[i], NULL);
	round_of(w, IOD_SWEEP_FINAL);
}

static void nothing_lost(void **state)
{
	struct iod_smmuv3_cmdq_stats stats;
	struct world *w = calloc(1, sizeof(*w));
	enum kind kind;

	(void)state;
	assert_non_null(w);
	for (kind = STAGE1; kind < KINDS; kind++) {
		open_world(w, kind, false);
		run(w, iodt_scale(600));
		assert_int_equal(lost(w), 0);
		assert_int_equal(w->bad, 0);
		stats.size = sizeof(stats);
		assert_int_equal(iod_smmuv3_cmdq_get_stats(w->cmdq, &stats), 0);
		assert_int_equal(stats.errors, 0);
		print_message("kind %d: %llu DMAs, %llu commands, %llu syncs\n", (int)kind,
			      (unsigned long long)w->writes, (unsigned long long)stats.commands,
			      (unsigned long long)stats.syncs);
		close_world(w);
	}
	free(w);
}

/* The twin: without TLBIs the same loses pages, and reaches what was unmapped. One DMA at a time, by hand, so that
 * it is certain. */
static void dma(struct world *w, uint64_t iova)
{
	struct iod_emu_req req = { .size = sizeof(req), .source = DMA_SID };

	req.access = IOD_ACCESS_WRITE;
	req.iova = iova;
	iod_smmuv3_emu_dma(w->emu, &req, 64, move, w, NULL, NULL, NULL);
}

static void steps(struct world *w)
{
	uint64_t window = WINDOW_AT, pa = DATA + 1024 * UINT64_C(4096);

	dma(w, IOVA); /* walks, marks, is cached */
	round_of(w, 0);
	dma(w, IOVA);
	round_of(w, 0);
	__atomic_store_n(&w->mapped[0], 1, __ATOMIC_RELEASE);
	assert_int_equal(iod_map(w->pt, window, pa, 4096, IODT_RW, w->gather, NULL), 0);
	dma(w, window);
	assert_int_equal(iod_unmap(w->pt, window, 4096, 0, w->gather, NULL), 0);
	assert_int_equal(iod_gather_sync(w->gather), 0);
	__atomic_store_n(&w->mapped[0], 0, __ATOMIC_RELEASE);
	dma(w, window);
}

static void twin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned int drop;
	enum kind kind;

	(void)state;
	assert_non_null(w);
	for (kind = STAGE1; kind < KINDS; kind++) {
		for (drop = 0; drop < 2; drop++) {
			open_world(w, kind, drop);
			steps(w);
			assert_int_equal(lost(w), drop);
			assert_int_equal(w->bad, drop);
			w->drop = false;
			close_world(w);
		}
	}
	free(w);
}

/* ---- a device with a cache of its own (rows 8, 112) ---- */

/* Writes page 0 through what it has cached, or asks: a request that wants to write marks the page now. */
static void ats_write(struct world *w)
{
	struct iod_emu_req req = { .size = sizeof(req), .source = DMA_SID, .iova = IOVA };
	struct iod_emu_result res = { .size = sizeof(res) };

	if (!w->atc) {
		req.access = IOD_ACCESS_READ | IOD_ACCESS_WRITE;
		req.flags = IOD_EMU_REQ_ATS;
		assert_int_equal(iod_smmuv3_emu_access(w->emu, &req, &res, NULL), 0);
		assert_int_equal(res.prot & IODT_RW, IODT_RW);
		w->atc = res.pa;
	}
	req.access = IOD_ACCESS_WRITE;
	req.flags = IOD_EMU_REQ_TRANSLATED;
	req.iova = w->atc;
	assert_int_equal(iod_smmuv3_emu_dma(w->emu, &req, 64, move, w, NULL, NULL, NULL), 0);
}

static void ats(void **state)
{
	struct iod_smmuv3_ats_device dev = { .size = sizeof(dev), .sid = DMA_SID };
	struct world *w = calloc(1, sizeof(*w));
	unsigned int deaf;
	enum kind kind;

	(void)state;
	assert_non_null(w);
	for (kind = STAGE1; kind < KINDS; kind++) {
		for (deaf = 0; deaf < 2; deaf++) {
			open_world(w, kind, false);
			assert_int_equal(iod_smmuv3_inv_add_device(w->inv, &dev), 0);
			round_of(w, 0);
			w->deaf = deaf;
			ats_write(w);
			round_of(w, 0);
			assert_int_equal(!w->atc, !deaf);
			ats_write(w); /* deaf: marks nothing */
			round_of(w, 0);
			assert_int_equal(lost(w), deaf);
			close_world(w);
		}
	}
	free(w);
}

/* ---- SYNC waits for accesses under a configuration that was forgotten ---- */

struct slow {
	struct world *w;
	unsigned int inside, go; /* atomic */
};

static int slow_move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct slow *s = cookie;

	(void)pa;
	(void)len;
	(void)offset;
	__atomic_store_n(&s->inside, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&s->go, __ATOMIC_ACQUIRE))
		sched_yield();
	__atomic_store_n(&s->inside, 2, __ATOMIC_RELEASE);
	return 0;
}

static void *slow_device(void *arg)
{
	struct slow *s = arg;
	struct iod_emu_req req = { .size = sizeof(req), .source = DMA_SID };

	req.access = IOD_ACCESS_WRITE;
	req.iova = IOVA;
	iod_smmuv3_emu_dma(s->w->emu, &req, 64, slow_move, s, NULL, NULL, NULL);
	return NULL;
}

static void *let_go(void *arg)
{
	struct slow *s = arg;
	unsigned int i;

	for (i = 0; i < 2000; i++)
		sched_yield();
	__atomic_store_n(&s->go, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void sync_waits(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct slow s = { .w = w };
	struct iod_smmuv3_cmd cmd = { .op = IOD_SMMUV3_CFGI_STE, .sid = DMA_SID, .leaf = true };
	struct iod_smmuv3_raw_cmd raw;
	pthread_t thread[2];

	(void)state;
	assert_non_null(w);
	open_world(w, STAGE1, false);
	assert_int_equal(iod_smmuv3_cmd_encode(&raw, &cmd, NULL, NULL), 0);
	assert_int_equal(pthread_create(&thread[0], NULL, slow_device, &s), 0);
	while (!__atomic_load_n(&s.inside, __ATOMIC_ACQUIRE))
		sched_yield();
	assert_int_equal(pthread_create(&thread[1], NULL, let_go, &s), 0);
	assert_int_equal(iod_smmuv3_cmdq_submit(w->cmdq, &raw, 1, true, NULL), 0);
	assert_int_equal(__atomic_load_n(&s.inside, __ATOMIC_ACQUIRE), 2);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	close_world(w);
	free(w);
}

/* Registers, commands and page requests beside DMA: for the sanitizers. */
static void everything(void **state)
{
	const uint64_t offset[] = {
		0x20, 0x20, 0x2c, 0x44, 0x50, 0x64, 0x68, 0x88, 0xa8, 0xac, 0xb8
	};
	struct iod_smmuv3_emu_stats stats = { .size = sizeof(stats) };
	struct iod_smmuv3_pri pri = { .sid = DMA_SID, .read = true, .last = true };
	struct world *w = calloc(1, sizeof(*w));
	pthread_t thread[DMAS];
	unsigned int i, n;
	uint64_t x = 7, v;

	(void)state;
	assert_non_null(w);
	open_world(w, NESTED, false);
	for (i = 0; i < DMAS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, device, w), 0);
	for (n = 0; n < iodt_scale(3000); n++) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		reg(w, offset[(x >> 40) % IODT_ARRAY_SIZE(offset)], 4, (x >> 20 & 0xff) | 8);
		assert_int_equal(iod_smmuv3_emu_mmio(w->emu, (x >> 50 & 0x3f) * 4, 4, false, &v),
				 0);
		iod_smmuv3_emu_page_request(w->emu, &pri);
		iod_smmuv3_emu_run(w->emu, 1);
		if (n % 64 == 0)
			assert_int_equal(iod_smmuv3_cmdq_submit(w->cmdq, NULL, 0, true, NULL), 0);
		assert_int_equal(iod_smmuv3_emu_get_stats(w->emu, &stats), 0);
	}
	__atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < DMAS; i++)
		pthread_join(thread[i], NULL);
	close_world(w);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twin),	      cmocka_unit_test(ats),
		cmocka_unit_test(sync_waits), cmocka_unit_test(nothing_lost),
		cmocka_unit_test(everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
