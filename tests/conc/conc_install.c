/* SPDX-License-Identifier: MIT */
/*
 * Threads that map disjoint ranges into a table that is still empty: all want to install the same
 * tables, and to make the same root grow. Again and again, from nothing; nothing may get lost.
 */
#include <sched.h>
#include <time.h>

#include "conc.h"

#define MAPPERS 3
#define UNITS	24

struct start {
	struct iod_pgtable *pt;
	uint64_t iova[UNITS], page, base_pa;
	int go; /* atomic */
};

struct racer {
	struct start *start;
	unsigned int id, first;
	int ret;
	pthread_t thread;
};

/* Every third unit, from somewhere on. */
static void *race(void *arg)
{
	struct racer *r = arg;
	struct start *s = r->start;
	unsigned int i, unit;

	while (!__atomic_load_n(&s->go, __ATOMIC_ACQUIRE))
		sched_yield();
	for (i = 0; i < UNITS && !r->ret; i++) {
		unit = (r->first + i) % UNITS;
		if (unit % MAPPERS == r->id)
			r->ret = iod_map(s->pt, s->iova[unit], s->base_pa + unit * s->page, s->page,
					 IODT_RW, NULL, NULL);
	}
	return NULL;
}

/* Units side by side in one leaf table, then further and further apart. */
static void place(struct start *s, const struct conc *c, const struct iodt_variant *v)
{
	uint64_t low_last = v->hole_first ? v->hole_first - 1 : v->last;
	uint64_t far = iodt_pow2_floor((low_last - v->first) / 2 + 1);
	unsigned int i;

	s->page = c->page;
	s->base_pa = c->base_pa;
	for (i = 0; i < UNITS; i++) {
		s->iova[i] = v->first + (i % 6) * c->page;
		if (i >= 6)
			s->iova[i] += (far >> (i / 6 - 1) * 9) & -c->span;
	}
}

static void check(struct start *s, const struct iodt_variant *v)
{
	struct iodt_part part[2];
	size_t n = iodt_parts(v, part);
	struct iod_gather *gather = NULL;
	uint64_t pa = 0, bytes = 0;
	unsigned int i;

	for (i = 0; i < UNITS; i++) {
		iodt_assert_ok(iod_iova_to_phys(s->pt, s->iova[i], &pa));
		assert_int_equal(pa, s->base_pa + i * s->page);
	}
	iodt_assert_ok(iod_gather_create(&gather, s->pt, NULL));
	while (n--)
		assert_in_range(-iod_unmap(s->pt, part[n].iova, part[n].len, 0, gather, &bytes), 0,
				ENOENT);
	assert_int_equal(bytes, UNITS * s->page);
	iodt_assert_ok(iod_gather_sync(gather));
	iodt_assert_ok(iod_gather_destroy(gather));
	assert_int_equal(iodt_info(s->pt).tables, 1);
}

static void one_round(struct start *s, struct conc *c, unsigned int round, uint64_t *rng)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(c->t->v, c->t->mem);
	struct racer racers[MAPPERS];
	unsigned int i;

	iodt_assert_ok(iod_pgtable_create(&s->pt, &cfg));
	s->go = 0;
	for (i = 0; i < MAPPERS; i++) {
		*rng = *rng * 6364136223846793005u + 1442695040888963407u;
		racers[i] = (struct racer){ .start = s, .id = i };
		/* most begin at the same place, so that they meet */
		racers[i].first =
			*rng >> 61 ? (round * 6) % UNITS : (unsigned int)(*rng >> 32) % UNITS;
		iodt_assert_ok(pthread_create(&racers[i].thread, NULL, race, &racers[i]));
	}
	__atomic_store_n(&s->go, 1, __ATOMIC_RELEASE);
	for (i = 0; i < MAPPERS; i++)
		iodt_assert_ok(pthread_join(racers[i].thread, NULL));
	for (i = 0; i < MAPPERS; i++)
		iodt_assert_ok(racers[i].ret);
	check(s, c->t->v);
	iodt_assert_ok(iod_pgtable_destroy(s->pt));
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void install(struct iodt *t)
{
	double until = now() + conc_seconds();
	uint64_t rng = t->rng;
	struct start s = { 0 };
	unsigned int rounds = 0;
	struct conc c;

	conc_open(&c, t);
	place(&s, &c, t->v);
	do {
		one_round(&s, &c, rounds++, &rng);
	} while (now() < until);
	print_message("%u rounds\n", rounds);
	assert_int_equal(conc_close(&c), 0);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "install", IODT_PLAIN, 0, install },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
