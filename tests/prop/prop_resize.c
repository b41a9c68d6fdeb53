/* SPDX-License-Identifier: MIT */
/*
 * Split and merge: what must come of them is found by trying, from what the headers promise. After each the
 * independent walker tells which leaves there are; parts inherit the dirty state of the page they were
 * of, merged pages have it if any part had, and writes made meanwhile count where they went.
 */
#include "prop.h"

bool prop_breaks(const struct prop *p)
{
	return p->t->caps & IODT_ARM && !(p->v->features & (IOD_PT_BBM_1 | IOD_PT_BBM_2));
}

/* ---- around a call ---- */

void prop_begin(struct prop *p, uint64_t first, uint64_t last, bool faults)
{
	size_t i;

	for (i = 0; i < p->leaves.nr; i++)
		p->leaves.leaf[i].before = p->leaves.leaf[i].must;
	p->marks.nr = 0;
	p->resizing = true;
	p->unsure = faults;
	p->window = (struct prop_extent){ .iova = first, .last = last };
}

void prop_end(struct prop *p)
{
	p->resizing = p->unsure = p->opening = false;
}

bool prop_was_marked(const struct prop *p, uint64_t first, uint64_t last, bool sure)
{
	size_t i;

	for (i = 0; i < p->marks.nr; i++)
		if (p->marks.leaf[i].iova <= last && p->marks.leaf[i].last >= first &&
		    (p->marks.leaf[i].must || !sure))
			return true;
	return false;
}

/* ---- what is there now ---- */

void prop_keep_old(struct prop *p, size_t from, size_t to)
{
	p->old.nr = 0;
	for (; from < to; from++)
		prop_leaf_push(&p->old, &p->leaves.leaf[from]);
}

/* What the format writes when none is asked for: write-back. */
static uint32_t usual_memattr(const struct prop *p)
{
	switch (p->v->format) {
	case IOD_ARM_LPAE_S2:
		return p->v->features & IOD_PT_S2FWB ? 6 : 15;
	case IOD_VTD_SS:
		return 6;
	default:
		return 0;
	}
}

static uint32_t attributes(const struct prop *p, const struct prop_leaf *leaf)
{
	uint32_t prot = prop_granted(p, leaf->prot);
	uint32_t n = leaf->prot & IOD_PROT_MEMATTR(0) ? leaf->prot >> 16 & 0xff : usual_memattr(p);

	prot |= leaf->prot & (IOD_PROT_NOEXEC | IOD_PROT_SNOOP);
	if (prop_untracked(p, leaf))
		prot |= IOD_PROT_UNTRACKED;
	return prot | IOD_PROT_MEMATTR(n);
}

static bool follows(const struct prop *p, const struct prop_leaf *a, const struct prop_leaf *b)
{
	return b->iova == a->last + 1 && b->pa == a->pa + prop_size(a) &&
	       attributes(p, a) == attributes(p, b);
}

/* The new leaf takes after the old ones that it is of; returns the last of these. */
static size_t inherit(struct prop *p, size_t i, struct prop_leaf *n)
{
	const struct prop_leaf *o = &p->old.leaf[i];

	n->prot = o->prot;
	n->lag = o->lag;
	n->must = o->must;
	n->may = o->may;
	if (n->last < o->last || n->iova > o->iova)
		n->must = o->before ||
			  (prop_tracked(p, o) && prop_was_marked(p, n->iova, n->last, true));
	for (; o->last < n->last; i++, o++) {
		if (i + 1 == p->old.nr || !follows(p, o, o + 1) || n->iova > p->old.leaf[i].iova) {
			prop_fail(p, "%#jx to %#jx was made of what does not belong together",
				  (uintmax_t)n->iova, (uintmax_t)n->last);
			return i;
		}
		n->must |= o[1].must;
		n->may |= o[1].may;
		n->lag |= o[1].lag;
	}
	p->uncertain |= n->must != n->may;
	return i;
}

static bool found_at(struct prop *p, const struct prop_leaf *old, uint64_t at, struct prop_leaf *n)
{
	struct mdl_leaf found = { .size = 0 };
	enum mdl_fault fault = mdl_walk(&p->table, &p->mem, at, &found);

	if ((fault != MDL_OK && fault != MDL_ACCESS_FLAG) || found.iova != at ||
	    found.pa != old->pa + (at - old->iova) || !(found.size & p->v->sizes)) {
		prop_fail(p, "at %#jx there is now (%s) %#jx size %#jx pa %#jx", (uintmax_t)at,
			  mdl_fault_name(fault), (uintmax_t)found.iova, (uintmax_t)found.size,
			  (uintmax_t)found.pa);
		return false;
	}
	*n = (struct prop_leaf){ .iova = at, .last = at + (found.size - 1), .pa = found.pa };
	return true;
}

void prop_find(struct prop *p, uint64_t first, uint64_t last)
{
	const struct prop_leaf *o;
	struct prop_leaf n;
	uint64_t at = first;
	size_t i = 0;

	while (i < p->old.nr && p->old.leaf[i].last < first)
		i++;
	while (i < p->old.nr && p->old.leaf[i].iova <= last) {
		o = &p->old.leaf[i];
		at = at < o->iova ? o->iova : at;
		if (!found_at(p, o, at, &n))
			return;
		i = inherit(p, i, &n);
		PROP_CHECK(p, n.last <= last && n.last <= p->old.leaf[i].last,
			   "%#jx to %#jx is larger than it may be", (uintmax_t)n.iova,
			   (uintmax_t)n.last);
		prop_leaf_push(&p->fresh, &n);
		if (n.last == p->old.leaf[i].last)
			i++;
		if (n.last == last)
			return;
		at = n.last + 1;
	}
}

/* Leaves @from to @to are replaced by what is there now. */
static void look_again(struct prop *p, size_t from, size_t to)
{
	p->fresh.nr = 0;
	if (from == to)
		return;
	prop_keep_old(p, from, to);
	prop_find(p, p->old.leaf[0].iova, p->old.leaf[p->old.nr - 1].last);
	prop_remove(p, from, to);
	prop_insert(p, &p->fresh);
}

/* ---- what it should be: split ---- */

static uint64_t page_within(const struct prop *p, uint64_t size)
{
	uint64_t sizes = p->v->sizes;

	if (!size)
		return p->t->page;
	return iodt_pow2_floor(sizes & (size | (size - 1)));
}

/* The largest, smaller than the page was, whose place holds nothing of the range. */
uint64_t prop_outside(const struct prop *p, uint64_t iova, const struct prop_leaf *of,
		      uint64_t first, uint64_t last)
{
	uint64_t size, at;
	unsigned int i;

	for (i = p->nr_sizes; i-- > 0;) {
		size = IODT_BIT(p->size_lg2[i]);
		at = iova & -size;
		if (size < prop_size(of) && (at > last || at + (size - 1) < first))
			return size;
	}
	return p->t->page;
}

/* Whose items are no page size by themselves: such a run comes apart down to the tables below. */
bool prop_no_items(const struct prop *p, const struct prop_leaf *leaf)
{
	return !(p->v->sizes & iodt_item_size(p->v, prop_size(leaf)));
}

static void check_part(struct prop *p, const struct prop_leaf *n, const struct prop_leaf *o,
		       struct prop_range r, uint64_t to)
{
	uint64_t last = r.iova + (r.len - 1), size = prop_size(n), want;
	bool inside = n->iova <= last && n->last >= r.iova;

	if (prop_size(o) <= to || o->iova > last || o->last < r.iova) {
		PROP_CHECK(p, size == prop_size(o), "%#jx size %#jx was split", (uintmax_t)o->iova,
			   (uintmax_t)prop_size(o));
		return;
	}
	if (inside) {
		PROP_CHECK(p, size == to, "split to %#jx: %#jx is %#jx", (uintmax_t)to,
			   (uintmax_t)n->iova, (uintmax_t)size);
		return;
	}
	/* what is inside reaches out as far as its pages do */
	want = prop_outside(p, n->iova, o, r.iova & -to, last | (to - 1));
	PROP_CHECK(p, size == want || (size < want && prop_no_items(p, o)),
		   "split to %#jx: %#jx, outside, is %#jx, not %#jx", (uintmax_t)to,
		   (uintmax_t)n->iova, (uintmax_t)size, (uintmax_t)want);
}

/* Not all of it, after an error: then only nothing may have become larger. */
static void check_parts(struct prop *p, struct prop_range r, uint64_t to, bool all)
{
	size_t i, o = 0;

	for (i = 0; i < p->fresh.nr && !p->res->failed; i++) {
		while (p->old.leaf[o].last < p->fresh.leaf[i].iova)
			o++;
		PROP_CHECK(p, p->fresh.leaf[i].last <= p->old.leaf[o].last,
			   "a split made %#jx larger", (uintmax_t)p->fresh.leaf[i].iova);
		if (all)
			check_part(p, &p->fresh.leaf[i], &p->old.leaf[o], r, to);
	}
}

/* ---- what it should be: merge ---- */

static uint64_t largest_at(const struct prop *p, const struct prop_leaf *leaf, uint64_t last,
			   uint64_t most)
{
	uint64_t size, best = prop_size(leaf);
	unsigned int i;

	for (i = 0; i < p->nr_sizes; i++) {
		size = IODT_BIT(p->size_lg2[i]);
		if (size > best && size <= most && !(leaf->iova & (size - 1)) &&
		    !(leaf->pa & (size - 1)) && last - leaf->iova >= size - 1)
			best = size;
	}
	return best;
}

/* p->plan: stretches of the old leaves that belong together, cut into the largest pages. */
static void plan_merge(struct prop *p, uint64_t most)
{
	size_t i = 0, j;
	struct prop_leaf n;

	p->plan.nr = 0;
	while (i < p->old.nr) {
		for (j = i; j + 1 < p->old.nr; j++)
			if (!follows(p, &p->old.leaf[j], &p->old.leaf[j + 1]))
				break;
		while (i <= j) {
			n = p->old.leaf[i];
			n.last = n.iova + (largest_at(p, &n, p->old.leaf[j].last, most) - 1);
			prop_leaf_push(&p->plan, &n);
			while (i <= j && p->old.leaf[i].last <= n.last)
				i++;
		}
	}
}

/* Born dirty where nothing tracks that: bits that hardware does not look at, and may keep pages apart. */
static bool odd_bits(const struct prop *p)
{
	uint32_t any = 0, all = IOD_PROT_DIRTY;
	size_t i;

	for (i = 0; i < p->old.nr; i++) {
		any |= p->old.leaf[i].prot;
		all &= p->old.leaf[i].prot;
	}
	return !p->dirty && (any & IOD_PROT_DIRTY) != all;
}

static void check_merged(struct prop *p, bool all)
{
	const struct prop_leaf *n, *want = p->plan.leaf;
	size_t i;

	if (all)
		PROP_CHECK(p, p->fresh.nr <= p->plan.nr, "merged to %zu pages instead of %zu",
			   p->fresh.nr, p->plan.nr);
	for (i = 0; i < p->fresh.nr && !p->res->failed; i++) {
		n = &p->fresh.leaf[i];
		while (want->last < n->iova)
			want++;
		PROP_CHECK(p, n->last <= want->last && (!all || n->last == want->last),
			   "merged: %#jx to %#jx, not to %#jx", (uintmax_t)n->iova,
			   (uintmax_t)n->last, (uintmax_t)want->last);
	}
}

/* ---- the calls ---- */

struct resize {
	struct prop *p;
	struct prop_range r;
	uint64_t size, budget, entries;
	uint32_t flags;
	bool merge;
};

/* In as many calls as its budget makes it; between them nothing may fault. */
static int resize_calls(struct resize *s)
{
	struct prop *p = s->p;
	struct iod_resize arg = {
		.size = sizeof(arg),
		.iova = s->r.iova,
		.len = s->r.len,
		.flags = s->flags,
		.page_size = s->size,
		.gather = p->gather,
		.budget = s->budget,
	};
	int ret;

	for (;;) {
		p->unsure = s->flags & IOD_RESIZE_ALLOW_FAULTS &&
			    (prop_breaks(p) || s->flags & IOD_RESIZE_BREAK);
		ret = (s->merge ? iod_merge_range : iod_split_range)(p->pt, &arg);
		p->unsure = false;
		if (ret)
			return ret;
		s->entries += arg.entries;
		if (!arg.done || arg.done > arg.len || arg.next_iova != arg.iova + arg.done ||
		    (!s->budget && arg.done != arg.len))
			prop_fail(p, "%s: done %#jx of %#jx, next %#jx",
				  s->merge ? "merge" : "split", (uintmax_t)arg.done,
				  (uintmax_t)arg.len, (uintmax_t)arg.next_iova);
		if (p->res->failed || arg.done == arg.len)
			return 0;
		arg.len -= arg.done;
		arg.iova = arg.next_iova;
		prop_burst(p);
	}
}

static int resize(struct resize *s, size_t from, size_t to, const struct prop_wants *want)
{
	struct prop *p = s->p;
	int fail = !p->cfg.twin && prop_chance(p, 4) ? -EIO : 0, ret;

	prop_note(p, "%s %#jx len %#jx to %#jx flags %u budget %ju: %d",
		  s->merge ? "merge" : "split", (uintmax_t)s->r.iova, (uintmax_t)s->r.len,
		  (uintmax_t)s->size, s->flags, (uintmax_t)s->budget, want->nr ? want->ret[0] : 0);
	p->fail_next = fail;
	if (from < to)
		prop_begin(p, p->leaves.leaf[from].iova, p->leaves.leaf[to - 1].last, false);
	p->merging = s->merge;
	ret = resize_calls(s);
	p->merging = false;
	p->fail_next = 0;
	p->resizing = false;
	if (!prop_wanted(want, ret) && !(fail && ret == fail))
		prop_fail(p, "%s %#jx len %#jx to %#jx flags %u: %d, not %d",
			  s->merge ? "merge" : "split", (uintmax_t)s->r.iova, (uintmax_t)s->r.len,
			  (uintmax_t)s->size, s->flags, ret, want->nr ? want->ret[0] : 0);
	if (!p->res->failed)
		look_again(p, from, to);
	return ret;
}

static uint64_t some_budget(struct prop *p)
{
	static const uint64_t budgets[] = { 0, 0, 0, 1, 100, 5000 };

	return budgets[prop_below(p, IODT_ARRAY_SIZE(budgets))];
}

static bool may_break(const struct prop *p, uint32_t flags)
{
	return !prop_breaks(p) || flags & IOD_RESIZE_ALLOW_FAULTS;
}

void prop_split(struct prop *p, struct prop_range r, uint64_t size, uint32_t flags)
{
	struct resize s = { p, r, size, some_budget(p), 0, flags, false };
	uint64_t to = page_within(p, size), last = r.iova + (r.len - 1);
	size_t i, from = prop_at(p, r.iova), end = prop_end_at(p, last);
	struct prop_wants want = { .nr = 0 };
	bool work = false;
	int ret;

	if (!prop_valid(p, r.iova, last)) {
		prop_want(&want, -ERANGE);
		end = from;
	}
	for (i = from; i < end; i++)
		work |= prop_size(&p->leaves.leaf[i]) > to;
	if (!to || !may_break(p, flags))
		prop_want(&want, -EOPNOTSUPP);
	want.or_done = to && !work && want.nr == 1 && want.ret[0] == -EOPNOTSUPP;
	ret = resize(&s, from, end, &want);
	if (p->res->failed)
		return;
	check_parts(p, r, ret ? UINT64_MAX : to, !ret || ret == -EOPNOTSUPP);
	PROP_CHECK(p, ret || !s.entries == !work, "split: %ju entries", (uintmax_t)s.entries);
	if (!ret)
		p->resized = r;
	prop_synced(p);
}

/* With a budget, pages larger than one call's work may not come of it; so once more without. */
void prop_merge(struct prop *p, struct prop_range r, uint64_t size, uint32_t flags)
{
	struct resize s = { p, r, size, some_budget(p), 0, flags, true };
	uint64_t last = r.iova + (r.len - 1);
	size_t from = prop_at(p, r.iova), to = prop_end_at(p, last);
	struct prop_wants want = { .nr = 0 };
	bool work;
	int ret;

	if (!prop_valid(p, r.iova, last)) {
		prop_want(&want, -ERANGE);
		to = from;
	}
	if (from < to && p->leaves.leaf[from].iova < r.iova)
		from++;
	if (from < to && p->leaves.leaf[to - 1].last > last)
		to--;
	prop_keep_old(p, from, to);
	plan_merge(p, size ? size : UINT64_MAX);
	work = p->plan.nr != p->old.nr;
	if (!may_break(p, flags))
		prop_want(&want, -EOPNOTSUPP);
	want.or_done = !work && want.nr == 1 && want.ret[0] == -EOPNOTSUPP; /* nothing to do */
	ret = resize(&s, from, to, &want);
	if (p->res->failed)
		return;
	if (!want.nr)
		check_merged(p, !ret && !s.budget && !odd_bits(p));
	else
		PROP_CHECK(p, p->fresh.nr == p->old.nr, "a refused merge merged");
	PROP_CHECK(p, ret || work || !s.entries, "merge: %ju entries", (uintmax_t)s.entries);
	prop_synced(p);
	if (ret == -EIO && !p->res->failed)
		prop_sync(p, true); /* nothing may be unmapped before */
	if (!ret && s.budget && prop_chance(p, 70) && !p->res->failed)
		prop_merge(p, r, size, flags);
}
