/* SPDX-License-Identifier: MIT */
/*
 * Several threads that map, unmap, split and merge. On disjoint ranges that share tables the result must be
 * what each of them did. On the same ranges, which is misuse, nothing is promised but memory safety.
 */
#include "conc.h"

#define MAPPERS 3
#define UNITS	48 /* of each kind */

/* Units of a few pages, in two leaf tables; units of a whole leaf table; units far apart. */
enum kind { FINE, COARSE, FAR, KINDS };

struct ground {
	struct conc c;
	uint64_t iova[KINDS][UNITS], len[KINDS];
	unsigned char mapped[KINDS][UNITS]; /* each written by the thread that owns the unit */
	uint32_t faults;		    /* IOD_RESIZE_ALLOW_FAULTS where sizes need it */
	struct iodt_bits bits[MAPPERS];	    /* misuse: of unmaps, until the sync */
};

static uint64_t pa_of(const struct ground *g, unsigned int kind, unsigned int unit)
{
	return g->c.base_pa + ((uint64_t)kind * UNITS + unit) * g->c.span;
}

static uint32_t faults_of(const struct iodt *t)
{
	bool bears = t->v->features & (IOD_PT_BBM_1 | IOD_PT_BBM_2) || !(t->caps & IODT_ARM);

	return bears ? 0 : IOD_RESIZE_ALLOW_FAULTS;
}

static int resize(struct conc_thread *self, uint64_t iova, uint64_t len)
{
	struct ground *g = self->arg;
	struct iod_resize arg = {
		.size = sizeof(arg),
		.iova = iova,
		.len = len,
		.flags = g->faults,
		.gather = self->gather,
		.page_size = conc_below(self, 2) ? 0 : g->c.page << conc_below(self, 10),
	};

	return (conc_below(self, 2) ? iod_merge_range : iod_split_range)(g->c.t->pt, &arg);
}

/* ---- disjoint ---- */

static void own_unit(struct conc_thread *self)
{
	struct ground *g = self->arg;
	unsigned int kind = (unsigned int)conc_below(self, KINDS);
	unsigned int unit = (unsigned int)conc_below(self, UNITS / MAPPERS) * MAPPERS + self->id;
	unsigned char *mapped = &g->mapped[kind][unit];
	uint64_t done = 0;
	int ret;

	if (*mapped && conc_below(self, 2)) {
		ret = resize(self, g->iova[kind][unit], g->len[kind]);
		if (ret)
			conc_fail(&g->c, "split or merge: %d", ret);
		return;
	}
	if (*mapped)
		ret = iod_unmap(g->c.t->pt, g->iova[kind][unit], g->len[kind], IOD_UNMAP_NO_HOLES,
				self->gather, &done);
	else
		ret = iod_map(g->c.t->pt, g->iova[kind][unit], pa_of(g, kind, unit), g->len[kind],
			      IODT_RW, conc_below(self, 2) ? self->gather : NULL, &done);
	*mapped = !*mapped;
	if (ret || done != g->len[kind])
		conc_fail(&g->c, "%s %#jx len %#jx: %d, done %#jx", *mapped ? "map" : "unmap",
			  (uintmax_t)g->iova[kind][unit], (uintmax_t)g->len[kind], ret,
			  (uintmax_t)done);
	if (!conc_below(self, 20) && iod_gather_sync(self->gather))
		conc_fail(&g->c, "sync");
}

/* Some unit, mapped or not. */
static void device(struct conc_thread *self)
{
	struct ground *g = self->arg;
	unsigned int kind = (unsigned int)conc_below(self, KINDS);
	unsigned int unit = (unsigned int)conc_below(self, UNITS);
	uint64_t off = conc_below(self, g->len[kind]);
	struct iod_access_result r;
	int ret = iod_iotlb_access(g->c.agent[conc_below(self, CONC_AGENTS)], g->c.t->pt,
				   g->iova[kind][unit] + off, IOD_ACCESS_WRITE, &r, NULL);

	if (!ret && r.pa != pa_of(g, kind, unit) + off)
		conc_fail(&g->c, "%#jx goes to %#jx", (uintmax_t)(g->iova[kind][unit] + off),
			  (uintmax_t)r.pa);
}

static void build(struct ground *g, struct iodt *t)
{
	const struct iodt_variant *v = t->v;
	uint64_t low_last = v->hole_first ? v->hole_first - 1 : v->last, far, fine, at;
	unsigned int i;

	conc_open(&g->c, t);
	g->faults = faults_of(t);
	/* the second smallest page size, a run where there are runs; but several in a leaf table */
	fine = v->sizes & ~g->c.page;
	fine &= -fine;
	if (!fine || fine > g->c.span / 4)
		fine = 4 * g->c.page;
	far = iodt_pow2_floor((low_last - v->first) / 2 + 1) / UNITS & -g->c.span;
	g->len[FINE] = fine;
	g->len[COARSE] = g->c.span;
	g->len[FAR] = 5 * g->c.page;
	for (i = 0; i < UNITS; i++) {
		at = 2 * g->c.span - UNITS / 2 * fine + i * fine;
		g->iova[FINE][i] = v->first + at;
		g->iova[COARSE][i] = v->first + (UNITS + i) * g->c.span;
		g->iova[FAR][i] = v->first + (i + 4) * far;
	}
}

static void check_result(struct ground *g)
{
	struct iodt *t = g->c.t;
	unsigned int kind, i;

	for (kind = 0; kind < KINDS; kind++)
		for (i = 0; i < UNITS; i++)
			if (g->mapped[kind][i])
				iodt_expect_map(t, g->iova[kind][i], pa_of(g, kind, i),
						g->len[kind], IODT_RW);
	iodt_verify(t);
}

static void disjoint(struct iodt *t)
{
	struct ground *g = calloc(1, sizeof(*g));
	struct conc_thread threads[MAPPERS + 1] = { 0 };
	unsigned int i;

	assert_non_null(g);
	build(g, t);
	for (i = 0; i < MAPPERS; i++)
		threads[i].fn = own_unit;
	threads[MAPPERS].fn = device;
	for (i = 0; i <= MAPPERS; i++)
		threads[i].arg = g;
	conc_run(&g->c, threads, MAPPERS + 1, conc_seconds());
	check_result(g);
	assert_int_equal(conc_close(&g->c), 0);
	free(g);
}

/* ---- the same ranges: misuse ---- */

static int take(struct conc_thread *self, uint64_t iova, uint64_t len, uint32_t flags)
{
	struct ground *g = self->arg;
	struct iod_unmap_dirty arg = {
		.size = sizeof(arg),
		.iova = iova,
		.len = len,
		.flags = flags,
		.gather = self->gather,
		.bitmap = &g->bits[self->id].bm,
	};

	return iod_unmap_dirty(g->c.t->pt, &arg);
}

static void any_range(struct conc_thread *self)
{
	struct ground *g = self->arg;
	uint64_t page = g->c.page, pages = 3 * g->c.span / page;
	uint64_t from = conc_below(self, pages), n = 1 + conc_below(self, pages - from);
	uint64_t iova = g->c.t->v->first + from * page, pa = g->c.base_pa;
	uint32_t flags = conc_below(self, 2) ? IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS : 0;
	int ret;

	if (conc_below(self, 2)) { /* whole tables */
		iova = g->c.t->v->first + from * page / g->c.span * g->c.span;
		n = g->c.span / page * (1 + conc_below(self, 2));
	} else {
		pa += from * page;
	}
	if (conc_below(self, 2))
		ret = iod_map(g->c.t->pt, iova, pa, n * page, IODT_RW,
			      conc_below(self, 3) ? self->gather : NULL, NULL);
	else if (conc_below(self, 2))
		ret = resize(self, iova, n * page);
	else if (conc_below(self, 2))
		ret = take(self, iova, n * page, flags);
	else
		ret = iod_unmap(g->c.t->pt, iova, n * page, flags, self->gather, NULL);
	if (ret && ret != -EEXIST && ret != -ENOENT && ret != -EINVAL && ret != -EAGAIN)
		conc_fail(&g->c, "%#jx len %#jx: %d", (uintmax_t)iova, (uintmax_t)n * page, ret);
	if (!conc_below(self, 4) && iod_gather_sync(self->gather))
		conc_fail(&g->c, "sync");
}

static int no_event(void *cookie, const struct iod_visit_event *ev)
{
	return 0;
}

static void any_reader(struct conc_thread *self)
{
	struct ground *g = self->arg;
	uint64_t iova = g->c.t->v->first, len = 4 * g->c.span;
	struct iod_visit visit = {
		.size = sizeof(visit), .iova = iova, .len = len, .fn = no_event
	};
	struct iod_mapping m;
	int i;

	for (i = 0; i < 50; i++) {
		iova = g->c.t->v->first + conc_below(self, len);
		iod_translate(g->c.t->pt, iova, &m);
		iod_iotlb_access(g->c.agent[conc_below(self, CONC_AGENTS)], g->c.t->pt, iova,
				 IOD_ACCESS_WRITE, NULL, NULL);
	}
	if (iod_visit(g->c.t->pt, &visit))
		conc_fail(&g->c, "visit");
}

/*
 * In the end everything can be unmapped and destroyed. Tables that got lost on the way (two threads
 * installed and cut off the same one) are given back with the memory they lie in, at the latest.
 */
static void overlapping(struct iodt *t)
{
	struct ground *g = calloc(1, sizeof(*g));
	struct conc_thread threads[MAPPERS + 2] = { 0 };
	unsigned int i;

	assert_non_null(g);
	conc_open(&g->c, t);
	g->faults = faults_of(t);
	for (i = 0; i < MAPPERS; i++)
		iodt_bits_init(&g->bits[i], t->v->first, 4 * g->c.span, g->c.page);
	for (i = 0; i < MAPPERS + 2; i++) {
		threads[i].fn = i < MAPPERS ? any_range : any_reader;
		threads[i].arg = g;
	}
	conc_run(&g->c, threads, MAPPERS + 2, conc_seconds());
	print_message("%ju tables left in the arena\n", (uintmax_t)conc_close(&g->c));
	for (i = 0; i < MAPPERS; i++)
		iodt_bits_free(&g->bits[i]);
	free(g);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "disjoint", IODT_PLAIN | IODT_RESIZE, 0, disjoint },
		{ "overlapping", IODT_PLAIN | IODT_RESIZE, 0, overlapping },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
