/* SPDX-License-Identifier: MIT */
/*
 * The emulated SMMU, inside: what its files share.
 *
 * emu.c         life, figures            emu_regs.c   the register file
 * emu_config.c  STEs, CDs, their cache   emu_access.c one access on its way
 * emu_fault.c   what refused it: events  emu_stall.c  accesses that wait
 * emu_cmd.c     commands                 emu_irq.c    interrupts, GERROR
 * emu_pri.c     page requests            emu_ats.c    translation requests of devices
 *
 * One mutex guards all of it, for short: it is not held over iotlb accesses, moved data or callbacks (of
 * the memory and a second-stage walk that fetches a CD excepted). An access holds a reference on the context
 * that it found, instead; SYNC waits for those that were removed from the cache before it.
 * What all vendors share is in emu_core.h and emu_ctx.h.
 */
#ifndef IOD_SMMUV3_EMU_PRIVATE_H
#define IOD_SMMUV3_EMU_PRIVATE_H

#include <iodirty/smmuv3_emu.h>
#include <iodirty/smmuv3_queue.h>
#include <iodirty/smmuv3_ste.h>

#include <pthread.h>

#include "atomic.h"
#include "bits.h"
#include "emu_core.h"
#include "emu_ctx.h"
#include "pgtable/mem.h"
#include "smmuv3/id.h"

#define EMU_CR2_E2H (1u << 0)

/* An STE in the cache, or why it is none. */
struct emu_ste {
	bool present;
	uint32_t sid;
	enum iod_smmuv3_event_type bad; /* 0: legal */
	struct iod_smmuv3_ste ste;
};

/* What the structures make of accesses of one stream and substream. */
enum emu_mode {
	EMU_ABORT = 1,
	EMU_BYPASS,
	EMU_S1, /* half[], alone or in nested memory */
	EMU_S2, /* pt2 */
	EMU_BAD /* bad says why */
};

/* A configuration in the cache: of a StreamID and a SubstreamID. */
struct emu_ctx {
	struct emu_node node; /* first */
	enum emu_mode mode;
	enum iod_smmuv3_event_type bad;
	struct iod_smmuv3_ste ste;
	struct iod_smmuv3_cd cd;
	struct iod_pgtable *pt2;
	struct iod_mem *nested;
	struct iod_pgtable *half[2]; /* TTB0, TTB1; NULL: disabled */
};

/* A stalled access; its place in the table is its tag. */
struct emu_stall {
	bool used;
	bool recorded;
	void *cookie;
	struct iod_smmuv3_event event;
};

struct iod_smmuv3_emu {
	struct iod_allocator allocator;
	struct iod_mem *mem;
	struct iod_smmuv3_id id; /* what the registers are reset to */
	struct iod_smmuv3_emu_ops ops;
	void *cookie;
	struct emu_tlbs tlbs;
	uint32_t config_entries, nr_stalls;

	pthread_mutex_t lock; /* what follows */
	_Alignas(8) struct iod_smmuv3_regs regs;
	struct emu_ste *stes;
	struct emu_cache ctxs;
	struct emu_stall *stalls;
	uint32_t next_stall, unrecorded;
	struct emu_runner runner;
	bool atc_timeout; /* told by the next SYNC */
	struct iod_smmuv3_emu_stats stats;
};

/* One access on its way. */
struct emu_op {
	struct iod_smmuv3_emu *emu;
	struct iod_emu_req req;
	struct iod_emu_result result;
	struct iod_smmuv3_event event; /* type 0: none */
	struct emu_ctx *ctx;	       /* a reference, or NULL */
	struct emu_way way;
	uint32_t access; /* after what the STE overrides: what events tell */
	bool mode_s1;	 /* stage 1 translates it: ctx->cd says what becomes of faults */
	bool el2;	 /* EL2 without E2H: nothing is unprivileged */
	bool s2r, s2s;	 /* of the STE: record, stall */
	bool context;	 /* a structure was being fetched when stage 2 refused */
	uint32_t irqs;	 /* to be raised when the lock is released */
};

static inline bool emu_enabled(const struct iod_smmuv3_emu *emu, uint32_t bit)
{
	return emu->regs.cr0ack & bit;
}

static inline uint32_t emu_reg_load(const uint32_t *reg)
{
	return __atomic_load_n(reg, __ATOMIC_ACQUIRE);
}

static inline void emu_reg_store(uint32_t *reg, uint32_t v)
{
	__atomic_store_n(reg, v, __ATOMIC_RELEASE);
}

/*
 * After an entry was put in: whether the queue was empty before. Asked afterwards, so that a guest that takes
 * the others meanwhile either sees this one or is interrupted.
 */
static inline bool emu_was_empty(const struct iod_smmuv3_queue *queue)
{
	full_fence();
	return iod_smmuv3_queue_used(queue) <= 1;
}

/* ---- emu_config.c; the lock is held ---- */

/* Find or make the context of op->req; takes a reference. @return 0; -EFAULT op->event says why; -ENOMEM */
int iod_smmu_emu_configure(struct emu_op *op);
/* The STE of a stream. @return 0; -EFAULT *event, *fetch; legal or not is in the entry */
int iod_smmu_emu_ste(struct iod_smmuv3_emu *emu, uint32_t sid, const struct emu_ste **out,
		     struct iod_smmuv3_event *event);
/* Forget the STEs of [first, last], and all made from them. */
void iod_smmu_emu_forget_stes(struct iod_smmuv3_emu *emu, uint32_t first, uint32_t last);
/* Forget the CD of a substream (ssid -1: all of the stream). A CD 0 may be that of no substream, too. */
void iod_smmu_emu_forget_cds(struct iod_smmuv3_emu *emu, uint32_t sid, int64_t ssid);
/* What the cache of contexts does with one that nobody uses any more. */
void iod_smmu_emu_destroy_ctx(void *emu, struct emu_node *node);

/* ---- emu_access.c ---- */

/* Choose the page table and the address to ask it for. @return 0; -EFAULT op->event */
int iod_smmu_emu_route(struct emu_op *op);
/* Whether pages must be asked about before the access; ask, off bytes into it. @return 0; -EFAULT op->event */
bool iod_smmu_emu_careful(const struct emu_op *op);
int iod_smmu_emu_check_page(struct emu_op *op, uint64_t off);

/* ---- emu_ats.c ---- */
int iod_smmu_emu_ats(struct emu_op *op);

/* ---- emu_fault.c ---- */

/* The parts of an event that all types have. */
void iod_smmu_emu_event(struct emu_op *op, enum iod_smmuv3_event_type type);
/* An event that has the address of the access; of stage 1, class IN. */
void iod_smmu_emu_input_event(struct emu_op *op, enum iod_smmuv3_event_type type, uint64_t iova);
/* F_BAD_ATS_TREQ, F_TRANSL_FORBIDDEN. */
void iod_smmu_emu_ats_event(struct emu_op *op, enum iod_smmuv3_event_type type);
/* op->event of op->fault. */
void iod_smmu_emu_fault(struct emu_op *op);
/* Terminate or stall: op->result, the event recorded. The lock is held. @return -EFAULT, -EAGAIN, -EBUSY; 0
 * for ATS translation requests that are answered without permissions */
int iod_smmu_emu_refuse(struct emu_op *op);
/* The lock is held. @return 0; -ENOSPC; -ENOENT disabled; -EFAULT */
int iod_smmu_emu_record(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_event *event,
			uint32_t *irqs);

/* ---- emu_stall.c; the lock is held ---- */

/* @return 0; -EBUSY */
int iod_smmu_emu_stall(struct emu_op *op);
/* Record what waits for room. */
void iod_smmu_emu_record_stalls(struct iod_smmuv3_emu *emu, uint32_t *irqs);
/* Take one out. @return false when there is none */
bool iod_smmu_emu_unstall(struct iod_smmuv3_emu *emu, uint32_t stag, void **cookie);

/* ---- emu_irq.c ---- */

/* Raise an error in GERROR. @return the interrupt that tells it; 0 when it is active already */
uint32_t iod_smmu_emu_gerror(struct iod_smmuv3_emu *emu, uint32_t bit);
/* Raise interrupts (bits of enum iod_smmuv3_irq). The lock is not held. */
void iod_smmu_emu_interrupt(struct iod_smmuv3_emu *emu, uint32_t irqs);
/* An MSI. @return 0; or the write was aborted */
int iod_smmu_emu_msi(struct iod_smmuv3_emu *emu, uint64_t addr, uint32_t data);
/* A ring as its registers describe it, made sense of. */
void iod_smmu_emu_queue(struct iod_smmuv3_emu *emu, enum iod_smmuv3_queue_kind kind,
			struct iod_smmuv3_queue *queue);

/* ---- emu_regs.c ---- */
void iod_smmu_emu_reset_regs(struct iod_smmuv3_emu *emu);

#endif
