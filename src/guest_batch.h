/* SPDX-License-Identifier: MIT */
/*
 * The ground: a guest's batch of commands on its way to the host, for all IOMMUs.
 *
 * Guest commands are taken one by one, the host's are collected in a buffer. Each of those knows how many guest
 * commands are through when it was taken; so whatever the sink refuses, the count is exact. What commands look like,
 * and what becomes of each, is the vendor's; so are the buffer and what it joins.
 */
#ifndef IOD_GUEST_BATCH_H
#define IOD_GUEST_BATCH_H

#include <iodirty/viommu.h>

#include "bits.h"
#include "vdevs.h"

/* Host commands that are handed to the sink at once, at most; and most of one guest command that names a device. */
#define GUEST_ISSUE  256u
#define GUEST_MARGIN 4u
/* The vendor's flags have these bits for these things. */
#define GUEST_SYNC_EACH (1u << 4)
#define GUEST_NO_SYNC	(1u << 5)
#define GUEST_REPEAT	(1u << 7)
#define GUEST_LITERAL	(1u << 8)

enum guest_stat {
	STAT_BATCHES,
	STAT_COMMANDS,
	STAT_REFUSED,
	STAT_HOST,
	STAT_SYNCS,
	NR_STATS,
};

#define GUEST_TABLES 3u
/* The first of them. */
#define GUEST_DEVICES 0u

struct guest_batch;
struct guest_core;

struct guest_ops {
	/* The vendor's sink. @buf: NULL when nr is 0 */
	int (*issue)(struct guest_core *core, const void *buf, size_t nr, bool sync,
		     size_t *issued);
	/* Hands on what was joined. */
	int (*run_end)(struct guest_batch *b);
	uint32_t sync_op; /* what a sync that failed is called in the result */
};

/* Part of the vendor's object. */
struct guest_core {
	const struct guest_ops *ops;
	/* Devices; domains, PASIDs where they have names of their own. Who translates is inside of all of them. */
	struct iod_vdevs table[GUEST_TABLES];
	unsigned int nr_tables;
	_Alignas(8) uint64_t stat[NR_STATS]; /* atomic */
	_Alignas(8) uint64_t
		owed; /* atomic: errno of a sync that the guest's next one is to tell of; 0 */
	/* Times that a batch was left with something that was not synced, and how many of them were since; atomic. */
	uint32_t left_open, closed;
};

/* A host command, and what it stands for. */
struct guest_note {
	uint32_t done; /* guest commands that are through when it was taken */
	uint32_t sid;  /* of the first guest command in it */
	uint32_t op;
};

/* Guest commands that were seen since the kind changed. */
#define GUEST_RECENT_LG2 4u
struct guest_recent {
	uint64_t word[2];
	uint32_t turn;
};

struct guest_batch {
	struct guest_core *core;
	void *buf;	/* GUEST_ISSUE of the vendor's host commands */
	uint32_t flags; /* of the configuration, and NO_SYNC for parts of a guest's queue */
	unsigned int ticket[GUEST_TABLES]; /* iod_vdevs_enter() */
	uint32_t seen;			   /* guest commands translated */
	uint32_t taken;	      /* guest commands that are through when the buffer is empty */
	uint32_t host, syncs; /* as in the result */
	bool unsynced;	      /* something was issued after the last sync */
	bool failed_sync;
	bool issue_failed; /* the error is the sink's */
	enum iod_cmd_reason reason;
	uint32_t sid, op; /* of what failed */
	uint32_t now;	  /* opcode under way, as the guest wrote it */

	unsigned int
		kind; /* the vendor's; what comes between two of a kind may fill again what the first emptied */
	bool all; /* everything of the guest was invalidated since the kind changed */
	uint32_t turn;
	uint32_t run_nr;   /* guest commands in what is being joined; 0: there is nothing */
	uint64_t expanded; /* host commands beyond one for each guest's */
	size_t nr;
	struct guest_recent recent[1u << GUEST_RECENT_LG2];
	struct guest_note note[GUEST_ISSUE];
};

/* Tables are initialised, and freed, together. @max of each. @return 0, -ENOMEM */
int iod_guest_core_init(struct guest_core *core, const struct guest_ops *ops,
			const struct iod_allocator *allocator, const uint32_t *max,
			unsigned int nr);
void iod_guest_core_fini(struct guest_core *core);
int iod_guest_core_stats(struct guest_core *core, struct iod_viommu_stats *stats);

void iod_guest_begin(struct guest_batch *b, struct guest_core *core, void *buf, uint32_t flags);
/* Leaves, counts, and fills *res but for size. @ret is what it came to so far. @return the final result */
int iod_guest_end(struct guest_batch *b, int ret, struct iod_guest_result *res);
/* Hands over the buffer, not what is being joined. */
int iod_guest_issue(struct guest_batch *b, bool sync);
/* Issues the buffer, and lets those in who change devices. Between guest commands. */
int iod_guest_make_room(struct guest_batch *b);
/* Hands over what was collected and joined. */
int iod_guest_flush(struct guest_batch *b, bool sync);
/*
 * Before a callback: what came first is issued, and nothing is in our hands; the VMM may change devices, and wait for
 * others. And after it. The guest command under way is still to be accounted for.
 */
int iod_guest_step_out(struct guest_batch *b);
void iod_guest_step_in(struct guest_batch *b);
/* A sync in the middle of a batch: what batches before this one issued is to be complete as well. */
int iod_guest_sync(struct guest_batch *b);

/*
 * Devices: iod_vdevs_remove(), and iod_vdevs_change() of their states, until nothing is under way that names them: what
 * a guest's queue issued without a sync is to be complete, too. What that sync says is told at the guest's next.
 */
int iod_guest_device_remove(struct guest_core *core, uint32_t vid);
int iod_guest_device_change(struct guest_core *core, uint32_t vid, uint32_t clear, uint32_t set);

/* Between batches: everything that was issued is complete. */
int iod_guest_host_sync(struct guest_core *core);
/* The same for a guest's queue: what a turn that ended too early was told comes first. */
int iod_guest_queue_sync(struct guest_core *core);
/* A turn ends between commands and their sync. The next may be another thread's, whom a host's queue need not tell
 * of what it refused of ours: so it is asked now, and the guest's sync says so. */
void iod_guest_queue_pause(struct guest_core *core);
/* What a consumer makes of an error: the guest's fault, or ours. */
int iod_guest_consumer_error(int ret, bool ours);

/* To the caller. @return 0, -EINVAL, -E2BIG */
int iod_guest_result_out(struct iod_guest_result *user, const struct iod_guest_result *res);

/*
 * Commands of a frequent kind that the decoder would find nothing to say to, and nothing to ignore in: bits are asked
 * of it beforehand, one by one. What is left are the vendor's rules about several.
 */
struct guest_plain {
	uint64_t fixed[2], base[2]; /* bits that are not free, and what they are */
};

struct guest_probe {
	uint64_t base[2];  /* one of the kind */
	uint64_t among[2]; /* bits to ask about */
	/* Whether the decoder takes it as it is, or says no more than what the vendor asks itself. */
	bool (*ok)(const void *id, const uint64_t w[2]);
	const void *id;
};

/* What the decoder does not take with nothing set but @base is never plain. */
void iod_guest_probe(struct guest_plain *plain, const struct guest_probe *probe);

static inline bool guest_is_plain(const struct guest_plain *plain, const uint64_t w[2])
{
	return !(((w[0] & plain->fixed[0]) ^ plain->base[0]) |
		 ((w[1] & plain->fixed[1]) ^ plain->base[1]));
}

/* Everything up to here is through when what was collected is. */
static inline void guest_all_done(struct guest_batch *b, uint32_t done)
{
	if (b->nr)
		b->note[b->nr - 1].done = done;
	else
		b->taken = done;
}

/* The guest command under way needs nothing (more) from the host. */
static inline void guest_nothing(struct guest_batch *b)
{
	if (!b->run_nr)
		guest_all_done(b, b->seen + 1);
}

/*
 * Room for a host command behind which @done guest commands are through; @op and @sid are of the first one that waits
 * for it. *@slot: its place in the buffer. May issue what was collected.
 */
static inline int guest_slot(struct guest_batch *b, uint32_t done, uint32_t op, uint32_t sid,
			     size_t *slot)
{
	struct guest_note *note;

	if (b->nr == GUEST_ISSUE) {
		int ret = iod_guest_issue(b, !(b->flags & GUEST_NO_SYNC));

		if (ret)
			return ret;
	}
	note = &b->note[b->nr];
	note->done = done;
	note->op = op;
	note->sid = sid;
	*slot = b->nr++;
	return 0;
}

static inline void guest_set_kind(struct guest_batch *b, unsigned int kind)
{
	if (kind == b->kind)
		return;
	b->kind = kind;
	b->all = false;
	b->turn++;
}

/* So many host commands more than the guest's, of @most for a batch; a global one of many domains may be above that. */
static inline void guest_expand(struct guest_batch *b, uint64_t n, uint64_t most)
{
	b->expanded = n < most - b->expanded ? b->expanded + n : most;
}

/* Whether the same command came since the kind changed. Remembers it. */
static inline bool guest_is_known(struct guest_batch *b, const uint64_t word[2])
{
	uint64_t mix = (word[0] ^ word[1]) * UINT64_C(0x9e3779b97f4a7c15);
	struct guest_recent *r = &b->recent[mix >> (64 - GUEST_RECENT_LG2)];

	if (!((r->word[0] ^ word[0]) | (r->word[1] ^ word[1])) && r->turn == b->turn)
		return true;
	r->word[0] = word[0];
	r->word[1] = word[1];
	r->turn = b->turn;
	return false;
}

static inline int guest_refuse(struct guest_batch *b, uint32_t sid, enum iod_cmd_reason reason,
			       int ret)
{
	b->reason = reason;
	b->op = b->now;
	b->sid = sid;
	return ret;
}

#endif
