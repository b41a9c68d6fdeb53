/* SPDX-License-Identifier: MIT */
/*
 * iod_unmap_dirty() while hardware is at work: what a device writes between the call and the sync, through
 * cached translations and through tables that are cut off already; gathers that fail, are joined, or are full.
 * Pages have versions, and each that was written must be copied because the bitmap says so.
 */
#include "unmaprig.h"

void __real_iod_gather_harvest(struct iod_gather *gather);
void __wrap_iod_gather_harvest(struct iod_gather *gather);

static bool no_harvest;

/* The twin: what was cut off is freed as it is. */
void __wrap_iod_gather_harvest(struct iod_gather *gather)
{
	if (!no_harvest)
		__real_iod_gather_harvest(gather);
}

#define TABLES 4
#define EACH   8

struct rig {
	struct unm_dev d;
	struct iodt_bits b;
	struct iod_unmap_dirty u;
	uint64_t base, len, span;
};

/* A few pages in each of several leaf tables, all of which the request covers. False: no room. */
static bool open_rig(struct rig *r, struct iodt *t, uint32_t flags)
{
	uint64_t k;

	r->base = t->v->first;
	r->span = iodt_table_span(t->v);
	r->len = TABLES * r->span;
	if (unm_room(t, 2 * r->len) < 2 * r->len)
		return false;
	unm_dev_open(&r->d, t, flags);
	for (k = 0; k < TABLES; k++)
		unm_dev_map(&r->d, r->base + k * r->span, EACH);
	iodt_bits_init(&r->b, r->base, r->len, t->page);
	r->u = unm_arg(t, r->base, r->len, 0, &r->b);
	return true;
}

static uint64_t page_at(const struct rig *r, unsigned int table, unsigned int page)
{
	return r->base + table * r->span + page * r->d.t->page;
}

/* Everything has been synced: copies what the bitmap says. Returns how many pages were lost. */
static unsigned int close_rig(struct rig *r)
{
	unsigned int stale;

	unm_dev_copy(&r->d, &r->b);
	stale = unm_dev_stale(&r->d);
	iodt_bits_free(&r->b);
	unm_dev_close(&r->d);
	return stale;
}

static void unmap(struct rig *r)
{
	struct iodt *t = r->d.t;

	iodt_assert_ok(iod_unmap_dirty(t->pt, &r->u));
	assert_int_equal(r->u.unmapped, TABLES * EACH * t->page);
	iodt_expect_unmap(t, r->base, r->len);
}

/* A device whose walk cache still leads into a table that is cut off. */
static void write_into_detached(struct rig *r, unsigned int table, unsigned int page)
{
	uint64_t hits = unm_dev_stats(&r->d).walk_hits, iova = page_at(r, table, page);

	assert_int_equal(iod_iova_to_phys(r->d.t->pt, iova, &(uint64_t){ 0 }), -ENOENT);
	iodt_assert_ok(unm_dev_write(&r->d, iova));
	assert_int_equal(unm_dev_stats(&r->d).walk_hits, hits + 1);
}

/* ---- marks in detached tables ---- */

static struct rig *late_rig;

static void late_writes(struct unm_dev *d)
{
	write_into_detached(late_rig, 0, 6);
	write_into_detached(late_rig, 2, 6);
}

/* Writes before the invalidation, and while it is on its way. Returns how many pages were lost. */
static unsigned int writes_into_detached(struct iodt *t)
{
	struct rig r;
	unsigned int k;

	if (!open_rig(&r, t, 0))
		return no_harvest;
	for (k = 0; k < TABLES; k++)
		iodt_assert_ok(unm_dev_write(&r.d, page_at(&r, k, 0)));
	unmap(&r);
	write_into_detached(&r, 0, 3);
	write_into_detached(&r, TABLES - 1, EACH - 1);
	late_rig = &r;
	r.d.late = late_writes;
	iodt_sync(t);
	for (k = 0; k < TABLES; k++)
		assert_int_equal(unm_dev_write(&r.d, page_at(&r, k, 3)), -EFAULT);
	assert_int_equal(iodt_bits_count(&r.b), no_harvest ? 0 : TABLES + 4);
	iodt_verify(t);
	return close_rig(&r);
}

/* With warm walk caches, so that nothing but a look after the invalidation can find them. */
static void detached_tables_are_harvested(struct iodt *t)
{
	assert_int_equal(writes_into_detached(t), 0);
}

static void twin_no_harvest(struct iodt *t)
{
	unsigned int lost;

	no_harvest = true;
	lost = writes_into_detached(t);
	no_harvest = false;
	assert_true(lost > 0);
}

/* The walk cache leads to the table above: leaf tables that the device never used before. */
static void through_an_upper_table(struct iodt *t)
{
	uint64_t hits, upper = iodt_table_span(t->v) * ((t->v->granule ? t->v->granule : 4096) / 8);
	struct iodt_bits b;
	struct rig r;

	/* the table above is not the root; with six levels it falls out of the walk cache */
	if (t->v->walk_levels < 3 || t->v->walk_levels > 5)
		return;
	if (!open_rig(&r, t, 0))
		return;
	iodt_bits_init(&b, r.base, upper, t->page);
	iodt_assert_ok(unm_dev_write(&r.d, page_at(&r, 0, 0)));
	r.u = unm_arg(t, r.base, upper, 0, &b);
	unmap(&r);
	hits = unm_dev_stats(&r.d).walk_hits;
	iodt_assert_ok(unm_dev_write(&r.d, page_at(&r, 3, 2)));
	assert_int_equal(unm_dev_stats(&r.d).walk_hits, hits + 1);
	iodt_sync(t);
	assert_true(iodt_bits_get(&b, page_at(&r, 3, 2)));
	assert_int_equal(iodt_bits_count(&b), 2);
	unm_dev_copy(&r.d, &b);
	assert_int_equal(unm_dev_stale(&r.d), 0);
	iodt_bits_free(&b);
	close_rig(&r);
}

/* The flush alone makes the bitmap complete: the tables may be freed later. */
static void flush_is_enough(struct iodt *t)
{
	struct rig r;

	if (!open_rig(&r, t, 0))
		return;
	iodt_assert_ok(unm_dev_write(&r.d, page_at(&r, 1, 1)));
	unmap(&r);
	write_into_detached(&r, 1, 2);
	iodt_assert_ok(iod_gather_flush(t->gather));
	assert_int_equal(iodt_bits_count(&r.b), 2);
	assert_true(iodt_gather_info(t->gather).subtrees > 0);
	/* and is not made again into a bitmap that may be gone */
	iodt_bits_zero(&r.b);
	iodt_sync(t);
	assert_int_equal(iodt_bits_count(&r.b), 0);
	iodt_bits_put(&r.b, page_at(&r, 1, 1));
	iodt_bits_put(&r.b, page_at(&r, 1, 2));
	assert_int_equal(close_rig(&r), 0);
}

/* The invalidation, or the wait, fails: nothing is forgotten, what comes meanwhile is in it as well. */
static void failing_invalidation(struct iodt *t)
{
	struct rig r;

	if (!open_rig(&r, t, 0))
		return;
	iodt_assert_ok(unm_dev_write(&r.d, page_at(&r, 1, 1)));
	unmap(&r);
	t->log.fail_invalidate = -EIO;
	assert_int_equal(iod_gather_sync(t->gather), -EIO);
	write_into_detached(&r, 1, 2);
	t->log.fail_sync = -ETIMEDOUT;
	assert_int_equal(iod_gather_flush(t->gather), -ETIMEDOUT);
	iodt_sync(t);
	assert_true(iodt_bits_get(&r.b, page_at(&r, 1, 2)));
	assert_int_equal(close_rig(&r), 0);
}

/* ---- gathers ---- */

static struct iod_gather *own_gather(struct iodt *t, const struct iod_inv_ops *ops, void *cookie,
				     uint64_t max_pending)
{
	struct iod_gather_cfg cfg = {
		.size = sizeof(cfg), .ops = ops, .cookie = cookie, .max_pending = max_pending
	};
	struct iod_gather *g = NULL;

	iodt_assert_ok(iod_gather_create(&g, t->pt, &cfg));
	return g;
}

/* Moved into another gather, which is synced. */
static void joined_gathers(struct iodt *t)
{
	struct iod_gather *g;
	struct rig r;

	if (!open_rig(&r, t, 0))
		return;
	g = own_gather(t, NULL, NULL, 0);
	iodt_assert_ok(unm_dev_write(&r.d, page_at(&r, 1, 1)));
	r.u.gather = g;
	unmap(&r);
	write_into_detached(&r, 1, 2);
	iodt_assert_ok(iod_gather_merge(t->gather, g));
	iodt_assert_ok(iod_gather_destroy(g));
	write_into_detached(&r, 1, 3);
	iodt_sync(t);
	assert_int_equal(iodt_bits_count(&r.b), 3);
	assert_int_equal(close_rig(&r), 0);
}

/* No hardware is told: the bitmap is complete all the same. */
static void gather_without_ops(struct iodt *t)
{
	struct iod_gather *g;
	struct rig r;

	if (!open_rig(&r, t, 0))
		return;
	g = own_gather(t, NULL, NULL, 0);
	iodt_assert_ok(unm_dev_write(&r.d, page_at(&r, 1, 1)));
	r.u.gather = g;
	unmap(&r);
	iodt_assert_ok(iod_gather_sync(g));
	iodt_assert_ok(iod_gather_destroy(g));
	assert_int_equal(close_rig(&r), 0);
}

/* More detached than may wait: the call syncs at its end, and the bitmap is complete. */
static void bounded_pending(struct iodt *t)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = iod_iotlb_invalidate };
	struct iod_gather *g;
	struct rig r;

	if (!open_rig(&r, t, 0))
		return;
	g = own_gather(t, &ops, r.d.tlb, 1);
	iodt_assert_ok(unm_dev_write(&r.d, page_at(&r, 1, 1)));
	r.u.gather = g;
	unmap(&r);
	assert_int_equal(iodt_gather_info(g).pending, 0);
	assert_int_equal(iodt_bits_count(&r.b), 1);
	assert_int_equal(unm_dev_write(&r.d, page_at(&r, 1, 2)), -EFAULT);
	iodt_verify(t);
	iodt_assert_ok(iod_gather_destroy(g));
	assert_int_equal(close_rig(&r), 0);
}

/* ---- cached translations ---- */

/*
 * Page 0 is dirty and known as such to the device, then swept, but nobody told the device; page 1 is dirty;
 * page 2 was read only. All are unmapped, the device writes on.
 */
static void stale(struct iodt *t, uint32_t flags, bool whole_table)
{
	uint64_t base = t->v->first, p = t->page, len = whole_table ? iodt_table_span(t->v) : 4 * p;
	struct iod_unmap_dirty u;
	struct iodt_bits b;
	struct unm_dev d;
	struct iod_sweep s;
	uint64_t i;

	if (unm_room(t, 2 * len) < 2 * len)
		return;
	unm_dev_open(&d, t, flags);
	unm_dev_map(&d, base, 4);
	iodt_bits_init(&b, base, len, p);
	iodt_assert_ok(unm_dev_write(&d, base));
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, base, p, &b);
	iodt_assert_ok(iod_sweep(t->pt, &s));
	iodt_assert_ok(unm_dev_write(&d, base + p));
	iodt_assert_ok(unm_dev_read(&d, base + 2 * p));
	u = unm_arg(t, base, len, 0, &b);
	iodt_assert_ok(iod_unmap_dirty(t->pt, &u));
	iodt_expect_unmap(t, base, len);
	iodt_assert_ok(unm_dev_write(&d, base));
	iodt_assert_ok(unm_dev_write(&d, base + p));
	/* a leaf that is gone cannot be marked, so it cannot be written */
	i = whole_table ? 0 : (uint64_t)-EFAULT;
	assert_int_equal(unm_dev_write(&d, base + 2 * p), (int)i);
	iodt_sync(t);
	unm_dev_copy(&d, &b);
	assert_int_equal(unm_dev_stale(&d), 0);
	assert_int_equal(iodt_bits_count(&b), whole_table ? 3 : 2);
	for (i = 0; i < 4; i++)
		assert_int_equal(unm_dev_write(&d, base + i * p), -EFAULT);
	iodt_bits_free(&b);
	unm_dev_close(&d);
}

static void stale_translations(struct iodt *t)
{
	stale(t, 0, false);
	stale(t, IOD_IOTLB_LATE_DIRTY, false);
	stale(t, IOD_IOTLB_ATC, false);
}

static void stale_translations_of_a_table(struct iodt *t)
{
	stale(t, 0, true);
	stale(t, IOD_IOTLB_ATC, true);
}

struct midway {
	struct iodt *t;
	struct iod_unmap_dirty u;
	unsigned int moved;
};

static int unmap_midway(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct midway *m = cookie;

	m->moved++;
	iodt_assert_ok(iod_unmap_dirty(m->t->pt, &m->u));
	return 0;
}

/*
 * Data may move before the page is marked. If it is unmapped in between, there is nothing left to mark: the
 * device sees its write refused, and no bit stands for it. (One that is not refused has a bit, above.)
 */
static void refused_after_its_data_moved(struct iodt *t)
{
	struct midway m = { .t = t };
	struct iodt_bits b;
	struct unm_dev d;

	unm_dev_open(&d, t, IOD_IOTLB_LATE_DIRTY);
	unm_dev_map(&d, t->v->first, 1);
	iodt_bits_init(&b, t->v->first, t->page, t->page);
	m.u = unm_arg(t, t->v->first, t->page, 0, &b);
	assert_int_equal(iod_iotlb_dma(d.tlb, t->pt, t->v->first, 1, IOD_ACCESS_WRITE, unmap_midway,
				       &m, NULL, NULL),
			 -EFAULT);
	iodt_expect_unmap(t, t->v->first, t->page);
	iodt_sync(t);
	assert_int_equal(m.moved, 1);
	assert_int_equal(m.u.unmapped, t->page);
	assert_int_equal(iodt_bits_count(&b), 0);
	iodt_bits_free(&b);
	unm_dev_close(&d);
}

/* ---- memory ---- */

/* Every allocation fails once: it is unmapped and recorded, or as it was. */
static void no_memory(struct iodt *t)
{
	uint64_t span = iodt_table_span(t->v), n = 100, base = t->v->first, len = n * span, k;
	struct iod_unmap_dirty u;
	struct iodt_snapshot s;
	struct iodt_bits b;
	struct unm_ref ref;
	uint64_t fail;
	int ret;

	if (unm_room(t, 2 * len) < 2 * len)
		return;
	iodt_bits_init(&b, base, len, t->page);
	for (fail = 1; fail < 8; fail++) {
		for (k = 0; k < n; k++) {
			iodt_map(t, base + k * span, (2 * k + 1) * t->page, t->page, IODT_RW);
			if (k % 2)
				unm_mark(t, base + k * span, 0);
		}
		iodt_bits_zero(&b);
		u = unm_arg(t, base + (fail % 2) * span, len - (fail % 2) * span, 0, &b);
		unm_ref_init(&ref, t, &u, &b);
		iodt_snapshot(t, &s);
		t->alloc.fail_at = t->alloc.calls + fail;
		ret = iod_unmap_dirty(t->pt, &u);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			iodt_unchanged(t, &s);
			t->alloc.fail_at = 0;
			iodt_assert_ok(iod_unmap_dirty(t->pt, &u));
		} else {
			iodt_snapshot_free(&s);
		}
		unm_ref_called(&ref, &u, &b);
		iodt_sync(t);
		t->alloc.fail_at = 0;
		assert_memory_equal(b.mem, ref.want.mem, b.bytes);
		free(ref.want.mem);
		iodt_leaves_free(&ref.before);
		iodt_expect_unmap(t, u.iova, u.len);
		iodt_verify(t);
		iodt_bits_zero(&b);
		unm_check(t, base, len, 0, &b);
	}
	iodt_bits_free(&b);
}

static const struct iodt_test tests[] = {
	{ "detached_tables_are_harvested", IODT_DIRTY | IODT_TABLES, 0,
	  detached_tables_are_harvested },
	{ "twin_no_harvest", IODT_DIRTY | IODT_TABLES, 0, twin_no_harvest },
	{ "through_an_upper_table", IODT_DIRTY | IODT_TABLES, IODT_GROWS, through_an_upper_table },
	{ "flush_is_enough", IODT_DIRTY | IODT_TABLES, 0, flush_is_enough },
	{ "failing_invalidation", IODT_DIRTY | IODT_TABLES, 0, failing_invalidation },
	{ "joined_gathers", IODT_DIRTY | IODT_TABLES, 0, joined_gathers },
	{ "gather_without_ops", IODT_DIRTY | IODT_TABLES, 0, gather_without_ops },
	{ "bounded_pending", IODT_DIRTY | IODT_TABLES, 0, bounded_pending },
	{ "stale_translations", IODT_DIRTY, 0, stale_translations },
	{ "stale_translations_of_a_table", IODT_DIRTY | IODT_TABLES, IODT_GROWS,
	  stale_translations_of_a_table },
	{ "refused_after_its_data_moved", IODT_DIRTY, 0, refused_after_its_data_moved },
	{ "no_memory", IODT_DIRTY | IODT_TABLES, 0, no_memory },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
