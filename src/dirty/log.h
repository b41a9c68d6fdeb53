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
 * region   what one leaf table of a page table maps: what splitting is remembered by
 *
 * A table with a join has a window whose bits are not those of the log: bit b is the granule of the table at
 * b << granule_lg2. Passes go over it by itself, and what they find goes to pending through the join
 * (log_join.c), before any chunk of the log is looked at.
 */
#ifndef IOD_DIRTY_LOG_H
#define IOD_DIRTY_LOG_H

#include <pthread.h>
#include <string.h>

#include <iodirty/dirty_log.h>
#include <iodirty/sweep.h>

#include "dirty/bitmap.h"
#include "dirty/join.h"
#include "kernels.h"
#include "pgtable/gather.h"
#include "pgtable/pt_defs.h"
#include "rcu.h"

/* Words of pending per bit of hint: a page of them. */
#define LOG_BLOCK_WORDS 512u
#define LOG_BLOCK_BITS	(LOG_BLOCK_WORDS * UINT64_C(64))

/* A region: what the policy did there (log_policy.c). */
struct log_region {
	uint8_t was; /* log2 of the largest page that was split there and is not merged yet; 0: none */
	uint8_t state; /* syncs in which it was clean, or: */
};
#define LOG_REGION_DIRTY  255u /* dirty lately */
#define LOG_REGION_AHEAD  253u /* dirty in the pass that is about to come there */
#define LOG_REGION_MERGED 254u /* one page again, or part of one; the whole `was` is not yet */

/* How a table's pages are resized. */
struct log_resizing {
	bool on;	      /* there are sizes to split, and it may be done */
	uint8_t split_lg2;    /* into pages of this */
	uint8_t next_lg2;     /* the smallest size in use that is larger */
	uint8_t region_lg2;   /* bytes of a region */
	uint64_t first, last; /* the window, addresses of the table; regions end there */
	uint64_t base;	      /* of region 0, were it whole */
	uint64_t nr_regions;
	struct log_region *region;
	uint64_t at;	    /* eager splitting: bytes of the window dealt with */
	uint64_t merge_at;  /* merging at the end: where in a run the budget ended; 0: nowhere */
	uint64_t mature_at; /* merging after rounds: the same */
};

struct log_table {
	struct log_table *next;
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	struct iod_inv_ops ops;
	void *cookie;
	uint64_t first, last;	   /* bits of the window */
	uint64_t delta;		   /* address of the log = address of the table + this (mod 2^64) */
	struct iod_gpa_join *join; /* or NULL */
	struct join_user user;
	struct iod_dirty_log *log; /* that the user marks in */
	bool mute;		   /* given up: invalidations are not passed on */
	bool final_due;		   /* of the sync at hand: not looked at yet */
	bool op_failed;		   /* an op of the gather, since this was reset */
	bool resized;		   /* pages were split in the pass at hand */
	/* The gather may hold what must be complete before the table is swept again: invalidations of
	 * other sizes than the sweep's own, marks in detached tables. */
	bool unsettled;
	struct log_resizing rs;
	/* Unmapping: what iod_unmap_dirty() and its gather record into, with the bits concerned until
	 * the gather was synced. It is pending, or where pending has no address that begins a word, own. */
	struct iod_bitmap unmap_bm;
	uint64_t *own, own_words;
	uint64_t um_first, um_last;
	bool um_open;
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
	iod_dirty_provider_fn provider;
	void *provider_cookie;
	bool started;
	bool unsettled;	 /* some table may be */
	bool stage_used; /* the chunk at hand: some table's bits are in the stage */
	/* The policy, as started, and what of it is due. */
	uint32_t policy, merge_after, resize_flags;
	uint64_t page_size, budget;
	bool split_due, merge_due;
	bool mature; /* some region is to be merged */
	uint64_t splits, merges, resize_errors;
	/* Unmapping outside of windows: recorded here, read by nobody. */
	struct iod_bitmap nowhere_bm;
	_Alignas(8) uint64_t nowhere;
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

static inline void log_unsettle(struct iod_dirty_log *log, struct log_table *t, bool is)
{
	t->unsettled = t->unsettled || is;
	log->unsettled = log->unsettled || is;
}

/* The window in the table's own addresses. */
static inline uint64_t log_table_iova(const struct iod_dirty_log *log, const struct log_table *t)
{
	return log_addr(log, t->first) - t->delta;
}

static inline uint64_t log_table_len(const struct iod_dirty_log *log, const struct log_table *t)
{
	return (t->last - t->first + 1) << log->granule_lg2;
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

/* ---- log_table.c ---- */

/* Takes a window out of the list, and frees it. Its gather is empty. */
void iod_log_table_free(struct iod_dirty_log *log, struct log_table **at);

/* ---- log_pending.c ---- */

void iod_log_pending_set(struct iod_dirty_log *log, uint64_t first, uint64_t last);
/* Bits of one word of pending. */
void iod_log_pending_or(struct iod_dirty_log *log, uint64_t index, uint64_t bits);
/* stage |= pending of the chunk, which is emptied if asked for. */
void iod_log_pending_read(struct iod_dirty_log *log, const struct log_chunk *c, bool take);
/* Words of these bits may not be zero. */
void iod_log_pending_hint(struct iod_dirty_log *log, uint64_t first, uint64_t last);
/* pending &= ~stage. */
void iod_log_pending_drop(struct iod_dirty_log *log, const struct log_chunk *c);
/* Everything clean, or everything dirty. */
void iod_log_pending_reset(struct iod_dirty_log *log, bool dirty);
uint64_t iod_log_pending_count(const struct iod_dirty_log *log);
/* pending |= what the stage holds, from its word j on; the stage is zero then. */
void iod_log_stage_keep(struct iod_dirty_log *log, const struct log_chunk *c, uint64_t j);
void iod_log_stage_zero(struct iod_dirty_log *log, const struct log_chunk *c);

/* ---- log_sync.c ---- */

/* Takes what pending holds of a range and sets it in the bitmap, which covers it; how many granules. */
uint64_t iod_log_hand_out(struct iod_dirty_log *log, uint64_t first, uint64_t last,
			  struct iod_bitmap *bm);
/* Lets the provider mark what it has in a range. */
int iod_log_ask_provider(struct iod_dirty_log *log, uint64_t iova, uint64_t len);

/* ---- log_sweep.c ---- */

/* What one call does to the tables. */
struct log_pass {
	struct iod_dirty_log *log;
	enum iod_sweep_mode mode;
	bool policy;	      /* the policy is followed: pages may be split, regions are watched */
	uint32_t flags;	      /* IOD_SWEEP_* for each sweep; _FINAL: see log_table.final_due */
	uint64_t first, last; /* the whole range */
	const struct iod_bitmap *clear; /* IOD_SWEEP_CLEAR_BY_BITMAP: the caller's */
	struct log_table *only;		/* NULL: all tables, but those with a join */
	/* If that one has a join: the bits of its window that may be cleaned. (first and last are still those
	 * of the log, which say what the caller's bits are looked at for.) */
	uint64_t only_first, only_last;
};

/* Sweep a chunk of all tables into the stage (or by it), then invalidate and wait. */
int iod_log_sweep_chunk(const struct log_pass *p, const struct log_chunk *c);
/* The caller's bits [first, last] into dst, whose bit 0 is bit0. */
void iod_log_load(const struct iod_dirty_log *log, const struct iod_bitmap *bm, uint64_t first,
		  uint64_t last, uint64_t bit0, uint64_t *dst);
/* Cleans everything in the window of a table, forgets what was dirty, invalidates and waits. */
int iod_log_table_discard(struct iod_dirty_log *log, struct log_table *t);
/* Takes what is dirty in bits [first, last] of a table's window into pending. */
int iod_log_table_harvest(struct iod_dirty_log *log, struct log_table *t, uint64_t first,
			  uint64_t last, bool final);
/* n bits (1 to 64) of the caller's bitmap from log bit b on; a granule counts when all of it is set. */
uint64_t iod_log_caller_bits(const struct iod_dirty_log *log, const struct iod_bitmap *bm,
			     uint64_t b, unsigned n);
/* Whether any bit of [iova, last], addresses of the bitmap, is set. */
bool iod_log_any(const struct iod_bitmap *bm, uint64_t iova, uint64_t last);
/* Whether anything in [iova, last] of a table is dirty; true as well if that cannot be known. */
bool iod_log_table_is_dirty(struct log_table *t, uint64_t iova, uint64_t last);
/* Syncs a table's gather, and files what that brought to light. */
int iod_log_table_sync(struct iod_dirty_log *log, struct log_table *t);
/* The same for all windows of a page table that need it before the table is looked at. */
int iod_log_settle(struct iod_dirty_log *log, const struct iod_pgtable *pt);

/* ---- log_join.c ---- */

/* The table is behind a virtual IOMMU from now on. @return 0; -EBUSY the join belongs to another log */
int iod_log_join_attach(struct iod_dirty_log *log, struct log_table *t, struct iod_gpa_join *join);

/* What is dirty in tables with a join goes to pending, or is cleaned by the caller's bits: before the chunks of
 * the pass. */
int iod_log_join_pass(const struct log_pass *p);
/* The stage, which is of a window with a join, goes to pending; it is zero then. */
void iod_log_join_keep(struct log_table *t, const struct log_chunk *c);
/* The same for bits [first, last] of such a window. */
void iod_log_join_keep_bits(struct log_table *t, uint64_t first, uint64_t last);
/* The bits [first, last] of the window that the caller's bits allow to clean, into dst, whose bit 0 is bit0. */
void iod_log_join_load(const struct log_pass *p, struct log_table *t, uint64_t first, uint64_t last,
		       uint64_t bit0, uint64_t *dst);
/* Whether all of them may be cleaned. */
bool iod_log_join_all_set(const struct log_pass *p, struct log_table *t, uint64_t first,
			  uint64_t last);
/*
 * The bits [first, last] of the window were cleaned where they are set in src, whose bit 0 is bit0 (NULL: all).
 * What came to stand for other memory after they were loaded may have been written there: that is pending now.
 */
void iod_log_join_recheck(const struct log_pass *p, struct log_table *t, uint64_t first,
			  uint64_t last, uint64_t bit0, const uint64_t *src);
/* The first bit at or after `bit` that stands for something; false: none in the window. */
bool iod_log_join_next(struct log_table *t, uint64_t *bit);
/* Whether the bitmap covers what [iova, last] of the table stands for in the log. */
bool iod_log_join_covers(struct log_table *t, uint64_t iova, uint64_t last,
			 const struct iod_bitmap *bm);
/* As iod_log_hand_out(), for what [iova, last] of the table stands for. */
uint64_t iod_log_join_hand_out(struct log_table *t, uint64_t iova, uint64_t last,
			       struct iod_bitmap *bm);
/* An unmap of [iova, last] is to be recorded; and what was recorded goes to pending. */
void iod_log_join_record(struct log_table *t, uint64_t iova, uint64_t last);
void iod_log_join_collect(struct log_table *t);

/* ---- log_policy.c ---- */

/* Takes the log's policy to a table. @return 0; -EOPNOTSUPP it cannot be followed there; -ENOMEM */
int iod_log_policy_table(struct iod_dirty_log *log, struct log_table *t);
/* Whether a policy can be taken to a table. Changes nothing. */
int iod_log_policy_check(const struct iod_dirty_log *log, struct log_table *t, uint64_t page_size,
			 uint32_t resize_flags);
void iod_log_policy_free(struct iod_dirty_log *log, struct log_table *t);
/* Splits the large pages whose bits are set: bm, of [iova, last] of the table, says what was dirty. */
int iod_log_split_swept(struct iod_dirty_log *log, struct log_table *t, const struct iod_bitmap *bm,
			uint64_t iova, uint64_t last);
/* Splits the large pages that are dirty now and whose bits are set, before they are cleaned. */
int iod_log_split_marked(struct iod_dirty_log *log, struct log_table *t,
			 const struct iod_bitmap *bm, uint64_t iova, uint64_t last);
/* Splits all that is large, within a budget. As iod_split_range(). */
int iod_log_split_all(struct iod_dirty_log *log, struct log_table *t, uint64_t iova, uint64_t last,
		      struct iod_resize *r);
/* What a pass saw of [iova, last] of a table: which regions were clean. */
void iod_log_watch(const struct log_pass *p, struct log_table *t, const struct iod_bitmap *bm,
		   uint64_t iova, uint64_t last);
/* A page that was dirty was taken at the end of a chunk, at `end`, and reaches into chunks to come. */
void iod_log_watch_ahead(struct log_table *t, uint64_t iova, uint64_t last, uint64_t end);
/* Merges what was clean long enough. *items are added. As iod_merge_range(). */
int iod_log_merge_mature(struct iod_dirty_log *log, uint64_t budget, uint64_t *items);
/* Merges what was split in a table. *items are added. As iod_merge_range(). */
int iod_log_merge_all(struct iod_dirty_log *log, struct log_table *t, uint64_t budget,
		      uint64_t *items);
/* What was split in [iova, last] is not there any more. */
void iod_log_forget(struct log_table *t, uint64_t iova, uint64_t last);
/* Bytes of regions that are to be merged: all, or those that were clean long enough. */
uint64_t iod_log_merge_left(const struct iod_dirty_log *log, bool mature);
/* The first mapping of [iova, last]. */
bool iod_log_next_mapping(const struct iod_pgtable *pt, uint64_t iova, uint64_t last,
			  struct iod_mapping *m);

/* ---- log_resize.c ---- */

/* Eager splitting that is due, within a budget; 0: no limit. *items are added. */
int iod_log_split_due(struct iod_dirty_log *log, uint64_t budget, uint64_t *items);
/* Merging that is due. */
int iod_log_merge_due(struct iod_dirty_log *log, uint64_t budget, uint64_t *items);
/* Whether the last call into the engine failed by what a gather's op returned. */
bool iod_log_op_failed(const struct iod_dirty_log *log);
uint64_t iod_log_resize_left(const struct iod_dirty_log *log);

/* ---- log_unmap.c ---- */

/* A window's part of it. @return 0, -ENOMEM */
int iod_log_unmap_init(struct iod_dirty_log *log, struct log_table *t);
void iod_log_unmap_fini(struct iod_dirty_log *log, struct log_table *t);
/* The table's gather was synced: what was recorded is pending now. */
void iod_log_unmap_collect(struct iod_dirty_log *log, struct log_table *t);

#endif
