/* SPDX-License-Identifier: MIT */
/*
 * Inside of iod_gpa_join: ranges in two trees, by IOVA and by GPA.
 *
 * A range is live, or buried: it stood for something until the journal's time `died`, and is kept as long as
 * somebody who began to take marks before that has not looked them up. Who takes marks says so by
 * iod_join_begin() and iod_join_end().
 */
#ifndef IOD_DIRTY_JOIN_H
#define IOD_DIRTY_JOIN_H

#include <pthread.h>

#include <iodirty/gpa_join.h>

#include "bits.h"
#include "itree.h"
#include "pgtable/mem.h"

struct join_range {
	struct itree_node iova, gpa;
	struct join_range *next; /* buried later */
	uint64_t died;
	bool buried, loose;
};

/* Reasons to remember what is buried. */
enum join_hold {
	JOIN_PASS,  /* a pass over the table */
	JOIN_UNMAP, /* an unmap was recorded and not collected yet */
	JOIN_HOLDS,
};

/* A table of a log. */
struct join_user {
	struct join_user *next;
	uint64_t since[JOIN_HOLDS]; /* the journal's time when it began; 0: it does not hold */
	/* Marks GPAs in the log, without waiting for any lock but the join's, which is held. */
	void (*mark)(struct join_user *user, uint64_t gpa, uint64_t last);
	const void *log; /* all tables of a join are in one log */
};

struct iod_gpa_join {
	struct iod_allocator allocator;
	pthread_mutex_t lock;
	struct itree iovas, gpas;
	struct join_user *users;
	struct join_range *buried, **buried_end; /* in order of death */
	uint64_t now, max_ranges;
	uint64_t changes; /* calls that changed what anything stands for */
	uint64_t nr_live, nr_buried, nr_loose;
	uint64_t unknown, given_up;
};

static inline struct join_range *join_by_iova(struct itree_node *n)
{
	return n ? (struct join_range *)(void *)((char *)n - offsetof(struct join_range, iova))
		 : NULL;
}

static inline struct join_range *join_by_gpa(struct itree_node *n)
{
	return n ? (struct join_range *)(void *)((char *)n - offsetof(struct join_range, gpa))
		 : NULL;
}

static inline uint64_t join_gpa_of(const struct join_range *r, uint64_t iova)
{
	return r->gpa.first + (iova - r->iova.first);
}

/* @return 0; -EBUSY it belongs to another log */
int iod_join_attach(struct iod_gpa_join *join, struct join_user *user);
void iod_join_detach(struct iod_gpa_join *join, struct join_user *user);

static inline uint64_t iod_join_changes(struct iod_gpa_join *join)
{
	uint64_t changes;

	pthread_mutex_lock(&join->lock);
	changes = join->changes;
	pthread_mutex_unlock(&join->lock);
	return changes;
}

/* From now on nothing is forgotten, until the end of it. */
void iod_join_begin(struct iod_gpa_join *join, struct join_user *user, enum join_hold hold);
void iod_join_end(struct iod_gpa_join *join, struct join_user *user, enum join_hold hold);

/* The parts of ranges, buried ones too, that [iova, last] touches, one after the other; with the lock.
 * Nonzero from fn ends it. */
typedef int (*join_part_fn)(void *cookie, uint64_t iova, uint64_t last, uint64_t gpa);
int iod_join_parts(struct iod_gpa_join *join, uint64_t iova, uint64_t last, join_part_fn fn,
		   void *cookie);

#endif
