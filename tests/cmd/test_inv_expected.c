/* SPDX-License-Identifier: MIT */
/*
 * Each operation of the library and the commands that it must come out as, in order, worked out by hand from the
 * specifications (VT-d 6.5.2, 6.5.3.3; AMD 48882, 2.4): second and first stage of VT-d, host and guest tables of AMD.
 * That they suffice is test_inv_tables.c's business; the bits are gcvendor.c's.
 */
#include "gchw.h"

#define BASE (UINT64_C(1) << 32)
#define P    IODT_4K

/* One table, its hardware, and what is expected of it. */
struct ex {
	struct iodt *t;
	struct gchw *hw;
	struct gc_cmd want[16];
	size_t nr;
};

static void ex_open(struct ex *x, const char *variant, const struct iod_inv_cost *cost)
{
	struct gc_cfg cfg = { .domain = 7, .cost = cost };

	memset(x, 0, sizeof(*x));
	x->t = iodt_open(iodt_variant(variant));
	assert_non_null(x->t);
	x->hw = gchw_open(x->t, &cfg, 7, false);
}

static void ex_close(struct ex *x)
{
	gchw_close(x->hw);
	iodt_assert_ok(iodt_close(x->t));
}

static void want(struct ex *x, uint64_t iova, uint64_t len, bool leaf)
{
	struct gc_cmd *c = &x->want[x->nr++];

	*c = (struct gc_cmd){
		.kind = GC_PAGES, .domain = 7, .leaf = leaf, .first = iova, .last = iova + (len - 1)
	};
	if (x->hw->stage == 1) {
		c->by_pasid = true;
		c->pasid = 0x54321;
	}
}

static void want_sync(struct ex *x)
{
	x->want[x->nr++] = (struct gc_cmd){ .kind = GC_SYNC };
}

/* Syncs the gather; that was all. */
static void check(struct ex *x, const char *what)
{
	iodt_sync(x->t);
	gc_expect(x->hw->gc, x->want, x->nr, what);
	x->nr = 0;
}

/* As it was before: nothing mapped, nothing to invalidate. */
static void clean(struct ex *x)
{
	while (x->t->nr_segs)
		iodt_unmap(x->t, x->t->seg[0].iova, x->t->seg[0].last - x->t->seg[0].iova + 1);
	iodt_sync(x->t);
	gc_reset(x->hw->gc);
}

static void map(struct ex *x, uint64_t iova, uint64_t len, uint64_t size)
{
	uint64_t off;

	for (off = 0; off < len; off += size)
		iodt_map(x->t, iova + off, iodt_pa(x->t->v, size, 2 * (off / size + 1)), size,
			 IODT_RW);
	iodt_sync(x->t);
	gc_reset(x->hw->gc);
}

/* ---- map and unmap ---- */

static void maps(struct ex *x)
{
	/* into nothing: no command at all */
	iodt_map(x->t, BASE, 0, P, IODT_RW);
	iodt_map(x->t, BASE + 2 * IODT_2M, 0, IODT_2M, IODT_RW);
	check(x, "map");
	iodt_unmap(x->t, BASE, P);
	want(x, BASE, P, true);
	want_sync(x);
	check(x, "unmap a page");
	/* the empty table in the way of a larger page, before that goes in */
	iodt_map(x->t, BASE, 0, IODT_2M, IODT_RW);
	want(x, BASE, IODT_2M, false);
	want_sync(x);
	check(x, "replace a table");
	clean(x);
}

static void unmaps(struct ex *x)
{
	map(x, BASE, 8 * P, P);
	/* 1, 2 and 3: a page and two */
	iodt_unmap(x->t, BASE + P, 3 * P);
	want(x, BASE + P, P, true);
	want(x, BASE + 2 * P, 2 * P, true);
	want_sync(x);
	check(x, "pages");
	map(x, BASE + 4 * IODT_2M, 2 * IODT_2M, IODT_2M);
	iodt_unmap(x->t, BASE + 4 * IODT_2M, IODT_2M);
	want(x, BASE + 4 * IODT_2M, IODT_2M, true);
	want_sync(x);
	check(x, "2 MiB");
	/* the leaf table goes as well */
	iodt_unmap(x->t, BASE, IODT_2M);
	want(x, BASE, IODT_2M, false);
	want_sync(x);
	check(x, "a table");
	/* half a table and half of the next: pages alone, 500 to 511 and 512 to 529 */
	map(x, BASE, 600 * P, P);
	iodt_unmap(x->t, BASE + 500 * P, 30 * P);
	want(x, BASE + 500 * P, 4 * P, true);
	want(x, BASE + 504 * P, 8 * P, true);
	want(x, BASE + 512 * P, 16 * P, true);
	want(x, BASE + 528 * P, 2 * P, true);
	want_sync(x);
	check(x, "over two tables");
	clean(x);
}

/* R58: all items of a page that is written several times. */
static void runs(struct ex *x)
{
	if (!(x->t->caps & IODT_REPLICAS))
		return;
	map(x, BASE, IODT_64K, IODT_64K);
	iodt_mark_item(x->t, BASE, 3);
	iodt_unmap(x->t, BASE, IODT_64K);
	want(x, BASE, IODT_64K, true);
	want_sync(x);
	check(x, "a run");
	clean(x);
}

/* 513 pages from the middle of a table on. */
static void unaligned(struct ex *x)
{
	map(x, BASE, 1024 * P, P);
	iodt_unmap(x->t, BASE + 256 * P, 513 * P);
	want(x, BASE + 256 * P, 256 * P, true);
	want(x, BASE + 512 * P, 256 * P, true);
	want(x, BASE + 768 * P, P, true);
	want_sync(x);
	check(x, "513 pages");
	clean(x);
}

/* Tables go, and what is below them: pages, a large page, tables. */
static void large_unmaps(struct ex *x)
{
	map(x, BASE, P, P);
	map(x, BASE + IODT_2M, IODT_2M, IODT_2M);
	iodt_unmap(x->t, BASE, IODT_1G);
	want(x, BASE, IODT_1G, false);
	want_sync(x);
	check(x, "1 GiB");
	map(x, BASE, IODT_32M, P);
	iodt_unmap(x->t, BASE, IODT_32M);
	want(x, BASE, IODT_32M, false);
	want_sync(x);
	check(x, "32 MiB");
}

/* ---- sweeps ---- */

static void sweep(struct ex *x, uint32_t flags, uint64_t len)
{
	struct iodt_bits b;
	struct iod_sweep s;

	iodt_bits_init(&b, BASE, len, P);
	s = iodt_sweep_arg(x->t, IOD_SWEEP_CLEAR, BASE, len, &b);
	s.flags = flags;
	iodt_assert_ok(iod_sweep(x->t->pt, &s));
	iodt_bits_free(&b);
}

static void sweeps(struct ex *x)
{
	static const unsigned dirty[] = { 0, 2, 3, 9 };
	unsigned i;

	map(x, BASE, 512 * P, P);
	sweep(x, 0, IODT_2M);
	check(x, "nothing is dirty");
	for (i = 0; i < 4; i++)
		iodt_dma_write(x->t, BASE + dirty[i] * P);
	sweep(x, 0, IODT_2M);
	want(x, BASE, P, true);
	want(x, BASE + 2 * P, 2 * P, true);
	want(x, BASE + 9 * P, P, true);
	want_sync(x);
	check(x, "scattered pages");
	for (i = 0; i < 512; i++)
		iodt_dma_write(x->t, BASE + i * P);
	sweep(x, 0, IODT_2M);
	want(x, BASE, IODT_2M, true);
	want_sync(x);
	check(x, "a whole table");
	clean(x);
	map(x, BASE, IODT_2M, IODT_2M);
	iodt_dma_write(x->t, BASE + 5 * P);
	sweep(x, 0, IODT_2M);
	want(x, BASE, IODT_2M, true);
	want_sync(x);
	check(x, "2 MiB");
	clean(x);
}

/* A pruning sweep takes Accessed from a table entry and waits for that, then cleans pages. */
static void prunes(struct ex *x)
{
	if (!(x->t->caps & IODT_PRUNE))
		return;
	map(x, BASE, 512 * P, P);
	gchw_warm(x->hw, BASE + 3 * P, IOD_ACCESS_WRITE);
	sweep(x, IOD_SWEEP_PRUNE, IODT_2M);
	want(x, BASE, IODT_2M, false);
	want_sync(x);
	want(x, BASE + 3 * P, P, true);
	want_sync(x);
	check(x, "prune");
	clean(x);
}

/* ---- page sizes ---- */

static void resizes(struct ex *x)
{
	struct iod_resize z = { .size = sizeof(z),
				.iova = BASE,
				.len = IODT_2M,
				.page_size = P,
				.gather = x->t->gather };

	map(x, BASE, IODT_2M, IODT_2M);
	iodt_assert_ok(iod_split_range(x->t->pt, &z));
	/* the page alone: nobody holds the new table */
	want(x, BASE, IODT_2M, true);
	want_sync(x);
	check(x, "split");
	/* the table goes, and the pages in it */
	z.page_size = IODT_2M;
	iodt_assert_ok(iod_merge_range(x->t->pt, &z));
	want(x, BASE, IODT_2M, false);
	want_sync(x);
	check(x, "merge");
	clean(x);
}

/* ---- all of them ---- */

static const char *const variants[] = { "vtd_ss-4", "vtd_ss-4-ta", "vtd_fs-4", "amd_v1-mode4",
					"amd_v2-4" };

static void every_operation(void **state)
{
	static void (*const ops[])(struct ex * x) = { maps,	    unmaps, runs,   unaligned,
						      large_unmaps, sweeps, prunes, resizes };
	unsigned i, k;

	for (i = 0; i < IODT_ARRAY_SIZE(variants); i++)
		for (k = 0; k < IODT_ARRAY_SIZE(ops); k++) {
			struct ex x;

			ex_open(&x, variants[i], &gc_never);
			ops[k](&x);
			ex_close(&x);
		}
}

/* By default pages close to each other take one command; more than a domain is worth never do. */
static void by_default(void **state)
{
	unsigned i, k;

	for (i = 0; i < IODT_ARRAY_SIZE(variants); i++) {
		struct ex x;

		ex_open(&x, variants[i], NULL);
		map(&x, BASE, 512 * P, P);
		for (k = 0; k < 512; k += 8)
			iodt_dma_write(x.t, BASE + k * P);
		sweep(&x, 0, IODT_2M);
		/* 64 commands are 6400; one, with 448 pages that were not dirty, 4580 */
		want(&x, BASE, IODT_2M, true);
		want_sync(&x);
		check(&x, "every eighth page");
		clean(&x);
		ex_close(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation),
		cmocka_unit_test(by_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
