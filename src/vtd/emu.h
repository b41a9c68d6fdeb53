/* SPDX-License-Identifier: MIT */
/*
 * The emulated VT-d, inside: what its files share.
 *
 * emu.c         life, figures                    emu_regs.c   the register file
 * emu_config.c  contexts, PASIDs, their caches   emu_access.c one access on its way
 * emu_fault.c   what refused it, and its record  emu_irq.c    interrupts
 * emu_cmd.c     descriptors                      emu_pri.c    page requests
 *
 * One mutex guards all of it, for short: it is not held over iotlb accesses, moved data or callbacks (of
 * the memory excepted). An access holds a reference on the context that it found, instead; a descriptor that
 * invalidates translations, and a wait, are done when those that left the cache before are through.
 * What all vendors share is in emu_core.h and emu_ctx.h.
 */
#ifndef IOD_VTD_EMU_PRIVATE_H
#define IOD_VTD_EMU_PRIVATE_H

#include <iodirty/vtd_emu.h>
#include <iodirty/vtd_entry.h>

#include <pthread.h>

#include "atomic.h"
#include "bits.h"
#include "emu_core.h"
#include "emu_ctx.h"
#include "pgtable/mem.h"
#include "ring.h"

/* Requests to these addresses without a PASID are no DMA; translations may not lead there. */
#define EMU_INTR_FIRST UINT64_C(0xfee00000)
#define EMU_INTR_LAST  UINT64_C(0xfeefffff)

/* Host addresses: no register says how wide they are. */
#define EMU_HAW 52u

/* A context entry in the cache, or why it is none. */
struct emu_context {
	bool present;
	struct iod_vtd_lookup found; /* reason 0: legal */
};

/* What the structures make of accesses of one source and PASID. */
enum emu_mode {
	EMU_PASS = 1,
	EMU_FIRST,  /* pt1, alone or in nested memory */
	EMU_SECOND, /* pt2 */
	EMU_BAD	    /* reason says why */
};

/* A legacy-mode context entry or a PASID entry, and the page tables attached for it. */
struct emu_ctx {
	struct emu_node node; /* first; pasid: EMU_LEGACY or one */
	enum emu_mode mode;
	enum iod_vtd_fault_reason reason;
	bool fpd; /* of the PASID directory and entry, too */
	bool scalable;
	bool snooped; /* walks are: Accessed and Dirty can be updated */
	bool ssade, sre;
	uint16_t did;
	uint64_t top1, top2; /* the roots */
	struct iod_pgtable *pt1, *pt2;
	struct iod_mem *nested;
};

#define EMU_LEGACY (-1)

struct iod_vtd_emu {
	struct iod_allocator allocator;
	struct iod_mem *mem;
	struct iod_vtd_id id; /* what the registers are reset to */
	struct iod_vtd_emu_ops ops;
	void *cookie;
	struct emu_tlbs tlbs;
	uint32_t config_entries;

	pthread_mutex_t lock; /* what follows */
	_Alignas(8) struct iod_vtd_regs regs;
	struct emu_context *contexts;
	struct emu_cache ctxs;
	struct emu_runner runner;
	bool qi_stop;	  /* the guest disabled the queue, and somebody still consumes */
	int atc_error;	  /* of a device: -ETIMEDOUT, -EIO, told by the next wait; 0: none */
	uint16_t atc_sid; /* whose */
	uint32_t told;	  /* conditions in FSTS that an interrupt was raised for */
	struct iod_vtd_emu_stats stats;
};

/* Interrupts to be raised when the lock is released. */
enum emu_irq {
	EMU_IRQ_FAULT = 1 << 0,
	EMU_IRQ_INV = 1 << 1,
	EMU_IRQ_PAGE = 1 << 2,
};

/* One access on its way. */
struct emu_op {
	struct iod_vtd_emu *emu;
	struct iod_emu_req req;
	struct iod_emu_result result;
	struct iod_vtd_fault fault; /* reason 0: none */
	bool fpd;		    /* qualified faults are not recorded */
	bool page_request;
	bool scalable;
	bool priv;	     /* a supervisor request */
	bool interrupt;	     /* a write to the interrupt range: no DMA */
	struct emu_ctx *ctx; /* a reference, or NULL */
	uint32_t pasid;	     /* in force: the request's, or RID_PASID */
	struct emu_way way;
	uint32_t irqs;
};

static inline bool emu_on(const struct iod_vtd_emu *emu, uint32_t bit)
{
	return emu->regs.gsts & bit;
}

static inline uint32_t emu_load32(const uint32_t *reg)
{
	return __atomic_load_n(reg, __ATOMIC_ACQUIRE);
}

static inline bool emu_is_ats(const struct emu_op *op)
{
	return op->req.flags & IOD_EMU_REQ_ATS;
}

static inline bool emu_is_translated(const struct emu_op *op)
{
	return op->req.flags & IOD_EMU_REQ_TRANSLATED;
}

/* ---- emu_config.c; the lock is held ---- */

/* Find or make the context of op->req; takes a reference, unless there is none to be used (a translated request).
 * @return 0; -EFAULT op->fault says why; -ENOMEM */
int iod_vemu_configure(struct emu_op *op);
void iod_vemu_destroy_ctx(void *emu, struct emu_node *node);
/* Forget context entries, as a descriptor says. */
void iod_vemu_forget_contexts(struct iod_vtd_emu *emu, const struct iod_vtd_desc *desc);
/* Forget PASID entries; desc NULL: all, and all contexts. */
void iod_vemu_forget_pasids(struct iod_vtd_emu *emu, const struct iod_vtd_desc *desc);

/* ---- emu_cmd.c ---- */

/* Accesses whose context left its cache before are through: they put nothing old back. The lock is not held. */
void iod_vemu_wait_gone(struct iod_vtd_emu *emu);

/* ---- emu_fault.c ---- */

/* Refuse: op->fault. @return -EFAULT */
int iod_vemu_refuse(struct emu_op *op, enum iod_vtd_fault_reason reason, uint64_t addr);
/* op->fault of op->way.fault. */
void iod_vemu_fault(struct emu_op *op);
/* What becomes of a refused access: op->result, the fault recorded. The lock is held. @return -EFAULT; 0 for ATS
 * translation requests that are answered without permissions */
int iod_vemu_end(struct emu_op *op);
/* Record op->fault, if it is to be. The lock is held. */
void iod_vemu_record(struct emu_op *op);

/* ---- emu_irq.c ---- */

/* What is to be raised when these bits of FSTS were just set. The lock is held. */
uint32_t iod_vemu_fsts_irq(struct iod_vtd_emu *emu, uint32_t set);
/* Raise interrupts (EMU_IRQ_*), or leave them pending. The lock is not held. */
void iod_vemu_interrupt(struct iod_vtd_emu *emu, uint32_t irqs);
/* A register was written: what was pending is sent when it is not masked any more, or forgotten when what it was
 * about is served. The lock is held. @return what is to be sent now */
uint32_t iod_vemu_irq_written(struct iod_vtd_emu *emu);

/* ---- emu_regs.c ---- */
void iod_vemu_reset_regs(struct iod_vtd_emu *emu);
/* The invalidation queue is disabled, when nobody consumes any more. The lock is held. */
void iod_vemu_stop_queue(struct iod_vtd_emu *emu);

#endif
