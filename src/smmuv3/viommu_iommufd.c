/* SPDX-License-Identifier: MIT */
/* iommufd's arguments in front of a guest's SMMU. */
#include "smmuv3/viommu.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bits.h"
#include "uapi_arg.h"

static_assert(sizeof(struct iod_iommufd_hwpt_invalidate) == 32, "layout");
static_assert(sizeof(struct iod_iommufd_smmuv3_invalidate) == 16, "layout");
static_assert(sizeof(struct iod_iommufd_viommu_alloc) == 40, "layout");
static_assert(sizeof(struct iod_iommufd_vdevice_alloc) == 24, "layout");
static_assert(sizeof(struct iod_iommufd_hw_info_smmuv3) == 40, "layout");
static_assert(sizeof(struct iod_iommufd_hwpt_smmuv3) == 16, "layout");
static_assert(sizeof(struct iod_iommufd_vevent_smmuv3) == 32, "layout");

#define ENTRY_LEN sizeof(struct iod_iommufd_smmuv3_invalidate)
#define CHUNK	  64u

/* IOMMU_VIOMMU_ALLOC before it had data. */
#define VIOMMU_ALLOC_MIN offsetof(struct iod_iommufd_viommu_alloc, data_len)

/* As the kernel copies an array of structs: all of it before anything is done. */
static int entries_check(const struct iod_iommufd_hwpt_invalidate *arg, const unsigned char *data,
			 size_t data_len)
{
	uint64_t len = (uint64_t)arg->entry_len * arg->entry_num;
	uint32_t i, k;

	if (arg->data_type != IOD_IOMMUFD_INVALIDATE_SMMUV3)
		return -EINVAL;
	if (!arg->entry_num)
		return 0;
	if (arg->entry_len < ENTRY_LEN)
		return -EINVAL;
	if (!data || data_len < len)
		return -EFAULT;
	for (i = 0; i < arg->entry_num; i++, data += arg->entry_len)
		for (k = ENTRY_LEN; k < arg->entry_len; k++)
			if (data[k])
				return -E2BIG;
	return 0;
}

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

/* In pieces, but one batch. */
static int invalidate(struct iod_smmuv3_viommu *v, const struct iod_iommufd_hwpt_invalidate *arg,
		      const unsigned char *data, struct iod_guest_result *res)
{
	struct iod_smmuv3_raw_cmd cmds[CHUNK];
	struct batch b;
	uint32_t done = 0, i;
	int ret = 0;

	iod_viommu_batch_begin(&b, v, v->cfg.flags);
	while (done < arg->entry_num && !ret) {
		uint32_t nr = arg->entry_num - done;

		nr = nr < CHUNK ? nr : CHUNK;
		for (i = 0; i < nr; i++, data += arg->entry_len)
			memcpy(&cmds[i], data, ENTRY_LEN);
		ret = iod_viommu_feed(&b, cmds, nr);
		done += nr;
	}
	return iod_guest_end(&b.g, ret, res);
}

int iod_smmuv3_iommufd_invalidate(struct iod_smmuv3_viommu *v, void *arg, size_t arg_len,
				  const void *data, size_t data_len, struct iod_guest_result *res)
{
	struct iod_iommufd_hwpt_invalidate in;
	struct iod_guest_result result;
	int ret;

	memset(&result, 0, sizeof(result));
	ret = res ? iod_guest_result_out(res, &result) : 0;
	if (!ret && !v)
		ret = -EINVAL;
	if (!ret)
		ret = uapi_arg_in(&in, sizeof(in), sizeof(in), arg, arg_len);
	if (ret)
		return ret;
	ret = arg_check(&in);
	if (!ret)
		ret = entries_check(&in, data, data_len);
	if (!ret) {
		ret = invalidate(v, &in, data, &result);
		/* One code for whatever is wrong with a command, as the kernel has it. */
		if (ret && result.reason != IOD_CMD_BAD_ISSUE)
			ret = -EIO;
	}
	memcpy((unsigned char *)arg + offsetof(struct iod_iommufd_hwpt_invalidate, entry_num),
	       &result.handled, sizeof(result.handled));
	if (res)
		(void)iod_guest_result_out(res, &result);
	return ret;
}

static bool kernel_takes(uint64_t op)
{
	switch (op) {
	case IOD_SMMUV3_TLBI_NSNH_ALL:
	case IOD_SMMUV3_TLBI_NH_ALL:
	case IOD_SMMUV3_TLBI_NH_ASID:
	case IOD_SMMUV3_TLBI_NH_VA:
	case IOD_SMMUV3_TLBI_NH_VAA:
	case IOD_SMMUV3_CFGI_CD:
	case IOD_SMMUV3_CFGI_CD_ALL:
	case IOD_SMMUV3_ATC_INV:
		return true;
	default:
		return false;
	}
}

int iod_smmuv3_iommufd_prepare(struct iod_iommufd_hwpt_invalidate *arg, uint32_t id,
			       const struct iod_smmuv3_raw_cmd *cmds, size_t *nr)
{
	size_t n = 0;

	if (!arg || !nr || (*nr && !cmds))
		return -EINVAL;
	while (n < *nr && n < IOD_IOMMUFD_MAX_ENTRIES &&
	       kernel_takes(iod_le64(cmds[n].word[0]) & CMD0_OP))
		n++;
	*nr = n;
	memset(arg, 0, sizeof(*arg));
	arg->size = sizeof(*arg);
	arg->hwpt_id = id;
	arg->data_uptr = (uint64_t)(uintptr_t)cmds;
	arg->data_type = IOD_IOMMUFD_INVALIDATE_SMMUV3;
	arg->entry_len = ENTRY_LEN;
	arg->entry_num = (uint32_t)n;
	return 0;
}

int iod_smmuv3_iommufd_viommu_alloc(struct iod_smmuv3_viommu **out, void *arg, size_t arg_len,
				    const struct iod_smmuv3_viommu_cfg *cfg, uint32_t id)
{
	struct iod_iommufd_viommu_alloc in;
	int ret = uapi_arg_in(&in, sizeof(in), VIOMMU_ALLOC_MIN, arg, arg_len);

	if (ret)
		return ret;
	if (in.flags || in.type != IOD_IOMMUFD_VIOMMU_SMMUV3 || in.data_len || in.reserved ||
	    in.data_uptr)
		return -EOPNOTSUPP;
	ret = iod_smmuv3_viommu_create(out, cfg);
	if (ret)
		return ret;
	memcpy((unsigned char *)arg + offsetof(struct iod_iommufd_viommu_alloc, out_viommu_id), &id,
	       sizeof(id));
	return 0;
}

int iod_smmuv3_iommufd_vdevice_alloc(struct iod_smmuv3_viommu *v, void *arg, size_t arg_len,
				     uint32_t sid, uint32_t id)
{
	struct iod_iommufd_vdevice_alloc in;
	int ret = uapi_arg_in(&in, sizeof(in), sizeof(in), arg, arg_len);

	if (ret)
		return ret;
	if (in.virt_id > UINT32_MAX)
		return -EINVAL;
	ret = iod_smmuv3_viommu_add(v, (uint32_t)in.virt_id, sid, IOD_VDEV_ON);
	if (ret)
		return ret;
	memcpy((unsigned char *)arg + offsetof(struct iod_iommufd_vdevice_alloc, out_vdevice_id),
	       &id, sizeof(id));
	return 0;
}

int iod_smmuv3_iommufd_hw_info(struct iod_iommufd_hw_info_smmuv3 *info,
			       const struct iod_smmuv3_id *id)
{
	if (!info || !id)
		return -EINVAL;
	memset(info, 0, sizeof(*info));
	memcpy(info->idr, id->idr, sizeof(info->idr));
	info->iidr = id->iidr;
	info->aidr = id->aidr;
	return 0;
}

int iod_smmuv3_iommufd_id(struct iod_smmuv3_id *id, const struct iod_iommufd_hw_info_smmuv3 *info)
{
	if (!info || !id)
		return -EINVAL;
	if (info->flags || info->reserved)
		return -EOPNOTSUPP;
	memcpy(id->idr, info->idr, sizeof(id->idr));
	id->iidr = info->iidr;
	id->aidr = info->aidr;
	return 0;
}
