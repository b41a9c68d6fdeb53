/* SPDX-License-Identifier: MIT */
/* The emulated VT-d: page requests of devices, and the answers they get when nobody is there (7.4.1). */
#include <errno.h>
#include <string.h>

#include "vtd/emu.h"

static void emu_prq(struct iod_vtd_emu *emu, struct iod_vtd_queue *queue)
{
	*queue = (struct iod_vtd_queue){
		.size = sizeof(*queue),
		.kind = IOD_VTD_PRQ,
		.mem = emu->mem,
		.base = emu->regs.pqa,
		.head = &emu->regs.pqh,
		.tail = &emu->regs.pqt,
		.prs = &emu->regs.prs,
	};
}

/* The structures must allow it. The lock is held. @return 0; -EFAULT op->fault, which may be none; -ENOMEM */
static int emu_check_request(struct emu_op *op, struct iod_vtd_emu *emu,
			     const struct iod_vtd_page_req *request)
{
	op->emu = emu;
	op->page_request = true;
	op->req.source = request->sid;
	op->req.pasid_valid = request->pasid_valid;
	op->req.pasid = request->pasid;
	op->req.iova = request->addr;
	op->req.access =
		(request->read ? IOD_ACCESS_READ : 0) | (request->write ? IOD_ACCESS_WRITE : 0) |
		(request->priv ? IOD_ACCESS_PRIV : 0) | (request->exec ? IOD_ACCESS_EXEC : 0);
	if (!emu_on(emu, IOD_VTD_GSTS_TE))
		return -EFAULT;
	return iod_vemu_configure(op);
}

/* What is queued is first forgotten (6.5.3.1): so what the guest maps in answer is seen without an invalidation. */
static void emu_forget_page(struct emu_op *op)
{
	struct iod_cmd_effect effect = { .nr_s1 = 1, .nr_s2 = 1 };
	struct iod_inv inv = {
		.kind = IOD_INV_RANGE,
		.iova = op->req.iova,
		.last = op->req.iova | 4095,
	};

	effect.s1[0] = inv;
	effect.s1[0].domain = IOD_VTD_TAG_S1(op->ctx->did, op->pasid);
	effect.s2[0] = inv;
	effect.s2[0].domain = IOD_VTD_TAG_S2(op->ctx->did);
	iod_emu_tlbs_obey(&op->emu->tlbs, &effect);
}

/* The lock is held. @return 0 queued; -ENOSPC */
static int emu_put(struct emu_op *op, const struct iod_vtd_page_req *request)
{
	struct iod_vtd_emu *emu = op->emu;
	struct iod_vtd_raw_page_req raw;
	struct iod_vtd_queue queue;
	uint32_t before = emu_load32(&emu->regs.prs), set;
	int ret = -ENOSPC;

	emu_prq(emu, &queue);
	if (!iod_vtd_page_req_encode(&raw, request) && !iod_vtd_queue_overflowed(&queue))
		ret = iod_vtd_queue_push(&queue, &raw, 1);
	if (ret)
		iod_vtd_queue_overflow(&queue);
	else
		emu->stats.requests++;
	set = emu_load32(&emu->regs.prs) & ~before & (IOD_VTD_PRS_PPR | IOD_VTD_PRS_PRO);
	/* Told once, until what was told is cleared. */
	if (set && !(before & (IOD_VTD_PRS_PPR | IOD_VTD_PRS_PRO)))
		op->irqs |= EMU_IRQ_PAGE;
	return ret ? -ENOSPC : 0;
}

/* Full: the device is told that all is well, and asks again. Refused: that it may not. */
static void emu_answer(struct iod_vtd_emu *emu, const struct iod_vtd_page_req *request,
		       enum iod_response_code code)
{
	struct iod_page_response answer = {
		.source = request->sid,
		.flags = request->pasid_valid ? IOD_REQ_PASID_VALID : 0,
		.pasid = request->pasid_valid ? request->pasid : 0,
		.grpid = request->prgi,
		.code = code,
		.model = IOD_REQUEST_PRI,
	};

	if (emu->ops.pri_response)
		emu->ops.pri_response(emu->cookie, &answer, true);
}

int iod_vtd_emu_page_request(struct iod_vtd_emu *emu, const struct iod_vtd_page_req *request)
{
	enum iod_response_code code = IOD_RESP_SUCCESS;
	struct iod_vtd_raw_page_req raw;
	struct emu_op op;
	bool respond;
	int ret;

	if (!emu || !request || !(emu->id.ecap & IOD_VTD_ECAP_PRS) ||
	    iod_vtd_page_req_encode(&raw, request))
		return -EINVAL;
	memset(&op, 0, sizeof(op));
	pthread_mutex_lock(&emu->lock);
	ret = emu_check_request(&op, emu, request);
	pthread_mutex_unlock(&emu->lock);
	if (!ret)
		emu_forget_page(&op);
	pthread_mutex_lock(&emu->lock);
	if (!ret) {
		ret = emu_put(&op, request);
	} else {
		/* Not failed, which would end all of the device's requests (7.1.3). */
		code = IOD_RESP_INVALID;
		if (op.fault.reason)
			iod_vemu_record(&op);
	}
	if (op.ctx)
		iod_emu_cache_put(&emu->ctxs, &op.ctx->node);
	respond = ret && request->last && !iod_vtd_page_req_is_stop(request);
	emu->stats.automatic += respond;
	pthread_mutex_unlock(&emu->lock);
	iod_vemu_interrupt(emu, op.irqs);
	if (respond)
		emu_answer(emu, request, code);
	return ret ? -ENOSPC : 0;
}
