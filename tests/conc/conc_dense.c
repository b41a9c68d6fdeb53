/* SPDX-License-Identifier: MIT */
/*
 * Dense clears beside everything: devices that dirty all of a few tables, sweepers of the same range and
 * of ranges of their own, owners of pages and of whole tables that take them away, bring them back
 * elsewhere, and look whether they stay so, and one who splits and merges his. Every page has a version that
 * each write raises while the translation is held; at the end all copies must be of the last one.
 */
#include <sched.h>

#include "conc.h"
#include "densetest.h"

#define TABLES	 10
#define DEVICES	 2
#define SWEEPERS 2
#define OWNERS	 2
#define RESIZED	 3  /* tables, the last */
#define BURST	 96 /* pages of one write */

struct memory {
	struct conc c;
	uint64_t iova, len, pages, items;
	/* page i is at frame i or i + pages, as its owner likes */
	uint32_t *version, *copy; /* atomic */
	unsigned char *there;	  /* by its owner */
	bool apart;		  /* sweepers do not overlap */
	uint64_t own;		  /* pages of the owners; the others' sizes change, at `aligned` */
	uint64_t aligned;
	pthread_mutex_t lock; /* copies never go back */
	struct iodt_bits bits[SWEEPERS];
};

static uint64_t pa_of(const struct memory *m, uint64_t frame)
{
	if (frame >= m->own && frame < m->pages)
		return m->aligned + frame * m->c.page;
	return m->c.base_pa + frame * m->c.page;
}

/* ---- devices ---- */

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct memory *m = cookie;
	uint64_t base = pa >= m->aligned ? m->aligned : m->c.base_pa;
	uint64_t f = (pa - base) / m->c.page, last = (pa + (len - 1) - base) / m->c.page;

	(void)offset;
	for (; f <= last; f++) {
		if (f >= 2 * m->pages)
			conc_fail(&m->c, "write to %#jx", (uintmax_t)pa);
		else
			__atomic_fetch_add(&m->version[f], 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static void device(struct conc_thread *self)
{
	struct memory *m = self->arg;
	struct iod_fault fault = { 0 };
	uint64_t at = conc_below(self, m->pages), n = 1 + conc_below(self, BURST), done;
	struct iod_iotlb *agent = m->c.agent[conc_below(self, CONC_AGENTS)];
	int ret;

	n = at + n > m->pages ? m->pages - at : n;
	/* holes are stepped over */
	for (done = 0; n; at++, n--) {
		ret = iod_iotlb_dma(agent, m->c.t->pt, m->iova + at * m->c.page, m->c.page,
				    IOD_ACCESS_WRITE, move, m, &done, &fault);
		if (ret && (ret != -EFAULT || fault.reason != IOD_FAULT_TRANSLATION))
			conc_fail(&m->c, "write: %d, reason %d", ret, fault.reason);
	}
}

/* ---- migration ---- */

static void copy_frame(struct memory *m, uint64_t f)
{
	pthread_mutex_lock(&m->lock);
	m->copy[f] = __atomic_load_n(&m->version[f], __ATOMIC_RELAXED);
	pthread_mutex_unlock(&m->lock);
}

static void migrate(struct memory *m, struct iod_gather *gather, struct iodt_bits *b, uint64_t from,
		    uint64_t n)
{
	struct iod_sweep s = {
		.size = sizeof(s),
		.mode = IOD_SWEEP_CLEAR,
		.iova = m->iova + from * m->c.page,
		.len = n * m->c.page,
		.bitmap = &b->bm,
		.gather = gather,
	};
	uint64_t i;
	int ret;

	iodt_bits_zero(b);
	ret = iod_sweep(m->c.t->pt, &s);
	if (ret || s.done != s.len || iod_gather_sync(gather)) {
		conc_fail(&m->c, "sweep or sync: %d", ret);
		return;
	}
	for (i = from; i < from + n; i++) {
		if (!iodt_bits_get(b, m->iova + i * m->c.page))
			continue;
		copy_frame(m, i);
		copy_frame(m, i + m->pages);
	}
}

static void sweeper(struct conc_thread *self)
{
	struct memory *m = self->arg;
	unsigned int which = self->id - DEVICES;
	uint64_t from = 0, n = m->pages;

	if (m->apart) {
		n = m->pages / SWEEPERS;
		from = which * n;
	} else if (which && conc_below(self, 2)) {
		from = conc_below(self, m->pages);
		n = 1 + conc_below(self, m->pages - from);
	}
	migrate(m, self->gather, &m->bits[which], from, n);
}

/* ---- owners ---- */

/* It is where its owner put it, whoever asks. */
static void check_page(struct conc_thread *self, uint64_t page, int want)
{
	struct memory *m = self->arg;
	struct iod_mapping found;
	int ret = iod_translate(m->c.t->pt, m->iova + page * m->c.page, &found);

	if (want < 0 ? ret != -ENOENT
		     : ret || found.pa != pa_of(m, page + (uint64_t)want * m->pages))
		conc_fail(&m->c, "page %ju: %d at %#jx, not %d", (uintmax_t)page, ret,
			  ret ? 0 : (uintmax_t)found.pa, want);
}

/* Away, and back at the other frame; what was written until then is copied in any case. */
static void flip(struct conc_thread *self, uint64_t page, uint64_t n)
{
	struct memory *m = self->arg;
	uint64_t at = m->iova + page * m->c.page, i;
	int was = m->there[page], now = !was;

	if (iod_unmap(m->c.t->pt, at, n * m->c.page, IOD_UNMAP_NO_HOLES, self->gather, NULL))
		conc_fail(&m->c, "unmap of page %ju", (uintmax_t)page);
	check_page(self, page, -1);
	for (i = conc_below(self, 30); i; i--)
		check_page(self, page + conc_below(self, n), -1);
	if (iod_gather_sync(self->gather))
		conc_fail(&m->c, "sync");
	for (i = 0; i < n; i++)
		copy_frame(m, page + i + (uint64_t)was * m->pages);
	check_page(self, page + n - 1, -1);
	if (iod_map(m->c.t->pt, at, pa_of(m, page + (uint64_t)now * m->pages), n * m->c.page,
		    IODT_RW, conc_below(self, 2) ? self->gather : NULL, NULL))
		conc_fail(&m->c, "map of page %ju", (uintmax_t)page);
	for (i = 0; i < n; i++)
		m->there[page + i] = (unsigned char)now;
	check_page(self, page, now);
}

/* How many pages, three at most, are on the same side. */
static uint64_t alike(const struct memory *m, uint64_t page)
{
	uint64_t n = 1;

	while (n < 3 && m->there[page + n] == m->there[page])
		n++;
	return n;
}

/* Four pages of eight, in turn; the last table of all belongs to the first. */
static void owner(struct conc_thread *self)
{
	struct memory *m = self->arg;
	unsigned int which = self->id - DEVICES - SWEEPERS;
	uint64_t page = conc_below(self, m->own - m->items);

	page = page / 8 * 8 + which * 4;
	if (!which && !conc_below(self, 50)) {
		flip(self, m->own - m->items, m->items);
		return;
	}
	check_page(self, page, m->there[page]);
	flip(self, page, conc_below(self, 2) ? 1 : alike(m, page));
}

/* ---- who resizes ---- */

/* Runs of a table are rewritten under its lock, whole tables are taken out and put in. */
static void resizer(struct conc_thread *self)
{
	struct memory *m = self->arg;
	uint64_t all = m->pages - m->own, from = conc_below(self, all);
	uint64_t n = 1 + conc_below(self, all - from);
	uint32_t bbm = m->c.t->v->features & (IOD_PT_BBM_1 | IOD_PT_BBM_2);
	struct iod_resize arg = {
		.size = sizeof(arg),
		.flags = m->c.t->caps & IODT_ARM && !bbm ? IOD_RESIZE_ALLOW_FAULTS : 0,
		.iova = m->iova + (m->own + from) * m->c.page,
		.len = n * m->c.page,
		.gather = self->gather,
	};
	bool merge = conc_below(self, 2);
	int ret;

	if (conc_below(self, 2))
		arg.page_size = m->c.page << conc_below(self, 6);
	ret = (merge ? iod_merge_range : iod_split_range)(m->c.t->pt, &arg);
	if (ret || (!conc_below(self, 4) && iod_gather_sync(self->gather)))
		conc_fail(&m->c, "%s or sync: %d", merge ? "merge" : "split", ret);
}

/* ---- the test ---- */

/* As it should be, but now and then somebody else's turn comes between the load and the store. */
static unsigned slowly(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
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
		if (v >> 12 & 1 && !(i & 24))
			sched_yield();
		__atomic_store_n((iod_word *)&items[i], (v & ~spec->clear) | spec->set,
				 __ATOMIC_RELAXED);
		done++;
	}
	return done;
}

static void build(struct memory *m, struct iodt *t, bool resized)
{
	unsigned int i;

	conc_open(&m->c, t);
	m->items = m->c.span / m->c.page;
	m->iova = t->v->first;
	m->pages = TABLES * m->items;
	m->len = m->pages * m->c.page;
	m->own = m->pages - (resized ? RESIZED * m->items : 0);
	m->c.base_pa = m->c.page; /* nothing of the owners' is aligned to more than a page */
	m->aligned = 64 * m->c.span;
	m->version = calloc(2 * m->pages, sizeof(*m->version));
	m->copy = calloc(2 * m->pages, sizeof(*m->copy));
	m->there = calloc(m->pages, 1);
	pthread_mutex_init(&m->lock, NULL);
	assert_non_null(m->version);
	assert_non_null(m->copy);
	assert_non_null(m->there);
	iodt_assert_ok(iod_map(m->c.t->pt, m->iova, m->c.base_pa, m->own * m->c.page,
			       IODT_RW | IOD_PROT_DIRTY, NULL, NULL));
	if (m->own < m->pages)
		iodt_assert_ok(iod_map(m->c.t->pt, m->iova + m->own * m->c.page, pa_of(m, m->own),
				       m->len - m->own * m->c.page, IODT_RW | IOD_PROT_DIRTY, NULL,
				       NULL));
	for (i = 0; i < SWEEPERS; i++)
		iodt_bits_init(&m->bits[i], m->iova, m->len, m->c.page);
}

static void wreck(struct memory *m)
{
	unsigned int i;

	assert_int_equal(conc_close(&m->c), 0);
	pthread_mutex_destroy(&m->lock);
	for (i = 0; i < SWEEPERS; i++)
		iodt_bits_free(&m->bits[i]);
	free(m->version);
	free(m->copy);
	free(m->there);
}

static uint64_t missed(struct memory *m)
{
	struct iod_gather *gather = conc_gather(&m->c);
	uint64_t f, n = 0, writes = 0;

	migrate(m, gather, &m->bits[0], 0, m->pages);
	assert_false(m->c.failed);
	for (f = 0; f < 2 * m->pages; f++) {
		writes += m->version[f];
		n += m->version[f] != m->copy[f];
	}
	assert_true(writes > 0);
	iodt_assert_ok(iod_gather_destroy(gather));
	return n;
}

static void run(struct iodt *t, bool apart, bool resized)
{
	struct conc_thread threads[DEVICES + SWEEPERS + OWNERS + 1] = { 0 };
	unsigned int nr = DEVICES + SWEEPERS + OWNERS + resized;
	uint64_t calls = word_load(&dense_calls);
	struct memory m = { .apart = apart };
	unsigned int i;

	build(&m, t, resized);
	for (i = 0; i < nr; i++) {
		threads[i].arg = &m;
		threads[i].fn = i < DEVICES ? device : i < DEVICES + SWEEPERS ? sweeper : owner;
	}
	if (resized)
		threads[nr - 1].fn = resizer;
	conc_run(&m.c, threads, nr, conc_seconds());
	assert_int_equal(missed(&m), 0);
	assert_true(word_load(&dense_calls) > calls);
	wreck(&m);
}

static void overlapping(struct iodt *t)
{
	run(t, false, false);
}

static void overlapping_slowly(struct iodt *t)
{
	dense_instead = slowly;
	run(t, false, false);
	dense_instead = NULL;
}

static void disjoint(struct iodt *t)
{
	run(t, true, false);
}

static void resized(struct iodt *t)
{
	run(t, false, true);
}

static void resized_slowly(struct iodt *t)
{
	dense_instead = slowly;
	run(t, false, true);
	dense_instead = NULL;
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "overlapping", IODT_DIRTY | IODT_PLAIN, 0, overlapping },
		{ "overlapping_slowly", IODT_DIRTY | IODT_PLAIN, 0, overlapping_slowly },
		{ "disjoint", IODT_DIRTY | IODT_PLAIN, 0, disjoint },
		{ "resized", IODT_DIRTY | IODT_PLAIN | IODT_RESIZE, 0, resized },
		{ "resized_slowly", IODT_DIRTY | IODT_PLAIN | IODT_RESIZE, 0, resized_slowly },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
