/* SPDX-License-Identifier: MIT */
/*
 * The library on both sides of one AMD IOMMU: a driver (page tables, gathers, commands, its command buffer) and the
 * emulated IOMMU, over the same memory, with threads of DMA between them (op/emuworld.h). Twins that drop commands on
 * their way to the buffer lose pages, and reach what was unmapped.
 *
 * From a gather to commands there are two ways: the library's, and the test's own, the plainest that is right.
 */
#include <errno.h>
#include <sched.h>

#include <iodirty/amdvi_dte.h>
#include <iodirty/amdvi_emu.h>
#include <iodirty/amdvi_inv.h>
#include <iodirty/amdvi_queue.h>

#include "op/emuworld.h"

#define DMA_DEV 3u
#define DOMAIN	7u
#define PASID	5u
#define CONTROL 0x18
/* IommuEn, CmdBufEn, GTEn, GCR3TRPMode */
#define CTRL_ON (IODT_BIT(0) | IODT_BIT(12) | IODT_BIT(16) | IODT_BIT(58))

enum kind { HOST, GUEST, NESTED, KINDS };
enum way { PLAIN, LIBRARY, WAYS };

struct world {
	struct emuworld w; /* first */
	enum kind kind;
	struct iod_mem *mem;
	struct iod_amdvi_emu *emu;
	struct iod_amdvi_cmdq *cmdq;
	struct iod_amdvi_sink sink;
	struct iod_amdvi_inv *inv; /* LIBRARY */
	struct iod_pgtable *pt1;   /* nested: the guest's table */
	uint64_t devtab;
	bool drop; /* the twin: no invalidation goes out */
	bool ats;  /* the device caches, too */
	bool deaf; /* the other twin: the device does not obey */
	bool off;  /* HAD is not on yet */
};

/* ---- the emulated IOMMU ---- */

static int emu_access(void *emu, const struct iod_emu_req *req, struct iod_emu_result *result)
{
	return iod_amdvi_emu_access(emu, req, result, NULL);
}

static int emu_dma(void *emu, const struct iod_emu_req *req, uint64_t len,
		   int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
		   void *cookie)
{
	return iod_amdvi_emu_dma(emu, req, len, move, cookie, NULL, NULL, NULL);
}

static const struct emuworld_ops emu_ops = { .access = emu_access, .dma = emu_dma };

static int atc_inv(void *cookie, uint32_t devid, bool pasid_valid, uint32_t pasid, bool global,
		   uint64_t first, uint64_t last)
{
	struct world *w = cookie;

	(void)pasid;
	(void)global;
	if (devid == DMA_DEV && pasid_valid == (w->kind != HOST) && !w->deaf)
		ew_forget(&w->w, first, last);
	return 0;
}

static void doorbell(void *cookie)
{
	iod_amdvi_emu_update(cookie);
}

static void control(struct iod_amdvi_emu *emu, uint64_t v)
{
	assert_int_equal(iod_amdvi_emu_mmio(emu, CONTROL, 8, true, &v), 0);
}

static void restart(void *cookie)
{
	control(cookie, CTRL_ON & ~IODT_BIT(12));
	control(cookie, CTRL_ON);
}

/* ---- from a gather to commands ---- */

static int submit(struct world *w, const struct iod_amdvi_cmd *cmd, bool sync)
{
	struct iod_amdvi_raw_cmd raw;
	size_t issued;

	assert_int_equal(iod_amdvi_cmd_encode(&raw, cmd, NULL, NULL), 0);
	return w->sink.issue(w->sink.cookie, &raw, 1, sync, &issued);
}

static struct iod_amdvi_cmd pages(const struct world *w, const struct iod_inv *inv, bool gn)
{
	bool range = inv->kind == IOD_INV_RANGE;
	struct iod_amdvi_cmd cmd = {
		.op = IOD_AMDVI_INVALIDATE_IOMMU_PAGES,
		.domain = DOMAIN,
		.gn = gn,
		.pasid = gn ? PASID : 0,
		.pde = !(inv->flags & IOD_INV_LEAF_ONLY),
	};

	/* Of a change below them, all that guest tables were combined with. */
	if (w->kind == NESTED && gn)
		range = false;
	assert_int_equal(iod_amdvi_cmd_set_range(&cmd, range ? inv->iova : 0,
						 range ? inv->last : UINT64_MAX),
			 0);
	return cmd;
}

static int invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct world *w = cookie;
	struct iod_amdvi_cmd cmd;
	int ret = 0;
	size_t i;

	for (i = 0; i < nr && !ret && !w->drop; i++) {
		if (w->kind != GUEST) {
			cmd = pages(w, &inv[i], false);
			ret = submit(w, &cmd, false);
		}
		if (w->kind != HOST && !ret) {
			cmd = pages(w, &inv[i], true);
			ret = submit(w, &cmd, false);
		}
	}
	return ret;
}

static int sync_all(void *cookie)
{
	struct world *w = cookie;
	struct iod_amdvi_cmd cmd = {
		.op = IOD_AMDVI_INVALIDATE_IOTLB_PAGES,
		.devid = DMA_DEV,
		.gn = w->kind != HOST,
		.pasid = w->kind != HOST ? PASID : 0,
	};
	size_t issued;
	int ret;

	ret = w->sink.issue(w->sink.cookie, NULL, 0, true, &issued);
	if (ret || !w->ats)
		return ret;
	assert_int_equal(iod_amdvi_cmd_set_range(&cmd, 0, UINT64_MAX), 0);
	return submit(w, &cmd, true);
}

static const struct iod_inv_ops inv_ops = {
	.size = sizeof(inv_ops),
	.invalidate = invalidate,
	.sync = sync_all,
};

/* The library's way. */
static int quirk(void *cookie, struct iod_amdvi_raw_cmd *cmds, size_t *nr, size_t max)
{
	const struct world *w = cookie;

	(void)cmds;
	(void)max;
	if (w->drop)
		*nr = 0;
	return 0;
}

static void open_inv(struct world *w)
{
	struct iod_amdvi_inv_cfg cfg = { .size = sizeof(cfg), .sink = &w->sink, .domain = DOMAIN };

	cfg.stage = w->kind == GUEST ? 1 : 2;
	cfg.pasid = w->kind == GUEST ? PASID : 0;
	if (w->kind == NESTED) {
		cfg.flags = IOD_AMDVI_INV_NESTED;
		cfg.pasids = PASID + 1;
	}
	cfg.quirk = quirk;
	cfg.quirk_cookie = w;
	assert_int_equal(iod_amdvi_inv_create(&w->inv, &cfg), 0);
}

static void add_ats(struct world *w)
{
	struct iod_amdvi_ats_device dev = { .size = sizeof(dev),
					    .devid = DMA_DEV,
					    .queue = DMA_DEV };

	w->ats = true;
	dev.pasid_valid = w->kind != HOST;
	dev.pasid = w->kind == GUEST ? PASID : 0;
	if (w->inv)
		assert_int_equal(iod_amdvi_inv_add_device(w->inv, &dev), 0);
}

/* ---- the world ---- */

static uint64_t table_of(struct iod_mem *mem, uint64_t len)
{
	uint64_t pa;

	assert_int_equal(iod_mem_alloc(mem, len, &pa), 0);
	return pa;
}

/* Host tables in runs of 16 KiB: hardware marks one of four entries. */
static struct iod_pgtable *table(struct world *w, enum iod_format format)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg), .format = format, .mem = w->mem };
	struct iod_pgtable *pt;

	cfg.features = IOD_PT_HW_DIRTY | IOD_PT_HW_ACCESS;
	if (format == IOD_AMD_V1)
		cfg.pgsize_bitmap = 0x5000 | IODT_2M;
	assert_int_equal(iod_pgtable_create(&pt, &cfg), 0);
	return pt;
}

static struct iod_amdvi_raw_dte make_dte(struct world *w)
{
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_pgtable *guest = w->kind == GUEST ? w->w.pt : w->pt1;
	struct iod_amdvi_dte dte = { .v = true, .i = true };
	struct iod_amdvi_raw_dte raw;
	uint64_t gcr3;

	if (w->kind != GUEST) {
		assert_int_equal(iod_pgtable_get_hw_info(w->w.pt, &info), 0);
		assert_int_equal(iod_amdvi_dte_set_host(&dte, &info, DOMAIN), 0);
		if (w->off)
			dte.had = IOD_AMDVI_HAD_OFF;
	}
	if (guest) {
		assert_int_equal(iod_pgtable_get_hw_info(guest, &info), 0);
		gcr3 = table_of(w->mem, 4096);
		assert_int_equal(iod_amdvi_dte_set_guest(&dte, gcr3, 1,
							 info.u.amd_v2.guest_paging_mode, DOMAIN),
				 0);
		assert_int_equal(iod_amdvi_gcr3_write(&dte, w->mem, PASID, info.root, NULL), 0);
	}
	assert_int_equal(iod_amdvi_dte_encode(&raw, &dte), 0);
	return raw;
}

static void write_dte(struct world *w, const struct iod_amdvi_raw_dte *raw,
		      const struct iod_amdvi_sink *sink)
{
	struct iod_amdvi_change change = { .size = sizeof(change), .mem = w->mem, .sink = sink };

	change.pa = w->devtab + DMA_DEV * 32;
	change.devid = DMA_DEV;
	assert_int_equal(iod_amdvi_dte_write(&change, raw), 0);
}

static void open_iommu(struct world *w)
{
	uint64_t ring = table_of(w->mem, 4096) | UINT64_C(8) << 56;
	struct iod_amdvi_emu_cfg cfg = { .size = sizeof(cfg), .mem = w->mem, .config_entries = 4 };
	struct iod_amdvi_emu_ops ops = { .size = sizeof(ops), .atc_inv = atc_inv };
	struct iod_iotlb_cfg tlb = { .size = sizeof(tlb), .entries = 64, .seed = 3 };
	struct iod_amdvi_cmdq_cfg q = { .size = sizeof(q), .mem = w->mem, .base = ring };
	struct iod_amdvi_raw_dte dte;
	struct iod_amdvi_regs *regs;

	tlb.flags = IOD_IOTLB_LATE_DIRTY | IOD_IOTLB_EXACT_LEVELS;
	cfg.flags = IOD_AMDVI_EMU_KEEP_COMBINED;
	cfg.ops = &ops;
	cfg.cookie = w;
	cfg.tlb_s1 = &tlb;
	cfg.tlb_s2 = &tlb;
	assert_int_equal(iod_amdvi_emu_create(&w->emu, &cfg), 0);
	w->devtab = table_of(w->mem, 4096);
	dte = make_dte(w);
	write_dte(w, &dte, NULL);
	regs = iod_amdvi_emu_regs(w->emu);
	assert_int_equal(iod_amdvi_emu_mmio(w->emu, 0, 8, true, &w->devtab), 0);
	assert_int_equal(iod_amdvi_emu_mmio(w->emu, 8, 8, true, &ring), 0);
	control(w->emu, CTRL_ON);
	q.head = &regs->cmd_head;
	q.tail = &regs->cmd_tail;
	q.status = &regs->status;
	q.store = table_of(w->mem, 4096);
	q.doorbell = doorbell;
	q.restart = restart;
	q.cookie = w->emu;
	assert_int_equal(iod_amdvi_cmdq_create(&w->cmdq, &q), 0);
	w->sink.size = sizeof(w->sink);
	assert_int_equal(iod_amdvi_cmdq_sink(w->cmdq, &w->sink), 0);
}

static void open_world(struct world *w, enum kind kind, enum way way, bool drop, bool off)
{
	struct iod_mem_arena_cfg arena = { .size = sizeof(arena), .window = IODT_BIT(26) };
	struct iod_gather_cfg gather = { .size = sizeof(gather), .ops = &inv_ops };

	memset(w, 0, sizeof(*w));
	w->kind = kind;
	w->drop = drop;
	w->off = off;
	w->w.ops = &emu_ops;
	w->w.req = (struct iod_emu_req){ .source = DMA_DEV };
	w->w.req.pasid = kind == HOST ? 0 : PASID;
	w->w.req.pasid_valid = kind != HOST;
	assert_int_equal(iod_mem_create_arena(&w->mem, &arena), 0);
	w->w.pt = table(w, kind == GUEST ? IOD_AMD_V2 : IOD_AMD_V1);
	w->pt1 = kind == NESTED ? table(w, IOD_AMD_V2) : NULL;
	ew_map(&w->w, w->pt1);
	open_iommu(w);
	w->w.emu = w->emu;
	gather.cookie = w;
	if (way == LIBRARY) {
		open_inv(w);
		gather.ops = iod_amdvi_inv_ops();
		gather.cookie = w->inv;
	}
	assert_int_equal(iod_gather_create(&w->w.gather, w->w.pt, &gather), 0);
}

static void close_world(struct world *w)
{
	w->drop = false;
	assert_int_equal(iod_gather_sync(w->w.gather), 0);
	assert_int_equal(iod_gather_destroy(w->w.gather), 0);
	if (w->inv)
		assert_int_equal(iod_amdvi_inv_destroy(w->inv), 0);
	assert_int_equal(iod_amdvi_cmdq_destroy(w->cmdq), 0);
	assert_int_equal(iod_amdvi_emu_destroy(w->emu), 0);
	if (w->pt1)
		assert_int_equal(iod_pgtable_destroy(w->pt1), 0);
	assert_int_equal(iod_pgtable_destroy(w->w.pt), 0);
	assert_int_equal(iod_mem_destroy(w->mem), 0);
}

static struct world *new_world(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	return w;
}

/* Each kind of table, each way. */
static void each(void (*one)(struct world *w, enum kind kind, enum way way))
{
	struct world *w = new_world();
	enum kind kind;
	enum way way;

	for (kind = HOST; kind < KINDS; kind++) {
		for (way = PLAIN; way < WAYS; way++)
			one(w, kind, way);
	}
	free(w);
}

/* ---- migration, and unmapping ---- */

static void lose_nothing(struct world *w, enum kind kind, enum way way)
{
	struct iod_amdvi_cmdq_stats stats = { .size = sizeof(stats) };

	open_world(w, kind, way, false, false);
	ew_start(&w->w);
	ew_rounds(&w->w, iodt_scale(100000));
	ew_stop(&w->w);
	ew_round(&w->w, IOD_SWEEP_FINAL);
	assert_int_equal(ew_lost(&w->w), 0);
	assert_int_equal(w->w.bad, 0);
	assert_int_equal(iod_amdvi_cmdq_get_stats(w->cmdq, &stats), 0);
	assert_int_equal(stats.errors, 0);
	print_message("kind %d, way %d: %llu DMAs, %llu commands, %llu syncs\n", (int)kind,
		      (int)way, (unsigned long long)w->w.writes, (unsigned long long)stats.commands,
		      (unsigned long long)stats.syncs);
	close_world(w);
}

static void nothing_lost(void **state)
{
	(void)state;
	each(lose_nothing);
}

/* Tracking is switched on under devices that write: HAD in the DTE, then the domain's pages; then a full copy. */
static void switched_on(void **state)
{
	const struct iod_inv all = { .kind = IOD_INV_DOMAIN };
	struct world *w = new_world();
	struct iod_amdvi_raw_dte dte;
	unsigned int i;

	(void)state;
	open_world(w, HOST, PLAIN, false, true);
	ew_start(&w->w);
	while (__atomic_load_n(&w->w.writes, __ATOMIC_RELAXED) < iodt_scale(1000))
		sched_yield();
	ew_round(&w->w, 0); /* what came before: nothing is recorded */
	w->off = false;
	dte = make_dte(w);
	write_dte(w, &dte, &w->sink);
	assert_int_equal(invalidate(w, &all, 1), 0);
	assert_int_equal(sync_all(w), 0);
	for (i = 0; i < EW_PAGES; i++)
		w->w.copy[i] = __atomic_load_n(&w->w.data[i], __ATOMIC_RELAXED);
	ew_rounds(&w->w, iodt_scale(20000));
	ew_stop(&w->w);
	ew_round(&w->w, IOD_SWEEP_FINAL);
	assert_int_equal(ew_lost(&w->w), 0);
	assert_int_equal(w->w.bad, 0);
	close_world(w);
	free(w);
}

/* Without invalidations the same loses pages, and reaches what was unmapped. One DMA at a time, so that it is
 * certain. */
static void both_twins(struct world *w, enum kind kind, enum way way)
{
	unsigned int drop;

	for (drop = 0; drop < 2; drop++) {
		open_world(w, kind, way, drop, false);
		ew_steps(&w->w);
		assert_int_equal(ew_lost(&w->w), drop);
		assert_int_equal(w->w.bad, drop);
		close_world(w);
	}
}

static void twin(void **state)
{
	(void)state;
	each(both_twins);
}

/* A device with a cache of its own, and one that does not obey. */
static void ats_steps(struct world *w, enum kind kind, enum way way)
{
	unsigned int deaf;

	for (deaf = 0; deaf < 2; deaf++) {
		open_world(w, kind, way, false, false);
		add_ats(w);
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

static void ats(void **state)
{
	(void)state;
	each(ats_steps);
}

/* ---- commands ---- */

/* COMPLETION_WAIT waits for accesses under a DTE that was forgotten. */
static void forget_dte(void *cookie)
{
	struct world *w = cookie;
	struct iod_amdvi_cmd cmd = { .op = IOD_AMDVI_INVALIDATE_DEVTAB_ENTRY, .devid = DMA_DEV };

	assert_int_equal(submit(w, &cmd, true), 0);
}

static void wait_waits(void **state)
{
	struct world *w = new_world();

	(void)state;
	open_world(w, HOST, PLAIN, false, false);
	ew_slow_dma(&w->w, forget_dte, w);
	close_world(w);
	free(w);
}

/* A command that the IOMMU refuses: the driver gets over it, and the others are carried out. */
static void illegal(void **state)
{
	struct world *w = new_world();
	struct iod_amdvi_raw_cmd raw[3] = { { { 0 } } };
	struct iod_amdvi_cmd cmd = { .op = IOD_AMDVI_INVALIDATE_DEVTAB_ENTRY, .devid = DMA_DEV };
	struct iod_amdvi_submitted done = { .size = sizeof(done) };
	struct iod_amdvi_emu_stats stats = { .size = sizeof(stats) };

	(void)state;
	open_world(w, HOST, PLAIN, false, false);
	assert_int_equal(iod_amdvi_cmd_encode(&raw[0], &cmd, NULL, NULL), 0);
	raw[2] = raw[0];
	ew_dma(&w->w, EW_IOVA);
	assert_int_equal(iod_amdvi_cmdq_submit(w->cmdq, raw, 3, true, &done), -EIO);
	assert_int_equal(done.issued, 1);
	assert_int_equal(done.error, IOD_AMDVI_CMDQ_ILLEGAL);
	ew_dma(&w->w, EW_IOVA);
	assert_int_equal(iod_amdvi_emu_get_stats(w->emu, &stats), 0);
	assert_int_equal(stats.dte_fetches, 2);
	close_world(w);
	free(w);
}

/* Registers, commands and page requests beside DMA: for the sanitizers. */
static void everything(void **state)
{
	static const uint64_t offset[] = { 0x10, 0x18, 0x18, 0x38, 0x2010, 0x2020, 0x2030 };
	struct iod_amdvi_emu_stats stats = { .size = sizeof(stats) };
	struct iod_amdvi_ppr ppr = { .devid = DMA_DEV, .read = true, .last = true, .type = 1 };
	struct world *w = new_world();
	uint64_t x = 7, v, ring;
	unsigned int n, k;

	(void)state;
	open_world(w, NESTED, LIBRARY, false, false);
	ring = table_of(w->mem, 4096) | UINT64_C(8) << 56;
	ew_start(&w->w);
	for (n = 0; n < iodt_scale(3000); n++) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		k = (unsigned int)((x >> 40) % IODT_ARRAY_SIZE(offset));
		v = offset[k] == CONTROL ? CTRL_ON | (x >> 20 & 0xe01c) : x >> 20 & 0xff0;
		if (offset[k] == 0x10 || offset[k] == 0x38)
			v = ring;
		assert_int_equal(iod_amdvi_emu_mmio(w->emu, offset[k], 8, true, &v), 0);
		assert_int_equal(iod_amdvi_emu_mmio(w->emu, (x >> 50 & 7) * 8, 8, false, &v), 0);
		iod_amdvi_emu_page_request(w->emu, &ppr);
		iod_amdvi_emu_run(w->emu, 1);
		if (n % 64 == 0)
			assert_int_equal(iod_amdvi_cmdq_submit(w->cmdq, NULL, 0, true, NULL), 0);
		assert_int_equal(iod_amdvi_emu_get_stats(w->emu, &stats), 0);
	}
	ew_stop(&w->w);
	close_world(w);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twin),	       cmocka_unit_test(ats),
		cmocka_unit_test(wait_waits),  cmocka_unit_test(illegal),
		cmocka_unit_test(switched_on), cmocka_unit_test(nothing_lost),
		cmocka_unit_test(everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
