/* SPDX-License-Identifier: MIT */
/*
 * The ops of a gather, and its commands for those who have a queue of their own.
 *
 * Invalidations are issued at once. What must come after a sync of theirs (combined translations, devices) is
 * recorded, and done by the next sync. One thread does that at a time, for all that was recorded before it
 * began, without a lock held; the others wait for it, and then for a sync of their own: what was refused of theirs
 * the queue may have told the first alone. An error leaves everything recorded.
 */
#include "inv_core.h"

#include <errno.h>
#include <string.h>

/* ---- invalidating ---- */

static int out_issue(struct inv_out *o, bool sync)
{
	struct inv_core *inv = (struct inv_core *)(uintptr_t)o->inv;
	const struct inv_vendor *v = inv->vendor;
	size_t atc;
	int ret = 0;

	if (inv->repeat)
		iod_inv_out_repeat(o);
	if (inv->has_quirk && o->n)
		ret = v->quirk(inv, o->word, &o->n, INV_ROOM);
	if (o->n > INV_ROOM)
		return -EINVAL;
	if (ret || (!o->n && !sync))
		return ret;
	atc = iod_inv_out_count_atc(o);
	word_count(&inv->tlbi, o->n - atc);
	word_count(&inv->atc, atc);
	word_count(&inv->syncs, sync);
	return v->issue(inv, o->word, o->n, sync);
}

/* Recorded once the commands are issued: whoever flushes it makes a sync behind them. */
static void record(struct inv_core *inv, const struct iod_inv *items, size_t nr, bool due)
{
	pthread_mutex_lock(&inv->lock);
	inv->recorded++;
	inv->due |= due;
	if (inv->nr_devices)
		iod_inv_spans(inv, items, nr, &inv->pending, &inv->all);
	pthread_mutex_unlock(&inv->lock);
}

static int core_invalidate(void *cookie, const struct iod_inv *items, size_t nr)
{
	struct inv_core *inv = cookie;
	struct inv_out o;
	bool due;
	int ret = inv ? iod_inv_check(inv, items, nr) : -EINVAL;

	if (ret)
		return ret;
	if (!inv->has_issue)
		return -EINVAL;
	iod_inv_out_init(&o, inv, out_issue);
	due = iod_inv_batch(&o, items, nr);
	ret = iod_inv_out_end(&o, false);
	word_count(&inv->items, nr);
	word_count(&inv->wides, o.wides);
	/* After the commands: a device that was added before them is seen here. */
	full_fence();
	if (!ret && nr && (inv->nested || word_load(&inv->nr_devices)))
		record(inv, items, nr, due);
	return ret;
}

/* ---- syncing ---- */

static int sync_only(struct inv_core *inv)
{
	word_count(&inv->syncs, 1);
	return inv->vendor->issue(inv, NULL, 0, true);
}

/*
 * A device that does not answer is told of at the next sync in the queue, whosever that is: so each part of the
 * commands for devices has its own right behind it.
 */
static int out_issue_synced(struct inv_out *o, bool sync)
{
	return out_issue(o, true);
}

/* What was taken; no lock is held, but nobody touches the devices. */
static int do_flush(struct inv_core *inv, bool due, bool all)
{
	struct inv_out o;
	int ret;

	/* The invalidations themselves. */
	ret = sync_only(inv);
	if (ret)
		return ret;
	iod_inv_out_init(&o, inv, out_issue);
	/* Stage 2 is gone from every cache; what was combined with it before cannot come back any more. */
	if (due) {
		inv->vendor->combined(&o);
		word_count(&inv->wides, o.wides);
		ret = iod_inv_out_end(&o, true);
	}
	/* Nor can a device be told what is not in the table any more. */
	o.flush = out_issue_synced;
	if (!ret)
		iod_inv_atc(&o, &inv->taken, all, true);
	if (!ret && (o.n || o.err))
		ret = iod_inv_out_end(&o, true);
	return ret;
}

/* Under the lock: it is done, or to be done again. */
static void flushed(struct inv_core *inv, int err, uint64_t upto, bool due, bool all)
{
	size_t i;

	if (!err) {
		inv->flushed = upto;
		for (i = 0; i < inv->nr_devices; i++)
			inv->device[i].fresh = false;
	} else {
		inv->due |= due;
		inv->all |= all;
		for (i = 0; i < inv->taken.nr; i++)
			iod_span_add(&inv->pending, inv->taken.span[i].first,
				     inv->taken.span[i].last);
	}
	inv->taken.nr = 0;
	inv->flushing = false;
	pthread_cond_broadcast(&inv->done);
}

/* Everything that was recorded until now, by whichever thread. */
static int flush_recorded(struct inv_core *inv)
{
	struct span_set set;
	bool due, all, shared = true;
	uint64_t mine, upto;
	int ret = 0;

	pthread_mutex_lock(&inv->lock);
	mine = inv->recorded;
	while (inv->flushing && inv->flushed < mine)
		pthread_cond_wait(&inv->done, &inv->lock);
	if (inv->flushed < mine) {
		shared = false;
		inv->flushing = true;
		upto = inv->recorded;
		due = inv->due;
		all = inv->all;
		inv->due = inv->all = false;
		set = inv->taken;
		inv->taken = inv->pending;
		inv->pending = set;
		pthread_mutex_unlock(&inv->lock);
		ret = do_flush(inv, due, all);
		pthread_mutex_lock(&inv->lock);
		flushed(inv, ret, upto, due, all);
	}
	pthread_mutex_unlock(&inv->lock);
	/* A queue tells a thread of its own refused commands when that thread syncs, and once tells another. */
	return shared ? sync_only(inv) : ret;
}

static int core_sync(void *cookie)
{
	struct inv_core *inv = cookie;
	int ret;

	if (!inv || !inv->has_issue)
		return -EINVAL;
	if (!inv->nested && !word_load(&inv->nr_devices)) {
		ret = sync_only(inv);
		/* A device that came meanwhile may have been told what was in the caches until now. */
		if (ret || !word_load(&inv->nr_devices))
			return ret;
	}
	return flush_recorded(inv);
}

const struct iod_inv_ops *iod_inv_core_ops(void)
{
	static const struct iod_inv_ops ops = {
		.size = sizeof(ops),
		.invalidate = core_invalidate,
		.sync = core_sync,
	};

	return &ops;
}

/* ---- for those who have a queue of their own ---- */

static int out_copy(struct inv_out *o, bool sync)
{
	size_t n;

	if (o->inv->repeat)
		iod_inv_out_repeat(o);
	n = o->to_n < o->to_max ? o->to_max - o->to_n : 0;
	n = o->n < n ? o->n : n;
	if (n)
		memcpy(o->to + (o->to_n << o->words_lg2), o->word,
		       (n << o->words_lg2) * sizeof(*o->word));
	o->to_n += o->n;
	return 0;
}

static void out_init_copy(struct inv_out *o, const struct inv_core *inv, uint64_t *out, size_t max)
{
	iod_inv_out_init(o, inv, out_copy);
	o->to = out;
	o->to_max = max;
}

static int copied(struct inv_out *o, size_t *n)
{
	iod_inv_out_end(o, false);
	*n = o->to_n;
	return o->to_n > o->to_max ? -ENOSPC : 0;
}

int iod_inv_core_encode(const struct inv_core *inv, const struct iod_inv *items, size_t nr,
			uint64_t *out, size_t max, size_t *n)
{
	struct inv_out o;
	int ret = iod_inv_check(inv, items, nr);

	if (ret)
		return ret;
	if (!n || (max && !out))
		return -EINVAL;
	out_init_copy(&o, inv, out, max);
	if (iod_inv_batch(&o, items, nr)) {
		inv_out_add(&o, inv->vendor->op_sync, 0);
		inv->vendor->combined(&o);
	}
	return copied(&o, n);
}

int iod_inv_core_encode_atc(const struct inv_core *inv, const struct iod_inv *items, size_t nr,
			    uint64_t *out, size_t max, size_t *n)
{
	/* The lock is the object's business, not its user's. */
	struct inv_core *mut = (struct inv_core *)(uintptr_t)inv;
	struct span span[INV_MAX_SPANS];
	struct span_set set = { .span = span, .max = INV_MAX_SPANS };
	struct inv_out o;
	bool all = false;
	int ret = iod_inv_check(inv, items, nr);

	if (ret)
		return ret;
	if (!n || (max && !out))
		return -EINVAL;
	iod_inv_spans(inv, items, nr, &set, &all);
	out_init_copy(&o, inv, out, max);
	pthread_mutex_lock(&mut->lock);
	/* No sync will come that settles new ones; they are told of whatever is invalidated from now on. */
	if (nr)
		iod_inv_atc(&o, &set, all, false);
	pthread_mutex_unlock(&mut->lock);
	return copied(&o, n);
}
