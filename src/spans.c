/* SPDX-License-Identifier: MIT */
/* Covering ranges with aligned pieces at the least cost; sets of ranges. */
#include "spans.h"

#include <stdlib.h>

/* ---- covering ---- */

static uint64_t cost_add(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t cost_mul(uint64_t a, uint64_t b)
{
	return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* Part of the spans: those from `from` to before `to`. */
struct cover_part {
	size_t from, to;
};

/* The spans of a part that reach into [first, last]. */
static struct cover_part cover_part(const struct span_cover *c, struct cover_part p, uint64_t first,
				    uint64_t last)
{
	while (p.from < p.to && c->span[p.from].last < first)
		p.from++;
	while (p.from < p.to && c->span[p.to - 1].first > last)
		p.to--;
	return p;
}

/* How many units of [first, last] are in the spans. */
static uint64_t cover_wanted(const struct span_cover *c, struct cover_part p, uint64_t first,
			     uint64_t last)
{
	uint64_t n = 0;
	size_t i;

	for (i = p.from; i < p.to; i++) {
		uint64_t a = c->span[i].first, b = c->span[i].last;

		n += (b < last ? b : last) - (a > first ? a : first) + 1;
	}
	return n;
}

static uint64_t cover_node(struct span_cover *c, struct cover_part p, uint64_t first, unsigned lg2);

/* The node by its halves: pieces are left in c->piece. */
static uint64_t cover_halves(struct span_cover *c, struct cover_part p, uint64_t first,
			     unsigned lg2)
{
	uint64_t half = BIT64(lg2 - 1), cost = 0;
	struct cover_part low = cover_part(c, p, first, first + half - 1);
	struct cover_part high = cover_part(c, p, first + half, first + half + (half - 1));

	if (low.from < low.to)
		cost = cover_node(c, low, first, lg2 - 1);
	if (high.from < high.to && cost != UINT64_MAX)
		cost = cost_add(cost, cover_node(c, high, first + half, lg2 - 1));
	return cost;
}

/*
 * The aligned block at first of 2^lg2 units, into which the spans of the part reach: as one piece, or as its
 * halves, whatever costs less. The depth is at most 64.
 */
static uint64_t cover_node(struct span_cover *c, struct cover_part p, uint64_t first, unsigned lg2)
{
	uint64_t wanted = cover_wanted(c, p, first, first + low_mask(lg2));
	uint64_t whole = UINT64_MAX, halves = UINT64_MAX;
	size_t n = c->n;

	if (lg2 <= c->max_lg2)
		whole = cost_add(c->piece_cost,
				 cost_mul(low_mask(lg2) - (wanted - 1), c->unit_cost));
	if (lg2 > c->min_lg2 && (lg2 > c->max_lg2 || wanted - 1 != low_mask(lg2)))
		halves = cover_halves(c, p, first, lg2);
	if (halves < whole)
		return halves;
	c->n = n;
	if (whole == UINT64_MAX || n == c->max)
		return UINT64_MAX;
	c->piece[c->n++] = (struct span_piece){ first, lg2 };
	return whole;
}

uint64_t iod_span_cover(struct span_cover *c)
{
	struct cover_part all = { 0, c->nr };
	unsigned lg2;

	c->n = 0;
	if (!c->nr)
		return 0;
	lg2 = span_cover_lg2(c->span[0].first, c->span[c->nr - 1].last);
	if (lg2 < c->min_lg2)
		lg2 = c->min_lg2;
	return cover_node(c, all, align_down(c->span[0].first, lg2), lg2);
}

/* ---- sets ---- */

static int span_order(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static bool span_in_order(const struct span_set *set)
{
	size_t i;

	for (i = 1; i < set->nr; i++)
		if (set->span[i].first < set->span[i - 1].first)
			return false;
	return true;
}

/* Whether b, which does not begin before a, touches or overlaps it. */
static bool span_touches(const struct span *a, const struct span *b)
{
	return b->first <= a->last || b->first - 1 == a->last;
}

void iod_span_join(struct span_set *set)
{
	size_t i, n = 0;

	if (!span_in_order(set))
		qsort(set->span, set->nr, sizeof(*set->span), span_order);
	for (i = 0; i < set->nr; i++) {
		struct span *to = n ? &set->span[n - 1] : NULL;

		if (!to || !span_touches(to, &set->span[i]))
			set->span[n++] = set->span[i];
		else if (set->span[i].last > to->last)
			to->last = set->span[i].last;
	}
	set->nr = n;
}

static void span_halve(struct span_set *set)
{
	size_t i, n = 0;

	for (i = 0; i < set->nr; i += 2, n++) {
		set->span[n] = set->span[i];
		if (i + 1 < set->nr)
			set->span[n].last = set->span[i + 1].last;
	}
	set->nr = n;
}

void iod_span_add(struct span_set *set, uint64_t first, uint64_t last)
{
	struct span s = { first, last };
	struct span *prev = set->nr ? &set->span[set->nr - 1] : NULL;

	if (prev && first >= prev->first && span_touches(prev, &s)) {
		if (last > prev->last)
			prev->last = last;
		return;
	}
	if (set->nr == set->max) {
		iod_span_join(set);
		if (set->nr > set->max / 2)
			span_halve(set);
	}
	set->span[set->nr++] = s;
}
