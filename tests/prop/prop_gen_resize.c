/* SPDX-License-Identifier: MIT */
/* Splits and merges: where and to what; and what must not be done with their outcome. */
#include "prop.h"

#define MANY_PARTS 1500 /* of one split, mostly */
#define MOST_PARTS 9000

/* ---- where and to what ---- */

/* A page that is cut: leaves outside of the cut, about; tables all of one size where none else is in use. */
static uint64_t around(const struct prop *p, uint64_t size, uint64_t to)
{
	uint64_t items = (p->v->granule ? p->v->granule : 4096) / 8, item, n = 0;
	unsigned int i;

	for (item = iodt_item_size(p->v, size); item > to; item /= items) {
		n += items;
		for (i = p->nr_sizes; i-- > 0;)
			if (IODT_BIT(p->size_lg2[i]) <= item / items &&
			    iodt_item_size(p->v, IODT_BIT(p->size_lg2[i])) ==
				    IODT_BIT(p->size_lg2[i]))
				break;
		n += i < p->nr_sizes ? items * ((item / items >> p->size_lg2[i]) - 1) : 0;
	}
	return n;
}

/* How many leaves a split makes, about. */
static uint64_t parts(const struct prop *p, struct prop_range r, uint64_t to)
{
	uint64_t last = r.iova + (r.len - 1), n = 0, first, end;
	const struct prop_leaf *leaf;
	size_t i;

	for (i = prop_at(p, r.iova); i < prop_end_at(p, last); i++) {
		leaf = &p->leaves.leaf[i];
		if (prop_size(leaf) <= to)
			continue;
		first = leaf->iova < r.iova ? r.iova : leaf->iova;
		end = leaf->last > last ? last : leaf->last;
		n += (end - first) / to + 1;
		if (first != leaf->iova || end != leaf->last)
			n += around(p, prop_size(leaf), to);
	}
	return n;
}

/* An unmap that cuts pages at its edges. */
bool prop_gen_may_cut(struct prop *p, struct prop_range r)
{
	const struct prop_leaf *a = prop_lookup(p, r.iova);
	const struct prop_leaf *b = prop_lookup(p, r.iova + (r.len - 1));
	uint64_t n = a ? around(p, prop_size(a), p->t->page) : 0;

	n += b ? around(p, prop_size(b), p->t->page) : 0;
	return n <= (prop_chance(p, 98) ? MANY_PARTS : MOST_PARTS);
}

static struct prop_range some_part(struct prop *p, const struct prop_leaf *leaf, uint64_t to)
{
	struct prop_range r = { leaf->iova, prop_size(leaf) };

	if (prop_chance(p, 30))
		return r;
	r.iova += prop_random(p) & (r.len - 1) & -p->t->page;
	if (prop_chance(p, 60))
		r.iova &= -to;
	r.len = prop_chance(p, 50) ? to * (1 + prop_below(p, 8))
				   : p->t->page * (1 + prop_below(p, 40));
	if (prop_chance(p, 30))
		prop_gen_nudge(p, &r);
	prop_gen_clip(p, &r);
	return r;
}

static uint32_t some_flags(struct prop *p)
{
	uint32_t flags = prop_chance(p, 75) ? IOD_RESIZE_ALLOW_FAULTS : 0;

	if (flags && prop_chance(p, 15))
		flags |= IOD_RESIZE_BREAK;
	return flags;
}

static void gen_split(struct prop *p)
{
	uint64_t limit = prop_chance(p, 98) ? MANY_PARTS : MOST_PARTS, to = p->t->page;
	const struct prop_leaf *leaf;
	struct prop_range r = { 0 };
	unsigned int tries, i;

	for (tries = 0; tries < 12; tries++) {
		leaf = &p->leaves.leaf[prop_below(p, p->leaves.nr)];
		for (i = 0; i < p->nr_sizes && IODT_BIT(p->size_lg2[i]) < prop_size(leaf); i++)
			;
		if (!i && tries < 11)
			continue;
		i = i && prop_chance(p, 40) ? i - 1 : (unsigned int)prop_below(p, i ? i : 1);
		to = IODT_BIT(p->size_lg2[i]);
		r = some_part(p, leaf, to);
		if (r.len && parts(p, r, to) <= limit)
			break;
	}
	if (tries == 12)
		return;
	if (prop_chance(p, 50))
		prop_gen_heat(p, r);
	if (to == p->t->page && prop_chance(p, 50))
		to = 0;
	else if (prop_chance(p, 20) && to < IODT_BIT(62) && !(p->v->sizes & to << 1))
		to <<= 1; /* need not be a page size */
	prop_split(p, r, to, some_flags(p));
}

static void gen_merge(struct prop *p)
{
	struct prop_range r = p->resized;
	uint64_t size = 0;

	if (!r.len || prop_chance(p, 50)) {
		size = prop_gen_size(p) | prop_gen_size(p);
		size = iodt_pow2_floor(size);
		r.iova = p->leaves.leaf[prop_below(p, p->leaves.nr)].iova & -size;
		r.len = size;
		if (prop_chance(p, 40))
			r = prop_gen_leaves(p, p->leaves.nr);
		size = 0;
	}
	if (prop_chance(p, 30))
		prop_gen_nudge(p, &r);
	prop_gen_clip(p, &r);
	if (!r.len)
		return;
	if (prop_chance(p, 35))
		size = p->t->page << prop_below(p, 30);
	if (prop_chance(p, 50))
		prop_gen_heat(p, r);
	prop_merge(p, r, size, some_flags(p));
}

void prop_gen_resize(struct prop *p)
{
	if (!p->leaves.nr || !iod_format_ops(p->v->format)->split_range)
		return;
	if (prop_chance(p, p->leaves.nr > MANY_PARTS ? 10 : 55) ||
	    !iod_format_ops(p->v->format)->merge_range)
		gen_split(p);
	else
		gen_merge(p);
}

/* ---- what must not be done: see prop_twins.c ---- */

static void born_clean(struct prop *p)
{
	const struct prop_leaf *leaf;
	struct mdl_leaf found;
	unsigned int item;
	uint64_t pa;
	size_t i;

	for (i = 0; i < p->fresh.nr; i++) {
		leaf = &p->fresh.leaf[i];
		if (!prop_tracked(p, leaf) ||
		    mdl_walk(&p->table, &p->mem, leaf->iova, &found) != MDL_OK)
			continue;
		for (item = 0; item < found.items; item++) {
			pa = found.pte_pa + 8 * (uint64_t)item;
			iodt_write(p->t, pa, iodt_pte_clean(p->v, iodt_read(p->t, pa)));
		}
	}
}

/* Reads leave tables in walk caches, and nothing dirty. */
static void warm(struct prop *p, struct prop_range r)
{
	unsigned int n;

	for (n = 0; n < 12; n++)
		prop_dma_at(p, r.iova + prop_below(p, r.len), false);
	prop_gen_heat(p, r);
}

static void twin_split(struct prop *p)
{
	const struct prop_leaf *leaf = NULL;
	struct prop_range r = { 0 };
	unsigned int tries, i;

	for (tries = 0; tries < 20; tries++) {
		leaf = &p->leaves.leaf[prop_below(p, p->leaves.nr)];
		r = (struct prop_range){ leaf->iova, prop_size(leaf) };
		i = iodt_item_level(p->v, r.len);
		if (i && r.len == iodt_item_size(p->v, r.len) && prop_tracked(p, leaf))
			break;
	}
	if (tries == 20)
		return;
	for (i = p->nr_sizes; i-- > 0;)
		if (IODT_BIT(p->size_lg2[i]) < r.len &&
		    iodt_item_level(p->v, IODT_BIT(p->size_lg2[i])) < iodt_item_level(p->v, r.len))
			break;
	if (p->cfg.twin == PROP_BORN_CLEAN) {
		prop_sync(p, false);
		prop_dma_at(p, r.iova + prop_below(p, r.len), true);
	}
	prop_split(p, r, IODT_BIT(p->size_lg2[i]), IOD_RESIZE_ALLOW_FAULTS);
	if (p->cfg.twin == PROP_BORN_CLEAN)
		born_clean(p);
	prop_sync(p, false);
}

void prop_twin_resize(struct prop *p)
{
	struct prop_range r = p->resized;

	if (!r.len || prop_chance(p, 40) || !iod_format_ops(p->v->format)->merge_range) {
		twin_split(p);
		return;
	}
	prop_sync(p, false);
	warm(p, r);
	prop_merge(p, r, 0, IOD_RESIZE_ALLOW_FAULTS);
	p->resized.len = 0;
	prop_sync(p, false);
}
