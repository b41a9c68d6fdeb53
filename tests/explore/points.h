/* SPDX-License-Identifier: MIT */
/*
 * Included ahead of every source of the library when it is compiled for the explorer: each atomic access
 * is announced before it is made, so that another actor can run in between; locks and yields are the
 * explorer's. Nothing else of the library is changed.
 *
 * (A macro is not expanded again inside its own expansion: the builtins are meant there.)
 */
#ifndef EXPLORE_POINTS_H
#define EXPLORE_POINTS_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Another actor may run now, before *addr is accessed. */
void explore_point(const volatile void *addr);
/* Twin: whether this compare-exchange is to be a plain store. */
bool explore_plain(const volatile void *addr);

int explore_lock(pthread_mutex_t *mutex);
int explore_unlock(pthread_mutex_t *mutex);
int explore_yield(void);

#define pthread_mutex_lock(m)	explore_lock(m)
#define pthread_mutex_unlock(m) explore_unlock(m)
#define sched_yield()		explore_yield()

/* What an exchange comes to without being atomic. */
static inline uint64_t explore_load_store(uint64_t *p, uint64_t v)
{
	uint64_t old = __atomic_load_n(p, __ATOMIC_RELAXED);

	explore_point(p);
	memcpy(p, &v, sizeof(v));
	return old;
}

#define __atomic_load_n(p, order)     (explore_point(p), __atomic_load_n(p, order))
#define __atomic_store_n(p, v, order) (explore_point(p), __atomic_store_n(p, v, order))
#define __atomic_exchange_n(p, v, order)                                                        \
	(explore_point(p), explore_plain(p) ? explore_load_store((uint64_t *)(uintptr_t)(p), v) \
					    : __atomic_exchange_n(p, v, order))
#define __atomic_fetch_or(p, v, order)	(explore_point(p), __atomic_fetch_or(p, v, order))
#define __atomic_fetch_and(p, v, order) (explore_point(p), __atomic_fetch_and(p, v, order))
#define __atomic_compare_exchange_n(p, old, v, weak, order, failed)                   \
	(explore_point(p), explore_plain(p)                                           \
				   ? (__atomic_store_n(p, v, __ATOMIC_RELEASE), true) \
				   : __atomic_compare_exchange_n(p, old, v, weak, order, failed))

#endif
