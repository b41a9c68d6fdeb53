/* SPDX-License-Identifier: MIT */
/* What an invalidation of the domain takes from the shadow: which ranges, how, and where the bits go. */
#include "dsi.h"

void __real_iod_gather_harvest(struct iod_gather *gather);
void __wrap_iod_gather_harvest(struct iod_gather *gather);

bool dsi_no_harvest;

void __wrap_iod_gather_harvest(struct iod_gather *gather)
{
	if (!dsi_no_harvest)
		__real_iod_gather_harvest(gather);
}

/* The pages of one leaf table; a mask of 2 MiB in an invalidation of VT-d. */
#define BLOCK 512u

/* Ranges are no larger, so that their bitmaps stay small. */
#define CLUB_MAX (1u << 16)

enum shape {
	BY_MASK, /* blocks of 2 MiB where the upper entry is gone, single pages elsewhere */
	CLUBBED, /* from the first page to the last of a hole, whatever is between */
	BY_RUN,	 /* pages side by side */
	SHAPES,
};

static bool is_mapped(const struct dsi *d, int w, uint64_t page)
{
	return d->vmm.mapped[w][page / 64] >> page % 64 & 1;
}

/* Next mapped page of the shadow in [page, last]; last + 1: none. */
static uint64_t next_mapped(const struct dsi *d, int w, uint64_t page, uint64_t last)
{
	while (page <= last) {
		uint64_t word = d->vmm.mapped[w][page / 64] >> page % 64;

		if (word) {
			page += (uint64_t)__builtin_ctzll(word);
			return page <= last ? page : last + 1;
		}
		page = (page / 64 + 1) * 64;
	}
	return last + 1;
}

static void request(struct dsi *d, int w, uint64_t first, uint64_t last, bool absolute)
{
	struct dsi_vmm *m = &d->vmm;
	struct dsi_unmap *u;

	if (m->nr == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 256;
		m->unmap = realloc(m->unmap, m->cap * sizeof(*m->unmap));
		m->arg = realloc(m->arg, m->cap * sizeof(*m->arg));
		assert_true(m->unmap && m->arg);
	}
	u = &m->unmap[m->nr++];
	*u = (struct dsi_unmap){ .first = first, .last = last, .window = w };
	if (!absolute) {
		u->mem = calloc((last - first) / 64 + 1, 8);
		assert_non_null(u->mem);
	}
}

/* The range that begins at a mapped page. */
static uint64_t range_from(const struct dsi *d, const struct dsi_hole *h, enum shape shape,
			   uint64_t *page)
{
	uint64_t last = *page, next, block = *page & ~(uint64_t)(BLOCK - 1);

	switch (shape) {
	case BY_MASK:
		if (block < h->first || block + (BLOCK - 1) > h->last)
			return last;
		*page = block;
		return block + (BLOCK - 1);
	case CLUBBED:
		for (;;) {
			next = next_mapped(d, h->window, last + 1, h->last);
			if (next > h->last || next - *page >= CLUB_MAX)
				return last;
			last = next;
		}
	default:
		while (last < h->last && is_mapped(d, h->window, last + 1))
			last++;
		return last;
	}
}

/* Also in any order: which comes first is nobody's promise. */
static void shuffle(struct dsi *d)
{
	struct dsi_vmm *m = &d->vmm;
	struct dsi_unmap tmp;
	size_t i, k;

	for (i = m->nr; i > 1; i--) {
		k = dsi_below(d, i);
		tmp = m->unmap[i - 1];
		m->unmap[i - 1] = m->unmap[k];
		m->unmap[k] = tmp;
	}
}

static void requests(struct dsi *d)
{
	enum shape shape = (enum shape)dsi_below(d, SHAPES);
	bool absolute = dsi_below(d, 2);
	const struct dsi_hole *h;
	uint64_t page, last;
	size_t i;
	int w;

	d->vmm.nr = 0;
	for (w = 0; absolute && w < DSI_WINDOWS; w++)
		memset(d->vmm.bits[w], 0, DSI_PAGES / 8);
	for (i = 0; i < d->vmm.nr_holes; i++) {
		h = &d->vmm.hole[i];
		page = next_mapped(d, h->window, h->first, h->last);
		while (page <= h->last) {
			last = range_from(d, h, shape, &page);
			request(d, h->window, page, last, absolute);
			d->res->by_table += last - page >= BLOCK - 1;
			page = next_mapped(d, h->window, last + 1, h->last);
		}
	}
	if (dsi_below(d, 2))
		shuffle(d);
	d->res->requests += d->vmm.nr;
	if (d->vmm.nr > d->res->largest_batch)
		d->res->largest_batch = d->vmm.nr;
}

static void arguments(struct dsi *d)
{
	struct dsi_vmm *m = &d->vmm;
	struct dsi_unmap *u;
	uint64_t iova, len;
	size_t i;

	for (i = 0; i < m->nr; i++) {
		u = &m->unmap[i];
		iova = dsi_iova(d, u->window, u->first);
		len = (u->last - u->first + 1) * DSI_PAGE;
		if (u->mem)
			iodt_assert_ok(iod_bitmap_init(&u->bm, iova, len, DSI_PAGE, u->mem,
						       iod_bitmap_bytes(len, DSI_PAGE), 0));
		else
			iodt_assert_ok(iod_bitmap_init(&u->bm, dsi_iova(d, u->window, 0),
						       (uint64_t)DSI_PAGES * DSI_PAGE, DSI_PAGE,
						       m->bits[u->window], DSI_PAGES / 8, 0));
		m->arg[i] = (struct iod_unmap_dirty){ .size = sizeof(m->arg[i]),
						      .iova = iova,
						      .len = len,
						      .gather = m->gather,
						      .bitmap = &u->bm };
	}
}

/* ---- the unmap ---- */

static void unmap_batch(struct dsi *d)
{
	size_t done = 0, i;

	iodt_assert_ok(iod_unmap_dirty_batch(d->vmm.pt, d->vmm.arg, d->vmm.nr, &done));
	assert_int_equal(done, d->vmm.nr);
	for (i = 0; i < d->vmm.nr; i++)
		d->res->unmapped += d->vmm.arg[i].unmapped / DSI_PAGE;
}

/* The bitmaps as they are without iod_unmap_dirty(): read, then unmapped. */
static void read_first(struct dsi *d)
{
	struct iod_unmap_dirty *a;
	struct iod_sweep s;
	size_t i;

	for (i = 0; i < d->vmm.nr; i++) {
		a = &d->vmm.arg[i];
		s = (struct iod_sweep){ .size = sizeof(s),
					.mode = IOD_SWEEP_READ,
					.iova = a->iova,
					.len = a->len,
					.bitmap = a->bitmap };
		iodt_assert_ok(iod_sweep(d->vmm.pt, &s));
	}
}

static void unmap_plain(struct dsi *d)
{
	struct iod_unmap_dirty *a;
	uint64_t done = 0;
	size_t i;

	for (i = 0; i < d->vmm.nr; i++) {
		a = &d->vmm.arg[i];
		iodt_assert_ok(iod_unmap(d->vmm.pt, a->iova, a->len, 0, a->gather, &done));
	}
	d->res->unmapped += done / DSI_PAGE;
}

/* The pages of a range that are in its bitmap are dirty; no bit stands for a hole. */
static void collect(struct dsi *d, const struct dsi_unmap *u)
{
	uint64_t page, bit, base = u->mem ? u->first : 0;
	const unsigned char *byte = (const unsigned char *)u->bm.words;

	for (page = u->first; page <= u->last; page++) {
		bit = page - base;
		if (!(byte[bit / 8] >> bit % 8 & 1))
			continue;
		assert_true(is_mapped(d, u->window, page));
		d->vmm.dirty[d->vmm.frame[u->window][page]] = 1;
		d->res->reported++;
	}
}

static void forget(struct dsi *d, const struct dsi_unmap *u)
{
	uint64_t page, last = u->last;

	for (page = next_mapped(d, u->window, u->first, last); page <= last;
	     page = next_mapped(d, u->window, page + 1, last)) {
		d->vmm.mapped[u->window][page / 64] &= ~(UINT64_C(1) << page % 64);
		d->vmm.nr_mapped--;
	}
}

static void sync_unmaps(struct dsi *d, bool late)
{
	struct iod_gather_info before = iodt_gather_info(d->vmm.gather), after;

	d->vmm.late = late;
	dsi_no_harvest = d->cfg->how == DSI_NO_HARVEST;
	iodt_assert_ok(iod_gather_sync(d->vmm.gather));
	dsi_no_harvest = d->vmm.late = false;
	after = iodt_gather_info(d->vmm.gather);
	assert_int_equal(after.syncs, before.syncs + 1);
	d->res->syncs++;
	d->res->invalidations += after.invalidations - before.invalidations;
}

/* A log syncs each of them. */
static void unmap_joined(struct dsi *d)
{
	size_t i;

	for (i = 0; i < d->vmm.nr; i++)
		dsi_join_unmap(d, d->vmm.arg[i].iova, d->vmm.arg[i].len);
	for (i = 0; i < d->vmm.nr; i++) {
		forget(d, &d->vmm.unmap[i]);
		free(d->vmm.unmap[i].mem);
	}
	d->vmm.nr = 0;
}

void dsi_vmm_unmap_holes(struct dsi *d)
{
	enum dsi_how how = d->cfg->how;
	size_t i;

	requests(d);
	if (!d->vmm.nr)
		return;
	arguments(d);
	if (how == DSI_JOIN) {
		unmap_joined(d);
		return;
	}
	if (how == DSI_READ_QUIET || how == DSI_READ_FIRST)
		read_first(d);
	if (how == DSI_READ_FIRST)
		dsi_vmm_late_writes(d);
	if (how == DSI_NO_HARVEST)
		read_first(d);
	if (how == DSI_BATCH || how == DSI_EARLY || how == DSI_NO_HARVEST)
		unmap_batch(d);
	else
		unmap_plain(d);
	if (how != DSI_READ_QUIET)
		dsi_vmm_late_writes(d);
	for (i = 0; how == DSI_EARLY && i < d->vmm.nr; i++)
		collect(d, &d->vmm.unmap[i]);
	if (how == DSI_EARLY)
		dsi_vmm_copy(d);
	sync_unmaps(d, how != DSI_READ_QUIET);
	for (i = 0; i < d->vmm.nr; i++) {
		if (how != DSI_EARLY && how != DSI_PLAIN)
			collect(d, &d->vmm.unmap[i]);
		forget(d, &d->vmm.unmap[i]);
		free(d->vmm.unmap[i].mem);
	}
	d->vmm.nr = 0;
}
