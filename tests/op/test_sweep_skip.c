/* SPDX-License-Identifier: MIT */
/*
 * Leaf tables in which nothing can become dirty are not looked at, in any sweep, without any help of
 * hardware; and no other table is ever taken for one.
 */
#include "iodtest.h"

#define TABLES 4

struct rows {
	struct iodt *t;
	uint64_t base, span;
	unsigned int nr;
	struct iodt_bits bits;
};

static void rows_init(struct rows *r, struct iodt *t)
{
	uint64_t room = (t->v->last - t->v->first) / iodt_table_span(t->v) + 1;

	if (!room) /* 2^64 */
		room = TABLES;
	*r = (struct rows){ .t = t, .base = t->v->first, .span = iodt_table_span(t->v) };
	r->nr = room < TABLES ? (unsigned int)room : TABLES;
	iodt_bits_init(&r->bits, r->base, r->nr * r->span, t->page);
}

static void rows_free(struct rows *r)
{
	iodt_sync(r->t);
	iodt_bits_free(&r->bits);
}

/* Only the smallest pages: output addresses fit no larger one. */
static void map_small(struct rows *r, uint64_t row, uint64_t page, uint64_t n, uint32_t prot)
{
	uint64_t size = r->t->page, off = row * r->span + page * size;

	iodt_map(r->t, r->base + off, (off + size) % IODT_1G, n * size, prot);
}

static void unmap_small(struct rows *r, uint64_t row, uint64_t page, uint64_t n)
{
	iodt_unmap(r->t, r->base + row * r->span + page * r->t->page, n * r->t->page);
}

/* Everything in one sweep, which is what the independent walker says; returns how many were skipped. */
static uint64_t swept(struct rows *r, enum iod_sweep_mode mode)
{
	struct iod_sweep s =
		iodt_sweep_arg(r->t, IOD_SWEEP_READ, r->base, r->nr * r->span, &r->bits);

	iodt_bits_zero(&r->bits);
	iodt_assert_ok(iod_sweep(r->t->pt, &s));
	assert_true(s.pruned <= r->nr);
	if (s.pruned == r->nr) /* only what is above */
		assert_true(s.items < r->span / r->t->page * r->nr);
	iodt_sweep(r->t, mode, 0, r->base, r->nr * r->span, 0, &r->bits);
	return s.pruned;
}

static void read_only(struct iodt *t)
{
	uint64_t pages = iodt_table_span(t->v) / t->page, row;
	struct rows r;

	rows_init(&r, t);
	for (row = 0; row < r.nr; row++) {
		if (row % 2)
			map_small(&r, row, 0, pages, IOD_PROT_READ);
		else
			map_small(&r, row, 1, 5, IOD_PROT_READ);
	}
	assert_int_equal(swept(&r, IOD_SWEEP_CLEAR), r.nr);
	for (row = 0; row < r.nr; row++) { /* one writable page among them */
		if (row % 2)
			unmap_small(&r, row, pages / 2, 1);
		map_small(&r, row, pages / 2, 1, IODT_RW);
		iodt_dma_write(t, r.base + row * r.span + pages / 2 * t->page);
		assert_int_equal(swept(&r, IOD_SWEEP_CLEAR), r.nr - row - 1);
		assert_int_equal(iodt_bits_count(&r.bits), 1);
	}
	for (row = 0; row < r.nr; row++) /* and none again: either is right */
		unmap_small(&r, row, pages / 2, 1);
	swept(&r, IOD_SWEEP_CLEAR_BY_BITMAP);
	assert_int_equal(iodt_bits_count(&r.bits), 0);
	rows_free(&r);
}

/* Read-only leaves born dirty: dirty where that is a bit of its own. */
static void read_only_born_dirty(struct iodt *t)
{
	struct rows r;

	rows_init(&r, t);
	map_small(&r, 0, 0, 3, IOD_PROT_READ);
	map_small(&r, r.nr - 1, 7, 3, IOD_PROT_READ | IOD_PROT_DIRTY);
	swept(&r, IOD_SWEEP_CLEAR);
	assert_int_equal(iodt_bits_count(&r.bits), t->caps & IODT_ARM ? 0 : 3);
	map_small(&r, 0, 9, 2, IOD_PROT_READ | IOD_PROT_DIRTY);
	swept(&r, IOD_SWEEP_CLEAR);
	assert_int_equal(iodt_bits_count(&r.bits), t->caps & IODT_ARM ? 0 : 2);
	rows_free(&r);
}

/* Writable without DBM: never marked, so reported every time. */
static void untracked(struct iodt *t)
{
	struct rows r;
	int i;

	rows_init(&r, t);
	map_small(&r, 0, 0, 4, IOD_PROT_READ);
	map_small(&r, r.nr - 1, 9, 2, IODT_RW | IOD_PROT_UNTRACKED);
	for (i = 0; i < 3; i++) {
		assert_in_range(swept(&r, IOD_SWEEP_CLEAR), 0, r.nr - 1);
		assert_int_equal(iodt_bits_count(&r.bits), 2);
	}
	rows_free(&r);
}

/* Tables come from those freed before: what was known of them is forgotten. */
static void recycled(struct iodt *t)
{
	uint64_t pages = iodt_table_span(t->v) / t->page, row, at;
	unsigned int round;
	struct rows r;
	bool whole, rw;

	rows_init(&r, t);
	for (round = 0; round < iodt_scale(24); round++) {
		for (row = 0; row < r.nr; row++) {
			whole = iodt_below(t, 2);
			rw = iodt_below(t, 2);
			at = iodt_below(t, pages - 2);
			map_small(&r, row, whole ? 0 : at, whole ? pages : 2,
				  rw ? IODT_RW : IOD_PROT_READ);
			if (rw)
				iodt_dma_write(t, r.base + row * r.span + at * t->page);
		}
		swept(&r, IOD_SWEEP_CLEAR);
		for (row = 0; row < r.nr; row++)
			iodt_unmap(t, r.base + row * r.span, r.span);
		iodt_sync(t);
	}
	rows_free(&r);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "read_only", IODT_DIRTY | IODT_TABLES, IODT_GROWS, read_only },
		{ "read_only_born_dirty", IODT_DIRTY | IODT_TABLES, 0, read_only_born_dirty },
		{ "untracked", IODT_DIRTY | IODT_ARM | IODT_TABLES, 0, untracked },
		{ "recycled", IODT_DIRTY | IODT_PLAIN, 0, recycled },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
