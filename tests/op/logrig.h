/* SPDX-License-Identifier: MIT */
/*
 * What the tests of iod_dirty_log share: a log over tables of the harness, devices that write through an
 * IOTLB, and callbacks that can fail, be late, or let devices write in between.
 */
#ifndef LOGRIG_H
#define LOGRIG_H

#include "iodtest.h"

#define LOGRIG_FRAMES 1024

struct logrig {
	struct iodt *t;
	struct iod_dirty_log *log;
	struct iod_iotlb *tlb;
	struct iod_inv_ops ops;
	uint64_t iova, len;  /* mapped in the table, to frames 0.. of one page each */
	uint64_t at;	     /* the log's address of iova */
	uint64_t base, size; /* the log's range */
	uint64_t granule;
	uint32_t version[LOGRIG_FRAMES], copy[LOGRIG_FRAMES];
	uint64_t pa;				 /* of frame 0 */
	unsigned int fail_invalidate, fail_sync; /* so many calls from now */
	unsigned int invalidates, syncs;
	struct iod_inv late[256]; /* late: issued, obeyed when sync is called */
	size_t nr_late;
	bool is_late, forgets_sync;
	void (*before)(struct logrig *r); /* in invalidate, before it is obeyed */
	void (*during)(struct logrig *r); /* in sync, before it is complete */
	void *priv;
};

/*
 * Maps as many pages as fit, at most @pages, at the lowest address, to @pa (which decides on the size of
 * leaves); a log with a window on them. The log begins at @base, the window at @base + @off.
 */
void logrig_open(struct logrig *r, struct iodt *t, uint64_t pages, uint64_t pa, uint64_t granule,
		 uint64_t staging, uint64_t base, uint64_t off);
void logrig_close(struct logrig *r);
void logrig_start(struct logrig *r, uint32_t flags);

/* One DMA write of a device at byte @off of what is mapped. */
void logrig_dma(struct logrig *r, uint64_t off);
/* Anybody's write, marked by hand. */
void logrig_cpu(struct logrig *r, uint64_t off);
/* Copies the frames that a bitmap over [at, at + len) of the log names. */
void logrig_copy(struct logrig *r, const struct iodt_bits *b);
/* Frames whose newest version was not copied. */
unsigned int logrig_stale(const struct logrig *r);

/* A sync of a range of the log into @b; its result, with *done. */
int logrig_sync(struct logrig *r, uint64_t iova, uint64_t len, uint32_t flags, struct iodt_bits *b,
		uint64_t *done);
/* The same for all of the log, which must succeed. Zeroes @b first; number of bits set. */
uint64_t logrig_sync_all(struct logrig *r, uint32_t flags, struct iodt_bits *b);
struct iod_dirty_log_info logrig_info(const struct logrig *r);

#endif
