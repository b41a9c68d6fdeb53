/* SPDX-License-Identifier: MIT */
/* Map, unmap and sync: what is called, what must come of it, and what the model makes of it. */
#include "prop.h"

/* ---- map ---- */

static bool can_prot(const struct prop *p, uint32_t prot)
{
	enum iod_format f = p->v->format;
	bool arm = p->t->caps & IODT_ARM;

	if (prot & IOD_PROT_NOEXEC && (f == IOD_VTD_SS || f == IOD_AMD_V1))
		return false;
	if (prot & IOD_PROT_SNOOP && f != IOD_VTD_SS && f != IOD_AMD_V1)
		return false;
	if (prot & IOD_PROT_UNTRACKED && !arm)
		return false;
	return !(prot & IOD_PROT_MEMATTR(0) && f == IOD_AMD_V1);
}

static bool born_dirty(const struct prop *p, const struct prop_leaf *leaf)
{
	return leaf->prot & IOD_PROT_DIRTY && prop_tracked(p, leaf);
}

static bool over_stale(const struct prop *p, const struct prop_leaf *leaf)
{
	size_t i;

	for (i = 0; i < p->stale.nr; i++)
		if (p->stale.ext[i].iova <= leaf->last && leaf->iova <= p->stale.ext[i].last)
			return true;
	return false;
}

/*
 * The leaf that the independent walker finds at @at. With a gather nothing keeps the library from
 * the largest size that fits; without one, empty tables may stand in the way.
 */
static void new_leaf(struct prop *p, uint64_t at, struct prop_range r, uint64_t pa, uint32_t prot,
		     bool gathered)
{
	uint64_t left = r.iova + (r.len - 1) - at, best;
	struct prop_leaf leaf = { .iova = at, .pa = pa + (at - r.iova), .prot = prot };
	struct mdl_leaf found;
	enum mdl_fault fault = mdl_walk(&p->table, &p->mem, at, &found);

	if (fault == MDL_ACCESS_FLAG)
		fault = MDL_OK;
	leaf.last = at;
	PROP_CHECK(p, fault == MDL_OK, "after map, %#jx: %s", (uintmax_t)at, mdl_fault_name(fault));
	PROP_CHECK(p,
		   found.iova == at && found.pa == leaf.pa && found.size - 1 <= left &&
			   found.size & p->v->sizes,
		   "after map, %#jx: leaf %#jx size %#jx pa %#jx", (uintmax_t)at,
		   (uintmax_t)found.iova, (uintmax_t)found.size, (uintmax_t)found.pa);
	best = iodt_best_size(p->v, at, leaf.pa, left == UINT64_MAX ? left : left + 1);
	PROP_CHECK(p, gathered ? found.size == best : found.size <= best,
		   "after map, %#jx: size %#jx, could be %#jx", (uintmax_t)at,
		   (uintmax_t)found.size, (uintmax_t)best);
	leaf.last = at + (found.size - 1);
	leaf.must = leaf.may = born_dirty(p, &leaf);
	leaf.lag = over_stale(p, &leaf);
	if (prop_was_marked(p, at, leaf.last, false)) /* before the call returned */
		prop_mark(p, &leaf, false);
	prop_leaf_push(&p->fresh, &leaf);
}

static void mapped(struct prop *p, struct prop_range r, uint64_t pa, uint32_t prot, bool gathered)
{
	uint64_t at = r.iova, last = r.iova + (r.len - 1);

	if (p->t->caps & IODT_GROWS)
		iodt_model(p->t, &p->table);
	p->fresh.nr = 0;
	for (;;) {
		new_leaf(p, at, r, pa, prot, gathered);
		if (p->res->failed || p->fresh.leaf[p->fresh.nr - 1].last == last)
			break;
		at = p->fresh.leaf[p->fresh.nr - 1].last + 1;
	}
	prop_insert(p, &p->fresh);
}

void prop_map(struct prop *p, struct prop_range r, uint64_t pa, uint32_t prot)
{
	bool gathered = prop_chance(p, 70);
	uint64_t last = r.iova + (r.len - 1), done = 3;
	int ret, want = 0;

	if (!can_prot(p, prot))
		want = -EOPNOTSUPP;
	else if (!prop_valid(p, r.iova, last))
		want = -ERANGE;
	else if (prop_overlaps(p, r.iova, last))
		want = -EEXIST;
	prop_note(p, "map %#jx len %#jx to %#jx prot %#x%s: %d", (uintmax_t)r.iova,
		  (uintmax_t)r.len, (uintmax_t)pa, prot, gathered ? " gather" : "", want);
	prop_begin(p, r.iova, last, true);
	p->opening = true;
	p->window.pa = pa;
	p->window.prot = prot;
	ret = iod_map(p->pt, r.iova, pa, r.len, prot, gathered ? p->gather : NULL, &done);
	prop_end(p);
	if (want == -EOPNOTSUPP && !prop_valid(p, r.iova, last) && ret == -ERANGE)
		want = -ERANGE; /* both are wrong */
	PROP_CHECK(p, ret == want, "map %#jx len %#jx pa %#jx prot %#x: %d, not %d",
		   (uintmax_t)r.iova, (uintmax_t)r.len, (uintmax_t)pa, prot, ret, want);
	PROP_CHECK(p, done == (ret ? 3 : 3 + r.len), "map: done %#jx", (uintmax_t)done);
	if (ret)
		return;
	mapped(p, r, pa, prot, gathered);
	/* used at once: whatever hardware still holds of the tables that were there before */
	if (!p->res->failed && prop_chance(p, 50))
		prop_dma_at(p, r.iova + prop_below(p, r.len), prop_chance(p, 60));
}

/* ---- unmap ---- */

void prop_want(struct prop_wants *w, int ret)
{
	w->ret[w->nr++] = ret;
}

/* Of several that are right, either. */
bool prop_wanted(const struct prop_wants *w, int ret)
{
	unsigned int i;

	for (i = 0; i < w->nr; i++)
		if (w->ret[i] == ret)
			return true;
	return (!w->nr || w->or_done) && !ret;
}

static bool straddles(const struct prop *p, uint64_t iova)
{
	const struct prop_leaf *leaf = prop_lookup(p, iova);

	return leaf && leaf->iova != iova;
}

size_t prop_end_at(const struct prop *p, uint64_t last)
{
	size_t i = prop_at(p, last);

	return i < p->leaves.nr && p->leaves.leaf[i].iova <= last ? i + 1 : i;
}

uint64_t prop_bytes_in(const struct prop *p, struct prop_range r, size_t from, size_t to)
{
	uint64_t n = 0, last = r.iova + (r.len - 1);
	const struct prop_leaf *leaf;

	for (; from < to; from++) {
		leaf = &p->leaves.leaf[from];
		n += (leaf->last < last ? leaf->last : last) -
		     (leaf->iova > r.iova ? leaf->iova : r.iova) + 1;
	}
	return n;
}

struct prop_wants prop_unmap_wants(const struct prop *p, struct prop_range r, uint32_t flags,
				   uint64_t bytes)
{
	uint64_t last = r.iova + (r.len - 1);
	struct prop_wants w = { .nr = 0 };
	bool cut;

	if (!r.len) { /* all of a 64-bit space: more than one call can say */
		prop_want(&w, -EINVAL);
		return w;
	}
	if (!prop_valid(p, r.iova, last)) {
		prop_want(&w, -ERANGE);
		return w;
	}
	cut = straddles(p, r.iova) || (last != UINT64_MAX && straddles(p, last + 1));
	if (cut && !(flags & IOD_UNMAP_SPLIT))
		prop_want(&w, -EINVAL);
	else if (cut && prop_breaks(p) && !(flags & IOD_UNMAP_ALLOW_FAULTS))
		prop_want(&w, -EOPNOTSUPP);
	if (flags & IOD_UNMAP_NO_HOLES && bytes != r.len)
		prop_want(&w, -ENOENT);
	return w;
}

/* Parts of pages at the edges, which stay: the largest that fit. */
static void stays(struct prop *p, uint64_t first, uint64_t last, struct prop_range r)
{
	const struct prop_leaf *of = &p->old.leaf[first < r.iova ? 0 : p->old.nr - 1], *n;
	size_t i = p->fresh.nr;
	uint64_t want;

	prop_find(p, first, last);
	for (; i < p->fresh.nr; i++) {
		n = &p->fresh.leaf[i];
		want = prop_outside(p, n->iova, of, r.iova, r.iova + (r.len - 1));
		PROP_CHECK(p, prop_size(n) == want || (prop_size(n) < want && prop_no_items(p, of)),
			   "%#jx to %#jx is what an unmap left of %#jx to %#jx", (uintmax_t)n->iova,
			   (uintmax_t)n->last, (uintmax_t)of->iova, (uintmax_t)of->last);
	}
}

void prop_unmapped(struct prop *p, struct prop_range r, size_t from, size_t to)
{
	uint64_t last = r.iova + (r.len - 1);
	const struct prop_leaf *leaf;
	struct prop_extent e;
	size_t i;

	prop_keep_old(p, from, to);
	p->fresh.nr = 0;
	if (from == to)
		return;
	for (i = 0; i < p->old.nr; i++) {
		leaf = &p->old.leaf[i];
		e = (struct prop_extent){ leaf->iova, leaf->last, leaf->pa, leaf->prot };
		if (e.iova < r.iova) {
			e.pa += r.iova - e.iova;
			e.iova = r.iova;
		}
		e.last = e.last > last ? last : e.last;
		prop_extent_push(&p->stale, &e);
	}
	if (p->old.leaf[0].iova < r.iova)
		stays(p, p->old.leaf[0].iova, r.iova - 1, r);
	if (p->old.leaf[p->old.nr - 1].last > last)
		stays(p, last + 1, p->old.leaf[p->old.nr - 1].last, r);
	prop_remove(p, from, to);
	prop_insert(p, &p->fresh);
}

/* Refused: pages at the edges may have been split. */
static void cut_in_vain(struct prop *p, struct prop_range r, size_t from, size_t to)
{
	if (from == to)
		return;
	prop_keep_old(p, from, to);
	p->fresh.nr = 0;
	prop_find(p, p->old.leaf[0].iova, p->old.leaf[p->old.nr - 1].last);
	prop_remove(p, from, to);
	prop_insert(p, &p->fresh);
	(void)r;
}

/*
 * What is unmapped may still be written until the invalidation, and may be marked in a table that
 * is cut off: so all of it is copied afterwards.
 */
void prop_unmap(struct prop *p, struct prop_range r, uint32_t flags)
{
	uint64_t last = r.iova + (r.len - 1), done = 9, bytes;
	size_t from = prop_at(p, r.iova), to = prop_end_at(p, last), stale = p->stale.nr;
	struct prop_wants want;
	int ret;

	if (to < from || !r.len || !prop_valid(p, r.iova, last))
		to = from;
	bytes = prop_bytes_in(p, r, from, to);
	want = prop_unmap_wants(p, r, flags, bytes);
	if (!bytes && !want.nr)
		prop_want(&want, -ENOENT);
	prop_note(p, "unmap %#jx len %#jx flags %u: %d", (uintmax_t)r.iova, (uintmax_t)r.len, flags,
		  want.nr ? want.ret[0] : 0);
	if (from < to)
		prop_begin(p, p->leaves.leaf[from].iova, p->leaves.leaf[to - 1].last, true);
	ret = iod_unmap(p->pt, r.iova, r.len, flags, p->gather, &done);
	prop_end(p);
	PROP_CHECK(p, prop_wanted(&want, ret), "unmap %#jx len %#jx flags %u: %d, not %d",
		   (uintmax_t)r.iova, (uintmax_t)r.len, flags, ret, want.nr ? want.ret[0] : 0);
	PROP_CHECK(p, done == (ret ? 9 : 9 + bytes), "unmap %#jx len %#jx: done %#jx, not %#jx",
		   (uintmax_t)r.iova, (uintmax_t)r.len, (uintmax_t)done - 9, (uintmax_t)bytes);
	if (ret) {
		cut_in_vain(p, r, from, to);
		return;
	}
	prop_unmapped(p, r, from, to);
	for (; p->dirty && stale < p->stale.nr; stale++)
		prop_extent_push(&p->pending, &p->stale.ext[stale]);
	prop_synced(p);
}

/* Everything, in as few calls as the input space allows; returns the bytes. */
uint64_t prop_unmap_all(struct prop *p)
{
	struct iodt_part part[2];
	size_t i, n = iodt_parts(p->v, part);
	uint64_t bytes = 0;
	int ret;

	for (i = 0; i < n; i++) {
		ret = iod_unmap(p->pt, part[i].iova, part[i].len, 0, p->gather, &bytes);
		if (ret && ret != -ENOENT)
			prop_fail(p, "unmap of everything: %d", ret);
	}
	return bytes;
}

/* ---- sync ---- */

/* All invalidations are complete: bitmaps count, pages are copied. */
static void settle(struct prop *p)
{
	if (p->cfg.twin == PROP_EARLY_COPY)
		p->pending.nr = 0; /* was copied long ago */
	prop_reports_settle(p);
	prop_settled(p);
	prop_copy(p);
	prop_check_behind(p, "after a sync");
}

void prop_synced(struct prop *p)
{
	if (!p->res->failed && !iodt_gather_info(p->gather).ranges)
		settle(p);
}

void prop_sync(struct prop *p, bool flush)
{
	int fail = prop_chance(p, 3) ? -EIO : 0, ret;

	prop_note(p, "%s", flush ? "flush" : "sync");
	p->fail_next = fail;
	ret = flush ? iod_gather_flush(p->gather) : iod_gather_sync(p->gather);
	if (ret == -EIO && fail) {
		p->fail_next = 0;
		ret = flush ? iod_gather_flush(p->gather) : iod_gather_sync(p->gather);
	}
	p->fail_next = 0; /* nothing was gathered */
	PROP_CHECK(p, !ret, "%s: %d", flush ? "flush" : "sync", ret);
	settle(p);
}
