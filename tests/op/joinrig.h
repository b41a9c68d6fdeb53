/* SPDX-License-Identifier: MIT */
/*
 * A guest behind a virtual IOMMU: slots of IOVAs that stand for frames of guest memory, devices that write
 * through them, and a log in guest-physical addresses. Frame f lies at GPA base + f * page and at output
 * address pa + f * page, so that whoever moves data knows the frame without asking a join.
 */
#ifndef JOINRIG_H
#define JOINRIG_H

#include "iodtest.h"

#define JOINRIG_FRAMES 192
#define JOINRIG_SLOTS  128 /* in two clusters, far apart where there is room */
#define JOINRIG_NONE   UINT32_MAX
#define JOINRIG_BUSY   (UINT32_MAX - 1) /* being unmapped */

struct joinrig {
	struct iodt *t;
	struct iod_dirty_log *log;
	struct iod_gpa_join *join;
	struct iod_iotlb *tlb;
	struct iod_inv_ops ops;
	uint64_t pa, base, len, granule;
	uint64_t cluster[2];
	uint32_t frame[JOINRIG_SLOTS]; /* that a slot stands for */
	uint32_t version[JOINRIG_FRAMES], copy[JOINRIG_FRAMES];
	struct iodt_bits bits;		   /* of the log */
	unsigned int fail;		   /* so many syncs of hardware from now on */
	void (*during)(struct joinrig *r); /* in such a sync, before it is complete */
	bool small;			   /* no page is larger than the smallest */
	bool bounded;  /* joinrig_map() may find no room: it maps nothing then */
	bool reversed; /* joinrig_unmap() breaks the order: the join first */
};

struct joinrig_cfg {
	uint64_t granule, staging, max_ranges;
};

void joinrig_open(struct joinrig *r, struct iodt *t, const struct joinrig_cfg *cfg);
void joinrig_close(struct joinrig *r);
void joinrig_start(struct joinrig *r);

uint64_t joinrig_iova(const struct joinrig *r, unsigned int slot);
/* Slots [slot, slot + n), of one cluster and free, stand for frames from f on. */
void joinrig_map(struct joinrig *r, unsigned int slot, unsigned int n, unsigned int f);
/* Through the log; its result. with_bits: what comes is copied at once. */
int joinrig_unmap(struct joinrig *r, unsigned int slot, unsigned int n, bool with_bits);
/* By the caller's own gather and bitmap, and translated; may be called while a sync is under way. */
void joinrig_unmap_own(struct joinrig *r, unsigned int slot, unsigned int n);
void joinrig_dma(struct joinrig *r, unsigned int slot);

/* A sync of frames [f, f + n); what comes is copied. Its result. */
int joinrig_sync(struct joinrig *r, unsigned int f, unsigned int n, uint32_t flags);
/* Clears what r->bits names of these frames, then copies it. */
int joinrig_clear(struct joinrig *r, unsigned int f, unsigned int n);
/* Reports only, clears what came, then copies. */
int joinrig_two_phases(struct joinrig *r, unsigned int f, unsigned int n);
/* Copies what r->bits names. */
void joinrig_copy(struct joinrig *r);
/* Frames whose newest version was not copied. */
unsigned int joinrig_stale(const struct joinrig *r);
struct iod_gpa_join_info joinrig_info(const struct joinrig *r);

/* Exactly these frames, in all of the log, from what was synced last; and of a sync made now. */
void joinrig_assert_frames(struct joinrig *r, const unsigned int *frame, size_t n);
void joinrig_assert_synced(struct joinrig *r, const unsigned int *frame, size_t n);
#define JOINRIG_THESE(...)                     \
	(const unsigned int[]){ __VA_ARGS__ }, \
		IODT_ARRAY_SIZE(((const unsigned int[]){ __VA_ARGS__ }))
/* With default sizes, and a log that is started. */
void joinrig_open_started(struct joinrig *r, struct iodt *t);

#endif
