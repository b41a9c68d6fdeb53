/* SPDX-License-Identifier: MIT */
/*
 * Unmapping through the dirty log: what was dirty is delivered, with the call or with the next sync, and
 * nothing is lost to a device that writes until it is told, nor to an invalidation that fails.
 */
#include "policyrig.h"

static struct iod_dirty_log_unmap unmap_arg(struct logrig *r, uint64_t off, uint64_t len,
					    struct iodt_bits *b)
{
	return (struct iod_dirty_log_unmap){ .size = sizeof(struct iod_dirty_log_unmap),
					     .pt = r->t->pt,
					     .iova = r->iova + off,
					     .len = len,
					     .bitmap = b ? &b->bm : NULL };
}

/* All of it is mapped, and is unmapped. */
static void unmap_ok(struct logrig *r, uint64_t off, uint64_t len, struct iodt_bits *b)
{
	struct iod_dirty_log_unmap u = unmap_arg(r, off, len, b);

	iodt_assert_ok(iod_dirty_log_unmap(r->log, &u));
	assert_int_equal(u.unmapped, len);
	assert_int_equal(u.next_iova, r->iova + off + len);
	if (b)
		assert_int_equal(u.dirty, iodt_bits_count(b));
	iodt_expect_unmap(r->t, r->iova + off, len);
}

static void finish(struct logrig *r, struct iodt_bits *b)
{
	struct iodt *t = r->t;

	iodt_verify(t);
	if (b)
		iodt_bits_free(b);
	logrig_close(r);
	iod_unmap(t->pt, r->iova, r->len, 0, t->gather, NULL);
	iodt_expect_unmap(t, r->iova, r->len);
	iodt_sync(t);
}

/* ---- what is delivered ---- */

static void delivers(struct iodt *t, uint64_t base, uint64_t odd)
{
	uint64_t page = t->page;
	struct iodt_bits b;
	struct logrig r;

	logrig_open(&r, t, 16, page, page, 8, base, odd);
	iodt_bits_init(&b, r.base, r.size, page);
	logrig_start(&r, 0);
	logrig_dma(&r, 0);
	logrig_dma(&r, 2 * page);
	logrig_dma(&r, 3 * page);
	logrig_cpu(&r, 4 * page);
	/* exactly the range, marks too */
	unmap_ok(&r, page, 4 * page, &b);
	assert_int_equal(iodt_bits_count(&b), 3);
	assert_true(iodt_bits_get(&b, r.at + 2 * page) && iodt_bits_get(&b, r.at + 3 * page) &&
		    iodt_bits_get(&b, r.at + 4 * page));
	assert_int_equal(r.syncs, 1); /* nothing was dirty at start */
	/* without a bitmap it comes with the next sync */
	logrig_dma(&r, 6 * page);
	unmap_ok(&r, 5 * page, 2 * page, NULL);
	assert_int_equal(logrig_info(&r).held, 1);
	assert_int_equal(logrig_sync_all(&r, IOD_DIRTY_SYNC_NO_REARM, &b), 2);
	assert_int_equal(logrig_sync_all(&r, 0, &b), 2);
	assert_true(iodt_bits_get(&b, r.at) && iodt_bits_get(&b, r.at + 6 * page));
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	finish(&r, &b);
}

static void delivered(struct iodt *t)
{
	if (t->v->last - t->v->first < 8 * t->page)
		return;
	delivers(t, 0, 0);
	delivers(t, 0, 3 * t->page); /* pending has no address for the table that begins a word */
	delivers(t, 5 * t->page, 63 * t->page);
	delivers(t, 5 * t->page, 64 * t->page);
}

/* Holes are no error, unless they are to be. */
static void holes(struct iodt *t)
{
	struct iod_dirty_log_unmap u;
	uint64_t page = t->page;
	struct iodt_bits b;
	struct logrig r;

	if (t->v->last - t->v->first < 8 * page)
		return;
	logrig_open(&r, t, 8, page, page, 8, 0, 0);
	iodt_bits_init(&b, r.base, r.size, page);
	logrig_start(&r, 0);
	logrig_dma(&r, page);
	logrig_dma(&r, 5 * page);
	unmap_ok(&r, 2 * page, page, &b);
	u = unmap_arg(&r, 0, 8 * page, &b);
	u.flags = IOD_UNMAP_NO_HOLES;
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -ENOENT);
	u.flags = IOD_UNMAP_DRY_RUN;
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(u.unmapped | u.dirty, 0);
	u.flags = 0;
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(u.unmapped, 7 * page);
	assert_int_equal(iodt_bits_count(&b), 2);
	iodt_expect_unmap(t, r.iova, 8 * page);
	/* nothing there */
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(u.unmapped | u.dirty, 0);
	finish(&r, &b);
}

/* Granules larger than pages are rounded out, and the bitmap must cover that. */
static void larger_granules(struct iodt *t)
{
	struct iod_dirty_log_unmap u;
	uint64_t page = t->page;
	struct iodt_bits b, small;
	struct logrig r;

	if (t->v->last - t->v->first < 64 * page)
		return;
	logrig_open(&r, t, 64, page, 8 * page, 8, 0, 0);
	iodt_bits_init(&b, 0, r.size, page);
	iodt_bits_init(&small, 8 * page, 4 * page, page);
	logrig_start(&r, 0);
	logrig_dma(&r, 9 * page);
	u = unmap_arg(&r, 9 * page, page, &small);
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -ERANGE);
	assert_int_equal(u.unmapped, 0);
	u.bitmap = &b.bm;
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	iodt_expect_unmap(t, r.iova + 9 * page, page);
	assert_int_equal(u.dirty, 1);
	assert_int_equal(iodt_bits_count(&b), 8);
	assert_true(iodt_bits_get(&b, 8 * page) && iodt_bits_get(&b, 15 * page));
	iodt_bits_free(&small);
	finish(&r, &b);
}

/* ---- tracking off ---- */

static void not_tracking(struct iodt *t)
{
	struct iod_dirty_log_unmap u;
	uint64_t page = t->page;
	struct iodt_bits b;
	struct logrig r;

	if (t->v->last - t->v->first < 8 * page)
		return;
	logrig_open(&r, t, 8, page, page, 8, 0, 0);
	iodt_bits_init(&b, r.base, r.size, page);
	logrig_dma(&r, 0);
	u = unmap_arg(&r, 0, page, &b);
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -EINVAL);
	u.flags = IOD_DIRTY_LOG_UNMAP_STOPPED;
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(u.unmapped, page);
	assert_int_equal(iodt_bits_count(&b) | logrig_info(&r).held, 0);
	assert_int_equal(r.syncs, 1);
	iodt_expect_unmap(t, r.iova, page);
	/* with the flag, and tracking: nothing is different */
	logrig_start(&r, 0);
	logrig_dma(&r, page);
	u = unmap_arg(&r, page, page, &b);
	u.flags = IOD_DIRTY_LOG_UNMAP_STOPPED;
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	iodt_expect_unmap(t, r.iova + page, page);
	assert_int_equal(iodt_bits_count(&b), 1);
	finish(&r, &b);
}

/* ---- windows ---- */

/* Two windows of one table, [0, 3) and [4, 8), at other places of the log; page 3 is in none. */
static void open_windows(struct logrig *r, struct iodt *t)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = iod_iotlb_invalidate };
	struct iod_dirty_log_cfg cfg = {
		.size = sizeof(cfg), .len = 300 * t->page, .granule = t->page, .staging = 8
	};
	struct iod_dirty_log_table win = { .size = sizeof(win), .pt = t->pt, .ops = &ops };

	memset(r, 0, sizeof(*r));
	r->t = t;
	r->iova = t->v->first;
	r->len = 8 * t->page;
	r->size = cfg.len;
	r->granule = t->page;
	r->pa = t->page;
	iodt_map(t, r->iova, r->pa, r->len, IODT_RW);
	iodt_assert_ok(iod_iotlb_create(&r->tlb, NULL));
	win.cookie = r->tlb;
	iodt_assert_ok(iod_dirty_log_create(&r->log, &cfg));
	win.iova = 200 * t->page;
	win.table_iova = r->iova;
	win.len = 3 * t->page;
	iodt_assert_ok(iod_dirty_log_add_table(r->log, &win));
	win.iova = 70 * t->page;
	win.table_iova += 4 * t->page;
	win.len = 4 * t->page;
	iodt_assert_ok(iod_dirty_log_add_table(r->log, &win));
}

static void several_windows(struct iodt *t)
{
	struct iod_dirty_log_unmap u;
	uint64_t page = t->page, i;
	struct iodt_bits b;
	struct logrig r;

	if (t->v->last - t->v->first < 8 * page)
		return;
	open_windows(&r, t);
	iodt_bits_init(&b, 0, r.size, page);
	logrig_start(&r, 0);
	for (i = 2; i < 6; i++)
		logrig_dma(&r, i * page);
	u = unmap_arg(&r, page, 6 * page, &b);
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -ERANGE);
	assert_int_equal(u.unmapped, 0);
	u.flags = IOD_DIRTY_LOG_UNMAP_OUTSIDE | IOD_UNMAP_NO_HOLES;
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(u.unmapped, 6 * page);
	iodt_expect_unmap(t, r.iova + page, 6 * page);
	/* page 2; 3 is nobody's; 4 and 5 */
	assert_int_equal(iodt_bits_count(&b), 3);
	assert_true(iodt_bits_get(&b, 202 * page) && iodt_bits_get(&b, 70 * page) &&
		    iodt_bits_get(&b, 71 * page));
	/* refused as a whole: the last part has a hole */
	u = unmap_arg(&r, 0, 8 * page, NULL);
	u.flags = IOD_DIRTY_LOG_UNMAP_OUTSIDE | IOD_UNMAP_NO_HOLES;
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -ENOENT);
	finish(&r, &b);
}

/* A page that the edge of the range, or of a window, cuts. */
static void cut_pages(struct iodt *t, uint32_t resize_flags)
{
	uint64_t size = t->v->sizes & (IODT_1G - 1) & ~(t->page | (t->page - 1)), g = t->page;
	struct iod_dirty_log_unmap u;
	struct iodt_bits b;
	struct logrig r;

	size &= -size; /* the smallest but one */
	if (!size || size / g > 512 || t->v->last - t->v->first < 2 * size - 1)
		return;
	logrig_open(&r, t, 2 * size / g, 0, g, 8, 0, 0);
	iodt_bits_init(&b, 0, r.size, g);
	logrig_start(&r, 0);
	logrig_dma(&r, 0);
	u = unmap_arg(&r, g, g, &b);
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -EINVAL);
	u.flags = IOD_UNMAP_SPLIT | (resize_flags ? IOD_UNMAP_ALLOW_FAULTS : 0);
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(u.unmapped, g);
	iodt_expect_unmap(t, r.iova + g, g);
	assert_int_equal(iodt_bits_count(&b), 1);
	assert_true(iodt_bits_get(&b, g));
	/* the rest of it is dirty still */
	assert_true(logrig_sync_all(&r, 0, &b) >= size / g - 1);
	assert_false(iodt_bits_get(&b, g));
	finish(&r, &b);
}

static void page_is_cut(struct iodt *t)
{
	policyrig_each(t, cut_pages);
}

/* ---- devices that go on until they are told ---- */

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct logrig *r = cookie;

	r->version[(pa - r->pa) / r->t->page]++;
	return 0;
}

/* Writes where it still can. */
static void write_anyway(struct logrig *r)
{
	uint64_t i;

	for (i = 0; i < 8; i++)
		iod_iotlb_dma(r->tlb, r->t->pt, r->iova + (iodt_below(r->t, r->len) & -r->t->page),
			      1, IOD_ACCESS_WRITE, move, r, NULL, NULL);
}

static void unmapped_under_fire(struct iodt *t, bool late)
{
	uint64_t page = t->page, i;
	struct iodt_bits b;
	struct logrig r;
	bool whole = iodt_below(t, 2);

	logrig_open(&r, t, LOGRIG_FRAMES, page, page, 8, 0, 3 * page);
	r.is_late = late;
	iodt_bits_init(&b, r.base, r.size, page);
	logrig_start(&r, 0);
	memcpy(r.copy, r.version, sizeof(r.copy));
	for (i = 0; i < 20; i++) /* fills the device's walk caches */
		iod_iotlb_access(r.tlb, t->pt, r.iova + (iodt_below(t, r.len) & -page),
				 IOD_ACCESS_READ, NULL, NULL);
	write_anyway(&r);
	r.before = r.during = write_anyway;
	if (whole) {
		unmap_ok(&r, 0, r.len, &b);
	} else {
		unmap_ok(&r, 0, r.len / 2 & -page, &b);
		unmap_ok(&r, r.len / 2 & -page, r.len - (r.len / 2 & -page), NULL);
		iodt_assert_ok(logrig_sync(&r, r.base, r.size, 0, &b, NULL));
	}
	logrig_copy(&r, &b);
	assert_int_equal(logrig_stale(&r), 0);
	finish(&r, &b);
}

static void under_fire(struct iodt *t)
{
	unsigned int i;

	for (i = 0; i < iodt_scale(8); i++)
		unmapped_under_fire(t, i % 2);
}

/* Copied before the call returned: what devices wrote until they were told is lost. */
static void twin_copied_too_early(struct iodt *t)
{
	unsigned int i, lost = 0;
	struct iodt_bits b;
	struct logrig r;

	for (i = 0; i < 20 && !lost; i++) {
		logrig_open(&r, t, LOGRIG_FRAMES, t->page, t->page, 8, 0, 0);
		iodt_bits_init(&b, r.base, r.size, t->page);
		logrig_start(&r, 0);
		memcpy(r.copy, r.version, sizeof(r.copy));
		write_anyway(&r);
		write_anyway(&r);
		r.before = write_anyway;
		logrig_sync_all(&r, IOD_DIRTY_SYNC_NO_REARM, &b);
		logrig_copy(&r, &b);
		unmap_ok(&r, 0, r.len, NULL);
		lost = logrig_stale(&r);
		finish(&r, &b);
	}
	assert_true(lost > 0);
}

/* ---- failures ---- */

static void failing_invalidation(struct iodt *t)
{
	struct iod_dirty_log_unmap u;
	uint64_t page = t->page;
	struct iodt_bits b;
	struct logrig r;
	unsigned int again;

	if (t->v->last - t->v->first < 200 * page)
		return;
	for (again = 0; again < 4; again++) {
		logrig_open(&r, t, 200, page, page, 8, 0, again / 2 * 3 * page);
		iodt_bits_init(&b, r.base, r.size, page);
		logrig_start(&r, 0);
		logrig_dma(&r, 100 * page);
		r.fail_invalidate = 1;
		r.fail_sync = 1;
		u = unmap_arg(&r, 0, 200 * page, &b);
		assert_int_equal(iod_dirty_log_unmap(r.log, &u), -EIO);
		assert_int_equal(u.unmapped, 200 * page);
		iodt_expect_unmap(t, r.iova, 200 * page);
		/* the device goes on through what it holds, and nobody may copy yet */
		r.version[100]++;
		assert_int_equal(logrig_sync(&r, r.base, r.size, 0, &b, NULL), -ETIMEDOUT);
		assert_int_equal(iodt_bits_count(&b), 0);
		if (again % 2)
			iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
		else
			logrig_sync_all(&r, 0, &b);
		assert_int_equal(iodt_bits_count(&b), 1);
		logrig_copy(&r, &b);
		assert_int_equal(logrig_stale(&r), 0);
		finish(&r, &b);
	}
}

/* What a failed sync kept, of another table even, is not handed out by an unmap before its time. */
static void kept_bits_wait(struct iodt *t)
{
	struct iod_dirty_log_unmap u;
	uint64_t page = t->page;
	struct iodt_bits b;
	struct logrig r;

	if (t->v->last - t->v->first < 8 * page)
		return;
	logrig_open(&r, t, 8, page, page, 8, 0, 0);
	iodt_bits_init(&b, r.base, r.size, page);
	logrig_start(&r, 0);
	logrig_dma(&r, 0);
	r.fail_sync = 2;
	assert_int_equal(logrig_sync(&r, 0, r.size, 0, &b, NULL), -ETIMEDOUT);
	u = unmap_arg(&r, 0, page, &b);
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -ETIMEDOUT);
	assert_int_equal(iodt_bits_count(&b), 0);
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(iodt_bits_count(&b), 1);
	iodt_expect_unmap(t, r.iova, page);
	finish(&r, &b);
}

/* ---- notify, provider ---- */

struct pinned {
	struct logrig *r;
	unsigned int asked, stubborn; /* how often it says no */
	int ret;
	uint64_t off; /* always dirty: this page */
	bool gone;
};

static int let_go(void *cookie, uint64_t iova, uint64_t len, unsigned int attempt)
{
	struct pinned *p = cookie;

	assert_int_equal(attempt, p->asked);
	assert_int_equal(iova, p->r->iova);
	assert_int_equal(len, 4 * p->r->t->page);
	/* without a lock of the log */
	assert_int_equal(logrig_info(p->r).started, 1);
	return p->asked++ < p->stubborn ? p->ret : 0;
}

static void notify(struct iodt *t)
{
	struct iod_dirty_log_unmap u;
	struct pinned p = { 0 };
	struct logrig r;

	if (t->v->last - t->v->first < 8 * t->page)
		return;
	logrig_open(&r, t, 8, t->page, t->page, 8, 0, 0);
	logrig_start(&r, 0);
	p.r = &r;
	u = unmap_arg(&r, 0, 4 * t->page, NULL);
	u.notify = let_go;
	u.cookie = &p;
	u.retries = 2;
	p.stubborn = 3;
	p.ret = -EAGAIN;
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -EBUSY);
	assert_int_equal(p.asked, 3);
	assert_int_equal(u.unmapped, 0);
	p.asked = 0;
	p.ret = -EPERM;
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -EPERM);
	assert_int_equal(p.asked, 1);
	iodt_verify(t); /* all there */
	p.asked = 0;
	p.stubborn = 2;
	p.ret = -EAGAIN;
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(p.asked, 3);
	assert_int_equal(u.unmapped, 4 * t->page);
	iodt_expect_unmap(t, r.iova, 4 * t->page);
	/* nobody is asked for what is refused anyway */
	p.asked = 0;
	u.flags = IOD_UNMAP_NO_HOLES;
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -ENOENT);
	assert_int_equal(p.asked, 0);
	finish(&r, NULL);
}

static int provide(void *cookie, struct iod_dirty_log *log, uint64_t iova, uint64_t len)
{
	struct pinned *p = cookie;
	uint64_t at = p->r->at + p->off;

	p->asked++;
	if (p->ret)
		return p->ret;
	if (!p->gone && at >= iova && at < iova + len)
		return iod_dirty_log_mark_dirty(log, at, 1);
	return 0;
}

static void provider(struct iodt *t)
{
	struct pinned p = { .off = 2 * t->page };
	struct iod_dirty_log_unmap u;
	struct iodt_bits b;
	struct logrig r;
	unsigned int i;

	if (t->v->last - t->v->first < 8 * t->page)
		return;
	logrig_open(&r, t, 8, t->page, t->page, 8, 0, 0);
	iodt_bits_init(&b, r.base, r.size, t->page);
	p.r = &r;
	assert_int_equal(iod_dirty_log_set_provider(NULL, provide, &p), -EINVAL);
	iodt_assert_ok(iod_dirty_log_set_provider(r.log, provide, &p));
	logrig_start(&r, 0);
	assert_int_equal(p.asked, 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(logrig_sync_all(&r, i ? 0 : IOD_DIRTY_SYNC_NO_REARM, &b), 1);
		assert_true(iodt_bits_get(&b, p.off));
	}
	assert_int_equal(p.asked, 3);
	iodt_bits_zero(&b);
	iodt_assert_ok(logrig_sync(&r, 0, 2 * t->page, 0, &b, NULL));
	assert_int_equal(iodt_bits_count(&b), 0);
	p.ret = -EIO;
	assert_int_equal(logrig_sync(&r, 0, r.size, 0, &b, NULL), -EIO);
	u = unmap_arg(&r, 0, 4 * t->page, &b);
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -EIO);
	assert_int_equal(u.unmapped, 0);
	p.ret = 0;
	iodt_bits_zero(&b);
	unmap_ok(&r, 0, 4 * t->page, &b);
	assert_int_equal(iodt_bits_count(&b), 1);
	iodt_assert_ok(iod_dirty_log_set_provider(r.log, NULL, NULL));
	assert_int_equal(logrig_sync_all(&r, 0, &b), 0);
	finish(&r, &b);
}

/* ---- arguments ---- */

static void bad_arguments(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	struct iod_bitmap none = { 0 };
	struct iod_dirty_log_unmap u;
	struct iod_pgtable *other;
	struct logrig r;

	cfg.domain = 99;
	iodt_assert_ok(iod_pgtable_create(&other, &cfg));
	logrig_open(&r, t, 8, t->page, t->page, 8, 0, 0);
	logrig_start(&r, 0);
#define BAD(field, value, error)                                           \
	do {                                                               \
		u = unmap_arg(&r, 0, t->page, NULL);                       \
		u.field = (value);                                         \
		assert_int_equal(iod_dirty_log_unmap(r.log, &u), (error)); \
		assert_int_equal(u.unmapped, 0);                           \
	} while (0)
	BAD(pt, NULL, -EINVAL);
	BAD(pt, other, -ENOENT);
	BAD(len, 0, -EINVAL);
	BAD(len, t->page - 1, -EINVAL);
	BAD(iova, r.iova + 1, -EINVAL);
	BAD(len, 9 * t->page, -ERANGE);
	BAD(flags, 1u << 31, -EINVAL);
	BAD(bitmap, &none, -EINVAL);
#undef BAD
	assert_int_equal(iod_dirty_log_unmap(r.log, NULL), -EINVAL);
	u = unmap_arg(&r, 0, t->page, NULL);
	assert_int_equal(iod_dirty_log_unmap(NULL, &u), -EINVAL);
	u.size -= 8;
	assert_int_equal(iod_dirty_log_unmap(r.log, &u), -EINVAL);
	iodt_verify(t);
	iodt_assert_ok(iod_pgtable_destroy(other));
	finish(&r, NULL);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "delivered", IODT_DIRTY, 0, delivered },
		{ "holes", IODT_DIRTY, 0, holes },
		{ "larger_granules", IODT_DIRTY, 0, larger_granules },
		{ "not_tracking", IODT_DIRTY, 0, not_tracking },
		{ "several_windows", IODT_DIRTY, 0, several_windows },
		{ "page_is_cut", IODT_DIRTY, 0, page_is_cut },
		{ "under_fire", IODT_DIRTY, 0, under_fire },
		{ "twin_copied_too_early", IODT_DIRTY | IODT_PLAIN, 0, twin_copied_too_early },
		{ "failing_invalidation", IODT_DIRTY, 0, failing_invalidation },
		{ "kept_bits_wait", IODT_DIRTY, 0, kept_bits_wait },
		{ "notify", IODT_DIRTY | IODT_PLAIN, 0, notify },
		{ "provider", IODT_DIRTY | IODT_PLAIN, 0, provider },
		{ "bad_arguments", IODT_DIRTY | IODT_PLAIN, 0, bad_arguments },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
