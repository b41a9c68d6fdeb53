/* SPDX-License-Identifier: MIT */
/*
 * A driver's command queue (see the header): submitting, waiting, and errors.
 *
 * The lock guards positions and who owns which entry. It is never held while a thread waits or the doorbell rings: the
 * consumer may be a call.
 *
 * Errors. Hardware stops at a command that it refuses until that is acknowledged; whoever polls next sees to it.
 * Commands belong to the call that submitted them, while it waits; those of calls that do not wait, to their thread
 * ("strays"). A stray's error is told to its thread when that syncs, and to the first that syncs after it as well (to
 * several that do so at once): whoever submits need not be who syncs. So an error is rather told twice than lost.
 */
#include "cmdq.h"

#include <errno.h>
#include <sched.h>

/* Times that the same entry of the ring may be unreadable before the queue is given up. */
#define ABORTS_MAX 8u

/* One call. */
struct submission {
	struct submission *next; /* of those that own entries */
	const unsigned char *cmds;
	size_t nr, placed; /* commands; those that are in the queue */
	bool sync;	   /* a sync is to follow, and be waited for */
	bool sync_placed;
	bool begun; /* something is in the queue */
	bool waited_for_room;
	unsigned resent;      /* times that hardware has dropped the sync */
	uint64_t first, last; /* positions of what it has put in */
	uint64_t sync_at;     /* position of the sync */
	uint64_t seen;	      /* progress() when it looked last */
	bool pardoned;	      /* it has acknowledged an error at that point */
	size_t refused;	      /* number of the first command that was refused; nr: none was */
	enum cmdq_error error;
	struct cmdq_stray *stray; /* without sync: who owns the commands */
};

static struct cmdq_slot *slot_at(struct cmdq *q, uint64_t pos)
{
	return &q->slots[pos & (ring_nr(&q->cfg.ring) - 1)];
}

static uint64_t room(const struct cmdq *q)
{
	return ring_nr(&q->cfg.ring) - q->cfg.ops->spare - (q->head - q->tail);
}

/* ---- errors; the lock is held ---- */

/* The first is kept; but that a command was not carried out says more than that a device did not answer. */
static void worsen(enum cmdq_error *was, enum cmdq_error error)
{
	if (!*was || *was == CMDQ_UNANSWERED || *was == CMDQ_MISANSWERED)
		*was = error;
}

static void blame_submission(struct submission *who, size_t index, enum cmdq_error error)
{
	if (index < who->refused)
		who->refused = index;
	worsen(&who->error, error);
}

/* Leave it to the next sync behind @pos to tell. */
static void blame_next(struct cmdq *q, uint64_t pos, enum cmdq_error error)
{
	if (!q->loose) {
		q->loose_first = q->loose_last = pos;
		q->loose_error = CMDQ_OK;
	}
	worsen(&q->loose_error, error);
	q->loose = true;
	if (pos < q->loose_first)
		q->loose_first = pos;
	if (pos > q->loose_last)
		q->loose_last = pos;
}

/* The command at @pos was refused. */
static void blame_one(struct cmdq *q, uint64_t pos, enum cmdq_error error)
{
	const struct cmdq_slot *slot = slot_at(q, pos);

	if (slot->who) {
		blame_submission(slot->who, slot->index, error);
		return;
	}
	if (slot->stray)
		worsen(&slot->stray->error, error);
	blame_next(q, pos, error);
}

/*
 * Something before @pos was not obeyed, nobody knows what: all are told that have something there which is not known
 * to be complete; with @ended, also those whose sync is and who have not returned yet.
 */
static void blame_before(struct cmdq *q, uint64_t pos, bool ended, enum cmdq_error error)
{
	struct submission *who;
	bool told = false;
	unsigned i;

	for (who = q->waiting; who; who = who->next) {
		bool earlier = !ended && who->sync_placed && who->sync_at < q->done;

		if (who->stray || !who->begun || who->first > pos || earlier)
			continue;
		blame_submission(who, who->nr, error);
		told = true;
	}
	for (i = 0; i < CMDQ_NR_STRAYS; i++) {
		if (!q->strays[i].used || q->strays[i].first > pos)
			continue;
		worsen(&q->strays[i].error, error);
		blame_next(q, pos - 1, error);
	}
	if (!told || q->untracked > q->done)
		blame_next(q, pos - 1, error);
}

/* Syncs that hardware has fetched and not completed will not complete: they are put in again. */
static void drop_syncs(struct cmdq *q)
{
	struct submission *who;

	for (who = q->waiting; who; who = who->next) {
		if (!who->sync_placed || who->sync_at < q->done || who->sync_at >= q->tail)
			continue;
		who->sync_placed = false;
		who->resent++;
	}
}

/* Put a sync where the refused command is: it does no harm, and who counts entries is not confused. */
static void replace(struct cmdq *q)
{
	uint64_t sync[CMDQ_SYNC_WORDS] = { 0 };
	struct cmdq_slot *slot = slot_at(q, q->tail);

	blame_one(q, q->tail, CMDQ_REFUSED);
	q->cfg.ops->sync(q, q->tail, sync);
	if (slot->replaced || ring_write(&q->cfg.ring, (uint32_t)q->tail, sync, 1) != 1)
		q->dead = true; /* not even that */
	slot->replaced = true;
}

/*
 * A command was refused: that at the tail, or where hardware may have passed it, the one before. To tell which, it is
 * asked to go on: if it stops at the same place, it is the one there; if it gets on, it was the one before.
 */
static void refuse(struct cmdq *q)
{
	bool passed =
		q->cfg.ops->passes && q->done < q->tail; /* what is complete was not refused */

	if (passed && q->tail == q->head) {
		blame_one(q, q->tail - 1, CMDQ_REFUSED);
	} else if (passed && q->suspect != q->tail) {
		q->suspect = q->tail;
	} else if (q->tail != q->head) {
		q->suspect = 0;
		replace(q);
	}
}

/*
 * Hardware has got on from where it had stopped for the first time: says the head, or the word of a sync behind it.
 * Whose command it was has not returned yet, and its slot was not used again. If just what lies before that place is
 * complete, there is a sync, which was not refused.
 */
static void resolve_suspect(struct cmdq *q)
{
	if (!q->suspect || (q->suspect == q->tail && q->done < q->suspect))
		return;
	if (q->done != q->suspect)
		blame_one(q, q->suspect - 1, CMDQ_REFUSED);
	q->suspect = 0;
}

/* Read again; an entry that stays unreadable is the end. */
static void retry(struct cmdq *q)
{
	if (q->abort_at != q->tail)
		q->aborts = 0;
	q->abort_at = q->tail;
	if (++q->aborts > ABORTS_MAX)
		q->dead = true;
}

/* Hardware has stopped at the tail. @return whether it was told to go on */
static bool handle_error(struct cmdq *q, unsigned stop)
{
	bool waits = q->tail != q->head; /* else there is nothing that it could not like */

	q->stats.errors++;
	/* It cannot refuse what is complete; whose that was may be gone. */
	if ((stop & CMDQ_STOP_REFUSED) && q->done > q->tail)
		stop ^= CMDQ_STOP_REFUSED | CMDQ_STOP_UNREADABLE;
	if ((stop & CMDQ_STOP_UNANSWERED) && (waits || q->cfg.ops->aborts)) {
		blame_before(q, q->tail, false, CMDQ_UNANSWERED);
		if (q->cfg.ops->aborts)
			drop_syncs(q);
	}
	if (stop & CMDQ_STOP_MISANSWERED) /* the sync may be complete nevertheless */
		blame_before(q, q->tail, true, CMDQ_MISANSWERED);
	if (stop & CMDQ_STOP_REFUSED)
		refuse(q);
	if ((stop & CMDQ_STOP_UNREADABLE) && waits)
		retry(q);
	if (!q->dead)
		q->cfg.ops->resume(q, stop);
	return !q->dead;
}

/* Learn how far syncs are complete. A word that no sync of ours can have written is nonsense. */
static void refresh_done(struct cmdq *q)
{
	uint64_t word = 0, moved;
	unsigned bits;

	if (!q->cfg.ops->written) {
		q->done = q->tail;
		return;
	}
	bits = q->cfg.ops->written(q, &word);
	q->blind = !bits;
	if (!bits)
		return;
	moved = (word - q->done) & low_mask(bits);
	if (moved > q->head - q->done)
		return;
	q->done += moved;
}

/* Learn how far hardware is. @return whether the bell must ring, as an error was acknowledged */
static bool refresh(struct cmdq *q)
{
	struct cmdq_view view;

	/* First of all: what went wrong before a sync was complete is seen then. */
	refresh_done(q);
	q->cfg.ops->observe(q, &view);
	if (view.moved <= q->head - q->tail) /* else it is nonsense */
		q->tail += view.moved;
	if (view.stop || !q->cfg.ops->written)
		refresh_done(q);
	resolve_suspect(q);
	return view.stop && !q->dead && handle_error(q, view.stop);
}

/* ---- submitting; the lock is held ---- */

static void own(struct cmdq *q, struct submission *sub, uint64_t pos, size_t index)
{
	struct cmdq_slot *slot = slot_at(q, pos);

	slot->who = sub->stray ? NULL : sub;
	slot->stray = sub->stray;
	slot->index = index;
	slot->replaced = false;
}

static bool write_commands(struct cmdq *q, const struct submission *sub, uint64_t n)
{
	size_t raw_size = q->cfg.ops->raw_size;
	uint64_t i;

	for (i = 0; i < n; i++)
		if (ring_write(&q->cfg.ring, (uint32_t)(q->head + i),
			       sub->cmds + (sub->placed + i) * raw_size, 1) != 1)
			return false;
	return true;
}

static bool write_sync(struct cmdq *q, uint64_t pos)
{
	uint64_t sync[CMDQ_SYNC_WORDS] = { 0 };

	q->cfg.ops->sync(q, pos, sync);
	return ring_write(&q->cfg.ring, (uint32_t)pos, sync, 1) == 1;
}

/* @n commands, and with @sync a sync, are in the ring. */
static void placed(struct cmdq *q, struct submission *sub, uint64_t n, bool sync)
{
	uint64_t i;

	if (!sub->begun)
		sub->first = q->head;
	sub->begun = true;
	for (i = 0; i < n + sync; i++)
		own(q, sub, q->head + i, sub->placed + i);
	sub->placed += n;
	if (sync) {
		sub->sync_placed = true;
		sub->sync_at = q->head + n;
		q->stats.syncs++;
	}
	q->stats.commands += n + sync;
	q->head += n + sync;
	sub->last = q->head - 1;
	if (sub->stray)
		sub->stray->last = sub->last;
}

/* Put in what there is room for. @return how many entries, or -EFAULT */
static int64_t place(struct cmdq *q, struct submission *sub)
{
	uint64_t n = sub->nr - sub->placed;
	bool sync;

	if (n > room(q))
		n = room(q);
	sync = sub->sync && !sub->sync_placed && sub->placed + n == sub->nr && n < room(q);
	if (!(n + sync))
		return 0;
	if (!write_commands(q, sub, n) || (sync && !write_sync(q, q->head + n)))
		return -EFAULT;
	placed(q, sub, n, sync);
	q->cfg.ops->publish(q);
	return (int64_t)(n + sync);
}

/* The thread's strays, or with @make room for them; NULL: none. */
static struct cmdq_stray *find_stray(struct cmdq *q, bool make)
{
	struct cmdq_stray *stray = NULL;
	unsigned i;

	for (i = 0; i < CMDQ_NR_STRAYS; i++) {
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
	stray->error = CMDQ_OK;
	return stray;
}

/* A number that changes when something gets on. Syncs that are dropped and put in again do not. */
static uint64_t progress(const struct cmdq *q, const struct submission *sub)
{
	return sub->resent ? q->done : q->tail + q->done;
}

static void begin(struct cmdq *q, struct submission *sub)
{
	sub->refused = sub->nr;
	sub->seen = progress(q, sub);
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
static void disown(struct cmdq *q, struct submission *sub)
{
	struct cmdq_stray *stray = sub->stray ? sub->stray : find_stray(q, true);
	uint64_t nr = ring_nr(&q->cfg.ring), pos = q->head > nr ? q->head - nr : 0;

	for (; pos != q->head; pos++) {
		if (slot_at(q, pos)->who != sub)
			continue;
		slot_at(q, pos)->who = NULL;
		slot_at(q, pos)->stray = stray;
	}
	if (!sub->begun || sub->last < q->done)
		return;
	if (!stray) {
		q->untracked = q->untracked > sub->last ? q->untracked : sub->last + 1;
		return;
	}
	if (sub->first < stray->first)
		stray->first = sub->first;
	if (sub->last > stray->last)
		stray->last = sub->last;
}

/*
 * Tell of strays' errors before the sync. Calls come here in any order, and which of the syncs under way is the
 * first behind which error was not kept: all that are behind any are told.
 */
static void collect_loose(struct cmdq *q, struct submission *sub)
{
	struct submission *who;

	if (!q->loose || q->loose_first >= sub->sync_at)
		return;
	blame_submission(sub, sub->nr, q->loose_error);
	for (who = q->waiting; who; who = who->next)
		if (who->sync && (!who->sync_placed || who->sync_at > q->loose_first))
			blame_submission(who, who->nr, q->loose_error);
	q->loose = q->loose_last > sub->sync_at;
	q->loose_first = sub->sync_at;
}

/* What the sync has to tell beside its own call's errors. */
static void collect(struct cmdq *q, struct submission *sub)
{
	struct cmdq_stray *mine = find_stray(q, false);
	unsigned i;

	collect_loose(q, sub);
	if (mine && mine->error) {
		blame_submission(sub, sub->nr, mine->error);
		mine->error = CMDQ_OK;
	}
	/* What lies before a sync is complete; whose error it was is still to be told. */
	for (i = 0; i < CMDQ_NR_STRAYS; i++)
		if (!q->strays[i].busy && q->strays[i].last < sub->sync_at && !q->strays[i].error)
			q->strays[i].used = false;
}

static bool finished(const struct cmdq *q, const struct submission *sub)
{
	return sub->sync ? sub->sync_placed && q->done > sub->sync_at : sub->placed == sub->nr;
}

/* ---- without the lock ---- */

/* One look at the queue. @return 1: done; 0: something happened; -EAGAIN: nothing did; -EIO, -EFAULT */
static int step(struct cmdq *q, struct submission *sub)
{
	bool bell, moved, done, dead, blind, resent;
	int64_t put = 0;
	uint64_t now;

	pthread_mutex_lock(&q->lock);
	bell = refresh(q);
	now = progress(q, sub);
	/* An error at the same place again is no progress: a sync may time out for ever. */
	sub->pardoned = sub->pardoned && now == sub->seen;
	moved = now != sub->seen || (bell && !sub->pardoned);
	sub->pardoned = sub->pardoned || bell;
	sub->seen = now;
	if (!q->dead)
		put = place(q, sub);
	if (!put && !sub->waited_for_room && sub->placed + sub->sync_placed < sub->nr + sub->sync) {
		sub->waited_for_room = true;
		q->stats.full++;
	}
	done = finished(q, sub);
	dead = q->dead;
	blind = q->blind && sub->sync;
	resent = sub->resent; /* others write that, too */
	pthread_mutex_unlock(&q->lock);
	if ((bell || put > 0) && q->cfg.doorbell)
		q->cfg.doorbell(q->cfg.cookie);
	if (put < 0)
		return (int)put;
	if (done)
		return 1;
	if (dead)
		return -EIO;
	if (blind) /* nobody will ever say that it is done */
		return -EFAULT;
	return moved || (put && !resent) ? 0 : -EAGAIN;
}

/* Until it is done. @return 0; -EIO, -EFAULT; what wait returned */
static int run(struct cmdq *q, struct submission *sub)
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

static int end(struct cmdq *q, struct submission *sub, int ret, struct cmdq_result *result)
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
		blame_submission(sub, sub->placed, CMDQ_LOST);
	pthread_mutex_unlock(&q->lock);
	result->issued = sub->refused < sub->placed ? sub->refused : sub->placed;
	result->error = sub->error;
	return !ret && sub->error ? -EIO : ret;
}

int iod_cmdq_submit(struct cmdq *q, const void *cmds, size_t nr, bool sync,
		    struct cmdq_result *result)
{
	struct submission sub = { .cmds = cmds, .nr = nr, .sync = sync };
	int ret;

	*result = (struct cmdq_result){ 0, CMDQ_OK };
	if (nr && !cmds)
		return -EINVAL;
	if (!nr && !sync)
		return 0;
	pthread_mutex_lock(&q->lock);
	begin(q, &sub);
	pthread_mutex_unlock(&q->lock);
	ret = run(q, &sub);
	if (!ret && sub.sync && q->cfg.complete)
		q->cfg.complete(q->cfg.cookie);
	return end(q, &sub, ret, result);
}

void iod_cmdq_unanswered(struct cmdq *q, bool late)
{
	pthread_mutex_lock(&q->lock);
	q->stats.errors++;
	blame_before(q, q->head, true, CMDQ_UNANSWERED);
	if (late)
		blame_next(q, q->head - 1, CMDQ_UNANSWERED);
	pthread_mutex_unlock(&q->lock);
}
