/* SPDX-License-Identifier: MIT */
/* The guest: a driver with a table of its own, addresses that are used again, and a lazy flush queue. */
#include "dsi.h"

uint64_t dsi_random(struct dsi *d)
{
	uint64_t z = d->rng += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t dsi_below(struct dsi *d, uint64_t n)
{
	return dsi_random(d) % n;
}

void dsi_guest_open(struct dsi *d)
{
	const struct iodt_variant *v = d->cfg->v;
	struct dsi_guest *g = &d->guest;
	struct iod_pgtable_cfg cfg;
	uint64_t last = v->hole_first ? v->hole_first - 1 : v->last;
	unsigned int i;

	g->mem = iodt_mem_create(NULL);
	assert_non_null(g->mem);
	cfg = iodt_cfg(v, g->mem);
	iodt_assert_ok(iod_pgtable_create(&g->pt, &cfg));
	iodt_assert_ok(iod_gather_create(&g->gather, g->pt, NULL));
	/* the lowest and the highest 4 GiB */
	g->base[0] = v->first;
	g->base[1] = last - ((uint64_t)DSI_PAGES * DSI_PAGE - 1);
	g->bump[0] = g->bump[1] = DSI_PAGES;
	for (i = 0; i < DSI_BUFFERS; i++)
		g->buffer[i].window = -1;
}

void dsi_guest_close(struct dsi *d)
{
	struct dsi_guest *g = &d->guest;
	unsigned int w, o;

	iodt_assert_ok(iod_gather_sync(g->gather));
	iodt_assert_ok(iod_gather_destroy(g->gather));
	iodt_assert_ok(iod_pgtable_destroy(g->pt));
	iodt_assert_ok(iod_mem_destroy(g->mem));
	for (w = 0; w < DSI_WINDOWS; w++)
		for (o = 0; o < IODT_ARRAY_SIZE(g->free[w]); o++)
			free(g->free[w][o]);
}

/* ---- addresses: powers of two, aligned, from the top down; what was freed last goes first ---- */

static bool take_address(struct dsi *d, struct dsi_buffer *b)
{
	struct dsi_guest *g = &d->guest;
	uint32_t size = 1u << b->order, *stack = g->free[b->window][b->order], page;
	uint32_t *n = &g->nr_free[b->window][b->order];

	if (*n) {
		page = stack[--*n];
	} else {
		if (g->bump[b->window] < 2 * size)
			return false;
		page = (g->bump[b->window] - size) & -size;
		g->bump[b->window] = page;
	}
	b->iova = g->base[b->window] + page * DSI_PAGE;
	return true;
}

static void give_address(struct dsi *d, const struct dsi_buffer *b)
{
	struct dsi_guest *g = &d->guest;
	uint32_t **stack = &g->free[b->window][b->order];
	uint32_t *n = &g->nr_free[b->window][b->order], *cap = &g->cap_free[b->window][b->order];

	if (*n == *cap) {
		*cap = *cap ? 2 * *cap : 64;
		*stack = realloc(*stack, *cap * sizeof(**stack));
		assert_non_null(*stack);
	}
	(*stack)[(*n)++] = (uint32_t)((b->iova - g->base[b->window]) / DSI_PAGE);
}

/* ---- the driver ---- */

static uint32_t free_buffer(struct dsi *d)
{
	uint32_t i;

	for (i = 0; i < DSI_BUFFERS; i++)
		if (d->guest.buffer[i].window < 0)
			break;
	return i;
}

uint32_t dsi_guest_map(struct dsi *d)
{
	const struct dsi_preset *p = d->cfg->preset;
	struct dsi_guest *g = &d->guest;
	uint32_t slot = free_buffer(d), i, frame = 0;
	struct dsi_buffer *b;

	if (slot == DSI_BUFFERS)
		return slot;
	b = &g->buffer[slot];
	b->pages = p->pages_min + (uint32_t)dsi_below(d, p->pages_max - p->pages_min + 1);
	for (b->order = 0; 1u << b->order < b->pages; b->order++)
		;
	/* graphics likes whole powers of two */
	if (dsi_below(d, 2))
		b->pages = 1u << b->order;
	b->window = dsi_below(d, 100) < p->high;
	if (!take_address(d, b)) {
		b->window = -1;
		return DSI_BUFFERS;
	}
	for (i = 0; i < b->pages; i++) {
		/* physical memory in short stretches */
		frame = i % 8 && frame + 1 < p->frames ? frame + 1
						       : (uint32_t)dsi_below(d, p->frames);
		iodt_assert_ok(iod_map(g->pt, b->iova + i * DSI_PAGE, frame * DSI_PAGE, DSI_PAGE,
				       IODT_RW, g->gather, NULL));
	}
	/* caching mode: what becomes present is invalidated, too, and at once */
	dsi_vmm_mapped(d, b->iova, b->pages * DSI_PAGE);
	return slot;
}

bool dsi_guest_unmap(struct dsi *d, uint32_t slot)
{
	struct dsi_guest *g = &d->guest;
	struct dsi_buffer *b = &g->buffer[slot];

	/* entries, and tables that the buffer covers, go at once; the VMM is not told */
	iodt_assert_ok(iod_unmap(g->pt, b->iova, b->pages * DSI_PAGE, 0, g->gather, NULL));
	iodt_assert_ok(iod_gather_sync(g->gather));
	assert_true(g->nr_queue < DSI_BUFFERS);
	g->queue[g->nr_queue++] = slot;
	return g->nr_queue >= d->cfg->preset->queue;
}

void dsi_guest_flushed(struct dsi *d)
{
	struct dsi_guest *g = &d->guest;
	struct dsi_buffer *b;
	uint32_t i;

	for (i = 0; i < g->nr_queue; i++) {
		b = &g->buffer[g->queue[i]];
		give_address(d, b);
		b->window = -1;
	}
	g->nr_queue = 0;
}
