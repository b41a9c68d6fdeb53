/* SPDX-License-Identifier: MIT */
/* src/rcu.h for the explorer, whose actors are no threads: sections are counted by the actor. */
#ifndef IOD_RCU_H
#define IOD_RCU_H

#include <stdbool.h>

void iod_rcu_wait(void);

void explore_enter(void);
void explore_leave(void);
bool explore_inside(void);

static inline void rcu_enter(void)
{
	explore_enter();
}

static inline void rcu_leave(void)
{
	explore_leave();
}

static inline bool rcu_inside(void)
{
	return explore_inside();
}

#endif
