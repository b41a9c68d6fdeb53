/* SPDX-License-Identifier: MIT */
/* Comparing lists of host commands by what they invalidate. */
#include "viommucover.h"

#define OP(c) ((unsigned int)((c)->w[0] & 0xff))

struct piece {
	uint64_t key[2], first, last;
};

static unsigned int kind_of(const struct rig_cmd *c)
{
	unsigned int op = OP(c);

	if (op >= 0x10 && op <= 0x13)
		return 1;
	if (op == 0x05 || op == 0x06)
		return 2;
	return op == 0x40 ? 3 : 4;
}

/* The granule that a single address stands for: known when the guest can have only one. */
static unsigned int single_tg(const struct rig *rig)
{
	switch (rig->opts.granules) {
	case IOD_SMMUV3_IDR5_GRAN4K:
		return 1;
	case IOD_SMMUV3_IDR5_GRAN16K:
		return 2;
	case IOD_SMMUV3_IDR5_GRAN64K:
		return 3;
	}
	return 0;
}

/* Everything but by address is a piece without extent. */
static struct piece piece_of(const struct rig *rig, const struct rig_cmd *c)
{
	unsigned int tg = (unsigned int)(c->w[1] >> 10) & 3, lg2;
	uint64_t addr = c->w[1] & ~UINT64_C(0xfff), scale = c->w[0] >> 20 & 0x3f, len;
	struct piece p = { { c->w[0], c->w[1] }, 0, 0 };

	if (OP(c) != 0x12 && OP(c) != 0x13)
		return p;
	p.key[0] = c->w[0] & ~UINT64_C(0x3f1f000);
	p.key[1] = (c->w[1] & 0x301) | (tg ? tg : single_tg(rig)) << 10;
	lg2 = tg || single_tg(rig) ? 10 + 2 * (tg ? tg : single_tg(rig)) : 12;
	p.first = addr >> lg2 << lg2;
	p.last = p.first | (IODT_BIT(lg2) - 1);
	if (tg) {
		len = (((c->w[0] >> 12 & 0x1f) + 1) << (scale > 39 ? 39 : scale) << lg2) - 1;
		p.last = len > UINT64_MAX - addr ? UINT64_MAX : addr + len;
		p.last |= IODT_BIT(lg2) - 1;
	}
	return p;
}

static int by_key(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->key[0] != y->key[0])
		return x->key[0] < y->key[0] ? -1 : 1;
	if (x->key[1] != y->key[1])
		return x->key[1] < y->key[1] ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->last < y->last ? -1 : x->last > y->last;
}

/* Sorted, and joined where they touch. @return how many are left */
static size_t collect(const struct rig *rig, const struct rig_cmd *list, size_t nr, struct piece *p)
{
	size_t i, n = 0;

	for (i = 0; i < nr; i++)
		p[i] = piece_of(rig, &list[i]);
	qsort(p, nr, sizeof(*p), by_key);
	for (i = 0; i < nr; i++) {
		struct piece *last = n ? &p[n - 1] : NULL;

		if (last && last->key[0] == p[i].key[0] && last->key[1] == p[i].key[1] &&
		    (p[i].first <= last->last || p[i].first - last->last == 1)) {
			if (p[i].last > last->last)
				last->last = p[i].last;
			continue;
		}
		p[n++] = p[i];
	}
	return n;
}

static bool has_all(const struct rig_cmd *list, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (OP(&list[i]) == 0x10)
			return true;
	return false;
}

static bool inside(const struct piece *p, size_t n, const struct piece *one)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i].key[0] == one->key[0] && p[i].key[1] == one->key[1] &&
		    p[i].first <= one->first && p[i].last >= one->last)
			return true;
	return false;
}

static void compare_stretch(const struct rig *rig, const struct rig_cmd *want, size_t nr_want,
			    const struct rig_cmd *got, size_t nr_got)
{
	struct piece *w = calloc(nr_want + nr_got, sizeof(*w)), *g = w + nr_want;
	bool all = has_all(want, nr_want);
	size_t nw, ng, i;

	assert_non_null(w);
	assert_true(nr_got <= nr_want);
	nw = collect(rig, want, nr_want, w);
	ng = collect(rig, got, nr_got, g);
	assert_int_equal(has_all(got, nr_got), all);
	for (i = 0; i < ng; i++)
		assert_true(inside(w, nw, &g[i]));
	for (i = 0; i < nw; i++)
		assert_true(all || inside(g, ng, &w[i]));
	free(w);
}

static size_t stretch(const struct rig_cmd *list, size_t nr)
{
	size_t n = 1;

	while (n < nr && kind_of(&list[n]) == kind_of(&list[0]))
		n++;
	return n;
}

void cover_equal(const struct rig *rig, const struct rig_cmd *want, size_t nr_want,
		 const struct rig_cmd *got, size_t nr_got)
{
	while (nr_want && nr_got) {
		size_t w = stretch(want, nr_want), g = stretch(got, nr_got), i;

		assert_int_equal(kind_of(want), kind_of(got));
		if (kind_of(want) == 4) { /* answers: each of them, in order */
			assert_int_equal(w, g);
			for (i = 0; i < w; i++) {
				assert_true(want[i].w[0] == got[i].w[0]);
				assert_true(want[i].w[1] == got[i].w[1]);
			}
		} else {
			compare_stretch(rig, want, w, got, g);
		}
		want += w;
		nr_want -= w;
		got += g;
		nr_got -= g;
	}
	assert_int_equal(nr_want + nr_got, 0);
}

bool cover_has(const struct rig *rig, const struct rig_cmd *list, size_t nr,
	       const struct rig_cmd *cmd)
{
	struct piece *p = calloc(nr + 1, sizeof(*p)), one = piece_of(rig, cmd);
	bool found;

	assert_non_null(p);
	found = (kind_of(cmd) == 1 && has_all(list, nr)) ||
		inside(p, collect(rig, list, nr, p), &one);
	free(p);
	return found;
}
