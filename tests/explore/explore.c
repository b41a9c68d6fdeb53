/* SPDX-License-Identifier: MIT */
/* See explore.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "explore.h"
#include "points.h"
#include "rcu.h"

/* This file makes no points. */
#undef pthread_mutex_lock
#undef pthread_mutex_unlock
#undef sched_yield

#define STACK_LEN   (128u * 1024)
#define MAX_CHOICES 8192u
#define MAX_LOCKS   16u

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#endif

#if defined(FIBER_ASAN) || defined(FIBER_TSAN)
const bool explore_is_slow = true;
#else
const bool explore_is_slow;
#endif

#ifdef FIBER_ASAN
void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *size);
#endif
#ifdef FIBER_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#endif

struct actor {
	ucontext_t context;
	char *stack;
	void (*fn)(void *arg);
	void *arg;
	bool ended;
	bool (*ready)(const void *arg); /* waits, unless NULL */
	const void *ready_arg;
	unsigned sections;	/* reader sections it is in */
	uint64_t sections_left; /* so often it left the outermost */
	void *fiber, *fake_stack;
	size_t stack_len;
};

struct choice {
	uint8_t taken, options;
};

bool (*explore_is_point)(const volatile void *addr);
bool explore_twin_plain, explore_twin_no_grace;

/* Number EXPLORE_ACTORS is whoever called explore_run(). */
static struct actor actors[EXPLORE_ACTORS + 1];
static int nr_actors, self = -1;

static struct choice choices[MAX_CHOICES];
static unsigned nr_choices, at_choice;

static struct explore *now;
static unsigned preemptions, points;
static bool failed;

static pthread_mutex_t *locks[MAX_LOCKS];

/* ---- choices ---- */

/* One of 0..options-1: 0 the first time. */
static unsigned choose(unsigned options)
{
	if (options < 2)
		return 0;
	if (at_choice == nr_choices) {
		if (nr_choices == MAX_CHOICES) {
			fprintf(stderr, "explore: too many choices in a run\n");
			abort();
		}
		choices[nr_choices++] = (struct choice){ 0, (uint8_t)options };
	}
	if (choices[at_choice].options != options) {
		fprintf(stderr, "explore: a run does not repeat itself\n");
		abort();
	}
	return choices[at_choice++].taken;
}

/* The next list of choices; false when there are no more. */
static bool next_choices(void)
{
	while (nr_choices) {
		struct choice *last = &choices[nr_choices - 1];

		if (++last->taken < last->options)
			return true;
		nr_choices--;
	}
	return false;
}

void explore_all(struct explore *e)
{
	now = e;
	nr_choices = 0;
	e->runs = 0;
	e->failures = 0;
	e->most_points = 0;
	do {
		at_choice = 0;
		preemptions = e->preemptions;
		points = 0;
		failed = false;
		nr_actors = 0;
		e->run(e->arg);
		e->runs++;
		e->failures += failed;
		if (points > e->most_points)
			e->most_points = points;
	} while (!(failed && e->stop_at_failure) && next_choices());
	now = NULL;
}

void explore_fail(const char *format, ...)
{
	va_list args;

	if (!failed && !now->failures) {
		va_start(args, format);
		vsnprintf(now->what, sizeof(now->what), format, args);
		va_end(args);
	}
	failed = true;
}

bool explore_failed(void)
{
	return failed;
}

/* ---- coroutines ---- */

static void switch_to(int to)
{
	struct actor *a = &actors[self < 0 ? EXPLORE_ACTORS : self];
	struct actor *b = &actors[to < 0 ? EXPLORE_ACTORS : to];

	self = to;
#ifdef FIBER_TSAN
	if (!a->fiber)
		a->fiber = __tsan_get_current_fiber();
	if (!b->fiber)
		b->fiber = __tsan_create_fiber(0);
	__tsan_switch_to_fiber(b->fiber, 0);
#endif
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(&a->fake_stack, b->stack, b->stack_len);
#endif
	swapcontext(&a->context, &b->context);
#ifdef FIBER_ASAN
	__sanitizer_finish_switch_fiber(a->fake_stack, NULL, NULL);
#endif
}

static bool can_go_on(const struct actor *a)
{
	return !a->ended && (!a->ready || a->ready(a->ready_arg));
}

/* The others that can go on; returns how many. */
static unsigned others(int list[EXPLORE_ACTORS])
{
	unsigned n = 0;
	int i;

	for (i = 0; i < nr_actors; i++)
		if (i != self && can_go_on(&actors[i]))
			list[n++] = i;
	return n;
}

/* Somebody else goes on, if anybody can. */
static bool give_way(void)
{
	int list[EXPLORE_ACTORS];
	unsigned n = others(list);

	if (!n)
		return false;
	switch_to(list[choose(n)]);
	return true;
}

static void actor_main(void)
{
	struct actor *a = &actors[self];
	int i;

#ifdef FIBER_ASAN
	const void *stack;
	size_t len;

	__sanitizer_finish_switch_fiber(NULL, &stack, &len);
	if (!actors[EXPLORE_ACTORS].stack) { /* the first switch of all is from there */
		actors[EXPLORE_ACTORS].stack = (char *)(uintptr_t)stack;
		actors[EXPLORE_ACTORS].stack_len = len;
	}
#endif
	for (;;) { /* the stack is used again by the next run */
		a->fn(a->arg);
		a->ended = true;
		if (give_way())
			continue;
		for (i = 0; i < nr_actors; i++)
			if (!actors[i].ended) {
				fprintf(stderr, "explore: actor %d waits for ever\n", i);
				abort();
			}
		switch_to(-1);
	}
}

static void make_stack(struct actor *a)
{
	a->stack = malloc(STACK_LEN);
	if (!a->stack || getcontext(&a->context))
		abort();
	a->stack_len = STACK_LEN;
	a->context.uc_stack.ss_sp = a->stack;
	a->context.uc_stack.ss_size = STACK_LEN;
	a->context.uc_link = NULL;
	makecontext(&a->context, actor_main, 0);
}

void explore_start(void (*fn)(void *arg), void *arg)
{
	struct actor *a = &actors[nr_actors++];

	if (!a->stack)
		make_stack(a);
	a->fn = fn;
	a->arg = arg;
	a->ended = false;
	a->ready = NULL;
}

void explore_run(void)
{
	switch_to((int)choose((unsigned)nr_actors));
}

int explore_self(void)
{
	return self;
}

/* ---- points ---- */

void explore_here(void)
{
	int list[EXPLORE_ACTORS];
	unsigned n, c;

	if (self < 0)
		return;
	points++;
	if (!preemptions)
		return;
	n = others(list);
	c = choose(1 + n);
	if (!c)
		return;
	preemptions--;
	switch_to(list[c - 1]);
}

void explore_pause(void)
{
	int list[EXPLORE_ACTORS];
	unsigned c;

	if (self < 0)
		return;
	c = choose(1 + others(list));
	if (c)
		switch_to(list[c - 1]);
}

void explore_wait(bool (*ready)(const void *arg), const void *arg)
{
	struct actor *a = &actors[self];

	if (ready(arg))
		return;
	if (self < 0) {
		fprintf(stderr, "explore: nobody to wait for\n");
		abort();
	}
	a->ready = ready;
	a->ready_arg = arg;
	if (!give_way()) {
		fprintf(stderr, "explore: all actors wait\n");
		abort();
	}
	a->ready = NULL;
}

/* ---- what the library calls ---- */

void explore_point(const volatile void *addr)
{
	if (self >= 0 && explore_is_point(addr))
		explore_here();
}

bool explore_plain(const volatile void *addr)
{
	return explore_twin_plain && self > 0 && explore_is_point(addr);
}

static bool lock_is_free(const void *arg)
{
	unsigned i;

	for (i = 0; i < MAX_LOCKS; i++)
		if (locks[i] == arg)
			return false;
	return true;
}

int explore_lock(pthread_mutex_t *mutex)
{
	unsigned i;

	if (!lock_is_free(mutex))
		explore_wait(lock_is_free, mutex);
	for (i = 0; locks[i]; i++)
		;
	locks[i] = mutex;
	return 0;
}

int explore_unlock(pthread_mutex_t *mutex)
{
	unsigned i;

	for (i = 0; locks[i] != mutex; i++)
		;
	locks[i] = NULL;
	return 0;
}

int explore_yield(void)
{
	if (self < 0 || !give_way()) {
		fprintf(stderr, "explore: nobody to give way to\n");
		abort();
	}
	return 0;
}

/* ---- reader sections ---- */

static unsigned outside_sections;

void explore_enter(void)
{
	if (self < 0)
		outside_sections++;
	else
		actors[self].sections++;
}

void explore_leave(void)
{
	if (self < 0)
		outside_sections--;
	else if (!--actors[self].sections)
		actors[self].sections_left++;
}

bool explore_inside(void)
{
	return self < 0 ? outside_sections : actors[self].sections;
}

struct grace {
	uint64_t left[EXPLORE_ACTORS]; /* UINT64_MAX: was in none */
};

static bool grace_is_over(const void *arg)
{
	const struct grace *g = arg;
	int i;

	for (i = 0; i < nr_actors; i++)
		if (actors[i].sections && actors[i].sections_left == g->left[i])
			return false;
	return true;
}

void __wrap_iod_rcu_wait(void);

void __wrap_iod_rcu_wait(void)
{
	struct grace g;
	int i;

	if (self < 0 || explore_twin_no_grace)
		return;
	for (i = 0; i < nr_actors; i++)
		g.left[i] = actors[i].sections && i != self ? actors[i].sections_left : UINT64_MAX;
	explore_wait(grace_is_over, &g);
}
