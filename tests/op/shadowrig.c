/* SPDX-License-Identifier: MIT */
/* A shadow under test, and its guest. */
#include "shadowrig.h"

static uint64_t page_of(const struct shr *r, uint64_t iova)
{
	return (iova - r->t->v->first) / r->t->page;
}

uint64_t shr_at(const struct shr *r, uint64_t page)
{
	return r->t->v->first + page * r->t->page;
}

int shr_translate(void *cookie, uint64_t gpa, uint64_t *len, uint32_t *prot, uint64_t *pa)
{
	struct shr *r = cookie;
	uint64_t span = iodt_table_span(r->t->v);

	if (r->fail_translate)
		return -EIO;
	if (r->hole_gpa && gpa >= r->hole_gpa && gpa < r->hole_gpa + span) {
		if (gpa + *len > r->hole_gpa + span)
			*len = r->hole_gpa + span - gpa;
		return -ENOENT;
	}
	if (r->hole_gpa && gpa < r->hole_gpa && gpa + *len > r->hole_gpa)
		*len = r->hole_gpa - gpa;
	if (r->rom_gpa == gpa) {
		*prot &= ~IOD_PROT_WRITE;
		*len = r->t->page;
	} else if (r->rom_gpa && gpa < r->rom_gpa && gpa + *len > r->rom_gpa) {
		*len = r->rom_gpa - gpa;
	}
	*pa = gpa + r->moved;
	return 0;
}

static void dirty(void *cookie, uint64_t iova, uint64_t pa, uint64_t len)
{
	struct shr *r = cookie;
	uint64_t i, page = page_of(r, iova);

	/* Hardware has let go of it. */
	assert_int_equal(r->t->log.unsynced, 0);
	r->told_bytes += len;
	for (i = 0; i < len / r->t->page && page + i < WORLD; i++) {
		r->told[page + i] = true;
		r->told_pa[page + i] = pa + i * r->t->page;
	}
}

static void unmapping(void *cookie, uint64_t iova, uint64_t pa, uint64_t len)
{
	struct shr *r = cookie;
	struct iod_mapping m;

	/* Still there, and there. */
	iodt_assert_ok(iod_translate(r->t->pt, iova, &m));
	assert_int_equal(m.pa + (iova - m.iova), pa);
	r->announced += len;
}

static void mapped(void *cookie, uint64_t iova, uint64_t gpa, uint64_t pa, uint64_t len)
{
	struct shr *r = cookie;

	assert_int_equal(gpa + r->moved, pa);
	r->mapped += len;
}

void shr_open(struct shr *r, struct iodt *t, uint32_t flags)
{
	shr_open_joined(r, t, flags, NULL);
}

void shr_open_joined(struct shr *r, struct iodt *t, uint32_t flags, struct iod_gpa_join *join)
{
	const struct iod_shadow_ops ops = { .size = sizeof(ops),
					    .translate = shr_translate,
					    .dirty = dirty,
					    .unmapping = unmapping,
					    .mapped = mapped };
	struct iod_shadow_cfg cfg = { .size = sizeof(cfg),
				      .pt = t->pt,
				      .gather = t->gather,
				      .ops = &ops,
				      .cookie = r,
				      .domain = DOMAIN,
				      .flags = flags | IOD_SHADOW_ALLOW_FAULTS,
				      .batch = 64,
				      .allocator = &t->alloc.ops,
				      .join = join };

	memset(r, 0, sizeof(*r));
	r->t = t;
	r->g = iodt_open(t->v);
	assert_non_null(r->g);
	r->moved = iodt_table_span(t->v);
	iodt_assert_ok(iod_shadow_create(&r->s, &cfg));
	iodt_assert_ok(iod_shadow_set_guest(r->s, r->g->pt, DOMAIN));
}

void shr_close(struct shr *r)
{
	iodt_assert_ok(iod_shadow_destroy(r->s));
	iodt_sync(r->g);
	assert_int_equal(iodt_close(r->g), 0);
	/* The harness looks for what it mapped itself. */
	(void)iod_unmap(r->t->pt, r->t->v->first, WORLD * r->t->page,
			IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS, r->t->gather, NULL);
	iodt_sync(r->t);
}

struct view shr_view(struct iodt *t)
{
	struct iodt_leaves l;
	struct view v = { .pa = { 0 } };
	uint64_t i, k, page;

	iodt_leaves(t, &l);
	for (i = 0; i < l.nr; i++) {
		for (k = 0; k < l.leaf[i].size / t->page; k++) {
			page = (l.leaf[i].iova - t->v->first) / t->page + k;
			if (page >= WORLD || !(l.leaf[i].r || l.leaf[i].w))
				continue;
			v.there[page] = true;
			v.pa[page] = l.leaf[i].pa + k * t->page;
			v.write[page] = l.leaf[i].w;
			v.dirty[page] = l.leaf[i].d == 1;
		}
	}
	iodt_leaves_free(&l);
	return v;
}

static bool has_memory(const struct shr *r, uint64_t gpa)
{
	return !r->hole_gpa || gpa < r->hole_gpa || gpa >= r->hole_gpa + iodt_table_span(r->t->v);
}

/* The shadow says what the guest says, between two pages. */
void shr_same(struct shr *r, uint64_t first, uint64_t last)
{
	struct view g = shr_view(r->g), s = shr_view(r->t);
	uint64_t i;

	for (i = first; i <= last; i++) {
		bool there = g.there[i] && has_memory(r, g.pa[i]);

		assert_int_equal(s.there[i], there);
		if (!there)
			continue;
		assert_int_equal(s.pa[i], g.pa[i] + r->moved);
		assert_int_equal(s.write[i], g.write[i] && g.pa[i] != r->rom_gpa);
	}
}

struct iod_inv shr_range(const struct shr *r, uint64_t page, uint64_t n)
{
	return (struct iod_inv){ .kind = IOD_INV_RANGE,
				 .domain = DOMAIN,
				 .iova = shr_at(r, page),
				 .last = shr_at(r, page + n) - 1 };
}

/* Pages that are marked as wholes make it more. */
void shr_told_is(const struct shr *r, uint64_t told, uint64_t bytes)
{
	if (r->t->caps & IODT_RUNS)
		assert_true(told >= bytes);
	else
		assert_int_equal(told, bytes);
}

struct iod_shadow_work shr_invalidate(struct shr *r, const struct iod_inv *inv, size_t nr)
{
	struct iod_shadow_work w = { .size = sizeof(w) };

	iodt_assert_ok(iod_shadow_invalidate(r->s, inv, nr, &w));
	assert_true(w.complete);
	return w;
}

void shr_guest_map(struct shr *r, uint64_t page, uint64_t gpa_page, uint64_t n, uint32_t prot)
{
	iodt_assert_ok(iod_map(r->g->pt, shr_at(r, page), gpa_page * r->t->page, n * r->t->page,
			       prot, r->g->gather, NULL));
}

void shr_guest_unmap(struct shr *r, uint64_t page, uint64_t n)
{
	(void)iod_unmap(r->g->pt, shr_at(r, page), n * r->t->page,
			IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS, r->g->gather, NULL);
}
