/* SPDX-License-Identifier: MIT */
/* The dirty log's policies where there are several tables, or windows that cut pages. */
#include "policyrig.h"

/* The smallest page that is larger than a granule and a leaf of its own; 0: none, or too large. */
static uint64_t next_size(const struct iodt *t)
{
	uint64_t have = t->v->hole_first ? t->v->hole_first - 1 : t->v->last;
	uint64_t sizes = t->v->sizes & ~(t->page | (t->page - 1)), size = sizes & -sizes;

	return size && size <= 4096 * t->page && have - t->v->first >= 2 * size - 1 ? size : 0;
}

static uint64_t size_at(struct iodt *t, uint64_t iova)
{
	return iodt_walk(t, iova).size;
}

static void open_log(struct logrig *r, struct iodt *t, uint64_t len, uint64_t staging)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg),
					 .len = len,
					 .granule = t->page,
					 .staging = staging,
					 .allocator = &t->alloc.ops };

	memset(r, 0, sizeof(*r));
	r->t = t;
	r->size = len;
	iodt_assert_ok(iod_dirty_log_create(&r->log, &cfg));
}

static void add(struct logrig *r, struct iodt *t, uint64_t iova, uint64_t table_iova, uint64_t len)
{
	struct iod_dirty_log_table win = {
		.size = sizeof(win), .pt = t->pt, .iova = iova, .table_iova = table_iova, .len = len
	};

	iodt_assert_ok(iod_dirty_log_add_table(r->log, &win));
}

/* Two tables on the same addresses: dirty in one, the other's page stays large. */
static void each_table_its_own(struct iodt *t)
{
	uint64_t size = next_size(t), staging;
	struct iodt_variant v, w;
	struct iodt *a, *b;
	struct iodt_bits bits;
	struct logrig r;
	unsigned int i;

	for (i = 0; size && i < 4; i++) {
		a = policyrig_open(t, BEAR_ALL, &v);
		b = policyrig_open(t, BEAR_ALL, &w);
		staging = i & 1 ? 8 : 0;
		iodt_map(a, v.first, size, size, IODT_RW);
		iodt_map(b, w.first, size, size, IODT_RW);
		open_log(&r, a, size, staging);
		add(&r, a, 0, v.first, size);
		add(&r, b, 0, w.first, size);
		iodt_bits_init(&bits, 0, size, a->page);
		policyrig_start(&r, policyrig_arg(IOD_SPLIT_ON_DIRTY, 0));
		iodt_dma_write(i & 2 ? a : b, t->v->first);
		assert_int_equal(logrig_sync_all(&r, 0, &bits), size / a->page);
		assert_int_equal(size_at(a, v.first), i & 2 ? a->page : size);
		assert_int_equal(size_at(b, w.first), i & 2 ? size : b->page);
		assert_int_equal(logrig_sync_all(&r, 0, &bits), 0);
		iodt_bits_free(&bits);
		iodt_assert_ok(iod_dirty_log_destroy(r.log));
		assert_int_equal(iodt_close(a), 0);
		assert_int_equal(iodt_close(b), 0);
	}
}

/* A table that comes while the log is started is split as the others are. */
static void plugged(struct iodt *t)
{
	struct iod_dirty_log_resize rs = { .size = sizeof(rs) };
	uint64_t size = next_size(t);
	struct iodt_variant v;
	struct iodt_bits bits;
	struct logrig r;
	struct iodt *own;
	unsigned int i;

	for (i = 0; size && i < 2; i++) {
		own = policyrig_open(t, BEAR_ALL, &v);
		iodt_map(own, v.first, size, size, IODT_RW);
		open_log(&r, own, size, 0);
		iodt_bits_init(&bits, 0, size, own->page);
		policyrig_start(&r, policyrig_arg(i ? IOD_SPLIT_EAGER : IOD_SPLIT_ON_DIRTY, 0));
		iodt_dma_write(own, v.first);
		add(&r, own, 0, v.first, size);
		assert_int_equal(logrig_info(&r).resize_left, i ? size : 0);
		iodt_assert_ok(iod_dirty_log_resize(r.log, &rs));
		assert_int_equal(size_at(own, v.first), i ? own->page : size);
		assert_int_equal(logrig_sync_all(&r, 0, &bits), size / own->page);
		assert_int_equal(size_at(own, v.first), own->page);
		iodt_assert_ok(iod_dirty_log_remove_table(r.log, own->pt, 0));
		assert_int_equal(logrig_info(&r).resize_left, 0);
		iodt_bits_free(&bits);
		iodt_assert_ok(iod_dirty_log_destroy(r.log));
		assert_int_equal(iodt_close(own), 0);
	}
}

/* A window on a part of a page: the part is split off, and reported exactly then. */
static void window_in_a_page(struct iodt *t)
{
	uint64_t size = next_size(t), g = t->page, at;
	struct iodt_variant v;
	struct iodt_bits bits;
	struct logrig r;
	struct iodt *own;

	if (size < 4 * g)
		return;
	own = policyrig_open(t, BEAR_ALL, &v);
	at = v.first + g;
	iodt_map(own, v.first, size, size, IODT_RW);
	open_log(&r, own, 2 * g, 0);
	add(&r, own, 0, at, 2 * g);
	iodt_bits_init(&bits, 0, 2 * g, g);
	policyrig_start(&r, policyrig_arg(IOD_SPLIT_ON_DIRTY, 0));
	iodt_dma_write(own, v.first); /* outside, but in the page */
	assert_int_equal(logrig_sync_all(&r, 0, &bits), 2);
	assert_int_equal(size_at(own, at), g);
	assert_int_equal(logrig_sync_all(&r, 0, &bits), 2); /* it was not cleaned as a whole */
	assert_int_equal(logrig_sync_all(&r, 0, &bits), 0);
	iodt_dma_write(own, v.first);
	assert_int_equal(logrig_sync_all(&r, 0, &bits), 0);
	iodt_dma_write(own, at + g);
	assert_int_equal(logrig_sync_all(&r, 0, &bits), 1);
	/* there is no merging in such a window */
	iodt_assert_ok(iod_dirty_log_stop(r.log, IOD_DIRTY_LOG_MERGE));
	assert_int_equal(logrig_info(&r).resize_left, 0);
	iodt_bits_free(&bits);
	iodt_assert_ok(iod_dirty_log_destroy(r.log));
	assert_int_equal(iodt_close(own), 0);
}

/* Pages that hardware never marks are reported every time, however large: they stay as they are. */
static void untracked_stays_large(struct iodt *t)
{
	uint64_t size = next_size(t);
	struct iodt_variant v;
	struct iodt_bits bits;
	struct logrig r;
	struct iodt *own;

	if (!size)
		return;
	own = policyrig_open(t, BEAR_ALL, &v);
	iodt_map(own, v.first, 2 * size, size, IODT_RW | IOD_PROT_UNTRACKED);
	iodt_map(own, v.first + size, 4 * size, size, IODT_RW);
	open_log(&r, own, 2 * size, 0);
	add(&r, own, 0, v.first, 2 * size);
	iodt_bits_init(&bits, 0, 2 * size, own->page);
	policyrig_start(&r, policyrig_arg(IOD_SPLIT_ON_DIRTY, 0));
	iodt_dma_write(own, v.first + size);
	assert_int_equal(logrig_sync_all(&r, 0, &bits), 2 * size / own->page);
	assert_int_equal(size_at(own, v.first), size);
	assert_int_equal(size_at(own, v.first + size), own->page);
	assert_int_equal(logrig_sync_all(&r, 0, &bits), size / own->page);
	iodt_bits_free(&bits);
	iodt_assert_ok(iod_dirty_log_destroy(r.log));
	assert_int_equal(iodt_close(own), 0);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "each_table_its_own", IODT_DIRTY, 0, each_table_its_own },
		{ "plugged", IODT_DIRTY, 0, plugged },
		{ "window_in_a_page", IODT_DIRTY, 0, window_in_a_page },
		{ "untracked_stays_large", IODT_DIRTY | IODT_ARM, 0, untracked_stays_large },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
