/* SPDX-License-Identifier: MIT */
/* An unmap as it should be; mappings of all kinds; a device. */
#include "unmaprig.h"

struct iod_unmap_dirty unm_arg(struct iodt *t, uint64_t iova, uint64_t len, uint32_t flags,
			       struct iodt_bits *b)
{
	return (struct iod_unmap_dirty){
		.size = sizeof(struct iod_unmap_dirty),
		.iova = iova,
		.len = len,
		.flags = flags,
		.gather = t->gather,
		.bitmap = &b->bm,
		.unmapped = 77,
		.dirty = 78,
	};
}

/* ---- as it should be ---- */

static bool reports(const struct unm_ref *r, const struct mdl_leaf *leaf)
{
	if (leaf->d < 0)
		return leaf->w && !(r->flags & IOD_UNMAP_SKIP_UNTRACKED);
	return leaf->d;
}

static void report(struct unm_ref *r, uint64_t first, uint64_t last)
{
	uint64_t granule = IODT_BIT(r->want.bm.granule_lg2);
	uint64_t at = first - (first - r->want.bm.base_iova) % granule;

	for (;; at += granule) {
		iodt_bits_put(&r->want, at);
		if (last - at < granule)
			break;
	}
}

static void one_leaf(struct unm_ref *r, const struct mdl_leaf *leaf)
{
	uint64_t first = leaf->iova, last = leaf->iova + (leaf->size - 1);

	if (last < r->iova || first > r->last)
		return;
	if (first < r->iova || last > r->last)
		assert_true(r->flags & IOD_UNMAP_SPLIT);
	first = first < r->iova ? r->iova : first;
	last = last > r->last ? r->last : last;
	r->unmapped += last - first + 1;
	if (!reports(r, leaf))
		return;
	r->dirty += last - first + 1;
	report(r, first, last);
}

void unm_ref_init(struct unm_ref *r, struct iodt *t, const struct iod_unmap_dirty *u,
		  const struct iodt_bits *b)
{
	size_t i;

	*r = (struct unm_ref){ .t = t,
			       .iova = u->iova,
			       .last = u->iova + (u->len - 1),
			       .flags = u->flags,
			       .want = *b };
	r->want.mem = malloc(b->bytes + 8);
	assert_non_null(r->want.mem);
	memcpy(r->want.mem, b->mem, b->bytes + 8);
	iodt_leaves(t, &r->before);
	for (i = 0; i < r->before.nr; i++)
		one_leaf(r, &r->before.leaf[i]);
	r->info = iodt_gather_info(t->gather);
	iodt_log_reset(t);
}

void unm_ref_called(struct unm_ref *r, const struct iod_unmap_dirty *u, const struct iodt_bits *b)
{
	uint64_t i;

	assert_int_equal(u->unmapped, r->unmapped);
	assert_true(u->dirty <= r->dirty);
	for (i = 0; i < b->bytes / 8; i++)
		assert_int_equal(b->mem[i] & ~r->want.mem[i], 0);
	/* nothing is cut off: nothing is left for the sync */
	if (!iodt_gather_info(r->t->gather).subtrees) {
		assert_int_equal(u->dirty, r->dirty);
		assert_memory_equal(b->mem, r->want.mem, b->bytes + 8);
	}
}

/* Leaves outside are what they were; of those that were cut, so are the pieces that are left. */
static void check_leaves(struct unm_ref *r)
{
	const struct mdl_leaf *was, *is;
	struct iodt_leaves now;
	size_t i, k = 0;

	iodt_leaves(r->t, &now);
	for (i = 0; i < now.nr; i++) {
		is = &now.leaf[i];
		assert_true(is->iova + (is->size - 1) < r->iova || is->iova > r->last);
		while (k < r->before.nr &&
		       r->before.leaf[k].iova + (r->before.leaf[k].size - 1) < is->iova)
			k++;
		assert_true(k < r->before.nr);
		was = &r->before.leaf[k];
		assert_int_equal(is->pa - was->pa, is->iova - was->iova);
		assert_int_equal(is->d, was->d);
		assert_true(is->r == was->r && is->w == was->w && is->x == was->x);
		if (is->size == was->size) {
			assert_int_equal(is->pte, was->pte);
			assert_int_equal(is->pte_pa, was->pte_pa);
			continue;
		}
		assert_true(r->flags & IOD_UNMAP_SPLIT);
		assert_true(is->size < was->size);
	}
	iodt_leaves_free(&now);
}

static bool is_told(const struct iodt_inv_log *log, uint64_t first, uint64_t last)
{
	size_t i;

	/* pages of a gather's neighbours may come as several ranges */
	for (i = 0; i < log->nr; i++) {
		if (first < log->inv[i].iova || first > log->inv[i].last)
			continue;
		if (last <= log->inv[i].last)
			return true;
		first = log->inv[i].last + 1;
		i = SIZE_MAX;
	}
	return false;
}

/* All that was there is invalidated, and little else: what pages that were cut had covered. */
static void check_invalidations(struct unm_ref *r)
{
	const struct iodt_inv_log *log = &r->t->log;
	uint64_t first = r->iova, last = r->last;
	const struct mdl_leaf *leaf;
	size_t i;

	for (i = 0; i < r->before.nr; i++) {
		leaf = &r->before.leaf[i];
		if (leaf->iova + (leaf->size - 1) < r->iova || leaf->iova > r->last)
			continue;
		assert_true(is_told(log, leaf->iova < r->iova ? r->iova : leaf->iova,
				    leaf->iova + (leaf->size - 1) > r->last
					    ? r->last
					    : leaf->iova + (leaf->size - 1)));
		first = leaf->iova < first ? leaf->iova : first;
		last = leaf->iova + (leaf->size - 1) > last ? leaf->iova + (leaf->size - 1) : last;
	}
	for (i = 0; i < log->nr; i++) {
		assert_int_equal(log->inv[i].kind, IOD_INV_RANGE);
		assert_true(log->inv[i].iova >= first && log->inv[i].last <= last);
		if (!log->inv[i].table_levels)
			assert_int_equal(log->inv[i].flags, IOD_INV_LEAF_ONLY);
		else
			assert_int_equal(log->inv[i].flags,
					 log->inv[i].leaf_levels ? 0 : IOD_INV_NO_LEAVES);
	}
	assert_int_equal(log->unsynced, 0);
}

void unm_ref_synced(struct unm_ref *r, const struct iodt_bits *b)
{
	struct iodt *t = r->t;
	unsigned int syncs = t->log.syncs;

	iodt_sync(t);
	/* once, if there was anything; nothing before but what a split had to do on ARM */
	assert_int_equal(t->log.syncs - syncs, t->log.nr > 0);
	assert_memory_equal(b->mem, r->want.mem, b->bytes + 8);
	iodt_expect_unmap(t, r->iova, r->last - r->iova + 1);
	iodt_verify(t);
	check_leaves(r);
	check_invalidations(r);
	assert_int_equal(iodt_stats(t->mem).pending, 0);
	free(r->want.mem);
	iodt_leaves_free(&r->before);
}

struct unm_done unm_check(struct iodt *t, uint64_t iova, uint64_t len, uint32_t flags,
			  struct iodt_bits *b)
{
	struct iod_unmap_dirty u = unm_arg(t, iova, len, flags, b);
	struct unm_done done;
	struct unm_ref r;

	iodt_sync(t);
	unm_ref_init(&r, t, &u, b);
	iodt_assert_ok(iod_unmap_dirty(t->pt, &u));
	unm_ref_called(&r, &u, b);
	done = (struct unm_done){ r.unmapped, r.dirty };
	unm_ref_synced(&r, b);
	return done;
}

struct unm_done unm_relative(struct iodt *t, uint64_t iova, uint64_t len, uint32_t flags)
{
	struct unm_done done;
	struct iodt_bits b;

	iodt_bits_init(&b, iova, len, t->page);
	done = unm_check(t, iova, len, flags, &b);
	iodt_bits_free(&b);
	return done;
}

void unm_refused(struct iodt *t, struct iod_unmap_dirty *u, int err)
{
	struct iod_gather_info before = iodt_gather_info(t->gather), after;
	struct iodt_snapshot s;
	uint64_t bytes = u->bitmap && u->bitmap->words ? (u->bitmap->nbits + 63) / 64 * 8 : 0;
	unsigned char *mem = malloc(bytes + 1);

	assert_non_null(mem);
	if (bytes)
		memcpy(mem, u->bitmap->words, bytes);
	iodt_snapshot(t, &s);
	assert_int_equal(iod_unmap_dirty(t->pt, u), err);
	after = iodt_gather_info(t->gather);
	assert_memory_equal(&after, &before, sizeof(after));
	if (bytes)
		assert_memory_equal(mem, u->bitmap->words, bytes);
	iodt_unchanged(t, &s);
	free(mem);
}

/* ---- mappings ---- */

uint64_t unm_room(const struct iodt *t, uint64_t len)
{
	uint64_t have = (t->v->hole_first ? t->v->hole_first - 1 : t->v->last) - t->v->first;

	return len - 1 > have ? have + 1 : len;
}

static uint64_t random_size(struct iodt *t, uint64_t len)
{
	uint64_t size = 0;
	unsigned int s;

	for (s = 12; s < 64; s++)
		if (t->v->sizes & IODT_BIT(s) && IODT_BIT(s) <= len && (!size || iodt_below(t, 3)))
			size = IODT_BIT(s);
	return size;
}

static uint32_t random_prot(struct iodt *t)
{
	switch (iodt_below(t, 8)) {
	case 0:
		return IOD_PROT_READ;
	case 1:
		return IODT_RW | IOD_PROT_DIRTY;
	case 2:
		return t->caps & IODT_ARM ? IODT_RW | IOD_PROT_UNTRACKED : IODT_RW;
	default:
		return IODT_RW;
	}
}

void unm_populate(struct iodt *t, uint64_t iova, uint64_t len, unsigned int n)
{
	uint64_t size, at, near = iova;
	uint32_t prot;
	unsigned int i;

	for (i = 0; i < n; i++) {
		size = random_size(t, len);
		at = iova + iodt_below(t, len / size) * size;
		if (iodt_below(t, 2) && near - iova <= len - size)
			at = iova + ((near - iova) & -size);
		if (at < iova || (at & (size - 1)) || iodt_expected_any(t, at, size))
			continue;
		prot = random_prot(t);
		iodt_map(t, at, iodt_pa(t->v, size, i + 1), size, prot);
		near = at + size;
		if (prot & IOD_PROT_WRITE && iodt_below(t, 2))
			unm_mark(t, at, (unsigned int)iodt_below(t, iodt_walk(t, at).items));
		if (near - iova >= len)
			near = iova;
	}
}

void unm_map_small(struct iodt *t, uint64_t iova, uint64_t len)
{
	/* where one is odd and the other even, nothing larger fits */
	iodt_map(t, iova, iova & t->page ? 2 * t->page : t->page, len, IODT_RW);
}

void unm_mark(struct iodt *t, uint64_t iova, unsigned int item)
{
	uint64_t entry = t->caps & IODT_PRUNE ? iodt_table_entry(t->pt, t->v, iova) : 0;

	if (entry)
		iodt_write(t, entry, iodt_read(t, entry) | iodt_accessed_bit(t->v));
	iodt_mark_item(t, iova, item);
}

void unm_widen(struct iodt *t, uint64_t *iova, uint64_t *len)
{
	uint64_t first = *iova, last = *iova + (*len - 1), leaf_last;
	struct iodt_leaves l;
	size_t i;

	iodt_leaves(t, &l);
	for (i = 0; i < l.nr; i++) {
		leaf_last = l.leaf[i].iova + (l.leaf[i].size - 1);
		if (leaf_last < *iova || l.leaf[i].iova > *iova + (*len - 1))
			continue;
		first = l.leaf[i].iova < first ? l.leaf[i].iova : first;
		last = leaf_last > last ? leaf_last : last;
	}
	iodt_leaves_free(&l);
	*iova = first;
	*len = last - first + 1;
}

/* ---- a device ---- */

static void obey(struct iodt *t, const struct iod_inv *inv, size_t nr)
{
	struct unm_dev *d = t->priv;

	if (d->late)
		d->late(d);
	iodt_assert_ok(iod_iotlb_invalidate(d->tlb, inv, nr));
}

void unm_dev_open(struct unm_dev *d, struct iodt *t, uint32_t flags)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg), .flags = flags, .seed = 1 };

	memset(d, 0, sizeof(*d));
	d->t = t;
	iodt_assert_ok(iod_iotlb_create(&d->tlb, &cfg));
	t->priv = d;
	t->log.hook = obey;
}

void unm_dev_close(struct unm_dev *d)
{
	iodt_assert_ok(iod_iotlb_destroy(d->tlb));
	d->t->priv = NULL;
	d->t->log.hook = NULL;
}

unsigned int unm_dev_map(struct unm_dev *d, uint64_t iova, uint64_t n)
{
	uint64_t page = d->t->page;
	unsigned int first, i;

	/* where one is odd and the other even, nothing larger fits */
	if (!(((d->pa + d->nr * page) ^ iova) & page))
		d->iova[d->nr++] = UINT64_MAX;
	first = d->nr;
	assert_true(n <= UNM_FRAMES - first);
	iodt_map(d->t, iova, d->pa + first * page, n * page, IODT_RW);
	for (i = 0; i < n; i++)
		d->iova[first + i] = iova + i * page;
	d->nr += (unsigned int)n;
	return first;
}

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct unm_dev *d = cookie;
	uint64_t frame = (pa - d->pa) / d->t->page;

	assert_true(frame < UNM_FRAMES);
	d->version[frame]++;
	return 0;
}

int unm_dev_write(struct unm_dev *d, uint64_t iova)
{
	return iod_iotlb_dma(d->tlb, d->t->pt, iova, 1, IOD_ACCESS_WRITE, move, d, NULL, NULL);
}

int unm_dev_read(struct unm_dev *d, uint64_t iova)
{
	return iod_iotlb_access(d->tlb, d->t->pt, iova, IOD_ACCESS_READ, NULL, NULL);
}

struct iod_iotlb_stats unm_dev_stats(const struct unm_dev *d)
{
	struct iod_iotlb_stats s = { .size = sizeof(s) };

	iodt_assert_ok(iod_iotlb_get_stats(d->tlb, &s));
	return s;
}

void unm_dev_copy(struct unm_dev *d, const struct iodt_bits *b)
{
	unsigned int i;

	for (i = 0; i < d->nr; i++)
		if (d->iova[i] != UINT64_MAX && iod_bitmap_test(&b->bm, d->iova[i]))
			d->copy[i] = d->version[i];
}

unsigned int unm_dev_stale(const struct unm_dev *d)
{
	unsigned int i, n = 0;

	for (i = 0; i < UNM_FRAMES; i++)
		n += d->copy[i] != d->version[i];
	return n;
}
