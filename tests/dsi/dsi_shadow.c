/* SPDX-License-Identifier: MIT */
/* The VMM with the library's shadow: what it is told, and what it remembers of it for its sweeps. */
#include "dsi.h"

bool dsi_how_shadow(enum dsi_how how)
{
	return how == DSI_SHADOW || how == DSI_SHADOW_PLAIN || how == DSI_SHADOW_NO_HARVEST;
}

static int translate(void *cookie, uint64_t gpa, uint64_t *len, uint32_t *prot, uint64_t *pa)
{
	*pa = gpa;
	return 0;
}

static void dirty(void *cookie, uint64_t iova, uint64_t pa, uint64_t len)
{
	struct dsi *d = cookie;

	for (; len; len -= DSI_PAGE, pa += DSI_PAGE) {
		d->vmm.dirty[pa / DSI_PAGE] = 1;
		d->res->reported++;
	}
}

static void unmapping(void *cookie, uint64_t iova, uint64_t pa, uint64_t len)
{
	struct dsi *d = cookie;
	struct dsi_vmm *m = &d->vmm;
	uint64_t page, i;
	int w = dsi_window_of(d, iova, &page);

	assert_true(w >= 0);
	for (i = page; i < page + len / DSI_PAGE; i++) {
		assert_true(m->mapped[w][i / 64] >> i % 64 & 1);
		assert_int_equal(m->frame[w][i], pa / DSI_PAGE + (i - page));
		m->mapped[w][i / 64] &= ~(UINT64_C(1) << i % 64);
		m->nr_mapped--;
	}
	if (m->nr == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 256;
		m->unmap = realloc(m->unmap, m->cap * sizeof(*m->unmap));
		assert_non_null(m->unmap);
	}
	m->unmap[m->nr++] =
		(struct dsi_unmap){ .first = page, .last = page + len / DSI_PAGE - 1, .window = w };
}

static void mapped(void *cookie, uint64_t iova, uint64_t gpa, uint64_t pa, uint64_t len)
{
	struct dsi *d = cookie;
	struct dsi_vmm *m = &d->vmm;
	uint64_t page, i;
	int w = dsi_window_of(d, iova, &page);

	assert_true(w >= 0);
	for (i = page; i < page + len / DSI_PAGE; i++) {
		m->frame[w][i] = (uint32_t)(pa / DSI_PAGE + (i - page));
		m->mapped[w][i / 64] |= UINT64_C(1) << i % 64;
		m->nr_mapped++;
	}
}

void dsi_shadow_open(struct dsi *d)
{
	const struct iod_shadow_ops ops = { .size = sizeof(ops),
					    .translate = translate,
					    .dirty = dirty,
					    .unmapping = unmapping,
					    .mapped = mapped };
	struct iod_shadow_cfg cfg = { .size = sizeof(cfg),
				      .pt = d->vmm.pt,
				      .gather = d->vmm.gather,
				      .ops = &ops,
				      .cookie = d,
				      .flags = d->cfg->how == DSI_SHADOW_PLAIN ? 0
									       : IOD_SHADOW_TRACK };
	struct iod_shadow_work work = { .size = sizeof(work) };

	iodt_assert_ok(iod_shadow_create(&d->vmm.shadow, &cfg));
	iodt_assert_ok(iod_shadow_set_guest(d->vmm.shadow, d->guest.pt, 0));
	iodt_assert_ok(iod_shadow_refresh(d->vmm.shadow, &work));
}

void dsi_shadow_close(struct dsi *d)
{
	iodt_assert_ok(iod_shadow_destroy(d->vmm.shadow));
	d->vmm.shadow = NULL;
}

void dsi_shadow_mapped(struct dsi *d, uint64_t iova, uint64_t len)
{
	const struct iod_inv inv = { .kind = IOD_INV_RANGE,
				     .iova = iova,
				     .last = iova + (len - 1) };
	struct iod_shadow_work work = { .size = sizeof(work) };

	iodt_assert_ok(iod_shadow_invalidate(d->vmm.shadow, &inv, 1, &work));
	assert_true(work.complete);
}

/* Pages side by side, wherever they led. */
static uint64_t large_ones(const struct dsi_vmm *m)
{
	uint64_t n = 0, first = 0;
	size_t i;

	for (i = 0; i < m->nr; i++) {
		const struct dsi_unmap *u = &m->unmap[i];

		if (!i || u->window != u[-1].window || u->first != u[-1].last + 1)
			first = u->first;
		n += u->last - first >= 511 && u->first - first < 511;
	}
	return n;
}

void dsi_shadow_invalidate(struct dsi *d)
{
	const struct iod_inv inv = { .kind = IOD_INV_DOMAIN };
	struct iod_shadow_work work = { .size = sizeof(work) };
	struct dsi_vmm *m = &d->vmm;
	struct iod_gather_info before = iodt_gather_info(m->gather), after;
	uint64_t tables = iodt_info(d->guest.pt).tables + iodt_info(m->pt).tables;

	m->nr = 0;
	m->late = true;
	dsi_no_harvest = d->cfg->how == DSI_SHADOW_NO_HARVEST;
	iodt_assert_ok(iod_shadow_invalidate(m->shadow, &inv, 1, &work));
	dsi_no_harvest = m->late = false;
	assert_true(work.complete);
	after = iodt_gather_info(m->gather);
	d->res->by_table += large_ones(m);
	if (m->nr > d->res->largest_batch)
		d->res->largest_batch = m->nr;
	d->res->requests += m->nr;
	d->res->unmapped += work.unmapped / DSI_PAGE;
	d->res->syncs += after.syncs - before.syncs;
	d->res->invalidations += after.invalidations - before.invalidations;
	d->res->walked += work.items;
	if (work.items >= d->res->walked_most) {
		d->res->walked_most = work.items;
		d->res->tables_most = tables;
	}
	m->nr = 0;
}
