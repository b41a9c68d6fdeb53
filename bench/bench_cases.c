/* SPDX-License-Identifier: MIT */
/*
 * What there is to measure, and the bounds.
 *
 * Most bounds are ratios to what the machine does with the same memory in the same repetition, and so
 * hold on any machine. Those in ns per item are of a core at 4.5 GHz with 45 GB/s of memory: `over` on a
 * slower one is no defect.
 */
#include "bench.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define ALL                                                                          \
	(BENCH_F(IOD_ARM_LPAE_S1) | BENCH_F(IOD_ARM_LPAE_S2) | BENCH_F(IOD_VTD_SS) | \
	 BENCH_F(IOD_VTD_FS) | BENCH_F(IOD_AMD_V1) | BENCH_F(IOD_AMD_V2))
/* Formats with pages of 64 KiB that take 16 items. */
#define WITH_RUNS (BENCH_F(IOD_ARM_LPAE_S1) | BENCH_F(IOD_ARM_LPAE_S2) | BENCH_F(IOD_AMD_V1))
/* Formats whose hardware is known to mark table entries. */
#define PRUNABLE                                                                     \
	(BENCH_F(IOD_ARM_LPAE_S1) | BENCH_F(IOD_ARM_LPAE_S2) | BENCH_F(IOD_VTD_SS) | \
	 BENCH_F(IOD_VTD_FS))

#define KEEP	     .mode = "keep", .sweep = IOD_SWEEP_READ
#define CLEAR	     .mode = "clear", .sweep = IOD_SWEEP_CLEAR
#define RATIO(value) .bound = { BENCH_RATIO, value }
#define NS(value)    .bound = { BENCH_NS, value }

#define SWEEP	     .bench = "sweep", .formats = ALL, .ops = &bench_sweep_ops, .page = "4K"
#define SCATTERED                                                                    \
	.bench = "scattered", .formats = ALL, .ops = &bench_sweep_ops, .page = "4K", \
	.layout = BENCH_SCATTERED, .limit = &bench_limit_random
#define RUNS                                                                           \
	.bench = "runs", .formats = WITH_RUNS, .ops = &bench_sweep_ops, .page = "64K", \
	.layout = BENCH_RUNS, .limit = &bench_limit_plain
#define PRUNE                                                                                \
	.bench = "prune", .formats = PRUNABLE, .ops = &bench_prune_ops, .page = "4K", CLEAR, \
	.layout = BENCH_WIDE, .limit = &bench_limit_full
#define SHARES                                                                     \
	.bench = "shares", .formats = ALL, .ops = &bench_shares_ops, .page = "4K", \
	.limit = &bench_limit_one_thread, .threads = true, .bound = { BENCH_SPEEDUP, 1.7 }
#define TRANSLATE                                                                        \
	.bench = "translate", .formats = ALL, .ops = &bench_translate_ops, .page = "4K", \
	.mode = "random", .limit = &bench_limit_load, .items = MIB, .warm = true
#define MAP		  .bench = "map", .formats = ALL, .page = "4K"
#define UNMAP		  .bench = "unmap", .formats = ALL, .page = "4K", .limit = &bench_limit_write
#define UNMAP_DIRTY	  .bench = "unmap", .mode = "dirty"
#define UNMAP_DIRTY_RANGE UNMAP_DIRTY, .formats = ALL, .ops = &bench_unmap_dirty_ops
#define SPLIT \
	.bench = "split", .ops = &bench_split_ops, .mode = "4K", .limit = &bench_limit_rmw_plain
#define MERGE                                                                  \
	.bench = "merge", .ops = &bench_merge_ops, .page = "4K", .mode = "2M", \
	.limit = &bench_limit_rmw_plain
#define DIRECT .formats = ALL, .layout = BENCH_RESIZE_2M
/* By break-before-make, for hardware that bears nothing else. */
#define BREAK .formats = BENCH_F(IOD_ARM_LPAE_S1) | BENCH_F(IOD_ARM_LPAE_S2), .layout = BENCH_BREAK
#define BESIDE                                                                     \
	.bench = "beside", .formats = ALL, .ops = &bench_beside_ops, .page = "4K", \
	.limit = &bench_limit_traffic, .threads = true
#define PAUSE                                                                    \
	.bench = "pause", .formats = ALL, .ops = &bench_pause_ops, .page = "4K", \
	.limit = &bench_limit_alone, .items = 1, .warm = true, .threads = true
#define BITMAP .bench = "bitmap", .page = "-"
/* A log's sync; mode: what the guest's memory is shuffled in. */
#define JOIN                                                                   \
	.bench = "join", .formats = ALL, .ops = &bench_join_ops, .page = "4K", \
	.limit = &bench_limit_unjoined, .span = GIB
/* Commands one by one: 50 million a second. */
#define CMD(vendor)                                                                      \
	.bench = vendor, .page = "-", .limit = &bench_limit_copy_cmds, .items = 4 * MIB, \
	.warm = true
#define ENCODE	  .mode = "encode", .ops = &bench_encode_ops, NS(20)
#define DECODE	  .mode = "decode", .ops = &bench_decode_ops, NS(20)
#define SMMU_CMD  CMD("smmu_cmd")
#define VTD_CMD	  CMD("vtd_cmd")
#define AMDVI_CMD CMD("amdvi_cmd")
/* A gather becomes commands: 50 million a second. */
#define INV(vendor)                                                                      \
	.bench = vendor, .page = "-", .ops = &bench_inv_ops, .limit = &bench_limit_copy, \
	.items = MIB, .warm = true
#define SMMU_INV  INV("smmu_inv")
#define VTD_INV	  INV("vtd_inv")
#define AMDVI_INV INV("amdvi_inv")
/* A guest's commands become the host's: 50 million a second. */
#define GUEST(vendor)                                                                            \
	.bench = vendor, .page = "-", .ops = &bench_guest_ops, .limit = &bench_limit_copy_guest, \
	.items = MIB, .warm = true
#define SMMU_GUEST  GUEST("smmu_guest")
#define VTD_GUEST   GUEST("vtd_guest")
#define AMDVI_GUEST GUEST("amdvi_guest")

/* A guest's table is followed by its shadow. */
#define SHADOW                                                                                     \
	.bench = "shadow", .page = "4K", .formats = BENCH_F(IOD_VTD_SS), .ops = &bench_shadow_ops, \
	.limit = &bench_limit_read_both, .warm = true

/* The map and unmap cases build the plain tables anew, which the sweeps before them must not see. */
const struct bench_case bench_cases[] = {
	/* clang-format off */
	{ SWEEP, .state = "clean", KEEP, .limit = &bench_limit_read, RATIO(1.08) },
	{ SWEEP, .state = "clean", CLEAR, .limit = &bench_limit_read, RATIO(1.08) },
	{ SWEEP, .state = "dirty0.1", KEEP, .limit = &bench_limit_read,
	  .pattern = BENCH_DIRTY_0_1 },
	{ SWEEP, .state = "dirty0.1", CLEAR, .limit = &bench_limit_read, RATIO(1.2),
	  .pattern = BENCH_DIRTY_0_1 },
	{ SWEEP, .state = "dirty10", KEEP, .limit = &bench_limit_read, .pattern = BENCH_DIRTY_10 },
	{ SWEEP, .state = "dirty10", CLEAR, .limit = &bench_limit_read, RATIO(1.3),
	  .pattern = BENCH_DIRTY_10 },
	/* With every tenth entry dirty, more than half of all cache lines are written. */
	{ SWEEP, .state = "dirty10_rmw", CLEAR, .limit = &bench_limit_rmw,
	  .pattern = BENCH_DIRTY_10 },
	{ SWEEP, .state = "dirty100", KEEP, .limit = &bench_limit_read, RATIO(1.1),
	  .pattern = BENCH_DIRTY_100 },
	{ SWEEP, .state = "dirty100", CLEAR, .limit = &bench_limit_rmw, RATIO(1.7),
	  .pattern = BENCH_DIRTY_100 },
	{ SWEEP, .state = "attached_clean", KEEP, .limit = &bench_limit_read, .attached = true },
	{ SWEEP, .state = "attached_dirty100", CLEAR, .limit = &bench_limit_locked, RATIO(1.05),
	  .pattern = BENCH_DIRTY_100, .attached = true },
	{ SHARES, .state = "clean", KEEP },
	{ SHARES, .state = "attached_dirty100", CLEAR, .pattern = BENCH_DIRTY_100,
	  .attached = true },
	{ JOIN, .state = "clean", .mode = "4K", RATIO(1.2) },
	{ JOIN, .state = "dirty0.1", .mode = "4K", .pattern = BENCH_DIRTY_0_1 },
	{ JOIN, .state = "dirty100", .mode = "4K", .pattern = BENCH_DIRTY_100 },
	{ JOIN, .state = "clean", .mode = "2M", RATIO(1.2) },
	{ JOIN, .state = "dirty0.1", .mode = "2M", RATIO(2.5), .pattern = BENCH_DIRTY_0_1 },
	{ JOIN, .state = "dirty100", .mode = "2M", RATIO(2.5), .pattern = BENCH_DIRTY_100 },
	{ TRANSLATE, .state = "all", NS(35) },
	{ TRANSLATE, .state = "256M", .span = 256 * MIB },
	{ SCATTERED, .state = "clean", KEEP, RATIO(1.15) },
	{ SCATTERED, .state = "clean", CLEAR, RATIO(1.15) },
	{ RUNS, .state = "clean", KEEP, RATIO(1.3) },
	{ RUNS, .state = "dirty10", KEEP, RATIO(1.3), .pattern = BENCH_DIRTY_10_RUNS },
	{ RUNS, .state = "dirty100", KEEP, RATIO(1.3), .pattern = BENCH_DIRTY_100 },
	{ RUNS, .state = "dirty100", CLEAR, RATIO(1.3), .pattern = BENCH_DIRTY_100 },
	{ RUNS, .state = "one_of_16", CLEAR, RATIO(1.3), .pattern = BENCH_DIRTY_ONE },
	{ .bench = "sweep", .formats = ALL, .ops = &bench_sweep_ops, .page = "2M", .state = "clean",
	  KEEP, .layout = BENCH_BLOCKS, .limit = &bench_limit_read },
	{ SPLIT, .page = "2M", .state = "clean", DIRECT, RATIO(2.5) },
	{ SPLIT, .page = "2M", .state = "dirty10", DIRECT, .pattern = BENCH_DIRTY_10 },
	{ MERGE, .state = "clean", DIRECT, RATIO(2.5) },
	{ MERGE, .state = "dirty10", DIRECT, RATIO(2.5), .pattern = BENCH_DIRTY_10 },
	{ SPLIT, .page = "2M", .state = "clean_break", BREAK },
	{ MERGE, .state = "clean_break", BREAK },
	{ SPLIT, .page = "1G", .state = "clean", .formats = ALL, .layout = BENCH_RESIZE_1G, RATIO(2.5) },
	{ BESIDE, .state = "pages", CLEAR, RATIO(1.15), .noise = BENCH_NOISE_PAGES },
	{ BESIDE, .state = "pages_dirty100", CLEAR, RATIO(1.15), .pattern = BENCH_DIRTY_100,
	  .noise = BENCH_NOISE_PAGES },
	{ BESIDE, .state = "ranges", CLEAR, RATIO(1.15), .noise = BENCH_NOISE_RANGES },
	{ BESIDE, .state = "resize", CLEAR, RATIO(1.15), .layout = BENCH_BESIDE,
	  .noise = BENCH_NOISE_RESIZE },
	{ PAUSE, .state = "clean", KEEP, NS(5000) },
	{ PAUSE, .state = "dirty100", CLEAR, NS(5000), .pattern = BENCH_DIRTY_100 },
	{ PRUNE, .state = "touched0.1", .bound = { BENCH_INVERSE, 100 } },
	{ PRUNE, .state = "touched100", RATIO(1.1), .pattern = BENCH_DIRTY_100 },
	{ MAP, .state = "fresh", .mode = "range", .ops = &bench_map_fresh_ops,
	  .limit = &bench_limit_fault, RATIO(1.2) },
	{ MAP, .state = "recycled", .mode = "range", .ops = &bench_map_ops,
	  .limit = &bench_limit_write, RATIO(1.3) },
	{ MAP, .state = "percall", .mode = "page", .ops = &bench_map_call_ops,
	  .limit = &bench_limit_write, NS(6), .span = GIB, .warm = true },
	{ UNMAP, .state = "range", .mode = "sync", .ops = &bench_unmap_ops, NS(0.02) },
	{ UNMAP, .state = "partial", .mode = "sync", .ops = &bench_unmap_partial_ops, RATIO(1.3) },
	{ UNMAP, .state = "percall", .mode = "page", .ops = &bench_unmap_call_ops, NS(8),
	  .span = GIB, .warm = true },
	{ UNMAP_DIRTY_RANGE, .page = "4K", .state = "clean", .limit = &bench_limit_read_once,
	  RATIO(1.3) },
	/* The same against an unmap that reads no table. */
	{ UNMAP_DIRTY_RANGE, .page = "4K", .state = "clean_plain", .limit = &bench_limit_unmap },
	{ UNMAP_DIRTY_RANGE, .page = "4K", .state = "dirty100", .limit = &bench_limit_read_once,
	  .pattern = BENCH_DIRTY_100 },
	{ UNMAP_DIRTY_RANGE, .page = "2M", .state = "clean", .layout = BENCH_BLOCKS,
	  .limit = &bench_limit_unmap },
	{ UNMAP_DIRTY, .formats = PRUNABLE, .page = "4K", .state = "untouched",
	  .ops = &bench_unmap_dirty_ops, .layout = BENCH_MARKED, .limit = &bench_limit_unmap,
	  RATIO(1.3) },
	{ UNMAP_DIRTY, .formats = ALL, .page = "4K", .state = "partial",
	  .ops = &bench_unmap_dirty_partial_ops, .limit = &bench_limit_locked, RATIO(1.5) },
	{ UNMAP_DIRTY, .formats = ALL, .page = "4K", .state = "percall",
	  .ops = &bench_unmap_dirty_call_ops, .limit = &bench_limit_unmap_call, NS(20),
	  .span = GIB, .warm = true },
	{ SWEEP, .state = "clean_recycled", KEEP, .limit = &bench_limit_read, RATIO(1.08),
	  .recycled = true },
	{ SMMU_CMD, .state = "tlbi", ENCODE },
	{ SMMU_CMD, .state = "tlbi", DECODE },
	{ SMMU_CMD, .state = "mixed", ENCODE },
	{ SMMU_CMD, .state = "mixed", DECODE },
	{ VTD_CMD, .state = "pages", ENCODE },
	{ VTD_CMD, .state = "pages", DECODE },
	{ VTD_CMD, .state = "mixed", ENCODE },
	{ VTD_CMD, .state = "mixed", DECODE },
	{ AMDVI_CMD, .state = "pages", ENCODE },
	{ AMDVI_CMD, .state = "pages", DECODE },
	{ AMDVI_CMD, .state = "mixed", ENCODE },
	{ AMDVI_CMD, .state = "mixed", DECODE },
	{ SMMU_INV, .state = "scattered", .mode = "ranges", NS(20) },
	{ SMMU_INV, .state = "scattered", .mode = "single", NS(20) },
	{ SMMU_INV, .state = "random", .mode = "ranges", NS(20) },
	{ SMMU_INV, .state = "unmap32M", .mode = "ranges" },
	{ SMMU_INV, .state = "unmap32M", .mode = "single", NS(20) },
	{ SMMU_INV, .state = "issued", .mode = "ranges", NS(20) },
	{ VTD_INV, .state = "scattered", .mode = "blocks", NS(20) },
	{ VTD_INV, .state = "scattered", .mode = "cost", NS(20) },
	{ VTD_INV, .state = "random", .mode = "blocks", NS(20) },
	{ VTD_INV, .state = "random", .mode = "cost" },
	{ VTD_INV, .state = "unmap32M", .mode = "blocks" },
	{ VTD_INV, .state = "issued", .mode = "blocks", NS(20) },
	{ AMDVI_INV, .state = "scattered", .mode = "blocks", NS(20) },
	{ AMDVI_INV, .state = "scattered", .mode = "cost", NS(20) },
	{ AMDVI_INV, .state = "random", .mode = "blocks", NS(20) },
	{ AMDVI_INV, .state = "random", .mode = "cost" },
	{ AMDVI_INV, .state = "unmap32M", .mode = "blocks" },
	{ AMDVI_INV, .state = "issued", .mode = "blocks", NS(20) },
	{ SMMU_GUEST, .state = "pages", .mode = "ranges", NS(20) },
	{ SMMU_GUEST, .state = "pages", .mode = "single", NS(20) },
	{ SMMU_GUEST, .state = "scattered", .mode = "ranges", NS(20) },
	{ SMMU_GUEST, .state = "scattered", .mode = "single", NS(20) },
	{ SMMU_GUEST, .state = "mixed", .mode = "ranges", NS(20) },
	{ SMMU_GUEST, .state = "mixed", .mode = "single", NS(20) },
	{ VTD_GUEST, .state = "pages", .mode = "blocks", NS(20) },
	{ VTD_GUEST, .state = "scattered", .mode = "blocks", NS(20) },
	{ VTD_GUEST, .state = "mixed", .mode = "blocks", NS(20) },
	{ AMDVI_GUEST, .state = "pages", .mode = "blocks", NS(20) },
	{ AMDVI_GUEST, .state = "scattered", .mode = "blocks", NS(20) },
	{ AMDVI_GUEST, .state = "mixed", .mode = "blocks", NS(20) },
	{ SHADOW, .state = "nvme-fio", .mode = "dsi", RATIO(4), .items = 256 },
	{ SHADOW, .state = "gpu", .mode = "dsi", RATIO(3), .items = 16 },
	{ SHADOW, .state = "kept", .mode = "page", RATIO(2), .items = MIB },
	{ SHADOW, .state = "gone", .mode = "page", RATIO(4), .items = MIB },
	{ BITMAP, .state = "random", .mode = "count", .ops = &bench_count_ops,
	  .limit = &bench_limit_bitmap_read, RATIO(1.3), .pattern = BENCH_DIRTY_10 },
	{ BITMAP, .state = "random", .mode = "or", .ops = &bench_or_ops,
	  .limit = &bench_limit_bitmap_or, RATIO(1.3), .pattern = BENCH_DIRTY_10 },
	{ BITMAP, .state = "clusters0.1", .mode = "iterate", .ops = &bench_iterate_ops,
	  .limit = &bench_limit_bitmap_read, RATIO(1.3), .pattern = BENCH_DIRTY_10_RUNS },
	{ BITMAP, .state = "bits0.1", .mode = "iterate", .ops = &bench_iterate_ops,
	  .limit = &bench_limit_bitmap_read, .pattern = BENCH_DIRTY_0_1 },
	/* clang-format on */
};
const size_t bench_nr_cases = sizeof(bench_cases) / sizeof(bench_cases[0]);
