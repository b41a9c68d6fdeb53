/* SPDX-License-Identifier: MIT */
/*
 * Threads on one page table. A thread cannot fail a cmocka test: it notes what it saw, and the test
 * fails when all have ended.
 *
 * Tests run for a time, not for a number of operations: short by default, longer with
 * IOD_SOAK_SECONDS. IOD_SEED changes what they do; the interleaving is the machine's.
 */
#ifndef CONC_H
#define CONC_H

#include <pthread.h>

#include "iodtest.h"

#define CONC_AGENTS  4
#define CONC_THREADS 8

struct conc {
	struct iodt *t; /* its allocator, unlike the harness's, may be used by several threads */
	struct iodt own;
	struct iod_iotlb *agent[CONC_AGENTS];
	bool deaf; /* invalidations do not reach the agents */
	uint64_t page;
	uint64_t span;	  /* what one leaf table maps */
	uint64_t base_pa; /* output addresses begin there */
	int stop, failed; /* atomic */
	pthread_mutex_t lock;
	char what[200]; /* the first failure */
};

struct conc_thread {
	struct conc *c;
	void (*fn)(struct conc_thread *self);
	void *arg;
	unsigned int id;
	uint64_t rng;
	_Alignas(8) uint64_t ops;  /* done, to see that it ran; atomic */
	struct iod_gather *gather; /* its own */
	pthread_t thread;
};

/* Objects like those of @t, which only tells the variant. Use c->t afterwards. */
void conc_open(struct conc *c, const struct iodt *t);
/* Destroys them. Returns how many tables were left in the arena. */
uint64_t conc_close(struct conc *c);

/* Notes the first failure, and stops everybody. */
void conc_fail(struct conc *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool conc_stopped(const struct conc *c);

/* Runs them until time is up, each with a gather of its own; fails the test if one failed. */
void conc_run(struct conc *c, struct conc_thread *threads, unsigned int nr, double seconds);
/* Seconds for one test on one variant. */
double conc_seconds(void);

uint64_t conc_random(struct conc_thread *self);
uint64_t conc_below(struct conc_thread *self, uint64_t n);

/* A gather whose invalidations go to every agent. */
struct iod_gather *conc_gather(struct conc *c);

#endif
