/* SPDX-License-Identifier: MIT */
/*
 * Inside of iod_dirty_log. Granules are counted from the log's first address: bit b is the granule
 * [base + (b << granule_lg2), ...). Ranges of bits are inclusive.
 *
 * pending  what is dirty and in no table (marks, rollbacks, what was cleaned but not handed out).
 *          Anybody sets bits at any time; only holders of the lock take them.
 * hint     one bit per block of pending words that may not be zero: most of pending is, and is large
 * stage    the chunk at hand, in the lock; all zero between calls. Its word 0 is the pending word in
 *          which the chunk begins.
 */
#ifndef IOD_DIRTY_LOG_H
#define IOD_DIRTY_LOG_H

#include <pthread.h>
#include <string.h>

#include <iodirty/dirty_log.h>
#include <iodirty/sweep.h>

#include "dirty/bitmap.h"
#include "kernels.h"
#include "pgtable/gather.h"
#include "pgtable/pt_defs.h"
#include "rcu.h"

/* Words of pending per bit of hint: a page of them. */
#define LOG_BLOCK_WORDS 512u
#define LOG_BLOCK_BITS	(LOG_BLOCK_WORDS * UINT64_C(64))

struct log_table {
	struct log_table *next;
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	struct iod_inv_ops ops;
	void *cookie;
	uint64_t first, last; /* bits of the window */
	uint64_t delta;	      /* address of the log = address of the table + this (mod 2^64) */
	bool mute;	      /* given up: invalidations are not passed on */
	bool final_due;	      /* of the sync at hand: not looked at yet */
};

struct iod_dirty_log {
	struct iod_allocator allocator;
	const struct iod_kernels *kernels;
	uint64_t base, nbits;
	unsigned granule_lg2;
	uint64_t *pending, *hint, *stage, *odd;
	uint64_t nr_words, nr_hints; /* of pending, of hint */
	uint64_t stage_words;	     /* of stage, and of odd: a power of two */
	pthread_mutex_t lock;	     /* what follows, the stage, and taking from pending */
	struct log_table *tables;
	bool started;
};

/* Pieces of a bit range that the stage holds at a time. */
struct log_chunk {
	uint64_t first, last;
	uint64_t word; /* of pending: stage[0] */
};

static inline uint64_t log_addr(const struct iod_dirty_log *log, uint64_t bit)
{
	return log->base + (bit << log->granule_lg2);
}

/* The chunk that begins at first, of a range that ends at last. */
static inline struct log_chunk log_chunk_at(const struct iod_dirty_log *log, uint64_t first,
					    uint64_t last)
{
	uint64_t end = first | (log->stage_words * 64 - 1);

	return (struct log_chunk){ first, end < last ? end : last, first / 64 };
}

/* Turns [iova, iova + len) into bits, rounding out. @return 0, -EINVAL, -ERANGE */
int iod_log_bits(const struct iod_dirty_log *log, uint64_t iova, uint64_t len, uint64_t *first,
		 uint64_t *last);

bool iod_log_started(struct iod_dirty_log *log);
/* A sync into a bitmap, all or nothing: after an error what was handed out is dirty again. */
int iod_log_sync_whole(struct iod_dirty_log *log, struct iod_bitmap *bm, uint64_t iova,
		       uint64_t len, uint32_t flags);

/* ---- log_pending.c ---- */

void iod_log_pending_set(struct iod_dirty_log *log, uint64_t first, uint64_t last);
/* Bits of one word of pending. */
void iod_log_pending_or(struct iod_dirty_log *log, uint64_t index, uint64_t bits);
/* stage |= pending of the chunk, which is emptied if asked for. */
void iod_log_pending_read(struct iod_dirty_log *log, const struct log_chunk *c, bool take);
/* pending &= ~stage. */
void iod_log_pending_drop(struct iod_dirty_log *log, const struct log_chunk *c);
/* Everything clean, or everything dirty. */
void iod_log_pending_reset(struct iod_dirty_log *log, bool dirty);
uint64_t iod_log_pending_count(const struct iod_dirty_log *log);
/* pending |= what the stage holds, from its word j on; the stage is zero then. */
void iod_log_stage_keep(struct iod_dirty_log *log, const struct log_chunk *c, uint64_t j);
void iod_log_stage_zero(struct iod_dirty_log *log, const struct log_chunk *c);

/* ---- log_sweep.c ---- */

/* What one call does to the tables. */
struct log_pass {
	struct iod_dirty_log *log;
	enum iod_sweep_mode mode;
	uint32_t flags;	      /* IOD_SWEEP_* for each sweep; _FINAL: see log_table.final_due */
	uint64_t first, last; /* the whole range */
	const struct iod_bitmap *clear; /* IOD_SWEEP_CLEAR_BY_BITMAP: the caller's */
	struct log_table *only;		/* NULL: all tables */
};

/* Sweep a chunk of all tables into the stage (or by it), then invalidate and wait. */
int iod_log_sweep_chunk(const struct log_pass *p, const struct log_chunk *c);
/* The caller's bits [first, last] into dst, whose bit 0 is bit0. */
void iod_log_load(const struct iod_dirty_log *log, const struct iod_bitmap *bm, uint64_t first,
		  uint64_t last, uint64_t bit0, uint64_t *dst);
/* Cleans everything in the window of a table, forgets what was dirty, invalidates and waits. */
int iod_log_table_discard(struct iod_dirty_log *log, struct log_table *t);
/* Takes what is dirty in the window of a table into pending. */
int iod_log_table_harvest(struct iod_dirty_log *log, struct log_table *t);

#endif
