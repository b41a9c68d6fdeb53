/* SPDX-License-Identifier: MIT */
/* Geometry, attributes and STE/CD fields of ARM LPAE tables (bits.md A1.1-A1.7, C1.2, C1.3). */
#include "smmuv3/arm_lpae_cfg.h"

#include <errno.h>

#define ARM_MAIR_DEFAULT   (UINT64_C(0xff) | UINT64_C(0x44) << 8 | UINT64_C(0x04) << 16)
#define ARM_MAX_CONCAT_LG2 4u
#define ARM_SH_INNER	   3u
#define ARM_S2_WB	   0xfu /* MemAttr 1111: Normal, write-back */
#define ARM_S2_WB_FWB	   0x6u /* MemAttr 0110 with FWB: force write-back */
#define ARM_RGN_WBWA	   1u	/* IR/OR: write-back, write-allocate */

static int arm_features(struct iod_pgtable *pt, unsigned stage)
{
	uint32_t known = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY | IOD_PT_HW_TABLE_ACCESS |
			 IOD_PT_LPAE32 | IOD_PT_SMALL | IOD_PT_BBM_1 | IOD_PT_BBM_2 |
			 IOD_PT_NO_ACCESS_FAULT;

	known |= stage == 1 ? IOD_PT_UPPER : IOD_PT_S2FWB;
	if (pt->features & ~known)
		return -EOPNOTSUPP;
	if (pt->features & IOD_PT_BBM_2)
		pt->features |= IOD_PT_BBM_1;
	/* A1.10: no hardware update with 32-bit LPAE, and its descriptors have no nT; HAFT needs HA. */
	if ((pt->features & IOD_PT_LPAE32) &&
	    (pt->features &
	     (IOD_PT_HW_ACCESS | IOD_PT_HW_TABLE_ACCESS | IOD_PT_SMALL | IOD_PT_BBM_1)))
		return -EOPNOTSUPP;
	if ((pt->features & IOD_PT_HW_TABLE_ACCESS) && !(pt->features & IOD_PT_HW_ACCESS))
		return -EOPNOTSUPP;
	return 0;
}

static int arm_output_size(struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg)
{
	bool lpae32 = pt->features & IOD_PT_LPAE32;
	uint32_t oas = cfg->oas ? cfg->oas : lpae32 ? 40 : 48;
	uint32_t max = lpae32 ? 40 : pt->granule_lg2 == 16 ? 52 : 48;

	if (oas < 32 || oas > max || (oas > 48 && oas != 52))
		return -ERANGE;
	pt->oas = (uint8_t)oas;
	return 0;
}

static int arm_input_size(struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg)
{
	bool lpae32 = pt->features & IOD_PT_LPAE32;
	uint32_t ias = cfg->ias ? cfg->ias : lpae32 ? 32 : 48;
	uint32_t min = 25, max = lpae32 ? 32 : pt->oas == 52 ? 52 : 48;

	if (pt->features & IOD_PT_SMALL)
		min = pt->granule_lg2 == 16 ? 17 : 16;
	if (ias < min || ias > max)
		return -ERANGE;
	/* An upper half as large as the space would leave no lower one: TTBR1 needs a sign bit. */
	if ((pt->features & IOD_PT_UPPER) && lpae32 && ias == 32)
		return -ERANGE;
	pt->ias = (uint8_t)ias;
	pt->space_lg2 = lpae32 ? 32 : 64;
	return 0;
}

/* Bits that the root indexes at a level; negative when the level is too high. */
static int arm_root_bits(const struct iod_pgtable *pt, unsigned level)
{
	return (int)pt->ias - (int)(pt->granule_lg2 + level * (pt->granule_lg2 - 3u));
}

/* A1.3: stage 1 has no choice. A1.4: stage 2 may concatenate up to 16 tables, or not. */
static bool arm_level_legal(const struct iod_pgtable *pt, unsigned stage, unsigned level)
{
	int bits = arm_root_bits(pt, level), full = pt->granule_lg2 - 3;
	bool small = pt->features & IOD_PT_SMALL;

	if (bits < 1)
		return false;
	if (stage == 1)
		return bits <= full;
	if (level == 0 && pt->granule_lg2 == 12 && !small)
		return false;
	if (level == 3 && pt->granule_lg2 != 12) /* 16K level 0 at stage 2 needs DS=1 */
		return false;
	return bits <= full + (int)ARM_MAX_CONCAT_LG2;
}

static int arm_start_level(const struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg,
			   unsigned stage, unsigned *top_level)
{
	unsigned level;

	if (cfg->levels > 4)
		return -EINVAL;
	if (cfg->levels) {
		if (!arm_level_legal(pt, stage, cfg->levels - 1))
			return -ERANGE;
		*top_level = cfg->levels - 1;
		return 0;
	}
	for (level = 0; level < 4; level++) {
		if (arm_level_legal(pt, stage, level)) {
			*top_level = level;
			return 0;
		}
	}
	return -ERANGE;
}

int iod_arm_lpae_init(struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg, unsigned stage,
		      unsigned *top_level)
{
	uint32_t granule = cfg->granule ? cfg->granule : 4096;
	int ret;

	if (granule != 4096 && granule != 16384 && granule != 65536)
		return -EINVAL;
	pt->granule_lg2 = (uint8_t)ctz64(granule);
	if ((pt->features & IOD_PT_LPAE32) && granule != 4096)
		return -EOPNOTSUPP;
	if (stage == 2 && cfg->mair)
		return -EOPNOTSUPP;
	ret = arm_features(pt, stage);
	if (!ret)
		ret = arm_output_size(pt, cfg);
	if (!ret)
		ret = arm_input_size(pt, cfg);
	if (!ret)
		ret = arm_start_level(pt, cfg, stage, top_level);
	if (ret)
		return ret;
	pt->half = pt->features & IOD_PT_UPPER ? PT_UPPER : PT_LOWER;
	pt->mair = cfg->mair ? cfg->mair : ARM_MAIR_DEFAULT;
	return 0;
}

int iod_arm_lpae_prot_fields(const struct iod_pgtable *pt, uint32_t prot, unsigned stage,
			     uint32_t known, uint32_t *memattr, uint32_t *sh)
{
	uint32_t max = stage == 1 ? 7 : 15;

	known |= IOD_PROT_MEMATTR(0xff) | IOD_PROT_SH(3);
	if (prot & ~known)
		return -EOPNOTSUPP;
	*memattr = stage == 1 ? 0 : pt->features & IOD_PT_S2FWB ? ARM_S2_WB_FWB : ARM_S2_WB;
	if (prot & IOD_PROT_MEMATTR(0))
		*memattr = prot >> 16 & 0xff;
	else if (prot >> 16 & 0xff)
		return -EINVAL;
	*sh = ARM_SH_INNER;
	if (prot & IOD_PROT_SH(0))
		*sh = prot >> 24 & 3;
	else if (prot >> 24 & 3)
		return -EINVAL;
	return *memattr > max || *sh == 1 ? -EINVAL : 0;
}

/* C1.1: IDR5.OAS, CD.IPS and STE.S2PS share one code. */
static uint8_t arm_ps_code(unsigned oas)
{
	static const uint8_t size[] = { 32, 36, 40, 42, 44, 48, 52 };
	uint8_t code = 0;

	while (size[code] < oas)
		code++;
	return code;
}

/* C1.3: TG0 and TG1 differ in code. */
static uint8_t arm_tg_code(unsigned granule_lg2, bool upper)
{
	switch (granule_lg2) {
	case 12:
		return upper ? 2 : 0;
	case 14:
		return upper ? 1 : 2;
	default:
		return upper ? 3 : 1;
	}
}

/* A1.4: S2SL0 by granule and start level (ours). */
static uint8_t arm_sl0_code(unsigned granule_lg2, unsigned top_level)
{
	if (granule_lg2 == 12)
		return top_level == 0 ? 3 : (uint8_t)(top_level - 1);
	return (uint8_t)top_level;
}

static void arm_s1_info(const struct iod_pgtable *pt, struct pt_top top, struct iod_hw_info *info)
{
	bool upper = pt->half == PT_UPPER;

	info->u.arm_s1.ttb = top.pa;
	info->u.arm_s1.mair = pt->mair;
	info->u.arm_s1.tsz = (uint8_t)(pt->space_lg2 - pt->ias);
	info->u.arm_s1.tg = arm_tg_code(pt->granule_lg2, upper);
	info->u.arm_s1.irgn = ARM_RGN_WBWA;
	info->u.arm_s1.orgn = ARM_RGN_WBWA;
	info->u.arm_s1.sh = ARM_SH_INNER;
	info->u.arm_s1.ips = arm_ps_code(pt->oas);
	info->u.arm_s1.aa64 = !(pt->features & IOD_PT_LPAE32);
	info->u.arm_s1.ha = !!(pt->features & IOD_PT_HW_ACCESS);
	info->u.arm_s1.hd = !!(pt->features & IOD_PT_HW_DIRTY);
	info->u.arm_s1.haft = !!(pt->features & IOD_PT_HW_TABLE_ACCESS);
	info->u.arm_s1.upper = upper;
	info->u.arm_s1.epd_other = 1;
}

static void arm_s2_info(const struct iod_pgtable *pt, struct pt_top top, struct iod_hw_info *info)
{
	info->u.arm_s2.s2ttb = top.pa;
	info->u.arm_s2.s2t0sz = (uint8_t)(pt->space_lg2 - pt->ias);
	info->u.arm_s2.s2sl0 = arm_sl0_code(pt->granule_lg2, top.level);
	info->u.arm_s2.s2tg = arm_tg_code(pt->granule_lg2, false);
	info->u.arm_s2.s2ir0 = ARM_RGN_WBWA;
	info->u.arm_s2.s2or0 = ARM_RGN_WBWA;
	info->u.arm_s2.s2sh0 = ARM_SH_INNER;
	info->u.arm_s2.s2ps = arm_ps_code(pt->oas);
	info->u.arm_s2.s2aa64 = !(pt->features & IOD_PT_LPAE32);
	info->u.arm_s2.s2ha = !!(pt->features & IOD_PT_HW_ACCESS);
	info->u.arm_s2.s2hd = !!(pt->features & IOD_PT_HW_DIRTY);
	info->u.arm_s2.s2haft = !!(pt->features & IOD_PT_HW_TABLE_ACCESS);
	info->u.arm_s2.s2fwb = !!(pt->features & IOD_PT_S2FWB);
}

void iod_arm_lpae_hw_info(const struct iod_pgtable *pt, struct pt_top top, unsigned stage,
			  struct iod_hw_info *info)
{
	if (stage == 1)
		arm_s1_info(pt, top, info);
	else
		arm_s2_info(pt, top, info);
}
