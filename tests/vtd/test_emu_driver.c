/* SPDX-License-Identifier: MIT */
/*
 * The library on both sides of one VT-d: a driver (page tables, gathers, descriptors, its invalidation queue) and the
 * emulated unit, over the same memory, with threads of DMA between them (op/emuworld.h). Legacy mode marks nothing: there
 * unmapping alone is looked at. Twins that drop descriptors on their way to the queue lose pages, and reach what was
 * unmapped.
 *
 * From a gather to descriptors there are two ways: the library's, and the test's own, the plainest that is right.
 */
#include <errno.h>
#include <sched.h>

#include <iodirty/vtd_emu.h>
#include <iodirty/vtd_entry.h>
#include <iodirty/vtd_inv.h>
#include <iodirty/vtd_queue.h>

#include "op/emuworld.h"

#define SID   3u
#define DID   7u
#define PASID 5u
#define GCMD  0x18
#define ON    (1u << 31 | 1u << 26)

enum kind { LEGACY, SECOND, FIRST, NESTED, KINDS };
enum way { PLAIN, LIBRARY, WAYS };

struct world {
	struct emuworld w; /* first */
	enum kind kind;
	struct iod_mem *mem;
	struct iod_vtd_emu *emu;
	struct iod_vtd_iq *iq;
	struct iod_vtd_sink sink;
	struct iod_vtd_inv *inv; /* LIBRARY */
	struct iod_pgtable *pt1; /* nested: the guest's table */
	uint64_t dir;		 /* PASID table entry */
	bool drop;		 /* the twin: no invalidation goes out */
	bool ats;		 /* the device caches, too */
	bool deaf;		 /* the other twin: the device does not obey */
	bool off;		 /* SSADE is not on yet */
};

/* ---- the emulated unit ---- */

static int emu_access(void *emu, const struct iod_emu_req *req, struct iod_emu_result *result)
{
	return iod_vtd_emu_access(emu, req, result, NULL);
}

static int emu_dma(void *emu, const struct iod_emu_req *req, uint64_t len,
		   int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
		   void *cookie)
{
	return iod_vtd_emu_dma(emu, req, len, move, cookie, NULL, NULL, NULL);
}

static const struct emuworld_ops emu_ops = { .access = emu_access, .dma = emu_dma };

static int atc_inv(void *cookie, uint32_t source, bool pasid_valid, uint32_t pasid, bool global,
		   uint64_t first, uint64_t last)
{
	struct world *w = cookie;

	(void)pasid_valid;
	(void)pasid;
	(void)global;
	if (source == SID && !w->deaf)
		ew_forget(&w->w, first, last);
	return 0;
}

static void doorbell(void *cookie)
{
	iod_vtd_emu_update(cookie);
}

/* ---- from a gather to descriptors ---- */

static int submit(struct world *w, const struct iod_vtd_desc *desc, bool sync)
{
	struct iod_vtd_raw_desc raw;
	size_t issued;

	assert_int_equal(iod_vtd_desc_encode(&raw, desc, NULL, 0, NULL), 0);
	return w->sink.issue(w->sink.cookie, &raw, 1, sync, &issued);
}

/* One aligned block around the range, or all. */
static void cover(struct iod_vtd_desc *desc, const struct iod_inv *inv, uint8_t page, uint8_t all)
{
	uint64_t first = inv->iova & ~UINT64_C(4095);
	unsigned int am = 0;

	desc->gran = all;
	if (inv->kind != IOD_INV_RANGE)
		return;
	while (am < 52 && (first ^ inv->last) >> (12 + am))
		am++;
	if (am > 40)
		return;
	desc->gran = page;
	desc->am = (uint8_t)am;
	desc->addr = first >> (12 + am) << (12 + am);
	desc->ih = inv->flags & IOD_INV_LEAF_ONLY;
}

static int invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct world *w = cookie;
	int ret = 0;
	size_t i;

	for (i = 0; i < nr && !ret && !w->drop; i++) {
		struct iod_vtd_desc desc = { .type = IOD_VTD_IOTLB_INV, .did = DID };

		if (w->kind == FIRST) {
			desc.type = IOD_VTD_P_IOTLB_INV;
			desc.pasid = PASID;
			cover(&desc, &inv[i], IOD_VTD_P_IOTLB_PAGE, IOD_VTD_P_IOTLB_PASID);
		} else {
			cover(&desc, &inv[i], IOD_VTD_IOTLB_PAGE, IOD_VTD_IOTLB_DOMAIN);
		}
		ret = submit(w, &desc, false);
	}
	return ret;
}

static int sync_all(void *cookie)
{
	struct world *w = cookie;
	struct iod_vtd_desc desc = {
		.type = w->kind == LEGACY ? IOD_VTD_DEV_TLB_INV : IOD_VTD_P_DEV_TLB_INV,
		.sid = SID,
		.pasid = w->kind == LEGACY ? 0 : PASID,
		.span = IOD_VTD_DEV_TLB_ALL_SPAN,
	};
	size_t issued;
	int ret;

	ret = w->sink.issue(w->sink.cookie, NULL, 0, true, &issued);
	return ret || !w->ats ? ret : submit(w, &desc, true);
}

static const struct iod_inv_ops inv_ops = {
	.size = sizeof(inv_ops),
	.invalidate = invalidate,
	.sync = sync_all,
};

/* The library's way. */
static int quirk(void *cookie, struct iod_vtd_raw_desc *descs, size_t *nr, size_t max)
{
	const struct world *w = cookie;

	(void)descs;
	(void)max;
	if (w->drop)
		*nr = 0;
	return 0;
}

static void open_inv(struct world *w)
{
	struct iod_vtd_inv_cfg cfg = { .size = sizeof(cfg), .sink = &w->sink, .did = DID };

	cfg.stage = w->kind == FIRST ? 1 : 2;
	cfg.pasid = w->kind == FIRST ? PASID : 0;
	cfg.flags = w->kind == NESTED ? IOD_VTD_INV_NESTED : 0;
	cfg.quirk = quirk;
	cfg.quirk_cookie = w;
	assert_int_equal(iod_vtd_inv_create(&w->inv, &cfg), 0);
}

static void add_ats(struct world *w)
{
	struct iod_vtd_ats_device dev = { .size = sizeof(dev), .sid = SID, .pfsid = SID };

	w->ats = true;
	dev.pasid_valid = w->kind == FIRST || w->kind == SECOND;
	dev.pasid = dev.pasid_valid ? PASID : 0;
	if (w->inv)
		assert_int_equal(iod_vtd_inv_add_device(w->inv, &dev), 0);
}

/* ---- the world ---- */

static uint64_t table_of(struct world *w)
{
	uint64_t pa;

	assert_int_equal(iod_mem_alloc(w->mem, 4096, &pa), 0);
	return pa;
}

static void put(struct world *w, uint64_t pa, const uint64_t *le, unsigned int nr)
{
	void *host;

	assert_int_equal(iod_mem_host_ptr(w->mem, pa, nr * 8, true, &host), 0);
	memcpy(host, le, nr * 8);
}

static struct iod_pgtable *table(struct world *w, enum iod_format format)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg), .format = format, .mem = w->mem };
	struct iod_pgtable *pt;

	cfg.features = w->kind == LEGACY ? 0 : IOD_PT_HW_DIRTY | IOD_PT_HW_ACCESS;
	assert_int_equal(iod_pgtable_create(&pt, &cfg), 0);
	return pt;
}

static void write_legacy(struct world *w, uint64_t contexts, const struct iod_hw_info *info)
{
	struct iod_vtd_context context = { .tt = IOD_VTD_TT_SECOND_ATS };
	struct iod_vtd_raw_context raw;

	assert_int_equal(iod_vtd_context_set_second(&context, info, DID), 0);
	assert_int_equal(iod_vtd_context_encode(&raw, &context), 0);
	put(w, contexts + SID * 16, raw.word, 2);
}

static struct iod_vtd_raw_pasid make_pasid(struct world *w)
{
	struct iod_hw_info info = { .size = sizeof(info) }, first = { .size = sizeof(first) };
	struct iod_vtd_pasid entry = { .present = true };
	struct iod_vtd_raw_pasid raw;

	assert_int_equal(iod_pgtable_get_hw_info(w->w.pt, &info), 0);
	if (w->kind == FIRST) {
		assert_int_equal(iod_vtd_pasid_set_first(&entry, &info, DID, NULL), 0);
	} else if (w->kind == SECOND) {
		assert_int_equal(iod_vtd_pasid_set_second(&entry, &info, DID, NULL), 0);
	} else {
		assert_int_equal(iod_pgtable_get_hw_info(w->pt1, &first), 0);
		assert_int_equal(iod_vtd_pasid_set_nested(&entry, &first, &info, DID, NULL), 0);
	}
	if (w->off)
		entry.ssade = false;
	assert_int_equal(iod_vtd_pasid_encode(&raw, &entry), 0);
	return raw;
}

static void write_scalable(struct world *w, uint64_t contexts)
{
	struct iod_vtd_pasid_dir dir = { .present = true, .smptblptr = table_of(w) };
	struct iod_vtd_sm_context context = {

		.present = true,
		.dte = true,
		.paside = true,
		.eptr = true,
		.pasiddirptr = table_of(w)
	};
	struct iod_vtd_raw_pasid entry = make_pasid(w);
	struct iod_vtd_raw_pasid_dir raw_dir;
	struct iod_vtd_raw_sm_context raw;

	w->dir = dir.smptblptr + PASID * 64;
	put(w, w->dir, entry.word, 8);
	assert_int_equal(iod_vtd_pasid_dir_encode(&raw_dir, &dir), 0);
	put(w, context.pasiddirptr, raw_dir.word, 1);
	assert_int_equal(iod_vtd_sm_context_encode(&raw, &context), 0);
	put(w, contexts + SID * 32, raw.word, 4);
}

static uint64_t write_structures(struct world *w)
{
	struct iod_vtd_root root = { .lp = true, .lctp = table_of(w) };
	struct iod_hw_info info = { .size = sizeof(info) };
	uint64_t pa = table_of(w);
	struct iod_vtd_raw_root raw;

	assert_int_equal(iod_vtd_root_encode(&raw, &root), 0);
	put(w, pa, raw.word, 2);
	assert_int_equal(iod_pgtable_get_hw_info(w->w.pt, &info), 0);
	if (w->kind == LEGACY)
		write_legacy(w, root.lctp, &info);
	else
		write_scalable(w, root.lctp);
	return pa | (w->kind == LEGACY ? IOD_VTD_RTADDR_LEGACY : IOD_VTD_RTADDR_SCALABLE);
}

static void reg(struct world *w, uint64_t offset, unsigned int len, uint64_t v)
{
	assert_int_equal(iod_vtd_emu_mmio(w->emu, offset, len, true, &v), 0);
}

static void open_unit(struct world *w)
{
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg), .mem = w->mem, .config_entries = 4 };
	struct iod_vtd_emu_ops ops = { .size = sizeof(ops), .atc_inv = atc_inv };
	struct iod_iotlb_cfg tlb = { .size = sizeof(tlb), .entries = 64, .seed = 3 };
	struct iod_vtd_iq_cfg q = { .size = sizeof(q), .mem = w->mem };
	struct iod_vtd_regs *regs;

	tlb.flags = IOD_IOTLB_LATE_DIRTY;
	cfg.ops = &ops;
	cfg.cookie = w;
	cfg.tlb_s1 = &tlb;
	cfg.tlb_s2 = &tlb;
	assert_int_equal(iod_vtd_emu_create(&w->emu, &cfg), 0);
	regs = iod_vtd_emu_regs(w->emu);
	q.base = table_of(w) | IOD_VTD_IQA_DW;
	q.status = table_of(w);
	reg(w, 0x20, 8, write_structures(w));
	reg(w, GCMD, 4, 1u << 30);
	reg(w, 0x90, 8, q.base);
	reg(w, GCMD, 4, ON);
	q.head = &regs->iqh;
	q.tail = &regs->iqt;
	q.fsts = &regs->fsts;
	q.doorbell = doorbell;
	q.cookie = w->emu;
	assert_int_equal(iod_vtd_iq_create(&w->iq, &q), 0);
	w->sink.size = sizeof(w->sink);
	assert_int_equal(iod_vtd_iq_sink(w->iq, &w->sink), 0);
}

static void open_world(struct world *w, enum kind kind, enum way way, bool drop, bool off)
{
	struct iod_mem_arena_cfg arena = { .size = sizeof(arena), .window = IODT_BIT(26) };
	struct iod_gather_cfg gather = { .size = sizeof(gather), .ops = &inv_ops };

	memset(w, 0, sizeof(*w));
	w->kind = kind;
	w->drop = drop;
	w->off = off;
	w->w.untracked = kind == LEGACY;
	w->w.ops = &emu_ops;
	w->w.req.source = SID;
	w->w.req.pasid_valid = kind != LEGACY;
	w->w.req.pasid = kind != LEGACY ? PASID : 0;
	assert_int_equal(iod_mem_create_arena(&w->mem, &arena), 0);
	w->w.pt = table(w, kind == FIRST ? IOD_VTD_FS : IOD_VTD_SS);
	if (kind == NESTED)
		w->pt1 = table(w, IOD_VTD_FS);
	ew_map(&w->w, w->pt1);
	open_unit(w);
	w->w.emu = w->emu;
	gather.cookie = w;
	if (way == LIBRARY) {
		open_inv(w);
		gather.ops = iod_vtd_inv_ops();
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
		assert_int_equal(iod_vtd_inv_destroy(w->inv), 0);
	assert_int_equal(iod_vtd_iq_destroy(w->iq), 0);
	assert_int_equal(iod_vtd_emu_destroy(w->emu), 0);
	if (w->pt1)
		assert_int_equal(iod_pgtable_destroy(w->pt1), 0);
	assert_int_equal(iod_pgtable_destroy(w->w.pt), 0);
	assert_int_equal(iod_mem_destroy(w->mem), 0);
}

/* ---- tests ---- */

static void lose_nothing(struct world *w, enum kind kind, enum way way)
{
	struct iod_vtd_iq_stats stats = { .size = sizeof(stats) };

	open_world(w, kind, way, false, false);
	ew_start(&w->w);
	ew_rounds(&w->w, iodt_scale(100000));
	ew_stop(&w->w);
	ew_round(&w->w, IOD_SWEEP_FINAL);
	assert_int_equal(ew_lost(&w->w), 0);
	assert_int_equal(w->w.bad, 0);
	assert_int_equal(iod_vtd_iq_get_stats(w->iq, &stats), 0);
	assert_int_equal(stats.errors, 0);
	print_message("kind %d, way %d: %llu DMAs, %llu descriptors, %llu waits\n", (int)kind,
		      (int)way, (unsigned long long)w->w.writes, (unsigned long long)stats.commands,
		      (unsigned long long)stats.syncs);
	close_world(w);
}

static void nothing_lost(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	enum kind kind;
	enum way way;

	(void)state;
	assert_non_null(w);
	for (kind = LEGACY; kind < KINDS; kind++) {
		for (way = PLAIN; way < WAYS; way++)
			lose_nothing(w, kind, way);
	}
	free(w);
}

/* Tracking is switched on under devices that write: SSADE, the PASID cache, the domain; then a full copy. */
static void switched_on(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct iod_vtd_source source = { .sid = SID, .pasid = true };
	struct iod_vtd_change change = { .size = sizeof(change), .pasid = PASID };
	struct iod_vtd_raw_pasid entry;
	unsigned int i;

	(void)state;
	assert_non_null(w);
	open_world(w, SECOND, PLAIN, false, true);
	ew_start(&w->w);
	while (__atomic_load_n(&w->w.writes, __ATOMIC_RELAXED) < iodt_scale(1000))
		sched_yield();
	ew_round(&w->w, 0); /* what came before: nothing is recorded */
	w->off = false;
	entry = make_pasid(w);
	change.mem = w->mem;
	change.pa = w->dir;
	change.sink = &w->sink;
	change.sources = &source;
	change.nr_sources = 1;
	assert_int_equal(iod_vtd_pasid_write(&change, &entry), 0);
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

static void twin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned int i, drop;
	enum kind kind;

	(void)state;
	assert_non_null(w);
	for (kind = LEGACY; kind < KINDS; kind++) {
		for (i = 0; i < 2 * WAYS; i++) {
			drop = i & 1;
			open_world(w, kind, i / 2 ? LIBRARY : PLAIN, drop, false);
			ew_steps(&w->w);
			assert_int_equal(ew_lost(&w->w), kind == LEGACY ? 0 : drop);
			assert_int_equal(w->w.bad, drop);
			close_world(w);
		}
	}
	free(w);
}

static void ats(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned int i, deaf;
	enum kind kind;

	(void)state;
	assert_non_null(w);
	for (kind = SECOND; kind < KINDS; kind++) {
		for (i = 0; i < 2 * WAYS; i++) {
			deaf = i & 1;
			open_world(w, kind, i / 2 ? LIBRARY : PLAIN, false, false);
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
	free(w);
}

/* A wait is complete when accesses under a PASID entry that was forgotten are through. */
static void forget(void *cookie)
{
	struct iod_vtd_desc desc = { .type = IOD_VTD_PASID_CACHE_INV,
				     .gran = IOD_VTD_PASID_CACHE_GLOBAL };

	assert_int_equal(submit(cookie, &desc, true), 0);
}

static void wait_waits(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	open_world(w, SECOND, PLAIN, false, false);
	ew_slow_dma(&w->w, forget, w);
	close_world(w);
	free(w);
}

/*
 * PASID cache, IOTLB and one wait behind both: what is under way with the old entry ends before its translations are
 * invalidated, and leaves none.
 */
static void replace(void *cookie)
{
	struct world *w = cookie;
	struct iod_vtd_desc desc[2] = {
		{ .type = IOD_VTD_PASID_CACHE_INV, .gran = IOD_VTD_PASID_CACHE_GLOBAL },
		{ .type = IOD_VTD_IOTLB_INV, .gran = IOD_VTD_IOTLB_GLOBAL },
	};
	uint64_t gone = 0;

	put(w, w->dir, &gone, 1);
	assert_int_equal(submit(w, &desc[0], false), 0);
	assert_int_equal(submit(w, &desc[1], true), 0);
}

static void order(void **state)
{
	struct iod_iotlb_stats stats = { .size = sizeof(stats) };
	struct world *w = calloc(1, sizeof(*w));
	struct iod_vtd_raw_pasid entry;
	uint64_t misses;

	(void)state;
	assert_non_null(w);
	open_world(w, SECOND, PLAIN, false, false);
	ew_slow_dma(&w->w, replace, w);
	/* the entry is back, and both pages are walked for anew */
	entry = make_pasid(w);
	put(w, w->dir, entry.word, 8);
	assert_int_equal(iod_iotlb_get_stats(iod_vtd_emu_iotlb(w->emu, 2), &stats), 0);
	misses = stats.misses;
	ew_dma(&w->w, EW_IOVA);
	ew_dma(&w->w, EW_IOVA + 4096);
	assert_int_equal(iod_iotlb_get_stats(iod_vtd_emu_iotlb(w->emu, 2), &stats), 0);
	assert_int_equal(stats.misses, misses + 2);
	close_world(w);
	free(w);
}

/* A descriptor that the unit refuses: the driver gets over it, and the others are carried out. */
static void illegal(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct iod_vtd_raw_desc raw[3] = { { { 0 } } };
	struct iod_vtd_desc desc = { .type = IOD_VTD_PASID_CACHE_INV,
				     .gran = IOD_VTD_PASID_CACHE_GLOBAL };
	struct iod_vtd_submitted done = { .size = sizeof(done) };
	struct iod_vtd_emu_stats stats = { .size = sizeof(stats) };

	(void)state;
	assert_non_null(w);
	open_world(w, SECOND, PLAIN, false, false);
	assert_int_equal(iod_vtd_desc_encode(&raw[0], &desc, NULL, 0, NULL), 0);
	raw[2] = raw[0];
	ew_dma(&w->w, EW_IOVA);
	assert_int_equal(iod_vtd_iq_submit(w->iq, raw, 3, true, &done), -EIO);
	assert_int_equal(done.issued, 1);
	assert_int_equal(done.error, IOD_VTD_IQ_IQE);
	ew_dma(&w->w, EW_IOVA);
	assert_int_equal(iod_vtd_emu_get_stats(w->emu, &stats), 0);
	assert_int_equal(stats.pasid_fetches, 2);
	close_world(w);
	free(w);
}

/* Registers, descriptors and page requests beside DMA: for the sanitizers. */
static void everything(void **state)
{
	static const uint64_t offset[] = { 0x18, 0x18, 0x20, 0x34, 0x38, 0x40,
					   0x9c, 0xa0, 0xc0, 0xdc, 0xe0 };
	struct iod_vtd_emu_stats stats = { .size = sizeof(stats) };
	struct iod_vtd_page_req request = {
		.sid = SID, .pasid = PASID, .pasid_valid = true, .read = true, .last = true
	};
	struct world *w = calloc(1, sizeof(*w));
	uint64_t x = 7, v;
	unsigned int n, k;

	(void)state;
	assert_non_null(w);
	open_world(w, NESTED, PLAIN, false, false);
	reg(w, 0xd0, 8, table_of(w));
	ew_start(&w->w);
	for (n = 0; n < iodt_scale(3000); n++) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		k = (unsigned int)((x >> 40) % IODT_ARRAY_SIZE(offset));
		v = offset[k] == GCMD ? ON ^ (x >> 10 & 1u << 31) : x >> 20 & 0xff;
		if (offset[k] != 0x20)
			reg(w, offset[k], 4, v);
		assert_int_equal(iod_vtd_emu_mmio(w->emu, (x >> 50 & 0x3f) * 4, 4, false, &v), 0);
		iod_vtd_emu_page_request(w->emu, &request);
		iod_vtd_emu_run(w->emu, 1);
		if (n % 64 == 0)
			assert_int_equal(iod_vtd_iq_submit(w->iq, NULL, 0, true, NULL), 0);
		assert_int_equal(iod_vtd_emu_get_stats(w->emu, &stats), 0);
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
		cmocka_unit_test(order),       cmocka_unit_test(nothing_lost),
		cmocka_unit_test(switched_on), cmocka_unit_test(everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
