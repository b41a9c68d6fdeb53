/* SPDX-License-Identifier: MIT */
/**
 * @file amdvi_dte.h
 * AMD-Vi structures (AMD 48882, 2.2): device table entries (DTE) and GCR3 tables, raw and typed, what hardware says
 * of illegal ones, and changing a live one.
 *
 * Locking: encode, decode and the lookups keep nothing. Writers of one structure are the caller's to order; hardware
 * may read at any time.
 */
#ifndef IODIRTY_AMDVI_DTE_H
#define IODIRTY_AMDVI_DTE_H

#include <iodirty/amdvi_event.h>
#include <iodirty/mem.h>
#include <iodirty/pgtable.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_amdvi_sink;

/** A device table entry as it lies in memory: little-endian words. */
struct iod_amdvi_raw_dte {
	uint64_t word[4];
};

/** DTE.HAD: what hardware writes into host tables. 2 is reserved. */
enum iod_amdvi_had {
	IOD_AMDVI_HAD_OFF = 0,
	IOD_AMDVI_HAD_ACCESS = 1,
	IOD_AMDVI_HAD_DIRTY = 3, /**< Accessed and Dirty */
};

/** A device table entry: every field, named as in the specification. */
struct iod_amdvi_dte {
	bool v;		 /**< valid; else requests pass untranslated */
	bool tv;	 /**< translation information is valid */
	uint8_t had;	 /**< enum iod_amdvi_had */
	uint8_t mode;	 /**< levels of the host table; 0: none, addresses are not translated */
	uint64_t root;	 /**< host table, bits 51:12 */
	bool ppr;	 /**< page requests are allowed */
	bool gprp;	 /**< responses carry the PASID */
	bool giov;	 /**< requests without a PASID use the guest table of PASID 0 */
	bool gv;	 /**< guest translation */
	uint8_t glx;	 /**< levels of the GCR3 table - 1; 3 is reserved */
	bool ir, iw;	 /**< read, write allowed */
	uint16_t domain; /**< DomainID */
	uint64_t gcr3;	 /**< GCR3 table, bits 51:12 (three pieces in memory) */
	bool i;		 /**< IOTLB: ATS is allowed */
	bool se, sa;	 /**< suppress page fault events: repeated ones, all */
	uint8_t ioctl;
	bool cache, sd, ex;
	uint8_t sysmgt;
	bool sats; /**< secure ATS; newer revisions */
	bool iv; /**< interrupt map valid; all that follows about interrupts is carried untouched */
	uint8_t inttablen;
	bool ig;
	uint64_t introot;	 /**< bits 51:6 */
	uint8_t guestpagingmode; /**< levels of guest tables - 4 */
	bool initpass, eintpass, nmipass;
	uint8_t intctl;
	bool lint0pass, lint1pass;
	uint16_t gdeviceid, guestid; /**< hardware that virtualizes itself */
	bool attrv, mode0fc;
	uint8_t snoopattr;
	/** Set bits that belong to none of these fields; kept by encode. */
	struct iod_amdvi_raw_dte unknown;
};

/** Encode. @return 0; -EINVAL a value that does not fit its field */
IOD_API int iod_amdvi_dte_encode(struct iod_amdvi_raw_dte *raw, const struct iod_amdvi_dte *dte);

/** Decode: every bit, legal or not; encode(decode(x)) == x. @return 0, -EINVAL */
IOD_API int iod_amdvi_dte_decode(struct iod_amdvi_dte *dte, const struct iod_amdvi_raw_dte *raw);

/** @name Flags of check @{ */
/** Bits of no known field in words 2 and 3 are a fault as well (those of words 0 and 1 always are). */
#define IOD_AMDVI_CHECK_UNKNOWN (1u << 0)
/** SNP is enabled: Mode 0 without guest translation is illegal. */
#define IOD_AMDVI_CHECK_SNP (1u << 1)
/** @} */

/**
 * What hardware with these features says of a DTE. With V=0 nothing is looked at. Rules that only one source has
 * make an entry illegal rather than legal: its requests are blocked, which is safe.
 * @param id    NULL: one that has everything
 * @param flags IOD_AMDVI_CHECK_*
 * @param why   receives a constant string that names the field and the rule ("Mode: reserved"), NULL when it is
 *              legal; may be NULL
 * @return 0 legal; IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY; -EINVAL
 */
IOD_API int iod_amdvi_dte_check(const struct iod_amdvi_dte *dte, const struct iod_amdvi_id *id,
				uint32_t flags, const char **why);

/**
 * What such hardware makes of a legal DTE: fields that mean nothing given the others become 0 (all of translation
 * with V=0 or TV=0, guest fields with GV=0, HAD with Mode=0), as do unknown bits. Interrupt fields stay.
 * @param out may be @p dte
 * @return 0, -EINVAL
 */
IOD_API int iod_amdvi_dte_effective(struct iod_amdvi_dte *out, const struct iod_amdvi_dte *dte,
				    const struct iod_amdvi_id *id);

/** What becomes of a request. */
enum iod_amdvi_route {
	IOD_AMDVI_BYPASS = 0,  /**< not translated */
	IOD_AMDVI_BLOCKED = 1, /**< refused */
	IOD_AMDVI_HOST = 2,    /**< the host table translates */
	IOD_AMDVI_GUEST = 3,   /**< a guest table translates, whose addresses are the system's */
	IOD_AMDVI_NESTED = 4,  /**< a guest table, whose addresses the host table translates */
};

/**
 * Which way a request takes by a legal DTE. UNCONFIRMED, and decided so that less is permitted: V=1 with TV=0
 * blocks; Mode 0 permits what IR and IW do, also to guest tables; a PASID without guest translation blocks.
 * @param pasid whether the request has one
 * @param perm  receives IOD_PERM_READ and _WRITE: what the DTE allows (tables may allow less); may be NULL
 * @return enum iod_amdvi_route; -EINVAL
 */
IOD_API int iod_amdvi_dte_route(const struct iod_amdvi_dte *dte, bool pasid, uint32_t *perm);

/** @name From page tables, and back @{ */

/** Fill the host fields (TV, Mode, root, HAD, IR, IW, DomainID; and no others) from iod_pgtable_get_hw_info() of
 *  an amd_v1 table. Mode changes when such a table grows (iod_map() beyond what it covers): whoever maps reads hw_info
 *  again and, when levels differ, writes the DTE before devices use what is new. @return 0, -EINVAL */
IOD_API int iod_amdvi_dte_set_host(struct iod_amdvi_dte *dte, const struct iod_hw_info *info,
				   uint16_t domain);

/** Fill the guest fields (TV, GV, GLX, GCR3, GuestPagingMode, IR, IW, DomainID) for guest tables with
 *  iod_hw_info.u.amd_v2.guest_paging_mode behind a GCR3 table at @p gcr3, @p levels 1 to 3. PPR, GPRP and GIOV are
 *  the caller's. Mode stays: with a host table gcr3 is an address that it translates. @return 0, -EINVAL */
IOD_API int iod_amdvi_dte_set_guest(struct iod_amdvi_dte *dte, uint64_t gcr3, unsigned int levels,
				    unsigned int guest_paging_mode, uint16_t domain);

/** Take over what a guest's DTE says of its own tables (GV, GLX, GCR3, GIOV, GuestPagingMode, PPR, GPRP) into the
 *  host's, whose host table stays, under a DomainID of the host. What the guest says of interrupts and of ATS is not
 *  looked at. @return 0; -EINVAL also a guest DTE with V, TV or GV=0, or with a host table (Mode) of its own: three
 *  stages would be one too many */
IOD_API int iod_amdvi_dte_set_nested(struct iod_amdvi_dte *dte, const struct iod_amdvi_dte *guest,
				     uint16_t domain);

/** The host page table of an effective DTE, ready for iod_pgtable_attach() but for mem; domain is the DomainID. IR
 *  and IW are the caller's to obey.
 *  @param why receives a constant string, NULL after success; may be NULL
 *  @return 0; -ENOENT there is none (V, TV or Mode is 0); -EINVAL also Mode 7 and HAD 2 */
IOD_API int iod_amdvi_dte_get_host(const struct iod_amdvi_dte *dte, struct iod_pgtable_cfg *cfg,
				   uint64_t *root, const char **why);

/** A guest page table, of a valid entry of the GCR3 table; domain is the DomainID. Guest tables always have Accessed
 *  and Dirty (GAUpdateDis and GDUpdateDis are the caller's to obey). @return as above */
IOD_API int iod_amdvi_dte_get_guest(const struct iod_amdvi_dte *dte, uint64_t gcr3_entry,
				    struct iod_pgtable_cfg *cfg, uint64_t *root, const char **why);
/** @} */

/** @name Device table @{ */

/** A device table as its register describes it. Of segmented tables: one segment. */
struct iod_amdvi_devtab {
	uint64_t base; /**< base register: 4096-byte pages - 1 [8:0], address [51:12] */
};

/** Value of the register. @param pages 1 to 512, of 128 DTEs each @return 0, -EINVAL */
IOD_API int iod_amdvi_devtab_init(struct iod_amdvi_devtab *devtab, uint64_t pa, unsigned int pages);

/** Bytes that the table takes. */
IOD_API uint64_t iod_amdvi_devtab_bytes(const struct iod_amdvi_devtab *devtab);

/**
 * Where the DTE of a device lies.
 * @param pa    the DTE; after -EFAULT what could not be read
 * @param event receives the event when there is none: ILLEGAL_DEV_TABLE_ENTRY outside the table (UNCONFIRMED),
 *              DEV_TAB_HARDWARE_ERROR; may be NULL
 * @return 0; -ENOENT outside the table; -EFAULT; -EINVAL
 */
IOD_API int iod_amdvi_devtab_lookup(const struct iod_amdvi_devtab *devtab,
				    const struct iod_mem *mem, uint16_t devid, uint64_t *pa,
				    enum iod_amdvi_event_type *event);

/** Read a DTE, all of it as it was at one time (hardware reads it at once): until two looks agree. Who writes without
 *  a pause may have it taken in pieces. @return 0; -EFAULT; -EINVAL */
IOD_API int iod_amdvi_dte_read(struct iod_amdvi_raw_dte *raw, const struct iod_mem *mem,
			       uint64_t pa);
/** @} */

/** @name GCR3 tables: one root of a guest table for each PASID, 1 to 3 levels of 512 entries @{ */

/** Bits of an entry. */
#define IOD_AMDVI_GCR3_V UINT64_C(1) /**< valid */
#define IOD_AMDVI_GCR3_ADDR \
	UINT64_C(0x000ffffffffff000) /**< next table, or root of a guest table */

/**
 * The entry of a PASID.
 * @param dte   an effective one
 * @param id    for PASmax; NULL: 20 bits
 * @param pasid -1: a request without one
 * @param translate guest address of an entry (8 bytes) into an address of @p mem, for a DTE with a host table; NULL:
 *        they are such. Nonzero is returned
 * @param entry receives the entry, as it was read, once
 * @param pa    where it lies, or what could not be read or translated
 * @param event receives IO_PAGE_FAULT (no valid entry, PASID out of range: UNCONFIRMED), PAGE_TAB_HARDWARE_ERROR,
 *        or 0 where @p translate refused; may be NULL
 * @return 0; 1 such requests have no guest translation (GV=0; no PASID without GIOV); -ENOENT; -EFAULT; -EINVAL; what
 *         translate returned
 */
IOD_API int iod_amdvi_gcr3_lookup(const struct iod_amdvi_dte *dte, const struct iod_amdvi_id *id,
				  const struct iod_mem *mem, int64_t pasid,
				  int (*translate)(void *cookie, uint64_t gpa, uint64_t *pa),
				  void *cookie, uint64_t *entry, uint64_t *pa,
				  enum iod_amdvi_event_type *event);

/**
 * Write the entry of a PASID, atomically: @p root of a guest table (a multiple of 4096 below 2^52), or 0 for none.
 * When an IOMMU uses the table: INVALIDATE_DEVTAB_ENTRY for each device that leads there (UNCONFIRMED whether
 * needed: GCR3 entries may be cached with the DTE), INVALIDATE_IOMMU_PAGES for everything of the PASID with pde,
 * INVALIDATE_IOTLB_PAGES where ATS is on, COMPLETION_WAIT are the caller's.
 * @param mem  where the table lies; its addresses and dte->gcr3 are addresses of it
 * @return 0; -ENOENT a table is missing on the way (*level says which: install one); -ERANGE beyond what
 *         GLX reaches; -EFAULT; -EINVAL
 */
IOD_API int iod_amdvi_gcr3_write(const struct iod_amdvi_dte *dte, struct iod_mem *mem,
				 uint32_t pasid, uint64_t root, unsigned int *level);

/** Install a zeroed (or filled) table of 512 entries at @p level (0: of roots; below dte->glx) on the way to
 *  @p pasid. @return 0; -EEXIST there is one; -ENOENT none above it; -ERANGE; -EFAULT; -EINVAL */
IOD_API int iod_amdvi_gcr3_install(const struct iod_amdvi_dte *dte, struct iod_mem *mem,
				   uint32_t pasid, unsigned int level, uint64_t table);
/** @} */

/** @name Changing a live DTE @{ */

/** Whether this host writes 128 bits at once. */
IOD_API bool iod_amdvi_atomic128(void);

/** Most steps that a change takes. */
#define IOD_AMDVI_MAX_STEPS 4u

/**
 * How to get from one DTE to another. In each step some words are written, in any order: words 0 and 1, and 2 and 3, by
 * one store of 128 bits for each pair; with IOD_AMDVI_CHANGE_WORDS each by one of 64 bits. Then the DTE is invalidated
 * (INVALIDATE_DEVTAB_ENTRY) and a COMPLETION_WAIT completed. Whatever hardware reads meanwhile, all at once or in pieces
 * no smaller than such a store, means what it meant before or what it is to mean, or blocks: then the plan says so. What
 * is about interrupts may be new before the rest or after it. It never goes through V=0, which would let requests pass
 * untranslated: an entry that blocks has V=1, TV=1 and neither IR, IW nor GV.
 */
struct iod_amdvi_plan {
	uint32_t nr; /**< steps */
	bool breaks; /**< it blocks in between: requests are refused for a while */
	/** Translations made under the old DTE may be wrong under the new one, or outlive it: INVALIDATE_IOMMU_PAGES
	 *  with pde for everything of its old DomainID, gn=0 and, with guest tables, gn=1 for its PASIDs. Also
	 *  when HAD changes: cached translations go on as they were made. */
	bool tlbi;
	bool atc; /**< and INVALIDATE_IOTLB_PAGES, after it (ATS is on, or was) */
	bool irt; /**< INVALIDATE_INTERRUPT_TABLE */
	struct {
		uint8_t mask;			/**< words to write */
		struct iod_amdvi_raw_dte value; /**< the whole DTE after the step */
	} step[IOD_AMDVI_MAX_STEPS];
};

/** plan, change: refuse (-EBUSY, nothing is written) what would block in between. */
#define IOD_AMDVI_CHANGE_HITLESS (1u << 0)
/** plan, change: 64-bit stores only, as a host without iod_amdvi_atomic128() has to. */
#define IOD_AMDVI_CHANGE_WORDS (1u << 1)

/** Plan a change with the fewest steps. 0 steps: nothing differs.
 *  @param flags IOD_AMDVI_CHANGE_* @return 0; -EBUSY; -EINVAL */
IOD_API int iod_amdvi_dte_plan(struct iod_amdvi_plan *plan, const struct iod_amdvi_raw_dte *from,
			       const struct iod_amdvi_raw_dte *to, uint32_t flags);

/** A live DTE in memory that is changed. */
struct iod_amdvi_change {
	size_t size;	     /**< sizeof(struct iod_amdvi_change) */
	struct iod_mem *mem; /**< in: where it lies */
	uint64_t pa;	     /**< in: a multiple of 32 */
	uint16_t devid;	     /**< in: for INVALIDATE_DEVTAB_ENTRY */
	uint16_t reserved;   /**< 0 */
	uint32_t flags;	     /**< in: 0 or IOD_AMDVI_CHANGE_* */
	/** in: 0. out: 1 when words were written and their COMPLETION_WAIT did not complete. Calling again with it
	 *  makes good for that first. */
	uint32_t unsynced;
	uint32_t steps; /**< out: steps that are complete */
	/** in: takes INVALIDATE_DEVTAB_ENTRY and syncs; NULL: no hardware yet */
	const struct iod_amdvi_sink *sink;
	/** out: what was planned. With unsynced also in: tlbi, atc and irt of the calls that failed stay set. */
	struct iod_amdvi_plan plan;
};

/**
 * Change a DTE. Also dirty tracking on and off: read the DTE, had = IOD_AMDVI_HAD_DIRTY, write, then carry out
 * what plan.tlbi and plan.atc ask for; only then hardware records every write.
 * @return 0; -EBUSY; -EFAULT; -EINVAL; -E2BIG; what the sink returned: steps says how far it came, and calling
 *         again with the same struct goes on
 */
IOD_API int iod_amdvi_dte_write(struct iod_amdvi_change *change,
				const struct iod_amdvi_raw_dte *to);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
