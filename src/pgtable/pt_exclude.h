/* SPDX-License-Identifier: MIT */
/*
 * Mutators and dense clears exclude each other, leaf table by leaf table (docs/dirty.md, "Dense
 * clears"). A mutator is whoever changes or takes away a leaf; writing one into an absent item is not
 * excluded, as dense clears store only to what they loaded as a dirty leaf.
 *
 * While no sweep clears densely, a mutator pays for one load. A sweep that wants to announces itself
 * (iod_pt_dense_begin) and waits for a grace period: mutators that did not see it have left by then. From
 * there on every mutator of a leaf table takes that table's lock, shared with other mutators, and the
 * sweep tries to take it alone, for one table at a time. Locks are hashed: a collision costs a wait, or a
 * table cleaned the slow way.
 */
#ifndef IOD_PT_EXCLUDE_H
#define IOD_PT_EXCLUDE_H

#include "pgtable/pt_defs.h"

static inline struct pt_table_lock *pt_lock_of(struct iod_pgtable *pt, uint64_t table_pa)
{
	return &pt->table_lock[table_pa >> pt->granule_lg2 & (PT_TABLE_LOCKS - 1)];
}

/* Before leaves of a visible leaf table are changed or taken away; inside a reader section that lasts until the end. */
static inline struct pt_table_lock *pt_mutate_begin(struct iod_pgtable *pt, uint64_t table_pa)
{
	struct pt_table_lock *lock;

	if (__builtin_expect(!word_load(&pt->dense_sweeps), 1))
		return NULL;
	lock = pt_lock_of(pt, table_pa);
	iod_pt_lock_shared(lock);
	return lock;
}

static inline void pt_mutate_end(struct pt_table_lock *lock)
{
	if (lock)
		word_sub(&lock->mutators, 1);
}

static inline void pt_dense_leave(struct pt_table_lock *lock)
{
	__atomic_store_n(&lock->alone, 0, __ATOMIC_RELEASE);
}

/*
 * Each side says so first and then looks for the other, both sequentially consistent, so that at least
 * one of them sees the other.
 */
static inline bool pt_dense_try(struct pt_table_lock *lock)
{
	if (__atomic_exchange_n(&lock->alone, 1, __ATOMIC_SEQ_CST))
		return false; /* another sweep */
	if (!__atomic_load_n(&lock->mutators, __ATOMIC_SEQ_CST))
		return true;
	pt_dense_leave(lock);
	return false;
}

#endif
