/* SPDX-License-Identifier: MIT */
/*
 * The log's policy: large pages are split where they are dirty; log_merge.c merges them again.
 *
 * What was split is remembered by regions, each what one leaf table maps: the largest page that was split
 * there, and in how many syncs the region was clean since. So merging makes again what was there, and no
 * page that the table's owner never made.
 *
 * None of it changes what is reported: parts of a split page inherit its dirty state, and what is merged
 * was clean a moment ago. What cannot be done is counted and left.
 */
#include "dirty/log_region.h"

#include <errno.h>

/* ---- regions ---- */

static int regions_alloc(struct iod_dirty_log *log, struct log_table *t)
{
	struct log_resizing *rs = &t->rs;
	uint64_t n;

	if (rs->region)
		return 0;
	rs->region_lg2 = t->pt->slot_lg2 > t->pt->min_lg2 ? t->pt->slot_lg2 : t->pt->min_lg2;
	if (rs->region_lg2 < log->granule_lg2)
		rs->region_lg2 = (uint8_t)log->granule_lg2;
	rs->first = log_table_iova(log, t);
	rs->last = rs->first + (log_table_len(log, t) - 1);
	rs->base = rs->first & ~low_mask(rs->region_lg2);
	n = ((rs->last - rs->base) >> rs->region_lg2) + 1;
	if (n > SIZE_MAX / sizeof(*rs->region))
		return -ENOMEM;
	rs->region = iod_zalloc(&log->allocator, (size_t)n * sizeof(*rs->region));
	rs->nr_regions = rs->region ? n : 0;
	return rs->region ? 0 : -ENOMEM;
}

void iod_log_policy_free(struct iod_dirty_log *log, struct log_table *t)
{
	iod_zfree(&log->allocator, t->rs.region, (size_t)t->rs.nr_regions * sizeof(*t->rs.region));
}

/* Pages are split down to what this is the logarithm of; larger ones are *larger. */
static unsigned split_lg2(const struct iod_dirty_log *log, const struct log_table *t,
			  uint64_t page_size, uint64_t *larger)
{
	unsigned lg2 = t->pt->min_lg2 > log->granule_lg2 ? t->pt->min_lg2 : log->granule_lg2;

	if (page_size && ctz64(page_size) > lg2)
		lg2 = ctz64(page_size);
	*larger = t->pt->pgsize_bitmap & ~low_mask(lg2 + 1);
	return lg2;
}

int iod_log_policy_check(const struct iod_dirty_log *log, struct log_table *t, uint64_t page_size,
			 uint32_t resize_flags)
{
	struct iod_resize r = {
		.size = sizeof(r),
		.iova = log_table_iova(log, t),
		.len = BIT64(t->pt->min_lg2),
		.flags = resize_flags,
		.page_size = BIT64(63), /* no page is larger: nothing is changed */
		.gather = t->gather,
	};
	uint64_t larger;

	split_lg2(log, t, page_size, &larger);
	return larger ? iod_split_range(t->pt, &r) : 0;
}

int iod_log_policy_table(struct iod_dirty_log *log, struct log_table *t)
{
	uint64_t larger, i;
	unsigned lg2 = split_lg2(log, t, log->page_size, &larger);
	int ret;

	t->rs.on = false;
	t->rs.at = t->rs.merge_at = t->rs.mature_at = 0;
	if (log->policy == IOD_SPLIT_NONE || !larger)
		return 0;
	ret = iod_log_policy_check(log, t, log->page_size, log->resize_flags);
	if (!ret)
		ret = regions_alloc(log, t);
	if (ret)
		return ret;
	for (i = 0; i < t->rs.nr_regions; i++)
		t->rs.region[i].state = LOG_REGION_DIRTY;
	t->rs.split_lg2 = (uint8_t)lg2;
	t->rs.next_lg2 = (uint8_t)ctz64(larger);
	t->rs.on = true;
	return 0;
}

/* ---- what is there ---- */

static int first_mapping(void *cookie, const struct iod_visit_event *event)
{
	struct iod_mapping *m = cookie;

	if (event->kind != IOD_VISIT_MAPPING)
		return 0;
	*m = event->mapping;
	return 1;
}

bool iod_log_next_mapping(const struct iod_pgtable *pt, uint64_t iova, uint64_t last,
			  struct iod_mapping *m)
{
	struct iod_visit v = {
		.size = sizeof(v),
		.iova = iova,
		.len = last - iova + 1,
		.flags = IOD_VISIT_MAPPINGS_ONLY,
		.fn = first_mapping,
		.cookie = m,
	};

	return !iod_translate(pt, iova, m) || iod_visit(pt, &v) == 1;
}

/* The next large page at or after *iova; false: none up to last. Small ones are passed in steps. */
static bool next_large(const struct log_table *t, unsigned step_lg2, uint64_t *iova, uint64_t last,
		       struct iod_mapping *m)
{
	uint64_t at;

	while (*iova <= last && iod_log_next_mapping(t->pt, *iova, last, m)) {
		if (m->len > BIT64(t->rs.split_lg2) && is_pow2(m->len))
			return true;
		at = (*iova > m->iova ? *iova : m->iova) | low_mask(step_lg2);
		if (at >= last)
			return false;
		*iova = at + 1;
	}
	return false;
}

/* Remembers the large pages of [iova, last], which are to be split. */
static void note_was(struct log_table *t, uint64_t iova, uint64_t last)
{
	struct log_resizing *rs = &t->rs;
	/* What is smaller than this need not be seen: it is not worth looking at every page. */
	unsigned coarse = rs->region_lg2 > 5 ? rs->region_lg2 - 5u : 0;
	unsigned step = rs->next_lg2 > coarse ? rs->next_lg2 : coarse;
	struct iod_mapping m;
	uint64_t i, to, end;
	bool some;

	while (next_large(t, step, &iova, last, &m)) {
		end = m.iova + (m.len - 1);
		some = regions_of(rs, m.iova, end, &i, &to);
		if (some && rs->mature_at >= region_first(rs, i) &&
		    rs->mature_at <= region_last(rs, to))
			rs->mature_at = 0;
		for (; some && i <= to; i++) {
			if (rs->region[i].was < ctz64(m.len))
				rs->region[i].was = (uint8_t)ctz64(m.len);
			rs->region[i].state = LOG_REGION_DIRTY;
		}
		if (end >= last)
			break;
		iova = end + 1;
	}
}

/* ---- splitting ---- */

int iod_log_split_all(struct iod_dirty_log *log, struct log_table *t, uint64_t iova, uint64_t last,
		      struct iod_resize *r)
{
	int ret;

	note_was(t, iova, last);
	r->size = sizeof(*r);
	r->iova = iova;
	r->len = last - iova + 1;
	r->flags = log->resize_flags;
	r->page_size = BIT64(t->rs.split_lg2);
	r->gather = t->gather;
	t->op_failed = false;
	t->resized = true;
	ret = iod_split_range(t->pt, r);
	log->splits += r->entries;
	return ret;
}

/* In a pass: only what the gather's ops return ends it. */
static int split_now(struct iod_dirty_log *log, struct log_table *t, uint64_t iova, uint64_t last)
{
	struct iod_resize r = { 0 };
	int ret = iod_log_split_all(log, t, iova, last, &r);

	if (!ret || t->op_failed)
		return ret;
	log->resize_errors++;
	return 0;
}

/*
 * The part of a run of dirty granules in which a large page can lie. A page that reaches over the edge of
 * what was looked at counts for the part inside.
 */
static bool large_part(const struct log_table *t, uint64_t iova, uint64_t last, uint64_t *from,
		       uint64_t *to)
{
	uint64_t mask = low_mask(t->rs.next_lg2), up = -*from & mask;

	if (*from != iova) {
		if (up > *to - *from)
			return false;
		*from += up;
	}
	if (*to != last) {
		if (!((*to + 1) & ~mask) || ((*to + 1) & ~mask) - 1 < *from)
			return false;
		*to = ((*to + 1) & ~mask) - 1;
	}
	return true;
}

/* The next such part at or after *at. */
static bool next_part(const struct log_table *t, const struct iod_bitmap *bm, uint64_t iova,
		      uint64_t last, uint64_t *at, uint64_t *from, uint64_t *to)
{
	uint64_t len;

	while (*at >= iova && *at <= last) {
		*from = *at;
		if (iod_bitmap_next(bm, from, &len) || *from > last)
			return false;
		if (*from < *at)
			*from = *at;
		*to = *from + (len - 1);
		if (*to > last || *to < *from)
			*to = last;
		*at = *to + 1;
		if (large_part(t, iova, last, from, to))
			return true;
	}
	return false;
}

/* Splits what is large in a run that was dirty; but what hardware does not track gains nothing by it. */
static int split_run(struct iod_dirty_log *log, struct log_table *t, uint64_t from, uint64_t to)
{
	uint64_t at = from, end;
	struct iod_mapping m;
	bool some = false;
	int ret = 0;

	while (!ret && next_large(t, t->rs.next_lg2, &at, to, &m)) {
		end = m.iova + (m.len - 1);
		if (m.dirty != IOD_DIRTY_UNTRACKED) {
			some = true;
		} else {
			if (some)
				ret = split_now(log, t, from, m.iova - 1);
			some = false;
			from = end + 1;
		}
		if (end >= to)
			break;
		at = end + 1;
	}
	return ret || !some ? ret : split_now(log, t, from, to);
}

int iod_log_split_swept(struct iod_dirty_log *log, struct log_table *t, const struct iod_bitmap *bm,
			uint64_t iova, uint64_t last)
{
	uint64_t at = iova, from, to;
	int ret = 0;

	while (!ret && next_part(t, bm, iova, last, &at, &from, &to))
		ret = split_run(log, t, from, to);
	return ret;
}

int iod_log_split_marked(struct iod_dirty_log *log, struct log_table *t,
			 const struct iod_bitmap *bm, uint64_t iova, uint64_t last)
{
	uint64_t at = iova, from, to, end;
	struct iod_mapping m;
	int ret = 0;

	while (!ret && next_part(t, bm, iova, last, &at, &from, &to)) {
		while (!ret && next_large(t, t->rs.next_lg2, &from, to, &m)) {
			if (m.iova > from)
				from = m.iova;
			end = m.iova + (m.len - 1) < to ? m.iova + (m.len - 1) : to;
			if (m.dirty == IOD_DIRTY)
				ret = split_now(log, t, from, end);
			if (end == to)
				break;
			from = end + 1;
		}
	}
	return ret;
}

/* ---- watching ---- */

/* Whether the pass goes over all of a region. */
static bool region_in_pass(const struct log_pass *p, const struct log_table *t, uint64_t i)
{
	uint64_t first = region_first(&t->rs, i) + t->delta,
		 last = region_last(&t->rs, i) + t->delta;

	return (first - p->log->base) >> p->log->granule_lg2 >=
		       (t->join ? p->only_first : p->first) &&
	       (last - p->log->base) >> p->log->granule_lg2 <= (t->join ? p->only_last : p->last);
}

static void region_watch(struct iod_dirty_log *log, struct log_region *g, bool begins, bool ends,
			 bool dirty)
{
	if (dirty || (begins && g->state == LOG_REGION_AHEAD))
		g->state = LOG_REGION_DIRTY;
	else if (begins && g->state == LOG_REGION_DIRTY)
		g->state = 0;
	if (!ends || g->state >= LOG_REGION_MERGED)
		return;
	if (g->state < log->merge_after)
		g->state++;
	if (g->state == log->merge_after)
		log->mature = true;
}

void iod_log_watch(const struct log_pass *p, struct log_table *t, const struct iod_bitmap *bm,
		   uint64_t iova, uint64_t last)
{
	struct log_resizing *rs = &t->rs;
	uint64_t i, to, from, end, found = 0, len;
	bool have = false, whole;

	if (!p->log->merge_after || !rs->on || !regions_of(rs, iova, last, &i, &to))
		return;
	for (; i <= to; i++) {
		if (!rs->region[i].was)
			continue;
		from = region_first(rs, i) > iova ? region_first(rs, i) : iova;
		end = region_last(rs, i) < last ? region_last(rs, i) : last;
		/* Asked once per run of bits, not per region. */
		if (!have || found + (len - 1) < from) {
			found = from;
			if (iod_bitmap_next(bm, &found, &len)) {
				found = UINT64_MAX;
				len = 1;
			}
			have = true;
		}
		whole = region_in_pass(p, t, i);
		region_watch(p->log, &rs->region[i], whole && from == region_first(rs, i),
			     whole && end == region_last(rs, i), found <= end);
	}
}

void iod_log_watch_ahead(struct log_table *t, uint64_t iova, uint64_t last, uint64_t end)
{
	struct log_resizing *rs = &t->rs;
	uint64_t i, to;

	if (!regions_of(rs, iova, last, &i, &to))
		return;
	for (; i <= to; i++)
		rs->region[i].state =
			region_first(rs, i) > end ? LOG_REGION_AHEAD : LOG_REGION_DIRTY;
}

/* ---- unmapped ---- */

void iod_log_forget(struct log_table *t, uint64_t iova, uint64_t last)
{
	struct log_resizing *rs = &t->rs;
	uint64_t i, to;

	if (!regions_of(rs, iova, last, &i, &to))
		return;
	for (; i <= to; i++)
		if (region_first(rs, i) >= iova && region_last(rs, i) <= last)
			rs->region[i].was = 0;
}
