/* SPDX-License-Identifier: MIT */
/* iommufd's dirty tracking arguments in front of a dirty log. */
#include <iodirty/uapi.h>

#include <assert.h>
#include <errno.h>

#include "dirty/log.h"
#include "uapi_arg.h"

static_assert(sizeof(struct iod_iommufd_set_dirty_tracking) == 16, "layout");
static_assert(sizeof(struct iod_iommufd_get_dirty_bitmap) == 48, "layout");

int iod_iommufd_set_dirty_tracking(struct iod_dirty_log *log, const void *arg, size_t arg_len)
{
	struct iod_iommufd_set_dirty_tracking cmd;
	int ret = log ? uapi_arg_in(&cmd, sizeof(cmd), sizeof(cmd), arg, arg_len) : -EINVAL;

	if (ret)
		return ret;
	if (cmd.flags & ~IOD_IOMMUFD_DIRTY_TRACKING_ENABLE)
		return -EOPNOTSUPP;
	if (cmd.flags) {
		ret = iod_dirty_log_start(log, NULL);
		return ret == -EBUSY && iod_log_started(log) ? 0 : ret;
	}
	iod_dirty_log_stop(log, 0); /* fails only when it is stopped */
	return 0;
}

static int range_check(const struct iod_iommufd_get_dirty_bitmap *cmd, uint64_t alignment)
{
	uint64_t last = cmd->iova + (cmd->length - 1), edges = cmd->iova | (last + 1);

	if (last < cmd->iova)
		return -EOVERFLOW;
	if (edges & (alignment - 1) || !cmd->page_size || edges & (cmd->page_size - 1))
		return -EINVAL;
	return 0;
}

int iod_iommufd_get_dirty_bitmap(struct iod_dirty_log *log, const void *arg, size_t arg_len,
				 uint64_t alignment, void *bitmap, uint64_t bitmap_len)
{
	struct iod_iommufd_get_dirty_bitmap cmd;
	struct iod_bitmap bm;
	uint64_t need;
	int ret = log && is_pow2(alignment)
			  ? uapi_arg_in(&cmd, sizeof(cmd), sizeof(cmd), arg, arg_len)
			  : -EINVAL;

	if (ret)
		return ret;
	if (cmd.flags & ~IOD_IOMMUFD_DIRTY_BITMAP_NO_CLEAR || cmd.reserved)
		return -EOPNOTSUPP;
	ret = range_check(&cmd, alignment);
	if (ret)
		return ret;
	need = iod_bitmap_bytes(cmd.length, cmd.page_size);
	if (!need)
		return -EINVAL;
	if (!bitmap || bitmap_len < need)
		return -EFAULT;
	ret = iod_bitmap_init(&bm, cmd.iova, cmd.length, cmd.page_size, bitmap, bitmap_len, 0);
	if (ret)
		return ret;
	return iod_log_sync_whole(log, &bm, cmd.iova, cmd.length,
				  cmd.flags ? IOD_DIRTY_SYNC_NO_REARM : 0);
}
