/* SPDX-License-Identifier: MIT */
/* A guest's batch: collecting the host's commands, issuing them, and the account of what is through. */
#include "smmuv3/viommu.h"

#include <errno.h>
#include <string.h>

#include "atomic.h"

/* The quirk hook is given the commands for one at a time, and room for as many again. */
#define QUIRK_ROOM 4u

void iod_viommu_batch_begin(struct batch *b, struct iod_smmuv3_viommu *v, uint32_t flags)
{
	/* Neither the buffer nor its notes: they are written before they are read. */
	memset(b, 0, offsetof(struct batch, note));
	b->v = v;
	b->flags = flags;
	b->turn = 1;
	b->ticket = iod_vdevs_enter(&v->vdevs);
}

static int issue_failed(struct batch *b, size_t issued, int ret)
{
	b->issue_failed = true;
	b->reason = IOD_CMD_BAD_ISSUE;
	b->sid = 0;
	b->op = IOD_SMMUV3_SYNC;
	if (issued < b->nr) {
		b->sid = b->note[issued].sid;
		b->op = b->note[issued].op;
	} else {
		b->failed_sync = true;
	}
	b->nr = 0;
	return ret;
}

/* Hands over the buffer, not the run. */
static int issue(struct batch *b, bool sync)
{
	const struct iod_smmuv3_sink *sink = &b->v->sink;
	size_t issued = 0;
	int ret;

	sync = sync && (b->nr || b->unsynced);
	if (!b->nr && !sync)
		return 0;
	ret = sink->issue(sink->cookie, b->buf, b->nr, sync, &issued);
	if (!ret)
		issued = b->nr;
	else if (issued > b->nr)
		issued = b->nr;
	b->syncs += sync;
	b->host += (uint32_t)issued;
	if (issued) {
		b->taken = b->note[issued - 1].done;
		b->unsynced = true;
	}
	if (ret)
		return issue_failed(b, issued, ret);
	if (sync)
		b->unsynced = false;
	b->nr = 0;
	return 0;
}

/* Who changes devices waits for what is in the buffer, not for the whole batch. */
int iod_viommu_make_room(struct batch *b)
{
	int ret = issue(b, !(b->flags & IOD_SMMUV3_VIOMMU_NO_SYNC));

	iod_vdevs_leave(&b->v->vdevs, b->ticket);
	b->ticket = iod_vdevs_enter(&b->v->vdevs);
	return ret;
}

static int push(struct batch *b, const struct iod_smmuv3_raw_cmd *raw, uint32_t done, uint32_t op,
		uint32_t sid)
{
	struct batch_note *note;
	int ret;

	if (b->nr == IOD_SMMUV3_VIOMMU_ISSUE) {
		ret = issue(b, !(b->flags & IOD_SMMUV3_VIOMMU_NO_SYNC));
		if (ret)
			return ret;
	}
	note = &b->note[b->nr];
	note->done = done;
	note->op = op;
	note->sid = sid;
	b->buf[b->nr++] = *raw;
	return 0;
}

/* Everything up to here is through when what was collected is. */
static void all_done(struct batch *b, uint32_t done)
{
	if (b->nr)
		b->note[b->nr - 1].done = done;
	else
		b->taken = done;
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
	if ((cfg->flags & IOD_SMMUV3_VIOMMU_REPEAT) && is_tlbi(iod_le64(raw->word[0]) & CMD0_OP))
		cmds[nr++] = *raw;
	if (cfg->quirk) {
		ret = cfg->quirk(cfg->cookie, cmds, &nr, QUIRK_ROOM);
		if (!ret && nr > QUIRK_ROOM)
			ret = -EINVAL;
		if (ret) {
			b->reason = IOD_CMD_BAD_ISSUE;
			b->op = op;
			b->sid = sid;
			return ret;
		}
	}
	for (i = 0; i < nr; i++) {
		ret = push(b, &cmds[i], i + 1 == nr ? after : before, op, sid);
		if (ret)
			return ret;
	}
	if (!nr)
		all_done(b, after);
	return 0;
}

int iod_viommu_emit(struct batch *b, const struct iod_smmuv3_raw_cmd *raw, uint32_t before,
		    uint32_t after, uint32_t op, uint32_t sid)
{
	if (b->v->cfg.quirk || (b->v->cfg.flags & IOD_SMMUV3_VIOMMU_REPEAT))
		return emit_quirks(b, raw, before, after, op, sid);
	return push(b, raw, after, op, sid);
}

void iod_viommu_nothing(struct batch *b)
{
	if (!b->run.nr)
		all_done(b, b->seen + 1);
}

int iod_viommu_flush(struct batch *b, bool sync)
{
	int ret = iod_viommu_run_end(b);

	return ret ? ret : issue(b, sync);
}

/* The sink took some and then refused one: those are to be complete. It may not be asked any more, though. */
static void sync_the_rest(struct batch *b)
{
	const struct iod_smmuv3_sink *sink = &b->v->sink;
	size_t issued = 0;

	if (!b->unsynced || b->failed_sync || (b->flags & IOD_SMMUV3_VIOMMU_NO_SYNC))
		return;
	b->syncs++;
	if (!sink->issue(sink->cookie, b->buf, 0, true, &issued))
		b->unsynced = false;
}

/* What was collected before an error goes out, and then counts; if that fails it comes first. */
static int finish(struct batch *b, int ret)
{
	struct batch_note failed;
	enum iod_cmd_reason reason;
	int last = iod_viommu_run_end(b);

	if (last)
		ret = last;
	if (b->issue_failed)
		return ret;
	reason = b->reason;
	failed.sid = b->sid;
	failed.op = b->op;
	last = issue(b, !(b->flags & IOD_SMMUV3_VIOMMU_NO_SYNC));
	if (last)
		return last;
	b->sid = failed.sid;
	b->op = failed.op;
	b->reason = reason;
	return ret;
}

int iod_viommu_batch_end(struct batch *b, int ret, struct iod_smmuv3_guest_result *res)
{
	if (!b->issue_failed)
		ret = finish(b, ret);
	if (b->issue_failed)
		sync_the_rest(b);
	iod_vdevs_leave(&b->v->vdevs, b->ticket);
	res->handled = b->taken;
	res->index = b->taken;
	res->sid = ret ? b->sid : 0;
	res->op = ret ? b->op : 0;
	res->reason = ret ? b->reason : IOD_CMD_OK;
	res->host_commands = b->host;
	res->syncs = b->syncs;
	res->synced = !b->unsynced;
	word_count(&b->v->stat[STAT_BATCHES], 1);
	word_count(&b->v->stat[STAT_COMMANDS], b->taken);
	word_count(&b->v->stat[STAT_REFUSED], ret != 0);
	word_count(&b->v->stat[STAT_HOST], b->host);
	word_count(&b->v->stat[STAT_SYNCS], b->syncs);
	return ret;
}
