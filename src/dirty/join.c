/* SPDX-License-Identifier: MIT */
/* What IOVAs stand for, now and as long as somebody has to know. */
#include "dirty/join.h"

#include <errno.h>
#include <string.h>

#include "dirty/bitmap.h"

#define DEFAULT_MAX_RANGES (UINT64_C(1) << 20)
#define PAGE_LG2	   12u

/* ---- creation ---- */

int iod_gpa_join_create(struct iod_gpa_join **out, const struct iod_gpa_join_cfg *user)
{
	struct iod_gpa_join_cfg cfg = { .size = sizeof(cfg) };
	struct iod_allocator allocator;
	struct iod_gpa_join *join;
	int ret = out ? 0 : -EINVAL;

	if (!ret && user)
		ret = iod_struct_in(&cfg, sizeof(cfg), user, sizeof(cfg));
	if (!ret && (cfg.flags || cfg.reserved))
		ret = -EINVAL;
	if (!ret)
		ret = iod_allocator_init(&allocator, cfg.allocator);
	if (ret)
		return ret;
	join = iod_zalloc(&allocator, sizeof(*join));
	if (!join)
		return -ENOMEM;
	join->allocator = allocator;
	join->max_ranges = cfg.max_ranges ? cfg.max_ranges : DEFAULT_MAX_RANGES;
	join->buried_end = &join->buried;
	join->now = 1;
	if (pthread_mutex_init(&join->lock, NULL)) {
		iod_zfree(&allocator, join, sizeof(*join));
		return -ENOMEM;
	}
	*out = join;
	return 0;
}

static void range_free(struct iod_gpa_join *join, struct join_range *r)
{
	iod_itree_remove(&join->iovas, &r->iova);
	iod_itree_remove(&join->gpas, &r->gpa);
	if (r->buried)
		join->nr_buried--;
	else
		join->nr_live--;
	join->nr_loose -= r->loose;
	iod_zfree(&join->allocator, r, sizeof(*r));
}

int iod_gpa_join_destroy(struct iod_gpa_join *join)
{
	bool used;

	if (!join)
		return -EINVAL;
	pthread_mutex_lock(&join->lock);
	used = join->users;
	pthread_mutex_unlock(&join->lock);
	if (used)
		return -EBUSY;
	while (join->iovas.root)
		range_free(join, join_by_iova(join->iovas.root));
	pthread_mutex_destroy(&join->lock);
	iod_zfree(&join->allocator, join, sizeof(*join));
	return 0;
}

/* ---- the journal ---- */

int iod_join_attach(struct iod_gpa_join *join, struct join_user *user)
{
	int ret = 0;

	pthread_mutex_lock(&join->lock);
	if (join->users && join->users->log != user->log) {
		ret = -EBUSY;
	} else {
		user->next = join->users;
		join->users = user;
	}
	pthread_mutex_unlock(&join->lock);
	return ret;
}

/* When the first of those who hold began; UINT64_MAX: nobody does. */
static uint64_t held_since(const struct iod_gpa_join *join)
{
	uint64_t since = UINT64_MAX;
	const struct join_user *u;
	unsigned i;

	for (u = join->users; u; u = u->next)
		for (i = 0; i < JOIN_HOLDS; i++)
			if (u->since[i] && u->since[i] < since)
				since = u->since[i];
	return since;
}

static void forget_first(struct iod_gpa_join *join)
{
	struct join_range *r = join->buried;

	join->buried = r->next;
	if (!join->buried)
		join->buried_end = &join->buried;
	range_free(join, r);
}

/* Forgets what died before everybody who still holds began. */
static void forget(struct iod_gpa_join *join)
{
	uint64_t since = held_since(join);

	while (join->buried && join->buried->died < since)
		forget_first(join);
}

void iod_join_detach(struct iod_gpa_join *join, struct join_user *user)
{
	struct join_user **at = &join->users;

	pthread_mutex_lock(&join->lock);
	while (*at && *at != user)
		at = &(*at)->next;
	if (*at)
		*at = user->next;
	forget(join);
	pthread_mutex_unlock(&join->lock);
}

void iod_join_begin(struct iod_gpa_join *join, struct join_user *user, enum join_hold hold)
{
	pthread_mutex_lock(&join->lock);
	if (!user->since[hold])
		user->since[hold] = join->now;
	pthread_mutex_unlock(&join->lock);
}

void iod_join_end(struct iod_gpa_join *join, struct join_user *user, enum join_hold hold)
{
	pthread_mutex_lock(&join->lock);
	user->since[hold] = 0;
	forget(join);
	pthread_mutex_unlock(&join->lock);
}

static void mark(struct iod_gpa_join *join, uint64_t gpa, uint64_t last)
{
	struct join_user *u;

	for (u = join->users; u; u = u->next)
		u->mark(u, gpa, last);
}

/* Whoever might have had a mark there need not know any more. */
static void give_up(struct iod_gpa_join *join, uint64_t gpa, uint64_t last)
{
	mark(join, gpa, last);
	join->given_up += last - gpa + 1;
}

/* ---- ranges ---- */

/* For so many ranges more. What is live is worth more than the journal. */
static void make_room(struct iod_gpa_join *join, uint64_t nr)
{
	while (join->buried && join->nr_live + join->nr_buried + nr > join->max_ranges) {
		give_up(join, join->buried->gpa.first, join->buried->gpa.last);
		forget_first(join);
	}
}

static struct join_range *range_alloc(struct iod_gpa_join *join)
{
	if (join->nr_live + join->nr_buried >= join->max_ranges)
		return NULL;
	return iod_zalloc(&join->allocator, sizeof(struct join_range));
}

static void range_place(struct iod_gpa_join *join, struct join_range *r, uint64_t iova,
			uint64_t last, uint64_t gpa)
{
	r->iova.first = iova;
	r->iova.last = last;
	r->gpa.first = gpa;
	r->gpa.last = gpa + (last - iova);
	iod_itree_insert(&join->iovas, &r->iova);
	iod_itree_insert(&join->gpas, &r->gpa);
}

static void range_end_at(struct join_range *r, uint64_t last)
{
	iod_itree_set_last(&r->gpa, join_gpa_of(r, last));
	iod_itree_set_last(&r->iova, last);
}

/* Everything of a range that is in the trees is over. */
static void bury(struct iod_gpa_join *join, struct join_range *r)
{
	if (held_since(join) == UINT64_MAX) {
		range_free(join, r);
		return;
	}
	r->died = join->now++;
	r->buried = true;
	join->nr_live--;
	join->nr_buried++;
	join->nr_loose -= r->loose;
	r->loose = false;
	*join->buried_end = r;
	join->buried_end = &r->next;
}

/* A part of a range, which is cut off, is over. */
static void bury_part(struct iod_gpa_join *join, uint64_t iova, uint64_t last, uint64_t gpa)
{
	struct join_range *r;

	if (held_since(join) == UINT64_MAX)
		return;
	r = range_alloc(join);
	if (!r) {
		give_up(join, gpa, gpa + (last - iova));
		return;
	}
	range_place(join, r, iova, last, gpa);
	join->nr_live++;
	bury(join, r);
}

/* Takes [iova, last], which is part of it, out of a live range. */
static void range_cut(struct iod_gpa_join *join, struct join_range *r, uint64_t iova, uint64_t last)
{
	uint64_t first = r->iova.first, end = r->iova.last, gpa = join_gpa_of(r, iova);
	struct join_range *right = NULL;

	if (iova == first && last == end) {
		bury(join, r);
		return;
	}
	if (iova != first && last != end) {
		right = range_alloc(join);
		if (!right) { /* it goes on to stand for what it stood for */
			join->nr_loose += !r->loose;
			r->loose = true;
			return;
		}
	}
	if (iova == first) {
		iod_itree_remove(&join->iovas, &r->iova);
		iod_itree_remove(&join->gpas, &r->gpa);
		range_place(join, r, last + 1, end, join_gpa_of(r, last + 1));
	} else {
		range_end_at(r, iova - 1);
	}
	if (right) {
		right->iova.called = r->iova.called;
		right->loose = r->loose;
		join->nr_loose += right->loose;
		join->nr_live++;
		range_place(join, right, last + 1, end, join_gpa_of(r, last + 1));
	}
	bury_part(join, iova, last, gpa);
}

/* ---- map and unmap ---- */

static int range_check(const struct iod_gpa_join *join, uint64_t iova, uint64_t len, uint64_t gpa)
{
	if (!join || !len || (iova | len | gpa) & low_mask(PAGE_LG2))
		return -EINVAL;
	return len - 1 > UINT64_MAX - iova || len - 1 > UINT64_MAX - gpa ? -ERANGE : 0;
}

static bool is_mapped(const struct iod_gpa_join *join, uint64_t iova, uint64_t last)
{
	struct itree_node *n;

	for (n = iod_itree_first(&join->iovas, iova, last); n; n = iod_itree_next(n, iova, last))
		if (!join_by_iova(n)->buried && !join_by_iova(n)->loose)
			return true;
	return false;
}

/* The live range that ends where this one begins, in both spaces. */
static struct join_range *predecessor(const struct iod_gpa_join *join, uint64_t iova, uint64_t gpa)
{
	struct itree_node *n = NULL;
	struct join_range *r;

	if (iova && gpa)
		n = iod_itree_first(&join->iovas, iova - 1, iova - 1);
	for (; n; n = iod_itree_next(n, iova - 1, iova - 1)) {
		r = join_by_iova(n);
		if (!r->buried && !r->loose && r->iova.last == iova - 1 && r->gpa.last == gpa - 1)
			return r;
	}
	return NULL;
}

/* The live range that begins behind @last and @gpa_last. */
static struct join_range *successor(const struct iod_gpa_join *join, uint64_t last,
				    uint64_t gpa_last)
{
	struct itree_node *n = NULL;
	struct join_range *r;

	if (~last && ~gpa_last)
		n = iod_itree_first(&join->iovas, last + 1, last + 1);
	for (; n; n = iod_itree_next(n, last + 1, last + 1)) {
		r = join_by_iova(n);
		if (!r->buried && !r->loose && r->iova.first == last + 1 &&
		    r->gpa.first == gpa_last + 1)
			return r;
	}
	return NULL;
}

/* Makes [iova, last] part of the ranges that it touches, if there are any. */
static bool extend(struct iod_gpa_join *join, uint64_t iova, uint64_t last, uint64_t gpa)
{
	struct join_range *before = predecessor(join, iova, gpa);
	struct join_range *behind = successor(join, last, gpa + (last - iova));

	if (behind)
		last = behind->iova.last;
	if (before && behind) {
		if (behind->iova.called)
			iod_itree_call(&before->iova, true);
		range_free(join, behind);
	}
	if (before) {
		range_end_at(before, last);
	} else if (behind) {
		iod_itree_remove(&join->iovas, &behind->iova);
		iod_itree_remove(&join->gpas, &behind->gpa);
		range_place(join, behind, iova, last, gpa);
	}
	return before || behind;
}

static int map_locked(struct iod_gpa_join *join, uint64_t iova, uint64_t last, uint64_t gpa)
{
	struct join_range *r;

	if (is_mapped(join, iova, last))
		return -EEXIST;
	join->changes++;
	if (extend(join, iova, last, gpa))
		return 0;
	if (join->nr_live >= join->max_ranges)
		return -ENOSPC;
	make_room(join, 1);
	r = range_alloc(join);
	if (!r)
		return -ENOMEM;
	join->nr_live++;
	range_place(join, r, iova, last, gpa);
	return 0;
}

int iod_gpa_join_map(struct iod_gpa_join *join, uint64_t iova, uint64_t len, uint64_t gpa)
{
	int ret = range_check(join, iova, len, gpa);

	if (ret)
		return ret;
	pthread_mutex_lock(&join->lock);
	ret = map_locked(join, iova, iova + (len - 1), gpa);
	pthread_mutex_unlock(&join->lock);
	return ret;
}

static void unmap_locked(struct iod_gpa_join *join, uint64_t iova, uint64_t last, bool dirty)
{
	struct itree_node *n, *next;
	struct join_range *r;
	uint64_t from, to;

	join->changes++;
	make_room(join, 3); /* both ends may be cut off, or a hole made */
	for (n = iod_itree_first(&join->iovas, iova, last); n; n = next) {
		r = join_by_iova(n);
		next = iod_itree_next(n, iova, last);
		if (r->buried)
			continue;
		from = r->iova.first > iova ? r->iova.first : iova;
		to = r->iova.last < last ? r->iova.last : last;
		if (dirty)
			give_up(join, join_gpa_of(r, from), join_gpa_of(r, to));
		range_cut(join, r, from, to);
	}
}

int iod_gpa_join_unmap(struct iod_gpa_join *join, uint64_t iova, uint64_t len, uint32_t flags)
{
	int ret = flags & ~IOD_GPA_JOIN_ALL_DIRTY ? -EINVAL : range_check(join, iova, len, 0);

	if (ret)
		return ret;
	pthread_mutex_lock(&join->lock);
	unmap_locked(join, iova, iova + (len - 1), flags & IOD_GPA_JOIN_ALL_DIRTY);
	pthread_mutex_unlock(&join->lock);
	return 0;
}

static int mark_part(void *cookie, uint64_t iova, uint64_t last, uint64_t gpa)
{
	mark(cookie, gpa, gpa + (last - iova));
	return 0;
}

int iod_gpa_join_mark_dirty(struct iod_gpa_join *join, uint64_t iova, uint64_t len)
{
	if (!join || !len)
		return -EINVAL;
	if (len - 1 > UINT64_MAX - iova)
		return -ERANGE;
	pthread_mutex_lock(&join->lock);
	iod_join_parts(join, iova, iova + (len - 1), mark_part, join);
	pthread_mutex_unlock(&join->lock);
	return 0;
}

/* ---- looking up ---- */

int iod_join_parts(struct iod_gpa_join *join, uint64_t iova, uint64_t last, join_part_fn fn,
		   void *cookie)
{
	struct itree_node *n = iod_itree_first(&join->iovas, iova, last);
	uint64_t from, to;
	int ret = 0;

	for (; n && !ret; n = iod_itree_next(n, iova, last)) {
		from = n->first > iova ? n->first : iova;
		to = n->last < last ? n->last : last;
		ret = fn(cookie, from, to, join_gpa_of(join_by_iova(n), from));
	}
	return ret;
}

int iod_gpa_join_lookup(struct iod_gpa_join *join, uint64_t iova, uint64_t *gpa, uint64_t *len)
{
	struct itree_node *n;
	struct join_range *r = NULL, *best = NULL;

	if (!join)
		return -EINVAL;
	pthread_mutex_lock(&join->lock);
	for (n = iod_itree_first(&join->iovas, iova, iova); n; n = iod_itree_next(n, iova, iova)) {
		r = join_by_iova(n);
		/* A loose one may not mean it. */
		if (!r->buried && (!best || best->loose))
			best = r;
	}
	if (best && gpa)
		*gpa = join_gpa_of(best, iova);
	if (best && len)
		*len = best->iova.last - iova + 1;
	pthread_mutex_unlock(&join->lock);
	return best ? 0 : -ENOENT;
}

static int set_part(void *cookie, uint64_t iova, uint64_t last, uint64_t gpa)
{
	struct iod_bitmap *to = cookie;
	uint64_t end = gpa + (last - iova), bm_last;

	bm_last = to->base_iova + ((to->nbits << to->granule_lg2) - 1);
	if (gpa >= to->base_iova && end <= bm_last)
		return iod_bitmap_set(to, gpa, end - gpa + 1);
	/* As much of it as there is room for. */
	if (gpa < to->base_iova)
		gpa = to->base_iova;
	if (end > bm_last)
		end = bm_last;
	if (gpa <= end)
		iod_bitmap_set(to, gpa, end - gpa + 1);
	return 1;
}

/* A run of IOVAs; *outside: some of it has no bit. */
static void translate_run(struct iod_gpa_join *join, uint64_t iova, uint64_t last,
			  struct iod_bitmap *to, bool *outside)
{
	struct itree_node *n;
	uint64_t from, end;

	pthread_mutex_lock(&join->lock);
	for (n = iod_itree_first(&join->iovas, iova, last); n; n = iod_itree_next(n, iova, last)) {
		from = n->first > iova ? n->first : iova;
		end = n->last < last ? n->last : last;
		if (set_part(to, from, end, join_gpa_of(join_by_iova(n), from)))
			*outside = true;
	}
	pthread_mutex_unlock(&join->lock);
}

int iod_gpa_join_translate(struct iod_gpa_join *join, const struct iod_bitmap *from,
			   struct iod_bitmap *to)
{
	uint64_t iova, len, last;
	bool outside = false;

	if (!join || !iod_bitmap_is_sane(from) || !iod_bitmap_is_sane(to))
		return -EINVAL;
	for (iova = from->base_iova; !iod_bitmap_next(from, &iova, &len); iova = last + 1) {
		last = iova + (len - 1);
		translate_run(join, iova, last, to, &outside);
		if (last == UINT64_MAX)
			break;
	}
	return outside ? -ERANGE : 0;
}

int iod_gpa_join_get_info(struct iod_gpa_join *join, struct iod_gpa_join_info *user)
{
	struct iod_gpa_join_info info = { .size = sizeof(info) };

	if (!join || !user)
		return -EINVAL;
	pthread_mutex_lock(&join->lock);
	info.ranges = join->nr_live;
	info.journal = join->nr_buried;
	info.memory = (join->nr_live + join->nr_buried) * sizeof(struct join_range);
	info.unknown = join->unknown;
	info.given_up = join->given_up;
	info.loose = join->nr_loose;
	pthread_mutex_unlock(&join->lock);
	return iod_struct_out(user, &info, sizeof(info), sizeof(info));
}
