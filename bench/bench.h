/* SPDX-License-Identifier: MIT */
/*
 * The microbenchmarks behind `iodirty bench`.
 *
 * A case (bench_case) is one thing to measure; with a format it makes a row of the report. A rig is
 * one format's page table with what is needed to prepare, verify and compare. Every repetition times
 * the work and, in the same process run, the machine's own limit on the same tables, so that the
 * ratio holds whatever the neighbours do to the absolute figures.
 */
#ifndef IODIRTY_BENCH_H
#define IODIRTY_BENCH_H

#include <iodirty/iodirty.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BENCH_PAGE_LG2	 12
#define BENCH_PAGE	 (UINT64_C(1) << BENCH_PAGE_LG2)
#define BENCH_LEAF_ITEMS 512u /* items of one leaf table, in every format at 4 KiB */
#define BENCH_LEAF_SPAN	 (BENCH_PAGE * BENCH_LEAF_ITEMS)
#define BENCH_MAX_REPS	 101u
#define BENCH_MAX_SPREAD 0.03 /* relative median absolute deviation of a quiet row */

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

/* Where a format keeps its bits: what hardware would set in a leaf. Entries are little-endian. */
struct bench_raw {
	uint64_t dirty_mask;
	uint64_t dirty_value;	 /* dirty when (entry & dirty_mask) == dirty_value */
	uint64_t accessed;	 /* in leaf entries */
	uint64_t table_accessed; /* in table entries; 0 when hardware does not set it there */
};

struct bench_case;

/* One format under measurement. */
struct bench_rig {
	enum iod_format format;
	const struct bench_raw *raw;
	struct iod_mem *mem;
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	uint64_t iova, pa, len; /* what is mapped */
	bool mapped;
	bool recycled; /* the tables are on their second life */
	bool listed;   /* leaf[] and upper[] are current */

	uint64_t **leaf; /* host pointers of the leaf tables, in IOVA order */
	size_t nr_leaf;
	uint64_t **upper; /* of all other tables, where hardware sets Accessed in them */
	size_t nr_upper, max_upper;

	int dirty_state;       /* per mille of dirty entries in the tables; -1: unknown */
	uint64_t nr_dirty;     /* their number */
	unsigned char *expect; /* the bitmap that a sweep must produce */
	uint64_t *bits;	       /* the bitmap that it does produce */
	uint64_t bits_len;
	struct iod_bitmap bitmap;
	struct iod_sweep sweep; /* of the last repetition */

	/* A second page table, for what needs fresh memory or one call per page. */
	struct iod_mem *aux_mem;
	struct iod_pgtable *aux_pt;
	struct iod_gather *aux_gather;

	uint64_t sum;	 /* result of the last repetition of translate */
	uint64_t done;	 /* bytes that map or unmap say they did */
	char error[160]; /* of the last failure */
};

/* How one case is repeated. All but limit return 0 or a negative errno and fill rig->error. */
struct bench_ops {
	int (*prepare)(struct bench_rig *rig,
		       const struct bench_case *c);			 /* untimed; may be NULL */
	int (*work)(struct bench_rig *rig, const struct bench_case *c);	 /* timed */
	int (*check)(struct bench_rig *rig, const struct bench_case *c); /* untimed */
	double (*limit)(struct bench_rig *rig, const struct bench_case *c); /* ns per item */
};

/* One thing to measure, for every format. */
struct bench_case {
	const char *bench, *state, *mode; /* as in the report */
	const struct bench_ops *ops;
	const char *limit; /* what the limit is: "read", "rmw", "write", "load", ... */
	uint64_t items;	   /* at most; 0: every page of the range */
	uint64_t span;	   /* bytes of IOVA used, at most; 0: the range */
	int dirty;	   /* entries dirty per mille */
	enum iod_sweep_mode sweep;
	bool recycled; /* tables that were freed and handed out again */
	bool warm;     /* do not evict the caches */
};

/* A measured row. */
struct bench_row {
	const struct bench_case *c;
	enum iod_format format;
	char name[96]; /* bench/format/page/state/mode */
	uint64_t range, items;
	bool bounded, ok, noisy;
	double bound;		  /* of ns */
	double ns, min, max, mad; /* per item; ns is the median */
	double limit, ratio;	  /* medians; ratio: of the pairs measured side by side */
	uint32_t reps, disturbed; /* repetitions that count; how many were preempted */
};

/* Time and repetitions that a row may take. */
struct bench_budget {
	double ns;
	uint32_t min_reps, max_reps;
};

/* bench_cases.c: what there is to measure. The order is the order of measurement. */
extern const struct bench_case bench_cases[];
extern const size_t bench_nr_cases;
double bench_bound(const struct bench_case *c, enum iod_format format);

/* bench_sweep.c, bench_map.c, bench_translate.c */
extern const struct bench_ops bench_sweep_ops;
extern const struct bench_ops bench_map_fresh_ops, bench_map_ops, bench_map_call_ops;
extern const struct bench_ops bench_unmap_ops, bench_unmap_call_ops;
extern const struct bench_ops bench_translate_ops;

/* bench_measure.c: time, and repeat a case. bench_measure() fills all but c, format, name, bound. */
struct bench_watch {
	double wall, cpu; /* ns */
	long preempted;
};
void bench_pin(void);
double bench_now(void);
struct bench_watch bench_start(void);
double bench_stop(const struct bench_watch *watch);
int bench_measure(struct bench_rig *rig, struct bench_row *row, const struct bench_budget *budget);

/* bench_rig.c: one format's page table. */
int bench_rig_init(struct bench_rig *rig, enum iod_format format, uint64_t memory);
void bench_rig_exit(struct bench_rig *rig);
int bench_rig_map(struct bench_rig *rig);
int bench_rig_unmap(struct bench_rig *rig);
int bench_rig_ready(struct bench_rig *rig, bool recycled);
int bench_rig_fail(struct bench_rig *rig, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int bench_create_pt(struct bench_rig *rig, struct iod_mem *mem, struct iod_pgtable **pt,
		    struct iod_gather **gather);
void bench_destroy_pt(struct iod_pgtable **pt, struct iod_gather **gather);
int bench_check_mapped(struct bench_rig *rig, const struct iod_pgtable *pt, uint64_t len);
int bench_check_unmapped(struct bench_rig *rig, const struct iod_pgtable *pt, uint64_t len);

/* bench_dirty.c: raw bits of entries, written as hardware would. */
const struct bench_raw *bench_raw_of(enum iod_format format);
void bench_dirty_set(struct bench_rig *rig, int permille);
uint64_t bench_dirty_count(const struct bench_rig *rig);

/* bench_limit.c: what the machine can do. The results are ns per 8-byte item. */
double bench_limit_read(struct bench_rig *rig, const struct bench_case *c);
double bench_limit_rmw(struct bench_rig *rig, const struct bench_case *c);
double bench_limit_write(struct bench_rig *rig, const struct bench_case *c);
double bench_limit_write_fresh(struct bench_rig *rig, const struct bench_case *c);
double bench_limit_load(struct bench_rig *rig, const struct bench_case *c);
int bench_limit_init(uint64_t table_bytes);
void bench_limit_exit(void);
void bench_evict(void);

/* bench_report.c */
void bench_print_header(void);
void bench_print_row(const struct bench_row *row);
void bench_print_footer(const struct bench_options *opt, const struct bench_row *rows, size_t nr);
int bench_write_json(FILE *file, const struct bench_row *rows, size_t nr);

/* Items that a case has in this rig, and bytes of IOVA that it uses. */
static inline uint64_t bench_span(const struct bench_case *c, uint64_t len)
{
	return c->span && c->span < len ? c->span : len;
}

static inline uint64_t bench_items(const struct bench_case *c, uint64_t len)
{
	return c->items ? c->items : bench_span(c, len) >> BENCH_PAGE_LG2;
}

static inline uint64_t bench_le64(uint64_t v)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(v);
#else
	return v;
#endif
}

/* The n-th number of a fixed pseudo-random sequence (a 64-bit finalizer: every bit is good). */
static inline uint64_t bench_random(uint64_t n)
{
	n = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
	n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
	return n ^ (n >> 31);
}

#endif
