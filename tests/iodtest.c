/* SPDX-License-Identifier: MIT */
/* The harness: fresh objects for each test, and one cmocka test per test and variant. */
#include "iodtest.h"

/* ---- an allocator that counts ---- */

struct block {
	uint64_t len;
	uint64_t pad; /* what malloc aligns to */
};

static void *count_alloc(void *cookie, size_t len)
{
	struct iodt_alloc *a = cookie;
	struct block *b;

	if (++a->calls == a->fail_at)
		return NULL;
	b = malloc(sizeof(*b) + len);
	if (!b)
		return NULL;
	b->len = len;
	a->live++;
	return b + 1;
}

static void count_free(void *cookie, void *ptr, size_t len)
{
	struct iodt_alloc *a = cookie;
	struct block *b = (struct block *)ptr - 1;

	if (b->len != len)
		a->bad++;
	a->live--;
	free(b);
}

void iodt_alloc_init(struct iodt_alloc *alloc)
{
	*alloc = (struct iodt_alloc){
		.ops = { .size = sizeof(alloc->ops),
			 .alloc = count_alloc,
			 .free = count_free,
			 .cookie = alloc },
	};
}

/* ---- recorded invalidations ---- */

static int log_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct iodt *t = cookie;
	struct iodt_inv_log *log = &t->log;
	int ret = log->fail_invalidate;
	size_t i;

	log->calls++;
	log->fail_invalidate = 0;
	if (ret)
		return ret;
	for (i = 0; i < nr && log->nr < IODT_INV_MAX; i++)
		log->inv[log->nr++] = inv[i];
	log->unsynced += (unsigned int)nr;
	if (log->hook)
		log->hook(t, inv, nr);
	return 0;
}

static int log_sync(void *cookie)
{
	struct iodt *t = cookie;
	int ret = t->log.fail_sync;

	t->log.fail_sync = 0;
	if (ret)
		return ret;
	t->log.syncs++;
	t->log.unsynced = 0;
	return 0;
}

void iodt_log_reset(struct iodt *t)
{
	t->log.nr = 0;
	t->log.calls = 0;
	t->log.syncs = 0;
	t->log.unsynced = 0;
}

/* ---- objects ---- */

struct iod_mem *iodt_mem_create(struct iodt_alloc *alloc)
{
	struct iod_mem_arena_cfg cfg = {
		.size = sizeof(cfg),
		.window = sizeof(void *) > 4 ? IODT_1G : IODT_1G / 4,
		.allocator = alloc ? &alloc->ops : NULL,
		.flags = IOD_ARENA_NO_HUGEPAGES,
	};
	struct iod_mem *mem = NULL;

	return iod_mem_create_arena(&mem, &cfg) ? NULL : mem;
}

struct iod_pgtable_cfg iodt_cfg(const struct iodt_variant *v, struct iod_mem *mem)
{
	return (struct iod_pgtable_cfg){
		.size = sizeof(struct iod_pgtable_cfg),
		.format = v->format,
		.features = v->features,
		.mem = mem,
		.pgsize_bitmap = v->pgsizes,
		.domain = 0x1234,
		.granule = v->granule,
		.ias = v->ias,
		.oas = v->oas,
		.levels = v->levels,
		.kernels = iodt_kernels,
	};
}

const char *iodt_kernels;

const char *iodt_kernels_nth(uint64_t n)
{
	const char *named = getenv("IOD_KERNELS");
	unsigned int nr = 0;

	while (iod_kernels_name(nr))
		nr++;
	return named ? named : iod_kernels_name((unsigned int)(n % nr));
}

static int open_table(struct iodt *t)
{
	struct iod_inv_ops ops = { .size = sizeof(ops),
				   .invalidate = log_invalidate,
				   .sync = log_sync };
	struct iod_gather_cfg gcfg = {
		.size = sizeof(gcfg), .ops = &ops, .cookie = t, .max_ranges = IODT_INV_MAX
	};
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	int ret = iod_pgtable_create(&t->pt, &cfg);

	if (!ret)
		ret = iod_gather_create(&t->gather, t->pt, &gcfg);
	if (ret)
		print_error("%s: create: %d\n", t->v->name, ret);
	return ret;
}

struct iodt *iodt_open(const struct iodt_variant *v)
{
	struct iodt *t = calloc(1, sizeof(*t));
	const char *seed = getenv("IOD_SEED");

	if (!t)
		return NULL;
	t->v = v;
	t->rng = seed ? strtoull(seed, NULL, 0) : 0x9e3779b97f4a7c15u;
	iodt_alloc_init(&t->alloc);
	t->mem = iodt_mem_create(&t->alloc);
	if (v) {
		t->caps = iodt_caps(v);
		t->page = v->sizes & -v->sizes;
	}
	if (!t->mem || (v && open_table(t))) {
		iodt_close(t);
		return NULL;
	}
	return t;
}

static int close_objects(struct iodt *t)
{
	struct iod_mem_stats stats = { .size = sizeof(stats) };
	int ret = 0;

	t->log.fail_invalidate = t->log.fail_sync = 0;
	t->log.hook = NULL;
	if (t->gather)
		ret = iod_gather_sync(t->gather);
	if (!ret && t->gather)
		ret = iod_gather_destroy(t->gather);
	if (!ret && t->pt)
		ret = iod_pgtable_destroy(t->pt);
	if (!ret && t->mem)
		ret = iod_mem_get_stats(t->mem, &stats);
	if (!ret && (stats.tables || stats.bytes || stats.pending)) {
		print_error("left over: %ju tables, %ju bytes, %ju pending\n",
			    (uintmax_t)stats.tables, (uintmax_t)stats.bytes,
			    (uintmax_t)stats.pending);
		ret = -1;
	}
	if (t->mem && iod_mem_destroy(t->mem))
		ret = -1;
	return ret;
}

int iodt_close(struct iodt *t)
{
	int ret = close_objects(t);

	if (!ret && (t->alloc.live || t->alloc.bad)) {
		print_error("%ju objects leaked, %ju freed with a wrong length\n",
			    (uintmax_t)t->alloc.live, (uintmax_t)t->alloc.bad);
		ret = -1;
	}
	free(t->seg);
	free(t);
	return ret ? -1 : 0;
}

/* ---- cmocka ---- */

struct run {
	const struct iodt_variant *v;
	const struct iodt_test *test;
	const char *kernels;
	char name[120];
	struct iodt *t;
};

static int run_setup(void **state)
{
	struct run *run = *state;

	iodt_kernels = run->kernels;
	run->t = iodt_open(run->v);
	return run->t ? 0 : -1;
}

static void run_body(void **state)
{
	struct run *run = *state;

	run->test->fn(run->t);
}

static int run_teardown(void **state)
{
	struct run *run = *state;
	struct iodt *t = run->t;

	run->t = NULL;
	iodt_kernels = NULL;
	return t ? iodt_close(t) : 0;
}

static bool fits(const struct iodt_variant *v, const struct iodt_test *test)
{
	uint32_t caps = iodt_caps(v);

	return iod_format_ops(v->format) && (caps & test->need) == test->need &&
	       !(caps & test->without) && (!v->resize || test->need & IODT_RESIZE);
}

static size_t plan(struct run *run, struct CMUnitTest *unit, const struct iodt_test *tests,
		   size_t nr)
{
	size_t i, j, n = 0;

	for (i = 0; i < nr; i++) {
		for (j = 0; j < iodt_nr_variants; j++) {
			if (!fits(&iodt_variants[j], &tests[i]))
				continue;
			run[n].v = &iodt_variants[j];
			run[n].test = &tests[i];
			run[n].kernels = iodt_kernels_nth(i + j);
			snprintf(run[n].name, sizeof(run[n].name), "%s[%s]", tests[i].name,
				 run[n].v->name);
			unit[n] = (struct CMUnitTest){ run[n].name, run_body, run_setup,
						       run_teardown, &run[n] };
			n++;
		}
	}
	return n;
}

int iodt_main(int argc, char **argv, const struct iodt_test *tests, size_t nr,
	      const struct CMUnitTest *plain, size_t nr_plain)
{
	size_t n, max = nr * iodt_nr_variants + nr_plain + 1;
	struct CMUnitTest *unit = calloc(max, sizeof(*unit));
	struct run *run = calloc(max, sizeof(*run));
	int ret = 1;

	if (unit && run) {
		if (argc > 1)
			cmocka_set_test_filter(argv[1]);
		n = plan(run, unit, tests, nr);
		if (nr_plain)
			memcpy(&unit[n], plain, nr_plain * sizeof(*plain));
		n += nr_plain;
		/* the macro wants an array */
		ret = n ? _cmocka_run_group_tests(argv[0], unit, n, NULL, NULL) : 77;
	}
	free(unit);
	free(run);
	return ret;
}
