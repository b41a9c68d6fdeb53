/* SPDX-License-Identifier: MIT */
/* What all kinds of iod_mem share: objects, accounting, and the public calls. */
#include "pgtable/mem.h"
#include "bits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A struct larger than this does not come from any version: its size was not set. */
#define STRUCT_SIZE_MAX 4096u

/* Size of the first version, from its last member. */
#define SIZE_UNTIL(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))

/* The size that a struct claims to have. @return 0, -EINVAL, -E2BIG */
static int struct_size(const void *src, size_t known, size_t min_size, size_t *size)
{
	const unsigned char *bytes = src;
	size_t i;

	if (!src)
		return -EINVAL;
	memcpy(size, src, sizeof(*size));
	if (*size < min_size)
		return -EINVAL;
	if (*size > STRUCT_SIZE_MAX)
		return -E2BIG;
	for (i = known; i < *size; i++)
		if (bytes[i])
			return -E2BIG;
	return 0;
}

int iod_struct_in(void *dst, size_t known, const void *src, size_t min_size)
{
	size_t size;
	int ret = struct_size(src, known, min_size, &size);

	if (ret)
		return ret;
	memset(dst, 0, known);
	memcpy(dst, src, size < known ? size : known);
	return 0;
}

int iod_struct_out(void *user, const void *src, size_t known, size_t min_size)
{
	size_t size;
	int ret = struct_size(user, known, min_size, &size);

	if (ret)
		return ret;
	if (size > known)
		size = known;
	memcpy((unsigned char *)user + sizeof(size), (const unsigned char *)src + sizeof(size),
	       size - sizeof(size));
	return 0;
}

static void *default_alloc(void *cookie, size_t len)
{
	return malloc(len);
}

static void default_free(void *cookie, void *ptr, size_t len)
{
	free(ptr);
}

int iod_allocator_init(struct iod_allocator *dst, const struct iod_allocator *src)
{
	static const struct iod_allocator defaults = {
		.size = sizeof(defaults),
		.alloc = default_alloc,
		.free = default_free,
	};
	struct iod_allocator allocator;
	int ret = iod_struct_in(&allocator, sizeof(allocator), src ? src : &defaults,
				SIZE_UNTIL(struct iod_allocator, cookie));

	if (ret)
		return ret;
	if (!allocator.alloc || !allocator.free)
		return -EINVAL;
	allocator.size = sizeof(allocator);
	*dst = allocator;
	return 0;
}

void *iod_zalloc(const struct iod_allocator *allocator, size_t len)
{
	void *ptr = allocator->alloc(allocator->cookie, len);

	if (ptr)
		memset(ptr, 0, len);
	return ptr;
}

void iod_zfree(const struct iod_allocator *allocator, void *ptr, size_t len)
{
	if (ptr)
		allocator->free(allocator->cookie, ptr, len);
}

void *iod_mem_zalloc(struct iod_mem *mem, size_t len)
{
	return iod_zalloc(&mem->allocator, len);
}

void iod_mem_zfree(struct iod_mem *mem, void *ptr, size_t len)
{
	iod_zfree(&mem->allocator, ptr, len);
}

void iod_mem_get(struct iod_mem *mem)
{
	__atomic_fetch_add(&mem->users, 1, __ATOMIC_RELAXED);
}

/* Release: whoever sees no users left also sees all that the last one did. */
void iod_mem_put(struct iod_mem *mem)
{
	__atomic_fetch_sub(&mem->users, 1, __ATOMIC_RELEASE);
}

void iod_mem_pending(struct iod_mem *mem, int64_t delta)
{
	__atomic_fetch_add(&mem->pending, (uint64_t)delta, __ATOMIC_RELAXED);
}

int iod_mem_init(struct iod_mem *mem, const struct mem_backend *backend, uint64_t limit)
{
	mem->backend = backend;
	mem->limit = limit;
	return pthread_mutex_init(&mem->lock, NULL) ? -ENOMEM : 0;
}

void iod_mem_fini(struct iod_mem *mem, size_t len)
{
	struct iod_allocator allocator = mem->allocator;

	pthread_mutex_destroy(&mem->lock);
	iod_zfree(&allocator, mem, len);
}

bool iod_mem_has_room(const struct iod_mem *mem, uint64_t len)
{
	return mem->bytes <= mem->limit && len <= mem->limit - mem->bytes;
}

void iod_mem_charge(struct iod_mem *mem, uint64_t len)
{
	mem->tables++;
	mem->bytes += len;
	if (mem->bytes > mem->peak_bytes)
		mem->peak_bytes = mem->bytes;
}

void iod_mem_uncharge(struct iod_mem *mem, uint64_t len)
{
	mem->tables--;
	mem->bytes -= len;
}

int iod_mem_table_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind, uint64_t max_pa,
			bool zero, uint64_t *pa)
{
	if (len_lg2 < MEM_TABLE_LG2_MIN)
		len_lg2 = MEM_TABLE_LG2_MIN;
	if (len_lg2 > MEM_TABLE_LG2_MAX)
		return -EINVAL;
	return mem->backend->alloc(mem, len_lg2, kind, max_pa, zero, pa);
}

/* -EINVAL when that is no table of that size. */
static int table_free(struct iod_mem *mem, uint64_t pa, unsigned len_lg2)
{
	if (len_lg2 < MEM_TABLE_LG2_MIN)
		len_lg2 = MEM_TABLE_LG2_MIN;
	if (len_lg2 > MEM_TABLE_LG2_MAX)
		return -EINVAL;
	return mem->backend->free(mem, pa, len_lg2);
}

void iod_mem_table_free(struct iod_mem *mem, uint64_t pa, unsigned len_lg2)
{
	(void)table_free(mem, pa, len_lg2);
}

unsigned iod_mem_tables_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind,
			      uint64_t max_pa, unsigned n, uint64_t *pa, bool *fresh)
{
	*fresh = true;
	if (len_lg2 < MEM_TABLE_LG2_MIN)
		len_lg2 = MEM_TABLE_LG2_MIN;
	if (mem->backend->alloc_many)
		return mem->backend->alloc_many(mem, len_lg2, kind, max_pa, n, pa, fresh);
	return mem->backend->alloc(mem, len_lg2, kind, max_pa, false, pa) ? 0 : 1;
}

void iod_mem_tables_free(struct iod_mem *mem, const uint64_t *pa, unsigned n, unsigned len_lg2)
{
	unsigned i;

	if (len_lg2 < MEM_TABLE_LG2_MIN)
		len_lg2 = MEM_TABLE_LG2_MIN;
	if (mem->backend->free_many)
		mem->backend->free_many(mem, pa, n, len_lg2);
	else
		for (i = 0; i < n; i++)
			iod_mem_table_free(mem, pa[i], len_lg2);
}

int iod_mem_destroy(struct iod_mem *mem)
{
	if (!mem)
		return -EINVAL;
	if (__atomic_load_n(&mem->users, __ATOMIC_ACQUIRE))
		return -EBUSY;
	mem->backend->destroy(mem);
	return 0;
}

int iod_mem_host_ptr(const struct iod_mem *mem, uint64_t pa, uint64_t len, bool write, void **out)
{
	void *ptr;

	if (!mem || !out || !len || pa % 8)
		return -EINVAL;
	ptr = iod_mem_ptr(mem, pa, len, write);
	if (!ptr)
		return -EFAULT;
	*out = ptr;
	return 0;
}

static bool table_len_ok(uint64_t len)
{
	return is_pow2(len) && len >= 1u << MEM_TABLE_LG2_MIN && len <= 1u << MEM_TABLE_LG2_MAX;
}

int iod_mem_alloc(struct iod_mem *mem, uint64_t len, uint64_t *pa)
{
	if (!mem || !pa || !table_len_ok(len))
		return -EINVAL;
	return iod_mem_table_alloc(mem, ctz64(len), MEM_UPPER, UINT64_MAX, true, pa);
}

int iod_mem_free(struct iod_mem *mem, uint64_t pa, uint64_t len)
{
	if (!mem || !table_len_ok(len))
		return -EINVAL;
	return table_free(mem, pa, ctz64(len));
}

int iod_mem_set_log(struct iod_mem *mem, void (*log)(void *cookie, int error, const char *why),
		    void *cookie)
{
	if (!mem)
		return -EINVAL;
	mem->log = log;
	mem->log_cookie = cookie;
	return 0;
}

int iod_mem_set_limit(struct iod_mem *mem, uint64_t limit)
{
	uint64_t most;

	if (!mem)
		return -EINVAL;
	most = mem->window ? mem->window_len : UINT64_MAX;
	pthread_mutex_lock(&mem->lock);
	mem->limit = limit && limit < most ? limit : most;
	pthread_mutex_unlock(&mem->lock);
	return 0;
}

int iod_mem_get_stats(const struct iod_mem *mem, struct iod_mem_stats *stats)
{
	struct iod_mem_stats now = { .size = sizeof(now) };
	pthread_mutex_t *lock;

	if (!mem)
		return -EINVAL;
	lock = (pthread_mutex_t *)&mem->lock; /* not part of the value */
	pthread_mutex_lock(lock);
	now.tables = mem->tables;
	now.bytes = mem->bytes;
	now.peak_bytes = mem->peak_bytes;
	now.limit = mem->limit;
	pthread_mutex_unlock(lock);
	now.committed = __atomic_load_n(&mem->committed, __ATOMIC_RELAXED);
	now.pending = __atomic_load_n(&mem->pending, __ATOMIC_RELAXED);
	return iod_struct_out(stats, &now, sizeof(now), SIZE_UNTIL(struct iod_mem_stats, pending));
}
