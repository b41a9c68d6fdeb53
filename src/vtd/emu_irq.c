/* SPDX-License-Identifier: MIT */
/* The emulated VT-d: its three interrupts (11.4.7.2 ff.): sent, or pending while they are masked. */
#include "vtd/emu.h"

#include <errno.h>

#define EMU_CONDITIONS                                                               \
	(IOD_VTD_FSTS_PFO | IOD_VTD_FSTS_PPF | IOD_VTD_FSTS_IQE | IOD_VTD_FSTS_ICE | \
	 IOD_VTD_FSTS_ITE)

/*
 * Only the first condition is one: what comes while another waits is told by the same interrupt. The lock does not
 * say which was first, as who consumes sets its errors without it. So what counts is what was told already.
 */
uint32_t iod_vemu_fsts_irq(struct iod_vtd_emu *emu, uint32_t set)
{
	uint32_t now = emu_load32(&emu->regs.fsts) & EMU_CONDITIONS;
	uint32_t others = emu->told & now & ~set;

	if (!(set & now))
		return 0;
	emu->told = now;
	return others ? 0 : EMU_IRQ_FAULT;
}

static struct iod_vtd_irq_cfg *emu_irq_cfg(struct iod_vtd_emu *emu, uint32_t irq)
{
	switch (irq) {
	case EMU_IRQ_FAULT:
		return &emu->regs.fault_irq;
	case EMU_IRQ_INV:
		return &emu->regs.inv_irq;
	default:
		return &emu->regs.page_irq;
	}
}

/* Whether what it tells of is still there. */
static bool emu_irq_wanted(const struct iod_vtd_emu *emu, uint32_t irq)
{
	switch (irq) {
	case EMU_IRQ_FAULT:
		return emu_load32(&emu->regs.fsts) & EMU_CONDITIONS;
	case EMU_IRQ_INV:
		return emu_load32(&emu->regs.ics) & IOD_VTD_ICS_IWC;
	default:
		return emu_load32(&emu->regs.prs) & (IOD_VTD_PRS_PPR | IOD_VTD_PRS_PRO);
	}
}

uint32_t iod_vemu_irq_written(struct iod_vtd_emu *emu)
{
	uint32_t irq, send = 0;

	emu->told &= emu_load32(&emu->regs.fsts);
	for (irq = EMU_IRQ_FAULT; irq <= EMU_IRQ_PAGE; irq <<= 1) {
		struct iod_vtd_irq_cfg *cfg = emu_irq_cfg(emu, irq);

		if (!(cfg->ctl & IOD_VTD_IRQ_PENDING))
			continue;
		if (emu_irq_wanted(emu, irq) && (cfg->ctl & IOD_VTD_IRQ_MASK))
			continue;
		if (emu_irq_wanted(emu, irq))
			send |= irq;
		cfg->ctl &= ~IOD_VTD_IRQ_PENDING;
	}
	return send;
}

static void emu_interrupt_one(struct iod_vtd_emu *emu, uint32_t irq)
{
	struct iod_vtd_irq_cfg *cfg = emu_irq_cfg(emu, irq), now;
	uint64_t addr;

	pthread_mutex_lock(&emu->lock);
	if (cfg->ctl & IOD_VTD_IRQ_MASK)
		cfg->ctl |= IOD_VTD_IRQ_PENDING;
	now = *cfg;
	pthread_mutex_unlock(&emu->lock);
	if (now.ctl & IOD_VTD_IRQ_MASK)
		return;
	addr = (uint64_t)now.uaddr << 32 | now.addr;
	if (emu->ops.msi)
		emu->ops.msi(emu->cookie, addr, now.data);
	else
		iod_emu_write32(emu->mem, addr, now.data);
}

void iod_vemu_interrupt(struct iod_vtd_emu *emu, uint32_t irqs)
{
	uint32_t irq;

	for (irq = EMU_IRQ_FAULT; irq <= EMU_IRQ_PAGE; irq <<= 1) {
		if (irqs & irq)
			emu_interrupt_one(emu, irq);
	}
}
