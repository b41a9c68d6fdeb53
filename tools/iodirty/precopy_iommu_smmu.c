/* SPDX-License-Identifier: MIT */
/* The Arm formats of `iodirty precopy`: an SMMUv3's command queue; StreamIDs are devices' numbers. */
#include "precopy_iommu.h"

#include <errno.h>
#include <stdlib.h>

#define RING_LG2 8u /* commands */

struct smmu {
	struct iod_smmuv3_id id;
	uint32_t prod, cons, gerror, gerrorn;
	struct iod_smmuv3_cmdq *cmdq;
	struct iod_smmuv3_consume consume;
};

/* --- The SMMU's side ---------------------------------------------------------------------------*/

static int obey_one(struct precopy_iommu *u, const struct iod_smmuv3_cmd *cmd)
{
	struct iod_cmd_effect effect;
	uint64_t first, last;
	int ret;

	if (cmd->op == IOD_SMMUV3_ATC_INV) {
		ret = iod_smmuv3_cmd_atc_range(cmd, &first, &last);
		return ret ? ret : precopy_iommu_obey_device(u, cmd->sid, first, last);
	}
	ret = iod_smmuv3_cmd_effect(&effect, cmd);
	return ret ? ret : precopy_iommu_obey(u, &effect, cmd->tg != IOD_SMMUV3_TG_NONE);
}

static int obey(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, size_t *handled)
{
	struct precopy_iommu *u = cookie;
	const struct smmu *s = u->own;
	struct iod_smmuv3_cmd cmd;
	int ret = 0;

	for (*handled = 0; *handled < nr && !ret; *handled += !ret) {
		ret = iod_smmuv3_cmd_decode(&cmd, &cmds[*handled], &s->id, NULL);
		if (!ret)
			ret = obey_one(u, &cmd);
	}
	return ret;
}

/* What it obeyed is complete when iod_iotlb_invalidate() returned. */
static int obey_sync(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	struct precopy_iommu *u = cookie;

	(void)sync;
	u->did.syncs++;
	return 0;
}

static void doorbell(void *cookie)
{
	struct precopy_iommu *u = cookie;
	struct smmu *s = u->own;

	pthread_mutex_lock(&u->turn);
	iod_smmuv3_cmdq_consume(&s->consume); /* an error is in the registers */
	pthread_mutex_unlock(&u->turn);
}

/* --- The driver's side -------------------------------------------------------------------------*/

/* Commands that --break leaves out. */
static int leave_out(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max)
{
	const struct precopy_iommu *u = cookie;
	const struct smmu *s = u->own;
	struct iod_smmuv3_cmd cmd;
	size_t i, kept = 0;

	(void)max;
	for (i = 0; i < *nr; i++) {
		iod_smmuv3_cmd_decode(&cmd, &cmds[i], &s->id, NULL);
		if (!precopy_iommu_leaves_out(u, cmd.op == IOD_SMMUV3_ATC_INV))
			cmds[kept++] = cmds[i];
	}
	*nr = kept;
	return 0;
}

static int create_queue(struct precopy_iommu *u, struct smmu *s)
{
	static const struct iod_smmuv3_consumer_ops ops = { .size = sizeof(ops),
							    .commands = obey,
							    .sync = obey_sync };
	struct iod_smmuv3_cmdq_cfg cfg = {
		.size = sizeof(cfg),
		.mem = u->vm->mem,
		.base = u->ring | RING_LG2,
		.prod = &s->prod,
		.cons = &s->cons,
		.gerror = &s->gerror,
		.gerrorn = &s->gerrorn,
		.doorbell = doorbell,
		.cookie = u,
	};

	s->consume = (struct iod_smmuv3_consume){
		.size = sizeof(s->consume),
		.queue = { .size = sizeof(s->consume.queue),
			   .kind = IOD_SMMUV3_CMDQ,
			   .mem = cfg.mem,
			   .base = cfg.base,
			   .prod = cfg.prod,
			   .cons = cfg.cons },
		.gerror = cfg.gerror,
		.gerrorn = cfg.gerrorn,
		.id = &s->id,
		.ops = &ops,
		.cookie = u,
	};
	return iod_smmuv3_cmdq_create(&s->cmdq, &cfg);
}

static int create_inv(struct precopy_iommu *u, struct smmu *s)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink) };
	struct iod_smmuv3_inv_cfg cfg = {
		.size = sizeof(cfg),
		.id = &s->id,
		.sink = &sink,
		.stage = u->stage,
		.asid = u->stage == 1 ? PRECOPY_ID : 0,
		.vmid = u->stage == 2 ? PRECOPY_ID : 0,
		.flags = u->stage == 1 ? IOD_SMMUV3_INV_NO_GLOBAL : 0,
		.quirk = u->vm->opts->violation ? leave_out : NULL,
		.quirk_cookie = u,
	};
	struct iod_smmuv3_inv *inv = NULL;
	int ret = iod_smmuv3_cmdq_sink(s->cmdq, &sink);

	if (!ret)
		ret = iod_smmuv3_inv_create(&inv, &cfg);
	u->inv = inv;
	u->ops = iod_smmuv3_inv_ops();
	return ret;
}

static uint64_t smmu_tag(unsigned stage)
{
	return stage == 2 ? IOD_SMMUV3_TAG_S2(PRECOPY_ID) : IOD_SMMUV3_TAG_S1(0, PRECOPY_ID);
}

static int smmu_create(struct precopy_iommu *u)
{
	struct smmu *s = calloc(1, sizeof(*s));
	int ret;

	u->own = s;
	if (!s)
		return -ENOMEM;
	ret = iod_smmuv3_id_full(&s->id);
	if (!ret)
		ret = create_queue(u, s);
	return ret ? ret : create_inv(u, s);
}

static int smmu_add_device(struct precopy_iommu *u, uint32_t device)
{
	struct iod_smmuv3_ats_device dev = { .size = sizeof(dev), .sid = device };

	return iod_smmuv3_inv_add_device(u->inv, &dev);
}

static void smmu_destroy(struct precopy_iommu *u)
{
	struct smmu *s = u->own;

	if (u->inv)
		iod_smmuv3_inv_destroy(u->inv);
	if (s && s->cmdq)
		iod_smmuv3_cmdq_destroy(s->cmdq);
	free(s);
}

const struct precopy_vendor precopy_vendor_smmu = {
	.formats = PRECOPY_F(IOD_ARM_LPAE_S1) | PRECOPY_F(IOD_ARM_LPAE_S2),
	.first_stage = IOD_ARM_LPAE_S1,
	.words = { "SMMU", "TLBIs", "ATC_INVs", "SYNCs" },
	.tag = smmu_tag,
	.create = smmu_create,
	.add_device = smmu_add_device,
	.destroy = smmu_destroy,
};
