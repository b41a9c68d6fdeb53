/* SPDX-License-Identifier: MIT */
/*
 * The property test: random operations on every format and configuration.
 *
 * IOD_SEED (decimal, or hexadecimal with 0x) replays; without it two fixed seeds run: the same test
 * gives the same answer, and ./dev soak looks for new ones. IOD_TEST_SCALE is percent of the operations; IOD_TRACE prints each of them. A failure
 * is shrunk: operations are left out as long as it stays a failure, and what remains is printed.
 */
#include <time.h>

#include "prop.h"

#define FIRST_SEED  UINT64_C(0x10d1547)
#define SECOND_SEED UINT64_C(0xe04d97e0572af3a9)
#define OPERATIONS  12000 /* for each variant and seed */
#define SHRINK_RUNS 300
#define SHRINK_TIME 30.0 /* seconds */

static uint64_t seeds[2], total;
static size_t nr_seeds;
static double began;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* The same seed on two variants means two sequences. */
static uint64_t seed_of(const struct iodt_variant *v, uint64_t seed)
{
	const char *s;

	for (s = v->name; *s; s++)
		seed = (seed ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return seed;
}

/* ---- a failure made short ---- */

static bool still_fails(const struct prop_cfg *cfg, unsigned int *runs, double until)
{
	struct prop_result res;

	if (*runs == 0 || now() > until)
		return false;
	(*runs)--;
	prop_run(cfg, &res);
	return res.failed;
}

static void shrink(struct prop_cfg *cfg, unsigned char *skip)
{
	unsigned int runs = SHRINK_RUNS, chunk, at, i, n;
	double until = now() + SHRINK_TIME;
	unsigned char *kept = calloc(cfg->ops + 1, 1);

	cfg->skip = skip;
	for (chunk = cfg->ops / 2; kept && chunk; chunk /= 2) {
		for (at = 0; at < cfg->ops; at += chunk) {
			memcpy(kept, skip, cfg->ops);
			for (i = at, n = 0; i < at + chunk && i < cfg->ops; i++, n += !kept[i - 1])
				skip[i] = 1;
			if (n && !still_fails(cfg, &runs, until))
				memcpy(skip, kept, cfg->ops);
		}
	}
	free(kept);
}

static void explain(struct prop_cfg cfg, const struct prop_result *res, uint64_t seed)
{
	unsigned char *skip;
	struct prop_result again;

	print_error("%s\noperation %u of %u; again with: IOD_SEED=%#jx IOD_TEST_SCALE=%s\n",
		    res->what, res->op, cfg.ops, (uintmax_t)seed,
		    getenv("IOD_TEST_SCALE") ? getenv("IOD_TEST_SCALE") : "100");
	cfg.ops = res->op + 1 < cfg.ops ? res->op + 1 : cfg.ops;
	skip = calloc(cfg.ops, 1);
	if (!skip)
		return;
	shrink(&cfg, skip);
	cfg.trace = true;
	print_message("what remains of it:\n");
	prop_run(&cfg, &again);
	print_error("%s\n", again.failed ? again.what : "(not every time)");
	free(skip);
}

static void random_ops(struct iodt *t)
{
	struct prop_result res;
	struct prop_cfg cfg = { .v = t->v, .ops = iodt_scale(OPERATIONS) };
	size_t i;

	cfg.trace = getenv("IOD_TRACE");
	for (i = 0; i < nr_seeds; i++) {
		cfg.seed = seed_of(t->v, seeds[i]);
		prop_run(&cfg, &res);
		total += res.done;
		if (!res.failed)
			continue;
		explain(cfg, &res, seeds[i]);
		fail_msg("%s", res.what);
	}
}

static bool all_formats(void)
{
	int f;

	for (f = IOD_ARM_LPAE_S1; f <= IOD_AMD_V2; f++)
		if (!iod_format_ops((enum iod_format)f))
			return false;
	return true;
}

/* Last: how many there were. */
static void a_million(void **state)
{
	double seconds = now() - began;

	print_message("%ju operations in %.1f s, %.0f a second\n", (uintmax_t)total, seconds,
		      (double)total / seconds);
	if (!all_formats() || iodt_scale(100) < 100 || nr_seeds < 2)
		skip();
	assert_true(total >= 1000000);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "random_ops", IODT_RESIZE, 0, random_ops },
	};
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(a_million),
	};
	const char *seed = getenv("IOD_SEED");
	size_t i;

	seeds[nr_seeds++] = seed ? strtoull(seed, NULL, 0) : FIRST_SEED;
	if (!seed)
		seeds[nr_seeds++] = SECOND_SEED;
	for (i = 0; i < nr_seeds; i++)
		print_message("IOD_SEED=%#jx\n", (uintmax_t)seeds[i]);
	began = now();
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
