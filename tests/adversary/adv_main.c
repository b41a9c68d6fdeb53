/* SPDX-License-Identifier: MIT */
/* What the programs share: on which variants they run, for how long, and from which seed. */
#include <time.h>

#include "adv.h"

/* Every format, and of each what is different to split, merge, mark or prune. */
static const char *const variants[] = {
	"arm_lpae_s1-4k-ias48",
	"arm_lpae_s1-4k-ias48-haft",
	"arm_lpae_s1-4k-ias48-upper",
	"arm_lpae_s1-4k-norun",
	"arm_lpae_s1-16k-ias47",
	"arm_lpae_s1-64k-ias48",
	"arm_lpae_s2-4k-ias40",
	"arm_lpae_s2-4k-ias34-haft",
	"arm_lpae_s2-16k-ias48",
	"arm_lpae_s2-64k-ias48-oas52",
	"vtd_ss-3",
	"vtd_ss-4",
	"vtd_ss-4-ta",
	"vtd_ss-5",
	"vtd_fs-4",
	"vtd_fs-4-ta",
	"vtd_fs-5",
	"amd_v1-mode3",
	"amd_v1-mode4",
	"amd_v1-grow1",
	"amd_v1-4k64k2m",
	"amd_v2-4",
	"amd_v2-5",
};

#define SOAK_CASES 40.0 /* that share the time of a soak, and some rounds */
#define LONGEST	   5.0

struct run {
	char name[100];
	const struct adv_case *test;
	const struct iodt_variant *v;
};

double adv_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

size_t adv_variants(void)
{
	return IODT_ARRAY_SIZE(variants);
}

uint64_t adv_first_seed(void)
{
	const char *seed = getenv("IOD_SEED");

	return seed ? strtoull(seed, NULL, 0) : UINT64_C(0xadf0);
}

double adv_seconds(double seconds)
{
	const char *soak = getenv("IOD_SOAK_SECONDS");
	double s = seconds * iodt_scale(1000) / 1000.0;

	if (soak && strtod(soak, NULL) / SOAK_CASES > s)
		s = strtod(soak, NULL) / SOAK_CASES;
	return s > LONGEST ? LONGEST : s;
}

static void run_body(void **state)
{
	const struct run *run = *state;

	run->test->fn(run->v, run->test->twin);
}

int adv_main(int argc, char **argv, const struct adv_case *cases, size_t nr)
{
	size_t max = nr * IODT_ARRAY_SIZE(variants), i, k, n = 0;
	struct CMUnitTest *unit = calloc(max, sizeof(*unit));
	struct run *run = calloc(max, sizeof(*run));
	int ret = 1;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	for (i = 0; unit && run && i < nr; i++) {
		for (k = 0; k < IODT_ARRAY_SIZE(variants); k++) {
			const struct iodt_variant *v = iodt_variant(variants[k]);

			if (!v || !iod_format_ops(v->format) ||
			    (iodt_caps(v) & cases[i].need) != cases[i].need)
				continue;
			run[n].test = &cases[i];
			run[n].v = v;
			snprintf(run[n].name, sizeof(run[n].name), "%s[%s]", cases[i].name,
				 v->name);
			unit[n] = (struct CMUnitTest){ run[n].name, run_body, NULL, NULL, &run[n] };
			n++;
		}
	}
	if (unit && run)
		ret = n ? _cmocka_run_group_tests(argv[0], unit, n, NULL, NULL) : 77;
	free(unit);
	free(run);
	return ret;
}
