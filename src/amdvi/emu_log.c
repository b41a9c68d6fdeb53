/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU: the event and PPR logs, and interrupts (AMD 48882, 2.5, 2.6, 2.8).
 *
 * An interrupt is raised when its status bit is set and was not before, when the log was empty, or when it overflows: a
 * driver that clears the bit before it takes entries out is told of each that comes later. That hardware is as
 * sparing is UNCONFIRMED; drivers that live with this live with more.
 */
#include <errno.h>

#include "amdvi/emu.h"

struct iod_amdvi_queue iod_amd_emu_queue(struct iod_amdvi_emu *emu, enum iod_amdvi_queue_kind kind)
{
	struct iod_amdvi_regs *regs = &emu->regs;
	struct iod_amdvi_queue queue = {
		.size = sizeof(queue),
		.kind = kind,
		.mem = emu->mem,
		.status = &regs->status,
	};

	switch (kind) {
	case IOD_AMDVI_EVTLOG:
		queue.base = word_load(&regs->evt_base);
		queue.head = &regs->evt_head;
		queue.tail = &regs->evt_tail;
		break;
	case IOD_AMDVI_PPRLOG:
		queue.base = word_load(&regs->ppr_base);
		queue.head = &regs->ppr_head;
		queue.tail = &regs->ppr_tail;
		break;
	default:
		queue.base = word_load(&regs->cmd_base);
		queue.head = &regs->cmd_head;
		queue.tail = &regs->cmd_tail;
		break;
	}
	return queue;
}

/* What a log's bits are called. */
struct emu_log_bits {
	uint32_t run, pending;
	uint64_t enable; /* of the interrupt */
	enum iod_amdvi_irq irq;
};

static const struct emu_log_bits *emu_log_bits(enum iod_amdvi_queue_kind kind)
{
	static const struct emu_log_bits evt = {
		.run = IOD_AMDVI_STATUS_EVENTLOGRUN,
		.pending = IOD_AMDVI_STATUS_EVENTLOGINT,
		.enable = IOD_AMDVI_CONTROL_EVENTINTEN,
		.irq = IOD_AMDVI_IRQ_EVT,
	};
	static const struct emu_log_bits ppr = {
		.run = IOD_AMDVI_STATUS_PPRLOGRUN,
		.pending = IOD_AMDVI_STATUS_PPRINT,
		.enable = IOD_AMDVI_CONTROL_PPRINTEN,
		.irq = IOD_AMDVI_IRQ_PPR,
	};

	return kind == IOD_AMDVI_EVTLOG ? &evt : &ppr;
}

/*
 * With no room the log stops until it is restarted; nothing of the access changes. What cannot be written (there is
 * no memory) is as what finds no room.
 */
bool iod_amd_emu_put(struct iod_amdvi_emu *emu, enum iod_amdvi_queue_kind kind, const void *record,
		     uint32_t *irqs)
{
	const struct emu_log_bits *bits = emu_log_bits(kind);
	struct iod_amdvi_queue queue = iod_amd_emu_queue(emu, kind);
	uint32_t status = emu_load(&emu->regs.status), was;
	bool tell;
	int ret;

	if (!(status & bits->run))
		return false;
	/* The bit is set here, behind the tail: who clears it behind our back sees this entry or is told. */
	queue.status = &status;
	ret = iod_amdvi_queue_push(&queue, record, 1);
	queue.status = &emu->regs.status;
	if (ret)
		iod_amdvi_queue_overflow(&queue);
	/* A length that is none: the guest's registers were written behind our back. */
	if (ret == -EINVAL)
		emu_clear(&emu->regs.status, bits->run);
	was = ret ? 0 : __atomic_fetch_or(&emu->regs.status, bits->pending, __ATOMIC_ACQ_REL);
	full_fence();
	tell = !(was & bits->pending) || iod_amdvi_queue_used(&queue) <= 1;
	if (tell && emu_enabled(emu, bits->enable))
		*irqs |= 1u << bits->irq;
	return !ret;
}

bool iod_amd_emu_log(struct iod_amdvi_emu *emu, const struct iod_amdvi_event *event, uint32_t *irqs)
{
	struct iod_amdvi_raw_event raw;

	if (iod_amdvi_event_encode(&raw, event) ||
	    !iod_amd_emu_put(emu, IOD_AMDVI_EVTLOG, &raw, irqs)) {
		emu->stats.dropped++;
		return false;
	}
	emu->stats.events++;
	return true;
}

void iod_amd_emu_comwait(struct iod_amdvi_emu *emu)
{
	uint32_t bit = IOD_AMDVI_STATUS_COMWAITINT;
	uint32_t was = __atomic_fetch_or(&emu->regs.status, bit, __ATOMIC_ACQ_REL);

	if (!(was & bit) && emu_enabled(emu, IOD_AMDVI_CONTROL_COMWAITINTEN))
		iod_amd_emu_interrupt(emu, 1u << IOD_AMDVI_IRQ_COMWAIT);
}

void iod_amd_emu_interrupt(struct iod_amdvi_emu *emu, uint32_t irqs)
{
	enum iod_amdvi_irq what;

	if (!emu->ops.irq)
		return;
	for (what = IOD_AMDVI_IRQ_EVT; what <= IOD_AMDVI_IRQ_COMWAIT; what++) {
		if (irqs >> what & 1)
			emu->ops.irq(emu->cookie, what);
	}
}
