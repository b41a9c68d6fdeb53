/* SPDX-License-Identifier: MIT */
/*
 * A shadow of a guest's table (VT-d in caching mode). dsi: an item is an invalidation of the domain by a guest as it was
 * seen in the field, with buffers that came and went in between; only the invalidation is timed. page: an item is a page
 * that stayed (kept), or went (gone). The limit reads both tables by iod_visit(), as often.
 */
#include "bench.h"

#include <errno.h>
#include <string.h>

#include <iodirty/shadow.h>

#define BASE  (UINT64_C(1) << 32)
#define SLOT  (UINT64_C(32) << 20) /* addresses of one buffer */
#define SLOTS 64u

static struct {
	struct iod_mem *mem;
	struct iod_pgtable *guest, *pt;
	struct iod_gather *guest_gather, *gather;
	struct iod_shadow *shadow;
	struct iod_shadow_work work;
	uint64_t dirty;
} s;

static volatile uint64_t sum;

/* What a guest does between two invalidations: so many buffers of so many pages live, so many come and go. */
struct shadow_load {
	const char *name;
	unsigned int live, turn;
	uint32_t pages_min, pages_max;
};

static const struct shadow_load loads[] = {
	{ "nvme-fio", 8, 7, 1, 32 }, /* 89 a second, a buffer each 1.7 ms */
	{ "gpu", 5, 1, 256, 4096 },  /* 22 in 55 s */
};

static const struct shadow_load *load_of(const struct bench_case *c)
{
	return strcmp(c->state, "gpu") ? &loads[0] : &loads[1];
}

static int translate(void *cookie, uint64_t gpa, uint64_t *len, uint32_t *prot, uint64_t *pa)
{
	*pa = gpa;
	return 0;
}

static void dirty(void *cookie, uint64_t iova, uint64_t pa, uint64_t len)
{
	s.dirty += len;
}

static void shadow_end(void)
{
	if (s.shadow)
		(void)iod_shadow_destroy(s.shadow);
	if (s.gather)
		(void)iod_gather_destroy(s.gather);
	if (s.guest_gather) {
		(void)iod_gather_sync(s.guest_gather);
		(void)iod_gather_destroy(s.guest_gather);
	}
	if (s.pt)
		(void)iod_pgtable_destroy(s.pt);
	if (s.guest)
		(void)iod_pgtable_destroy(s.guest);
	if (s.mem)
		(void)iod_mem_destroy(s.mem);
	memset(&s, 0, sizeof(s));
}

static int shadow_begin(void)
{
	const struct iod_shadow_ops ops = { .size = sizeof(ops),
					    .translate = translate,
					    .dirty = dirty };
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_VTD_SS,
				       .features = IOD_PT_HW_DIRTY };
	struct iod_shadow_cfg scfg = { .size = sizeof(scfg),
				       .ops = &ops,
				       .flags = IOD_SHADOW_TRACK };
	int err;

	shadow_end();
	err = iod_mem_create_arena(&s.mem, NULL);
	cfg.mem = s.mem;
	if (!err)
		err = iod_pgtable_create(&s.pt, &cfg);
	if (!err)
		err = iod_pgtable_create(&s.guest, &cfg);
	if (!err)
		err = iod_gather_create(&s.gather, s.pt, NULL);
	if (!err)
		err = iod_gather_create(&s.guest_gather, s.guest, NULL);
	scfg.pt = s.pt;
	scfg.gather = s.gather;
	if (!err)
		err = iod_shadow_create(&s.shadow, &scfg);
	if (!err)
		err = iod_shadow_set_guest(s.shadow, s.guest, 0);
	s.work = (struct iod_shadow_work){ .size = sizeof(s.work) };
	return err ? bench_fail(err, "a shadow") : 0;
}

static int invalidate(void)
{
	const struct iod_inv inv = { .kind = IOD_INV_DOMAIN };

	return iod_shadow_invalidate(s.shadow, &inv, 1, &s.work);
}

static uint64_t pages_of(const struct shadow_load *load, unsigned int n)
{
	return load->pages_min + bench_random(n) % (load->pages_max - load->pages_min + 1);
}

/* Memory in stretches of 8 pages. */
static int buffer_map(const struct shadow_load *load, unsigned int n)
{
	uint64_t pages = pages_of(load, n), i;
	int err = 0;

	for (i = 0; i < pages && !err; i += 8) {
		uint64_t len = pages - i < 8 ? pages - i : 8;

		err = iod_map(s.guest, BASE + n % SLOTS * SLOT + i * BENCH_PAGE,
			      bench_random(n * 4099 + i) % (1u << 24) * BENCH_PAGE,
			      len * BENCH_PAGE, IOD_PROT_READ | IOD_PROT_WRITE, s.guest_gather,
			      NULL);
	}
	return err;
}

static int buffer_unmap(unsigned int n)
{
	int err = iod_unmap(s.guest, BASE + n % SLOTS * SLOT, SLOT, 0, s.guest_gather, NULL);

	return err ? err : iod_gather_sync(s.guest_gather);
}

/* kept: both have the pages. gone: the guest has none any more. */
static int pages_prepare(const struct bench_case *c)
{
	int err = shadow_begin();

	for (uint64_t i = 0; i < c->items && !err; i++)
		err = iod_map(s.guest, BASE + i * BENCH_PAGE,
			      bench_random((unsigned int)i) % (1u << 24) * BENCH_PAGE, BENCH_PAGE,
			      IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL);
	if (!err)
		err = invalidate();
	if (!err && !strcmp(c->state, "gone")) {
		err = iod_unmap(s.guest, BASE, c->items * BENCH_PAGE, 0, s.guest_gather, NULL);
		if (!err)
			err = iod_gather_sync(s.guest_gather);
	}
	s.work = (struct iod_shadow_work){ .size = sizeof(s.work) };
	return err ? bench_fail(err, "pages of a shadow") : 0;
}

static int shadow_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	const struct shadow_load *load = load_of(c);
	int err;

	if (strcmp(c->mode, "dsi"))
		return pages_prepare(c);
	err = shadow_begin();
	for (unsigned int n = 0; n < load->live && !err; n++)
		err = buffer_map(load, n);
	if (!err)
		err = invalidate();
	return err ? bench_fail(err, "buffers of a shadow") : 0;
}

static int shadow_work(struct bench_rig *rig, const struct bench_case *c)
{
	const struct shadow_load *load = load_of(c);
	unsigned int next = load->live, old = 0;
	struct bench_watch watch;
	double ns = 0;
	int err = 0;

	if (strcmp(c->mode, "dsi")) {
		err = invalidate();
		return err ? bench_fail(err, "iod_shadow_invalidate") : 0;
	}
	for (uint64_t i = 0; i < c->items && !err; i++) {
		for (unsigned int k = 0; k < load->turn && !err; k++)
			err = buffer_map(load, next++);
		if (!err)
			err = invalidate();
		for (unsigned int k = 0; k < load->turn && !err; k++)
			err = buffer_unmap(old++);
		if (err)
			break;
		watch = bench_start();
		err = invalidate();
		ns += bench_stop(&watch);
	}
	rig->work_ns = ns;
	return err ? bench_fail(err, "iod_shadow_invalidate") : 0;
}

static int shadow_check(struct bench_rig *rig, const struct bench_case *c)
{
	struct iod_shadow_work w = s.work, again = { .size = sizeof(again) };
	int err = iod_shadow_refresh(s.shadow, &again);
	bool kept = !strcmp(c->state, "kept"), gone = !strcmp(c->state, "gone");

	shadow_end();
	if (err || again.mapped || again.unmapped)
		return bench_fail(-EIO, "the shadow is not what the guest has");
	if (kept && w.kept != c->items * BENCH_PAGE)
		return bench_fail(-EIO, "pages were not kept");
	if (gone && w.unmapped != c->items * BENCH_PAGE)
		return bench_fail(-EIO, "pages did not go");
	if (!kept && !w.unmapped)
		return bench_fail(-EIO, "nothing was unmapped");
	return 0;
}

static int look(void *cookie, const struct iod_visit_event *e)
{
	sum += e->mapping.pa;
	return 0;
}

static int read_table(const struct iod_pgtable *pt)
{
	struct iod_visit v = { .size = sizeof(v),
			       .len = UINT64_C(1) << 48,
			       .flags = IOD_VISIT_MAPPINGS_ONLY,
			       .fn = look };

	return iod_visit(pt, &v);
}

/* Of dsi: as they are before the first; about as much is mapped at each. */
static double read_measure(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t times = strcmp(c->mode, "dsi") ? 1 : c->items;
	struct bench_watch watch = bench_start();
	double ns;

	for (uint64_t i = 0; i < times; i++)
		if (read_table(s.guest) || read_table(s.pt))
			return bench_fail(-EIO, "iod_visit");
	ns = bench_stop(&watch);
	return ns / (double)c->items;
}

const struct bench_ops bench_shadow_ops = {
	.prepare = shadow_prepare,
	.work = shadow_work,
	.check = shadow_check,
};

const struct bench_limit bench_limit_read_both = { "read both", read_measure, false };
