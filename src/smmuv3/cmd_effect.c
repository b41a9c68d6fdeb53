/* SPDX-License-Identifier: MIT */
/*
 * What commands do to cached translations: enough, and no more than the specification demands (Arm IHI 0070,
 * 4.4 and 4.5), so that software that relies on more is found out.
 *
 * Levels: TTL counts as Arm does, 3 is the leaf table; iod_inv counts from the leaf table up.
 */
#include <iodirty/smmuv3_cmd.h>

#include <errno.h>
#include <string.h>

#include "smmuv3/cmd.h"

/* Bits of tags that say less than all: any ASID, any VMID and ASID. */
#define ANY_ASID      UINT64_C(0xffff)
#define ANY_VMID_ASID UINT64_C(0xffffffff)

/* Larger ones act alike (4.4.1). */
#define SCALE_MAX 39u
/* Levels that a walk can have above the leaf table: -1 to 2, as Arm counts. */
#define TABLE_LEVELS 0x1eu

static unsigned granule_lg2(uint8_t tg)
{
	return tg ? cmd_tg_lg2(tg) : 12u;
}

/*
 * The addresses of a command. One address is its page, whatever the page's size: an entry that overlaps is the
 * one that translates it. Where a range does not begin on a multiple of its granule hardware may take what it
 * likes; all that it could mean is taken here.
 */
static void effect_range(struct iod_inv *inv, const struct iod_smmuv3_cmd *cmd)
{
	unsigned lg2 = granule_lg2(cmd->tg), scale = cmd->scale;
	uint64_t len = UINT64_C(1) << lg2;

	if (cmd->tg) {
		scale = scale < SCALE_MAX ? scale : SCALE_MAX;
		len = ((uint64_t)cmd->num + 1) << scale << lg2;
	}
	inv->kind = IOD_INV_RANGE;
	inv->iova = align_down(cmd->addr, lg2);
	if (__builtin_add_overflow(cmd->addr, len - 1, &inv->last))
		inv->last = UINT64_MAX;
	inv->last |= low_mask(lg2);
	inv->granule_lg2 = lg2;
	if (cmd->leaf)
		inv->flags |= IOD_INV_LEAF_ONLY;
	if (!cmd->ttl)
		return;
	inv->leaf_levels = 1u << (3 - cmd->ttl);
	if (!cmd->leaf)
		inv->table_levels = TABLE_LEVELS & ~(2 * inv->leaf_levels - 1);
}

static struct iod_inv *add(struct iod_inv *inv, uint32_t *nr, uint64_t domain, uint64_t any)
{
	struct iod_inv *one = &inv[(*nr)++];

	memset(one, 0, sizeof(*one));
	one->kind = IOD_INV_DOMAIN;
	one->domain = domain;
	one->domain_ignore = any;
	return one;
}

/* By address and ASID: global entries of any ASID as well. */
static void effect_va(struct iod_cmd_effect *effect, const struct iod_smmuv3_cmd *cmd,
		      uint64_t domain)
{
	struct iod_inv *inv;

	effect_range(add(effect->s1, &effect->nr_s1, domain, 0), cmd);
	inv = add(effect->s1, &effect->nr_s1, align_down(domain, 16), ANY_ASID);
	effect_range(inv, cmd);
	inv->flags |= IOD_INV_ONLY_GLOBAL;
}

static void effect_s1(struct iod_cmd_effect *effect, const struct iod_smmuv3_cmd *cmd)
{
	uint64_t nh = IOD_SMMUV3_TAG_S1(cmd->vmid, cmd->asid);
	uint64_t el2 = IOD_SMMUV3_TAG_EL2(cmd->asid);
	uint32_t *nr = &effect->nr_s1;

	switch (cmd->op) {
	case IOD_SMMUV3_TLBI_NH_ALL:
		add(effect->s1, nr, nh, ANY_ASID);
		break;
	case IOD_SMMUV3_TLBI_NH_ASID:
		add(effect->s1, nr, nh, 0)->flags = IOD_INV_NO_GLOBAL;
		break;
	case IOD_SMMUV3_TLBI_NH_VA:
		effect_va(effect, cmd, nh);
		break;
	case IOD_SMMUV3_TLBI_NH_VAA:
		effect_range(add(effect->s1, nr, nh, ANY_ASID), cmd);
		break;
	case IOD_SMMUV3_TLBI_EL2_ALL:
		add(effect->s1, nr, el2, ANY_ASID);
		break;
	case IOD_SMMUV3_TLBI_EL2_ASID:
		add(effect->s1, nr, el2, 0)->flags = IOD_INV_NO_GLOBAL;
		break;
	case IOD_SMMUV3_TLBI_EL2_VA:
		effect_va(effect, cmd, el2);
		break;
	case IOD_SMMUV3_TLBI_EL2_VAA:
		effect_range(add(effect->s1, nr, el2, ANY_ASID), cmd);
		break;
	default:
		break;
	}
}

int iod_smmuv3_cmd_effect(struct iod_cmd_effect *effect, const struct iod_smmuv3_cmd *cmd)
{
	if (!effect || !cmd || cmd->tg > IOD_SMMUV3_TG_64K || cmd->ttl > 3 || cmd->num > 31)
		return -EINVAL;
	effect->nr_s1 = 0;
	effect->nr_s2 = 0;
	switch (cmd->op) {
	case IOD_SMMUV3_TLBI_S2_IPA: /* what stages 1 and 2 make together may stay (4.4.3) */
		effect_range(add(effect->s2, &effect->nr_s2, IOD_SMMUV3_TAG_S2(cmd->vmid), 0), cmd);
		break;
	case IOD_SMMUV3_TLBI_S12_VMALL:
		add(effect->s1, &effect->nr_s1, IOD_SMMUV3_TAG_S1(cmd->vmid, 0), ANY_ASID);
		add(effect->s2, &effect->nr_s2, IOD_SMMUV3_TAG_S2(cmd->vmid), 0);
		break;
	case IOD_SMMUV3_TLBI_NSNH_ALL: /* all but EL2 */
		add(effect->s1, &effect->nr_s1, 0, ANY_VMID_ASID);
		add(effect->s2, &effect->nr_s2, 0, ANY_VMID_ASID);
		break;
	default:
		effect_s1(effect, cmd);
		break;
	}
	return 0;
}

int iod_smmuv3_cmd_atc_range(const struct iod_smmuv3_cmd *cmd, uint64_t *first, uint64_t *last)
{
	unsigned lg2;

	if (!cmd || !first || !last || cmd->op != IOD_SMMUV3_ATC_INV ||
	    cmd->span > IOD_SMMUV3_ATC_ALL_SPAN)
		return -EINVAL;
	lg2 = 12u + cmd->span;
	*first = align_down(cmd->addr, lg2);
	*last = *first | low_mask(lg2);
	return 0;
}
