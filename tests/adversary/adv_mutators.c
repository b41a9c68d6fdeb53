/* SPDX-License-Identifier: MIT */
/* Actors that change the table: one splits and merges, one unmaps with dirty and maps elsewhere. */
#include "adv.h"

enum phase { IDLE, WORKING, SYNCING, COPYING, SWEEPING };

/* ---- what both do ---- */

static struct adv_range choose_groups(struct adv_world *w, uint64_t *rng)
{
	uint64_t dice = adv_below(rng, 100);
	struct adv_range g;

	g.page = (uint32_t)adv_below(rng, w->groups);
	g.nr = 1;
	if (dice < 50)
		g.nr = 1 + (uint32_t)adv_below(rng, w->groups - g.page);
	else if (dice < 58)
		g = (struct adv_range){ 0, w->groups };
	return g;
}

static struct adv_range pages_of(const struct adv_world *w, struct adv_range groups)
{
	return (struct adv_range){ groups.page * w->group_pages, groups.nr * w->group_pages };
}

static struct adv_range part_of(struct adv_range r, uint64_t *rng)
{
	uint32_t from = (uint32_t)adv_below(rng, r.nr);
	uint32_t most = r.nr - from < 40 && adv_chance(rng, 50) ? 3 : r.nr - from;

	if (most > r.nr - from)
		most = r.nr - from;
	return (struct adv_range){ r.page + from, 1 + (uint32_t)adv_below(rng, most) };
}

/* ---- split and merge ---- */

static uint64_t choose_page_size(struct adv_world *w, uint64_t *rng)
{
	unsigned int lg2, from = 0, to = 0;

	if (adv_chance(rng, 30))
		return 0;
	while (IODT_BIT(from) < w->page)
		from++;
	for (to = from; IODT_BIT(to) < w->large; to++)
		;
	lg2 = from + (unsigned int)adv_below(rng, to - from + 1);
	return IODT_BIT(lg2);
}

static void begin_resize(struct adv_actor *a)
{
	struct adv_resizing *m = &a->u.resizing;
	struct adv_world *w = a->w;
	const struct iod_pgtable_ops *ops = iod_pgtable_get_ops(w->pt);
	struct adv_range r;
	r = choose_groups(w, &a->rng);
	if (!adv_own(a, r))
		return;
	m->merge = adv_chance(&a->rng, w->cfg.twin == ADV_BORN_CLEAN ? 40 : 55);
	if (m->merge ? !ops->merge_range : !ops->split_range) {
		adv_disown(a);
		return;
	}
	r = pages_of(w, r);
	if (adv_chance(&a->rng, m->merge ? 20 : 60))
		r = part_of(r, &a->rng);
	m->r = (struct iod_resize){
		.size = sizeof(m->r),
		.iova = adv_iova(w, r.page),
		.len = r.nr * w->page,
		.flags = w->resize_flags,
		.page_size = choose_page_size(w, &a->rng),
		.gather = a->gather,
		.budget = adv_chance(&a->rng, 50) ? 0 : 1 + adv_below(&a->rng, 700),
	};
	m->pages = r;
	m->witness.there = false;
	m->spare = m->merge && adv_chance(&a->rng, 60);
	adv_set_focus(w, r, m->spare);
	m->phase = m->spare ? SWEEPING : WORKING;
}

/* What is to be merged is mostly clean by then, so that nothing but the last writes makes it dirty. */
static void sweep_first(struct adv_actor *a)
{
	struct adv_resizing *m = &a->u.resizing;
	struct iod_sweep s = { .size = sizeof(s), .mode = IOD_SWEEP_CLEAR };
	struct adv_world *w = a->w;
	int ret;

	adv_bits_new(w, &m->bits, w->page);
	m->since = adv_serial(w);
	s.iova = m->r.iova;
	s.len = m->r.len;
	s.bitmap = &m->bits.bm;
	s.gather = a->gather;
	m->reported = a->sweeping = true;
	ret = iod_sweep(w->pt, &s);
	a->sweeping = false;
	adv_note(w, "sweep %#jx len %#jx: %d, dirty %ju", (uintmax_t)s.iova, (uintmax_t)s.len, ret,
		 (uintmax_t)s.dirty);
	if (ret)
		adv_fail(w, false, "sweep: %d", ret);
	adv_settle(a, true);
	adv_copy_bits(w, &m->bits, m->since);
	m->reported = false;
	m->witness.there = true;
	m->witness.agent = (unsigned int)adv_below(&a->rng, ADV_AGENTS);
	m->witness.page = m->pages.page + (uint32_t)adv_below(&a->rng, m->pages.nr);
	adv_witness(w, &m->witness, true);
	adv_set_focus(w, m->pages, false);
	m->phase = WORKING;
}

/* Which pages of larger ones are dirty and about to be split: a broken split will bear them clean. */
static void note_dirty(struct adv_world *w, struct adv_resizing *m)
{
	uint64_t size = m->r.page_size ? m->r.page_size : w->page, at;
	struct iod_sweep s = { .size = sizeof(s), .mode = IOD_SWEEP_READ };
	struct iod_mapping found;

	adv_bits_new(w, &m->bits, w->page);
	s.iova = m->r.iova;
	s.len = m->r.len;
	s.bitmap = &m->bits.bm;
	iod_sweep(w->pt, &s);
	for (at = m->r.iova; at < m->r.iova + m->r.len; at += w->page)
		if (iod_translate(w->pt, at, &found) || found.len <= size)
			iod_bitmap_clear(&m->bits.bm, at, w->page);
}

static void bear_clean(struct adv_world *w, struct adv_resizing *m, uint64_t iova, uint64_t len)
{
	struct iod_sweep s = { .size = sizeof(s), .mode = IOD_SWEEP_CLEAR_BY_BITMAP };

	s.iova = iova;
	s.len = len;
	s.bitmap = &m->bits.bm;
	s.gather = m->r.gather;
	iod_sweep(w->pt, &s);
	adv_note(w, "BROKEN: %ju children are born clean", (uintmax_t)s.cleaned);
}

static int resize_call(struct adv_actor *a)
{
	struct adv_resizing *m = &a->u.resizing;
	struct adv_world *w = a->w;
	bool clean = w->cfg.broken && w->cfg.twin == ADV_BORN_CLEAN && !m->merge;
	uint64_t iova = m->r.iova;
	int ret;

	if (clean)
		note_dirty(w, m);
	a->queue.merge = m->merge;
	ret = m->merge ? iod_merge_range(w->pt, &m->r) : iod_split_range(w->pt, &m->r);
	a->queue.merge = false;
	adv_note(w, "%s %#jx len %#jx to %#jx budget %ju: %d, done %#jx, %ju entries",
		 m->merge ? "merge" : "split", (uintmax_t)iova, (uintmax_t)m->r.len,
		 (uintmax_t)m->r.page_size, (uintmax_t)m->r.budget, ret, (uintmax_t)m->r.done,
		 (uintmax_t)m->r.entries);
	if (clean && !ret)
		bear_clean(w, m, iova, m->r.done);
	adv_count(m->merge ? &w->res->merges : &w->res->splits, m->r.entries);
	return ret;
}

static void resize_on(struct adv_actor *a)
{
	struct adv_resizing *m = &a->u.resizing;
	struct adv_world *w = a->w;
	int ret = resize_call(a);

	if (ret && !adv_excused(w, ret))
		adv_fail(w, false, "%s: %d", m->merge ? "merge" : "split", ret);
	if (!ret && (!m->r.done || m->r.done > m->r.len || m->r.next_iova != m->r.iova + m->r.done))
		adv_fail(w, false, "%s: done %#jx, next_iova %#jx", m->merge ? "merge" : "split",
			 (uintmax_t)m->r.done, (uintmax_t)m->r.next_iova);
	m->r.len -= m->r.done;
	m->r.iova += m->r.done;
	if (ret || !m->r.len)
		m->phase = SYNCING;
	if (m->spare) /* or a later write would make up for one that was lost */
		adv_set_focus(w, m->pages, true);
	/* After an error the dirty state may lie in detached tables until the sync. */
	if (ret)
		adv_settle(a, false);
}

void adv_resizer_step(struct adv_actor *a)
{
	struct adv_resizing *m = &a->u.resizing;

	switch ((enum phase)m->phase) {
	case IDLE:
		begin_resize(a);
		break;
	case SWEEPING:
		sweep_first(a);
		break;
	case WORKING:
		resize_on(a);
		break;
	case SYNCING:
	case COPYING:
		/* Else it stays in the gather, for the next one. */
		if (adv_chance(&a->rng, 60))
			adv_settle(a, adv_chance(&a->rng, 40));
		adv_disown(a);
		m->phase = IDLE;
		adv_check(a);
		break;
	}
}

/* ---- map ---- */

/* What is mapped of a piece that is wholly unmapped now, as far as the call came. */
static void map_piece(struct adv_world *w, struct adv_range r, unsigned int half, uint32_t prot,
		      struct iod_gather *gather)
{
	uint64_t done = 0, pa;
	uint32_t i;
	int ret;

	adv_place(w, r, half);
	pa = w->pa + w->pg[r.page].frame * w->page;
	ret = iod_map(w->pt, adv_iova(w, r.page), pa, r.nr * w->page, prot, gather, &done);
	adv_note(w, "map %#jx len %#jx to %#jx prot %#x: %d", (uintmax_t)adv_iova(w, r.page),
		 (uintmax_t)(r.nr * w->page), (uintmax_t)pa, prot, ret);
	if (ret && !adv_excused(w, ret))
		adv_fail(w, false, "map: %d", ret);
	for (i = 0; i < r.nr; i++) {
		if (i < done / w->page)
			adv_set_state(w, r.page + i, true);
		else
			__atomic_fetch_sub(&w->writers[w->pg[r.page + i].frame], 1,
					   __ATOMIC_RELEASE);
	}
	adv_count(&w->res->maps, 1);
}

static uint32_t choose_prot(struct adv_world *w, uint64_t *rng)
{
	uint64_t dice = adv_below(rng, 100);

	if (dice < 4)
		return IOD_PROT_READ;
	if (dice < 12)
		return IODT_RW | IOD_PROT_DIRTY;
	if (dice < 18 && w->untracked)
		return IODT_RW | IOD_PROT_UNTRACKED;
	return IODT_RW;
}

void adv_map_range(struct adv_world *w, struct adv_range r, uint64_t *rng,
		   struct iod_gather *gather)
{
	uint32_t end = r.page + r.nr, at, n;
	uint32_t prot = choose_prot(w, rng);
	unsigned int half = (unsigned int)adv_chance(rng, 30);

	if (adv_chance(rng, 8))
		return; /* a hole */
	for (at = r.page; at < end && !w->res->failed; at += n) {
		uint32_t in_group = w->group_pages - at % w->group_pages;

		n = 1;
		if (w->pg[at].mapped)
			continue;
		while (n < in_group && at + n < end && !w->pg[at + n].mapped)
			n++;
		map_piece(w, (struct adv_range){ at, n }, half, prot,
			  adv_chance(rng, 60) ? gather : NULL);
	}
}

/* ---- unmap ---- */

static bool choose_ranges(struct adv_actor *a)
{
	struct adv_mapping *m = &a->u.mapping;
	struct adv_world *w = a->w;
	struct adv_range g = choose_groups(w, &a->rng), all;
	uint32_t cut;

	if (!adv_own(a, g))
		return false;
	all = pages_of(w, g);
	m->swap = g.nr > 1 && adv_chance(&a->rng, 30);
	if (m->swap) {
		m->nr = 2;
		m->r[0] = pages_of(w, (struct adv_range){ g.page, 1 });
		m->r[1] = pages_of(w, (struct adv_range){ g.page + g.nr - 1, 1 });
		return true;
	}
	m->nr = 1;
	if (adv_chance(&a->rng, 20)) { /* a page, which is another way through the library */
		m->r[0] = (struct adv_range){ all.page + (uint32_t)adv_below(&a->rng, all.nr), 1 };
		return true;
	}
	if (adv_chance(&a->rng, 35)) {
		m->r[0] = all;
		return true;
	}
	if (all.nr > 8 && adv_chance(&a->rng, 50)) {
		cut = all.nr / ADV_RANGES;
		for (m->nr = 0; m->nr < ADV_RANGES; m->nr++)
			m->r[m->nr] =
				part_of((struct adv_range){ all.page + m->nr * cut, cut }, &a->rng);
		return true;
	}
	m->r[0] = part_of(all, &a->rng);
	return true;
}

/* From now on accesses may fault. Returns how many pages are mapped. */
static uint32_t announce(struct adv_world *w, struct adv_mapping *m)
{
	uint32_t n = 0, p;
	unsigned int i;

	for (i = 0; i < m->nr; i++) {
		for (p = m->r[i].page; p < m->r[i].page + m->r[i].nr; p++) {
			m->taken[p] = w->pg[p].mapped;
			n += m->taken[p];
			if (m->taken[p])
				adv_set_state(w, p, false);
		}
	}
	return n;
}

/* Ranges from the i-th on were not unmapped. */
static void take_back(struct adv_world *w, struct adv_mapping *m, size_t i)
{
	uint32_t p;

	for (; i < m->nr; i++) {
		for (p = m->r[i].page; p < m->r[i].page + m->r[i].nr; p++) {
			if (m->taken[p])
				adv_set_state(w, p, true);
			m->taken[p] = 0;
		}
	}
}

static int unmap_call(struct adv_actor *a)
{
	struct iod_unmap_dirty u[ADV_RANGES] = { 0 };
	struct adv_mapping *m = &a->u.mapping;
	struct adv_world *w = a->w;
	uint64_t unmapped = 0, pages;
	unsigned int i;
	size_t done = 0;
	int ret;

	for (i = 0; i < m->nr; i++) {
		u[i] = (struct iod_unmap_dirty){
			.size = sizeof(u[i]),
			.iova = adv_iova(w, m->r[i].page),
			.len = m->r[i].nr * w->page,
			.flags = IOD_UNMAP_SPLIT,
			.gather = a->gather,
			.bitmap = &m->bits.bm,
		};
		if (w->resize_flags)
			u[i].flags |= IOD_UNMAP_ALLOW_FAULTS;
	}
	adv_set_focus(w, m->r[0], false);
	pages = announce(w, m);
	m->plain = m->nr == 1 && adv_chance(&a->rng, 15);
	if (m->plain) {
		ret = iod_unmap(w->pt, u[0].iova, u[0].len, u[0].flags, a->gather, &u[0].unmapped);
		ret = ret == -ENOENT && !pages ? 0 : ret;
	} else if (m->nr == 1 && adv_chance(&a->rng, 70)) {
		ret = iod_unmap_dirty(w->pt, u);
	} else {
		ret = iod_unmap_dirty_batch(w->pt, u, m->nr, &done);
	}
	for (i = 0; i < m->nr; i++) {
		unmapped += u[i].unmapped;
		adv_note(w, "unmap%s %#jx len %#jx: %d, %#jx, dirty %#jx",
			 m->plain ? "" : " with dirty", (uintmax_t)u[i].iova, (uintmax_t)u[i].len,
			 ret, (uintmax_t)u[i].unmapped, (uintmax_t)u[i].dirty);
	}
	if (!ret && unmapped != pages * w->page)
		adv_fail(w, false, "unmapped %#jx of %#jx bytes", (uintmax_t)unmapped,
			 (uintmax_t)(pages * w->page));
	adv_count(&w->res->unmaps, m->nr);
	if (ret) /* some may have been split */
		take_back(w, m, done);
	return ret;
}

/* The invalidation is complete: nobody writes there any more, and the bitmap says all. */
static void collect(struct adv_world *w, struct adv_mapping *m)
{
	uint32_t p, n = 0;

	for (p = 0; p < w->pages; p++) {
		if (!m->taken[p])
			continue;
		m->taken[p] = 0;
		__atomic_fetch_sub(&w->writers[w->pg[p].frame], 1, __ATOMIC_RELEASE);
		if (!m->plain && !iodt_bits_get(&m->bits, adv_iova(w, p)))
			continue;
		adv_copy_frame(w, w->pg[p].frame);
		n++;
	}
	adv_note(w, "copies %u of what was unmapped", n);
}

/* Nothing of it is mapped: two groups change places, or it goes to the other half. */
static void map_again(struct adv_actor *a)
{
	struct adv_mapping *m = &a->u.mapping;
	struct adv_world *w = a->w;
	unsigned int i;

	if (m->swap)
		adv_swap(w, m->r[0].page / w->group_pages, m->r[1].page / w->group_pages);
	for (i = 0; i < m->nr; i++)
		adv_map_range(w, m->r[i], &a->rng, a->gather);
}

void adv_mapper_step(struct adv_actor *a)
{
	struct adv_mapping *m = &a->u.mapping;
	struct adv_world *w = a->w;
	int ret;

	switch ((enum phase)m->phase) {
	case IDLE:
		if (!iod_pgtable_get_ops(w->pt)->unmap_dirty || !choose_ranges(a))
			break;
		adv_bits_new(w, &m->bits, w->page << adv_below(&a->rng, 2));
		m->phase = WORKING;
		break;
	case WORKING:
		ret = unmap_call(a);
		m->phase = SYNCING;
		if (!ret)
			break;
		if (!adv_excused(w, ret))
			adv_fail(w, false, "unmap: %d", ret);
		m->swap = false;
		break;
	case SYNCING:
		adv_settle(a, adv_chance(&a->rng, 40));
		m->phase = COPYING;
		break;
	case COPYING:
		collect(w, m);
		map_again(a);
		/* The bits of a map's gather are nobody's. */
		adv_disown(a);
		m->phase = IDLE;
		break;
	case SWEEPING:
		break;
	}
}
