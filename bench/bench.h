/* SPDX-License-Identifier: MIT */
/*
 * The microbenchmarks behind `iodirty bench`.
 *
 * A case (bench_case) is one thing to measure; with a format it makes a row of the report. A rig holds
 * one format's page tables (bench_tables.h) and what is needed to prepare, verify and compare. Every
 * repetition times the work and, in the same process run, what the bound compares it with, so that
 * the ratio holds whatever the neighbours do to the absolute figures.
 */
#ifndef IODIRTY_BENCH_H
#define IODIRTY_BENCH_H

#include "bench_tables.h"

#include <stdio.h>

#define BENCH_MAX_REPS	 101u
#define BENCH_MAX_SPREAD 0.03 /* relative median absolute deviation of a quiet row */
#define BENCH_NR_FORMATS 6
#define BENCH_WIDE_RANGE (UINT64_C(1) << 40)

/* Exit codes of cmd_bench(), those of the program's other subcommands. */
enum bench_exit {
	BENCH_OK = 0,
	BENCH_USAGE = 1,
	BENCH_FAILED = 2, /* a result was wrong, something failed, or with --strict: a bound */
	BENCH_OVER = BENCH_FAILED,
};

/* The subcommand. Declared by the program as well. */
int cmd_bench(int argc, char **argv);

struct bench_options {
	bool quick;
	bool strict;
	bool list;
	const char *filter;	/* regular expression, or NULL */
	const char *json;	/* file, or NULL */
	enum iod_format format; /* 0: all that are compiled in */
	uint64_t memory;	/* bytes of IOVA that are mapped, a power of two */
	uint32_t reps;		/* 0: until the spread is small or time is up */
};

struct bench_case;
struct bench_bitmaps;

/* One format under measurement; format 0: what has no format. */
struct bench_rig {
	enum iod_format format;
	uint64_t memory, wide; /* bytes of IOVA: of most cases, of pruned sweeps */
	uint64_t bitmap_range;
	struct bench_tables plain;   /* 4 KiB pages; always there */
	struct bench_tables special; /* of another layout, while a case needs it */
	struct bench_tables *t;	     /* those of the case under measurement */

	struct iod_sweep sweep; /* of the last repetition */
	struct iod_pgtable *attached;
	struct iod_gather *attached_gather;

	/* A second page table, for what needs fresh memory or one call per page. */
	struct iod_mem *aux_mem;
	struct iod_pgtable *aux_pt;
	struct iod_gather *aux_gather;

	struct bench_bitmaps *bitmaps;
	uint64_t sum;  /* result of the last repetition of translate, popcount, iterate */
	uint64_t done; /* bytes that map or unmap say they did */
	double bus;    /* shares: what two threads gain at the limit's work */
	double work_ns; /* what the work took by its own watch, where that is not the whole; else 0 */
	double worst, worst_alone; /* pause: the longest call, ns; and without a sweep */
	double commands, excess;   /* *_inv: commands of a batch, and how many were too many */
};

/* How one case is repeated. All return 0 or a negative errno, explained by bench_fail(). */
struct bench_ops {
	int (*prepare)(struct bench_rig *rig,
		       const struct bench_case *c);			 /* untimed; may be NULL */
	int (*work)(struct bench_rig *rig, const struct bench_case *c);	 /* timed */
	int (*check)(struct bench_rig *rig, const struct bench_case *c); /* untimed */
};

/* What a case is compared with. */
struct bench_limit {
	const char *name; /* as in the report */
	/* ns per item of the case; negative: failed, explained by bench_fail() */
	double (*measure)(struct bench_rig *rig, const struct bench_case *c);
	bool twice; /* changes nothing: measured before and after the work, so that drift cancels */
};

enum bench_bound_kind {
	BENCH_NO_BOUND = 0,
	BENCH_RATIO,   /* work / limit at most */
	BENCH_INVERSE, /* work / limit at most 1 / value */
	BENCH_NS,      /* ns per item at most */
	BENCH_SPEEDUP, /* limit / work at least; or, when that is less, nearly what the bus gives */
};

struct bench_bound {
	enum bench_bound_kind kind;
	double value;
};

/* What a second thread does to the page table that is swept. */
enum bench_noise {
	BENCH_NOISE_PAGES = 0, /* maps and unmaps pages, one a call */
	BENCH_NOISE_RANGES,    /* maps and unmaps 1 GiB, in 4 KiB pages */
	BENCH_NOISE_RESIZE,    /* splits and merges 1 GiB */
};

/* One thing to measure, for every format in the mask. */
struct bench_case {
	const char *bench, *page, *state, *mode; /* as in the report */
	unsigned int formats;			 /* BENCH_F(); 0: needs no format */
	const struct bench_ops *ops;
	const struct bench_limit *limit;
	struct bench_bound bound;
	enum bench_layout layout;
	enum bench_pattern pattern;
	enum iod_sweep_mode sweep;
	uint64_t items;		/* 0: every page of the range; without a format: of the bitmap's */
	uint64_t span;		/* bytes of IOVA used, at most; 0: the range */
	bool recycled;		/* tables that were freed and handed out again */
	bool attached;		/* through a page table that does not own the tables */
	bool warm;		/* do not evict the caches */
	bool threads;		/* needs two CPUs */
	enum bench_noise noise; /* beside: what the second thread does */
};

#define BENCH_F(format) (1u << (format))

/* A measured row. */
struct bench_row {
	const struct bench_case *c;
	enum iod_format format;
	char name[96]; /* bench/format/page/state/mode */
	uint64_t range, items;
	bool ok, noisy;
	double bound; /* as in the case, but for speed-ups, where the bus may lower it */
	double ns, min, max, mad;  /* per item; ns is the median */
	double limit, ratio;	   /* medians; ratio: of the pairs measured side by side */
	double spread;		   /* relative mad of what the bound is about */
	double bus;		   /* median; 0 when there is none */
	double worst, worst_alone; /* most of all repetitions; 0 when there is none */
	double commands, excess;   /* of a batch; 0 when there are none */
	uint32_t reps, disturbed;  /* repetitions that count; how many were preempted */
};

/* Time and repetitions that a row may take. */
struct bench_budget {
	double ns;
	uint32_t min_reps, max_reps;
};

/* bench_cases.c: what there is to measure. The order is the order of measurement. */
extern const struct bench_case bench_cases[];
extern const size_t bench_nr_cases;

/* bench_sweep.c, bench_prune.c, bench_shares.c, bench_map.c, bench_unmap.c, ... */
extern const struct bench_ops bench_sweep_ops;
extern const struct bench_ops bench_prune_ops;
extern const struct bench_ops bench_shares_ops;
extern const struct bench_ops bench_map_fresh_ops, bench_map_ops, bench_map_call_ops;
extern const struct bench_ops bench_unmap_ops, bench_unmap_partial_ops, bench_unmap_call_ops;
extern const struct bench_ops bench_unmap_dirty_ops, bench_unmap_dirty_partial_ops;
extern const struct bench_ops bench_unmap_dirty_call_ops;
extern const struct bench_ops bench_split_ops, bench_merge_ops;
extern const struct bench_ops bench_beside_ops, bench_pause_ops;
extern const struct bench_ops bench_translate_ops;
extern const struct bench_ops bench_join_ops;
extern const struct bench_ops bench_inv_ops;
extern const struct bench_ops bench_guest_ops;
extern const struct bench_ops bench_shadow_ops;
extern const struct bench_ops bench_encode_ops, bench_decode_ops;
extern const struct bench_ops bench_count_ops, bench_or_ops, bench_iterate_ops;

/* bench_limit.c, and the files of what they are limits of. */
extern const struct bench_limit bench_limit_read, bench_limit_random, bench_limit_rmw;
extern const struct bench_limit bench_limit_locked, bench_limit_write, bench_limit_fault;
extern const struct bench_limit bench_limit_load;
extern const struct bench_limit bench_limit_read_once; /* where the work takes the tables away */
extern const struct bench_limit bench_limit_rmw_plain; /* of as many plain tables */
extern const struct bench_limit bench_limit_unmap, bench_limit_unmap_call; /* without dirty */
extern const struct bench_limit bench_limit_traffic;	 /* the sweep beside plain stores */
extern const struct bench_limit bench_limit_alone;	 /* the same calls without a sweep */
extern const struct bench_limit bench_limit_plain;	 /* the same sweep of plain tables */
extern const struct bench_limit bench_limit_full;	 /* the same sweep without pruning */
extern const struct bench_limit bench_limit_unjoined;	 /* the same sync without a join */
extern const struct bench_limit bench_limit_one_thread;	 /* the same sweep without shares */
extern const struct bench_limit bench_limit_copy_guest;	 /* as many commands */
extern const struct bench_limit bench_limit_read_both;	 /* iod_visit() of both tables */
extern const struct bench_limit bench_limit_bitmap_read; /* of one bitmap */
extern const struct bench_limit bench_limit_bitmap_or;	 /* read two, write one */
extern const struct bench_limit bench_limit_copy;	 /* as many commands */
extern const struct bench_limit bench_limit_copy_cmds;	 /* those that are encoded or decoded */
int bench_limit_init(uint64_t table_bytes);
void bench_limit_exit(void);
void bench_evict(void);

/* bench_measure.c: time, and repeat a case. bench_measure() fills all but c, format and name. */
struct bench_watch {
	double wall, cpu; /* ns */
	long preempted;
};
double bench_now(void);
double bench_cpu_now(void);
long bench_preemptions(void);
void bench_note_preemption(void);
struct bench_watch bench_start(void);
double bench_stop(const struct bench_watch *watch);
int bench_measure(struct bench_rig *rig, struct bench_row *row, const struct bench_budget *budget);

/* bench_rig.c: one format's page tables. */
int bench_rig_init(struct bench_rig *rig, enum iod_format format, uint64_t memory, uint64_t wide);
void bench_rig_exit(struct bench_rig *rig);
int bench_rig_use(struct bench_rig *rig, const struct bench_case *c);
int bench_attach(struct bench_rig *rig);
void bench_detach(struct bench_rig *rig);

/* bench_sweep.c: the parts of a sweep's repetition. */
void bench_sweep_begin(struct bench_tables *t, struct iod_sweep *sweep, enum iod_sweep_mode mode);
int bench_sweep_verify(struct bench_tables *t, const struct iod_sweep *sweep,
		       struct iod_gather *gather);

/* bench_threads.c: the CPU that we stay on, and one thread on another. */
void bench_pin(void);
bool bench_has_helper(void);
int bench_helper_start(void);
void bench_helper_stop(void);
double bench_both(void (*fn)(void *arg), void *here, void *there);
bool bench_noise_goes_on(void);
double bench_beside(void (*work)(void *arg), void *arg, void (*noise)(void *arg), void *noise_arg);

/* bench_shares.c, bench_beside.c, bench_pause.c, bench_join.c, bench_bitmap.c */
void bench_shares_end(void);
void bench_beside_end(void);
void bench_pause_end(void);
void bench_join_end(void);
void bench_bitmaps_free(struct bench_rig *rig);

/* bench_report.c */
void bench_print_to(FILE *file);
void bench_print_header(void);
void bench_print_row(const struct bench_row *row);
void bench_print_skipped(const struct bench_row *row, const char *why);
void bench_print_footer(const struct bench_options *opt, const struct bench_row *rows, size_t nr,
			uint64_t wide);
int bench_write_json(FILE *file, const struct bench_row *rows, size_t nr);

/* Bytes of IOVA that a case uses, of so many. */
static inline uint64_t bench_span(const struct bench_case *c, uint64_t len)
{
	return c->span && c->span < len ? c->span : len;
}

/* Bytes of leaf tables behind them. */
static inline uint64_t bench_table_bytes(const struct bench_rig *rig, const struct bench_case *c)
{
	return bench_span(c, rig->plain.len) / BENCH_LEAF_ITEMS;
}

#endif
