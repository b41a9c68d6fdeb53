/* SPDX-License-Identifier: MIT */
/*
 * Reader sections and grace periods: liburcu, the bp flavour, which asks no registration of the
 * caller's threads. ThreadSanitizer cannot see into liburcu, so the happens-before edge that a grace
 * period gives is told to it here, in one place.
 */
#ifndef IOD_RCU_H
#define IOD_RCU_H

#include <stdbool.h>

/*
 * Entering and leaving a reader section inline: two thirds of a short call otherwise. liburcu's README
 * asks for this macro of LGPL or GPL compatible code, as MIT's is; and its functions that get inlined so
 * are kept below the ten lines that its licence leaves free to any code.
 */
#if IOD_RCU_INLINE
#define _LGPL_SOURCE
#endif
#include <urcu/urcu-bp.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IOD_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define IOD_TSAN 1
#endif

/* Waits until every reader section that is under way has ended. */
void iod_rcu_wait(void);

#ifdef IOD_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
extern char iod_rcu_tag;
#define rcu_tsan_acquire() __tsan_acquire(&iod_rcu_tag)
#define rcu_tsan_release() __tsan_release(&iod_rcu_tag)
#else
#define rcu_tsan_acquire() ((void)0)
#define rcu_tsan_release() ((void)0)
#endif

static inline void rcu_enter(void)
{
	urcu_bp_read_lock();
}

static inline void rcu_leave(void)
{
	rcu_tsan_release();
	urcu_bp_read_unlock();
}

/* Whether this thread is inside a reader section: waiting there would wait for itself. */
static inline bool rcu_inside(void)
{
	return urcu_bp_read_ongoing() != 0;
}

#endif
