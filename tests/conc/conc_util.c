/* SPDX-License-Identifier: MIT */
/* Threads, their time, their gathers, and the agents that obey them. */
#include <time.h>

#include "conc.h"

#define SECONDS	   0.2
#define SOAK_CASES 100.0 /* tests and variants that share the time of a soak, and some rounds */
#define LONGEST	   4.0

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void pause_ms(long ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000 };

	nanosleep(&ts, NULL);
}

double conc_seconds(void)
{
	const char *soak = getenv("IOD_SOAK_SECONDS");
	double s = SECONDS * iodt_scale(1000) / 1000.0;

	if (soak && strtod(soak, NULL) / SOAK_CASES > s)
		s = strtod(soak, NULL) / SOAK_CASES;
	return s > LONGEST ? LONGEST : s;
}

uint64_t conc_random(struct conc_thread *self)
{
	uint64_t z = self->rng += 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t conc_below(struct conc_thread *self, uint64_t n)
{
	return conc_random(self) % n;
}

/* ---- failures ---- */

bool conc_stopped(const struct conc *c)
{
	return __atomic_load_n(&c->stop, __ATOMIC_ACQUIRE);
}

void conc_fail(struct conc *c, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&c->lock);
	if (!c->failed) {
		va_start(ap, fmt);
		vsnprintf(c->what, sizeof(c->what), fmt, ap);
		va_end(ap);
	}
	c->failed = 1;
	pthread_mutex_unlock(&c->lock);
	__atomic_store_n(&c->stop, 1, __ATOMIC_RELEASE);
}

/* ---- objects ---- */

static int deliver(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct conc *c = cookie;
	unsigned int i;

	for (i = 0; i < CONC_AGENTS && !c->deaf; i++)
		if (iod_iotlb_invalidate(c->agent[i], inv, nr))
			conc_fail(c, "agent %u refuses an invalidation", i);
	return 0;
}

struct iod_gather *conc_gather(struct conc *c)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = deliver };
	struct iod_gather_cfg cfg = {
		.size = sizeof(cfg), .ops = &ops, .cookie = c, .max_ranges = 8
	};
	struct iod_gather *gather = NULL;

	iodt_assert_ok(iod_gather_create(&gather, c->t->pt, &cfg));
	return gather;
}

static void open_table(struct conc *c, const struct iodt *t)
{
	struct iod_pgtable_cfg cfg;

	c->own = *t;
	c->own.seg = NULL;
	c->own.nr_segs = c->own.cap_segs = 0;
	c->own.mem = iodt_mem_create(NULL);
	assert_non_null(c->own.mem);
	cfg = iodt_cfg(t->v, c->own.mem);
	iodt_assert_ok(iod_pgtable_create(&c->own.pt, &cfg));
	c->t = &c->own;
	c->own.gather = conc_gather(c);
}

void conc_open(struct conc *c, const struct iodt *t)
{
	static const uint32_t flags[CONC_AGENTS] = {
		0,
		IOD_IOTLB_LATE_DIRTY | IOD_IOTLB_SPECULATE,
		IOD_IOTLB_ATC,
		IOD_IOTLB_SPECULATE | IOD_IOTLB_NO_TABLE_ACCESS,
	};
	uint64_t granule = t->v->granule ? t->v->granule : 4096;
	unsigned int i;

	*c = (struct conc){ .page = t->page, .lock = PTHREAD_MUTEX_INITIALIZER };
	c->span = t->page * (granule / 8);
	c->base_pa = 2 * c->span;
	for (i = 0; i < CONC_AGENTS; i++) {
		struct iod_iotlb_cfg cfg = {
			.size = sizeof(cfg),
			.entries = 64,
			.flags = flags[i],
			.seed = t->rng + i,
		};

		iodt_assert_ok(iod_iotlb_create(&c->agent[i], &cfg));
	}
	open_table(c, t);
}

uint64_t conc_close(struct conc *c)
{
	uint64_t left;
	unsigned int i;

	iodt_assert_ok(iod_gather_sync(c->own.gather));
	iodt_assert_ok(iod_gather_destroy(c->own.gather));
	iodt_assert_ok(iod_pgtable_destroy(c->own.pt));
	left = iodt_stats(c->own.mem).tables;
	iodt_assert_ok(iod_mem_destroy(c->own.mem));
	for (i = 0; i < CONC_AGENTS; i++)
		iodt_assert_ok(iod_iotlb_destroy(c->agent[i]));
	pthread_mutex_destroy(&c->lock);
	free(c->own.seg);
	return left;
}

/* ---- threads ---- */

static void *thread_main(void *arg)
{
	struct conc_thread *self = arg;

	while (!conc_stopped(self->c)) {
		self->fn(self);
		__atomic_fetch_add(&self->ops, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void finish(struct conc *c, struct conc_thread *threads, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		iodt_assert_ok(iod_gather_sync(threads[i].gather));
		iodt_assert_ok(iod_gather_destroy(threads[i].gather));
	}
	if (c->failed)
		fail_msg("%s", c->what);
}

/* Time is up and everybody had a turn, which under valgrind takes a while. */
static bool enough(struct conc_thread *threads, unsigned int nr, double until)
{
	unsigned int i;

	if (now() < until)
		return false;
	for (i = 0; i < nr; i++)
		if (!__atomic_load_n(&threads[i].ops, __ATOMIC_RELAXED))
			return false;
	return true;
}

void conc_run(struct conc *c, struct conc_thread *threads, unsigned int nr, double seconds)
{
	double until = now() + seconds;
	unsigned int i;

	c->stop = 0;
	for (i = 0; i < nr; i++) {
		threads[i].c = c;
		threads[i].id = i;
		threads[i].rng = c->t->rng + i * 77777;
		threads[i].gather = conc_gather(c);
	}
	for (i = 0; i < nr; i++)
		iodt_assert_ok(pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]));
	while (!conc_stopped(c) && !enough(threads, nr, until))
		pause_ms(2);
	__atomic_store_n(&c->stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < nr; i++)
		iodt_assert_ok(pthread_join(threads[i].thread, NULL));
	finish(c, threads, nr);
}
