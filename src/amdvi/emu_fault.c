/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU: what refused an access, as an event (AMD 48882, 2.5), and what becomes of the access:
 * terminated, or answered (ATS).
 *
 * Most flags come from one source (bits.md C3.2, F10). What is certain is the type, the device, the address and whether the
 * entry was present; PE and RZ tell permissions from malformed entries.
 */
#include <errno.h>

#include "amdvi/emu.h"

/* Type of the hardware errors: the access was aborted. */
#define EMU_TARGET_ABORT 2u
/* Type of INVALID_DEVICE_REQUEST, of translated and of translation requests. */
#define EMU_PRETRANSLATED    1u
#define EMU_TRANSLATE_DENIED 0u

static void emu_address(struct emu_op *op, uint64_t addr)
{
	switch ((int)op->event.type) {
	case IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY:
		addr &= ~UINT64_C(3);
		break;
	case IOD_AMDVI_DEV_TAB_HARDWARE_ERROR:
		addr &= MASK64(51, 4);
		break;
	case IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR:
		addr &= MASK64(51, 3);
		break;
	default:
		break;
	}
	op->event.addr = addr;
}

void iod_amd_emu_event(struct emu_op *op, enum iod_amdvi_event_type type, uint64_t addr)
{
	bool tr = op->req.flags & IOD_EMU_REQ_ATS;
	struct iod_amdvi_event *event = &op->event;

	*event = (struct iod_amdvi_event){
		.type = type,
		.devid = (uint16_t)op->req.source,
		.tr = tr,
		.rw = op->req.access & IOD_ACCESS_WRITE,
	};
	switch ((int)type) {
	case IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY:
		event->rz = true;
		break;
	case IOD_AMDVI_DEV_TAB_HARDWARE_ERROR:
		event->errtype = EMU_TARGET_ABORT;
		break;
	case IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR:
		event->errtype = EMU_TARGET_ABORT;
		event->gn = op->gn;
		break;
	case IOD_AMDVI_INVALID_DEVICE_REQUEST:
		event->rw = false;
		event->errtype = tr ? EMU_TRANSLATE_DENIED : EMU_PRETRANSLATED;
		break;
	default:
		event->gn = op->gn;
		break;
	}
	if (event->gn)
		event->pasid = op->req.pasid_valid ? op->req.pasid : 0;
	else if (type == IOD_AMDVI_IO_PAGE_FAULT || type == IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR)
		event->domain = op->domain;
	emu_address(op, addr);
}

/* NX and US are about guest tables only. */
static void emu_guest_flags(struct emu_op *op)
{
	if (!op->event.gn)
		return;
	op->event.nx = op->req.access & IOD_ACCESS_EXEC;
	op->event.us = !(op->req.access & IOD_ACCESS_PRIV);
}

void iod_amd_emu_page_fault(struct emu_op *op, bool present, bool permission)
{
	iod_amd_emu_event(op, IOD_AMDVI_IO_PAGE_FAULT, op->req.iova);
	op->event.pr = present;
	op->event.pe = permission;
	emu_guest_flags(op);
}

/*
 * What the host table refused of a guest address is an event about that address: GN=0, the DomainID, whether the
 * host table was asked to be read or written. Else what faulted in the middle of a DMA faulted as far behind its
 * beginning as the page table says.
 */
void iod_amd_emu_fault(struct emu_op *op)
{
	const struct iod_fault *fault = &op->way.fault;
	bool guest_address = op->gn && fault->stage == 2, gn = op->gn;
	uint64_t addr = op->req.iova + (fault->iova - op->way.addr);

	if (op->context)
		addr = fault->iova;
	else if (guest_address)
		addr = fault->ipa;
	op->gn = gn && !guest_address && !op->context;
	if (fault->reason == IOD_FAULT_WALK_ABORT) {
		iod_amd_emu_event(op, IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR, fault->pte_pa);
	} else {
		iod_amd_emu_event(op, IOD_AMDVI_IO_PAGE_FAULT, addr);
		op->event.pr =
			fault->reason != IOD_FAULT_TRANSLATION && fault->reason != IOD_FAULT_RANGE;
		op->event.pe = fault->reason == IOD_FAULT_PERMISSION;
		op->event.rz = op->event.pr && !op->event.pe;
		emu_guest_flags(op);
	}
	if (op->context || (guest_address && fault->cls == IOD_FAULT_TABLE))
		op->event.rw = guest_address && fault->table_write;
	op->gn = gn;
}

/* ---- logging ---- */

/*
 * DTE.SA keeps page faults out of the log, SE those after the first (until the DTE is invalidated). What a GCR3 table
 * refused has no context: the DTE in the cache says so then.
 */
static bool emu_suppressed(struct emu_op *op, struct emu_dte **cached)
{
	const struct iod_amdvi_dte *own = op->ctx ? &op->ctx->dte : NULL;
	struct emu_dte *dte;
	enum iod_amdvi_event_type type;
	uint64_t fetch;

	*cached = NULL;
	if (op->event.type != IOD_AMDVI_IO_PAGE_FAULT)
		return false;
	if (op->sa)
		return true;
	if (!op->se || iod_amd_emu_dte(op->emu, (uint16_t)op->req.source, &dte, &type, &fetch))
		return false;
	if (!own && (dte->dte.sa || !dte->dte.se))
		return dte->dte.sa;
	*cached = dte;
	return dte->faulted;
}

static void emu_log_event(struct emu_op *op)
{
	struct emu_dte *dte;

	if (!op->event.type)
		return;
	if (emu_suppressed(op, &dte)) {
		op->emu->stats.suppressed++;
		return;
	}
	op->result.recorded = iod_amd_emu_log(op->emu, &op->event, &op->irqs);
	if (op->result.recorded && dte)
		dte->faulted = true;
}

/*
 * Translation requests: a page fault is an answer, and no event (bits.md A3.1). Which errors are answered UR and
 * which CA is UNCONFIRMED: either refuses.
 */
static int emu_refuse_ats(struct emu_op *op)
{
	if (op->event.type == IOD_AMDVI_IO_PAGE_FAULT) {
		op->result.outcome = IOD_EMU_DONE;
		op->result.prot = 0;
		return 0;
	}
	emu_log_event(op);
	op->result.outcome = op->unsupported ? IOD_EMU_ATS_UR : IOD_EMU_ATS_CA;
	return -EFAULT;
}

int iod_amd_emu_refuse(struct emu_op *op)
{
	if (op->req.flags & IOD_EMU_REQ_ATS)
		return emu_refuse_ats(op);
	emu_log_event(op);
	op->result.outcome = IOD_EMU_ABORTED;
	op->emu->stats.terminated++;
	return -EFAULT;
}
