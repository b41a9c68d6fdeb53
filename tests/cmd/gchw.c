/* SPDX-License-Identifier: MIT */
/* See gchw.h. */
#include "gchw.h"

#define DOMAIN 0x1234u /* of the harness's page tables */
#define PASID  0x54321u

const struct gc_vendor *gchw_vendor(const struct iodt_variant *v, uint32_t *stage)
{
	*stage = v->format == IOD_VTD_FS || v->format == IOD_AMD_V2 ? 1 : 2;
	switch (v->format) {
	case IOD_VTD_SS:
	case IOD_VTD_FS:
		return &gc_vendors[GC_VTD];
	case IOD_AMD_V1:
	case IOD_AMD_V2:
		return &gc_vendors[GC_AMD];
	default:
		return NULL;
	}
}

static void obey(struct gc *gc, const uint64_t *raw)
{
	struct gchw *hw = gc->priv;
	struct iod_cmd_effect e = { 0 };
	struct iod_inv dev = { .domain = DOMAIN, .granule_lg2 = 12 }, *inv;
	uint32_t nr, i;

	gc->v->effect(raw, &e, &dev);
	if (dev.kind && hw->atc)
		iodt_assert_ok(iod_iotlb_invalidate(hw->atc, &dev, 1));
	inv = hw->stage == 1 ? e.s1 : e.s2;
	nr = hw->stage == 1 ? e.nr_s1 : e.nr_s2;
	for (i = 0; i < nr; i++) {
		/* the table's tag is the harness's domain */
		if (inv[i].kind != IOD_INV_ALL)
			inv[i].domain ^= hw->tag ^ DOMAIN;
		iodt_assert_ok(iod_iotlb_invalidate(hw->tlb, &inv[i], 1));
	}
}

static struct iod_iotlb *open_tlb(uint32_t flags)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg),
				     .entries = 256,
				     .ways = 256,
				     .walk_entries = 256,
				     .flags = IOD_IOTLB_EXACT_LEVELS | flags };
	struct iod_iotlb *tlb = NULL;

	iodt_assert_ok(iod_iotlb_create(&tlb, &cfg));
	return tlb;
}

struct gchw *gchw_open(struct iodt *t, const struct gc_cfg *user, uint16_t obeyed, bool atc)
{
	const struct gc_dev dev = { .id = HW_DEV };
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg) };
	struct gchw *hw = calloc(1, sizeof(*hw));
	struct gc_cfg cfg = *user;
	const struct gc_vendor *v;

	assert_non_null(hw);
	v = gchw_vendor(t->v, &hw->stage);
	hw->t = t;
	cfg.stage = hw->stage;
	cfg.pasid = hw->stage == 1 ? PASID : 0;
	hw->tag = v->tag(hw->stage, obeyed, cfg.pasid);
	hw->tlb = open_tlb(0);
	hw->atc = atc ? open_tlb(IOD_IOTLB_ATC) : NULL;
	hw->gc = gc_open(v, &cfg);
	hw->gc->each = obey;
	hw->gc->priv = hw;
	if (obeyed != cfg.domain)
		iodt_assert_ok(v->add_domain(hw->gc->inv, obeyed));
	if (atc)
		iodt_assert_ok(v->add_device(hw->gc->inv, &dev));
	iodt_assert_ok(gc_sync(hw->gc));
	gc_reset(hw->gc);
	gcfg.ops = v->ops();
	gcfg.cookie = hw->gc->inv;
	iodt_assert_ok(iod_gather_destroy(t->gather));
	iodt_assert_ok(iod_gather_create(&t->gather, t->pt, &gcfg));
	return hw;
}

void gchw_close(struct gchw *hw)
{
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg) };

	iodt_sync(hw->t);
	iodt_assert_ok(iod_gather_destroy(hw->t->gather));
	iodt_assert_ok(iod_gather_create(&hw->t->gather, hw->t->pt, &gcfg));
	gc_close(hw->gc);
	iodt_assert_ok(iod_iotlb_destroy(hw->tlb));
	if (hw->atc)
		iodt_assert_ok(iod_iotlb_destroy(hw->atc));
	free(hw);
}

void gchw_warm(struct gchw *hw, uint64_t iova, uint32_t access)
{
	iod_iotlb_access(hw->tlb, hw->t->pt, iova, access, NULL, NULL);
	if (hw->atc)
		iod_iotlb_access(hw->atc, hw->t->pt, iova, access, NULL, NULL);
}

static unsigned stale_in(struct gchw *hw, struct iod_iotlb *tlb, uint64_t iova)
{
	struct iod_iotlb_cfg cfg = {
		.size = sizeof(cfg), .entries = 4, .ways = 1, .walk_entries = 8
	};
	struct iod_access_result a = { 0 }, b = { 0 };
	struct iod_iotlb *cold = NULL;
	int ret[2];

	iodt_assert_ok(iod_iotlb_create(&cold, &cfg));
	ret[0] = iod_iotlb_access(tlb, hw->t->pt, iova, IOD_ACCESS_READ, &a, NULL);
	ret[1] = iod_iotlb_access(cold, hw->t->pt, iova, IOD_ACCESS_READ, &b, NULL);
	iodt_assert_ok(iod_iotlb_destroy(cold));
	return ret[0] != ret[1] || a.pa != b.pa || a.len != b.len;
}

unsigned gchw_stale(struct gchw *hw, uint64_t iova)
{
	return stale_in(hw, hw->tlb, iova) + (hw->atc ? stale_in(hw, hw->atc, iova) : 0);
}

unsigned gchw_unseen(struct gchw *hw, uint64_t iova)
{
	struct iod_iotlb *tlb = hw->tlb;

	if (!(hw->t->caps & IODT_DIRTY) || !iodt_expected(hw->t, iova))
		return 0;
	/* the second would not be noticed once the first has marked */
	if (hw->atc && iodt_below(hw->t, 2))
		tlb = hw->atc;
	iodt_assert_ok(iod_iotlb_access(tlb, hw->t->pt, iova, IOD_ACCESS_WRITE, NULL, NULL));
	return iodt_walk(hw->t, iova).d != 1;
}
