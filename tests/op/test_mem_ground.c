/* SPDX-License-Identifier: MIT */
/* The ground of all objects: allocators, and structs that begin with their size. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pgtable/pt_defs.h"

static bool all_zero(const void *ptr, size_t len)
{
	const unsigned char *bytes = ptr;

	while (len && !*bytes) {
		bytes++;
		len--;
	}
	return !len;
}

/* Hands out dirty memory and counts. */
static void *counting_alloc(void *cookie, size_t len)
{
	void *ptr = malloc(len);

	if (ptr) {
		memset(ptr, 0x5a, len);
		++*(long *)cookie;
	}
	return ptr;
}

static void counting_free(void *cookie, void *ptr, size_t len)
{
	assert_non_null(ptr);
	--*(long *)cookie;
	free(ptr);
}

static void *no_alloc(void *cookie, size_t len)
{
	return NULL;
}

static void test_allocator(void **state)
{
	long live = 0;
	struct iod_allocator good = { sizeof(good), counting_alloc, counting_free, &live };
	struct {
		struct iod_allocator allocator;
		unsigned char tail[8];
	} newer = { good, { 0 } };
	struct iod_allocator bad, out;
	void *ptr;

	assert_int_equal(iod_allocator_init(&out, NULL), 0);
	ptr = iod_zalloc(&out, 100);
	assert_true(all_zero(ptr, 100));
	iod_zfree(&out, ptr, 100);
	bad = good;
	bad.alloc = NULL;
	assert_int_equal(iod_allocator_init(&out, &bad), -EINVAL);
	bad = good;
	bad.free = NULL;
	assert_int_equal(iod_allocator_init(&out, &bad), -EINVAL);
	bad = good;
	bad.size = sizeof(size_t);
	assert_int_equal(iod_allocator_init(&out, &bad), -EINVAL);
	newer.allocator.size = sizeof(newer);
	assert_int_equal(iod_allocator_init(&out, &newer.allocator), 0);
	assert_int_equal(out.size, sizeof(out));
	newer.tail[0] = 1;
	assert_int_equal(iod_allocator_init(&out, &newer.allocator), -E2BIG);

	assert_int_equal(iod_allocator_init(&out, &good), 0);
	ptr = iod_zalloc(&out, 100);
	assert_int_equal(live, 1);
	assert_true(all_zero(ptr, 100));
	iod_zfree(&out, ptr, 100);
	iod_zfree(&out, NULL, 100);
	assert_int_equal(live, 0);
	good.alloc = no_alloc;
	assert_null(iod_zalloc(&good, 100));
}

/* Objects of an iod_mem come from its allocator, and a bad one is refused at its door. */
static void test_allocator_of_mem(void **state)
{
	long live = 0;
	struct iod_allocator allocator = { sizeof(allocator), counting_alloc, counting_free,
					   &live };
	const struct iod_mem_arena_cfg cfg = { .size = sizeof(cfg),
					       .window = 1 << 21,
					       .allocator = &allocator };
	static uint64_t word;
	const struct iod_mem_region region = { 0, 8, &word, 0, 0 };
	const struct iod_mem_vm_cfg vm_cfg = { sizeof(vm_cfg), &region, 1, NULL, NULL, &allocator };
	struct iod_mem *mem;
	long before;
	void *ptr;

	assert_int_equal(iod_mem_create_arena(&mem, &cfg), 0);
	before = live;
	ptr = iod_mem_zalloc(mem, 24);
	assert_int_equal(live, before + 1);
	assert_true(all_zero(ptr, 24));
	iod_mem_zfree(mem, ptr, 24);
	iod_mem_zfree(mem, NULL, 24);
	assert_int_equal(iod_mem_destroy(mem), 0);
	assert_int_equal(live, 0);
	allocator.free = NULL;
	assert_int_equal(iod_mem_create_arena(&mem, &cfg), -EINVAL);
	assert_int_equal(iod_mem_create_vm(&mem, &vm_cfg), -EINVAL);
	assert_int_equal(live, 0);
}

struct versioned {
	size_t size;
	uint64_t old, new;
};

static void test_struct_sizes(void **state)
{
	const size_t first = offsetof(struct versioned, new);
	const struct versioned result = { sizeof(result), 1, 2 };
	uint64_t raw[sizeof(struct versioned) / 8 + 2];
	struct versioned in, *user = (struct versioned *)(void *)raw;

	memset(raw, 0, sizeof(raw));
	*user = (struct versioned){ first, 11, 22 };
	assert_int_equal(iod_struct_in(&in, sizeof(in), NULL, first), -EINVAL);
	assert_int_equal(iod_struct_out(NULL, &result, sizeof(in), first), -EINVAL);
	assert_int_equal(iod_struct_in(&in, sizeof(in), user, first), 0); /* an older one */
	assert_int_equal(in.old, 11);
	assert_int_equal(in.new, 0);
	assert_int_equal(iod_struct_out(user, &result, sizeof(in), first), 0);
	assert_int_equal(user->size, first);
	assert_int_equal(user->old, 1);
	assert_int_equal(user->new, 22);
	user->size = first - 1;
	assert_int_equal(iod_struct_in(&in, sizeof(in), user, first), -EINVAL);
	assert_int_equal(iod_struct_out(user, &result, sizeof(in), first), -EINVAL);
	user->size = sizeof(raw); /* a newer one */
	assert_int_equal(iod_struct_in(&in, sizeof(in), user, first), 0);
	assert_int_equal(in.new, 22);
	assert_int_equal(iod_struct_out(user, &result, sizeof(in), first), 0);
	assert_int_equal(user->size, sizeof(raw));
	assert_int_equal(user->new, 2);
	((unsigned char *)raw)[sizeof(raw) - 1] = 1;
	user->old = 33;
	assert_int_equal(iod_struct_in(&in, sizeof(in), user, first), -E2BIG);
	assert_int_equal(iod_struct_out(user, &result, sizeof(in), first), -E2BIG);
	assert_int_equal(user->old, 33);
}

/* A word that crosses a cache line is not read whole: i386 aligns it to 4 only. */
static void test_shared_words_aligned(void **state)
{
	assert_int_equal(offsetof(struct iod_pgtable, top) % 8, 0);
	assert_int_equal(offsetof(struct iod_pgtable, tables) % 8, 0);
	assert_int_equal(offsetof(struct iod_pgtable, table_bytes) % 8, 0);
	assert_int_equal(offsetof(struct iod_pgtable, gathers) % 8, 0);
	assert_int_equal(offsetof(struct iod_mem, committed) % 8, 0);
	assert_int_equal(offsetof(struct iod_mem, users) % 8, 0);
	assert_int_equal(offsetof(struct iod_mem, pending) % 8, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allocator),
		cmocka_unit_test(test_allocator_of_mem),
		cmocka_unit_test(test_struct_sizes),
		cmocka_unit_test(test_shared_words_aligned),
	};

	return cmocka_run_group_tests_name("mem_ground", tests, NULL, NULL);
}
