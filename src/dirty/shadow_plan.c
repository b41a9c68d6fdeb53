/* SPDX-License-Identifier: MIT */
/*
 * What differs between a guest's table and its shadow. Both are read stretch by stretch into lists of runs, which are
 * compared; what the guest's side says is translated on the way.
 *
 * The guest changes its table meanwhile. Each entry is read once, and what it said then is what the shadow gets: the
 * guest has to invalidate again what it changes later.
 */
#include "dirty/shadow.h"

#include <errno.h>
#include <string.h>

#include "pgtable/pt_defs.h"

/* Ranges to unmap are joined over so many pages that are not mapped: eight words of bits. */
#define CLUB_PAGES 512u
/* Mapped in one go where it takes small pages. */
#define SMALL_PAGES_MAX (UINT64_C(1) << 30)
/* Entries that a step unmaps and maps, about. */
#define PLAN_MAX UINT64_C(1 << 20)
/* Nothing that exists is larger; so lengths do not overflow. */
#define ASK_MAX	  (UINT64_C(1) << 62)

#define LARGE_LG2 21u

/* ---- reading one side ---- */

struct reading {
	struct shadow_side *side;
	uint64_t next;	    /* behind what was reported */
	uint32_t *notes[2]; /* largest leaf */
	uint64_t bad;
};

static bool joins(const struct shadow_side *side, const struct shadow_run *r,
		  const struct shadow_run *next)
{
	return r->last + 1 == next->first && r->to + (next->first - r->first) == next->to &&
	       r->prot == next->prot && (side->merge_sizes || r->lg2 == next->lg2);
}

static int take_mapping(void *cookie, const struct iod_visit_event *e)
{
	struct reading *reading = cookie;
	struct shadow_side *side = reading->side;
	struct shadow_run run = { .prot = e->mapping.prot & PT_RW };
	uint32_t lg2, i;

	if (e->kind != IOD_VISIT_MAPPING) {
		reading->bad++;
		return 0;
	}
	/* Clipped: to the stretch, and to what was not reported yet. */
	run.first = e->iova > reading->next ? e->iova : reading->next;
	run.last = e->last < side->last ? e->last : side->last;
	if (run.first > run.last)
		return 0;
	run.to = e->mapping.pa + (run.first - e->iova);
	lg2 = fls64(e->mapping.len);
	/* Part of a run of items counts as what one of them maps; nothing is concluded from its size. */
	run.lg2 = is_pow2(e->mapping.len) ? lg2 : 0;
	for (i = 0; i < 2 && reading->notes[i]; i++)
		if (lg2 + !run.lg2 > *reading->notes[i])
			*reading->notes[i] = lg2 + !run.lg2;
	if (side->nr && joins(side, &side->run[side->nr - 1], &run)) {
		side->run[side->nr - 1].last = run.last;
	} else {
		if (side->nr == side->max) {
			reading->next = run.first;
			side->full = true;
			return 1;
		}
		side->run[side->nr++] = run;
	}
	reading->next = run.last + 1;
	return run.last == UINT64_MAX; /* nothing follows */
}

/* Reads [first, last] of a table, or its beginning: side->last says how far. */
static int read_side(const struct iod_pgtable *pt, struct reading *reading, uint64_t first,
		     uint64_t last, uint64_t budget, struct iod_shadow_work *work)
{
	struct shadow_side *side = reading->side;
	struct iod_visit v = { .size = sizeof(v),
			       .iova = first,
			       .len = last - first + 1,
			       .flags = IOD_VISIT_MAPPINGS_ONLY,
			       .budget = budget,
			       .fn = take_mapping,
			       .cookie = reading };
	int ret;

	side->nr = 0;
	side->last = last;
	side->full = false;
	reading->next = first;
	ret = pt->ops->visit(pt, &v);
	work->items += v.items;
	if (side->full)
		side->last = reading->next - 1;
	else if (!ret && v.done != v.len)
		side->last = v.next_iova - 1;
	return ret > 0 ? 0 : ret;
}

/* ---- what the guest wants, in addresses that hardware understands ---- */

struct wish {
	uint64_t first, last, gpa, pa;
	uint32_t prot; /* 0: no memory */
	bool valid;
	uint32_t index; /* of the guest's run */
	uint64_t next;	/* in it */
};

static int wish_translate(struct iod_shadow *s, struct wish *wish, const struct shadow_run *r,
			  uint64_t at)
{
	uint64_t ask = r->last - at < ASK_MAX ? r->last - at + 1 : ASK_MAX, len = ask;
	int ret;

	wish->gpa = r->to + (at - r->first);
	wish->prot = r->prot;
	ret = s->ops.translate(s->cfg.cookie, wish->gpa, &len, &wish->prot, &wish->pa);
	if (ret && ret != -ENOENT)
		return ret;
	if (!len || len > ask || !is_aligned(len, s->min_lg2))
		return -EINVAL;
	wish->prot &= r->prot;
	if (ret)
		wish->prot = 0;
	if (wish->prot && !is_aligned(wish->pa, s->min_lg2))
		return -EINVAL;
	if ((wish->prot & IOD_PROT_WRITE) && s->wide_writes)
		wish->prot |= IOD_PROT_READ;
	wish->first = at;
	wish->last = at + (len - 1);
	wish->next = wish->last + 1;
	wish->valid = true;
	return 0;
}

/* The one that ends at @at or behind it. */
static int wish_at(struct iod_shadow *s, struct wish *wish, uint64_t at)
{
	const struct shadow_run *r;

	if (wish->valid && wish->last >= at)
		return 0;
	wish->valid = false;
	for (; wish->index < s->want.nr; wish->index++) {
		r = &s->want.run[wish->index];
		if (r->last < at || r->last < wish->next)
			continue;
		if (r->first > at)
			at = r->first;
		if (at < wish->next)
			at = wish->next;
		return wish_translate(s, wish, r, at);
	}
	return 0;
}

/* ---- the plan ---- */

/* Where led what is unmapped? @return false: no room */
static bool remember(struct iod_shadow *s, uint64_t first, uint64_t last, uint64_t to)
{
	struct shadow_run *r = s->nr_gone ? &s->gone[s->nr_gone - 1] : NULL;

	if (r && r->last + 1 == first && r->to + (first - r->first) == to) {
		r->last = last;
		return true;
	}
	if (s->nr_gone == s->max_gone)
		return false;
	s->gone[s->nr_gone++] = (struct shadow_run){ .first = first, .last = last, .to = to };
	return true;
}

static uint64_t pages(uint64_t first, uint64_t last, uint32_t lg2)
{
	return ((last - first) >> lg2) + 1;
}

static uint64_t words_of(uint64_t bits)
{
	return (bits + 63) / 64;
}

/* @return whether [first, last] became part of the last range */
static bool club(struct iod_shadow *s, uint64_t first, uint64_t last, uint32_t lg2)
{
	struct shadow_unmap *u = s->nr_unmap ? &s->unmap[s->nr_unmap - 1] : NULL;
	uint64_t words;

	if (!u || s->barrier || u->lg2 != lg2 || (first - u->last) >> lg2 > CLUB_PAGES)
		return false;
	words = words_of(pages(u->first, last, lg2));
	if (words > s->max_words - u->word)
		return false;
	u->last = last;
	s->nr_words = u->word + (uint32_t)words;
	return true;
}

/*
 * Plans to unmap pages of one size (or parts of them, with the smallest size), as far as there is room.
 * @return how far, inclusive; first - 1: not at all
 */
static uint64_t plan_pages(struct iod_shadow *s, uint64_t first, uint64_t last, uint32_t lg2,
			   uint64_t to)
{
	uint64_t room = (uint64_t)(s->max_words - s->nr_words) * 64;

	if (s->nr_unmap == s->max || !room)
		return first - 1;
	if (pages(first, last, lg2) > room)
		last = first + ((room << lg2) - 1);
	if (!remember(s, first, last, to))
		return first - 1;
	s->planned += pages(first, last, lg2);
	if (!club(s, first, last, lg2)) {
		s->unmap[s->nr_unmap++] = (struct shadow_unmap){
			.first = first,
			.last = last,
			.lg2 = lg2,
			.word = s->nr_words,
		};
		s->nr_words += (uint32_t)words_of(pages(first, last, lg2));
	}
	s->barrier = false;
	return last;
}

/* The same for a part of a run: pages that it cuts are for themselves. */
static uint64_t plan_unmap(struct iod_shadow *s, uint64_t first, uint64_t last,
			   const struct shadow_run *r)
{
	uint64_t at = first, end, got, leaf = low_mask(r->lg2);
	uint32_t lg2;

	for (;;) {
		end = last;
		lg2 = r->lg2;
		if (r->lg2 <= s->min_lg2) {
			lg2 = s->min_lg2;
		} else if ((at & leaf) || (at | leaf) > last) {
			/* A page of which only a part goes. */
			lg2 = s->min_lg2;
			end = (at | leaf) < last ? at | leaf : last;
		} else if ((last & leaf) != leaf) {
			end = (last & ~leaf) - 1;
		}
		got = plan_pages(s, at, end, lg2, r->to + (at - r->first));
		if (got != end || got == last)
			return got;
		at = got + 1;
	}
}

/* Entries that a range will take, about: small pages where the two addresses do not fit each other. */
static bool fits_large(uint64_t a, uint64_t b)
{
	return is_aligned(a ^ b, LARGE_LG2);
}

/* @return how far, as above */
static uint64_t plan_map(struct iod_shadow *s, uint64_t first, uint64_t last,
			 const struct wish *wish)
{
	struct shadow_map *m = s->nr_map ? &s->map[s->nr_map - 1] : NULL, new = {
		.first = first,
		.gpa = wish->gpa + (first - wish->first),
		.pa = wish->pa + (first - wish->first),
		.prot = wish->prot,
	};
	bool large = fits_large(new.first, new.pa);

	if (!large && last - first >= SMALL_PAGES_MAX)
		last = first + (SMALL_PAGES_MAX - 1);
	new.last = last;
	s->planned += pages(first, last, large ? LARGE_LG2 : s->min_lg2);
	if (m && m->last + 1 == first && m->prot == new.prot &&
	    m->gpa + (first - m->first) == new.gpa && m->pa + (first - m->first) == new.pa) {
		m->last = last;
		return last;
	}
	if (s->nr_map == s->max)
		return first - 1;
	s->map[s->nr_map++] = new;
	return last;
}

/* The stretch without mappings that planning is in ends there. */
static void hole_ends_with(struct iod_shadow *s, uint64_t last)
{
	if (s->in_hole && s->hole_used && s->nr_prune < s->max)
		s->prune[s->nr_prune++] = (struct span){ s->hole, last };
	s->in_hole = false;
}

/* Or before @next. */
static void hole_end(struct iod_shadow *s, uint64_t next)
{
	if (next > s->hole)
		hole_ends_with(s, next - 1);
}

static void hole_begin(struct iod_shadow *s, uint64_t first)
{
	s->in_hole = true;
	s->hole_used = false;
	s->hole = first;
}

/*
 * How far what is mapped may stay, inclusive; first - 1: not at all. Memory may have got another guest address while it
 * stayed where it is: the join is to say so, and it does when pages are unmapped and mapped.
 */
static uint64_t kept_last(const struct iod_shadow *s, uint64_t first, uint64_t last, uint64_t gpa)
{
	uint64_t at = first, to, len;

	if (!s->cfg.join)
		return last;
	for (; !iod_gpa_join_lookup(s->cfg.join, at, &to, &len); at += len) {
		if (to != gpa + (at - first))
			break;
		if (len - 1 >= last - at)
			return last;
	}
	return at - 1;
}

/* [first, last]: what is wanted and what is there are each one thing, or nothing. @return how far */
static uint64_t plan_segment(struct iod_shadow *s, uint64_t first, uint64_t last,
			     const struct wish *wish, const struct shadow_run *have,
			     struct iod_shadow_work *work)
{
	bool wanted = wish && wish->prot;
	uint64_t got;

	if (wanted && have && have->prot == wish->prot &&
	    have->to + (first - have->first) == wish->pa + (first - wish->first))
		got = kept_last(s, first, last, wish->gpa + (first - wish->first));
	else
		got = first - 1;
	if (got != first - 1) {
		work->kept += got - first + 1;
		s->barrier = true;
		hole_end(s, first);
		hole_begin(s, got + 1);
		return got;
	}
	got = last;
	if (wanted && s->nr_map == s->max)
		return first - 1;
	if (have)
		got = plan_unmap(s, first, last, have);
	if (got == first - 1)
		return got;
	if (wanted) {
		got = plan_map(s, first, got, wish);
		hole_end(s, first);
		hole_begin(s, got + 1);
	} else {
		s->hole_used |= have != NULL;
		if (wish)
			work->missing += got - first + 1;
	}
	return got;
}

/* Compares the lists. *@next: behind what is planned. @return 1 all of it, 0 the step is full, or an error */
static int compare(struct iod_shadow *s, uint64_t first, uint64_t last, uint64_t *next,
		   struct iod_shadow_work *work)
{
	struct wish wish = { .next = 0 };
	const struct shadow_run *have = s->have.run, *end = s->have.run + s->have.nr;
	uint64_t at = first, to, got;
	int ret;

	for (;; at = to + 1) {
		bool wanted, there;

		*next = at;
		ret = wish_at(s, &wish, at);
		if (ret)
			return ret;
		while (have != end && have->last < at)
			have++;
		wanted = wish.valid && wish.first <= at;
		there = have != end && have->first <= at;
		to = last;
		if (wish.valid && (wanted ? wish.last : wish.first - 1) < to)
			to = wanted ? wish.last : wish.first - 1;
		if (have != end && (there ? have->last : have->first - 1) < to)
			to = there ? have->last : have->first - 1;
		got = plan_segment(s, at, to, wanted ? &wish : NULL, there ? have : NULL, work);
		*next = got + 1;
		if (got == to && to == last)
			return 1;
		if (got != to || s->planned >= PLAN_MAX)
			return 0;
	}
}

/* Lists are compared as far as both go, and in whole pages of the guest's. */
static uint64_t common_last(const struct iod_shadow *s)
{
	uint64_t last = s->want.last < s->have.last ? s->want.last : s->have.last;

	return align_down(last + 1, s->guest_lg2) - 1;
}

static void clip(struct shadow_side *side, uint64_t last)
{
	while (side->nr && side->run[side->nr - 1].first > last)
		side->nr--;
	if (side->nr && side->run[side->nr - 1].last > last)
		side->run[side->nr - 1].last = last;
}

/* What the guest's table has of the stretch: it may be narrower than the shadow's, and have a hole in the middle. */
static bool guest_has(const struct iod_shadow *s, uint64_t first, uint64_t *last)
{
	unsigned int i;

	for (i = 0; i < s->nr_parts; i++) {
		if (s->part[i].last < first)
			continue;
		if (s->part[i].first > first) {
			if (s->part[i].first <= *last)
				*last = s->part[i].first - 1;
			return false;
		}
		if (s->part[i].last < *last)
			*last = s->part[i].last;
		return true;
	}
	return false;
}

static int read_guest(struct iod_shadow *s, uint64_t first, uint64_t last,
		      struct iod_shadow_work *work)
{
	struct reading reading = { .side = &s->want, .notes = { &s->widen_lg2, &s->fresh_lg2 } };
	bool there = s->guest && guest_has(s, first, &last);
	int ret;

	s->want.nr = 0;
	s->want.last = last;
	if (!there)
		return 0;
	ret = read_side(s->guest, &reading, first, last, s->stretch, work);
	/* A root that cannot be read maps nothing: hardware would refuse everything. */
	if (ret == -EFAULT) {
		reading.bad++;
		s->want.nr = 0;
		s->want.last = last;
		ret = 0;
	}
	work->bad += reading.bad;
	return ret;
}

int iod_shadow_plan(struct iod_shadow *s, uint64_t first, uint64_t last, uint64_t *next,
		    struct iod_shadow_work *work)
{
	struct reading reading = { .side = &s->have };
	uint64_t common;
	int ret;

	*next = first;
	ret = read_guest(s, first, last, work);
	if (!ret)
		ret = read_side(s->cfg.pt, &reading, first, s->want.last, s->stretch, work);
	if (ret)
		return ret;
	common = common_last(s);
	clip(&s->want, common);
	clip(&s->have, common);
	ret = compare(s, first, common, next, work);
	if (ret <= 0) {
		s->full = true;
		/* A page of the guest's is not left in the middle. */
		*next = align_down(*next, s->guest_lg2);
		return ret;
	}
	return common == last;
}

void iod_shadow_plan_begin(struct iod_shadow *s, uint64_t first)
{
	s->barrier = true;
	hole_begin(s, first);
}

void iod_shadow_plan_end(struct iod_shadow *s, uint64_t last)
{
	if (last >= s->hole)
		hole_ends_with(s, last);
}
