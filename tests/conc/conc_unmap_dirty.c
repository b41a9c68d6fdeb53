/* SPDX-License-Identifier: MIT */
/*
 * Unmaps with dirty state beside devices and a sweep. Chunks of pages are unmapped, by whole tables or page by
 * page, and mapped anew to other frames, while devices write and a thread sweeps, syncs and copies. What is
 * dirty comes with the unmap or with the sweep: at the end every copy is of the last version.
 *
 * Then one page, taken away while hardware marks it: by an exchange, or, in the twin, by a load and a store.
 */
#include <sched.h>
#include <time.h>

#include "atomic.h"
#include "conc.h"

#define DEVICES	   2
#define CHUNKS	   4
#define PAGES	   32 /* of a chunk */
#define STRIDE	   33 /* frames from one generation to the next: half of them in large pages */
#define GENS	   8
#define FRAMES	   (CHUNKS * GENS * STRIDE)
#define TWIN_TRIES 40

void __real_iod_gather_harvest(struct iod_gather *gather);
void __wrap_iod_gather_harvest(struct iod_gather *gather);

static bool no_harvest;

void __wrap_iod_gather_harvest(struct iod_gather *gather)
{
	if (!no_harvest)
		__real_iod_gather_harvest(gather);
}

struct memory {
	struct conc c;
	bool plain; /* the twin: dirty state is dropped */
	uint64_t iova;
	uint64_t gen[CHUNKS]; /* atomic: maps since the beginning */
	uint32_t version[FRAMES], copy[FRAMES];
	/* Writes whose data moved, but whose page was gone when it was to be marked: the device saw them fail. */
	uint32_t aborted[FRAMES];
	pthread_mutex_t lock; /* copies never go back */
	struct iodt_bits swept, unmapped;
};

static uint64_t frame_of(uint64_t chunk, uint64_t gen, uint64_t page)
{
	return (chunk * GENS + gen % GENS) * STRIDE + page;
}

static uint64_t chunk_at(const struct memory *m, uint64_t chunk)
{
	return m->iova + chunk * m->c.span;
}

static void copy_frame(struct memory *m, uint64_t f)
{
	pthread_mutex_lock(&m->lock);
	m->copy[f] = __atomic_load_n(&m->version[f], __ATOMIC_RELAXED);
	pthread_mutex_unlock(&m->lock);
}

/* ---- devices ---- */

/* One write: where it went. */
struct write {
	struct memory *m;
	uint64_t frame;
};

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct write *w = cookie;

	w->frame = (pa - w->m->c.base_pa) / w->m->c.page;
	if (w->frame >= FRAMES)
		conc_fail(&w->m->c, "write to %#jx", (uintmax_t)pa);
	else
		__atomic_fetch_add(&w->m->version[w->frame], 1, __ATOMIC_RELAXED);
	return 0;
}

static void device(struct conc_thread *self)
{
	struct memory *m = self->arg;
	uint64_t at = chunk_at(m, conc_below(self, CHUNKS)) + conc_below(self, PAGES) * m->c.page;
	struct iod_iotlb *tlb = m->c.agent[conc_below(self, CONC_AGENTS)];
	struct write w = { .m = m, .frame = FRAMES };
	struct iod_fault fault = { 0 };
	int ret;

	if (conc_below(self, 5))
		ret = iod_iotlb_dma(tlb, m->c.t->pt, at, 1, IOD_ACCESS_WRITE, move, &w, NULL,
				    &fault);
	else
		ret = iod_iotlb_access(tlb, m->c.t->pt, at, IOD_ACCESS_READ, NULL, &fault);
	if (ret && (ret != -EFAULT || fault.reason != IOD_FAULT_TRANSLATION))
		conc_fail(&m->c, "write at %#jx: %d, reason %d", (uintmax_t)at, ret, fault.reason);
	if (ret && w.frame < FRAMES)
		__atomic_fetch_add(&m->aborted[w.frame], 1, __ATOMIC_RELAXED);
}

/* ---- migration ---- */

static void copy_swept(struct memory *m, const uint64_t *from, const uint64_t *to)
{
	uint64_t chunk, page, gen;

	for (chunk = 0; chunk < CHUNKS; chunk++) {
		for (page = 0; page < PAGES; page++) {
			if (!iodt_bits_get(&m->swept, chunk_at(m, chunk) + page * m->c.page))
				continue;
			/* it may have been any of what was mapped there meanwhile */
			for (gen = from[chunk]; gen <= to[chunk] && gen < from[chunk] + GENS; gen++)
				copy_frame(m, frame_of(chunk, gen, page));
		}
	}
}

static void read_gens(const struct memory *m, uint64_t *gen)
{
	unsigned int i;

	for (i = 0; i < CHUNKS; i++)
		gen[i] = __atomic_load_n(&m->gen[i], __ATOMIC_SEQ_CST);
}

static void migrate(struct memory *m, struct iod_gather *gather)
{
	struct iod_sweep s = { .size = sizeof(s),
			       .mode = IOD_SWEEP_CLEAR,
			       .iova = m->iova,
			       .len = CHUNKS * m->c.span,
			       .bitmap = &m->swept.bm,
			       .gather = gather };
	uint64_t from[CHUNKS], to[CHUNKS];
	int ret;

	iodt_bits_zero(&m->swept);
	read_gens(m, from);
	ret = iod_sweep(m->c.t->pt, &s);
	read_gens(m, to);
	if (!ret)
		ret = iod_gather_sync(gather);
	if (ret)
		conc_fail(&m->c, "sweep or sync: %d", ret);
	copy_swept(m, from, to);
}

static void sweeper(struct conc_thread *self)
{
	migrate(self->arg, self->gather);
}

/* ---- the mapper ---- */

static void map_chunk(struct memory *m, uint64_t chunk, struct iod_gather *gather)
{
	uint64_t pa = m->c.base_pa + frame_of(chunk, m->gen[chunk], 0) * m->c.page;
	int ret = iod_map(m->c.t->pt, chunk_at(m, chunk), pa, PAGES * m->c.page, IODT_RW, gather,
			  NULL);

	if (ret)
		conc_fail(&m->c, "map: %d", ret);
}

static void mapper(struct conc_thread *self)
{
	struct memory *m = self->arg;
	uint64_t chunk = conc_below(self, CHUNKS), page, gen = m->gen[chunk];
	struct iod_unmap_dirty u = { .size = sizeof(u),
				     .iova = chunk_at(m, chunk),
				     .len = conc_below(self, 2) ? m->c.span : PAGES * m->c.page,
				     .gather = self->gather,
				     .bitmap = &m->unmapped.bm };
	int ret;

	iodt_bits_zero(&m->unmapped);
	ret = m->plain ? iod_unmap(m->c.t->pt, u.iova, u.len, 0, u.gather, &u.unmapped)
		       : iod_unmap_dirty(m->c.t->pt, &u);
	for (page = conc_below(self, 4); page; page--)
		sched_yield(); /* devices go on */
	/* the flush completes the bitmap; what it keeps is freed now and then */
	if (!ret)
		ret = conc_below(self, 8) ? iod_gather_flush(self->gather)
					  : iod_gather_sync(self->gather);
	if (ret || u.unmapped != PAGES * m->c.page)
		conc_fail(&m->c, "unmap or sync: %d, %ju bytes", ret, (uintmax_t)u.unmapped);
	for (page = 0; page < PAGES; page++)
		if (iodt_bits_get(&m->unmapped, u.iova + page * m->c.page))
			copy_frame(m, frame_of(chunk, gen, page));
	__atomic_store_n(&m->gen[chunk], gen + 1, __ATOMIC_SEQ_CST);
	map_chunk(m, chunk, self->gather);
}

/* ---- the test ---- */

static void build(struct memory *m, struct iodt *t)
{
	unsigned int i;

	conc_open(&m->c, t);
	t = m->c.t;
	m->iova = t->v->first;
	for (i = 0; i < CHUNKS; i++)
		map_chunk(m, i, t->gather);
	pthread_mutex_init(&m->lock, NULL);
	iodt_bits_init(&m->swept, m->iova, CHUNKS * m->c.span, m->c.page);
	iodt_bits_init(&m->unmapped, m->iova, CHUNKS * m->c.span, m->c.page);
}

static uint64_t missed(struct memory *m)
{
	struct iod_gather *gather = conc_gather(&m->c);
	uint64_t f, n = 0, writes = 0;

	migrate(m, gather);
	assert_false(m->c.failed);
	for (f = 0; f < FRAMES; f++) {
		writes += m->version[f];
		n += m->version[f] - m->copy[f] > m->aborted[f];
	}
	assert_true(writes > 0);
	iodt_assert_ok(iod_gather_destroy(gather));
	return n;
}

static uint64_t run(struct iodt *t, bool plain, double seconds)
{
	struct conc_thread threads[DEVICES + 2] = { 0 };
	struct memory *m = calloc(1, sizeof(*m));
	uint64_t lost;
	unsigned int i;

	assert_non_null(m);
	m->plain = plain;
	build(m, t);
	for (i = 0; i < DEVICES + 2; i++) {
		threads[i].fn = i < DEVICES ? device : i == DEVICES ? sweeper : mapper;
		threads[i].arg = m;
	}
	conc_run(&m->c, threads, DEVICES + 2, seconds);
	lost = missed(m);
	if (getenv("IOD_VERBOSE"))
		for (i = 0; i < CHUNKS; i++)
			print_message("chunk %u: mapped %ju times\n", i, (uintmax_t)m->gen[i]);
	iodt_bits_free(&m->swept);
	iodt_bits_free(&m->unmapped);
	assert_int_equal(conc_close(&m->c), 0);
	pthread_mutex_destroy(&m->lock);
	free(m);
	return lost;
}

static void nothing_lost(struct iodt *t)
{
	assert_int_equal(run(t, false, conc_seconds()), 0);
}

static void twin_plain_unmap(struct iodt *t)
{
	uint64_t lost = 0;
	unsigned int i;

	for (i = 0; i < TWIN_TRIES && !lost; i++)
		lost = run(t, true, 0.02);
	assert_true(lost > 0);
}

static void twin_no_harvest(struct iodt *t)
{
	uint64_t lost = 0;
	unsigned int i;

	no_harvest = true;
	for (i = 0; i < TWIN_TRIES && !lost; i++)
		lost = run(t, false, 0.02);
	no_harvest = false;
	assert_true(lost > 0);
}

/* ---- one page ---- */

struct duel {
	struct iodt *t;
	uint64_t *item;		    /* of the page; atomic */
	_Alignas(8) uint64_t loops; /* atomic */
	_Alignas(8) uint64_t marks; /* atomic */
	int stop;
};

/* Hardware, without caches: marks the page whenever it is there and clean. */
static void *marker(void *arg)
{
	struct duel *d = arg;
	uint64_t pte;

	while (!__atomic_load_n(&d->stop, __ATOMIC_ACQUIRE)) {
		pte = item_load(d->item);
		if (pte && !iodt_pte_dirty(d->t->v, pte) &&
		    item_cas(d->item, &pte, iodt_pte_mark(d->t->v, pte)))
			word_add(&d->marks, 1);
		word_add(&d->loops, 1);
	}
	return NULL;
}

/* As it must not be done. */
static void take_by_store(struct duel *d, struct iodt_bits *b)
{
	uint64_t pte = item_load(d->item);
	uint64_t loops = word_load(&d->loops);

	if (iodt_pte_dirty(d->t->v, pte))
		iodt_bits_put(b, d->t->v->first);
	/* what a busy machine does to the window */
	while (word_load(&d->loops) < loops + 2)
		sched_yield();
	item_store_relaxed(d->item, 0);
}

static bool duel_round(struct duel *d, struct iodt_bits *b, bool by_store)
{
	uint64_t marks = word_load(&d->marks), loops, base = d->t->v->first;
	struct iod_unmap_dirty u = { .size = sizeof(u),
				     .iova = base,
				     .len = d->t->page,
				     .gather = d->t->gather,
				     .bitmap = &b->bm };
	unsigned int i, n = (unsigned int)iodt_below(d->t, 60);

	iodt_bits_zero(b);
	iodt_assert_ok(iod_map(d->t->pt, base, 0, d->t->page, IODT_RW, NULL, NULL));
	for (i = 0; i < n; i++)
		item_load(d->item);
	if (by_store)
		take_by_store(d, b);
	else
		iodt_assert_ok(iod_unmap_dirty(d->t->pt, &u));
	iodt_sync(d->t);
	/* a mark that went well has been counted when the marker has been around once more */
	loops = word_load(&d->loops);
	while (word_load(&d->loops) < loops + 2)
		sched_yield();
	return word_load(&d->marks) == marks || iodt_bits_get(b, base);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* Rounds until time is up, or a mark was lost. */
static uint64_t duel(struct iodt *t, double time, bool by_store)
{
	struct duel d = { .t = t };
	uint64_t lost = 0;
	struct iodt_bits b;
	pthread_t thread;
	double until = seconds() + time;
	void *p = NULL;

	iodt_bits_init(&b, t->v->first, t->page, t->page);
	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	iodt_assert_ok(iod_mem_host_ptr(t->mem, iodt_walk(t, t->v->first).pte_pa, 8, true, &p));
	d.item = p;
	iodt_unmap(t, t->v->first, t->page);
	iodt_sync(t);
	iodt_assert_ok(pthread_create(&thread, NULL, marker, &d));
	do
		lost += !duel_round(&d, &b, by_store);
	while (!lost && seconds() < until);
	__atomic_store_n(&d.stop, 1, __ATOMIC_RELEASE);
	iodt_assert_ok(pthread_join(thread, NULL));
	iodt_bits_free(&b);
	return lost;
}

static void taken_by_exchange(struct iodt *t)
{
	assert_int_equal(duel(t, conc_seconds(), false), 0);
}

static void twin_load_and_store(struct iodt *t)
{
	assert_true(duel(t, 20, true) > 0);
}

#define ON (IODT_DIRTY | IODT_PLAIN | IODT_ROOMY)

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "nothing_lost", ON, 0, nothing_lost },
		{ "twin_plain_unmap", ON, 0, twin_plain_unmap },
		{ "twin_no_harvest", ON, 0, twin_no_harvest },
		{ "taken_by_exchange", ON, 0, taken_by_exchange },
		{ "twin_load_and_store", ON, 0, twin_load_and_store },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
