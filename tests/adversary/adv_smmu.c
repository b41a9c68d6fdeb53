/* SPDX-License-Identifier: MIT */
/* Arm formats: invalidations by way of an SMMUv3's command queue. */
#include "adv_iommu.h"

#define RING_LG2 8u /* commands */

struct smmu {
	struct iod_smmuv3_id id;
	uint32_t prod, cons, gerror, gerrorn;
	struct iod_smmuv3_cmdq *cmdq;
	struct iod_smmuv3_consume consume;
};

/* Requirement row 103: what is cut off is named by the level that its leaves would be at. */
static void break_level(const struct adv_iommu *u, struct iod_smmuv3_cmd *cmd)
{
	if (adv_iommu_breaks(u) && !cmd->leaf && cmd->tg)
		cmd->ttl = 3;
}

static int obey(struct adv_iommu *u, struct iod_smmuv3_cmd *cmd)
{
	struct iod_cmd_effect effect;
	uint64_t first, last;
	int ret;

	if (cmd->op == IOD_SMMUV3_ATC_INV) {
		ret = iod_smmuv3_cmd_atc_range(cmd, &first, &last);
		if (!ret)
			adv_iommu_obey_device(u, cmd->sid, first, last);
		return ret;
	}
	break_level(u, cmd);
	ret = iod_smmuv3_cmd_effect(&effect, cmd);
	if (!ret && u->w->cfg.v->format == IOD_ARM_LPAE_S1)
		adv_iommu_obey(u, effect.s1, effect.nr_s1);
	else if (!ret)
		adv_iommu_obey(u, effect.s2, effect.nr_s2);
	return ret;
}

static int consume(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, size_t *handled)
{
	struct adv_iommu *u = cookie;
	const struct smmu *s = u->own;
	struct iod_smmuv3_cmd cmd;
	int ret = 0;

	for (*handled = 0; *handled < nr; ++*handled) {
		ret = iod_smmuv3_cmd_decode(&cmd, &cmds[*handled], &s->id, NULL);
		if (!ret)
			ret = obey(u, &cmd);
		if (ret)
			break;
	}
	return ret;
}

static int consume_sync(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	(void)sync;
	adv_iommu_obey_wait(cookie);
	return 0;
}

static void doorbell(void *cookie)
{
	struct adv_iommu *u = cookie;
	struct smmu *s = u->own;

	iod_smmuv3_cmdq_consume(&s->consume); /* an error is in the registers */
}

static int open_queue(struct adv_iommu *u, struct smmu *s)
{
	static const struct iod_smmuv3_consumer_ops ops = { sizeof(ops), consume, consume_sync };
	struct iod_smmuv3_cmdq_cfg cfg = {
		.size = sizeof(cfg),
		.mem = u->mem,
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

static int open_inv(struct adv_iommu *u, struct smmu *s, uint64_t *rng)
{
	bool stage1 = u->w->cfg.v->format == IOD_ARM_LPAE_S1;
	struct iod_inv_cost cost = adv_iommu_cost(u, rng);
	struct iod_smmuv3_sink sink = { .size = sizeof(sink) };
	struct iod_smmuv3_inv_cfg cfg = {
		.size = sizeof(cfg),
		.id = &s->id,
		.sink = &sink,
		.stage = stage1 ? 1 : 2,
		.asid = stage1 ? 7 : 0,
		.vmid = 3,
		.cost = &cost,
	};
	struct iod_smmuv3_inv *inv = NULL;
	int ret = iod_smmuv3_cmdq_sink(s->cmdq, &sink);

	if (adv_chance(rng, 30) && u->w->cfg.twin != ADV_LEAF_LEVEL)
		s->id.idr[3] &= ~IOD_SMMUV3_IDR3_RIL;
	if (stage1 && adv_chance(rng, 15)) {
		cfg.flags |= IOD_SMMUV3_INV_ALL_ASIDS;
		cfg.asid = 0;
	}
	if (adv_chance(rng, 15))
		cfg.flags |= IOD_SMMUV3_INV_REPEAT;
	if (!ret)
		ret = iod_smmuv3_inv_create(&inv, &cfg);
	u->inv = inv;
	u->ops = iod_smmuv3_inv_ops();
	return ret;
}

static int open_smmu(struct adv_iommu *u, uint64_t *rng)
{
	struct iod_smmuv3_ats_device dev = { .size = sizeof(dev) };
	struct smmu *s = calloc(1, sizeof(*s));
	unsigned int i;
	int ret = s ? 0 : -ENOMEM;

	u->own = s;
	if (!ret)
		ret = iod_smmuv3_id_full(&s->id);
	if (!ret)
		ret = open_queue(u, s);
	if (!ret)
		ret = open_inv(u, s, rng);
	for (i = 0; !ret && adv_iommu_next_device(u, &i); i++) {
		dev.sid = i;
		ret = iod_smmuv3_inv_add_device(u->inv, &dev);
	}
	return ret;
}

static void close_smmu(struct adv_iommu *u)
{
	struct smmu *s = u->own;

	if (u->inv)
		iod_smmuv3_inv_destroy(u->inv);
	if (s && s->cmdq)
		iod_smmuv3_cmdq_destroy(s->cmdq);
	free(s);
}

const struct adv_vendor adv_vendor_smmu = {
	.formats = ADV_F(IOD_ARM_LPAE_S1) | ADV_F(IOD_ARM_LPAE_S2),
	.open = open_smmu,
	.close = close_smmu,
};
