/* SPDX-License-Identifier: MIT */
/**
 * @file mem.h
 * iod_mem: where tables live. A library-owned arena, the memory of a VM, or that memory as a guest
 * addresses it, behind a second stage of translation.
 *
 * A table address (pa) is what table entries hold; iod_mem translates it to a host pointer with
 * bounds checked, and allocates and frees tables. One iod_mem may serve any number of page tables.
 *
 * Locking: every function but create and destroy may be called from any thread at any time.
 */
#ifndef IODIRTY_MEM_H
#define IODIRTY_MEM_H

#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Configuration of an arena. */
struct iod_mem_arena_cfg {
	size_t size; /**< sizeof(struct iod_mem_arena_cfg) */
	/** table address of the arena's first byte, a multiple of 2 MiB; 0: 2 MiB */
	uint64_t base_pa;
	uint64_t window; /**< address space to reserve in bytes, a multiple of 2 MiB;
			       0: 64 GiB, or less where address space is scarce (512 MiB on
			       32-bit hosts). Only what is used takes memory. */
	uint64_t limit;	 /**< most bytes of tables at a time; 0: the window */
	const struct iod_allocator *allocator; /**< for objects; NULL: malloc */
	uint32_t flags;			       /**< 0 or IOD_ARENA_* */
	uint32_t reserved;		       /**< 0 */
};

/** Do not ask the operating system for huge pages. */
#define IOD_ARENA_NO_HUGEPAGES (1u << 0)

/**
 * Create an arena: one reserved window of address space, populated in 2 MiB-aligned chunks (huge
 * pages where the system gives them). Leaf tables are handed out side by side in address order.
 * @param out receives the object
 * @param cfg configuration; NULL for the defaults
 * @return 0, -EINVAL, -E2BIG, -ENOMEM
 */
IOD_API int iod_mem_create_arena(struct iod_mem **out, const struct iod_mem_arena_cfg *cfg);

/** One piece of VM memory that the host has mapped. */
struct iod_mem_region {
	uint64_t pa;	   /**< first address, a multiple of 8 */
	uint64_t len;	   /**< bytes, a multiple of 8 */
	void *host;	   /**< where it is mapped, aligned to 8 */
	uint32_t flags;	   /**< 0 or IOD_REGION_READONLY */
	uint32_t reserved; /**< 0 */
};

/** The library must not write there (nor set Accessed or Dirty, nor clear them). */
#define IOD_REGION_READONLY (1u << 0)

/** VM memory through callbacks. */
struct iod_mem_vm_ops {
	size_t size; /**< sizeof(struct iod_mem_vm_ops) */
	/** Host pointer of [pa, pa + len), aligned to 8, or NULL when the range is not (wholly) there
	 *  or, with @p write, not writable. The pointer must stay valid until iod_mem_destroy().
	 *  NULL: regions only. Asked after the regions. */
	void *(*translate)(void *cookie, uint64_t pa, uint64_t len, bool write);
	/** Allocate @p len bytes (a power of two) aligned to @p len, zeroed. NULL: no table can be
	 *  allocated, mapping into such memory that needs a table is -ENOMEM. */
	int (*alloc_table)(void *cookie, uint64_t len, uint64_t *pa);
	/** A table that the library does not use any more; called after sync and grace period. */
	void (*free_table)(void *cookie, uint64_t pa, uint64_t len);
};

/** Configuration of VM memory. */
struct iod_mem_vm_cfg {
	size_t size;			       /**< sizeof(struct iod_mem_vm_cfg) */
	const struct iod_mem_region *regions;  /**< copied; may not overlap; any order */
	size_t nr_regions;		       /**< may be 0 with ops */
	const struct iod_mem_vm_ops *ops;      /**< copied; NULL: regions only */
	void *cookie;			       /**< handed to ops */
	const struct iod_allocator *allocator; /**< for objects; NULL: malloc */
};

/**
 * Create an iod_mem over VM memory, for tables that a guest owns and that are never trusted.
 * @param out receives the object
 * @param cfg regions or ops (or both) must be given
 * @return 0, -EINVAL (also overlapping, wrapping or misaligned regions), -E2BIG, -ENOMEM
 */
IOD_API int iod_mem_create_vm(struct iod_mem **out, const struct iod_mem_vm_cfg *cfg);

/** Hardware that reads a first-stage entry wants stage 2's write permission as well, since it might have to mark it:
 *  VT-d with second-stage Accessed and Dirty (bits.md A2.3 rule 9). It marks nothing by it. */
#define IOD_MEM_NESTED_READ_WANTS_WRITE (1u << 0)

/** Configuration of nested memory. */
struct iod_mem_nested_cfg {
	size_t size; /**< sizeof(struct iod_mem_nested_cfg) */
	/** Translates the addresses of this memory, which are intermediate physical ones. Its own tables
	 *  may not lie in nested memory. */
	struct iod_pgtable *stage2;
	/** What hardware walking tables in this memory has cached of stage2: not one with IOD_IOTLB_ATC.
	 *  From now on it takes no accesses of tables in nested memory. May be used for accesses to stage2
	 *  alone, and by any number of nested memories. */
	struct iod_iotlb *tlb;
	/** Where the output addresses of stage2 lie; not nested. NULL: where stage2's tables live. */
	struct iod_mem *memory;
	const struct iod_allocator *allocator; /**< for objects; NULL: malloc */
	uint32_t flags;			       /**< 0 or IOD_MEM_NESTED_* */
	uint32_t reserved;		       /**< 0 */
};

/**
 * Create an iod_mem whose addresses @p cfg->stage2 translates: for first-stage tables that a guest built
 * in its own memory. Attach them with iod_pgtable_attach(), which looks no further than at the address of
 * their root: whether that is there is asked at each walk. No table can be allocated in it (-EOPNOTSUPP).
 *
 * - The library's own lookups (iod_mem_host_ptr(), iod_translate(), iod_visit(), iod_sweep(), ...) go by
 *   stage2 as it is in memory and leave no trace in it. Reading wants its read permission, writing
 *   both (a writable-clean page is writable). Writing marks nothing dirty: who writes there by software
 *   reports that himself (iod_dirty_log_mark_dirty()). A range over several pages must be contiguous for the
 *   host too, else it is -EFAULT. What iod_translate() finds in a table there is the first stage's:
 *   intermediate physical addresses.
 * - iod_iotlb_access() and iod_iotlb_dma() do what hardware does: each fetch of a first-stage entry is a
 *   read through stage2, each Accessed or Dirty update a write, and the output address is translated by
 *   stage2 too; all that through @p cfg->tlb. The iotlb asked remembers the combined translation,
 *   under the first stage's domain. So a change of stage2 wants both told, in this order: @p cfg->tlb of the
 *   addresses changed, then each iotlb used for first stages of their domains.
 *
 * Locking: the lock of the iotlb asked is taken before that of @p cfg->tlb.
 * @param out receives the object. Until it is destroyed, stage2, tlb and memory cannot be (-EBUSY)
 * @return 0, -EINVAL, -E2BIG, -ENOMEM
 */
IOD_API int iod_mem_create_nested(struct iod_mem **out, const struct iod_mem_nested_cfg *cfg);

/**
 * Destroy it with all its tables. Not to be called while another thread is inside any call on it.
 * @return 0; -EBUSY while a page table, gather or nested memory still uses it; -EINVAL
 */
IOD_API int iod_mem_destroy(struct iod_mem *mem);

/**
 * Host pointer of [pa, pa + len). What is read through it may change at any time.
 * @param write whether the caller wants to write
 * @return 0; -EFAULT when the range is not wholly inside this memory (or not writable); -EINVAL
 */
IOD_API int iod_mem_host_ptr(const struct iod_mem *mem, uint64_t pa, uint64_t len, bool write,
			     void **out);

/**
 * Allocate a zeroed, naturally aligned block, as tables are: for roots that the caller fills, device
 * tables, queues.
 * @param len a power of two, 4 KiB to 2 MiB
 * @return 0, -ENOMEM (also the limit), -EINVAL, -EOPNOTSUPP (VM memory without alloc_table, nested memory)
 */
IOD_API int iod_mem_alloc(struct iod_mem *mem, uint64_t len, uint64_t *pa);

/**
 * Free what iod_mem_alloc() returned, at once.
 * @return 0; -EINVAL when it is not an allocated block of that length
 */
IOD_API int iod_mem_free(struct iod_mem *mem, uint64_t pa, uint64_t len);

/** Change the limit on bytes of tables (0: the window); what is allocated already stays. */
IOD_API int iod_mem_set_limit(struct iod_mem *mem, uint64_t limit);

/**
 * Have refusals explained: @p log is called, in the calling thread, whenever a function on this iod_mem
 * or on a page table that lives in it refuses its arguments, with the error it returns and a constant
 * string that names the argument and the rule ("iova: not a multiple of the smallest page").
 * To be set before other threads use the object. @p log NULL: silence, which is how it begins.
 * @return 0, -EINVAL
 */
IOD_API int iod_mem_set_log(struct iod_mem *mem,
			    void (*log)(void *cookie, int error, const char *why), void *cookie);

/** Figures of one iod_mem. */
struct iod_mem_stats {
	size_t size;	     /**< sizeof(struct iod_mem_stats) */
	uint64_t tables;     /**< tables allocated now */
	uint64_t bytes;	     /**< their bytes */
	uint64_t peak_bytes; /**< most bytes at a time */
	uint64_t committed;  /**< bytes of the arena that are backed; 0 for VM memory */
	uint64_t limit;	     /**< the limit in force */
	uint64_t pending;    /**< tables detached that wait for a gather to be synced */
};

/**
 * Read the figures.
 * @return 0, -EINVAL, -E2BIG
 */
IOD_API int iod_mem_get_stats(const struct iod_mem *mem, struct iod_mem_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
