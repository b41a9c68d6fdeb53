/* SPDX-License-Identifier: MIT */
/* STE and CD from a page table, and back. */
#include <iodirty/smmuv3_ste.h>

#include <errno.h>

#include "smmuv3/ste_rules.h"

#define WHY_ENDI "big-endian tables are not supported"
#define WHY_DS	 "52-bit descriptors (DS) are not supported"
#define WHY_PI	 "permission indirection is not supported"

int iod_smmuv3_ste_set_stage2(struct iod_smmuv3_ste *ste, const struct iod_hw_info *info,
			      uint16_t vmid)
{
	if (!ste || !info || info->format != IOD_ARM_LPAE_S2)
		return -EINVAL;
	ste->s2vmid = vmid;
	ste->s2t0sz = info->u.arm_s2.s2t0sz;
	ste->s2sl0 = info->u.arm_s2.s2sl0;
	ste->s2ir0 = info->u.arm_s2.s2ir0;
	ste->s2or0 = info->u.arm_s2.s2or0;
	ste->s2sh0 = info->u.arm_s2.s2sh0;
	ste->s2tg = info->u.arm_s2.s2tg;
	ste->s2ps = info->u.arm_s2.s2ps;
	ste->s2aa64 = info->u.arm_s2.s2aa64;
	ste->s2ha = info->u.arm_s2.s2ha;
	ste->s2hd = info->u.arm_s2.s2hd;
	ste->s2haft = info->u.arm_s2.s2haft;
	ste->s2fwb = info->u.arm_s2.s2fwb;
	ste->s2ttb = info->u.arm_s2.s2ttb;
	ste->s2endi = false;
	ste->s2sl0_2 = false;
	ste->s2ds = false;
	ste->s2pie = false;
	ste->s2poe = false;
	return 0;
}

/* What both halves share is what this table wants. */
static bool halves_agree(const struct iod_smmuv3_cd *cd, const struct iod_hw_info *info,
			 uint16_t asid)
{
	return cd->asid == asid && cd->ips == info->u.arm_s1.ips &&
	       cd->mair == info->u.arm_s1.mair && cd->aa64 == info->u.arm_s1.aa64 &&
	       cd->ha == info->u.arm_s1.ha && cd->hd == info->u.arm_s1.hd &&
	       cd->haft == info->u.arm_s1.haft && !cd->endi && !cd->ds && !cd->pie;
}

static void set_half(struct iod_smmuv3_cd *cd, const struct iod_hw_info *info)
{
	if (info->u.arm_s1.upper) {
		cd->t1sz = info->u.arm_s1.tsz;
		cd->tg1 = info->u.arm_s1.tg;
		cd->ir1 = info->u.arm_s1.irgn;
		cd->or1 = info->u.arm_s1.orgn;
		cd->sh1 = info->u.arm_s1.sh;
		cd->ttb1 = info->u.arm_s1.ttb;
		cd->epd1 = false;
		return;
	}
	cd->t0sz = info->u.arm_s1.tsz;
	cd->tg0 = info->u.arm_s1.tg;
	cd->ir0 = info->u.arm_s1.irgn;
	cd->or0 = info->u.arm_s1.orgn;
	cd->sh0 = info->u.arm_s1.sh;
	cd->ttb0 = info->u.arm_s1.ttb;
	cd->epd0 = false;
}

int iod_smmuv3_cd_set_stage1(struct iod_smmuv3_cd *cd, const struct iod_hw_info *info,
			     uint16_t asid)
{
	bool upper;

	if (!cd || !info || info->format != IOD_ARM_LPAE_S1)
		return -EINVAL;
	upper = info->u.arm_s1.upper;
	if (!cd->valid) {
		cd->epd0 = true;
		cd->epd1 = true;
	}
	if (!(upper ? cd->epd0 : cd->epd1) && !halves_agree(cd, info, asid))
		return -EINVAL;
	set_half(cd, info);
	cd->valid = true;
	cd->asid = asid;
	cd->ips = info->u.arm_s1.ips;
	cd->mair = info->u.arm_s1.mair;
	cd->aa64 = info->u.arm_s1.aa64;
	cd->ha = info->u.arm_s1.ha;
	cd->hd = info->u.arm_s1.hd;
	cd->haft = info->u.arm_s1.haft;
	cd->endi = false;
	cd->ds = false;
	cd->pie = false;
	return 0;
}

static int refuse(const char **why, int error, const char *text)
{
	if (why)
		*why = text;
	return error;
}

static uint32_t update_features(bool ha, bool hd, bool haft, bool affd)
{
	if (!ha)
		return affd ? IOD_PT_NO_ACCESS_FAULT : 0;
	return IOD_PT_HW_ACCESS | (hd ? IOD_PT_HW_DIRTY : 0) | (haft ? IOD_PT_HW_TABLE_ACCESS : 0);
}

/* The low bits of a root are ignored up to its size, 64 bytes at least (5.2, 5.4). */
static uint64_t root_of(const struct iod_pgtable_cfg *cfg, uint64_t ttb)
{
	unsigned granule_lg2 = ctz64(cfg->granule), bits = granule_lg2 - 3, levels = cfg->levels;
	unsigned shift;

	if (!levels) /* stage 1 has no choice */
		levels = cfg->ias > granule_lg2 ? (cfg->ias - granule_lg2 + bits - 1) / bits : 1;
	shift = granule_lg2 + (levels - 1) * bits;
	return align_down(ttb, cfg->ias > shift + 3 ? cfg->ias - shift + 3 : 6);
}

/* 32-bit LPAE: S2T0SZ is a signed 4-bit size, two start levels exist. */
static int stage2_lpae32(const struct iod_smmuv3_ste *ste, struct iod_pgtable_cfg *cfg,
			 const char **why)
{
	unsigned t0sz = ste->s2t0sz & 0xf;

	cfg->features |= IOD_PT_LPAE32;
	cfg->granule = 4096;
	cfg->ias = t0sz < 8 ? 32 - t0sz : 48 - t0sz;
	cfg->oas = 40;
	cfg->levels = 2u + ste->s2sl0;
	if (cfg->ias > 32)
		return refuse(why, -EOPNOTSUPP,
			      "32-bit tables with inputs of more than 32 bits are not supported");
	return 0;
}

/* VMSAv8-64: what both stages have. */
static int lpae64_sizes(struct iod_pgtable_cfg *cfg, unsigned granule_lg2, unsigned tsz,
			unsigned output_code, const char **why)
{
	cfg->granule = 1u << granule_lg2;
	cfg->ias = 64u - tsz;
	/* The fields are effective, so OAS was looked at. */
	cfg->oas = smmu_output_bits(&iod_smmuv3_id_all, output_code, granule_lg2, false);
	if (tsz > 39)
		cfg->features |= IOD_PT_SMALL;
	if (cfg->ias > 48 && cfg->oas < 52)
		return refuse(why, -EOPNOTSUPP,
			      "inputs of more than 48 bits need outputs of 52 bits");
	return 0;
}

static int stage2_lpae64(const struct iod_smmuv3_ste *ste, struct iod_pgtable_cfg *cfg,
			 const char **why)
{
	unsigned granule = smmu_tg0_lg2(ste->s2tg);
	int start;

	if (!granule)
		return refuse(why, -EINVAL, "S2TG: reserved");
	start = smmu_start_level(granule, ste->s2sl0, false, false, true);
	if (start == SMMU_NO_LEVEL)
		return refuse(why, -EINVAL, "S2SL0: reserved");
	cfg->levels = (uint32_t)(4 - start);
	/* With 4 KiB granules a walk that starts at level 3 is one of small tables, too (A1.4). */
	if (granule == 12 && start == 3)
		cfg->features |= IOD_PT_SMALL;
	return lpae64_sizes(cfg, granule, ste->s2t0sz, ste->s2ps, why);
}

int iod_smmuv3_ste_get_stage2(const struct iod_smmuv3_ste *ste, struct iod_pgtable_cfg *cfg,
			      uint64_t *root, const char **why)
{
	int ret;

	if (!ste || !cfg || !root || !ste->valid || !STE_CONFIG_S2(ste->config))
		return refuse(why, -EINVAL, "no stage 2");
	*cfg = (struct iod_pgtable_cfg){
		.size = sizeof(*cfg),
		.format = IOD_ARM_LPAE_S2,
		.features = ste->s2fwb ? IOD_PT_S2FWB : 0,
		.domain = ste->s2vmid,
	};
	*root = ste->s2ttb;
	if (ste->s2endi)
		return refuse(why, -EOPNOTSUPP, WHY_ENDI);
	if (ste->s2ds)
		return refuse(why, -EOPNOTSUPP, WHY_DS);
	if (ste->s2pie || ste->s2poe)
		return refuse(why, -EOPNOTSUPP, WHY_PI);
	cfg->features |= update_features(ste->s2ha, ste->s2hd, ste->s2haft, ste->s2affd);
	ret = ste->s2aa64 ? stage2_lpae64(ste, cfg, why) : stage2_lpae32(ste, cfg, why);
	if (ret)
		return ret;
	*root = root_of(cfg, *root);
	return refuse(why, 0, NULL);
}

/* 32-bit LPAE: sizes of 3 bits. Where both are 0 the lower half has everything. */
static int stage1_lpae32(const struct iod_smmuv3_cd *cd, bool upper, struct iod_pgtable_cfg *cfg,
			 const char **why)
{
	unsigned tsz = upper ? cd->t1sz & 7 : cd->t0sz & 7;

	cfg->features |= IOD_PT_LPAE32;
	cfg->granule = 4096;
	cfg->ias = 32 - tsz;
	cfg->oas = 40;
	if (!upper || tsz)
		return 0;
	if (!(cd->t0sz & 7))
		return refuse(why, -ENOENT, "TTB0 covers everything");
	return refuse(why, -EOPNOTSUPP, "an upper half with T1SZ=0 is not supported");
}

static int stage1_lpae64(const struct iod_smmuv3_cd *cd, bool upper, struct iod_pgtable_cfg *cfg,
			 const char **why)
{
	unsigned granule = upper ? smmu_tg1_lg2(cd->tg1) : smmu_tg0_lg2(cd->tg0);

	if (!granule)
		return refuse(why, -EINVAL, upper ? "TG1: reserved" : "TG0: reserved");
	if (cd->ds && granule != 16)
		return refuse(why, -EOPNOTSUPP, WHY_DS);
	return lpae64_sizes(cfg, granule, upper ? cd->t1sz : cd->t0sz, cd->ips, why);
}

int iod_smmuv3_cd_get_stage1(const struct iod_smmuv3_cd *cd, bool upper,
			     struct iod_pgtable_cfg *cfg, uint64_t *root, const char **why)
{
	int ret;

	if (!cd || !cfg || !root || !cd->valid)
		return refuse(why, -EINVAL, "not valid");
	*cfg = (struct iod_pgtable_cfg){
		.size = sizeof(*cfg),
		.format = IOD_ARM_LPAE_S1,
		.features = upper ? IOD_PT_UPPER : 0,
		.domain = cd->asid,
		.mair = cd->mair,
	};
	*root = upper ? cd->ttb1 : cd->ttb0;
	if (upper ? cd->epd1 : cd->epd0)
		return refuse(why, -ENOENT, upper ? "EPD1: disabled" : "EPD0: disabled");
	if (cd->endi)
		return refuse(why, -EOPNOTSUPP, WHY_ENDI);
	if (cd->pie)
		return refuse(why, -EOPNOTSUPP, WHY_PI);
	cfg->features |= update_features(cd->ha, cd->hd, cd->haft, cd->affd);
	ret = cd->aa64 ? stage1_lpae64(cd, upper, cfg, why) : stage1_lpae32(cd, upper, cfg, why);
	if (ret)
		return ret;
	*root = root_of(cfg, *root);
	return refuse(why, 0, NULL);
}
