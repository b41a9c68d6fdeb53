/* SPDX-License-Identifier: MIT */
/* What iod_dirty_log reports, against a flat model; its arguments; its life. */
#include "logrig.h"

#define OPS 400

/* Granules to test with: smaller than, as large as and larger than a page, where there are such. */
static size_t granules(const struct iodt *t, uint64_t out[3])
{
	size_t n = 0;

	out[n++] = t->page;
	if (t->page > IODT_4K)
		out[n++] = IODT_4K;
	if (t->v->last - t->v->first >= 64 * t->page)
		out[n++] = 8 * t->page;
	return n;
}

/* ---- start and stop ---- */

static void starting(struct iodt *t)
{
	struct iodt_bits b;
	struct logrig r;

	if (t->v->last - t->v->first < 8 * t->page)
		return;
	logrig_open(&r, t, 128, t->page, t->page, 8, 0, 0);
	iodt_bits_init(&b, 0, r.size, t->page);
	assert_int_equal(logrig_sync(&r, 0, r.size, 0, &b, NULL), -EINVAL); /* not started */
	assert_int_equal(iod_dirty_log_stop(r.log, 0), -EINVAL);
	/* what was dirty before is not reported, but devices must hear of it */
	logrig_dma(&r, 0);
	logrig_cpu(&r, t->page);
	logrig_start(&r, 0);
	assert_int_equal(r.syncs, 1);
	assert_int_equal(iod_dirty_log_start(r.log, NULL), -EBUSY);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	logrig_dma(&r, 0);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 1);
	assert_true(iodt_bits_get(&b, 0));
	/* stop and go on: marks and writes in between count */
	logrig_dma(&r, 0);
	iodt_assert_ok(iod_dirty_log_stop(r.log, 0));
	logrig_cpu(&r, 2 * t->page);
	logrig_cpu(&r, 2 * t->page);
	logrig_dma(&r, 3 * t->page);
	logrig_start(&r, IOD_DIRTY_LOG_RESUME);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 3);
	/* everything */
	iodt_assert_ok(iod_dirty_log_stop(r.log, 0));
	logrig_start(&r, IOD_DIRTY_LOG_INITIALLY_DIRTY);
	assert_int_equal(logrig_info(&r).held, r.size / t->page);
	assert_int_equal(logrig_sync_all(&r, 0, &b), r.size / t->page);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	logrig_dma(&r, r.len - 1);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 1);
	iodt_bits_free(&b);
	logrig_close(&r);
}

/* ---- random operations against a flat model ---- */

/*
 * Pages dirty in the table, granules held by the log, both by hand. Leaves are of the smallest size, so
 * that the answer is exact.
 */
struct flat {
	struct logrig *r;
	bool page[LOGRIG_FRAMES];
	bool held[16 * LOGRIG_FRAMES];
	uint64_t granules, unit; /* a range of the log is a multiple of unit */
	struct iodt_bits got, taken;
};

static bool flat_bit(const struct flat *f, uint64_t g)
{
	const struct logrig *r = f->r;
	uint64_t at = r->base + g * r->granule, i;

	if (f->held[g])
		return true;
	for (i = 0; i < r->granule; i += r->t->page)
		if (at + i >= r->at && at + i < r->at + r->len &&
		    f->page[(at + i - r->at) / r->t->page])
			return true;
	return false;
}

/* A page is cleaned if all its granules are in the range and, with a bitmap, set. */
static void flat_clean(struct flat *f, uint64_t from, uint64_t to, const struct iodt_bits *by)
{
	struct logrig *r = f->r;
	uint64_t p, g, n = r->t->page / r->granule, first;
	bool all;

	for (p = 0; p < r->len / r->t->page; p++) {
		first = (r->at + p * r->t->page - r->base) / r->granule;
		all = true;
		for (g = first; g < first + (n ? n : 1); g++)
			all = all && g >= from && g < to &&
			      (!by || iodt_bits_get(by, r->base + g * r->granule));
		f->page[p] = f->page[p] && !all;
	}
	for (g = from; g < to; g++)
		if (!by || iodt_bits_get(by, r->base + g * r->granule))
			f->held[g] = false;
}

static void flat_range(struct flat *f, uint64_t *from, uint64_t *to)
{
	struct logrig *r = f->r;
	uint64_t units = r->size / f->unit, a = iodt_below(r->t, units);
	uint64_t b = a + 1 + iodt_below(r->t, units - a);

	if (!iodt_below(r->t, 3)) {
		a = 0;
		b = units;
	}
	*from = a * f->unit / r->granule;
	*to = b * f->unit / r->granule;
}

static void flat_check(struct flat *f, uint64_t from, uint64_t to)
{
	uint64_t g;
	bool want;

	for (g = 0; g < f->granules; g++) {
		want = g >= from && g < to && flat_bit(f, g);
		if (iodt_bits_get(&f->got, f->r->base + g * f->r->granule) != want)
			fail_msg("granule %ju: %s", (uintmax_t)g, want ? "lost" : "not dirty");
	}
}

struct runs {
	struct flat *f;
	uint64_t end, refuse_after, n;
};

static int on_run(void *cookie, uint64_t iova, uint64_t len)
{
	struct runs *s = cookie;
	uint64_t i;

	if (s->n == s->refuse_after)
		return -ENOSPC;
	s->n++;
	/* in order, and not cut: a clean granule lies between two */
	assert_true(s->end == UINT64_MAX || iova > s->end);
	s->end = iova + len;
	for (i = 0; i < len; i += s->f->r->granule)
		iodt_bits_put(&s->f->got, iova + i);
	return 0;
}

static void flat_runs(struct flat *f, uint64_t from, uint64_t to)
{
	struct logrig *r = f->r;
	struct runs runs = { f, UINT64_MAX, iodt_below(r->t, 2) ? UINT64_MAX : iodt_below(r->t, 5),
			     0 };
	struct iod_dirty_log_sync s = { .size = sizeof(s),
					.iova = r->base + from * r->granule,
					.len = (to - from) * r->granule,
					.fn = on_run,
					.cookie = &runs };
	int ret = iod_dirty_log_sync(r->log, &s);

	if (ret) {
		assert_int_equal(ret, -ENOSPC);
		assert_int_equal(runs.n, runs.refuse_after);
		to = from + s.done / r->granule;
		/* nothing behind is gone: it is the log's now, page or not */
		flat_check(f, from, to);
		flat_clean(f, from, to, NULL);
		return;
	}
	assert_int_equal(s.done, s.len);
	flat_check(f, from, to);
	assert_int_equal(s.dirty, iodt_bits_count(&f->got));
	flat_clean(f, from, to, NULL);
}

static void flat_sync(struct flat *f, uint64_t from, uint64_t to)
{
	struct logrig *r = f->r;
	uint64_t at = r->base + from * r->granule, len = (to - from) * r->granule;
	static const uint32_t flags[] = { IOD_DIRTY_SYNC_NO_REARM, IOD_DIRTY_SYNC_FINAL, 0,
					  IOD_DIRTY_SYNC_PRUNE };
	uint32_t flag = flags[iodt_below(r->t, IODT_ARRAY_SIZE(flags))];
	bool keep = flag & IOD_DIRTY_SYNC_NO_REARM;

	iodt_assert_ok(logrig_sync(r, at, len, flag, &f->got, NULL));
	flat_check(f, from, to);
	if (!keep)
		flat_clean(f, from, to, NULL);
}

static void flat_clear(struct flat *f, uint64_t from, uint64_t to)
{
	struct logrig *r = f->r;
	uint64_t g, done = 0, len = (to - from) * r->granule;
	bool take = false;

	/* Whole pages: of a page that was given back, the log holds granules. */
	for (g = from; g < to; g++) {
		if ((g - from) * r->granule % f->unit == 0)
			take = iodt_below(r->t, 4);
		if (take)
			iodt_bits_put(&f->taken, r->base + g * r->granule);
	}
	iodt_assert_ok(
		iod_dirty_log_clear(r->log, r->base + from * r->granule, len, &f->taken.bm, &done));
	assert_int_equal(done, len);
	flat_clean(f, from, to, &f->taken);
}

static void flat_write(struct flat *f)
{
	struct logrig *r = f->r;
	uint64_t n = 1 + iodt_below(r->t, 20), off, g;

	while (n--) {
		off = iodt_below(r->t, r->len);
		if (iodt_below(r->t, 3)) {
			logrig_dma(r, off);
			f->page[off / r->t->page] = true;
			continue;
		}
		off = iodt_below(r->t, r->size - 3);
		iodt_assert_ok(iod_dirty_log_mark_dirty(r->log, r->base + off, 3));
		for (g = off / r->granule; g <= (off + 2) / r->granule; g++)
			f->held[g] = true;
	}
}

static void flat_rollback(struct flat *f)
{
	struct logrig *r = f->r;
	uint64_t n = iodt_below(r->t, 4), g;

	while (n--) {
		g = iodt_below(r->t, f->granules);
		iodt_bits_put(&f->taken, r->base + g * r->granule);
		f->held[g] = true;
	}
	iodt_assert_ok(iod_dirty_log_rollback(r->log, &f->taken.bm));
}

static void flat_op(struct flat *f)
{
	uint64_t from, to;

	iodt_bits_zero(&f->got);
	iodt_bits_zero(&f->taken);
	flat_range(f, &from, &to);
	switch (iodt_below(f->r->t, 8)) {
	case 0:
	case 1:
		flat_sync(f, from, to);
		break;
	case 2:
		flat_runs(f, from, to);
		break;
	case 3:
		flat_clear(f, from, to);
		break;
	case 4:
		flat_rollback(f);
		break;
	default:
		flat_write(f);
	}
}

/* The window's place in the log is odd, for those who count in words. */
static void random_on(struct iodt *t, uint64_t granule, uint64_t staging, unsigned int odd)
{
	uint64_t unit = granule > t->page ? granule : t->page;
	struct flat *f = calloc(1, sizeof(*f));
	unsigned int i, n = iodt_scale(OPS);
	struct logrig r;

	assert_non_null(f);
	logrig_open(&r, t, 300, t->page, granule, staging, 5 * unit, odd * unit);
	f->r = &r;
	f->unit = unit;
	f->granules = r.size / granule;
	assert_true(f->granules <= IODT_ARRAY_SIZE(f->held));
	iodt_bits_init(&f->got, r.base, r.size, granule);
	iodt_bits_init(&f->taken, r.base, r.size, granule);
	logrig_start(&r, 0);
	for (i = 0; i < n; i++)
		flat_op(f);
	iodt_bits_zero(&f->got);
	flat_check(f, 0, 0);
	flat_sync(f, 0, f->granules);
	iodt_bits_free(&f->got);
	iodt_bits_free(&f->taken);
	logrig_close(&r);
	free(f);
	iodt_unmap(t, r.iova, r.len);
	iodt_sync(t);
}

static void random_against_flat_model(struct iodt *t)
{
	static const struct {
		uint64_t staging;
		unsigned int odd;
	} ways[] = { { 8, 0 }, { 16, 7 }, { 0, 63 }, { 8, 64 }, { 64, 1 } };
	uint64_t g[3];
	size_t n = granules(t, g), i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < IODT_ARRAY_SIZE(ways); j++)
			random_on(t, g[i], ways[j].staging, ways[j].odd);
}

/* ---- large pages across the chunks of a sync ---- */

/* The size of the largest page that is not outlandish. */
static uint64_t large(const struct iodt *t)
{
	uint64_t sizes = t->v->sizes & (IODT_1G * 2 - 1);

	return sizes ? iodt_pow2_floor(sizes) : 0;
}

static int fail_next;

static int may_fail(void *cookie, const struct iod_inv *inv, size_t nr)
{
	int ret = fail_next;

	fail_next = 0;
	return ret;
}

/* The invalidation fails in the chunk in which the page began: all of it must come again. */
static void page_over_chunks_fails(struct logrig *r, struct iodt_bits *b, uint64_t size)
{
	uint64_t iova = r->t->v->first, g = r->t->page, done = 0;

	iodt_dma_write(r->t, iova + size);
	iodt_bits_zero(b);
	fail_next = -EIO;
	assert_int_equal(logrig_sync(r, 0, 2 * size, 0, b, &done), -EIO);
	assert_int_equal(done, size);
	assert_int_equal(iodt_bits_count(b), 0);
	assert_int_equal(logrig_sync_all(r, IOD_DIRTY_SYNC_NO_REARM, b), size / g);
	assert_int_equal(logrig_sync_all(r, 0, b), size / g);
	iodt_dma_write(r->t, iova + size);
	assert_int_equal(logrig_sync_all(r, IOD_DIRTY_SYNC_NO_REARM, b), size / g);
	fail_next = -EIO;
	done = 0;
	assert_int_equal(iod_dirty_log_clear(r->log, 0, 2 * size, &b->bm, &done), -EIO);
	assert_int_equal(done, size);
	assert_int_equal(logrig_sync_all(r, IOD_DIRTY_SYNC_NO_REARM, b), size / g);
	iodt_assert_ok(iod_dirty_log_clear(r->log, 0, 2 * size, &b->bm, NULL));
	assert_int_equal(logrig_sync_all(r, 0, b), 0);
}

/* A log of 64 granules a chunk over what is mapped. */
static void open_over_chunks(struct logrig *r, struct iodt *t, uint64_t len)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = may_fail };
	struct iod_dirty_log_cfg cfg = {
		.size = sizeof(cfg), .len = len, .granule = t->page, .staging = 8
	};
	struct iod_dirty_log_table win = {
		.size = sizeof(win), .pt = t->pt, .table_iova = t->v->first, .len = len, .ops = &ops
	};

	memset(r, 0, sizeof(*r));
	r->t = t;
	r->size = len;
	iodt_assert_ok(iod_dirty_log_create(&r->log, &cfg));
	iodt_assert_ok(iod_dirty_log_add_table(r->log, &win));
}

static void pages_over_chunks(struct iodt *t)
{
	uint64_t size = large(t), g = t->page, done = 0;
	struct iodt_bits b;
	struct logrig r;

	if (size < 256 * g || size / g > LOGRIG_FRAMES * 256u ||
	    t->v->last - t->v->first < 2 * size - 1)
		return;
	iodt_map(t, t->v->first, size, 2 * size, IODT_RW);
	open_over_chunks(&r, t, 2 * size);
	iodt_bits_init(&b, 0, 2 * size, g);
	logrig_start(&r, 0);
	/* whole: reported as a whole, and once */
	iodt_dma_write(t, t->v->first + size + g);
	assert_int_equal(logrig_sync_all(&r, 0, &b), size / g);
	assert_false(iodt_bits_get(&b, size - g));
	assert_true(iodt_bits_get(&b, size) && iodt_bits_get(&b, 2 * size - g));
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	/* a part: reported for the part, dirty ever after */
	iodt_dma_write(t, t->v->first);
	iodt_bits_zero(&b);
	iodt_assert_ok(logrig_sync(&r, 0, size - g, 0, &b, NULL));
	assert_int_equal(iodt_bits_count(&b), size / g - 1);
	/* the second phase: not by halves */
	iodt_bits_zero(&b);
	iodt_assert_ok(iod_bitmap_set(&b.bm, 0, size - g));
	iodt_assert_ok(iod_dirty_log_clear(r.log, 0, 2 * size, &b.bm, NULL));
	assert_int_equal(logrig_sync_all(&r, IOD_DIRTY_SYNC_NO_REARM, &b), size / g);
	iodt_assert_ok(iod_dirty_log_clear(r.log, 0, 2 * size, &b.bm, &done));
	assert_int_equal(done, 2 * size);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	page_over_chunks_fails(&r, &b, size);
	iodt_bits_free(&b);
	iodt_assert_ok(iod_dirty_log_destroy(r.log));
}

/* ---- bitmaps of other granules ---- */

static void other_granules(struct iodt *t)
{
	uint64_t page = t->page, g, i;
	struct iodt_bits b;
	struct logrig r;

	if (t->v->last - t->v->first < 8 * page)
		return;
	logrig_open(&r, t, 128, page, page, 8, 0, 0);
	logrig_start(&r, 0);
	for (g = IODT_4K; g <= 4 * page && r.size % g == 0; g *= 2) {
		iodt_bits_init(&b, 0, r.size, g);
		logrig_dma(&r, 0);
		logrig_dma(&r, r.len - 1);
		logrig_cpu(&r, 5 * page);
		iodt_assert_ok(logrig_sync(&r, 0, r.size, IOD_DIRTY_SYNC_NO_REARM, &b, NULL));
		for (i = 0; i < r.size; i += g)
			assert_int_equal(iodt_bits_get(&b, i),
					 i < page || i >= ((r.len - 1) & -g) ||
						 (i + g > 5 * page && i < 6 * page) ||
						 i + g > r.len - page);
		iodt_assert_ok(iod_dirty_log_clear(r.log, 0, r.size, &b.bm, NULL));
		iodt_bits_zero(&b);
		iodt_assert_ok(logrig_sync(&r, 0, r.size, 0, &b, NULL));
		assert_int_equal(iodt_bits_count(&b), 0);
		/* rolled back, a bit stands for all that it covers */
		iodt_bits_put(&b, 0);
		iodt_assert_ok(iod_dirty_log_rollback(r.log, &b.bm));
		iodt_bits_zero(&b);
		assert_int_equal(logrig_info(&r).held, g > page ? g / page : 1);
		iodt_assert_ok(logrig_sync(&r, 0, r.size, 0, &b, NULL));
		assert_int_equal(iodt_bits_count(&b), g > page ? 1 : page / g);
		iodt_bits_free(&b);
	}
	logrig_close(&r);
}

/* ---- arguments ---- */

static int inside_a_visit(void *cookie, const struct iod_visit_event *event)
{
	struct logrig *r = cookie;
	struct iodt_bits b;

	iodt_bits_init(&b, 0, r->size, r->granule);
	assert_int_equal(logrig_sync(r, 0, r->size, 0, &b, NULL), -EINVAL);
	assert_int_equal(iod_dirty_log_clear(r->log, 0, r->size, &b.bm, NULL), -EINVAL);
	assert_int_equal(iod_dirty_log_start(r->log, NULL), -EINVAL);
	assert_int_equal(iod_dirty_log_remove_table(r->log, r->t->pt, 0), -EINVAL);
	assert_int_equal(iod_dirty_log_destroy(r->log), -EINVAL);
	iodt_assert_ok(iod_dirty_log_mark_dirty(r->log, 0, 1));
	iodt_bits_free(&b);
	return 1;
}

static void bad_sync(struct iodt *t)
{
	struct iod_dirty_log_start start = { .size = sizeof(start), .flags = 4 };
	struct iod_dirty_log_sync s = { .size = sizeof(s) };
	struct iod_visit v = { .size = sizeof(v), .len = t->page, .fn = inside_a_visit };
	struct iodt_bits b, small;
	struct logrig r;

	logrig_open(&r, t, 64, t->page, t->page, 8, 0, 0);
	iodt_bits_init(&b, 0, r.size, t->page);
	iodt_bits_init(&small, 0, r.size - t->page, t->page);
	assert_int_equal(iod_dirty_log_start(r.log, &start), -EINVAL);
	start.flags = 3;
	assert_int_equal(iod_dirty_log_start(r.log, &start), -EINVAL);
	start = (struct iod_dirty_log_start){ .size = sizeof(start), .policy = 3 };
	assert_int_equal(iod_dirty_log_start(r.log, &start), -EINVAL);
	logrig_start(&r, IOD_DIRTY_LOG_INITIALLY_DIRTY);
	assert_int_equal(iod_dirty_log_stop(r.log, 1), -EINVAL);
	assert_int_equal(logrig_sync(&r, 0, t->page - 1, 0, &b, NULL), -EINVAL);
	assert_int_equal(logrig_sync(&r, 1, t->page, 0, &b, NULL), -EINVAL);
	assert_int_equal(logrig_sync(&r, t->page, r.size, 0, &b, NULL), -ERANGE);
	assert_int_equal(logrig_sync(&r, 0, r.size, 0, &small, NULL), -ERANGE);
	assert_int_equal(logrig_sync(&r, 0, r.size, 16, &b, NULL), -EINVAL);
	assert_int_equal(logrig_sync(&r, 0, r.size, IOD_DIRTY_SYNC_NO_REARM | IOD_DIRTY_SYNC_PRUNE,
				     &b, NULL),
			 -EINVAL);
	assert_int_equal(iod_dirty_log_sync(r.log, &s), -EINVAL); /* neither bitmap nor fn */
	assert_int_equal(iod_dirty_log_sync(r.log, NULL), -EINVAL);
	s.bitmap = &b.bm;
	assert_int_equal(iod_dirty_log_sync(r.log, &s), -EINVAL); /* len 0 */
	assert_int_equal(iod_dirty_log_clear(r.log, 0, 0, &b.bm, NULL), -EINVAL);
	assert_int_equal(iod_dirty_log_clear(r.log, 0, r.size, NULL, NULL), -EINVAL);
	assert_int_equal(iod_dirty_log_clear(r.log, 0, r.size, &small.bm, NULL), -ERANGE);
	assert_int_equal(iod_dirty_log_clear(r.log, 0, t->page + 1, &b.bm, NULL), -EINVAL);
	v.iova = r.iova;
	v.cookie = &r;
	assert_int_equal(iod_visit(t->pt, &v), 1);
	/* none of that took anything */
	assert_int_equal(iodt_bits_count(&b) + iodt_bits_count(&small), 0);
	assert_int_equal(logrig_info(&r).held, r.size / t->page);
	iodt_bits_free(&b);
	iodt_bits_free(&small);
	logrig_close(&r);
}

/* A page size above the granule: ranges must not cut a page. */
static void range_that_cuts_a_page(struct iodt *t)
{
	struct iodt_bits b;
	struct logrig r;

	if (t->page == IODT_4K)
		return;
	logrig_open(&r, t, 8, t->page, IODT_4K, 0, 0, 0);
	iodt_bits_init(&b, 0, r.size, IODT_4K);
	logrig_start(&r, 0);
	assert_int_equal(logrig_sync(&r, IODT_4K, t->page, 0, &b, NULL), -EINVAL);
	assert_int_equal(logrig_sync(&r, 0, IODT_4K, 0, &b, NULL), -EINVAL);
	iodt_bits_free(&b);
	logrig_close(&r);
}

static void no_dirty_tracking(struct iodt *t)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .len = t->page };
	struct iod_dirty_log_table win = {
		.size = sizeof(win), .pt = t->pt, .table_iova = t->v->first, .len = t->page
	};
	struct iod_dirty_log *log;

	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	assert_int_equal(iod_dirty_log_add_table(log, &win), -EOPNOTSUPP);
	iodt_assert_ok(iod_dirty_log_destroy(log));
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "starting", IODT_DIRTY, 0, starting },
		{ "random_against_flat_model", IODT_DIRTY, 0, random_against_flat_model },
		{ "pages_over_chunks", IODT_DIRTY | IODT_HUGE, 0, pages_over_chunks },
		{ "other_granules", IODT_DIRTY, 0, other_granules },
		{ "bad_sync", IODT_DIRTY, 0, bad_sync },
		{ "range_that_cuts_a_page", IODT_DIRTY, 0, range_that_cuts_a_page },
		{ "no_dirty_tracking", 0, IODT_DIRTY, no_dirty_tracking },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
