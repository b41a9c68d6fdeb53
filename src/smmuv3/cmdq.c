/* SPDX-License-Identifier: MIT */
/*
 * A driver's command queue. Any number of threads put commands in; each waits for its own SYNC, which covers all
 * that lies before it, whoever put it there.
 *
 * Positions are counted in 64 bits and never wrap; registers hold their low bits. The lock guards positions and
 * who owns which entry. It is never held while a thread waits or the doorbell rings: the consumer may be a call.
 *
 * Errors. Hardware stops at a command that it refuses until that is acknowledged (Arm IHI 0070, 7.1); whoever
 * polls next sees to it. Commands belong to the call that submitted them, while it waits; those of calls that do
 * not wait, to their thread ("strays"). A stray's error is told to its thread when that syncs, and to the first
 * that syncs after it as well (to several that do so at once): whoever submits need not be who syncs. So an error
 * is rather told twice than lost.
 */
#include <iodirty/smmuv3_queue.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "smmuv3/queue.h"

/* Threads that have submitted without a sync; one more than these syncs at once. */
#define NR_STRAYS 64u
/* Times that the same entry of the ring may be unreadable before the queue is given up. */
#define ABORTS_MAX 8u

/* One call of iod_smmuv3_cmdq_submit(). */
struct submission {
	struct submission *next; /* of those that own entries */
	const struct iod_smmuv3_raw_cmd *cmds;
	size_t nr, placed; /* commands; those that are in the queue */
	bool sync;	   /* a SYNC is to follow, and be waited for */
	bool sync_placed;
	bool waited_for_room;
	uint64_t first;	  /* position of the first command */
	uint64_t sync_at; /* position of the SYNC */
	uint64_t seen;	  /* tail when it looked last */
	bool pardoned;	  /* it has acknowledged an error at that tail */
	size_t refused;	  /* number of the first command that was refused; nr: none was */
	enum iod_smmuv3_cerror cerror;
	struct stray *stray; /* without sync: who owns the commands */
};

/* A thread's commands that nobody waits for yet. */
struct stray {
	pthread_t thread;
	bool used;
	unsigned busy;	      /* calls that are still adding to them */
	uint64_t first, last; /* positions */
	enum iod_smmuv3_cerror cerror;
};

/* Whose an entry is: one of the two, or nobody's. */
struct slot {
	struct submission *who;
	struct stray *stray;
	size_t index;  /* of the command in the call */
	bool replaced; /* was refused, is a SYNC now */
};

struct iod_smmuv3_cmdq {
	struct iod_smmuv3_cmdq_cfg cfg;
	struct iod_allocator allocator;
	struct ring ring;
	pthread_mutex_t lock; /* all that follows */
	uint64_t head, tail;  /* next to be put in; next to be consumed */
	struct slot *slots;
	struct submission *waiting;
	struct stray strays[NR_STRAYS];
	/* Errors of strays that no sync has been told yet: positions of the first and last. */
	bool loose;
	uint64_t loose_first, loose_last;
	enum iod_smmuv3_cerror loose_cerror;
	uint64_t abort_at; /* the entry that was unreadable last, how often */
	unsigned aborts;
	bool dead;
	struct iod_smmuv3_cmdq_stats stats;
};

static struct slot *slot_at(struct iod_smmuv3_cmdq *q, uint64_t pos)
{
	return &q->slots[pos & (ring_nr(&q->ring) - 1)];
}

static uint64_t room(const struct iod_smmuv3_cmdq *q)
{
	return ring_nr(&q->ring) - (q->head - q->tail);
}

/* ---- errors; the lock is held ---- */

/* The first is kept; but that a command was not carried out says more than that a device did not answer. */
static void worsen(enum iod_smmuv3_cerror *was, enum iod_smmuv3_cerror cerror)
{
	if (!*was || *was == IOD_SMMUV3_CERROR_ATC_INV_SYNC)
		*was = cerror;
}

static void blame_submission(struct submission *who, size_t index, enum iod_smmuv3_cerror cerror)
{
	if (index < who->refused)
		who->refused = index;
	worsen(&who->cerror, cerror);
}

/* Leave it to the next sync behind @pos to tell. */
static void blame_next(struct iod_smmuv3_cmdq *q, uint64_t pos, enum iod_smmuv3_cerror cerror)
{
	if (!q->loose) {
		q->loose_first = pos;
		q->loose_cerror = IOD_SMMUV3_CERROR_NONE;
	}
	worsen(&q->loose_cerror, cerror);
	q->loose = true;
	q->loose_last = pos;
}

/* The command at @pos was refused. */
static void blame_one(struct iod_smmuv3_cmdq *q, uint64_t pos, enum iod_smmuv3_cerror cerror)
{
	const struct slot *slot = slot_at(q, pos);

	if (slot->who) {
		blame_submission(slot->who, slot->index, cerror);
		return;
	}
	if (slot->stray)
		worsen(&slot->stray->cerror, cerror);
	blame_next(q, pos, cerror);
}

/* The SYNC at @pos says that an ATC_INV before it was not obeyed, not which. */
static void blame_before(struct iod_smmuv3_cmdq *q, uint64_t pos, enum iod_smmuv3_cerror cerror)
{
	struct submission *who;
	unsigned i;

	for (who = q->waiting; who; who = who->next) {
		bool earlier = who->sync_placed && who->sync_at < pos;

		if (!who->stray && (who->placed || who->sync_placed) && who->first <= pos &&
		    !earlier)
			blame_submission(who, who->nr, cerror);
	}
	for (i = 0; i < NR_STRAYS; i++) {
		if (!q->strays[i].used || q->strays[i].first > pos)
			continue;
		worsen(&q->strays[i].cerror, cerror);
		blame_next(q, pos, cerror);
	}
	if (!slot_at(q, pos)->who)
		blame_next(q, pos, cerror);
}

/* Put a SYNC where the refused command is: it does no harm, and who counts entries is not confused. */
static void replace(struct iod_smmuv3_cmdq *q)
{
	const struct iod_smmuv3_raw_cmd sync = { { iod_le64(IOD_SMMUV3_SYNC), 0 } };
	struct slot *slot = slot_at(q, q->tail);

	blame_one(q, q->tail, IOD_SMMUV3_CERROR_ILL);
	if (slot->replaced || ring_write(&q->ring, (uint32_t)q->tail, &sync, 1) != 1)
		q->dead = true; /* not even that */
	slot->replaced = true;
}

/* Read again; an entry that stays unreadable is the end. */
static void retry(struct iod_smmuv3_cmdq *q)
{
	if (q->abort_at != q->tail)
		q->aborts = 0;
	q->abort_at = q->tail;
	if (++q->aborts > ABORTS_MAX)
		q->dead = true;
}

/* Hardware has stopped at the tail. @return whether it was told to go on */
static bool handle_error(struct iod_smmuv3_cmdq *q, uint32_t cons)
{
	q->stats.errors++;
	if (q->tail != q->head) {
		switch ((cons & IOD_SMMUV3_CMDQ_ERR) >> IOD_SMMUV3_CMDQ_ERR_SHIFT) {
		case IOD_SMMUV3_CERROR_ILL:
			replace(q);
			break;
		case IOD_SMMUV3_CERROR_ATC_INV_SYNC: /* the SYNC is tried again */
			blame_before(q, q->tail, IOD_SMMUV3_CERROR_ATC_INV_SYNC);
			break;
		default:
			retry(q);
			break;
		}
	}
	if (!q->dead)
		ring_toggle32(q->cfg.gerrorn, IOD_SMMUV3_GERROR_CMDQ);
	return !q->dead;
}

/*
 * Learn how far hardware is. GERROR is read first: what CONS says when there is an error stays until that is
 * acknowledged. @return whether the bell must ring, as an error was acknowledged
 */
static bool refresh(struct iod_smmuv3_cmdq *q)
{
	bool error = (ring_observe32(q->cfg.gerror) ^ ring_observe32(q->cfg.gerrorn)) &
		     IOD_SMMUV3_GERROR_CMDQ;
	uint32_t cons = ring_observe32(q->cfg.cons);
	uint32_t moved = queue_distance(&q->ring, cons, (uint32_t)q->tail);

	if (moved <= q->head - q->tail) /* else it is nonsense */
		q->tail += moved;
	return error && !q->dead && handle_error(q, cons);
}

/* ---- submitting; the lock is held ---- */

static void own(struct iod_smmuv3_cmdq *q, struct submission *sub, uint64_t pos, size_t index)
{
	struct slot *slot = slot_at(q, pos);

	slot->who = sub->stray ? NULL : sub;
	slot->stray = sub->stray;
	slot->index = index;
	slot->replaced = false;
}

/* Put in what there is room for. @return how many entries, or -EFAULT */
static int64_t place(struct iod_smmuv3_cmdq *q, struct submission *sub)
{
	const struct iod_smmuv3_raw_cmd sync = { { iod_le64(IOD_SMMUV3_SYNC), 0 } };
	uint64_t n = sub->nr - sub->placed, i, all;

	if (n > room(q))
		n = room(q);
	all = n + (sub->sync && !sub->sync_placed && sub->placed + n == sub->nr && n < room(q));
	if (!all)
		return 0;
	if ((n && ring_write(&q->ring, (uint32_t)q->head, sub->cmds + sub->placed, n) != n) ||
	    (all != n && ring_write(&q->ring, (uint32_t)(q->head + n), &sync, 1) != 1))
		return -EFAULT;
	if (!sub->placed)
		sub->first = q->head;
	for (i = 0; i < all; i++)
		own(q, sub, q->head + i, sub->placed + i);
	sub->placed += n;
	if (all != n) {
		sub->sync_placed = true;
		sub->sync_at = q->head + n;
		q->stats.syncs++;
	}
	if (sub->stray)
		sub->stray->last = q->head + n - 1;
	q->stats.commands += all;
	q->head += all;
	ring_publish32(q->cfg.prod, (uint32_t)q->head & queue_mask(&q->ring));
	return (int64_t)all;
}

/* The thread's strays, or with @make room for them; NULL: none. */
static struct stray *find_stray(struct iod_smmuv3_cmdq *q, bool make)
{
	struct stray *stray = NULL;
	unsigned i;

	for (i = 0; i < NR_STRAYS; i++) {
		if (q->strays[i].used && pthread_equal(q->strays[i].thread, pthread_self()))
			return &q->strays[i];
		if (!q->strays[i].used && !stray)
			stray = &q->strays[i];
	}
	if (!stray || !make)
		return NULL;
	stray->used = true;
	stray->busy = 0;
	stray->thread = pthread_self();
	stray->first = q->head;
	stray->last = q->head;
	stray->cerror = IOD_SMMUV3_CERROR_NONE;
	return stray;
}

static void begin(struct iod_smmuv3_cmdq *q, struct submission *sub)
{
	sub->refused = sub->nr;
	sub->seen = q->tail;
	if (!sub->sync) {
		sub->stray = find_stray(q, true);
		sub->sync = !sub->stray;
	}
	if (sub->stray)
		sub->stray->busy++;
	sub->next = q->waiting;
	q->waiting = sub;
}

/* The submission leaves before its entries do: they become strays. */
static void disown(struct iod_smmuv3_cmdq *q, struct submission *sub)
{
	struct stray *stray = sub->stray ? sub->stray : find_stray(q, true);
	uint64_t pos;

	for (pos = q->tail; pos != q->head; pos++) {
		if (slot_at(q, pos)->who != sub)
			continue;
		slot_at(q, pos)->who = NULL;
		slot_at(q, pos)->stray = stray;
		if (!stray)
			continue;
		if (pos < stray->first)
			stray->first = pos;
		if (pos > stray->last)
			stray->last = pos;
	}
}

/*
 * Tell of strays' errors before the SYNC. Calls come here in any order, and which of the SYNCs under way is the
 * first behind which error was not kept: all that are behind any are told.
 */
static void collect_loose(struct iod_smmuv3_cmdq *q, struct submission *sub)
{
	struct submission *who;

	if (!q->loose || q->loose_first >= sub->sync_at)
		return;
	blame_submission(sub, sub->nr, q->loose_cerror);
	for (who = q->waiting; who; who = who->next)
		if (who->sync && (!who->sync_placed || who->sync_at > q->loose_first))
			blame_submission(who, who->nr, q->loose_cerror);
	q->loose = q->loose_last > sub->sync_at;
	q->loose_first = sub->sync_at;
}

/* What the SYNC has to tell beside its own call's errors. */
static void collect(struct iod_smmuv3_cmdq *q, struct submission *sub)
{
	struct stray *mine = find_stray(q, false);
	unsigned i;

	collect_loose(q, sub);
	if (mine && mine->cerror) {
		blame_submission(sub, sub->nr, mine->cerror);
		mine->cerror = IOD_SMMUV3_CERROR_NONE;
	}
	/* What lies before a SYNC is complete; whose error it was is still to be told. */
	for (i = 0; i < NR_STRAYS; i++)
		if (!q->strays[i].busy && q->strays[i].last < sub->sync_at && !q->strays[i].cerror)
			q->strays[i].used = false;
}

static bool finished(const struct iod_smmuv3_cmdq *q, const struct submission *sub)
{
	return sub->sync ? sub->sync_placed && q->tail > sub->sync_at : sub->placed == sub->nr;
}

/* ---- without the lock ---- */

/* One look at the queue. @return 1: done; 0: something happened; -EAGAIN: nothing did; -EIO, -EFAULT */
static int step(struct iod_smmuv3_cmdq *q, struct submission *sub)
{
	bool bell, moved, done, dead;
	int64_t placed = 0;

	pthread_mutex_lock(&q->lock);
	bell = refresh(q);
	/* An error at the same place again is no progress: a SYNC may time out for ever. */
	sub->pardoned = sub->pardoned && q->tail == sub->seen;
	moved = q->tail != sub->seen || (bell && !sub->pardoned);
	sub->pardoned = sub->pardoned || bell;
	sub->seen = q->tail;
	if (!q->dead)
		placed = place(q, sub);
	if (!placed && !sub->waited_for_room &&
	    sub->placed + sub->sync_placed < sub->nr + sub->sync) {
		sub->waited_for_room = true;
		q->stats.full++;
	}
	done = finished(q, sub);
	dead = q->dead;
	pthread_mutex_unlock(&q->lock);
	if ((bell || placed > 0) && q->cfg.doorbell)
		q->cfg.doorbell(q->cfg.cookie);
	if (placed < 0)
		return (int)placed;
	if (done)
		return 1;
	if (dead)
		return -EIO;
	return moved || placed ? 0 : -EAGAIN;
}

/* Until it is done. @return 0; -EIO, -EFAULT; what wait returned */
static int run(struct iod_smmuv3_cmdq *q, struct submission *sub)
{
	int ret;

	for (;;) {
		ret = step(q, sub);
		if (ret == 1)
			return 0;
		if (ret == -EAGAIN && !q->cfg.wait) {
			sched_yield();
			continue;
		}
		if (ret == -EAGAIN)
			ret = q->cfg.wait(q->cfg.cookie);
		if (ret)
			return ret;
	}
}

static int end(struct iod_smmuv3_cmdq *q, struct submission *sub, int ret,
	       struct iod_smmuv3_submitted *result)
{
	struct submission **link;

	pthread_mutex_lock(&q->lock);
	for (link = &q->waiting; *link != sub; link = &(*link)->next)
		;
	*link = sub->next;
	if (sub->stray)
		sub->stray->busy--;
	if (ret)
		disown(q, sub);
	else if (sub->sync)
		collect(q, sub);
	if (q->dead && ret == -EIO)
		blame_submission(sub, sub->placed, IOD_SMMUV3_CERROR_ABT);
	pthread_mutex_unlock(&q->lock);
	result->issued = sub->refused < sub->placed ? sub->refused : sub->placed;
	result->cerror = sub->cerror;
	return !ret && sub->cerror ? -EIO : ret;
}

int iod_smmuv3_cmdq_submit(struct iod_smmuv3_cmdq *q, const struct iod_smmuv3_raw_cmd *cmds,
			   size_t nr, bool sync, struct iod_smmuv3_submitted *user)
{
	struct iod_smmuv3_submitted result = { .size = sizeof(result) };
	struct submission sub = { .cmds = cmds, .nr = nr, .sync = sync };
	int ret;

	if (!q || (nr && !cmds))
		return -EINVAL;
	if (user) {
		ret = iod_struct_out(user, &result, sizeof(result), sizeof(result));
		if (ret)
			return ret;
	}
	if (!nr && !sync)
		return 0;
	pthread_mutex_lock(&q->lock);
	begin(q, &sub);
	pthread_mutex_unlock(&q->lock);
	ret = run(q, &sub);
	ret = end(q, &sub, ret, &result);
	if (user)
		(void)iod_struct_out(user, &result, sizeof(result), sizeof(result));
	return ret;
}

static int sink_issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		      size_t *issued)
{
	struct iod_smmuv3_submitted result = { .size = sizeof(result) };
	int ret = iod_smmuv3_cmdq_submit(cookie, cmds, nr, sync, &result);

	if (issued)
		*issued = result.issued;
	/* For those that pass it on as an SMMU would (iod_smmuv3_viommu_consume()). */
	if (ret == -EIO && result.cerror == IOD_SMMUV3_CERROR_ATC_INV_SYNC)
		return -ETIMEDOUT;
	/* wait gave up: nobody knows what became of the commands. */
	return ret == -ETIMEDOUT ? -ETIME : ret;
}

int iod_smmuv3_cmdq_sink(struct iod_smmuv3_cmdq *q, struct iod_smmuv3_sink *sink)
{
	struct iod_smmuv3_sink filled = { sizeof(filled), sink_issue, q };

	return q ? iod_struct_out(sink, &filled, sizeof(filled), sizeof(filled)) : -EINVAL;
}

int iod_smmuv3_cmdq_get_stats(struct iod_smmuv3_cmdq *q, struct iod_smmuv3_cmdq_stats *stats)
{
	struct iod_smmuv3_cmdq_stats now;

	if (!q)
		return -EINVAL;
	pthread_mutex_lock(&q->lock);
	now = q->stats;
	pthread_mutex_unlock(&q->lock);
	return iod_struct_out(stats, &now, sizeof(now), sizeof(now));
}

/* ---- creating ---- */

static int check_cfg(struct ring *ring, const struct iod_smmuv3_cmdq_cfg *cfg)
{
	int ret;

	if (!cfg->prod || !cfg->cons || !cfg->gerror || !cfg->gerrorn)
		return -EINVAL;
	ret = iod_smmuv3_ring_init(ring, IOD_SMMUV3_CMDQ, cfg->mem, cfg->base);
	if (ret)
		return ret;
	if (queue_distance(ring, ring_observe32(cfg->prod), ring_observe32(cfg->cons)))
		return -EINVAL;
	return ring_in_memory(ring, true) ? 0 : -EFAULT;
}

static int alloc_cmdq(struct iod_smmuv3_cmdq **out, const struct iod_allocator *allocator,
		      uint32_t nr)
{
	struct iod_smmuv3_cmdq *q = iod_zalloc(allocator, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->slots = iod_zalloc(allocator, nr * sizeof(*q->slots));
	if (!q->slots || pthread_mutex_init(&q->lock, NULL)) {
		iod_zfree(allocator, q->slots, nr * sizeof(*q->slots));
		iod_zfree(allocator, q, sizeof(*q));
		return -ENOMEM;
	}
	*out = q;
	return 0;
}

int iod_smmuv3_cmdq_create(struct iod_smmuv3_cmdq **out, const struct iod_smmuv3_cmdq_cfg *user)
{
	struct iod_allocator allocator;
	struct iod_smmuv3_cmdq_cfg cfg;
	struct iod_smmuv3_cmdq *q;
	struct ring ring;
	int ret;

	if (!out)
		return -EINVAL;
	ret = iod_struct_in(&cfg, sizeof(cfg), user, sizeof(cfg));
	if (!ret)
		ret = iod_allocator_init(&allocator, cfg.allocator);
	if (!ret)
		ret = check_cfg(&ring, &cfg);
	if (!ret)
		ret = alloc_cmdq(&q, &allocator, ring_nr(&ring));
	if (ret)
		return ret;
	q->cfg = cfg;
	q->allocator = allocator;
	q->ring = ring;
	q->head = ring_observe32(cfg.cons) & queue_mask(&ring);
	q->tail = q->head;
	q->stats.size = sizeof(q->stats);
	iod_mem_get(cfg.mem);
	*out = q;
	return 0;
}

int iod_smmuv3_cmdq_destroy(struct iod_smmuv3_cmdq *q)
{
	struct iod_allocator allocator;

	if (!q)
		return -EINVAL;
	allocator = q->allocator;
	iod_mem_put(q->cfg.mem);
	pthread_mutex_destroy(&q->lock);
	iod_zfree(&allocator, q->slots, ring_nr(&q->ring) * sizeof(*q->slots));
	iod_zfree(&allocator, q, sizeof(*q));
	return 0;
}
