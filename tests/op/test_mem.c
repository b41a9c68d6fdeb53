/* SPDX-License-Identifier: MIT */
/*
 * The arena. Expected addresses follow from its rules: 2 MiB chunks in order, one size and class each, lowest first.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pgtable/mem.h"

#define K4	     UINT64_C(0x1000)
#define M2	     UINT64_C(0x200000)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct iod_mem_arena_cfg arena_cfg(uint64_t base_pa, uint64_t window)
{
	return (struct iod_mem_arena_cfg){
		.size = sizeof(struct iod_mem_arena_cfg),
		.base_pa = base_pa,
		.window = window,
	};
}

static struct iod_mem *arena(uint64_t base_pa, uint64_t window)
{
	struct iod_mem_arena_cfg cfg = arena_cfg(base_pa, window);
	struct iod_mem *mem = NULL;

	assert_int_equal(iod_mem_create_arena(&mem, &cfg), 0);
	assert_non_null(mem);
	return mem;
}

static struct iod_mem_stats stats_of(const struct iod_mem *mem)
{
	struct iod_mem_stats stats = { .size = sizeof(stats) };

	assert_int_equal(iod_mem_get_stats(mem, &stats), 0);
	return stats;
}

/* Allocate a table that may lie anywhere; UINT64_MAX when there is no memory. */
static uint64_t table(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind)
{
	uint64_t pa = UINT64_MAX;
	int ret = iod_mem_table_alloc(mem, len_lg2, kind, UINT64_MAX, true, &pa);

	assert_true(ret ? ret == -ENOMEM && pa == UINT64_MAX : pa != UINT64_MAX);
	return pa;
}

static bool all_bytes(const void *ptr, unsigned char value, size_t len)
{
	const unsigned char *bytes = ptr;

	while (len && *bytes == value) {
		bytes++;
		len--;
	}
	return !len;
}

static void test_arena_bad_config(void **state)
{
	const struct {
		struct iod_mem_arena_cfg cfg;
		int ret;
	} rows[] = {
		{ { .size = sizeof(rows[0].cfg), .base_pa = 4096 }, -EINVAL },
		{ { .size = sizeof(rows[0].cfg), .base_pa = M2 + 1 }, -EINVAL },
		{ { .size = sizeof(rows[0].cfg), .window = M2 / 2 }, -EINVAL },
		{ { .size = sizeof(rows[0].cfg), .window = M2 + K4 }, -EINVAL },
		{ { .size = sizeof(rows[0].cfg), .flags = 2 }, -EINVAL },
		{ { .size = sizeof(rows[0].cfg), .reserved = 1 }, -EINVAL },
		{ { .size = sizeof(rows[0].cfg), .base_pa = 0 - M2, .window = 2 * M2 }, -EINVAL },
		{ { .size = sizeof(rows[0].cfg), .window = 0 - 2 * M2 }, -ENOMEM },
		{ { .size = 0 }, -EINVAL },
		{ { .size = sizeof(rows[0].cfg) - 1 }, -EINVAL },
		{ { .size = SIZE_MAX }, -E2BIG },
	};
	struct {
		struct iod_mem_arena_cfg cfg;
		unsigned char tail[8];
	} newer = { arena_cfg(M2, M2), { 0 } };
	struct iod_mem *mem = NULL;
	size_t i;

	for (i = 0; i < COUNT(rows); i++)
		assert_int_equal(iod_mem_create_arena(&mem, &rows[i].cfg), rows[i].ret);
	assert_int_equal(iod_mem_create_arena(NULL, NULL), -EINVAL);
	newer.cfg.size = sizeof(newer);
	newer.tail[7] = 1;
	assert_int_equal(iod_mem_create_arena(&mem, &newer.cfg), -E2BIG);
	assert_null(mem);
	newer.tail[7] = 0;
	assert_int_equal(iod_mem_create_arena(&mem, &newer.cfg), 0);
	assert_int_equal(iod_mem_destroy(mem), 0);
	mem = arena(0 - M2, M2); /* up to 2^64 */
	assert_int_equal(table(mem, 21, MEM_LEAF), 0 - M2);
	assert_non_null(iod_mem_ptr(mem, 0 - UINT64_C(8), 8, true));
	assert_null(iod_mem_ptr(mem, 0 - UINT64_C(8), 16, true));
	assert_int_equal(iod_mem_destroy(mem), 0);
}

static void test_arena_defaults(void **state)
{
	struct iod_mem_stats stats;
	struct iod_mem *mem;
	void *host;

	assert_int_equal(iod_mem_create_arena(&mem, NULL), 0);
	stats = stats_of(mem);
	assert_true(stats.limit >= UINT64_C(1) << 29 && stats.limit <= UINT64_C(1) << 36);
	assert_int_equal(stats.tables | stats.bytes | stats.peak_bytes | stats.committed, 0);
	assert_int_equal(iod_mem_host_ptr(mem, M2, 8, false, &host), -EFAULT);
	assert_int_equal(table(mem, 12, MEM_LEAF), M2);
	assert_int_equal(stats_of(mem).committed, M2);
	assert_int_equal(iod_mem_host_ptr(mem, M2, 8, false, &host), 0);
	assert_int_equal((uintptr_t)host % M2, 0);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

/* Sanitizers and valgrind keep tables of their own there. */
static bool address_space_is_ours(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (!file)
		return false;
	if (fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages && pages < 131072;
}

/* In a child, whose address space is cut down: a default arena is a smaller one, another fails. */
static int scarce_child(void)
{
	const struct iod_mem_arena_cfg cfg = arena_cfg(0, UINT64_C(1) << 34);
	const struct rlimit limit = { (rlim_t)9 << 30, (rlim_t)9 << 30 };
	struct iod_mem_stats stats = { .size = sizeof(stats) };
	struct iod_mem *mem = NULL;
	uint64_t pa;

	if (setrlimit(RLIMIT_AS, &limit))
		return 77;
	if (iod_mem_create_arena(&mem, &cfg) != -ENOMEM || mem)
		return 1;
	if (iod_mem_create_arena(&mem, NULL) || iod_mem_get_stats(mem, &stats))
		return 2;
	if (stats.limit != UINT64_C(8) << 30 || iod_mem_alloc(mem, K4, &pa) || pa != M2)
		return 3;
	return iod_mem_destroy(mem) ? 4 : 0;
}

static void test_scarce_address_space(void **state)
{
	int status;
	pid_t pid;

	if (sizeof(void *) < 8 || !address_space_is_ours())
		skip();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(scarce_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_null_and_ranges(void **state)
{
	struct iod_mem *mem = arena(16 * M2, 4 * M2);
	struct iod_mem_stats stats = { .size = sizeof(stats) };
	uint64_t pa = table(mem, 12, MEM_UPPER);
	void *host, *last;

	assert_int_equal(pa, 16 * M2);
	assert_int_equal(iod_mem_destroy(NULL), -EINVAL);
	assert_int_equal(iod_mem_host_ptr(NULL, pa, 8, false, &host), -EINVAL);
	assert_int_equal(iod_mem_host_ptr(mem, pa, 8, false, NULL), -EINVAL);
	assert_int_equal(iod_mem_host_ptr(mem, pa, 0, false, &host), -EINVAL);
	assert_int_equal(iod_mem_host_ptr(mem, pa + 4, 8, false, &host), -EINVAL);
	assert_int_equal(iod_mem_set_limit(NULL, 1), -EINVAL);
	assert_int_equal(iod_mem_get_stats(NULL, &stats), -EINVAL);
	assert_int_equal(iod_mem_get_stats(mem, NULL), -EINVAL);
	stats.size--;
	assert_int_equal(iod_mem_get_stats(mem, &stats), -EINVAL);

	/* One chunk is committed: from its first byte to its last, and not one beyond. */
	assert_int_equal(iod_mem_host_ptr(mem, pa, M2, true, &host), 0);
	assert_int_equal(iod_mem_host_ptr(mem, pa + M2 - 8, 8, true, &last), 0);
	assert_ptr_equal(last, (char *)host + M2 - 8);
	assert_int_equal(iod_mem_host_ptr(mem, pa + M2 - 8, 9, true, &host), -EFAULT);
	assert_int_equal(iod_mem_host_ptr(mem, pa, M2 + 1, true, &host), -EFAULT);
	assert_int_equal(iod_mem_host_ptr(mem, pa + M2, 1, false, &host), -EFAULT);
	assert_int_equal(iod_mem_host_ptr(mem, pa - 8, 8, false, &host), -EFAULT);
	assert_int_equal(iod_mem_host_ptr(mem, pa - 8, 16, false, &host), -EFAULT);
	assert_int_equal(iod_mem_host_ptr(mem, pa + 8, UINT64_MAX, false, &host), -EFAULT);
	assert_int_equal(iod_mem_host_ptr(mem, pa + 8, 0 - pa, false, &host), -EFAULT);
	assert_int_equal(iod_mem_host_ptr(mem, 0, 8, false, &host), -EFAULT);
	assert_int_equal(iod_mem_host_ptr(mem, UINT64_MAX - 7, 8, false, &host), -EFAULT);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

static void test_alloc_and_free(void **state)
{
	static const uint64_t bad_len[] = {
		0, 1, 2048, K4 - 1, K4 + 1, 3 * K4, 2 * M2, UINT64_MAX
	};
	struct iod_mem *mem = arena(M2, 8 * M2);
	uint64_t pa, other;
	size_t i;
	void *host;

	assert_int_equal(iod_mem_alloc(NULL, K4, &pa), -EINVAL);
	assert_int_equal(iod_mem_alloc(mem, K4, NULL), -EINVAL);
	assert_int_equal(iod_mem_free(NULL, M2, K4), -EINVAL);
	assert_int_equal(iod_mem_free(mem, M2, K4), -EINVAL); /* nothing was allocated yet */
	assert_int_equal(iod_mem_alloc(mem, 4 * K4, &pa), 0);
	for (i = 0; i < COUNT(bad_len); i++) {
		assert_int_equal(iod_mem_alloc(mem, bad_len[i], &other), -EINVAL);
		assert_int_equal(iod_mem_free(mem, pa, bad_len[i]), -EINVAL);
	}
	assert_int_equal(iod_mem_free(mem, pa, K4), -EINVAL);
	assert_int_equal(iod_mem_free(mem, pa, 8 * K4), -EINVAL);
	assert_int_equal(iod_mem_free(mem, pa + K4, 4 * K4), -EINVAL);
	assert_int_equal(iod_mem_free(mem, pa + 4 * K4, 4 * K4), -EINVAL); /* free already */
	assert_int_equal(iod_mem_free(mem, pa + M2, 4 * K4), -EINVAL);
	assert_int_equal(iod_mem_free(mem, pa - M2, 4 * K4), -EINVAL);
	assert_int_equal(iod_mem_free(mem, 0 - M2, 4 * K4), -EINVAL);
	iod_mem_table_free(mem, pa + 1, 14); /* ignored, all of them */
	iod_mem_table_free(mem, pa + 4 * K4, 14);
	iod_mem_table_free(mem, pa, 22);
	iod_mem_table_free(mem, UINT64_MAX, 14);
	assert_int_equal(stats_of(mem).tables, 1);
	assert_int_equal(iod_mem_host_ptr(mem, pa, 4 * K4, true, &host), 0);
	assert_true(all_bytes(host, 0, 4 * K4));
	assert_int_equal(iod_mem_free(mem, pa, 4 * K4), 0);
	assert_int_equal(iod_mem_free(mem, pa, 4 * K4), -EINVAL); /* twice */
	iod_mem_table_free(mem, pa, 14);
	assert_int_equal(stats_of(mem).tables, 0);
	assert_int_equal(stats_of(mem).bytes, 0);
	assert_int_equal(stats_of(mem).peak_bytes, 4 * K4);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

static void test_alignment(void **state)
{
	struct iod_mem *mem = arena(M2, 64 * M2);
	unsigned lg2, i;
	uint64_t pa;

	for (lg2 = 12; lg2 <= 21; lg2++) {
		for (i = 0; i < 3; i++) {
			pa = table(mem, lg2, i & 1 ? MEM_LEAF : MEM_UPPER);
			assert_int_equal(pa % (UINT64_C(1) << lg2), 0);
			assert_int_equal((uintptr_t)iod_mem_ptr(mem, pa, UINT64_C(1) << lg2, true) %
						 (UINT64_C(1) << lg2),
					 0);
		}
	}
	/* A 32-byte root takes 4 KiB; more than 2 MiB is not to be had. */
	i = (unsigned)stats_of(mem).bytes;
	pa = table(mem, 5, MEM_UPPER);
	assert_int_equal(pa % K4, 0);
	assert_int_equal(stats_of(mem).bytes - i, K4);
	iod_mem_table_free(mem, pa, 5);
	assert_int_equal(stats_of(mem).bytes, i);
	assert_int_equal(iod_mem_table_alloc(mem, 22, MEM_LEAF, UINT64_MAX, true, &pa), -EINVAL);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

/* A chunk for each class and size, tables of one kind side by side whatever comes between. */
static void test_side_by_side(void **state)
{
	struct iod_mem *mem = arena(M2, 64 * M2);
	uint64_t i;

	assert_int_equal(table(mem, 12, MEM_LEAF), M2);
	assert_int_equal(table(mem, 12, MEM_UPPER), 2 * M2);
	assert_int_equal(table(mem, 16, MEM_LEAF), 3 * M2);
	assert_int_equal(table(mem, 21, MEM_LEAF), 4 * M2);
	assert_int_equal(table(mem, 21, MEM_LEAF), 5 * M2);
	for (i = 1; i < 512; i++) {
		assert_int_equal(table(mem, 12, MEM_LEAF), M2 + i * K4);
		assert_int_equal(table(mem, 12, MEM_UPPER), 2 * M2 + i * K4);
	}
	for (i = 1; i < 32; i++)
		assert_int_equal(table(mem, 16, MEM_LEAF), 3 * M2 + i * 16 * K4);
	assert_int_equal(table(mem, 12, MEM_LEAF), 6 * M2);
	assert_int_equal(table(mem, 16, MEM_LEAF), 7 * M2);
	assert_int_equal(table(mem, 12, MEM_LEAF), 6 * M2 + K4);
	assert_int_equal(stats_of(mem).committed, 7 * M2);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

static void test_recycling(void **state)
{
	struct iod_mem *mem = arena(M2, 64 * M2);
	uint64_t i;

	for (i = 0; i < 1024; i++) {
		assert_int_equal(table(mem, 12, MEM_LEAF), M2 + i * K4);
		memset(iod_mem_ptr(mem, M2 + i * K4, K4, true), 0xa5, K4);
	}
	/* In address order, zeroed, whatever the order in which they were freed. */
	iod_mem_table_free(mem, M2 + 700 * K4, 12);
	iod_mem_table_free(mem, M2 + 3 * K4, 12);
	iod_mem_table_free(mem, M2 + 600 * K4, 12);
	iod_mem_table_free(mem, M2 + 2 * K4, 12);
	assert_int_equal(table(mem, 12, MEM_LEAF), M2 + 2 * K4);
	assert_int_equal(table(mem, 12, MEM_LEAF), M2 + 3 * K4);
	assert_int_equal(table(mem, 12, MEM_LEAF), M2 + 600 * K4);
	assert_int_equal(table(mem, 12, MEM_LEAF), M2 + 700 * K4);
	assert_int_equal(table(mem, 12, MEM_LEAF), M2 + 1024 * K4);
	assert_true(all_bytes(iod_mem_ptr(mem, M2 + 3 * K4, K4, false), 0, K4));
	assert_true(all_bytes(iod_mem_ptr(mem, M2 + 4 * K4, K4, false), 0xa5, K4));

	/* A chunk that became empty serves another kind, zeroed too. */
	for (i = 512; i < 1024; i++)
		iod_mem_table_free(mem, M2 + i * K4, 12);
	assert_int_equal(table(mem, 16, MEM_UPPER), 2 * M2);
	assert_true(all_bytes(iod_mem_ptr(mem, 2 * M2, 16 * K4, false), 0, 16 * K4));
	assert_true(all_bytes(iod_mem_ptr(mem, 2 * M2 + 16 * K4, K4, false), 0xa5, K4));
	assert_int_equal(table(mem, 12, MEM_LEAF), M2 + 1025 * K4);
	iod_mem_table_free(mem, 2 * M2, 16);
	assert_int_equal(table(mem, 21, MEM_LEAF), 2 * M2);
	assert_true(all_bytes(iod_mem_ptr(mem, 2 * M2, M2, false), 0, M2));
	assert_int_equal(stats_of(mem).committed, 3 * M2);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

/* More chunks than one word of a set holds: the lowest is found over the levels. */
static void test_many_chunks(void **state)
{
	struct iod_mem *mem = arena(M2, 300 * M2);
	uint64_t i;

	for (i = 0; i < 300; i++)
		assert_int_equal(table(mem, 21, i & 1 ? MEM_LEAF : MEM_UPPER), M2 + i * M2);
	assert_int_equal(table(mem, 12, MEM_LEAF), UINT64_MAX);
	iod_mem_table_free(mem, 280 * M2, 21);
	iod_mem_table_free(mem, 65 * M2, 21);
	iod_mem_table_free(mem, 64 * M2, 21);
	assert_int_equal(table(mem, 12, MEM_LEAF), 64 * M2);
	assert_int_equal(table(mem, 12, MEM_UPPER), 65 * M2);
	assert_int_equal(table(mem, 13, MEM_UPPER), 280 * M2);
	assert_int_equal(table(mem, 13, MEM_LEAF), UINT64_MAX);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

static void test_max_pa(void **state)
{
	const uint64_t g4 = UINT64_C(1) << 32;
	struct iod_mem *mem = arena(g4 - M2, 4 * M2);
	uint64_t pa, i;

	for (i = 0; i < 512; i++)
		assert_int_equal(iod_mem_table_alloc(mem, 12, MEM_UPPER, g4 - 1, true, &pa), 0);
	assert_int_equal(pa, g4 - K4);
	assert_int_equal(iod_mem_table_alloc(mem, 12, MEM_UPPER, g4 - 1, true, &pa), -ENOMEM);
	assert_int_equal(iod_mem_table_alloc(mem, 12, MEM_UPPER, g4 + K4 - 2, true, &pa), -ENOMEM);
	assert_int_equal(stats_of(mem).committed, M2); /* nothing was taken in vain */
	assert_int_equal(iod_mem_table_alloc(mem, 12, MEM_UPPER, g4 + K4 - 1, true, &pa), 0);
	assert_int_equal(pa, g4);
	assert_int_equal(iod_mem_table_alloc(mem, 12, MEM_UPPER, g4 + K4 - 1, true, &pa), -ENOMEM);
	assert_int_equal(iod_mem_table_alloc(mem, 12, MEM_UPPER, 0, true, &pa), -ENOMEM);
	iod_mem_table_free(mem, g4 - 8 * K4, 12);
	assert_int_equal(iod_mem_table_alloc(mem, 12, MEM_UPPER, g4 - 1, true, &pa), 0);
	assert_int_equal(pa, g4 - 8 * K4);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

static void test_limit_and_exhaustion(void **state)
{
	struct iod_mem_arena_cfg cfg = arena_cfg(M2, 2 * M2);
	struct iod_mem *mem;
	uint64_t pa, i;

	cfg.limit = 3 * K4 + 1;
	assert_int_equal(iod_mem_create_arena(&mem, &cfg), 0);
	assert_int_equal(stats_of(mem).limit, 3 * K4 + 1);
	assert_int_equal(iod_mem_alloc(mem, 4 * K4, &pa), -ENOMEM);
	for (i = 0; i < 3; i++)
		assert_int_equal(table(mem, 12, MEM_LEAF), M2 + i * K4);
	assert_int_equal(table(mem, 12, MEM_LEAF), UINT64_MAX);
	assert_int_equal(iod_mem_set_limit(mem, 4 * K4), 0);
	assert_int_equal(table(mem, 12, MEM_LEAF), M2 + 3 * K4);
	assert_int_equal(iod_mem_set_limit(mem, 1), 0); /* below what is there */
	assert_int_equal(table(mem, 12, MEM_LEAF), UINT64_MAX);
	iod_mem_table_free(mem, M2, 12);
	assert_int_equal(table(mem, 12, MEM_LEAF), UINT64_MAX);
	assert_int_equal(iod_mem_set_limit(mem, 0), 0);
	assert_int_equal(stats_of(mem).limit, 2 * M2);
	assert_int_equal(iod_mem_set_limit(mem, UINT64_MAX), 0);
	assert_int_equal(stats_of(mem).limit, 2 * M2);

	while (table(mem, 12, MEM_LEAF) != UINT64_MAX)
		;
	assert_int_equal(stats_of(mem).tables, 1024);
	assert_int_equal(stats_of(mem).bytes, 2 * M2);
	assert_int_equal(stats_of(mem).peak_bytes, 2 * M2);
	assert_int_equal(table(mem, 21, MEM_UPPER), UINT64_MAX);
	iod_mem_table_free(mem, M2 + 77 * K4, 12);
	assert_int_equal(table(mem, 12, MEM_UPPER), UINT64_MAX); /* the chunk is a leaf chunk */
	assert_int_equal(table(mem, 12, MEM_LEAF), M2 + 77 * K4);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

static void test_users_and_pending(void **state)
{
	struct iod_mem *mem = arena(M2, M2);

	iod_mem_get(mem);
	iod_mem_get(mem);
	assert_int_equal(iod_mem_destroy(mem), -EBUSY);
	iod_mem_put(mem);
	assert_int_equal(iod_mem_destroy(mem), -EBUSY);
	iod_mem_pending(mem, 3);
	iod_mem_pending(mem, -1);
	assert_int_equal(stats_of(mem).pending, 2);
	iod_mem_put(mem);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

struct churn {
	struct iod_mem *mem;
	uint64_t tag;
	int errors;
};

/* Allocate, mark, look whether anybody else wrote there, free. */
static void *churn(void *arg)
{
	struct churn *churn = arg;
	uint64_t pa[64] = { 0 };
	unsigned i, slot;

	for (i = 0; i < 6400; i++) {
		unsigned lg2;
		uint64_t *word;

		slot = i * 5 % 64;
		lg2 = slot & 1 ? 12 : 14;
		if (pa[slot]) {
			word = iod_mem_ptr(churn->mem, pa[slot], 8, true);
			churn->errors += *word != (churn->tag | pa[slot]);
			iod_mem_table_free(churn->mem, pa[slot], lg2);
		}
		if (iod_mem_table_alloc(churn->mem, lg2, i & 2 ? MEM_LEAF : MEM_UPPER, UINT64_MAX,
					true, &pa[slot])) {
			churn->errors++;
			break;
		}
		word = iod_mem_ptr(churn->mem, pa[slot], 8, true);
		churn->errors += *word != 0;
		*word = churn->tag | pa[slot];
	}
	for (slot = 0; slot < 64; slot++)
		iod_mem_table_free(churn->mem, pa[slot], slot & 1 ? 12 : 14);
	return NULL;
}

static void test_threads(void **state)
{
	struct iod_mem *mem = arena(M2, 64 * M2);
	struct churn churns[4];
	pthread_t threads[4];
	unsigned i;

	for (i = 0; i < 4; i++) {
		churns[i] = (struct churn){ mem, (uint64_t)(i + 1) << 56, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, churn, &churns[i]), 0);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(churns[i].errors, 0);
	}
	assert_int_equal(stats_of(mem).tables, 0);
	assert_int_equal(stats_of(mem).bytes, 0);
	assert_int_equal(iod_mem_destroy(mem), 0);
}

/* An allocator that fails on demand and checks that lengths come back as they went out. */
struct counting {
	long live;
	long left; /* allocations until it fails; negative: never */
};

static void *counting_alloc(void *cookie, size_t len)
{
	struct counting *counting = cookie;
	size_t *ptr;

	if (!counting->left)
		return NULL;
	counting->left--;
	ptr = malloc(16 + len);
	if (!ptr)
		return NULL;
	counting->live++;
	memset(ptr, 0x5a, 16 + len);
	*ptr = len;
	return (char *)ptr + 16;
}

static void counting_free(void *cookie, void *ptr, size_t len)
{
	struct counting *counting = cookie;
	size_t *head = (size_t *)(void *)((char *)ptr - 16);

	assert_int_equal(*head, len);
	counting->live--;
	free(head);
}

static void test_every_allocation_fails_once(void **state)
{
	struct counting counting = { 0, 0 };
	struct iod_allocator allocator = { sizeof(allocator), counting_alloc, counting_free,
					   &counting };
	struct iod_mem_arena_cfg cfg = arena_cfg(M2, 64 * M2);
	uint64_t pa;
	int n, i, ret;

	cfg.allocator = &allocator;
	for (n = 0, ret = -ENOMEM; ret; n++) {
		struct iod_mem *mem;

		assert_true(n < 20);
		counting.left = n;
		ret = iod_mem_create_arena(&mem, &cfg);
		if (!ret) {
			for (i = 0; i < 20 && !ret; i++) /* the 17th chunk makes the array grow */
				ret = iod_mem_table_alloc(mem, 21, MEM_LEAF, UINT64_MAX, true, &pa);
			if (!ret)
				ret = iod_mem_table_alloc(mem, 12, MEM_UPPER, UINT64_MAX, true,
							  &pa);
			assert_int_equal(stats_of(mem).tables, ret ? i - (i < 20) : 21);
			assert_int_equal(iod_mem_destroy(mem), 0);
		}
		assert_true(!ret || ret == -ENOMEM);
		assert_int_equal(counting.live, 0);
	}
	assert_int_equal(n, 7); /* object, spare set, two sets, array twice, and none */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_bad_config),
		cmocka_unit_test(test_arena_defaults),
		cmocka_unit_test(test_null_and_ranges),
		cmocka_unit_test(test_alloc_and_free),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_recycling),
		cmocka_unit_test(test_many_chunks),
		cmocka_unit_test(test_max_pa),
		cmocka_unit_test(test_limit_and_exhaustion),
		cmocka_unit_test(test_users_and_pending),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_every_allocation_fails_once),
		cmocka_unit_test(test_scarce_address_space),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
