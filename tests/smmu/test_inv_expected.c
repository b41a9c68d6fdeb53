/* SPDX-License-Identifier: MIT */
/*
 * Each operation of the library and the commands that it must come out as, to the bit and in order, worked out by
 * hand from the specification (Arm IHI 0070, 4.4): stage 1 and stage 2 of 4 KiB granules, with and without
 * range commands, and the first of each for other granules. That they suffice is test_inv_tables.c's business.
 */
#include "invhw.h"

#define BASE (UINT64_C(1) << 32)
#define P    IODT_4K

/* One table, its hardware, and what is expected of it. */
struct ex {
	struct iodt *t;
	struct invhw *hw;
	bool ranges;
	struct seen want[600];
	size_t nr;
};

static const struct iod_inv_cost never = { .size = sizeof(never),
					   .domain = IOD_INV_NEVER,
					   .global = IOD_INV_NEVER };

static void ex_open(struct ex *x, const char *variant, bool ranges, const struct iod_inv_cost *cost)
{
	const struct invhw_cfg cfg = { .addresses = !ranges, .no_atc = true, .cost = cost };

	*x = (struct ex){ .t = iodt_open(iodt_variant(variant)), .ranges = ranges };
	assert_non_null(x->t);
	x->hw = invhw_open(x->t, &cfg);
}

static void ex_close(struct ex *x)
{
	invhw_close(x->hw);
	assert_int_equal(iodt_close(x->t), 0);
}

static bool stage1(const struct ex *x)
{
	return x->t->v->format == IOD_ARM_LPAE_S1;
}

static struct seen *want(struct ex *x, uint64_t addr, bool leaf)
{
	struct seen *c = &x->want[x->nr++];

	*c = (struct seen){ .op = stage1(x) ? 0x12 : 0x2a,
			    .vmid = 0x12,
			    .asid = stage1(x) ? 0x1234 : 0,
			    .addr = addr,
			    .leaf = leaf };
	return c;
}

/* (num + 1) * 2^scale granules, or so many addresses from there. */
static void want_range(struct ex *x, uint64_t addr, bool leaf, uint8_t num, uint8_t scale,
		       uint8_t ttl, unsigned addresses, uint64_t stride)
{
	unsigned i;

	for (i = 0; !x->ranges && i < addresses; i++)
		want(x, addr + i * stride, leaf);
	if (x->ranges) {
		struct seen *c = want(x, addr, leaf);

		c->tg = 1;
		c->num = num;
		c->scale = scale;
		c->ttl = ttl;
	}
}

static void want_sync(struct ex *x)
{
	x->want[x->nr++] = (struct seen)SEEN_SYNC;
}

static void want_wide(struct ex *x)
{
	x->want[x->nr++] = (struct seen){ .op = stage1(x) ? 0x10 : 0x28, .vmid = 0x12 };
}

/* Syncs the gather; that was all. */
static void check(struct ex *x, const char *what)
{
	iodt_sync(x->t);
	sink_expect(&x->hw->sink, x->want, x->nr, what);
	x->nr = 0;
}

/* As it was before: nothing mapped, nothing to invalidate. */
static void clean(struct ex *x)
{
	while (x->t->nr_segs)
		iodt_unmap(x->t, x->t->seg[0].iova, x->t->seg[0].last - x->t->seg[0].iova + 1);
	iodt_sync(x->t);
	sink_reset(&x->hw->sink);
}

static void map(struct ex *x, uint64_t iova, uint64_t len, uint64_t size)
{
	uint64_t off;

	for (off = 0; off < len; off += size)
		iodt_map(x->t, iova + off, iodt_pa(x->t->v, size, 2 * (off / size + 1)), size,
			 IODT_RW);
	iodt_sync(x->t);
	sink_reset(&x->hw->sink);
}

/* ---- map and unmap ---- */

static void maps(struct ex *x)
{
	/* into nothing: no command at all */
	iodt_map(x->t, BASE, 0, P, IODT_RW);
	iodt_map(x->t, BASE + 2 * IODT_2M, 0, IODT_2M, IODT_RW);
	check(x, "map");
	iodt_unmap(x->t, BASE, P);
	want_range(x, BASE, true, 0, 0, 3, 1, P);
	want_sync(x);
	check(x, "unmap a page");
	/* the empty table in the way of a block: no leaf, so that one address is enough */
	iodt_map(x->t, BASE, 0, IODT_2M, IODT_RW);
	want_range(x, BASE, false, 15, 5, 0, 1, P);
	want_sync(x);
	check(x, "replace a table");
	clean(x);
}

static void unmaps(struct ex *x)
{
	map(x, BASE, 8 * P, P);
	iodt_unmap(x->t, BASE + P, 3 * P);
	want_range(x, BASE + P, true, 2, 0, 3, 3, P);
	want_sync(x);
	check(x, "pages");
	map(x, BASE + 4 * IODT_2M, 2 * IODT_2M, IODT_2M);
	iodt_unmap(x->t, BASE + 4 * IODT_2M, IODT_2M);
	want_range(x, BASE + 4 * IODT_2M, true, 15, 5, 2, 1, IODT_2M);
	want_sync(x);
	check(x, "a block");
	/* the leaf table goes as well */
	iodt_unmap(x->t, BASE, IODT_2M);
	want_range(x, BASE, false, 15, 5, 0, 512, P);
	want_sync(x);
	check(x, "a table");
	/* half a table and half of the next: pages alone */
	map(x, BASE, 600 * P, P);
	iodt_unmap(x->t, BASE + 500 * P, 30 * P);
	want_range(x, BASE + 500 * P, true, 29, 0, 3, 30, P);
	want_sync(x);
	check(x, "over two tables");
	clean(x);
	map(x, BASE, IODT_64K, IODT_64K);
	iodt_unmap(x->t, BASE, IODT_64K);
	want_range(x, BASE, true, 15, 0, 3, 16, P);
	want_sync(x);
	check(x, "a run: each of its items");
	clean(x);
}

/* 513 pages: the longest range and one page more. */
static void unrepresentable(struct ex *x)
{
	map(x, BASE, 1024 * P, P);
	iodt_unmap(x->t, BASE + 256 * P, 513 * P);
	if (x->ranges) {
		want_range(x, BASE + 256 * P, true, 15, 5, 3, 0, P);
		want_range(x, BASE + 768 * P, true, 0, 0, 3, 0, P);
	} else {
		want_range(x, BASE + 256 * P, true, 0, 0, 0, 513, P);
	}
	want_sync(x);
	check(x, "513 pages");
	clean(x);
}

/* The level-1 table (Arm's count) goes, and what is below it: pages, a block, tables. */
static void unmap_one_gib(struct ex *x)
{
	if (!x->ranges)
		return;
	map(x, BASE, P, P);
	map(x, BASE + IODT_2M, IODT_2M, IODT_2M);
	iodt_unmap(x->t, BASE, IODT_1G);
	if (x->t->v->walk_levels > 2) {
		want_range(x, BASE, false, 15, 14, 0, 0, P);
	} else { /* that table is the root, and stays */
		want_range(x, BASE, false, 15, 5, 0, 0, P);
		want_range(x, BASE + IODT_2M, true, 15, 5, 2, 0, P);
	}
	want_sync(x);
	check(x, "1 GiB");
	/* 32 MiB of 4 KiB pages: one */
	map(x, BASE, IODT_32M, P);
	iodt_unmap(x->t, BASE, IODT_32M);
	want_range(x, BASE, false, 15, 9, 0, 0, P);
	want_sync(x);
	check(x, "32 MiB");
}

/* What the root's entry maps, all of which goes: 512 GiB, or 2 MiB where there are two levels. */
static void unmap_everything(struct ex *x)
{
	const struct iodt_variant *v = x->t->v;

	map(x, BASE, P, P);
	iodt_unmap(x->t, v->first, v->last - v->first + 1);
	if (!x->ranges)
		want_wide(x);
	else if (v->width == 48)
		want_range(x, 0, false, 15, 23, 0, 0, P);
	else
		want_range(x, BASE, false, 15, 5, 0, 0, P);
	want_sync(x);
	check(x, "everything");
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
	want_range(x, BASE, true, 0, 0, 3, 1, P);
	want_range(x, BASE + 2 * P, true, 1, 0, 3, 2, P);
	want_range(x, BASE + 9 * P, true, 0, 0, 3, 1, P);
	want_sync(x);
	check(x, "scattered pages");
	for (i = 0; i < 512; i++)
		iodt_dma_write(x->t, BASE + i * P);
	sweep(x, 0, IODT_2M);
	want_range(x, BASE, true, 15, 5, 3, 512, P);
	want_sync(x);
	check(x, "a whole table");
	clean(x);
	map(x, BASE, IODT_2M, IODT_2M);
	iodt_dma_write(x->t, BASE + 5 * P);
	sweep(x, 0, IODT_2M);
	want_range(x, BASE, true, 15, 5, 2, 1, P);
	want_sync(x);
	check(x, "a block");
	clean(x);
}

/* A pruning sweep takes Accessed from a table entry and waits for that, then cleans pages. */
static void prunes(struct ex *x)
{
	if (!(x->t->caps & IODT_PRUNE))
		return;
	map(x, BASE, 512 * P, P);
	invhw_warm(x->hw, BASE + 3 * P, IOD_ACCESS_WRITE);
	sweep(x, IOD_SWEEP_PRUNE, IODT_2M);
	want_range(x, BASE, false, 15, 5, 0, 512, P);
	want_sync(x);
	want_range(x, BASE + 3 * P, true, 0, 0, 3, 1, P);
	want_sync(x);
	check(x, "prune");
	clean(x);
}

/* ---- page sizes ---- */

static void resize(struct ex *x, bool merge, uint64_t len)
{
	struct iod_resize z = { .size = sizeof(z),
				.iova = BASE,
				.len = len,
				.page_size = merge ? len : P,
				.gather = x->t->gather };

	iodt_assert_ok(merge ? iod_merge_range(x->t->pt, &z) : iod_split_range(x->t->pt, &z));
}

static void resizes(struct ex *x)
{
	map(x, BASE, IODT_2M, IODT_2M);
	resize(x, false, IODT_2M);
	/* the block alone: nobody holds the new table */
	want_range(x, BASE, true, 15, 5, 2, 1, P);
	want_sync(x);
	check(x, "split");
	/* the table goes, and the pages in it */
	resize(x, true, IODT_2M);
	want_range(x, BASE, false, 15, 5, 0, 512, P);
	want_sync(x);
	check(x, "merge");
	clean(x);
	map(x, BASE, IODT_64K, IODT_64K);
	resize(x, false, IODT_64K);
	want_range(x, BASE, true, 15, 0, 3, 16, P);
	want_sync(x);
	check(x, "split a run");
	resize(x, true, IODT_64K);
	want_range(x, BASE, true, 15, 0, 3, 16, P);
	want_sync(x);
	check(x, "merge into a run");
	clean(x);
}

/* ---- all of them ---- */

static void every_operation(void **state)
{
	static const char *const variants[] = { "arm_lpae_s1-4k-ias48-bbm2",
						"arm_lpae_s1-4k-ias40-bbm2-haft",
						"arm_lpae_s2-4k-ias34-bbm2-haft" };
	static void (*const ops[])(struct ex * x) = { maps,	     unmaps, unrepresentable,
						      unmap_one_gib, sweeps, prunes,
						      resizes };
	unsigned i, k, ranges;

	for (i = 0; i < IODT_ARRAY_SIZE(variants); i++)
		for (ranges = 0; ranges < 2; ranges++)
			for (k = 0; k < IODT_ARRAY_SIZE(ops); k++) {
				struct ex x;

				ex_open(&x, variants[i], ranges, &never);
				ops[k](&x);
				ex_close(&x);
			}
}

static void everything(void **state)
{
	static const char *const variants[] = { "arm_lpae_s1-4k-ias48", "arm_lpae_s2-4k-ias34" };
	unsigned i, ranges;

	for (i = 0; i < 2; i++)
		for (ranges = 0; ranges < 2; ranges++) {
			struct ex x;

			ex_open(&x, variants[i], ranges, ranges ? &never : NULL);
			unmap_everything(&x);
			ex_close(&x);
		}
}

/* By default a table of 512 pages is dearer than a VMID's stage 2 refilled, not than all ASIDs of a VMID. */
static void wide_by_default(void **state)
{
	struct ex x;

	ex_open(&x, "arm_lpae_s2-4k-ias48", false, NULL);
	map(&x, BASE, IODT_2M, P);
	iodt_unmap(x.t, BASE, IODT_2M);
	want_wide(&x);
	want_sync(&x);
	check(&x, "stage 2");
	ex_close(&x);
	ex_open(&x, "arm_lpae_s1-4k-ias48", false, NULL);
	map(&x, BASE, IODT_2M, P);
	iodt_unmap(x.t, BASE, IODT_2M);
	want_range(&x, BASE, false, 0, 0, 0, 512, P);
	want_sync(&x);
	check(&x, "stage 1");
	ex_close(&x);
}

/* TG and the sizes of tables: 2048 and 8192 items. */
static void other_granules(void **state)
{
	static const struct {
		const char *variant;
		uint64_t page, table;
		uint8_t tg, scale;
	} g[] = { { "arm_lpae_s1-16k-ias47", 1u << 14, 1u << 25, 2, 7 },
		  { "arm_lpae_s2-64k-ias48", 1u << 16, 1u << 29, 3, 9 } };
	size_t i;

	for (i = 0; i < 2; i++) {
		struct ex x;
		struct seen *c;

		ex_open(&x, g[i].variant, true, &never);
		map(&x, BASE, 4 * g[i].page, g[i].page);
		iodt_unmap(x.t, BASE + g[i].page, g[i].page);
		c = want(&x, BASE + g[i].page, true);
		c->tg = g[i].tg;
		c->ttl = 3;
		want_sync(&x);
		check(&x, "a page");
		iodt_unmap(x.t, BASE, g[i].table);
		c = want(&x, BASE, false);
		c->tg = g[i].tg;
		c->num = 15;
		c->scale = g[i].scale;
		want_sync(&x);
		check(&x, "a table");
		map(&x, BASE, g[i].table, g[i].table);
		iodt_unmap(x.t, BASE, g[i].table);
		c = want(&x, BASE, true);
		c->tg = g[i].tg;
		c->num = 15;
		c->scale = g[i].scale;
		c->ttl = 2;
		want_sync(&x);
		check(&x, "a block");
		ex_close(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation),
		cmocka_unit_test(everything),
		cmocka_unit_test(wide_by_default),
		cmocka_unit_test(other_granules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
