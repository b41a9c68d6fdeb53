/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU: commands (AMD 48882, 2.4). Everything is done when it is consumed. An invalidation of
 * translations, and COMPLETION_WAIT, first let those accesses end whose configuration was forgotten: else such an
 * access could put old translations back behind it. One thread consumes at a time.
 */
#include <errno.h>

#include "amdvi/emu.h"

static void emu_wait_gone(struct iod_amdvi_emu *emu)
{
	pthread_mutex_lock(&emu->lock);
	iod_emu_cache_wait(&emu->ctxs, &emu->lock);
	pthread_mutex_unlock(&emu->lock);
}

/*
 * Whether one without GN takes what was combined is UNCONFIRMED. Linux sends no other when it changes a host table
 * below guests', so they go: by DomainID, as they have no address of the host table's any more.
 */
static void emu_take_combined(struct iod_cmd_effect *effect, const struct iod_amdvi_cmd *cmd)
{
	effect->nr_s1 = 1;
	effect->s1[0] = (struct iod_inv){
		.kind = IOD_INV_DOMAIN,
		.domain = IOD_AMDVI_TAG_S1(cmd->domain, 0),
		.domain_ignore = IOD_AMDVI_TAG_S1(1, 0) - 1,
		.flags = cmd->pde ? 0 : IOD_INV_LEAF_ONLY,
	};
}

/*
 * GCR3 table entries of the PASID go with an invalidation of tables (PDE). UNCONFIRMED which of them reaches
 * those; drivers send one for everything of the PASID when they change an entry.
 */
static void emu_invalidate_pages(struct iod_amdvi_emu *emu, const struct iod_amdvi_cmd *cmd)
{
	struct iod_cmd_effect effect;

	if (cmd->gn && cmd->pde) {
		pthread_mutex_lock(&emu->lock);
		iod_amd_emu_forget_gcr3(emu, cmd->domain, cmd->pasid);
		pthread_mutex_unlock(&emu->lock);
	}
	emu_wait_gone(emu);
	if (iod_amdvi_cmd_effect(&effect, cmd))
		return;
	if (!cmd->gn && !(emu->flags & IOD_AMDVI_EMU_KEEP_COMBINED))
		emu_take_combined(&effect, cmd);
	iod_emu_tlbs_obey(&emu->tlbs, &effect);
}

static void emu_invalidate_all(struct iod_amdvi_emu *emu)
{
	pthread_mutex_lock(&emu->lock);
	iod_amd_emu_forget_dte(emu, -1);
	pthread_mutex_unlock(&emu->lock);
	emu_wait_gone(emu);
	iod_emu_tlbs_drop(&emu->tlbs);
}

/* A device that does not answer is told to the guest, and nobody waits for it. */
static void emu_invalidate_device(struct iod_amdvi_emu *emu, const struct iod_amdvi_cmd *cmd)
{
	const struct iod_amdvi_event event = {
		.type = IOD_AMDVI_IOTLB_INV_TIMEOUT,
		.devid = cmd->devid,
	};
	uint64_t first, last;
	uint32_t irqs = 0;

	if (!emu->ops.atc_inv || iod_amdvi_cmd_range(cmd, &first, &last))
		return;
	if (!emu->ops.atc_inv(emu->cookie, cmd->devid, cmd->gn, cmd->pasid, false, first, last))
		return;
	pthread_mutex_lock(&emu->lock);
	iod_amd_emu_log(emu, &event, &irqs);
	pthread_mutex_unlock(&emu->lock);
	iod_amd_emu_interrupt(emu, irqs);
}

/* A hint; with Inval what is cached of the pages goes: here everything of the domain (or the PASID in it). */
static void emu_prefetch(struct iod_amdvi_emu *emu, const struct iod_amdvi_cmd *cmd)
{
	struct iod_amdvi_cmd inv = {
		.op = IOD_AMDVI_INVALIDATE_IOMMU_PAGES,
		.gn = cmd->gn,
		.pasid = cmd->pasid,
		.pde = true,
		.s = true,
		.addr = IOD_AMDVI_ADDR_ALL,
	};
	enum iod_amdvi_event_type type;
	struct emu_dte *dte;
	uint64_t fetch;
	bool legal;

	if (!cmd->inval)
		return;
	pthread_mutex_lock(&emu->lock);
	legal = !iod_amd_emu_dte(emu, cmd->devid, &dte, &type, &fetch) && !dte->bad;
	if (legal)
		inv.domain = dte->dte.domain;
	pthread_mutex_unlock(&emu->lock);
	if (legal)
		emu_invalidate_pages(emu, &inv);
}

static void emu_complete_ppr(struct iod_amdvi_emu *emu, const struct iod_amdvi_cmd *cmd)
{
	struct iod_page_response response;

	if (emu->ops.pri_response && !iod_amdvi_response_from_cmd(&response, cmd))
		emu->ops.pri_response(emu->cookie, &response, false);
}

static void emu_obey(struct iod_amdvi_emu *emu, const struct iod_amdvi_cmd *cmd)
{
	switch (cmd->op) {
	case IOD_AMDVI_INVALIDATE_DEVTAB_ENTRY:
		pthread_mutex_lock(&emu->lock);
		iod_amd_emu_forget_dte(emu, cmd->devid);
		pthread_mutex_unlock(&emu->lock);
		break;
	case IOD_AMDVI_INVALIDATE_IOMMU_PAGES:
		emu_invalidate_pages(emu, cmd);
		break;
	case IOD_AMDVI_INVALIDATE_IOTLB_PAGES:
		emu_invalidate_device(emu, cmd);
		break;
	case IOD_AMDVI_PREFETCH_IOMMU_PAGES:
		emu_prefetch(emu, cmd);
		break;
	case IOD_AMDVI_COMPLETE_PPR_REQUEST:
		emu_complete_ppr(emu, cmd);
		break;
	case IOD_AMDVI_INVALIDATE_IOMMU_ALL:
		emu_invalidate_all(emu);
		break;
	default: /* interrupts are not remapped */
		break;
	}
}

static int emu_commands(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr,
			size_t *handled)
{
	struct iod_amdvi_emu *emu = cookie;
	struct iod_amdvi_cmd cmd;
	int ret = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		ret = emu_load(&emu->cmd_on) ? 0 : -EAGAIN;
		if (!ret)
			ret = iod_amdvi_cmd_decode(&cmd, &cmds[i], &emu->id, NULL);
		if (ret)
			break;
		emu_obey(emu, &cmd);
	}
	*handled = i;
	return ret;
}

static int emu_wait(void *cookie, const struct iod_amdvi_cmd *wait)
{
	struct iod_amdvi_emu *emu = cookie;

	if (!emu_load(&emu->cmd_on))
		return -EAGAIN;
	pthread_mutex_lock(&emu->lock);
	iod_emu_cache_wait(&emu->ctxs, &emu->lock);
	emu->stats.waits++;
	pthread_mutex_unlock(&emu->lock);
	return 0;
}

static void emu_written(void *cookie, const struct iod_amdvi_cmd *wait)
{
	if (wait->irq)
		iod_amd_emu_comwait(cookie);
}

static const struct iod_amdvi_consumer_ops emu_consumer_ops = {
	.size = sizeof(emu_consumer_ops),
	.commands = emu_commands,
	.sync = emu_wait,
	.written = emu_written,
};

/* The buffer stopped; the guest is told by an event. */
static void emu_stopped(struct iod_amdvi_emu *emu, const struct iod_amdvi_consume *consume)
{
	struct iod_amdvi_event event = {
		.type = IOD_AMDVI_ILLEGAL_COMMAND_ERROR,
		.addr = consume->address,
	};
	uint32_t irqs = 0;

	if (consume->error == IOD_AMDVI_CMDQ_HARDWARE)
		event.type = IOD_AMDVI_COMMAND_HARDWARE_ERROR;
	pthread_mutex_lock(&emu->lock);
	iod_amd_emu_log(emu, &event, &irqs);
	pthread_mutex_unlock(&emu->lock);
	iod_amd_emu_interrupt(emu, irqs);
}

/* @return 0; -EAGAIN the budget ended; -EINVAL */
static int emu_consume(void *cookie, uint32_t budget)
{
	struct iod_amdvi_emu *emu = cookie;
	struct iod_amdvi_consume consume = {
		.size = sizeof(consume),
		.queue = iod_amd_emu_queue(emu, IOD_AMDVI_CMDBUF),
		.id = &emu->id,
		.ops = &emu_consumer_ops,
		.cookie = emu,
		.budget = budget,
	};
	int ret;

	if (!(emu_load(&emu->regs.status) & IOD_AMDVI_STATUS_CMDBUFRUN))
		return 0;
	ret = iod_amdvi_cmdq_consume(&consume);
	if (ret == -EAGAIN) /* disabled meanwhile */
		ret = 0;
	pthread_mutex_lock(&emu->lock);
	emu->stats.commands += consume.consumed;
	pthread_mutex_unlock(&emu->lock);
	if (consume.error != IOD_AMDVI_CMDQ_NONE)
		emu_stopped(emu, &consume);
	if (!ret && !consume.error && budget && consume.consumed >= budget &&
	    iod_amdvi_queue_used(&consume.queue) > 0)
		return -EAGAIN;
	return ret;
}

int iod_amdvi_emu_run(struct iod_amdvi_emu *emu, uint32_t budget)
{
	int ret;

	if (!emu)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	ret = iod_emu_run(&emu->runner, &emu->lock, emu_consume, emu, budget);
	if (!emu->runner.running && !emu_load(&emu->cmd_on))
		emu_clear(&emu->regs.status, IOD_AMDVI_STATUS_CMDBUFRUN);
	pthread_mutex_unlock(&emu->lock);
	return ret;
}
