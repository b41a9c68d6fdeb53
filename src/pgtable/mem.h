/* SPDX-License-Identifier: MIT */
/**
 * @file mem.h
 * Inside of iod_mem: translation of table addresses, tables, objects, and the checks of structs that
 * begin with their size.
 *
 * An arena is one window of address space that is committed from its start, chunk by chunk: an address
 * is good iff its offset lies below `committed`. Everything else goes to the backend.
 */
#ifndef IOD_PGTABLE_MEM_H
#define IOD_PGTABLE_MEM_H

#include <pthread.h>

#include <iodirty/mem.h>

/** Whose neighbour a table becomes: leaf tables lie side by side in chunks of their own. */
enum mem_class {
	MEM_LEAF,
	MEM_UPPER,
};

#define MEM_NR_CLASSES	  2
#define MEM_TABLE_LG2_MIN 12u
#define MEM_TABLE_LG2_MAX 21u

/** What a kind of memory does; len_lg2 is within the two limits above. */
struct mem_backend {
	/** Host pointer of [pa, pa + len) that is not in the window, or NULL; len is not 0. */
	void *(*translate)(const struct iod_mem *mem, uint64_t pa, uint64_t len, bool write);
	/** As iod_mem_table_alloc(). */
	int (*alloc)(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind, uint64_t max_pa,
		     bool zero, uint64_t *pa);
	/** -EINVAL when that is no allocated table. */
	int (*free)(struct iod_mem *mem, uint64_t pa, unsigned len_lg2);
	/** As iod_mem_tables_alloc() and iod_mem_tables_free(); NULL: one by one. */
	unsigned (*alloc_many)(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind,
			       uint64_t max_pa, unsigned n, uint64_t *pa, bool *fresh);
	void (*free_many)(struct iod_mem *mem, const uint64_t *pa, unsigned n, unsigned len_lg2);
	/** Releases everything, the object included. */
	void (*destroy)(struct iod_mem *mem);
};

/**
 * What the engine knows about a leaf table without reading it. Kept outside the tables, so that it can be
 * asked for at a fraction of their cost. Bytes, relaxed: each is only ever stored.
 */
struct mem_leaf_note {
	uint8_t full;	  /**< every item is a leaf: set before anybody sees the table */
	uint8_t writable; /**< a leaf that can become dirty, or was born so, is or was in it */
	uint32_t slot;	  /**< its place in the leaf index of its page table, if that has one */
};

struct mem_nested;

struct iod_mem {
	unsigned char *window;	     /* NULL for VM memory */
	struct mem_leaf_note *notes; /* by address / 4 KiB; NULL for VM memory */
	uint64_t base_pa, window_len;
	_Alignas(8) uint64_t committed; /* bytes of the window that may be touched; only grows */
	const struct mem_backend *backend;
	const struct mem_nested
		*nested; /* NULL: table addresses are final; else see mem_nested.c */
	struct iod_allocator allocator;
	void (*log)(void *cookie, int error, const char *why);
	void *log_cookie;
	_Alignas(8) uint64_t users;   /* page tables, gathers, nested memories; atomic */
	_Alignas(8) uint64_t pending; /* detached tables that wait; atomic */

	pthread_mutex_t lock; /* what follows, and what the backend says */
	uint64_t tables, bytes, peak_bytes, limit;
};

/** Host pointer of [pa, pa + len) or NULL; len > 0, pa is a multiple of 8. */
static inline void *iod_mem_ptr(const struct iod_mem *mem, uint64_t pa, uint64_t len, bool write)
{
	uint64_t committed = __atomic_load_n(&mem->committed, __ATOMIC_ACQUIRE);
	uint64_t off = pa - mem->base_pa;

	if (off < committed && len <= committed - off)
		return mem->window + off;
	return mem->backend->translate(mem, pa, len, write);
}

/** Host pointer of a table in an arena, or NULL: for what is only a hint. */
static inline void *iod_mem_hint_ptr(const struct iod_mem *mem, uint64_t pa)
{
	uint64_t off = pa - mem->base_pa;

	return off < __atomic_load_n(&mem->committed, __ATOMIC_RELAXED) ? mem->window + off : NULL;
}

/** The note on the table at @p pa, or NULL when none is kept. */
static inline struct mem_leaf_note *iod_mem_note(const struct iod_mem *mem, uint64_t pa)
{
	uint64_t off = pa - mem->base_pa;

	return off < mem->window_len && mem->notes ? &mem->notes[off >> MEM_TABLE_LG2_MIN] : NULL;
}

/**
 * Allocate a naturally aligned table of 2^len_lg2 bytes, at least 4 KiB and at most 2 MiB, that lies
 * wholly at or below @p max_pa; zeroed when @p zero, else its contents are undefined.
 * @return 0, -ENOMEM, -EOPNOTSUPP (VM memory without alloc_table), -EINVAL
 */
int iod_mem_table_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind, uint64_t max_pa,
			bool zero, uint64_t *pa);

/** Free it at once; an address that is not an allocated table of that size is ignored. */
void iod_mem_table_free(struct iod_mem *mem, uint64_t pa, unsigned len_lg2);

/**
 * Allocate up to @p n tables whose contents are undefined, side by side where possible.
 * @param fresh whether memory among them may never have been touched
 * @return how many; 0 when there is no memory
 */
unsigned iod_mem_tables_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind,
			      uint64_t max_pa, unsigned n, uint64_t *pa, bool *fresh);

/** Free n tables, as iod_mem_table_free(). */
void iod_mem_tables_free(struct iod_mem *mem, const uint64_t *pa, unsigned n, unsigned len_lg2);

/** Address space for @p len bytes, zero and without memory until it is written; NULL when there is none. */
void *iod_mem_reserve(uint64_t len);
void iod_mem_unreserve(void *ptr, uint64_t len);

/** Zeroed memory for an object, or NULL. */
void *iod_mem_zalloc(struct iod_mem *mem, size_t len);
void iod_mem_zfree(struct iod_mem *mem, void *ptr, size_t len);

/** Say why, to whom it may concern, and return the error. */
static inline int iod_refuse(const struct iod_mem *mem, int error, const char *why)
{
	if (mem->log)
		mem->log(mem->log_cookie, error, why);
	return error;
}

/** Count a user in and out: iod_mem_destroy() is refused while there are any. */
void iod_mem_get(struct iod_mem *mem);
void iod_mem_put(struct iod_mem *mem);

/** Change the number of detached tables that wait for a sync. */
void iod_mem_pending(struct iod_mem *mem, int64_t delta);

/** Copy an allocator after checking it; @p src NULL: malloc and free. @return 0, -EINVAL, -E2BIG */
int iod_allocator_init(struct iod_allocator *dst, const struct iod_allocator *src);

/** Zeroed memory, or NULL. */
void *iod_zalloc(const struct iod_allocator *allocator, size_t len);

/** Free it; @p ptr may be NULL. */
void iod_zfree(const struct iod_allocator *allocator, void *ptr, size_t len);

/**
 * Take in a struct that begins with its size: copies what both sides know, zeroes the rest of @p dst.
 * @param known    sizeof *dst
 * @param min_size its size in the first version
 * @return 0; -EINVAL @p src is NULL or smaller than @p min_size; -E2BIG it sets what is not known here
 */
int iod_struct_in(void *dst, size_t known, const void *src, size_t min_size);

/**
 * Give out a struct that begins with its size: fills what both sides know but for the size. What the
 * caller has beyond @p known is left alone, and must be zero.
 * @return as iod_struct_in()
 */
int iod_struct_out(void *user, const void *src, size_t known, size_t min_size);

/* For the backends. */

/** Initialise the common part. The caller has zeroed it and set its allocator. @return 0, -ENOMEM */
int iod_mem_init(struct iod_mem *mem, const struct mem_backend *backend, uint64_t limit);

/** Release the common part and the object, of @p len bytes, that begins with it. */
void iod_mem_fini(struct iod_mem *mem, size_t len);

/* Under the lock: whether the limit allows another table; count one in; count one out. */
bool iod_mem_has_room(const struct iod_mem *mem, uint64_t len);
void iod_mem_charge(struct iod_mem *mem, uint64_t len);
void iod_mem_uncharge(struct iod_mem *mem, uint64_t len);

#endif
