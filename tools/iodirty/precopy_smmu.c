/* SPDX-License-Identifier: MIT */
/*
 * The Arm formats of `iodirty precopy`: invalidations go to the agents as they go to hardware. The gathers'
 * ranges become SMMUv3 commands in a queue in memory; an SMMU takes them out, one by one, and has the
 * agents' caches obey: IOTLBs at TLBI, the device with that StreamID at ATC_INV.
 */
#include "precopy_model.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define QUEUE_LG2 8u /* commands */
#define QUEUE_LEN 4096u
#define TAG_ID	  1u /* the table's ASID or VMID */

struct precopy_smmu {
	struct precopy_vm *vm;
	uint32_t stage;
	uint64_t tag; /* the page table's, in the caches */
	struct iod_smmuv3_id id;
	uint64_t ring;
	uint32_t prod, cons, gerror, gerrorn;
	struct iod_smmuv3_cmdq *cmdq;
	struct iod_smmuv3_inv *inv;
	pthread_mutex_t turn; /* what follows: one thread at a time plays the SMMU */
	struct iod_smmuv3_consume consume;
	struct precopy_commands did;
};

/* --- The SMMU's side ---------------------------------------------------------------------------*/

static int obey_atc(struct precopy_smmu *s, const struct iod_smmuv3_cmd *cmd)
{
	struct iod_inv inv = { .kind = IOD_INV_RANGE, .domain = s->tag };
	struct iod_iotlb *atc = precopy_vm_atc(s->vm, cmd->sid);
	int ret = iod_smmuv3_cmd_atc_range(cmd, &inv.iova, &inv.last);

	if (ret || !atc)
		return ret ? ret : -EINVAL;
	s->did.atc++;
	return iod_iotlb_invalidate(atc, &inv, 1);
}

static int obey_tlbi(struct precopy_smmu *s, const struct iod_smmuv3_cmd *cmd)
{
	struct iod_cmd_effect effect;
	int ret = iod_smmuv3_cmd_effect(&effect, cmd);

	if (ret)
		return ret;
	s->did.tlbi++;
	s->did.ranges += cmd->tg != IOD_SMMUV3_TG_NONE;
	if (s->stage == 2)
		return precopy_vm_obey(s->vm, effect.s2, effect.nr_s2);
	return precopy_vm_obey(s->vm, effect.s1, effect.nr_s1);
}

static int obey(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, size_t *handled)
{
	struct precopy_smmu *s = cookie;
	struct iod_smmuv3_cmd cmd;
	int ret = 0;

	for (*handled = 0; *handled < nr; ++*handled) {
		ret = iod_smmuv3_cmd_decode(&cmd, &cmds[*handled], &s->id, NULL);
		if (!ret)
			ret = cmd.op == IOD_SMMUV3_ATC_INV ? obey_atc(s, &cmd) : obey_tlbi(s, &cmd);
		if (ret)
			break;
	}
	return ret;
}

/* What it obeyed is complete when iod_iotlb_invalidate() returned. */
static int obey_sync(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	struct precopy_smmu *s = cookie;

	(void)sync;
	s->did.syncs++;
	return 0;
}

static void doorbell(void *cookie)
{
	struct precopy_smmu *s = cookie;

	pthread_mutex_lock(&s->turn);
	iod_smmuv3_cmdq_consume(&s->consume); /* an error is in the registers */
	pthread_mutex_unlock(&s->turn);
}

/* --- The driver's side -------------------------------------------------------------------------*/

/* Commands that --break leaves out. */
static int leave_out(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max)
{
	const struct precopy_smmu *s = cookie;
	enum precopy_break violation = s->vm->opts->violation;
	struct iod_smmuv3_cmd cmd;
	size_t i, kept = 0;

	(void)max;
	for (i = 0; i < *nr; i++) {
		bool atc = !iod_smmuv3_cmd_decode(&cmd, &cmds[i], &s->id, NULL) &&
			   cmd.op == IOD_SMMUV3_ATC_INV;

		if (violation == PRECOPY_BREAK_SKIP_INVALIDATE ||
		    (atc && violation == PRECOPY_BREAK_SKIP_ATC))
			continue;
		cmds[kept++] = cmds[i];
	}
	*nr = kept;
	return 0;
}

static int create_queue(struct precopy_smmu *s)
{
	static const struct iod_smmuv3_consumer_ops ops = { .size = sizeof(ops),
							    .commands = obey,
							    .sync = obey_sync };
	struct iod_smmuv3_cmdq_cfg cfg = {
		.size = sizeof(cfg),
		.mem = s->vm->mem,
		.prod = &s->prod,
		.cons = &s->cons,
		.gerror = &s->gerror,
		.gerrorn = &s->gerrorn,
		.doorbell = doorbell,
		.cookie = s,
	};
	int ret = iod_mem_alloc(s->vm->mem, QUEUE_LEN, &s->ring);

	if (ret)
		return ret;
	cfg.base = s->ring | QUEUE_LG2;
	s->consume = (struct iod_smmuv3_consume){
		.size = sizeof(s->consume),
		.queue = {
			.size = sizeof(s->consume.queue),
			.kind = IOD_SMMUV3_CMDQ,
			.mem = cfg.mem,
			.base = cfg.base,
			.prod = cfg.prod,
			.cons = cfg.cons,
		},
		.gerror = cfg.gerror,
		.gerrorn = cfg.gerrorn,
		.id = &s->id,
		.ops = &ops,
		.cookie = s,
	};
	return iod_smmuv3_cmdq_create(&s->cmdq, &cfg);
}

static int create_inv(struct precopy_smmu *s)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink) };
	struct iod_smmuv3_inv_cfg cfg = {
		.size = sizeof(cfg),
		.id = &s->id,
		.sink = &sink,
		.stage = s->stage,
		.asid = s->stage == 1 ? TAG_ID : 0,
		.vmid = s->stage == 2 ? TAG_ID : 0,
		.flags = s->stage == 1 ? IOD_SMMUV3_INV_NO_GLOBAL : 0,
		.quirk = s->vm->opts->violation ? leave_out : NULL,
		.quirk_cookie = s,
	};
	int ret = iod_smmuv3_cmdq_sink(s->cmdq, &sink);

	return ret ? ret : iod_smmuv3_inv_create(&s->inv, &cfg);
}

/* Each device with a cache of its own has its number for a StreamID. */
static int add_devices(struct precopy_smmu *s)
{
	struct iod_smmuv3_ats_device dev = { .size = sizeof(dev) };
	int ret = 0;

	for (; !ret && dev.sid < PRECOPY_MAX_AGENTS; dev.sid++)
		if (precopy_vm_atc(s->vm, dev.sid))
			ret = iod_smmuv3_inv_add_device(s->inv, &dev);
	if (!ret && s->vm->opts->unplug) /* it is not there yet */
		ret = iod_smmuv3_inv_add_device(s->inv, &dev);
	return ret;
}

uint64_t precopy_smmu_tag(enum iod_format format)
{
	return format == IOD_ARM_LPAE_S2 ? IOD_SMMUV3_TAG_S2(TAG_ID) : IOD_SMMUV3_TAG_S1(0, TAG_ID);
}

int precopy_smmu_create(struct precopy_vm *vm, enum iod_format format)
{
	struct precopy_smmu *s;
	int ret;

	if (format != IOD_ARM_LPAE_S1 && format != IOD_ARM_LPAE_S2)
		return 0;
	vm->what = "cannot create the SMMU's command queue";
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	vm->smmu = s;
	s->vm = vm;
	s->stage = format == IOD_ARM_LPAE_S1 ? 1 : 2;
	s->tag = precopy_smmu_tag(format);
	pthread_mutex_init(&s->turn, NULL);
	ret = iod_smmuv3_id_full(&s->id);
	if (!ret)
		ret = create_queue(s);
	if (!ret)
		ret = create_inv(s);
	return ret ? ret : add_devices(s);
}

void precopy_smmu_gather(const struct precopy_smmu *s, struct iod_gather_cfg *cfg)
{
	cfg->ops = iod_smmuv3_inv_ops();
	cfg->cookie = s->inv;
}

void precopy_smmu_did(const struct precopy_smmu *s, struct precopy_commands *did)
{
	if (s)
		*did = s->did;
}

void precopy_smmu_destroy(struct precopy_smmu *s)
{
	if (!s)
		return;
	if (s->inv)
		iod_smmuv3_inv_destroy(s->inv);
	if (s->cmdq)
		iod_smmuv3_cmdq_destroy(s->cmdq);
	if (s->ring)
		iod_mem_free(s->vm->mem, s->ring, QUEUE_LEN);
	pthread_mutex_destroy(&s->turn);
	free(s);
}
