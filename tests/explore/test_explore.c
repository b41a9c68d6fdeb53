/* SPDX-License-Identifier: MIT */
/*
 * The library's own code, step by step, in small worlds, in every order in which its steps and the
 * device's may follow each other (with a bounded number of preemptions): docs/small-worlds.md.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "world.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define HD	      IOD_PT_HW_DIRTY

enum {
	S1_2M,
	S1_64K,
	V1_8K,
	NR_MAIN, /* these are explored further than those below */
};

static const struct world_cfg cfgs[] = {
	{ "arm_lpae_s1 2M", IOD_ARM_LPAE_S1, HD | IOD_PT_BBM_2, 39, 21, 12, 7, true, 0 },
	{ "arm_lpae_s1 64K", IOD_ARM_LPAE_S1, HD | IOD_PT_BBM_2, 39, 16, 12, 7, true, 0 },
	{ "amd_v1 8K", IOD_AMD_V1, HD, 39, 13, 12, 6, false, 0 },
	{ "amd_v1 2M", IOD_AMD_V1, HD, 39, 21, 12, 6, false, 0 },
	{ "amd_v2 2M", IOD_AMD_V2, HD, 0, 21, 12, 6, false, 0 },
	{ "arm_lpae_s2 2M", IOD_ARM_LPAE_S2, HD | IOD_PT_BBM_2, 39, 21, 12, 7, false, 0 },
	{ "vtd_ss 2M", IOD_VTD_SS, HD, 0, 21, 12, 9, false, 0 },
	{ "vtd_fs 2M", IOD_VTD_FS, HD, 0, 21, 12, 6, false, 0 },
};

/* The other ways to replace what is live. */
static const struct world_cfg steps[] = {
	{ "arm_lpae_s1 2M nT", IOD_ARM_LPAE_S1, HD | IOD_PT_BBM_1, 39, 21, 12, 7, true, 0 },
	{ "arm_lpae_s2 64K nT", IOD_ARM_LPAE_S2, HD | IOD_PT_BBM_1, 39, 16, 12, 7, false, 0 },
	{ "arm_lpae_s1 2M break", IOD_ARM_LPAE_S1, HD, 39, 21, 12, 7, true,
	  IOD_RESIZE_ALLOW_FAULTS },
	{ "arm_lpae_s1 64K break", IOD_ARM_LPAE_S1, HD, 39, 16, 12, 7, true,
	  IOD_RESIZE_ALLOW_FAULTS },
};

/* ---- what software does ---- */

static void sweep_all(struct world *w)
{
	world_round(w, w->gather[0], w->page[0], world_len(w));
}

static void sweep_part(struct world *w)
{
	world_round(w, w->gather[0], w->page[1], world_small(w));
}

static void split(struct world *w)
{
	struct iod_resize r = {
		.size = sizeof(r),
		.iova = w->page[0],
		.len = world_len(w),
		.flags = w->cfg->resize,
		.page_size = world_small(w),
		.gather = w->gather[0],
	};
	struct iod_mapping m;

	world_check(iod_split_range(w->pt, &r), "iod_split_range");
	world_check(iod_gather_sync(w->gather[0]), "iod_gather_sync");
	if (iod_translate(w->pt, w->page[1], &m) || m.len != world_small(w))
		explore_fail("not split");
}

static void split_then_sweep(struct world *w)
{
	split(w);
	sweep_part(w);
}

static void merge(struct world *w)
{
	struct iod_resize r = {
		.size = sizeof(r),
		.iova = w->page[0],
		.len = world_len(w),
		.flags = w->cfg->resize,
		.page_size = world_len(w),
		.gather = w->gather[0],
	};
	struct iod_mapping m;

	world_check(iod_merge_range(w->pt, &r), "iod_merge_range");
	world_check(iod_gather_sync(w->gather[0]), "iod_gather_sync");
	if (iod_translate(w->pt, w->page[1], &m) || m.len != world_len(w))
		explore_fail("not merged");
}

static void merge_then_sweep(struct world *w)
{
	merge(w);
	sweep_all(w);
}

/* Pages [first, last] of the world are unmapped, with all between. */
static void unmap(struct world *w, unsigned first, unsigned last)
{
	uint64_t words[WORLD_MOST / 64];
	struct iod_bitmap bm;
	struct iod_unmap_dirty u = {
		.size = sizeof(u),
		.iova = w->page[first],
		.len = w->page[last] - w->page[first] + world_small(w),
		.gather = w->gather[0],
		.bitmap = &bm,
	};

	world_bitmap(w, &bm, words);
	w->gone |= 1u << first | 1u << last;
	world_check(iod_unmap_dirty(w->pt, &u), "iod_unmap_dirty");
	if (u.unmapped != u.len)
		explore_fail("not all was unmapped");
	if (w->twin == TWIN_EARLY_COPY)
		world_copy(w, &bm);
	world_check(iod_gather_sync(w->gather[0]), "iod_gather_sync");
	if (w->twin != TWIN_EARLY_COPY)
		world_copy(w, &bm);
}

static void unmap_all(struct world *w)
{
	unmap(w, 0, 1);
}

static void unmap_page(struct world *w)
{
	unmap(w, 0, 0);
}

static void partner_sweeps(struct world *w)
{
	world_round(w, w->gather[1], w->page[0], world_len(w));
}

struct protocol {
	const char *name;
	void (*software)(struct world *w);
	bool table; /* begins with pages, not with a block */
	void (*partner)(struct world *w);
	bool resizes;
};

enum {
	SWEEP_BLOCK,
	SWEEP_PAGES,
	SWEEP_PART,
	SPLIT,
	SPLIT_SWEEP,
	SPLIT_BESIDE,
	MERGE,
	MERGE_SWEEP,
	MERGE_BESIDE,
	UNMAP_BLOCK,
	UNMAP_PAGES,
	UNMAP_PAGE,
	UNMAP_BLOCK_BESIDE,
	UNMAP_PAGES_BESIDE,
	NR_PROTOCOLS,
};

static const struct protocol protocols[NR_PROTOCOLS] = {
	[SWEEP_BLOCK] = { "sweep_of_a_block", sweep_all, false, NULL, false },
	[SWEEP_PAGES] = { "sweep_of_pages", sweep_all, true, NULL, false },
	[SWEEP_PART] = { "sweep_of_a_part", sweep_part, false, NULL, false },
	[SPLIT] = { "split", split, false, NULL, true },
	[SPLIT_SWEEP] = { "split_then_sweep", split_then_sweep, false, NULL, true },
	[SPLIT_BESIDE] = { "split_beside_sweep", split, false, partner_sweeps, true },
	[MERGE] = { "merge", merge, true, NULL, true },
	[MERGE_SWEEP] = { "merge_then_sweep", merge_then_sweep, true, NULL, true },
	[MERGE_BESIDE] = { "merge_beside_sweep", merge, true, partner_sweeps, true },
	[UNMAP_BLOCK] = { "unmap_of_a_block", unmap_all, false, NULL, false },
	[UNMAP_PAGES] = { "unmap_of_pages", unmap_all, true, NULL, false },
	[UNMAP_PAGE] = { "unmap_of_a_page", unmap_page, true, NULL, false },
	[UNMAP_BLOCK_BESIDE] = { "unmap_of_a_block_beside_sweep", unmap_all, false, partner_sweeps,
				 false },
	[UNMAP_PAGES_BESIDE] = { "unmap_of_pages_beside_sweep", unmap_all, true, partner_sweeps,
				 false },
};

/* ---- how far it is explored ---- */

#define WRITES 2

static const uint32_t devices[] = { 0, IOD_IOTLB_LATE_DIRTY, IOD_IOTLB_ATC };

struct figures {
	uint64_t runs;
	unsigned points;
};

/*
 * All beginnings, and all scripts of WRITES writes. Returns whether a run failed; the first failure is in
 * e->what.
 */
static bool explore_device(struct world *w, unsigned preemptions, struct figures *f,
			   struct explore *e)
{
	unsigned warm, script;

	for (warm = 0; warm < WARMS; warm++) {
		for (script = 0; script < 1u << WRITES; script++) {
			w->warm = (enum world_warm)warm;
			w->script = script;
			w->writes = WRITES;
			world_explore(w, preemptions, e);
			f->runs += e->runs;
			if (e->most_points > f->points)
				f->points = e->most_points;
			if (e->failures)
				return true;
		}
	}
	return false;
}

static struct world world_of(const struct world_cfg *cfg, const struct protocol *p, uint32_t device)
{
	return (struct world){
		.cfg = cfg,
		.table = p->table,
		.device = device,
		.software = p->software,
		.partner = p->partner,
	};
}

/* IOD_EXPLORE=N: N preemptions more. Sanitizers and valgrind get one less. */
static unsigned preemptions(unsigned n)
{
	const char *more = getenv("IOD_EXPLORE"), *scale = getenv("IOD_TEST_SCALE");

	if (more)
		return n + (unsigned)strtoul(more, NULL, 10);
	return n > 1 && (explore_is_slow || (scale && strtoul(scale, NULL, 10) < 100)) ? n - 1 : n;
}

static void explore_cfg(const struct world_cfg *cfg, const struct protocol *p, unsigned nr_devices,
			unsigned n)
{
	struct figures f = { 0 };
	struct explore e;
	struct world w;
	unsigned d;

	for (d = 0; d < nr_devices; d++) {
		w = world_of(cfg, p, devices[d]);
		/* What moves late, or through an ATC, is one way of caching more. */
		if (explore_device(&w, d ? preemptions(1) : preemptions(n), &f, &e))
			fail_msg("%s, device %#x, beginning %d, script %u, run %ju: %s", cfg->name,
				 (unsigned)w.device, (int)w.warm, w.script, (uintmax_t)e.runs,
				 e.what);
	}
	print_message("%s, %s: %ju runs of up to %u points, up to %u preemptions\n", p->name,
		      cfg->name, (uintmax_t)f.runs, f.points, preemptions(n));
}

static void explored(void **state)
{
	const struct protocol *p = *state;
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(cfgs); i++) {
		if (i < NR_MAIN)
			explore_cfg(&cfgs[i], p,
				    p->partner || explore_is_slow ? 1 : ARRAY_SIZE(devices),
				    p->partner ? 1 : 2);
		else if (!p->partner)
			explore_cfg(&cfgs[i], p, 1, 1);
	}
	for (i = 0; p->resizes && !p->partner && i < ARRAY_SIZE(steps); i++)
		explore_cfg(&steps[i], p, 1, 1);
}

/* ---- twins ---- */

struct twin {
	const char *name;
	enum world_twin twin;
	unsigned cfg, protocol;
	uint32_t device;
	const char *what; /* part of what is found */
};

static const struct twin twins[] = {
	{ "twin_early_copy", TWIN_EARLY_COPY, S1_2M, SWEEP_BLOCK, 0, "copied" },
	{ "twin_early_copy_of_unmapped", TWIN_EARLY_COPY, S1_2M, UNMAP_BLOCK, 0, "copied" },
	{ "twin_no_atc", TWIN_NO_ATC, S1_2M, SWEEP_BLOCK, IOD_IOTLB_ATC, "copied" },
	{ "twin_leaf_only_merge", TWIN_LEAF_ONLY, S1_2M, MERGE, 0, "copied" },
	{ "twin_leaf_only_unmap", TWIN_LEAF_ONLY, S1_2M, UNMAP_PAGES, 0, "copied" },
	{ "twin_no_harvest_merge", TWIN_NO_HARVEST, S1_2M, MERGE, 0, "copied" },
	{ "twin_no_harvest_unmap", TWIN_NO_HARVEST, S1_2M, UNMAP_PAGES, 0, "copied" },
	{ "twin_plain_split", TWIN_PLAIN, S1_2M, SPLIT, 0, "copied" },
	{ "twin_plain_split_of_run", TWIN_PLAIN, S1_64K, SPLIT, 0, "copied" },
	{ "twin_plain_replicas", TWIN_PLAIN, V1_8K, SPLIT, 0, "copied" },
	{ "twin_plain_unmap", TWIN_PLAIN, S1_2M, UNMAP_BLOCK, 0, "copied" },
	{ "twin_plain_unmap_of_page", TWIN_PLAIN, S1_2M, UNMAP_PAGE, 0, "copied" },
	{ "twin_early_free_merge", TWIN_EARLY_FREE, S1_2M, MERGE_BESIDE, 0, "freed" },
	{ "twin_early_free_unmap", TWIN_EARLY_FREE, S1_2M, UNMAP_PAGES_BESIDE, 0, "freed" },
	{ "twin_born_clean", TWIN_BORN_CLEAN, S1_2M, SPLIT, 0, "copied" },
	{ "twin_partly", TWIN_PARTLY, S1_2M, SWEEP_PART, 0, "copied" },
	{ "twin_partly_of_run", TWIN_PARTLY, V1_8K, SWEEP_PART, 0, "copied" },
};

static void found(void **state)
{
	const struct twin *t = *state;
	struct world w = world_of(&cfgs[t->cfg], &protocols[t->protocol], t->device);
	struct figures f = { 0 };
	struct explore e = { 0 };

	w.twin = t->twin;
	if (!explore_device(&w, 2, &f, &e))
		fail_msg("%ju runs, and nothing was found", (uintmax_t)f.runs);
	print_message("%s, after %ju runs: %s\n", t->name, (uintmax_t)f.runs, e.what);
	assert_non_null(strstr(e.what, t->what));
}

/* usage: test-explore [PATTERN...]: names of tests, all of which are wanted */
static bool wanted(int argc, char **argv, const char *name)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[NR_PROTOCOLS + ARRAY_SIZE(twins)] = { 0 };
	size_t nr = 0, i;

	for (i = 0; i < NR_PROTOCOLS; i++)
		if (wanted(argc, argv, protocols[i].name))
			tests[nr++] =
				(struct CMUnitTest){ .name = protocols[i].name,
						     .test_func = explored,
						     .initial_state =
							     (void *)(uintptr_t)&protocols[i] };
	for (i = 0; i < ARRAY_SIZE(twins); i++)
		if (wanted(argc, argv, twins[i].name))
			tests[nr++] = (struct CMUnitTest){ .name = twins[i].name,
							   .test_func = found,
							   .initial_state =
								   (void *)(uintptr_t)&twins[i] };
	return _cmocka_run_group_tests("explore", tests, nr, NULL, NULL);
}
