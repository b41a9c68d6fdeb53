/* SPDX-License-Identifier: MIT */
/* See invhw.h. */
#include "invhw.h"

#define VMID 0x12u
#define ASID 0x1234u

/* Tags of commands are not the page table's domain where that is stage 2. */
static void obey_tlbi(struct invhw *hw, const struct iod_smmuv3_cmd *cmd)
{
	struct iod_cmd_effect e;
	struct iod_inv *inv;
	uint32_t nr, i;

	iodt_assert_ok(iod_smmuv3_cmd_effect(&e, cmd));
	inv = hw->t->v->format == IOD_ARM_LPAE_S1 ? e.s1 : e.s2;
	nr = hw->t->v->format == IOD_ARM_LPAE_S1 ? e.nr_s1 : e.nr_s2;
	for (i = 0; i < nr; i++) {
		inv[i].domain ^= hw->domain ^ 0x1234;
		iodt_assert_ok(iod_iotlb_invalidate(hw->tlb, &inv[i], 1));
	}
}

static void obey_atc_inv(struct invhw *hw, const struct iod_smmuv3_cmd *cmd)
{
	struct iod_inv inv = { .kind = IOD_INV_RANGE, .domain = 0x1234, .granule_lg2 = 12 };

	assert_int_equal(cmd->sid, HW_SID);
	iodt_assert_ok(iod_smmuv3_cmd_atc_range(cmd, &inv.iova, &inv.last));
	iodt_assert_ok(iod_iotlb_invalidate(hw->atc, &inv, 1));
}

static void obey(struct sink *s, const struct iod_smmuv3_raw_cmd *raw)
{
	struct invhw *hw = s->priv;
	struct iod_smmuv3_id id = sink_id(true);
	struct iod_smmuv3_cmd cmd;

	iodt_assert_ok(iod_smmuv3_cmd_decode(&cmd, raw, &id, NULL));
	if (cmd.op == IOD_SMMUV3_ATC_INV)
		obey_atc_inv(hw, &cmd);
	else
		obey_tlbi(hw, &cmd);
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

struct invhw *invhw_open(struct iodt *t, const struct invhw_cfg *cfg)
{
	bool s1 = t->v->format == IOD_ARM_LPAE_S1;
	struct iod_smmuv3_id id = sink_id(!cfg->addresses);
	struct iod_smmuv3_ats_device dev = { .size = sizeof(dev), .sid = HW_SID };
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = iod_smmuv3_inv_ops() };
	struct invhw *hw = calloc(1, sizeof(*hw));
	struct iod_smmuv3_inv_cfg icfg = { .size = sizeof(icfg),
					   .id = &id,
					   .sink = &hw->sink.ops,
					   .stage = s1 ? 1 : 2,
					   .asid = s1 ? ASID : 0,
					   .vmid = VMID,
					   .flags = cfg->flags,
					   .cost = cfg->cost,
					   .quirk = cfg->quirk,
					   .quirk_cookie = cfg->quirk_cookie };

	assert_non_null(hw);
	hw->t = t;
	hw->domain = s1 ? IOD_SMMUV3_TAG_S1(VMID, ASID) : IOD_SMMUV3_TAG_S2(VMID);
	hw->tlb = open_tlb(0);
	hw->atc = cfg->no_atc ? NULL : open_tlb(IOD_IOTLB_ATC);
	sink_init(&hw->sink);
	hw->sink.each = obey;
	hw->sink.priv = hw;
	iodt_assert_ok(iod_smmuv3_inv_create(&hw->inv, &icfg));
	if (hw->atc)
		iodt_assert_ok(iod_smmuv3_inv_add_device(hw->inv, &dev));
	iodt_assert_ok(iod_smmuv3_inv_ops()->sync(hw->inv));
	sink_reset(&hw->sink);
	gcfg.cookie = hw->inv;
	iodt_assert_ok(iod_gather_destroy(t->gather));
	iodt_assert_ok(iod_gather_create(&t->gather, t->pt, &gcfg));
	return hw;
}

void invhw_close(struct invhw *hw)
{
	iodt_sync(hw->t);
	iodt_assert_ok(iod_smmuv3_inv_destroy(hw->inv));
	iodt_assert_ok(iod_iotlb_destroy(hw->tlb));
	if (hw->atc)
		iodt_assert_ok(iod_iotlb_destroy(hw->atc));
	free(hw);
}

void invhw_warm(struct invhw *hw, uint64_t iova, uint32_t access)
{
	iod_iotlb_access(hw->tlb, hw->t->pt, iova, access, NULL, NULL);
	if (hw->atc)
		iod_iotlb_access(hw->atc, hw->t->pt, iova, access, NULL, NULL);
}

static unsigned stale_in(struct invhw *hw, struct iod_iotlb *tlb, struct iod_iotlb *cold,
			 uint64_t iova)
{
	struct iod_access_result a = { 0 }, b = { 0 };
	int ret[2];

	ret[0] = iod_iotlb_access(tlb, hw->t->pt, iova, IOD_ACCESS_READ, &a, NULL);
	ret[1] = iod_iotlb_access(cold, hw->t->pt, iova, IOD_ACCESS_READ, &b, NULL);
	return ret[0] != ret[1] || a.pa != b.pa || a.len != b.len;
}

unsigned invhw_stale(struct invhw *hw, uint64_t iova)
{
	struct iod_iotlb_cfg cfg = {
		.size = sizeof(cfg), .entries = 4, .ways = 1, .walk_entries = 8
	};
	struct iod_iotlb *cold = NULL;
	unsigned n;

	iodt_assert_ok(iod_iotlb_create(&cold, &cfg));
	n = stale_in(hw, hw->tlb, cold, iova);
	iodt_assert_ok(iod_iotlb_destroy(cold));
	if (!hw->atc)
		return n;
	iodt_assert_ok(iod_iotlb_create(&cold, &cfg));
	n += stale_in(hw, hw->atc, cold, iova);
	iodt_assert_ok(iod_iotlb_destroy(cold));
	return n;
}

static unsigned unseen_in(struct invhw *hw, struct iod_iotlb *tlb, uint64_t iova)
{
	iodt_assert_ok(iod_iotlb_access(tlb, hw->t->pt, iova, IOD_ACCESS_WRITE, NULL, NULL));
	return iodt_walk(hw->t, iova).d != 1;
}

unsigned invhw_unseen(struct invhw *hw, uint64_t iova)
{
	if (!(hw->t->caps & IODT_DIRTY) || !iodt_expected(hw->t, iova))
		return 0;
	/* the second would not be noticed once the first has marked */
	return hw->atc && iodt_below(hw->t, 2) ? unseen_in(hw, hw->atc, iova)
					       : unseen_in(hw, hw->tlb, iova);
}
