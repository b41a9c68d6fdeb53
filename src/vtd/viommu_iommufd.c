/* SPDX-License-Identifier: MIT */
/* iommufd's arguments in front of a guest's VT-d, and for a VMM that has the kernel do it. */
#include "vtd/viommu.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "pgtable/mem.h"
#include "uapi_arg.h"

static_assert(sizeof(struct iod_iommufd_vtd_s1_invalidate) == 24, "layout");
static_assert(sizeof(struct iod_iommufd_hwpt_vtd_s1) == 24, "layout");
static_assert(sizeof(struct iod_iommufd_hw_info_vtd) == 24, "layout");

#define ENTRY_LEN sizeof(struct iod_iommufd_vtd_s1_invalidate)
#define ALL_PAGES UINT64_MAX

/* ---- checks, in the kernel's order ---- */

static int arg_check(const struct iod_iommufd_hwpt_invalidate *arg)
{
	if (arg->reserved)
		return -EOPNOTSUPP;
	if (!arg->entry_num)
		return 0;
	if (!arg->data_uptr || !arg->entry_len || arg->entry_len > IOD_IOMMUFD_MAX_ENTRY_LEN ||
	    arg->entry_num > IOD_IOMMUFD_MAX_ENTRIES)
		return -EINVAL;
	return 0;
}

static int data_check(const struct iod_iommufd_hwpt_invalidate *arg, const void *data,
		      size_t data_len)
{
	uint64_t len = (uint64_t)arg->entry_len * arg->entry_num;

	if (arg->data_type != IOD_IOMMUFD_INVALIDATE_VTD_S1)
		return -EINVAL;
	if (!arg->entry_num)
		return 0;
	if (arg->entry_len < ENTRY_LEN)
		return -EINVAL;
	return !data || data_len < len ? -EFAULT : 0;
}

/* Entries are copied and judged one by one. */
static int entry_in(struct iod_iommufd_vtd_s1_invalidate *e, const unsigned char *data,
		    uint32_t len, uint32_t flags, uint64_t *last)
{
	for (uint32_t k = ENTRY_LEN; k < len; k++)
		if (data[k])
			return -E2BIG;
	memcpy(e, data, sizeof(*e));
	if (flags & IOD_VTD_IOMMUFD_HW_ERROR)
		e->hw_error = 0; /* it is for us to say */
	if ((e->flags & ~IOD_IOMMUFD_VTD_INV_LEAF) || e->hw_error)
		return -EOPNOTSUPP;
	if (!is_aligned(e->addr, PAGE_LG2) || !e->npages)
		return -EINVAL;
	*last = UINT64_MAX;
	if (e->npages == ALL_PAGES)
		return e->addr ? -EINVAL : 0;
	if (e->npages - 1 > (UINT64_MAX - e->addr) >> PAGE_LG2)
		return -EINVAL;
	*last = e->addr + ((e->npages - 1) << PAGE_LG2) + low_mask(PAGE_LG2);
	return 0;
}

/* ---- one entry ---- */

/* The smallest block that holds the addresses. */
static void dev_tlb_range(struct iod_vtd_desc *desc, uint64_t first, uint64_t last)
{
	unsigned int lg2 = fls64((first ^ last) | low_mask(PAGE_LG2)) + 1;

	if (lg2 >= 64) {
		desc->span = IOD_VTD_DEV_TLB_ALL_SPAN;
		desc->addr = 0;
	} else {
		desc->span = (uint8_t)(lg2 - PAGE_LG2);
		desc->addr = align_down(first, lg2);
	}
}

static int to_devices(struct vtd_batch *b, const struct iod_vtd_hwpt *hwpt, uint64_t first,
		      uint64_t last)
{
	for (size_t i = 0; i < hwpt->nr_vsids; i++) {
		const struct iod_vdev *dev =
			iod_vdevs_find(&b->v->core.table[DEVICES], hwpt->vsids[i]);
		struct iod_vtd_desc desc = { .type = IOD_VTD_DEV_TLB_INV };
		struct iod_vtd_raw_desc raw;
		enum iod_cmd_reason reason;
		int ret;

		if (!dev || (iod_vdev_word(dev) & VDEV_STATE) != IOD_VDEV_ON)
			continue;
		if (hwpt->has_pasid) {
			desc.type = IOD_VTD_P_DEV_TLB_INV;
			desc.pasid = hwpt->pasid;
		}
		dev_tlb_range(&desc, first, last);
		ret = iod_vtd_desc_encode(&raw, &desc, &b->v->cfg.host, 0, &reason);
		if (ret)
			return guest_refuse(&b->g, dev->vid, reason, ret);
		ret = iod_vtd_dev_tlb(b, dev,
				      (uint64_t[]){ iod_le64(raw.word[0]), iod_le64(raw.word[1]) },
				      false);
		if (ret)
			return ret;
	}
	guest_nothing(&b->g);
	return 0;
}

static int one(struct vtd_batch *b, const struct iod_vtd_hwpt *hwpt,
	       const struct iod_iommufd_vtd_s1_invalidate *e, uint64_t last)
{
	int ret;

	b->g.now = IOD_VTD_P_IOTLB_INV;
	if (e->npages == ALL_PAGES)
		ret = iod_vtd_pasid_all(b, hwpt->did, hwpt->pasid);
	else
		ret = iod_vtd_pages(b, hwpt->did, hwpt->pasid, e->addr, last,
				    e->flags & IOD_IOMMUFD_VTD_INV_LEAF);
	/* Without devices neighbours are joined; a TLB of a device comes behind its own pages. */
	if (ret || !hwpt->nr_vsids)
		return ret;
	return to_devices(b, hwpt, e->addr, last);
}

static void say_hw_error(unsigned char *entry, int ret)
{
	uint32_t error = ret == -ETIMEDOUT ? IOD_IOMMUFD_VTD_INV_ITE
			 : ret == -EIO	   ? IOD_IOMMUFD_VTD_INV_ICE
					   : 0;

	memcpy(entry + offsetof(struct iod_iommufd_vtd_s1_invalidate, hw_error), &error,
	       sizeof(error));
}

static int feed(struct vtd_batch *b, const struct iod_vtd_hwpt *hwpt,
		const struct iod_iommufd_hwpt_invalidate *arg, unsigned char *data, uint32_t flags)
{
	bool each = (b->g.flags & GUEST_SYNC_EACH) || (flags & IOD_VTD_IOMMUFD_HW_ERROR);
	struct iod_iommufd_vtd_s1_invalidate e;
	uint64_t last;
	int ret;

	for (uint32_t i = 0; i < arg->entry_num; i++, data += arg->entry_len) {
		ret = entry_in(&e, data, arg->entry_len, flags, &last);
		if (ret)
			return guest_refuse(&b->g, 0, IOD_CMD_BAD_FIELD, ret);
		if (b->g.nr > GUEST_ISSUE - GUEST_MARGIN) {
			ret = iod_guest_make_room(&b->g);
			if (ret)
				return ret;
		}
		ret = one(b, hwpt, &e, last);
		b->g.seen += !ret;
		if (!ret && each)
			ret = iod_guest_flush(&b->g, true);
		if (flags & IOD_VTD_IOMMUFD_HW_ERROR)
			say_hw_error(data, ret);
		if (ret)
			return ret;
	}
	return 0;
}

static int hwpt_in(struct iod_vtd_hwpt *hwpt, const struct iod_vtd_hwpt *user)
{
	int ret = iod_struct_in(hwpt, sizeof(*hwpt), user, sizeof(*hwpt));

	if (ret)
		return ret;
	return hwpt->reserved || hwpt->pasid >> 20 || (hwpt->nr_vsids && !hwpt->vsids) ? -EINVAL
										       : 0;
}

int iod_vtd_iommufd_invalidate(struct iod_vtd_viommu *v, const struct iod_vtd_hwpt *user, void *arg,
			       size_t arg_len, void *data, size_t data_len, uint32_t flags,
			       struct iod_guest_result *res)
{
	struct iod_iommufd_hwpt_invalidate in;
	struct iod_guest_result result;
	struct iod_vtd_hwpt hwpt;
	struct vtd_batch b;
	int ret;

	memset(&result, 0, sizeof(result));
	ret = res ? iod_guest_result_out(res, &result) : 0;
	if (!ret)
		ret = hwpt_in(&hwpt, user);
	if (!ret && (!v || (flags & ~IOD_VTD_IOMMUFD_HW_ERROR)))
		ret = -EINVAL;
	if (!ret)
		ret = uapi_arg_in(&in, sizeof(in), sizeof(in), arg, arg_len);
	if (ret)
		return ret;
	ret = arg_check(&in);
	if (!ret)
		ret = data_check(&in, data, data_len);
	if (!ret) {
		iod_vtd_batch_begin(&b, v, v->cfg.flags);
		ret = iod_guest_end(&b.g, feed(&b, &hwpt, &in, data, flags), &result);
	}
	memcpy((unsigned char *)arg + offsetof(struct iod_iommufd_hwpt_invalidate, entry_num),
	       &result.handled, sizeof(result.handled));
	if (res)
		(void)iod_guest_result_out(res, &result);
	return ret;
}

/* ---- the VMM's side ---- */

struct prepare {
	struct iod_iommufd_vtd_s1_invalidate *entry;
	size_t nr, max;
	uint16_t did;
	uint32_t pasid;
};

/* @return whether it became part of an entry */
static bool prepare_pages(struct prepare *p, const struct iod_vtd_desc *desc)
{
	struct iod_iommufd_vtd_s1_invalidate *e = p->nr ? &p->entry[p->nr - 1] : NULL;
	uint64_t lg2 = PAGE_LG2 + desc->am, n = BIT64(desc->am);
	bool all = desc->gran == IOD_VTD_P_IOTLB_PASID || lg2 >= 64;
	struct iod_iommufd_vtd_s1_invalidate new = {
		.addr = all ? 0 : align_down(desc->addr, (unsigned int)lg2),
		.npages = all ? ALL_PAGES : n,
		.flags = !all && desc->ih ? IOD_IOMMUFD_VTD_INV_LEAF : 0,
	};

	/* The last page there is and the first are no neighbours. */
	if (e && !all && e->npages != ALL_PAGES &&
	    e->flags == new.flags &&new.addr &&new.addr == e->addr + (e->npages << PAGE_LG2)) {
		e->npages += n;
		return true;
	}
	if (p->nr == p->max)
		return false;
	p->entry[p->nr++] = new;
	return true;
}

/* Entries looked at: guests write what belongs together side by side. */
#define LOOK_BACK 8u

static bool prepare_covers(const struct prepare *p, uint64_t first, uint64_t last)
{
	for (size_t i = p->nr; i && p->nr - i < LOOK_BACK; i--) {
		const struct iod_iommufd_vtd_s1_invalidate *e = &p->entry[i - 1];

		if (e->npages == ALL_PAGES ||
		    (first >= e->addr && (last - e->addr) >> PAGE_LG2 < e->npages))
			return true;
	}
	return false;
}

/* The kernel does it behind each entry, for the entry's pages: for others there is one more. */
static bool prepare_dev(struct prepare *p, const struct iod_vtd_desc *desc)
{
	struct iod_vtd_desc pages = { .type = IOD_VTD_P_IOTLB_INV, .gran = IOD_VTD_P_IOTLB_PASID };
	uint64_t first, last;

	if (!p->nr || iod_vtd_desc_dev_range(desc, &first, &last))
		return false;
	if (desc->type == IOD_VTD_P_DEV_TLB_INV && !desc->global && desc->pasid != p->pasid)
		return false;
	if (prepare_covers(p, first, last))
		return true;
	if (desc->span < 64 - PAGE_LG2) {
		pages.gran = IOD_VTD_P_IOTLB_PAGE;
		pages.addr = first;
		pages.am = desc->span;
	}
	return prepare_pages(p, &pages);
}

/* @return whether it is done when the ioctl is */
static bool prepare_one(struct prepare *p, const struct iod_vtd_desc *desc)
{
	switch (desc->type) {
	case IOD_VTD_P_IOTLB_INV:
		return desc->did == p->did && desc->pasid == p->pasid && prepare_pages(p, desc);
	case IOD_VTD_DEV_TLB_INV:
	case IOD_VTD_P_DEV_TLB_INV:
		return prepare_dev(p, desc);
	default:
		return false;
	}
}

int iod_vtd_iommufd_prepare(struct iod_iommufd_hwpt_invalidate *arg,
			    struct iod_iommufd_vtd_s1_invalidate *entries, size_t max, uint32_t id,
			    uint16_t did, uint32_t pasid, const struct iod_vtd_id *guest,
			    const struct iod_vtd_raw_desc *descs, size_t *nr)
{
	struct prepare p = { .entry = entries, .did = did, .pasid = pasid };
	struct iod_vtd_desc desc;
	size_t n = 0;

	if (!arg || !entries || !max || !nr || (*nr && !descs))
		return -EINVAL;
	p.max = max < IOD_IOMMUFD_MAX_ENTRIES ? max : IOD_IOMMUFD_MAX_ENTRIES;
	while (n < *nr && !iod_vtd_desc_decode(&desc, &descs[n], guest, 0, NULL) &&
	       prepare_one(&p, &desc))
		n++;
	*nr = n;
	memset(arg, 0, sizeof(*arg));
	arg->size = sizeof(*arg);
	arg->hwpt_id = id;
	arg->data_uptr = (uint64_t)(uintptr_t)entries;
	arg->data_type = IOD_IOMMUFD_INVALIDATE_VTD_S1;
	arg->entry_len = ENTRY_LEN;
	arg->entry_num = (uint32_t)p.nr;
	return 0;
}

int iod_vtd_iommufd_hw_info(struct iod_iommufd_hw_info_vtd *info, const struct iod_vtd_id *id)
{
	if (!info || !id)
		return -EINVAL;
	memset(info, 0, sizeof(*info));
	info->cap_reg = id->cap;
	info->ecap_reg = id->ecap;
	return 0;
}

int iod_vtd_iommufd_id(struct iod_vtd_id *id, const struct iod_iommufd_hw_info_vtd *info)
{
	if (!info || !id)
		return -EINVAL;
	if (info->reserved)
		return -EOPNOTSUPP;
	memset(id, 0, sizeof(*id));
	id->cap = info->cap_reg;
	id->ecap = info->ecap_reg;
	return 0;
}
