/* SPDX-License-Identifier: MIT */
/* Percentiles of any number of values in memory of fixed size. */
#include "replay.h"

#include <errno.h>
#include <stdlib.h>

#define EXACT_LG2 10 /* values below 2^10 have a bucket each */
#define EXACT	  (1u << EXACT_LG2)
#define HALF	  (EXACT / 2) /* buckets to each doubling above */
#define BUCKETS	  (EXACT + (64 - EXACT_LG2) * HALF)

static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < EXACT)
		return (unsigned)value;
	shift = 64 - EXACT_LG2 - (unsigned)__builtin_clzll(value);
	return EXACT + (shift - 1) * HALF + (unsigned)(value >> shift) - HALF;
}

/* The least value of a bucket. */
static uint64_t value_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < EXACT)
		return bucket;
	shift = (bucket - EXACT) / HALF + 1;
	return (uint64_t)((bucket - EXACT) % HALF + HALF) << shift;
}

int replay_hist_create(struct replay_hist *hist)
{
	hist->nr = hist->most = 0;
	hist->counts = calloc(BUCKETS, sizeof(*hist->counts));
	return hist->counts ? 0 : -ENOMEM;
}

void replay_hist_add(struct replay_hist *hist, uint64_t value, uint64_t nr)
{
	hist->counts[bucket_of(value)] += nr;
	hist->nr += nr;
	if (value > hist->most)
		hist->most = value;
}

uint64_t replay_hist_percentile(const struct replay_hist *hist, unsigned percent)
{
	uint64_t wanted = hist->nr / 100 * percent + (hist->nr % 100 * percent + 99) / 100;
	uint64_t seen = 0;
	unsigned i;

	if (percent >= 100)
		return hist->most;
	for (i = 0; i < BUCKETS; i++) {
		seen += hist->counts[i];
		if (seen && seen >= wanted)
			return value_of(i);
	}
	return hist->most;
}
