/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU: one access on its way (AMD 48882, 2.1, 2.2). Configuration under the emulator's lock,
 * translation and data under the iotlb's, the outcome under the emulator's again.
 */
#include <errno.h>
#include <string.h>

#include "amdvi/emu.h"

/* ---- where to ---- */

static int emu_bypass(struct emu_op *op)
{
	op->way.pt = NULL;
	op->way.addr = op->req.iova;
	/* There is no such address: nobody answers, and it is no fault of a table. */
	return op->way.addr & ~low_mask(EMU_PA_BITS) ? -EFAULT : 0;
}

static int emu_refuse_device(struct emu_op *op, bool log)
{
	op->unsupported = true;
	if (log)
		iod_amd_emu_event(op, IOD_AMDVI_INVALID_DEVICE_REQUEST, op->req.iova);
	return -EFAULT;
}

/* Everything passes; nobody translates for devices. */
static int emu_disabled(struct emu_op *op)
{
	if (op->req.flags & IOD_EMU_REQ_ATS)
		return emu_refuse_device(op, false);
	op->perm = IOD_PERM_READ | IOD_PERM_WRITE;
	return emu_bypass(op);
}

/*
 * ATS wants a valid DTE with I (bits.md A3.6). Guest tables are what Control.GTEn enables; without it their
 * requests are refused, UNCONFIRMED.
 */
int iod_amd_emu_admit(struct emu_op *op, const struct iod_amdvi_dte *dte)
{
	bool ats = op->req.flags & (IOD_EMU_REQ_ATS | IOD_EMU_REQ_TRANSLATED);
	bool denied = dte->tv && !dte->ir && !dte->iw;
	int route;

	op->sa = dte->sa;
	op->se = dte->se;
	op->domain = dte->domain;
	if (ats && !(dte->v && dte->i))
		return emu_refuse_device(op, true);
	if (op->req.flags & IOD_EMU_REQ_TRANSLATED)
		return 0;
	route = iod_amdvi_dte_route(dte, op->req.pasid_valid, NULL);
	if (route != IOD_AMDVI_BLOCKED && (emu_enabled(op->emu, IOD_AMDVI_CONTROL_GTEN) ||
					   (route != IOD_AMDVI_GUEST && route != IOD_AMDVI_NESTED)))
		return 0;
	iod_amd_emu_page_fault(op, denied, denied);
	return -EFAULT;
}

/*
 * What the DTE permits, before any table is asked. A translation request is answered with less; nothing is asked for,
 * or marked, that it may not have.
 */
static int emu_check_perm(struct emu_op *op)
{
	uint32_t denied = 0;

	if (!(op->perm & IOD_PERM_READ))
		denied |= IOD_ACCESS_READ | IOD_ACCESS_EXEC;
	if (!(op->perm & IOD_PERM_WRITE))
		denied |= IOD_ACCESS_WRITE;
	op->way.ask = op->req.access;
	if (op->req.flags & IOD_EMU_REQ_ATS)
		op->way.ask &= ~(denied | IOD_ACCESS_EXEC);
	else if (op->way.ask & denied)
		op->way.ask = 0;
	if (op->way.ask & (IOD_ACCESS_READ | IOD_ACCESS_WRITE))
		return 0;
	iod_amd_emu_page_fault(op, true, true);
	return -EFAULT;
}

static int emu_route(struct emu_op *op)
{
	bool ats = op->req.flags & IOD_EMU_REQ_ATS;
	const struct emu_ctx *ctx = op->ctx;
	int ret;

	if (op->req.flags & IOD_EMU_REQ_TRANSLATED)
		return emu_bypass(op);
	ret = emu_check_perm(op);
	if (ret)
		return ret;
	if (ctx->route == IOD_AMDVI_BYPASS)
		return emu_bypass(op);
	op->way.pt = ctx->pt1 ? ctx->pt1 : ctx->pt2;
	op->way.tlb = (ats ? op->emu->tlbs.ats : op->emu->tlbs.tlb)[ctx->pt1 ? 0 : 1];
	op->way.addr = op->req.iova;
	return 0;
}

/* Under the lock. @return 0 with op->way; -EFAULT op->event, which may be none; -ENOMEM */
static int emu_configure_op(struct emu_op *op)
{
	int ret;

	op->emu->stats.accesses++;
	if (!emu_enabled(op->emu, IOD_AMDVI_CONTROL_IOMMUEN))
		return emu_disabled(op);
	ret = iod_amd_emu_configure(op);
	return ret ? ret : emu_route(op);
}

/* ---- beginning and end ---- */

static int emu_begin(struct emu_op *op, struct iod_amdvi_emu *emu, const struct iod_emu_req *user)
{
	int ret;

	memset(op, 0, sizeof(*op));
	if (!emu)
		return -EINVAL;
	ret = iod_emu_req_in(&op->req, user);
	if (ret)
		return ret;
	if (op->req.source > UINT16_MAX)
		return -EINVAL;
	op->emu = emu;
	op->result.size = sizeof(op->result);
	return 0;
}

/* @param ret 0; -EFAULT refused; what else happened @return what the caller is told */
static int emu_end(struct emu_op *op, int ret, bool refused, struct iod_emu_result *result,
		   struct iod_amdvi_event *event)
{
	struct iod_amdvi_emu *emu = op->emu;
	int out = 0;

	pthread_mutex_lock(&emu->lock);
	if (refused)
		ret = iod_amd_emu_refuse(op);
	if (op->ctx)
		iod_emu_cache_put(&emu->ctxs, &op->ctx->node);
	pthread_mutex_unlock(&emu->lock);
	iod_amd_emu_interrupt(emu, op->irqs);
	if (result)
		out = iod_struct_out(result, &op->result, sizeof(op->result), sizeof(op->result));
	if (event)
		*event = op->event;
	return ret ? ret : out;
}

/* ---- accesses ---- */

static uint32_t emu_allowed(const struct emu_op *op)
{
	uint32_t prot = 0;

	prot |= op->perm & IOD_PERM_READ ? IOD_PROT_READ : 0;
	prot |= op->perm & IOD_PERM_WRITE ? IOD_PROT_WRITE : 0;
	return prot | IOD_PROT_NOEXEC;
}

static int emu_translate(struct emu_op *op)
{
	bool ats = op->req.flags & IOD_EMU_REQ_ATS;
	int ret = 0;

	if (!op->way.pt)
		iod_emu_untranslated(&op->way, low_mask(EMU_PA_BITS), &op->result);
	else if (ats)
		ret = iod_emu_translate_ats(&op->way, op->way.ask, &op->result);
	else
		ret = iod_emu_translate(&op->way, op->way.ask, &op->result);
	if (ret == -EFAULT)
		iod_amd_emu_fault(op);
	if (!(op->req.flags & IOD_EMU_REQ_TRANSLATED))
		op->result.prot &= emu_allowed(op);
	return ret;
}

int iod_amdvi_emu_access(struct iod_amdvi_emu *emu, const struct iod_emu_req *req,
			 struct iod_emu_result *result, struct iod_amdvi_event *event)
{
	struct emu_op op;
	int ret;

	ret = emu_begin(&op, emu, req);
	if (ret)
		return ret;
	pthread_mutex_lock(&emu->lock);
	ret = emu_configure_op(&op);
	pthread_mutex_unlock(&emu->lock);
	if (!ret)
		ret = emu_translate(&op);
	return emu_end(&op, ret, ret == -EFAULT, result, event);
}

static int emu_dma_run(struct emu_op *op, struct emu_dma *dma)
{
	int ret;

	if (!op->way.pt && ((op->way.addr + (dma->len - 1)) & ~low_mask(EMU_PA_BITS)))
		return -EFAULT;
	ret = iod_emu_dma(dma);
	if (ret == -EFAULT && !dma->moved)
		iod_amd_emu_fault(op);
	return ret;
}

int iod_amdvi_emu_dma(struct iod_amdvi_emu *emu, const struct iod_emu_req *req, uint64_t len,
		      int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
		      void *cookie, uint64_t *done, struct iod_emu_result *result,
		      struct iod_amdvi_event *event)
{
	struct emu_dma dma = { .len = len, .move = move, .cookie = cookie };
	struct emu_op op;
	int ret;

	dma.way = &op.way;
	ret = emu_begin(&op, emu, req);
	if (!ret)
		ret = iod_emu_check_dma(&op.req, len, move);
	if (ret)
		return ret;
	pthread_mutex_lock(&emu->lock);
	ret = emu_configure_op(&op);
	pthread_mutex_unlock(&emu->lock);
	if (!ret)
		ret = emu_dma_run(&op, &dma);
	ret = emu_end(&op, ret, ret == -EFAULT && !dma.moved, result, event);
	if (done)
		*done += dma.off;
	return ret;
}
