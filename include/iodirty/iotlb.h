/* SPDX-License-Identifier: MIT */
/**
 * @file iotlb.h
 * iod_iotlb: the hardware's side. A translation cache that walks tables, sets Accessed and Dirty as
 * the architecture says, caches what hardware may cache (the dirty state too), and obeys neutral
 * invalidations. VMMs use it as the DMA path of emulated devices, tests use it as the adversary.
 *
 * Two kinds: an IOTLB (walks for untranslated requests) and, with IOD_IOTLB_ATC, a device's address
 * translation cache: on a miss it makes an ATS translation request, which marks the page dirty at once
 * when write permission is asked for, and later writes through the cached
 * answer touch no table.
 *
 * Entries are tagged with the page table's domain and nothing else, as in hardware: page tables used
 * through one iotlb need different domains, and a domain is invalidated before it is used for another.
 *
 * Locking: any thread may call anything at any time. An invalidation returns only when no DMA that
 * uses what it removed is under way: iod_iotlb_dma() moves its data inside.
 */
#ifndef IODIRTY_IOTLB_H
#define IODIRTY_IOTLB_H

#include <iodirty/fault.h>
#include <iodirty/gather.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A device's ATC instead of an IOTLB. */
#define IOD_IOTLB_ATC (1u << 0)
/** Data moves before the table is marked (the architectures allow both orders). */
#define IOD_IOTLB_LATE_DIRTY (1u << 1)
/** Now and then walks the next page as well, setting Accessed but never Dirty. */
#define IOD_IOTLB_SPECULATE (1u << 2)
/** Does not set Accessed in table entries where that is unconfirmed (AMD v1 and v2). */
#define IOD_IOTLB_NO_TABLE_ACCESS (1u << 3)
/** Sets Accessed in no table entry, in no format: an agent that breaks what IOD_PT_HW_TABLE_ACCESS
 *  declares of all (an SMMU without HAFT, a legacy-mode context entry beside PASIDs with SSADE). */
#define IOD_IOTLB_NEVER_TABLE_ACCESS (1u << 4)
/**
 * Takes the level masks of an IOD_INV_RANGE literally, as hardware may that is given level hints (Arm TTL), and
 * keeps what they do not name. Without the flag levels are not looked at.
 *
 * - Translations: if leaf_levels is not 0, only those are dropped whose leaf was met at one of these levels
 *   (a run: the level of its items).
 * - Walk cache: if table_levels is not 0, only those tables are forgotten that were met by way of a table entry
 *   at one of these levels. What is remembered of a table comes from the entry that points to it (one level
 *   above it, or more where levels are skipped). So an invalidation for a detached subtree names the level of
 *   the entry that was cut off and those of all table entries inside. With IOD_INV_LEAF_ONLY no table is.
 * - A mask of 0 says that the levels are not known: everything of its kind that the range touches goes. So do
 *   IOD_INV_DOMAIN and IOD_INV_ALL, whatever their masks say.
 * - With IOD_INV_NO_LEAVES no translation is dropped.
 * - With IOD_IOTLB_ATC translations go whatever their level: ATS invalidations carry none.
 */
#define IOD_IOTLB_EXACT_LEVELS (1u << 5)

/** Configuration. Zero means the default. */
struct iod_iotlb_cfg {
	size_t size;	       /**< sizeof(struct iod_iotlb_cfg) */
	uint32_t entries;      /**< translations cached, a power of two; 0: 256 */
	uint32_t ways;	       /**< associativity, a power of two <= entries; 0: 4 */
	uint32_t walk_entries; /**< table entries cached, a power of two; 0: 32 */
	uint32_t flags;	       /**< IOD_IOTLB_* */
	uint64_t seed;	       /**< of replacement and speculation: equal seeds behave equally */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

/** Create one; @p cfg NULL for the defaults. @return 0, -EINVAL, -E2BIG, -ENOMEM */
IOD_API int iod_iotlb_create(struct iod_iotlb **out, const struct iod_iotlb_cfg *cfg);

/** Destroy one. @return 0; -EBUSY while nested memory translates through it; -EINVAL */
IOD_API int iod_iotlb_destroy(struct iod_iotlb *tlb);

/** @name Accesses @{ */
#define IOD_ACCESS_READ	 (1u << 0)
#define IOD_ACCESS_WRITE (1u << 1)
#define IOD_ACCESS_EXEC	 (1u << 2)
#define IOD_ACCESS_PRIV	 (1u << 3)
/** @} */

/** Why an access was refused. */
enum iod_fault_reason {
	IOD_FAULT_NONE = 0,
	IOD_FAULT_RANGE = 1,	    /**< outside the input range, or not canonical */
	IOD_FAULT_TRANSLATION = 2,  /**< an entry is not present */
	IOD_FAULT_PERMISSION = 3,   /**< the access is not permitted */
	IOD_FAULT_ACCESS_FLAG = 4,  /**< ARM: AF = 0 and hardware does not set it */
	IOD_FAULT_ADDRESS_SIZE = 5, /**< an address exceeds the output size */
	IOD_FAULT_RESERVED = 6,	    /**< reserved bits or a reserved encoding */
	IOD_FAULT_WALK_ABORT = 7,   /**< a table is not in memory, or A/D cannot be written there */
};

/** A refused access, neutral of vendors. */
struct iod_fault {
	enum iod_fault_reason reason;
	uint32_t access; /**< IOD_ACCESS_* asked for */
	/** The stage that refused: 1 or 2 as the format has it (AMD v1 and VT-d SS: 2). Of a table in
	 *  nested memory: 1 that table, 2 the one behind it. */
	uint32_t stage;
	uint32_t level;	 /**< level of the entry concerned, in the table of that stage */
	uint64_t iova;	 /**< the address asked for */
	uint64_t domain; /**< of the page table asked */
	/** Where the entry concerned lies; 0 when there is none. In nested memory: its intermediate
	 *  physical address. An entry of stage 2, and one of stage 1 that is not there (WALK_ABORT,
	 *  IOD_FAULT_TABLE): the physical one. */
	uint64_t pte_pa;
	/** Always INPUT but for tables in nested memory. Those: what stage 2 refused, or TABLE for a stage-1
	 *  entry that stage 2 granted and that is not there (stage 1, WALK_ABORT). */
	enum iod_fault_class cls;
	bool table_write; /**< TABLE: it was an Accessed or Dirty update, not a fetch */
	/** Tables in nested memory: the intermediate physical address that stage 2 refused, of the access or
	 *  of the stage-1 entry; that of the entry that is not there. Else 0. */
	uint64_t ipa;
};

/** A granted access. */
struct iod_access_result {
	uint64_t pa;   /**< output address of iova */
	uint64_t len;  /**< bytes from pa to the end of the translation */
	uint32_t prot; /**< IOD_PROT_READ / WRITE / NOEXEC of the translation */
	bool hit;      /**< answered from the cache */
};

/**
 * Translate one access, with all its side effects on the tables. Through a table in nested memory
 * (iod_mem_create_nested()) both stages translate, and pa is the final address.
 * @param access IOD_ACCESS_*, READ or WRITE among them
 * @param result may be NULL
 * @param fault  filled when refused; may be NULL
 * @return 0; -EFAULT refused; -EINVAL, also a table in nested memory through an iotlb that serves the
 *         second stage of any nested memory
 */
IOD_API int iod_iotlb_access(struct iod_iotlb *tlb, struct iod_pgtable *pt, uint64_t iova,
			     uint32_t access, struct iod_access_result *result,
			     struct iod_fault *fault);

/**
 * One DMA of @p len bytes: translates page by page and calls @p move for each piece while the
 * translation is held, so that an invalidation waits for it.
 * @param move moves the data of one piece, offset bytes into the DMA; nonzero stops. It may be called
 *        twice for a piece with IOD_IOTLB_LATE_DIRTY. It must not call this iotlb, nor sync a gather
 *        that invalidates it: that would wait for itself.
 * @param done bytes moved are added to it; may be NULL
 * @return 0; -EFAULT refused (*done says how far); what move returned; -EINVAL; -ERANGE wraps
 */
IOD_API int iod_iotlb_dma(struct iod_iotlb *tlb, struct iod_pgtable *pt, uint64_t iova,
			  uint64_t len, uint32_t access,
			  int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
			  void *cookie, uint64_t *done, struct iod_fault *fault);

/**
 * Obey invalidations, and wait for DMA under way that uses what they remove. Has the signature of
 * iod_inv_ops.invalidate with the iotlb as cookie.
 * @return 0, -EINVAL
 */
IOD_API int iod_iotlb_invalidate(void *tlb, const struct iod_inv *inv, size_t nr);

/** Figures of one iotlb. */
struct iod_iotlb_stats {
	size_t size;		/**< sizeof(struct iod_iotlb_stats) */
	uint64_t hits;		/**< accesses answered from the cache */
	uint64_t misses;	/**< walks */
	uint64_t walk_hits;	/**< walks that began at a cached table entry */
	uint64_t faults;	/**< accesses refused */
	uint64_t set_access;	/**< Accessed bits set in tables */
	uint64_t set_dirty;	/**< Dirty bits set in tables */
	uint64_t invalidations; /**< neutral invalidations obeyed */
	uint64_t speculated;	/**< speculative walks */
};

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_iotlb_get_stats(const struct iod_iotlb *tlb, struct iod_iotlb_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
