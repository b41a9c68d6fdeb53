/* SPDX-License-Identifier: MIT */
/* What the engine adds to a gather. */
#ifndef IOD_PGTABLE_GATHER_H
#define IOD_PGTABLE_GATHER_H

#include <iodirty/gather.h>

#include "pgtable/pt_defs.h"

struct gather_range {
	uint64_t first, last; /* table space */
	uint32_t leaf_levels, table_levels;
};

/* Where the dirty state of a detached subtree goes once hardware has let go of it. */
enum gather_harvest {
	HARVEST_NONE,	/* it does not matter, or was looked at */
	HARVEST_BITMAP, /* to the bitmap of an unmap */
	HARVEST_LIVE,	/* to the leaves that took its place */
};

struct gather_subtree {
	uint64_t pa, tables;
	uint64_t x; /* what its first item stands for */
	unsigned level;
	enum gather_harvest harvest;
	bool used;	     /* the entry that pointed to it was Accessed */
	uint64_t prunes;     /* of the page table, before it was cut off */
	struct pt_sink sink; /* HARVEST_BITMAP */
};

struct iod_gather {
	struct iod_pgtable *pt;
	struct iod_inv_ops ops;
	void *cookie;
	struct gather_range *range;
	uint32_t max_ranges, nr_ranges;
	uint64_t slack; /* bytes between ranges that are joined anyway */
	struct gather_subtree *subtree;
	uint64_t max_subtrees, nr_subtrees;
	uint64_t harvests;	       /* subtrees that are to be looked at */
	uint64_t pending, max_pending; /* tables in subtrees; bytes of them, 0: no bound */
	bool resized;		       /* what was split or merged was not invalidated yet */
	uint64_t invalidations, syncs;
};

/* Whether the gather was made for this page table. */
static inline bool iod_gather_is_for(const struct iod_gather *gather, const struct iod_pgtable *pt)
{
	return gather->pt == pt;
}

/* Whether somebody is told of invalidations. */
static inline bool iod_gather_has_ops(const struct iod_gather *gather)
{
	return gather->ops.invalidate != NULL;
}

/* [first, last] of table space changed at these levels (bit l = level l). Cannot fail: when there are
 * too many ranges, neighbours are joined. */
void iod_gather_add_slow(struct iod_gather *gather, uint64_t first, uint64_t last,
			 uint32_t leaf_levels, uint32_t table_levels);

static inline void iod_gather_add(struct iod_gather *gather, uint64_t first, uint64_t last,
				  uint32_t leaf_levels, uint32_t table_levels)
{
	struct gather_range *prev;

	if (gather->nr_ranges) {
		prev = &gather->range[gather->nr_ranges - 1];
		/* One page after the other; nothing comes after the end of the space. */
		if (first && first == prev->last + 1 && leaf_levels == prev->leaf_levels &&
		    table_levels == prev->table_levels) {
			prev->last = last;
			return;
		}
	}
	iod_gather_add_slow(gather, first, last, leaf_levels, table_levels);
}

/* Room to remember n more detached subtrees; -ENOMEM. */
int iod_gather_reserve(struct iod_gather *gather, uint64_t n);

/* Remember a detached subtree; there is room (iod_gather_reserve). */
void iod_gather_subtree(struct iod_gather *gather, const struct gather_subtree *subtree);

/* Page sizes are about to change: until this is invalidated, hardware may hold leaves of other levels than memory
 * has, so that no gather of the page table may name levels. */
void iod_gather_resized(struct iod_gather *gather);

/* Looks at the detached subtrees whose dirty state still matters, after their invalidation (harvest.c). */
void iod_gather_harvest(struct iod_gather *gather);

/* At the end of a call, outside its reader section: syncs what exceeds the bound. */
void iod_gather_bound(struct iod_gather *gather);

/* Invalidate everything of the domain, and with it what was gathered; sync. As iod_gather_flush(). */
int iod_gather_flush_domain(struct iod_gather *gather);

/* Whether table entries of [first, last] (table space) changed that were not invalidated yet. */
bool iod_gather_has_tables(const struct iod_gather *gather, uint64_t first, uint64_t last);

#endif
