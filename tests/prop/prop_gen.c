/* SPDX-License-Identifier: MIT */
/*
 * Where and what: places near anchors (the ends of the input space, both sides of the non-canonical
 * hole, boundaries of table entries at every level), at distances of all page sizes, so that a few
 * hundred leaves of all sizes meet, touch and overlap.
 */
#include "prop.h"

#define MAX_LEAVES     500 /* in all */
#define MAX_MAP_LEAVES 120 /* of one map */
#define MAX_SPAN       IODT_BIT(62)

static void add_anchor(struct prop *p, uint64_t iova)
{
	unsigned int i;

	for (i = 0; i < p->nr_anchors; i++)
		if (p->anchor[i] == iova)
			return;
	if (p->nr_anchors < PROP_ANCHORS)
		p->anchor[p->nr_anchors++] = iova;
}

void prop_gen_init(struct prop *p)
{
	const struct iodt_variant *v = p->v;
	uint64_t span = v->last - v->first, item;
	unsigned int lg2;

	for (lg2 = 12; lg2 < 64; lg2++)
		if (v->sizes & IODT_BIT(lg2))
			p->size_lg2[p->nr_sizes++] = (unsigned char)lg2;
	add_anchor(p, v->first);
	add_anchor(p, v->last + 1);
	if (v->hole_first) {
		add_anchor(p, v->hole_first);
		add_anchor(p, v->hole_last + 1);
	}
	add_anchor(p, v->first + span / 2 + 1);
	for (lg2 = 20; lg2 < 63; lg2++) {
		item = iodt_item_size(v, IODT_BIT(lg2));
		if (item == IODT_BIT(lg2) && span / 2 >= item)
			add_anchor(p, v->first + item * (1 + prop_below(p, 2)));
	}
	if (span >= IODT_BIT(58))
		add_anchor(p, IODT_BIT(57));
	add_anchor(p, v->first + (prop_random(p) & span & ~(p->t->page - 1)));
}

/* Small sizes more often than large ones. */
uint64_t prop_gen_size(struct prop *p)
{
	uint64_t i = prop_below(p, p->nr_sizes);

	if (prop_chance(p, 60))
		i = prop_below(p, i + 1);
	return IODT_BIT(p->size_lg2[i]);
}

/* A few times a size, either way. */
static uint64_t some_steps(struct prop *p, uint64_t size, unsigned int most)
{
	return (prop_below(p, 2 * most + 1) - most) * size;
}

uint64_t prop_gen_iova(struct prop *p)
{
	uint64_t iova, size;
	unsigned int tries = 0;

	do {
		size = prop_gen_size(p);
		iova = p->anchor[prop_below(p, p->nr_anchors)];
		iova += some_steps(p, size, 2);
		if (prop_chance(p, 60))
			iova += some_steps(p, p->t->page, 1 + (unsigned int)prop_below(p, 40));
	} while (!prop_valid(p, iova, iova) && tries++ < 12);
	return iova;
}

void prop_gen_clip(struct prop *p, struct prop_range *r)
{
	const struct iodt_variant *v = p->v;
	uint64_t end = v->hole_first && r->iova < v->hole_first ? v->hole_first - 1 : v->last;

	if (r->len > MAX_SPAN)
		r->len = MAX_SPAN;
	if (r->iova + (r->len - 1) < r->iova)
		r->len = 0 - r->iova; /* a range that wraps is no range */
	if (prop_valid(p, r->iova, r->iova) && end - r->iova < r->len - 1 && !prop_chance(p, 4))
		r->len = end - r->iova + 1;
}

/* Leaves i to j as a range. */
static struct prop_range leaves_range(struct prop *p, size_t i, size_t j)
{
	struct prop_range r = { p->leaves.leaf[i].iova, 0 };

	while (j > i && (!prop_valid(p, r.iova, p->leaves.leaf[j].last) ||
			 p->leaves.leaf[j].last - r.iova >= MAX_SPAN))
		j--;
	r.len = p->leaves.leaf[j].last - r.iova + 1;
	return r;
}

struct prop_range prop_gen_leaves(struct prop *p, size_t most)
{
	size_t i = (size_t)prop_below(p, p->leaves.nr), j = i + (size_t)prop_below(p, most);

	return leaves_range(p, i, j < p->leaves.nr ? j : p->leaves.nr - 1);
}

void prop_gen_nudge(struct prop *p, struct prop_range *r)
{
	uint64_t page = p->t->page, last = r->iova + (r->len - 1), by;
	struct prop_range was = *r;

	by = some_steps(p, page, prop_chance(p, 50) ? 1 : 30);
	if (prop_valid(p, r->iova + by, last))
		r->iova += by;
	by = some_steps(p, page, prop_chance(p, 50) ? 1 : 30);
	if (prop_valid(p, r->iova, last + by))
		last += by;
	r->len = last - r->iova + 1;
	if (!r->len || r->len > MAX_SPAN) /* around the end of the 64-bit space */
		*r = was;
}

/* ---- map ---- */

static uint32_t some_prot(struct prop *p)
{
	static const uint32_t rw[] = { IODT_RW, IODT_RW, IODT_RW, IOD_PROT_READ, IOD_PROT_WRITE };
	static const unsigned char s2_attr[] = { 1, 5 }, ss_attr[] = { 0, 6 };
	uint32_t prot = rw[prop_below(p, IODT_ARRAY_SIZE(rw))], n;
	enum iod_format f = p->v->format;

	if (prop_chance(p, 25))
		prot |= IOD_PROT_DIRTY;
	/* hardware that tracks nothing has nothing to leave untracked */
	if (prop_chance(p, p->t->caps & IODT_ARM ? 12 : 1) &&
	    (p->dirty || !(p->t->caps & IODT_ARM)))
		prot |= IOD_PROT_UNTRACKED;
	if (prop_chance(p, f == IOD_VTD_SS || f == IOD_AMD_V1 ? 1 : 15))
		prot |= IOD_PROT_NOEXEC;
	if (prop_chance(p, f == IOD_VTD_SS || f == IOD_AMD_V1 ? 15 : 1))
		prot |= IOD_PROT_SNOOP;
	if (prop_chance(p, f == IOD_AMD_V1 ? 1 : 15)) {
		n = (uint32_t)prop_below(p, f == IOD_ARM_LPAE_S1 ? 3 : 8);
		if (f == IOD_ARM_LPAE_S2)
			n = s2_attr[n & 1];
		else if (f == IOD_VTD_SS)
			n = ss_attr[n & 1];
		prot |= IOD_PROT_MEMATTR(n);
	}
	return prot;
}

static struct prop_range map_range(struct prop *p)
{
	uint64_t size = prop_gen_size(p), page = p->t->page;
	struct prop_range r = { prop_gen_iova(p), 0 };

	if (p->leaves.nr && prop_chance(p, 40))
		r.iova = p->leaves.leaf[prop_below(p, p->leaves.nr)].last + 1;
	else if (prop_chance(p, 40)) /* where tables may be cached, and empty by now */
		r.iova = p->hot[prop_below(p, PROP_HOT)] & -p->t->page;
	if (prop_chance(p, 60))
		r.iova &= -size;
	if (prop_chance(p, 60))
		r.len = size * (1 + prop_below(p, 4));
	else if (prop_chance(p, 50))
		r.len = page * (1 + prop_below(p, 600));
	else
		r.len = size + page * prop_below(p, 20);
	prop_gen_clip(p, &r);
	return r;
}

/* The same offset in a page of some size, so that large leaves fit; sometimes it does not. */
static uint64_t some_pa(struct prop *p, struct prop_range *r)
{
	uint64_t most = IODT_BIT(iodt_out_bits(p->v)), size = prop_gen_size(p), pa;

	if (prop_chance(p, 75))
		size = iodt_largest(p->v);
	if (size > most)
		size = most;
	pa = ((prop_below(p, 5) * size) | (r->iova & (size - 1))) & (most - 1);
	if (r->len > most - pa)
		pa = r->iova & (size - 1);
	if (r->len > most - pa)
		r->len = most - pa;
	return pa;
}

/* So that one map makes not too many leaves. */
static void trim(struct prop *p, struct prop_range *r, uint64_t pa)
{
	uint64_t at = 0;
	unsigned int n;

	for (n = 0; n < MAX_MAP_LEAVES && at < r->len; n++)
		at += iodt_best_size(p->v, r->iova + at, pa + at, r->len - at);
	r->len = at;
}

void prop_gen_map(struct prop *p)
{
	struct prop_range r;
	unsigned int tries = 0;
	uint64_t pa;

	do {
		r = map_range(p);
		pa = some_pa(p, &r);
		trim(p, &r, pa);
	} while (prop_overlaps(p, r.iova, r.iova + (r.len - 1)) && !prop_chance(p, 20) &&
		 tries++ < 6);
	prop_map(p, r, pa, some_prot(p));
}

/* ---- unmap ---- */

struct prop_range prop_gen_unmap_range(struct prop *p)
{
	size_t most = p->leaves.nr > MAX_LEAVES ? p->leaves.nr : 1 + prop_below(p, 24);
	struct prop_range r = { 0 };

	if (p->leaves.nr && prop_chance(p, 85)) {
		r = prop_gen_leaves(p, most);
		if (prop_chance(p, 30))
			prop_gen_nudge(p, &r);
	} else {
		r.iova = prop_gen_iova(p);
		r.len = prop_gen_size(p) * (1 + prop_below(p, 3));
		prop_gen_clip(p, &r);
	}
	return r;
}

void prop_gen_unmap(struct prop *p)
{
	uint32_t flags = prop_chance(p, 25) ? IOD_UNMAP_NO_HOLES : 0;
	struct prop_range r;

	if (prop_chance(p, 40) && iod_format_ops(p->v->format)->split_range)
		flags |= IOD_UNMAP_SPLIT;
	if (prop_chance(p, 50) && iod_format_ops(p->v->format)->split_range)
		flags |= IOD_UNMAP_ALLOW_FAULTS;
	r = prop_gen_unmap_range(p);
	if (!prop_gen_may_cut(p, r))
		flags &= ~IOD_UNMAP_SPLIT;
	prop_unmap(p, r, flags);
}

void prop_gen_heat(struct prop *p, struct prop_range r)
{
	unsigned int i;

	for (i = 0; r.len && i < PROP_HOT; i++)
		if (prop_chance(p, 60))
			p->hot[i] = r.iova + prop_below(p, r.len);
}

/* ---- sweep ---- */

/* Tables are pruned that lie wholly inside. */
static void widen_to_tables(struct prop *p, struct prop_range *r)
{
	uint64_t span = iodt_table_span(p->v);
	uint64_t first = r->iova & -span, last = (r->iova + (r->len - 1)) | (span - 1);

	if (!prop_valid(p, first, last) || last - first >= MAX_SPAN)
		return;
	r->iova = first;
	r->len = last - first + 1;
}

void prop_gen_sweep(struct prop *p)
{
	static const enum iod_sweep_mode modes[] = {
		IOD_SWEEP_READ,	 IOD_SWEEP_READ,  IOD_SWEEP_CLEAR,
		IOD_SWEEP_CLEAR, IOD_SWEEP_CLEAR, IOD_SWEEP_CLEAR_BY_BITMAP,
	};
	unsigned int lg2 = 12 + (unsigned int)prop_below(p, prop_chance(p, 50) ? 5 : 19);
	struct prop_range r = { 0 };
	enum iod_sweep_mode mode;
	uint32_t flags = 0;

	if (p->leaves.nr && prop_chance(p, 80)) {
		r = prop_gen_leaves(p, prop_chance(p, 80) ? 20 : p->leaves.nr);
		if (prop_chance(p, 50))
			prop_gen_nudge(p, &r);
	} else {
		r.iova = prop_gen_iova(p);
		r.len = prop_gen_size(p) * (1 + prop_below(p, 3));
		prop_gen_clip(p, &r);
	}
	mode = modes[prop_below(p, IODT_ARRAY_SIZE(modes))];
	if (p->cfg.twin >= PROP_PRUNED)
		mode = IOD_SWEEP_CLEAR;
	if (mode == IOD_SWEEP_CLEAR && p->t->caps & IODT_PRUNE &&
	    (p->cfg.twin >= PROP_PRUNED || prop_chance(p, 60))) {
		flags = IOD_SWEEP_PRUNE;
		if (p->cfg.twin >= PROP_PRUNED || prop_chance(p, 70))
			widen_to_tables(p, &r);
	}
	prop_sweep(p, mode, flags, r, lg2);
}
