/* SPDX-License-Identifier: MIT */
/* iod_mem over VM memory: bounds of regions, and callbacks that cannot be trusted either. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pgtable/mem.h"

#define K4	     UINT64_C(0x1000)
#define RAM	     UINT64_C(0x40000000)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static _Alignas(4096) unsigned char memory[64 * 4096];

/* Create from regions and ops. */
static int create(struct iod_mem **out, const struct iod_mem_region *regions, size_t nr,
		  const struct iod_mem_vm_ops *ops, void *cookie)
{
	const struct iod_mem_vm_cfg cfg = {
		.size = sizeof(cfg),
		.regions = regions,
		.nr_regions = nr,
		.ops = ops,
		.cookie = cookie,
	};

	return iod_mem_create_vm(out, &cfg);
}

static struct iod_mem_stats stats_of(const struct iod_mem *mem)
{
	struct iod_mem_stats stats = { .size = sizeof(stats) };

	assert_int_equal(iod_mem_get_stats(mem, &stats), 0);
	return stats;
}

static void *no_translate(void *cookie, uint64_t pa, uint64_t len, bool write)
{
	return NULL;
}

static void test_bad_config(void **state)
{
	const struct iod_mem_region good = { RAM, K4, memory, 0, 0 };
	const struct iod_mem_vm_ops none = { .size = sizeof(none) };
	const struct iod_mem_vm_ops small = { .size = 8, .translate = no_translate };
	struct {
		struct iod_mem_vm_cfg cfg;
		unsigned char tail[8];
	} newer = { { .size = sizeof(newer), .regions = &good, .nr_regions = 1 }, { 1 } };
	struct {
		struct iod_mem_vm_ops ops;
		unsigned char tail[8];
	} newer_ops = { { .size = sizeof(newer_ops), .translate = no_translate }, { 1 } };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg) - 1, .regions = &good, .nr_regions = 1 };
	struct iod_mem *mem = NULL;

	assert_int_equal(create(NULL, &good, 1, NULL, NULL), -EINVAL);
	assert_int_equal(iod_mem_create_vm(&mem, NULL), -EINVAL);
	assert_int_equal(iod_mem_create_vm(&mem, &cfg), -EINVAL);
	assert_int_equal(iod_mem_create_vm(&mem, &newer.cfg), -E2BIG);
	assert_int_equal(create(&mem, NULL, 0, NULL, NULL), -EINVAL);
	assert_int_equal(create(&mem, &good, 0, NULL, NULL), -EINVAL);
	assert_int_equal(create(&mem, NULL, 1, NULL, NULL), -EINVAL);
	assert_int_equal(create(&mem, &good, SIZE_MAX, NULL, NULL), -EINVAL);
	assert_int_equal(create(&mem, NULL, 0, &none, NULL), -EINVAL);
	assert_int_equal(create(&mem, &good, 1, &small, NULL), -EINVAL);
	assert_int_equal(create(&mem, &good, 1, &newer_ops.ops, NULL), -E2BIG);
	assert_null(mem);
	newer.tail[0] = 0;
	assert_int_equal(iod_mem_create_vm(&mem, &newer.cfg), 0);
	assert_int_equal(iod_mem_destroy(mem), 0);
	newer_ops.tail[0] = 0;
	assert_int_equal(create(&mem, NULL, 0, &newer_ops.ops, NULL), 0);
	assert_int_equal(iod_mem_destroy(mem), 0);
	assert_int_equal(create(&mem, &good, 1, &none, NULL), 0);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

static void test_bad_regions(void **state)
{
	const struct iod_mem_region good = { RAM, 4 * K4, memory, 0, 0 };
	const struct {
		struct iod_mem_region region;
		int ret;
	} rows[] = {
		{ { 0, K4, memory, 0, 0 }, 0 },
		{ { RAM + 4 * K4, K4, memory, 0, 0 }, 0 },
		{ { RAM - 8, 8, memory, 0, 0 }, 0 },
		{ { 0 - K4, K4, memory, IOD_REGION_READONLY, 0 }, 0 }, /* up to 2^64 */
		{ { 0, 0, memory, 0, 0 }, -EINVAL },
		{ { 4, K4, memory, 0, 0 }, -EINVAL },
		{ { 0, K4 + 4, memory, 0, 0 }, -EINVAL },
		{ { 0, K4, memory + 4, 0, 0 }, -EINVAL },
		{ { 0, K4, NULL, 0, 0 }, -EINVAL },
		{ { 0, K4, memory, 2, 0 }, -EINVAL },
		{ { 0, K4, memory, 0, 1 }, -EINVAL },
		{ { 0 - K4, 2 * K4, memory, 0, 0 }, -EINVAL },		  /* wraps */
		{ { 8, 0 - UINT64_C(8), memory, 0, 0 }, -EINVAL },	  /* host wraps */
		{ { 0, K4, (void *)(UINTPTR_MAX - 15), 0, 0 }, -EINVAL }, /* the same */
		{ { RAM, 8, memory, 0, 0 }, -EINVAL },			  /* overlaps */
		{ { RAM + 4 * K4 - 8, 8, memory, 0, 0 }, -EINVAL },
		{ { RAM - 8, 16, memory, 0, 0 }, -EINVAL },
		{ { RAM - K4, 6 * K4, memory, IOD_REGION_READONLY, 0 }, -EINVAL },
	};
	struct iod_mem *mem;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		struct iod_mem_region regions[2] = { good, rows[i].region };

		assert_int_equal(create(&mem, regions, 2, NULL, NULL), rows[i].ret);
		if (!rows[i].ret)
			assert_int_equal(iod_mem_destroy(mem), 0);
		regions[0] = rows[i].region;
		regions[1] = good;
		assert_int_equal(create(&mem, regions, 2, NULL, NULL), rows[i].ret);
		if (!rows[i].ret)
			assert_int_equal(iod_mem_destroy(mem), 0);
	}
}

/*
 * In any order:  RAM      4 pages  pages 0-3   continued by the next
 *                RAM+4    4 pages  pages 4-7
 *                RAM+8    1 page   page 8      continues, but read-only
 *                RAM+9    1 page   page 20     next to it, elsewhere in the host
 *                2^64-1   1 page   page 30
 */
static void test_region_bounds(void **state)
{
	const struct iod_mem_region regions[] = {
		{ RAM + 9 * K4, K4, memory + 20 * K4, 0, 0 },
		{ 0 - K4, K4, memory + 30 * K4, 0, 0 },
		{ RAM + 4 * K4, 4 * K4, memory + 4 * K4, 0, 0 },
		{ RAM + 8 * K4, K4, memory + 8 * K4, IOD_REGION_READONLY, 0 },
		{ RAM, 4 * K4, memory, 0, 0 },
	};
	const struct {
		uint64_t pa, len;
		bool write;
		void *host;
	} rows[] = {
		{ RAM, 1, true, memory },
		{ RAM, 8 * K4, true, memory },
		{ RAM + 4 * K4 - 8, 16, true, memory + 4 * K4 - 8 },
		{ RAM + 8 * K4 - 8, 8, true, memory + 8 * K4 - 8 },
		{ RAM + 8 * K4 - 8, 9, false, NULL },
		{ RAM + 8 * K4, K4, false, memory + 8 * K4 },
		{ RAM + 8 * K4, 8, true, NULL },
		{ RAM + 9 * K4 - 8, 8, false, memory + 9 * K4 - 8 },
		{ RAM + 9 * K4 - 8, 16, false, NULL },
		{ RAM + 9 * K4, K4, true, memory + 20 * K4 },
		{ RAM + 10 * K4 - 8, 8, true, memory + 21 * K4 - 8 },
		{ RAM + 10 * K4 - 8, 9, true, NULL },
		{ RAM + 10 * K4, 1, false, NULL },
		{ RAM - 8, 8, false, NULL },
		{ RAM - 8, 16, false, NULL },
		{ RAM, UINT64_MAX, false, NULL },
		{ RAM, 0 - RAM, false, NULL },
		{ RAM + 8, UINT64_MAX - 8, false, NULL },
		{ 0, 8, false, NULL },
		{ 0 - K4, K4, true, memory + 30 * K4 },
		{ 0 - UINT64_C(8), 8, true, memory + 31 * K4 - 8 },
		{ 0 - UINT64_C(8), 9, true, NULL },
		{ 0 - UINT64_C(8), UINT64_MAX, true, NULL },
		{ 0 - K4 - 8, 8, false, NULL },
	};
	struct iod_mem *mem;
	size_t i;

	assert_int_equal(create(&mem, regions, COUNT(regions), NULL, NULL), 0);
	for (i = 0; i < COUNT(rows); i++) {
		void *host = memory + 1;
		int ret = iod_mem_host_ptr(mem, rows[i].pa, rows[i].len, rows[i].write, &host);

		if (iod_mem_ptr(mem, rows[i].pa, rows[i].len, rows[i].write) != rows[i].host)
			fail_msg("row %zu", i);
		assert_int_equal(ret, rows[i].host ? 0 : -EFAULT);
		assert_ptr_equal(host, rows[i].host ? rows[i].host : memory + 1);
	}
	assert_int_equal(stats_of(mem).limit, UINT64_MAX);
	assert_int_equal(stats_of(mem).committed, 0);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

/* Many regions with holes, against a linear search. */
static void test_many_regions(void **state)
{
	struct iod_mem_region regions[50];
	struct iod_mem *mem;
	uint64_t i, pa;

	for (i = 0; i < 50; i++) /* 7 and 50 have no common factor: every one, in disorder */
		regions[i * 7 % 50] =
			(struct iod_mem_region){ RAM + i * 2 * K4, K4, memory + i * K4, 0, 0 };
	assert_int_equal(create(&mem, regions, 50, NULL, NULL), 0);
	for (i = 0; i < 100; i++) {
		pa = RAM + i * K4;
		assert_ptr_equal(iod_mem_ptr(mem, pa, K4, true),
				 i & 1 ? NULL : memory + i / 2 * K4);
		assert_ptr_equal(iod_mem_ptr(mem, pa + 8, K4, true), NULL);
	}
	assert_int_equal(iod_mem_destroy(mem), 0);
}

/* A VM whose pages are handed out by hand: table k of `addresses`. */
struct vm {
	uint64_t addresses[8];
	unsigned nr, allocated, freed, asked;
	uint64_t freed_pa, freed_len;
	int error;
	uintptr_t skew; /* added to what translate returns */
	struct iod_mem *mem;
};

/* [RAM + 32 pages, + 32 pages) is memory + 32 pages; page 63 is read-only. */
static void *vm_translate(void *cookie, uint64_t pa, uint64_t len, bool write)
{
	struct vm *vm = cookie;
	uint64_t off = pa - (RAM + 32 * K4);

	vm->asked++;
	if (off >= 32 * K4 || len > 32 * K4 - off || (write && off + len > 31 * K4))
		return NULL;
	return (void *)((uintptr_t)(memory + 32 * K4 + off) + vm->skew);
}

static int vm_alloc(void *cookie, uint64_t len, uint64_t *pa)
{
	struct vm *vm = cookie;

	if (vm->error)
		return vm->error;
	if (vm->mem) /* a callback may call back */
		(void)stats_of(vm->mem);
	assert_true(vm->allocated < vm->nr);
	*pa = vm->addresses[vm->allocated++];
	return 0;
}

static void vm_free(void *cookie, uint64_t pa, uint64_t len)
{
	struct vm *vm = cookie;

	vm->freed++;
	vm->freed_pa = pa;
	vm->freed_len = len;
}

static const struct iod_mem_vm_ops vm_ops = {
	.size = sizeof(vm_ops),
	.translate = vm_translate,
	.alloc_table = vm_alloc,
	.free_table = vm_free,
};

static void test_translate_callback(void **state)
{
	const struct iod_mem_region regions[] = {
		{ RAM, K4, memory, 0, 0 },
		{ RAM + 40 * K4, K4, memory, IOD_REGION_READONLY, 0 },
	};
	struct vm vm = { .nr = 0 };
	struct iod_mem *mem;

	assert_int_equal(create(&mem, regions, 2, &vm_ops, &vm), 0);
	assert_ptr_equal(iod_mem_ptr(mem, RAM, K4, true), memory);
	assert_ptr_equal(iod_mem_ptr(mem, RAM + 40 * K4, K4, false), memory);
	assert_null(iod_mem_ptr(mem, RAM + 40 * K4, K4, true)); /* a region has the last word */
	assert_int_equal(vm.asked, 0);
	assert_ptr_equal(iod_mem_ptr(mem, RAM + 32 * K4, K4, true), memory + 32 * K4);
	assert_ptr_equal(iod_mem_ptr(mem, RAM + 63 * K4, K4, false), memory + 63 * K4);
	assert_null(iod_mem_ptr(mem, RAM + 63 * K4, K4, true));
	assert_null(iod_mem_ptr(mem, RAM + 63 * K4 + 8, K4, false));
	assert_null(iod_mem_ptr(mem, RAM + K4, 8, false));
	assert_int_equal(vm.asked, 5);
	assert_null(iod_mem_ptr(mem, RAM + 32 * K4, 0 - RAM, false)); /* wraps: not asked */
	assert_null(iod_mem_ptr(mem, RAM + 32 * K4 + 1, 8, false));
	assert_int_equal(vm.asked, 5);
	vm.skew = 4; /* a pointer that cannot be used */
	assert_null(iod_mem_ptr(mem, RAM + 32 * K4, 8, false));
	vm.skew = UINTPTR_MAX - 15 - (uintptr_t)(memory + 32 * K4);
	assert_null(iod_mem_ptr(mem, RAM + 32 * K4, K4, false));
	assert_int_equal(iod_mem_destroy(mem), 0);
}

static void test_alloc_callback(void **state)
{
	struct vm vm = { .addresses = { RAM + 32 * K4, RAM + 34 * K4, RAM + 33 * K4 }, .nr = 3 };
	struct iod_mem *mem;
	uint64_t pa;

	assert_int_equal(create(&mem, NULL, 0, &vm_ops, &vm), 0);
	vm.mem = mem;
	memset(memory, 0xff, sizeof(memory)); /* the callback breaks its promise */
	assert_int_equal(iod_mem_alloc(mem, K4, &pa), 0);
	assert_int_equal(pa, RAM + 32 * K4);
	assert_int_equal(memory[32 * K4] | memory[33 * K4 - 1], 0);
	assert_int_equal(memory[33 * K4], 0xff);
	assert_int_equal(iod_mem_table_alloc(mem, 13, MEM_LEAF, UINT64_MAX, true, &pa), 0);
	assert_int_equal(pa, RAM + 34 * K4);
	assert_int_equal(stats_of(mem).tables, 2);
	assert_int_equal(stats_of(mem).bytes, 3 * K4);
	vm.error = -EIO;
	assert_int_equal(iod_mem_alloc(mem, K4, &pa), -ENOMEM);
	vm.error = 1;
	assert_int_equal(iod_mem_alloc(mem, K4, &pa), -ENOMEM);
	vm.error = 0;
	assert_int_equal(iod_mem_set_limit(mem, 3 * K4), 0);
	assert_int_equal(iod_mem_alloc(mem, K4, &pa), -ENOMEM);
	assert_int_equal(vm.allocated, 2); /* not even asked */
	assert_int_equal(iod_mem_set_limit(mem, 0), 0);
	assert_int_equal(stats_of(mem).limit, UINT64_MAX);

	assert_int_equal(iod_mem_free(mem, RAM + 32 * K4, 2 * K4), -EINVAL);
	assert_int_equal(iod_mem_free(mem, RAM + 35 * K4, K4), -EINVAL);
	iod_mem_table_free(mem, RAM + 35 * K4, 12);
	assert_int_equal(vm.freed, 0);
	assert_int_equal(iod_mem_free(mem, RAM + 32 * K4, K4), 0);
	assert_int_equal(vm.freed, 1);
	assert_int_equal(vm.freed_pa, RAM + 32 * K4);
	assert_int_equal(vm.freed_len, K4);
	assert_int_equal(iod_mem_free(mem, RAM + 32 * K4, K4), -EINVAL);
	assert_int_equal(iod_mem_destroy(mem), 0); /* with the table that is left */
	assert_int_equal(vm.freed, 2);
	assert_int_equal(vm.freed_pa, RAM + 34 * K4);
	assert_int_equal(vm.freed_len, 2 * K4);
}

/* What the callback hands out must be usable, and is given back when it is not. */
static void test_alloc_callback_lies(void **state)
{
	static const uint64_t lies[] = {
		RAM + 32 * K4 + 8, /* misaligned for its length */
		RAM + 33 * K4,	   /* the same, for 8 KiB */
		RAM + 70 * K4,	   /* not there */
		RAM + 62 * K4,	   /* the second page is read-only */
		UINT64_MAX,	   0 - 2 * K4,
	};
	struct iod_mem *mem;
	uint64_t pa = 7;
	size_t i;

	for (i = 0; i < COUNT(lies); i++) {
		struct vm vm = { .addresses = { lies[i] }, .nr = 1 };

		assert_int_equal(create(&mem, NULL, 0, &vm_ops, &vm), 0);
		assert_int_equal(iod_mem_alloc(mem, 2 * K4, &pa), -ENOMEM);
		assert_int_equal(pa, 7);
		assert_int_equal(vm.freed, 1);
		assert_int_equal(vm.freed_pa, lies[i]);
		assert_int_equal(stats_of(mem).tables, 0);
		assert_int_equal(stats_of(mem).peak_bytes, 0);
		assert_int_equal(iod_mem_destroy(mem), 0);
		assert_int_equal(vm.freed, 1);
	}
}

/* The same table twice: refused, and not given back, for it is in use. Too high: given back. */
static void test_alloc_twice_or_high(void **state)
{
	struct vm vm = { .addresses = { RAM + 32 * K4, RAM + 32 * K4, RAM + 33 * K4 }, .nr = 3 };
	const struct iod_mem_region region = { RAM, K4, memory, 0, 0 };
	struct iod_mem *mem;
	uint64_t pa;

	assert_int_equal(create(&mem, NULL, 0, &vm_ops, &vm), 0);
	assert_int_equal(iod_mem_alloc(mem, K4, &pa), 0);
	memory[32 * K4] = 1;
	assert_int_equal(iod_mem_alloc(mem, K4, &pa), -ENOMEM);
	assert_int_equal(vm.freed, 0);
	assert_int_equal(memory[32 * K4], 1); /* nobody zeroed it */
	assert_int_equal(iod_mem_table_alloc(mem, 12, MEM_LEAF, RAM + 34 * K4 - 2, true, &pa),
			 -ENOMEM);
	assert_int_equal(vm.freed, 1);
	assert_int_equal(stats_of(mem).tables, 1);
	assert_int_equal(iod_mem_destroy(mem), 0);
	assert_int_equal(vm.freed, 2);

	assert_int_equal(create(&mem, &region, 1, NULL, NULL), 0);
	assert_int_equal(iod_mem_alloc(mem, K4, &pa), -EOPNOTSUPP);
	assert_int_equal(iod_mem_free(mem, RAM, K4), -EINVAL);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

/* A generator of full period: 2^32 different pages, in disorder. All are the same host memory. */
#define SCATTERED 2000

struct scattered {
	uint32_t seed;
	unsigned allocated, freed;
	uint64_t pa[SCATTERED];
};

static void *scattered_translate(void *cookie, uint64_t pa, uint64_t len, bool write)
{
	return memory;
}

static int scattered_alloc(void *cookie, uint64_t len, uint64_t *pa)
{
	struct scattered *vm = cookie;

	vm->seed = vm->seed * 1664525u + 1013904223u;
	*pa = (uint64_t)vm->seed * K4;
	vm->pa[vm->allocated++] = *pa;
	return 0;
}

static void scattered_free(void *cookie, uint64_t pa, uint64_t len)
{
	struct scattered *vm = cookie;

	vm->freed++;
}

/* The record of tables grows, and finds every one while others come and go. */
static void test_many_tables(void **state)
{
	static struct scattered vm = { .seed = 1 };
	const struct iod_mem_vm_ops ops = {
		.size = sizeof(ops),
		.translate = scattered_translate,
		.alloc_table = scattered_alloc,
		.free_table = scattered_free,
	};
	struct iod_mem *mem;
	unsigned i, freed = 0;
	uint64_t pa;

	assert_int_equal(create(&mem, NULL, 0, &ops, &vm), 0);
	for (i = 0; i < SCATTERED; i++) {
		assert_int_equal(iod_mem_alloc(mem, K4, &pa), 0);
		if (i % 3)
			continue;
		assert_int_equal(iod_mem_free(mem, vm.pa[i / 3], K4), 0);
		freed++;
	}
	assert_int_equal(stats_of(mem).tables, SCATTERED - freed);
	for (i = 0; i < SCATTERED; i++) /* the first ones are gone, the others not */
		assert_int_equal(iod_mem_free(mem, vm.pa[i], K4), i < freed ? -EINVAL : 0);
	assert_int_equal(vm.freed, SCATTERED);
	assert_int_equal(stats_of(mem).tables, 0);
	assert_int_equal(iod_mem_destroy(mem), 0);
	assert_int_equal(vm.freed, SCATTERED);
}

struct counting {
	int live, left;
};

static void *failing_alloc(void *cookie, size_t len)
{
	struct counting *counting = cookie;

	if (!counting->left)
		return NULL;
	counting->left--;
	counting->live++;
	return malloc(len);
}

static void counting_free(void *cookie, void *ptr, size_t len)
{
	struct counting *counting = cookie;

	counting->live--;
	free(ptr);
}

static void test_every_allocation_fails_once(void **state)
{
	const struct iod_mem_region region = { RAM, K4, memory, 0, 0 };
	struct counting counting;
	const struct iod_allocator allocator = { sizeof(allocator), failing_alloc, counting_free,
						 &counting };
	struct vm vm;
	const struct iod_mem_vm_cfg cfg = { sizeof(cfg), &region, 1, &vm_ops, &vm, &allocator };
	int n, ret;

	for (n = 0, ret = -ENOMEM; ret; n++) {
		struct iod_mem *mem;
		uint64_t pa;

		assert_true(n < 10);
		counting = (struct counting){ 0, n };
		vm = (struct vm){ .addresses = { RAM + 32 * K4 }, .nr = 1 };
		ret = iod_mem_create_vm(&mem, &cfg);
		if (!ret) {
			ret = iod_mem_alloc(mem, K4, &pa);
			assert_int_equal(vm.freed, ret ? 1 : 0);
			assert_int_equal(iod_mem_destroy(mem), 0);
			assert_int_equal(vm.freed, 1);
		}
		assert_true(!ret || ret == -ENOMEM);
		assert_int_equal(counting.live, 0);
	}
	assert_int_equal(n, 4); /* object, regions, record of tables, and none */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_config),
		cmocka_unit_test(test_bad_regions),
		cmocka_unit_test(test_region_bounds),
		cmocka_unit_test(test_many_regions),
		cmocka_unit_test(test_translate_callback),
		cmocka_unit_test(test_alloc_callback),
		cmocka_unit_test(test_alloc_callback_lies),
		cmocka_unit_test(test_alloc_twice_or_high),
		cmocka_unit_test(test_many_tables),
		cmocka_unit_test(test_every_allocation_fails_once),
	};

	return cmocka_run_group_tests_name("mem_vm", tests, NULL, NULL);
}
