/* SPDX-License-Identifier: MIT */
/* Cells of addresses and time for the heat map of `iodirty replay`, in bounded memory. */
#include "replay_heat.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_LG2 18
#define SLOTS	  ((size_t)1 << SLOTS_LG2)
#define MOST	  (SLOTS / 4 * 3)

struct replay_heat *replay_heat_create(void)
{
	struct replay_heat *heat = calloc(1, sizeof(*heat));

	if (!heat)
		return NULL;
	heat->per_column = 1;
	heat->cells = calloc(SLOTS, sizeof(*heat->cells));
	heat->spare = calloc(SLOTS, sizeof(*heat->spare));
	if (heat->cells && heat->spare)
		return heat;
	replay_heat_destroy(heat);
	return NULL;
}

void replay_heat_destroy(struct replay_heat *heat)
{
	if (!heat)
		return;
	free(heat->cells);
	free(heat->spare);
	free(heat);
}

static struct heat_cell *find_cell(struct replay_heat *heat, uint64_t unit, uint32_t column)
{
	uint64_t hash = (unit * HEAT_COLUMNS + column) * 0x9e3779b97f4a7c15ull;
	size_t i = (size_t)(hash >> (64 - SLOTS_LG2));

	while (heat->cells[i].used &&
	       (heat->cells[i].unit != unit || heat->cells[i].column != column))
		i = (i + 1) & (SLOTS - 1);
	if (!heat->cells[i].used) {
		heat->cells[i] = (struct heat_cell){ .unit = unit, .column = column, .used = true };
		heat->nr++;
	}
	return &heat->cells[i];
}

/* Make the cells higher, the columns wider, or both. */
static void coarsen(struct replay_heat *heat, unsigned unit_lg2, unsigned column_lg2)
{
	struct heat_cell *old = heat->cells;
	size_t i;

	heat->cells = heat->spare;
	heat->spare = old;
	memset(heat->cells, 0, SLOTS * sizeof(*heat->cells));
	heat->nr = 0;
	heat->shift += unit_lg2;
	for (i = 0; i < SLOTS; i++) {
		struct heat_cell *cell;

		if (!old[i].used)
			continue;
		cell = find_cell(heat, old[i].unit >> unit_lg2, old[i].column >> column_lg2);
		cell->dirty += old[i].dirty;
		cell->touched += old[i].touched;
	}
}

/* Join columns until the interval has one. */
static void widen(struct replay_heat *heat, uint64_t interval)
{
	struct heat_column joined[HEAT_COLUMNS] = { 0 };
	unsigned lg2 = 0, i;

	while (interval / heat->per_column >= HEAT_COLUMNS) {
		heat->per_column *= 2;
		lg2++;
	}
	if (!lg2)
		return;
	coarsen(heat, 0, lg2);
	for (i = 0; i < HEAT_COLUMNS && lg2 < 32; i++) {
		joined[i >> lg2].intervals += heat->columns[i].intervals;
		joined[i >> lg2].dirty += heat->columns[i].dirty;
		joined[i >> lg2].sweep_ns += heat->columns[i].sweep_ns;
	}
	memcpy(heat->columns, joined, sizeof(joined));
}

void replay_heat_add(struct replay_heat *heat, uint64_t interval,
		     const struct replay_region *region, const uint64_t reported[REPLAY_WORDS])
{
	const unsigned char *dirty = (const unsigned char *)reported;
	const unsigned char *touched = (const unsigned char *)region->touched;
	unsigned page;

	widen(heat, interval);
	for (page = 0; page < REPLAY_REGION_PAGES; page++) {
		bool is_dirty = dirty[page / 8] >> page % 8 & 1;
		bool is_touched = touched[page / 8] >> page % 8 & 1;
		struct heat_cell *cell;

		if (!dirty[page / 8] && !touched[page / 8]) {
			page |= 7;
			continue;
		}
		if (!is_dirty && !is_touched)
			continue;
		while (heat->nr >= MOST)
			coarsen(heat, 1, 0);
		cell = find_cell(heat, (region->index * REPLAY_REGION_PAGES + page) >> heat->shift,
				 (uint32_t)(interval / heat->per_column));
		cell->dirty += is_dirty;
		cell->touched += is_touched;
	}
}

/* Idle intervals cost what the first of them did. */
void replay_heat_column(struct replay_heat *heat, const struct replay_interval *interval)
{
	uint64_t index = interval->index, end = index + interval->nr;

	widen(heat, end - 1);
	while (index < end) {
		struct heat_column *column = &heat->columns[index / heat->per_column];
		uint64_t part = heat->per_column - index % heat->per_column;

		if (part > end - index)
			part = end - index;
		column->intervals += part;
		column->dirty += interval->fresh * part;
		column->sweep_ns += interval->sweep_ns * part;
		index += part;
	}
	heat->nr_columns = (unsigned)((end - 1) / heat->per_column) + 1;
}

static int compare_cells(const void *a, const void *b)
{
	const struct heat_cell *x = a, *y = b;

	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return (x->column > y->column) - (x->column < y->column);
}

void replay_heat_sort(struct replay_heat *heat)
{
	size_t i, nr = 0;

	for (i = 0; i < SLOTS; i++)
		if (heat->cells[i].used)
			heat->cells[nr++] = heat->cells[i];
	qsort(heat->cells, nr, sizeof(*heat->cells), compare_cells);
}
