/* SPDX-License-Identifier: MIT */
/*
 * The explorer: actors (coroutines) that take turns at points, and every way of taking turns, one run
 * after the other.
 *
 * At a point the actor goes on, or another one does: a preemption. When an actor waits, ends, or
 * says that it pauses, any other may go on, and that is no preemption. All runs with at most so many
 * preemptions are made, by depth-first search: a run is the list of choices made in it, and the
 * next run is the same list with its last choice advanced.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPLORE_ACTORS 3

/* One run: sets a world up, starts actors, explore_run()s them, looks at the end. */
struct explore {
	void (*run)(void *arg);
	void *arg;
	unsigned preemptions; /* at most, in a run */
	bool stop_at_failure;
	/* out */
	uint64_t runs, failures;
	unsigned most_points; /* in a run */
	char what[160];	      /* of the first failure */
};

void explore_all(struct explore *e);

/* Inside a run. */
void explore_start(void (*fn)(void *arg), void *arg);
void explore_run(void); /* returns when all actors have ended */
void explore_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool explore_failed(void);

/* Inside an actor. */
void explore_here(void);  /* a point */
void explore_pause(void); /* any other may go on, for free */
/* Waits until it is true. */
void explore_wait(bool (*ready)(const void *arg), const void *arg);
/* Number of the actor, in the order of their start; -1 outside. */
int explore_self(void);

/* Which accesses are points: those for which this says so. Set before explore_all(). */
extern bool (*explore_is_point)(const volatile void *addr);
/* Built with a sanitizer, which makes each switch dear. */
extern const bool explore_is_slow;
/* Twins: software's compare-exchanges are plain stores; grace periods do not wait. */
extern bool explore_twin_plain, explore_twin_no_grace;

#endif
