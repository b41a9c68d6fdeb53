/* SPDX-License-Identifier: MIT */
/*
 * A driver's command queue, whatever IOMMU is behind it. Any number of threads put commands in; each waits for its
 * own sync (CMD_SYNC, a wait descriptor, COMPLETION_WAIT), which covers all that lies before it, whoever put it there.
 *
 * A vendor brings a small table: how to learn where hardware is and whether it has stopped, what a sync looks like,
 * how to go on behind an error. Positions are counted in 64 bits and never wrap; registers hold their low bits.
 *
 *   done <= head   what lies before done is complete
 *   tail <= head   what lies before tail was fetched; [tail, head) is in the ring
 *
 * Where a sync is complete when hardware has consumed it (SMMUv3), done is the tail. Where it writes a word to memory
 * (VT-d, AMD-Vi), that word is the low bits of the position behind the sync. Syncs complete in order, so one word is
 * enough for all threads: done only grows, and is never further from the word than the ring is long.
 */
#ifndef IOD_CMDQ_H
#define IOD_CMDQ_H

#include <pthread.h>

#include "ring.h"

/* Threads that have submitted without a sync; one more than these syncs at once. */
#define CMDQ_NR_STRAYS	64u

#define CMDQ_SYNC_WORDS 4u

struct cmdq;
struct submission;

/* What became of commands. */
enum cmdq_error {
	CMDQ_OK = 0,
	CMDQ_REFUSED = 1,     /* not carried out */
	CMDQ_UNANSWERED = 2,  /* a device did not answer its invalidation */
	CMDQ_MISANSWERED = 3, /* or did so wrongly */
	CMDQ_LOST = 4,	      /* the queue was given up */
	CMDQ_NR_ERRORS
};

/* Why hardware stands still; several at a time. */
#define CMDQ_STOP_REFUSED     (1u << 0) /* it does not want the command at the tail */
#define CMDQ_STOP_UNREADABLE  (1u << 1) /* nor can it read it */
#define CMDQ_STOP_UNANSWERED  (1u << 2)
#define CMDQ_STOP_MISANSWERED (1u << 3)

/* What the registers say. */
struct cmdq_view {
	uint64_t
		moved; /* entries that hardware has fetched behind the tail; more than there are is nonsense */
	unsigned stop; /* CMDQ_STOP_* */
};

struct cmdq_ops {
	size_t raw_size; /* bytes of a command as the caller has it, at least those of an entry */
	uint32_t spare;	 /* entries of the ring that stay empty */
	bool aborts; /* CMDQ_STOP_UNANSWERED: syncs that were fetched are dropped, not tried again */
	bool passes; /* the tail may lie behind the command that is refused */
	/* Whether it has stopped is read first: where it has, it stays until told to go on. */
	void (*observe)(const struct cmdq *q, struct cmdq_view *view);
	/* The word that syncs write, its low bits in host byte order, into @word. NULL: done is the tail.
	 * @return how many bits, 0: unreadable */
	unsigned (*written)(const struct cmdq *q, uint64_t *word);
	/* A sync for @pos, little-endian. */
	void (*sync)(const struct cmdq *q, uint64_t pos, uint64_t word[CMDQ_SYNC_WORDS]);
	/* Tell hardware the head. */
	void (*publish)(const struct cmdq *q);
	/* Tell hardware to go on. */
	void (*resume)(const struct cmdq *q, unsigned stop);
};

/* A thread's commands that nobody waits for yet. */
struct cmdq_stray {
	pthread_t thread;
	bool used;
	unsigned busy;	      /* calls that are still adding to them */
	uint64_t first, last; /* positions */
	enum cmdq_error error;
};

/* Whose an entry is: one of the two, or nobody's. */
struct cmdq_slot {
	struct submission *who;
	struct cmdq_stray *stray;
	size_t index;  /* of the command in the call */
	bool replaced; /* was refused, is a sync now */
};

struct cmdq_stats {
	size_t size;
	uint64_t commands, syncs, errors, full;
};

/* What the vendors' configurations have in common. */
struct cmdq_cfg {
	const struct cmdq_ops *ops;
	struct iod_mem *mem;
	struct ring ring;
	uint32_t start;			/* position of head and tail */
	void (*doorbell)(void *cookie); /* may be NULL */
	int (*wait)(void *cookie);	/* may be NULL */
	void (*complete)(void *cookie); /* before a sync that is complete returns; may be NULL */
	void *cookie;
};

/* Vendors' queues begin with this. */
struct cmdq {
	struct cmdq_cfg cfg;
	struct iod_allocator allocator;
	size_t len;	      /* of the vendor's struct */
	pthread_mutex_t lock; /* all that follows */
	uint64_t head, tail, done;
	struct cmdq_slot *slots;
	struct submission *waiting;
	struct cmdq_stray strays[CMDQ_NR_STRAYS];
	/* Entries that no stray could take: one past the last position. */
	uint64_t untracked;
	/* Errors that no sync has been told yet: positions of the first and last. */
	bool loose;
	uint64_t loose_first, loose_last;
	enum cmdq_error loose_error;
	uint64_t
		suspect; /* where hardware has stopped for the first time, if it may have passed what it refused */
	uint64_t abort_at; /* the entry that was unreadable last, how often */
	unsigned aborts;
	bool dead;
	bool blind; /* the word that syncs write is not in memory any more */
	struct cmdq_stats stats;
};

struct cmdq_result {
	size_t issued;
	enum cmdq_error error;
};

/* A vendor's queue of @len bytes, zeroed but for its beginning. @return 0, -ENOMEM, -EINVAL */
int iod_cmdq_create(void **out, size_t len, const struct iod_allocator *allocator,
		    const struct cmdq_cfg *cfg);
void iod_cmdq_destroy(struct cmdq *q);

/* @return 0; -EIO; what wait returned; -EINVAL; -EFAULT */
int iod_cmdq_submit(struct cmdq *q, const void *cmds, size_t nr, bool sync,
		    struct cmdq_result *result);

/* The same for the vendors' struct iod_*_submitted, which all have this shape. @map gives their errors. */
struct cmdq_submitted {
	size_t size, issued;
	int error;
};
int iod_cmdq_submit_user(struct cmdq *q, const void *cmds, size_t nr, bool sync, void *user,
			 const uint8_t map[CMDQ_NR_ERRORS]);

/* The same for a sink: -ETIMEDOUT a device did not answer; -ETIME wait gave up with -ETIMEDOUT. */
int iod_cmdq_issue(struct cmdq *q, const void *cmds, size_t nr, bool sync, size_t *issued);

/* A device did not answer, says somebody else than the registers. With @late it may be about a sync that has
 * returned. */
void iod_cmdq_unanswered(struct cmdq *q, bool late);

/* Fill a struct iod_*_stats, which all have the shape of struct cmdq_stats. @return 0, -EINVAL, -E2BIG */
int iod_cmdq_get_stats(struct cmdq *q, void *stats);

#endif
