/* SPDX-License-Identifier: MIT */
/* See world.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "pgtable/mem.h"
#include "world.h"

#define DOMAIN 3

static struct world *world; /* the one that is explored */
static struct iod_mem *mem;
static bool running; /* in a run, not before or behind all of them */

/* ---- which accesses are points ---- */

#define ARENA_PAGES 4096u

static bool watched[512];	/* items by index: those through which the pages are translated */
static bool freed[ARENA_PAGES]; /* pages of the arena that were given back */

/*
 * Accesses to other items are none: the device neither reads nor writes them, so it makes no difference
 * whether it goes before or after. (By index, whatever the table.)
 */
static bool is_point(const volatile void *addr)
{
	uintptr_t off = (uintptr_t)addr - (uintptr_t)mem->window;

	if (off >= (uintptr_t)ARENA_PAGES << 12)
		return false;
	/* The twin's device goes on in the freed table: what it loses there is what is looked for. */
	if (freed[off >> 12] && world->twin != TWIN_LEAF_ONLY)
		explore_fail("a table was used after it was freed");
	return watched[off >> 3 & 511];
}

static void watch(uint64_t iova)
{
	unsigned shift;

	for (shift = 12; shift < 48; shift += 9)
		watched[iova >> shift & 511] = true;
}

static void set_freed(uint64_t pa, unsigned len_lg2, bool value)
{
	uint64_t at = (pa - mem->base_pa) >> 12, n = UINT64_C(1) << (len_lg2 - 12);

	while (n-- && at < ARENA_PAGES)
		freed[at++] = value;
}

void __wrap_iod_gather_harvest(struct iod_gather *gather);
void __real_iod_gather_harvest(struct iod_gather *gather);
int __real_iod_mem_table_alloc(struct iod_mem *m, unsigned len_lg2, enum mem_class kind,
			       uint64_t max_pa, bool zero, uint64_t *pa);
int __wrap_iod_mem_table_alloc(struct iod_mem *m, unsigned len_lg2, enum mem_class kind,
			       uint64_t max_pa, bool zero, uint64_t *pa);
void __real_iod_mem_table_free(struct iod_mem *m, uint64_t pa, unsigned len_lg2);
void __wrap_iod_mem_table_free(struct iod_mem *m, uint64_t pa, unsigned len_lg2);
unsigned __real_iod_mem_tables_alloc(struct iod_mem *m, unsigned len_lg2, enum mem_class kind,
				     uint64_t max_pa, unsigned n, uint64_t *pa, bool *fresh);
unsigned __wrap_iod_mem_tables_alloc(struct iod_mem *m, unsigned len_lg2, enum mem_class kind,
				     uint64_t max_pa, unsigned n, uint64_t *pa, bool *fresh);
void __real_iod_mem_tables_free(struct iod_mem *m, const uint64_t *pa, unsigned n,
				unsigned len_lg2);
void __wrap_iod_mem_tables_free(struct iod_mem *m, const uint64_t *pa, unsigned n,
				unsigned len_lg2);

int __wrap_iod_mem_table_alloc(struct iod_mem *m, unsigned len_lg2, enum mem_class kind,
			       uint64_t max_pa, bool zero, uint64_t *pa)
{
	int ret = __real_iod_mem_table_alloc(m, len_lg2, kind, max_pa, zero, pa);

	if (!ret)
		set_freed(*pa, len_lg2, false);
	return ret;
}

void __wrap_iod_mem_table_free(struct iod_mem *m, uint64_t pa, unsigned len_lg2)
{
	__real_iod_mem_table_free(m, pa, len_lg2);
	set_freed(pa, len_lg2, true);
}

unsigned __wrap_iod_mem_tables_alloc(struct iod_mem *m, unsigned len_lg2, enum mem_class kind,
				     uint64_t max_pa, unsigned n, uint64_t *pa, bool *fresh)
{
	unsigned got = __real_iod_mem_tables_alloc(m, len_lg2, kind, max_pa, n, pa, fresh), i;

	for (i = 0; i < got; i++)
		set_freed(pa[i], len_lg2, false);
	return got;
}

void __wrap_iod_mem_tables_free(struct iod_mem *m, const uint64_t *pa, unsigned n, unsigned len_lg2)
{
	unsigned i;

	__real_iod_mem_tables_free(m, pa, n, len_lg2);
	for (i = 0; i < n; i++)
		set_freed(pa[i], len_lg2, true);
}

void __wrap_iod_gather_harvest(struct iod_gather *gather)
{
	if (world->twin != TWIN_NO_HARVEST)
		__real_iod_gather_harvest(gather);
}

/*
 * What a page table reserves (its leaf index) is used again by the next run's: to map and unmap it takes
 * longer than the run. The world lies at the beginning of what it covers.
 */
#define RESERVED_USED 65536u

static void *reserved;
static uint64_t reserved_len;
static bool reserved_free;

void *__real_iod_mem_reserve(uint64_t len);
void *__wrap_iod_mem_reserve(uint64_t len);
void __real_iod_mem_unreserve(void *ptr, uint64_t len);
void __wrap_iod_mem_unreserve(void *ptr, uint64_t len);

void *__wrap_iod_mem_reserve(uint64_t len)
{
	void *ptr;

	if (reserved_free && len == reserved_len) {
		memset(reserved, 0, len < RESERVED_USED ? len : RESERVED_USED);
		reserved_free = false;
		return reserved;
	}
	ptr = __real_iod_mem_reserve(len);
	if (running && !reserved) {
		reserved = ptr;
		reserved_len = len;
	}
	return ptr;
}

void __wrap_iod_mem_unreserve(void *ptr, uint64_t len)
{
	if (ptr && ptr == reserved && running)
		reserved_free = true;
	else
		__real_iod_mem_unreserve(ptr, len);
}

static void give_back_reserved(void)
{
	if (reserved)
		__real_iod_mem_unreserve(reserved, reserved_len);
	reserved = NULL;
	reserved_free = false;
}

/* ---- the device ---- */

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct world *w = cookie;
	unsigned p = w->writing;

	if (pa != w->page[p])
		explore_fail("page %u was written at %#jx", p, (uintmax_t)pa);
	if (!w->moved)
		w->newest[p]++;
	w->moved = true;
	explore_here();
	w->data[p] = w->newest[p];
	return 0;
}

/* One write; refused, nothing is promised of it. */
static void device_write(struct world *w, unsigned p)
{
	w->writing = p;
	w->moved = false;
	if (!iod_iotlb_dma(w->tlb, w->pt, w->page[p], 8, IOD_ACCESS_WRITE, move, w, NULL, NULL))
		w->must[p] = w->newest[p];
	else if (!w->gone && !w->cfg->resize)
		explore_fail("page %u: a write was refused", p);
}

static void device_main(void *arg)
{
	struct world *w = arg;
	unsigned i;

	for (i = 0; i < w->writes; i++) {
		explore_pause();
		device_write(w, w->script >> i & 1);
	}
}

static int invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct world *w = cookie;
	struct iod_inv one;
	size_t i;
	int ret = 0;

	explore_here();
	if (w->twin == TWIN_NO_ATC && (w->device & IOD_IOTLB_ATC))
		return 0;
	for (i = 0; i < nr && !ret; i++) {
		one = inv[i];
		if (w->twin == TWIN_LEAF_ONLY)
			one.flags |= IOD_INV_LEAF_ONLY;
		ret = iod_iotlb_invalidate(w->tlb, &one, 1);
		explore_here();
	}
	return ret;
}

static int sync(void *cookie)
{
	explore_here();
	return 0;
}

/* ---- software ---- */

void world_check(int ret, const char *what)
{
	if (ret)
		explore_fail("%s returned %d", what, ret);
}

uint64_t world_len(const struct world *w)
{
	return UINT64_C(1) << w->cfg->large_lg2;
}

uint64_t world_small(const struct world *w)
{
	return UINT64_C(1) << w->cfg->small_lg2;
}

void world_bitmap(const struct world *w, struct iod_bitmap *bm, uint64_t words[WORLD_MOST / 64])
{
	memset(words, 0, WORLD_MOST / 8);
	world_check(iod_bitmap_init(bm, w->page[0], world_len(w), world_small(w), words,
				    WORLD_MOST / 8, 0),
		    "iod_bitmap_init");
}

void world_copy(struct world *w, const struct iod_bitmap *bm)
{
	unsigned p;

	for (p = 0; p < WORLD_PAGES; p++) {
		if (!iod_bitmap_test(bm, w->page[p]))
			continue;
		explore_here();
		w->copied[p] = w->data[p];
	}
}

static void sweep(struct world *w, uint32_t flags, struct iod_gather *gather, uint64_t iova,
		  uint64_t len, struct iod_bitmap *bm)
{
	struct iod_sweep s = {
		.size = sizeof(s),
		.mode = IOD_SWEEP_CLEAR,
		.flags = flags,
		.iova = iova,
		.len = len,
		.bitmap = bm,
		.gather = gather,
	};

	world_check(iod_sweep(w->pt, &s), "iod_sweep");
	if (s.done != s.len)
		explore_fail("a sweep was not complete");
}

void world_round(struct world *w, struct iod_gather *gather, uint64_t iova, uint64_t len)
{
	uint64_t words[WORLD_MOST / 64];
	struct iod_bitmap bm;
	bool whole = w->twin == TWIN_PARTLY;

	world_bitmap(w, &bm, words);
	sweep(w, 0, gather, whole ? w->page[0] : iova, whole ? world_len(w) : len, &bm);
	if (whole && iova > w->page[0]) /* what is outside is not reported */
		world_check(iod_bitmap_clear(&bm, w->page[0], iova - w->page[0]),
			    "iod_bitmap_clear");
	if (whole && iova + len < w->page[0] + world_len(w))
		world_check(
			iod_bitmap_clear(&bm, iova + len, w->page[0] + world_len(w) - (iova + len)),
			"iod_bitmap_clear");
	if (w->twin == TWIN_EARLY_COPY)
		world_copy(w, &bm);
	world_check(iod_gather_sync(gather), "iod_gather_sync");
	if (w->twin != TWIN_EARLY_COPY)
		world_copy(w, &bm);
}

static void software_main(void *arg)
{
	struct world *w = arg;

	w->software(w);
}

static void partner_main(void *arg)
{
	struct world *w = arg;

	w->partner(w);
}

/* ---- a run ---- */

static void setup_objects(struct world *w)
{
	struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg),
		.format = w->cfg->format,
		.features = w->cfg->features,
		.mem = mem,
		.pgsize_bitmap = world_len(w) | world_small(w),
		.domain = DOMAIN,
		.ias = w->cfg->ias,
		.kernels = "c",
	};
	static const struct iod_inv_ops ops = {
		.size = sizeof(ops),
		.invalidate = invalidate,
		.sync = sync,
	};
	struct iod_gather_cfg gcfg = {
		.size = sizeof(gcfg), .ops = &ops, .cookie = w, .max_ranges = 8
	};
	struct iod_iotlb_cfg tcfg = {
		.size = sizeof(tcfg),
		.entries = 8,
		.walk_entries = 8,
		.flags = w->device,
	};
	int ret;

	ret = iod_pgtable_create(&w->pt, &cfg);
	if (!ret)
		ret = iod_gather_create(&w->gather[0], w->pt, &gcfg);
	if (!ret)
		ret = iod_gather_create(&w->gather[1], w->pt, &gcfg);
	if (!ret)
		ret = iod_iotlb_create(&w->tlb, &tcfg);
	if (ret) {
		fprintf(stderr, "%s: setup: %d\n", w->cfg->name, ret);
		abort();
	}
}

static void setup_pages(struct world *w)
{
	uint64_t at = w->page[0], end = at + world_len(w), step = world_len(w) >> w->table;

	/* Halves of the block are made of pages. */
	for (; at < end; at += step)
		world_check(
			iod_map(w->pt, at, at, step, IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL),
			"iod_map");
}

static void setup_warm(struct world *w)
{
	struct iod_inv inv = { .kind = IOD_INV_ALL };
	enum world_warm warm = w->warm;

	if (warm == WARM_CLEAN || warm == WARM_TABLES)
		world_check(
			iod_iotlb_access(w->tlb, w->pt, w->page[0], IOD_ACCESS_READ, NULL, NULL),
			"a read");
	if (warm == WARM_DIRTY || warm == WARM_FORGOTTEN || warm == WARM_DIRTY_TABLES)
		device_write(w, 0);
	if (warm == WARM_TABLES || warm == WARM_DIRTY_TABLES)
		inv.flags = IOD_INV_LEAF_ONLY;
	if (warm >= WARM_FORGOTTEN)
		world_check(iod_iotlb_invalidate(w->tlb, &inv, 1), "iod_iotlb_invalidate");
}

/* The final pass, and then: is every write in the copy, and is everything where it was? */
static void look_at_the_end(struct world *w)
{
	uint64_t words[WORLD_MOST / 64], pa;
	struct iod_bitmap bm;
	unsigned p;
	int ret;

	world_check(iod_gather_sync(w->gather[0]), "iod_gather_sync");
	world_bitmap(w, &bm, words);
	sweep(w, IOD_SWEEP_FINAL, w->gather[1], w->page[0], world_len(w), &bm);
	world_copy(w, &bm);
	world_check(iod_gather_sync(w->gather[1]), "iod_gather_sync");
	for (p = 0; p < WORLD_PAGES; p++) {
		if (w->copied[p] < w->must[p])
			explore_fail("page %u: version %ju was written, %ju copied", p,
				     (uintmax_t)w->must[p], (uintmax_t)w->copied[p]);
		ret = iod_iova_to_phys(w->pt, w->page[p], &pa);
		if (w->gone >> p & 1 ? ret != -ENOENT : ret || pa != w->page[p])
			explore_fail("page %u: iod_iova_to_phys returned %d", p, ret);
	}
}

static void one_run(void *arg)
{
	struct iod_mem_stats stats = { .size = sizeof(stats) };
	struct world *w = arg;

	setup_objects(w);
	memset(w->must, 0, sizeof(w->must));
	memset(w->newest, 0, sizeof(w->newest));
	memset(w->data, 0, sizeof(w->data));
	memset(w->copied, 0, sizeof(w->copied));
	w->gone = 0;
	setup_pages(w);
	setup_warm(w);
	explore_start(device_main, w);
	explore_start(software_main, w);
	if (w->partner)
		explore_start(partner_main, w);
	explore_run();
	look_at_the_end(w);
	world_check(iod_gather_destroy(w->gather[0]), "iod_gather_destroy");
	world_check(iod_gather_destroy(w->gather[1]), "iod_gather_destroy");
	world_check(iod_pgtable_destroy(w->pt), "iod_pgtable_destroy");
	world_check(iod_iotlb_destroy(w->tlb), "iod_iotlb_destroy");
	world_check(iod_mem_get_stats(mem, &stats), "iod_mem_get_stats");
	if (stats.tables)
		explore_fail("%ju tables are left", (uintmax_t)stats.tables);
}

/* A fresh arena: after a failure tables may have been left. */
static void setup_mem(void)
{
	struct iod_mem_arena_cfg cfg = {
		.size = sizeof(cfg),
		.window = (uint64_t)ARENA_PAGES << 12,
		.flags = IOD_ARENA_NO_HUGEPAGES,
	};

	if (iod_mem_create_arena(&mem, &cfg)) {
		fprintf(stderr, "no memory\n");
		abort();
	}
	memset(freed, 0, sizeof(freed));
}

void world_explore(struct world *w, unsigned preemptions, struct explore *e)
{
	/* Another item in every table. */
	w->page[0] = UINT64_C(1) << 30 | UINT64_C(2) << 21;
	if (w->cfg->large_lg2 < 21)
		w->page[0] |= UINT64_C(3) << w->cfg->large_lg2;
	w->page[1] = w->page[0] + world_len(w) - world_small(w);
	memset(watched, 0, sizeof(watched));
	watch(w->page[0]);
	watch(w->page[1]);
	world = w;
	setup_mem();
	explore_is_point = is_point;
	explore_twin_plain = w->twin == TWIN_PLAIN;
	explore_twin_no_grace = w->twin == TWIN_EARLY_FREE;
	*e = (struct explore){
		.run = one_run,
		.arg = w,
		.preemptions = preemptions,
		.stop_at_failure = true,
	};
	running = true;
	explore_all(e);
	running = false;
	give_back_reserved();
	if (iod_mem_destroy(mem) && !e->failures) {
		e->failures = 1;
		snprintf(e->what, sizeof(e->what), "the memory is in use at the end");
	}
	explore_twin_plain = false;
	explore_twin_no_grace = false;
}

/* ---- kernels: plain C, and for a twin one that forgets Dirty ---- */

static struct iod_kernels kernels;

/* Items of new tables only are filled: those of a split. */
static void fill(uint64_t *items, unsigned n, uint64_t first, uint64_t step)
{
	uint64_t bit = UINT64_C(1) << world->cfg->dirty_bit;

	if (world->twin == TWIN_BORN_CLEAN)
		first = world->cfg->dirty_is_0 ? first | bit : first & ~bit;
	iod_kernels_c.fill(items, n, first, step);
}

const struct iod_kernels *__wrap_iod_kernels_by_name(const char *name);

const struct iod_kernels *__wrap_iod_kernels_by_name(const char *name)
{
	kernels = iod_kernels_c;
	kernels.fill = fill;
	return &kernels;
}
