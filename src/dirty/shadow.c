/* SPDX-License-Identifier: MIT */
/* The object that follows a guest's table, and which addresses an invalidation is about. */
#include "dirty/shadow.h"

#include <errno.h>
#include <string.h>

#include "pgtable/pt_defs.h"

#define DEFAULT_BATCH 1024u
#define MIN_BATCH     64u
#define MAX_BATCH     (1u << 20)
/* Runs of either side that are compared at a time. */
#define SIDE_MAX 1024u
/* Bits for a step: 2048 of its ranges' pages on average. */
#define WORDS_PER_RANGE 32u
#define GONE_PER_RANGE	4u
/* Ranges of one call that are kept apart. */
#define RANGES	    64u

#define KNOWN_FLAGS (IOD_SHADOW_ALLOW_FAULTS | IOD_SHADOW_TRACK)

/* ---- life ---- */

static int cfg_check(const struct iod_shadow_cfg *cfg)
{
	if (!cfg->pt || !cfg->gather || !cfg->ops || (cfg->flags & ~KNOWN_FLAGS) || cfg->reserved ||
	    (cfg->prot & (PT_RW | IOD_PROT_DIRTY)))
		return -EINVAL;
	if (cfg->batch && (cfg->batch < MIN_BATCH || cfg->batch > MAX_BATCH))
		return -EINVAL;
	if ((cfg->flags & IOD_SHADOW_TRACK) && !(cfg->pt->features & IOD_PT_HW_DIRTY))
		return -EOPNOTSUPP;
	return 0;
}

static void release(struct iod_shadow *s)
{
	const struct iod_allocator *a = &s->allocator;

	iod_zfree(a, s->want.run, s->want.max * sizeof(*s->want.run));
	iod_zfree(a, s->have.run, s->have.max * sizeof(*s->have.run));
	iod_zfree(a, s->gone, s->max_gone * sizeof(*s->gone));
	iod_zfree(a, s->unmap, s->max * sizeof(*s->unmap));
	iod_zfree(a, s->map, s->max * sizeof(*s->map));
	iod_zfree(a, s->prune, s->max * sizeof(*s->prune));
	iod_zfree(a, s->bits, s->max_words * sizeof(*s->bits));
}

static int reserve(struct iod_shadow *s)
{
	const struct iod_allocator *a = &s->allocator;

	s->want.max = s->have.max = SIDE_MAX;
	s->max = s->cfg.batch ? s->cfg.batch : DEFAULT_BATCH;
	s->max_gone = GONE_PER_RANGE * s->max;
	s->max_words = WORDS_PER_RANGE * s->max;
	s->want.run = iod_zalloc(a, s->want.max * sizeof(*s->want.run));
	s->have.run = iod_zalloc(a, s->have.max * sizeof(*s->have.run));
	s->gone = iod_zalloc(a, s->max_gone * sizeof(*s->gone));
	s->unmap = iod_zalloc(a, s->max * sizeof(*s->unmap));
	s->map = iod_zalloc(a, s->max * sizeof(*s->map));
	s->prune = iod_zalloc(a, s->max * sizeof(*s->prune));
	s->bits = iod_zalloc(a, s->max_words * sizeof(*s->bits));
	return s->want.run && s->have.run && s->gone && s->unmap && s->map && s->prune && s->bits
		       ? 0
		       : -ENOMEM;
}

int iod_shadow_create(struct iod_shadow **out, const struct iod_shadow_cfg *cfg)
{
	struct iod_shadow init, *s;
	int ret;

	memset(&init, 0, sizeof(init));
	if (!out)
		return -EINVAL;
	ret = iod_struct_in(&init.cfg, sizeof(init.cfg), cfg, sizeof(init.cfg));
	if (!ret)
		ret = cfg_check(&init.cfg);
	if (!ret)
		ret = iod_struct_in(&init.ops, sizeof(init.ops), init.cfg.ops, sizeof(init.ops));
	if (!ret && !init.ops.translate)
		ret = -EINVAL;
	if (!ret)
		ret = iod_allocator_init(&init.allocator, init.cfg.allocator);
	if (ret)
		return ret;
	init.cfg.ops = NULL;
	init.cfg.allocator = NULL;
	init.min_lg2 = init.cfg.pt->min_lg2;
	init.guest_lg2 = init.widen_lg2 = init.fresh_lg2 = init.min_lg2;
	init.can_track = init.cfg.pt->features & IOD_PT_HW_DIRTY;
	init.track = init.cfg.flags & IOD_SHADOW_TRACK;
	init.want.merge_sizes = true;
	init.barrier = true;
	s = iod_zalloc(&init.allocator, sizeof(*s));
	if (!s)
		return -ENOMEM;
	*s = init;
	ret = reserve(s);
	if (ret) {
		release(s);
		iod_zfree(&init.allocator, s, sizeof(*s));
		return ret;
	}
	*out = s;
	return 0;
}

int iod_shadow_destroy(struct iod_shadow *s)
{
	struct iod_shadow_work work = { .size = sizeof(work) };
	struct iod_allocator allocator;
	int ret;

	if (!s)
		return -EINVAL;
	ret = iod_shadow_settle(s, &work);
	if (!ret)
		ret = iod_gather_sync(s->cfg.gather);
	if (ret)
		return ret;
	allocator = s->allocator;
	release(s);
	iod_zfree(&allocator, s, sizeof(*s));
	return 0;
}

/*
 * Addresses that a table has: two stretches where there is a hole in the middle, or where their number is none that
 * 64 bits hold.
 */
static unsigned int parts_of(const struct iod_pgtable *pt, struct span part[2])
{
	struct iod_pgtable_info info = { .size = sizeof(info) };

	iod_pgtable_get_info(pt, &info);
	part[0] = (struct span){ info.first, info.last };
	if (!info.first && info.last == UINT64_MAX && !info.hole_first) {
		info.hole_last = UINT64_MAX / 2;
		info.hole_first = info.hole_last + 1;
	}
	if (!info.hole_first)
		return 1;
	part[0].last = info.hole_first - 1;
	part[1] = (struct span){ info.hole_last + 1, info.last };
	return 2;
}

int iod_shadow_set_guest(struct iod_shadow *s, const struct iod_pgtable *guest, uint64_t domain)
{
	struct span theirs[2], ours[2];
	unsigned int nr = 0, nr_ours, i, k;

	if (!s || guest == s->cfg.pt || (guest && guest->min_lg2 < s->min_lg2))
		return -EINVAL;
	nr_ours = parts_of(s->cfg.pt, ours);
	if (guest)
		nr = parts_of(guest, theirs);
	for (i = 0; i < nr; i++) {
		for (k = 0; k < nr_ours; k++)
			if (theirs[i].first >= ours[k].first && theirs[i].last <= ours[k].last)
				break;
		if (k == nr_ours)
			return -ERANGE;
	}
	s->guest = guest;
	memcpy(s->part, theirs, nr * sizeof(*theirs));
	s->nr_parts = nr;
	s->guest_lg2 = guest ? guest->min_lg2 : s->min_lg2;
	s->cfg.domain = domain;
	s->stale = true;
	s->through = 0;
	return 0;
}

int iod_shadow_track(struct iod_shadow *s, bool on)
{
	struct iod_shadow_work work = { .size = sizeof(work) };
	int ret;

	if (!s)
		return -EINVAL;
	if (on && !s->can_track)
		return -EOPNOTSUPP;
	/* What is owed was unmapped as it is now. */
	ret = iod_shadow_settle(s, &work);
	if (!ret)
		s->track = on;
	return ret;
}

int iod_shadow_get_stats(const struct iod_shadow *s, struct iod_shadow_stats *stats)
{
	struct iod_shadow_stats out;

	if (!s)
		return -EINVAL;
	memset(&out, 0, sizeof(out));
	out.invalidations = s->invalidations;
	out.unmapped = s->unmapped;
	out.mapped = s->mapped;
	out.present = s->mapped - s->unmapped;
	out.dirty = s->dirty;
	out.syncs = s->syncs;
	out.widen_lg2 = s->widen_lg2;
	return iod_struct_out(stats, &out, sizeof(out), sizeof(out));
}

/* ---- which addresses ---- */

struct scope {
	struct span span[RANGES + 1]; /* one may be cut in two */
	struct span_set set;
	bool all;
};

static void add_range(const struct iod_shadow *s, struct scope *scope, uint64_t first,
		      uint64_t last)
{
	uint32_t lg2 = s->widen_lg2 > s->guest_lg2 ? s->widen_lg2 : s->guest_lg2;

	if (first <= last)
		iod_span_add(&scope->set, align_down(first, lg2), last | low_mask(lg2));
}

static int scope_of(const struct iod_shadow *s, struct scope *scope, const struct iod_inv *inv,
		    size_t nr)
{
	scope->set = (struct span_set){ .span = scope->span, .max = RANGES };
	scope->all = s->stale;
	for (size_t i = 0; i < nr; i++) {
		bool mine = !((inv[i].domain ^ s->cfg.domain) & ~inv[i].domain_ignore);

		switch (inv[i].kind) {
		case IOD_INV_ALL:
			scope->all = true;
			break;
		case IOD_INV_DOMAIN:
			scope->all |= mine;
			break;
		case IOD_INV_RANGE:
			if (mine)
				add_range(s, scope, inv[i].iova, inv[i].last);
			break;
		default:
			return -EINVAL;
		}
	}
	return 0;
}

static struct span both(const struct span *a, const struct span *b)
{
	return (struct span){ a->first > b->first ? a->first : b->first,
			      a->last < b->last ? a->last : b->last };
}

/* In order, apart, and addresses of the shadow's. */
static void finish_scope(const struct iod_shadow *s, struct scope *scope)
{
	struct span part[2], old[RANGES], c;
	unsigned int p, parts = parts_of(s->cfg.pt, part);
	size_t nr, i, n = 0;

	if (scope->all) {
		memcpy(scope->span, part, parts * sizeof(*part));
		scope->set.nr = parts;
		return;
	}
	iod_span_join(&scope->set);
	nr = scope->set.nr;
	memcpy(old, scope->span, nr * sizeof(*old));
	for (i = 0; i < nr; i++) {
		for (p = 0; p < parts; p++) {
			c = both(&old[i], &part[p]);
			if (c.first <= c.last)
				scope->span[n++] = c;
		}
	}
	scope->set.nr = n;
}

/* ---- work ---- */

struct walk {
	struct iod_shadow *s;
	struct iod_shadow_work *work;
	uint64_t budget_end; /* of work->items and what was planned, summed; 0: none */
	uint64_t spent;	     /* planned in steps that are done */
	uint64_t start;	     /* where the step under way began */
	bool open;	     /* one is under way */
};

static uint64_t used(const struct walk *w)
{
	return w->work->items + w->spent + w->s->planned;
}

static bool over_budget(const struct walk *w)
{
	return w->budget_end && used(w) >= w->budget_end;
}

/* No more at a time than is left. */
static uint64_t stretch(const struct walk *w)
{
	uint64_t left = w->budget_end > used(w) ? w->budget_end - used(w) : 1;

	return w->budget_end && left < SHADOW_STRETCH ? left : SHADOW_STRETCH;
}

static int commit(struct walk *w, uint64_t next)
{
	struct iod_shadow *s = w->s;
	uint64_t failed_at = w->start;
	int ret = 0;

	w->spent += s->planned;
	if (!shadow_idle(s))
		ret = iod_shadow_commit(s, w->start, w->work, &failed_at);
	w->work->next_iova = ret ? failed_at : next;
	w->start = w->work->next_iova;
	return ret;
}

/* One range; stops where the budget ends. @return 0, 1 stopped, or an error */
static int walk_range(struct walk *w, uint64_t first, uint64_t last)
{
	struct iod_shadow *s = w->s;
	uint64_t at = first, next;
	int ret, later;
	bool stop;

	if (!w->open)
		w->start = first;
	w->open = true;
	iod_shadow_plan_begin(s, first);
	for (;; at = next) {
		s->stretch = stretch(w);
		ret = iod_shadow_plan(s, at, last, &next, w->work);
		if (ret > 0) {
			iod_shadow_plan_end(s, last);
			return 0;
		}
		stop = over_budget(w);
		if (!ret && !s->full && !stop)
			continue;
		later = commit(w, next);
		if (later || ret)
			return later ? later : ret;
		if (stop)
			return 1;
	}
}

static int walk_scope(struct walk *w, const struct scope *scope)
{
	uint64_t last = 0;
	int ret = 0;
	size_t i;

	for (i = 0; i < scope->set.nr && !ret; i++) {
		struct span span = scope->span[i];

		if (span.last < w->work->next_iova)
			continue;
		if (span.first < w->work->next_iova)
			span.first = align_down(w->work->next_iova, w->s->guest_lg2);
		ret = walk_range(w, span.first, span.last);
		last = span.last;
		if (!ret && over_budget(w) && i + 1 < scope->set.nr) {
			ret = commit(w, scope->span[i + 1].first);
			if (!ret)
				return 1;
		}
	}
	return ret ? ret : commit(w, last + 1);
}

/*
 * Comparing everything, which several may have begun: what was seen in it counts as far as it goes without a gap.
 * @return whether it does
 */
static bool everything_begin(struct iod_shadow *s, struct iod_shadow_work *work)
{
	/* What was done for another table is to be done again. */
	if (s->stale && work->next_iova > s->through)
		work->next_iova = s->through;
	if (!work->next_iova) {
		s->fresh_lg2 = s->guest_lg2;
		s->through = 0;
	}
	return work->next_iova <= s->through;
}

static void everything_end(struct iod_shadow *s, const struct iod_shadow_work *work)
{
	if (work->complete) {
		s->widen_lg2 = s->fresh_lg2;
		s->stale = false;
		s->through = UINT64_MAX;
	} else if (work->next_iova > s->through) {
		s->through = work->next_iova;
	}
}

int iod_shadow_invalidate(struct iod_shadow *s, const struct iod_inv *inv, size_t nr,
			  struct iod_shadow_work *user)
{
	struct iod_shadow_work work;
	struct scope scope;
	struct walk w = { .s = s, .work = &work };
	int ret = iod_struct_in(&work, sizeof(work), user, sizeof(work));
	bool everything;

	if (ret)
		return ret;
	if (!s || (nr && !inv))
		return -EINVAL;
	ret = scope_of(s, &scope, inv, nr);
	if (ret)
		return ret;
	work.complete = false;
	if (work.budget && __builtin_add_overflow(work.items, work.budget, &w.budget_end))
		w.budget_end = 0;
	finish_scope(s, &scope);
	everything = scope.all && everything_begin(s, &work);
	ret = iod_shadow_settle(s, &work);
	if (!ret)
		ret = walk_scope(&w, &scope);
	if (!ret) {
		work.complete = true;
		work.next_iova = 0;
		s->invalidations++;
	}
	if (everything)
		everything_end(s, &work);
	(void)iod_struct_out(user, &work, sizeof(work), sizeof(work));
	return ret > 0 ? 0 : ret;
}

int iod_shadow_refresh(struct iod_shadow *s, struct iod_shadow_work *work)
{
	const struct iod_inv all = { .kind = IOD_INV_ALL };

	return iod_shadow_invalidate(s, &all, 1, work);
}
