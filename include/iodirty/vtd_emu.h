/* SPDX-License-Identifier: MIT */
/**
 * @file vtd_emu.h
 * A whole VT-d remapping unit for a guest: registers, invalidation and page request queues, root, context and
 * PASID structures in legacy and scalable mode, first stage, second stage and both, with hardware's Accessed
 * and Dirty at every level used, fault recording, ATS and PRI. A VMM traps the registers
 * (iod_vtd_emu_mmio()), sends its devices' accesses through iod_vtd_emu_dma() or iod_vtd_emu_access(), and gets
 * interrupts and answers by callbacks. Tests use it as the adversary of a driver.
 *
 * Nothing that the guest wrote is trusted: structures, tables and queues are read from cfg.mem only, each word
 * once, and checked against the capability registers.
 *
 * What hardware may cache is cached, in bounded caches: contexts and PASID entries until an invalidation of the
 * context or PASID cache names them; translations and tables until one of the IOTLB does (struct iod_iotlb).
 * So software that forgets an invalidation is seen to. What is not present or illegal is cached with CAP.CM
 * only.
 *
 * Locking: any thread may call anything at any time, but create, destroy and reset, which go alone. Callbacks are
 * called with no lock held, so they may call back, but for what is said at dma. The memory's callbacks
 * (struct iod_mem_vm_ops) are called with the emulator's lock held, and must not.
 */
#ifndef IODIRTY_VTD_EMU_H
#define IODIRTY_VTD_EMU_H

#include <iodirty/emu.h>
#include <iodirty/fault.h>
#include <iodirty/iotlb.h>
#include <iodirty/mem.h>
#include <iodirty/types.h>
#include <iodirty/vtd.h>
#include <iodirty/vtd_event.h>
#include <iodirty/vtd_queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Registers (11.4) @{ */

/** Where an interrupt goes: *_CTL, *_DATA, *_ADDR, *_UADDR. */
struct iod_vtd_irq_cfg {
	uint32_t ctl;  /**< IOD_VTD_IRQ_* */
	uint32_t data; /**< of the MSI */
	uint32_t addr, uaddr;
};

#define IOD_VTD_IRQ_PENDING (1u << 30) /**< IP: raised while masked */
#define IOD_VTD_IRQ_MASK    (1u << 31) /**< IM */

/** Most fault recording registers: 16 bytes each at CAP.FRO, CAP.NFR + 1 of them. */
#define IOD_VTD_FAULTS_MAX 256u

/** The register file, in host byte order. Fields are only ever added at its end. */
struct iod_vtd_regs {
	struct iod_vtd_id id; /**< VER, CAP, ECAP: what the guest sees */
	uint32_t gsts;	      /**< what GCMD made of it: IOD_VTD_GSTS_* */
	uint32_t fsts;	      /**< IOD_VTD_FSTS_* */
	uint64_t rtaddr;
	/** RTADDR as it was at the last GCMD.SRTP: in force for accesses that begin now. */
	uint64_t rtaddr_now;
	uint32_t ics;
	uint32_t prs; /**< IOD_VTD_PRS_* */
	struct iod_vtd_irq_cfg fault_irq, inv_irq, page_irq;
	uint64_t iqh, iqt, iqa, iqercd;
	uint64_t pqh, pqt, pqa;
	uint64_t fault[IOD_VTD_FAULTS_MAX][2]; /**< bits 63:0 and 127:64 of each */
	uint32_t next_fault;		       /**< the register that the next fault goes to */
	uint32_t reserved;
};

/** Bytes of the register file. */
#define IOD_VTD_MMIO_BYTES 0x2000u

/** @name GCMD, GSTS @{ */
#define IOD_VTD_GSTS_TE	 (1u << 31) /**< translation is enabled */
#define IOD_VTD_GSTS_RTP (1u << 30) /**< the root table pointer was taken (GCMD.SRTP) */
#define IOD_VTD_GSTS_QIE (1u << 26) /**< queued invalidation is enabled */
/** @} */
/** ICS: a wait descriptor with IF is complete (RW1C). */
#define IOD_VTD_ICS_IWC (1u << 0)
/** @} */

/** Callbacks. All may be NULL. */
struct iod_vtd_emu_ops {
	size_t size; /**< sizeof(struct iod_vtd_emu_ops) */
	/** An MSI: 32 bits of data, little-endian, to addr: the unit's own interrupts (FEADDR
	 *  and so on). NULL: it is a write to guest memory, which the VMM watches. */
	void (*msi)(void *cookie, uint64_t addr, uint32_t data);
	/** Descriptors wait: iod_vtd_emu_run(). NULL: they are consumed in iod_vtd_emu_mmio(). */
	void (*kick)(void *cookie);
	/** The device behind @p source is to forget [first, last], inclusive; with @p pasid_valid only of that
	 *  PASID, unless @p global. @return 0; -EIO it answered wrongly: ICE; others, as
	 *  -ETIMEDOUT: it did not answer: ITE. The next wait reports it */
	int (*atc_inv)(void *cookie, uint32_t source, bool pasid_valid, uint32_t pasid, bool global,
		       uint64_t first, uint64_t last);
	/** A group of page requests is answered.
	 *  @param automatic not by the guest: the queue was full, or the request failed */
	void (*pri_response)(void *cookie, const struct iod_page_response *response,
			     bool automatic);
};

/** Configuration. Zero means the default in every field but mem. */
struct iod_vtd_emu_cfg {
	size_t size;	     /**< sizeof(struct iod_vtd_emu_cfg) */
	struct iod_mem *mem; /**< guest memory: structures, tables, queues, MSIs */
	/** Copied; NULL: iod_vtd_id_full(). What is not modelled is taken out, so that nobody is promised it: see
	 *  docs/vtd-emulation.md. */
	const struct iod_vtd_id *id;
	const struct iod_iotlb_cfg *tlb_s1; /**< of first-stage and nested translations; not ATC */
	const struct iod_iotlb_cfg *tlb_s2; /**< of second-stage translations; not ATC */
	uint32_t
		config_entries; /**< contexts, and as many PASID entries, cached; a power of two; 0: 64 */
	uint32_t reserved;
	const struct iod_vtd_emu_ops *ops;     /**< copied; may be NULL */
	void *cookie;			       /**< handed to ops */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

struct iod_vtd_emu;

/** Create one, as after reset: translation disabled, accesses pass. @p cfg->mem must outlive it.
 *  @return 0; -EINVAL; -E2BIG; -ENOMEM; -EOPNOTSUPP capabilities that leave nothing to be modelled */
IOD_API int iod_vtd_emu_create(struct iod_vtd_emu **out, const struct iod_vtd_emu_cfg *cfg);

/** Destroy it; no thread may be inside a call. @return 0, -EINVAL */
IOD_API int iod_vtd_emu_destroy(struct iod_vtd_emu *emu);

/** Reset: registers as after create, caches empty. @return 0, -EINVAL */
IOD_API int iod_vtd_emu_reset(struct iod_vtd_emu *emu);

/**
 * The registers, for VMMs that decode accesses to them on their own, and to save and restore. IQH, IQT, PQH, PQT,
 * FSTS, PRS and ICS are read and written atomically and may be at any time; the others may be written
 * only while nobody makes accesses or runs descriptors. iod_vtd_emu_update() follows a write.
 */
IOD_API struct iod_vtd_regs *iod_vtd_emu_regs(struct iod_vtd_emu *emu);

/** Registers were written: descriptors are kicked. @return 0, -EINVAL */
IOD_API int iod_vtd_emu_update(struct iod_vtd_emu *emu);

/**
 * One access of the guest to the register file: the body of a VMM's trap handler. Registers that are not there
 * read as zero and ignore writes; so do writes that the state does not allow.
 * @param offset below IOD_VTD_MMIO_BYTES
 * @param len    4 or 8, aligned
 * @param value  in or out
 * @return 0, -EINVAL
 */
IOD_API int iod_vtd_emu_mmio(struct iod_vtd_emu *emu, uint64_t offset, unsigned int len, bool write,
			     uint64_t *value);

/**
 * Consume descriptors. When another thread is at it, that one goes on with what is new.
 * @param budget descriptors at most; 0: until the queue is empty
 * @return 0; -EAGAIN the budget ended before the queue did; -EINVAL
 */
IOD_API int iod_vtd_emu_run(struct iod_vtd_emu *emu, uint32_t budget);

/** @name Accesses
 * struct iod_emu_req: source is the source-id (bus, device, function), 16 bits. Writes without a PASID to
 * [0xfee00000, 0xfeefffff] are interrupts: they pass as they are, whatever the tables say.
 * @{ */

/**
 * Translate one access, with all its side effects.
 * @param result may be NULL
 * @param fault  receives the fault that refused it, recorded or not; reason 0: none. May be NULL
 * @return 0; -EFAULT terminated; -ENOMEM; -EINVAL; -E2BIG
 */
IOD_API int iod_vtd_emu_access(struct iod_vtd_emu *emu, const struct iod_emu_req *req,
			       struct iod_emu_result *result, struct iod_vtd_fault *fault);

/**
 * One DMA of @p len bytes. @p move is called for each piece while its translation is held, so that an IOTLB
 * invalidation, and a wait descriptor after one of the PASID cache (legacy mode: the context cache), wait for it; it
 * must call nothing of this emulator, nor wait for a thread that does. See iod_iotlb_dma(). A translated request holds
 * nothing: ops.atc_inv must not return while one is under way by way of what it is to forget.
 * @param done bytes moved are added to it; may be NULL
 * @return as iod_vtd_emu_access(); what move returned; -ERANGE wraps
 */
IOD_API int iod_vtd_emu_dma(struct iod_vtd_emu *emu, const struct iod_emu_req *req, uint64_t len,
			    int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
			    void *cookie, uint64_t *done, struct iod_emu_result *result,
			    struct iod_vtd_fault *fault);

/**
 * A page request of a device: goes to the page request queue, or is answered at once (ops.pri_response), or
 * dropped, as the state demands (7.4).
 * @return 0 queued; -ENOSPC dropped or answered; -EINVAL
 */
IOD_API int iod_vtd_emu_page_request(struct iod_vtd_emu *emu,
				     const struct iod_vtd_page_req *request);
/** @} */

/** Figures of an emulator. */
struct iod_vtd_emu_stats {
	size_t size;		  /**< sizeof(struct iod_vtd_emu_stats) */
	uint64_t accesses;	  /**< accesses, and DMAs */
	uint64_t terminated;	  /**< of those */
	uint64_t context_fetches; /**< context entries read from memory */
	uint64_t pasid_fetches;	  /**< PASID entries read from memory */
	uint64_t config_hits;	  /**< accesses that found theirs in the cache */
	uint64_t descriptors;	  /**< consumed */
	uint64_t waits;		  /**< wait descriptors among them */
	uint64_t faults;	  /**< recorded */
	uint64_t dropped;	  /**< faults not recorded: no room */
	uint64_t requests;	  /**< page requests queued */
	uint64_t automatic;	  /**< page requests answered without the guest */
};

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_vtd_emu_get_stats(struct iod_vtd_emu *emu, struct iod_vtd_emu_stats *stats);

/** One of its iotlbs, to read its figures: stage 1 (and nested) or 2. NULL: neither */
IOD_API struct iod_iotlb *iod_vtd_emu_iotlb(struct iod_vtd_emu *emu, unsigned int stage);

#ifdef __cplusplus
}
#endif

#endif
