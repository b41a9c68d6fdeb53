/* SPDX-License-Identifier: MIT */
/*
 * The emulated SMMU: one access on its way (Arm IHI 0070, 3.4, 3.9, 15). Configuration under the emulator's
 * lock, translation and data under the iotlb's, the outcome under the emulator's again.
 */
#include <errno.h>
#include <string.h>

#include "smmuv3/emu.h"

/* STE.EATS */
#define EATS_NONE  0
#define EATS_SPLIT 2

/* ---- where to ---- */

static int emu_bypass(struct emu_op *op)
{
	unsigned int oas = smmu_oas(&op->emu->id);

	op->way.pt = NULL;
	op->way.addr = op->req.iova;
	if (op->way.addr & ~low_mask(oas)) {
		iod_smmu_emu_input_event(op, IOD_SMMUV3_F_ADDR_SIZE, op->req.iova);
		return -EFAULT;
	}
	return 0;
}

/* SMMUEN = 0 (3.9.1, 6.3.13): ATS has its own refusals. */
static int emu_disabled(struct emu_op *op)
{
	if (op->req.flags & IOD_EMU_REQ_ATS) {
		iod_smmu_emu_ats_event(op, IOD_SMMUV3_F_BAD_ATS_TREQ);
		return -EFAULT;
	}
	if (op->req.flags & IOD_EMU_REQ_TRANSLATED) {
		iod_smmu_emu_ats_event(op, IOD_SMMUV3_F_TRANSL_FORBIDDEN);
		return -EFAULT;
	}
	if (op->emu->regs.gbpa & IOD_SMMUV3_GBPA_ABORT)
		return -EFAULT; /* without an event */
	op->way.pt = NULL;
	op->way.addr = op->req.iova;
	/* No event either (nothing is recorded while disabled). */
	return op->way.addr & ~low_mask(smmu_oas(&op->emu->id)) ? -EFAULT : 0;
}

/* VMSAv8-64: bit 55 chooses; with TBI the byte above it does not count. */
static bool emu_pick_v8(struct emu_op *op)
{
	const struct iod_smmuv3_cd *cd = &op->ctx->cd;
	uint64_t iova = op->req.iova, top = MASK64(63, 56);
	bool upper = iova >> 55 & 1;

	if (upper ? cd->tbi1 : cd->tbi0)
		iova = upper ? iova | top : iova & ~top;
	op->way.addr = iova;
	return upper;
}

/* 32-bit LPAE: T1SZ high addresses are TTB1's; where T1SZ is 0, what T0SZ leaves. */
static bool emu_pick_lpae(struct emu_op *op)
{
	const struct iod_smmuv3_cd *cd = &op->ctx->cd;
	uint64_t iova = op->req.iova;

	op->way.addr = iova;
	if (op->el2 || iova >> 32)
		return false; /* one half only; out of range for either */
	if (cd->t1sz)
		return iova >= BIT64(32) - BIT64(32 - cd->t1sz);
	return cd->t0sz && iova >= BIT64(32 - cd->t0sz);
}

static int emu_route_s1(struct emu_op *op)
{
	const struct emu_ctx *ctx = op->ctx;
	bool upper = ctx->cd.aa64 ? emu_pick_v8(op) : emu_pick_lpae(op);
	bool e0pd_denies = (upper ? ctx->cd.e0pd1 : ctx->cd.e0pd0) && ctx->cd.aa64 &&
			   !(op->access & IOD_ACCESS_PRIV) &&
			   (op->emu->id.idr[3] & IOD_SMMUV3_IDR3_E0PD);

	op->mode_s1 = true;
	op->way.pt = ctx->half[upper];
	op->way.tlb = op->emu->tlbs.tlb[0];
	if (op->way.pt && !e0pd_denies)
		return 0;
	iod_smmu_emu_input_event(op, IOD_SMMUV3_F_TRANSLATION, op->req.iova);
	return -EFAULT;
}

/* Stage 1 is bypassed: what it lets through are intermediate addresses. */
static int emu_route_s2(struct emu_op *op)
{
	op->way.pt = op->ctx->pt2;
	op->way.tlb = op->emu->tlbs.tlb[1];
	op->way.addr = op->req.iova;
	if (op->way.addr & ~low_mask(smmu_ias(&op->emu->id))) {
		iod_smmu_emu_input_event(op, IOD_SMMUV3_F_ADDR_SIZE, op->req.iova);
		return -EFAULT;
	}
	return 0;
}

/*
 * 5.2, EATS: not with everything bypassed. Without ATSCHK translated requests are not looked at, so that intermediate
 * addresses must not be handed out: split stages are as none.
 */
static bool emu_may_ats(const struct emu_op *op)
{
	const struct iod_smmuv3_ste *ste = &op->ctx->ste;

	if (ste->config == IOD_SMMUV3_BYPASS || ste->eats == EATS_NONE)
		return false;
	return ste->eats != EATS_SPLIT || emu_enabled(op->emu, IOD_SMMUV3_CR0_ATSCHK);
}

static int emu_check_ats(struct emu_op *op)
{
	bool treq = op->req.flags & IOD_EMU_REQ_ATS;

	if (op->ctx->mode == EMU_ABORT)
		return -EFAULT; /* no event */
	if (emu_may_ats(op))
		return 0;
	iod_smmu_emu_ats_event(op,
			       treq ? IOD_SMMUV3_F_BAD_ATS_TREQ : IOD_SMMUV3_F_TRANSL_FORBIDDEN);
	return -EFAULT;
}

static int emu_route_translated(struct emu_op *op)
{
	int ret = emu_check_ats(op);

	if (ret)
		return ret;
	if (op->ctx->ste.eats == EATS_SPLIT)
		return emu_route_s2(op);
	return emu_bypass(op);
}

int iod_smmu_emu_route(struct emu_op *op)
{
	int ret;

	op->way.ask = op->access;
	op->el2 = op->ctx->ste.strw && !(op->emu->regs.cr2 & EMU_CR2_E2H);
	if (op->ctx->mode == EMU_S1 && op->el2)
		op->way.ask |= IOD_ACCESS_PRIV;
	if (op->req.flags & IOD_EMU_REQ_TRANSLATED)
		return emu_route_translated(op);
	if (op->req.flags & IOD_EMU_REQ_ATS) {
		ret = emu_check_ats(op);
		if (ret)
			return ret;
	}
	switch (op->ctx->mode) {
	case EMU_BYPASS:
		return emu_bypass(op);
	case EMU_S1:
		return emu_route_s1(op);
	case EMU_S2:
		return emu_route_s2(op);
	default:
		return -EFAULT; /* Config 0 to 3: no event */
	}
}

/* Under the lock. @return 0 with op->way.pt; -EFAULT op->event, which may be none; -ENOMEM */
static int emu_configure_op(struct emu_op *op)
{
	struct iod_smmuv3_emu *emu = op->emu;
	int ret;

	emu->stats.accesses++;
	op->access = op->req.access;
	if (!emu_enabled(emu, IOD_SMMUV3_CR0_SMMUEN))
		return emu_disabled(op);
	if ((op->req.flags & IOD_EMU_REQ_TRANSLATED) && !emu_enabled(emu, IOD_SMMUV3_CR0_ATSCHK))
		return emu_bypass(op);
	ret = iod_smmu_emu_configure(op);
	if (!ret)
		ret = iod_smmu_emu_route(op);
	return ret;
}

/* ---- beginning and end ---- */

static int emu_begin(struct emu_op *op, struct iod_smmuv3_emu *emu, const struct iod_emu_req *user)
{
	int ret;

	memset(op, 0, sizeof(*op));
	if (!emu)
		return -EINVAL;
	ret = iod_emu_req_in(&op->req, user);
	if (ret)
		return ret;
	op->emu = emu;
	op->result.size = sizeof(op->result);
	return 0;
}

/* @param ret 0; -EFAULT refused; what else happened @return what the caller is told */
static int emu_end(struct emu_op *op, int ret, bool refused, struct iod_emu_result *result,
		   struct iod_smmuv3_event *event)
{
	struct iod_smmuv3_emu *emu = op->emu;
	int out = 0;

	pthread_mutex_lock(&emu->lock);
	if (refused)
		ret = iod_smmu_emu_refuse(op);
	if (op->ctx)
		iod_emu_cache_put(&emu->ctxs, &op->ctx->node);
	pthread_mutex_unlock(&emu->lock);
	iod_smmu_emu_interrupt(emu, op->irqs);
	if (result)
		out = iod_struct_out(result, &op->result, sizeof(op->result), sizeof(op->result));
	if (event)
		*event = op->event;
	return ret ? ret : out;
}

/* ---- accesses ---- */

/*
 * What the engine does not know of: PAN (no privileged data access where the unprivileged may go), WXN (what is
 * writable is not executable), and that the privileged do not execute what the unprivileged may write (D8.4).
 * It is looked up without a trace, by what the table says now.
 */
bool iod_smmu_emu_careful(const struct emu_op *op)
{
	bool exec = op->access & IOD_ACCESS_EXEC, priv = op->access & IOD_ACCESS_PRIV;
	const struct iod_smmuv3_cd *cd;

	if (!op->mode_s1)
		return false;
	cd = &op->ctx->cd;
	if (exec)
		return cd->wxn || (priv && !op->el2 && (cd->aa64 || cd->uwxn));
	return priv && cd->pan && !op->el2;
}

int iod_smmu_emu_check_page(struct emu_op *op, uint64_t off)
{
	bool exec = op->access & IOD_ACCESS_EXEC, denied;
	struct iod_mapping map;

	if (iod_translate(op->way.pt, op->way.addr + off, &map))
		return 0; /* the access will say why */
	if (!map.accessed && !op->ctx->cd.ha && !op->ctx->cd.affd)
		return 0; /* F_ACCESS goes first */
	denied = !(map.prot & IOD_PROT_PRIV) && !op->el2;
	if (exec)
		denied = (map.prot & IOD_PROT_WRITE) && (denied || op->ctx->cd.wxn);
	if (!denied)
		return 0;
	iod_smmu_emu_input_event(op, IOD_SMMUV3_F_PERMISSION, op->req.iova + off);
	return -EFAULT;
}

static int emu_translate(struct emu_op *op)
{
	int ret;

	if (!op->way.pt) {
		iod_emu_untranslated(&op->way, low_mask(smmu_oas(&op->emu->id)), &op->result);
		return 0;
	}
	if (op->req.flags & IOD_EMU_REQ_ATS)
		return iod_smmu_emu_ats(op);
	if (iod_smmu_emu_careful(op)) {
		ret = iod_smmu_emu_check_page(op, 0);
		if (ret)
			return ret;
	}
	ret = iod_emu_translate(&op->way, op->way.ask, &op->result);
	if (ret == -EFAULT)
		iod_smmu_emu_fault(op);
	return ret;
}

int iod_smmuv3_emu_access(struct iod_smmuv3_emu *emu, const struct iod_emu_req *req,
			  struct iod_emu_result *result, struct iod_smmuv3_event *event)
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

/* ---- DMA ---- */

static int emu_check_off(void *owner, uint64_t off)
{
	return iod_smmu_emu_check_page(owner, off);
}

static int emu_dma_run(struct emu_op *op, struct emu_dma *dma)
{
	int ret;

	if (!op->way.pt && ((op->way.addr + (dma->len - 1)) & ~low_mask(smmu_oas(&op->emu->id)))) {
		iod_smmu_emu_input_event(op, IOD_SMMUV3_F_ADDR_SIZE, op->req.iova);
		return -EFAULT;
	}
	if (iod_smmu_emu_careful(op))
		dma->check = emu_check_off;
	ret = iod_emu_dma(dma);
	if (ret == -EFAULT && !dma->moved && !op->event.type)
		iod_smmu_emu_fault(op);
	return ret;
}

int iod_smmuv3_emu_dma(struct iod_smmuv3_emu *emu, const struct iod_emu_req *req, uint64_t len,
		       int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
		       void *cookie, uint64_t *done, struct iod_emu_result *result,
		       struct iod_smmuv3_event *event)
{
	struct emu_dma dma = { .len = len, .move = move, .cookie = cookie };
	struct emu_op op;
	int ret;

	dma.way = &op.way;
	dma.owner = &op;
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
