/* SPDX-License-Identifier: MIT */
/*
 * A mutator that is held up, and one that never waits. Where somebody stops in the middle of a merge, an unmap
 * or a split, sweeps, translations and visits of the same range go on to their end: no lock is held where
 * hardware is waited for. And detached tables that nobody syncs are seen, bounded when asked for, and freed
 * by the sync.
 */
#include <semaphore.h>
#include <time.h>

#include "conc.h"

#define TABLES	 4
#define PATIENCE 30 /* seconds until a test is taken for stuck */

/* ---- stopped in the middle ---- */

struct stop {
	struct conc c;
	uint64_t iova, len, pa;
	uint32_t faults; /* where pages are away meanwhile: IOD_RESIZE_ALLOW_FAULTS */
	struct iod_gather *gather;
	struct iodt_bits bits; /* of the unmap */
	sem_t stopped, go;
	int armed, ret; /* armed: atomic */
	int (*call)(struct stop *s);
	pthread_t thread;
};

/* The first invalidation after arming waits for the test. */
static int stop_here(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct stop *s = cookie;
	unsigned int i;

	if (__atomic_exchange_n(&s->armed, 0, __ATOMIC_ACQ_REL)) {
		sem_post(&s->stopped);
		while (sem_wait(&s->go))
			;
	}
	for (i = 0; i < CONC_AGENTS; i++)
		iod_iotlb_invalidate(s->c.agent[i], inv, nr);
	return 0;
}

static void *stop_main(void *arg)
{
	struct stop *s = arg;

	s->ret = s->call(s);
	return NULL;
}

static struct iod_resize resize_arg(const struct stop *s, uint32_t flags)
{
	return (struct iod_resize){
		.size = sizeof(struct iod_resize),
		.iova = s->iova,
		.len = s->len,
		.flags = s->faults | flags,
		.gather = s->gather,
	};
}

static int merge_all(struct stop *s)
{
	struct iod_resize arg = resize_arg(s, 0);

	return iod_merge_range(s->c.t->pt, &arg);
}

/* With break-before-make in any format, to have something to stop in. */
static int split_all(struct stop *s)
{
	struct iod_resize arg = resize_arg(s, IOD_RESIZE_ALLOW_FAULTS | IOD_RESIZE_BREAK);

	return iod_split_range(s->c.t->pt, &arg);
}

static int unmap_and_sync(struct stop *s)
{
	struct iod_unmap_dirty arg = {
		.size = sizeof(arg),
		.iova = s->iova,
		.len = s->len,
		.gather = s->gather,
		.bitmap = &s->bits.bm,
	};
	int ret = iod_unmap_dirty(s->c.t->pt, &arg);

	return ret ? ret : iod_gather_sync(s->gather);
}

static void stop_open(struct stop *s, struct iodt *t)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = stop_here };
	struct iod_gather_cfg cfg = { .size = sizeof(cfg), .ops = &ops, .cookie = s };

	*s = (struct stop){ .armed = 0 };
	conc_open(&s->c, t);
	if (t->caps & IODT_ARM && !(t->v->features & (IOD_PT_BBM_1 | IOD_PT_BBM_2)))
		s->faults = IOD_RESIZE_ALLOW_FAULTS;
	s->iova = t->v->first + TABLES * s->c.span;
	s->len = TABLES * s->c.span;
	s->pa = 4 * TABLES * s->c.span;
	sem_init(&s->stopped, 0, 0);
	sem_init(&s->go, 0, 0);
	iodt_assert_ok(iod_gather_create(&s->gather, s->c.t->pt, &cfg));
	iodt_bits_init(&s->bits, s->iova, s->len, s->c.page);
	iodt_assert_ok(
		iod_map(s->c.t->pt, s->iova, s->pa, s->len, IODT_RW | IOD_PROT_DIRTY, NULL, NULL));
}

static void stop_close(struct stop *s)
{
	iodt_assert_ok(iod_gather_sync(s->gather));
	iodt_assert_ok(iod_gather_destroy(s->gather));
	assert_int_equal(iodt_stats(s->c.t->mem).pending, 0);
	assert_int_equal(conc_close(&s->c), 0);
	iodt_bits_free(&s->bits);
	sem_destroy(&s->stopped);
	sem_destroy(&s->go);
}

/* All readers and sweeps from one end to the other; returns pages that one of the sweeps reported. */
static uint64_t everybody(struct stop *s)
{
	struct iod_gather *gather = conc_gather(&s->c);
	struct conc_thread self = { .c = &s->c };
	struct iodt_bits bits;
	struct iod_sweep sweep = {
		.size = sizeof(sweep),
		.iova = s->iova,
		.len = s->len,
		.bitmap = &bits.bm,
	};
	struct iod_mapping m;
	uint64_t i, n;

	iodt_bits_init(&bits, s->iova, s->len, s->c.page);
	sweep.mode = IOD_SWEEP_READ;
	iodt_assert_ok(iod_sweep(s->c.t->pt, &sweep));
	sweep.mode = IOD_SWEEP_CLEAR;
	sweep.gather = gather;
	iodt_assert_ok(iod_sweep(s->c.t->pt, &sweep));
	sweep.mode = IOD_SWEEP_CLEAR_BY_BITMAP;
	iodt_assert_ok(iod_sweep(s->c.t->pt, &sweep));
	if (s->c.t->caps & IODT_PRUNE) {
		sweep.mode = IOD_SWEEP_CLEAR;
		sweep.flags = IOD_SWEEP_PRUNE;
		iodt_assert_ok(iod_sweep(s->c.t->pt, &sweep));
	}
	for (i = 0; i < 50; i++)
		iod_translate(s->c.t->pt, s->iova + conc_below(&self, s->len), &m);
	iodt_assert_ok(iod_gather_sync(gather));
	iodt_assert_ok(iod_gather_destroy(gather));
	n = iodt_bits_count(&bits);
	iodt_bits_free(&bits);
	return n;
}

static int count_bytes(void *cookie, const struct iod_visit_event *ev)
{
	if (ev->kind == IOD_VISIT_MAPPING)
		*(uint64_t *)cookie += ev->mapping.len;
	return ev->kind == IOD_VISIT_BAD;
}

static uint64_t visited(struct stop *s)
{
	uint64_t bytes = 0;
	struct iod_visit visit = {
		.size = sizeof(visit),
		.iova = s->iova,
		.len = s->len,
		.fn = count_bytes,
		.cookie = &bytes,
	};

	iodt_assert_ok(iod_visit(s->c.t->pt, &visit));
	return bytes;
}

/* Returns what the sweeps beside it reported, in pages. */
static uint64_t stopped_in(struct stop *s, int (*call)(struct stop *s), uint64_t *bytes)
{
	struct timespec until;
	uint64_t n;
	int ret;

	s->call = call;
	__atomic_store_n(&s->armed, 1, __ATOMIC_RELEASE);
	iodt_assert_ok(pthread_create(&s->thread, NULL, stop_main, s));
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE;
	do
		ret = sem_timedwait(&s->stopped, &until);
	while (ret && errno == EINTR);
	assert_int_equal(ret, 0); /* it has nothing to wait for? */
	n = everybody(s);
	*bytes = visited(s);
	sem_post(&s->go);
	iodt_assert_ok(pthread_join(s->thread, NULL));
	iodt_assert_ok(s->ret);
	return n;
}

static int split_free(struct stop *s)
{
	struct iod_resize arg = resize_arg(s, 0);

	return iod_split_range(s->c.t->pt, &arg);
}

/* What was dirty comes with the sweeps beside it, or is still dirty afterwards. */
static void beside_a_merge(struct iodt *t)
{
	struct stop s;
	uint64_t n, bytes;

	stop_open(&s, t);
	iodt_assert_ok(split_free(&s));
	iodt_assert_ok(iod_gather_sync(s.gather));
	n = stopped_in(&s, merge_all, &bytes);
	if (!s.faults) {
		assert_int_equal(n, s.len / s.c.page);
		assert_int_equal(bytes, s.len);
	}
	assert_true(n + everybody(&s) >= s.len / s.c.page);
	assert_int_equal(visited(&s), s.len);
	stop_close(&s);
}

static void beside_a_split(struct iodt *t)
{
	struct stop s;
	uint64_t n, bytes;

	stop_open(&s, t);
	n = stopped_in(&s, split_all, &bytes);
	assert_true(n + everybody(&s) >= s.len / s.c.page);
	assert_int_equal(visited(&s), s.len);
	stop_close(&s);
}

static void beside_an_unmap(struct iodt *t)
{
	struct stop s;
	uint64_t bytes;

	stop_open(&s, t);
	iodt_assert_ok(split_free(&s));
	iodt_assert_ok(iod_gather_sync(s.gather));
	assert_int_equal(stopped_in(&s, unmap_and_sync, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(iodt_bits_count(&s.bits), s.len / s.c.page);
	stop_close(&s);
}

/* ---- bounded memory ---- */

#define ROUNDS 40

struct hoard {
	struct conc c;
	uint64_t iova, span, bound;
	struct iod_gather *gather;
	uint64_t table; /* bytes of a leaf table */
	uint32_t faults;
};

static int deliver(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct hoard *h = cookie;
	unsigned int i;

	for (i = 0; i < CONC_AGENTS; i++)
		iod_iotlb_invalidate(h->c.agent[i], inv, nr);
	return 0;
}

static void hoard_open(struct hoard *h, struct iodt *t, uint64_t tables)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = deliver };
	struct iod_gather_cfg cfg = { .size = sizeof(cfg), .ops = &ops, .cookie = h };

	*h = (struct hoard){ .table = t->v->granule ? t->v->granule : 4096 };
	conc_open(&h->c, t);
	if (t->caps & IODT_ARM && !(t->v->features & (IOD_PT_BBM_1 | IOD_PT_BBM_2)))
		h->faults = IOD_RESIZE_ALLOW_FAULTS;
	h->iova = t->v->first + 2 * h->c.span;
	h->bound = tables * h->table;
	cfg.max_pending = h->bound;
	iodt_assert_ok(iod_gather_create(&h->gather, h->c.t->pt, &cfg));
}

/* What waits is what the gather, and the memory, say; and no more than was allowed. */
static void look(struct hoard *h, uint64_t *most)
{
	uint64_t pending = iodt_gather_info(h->gather).pending;
	uint64_t tables = iodt_stats(h->c.t->mem).pending;

	if (pending != tables * h->table)
		conc_fail(&h->c, "%ju bytes wait in the gather, %ju tables in the memory",
			  (uintmax_t)pending, (uintmax_t)tables);
	if (h->bound && pending > h->bound)
		conc_fail(&h->c, "%ju bytes wait, %ju are allowed", (uintmax_t)pending,
			  (uintmax_t)h->bound);
	*most = pending > *most ? pending : *most;
}

static int map_and_unmap(struct hoard *h)
{
	struct iod_pgtable *pt = h->c.t->pt;
	int ret = iod_map(pt, h->iova, h->c.base_pa + h->c.page, 2 * h->c.span, IODT_RW, h->gather,
			  NULL);

	return ret ? ret : iod_unmap(pt, h->iova, 2 * h->c.span, 0, h->gather, NULL);
}

static int split_and_merge(struct hoard *h)
{
	struct iod_resize arg = {
		.size = sizeof(arg),
		.iova = h->iova + 4 * h->c.span,
		.len = 2 * h->c.span,
		.flags = h->faults,
		.gather = h->gather,
	};
	int ret = iod_split_range(h->c.t->pt, &arg);

	return ret ? ret : iod_merge_range(h->c.t->pt, &arg);
}

static void reader(struct conc_thread *self)
{
	struct hoard *h = self->arg;
	uint64_t iova = h->iova + conc_below(self, 6 * h->c.span);
	struct iod_mapping m;
	int ret = iod_translate(h->c.t->pt, iova, &m);

	if (ret && (ret != -ENOENT || (iova >= h->iova + 4 * h->c.span && !h->faults)))
		conc_fail(&h->c, "translate %#jx: %d", (uintmax_t)iova, ret);
	iod_iotlb_access(h->c.agent[conc_below(self, CONC_AGENTS)], h->c.t->pt, iova,
			 IOD_ACCESS_WRITE, NULL, NULL);
}

/* Never syncs. */
static void hoarder(struct conc_thread *self)
{
	struct hoard *h = self->arg;
	uint64_t most = 0;
	int ret = conc_below(self, 2) ? map_and_unmap(h) : split_and_merge(h);

	if (ret)
		conc_fail(&h->c, "map, unmap, split or merge: %d", ret);
	look(h, &most);
}

static void map_what_is_merged(struct hoard *h)
{
	iodt_assert_ok(iod_map(h->c.t->pt, h->iova + 4 * h->c.span, 16 * h->c.span, 2 * h->c.span,
			       IODT_RW, NULL, NULL));
}

static void hoard_close(struct hoard *h)
{
	uint64_t before = iodt_stats(h->c.t->mem).tables, waiting;

	assert_false(h->c.failed);
	waiting = iodt_stats(h->c.t->mem).pending;
	iodt_assert_ok(iod_gather_sync(h->gather));
	assert_int_equal(iodt_stats(h->c.t->mem).pending, 0);
	assert_int_equal(iodt_gather_info(h->gather).pending, 0);
	assert_int_equal(iodt_stats(h->c.t->mem).tables, before - waiting);
	iodt_assert_ok(iod_gather_destroy(h->gather));
	assert_int_equal(conc_close(&h->c), 0);
}

/* Without a bound it grows, and says so. */
static void seen(struct iodt *t)
{
	struct hoard h;
	uint64_t most = 0;
	unsigned int i;

	hoard_open(&h, t, 0);
	map_what_is_merged(&h);
	for (i = 0; i < ROUNDS; i++) {
		iodt_assert_ok(map_and_unmap(&h));
		look(&h, &most);
	}
	assert_int_equal(most, ROUNDS * 2 * h.table);
	for (i = 0; i < ROUNDS; i++) {
		iodt_assert_ok(split_and_merge(&h));
		look(&h, &most);
	}
	assert_int_equal(most, ROUNDS * 4 * h.table);
	hoard_close(&h);
}

static void bounded(struct iodt *t)
{
	struct conc_thread threads[] = { { .fn = hoarder }, { .fn = reader }, { .fn = reader } };
	struct hoard h;
	unsigned int i;

	hoard_open(&h, t, 7);
	map_what_is_merged(&h);
	for (i = 0; i < IODT_ARRAY_SIZE(threads); i++)
		threads[i].arg = &h;
	conc_run(&h.c, threads, IODT_ARRAY_SIZE(threads), conc_seconds());
	/* what is mapped, what waits, what one call adds before it waits */
	assert_true(iodt_stats(h.c.t->mem).peak_bytes <= h.bound + 24 * h.table);
	hoard_close(&h);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "beside_a_merge", IODT_DIRTY | IODT_PLAIN | IODT_HUGE | IODT_RESIZE, 0,
		  beside_a_merge },
		{ "beside_a_split", IODT_DIRTY | IODT_PLAIN | IODT_HUGE | IODT_RESIZE, 0,
		  beside_a_split },
		{ "beside_an_unmap", IODT_DIRTY | IODT_PLAIN | IODT_HUGE | IODT_RESIZE, 0,
		  beside_an_unmap },
		{ "beside_a_merge_pruned", IODT_PRUNE | IODT_HUGE | IODT_MIDDLING | IODT_RESIZE, 0,
		  beside_a_merge },
		{ "beside_an_unmap_pruned", IODT_PRUNE | IODT_HUGE | IODT_MIDDLING | IODT_RESIZE, 0,
		  beside_an_unmap },
		{ "seen", IODT_PLAIN | IODT_HUGE | IODT_RESIZE, 0, seen },
		{ "bounded", IODT_PLAIN | IODT_HUGE | IODT_RESIZE, 0, bounded },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
