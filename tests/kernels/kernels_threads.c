/* SPDX-License-Identifier: MIT */
/*
 * Cleaning beside somebody who marks items. Every mark is a change of Dirty from 0 to 1, every clean one
 * back: when all is over the two must balance, or marks were lost. Twins that break a rule of cleaning
 * by stores must be seen to lose some.
 */
#include "kernels_test.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#define ITEMS 512u
#define DIRTY UINT64_C(0x40)
#define LEAF  UINT64_C(0x21) /* present, accessed */
#define COUNT UINT64_C(0x1000)

static const struct iod_clean_spec spec = { LEAF | DIRTY, LEAF | DIRTY, DIRTY, 0 };

typedef unsigned clean_fn(uint64_t *, unsigned, const struct iod_clean_spec *, uint64_t *);

struct marker {
	_Alignas(64) uint64_t items[ITEMS];
	bool software; /* counts in items, also in dirty ones, as no hardware does */
	unsigned ops;
	uint64_t marked, counted; /* by the thread */
	unsigned finished, started;
};

static void *mark(void *arg)
{
	struct marker *m = arg;
	uint64_t seed = 7, r;
	iod_word *item;
	unsigned i;

	__atomic_store_n(&m->started, 1, __ATOMIC_RELEASE);
	for (i = 0; i < m->ops; i++) {
		r = next_random(&seed);
		item = (iod_word *)&m->items[r % ITEMS];
		/* Hardware marks by an atomic operation, and what is marked not again. */
		if (!(__atomic_load_n(item, __ATOMIC_RELAXED) & DIRTY))
			m->marked += !(__atomic_fetch_or(item, DIRTY, __ATOMIC_RELAXED) & DIRTY);
		if (m->software) {
			__atomic_fetch_add(item, COUNT, __ATOMIC_RELAXED);
			m->counted++;
		}
	}
	__atomic_store_n(&m->finished, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* The set whose scan_stores is on trial, or NULL: scan, and then clean. */
static const struct iod_kernels *in_one;

static uint64_t scan_and_clean(struct marker *m, clean_fn *clean)
{
	uint64_t words[ITEMS / 64], cleaned[ITEMS / 64];

	if (in_one)
		return in_one
			->scan_stores(m->items, ITEMS, spec.mask, spec.match, &spec, words, cleaned,
				      NULL)
			.cleaned;
	if (!iod_kernels_best()->scan(m->items, ITEMS, spec.mask, spec.match, words, NULL))
		return 0;
	return clean(m->items, ITEMS, &spec, words);
}

/* Whether every mark, and every count, is there in the end. */
static bool balanced(clean_fn *clean, bool software, unsigned ops)
{
	static struct marker m;
	uint64_t cleaned = 0, counted = 0;
	pthread_t thread;
	unsigned i;

	m = (struct marker){ .software = software, .ops = ops };
	for (i = 0; i < ITEMS; i++)
		m.items[i] = LEAF;
	assert_int_equal(pthread_create(&thread, NULL, mark, &m), 0);
	while (!__atomic_load_n(&m.started, __ATOMIC_ACQUIRE))
		sched_yield();
	while (!__atomic_load_n(&m.finished, __ATOMIC_ACQUIRE)) {
		cleaned += scan_and_clean(&m, clean);
		if (scaled(100) < 100)
			sched_yield(); /* where threads take turns */
	}
	pthread_join(thread, NULL);
	cleaned += scan_and_clean(&m, clean);
	for (i = 0; i < ITEMS; i++)
		counted += m.items[i] / COUNT;
	return cleaned == m.marked && counted == m.counted;
}

void threads_clean(void **state)
{
	const struct iod_kernels *k;
	unsigned set;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++)
		assert_true(balanced(k->clean, true, scaled(2000000)));
}

void threads_clean_stores(void **state)
{
	const struct iod_kernels *k;
	unsigned set;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++)
		assert_true(balanced(k->clean_stores, false, scaled(4000000)));
}

void threads_scan_stores(void **state)
{
	unsigned set;

	(void)state;
	for (set = 0; (in_one = kernels_nth(set)); set++)
		assert_true(balanced(NULL, false, scaled(4000000)));
}

/* ---- twins ---- */

/* Until it is seen to lose something. */
static void must_lose(clean_fn *clean, bool software)
{
	time_t give_up = time(NULL) + 20;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		print_message("one CPU: nothing happens at the same time\n");
		skip();
	}
	while (balanced(clean, software, 200000))
		if (time(NULL) > give_up || scaled(100) < 20) {
			if (scaled(100) < 20) { /* valgrind: threads take turns */
				print_message("not seen in a shortened run\n");
				skip();
			}
			fail_msg("nothing was lost");
		}
}

/* Stores the neighbours in a cache line, too, as they were. */
static unsigned clean_lines(uint64_t *items, unsigned n, const struct iod_clean_spec *s,
			    uint64_t *words)
{
	uint64_t line[8];
	unsigned i, k, cleaned = 0;

	for (i = 0; i + 8 <= n; i += 8) {
		if (!(words[i / 64] >> (i % 64) & 0xff))
			continue;
		for (k = 0; k < 8; k++)
			line[k] = __atomic_load_n((iod_word *)&items[i + k], __ATOMIC_RELAXED);
		for (k = 0; k < 8; k++) {
			if ((line[k] & s->mask) == s->match) {
				line[k] = (line[k] & ~s->clear) | s->set;
				cleaned++;
			}
			__atomic_store_n((iod_word *)&items[i + k], line[k], __ATOMIC_RELAXED);
		}
	}
	return cleaned;
}

void threads_twin_lines(void **state)
{
	(void)state;
	must_lose(clean_lines, false);
}

/* By stores, although software changes items that are dirty. */
void threads_twin_condition(void **state)
{
	(void)state;
	must_lose(iod_kernels_best()->clean_stores, true);
}
