/* SPDX-License-Identifier: MIT */
/* The emulated SMMU: page requests of devices, and the answers they get when nobody is there (8.1, 8.2). */
#include <errno.h>

#include "smmuv3/emu.h"

/* The lock is held. @return whether the queue takes requests; else how the last of a group is answered */
static bool emu_priq_takes(struct iod_smmuv3_emu *emu, enum iod_response_code *code)
{
	uint32_t error = emu_reg_load(&emu->regs.gerror) ^ emu_reg_load(&emu->regs.gerrorn);
	uint32_t on = IOD_SMMUV3_CR0_SMMUEN | IOD_SMMUV3_CR0_PRIQEN;

	*code = IOD_RESP_FAILURE;
	return (emu->regs.cr0ack & on) == on && !(error & IOD_SMMUV3_GERROR_PRIQ_ABT);
}

/*
 * Full, or not yet read since it was: the device is told that all is well, and asks again. Whether the answer
 * names the PASID is up to the SMMU (PPS), or to the stream (PPAR); without a stream it is refused.
 */
static void emu_overflow_answer(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_pri *pri,
				struct iod_page_response *answer)
{
	struct iod_smmuv3_event event = { 0 };
	const struct emu_ste *ste;
	bool ssv = pri->ssv;

	answer->code = IOD_RESP_SUCCESS;
	if (pri->ssv && !(emu->id.idr[3] & IOD_SMMUV3_IDR3_PPS)) {
		if (iod_smmu_emu_ste(emu, pri->sid, &ste, &event) || ste->bad) {
			answer->code = IOD_RESP_FAILURE;
			ssv = false;
		} else {
			ssv = ste->ste.ppar;
		}
	}
	if (ssv) {
		answer->flags = IOD_REQ_PASID_VALID;
		answer->pasid = pri->ssid;
	}
}

/* The lock is held. @return 0 queued; -ENOSPC */
static int emu_priq_put(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_pri *pri,
			const struct iod_smmuv3_raw_pri *raw, struct iod_page_response *answer,
			uint32_t *irqs)
{
	struct iod_smmuv3_queue queue;
	int ret = -ENOSPC;

	if (!emu_priq_takes(emu, &answer->code))
		return -ENOSPC;
	iod_smmu_emu_queue(emu, IOD_SMMUV3_PRIQ, &queue);
	if (!iod_smmuv3_queue_overflowed(&queue))
		ret = iod_smmuv3_queue_push(&queue, raw, 1);
	if (!ret) {
		emu->stats.requests++;
		*irqs |= emu_was_empty(&queue) ? 1u << IOD_SMMUV3_IRQ_PRIQ : 0;
		return 0;
	}
	if (ret != -ENOSPC) {
		*irqs |= iod_smmu_emu_gerror(emu, IOD_SMMUV3_GERROR_PRIQ_ABT);
		return -ENOSPC;
	}
	if (!iod_smmuv3_queue_overflowed(&queue)) {
		iod_smmuv3_queue_overflow(&queue);
		*irqs |= 1u << IOD_SMMUV3_IRQ_PRIQ;
	}
	emu_overflow_answer(emu, pri, answer);
	return -ENOSPC;
}

int iod_smmuv3_emu_page_request(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_pri *request)
{
	struct iod_page_response answer = { .model = IOD_REQUEST_PRI };
	struct iod_smmuv3_raw_pri raw;
	uint32_t irqs = 0;
	bool respond;
	int ret;

	if (!emu || !request || !(emu->id.idr[0] & IOD_SMMUV3_IDR0_PRI))
		return -EINVAL;
	ret = iod_smmuv3_pri_encode(&raw, request);
	if (ret)
		return ret;
	answer.source = request->sid;
	answer.grpid = request->prgi;
	pthread_mutex_lock(&emu->lock);
	ret = emu_priq_put(emu, request, &raw, &answer, &irqs);
	respond = ret && request->last && !iod_smmuv3_pri_is_stop(request);
	emu->stats.automatic += respond;
	pthread_mutex_unlock(&emu->lock);
	iod_smmu_emu_interrupt(emu, irqs);
	if (respond && emu->ops.pri_response)
		emu->ops.pri_response(emu->cookie, &answer, true);
	return ret;
}
