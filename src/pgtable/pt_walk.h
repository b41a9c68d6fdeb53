/* SPDX-License-Identifier: MIT */
/* Tables and items: the only place that does index arithmetic. Included by the template. */
#ifndef IOD_PT_WALK_H
#define IOD_PT_WALK_H

#include "pgtable/pt_fmt_api.h"
#include "pgtable/pt_index.h"

/* A table under a walk. */
struct pt_table {
	uint64_t *items;
	uint64_t pa;
	uint64_t base, last; /* what it covers, in table space */
	unsigned level;
	unsigned bits; /* log2 of its items */
};

/* Opens the table at pa whose item 0 stands for `base`; false when it is not (writable) memory. */
static inline bool pt_open(const struct iod_pgtable *pt, uint64_t pa, unsigned level,
			   unsigned top_level, uint64_t base, bool write, struct pt_table *t)
{
	t->pa = pa;
	t->level = level;
	t->bits = pt_items_lg2(pt, level, top_level);
	t->base = base;
	t->last = base + low_mask(pt_shift(pt, level) + t->bits);
	t->items = iod_mem_ptr(pt->mem, pa, UINT64_C(8) << t->bits, write);
	return t->items != NULL;
}

static inline bool pt_open_top(const struct iod_pgtable *pt, struct pt_top top, bool write,
			       struct pt_table *t)
{
	return pt_open(pt, top.pa, top.level, top.level, 0, write, t);
}

static inline uint64_t pt_item_first(const struct iod_pgtable *pt, const struct pt_table *t,
				     unsigned i)
{
	return t->base + ((uint64_t)i << pt_shift(pt, t->level));
}

static inline uint64_t pt_item_last(const struct iod_pgtable *pt, const struct pt_table *t,
				    unsigned i)
{
	return pt_item_first(pt, t, i) + low_mask(pt_shift(pt, t->level));
}

/* Item that holds x; x must lie inside the table. */
static inline unsigned pt_index(const struct iod_pgtable *pt, const struct pt_table *t, uint64_t x)
{
	return (unsigned)((x - t->base) >> pt_shift(pt, t->level));
}

/* Opens what TABLE item i of t points to. A child that skips levels covers less than the item. */
static inline bool pt_open_child(const struct iod_pgtable *pt, const struct pt_table *t, unsigned i,
				 uint64_t pte, bool write, struct pt_table *child)
{
	return pt_open(pt, pt_table_pa(pt, pte), pt_table_level(pt, t->level, pte),
		       PT_MAX_LEVELS /* never the root */, pt_item_first(pt, t, i), write, child);
}

static inline uint64_t pt_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t pt_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The item for x in the leaf table at table_pa, which is ours (pt->direct). */
static inline uint64_t *pt_direct_item(const struct iod_pgtable *pt, uint64_t table_pa, uint64_t x)
{
	return (uint64_t *)(pt->direct + (uintptr_t)table_pa) +
	       (x >> pt_shift(pt, 0) & low_mask(pt_items_lg2(pt, 0, PT_MAX_LEVELS)));
}

/* First and last item of t that [first, last] touches; false when it touches none. */
static inline bool pt_items_of(const struct iod_pgtable *pt, const struct pt_table *t,
			       uint64_t first, uint64_t last, unsigned *i, unsigned *end)
{
	if (first > t->last || last < t->base)
		return false;
	*i = pt_index(pt, t, pt_max(first, t->base));
	*end = pt_index(pt, t, pt_min(last, t->last));
	return true;
}

/* Items of the run that a LEAF belongs to, as a power of two. */
static inline unsigned pt_run_items(const struct iod_pgtable *pt, unsigned level, uint64_t pte)
{
	return 1u << (pt_leaf_lg2(pt, level, pte) - pt_shift(pt, level));
}

/*
 * Cuts off the table that item i points to (read as *pte), whatever Accessed bits hardware sets there
 * meanwhile. False when somebody else changed the item.
 */
static inline bool pt_cut_table(const struct iod_pgtable *pt, const struct pt_table *t, unsigned i,
				uint64_t *pte)
{
	uint64_t pa = pt_table_pa(pt, *pte);

	while (!item_cas(&t->items[i], pte, 0))
		if (pt_item_type(pt, t->level, *pte) != PT_TABLE || pt_table_pa(pt, *pte) != pa)
			return false;
	pt_index_clear(pt, pt_item_first(pt, t, i), pt_item_last(pt, t, i));
	return true;
}

/* What a lookup ended at. */
struct pt_found {
	struct pt_table t;
	unsigned i;
	uint64_t pte;
	uint32_t deny;
};

/* Fills *f from what the walk held in registers; tables are naturally aligned in table space. */
static inline void pt_found_set(const struct iod_pgtable *pt, struct pt_found *f, uint64_t x,
				uint64_t pa, uint64_t *items, unsigned level, unsigned bits)
{
	unsigned span = pt_shift(pt, level) + bits;

	f->t.items = items;
	f->t.pa = pa;
	f->t.base = align_down(x, span);
	f->t.last = x | low_mask(span);
	f->t.level = level;
	f->t.bits = bits;
}

/* Walks to the leaf that translates x. -ENOENT, or -EFAULT for what is unreadable or malformed. */
static int pt_walk_to_leaf(const struct iod_pgtable *pt, struct pt_top from, unsigned bits,
			   uint64_t x, struct pt_found *f)
{
	unsigned level = from.level, shift = pt_shift(pt, level), next, i;
	uint64_t pa = from.pa, pte, *items;
	uint32_t deny = 0;

	if (x & ~low_mask(shift + bits)) /* beyond a root that may grow */
		return -ENOENT;
	for (;;) {
		items = iod_mem_ptr(pt->mem, pa, UINT64_C(8) << bits, false);
		if (!items)
			return -EFAULT;
		i = (unsigned)(x >> shift) & ((1u << bits) - 1);
		pte = item_load(&items[i]);
		switch (pt_item_type(pt, level, pte)) {
		case PT_NONE:
			return -ENOENT;
		case PT_BAD:
			return -EFAULT;
		case PT_LEAF:
			if (pt_item_reserved(pt, level, pte))
				return -EFAULT;
			pt_found_set(pt, f, x, pa, items, level, bits);
			f->i = i;
			f->pte = pte;
			f->deny = deny;
			return 0;
		case PT_TABLE:
			break;
		}
		if (pt_item_reserved(pt, level, pte))
			return -EFAULT;
		deny |= pt_table_deny(pt, pte);
		pa = pt_table_pa(pt, pte);
		next = pt_table_level(pt, level, pte);
		bits = pt_items_lg2(pt, next, PT_MAX_LEVELS);
		/* An entry that skips levels translates only where the bits it skips are 0. */
		if (next + 1 != level &&
		    (x & low_mask(shift) & ~low_mask(pt_shift(pt, next) + bits)))
			return -ENOENT;
		level = next;
		shift = pt_shift(pt, level);
	}
}

static int pt_lookup(const struct iod_pgtable *pt, uint64_t x, struct pt_found *f)
{
	struct pt_top top = pt_get_top(pt);

	return pt_walk_to_leaf(pt, top, pt_items_lg2(pt, top.level, top.level), x, f);
}

/*
 * The deepest table that holds all of [first, last], in more than one item, or in one that the range
 * covers or that points to no table: where a mutation begins, so that small ones do not start at the
 * root time and again. The root when that is too small. False when a table is not memory.
 */
static bool pt_open_common(const struct iod_pgtable *pt, uint64_t first, uint64_t last,
			   struct pt_table *t)
{
	unsigned i, next, span;
	uint64_t pte;

	if (!pt_open_top(pt, pt_get_top(pt), true, t))
		return false;
	while (t->level && last <= t->last) {
		i = pt_index(pt, t, first);
		if (last > pt_item_last(pt, t, i) ||
		    (first == pt_item_first(pt, t, i) && last == pt_item_last(pt, t, i)))
			break;
		pte = item_load(&t->items[i]);
		if (pt_item_type(pt, t->level, pte) != PT_TABLE)
			break;
		next = pt_table_level(pt, t->level, pte);
		span = pt_shift(pt, next) + pt_items_lg2(pt, next, PT_MAX_LEVELS);
		if (last - pt_item_first(pt, t, i) > low_mask(span)) /* it skips levels */
			break;
		if (!pt_open_child(pt, t, i, pte, true, t))
			return false;
	}
	return true;
}

#endif
