/* SPDX-License-Identifier: MIT */
/*
 * Each guarantee broken on purpose, one step at a time: a page must be lost (or worse) within some seeds.
 * The control makes the same runs, whole, and must lose nothing.
 */
#include "adv.h"

#define STEPS	 500
#define SEEDS	 4000 /* at most, to find what is broken */
#define CONTROLS 8

/* Broken in one way, a few seeds suffice; whole, the same seeds and some more pass. */
static void run_twin(const struct iodt_variant *v, enum adv_twin twin)
{
	struct adv_cfg cfg = { .v = v, .twin = twin, .steps = STEPS, .broken = true };
	uint64_t first = adv_first_seed();
	struct adv_result res = { 0 };
	unsigned int n, found;
	uint64_t others = 0;

	cfg.trace = getenv("IOD_TRACE");
	/* Freeing too early is found before anything is lost by it. */
	cfg.only_losses = twin != ADV_NO_GRACE;
	for (found = 0; found < SEEDS && !res.failed; found++) {
		cfg.seed = first + found;
		adv_determ(&cfg, &res);
		others += res.others;
	}
	if (!res.failed)
		fail_msg("not noticed in %u seeds from %#jx", SEEDS, (uintmax_t)first);
	print_message("seed %#jx (%u tried): %s; besides, %ju other findings\n",
		      (uintmax_t)cfg.seed, found, res.what, (uintmax_t)others);
	if (cfg.trace)
		return;
	cfg.broken = cfg.only_losses = false;
	for (n = 0; n < iodt_scale(CONTROLS); n++) {
		/* the one that was caught first, then those before it */
		cfg.seed = first + (found - 1 + SEEDS - n) % SEEDS;
		adv_determ(&cfg, &res);
		if (res.failed)
			fail_msg("IOD_SEED=%#jx, not broken: %s", (uintmax_t)cfg.seed, res.what);
	}
}

int main(int argc, char **argv)
{
	static const struct adv_case cases[] = {
		{ "copy_before_sync", ADV_EARLY_COPY, IODT_PLAIN, run_twin },
		{ "no_atc_invalidation", ADV_NO_ATC, IODT_PLAIN, run_twin },
		{ "leaf_only_after_merge", ADV_LEAF_ONLY, IODT_PLAIN, run_twin },
		{ "plain_store", ADV_PLAIN_STORE, IODT_PLAIN, run_twin },
		{ "no_grace_period", ADV_NO_GRACE, IODT_PLAIN, run_twin },
		{ "no_second_harvest", ADV_NO_HARVEST, IODT_PLAIN, run_twin },
		{ "no_second_harvest_of_a_merge", ADV_NO_HARVEST_LIVE, IODT_PLAIN, run_twin },
		{ "children_born_clean", ADV_BORN_CLEAN, IODT_PLAIN, run_twin },
		{ "partial_page_cleaned", ADV_CLEAN_PARTIAL, IODT_PLAIN, run_twin },
		{ "level_of_leaves_for_tables", ADV_LEAF_LEVEL, IODT_PLAIN, run_twin },
	};

	return adv_main(argc, argv, cases, IODT_ARRAY_SIZE(cases));
}
