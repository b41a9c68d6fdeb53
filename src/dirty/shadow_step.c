/* SPDX-License-Identifier: MIT */
/*
 * One step of a shadow: what was planned is unmapped, synced, told, and what is new is mapped.
 *
 * docs/dirty.md, "The order": pages are told as dirty only when hardware has let go of them. What is new is mapped
 * behind the sync, too: a device that still has the translation from before may not mark the entry of another page.
 */
#include "dirty/shadow.h"

#include <errno.h>
#include <string.h>

#include "dirty/bitmap.h"
#include "pgtable/pt_defs.h"

/* ---- telling ---- */

struct telling {
	struct iod_shadow *s;
	struct iod_shadow_work *work;
	uint32_t at; /* in s->gone */
};

/* [first, last] is dirty, as far as it was mapped. Comes in ascending order. */
static void tell(struct telling *t, uint64_t first, uint64_t last)
{
	struct iod_shadow *s = t->s;

	while (t->at < s->nr_gone && s->gone[t->at].last < first)
		t->at++;
	for (uint32_t i = t->at; i < s->nr_gone && s->gone[i].first <= last; i++) {
		const struct shadow_run *r = &s->gone[i];
		uint64_t from = r->first > first ? r->first : first;
		uint64_t to = r->last < last ? r->last : last, len = to - from + 1;

		t->work->dirty += len;
		s->dirty += len;
		if (s->cfg.join)
			iod_gpa_join_mark_dirty(s->cfg.join, from, len);
		if (s->ops.dirty)
			s->ops.dirty(s->cfg.cookie, from, r->to + (from - r->first), len);
	}
}

static void tell_all(struct iod_shadow *s, struct iod_shadow_work *work)
{
	struct telling t = { .s = s, .work = work };
	uint64_t iova, len;

	for (uint32_t i = 0; s->track && i < s->nr_unmap; i++) {
		const struct shadow_unmap *u = &s->unmap[i];

		iova = u->first;
		while (!iod_bitmap_next(&u->bm, &iova, &len)) {
			tell(&t, iova, iova + (len - 1));
			iova += len;
			if (!iova)
				break;
		}
	}
}

/* Told or not, it stands for what it stood for until here: a sweep may have taken marks of it meanwhile. */
static void leave_join(struct iod_shadow *s)
{
	uint32_t flags = s->track ? 0 : IOD_GPA_JOIN_ALL_DIRTY;

	for (uint32_t i = 0; s->cfg.join && i < s->nr_unmap; i++) {
		const struct shadow_unmap *u = &s->unmap[i];

		iod_gpa_join_unmap(s->cfg.join, u->first, u->last - u->first + 1, flags);
	}
}

static void forget(struct iod_shadow *s)
{
	memset(s->bits, 0, s->nr_words * sizeof(*s->bits));
	s->nr_unmap = 0;
	s->nr_map = 0;
	s->nr_prune = 0;
	s->nr_gone = 0;
	s->nr_words = 0;
	s->planned = 0;
	s->full = false;
	s->barrier = true;
}

int iod_shadow_settle(struct iod_shadow *s, struct iod_shadow_work *work)
{
	int ret;

	if (!s->owed)
		return 0;
	work->syncs++;
	s->syncs++;
	ret = iod_gather_sync(s->cfg.gather);
	if (ret)
		return ret;
	tell_all(s, work);
	leave_join(s);
	s->owed = false;
	forget(s);
	return 0;
}

/* ---- unmapping ---- */

static int unmap_one(struct iod_shadow *s, struct shadow_unmap *u, uint64_t *bytes)
{
	uint32_t flags = IOD_UNMAP_SPLIT;
	struct iod_unmap_dirty arg = {
		.size = sizeof(arg),
		.iova = u->first,
		.len = u->last - u->first + 1,
		.gather = s->cfg.gather,
		.bitmap = &u->bm,
	};
	int ret;

	u->bm = (struct iod_bitmap){
		.base_iova = u->first,
		.nbits = ((u->last - u->first) >> u->lg2) + 1,
		.words = &s->bits[u->word],
		.granule_lg2 = u->lg2,
	};
	if (s->cfg.flags & IOD_SHADOW_ALLOW_FAULTS)
		flags |= IOD_UNMAP_ALLOW_FAULTS;
	arg.flags = flags;
	if (!s->track) {
		ret = iod_unmap(s->cfg.pt, arg.iova, arg.len, flags, arg.gather, bytes);
		return ret == -ENOENT ? 0 : ret;
	}
	ret = iod_unmap_dirty(s->cfg.pt, &arg);
	*bytes += arg.unmapped;
	return ret;
}

static void announce(struct iod_shadow *s)
{
	for (uint32_t i = 0; s->ops.unmapping && i < s->nr_gone; i++) {
		const struct shadow_run *r = &s->gone[i];

		s->ops.unmapping(s->cfg.cookie, r->first, r->to, r->last - r->first + 1);
	}
}

/* @return 0, or the error of s->unmap[*done] */
static int unmap_all(struct iod_shadow *s, struct iod_shadow_work *work, uint32_t *done)
{
	uint64_t bytes = 0;
	uint32_t i;
	int ret = 0;

	announce(s);
	s->owed |= s->nr_unmap || s->nr_prune;
	for (i = 0; i < s->nr_unmap; i++) {
		ret = unmap_one(s, &s->unmap[i], &bytes);
		if (ret)
			break;
		work->ranges++;
	}
	*done = i;
	work->unmapped += bytes;
	s->unmapped += bytes;
	return ret;
}

static int stop_at_any(void *cookie, const struct iod_visit_event *e)
{
	return 1;
}

static bool is_empty(struct iod_shadow *s, uint64_t first, uint64_t last)
{
	struct iod_visit v = { .size = sizeof(v),
			       .iova = first,
			       .len = last - first + 1,
			       .flags = IOD_VISIT_MAPPINGS_ONLY,
			       .fn = stop_at_any };

	return !iod_visit(s->cfg.pt, &v);
}

/*
 * Nothing is mapped in the span any more, nor will be: tables that it covers go, and with them those at its ends if they
 * are empty.
 */
static void prune(struct iod_shadow *s, struct span span)
{
	uint64_t mask = low_mask(s->cfg.pt->slot_lg2), first = span.first & ~mask;
	uint64_t last = span.last | mask;
	bool from = first == span.first || is_empty(s, first, span.first - 1);
	bool to = last == span.last || is_empty(s, span.last + 1, last);

	/* The tables at the ends are not to be touched, and there may be none between them. */
	if (!from && (first | mask) == last)
		return;
	if (!to && (last & ~mask) == first)
		return;
	if (!from)
		first += mask + 1;
	if (!to)
		last -= mask + 1;
	if (first > last)
		return;
	/* Nothing is lost where it cannot. */
	(void)iod_unmap(s->cfg.pt, first, last - first + 1, 0, s->cfg.gather, NULL);
}

/* ---- mapping ---- */

/* Whether a leaf that was to be written only can be read as well: some formats have no other. */
static bool reads_too(const struct iod_shadow *s, uint64_t iova)
{
	struct iod_mapping m;

	return !iod_translate(s->cfg.pt, iova, &m) && (m.prot & IOD_PROT_READ);
}

static int map_one(struct iod_shadow *s, const struct shadow_map *m, uint64_t last,
		   struct iod_shadow_work *work, uint64_t *failed_at)
{
	uint64_t len = last - m->first + 1, done = 0;
	int ret = 0;

	*failed_at = m->first;
	if (s->cfg.join)
		ret = iod_gpa_join_map(s->cfg.join, m->first, len, m->gpa);
	if (ret)
		return ret;
	ret = iod_map(s->cfg.pt, m->first, m->pa, len, m->prot | s->cfg.prot, s->cfg.gather, &done);
	if (s->cfg.join && done < len)
		iod_gpa_join_unmap(s->cfg.join, m->first + done, len - done, 0);
	work->mapped += done;
	s->mapped += done;
	if (done && m->prot == IOD_PROT_WRITE && !s->wide_writes)
		s->wide_writes = reads_too(s, m->first);
	if (done && s->ops.mapped)
		s->ops.mapped(s->cfg.cookie, m->first, m->gpa, m->pa, done);
	*failed_at = m->first + done;
	return ret;
}

/* Those below @limit; all of them: @limit is 0. */
static int map_all(struct iod_shadow *s, uint64_t limit, struct iod_shadow_work *work,
		   uint64_t *failed_at)
{
	uint32_t i;
	int ret = 0;

	for (i = 0; i < s->nr_map && !ret; i++) {
		const struct shadow_map *m = &s->map[i];
		uint64_t last = m->last;

		if (limit && m->first >= limit)
			break;
		if (limit && last >= limit)
			last = limit - 1;
		ret = map_one(s, m, last, work, failed_at);
	}
	return ret;
}

int iod_shadow_commit(struct iod_shadow *s, uint64_t start, struct iod_shadow_work *work,
		      uint64_t *failed_at)
{
	uint32_t done, i, nr_map = s->nr_map;
	uint64_t limit = 0;
	int ret, settled;

	ret = unmap_all(s, work, &done);
	if (ret) {
		limit = s->unmap[done].first;
		*failed_at = limit;
		/* The one that failed may have changed nothing but page sizes; nothing of it is told. */
		s->nr_unmap = done;
		if (!limit)
			s->nr_map = 0;
	}
	for (i = 0; !ret && i < s->nr_prune; i++)
		prune(s, s->prune[i]);
	nr_map = s->nr_map;
	settled = iod_shadow_settle(s, work);
	if (settled) {
		*failed_at = start;
		return settled;
	}
	/* forget() keeps the words of the list. */
	s->nr_map = nr_map;
	settled = map_all(s, limit, work, failed_at);
	if (settled)
		ret = settled;
	else if (ret)
		*failed_at = limit;
	forget(s);
	return ret;
}
