/* SPDX-License-Identifier: MIT */
/*
 * The vocabulary of the engine.
 *
 * level    0 = leaf table; the root is at the top level
 * item     one 8-byte slot of a table; entry: one mapping, which may span items (a run)
 * x        an address in table space: the IOVA with its sign extension or upper-half ones cut off, so
 *          that indices are plain shifts. IOVA = x + off, with one off per range (struct pt_range).
 * last     always inclusive, so that the top of the 64-bit space works
 * _lg2     a base-2 logarithm
 */
#ifndef IOD_PT_DEFS_H
#define IOD_PT_DEFS_H

#include <errno.h>

#include <iodirty/iotlb.h>
#include <iodirty/pgtable.h>
#include <iodirty/resize.h>
#include <iodirty/sweep.h>
#include <iodirty/unmap.h>

#include "atomic.h"
#include "bits.h"
#include "pgtable/mem.h"

#define PT_MAX_LEVELS  6u
#define PT_TABLE_LOCKS 64u
#define PT_RW	       (IOD_PROT_READ | IOD_PROT_WRITE)

/* Every bit of prot that means something to some format. */
#define PT_PROT_DEFINED (0xffu | IOD_PROT_MEMATTR(0xff) | IOD_PROT_SH(3))

/* What an item is. */
enum pt_type { PT_NONE, PT_TABLE, PT_LEAF, PT_BAD };

/* Which IOVAs a table translates. */
enum pt_half {
	PT_LOWER,     /* 0 .. 2^ias - 1 */
	PT_UPPER,     /* the topmost 2^ias of 2^space_lg2 */
	PT_CANONICAL, /* sign-extended from bit ias - 1 */
};

/*
 * Dirty state as data. An item is dirty iff (pte & mask) == match; it may be cleaned iff
 * (pte & clean_mask) == clean_match, by setting or clearing clean_bit; it belongs to a run iff run_mask
 * is not 0 and (pte & run_mask) == run_match.
 */
struct pt_scan_spec {
	uint64_t mask, match;
	uint64_t clean_mask, clean_match;
	uint64_t clean_bit;
	uint64_t run_mask, run_match;
	uint64_t accessed; /* set: hardware has nothing to set in a dirty item any more */
	bool clean_sets;
};

/*
 * Where dirty state goes that leaves the tables for good: the bitmap of an unmap, reached through functions
 * of the layer above. All of them set the granules that what they are given touches.
 */
struct pt_sink_ops {
	void (*range)(struct iod_bitmap *bm, uint64_t first, uint64_t last); /* IOVAs */
	/* Items of 2^shift bytes from iova on whose bits are set in words[0..n/64]. */
	void (*words)(struct iod_bitmap *bm, uint64_t iova, unsigned shift, const uint64_t *words,
		      unsigned n);
};

struct pt_sink {
	const struct pt_sink_ops *ops; /* NULL: dirty state is dropped */
	struct iod_bitmap *bitmap;
	bool skip_untracked;
};

struct pt_engine;
struct iod_kernels;
struct gather_subtree;

/* See pt_exclude.h. */
struct pt_table_lock {
	_Alignas(8) uint64_t alone;    /* atomic: a dense clear holds it */
	_Alignas(8) uint64_t mutators; /* atomic: so many hold it, or wait for it */
};

struct iod_pgtable {
	const struct iod_pgtable_ops *ops;
	const struct pt_engine *engine;
	const struct iod_kernels *kernels;
	struct iod_mem *mem;
	/* Host address of table address 0 where every table is the library's own and in an arena; else 0.
	 * Nobody but the library writes addresses into those, so they need no check. */
	uintptr_t direct;
	uint64_t *leaf_index; /* atomic words: see pt_index.h */
	uint64_t leaf_slots;  /* its length; 0 without one */
	uint64_t
		one_page; /* bytes of the smallest page, if it takes one item and there is an index */
	uint64_t plain_attr
		[4]; /* pt_encode_prot() of READ and WRITE alone; 0: not for this format */
	_Alignas(8) uint64_t top; /* atomic: table address of the root | its level */
	uint64_t pgsize_bitmap;
	uint64_t domain;
	uint64_t mair;
	uint64_t x_mask; /* low ias bits */
	uint64_t sign_mask,
		sign;	 /* the bits above, canonical: and the highest of those, in range */
	uint64_t max_pa; /* 2^oas - 1 */
	_Alignas(8) uint64_t tables, table_bytes; /* atomic */
	_Alignas(8) uint64_t gathers; /* atomic: gathers and nested memories that refer to it */
	const void *log; /* atomic: the dirty log that takes its dirty state, or NULL */
	_Alignas(8) uint64_t dense_sweeps; /* atomic: see pt_exclude.h */
	_Alignas(8) uint64_t resizes;	   /* atomic: gathers with unsynced changes of page sizes */
	_Alignas(8) uint64_t prunes;	   /* atomic: see pt_access.h */
	_Alignas(8) uint64_t quiet_tables; /* atomic: leaf tables that began without a leaf that can
					      become dirty, ever: 0: notes need not be asked */
	uint32_t features;
	uint8_t granule_lg2;
	uint8_t ias, oas;
	uint8_t space_lg2; /* width of an IOVA: 64, or 32 for 32-bit LPAE */
	uint8_t min_lg2;   /* smallest page in use */
	uint8_t slot_lg2;  /* bytes that a leaf table covers */
	enum pt_half half;
	bool owned;	  /* created or adopted: we may change and free its tables */
	bool attached;	  /* built by somebody else: what we would never build may be met */
	bool sizes_mixed; /* leaves of more than one size may be met */
	bool has_runs;	  /* leaves that span several items may be met */
	bool only_sizes; /* emulated hardware that has no others: larger leaves are reserved to it */
	struct pt_table_lock table_lock[PT_TABLE_LOCKS];
};

/* The root as one consistent pair. */
struct pt_top {
	uint64_t pa;
	unsigned level;
};

static inline struct pt_top pt_top_unpack(uint64_t word)
{
	return (struct pt_top){ .pa = word & ~UINT64_C(7), .level = (unsigned)(word & 7) };
}

static inline struct pt_top pt_get_top(const struct iod_pgtable *pt)
{
	return pt_top_unpack(word_load(&pt->top));
}

/* A checked range in table space. */
struct pt_range {
	uint64_t first, last;
	uint64_t off; /* IOVA = x + off (mod 2^64) */
};

/*
 * One access as hardware makes it (iotlb.c asks, pt_hw.h answers). The walk begins at the root or at a
 * table remembered from an earlier walk.
 */
struct pt_hw_walk {
	/* in */
	uint64_t iova;
	uint32_t access;   /* IOD_ACCESS_* */
	bool set_dirty;	   /* may mark the leaf dirty (false: speculation, or early read) */
	bool table_access; /* sets Accessed in table entries where the format leaves it open */
	bool never_table_access; /* not even where the format demands it */
	uint64_t start_pa;	 /* table to begin at; 0: the root */
	unsigned start_level;	 /* below the root's */
	uint32_t start_deny;	 /* what the levels above deny */
	/* out */
	uint64_t x;			     /* iova in table space */
	struct pt_top top;		     /* the root used */
	uint64_t table_pa[PT_MAX_LEVELS];    /* table walked at each level, 0 when none */
	uint32_t table_deny[PT_MAX_LEVELS];  /* what the entries above that table deny */
	uint8_t table_lg2[PT_MAX_LEVELS];    /* log2 of the bytes that table covers */
	uint64_t pa;			     /* output address of iova, of both stages */
	unsigned leaf_lg2;		     /* size of the leaf (the whole run) */
	unsigned page_lg2;		     /* size of the translation: that, or less by stage 2 */
	unsigned level;			     /* of the leaf, or of the entry at fault */
	uint64_t pte_pa;		     /* the item used or at fault */
	uint32_t prot;			     /* effective permissions, of both stages */
	bool dirty;			     /* all is dirty now: later writes need no update */
	unsigned set_access, set_dirty_bits; /* bits set, for statistics */
	struct iod_fault behind; /* nested memory: what went wrong behind this stage, unless NONE */
};

/* What became of writing an item that a walk read. */
enum pt_hw_put { PT_HW_PUT, PT_HW_CHANGED, PT_HW_UNWRITABLE, PT_HW_REFUSED };

/*
 * One address into table space. -ERANGE when the table does not translate it: the bits above must be those
 * of the half it translates. Canonical: bit ias - 1 and those above are alike.
 */
static inline int iod_pt_address(const struct iod_pgtable *pt, uint64_t iova, uint64_t *x)
{
	uint64_t sign = iova & pt->sign_mask;

	*x = iova & pt->x_mask;
	if (sign == pt->sign)
		return 0;
	return pt->half == PT_CANONICAL && sign == pt->sign_mask ? 0 : -ERANGE;
}

/* What the engine's format-neutral files need of a compiled format; never seen by users. */
struct pt_engine {
	const struct iod_pgtable_ops *ops;
	unsigned root_align_lg2; /* least alignment of a root */
	bool grows;		 /* levels are the root's at present, not the format's */
	/* Check cfg (features are in pt->features already) and fill the geometry. */
	int (*init)(struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg, unsigned *top_level);
	/* Page sizes in use: those that the format has, of those wanted (0: the usual ones). */
	uint64_t (*page_sizes)(const struct iod_pgtable *pt, unsigned top_level, uint64_t wanted);
	/* log2 of the bytes of a table at a level, given the top level. */
	unsigned (*table_lg2)(const struct iod_pgtable *pt, unsigned level, unsigned top_level);
	/* Free a detached subtree (or everything). */
	void (*free_subtree)(struct iod_pgtable *pt, uint64_t pa, unsigned level,
			     unsigned top_level);
	/* Give the dirty state of a detached subtree to whom it belongs. */
	void (*harvest)(struct iod_pgtable *pt, const struct gather_subtree *subtree);
	/* Check adopted tables: every one readable, none reached twice. */
	int (*adopt)(struct iod_pgtable *pt);
	/* One access as hardware makes it: walks, checks, marks. 0, or -EFAULT with *fault filled. */
	int (*hw_walk)(struct iod_pgtable *pt, struct pt_hw_walk *walk, struct iod_fault *fault);
};

/* pgtable.c: checks a range against the input size; also the alignment to the smallest page. */
int iod_pt_range(const struct iod_pgtable *pt, uint64_t iova, uint64_t len, struct pt_range *range);
/* pgtable.c: IOVA = x + this. */
uint64_t iod_pt_offset(const struct iod_pgtable *pt, uint64_t x);
/* exclude.c: a sweep may clear densely from here to there. Not inside a reader section. */
void iod_pt_dense_begin(struct iod_pgtable *pt);
void iod_pt_dense_end(struct iod_pgtable *pt);
/* exclude.c: takes the lock as one of the mutators; waits while somebody holds it alone. */
void iod_pt_lock_shared(struct pt_table_lock *lock);
/*
 * mem_nested.c: what hardware does to stage 2 when it walks a table in nested memory. What goes wrong there is
 * left in w->behind; the reason is returned too (for put: PT_HW_REFUSED).
 */
enum iod_fault_reason iod_nested_load(const struct mem_nested *nested, struct pt_hw_walk *w,
				      uint64_t ipa, uint64_t *pte);
enum pt_hw_put iod_nested_put(const struct mem_nested *nested, struct pt_hw_walk *w, uint64_t ipa,
			      uint64_t old, uint64_t pte);
/* Whether stage 2 grants the access itself, at the address w->pa: marks nothing dirty. */
enum iod_fault_reason iod_nested_check(const struct mem_nested *nested, struct pt_hw_walk *w);
/* Translates w->pa, with its marks, and leaves what both stages make of it in *w. */
enum iod_fault_reason iod_nested_output(const struct mem_nested *nested, struct pt_hw_walk *w);
/* formats.c: the compiled-in formats. A granule that a format does not have gets the engine for 4 KiB,
 * which refuses it. */
const struct pt_engine *iod_pt_engine(enum iod_format format, uint32_t granule);

#endif
