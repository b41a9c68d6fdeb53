/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU, inside: what its files share. Built on emu_core.h and emu_ctx.h, as the others are.
 *
 * emu.c         life, figures                 emu_regs.c   the register file
 * emu_config.c  DTEs, GCR3 tables, contexts   emu_access.c one access on its way
 * emu_fault.c   what refused it: events       emu_log.c    event and PPR logs, interrupts
 * emu_cmd.c     commands                      emu_ppr.c    page requests
 *
 * One mutex guards all of it, for short: it is not held over iotlb accesses, moved data or callbacks (of the memory,
 * and a second-stage walk that fetches a GCR3 table entry, excepted). An access holds a reference on the context
 * that it found, instead; invalidations of translations, and COMPLETION_WAIT, wait for those that were removed from
 * the cache before them.
 * Locks are taken in this order: emulator, stage-1 iotlb, stage-2 iotlb.
 */
#ifndef IOD_AMDVI_EMU_PRIVATE_H
#define IOD_AMDVI_EMU_PRIVATE_H

#include <iodirty/amdvi_dte.h>
#include <iodirty/amdvi_emu.h>
#include <iodirty/amdvi_queue.h>

#include <pthread.h>

#include "atomic.h"
#include "bits.h"
#include "emu_core.h"
#include "emu_ctx.h"
#include "pgtable/mem.h"
#include "ring.h"

/* Addresses of the system end here. */
#define EMU_PA_BITS 52u

/* A DTE in the cache. */
struct emu_dte {
	bool present;
	bool bad;     /* it is illegal */
	bool faulted; /* an IO_PAGE_FAULT of it is in the log (DTE.SE) */
	uint32_t devid;
	struct iod_amdvi_dte dte; /* what is in force of it */
};

/* What the structures make of accesses of one device and PASID. */
struct emu_ctx {
	struct emu_node node;
	struct iod_amdvi_dte dte;
	enum iod_amdvi_route route;
	uint32_t perm;		 /* IOD_PERM_*: what the DTE allows */
	struct iod_pgtable *pt2; /* host table */
	struct iod_mem *nested;	 /* guest addresses, by pt2 */
	struct iod_pgtable *pt1; /* guest table */
};

struct iod_amdvi_emu {
	struct iod_allocator allocator;
	struct iod_mem *mem;
	struct iod_amdvi_id id; /* what the registers are reset to */
	struct iod_amdvi_emu_ops ops;
	void *cookie;
	struct emu_tlbs tlbs;
	uint32_t flags; /* IOD_AMDVI_EMU_* */
	uint32_t config_entries;
	uint32_t
		cmd_on; /* atomic: commands are wanted (CmdRun follows when nobody consumes any more) */

	pthread_mutex_t lock; /* what follows */
	_Alignas(8) struct iod_amdvi_regs regs;
	uint64_t seen; /* control, as iod_amdvi_emu_update() saw it last */
	bool updated;  /* that was called since the reset */
	struct emu_dte *dtes;
	struct emu_cache ctxs;
	struct emu_runner runner;
	struct iod_amdvi_emu_stats stats;
};

/* One access on its way. */
struct emu_op {
	struct iod_amdvi_emu *emu;
	struct iod_emu_req req;
	struct iod_emu_result result;
	struct iod_amdvi_event event; /* type 0: none */
	struct emu_ctx *ctx;	      /* a reference, or NULL */
	struct emu_way way;
	uint32_t perm; /* IOD_PERM_*: what tables may grant at most */
	bool gn;       /* a guest table translates it */
	bool context;  /* a GCR3 table entry was being fetched when the host table refused */
	bool sa, se;   /* of the DTE, once it is known; as is */
	uint16_t domain;
	bool unsupported; /* ATS: answered UR */
	uint32_t irqs;	  /* to be raised when the lock is released */
};

static inline uint32_t emu_load(const uint32_t *reg)
{
	return __atomic_load_n(reg, __ATOMIC_ACQUIRE);
}

static inline void emu_store(uint32_t *reg, uint32_t v)
{
	__atomic_store_n(reg, v, __ATOMIC_RELEASE);
}

static inline void emu_set(uint32_t *reg, uint32_t bits)
{
	__atomic_fetch_or(reg, bits, __ATOMIC_ACQ_REL);
}

static inline void emu_clear(uint32_t *reg, uint32_t bits)
{
	__atomic_fetch_and(reg, ~bits, __ATOMIC_ACQ_REL);
}

static inline bool emu_enabled(const struct iod_amdvi_emu *emu, uint64_t bits)
{
	return (ring_observe64(&emu->regs.control) & bits) == bits;
}

/* ---- emu_config.c; the lock is held ---- */

/* Find or make the context of op->req; takes a reference. @return 0; -EFAULT op->event says why; -ENOMEM */
int iod_amd_emu_configure(struct emu_op *op);
/* The DTE of a device, legal or not. @return 0; -EFAULT *event, *fetch */
int iod_amd_emu_dte(struct iod_amdvi_emu *emu, uint16_t devid, struct emu_dte **out,
		    enum iod_amdvi_event_type *event, uint64_t *fetch);
/* Forget the DTE of a device (-1: of all), and all made from it. */
void iod_amd_emu_forget_dte(struct iod_amdvi_emu *emu, int64_t devid);
/* Forget the GCR3 table entry of a PASID in a domain. */
void iod_amd_emu_forget_gcr3(struct iod_amdvi_emu *emu, uint16_t domain, uint32_t pasid);
/* For emu_cache. */
void iod_amd_emu_destroy_ctx(void *cookie, struct emu_node *node);

/* ---- emu_access.c ---- */

/* What the DTE says before any table is looked at. @return 0: it goes on; -EFAULT op->event */
int iod_amd_emu_admit(struct emu_op *op, const struct iod_amdvi_dte *dte);

/* ---- emu_fault.c ---- */

/* The parts that the events of accesses have in common. */
void iod_amd_emu_event(struct emu_op *op, enum iod_amdvi_event_type type, uint64_t addr);
/* An IO_PAGE_FAULT by what the DTE, or the GCR3 table, says. */
void iod_amd_emu_page_fault(struct emu_op *op, bool present, bool permission);
/* op->event of op->way.fault. */
void iod_amd_emu_fault(struct emu_op *op);
/* Terminate: op->result, the event logged. The lock is held. @return -EFAULT; 0 for ATS requests that are answered
 * without permissions */
int iod_amd_emu_refuse(struct emu_op *op);

/* ---- emu_log.c ---- */

/* Into the event log; the lock is held. @return whether it is there now */
bool iod_amd_emu_log(struct iod_amdvi_emu *emu, const struct iod_amdvi_event *event,
		     uint32_t *irqs);
/* Into a ring of 16-byte records (event or PPR log); the lock is held. @return alike */
bool iod_amd_emu_put(struct iod_amdvi_emu *emu, enum iod_amdvi_queue_kind kind, const void *record,
		     uint32_t *irqs);
/* A COMPLETION_WAIT that asked for it. */
void iod_amd_emu_comwait(struct iod_amdvi_emu *emu);
/* Raise interrupts (bits of enum iod_amdvi_irq). The lock is not held. */
void iod_amd_emu_interrupt(struct iod_amdvi_emu *emu, uint32_t irqs);
/* A ring as its registers describe it. */
struct iod_amdvi_queue iod_amd_emu_queue(struct iod_amdvi_emu *emu, enum iod_amdvi_queue_kind kind);

/* ---- emu_regs.c ---- */
void iod_amd_emu_reset_regs(struct iod_amdvi_emu *emu);

#endif
