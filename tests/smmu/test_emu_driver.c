/* SPDX-License-Identifier: MIT */
/*
 * The library on both sides of one SMMU: a driver (page tables, gathers, commands, its command queue) and the
 * emulated SMMU, over the same memory, with threads of DMA between them (op/emuworld.h). Twins that drop commands on
 * their way to the queue lose pages, and reach what was unmapped.
 */
#include <iodirty/smmuv3_emu.h>
#include <iodirty/smmuv3_inv.h>

#include "op/emuworld.h"

#define DMA_SID 3u
#define VMID	7u
#define ASID	5u
#define CR0	0x20

enum kind { STAGE1, STAGE2, NESTED, KINDS };

struct world {
	struct emuworld w; /* first */
	enum kind kind;
	struct iod_mem *mem;
	struct iod_smmuv3_emu *emu;
	struct iod_smmuv3_cmdq *cmdq;
	struct iod_smmuv3_inv *inv;
	struct iod_pgtable *pt1; /* nested: the guest's stage 1 */
	bool drop;		 /* the twin: no TLBI goes out */
	bool deaf;		 /* the other twin: the device does not obey ATC_INV */
};

static int emu_access(void *emu, const struct iod_emu_req *req, struct iod_emu_result *result)
{
	return iod_smmuv3_emu_access(emu, req, result, NULL);
}

static int emu_dma(void *emu, const struct iod_emu_req *req, uint64_t len,
		   int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
		   void *cookie)
{
	return iod_smmuv3_emu_dma(emu, req, len, move, cookie, NULL, NULL, NULL);
}

static const struct emuworld_ops emu_ops = { .access = emu_access, .dma = emu_dma };

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
	if (sid == DMA_SID && !ssv && !w->deaf)
		ew_forget(&w->w, first, last);
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
	struct iod_pgtable *s1 = w->kind == STAGE1 ? w->w.pt : w->pt1;

	if (s1) {
		ste.s1contextptr = table_of(w->mem, 4096);
		assert_int_equal(iod_pgtable_get_hw_info(s1, &info), 0);
		assert_int_equal(iod_smmuv3_cd_set_stage1(&cd, &info, ASID), 0);
		assert_int_equal(iod_smmuv3_cd_encode(&raw_cd, &cd), 0);
		put_words(w->mem, ste.s1contextptr, raw_cd.word, 8);
	}
	if (w->kind != STAGE1) {
		assert_int_equal(iod_pgtable_get_hw_info(w->w.pt, &info), 0);
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
	assert_int_equal(iod_gather_create(&w->w.gather, w->w.pt, &gather), 0);
}

static void open_world(struct world *w, enum kind kind, bool drop)
{
	struct iod_mem_arena_cfg arena = { .size = sizeof(arena), .window = IODT_BIT(26) };

	memset(w, 0, sizeof(*w));
	w->kind = kind;
	w->drop = drop;
	w->w.ops = &emu_ops;
	w->w.req.source = DMA_SID;
	assert_int_equal(iod_mem_create_arena(&w->mem, &arena), 0);
	w->w.pt = table(w, kind == STAGE1 ? IOD_ARM_LPAE_S1 : IOD_ARM_LPAE_S2);
	if (kind == NESTED)
		w->pt1 = table(w, IOD_ARM_LPAE_S1);
	ew_map(&w->w, w->pt1);
	open_smmu(w);
	w->w.emu = w->emu;
	open_driver(w);
}

static void close_world(struct world *w)
{
	assert_int_equal(iod_gather_sync(w->w.gather), 0);
	assert_int_equal(iod_gather_destroy(w->w.gather), 0);
	assert_int_equal(iod_smmuv3_inv_destroy(w->inv), 0);
	assert_int_equal(iod_smmuv3_cmdq_destroy(w->cmdq), 0);
	assert_int_equal(iod_smmuv3_emu_destroy(w->emu), 0);
	if (w->pt1)
		assert_int_equal(iod_pgtable_destroy(w->pt1), 0);
	assert_int_equal(iod_pgtable_destroy(w->w.pt), 0);
	assert_int_equal(iod_mem_destroy(w->mem), 0);
}

/* ---- tests ---- */

static void nothing_lost(void **state)
{
	struct iod_smmuv3_cmdq_stats stats;
	struct world *w = calloc(1, sizeof(*w));
	enum kind kind;

	(void)state;
	assert_non_null(w);
	for (kind = STAGE1; kind < KINDS; kind++) {
		open_world(w, kind, false);
		ew_start(&w->w);
		ew_rounds(&w->w, iodt_scale(40000));
		ew_stop(&w->w);
		ew_round(&w->w, IOD_SWEEP_FINAL);
		assert_int_equal(ew_lost(&w->w), 0);
		assert_int_equal(w->w.bad, 0);
		stats.size = sizeof(stats);
		assert_int_equal(iod_smmuv3_cmdq_get_stats(w->cmdq, &stats), 0);
		assert_int_equal(stats.errors, 0);
		print_message("kind %d: %llu DMAs, %llu commands, %llu syncs\n", (int)kind,
			      (unsigned long long)w->w.writes, (unsigned long long)stats.commands,
			      (unsigned long long)stats.syncs);
		close_world(w);
	}
	free(w);
}

/* The twin: without TLBIs the same loses pages, and reaches what was unmapped. */
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
			ew_steps(&w->w);
			assert_int_equal(ew_lost(&w->w), drop);
			assert_int_equal(w->w.bad, drop);
			w->drop = false;
			close_world(w);
		}
	}
	free(w);
}

/* ---- a device with a cache of its own (rows 8, 112) ---- */

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
			ew_round(&w->w, 0);
			w->deaf = deaf;
			ew_ats_write(&w->w);
			ew_round(&w->w, 0);
			assert_int_equal(!w->w.atc, !deaf);
			ew_ats_write(&w->w); /* deaf: marks nothing */
			ew_round(&w->w, 0);
			assert_int_equal(ew_lost(&w->w), deaf);
			close_world(w);
		}
	}
	free(w);
}

/* ---- SYNC waits for accesses under a configuration that was forgotten ---- */

static void forget(void *cookie)
{
	struct iod_smmuv3_cmd cmd = { .op = IOD_SMMUV3_CFGI_STE, .sid = DMA_SID, .leaf = true };
	struct world *w = cookie;
	struct iod_smmuv3_raw_cmd raw;

	assert_int_equal(iod_smmuv3_cmd_encode(&raw, &cmd, NULL, NULL), 0);
	assert_int_equal(iod_smmuv3_cmdq_submit(w->cmdq, &raw, 1, true, NULL), 0);
}

static void sync_waits(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	open_world(w, STAGE1, false);
	ew_slow_dma(&w->w, forget, w);
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
	unsigned int n;
	uint64_t x = 7, v;

	(void)state;
	assert_non_null(w);
	open_world(w, NESTED, false);
	ew_start(&w->w);
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
	ew_stop(&w->w);
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
