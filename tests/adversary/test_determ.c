/* SPDX-License-Identifier: MIT */
/* The adversary one step at a time: many seeds, each of which can be run again. */
#include "adv.h"

#define SECONDS 0.25
#define STEPS	500
#define SEEDS	3 /* at least */

static void summary(const struct adv_cfg *cfg, const struct adv_result *res)
{
	print_message("seed %#jx: %ju steps, %ju points, %ju switches, %ju writes, %ju faults, "
		      "%ju sweeps, %ju copied, %ju split, %ju merged, %ju unmaps, %ju maps\n",
		      (uintmax_t)cfg->seed, (uintmax_t)res->steps, (uintmax_t)res->points,
		      (uintmax_t)res->switches, (uintmax_t)res->writes, (uintmax_t)res->faults,
		      (uintmax_t)res->sweeps, (uintmax_t)res->copied, (uintmax_t)res->splits,
		      (uintmax_t)res->merges, (uintmax_t)res->unmaps, (uintmax_t)res->maps);
}

static void nothing_lost(const struct iodt_variant *v, enum adv_twin twin)
{
	double until = adv_clock() + adv_seconds(SECONDS);
	struct adv_cfg cfg = { .v = v, .seed = adv_first_seed(), .twin = twin, .steps = STEPS };
	struct adv_result res;
	unsigned int n = 0;

	cfg.trace = getenv("IOD_TRACE");
	do {
		adv_determ(&cfg, &res);
		if (cfg.trace)
			summary(&cfg, &res);
		if (res.failed)
			fail_msg("%s\nagain, every step printed: IOD_TRACE=1 IOD_SEED=%#jx "
				 "build/tests/test-adversary_determ 'nothing_lost[%s]'",
				 res.what, (uintmax_t)cfg.seed, v->name);
		cfg.seed++;
	} while (!cfg.trace && (++n < SEEDS || adv_clock() < until));
	if (!cfg.trace)
		print_message("%u seeds from %#jx\n", n, (uintmax_t)adv_first_seed());
}

static void same_seed_same_run(const struct iodt_variant *v, enum adv_twin twin)
{
	struct adv_cfg cfg = { .v = v, .seed = adv_first_seed(), .twin = twin, .steps = STEPS };
	struct adv_result one, two;

	adv_determ(&cfg, &one);
	adv_determ(&cfg, &two);
	assert_int_equal(one.hash, two.hash);
	assert_int_equal(one.points, two.points);
	assert_int_equal(one.writes, two.writes);
	cfg.seed++;
	adv_determ(&cfg, &two);
	assert_int_not_equal(one.hash, two.hash);
}

int main(int argc, char **argv)
{
	static const struct adv_case cases[] = {
		{ "nothing_lost", ADV_NONE, 0, nothing_lost },
		{ "same_seed_same_run", ADV_NONE, 0, same_seed_same_run },
	};

	return adv_main(argc, argv, cases, IODT_ARRAY_SIZE(cases));
}
