/* SPDX-License-Identifier: MIT */
/*
 * Data through an iotlb: DMA piece by piece, the order of data and dirty bit, a device's ATC,
 * speculation; and what is refused as misuse.
 */
#include "iodtest.h"

#define R IOD_ACCESS_READ
#define W IOD_ACCESS_WRITE

static struct iod_iotlb *new_tlb(uint32_t flags)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg), .flags = flags };
	struct iod_iotlb *tlb = NULL;

	iodt_assert_ok(iod_iotlb_create(&tlb, &cfg));
	return tlb;
}

static struct iod_iotlb_stats stats_of(const struct iod_iotlb *tlb)
{
	struct iod_iotlb_stats s = { .size = sizeof(s) };

	iodt_assert_ok(iod_iotlb_get_stats(tlb, &s));
	return s;
}

static void inv_all(struct iod_iotlb *tlb)
{
	struct iod_inv i = { .kind = IOD_INV_ALL };

	iodt_assert_ok(iod_iotlb_invalidate(tlb, &i, 1));
}

static bool hit(struct iodt *t, struct iod_iotlb *tlb, uint64_t iova, uint32_t access)
{
	struct iod_access_result r = { 0 };

	iodt_assert_ok(iod_iotlb_access(tlb, t->pt, iova, access, &r, NULL));
	return r.hit;
}

static uint64_t pte_of(struct iodt *t, uint64_t iova)
{
	return iodt_read(t, iodt_walk(t, iova).pte_pa);
}

static bool is_dirty(struct iodt *t, uint64_t iova)
{
	return iodt_pte_dirty(t->v, pte_of(t, iova));
}

static void clean(struct iodt *t, uint64_t iova)
{
	iodt_write(t, iodt_walk(t, iova).pte_pa, iodt_pte_clean(t->v, pte_of(t, iova)));
}

/* ---- pieces ---- */

#define MAX_PIECES 8

struct dma {
	struct iodt *t;
	struct {
		uint64_t pa, len, off;
		bool dirty; /* what the table said while the data moved */
	} piece[MAX_PIECES];
	size_t nr;
	uint64_t iova;	/* of the DMA */
	size_t fail_at; /* 1: the first */
	void (*meanwhile)(struct dma *d);
};

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t off)
{
	struct dma *d = cookie;

	assert_true(d->nr < MAX_PIECES);
	d->piece[d->nr].pa = pa;
	d->piece[d->nr].len = len;
	d->piece[d->nr].off = off;
	d->piece[d->nr].dirty = is_dirty(d->t, d->iova + off);
	if (++d->nr == d->fail_at)
		return -77;
	if (d->meanwhile)
		d->meanwhile(d);
	return 0;
}

static int run_dma(struct dma *d, struct iod_iotlb *tlb, uint64_t iova, uint64_t len,
		   uint32_t access, uint64_t *done, struct iod_fault *fault)
{
	d->iova = iova;
	d->nr = 0;
	return iod_iotlb_dma(tlb, d->t->pt, iova, len, access, move, d, done, fault);
}

static void check_piece(const struct dma *d, size_t i, uint64_t pa, uint64_t len, uint64_t off)
{
	assert_int_equal(d->piece[i].pa, pa);
	assert_int_equal(d->piece[i].len, len);
	assert_int_equal(d->piece[i].off, off);
}

/* Three pages: output pages 4, 2 and 7. */
static void map_three(struct iodt *t)
{
	static const uint64_t out[] = { 4, 2, 7 };
	size_t i;

	for (i = 0; i < 3; i++)
		iodt_map(t, t->v->first + i * t->page, out[i] * t->page, t->page, IODT_RW);
}

static void pieces(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(0);
	struct dma d = { .t = t };
	struct iod_fault fault = { .reason = IOD_FAULT_RANGE };
	uint64_t done = 5, p = t->page;

	map_three(t);
	iodt_assert_ok(run_dma(&d, tlb, t->v->first + 24, 2 * p, W, &done, &fault));
	assert_int_equal(done, 5 + 2 * p);
	assert_int_equal(fault.reason, IOD_FAULT_NONE);
	assert_int_equal(d.nr, 3);
	check_piece(&d, 0, 4 * p + 24, p - 24, 0);
	check_piece(&d, 1, 2 * p, p, p - 24);
	check_piece(&d, 2, 7 * p, 24, 2 * p - 24);
	/* one byte, the last of a page */
	done = 0;
	iodt_assert_ok(run_dma(&d, tlb, t->v->first + p - 1, 1, R, &done, NULL));
	assert_int_equal(done, 1);
	assert_int_equal(d.nr, 1);
	check_piece(&d, 0, 5 * p - 1, 1, 0);
	/* into the hole behind */
	done = 0;
	assert_int_equal(run_dma(&d, tlb, t->v->first + p, 3 * p, W, &done, &fault), -EFAULT);
	assert_int_equal(done, 2 * p);
	assert_int_equal(fault.reason, IOD_FAULT_TRANSLATION);
	assert_int_equal(fault.iova, t->v->first + 3 * p);
	assert_int_equal(fault.access, W);
	/* the mover stops */
	d.fail_at = 2;
	done = 0;
	assert_int_equal(run_dma(&d, tlb, t->v->first, 3 * p, W, &done, &fault), -77);
	assert_int_equal(done, p);
	assert_int_equal(fault.reason, IOD_FAULT_NONE);
	/* 1, 2 and 2; 3 and the hole */
	assert_int_equal(stats_of(tlb).hits, 5);
	assert_int_equal(stats_of(tlb).misses, 4);
	assert_int_equal(stats_of(tlb).faults, 1);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* To the last byte of the space, and not beyond. */
static void last_page(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(0);
	uint64_t iova = t->v->last - (t->page - 1), done = 0;
	struct dma d = { .t = t };
	struct iod_fault fault;

	iodt_map(t, iova, 0, t->page, IODT_RW);
	iodt_assert_ok(run_dma(&d, tlb, iova + 8, t->page - 8, W, &done, NULL));
	assert_int_equal(done, t->page - 8);
	check_piece(&d, 0, 8, t->page - 8, 0);
	done = 0;
	if (t->v->last == UINT64_MAX) {
		assert_int_equal(run_dma(&d, tlb, iova, t->page + 1, W, &done, NULL), -ERANGE);
		assert_int_equal(done, 0);
	} else {
		assert_int_equal(run_dma(&d, tlb, iova, t->page + 1, W, &done, &fault), -EFAULT);
		assert_int_equal(done, t->page);
		assert_int_equal(fault.reason, IOD_FAULT_RANGE);
	}
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* ---- dirty bit before data, or after ---- */

static void order(struct iodt *t)
{
	struct iod_iotlb *early = new_tlb(0), *late = new_tlb(IOD_IOTLB_LATE_DIRTY);
	struct dma d = { .t = t };

	map_three(t);
	iodt_assert_ok(run_dma(&d, early, t->v->first, 8, W, NULL, NULL));
	assert_true(d.piece[0].dirty);
	clean(t, t->v->first);
	iodt_assert_ok(run_dma(&d, late, t->v->first, 8, R, NULL, NULL));
	assert_false(is_dirty(t, t->v->first));
	iodt_assert_ok(run_dma(&d, late, t->v->first, 8, W, NULL, NULL));
	assert_false(d.piece[0].dirty);
	assert_true(is_dirty(t, t->v->first));
	/* dirty in the cache: no table is looked at, before or after */
	clean(t, t->v->first);
	iodt_assert_ok(run_dma(&d, late, t->v->first, 8, W, NULL, NULL));
	assert_false(is_dirty(t, t->v->first));
	inv_all(late);
	iodt_assert_ok(run_dma(&d, late, t->v->first, 8, W, NULL, NULL));
	assert_true(is_dirty(t, t->v->first));
	/* moved a part and failed: marked all the same */
	d.fail_at = 1;
	assert_int_equal(run_dma(&d, late, t->v->first + t->page, 8, W, NULL, NULL), -77);
	assert_true(is_dirty(t, t->v->first + t->page));
	/* without permission nothing moves */
	iodt_map(t, t->v->first + 3 * t->page, 0, t->page, IOD_PROT_READ);
	assert_int_equal(run_dma(&d, late, t->v->first + 3 * t->page, 8, W, NULL, NULL), -EFAULT);
	assert_int_equal(d.nr, 0);
	assert_int_equal(stats_of(late).set_dirty, 3);
	assert_int_equal(stats_of(late).faults, 1);
	/* iod_iotlb_access() moves nothing: it marks at once */
	inv_all(late);
	assert_false(hit(t, late, t->v->first + 2 * t->page, W));
	assert_true(is_dirty(t, t->v->first + 2 * t->page));
	iodt_assert_ok(iod_iotlb_destroy(early));
	iodt_assert_ok(iod_iotlb_destroy(late));
}

static void unmap_first(struct dma *d)
{
	uint64_t len = d->t->page;

	d->meanwhile = NULL;
	iodt_assert_ok(iod_unmap(d->t->pt, d->iova, len, 0, d->t->gather, NULL));
}

static void move_first(struct dma *d)
{
	struct iodt *t = d->t;

	unmap_first(d);
	iodt_assert_ok(iod_map(t->pt, d->iova, 16 * t->page, t->page, IODT_RW, NULL, NULL));
}

/* The mapping goes, or becomes another, between the data and the mark. */
static void late_races(struct iodt *t)
{
	struct iod_iotlb *late = new_tlb(IOD_IOTLB_LATE_DIRTY);
	uint64_t iova = t->v->first, done = 0;
	struct dma d = { .t = t, .meanwhile = unmap_first };
	struct iod_fault fault;

	map_three(t);
	assert_int_equal(run_dma(&d, late, iova, 2 * t->page, W, &done, &fault), -EFAULT);
	assert_int_equal(fault.reason, IOD_FAULT_TRANSLATION);
	assert_int_equal(done, 0);
	assert_int_equal(d.nr, 1);
	iodt_assert_ok(iod_map(t->pt, iova, 4 * t->page, t->page, IODT_RW, NULL, NULL));

	d.meanwhile = move_first;
	iodt_assert_ok(run_dma(&d, late, iova, 2 * t->page, W, &done, &fault));
	assert_int_equal(done, 2 * t->page);
	assert_int_equal(d.nr, 3);
	check_piece(&d, 0, 4 * t->page, t->page, 0);
	check_piece(&d, 1, 16 * t->page, t->page, 0);
	assert_true(d.piece[1].dirty);
	check_piece(&d, 2, 2 * t->page, t->page, t->page);
	iodt_assert_ok(iod_iotlb_destroy(late));
}

static void split_large(struct dma *d)
{
	struct iodt *t = d->t;

	d->meanwhile = NULL;
	iodt_assert_ok(iod_unmap(t->pt, d->iova, IODT_2M, 0, t->gather, NULL));
	iodt_assert_ok(iod_map(t->pt, d->iova, IODT_2M, 4096, IODT_RW, NULL, NULL));
	iodt_assert_ok(iod_map(t->pt, d->iova + 4096, IODT_2M + 4096, 4096, IODT_RW, NULL, NULL));
}

/* A large page becomes small ones under the DMA: every one that data went to is marked. */
static void late_split(struct iodt *t)
{
	struct iod_iotlb *late = new_tlb(IOD_IOTLB_LATE_DIRTY);
	struct dma d = { .t = t, .meanwhile = split_large };
	uint64_t done = 0;

	iodt_map(t, 0, IODT_2M, IODT_2M, IODT_RW);
	iodt_assert_ok(run_dma(&d, late, 0, 8192, W, &done, NULL));
	assert_int_equal(done, 8192);
	assert_int_equal(d.nr, 2);
	check_piece(&d, 0, IODT_2M, 8192, 0);
	check_piece(&d, 1, IODT_2M + 4096, 4096, 4096);
	assert_true(is_dirty(t, 0));
	assert_true(is_dirty(t, 4096));
	iodt_assert_ok(iod_iotlb_destroy(late));
}

/* ---- ATC: bits.md A1.11 rule 16 ---- */

static void atc(struct iodt *t)
{
	/* marks before the data whatever else is asked for */
	struct iod_iotlb *tlb = new_tlb(IOD_IOTLB_ATC | IOD_IOTLB_LATE_DIRTY);
	struct iod_access_result r = { 0 };
	struct dma d = { .t = t };
	uint64_t iova = t->v->first;

	map_three(t);
	/* NW=1: not marked, and W is not granted with it */
	iodt_assert_ok(iod_iotlb_access(tlb, t->pt, iova, R, &r, NULL));
	assert_int_equal(r.prot & IODT_RW, IOD_PROT_READ);
	assert_false(is_dirty(t, iova));
	assert_true(iodt_walk(t, iova).a);
	/* NW=0: a request of its own, which marks */
	iodt_assert_ok(iod_iotlb_access(tlb, t->pt, iova, W, &r, NULL));
	assert_false(r.hit);
	assert_int_equal(r.prot & IODT_RW, IODT_RW);
	assert_true(is_dirty(t, iova));
	/* later writes through the answer leave no trace */
	clean(t, iova);
	iodt_assert_ok(run_dma(&d, tlb, iova, 8, W, NULL, NULL));
	assert_false(is_dirty(t, iova));
	/* dirty before the data */
	iodt_assert_ok(run_dma(&d, tlb, iova + t->page, 8, W, NULL, NULL));
	assert_true(d.piece[0].dirty);
	/* NW=1 on a leaf that is dirty: W needs no update, so it is granted */
	inv_all(tlb);
	iodt_assert_ok(iod_iotlb_access(tlb, t->pt, iova + t->page, R, &r, NULL));
	assert_int_equal(r.prot & IODT_RW, IODT_RW);
	assert_true(hit(t, tlb, iova + t->page, W));
	/* refused requests mark nothing */
	iodt_map(t, iova + 3 * t->page, 0, t->page, IOD_PROT_READ);
	assert_int_equal(iod_iotlb_access(tlb, t->pt, iova + 3 * t->page, W, NULL, NULL), -EFAULT);
	assert_false(iodt_walk(t, iova + 3 * t->page).a);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* Where nothing is tracked, W comes with a read. */
static void atc_untracked(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(IOD_IOTLB_ATC);
	struct iod_access_result r = { 0 };

	map_three(t);
	iodt_assert_ok(iod_iotlb_access(tlb, t->pt, t->v->first, R, &r, NULL));
	assert_int_equal(r.prot & IODT_RW, IODT_RW);
	assert_true(hit(t, tlb, t->v->first, W));
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* ---- speculation ---- */

#define PAGES 64

static void speculate(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(IOD_IOTLB_SPECULATE);
	unsigned int i, early = 0, n = iodt_scale(400);
	struct iod_iotlb_stats s;
	uint64_t page, next;

	/* no runs: every page is marked by itself */
	for (page = 0; page < PAGES; page++)
		iodt_map(t, t->v->first + page * t->page, 2 * page * t->page, t->page, IODT_RW);
	for (i = 0; i < n; i++) {
		page = t->v->first + iodt_below(t, PAGES - 1) * t->page;
		next = page + t->page;
		inv_all(tlb);
		iodt_write(t, iodt_walk(t, next).pte_pa,
			   iodt_pte_clean(t->v, pte_of(t, next)) & ~iodt_accessed_bit(t->v));
		assert_false(hit(t, tlb, page, W));
		assert_true(is_dirty(t, page));
		assert_false(is_dirty(t, next));
		if (!iodt_walk(t, next).a)
			continue;
		early++;
		/* it is cached, as clean: the write marks */
		assert_true(hit(t, tlb, next, R));
		assert_false(hit(t, tlb, next, W));
		assert_true(is_dirty(t, next));
	}
	s = stats_of(tlb);
	assert_true(s.speculated >= early);
	assert_true(n < 100 || (early > n / 32 && early < n / 2));
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* What is cached already is not walked again. */
static void speculate_cached(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(IOD_IOTLB_SPECULATE);
	struct iod_inv inv = {
		.kind = IOD_INV_RANGE,
		.domain = 0x1234,
		.iova = t->v->first,
		.last = t->v->first + t->page - 1,
	};
	uint64_t before;
	unsigned int i;

	map_three(t);
	hit(t, tlb, t->v->first + t->page, R);
	before = stats_of(tlb).speculated;
	for (i = 0; i < 100; i++) {
		iodt_assert_ok(iod_iotlb_invalidate(tlb, &inv, 1));
		assert_false(hit(t, tlb, t->v->first, R));
	}
	assert_int_equal(stats_of(tlb).speculated, before);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* Into a hole, or over the end: nobody hears of it. */
static void speculate_nothing(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(IOD_IOTLB_SPECULATE);
	uint64_t iova = t->v->last - (t->page - 1);
	unsigned int i;

	iodt_map(t, iova, 0, t->page, IODT_RW);
	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	for (i = 0; i < 100; i++) {
		inv_all(tlb);
		assert_false(hit(t, tlb, iova, W));
		assert_false(hit(t, tlb, t->v->first, W));
	}
	assert_int_equal(stats_of(tlb).faults, 0);
	assert_int_equal(stats_of(tlb).misses, 200);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* ---- misuse ---- */

static int try_create(uint32_t entries, uint32_t ways, uint32_t walk, uint32_t flags)
{
	struct iod_iotlb_cfg cfg = {
		.size = sizeof(cfg),
		.entries = entries,
		.ways = ways,
		.walk_entries = walk,
		.flags = flags,
	};
	struct iod_iotlb *tlb = NULL;
	int ret = iod_iotlb_create(&tlb, &cfg);

	if (!ret)
		iodt_assert_ok(iod_iotlb_destroy(tlb));
	return ret;
}

static void create_args(void **state)
{
	struct {
		struct iod_iotlb_cfg cfg;
		uint64_t tail;
	} newer = { .cfg = { .size = sizeof(newer) } };
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg) };
	struct iod_iotlb *tlb = NULL;

	assert_int_equal(iod_iotlb_create(NULL, &cfg), -EINVAL);
	iodt_assert_ok(iod_iotlb_create(&tlb, NULL));
	iodt_assert_ok(iod_iotlb_destroy(tlb));
	tlb = NULL;
	cfg.size--;
	assert_int_equal(iod_iotlb_create(&tlb, &cfg), -EINVAL);
	newer.tail = 1;
	assert_int_equal(iod_iotlb_create(&tlb, &newer.cfg), -E2BIG);
	newer.tail = 0;
	assert_null(tlb);
	iodt_assert_ok(iod_iotlb_create(&tlb, &newer.cfg));
	iodt_assert_ok(iod_iotlb_destroy(tlb));
	assert_int_equal(iod_iotlb_destroy(NULL), -EINVAL);

	iodt_assert_ok(try_create(1, 1, 1, 0));
	iodt_assert_ok(try_create(2, 0, 2, 0));
	iodt_assert_ok(try_create(1024, 1024, 64, 63));
	assert_int_equal(try_create(3, 0, 0, 0), -EINVAL);
	assert_int_equal(try_create(8, 3, 0, 0), -EINVAL);
	assert_int_equal(try_create(8, 16, 0, 0), -EINVAL);
	assert_int_equal(try_create(8, 2, 5, 0), -EINVAL);
	assert_int_equal(try_create(8, 2, 4, 64), -EINVAL);
}

static void create_allocations(void **state)
{
	struct iodt_alloc alloc;
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg), .allocator = &alloc.ops };
	struct iod_iotlb *tlb = NULL;
	uint64_t n, fail;

	iodt_alloc_init(&alloc);
	iodt_assert_ok(iod_iotlb_create(&tlb, &cfg));
	n = alloc.calls;
	iodt_assert_ok(iod_iotlb_destroy(tlb));
	for (fail = 1; fail <= n; fail++) {
		alloc.calls = 0;
		alloc.fail_at = fail;
		assert_int_equal(iod_iotlb_create(&tlb, &cfg), -ENOMEM);
		assert_int_equal(alloc.live, 0);
		assert_int_equal(alloc.bad, 0);
	}
}

static void access_args(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(0);
	struct dma d = { .t = t };
	uint64_t done = 0;

	map_three(t);
	assert_int_equal(iod_iotlb_access(NULL, t->pt, 0, R, NULL, NULL), -EINVAL);
	assert_int_equal(iod_iotlb_access(tlb, NULL, 0, R, NULL, NULL), -EINVAL);
	assert_int_equal(iod_iotlb_access(tlb, t->pt, 0, 0, NULL, NULL), -EINVAL);
	assert_int_equal(iod_iotlb_access(tlb, t->pt, 0, IOD_ACCESS_EXEC, NULL, NULL), -EINVAL);
	assert_int_equal(iod_iotlb_access(tlb, t->pt, 0, R | 16, NULL, NULL), -EINVAL);
	assert_int_equal(run_dma(&d, NULL, 0, 8, W, &done, NULL), -EINVAL);
	assert_int_equal(run_dma(&d, tlb, 0, 0, W, &done, NULL), -EINVAL);
	assert_int_equal(run_dma(&d, tlb, 0, 8, IOD_ACCESS_PRIV, &done, NULL), -EINVAL);
	assert_int_equal(run_dma(&d, tlb, UINT64_MAX, 2, W, &done, NULL), -ERANGE);
	assert_int_equal(iod_iotlb_dma(tlb, t->pt, 0, 8, W, NULL, &d, &done, NULL), -EINVAL);
	assert_int_equal(done, 0);
	assert_int_equal(d.nr, 0);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

static void inv_args(void **state)
{
	struct iod_iotlb *tlb = new_tlb(0);
	struct iod_inv inv[2] = { { .kind = IOD_INV_ALL } };
	struct {
		struct iod_iotlb_stats s;
		uint64_t tail;
	} newer = { .s = { .size = sizeof(newer) }, .tail = 1 };
	struct iod_iotlb_stats s = { .size = sizeof(s) - 8 };

	iodt_assert_ok(iod_iotlb_invalidate(tlb, inv, 1));
	iodt_assert_ok(iod_iotlb_invalidate(tlb, NULL, 0));
	assert_int_equal(iod_iotlb_invalidate(NULL, inv, 1), -EINVAL);
	assert_int_equal(iod_iotlb_invalidate(tlb, NULL, 1), -EINVAL);
	assert_int_equal(iod_iotlb_invalidate(tlb, inv, 2), -EINVAL); /* kind 0 */
	inv[1].kind = 4;
	assert_int_equal(iod_iotlb_invalidate(tlb, inv, 2), -EINVAL);
	inv[1] = (struct iod_inv){ .kind = IOD_INV_DOMAIN, .flags = 16 };
	assert_int_equal(iod_iotlb_invalidate(tlb, inv, 2), -EINVAL);
	inv[1] = (struct iod_inv){ .kind = IOD_INV_RANGE, .iova = 1 };
	assert_int_equal(iod_iotlb_invalidate(tlb, inv, 2), -EINVAL);
	assert_int_equal(stats_of(tlb).invalidations, 1);

	assert_int_equal(iod_iotlb_get_stats(tlb, NULL), -EINVAL);
	assert_int_equal(iod_iotlb_get_stats(NULL, &s), -EINVAL);
	assert_int_equal(iod_iotlb_get_stats(tlb, &s), -EINVAL);
	assert_int_equal(iod_iotlb_get_stats(tlb, &newer.s), -E2BIG);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "pieces", IODT_MIDDLING | IODT_DIRTY, 0, pieces },
		{ "last_page", 0, 0, last_page },
		{ "order", IODT_MIDDLING | IODT_DIRTY, 0, order },
		{ "late_races", IODT_MIDDLING | IODT_DIRTY, 0, late_races },
		{ "late_split", IODT_X86_SIZES | IODT_DIRTY, IODT_UPPER, late_split },
		{ "atc", IODT_MIDDLING | IODT_DIRTY, 0, atc },
		{ "atc_untracked", 0, IODT_DIRTY, atc_untracked },
		{ "speculate", IODT_MIDDLING | IODT_DIRTY, 0, speculate },
		{ "speculate_cached", IODT_MIDDLING, 0, speculate_cached },
		{ "speculate_nothing", 0, 0, speculate_nothing },
		{ "access_args", IODT_PLAIN, 0, access_args },
	};
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(create_args),
		cmocka_unit_test(create_allocations),
		cmocka_unit_test(inv_args),
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
