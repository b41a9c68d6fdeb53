/* SPDX-License-Identifier: MIT */
/*
 * What `iodirty replay` must report of a trace, counted from its text: a model of leaves of 4 KiB and
 * 2 MiB that knows no page table and no library.
 */
#ifndef REPLAY_MODEL_H
#define REPLAY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One interval. */
struct rm_count {
	uint64_t reads, writes, bytes_read, bytes_written;
	uint64_t touched, written; /* pages of 4 KiB, each once */
	uint64_t dirty;		   /* pages that must be reported */
	uint64_t unmaps, unmapped, delivered;
	uint64_t splits, merges;
};

enum rm_policy { RM_NONE, RM_EAGER, RM_ON_DIRTY };

/* How the trace is replayed. */
struct rm_options {
	uint64_t interval_us;
	unsigned granule_lg2; /* pages of a bit in the bitmap, log2 */
	bool large;	      /* leaves of 2 MiB */
	enum rm_policy policy;
	unsigned merge_after;
	bool read; /* nothing is cleaned */
};

struct rm_counts {
	struct rm_count *intervals;
	size_t nr;
};

/* Count a trace whose first line is at time 0. What is malformed fails the test. */
void rm_count_trace(struct rm_counts *counts, const char *file, const struct rm_options *options);

#endif
