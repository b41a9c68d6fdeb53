/* SPDX-License-Identifier: MIT */
/* The slow side of pt_exclude.h. */
#include "pgtable/pt_exclude.h"

#include <sched.h>

#include "rcu.h"

#define SPINS 256u

void iod_pt_dense_begin(struct iod_pgtable *pt)
{
	word_add(&pt->dense_sweeps, 1);
	iod_rcu_wait();
}

void iod_pt_dense_end(struct iod_pgtable *pt)
{
	word_sub(&pt->dense_sweeps, 1);
}

/* Who holds it alone is cleaning one table, and soon done unless the scheduler took its CPU. */
void iod_pt_lock_shared(struct pt_table_lock *lock)
{
	unsigned spins = 0;

	__atomic_fetch_add(&lock->mutators, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&lock->alone, __ATOMIC_SEQ_CST))
		if (++spins > SPINS)
			sched_yield();
}
