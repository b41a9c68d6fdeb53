/* SPDX-License-Identifier: MIT */
/*
 * The emulated SMMU: accesses that wait for RESUME (Arm IHI 0070, 3.12.2). The table is bounded; an access's
 * place in it is its tag. Its event is never dropped: while the event queue has no room it waits here, and the
 * access with it.
 */
#include <errno.h>

#include "smmuv3/emu.h"

static struct emu_stall *emu_free_stall(struct iod_smmuv3_emu *emu, uint32_t *stag)
{
	uint32_t i;

	/* Round and round, so that a tag that was just answered is not given out at once. */
	for (i = 0; i < emu->nr_stalls; i++) {
		*stag = (emu->next_stall + i) % emu->nr_stalls;
		if (!emu->stalls[*stag].used) {
			emu->next_stall = *stag + 1;
			return &emu->stalls[*stag];
		}
	}
	return NULL;
}

static void emu_record_stall(struct iod_smmuv3_emu *emu, struct emu_stall *stall, uint32_t *irqs)
{
	if (iod_smmu_emu_record(emu, &stall->event, irqs))
		return;
	stall->recorded = true;
	emu->unrecorded--;
}

int iod_smmu_emu_stall(struct emu_op *op)
{
	struct iod_smmuv3_emu *emu = op->emu;
	struct emu_stall *stall;
	uint32_t stag;

	stall = emu_free_stall(emu, &stag);
	if (!stall)
		return -EBUSY;
	op->event.stall = true;
	op->event.stag = (uint16_t)stag;
	*stall = (struct emu_stall){
		.used = true,
		.cookie = op->req.cookie,
		.event = op->event,
	};
	op->result.outcome = IOD_EMU_STALLED;
	op->result.stag = (uint16_t)stag;
	op->result.recorded = true;
	emu->unrecorded++;
	emu->stats.stalled++;
	emu->stats.stalls_now++;
	/* Those before it go first. */
	if (emu->unrecorded == 1)
		emu_record_stall(emu, stall, &op->irqs);
	else
		iod_smmu_emu_record_stalls(emu, &op->irqs);
	return 0;
}

void iod_smmu_emu_record_stalls(struct iod_smmuv3_emu *emu, uint32_t *irqs)
{
	uint32_t i;

	/* From the one after the last given out: roughly in the order that they came in. */
	for (i = 0; i < emu->nr_stalls && emu->unrecorded; i++) {
		struct emu_stall *stall = &emu->stalls[(emu->next_stall + i) % emu->nr_stalls];

		if (stall->used && !stall->recorded)
			emu_record_stall(emu, stall, irqs);
	}
}

bool iod_smmu_emu_unstall(struct iod_smmuv3_emu *emu, uint32_t stag, void **cookie)
{
	struct emu_stall *stall;

	if (stag >= emu->nr_stalls || !emu->stalls[stag].used)
		return false;
	stall = &emu->stalls[stag];
	*cookie = stall->cookie;
	if (!stall->recorded)
		emu->unrecorded--;
	stall->used = false;
	emu->stats.stalls_now--;
	return true;
}
