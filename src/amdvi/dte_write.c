/* SPDX-License-Identifier: MIT */
/* Carries a plan out: words into memory, INVALIDATE_DEVTAB_ENTRY and a COMPLETION_WAIT after each step. */
#include <iodirty/amdvi_dte.h>
#include <iodirty/amdvi_queue.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "amdvi/atomic128.h"
#include "amdvi/dte_bits.h"
#include "atomic.h"
#include "pgtable/mem.h"

#define CHANGE_FLAGS	(IOD_AMDVI_CHANGE_HITLESS | IOD_AMDVI_CHANGE_WORDS)
#define CHANGE_SIZE_MIN sizeof(struct iod_amdvi_change)

bool iod_amdvi_atomic128(void)
{
	return host_has_atomic128();
}

/* Hardware forgets the entry, and what it had begun with it is done. */
static int invalidate(const struct iod_amdvi_change *change)
{
	struct iod_amdvi_cmd cmd = { .op = IOD_AMDVI_INVALIDATE_DEVTAB_ENTRY,
				     .devid = change->devid };
	const struct iod_amdvi_sink *sink = change->sink;
	struct iod_amdvi_raw_cmd raw;
	size_t issued = 0;
	int ret;

	if (!sink)
		return 0;
	ret = iod_amdvi_cmd_encode(&raw, &cmd, NULL, NULL);
	if (!ret)
		ret = sink->issue(sink->cookie, &raw, 1, true, &issued);
	return ret > 0 ? -EIO : ret;
}

static void store_half(uint64_t *live, const uint64_t *value, bool words)
{
	if (!words) {
		store128(live, value);
		return;
	}
	item_store_relaxed(&live[0], iod_le64(value[0]));
	item_store_relaxed(&live[1], iod_le64(value[1]));
}

/* One step. Everything before it in memory (tables that the DTE leads to) is seen before it. */
static int step(struct iod_amdvi_change *change, uint64_t *live,
		const struct iod_amdvi_raw_dte *value, unsigned mask)
{
	bool words = change->flags & IOD_AMDVI_CHANGE_WORDS;
	unsigned i;
	int ret;

	full_fence();
	for (i = 0; i < DTE_WORDS; i += 2) {
		if ((mask >> i & 3) == 3)
			store_half(&live[i], &value->word[i], words);
		else if (mask >> i & 1)
			item_store_relaxed(&live[i], iod_le64(value->word[i]));
		else if (mask >> i & 2)
			item_store_relaxed(&live[i + 1], iod_le64(value->word[i + 1]));
	}
	full_fence();
	change->unsynced = 1;
	ret = invalidate(change);
	if (!ret)
		change->unsynced = 0;
	return ret;
}

static int carry_out(struct iod_amdvi_change *change, uint64_t *live,
		     const struct iod_amdvi_raw_dte *to)
{
	struct iod_amdvi_raw_dte from;
	unsigned i;
	int ret;

	for (i = 0; i < DTE_WORDS; i++)
		from.word[i] = iod_le64(item_load(&live[i]));
	ret = iod_amdvi_dte_plan(&change->plan, &from, to, change->flags);
	if (ret)
		return ret;
	if (change->unsynced) {
		ret = invalidate(change);
		if (ret)
			return ret;
		change->unsynced = 0;
	}
	while (change->steps < change->plan.nr && !ret) {
		ret = step(change, live, &change->plan.step[change->steps].value,
			   change->plan.step[change->steps].mask);
		if (!ret)
			change->steps++;
	}
	return ret;
}

static int check(const struct iod_amdvi_change *change)
{
	if (!change->mem || change->flags & ~CHANGE_FLAGS || change->reserved ||
	    !is_aligned(change->pa, DTE_LG2) || change->unsynced > 1)
		return -EINVAL;
	return change->sink && !change->sink->issue ? -EINVAL : 0;
}

/* What a call that failed had begun is not to be seen in memory any more. */
static void keep_debts(struct iod_amdvi_plan *plan, const struct iod_amdvi_plan *before)
{
	plan->tlbi |= before->tlbi;
	plan->atc |= before->atc;
	plan->irt |= before->irt;
}

int iod_amdvi_dte_write(struct iod_amdvi_change *user, const struct iod_amdvi_raw_dte *to)
{
	struct iod_amdvi_change change;
	struct iod_amdvi_plan before;
	uint32_t flags;
	void *live;
	int ret;

	if (!user || !to)
		return -EINVAL;
	ret = iod_struct_in(&change, sizeof(change), user, CHANGE_SIZE_MIN);
	if (!ret)
		ret = check(&change);
	if (ret)
		return ret;
	before = change.plan;
	if (!change.unsynced)
		memset(&before, 0, sizeof(before));
	memset(&change.plan, 0, sizeof(change.plan));
	change.steps = 0;
	flags = change.flags;
	if (iod_mem_host_ptr(change.mem, change.pa, BIT64(DTE_LG2), true, &live)) {
		ret = -EFAULT;
	} else {
		if ((uintptr_t)live & 15 || !host_has_atomic128())
			change.flags |= IOD_AMDVI_CHANGE_WORDS;
		ret = carry_out(&change, live, to);
	}
	change.flags = flags;
	keep_debts(&change.plan, &before);
	iod_struct_out(user, &change, sizeof(change), CHANGE_SIZE_MIN);
	return ret;
}
