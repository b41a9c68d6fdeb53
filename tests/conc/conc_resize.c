/* SPDX-License-Identifier: MIT */
/*
 * Pages that are split and merged while everybody else is at work: readers of all kinds, sweeps of all
 * kinds, devices, and owners who unmap with dirty and map elsewhere.
 *
 * hitless: what is only resized translates to the same place at any moment, is visited, and is reported by
 * every sweep, as nobody cleans it. nothing_lost: pages have versions that each write raises while the
 * translation is held; at the end all copies must be of the last one.
 */
#include "conc.h"

#define RESIZERS   2
#define TWIN_TRIES 400
#define HALF	   4 /* tables' worth of each resizer, and of the owner */
#define BURST	   24

struct world {
	struct conc c;
	uint64_t iova, len, pa, pages; /* what is resized, then what is owned */
	uint64_t owned;		       /* first page of the owner's */
	bool breaks;		       /* pages may be away for a moment */
	unsigned char size_lg2[64];
	unsigned int nr_sizes;
	/* nothing_lost: page i is at frame i, or at i + pages */
	uint32_t *version, *copy; /* atomic */
	uint32_t *good;		  /* atomic: the last version of a write that was not refused */
	unsigned char *there;	  /* by its owner */
	pthread_mutex_t lock;	  /* copies never go back */
};

void __real_iod_gather_harvest(struct iod_gather *gather);
void __wrap_iod_gather_harvest(struct iod_gather *gather);

static bool skip_harvest;

void __wrap_iod_gather_harvest(struct iod_gather *gather)
{
	if (!skip_harvest)
		__real_iod_gather_harvest(gather);
}

/* Few variants: the plain ones, and what is particular to sizes. */
static bool chosen(const struct iodt *t)
{
	return t->v->plain || t->caps & IODT_PRUNE ||
	       t->v->features & (IOD_PT_BBM_1 | IOD_PT_BBM_2);
}

static uint64_t pa_of(const struct world *w, uint64_t frame)
{
	return w->pa + frame * w->c.page;
}

/* ---- who resizes ---- */

static void resizer(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t items = w->c.span / w->c.page, pages = HALF * items, from, n;
	struct iod_resize arg = {
		.size = sizeof(arg),
		.flags = w->breaks ? IOD_RESIZE_ALLOW_FAULTS : 0,
		.gather = self->gather,
		.budget = conc_below(self, 2) ? 0 : 1 + conc_below(self, 2 * items),
	};
	bool merge = conc_below(self, 2);
	int ret;

	from = conc_below(self, pages);
	n = 1 + conc_below(self, pages - from);
	if (conc_below(self, 3)) { /* pages that fit */
		n = IODT_BIT(conc_below(self, 13)) * (1 + conc_below(self, 3));
		from &= -iodt_pow2_floor(n);
		n = from + n > pages ? pages - from : n;
	}
	arg.iova = w->iova + (self->id * pages + from) * w->c.page;
	arg.len = n * w->c.page;
	if (conc_below(self, 3))
		arg.page_size = IODT_BIT(w->size_lg2[conc_below(self, w->nr_sizes)]);
	do {
		ret = (merge ? iod_merge_range : iod_split_range)(w->c.t->pt, &arg);
		arg.iova = arg.next_iova;
		arg.len -= arg.done;
	} while (!ret && arg.len);
	if (ret)
		conc_fail(&w->c, "%s at %#jx: %d", merge ? "merge" : "split", (uintmax_t)arg.iova,
			  ret);
	if (!conc_below(self, 4) && iod_gather_sync(self->gather))
		conc_fail(&w->c, "sync");
}

/* ---- hitless: readers ---- */

static void translator(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t off = conc_below(self, w->owned * w->c.page), pa;
	struct iod_mapping m;
	int ret = iod_translate(w->c.t->pt, w->iova + off, &m);

	if (ret || m.pa + (w->iova + off - m.iova) != w->pa + off || m.prot & IOD_PROT_NOEXEC ||
	    (m.prot & IODT_RW) != IODT_RW || m.dirty != IOD_DIRTY)
		conc_fail(&w->c, "translate %#jx: %d", (uintmax_t)(w->iova + off), ret);
	ret = iod_iova_to_phys(w->c.t->pt, w->iova + off, &pa);
	if (ret || pa != w->pa + off)
		conc_fail(&w->c, "iova_to_phys %#jx: %d", (uintmax_t)(w->iova + off), ret);
}

struct tour {
	struct world *w;
	uint64_t covered; /* up to here, from the beginning */
};

/* Pages may be met twice when their size changes under the visit, but none is missed. */
static int on_event(void *cookie, const struct iod_visit_event *ev)
{
	struct tour *tour = cookie;
	struct world *w = tour->w;
	const struct iod_mapping *m = &ev->mapping;

	if (ev->kind == IOD_VISIT_BAD)
		conc_fail(&w->c, "visit: bad %d at %#jx", ev->bad, (uintmax_t)ev->iova);
	if (ev->kind != IOD_VISIT_MAPPING)
		return 0;
	if (m->iova > tour->covered || m->pa - w->pa != m->iova - w->iova)
		conc_fail(&w->c, "visit: %#jx to %#jx, after %#jx", (uintmax_t)m->iova,
			  (uintmax_t)m->pa, (uintmax_t)tour->covered);
	if (m->iova + m->len > tour->covered)
		tour->covered = m->iova + m->len;
	return 0;
}

static void visitor(struct conc_thread *self)
{
	struct world *w = self->arg;
	struct tour tour = { .w = w, .covered = w->iova };
	struct iod_visit visit = {
		.size = sizeof(visit),
		.iova = w->iova,
		.len = w->owned * w->c.page,
		.flags = conc_below(self, 2) ? IOD_VISIT_MAPPINGS_ONLY : 0,
		.budget = conc_below(self, 2) ? 0 : 300,
		.fn = on_event,
		.cookie = &tour,
	};
	uint64_t end = visit.iova + visit.len;
	int ret;

	do {
		ret = iod_visit(w->c.t->pt, &visit);
		visit.iova = visit.next_iova;
		visit.len -= visit.done;
	} while (!ret && visit.len);
	if (ret || tour.covered != end)
		conc_fail(&w->c, "visit: %d, ends at %#jx", ret, (uintmax_t)tour.covered);
}

static void reader(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t from = conc_below(self, w->owned), n = 1 + conc_below(self, w->owned - from), i;
	struct iodt_bits bits;
	struct iod_sweep s = {
		.size = sizeof(s),
		.mode = IOD_SWEEP_READ,
		.iova = w->iova + from * w->c.page,
		.len = n * w->c.page,
		.bitmap = &bits.bm,
		.budget = conc_below(self, 2) ? 0 : 300,
	};
	int ret;

	iodt_bits_init(&bits, s.iova, s.len, w->c.page);
	do {
		ret = iod_sweep(w->c.t->pt, &s);
		s.iova = s.next_iova;
		s.len -= s.done;
	} while (!ret && s.len);
	for (i = from; i < from + n && !ret; i++)
		if (!iodt_bits_get(&bits, w->iova + i * w->c.page))
			conc_fail(&w->c, "a sweep misses %#jx",
				  (uintmax_t)(w->iova + i * w->c.page));
	if (ret)
		conc_fail(&w->c, "sweep: %d", ret);
	iodt_bits_free(&bits);
}

static void user(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t off = conc_below(self, w->owned * w->c.page);
	struct iod_access_result r = { 0 };
	struct iod_fault fault = { 0 };
	int ret = iod_iotlb_access(w->c.agent[conc_below(self, CONC_AGENTS)], w->c.t->pt,
				   w->iova + off, IOD_ACCESS_WRITE, &r, &fault);

	if (ret || r.pa != w->pa + off)
		conc_fail(&w->c, "access %#jx: %d, reason %d, to %#jx", (uintmax_t)(w->iova + off),
			  ret, fault.reason, (uintmax_t)r.pa);
}

/* Beside them, in the owner's part, mapped and unmapped in all ways. */
static void churn(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t items = w->c.span / w->c.page, from = w->owned + conc_below(self, items);
	uint64_t n = 1 + conc_below(self, HALF * items - (from - w->owned));
	struct iodt_bits bits;
	struct iod_unmap_dirty arg = {
		.size = sizeof(arg),
		.iova = w->iova + w->owned * w->c.page,
		.len = HALF * w->c.span,
		.gather = self->gather,
		.bitmap = &bits.bm,
	};
	int ret;

	iodt_bits_init(&bits, arg.iova, arg.len, w->c.page);
	ret = iod_map(w->c.t->pt, w->iova + from * w->c.page, pa_of(w, from), n * w->c.page,
		      IODT_RW, self->gather, NULL);
	if (!ret && w->c.t->caps & IODT_DIRTY && conc_below(self, 2))
		ret = iod_unmap_dirty(w->c.t->pt, &arg);
	else if (!ret)
		ret = iod_unmap(w->c.t->pt, arg.iova, arg.len, 0, self->gather, NULL);
	if (!ret)
		ret = iod_gather_sync(self->gather);
	if (ret)
		conc_fail(&w->c, "map, unmap or sync: %d", ret);
	iodt_bits_free(&bits);
}

/* ---- nothing_lost: devices ---- */

/* A DMA of one page; what it wrote last. */
struct dma {
	struct world *w;
	uint64_t frame;
	uint32_t version; /* 0: nothing */
};

/*
 * Data may have moved for a write that is refused then: the table is marked after it, and the owner may have
 * unmapped the page between the two. The device knows; there is no bit for it.
 */
static void settle(const struct dma *d, int ret)
{
	uint32_t *good = &d->w->good[d->frame], old = __atomic_load_n(good, __ATOMIC_RELAXED);

	while (!ret && old < d->version &&
	       !__atomic_compare_exchange_n(good, &old, d->version, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED))
		;
}

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct dma *d = cookie;
	struct world *w = d->w;
	uint64_t f = (pa - w->pa) / w->c.page, last = (pa + (len - 1) - w->pa) / w->c.page;

	(void)offset;
	for (; f <= last; f++) {
		if (f >= 2 * w->pages)
			conc_fail(&w->c, "write to %#jx", (uintmax_t)pa);
		else
			*d = (struct dma){
				w, f, __atomic_add_fetch(&w->version[f], 1, __ATOMIC_RELAXED)
			};
	}
	return 0;
}

static void device(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t at = conc_below(self, w->pages), n = 1 + conc_below(self, BURST), done;
	struct iod_iotlb *agent = w->c.agent[conc_below(self, CONC_AGENTS)];
	struct iod_fault fault = { 0 };
	bool away;
	int ret;

	n = at + n > w->pages ? w->pages - at : n;
	for (done = 0; n; at++, n--) {
		struct dma d = { .w = w };

		ret = iod_iotlb_dma(agent, w->c.t->pt, w->iova + at * w->c.page, w->c.page,
				    IOD_ACCESS_WRITE, move, &d, &done, &fault);
		settle(&d, ret);
		away = w->breaks || at + 1 >= w->owned; /* the owner's pages come and go */
		if (ret && (!away || ret != -EFAULT || fault.reason != IOD_FAULT_TRANSLATION))
			conc_fail(&w->c, "write at %#jx: %d, reason %d",
				  (uintmax_t)(w->iova + at * w->c.page), ret, fault.reason);
	}
}

/* ---- nothing_lost: migration ---- */

static void copy_frame(struct world *w, uint64_t f)
{
	pthread_mutex_lock(&w->lock);
	w->copy[f] = __atomic_load_n(&w->version[f], __ATOMIC_RELAXED);
	pthread_mutex_unlock(&w->lock);
}

enum { BY_CLEAR, BY_BITMAP, BY_PRUNED, WAYS };

static int sweep_once(struct world *w, struct iod_gather *gather, struct iodt_bits *b,
		      enum iod_sweep_mode mode, uint32_t flags, uint64_t budget)
{
	struct iod_sweep s = {
		.size = sizeof(s),
		.mode = mode,
		.flags = flags,
		.iova = b->bm.base_iova,
		.len = b->bm.nbits << b->bm.granule_lg2,
		.bitmap = &b->bm,
		.gather = mode == IOD_SWEEP_READ ? NULL : gather,
		.budget = budget,
	};
	int ret;

	do {
		ret = iod_sweep(w->c.t->pt, &s);
		s.iova = s.next_iova;
		s.len -= s.done;
	} while (!ret && s.len);
	return ret;
}

static void migrate(struct world *w, struct iod_gather *gather, uint64_t from, uint64_t n,
		    unsigned int way, uint64_t budget)
{
	struct iodt_bits b;
	uint64_t i;
	int ret;

	iodt_bits_init(&b, w->iova + from * w->c.page, n * w->c.page, w->c.page);
	if (way == BY_BITMAP) {
		ret = sweep_once(w, gather, &b, IOD_SWEEP_READ, 0, budget);
		if (!ret)
			ret = sweep_once(w, gather, &b, IOD_SWEEP_CLEAR_BY_BITMAP, 0, budget);
	} else {
		ret = sweep_once(w, gather, &b, IOD_SWEEP_CLEAR,
				 way == BY_PRUNED ? IOD_SWEEP_PRUNE : 0, budget);
	}
	if (ret || iod_gather_sync(gather))
		conc_fail(&w->c, "sweep or sync: %d", ret);
	for (i = from; i < from + n; i++) {
		if (!iodt_bits_get(&b, w->iova + i * w->c.page))
			continue;
		copy_frame(w, i);
		copy_frame(w, i + w->pages);
	}
	iodt_bits_free(&b);
}

static void sweeper(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t from = 0, n = w->pages;
	unsigned int way = (unsigned int)conc_below(self, w->c.t->caps & IODT_PRUNE ? WAYS : 2);

	if (conc_below(self, 2)) {
		from = conc_below(self, w->pages);
		n = 1 + conc_below(self, w->pages - from);
	}
	migrate(w, self->gather, from, n, way, conc_below(self, 2) ? 0 : 300);
}

/* ---- nothing_lost: the owner ---- */

/* Unmaps with dirty, cutting pages as it likes; copies what it was told; maps at the other frames. */
static void owner(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t all = w->pages - w->owned, from = conc_below(self, all), i;
	uint64_t n = 1 + conc_below(self, conc_below(self, 2) ? all - from : 1);
	unsigned char side = !w->there[w->owned + from];
	struct iodt_bits b;
	struct iod_unmap_dirty arg = {
		.size = sizeof(arg),
		.len = n * w->c.page,
		.flags = IOD_UNMAP_SPLIT | IOD_UNMAP_NO_HOLES,
		.gather = self->gather,
		.bitmap = &b.bm,
	};
	int ret;

	from += w->owned;
	arg.iova = w->iova + from * w->c.page;
	if (w->breaks)
		arg.flags |= IOD_UNMAP_ALLOW_FAULTS;
	iodt_bits_init(&b, arg.iova, arg.len, w->c.page);
	ret = iod_unmap_dirty(w->c.t->pt, &arg);
	if (ret || arg.unmapped != arg.len || iod_gather_sync(self->gather))
		conc_fail(&w->c, "unmap: %d, %#jx of %#jx", ret, (uintmax_t)arg.unmapped,
			  (uintmax_t)arg.len);
	for (i = from; i < from + n; i++) {
		if (iodt_bits_get(&b, w->iova + i * w->c.page))
			copy_frame(w, i + w->there[i] * w->pages);
		w->there[i] = side;
	}
	ret = iod_map(w->c.t->pt, arg.iova, pa_of(w, from + side * w->pages), arg.len, IODT_RW,
		      self->gather, NULL);
	if (ret)
		conc_fail(&w->c, "map: %d", ret);
	iodt_bits_free(&b);
}

/* ---- the tests ---- */

static void build(struct world *w, struct iodt *t, uint32_t prot)
{
	const struct iodt_variant *v = t->v;
	uint64_t parts = (RESIZERS + 1) * HALF;
	unsigned int lg2;

	conc_open(&w->c, t);
	w->breaks = t->caps & IODT_ARM && !(v->features & (IOD_PT_BBM_1 | IOD_PT_BBM_2));
	w->iova = v->first + (v->last - v->first >= 64 * w->c.span ? 16 * w->c.span : 0);
	w->len = parts * w->c.span;
	w->pages = w->len / w->c.page;
	w->owned = RESIZERS * HALF * (w->c.span / w->c.page);
	w->pa = 16 * w->c.span;
	for (lg2 = 12; lg2 < 64; lg2++)
		if (v->sizes & IODT_BIT(lg2) && IODT_BIT(lg2) <= 4 * w->c.span)
			w->size_lg2[w->nr_sizes++] = (unsigned char)lg2;
	w->version = calloc(2 * w->pages, sizeof(*w->version));
	w->good = calloc(2 * w->pages, sizeof(*w->good));
	assert_non_null(w->good);
	w->copy = calloc(2 * w->pages, sizeof(*w->copy));
	w->there = calloc(w->pages, 1);
	pthread_mutex_init(&w->lock, NULL);
	assert_non_null(w->version);
	assert_non_null(w->copy);
	assert_non_null(w->there);
	iodt_assert_ok(iod_map(w->c.t->pt, w->iova, w->pa, w->owned * w->c.page, prot, NULL, NULL));
}

static void wreck(struct world *w)
{
	assert_int_equal(conc_close(&w->c), 0);
	pthread_mutex_destroy(&w->lock);
	free(w->version);
	free(w->good);
	free(w->copy);
	free(w->there);
}

static void hitless(struct iodt *t)
{
	struct conc_thread threads[] = {
		{ .fn = resizer }, { .fn = resizer }, { .fn = translator }, { .fn = visitor },
		{ .fn = reader },  { .fn = user },    { .fn = churn },	    { .fn = user },
	};
	struct world w = { .nr_sizes = 0 };
	unsigned int i;

	if (!chosen(t))
		return;
	build(&w, t, IODT_RW | IOD_PROT_DIRTY);
	if (!w.breaks) {
		for (i = 0; i < IODT_ARRAY_SIZE(threads); i++)
			threads[i].arg = &w;
		conc_run(&w.c, threads, IODT_ARRAY_SIZE(threads), conc_seconds());
	}
	wreck(&w);
}

static uint64_t missed(struct world *w)
{
	struct iod_gather *gather = conc_gather(&w->c);
	uint64_t f, n = 0, writes = 0;

	migrate(w, gather, 0, w->pages, BY_CLEAR, 0);
	assert_false(w->c.failed);
	for (f = 0; f < 2 * w->pages; f++) {
		writes += w->version[f];
		n += w->good[f] > w->copy[f];
	}
	assert_true(writes > 0);
	iodt_assert_ok(iod_gather_destroy(gather));
	return n;
}

static void run(struct world *w, double seconds)
{
	struct conc_thread threads[] = {
		{ .fn = resizer }, { .fn = resizer }, { .fn = device }, { .fn = device },
		{ .fn = sweeper }, { .fn = sweeper }, { .fn = owner },
	};
	uint64_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(threads); i++)
		threads[i].arg = w;
	conc_run(&w->c, threads, IODT_ARRAY_SIZE(threads), seconds);
}

static void build_lost(struct world *w, struct iodt *t)
{
	build(w, t, IODT_RW);
	iodt_assert_ok(iod_map(w->c.t->pt, w->iova + w->owned * w->c.page, pa_of(w, w->owned),
			       w->len - w->owned * w->c.page, IODT_RW, NULL, NULL));
}

static void nothing_lost(struct iodt *t)
{
	struct world w = { .nr_sizes = 0 };

	if (!chosen(t))
		return;
	build_lost(&w, t);
	run(&w, conc_seconds());
	assert_int_equal(missed(&w), 0);
	wreck(&w);
}

/* Detached tables are not looked at again. */
static void no_harvest(struct iodt *t)
{
	struct world w = { .nr_sizes = 0 };
	uint64_t lost = 0;
	unsigned int i;

	build_lost(&w, t);
	skip_harvest = true;
	for (i = 0; i < TWIN_TRIES && !lost; i++) {
		run(&w, 0.05);
		lost = missed(&w);
	}
	skip_harvest = false;
	assert_true(lost > 0);
	print_message("%ju pages lost\n", (uintmax_t)lost);
	wreck(&w);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "hitless", IODT_DIRTY | IODT_HUGE | IODT_MIDDLING | IODT_RESIZE, 0, hitless },
		{ "nothing_lost", IODT_DIRTY | IODT_HUGE | IODT_MIDDLING | IODT_RESIZE, 0,
		  nothing_lost },
		{ "no_harvest", IODT_DIRTY | IODT_HUGE | IODT_PLAIN | IODT_RESIZE, 0, no_harvest },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
