/* SPDX-License-Identifier: MIT */
/* A sweep as it should be, worked out leaf by leaf from what the independent walker finds. */
#include "iodtest.h"

/* Words of all tables by address. */
struct image {
	uint64_t (*w)[2];
	size_t nr;
};

static int by_address(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static struct image take_image(struct iodt *t)
{
	struct iodt_snapshot s;
	struct image im;
	size_t i, n = 0;

	iodt_snapshot(t, &s);
	im.w = (uint64_t(*)[2])s.word;
	im.nr = s.nr / 2;
	qsort(im.w, im.nr, sizeof(*im.w), by_address);
	for (i = 0; i < im.nr; i++) {
		if (n && im.w[n - 1][0] == im.w[i][0])
			continue;
		im.w[n][0] = im.w[i][0];
		im.w[n][1] = im.w[i][1];
		n++;
	}
	im.nr = n;
	return im;
}

static uint64_t *image_word(struct image *im, uint64_t pa)
{
	uint64_t *hit = bsearch(&pa, im->w, im->nr, sizeof(*im->w), by_address);

	assert_non_null(hit);
	return &hit[1];
}

/* What is asked, and what should come of it. */
struct ref {
	struct iodt *t;
	enum iod_sweep_mode mode;
	uint32_t flags;
	uint64_t iova, last;
	const struct iodt_bits *given;
	struct iodt_bits want;
	struct image image;
	struct iodt_seg *inv;
	size_t nr_inv;
	uint32_t levels;
	uint64_t dirty, cleaned, untracked;
};

static void clean_leaf(struct ref *r, const struct mdl_leaf *leaf)
{
	const struct iodt_variant *v = r->t->v;
	uint64_t *word;
	unsigned int i;

	for (i = 0; i < leaf->items; i++) {
		word = image_word(&r->image, leaf->pte_pa + 8 * (uint64_t)i);
		if (!iodt_pte_dirty(v, *word))
			continue;
		*word = iodt_pte_clean(v, *word);
		r->cleaned++;
	}
	r->inv[r->nr_inv++] =
		(struct iodt_seg){ .iova = leaf->iova, .last = leaf->iova + (leaf->size - 1) };
	r->levels |= 1u << iodt_item_level(v, leaf->size);
}

/* Whether each granule that the leaf touches is set. */
static bool all_set(const struct iodt_bits *b, const struct mdl_leaf *leaf)
{
	uint64_t granule = IODT_BIT(b->bm.granule_lg2), at = leaf->iova;
	uint64_t last = leaf->iova + (leaf->size - 1);

	for (;; at += granule) {
		if (!iodt_bits_get(b, at))
			return false;
		if (last - at < granule)
			break;
	}
	/* a leaf smaller than a granule never straddles two: both are aligned powers of two */
	return true;
}

static void report(struct ref *r, uint64_t first, uint64_t last)
{
	uint64_t granule = IODT_BIT(r->want.bm.granule_lg2);
	uint64_t at = first - (first - r->want.bm.base_iova) % granule;

	for (;; at += granule) {
		iodt_bits_put(&r->want, at);
		if (last - at < granule)
			break;
	}
}

static void one_leaf(struct ref *r, const struct mdl_leaf *leaf)
{
	uint64_t first = leaf->iova, last = leaf->iova + (leaf->size - 1);
	bool inside = first >= r->iova && last <= r->last;

	if (last < r->iova || first > r->last)
		return;
	if (leaf->d < 0) {
		if (!leaf->w || r->flags & IOD_SWEEP_SKIP_UNTRACKED)
			return;
		r->untracked++;
	} else if (!leaf->d) {
		return;
	}
	r->dirty++;
	if (r->mode != IOD_SWEEP_CLEAR_BY_BITMAP)
		report(r, first < r->iova ? r->iova : first, last > r->last ? r->last : last);
	if (leaf->d > 0 && inside &&
	    (r->mode == IOD_SWEEP_CLEAR ||
	     (r->mode == IOD_SWEEP_CLEAR_BY_BITMAP && all_set(r->given, leaf))))
		clean_leaf(r, leaf);
}

static void work_out(struct ref *r)
{
	struct iodt_leaves l;
	size_t i;

	r->want = *r->given;
	r->want.mem = malloc(r->given->bytes + 8);
	assert_non_null(r->want.mem);
	memcpy(r->want.mem, r->given->mem, r->given->bytes + 8);
	r->image = take_image(r->t);
	iodt_leaves(r->t, &l);
	r->inv = calloc(l.nr + 1, sizeof(*r->inv));
	assert_non_null(r->inv);
	for (i = 0; i < l.nr; i++)
		one_leaf(r, &l.leaf[i]);
	iodt_leaves_free(&l);
}

static struct iodt_swept run(struct iodt *t, const struct ref *r, uint64_t budget,
			     struct iodt_bits *b)
{
	struct iod_sweep s = iodt_sweep_arg(t, r->mode, r->iova, r->last - r->iova + 1, b);
	struct iodt_swept sum = { 0 };

	s.flags = r->flags;
	s.budget = budget;
	do {
		iodt_assert_ok(iod_sweep(t->pt, &s));
		assert_true(s.done > 0 && s.done <= s.len);
		assert_int_equal(s.next_iova, s.iova + s.done);
		assert_int_equal(s.bad, 0);
		if (!budget)
			assert_int_equal(s.done, s.len);
		sum.dirty += s.dirty;
		sum.cleaned += s.cleaned;
		sum.calls++;
		s.iova = s.next_iova;
		s.len -= s.done;
	} while (s.len);
	return sum;
}

static void check_tables(struct iodt *t, struct ref *r)
{
	struct image now = take_image(t);

	assert_int_equal(now.nr, r->image.nr);
	assert_memory_equal(now.w, r->image.w, now.nr * sizeof(*now.w));
	free(now.w);
}

static void check_invalidations(struct iodt *t, struct ref *r)
{
	uint32_t levels = 0;
	size_t i;

	iodt_log_reset(t);
	iodt_assert_ok(iod_gather_flush(t->gather));
	/* many in one table may be joined; few are told exactly */
	assert_true(r->nr_inv > 16 ? iodt_log_covers(t, r->inv, r->nr_inv)
				   : iodt_log_is(t, r->inv, r->nr_inv));
	for (i = 0; i < t->log.nr; i++) {
		levels |= t->log.inv[i].leaf_levels;
		assert_int_equal(t->log.inv[i].flags, IOD_INV_LEAF_ONLY);
		assert_int_equal(t->log.inv[i].table_levels, 0);
		assert_int_equal(IODT_BIT(t->log.inv[i].granule_lg2),
				 t->v->granule ? t->v->granule : 4096);
	}
	assert_int_equal(levels, r->levels);
	assert_int_equal(t->log.unsynced, 0);
}

struct iodt_swept iodt_sweep(struct iodt *t, enum iod_sweep_mode mode, uint32_t flags,
			     uint64_t iova, uint64_t len, uint64_t budget, struct iodt_bits *b)
{
	struct ref r = { .t = t,
			 .mode = mode,
			 .flags = flags,
			 .iova = iova,
			 .last = iova + (len - 1),
			 .given = b };
	struct iodt_swept sum;

	iodt_assert_ok(iod_gather_flush(t->gather));
	work_out(&r);
	sum = run(t, &r, budget, b);
	assert_memory_equal(b->mem, r.want.mem, b->bytes + 8);
	check_tables(t, &r);
	check_invalidations(t, &r);
	assert_int_equal(sum.cleaned, r.cleaned);
	/* whether untracked leaves count is not promised; every tracked one does */
	if (mode != IOD_SWEEP_CLEAR_BY_BITMAP)
		assert_in_range(sum.dirty, r.dirty - r.untracked, r.dirty);
	free(r.want.mem);
	free(r.image.w);
	free(r.inv);
	return sum;
}
