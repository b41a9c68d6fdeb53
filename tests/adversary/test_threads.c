/* SPDX-License-Identifier: MIT */
/* The adversary as threads: every format, for a while; a new world every so often. */
#include "adv.h"

#define SECONDS	      0.45
#define SECONDS_WORLD 0.25

static void nothing_lost(const struct iodt_variant *v, enum adv_twin twin)
{
	double seconds = adv_seconds(SECONDS), until = adv_clock() + seconds;
	struct adv_cfg cfg = { .v = v, .seed = adv_first_seed(), .twin = twin };
	struct adv_result res;

	cfg.seconds = seconds < SECONDS_WORLD ? seconds : SECONDS_WORLD;
	do {
		adv_threads(&cfg, &res);
		if (res.failed)
			fail_msg("IOD_SEED=%#jx: %s", (uintmax_t)cfg.seed, res.what);
		if (getenv("IOD_TRACE"))
			print_message(
				"%#jx: %ju writes, %ju faults, %ju sweeps, %ju copied, %ju split, "
				"%ju merged, %ju unmaps, %ju maps\n",
				(uintmax_t)cfg.seed, (uintmax_t)res.writes, (uintmax_t)res.faults,
				(uintmax_t)res.sweeps, (uintmax_t)res.copied, (uintmax_t)res.splits,
				(uintmax_t)res.merges, (uintmax_t)res.unmaps, (uintmax_t)res.maps);
		cfg.seed++;
	} while (adv_clock() < until);
}

int main(int argc, char **argv)
{
	static const struct adv_case cases[] = {
		{ "nothing_lost", ADV_NONE, 0, nothing_lost },
	};

	return adv_main(argc, argv, cases, IODT_ARRAY_SIZE(cases));
}
