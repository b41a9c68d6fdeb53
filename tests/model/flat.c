/* SPDX-License-Identifier: MIT */
/* Open addressing, linear probing, deletion by shifting back. */
#include <stdlib.h>
#include <string.h>

#include "flat.h"

#define FIRST_SLOTS 1024

static uint64_t page_size(const struct mdl_flat *f)
{
	return (uint64_t)1 << f->lg2;
}

static size_t home(const struct mdl_flat *f, uint64_t iova)
{
	uint64_t h = (iova >> f->lg2) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(h >> 20) & (f->nslots - 1);
}

/* The slot of @iova, or the empty one where it would go. */
static size_t find(const struct mdl_flat *f, uint64_t iova)
{
	size_t i = home(f, iova);

	while (f->slots[i].used && f->slots[i].iova != iova)
		i = (i + 1) & (f->nslots - 1);
	return i;
}

static void changed(struct mdl_flat *f)
{
	free(f->order);
	f->order = NULL;
}

int mdl_flat_init(struct mdl_flat *f, unsigned lg2)
{
	*f = (struct mdl_flat){ .lg2 = lg2, .nslots = FIRST_SLOTS };
	f->slots = calloc(f->nslots, sizeof(*f->slots));
	return f->slots ? 0 : -1;
}

void mdl_flat_fini(struct mdl_flat *f)
{
	free(f->slots);
	free(f->order);
	*f = (struct mdl_flat){ 0 };
}

/* Room for @more pages at a load of at most one half. */
static int reserve(struct mdl_flat *f, uint64_t more)
{
	struct mdl_flat_page *old = f->slots;
	size_t i, n = f->nslots, was = f->nslots;

	while (n / 2 < f->used + more) {
		if (n > SIZE_MAX / 2 / sizeof(*old))
			return -1;
		n *= 2;
	}
	if (n == was)
		return 0;
	f->slots = calloc(n, sizeof(*f->slots));
	if (!f->slots) {
		f->slots = old;
		return -1;
	}
	changed(f);
	f->nslots = n;
	for (i = 0; i < was; i++)
		if (old[i].used)
			f->slots[find(f, old[i].iova)] = old[i];
	free(old);
	return 0;
}

static bool range_ok(const struct mdl_flat *f, uint64_t iova, uint64_t len)
{
	if ((iova | len) & (page_size(f) - 1))
		return false;
	return !len || iova + (len - 1) >= iova;
}

int mdl_flat_map(struct mdl_flat *f, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot)
{
	uint64_t i, n = len >> f->lg2;

	if (!range_ok(f, iova, len) || pa & (page_size(f) - 1))
		return -1;
	for (i = 0; i < n; i++)
		if (mdl_flat_lookup(f, iova + (i << f->lg2)))
			return -1;
	if (reserve(f, n))
		return -1;
	for (i = 0; i < n; i++) {
		uint64_t at = iova + (i << f->lg2);

		f->slots[find(f, at)] = (struct mdl_flat_page){
			.iova = at,
			.pa = pa + (i << f->lg2),
			.prot = prot,
			.used = true,
		};
	}
	f->used += (size_t)n;
	changed(f);
	return 0;
}

/* Empties slot @i and moves back what was pushed past it. */
static void drop(struct mdl_flat *f, size_t i)
{
	size_t mask = f->nslots - 1, j = i;

	for (;;) {
		j = (j + 1) & mask;
		if (!f->slots[j].used)
			break;
		/* may move if its home is not in the cyclic interval (i, j] */
		if (((j - home(f, f->slots[j].iova)) & mask) >= ((j - i) & mask)) {
			f->slots[i] = f->slots[j];
			i = j;
		}
	}
	f->slots[i].used = false;
	f->used--;
}

static bool inside(const struct mdl_flat_page *p, uint64_t iova, uint64_t len)
{
	return p->used && p->iova - iova < len;
}

/* Cheaper to look at every slot than at every page of the range. */
static bool by_slots(const struct mdl_flat *f, uint64_t len)
{
	return len >> f->lg2 > f->nslots;
}

static uint64_t unmap_wide(struct mdl_flat *f, uint64_t iova, uint64_t len)
{
	size_t i, n = 0, was = f->used;
	uint64_t *list = malloc((was ? was : 1) * sizeof(*list));

	if (!list)
		abort();
	for (i = 0; i < f->nslots; i++)
		if (inside(&f->slots[i], iova, len))
			list[n++] = f->slots[i].iova;
	for (i = 0; i < n; i++)
		drop(f, find(f, list[i]));
	free(list);
	return (uint64_t)n << f->lg2;
}

uint64_t mdl_flat_unmap(struct mdl_flat *f, uint64_t iova, uint64_t len)
{
	uint64_t i, gone = 0;
	size_t slot;

	if (!range_ok(f, iova, len))
		return 0;
	changed(f);
	if (by_slots(f, len))
		return unmap_wide(f, iova, len);
	for (i = 0; i < len; i += page_size(f)) {
		slot = find(f, iova + i);
		if (f->slots[slot].used) {
			drop(f, slot);
			gone += page_size(f);
		}
	}
	return gone;
}

struct mdl_flat_page *mdl_flat_lookup(const struct mdl_flat *f, uint64_t iova)
{
	struct mdl_flat_page *p = &f->slots[find(f, iova & ~(page_size(f) - 1))];

	return p->used ? p : NULL;
}

bool mdl_flat_translate(const struct mdl_flat *f, uint64_t iova, uint64_t *pa)
{
	const struct mdl_flat_page *p = mdl_flat_lookup(f, iova);

	if (p)
		*pa = p->pa + (iova - p->iova);
	return p;
}

int mdl_flat_set_dirty(struct mdl_flat *f, uint64_t iova)
{
	struct mdl_flat_page *p = mdl_flat_lookup(f, iova);

	if (!p)
		return -1;
	p->dirty = true;
	return 0;
}

static uint64_t dirty(const struct mdl_flat *f, uint64_t iova, uint64_t len, bool clear)
{
	struct mdl_flat_page *p;
	uint64_t i, n = 0;

	if (!range_ok(f, iova, len))
		return 0;
	for (i = 0; i < (by_slots(f, len) ? f->nslots : len >> f->lg2); i++) {
		if (by_slots(f, len))
			p = &f->slots[i];
		else
			p = mdl_flat_lookup(f, iova + (i << f->lg2));
		if (!p || !inside(p, iova, len) || !p->dirty)
			continue;
		n++;
		if (clear)
			p->dirty = false;
	}
	return n;
}

uint64_t mdl_flat_test_dirty(const struct mdl_flat *f, uint64_t iova, uint64_t len)
{
	return dirty(f, iova, len, false);
}

uint64_t mdl_flat_clear_dirty(struct mdl_flat *f, uint64_t iova, uint64_t len)
{
	return dirty(f, iova, len, true);
}

uint64_t mdl_flat_bytes(const struct mdl_flat *f)
{
	return (uint64_t)f->used << f->lg2;
}

static int cmp(const void *a, const void *b)
{
	const struct mdl_flat_page *const *p = a, *const *q = b;

	return ((*p)->iova > (*q)->iova) - ((*p)->iova < (*q)->iova);
}

struct mdl_flat_page **mdl_flat_sorted(struct mdl_flat *f, size_t *n)
{
	size_t i, k = 0;

	*n = f->used;
	if (f->order || !f->used)
		return f->order;
	f->order = malloc(f->used * sizeof(*f->order));
	if (!f->order)
		return NULL;
	for (i = 0; i < f->nslots; i++)
		if (f->slots[i].used)
			f->order[k++] = &f->slots[i];
	qsort(f->order, k, sizeof(*f->order), cmp);
	return f->order;
}

int mdl_flat_each(struct mdl_flat *f, int (*fn)(void *cookie, const struct mdl_flat_page *p),
		  void *cookie)
{
	size_t i, n;
	struct mdl_flat_page **list = mdl_flat_sorted(f, &n);
	int rc = 0;

	if (n && !list)
		return -1;
	for (i = 0; i < n && !rc; i++)
		rc = fn(cookie, list[i]);
	return rc;
}
