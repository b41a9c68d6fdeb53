/* SPDX-License-Identifier: MIT */
/*
 * Inside of a shadow. Work goes in steps: compare (shadow_plan.c), until a step is full; then unmap, sync, tell what
 * was dirty, map (shadow_step.c). Comparing changes nothing, so that after any error it is just done again.
 */
#ifndef IOD_DIRTY_SHADOW_H
#define IOD_DIRTY_SHADOW_H

#include <iodirty/shadow.h>

#include "bits.h"
#include "spans.h"

/* Addresses side by side that lead to addresses side by side. */
struct shadow_run {
	uint64_t first, last, to;
	uint32_t prot;
	uint32_t lg2; /* of each leaf; in the shadow only */
};

/* Entries looked at in one go, at most: readers hold up who waits for a grace period. */
#define SHADOW_STRETCH UINT64_C(65536)

/* What one of the two tables maps in a stretch. */
struct shadow_side {
	struct shadow_run *run;
	uint32_t nr, max;
	uint64_t last;	      /* of the stretch */
	bool full;	      /* it ends there because there was no room */
	uint32_t merge_sizes; /* leaves of different sizes may be one run */
};

/* To be unmapped: pages of 1 << lg2, or parts of such (then lg2 is the smallest page). */
struct shadow_unmap {
	uint64_t first, last;
	uint32_t lg2;
	uint32_t word;	      /* its bits begin there */
	struct iod_bitmap bm; /* the gather records there until it is synced */
};

struct shadow_map {
	uint64_t first, last, gpa, pa;
	uint32_t prot;
};

struct iod_shadow {
	struct iod_shadow_cfg cfg; /* ops, allocator: the copies below */
	struct iod_shadow_ops ops;
	struct iod_allocator allocator;
	const struct iod_pgtable *guest;
	struct span part[2]; /* its addresses */
	unsigned int nr_parts;
	uint32_t min_lg2, guest_lg2; /* smallest pages */
	bool wide_writes;	     /* the shadow's format has no write without read */
	bool can_track, track;
	bool stale; /* another guest's table: everything is to be compared */
	bool owed;  /* unmapped, and not synced or not told yet */

	uint32_t widen_lg2; /* the largest page of the guest's that may be in the shadow */
	uint32_t fresh_lg2; /* the same, since comparing everything began */
	uint64_t through;   /* everything below was compared since then */

	struct shadow_side want, have;
	struct shadow_run *gone; /* what is unmapped, and where it led */
	uint32_t nr_gone, max_gone;
	struct shadow_unmap *unmap;
	struct shadow_map *map;
	struct span *prune; /* nothing is mapped there any more: tables may go */
	uint32_t nr_unmap, nr_map, nr_prune, max;
	bool full;    /* the step is */
	bool barrier; /* something stays behind the last range to unmap */
	uint64_t *bits;
	uint32_t nr_words, max_words;
	uint64_t hole; /* nothing is to be mapped from here on, up to where planning is */
	bool in_hole, hole_used;
	uint64_t stretch; /* entries looked at in one go, in one table */
	uint64_t planned; /* entries to unmap and map, about */

	uint64_t invalidations, unmapped, mapped, dirty, syncs;
};

/*
 * Compares [first, last], and plans what to change. *@next: behind what is planned.
 * @return 1 all of it; 0 a part, look at s->full: the step has no more room; or what translate returned
 */
int iod_shadow_plan(struct iod_shadow *s, uint64_t first, uint64_t last, uint64_t *next,
		    struct iod_shadow_work *work);
void iod_shadow_plan_begin(struct iod_shadow *s, uint64_t first);
/* Nothing is planned beyond. */
void iod_shadow_plan_end(struct iod_shadow *s, uint64_t last);

/* Nothing is planned. */
static inline bool shadow_idle(const struct iod_shadow *s)
{
	return !s->nr_unmap && !s->nr_map && !s->nr_prune;
}

/* Does what was planned. @failed_at: where, after an error. */
int iod_shadow_commit(struct iod_shadow *s, uint64_t start, struct iod_shadow_work *work,
		      uint64_t *failed_at);
/* Syncs and tells what is owed. */
int iod_shadow_settle(struct iod_shadow *s, struct iod_shadow_work *work);

#endif
