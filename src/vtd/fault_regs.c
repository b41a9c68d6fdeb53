/* SPDX-License-Identifier: MIT */
/*
 * Fault recording registers of an emulated VT-d (Intel D51397, 7.2.1, 11.4.14): a ring without head and tail. Each
 * register has its F, which hardware sets and software clears.
 */
#include <iodirty/vtd_queue.h>

#include <errno.h>

#include "ring.h"

#define FAULT1_F   BIT64(63)
#define FAULT1_SID MASK64(15, 0)
#define FAULT1_FR  MASK64(39, 32)
/* Who asked for what and why: source-id, reason, PASID, PP. */
#define FAULT1_SAME (MASK64(59, 40) | FAULT1_FR | BIT64(31) | FAULT1_SID)
#define FAULT0_FI   MASK64(63, 12)

#define NR_MAX	    256u

static bool bad_regs(const struct iod_vtd_fault_regs *regs)
{
	return !regs || regs->size != sizeof(*regs) || !regs->record || !regs->fsts || !regs->nr ||
	       regs->nr > NR_MAX;
}

static bool pending(const struct iod_vtd_fault_regs *regs, uint32_t index)
{
	return ring_observe64(&regs->record[2 * index + 1]) & FAULT1_F;
}

static void set_fri(const struct iod_vtd_fault_regs *regs, uint32_t index)
{
	uint32_t was = ring_observe32(regs->fsts), now;

	/* The other bits are software's to clear at any time. */
	do {
		now = (was & ~IOD_VTD_FSTS_FRI) | index << IOD_VTD_FSTS_FRI_SHIFT |
		      IOD_VTD_FSTS_PPF;
	} while (!__atomic_compare_exchange_n(regs->fsts, &was, now, false, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
}

static bool is_pending(const struct iod_vtd_fault_regs *regs, uint64_t lo, uint64_t hi)
{
	uint64_t hi2;
	uint32_t i;

	for (i = 0; i < regs->nr; i++) {
		hi2 = ring_observe64(&regs->record[2 * i + 1]);
		if ((hi2 & FAULT1_F) && !((hi2 ^ hi) & FAULT1_SAME) &&
		    !((ring_observe64(&regs->record[2 * i]) ^ lo) & FAULT0_FI))
			return true;
	}
	return false;
}

int iod_vtd_fault_record(struct iod_vtd_fault_regs *regs, uint64_t lo, uint64_t hi)
{
	uint32_t fsts, at;

	if (bad_regs(regs))
		return -EINVAL;
	at = regs->next % regs->nr;
	fsts = ring_observe32(regs->fsts);
	if (fsts & IOD_VTD_FSTS_PFO)
		return -ENOSPC;
	if (is_pending(regs, lo, hi))
		return 0;
	if (pending(regs, at)) {
		__atomic_fetch_or(regs->fsts, IOD_VTD_FSTS_PFO, __ATOMIC_ACQ_REL);
		return -ENOSPC;
	}
	ring_publish64(&regs->record[2 * at], lo);
	ring_publish64(&regs->record[2 * at + 1], hi | FAULT1_F);
	regs->next = (at + 1) % regs->nr;
	if (!(fsts & IOD_VTD_FSTS_PPF))
		set_fri(regs, at);
	return 1;
}

int iod_vtd_fault_clear(struct iod_vtd_fault_regs *regs, uint32_t index)
{
	uint32_t i, at;

	if (bad_regs(regs) || index >= regs->nr)
		return -EINVAL;
	__atomic_fetch_and((iod_word *)&regs->record[2 * index + 1], ~FAULT1_F, __ATOMIC_ACQ_REL);
	/* From the next on around they are in the order in which they were recorded. */
	for (i = 0; i < regs->nr; i++) {
		at = (regs->next + i) % regs->nr;
		if (!pending(regs, at))
			continue;
		set_fri(regs, at);
		return 0;
	}
	__atomic_fetch_and(regs->fsts, ~IOD_VTD_FSTS_PPF, __ATOMIC_ACQ_REL);
	return 0;
}

int iod_vtd_fsts_clear(uint32_t *fsts, uint32_t bits)
{
	if (!fsts)
		return -EINVAL;
	bits &= IOD_VTD_FSTS_PFO | IOD_VTD_FSTS_IQE | IOD_VTD_FSTS_ICE | IOD_VTD_FSTS_ITE;
	__atomic_fetch_and(fsts, ~bits, __ATOMIC_ACQ_REL);
	return 0;
}
