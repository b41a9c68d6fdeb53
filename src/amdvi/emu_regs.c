/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU: the register file. Writes are stored first; iod_amdvi_emu_update() then sees to what
 * changed since it last looked, so that a VMM may as well write the registers on its own.
 */
#include <errno.h>
#include <string.h>

#include "amdvi/emu.h"

/* What a write does beside storing. */
enum emu_act {
	ACT_STORE,
	ACT_UPDATE, /* rings start or stop; commands wait */
	ACT_BASE    /* of a ring: only with a legal length; head and tail begin anew */
};

/* Of what: features that EFR may leave out. */
enum { REG_PPR = 1 };

#define EMU_FIELD(f) offsetof(struct iod_amdvi_regs, f)
#define EMU_REG(off, f, m, a, run)                                                             \
	{                                                                                      \
		.offset = (off), .bytes = sizeof(((struct iod_amdvi_regs *)0)->f), .act = (a), \
		.field = EMU_FIELD(f), .mask = (m), .frozen = {                                \
			run                                                                    \
		}                                                                              \
	}
#define EMU_PPR(off, f, m, a, run)                                                                \
	{                                                                                         \
		.offset = (off), .bytes = 8, .act = (a), .flags = REG_PPR, .field = EMU_FIELD(f), \
		.mask = (m), .frozen = {                                                          \
			run                                                                       \
		}                                                                                 \
	}

#define RING_BASE  (MASK64(59, 56) | MASK64(51, 12))
#define RING_PTR   MASK64(18, 4)
#define LENGTH_MIN 8u /* 256 entries; less is reserved */
#define CMD_RUN	   IOD_AMDVI_STATUS_CMDBUFRUN
#define EVT_RUN	   IOD_AMDVI_STATUS_EVENTLOGRUN
#define PPR_RUN	   IOD_AMDVI_STATUS_PPRLOGRUN
#define STATUS_CLEAR                                                     \
	(IOD_AMDVI_STATUS_EVENTOVERFLOW | IOD_AMDVI_STATUS_EVENTLOGINT | \
	 IOD_AMDVI_STATUS_COMWAITINT | IOD_AMDVI_STATUS_PPROVERFLOW | IOD_AMDVI_STATUS_PPRINT)
/* Attributes of the IOMMU's own accesses, time-outs, EPHEn and HADUpdate are kept, and not used (bits.md F3). */
#define CTRL_KEPT (MASK64(11, 5) | MASK64(47, 45))
#define CTRL_EVT  (IOD_AMDVI_CONTROL_EVENTLOGEN | IOD_AMDVI_CONTROL_EVENTINTEN)
#define CTRL_PPR  (IOD_AMDVI_CONTROL_PPRLOGEN | IOD_AMDVI_CONTROL_PPRINTEN | IOD_AMDVI_CONTROL_PPREN)
#define CTRL_MASK                                                                            \
	(IOD_AMDVI_CONTROL_IOMMUEN | CTRL_EVT | IOD_AMDVI_CONTROL_COMWAITINTEN | CTRL_KEPT | \
	 IOD_AMDVI_CONTROL_CMDBUFEN | CTRL_PPR | IOD_AMDVI_CONTROL_GTEN |                    \
	 IOD_AMDVI_CONTROL_GCR3TRPMODE)

static const struct emu_reg emu_regs[] = {
	EMU_REG(0x0, devtab_base, MASK64(51, 12) | 0x1ff, ACT_STORE, 0),
	EMU_REG(0x8, cmd_base, RING_BASE, ACT_BASE, CMD_RUN),
	EMU_REG(0x10, evt_base, RING_BASE, ACT_BASE, EVT_RUN),
	EMU_REG(0x18, control, CTRL_MASK, ACT_UPDATE, 0),
	EMU_REG(0x30, id.efr, 0, ACT_STORE, 0),
	EMU_PPR(0x38, ppr_base, RING_BASE, ACT_BASE, PPR_RUN),
	EMU_REG(0x1a0, id.efr2, 0, ACT_STORE, 0),
	EMU_REG(0x2000, cmd_head, RING_PTR, ACT_STORE, CMD_RUN),
	EMU_REG(0x2008, cmd_tail, RING_PTR, ACT_UPDATE, 0),
	EMU_REG(0x2010, evt_head, RING_PTR, ACT_STORE, 0),
	EMU_REG(0x2018, evt_tail, RING_PTR, ACT_STORE, EVT_RUN),
	{ .offset = 0x2020, .bytes = 4, .field = EMU_FIELD(status), .w1c = STATUS_CLEAR },
	EMU_PPR(0x2030, ppr_head, RING_PTR, ACT_STORE, 0),
	EMU_PPR(0x2038, ppr_tail, RING_PTR, ACT_STORE, PPR_RUN),
};

static const struct emu_reg *emu_find(uint64_t offset)
{
	return iod_emu_reg_find(emu_regs, sizeof(emu_regs) / sizeof(*emu_regs), offset);
}

void iod_amd_emu_reset_regs(struct iod_amdvi_emu *emu)
{
	const uint64_t length = (uint64_t)LENGTH_MIN << 56;

	memset(&emu->regs, 0, sizeof(emu->regs));
	emu->regs.id = emu->id;
	emu->regs.cmd_base = length;
	emu->regs.evt_base = length;
	emu->regs.ppr_base = emu->id.efr & IOD_AMDVI_EFR_PPRSUP ? length : 0;
	emu->seen = 0;
	emu->updated = false;
	emu_store(&emu->cmd_on, 0);
}

/* What EFR leaves of a register. */
static uint64_t emu_reg_mask(const struct iod_amdvi_emu *emu, const struct emu_reg *reg)
{
	uint64_t efr = emu->id.efr, mask = reg->mask;

	if ((reg->flags & REG_PPR) && !(efr & IOD_AMDVI_EFR_PPRSUP))
		return 0;
	if (reg->field == EMU_FIELD(control)) {
		mask &= ~(efr & IOD_AMDVI_EFR_PPRSUP ? 0 : CTRL_PPR);
		mask &= ~(efr & IOD_AMDVI_EFR_GTSUP ? 0 : IOD_AMDVI_CONTROL_GTEN);
		mask &= ~(emu->id.efr2 & IOD_AMDVI_EFR2_GCR3TRPMODE
				  ? 0
				  : IOD_AMDVI_CONTROL_GCR3TRPMODE);
	}
	return mask;
}

/* A new base: the ring is empty. */
static void emu_rewind(struct iod_amdvi_emu *emu, const struct emu_reg *reg)
{
	struct iod_amdvi_regs *regs = &emu->regs;
	bool cmd = reg->field == EMU_FIELD(cmd_base), evt = reg->field == EMU_FIELD(evt_base);
	uint64_t *head = cmd ? &regs->cmd_head : evt ? &regs->evt_head : &regs->ppr_head;
	uint64_t *tail = cmd ? &regs->cmd_tail : evt ? &regs->evt_tail : &regs->ppr_tail;

	ring_publish64(head, 0);
	ring_publish64(tail, 0);
}

/* @return what is to be done */
static enum emu_act emu_write_word(struct iod_amdvi_emu *emu, uint64_t offset, uint32_t word)
{
	const struct emu_reg *reg = emu_find(offset);
	uint64_t mask;

	if (!reg || (emu_load(&emu->regs.status) & reg->frozen[0]))
		return ACT_STORE;
	mask = emu_reg_mask(emu, reg);
	if (!mask && !reg->w1c)
		return ACT_STORE;
	if (reg->act == ACT_BASE) {
		if ((offset & 4) && (word >> 24 & 0xf) < LENGTH_MIN)
			return ACT_STORE;
		emu_rewind(emu, reg);
	}
	iod_emu_reg_write(reg, &emu->regs, offset, word, mask);
	return (enum emu_act)reg->act;
}

/* ---- rings start and stop ---- */

/* A log runs from when it and the IOMMU are enabled until it overflows or one of them is disabled. */
static void emu_run_log(struct iod_amdvi_emu *emu, uint64_t control, uint64_t enable, uint32_t run)
{
	uint64_t both = enable | IOD_AMDVI_CONTROL_IOMMUEN;
	bool was = (emu->seen & both) == both, is = (control & both) == both;

	if (is && !was)
		emu_set(&emu->regs.status, run);
	if (!is)
		emu_clear(&emu->regs.status, run);
}

/* So do commands; who consumes them stops first, and then says so. */
static void emu_run_commands(struct iod_amdvi_emu *emu, uint64_t control)
{
	uint64_t both = IOD_AMDVI_CONTROL_CMDBUFEN | IOD_AMDVI_CONTROL_IOMMUEN;
	bool was = (emu->seen & both) == both, is = (control & both) == both;

	emu_store(&emu->cmd_on, is);
	if (is && !was)
		emu_set(&emu->regs.status, CMD_RUN);
	if (!is && !emu->runner.running)
		emu_clear(&emu->regs.status, CMD_RUN);
}

/* An interrupt that is enabled while what it is about waits already. */
static uint32_t emu_late_irqs(const struct iod_amdvi_emu *emu, uint64_t control)
{
	uint64_t fresh = control & ~emu->seen;
	uint32_t status = emu_load(&emu->regs.status), irqs = 0;

	if ((fresh & IOD_AMDVI_CONTROL_EVENTINTEN) && (status & IOD_AMDVI_STATUS_EVENTLOGINT))
		irqs |= 1u << IOD_AMDVI_IRQ_EVT;
	if ((fresh & IOD_AMDVI_CONTROL_PPRINTEN) && (status & IOD_AMDVI_STATUS_PPRINT))
		irqs |= 1u << IOD_AMDVI_IRQ_PPR;
	if ((fresh & IOD_AMDVI_CONTROL_COMWAITINTEN) && (status & IOD_AMDVI_STATUS_COMWAITINT))
		irqs |= 1u << IOD_AMDVI_IRQ_COMWAIT;
	return irqs;
}

/* New commands: somebody consumes. */
static void emu_kick(struct iod_amdvi_emu *emu)
{
	struct iod_amdvi_regs *regs = &emu->regs;

	if (!(emu_load(&regs->status) & CMD_RUN) ||
	    ring_observe64(&regs->cmd_head) == ring_observe64(&regs->cmd_tail))
		return;
	if (emu->ops.kick)
		emu->ops.kick(emu->cookie);
	else
		iod_amdvi_emu_run(emu, 0);
}

int iod_amdvi_emu_update(struct iod_amdvi_emu *emu)
{
	uint64_t control;
	uint32_t irqs;

	if (!emu)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	control = ring_observe64(&emu->regs.control);
	irqs = emu_late_irqs(emu, control);
	/* Registers that were saved, before anything ran here: what had stopped there stays so. */
	if (!emu->updated && emu_load(&emu->regs.status))
		emu->seen = control;
	emu->updated = true;
	emu_run_log(emu, control, IOD_AMDVI_CONTROL_EVENTLOGEN, EVT_RUN);
	emu_run_log(emu, control, IOD_AMDVI_CONTROL_PPRLOGEN, PPR_RUN);
	emu_run_commands(emu, control);
	emu->seen = control;
	pthread_mutex_unlock(&emu->lock);
	iod_amd_emu_interrupt(emu, irqs);
	emu_kick(emu);
	return 0;
}

/* ---- the guest ---- */

static void emu_mmio_write(struct iod_amdvi_emu *emu, uint64_t offset, unsigned int len,
			   uint64_t value)
{
	bool update = false;
	unsigned int i;

	pthread_mutex_lock(&emu->lock);
	for (i = 0; i < len; i += 4) {
		if (emu_write_word(emu, offset + i, (uint32_t)(value >> i * 8)) == ACT_UPDATE)
			update = true;
	}
	pthread_mutex_unlock(&emu->lock);
	if (update)
		iod_amdvi_emu_update(emu);
}

static uint32_t emu_read_word(struct iod_amdvi_emu *emu, uint64_t offset)
{
	const struct emu_reg *reg = emu_find(offset);

	return reg ? iod_emu_reg_read(reg, &emu->regs, offset) : 0;
}

int iod_amdvi_emu_mmio(struct iod_amdvi_emu *emu, uint64_t offset, unsigned int len, bool write,
		       uint64_t *value)
{
	if (!emu || !value || (len != 4 && len != 8) || offset & (len - 1) ||
	    offset >= IOD_AMDVI_MMIO_BYTES)
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
