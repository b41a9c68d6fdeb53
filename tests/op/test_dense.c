/* SPDX-License-Identifier: MIT */
/*
 * Dense clears: tables with any number of dirty items, of leaves of any size, in any mix of Accessed, by
 * every set of kernels, come out as the independent walker says. And what happens in the window between
 * the load and the store of an item: hardware at work on neighbours, mutators shut out; with twins.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "densetest.h"
#include "iodtest.h"
#include "pgtable/pt_defs.h"

#define TABLES 8

struct rows {
	struct iodt *t;
	uint64_t base, span, items;
	struct iodt_bits bits;
};

static void rows_init(struct rows *r, struct iodt *t)
{
	*r = (struct rows){ .t = t, .base = t->v->first, .span = iodt_table_span(t->v) };
	r->items = (t->v->granule ? t->v->granule : 4096) / 8;
	iodt_bits_init(&r->bits, r->base, TABLES * r->span, t->page);
}

static void rows_free(struct rows *r)
{
	iodt_sync(r->t);
	iodt_bits_free(&r->bits);
}

static void map_small(struct rows *r, uint64_t row, uint64_t page, uint64_t n)
{
	uint64_t off = row * r->span + page * r->t->page;

	iodt_map(r->t, r->base + off, (off + r->t->page) % IODT_1G, n * r->t->page, IODT_RW);
}

/* Item i of a leaf table: its address, by the walker. */
static uint64_t item_pa(struct rows *r, uint64_t row, uint64_t i)
{
	uint64_t pte_pa = iodt_walk(r->t, r->base + row * r->span).pte_pa;

	return (pte_pa & -(r->items * 8)) + 8 * i;
}

/* Exactly n dirty items in a table; `old` percent of all items without Accessed. */
static void mark(struct rows *r, uint64_t row, uint64_t n, unsigned int old)
{
	uint64_t pa = item_pa(r, row, 0), i, pte, left = r->items;

	for (i = 0; i < r->items; i++, left--) {
		pte = iodt_read(r->t, pa + 8 * i);
		if (iodt_below(r->t, left) < n) {
			pte = iodt_pte_mark(r->t->v, pte);
			n--;
		}
		if (iodt_below(r->t, 100) < old)
			pte &= ~iodt_accessed_bit(r->t->v);
		else
			pte |= iodt_accessed_bit(r->t->v);
		iodt_write(r->t, pa + 8 * i, pte);
	}
}

static void sweep_and_compare(struct rows *r)
{
	iodt_bits_zero(&r->bits);
	iodt_sweep(r->t, IOD_SWEEP_CLEAR, 0, r->base, TABLES * r->span, 0, &r->bits);
}

/* ---- what comes out ---- */

/* All numbers of dirty items, a few tables at a time; the first of each lot makes the others dense. */
static void every_density(struct iodt *t)
{
	static const unsigned int old[] = { 0, 10, 50, 100 };
	uint64_t step, n, row, calls = dense_calls;
	struct rows r;

	if ((t->v->last - t->v->first) / iodt_table_span(t->v) < TABLES)
		return;
	rows_init(&r, t);
	for (row = 0; row < TABLES; row++)
		map_small(&r, row, 0, r.items);
	step = r.items > 512 ? 37 : t->caps & IODT_PLAIN ? 1 : 5;
	for (n = 0; n <= r.items; n += step * TABLES) {
		for (row = 0; row < TABLES; row++)
			mark(&r, row, n + row * step > r.items ? r.items : n + row * step,
			     old[iodt_below(t, IODT_ARRAY_SIZE(old))]);
		sweep_and_compare(&r);
	}
	assert_true(dense_calls > calls);
	rows_free(&r);
}

/* Leaves of one size in each table, or of all sizes in all. */
static void map_sizes(struct rows *r, uint64_t row, uint64_t only)
{
	uint64_t at = r->base + row * r->span, end = at + (r->span - 1), size, most;
	unsigned int s;

	for (; at - 1 != end; at += size) {
		size = 0;
		for (s = 12; s < 64; s++) {
			most = IODT_BIT(s);
			if (!(r->t->v->sizes & most) || at % most || end - at < most - 1 ||
			    most >= r->span)
				continue;
			if (only ? most <= only : iodt_below(r->t, 2) || !size)
				size = most;
		}
		/* next to each other in no larger one */
		iodt_map(r->t, at, 3 * r->span + (at % r->span ^ size), size, IODT_RW);
	}
}

static void every_run(struct iodt *t)
{
	uint64_t row, n, calls = dense_calls;
	unsigned int s, round;
	struct rows r;

	for (s = 12; s < 64; s++) {
		if (s != 63 &&
		    (!(t->v->sizes & IODT_BIT(s)) || IODT_BIT(s) >= iodt_table_span(t->v)))
			continue;
		rows_init(&r, t);
		for (row = 0; row < TABLES; row++) /* last of all: mixed */
			map_sizes(&r, row, s == 63 ? 0 : IODT_BIT(s));
		for (round = 0; round < iodt_scale(10); round++) {
			for (row = 0; row < TABLES; row++) {
				n = iodt_below(t, 3) ? iodt_below(t, r.items + 1)
						     : iodt_below(t, 12);
				mark(&r, row, n, 25 * (unsigned int)iodt_below(t, 3));
			}
			sweep_and_compare(&r);
		}
		iodt_unmap(t, r.base, TABLES * r.span);
		rows_free(&r);
	}
	assert_true(dense_calls > calls);
}

static void (*const shapes[])(struct iodt *t) = { every_density, every_run };

/* By each set of kernels: the harness picks them in turn, this takes all. */
static void all_kernels(struct iodt *t)
{
	struct iodt *own;
	unsigned int i, k;

	for (k = 0; iod_kernels_name(k); k++) {
		for (i = 0; i < IODT_ARRAY_SIZE(shapes); i++) {
			iodt_kernels = iod_kernels_name(k);
			own = iodt_open(t->v);
			assert_non_null(own);
			shapes[i](own);
			iodt_assert_ok(iodt_close(own));
		}
	}
}

/* ---- the window between load and store ---- */

static void (*window)(void *arg);
static void *window_arg;

static void open_window(void)
{
	void (*fn)(void *arg) = window;

	window = NULL;
	if (fn)
		fn(window_arg);
}

static uint64_t load(const uint64_t *item)
{
	return __atomic_load_n((const iod_word *)item, __ATOMIC_RELAXED);
}

static void store(uint64_t *item, uint64_t v)
{
	__atomic_store_n((iod_word *)item, v, __ATOMIC_RELAXED);
}

/* As it should be, item by item. */
static unsigned by_items(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
			 uint64_t *words)
{
	unsigned i, done = 0;
	uint64_t v;

	for (i = 0; i < n; i++) {
		if (!(words[i / 64] >> i % 64 & 1))
			continue;
		v = load(&items[i]);
		if ((v & spec->mask) == spec->match) {
			open_window();
			store(&items[i], (v & ~spec->clear) | spec->set);
			done++;
		} else {
			words[i / 64] &= ~IODT_BIT(i % 64);
		}
	}
	return done;
}

/* A twin: all eight items of a line are written, the clean ones as they were. */
static unsigned by_lines(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
			 uint64_t *words)
{
	unsigned i, k, done = 0;
	uint64_t v[8];

	for (i = 0; i < n; i += 8) {
		if (!(words[i / 64] >> i % 64 & 0xff))
			continue;
		for (k = 0; k < 8; k++)
			v[k] = load(&items[i + k]);
		open_window();
		for (k = 0; k < 8; k++) {
			if (words[i / 64] >> (i + k) % 64 & 1) {
				v[k] = (v[k] & ~spec->clear) | spec->set;
				done++;
			}
			store(&items[i + k], v[k]);
		}
	}
	return done;
}

/* A twin: cleans what hardware has not marked accessed yet. */
static uint64_t accessed_bit;

static unsigned whatever_accessed(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
				  uint64_t *words)
{
	struct iod_clean_spec all = *spec;

	all.mask &= ~accessed_bit;
	all.match &= ~accessed_bit;
	return by_items(items, n, &all, words);
}

/* All tables mapped by small pages, every other page of them dirty and accessed; 2 and 4 too. */
static void half_dirty(struct rows *r, struct iodt *t)
{
	uint64_t row, i, pa;

	rows_init(r, t);
	for (row = 0; row < TABLES; row++) {
		map_small(r, row, 0, r->items);
		pa = item_pa(r, row, 0);
		for (i = 0; i < r->items; i += 2)
			iodt_write(t, pa + 8 * i, iodt_pte_mark(t->v, iodt_read(t, pa + 8 * i)));
	}
}

/* One sweep; what is done to the table in the middle of a clean_stores is done to row 1. */
static void sweep_with(struct rows *r,
		       unsigned (*instead)(uint64_t *, unsigned, const struct iod_clean_spec *,
					   uint64_t *),
		       void (*fn)(void *), void *arg)
{
	struct iod_sweep s =
		iodt_sweep_arg(r->t, IOD_SWEEP_CLEAR, r->base, TABLES * r->span, &r->bits);

	iodt_bits_zero(&r->bits);
	dense_instead = instead;
	window = fn;
	window_arg = arg;
	iodt_assert_ok(iod_sweep(r->t->pt, &s));
	assert_int_equal(s.done, s.len);
	assert_null(window);
	dense_instead = NULL;
}

/* A device writes the clean page beside the one that is being cleaned. */
static void write_neighbour(void *arg)
{
	struct rows *r = arg;

	iodt_dma_write(r->t, r->base + r->span + r->t->page);
}

/* True if the write is neither reported nor dirty. */
static bool neighbour_lost(struct iodt *t,
			   unsigned (*instead)(uint64_t *, unsigned, const struct iod_clean_spec *,
					       uint64_t *))
{
	uint64_t page;
	struct rows r;
	bool lost;

	half_dirty(&r, t);
	page = r.base + r.span + t->page;
	sweep_with(&r, instead, write_neighbour, &r);
	lost = !iodt_bits_get(&r.bits, page) && !iodt_pte_dirty(t->v, iodt_walk(t, page).pte);
	rows_free(&r);
	return lost;
}

static void stores_spare_neighbours(struct iodt *t)
{
	assert_false(neighbour_lost(t, by_items));
}

static void twin_whole_lines(struct iodt *t)
{
	assert_true(neighbour_lost(t, by_lines));
}

/* Hardware sets Accessed of the item that is being cleaned: by stores only if it was set already. */
static void read_same(void *arg)
{
	struct rows *r = arg;
	uint64_t pa = item_pa(r, 1, 0), v = iodt_read(r->t, pa);

	iodt_write(r->t, pa, v | iodt_accessed_bit(r->t->v));
}

static bool accessed_vanishes(struct iodt *t,
			      unsigned (*instead)(uint64_t *, unsigned,
						  const struct iod_clean_spec *, uint64_t *))
{
	uint64_t pa;
	struct rows r;
	bool gone;

	half_dirty(&r, t);
	pa = item_pa(&r, 1, 0);
	iodt_write(t, pa, iodt_read(t, pa) & ~iodt_accessed_bit(t->v));
	iodt_put_le64(&accessed_bit, iodt_accessed_bit(t->v));
	sweep_with(&r, instead, read_same, &r);
	gone = !(iodt_read(t, pa) & iodt_accessed_bit(t->v));
	assert_false(iodt_pte_dirty(t->v, iodt_read(t, pa)));
	assert_true(iodt_bits_get(&r.bits, r.base + r.span));
	rows_free(&r);
	return gone;
}

static void accessed_stays(struct iodt *t)
{
	assert_false(accessed_vanishes(t, by_items));
}

static void twin_whatever_accessed(struct iodt *t)
{
	assert_true(accessed_vanishes(t, whatever_accessed));
}

/* ---- mutators in the window ---- */

void __real_iod_pt_lock_shared(struct pt_table_lock *lock);
void __wrap_iod_pt_lock_shared(struct pt_table_lock *lock);

static bool no_exclusion;

/* Without exclusion: held like the real one, but not waited for. */
void __wrap_iod_pt_lock_shared(struct pt_table_lock *lock)
{
	if (no_exclusion)
		word_add(&lock->mutators, 1);
	else
		__real_iod_pt_lock_shared(lock);
}

struct mutation {
	struct rows *r;
	struct iod_gather *gather;
	uint64_t iova, len, new_pa; /* UINT64_MAX: only unmap */
	int begin, began, done;
	int ret;
};

static void nap(void)
{
	struct timespec ts = { .tv_nsec = 1000000 };

	nanosleep(&ts, NULL);
}

static void *mutator(void *arg)
{
	struct mutation *m = arg;
	struct iodt *t = m->r->t;

	while (!__atomic_load_n(&m->begin, __ATOMIC_ACQUIRE))
		sched_yield();
	__atomic_store_n(&m->began, 1, __ATOMIC_RELEASE);
	m->ret = iod_unmap(t->pt, m->iova, m->len, 0, m->gather, NULL);
	if (!m->ret && m->new_pa != UINT64_MAX)
		m->ret = iod_map(t->pt, m->iova, m->new_pa, m->len, IODT_RW, NULL, NULL);
	__atomic_store_n(&m->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Lets the mutator go, and waits for it: in vain if it is shut out. */
static void let_go(void *arg)
{
	struct mutation *m = arg;
	unsigned int ms;

	__atomic_store_n(&m->begin, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&m->began, __ATOMIC_ACQUIRE))
		sched_yield();
	for (ms = 0;
	     ms < (no_exclusion ? 10000 : 30) && !__atomic_load_n(&m->done, __ATOMIC_ACQUIRE); ms++)
		nap();
	/* the real one must not have come through */
	if (!no_exclusion)
		assert_false(__atomic_load_n(&m->done, __ATOMIC_ACQUIRE));
}

/* Unmaps, or replaces, the page that is being cleaned, or some. True if the old entry came back. */
static bool pages_come_back(struct iodt *t, uint64_t pages, bool replace, bool exclude)
{
	struct mutation m = { .len = pages * t->page,
			      .new_pa = replace ? 512 * IODT_1M : UINT64_MAX };
	struct iod_mapping found;
	pthread_t thread;
	struct rows r;
	int ret;

	half_dirty(&r, t);
	m.r = &r;
	m.iova = r.base + r.span;
	no_exclusion = !exclude;
	iodt_assert_ok(iod_gather_create(&m.gather, t->pt, NULL));
	iodt_assert_ok(pthread_create(&thread, NULL, mutator, &m));
	sweep_with(&r, by_items, let_go, &m);
	iodt_assert_ok(pthread_join(thread, NULL));
	no_exclusion = false;
	iodt_assert_ok(m.ret);
	ret = iod_translate(t->pt, m.iova, &found);
	assert_true(ret == 0 || ret == -ENOENT);
	iodt_assert_ok(iod_gather_sync(m.gather));
	iodt_assert_ok(iod_gather_destroy(m.gather));
	rows_free(&r);
	return replace ? found.pa != m.new_pa : ret == 0;
}

/* One page is another way through the library than a range. */
static bool comes_back(struct iodt *t, bool replace, bool exclude)
{
	uint64_t len = TABLES * iodt_table_span(t->v);
	bool one = pages_come_back(t, 1, replace, exclude);

	iodt_assert_ok(iod_unmap(t->pt, t->v->first, len, 0, t->gather, NULL));
	iodt_expect_unmap(t, t->v->first, len);
	iodt_sync(t);
	assert_int_equal(pages_come_back(t, 3, replace, exclude), one);
	return one;
}

static void unmapped_stays_away(struct iodt *t)
{
	assert_false(comes_back(t, false, true));
}

static void replaced_stays_away(struct iodt *t)
{
	assert_false(comes_back(t, true, true));
}

static void twin_unmapped_comes_back(struct iodt *t)
{
	assert_true(comes_back(t, false, false));
}

static void twin_replaced_comes_back(struct iodt *t)
{
	assert_true(comes_back(t, true, false));
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "every_density", IODT_DIRTY | IODT_MIDDLING | IODT_TABLES, 0, every_density },
		{ "every_run", IODT_DIRTY | IODT_MIDDLING | IODT_RUNS | IODT_GRAN4K, IODT_GROWS,
		  every_run },
		{ "all_kernels", IODT_DIRTY | IODT_PLAIN | IODT_GRAN4K, 0, all_kernels },
		{ "stores_spare_neighbours", IODT_DIRTY | IODT_PLAIN, 0, stores_spare_neighbours },
		{ "twin_whole_lines", IODT_DIRTY | IODT_PLAIN, 0, twin_whole_lines },
		{ "accessed_stays", IODT_DIRTY | IODT_PLAIN, 0, accessed_stays },
		{ "twin_whatever_accessed", IODT_DIRTY | IODT_PLAIN, 0, twin_whatever_accessed },
		{ "unmapped_stays_away", IODT_DIRTY | IODT_PLAIN, 0, unmapped_stays_away },
		{ "replaced_stays_away", IODT_DIRTY | IODT_PLAIN, 0, replaced_stays_away },
		{ "twin_unmapped_comes_back", IODT_DIRTY | IODT_PLAIN, 0,
		  twin_unmapped_comes_back },
		{ "twin_replaced_comes_back", IODT_DIRTY | IODT_PLAIN, 0,
		  twin_replaced_comes_back },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
