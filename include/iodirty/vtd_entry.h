/* SPDX-License-Identifier: MIT */
/**
 * @file vtd_entry.h
 * VT-d structures (Intel VT-d specification, 9.1 to 9.6): root and context entries of legacy and scalable mode, PASID
 * directory and PASID table entries, raw and typed, what hardware says of illegal ones, the way from RTADDR_REG to
 * the entry of a request, and changing a live one.
 *
 * Locking: encode, decode and the lookups keep nothing. Writers of one structure are the caller's to order;
 * hardware may read at any time.
 */
#ifndef IODIRTY_VTD_ENTRY_H
#define IODIRTY_VTD_ENTRY_H

#include <iodirty/mem.h>
#include <iodirty/pgtable.h>
#include <iodirty/types.h>
#include <iodirty/vtd.h>
#include <iodirty/vtd_event.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Structures as they lie in memory: little-endian words @{ */
struct iod_vtd_raw_root {
	uint64_t word[2];
};
/** Legacy mode. */
struct iod_vtd_raw_context {
	uint64_t word[2];
};
/** Scalable mode. */
struct iod_vtd_raw_sm_context {
	uint64_t word[4];
};
struct iod_vtd_raw_pasid_dir {
	uint64_t word[1];
};
struct iod_vtd_raw_pasid {
	uint64_t word[8];
};
/** @} */

/** A root entry. Legacy mode (9.1) has the lower half only, as P and CTP. */
struct iod_vtd_root {
	bool lp;       /**< LP: devices 0 to 15; legacy mode: P, all devices */
	bool up;       /**< UP: devices 16 to 31 */
	uint64_t lctp; /**< LCTP, a multiple of 4096; legacy mode: CTP */
	uint64_t uctp; /**< UCTP */
	struct iod_vtd_raw_root
		unknown; /**< set bits that belong to none of these fields; kept by encode */
};

/** Context entry, TT: what translates. */
enum iod_vtd_tt {
	IOD_VTD_TT_SECOND = 0, /**< second stage; translation and translated requests are refused */
	IOD_VTD_TT_SECOND_ATS = 1, /**< second stage, with ATS */
	IOD_VTD_TT_PASS_THROUGH = 2,
};

/** A context entry of legacy mode (9.3). */
struct iod_vtd_context {
	bool present;
	bool fpd;			    /**< qualified faults are not recorded */
	uint8_t tt;			    /**< enum iod_vtd_tt */
	uint8_t aw;			    /**< 1: 3 levels, 2: 4, 3: 5 */
	uint8_t avail;			    /**< for software: hardware does not look at it */
	uint16_t did;			    /**< domain id */
	uint64_t ssptptr;		    /**< second-stage root, a multiple of 4096 */
	struct iod_vtd_raw_context unknown; /**< as in struct iod_vtd_root */
};

/** A context entry of scalable mode (9.4). */
struct iod_vtd_sm_context {
	bool present;
	bool fpd;
	bool dte;			       /**< device TLB */
	bool paside;			       /**< requests with PASID */
	bool pre;			       /**< page requests */
	bool hpte;			       /**< hardware protection tables: not modelled */
	bool eptr;			       /**< translated requests with PASID */
	uint8_t pdts;			       /**< 2^(pdts + 7) directory entries */
	uint32_t rid_pasid;		       /**< PASID of requests without one */
	bool rid_priv;			       /**< these are supervisor requests */
	uint64_t pasiddirptr;		       /**< a multiple of 4096 */
	struct iod_vtd_raw_sm_context unknown; /**< as in struct iod_vtd_root */
};

/** A PASID directory entry (9.5): 64 PASIDs. */
struct iod_vtd_pasid_dir {
	bool present;
	bool fpd;
	uint64_t smptblptr;		      /**< a multiple of 4096 */
	struct iod_vtd_raw_pasid_dir unknown; /**< as in struct iod_vtd_root */
};

/** PASID entry, PGTT: what translates. */
enum iod_vtd_pgtt {
	IOD_VTD_PGTT_FIRST = 1,
	IOD_VTD_PGTT_SECOND = 2,
	IOD_VTD_PGTT_NESTED = 3,
	IOD_VTD_PGTT_PASS_THROUGH = 4,
};

/** A PASID table entry (9.6). */
struct iod_vtd_pasid {
	bool present;
	bool fpd;
	uint8_t aw;   /**< second stage: 1: 3 levels, 2: 4, 3: 5; pass-through: of the address */
	uint8_t pgtt; /**< enum iod_vtd_pgtt */
	bool ssade;   /**< second-stage Accessed and Dirty */
	uint64_t ssptptr; /**< second-stage root, a multiple of 4096 */
	uint16_t did;	  /**< domain id */
	bool pwsnp;	  /**< walks snoop caches: needed for updates of A and D */
	bool pgsnp;	  /**< pages are snooped */
	bool cd, emte;
	uint8_t emt; /**< revisions before 5: reserved now, as the two behind it */
	bool pwt, pcd;
	uint32_t pat;
	bool sre;	  /**< supervisor requests */
	bool ere;	  /**< execute requests; revisions before 5 */
	uint8_t fspm;	  /**< first stage: 0: 4 levels, 1: 5 */
	bool wpe;	  /**< write protection of supervisor requests */
	bool nxe, smep;	  /**< revisions before 5 */
	bool eafe;	  /**< first-stage extended accessed flag */
	uint64_t fsptptr; /**< first-stage root, a multiple of 4096 */
	uint8_t hptsz;	  /**< hardware protection tables: carried, not modelled */
	bool hptpfd;
	uint64_t hptptr; /**< a multiple of 4096 */
	uint16_t hptdid;
	struct iod_vtd_raw_pasid unknown; /**< as in struct iod_vtd_root */
};

/** @name Both directions
 * Encode: 0; -EINVAL a value that does not fit its field. Decode: every bit, legal or not; 0, -EINVAL.
 * @{ */

/** Encode. */
IOD_API int iod_vtd_root_encode(struct iod_vtd_raw_root *raw, const struct iod_vtd_root *root);
/** Encode. */
IOD_API int iod_vtd_context_encode(struct iod_vtd_raw_context *raw,
				   const struct iod_vtd_context *context);
/** Encode. */
IOD_API int iod_vtd_sm_context_encode(struct iod_vtd_raw_sm_context *raw,
				      const struct iod_vtd_sm_context *context);
/** Encode. */
IOD_API int iod_vtd_pasid_dir_encode(struct iod_vtd_raw_pasid_dir *raw,
				     const struct iod_vtd_pasid_dir *dir);
/** Encode. */
IOD_API int iod_vtd_pasid_encode(struct iod_vtd_raw_pasid *raw, const struct iod_vtd_pasid *pasid);

/** Decode. */
IOD_API int iod_vtd_root_decode(struct iod_vtd_root *root, const struct iod_vtd_raw_root *raw);
/** Decode. */
IOD_API int iod_vtd_context_decode(struct iod_vtd_context *context,
				   const struct iod_vtd_raw_context *raw);
/** Decode. */
IOD_API int iod_vtd_sm_context_decode(struct iod_vtd_sm_context *context,
				      const struct iod_vtd_raw_sm_context *raw);
/** Decode. */
IOD_API int iod_vtd_pasid_dir_decode(struct iod_vtd_pasid_dir *dir,
				     const struct iod_vtd_raw_pasid_dir *raw);
/** Decode. */
IOD_API int iod_vtd_pasid_decode(struct iod_vtd_pasid *pasid, const struct iod_vtd_raw_pasid *raw);
/** @} */

/** @name Flags of check, lookup and get_second @{ */
/** RTADDR_REG.SSIRWE = 1: second-stage permissions are in bits 62:61. */
#define IOD_VTD_CHECK_SSIRWE (1u << 0)
/** Fields that revision 5 reserves and older ones had (EMT, PWT, PCD, ERE, NXE, SMEP) must be 0. Without it they are
 *  taken, and do nothing. */
#define IOD_VTD_CHECK_REV5 (1u << 1)
/** root: the entry is one of scalable mode. */
#define IOD_VTD_CHECK_SCALABLE (1u << 2)
/** Reserved bits are not looked at (for dumps of what may be of a newer revision). */
#define IOD_VTD_CHECK_LENIENT (1u << 3)
/** @} */

/**
 * What hardware with these capabilities says of an entry that it uses (7.1.3): first that it is not present, then
 * reserved bits, then values. This one: of the half of a root entry that it uses.
 *
 * Addresses above 2^52 are reserved; how many bits fewer a host has no register says, and what lies there is no memory.
 * @param upper of scalable mode: the half asked for
 * @param id    NULL: one that has everything
 * @param flags IOD_VTD_CHECK_*
 * @param why   receives a constant string that names the field and the rule ("AW: not in SAGAW"), NULL when it is
 *              legal; may be NULL
 * @return 0 legal; the enum iod_vtd_fault_reason it raises; -EINVAL
 */
IOD_API int iod_vtd_root_check(const struct iod_vtd_root *root, bool upper,
			       const struct iod_vtd_id *id, uint32_t flags, const char **why);
/** The same of a context entry of legacy mode. */
IOD_API int iod_vtd_context_check(const struct iod_vtd_context *context,
				  const struct iod_vtd_id *id, uint32_t flags, const char **why);
/** The same of a context entry of scalable mode. */
IOD_API int iod_vtd_sm_context_check(const struct iod_vtd_sm_context *context,
				     const struct iod_vtd_id *id, uint32_t flags, const char **why);
/** The same of a PASID directory entry. */
IOD_API int iod_vtd_pasid_dir_check(const struct iod_vtd_pasid_dir *dir,
				    const struct iod_vtd_id *id, uint32_t flags, const char **why);
/** The same of a PASID entry. */
IOD_API int iod_vtd_pasid_check(const struct iod_vtd_pasid *pasid, const struct iod_vtd_id *id,
				uint32_t flags, const char **why);

/** @name From page tables, and back @{ */

/** Fill AW, DID and SSPTPTR from iod_pgtable_get_hw_info() of a vtd_ss table and set P; TT becomes SECOND unless it
 *  is SECOND_ATS. @return 0; -EINVAL also of a table that relies on Accessed and Dirty, which legacy mode lacks */
IOD_API int iod_vtd_context_set_second(struct iod_vtd_context *context,
				       const struct iod_hw_info *info, uint16_t did);

/**
 * Fill the fields of one stage, or both (nested), and PGTT, DID, P, and PWSNP when ECAP.SMPWCS; the others (SRE, WPE,
 * EAFE, PGSNP, PAT) are the caller's, those of a stage that is not used become 0. SSADE is as the table's features
 * are. first: of a vtd_fs table, second: of a vtd_ss table.
 * @param id NULL: one that has everything
 * @return 0; -EINVAL; -EOPNOTSUPP the unit cannot (PGTT, levels, Accessed and Dirty)
 */
IOD_API int iod_vtd_pasid_set_first(struct iod_vtd_pasid *pasid, const struct iod_hw_info *first,
				    uint16_t did, const struct iod_vtd_id *id);
/** The same for the second stage. */
IOD_API int iod_vtd_pasid_set_second(struct iod_vtd_pasid *pasid, const struct iod_hw_info *second,
				     uint16_t did, const struct iod_vtd_id *id);
/** The same for both. */
IOD_API int iod_vtd_pasid_set_nested(struct iod_vtd_pasid *pasid, const struct iod_hw_info *first,
				     const struct iod_hw_info *second, uint16_t did,
				     const struct iod_vtd_id *id);

/**
 * The second-stage page table of an entry that check() found legal, ready for iod_pgtable_attach() but for mem;
 * domain is the DID. Features: HW_DIRTY and HW_ACCESS with SSADE; HW_TABLE_ACCESS is the caller's to add who knows
 * that every entry that leads to the table has it.
 * @param id    for the sizes of pages (CAP.SSLPS) and MGAW; NULL: one that has everything
 * @param flags IOD_VTD_CHECK_SSIRWE
 * @param why   receives a constant string, NULL after success; may be NULL
 * @return 0; -EOPNOTSUPP what the library does not walk (SSIRWE); -EINVAL also without second stage
 */
IOD_API int iod_vtd_context_get_second(const struct iod_vtd_context *context,
				       const struct iod_vtd_id *id, uint32_t flags,
				       struct iod_pgtable_cfg *cfg, uint64_t *root,
				       const char **why);
/** The same of a PASID entry, alone or nested. */
IOD_API int iod_vtd_pasid_get_second(const struct iod_vtd_pasid *pasid, const struct iod_vtd_id *id,
				     uint32_t flags, struct iod_pgtable_cfg *cfg, uint64_t *root,
				     const char **why);
/** The first-stage page table: Accessed and Dirty are always on. SRE, WPE, EAFE are the caller's to obey. @return as
 *  above */
IOD_API int iod_vtd_pasid_get_first(const struct iod_vtd_pasid *pasid, const struct iod_vtd_id *id,
				    struct iod_pgtable_cfg *cfg, uint64_t *root, const char **why);
/** @} */

/** @name From RTADDR_REG to the entry of a request @{ */

/** What a lookup takes and finds. */
struct iod_vtd_lookup {
	size_t size;		     /**< sizeof(struct iod_vtd_lookup) */
	const struct iod_mem *mem;   /**< in: where the structures lie */
	const struct iod_vtd_id *id; /**< in: NULL: one that has everything */
	uint64_t rtaddr;	     /**< in: RTADDR_REG */
	uint32_t flags;	    /**< in: IOD_VTD_CHECK_REV5, _LENIENT; the others are found in rtaddr */
	uint16_t source_id; /**< in: bus 15:8, device and function 7:0 */
	uint8_t at;	    /**< in: enum iod_vtd_at of the request */
	bool page_request;  /**< in: it is a page request */
	bool priv;	    /**< in: supervisor request (with PASID) */
	int64_t pasid;	    /**< in: -1: a request without one */

	enum iod_vtd_fault_reason reason; /**< out: why it is refused */
	const char *why; /**< out: names field and rule, or NULL; a constant string */
	bool fpd;	 /**< out: an entry on the way has FPD: qualified faults are not recorded */
	bool scalable;	 /**< out: mode; which of the entries there are */
	uint64_t
		fetch_pa; /**< out: the entry concerned by reason (not readable, not present, illegal) */
	uint64_t root_pa; /**< out: where the entries lie; 0: not come that far */
	uint64_t context_pa;
	uint64_t pasid_dir_pa;
	uint64_t pasid_pa;
	uint32_t pasid_used;	  /**< out: pasid, or RID_PASID */
	uint32_t reserved;	  /**< 0 */
	struct iod_vtd_root root; /**< out: the entries, once read each */
	struct iod_vtd_context context;
	struct iod_vtd_sm_context sm_context;
	struct iod_vtd_pasid_dir pasid_dir;
	struct iod_vtd_pasid pasid_entry;
};

/**
 * All the way: root and context entry, in scalable mode PASID directory and PASID entry, each checked.
 * @return 0; -ENOENT refused: reason; -EFAULT refused because an entry is not in memory: reason, fetch_pa;
 *         -EINVAL; -E2BIG
 */
IOD_API int iod_vtd_lookup(struct iod_vtd_lookup *lookup);

/** The first half: root and context entry. What a context cache keeps. @return as above */
IOD_API int iod_vtd_lookup_context(struct iod_vtd_lookup *lookup);

/** The second half: from scalable and sm_context, which must be set (and fpd, which is added to). What a PASID cache
 *  keeps. Legacy mode: finds nothing more. @return as above */
IOD_API int iod_vtd_lookup_pasid(struct iod_vtd_lookup *lookup);

/** Whether the fault that a lookup ended with is to be recorded (7.1.3: qualified ones are not with FPD). */
static inline bool iod_vtd_lookup_is_recorded(const struct iod_vtd_lookup *lookup)
{
	return lookup->reason && !(lookup->fpd && iod_vtd_fault_is_qualified(lookup->reason));
}
/** @} */

/** @name Changing a live structure @{ */

/** What must be invalidated, bits, in this order (6.5.3.3). @{ */
#define IOD_VTD_FLUSH_CONTEXT (1u << 0) /**< context cache, device-selective */
#define IOD_VTD_FLUSH_PASID \
	(1u << 1) /**< PASID cache: the PASID of a PASID entry; of a context entry: all */
#define IOD_VTD_FLUSH_IOTLB \
	(1u << 2) /**< IOTLB of the domain; of a scalable-mode context entry: all */
#define IOD_VTD_FLUSH_P_IOTLB (1u << 3) /**< IOTLB of the PASID in its domain */
#define IOD_VTD_FLUSH_DEV_TLB \
	(1u << 4) /**< the devices' TLBs, all of the PASID (all of the device without one) */
/** @} */

/** Most steps that a change takes. */
#define IOD_VTD_MAX_STEPS 3u

/**
 * How to get from one structure to another. In each step some words are written, each with one atomic store; then
 * what the step says is invalidated and waited for. Hardware reads structures in pieces; none but a change of one
 * 64-bit word is relied on to be seen whole. So a change of several words goes through P = 0 and says so, but for
 * words of an entry that is not present before.
 */
struct iod_vtd_plan {
	uint32_t nr; /**< steps */
	bool breaks; /**< P = 0 in between: requests are refused for a while */
	struct {
		uint8_t mask; /**< words to write */
		uint32_t inv; /**< IOD_VTD_FLUSH_* after them; 0: no more than a fence */
		uint16_t did; /**< domain id to invalidate with: of the entry as it was */
		struct iod_vtd_raw_pasid value; /**< the whole structure after the step */
	} step[IOD_VTD_MAX_STEPS];
};

/** Plan the change of a PASID entry. 0 steps: nothing differs. SSADE alone is one step, with PASID cache, IOTLB and
 *  device TLBs (6.5.3.3). @param id for CAP.CM; NULL: caching mode @return 0, -EINVAL */
IOD_API int iod_vtd_pasid_plan(struct iod_vtd_plan *plan, const struct iod_vtd_raw_pasid *from,
			       const struct iod_vtd_raw_pasid *to, const struct iod_vtd_id *id);
/** The same for a context entry of legacy mode (struct iod_vtd_plan has its words first). */
IOD_API int iod_vtd_context_plan(struct iod_vtd_plan *plan, const struct iod_vtd_raw_context *from,
				 const struct iod_vtd_raw_context *to, const struct iod_vtd_id *id);
/** The same for a context entry of scalable mode. */
IOD_API int iod_vtd_sm_context_plan(struct iod_vtd_plan *plan,
				    const struct iod_vtd_raw_sm_context *from,
				    const struct iod_vtd_raw_sm_context *to,
				    const struct iod_vtd_id *id);

struct iod_vtd_sink;

/** A device that uses a structure. */
struct iod_vtd_source {
	uint16_t sid;	/**< source-id */
	uint16_t pfsid; /**< of its physical function, for invalidations of its TLB */
	uint8_t mip;	/**< most invalidations pending of its TLB, 5 bits */
	bool ats;	/**< it has a TLB in use */
	/** PASID entry: the device sends this PASID; false: the entry serves its requests without one (RID_PASID).
	 *  Context entry: it sends PASIDs as well. */
	bool pasid;
};

/** A live structure in memory that is changed. */
struct iod_vtd_change {
	size_t size;	     /**< sizeof(struct iod_vtd_change) */
	struct iod_mem *mem; /**< in: where it lies */
	const struct iod_vtd_id
		*id;	/**< in: what the unit has; NULL: caching mode, every descriptor */
	uint64_t pa;	/**< in: a multiple of the structure's bytes */
	uint32_t pasid; /**< in: of a PASID entry */
	uint32_t flags; /**< in: 0 or IOD_VTD_CHANGE_* */
	/** in: 0. out: IOD_VTD_FLUSH_* that are not complete, when words were written and this failed. Calling again with
	 *  it makes good for that first. */
	uint32_t unsynced;
	uint16_t did;	   /**< in, out: with unsynced, the domain id it is about */
	uint16_t reserved; /**< 0 */
	const struct iod_vtd_sink
		*sink; /**< in: takes descriptors (vtd_queue.h); NULL: no hardware yet */
	const struct iod_vtd_source *sources; /**< in: every device that leads to the structure */
	size_t nr_sources;		      /**< in: how many; of a context entry: 1 */
	uint32_t steps;			      /**< out: steps that are complete */
	uint32_t reserved2;		      /**< 0 */
	struct iod_vtd_plan plan;	      /**< out: what was planned */
};

/** change: refuse (-EBUSY, nothing is written) what would go through P = 0. */
#define IOD_VTD_CHANGE_HITLESS (1u << 0)

/**
 * Change a PASID entry. The devices' TLBs are invalidated after the IOTLB is, as 6.5.2 demands.
 * @return 0; -EBUSY; -EFAULT; -EINVAL; -E2BIG; what the sink returned: steps says how far it came, and calling
 *         again with the same struct goes on
 */
IOD_API int iod_vtd_pasid_write(struct iod_vtd_change *change, const struct iod_vtd_raw_pasid *to);
/** Change a context entry of legacy mode. @return as above */
IOD_API int iod_vtd_context_write(struct iod_vtd_change *change,
				  const struct iod_vtd_raw_context *to);
/** Change a context entry of scalable mode. @return as above */
IOD_API int iod_vtd_sm_context_write(struct iod_vtd_change *change,
				     const struct iod_vtd_raw_sm_context *to);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
