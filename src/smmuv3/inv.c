/* SPDX-License-Identifier: MIT */
/*
 * A gather's way to an SMMU: what its commands are (Arm IHI 0070, 4.4, 4.5), and the object.
 */
#include "smmuv3/inv.h"

#include <errno.h>

#include "pgtable/mem.h"

#define INV_FLAGS                                                                \
	(IOD_SMMUV3_INV_NESTED | IOD_SMMUV3_INV_EL2 | IOD_SMMUV3_INV_ALL_ASIDS | \
	 IOD_SMMUV3_INV_NO_GLOBAL | IOD_SMMUV3_INV_NO_RANGES | IOD_SMMUV3_INV_REPEAT)
#define INV_S1_FLAGS (IOD_SMMUV3_INV_EL2 | IOD_SMMUV3_INV_ALL_ASIDS | IOD_SMMUV3_INV_NO_GLOBAL)

/* ---- the commands ---- */

static bool smmu_wide(struct inv_out *o)
{
	inv_out_add(o, inv_of(o->inv)->wide, 0);
	o->wides++;
	return false;
}

static void smmu_all(struct inv_out *o)
{
	bool el2_too = inv_of(o->inv)->el2_too;

	inv_out_add(o, IOD_SMMUV3_TLBI_NSNH_ALL, 0);
	if (el2_too)
		inv_out_add(o, IOD_SMMUV3_TLBI_EL2_ALL, 0);
	o->wides += 1 + el2_too;
}

static void smmu_combined(struct inv_out *o)
{
	inv_out_add(o, inv_of(o->inv)->combined_op, 0);
	o->wides++;
}

static void smmu_atc(struct inv_out *o, const struct inv_device *dev, uint64_t page, unsigned lg2)
{
	uint64_t w0 = IOD_SMMUV3_ATC_INV | CMD_PUT(CMD0_SID, dev->id);

	if (dev->has_pasid)
		w0 |= CMD0_SSV | CMD_PUT(CMD0_SSID, dev->pasid);
	inv_out_add(o, w0, page << INV_PAGE_LG2 | lg2);
}

/*
 * Everything. What a guest tagged with substreams must go as well: one ATC_INV without a substream takes
 * entries without; whether it takes all others, too, is left open here, so there is one for them.
 */
static void smmu_atc_all(struct inv_out *o, const struct inv_device *dev)
{
	struct inv_device plain = *dev;

	if (!o->inv->nested) {
		smmu_atc(o, dev, 0, IOD_SMMUV3_ATC_ALL_SPAN);
		return;
	}
	plain.has_pasid = false;
	smmu_atc(o, &plain, 0, IOD_SMMUV3_ATC_ALL_SPAN);
	if (dev->has_pasid)
		inv_out_add(
			o, IOD_SMMUV3_ATC_INV | CMD_PUT(CMD0_SID, dev->id) | CMD0_SSV | CMD0_GLOBAL,
			IOD_SMMUV3_ATC_ALL_SPAN);
}

static int smmu_issue(const struct inv_core *core, const uint64_t *cmds, size_t nr, bool sync)
{
	const struct iod_smmuv3_sink *sink = &inv_of(core)->sink;
	size_t issued = 0;

	return sink->issue(sink->cookie, (const struct iod_smmuv3_raw_cmd *)cmds, nr, sync,
			   &issued);
}

static int smmu_quirk(const struct inv_core *core, uint64_t *cmds, size_t *nr, size_t max)
{
	const struct iod_smmuv3_inv *inv = inv_of(core);

	return inv->quirk(inv->quirk_cookie, (struct iod_smmuv3_raw_cmd *)cmds, nr, max);
}

static const struct inv_vendor smmu = {
	.words_lg2 = 1,
	.granules = 1u << 12 | 1u << 14 | 1u << 16,
	.atc_max_lg2 = IOD_SMMUV3_ATC_ALL_SPAN,
	.op_mask = CMD0_OP,
	.op_atc = { IOD_SMMUV3_ATC_INV, IOD_SMMUV3_ATC_INV },
	.op_sync = IOD_SMMUV3_SYNC,
	.most = iod_smmuv3_inv_most,
	.narrow = iod_smmuv3_inv_narrow,
	.wide = smmu_wide,
	.all = smmu_all,
	.combined = smmu_combined,
	.atc = smmu_atc,
	.atc_all = smmu_atc_all,
	.issue = smmu_issue,
	.quirk = smmu_quirk,
};

/* ---- creation ---- */

static int inv_check_flags(const struct iod_smmuv3_inv_cfg *cfg)
{
	bool s2 = cfg->stage == 2;

	if ((cfg->stage != 1 && !s2) || cfg->reserved || (cfg->flags & ~INV_FLAGS))
		return -EINVAL;
	if (cfg->flags & (s2 ? INV_S1_FLAGS : IOD_SMMUV3_INV_NESTED))
		return -EINVAL;
	if (cfg->asid && (s2 || (cfg->flags & IOD_SMMUV3_INV_ALL_ASIDS)))
		return -EINVAL;
	return cfg->vmid && (cfg->flags & IOD_SMMUV3_INV_EL2) ? -EINVAL : 0;
}

static int inv_check_id(const struct iod_smmuv3_inv_cfg *cfg, const struct iod_smmuv3_id *id)
{
	bool s1 = id->idr[0] & IOD_SMMUV3_IDR0_S1P, s2 = id->idr[0] & IOD_SMMUV3_IDR0_S2P;
	bool nested = cfg->flags & IOD_SMMUV3_INV_NESTED;

	if (cfg->stage == 1 ? !s1 : !s2 || (nested && !s1))
		return -EOPNOTSUPP;
	if ((cfg->flags & IOD_SMMUV3_INV_EL2) && !(id->idr[0] & IOD_SMMUV3_IDR0_HYP))
		return -EOPNOTSUPP;
	if (cfg->asid > 0xff && !(id->idr[0] & IOD_SMMUV3_IDR0_ASID16))
		return -EINVAL;
	if (cfg->vmid > 0xff && !(id->idr[0] & IOD_SMMUV3_IDR0_VMID16))
		return -EINVAL;
	return cfg->vmid && !s2 ? -EINVAL : 0;
}

/* The first words of what will be issued. */
static void inv_words(struct iod_smmuv3_inv *inv, const struct iod_smmuv3_inv_cfg *cfg)
{
	uint64_t tag = CMD_PUT(CMD0_VMID, cfg->vmid) | CMD_PUT(CMD0_ASID, cfg->asid);
	uint64_t vmid = CMD_PUT(CMD0_VMID, cfg->vmid);
	bool any = cfg->flags & IOD_SMMUV3_INV_ALL_ASIDS;
	/* Without E2H there is no ASID to name. */
	bool by_asid = (cfg->flags & IOD_SMMUV3_INV_NO_GLOBAL) && !any;

	inv->combined_op = IOD_SMMUV3_TLBI_NH_ALL | vmid;
	if (inv->stage2) {
		inv->narrow = IOD_SMMUV3_TLBI_S2_IPA | vmid;
		inv->wide = IOD_SMMUV3_TLBI_S12_VMALL | vmid;
		return;
	}
	if (cfg->flags & IOD_SMMUV3_INV_EL2) {
		by_asid &= cfg->asid != 0;
		inv->narrow = any ? IOD_SMMUV3_TLBI_EL2_VAA : IOD_SMMUV3_TLBI_EL2_VA | tag;
		inv->wide = by_asid ? IOD_SMMUV3_TLBI_EL2_ASID | tag : IOD_SMMUV3_TLBI_EL2_ALL;
	} else {
		inv->narrow = any ? IOD_SMMUV3_TLBI_NH_VAA | vmid : IOD_SMMUV3_TLBI_NH_VA | tag;
		inv->wide = by_asid ? IOD_SMMUV3_TLBI_NH_ASID | tag : inv->combined_op;
	}
	if (!by_asid)
		inv->core.budget = inv->core.cost.global;
}

static void inv_core_fill(struct iod_smmuv3_inv *inv, const struct iod_smmuv3_inv_cfg *cfg)
{
	struct inv_core *core = &inv->core;

	core->vendor = &smmu;
	core->nested = core->combined = cfg->flags & IOD_SMMUV3_INV_NESTED;
	core->repeat = cfg->flags & IOD_SMMUV3_INV_REPEAT;
	core->has_all = true;
	core->has_issue = inv->sink.issue;
	core->has_quirk = cfg->quirk;
	core->budget = core->cost.domain;
	inv_words(inv, cfg);
	/* Combined translations take a sync of their own, unless the wide command takes them along. */
	if (core->combined)
		core->budget -= core->budget > core->cost.sync ? core->cost.sync : core->budget;
}

static int inv_fill(struct iod_smmuv3_inv *inv, const struct iod_smmuv3_inv_cfg *cfg)
{
	struct iod_smmuv3_id id = { 0 };
	int ret = inv_check_flags(cfg);

	if (cfg->id)
		id = *cfg->id;
	else if (!ret)
		ret = iod_smmuv3_id_full(&id);
	if (!ret)
		ret = inv_check_id(cfg, &id);
	if (!ret && cfg->sink)
		ret = iod_struct_in(&inv->sink, sizeof(inv->sink), cfg->sink, sizeof(inv->sink));
	if (!ret && cfg->sink && !inv->sink.issue)
		ret = -EINVAL;
	if (!ret)
		ret = iod_inv_core_config(&inv->core, cfg->cost, cfg->allocator);
	if (ret)
		return ret;
	inv->quirk = cfg->quirk;
	inv->quirk_cookie = cfg->quirk_cookie;
	inv->flags = cfg->flags;
	inv->stage2 = cfg->stage == 2;
	inv->ranges = (id.idr[3] & IOD_SMMUV3_IDR3_RIL) && !(cfg->flags & IOD_SMMUV3_INV_NO_RANGES);
	inv->el2_too = id.idr[0] & IOD_SMMUV3_IDR0_HYP;
	inv->ats = id.idr[0] & IOD_SMMUV3_IDR0_ATS;
	inv->ssid_bits = iod_smmuv3_id_field(id.idr[1], IOD_SMMUV3_IDR1_SSIDSIZE);
	inv->sid_bits = iod_smmuv3_id_field(id.idr[1], IOD_SMMUV3_IDR1_SIDSIZE);
	inv_core_fill(inv, cfg);
	return 0;
}

static void inv_free(struct iod_smmuv3_inv *inv)
{
	struct iod_allocator allocator = inv->core.allocator;

	iod_inv_core_free(&inv->core);
	iod_zfree(&allocator, inv, sizeof(*inv));
}

int iod_smmuv3_inv_create(struct iod_smmuv3_inv **out, const struct iod_smmuv3_inv_cfg *user)
{
	struct iod_smmuv3_inv_cfg cfg;
	struct iod_smmuv3_inv model = { 0 }, *inv;
	int ret;

	if (!out)
		return -EINVAL;
	ret = iod_struct_in(&cfg, sizeof(cfg), user, sizeof(cfg));
	if (!ret)
		ret = inv_fill(&model, &cfg);
	if (ret)
		return ret;
	inv = iod_zalloc(&model.core.allocator, sizeof(*inv));
	if (!inv)
		return -ENOMEM;
	*inv = model;
	ret = iod_inv_core_init(&inv->core);
	if (ret) {
		inv_free(inv);
		return ret;
	}
	*out = inv;
	return 0;
}

int iod_smmuv3_inv_destroy(struct iod_smmuv3_inv *inv)
{
	if (!inv)
		return -EINVAL;
	iod_inv_core_fini(&inv->core);
	inv_free(inv);
	return 0;
}

/* ---- devices ---- */

static bool inv_device_ok(const struct iod_smmuv3_inv *inv, const struct iod_smmuv3_ats_device *dev)
{
	if (dev->stu > 31 || dev->reserved || (uint64_t)dev->sid >> inv->sid_bits)
		return false;
	if (!dev->ssv)
		return !dev->ssid;
	if (inv->flags & IOD_SMMUV3_INV_NESTED)
		return !dev->ssid && inv->ssid_bits;
	return !((uint64_t)dev->ssid >> inv->ssid_bits);
}

int iod_smmuv3_inv_add_device(struct iod_smmuv3_inv *inv, const struct iod_smmuv3_ats_device *user)
{
	struct iod_smmuv3_ats_device dev;
	int ret;

	if (!inv)
		return -EINVAL;
	ret = iod_struct_in(&dev, sizeof(dev), user, sizeof(dev));
	if (ret)
		return ret;
	if (!inv->ats)
		return -EOPNOTSUPP;
	if (!inv_device_ok(inv, &dev))
		return -EINVAL;
	return iod_inv_core_add_device(&inv->core, &(struct inv_device){ .id = dev.sid,
									 .pasid = dev.ssid,
									 .has_pasid = dev.ssv,
									 .stu = dev.stu });
}

int iod_smmuv3_inv_remove_device(struct iod_smmuv3_inv *inv, uint32_t sid, uint32_t ssid, bool ssv)
{
	return inv ? iod_inv_core_remove_device(&inv->core, sid, ssid, ssv) : -EINVAL;
}

/* ---- a gather's ops, and the same for those who have a queue of their own ---- */

const struct iod_inv_ops *iod_smmuv3_inv_ops(void)
{
	return iod_inv_core_ops();
}

int iod_smmuv3_inv_encode(const struct iod_smmuv3_inv *inv, const struct iod_inv *items, size_t nr,
			  struct iod_smmuv3_raw_cmd *out, size_t max, size_t *n)
{
	if (!inv)
		return -EINVAL;
	return iod_inv_core_encode(&inv->core, items, nr, (uint64_t *)out, max, n);
}

int iod_smmuv3_inv_encode_atc(const struct iod_smmuv3_inv *inv, const struct iod_inv *items,
			      size_t nr, struct iod_smmuv3_raw_cmd *out, size_t max, size_t *n)
{
	if (!inv)
		return -EINVAL;
	return iod_inv_core_encode_atc(&inv->core, items, nr, (uint64_t *)out, max, n);
}

int iod_smmuv3_inv_get_stats(const struct iod_smmuv3_inv *inv, struct iod_smmuv3_inv_stats *stats)
{
	return inv ? iod_inv_core_get_stats(&inv->core, stats) : -EINVAL;
}
