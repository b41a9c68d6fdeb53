/* SPDX-License-Identifier: MIT */
/*
 * The emulated VT-d: what refused an access, as a reason (7.1.3), its record (7.2.1), and what becomes of the
 * access: terminated, or answered (ATS).
 */
#include <errno.h>
#include <string.h>

#include "vtd/emu.h"

int iod_vemu_refuse(struct emu_op *op, enum iod_vtd_fault_reason reason, uint64_t addr)
{
	const struct iod_emu_req *req = &op->req;
	bool write = req->access & IOD_ACCESS_WRITE;

	op->fault = (struct iod_vtd_fault){
		.reason = reason,
		.sid = (uint16_t)req->source,
		.pasid_valid = req->pasid_valid,
		.pasid = req->pasid_valid ? req->pasid : 0,
		.exec = req->pasid_valid && !write && (req->access & IOD_ACCESS_EXEC),
		.priv = req->pasid_valid && (req->access & IOD_ACCESS_PRIV),
		.type = write ? IOD_VTD_FAULT_WRITE : IOD_VTD_FAULT_READ,
		.at = IOD_VTD_AT_UNTRANSLATED,
		.fault = true,
		.addr = align_down(addr, 12),
	};
	if (op->page_request)
		op->fault.type = IOD_VTD_FAULT_PAGE_REQUEST;
	if (emu_is_ats(op))
		op->fault.at = IOD_VTD_AT_TRANSLATION;
	if (emu_is_translated(op))
		op->fault.at = IOD_VTD_AT_TRANSLATED;
	return -EFAULT;
}

/* ---- reasons ---- */

static enum iod_vtd_fault_reason emu_permission(const struct emu_op *op, uint32_t access)
{
	bool write = access & IOD_ACCESS_WRITE;

	if (op->scalable)
		return write ? IOD_VTD_F_SM_WRITE : IOD_VTD_F_SM_READ;
	return write ? IOD_VTD_F_WRITE : IOD_VTD_F_READ;
}

/* Whether the entry is there to be read: then it was the update that failed. */
static bool emu_readable(const struct emu_op *op, uint64_t pa)
{
	void *host;

	return pa && !iod_mem_host_ptr(op->emu->mem, pa, 8, false, &host);
}

static bool emu_in_table(uint64_t pte_pa, uint64_t table)
{
	return align_down(pte_pa, 12) == table;
}

/* Legacy mode: an entry that is not present lacks the permission. */
static enum iod_vtd_fault_reason emu_legacy_reason(const struct emu_op *op)
{
	const struct iod_fault *fault = &op->way.fault;

	switch (fault->reason) {
	case IOD_FAULT_RANGE:
		return IOD_VTD_F_ADDR_BEYOND_MGAW;
	case IOD_FAULT_WALK_ABORT:
		return IOD_VTD_F_TABLE_ACCESS;
	case IOD_FAULT_RESERVED:
	case IOD_FAULT_ADDRESS_SIZE:
		return IOD_VTD_F_ENTRY_RESERVED;
	default:
		return emu_permission(op, op->req.access);
	}
}

/* The second stage of scalable mode, of an access or behind a first stage. */
static enum iod_vtd_fault_reason emu_second_reason(const struct emu_op *op)
{
	const struct iod_fault *fault = &op->way.fault;
	bool nested = op->ctx->mode == EMU_FIRST;

	switch (fault->reason) {
	case IOD_FAULT_RANGE:
		return nested ? IOD_VTD_F_FS_NESTED_BEYOND_AW : IOD_VTD_F_BEYOND_AW;
	case IOD_FAULT_WALK_ABORT:
		if (emu_readable(op, fault->pte_pa))
			return IOD_VTD_F_SS_UPDATE;
		return emu_in_table(fault->pte_pa, op->ctx->top2) ? IOD_VTD_F_SS_ROOT_ACCESS
								  : IOD_VTD_F_SS_ACCESS;
	case IOD_FAULT_RESERVED:
	case IOD_FAULT_ADDRESS_SIZE:
		return IOD_VTD_F_SS_RESERVED;
	default:
		break;
	}
	if (fault->cls == IOD_FAULT_TABLE) {
		if (fault->table_write)
			return IOD_VTD_F_FS_UPDATE_SS;
		return emu_in_table(fault->ipa, op->ctx->top1) ? IOD_VTD_F_FS_ROOT_SS
							       : IOD_VTD_F_FS_ENTRY_SS;
	}
	return fault->reason == IOD_FAULT_TRANSLATION ? IOD_VTD_F_SS_NOT_PRESENT
						      : emu_permission(op, op->req.access);
}

/* A user request to a supervisor page, by what the table says now. */
static bool emu_is_supervisor_page(const struct emu_op *op)
{
	struct iod_mapping map;

	return !(op->way.ask & IOD_ACCESS_PRIV) &&
	       !iod_translate(op->way.pt, op->way.fault.iova, &map) && (map.prot & IOD_PROT_PRIV);
}

static enum iod_vtd_fault_reason emu_first_reason(const struct emu_op *op)
{
	const struct iod_fault *fault = &op->way.fault;
	uint64_t entry = fault->cls == IOD_FAULT_TABLE ? fault->ipa : fault->pte_pa;

	switch (fault->reason) {
	case IOD_FAULT_RANGE:
		return IOD_VTD_F_NOT_CANONICAL;
	case IOD_FAULT_WALK_ABORT:
		if (fault->table_write || (!op->ctx->nested && emu_readable(op, fault->pte_pa)))
			return IOD_VTD_F_FS_UPDATE;
		return emu_in_table(entry, op->ctx->top1) ? IOD_VTD_F_FS_ROOT_ACCESS
							  : IOD_VTD_F_FS_ACCESS;
	case IOD_FAULT_RESERVED:
	case IOD_FAULT_ADDRESS_SIZE:
		return IOD_VTD_F_FS_RESERVED;
	case IOD_FAULT_TRANSLATION:
		return IOD_VTD_F_FS_NOT_PRESENT;
	default:
		return emu_is_supervisor_page(op) ? IOD_VTD_F_USER
						  : emu_permission(op, op->req.access);
	}
}

/* What faulted in the middle of a DMA faulted as far behind its beginning as the page table says. */
void iod_vemu_fault(struct emu_op *op)
{
	uint64_t addr = op->req.iova + (op->way.fault.iova - op->way.addr);
	enum iod_vtd_fault_reason reason;

	if (!op->scalable)
		reason = emu_legacy_reason(op);
	else if (op->way.fault.stage == 2)
		reason = emu_second_reason(op);
	else
		reason = emu_first_reason(op);
	iod_vemu_refuse(op, reason, addr);
}

/* ---- recording ---- */

void iod_vemu_record(struct emu_op *op)
{
	struct iod_vtd_emu *emu = op->emu;
	struct iod_vtd_raw_fault raw;
	uint32_t before = emu_load32(&emu->regs.fsts);
	struct iod_vtd_fault_regs regs = {
		.size = sizeof(regs),
		.record = &emu->regs.fault[0][0],
		.nr = iod_vtd_id_field(emu->id.cap, IOD_VTD_CAP_NFR) + 1,
		.next = emu->regs.next_fault,
		.fsts = &emu->regs.fsts,
	};
	int ret;

	if (op->fpd && iod_vtd_fault_is_qualified(op->fault.reason))
		return;
	if (iod_vtd_fault_encode(&raw, &op->fault))
		return;
	ret = iod_vtd_fault_record(&regs, iod_le64(raw.word[0]), iod_le64(raw.word[1]));
	emu->regs.next_fault = regs.next;
	if (ret >= 0) {
		emu->stats.faults += ret;
		op->result.recorded = true;
	} else {
		emu->stats.dropped++;
	}
	op->irqs |= iod_vemu_fsts_irq(emu, emu_load32(&emu->regs.fsts) & ~before);
}

/* ---- what becomes of the access ---- */

/* Where a device may ask for the page: its translation request succeeds, without permissions, and without a record. */
static bool emu_is_recoverable(enum iod_vtd_fault_reason reason)
{
	switch ((int)reason) {
	case IOD_VTD_F_WRITE:
	case IOD_VTD_F_READ:
	case IOD_VTD_F_FS_NOT_PRESENT:
	case IOD_VTD_F_SS_NOT_PRESENT:
	case IOD_VTD_F_USER:
	case IOD_VTD_F_SM_WRITE:
	case IOD_VTD_F_SM_READ:
		return true;
	default:
		return false;
	}
}

/* UNCONFIRMED which refusals are answered UR and which CA, where C2.6 does not say: either refuses. */
static bool emu_is_unsupported(enum iod_vtd_fault_reason reason)
{
	switch ((int)reason) {
	case 0:
	case IOD_VTD_F_ROOT_NOT_PRESENT:
	case IOD_VTD_F_CONTEXT_NOT_PRESENT:
	case IOD_VTD_F_TT_BLOCKED:
	case IOD_VTD_F_RTADDR_TTM:
	case IOD_VTD_F_RTADDR_LEGACY:
	case IOD_VTD_F_SM_ROOT_NOT_PRESENT:
	case IOD_VTD_F_SM_CONTEXT_NOT_PRESENT:
	case IOD_VTD_F_SM_DTE:
	case IOD_VTD_F_SM_PASIDE:
	case IOD_VTD_F_ADDR_BEYOND_MGAW:
	case IOD_VTD_F_NOT_CANONICAL:
	case IOD_VTD_F_BEYOND_AW:
		return true;
	default:
		return false;
	}
}

int iod_vemu_end(struct emu_op *op)
{
	if (emu_is_ats(op) && emu_is_recoverable(op->fault.reason)) {
		op->result.outcome = IOD_EMU_DONE;
		op->result.prot = 0;
		return 0;
	}
	if (op->fault.reason)
		iod_vemu_record(op);
	op->result.outcome = IOD_EMU_ABORTED;
	if (emu_is_ats(op))
		op->result.outcome =
			emu_is_unsupported(op->fault.reason) ? IOD_EMU_ATS_UR : IOD_EMU_ATS_CA;
	op->emu->stats.terminated++;
	return -EFAULT;
}
