/* SPDX-License-Identifier: MIT */
/*
 * A mutator that began before a sweep announced its dense clears holds no lock: the sweep must wait until
 * it is gone. It is held up between two items of a table that it unmaps; what hands the first of them to
 * the gather is wrapped. The twin does not wait, and an unmapped page comes back.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "densetest.h"
#include "iodtest.h"

#define TABLES 8
#define ROW    1 /* the table unmapped from */

struct iod_gather;

void __real_iod_rcu_wait(void);
void __wrap_iod_rcu_wait(void);
void __real_iod_gather_add_slow(struct iod_gather *g, uint64_t first, uint64_t last,
				uint32_t leaf_levels, uint32_t table_levels);
void __wrap_iod_gather_add_slow(struct iod_gather *g, uint64_t first, uint64_t last,
				uint32_t leaf_levels, uint32_t table_levels);

static struct {
	struct iodt *t;
	struct iod_gather *gather; /* the mutator's */
	uint64_t iova;
	uint64_t item;		    /* of the last page it unmaps; as the sweep finds it */
	int inside, cleaning, done; /* atomic */
	int ret;
	bool no_wait;
} race;

static int get(const int *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void put(int *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

/* So long at most. */
static void await(const int *flag, unsigned int ms)
{
	struct timespec ts = { .tv_nsec = 1000000 };

	for (; ms && !get(flag); ms--)
		nanosleep(&ts, NULL);
}

void __wrap_iod_rcu_wait(void)
{
	if (!race.no_wait)
		__real_iod_rcu_wait();
}

/* The first extent that the mutator found; the second is not cleared yet. */
void __wrap_iod_gather_add_slow(struct iod_gather *g, uint64_t first, uint64_t last,
				uint32_t leaf_levels, uint32_t table_levels)
{
	__real_iod_gather_add_slow(g, first, last, leaf_levels, table_levels);
	if (g != race.gather || get(&race.inside))
		return;
	put(&race.inside);
	await(&race.cleaning, race.no_wait ? 10000 : 50);
}

/* As it should be, with the mutator's rest between the load and the store of the item it clears. */
static unsigned clean(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
		      uint64_t *words)
{
	unsigned i, done = 0;
	uint64_t v;

	for (i = 0; i < n; i++) {
		if (!(words[i / 64] >> i % 64 & 1))
			continue;
		v = __atomic_load_n((iod_word *)&items[i], __ATOMIC_RELAXED);
		if ((v & spec->mask) != spec->match) {
			words[i / 64] &= ~IODT_BIT(i % 64);
			continue;
		}
		if (v == race.item) {
			put(&race.cleaning);
			await(&race.done, 10000);
		}
		__atomic_store_n((iod_word *)&items[i], (v & ~spec->clear) | spec->set,
				 __ATOMIC_RELAXED);
		done++;
	}
	return done;
}

/* Pages 0, 2 and 4 are mapped. */
static void *mutator(void *arg)
{
	(void)arg;
	race.ret = iod_unmap(race.t->pt, race.iova, 5 * race.t->page, 0, race.gather, NULL);
	put(&race.done);
	return NULL;
}

static void setup(struct iodt *t, bool no_wait)
{
	uint64_t span = iodt_table_span(t->v), pages = span / t->page, row, i, pa;

	memset(&race, 0, sizeof(race));
	race.t = t;
	race.no_wait = no_wait;
	race.iova = t->v->first + ROW * span;
	for (row = 0; row < TABLES; row++)
		iodt_map(t, t->v->first + row * span, (row * span + t->page) % IODT_1G, span,
			 IODT_RW);
	iodt_unmap(t, race.iova + t->page, t->page);
	iodt_unmap(t, race.iova + 3 * t->page, t->page);
	iodt_sync(t);
	for (row = 0; row < TABLES; row++) {
		pa = iodt_walk(t, t->v->first + row * span).pte_pa;
		for (i = 0; i < pages; i++)
			if (row != ROW || (i != 1 && i != 3))
				iodt_write(t, pa + 8 * i,
					   iodt_pte_mark(t->v, iodt_read(t, pa + 8 * i)));
	}
	pa = iodt_walk(t, race.iova + 4 * t->page).pte_pa;
	iodt_put_le64(&race.item, iodt_read(t, pa));
	iodt_assert_ok(iod_gather_create(&race.gather, t->pt, NULL));
}

/* Sweeps while a mutator is inside. True if its page 4 comes back. */
static bool comes_back(struct iodt *t, bool no_wait)
{
	uint64_t span = iodt_table_span(t->v);
	struct iod_mapping found;
	struct iod_sweep s;
	struct iodt_bits b;
	pthread_t thread;
	int ret;

	setup(t, no_wait);
	iodt_bits_init(&b, t->v->first, TABLES * span, t->page);
	iodt_assert_ok(pthread_create(&thread, NULL, mutator, NULL));
	await(&race.inside, 10000);
	assert_true(get(&race.inside));
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, t->v->first, TABLES * span, &b);
	dense_instead = clean;
	iodt_assert_ok(iod_sweep(t->pt, &s));
	dense_instead = NULL;
	iodt_assert_ok(pthread_join(thread, NULL));
	iodt_assert_ok(race.ret);
	/* it waited, so the mutator was gone before the first dense clear */
	assert_int_equal(get(&race.cleaning), no_wait);
	ret = iod_translate(t->pt, race.iova + 4 * t->page, &found);
	race.no_wait = false;
	iodt_assert_ok(iod_gather_sync(race.gather));
	iodt_assert_ok(iod_gather_destroy(race.gather));
	race.gather = NULL;
	iodt_bits_free(&b);
	return ret == 0;
}

static void waits_for_mutators(struct iodt *t)
{
	assert_false(comes_back(t, false));
}

static void twin_does_not_wait(struct iodt *t)
{
	assert_true(comes_back(t, true));
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "waits_for_mutators", IODT_DIRTY | IODT_PLAIN, 0, waits_for_mutators },
		{ "twin_does_not_wait", IODT_DIRTY | IODT_PLAIN, 0, twin_does_not_wait },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
