/* SPDX-License-Identifier: MIT */
/* Actors and their steps: devices, and the migration (mutators are in adv_mutators.c). */
#include "adv.h"

enum phase { IDLE, SWEEPING, SYNCING, COPYING };

/* ---- migration: sweep, invalidate, copy ---- */

static struct adv_range choose_range(struct adv_world *w, uint64_t *rng)
{
	struct adv_range r = { .page = 0, .nr = w->pages };
	uint64_t dice = adv_below(rng, 100);
	unsigned int partial = w->cfg.twin == ADV_CLEAN_PARTIAL ? 80 : 40;

	if (dice < partial) {
		r.page = (uint32_t)adv_below(rng, w->pages);
		r.nr = 1 + (uint32_t)adv_below(rng, w->pages - r.page);
	} else if (dice < partial + 15) {
		r.page = (uint32_t)adv_below(rng, w->groups) * w->group_pages;
		r.nr = w->group_pages;
	}
	return r;
}

/* What a broken sweep will clean though it reports only the part inside. */
static void look_at_edges(struct adv_world *w, struct adv_migration *m)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		uint64_t at = adv_iova(w, i ? m->r.page + m->r.nr - 1 : m->r.page);
		struct iod_mapping *e = &m->edge[i];

		if (iod_translate(w->pt, at, e) || e->dirty != IOD_DIRTY ||
		    (e->iova >= m->s.iova && e->iova + e->len <= m->s.iova + m->s.len) ||
		    e->iova < w->iova || e->iova + e->len > w->iova + w->pages * w->page)
			e->len = 0;
	}
}

static void clean_edges(struct adv_world *w, struct adv_migration *m)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		const struct iod_mapping *e = &m->edge[i];
		struct iod_sweep s = m->s;
		struct iodt_bits bits;

		if (!e->len)
			continue;
		iodt_bits_init(&bits, e->iova, e->len, w->page);
		iod_bitmap_set(&bits.bm, e->iova, e->len);
		s.mode = IOD_SWEEP_CLEAR_BY_BITMAP;
		s.flags = 0;
		s.iova = e->iova;
		s.len = e->len;
		s.budget = 0;
		s.bitmap = &bits.bm;
		iod_sweep(w->pt, &s);
		adv_note(w, "BROKEN: cleans %#jx len %#jx in all: %ju", (uintmax_t)e->iova,
			 (uintmax_t)e->len, (uintmax_t)s.cleaned);
		iodt_bits_free(&bits);
	}
}

static void begin_sweep(struct adv_actor *a)
{
	struct adv_migration *m = &a->u.migration;
	uint64_t granule, most, *rng = &a->rng;
	struct adv_world *w = a->w;

	m->r = choose_range(w, rng);
	granule = w->page << adv_below(rng, adv_chance(rng, 50) ? 1 : 5);
	most = w->large;
	if (granule > most)
		granule = most;
	adv_bits_new(w, &m->bits, granule);
	m->since = adv_serial(w);
	m->by_bitmap = adv_chance(rng, 15);
	m->s = (struct iod_sweep){
		.size = sizeof(m->s),
		.mode = m->by_bitmap ? IOD_SWEEP_READ : IOD_SWEEP_CLEAR,
		.iova = adv_iova(w, m->r.page),
		.len = m->r.nr * w->page,
		.bitmap = &m->bits.bm,
		.gather = m->by_bitmap ? NULL : a->gather,
		.budget = adv_chance(rng, 50) ? 0 : 1 + adv_below(rng, 1500),
	};
	if (w->prune && !m->by_bitmap && adv_chance(rng, 50))
		m->s.flags = IOD_SWEEP_PRUNE;
	if (w->cfg.broken && w->cfg.twin == ADV_CLEAN_PARTIAL)
		look_at_edges(w, m);
	if (w->cfg.twin == ADV_PLAIN_STORE)
		adv_set_focus(w, m->r, false);
	m->phase = SWEEPING;
}

static bool sweep_on(struct adv_actor *a)
{
	struct adv_migration *m = &a->u.migration;
	struct adv_world *w = a->w;
	int ret;

	a->sweeping = true;
	ret = iod_sweep(w->pt, &m->s);
	a->sweeping = false;
	adv_note(w, "sweep mode %d flags %u %#jx len %#jx budget %ju: %d, done %#jx, dirty %ju",
		 m->s.mode, m->s.flags, (uintmax_t)m->s.iova, (uintmax_t)m->s.len,
		 (uintmax_t)m->s.budget, ret, (uintmax_t)m->s.done, (uintmax_t)m->s.dirty);
	if (adv_excused(w, ret) && m->s.flags & IOD_SWEEP_PRUNE) {
		/* the first of it was swept, and the rest again */
		m->s.iova += m->s.done;
		m->s.len -= m->s.done;
		return !m->s.len;
	}
	if (ret) {
		adv_fail(w, false, "sweep: %d", ret);
		return true;
	}
	if (m->s.bad)
		adv_fail(w, false, "sweep: %ju bad entries", (uintmax_t)m->s.bad);
	m->s.iova = m->s.next_iova;
	m->s.len -= m->s.done;
	return !m->s.len;
}

static void swept(struct adv_actor *a)
{
	struct adv_migration *m = &a->u.migration;
	struct adv_world *w = a->w;

	if (m->by_bitmap && m->s.mode == IOD_SWEEP_READ) {
		m->s.mode = IOD_SWEEP_CLEAR_BY_BITMAP;
		m->s.gather = a->gather;
		m->s.iova = adv_iova(w, m->r.page);
		m->s.len = m->r.nr * w->page;
		return;
	}
	if (w->cfg.broken && w->cfg.twin == ADV_CLEAN_PARTIAL)
		clean_edges(w, m);
	adv_count(&w->res->sweeps, 1);
	m->phase = SYNCING;
}

static void migrator_step(struct adv_actor *a)
{
	struct adv_migration *m = &a->u.migration;
	struct adv_world *w = a->w;
	bool early = w->cfg.broken && w->cfg.twin == ADV_EARLY_COPY;

	switch ((enum phase)m->phase) {
	case IDLE:
		begin_sweep(a);
		break;
	case SWEEPING:
		if (sweep_on(a))
			swept(a);
		break;
	case SYNCING:
		if (early) {
			adv_note(w, "BROKEN: copies before the sync");
			adv_copy_bits(w, &m->bits, m->since);
		}
		adv_settle(a, adv_chance(&a->rng, 40));
		m->phase = early ? IDLE : COPYING;
		if (early)
			adv_check(a);
		break;
	case COPYING:
		adv_note(w, "copies %ju granules", (uintmax_t)iodt_bits_count(&m->bits));
		adv_copy_bits(w, &m->bits, m->since);
		m->phase = IDLE;
		adv_check(a);
		break;
	}
}

/* ---- devices ---- */

static void agent_step(struct adv_actor *a)
{
	struct adv_world *w = a->w;
	struct adv_agent *agent = &w->agent[a->id];

	if (!w->cfg.steps) { /* threads: an agent each */
		adv_dma(w, agent, false);
		return;
	}
	agent = &w->agent[adv_below(&a->rng, ADV_AGENTS)];
	if (agent->busy || w->res->steps > w->silent)
		return;
	agent->busy = true;
	adv_dma(w, agent, true);
	agent->busy = false;
}

/* ---- all of them ---- */

void adv_step(struct adv_actor *a)
{
	switch (a->role) {
	case ADV_AGENT:
		agent_step(a);
		break;
	case ADV_MIGRATOR:
		migrator_step(a);
		break;
	case ADV_RESIZER:
		adv_resizer_step(a);
		break;
	case ADV_MAPPER:
		adv_mapper_step(a);
		break;
	}
	adv_count(&a->ops, 1);
	adv_count(&a->w->res->steps, 1);
}

const struct iodt_bits *adv_reported(const struct adv_actor *a)
{
	if (a->role == ADV_MIGRATOR && a->u.migration.phase)
		return &a->u.migration.bits;
	if (a->role == ADV_RESIZER && a->u.resizing.reported)
		return &a->u.resizing.bits;
	return NULL;
}

static unsigned int *phase_of(struct adv_actor *a)
{
	switch (a->role) {
	case ADV_MIGRATOR:
		return &a->u.migration.phase;
	case ADV_RESIZER:
		return &a->u.resizing.phase;
	case ADV_MAPPER:
		return &a->u.mapping.phase;
	default:
		return NULL;
	}
}

void adv_finish(struct adv_actor *a)
{
	unsigned int *phase = phase_of(a), n;

	for (n = 0; phase && *phase && n < 100000; n++)
		adv_step(a);
	if (phase && *phase)
		adv_fail(a->w, false, "%s does not come to an end", a->name);
	if (!a->gather)
		return;
	if (iod_gather_merge(a->other, a->gather) || iod_gather_merge(a->gather, a->other))
		adv_fail(a->w, false, "gathers do not merge");
	adv_settle(a, false);
}

/* Threads: an agent each, two of the others. One by one: devices also act from inside the others. */
static unsigned int roles(const struct adv_world *w, enum adv_role *role)
{
	static const enum adv_role others[] = { ADV_MIGRATOR, ADV_RESIZER, ADV_MAPPER,
						ADV_MIGRATOR, ADV_RESIZER, ADV_MAPPER };
	unsigned int n = 0, i, both = w->cfg.steps ? 5 - (w->seed & 1) : 6;

	for (i = 0; i < (w->cfg.steps ? 1 : ADV_AGENTS); i++)
		role[n++] = ADV_AGENT;
	for (i = 0; i < both; i++)
		role[n++] = others[i];
	return n;
}

bool adv_actors_open(struct adv_world *w)
{
	static const char *const names[] = { "device", "migration", "resizer", "mapper" };
	uint64_t rng = adv_mix(w->seed + 3);
	enum adv_role role[ADV_ACTORS];
	unsigned int i, n = roles(w, role);

	for (i = 0; i < n; i++) {
		struct adv_actor *a = &w->actor[i];

		*a = (struct adv_actor){ .w = w, .role = role[i], .id = i };
		w->nr_actors = i + 1;
		snprintf(a->name, sizeof(a->name), "%s %u", names[a->role], i);
		a->rng = adv_random(&rng);
		a->queue = (struct adv_queue){ .w = w, .actor = a, .lazy = adv_chance(&rng, 60) };
		if (a->role != ADV_AGENT) {
			a->gather = adv_gather(w, &a->queue, &rng);
			a->other = adv_gather(w, &a->queue, &rng);
			if (!a->gather || !a->other)
				return false;
		}
		if (a->role == ADV_MAPPER) {
			a->u.mapping.taken = calloc(w->pages, 1);
			if (!a->u.mapping.taken)
				return false;
		}
	}
	return true;
}

void adv_actors_close(struct adv_world *w)
{
	unsigned int i;

	for (i = 0; i < w->nr_actors; i++) {
		struct adv_actor *a = &w->actor[i];

		if ((a->gather && iod_gather_destroy(a->gather)) ||
		    (a->other && iod_gather_destroy(a->other)))
			adv_fail(w, false, "a gather of %s is not empty", a->name);
		adv_iommu_close(&a->queue);
		if (a->role == ADV_MIGRATOR)
			adv_bits_free(&a->u.migration.bits);
		if (a->role == ADV_RESIZER)
			adv_bits_free(&a->u.resizing.bits);
		if (a->role == ADV_MAPPER) {
			adv_bits_free(&a->u.mapping.bits);
			free(a->u.mapping.taken);
		}
	}
}
