/* SPDX-License-Identifier: MIT */
/*
 * The emulated VT-d: one access on its way (3, 7.1). Structures under the emulator's lock, translation and data
 * under the iotlb's, the outcome under the emulator's again.
 */
#include <errno.h>
#include <string.h>

#include "pgtable/pt_defs.h"
#include "vtd/emu.h"

/* ---- where to ---- */

/* Translation is enabled: there is a context, or a device has made use of one before. */
static bool emu_is_remapped(const struct emu_op *op)
{
	return op->ctx || emu_is_translated(op);
}

static int emu_refuse_beyond(struct emu_op *op)
{
	return iod_vemu_refuse(op, op->scalable ? IOD_VTD_F_BEYOND_HAW : IOD_VTD_F_ADDR_BEYOND_MGAW,
			       op->req.iova);
}

/* Nothing translates. The address may not be one that there is none of. */
static int emu_route_pass(struct emu_op *op)
{
	op->way.pt = NULL;
	op->way.addr = op->req.iova;
	return op->way.addr & ~low_mask(EMU_HAW) ? emu_refuse_beyond(op) : 0;
}

static void emu_route_tables(struct emu_op *op)
{
	unsigned int stage = op->ctx->mode == EMU_FIRST ? 0 : 1;

	op->way.pt = stage ? op->ctx->pt2 : op->ctx->pt1;
	op->way.tlb = emu_is_ats(op) ? op->emu->tlbs.ats[stage] : op->emu->tlbs.tlb[stage];
	op->way.addr = op->req.iova;
	op->way.ask = op->req.access & (IOD_ACCESS_READ | IOD_ACCESS_WRITE);
	if (op->priv)
		op->way.ask |= IOD_ACCESS_PRIV;
}

static bool emu_is_interrupt(const struct emu_op *op)
{
	return !op->req.pasid_valid && !op->req.flags && op->req.iova >= EMU_INTR_FIRST &&
	       op->req.iova <= EMU_INTR_LAST;
}

/* TE = 0: what a device had translated, or wants to, is refused without a record. */
static int emu_disabled(struct emu_op *op)
{
	op->way.pt = NULL;
	op->way.addr = op->req.iova;
	return op->req.flags || (op->way.addr & ~low_mask(EMU_HAW)) ? -EFAULT : 0;
}

/* Under the lock. @return 0 with op->way; -EFAULT op->fault, which may be none; -ENOMEM */
static int emu_configure_op(struct emu_op *op)
{
	int ret;

	op->emu->stats.accesses++;
	if (emu_is_interrupt(op)) {
		op->way.addr = op->req.iova;
		op->interrupt = true;
		return op->req.access & IOD_ACCESS_WRITE ? 0 : -EFAULT;
	}
	if (!emu_on(op->emu, IOD_VTD_GSTS_TE))
		return emu_disabled(op);
	ret = iod_vemu_configure(op);
	if (ret)
		return ret;
	if (emu_is_translated(op) || op->ctx->mode == EMU_PASS)
		return emu_route_pass(op);
	emu_route_tables(op);
	return 0;
}

/* ---- beginning and end ---- */

static int emu_begin(struct emu_op *op, struct iod_vtd_emu *emu, const struct iod_emu_req *user)
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
static int emu_finish(struct emu_op *op, int ret, bool refused, struct iod_emu_result *result,
		      struct iod_vtd_fault *fault)
{
	struct iod_vtd_emu *emu = op->emu;
	int out = 0;

	pthread_mutex_lock(&emu->lock);
	if (refused)
		ret = iod_vemu_end(op);
	if (op->ctx)
		iod_emu_cache_put(&emu->ctxs, &op->ctx->node);
	pthread_mutex_unlock(&emu->lock);
	iod_vemu_interrupt(emu, op->irqs);
	if (result)
		out = iod_struct_out(result, &op->result, sizeof(op->result), sizeof(op->result));
	if (fault)
		*fault = op->fault;
	return ret ? ret : out;
}

/* ---- what the engine does not know of ---- */

static bool emu_hits_interrupts(uint64_t pa, uint64_t len)
{
	return pa <= EMU_INTR_LAST && pa + (len - 1) >= EMU_INTR_FIRST;
}

static int emu_refuse_interrupts(struct emu_op *op, uint64_t off)
{
	return iod_vemu_refuse(
		op, op->scalable ? IOD_VTD_F_SM_INTERRUPT_RANGE : IOD_VTD_F_INTERRUPT_RANGE,
		op->req.iova + off);
}

/*
 * A2.3 rule 10: a walk that is not snooped updates nothing, and faults where it would have to. Looked up without a
 * trace, by what the tables say now: every entry on the way must have A, the leaf of a write D, if all entries have
 * the bits that permit it (0: a read).
 */
static bool emu_marked(const struct iod_mem *mem, bool first, uint64_t top, unsigned int levels,
		       uint64_t addr, uint64_t permit)
{
	uint64_t accessed = BIT64(first ? 5 : 8), dirty = BIT64(first ? 6 : 9), pte, at = top;
	bool permitted = true;
	unsigned int level;

	for (level = levels; level-- > 0;) {
		at += (addr >> (12 + 9 * level) & 511) << 3;
		if (!iod_emu_fetch(mem, at, &pte, 1))
			return true; /* the access will say why */
		pte = iod_le64(pte);
		if (!(pte & (first ? 1 : 3)))
			return true;
		if (!(pte & accessed))
			return false;
		permitted &= (pte & permit) == permit;
		if (!level || (pte & BIT64(7)))
			return !permit || !permitted || (pte & dirty);
		at = pte & MASK64(51, 12);
	}
	return true;
}

static unsigned int emu_levels(struct iod_pgtable *pt)
{
	return pt_get_top(pt).level + 1;
}

static int emu_check_unsnooped(struct emu_op *op, uint64_t off)
{
	/* R/W of the first stage, W of the second; U/S */
	uint64_t permit = op->req.access & IOD_ACCESS_WRITE ? BIT64(1) : 0;
	uint64_t user = permit && !(op->way.ask & IOD_ACCESS_PRIV) ? BIT64(2) : 0;
	const struct emu_ctx *ctx = op->ctx;
	uint64_t addr = op->way.addr + off;
	struct iod_mapping map;

	/* What has no translation is for the access to refuse: its reason is another. */
	if (ctx->pt1) {
		if (iod_translate(ctx->pt1, addr, &map))
			return 0;
		if (!emu_marked(ctx->nested ? ctx->nested : op->emu->mem, true, ctx->top1,
				emu_levels(ctx->pt1), addr, permit | user))
			return iod_vemu_refuse(op, IOD_VTD_F_FS_UPDATE_SNOOP, op->req.iova + off);
		addr = map.pa + (addr - map.iova);
	}
	/* The second stage of the tables' own addresses is not looked at: what they need is not known here. */
	if (ctx->pt2 && ctx->ssade && !iod_translate(ctx->pt2, addr, &map) &&
	    !emu_marked(op->emu->mem, false, ctx->top2, emu_levels(ctx->pt2), addr, permit))
		return iod_vemu_refuse(op, IOD_VTD_F_SS_UPDATE_SNOOP, op->req.iova + off);
	return 0;
}

static bool emu_careful(const struct emu_op *op)
{
	return op->way.pt && !op->ctx->snooped && (op->ctx->pt1 || op->ctx->ssade);
}

/* ---- accesses ---- */

static int emu_translate(struct emu_op *op)
{
	uint32_t access = op->req.access;
	int ret = 0;

	if (!op->way.pt) {
		iod_emu_untranslated(&op->way, low_mask(EMU_HAW), &op->result);
	} else if (emu_careful(op) && emu_check_unsnooped(op, 0)) {
		return -EFAULT;
	} else if (emu_is_ats(op)) {
		/* Without ECAP.NWFS the no-write flag is not looked at. */
		if (!(op->emu->id.ecap & IOD_VTD_ECAP_NWFS))
			access |= IOD_ACCESS_WRITE;
		ret = iod_emu_translate_ats(&op->way, access, &op->result);
	} else {
		ret = iod_emu_translate(&op->way, op->way.ask, &op->result);
	}
	if (ret == -EFAULT)
		iod_vemu_fault(op);
	if (!ret && emu_is_remapped(op) && emu_hits_interrupts(op->result.pa, 1))
		ret = emu_refuse_interrupts(op, 0);
	return ret;
}

int iod_vtd_emu_access(struct iod_vtd_emu *emu, const struct iod_emu_req *req,
		       struct iod_emu_result *result, struct iod_vtd_fault *fault)
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
	return emu_finish(&op, ret, ret == -EFAULT, result, fault);
}

/* ---- DMA ---- */

/* The caller's data, unless it would go to where interrupts are. */
struct emu_data {
	struct emu_op *op;
	int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset);
	void *cookie;
	bool refused;
};

static int emu_move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct emu_data *data = cookie;

	if (emu_is_remapped(data->op) && emu_hits_interrupts(pa, len)) {
		emu_refuse_interrupts(data->op, offset);
		data->refused = true;
		return -EFAULT;
	}
	return data->move(data->cookie, pa, len, offset);
}

static int emu_check_off(void *owner, uint64_t off)
{
	return emu_check_unsnooped(owner, off);
}

/* Untranslated: all of it is, or nothing. */
static int emu_check_pass(struct emu_op *op, uint64_t len)
{
	uint64_t last = op->way.addr + (len - 1);

	if (op->interrupt)
		return last > EMU_INTR_LAST ? -EFAULT : 0;
	if (last & ~low_mask(EMU_HAW))
		return emu_is_remapped(op) ? emu_refuse_beyond(op) : -EFAULT;
	return 0;
}

static int emu_dma_run(struct emu_op *op, struct emu_dma *dma)
{
	int ret = 0;

	if (!op->interrupt && !op->req.pasid_valid && !op->req.flags &&
	    emu_hits_interrupts(op->req.iova, dma->len))
		return -EFAULT; /* DMA in part, interrupts in part */
	if (!op->way.pt)
		ret = emu_check_pass(op, dma->len);
	if (ret)
		return ret;
	if (emu_careful(op))
		dma->check = emu_check_off;
	ret = iod_emu_dma(dma);
	if (ret == -EFAULT && !dma->moved && !op->fault.reason)
		iod_vemu_fault(op);
	return ret;
}

int iod_vtd_emu_dma(struct iod_vtd_emu *emu, const struct iod_emu_req *req, uint64_t len,
		    int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
		    void *cookie, uint64_t *done, struct iod_emu_result *result,
		    struct iod_vtd_fault *fault)
{
	struct emu_op op;
	struct emu_data data = { .op = &op, .move = move, .cookie = cookie };
	struct emu_dma dma = { .way = &op.way, .len = len, .move = emu_move, .cookie = &data };
	int ret;

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
	ret = emu_finish(&op, ret, ret == -EFAULT && (!dma.moved || data.refused), result, fault);
	if (done)
		*done += dma.off;
	return ret;
}
