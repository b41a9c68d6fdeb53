/* SPDX-License-Identifier: MIT */
/*
 * A guest's batch: what is AMD-Vi's own of collecting. Pages side by side become one stretch, and that the fewest
 * blocks that are exactly it.
 */
#include "amdvi/viommu.h"

#include <assert.h>
#include <errno.h>

#include "spans.h"

/* The quirk hook is given the commands for one at a time, and room for as many again. */
#define QUIRK_ROOM 4u

static_assert(GUEST_ISSUE == IOD_AMDVI_VIOMMU_ISSUE, "as promised");
static_assert(GUEST_SYNC_EACH == IOD_AMDVI_VIOMMU_SYNC_EACH, "same bit");
static_assert(GUEST_NO_SYNC == IOD_AMDVI_VIOMMU_NO_SYNC, "same bit");
static_assert(GUEST_REPEAT == IOD_AMDVI_VIOMMU_REPEAT, "same bit");
static_assert(GUEST_LITERAL == IOD_AMDVI_VIOMMU_LITERAL, "same bit");

static int to_sink(struct guest_core *core, const void *buf, size_t nr, bool sync, size_t *issued)
{
	struct iod_amdvi_viommu *v =
		(struct iod_amdvi_viommu *)((char *)core - offsetof(struct iod_amdvi_viommu, core));

	return v->sink.issue(v->sink.cookie, buf, nr, sync, issued);
}

static int run_end(struct guest_batch *g);

const struct guest_ops iod_amdvi_guest_ops = {
	.issue = to_sink,
	.run_end = run_end,
	.sync_op = IOD_AMDVI_COMPLETION_WAIT,
};

void iod_amdvi_batch_begin(struct amdvi_batch *b, struct iod_amdvi_viommu *v, uint32_t flags)
{
	b->v = v;
	iod_guest_begin(&b->g, &v->core, b->buf, flags);
}

/* ---- collecting ---- */

static int push(struct amdvi_batch *b, const struct iod_amdvi_raw_cmd *raw, uint32_t done,
		uint32_t op, uint32_t sid)
{
	size_t slot = 0;
	int ret = guest_slot(&b->g, done, op, sid, &slot);

	if (!ret)
		b->buf[slot] = *raw;
	return ret;
}

/* With what errata ask for. */
static int emit_quirks(struct amdvi_batch *b, const struct iod_amdvi_raw_cmd *raw, bool pages,
		       uint32_t before, uint32_t after, uint32_t op, uint32_t sid)
{
	const struct iod_amdvi_viommu_cfg *cfg = &b->v->cfg;
	struct iod_amdvi_raw_cmd cmds[QUIRK_ROOM];
	size_t nr = 0, i;
	int ret;

	cmds[nr++] = *raw;
	if ((cfg->flags & GUEST_REPEAT) && pages)
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

/* The common one, of fields that came out of the decoder: the encoder would find nothing to say. */
static struct iod_amdvi_raw_cmd pages_raw(const struct iod_amdvi_cmd *cmd)
{
	return (struct iod_amdvi_raw_cmd){
		{ iod_le64((uint64_t)IOD_AMDVI_INVALIDATE_IOMMU_PAGES << 60 |
			   (uint64_t)cmd->domain << 32 | cmd->pasid),
		  iod_le64(cmd->addr | (uint64_t)cmd->gn << 2 | (uint64_t)cmd->pde << 1 | cmd->s) }
	};
}

static int to_raw(struct iod_amdvi_raw_cmd *raw, const struct iod_amdvi_cmd *cmd,
		  const struct iod_amdvi_id *id, enum iod_cmd_reason *reason)
{
	if (cmd->op != IOD_AMDVI_INVALIDATE_IOMMU_PAGES)
		return iod_amdvi_cmd_encode(raw, cmd, id, reason);
	*raw = pages_raw(cmd);
	return 0;
}

int iod_amdvi_emit(struct amdvi_batch *b, const struct iod_amdvi_cmd *cmd, uint32_t before,
		   uint32_t after, uint32_t op, uint32_t sid)
{
	struct iod_amdvi_raw_cmd raw;
	enum iod_cmd_reason reason;
	int ret = to_raw(&raw, cmd, &b->v->cfg.host, &reason);

	if (ret) {
		b->g.reason = reason;
		b->g.op = op;
		b->g.sid = sid;
		return ret;
	}
	if (b->v->cfg.quirk || (b->v->cfg.flags & GUEST_REPEAT))
		return emit_quirks(b, &raw, cmd->op == IOD_AMDVI_INVALIDATE_IOMMU_PAGES, before,
				   after, op, sid);
	return push(b, &raw, after, op, sid);
}

int iod_amdvi_emit_alone(struct amdvi_batch *b, const struct iod_amdvi_cmd *cmd, uint32_t sid)
{
	int ret = run_end(&b->g);

	return ret ? ret : iod_amdvi_emit(b, cmd, b->g.seen, b->g.seen + 1, b->g.now, sid);
}

/* ---- pages ---- */

static int emit_pieces(struct amdvi_batch *b)
{
	const struct amdvi_run *run = &b->run;
	struct iod_amdvi_cmd cmd = run->c;
	uint64_t at = run->first;

	for (;;) {
		unsigned int lg2 = span_piece_lg2(at, run->last, MOST_LG2);
		bool last = run->last - at < BIT64(lg2);
		uint64_t first = at << PAGE_LG2;
		int ret = iod_amdvi_cmd_set_range(&cmd, first, first | low_mask(lg2 + PAGE_LG2));

		if (!ret)
			ret = iod_amdvi_emit(b, &cmd, run->start, last ? b->g.seen : run->start,
					     cmd.op, 0);
		if (ret || last)
			return ret;
		at += BIT64(lg2);
	}
}

static int run_end(struct guest_batch *g)
{
	struct amdvi_batch *b = amdvi_batch_of(g);
	uint64_t n;
	int ret;

	if (!g->run_nr)
		return 0;
	if (g->run_nr == 1) {
		g->run_nr = 0;
		return iod_amdvi_emit(b, &b->run.c, b->run.start, g->seen, b->run.c.op, 0);
	}
	n = span_count_pieces(b->run.first, b->run.last, MOST_LG2, b->v->expand);
	if (n > b->v->expand ||
	    (n > g->run_nr && n - g->run_nr > IOD_AMDVI_VIOMMU_MAX_EXPAND - g->expanded)) {
		struct iod_amdvi_cmd cmd = b->run.c;

		cmd.s = true;
		cmd.addr = IOD_AMDVI_ADDR_ALL;
		ret = iod_amdvi_emit(b, &cmd, b->run.start, g->seen, cmd.op, 0);
	} else {
		g->expanded += n > g->run_nr ? n - g->run_nr : 0;
		ret = emit_pieces(b);
	}
	g->run_nr = 0;
	return ret;
}

/* Joins the pages to the run. @return whether they fit */
static bool run_take(struct amdvi_run *run, const struct amdvi_run *more)
{
	if (run->c.domain != more->c.domain || run->c.pasid != more->c.pasid ||
	    run->c.gn != more->c.gn || run->c.pde != more->c.pde)
		return false;
	if (more->first > run->last ? more->first - run->last > 1 : run->first > more->last + 1)
		return false;
	if (more->first < run->first)
		run->first = more->first;
	if (more->last > run->last)
		run->last = more->last;
	return true;
}

int iod_amdvi_pages(struct amdvi_batch *b, const struct iod_amdvi_cmd *cmd)
{
	struct amdvi_run more = { .start = b->g.seen, .c = *cmd };
	uint64_t first, last;
	int ret = iod_amdvi_cmd_range(cmd, &first, &last);

	if (ret)
		return ret;
	if (!first && last == UINT64_MAX)
		return iod_amdvi_emit_alone(b, cmd, 0);
	more.first = first >> PAGE_LG2;
	more.last = last >> PAGE_LG2;
	if (b->v->joins && b->g.run_nr && run_take(&b->run, &more)) {
		b->g.run_nr++;
		return 0;
	}
	ret = run_end(&b->g);
	if (ret)
		return ret;
	b->run = more;
	b->g.run_nr = 1;
	return 0;
}
