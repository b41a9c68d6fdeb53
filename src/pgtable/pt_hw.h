/* SPDX-License-Identifier: MIT */
/*
 * One access as hardware makes it: walk, check, mark (struct pt_engine.hw_walk). Included by
 * the engine template, after the format and the contract.
 *
 * Nothing is marked before the whole walk is known to permit the access; then the table items
 * are marked from the top and the leaf last, each by compare-exchange on the value that the
 * walk used. An item that changed meanwhile is not marked: the walk begins anew at the root
 * (bits.md A1.11 rule 11, A3.4). So a leaf is never dirty below a table item whose Accessed
 * this walk has not set, and what the caller caches is what memory held when it was marked.
 *
 * Of a run only the item that the walk read is marked; the translation is the whole run.
 *
 * A table in nested memory: each item is read and marked through stage 2, and so is the output address
 * translated (mem_nested.c). Stage 2 is asked whether it grants the access before this stage is marked, and
 * told of it after: it is not marked for an access that this stage refuses (bits.md A1.11 rules 7, 8).
 */
#ifndef IOD_PT_HW_H
#define IOD_PT_HW_H

#include "pgtable/pt_defs.h"
#include "rcu.h"

/*
 * ARM: a reserved encoding is a translation fault, and what pt_item_reserved() refuses is an
 * address.
 */
#ifndef PT_BAD_IS_TRANSLATION
#define PT_BAD_IS_TRANSLATION 0
#endif

/* Walks of one access: every further one means that somebody changed an item under the last one. */
#define PT_HW_TRIES 256

/* The items read, from the top; the leaf last. */
struct pt_hw_path {
	unsigned nr;
	uint64_t pa[PT_MAX_LEVELS], pte[PT_MAX_LEVELS];
};

/* Read, once, the item of a table that translates w->x. */
static inline enum iod_fault_reason pt_hw_read(const struct iod_pgtable *pt, struct pt_hw_walk *w,
					       uint64_t table, struct pt_hw_path *path)
{
	unsigned shift = pt_shift(pt, w->level);
	unsigned lg2 = pt_items_lg2(pt, w->level, w->top.level);
	enum iod_fault_reason reason = IOD_FAULT_NONE;
	const uint64_t *item;

	w->table_pa[w->level] = table;
	w->table_lg2[w->level] = (uint8_t)(shift + lg2);
	w->pte_pa = table + (((w->x >> shift) & low_mask(lg2)) << 3);
	path->pa[path->nr] = w->pte_pa;
	if (pt->mem->nested) {
		reason = iod_nested_load(pt->mem->nested, w, w->pte_pa, &path->pte[path->nr]);
	} else {
		item = iod_mem_ptr(pt->mem, w->pte_pa, sizeof(*item), false);
		if (!item)
			return IOD_FAULT_WALK_ABORT;
		path->pte[path->nr] = item_load(item);
	}
	path->nr++;
	return reason;
}

/* Whether hardware goes on with the item. */
static inline enum iod_fault_reason pt_hw_check_item(const struct iod_pgtable *pt, unsigned level,
						     uint64_t pte, enum pt_type type)
{
	if (type == PT_NONE)
		return IOD_FAULT_TRANSLATION;
	if (type == PT_BAD)
		return PT_BAD_IS_TRANSLATION ? IOD_FAULT_TRANSLATION : IOD_FAULT_RESERVED;
	if (pt_item_reserved(pt, level, pte))
		return PT_BAD_IS_TRANSLATION ? IOD_FAULT_ADDRESS_SIZE : IOD_FAULT_RESERVED;
	if (pt->only_sizes && type == PT_LEAF && !(pt_leaf_sizes(pt, level) & pt->pgsize_bitmap))
		return IOD_FAULT_RESERVED;
	return IOD_FAULT_NONE;
}

/* Follow a table item. AMD v1: the address bits of skipped levels must be 0 (bits.md A3.2). */
static inline enum iod_fault_reason pt_hw_follow(const struct iod_pgtable *pt, struct pt_hw_walk *w,
						 uint64_t pte)
{
	unsigned level = w->level, next = pt_table_level(pt, level, pte);

	if (next >= level)
		return IOD_FAULT_RESERVED;
	if (w->x & low_mask(pt_shift(pt, level)) & ~low_mask(pt_shift(pt, next + 1)))
		return IOD_FAULT_TRANSLATION;
	w->table_deny[next] = w->table_deny[level] | pt_table_deny(pt, pte);
	w->level = next;
	return IOD_FAULT_NONE;
}

/* From the table at w->level down to a leaf. */
static inline enum iod_fault_reason pt_hw_descend(const struct iod_pgtable *pt,
						  struct pt_hw_walk *w, uint64_t table,
						  struct pt_hw_path *path)
{
	enum iod_fault_reason reason;
	enum pt_type type;
	uint64_t pte;

	for (;;) {
		reason = pt_hw_read(pt, w, table, path);
		if (reason != IOD_FAULT_NONE)
			return reason;
		pte = path->pte[path->nr - 1];
		type = pt_item_type(pt, w->level, pte);
		reason = pt_hw_check_item(pt, w->level, pte, type);
		if (reason != IOD_FAULT_NONE || type == PT_LEAF)
			return reason;
		reason = pt_hw_follow(pt, w, pte);
		if (reason != IOD_FAULT_NONE)
			return reason;
		table = pt_table_pa(pt, pte);
	}
}

/* The result of a walk that ended in a leaf. */
static inline void pt_hw_translate(const struct iod_pgtable *pt, struct pt_hw_walk *w, uint64_t pte)
{
	unsigned level = w->level, lg2 = pt_leaf_lg2(pt, level, pte);
	uint32_t deny = w->table_deny[level];

	w->pa = pt_leaf_pa(pt, level, pte) + (w->x & low_mask(lg2));
	w->leaf_lg2 = lg2;
	w->page_lg2 = lg2;
	w->prot = pt_leaf_prot(pt, pte) & ~(deny & PT_RW);
	w->prot |= deny & (IOD_PROT_NOEXEC | IOD_PROT_PRIV);
}

static inline bool pt_hw_permits(uint32_t prot, uint32_t access)
{
	if ((access & IOD_ACCESS_READ) && !(prot & IOD_PROT_READ))
		return false;
	if ((access & IOD_ACCESS_WRITE) && !(prot & IOD_PROT_WRITE))
		return false;
	if ((access & IOD_ACCESS_EXEC) && (prot & IOD_PROT_NOEXEC))
		return false;
	return (access & IOD_ACCESS_PRIV) || !(prot & IOD_PROT_PRIV);
}

/* Write an item that is still what the walk read. */
static inline enum pt_hw_put pt_hw_put(const struct iod_pgtable *pt, struct pt_hw_walk *w,
				       uint64_t pa, uint64_t old, uint64_t pte)
{
	uint64_t *item;

	if (pte == old)
		return PT_HW_PUT;
	if (pt->mem->nested)
		return iod_nested_put(pt->mem->nested, w, pa, old, pte);
	item = iod_mem_ptr(pt->mem, pa, sizeof(*item), true);
	if (!item)
		return PT_HW_UNWRITABLE;
	return item_cas(item, &old, pte) ? PT_HW_PUT : PT_HW_CHANGED;
}

static inline enum pt_hw_put pt_hw_mark_tables(const struct iod_pgtable *pt, struct pt_hw_walk *w,
					       const struct pt_hw_path *path)
{
	enum pt_hw_put put;
	uint64_t old, pte;
	unsigned i;

	for (i = 0; i + 1 < path->nr && !w->never_table_access; i++) {
		old = path->pte[i];
		pte = pt_hw_mark_table(pt, old, w->table_access);
		put = pt_hw_put(pt, w, path->pa[i], old, pte);
		if (put != PT_HW_PUT)
			return put;
		w->set_access += pte != old;
	}
	return PT_HW_PUT;
}

static inline enum pt_hw_put pt_hw_mark_leaf(const struct iod_pgtable *pt, struct pt_hw_walk *w,
					     uint64_t old)
{
	bool write = (w->access & IOD_ACCESS_WRITE) && w->set_dirty;
	uint64_t pte = pt_hw_mark(pt, old, write);
	enum pt_hw_put put = pt_hw_put(pt, w, w->pte_pa, old, pte);

	if (put != PT_HW_PUT)
		return put;
	w->set_access += pt_leaf_accessed(pt, old) != pt_leaf_accessed(pt, pte);
	w->set_dirty_bits += pt_leaf_dirty(pt, old) != pt_leaf_dirty(pt, pte);
	/* Nothing that a write would change: dirty already, or not tracked. */
	w->dirty = (w->prot & IOD_PROT_WRITE) && pt_hw_mark(pt, pte, true) == pte;
	return PT_HW_PUT;
}

/* Whether anything is left to mark. */
static inline bool pt_hw_unmarked(const struct iod_pgtable *pt, const struct pt_hw_walk *w,
				  const struct pt_hw_path *path)
{
	uint64_t pte = path->pte[path->nr - 1];
	unsigned i;

	for (i = 0; i + 1 < path->nr && !w->never_table_access; i++)
		if (pt_hw_mark_table(pt, path->pte[i], w->table_access) != path->pte[i])
			return true;
	return pt_hw_mark(pt, pte, (w->access & IOD_ACCESS_WRITE) && w->set_dirty) != pte;
}

/* Marks what a permitted access marks. *again when an item changed before that. */
static inline enum iod_fault_reason pt_hw_mark_path(const struct iod_pgtable *pt,
						    struct pt_hw_walk *w,
						    const struct pt_hw_path *path, bool *again)
{
	const struct mem_nested *nested = pt->mem->nested;
	enum iod_fault_reason reason = IOD_FAULT_NONE;
	enum pt_hw_put put;

	if (nested && pt_hw_unmarked(pt, w, path))
		reason = iod_nested_check(nested, w);
	if (reason != IOD_FAULT_NONE)
		return reason;
	put = pt_hw_mark_tables(pt, w, path);
	if (put == PT_HW_PUT)
		put = pt_hw_mark_leaf(pt, w, path->pte[path->nr - 1]);
	*again = put == PT_HW_CHANGED;
	if (put == PT_HW_PUT && nested)
		return iod_nested_output(nested, w);
	if (put == PT_HW_REFUSED)
		return w->behind.reason;
	return put == PT_HW_UNWRITABLE ? IOD_FAULT_WALK_ABORT : IOD_FAULT_NONE;
}

/* One walk. *again when an item changed before it could be marked. */
static inline enum iod_fault_reason pt_hw_try(struct iod_pgtable *pt, struct pt_hw_walk *w,
					      bool *again)
{
	struct pt_hw_path path = { .nr = 0 };
	enum iod_fault_reason reason;
	unsigned level;
	uint64_t pte;

	for (level = 0; level < PT_MAX_LEVELS; level++)
		w->table_pa[level] = 0;
	w->top = pt_get_top(pt);
	level = w->top.level;
	w->level = level;
	w->pte_pa = 0;
	w->table_deny[level] = 0;
	if (w->x & ~low_mask(pt_shift(pt, level) + pt_items_lg2(pt, level, level)))
		return IOD_FAULT_RANGE;
	if (w->start_pa) {
		w->level = w->start_level;
		w->table_deny[w->level] = w->start_deny;
	}
	reason = pt_hw_descend(pt, w, w->start_pa ? w->start_pa : w->top.pa, &path);
	if (reason != IOD_FAULT_NONE)
		return reason;

	pte = path.pte[path.nr - 1];
	pt_hw_translate(pt, w, pte);
	if (pt_hw_access_flag_fault(pt, pte))
		return IOD_FAULT_ACCESS_FLAG;
	if (!pt_hw_permits(w->prot, w->access))
		return IOD_FAULT_PERMISSION;
	return pt_hw_mark_path(pt, w, &path, again);
}

static inline enum iod_fault_reason pt_hw_access(struct iod_pgtable *pt, struct pt_hw_walk *w)
{
	enum iod_fault_reason reason;
	unsigned tries;
	bool again;

	if (iod_pt_address(pt, w->iova, &w->x))
		return IOD_FAULT_RANGE;
	for (tries = 0; tries < PT_HW_TRIES; tries++) {
		again = false;
		reason = pt_hw_try(pt, w, &again);
		if (!again)
			return reason;
		w->start_pa = 0;
	}
	return IOD_FAULT_WALK_ABORT;
}

/*
 * See struct pt_engine.hw_walk. No reader's section around a nested walk, which waits for a lock: the tables
 * are not the library's to free, and stage 2 has a section of its own for each of its walks.
 */
static int pt_hw_walk(struct iod_pgtable *pt, struct pt_hw_walk *w, struct iod_fault *fault)
{
	enum iod_fault_reason reason;

	w->level = 0;
	w->pte_pa = 0;
	w->set_access = 0;
	w->set_dirty_bits = 0;
	w->behind.reason = IOD_FAULT_NONE;
	if (!pt->mem->nested)
		rcu_enter();
	reason = pt_hw_access(pt, w);
	if (!pt->mem->nested)
		rcu_leave();
	if (reason == IOD_FAULT_NONE)
		return 0;
	*fault = (struct iod_fault){
		.reason = reason,
		.stage = pt->mem->nested ? 1 : PT_STAGE,
		.level = w->level,
		.pte_pa = w->pte_pa,
	};
	if (w->behind.reason != IOD_FAULT_NONE)
		*fault = w->behind;
	fault->access = w->access;
	fault->iova = w->iova;
	fault->domain = pt->domain;
	return -EFAULT;
}

#endif
