/* SPDX-License-Identifier: MIT */
/*
 * What commands do to cached translations: enough, and no more than is certain, so that software that relies on
 * more is found out; and addresses that have a size in them (bits.md C3.1).
 */
#include <iodirty/amdvi_cmd.h>

#include <errno.h>
#include <string.h>

#include "amdvi/cmd.h"

static bool has_address(enum iod_amdvi_op op)
{
	return op == IOD_AMDVI_INVALIDATE_IOMMU_PAGES || op == IOD_AMDVI_INVALIDATE_IOTLB_PAGES ||
	       op == IOD_AMDVI_PREFETCH_IOMMU_PAGES;
}

int iod_amdvi_cmd_set_range(struct iod_amdvi_cmd *cmd, uint64_t first, uint64_t last)
{
	unsigned lg2;

	if (!cmd || last < first)
		return -EINVAL;
	lg2 = first == last ? 0 : fls64(first ^ last) + 1;
	cmd->s = lg2 > 12;
	if (lg2 > SIZE_LG2_MAX) /* the sign would change within */
		cmd->addr = IOD_AMDVI_ADDR_ALL;
	else if (cmd->s)
		cmd->addr = align_down(first, lg2) | (low_mask(lg2 - 1) & ~low_mask(12));
	else
		cmd->addr = align_down(first, 12);
	return 0;
}

int iod_amdvi_cmd_range(const struct iod_amdvi_cmd *cmd, uint64_t *first, uint64_t *last)
{
	unsigned lg2;

	if (!cmd || !first || !last || !has_address(cmd->op) || !is_aligned(cmd->addr, 12))
		return -EINVAL;
	lg2 = cmd_range_lg2(cmd->addr, cmd->s);
	*first = lg2 < 64 ? align_down(cmd->addr, lg2) : 0;
	*last = *first | low_mask(lg2);
	return 0;
}

static int effect_pages(struct iod_inv *inv, const struct iod_amdvi_cmd *cmd)
{
	int ret = iod_amdvi_cmd_range(cmd, &inv->iova, &inv->last);

	if (ret)
		return ret;
	inv->kind = IOD_INV_RANGE;
	inv->domain =
		cmd->gn ? IOD_AMDVI_TAG_S1(cmd->domain, cmd->pasid) : IOD_AMDVI_TAG_S2(cmd->domain);
	inv->flags = cmd->pde ? 0 : IOD_INV_LEAF_ONLY;
	inv->granule_lg2 = 12;
	if (inv->iova || inv->last != UINT64_MAX)
		return 0;
	inv->kind = IOD_INV_DOMAIN;
	inv->last = 0;
	inv->granule_lg2 = 0;
	return 0;
}

int iod_amdvi_cmd_effect(struct iod_cmd_effect *effect, const struct iod_amdvi_cmd *cmd)
{
	if (!effect || !cmd || cmd->pasid >> PASID_BITS)
		return -EINVAL;
	memset(effect, 0, sizeof(*effect));
	switch (cmd->op) {
	case IOD_AMDVI_INVALIDATE_IOMMU_PAGES:
		if (effect_pages(cmd->gn ? &effect->s1[0] : &effect->s2[0], cmd))
			return -EINVAL;
		effect->nr_s1 = cmd->gn;
		effect->nr_s2 = !cmd->gn;
		break;
	case IOD_AMDVI_INVALIDATE_IOMMU_ALL:
		effect->s1[effect->nr_s1++].kind = IOD_INV_ALL;
		effect->s2[effect->nr_s2++].kind = IOD_INV_ALL;
		break;
	default:
		break;
	}
	return 0;
}
