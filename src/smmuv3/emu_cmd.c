/* SPDX-License-Identifier: MIT */
/*
 * The emulated SMMU: commands (Arm IHI 0070, 4). Everything is done when it is consumed; what SYNC adds is to
 * wait for accesses under configurations that were forgotten. One thread consumes at a time.
 */
#include <errno.h>

#include "smmuv3/emu.h"

static void emu_cfgi_range(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_cmd *cmd)
{
	uint32_t low = (uint32_t)low_mask(cmd->range + 1u);

	if (cmd->range >= IOD_SMMUV3_CFGI_ALL_RANGE)
		low = UINT32_MAX;
	iod_smmu_emu_forget_stes(emu, cmd->sid & ~low, cmd->sid | low);
}

/* CFGI_STE forgets the stream's CDs as well, whatever Leaf says; CFGI_CD no STE (4.3). */
static void emu_cfgi(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_cmd *cmd)
{
	pthread_mutex_lock(&emu->lock);
	switch (cmd->op) {
	case IOD_SMMUV3_CFGI_STE:
		iod_smmu_emu_forget_stes(emu, cmd->sid, cmd->sid);
		break;
	case IOD_SMMUV3_CFGI_STE_RANGE:
		emu_cfgi_range(emu, cmd);
		break;
	case IOD_SMMUV3_CFGI_CD:
		iod_smmu_emu_forget_cds(emu, cmd->sid, (int64_t)cmd->ssid);
		break;
	default:
		iod_smmu_emu_forget_cds(emu, cmd->sid, -1);
		break;
	}
	pthread_mutex_unlock(&emu->lock);
}

static bool is_el2(enum iod_smmuv3_op op)
{
	return op == IOD_SMMUV3_TLBI_EL2_ASID || op == IOD_SMMUV3_TLBI_EL2_VA;
}

static void emu_tlbi(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_cmd *cmd)
{
	struct iod_smmuv3_cmd known = *cmd;
	struct iod_cmd_effect effect;

	/* EL2 without E2H has no ASIDs: its tags say 0, whatever a command names. */
	if (is_el2(cmd->op) && !(emu->regs.cr2 & EMU_CR2_E2H))
		known.asid = 0;
	if (!iod_smmuv3_cmd_effect(&effect, &known))
		iod_emu_tlbs_obey(&emu->tlbs, &effect);
}

static void emu_atc_inv(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_cmd *cmd)
{
	uint64_t first, last;

	if (!emu->ops.atc_inv || iod_smmuv3_cmd_atc_range(cmd, &first, &last))
		return;
	if (!emu->ops.atc_inv(emu->cookie, cmd->sid, cmd->ssv, cmd->ssid, cmd->global, first, last))
		return;
	pthread_mutex_lock(&emu->lock);
	emu->atc_timeout = true;
	pthread_mutex_unlock(&emu->lock);
}

static void emu_pri_resp(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_cmd *cmd)
{
	struct iod_page_response response;

	if (emu->ops.pri_response && !iod_smmuv3_response_from_cmd(&response, cmd))
		emu->ops.pri_response(emu->cookie, &response, false);
}

/* End one stalled access, if it is of that stream. */
static void emu_resume(struct iod_smmuv3_emu *emu, uint32_t sid, uint32_t stag,
		       enum iod_emu_outcome how)
{
	void *cookie = NULL;
	bool found = false;

	pthread_mutex_lock(&emu->lock);
	if (stag < emu->nr_stalls && emu->stalls[stag].used && emu->stalls[stag].event.sid == sid)
		found = iod_smmu_emu_unstall(emu, stag, &cookie);
	pthread_mutex_unlock(&emu->lock);
	if (found && emu->ops.resumed)
		emu->ops.resumed(emu->cookie, cookie, (uint16_t)stag, how);
}

/* Terminating without Ab reads as zero, unless TERM_MODEL says that it is always an abort (4.7.1). */
static enum iod_emu_outcome emu_resume_how(const struct iod_smmuv3_emu *emu,
					   const struct iod_smmuv3_cmd *cmd)
{
	if (cmd->retry)
		return IOD_EMU_DONE;
	if (cmd->abort || (emu->id.idr[0] & IOD_SMMUV3_IDR0_TERM_MODEL))
		return IOD_EMU_ABORTED;
	return IOD_EMU_RAZ_WI;
}

static void emu_stall_term(struct iod_smmuv3_emu *emu, uint32_t sid)
{
	uint32_t stag;

	for (stag = 0; stag < emu->nr_stalls; stag++)
		emu_resume(emu, sid, stag, IOD_EMU_ABORTED);
}

static void emu_obey(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_cmd *cmd)
{
	switch (cmd->op) {
	case IOD_SMMUV3_PREFETCH_CONFIG: /* hints */
	case IOD_SMMUV3_PREFETCH_ADDR:
	case IOD_SMMUV3_SYNC:
		break;
	case IOD_SMMUV3_CFGI_STE:
	case IOD_SMMUV3_CFGI_STE_RANGE:
	case IOD_SMMUV3_CFGI_CD:
	case IOD_SMMUV3_CFGI_CD_ALL:
		emu_cfgi(emu, cmd);
		break;
	case IOD_SMMUV3_ATC_INV:
		emu_atc_inv(emu, cmd);
		break;
	case IOD_SMMUV3_PRI_RESP:
		emu_pri_resp(emu, cmd);
		break;
	case IOD_SMMUV3_RESUME:
		emu_resume(emu, cmd->sid, cmd->stag, emu_resume_how(emu, cmd));
		break;
	case IOD_SMMUV3_STALL_TERM:
		emu_stall_term(emu, cmd->sid);
		break;
	default:
		emu_tlbi(emu, cmd);
		break;
	}
}

/* The guest disabled the queue, and waits for CR0ACK. */
static bool emu_cmdq_stops(const struct iod_smmuv3_emu *emu)
{
	return !(emu_reg_load(&emu->regs.cr0) & IOD_SMMUV3_CR0_CMDQEN);
}

static int emu_commands(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr,
			size_t *handled)
{
	enum iod_cmd_reason why = IOD_CMD_OK;
	struct iod_smmuv3_emu *emu = cookie;
	struct iod_smmuv3_cmd cmd;
	size_t i;
	int ret;

	for (i = 0; i < nr; i++) {
		ret = -EAGAIN;
		if (emu_cmdq_stops(emu))
			break;
		ret = iod_smmuv3_cmd_decode(&cmd, &cmds[i], &emu->id, &why);
		if (!ret)
			emu_obey(emu, &cmd);
		else if (why != IOD_CMD_BAD_SOURCE && why != IOD_CMD_BAD_PASID)
			break; /* 4.1.7: those have no effect, and are no error */
	}
	*handled = i;
	return i == nr ? 0 : ret;
}

static int emu_sync(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	struct iod_smmuv3_emu *emu = cookie;
	bool msi = sync->msi_addr && (emu->id.idr[0] & IOD_SMMUV3_IDR0_MSI);
	uint32_t irqs = 0;
	bool timeout;

	if (emu_cmdq_stops(emu))
		return -EAGAIN;
	pthread_mutex_lock(&emu->lock);
	iod_emu_cache_wait(&emu->ctxs, &emu->lock);
	timeout = emu->atc_timeout;
	emu->atc_timeout = false;
	if (!timeout)
		emu->stats.syncs++;
	pthread_mutex_unlock(&emu->lock);
	if (timeout)
		return -ETIMEDOUT;
	if (sync->cs != IOD_SMMUV3_SYNC_IRQ)
		return 0;
	if (!msi)
		irqs = 1u << IOD_SMMUV3_IRQ_SYNC;
	else if (iod_smmu_emu_msi(emu, sync->msi_addr, sync->msi_data))
		irqs = iod_smmu_emu_gerror(emu, IOD_SMMUV3_GERROR_MSI_CMDQ);
	iod_smmu_emu_interrupt(emu, irqs);
	return 0;
}

static const struct iod_smmuv3_consumer_ops emu_consumer_ops = {
	.size = sizeof(emu_consumer_ops),
	.commands = emu_commands,
	.sync = emu_sync,
};

/* @return 0; -EAGAIN the budget ended; -EINVAL */
static int emu_consume(void *cookie, uint32_t budget)
{
	struct iod_smmuv3_emu *emu = cookie;
	struct iod_smmuv3_consume consume = {
		.size = sizeof(consume),
		.gerror = &emu->regs.gerror,
		.gerrorn = &emu->regs.gerrorn,
		.id = &emu->id,
		.ops = &emu_consumer_ops,
		.cookie = emu,
		.budget = budget,
	};
	bool enabled;
	int ret;

	pthread_mutex_lock(&emu->lock);
	enabled = emu_enabled(emu, IOD_SMMUV3_CR0_CMDQEN);
	iod_smmu_emu_queue(emu, IOD_SMMUV3_CMDQ, &consume.queue);
	pthread_mutex_unlock(&emu->lock);
	if (!enabled)
		return 0;
	ret = iod_smmuv3_cmdq_consume(&consume);
	if (ret == -EAGAIN) /* emu_cmdq_stops() */
		ret = 0;
	pthread_mutex_lock(&emu->lock);
	emu->stats.commands += consume.consumed;
	pthread_mutex_unlock(&emu->lock);
	if (consume.cerror != IOD_SMMUV3_CERROR_NONE)
		iod_smmu_emu_interrupt(emu, 1u << IOD_SMMUV3_IRQ_GERROR);
	if (!ret && budget && consume.consumed >= budget &&
	    iod_smmuv3_queue_used(&consume.queue) > 0)
		return -EAGAIN;
	return ret;
}

int iod_smmuv3_emu_run(struct iod_smmuv3_emu *emu, uint32_t budget)
{
	int ret;

	if (!emu)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	ret = iod_emu_run(&emu->runner, &emu->lock, emu_consume, emu, budget);
	if (!emu->runner.running && emu_cmdq_stops(emu))
		emu_reg_store(&emu->regs.cr0ack, emu->regs.cr0ack & ~IOD_SMMUV3_CR0_CMDQEN);
	pthread_mutex_unlock(&emu->lock);
	return ret;
}
