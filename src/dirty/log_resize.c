/* SPDX-License-Identifier: MIT */
/* What is due of a log's policy, in parts: eager splitting, and merging. */
#include "dirty/log.h"

#include <errno.h>

bool iod_log_op_failed(const struct iod_dirty_log *log)
{
	const struct log_table *t;

	for (t = log->tables; t; t = t->next)
		if (t->op_failed)
			return true;
	return false;
}

/* ---- eager splitting ---- */

/* Regions that are looked at, and split, at a time. */
#define SPLIT_REGIONS_LG2 9

/* The end of the block of regions that holds iova, if it is before last. */
static uint64_t block_end(const struct log_table *t, uint64_t iova, uint64_t last)
{
	unsigned lg2 = t->rs.region_lg2 + SPLIT_REGIONS_LG2;
	uint64_t end = lg2 < 64 ? iova | low_mask(lg2) : last;

	return end < last ? end : last;
}

static int split_table(struct iod_dirty_log *log, struct log_table *t, uint64_t budget,
		       uint64_t *items)
{
	uint64_t iova = log_table_iova(log, t), len = log_table_len(log, t), at;
	struct iod_mapping m;
	int ret = 0;

	while (!ret && t->rs.at < len && !(budget && *items >= budget)) {
		struct iod_resize r = { .budget = budget ? budget - *items : 0 };

		at = iova + t->rs.at;
		if (!iod_log_next_mapping(t->pt, at, iova + (len - 1), &m)) {
			t->rs.at = len;
			break;
		}
		if (m.iova > at)
			at = m.iova;
		ret = iod_log_split_all(log, t, at, block_end(t, at, iova + (len - 1)), &r);
		*items += r.items;
		t->rs.at = at - iova + r.done;
	}
	return ret;
}

int iod_log_split_due(struct iod_dirty_log *log, uint64_t budget, uint64_t *items)
{
	struct log_table *t;
	int ret = 0, sync;

	for (t = log->tables; t && !ret; t = t->next) {
		if (!t->rs.on)
			continue;
		t->op_failed = false;
		ret = split_table(log, t, budget, items);
		if (!t->resized)
			continue;
		t->resized = false;
		sync = iod_log_table_sync(log, t);
		log_unsettle(log, t, sync);
		ret = ret ? ret : sync;
	}
	if (!ret && !iod_log_resize_left(log))
		log->split_due = false;
	return ret;
}

/* ---- merging ---- */

int iod_log_merge_due(struct iod_dirty_log *log, uint64_t budget, uint64_t *items)
{
	struct log_table *t;
	int ret = 0;

	for (t = log->tables; t && !ret; t = t->next)
		if (t->rs.nr_regions)
			ret = iod_log_merge_all(log, t, budget, items);
	if (!ret && !iod_log_resize_left(log))
		log->merge_due = false;
	return ret;
}

/* ---- for the caller ---- */

uint64_t iod_log_resize_left(const struct iod_dirty_log *log)
{
	const struct log_table *t;
	uint64_t left = 0;

	if (log->merge_due)
		left = iod_log_merge_left(log, false);
	else if (log->mature)
		left = iod_log_merge_left(log, true);
	for (t = log->split_due ? log->tables : NULL; t; t = t->next)
		if (t->rs.on)
			left += log_table_len(log, t) - t->rs.at;
	return left;
}

static int resize_locked(struct iod_dirty_log *log, struct iod_dirty_log_resize *arg)
{
	uint64_t before = log->splits + log->merges;
	int ret = 0;

	if (arg->flags && log->started)
		return -EINVAL;
	log->merge_due = log->merge_due || arg->flags;
	if (log->split_due)
		ret = iod_log_split_due(log, arg->budget, &arg->items);
	if (!ret && log->merge_due)
		ret = iod_log_merge_due(log, arg->budget, &arg->items);
	if (!ret && !(arg->budget && arg->items >= arg->budget))
		ret = iod_log_merge_mature(log, arg->budget, &arg->items);
	arg->entries = log->splits + log->merges - before;
	arg->left = iod_log_resize_left(log);
	return ret;
}

int iod_dirty_log_resize(struct iod_dirty_log *log, struct iod_dirty_log_resize *user)
{
	struct iod_dirty_log_resize arg;
	int ret = !log || rcu_inside() ? -EINVAL : 0, out;

	if (!ret)
		ret = iod_struct_in(&arg, sizeof(arg), user, sizeof(arg));
	if (!ret && (arg.flags & ~IOD_DIRTY_LOG_MERGE || arg.reserved))
		ret = -EINVAL;
	if (ret)
		return ret;
	arg.items = arg.entries = arg.left = 0;
	pthread_mutex_lock(&log->lock);
	ret = resize_locked(log, &arg);
	pthread_mutex_unlock(&log->lock);
	out = iod_struct_out(user, &arg, sizeof(arg), sizeof(arg));
	return ret ? ret : out;
}
