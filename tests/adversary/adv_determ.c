/* SPDX-License-Identifier: MIT */
/*
 * One actor at a time, in an order that the seed decides: the same seed is the same run. Actors have
 * threads of their own, for reader sections are a thread's, but only the one whose turn it is runs. Turns
 * change at points (adv_hooks.c, and in DMA and invalidations), where devices also write without a turn.
 */
#include "adv.h"

#include "rcu.h"

struct order {
	uint64_t rng;
	unsigned int percent_burst, percent_switch;
	sem_t all_done;
};

static struct order order;

static void turn_wait(sem_t *turn)
{
	while (sem_wait(turn) && errno == EINTR)
		;
}

static bool can_run(const struct adv_actor *a)
{
	return !a->done && (!a->ready || a->ready(a->arg));
}

/* Somebody who can run; the present one only if it may stay. */
static struct adv_actor *pick(struct adv_world *w, const struct adv_actor *not_this)
{
	unsigned int i, n = 0, from = (unsigned int)adv_below(&order.rng, w->nr_actors);
	struct adv_actor *a;

	for (i = 0; i < w->nr_actors; i++) {
		a = &w->actor[(from + i) % w->nr_actors];
		if (a != not_this && can_run(a))
			return a;
		n += !a->done;
	}
	if (n && not_this && !can_run(not_this)) {
		print_error("IOD_SEED=%#jx: everybody waits for somebody\n",
			    (uintmax_t)w->cfg.seed);
		abort();
	}
	return NULL;
}

static void turn_to(struct adv_world *w, struct adv_actor *next)
{
	struct adv_actor *self = adv_self;

	if (!next || next == self)
		return;
	w->res->switches++;
	w->res->hash = adv_mix(w->res->hash ^ (w->res->points << 8 | next->id));
	adv_note(w, "-> %s", next->name);
	sem_post(&next->turn);
	turn_wait(&self->turn);
}

static void point(struct adv_world *w, const char *where)
{
	struct adv_actor *self = adv_self;

	(void)where;
	if (!self || w->in_burst)
		return;
	w->res->points++;
	self->reading = rcu_inside();
	/* not while it holds the lock of a device of its own */
	if (self->role != ADV_AGENT && adv_chance(&order.rng, order.percent_burst))
		adv_burst(w, &order.rng);
	if (adv_chance(&order.rng, order.percent_switch)) {
		adv_note(w, "paused %s", where);
		turn_to(w, pick(w, self));
	}
}

/* Others run until it is so. */
static void wait(struct adv_world *w, bool (*ready)(void *arg), void *arg)
{
	struct adv_actor *self = adv_self;

	if (!self)
		return;
	self->reading = rcu_inside();
	self->ready = ready;
	self->arg = arg;
	while (!ready(arg))
		turn_to(w, pick(w, self));
	self->ready = NULL;
}

static void *actor_main(void *arg)
{
	struct adv_actor *self = arg, *next;
	struct adv_world *w = self->w;

	turn_wait(&self->turn);
	adv_self = self;
	while (!adv_stopped(w) && w->res->steps < w->cfg.steps) {
		adv_step(self);
		self->reading = false;
		turn_to(w, pick(w, adv_chance(&order.rng, 50) ? self : NULL));
	}
	adv_note(w, "finishes");
	adv_finish(self);
	adv_note(w, "has finished");
	self->reading = false;
	self->done = true;
	next = pick(w, NULL);
	sem_post(next ? &next->turn : &order.all_done);
	return NULL;
}

static void begin(struct adv_world *w)
{
	unsigned int i;

	order.rng = adv_mix(w->seed + 4);
	order.percent_burst = 5 + 10 * (unsigned int)adv_below(&order.rng, 5);
	order.percent_switch = 3 + 6 * (unsigned int)adv_below(&order.rng, 6);
	sem_init(&order.all_done, 0, 0);
	for (i = 0; i < w->nr_actors; i++) {
		sem_init(&w->actor[i].turn, 0, 0);
		if (pthread_create(&w->actor[i].thread, NULL, actor_main, &w->actor[i])) {
			print_error("no thread\n");
			abort();
		}
	}
	w->point = point;
	w->wait = wait;
	sem_post(&pick(w, NULL)->turn);
}

static void end(struct adv_world *w)
{
	unsigned int i;

	turn_wait(&order.all_done);
	w->point = NULL;
	w->wait = NULL;
	for (i = 0; i < w->nr_actors; i++) {
		pthread_join(w->actor[i].thread, NULL);
		sem_destroy(&w->actor[i].turn);
	}
	sem_destroy(&order.all_done);
}

void adv_determ(const struct adv_cfg *cfg, struct adv_result *res)
{
	struct adv_world w;
	uint32_t f;

	if (adv_open(&w, cfg, res)) {
		begin(&w);
		end(&w);
		if (!res->failed)
			adv_last_pass(&w);
		for (f = 0; f < w.frames; f++)
			res->hash = adv_mix(res->hash ^ ((uint64_t)w.version[f] << 32 | w.copy[f]));
	}
	adv_close(&w);
}
