/* SPDX-License-Identifier: MIT */
/*
 * The dirty log's policies: pages split where devices write, merged where they do not; and that none of
 * it changes what is reported but to say it more exactly.
 */
#include "policyrig.h"

/* The largest page up to 1 GiB of which two fit; 0: none that is larger than the smallest. */
static uint64_t large(const struct iodt *t)
{
	uint64_t have = t->v->hole_first ? t->v->hole_first - 1 : t->v->last;
	uint64_t sizes = t->v->sizes & (2 * IODT_1G - 1) & ~(t->page | (t->page - 1));
	uint64_t size = sizes ? iodt_pow2_floor(sizes) : 0;

	while (size && have - t->v->first < 2 * size - 1) {
		sizes &= size - 1;
		size = sizes ? iodt_pow2_floor(sizes) : 0;
	}
	return size;
}

static uint64_t size_at(struct iodt *t, uint64_t iova)
{
	struct iod_mapping m;

	iodt_assert_ok(iod_translate(t->pt, iova, &m));
	/* an independent walker sees the same */
	assert_int_equal(iodt_walk(t, iova).size, m.len);
	return m.len;
}

static int ok_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	unsigned int *calls = cookie;

	++*calls;
	return 0;
}

static unsigned int calls;

/* Two large pages, a log over them at an odd place, granules of the smallest page. */
static void open_two(struct logrig *r, struct iodt *t, uint64_t size, uint64_t staging)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = ok_invalidate };
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg),
					 .iova = 3 * t->page,
					 .len = 2 * size + 5 * t->page,
					 .granule = t->page,
					 .staging = staging,
					 .allocator = &t->alloc.ops };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = t->pt,
					   .iova = 8 * t->page,
					   .table_iova = t->v->first,
					   .len = 2 * size,
					   .ops = &ops,
					   .cookie = &calls };

	memset(r, 0, sizeof(*r));
	r->t = t;
	r->iova = t->v->first;
	r->base = cfg.iova;
	r->at = win.iova;
	r->len = 2 * size;
	r->size = cfg.len;
	r->granule = t->page;
	/* one after the other: some formats have pages twice as large */
	iodt_map(t, t->v->first, iodt_pa(t->v, 2 * size, 1), size, IODT_RW);
	iodt_map(t, t->v->first + size, iodt_pa(t->v, 2 * size, 1) + size, size, IODT_RW);
	iodt_assert_ok(iod_dirty_log_create(&r->log, &cfg));
	iodt_assert_ok(iod_dirty_log_add_table(r->log, &win));
}

static void close_two(struct logrig *r)
{
	iodt_assert_ok(iod_dirty_log_destroy(r->log));
	iodt_unmap(r->t, r->iova, r->len);
	iodt_sync(r->t);
}

/* ---- on dirty ---- */

static void converge(struct iodt *t, uint32_t resize_flags, uint64_t size, uint64_t staging)
{
	uint64_t at = t->v->first, g = t->page, off = size + size / 2 + g;
	struct iodt_bits b;
	struct logrig r;

	open_two(&r, t, size, staging);
	iodt_bits_init(&b, r.base, r.size, g);
	policyrig_start(&r, policyrig_arg(IOD_SPLIT_ON_DIRTY, resize_flags));
	assert_int_equal(size_at(t, at), size_at(t, at + size));
	/* all of the page, once */
	iodt_dma_write(t, at + off);
	assert_int_equal(logrig_sync_all(&r, 0, &b), size / g);
	assert_true(iodt_bits_get(&b, r.at + size) && iodt_bits_get(&b, r.at + 2 * size - g));
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	/* then what was written, no more; what was not is as it was */
	iodt_dma_write(t, at + off);
	assert_int_equal(size_at(t, at + off), g);
	assert_int_equal(size_at(t, at + 2 * size - g), g);
	assert_int_equal(size_at(t, at), size);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 1);
	assert_true(iodt_bits_get(&b, r.at + off));
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	assert_int_equal(logrig_info(&r).resize_errors, 0);
	assert_int_equal(logrig_info(&r).splits > 0, true);
	/* the final pass splits nothing */
	iodt_dma_write(t, at);
	assert_int_equal(logrig_sync_all(&r, IOD_DIRTY_SYNC_FINAL, &b), size / g);
	assert_int_equal(size_at(t, at), size);
	iodt_bits_free(&b);
	close_two(&r);
}

static void on_dirty_bearing(struct iodt *t, uint32_t resize_flags)
{
	uint64_t size = large(t);

	converge(t, resize_flags, size, 0);
	while (size > 4096 * t->page) /* in chunks of 64 granules that is slow */
		size /= 2;
	while (size > t->page && !(size & t->v->sizes))
		size /= 2;
	if (size >= 128 * t->page)
		converge(t, resize_flags, size, 8);
}

static void on_dirty_converges(struct iodt *t)
{
	if (large(t))
		policyrig_each(t, on_dirty_bearing);
}

/* Small pages cost nothing: no page is looked at, let alone split. */
static void small_pages_pay_nothing(struct iodt *t)
{
	struct iodt_variant v = *t->v;
	struct iodt_bits b;
	struct logrig r;
	struct iodt *own;

	v.sizes = v.pgsizes = t->page;
	v.plain = false;
	own = iodt_open(&v);
	assert_non_null(own);
	logrig_open(&r, own, 200, own->page, own->page, 8, 0, 0);
	iodt_bits_init(&b, 0, r.size, own->page);
	/* nothing to split: it does not matter what hardware bears */
	policyrig_start(&r, policyrig_arg(IOD_SPLIT_ON_DIRTY, 0));
	logrig_dma(&r, 0);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 1);
	assert_int_equal(logrig_info(&r).splits, 0);
	iodt_bits_free(&b);
	logrig_close(&r);
	assert_int_equal(iodt_close(own), 0);
}

/* Syncs of parts: a page over the end of the range is split there, and is clean the next time. */
static void parts_bearing(struct iodt *t, uint32_t resize_flags)
{
	uint64_t size = large(t), at = t->v->first, g = t->page;
	struct iodt_bits b;
	struct logrig r;

	if (size < 4 * g)
		return;
	open_two(&r, t, size, 0);
	iodt_bits_init(&b, r.base, r.size, g);
	policyrig_start(&r, policyrig_arg(IOD_SPLIT_ON_DIRTY, resize_flags));
	iodt_dma_write(t, at + g);
	iodt_assert_ok(logrig_sync(&r, r.at, 3 * g, 0, &b, NULL));
	assert_int_equal(iodt_bits_count(&b), 3);
	/* its parts are all dirty, wherever they lie, and come one by one */
	iodt_bits_zero(&b);
	iodt_assert_ok(logrig_sync(&r, r.at, 3 * g, 0, &b, NULL));
	assert_int_equal(iodt_bits_count(&b), 3);
	iodt_bits_zero(&b);
	iodt_assert_ok(logrig_sync(&r, r.at, 3 * g, 0, &b, NULL));
	assert_int_equal(iodt_bits_count(&b), 0);
	assert_int_equal(logrig_sync_all(&r, 0, &b), size / g - 3);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	iodt_bits_free(&b);
	close_two(&r);
}

static void parts_of_a_page(struct iodt *t)
{
	if (large(t))
		policyrig_each(t, parts_bearing);
}

/* Two phases: reading splits nothing; clearing does, and can clear a part of what was large. */
static void two_phases_bearing(struct iodt *t, uint32_t resize_flags)
{
	uint64_t size = large(t), at = t->v->first, g = t->page, done = 0;
	struct iodt_bits b;
	struct logrig r;

	if (size < 4 * g)
		return;
	open_two(&r, t, size, 0);
	iodt_bits_init(&b, r.base, r.size, g);
	policyrig_start(&r, policyrig_arg(IOD_SPLIT_ON_DIRTY, resize_flags));
	iodt_dma_write(t, at + size);
	/* marks split nothing, clean pages neither */
	iodt_assert_ok(iod_dirty_log_mark_dirty(r.log, r.at, size));
	assert_int_equal(logrig_sync_all(&r, IOD_DIRTY_SYNC_NO_REARM, &b), 2 * size / g);
	assert_int_equal(logrig_info(&r).splits, 0);
	iodt_assert_ok(iod_dirty_log_clear(r.log, r.at, size, &b.bm, &done));
	assert_int_equal(size_at(t, at), size);
	assert_int_equal(size_at(t, at + size), size);
	/* a part: the rest of the page stays reported */
	iodt_assert_ok(iod_dirty_log_clear(r.log, r.at + size, 3 * g, &b.bm, &done));
	assert_int_equal(size_at(t, at + size), g);
	assert_int_equal(logrig_sync_all(&r, IOD_DIRTY_SYNC_NO_REARM, &b), size / g - 3);
	iodt_assert_ok(iod_dirty_log_clear(r.log, r.at, 2 * size, &b.bm, &done));
	iodt_dma_write(t, at + size + g);
	assert_int_equal(logrig_sync_all(&r, IOD_DIRTY_SYNC_NO_REARM, &b), 1);
	iodt_assert_ok(iod_dirty_log_clear(r.log, r.at, 2 * size, &b.bm, &done));
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	assert_int_equal(size_at(t, at), size);
	iodt_bits_free(&b);
	close_two(&r);
}

static void clear_splits(struct iodt *t)
{
	if (large(t))
		policyrig_each(t, two_phases_bearing);
}

/* One invalidation and wait per chunk, as without a policy. */
static void one_invalidation(struct iodt *t)
{
	uint64_t size = large(t);
	struct iodt_variant v;
	struct iodt_bits b;
	struct logrig r;
	struct iodt *own;

	if (!size)
		return;
	own = policyrig_open(t, BEAR_ALL, &v);
	open_two(&r, own, size, 0);
	iodt_bits_init(&b, r.base, r.size, own->page);
	policyrig_start(&r, policyrig_arg(IOD_SPLIT_ON_DIRTY, 0));
	iodt_dma_write(own, v.first);
	iodt_dma_write(own, v.first + size);
	calls = 0;
	assert_int_equal(logrig_sync_all(&r, 0, &b), 2 * size / own->page);
	assert_int_equal(calls, 1);
	assert_int_equal(size_at(own, v.first), own->page);
	iodt_bits_free(&b);
	close_two(&r);
	assert_int_equal(iodt_close(own), 0);
}

/* ---- eager ---- */

static void same_leaves(struct iodt *a, struct iodt *b)
{
	struct iodt_leaves x = { 0 }, y = { 0 };
	size_t i;

	iodt_leaves(a, &x);
	iodt_leaves(b, &y);
	assert_int_equal(x.nr, y.nr);
	for (i = 0; i < x.nr; i++) {
		assert_int_equal(x.leaf[i].iova, y.leaf[i].iova);
		assert_int_equal(x.leaf[i].size, y.leaf[i].size);
		assert_int_equal(x.leaf[i].pa, y.leaf[i].pa);
	}
	iodt_leaves_free(&x);
	iodt_leaves_free(&y);
}

/* Not so many pages that looking at each takes long. */
static uint64_t middling(const struct iodt *t)
{
	uint64_t size = large(t);

	while (size > 4096 * t->page || (size && !(size & t->v->sizes)))
		size /= 2;
	return size > t->page ? size : 0;
}

static void eager_bearing(struct iodt *t, uint32_t resize_flags)
{
	struct iod_dirty_log_start arg = policyrig_arg(IOD_SPLIT_EAGER, resize_flags);
	struct iod_dirty_log_resize rs = { .size = sizeof(rs) };
	struct iodt *one = iodt_open(t->v);
	uint64_t size = middling(t), g = t->page, left;
	struct iodt_bits b;
	struct logrig r, whole;

	assert_non_null(one);
	open_two(&whole, one, size, 0);
	policyrig_start(&whole, arg);
	assert_int_equal(logrig_info(&whole).resize_left, 0);
	assert_int_equal(size_at(one, one->v->first), g);
	open_two(&r, t, size, 0);
	iodt_bits_init(&b, r.base, r.size, g);
	arg.budget = 1;
	policyrig_start(&r, arg);
	rs.left = logrig_info(&r).resize_left;
	rs.budget = 1;
	while (rs.left) {
		left = rs.left;
		/* syncs in between lose nothing; pages still large are found dirty, and split */
		iodt_dma_write(t, t->v->first + iodt_below(t, 2 * size));
		assert_true(logrig_sync_all(&r, 0, &b) > 0);
		iodt_assert_ok(iod_dirty_log_resize(r.log, &rs));
		assert_true(rs.left < left);
	}
	same_leaves(t, one);
	iodt_dma_write(t, t->v->first);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 1);
	rs.left = 1;
	iodt_assert_ok(iod_dirty_log_resize(r.log, &rs));
	assert_int_equal(rs.left | rs.items | rs.entries, 0);
	iodt_bits_free(&b);
	close_two(&r);
	close_two(&whole);
	assert_int_equal(iodt_close(one), 0);
}

static void eager_in_parts(struct iodt *t)
{
	if (middling(t))
		policyrig_each(t, eager_bearing);
}

/* Pages no smaller than asked for. */
static void page_size(struct iodt *t)
{
	uint64_t size = large(t), want;
	struct iod_dirty_log_start arg = policyrig_arg(IOD_SPLIT_EAGER, 0);
	struct iodt_variant v;
	struct logrig r;
	struct iodt *own;

	for (want = t->page; size && want < size; want *= 2) {
		own = policyrig_open(t, BEAR_ALL, &v);
		open_two(&r, own, size, 0);
		arg.page_size = want;
		policyrig_start(&r, arg);
		assert_int_equal(size_at(own, v.first), iodt_pow2_floor(v.sizes & (2 * want - 1)));
		close_two(&r);
		assert_int_equal(iodt_close(own), 0);
	}
}

/* ---- merging ---- */

static void merge_bearing(struct iodt *t, uint32_t resize_flags)
{
	struct iod_dirty_log_start arg = policyrig_arg(IOD_SPLIT_ON_DIRTY, resize_flags);
	uint64_t size = middling(t), at = t->v->first, g = t->page;
	struct iodt_bits b;
	struct logrig r;
	unsigned int i;

	open_two(&r, t, size, 0);
	iodt_bits_init(&b, r.base, r.size, g);
	arg.merge_after = 3;
	policyrig_start(&r, arg);
	iodt_dma_write(t, at);
	assert_int_equal(logrig_sync_all(&r, 0, &b), size / g);
	for (i = 0; i < 2; i++) {
		assert_int_equal(size_at(t, at), g);
		assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	}
	/* dirty once more: it begins anew */
	iodt_dma_write(t, at + g);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 1);
	for (i = 0; i < 3; i++) {
		assert_int_equal(size_at(t, at), g);
		assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	}
	assert_int_equal(size_at(t, at), size);
	assert_true(logrig_info(&r).merges > 0);
	/* and around again */
	iodt_dma_write(t, at + g);
	assert_int_equal(logrig_sync_all(&r, 0, &b), size / g);
	assert_int_equal(size_at(t, at), g);
	assert_int_equal(logrig_info(&r).resize_errors, 0);
	iodt_bits_free(&b);
	close_two(&r);
}

static void merge_after(struct iodt *t)
{
	if (middling(t))
		policyrig_each(t, merge_bearing);
}

/* At stop; what was dirty is exact after a resume. In one go, or in parts. */
static void stop_bearing(struct iodt *t, uint32_t resize_flags)
{
	struct iod_dirty_log_start arg = policyrig_arg(IOD_SPLIT_EAGER, resize_flags);
	struct iod_dirty_log_resize rs = { .size = sizeof(rs), .flags = IOD_DIRTY_LOG_MERGE };
	uint64_t size = middling(t), at = t->v->first, g = t->page;
	struct iodt_bits b;
	struct logrig r;
	unsigned int parts;

	for (parts = 0; parts < 2; parts++) {
		open_two(&r, t, size, 0);
		iodt_bits_init(&b, r.base, r.size, g);
		policyrig_start(&r, arg);
		iodt_dma_write(t, at + g);
		assert_int_equal(iod_dirty_log_resize(r.log, &rs), -EINVAL); /* started */
		iodt_assert_ok(iod_dirty_log_stop(r.log, parts ? 0 : IOD_DIRTY_LOG_MERGE));
		rs.budget = 1;
		rs.left = parts;
		while (rs.left) {
			assert_int_equal(size_at(t, at + 2 * size - g), g);
			iodt_assert_ok(iod_dirty_log_resize(r.log, &rs));
		}
		assert_int_equal(size_at(t, at), size);
		assert_int_equal(size_at(t, at + size), size);
		assert_int_equal(logrig_info(&r).resize_left, 0);
		logrig_start(&r, IOD_DIRTY_LOG_RESUME);
		assert_int_equal(logrig_sync_all(&r, 0, &b), 1);
		assert_true(iodt_bits_get(&b, r.at + g));
		iodt_bits_free(&b);
		close_two(&r);
	}
}

static void merge_at_stop(struct iodt *t)
{
	if (middling(t))
		policyrig_each(t, stop_bearing);
}

/* ---- errors ---- */

static void without_memory(struct iodt *t)
{
	struct iod_dirty_log_resize rs = { .size = sizeof(rs) };
	uint64_t size = large(t), g = t->page, now;
	struct iodt_variant v;
	struct iodt_bits b;
	struct logrig r;
	struct iodt *own;

	if (size < iodt_table_span(t->v)) /* splitting runs takes no memory */
		return;
	own = policyrig_open(t, BEAR_ALL, &v);
	open_two(&r, own, size, 0);
	iodt_bits_init(&b, r.base, r.size, g);
	iodt_assert_ok(iod_mem_set_limit(own->mem, iodt_stats(own->mem).bytes));
	policyrig_start(&r, policyrig_arg(IOD_SPLIT_EAGER, 0));
	assert_true(logrig_info(&r).resize_errors > 0);
	assert_int_equal(logrig_info(&r).resize_left, 2 * size);
	assert_int_equal(iod_dirty_log_resize(r.log, &rs), -ENOMEM);
	assert_int_equal(rs.left, 2 * size);
	/* a sync does without, and reports what it would have */
	iodt_dma_write(own, v.first);
	now = size_at(own, v.first); /* a run may be split as far as single items */
	assert_true(now > g);
	assert_int_equal(logrig_sync_all(&r, 0, &b), now / g);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	assert_true(logrig_info(&r).resize_errors > 1);
	assert_int_equal(size_at(own, v.first), now);
	iodt_dma_write(own, v.first);
	assert_int_equal(logrig_sync_all(&r, IOD_DIRTY_SYNC_NO_REARM, &b), now / g);
	iodt_assert_ok(iod_dirty_log_clear(r.log, r.base, r.size, &b.bm, NULL));
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	/* with memory it works again */
	iodt_assert_ok(iod_mem_set_limit(own->mem, 0));
	iodt_assert_ok(iod_dirty_log_resize(r.log, &rs));
	assert_int_equal(rs.left, 0);
	assert_int_equal(size_at(own, v.first), g);
	iodt_bits_free(&b);
	close_two(&r);
	assert_int_equal(iodt_close(own), 0);
}

/* The invalidation fails in a sync that splits: nothing is handed out, nothing is lost. */
static void failing_bearing(struct iodt *t, uint32_t resize_flags)
{
	struct iod_dirty_log_start arg = policyrig_arg(IOD_SPLIT_ON_DIRTY, resize_flags);
	uint64_t want;
	struct iodt_bits b;
	struct logrig r;
	unsigned int n;

	for (n = 0; n < 4; n++) {
		logrig_open(&r, t, 1024, 0, t->page, n & 2 ? 8 : 0, 0, 0);
		iodt_bits_init(&b, 0, r.size, t->page);
		policyrig_start(&r, arg);
		logrig_dma(&r, r.len / 2);
		want = size_at(t, r.iova + r.len / 2) / t->page;
		r.fail_invalidate = !(n & 1);
		r.fail_sync = n & 1;
		assert_int_not_equal(logrig_sync(&r, 0, r.size, 0, &b, NULL), 0);
		assert_int_equal(iodt_bits_count(&b), 0);
		/* through what the device still holds */
		logrig_dma(&r, r.len / 2);
		assert_true(logrig_sync_all(&r, 0, &b) >= want);
		logrig_copy(&r, &b);
		assert_int_equal(logrig_stale(&r), 0);
		iodt_bits_free(&b);
		logrig_close(&r);
		iodt_unmap(t, r.iova, r.len);
		iodt_sync(t);
	}
}

static void failing_invalidation(struct iodt *t)
{
	policyrig_each(t, failing_bearing);
}

static void bad_arguments(struct iodt *t)
{
	struct iod_dirty_log_resize rs = { .size = sizeof(rs), .flags = 1 };
	struct iod_dirty_log_start arg;
	struct logrig r;

	logrig_open(&r, t, 8, t->page, t->page, 0, 0, 0);
#define BAD(field, value)                                                    \
	do {                                                                 \
		arg = policyrig_arg(IOD_SPLIT_ON_DIRTY, 0);                  \
		arg.field = (value);                                         \
		assert_int_equal(iod_dirty_log_start(r.log, &arg), -EINVAL); \
	} while (0)
	BAD(policy, 3);
	BAD(page_size, 3 * t->page);
	BAD(merge_after, IOD_DIRTY_LOG_MERGE_AFTER_MAX + 1);
	BAD(resize_flags, 4);
#undef BAD
	arg = policyrig_arg(IOD_SPLIT_NONE, 0);
	arg.merge_after = 1;
	assert_int_equal(iod_dirty_log_start(r.log, &arg), -EINVAL);
	arg = policyrig_arg(IOD_SPLIT_NONE, IOD_RESIZE_ALLOW_FAULTS);
	assert_int_equal(iod_dirty_log_start(r.log, &arg), -EINVAL);
	assert_int_equal(iod_dirty_log_resize(r.log, &rs), -EINVAL);
	rs.flags = 0;
	rs.reserved = 1;
	assert_int_equal(iod_dirty_log_resize(r.log, &rs), -EINVAL);
	assert_int_equal(iod_dirty_log_resize(r.log, NULL), -EINVAL);
	assert_int_equal(iod_dirty_log_resize(NULL, &rs), -EINVAL);
	assert_int_equal(logrig_info(&r).started, 0);
	logrig_close(&r);
}

/* Hardware that wants break-before-make says so at start, and nothing is changed. */
static void refused(struct iodt *t)
{
	struct iod_dirty_log_start arg = policyrig_arg(IOD_SPLIT_ON_DIRTY, 0);
	struct iodt_variant v;
	struct iodt *own;
	struct logrig r;

	if (!large(t))
		return;
	own = policyrig_open(t, BEAR_BREAK, &v);
	logrig_open(&r, own, 8, own->page, own->page, 0, 0, 0);
	logrig_cpu(&r, 0);
	assert_int_equal(iod_dirty_log_start(r.log, &arg), -EOPNOTSUPP);
	assert_int_equal(logrig_info(&r).held, 1);
	arg.resize_flags = IOD_RESIZE_ALLOW_FAULTS;
	policyrig_start(&r, arg);
	logrig_close(&r);
	assert_int_equal(iodt_close(own), 0);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "on_dirty_converges", IODT_DIRTY, 0, on_dirty_converges },
		{ "small_pages_pay_nothing", IODT_DIRTY | IODT_PLAIN, 0, small_pages_pay_nothing },
		{ "parts_of_a_page", IODT_DIRTY, 0, parts_of_a_page },
		{ "clear_splits", IODT_DIRTY, 0, clear_splits },
		{ "one_invalidation", IODT_DIRTY, 0, one_invalidation },
		{ "eager_in_parts", IODT_DIRTY, 0, eager_in_parts },
		{ "page_size", IODT_DIRTY | IODT_PLAIN, 0, page_size },
		{ "merge_after", IODT_DIRTY, 0, merge_after },
		{ "merge_at_stop", IODT_DIRTY, 0, merge_at_stop },
		{ "without_memory", IODT_DIRTY, 0, without_memory },
		{ "failing_invalidation", IODT_DIRTY, 0, failing_invalidation },
		{ "bad_arguments", IODT_DIRTY | IODT_PLAIN, 0, bad_arguments },
		{ "refused", IODT_DIRTY | IODT_ARM, 0, refused },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
