/* SPDX-License-Identifier: MIT */
/*
 * Several tables in one log: formats side by side and on top of each other, windows, plugging. What a
 * log can be created with.
 */
#include "iodtest.h"

#define PAGES 130

/* One variant of each format with 4 KiB pages, whatever they are called. */
static size_t pick(const struct iodt_variant *v[8])
{
	uint32_t seen = 0;
	size_t i, n = 0;

	for (i = 0; i < iodt_nr_variants && n < 8; i++) {
		const struct iodt_variant *x = &iodt_variants[i];
		uint32_t want = IODT_PLAIN | IODT_DIRTY | IODT_GRAN4K, key;

		key = 1u << x->format | (uint32_t) !!(x->features & IOD_PT_UPPER) << 16;
		if ((iodt_caps(x) & want) != want || (seen & key) == key ||
		    !iod_format_ops(x->format))
			continue;
		seen |= key;
		v[n++] = x;
	}
	return n;
}

struct many {
	struct iodt *t[8];
	size_t n;
	struct iod_dirty_log *log;
	uint64_t at[8], size;
	unsigned int calls[8], fail;
	struct iodt_bits b;
};

static struct many *the_many;

static int on_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	unsigned int *calls = cookie;

	++*calls;
	if (the_many->fail) {
		the_many->fail--;
		return -EIO;
	}
	return 0;
}

static int add(struct many *m, size_t i)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = on_invalidate };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = m->t[i]->pt,
					   .iova = m->at[i],
					   .table_iova = m->t[i]->v->first,
					   .len = PAGES * IODT_4K,
					   .ops = &ops,
					   .cookie = &m->calls[i] };

	return iod_dirty_log_add_table(m->log, &win);
}

/* Window i begins @step pages behind window i - 1: apart, touching, overlapping, at odd places. */
static void open_many(struct many *m, uint64_t step)
{
	const struct iodt_variant *v[8];
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .iova = IODT_4K, .staging = 8 };
	size_t i;

	memset(m, 0, sizeof(*m));
	the_many = m;
	m->n = pick(v);
	m->size = (step * (m->n ? m->n - 1 : 0) + PAGES) * IODT_4K;
	cfg.len = m->size;
	iodt_assert_ok(iod_dirty_log_create(&m->log, &cfg));
	for (i = 0; i < m->n; i++) {
		m->t[i] = iodt_open(v[i]);
		assert_non_null(m->t[i]);
		m->at[i] = cfg.iova + i * step * IODT_4K;
		iodt_map(m->t[i], v[i]->first, IODT_4K, PAGES * IODT_4K, IODT_RW);
		iodt_assert_ok(add(m, i));
	}
	iodt_bits_init(&m->b, cfg.iova, m->size, IODT_4K);
}

static void close_many(struct many *m)
{
	size_t i;

	iodt_assert_ok(iod_dirty_log_destroy(m->log));
	for (i = 0; i < m->n; i++)
		assert_int_equal(iodt_close(m->t[i]), 0);
	iodt_bits_free(&m->b);
}

static uint64_t sync_many(struct many *m, uint32_t flags)
{
	struct iod_dirty_log_sync s = { .size = sizeof(s),
					.iova = IODT_4K,
					.len = m->size,
					.flags = flags,
					.bitmap = &m->b.bm };

	iodt_bits_zero(&m->b);
	iodt_assert_ok(iod_dirty_log_sync(m->log, &s));
	return iodt_bits_count(&m->b);
}

static void write_page(struct many *m, size_t i, uint64_t page)
{
	iodt_dma_write(m->t[i], m->t[i]->v->first + page * IODT_4K);
}

/* Random pages of random tables, against a set kept by hand. */
static void one_bitmap_for_all(void **state)
{
	static const uint64_t steps[] = { 130, 129, 64, 192, 200, 1, 0 };
	struct iodt_bits want;
	unsigned int s, i, k;
	struct many m;
	uint64_t page;
	size_t t;

	for (s = 0; s < IODT_ARRAY_SIZE(steps); s++) {
		open_many(&m, steps[s]);
		iodt_assert_ok(iod_dirty_log_start(m.log, NULL));
		iodt_bits_init(&want, IODT_4K, m.size, IODT_4K);
		for (i = 0; i < 20 && m.n; i++) {
			iodt_bits_zero(&want);
			for (k = 0; k < 12; k++) {
				t = (size_t)iodt_below(m.t[0], m.n);
				page = iodt_below(m.t[0], PAGES);
				write_page(&m, t, page);
				iodt_bits_put(&want, m.at[t] + page * IODT_4K);
			}
			sync_many(&m, IOD_DIRTY_SYNC_NO_REARM);
			assert_memory_equal(m.b.mem, want.mem, want.bytes);
			if (i % 3 == 2)
				iodt_assert_ok(
					iod_dirty_log_clear(m.log, IODT_4K, m.size, &m.b.bm, NULL));
			else
				sync_many(&m, 0);
			assert_memory_equal(m.b.mem, want.mem, want.bytes);
			assert_int_equal(sync_many(&m, 0), 0);
		}
		iodt_bits_free(&want);
		close_many(&m);
	}
}

/* One table of several cannot be invalidated: its chunk is not handed out, and all comes later. */
static void one_of_several_fails(void **state)
{
	struct iod_dirty_log_sync s = { .size = sizeof(s), .iova = IODT_4K };
	struct many m;
	size_t i;

	open_many(&m, 0);
	iodt_assert_ok(iod_dirty_log_start(m.log, NULL));
	for (i = 0; i < m.n; i++)
		write_page(&m, i, i);
	for (i = 0; i < m.n; i++) {
		m.fail = 1;
		s.len = m.size;
		s.bitmap = &m.b.bm;
		assert_int_equal(iod_dirty_log_sync(m.log, &s), -EIO);
		assert_int_equal(s.done, 0);
		assert_int_equal(iodt_bits_count(&m.b), 0);
	}
	assert_int_equal(sync_many(&m, 0), m.n);
	close_many(&m);
}

/* Plugged in and out while tracking: what is dirty comes along, and stays. */
static void plugging(void **state)
{
	struct iod_dirty_log_sync s = { .size = sizeof(s), .iova = IODT_4K };
	struct many m;

	open_many(&m, 130);
	if (m.n < 3) {
		close_many(&m);
		return;
	}
	assert_int_equal(add(&m, 1), -EEXIST);
	iodt_assert_ok(iod_dirty_log_start(m.log, NULL));
	write_page(&m, 0, 5);
	write_page(&m, 1, 129);
	m.fail = 1;
	assert_int_equal(iod_dirty_log_remove_table(m.log, m.t[1]->pt, 0), -EIO);
	iodt_assert_ok(iod_dirty_log_remove_table(m.log, m.t[1]->pt, 0));
	assert_int_equal(iod_dirty_log_remove_table(m.log, m.t[1]->pt, 0), -ENOENT);
	assert_int_equal(iod_dirty_log_remove_table(m.log, m.t[1]->pt, 2), -EINVAL);
	write_page(&m, 1, 0); /* nobody's */
	assert_int_equal(sync_many(&m, IOD_DIRTY_SYNC_NO_REARM), 2);
	assert_true(iodt_bits_get(&m.b, m.at[0] + 5 * IODT_4K));
	assert_true(iodt_bits_get(&m.b, m.at[1] + 129 * IODT_4K));
	iodt_assert_ok(add(&m, 1)); /* dirty as it is */
	assert_int_equal(sync_many(&m, 0), 3);
	/* given up */
	write_page(&m, 2, 1);
	m.fail = ~0u;
	s.len = m.size;
	s.bitmap = &m.b.bm;
	assert_int_equal(iod_dirty_log_sync(m.log, &s), -EIO); /* cleaned, and nobody told */
	assert_int_equal(iod_dirty_log_remove_table(m.log, m.t[2]->pt, 0), -EIO);
	assert_int_equal(iod_dirty_log_destroy(m.log), -EIO);
	iodt_assert_ok(iod_dirty_log_remove_table(m.log, m.t[2]->pt, IOD_DIRTY_LOG_DISCARD));
	m.fail = 0;
	assert_int_equal(sync_many(&m, 0), 1);
	close_many(&m);
}

/* ---- windows ---- */

static void windows(struct iodt *t)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .iova = 0, .len = 64 * t->page };
	struct iod_dirty_log_table win = { .size = sizeof(win), .pt = t->pt };
	struct iod_dirty_log_info info = { .size = sizeof(info) };
	uint64_t first = t->v->first, page = t->page;
	uint64_t low_last = t->v->hole_first ? t->v->hole_first - 1 : t->v->last;
	struct iod_dirty_log *log;

	if (low_last - first < 64 * page)
		return;
	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	win.table_iova = first + 1;
	assert_int_equal(iod_dirty_log_add_table(log, &win), -EINVAL);
	win.table_iova = first;
	win.iova = page / 2;
	assert_int_equal(iod_dirty_log_add_table(log, &win), -EINVAL);
	win.iova = 0;
	win.len = page / 2;
	assert_int_equal(iod_dirty_log_add_table(log, &win), -EINVAL);
	win.len = 65 * page;
	assert_int_equal(iod_dirty_log_add_table(log, &win), -ERANGE);
	win.len = page;
	win.iova = 64 * page;
	assert_int_equal(iod_dirty_log_add_table(log, &win), -ERANGE);
	win.iova = 0;
	win.flags = 1;
	assert_int_equal(iod_dirty_log_add_table(log, &win), -EINVAL);
	win.flags = 0;
	win.pt = NULL;
	assert_int_equal(iod_dirty_log_add_table(log, &win), -EINVAL);
	assert_int_equal(iod_dirty_log_add_table(log, NULL), -EINVAL);
	assert_int_equal(iod_dirty_log_add_table(NULL, &win), -EINVAL);
	win.pt = t->pt;
	/* beyond the table */
	win.table_iova = low_last - (page - 1);
	win.len = 2 * page;
	assert_int_equal(iod_dirty_log_add_table(log, &win), -ERANGE);
	/* the rest of the table, then the rest of the log */
	win.len = 0;
	iodt_assert_ok(iod_dirty_log_add_table(log, &win));
	win.table_iova = first;
	win.iova = 60 * page;
	iodt_assert_ok(iod_dirty_log_add_table(log, &win));
	assert_int_equal(iod_dirty_log_add_table(log, &win), -EEXIST);
	win.table_iova = first + 4 * page; /* four pages were the rest */
	iodt_assert_ok(iod_dirty_log_add_table(log, &win));
	iodt_assert_ok(iod_dirty_log_get_info(log, &info));
	assert_int_equal(info.windows, 3);
	iodt_map(t, first, page, page, IODT_RW | IOD_PROT_DIRTY);
	iodt_map(t, first + 4 * page, page, page, IODT_RW | IOD_PROT_DIRTY);
	iodt_assert_ok(iod_dirty_log_remove_table(log, t->pt, 0));
	iodt_assert_ok(iod_dirty_log_get_info(log, &info));
	assert_int_equal(info.windows, 0);
	assert_int_equal(info.held, page / IODT_4K); /* both at the same place of the log */
	iodt_assert_ok(iod_dirty_log_destroy(log));
}

/* Two windows on one table, and the invalidation of the second fails: nothing is removed, nothing lost. */
static int fail_second(void *cookie, const struct iod_inv *inv, size_t nr)
{
	unsigned int *left = cookie;

	return *left && !--*left ? -EIO : 0;
}

static void removed_wholly_or_not(struct iodt *t)
{
	uint64_t page = t->page, first = t->v->first, log_page = page > IODT_4K ? page : IODT_4K;
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .len = 8 * log_page };
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = fail_second };
	unsigned int left = 0;
	struct iod_dirty_log_table win = {
		.size = sizeof(win), .pt = t->pt, .ops = &ops, .cookie = &left
	};
	struct iod_dirty_log_info info = { .size = sizeof(info) };
	struct iod_dirty_log *log, *other;
	unsigned int i;

	if (t->v->last - first < 8 * page)
		return;
	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	iodt_assert_ok(iod_dirty_log_create(&other, &cfg));
	for (i = 0; i < 2; i++) {
		win.table_iova = first + 2 * i * page;
		win.iova = 4 * i * log_page;
		win.len = page;
		iodt_assert_ok(iod_dirty_log_add_table(log, &win));
	}
	win.table_iova = first + 5 * page;
	assert_int_equal(iod_dirty_log_add_table(other, &win), -EBUSY);
	iodt_assert_ok(iod_dirty_log_start(log, NULL));
	for (i = 0; i < 2; i++)
		iodt_map(t, first + 2 * i * page, (i + 1) * page, page, IODT_RW | IOD_PROT_DIRTY);
	left = 2;
	assert_int_equal(iod_dirty_log_remove_table(log, t->pt, 0), -EIO);
	iodt_assert_ok(iod_dirty_log_get_info(log, &info));
	assert_int_equal(info.windows, 2);
	iodt_assert_ok(iod_dirty_log_remove_table(log, t->pt, 0));
	iodt_assert_ok(iod_dirty_log_get_info(log, &info));
	assert_int_equal(info.windows, 0);
	assert_int_equal(info.held, 2 * page / IODT_4K);
	iodt_assert_ok(iod_dirty_log_add_table(other, &win));
	iodt_assert_ok(iod_dirty_log_destroy(other));
	iodt_assert_ok(iod_dirty_log_destroy(log));
}

/* The last page of the space, at the last granule of a log that ends at 2^64. */
static void top_of_the_space(struct iodt *t)
{
	uint64_t page = t->page, len = 64 * page;
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .iova = 0 - len, .len = len };
	struct iod_dirty_log_table win = { .size = sizeof(win), .pt = t->pt, .iova = 0 - len };
	struct iod_dirty_log_sync s = { .size = sizeof(s), .iova = 0 - len, .len = len };
	struct iod_dirty_log *log;
	struct iodt_bits b;

	if (t->v->last - t->v->first < 2 * len)
		return;
	win.table_iova = t->v->last - (len - 1);
	iodt_map(t, t->v->last - (page - 1), page, page, IODT_RW);
	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	iodt_assert_ok(iod_dirty_log_add_table(log, &win));
	iodt_assert_ok(iod_dirty_log_start(log, NULL));
	iodt_dma_write(t, t->v->last);
	iodt_bits_init(&b, 0 - len, len, IODT_4K);
	s.bitmap = &b.bm;
	iodt_assert_ok(iod_dirty_log_sync(log, &s));
	assert_int_equal(s.done, len);
	assert_int_equal(s.next_iova, 0);
	assert_int_equal(iodt_bits_count(&b), page / IODT_4K);
	assert_true(iodt_bits_get(&b, 0 - IODT_4K));
	iodt_assert_ok(iod_dirty_log_rollback(log, &b.bm));
	iodt_bits_zero(&b);
	iodt_assert_ok(iod_dirty_log_sync(log, &s));
	assert_int_equal(iodt_bits_count(&b), page / IODT_4K);
	iodt_bits_free(&b);
	iodt_assert_ok(iod_dirty_log_destroy(log));
}

/* ---- the final pass ---- */

static uint64_t late_iova;

/* The update of a write that was complete becomes visible with the invalidation. */
static int late_update(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct iodt *t = cookie;

	if (inv->kind == IOD_INV_DOMAIN && t->priv)
		iodt_dma_write(t, late_iova);
	t->priv = NULL;
	return 0;
}

static void final_pass(struct iodt *t)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .len = 8 * t->page };
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = late_update };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = t->pt,
					   .table_iova = t->v->first,
					   .len = 0,
					   .ops = &ops,
					   .cookie = t };
	struct iod_dirty_log_sync s = { .size = sizeof(s), .len = t->page };
	static const uint32_t keep[] = { 0, IOD_DIRTY_SYNC_NO_REARM };
	struct iod_dirty_log *log;
	struct iodt_bits b;
	unsigned int i;

	iodt_map(t, t->v->first, t->page, t->page, IODT_RW);
	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	iodt_assert_ok(iod_dirty_log_add_table(log, &win));
	iodt_assert_ok(iod_dirty_log_start(log, NULL));
	late_iova = t->v->first;
	for (i = 0; i < 2; i++) {
		iodt_bits_init(&b, 0, t->page, t->page);
		s.bitmap = &b.bm;
		t->priv = &b;
		s.flags = keep[i];
		iodt_assert_ok(iod_dirty_log_sync(log, &s));
		assert_int_equal(iodt_bits_count(&b), 0);
		s.flags |= IOD_DIRTY_SYNC_FINAL;
		iodt_assert_ok(iod_dirty_log_sync(log, &s));
		assert_int_equal(iodt_bits_count(&b), 1);
		iodt_bits_free(&b);
	}
	t->priv = NULL;
	iodt_assert_ok(iod_dirty_log_destroy(log));
}

/* Pruning where a table declares its conditions; the same answer everywhere. */
static void pruned_syncs(struct iodt *t)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .len = 64 * t->page };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = t->pt,
					   .table_iova = t->v->first };
	struct iod_dirty_log_sync s = { .size = sizeof(s), .flags = IOD_DIRTY_SYNC_PRUNE };
	struct iod_dirty_log *log;
	struct iodt_bits b;
	unsigned int i;

	if (t->v->last - t->v->first < 64 * t->page)
		return;
	iodt_map(t, t->v->first, t->page, 64 * t->page, IODT_RW);
	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	iodt_assert_ok(iod_dirty_log_add_table(log, &win));
	iodt_assert_ok(iod_dirty_log_start(log, NULL));
	iodt_bits_init(&b, 0, 64 * t->page, t->page);
	s.bitmap = &b.bm;
	s.len = 64 * t->page;
	for (i = 0; i < 10; i++) {
		if (i % 3)
			iodt_dma_write(t, t->v->first + 7 * i * t->page);
		iodt_bits_zero(&b);
		iodt_assert_ok(iod_dirty_log_sync(log, &s));
		assert_int_equal(iodt_bits_count(&b), i % 3 != 0);
	}
	iodt_bits_free(&b);
	iodt_assert_ok(iod_dirty_log_destroy(log));
}

/* ---- creation ---- */

static void bad_creation(void **state)
{
	static const struct {
		struct iod_dirty_log_cfg cfg;
		int ret;
	} bad[] = {
		{ { .len = 0 }, -EINVAL },
		{ { .len = 4095 }, -EINVAL },
		{ { .len = 4096, .granule = 2048 }, -EINVAL },
		{ { .len = 3 * 4096, .granule = 3 * 4096 }, -EINVAL },
		{ { .len = 4096, .granule = 8192 }, -EINVAL },
		{ { .iova = 1, .len = 4096 }, -EINVAL },
		{ { .len = 4096, .staging = 4 }, -EINVAL },
		{ { .len = 4096, .staging = 24 }, -EINVAL },
		{ { .len = 4096, .flags = 1 }, -EINVAL },
		{ { .len = 4096, .reserved = 1 }, -EINVAL },
		{ { .iova = ~UINT64_C(4095), .len = 8192 }, -ERANGE },
	};
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .len = 4096 };
	struct iod_dirty_log_info info = { .size = sizeof(info) };
	struct iod_dirty_log *log;
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(bad); i++) {
		cfg = bad[i].cfg;
		cfg.size = sizeof(cfg);
		assert_int_equal(iod_dirty_log_create(&log, &cfg), bad[i].ret);
	}
	assert_int_equal(iod_dirty_log_create(&log, NULL), -EINVAL);
	assert_int_equal(iod_dirty_log_create(NULL, &cfg), -EINVAL);
	cfg = (struct iod_dirty_log_cfg){ .size = 8, .len = 4096 };
	assert_int_equal(iod_dirty_log_create(&log, &cfg), -EINVAL);
	/* up to the top */
	cfg = (struct iod_dirty_log_cfg){ .size = sizeof(cfg),
					  .iova = ~UINT64_C(0xffff),
					  .len = 0x10000 };
	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	iodt_assert_ok(iod_dirty_log_get_info(log, &info));
	assert_int_equal(info.granule, 4096);
	iodt_assert_ok(iod_dirty_log_mark_dirty(log, UINT64_MAX, 1));
	assert_int_equal(iod_dirty_log_mark_dirty(log, UINT64_MAX, 2), -ERANGE);
	assert_int_equal(iod_dirty_log_mark_dirty(log, UINT64_MAX, 0), -EINVAL);
	assert_int_equal(iod_dirty_log_mark_dirty(log, cfg.iova - 1, 2), -ERANGE);
	assert_int_equal(iod_dirty_log_mark_dirty(log, cfg.iova, UINT64_MAX), -ERANGE);
	assert_int_equal(iod_dirty_log_mark_dirty(NULL, cfg.iova, 1), -EINVAL);
	assert_int_equal(iod_dirty_log_rollback(log, NULL), -EINVAL);
	assert_int_equal(iod_dirty_log_get_info(log, NULL), -EINVAL);
	iodt_assert_ok(iod_dirty_log_destroy(log));
	assert_int_equal(iod_dirty_log_destroy(NULL), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "windows", IODT_DIRTY, 0, windows },
		{ "removed_wholly_or_not", IODT_DIRTY, 0, removed_wholly_or_not },
		{ "top_of_the_space", IODT_DIRTY, 0, top_of_the_space },
		{ "final_pass", IODT_DIRTY, 0, final_pass },
		{ "pruned_syncs", IODT_DIRTY, 0, pruned_syncs },
	};
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(one_bitmap_for_all),
		cmocka_unit_test(one_of_several_fails),
		cmocka_unit_test(plugging),
		cmocka_unit_test(bad_creation),
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
