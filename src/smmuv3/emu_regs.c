/* SPDX-License-Identifier: MIT */
/* The emulated SMMU: the register file (Arm IHI 0070, 6.2, 6.3). */
#include <errno.h>
#include <string.h>

#include "smmuv3/emu.h"

/* What a write does beside storing. */
enum emu_act {
	ACT_NONE,
	ACT_UPDATE, /* an acknowledge register follows; waiting events, commands */
	ACT_GBPA    /* only with UPDATE, which is clear when it reads back */
};

/* Flags: in the second page, too */
#define REG_PAGE1 1u

#define EMU_REG(off, f, m, a, cr0, irq)                                                         \
	{                                                                                       \
		.offset = (off), .bytes = sizeof(((struct iod_smmuv3_regs *)0)->f), .act = (a), \
		.field = offsetof(struct iod_smmuv3_regs, f), .mask = (m), .frozen[0] = (cr0),  \
		.frozen[1] = (irq)                                                              \
	}
#define EMU_RO(off, f) EMU_REG(off, f, 0, ACT_NONE, 0, 0)
#define EMU_RING(off, f, m, a, cr0)                                                           \
	{                                                                                     \
		.offset = (off), .bytes = 4, .act = (a), .flags = REG_PAGE1,                  \
		.field = offsetof(struct iod_smmuv3_regs, f), .mask = (m), .frozen[0] = (cr0) \
	}

#define SMMUEN	     IOD_SMMUV3_CR0_SMMUEN
#define PRIQEN	     IOD_SMMUV3_CR0_PRIQEN
#define EVTQEN	     IOD_SMMUV3_CR0_EVTQEN
#define CMDQEN	     IOD_SMMUV3_CR0_CMDQEN
#define CR0_MASK     (SMMUEN | PRIQEN | EVTQEN | CMDQEN | IOD_SMMUV3_CR0_ATSCHK | (7u << 6) /* VMW */)
#define GBPA_MASK    0x1f3f1fu
#define GERRORN_MASK 0x1fdu
#define RING_MASK    0x800fffffu /* OVFLG or OVACKFLG, index and wrap */
#define RING_BASE    (BIT64(62) | MASK64(51, 5) | 0x1f)
#define MSI_ADDR     MASK64(55, 2)
#define IRQ_G	     IOD_SMMUV3_IRQ_CTRL_GERROR
#define IRQ_E	     IOD_SMMUV3_IRQ_CTRL_EVTQ
#define IRQ_P	     IOD_SMMUV3_IRQ_CTRL_PRIQ

/* PROD and CONS of the event and PRI queues are in page 1; the specification leaves it to the
 * implementation whether page 0 has them as well: here it does. */
static const struct emu_reg emu_regs[] = {
	EMU_RO(0x00, id.idr[0]),
	EMU_RO(0x04, id.idr[1]),
	EMU_RO(0x08, id.idr[2]),
	EMU_RO(0x0c, id.idr[3]),
	EMU_RO(0x10, id.idr[4]),
	EMU_RO(0x14, id.idr[5]),
	EMU_RO(0x18, id.iidr),
	EMU_RO(0x1c, id.aidr),
	EMU_REG(0x20, cr0, CR0_MASK, ACT_UPDATE, 0, 0),
	EMU_RO(0x24, cr0ack),
	EMU_REG(0x28, cr1, 0x3f, ACT_NONE, SMMUEN | PRIQEN | EVTQEN | CMDQEN, 0),
	EMU_REG(0x2c, cr2, 0x7, ACT_NONE, SMMUEN, 0),
	EMU_RO(0x40, statusr),
	EMU_REG(0x44, gbpa, GBPA_MASK, ACT_GBPA, 0, 0),
	EMU_RO(0x48, agbpa),
	EMU_REG(0x50, irq_ctrl, IRQ_G | IRQ_E | IRQ_P, ACT_UPDATE, 0, 0),
	EMU_RO(0x54, irq_ctrlack),
	EMU_RO(0x60, gerror),
	EMU_REG(0x64, gerrorn, GERRORN_MASK, ACT_UPDATE, 0, 0),
	EMU_REG(0x68, gerror_irq.cfg0, MSI_ADDR, ACT_NONE, 0, IRQ_G),
	EMU_REG(0x70, gerror_irq.cfg1, UINT32_MAX, ACT_NONE, 0, IRQ_G),
	EMU_REG(0x74, gerror_irq.cfg2, 0x3f, ACT_NONE, 0, IRQ_G),
	EMU_REG(0x80, strtab_base, BIT64(62) | MASK64(55, 6), ACT_NONE, SMMUEN, 0),
	EMU_REG(0x88, strtab_base_cfg, 0x307ff, ACT_NONE, SMMUEN, 0),
	EMU_REG(0x90, cmdq_base, RING_BASE, ACT_NONE, CMDQEN, 0),
	EMU_REG(0x98, cmdq_prod, 0xfffff, ACT_UPDATE, 0, 0),
	EMU_REG(0x9c, cmdq_cons, 0x7f0fffff, ACT_NONE, CMDQEN, 0),
	EMU_REG(0xa0, evtq_base, RING_BASE, ACT_NONE, EVTQEN, 0),
	EMU_RING(0xa8, evtq_prod, RING_MASK, ACT_NONE, EVTQEN),
	EMU_RING(0xac, evtq_cons, RING_MASK, ACT_UPDATE, 0),
	EMU_REG(0xb0, evtq_irq.cfg0, MSI_ADDR, ACT_NONE, 0, IRQ_E),
	EMU_REG(0xb8, evtq_irq.cfg1, UINT32_MAX, ACT_NONE, 0, IRQ_E),
	EMU_REG(0xbc, evtq_irq.cfg2, 0x3f, ACT_NONE, 0, IRQ_E),
	EMU_REG(0xc0, priq_base, RING_BASE, ACT_NONE, PRIQEN, 0),
	EMU_RING(0xc8, priq_prod, RING_MASK, ACT_NONE, PRIQEN),
	EMU_RING(0xcc, priq_cons, RING_MASK, ACT_NONE, 0),
	EMU_REG(0xd0, priq_irq.cfg0, MSI_ADDR, ACT_NONE, 0, IRQ_P),
	EMU_REG(0xd8, priq_irq.cfg1, UINT32_MAX, ACT_NONE, 0, IRQ_P),
	EMU_REG(0xdc, priq_irq.cfg2, 0x8000003f, ACT_NONE, 0, IRQ_P), /* LO: kept */
};

void iod_smmu_emu_reset_regs(struct iod_smmuv3_emu *emu)
{
	memset(&emu->regs, 0, sizeof(emu->regs));
	emu->regs.id = emu->id;
}

static const struct emu_reg *emu_find(uint64_t offset)
{
	uint64_t in_page = offset & 0xffff;
	const struct emu_reg *reg =
		iod_emu_reg_find(emu_regs, sizeof(emu_regs) / sizeof(*emu_regs), in_page);

	return reg && (in_page == offset || (reg->flags & REG_PAGE1)) ? reg : NULL;
}

static uint32_t emu_read_word(struct iod_smmuv3_emu *emu, uint64_t offset)
{
	const struct emu_reg *reg = emu_find(offset);

	return reg ? iod_emu_reg_read(reg, &emu->regs, offset) : 0;
}

/* What the ID registers leave of a register. */
static uint64_t emu_reg_mask(const struct iod_smmuv3_emu *emu, const struct emu_reg *reg)
{
	uint32_t idr0 = emu->id.idr[0];
	uint64_t mask = reg->mask;

	if (reg->offset == 0x20) {
		mask &= ~(uint64_t)(idr0 & IOD_SMMUV3_IDR0_PRI ? 0 : PRIQEN);
		mask &= ~(uint64_t)(idr0 & IOD_SMMUV3_IDR0_ATS ? 0 : IOD_SMMUV3_CR0_ATSCHK);
	}
	if (reg->mask == MSI_ADDR && !(idr0 & IOD_SMMUV3_IDR0_MSI))
		mask = 0;
	if (!(idr0 & IOD_SMMUV3_IDR0_PRI)) {
		if (reg->offset == 0x50)
			mask &= ~(uint64_t)IRQ_P;
		if (reg->offset >= 0xc0 && reg->offset <= 0xdc)
			mask = 0;
	}
	return mask;
}

/* @return what is to be done */
static enum emu_act emu_write_word(struct iod_smmuv3_emu *emu, uint64_t offset, uint32_t word)
{
	const struct emu_reg *reg = emu_find(offset);

	if (!reg || (emu->regs.cr0ack & reg->frozen[0]) || (emu->regs.irq_ctrlack & reg->frozen[1]))
		return ACT_NONE;
	if (reg->act == ACT_GBPA && !(word & IOD_SMMUV3_GBPA_UPDATE))
		return ACT_NONE;
	iod_emu_reg_write(reg, &emu->regs, offset, word, emu_reg_mask(emu, reg));
	return reg->act;
}

/* The lock is held. */
static void emu_acknowledge(struct iod_smmuv3_emu *emu, uint32_t *irqs)
{
	struct iod_smmuv3_regs *regs = &emu->regs;
	uint32_t ack = regs->cr0;

	/* Who consumes stops first, and then says so: until then the command queue is not the guest's. */
	if (emu->runner.running)
		ack |= regs->cr0ack & CMDQEN;
	emu_reg_store(&regs->cr0ack, ack);
	emu_reg_store(&regs->irq_ctrlack, regs->irq_ctrl);
	iod_smmu_emu_record_stalls(emu, irqs);
}

/* New commands, or an error that was acknowledged: somebody consumes. */
static void emu_kick(struct iod_smmuv3_emu *emu)
{
	struct iod_smmuv3_regs *regs = &emu->regs;

	if (!(emu_reg_load(&regs->cr0ack) & CMDQEN) ||
	    !((emu_reg_load(&regs->cmdq_prod) ^ emu_reg_load(&regs->cmdq_cons)) & 0xfffff))
		return;
	if (emu->ops.kick)
		emu->ops.kick(emu->cookie);
	else
		iod_smmuv3_emu_run(emu, 0);
}

int iod_smmuv3_emu_update(struct iod_smmuv3_emu *emu)
{
	uint32_t irqs = 0;

	if (!emu)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	emu_acknowledge(emu, &irqs);
	pthread_mutex_unlock(&emu->lock);
	iod_smmu_emu_interrupt(emu, irqs);
	emu_kick(emu);
	return 0;
}

static void emu_mmio_write(struct iod_smmuv3_emu *emu, uint64_t offset, unsigned int len,
			   uint64_t value)
{
	enum emu_act act = ACT_NONE, one;
	unsigned int i;

	pthread_mutex_lock(&emu->lock);
	for (i = 0; i < len; i += 4) {
		one = emu_write_word(emu, offset + i, (uint32_t)(value >> i * 8));
		if (one == ACT_UPDATE)
			act = one;
	}
	pthread_mutex_unlock(&emu->lock);
	if (act == ACT_UPDATE)
		iod_smmuv3_emu_update(emu);
}

int iod_smmuv3_emu_mmio(struct iod_smmuv3_emu *emu, uint64_t offset, unsigned int len, bool write,
			uint64_t *value)
{
	if (!emu || !value || (len != 4 && len != 8) || offset & (len - 1) ||
	    offset >= IOD_SMMUV3_MMIO_BYTES)
		return -EINVAL;
	if (write) {
		emu_mmio_write(emu, offset, len, *value);
		return 0;
	}
	pthread_mutex_lock(&emu->lock);
	*value = emu_read_word(emu, offset);
	if (len == 8)
		*value |= (uint64_t)emu_read_word(emu, offset + 4) << 32;
	pthread_mutex_unlock(&emu->lock);
	return 0;
}
