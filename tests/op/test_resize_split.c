/* SPDX-License-Identifier: MIT */
/*
 * iod_split_range: the sizes that come of it, and that nothing else changes. What is expected is worked out
 * from the contract (resizerig.c) and compared with what the independent walker finds.
 */
#include "resizerig.h"

/* Pages of one size that a test maps at most, and the largest page taken apart. */
#define MAX_PAGES 1024u
#define MAX_SIZE  IODT_1G

/* The largest page in use up to MAX_SIZE of which n fit into each part of the input space. */
static uint64_t largest_of(const struct iodt *t, uint64_t n)
{
	const struct iodt_variant *v = t->v;
	uint64_t low_last = v->hole_first ? v->hole_first - 1 : v->last;
	uint64_t best = t->page, sizes[64];
	size_t i, nr = rsz_sizes(v, sizes);

	for (i = 0; i < nr && sizes[i] <= MAX_SIZE; i++)
		if (n <= (low_last - v->first) / sizes[i])
			best = sizes[i];
	return best;
}

/* R28: one page, at both ends of the space and elsewhere, in one call. */
static void split_one(struct iodt *t, uint64_t from, uint64_t to)
{
	uint64_t places[IODT_PLACES];
	size_t i, n = iodt_places(t->v, from, places);
	struct rsz r;

	for (i = 0; i < n; i++) {
		rsz_open(&r, t);
		rsz_map(&r, places[i], iodt_pa(t->v, from, 3 + i), from, IODT_RW);
		rsz_load(&r);
		assert_int_equal(r.now.nr, 1);
		rsz_split(&r, places[i], from, to, 0);
		assert_int_equal(r.now.nr, from / to);
		iodt_verify_at(t, places[i] + from / 2);
		iodt_verify_at(t, places[i] + (from - 1));
		iodt_unmap(t, places[i], from);
		iodt_sync(t);
		rsz_close(&r);
	}
}

static void every_size_to_every_smaller(struct iodt *t)
{
	uint64_t sizes[64];
	size_t i, k, nr = rsz_sizes(t->v, sizes);

	for (i = 1; i < nr && sizes[i] <= MAX_SIZE; i++)
		for (k = 0; k < i; k++)
			if (sizes[i] / sizes[k] <= MAX_PAGES)
				split_one(t, sizes[i], sizes[k]);
}

/* 1 GiB (or what there is) to the smallest in one call. */
static void largest_to_smallest(struct iodt *t)
{
	uint64_t size = largest_of(t, 2), iova = t->v->last - (size - 1);
	struct rsz r;

	rsz_open(&r, t);
	rsz_map(&r, iova, iodt_pa(t->v, size, 1), size, IODT_RW);
	rsz_load(&r);
	rsz_split(&r, iova, size, 0, 0);
	assert_int_equal(r.now.nr, size / t->page);
	rsz_close(&r);
}

/* Far larger than that, but only a little of it: the rest stays as large as it can. */
static void a_page_out_of_the_largest(struct iodt *t)
{
	uint64_t size = iodt_largest(t->v), at[3], iova;
	struct rsz r;
	size_t i;

	/* AMD: up to 256 GiB, as 512 GiB, between two sizes in use, is none */
	if (size - 1 > t->v->last - t->v->first || size > IODT_BIT(38))
		size = largest_of(t, 1);
	iova = t->v->last - (size - 1);
	at[0] = iova;
	at[1] = iova + (size / 2 & -t->page);
	at[2] = iova + (size - t->page);
	for (i = 0; i < 3; i++) {
		rsz_open(&r, t);
		rsz_map(&r, iova, 0, size, IODT_RW);
		rsz_load(&r);
		rsz_split(&r, at[i], t->page, 0, 0);
		assert_int_equal(rsz_at(&r, at[i])->size, t->page);
		iodt_unmap(t, iova, size);
		iodt_sync(t);
		rsz_close(&r);
	}
}

/* Three pages side by side; the range begins and ends inside of them. */
static void ragged_ends(struct iodt *t)
{
	uint64_t sizes[64], size = largest_of(t, 8), iova = t->v->first + size, p = t->page, limit;
	size_t k, nr = rsz_sizes(t->v, sizes);
	struct rsz r;

	while (size / p > 16 * MAX_PAGES && size > IODT_2M)
		size >>= 1;
	size = iodt_best_size(t->v, iova, 0, size);
	for (k = 0; k < nr && sizes[k] < size; k++) {
		limit = sizes[k];
		if (size / limit > MAX_PAGES)
			continue;
		rsz_open(&r, t);
		rsz_map(&r, iova, iodt_pa(t->v, size, 5) & -(4 * size), 3 * size, IODT_RW);
		rsz_load(&r);
		/* the first to its end, the second whole, of the third one page */
		rsz_split(&r, iova + (size - p), size + 2 * p, limit, 0);
		assert_true(rsz_at(&r, iova + size)->size <= limit);
		assert_true(rsz_at(&r, iova + 2 * size)->size <= limit);
		assert_true(size / limit <= 2 || rsz_at(&r, iova)->size >= limit);
		iodt_unmap(t, iova, 3 * size);
		iodt_sync(t);
		rsz_close(&r);
	}
}

/* Maps what suits the addresses, hole and neighbour, from the smallest to the largest page and down again. */
static uint64_t map_mixed(struct rsz *r, uint64_t iova)
{
	struct iodt *t = r->t;
	uint64_t sizes[64], top = largest_of(t, 8), at = iova, size;
	size_t i, k, nr = rsz_sizes(t->v, sizes);

	for (k = 0; k < 2; k++) {
		for (i = 0; i < nr && sizes[i] <= top && sizes[i] <= 512 * t->page; i++) {
			size = sizes[k ? nr - 1 - i : i];
			if (size > top || size > 512 * t->page)
				continue;
			at = (at + (size - 1)) & -size;
			if (at + size - iova > 4 * top || at + (size - 1) > t->v->last ||
			    r->nr_areas > 60)
				return at - iova;
			rsz_map(r, at, iodt_pa(t->v, size, 7 * i + k), size,
				i % 3 == 1 ? IOD_PROT_READ : IODT_RW);
			at += i & 1 ? size : size + t->page;
		}
	}
	return at - iova;
}

static void holes_and_mixed_sizes(struct iodt *t)
{
	uint64_t sizes[64], iova = t->v->first, len;
	size_t k, nr = rsz_sizes(t->v, sizes);
	struct rsz r;

	for (k = nr; k-- > 0;) {
		if (sizes[k] > largest_of(t, 8))
			continue;
		rsz_open(&r, t);
		len = map_mixed(&r, iova);
		rsz_load(&r);
		rsz_split(&r, iova, len, sizes[k], 0);
		iodt_unmap(t, iova, len);
		iodt_sync(t);
		rsz_close(&r);
	}
}

/* The whole of the input space, both halves: what is far apart, and the top of the 64-bit space. */
static void whole_space(struct iodt *t)
{
	uint64_t size = iodt_best_size(t->v, 0, 0, 512 * t->page), places[IODT_PLACES];
	struct iodt_part part[2];
	size_t i, n;
	struct rsz r;

	rsz_open(&r, t);
	n = iodt_places(t->v, size, places);
	for (i = 0; i < n; i++)
		if (!iodt_expected_any(t, places[i], size))
			rsz_map(&r, places[i], iodt_pa(t->v, size, i), size, IODT_RW);
	rsz_load(&r);
	n = iodt_parts(t->v, part);
	for (i = 0; i < n; i++)
		rsz_split(&r, part[i].iova, part[i].len, 0, 0);
	assert_int_equal(r.now.p[0].size, t->page);
	assert_int_equal(r.now.p[r.now.nr - 1].size, t->page);
	rsz_close(&r);
}

/* Permissions and attributes of every kind that the format has. */
static const uint32_t prots[] = {
	IOD_PROT_READ,
	IOD_PROT_WRITE,
	IODT_RW,
	IODT_RW | IOD_PROT_NOEXEC,
	IODT_RW | IOD_PROT_PRIV,
	IODT_RW | IOD_PROT_GLOBAL,
	IODT_RW | IOD_PROT_SNOOP,
	IODT_RW | IOD_PROT_UNTRACKED,
	IODT_RW | IOD_PROT_DIRTY,
	IOD_PROT_READ | IOD_PROT_DIRTY,
	IODT_RW | IOD_PROT_MEMATTR(1),
	IODT_RW | IOD_PROT_MEMATTR(5),
	IODT_RW | IOD_PROT_MEMATTR(7),
	IOD_PROT_READ | IOD_PROT_MEMATTR(4) | IOD_PROT_NOEXEC | IOD_PROT_PRIV,
};

static void attributes_are_kept(struct iodt *t)
{
	uint64_t sizes[64], size, iova = t->v->first;
	size_t i, k, nr = rsz_sizes(t->v, sizes);
	struct rsz r;
	uint32_t prot;

	for (k = 1; k < nr && sizes[k] <= 512 * t->page * 16; k++) {
		size = sizes[k];
		for (i = 0; i < IODT_ARRAY_SIZE(prots); i++) {
			prot = prots[i];
			/* formats without write-only leaves grant the read with the write */
			if (!(t->caps & IODT_WRITE_ONLY) && prot & IOD_PROT_WRITE)
				prot |= IOD_PROT_READ;
			rsz_open(&r, t);
			if (!rsz_try_map(&r, iova, iodt_pa(t->v, size, 2), size, prot))
				continue;
			rsz_load(&r);
			rsz_split(&r, iova, size, 0, 0);
			iodt_unmap(t, iova, size);
			iodt_sync(t);
			rsz_close(&r);
		}
	}
}

/* An adopted table's leaves carry bits of their owner's, which come along; so do the table entries' above. */
static void adopted_tables(struct iodt *t)
{
	uint64_t iova = t->v->first, size;
	struct rsz r;

	rsz_open(&r, t);
	size = rsz_adopt(&r, 3, IODT_RW, rsz_sw_bit(t->v));
	if (size) {
		rsz_load(&r);
		rsz_split(&r, iova + size + t->page, t->page, 0, 0);
		rsz_split(&r, iova, 3 * size, 0, 0);
		assert_int_equal(r.now.nr, 3 * size / t->page);
		rsz_disown(&r);
	}
	rsz_close(&r);
}

/* Repeated with the least budget it comes to the same, and says how far it came each time. */
static void budget(struct iodt *t)
{
	uint64_t sizes[64], size = largest_of(t, 8), iova = t->v->first, calls, budget, n = 4;
	size_t k, nr = rsz_sizes(t->v, sizes);
	struct rsz r;

	for (k = nr - 1; size > 512 * t->page && k > 0; k--)
		if (sizes[k] <= 512 * t->page)
			size = sizes[k];
	if (size == t->page)
		return;
	for (budget = 1; budget < 4096; budget *= 50) {
		rsz_open(&r, t);
		rsz_map(&r, iova, 0, 2 * size, IODT_RW);
		rsz_map(&r, iova + 3 * size, 3 * size, (n - 1) * size, IOD_PROT_READ);
		rsz_load(&r);
		calls = rsz_split(&r, iova + t->page, (n + 2) * size - 2 * t->page, 0, budget);
		if (budget == 1)
			assert_true(calls >= n);
		iodt_unmap(t, iova, (n + 2) * size);
		iodt_sync(t);
		rsz_close(&r);
	}
}

/* Small enough already, or nothing there: nothing is written, gathered or counted. */
static void nothing_to_do(struct iodt *t)
{
	uint64_t size = iodt_best_size(t->v, 0, 0, 512 * t->page), iova = t->v->first;
	struct iodt_snapshot s;
	struct iod_resize z;
	struct rsz r;

	if (t->v->last - iova < 4 * size - 1)
		return;
	rsz_open(&r, t);
	rsz_map(&r, iova, 0, size, IODT_RW);
	rsz_map(&r, iova + 2 * size, size, t->page, IODT_RW);
	rsz_load(&r);
	iodt_snapshot(t, &s);
	iodt_log_reset(t);
	z = rsz_arg(t, iova, 4 * size, size);
	iodt_assert_ok(iod_split_range(t->pt, &z));
	assert_int_equal(z.done, z.len);
	assert_int_equal(z.entries, 0);
	z = rsz_arg(t, iova + size, size, 0);
	iodt_assert_ok(iod_split_range(t->pt, &z));
	assert_int_equal(z.done, z.len);
	assert_int_equal(z.entries, 0);
	assert_int_equal(iodt_gather_info(t->gather).ranges, 0);
	iodt_unchanged(t, &s);
	assert_int_equal(t->log.calls, 0);
	rsz_close(&r);
}

/* A size that is none is rounded down to one in use. */
static void sizes_between(struct iodt *t)
{
	uint64_t sizes[64], limit, size, iova = t->v->first;
	size_t k, nr = rsz_sizes(t->v, sizes);
	struct rsz r;

	for (k = 1; k < nr && sizes[k] <= MAX_PAGES * t->page; k++) {
		size = sizes[k];
		for (limit = sizes[k - 1]; limit < size; limit <<= 1) {
			rsz_open(&r, t);
			rsz_map(&r, iova, 0, size, IODT_RW);
			rsz_load(&r);
			rsz_split(&r, iova, size, limit, 0);
			assert_int_equal(rsz_at(&r, iova)->size, sizes[k - 1]);
			iodt_unmap(t, iova, size);
			iodt_sync(t);
			rsz_close(&r);
		}
	}
}

/* Parts can be unmapped, and mapped elsewhere, like any other. */
static void parts_are_pages(struct iodt *t)
{
	uint64_t size = iodt_best_size(t->v, 0, 0, 512 * t->page), iova = t->v->first + size;
	struct rsz r;

	if (size == t->page || t->v->last - t->v->first < 3 * size)
		return;
	rsz_open(&r, t);
	rsz_map(&r, iova, 0, size, IODT_RW);
	rsz_load(&r);
	assert_int_equal(iod_unmap(t->pt, iova + t->page, t->page, 0, t->gather, NULL), -EINVAL);
	rsz_split(&r, iova, size, 0, 0);
	iodt_unmap(t, iova + t->page, t->page);
	iodt_sync(t);
	iodt_map(t, iova + t->page, 5 * size, t->page, IOD_PROT_READ);
	iodt_verify(t);
	iodt_unmap(t, iova, size);
	iodt_sync(t);
	iodt_map(t, iova, 0, size, IODT_RW);
	iodt_verify(t);
	rsz_close(&r);
}

static const struct iodt_test tests[] = {
	{ "every_size_to_every_smaller", IODT_RESIZE, 0, every_size_to_every_smaller },
	{ "largest_to_smallest", IODT_RESIZE, 0, largest_to_smallest },
	{ "a_page_out_of_the_largest", IODT_RESIZE, 0, a_page_out_of_the_largest },
	{ "ragged_ends", IODT_RESIZE, 0, ragged_ends },
	{ "holes_and_mixed_sizes", IODT_RESIZE, 0, holes_and_mixed_sizes },
	{ "whole_space", IODT_RESIZE, 0, whole_space },
	{ "attributes_are_kept", IODT_RESIZE, 0, attributes_are_kept },
	{ "adopted_tables", IODT_RESIZE | IODT_HUGE, IODT_GROWS, adopted_tables },
	{ "budget", IODT_RESIZE, 0, budget },
	{ "nothing_to_do", IODT_RESIZE, 0, nothing_to_do },
	{ "sizes_between", IODT_RESIZE, 0, sizes_between },
	{ "parts_are_pages", IODT_RESIZE, 0, parts_are_pages },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
