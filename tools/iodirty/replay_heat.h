/* SPDX-License-Identifier: MIT */
/*
 * What the heat map of `iodirty replay` remembers: cells of addresses and time. Memory is bounded: a
 * long trace makes the columns wider, a wide one makes the cells higher.
 */
#ifndef IODIRTY_REPLAY_HEAT_H
#define IODIRTY_REPLAY_HEAT_H

#include "replay.h"

#define HEAT_COLUMNS 256u

struct heat_cell {
	uint64_t unit; /* page number >> shift */
	uint32_t column;
	bool used;
	uint64_t dirty, touched; /* pages, summed over the column's intervals */
};

struct heat_column {
	uint64_t intervals; /* that this column stands for and that were seen */
	uint64_t dirty;	    /* pages, summed */
	uint64_t sweep_ns;  /* the same */
};

struct replay_heat {
	struct heat_cell *cells, *spare;
	size_t nr;
	unsigned shift;
	uint64_t per_column; /* intervals, a power of two */
	unsigned nr_columns; /* in use */
	struct heat_column columns[HEAT_COLUMNS];
};

/* NULL: no memory */
struct replay_heat *replay_heat_create(void);
void replay_heat_destroy(struct replay_heat *heat);
/* One region in one interval: `reported` is what the sweep says, `touched` the region's own. */
void replay_heat_add(struct replay_heat *heat, uint64_t interval,
		     const struct replay_region *region, const uint64_t reported[REPLAY_WORDS]);
void replay_heat_column(struct replay_heat *heat, const struct replay_interval *interval);
/* The cells in use, sorted by unit: they become the first heat->nr. The last thing done with them. */
void replay_heat_sort(struct replay_heat *heat);

/* Draw it. @return 0, or -1 with errno set */
int replay_write_svg(FILE *f, const struct replay *replay);

#endif
