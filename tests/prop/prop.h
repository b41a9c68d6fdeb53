/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of operations against a flat model.
 *
 * The property. Every page has a version that each DMA write raises. A page is copied when a sweep
 * that cleans has reported it and the invalidation that follows is complete. At every sync, and at
 * the end: a page whose version is newer than its copy is still dirty in the table. So a write is
 * lost if, and only if, a page is neither reported nor dirty. A write is remembered here as
 * "behind" until the page is copied, which is the same as comparing versions.
 *
 * Next to it, what is exact: which leaves there are, what each is (address, permissions,
 * attributes), which are dirty, what a sweep reports and cleans. The one thing that is not exact
 * is a leaf that was cleaned and not yet invalidated: a write through a translation that hardware
 * still holds may or may not mark it. Such a leaf is between `must` and `may` until the next sync;
 * then the independent walker tells which.
 *
 * Splits and merges: which leaves must come of them is found by trying; the walker says which there are. Parts
 * take the dirty state of their page, merged pages that of all their parts, and devices write inside every
 * invalidation. An unmap with dirty is copied by its bitmap alone, when the gather was synced.
 */
#ifndef PROP_H
#define PROP_H

#include "iodtest.h"

/* Ways to break the protocol, each of which must lose a page. */
enum prop_twin {
	PROP_WHOLE,	  /* nothing broken */
	PROP_CONTROL,	  /* nothing broken, but what the twins do otherwise */
	PROP_NO_INV,	  /* no invalidation reaches hardware */
	PROP_NO_ATC,	  /* none reaches devices' ATCs */
	PROP_EARLY_COPY,  /* pages are copied before the sync */
	PROP_PLAIN_CLEAR, /* load, clean, store */
	PROP_PARTIAL,	  /* a page partly inside the range is cleaned */
	/* of splits, merges, and unmaps with dirty */
	PROP_RESIZED,	      /* nothing broken, but what the twins below do otherwise */
	PROP_BORN_CLEAN,      /* the parts of a split page are born clean */
	PROP_NO_HARVEST,      /* detached tables are not looked at again */
	PROP_MERGE_LEAF_ONLY, /* the invalidation of a merge keeps walk caches */
	PROP_UNMAP_EARLY,     /* an unmap's bitmap is read, and pages copied, before the sync */
	/* of pruned sweeps */
	PROP_PRUNED,	   /* nothing broken, but what the twins below do otherwise */
	PROP_NO_STEP2,	   /* the invalidation between taking Accessed and scanning is skipped */
	PROP_LEAF_ONLY,	   /* it keeps walk caches */
	PROP_PRUNE_NO_ATC, /* it does not reach devices' ATCs */
	PROP_NO_AGENT,	   /* one agent does not set Accessed in table entries */
	PROP_PLAIN_TAKE,   /* Accessed of a table entry is taken by a plain store, between sweeps */
};

struct prop_cfg {
	const struct iodt_variant *v;
	uint64_t seed;
	unsigned int ops;
	enum prop_twin twin;
	const unsigned char *skip; /* one per operation: leave it out; may be NULL */
	bool trace;		   /* print each operation */
};

struct prop_result {
	bool failed;
	bool loss;	   /* what failed is that a page was lost */
	unsigned int op;   /* where */
	unsigned int done; /* operations done */
	char what[256];
};

void prop_run(const struct prop_cfg *cfg, struct prop_result *res);

/* ---- the flat model ---- */

struct prop_leaf {
	uint64_t iova, last, pa;
	uint32_t prot;	/* as asked for */
	bool must, may; /* dirty for certain; dirty perhaps */
	bool before;	/* must, when a pruned sweep or a change of sizes began */
	bool lag; /* hardware may hold a translation that says dirty, while the leaf is clean */
};

struct prop_leaves {
	struct prop_leaf *leaf; /* in order of iova */
	size_t nr, cap;
};

struct prop_range {
	uint64_t iova, len;
};

/* A piece of address space, by iova (and what it translates to), or by output address alone. */
struct prop_extent {
	uint64_t iova, last, pa;
	uint32_t prot;
};

struct prop_extents {
	struct prop_extent *ext;
	size_t nr, cap;
};

/* A write to a page (4 KiB of output addresses) that was not copied since. */
struct prop_write {
	uint64_t iova, frame;
};

/* What an unmap with dirty removed, and where it reports: complete at the next sync. */
struct prop_report {
	struct iod_bitmap bm;
	uint64_t *bits, *before; /* now; as the caller gave it */
	uint64_t words;
	bool untracked;		   /* those are reported, too */
	bool told;		   /* (a twin's) was read too early */
	struct prop_leaves leaves; /* the parts inside the range */
};

#define PROP_AGENTS  4
#define PROP_ANCHORS 12
#define PROP_HOT     8
#define PROP_BITS    65536u
#define PROP_REPORTS 24

struct prop {
	struct prop_cfg cfg;
	struct prop_result *res;
	const struct iodt_variant *v;
	struct iodt *t;
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	struct mdl_table table;
	struct mdl_mem mem;
	struct iod_iotlb *agent[PROP_AGENTS];
	uint64_t rng;
	bool dirty; /* hardware sets Dirty */
	/* the model */
	struct prop_leaves leaves, fresh;
	struct prop_extents stale;   /* unmapped and not yet invalidated */
	struct prop_extents pending; /* reported (pa), to be copied after the sync */
	struct prop_write *behind;
	size_t nr_behind, cap_behind;
	bool uncertain; /* some leaf has must != may */
	/* inside a call that changes sizes: what is written meanwhile (must: for certain) */
	bool resizing, merging;
	struct prop_leaves marks, old, plan;
	/* inside a call: where accesses may be refused, and what may be served already */
	bool unsure, opening;
	struct prop_extent window;
	struct prop_range resized; /* the last */
	struct prop_report *report[PROP_REPORTS];
	unsigned int nr_reports;
	/* invalidations on their way */
	struct iod_inv *inv;
	size_t nr_inv, cap_inv;
	bool quiet;	     /* agents stand still */
	int fail_next;	     /* errno for the next sync */
	bool queued;	     /* invalidations are obeyed when the sync waits for them */
	bool pruning;	     /* inside a pruned sweep */
	bool skip_untracked; /* in pruned sweeps: in all or in none, as they take what says so */
	/* where things happen */
	uint64_t anchor[PROP_ANCHORS];
	unsigned int nr_anchors;
	unsigned char size_lg2[64];
	unsigned int nr_sizes;
	uint64_t hot[PROP_HOT];
	/* bitmaps: as the library writes it, and its bounds */
	uint64_t *bits, *lo, *hi;
};

/* Notes the first failure; the caller returns. Losses are the only failures of a twin. */
void prop_fail(struct prop *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void prop_loss(struct prop *p, uint64_t iova, uint64_t frame, const char *when);
void prop_note(struct prop *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define PROP_CHECK(p, cond, ...)                   \
	do {                                       \
		if (!(cond)) {                     \
			prop_fail(p, __VA_ARGS__); \
			return;                    \
		}                                  \
	} while (0)

uint64_t prop_random(struct prop *p);
uint64_t prop_below(struct prop *p, uint64_t n);
bool prop_chance(struct prop *p, unsigned int percent);

/* prop_model.c */
size_t prop_at(const struct prop *p, uint64_t iova); /* first leaf that ends at or after */
struct prop_leaf *prop_lookup(const struct prop *p, uint64_t iova);
bool prop_overlaps(const struct prop *p, uint64_t iova, uint64_t last);
void prop_leaf_push(struct prop_leaves *l, const struct prop_leaf *leaf);
void prop_insert(struct prop *p, const struct prop_leaves *l); /* neighbours, in order */
void prop_remove(struct prop *p, size_t from, size_t to);
void prop_extent_push(struct prop_extents *e, const struct prop_extent *ext);
/* With READ, where WRITE includes it. */
uint32_t prop_granted(const struct prop *p, uint32_t prot);
bool prop_tracked(const struct prop *p, const struct prop_leaf *leaf);
bool prop_untracked(const struct prop *p, const struct prop_leaf *leaf); /* always dirty */
bool prop_valid(const struct prop *p, uint64_t iova, uint64_t last);
void prop_wrote(struct prop *p, uint64_t iova, uint64_t pa, uint64_t len);
void prop_mark(struct prop *p, struct prop_leaf *leaf, bool sure);
void prop_copy(struct prop *p);	   /* everything pending */
void prop_settled(struct prop *p); /* after a sync */
void prop_check_behind(struct prop *p, const char *when);
bool prop_dirty_in_table(struct prop *p, const struct prop_leaf *leaf);
/* Of the first @nr writes not copied, those to [iova, last] must be among what is to be copied. */
void prop_check_reported(struct prop *p, size_t nr, uint64_t iova, uint64_t last, bool untracked);

/* prop_hw.c */
bool prop_hw_open(struct prop *p);
struct iod_gather *prop_hw_gather(struct prop *p); /* one more, of some size */
void prop_hw_close(struct prop *p);
void prop_dma(struct prop *p);
void prop_dma_at(struct prop *p, uint64_t iova, bool write);
void prop_burst(struct prop *p); /* a few, in the middle of something else */
void prop_invalidate(struct prop *p, uint64_t iova, uint64_t last); /* at once */

/* prop_sweep.c */
void prop_set_bits(uint64_t *mem, uint64_t from, uint64_t to);
uint64_t prop_bit_of(const struct iod_bitmap *bm, uint64_t iova);
/* Bits of [first, last] of a leaf: what they stand for is to be copied. */
void prop_report_leaf(struct prop *p, const struct iod_bitmap *bm, const uint64_t *bits,
		      const struct prop_leaf *leaf, uint64_t first, uint64_t last);
void prop_sweep(struct prop *p, enum iod_sweep_mode mode, uint32_t flags, struct prop_range r,
		unsigned int lg2);
void prop_sweep_all(struct prop *p); /* everything that is mapped, nothing moves */
void prop_plain_clear(struct prop *p);
void prop_partial_clear(struct prop *p);
void prop_plain_take(struct prop *p);

/* prop_map.c */
void prop_map(struct prop *p, struct prop_range r, uint64_t pa, uint32_t prot);
void prop_unmap(struct prop *p, struct prop_range r, uint32_t flags);
void prop_sync(struct prop *p, bool flush);
void prop_synced(struct prop *p); /* if nothing waits in the gather any more */
uint64_t prop_unmap_all(struct prop *p);

/* Right answers of a call: 0 if there are none. */
struct prop_wants {
	int ret[4];
	unsigned int nr;
	bool or_done; /* or 0 */
};
void prop_want(struct prop_wants *w, int ret);
bool prop_wanted(const struct prop_wants *w, int ret);
struct prop_wants prop_unmap_wants(const struct prop *p, struct prop_range r, uint32_t flags,
				   uint64_t bytes);
size_t prop_end_at(const struct prop *p, uint64_t last); /* first leaf behind */
uint64_t prop_bytes_in(const struct prop *p, struct prop_range r, size_t from, size_t to);
/* Leaves @from to @to, inside the range, are gone; what is left of those at its edges is found out. */
void prop_unmapped(struct prop *p, struct prop_range r, size_t from, size_t to);

static inline uint64_t prop_size(const struct prop_leaf *leaf)
{
	return leaf->last - leaf->iova + 1;
}

/* prop_resize.c */
bool prop_breaks(const struct prop *p); /* hardware needs break-before-make */
/* Around a call that may change sizes in [first, last], or take away what is there. */
void prop_begin(struct prop *p, uint64_t first, uint64_t last, bool faults);
void prop_end(struct prop *p);
/* Leaves @from to @to are in p->old. What is there now of [first, last], into p->fresh. */
void prop_find(struct prop *p, uint64_t first, uint64_t last);
void prop_keep_old(struct prop *p, size_t from, size_t to);
bool prop_was_marked(const struct prop *p, uint64_t first, uint64_t last, bool sure);
/* What a part at @iova of a split leaf must be, outside of [first, last]. */
uint64_t prop_outside(const struct prop *p, uint64_t iova, const struct prop_leaf *of,
		      uint64_t first, uint64_t last);
bool prop_no_items(const struct prop *p, const struct prop_leaf *leaf);
void prop_split(struct prop *p, struct prop_range r, uint64_t size, uint32_t flags);
void prop_merge(struct prop *p, struct prop_range r, uint64_t size, uint32_t flags);

/* prop_gen_resize.c */
void prop_gen_resize(struct prop *p);
bool prop_gen_may_cut(struct prop *p, struct prop_range r);
void prop_twin_resize(struct prop *p);

/* prop_unmap.c */
void prop_unmap_dirty(struct prop *p, struct prop_range r, uint32_t flags, unsigned int lg2);
/* An unmap will report it. */
bool prop_reports_have(const struct prop *p, const struct prop_write *w);
void prop_reports_wrote(struct prop *p, uint64_t iova, uint64_t len);
void prop_reports_settle(struct prop *p);
void prop_reports_free(struct prop *p);
void prop_gen_unmap_dirty(struct prop *p);
void prop_twin_unmap(struct prop *p);

/* prop_verify.c */
void prop_translate(struct prop *p, uint64_t iova);
void prop_verify(struct prop *p);

/* prop_gen.c */
void prop_gen_init(struct prop *p);
uint64_t prop_gen_iova(struct prop *p);
uint64_t prop_gen_size(struct prop *p);
struct prop_range prop_gen_leaves(struct prop *p, size_t most);
/* Ends moved by a few pages: into neighbours, into holes, into pages. */
void prop_gen_nudge(struct prop *p, struct prop_range *r);
/* Cut so that it ends inside the input space, but for a few. */
void prop_gen_clip(struct prop *p, struct prop_range *r);
struct prop_range prop_gen_unmap_range(struct prop *p);
/* Devices will often go there. */
void prop_gen_heat(struct prop *p, struct prop_range r);
void prop_gen_map(struct prop *p);
void prop_gen_unmap(struct prop *p);
void prop_gen_sweep(struct prop *p);

#endif
