/* SPDX-License-Identifier: MIT */
/*
 * The ops of a gather.
 *
 * Invalidations are issued at once. What must come after a SYNC of theirs (combined translations, ATCs) is
 * recorded, and done by the next sync. One thread does that at a time, for all that was recorded before it
 * began, without a lock held; the others wait for it, and then for a SYNC of their own: what was refused of theirs
 * the queue may have told the first alone. An error leaves everything recorded.
 */
#include "smmuv3/inv.h"

#include <errno.h>

static int inv_issue(struct inv_out *o, bool sync)
{
	struct iod_smmuv3_inv *inv = (struct iod_smmuv3_inv *)(uintptr_t)o->inv;
	size_t issued = 0, atc = 0, i;
	int ret = 0;

	if (inv->flags & IOD_SMMUV3_INV_REPEAT)
		iod_smmuv3_inv_repeat(o);
	if (inv->quirk && o->n)
		ret = inv->quirk(inv->quirk_cookie, o->cmd, &o->n, INV_ROOM);
	if (o->n > INV_ROOM)
		return -EINVAL;
	if (ret || (!o->n && !sync))
		return ret;
	for (i = 0; i < o->n; i++)
		atc += inv_raw_op(&o->cmd[i]) == IOD_SMMUV3_ATC_INV;
	word_count(&inv->tlbi, o->n - atc);
	word_count(&inv->atc, atc);
	word_count(&inv->syncs, sync);
	return inv->sink.issue(inv->sink.cookie, o->cmd, o->n, sync, &issued);
}

/* Recorded once the TLBIs are issued: whoever flushes it makes a SYNC behind them. */
static void inv_record(struct iod_smmuv3_inv *inv, const struct iod_inv *items, size_t nr, bool due)
{
	pthread_mutex_lock(&inv->lock);
	inv->recorded++;
	inv->due |= due;
	if (inv->nr_devices)
		iod_smmuv3_inv_spans(inv, items, nr, &inv->pending, &inv->all);
	pthread_mutex_unlock(&inv->lock);
}

static int inv_invalidate(void *cookie, const struct iod_inv *items, size_t nr)
{
	struct iod_smmuv3_inv *inv = cookie;
	struct inv_out o;
	bool due = false;
	size_t i, n;
	int ret;

	if (!inv || !iod_smmuv3_inv_valid(items, nr) || !inv->sink.issue)
		return -EINVAL;
	iod_smmuv3_inv_out_init(&o, inv, inv_issue);
	for (i = 0; i < nr; i += n) {
		n = nr - i < INV_BATCH ? nr - i : INV_BATCH;
		due |= iod_smmuv3_inv_tlbi(&o, items + i, n);
	}
	ret = iod_smmuv3_inv_out_end(&o, false);
	word_count(&inv->items, nr);
	word_count(&inv->wides, o.wides);
	/* After the TLBIs: a device that was added before them is seen here. */
	full_fence();
	if (!ret && nr && ((inv->flags & IOD_SMMUV3_INV_NESTED) || word_load(&inv->nr_devices)))
		inv_record(inv, items, nr, due);
	return ret;
}

/* ---- syncing ---- */

static int inv_sync_only(struct iod_smmuv3_inv *inv)
{
	size_t issued = 0;

	word_count(&inv->syncs, 1);
	return inv->sink.issue(inv->sink.cookie, NULL, 0, true, &issued);
}

/*
 * A device that does not answer is told of at the next SYNC in the queue, whosever that is (7.1): so each part
 * of the ATC_INVs has its own right behind it.
 */
static int inv_issue_synced(struct inv_out *o, bool sync)
{
	return inv_issue(o, true);
}

/* What was taken; no lock is held, but nobody touches the devices. */
static int inv_do_flush(struct iod_smmuv3_inv *inv, bool due, bool all)
{
	struct inv_out o;
	int ret;

	/* The invalidations themselves. */
	ret = inv_sync_only(inv);
	if (ret)
		return ret;
	iod_smmuv3_inv_out_init(&o, inv, inv_issue);
	/* Stage 2 is gone from every cache; what was combined with it before cannot come back any more. */
	if (due) {
		inv_out_put(&o, inv->combined, 0);
		word_count(&inv->wides, 1);
		ret = iod_smmuv3_inv_out_end(&o, true);
	}
	/* Nor can a device be told what is not in the table any more. */
	o.flush = inv_issue_synced;
	if (!ret)
		iod_smmuv3_inv_atc(&o, &inv->taken, all, true);
	if (!ret && (o.n || o.err))
		ret = iod_smmuv3_inv_out_end(&o, true);
	return ret;
}

/* Under the lock: it is done, or to be done again. */
static void inv_flushed(struct iod_smmuv3_inv *inv, int err, uint64_t upto, bool due, bool all)
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
static int inv_flush(struct iod_smmuv3_inv *inv)
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
		ret = inv_do_flush(inv, due, all);
		pthread_mutex_lock(&inv->lock);
		inv_flushed(inv, ret, upto, due, all);
	}
	pthread_mutex_unlock(&inv->lock);
	/* A queue tells a thread of its own refused commands when that thread syncs, and once tells another. */
	return shared ? inv_sync_only(inv) : ret;
}

static int inv_sync(void *cookie)
{
	struct iod_smmuv3_inv *inv = cookie;
	int ret;

	if (!inv || !inv->sink.issue)
		return -EINVAL;
	if (!(inv->flags & IOD_SMMUV3_INV_NESTED) && !word_load(&inv->nr_devices)) {
		ret = inv_sync_only(inv);
		/* A device that came meanwhile may have been told what was in the caches until now. */
		if (ret || !word_load(&inv->nr_devices))
			return ret;
	}
	return inv_flush(inv);
}

const struct iod_inv_ops *iod_smmuv3_inv_ops(void)
{
	static const struct iod_inv_ops ops = {
		.size = sizeof(ops),
		.invalidate = inv_invalidate,
		.sync = inv_sync,
	};

	return &ops;
}
