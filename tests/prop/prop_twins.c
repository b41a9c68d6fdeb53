/* SPDX-License-Identifier: MIT */
/*
 * Twins of the property test: each breaks the protocol in one way and passes if a page is seen to
 * be lost. The control does the same things without breaking anything, and must lose nothing.
 */
#include "prop.h"

#define OPERATIONS 3000
#define SEEDS	   8

void __real_iod_gather_harvest(struct iod_gather *gather);
void __wrap_iod_gather_harvest(struct iod_gather *gather);

static bool skip_harvest;

/* Detached tables are looked at, or not. */
void __wrap_iod_gather_harvest(struct iod_gather *gather)
{
	if (!skip_harvest)
		__real_iod_gather_harvest(gather);
}

static uint64_t first_seed(void)
{
	const char *seed = getenv("IOD_SEED");

	return seed ? strtoull(seed, NULL, 0) : UINT64_C(0x7317);
}

/* Loses a page, with one of a few seeds. */
static void must_lose(struct iodt *t, enum prop_twin twin)
{
	struct prop_cfg cfg = { .v = t->v, .ops = OPERATIONS, .twin = twin };
	struct prop_result res;
	unsigned int i;

	for (i = 0; i < SEEDS; i++) {
		cfg.seed = first_seed() + i;
		prop_run(&cfg, &res);
		if (res.failed && !res.loss)
			fail_msg("IOD_SEED=%#jx: %s", (uintmax_t)cfg.seed, res.what);
		if (res.loss)
			break;
	}
	assert_true(res.loss);
	print_message("operation %u: %s\n", res.op, res.what);
}

static void control_of(struct iodt *t, enum prop_twin twin)
{
	struct prop_cfg cfg = { .v = t->v, .ops = iodt_scale(OPERATIONS), .twin = twin };
	struct prop_result res;

	cfg.trace = getenv("IOD_TRACE");
	cfg.seed = first_seed();
	prop_run(&cfg, &res);
	if (res.failed)
		fail_msg("IOD_SEED=%#jx, operation %u: %s", (uintmax_t)cfg.seed, res.op, res.what);
}

static void control(struct iodt *t)
{
	control_of(t, PROP_CONTROL);
}

static void no_invalidation(struct iodt *t)
{
	must_lose(t, PROP_NO_INV);
}

static void no_atc_invalidation(struct iodt *t)
{
	must_lose(t, PROP_NO_ATC);
}

static void copy_before_sync(struct iodt *t)
{
	must_lose(t, PROP_EARLY_COPY);
}

static void plain_store(struct iodt *t)
{
	must_lose(t, PROP_PLAIN_CLEAR);
}

static void partial_page(struct iodt *t)
{
	must_lose(t, PROP_PARTIAL);
}

static void pruned_control(struct iodt *t)
{
	control_of(t, PROP_PRUNED);
}

static void pruned_without_step_2(struct iodt *t)
{
	must_lose(t, PROP_NO_STEP2);
}

static void pruned_keeping_walk_caches(struct iodt *t)
{
	must_lose(t, PROP_LEAF_ONLY);
}

static void pruned_without_atc(struct iodt *t)
{
	must_lose(t, PROP_PRUNE_NO_ATC);
}

static void pruned_with_an_agent_without(struct iodt *t)
{
	must_lose(t, PROP_NO_AGENT);
}

static void pruned_plain_store(struct iodt *t)
{
	must_lose(t, PROP_PLAIN_TAKE);
}

static void resized_control(struct iodt *t)
{
	control_of(t, PROP_RESIZED);
}

static void children_born_clean(struct iodt *t)
{
	must_lose(t, PROP_BORN_CLEAN);
}

static void no_harvest(struct iodt *t)
{
	skip_harvest = true;
	must_lose(t, PROP_NO_HARVEST);
	skip_harvest = false;
}

static void merge_leaf_only(struct iodt *t)
{
	if (iod_format_ops(t->v->format)->merge_range)
		must_lose(t, PROP_MERGE_LEAF_ONLY);
}

static void unmap_copied_early(struct iodt *t)
{
	must_lose(t, PROP_UNMAP_EARLY);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "control", IODT_DIRTY | IODT_PLAIN, 0, control },
		{ "no_invalidation", IODT_DIRTY | IODT_PLAIN, 0, no_invalidation },
		{ "no_atc_invalidation", IODT_DIRTY | IODT_PLAIN, 0, no_atc_invalidation },
		{ "copy_before_sync", IODT_DIRTY | IODT_PLAIN, 0, copy_before_sync },
		{ "plain_store", IODT_DIRTY | IODT_PLAIN, 0, plain_store },
		{ "partial_page", IODT_DIRTY | IODT_PLAIN | IODT_HUGE, 0, partial_page },
		{ "resized_control", IODT_DIRTY | IODT_PLAIN | IODT_HUGE | IODT_RESIZE, 0,
		  resized_control },
		{ "children_born_clean", IODT_DIRTY | IODT_PLAIN | IODT_HUGE | IODT_RESIZE, 0,
		  children_born_clean },
		{ "no_harvest", IODT_DIRTY | IODT_PLAIN | IODT_HUGE | IODT_RESIZE, 0, no_harvest },
		{ "merge_leaf_only", IODT_DIRTY | IODT_PLAIN | IODT_HUGE | IODT_RESIZE, 0,
		  merge_leaf_only },
		{ "unmap_copied_early", IODT_DIRTY | IODT_PLAIN | IODT_HUGE | IODT_RESIZE, 0,
		  unmap_copied_early },
		{ "pruned_control", IODT_PRUNE | IODT_TABLES, 0, pruned_control },
		{ "pruned_without_step_2", IODT_PRUNE | IODT_TABLES, 0, pruned_without_step_2 },
		{ "pruned_keeping_walk_caches", IODT_PRUNE | IODT_TABLES, 0,
		  pruned_keeping_walk_caches },
		{ "pruned_without_atc", IODT_PRUNE | IODT_TABLES, 0, pruned_without_atc },
		{ "pruned_with_an_agent_without", IODT_PRUNE | IODT_TABLES, 0,
		  pruned_with_an_agent_without },
		{ "pruned_plain_store", IODT_PRUNE | IODT_TABLES, 0, pruned_plain_store },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
