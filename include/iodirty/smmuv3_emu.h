/* SPDX-License-Identifier: MIT */
/**
 * @file smmuv3_emu.h
 * A whole SMMUv3 for a guest: registers, command, event and PRI queues, stream table, both stages, hardware
 * update of Accessed and Dirty in both, stalls, ATS and PRI. A VMM traps the registers (iod_smmuv3_emu_mmio()),
 * sends its devices' accesses through iod_smmuv3_emu_dma() or iod_smmuv3_emu_access(), and gets interrupts
 * and answers by callbacks. Tests use it as the adversary of a driver.
 *
 * Nothing that the guest wrote is trusted: structures, tables and queues are read from cfg.mem only, each word
 * once, and checked against the ID registers.
 *
 * What hardware may cache is cached, in bounded caches: STEs and CDs, the illegal ones too, until CFGI_* names
 * them; translations and tables until TLBI_* does (struct iod_iotlb). So software that forgets an
 * invalidation is seen to.
 *
 * Locking: any thread may call anything at any time, but create, destroy and reset, which go alone. Callbacks are called
 * with no lock held, so they may call back, but for what is said at dma. The memory's callbacks
 * (struct iod_mem_vm_ops) are called with the emulator's lock held, and must not.
 */
#ifndef IODIRTY_SMMUV3_EMU_H
#define IODIRTY_SMMUV3_EMU_H

#include <iodirty/emu.h>
#include <iodirty/fault.h>
#include <iodirty/iotlb.h>
#include <iodirty/mem.h>
#include <iodirty/smmuv3.h>
#include <iodirty/smmuv3_event.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Registers (6.3) @{ */

/** Where an interrupt goes: SMMU_*_IRQ_CFG0 to CFG2. */
struct iod_smmuv3_irq_cfg {
	uint64_t cfg0; /**< address of the MSI, bits 55:2; 0: the wired interrupt */
	uint32_t cfg1; /**< data of the MSI */
	uint32_t cfg2; /**< its memory attributes: kept, not used */
};

/** The register file, in host byte order. Fields are only ever added at its end. */
struct iod_smmuv3_regs {
	struct iod_smmuv3_id id; /**< IDR0 to IDR5, IIDR, AIDR: what the guest sees */
	uint32_t cr0;		 /**< SMMUEN, ... as last written */
	/** What is in force for accesses and queues that begin now. SMMUEN follows cr0 at once: an access under
	 *  way ends as it began. CMDQEN is clear when nobody consumes commands any more. */
	uint32_t cr0ack;
	uint32_t cr1, cr2;
	uint32_t statusr;
	uint32_t gbpa, agbpa;
	uint32_t irq_ctrl, irq_ctrlack;
	uint32_t gerror, gerrorn;
	uint32_t strtab_base_cfg;
	uint64_t strtab_base;
	uint64_t cmdq_base, evtq_base, priq_base;
	uint32_t cmdq_prod, cmdq_cons;
	uint32_t evtq_prod, evtq_cons;
	uint32_t priq_prod, priq_cons;
	struct iod_smmuv3_irq_cfg gerror_irq, evtq_irq, priq_irq;
};

/** Bytes of the register file: two pages of 64 KiB. */
#define IOD_SMMUV3_MMIO_BYTES	   0x20000u

#define IOD_SMMUV3_CR0_SMMUEN	   (1u << 0)
#define IOD_SMMUV3_CR0_PRIQEN	   (1u << 1)
#define IOD_SMMUV3_CR0_EVTQEN	   (1u << 2)
#define IOD_SMMUV3_CR0_CMDQEN	   (1u << 3)
#define IOD_SMMUV3_CR0_ATSCHK	   (1u << 4)
#define IOD_SMMUV3_CR2_RECINVSID   (1u << 1) /**< record C_BAD_STREAMID */
#define IOD_SMMUV3_GBPA_ABORT	   (1u << 20)
#define IOD_SMMUV3_GBPA_UPDATE	   (1u << 31)
#define IOD_SMMUV3_IRQ_CTRL_GERROR (1u << 0)
#define IOD_SMMUV3_IRQ_CTRL_PRIQ   (1u << 1)
#define IOD_SMMUV3_IRQ_CTRL_EVTQ   (1u << 2)
/** @} */

/** Interrupts, when they are wired ones: pulses. */
enum iod_smmuv3_irq {
	IOD_SMMUV3_IRQ_EVTQ = 0,   /**< the event queue is not empty any more */
	IOD_SMMUV3_IRQ_PRIQ = 1,   /**< the PRI queue: so, or it overflowed */
	IOD_SMMUV3_IRQ_SYNC = 2,   /**< a SYNC that asked for one is complete */
	IOD_SMMUV3_IRQ_GERROR = 3, /**< GERROR changed */
};

/** Callbacks. All but resumed (where streams stall) may be NULL. */
struct iod_smmuv3_emu_ops {
	size_t size; /**< sizeof(struct iod_smmuv3_emu_ops) */
	/** An MSI: 32 bits of data, little-endian, to addr. Nonzero: the write was aborted. NULL: it is a write to
	 *  guest memory, which the VMM watches. */
	int (*msi)(void *cookie, uint64_t addr, uint32_t data);
	/** A wired interrupt. */
	void (*irq)(void *cookie, enum iod_smmuv3_irq line);
	/** Commands wait: iod_smmuv3_emu_run(). NULL: they are consumed in iod_smmuv3_emu_mmio(). */
	void (*kick)(void *cookie);
	/** A stalled access ends: IOD_EMU_DONE, make it again (what it was meanwhile changed to may fault
	 *  or stall anew); IOD_EMU_ABORTED; IOD_EMU_RAZ_WI.
	 *  It may come before the call that made the access has returned -EAGAIN, in its own thread or another: the
	 *  guest answers as soon as it sees the event. So what waits is to be ready to be told before it is made.
	 *  @param access what the request gave as cookie */
	void (*resumed)(void *cookie, void *access, uint16_t stag, enum iod_emu_outcome how);
	/** The device behind @p sid is to forget [first, last], inclusive; with @p ssv only of that PASID,
	 *  unless @p global. @return 0; -ETIMEDOUT it did not answer, which the next SYNC reports */
	int (*atc_inv)(void *cookie, uint32_t sid, bool ssv, uint32_t ssid, bool global,
		       uint64_t first, uint64_t last);
	/** A group of page requests is answered.
	 *  @param automatic not by the guest: the queue was full or disabled */
	void (*pri_response)(void *cookie, const struct iod_page_response *response,
			     bool automatic);
};

/** Configuration. Zero means the default in every field but mem. */
struct iod_smmuv3_emu_cfg {
	size_t size;	     /**< sizeof(struct iod_smmuv3_emu_cfg) */
	struct iod_mem *mem; /**< guest memory: structures, tables, queues, MSIs */
	/** Copied; NULL: iod_smmuv3_id_full(). What is not modelled is taken out, so that nobody is promised it:
	 *  LPA2 and 52-bit input addresses, big-endian tables, HAD, XNX, permission indirection, DPT, MPAM, ATOS,
	 *  broadcast TLB maintenance, SEV. */
	const struct iod_smmuv3_id *id;
	const struct iod_iotlb_cfg *tlb_s1; /**< of stage-1 and combined translations; not ATC */
	const struct iod_iotlb_cfg *tlb_s2; /**< of stage-2 translations; not ATC */
	uint32_t config_entries; /**< STEs, and as many contexts, cached; a power of two; 0: 64 */
	uint32_t stalls; /**< most stalled accesses, at most IDR5.STALL_MAX; 0: 64, or less. None
			      where STALL_MODEL says so */
	const struct iod_smmuv3_emu_ops *ops;  /**< copied; may be NULL */
	void *cookie;			       /**< handed to ops */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

struct iod_smmuv3_emu;

/** Create one, as after reset: disabled, traffic by GBPA, which bypasses. @p cfg->mem must outlive it.
 *  @return 0; -EINVAL; -E2BIG; -ENOMEM; -EOPNOTSUPP ID registers that leave nothing to be modelled */
IOD_API int iod_smmuv3_emu_create(struct iod_smmuv3_emu **out,
				  const struct iod_smmuv3_emu_cfg *cfg);

/** Destroy it; no thread may be inside a call. Stalled accesses are forgotten. @return 0, -EINVAL */
IOD_API int iod_smmuv3_emu_destroy(struct iod_smmuv3_emu *emu);

/** Reset: registers as after create, caches empty, stalled accesses aborted (ops.resumed). @return 0, -EINVAL */
IOD_API int iod_smmuv3_emu_reset(struct iod_smmuv3_emu *emu);

/**
 * The registers, for VMMs that decode accesses to them on their own, and to save and restore. PROD, CONS,
 * GERROR and GERRORN are read and written atomically and may be at any time; the others may be written
 * only while nobody makes accesses or runs commands. iod_smmuv3_emu_update() follows a write.
 */
IOD_API struct iod_smmuv3_regs *iod_smmuv3_emu_regs(struct iod_smmuv3_emu *emu);

/** Registers were written: CR0ACK and IRQ_CTRLACK follow, commands are kicked, what waited for room in the event
 *  queue is recorded. @return 0, -EINVAL */
IOD_API int iod_smmuv3_emu_update(struct iod_smmuv3_emu *emu);

/**
 * One access of the guest to the register file: the body of a VMM's trap handler. Registers that are not there
 * read as zero and ignore writes; so do writes that the state does not allow.
 * @param offset below IOD_SMMUV3_MMIO_BYTES
 * @param len    4 or 8, aligned
 * @param value  in or out
 * @return 0, -EINVAL
 */
IOD_API int iod_smmuv3_emu_mmio(struct iod_smmuv3_emu *emu, uint64_t offset, unsigned int len,
				bool write, uint64_t *value);

/**
 * Consume commands. When another thread is at it, that one goes on with what is new.
 * @param budget commands at most; 0: until the queue is empty
 * @return 0; -EAGAIN the budget ended before the queue did; -EINVAL
 */
IOD_API int iod_smmuv3_emu_run(struct iod_smmuv3_emu *emu, uint32_t budget);

/** @name Accesses
 * struct iod_emu_req: source is the StreamID, pasid the SubstreamID. struct iod_emu_result: with split stages an
 * ATS translation request is answered by an intermediate address.
 * @{ */

/**
 * Translate one access, with all its side effects.
 * @param result may be NULL
 * @param event  receives the event raised, recorded or not; type 0: none. May be NULL
 * @return 0; -EFAULT terminated; -EAGAIN stalled; -EBUSY it would stall, but as many do as can: make it
 *         again when one was resumed; -ENOMEM; -EINVAL; -E2BIG
 */
IOD_API int iod_smmuv3_emu_access(struct iod_smmuv3_emu *emu, const struct iod_emu_req *req,
				  struct iod_emu_result *result, struct iod_smmuv3_event *event);

/**
 * One DMA of @p len bytes. @p move is called for each piece while its translation is held, so that a TLBI,
 * and the SYNC after a CFGI, wait for it; it must call nothing of this emulator, nor wait for a thread that
 * does. See iod_iotlb_dma().
 * @param done bytes moved are added to it; after -EAGAIN the rest is made again when it was resumed; may be NULL
 * @return as iod_smmuv3_emu_access(); what move returned; -ERANGE wraps
 */
IOD_API int
iod_smmuv3_emu_dma(struct iod_smmuv3_emu *emu, const struct iod_emu_req *req, uint64_t len,
		   int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
		   void *cookie, uint64_t *done, struct iod_emu_result *result,
		   struct iod_smmuv3_event *event);

/**
 * A page request of a device: goes to the PRI queue, or is answered at once (ops.pri_response), or dropped, as
 * the state of the queue demands (8.1, 8.2).
 * @return 0 queued; -ENOSPC dropped or answered; -EINVAL
 */
IOD_API int iod_smmuv3_emu_page_request(struct iod_smmuv3_emu *emu,
					const struct iod_smmuv3_pri *request);
/** @} */

/** Figures of an emulator. */
struct iod_smmuv3_emu_stats {
	size_t size;	      /**< sizeof(struct iod_smmuv3_emu_stats) */
	uint64_t accesses;    /**< accesses, and DMAs */
	uint64_t terminated;  /**< of those */
	uint64_t stalled;     /**< of those */
	uint64_t ste_fetches; /**< STEs read from memory */
	uint64_t cd_fetches;  /**< CDs read from memory */
	uint64_t config_hits; /**< accesses that found both in the cache */
	uint64_t commands;    /**< consumed */
	uint64_t syncs;	      /**< SYNCs among them */
	uint64_t events;      /**< recorded */
	uint64_t dropped;     /**< events discarded: no room, or the queue is disabled */
	uint64_t requests;    /**< page requests queued */
	uint64_t automatic;   /**< page requests answered without the guest */
	uint32_t stalls_now;  /**< accesses that wait */
	uint32_t reserved;
};

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_smmuv3_emu_get_stats(struct iod_smmuv3_emu *emu,
				     struct iod_smmuv3_emu_stats *stats);

/** One of its iotlbs, to read its figures: stage 1 (and combined) or 2. NULL: neither */
IOD_API struct iod_iotlb *iod_smmuv3_emu_iotlb(struct iod_smmuv3_emu *emu, unsigned int stage);

#ifdef __cplusplus
}
#endif

#endif
