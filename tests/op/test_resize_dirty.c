/* SPDX-License-Identifier: MIT */
/*
 * Dirty and Accessed over splits and merges: nothing is lost, nothing clean becomes dirty, hardware marks
 * whatever it still sees, sweeps that skip find it.
 */
#include "resizehw.h"

/* A page size of this variant that is not too large to be written out in full; 0: only one size. */
static uint64_t large_size(const struct iodt *t)
{
	uint64_t size = iodt_best_size(t->v, 0, 0, 4096 * t->page);

	return size > t->page && size - 1 <= (t->v->last - t->v->first) / 4 ? size : 0;
}

static void forget(struct iodt *t, struct rsz *r, uint64_t iova, uint64_t len)
{
	iodt_unmap(t, iova, len);
	iodt_sync(t);
	rsz_close(r);
}

/* ---- split ---- */

/* Of a page of n items: mark none (n), or one of them, and split it into each smaller size. */
static void split_marked(struct iodt *t, uint64_t size, unsigned int item, bool dirty)
{
	uint64_t sizes[64], iova = t->v->first, pte_pa;
	size_t i, k, nr = rsz_sizes(t->v, sizes);
	struct rsz r;
	bool any;

	for (k = 0; k < nr && sizes[k] < size; k++) {
		if (size / sizes[k] > 1024)
			continue;
		rsz_open(&r, t);
		rsz_map(&r, iova, iodt_pa(t->v, size, 1), size, IODT_RW);
		pte_pa = iodt_walk(t, iova).pte_pa + 8 * (uint64_t)item;
		if (dirty)
			iodt_mark_item(t, iova, item);
		else
			iodt_write(t, pte_pa, iodt_read(t, pte_pa) | iodt_accessed_bit(t->v));
		rsz_load(&r);
		assert_int_equal(rsz_at(&r, iova)->d, dirty);
		rsz_split(&r, iova, size, sizes[k], 0);
		assert_int_equal(rsz_at(&r, iova + (size - 1))->d, dirty);
		assert_true(rsz_at(&r, iova + (size - 1))->a);
		rsz_load(&r);
		for (i = 0, any = false; i < r.now.nr; i++)
			any = any || r.now.p[i].a;
		assert_true(any);
		forget(t, &r, iova, size);
	}
}

/* A part of a dirty page is dirty, whichever item of a run it was; Accessed goes the same way. */
static void parts_inherit(struct iodt *t)
{
	uint64_t sizes[64], n;
	size_t k, nr = rsz_sizes(t->v, sizes);

	for (k = 1; k < nr && sizes[k] <= 512 * 512 * t->page && sizes[k] <= IODT_1G; k++) {
		if (sizes[k] - 1 > t->v->last - t->v->first)
			continue;
		n = sizes[k] / iodt_item_size(t->v, sizes[k]);
		split_marked(t, sizes[k], 0, false);
		split_marked(t, sizes[k], 0, true);
		if (n > 1)
			split_marked(t, sizes[k], (unsigned int)(n - 1), true);
		if (n > 2)
			split_marked(t, sizes[k], (unsigned int)(n / 2), true);
	}
}

static void born_dirty(struct iodt *t)
{
	uint64_t size = large_size(t), iova = t->v->first;
	struct rsz r;

	if (!size)
		return;
	rsz_open(&r, t);
	rsz_map(&r, iova, 0, size, IODT_RW | IOD_PROT_DIRTY);
	rsz_load(&r);
	rsz_split(&r, iova, size, 0, 0);
	assert_int_equal(rsz_at(&r, iova)->d, 1);
	forget(t, &r, iova, size);
}

/* Not tracked: reported by every sweep, before and after, and never cleaned. */
static void untracked_parts(struct iodt *t)
{
	uint64_t size = large_size(t), iova = t->v->first;

	if (!size)
		return;
	iodt_map(t, iova, 0, size, IODT_RW | IOD_PROT_UNTRACKED);
	hw_split(t, iova, size, 0);
	iodt_sync(t);
	hw_sweep_finds(t, 0, iova, size, iova, true);
	hw_sweep_finds(t, 0, iova, size, iova, true);
	iodt_verify(t);
}

/*
 * Hardware holds the large page, clean: its next write walks again and marks the part. Before the sync, and
 * after.
 */
static void written_through_a_clean_translation(struct iodt *t)
{
	uint64_t size = large_size(t), iova = t->v->first + size, at = iova + size - t->page;
	struct hw hw;

	if (!size)
		return;
	hw_open(&hw, t);
	iodt_map(t, iova, 0, size, IODT_RW);
	iodt_assert_ok(hw_access(t, iova, IOD_ACCESS_READ));
	hw_split(t, iova, size, 0);
	/* reads may go on through the old translation */
	iodt_assert_ok(hw_access(t, at, IOD_ACCESS_READ));
	iodt_assert_ok(hw_access(t, at, IOD_ACCESS_WRITE));
	hw_sweep_finds(t, 0, iova, size, at, false);
	iodt_assert_ok(hw_access(t, iova, IOD_ACCESS_WRITE));
	hw_sweep_finds(t, 0, iova, size, iova, false);
	hw_close(&hw, t);
}

/* Hardware holds the large page, dirty: it marks nothing until that is invalidated, so all parts are. */
static void written_through_a_dirty_translation(struct iodt *t)
{
	uint64_t size = large_size(t), iova = t->v->first + size, at = iova + size - t->page;
	struct hw hw;

	if (!size)
		return;
	hw_open(&hw, t);
	iodt_map(t, iova, 0, size, IODT_RW);
	iodt_assert_ok(hw_access(t, iova, IOD_ACCESS_WRITE));
	hw_split(t, iova, size, 0);
	iodt_assert_ok(hw_access(t, at, IOD_ACCESS_WRITE));
	/* what the sweep cleaned is invalidated with the large page */
	hw_sweep_finds(t, 0, iova, size, at, true);
	iodt_assert_ok(hw_access(t, at, IOD_ACCESS_WRITE));
	hw_sweep_finds(t, 0, iova, size, at, false);
	hw_close(&hw, t);
}

/*
 * The same, and the sweep has a gather of its own that is synced first. It must not name the level of the
 * pages it cleaned: the large one is still held.
 */
static void swept_with_another_gather(struct iodt *t)
{
	uint64_t size = large_size(t), iova = t->v->first + size, at = iova + size - t->page;
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = iod_iotlb_invalidate };
	struct iod_gather_cfg cfg = { .size = sizeof(cfg), .ops = &ops };
	struct iod_gather *own = t->gather, *other;
	struct hw hw;

	if (!size)
		return;
	hw_open(&hw, t);
	iodt_map(t, iova, 0, size, IODT_RW);
	iodt_assert_ok(hw_access(t, iova, IOD_ACCESS_WRITE));
	cfg.cookie = hw.tlb;
	iodt_assert_ok(iod_gather_create(&t->gather, t->pt, &cfg));
	hw_split(t, iova, size, 0);
	other = t->gather;
	t->gather = own;
	hw_sweep_finds(t, 0, iova, size, at, true);
	iodt_assert_ok(hw_access(t, at, IOD_ACCESS_WRITE));
	hw_sweep_finds(t, 0, iova, size, at, false);
	iodt_assert_ok(iod_gather_sync(other));
	iodt_assert_ok(iod_gather_destroy(other));
	hw_close(&hw, t);
}

/* ---- merge ---- */

/* From small pages, of which one is marked, to each larger size. */
static void merge_marked(struct iodt *t, uint64_t size, uint64_t at, bool dirty)
{
	uint64_t sizes[64], iova = t->v->first + (t->v->last - t->v->first >= size ? size : 0);
	size_t k, nr = rsz_sizes(t->v, sizes);
	struct rsz_page *p;
	struct rsz r;

	for (k = 1; k < nr && sizes[k] <= size; k++) {
		rsz_open(&r, t);
		rsz_map(&r, iova, iodt_pa(t->v, size, 1), size, IODT_RW);
		hw_split(t, iova, size, 0);
		iodt_sync(t);
		if (dirty)
			iodt_mark_item(t, iova + at, 0);
		rsz_load(&r);
		rsz_merge(&r, iova, size, sizes[k], 0);
		p = rsz_at(&r, iova + at);
		assert_int_equal(p->size, sizes[k]);
		assert_int_equal(p->d, dirty);
		forget(t, &r, iova, size);
	}
}

static void merged_is_dirty_if_any_part_was(struct iodt *t)
{
	uint64_t size = large_size(t);

	if (!size)
		return;
	merge_marked(t, size, 0, false);
	merge_marked(t, size, 0, true);
	merge_marked(t, size, size / 2, true);
	merge_marked(t, size, size - t->page, true);
}

/* Runs: any item of any of the runs. */
static void merged_from_runs(struct iodt *t)
{
	uint64_t sizes[64], size, iova = t->v->first;
	size_t k, nr = rsz_sizes(t->v, sizes);
	struct rsz r;

	for (k = 2; k < nr && sizes[k] <= 4096 * t->page; k++) {
		size = sizes[k - 1];
		if (iodt_item_size(t->v, size) == size || sizes[k] - 1 > t->v->last - iova)
			continue;
		rsz_open(&r, t);
		rsz_map(&r, iova, 0, sizes[k], IODT_RW);
		hw_split(t, iova, sizes[k], size);
		iodt_sync(t);
		iodt_mark_item(t, iova + sizes[k] - size,
			       (unsigned int)(size / iodt_item_size(t->v, size) - 1));
		rsz_load(&r);
		rsz_merge(&r, iova, sizes[k], 0, 0);
		assert_int_equal(rsz_at(&r, iova)->size, sizes[k]);
		assert_int_equal(rsz_at(&r, iova)->d, 1);
		forget(t, &r, iova, sizes[k]);
	}
}

/* Hardware holds translations of the parts: they are gone when the merge has returned. */
static void written_through_old_parts(struct iodt *t)
{
	uint64_t size = hw_table_size(t), iova = t->v->first + size;
	struct iod_resize z;
	struct hw hw;

	if (!size)
		return;
	hw_open(&hw, t);
	iodt_map(t, iova, 0, size, IODT_RW);
	hw_split(t, iova, size, 0);
	iodt_sync(t);
	iodt_assert_ok(hw_access(t, iova, IOD_ACCESS_WRITE));
	hw_sweep_finds(t, 0, iova, size, iova, false);
	iodt_assert_ok(hw_access(t, iova, IOD_ACCESS_WRITE));
	z = rsz_arg(t, iova, size, 0);
	iodt_assert_ok(iod_merge_range(t->pt, &z));
	iodt_assert_ok(hw_access(t, iova, IOD_ACCESS_WRITE));
	hw_sweep_finds(t, 0, iova, size, iova, true);
	iodt_assert_ok(hw_access(t, iova + size / 2, IOD_ACCESS_WRITE));
	hw_sweep_finds(t, 0, iova, size, iova, true);
	hw_close(&hw, t);
}

/* ---- sweeps that skip ---- */

static void finds_nothing(struct iodt *t, uint64_t iova, uint64_t len)
{
	struct iod_sweep s;
	struct iodt_bits b;

	iodt_bits_init(&b, iova, len, t->page);
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, iova, len, &b);
	s.flags = IOD_SWEEP_PRUNE;
	iodt_assert_ok(iod_sweep(t->pt, &s));
	assert_int_equal(iodt_bits_count(&b), 0);
	iodt_bits_free(&b);
	iodt_sync(t);
}

static void pruned_after_a_split(struct iodt *t)
{
	uint64_t size = hw_table_size(t), iova = t->v->first + size, at = iova + size - t->page;
	struct hw hw;

	if (!size)
		return;
	hw_open(&hw, t);
	iodt_map(t, iova, 0, size, IODT_RW);
	finds_nothing(t, iova, size);
	iodt_assert_ok(hw_access(t, iova, IOD_ACCESS_WRITE));
	hw_split(t, iova, size, 0);
	iodt_sync(t);
	hw_sweep_finds(t, IOD_SWEEP_PRUNE, iova, size, at, true);
	finds_nothing(t, iova, size);
	iodt_assert_ok(hw_access(t, at, IOD_ACCESS_WRITE));
	hw_sweep_finds(t, IOD_SWEEP_PRUNE, iova, size, at, false);
	finds_nothing(t, iova, size);
	hw_close(&hw, t);
}

/* The large page is clean and stays in hardware's cache over the split: no walk sets Accessed. */
static void pruned_before_the_split_is_synced(struct iodt *t)
{
	uint64_t size = hw_table_size(t), iova = t->v->first + size, at = iova + size - t->page;
	struct hw hw;

	if (!size)
		return;
	hw_open(&hw, t);
	iodt_map(t, iova, 0, size, IODT_RW);
	iodt_assert_ok(hw_access(t, iova, IOD_ACCESS_READ));
	hw_split(t, iova, size, 0);
	iodt_assert_ok(hw_access(t, at, IOD_ACCESS_WRITE));
	hw_sweep_finds(t, IOD_SWEEP_PRUNE, iova, size, at, false);
	iodt_assert_ok(hw_access(t, at, IOD_ACCESS_WRITE));
	hw_sweep_finds(t, IOD_SWEEP_PRUNE, iova, size, at, false);
	finds_nothing(t, iova, size);
	hw_close(&hw, t);
}

static void pruned_after_a_merge(struct iodt *t)
{
	uint64_t sizes[64], size = hw_table_size(t), iova = t->v->first + size, at;
	size_t k, nr = rsz_sizes(t->v, sizes);
	struct iod_resize z;
	struct iodt_bits b;
	struct iod_sweep s;
	struct hw hw;

	if (!size)
		return;
	hw_open(&hw, t);
	iodt_map(t, iova, 0, size, IODT_RW);
	hw_split(t, iova, size, 0);
	iodt_sync(t);
	at = iova + size - t->page;
	for (k = 1; k < nr && sizes[k] <= size; k++) {
		finds_nothing(t, iova, size);
		iodt_assert_ok(hw_access(t, at, IOD_ACCESS_WRITE));
		z = rsz_arg(t, iova, size, sizes[k]);
		iodt_assert_ok(iod_merge_range(t->pt, &z));
		iodt_bits_init(&b, iova, size, t->page);
		s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, iova, size, &b);
		s.flags = IOD_SWEEP_PRUNE;
		iodt_assert_ok(iod_sweep(t->pt, &s));
		/* all of the page that the one written to went into */
		assert_true(iodt_bits_get(&b, at));
		assert_int_equal(iodt_bits_count(&b), sizes[k] / t->page);
		iodt_bits_free(&b);
		iodt_sync(t);
	}
	hw_close(&hw, t);
}

#define NEED (IODT_RESIZE | IODT_DIRTY)

static const struct iodt_test tests[] = {
	{ "parts_inherit", NEED, 0, parts_inherit },
	{ "born_dirty", NEED, 0, born_dirty },
	{ "untracked_parts", NEED | IODT_ARM, 0, untracked_parts },
	{ "written_through_a_clean_translation", NEED, 0, written_through_a_clean_translation },
	{ "written_through_a_dirty_translation", NEED, 0, written_through_a_dirty_translation },
	{ "swept_with_another_gather", NEED, 0, swept_with_another_gather },
	{ "merged_is_dirty_if_any_part_was", NEED, 0, merged_is_dirty_if_any_part_was },
	{ "merged_from_runs", NEED | IODT_RUNS, 0, merged_from_runs },
	{ "written_through_old_parts", NEED | IODT_HUGE, 0, written_through_old_parts },
	{ "pruned_after_a_split", NEED | IODT_PRUNE, 0, pruned_after_a_split },
	{ "pruned_before_the_split_is_synced", NEED | IODT_PRUNE, 0,
	  pruned_before_the_split_is_synced },
	{ "pruned_after_a_merge", NEED | IODT_PRUNE, 0, pruned_after_a_merge },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
