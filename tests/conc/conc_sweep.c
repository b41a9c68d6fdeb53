/* SPDX-License-Identifier: MIT */
/*
 * DMA from several agents against sweepers that clean, sync and copy, and a thread that maps and
 * unmaps. Every page has a version that each write raises while the translation is held; at the end
 * all copies must be of the last version.
 *
 * The twin's agents never hear of an invalidation: then versions must be missed.
 */
#include "conc.h"

#define SWEEPERS   2
#define HOT	   24 /* pages that most writes go to */
#define TWIN_TRIES 20

struct memory {
	struct conc c;
	uint64_t iova, len; /* mapped, with holes */
	uint64_t frames;
	uint32_t *version; /* atomic; of each frame of one page */
	uint32_t *copy;
	pthread_mutex_t lock; /* copies never go back */
};

static uint64_t frame_of(const struct memory *m, uint64_t pa)
{
	return (pa - m->c.base_pa) / m->c.page;
}

/* ---- devices ---- */

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct memory *m = cookie;
	uint64_t f, last = frame_of(m, pa + (len - 1));

	for (f = frame_of(m, pa); f <= last; f++) {
		if (f >= m->frames)
			conc_fail(&m->c, "write to %#jx", (uintmax_t)pa);
		else
			__atomic_fetch_add(&m->version[f], 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static void device(struct conc_thread *self)
{
	struct memory *m = self->arg;
	uint64_t pages = m->len / m->c.page, at, done = 0;
	uint32_t access = conc_below(self, 4) ? IOD_ACCESS_WRITE : IOD_ACCESS_READ;
	struct iod_fault fault = { 0 };
	int ret;

	if (conc_below(self, 10))
		at = conc_below(self, HOT) * (pages / HOT);
	else
		at = conc_below(self, pages);
	at = m->iova + at * m->c.page + conc_below(self, m->c.page);
	if (access == IOD_ACCESS_READ)
		ret = iod_iotlb_access(m->c.agent[self->id % CONC_AGENTS], self->c->t->pt, at,
				       access, NULL, &fault);
	else
		ret = iod_iotlb_dma(m->c.agent[self->id % CONC_AGENTS], self->c->t->pt, at,
				    1 + conc_below(self, 2 * m->c.page), access, move, m, &done,
				    &fault);
	/* there are holes */
	if (ret && (ret != -EFAULT || fault.reason != IOD_FAULT_TRANSLATION))
		conc_fail(&m->c, "write at %#jx: %d, reason %d", (uintmax_t)at, ret, fault.reason);
}

/* ---- migration ---- */

static void copy_frame(struct memory *m, uint64_t f)
{
	pthread_mutex_lock(&m->lock);
	m->copy[f] = __atomic_load_n(&m->version[f], __ATOMIC_RELAXED);
	pthread_mutex_unlock(&m->lock);
}

static void copy_reported(struct memory *m, const struct iodt_bits *b, uint64_t iova, uint64_t len)
{
	uint64_t at;

	for (at = 0; at < len; at += m->c.page)
		if (iodt_bits_get(b, iova + at))
			copy_frame(m, (iova + at - m->iova) / m->c.page);
}

/* Sweep in steps, sync, copy. */
static void migrate(struct memory *m, struct iod_gather *gather, struct iodt_bits *b, uint64_t iova,
		    uint64_t len, uint64_t budget)
{
	struct iod_sweep s = {
		.size = sizeof(s),
		.mode = IOD_SWEEP_CLEAR,
		.iova = iova,
		.len = len,
		.bitmap = &b->bm,
		.gather = gather,
		.budget = budget,
	};
	int ret;

	iodt_bits_zero(b);
	do {
		ret = iod_sweep(m->c.t->pt, &s);
		s.iova = s.next_iova;
		s.len -= s.done;
	} while (!ret && s.len);
	if (ret || iod_gather_sync(gather)) {
		conc_fail(&m->c, "sweep or sync: %d", ret);
		return;
	}
	copy_reported(m, b, iova, len);
}

struct sweeper {
	struct memory *m;
	struct iodt_bits bits;
	uint64_t iova, len; /* its share */
};

static void sweeper(struct conc_thread *self)
{
	struct sweeper *s = self->arg;
	uint64_t page = s->m->c.page, pages = s->len / page;
	uint64_t from = 0, n = pages;

	if (conc_below(self, 3)) {
		from = conc_below(self, pages);
		n = 1 + conc_below(self, pages - from);
	}
	migrate(s->m, self->gather, &s->bits, s->iova + from * page, n * page,
		conc_below(self, 2) ? 0 : 700);
}

/*
 * Pages 1 and 2 come and go. A page that is unmapped is copied in any case, after the sync: until
 * then it may still be written.
 */
static void churn(struct conc_thread *self)
{
	struct memory *m = self->arg;
	uint64_t page = m->c.page, n = 1 + conc_below(self, 2), i;
	int ret;

	ret = iod_map(m->c.t->pt, m->iova + page, m->c.base_pa + page, n * page, IODT_RW,
		      self->gather, NULL);
	for (i = conc_below(self, 200); i && !ret; i--)
		ret = iod_iova_to_phys(m->c.t->pt, m->iova + page, &(uint64_t){ 0 });
	if (!ret)
		ret = iod_unmap(m->c.t->pt, m->iova + page, 2 * page, 0, self->gather, NULL);
	if (!ret)
		ret = iod_gather_sync(self->gather);
	if (ret)
		conc_fail(&m->c, "map, translate, unmap or sync: %d", ret);
	for (i = 1; i <= n; i++)
		copy_frame(m, i);
}

/* ---- the test ---- */

/* Single pages, runs where there are some, and blocks; each a quarter, with holes in between. */
static void build(struct memory *m, struct iodt *t)
{
	uint64_t span, pa;

	conc_open(&m->c, t);
	t = m->c.t;
	span = m->c.span;
	pa = m->c.base_pa;
	m->iova = t->v->first + (t->v->last - t->v->first + 1 >= 16 * span ? 4 * span : 0);
	m->len = 4 * span;
	m->frames = m->len / m->c.page;
	m->version = calloc(m->frames, sizeof(*m->version));
	m->copy = calloc(m->frames, sizeof(*m->copy));
	pthread_mutex_init(&m->lock, NULL);
	assert_non_null(m->version);
	assert_non_null(m->copy);
	iodt_map(t, m->iova, pa, m->c.page, IODT_RW);
	iodt_map(t, m->iova + 3 * m->c.page, pa + 3 * m->c.page, span / 2 - 7 * m->c.page, IODT_RW);
	iodt_map(t, m->iova + span, pa + span, span / 2, IODT_RW);
	iodt_map(t, m->iova + 2 * span, pa + 2 * span, 2 * span, IODT_RW);
}

static void run(struct memory *m, double seconds)
{
	struct conc_thread threads[CONC_AGENTS + SWEEPERS + 1] = { 0 };
	struct sweeper sweepers[SWEEPERS];
	uint64_t share = m->len / SWEEPERS;
	unsigned int i;

	for (i = 0; i < CONC_AGENTS; i++) {
		threads[i].fn = device;
		threads[i].arg = m;
	}
	for (i = 0; i < SWEEPERS; i++) {
		sweepers[i] = (struct sweeper){ .m = m, .iova = m->iova + i * share, .len = share };
		iodt_bits_init(&sweepers[i].bits, sweepers[i].iova, share, m->c.page);
		threads[CONC_AGENTS + i].fn = sweeper;
		threads[CONC_AGENTS + i].arg = &sweepers[i];
	}
	threads[CONC_AGENTS + SWEEPERS].fn = churn;
	threads[CONC_AGENTS + SWEEPERS].arg = m;
	conc_run(&m->c, threads, CONC_AGENTS + SWEEPERS + 1, seconds);
	for (i = 0; i < SWEEPERS; i++)
		iodt_bits_free(&sweepers[i].bits);
}

/* Devices have stopped: the last pass, then count what was missed. */
static uint64_t missed(struct memory *m)
{
	struct iod_gather *gather = conc_gather(&m->c);
	struct iodt_bits bits;
	uint64_t f, n = 0, writes = 0;

	iodt_bits_init(&bits, m->iova, m->len, m->c.page);
	iodt_assert_ok(iod_gather_sync(gather));
	migrate(m, gather, &bits, m->iova, m->len, 0);
	assert_false(m->c.failed);
	for (f = 0; f < m->frames; f++) {
		writes += m->version[f];
		n += m->version[f] != m->copy[f];
	}
	assert_true(writes > 0);
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_bits_free(&bits);
	return n;
}

static void wreck(struct memory *m)
{
	assert_int_equal(conc_close(&m->c), 0);
	pthread_mutex_destroy(&m->lock);
	free(m->version);
	free(m->copy);
}

static void nothing_lost(struct iodt *t)
{
	struct memory m = { 0 };

	build(&m, t);
	run(&m, conc_seconds());
	assert_int_equal(missed(&m), 0);
	wreck(&m);
}

static void no_invalidation(struct iodt *t)
{
	struct memory m = { 0 };
	uint64_t lost = 0;
	unsigned int i;

	build(&m, t);
	m.c.deaf = true;
	for (i = 0; i < TWIN_TRIES && !lost; i++) {
		run(&m, 0.05);
		lost = missed(&m);
	}
	assert_true(lost > 0);
	print_message("%ju pages lost\n", (uintmax_t)lost);
	wreck(&m);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "nothing_lost", IODT_DIRTY | IODT_PLAIN, 0, nothing_lost },
		{ "no_invalidation", IODT_DIRTY | IODT_PLAIN, 0, no_invalidation },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
