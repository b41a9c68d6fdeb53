/* SPDX-License-Identifier: MIT */
/* Many unmaps as one: all are checked before the first is made. */
#include <errno.h>
#include <stdlib.h>

#include "dirty/bitmap.h"
#include "pgtable/pt_defs.h"

/* Ranges may come from a newer header: their own size is the distance. */
static struct iod_unmap_dirty *batch_at(struct iod_unmap_dirty *unmaps, size_t i)
{
	return (struct iod_unmap_dirty *)(void *)((char *)unmaps + i * unmaps->size);
}

static int share_order(const void *a, const void *b)
{
	const struct iod_share *x = a, *y = b;

	return x->iova < y->iova ? -1 : x->iova > y->iova;
}

/* Each is known to be a range. */
static bool intersect(struct iod_share *range, size_t nr)
{
	bool in_order = true;
	size_t i;

	for (i = 1; i < nr && in_order; i++)
		in_order = range[i].iova > range[i - 1].iova;
	if (!in_order)
		qsort(range, nr, sizeof(*range), share_order);
	for (i = 1; i < nr; i++)
		if (range[i].iova - range[i - 1].iova < range[i - 1].len)
			return true;
	return false;
}

static int batch_check_apart(struct iod_pgtable *pt, struct iod_unmap_dirty *unmaps, size_t nr)
{
	struct iod_share *range;
	size_t i;
	int ret;

	if (nr > SIZE_MAX / sizeof(*range))
		return -ENOMEM;
	range = iod_mem_zalloc(pt->mem, nr * sizeof(*range));
	if (!range)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		range[i].iova = batch_at(unmaps, i)->iova;
		range[i].len = batch_at(unmaps, i)->len;
	}
	ret = intersect(range, nr) ? iod_refuse(pt->mem, -EINVAL, "unmaps: two intersect") : 0;
	iod_mem_zfree(pt->mem, range, nr * sizeof(*range));
	return ret;
}

static int batch_check(struct iod_pgtable *pt, struct iod_unmap_dirty *unmaps, size_t nr)
{
	struct iod_unmap_dirty *u;
	uint32_t flags;
	size_t i;
	int ret;

	for (i = 0; i < nr; i++) {
		u = batch_at(unmaps, i);
		if (u->size != unmaps->size)
			return iod_refuse(pt->mem, -EINVAL, "unmaps: of different sizes");
		flags = u->flags;
		u->flags |= IOD_UNMAP_DRY_RUN;
		ret = iod_unmap_dirty(pt, u);
		u->flags = flags;
		if (ret)
			return ret;
	}
	return batch_check_apart(pt, unmaps, nr);
}

int iod_unmap_dirty_batch(struct iod_pgtable *pt, struct iod_unmap_dirty *unmaps, size_t nr,
			  size_t *done)
{
	size_t i;
	int ret;

	if (done)
		*done = 0;
	if (!pt || !unmaps || !nr ||
	    unmaps->size < offsetof(struct iod_unmap_dirty, dirty) + sizeof(uint64_t) ||
	    unmaps->size % _Alignof(struct iod_unmap_dirty))
		return -EINVAL;
	ret = batch_check(pt, unmaps, nr);
	for (i = 0; i < nr && !ret; i++) {
		ret = iod_unmap_dirty(pt, batch_at(unmaps, i));
		if (!ret && done)
			++*done;
	}
	return ret;
}
