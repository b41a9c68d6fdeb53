/* SPDX-License-Identifier: MIT */
/**
 * @file amdvi_emu.h
 * A whole AMD IOMMU for a guest: registers, device table, command buffer, event and PPR logs, host (v1) and guest
 * (v2) tables alone and nested, hardware update of Accessed and Dirty in both, ATS and PRI. A VMM traps the
 * registers (iod_amdvi_emu_mmio()), sends its devices' accesses through iod_amdvi_emu_dma() or
 * iod_amdvi_emu_access(), and gets interrupts and answers by callbacks. Tests use it as the adversary of a driver.
 *
 * Nothing that the guest wrote is trusted: structures, tables and rings are read from cfg.mem only, each word
 * once (DTEs until two looks agree, of which the last counts), and checked against EFR.
 *
 * What hardware may cache is cached, in bounded caches: DTEs and GCR3 table entries, the illegal ones too, until
 * INVALIDATE_DEVTAB_ENTRY, INVALIDATE_IOMMU_PAGES with GN (GCR3 table entries) or INVALIDATE_IOMMU_ALL; translations and
 * tables until INVALIDATE_IOMMU_PAGES (struct iod_iotlb). So software that forgets an invalidation is seen to.
 *
 * Where the specification could not be confirmed the emulator does what refuses, or what a driver must reckon
 * with: docs/amdvi-emulation.md lists it.
 *
 * Locking: any thread may call anything at any time, but create, destroy and reset, which go alone. Callbacks are
 * called with no lock held, so they may call back, but for what is said at dma. The memory's callbacks
 * (struct iod_mem_vm_ops) are called with the emulator's lock held, and must not.
 */
#ifndef IODIRTY_AMDVI_EMU_H
#define IODIRTY_AMDVI_EMU_H

#include <iodirty/amdvi.h>
#include <iodirty/amdvi_cmd.h>
#include <iodirty/amdvi_event.h>
#include <iodirty/emu.h>
#include <iodirty/iotlb.h>
#include <iodirty/mem.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Registers (AMD 48882, MMIO registers) @{ */

/** The register file, in host byte order. Fields are only ever added at its end. */
struct iod_amdvi_regs {
	struct iod_amdvi_id id;	     /**< EFR, EFR2: what the guest sees */
	uint64_t devtab_base;	     /**< 0x0: address [51:12], 4 KiB pages less one [8:0] */
	uint64_t cmd_base;	     /**< 0x8: address [51:12], length code [59:56] */
	uint64_t evt_base;	     /**< 0x10: alike */
	uint64_t control;	     /**< 0x18: IOD_AMDVI_CONTROL_* */
	uint64_t ppr_base;	     /**< 0x38: as cmd_base */
	uint64_t cmd_head, cmd_tail; /**< 0x2000, 0x2008: byte offsets [18:4] */
	uint64_t evt_head, evt_tail; /**< 0x2010, 0x2018 */
	uint64_t ppr_head, ppr_tail; /**< 0x2030, 0x2038 */
	uint32_t status;	     /**< 0x2020: IOD_AMDVI_STATUS_* */
	uint32_t reserved;
};

/** Bytes of the register file. */
#define IOD_AMDVI_MMIO_BYTES 0x4000u
/** @} */

/** What an interrupt is about: pulses. They are one MSI, which the VMM sends: its address and data are in the PCI
 *  configuration space of the IOMMU, which is not modelled. */
enum iod_amdvi_irq {
	IOD_AMDVI_IRQ_EVT = 0,	   /**< an event was logged, or the log overflowed */
	IOD_AMDVI_IRQ_PPR = 1,	   /**< so for the PPR log */
	IOD_AMDVI_IRQ_COMWAIT = 2, /**< a COMPLETION_WAIT that asked for one is complete */
};

/** Callbacks. All may be NULL. */
struct iod_amdvi_emu_ops {
	size_t size; /**< sizeof(struct iod_amdvi_emu_ops) */
	/** An interrupt. */
	void (*irq)(void *cookie, enum iod_amdvi_irq what);
	/** Commands wait: iod_amdvi_emu_run(). NULL: they are consumed in iod_amdvi_emu_mmio(). */
	void (*kick)(void *cookie);
	/** The device behind @p source (DeviceID) is to forget [first, last], inclusive; with @p pasid_valid only of
	 *  that PASID. @p global is false: no command of AMD-Vi is about all of them.
	 *  @return 0; -ETIMEDOUT it did not answer, which the guest is told (IOTLB_INV_TIMEOUT) */
	int (*atc_inv)(void *cookie, uint32_t source, bool pasid_valid, uint32_t pasid, bool global,
		       uint64_t first, uint64_t last);
	/** A group of page requests is answered.
	 *  @param automatic not by the guest: the log was full, does not run, or the device may not ask */
	void (*pri_response)(void *cookie, const struct iod_page_response *response,
			     bool automatic);
};

/** cfg.flags: an INVALIDATE_IOMMU_PAGES without GN leaves translations combined of a guest and a host table, the
 *  least that hardware is sure to do: for tests of drivers. Linux relies on more, so by default those of the DomainID
 *  go, of all PASIDs. */
#define IOD_AMDVI_EMU_KEEP_COMBINED (1u << 0)

/** Configuration. Zero means the default in every field but mem. */
struct iod_amdvi_emu_cfg {
	size_t size;	     /**< sizeof(struct iod_amdvi_emu_cfg) */
	struct iod_mem *mem; /**< guest memory: structures, tables, rings, semaphores */
	/** Copied; NULL: all that is modelled. What is not is taken out of EFR, so that nobody is promised it: SNP,
	 *  guest virtual APIC and vIOMMU, XT (x2APIC), SMI filter, event counters, device table segments, MARC,
	 *  dual logs, automatic PPR answers, secure ATS, the switches that turn off Accessed and Dirty of guest tables;
	 *  and HDSup without HASup, PPRSup without EPHSup. */
	const struct iod_amdvi_id *id;
	/** Of guest (v2) and combined translations; not ATC. IOD_IOTLB_NO_TABLE_ACCESS: no Accessed in their
	 *  directories, which is not confirmed. */
	const struct iod_iotlb_cfg *tlb_s1;
	const struct iod_iotlb_cfg *tlb_s2; /**< of host (v1) translations; alike */
	uint32_t config_entries; /**< DTEs, and as many contexts, cached; a power of two; 0: 64 */
	uint32_t flags;		 /**< 0 or IOD_AMDVI_EMU_* */
	const struct iod_amdvi_emu_ops *ops;   /**< copied; may be NULL */
	void *cookie;			       /**< handed to ops */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

struct iod_amdvi_emu;

/** Create one, as after reset: disabled, everything passes. @p cfg->mem must outlive it.
 *  @return 0; -EINVAL; -E2BIG; -ENOMEM */
IOD_API int iod_amdvi_emu_create(struct iod_amdvi_emu **out, const struct iod_amdvi_emu_cfg *cfg);

/** Destroy it; no thread may be inside a call. @return 0, -EINVAL */
IOD_API int iod_amdvi_emu_destroy(struct iod_amdvi_emu *emu);

/** Reset: registers as after create, caches empty. @return 0, -EINVAL */
IOD_API int iod_amdvi_emu_reset(struct iod_amdvi_emu *emu);

/**
 * The registers, for VMMs that decode accesses to them on their own, and to save and restore. Heads, tails and
 * status are read and written atomically and may be at any time; the others may be written only while nobody
 * makes accesses or runs commands. iod_amdvi_emu_update() follows a write.
 */
IOD_API struct iod_amdvi_regs *iod_amdvi_emu_regs(struct iod_amdvi_emu *emu);

/** Registers were written: the running bits of status follow control, commands are kicked. In the first call after
 *  create or reset a status that is not 0 is a saved one: rings that had stopped stay so. @return 0, -EINVAL */
IOD_API int iod_amdvi_emu_update(struct iod_amdvi_emu *emu);

/**
 * One access of the guest to the register file: the body of a VMM's trap handler. Registers that are not there
 * read as zero and ignore writes; so do writes that the state does not allow.
 * @param offset below IOD_AMDVI_MMIO_BYTES
 * @param len    4 or 8, aligned
 * @param value  in or out
 * @return 0, -EINVAL
 */
IOD_API int iod_amdvi_emu_mmio(struct iod_amdvi_emu *emu, uint64_t offset, unsigned int len,
			       bool write, uint64_t *value);

/**
 * Consume commands. When another thread is at it, that one goes on with what is new.
 * @param budget commands at most; 0: until the buffer is empty
 * @return 0; -EAGAIN the budget ended before the buffer did; -EINVAL
 */
IOD_API int iod_amdvi_emu_run(struct iod_amdvi_emu *emu, uint32_t budget);

/** @name Accesses @{ */

/**
 * Translate one access, with all its side effects. source is the DeviceID.
 * @param result may be NULL
 * @param event  receives the event raised, logged or not (result.recorded); type 0: none. May be NULL
 * @return 0; -EFAULT terminated; -ENOMEM; -EINVAL; -E2BIG
 */
IOD_API int iod_amdvi_emu_access(struct iod_amdvi_emu *emu, const struct iod_emu_req *req,
				 struct iod_emu_result *result, struct iod_amdvi_event *event);

/**
 * One DMA of @p len bytes. @p move is called for each piece while its translation is held, so that
 * INVALIDATE_IOMMU_PAGES, and COMPLETION_WAIT after INVALIDATE_DEVTAB_ENTRY, wait for it; it must call nothing of
 * this emulator, nor wait for a thread that does. See iod_iotlb_dma().
 * @param done bytes moved are added to it; may be NULL
 * @return as iod_amdvi_emu_access(); what move returned; -ERANGE wraps
 */
IOD_API int iod_amdvi_emu_dma(struct iod_amdvi_emu *emu, const struct iod_emu_req *req,
			      uint64_t len,
			      int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
			      void *cookie, uint64_t *done, struct iod_emu_result *result,
			      struct iod_amdvi_event *event);

/**
 * A page request of a device: goes to the PPR log, or is answered at once (ops.pri_response), as its DTE and the
 * state of the log demand.
 * @return 0 logged; -ENOSPC answered or dropped; -EINVAL
 */
IOD_API int iod_amdvi_emu_page_request(struct iod_amdvi_emu *emu,
				       const struct iod_amdvi_ppr *request);
/** @} */

/** Figures of an emulator. */
struct iod_amdvi_emu_stats {
	size_t size;	       /**< sizeof(struct iod_amdvi_emu_stats) */
	uint64_t accesses;     /**< accesses, and DMAs */
	uint64_t terminated;   /**< of those */
	uint64_t dte_fetches;  /**< DTEs read from memory */
	uint64_t gcr3_fetches; /**< GCR3 table entries of the last level read from memory */
	uint64_t config_hits;  /**< accesses that found their context in the cache */
	uint64_t commands;     /**< consumed */
	uint64_t waits;	       /**< COMPLETION_WAITs among them */
	uint64_t events;       /**< logged */
	uint64_t
		dropped; /**< events not logged: no room, or the log does not run; not the suppressed ones */
	uint64_t suppressed; /**< IO_PAGE_FAULTs that the DTE keeps out of the log */
	uint64_t requests;   /**< page requests logged */
	uint64_t automatic;  /**< page requests answered without the guest */
};

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_amdvi_emu_get_stats(struct iod_amdvi_emu *emu, struct iod_amdvi_emu_stats *stats);

/** One of its iotlbs, to read its figures: stage 1 (guest and combined translations) or 2 (host). NULL: neither */
IOD_API struct iod_iotlb *iod_amdvi_emu_iotlb(struct iod_amdvi_emu *emu, unsigned int stage);

#ifdef __cplusplus
}
#endif

#endif
