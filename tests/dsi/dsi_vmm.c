/* SPDX-License-Identifier: MIT */
/* The VMM: a shadow of the guest's table, rounds of pre-copy, and what an invalidation of the domain starts. */
#include "dsi.h"

uint64_t dsi_iova(const struct dsi *d, int window, uint64_t page)
{
	return d->guest.base[window] + page * DSI_PAGE;
}

int dsi_window_of(const struct dsi *d, uint64_t iova, uint64_t *page)
{
	int w;

	for (w = 0; w < DSI_WINDOWS; w++) {
		*page = (iova - d->guest.base[w]) / DSI_PAGE;
		if (iova >= d->guest.base[w] && *page < DSI_PAGES)
			return w;
	}
	return -1;
}

/* ---- devices ---- */

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct dsi *d = cookie;

	assert_true(pa / DSI_PAGE < d->cfg->preset->frames);
	d->vmm.version[pa / DSI_PAGE]++;
	return 0;
}

bool dsi_vmm_write(struct dsi *d, unsigned int agent, uint64_t iova)
{
	return !iod_iotlb_dma(d->vmm.agent[agent], d->vmm.pt, iova + dsi_below(d, DSI_PAGE), 1,
			      IOD_ACCESS_WRITE, move, d, NULL, NULL);
}

/* A device that is late: its request was on the way when the guest unmapped. */
void dsi_vmm_late_writes(struct dsi *d)
{
	const struct dsi_unmap *u;
	uint64_t n = d->vmm.nr < 8 ? d->vmm.nr : 8, page;

	while (n--) {
		u = &d->vmm.unmap[dsi_below(d, d->vmm.nr)];
		page = u->first + dsi_below(d, u->last - u->first + 1);
		d->res->late++;
		d->res->late_written += dsi_vmm_write(d, (unsigned int)dsi_below(d, DSI_AGENTS),
						      dsi_iova(d, u->window, page));
	}
}

static int invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct dsi *d = cookie;
	unsigned int i;

	if (d->vmm.late)
		dsi_vmm_late_writes(d);
	for (i = 0; i < DSI_AGENTS; i++)
		iodt_assert_ok(iod_iotlb_invalidate(d->vmm.agent[i], inv, nr));
	return 0;
}

static int sync_nothing(void *cookie)
{
	return 0;
}

/* ---- objects ---- */

static void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n, size);

	assert_non_null(p);
	return p;
}

void dsi_vmm_open(struct dsi *d)
{
	struct iod_inv_ops ops = { .size = sizeof(ops),
				   .invalidate = invalidate,
				   .sync = sync_nothing };
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = &ops, .cookie = d };
	struct iod_iotlb_cfg tcfg = { .size = sizeof(tcfg), .entries = 1024, .walk_entries = 64 };
	struct dsi_vmm *m = &d->vmm;
	struct iod_pgtable_cfg cfg;
	uint32_t frames = d->cfg->preset->frames;
	unsigned int i;

	m->mem = iodt_mem_create(NULL);
	assert_non_null(m->mem);
	cfg = iodt_cfg(d->cfg->v, m->mem);
	iodt_assert_ok(iod_pgtable_create(&m->pt, &cfg));
	iodt_assert_ok(iod_gather_create(&m->round, m->pt, &gcfg));
	iodt_assert_ok(iod_gather_create(&m->gather, m->pt, &gcfg));
	for (i = 0; i < DSI_AGENTS; i++) {
		tcfg.seed = d->cfg->seed + i;
		tcfg.flags = i ? IOD_IOTLB_LATE_DIRTY : 0;
		iodt_assert_ok(iod_iotlb_create(&m->agent[i], &tcfg));
	}
	for (i = 0; i < DSI_WINDOWS; i++) {
		m->frame[i] = zeroed(DSI_PAGES, sizeof(uint32_t));
		m->mapped[i] = zeroed(DSI_PAGES / 64, sizeof(uint64_t));
		m->bits[i] = zeroed(DSI_PAGES / 64, sizeof(uint64_t));
	}
	m->version = zeroed(frames, sizeof(uint32_t));
	m->copy = zeroed(frames, sizeof(uint32_t));
	m->pending = zeroed(frames, 1);
	m->dirty = zeroed(frames, 1);
	if (dsi_how_shadow(d->cfg->how))
		dsi_shadow_open(d);
	if (d->cfg->how == DSI_JOIN)
		dsi_join_open(d, &ops);
}

void dsi_vmm_close(struct dsi *d)
{
	struct dsi_vmm *m = &d->vmm;
	unsigned int i;

	if (m->shadow)
		dsi_shadow_close(d);
	if (m->log)
		dsi_join_close(d);
	iodt_assert_ok(iod_gather_sync(m->round));
	iodt_assert_ok(iod_gather_sync(m->gather));
	iodt_assert_ok(iod_gather_destroy(m->round));
	iodt_assert_ok(iod_gather_destroy(m->gather));
	for (i = 0; i < DSI_AGENTS; i++)
		iodt_assert_ok(iod_iotlb_destroy(m->agent[i]));
	iodt_assert_ok(iod_pgtable_destroy(m->pt));
	assert_int_equal(iodt_stats(m->mem).tables, 0);
	iodt_assert_ok(iod_mem_destroy(m->mem));
	for (i = 0; i < DSI_WINDOWS; i++) {
		free(m->frame[i]);
		free(m->mapped[i]);
		free(m->bits[i]);
	}
	free(m->version);
	free(m->copy);
	free(m->pending);
	free(m->dirty);
	free(m->unmap);
	free(m->arg);
	free(m->hole);
}

/* ---- the shadow ---- */

static int shadow_one(void *cookie, const struct iod_visit_event *e)
{
	struct dsi *d = cookie;
	struct dsi_vmm *m = &d->vmm;
	uint64_t page;
	int w = dsi_window_of(d, e->iova, &page);

	assert_int_equal(e->kind, IOD_VISIT_MAPPING);
	assert_int_equal(e->mapping.len, DSI_PAGE);
	assert_true(w >= 0 && !(m->mapped[w][page / 64] >> page % 64 & 1));
	m->frame[w][page] = (uint32_t)(e->mapping.pa / DSI_PAGE);
	m->mapped[w][page / 64] |= UINT64_C(1) << page % 64;
	m->nr_mapped++;
	if (m->join)
		iodt_assert_ok(iod_gpa_join_map(m->join, e->iova, DSI_PAGE, e->mapping.pa));
	return iod_map(m->pt, e->iova, e->mapping.pa, DSI_PAGE, IODT_RW, NULL, NULL);
}

void dsi_vmm_mapped(struct dsi *d, uint64_t iova, uint64_t len)
{
	struct iod_visit visit = {
		.size = sizeof(visit),
		.iova = iova,
		.len = len,
		.flags = IOD_VISIT_MAPPINGS_ONLY,
		.fn = shadow_one,
		.cookie = d,
	};

	if (d->vmm.shadow)
		dsi_shadow_mapped(d, iova, len);
	else
		iodt_assert_ok(iod_visit(d->guest.pt, &visit));
	if (d->vmm.nr_mapped > d->res->most_mapped)
		d->res->most_mapped = d->vmm.nr_mapped;
}

/* What is still there must be what the shadow has; what is not goes on the list. */
static int compare_one(void *cookie, const struct iod_visit_event *e)
{
	struct dsi *d = cookie;
	struct dsi_vmm *m = &d->vmm;
	uint64_t page, first, last;
	int w;

	if (e->kind == IOD_VISIT_MAPPING) {
		w = dsi_window_of(d, e->iova, &page);
		assert_true(w >= 0 && m->mapped[w][page / 64] >> page % 64 & 1);
		assert_int_equal(m->frame[w][page], e->mapping.pa / DSI_PAGE);
		return 0;
	}
	for (w = 0; e->kind == IOD_VISIT_HOLE && w < DSI_WINDOWS; w++) {
		first = dsi_iova(d, w, 0);
		last = first + ((uint64_t)DSI_PAGES * DSI_PAGE - 1);
		if (e->last < first || e->iova > last)
			continue;
		if (m->nr_holes == m->cap_holes) {
			m->cap_holes = m->cap_holes ? 2 * m->cap_holes : 256;
			m->hole = realloc(m->hole, m->cap_holes * sizeof(*m->hole));
			assert_non_null(m->hole);
		}
		m->hole[m->nr_holes++] = (struct dsi_hole){
			.first = e->iova < first ? 0 : (e->iova - first) / DSI_PAGE,
			.last = ((e->last > last ? last : e->last) - first) / DSI_PAGE,
			.window = w,
		};
	}
	return 0;
}

/* All 2^64 addresses, or what there are of them: it costs what is mapped. */
static void walk_guest(struct dsi *d)
{
	struct iod_visit visit = { .size = sizeof(visit), .fn = compare_one, .cookie = d };
	struct iodt_part part[2];
	uint64_t items = 0;
	size_t i, n = iodt_parts(d->cfg->v, part);

	d->vmm.nr_holes = 0;
	for (i = 0; i < n; i++) {
		visit.iova = part[i].iova;
		visit.len = part[i].len;
		iodt_assert_ok(iod_visit(d->guest.pt, &visit));
		assert_int_equal(visit.done, visit.len);
		items += visit.items;
	}
	d->res->walked += items;
	if (items >= d->res->walked_most) {
		d->res->walked_most = items;
		d->res->tables_most = iodt_info(d->guest.pt).tables;
	}
}

void dsi_vmm_invalidate(struct dsi *d)
{
	if (d->vmm.shadow) {
		dsi_shadow_invalidate(d);
	} else {
		walk_guest(d);
		dsi_vmm_unmap_holes(d);
	}
	d->res->flushes++;
	dsi_guest_flushed(d);
}

/* ---- rounds ---- */

/* From addresses to the guest's pages: by what the shadow maps now. */
static void join(struct dsi *d, int w)
{
	struct dsi_vmm *m = &d->vmm;
	uint64_t page;
	uint32_t i;

	for (i = 0; i < DSI_PAGES / 64; i++) {
		if (!m->bits[w][i])
			continue;
		for (page = i * 64; page < i * 64 + 64; page++) {
			if (!(((const unsigned char *)m->bits[w])[page / 8] >> page % 8 & 1))
				continue;
			assert_true(m->mapped[w][page / 64] >> page % 64 & 1);
			m->pending[m->frame[w][page]] = 1;
			d->res->swept++;
		}
	}
}

void dsi_vmm_sweep(struct dsi *d, uint32_t flags)
{
	struct dsi_vmm *m = &d->vmm;
	uint64_t len = (uint64_t)DSI_PAGES * DSI_PAGE, items = 0;
	struct iod_bitmap bm;
	struct iod_sweep s;
	int w;

	if (m->log) {
		dsi_join_sync(d, flags ? IOD_DIRTY_SYNC_FINAL : 0);
		return;
	}
	for (w = 0; w < DSI_WINDOWS; w++) {
		memset(m->bits[w], 0, DSI_PAGES / 8);
		iodt_assert_ok(iod_bitmap_init(&bm, dsi_iova(d, w, 0), len, DSI_PAGE, m->bits[w],
					       DSI_PAGES / 8, 0));
		s = (struct iod_sweep){ .size = sizeof(s),
					.mode = IOD_SWEEP_CLEAR,
					.flags = w ? 0 : flags,
					.iova = dsi_iova(d, w, 0),
					.len = len,
					.bitmap = &bm,
					.gather = m->round };
		iodt_assert_ok(iod_sweep(m->pt, &s));
		items += s.items;
		join(d, w);
	}
	if (items >= d->res->swept_most) {
		d->res->swept_most = items;
		d->res->shadow_tables_most = iodt_info(m->pt).tables;
	}
}

void dsi_vmm_sync(struct dsi *d)
{
	struct dsi_vmm *m = &d->vmm;
	uint32_t i;

	iodt_assert_ok(iod_gather_sync(m->round));
	for (i = 0; i < d->cfg->preset->frames; i++)
		m->dirty[i] |= m->pending[i];
	memset(m->pending, 0, d->cfg->preset->frames);
	d->res->rounds++;
}

void dsi_vmm_copy(struct dsi *d)
{
	struct dsi_vmm *m = &d->vmm;
	uint32_t i;

	for (i = 0; i < d->cfg->preset->frames; i++) {
		if (!m->dirty[i])
			continue;
		m->copy[i] = m->version[i];
		m->dirty[i] = 0;
		d->res->copied++;
	}
}
