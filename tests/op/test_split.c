/* SPDX-License-Identifier: MIT */
/*
 * iod_sweep_split(): shares cover the range, cut only where they may, and sweeping them one by one or by
 * as many threads comes to the same as sweeping it all.
 */
#include <pthread.h>

#include "iodtest.h"

#define MOST 64

/* First byte of the page that is mapped there, by the independent walker; UINT64_MAX: none. */
static uint64_t page_of(struct iodt *t, uint64_t iova)
{
	struct mdl_mem mem = iodt_mdl_mem(t);
	struct mdl_table table = { 0 };
	struct mdl_leaf leaf;

	iodt_model(t, &table);
	return mdl_walk(&table, &mem, iova, &leaf) == MDL_OK ? leaf.iova : UINT64_MAX;
}

/* Returns how many were made. */
static unsigned int split(struct iodt *t, uint64_t iova, uint64_t len, const struct iod_bitmap *bm,
			  unsigned int wanted, struct iod_share *out)
{
	unsigned int nr = wanted, i;
	uint64_t at = iova, span = iodt_table_span(t->v), word;

	iodt_assert_ok(iod_sweep_split(t->pt, iova, len, bm, out, &nr));
	assert_in_range(nr, 1, wanted);
	for (i = 0; i < nr; i++) {
		assert_int_equal(out[i].iova, at);
		assert_true(out[i].len > 0 && !(out[i].len % t->page));
		at += out[i].len;
		if (i + 1 == nr)
			break;
		assert_true(at > iova && at - iova < len);
		assert_int_equal(at % span, 0);
		assert_true(page_of(t, at) == UINT64_MAX || page_of(t, at) == at);
		word = bm && !(bm->flags & IOD_BITMAP_ATOMIC) ? IODT_BIT(bm->granule_lg2 + 6) : 1;
		if (bm)
			assert_int_equal((at - bm->base_iova) % word, 0);
	}
	assert_int_equal(at, iova + len);
	return nr;
}

/* ---- where cuts lie ---- */

/* Nothing is in the way: as many as asked for, of about the same size. */
static void even_shares(struct iodt *t)
{
	uint64_t span = iodt_table_span(t->v), tables = (t->v->last - t->v->first) / span;
	struct iod_share s[MOST];
	unsigned int nr, i;
	uint64_t len;

	if (!tables) /* at most one */
		return;
	tables = tables >= 256 ? 256 : iodt_pow2_floor(tables + 1);
	len = tables * span;
	for (nr = 1; nr <= MOST && nr <= tables; nr++) {
		assert_int_equal(split(t, t->v->first, len, NULL, nr, s), nr);
		for (i = 0; i < nr; i++)
			assert_in_range(s[i].len, len / nr / span * span,
					(len / nr / span + 2) * span);
	}
}

/* Less than a table, a table, the ends of the space, more shares than tables. */
static void odd_ranges(struct iodt *t)
{
	uint64_t span = iodt_table_span(t->v), pages, len, i, base;
	uint64_t places[IODT_PLACES], nr_places, k;
	struct iod_share s[MOST], *many;
	unsigned int nr;

	if (t->v->last - t->v->first < span - 1)
		return;
	nr_places = iodt_places(t->v, span, places);
	for (k = 0; k < nr_places; k++) {
		assert_int_equal(split(t, places[k], t->page, NULL, 1, s), 1);
		assert_int_equal(split(t, places[k], t->page, NULL, MOST, s), 1);
		if ((t->v->last - t->v->first) / span < 2)
			continue;
		assert_int_equal(split(t, places[k], span, NULL, MOST, s), 1);
		assert_int_equal(split(t, places[k] + t->page, span - t->page, NULL, MOST, s), 1);
	}
	for (i = 0; i < 200; i++) {
		base = places[iodt_below(t, nr_places)] + iodt_below(t, span / t->page) * t->page;
		pages = 1 + iodt_below(t, 6 * span / t->page);
		len = pages * t->page;
		if (base + (len - 1) < base || base + (len - 1) > t->v->last)
			continue;
		if (t->v->hole_first && base < t->v->hole_first &&
		    base + (len - 1) >= t->v->hole_first)
			continue;
		split(t, base, len, NULL, 1 + (unsigned int)iodt_below(t, MOST), s);
	}
	many = calloc(100000, sizeof(*many));
	assert_non_null(many);
	nr = split(t, t->v->first, span / 2 > t->page ? span / 2 & -t->page : t->page, NULL, 100000,
		   many);
	assert_int_equal(nr, 1);
	if ((t->v->last - t->v->first) / span > 1000) {
		base = t->v->last - (1000 * span - 1);
		assert_int_equal(split(t, base, 1000 * span, NULL, 100000, many), 1000);
	}
	free(many);
}

/* Large pages and runs everywhere a cut might fall. */
static void never_inside_a_page(struct iodt *t)
{
	uint64_t span = iodt_table_span(t->v), size, at, room = t->v->last - t->v->first, i, base;
	struct iod_share s[MOST];
	unsigned int lg2;

	for (lg2 = 12; lg2 < 40; lg2++) {
		size = IODT_BIT(lg2);
		if (!(t->v->sizes & size) || size < span || room / size < 8)
			continue;
		base = t->v->first;
		for (at = base; at < base + 6 * size; at += iodt_below(t, 2) ? size : 2 * size)
			iodt_map(t, at, iodt_pa(t->v, size, (at - base) / size), size, IODT_RW);
		for (i = 1; i <= 20; i++)
			split(t, base, 6 * size + iodt_below(t, 3) * t->page, NULL, (unsigned int)i,
			      s);
		iodt_unmap(t, base, 8 * size);
		iodt_sync(t);
	}
}

/* Words of bitmaps of all granules, from bases that are multiples of a table. */
static void never_inside_a_word(struct iodt *t)
{
	uint64_t span = iodt_table_span(t->v), len = 64 * span, base, i;
	struct iod_share s[MOST];
	struct iod_bitmap bm;
	static uint64_t word;
	unsigned int lg2;

	if ((t->v->last - t->v->first) / span < 200)
		return;
	for (lg2 = 12; lg2 < 40; lg2++) {
		for (i = 0; i < 8; i++) {
			base = t->v->first + iodt_below(t, 4) * span;
			bm = (struct iod_bitmap){ base & -IODT_BIT(lg2), (72 * span >> lg2) + 2,
						  &word, lg2, i & 1 ? IOD_BITMAP_ATOMIC : 0 };
			if (IODT_BIT(lg2 + 6) > span)
				bm.base_iova = t->v->first;
			split(t, base + iodt_below(t, 3) * t->page, len - 3 * t->page, &bm,
			      1 + (unsigned int)iodt_below(t, MOST), s);
		}
	}
}

static void refused(struct iodt *t)
{
	struct iod_share s[2];
	struct iodt_bits b;
	unsigned int nr = 2;

	iodt_bits_init(&b, t->v->first, t->page, t->page);
	assert_int_equal(iod_sweep_split(NULL, t->v->first, t->page, NULL, s, &nr), -EINVAL);
	assert_int_equal(iod_sweep_split(t->pt, t->v->first, t->page, NULL, NULL, &nr), -EINVAL);
	assert_int_equal(iod_sweep_split(t->pt, t->v->first, t->page, NULL, s, NULL), -EINVAL);
	assert_int_equal(iod_sweep_split(t->pt, t->v->first, 0, NULL, s, &nr), -EINVAL);
	assert_int_equal(iod_sweep_split(t->pt, t->v->first, t->page - 1, NULL, s, &nr), -EINVAL);
	if (t->v->last - t->v->first > t->page)
		assert_int_equal(
			iod_sweep_split(t->pt, t->v->first + t->page, t->page, &b.bm, s, &nr),
			-ERANGE);
	if (t->v->last != UINT64_MAX)
		assert_int_equal(iod_sweep_split(t->pt, t->v->last + 1, t->page, NULL, s, &nr),
				 -ERANGE);
	b.bm.words = NULL;
	assert_int_equal(iod_sweep_split(t->pt, t->v->first, t->page, &b.bm, s, &nr), -EINVAL);
	nr = 0;
	assert_int_equal(iod_sweep_split(t->pt, t->v->first, t->page, NULL, s, &nr), -EINVAL);
	b.bm.words = b.mem;
	iodt_bits_free(&b);
}

/* ---- swept by threads ---- */

#define THREADS 6
#define TABLES	24

struct worker {
	struct iodt *t;
	struct iod_bitmap *bm;
	struct iod_share share;
	struct iod_gather *gather;
	uint64_t dirty, cleaned;
	int ret;
	pthread_t thread;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct iod_sweep s = {
		.size = sizeof(s),
		.mode = IOD_SWEEP_CLEAR,
		.iova = w->share.iova,
		.len = w->share.len,
		.bitmap = w->bm,
		.gather = w->gather,
	};

	w->ret = iod_sweep(w->t->pt, &s);
	if (!w->ret && s.done != s.len)
		w->ret = -1;
	w->dirty = s.dirty;
	w->cleaned = s.cleaned;
	return NULL;
}

/* The same dirty state in two tables, swept in one piece and in shares. */
static void populate(struct iodt *t, uint64_t seed)
{
	uint64_t span = iodt_table_span(t->v), at, size, n, i;

	t->rng = seed;
	for (at = 0; at < TABLES * span; at += n * size) {
		size = iodt_below(t, 3) ? t->page : iodt_below(t, 4) ? span : 4 * span;
		if (!(t->v->sizes & size) || at % size || at + size > TABLES * span)
			size = t->page;
		n = size == t->page ? 1 + iodt_below(t, 700) : 1;
		if (size == t->page && n * size > span - at % span)
			n = (span - at % span) / size;
		if (iodt_below(t, 5))
			iodt_assert_ok(iod_map(t->pt, t->v->first + at,
					       size == t->page ? (at + size) % IODT_1G : at,
					       n * size, IODT_RW, NULL, NULL));
	}
	for (i = 0; i < 3000; i++) {
		at = t->v->first + iodt_below(t, TABLES * span);
		if (page_of(t, at) != UINT64_MAX)
			iodt_dma_write(t, at);
	}
}

static void compare_logs(struct iodt *a, struct iodt *b)
{
	struct iodt_seg *segs = calloc(a->log.nr + 1, sizeof(*segs));
	size_t i;

	assert_non_null(segs);
	for (i = 0; i < a->log.nr; i++)
		segs[i] =
			(struct iodt_seg){ .iova = a->log.inv[i].iova, .last = a->log.inv[i].last };
	assert_true(iodt_log_covers(b, segs, a->log.nr));
	free(segs);
}

static void by_threads(struct iodt *t, unsigned int lg2, uint32_t flags)
{
	uint64_t span = iodt_table_span(t->v), len = TABLES * span, first = t->v->first;
	struct iodt *one = iodt_open(t->v);
	struct iod_share share[THREADS];
	struct worker w[THREADS] = { 0 };
	uint64_t dirty = 0, cleaned = 0;
	unsigned int i, nr = THREADS;
	struct iodt_bits b, b1;
	struct iod_sweep s;

	assert_non_null(one);
	populate(t, t->rng);
	populate(one, 0x9e3779b97f4a7c15u);
	iodt_bits_init(&b, first, len, IODT_BIT(lg2));
	iodt_bits_init(&b1, first, len, IODT_BIT(lg2));
	b.bm.flags = flags;
	s = iodt_sweep_arg(one, IOD_SWEEP_CLEAR, first, len, &b1);
	iodt_assert_ok(iod_sweep(one->pt, &s));
	nr = split(t, first, len, &b.bm, nr, share);
	for (i = 0; i < nr; i++) {
		w[i] = (struct worker){ .t = t, .bm = &b.bm, .share = share[i] };
		iodt_assert_ok(iod_gather_create(&w[i].gather, t->pt, NULL));
		iodt_assert_ok(pthread_create(&w[i].thread, NULL, work, &w[i]));
	}
	for (i = 0; i < nr; i++) {
		iodt_assert_ok(pthread_join(w[i].thread, NULL));
		iodt_assert_ok(w[i].ret);
		iodt_assert_ok(iod_gather_merge(t->gather, w[i].gather));
		iodt_assert_ok(iod_gather_destroy(w[i].gather));
		dirty += w[i].dirty;
		cleaned += w[i].cleaned;
	}
	assert_int_equal(dirty, s.dirty);
	assert_int_equal(cleaned, s.cleaned);
	assert_memory_equal(b.mem, b1.mem, b.bytes);
	iodt_log_reset(t);
	iodt_log_reset(one);
	iodt_assert_ok(iod_gather_sync(t->gather));
	iodt_assert_ok(iod_gather_sync(one->gather));
	compare_logs(one, t);
	compare_logs(t, one);
	s.iova = first;
	s.len = len;
	iodt_assert_ok(iod_sweep(one->pt, &s));
	assert_int_equal(s.dirty, 0);
	iodt_bits_free(&b);
	iodt_bits_free(&b1);
	iodt_assert_ok(iodt_close(one));
}

static void threads_in_words(struct iodt *t)
{
	if ((t->v->last - t->v->first) / iodt_table_span(t->v) >= TABLES)
		by_threads(t, (unsigned int)__builtin_ctzll(t->page), 0);
}

static void threads_in_atomic_words(struct iodt *t)
{
	if ((t->v->last - t->v->first) / iodt_table_span(t->v) >= TABLES)
		by_threads(t, 24, IOD_BITMAP_ATOMIC);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "even_shares", 0, IODT_GROWS, even_shares },
		{ "odd_ranges", 0, 0, odd_ranges },
		{ "never_inside_a_page", IODT_HUGE, 0, never_inside_a_page },
		{ "never_inside_a_word", IODT_TABLES, 0, never_inside_a_word },
		{ "refused", 0, 0, refused },
		{ "threads_in_words", IODT_PLAIN | IODT_DIRTY, 0, threads_in_words },
		{ "threads_in_atomic_words", IODT_PLAIN | IODT_DIRTY, 0, threads_in_atomic_words },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
