/* SPDX-License-Identifier: MIT */
/*
 * A guest's batch: what is VT-d's own of collecting. Pages side by side become one stretch, and that the fewest aligned
 * blocks that are exactly it, no larger than the host's MAMV.
 */
#include "vtd/viommu.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "spans.h"

/* The quirk hook is given the descriptors for one at a time, and room for as many again. */
#define QUIRK_ROOM 4u

static_assert(GUEST_ISSUE == IOD_VTD_VIOMMU_ISSUE, "as promised");
static_assert(GUEST_SYNC_EACH == IOD_VTD_VIOMMU_SYNC_EACH, "same bit");
static_assert(GUEST_NO_SYNC == IOD_VTD_VIOMMU_NO_SYNC, "same bit");
static_assert(GUEST_REPEAT == IOD_VTD_VIOMMU_REPEAT, "same bit");
static_assert(GUEST_LITERAL == IOD_VTD_VIOMMU_LITERAL, "same bit");

static int to_sink(struct guest_core *core, const void *buf, size_t nr, bool sync, size_t *issued)
{
	struct iod_vtd_viommu *v =
		(struct iod_vtd_viommu *)((char *)core - offsetof(struct iod_vtd_viommu, core));

	return v->sink.issue(v->sink.cookie, buf, nr, sync, issued);
}

static int run_end(struct guest_batch *g);

const struct guest_ops iod_vtd_guest_ops = {
	.issue = to_sink,
	.run_end = run_end,
	.sync_op = IOD_VTD_WAIT,
};

void iod_vtd_batch_begin(struct vtd_batch *b, struct iod_vtd_viommu *v, uint32_t flags)
{
	b->v = v;
	iod_guest_begin(&b->g, &v->core, b->buf, flags);
}

/* ---- collecting ---- */

static int push(struct vtd_batch *b, const struct iod_vtd_raw_desc *raw, uint32_t done, uint32_t op,
		uint32_t sid)
{
	size_t slot = 0;
	int ret = guest_slot(&b->g, done, op, sid, &slot);

	if (!ret)
		b->buf[slot] = *raw;
	return ret;
}

static bool is_iotlb(const struct iod_vtd_raw_desc *raw)
{
	uint64_t type = iod_le64(raw->word[0]) & 0xf;

	return type == IOD_VTD_IOTLB_INV || type == IOD_VTD_P_IOTLB_INV;
}

/* With what errata ask for. */
static int emit_quirks(struct vtd_batch *b, const struct iod_vtd_raw_desc *raw, uint32_t before,
		       uint32_t after, uint32_t op, uint32_t sid)
{
	const struct iod_vtd_viommu_cfg *cfg = &b->v->cfg;
	struct iod_vtd_raw_desc descs[QUIRK_ROOM];
	size_t nr = 0, i;
	int ret;

	descs[nr++] = *raw;
	if ((cfg->flags & GUEST_REPEAT) && is_iotlb(raw))
		descs[nr++] = *raw;
	if (cfg->quirk) {
		ret = cfg->quirk(cfg->cookie, descs, &nr, QUIRK_ROOM);
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
		ret = push(b, &descs[i], i + 1 == nr ? after : before, op, sid);
		if (ret)
			return ret;
	}
	if (!nr)
		guest_all_done(&b->g, after);
	return 0;
}

int iod_vtd_emit(struct vtd_batch *b, const struct iod_vtd_raw_desc *raw, uint32_t before,
		 uint32_t after, uint32_t op, uint32_t sid)
{
	if (b->v->cfg.quirk || (b->v->cfg.flags & GUEST_REPEAT))
		return emit_quirks(b, raw, before, after, op, sid);
	return push(b, raw, after, op, sid);
}

int iod_vtd_emit_alone(struct vtd_batch *b, const struct iod_vtd_raw_desc *raw, uint32_t sid)
{
	int ret = run_end(&b->g);

	return ret ? ret : iod_vtd_emit(b, raw, b->g.seen, b->g.seen + 1, b->g.now, sid);
}

/* ---- the IOTLB, by PASID ---- */

static struct iod_vtd_raw_desc p_iotlb(const struct vtd_run *run, unsigned int gran, uint64_t low)
{
	return (struct iod_vtd_raw_desc){ { iod_le64(IOD_VTD_P_IOTLB_INV | (uint64_t)gran << 4 |
						     (uint64_t)run->did << 16 |
						     (uint64_t)run->pasid << 32),
					    iod_le64(low), 0, 0 } };
}

static int emit_pieces(struct vtd_batch *b, const struct vtd_run *run, uint32_t after)
{
	uint64_t at = run->first;

	for (;;) {
		unsigned int lg2 = span_piece_lg2(at, run->last, b->v->mamv);
		bool last = run->last - at < BIT64(lg2);
		struct iod_vtd_raw_desc raw = p_iotlb(
			run, IOD_VTD_P_IOTLB_PAGE, at << PAGE_LG2 | (uint64_t)run->ih << 6 | lg2);
		int ret = iod_vtd_emit(b, &raw, run->start, last ? after : run->start,
				       IOD_VTD_P_IOTLB_INV, 0);

		if (ret || last)
			return ret;
		at += BIT64(lg2);
	}
}

static int run_end(struct guest_batch *g)
{
	struct vtd_batch *b = vtd_batch_of(g);
	struct iod_vtd_raw_desc raw;
	uint64_t n;
	int ret;

	if (!g->run_nr)
		return 0;
	n = span_count_pieces(b->run.first, b->run.last, b->v->mamv, b->v->expand);
	if (n > b->v->expand ||
	    (n > g->run_nr && n - g->run_nr > IOD_VTD_VIOMMU_MAX_EXPAND - g->expanded)) {
		raw = p_iotlb(&b->run, IOD_VTD_P_IOTLB_PASID, 0);
		ret = iod_vtd_emit(b, &raw, b->run.start, g->seen, IOD_VTD_P_IOTLB_INV, 0);
	} else {
		g->expanded += n > g->run_nr ? n - g->run_nr : 0;
		ret = emit_pieces(b, &b->run, g->seen);
	}
	g->run_nr = 0;
	return ret;
}

/* Joins the pages to the run. @return whether they fit */
static bool run_take(struct vtd_run *run, const struct vtd_run *more)
{
	if (run->did != more->did || run->pasid != more->pasid || run->ih != more->ih)
		return false;
	if (more->first > run->last ? more->first - run->last > 1 : run->first > more->last + 1)
		return false;
	if (more->first < run->first)
		run->first = more->first;
	if (more->last > run->last)
		run->last = more->last;
	return true;
}

int iod_vtd_pages(struct vtd_batch *b, uint16_t did, uint32_t pasid, uint64_t first, uint64_t last,
		  bool ih)
{
	struct vtd_run more = { .start = b->g.seen,
				.did = did,
				.pasid = pasid,
				.ih = ih,
				.first = first >> PAGE_LG2,
				.last = last >> PAGE_LG2 };
	int ret;

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

int iod_vtd_pasid_all(struct vtd_batch *b, uint16_t did, uint32_t pasid)
{
	const struct vtd_run run = { .did = did, .pasid = pasid };
	struct iod_vtd_raw_desc raw = p_iotlb(&run, IOD_VTD_P_IOTLB_PASID, 0);

	return iod_vtd_emit_alone(b, &raw, 0);
}

/* ---- device TLBs ---- */

/* What says which device it is, and what it bears: source-id, MIP, PFSID. */
#define PFSID_BITS  (MASK64(15, 12) | MASK64(63, 52))
#define DEV_NAMES   (PFSID_BITS | MASK64(20, 16) | DESC0_SID)
#define P_DEV_NAMES (PFSID_BITS | MASK64(8, 4) | MASK64(31, 16))

int iod_vtd_dev_tlb(struct vtd_batch *b, const struct iod_vdev *dev, const uint64_t w[2], bool last)
{
	uint64_t word = iod_vdev_word(dev), mip = (word & VDEV_MIP) >> VDEV_MIP_SHIFT,
		 pfsid = (word & VDEV_PFSID) >> VDEV_PFSID_SHIFT, w0 = w[0];
	struct iod_vtd_raw_desc raw;
	int ret = run_end(&b->g);

	if (ret)
		return ret;
	if ((w0 & 0xf) == IOD_VTD_DEV_TLB_INV)
		w0 = (w0 & ~DEV_NAMES) | mip << 16 | (uint64_t)dev->id << 32;
	else
		w0 = (w0 & ~P_DEV_NAMES) | mip << 4 | (uint64_t)dev->id << 16;
	raw = vtd_raw(w0 | (pfsid & 0xf) << 12 | pfsid >> 4 << 52, w[1]);
	return iod_vtd_emit(b, &raw, b->g.seen, b->g.seen + last, b->g.now, dev->vid);
}
