/* SPDX-License-Identifier: MIT */
/* A guest's batch: what is the SMMU's own of collecting and issuing. */
#include "smmuv3/viommu.h"

#include <assert.h>
#include <errno.h>

/* The quirk hook is given the commands for one at a time, and room for as many again. */
#define QUIRK_ROOM 4u

static_assert(GUEST_ISSUE == IOD_SMMUV3_VIOMMU_ISSUE, "as promised");
static_assert(GUEST_SYNC_EACH == IOD_SMMUV3_VIOMMU_SYNC_EACH, "same bit");
static_assert(GUEST_NO_SYNC == IOD_SMMUV3_VIOMMU_NO_SYNC, "same bit");
static_assert(GUEST_REPEAT == IOD_SMMUV3_VIOMMU_REPEAT, "same bit");
static_assert(GUEST_LITERAL == IOD_SMMUV3_VIOMMU_LITERAL, "same bit");

static int to_sink(struct guest_core *core, const void *buf, size_t nr, bool sync, size_t *issued)
{
	struct iod_smmuv3_viommu *v =
		(struct iod_smmuv3_viommu *)((char *)core -
					     offsetof(struct iod_smmuv3_viommu, core));

	return v->sink.issue(v->sink.cookie, buf, nr, sync, issued);
}

static int run_end(struct guest_batch *g)
{
	return iod_viommu_run_end(batch_of(g));
}

const struct guest_ops iod_smmuv3_guest_ops = {
	.issue = to_sink,
	.run_end = run_end,
	.sync_op = IOD_SMMUV3_SYNC,
};

void iod_viommu_batch_begin(struct batch *b, struct iod_smmuv3_viommu *v, uint32_t flags)
{
	b->v = v;
	iod_guest_begin(&b->g, &v->core, b->buf, flags);
}

static int push(struct batch *b, const struct iod_smmuv3_raw_cmd *raw, uint32_t done, uint32_t op,
		uint32_t sid)
{
	size_t slot = 0;
	int ret = guest_slot(&b->g, done, op, sid, &slot);

	if (!ret)
		b->buf[slot] = *raw;
	return ret;
}

static bool is_tlbi(uint64_t op)
{
	return op >= IOD_SMMUV3_TLBI_NH_ALL && op <= IOD_SMMUV3_TLBI_NSNH_ALL;
}

/* With what errata ask for. */
static int emit_quirks(struct batch *b, const struct iod_smmuv3_raw_cmd *raw, uint32_t before,
		       uint32_t after, uint32_t op, uint32_t sid)
{
	const struct iod_smmuv3_viommu_cfg *cfg = &b->v->cfg;
	struct iod_smmuv3_raw_cmd cmds[QUIRK_ROOM];
	size_t nr = 0, i;
	int ret;

	cmds[nr++] = *raw;
	if ((cfg->flags & GUEST_REPEAT) && is_tlbi(iod_le64(raw->word[0]) & CMD0_OP))
		cmds[nr++] = *raw;
	if (cfg->quirk) {
		ret = cfg->quirk(cfg->cookie, cmds, &nr, QUIRK_ROOM);
		if (!ret && nr > QUIRK_ROOM)
			ret = -EINVAL;
		if (ret) {
			b->g.reason = IOD_CMD_BAD_ISSUE;
			b->g.op = op;
			b->g.sid = sid;
			return ret;
		}
	}
	for (i = 0; i < nr; i++) {
		ret = push(b, &cmds[i], i + 1 == nr ? after : before, op, sid);
		if (ret)
			return ret;
	}
	if (!nr)
		guest_all_done(&b->g, after);
	return 0;
}

int iod_viommu_emit(struct batch *b, const struct iod_smmuv3_raw_cmd *raw, uint32_t before,
		    uint32_t after, uint32_t op, uint32_t sid)
{
	if (b->v->cfg.quirk || (b->v->cfg.flags & GUEST_REPEAT))
		return emit_quirks(b, raw, before, after, op, sid);
	return push(b, raw, after, op, sid);
}
