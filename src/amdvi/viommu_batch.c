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

static bool is_pages(const struct iod_amdvi_raw_cmd *raw)
{
	return iod_le64(raw->word[0]) >> CMD0_OP_SHIFT == IOD_AMDVI_INVALIDATE_IOMMU_PAGES;
}

/* With what errata ask for. */
static int emit_quirks(struct amdvi_batch *b, const struct iod_amdvi_raw_cmd *raw, uint32_t before,
		       uint32_t after, uint32_t op, uint32_t sid)
{
	const struct iod_amdvi_viommu_cfg *cfg = &b->v->cfg;
	struct iod_amdvi_raw_cmd cmds[QUIRK_ROOM];
	size_t nr = 0, i;
	int ret;

	cmds[nr++] = *raw;
	if ((cfg->flags & GUEST_REPEAT) && is_pages(raw))
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

int iod_amdvi_emit(struct amdvi_batch *b, const uint64_t w[2], uint32_t before, uint32_t after,
		   uint32_t op, uint32_t sid)
{
	const struct iod_amdvi_raw_cmd raw = { { iod_le64(w[0]), iod_le64(w[1]) } };

	if (b->v->cfg.quirk || (b->v->cfg.flags & GUEST_REPEAT))
		return emit_quirks(b, &raw, before, after, op, sid);
	return push(b, &raw, after, op, sid);
}

int iod_amdvi_emit_alone(struct amdvi_batch *b, const uint64_t w[2], uint32_t sid)
{
	int ret = run_end(&b->g);

	return ret ? ret : iod_amdvi_emit(b, w, b->g.seen, b->g.seen + 1, b->g.now, sid);
}

/* ---- pages ---- */

/* What joined commands have in common, of word 1; and all of word 0. */
#define RUN_KEY1 (CMD1_PDE | CMD1_GN)

/* The guest's commands, but for their addresses. */
static int emit_for_run(struct amdvi_batch *b, uint64_t addr, uint32_t after)
{
	const struct amdvi_run *run = &b->run;
	const uint64_t w[2] = { run->w[0], (run->w[1] & RUN_KEY1) | addr };

	return iod_amdvi_emit(b, w, run->start, after, IOD_AMDVI_INVALIDATE_IOMMU_PAGES, 0);
}

static int emit_pieces(struct amdvi_batch *b)
{
	const struct amdvi_run *run = &b->run;
	struct iod_amdvi_cmd cmd;
	uint64_t at = run->first;

	for (;;) {
		unsigned int lg2 = span_piece_lg2(at, run->last, MOST_LG2);
		bool last = run->last - at < BIT64(lg2);
		uint64_t first = at << PAGE_LG2;
		int ret = iod_amdvi_cmd_set_range(&cmd, first, first | low_mask(lg2 + PAGE_LG2));

		if (!ret)
			ret = emit_for_run(b, cmd.addr | cmd.s, last ? b->g.seen : run->start);
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
		return iod_amdvi_emit(b, b->run.w, b->run.start, g->seen,
				      IOD_AMDVI_INVALIDATE_IOMMU_PAGES, 0);
	}
	n = span_count_pieces(b->run.first, b->run.last, MOST_LG2, b->v->expand);
	if (n > b->v->expand ||
	    (n > g->run_nr && n - g->run_nr > IOD_AMDVI_VIOMMU_MAX_EXPAND - g->expanded)) {
		ret = emit_for_run(b, IOD_AMDVI_ADDR_ALL | CMD1_S, g->seen);
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
	if ((run->w[0] ^ more->w[0]) | ((run->w[1] ^ more->w[1]) & RUN_KEY1))
		return false;
	if (more->first > run->last ? more->first - run->last > 1 : run->first > more->last + 1)
		return false;
	if (more->first < run->first)
		run->first = more->first;
	if (more->last > run->last)
		run->last = more->last;
	return true;
}

int iod_amdvi_pages(struct amdvi_batch *b, uint64_t w0, uint64_t w1)
{
	unsigned int lg2 = cmd_range_lg2(w1 & CMD1_ADDR, w1 & CMD1_S);
	struct amdvi_run more = { .start = b->g.seen, .w = { w0, w1 } };
	int ret;

	if (lg2 == 64)
		return iod_amdvi_emit_alone(b, more.w, 0);
	more.first = align_down(w1, lg2) >> PAGE_LG2;
	more.last = more.first | low_mask(lg2 - PAGE_LG2);
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
