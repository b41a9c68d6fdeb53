/* SPDX-License-Identifier: MIT */
/*
 * What invalidation descriptors do to cached translations: enough, and no more than the specification demands (Intel
 * VT-d specification, 6.5.2), so that software that relies on more is found out.
 */
#include <iodirty/vtd_desc.h>

#include <errno.h>
#include <string.h>

#include "bits.h"
#include "vtd/id.h"

#define PAGE_LG2  12u
#define ANY_PASID low_mask(PASID_BITS_MAX)

static struct iod_inv *add(struct iod_inv *inv, uint32_t *nr, enum iod_inv_kind kind,
			   uint64_t domain, uint64_t any)
{
	struct iod_inv *one = &inv[(*nr)++];

	memset(one, 0, sizeof(*one));
	one->kind = kind;
	one->domain = domain;
	one->domain_ignore = any;
	return one;
}

/* The low bits of the address that AM masks are not looked at. */
static void set_range(struct iod_inv *inv, const struct iod_vtd_desc *desc)
{
	unsigned lg2 = PAGE_LG2 + desc->am;

	inv->kind = IOD_INV_RANGE;
	inv->iova = align_down(desc->addr, lg2);
	inv->last = desc->addr | low_mask(lg2);
	inv->granule_lg2 = PAGE_LG2;
	if (desc->ih)
		inv->flags = IOD_INV_LEAF_ONLY;
}

/*
 * 6.5.2.3. The address is an input of the second stage, so of first-stage and nested translations, whose inputs are
 * others, those of the whole domain go. What is cached of first-stage tables goes with them whatever IH says: IH is
 * about second-stage tables, and nested ones were found through the leaves that have changed (DERIVED).
 */
static void effect_iotlb(struct iod_cmd_effect *effect, const struct iod_vtd_desc *desc)
{
	uint64_t s1 = IOD_VTD_TAG_S1(desc->did, 0), s2 = IOD_VTD_TAG_S2(desc->did);
	struct iod_inv *inv;

	if (desc->gran == IOD_VTD_IOTLB_GLOBAL) {
		add(effect->s1, &effect->nr_s1, IOD_INV_ALL, 0, 0);
		add(effect->s2, &effect->nr_s2, IOD_INV_ALL, 0, 0);
		return;
	}
	add(effect->s1, &effect->nr_s1, IOD_INV_DOMAIN, s1, ANY_PASID);
	inv = add(effect->s2, &effect->nr_s2, IOD_INV_DOMAIN, s2, 0);
	if (desc->gran == IOD_VTD_IOTLB_PAGE)
		set_range(inv, desc);
}

/* 6.5.2.4 */
static void effect_p_iotlb(struct iod_cmd_effect *effect, const struct iod_vtd_desc *desc)
{
	uint64_t tag = IOD_VTD_TAG_S1(desc->did, desc->pasid);
	struct iod_inv *inv = add(effect->s1, &effect->nr_s1, IOD_INV_DOMAIN, tag, 0);

	if (desc->gran == IOD_VTD_P_IOTLB_PAGE)
		set_range(inv, desc);
}

int iod_vtd_desc_effect(struct iod_cmd_effect *effect, const struct iod_vtd_desc *desc)
{
	if (!effect || !desc || desc->am > AM_MAX || desc->pasid & ~ANY_PASID)
		return -EINVAL;
	effect->nr_s1 = 0;
	effect->nr_s2 = 0;
	if (desc->type == IOD_VTD_IOTLB_INV)
		effect_iotlb(effect, desc);
	else if (desc->type == IOD_VTD_P_IOTLB_INV)
		effect_p_iotlb(effect, desc);
	return 0;
}

int iod_vtd_desc_dev_range(const struct iod_vtd_desc *desc, uint64_t *first, uint64_t *last)
{
	unsigned lg2;

	if (!desc || !first || !last || desc->span > IOD_VTD_DEV_TLB_ALL_SPAN ||
	    (desc->type != IOD_VTD_DEV_TLB_INV && desc->type != IOD_VTD_P_DEV_TLB_INV))
		return -EINVAL;
	lg2 = PAGE_LG2 + desc->span;
	*first = align_down(desc->addr, lg2);
	*last = *first | low_mask(lg2);
	return 0;
}
