/* SPDX-License-Identifier: MIT */
/*
 * The parts of `iodirty replay`: what was asked for, the mapped space with the program's own record
 * of what was accessed, the intervals, and the ways to show them.
 */
#ifndef IODIRTY_REPLAY_H
#define IODIRTY_REPLAY_H

#include "cmds.h"
#include "replay_trace.h"
#include "term.h"

#include <iodirty/iodirty.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define REPLAY_PAGE_LG2	    12
#define REPLAY_PAGE	    (1ull << REPLAY_PAGE_LG2)
#define REPLAY_REGION_LG2   21 /* what is mapped at a time */
#define REPLAY_REGION	    (1ull << REPLAY_REGION_LG2)
#define REPLAY_REGION_PAGES (1u << (REPLAY_REGION_LG2 - REPLAY_PAGE_LG2))
#define REPLAY_WORDS	    (REPLAY_REGION_PAGES / 64)
#define REPLAY_MAPS	    16
#define REPLAY_SOURCES	    1024
#define REPLAY_REFUSAL	    240 /* bytes of a text */
#define REPLAY_SHOWN	    4	/* bad lines, lost pages */

/* What becomes of 2 MiB leaves. */
enum replay_policy {
	REPLAY_NONE,	 /* they stay */
	REPLAY_EAGER,	 /* split as soon as they are mapped */
	REPLAY_ON_DIRTY, /* split when a sweep finds them dirty */
};

struct replay_opts {
	enum iod_format format;
	const char *trace;
	uint64_t interval_ns; /* of the trace's time */
	uint64_t granule;     /* of the bitmap */
	uint64_t limit;	      /* most bytes mapped */
	uint64_t seed;
	unsigned iotlb; /* entries */
	unsigned
		merge_after; /* intervals that a region stays clean before it is merged; 0: never */
	enum replay_policy policy;
	bool large; /* 2 MiB leaves */
	bool read;  /* sweep without cleaning */
	bool prune;
	bool ats; /* an ATC per source instead of one IOTLB */
	bool skip_bad;
	bool skip_invalidate; /* the self-test: nobody hears of what was cleaned */
	bool forget_unmapped; /* another: what unmaps deliver is dropped */
	bool quiet;
	const char *svg;
	const char *json;
	unsigned nr_maps;
	struct {
		uint64_t iova, len;
	} maps[REPLAY_MAPS]; /* mapped from the beginning, in whole regions */
};

/* --- The mapped space --------------------------------------------------------------------------*/

/*
 * A region of 2 MiB. The records are the program's own, one bit a page, laid out as words of a bitmap
 * are: byte i / 8, bit i % 8, so that words compare with the bitmap's on every host.
 */
struct replay_region {
	uint64_t index; /* iova >> REPLAY_REGION_LG2 */
	uint64_t pa;
	uint64_t *pas; /* of each page, where they do not lie side by side; else NULL */
	uint64_t written[REPLAY_WORDS]; /* since the last sweep that cleaned */
	uint64_t touched[REPLAY_WORDS]; /* in this interval */
	uint64_t gone[REPLAY_WORDS];	/* not mapped now */
	uint64_t
		written_gone[REPLAY_WORDS]; /* written before they were unmapped in this interval */
	uint64_t delivered[REPLAY_WORDS];   /* what these unmaps say was dirty */
	struct iod_bitmap delivery;	    /* over delivered[] */
	uint64_t unmapped_at;		    /* the sync that completes this */
	bool large;			    /* mapped by one leaf */
	uint64_t clean;	  /* intervals in a row in which nothing of it was dirty */
	uint64_t sources; /* bit i % 64: source i was here */
};

/* Neighbouring regions, which one call sweeps. */
struct replay_extent {
	size_t first, nr; /* among the sorted regions */
	struct iod_bitmap bitmap;
};

struct replay_space {
	const struct replay_opts *opts;
	struct iod_mem *mem;
	struct iod_pgtable *pt;
	struct iod_pgtable_info info;
	struct replay_region **slots; /* hashed by index */
	size_t nr_slots;
	struct replay_region **sorted;
	size_t nr, max;
	size_t nr_laid_out; /* regions that the extents know */
	struct replay_region *recent;
	struct iod_gather *gather; /* the run's */
	uint64_t next_pa;
	uint64_t unmapped; /* pages, in all */
	uint64_t syncs;	   /* of the gather */
	uint64_t splits, merges;
	struct replay_extent *extents;
	size_t nr_extents;
	uint64_t *bits; /* of all extents */
	size_t bits_len;
	const char *what; /* what failed, after an error */
};

/* Then the caller sets the gather. */
int replay_space_create(struct replay_space *space, const struct replay_opts *opts);
/* Map what is to be mapped from the beginning. */
int replay_space_map_first(struct replay_space *space);
void replay_space_destroy(struct replay_space *space);

/* Whether the format has these addresses; and how to say that it does not. */
bool replay_space_has(const struct replay_space *space, uint64_t iova, uint64_t len);
void replay_space_refusal(const struct replay_space *space, uint64_t iova, uint64_t len,
			  char text[REPLAY_REFUSAL]);
/* Map what of the range is not mapped. @return 0; -E2BIG beyond --limit; what the library returned */
int replay_space_map(struct replay_space *space, uint64_t iova, uint64_t len);
struct replay_region *replay_space_find(struct replay_space *space, uint64_t index);
/* Make extents and bitmaps of all regions, sorted; the bitmaps are zeroed. @return 0, -ENOMEM */
int replay_space_lay_out(struct replay_space *space);
/* The pages of a region that a bitmap reports: its extent's, or its own delivery. */
void replay_space_reported(const struct replay_space *space, const struct iod_bitmap *bitmap,
			   const struct replay_region *region, uint64_t words[REPLAY_WORDS]);
/* Output addresses for a region, used by none so far. */
uint64_t replay_space_next_pa(struct replay_space *space);
/* Record the pages that [offset, offset + len) of a region touches. */
void replay_record(uint64_t words[REPLAY_WORDS], uint64_t offset, uint64_t len);
unsigned replay_count(const uint64_t words[REPLAY_WORDS]);

/* replay_unmap.c. What fails sets space->what. @return 0, or what the library returned */

/* Whether [inside, + len) of a region is where it was mapped to. */
bool replay_region_lies(const struct replay_region *region, uint64_t inside, uint64_t len,
			uint64_t pa);
/* Unmap the pages that the range touches; what was dirty comes with the next sync. */
int replay_space_unmap(struct replay_space *space, uint64_t iova, uint64_t len);
int replay_space_map_again(struct replay_space *space, struct replay_region *region,
			   uint64_t inside, uint64_t len);
/* Invalidate; what unmaps deliver is complete. */
int replay_space_sync(struct replay_space *space);
int replay_space_born(struct replay_space *space, struct replay_region *region);
int replay_space_split_dirty(struct replay_space *space, const struct replay_extent *extent,
			     struct replay_region *region);
int replay_space_merge_clean(struct replay_space *space, struct replay_region *region);

/* --- Intervals ---------------------------------------------------------------------------------*/

struct replay_source {
	char name[TRACE_SOURCE_MAX + 1];
	struct iod_iotlb *atc; /* with --ats */
	uint64_t reads, writes;
	uint64_t bytes_read, bytes_written;
};

struct replay_interval {
	uint64_t index; /* of the first interval that this stands for ... */
	uint64_t nr;	/* ... and how many follow without any access: 1 unless idle */
	uint64_t reads, writes;
	uint64_t bytes_read, bytes_written;
	uint64_t working_set; /* pages touched */
	uint64_t written;     /* pages written */
	uint64_t dirty;	      /* pages that the sweep reports */
	uint64_t fresh;	   /* of these, pages that the sweep before did not report (--mode read) */
	uint64_t needless; /* of the dirty ones, pages that were not written */
	uint64_t lost;	   /* written pages that neither the sweep nor an unmap reports */
	uint64_t unmaps;   /* lines */
	uint64_t unmapped, delivered; /* pages; dirty ones that came with unmaps */
	uint64_t past;		      /* of these, those that are not dirty any more */
	uint64_t splits, merges;      /* 2 MiB leaves split, or merged again */
	uint64_t hits, misses;
	uint64_t items, cleaned, pruned;
	uint64_t sweep_ns, sync_ns;
	uint64_t invalidations;
};

/* How often which values were seen: exactly up to 1023, to 1/512 above, in memory of fixed size. */
struct replay_hist {
	uint64_t nr;
	uint64_t most;
	uint64_t *counts;
};

struct replay_totals {
	struct replay_interval
		sum; /* .nr: intervals, idle ones included; sweeps of them count once */
	uint64_t sweeps;
	uint64_t idle;	       /* intervals without access */
	uint64_t most_touched; /* pages of an interval's working set */
	uint64_t bad;	       /* lines skipped */
	uint64_t faults;
	uint64_t misplaced;
	struct iod_fault fault; /* the first one */
	uint64_t fault_line;
	struct replay_hist dirty_pages; /* per interval */
	struct replay_hist sweep_ns;	/* per sweep */
};

struct replay_heat;
struct replay_report;

struct replay {
	const struct replay_opts *opts;
	struct trace trace;
	struct replay_space space;
	struct iod_gather *gather;
	struct iod_iotlb *iotlb; /* without --ats */
	struct replay_source *sources;
	unsigned nr_sources;
	unsigned *source_slots;
	struct replay_interval now;
	struct replay_totals totals;
	uint64_t first_ns; /* time of the first access */
	uint64_t seen_hits, seen_misses, seen_splits, seen_merges;
	struct trace_access access; /* under way */
	unsigned source;
	bool stopped;		  /* before the end of the trace */
	struct replay_heat *heat; /* NULL: not wanted */
	struct replay_report *report;
};

/* @return an exit code; complaints are made */
int replay_create(struct replay *replay, const struct replay_opts *opts);
int replay_run(struct replay *replay);
void replay_destroy(struct replay *replay);
bool replay_passed(const struct replay_totals *totals);
/* Complain about the line in hand. */
void replay_complain(const struct replay *replay, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

int replay_hist_create(struct replay_hist *hist);
void replay_hist_add(struct replay_hist *hist, uint64_t value, uint64_t nr);
/* The least value that so many percent of the values do not exceed. */
uint64_t replay_hist_percentile(const struct replay_hist *hist, unsigned percent);

/* --- What is shown -----------------------------------------------------------------------------*/

struct replay_report {
	const struct replay_opts *opts;
	struct term term;
	bool wide, bars; /* there is room for all columns, for bars */
	FILE *json;	 /* NULL: not wanted */
	uint64_t json_rows;
};

void replay_report_start(struct replay_report *report, const struct replay *replay);
void replay_report_interval(struct replay_report *report, const struct replay *replay);
void replay_report_lost(struct replay_report *report, const struct replay *replay, uint64_t iova);
void replay_report_end(struct replay_report *report, const struct replay *replay);
/* MiB per second of the trace's time. */
double replay_rate(const struct replay_opts *opts, uint64_t pages, uint64_t intervals);

void replay_json_start(FILE *out, const struct replay *replay);
void replay_json_interval(FILE *out, const struct replay *replay, bool first);
void replay_json_end(FILE *out, const struct replay *replay);

#endif
