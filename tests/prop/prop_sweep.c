/* SPDX-License-Identifier: MIT */
/*
 * Sweeps: what the library writes into the bitmap must lie between what is dirty for certain and
 * what is dirty perhaps, bit for bit; most of the time the two are the same.
 */
#include "prop.h"

/* One sweep, in as many calls as its budget makes it. */
struct pass {
	struct prop *p;
	enum iod_sweep_mode mode;
	uint32_t flags;
	uint64_t iova, last; /* what is left */
	uint64_t all;	     /* where it began */
	struct iod_gather *gather;
	struct iod_bitmap bm;
	uint64_t words;
};

/* ---- bits by hand: bit i is bit i % 8 of byte i / 8 ---- */

void prop_set_bits(uint64_t *mem, uint64_t from, uint64_t to)
{
	unsigned char *b = (unsigned char *)mem;

	for (; from <= to && from % 8; from++)
		b[from / 8] |= (unsigned char)(1u << from % 8);
	for (; from + 7 <= to; from += 8)
		b[from / 8] = 0xff;
	for (; from <= to; from++)
		b[from / 8] |= (unsigned char)(1u << from % 8);
}

static bool get_bit(const uint64_t *mem, uint64_t i)
{
	return ((const unsigned char *)mem)[i / 8] >> i % 8 & 1;
}

/* End of the stretch of equal bits that begins at @i, at most @to + 1. */
static uint64_t stretch(const uint64_t *mem, uint64_t i, uint64_t to)
{
	const unsigned char *b = (const unsigned char *)mem;
	bool set = get_bit(mem, i);

	while (i <= to && get_bit(mem, i) == set) {
		if (i % 8 == 0 && i + 8 <= to && b[i / 8] == (set ? 0xff : 0))
			i += 8;
		else
			i++;
	}
	return i;
}

uint64_t prop_bit_of(const struct iod_bitmap *bm, uint64_t iova)
{
	return (iova - bm->base_iova) >> bm->granule_lg2;
}

/* ---- what one call must do ---- */

static bool all_given(const struct pass *s, const struct prop_leaf *leaf)
{
	uint64_t from = prop_bit_of(&s->bm, leaf->iova), to = prop_bit_of(&s->bm, leaf->last);

	return get_bit(s->p->bits, from) && stretch(s->p->bits, from, to) > to;
}

static void cleaned(struct prop_leaf *leaf)
{
	leaf->must = leaf->may = false;
	leaf->lag = true;
}

struct count {
	uint64_t lo, hi;
};

/*
 * What became of a leaf that a pruned sweep may have cleaned, or skipped because it was written while the
 * sweep invalidated: memory tells.
 */
static void settle_pruned(struct pass *s, struct prop_leaf *leaf)
{
	bool dirty = prop_dirty_in_table(s->p, leaf);

	leaf->must = leaf->may = dirty;
	leaf->lag = true;
}

static void one_leaf(struct pass *s, struct prop_leaf *leaf, uint64_t chunk_last, struct count *n)
{
	struct prop *p = s->p;
	bool untracked = prop_untracked(p, leaf) && !(s->flags & IOD_SWEEP_SKIP_UNTRACKED);
	uint64_t first = leaf->iova < s->iova ? s->iova : leaf->iova;
	uint64_t last = leaf->last > chunk_last ? chunk_last : leaf->last;
	bool inside = leaf->iova >= s->iova && leaf->last <= s->last;
	bool pruned = s->flags & IOD_SWEEP_PRUNE, must = pruned ? leaf->before : leaf->must;

	PROP_CHECK(p, leaf->last <= chunk_last || chunk_last == s->last,
		   "the sweep stopped at %#jx, inside a page", (uintmax_t)chunk_last);
	n->lo += must;
	n->hi += leaf->may || untracked;
	if (s->mode == IOD_SWEEP_CLEAR_BY_BITMAP) {
		if (leaf->may && inside && all_given(s, leaf))
			cleaned(leaf);
		return;
	}
	if (must || (untracked && !pruned))
		prop_set_bits(p->lo, prop_bit_of(&s->bm, first), prop_bit_of(&s->bm, last));
	if (leaf->may || untracked)
		prop_set_bits(p->hi, prop_bit_of(&s->bm, first), prop_bit_of(&s->bm, last));
	if (leaf->may && inside && s->mode == IOD_SWEEP_CLEAR && pruned)
		settle_pruned(s, leaf);
	else if (leaf->may && inside && s->mode == IOD_SWEEP_CLEAR)
		cleaned(leaf);
}

static void check_call(struct pass *s, const struct iod_sweep *arg)
{
	struct prop *p = s->p;
	uint64_t chunk_last = s->iova + (arg->done - 1);
	struct count n = { 0 };
	size_t i;

	PROP_CHECK(p, arg->done && arg->done <= arg->len && arg->next_iova == s->iova + arg->done,
		   "sweep: done %#jx of %#jx, next %#jx", (uintmax_t)arg->done, (uintmax_t)arg->len,
		   (uintmax_t)arg->next_iova);
	PROP_CHECK(p, arg->budget || arg->done == arg->len, "sweep without budget stopped");
	PROP_CHECK(p, !arg->bad, "sweep: %ju bad", (uintmax_t)arg->bad);
	for (i = prop_at(p, s->iova); i < p->leaves.nr; i++) {
		if (p->leaves.leaf[i].iova > chunk_last || p->res->failed)
			break;
		one_leaf(s, &p->leaves.leaf[i], chunk_last, &n);
	}
	PROP_CHECK(p, arg->dirty >= n.lo && arg->dirty <= n.hi,
		   "sweep %#jx to %#jx: dirty %ju, not %ju to %ju", (uintmax_t)s->iova,
		   (uintmax_t)chunk_last, (uintmax_t)arg->dirty, (uintmax_t)n.lo, (uintmax_t)n.hi);
}

/* ---- what it reported ---- */

static void check_bits(struct pass *s)
{
	struct prop *p = s->p;
	uint64_t i;

	for (i = 0; i <= s->words; i++) {
		if (!(p->lo[i] & ~p->bits[i]) && !(p->bits[i] & ~p->hi[i]))
			continue;
		prop_fail(p, "sweep from %#jx, mode %d, granule 2^%u, base %#jx: word %ju differs",
			  (uintmax_t)s->all, s->mode, s->bm.granule_lg2, (uintmax_t)s->bm.base_iova,
			  (uintmax_t)i);
		return;
	}
}

void prop_report_leaf(struct prop *p, const struct iod_bitmap *bm, const uint64_t *bits,
		      const struct prop_leaf *leaf, uint64_t first, uint64_t last)
{
	uint64_t i = prop_bit_of(bm, first), to = prop_bit_of(bm, last), end;
	uint64_t at, at_last, base = bm->base_iova;
	unsigned int lg2 = bm->granule_lg2;

	for (; i <= to; i = end) {
		end = stretch(bits, i, to);
		if (!get_bit(bits, i))
			continue;
		at = base + (i << lg2);
		at = at < first ? first : at;
		at_last = base + ((end - 1) << lg2) + (IODT_BIT(lg2) - 1);
		at_last = at_last > last ? last : at_last;
		prop_extent_push(&p->pending,
				 &(struct prop_extent){ .iova = at,
							.last = at_last,
							.pa = leaf->pa + (at - leaf->iova) });
	}
}

static void report(struct pass *s, uint64_t last)
{
	struct prop *p = s->p;
	const struct prop_leaf *leaf;
	size_t i;

	for (i = prop_at(p, s->all); i < p->leaves.nr; i++) {
		leaf = &p->leaves.leaf[i];
		if (leaf->iova > last)
			break;
		prop_report_leaf(p, &s->bm, p->bits, leaf,
				 leaf->iova < s->all ? s->all : leaf->iova,
				 leaf->last > last ? last : leaf->last);
	}
	if (p->cfg.twin == PROP_EARLY_COPY)
		prop_copy(p);
}

/* ---- the bitmap ---- */

/* Bits that were set before stay set; for CLEAR_BY_BITMAP they say what to clean. */
static void preset(struct pass *s)
{
	struct prop *p = s->p;
	uint64_t i, end;
	bool some = !p->quiet && (s->mode == IOD_SWEEP_CLEAR_BY_BITMAP || prop_chance(p, 10));

	memset(p->bits, 0, (s->words + 1) * 8);
	if (some && prop_chance(p, 30)) {
		prop_set_bits(p->bits, 0, s->bm.nbits - 1);
	} else if (some) {
		for (i = prop_below(p, 9); i < s->bm.nbits; i = end + 1 + prop_below(p, 5)) {
			end = i + prop_below(p, 40);
			end = end >= s->bm.nbits ? s->bm.nbits - 1 : end;
			prop_set_bits(p->bits, i, end);
		}
	}
	memcpy(p->lo, p->bits, (s->words + 1) * 8);
	memcpy(p->hi, p->bits, (s->words + 1) * 8);
}

static bool bitmap_open(struct pass *s, unsigned int lg2)
{
	struct prop *p = s->p;
	uint64_t mask = IODT_BIT(lg2) - 1, base, last, extra;

	while ((s->last - s->iova) >> lg2 >= PROP_BITS - 64)
		mask = IODT_BIT(++lg2) - 1;
	base = s->iova & ~mask;
	last = s->last | mask;
	extra = prop_below(p, 20) << lg2;
	if (extra >> lg2 <= 20 && base >= extra)
		base -= extra;
	s->bm.nbits = ((last - base) >> lg2) + 1;
	s->words = (s->bm.nbits + 63) / 64;
	return !iod_bitmap_init(&s->bm, base, s->bm.nbits << lg2, IODT_BIT(lg2), p->bits,
				s->words * 8, prop_chance(p, 50) ? IOD_BITMAP_ATOMIC : 0);
}

/* ---- the operation ---- */

/* Remembers what was dirty before devices work inside the sweep; sometimes its invalidation fails. */
static void begin_pruned(struct pass *s)
{
	struct prop *p = s->p;
	size_t i;

	for (i = 0; i < p->leaves.nr; i++)
		p->leaves.leaf[i].before = p->leaves.leaf[i].must;
	p->pruning = true;
	p->fail_next = !p->quiet && prop_chance(p, 5) ? -EIO : 0;
}

static int sweep_once(struct pass *s, uint64_t budget)
{
	struct prop *p = s->p;
	struct iod_sweep arg = {
		.size = sizeof(arg),
		.mode = s->mode,
		.flags = s->flags,
		.iova = s->iova,
		.len = s->last - s->iova + 1,
		.bitmap = &s->bm,
		.gather = s->mode == IOD_SWEEP_READ ? NULL : s->gather,
		.budget = budget,
	};
	int want = !p->dirty ? -EOPNOTSUPP : prop_valid(p, s->iova, s->last) ? 0 : -ERANGE;
	int ret, fail;

	if (s->flags & IOD_SWEEP_PRUNE)
		begin_pruned(s);
	fail = p->fail_next;
	ret = iod_sweep(p->pt, &arg);
	p->fail_next = 0;
	p->pruning = false;
	/* what was done counts, and the caller goes on */
	if (ret && ret == fail && !want) {
		ret = 0;
		if (!arg.done)
			return 0;
		arg.budget = 1;
	}

	/* both are wrong */
	if (ret == -ERANGE && want && !prop_valid(p, s->iova, s->last))
		return ret;
	if (ret != want) {
		prop_fail(p, "sweep %#jx to %#jx mode %d: %d, not %d", (uintmax_t)s->iova,
			  (uintmax_t)s->last, s->mode, ret, want);
		return ret ? ret : -1;
	}
	if (!ret)
		check_call(s, &arg);
	s->iova = arg.next_iova;
	return ret;
}

/* One share, by calls that each go on where the last one stopped. False: it failed, or was refused. */
static bool sweep_share(struct pass *s, uint64_t budget)
{
	uint64_t last = s->last;

	for (;;) {
		if (sweep_once(s, budget) || s->p->res->failed)
			return false;
		if (s->iova == last + 1)
			return true;
		prop_burst(s->p);
	}
}

/* The range in shares, each with a gather of its own, of whatever size. */
static bool sweep_shares(struct pass *s, uint64_t budget)
{
	struct prop *p = s->p;
	uint64_t first = s->iova, last = s->last, at = first;
	unsigned int nr = 1 + (unsigned int)prop_below(p, 8), wanted = nr, i;
	struct iod_share share[8];
	bool ok = true;

	if (iod_sweep_split(p->pt, first, last - first + 1, &s->bm, share, &nr)) {
		prop_fail(p, "split of %#jx to %#jx", (uintmax_t)first, (uintmax_t)last);
		return false;
	}
	if (!nr || nr > wanted)
		prop_fail(p, "%u shares instead of %u", nr, wanted);
	for (i = 0; i < nr && ok && !p->res->failed; i++) {
		prop_note(p, "share %#jx len %#jx", (uintmax_t)share[i].iova,
			  (uintmax_t)share[i].len);
		if (share[i].iova != at)
			prop_fail(p, "share %u begins at %#jx, not %#jx", i,
				  (uintmax_t)share[i].iova, (uintmax_t)at);
		at += share[i].len;
		s->iova = share[i].iova;
		s->last = at - 1;
		s->gather = prop_hw_gather(p);
		ok = s->gather && sweep_share(s, budget);
		if (s->gather &&
		    (iod_gather_merge(p->gather, s->gather) || iod_gather_destroy(s->gather)))
			prop_fail(p, "merge");
	}
	if (ok && at != last + 1)
		prop_fail(p, "shares end at %#jx", (uintmax_t)at);
	return ok && !p->res->failed;
}

void prop_sweep(struct prop *p, enum iod_sweep_mode mode, uint32_t flags, struct prop_range r,
		unsigned int lg2)
{
	static const uint64_t budgets[] = { 0, 0, 1, 600, 5000 };
	uint64_t budget = budgets[prop_below(p, IODT_ARRAY_SIZE(budgets))];
	uint64_t last = r.iova + (r.len - 1);
	size_t behind = p->nr_behind;
	struct pass s = { .p = p,
			  .mode = mode,
			  .flags = flags,
			  .iova = r.iova,
			  .last = last,
			  .all = r.iova,
			  .gather = p->gather };
	bool bits;

	if (p->quiet)
		s.flags |= IOD_SWEEP_FINAL;
	else if (flags & IOD_SWEEP_PRUNE ? p->skip_untracked : prop_chance(p, 20))
		s.flags |= IOD_SWEEP_SKIP_UNTRACKED;
	bits = bitmap_open(&s, lg2);
	prop_note(p, "sweep mode %d flags %u %#jx len %#jx granule 2^%u base %#jx budget %ju", mode,
		  s.flags, (uintmax_t)r.iova, (uintmax_t)r.len, s.bm.granule_lg2,
		  (uintmax_t)s.bm.base_iova, (uintmax_t)budget);
	PROP_CHECK(p, bits, "no bitmap at %#jx len %#jx", (uintmax_t)r.iova, (uintmax_t)r.len);
	preset(&s);
	if (p->dirty && mode != IOD_SWEEP_READ && prop_valid(p, r.iova, last) && prop_chance(p, 15)
		    ? !sweep_shares(&s, budget)
		    : !sweep_share(&s, budget))
		return;
	check_bits(&s);
	if (mode != IOD_SWEEP_READ && !p->res->failed)
		report(&s, last);
	if (mode == IOD_SWEEP_CLEAR && !p->res->failed && p->cfg.twin != PROP_EARLY_COPY)
		prop_check_reported(p, behind, r.iova, last, !(s.flags & IOD_SWEEP_SKIP_UNTRACKED));
}

/* In pieces that a bitmap of 4 KiB granules can take, where pages are not too large for that. */
void prop_sweep_all(struct prop *p)
{
	size_t i = 0, j;
	struct prop_range r;

	while (i < p->leaves.nr && !p->res->failed) {
		r.iova = p->leaves.leaf[i].iova;
		for (j = i; j + 1 < p->leaves.nr; j++)
			if (p->leaves.leaf[j + 1].last - r.iova > (uint64_t)PROP_BITS / 2 << 12 ||
			    !prop_valid(p, r.iova, p->leaves.leaf[j + 1].last))
				break;
		r.len = p->leaves.leaf[j].last - r.iova + 1;
		prop_sweep(p, IOD_SWEEP_CLEAR, 0, r, 12);
		i = j + 1;
	}
}

/* ---- what must not be done: see prop_twins.c ---- */

static struct prop_leaf *written_leaf(struct prop *p)
{
	struct prop_leaf *leaf = NULL;
	unsigned int tries;

	for (tries = 0; tries < 20 && p->leaves.nr; tries++) {
		leaf = &p->leaves.leaf[prop_below(p, p->leaves.nr)];
		if (prop_tracked(p, leaf) && leaf->last - leaf->iova >= 2 * p->t->page - 1)
			return leaf;
	}
	return leaf && prop_tracked(p, leaf) ? leaf : NULL;
}

/* A leaf by itself: load, a write by hardware, store what was loaded without its dirty state. */
void prop_plain_clear(struct prop *p)
{
	struct prop_leaf *leaf = written_leaf(p);
	struct mdl_leaf found;
	uint64_t old[4096], pa;
	bool dirty = false;
	unsigned int i;

	if (!leaf || mdl_walk(&p->table, &p->mem, leaf->iova, &found) != MDL_OK)
		return;
	for (i = 0; i < found.items && i < 4096; i++) {
		pa = found.pte_pa + 8 * (uint64_t)i;
		old[i] = iodt_read(p->t, pa);
		dirty = dirty || iodt_pte_dirty(p->v, old[i]);
	}
	prop_dma_at(p, leaf->iova + (prop_random(p) & (leaf->last - leaf->iova)), true);
	for (i = 0; i < found.items && i < 4096; i++)
		iodt_write(p->t, found.pte_pa + 8 * (uint64_t)i, iodt_pte_clean(p->v, old[i]));
	if (dirty)
		prop_extent_push(&p->pending,
				 &(struct prop_extent){ leaf->iova, leaf->last, leaf->pa, 0 });
	prop_invalidate(p, leaf->iova, leaf->last);
	prop_sync(p, false);
}

/* Sweep the first page of a leaf, and clean all of it. */
void prop_partial_clear(struct prop *p)
{
	struct prop_leaf *leaf = written_leaf(p);
	struct mdl_leaf found;
	uint64_t pa;
	unsigned int i;

	if (!leaf || leaf->last - leaf->iova < p->t->page)
		return;
	prop_dma_at(p, leaf->last - 8, true);
	prop_sweep(p, IOD_SWEEP_CLEAR, 0, (struct prop_range){ leaf->iova, p->t->page }, 12);
	if (mdl_walk(&p->table, &p->mem, leaf->iova, &found) != MDL_OK)
		return;
	for (i = 0; i < found.items; i++) {
		pa = found.pte_pa + 8 * (uint64_t)i;
		iodt_write(p->t, pa, iodt_pte_clean(p->v, iodt_read(p->t, pa)));
	}
	prop_invalidate(p, leaf->iova, leaf->last);
	prop_sync(p, false);
}

/* The entry that points to a leaf's table: loads, a write by hardware, stores without Accessed. */
void prop_plain_take(struct prop *p)
{
	struct prop_leaf *leaf = written_leaf(p);
	uint64_t pa, pte;

	if (!leaf || leaf->last - leaf->iova >= iodt_table_span(p->v))
		return;
	pa = iodt_table_entry(p->pt, p->v, leaf->iova);
	if (!pa)
		return;
	pte = iodt_read(p->t, pa);
	prop_dma_at(p, leaf->iova, true);
	iodt_write(p->t, pa, pte & ~iodt_accessed_bit(p->v));
}
