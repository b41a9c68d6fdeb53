/* SPDX-License-Identifier: MIT */
/* Unmapping through the dirty log, at random, against pages kept by hand; and with very many windows. */
#include "logrig.h"

#define PAGES 700
#define OPS   150

static struct iod_dirty_log_unmap unmap_arg(struct logrig *r, uint64_t off, uint64_t len,
					    struct iodt_bits *b)
{
	return (struct iod_dirty_log_unmap){ .size = sizeof(struct iod_dirty_log_unmap),
					     .pt = r->t->pt,
					     .iova = r->iova + off,
					     .len = len,
					     .bitmap = b ? &b->bm : NULL };
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

/* ---- random, against pages kept by hand ---- */

struct flat {
	struct logrig r;
	bool mapped[PAGES], dirty[PAGES]; /* dirty: in the table or in the log */
	uint64_t n;
	struct iodt_bits b;
};

static void flat_map(struct flat *f)
{
	uint64_t i = iodt_below(f->r.t, f->n), n = 0, page = f->r.t->page;

	while (i + n < f->n && n < 100 && !f->mapped[i + n])
		f->mapped[i + n++] = true;
	if (n)
		iodt_map(f->r.t, f->r.iova + i * page, f->r.pa + i * page, n * page, IODT_RW);
}

static void flat_write(struct flat *f)
{
	uint64_t i = iodt_below(f->r.t, f->n);

	if (f->mapped[i] && iodt_below(f->r.t, 4))
		logrig_dma(&f->r, i * f->r.t->page);
	else
		logrig_cpu(&f->r, i * f->r.t->page);
	f->dirty[i] = true;
}

/* Bits are those of [from, to), and they are clean now. */
static void flat_took(struct flat *f, uint64_t from, uint64_t to)
{
	uint64_t i;

	for (i = 0; i < f->n; i++) {
		if (iodt_bits_get(&f->b, f->r.at + i * f->r.t->page) !=
		    (f->dirty[i] && i >= from && i < to))
			fail_msg("page %ju: %s", (uintmax_t)i, f->dirty[i] ? "lost" : "not dirty");
		if (i >= from && i < to)
			f->dirty[i] = false;
	}
}

static void flat_unmap(struct flat *f, uint64_t from, uint64_t to, bool deliver)
{
	uint64_t i, page = f->r.t->page, bytes = 0;
	struct iod_dirty_log_unmap u =
		unmap_arg(&f->r, from * page, (to - from) * page, deliver ? &f->b : NULL);

	iodt_assert_ok(iod_dirty_log_unmap(f->r.log, &u));
	for (i = from; i < to; i++) {
		bytes += f->mapped[i] * page;
		f->mapped[i] = false;
	}
	assert_int_equal(u.unmapped, bytes);
	iodt_expect_unmap(f->r.t, u.iova, u.len);
	if (deliver)
		flat_took(f, from, to);
}

static void flat_op(struct flat *f)
{
	uint64_t a = iodt_below(f->r.t, f->n), b = a + 1 + iodt_below(f->r.t, f->n - a), i;

	iodt_bits_zero(&f->b);
	switch (iodt_below(f->r.t, 6)) {
	case 0:
		flat_map(f);
		break;
	case 1:
		logrig_sync_all(&f->r, 0, &f->b);
		flat_took(f, 0, f->n);
		break;
	case 2:
		flat_unmap(f, a, b, true);
		break;
	case 3:
		flat_unmap(f, a, b, false);
		break;
	default:
		for (i = 0; i < 5; i++)
			flat_write(f);
	}
}

static void random_with(struct iodt *t, uint64_t odd)
{
	struct flat *f = calloc(1, sizeof(*f));
	unsigned int i, n = iodt_scale(OPS);

	assert_non_null(f);
	logrig_open(&f->r, t, PAGES, t->page, t->page, 8, 5 * t->page, odd * t->page);
	f->n = f->r.len / t->page;
	for (i = 0; i < f->n; i++)
		f->mapped[i] = true;
	iodt_bits_init(&f->b, f->r.base, f->r.size, t->page);
	logrig_start(&f->r, 0);
	for (i = 0; i < n; i++)
		flat_op(f);
	iodt_bits_zero(&f->b);
	flat_unmap(f, 0, f->n, true);
	finish(&f->r, &f->b);
	free(f);
}

static void random_unmaps(struct iodt *t)
{
	static const uint64_t odd[] = { 0, 7, 64 };
	struct iodt_variant v = *t->v;
	struct iodt *own;
	unsigned int i;

	/* of the smallest pages, so that no range cuts one and bits are exact */
	v.sizes = v.pgsizes = t->page;
	own = iodt_open(&v);
	assert_non_null(own);
	for (i = 0; i < IODT_ARRAY_SIZE(odd); i++)
		random_with(own, odd[i]);
	assert_int_equal(iodt_close(own), 0);
}

/* ---- a virtual IOMMU's windows: many, small, far apart ---- */

#define SPARSE 256

static int count_calls(void *cookie, const struct iod_inv *inv, size_t nr)
{
	++*(unsigned int *)cookie;
	return 0;
}

/* IOVAs scattered over the table, each a window on the guest-physical page that it stands for. */
static void sparse_windows(struct iodt *t)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = count_calls };
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .granule = t->page };
	struct iod_dirty_log_table win = { .size = sizeof(win), .pt = t->pt, .ops = &ops };
	uint64_t step = IODT_1G / 32, page = t->page, i;
	struct iod_dirty_log_unmap u = { .size = sizeof(u), .pt = t->pt, .len = page };
	unsigned int calls = 0;
	struct iodt_bits b;
	struct logrig r;

	memset(&r, 0, sizeof(r));
	cfg.len = SPARSE * 16 * page;
	iodt_assert_ok(iod_dirty_log_create(&r.log, &cfg));
	win.cookie = &calls;
	win.len = page;
	for (i = 0; i < SPARSE; i++) {
		/* in an order of their own, at odd places, many to a word of the log */
		win.iova = (i * 37 % SPARSE) * 16 * page + i % 16 * page;
		win.table_iova = t->v->first + i * step + i % 7 * page;
		iodt_map(t, win.table_iova, win.iova, page, IODT_RW);
		iodt_assert_ok(iod_dirty_log_add_table(r.log, &win));
	}
	iodt_bits_init(&b, 0, cfg.len, page);
	r.size = cfg.len;
	iodt_assert_ok(iod_dirty_log_start(r.log, NULL));
	assert_int_equal(calls, 0); /* nothing was dirty */
	for (i = 0; i < SPARSE; i += 64)
		iodt_dma_write(t, t->v->first + i * step + i % 7 * page);
	assert_int_equal(logrig_sync_all(&r, 0, &b), SPARSE / 64);
	/* what was dirty is invalidated, and no more; the bits are the guest's pages */
	assert_int_equal(calls, SPARSE / 64);
	for (i = 0; i < SPARSE; i += 64)
		assert_true(iodt_bits_get(&b, (i * 37 % SPARSE) * 16 * page + i % 16 * page));
	iodt_dma_write(t, t->v->first + 5 * step + 5 * page);
	u.iova = t->v->first + 5 * step + 5 * page;
	u.bitmap = &b.bm;
	iodt_bits_zero(&b);
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(iodt_bits_count(&b), 1);
	assert_true(iodt_bits_get(&b, (5 * 37 % SPARSE) * 16 * page + 5 * page));
	iodt_expect_unmap(t, u.iova, page);
	/* all of it, windows and what lies between them */
	u.iova = t->v->first;
	u.len = (SPARSE - 1) * step + 7 * page;
	u.bitmap = NULL;
	u.flags = IOD_DIRTY_LOG_UNMAP_OUTSIDE;
	iodt_assert_ok(iod_dirty_log_unmap(r.log, &u));
	assert_int_equal(u.unmapped, (SPARSE - 1) * page);
	iodt_expect_unmap(t, u.iova, u.len);
	iodt_verify(t);
	iodt_bits_free(&b);
	iodt_assert_ok(iod_dirty_log_destroy(r.log));
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "random_unmaps", IODT_DIRTY, 0, random_unmaps },
		{ "sparse_windows", IODT_DIRTY | IODT_ROOMY, 0, sparse_windows },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
