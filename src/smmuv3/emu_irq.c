/* SPDX-License-Identifier: MIT */
/* The emulated SMMU: interrupts, GERROR, and its rings as the registers describe them. */
#include "smmuv3/emu.h"

#include <errno.h>

/* The bit is active while GERROR and GERRORN differ in it (6.3.19); it is toggled when it is not. */
uint32_t iod_smmu_emu_gerror(struct iod_smmuv3_emu *emu, uint32_t bit)
{
	uint32_t active = emu_reg_load(&emu->regs.gerror) ^ emu_reg_load(&emu->regs.gerrorn);

	if (active & bit)
		return 0;
	__atomic_fetch_xor(&emu->regs.gerror, bit, __ATOMIC_ACQ_REL);
	return 1u << IOD_SMMUV3_IRQ_GERROR;
}

int iod_smmu_emu_msi(struct iod_smmuv3_emu *emu, uint64_t addr, uint32_t data)
{
	if (emu->ops.msi)
		return emu->ops.msi(emu->cookie, addr, data);
	return iod_emu_write32(emu->mem, addr, data);
}

/* What each interrupt is enabled by, where its MSI is written, and what it means when that fails. */
static bool emu_irq_cfg(struct iod_smmuv3_emu *emu, enum iod_smmuv3_irq line,
			struct iod_smmuv3_irq_cfg *cfg, uint32_t *abort)
{
	static const uint32_t enable[] = {
		[IOD_SMMUV3_IRQ_EVTQ] = IOD_SMMUV3_IRQ_CTRL_EVTQ,
		[IOD_SMMUV3_IRQ_PRIQ] = IOD_SMMUV3_IRQ_CTRL_PRIQ,
		[IOD_SMMUV3_IRQ_GERROR] = IOD_SMMUV3_IRQ_CTRL_GERROR,
	};
	static const uint32_t failed[] = {
		[IOD_SMMUV3_IRQ_EVTQ] = IOD_SMMUV3_GERROR_MSI_EVTQ,
		[IOD_SMMUV3_IRQ_PRIQ] = IOD_SMMUV3_GERROR_MSI_PRIQ,
		[IOD_SMMUV3_IRQ_GERROR] = IOD_SMMUV3_GERROR_MSI_GERR,
	};
	const struct iod_smmuv3_irq_cfg *from[] = {
		[IOD_SMMUV3_IRQ_EVTQ] = &emu->regs.evtq_irq,
		[IOD_SMMUV3_IRQ_PRIQ] = &emu->regs.priq_irq,
		[IOD_SMMUV3_IRQ_SYNC] = &emu->regs.evtq_irq,
		[IOD_SMMUV3_IRQ_GERROR] = &emu->regs.gerror_irq,
	};
	bool enabled;

	pthread_mutex_lock(&emu->lock);
	enabled = emu->regs.irq_ctrlack & enable[line];
	*cfg = *from[line];
	pthread_mutex_unlock(&emu->lock);
	*abort = failed[line];
	return enabled;
}

static uint32_t emu_interrupt_one(struct iod_smmuv3_emu *emu, enum iod_smmuv3_irq line)
{
	struct iod_smmuv3_irq_cfg cfg;
	uint32_t abort, addr_set;

	if (line == IOD_SMMUV3_IRQ_SYNC) {
		if (emu->ops.irq)
			emu->ops.irq(emu->cookie, line);
		return 0;
	}
	if (!emu_irq_cfg(emu, line, &cfg, &abort))
		return 0;
	addr_set = cfg.cfg0 && (emu->id.idr[0] & IOD_SMMUV3_IDR0_MSI);
	if (addr_set)
		return iod_smmu_emu_msi(emu, cfg.cfg0, cfg.cfg1) ? iod_smmu_emu_gerror(emu, abort)
								 : 0;
	if (emu->ops.irq)
		emu->ops.irq(emu->cookie, line);
	return 0;
}

/* GERROR last: it tells of the others' failures. Its own failure is recorded and told to nobody. */
void iod_smmu_emu_interrupt(struct iod_smmuv3_emu *emu, uint32_t irqs)
{
	enum iod_smmuv3_irq line;

	for (line = IOD_SMMUV3_IRQ_EVTQ; line <= IOD_SMMUV3_IRQ_GERROR; line++) {
		if (irqs >> line & 1)
			irqs |= emu_interrupt_one(emu, line);
	}
}

/*
 * Nonsense in the registers is made sense of as the specification says: too large a ring is as large as IDR1
 * allows, its address is aligned down to its size (6.3.25 ff.).
 */
void iod_smmu_emu_queue(struct iod_smmuv3_emu *emu, enum iod_smmuv3_queue_kind kind,
			struct iod_smmuv3_queue *queue)
{
	static const uint32_t size[] = {
		[IOD_SMMUV3_CMDQ] = IOD_SMMUV3_IDR1_CMDQS,
		[IOD_SMMUV3_EVTQ] = IOD_SMMUV3_IDR1_EVTQS,
		[IOD_SMMUV3_PRIQ] = IOD_SMMUV3_IDR1_PRIQS,
	};
	struct iod_smmuv3_regs *regs = &emu->regs;
	uint64_t base = kind == IOD_SMMUV3_CMDQ	  ? regs->cmdq_base
			: kind == IOD_SMMUV3_EVTQ ? regs->evtq_base
						  : regs->priq_base;
	unsigned int entry_lg2 = kind == IOD_SMMUV3_EVTQ ? 5 : 4, lg2 = base & 0x1f;
	unsigned int most = iod_smmuv3_id_field(emu->id.idr[1], size[kind]), align_lg2;

	if (most > 19)
		most = 19;
	if (lg2 > most)
		lg2 = most;
	align_lg2 = lg2 + entry_lg2 > 5 ? lg2 + entry_lg2 : 5;
	*queue = (struct iod_smmuv3_queue){
		.size = sizeof(*queue),
		.kind = kind,
		.mem = emu->mem,
		.base = align_down(base & MASK64(51, 5), align_lg2) | lg2,
		.prod = kind == IOD_SMMUV3_CMDQ	  ? &regs->cmdq_prod
			: kind == IOD_SMMUV3_EVTQ ? &regs->evtq_prod
						  : &regs->priq_prod,
		.cons = kind == IOD_SMMUV3_CMDQ	  ? &regs->cmdq_cons
			: kind == IOD_SMMUV3_EVTQ ? &regs->evtq_cons
						  : &regs->priq_cons,
	};
}
