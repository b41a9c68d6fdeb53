/* SPDX-License-Identifier: MIT */
/*
 * What the tests of iod_unmap_dirty() share: an unmap as it should be, worked out leaf by leaf from what the
 * independent walker finds; mappings of all kinds; a device with a walk cache, whose data have versions.
 */
#ifndef UNMAPRIG_H
#define UNMAPRIG_H

#include "iodtest.h"

/* A request of the test's table and gather. */
struct iod_unmap_dirty unm_arg(struct iodt *t, uint64_t iova, uint64_t len, uint32_t flags,
			       struct iodt_bits *b);

/* What a request must come to. */
struct unm_ref {
	struct iodt *t;
	uint64_t iova, last;
	uint32_t flags;
	struct iodt_bits want;	     /* the bitmap afterwards */
	struct iodt_leaves before;   /* all leaves */
	uint64_t unmapped, dirty;    /* bytes */
	uint64_t tables;	     /* before */
	struct iod_gather_info info; /* before */
};

/* Before the call; @b is what it is given. Nothing may wait in the gather. */
void unm_ref_init(struct unm_ref *r, struct iodt *t, const struct iod_unmap_dirty *u,
		  const struct iodt_bits *b);
/* After the call: results, and that the bitmap holds nothing too much. */
void unm_ref_called(struct unm_ref *r, const struct iod_unmap_dirty *u, const struct iodt_bits *b);
/* Syncs the gather; then bitmap, tables and invalidations are as they should be. Frees it. */
void unm_ref_synced(struct unm_ref *r, const struct iodt_bits *b);

/* All of that for one call, which must succeed. */
struct unm_done {
	uint64_t unmapped, dirty;
};
struct unm_done unm_check(struct iodt *t, uint64_t iova, uint64_t len, uint32_t flags,
			  struct iodt_bits *b);
/* The same with a bitmap of its own, which begins at the request's iova, and granules of a page. */
struct unm_done unm_relative(struct iodt *t, uint64_t iova, uint64_t len, uint32_t flags);

/* A call that must come to @err, and change neither tables nor gather nor bitmap. */
void unm_refused(struct iodt *t, struct iod_unmap_dirty *u, int err);

/* ---- mappings ---- */

/* The bytes from the first address on that there are, at most @len. */
uint64_t unm_room(const struct iodt *t, uint64_t len);
/* At most @n pages of random sizes and permissions in [iova, iova + len), some dirty; holes between. */
void unm_populate(struct iodt *t, uint64_t iova, uint64_t len, unsigned int n);
/* Smallest pages that no larger one replaces, back to back; clean. */
void unm_map_small(struct iodt *t, uint64_t iova, uint64_t len);
/* Marks item @item of the page at @iova as hardware would, with the entry that points to its table. */
void unm_mark(struct iodt *t, uint64_t iova, unsigned int item);
/* Widens a range to the pages that its ends cut. */
void unm_widen(struct iodt *t, uint64_t *iova, uint64_t *len);

/* ---- a device ---- */

#define UNM_FRAMES 4096

struct unm_dev {
	struct iodt *t;
	struct iod_iotlb *tlb;
	uint64_t pa;		   /* of frame 0, a multiple of everything */
	unsigned int nr;	   /* frames in use, one page each */
	uint64_t iova[UNM_FRAMES]; /* where each is, or was, mapped */
	uint32_t version[UNM_FRAMES], copy[UNM_FRAMES];
	void (*late)(struct unm_dev *d); /* called by an invalidation, before it is obeyed */
};

/* Invalidations of the test's gather reach it from now on. */
void unm_dev_open(struct unm_dev *d, struct iodt *t, uint32_t flags);
void unm_dev_close(struct unm_dev *d);
/* Maps @n pages to the next frames, in the smallest pages; returns the first frame. */
unsigned int unm_dev_map(struct unm_dev *d, uint64_t iova, uint64_t n);
/* Writes one byte. 0, or -EFAULT. */
int unm_dev_write(struct unm_dev *d, uint64_t iova);
int unm_dev_read(struct unm_dev *d, uint64_t iova);
struct iod_iotlb_stats unm_dev_stats(const struct unm_dev *d);
/* Copies the frames whose pages are in the bitmap. */
void unm_dev_copy(struct unm_dev *d, const struct iodt_bits *b);
/* Frames whose newest version was not copied. */
unsigned int unm_dev_stale(const struct unm_dev *d);

#endif
