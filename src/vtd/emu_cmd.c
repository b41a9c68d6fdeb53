/* SPDX-License-Identifier: MIT */
/*
 * The emulated VT-d: descriptors (6.5.2). Everything is done when it is consumed. An invalidation of translations, and
 * a wait, first let those accesses end whose context left its cache: else such an access could put old translations
 * back behind it. One thread consumes at a time.
 */
#include <errno.h>

#include "vtd/emu.h"

void iod_vemu_wait_gone(struct iod_vtd_emu *emu)
{
	pthread_mutex_lock(&emu->lock);
	iod_emu_cache_wait(&emu->ctxs, &emu->lock);
	pthread_mutex_unlock(&emu->lock);
}

static void emu_iotlb_inv(struct iod_vtd_emu *emu, const struct iod_vtd_desc *desc)
{
	struct iod_cmd_effect effect;

	iod_vemu_wait_gone(emu);
	if (!iod_vtd_desc_effect(&effect, desc))
		iod_emu_tlbs_obey(&emu->tlbs, &effect);
}

static void emu_dev_tlb_inv(struct iod_vtd_emu *emu, const struct iod_vtd_desc *desc)
{
	bool pasid = desc->type == IOD_VTD_P_DEV_TLB_INV;
	uint64_t first, last;
	int ret;

	if (!emu->ops.atc_inv || iod_vtd_desc_dev_range(desc, &first, &last))
		return;
	ret = emu->ops.atc_inv(emu->cookie, desc->sid, pasid, desc->pasid, desc->global, first,
			       last);
	if (!ret)
		return;
	pthread_mutex_lock(&emu->lock);
	if (!emu->atc_error) {
		emu->atc_error = ret == -EIO ? -EIO : -ETIMEDOUT;
		emu->atc_sid = desc->sid;
	}
	pthread_mutex_unlock(&emu->lock);
}

static void emu_page_resp(struct iod_vtd_emu *emu, const struct iod_vtd_desc *desc)
{
	struct iod_page_response response;

	if (emu->ops.pri_response && !iod_vtd_response_from_desc(&response, desc))
		emu->ops.pri_response(emu->cookie, &response, false);
}

static void emu_obey(struct iod_vtd_emu *emu, const struct iod_vtd_desc *desc)
{
	switch (desc->type) {
	case IOD_VTD_CONTEXT_INV:
		pthread_mutex_lock(&emu->lock);
		iod_vemu_forget_contexts(emu, desc);
		pthread_mutex_unlock(&emu->lock);
		break;
	case IOD_VTD_PASID_CACHE_INV:
		pthread_mutex_lock(&emu->lock);
		iod_vemu_forget_pasids(emu, desc);
		pthread_mutex_unlock(&emu->lock);
		break;
	case IOD_VTD_IOTLB_INV:
	case IOD_VTD_P_IOTLB_INV:
		emu_iotlb_inv(emu, desc);
		break;
	case IOD_VTD_DEV_TLB_INV:
	case IOD_VTD_P_DEV_TLB_INV:
		emu_dev_tlb_inv(emu, desc);
		break;
	case IOD_VTD_PAGE_GROUP_RESP:
		emu_page_resp(emu, desc);
		break;
	default: /* interrupt entries are not cached */
		break;
	}
}

/* The guest disabled the queue. */
static bool emu_queue_stops(struct iod_vtd_emu *emu)
{
	bool stops;

	pthread_mutex_lock(&emu->lock);
	stops = emu->qi_stop || !emu_on(emu, IOD_VTD_GSTS_QIE);
	pthread_mutex_unlock(&emu->lock);
	return stops;
}

static int emu_descs(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, size_t *handled)
{
	struct iod_vtd_emu *emu = cookie;
	bool wide = ring_observe64(&emu->regs.iqa) & IOD_VTD_IQA_DW;
	struct iod_vtd_desc desc;
	int ret = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		ret = -EAGAIN;
		if (emu_queue_stops(emu))
			break;
		ret = iod_vtd_desc_decode(&desc, &descs[i], &emu->id, wide ? 0 : IOD_VTD_DESC_128,
					  NULL);
		if (ret)
			break;
		emu_obey(emu, &desc);
	}
	*handled = i;
	return i == nr ? 0 : ret;
}

static int emu_sync(void *cookie, const struct iod_vtd_desc *wait)
{
	struct iod_vtd_emu *emu = cookie;
	int ret;

	if (emu_queue_stops(emu))
		return -EAGAIN;
	pthread_mutex_lock(&emu->lock);
	iod_emu_cache_wait(&emu->ctxs, &emu->lock);
	ret = emu->atc_error;
	emu->atc_error = 0;
	emu->stats.waits += !ret;
	pthread_mutex_unlock(&emu->lock);
	return ret;
}

static void emu_written(void *cookie, const struct iod_vtd_desc *wait)
{
	struct iod_vtd_emu *emu = cookie;
	uint32_t before;

	if (!wait->intr)
		return;
	before = __atomic_fetch_or(&emu->regs.ics, IOD_VTD_ICS_IWC, __ATOMIC_ACQ_REL);
	iod_vemu_interrupt(emu, before & IOD_VTD_ICS_IWC ? 0 : EMU_IRQ_INV);
}

static const struct iod_vtd_consumer_ops emu_consumer_ops = {
	.size = sizeof(emu_consumer_ops),
	.commands = emu_descs,
	.sync = emu_sync,
	.written = emu_written,
};

/* What an error set in FSTS. */
static uint32_t emu_error_bit(enum iod_vtd_iq_error error)
{
	switch (error) {
	case IOD_VTD_IQ_IQE:
		return IOD_VTD_FSTS_IQE;
	case IOD_VTD_IQ_ITE:
		return IOD_VTD_FSTS_ITE;
	case IOD_VTD_IQ_ICE:
		return IOD_VTD_FSTS_ICE;
	default:
		return 0;
	}
}

/* @return 0; -EAGAIN the budget ended; -EINVAL */
static int emu_consume(void *cookie, uint32_t budget)
{
	struct iod_vtd_emu *emu = cookie;
	struct iod_vtd_consume consume = {
		.size = sizeof(consume),
		.fsts = &emu->regs.fsts,
		.iqercd = &emu->regs.iqercd,
		.id = &emu->id,
		.ops = &emu_consumer_ops,
		.cookie = emu,
		.budget = budget,
		.sid = &emu->atc_sid,
	};
	uint32_t irqs;
	bool enabled;
	int ret;

	pthread_mutex_lock(&emu->lock);
	enabled = emu_on(emu, IOD_VTD_GSTS_QIE);
	consume.queue = (struct iod_vtd_queue){
		.size = sizeof(consume.queue),
		.kind = IOD_VTD_IQ,
		.mem = emu->mem,
		.base = emu->regs.iqa,
		.head = &emu->regs.iqh,
		.tail = &emu->regs.iqt,
	};
	pthread_mutex_unlock(&emu->lock);
	if (!enabled)
		return 0;
	ret = iod_vtd_iq_consume(&consume);
	if (ret == -EAGAIN) /* emu_queue_stops() */
		ret = 0;
	pthread_mutex_lock(&emu->lock);
	emu->stats.descriptors += consume.consumed;
	irqs = iod_vemu_fsts_irq(emu, emu_error_bit(consume.error));
	pthread_mutex_unlock(&emu->lock);
	iod_vemu_interrupt(emu, irqs);
	if (!ret && budget && consume.consumed >= budget && iod_vtd_queue_used(&consume.queue) > 0)
		return -EAGAIN;
	return ret;
}

int iod_vtd_emu_run(struct iod_vtd_emu *emu, uint32_t budget)
{
	int ret;

	if (!emu)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	ret = iod_emu_run(&emu->runner, &emu->lock, emu_consume, emu, budget);
	if (emu->qi_stop)
		iod_vemu_stop_queue(emu);
	pthread_mutex_unlock(&emu->lock);
	return ret;
}
