/* SPDX-License-Identifier: MIT */
/*
 * What a log's policy has split is merged again: where it was clean for long enough, or when all is over. Only
 * what was there becomes again what it was (log_policy.c).
 */
#include "dirty/log_region.h"

#include <errno.h>

/* The regions of the page that region i was part of, as far as there are any. */
static void block_of(const struct log_resizing *rs, uint64_t i, uint64_t *from, uint64_t *to)
{
	uint64_t iova = region_first(rs, i), mask = low_mask(rs->region[i].was);

	*from = *to = i;
	if (rs->region[i].was > rs->region_lg2)
		regions_of(rs, iova & ~mask, iova | mask, from, to);
}

/* Merges [iova, last], which was part of one page of 2^was, or is in one region. */
static int merge_run(struct iod_dirty_log *log, struct log_table *t, uint64_t iova, uint64_t last,
		     unsigned was, uint64_t budget, struct iod_resize *r)
{
	int ret;

	*r = (struct iod_resize){
		.size = sizeof(*r),
		.iova = iova,
		.len = last - iova + 1,
		.flags = log->resize_flags,
		.page_size = BIT64(was),
		.gather = t->gather,
		.budget = budget,
	};
	t->op_failed = false;
	ret = iod_merge_range(t->pt, r);
	log->merges += r->entries;
	/* Marks may lie in tables that were cut off: they come to light when the gather is synced. */
	log_unsettle(log, t, ret);
	return ret;
}

/* What came of it. What is no larger page by now has changed too much: it is given up. */
static void run_merged(struct log_table *t, uint64_t from, uint64_t to)
{
	struct log_resizing *rs = &t->rs;
	struct iod_mapping m;
	uint64_t i;

	for (i = from; i <= to; i++) {
		if (rs->region[i].was > rs->region_lg2 &&
		    !iod_translate(t->pt, region_first(rs, i), &m) &&
		    m.len >= BIT64(rs->region_lg2) && m.len < BIT64(rs->region[i].was))
			rs->region[i].state = LOG_REGION_MERGED;
		else
			rs->region[i].was = 0;
	}
}

/* Whether a region may be merged with others that were parts of the same page. */
static bool region_joins(const struct iod_dirty_log *log, struct log_table *t, uint64_t i,
			 unsigned was)
{
	struct log_region *g = &t->rs.region[i];

	if (g->was != was || (g->state != log->merge_after && g->state != LOG_REGION_MERGED))
		return false;
	/* Devices may have been there since the last sync. */
	if (!iod_log_table_is_dirty(t, region_first(&t->rs, i), region_last(&t->rs, i)))
		return true;
	g->state = LOG_REGION_DIRTY;
	return false;
}

/* The run of regions around i, which is mature, that can be merged together; false: not even i. */
static bool mature_run(const struct iod_dirty_log *log, struct log_table *t, uint64_t i,
		       uint64_t *from, uint64_t *to)
{
	unsigned was = t->rs.region[i].was;
	uint64_t lo, hi;

	if (!region_joins(log, t, i, was))
		return false;
	block_of(&t->rs, i, &lo, &hi);
	for (*from = i; *from > lo && region_joins(log, t, *from - 1, was);)
		--*from;
	for (*to = i; *to < hi && region_joins(log, t, *to + 1, was);)
		++*to;
	return true;
}

/*
 * Merges a run of mature regions; where the budget ended it goes on the next time, if all before that is as it
 * was left. @return as merge_run(); *done: all of it
 */
static int merge_mature_run(struct iod_dirty_log *log, struct log_table *t, uint64_t from,
			    uint64_t to, uint64_t budget, uint64_t *items, bool *done)
{
	struct log_resizing *rs = &t->rs;
	uint64_t iova = region_first(rs, from), last = region_last(rs, to), i = from, at;
	struct iod_resize r;
	int ret;

	while (i < to && rs->region[i].state == LOG_REGION_MERGED)
		i++;
	if (rs->mature_at > iova && rs->mature_at >= region_first(rs, i) &&
	    rs->mature_at <= region_last(rs, i)) {
		iova = rs->mature_at;
		from = i;
	}
	ret = merge_run(log, t, iova, last, rs->region[from].was, budget, &r);
	*items += r.items;
	*done = !ret && r.done == r.len;
	rs->mature_at = ret || *done ? 0 : r.next_iova;
	if (ret)
		return ret;
	for (at = iova + r.done - 1; to > from && region_last(rs, to) > at;)
		to--;
	if (region_last(rs, to) <= at)
		run_merged(t, from, to);
	return 0;
}

/* *all: nothing was left for the budget. */
static int merge_mature_table(struct iod_dirty_log *log, struct log_table *t, uint64_t budget,
			      uint64_t *items, bool *all)
{
	struct log_resizing *rs = &t->rs;
	uint64_t i, from, to;
	bool done;
	int ret = 0, sync;

	for (i = 0; i < rs->nr_regions; i = to + 1) {
		to = i;
		if (!rs->region[i].was || rs->region[i].state != log->merge_after ||
		    !mature_run(log, t, i, &from, &to))
			continue;
		if (budget && *items >= budget)
			break;
		ret = merge_mature_run(log, t, from, to, budget ? budget - *items : 0, items,
				       &done);
		if (ret || !done)
			break;
	}
	*all = *all && i >= rs->nr_regions;
	/* Frees the tables. What fails here is known to the next look at this table. */
	sync = iod_log_table_sync(log, t);
	log_unsettle(log, t, sync);
	return ret ? ret : sync;
}

int iod_log_merge_mature(struct iod_dirty_log *log, uint64_t budget, uint64_t *items)
{
	struct log_table *t;
	bool all = true;
	int ret = 0;

	if (!log->mature)
		return 0;
	for (t = log->tables; t && !ret; t = t->next)
		if (t->rs.on && t->rs.nr_regions)
			ret = merge_mature_table(log, t, budget, items, &all);
	if (!ret && all)
		log->mature = false;
	return ret;
}

/* Takes what is dirty in a run into pending, so that the merged page is clean, and merges. */
static int merge_whole_run(struct iod_dirty_log *log, struct log_table *t, uint64_t from,
			   uint64_t to, uint64_t budget, uint64_t *items)
{
	struct log_resizing *rs = &t->rs;
	uint64_t iova = region_first(rs, from), last = region_last(rs, to);
	uint64_t first;
	struct iod_resize r;
	int ret;

	if (rs->merge_at > iova && rs->merge_at <= last)
		iova = rs->merge_at;
	first = (iova + t->delta - log->base) >> log->granule_lg2;
	ret = iod_log_table_harvest(log, t, first, first + ((last - iova) >> log->granule_lg2),
				    false);
	if (ret)
		return ret;
	ret = merge_run(log, t, iova, last, rs->region[from].was, budget, &r);
	*items += r.items;
	rs->merge_at = !ret && r.done != r.len ? r.next_iova : 0;
	for (; !ret && r.done == r.len && from <= to; from++)
		rs->region[from].was = 0;
	return ret;
}

int iod_log_merge_all(struct iod_dirty_log *log, struct log_table *t, uint64_t budget,
		      uint64_t *items)
{
	struct log_resizing *rs = &t->rs;
	uint64_t i, to, begin, end;
	int ret = 0, sync;

	for (i = 0; i < rs->nr_regions; i = to + 1) {
		to = i;
		if (!rs->region[i].was)
			continue;
		if (budget && *items >= budget)
			break;
		for (block_of(rs, i, &begin, &end); to < end; to++)
			if (rs->region[to + 1].was != rs->region[i].was)
				break;
		ret = merge_whole_run(log, t, i, to, budget ? budget - *items : 0, items);
		if (ret || rs->region[i].was) /* or the budget ended */
			break;
	}
	sync = iod_log_table_sync(log, t);
	log_unsettle(log, t, sync);
	return ret ? ret : sync;
}

uint64_t iod_log_merge_left(const struct iod_dirty_log *log, bool mature)
{
	const struct log_table *t;
	uint64_t i, left = 0;

	for (t = log->tables; t; t = t->next)
		for (i = 0; i < t->rs.nr_regions; i++)
			if (t->rs.region[i].was &&
			    (!mature || t->rs.region[i].state == log->merge_after))
				left += region_last(&t->rs, i) - region_first(&t->rs, i) + 1;
	return left;
}
