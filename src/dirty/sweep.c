/* SPDX-License-Identifier: MIT */
/* The format-neutral part of sweeps: checks, recording, what goes to the gather. */
#include "dirty/sweep.h"

#include <errno.h>

#include "rcu.h"

int iod_sweep(struct iod_pgtable *pt, struct iod_sweep *sweep)
{
	if (!pt)
		return -EINVAL;
	return pt->ops->sweep(pt, sweep);
}

/* What the arguments must be by themselves. */
static const char *sweep_misuse(const struct iod_sweep *s, const struct iod_pgtable *pt)
{
	bool wants_gather = s->mode != IOD_SWEEP_READ || (s->flags & IOD_SWEEP_FINAL);

	if (s->mode < IOD_SWEEP_READ || s->mode > IOD_SWEEP_CLEAR_BY_BITMAP)
		return "mode: unknown";
	if (s->flags & ~(IOD_SWEEP_SKIP_UNTRACKED | IOD_SWEEP_FINAL | IOD_SWEEP_PRUNE))
		return "flags: unknown bit";
	if ((s->flags & IOD_SWEEP_PRUNE) && s->mode != IOD_SWEEP_CLEAR)
		return "flags: pruning is for clearing sweeps";
	if (!iod_bitmap_is_sane(s->bitmap))
		return "bitmap: none, or not initialised";
	/* Whoever cleans must invalidate; whoever reads has nothing to. */
	if (wants_gather != !!s->gather)
		return wants_gather ? "gather: none" : "gather: not for this mode";
	if (s->gather && !iod_gather_is_for(s->gather, pt))
		return "gather: of another page table";
	if ((s->flags & (IOD_SWEEP_FINAL | IOD_SWEEP_PRUNE)) && rcu_inside())
		return "flags: what invalidates cannot run inside a visit";
	return NULL;
}

int iod_sweep_check(struct iod_pgtable *pt, struct iod_sweep *s, const struct iod_sweep *user,
		    struct pt_range *r)
{
	int ret = iod_struct_in(s, sizeof(*s), user, offsetof(struct iod_sweep, pruned));
	const char *misuse;

	if (ret)
		return ret;
	misuse = sweep_misuse(s, pt);
	if (misuse)
		return iod_refuse(pt->mem, -EINVAL, misuse);
	if (!(pt->features & IOD_PT_HW_DIRTY))
		return iod_refuse(pt->mem, -EOPNOTSUPP, "pt: hardware tracks no dirty state");
	if ((s->flags & IOD_SWEEP_PRUNE) &&
	    (pt->attached || !(pt->features & IOD_PT_HW_TABLE_ACCESS)))
		return iod_refuse(
			pt->mem, -EOPNOTSUPP,
			"flags: pruning needs IOD_PT_HW_TABLE_ACCESS and a created table");
	/* Without ops it would forget what it took Accessed from before anybody was told. */
	if ((s->flags & IOD_SWEEP_PRUNE) && !iod_gather_has_ops(s->gather))
		return iod_refuse(pt->mem, -EINVAL, "gather: pruning invalidates, so it needs ops");
	ret = iod_pt_range(pt, s->iova, s->len, r);
	if (ret)
		return ret;
	if (!iod_bitmap_covers(s->bitmap, s->iova, s->iova + (s->len - 1)))
		return iod_refuse(pt->mem, -ERANGE, "bitmap: does not cover the range");
	s->items = s->dirty = s->cleaned = s->bad = s->pruned = s->large = 0;
	return 0;
}

/* ---- shares ---- */

/* The least place to cut at or after x that is not inside a page. */
static uint64_t between_pages(const struct iod_pgtable *pt, uint64_t iova)
{
	struct iod_mapping m;

	while (!iod_translate(pt, iova, &m) && m.iova < iova)
		iova = m.iova + m.len;
	return iova;
}

/* Places to cut: those whose low `lg2` bits are `low`. */
struct cuts {
	unsigned lg2;
	uint64_t low;
	bool none;
};

/*
 * Between leaf tables, which are aligned to their size, and between words of the bitmap, which are
 * counted from its base. Both are powers of two: the larger decides, if the other goes along.
 */
static struct cuts cuts_of(const struct iod_pgtable *pt, const struct iod_bitmap *bm)
{
	unsigned table = pt->slot_lg2 > pt->min_lg2 ? pt->slot_lg2 : pt->min_lg2, word;
	struct cuts c = { .lg2 = table };

	if (!bm || (bm->flags & IOD_BITMAP_ATOMIC))
		return c;
	word = bm->granule_lg2 + 6u;
	if (word > table) {
		c.lg2 = word;
		c.low = bm->base_iova & low_mask(word);
	}
	c.none = word >= 64 || !is_aligned(bm->base_iova, word < table ? word : table);
	return c;
}

/* The least place to cut in [at, last]; false when there is none. */
static bool next_cut(const struct iod_pgtable *pt, const struct cuts *c, uint64_t at, uint64_t last,
		     uint64_t *cut)
{
	uint64_t from;

	do {
		from = at;
		*cut = at + ((c->low - at) & low_mask(c->lg2));
		if (*cut < from || *cut > last)
			return false;
		at = between_pages(pt, *cut);
		if (at < from || at > last)
			return false;
	} while (at != *cut);
	return true;
}

int iod_sweep_split(const struct iod_pgtable *pt, uint64_t iova, uint64_t len,
		    const struct iod_bitmap *bitmap, struct iod_share *shares, unsigned int *nr)
{
	uint64_t at = iova, cut, last = iova + (len - 1);
	unsigned wanted, made = 0;
	struct pt_range r;
	struct cuts cuts;
	int ret;

	if (!pt || !shares || !nr || !*nr || (bitmap && !iod_bitmap_is_sane(bitmap)))
		return -EINVAL;
	ret = iod_pt_range(pt, iova, len, &r);
	if (ret)
		return ret;
	if (bitmap && !iod_bitmap_covers(bitmap, iova, last))
		return iod_refuse(pt->mem, -ERANGE, "bitmap: does not cover the range");
	wanted = *nr;
	cuts = cuts_of(pt, bitmap);
	while (made < wanted - 1 && !cuts.none &&
	       next_cut(pt, &cuts, at + (last - at) / (wanted - made) + 1, last, &cut)) {
		shares[made].iova = at;
		shares[made++].len = cut - at;
		at = cut;
	}
	shares[made].iova = at;
	shares[made++].len = last - at + 1;
	*nr = made;
	return 0;
}

/* ---- recording ---- */

void iod_sweep_record(struct iod_bitmap *bm, uint64_t first, uint64_t last)
{
	iod_bitmap_set_bits(bm, (first - bm->base_iova) >> bm->granule_lg2,
			    (last - bm->base_iova) >> bm->granule_lg2);
}

bool iod_sweep_recorded(const struct iod_bitmap *bm, uint64_t first, uint64_t last)
{
	return iod_bitmap_all_set(bm, (first - bm->base_iova) >> bm->granule_lg2,
				  (last - bm->base_iova) >> bm->granule_lg2);
}

/* Granule other than the item: each stretch of set bits becomes a stretch of granules. */
static void record_scaled(struct iod_bitmap *bm, uint64_t iova, unsigned shift, uint64_t word)
{
	unsigned from, n;

	while (word) {
		iod_bitmap_take_stretch(&word, &from, &n);
		iod_sweep_record(bm, iova + ((uint64_t)from << shift),
				 iova + ((uint64_t)(from + n) << shift) - 1);
	}
}

void iod_sweep_record_words(struct iod_bitmap *bm, uint64_t iova, unsigned shift,
			    const uint64_t *words, unsigned n)
{
	unsigned i;

	if (bm->granule_lg2 == shift) {
		iod_bitmap_or_words(bm, (iova - bm->base_iova) >> shift, words, n);
		return;
	}
	for (i = 0; i * 64 < n; i++)
		if (words[i])
			record_scaled(bm, iova + ((uint64_t)i << (shift + 6)), shift, words[i]);
}

/* From the first to the last. */
static void gather_joined(struct iod_gather *gather, uint64_t x, unsigned shift,
			  const uint64_t *words, unsigned n)
{
	unsigned first = 0, last = (n - 1) / 64;

	while (!words[first])
		first++;
	while (!words[last])
		last--;
	iod_gather_add(gather, x + ((first * UINT64_C(64) + ctz64(words[first])) << shift),
		       x + ((last * UINT64_C(64) + fls64(words[last]) + 1) << shift) - 1, 1, 0);
}

/* More stretches of set bits than are told apart? */
static bool many_stretches(const uint64_t *words, unsigned n)
{
	unsigned w, stretches = 0;
	uint64_t before = 0;

	for (w = 0; w * 64 < n; w++) {
		/* without a call or a branch */
		stretches += count_bytes64(words[w] & ~(words[w] << 1 | before)) >> 56;
		before = words[w] >> 63;
	}
	return stretches > SWEEP_MAX_SPANS;
}

void iod_sweep_gather_words(struct iod_gather *gather, uint64_t x, unsigned shift,
			    const uint64_t *words, unsigned n, unsigned count)
{
	unsigned w, from, len;
	uint64_t word, first;

	if (count > SWEEP_MAX_SPANS && many_stretches(words, n)) {
		gather_joined(gather, x, shift, words, n);
		return;
	}
	for (w = 0; w * 64 < n; w++) {
		for (word = words[w]; word;) {
			iod_bitmap_take_stretch(&word, &from, &len);
			first = x + ((w * UINT64_C(64) + from) << shift);
			iod_gather_add(gather, first, first + ((uint64_t)len << shift) - 1, 1, 0);
		}
	}
}

void iod_sweep_gather_tables(struct iod_gather *gather, uint64_t x, unsigned shift, uint64_t word)
{
	unsigned from, len;
	uint64_t first;

	while (word) {
		iod_bitmap_take_stretch(&word, &from, &len);
		first = x + ((uint64_t)from << shift);
		iod_gather_add(gather, first, first + ((uint64_t)len << shift) - 1, 1u << 0,
			       1u << 1);
	}
}
