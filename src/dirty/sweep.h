/* SPDX-License-Identifier: MIT */
/* What the sweeps of all formats share (sweep.c), and the state of one (sweep_tmpl.h). */
#ifndef IOD_DIRTY_SWEEP_H
#define IOD_DIRTY_SWEEP_H

#include "dirty/bitmap.h"
#include "kernels.h"
#include "pgtable/gather.h"

/* Items looked at in one reader section: bounds how long a grace period waits for a sweep. */
#define SWEEP_SECTION_ITEMS (UINT64_C(1) << 18)

/* Clearing by plain stores (docs/dirty.md, "Dense clears"). */
enum sweep_dense {
	DENSE_NEVER,  /* nothing is cleaned, or the tables are not ours alone */
	DENSE_NOT,    /* no table was dense yet */
	DENSE_WANTED, /* at the end of this reader section */
	DENSE_ON,
};

struct pt_sweep_ctx {
	struct iod_pgtable *pt;
	struct iod_sweep *s;
	struct pt_range r;
	struct pt_scan_spec spec;
	const struct iod_kernels *kernels;
	struct iod_clean_spec
		clean_stores; /* of the leaves that were cleaned last: of 2^clean_lg2 */
	unsigned clean_lg2;
	unsigned dirty_lately; /* tables ago that one was dirty, counted down */
	bool dense_lately;     /* the last dirty table was worth clearing by stores */
	uint64_t pos;	       /* x to go on at */
	uint64_t stop_at;      /* value of s->items to stop at, between tables */
	uint64_t counted; /* x of the dirty entry counted last, item by item: a run counts once */
	bool stopped;	  /* did; pos says where */
	bool cleaning;	  /* IOD_SWEEP_CLEAR or _BY_BITMAP */
	enum sweep_dense dense;
	const struct sweep_touched *touched; /* IOD_SWEEP_PRUNE, or NULL */
};

/* What there is to look at below the entries of level 1 of a stretch: leaf tables that were used, whose
 * Accessed bit was taken and is owed a scan, and larger leaves. */
#define SWEEP_TOUCHED_TABLES (UINT64_C(1) << 17)
struct sweep_touched {
	uint64_t first, last; /* x: what the tables cover */
	uint64_t base;	      /* x that bit 0 stands for */
	uint64_t bits[SWEEP_TOUCHED_TABLES / 64];
};

/* Past this many stretches in one table they are joined: cheaper to invalidate, and to remember. */
#define SWEEP_MAX_SPANS 16u

/* n dirty entries of 2^lg2 bytes were met. */
static inline void iod_sweep_count(struct iod_sweep *s, unsigned lg2, uint64_t n)
{
	s->dirty += n;
	if (lg2 > s->bitmap->granule_lg2)
		s->large += n;
}

/* Takes the user's struct in and checks all but what depends on the format. */
int iod_sweep_check(struct iod_pgtable *pt, struct iod_sweep *s, const struct iod_sweep *user,
		    struct pt_range *r);

/* Sets the granules that [first, last] (IOVA) touches. */
void iod_sweep_record(struct iod_bitmap *bm, uint64_t first, uint64_t last);

/* Whether all granules that [first, last] (IOVA) touches are set. */
bool iod_sweep_recorded(const struct iod_bitmap *bm, uint64_t first, uint64_t last);

/* Sets the granules of the items of 2^shift bytes from iova on whose bits are set in words[0..n/64]. */
void iod_sweep_record_words(struct iod_bitmap *bm, uint64_t iova, unsigned shift,
			    const uint64_t *words, unsigned n);

/* Tells the gather of the items of 2^shift bytes from x on whose bits are set in words[0..n/64]: count
 * of them, in leaf tables. */
void iod_sweep_gather_words(struct iod_gather *gather, uint64_t x, unsigned shift,
			    const uint64_t *words, unsigned n, unsigned count);

/* Tells the gather of the entries at level 1, and all below them, whose bits are set in word: entry 0
 * begins at x. */
void iod_sweep_gather_tables(struct iod_gather *gather, uint64_t x, unsigned shift, uint64_t word);

#endif
