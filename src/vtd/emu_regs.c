/* SPDX-License-Identifier: MIT */
/* The emulated VT-d: the register file (11.4). */
#include <errno.h>
#include <string.h>

#include "vtd/emu.h"

#define REG_GCMD 0x18u
#define REG_FSTS 0x34u

/* GCMD */
#define GCMD_TE	  IOD_VTD_GSTS_TE
#define GCMD_SRTP IOD_VTD_GSTS_RTP
#define GCMD_QIE  IOD_VTD_GSTS_QIE

#define MSI_CTL	  IOD_VTD_IRQ_MASK
#define MSI_ADDR  0xfffffffcu
#define IQ_OFFSET MASK64(18, 4)
#define PQ_OFFSET MASK64(18, 5)
#define RING_BASE (MASK64(63, 12) | 7)
#define RT_BASE	  MASK64(63, 12)

#define EMU_REG(off, f, m, w, when)                                                 \
	{                                                                           \
		.offset = (off), .bytes = sizeof(((struct iod_vtd_regs *)0)->f),    \
		.field = offsetof(struct iod_vtd_regs, f), .mask = (m), .w1c = (w), \
		.frozen[0] = (when)                                                 \
	}
#define EMU_RO(off, f) EMU_REG(off, f, 0, 0, 0)
#define EMU_MSI(off, f)                                                               \
	EMU_REG(off, f.ctl, MSI_CTL, 0, 0), EMU_REG((off) + 4, f.data, 0xffff, 0, 0), \
		EMU_REG((off) + 8, f.addr, MSI_ADDR, 0, 0),                           \
		EMU_REG((off) + 12, f.uaddr, UINT32_MAX, 0, 0)

/* Frozen: not while GSTS has any of these. GCMD, FSTS and the fault records are looked after by hand. */
static const struct emu_reg emu_regs[] = {
	EMU_RO(0x00, id.ver),
	EMU_RO(0x08, id.cap),
	EMU_RO(0x10, id.ecap),
	EMU_RO(0x1c, gsts),
	EMU_REG(0x20, rtaddr, RT_BASE | IOD_VTD_RTADDR_TTM, 0, 0),
	EMU_RO(REG_FSTS, fsts),
	EMU_MSI(0x38, fault_irq),
	EMU_RO(0x80, iqh),
	EMU_REG(0x88, iqt, IQ_OFFSET, 0, 0),
	EMU_REG(0x90, iqa, RING_BASE | IOD_VTD_IQA_DW, 0, GCMD_QIE),
	EMU_REG(0x9c, ics, 0, IOD_VTD_ICS_IWC, 0),
	EMU_MSI(0xa0, inv_irq),
	EMU_RO(0xb0, iqercd),
	EMU_REG(0xc0, pqh, PQ_OFFSET, 0, 0),
	EMU_REG(0xc8, pqt, PQ_OFFSET, 0, 0),
	EMU_REG(0xd0, pqa, RING_BASE, 0, 0),
	EMU_REG(0xdc, prs, 0, IOD_VTD_PRS_PPR | IOD_VTD_PRS_PRO, 0),
	EMU_MSI(0xe0, page_irq),
};

void iod_vemu_reset_regs(struct iod_vtd_emu *emu)
{
	_Static_assert(offsetof(struct iod_vtd_regs, rtaddr) % 8 == 0 &&
			       offsetof(struct iod_vtd_regs, iqh) % 8 == 0 &&
			       offsetof(struct iod_vtd_regs, fault) % 8 == 0,
		       "read and written whole");

	memset(&emu->regs, 0, sizeof(emu->regs));
	emu->regs.id = emu->id;
	emu->regs.fault_irq.ctl = IOD_VTD_IRQ_MASK;
	emu->regs.inv_irq.ctl = IOD_VTD_IRQ_MASK;
	emu->regs.page_irq.ctl = IOD_VTD_IRQ_MASK;
	emu->qi_stop = false;
	emu->told = 0;
}

static const struct emu_reg *emu_find(uint64_t offset)
{
	return iod_emu_reg_find(emu_regs, sizeof(emu_regs) / sizeof(*emu_regs), offset);
}

/* What the capabilities leave of a register. */
static uint64_t emu_reg_mask(const struct iod_vtd_emu *emu, const struct emu_reg *reg)
{
	uint64_t ecap = emu->id.ecap, mask = reg->mask;

	if (reg->offset == 0x20 && !(ecap & (IOD_VTD_ECAP_SMTS | IOD_VTD_ECAP_ADMS)))
		mask &= ~IOD_VTD_RTADDR_TTM;
	if (reg->offset == 0x90 && !(ecap & IOD_VTD_ECAP_SMTS))
		mask &= ~(uint64_t)IOD_VTD_IQA_DW;
	if (reg->offset >= 0xc0 && !(ecap & IOD_VTD_ECAP_PRS))
		mask = 0;
	return mask;
}

/* ---- fault records ---- */

/* @return the word of 4 bytes, or negative: none is there */
static int64_t emu_fault_word(const struct iod_vtd_emu *emu, uint64_t offset)
{
	uint64_t at = iod_vtd_id_field(emu->id.cap, IOD_VTD_CAP_FRO) * UINT64_C(16);
	uint64_t nr = iod_vtd_id_field(emu->id.cap, IOD_VTD_CAP_NFR) + 1;

	return offset >= at && offset - at < nr * 16 ? (int64_t)(offset - at) / 4 : -1;
}

static uint32_t emu_read_fault(const struct iod_vtd_emu *emu, int64_t word)
{
	uint64_t v = word_load(&emu->regs.fault[word / 4][word / 2 % 2]);

	return (uint32_t)(v >> (word & 1 ? 32 : 0));
}

/* Only F can be written: it is cleared. */
static void emu_write_fault(struct iod_vtd_emu *emu, int64_t word, uint32_t v)
{
	struct iod_vtd_fault_regs regs = {
		.size = sizeof(regs),
		.record = &emu->regs.fault[0][0],
		.nr = iod_vtd_id_field(emu->id.cap, IOD_VTD_CAP_NFR) + 1,
		.next = emu->regs.next_fault,
		.fsts = &emu->regs.fsts,
	};

	if (word % 4 == 3 && v >> 31) {
		iod_vtd_fault_clear(&regs, (uint32_t)(word / 4));
		emu->regs.next_fault = regs.next;
	}
}

/* ---- words ---- */

static uint32_t emu_read_word(struct iod_vtd_emu *emu, uint64_t offset)
{
	const struct emu_reg *reg = emu_find(offset);
	int64_t fault = emu_fault_word(emu, offset);
	uint32_t v;

	if (fault >= 0)
		return emu_read_fault(emu, fault);
	if (!reg)
		return 0;
	v = iod_emu_reg_read(reg, &emu->regs, offset);
	if (offset == REG_FSTS && (emu_load32(&emu->regs.prs) & IOD_VTD_PRS_PRO))
		v |= IOD_VTD_FSTS_PRO;
	return v;
}

/* The lock is held. @return whether everything that is cached goes */
static bool emu_set_root(struct iod_vtd_emu *emu)
{
	emu->regs.rtaddr_now = emu->regs.rtaddr;
	emu->regs.gsts |= IOD_VTD_GSTS_RTP;
	if (!(emu->id.cap & IOD_VTD_CAP_ESRTPS))
		return false;
	iod_vemu_forget_pasids(emu, NULL);
	return true;
}

/*
 * Who consumes stops first, and then says so: until then the queue is not the guest's. The head is 0 while the
 * queue is disabled (11.4.9.1).
 */
void iod_vemu_stop_queue(struct iod_vtd_emu *emu)
{
	if (emu->runner.running)
		return;
	emu->qi_stop = false;
	emu->regs.gsts &= ~IOD_VTD_GSTS_QIE;
	ring_publish64(&emu->regs.iqh, 0);
}

/* @return as emu_set_root() */
static bool emu_command(struct iod_vtd_emu *emu, uint32_t v)
{
	struct iod_vtd_regs *regs = &emu->regs;
	bool drop = (v & GCMD_SRTP) && emu_set_root(emu);

	regs->gsts = (regs->gsts & ~GCMD_TE) | (v & GCMD_TE);
	if (v & GCMD_QIE) {
		regs->gsts |= IOD_VTD_GSTS_QIE;
		emu->qi_stop = false;
	} else if (regs->gsts & IOD_VTD_GSTS_QIE) {
		emu->qi_stop = true;
		iod_vemu_stop_queue(emu);
	}
	return drop;
}

/* @return as emu_set_root() */
static bool emu_write_word(struct iod_vtd_emu *emu, uint64_t offset, uint32_t v)
{
	const struct emu_reg *reg = emu_find(offset);
	int64_t fault = emu_fault_word(emu, offset);

	if (fault >= 0)
		emu_write_fault(emu, fault, v);
	else if (offset == REG_GCMD)
		return emu_command(emu, v);
	else if (offset == REG_FSTS)
		iod_vtd_fsts_clear(&emu->regs.fsts, v);
	else if (reg && !(emu->regs.gsts & reg->frozen[0]))
		iod_emu_reg_write(reg, &emu->regs, offset, v, emu_reg_mask(emu, reg));
	return false;
}

/* ---- the guest's accesses ---- */

/* New descriptors, or an error that was cleared: somebody consumes. */
static void emu_kick(struct iod_vtd_emu *emu)
{
	struct iod_vtd_regs *regs = &emu->regs;
	bool on;

	pthread_mutex_lock(&emu->lock);
	on = (regs->gsts & IOD_VTD_GSTS_QIE) && !emu->qi_stop &&
	     ring_observe64(&regs->iqh) != ring_observe64(&regs->iqt);
	pthread_mutex_unlock(&emu->lock);
	if (!on)
		return;
	if (emu->ops.kick)
		emu->ops.kick(emu->cookie);
	else
		iod_vtd_emu_run(emu, 0);
}

int iod_vtd_emu_update(struct iod_vtd_emu *emu)
{
	uint32_t irqs;

	if (!emu)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	irqs = iod_vemu_irq_written(emu);
	pthread_mutex_unlock(&emu->lock);
	iod_vemu_interrupt(emu, irqs);
	emu_kick(emu);
	return 0;
}

static void emu_mmio_write(struct iod_vtd_emu *emu, uint64_t offset, unsigned int len,
			   uint64_t value)
{
	bool drop = false;
	unsigned int i;

	pthread_mutex_lock(&emu->lock);
	for (i = 0; i < len; i += 4)
		drop |= emu_write_word(emu, offset + i, (uint32_t)(value >> i * 8));
	pthread_mutex_unlock(&emu->lock);
	if (drop) {
		iod_vemu_wait_gone(emu);
		iod_emu_tlbs_drop(&emu->tlbs);
	}
	iod_vtd_emu_update(emu);
}

int iod_vtd_emu_mmio(struct iod_vtd_emu *emu, uint64_t offset, unsigned int len, bool write,
		     uint64_t *value)
{
	if (!emu || !value || (len != 4 && len != 8) || offset & (len - 1) ||
	    offset >= IOD_VTD_MMIO_BYTES)
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
