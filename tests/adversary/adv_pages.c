/* SPDX-License-Identifier: MIT */
/*
 * What is mapped where, and what is copied. A sweep's report is copied after its sync, when the mapper may
 * have put something else there: so it copies what was mapped there at any time since the sweep began.
 */
#include "adv.h"

static struct adv_group *group_of(struct adv_world *w, uint32_t page)
{
	return &w->group[page / w->group_pages];
}

static uint32_t frame_of(const struct adv_world *w, uint32_t pair, unsigned int half, uint32_t page)
{
	return (2 * pair + half) * w->group_pages + page % w->group_pages;
}

/* By the owner of the group, who alone swaps its pairs. */
uint32_t adv_frame(struct adv_world *w, uint32_t page, unsigned int half)
{
	const struct adv_group *g = group_of(w, page);

	return frame_of(w, g->was[g->nr_was - 1].pair, half, page);
}

/* ---- copies ---- */

/* A copy never goes back: versions only rise, and what is older than the copy is no news. */
void adv_copy_frame(struct adv_world *w, uint32_t frame)
{
	uint32_t now = __atomic_load_n(&w->version[frame], __ATOMIC_ACQUIRE);
	uint32_t old = __atomic_load_n(&w->copy[frame], __ATOMIC_RELAXED);

	while (old < now && !__atomic_compare_exchange_n(&w->copy[frame], &old, now, false,
							 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	adv_count(&w->res->copied, 1);
}

void adv_copy_page(struct adv_world *w, uint32_t page, uint64_t since)
{
	struct adv_group *g = group_of(w, page);
	const struct adv_page *p = &w->pg[page];
	size_t i;

	pthread_mutex_lock(&g->lock);
	if (p->changed <= since) {
		if (p->frame != ADV_NOWHERE)
			adv_copy_frame(w, p->frame);
	} else {
		/* Back to the pair that was there when it began. */
		for (i = g->nr_was; i; i--) {
			adv_copy_frame(w, frame_of(w, g->was[i - 1].pair, 0, page));
			adv_copy_frame(w, frame_of(w, g->was[i - 1].pair, 1, page));
			if (g->was[i - 1].since <= since)
				break;
		}
	}
	pthread_mutex_unlock(&g->lock);
}

void adv_copy_bits(struct adv_world *w, const struct iodt_bits *bits, uint64_t since)
{
	uint64_t iova = bits->bm.base_iova, len;
	uint32_t page, end;

	while (!iod_bitmap_next(&bits->bm, &iova, &len)) {
		page = (uint32_t)((iova - w->iova) / w->page);
		end = page + (uint32_t)(len / w->page);
		for (; page < end && page < w->pages; page++)
			adv_copy_page(w, page, since);
		iova += len;
		if (!iova || page >= w->pages)
			break;
	}
}

/* ---- places, by the owner ---- */

/* Before it is mapped there: whoever sees the new mapping began before, and copies all, or later. */
void adv_place(struct adv_world *w, struct adv_range r, unsigned int half)
{
	uint64_t serial = adv_next_serial(w);
	struct adv_group *g;
	struct adv_page *p;
	uint32_t i, frame;

	for (i = r.page; i < r.page + r.nr; i++) {
		g = group_of(w, i);
		p = &w->pg[i];
		frame = adv_frame(w, i, half);
		if (p->frame != frame) {
			pthread_mutex_lock(&g->lock);
			p->frame = frame;
			p->changed = serial;
			pthread_mutex_unlock(&g->lock);
		}
		__atomic_fetch_add(&w->writers[frame], 1, __ATOMIC_RELEASE);
	}
}

static void push_pair(struct adv_world *w, struct adv_group *g, uint64_t serial, uint32_t pair)
{
	struct adv_was *was;

	pthread_mutex_lock(&g->lock);
	if (g->nr_was == g->cap_was) {
		was = realloc(g->was, 2 * g->cap_was * sizeof(*was));
		if (was) {
			g->was = was;
			g->cap_was *= 2;
		}
	}
	if (g->nr_was < g->cap_was)
		g->was[g->nr_was++] = (struct adv_was){ .since = serial, .pair = pair };
	else
		adv_fail(w, false, "no memory");
	pthread_mutex_unlock(&g->lock);
}

void adv_swap(struct adv_world *w, uint32_t a, uint32_t b)
{
	uint64_t serial = adv_next_serial(w);
	uint32_t of_a = w->group[a].was[w->group[a].nr_was - 1].pair;
	uint32_t of_b = w->group[b].was[w->group[b].nr_was - 1].pair;

	push_pair(w, &w->group[a], serial, of_b);
	push_pair(w, &w->group[b], serial, of_a);
}

void adv_set_state(struct adv_world *w, uint32_t page, bool mapped)
{
	w->pg[page].mapped = mapped;
	__atomic_store_n(&w->pg[page].state, adv_next_serial(w) << 1 | mapped, __ATOMIC_RELEASE);
}

/* ---- owners ---- */

bool adv_own(struct adv_actor *a, struct adv_range groups)
{
	struct adv_world *w = a->w;
	uint32_t i;

	for (i = 0; i < groups.nr; i++) {
		if (!__atomic_exchange_n(&w->group[groups.page + i].busy, 1, __ATOMIC_ACQUIRE))
			continue;
		while (i--)
			__atomic_store_n(&w->group[groups.page + i].busy, 0, __ATOMIC_RELEASE);
		return false;
	}
	a->owned = groups;
	return true;
}

void adv_disown(struct adv_actor *a)
{
	uint32_t i;

	for (i = 0; i < a->owned.nr; i++)
		__atomic_store_n(&a->w->group[a->owned.page + i].busy, 0, __ATOMIC_RELEASE);
	a->owned.nr = 0;
}

/* ---- while all others are paused ---- */

static bool owns(const struct adv_world *w, const struct adv_actor *a, uint32_t page)
{
	return page / w->group_pages - a->owned.page < a->owned.nr;
}

/*
 * Whether somebody is changing it, or will copy what is there: reported perhaps where that was before it
 * changed places.
 */
static bool is_underway(struct adv_world *w, const struct adv_actor *self, uint32_t page)
{
	const struct iodt_bits *bits;
	unsigned int i;
	uint32_t at;

	for (i = 0; i < w->nr_actors; i++) {
		const struct adv_actor *a = &w->actor[i];

		if (a != self && owns(w, a, page))
			return true;
		bits = adv_reported(a);
		for (at = page % w->group_pages; bits && at < w->pages; at += w->group_pages)
			if (iod_bitmap_test(&bits->bm, adv_iova(w, at)))
				return true;
	}
	return false;
}

void adv_check(struct adv_actor *self)
{
	struct adv_world *w = self->w;
	struct iod_mapping found;
	uint32_t p, f, i;

	for (i = 0; i < w->nr_actors; i++)
		if (!w->cfg.steps || w->actor[i].sweeping)
			return;
	for (p = 0; p < w->pages; p++) {
		f = w->pg[p].frame;
		if (!w->pg[p].mapped || w->good[f] <= w->copy[f] || is_underway(w, self, p))
			continue;
		if (!iod_translate(w->pt, adv_iova(w, p), &found) && found.dirty == IOD_CLEAN)
			adv_fail(
				w, true,
				"LOST: iova %#jx, pa %#jx, is at version %u, its copy at %u, and it is "
				"neither dirty nor on its way",
				(uintmax_t)adv_iova(w, p), (uintmax_t)(w->pa + f * w->page),
				w->good[f], w->copy[f]);
	}
}

/* ---- bitmaps of all pages ---- */

void adv_bits_free(struct iodt_bits *bits)
{
	if (bits->mem)
		iodt_bits_free(bits);
}

void adv_bits_new(struct adv_world *w, struct iodt_bits *bits, uint64_t granule)
{
	adv_bits_free(bits);
	iodt_bits_init(bits, w->iova, w->pages * w->page, granule);
}
