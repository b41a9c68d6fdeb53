/* SPDX-License-Identifier: MIT */
/*
 * A small world: one block, or the pages that it could be made of; two pages that are written, the first
 * and the last of the block; one device behind an IOTLB or with an ATC; a copy that must not miss a write.
 */
#ifndef EXPLORE_WORLD_H
#define EXPLORE_WORLD_H

#include <iodirty/iodirty.h>

#include "explore.h"

/* Formats and sizes. */
struct world_cfg {
	const char *name;
	enum iod_format format;
	uint32_t features, ias;
	unsigned large_lg2, small_lg2;
	unsigned dirty_bit; /* by the specifications: of a leaf ... */
	bool dirty_is_0;    /* ... whose value that means dirty is 0 */
	uint32_t resize;    /* IOD_RESIZE_* */
};

/* What the device's cache and the tables hold when the actors start. */
enum world_warm {
	WARM_COLD,	   /* clean, nothing cached */
	WARM_CLEAN,	   /* clean, the translation is cached */
	WARM_DIRTY,	   /* dirty, the translation is cached */
	WARM_FORGOTTEN,	   /* dirty, nothing cached */
	WARM_TABLES,	   /* clean, walk caches */
	WARM_DIRTY_TABLES, /* dirty, walk caches */
	WARMS,
};

enum world_twin {
	TWIN_NONE,
	TWIN_EARLY_COPY, /* pages are copied before the invalidation */
	TWIN_NO_ATC,	 /* invalidations do not reach the ATC */
	TWIN_LEAF_ONLY,	 /* invalidations spare walk caches */
	TWIN_NO_HARVEST, /* detached tables are not looked at again */
	TWIN_PLAIN,	 /* compare-exchanges and exchanges of software are plain stores */
	TWIN_EARLY_FREE, /* tables are freed without a grace period */
	TWIN_BORN_CLEAN, /* the pages of a split are born clean */
	TWIN_PARTLY,	 /* a sweep of one page cleans the whole block */
};

#define WORLD_PAGES 2
#define WORLD_MOST  512 /* pages of a block */

struct world {
	/* what it is */
	const struct world_cfg *cfg;
	bool table;	 /* begins as pages, not as a block */
	uint32_t device; /* IOD_IOTLB_* */
	enum world_warm warm;
	unsigned script; /* bit i: which page write i is of */
	unsigned writes;
	enum world_twin twin;
	void (*software)(struct world *w);
	void (*partner)(struct world *w); /* or NULL */

	/* what became of it */
	struct iod_pgtable *pt;
	struct iod_gather *gather[2]; /* of software, of its partner */
	struct iod_iotlb *tlb;
	uint64_t page[WORLD_PAGES]; /* IOVAs; output addresses are the same */
	uint64_t must[WORLD_PAGES], newest[WORLD_PAGES], data[WORLD_PAGES], copied[WORLD_PAGES];
	unsigned gone;	  /* bit i: page i was unmapped */
	unsigned writing; /* page of the write under way ... */
	bool moved;	  /* ... whose data moved */
};

/* Explore all there is for one (cfg, table, device, warm, script, software, partner). */
void world_explore(struct world *w, unsigned preemptions, struct explore *e);

/* For `software` and `partner`. */
void world_check(int ret, const char *what); /* must be 0 */
uint64_t world_len(const struct world *w);   /* bytes of the block; it begins at page[0] */
uint64_t world_small(const struct world *w);
/* A bitmap of the block, empty. */
void world_bitmap(const struct world *w, struct iod_bitmap *bm, uint64_t words[WORLD_MOST / 64]);
/* Copies the pages that are set. */
void world_copy(struct world *w, const struct iod_bitmap *bm);
/* A round of migration: sweep, invalidate and sync, copy. Reader sections of others may be under way. */
void world_round(struct world *w, struct iod_gather *gather, uint64_t iova, uint64_t len);

#endif
