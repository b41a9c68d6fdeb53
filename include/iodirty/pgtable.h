/* SPDX-License-Identifier: MIT */
/**
 * @file pgtable.h
 * iod_pgtable: one translation table in one of six formats, behind struct iod_pgtable_ops.
 *
 * Vocabulary: level 0 is the leaf table; an item is one 8-byte slot, an entry is one mapping, which
 * may span several items (ARM contiguous hint, AMD NextLevel=7 replicas).
 *
 * Locking: iod_translate(), iod_visit(), iod_sweep() and the getters may be called from any thread at
 * any time, beside any mutation. Mutations (iod_map(), iod_unmap(), iod_unmap_dirty(), iod_split_range(),
 * iod_merge_range()) of disjoint ranges may run in parallel; the order of overlapping ones is the caller's
 * business (they stay memory-safe). create, attach and
 * destroy are for one thread, with no other call on the object.
 */
#ifndef IODIRTY_PGTABLE_H
#define IODIRTY_PGTABLE_H

#include <iodirty/gather.h>
#include <iodirty/mem.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @name Features of a page table (iod_pgtable_cfg.features)
 * What hardware is configured to do with the table, and how the table is laid out.
 * @{
 */
/** Hardware sets Accessed: ARM CD.HA / STE.S2HA, VT-d SSADE, AMD HAD=1. Always on for VT-d FS and
 *  AMD v2, where it is implied. */
#define IOD_PT_HW_ACCESS (1u << 0)
/** Hardware sets Dirty (includes HW_ACCESS): ARM HD / S2HD, VT-d SSADE, AMD HAD=3. Implied for VT-d
 *  FS and AMD v2. Needed for iod_sweep(). */
#define IOD_PT_HW_DIRTY (1u << 1)
/** Hardware sets Accessed in table entries, and *every* agent that uses the table does: ARM CD.HAFT /
 *  STE.S2HAFT with HTTU=3; VT-d SSADE in every PASID entry (second stage), or always (first stage).
 *  Declares the conditions of IOD_SWEEP_PRUNE. Needs HW_ACCESS.
 *  AMD: -EOPNOTSUPP, no source confirms it. */
#define IOD_PT_HW_TABLE_ACCESS (1u << 2)
/** ARM S1: the table translates the upper half (TTBR1): 2^64 - 2^ias to 2^64 - 1. */
#define IOD_PT_UPPER (1u << 3)
/** ARM: 32-bit LPAE (CD.AA64 = 0): ias <= 32, oas <= 40, 4 KiB granule, no hardware A/D. */
#define IOD_PT_LPAE32 (1u << 4)
/** ARM: small translation tables (SMMU IDR3.STT): ias down to 16 (17 for 64 KiB granules). */
#define IOD_PT_SMALL (1u << 5)
/** ARM S2: STE.S2FWB = 1, which changes the meaning of MemAttr. */
#define IOD_PT_S2FWB (1u << 6)
/** ARM: every agent that uses the table supports break-before-make level 1 (SMMU_IDR3.BBML), so that
 *  page sizes can be changed while it is used (resize.h). Neither level with 32-bit LPAE. */
#define IOD_PT_BBM_1 (1u << 7)
/** ARM: level 2. Includes level 1. Other formats need neither, and refuse both. */
#define IOD_PT_BBM_2 (1u << 8)
/** ARM, without HW_ACCESS (which makes it meaningless): a leaf whose access flag is clear is no fault (CD.AFFD,
 *  STE.S2AFFD). */
#define IOD_PT_NO_ACCESS_FAULT (1u << 9)
/** @} */

/**
 * Configuration of a page table. Zero means "the default" in every field but format and mem.
 */
struct iod_pgtable_cfg {
	size_t size;		/**< sizeof(struct iod_pgtable_cfg) */
	enum iod_format format; /**< which format */
	uint32_t features;	/**< IOD_PT_* */
	struct iod_mem *mem;	/**< where the tables live; must outlive the page table */
	/** Page sizes to use: bit n set = pages of 2^n bytes. 0: all that the format has (AMD v1
	 *  without 256 TiB, whose encoding is unconfirmed). Sizes that the format lacks are ignored;
	 *  one must be left. The smallest in use is the alignment of every range. */
	uint64_t pgsize_bitmap;
	/** tag of invalidations and of what an iod_iotlb caches: DID, VMID, ASID or what the caller
	 *  likes. Tables used through one iotlb need different ones. */
	uint64_t domain;
	uint64_t mair;	  /**< ARM S1: MAIR_ELx; 0: 0xff | 0x44 << 8 | 0x04 << 16
				     (0 write-back, 1 non-cacheable, 2 device) */
	uint32_t granule; /**< ARM: 4096 (default), 16384 or 65536; others: 0 or 4096 */
	uint32_t ias;	  /**< input address bits. Default: ARM 48 (32-bit LPAE 32), VT-d SS and FS,
				     AMD v2 from levels, AMD v1 64. ARM: 64 - TnSZ. */
	uint32_t oas;	  /**< output address bits. Default: ARM 48 (32-bit LPAE 40), others 52.
				     52 with the 64 KiB granule uses OA[51:48] in bits [15:12]. */
	uint32_t levels;  /**< levels walked from the root. ARM S1: set by ias (0 or that value);
				     ARM S2: start level 4 - levels, default the fewest (concatenated
				     roots); VT-d SS 3, 4 (default), 5; VT-d FS and AMD v2 4 (default),
				     5; AMD v1 Mode 1-6, default 3, grows on demand up to ias. */
	uint32_t flags;	  /**< iod_pgtable_attach(): IOD_ATTACH_*; create: 0 */
	uint32_t reserved; /**< ignored */
	/** Kernels to use, one of iod_kernels_name(); NULL: the fastest that this CPU runs. */
	const char *kernels;
};

/**
 * Names of the kernels (inner loops for one instruction set) that this CPU runs, fastest first; the
 * last is "c". All give the same results.
 * @return NULL when there are no more than @p index
 */
IOD_API const char *iod_kernels_name(unsigned int index);

/** attach: the library may change the tables and owns them from now on (they are freed with it).
 *  They are checked first: a table that is unreadable or reached twice is -EFAULT. */
#define IOD_ATTACH_ADOPT (1u << 0)
/** attach: the root need not be in memory; walks find out how much of it is, as hardware does (in nested memory
 *  that is always so). Not with ADOPT. */
#define IOD_ATTACH_ANY_ROOT (1u << 1)

/**
 * Create an empty page table.
 * @param out receives the object
 * @return 0; -EINVAL; -E2BIG; -ENOMEM; -ERANGE ias or oas impossible for the format;
 *         -EOPNOTSUPP a feature that the format does not have, a format not compiled in, or kernels
 *         that are unknown or that this CPU does not run
 */
IOD_API int iod_pgtable_create(struct iod_pgtable **out, const struct iod_pgtable_cfg *cfg);

/**
 * Attach to tables that somebody else built. Without IOD_ATTACH_ADOPT they are never trusted: every
 * address is checked, every walk is bounded, map and unmap are -EOPNOTSUPP and a sweep only cleans.
 * AMD v1: cfg->levels is DTE.Mode and must be given.
 * @param root table address of the root, aligned as the format demands
 * @return as iod_pgtable_create(), and -EFAULT when the root (or, adopting, any table) is unreadable (not asked of
 *         nested memory, unless adopting)
 */
IOD_API int iod_pgtable_attach(struct iod_pgtable **out, const struct iod_pgtable_cfg *cfg,
			       uint64_t root);

/**
 * Destroy a page table and free its tables (those created or adopted) at once: hardware must not use
 * them any more.
 * @return 0; -EBUSY while a gather or nested memory refers to it; -EINVAL
 */
IOD_API int iod_pgtable_destroy(struct iod_pgtable *pt);

/**
 * Map [iova, iova + len) to [pa, pa + len) with the largest pages that fit.
 *
 * Where an empty table stands in the way of a large page it is replaced: the entry is cleared, the
 * gather's invalidation is issued and synced, then the page is installed; the table is freed with the
 * gather. Without a gather smaller pages are used there, and where none is in use it is -EBUSY.
 *
 * AMD v1: a map above the present levels puts a new root on top (iod_pgtable_get_hw_info() tells). Write
 * the DTE before syncing the gather: the old root, when it was empty, is among what is freed then.
 * @param iova, pa, len multiples of the smallest page size
 * @param prot   IOD_PROT_*
 * @param gather for replaced tables; may be NULL
 * @param done   bytes mapped are added to it; may be NULL
 * @return 0; -EEXIST when anything in the range is mapped (nothing is changed); -EINVAL (also with a
 *         gather inside a callback of iod_visit()); -ERANGE; -EBUSY an empty table is in the way;
 *         -EOPNOTSUPP prot; -ENOMEM, -EAGAIN (lost a race against an overlapping mutation) or what
 *         the gather's invalidation returned (what is mapped until then stays and is in *done)
 */
IOD_API int iod_map(struct iod_pgtable *pt, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot,
		    struct iod_gather *gather, uint64_t *done);

/** unmap: every byte of the range must be mapped, else -ENOENT and nothing is changed. */
#define IOD_UNMAP_NO_HOLES (1u << 0)
/** unmap: a page that reaches over the edge of the range is split, as iod_split_range() does, no further
 *  than it takes. Not in a callback of iod_visit(). */
#define IOD_UNMAP_SPLIT (1u << 1)
/** unmap: with IOD_UNMAP_SPLIT, as IOD_RESIZE_ALLOW_FAULTS. */
#define IOD_UNMAP_ALLOW_FAULTS (1u << 2)

/**
 * Unmap [iova, iova + len). Holes are skipped unless flagged. Tables that the range covers wholly go
 * to the gather and are freed by iod_gather_sync(); until then hardware may still use them. Dirty state is
 * dropped: iod_unmap_dirty() delivers it.
 * @param iova, len multiples of the smallest page size
 * @param flags  0 or IOD_UNMAP_*
 * @param gather must be given
 * @param done   bytes unmapped are added to it; may be NULL
 * @return 0; -ENOENT when nothing was mapped (empty tables may have gone to the gather); -EINVAL also when the range cuts through a page
 *         and IOD_UNMAP_SPLIT is not given; -ERANGE; with IOD_UNMAP_SPLIT what iod_split_range() returns. After
 *         an error nothing is unmapped
 */
IOD_API int iod_unmap(struct iod_pgtable *pt, uint64_t iova, uint64_t len, uint32_t flags,
		      struct iod_gather *gather, uint64_t *done);

/** Dirty state of an entry. */
enum iod_dirty {
	IOD_CLEAN = 0, /**< hardware will mark it when it is written (or it cannot be written) */
	IOD_DIRTY = 1, /**< marked */
	IOD_DIRTY_UNTRACKED = 2, /**< ARM without DBM: hardware will never say */
};

/** One mapping as a walk finds it. */
struct iod_mapping {
	uint64_t iova;	      /**< first byte of the entry (all items of a run) */
	uint64_t len;	      /**< its bytes */
	uint64_t pa;	      /**< what iova translates to */
	uint32_t prot;	      /**< IOD_PROT_*, over all levels */
	uint32_t memattr;     /**< as in IOD_PROT_MEMATTR */
	uint32_t level;	      /**< level of the items */
	uint32_t items;	      /**< items found of it (1 but for runs) */
	bool accessed;	      /**< any item's Accessed bit, raw */
	enum iod_dirty dirty; /**< any item's dirty state, raw */
	uint64_t pte;	      /**< the first item, raw */
	uint64_t pte_pa;      /**< where it lies */
};

/**
 * Look one address up, without side effects.
 * @return 0; -ENOENT not mapped; -ERANGE outside the input range (also non-canonical); -EFAULT a
 *         table on the way is unreadable or malformed; -EINVAL
 */
IOD_API int iod_translate(const struct iod_pgtable *pt, uint64_t iova, struct iod_mapping *out);

/** Output address of @p iova. @return as iod_translate() */
IOD_API int iod_iova_to_phys(const struct iod_pgtable *pt, uint64_t iova, uint64_t *pa);

/** What iod_visit() meets. */
enum iod_visit_kind {
	IOD_VISIT_MAPPING = 1, /**< a mapping; mapping holds it, unclipped */
	IOD_VISIT_HOLE = 2,  /**< [iova, last] unmapped, clipped to the range; neighbours joined */
	IOD_VISIT_TABLE = 3, /**< a table, before its contents: table_pa, level, [iova, last] */
	IOD_VISIT_BAD = 4, /**< an entry that is malformed or whose table cannot be read; skipped */
};

/** Why an entry is bad. */
enum iod_bad {
	IOD_BAD_NONE = 0,
	IOD_BAD_RESERVED = 1,	/**< reserved bits or a reserved encoding */
	IOD_BAD_UNREADABLE = 2, /**< the table it points to is not in memory */
	IOD_BAD_CYCLE = 3,	/**< it points to a table on the path from the root */
};

/** One step of a visit. */
struct iod_visit_event {
	enum iod_visit_kind kind;
	enum iod_bad bad;	    /**< for IOD_VISIT_BAD */
	uint64_t iova;		    /**< first byte that it stands for */
	uint64_t last;		    /**< last byte, inclusive */
	uint32_t level;		    /**< level of the entry (of the table, for IOD_VISIT_TABLE) */
	uint32_t table_len;	    /**< bytes of the table, for IOD_VISIT_TABLE */
	uint64_t table_pa;	    /**< the table (BAD: the one pointed to, or 0) */
	uint64_t pte;		    /**< BAD: the entry, raw */
	uint64_t pte_pa;	    /**< BAD: where it lies */
	struct iod_mapping mapping; /**< for IOD_VISIT_MAPPING */
};

/** visit: report mappings only, not holes and tables. BAD is always reported. */
#define IOD_VISIT_MAPPINGS_ONLY (1u << 0)

/** Arguments and results of iod_visit(). */
struct iod_visit {
	size_t size;	   /**< sizeof(struct iod_visit) */
	uint64_t iova;	   /**< in: range, multiples of the smallest page */
	uint64_t len;	   /**< in */
	uint32_t flags;	   /**< in: 0 or IOD_VISIT_* */
	uint32_t reserved; /**< 0 */
	uint64_t budget;   /**< in: items to look at before it stops, between tables; 0: no limit */
	/** in: called in IOVA order inside a reader's section: do not sync a gather there. A nonzero
	 *  return stops the visit. */
	int (*fn)(void *cookie, const struct iod_visit_event *event);
	void *cookie;	    /**< in: handed to fn */
	uint64_t next_iova; /**< out: where to go on (iova + len when complete) */
	uint64_t done;	    /**< out: next_iova - iova; equals len when complete */
	uint64_t items;	    /**< out: items looked at */
};

/**
 * Ordered walk over mappings, holes and tables. Each entry is read once, atomically; beside
 * mutations every mapping that stays is reported once.
 * @return 0 (complete when done == len); what fn returned; -EINVAL; -ERANGE; -E2BIG; -EFAULT the root
 */
IOD_API int iod_visit(const struct iod_pgtable *pt, struct iod_visit *visit);

/** What goes into STE, CD, context or PASID entry, DTE. */
struct iod_hw_info {
	size_t size; /**< sizeof(struct iod_hw_info) */
	enum iod_format format;
	uint32_t levels;   /**< levels walked from the root now (AMD v1: grows) */
	uint64_t root;	   /**< table address of the root */
	uint64_t root_len; /**< bytes of the root (concatenated tables together) */
	union {
		struct
		{ /**< CD (Arm IHI 0070, 5.4); tsz, tg, irgn.. are the T1 fields when upper */
			uint64_t ttb, mair;
			uint8_t tsz, tg, irgn, orgn, sh, ips, aa64, ha, hd, haft, upper, epd_other;
		} arm_s1;
		struct { /**< STE (Arm IHI 0070, 5.2) */
			uint64_t s2ttb;
			uint8_t s2t0sz, s2sl0, s2tg, s2ir0, s2or0, s2sh0, s2ps, s2aa64, s2ha, s2hd,
				s2haft, s2fwb;
		} arm_s2;
		struct { /**< context entry (VT-d 9.3) or PASID entry (9.6) */
			uint64_t ssptptr;
			uint8_t aw, ssade;
		} vtd_ss;
		struct { /**< PASID entry (VT-d 9.6) */
			uint64_t fsptptr;
			uint8_t fspm;
		} vtd_fs;
		struct { /**< DTE (AMD 48882, device table entry) */
			uint64_t root;
			uint8_t mode, had;
		} amd_v1;
		struct { /**< GCR3 table entry and DTE */
			uint64_t gcr3;
			uint8_t guest_paging_mode;
		} amd_v2;
		uint8_t pad[64];
	} u;
};

/**
 * Read what hardware must be told.
 * @return 0, -EINVAL, -E2BIG
 */
IOD_API int iod_pgtable_get_hw_info(const struct iod_pgtable *pt, struct iod_hw_info *info);

/** Geometry and figures of a page table. */
struct iod_pgtable_info {
	size_t size; /**< sizeof(struct iod_pgtable_info) */
	enum iod_format format;
	uint32_t features;	/**< IOD_PT_* in force */
	uint64_t pgsize_bitmap; /**< page sizes in use */
	uint64_t domain;
	uint64_t first;	     /**< lowest valid IOVA */
	uint64_t last;	     /**< highest valid IOVA, inclusive */
	uint64_t hole_first; /**< x86 formats: first non-canonical address; 0 when there is none */
	uint64_t hole_last;  /**< last non-canonical address */
	uint32_t ias, oas, levels, granule_lg2;
	uint64_t tables;      /**< its tables, the root and those that wait in a gather
				     included; 0 when attached without adopting */
	uint64_t table_bytes; /**< their bytes */
};

/** Read them. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_pgtable_get_info(const struct iod_pgtable *pt, struct iod_pgtable_info *info);

/** Name of a format ("vtd_ss"), or NULL. */
IOD_API const char *iod_format_name(enum iod_format format);

/** Format of a name. @return 0; -ENOENT unknown; -EINVAL */
IOD_API int iod_format_by_name(const char *name, enum iod_format *format);

struct iod_sweep;
struct iod_resize;
struct iod_unmap_dirty;

/**
 * THE vtable: one per format. Every slot checks its arguments as the function of the same name does;
 * a NULL slot means that the format cannot (the function returns -EOPNOTSUPP). Grows at its end.
 */
struct iod_pgtable_ops {
	size_t size;		/**< sizeof(struct iod_pgtable_ops) of the library */
	enum iod_format format; /**< which format */
	const char *name;	/**< its name */
	int (*map)(struct iod_pgtable *pt, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot,
		   struct iod_gather *gather, uint64_t *done);
	int (*unmap)(struct iod_pgtable *pt, uint64_t iova, uint64_t len, uint32_t flags,
		     struct iod_gather *gather, uint64_t *done);
	int (*translate)(const struct iod_pgtable *pt, uint64_t iova, struct iod_mapping *out);
	int (*visit)(const struct iod_pgtable *pt, struct iod_visit *visit);
	int (*hw_info)(const struct iod_pgtable *pt, struct iod_hw_info *info);
	int (*sweep)(struct iod_pgtable *pt, struct iod_sweep *sweep);
	int (*iova_to_phys)(const struct iod_pgtable *pt, uint64_t iova, uint64_t *pa);
	int (*split_range)(struct iod_pgtable *pt, struct iod_resize *split);
	int (*merge_range)(struct iod_pgtable *pt, struct iod_resize *merge);
	int (*unmap_dirty)(struct iod_pgtable *pt, struct iod_unmap_dirty *unmap);
};

/** The vtable of a page table. NULL when @p pt is NULL. */
IOD_API const struct iod_pgtable_ops *iod_pgtable_get_ops(const struct iod_pgtable *pt);

/** The vtable of a format (ARM: with granules of 4 KiB; each granule has one of its own), or NULL when it
 *  is not compiled in. */
IOD_API const struct iod_pgtable_ops *iod_format_ops(enum iod_format format);

#ifdef __cplusplus
}
#endif

#endif
