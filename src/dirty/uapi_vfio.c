/* SPDX-License-Identifier: MIT */
/* VFIO type1's arguments in front of a dirty log. The checks are those of the kernel, in its order. */
#include <iodirty/uapi.h>

#include <assert.h>
#include <errno.h>

#include "dirty/log.h"

static_assert(sizeof(struct iod_vfio_bitmap) == 24, "layout");
static_assert(sizeof(struct iod_vfio_dirty_bitmap) == 8, "layout");
static_assert(sizeof(struct iod_vfio_dirty_bitmap_get) == 40, "layout");
static_assert(sizeof(struct iod_vfio_dma_unmap) == 24, "layout");

#define DIRTY_FLAGS (IOD_VFIO_DIRTY_START | IOD_VFIO_DIRTY_STOP | IOD_VFIO_DIRTY_GET_BITMAP)
#define UNMAP_FLAGS (IOD_VFIO_UNMAP_GET_DIRTY_BITMAP | IOD_VFIO_UNMAP_ALL | IOD_VFIO_UNMAP_VADDR)

/* Bits in a bitmap at most: 2^31, so 256 MiB. */
#define BITMAP_BYTES_MAX (UINT64_C(1) << 28)

static uint64_t bitmap_bytes(uint64_t pages)
{
	return (pages / 64 + (pages % 64 != 0)) * 8;
}

/* Also that pgsize is the one allowed: the kernel says -EINVAL for either. */
static bool bitmap_ok(const struct iod_vfio_bitmap *bm, uint64_t size, uint64_t pgsize)
{
	return bm->pgsize == pgsize && size >= pgsize && bm->size && bm->size <= BITMAP_BYTES_MAX &&
	       bm->size >= bitmap_bytes(size / pgsize);
}

int iod_vfio_dirty_pages_check(struct iod_vfio_request *req, const void *arg, size_t arg_len,
			       uint64_t pgsize_bitmap)
{
	uint64_t pgsize = pgsize_bitmap & -pgsize_bitmap;
	struct iod_vfio_dirty_bitmap_get get;
	struct iod_vfio_dirty_bitmap head;
	const unsigned char *from = arg;

	if (!req || !pgsize)
		return -EINVAL;
	if (!arg || arg_len < sizeof(head))
		return -EFAULT;
	memcpy(&head, from, sizeof(head));
	if (head.argsz < sizeof(head) || head.flags & ~DIRTY_FLAGS || !is_pow2(head.flags))
		return -EINVAL;
	memset(req, 0, sizeof(*req));
	req->flags = head.flags;
	if (head.flags != IOD_VFIO_DIRTY_GET_BITMAP)
		return 0;
	if (head.argsz - sizeof(head) < sizeof(get))
		return -EINVAL;
	if (arg_len - sizeof(head) < sizeof(get))
		return -EFAULT;
	memcpy(&get, from + sizeof(head), sizeof(get));
	if (!get.size)
		return -EINVAL;
	if (get.size - 1 > UINT64_MAX - get.iova)
		return -EOVERFLOW;
	if (!bitmap_ok(&get.bitmap, get.size, pgsize) || (get.iova | get.size) & (pgsize - 1))
		return -EINVAL;
	req->iova = get.iova;
	req->size = get.size;
	req->bitmap = get.bitmap;
	return 0;
}

static int unmap_range(const struct iod_vfio_dma_unmap *head, uint64_t pgsize)
{
	if (head->iova & (pgsize - 1))
		return -EINVAL;
	if (head->flags & IOD_VFIO_UNMAP_ALL)
		return head->iova || head->size ? -EINVAL : 0;
	if (!head->size || head->size & (pgsize - 1))
		return -EINVAL;
	return head->size - 1 > UINT64_MAX - head->iova ? -EOVERFLOW : 0;
}

/* @return 0, -EFAULT, -EINVAL */
static int unmap_bitmap(struct iod_vfio_bitmap *bm, const struct iod_vfio_dma_unmap *head,
			const unsigned char *from, size_t arg_len)
{
	if (head->flags & (IOD_VFIO_UNMAP_ALL | IOD_VFIO_UNMAP_VADDR) ||
	    head->argsz < sizeof(*head) + sizeof(*bm))
		return -EINVAL;
	if (arg_len < sizeof(*head) + sizeof(*bm))
		return -EFAULT;
	memcpy(bm, from + sizeof(*head), sizeof(*bm));
	if (!is_pow2(bm->pgsize) || !bitmap_ok(bm, head->size, bm->pgsize))
		return -EINVAL;
	return 0;
}

int iod_vfio_unmap_check(struct iod_vfio_request *req, const void *arg, size_t arg_len,
			 uint64_t pgsize_bitmap, bool tracking)
{
	uint64_t pgsize = pgsize_bitmap & -pgsize_bitmap;
	struct iod_vfio_bitmap bm = { 0 };
	struct iod_vfio_dma_unmap head;
	int ret = 0;

	if (!req || !pgsize)
		return -EINVAL;
	if (!arg || arg_len < sizeof(head))
		return -EFAULT;
	memcpy(&head, arg, sizeof(head));
	if (head.argsz < sizeof(head) || head.flags & ~UNMAP_FLAGS)
		return -EINVAL;
	if (head.flags & IOD_VFIO_UNMAP_GET_DIRTY_BITMAP)
		ret = unmap_bitmap(&bm, &head, arg, arg_len);
	if (!ret)
		ret = unmap_range(&head, pgsize);
	if (ret)
		return ret;
	if ((head.flags & IOD_VFIO_UNMAP_GET_DIRTY_BITMAP) && (!tracking || bm.pgsize != pgsize))
		return -EINVAL;
	*req = (struct iod_vfio_request){ head.flags, 0, head.iova, head.size, bm };
	return 0;
}

static int get_bitmap(struct iod_dirty_log *log, const struct iod_vfio_request *req, void *bitmap,
		      uint64_t bitmap_len)
{
	struct iod_bitmap bm;
	int ret;

	if (!bitmap || bitmap_len < req->bitmap.size)
		return -EFAULT;
	ret = iod_bitmap_init(&bm, req->iova, req->size, req->bitmap.pgsize, bitmap, bitmap_len, 0);
	return ret ? ret : iod_log_sync_whole(log, &bm, req->iova, req->size, 0);
}

int iod_vfio_dirty_pages(struct iod_dirty_log *log, const struct iod_vfio_request *req,
			 void *bitmap, uint64_t bitmap_len)
{
	int ret;

	if (!log || !req)
		return -EINVAL;
	switch (req->flags) {
	case IOD_VFIO_DIRTY_START:
		ret = iod_dirty_log_start(log, NULL);
		return ret == -EBUSY && iod_log_started(log) ? 0 : ret;
	case IOD_VFIO_DIRTY_STOP:
		iod_dirty_log_stop(log, 0); /* fails only when it is stopped */
		return 0;
	case IOD_VFIO_DIRTY_GET_BITMAP:
		return get_bitmap(log, req, bitmap, bitmap_len);
	}
	return -EINVAL;
}

/* ---- VFIO_IOMMU_UNMAP_DMA ---- */

/* The table's range, in the one or two parts that a call can take. */
static int vfio_all(struct iod_pgtable *pt, struct iod_share part[2])
{
	struct iod_pgtable_info info = { .size = sizeof(info) };
	uint64_t mid;
	int ret = iod_pgtable_get_info(pt, &info);

	if (ret)
		return ret;
	if (info.hole_first) {
		part[0] = (struct iod_share){ info.first, info.hole_first - info.first };
		part[1] = (struct iod_share){ info.hole_last + 1, info.last - info.hole_last };
		return 2;
	}
	if (info.last - info.first < UINT64_MAX) {
		part[0] = (struct iod_share){ info.first, info.last - info.first + 1 };
		return 1;
	}
	mid = UINT64_C(1) << 63;
	part[0] = (struct iod_share){ 0, mid };
	part[1] = (struct iod_share){ mid, mid };
	return 2;
}

static int vfio_unmap_plain(struct iod_vfio_unmap *u, const struct iod_share *part)
{
	int ret = iod_unmap(u->pt, part->iova, part->len, 0, u->gather, &u->unmapped);

	return ret == -ENOENT ? 0 : ret;
}

/* flags: 0 or IOD_UNMAP_DRY_RUN */
static int vfio_unmap_dirty(struct iod_vfio_unmap *u, const struct iod_share *part, uint32_t flags)
{
	struct iod_unmap_dirty arg = { .size = sizeof(arg),
				       .iova = part->iova,
				       .len = part->len,
				       .flags = flags,
				       .gather = u->gather,
				       .bitmap = &u->bits };
	int ret = iod_unmap_dirty(u->pt, &arg);

	if (!ret && !flags)
		u->unmapped += arg.unmapped;
	return ret;
}

static int vfio_unmap_log(struct iod_vfio_unmap *u, const struct iod_share *part, bool dirty,
			  uint32_t flags)
{
	struct iod_dirty_log_unmap arg = { .size = sizeof(arg),
					   .pt = u->pt,
					   .iova = part->iova,
					   .len = part->len,
					   .flags = flags,
					   .bitmap = dirty ? &u->bits : NULL };
	int ret;

	if (!dirty)
		arg.flags |= IOD_DIRTY_LOG_UNMAP_STOPPED | IOD_DIRTY_LOG_UNMAP_OUTSIDE;
	ret = iod_dirty_log_unmap(u->log, &arg);
	u->unmapped += arg.unmapped;
	return ret;
}

static int vfio_unmap_part(struct iod_vfio_unmap *u, const struct iod_share *part, bool dirty,
			   uint32_t flags)
{
	if (u->log)
		return vfio_unmap_log(u, part, dirty, flags);
	if (dirty)
		return vfio_unmap_dirty(u, part, flags);
	/* A plain unmap checks before it changes anything, and has nothing to try. */
	return flags ? 0 : vfio_unmap_plain(u, part);
}

static int vfio_unpin(const struct iod_vfio_unmap *u, const struct iod_share *part)
{
	unsigned attempt;
	int ret = -EAGAIN;

	if (!u->unpin)
		return 0;
	for (attempt = 0; ret == -EAGAIN && attempt < IOD_VFIO_UNPIN_TRIES; attempt++)
		ret = u->unpin(u->cookie, part->iova, part->len, attempt);
	return ret == -EAGAIN ? -EBUSY : ret;
}

static int vfio_unmap_bits(struct iod_vfio_unmap *u, const struct iod_vfio_request *req)
{
	uint64_t base = u->log ? req->iova + u->to_log : req->iova;

	if (!u->bitmap || u->bitmap_len < req->bitmap.size)
		return -EFAULT;
	return iod_bitmap_init(&u->bits, base, req->size, req->bitmap.pgsize, u->bitmap,
			       u->bitmap_len, 0);
}

static int vfio_unmap_parts(struct iod_vfio_unmap *u, const struct iod_share *part, int nr,
			    bool dirty)
{
	int ret = 0, i;

	/* Nobody is asked to let go of pages for what is refused anyway. */
	for (i = 0; !ret && i < nr; i++)
		ret = vfio_unmap_part(u, &part[i], dirty, IOD_UNMAP_DRY_RUN);
	for (i = 0; !ret && i < nr; i++)
		ret = vfio_unpin(u, &part[i]);
	for (i = 0; !ret && i < nr; i++)
		ret = vfio_unmap_part(u, &part[i], dirty, 0);
	if (!ret && !u->log)
		ret = iod_gather_sync(u->gather);
	return ret;
}

int iod_vfio_unmap(struct iod_vfio_unmap *u, const struct iod_vfio_request *req)
{
	struct iod_share part[2] = { { 0, 0 } };
	struct iod_vfio_unmap known;
	bool dirty;
	int nr = 1, ret;

	/* The caller's is used: the gather may refer to its bitmap for longer than this call. */
	ret = iod_struct_in(&known, sizeof(known), u, sizeof(known));
	if (ret)
		return ret;
	if (!u->pt || !u->gather == !u->log || !req || req->flags & IOD_VFIO_UNMAP_VADDR)
		return -EINVAL;
	dirty = req->flags & IOD_VFIO_UNMAP_GET_DIRTY_BITMAP;
	u->unmapped = 0;
	part[0] = (struct iod_share){ req->iova, req->size };
	if (req->flags & IOD_VFIO_UNMAP_ALL)
		nr = vfio_all(u->pt, part);
	if (nr < 0)
		return nr;
	ret = dirty ? vfio_unmap_bits(u, req) : 0;
	return ret ? ret : vfio_unmap_parts(u, part, nr, dirty);
}
