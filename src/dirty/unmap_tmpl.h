/* SPDX-License-Identifier: MIT */
/* Unmap with dirty state, compiled once per format: the engine's unmap, with a bitmap for a sink. */
#ifndef IOD_UNMAP_TMPL_H
#define IOD_UNMAP_TMPL_H

#include "dirty/sweep.h"
#include "pgtable/pt_unmap.h"

static const struct pt_sink_ops pt_bitmap_sink = {
	.range = iod_sweep_record,
	.words = iod_sweep_record_words,
};

static int pt_unmap_dirty_check(struct pt_unmap_ctx *ctx, const struct iod_unmap_dirty *u)
{
	const struct iod_pgtable *pt = ctx->pt;
	int ret = pt_unmap_arguments(ctx, u->iova, u->len,
				     IOD_UNMAP_NO_HOLES | IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS |
					     IOD_UNMAP_SKIP_UNTRACKED | IOD_UNMAP_DRY_RUN);

	if (ret)
		return ret;
	if (u->reserved || !iod_bitmap_is_sane(u->bitmap))
		return iod_refuse(pt->mem, -EINVAL,
				  "bitmap: none, or not initialised; or reserved set");
	if (!(pt->features & IOD_PT_HW_DIRTY))
		return iod_refuse(pt->mem, -EOPNOTSUPP, "pt: hardware tracks no dirty state");
	if (!iod_bitmap_covers(u->bitmap, u->iova, u->iova + (u->len - 1)))
		return iod_refuse(pt->mem, -ERANGE, "bitmap: does not cover the range");
	return 0;
}

/* One page, as pt_unmap_page() takes it. False: not this way, nothing changed. */
static inline bool pt_unmap_dirty_page(struct iod_pgtable *pt, struct iod_unmap_dirty *u)
{
	struct pt_unmap_found f;
	struct pt_scan_spec spec;
	uint64_t pte;

	if (u->reserved || !iod_bitmap_is_sane(u->bitmap) ||
	    !iod_bitmap_covers(u->bitmap, u->iova, u->iova + (u->len - 1)) ||
	    !(pt->features & IOD_PT_HW_DIRTY) || u->flags & ~IOD_UNMAP_SKIP_UNTRACKED)
		return false;
	if (!pt_unmap_page_begin(pt, u->iova, u->gather, &f))
		return false;
	pte = item_exchange(f.item, 0);
	pt_unmap_page_end(pt, u->gather, &f);
	pt_get_scan_spec(pt, u->flags & IOD_UNMAP_SKIP_UNTRACKED, &spec);
	u->unmapped = u->len;
	u->dirty = pt_spec_is_dirty(&spec, pte) ? u->len : 0;
	if (u->dirty)
		iod_sweep_record(u->bitmap, u->iova, u->iova + (u->len - 1));
	return true;
}

static int pt_unmap_dirty(struct iod_pgtable *pt, struct iod_unmap_dirty *user)
{
	struct pt_unmap_ctx ctx = { .pt = pt };
	struct iod_unmap_dirty u;
	int ret;

	if (pt && user && user->size == sizeof(*user) && user->len == pt->one_page &&
	    pt_unmap_dirty_page(pt, user))
		return 0;
	ret = iod_struct_in(&u, sizeof(u), user, sizeof(u));
	if (ret)
		return ret;
	if (!pt)
		return -EINVAL;
	ctx.gather = u.gather;
	ctx.flags = u.flags;
	ret = pt_unmap_dirty_check(&ctx, &u);
	if (ret)
		return ret;
	ctx.sink = (struct pt_sink){
		.ops = &pt_bitmap_sink,
		.bitmap = u.bitmap,
		.skip_untracked = u.flags & IOD_UNMAP_SKIP_UNTRACKED,
	};
	pt_get_scan_spec(pt, ctx.sink.skip_untracked, &ctx.spec);
	ret = pt_unmap_run(&ctx, u.flags & IOD_UNMAP_DRY_RUN);
	u.unmapped = ctx.bytes;
	u.dirty = ctx.dirty;
	iod_struct_out(user, &u, sizeof(u), sizeof(u));
	return ret;
}

#endif
