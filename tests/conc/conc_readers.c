/* SPDX-License-Identifier: MIT */
/*
 * Readers of all kinds beside mappers that map, unmap and free tables. Whatever a reader sees must
 * have been true at some time: an address translates to nothing or to one of the two values it is
 * ever mapped to. Mappings that stay are seen every time, once.
 */
#include "conc.h"

#define SLOTS 8 /* even ones come and go, odd ones stay */

/*
 * A slot is what one leaf table maps. It is mapped in one of two ways: to addresses that allow a
 * block (way 0), or off by a page (way 1).
 */
struct world {
	struct conc c;
	uint64_t iova[SLOTS];
	uint64_t fixed; /* bytes mapped in each odd slot */
};

static uint64_t pa_of(const struct world *w, unsigned int slot, unsigned int way, uint64_t off)
{
	return w->c.base_pa + 3 * w->c.span * slot + way * (w->c.span + w->c.page) + off;
}

static int slot_of(const struct world *w, uint64_t iova)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		if (iova >= w->iova[i] && iova - w->iova[i] < w->c.span)
			return i;
	return -1;
}

static bool plausible(const struct world *w, uint64_t iova, uint64_t pa)
{
	int slot = slot_of(w, iova);
	uint64_t off;

	if (slot < 0)
		return false;
	off = iova - w->iova[slot];
	if (slot % 2)
		return off < w->fixed && pa == pa_of(w, (unsigned int)slot, 0, off);
	return pa == pa_of(w, (unsigned int)slot, 0, off) ||
	       pa == pa_of(w, (unsigned int)slot, 1, off);
}

static uint64_t some_iova(struct conc_thread *self, struct world *w)
{
	return w->iova[conc_below(self, SLOTS)] + conc_below(self, w->c.span);
}

/* ---- readers ---- */

static void translator(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t iova = some_iova(self, w);
	int slot = slot_of(w, iova);
	struct iod_mapping m;
	int ret = iod_translate(w->c.t->pt, iova, &m);

	if (ret && (ret != -ENOENT || (slot % 2 && iova - w->iova[slot] < w->fixed)))
		conc_fail(&w->c, "translate %#jx: %d", (uintmax_t)iova, ret);
	if (!ret && (iova - m.iova >= m.len || !plausible(w, iova, m.pa + (iova - m.iova))))
		conc_fail(&w->c, "translate %#jx: %#jx at %#jx len %#jx", (uintmax_t)iova,
			  (uintmax_t)m.pa, (uintmax_t)m.iova, (uintmax_t)m.len);
}

struct tour {
	struct world *w;
	uint64_t next;	/* nothing before it any more */
	uint64_t fixed; /* bytes seen in odd slots */
};

static int on_event(void *cookie, const struct iod_visit_event *ev)
{
	struct tour *tour = cookie;
	struct world *w = tour->w;

	if (ev->kind == IOD_VISIT_BAD) {
		conc_fail(&w->c, "visit: bad %d at %#jx", ev->bad, (uintmax_t)ev->iova);
		return 1;
	}
	if (ev->kind != IOD_VISIT_MAPPING)
		return 0;
	if (ev->mapping.iova < tour->next || !plausible(w, ev->mapping.iova, ev->mapping.pa)) {
		conc_fail(&w->c, "visit: %#jx to %#jx", (uintmax_t)ev->mapping.iova,
			  (uintmax_t)ev->mapping.pa);
		return 1;
	}
	tour->next = ev->mapping.iova + ev->mapping.len;
	if (slot_of(w, ev->mapping.iova) % 2)
		tour->fixed += ev->mapping.len;
	return 0;
}

static void visitor(struct conc_thread *self)
{
	struct world *w = self->arg;
	struct tour tour = { .w = w };
	/* the first half of the slots lie side by side, so does the second */
	uint64_t from = w->iova[conc_below(self, 2) * SLOTS / 2];
	struct iod_visit visit = {
		.size = sizeof(visit),
		.iova = from,
		.len = SLOTS / 2 * w->c.span,
		.flags = conc_below(self, 2) ? IOD_VISIT_MAPPINGS_ONLY : 0,
		.budget = conc_below(self, 2) ? 0 : 300,
		.fn = on_event,
		.cookie = &tour,
	};
	int ret;

	do {
		ret = iod_visit(w->c.t->pt, &visit);
		visit.iova = visit.next_iova;
		visit.len -= visit.done;
	} while (!ret && visit.len);
	if (ret && !w->c.failed)
		conc_fail(&w->c, "visit: %d", ret);
	if (!ret && tour.fixed != SLOTS / 4 * w->fixed)
		conc_fail(&w->c, "visit: %#jx bytes of what stays", (uintmax_t)tour.fixed);
}

static void sweep_half(struct conc_thread *self, enum iod_sweep_mode mode, uint64_t from,
		       struct iodt_bits *bits)
{
	struct world *w = self->arg;
	struct iod_sweep s = {
		.size = sizeof(s),
		.mode = mode,
		.iova = from,
		.len = SLOTS / 2 * w->c.span,
		.bitmap = &bits->bm,
		.budget = conc_below(self, 2) ? 0 : 300,
		.gather = mode == IOD_SWEEP_READ ? NULL : self->gather,
	};
	int ret;

	do {
		ret = iod_sweep(w->c.t->pt, &s);
		s.iova = s.next_iova;
		s.len -= s.done;
	} while (!ret && s.len);
	if (ret)
		conc_fail(&w->c, "sweep: %d", ret);
}

/* What stays is dirty, and nobody cleans it. */
static void reader(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t half = conc_below(self, 2) * SLOTS / 2, i, off;
	struct iodt_bits bits;

	iodt_bits_init(&bits, w->iova[half], SLOTS / 2 * w->c.span, w->c.page);
	sweep_half(self, IOD_SWEEP_READ, w->iova[half], &bits);
	for (i = half + 1; i < half + SLOTS / 2; i += 2)
		for (off = 0; off < w->fixed; off += w->c.page)
			if (!iodt_bits_get(&bits, w->iova[i] + off))
				conc_fail(&w->c, "sweep misses %#jx",
					  (uintmax_t)(w->iova[i] + off));
	if (bits.mem[bits.bytes / 8])
		conc_fail(&w->c, "sweep writes behind the bitmap");
	free(bits.mem);
}

/* Cleans tables that are being cut off and freed. */
static void cleaner(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t half = conc_below(self, 2) * SLOTS / 2;
	struct iodt_bits bits;

	iodt_bits_init(&bits, w->iova[half], SLOTS / 2 * w->c.span, w->c.page);
	sweep_half(self, IOD_SWEEP_CLEAR, w->iova[half], &bits);
	sweep_half(self, IOD_SWEEP_CLEAR_BY_BITMAP, w->iova[half], &bits);
	if (bits.mem[bits.bytes / 8])
		conc_fail(&w->c, "sweep writes behind the bitmap");
	if (iod_gather_sync(self->gather))
		conc_fail(&w->c, "sync");
	free(bits.mem);
}

/* Hardware: keeps tables in its walk cache until it is told to forget them. */
static void device(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t iova = some_iova(self, w);
	struct iod_access_result r;
	struct iod_fault fault = { 0 };
	int ret = iod_iotlb_access(w->c.agent[conc_below(self, CONC_AGENTS)], w->c.t->pt, iova,
				   conc_below(self, 2) ? IOD_ACCESS_READ : IOD_ACCESS_WRITE, &r,
				   &fault);

	if (!ret && !plausible(w, iova, r.pa))
		conc_fail(&w->c, "access %#jx goes to %#jx", (uintmax_t)iova, (uintmax_t)r.pa);
	if (ret && (ret != -EFAULT || fault.reason != IOD_FAULT_TRANSLATION))
		conc_fail(&w->c, "access %#jx: %d, reason %d", (uintmax_t)iova, ret, fault.reason);
}

/* ---- mappers: slots 0, 4 and 2, 6 ---- */

static void mapper(struct conc_thread *self, unsigned int first)
{
	struct world *w = self->arg;
	unsigned int slot = first + 4 * (unsigned int)conc_below(self, 2), way;
	uint64_t pages = w->c.span / w->c.page, off = 0, len = w->c.span, done = 0;
	int ret;

	ret = iod_unmap(w->c.t->pt, w->iova[slot], w->c.span, 0, self->gather, NULL);
	if (ret && ret != -ENOENT)
		conc_fail(&w->c, "unmap: %d", ret);
	way = (unsigned int)conc_below(self, 2);
	if (conc_below(self, 2)) {
		off = conc_below(self, pages);
		len = w->c.page * (1 + conc_below(self, pages - off));
		off *= w->c.page;
	}
	ret = iod_map(w->c.t->pt, w->iova[slot] + off, pa_of(w, slot, way, off), len, IODT_RW,
		      conc_below(self, 4) ? self->gather : NULL, &done);
	if (ret || done != len)
		conc_fail(&w->c, "map: %d", ret);
	if (!conc_below(self, 3)) {
		ret = iod_gather_sync(self->gather);
		if (ret)
			conc_fail(&w->c, "sync: %d", ret);
	}
}

static void mapper0(struct conc_thread *self)
{
	mapper(self, 0);
}

static void mapper2(struct conc_thread *self)
{
	mapper(self, 2);
}

/* ---- the test ---- */

static void build(struct world *w, struct iodt *t)
{
	const struct iodt_variant *v = t->v;
	uint64_t low_last = v->hole_first ? v->hole_first - 1 : v->last;
	uint64_t middle = v->first + ((low_last - v->first) / 2 + 1);
	unsigned int i;

	conc_open(&w->c, t);
	t = w->c.t;
	w->fixed = 8 * w->c.page;
	for (i = 0; i < SLOTS; i++) {
		/* at the bottom, and on both sides of the middle */
		w->iova[i] = i < SLOTS / 2
				     ? v->first + i * w->c.span
				     : middle - SLOTS / 4 * w->c.span + (i - SLOTS / 2) * w->c.span;
		if (i % 2)
			iodt_map(t, w->iova[i], pa_of(w, i, 0, 0), w->fixed,
				 IODT_RW | IOD_PROT_DIRTY);
	}
}

static void run(struct iodt *t, void (*sweeper)(struct conc_thread *self))
{
	struct world w = { .fixed = 0 };
	struct conc_thread threads[] = {
		{ .fn = mapper0 }, { .fn = mapper2 }, { .fn = translator }, { .fn = visitor },
		{ .fn = device },  { .fn = device },  { .fn = sweeper },
	};
	unsigned int i, nr = IODT_ARRAY_SIZE(threads);

	build(&w, t);
	for (i = 0; i < nr; i++)
		threads[i].arg = &w;
	conc_run(&w.c, threads, sweeper ? nr : nr - 1, conc_seconds());
	/* all is quiet: once more, so that something is known to be seen */
	w.c.stop = 0;
	visitor(&threads[3]);
	assert_false(w.c.failed);
	assert_int_equal(conc_close(&w.c), 0);
}

static void readers(struct iodt *t)
{
	run(t, t->caps & IODT_DIRTY ? reader : NULL);
}

static void cleaners(struct iodt *t)
{
	run(t, cleaner);
}

/* ---- cleaning what is being unmapped ---- */

#define CLEANED 16 /* pages */

/* An item that was cleared must not come back with the value that a cleaner saw before. */
static void map_dirty(struct conc_thread *self)
{
	struct world *w = self->arg;
	uint64_t at, len = CLEANED * w->c.page;
	struct iod_mapping m;
	int ret;

	ret = iod_map(w->c.t->pt, w->iova[0], pa_of(w, 0, 1, 0), len, IODT_RW | IOD_PROT_DIRTY,
		      NULL, NULL);
	for (at = conc_below(self, 300); at && !ret; at--)
		ret = iod_translate(w->c.t->pt, w->iova[0], &m);
	if (!ret)
		ret = iod_unmap(w->c.t->pt, w->iova[0], len, 0, self->gather, NULL);
	if (ret)
		conc_fail(&w->c, "map, translate or unmap: %d", ret);
	for (at = 0; at < len; at += w->c.page)
		if (iod_translate(w->c.t->pt, w->iova[0] + at, &m) != -ENOENT)
			conc_fail(&w->c, "%#jx is back", (uintmax_t)(w->iova[0] + at));
	if (!conc_below(self, 50) && iod_gather_sync(self->gather))
		conc_fail(&w->c, "sync");
}

/* The few pages, or the whole table: two ways through a sweep. */
static void clean_few(struct conc_thread *self)
{
	struct world *w = self->arg;
	struct iodt_bits bits;
	struct iod_sweep s = {
		.size = sizeof(s),
		.mode = IOD_SWEEP_CLEAR,
		.iova = w->iova[0],
		.bitmap = &bits.bm,
		.gather = self->gather,
	};
	int i, ret = 0;

	iodt_bits_init(&bits, w->iova[0], w->c.span, w->c.page);
	for (i = 0; i < 30 && !ret; i++) {
		s.len = conc_below(self, 4) ? CLEANED * w->c.page : w->c.span;
		ret = iod_sweep(w->c.t->pt, &s);
	}
	if (ret || iod_gather_sync(self->gather))
		conc_fail(&w->c, "sweep or sync: %d", ret);
	iodt_bits_free(&bits);
}

static void clean_or_unmap(struct iodt *t)
{
	struct world w = { .fixed = 0 };
	struct conc_thread threads[] = {
		{ .fn = map_dirty, .arg = &w },
		{ .fn = clean_few, .arg = &w },
		{ .fn = clean_few, .arg = &w },
	};

	build(&w, t);
	/* keeps the table */
	iodt_map(w.c.t, w.iova[0] + (CLEANED + 3) * w.c.page, w.c.base_pa, w.c.page, IODT_RW);
	conc_run(&w.c, threads, IODT_ARRAY_SIZE(threads), conc_seconds());
	assert_int_equal(conc_close(&w.c), 0);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "readers", IODT_PLAIN, 0, readers },
		{ "cleaners", IODT_PLAIN | IODT_DIRTY, 0, cleaners },
		{ "clean_or_unmap", IODT_PLAIN | IODT_DIRTY, 0, clean_or_unmap },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
