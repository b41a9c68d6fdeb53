/* SPDX-License-Identifier: MIT */
/*
 * Splits and merges, with every allocation made to fail once: objects through the allocator, tables through the
 * limit. After each failure the call says -ENOMEM, every page leads where it led, what was dirty is, and what
 * it says is done is done; with memory the rest works.
 */
#include "../op/resizerig.h"

#define MAX_TRIES 400
#define BREAKS	  (IOD_RESIZE_ALLOW_FAULTS | IOD_RESIZE_BREAK)

struct way {
	bool merge, tables; /* tables: it is those that run out */
	uint32_t flags;
};

/* The largest page to take apart: a few tables' worth. */
static uint64_t largest(const struct iodt *t)
{
	uint64_t limit = 4 * iodt_table_span(t->v), span = t->v->last - t->v->first;

	while (limit > span / 8)
		limit >>= 1;
	return iodt_best_size(t->v, 0, 0, limit < t->page ? t->page : limit);
}

static int resize(struct iodt *t, const struct way *way, struct iod_resize *z)
{
	return way->merge ? iod_merge_range(t->pt, z) : iod_split_range(t->pt, z);
}

/* Two pages, or what becomes them, with something dirty in the second. */
static void prepare(struct rsz *r, const struct way *way, uint64_t iova, uint64_t size)
{
	struct iodt *t = r->t;
	struct iod_resize z = rsz_arg(t, iova, 2 * size, 0);

	rsz_map(r, iova, iodt_pa(t->v, size, 1), size, IODT_RW);
	rsz_map(r, iova + size, iodt_pa(t->v, size, 4), size, IODT_RW);
	if (way->merge)
		iodt_assert_ok(iod_split_range(t->pt, &z));
	iodt_sync(t);
	if (t->caps & IODT_DIRTY)
		iodt_mark_item(t, iova + size, 0);
	rsz_load(r);
}

/* Every page leads where it led (iodt_verify()), no page grew or shrank the wrong way, no dirt is gone. */
static void nothing_lost(const struct rsz *r, const struct way *way)
{
	struct iodt_leaves l;
	struct mdl_leaf leaf;
	size_t i;

	iodt_verify(r->t);
	for (i = 0; i < r->now.nr; i += r->now.nr / 16 + 1) {
		leaf = iodt_walk(r->t, r->now.p[i].iova);
		assert_true(way->merge ? leaf.size >= r->now.p[i].size
				       : leaf.size <= r->now.p[i].size);
	}
	iodt_leaves(r->t, &l);
	for (i = 0; i < l.nr; i++) {
		const struct rsz_page *p = rsz_at((struct rsz *)(uintptr_t)r, l.leaf[i].iova);

		assert_non_null(p);
		assert_true(p->d != 1 || l.leaf[i].d == 1);
	}
	iodt_leaves_free(&l);
}

/* What it says is done is as small, or as large, as it can be. */
static void done_is_done(const struct rsz *r, const struct way *way, const struct iod_resize *z,
			 uint64_t size)
{
	uint64_t at;

	assert_true(z->done < z->len);
	assert_int_equal(z->next_iova - z->iova, z->done);
	for (at = 0; at < z->done; at += size)
		assert_int_equal(iodt_walk(r->t, z->iova + at).size,
				 way->merge ? size : r->t->page);
}

/* The n-th allocation from here fails; 0: none does. */
static void arm(struct iodt *t, const struct way *way, uint64_t n)
{
	uint64_t granule = t->v->granule ? t->v->granule : 4096;

	t->alloc.fail_at = n && !way->tables ? t->alloc.calls + n : 0;
	iodt_assert_ok(iod_mem_set_limit(
		t->mem, n && way->tables ? iodt_stats(t->mem).bytes + (n - 1) * granule : 0));
}

/* Returns how many allocations there were. */
static uint64_t each_fails(struct iodt *t, const struct way *way)
{
	uint64_t size = largest(t), iova = t->v->first + 2 * size, n;
	struct iod_resize z;
	int ret = -ENOMEM;
	struct rsz r;

	if (size == t->page)
		return 0;
	for (n = 1; ret; n++) {
		assert_in_range(n, 1, MAX_TRIES);
		rsz_open(&r, t);
		prepare(&r, way, iova, size);
		z = rsz_arg(t, iova, 2 * size, 0);
		z.page_size = way->merge ? size : 0;
		z.flags |= way->flags;
		arm(t, way, n);
		ret = resize(t, way, &z);
		arm(t, way, 0);
		nothing_lost(&r, way);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			done_is_done(&r, way, &z, size);
			/* the same once more, with memory */
			iodt_assert_ok(resize(t, way, &z));
			nothing_lost(&r, way);
		}
		assert_int_equal(z.done, z.len);
		iodt_sync(t);
		nothing_lost(&r, way);
		assert_int_equal(iodt_walk(t, iova).size, way->merge ? size : t->page);
		iodt_unmap(t, iova, 2 * size);
		iodt_sync(t);
		assert_int_equal(iodt_stats(t->mem).tables, iodt_info(t->pt).tables);
		rsz_close(&r);
	}
	return n - 2;
}

static void tables_run_out_in_a_split(struct iodt *t)
{
	static const struct way way = { .tables = true };
	uint64_t n = each_fails(t, &way);

	/* a single item larger than a leaf table becomes a table at least */
	if (iodt_item_level(t->v, largest(t)))
		assert_true(n >= 2);
}

static void tables_run_out_when_broken(struct iodt *t)
{
	static const struct way way = { .tables = true, .flags = BREAKS };

	each_fails(t, &way);
}

static void objects_fail_in_a_split(struct iodt *t)
{
	static const struct way way = { .flags = BREAKS };
	static const struct way direct = { 0 };

	assert_true(each_fails(t, &way) >= 1 || largest(t) == t->page);
	each_fails(t, &direct);
}

static void objects_fail_in_a_merge(struct iodt *t)
{
	static const struct way way = { .merge = true, .flags = BREAKS };
	static const struct way direct = { .merge = true };

	each_fails(t, &way);
	each_fails(t, &direct);
}

/* The gather has no room for more detached tables, at any of the times when it grows. */
static void gather_cannot_grow_in_a_merge(struct iodt *t)
{
	uint64_t size = iodt_table_span(t->v), n = 300, iova = t->v->first, i, tries = 0;
	struct iod_resize z;
	int ret = -ENOMEM;

	if (!(t->v->sizes & size) || (t->v->last - iova) / size < n || t->v->granule > 4096)
		return;
	for (i = 0; i < n; i++)
		iodt_map(t, iova + i * size, iodt_pa(t->v, size, i ^ 1), size, IODT_RW);
	z = rsz_arg(t, iova, n * size, 0);
	iodt_assert_ok(iod_split_range(t->pt, &z));
	iodt_sync(t);
	z = rsz_arg(t, iova, n * size, size);
	while (ret) {
		assert_in_range(++tries, 1, 20);
		/* the first is for what is broken, where that is done */
		t->alloc.fail_at = t->alloc.calls + (t->caps & IODT_HITLESS ? 1 : 2);
		ret = iod_merge_range(t->pt, &z);
		t->alloc.fail_at = 0;
		iodt_verify(t);
		for (i = 0; i < z.done / size; i++)
			assert_int_equal(iodt_walk(t, iova + i * size).size, size);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			/* with memory once, so that the next growth is reached */
			z.len = tries * 64 < n ? tries * 64 * size : n * size;
			iodt_assert_ok(iod_merge_range(t->pt, &z));
			z.len = n * size;
		}
	}
	iodt_sync(t);
	assert_int_equal(iodt_stats(t->mem).tables, iodt_info(t->pt).tables);
	iodt_verify(t);
}

static const struct iodt_test tests[] = {
	{ "tables_run_out_in_a_split", IODT_RESIZE, 0, tables_run_out_in_a_split },
	{ "tables_run_out_when_broken", IODT_RESIZE, 0, tables_run_out_when_broken },
	{ "objects_fail_in_a_split", IODT_RESIZE, 0, objects_fail_in_a_split },
	{ "objects_fail_in_a_merge", IODT_RESIZE, 0, objects_fail_in_a_merge },
	{ "gather_cannot_grow_in_a_merge", IODT_RESIZE | IODT_HUGE, 0,
	  gather_cannot_grow_in_a_merge },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
