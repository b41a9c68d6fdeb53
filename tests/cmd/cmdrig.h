/* SPDX-License-Identifier: MIT */
/*
 * A driver's command queue of any vendor with hardware behind it, which notes what it obeyed and when it was complete.
 * A row is a vendor's queue and one kind of hardware: the library's consumer, or one written here from the
 * specifications, which fetches first and completes later.
 */
#ifndef CMDRIG_H
#define CMDRIG_H

#include <pthread.h>

#include "iodtest.h"

#define RIG_BASE   IODT_BIT(32)
#define RIG_WORD   IODT_BIT(20) /* a page for what syncs write; they write at + RIG_WORD_AT */
#define RIG_IDS	   (1u << 16)	/* numbers of commands */
#define RIG_BAD	   (1u << 16)	/* a command that is refused */
#define RIG_STREAM 4096		/* what is remembered of the order */
#define RIG_RAW	   32		/* bytes of the longest command */
#define RIG_WAITS  4096

enum rig_error { RIG_OK, RIG_REFUSED, RIG_TIMEOUT, RIG_LOST };

struct rig_result {
	size_t issued;
	enum rig_error error;
};

struct rig_stats {
	uint64_t commands, syncs, errors, full;
};

struct rig;

struct rig_row {
	const char *name;
	unsigned min_lg2; /* entries of the smallest ring */
	size_t raw_size;  /* of a command for the queue */
	unsigned entry;	  /* bytes in the ring */
	unsigned spare;	  /* entries that stay empty */
	unsigned stops;	  /* errors that hardware raises for a refused command, at least */
	unsigned word_at; /* where in the page syncs write */
	bool own;	  /* hardware of our own: complete later */
	bool passes;	  /* it leaves the head behind a command that it refuses */
	bool by_event;	  /* timeouts are told by the event log */
	void (*put)(void *raw, uint32_t n);
	/* The number of a command, little-endian; false: refused. */
	bool (*get)(const uint64_t *raw, uint32_t *n);
	int (*create)(struct rig *rig, unsigned lg2, void **q);
	void (*destroy)(void *q);
	int (*submit)(void *q, const void *cmds, size_t nr, bool sync, struct rig_result *result);
	int (*issue)(void *q, const void *cmds, size_t nr, bool sync, size_t *issued);
	void (*stats)(void *q, struct rig_stats *stats);
	void (*turn)(struct rig *rig);
	/* Registers: as at position @start; whether an error stands. */
	void (*reset)(struct rig *rig, uint32_t start);
	bool (*stands)(struct rig *rig);
};

struct rig {
	const struct rig_row *row;
	struct iodt_alloc alloc;
	struct iod_mem *mem;
	uint64_t *ring, *page;
	uint32_t prod, cons, gerror, gerrorn, fsts, status;
	_Alignas(8) uint64_t head, tail, iqercd;
	void *q;
	unsigned lg2;
	bool own_thread;

	pthread_mutex_t lock; /* of the hardware: one turn at a time */
	uint32_t pending[RIG_STREAM];
	uint32_t nr_pending;
	uint32_t order[RIG_STREAM]; /* complete commands */
	uint32_t nr_order;
	uint8_t complete[RIG_IDS];   /* atomic; by number */
	uint8_t unanswered[RIG_IDS]; /* atomic; a device did not answer */
	uint32_t syncs, refused;
	struct {
		uint64_t addr, data;
		bool store;
	} waits[RIG_WAITS]; /* fetched, not complete: hardware of our own */
	uint32_t nr_waits;
	pthread_mutex_t event_lock;
	uint32_t events; /* in the event log */
	/* What goes wrong. */
	uint32_t timeouts;   /* syncs before which a device does not answer */
	bool silent;	     /* twin: and nobody says so */
	bool broken;	     /* it can read nothing */
	bool stopped;	     /* it does not look */
	bool sync_too_early; /* twin: a sync that waits for nothing */

	uint32_t waited, patience; /* calls of wait, until it gives up; 0: never */
	int wait_gives;
	bool no_events; /* the queue has no cfg.events */
	void (*on_doorbell)(struct rig *rig);
	void (*on_wait)(struct rig *rig);

	pthread_t thread; /* the hardware, when it has one of its own */
	bool quit;
};

extern const struct rig_row rig_rows[];
extern const unsigned rig_nr_rows;

#define RIG_FOR_ROWS(row) \
	for (const struct rig_row *row = rig_rows; row < rig_rows + rig_nr_rows; row++)

/* Positions begin at @start. With @own_thread the hardware looks by itself, else when the bell rings. */
void rig_open(struct rig *rig, const struct rig_row *row, unsigned lg2, uint32_t start,
	      bool own_thread);
void rig_close(struct rig *rig);
void rig_turn(struct rig *rig);
bool rig_complete(struct rig *rig, uint32_t n);
/* A command into the @i'th place of an array. */
void rig_put(struct rig *rig, void *cmds, size_t i, uint32_t n);
void rig_puts(struct rig *rig, void *cmds, uint32_t first, size_t nr);
/* Commands first, first + 1, ... */
int rig_submit(struct rig *rig, uint32_t first, size_t nr, bool sync, struct rig_result *result);
struct rig_stats rig_stats(struct rig *rig);

/* For the rows. */
void rig_doorbell(void *cookie);
int rig_wait(void *cookie);
/* A command was obeyed. */
void rig_obey(struct rig *rig, uint32_t n);
/* What was obeyed is complete; or, nobody knows: a device did not answer. */
void rig_complete_all(struct rig *rig);
void rig_unanswer(struct rig *rig);

#endif
