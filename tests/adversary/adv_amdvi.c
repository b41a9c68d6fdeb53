/* SPDX-License-Identifier: MIT */
/* AMD formats: invalidations by way of an IOMMU's command buffer. */
#include "adv_iommu.h"

#define LENGTH_256 (UINT64_C(8) << 56)

struct amdvi {
	struct iod_amdvi_id id;
	uint64_t head, tail;
	uint32_t status;
	struct iod_amdvi_cmdq *cmdq;
	struct iod_amdvi_consume consume;
};

static int obey(struct adv_iommu *u, struct iod_amdvi_cmd *cmd)
{
	struct iod_cmd_effect effect;
	uint64_t first, last;
	int ret;

	if (cmd->op == IOD_AMDVI_INVALIDATE_IOTLB_PAGES) {
		ret = iod_amdvi_cmd_range(cmd, &first, &last);
		if (!ret)
			adv_iommu_obey_device(u, cmd->devid, first, last);
		return ret;
	}
	/* Nothing but leaves, where a table changed. */
	if (adv_iommu_breaks(u))
		cmd->pde = false;
	ret = iod_amdvi_cmd_effect(&effect, cmd);
	if (!ret && u->w->cfg.v->format == IOD_AMD_V2)
		adv_iommu_obey(u, effect.s1, effect.nr_s1);
	else if (!ret)
		adv_iommu_obey(u, effect.s2, effect.nr_s2);
	return ret;
}

static int consume(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, size_t *handled)
{
	struct adv_iommu *u = cookie;
	const struct amdvi *a = u->own;
	struct iod_amdvi_cmd cmd;
	int ret = 0;

	for (*handled = 0; *handled < nr; ++*handled) {
		ret = iod_amdvi_cmd_decode(&cmd, &cmds[*handled], &a->id, NULL);
		if (!ret)
			ret = obey(u, &cmd);
		if (ret)
			break;
	}
	return ret;
}

static int consume_wait(void *cookie, const struct iod_amdvi_cmd *wait)
{
	(void)wait;
	adv_iommu_obey_wait(cookie);
	return 0;
}

static void doorbell(void *cookie)
{
	struct adv_iommu *u = cookie;
	struct amdvi *a = u->own;

	iod_amdvi_cmdq_consume(&a->consume); /* an error is in the registers */
}

static int open_queue(struct adv_iommu *u, struct amdvi *a)
{
	static const struct iod_amdvi_consumer_ops ops = { .size = sizeof(ops),
							   .commands = consume,
							   .sync = consume_wait };
	struct iod_amdvi_cmdq_cfg cfg = {
		.size = sizeof(cfg),
		.mem = u->mem,
		.base = u->ring | LENGTH_256,
		.head = &a->head,
		.tail = &a->tail,
		.status = &a->status,
		.store = u->ring + ADV_RING_LEN,
		.doorbell = doorbell,
		.cookie = u,
	};

	a->status = IOD_AMDVI_STATUS_CMDBUFRUN;
	a->consume = (struct iod_amdvi_consume){
		.size = sizeof(a->consume),
		.queue = { .size = sizeof(a->consume.queue),
			   .kind = IOD_AMDVI_CMDBUF,
			   .mem = cfg.mem,
			   .base = cfg.base,
			   .head = cfg.head,
			   .tail = cfg.tail,
			   .status = cfg.status },
		.id = &a->id,
		.ops = &ops,
		.cookie = u,
	};
	return iod_amdvi_cmdq_create(&a->cmdq, &cfg);
}

static int open_inv(struct adv_iommu *u, struct amdvi *a, uint64_t *rng)
{
	struct iod_inv_cost cost = adv_iommu_cost(u, rng);
	struct iod_amdvi_sink sink = { .size = sizeof(sink) };
	struct iod_amdvi_inv_cfg cfg = {
		.size = sizeof(cfg),
		.id = &a->id,
		.sink = &sink,
		.stage = u->w->cfg.v->format == IOD_AMD_V2 ? 1 : 2,
		.domain = 5,
		.cost = &cost,
	};
	struct iod_amdvi_inv *inv = NULL;
	int ret = iod_amdvi_cmdq_sink(a->cmdq, &sink);

	if (adv_chance(rng, 15))
		cfg.flags |= IOD_AMDVI_INV_REPEAT;
	if (adv_chance(rng, 10) && u->w->cfg.twin != ADV_LEAF_LEVEL)
		cfg.flags |= IOD_AMDVI_INV_NO_RANGES;
	if (!ret)
		ret = iod_amdvi_inv_create(&inv, &cfg);
	u->inv = inv;
	u->ops = iod_amdvi_inv_ops();
	return ret;
}

static int open_amdvi(struct adv_iommu *u, uint64_t *rng)
{
	struct iod_amdvi_ats_device dev = { .size = sizeof(dev) };
	struct amdvi *a = calloc(1, sizeof(*a));
	unsigned int i;
	int ret = a ? 0 : -ENOMEM;

	u->own = a;
	if (!ret)
		ret = iod_amdvi_id_full(&a->id);
	if (!ret)
		ret = open_queue(u, a);
	if (!ret)
		ret = open_inv(u, a, rng);
	for (i = 0; !ret && adv_iommu_next_device(u, &i); i++) {
		dev.devid = dev.queue = (uint16_t)i;
		ret = iod_amdvi_inv_add_device(u->inv, &dev);
	}
	return ret;
}

static void close_amdvi(struct adv_iommu *u)
{
	struct amdvi *a = u->own;

	if (u->inv)
		iod_amdvi_inv_destroy(u->inv);
	if (a && a->cmdq)
		iod_amdvi_cmdq_destroy(a->cmdq);
	free(a);
}

const struct adv_vendor adv_vendor_amdvi = {
	.formats = ADV_F(IOD_AMD_V1) | ADV_F(IOD_AMD_V2),
	.open = open_amdvi,
	.close = close_amdvi,
};
