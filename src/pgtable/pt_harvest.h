/* SPDX-License-Identifier: MIT */
/*
 * What is dirty in a subtree that was cut off, once hardware has let go of it (struct pt_engine.harvest): to
 * the bitmap of an unmap, or to the leaves that took its place. Included by the template.
 */
#ifndef IOD_PT_HARVEST_H
#define IOD_PT_HARVEST_H

#include "pgtable/gather.h"
#include "pgtable/pt_attr.h"

#include "kernels.h"

/* Items looked at by one call of a kernel. */
#define PT_HARVEST_CHUNK 512u

struct pt_harvest {
	struct iod_pgtable *pt;
	const struct gather_subtree *from;
	struct pt_scan_spec spec;
	uint64_t off;	      /* IOVA = x + this */
	bool access_tells;    /* tables whose entry was not Accessed hold nothing dirty */
	bool found;	      /* anything was dirty */
	bool ask_only;	      /* tell that, and nobody else */
	uint64_t first, last; /* dirty and not handed on yet: first > last when there is nothing */
};

static void pt_harvest_flush(struct pt_harvest *h)
{
	const struct pt_sink *sink = &h->from->sink;

	if (h->first > h->last)
		return;
	h->found = true;
	if (h->ask_only)
		;
	else if (h->from->harvest == HARVEST_LIVE)
		pt_set_dirty_live(h->pt, h->first, h->last, &h->spec);
	else
		sink->ops->range(sink->bitmap, h->first + h->off, h->last + h->off);
	h->first = 1;
	h->last = 0;
}

static void pt_harvest_range(struct pt_harvest *h, uint64_t first, uint64_t last)
{
	if (h->first <= h->last && first <= h->last + 1 && first >= h->first) {
		h->last = pt_max(h->last, last);
		return;
	}
	pt_harvest_flush(h);
	h->first = first;
	h->last = last;
}

static void pt_harvest_item(struct pt_harvest *h, const struct pt_table *t, unsigned i)
{
	const struct iod_pgtable *pt = h->pt;
	uint64_t pte = item_load_relaxed(&t->items[i]);
	unsigned n;

	if (pt_item_type(pt, t->level, pte) != PT_LEAF || !pt_spec_is_dirty(&h->spec, pte))
		return;
	n = pt_run_items(pt, t->level, pte);
	i &= ~(n - 1);
	pt_harvest_range(h, pt_item_first(pt, t, i), pt_item_last(pt, t, i + n - 1));
}

/* Whether what is dirty are pages of one item, and the bitmap takes them by words. */
static bool pt_harvest_by_words(const struct pt_harvest *h, const uint64_t *items, unsigned n,
				const uint64_t *dirty)
{
	const struct iod_pgtable *pt = h->pt;
	uint64_t mask, match, plain[PT_HARVEST_CHUNK / 64];
	unsigned w;

	if (h->ask_only || h->from->harvest != HARVEST_BITMAP || pt->attached)
		return false;
	if (!pt->has_runs)
		return true;
	pt_size_spec(pt, pt_shift(pt, 0), &mask, &match);
	pt->kernels->scan(items, n, iod_le64(mask), iod_le64(match), plain, NULL);
	for (w = 0; w * 64 < n; w++)
		if (dirty[w] & ~plain[w])
			return false;
	return true;
}

static void pt_harvest_leaf_table(struct pt_harvest *h, const struct pt_table *t)
{
	unsigned items = 1u << t->bits, base, n, w, shift = pt_shift(h->pt, 0);
	const struct pt_sink *sink = &h->from->sink;
	uint64_t words[PT_HARVEST_CHUNK / 64], left;

	n = items < PT_HARVEST_CHUNK ? items : PT_HARVEST_CHUNK;
	for (base = 0; base < items; base += n) {
		if (!h->pt->kernels->scan(&t->items[base], n, iod_le64(h->spec.mask),
					  iod_le64(h->spec.match), words,
					  &t->items[base] + items * 2))
			continue;
		if (pt_harvest_by_words(h, &t->items[base], n, words)) {
			sink->ops->words(sink->bitmap, pt_item_first(h->pt, t, base) + h->off,
					 shift, words, n);
			continue;
		}
		for (w = 0; w * 64 < n; w++)
			for (left = words[w]; left; left &= left - 1)
				pt_harvest_item(h, t, base + w * 64 + ctz64(left));
	}
}

static void pt_harvest_table(struct pt_harvest *h, const struct pt_table *t)
{
	const struct iod_pgtable *pt = h->pt;
	struct pt_table child;
	uint64_t pte;
	unsigned i;

	if (!t->level) {
		if (!pt_is_quiet(pt, t->pa))
			pt_harvest_leaf_table(h, t);
		return;
	}
	for (i = 0; !(i >> t->bits); i++) {
		pte = item_load(&t->items[i]);
		switch (pt_item_type(pt, t->level, pte)) {
		case PT_LEAF:
			pt_harvest_item(h, t, i);
			break;
		case PT_TABLE:
			if (t->level == 1 && h->access_tells && !pt_table_accessed(pt, pte))
				break;
			if (pt_open_child(pt, t, i, pte, false, &child))
				pt_harvest_table(h, &child);
			break;
		default:
			break;
		}
	}
}

static void pt_harvest_run(struct pt_harvest *h)
{
	const struct gather_subtree *s = h->from;
	struct pt_table t;

	pt_get_scan_spec(h->pt, s->sink.skip_untracked, &h->spec);
	h->off = iod_pt_offset(h->pt, s->x);
	h->access_tells = pt_access_tells(h->pt, s->prunes, s->sink.skip_untracked);
	h->first = 1;
	h->last = 0;
	rcu_enter();
	if ((s->level || s->used || !h->access_tells) &&
	    pt_open(h->pt, s->pa, s->level, PT_MAX_LEVELS, s->x, false, &t)) {
		pt_harvest_table(h, &t);
		pt_harvest_flush(h);
	}
	rcu_leave();
}

static void pt_harvest(struct iod_pgtable *pt, const struct gather_subtree *subtree)
{
	struct pt_harvest h = { .pt = pt, .from = subtree };

	pt_harvest_run(&h);
}

#endif
