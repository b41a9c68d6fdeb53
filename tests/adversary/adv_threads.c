/* SPDX-License-Identifier: MIT */
/* All actors at once, as threads, for a time. */
#include <sched.h>
#include <time.h>

#include "adv.h"

/* Others are let in more often than the machine would. */
static void point(struct adv_world *w, const char *where)
{
	(void)w;
	(void)where;
	if (!adv_below(&adv_self->rng, 64))
		sched_yield();
}

static void *actor_main(void *arg)
{
	struct timespec breath = { .tv_nsec = 50000 };
	struct adv_actor *self = arg;

	adv_self = self;
	while (!adv_stopped(self->w)) {
		adv_step(self);
		/* Devices flat out would leave the others no time where there are few CPUs. */
		if (self->role == ADV_AGENT && !adv_below(&self->rng, 64))
			nanosleep(&breath, NULL);
	}
	adv_finish(self);
	return NULL;
}

/* Time is up and everybody had a turn, which under valgrind takes a while. */
static bool enough(struct adv_world *w, double until)
{
	unsigned int i;

	if (adv_clock() < until)
		return false;
	for (i = 0; i < w->nr_actors; i++)
		if (!__atomic_load_n(&w->actor[i].ops, __ATOMIC_RELAXED))
			return false;
	return true;
}

static void run(struct adv_world *w)
{
	struct timespec ms = { .tv_nsec = 1000000 };
	double until = adv_clock() + w->cfg.seconds;
	unsigned int i;

	w->point = point;
	for (i = 0; i < w->nr_actors; i++)
		iodt_assert_ok(pthread_create(&w->actor[i].thread, NULL, actor_main, &w->actor[i]));
	while (!adv_stopped(w) && !enough(w, until))
		nanosleep(&ms, NULL);
	adv_stop(w);
	for (i = 0; i < w->nr_actors; i++)
		iodt_assert_ok(pthread_join(w->actor[i].thread, NULL));
	w->point = NULL;
}

void adv_threads(const struct adv_cfg *cfg, struct adv_result *res)
{
	struct adv_world w;

	if (adv_open(&w, cfg, res)) {
		run(&w);
		if (!res->failed)
			adv_last_pass(&w);
	}
	adv_close(&w);
}
