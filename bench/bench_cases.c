/* SPDX-License-Identifier: MIT */
/*
 * What there is to measure, and the bounds.
 *
 * A bound is in ns per item and comes from what the best code known reaches on one machine (4.5 GHz,
 * 45 GB/s), so `over` on a slower machine is no defect; the ratio to the machine's limit is what
 * travels. Formats for which nobody has a figure have their nearest relative's bound.
 */
#include "bench.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define SWEEP(_state, _dirty, _mode, _sweep, _limit, _recycled)                            \
	{                                                                                  \
		.bench = "sweep", .state = _state, .mode = _mode, .ops = &bench_sweep_ops, \
		.limit = _limit, .dirty = _dirty, .sweep = _sweep, .recycled = _recycled,  \
	}
#define SWEEP_KEEP(_state, _dirty) SWEEP(_state, _dirty, "keep", IOD_SWEEP_READ, "read", false)
#define SWEEP_CLEAR(_state, _dirty, _limit) \
	SWEEP(_state, _dirty, "clear", IOD_SWEEP_CLEAR, _limit, false)

/* The recycled cases unmap and map the range again, which the sweeps before them must not see. */
const struct bench_case bench_cases[] = {
	SWEEP_KEEP("clean", 0),
	SWEEP_KEEP("dirty0.1", 1),
	SWEEP_KEEP("dirty10", 100),
	SWEEP_KEEP("dirty100", 1000),
	SWEEP_CLEAR("clean", 0, "read"),
	SWEEP_CLEAR("dirty0.1", 1, "read"),
	/* With every tenth entry dirty, more than half of all cache lines are written. */
	SWEEP_CLEAR("dirty10", 100, "rmw"),
	SWEEP_CLEAR("dirty100", 1000, "rmw"),
	{ .bench = "translate",
	  .state = "all",
	  .mode = "random",
	  .ops = &bench_translate_ops,
	  .limit = "load",
	  .items = MIB,
	  .warm = true },
	{ .bench = "translate",
	  .state = "256M",
	  .mode = "random",
	  .ops = &bench_translate_ops,
	  .limit = "load",
	  .items = MIB,
	  .span = 256 * MIB,
	  .warm = true },
	{ .bench = "map",
	  .state = "fresh",
	  .mode = "range",
	  .ops = &bench_map_fresh_ops,
	  .limit = "write_fresh" },
	{ .bench = "map",
	  .state = "recycled",
	  .mode = "range",
	  .ops = &bench_map_ops,
	  .limit = "write" },
	{ .bench = "map",
	  .state = "percall",
	  .mode = "page",
	  .ops = &bench_map_call_ops,
	  .limit = "write",
	  .span = GIB,
	  .warm = true },
	{ .bench = "unmap",
	  .state = "range",
	  .mode = "sync",
	  .ops = &bench_unmap_ops,
	  .limit = "read" },
	{ .bench = "unmap",
	  .state = "percall",
	  .mode = "page",
	  .ops = &bench_unmap_call_ops,
	  .limit = "read",
	  .span = GIB,
	  .warm = true },
	SWEEP("clean_recycled", 0, "keep", IOD_SWEEP_READ, "read", true),
};
const size_t bench_nr_cases = sizeof(bench_cases) / sizeof(bench_cases[0]);

static double sweep_bound(enum iod_format format)
{
	switch (format) {
	case IOD_VTD_SS:
	case IOD_VTD_FS:
	case IOD_AMD_V2:
		return 0.75;
	case IOD_AMD_V1:
		return 1.4;
	case IOD_ARM_LPAE_S1:
	case IOD_ARM_LPAE_S2:
		return 1.9;
	}
	return 0;
}

/* Most ns per item, or 0 when the case has no bound. */
double bench_bound(const struct bench_case *c, enum iod_format format)
{
	if (c->ops == &bench_sweep_ops && c->dirty == 0)
		return sweep_bound(format);
	if (c->ops == &bench_map_ops || c->ops == &bench_map_fresh_ops)
		return 1.25;
	if (c->ops == &bench_unmap_ops)
		return 1.0;
	return 0;
}
