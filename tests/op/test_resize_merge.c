/* SPDX-License-Identifier: MIT */
/*
 * iod_merge_range: the sizes that come of it, and that nothing else changes. What is expected is worked out
 * from the contract (resizerig.c) and compared with what the independent walker finds.
 */
#include "resizerig.h"

#define MAX_PAGES 1024u
#define MAX_SIZE  IODT_1G

static uint64_t span(const struct iodt *t)
{
	uint64_t low_last = t->v->hole_first ? t->v->hole_first - 1 : t->v->last;

	return low_last - t->v->first;
}

/* The largest page in use up to a limit of which n fit. */
static uint64_t size_of(const struct iodt *t, uint64_t n, uint64_t limit)
{
	uint64_t sizes[64], best = t->page;
	size_t i, nr = rsz_sizes(t->v, sizes);

	for (i = 0; i < nr && sizes[i] <= limit; i++)
		if (n <= span(t) / sizes[i])
			best = sizes[i];
	return best;
}

static void split(struct iodt *t, uint64_t iova, uint64_t len, uint64_t page_size)
{
	struct iod_resize z = rsz_arg(t, iova, len, page_size);

	iodt_assert_ok(iod_split_range(t->pt, &z));
	assert_int_equal(z.done, len);
	iodt_sync(t);
}

static void forget(struct rsz *r, uint64_t iova, uint64_t len)
{
	iodt_unmap(r->t, iova, len);
	iodt_sync(r->t);
	rsz_close(r);
}

/* R28: what was split is merged, in one call; the tables are as before. */
static void there_and_back(struct iodt *t, uint64_t size, uint64_t small)
{
	uint64_t places[IODT_PLACES], tables;
	size_t i, n = iodt_places(t->v, size, places);
	struct rsz r;

	/* at both ends of the space and elsewhere, but for what takes long */
	n = size / small > MAX_PAGES ? 1 : n;
	for (i = 0; i < n; i++) {
		rsz_open(&r, t);
		rsz_map(&r, places[i], iodt_pa(t->v, size, 3 + i), size, IODT_RW);
		iodt_sync(t);
		tables = iodt_info(t->pt).tables;
		split(t, places[i], size, small);
		rsz_load(&r);
		assert_int_equal(r.now.nr, size / small);
		rsz_merge(&r, places[i], size, 0, 0);
		assert_int_equal(r.now.nr, 1);
		assert_int_equal(iodt_info(t->pt).tables, tables);
		assert_int_equal(iodt_stats(t->mem).tables, tables);
		iodt_verify_at(t, places[i] + (size - 1));
		forget(&r, places[i], size);
	}
}

static void every_size_from_every_smaller(struct iodt *t)
{
	uint64_t sizes[64];
	size_t i, k, nr = rsz_sizes(t->v, sizes);

	for (i = 1; i < nr && sizes[i] <= MAX_SIZE; i++)
		for (k = 0; k < i; k++)
			if (sizes[i] / sizes[k] <= MAX_PAGES)
				there_and_back(t, sizes[i], sizes[k]);
}

static void smallest_to_largest(struct iodt *t)
{
	uint64_t size = size_of(t, 2, MAX_SIZE);

	if (size > t->page)
		there_and_back(t, size, t->page);
}

/* No larger than asked for. */
static void up_to_a_size(struct iodt *t)
{
	uint64_t sizes[64], size = size_of(t, 2, 512 * 16 * t->page), iova = t->v->first;
	size_t k, nr = rsz_sizes(t->v, sizes);
	struct rsz r;

	rsz_open(&r, t);
	rsz_map(&r, iova, 0, size, IODT_RW);
	split(t, iova, size, 0);
	rsz_load(&r);
	for (k = 0; k < nr && sizes[k] <= size; k++) {
		rsz_merge(&r, iova, size, sizes[k], 0);
		assert_int_equal(r.now.nr, size / sizes[k]);
		/* what is no page size is rounded down */
		if (k + 1 < nr && sizes[k + 1] > 2 * sizes[k]) {
			rsz_merge(&r, iova, size, 2 * sizes[k], 0);
			assert_int_equal(r.now.nr, size / sizes[k]);
		}
	}
	forget(&r, iova, size);
}

/* Only what lies wholly inside the range: a page less at either end. */
static void ragged_ends(struct iodt *t)
{
	uint64_t size = size_of(t, 8, 512 * t->page), p = t->page, iova = t->v->first + size;
	static const int cuts[][2] = { { 0, 1 }, { 1, 0 }, { 1, 1 }, { -1, -1 }, { 0, 0 } };
	struct rsz r;
	size_t i;

	if (size == p)
		return;
	for (i = 0; i < IODT_ARRAY_SIZE(cuts); i++) {
		rsz_open(&r, t);
		rsz_map(&r, iova - size, iodt_pa(t->v, size, 8), 5 * size, IODT_RW);
		split(t, iova - size, 5 * size, 0);
		rsz_load(&r);
		rsz_merge(&r, iova + (uint64_t)cuts[i][0] * p,
			  3 * size - (uint64_t)(cuts[i][0] + cuts[i][1]) * p, size, 0);
		assert_int_equal(rsz_at(&r, iova + size)->size, size);
		assert_int_equal(rsz_at(&r, iova)->size == size, cuts[i][0] <= 0);
		forget(&r, iova - size, 5 * size);
	}
}

/* A page that is missing, or differs in its permission, address or attribute: around it, what is possible. */
enum odd { HOLE, READ_ONLY, ELSEWHERE, NEIGHBOURS_ADDRESS, ATTRIBUTE, UNTRACKED, NOEXEC };

static bool odd_page(struct rsz *r, enum odd odd, uint64_t iova, uint64_t pa)
{
	uint64_t p = r->t->page;

	switch (odd) {
	case READ_ONLY:
		return rsz_try_map(r, iova, pa, p, IOD_PROT_READ);
	case ELSEWHERE:
		return rsz_try_map(r, iova, pa ^ IODT_1G, p, IODT_RW);
	case NEIGHBOURS_ADDRESS:
		return rsz_try_map(r, iova, pa ^ p, p, IODT_RW);
	case ATTRIBUTE:
		return rsz_try_map(r, iova, pa, p, IODT_RW | IOD_PROT_MEMATTR(1));
	case UNTRACKED:
		return rsz_try_map(r, iova, pa, p, IODT_RW | IOD_PROT_UNTRACKED);
	case NOEXEC:
		return rsz_try_map(r, iova, pa, p, IODT_RW | IOD_PROT_NOEXEC);
	default:
		return true;
	}
}

static void one_odd_page(struct iodt *t, enum odd odd, uint64_t at, uint64_t size)
{
	uint64_t iova = t->v->first, pa = iodt_pa(t->v, size, 4), p = t->page;
	struct rsz r;

	rsz_open(&r, t);
	if (at)
		rsz_map(&r, iova, pa, at, IODT_RW);
	if (at + p < 2 * size)
		rsz_map(&r, iova + at + p, pa + at + p, 2 * size - at - p, IODT_RW);
	if (odd_page(&r, odd, iova + at, pa + at)) {
		split(t, iova, 2 * size, 0);
		rsz_load(&r);
		rsz_merge(&r, iova, 2 * size, 0, 0);
		assert_true(!rsz_at(&r, iova + at) || rsz_at(&r, iova + at)->size == p);
		assert_true(rsz_at(&r, iova + (at < size ? size : 0))->size >= size);
	}
	forget(&r, iova, 2 * size);
}

static void odd_pages(struct iodt *t)
{
	uint64_t size = size_of(t, 4, 512 * t->page), p = t->page;
	const uint64_t at[] = { 0, p, size / 2, size - p, size, 2 * size - p };
	enum odd odd;
	size_t i;

	if (size == p)
		return;
	for (odd = HOLE; odd <= NOEXEC; odd++) {
		if (odd == UNTRACKED && !(t->caps & IODT_DIRTY))
			continue;
		for (i = 0; i < IODT_ARRAY_SIZE(at); i++)
			one_odd_page(t, odd, at[i], size);
	}
}

/* Contiguous, but shifted by a page (or by one of each size) against what a larger page asks for. */
static void output_not_aligned(struct iodt *t)
{
	uint64_t sizes[64], size = size_of(t, 4, 512 * t->page), iova = t->v->first;
	size_t k, nr = rsz_sizes(t->v, sizes);
	struct rsz r;

	for (k = 0; k < nr && sizes[k] < size; k++) {
		rsz_open(&r, t);
		rsz_map(&r, iova, iodt_pa(t->v, size, 4) + sizes[k], 2 * size, IODT_RW);
		split(t, iova, 2 * size, 0);
		rsz_load(&r);
		rsz_merge(&r, iova, 2 * size, 0, 0);
		/* what map would have chosen for it */
		assert_int_equal(rsz_at(&r, iova)->size, sizes[k]);
		forget(&r, iova, 2 * size);
	}
}

/* Pages of several sizes become one. */
static void mixed_sizes(struct iodt *t)
{
	uint64_t sizes[64], size = size_of(t, 2, MAX_PAGES * 64 * t->page), iova = t->v->first;
	uint64_t at;
	size_t k, nr = rsz_sizes(t->v, sizes);
	struct rsz r;

	rsz_open(&r, t);
	rsz_map(&r, iova, 0, size, IODT_RW);
	for (k = nr; k-- > 0;) {
		if (sizes[k] >= size)
			continue;
		/* the first half of what is left, and one in the middle of the rest */
		at = size - 2 * sizes[k];
		split(t, iova + at, sizes[k], sizes[k]);
	}
	split(t, iova, t->page, 0);
	rsz_load(&r);
	assert_true(r.now.nr > 1 || size == t->page);
	rsz_merge(&r, iova, size, 0, 0);
	assert_int_equal(r.now.nr, 1);
	forget(&r, iova, size);
}

static void whole_space(struct iodt *t)
{
	uint64_t size = size_of(t, 4, 512 * t->page), places[IODT_PLACES];
	struct iodt_part part[2];
	size_t i, n;
	struct rsz r;

	rsz_open(&r, t);
	n = iodt_places(t->v, size, places);
	for (i = 0; i < n; i++)
		if (!iodt_expected_any(t, places[i], size))
			rsz_map(&r, places[i], iodt_pa(t->v, size, 2 * i), size, IODT_RW);
	n = iodt_parts(t->v, part);
	for (i = 0; i < n; i++)
		split(t, part[i].iova, part[i].len, 0);
	rsz_load(&r);
	for (i = 0; i < n; i++)
		rsz_merge(&r, part[i].iova, part[i].len, 0, 0);
	assert_true(r.now.p[0].size >= size);
	assert_true(r.now.p[r.now.nr - 1].size >= size);
	rsz_close(&r);
}

/* Attributes of every kind come along. */
static const uint32_t prots[] = {
	IOD_PROT_READ,
	IODT_RW | IOD_PROT_NOEXEC,
	IODT_RW | IOD_PROT_PRIV,
	IODT_RW | IOD_PROT_GLOBAL,
	IODT_RW | IOD_PROT_SNOOP,
	IODT_RW | IOD_PROT_UNTRACKED,
	IODT_RW | IOD_PROT_DIRTY,
	IODT_RW | IOD_PROT_MEMATTR(1),
	IODT_RW | IOD_PROT_MEMATTR(5),
	IODT_RW | IOD_PROT_MEMATTR(7),
};

static void attributes_are_kept(struct iodt *t)
{
	uint64_t size = size_of(t, 4, 512 * t->page), iova = t->v->first;
	struct rsz r;
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(prots); i++) {
		rsz_open(&r, t);
		if (!rsz_try_map(&r, iova, iodt_pa(t->v, size, 2), size, prots[i]))
			continue;
		split(t, iova, size, 0);
		rsz_load(&r);
		rsz_merge(&r, iova, size, 0, 0);
		assert_int_equal(r.now.nr, 1);
		forget(&r, iova, size);
	}
}

/* Adopted: bits of the owner's are attributes like others. */
static void adopted_tables(struct iodt *t)
{
	uint64_t iova = t->v->first, size, sw = rsz_sw_bit(t->v), pte_pa;
	struct iod_resize z;
	struct rsz r;

	rsz_open(&r, t);
	size = rsz_adopt(&r, 2, IODT_RW, sw);
	if (size) {
		split(t, iova, 2 * size, 0);
		rsz_load(&r);
		pte_pa = iodt_walk(t, iova + size + 5 * t->page).pte_pa;
		iodt_write(t, pte_pa, iodt_read(t, pte_pa) ^ sw);
		z = rsz_arg(t, iova, 2 * size, size);
		iodt_assert_ok(iod_merge_range(t->pt, &z));
		assert_int_equal(iodt_walk(t, iova).size, size);
		assert_int_equal(iodt_walk(t, iova + size + 5 * t->page).size, t->page);
		assert_int_equal(iodt_walk(t, iova).pte & sw, sw);
		iodt_write(t, pte_pa, iodt_read(t, pte_pa) ^ sw);
		z = rsz_arg(t, iova, 2 * size, size);
		iodt_assert_ok(iod_merge_range(t->pt, &z));
		rsz_load(&r);
		assert_int_equal(r.now.nr, 2);
		rsz_disown(&r);
	}
	rsz_close(&r);
}

/* A table entry that takes the write permission away from all below: a page in its place would give it back. */
static void entries_that_deny_stay(struct iodt *t)
{
	uint64_t iova = t->v->first, size, entry, deny;
	struct iod_resize z;
	struct rsz r;

	switch (t->v->format) {
	case IOD_ARM_LPAE_S1:
		deny = IODT_BIT(62); /* APTable[1]: no write */
		break;
	case IOD_ARM_LPAE_S2:
		return; /* no such bits */
	case IOD_AMD_V1:
		deny = IODT_BIT(62); /* IW */
		break;
	default:
		deny = IODT_BIT(1); /* W, R/W */
	}
	rsz_open(&r, t);
	size = rsz_adopt(&r, 2, IODT_RW, 0);
	if (size) {
		split(t, iova, 2 * size, 0);
		entry = iodt_table_entry(t->pt, t->v, iova);
		iodt_write(t, entry, iodt_read(t, entry) ^ deny);
		assert_false(iodt_walk(t, iova).w);
		z = rsz_arg(t, iova, 2 * size, size);
		iodt_assert_ok(iod_merge_range(t->pt, &z));
		assert_false(iodt_walk(t, iova).w);
		assert_true(iodt_walk(t, iova).size < size);
		assert_true(iodt_walk(t, iova + size).w);
		assert_int_equal(iodt_walk(t, iova + size).size, size);
		iodt_write(t, entry, iodt_read(t, entry) ^ deny);
		iodt_verify(t);
		rsz_disown(&r);
	}
	rsz_close(&r);
}

static void budget(struct iodt *t)
{
	uint64_t size = size_of(t, 8, 512 * t->page), iova = t->v->first, b;
	struct rsz r;

	if (size == t->page)
		return;
	for (b = 1; b < 4096; b *= 16) {
		rsz_open(&r, t);
		rsz_map(&r, iova, 0, 3 * size, IODT_RW);
		rsz_map(&r, iova + 4 * size, 4 * size, 2 * size, IOD_PROT_READ);
		split(t, iova, 6 * size, 0);
		rsz_load(&r);
		rsz_merge(&r, iova + t->page, 6 * size - 2 * t->page, size, b);
		forget(&r, iova, 6 * size);
	}
}

/* Also to pages of the upper levels, which many small pages go into. */
static void budget_over_tables(struct iodt *t)
{
	uint64_t size = size_of(t, 4, 512 * 16 * t->page), iova = t->v->first, b;
	struct rsz r;

	for (b = 1; b <= 1000; b += 333) {
		rsz_open(&r, t);
		rsz_map(&r, iova, 0, 2 * size, IODT_RW);
		split(t, iova, 2 * size, 0);
		rsz_load(&r);
		rsz_merge(&r, iova, 2 * size, 0, b);
		assert_true(rsz_at(&r, iova)->size >= size);
		forget(&r, iova, 2 * size);
	}
}

/* Nothing that fits together, or nothing at all: nothing is written, gathered or counted. */
static void nothing_to_do(struct iodt *t)
{
	uint64_t size = size_of(t, 8, 512 * t->page), iova = t->v->first, pa;
	struct iodt_snapshot s;
	struct iod_resize z;
	unsigned int i;
	struct rsz r;

	if (size == t->page)
		return;
	rsz_open(&r, t);
	rsz_map(&r, iova, iodt_pa(t->v, size, 3), size, IODT_RW);
	for (i = 0, pa = 64; i < 8; i++, pa -= 2)
		rsz_map(&r, iova + 2 * size + i * t->page, pa * t->page, t->page, IODT_RW);
	rsz_load(&r);
	iodt_snapshot(t, &s);
	iodt_log_reset(t);
	z = rsz_arg(t, iova, 4 * size, 0);
	iodt_assert_ok(iod_merge_range(t->pt, &z));
	assert_int_equal(z.done, z.len);
	assert_int_equal(z.entries, 0);
	assert_int_equal(iodt_gather_info(t->gather).ranges, 0);
	assert_int_equal(t->log.calls, 0);
	iodt_unchanged(t, &s);
	rsz_close(&r);
}

static const struct iodt_test tests[] = {
	{ "every_size_from_every_smaller", IODT_RESIZE, 0, every_size_from_every_smaller },
	{ "smallest_to_largest", IODT_RESIZE, 0, smallest_to_largest },
	{ "up_to_a_size", IODT_RESIZE, 0, up_to_a_size },
	{ "ragged_ends", IODT_RESIZE, 0, ragged_ends },
	{ "odd_pages", IODT_RESIZE, 0, odd_pages },
	{ "output_not_aligned", IODT_RESIZE, 0, output_not_aligned },
	{ "mixed_sizes", IODT_RESIZE, 0, mixed_sizes },
	{ "whole_space", IODT_RESIZE, 0, whole_space },
	{ "attributes_are_kept", IODT_RESIZE, 0, attributes_are_kept },
	{ "adopted_tables", IODT_RESIZE | IODT_HUGE, IODT_GROWS, adopted_tables },
	{ "entries_that_deny_stay", IODT_RESIZE | IODT_HUGE, IODT_GROWS, entries_that_deny_stay },
	{ "budget", IODT_RESIZE, 0, budget },
	{ "budget_over_tables", IODT_RESIZE, 0, budget_over_tables },
	{ "nothing_to_do", IODT_RESIZE, 0, nothing_to_do },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
