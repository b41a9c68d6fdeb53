/* SPDX-License-Identifier: MIT */
/*
 * Defects of the past, each by its shortest way to show it: runs as the only page size, a page
 * size that changes under the clean of a sweep, tables inside an aligned group of runs, an empty table
 * in the way of the only page size. The races are made by wrapping what lies in the window (--wrap).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <iodirty/iodirty.h>

#include "bits.h"
#include "kernels.h"

#define PAGE UINT64_C(4096)
#define RW   (IOD_PROT_READ | IOD_PROT_WRITE)

struct world {
	struct iod_mem *mem;
	struct iod_pgtable *pt;
	struct iod_gather *gather, *other;
	struct iod_iotlb *device;
	struct iod_bitmap dirty;
	_Alignas(8) uint64_t words[512];
};

static const enum iod_format run_formats[] = { IOD_ARM_LPAE_S1, IOD_ARM_LPAE_S2, IOD_AMD_V1 };

/* ---- what happens inside the window ---- */

static void (*in_window)(struct world *w);
static struct world *window_world;
static unsigned window_after;

static void window(void)
{
	void (*fn)(struct world * w) = in_window;

	if (!fn || window_after--)
		return;
	in_window = NULL;
	fn(window_world);
}

const struct iod_kernels *__real_iod_kernels_best(void);
const struct iod_kernels *__wrap_iod_kernels_best(void);
void __real_iod_sweep_record(struct iod_bitmap *bm, uint64_t first, uint64_t last);
void __wrap_iod_sweep_record(struct iod_bitmap *bm, uint64_t first, uint64_t last);

static unsigned scan_then_window(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match,
				 uint64_t *words, const uint64_t *ahead)
{
	unsigned found = __real_iod_kernels_best()->scan(items, n, mask, match, words, ahead);

	window();
	return found;
}

const struct iod_kernels *__wrap_iod_kernels_best(void)
{
	static struct iod_kernels kernels;

	kernels = *__real_iod_kernels_best();
	kernels.scan = scan_then_window;
	return &kernels;
}

void __wrap_iod_sweep_record(struct iod_bitmap *bm, uint64_t first, uint64_t last)
{
	__real_iod_sweep_record(bm, first, last);
	window();
}

/* ---- the world ---- */

static bool begin(struct world *w, enum iod_format format, uint64_t sizes)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = iod_iotlb_invalidate };
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = &ops };
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = format,
				       .features = IOD_PT_HW_DIRTY,
				       .pgsize_bitmap = sizes };

	memset(w, 0, sizeof(*w));
	in_window = NULL;
	if (!iod_format_ops(format))
		return false;
	assert_int_equal(iod_mem_create_arena(&w->mem, NULL), 0);
	assert_int_equal(iod_iotlb_create(&w->device, NULL), 0);
	cfg.mem = w->mem;
	gcfg.cookie = w->device;
	assert_int_equal(iod_pgtable_create(&w->pt, &cfg), 0);
	assert_int_equal(iod_gather_create(&w->gather, w->pt, &gcfg), 0);
	assert_int_equal(iod_gather_create(&w->other, w->pt, &gcfg), 0);
	assert_int_equal(iod_bitmap_init(&w->dirty, 0, sizeof(w->words) * 8 * PAGE, PAGE, w->words,
					 sizeof(w->words), 0),
			 0);
	return true;
}

static void end(struct world *w)
{
	assert_int_equal(iod_gather_sync(w->gather), 0);
	assert_int_equal(iod_gather_sync(w->other), 0);
	assert_int_equal(iod_gather_destroy(w->gather), 0);
	assert_int_equal(iod_gather_destroy(w->other), 0);
	assert_int_equal(iod_pgtable_destroy(w->pt), 0);
	assert_int_equal(iod_iotlb_destroy(w->device), 0);
	assert_int_equal(iod_mem_destroy(w->mem), 0);
}

static void dma_write(struct world *w, uint64_t iova)
{
	assert_int_equal(iod_iotlb_access(w->device, w->pt, iova, IOD_ACCESS_WRITE, NULL, NULL), 0);
}

static void map(struct world *w, uint64_t iova, uint64_t len)
{
	assert_int_equal(iod_map(w->pt, iova, 0x40000000 + iova, len, RW, NULL, NULL), 0);
}

static void clear(struct world *w, uint64_t len)
{
	struct iod_sweep s = { .size = sizeof(s),
			       .mode = IOD_SWEEP_CLEAR,
			       .len = len,
			       .bitmap = &w->dirty,
			       .gather = w->gather };

	assert_int_equal(iod_sweep(w->pt, &s), 0);
	assert_int_equal(s.done, len);
}

/* ---- the defects ---- */

/* Hardware marks one item; the run is dirty in all, also when there are only runs. */
static void only_size_is_a_run(void **state)
{
	struct iod_gather_info info = { .size = sizeof(info) };
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		if (!begin(&w, run_formats[i], 0x10000))
			continue;
		map(&w, 0, 0x200000);
		dma_write(&w, 0);
		dma_write(&w, 5 * PAGE); /* through the cached translation: marks nothing */
		clear(&w, 0x200000);
		assert_int_equal(iod_bitmap_count(&w.dirty), 16);
		assert_int_equal(iod_gather_get_info(w.gather, &info), 0);
		assert_int_equal(info.last, 0xffff);
		end(&w);
	}
}

/* 16 pages give way to one run; the device writes two pages of it and marks one item. */
static void pages_become_a_run(struct world *w)
{
	assert_int_equal(iod_unmap(w->pt, 0, 0x10000, 0, w->other, NULL), 0);
	assert_int_equal(iod_gather_flush(w->other), 0);
	map(w, 0, 0x10000);
	dma_write(w, 5 * PAGE);
	dma_write(w, 7 * PAGE);
}

/* Sweeps while that happens, and twice after it: page 7 must have been reported by then. */
static void run_under_the_clean(uint64_t swept, unsigned after)
{
	struct world w;
	size_t i;

	for (i = 0; i < 3; i++) {
		if (!begin(&w, run_formats[i], 0x11000))
			continue;
		for (uint64_t iova = 0; iova < swept; iova += PAGE)
			map(&w, iova, PAGE);
		dma_write(&w, 5 * PAGE);
		in_window = pages_become_a_run;
		window_world = &w;
		window_after = after;
		clear(&w, swept);
		assert_null(in_window);
		assert_int_equal(iod_gather_sync(w.gather), 0);
		clear(&w, swept);
		assert_int_equal(iod_gather_sync(w.gather), 0);
		clear(&w, swept);
		assert_true(iod_bitmap_test(&w.dirty, 5 * PAGE));
		assert_true(iod_bitmap_test(&w.dirty, 7 * PAGE));
		end(&w);
	}
}

static void page_becomes_run_in_a_table(void **state)
{
	(void)state;
	run_under_the_clean(0x200000, 1); /* behind the look for runs */
}

static void page_becomes_run_at_an_edge(void **state)
{
	(void)state;
	run_under_the_clean(0x10000, 0); /* between recording and cleaning */
}

/* A guest takes a dirty entry away between the kernel's look and the second one. */
static uint64_t *guest_item;

static void guest_clears(struct world *w)
{
	(void)w;
	__atomic_store_n(guest_item, 0, __ATOMIC_RELAXED);
}

static void guest_clears_what_was_seen(void **state)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_VTD_SS,
				       .features = IOD_PT_HW_DIRTY };
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_sweep s = { .size = sizeof(s), .mode = IOD_SWEEP_READ, .len = 0x200000 };
	struct iod_pgtable *seen;
	struct iod_mapping m;
	struct world w;

	(void)state;
	if (!begin(&w, IOD_VTD_SS, 0))
		skip();
	assert_int_equal(iod_map(w.pt, 7 * PAGE, 0, PAGE, RW | IOD_PROT_DIRTY, NULL, NULL), 0);
	assert_int_equal(iod_pgtable_get_hw_info(w.pt, &info), 0);
	cfg.mem = w.mem;
	assert_int_equal(iod_pgtable_attach(&seen, &cfg, info.root), 0);
	assert_int_equal(iod_translate(seen, 7 * PAGE, &m), 0);
	assert_int_equal(iod_mem_host_ptr(w.mem, m.pte_pa, 8, true, (void **)&guest_item), 0);
	s.bitmap = &w.dirty;
	in_window = guest_clears;
	window_after = 0;
	assert_int_equal(iod_sweep(seen, &s), 0);
	assert_null(in_window);
	assert_true(iod_bitmap_test(&w.dirty, 7 * PAGE));
	assert_int_equal(iod_pgtable_destroy(seen), 0);
	end(&w);
}

/* Items of an ARM level-2 table: two tables inside a group of contiguous blocks. */
static void budget_goes_on_among_runs(void **state)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_ARM_LPAE_S1,
				       .features = IOD_PT_HW_DIRTY };
	struct iod_sweep s = { .size = sizeof(s), .mode = IOD_SWEEP_READ, .budget = 1 };
	static uint64_t words[256];
	struct iod_bitmap bm;
	struct iod_pgtable *pt;
	uint64_t pa[5], *item, last;
	struct world w;
	unsigned i;

	(void)state;
	if (!begin(&w, IOD_ARM_LPAE_S1, 0))
		skip();
	for (i = 0; i < 5; i++)
		assert_int_equal(iod_mem_alloc(w.mem, 4096, &pa[i]), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(iod_mem_host_ptr(w.mem, pa[i], 4096, true, (void **)&item), 0);
		if (i < 2)
			item[0] = iod_le64(pa[i + 1] | 3);
	}
	for (i = 0; i < 16; i++) /* CONT, DBM, AF, AP[2], block */
		item[i] = iod_le64(0x18000000000481 | 0x40000000);
	item[3] = iod_le64(pa[3] | 3);
	item[5] = iod_le64(pa[4] | 3);
	cfg.mem = w.mem;
	assert_int_equal(iod_pgtable_attach(&pt, &cfg, pa[0]), 0);
	assert_int_equal(iod_bitmap_init(&bm, 0, 64 << 20, PAGE, words, sizeof(words), 0), 0);
	s.bitmap = &bm;
	for (i = 0, last = 0; last < 64 << 20; i++) {
		assert_true(i < 8);
		s.iova = last;
		s.len = (64 << 20) - last;
		assert_int_equal(iod_sweep(pt, &s), 0);
		assert_true(s.next_iova > last);
		last = s.next_iova;
	}
	assert_int_equal(iod_pgtable_destroy(pt), 0);
	for (i = 0; i < 5; i++)
		assert_int_equal(iod_mem_free(w.mem, pa[i], 4096), 0);
	end(&w);
}

/* The only size does not fit beside the empty root that would become a table: refused, nothing grows. */
static void growth_that_does_not_help(void **state)
{
	struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg), .format = IOD_AMD_V1, .levels = 1, .pgsize_bitmap = 1 << 22
	};
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_pgtable *pt;
	struct iod_mem *mem;
	uint64_t done = 0;

	(void)state;
	if (!iod_format_ops(IOD_AMD_V1))
		skip();
	assert_int_equal(iod_mem_create_arena(&mem, NULL), 0);
	cfg.mem = mem;
	assert_int_equal(iod_pgtable_create(&pt, &cfg), 0);
	assert_int_equal(iod_map(pt, 0, 0, 1 << 22, RW, NULL, &done), -EBUSY);
	assert_int_equal(done, 0);
	assert_int_equal(iod_pgtable_get_hw_info(pt, &info), 0);
	assert_int_equal(info.levels, 1);
	assert_int_equal(iod_map(pt, 1 << 22, 0, 1 << 22, RW, NULL, &done), 0);
	assert_int_equal(iod_pgtable_destroy(pt), 0);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_size_is_a_run),
		cmocka_unit_test(page_becomes_run_in_a_table),
		cmocka_unit_test(page_becomes_run_at_an_edge),
		cmocka_unit_test(guest_clears_what_was_seen),
		cmocka_unit_test(budget_goes_on_among_runs),
		cmocka_unit_test(growth_that_does_not_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
