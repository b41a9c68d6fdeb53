/* SPDX-License-Identifier: MIT */
/*
 * The emulated SMMU: what refused an access, as an event (Arm IHI 0070, 7.3), and what becomes of the access:
 * terminated, stalled, or answered (ATS).
 */
#include <errno.h>
#include <string.h>

#include "smmuv3/emu.h"

void iod_smmu_emu_event(struct emu_op *op, enum iod_smmuv3_event_type type)
{
	op->event = (struct iod_smmuv3_event){
		.type = type,
		.sid = op->req.source,
		.ssv = op->req.pasid_valid,
		.ssid = op->req.pasid_valid ? op->req.pasid : 0,
	};
	/* 7.3.9: the SubstreamID is always there, and no flag for it. */
	if (type == IOD_SMMUV3_C_BAD_SUBSTREAMID)
		op->event.ssv = false;
}

/* Instructions are only read (7.3: InD is 0 for writes). */
void iod_smmu_emu_input_event(struct emu_op *op, enum iod_smmuv3_event_type type, uint64_t iova)
{
	bool write = op->access & IOD_ACCESS_WRITE;

	iod_smmu_emu_event(op, type);
	op->event.addr = iova;
	op->event.rnw = !write;
	op->event.cls = IOD_SMMUV3_CLASS_IN;
	op->event.pnu = op->access & IOD_ACCESS_PRIV;
	op->event.ind = !write && (op->access & IOD_ACCESS_EXEC);
}

void iod_smmu_emu_ats_event(struct emu_op *op, enum iod_smmuv3_event_type type)
{
	iod_smmu_emu_event(op, type);
	op->event.addr = op->req.iova;
	op->event.rnw = !(op->access & IOD_ACCESS_WRITE);
}

static enum iod_smmuv3_event_type fault_type(enum iod_fault_reason reason)
{
	switch (reason) {
	case IOD_FAULT_PERMISSION:
		return IOD_SMMUV3_F_PERMISSION;
	case IOD_FAULT_ACCESS_FLAG:
		return IOD_SMMUV3_F_ACCESS;
	case IOD_FAULT_ADDRESS_SIZE:
		return IOD_SMMUV3_F_ADDR_SIZE;
	case IOD_FAULT_WALK_ABORT:
		return IOD_SMMUV3_F_WALK_EABT;
	default:
		return IOD_SMMUV3_F_TRANSLATION;
	}
}

static enum iod_smmuv3_class fault_class(const struct emu_op *op)
{
	const struct iod_fault *fault = &op->way.fault;

	if (op->context)
		return IOD_SMMUV3_CLASS_CD;
	if (fault->cls == IOD_FAULT_TABLE)
		return IOD_SMMUV3_CLASS_TT;
	/* 7.3.12: a stage-1 table that is not there is class TT as well. */
	if (fault->reason == IOD_FAULT_WALK_ABORT && fault->stage == 1)
		return IOD_SMMUV3_CLASS_TT;
	return IOD_SMMUV3_CLASS_IN;
}

/*
 * A fault of a CD's fetch has the access's own address as InputAddr, and the CD's as IPA. What faulted in the
 * middle of a DMA faulted as far behind its beginning as the page table says.
 */
void iod_smmu_emu_fault(struct emu_op *op)
{
	const struct iod_fault *fault = &op->way.fault;
	enum iod_smmuv3_event_type type = fault_type(fault->reason);
	struct iod_smmuv3_event *event = &op->event;
	uint64_t off = op->context ? 0 : fault->iova - op->way.addr;
	uint64_t ipa = fault->cls == IOD_FAULT_TABLE || fault->ipa ? fault->ipa : fault->iova;

	iod_smmu_emu_input_event(op, type, op->req.iova + off);
	event->cls = (uint8_t)fault_class(op);
	event->s2 = fault->stage == 2;
	if (type == IOD_SMMUV3_F_WALK_EABT) {
		event->fetch = fault->pte_pa & MASK64(55, 3);
		return;
	}
	if (!event->s2)
		return;
	event->ipa = ipa & MASK64(55, 12);
	if (type == IOD_SMMUV3_F_PERMISSION && event->cls == IOD_SMMUV3_CLASS_TT)
		event->ttrnw = !fault->table_write;
}

/* ---- recording ---- */

int iod_smmu_emu_record(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_event *event,
			uint32_t *irqs)
{
	uint32_t error = emu_reg_load(&emu->regs.gerror) ^ emu_reg_load(&emu->regs.gerrorn);
	struct iod_smmuv3_raw_event raw;
	struct iod_smmuv3_queue queue;
	int ret;

	if (!emu_enabled(emu, IOD_SMMUV3_CR0_EVTQEN) || (error & IOD_SMMUV3_GERROR_EVTQ_ABT))
		return -ENOENT;
	ret = iod_smmuv3_event_encode(&raw, event);
	if (ret)
		return ret;
	iod_smmu_emu_queue(emu, IOD_SMMUV3_EVTQ, &queue);
	ret = iod_smmuv3_queue_push(&queue, &raw, 1);
	if (!ret) {
		emu->stats.events++;
		*irqs |= emu_was_empty(&queue) ? 1u << IOD_SMMUV3_IRQ_EVTQ : 0;
	} else if (ret == -ENOSPC) {
		/* 7.4: only what is discarded overflows; stalls wait. */
		if (!event->stall)
			iod_smmuv3_queue_overflow(&queue);
	} else {
		*irqs |= iod_smmu_emu_gerror(emu, IOD_SMMUV3_GERROR_EVTQ_ABT);
	}
	return ret;
}

static void emu_record_now(struct emu_op *op)
{
	if (iod_smmu_emu_record(op->emu, &op->event, &op->irqs))
		op->emu->stats.dropped++;
	else
		op->result.recorded = true;
}

/* ---- what becomes of the access ---- */

/* The four kinds: recorded, stalled and terminated as the stage's configuration says. */
static bool emu_is_translation_fault(const struct iod_smmuv3_event *event)
{
	return event->type >= IOD_SMMUV3_F_TRANSLATION && event->type <= IOD_SMMUV3_F_PERMISSION;
}

/*
 * 3.9.1, 15: of ATS traffic only the two events that are about ATS are recorded (CR2.REC_CFG_ATS is not
 * modelled). UNCONFIRMED which errors are answered UR and which CA, where C1.2 does not say: either refuses.
 */
static int emu_refuse_ats(struct emu_op *op)
{
	switch ((int)op->event.type) {
	case IOD_SMMUV3_F_TRANSLATION:
	case IOD_SMMUV3_F_ADDR_SIZE:
	case IOD_SMMUV3_F_ACCESS:
	case IOD_SMMUV3_F_PERMISSION:
		op->result.outcome = IOD_EMU_DONE;
		op->result.prot = 0;
		return 0;
	case IOD_SMMUV3_F_BAD_ATS_TREQ:
		emu_record_now(op);
		op->result.outcome = IOD_EMU_ATS_UR;
		return -EFAULT;
	case 0:
	case IOD_SMMUV3_C_BAD_STREAMID:
		op->result.outcome = IOD_EMU_ATS_UR;
		return -EFAULT;
	default:
		op->result.outcome = IOD_EMU_ATS_CA;
		return -EFAULT;
	}
}

static bool emu_wants_record(const struct emu_op *op)
{
	const struct iod_smmuv3_event *event = &op->event;

	if (!event->type)
		return false;
	if (event->type == IOD_SMMUV3_C_BAD_STREAMID)
		return op->emu->regs.cr2 & IOD_SMMUV3_CR2_RECINVSID;
	if (emu_is_translation_fault(event) && event->s2)
		return op->s2r || op->s2s;
	if (emu_is_translation_fault(event))
		return op->ctx && (!op->mode_s1 || op->ctx->cd.r || op->ctx->cd.s);
	/* Of translated requests: what forbids them, and faults of their second stage. */
	return !(op->req.flags & IOD_EMU_REQ_TRANSLATED) ||
	       event->type == IOD_SMMUV3_F_TRANSL_FORBIDDEN ||
	       event->type == IOD_SMMUV3_F_WALK_EABT;
}

/* Faults of stage 1 before there is a CD (an address out of range on a bypassed stage 1) never stall. */
static bool emu_wants_stall(const struct emu_op *op)
{
	if (!emu_is_translation_fault(&op->event) || !op->emu->nr_stalls ||
	    (op->req.flags & IOD_EMU_REQ_TRANSLATED))
		return false;
	return op->event.s2 ? op->s2s : op->ctx && op->mode_s1 && op->ctx->cd.s;
}

static enum iod_emu_outcome emu_terminated(const struct emu_op *op)
{
	bool term_abort = op->emu->id.idr[0] & IOD_SMMUV3_IDR0_TERM_MODEL;

	if (emu_is_translation_fault(&op->event) && !op->event.s2 && op->ctx && op->mode_s1 &&
	    !op->ctx->cd.a && !term_abort)
		return IOD_EMU_RAZ_WI;
	return IOD_EMU_ABORTED;
}

int iod_smmu_emu_refuse(struct emu_op *op)
{
	int ret;

	if (op->req.flags & IOD_EMU_REQ_ATS)
		return emu_refuse_ats(op);
	if (emu_wants_stall(op)) {
		ret = iod_smmu_emu_stall(op);
		return ret ? ret : -EAGAIN;
	}
	if (emu_wants_record(op))
		emu_record_now(op);
	op->result.outcome = emu_terminated(op);
	op->emu->stats.terminated++;
	return -EFAULT;
}
