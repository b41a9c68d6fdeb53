/* SPDX-License-Identifier: MIT */
/* The flat model: leaves in order of iova, writes not yet copied, what the next sync settles. */
#include "prop.h"

static void *grow(void *mem, size_t *cap, size_t need, size_t each)
{
	if (need <= *cap)
		return mem;
	*cap = 2 * need + 64;
	mem = realloc(mem, *cap * each);
	if (!mem)
		abort();
	return mem;
}

/* ---- leaves ---- */

size_t prop_at(const struct prop *p, uint64_t iova)
{
	size_t lo = 0, hi = p->leaves.nr, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (p->leaves.leaf[mid].last < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct prop_leaf *prop_lookup(const struct prop *p, uint64_t iova)
{
	size_t i = prop_at(p, iova);

	return i < p->leaves.nr && p->leaves.leaf[i].iova <= iova ? &p->leaves.leaf[i] : NULL;
}

bool prop_overlaps(const struct prop *p, uint64_t iova, uint64_t last)
{
	size_t i = prop_at(p, iova);

	return i < p->leaves.nr && p->leaves.leaf[i].iova <= last;
}

void prop_leaf_push(struct prop_leaves *l, const struct prop_leaf *leaf)
{
	l->leaf = grow(l->leaf, &l->cap, l->nr + 1, sizeof(*l->leaf));
	l->leaf[l->nr++] = *leaf;
}

void prop_insert(struct prop *p, const struct prop_leaves *l)
{
	struct prop_leaves *all = &p->leaves;
	size_t at;

	if (!l->nr)
		return;
	at = prop_at(p, l->leaf[0].iova);
	all->leaf = grow(all->leaf, &all->cap, all->nr + l->nr, sizeof(*all->leaf));
	memmove(&all->leaf[at + l->nr], &all->leaf[at], (all->nr - at) * sizeof(*all->leaf));
	memcpy(&all->leaf[at], l->leaf, l->nr * sizeof(*all->leaf));
	all->nr += l->nr;
}

void prop_remove(struct prop *p, size_t from, size_t to)
{
	struct prop_leaves *all = &p->leaves;

	if (from == to)
		return;
	memmove(&all->leaf[from], &all->leaf[to], (all->nr - to) * sizeof(*all->leaf));
	all->nr -= to - from;
}

void prop_extent_push(struct prop_extents *e, const struct prop_extent *ext)
{
	e->ext = grow(e->ext, &e->cap, e->nr + 1, sizeof(*e->ext));
	e->ext[e->nr++] = *ext;
}

/* ---- facts ---- */

uint32_t prop_granted(const struct prop *p, uint32_t prot)
{
	prot &= IODT_RW;
	if (prot & IOD_PROT_WRITE && !(p->t->caps & IODT_WRITE_ONLY))
		prot |= IOD_PROT_READ;
	return prot;
}

bool prop_untracked(const struct prop *p, const struct prop_leaf *leaf)
{
	return leaf->prot & IOD_PROT_UNTRACKED && leaf->prot & IOD_PROT_WRITE;
}

/* ARM says dirty by write permission; elsewhere it is a bit that read-only leaves have as well. */
bool prop_tracked(const struct prop *p, const struct prop_leaf *leaf)
{
	return p->dirty && !prop_untracked(p, leaf) &&
	       (leaf->prot & IOD_PROT_WRITE || !(p->t->caps & IODT_ARM));
}

bool prop_valid(const struct prop *p, uint64_t iova, uint64_t last)
{
	const struct iodt_variant *v = p->v;

	if (last < iova || iova < v->first || last > v->last)
		return false;
	return !v->hole_first || last < v->hole_first || iova > v->hole_last;
}

/* ---- writes ---- */

/* Devices write the same pages again and again. */
static bool just_written(const struct prop *p, uint64_t iova, uint64_t frame)
{
	size_t i = p->nr_behind, end = i > 128 ? i - 128 : 0;

	while (i-- > end)
		if (p->behind[i].frame == frame && p->behind[i].iova >> 12 == iova >> 12)
			return true;
	return false;
}

void prop_wrote(struct prop *p, uint64_t iova, uint64_t pa, uint64_t len)
{
	uint64_t off = 0, step;

	if (!p->dirty)
		return;
	while (off < len) {
		step = 4096 - ((pa + off) & 4095);
		off += step;
		if (just_written(p, iova + off - step, (pa + off - step) >> 12))
			continue;
		p->behind = grow(p->behind, &p->cap_behind, p->nr_behind + 1, sizeof(*p->behind));
		p->behind[p->nr_behind++] =
			(struct prop_write){ iova + off - step, (pa + off - step) >> 12 };
	}
}

void prop_mark(struct prop *p, struct prop_leaf *leaf, bool sure)
{
	if (!prop_tracked(p, leaf))
		return;
	leaf->may = true;
	if (sure)
		leaf->must = true;
	if (!leaf->must)
		p->uncertain = true;
}

static int by_pa(const void *a, const void *b)
{
	const struct prop_extent *x = a, *y = b;

	return x->pa < y->pa ? -1 : x->pa > y->pa;
}

/* Sorted by pa, and joined, so that a frame is in the last that begins at or before it. */
static void join_pending(struct prop_extents *e)
{
	size_t i, n = 0;
	uint64_t end, last;

	if (e->nr < 2)
		return;
	qsort(e->ext, e->nr, sizeof(*e->ext), by_pa);
	for (i = 0; i < e->nr; i++) {
		last = e->ext[i].pa + (e->ext[i].last - e->ext[i].iova);
		if (n) {
			end = e->ext[n - 1].pa + (e->ext[n - 1].last - e->ext[n - 1].iova);
			if (e->ext[i].pa <= end + 1) {
				if (last > end)
					e->ext[n - 1].last += last - end;
				continue;
			}
		}
		e->ext[n++] = e->ext[i];
	}
	e->nr = n;
}

static bool copied(const struct prop_extents *e, uint64_t frame)
{
	uint64_t pa = frame << 12;
	size_t lo = 0, hi = e->nr, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (e->ext[mid].pa <= pa)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && pa - e->ext[lo - 1].pa <= e->ext[lo - 1].last - e->ext[lo - 1].iova;
}

void prop_copy(struct prop *p)
{
	size_t i, n = 0;

	if (!p->pending.nr)
		return;
	join_pending(&p->pending);
	for (i = 0; i < p->nr_behind; i++)
		if (!copied(&p->pending, p->behind[i].frame))
			p->behind[n++] = p->behind[i];
	p->nr_behind = n;
	p->pending.nr = 0;
}

/* ---- after a sync ---- */

bool prop_dirty_in_table(struct prop *p, const struct prop_leaf *leaf)
{
	struct mdl_leaf found = { .d = 0 };

	if (mdl_walk(&p->table, &p->mem, leaf->iova, &found) != MDL_OK)
		prop_fail(p, "the model cannot walk %#jx", (uintmax_t)leaf->iova);
	return found.d > 0;
}

/* The walker tells what became of leaves between must and may; nothing lags any more. */
void prop_settled(struct prop *p)
{
	struct prop_leaf *leaf;
	size_t i;

	p->stale.nr = 0;
	for (i = 0; i < p->leaves.nr; i++) {
		leaf = &p->leaves.leaf[i];
		leaf->lag = false;
		if (p->uncertain && leaf->must != leaf->may)
			leaf->must = leaf->may = prop_dirty_in_table(p, leaf);
	}
	p->uncertain = false;
}

/*
 * Whatever was written before a clearing sweep began must have been reported by it, or by one before it
 * whose report is still to be copied.
 */
void prop_check_reported(struct prop *p, size_t nr, uint64_t iova, uint64_t last, bool untracked)
{
	const struct prop_leaf *leaf;
	const struct prop_write *w;
	size_t i;

	join_pending(&p->pending);
	for (i = 0; i < nr && !p->res->failed; i++) {
		w = &p->behind[i];
		if (w->iova < iova || w->iova > last || copied(&p->pending, w->frame) ||
		    prop_reports_have(p, w))
			continue;
		leaf = prop_lookup(p, w->iova);
		if (leaf && (leaf->pa + (w->iova - leaf->iova)) >> 12 == w->frame &&
		    (untracked || !prop_untracked(p, leaf)))
			prop_loss(p, w->iova, w->frame, "by a sweep");
	}
}

/* In a twin the flags of the model are not true any more, memory is. */
static bool still_dirty(struct prop *p, const struct prop_leaf *leaf)
{
	if (prop_untracked(p, leaf))
		return true;
	return p->cfg.twin > PROP_CONTROL ? prop_dirty_in_table(p, leaf) : leaf->must;
}

void prop_check_behind(struct prop *p, const char *when)
{
	const struct prop_leaf *leaf = NULL;
	const struct prop_write *w;
	size_t i;

	for (i = 0; i < p->nr_behind && !p->res->failed; i++) {
		w = &p->behind[i];
		if (!leaf || w->iova < leaf->iova || w->iova > leaf->last)
			leaf = prop_lookup(p, w->iova);
		if (!leaf || (leaf->pa + (w->iova - leaf->iova)) >> 12 != w->frame ||
		    !still_dirty(p, leaf))
			prop_loss(p, w->iova, w->frame, when);
	}
}
