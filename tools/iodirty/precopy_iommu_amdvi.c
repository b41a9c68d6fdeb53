/* SPDX-License-Identifier: MIT */
/* The AMD formats of `iodirty precopy`: an IOMMU's command buffer; DeviceIDs are devices' numbers. */
#include "precopy_iommu.h"

#include <errno.h>
#include <stdlib.h>

#define LENGTH_256 (UINT64_C(8) << 56)

struct amdvi {
	struct iod_amdvi_id id;
	uint64_t head, tail;
	uint32_t status;
	struct iod_amdvi_cmdq *cmdq;
	struct iod_amdvi_consume consume;
};

/* --- The IOMMU's side --------------------------------------------------------------------------*/

static int obey_one(struct precopy_iommu *u, const struct iod_amdvi_cmd *cmd)
{
	struct iod_cmd_effect effect;
	uint64_t first, last;
	int ret;

	if (cmd->op == IOD_AMDVI_INVALIDATE_IOTLB_PAGES) {
		ret = iod_amdvi_cmd_range(cmd, &first, &last);
		return ret ? ret : precopy_iommu_obey_device(u, cmd->devid, first, last);
	}
	ret = iod_amdvi_cmd_effect(&effect, cmd);
	return ret ? ret : precopy_iommu_obey(u, &effect, cmd->s);
}

static int obey(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, size_t *handled)
{
	struct precopy_iommu *u = cookie;
	const struct amdvi *a = u->own;
	struct iod_amdvi_cmd cmd;
	int ret = 0;

	for (*handled = 0; *handled < nr && !ret; *handled += !ret) {
		ret = iod_amdvi_cmd_decode(&cmd, &cmds[*handled], &a->id, NULL);
		if (!ret)
			ret = obey_one(u, &cmd);
	}
	return ret;
}

/* What it obeyed is complete when iod_iotlb_invalidate() returned. */
static int obey_wait(void *cookie, const struct iod_amdvi_cmd *wait)
{
	struct precopy_iommu *u = cookie;

	(void)wait;
	u->did.syncs++;
	return 0;
}

static void doorbell(void *cookie)
{
	struct precopy_iommu *u = cookie;
	struct amdvi *a = u->own;

	pthread_mutex_lock(&u->turn);
	iod_amdvi_cmdq_consume(&a->consume); /* an error is in the registers */
	pthread_mutex_unlock(&u->turn);
}

/* --- The driver's side -------------------------------------------------------------------------*/

/* Commands that --break leaves out. */
static int leave_out(void *cookie, struct iod_amdvi_raw_cmd *cmds, size_t *nr, size_t max)
{
	const struct precopy_iommu *u = cookie;
	const struct amdvi *a = u->own;
	struct iod_amdvi_cmd cmd;
	size_t i, kept = 0;

	(void)max;
	for (i = 0; i < *nr; i++) {
		iod_amdvi_cmd_decode(&cmd, &cmds[i], &a->id, NULL);
		if (!precopy_iommu_leaves_out(u, cmd.op == IOD_AMDVI_INVALIDATE_IOTLB_PAGES))
			cmds[kept++] = cmds[i];
	}
	*nr = kept;
	return 0;
}

/* What COMPLETION_WAITs store lies behind the ring. */
static int create_queue(struct precopy_iommu *u, struct amdvi *a)
{
	static const struct iod_amdvi_consumer_ops ops = { .size = sizeof(ops),
							   .commands = obey,
							   .sync = obey_wait };
	struct iod_amdvi_cmdq_cfg cfg = {
		.size = sizeof(cfg),
		.mem = u->vm->mem,
		.base = u->ring | LENGTH_256,
		.head = &a->head,
		.tail = &a->tail,
		.status = &a->status,
		.store = u->ring + PRECOPY_RING_LEN,
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

static int create_inv(struct precopy_iommu *u, struct amdvi *a)
{
	struct iod_amdvi_sink sink = { .size = sizeof(sink) };
	struct iod_amdvi_inv_cfg cfg = {
		.size = sizeof(cfg),
		.id = &a->id,
		.sink = &sink,
		.stage = u->stage,
		.domain = PRECOPY_ID,
		.quirk = u->vm->opts->violation ? leave_out : NULL,
		.quirk_cookie = u,
	};
	struct iod_amdvi_inv *inv = NULL;
	int ret = iod_amdvi_cmdq_sink(a->cmdq, &sink);

	if (!ret)
		ret = iod_amdvi_inv_create(&inv, &cfg);
	u->inv = inv;
	u->ops = iod_amdvi_inv_ops();
	return ret;
}

static uint64_t amdvi_tag(unsigned stage)
{
	return stage == 2 ? IOD_AMDVI_TAG_S2(PRECOPY_ID) : IOD_AMDVI_TAG_S1(PRECOPY_ID, 0);
}

static int amdvi_create(struct precopy_iommu *u)
{
	struct amdvi *a = calloc(1, sizeof(*a));
	int ret;

	u->own = a;
	if (!a)
		return -ENOMEM;
	ret = iod_amdvi_id_full(&a->id);
	if (!ret)
		ret = create_queue(u, a);
	return ret ? ret : create_inv(u, a);
}

static int amdvi_add_device(struct precopy_iommu *u, uint32_t device)
{
	struct iod_amdvi_ats_device dev = { .size = sizeof(dev),
					    .devid = (uint16_t)device,
					    .queue = (uint16_t)device };

	return iod_amdvi_inv_add_device(u->inv, &dev);
}

static void amdvi_destroy(struct precopy_iommu *u)
{
	struct amdvi *a = u->own;

	if (u->inv)
		iod_amdvi_inv_destroy(u->inv);
	if (a && a->cmdq)
		iod_amdvi_cmdq_destroy(a->cmdq);
	free(a);
}

const struct precopy_vendor precopy_vendor_amdvi = {
	.formats = PRECOPY_F(IOD_AMD_V1) | PRECOPY_F(IOD_AMD_V2),
	.first_stage = IOD_AMD_V2,
	.words = { "IOMMU", "INVALIDATE_IOMMU_PAGES", "INVALIDATE_IOTLB_PAGES",
		   "COMPLETION_WAITs" },
	.tag = amdvi_tag,
	.create = amdvi_create,
	.add_device = amdvi_add_device,
	.destroy = amdvi_destroy,
};
