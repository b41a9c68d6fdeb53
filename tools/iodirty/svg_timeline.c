/* SPDX-License-Identifier: MIT */
/*
 * Draws `iodirty replay` over time: addresses from the lowest down the page, time from
 * left to right. Only addresses that were used have rows; a gap between them is a gap in the picture,
 * and what is between two gaps is a band. Below, on the same axis, the dirty rate and the sweep.
 */
#include "figures.h"
#include "replay_heat.h"
#include "svg.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS  128u
#define MAX_BANDS 24u
#define FINE_ROWS 12u /* of a small band */
#define JOIN_ROWS 2u  /* so few unused rows are drawn rather than cut out */

/* Pixels */
#define WIDTH	    1040u
#define LEFT	    170.0
#define PLOT	    660.0
#define TOP	    118.0
#define BAND_GAP    8.0
#define BAND_MIN    13.0 /* room for its label */
#define ROWS_HEIGHT 420.0
#define ROW_MIN	    3.0
#define ROW_MAX	    13.0
#define LABEL_EVERY 56.0 /* along a band */
#define STRIP	    64.0
#define STRIP_HEAD  34.0
#define FOOT	    52.0

struct band {
	uint64_t from, to;  /* cells' units: the lowest and the highest */
	unsigned shift;	    /* of a row */
	uint64_t first, nr; /* rows: page numbers >> shift */
	unsigned at;	    /* among all rows */
	double y;
};

struct timeline {
	FILE *f;
	const struct replay *replay;
	const struct replay_heat *heat;
	struct band bands[MAX_BANDS];
	unsigned nr_bands, nr_rows;
	double row_height, column_width, bottom;
	uint64_t (*cells)[HEAT_COLUMNS][2]; /* dirty, touched */
};

/* --- Rows and bands ----------------------------------------------------------------------------*/

/* Cut the addresses in use into bands of rows of that size. @return whether they fit */
static bool cut(struct timeline *t, unsigned shift)
{
	const struct replay_heat *heat = t->heat;
	unsigned down = shift - heat->shift;
	struct band *band = NULL;
	uint64_t rows = 0;
	size_t i;

	t->nr_bands = 0;
	for (i = 0; i < heat->nr; i++) {
		uint64_t unit = heat->cells[i].unit;
		uint64_t far = band ? (unit >> down) - (band->to >> down) : 0;

		if (!band || far > JOIN_ROWS + 1) {
			if (t->nr_bands == MAX_BANDS)
				return false;
			band = &t->bands[t->nr_bands++];
			*band = (struct band){ .from = unit, .shift = shift };
			far = 1;
		}
		band->to = unit;
		rows += far;
		if (rows > MAX_ROWS)
			return false;
	}
	return true;
}

/* A band of few rows gets more and lower ones: a ring of descriptors beside a large buffer. */
static void refine(struct timeline *t)
{
	const struct replay_heat *heat = t->heat;
	unsigned i;

	t->nr_rows = 0;
	for (i = 0; i < t->nr_bands; i++) {
		struct band *band = &t->bands[i];
		unsigned down = band->shift - heat->shift;

		while (down && (band->to >> (down - 1)) - (band->from >> (down - 1)) < FINE_ROWS)
			down--;
		band->shift = heat->shift + down;
		band->first = band->from >> down;
		band->nr = (band->to >> down) - band->first + 1;
		band->at = t->nr_rows;
		t->nr_rows += (unsigned)band->nr;
	}
}

static double band_height(const struct timeline *t, const struct band *band)
{
	double height = (double)band->nr * t->row_height;

	return height < BAND_MIN ? BAND_MIN : height;
}

static void place(struct timeline *t)
{
	double y = TOP;
	unsigned i;

	t->row_height = t->nr_rows ? ROWS_HEIGHT / t->nr_rows : ROW_MAX;
	if (t->row_height > ROW_MAX)
		t->row_height = ROW_MAX;
	if (t->row_height < ROW_MIN)
		t->row_height = ROW_MIN;
	for (i = 0; i < t->nr_bands; i++) {
		t->bands[i].y = y;
		y += band_height(t, &t->bands[i]) + BAND_GAP;
	}
	t->bottom = y;
	t->column_width = PLOT / (t->heat->nr_columns ? t->heat->nr_columns : 1);
}

/* The cells are sorted, so bands are met in order. */
static int fill(struct timeline *t)
{
	const struct replay_heat *heat = t->heat;
	const struct band *band = t->bands;
	size_t i;

	t->cells = calloc(t->nr_rows + 1, sizeof(*t->cells));
	if (!t->cells)
		return -1;
	for (i = 0; i < heat->nr; i++) {
		const struct heat_cell *cell = &heat->cells[i];
		uint64_t row;

		while (cell->unit > band->to)
			band++;
		row = cell->unit >> (band->shift - heat->shift);
		t->cells[band->at + (row - band->first)][cell->column][0] += cell->dirty;
		t->cells[band->at + (row - band->first)][cell->column][1] += cell->touched;
	}
	return 0;
}

/* --- Colours -----------------------------------------------------------------------------------*/

/* Steps by halves: up to 1/16, 1/8, 1/4, 1/2, and more. */
static unsigned step(uint64_t part, uint64_t whole)
{
	unsigned n = SVG_STEPS - 1;

	while (n && part <= whole >> (SVG_STEPS - n))
		n--;
	return n;
}

static const char *cell_colour(const struct timeline *t, const struct band *band, unsigned row,
			       unsigned column)
{
	uint64_t intervals = t->heat->columns[column].intervals;
	uint64_t whole = (intervals ? intervals : 1) << band->shift;
	uint64_t dirty = t->cells[row][column][0], touched = t->cells[row][column][1];

	if (dirty)
		return svg_red[step(dirty, whole)];
	return touched ? svg_blue[step(touched, whole)] : NULL;
}

/* --- The map -----------------------------------------------------------------------------------*/

static double column_x(const struct timeline *t, unsigned column)
{
	return LEFT + t->column_width * column;
}

static double seconds_of(const struct timeline *t, uint64_t column)
{
	return (double)column * (double)t->heat->per_column * (double)t->replay->opts->interval_ns *
	       1e-9;
}

/* Equal neighbours are one rectangle. */
static void put_row(const struct timeline *t, const struct band *band, uint64_t row)
{
	double y = band->y + (double)row * t->row_height;
	double height = t->row_height >= 8 ? t->row_height - 1 : t->row_height;
	uint64_t iova = (band->first + row) << band->shift << REPLAY_PAGE_LG2;
	unsigned index = band->at + (unsigned)row, from = 0, to;

	for (; from < t->heat->nr_columns; from = to) {
		const char *colour = cell_colour(t, band, index, from);

		for (to = from + 1; to < t->heat->nr_columns; to++)
			if (cell_colour(t, band, index, to) != colour)
				break;
		if (colour)
			fprintf(t->f,
				"<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
				"fill=\"%s\"><title>0x%" PRIx64 ", %.3f - %.3f s</title></rect>\n",
				column_x(t, from), y, t->column_width * (to - from), height, colour,
				iova, seconds_of(t, from), seconds_of(t, to));
	}
}

/* Sources that were in the band's regions; only the first 64 are told apart. */
static void put_band_sources(const struct timeline *t, const struct band *band)
{
	const struct replay_space *space = &t->replay->space;
	unsigned down = REPLAY_REGION_LG2 - REPLAY_PAGE_LG2, i, named = 0;
	uint64_t first = band->first << band->shift >> down, sources = 0;
	uint64_t last = ((band->first + band->nr) << band->shift) - 1;
	char size[TEXT_LEN];
	size_t j;

	last >>= down;
	for (j = 0; j < space->nr; j++)
		if (space->sorted[j]->index >= first && space->sorted[j]->index <= last)
			sources |= space->sorted[j]->sources;
	fprintf(t->f, "<text class=\"s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", LEFT + PLOT + 10,
		band->y + 10, size_text(REPLAY_PAGE << band->shift, size));
	fprintf(t->f, "<text class=\"s\" x=\"%.1f\" y=\"%.1f\">", LEFT + PLOT + 60, band->y + 10);
	for (i = 0; i < t->replay->nr_sources && i < 64; i++) {
		if (!(sources >> i & 1))
			continue;
		if (named < 3)
			fprintf(t->f, "%s%.16s", named ? ", " : "", t->replay->sources[i].name);
		named++;
	}
	fputs(named > 3 ? ", ...</text>\n" : "</text>\n", t->f);
}

static void put_band(const struct timeline *t, const struct band *band)
{
	double height = band_height(t, band), next = 0;
	uint64_t row;

	fprintf(t->f,
		"<rect class=\"row\" x=\"%.1f\" y=\"%.2f\" width=\"%.1f\" height=\"%.2f\"/>\n",
		LEFT, band->y, PLOT, (double)band->nr * t->row_height);
	for (row = 0; row < band->nr; row++) {
		double down = (double)row * t->row_height;
		uint64_t iova = (band->first + row) << band->shift << REPLAY_PAGE_LG2;

		put_row(t, band, row);
		if (down < next || (row && down + BAND_MIN > height))
			continue;
		next = down + LABEL_EVERY;
		fprintf(t->f, "<text class=\"n\" x=\"%.1f\" y=\"%.1f\">0x%" PRIx64 "</text>\n",
			LEFT - 10, band->y + down + 10, iova);
	}
	put_band_sources(t, band);
}

/* --- Title, axis, strips -----------------------------------------------------------------------*/

static void put_head(const struct timeline *t)
{
	const struct replay_opts *opts = t->replay->opts;
	const struct replay_totals *totals = &t->replay->totals;
	char interval[FIGURE_LEN], column[FIGURE_LEN], accesses[FIGURE_LEN];
	unsigned x = WIDTH - 24 - 2 * SVG_STEPS * 20 - 130;

	svg_text(t->f, 24, 42, "class=\"b\"", "DMA over time");
	fprintf(t->f,
		"<text class=\"t\" x=\"24\" y=\"64\">%s accesses, %s in %s pages, swept every %s of "
		"the trace%s%s.</text>\n",
		figure_count(accesses, totals->sum.reads + totals->sum.writes),
		iod_format_name(opts->format), opts->large ? "2 MiB" : "4 KiB",
		figure_ns(interval, opts->interval_ns), opts->read ? ", not cleaned" : "",
		t->replay->stopped ? "; stopped before its end" : "");
	fprintf(t->f,
		"<text class=\"t\" x=\"24\" y=\"82\">A column is %s. Addresses that nobody uses are left "
		"out.</text>\n",
		figure_ns(column, opts->interval_ns * t->heat->per_column));
	svg_text(t->f, x, 40, "class=\"t\"", "read");
	svg_ramp(t->f, x + 34, 30, 20, svg_blue);
	x += 34 + SVG_STEPS * 20 + 20;
	svg_text(t->f, x, 40, "class=\"t\"", "dirty");
	svg_ramp(t->f, x + 38, 30, 20, svg_red);
	fprintf(t->f,
		"<text class=\"s\" text-anchor=\"end\" x=\"%u\" y=\"58\">1/16, 1/8, 1/4, 1/2, all of "
		"a row per interval</text>\n",
		WIDTH - 24);
	svg_text(t->f, LEFT - 10, TOP - 10, "class=\"n\"", "IOVA");
	svg_text(t->f, LEFT + PLOT + 10, TOP - 10, "class=\"s\"", "a row");
	svg_text(t->f, LEFT + PLOT + 60, TOP - 10, "class=\"s\"", "used by");
}

/* 1, 2 or 5 times a power of ten, so that there are at most ten ticks. */
static double tick_step(double seconds)
{
	static const double steps[] = { 2, 2.5, 2 };
	double tick = 1e-9;
	unsigned i;

	for (i = 0; seconds / tick > 10; i++)
		tick *= steps[i % 3];
	return tick;
}

static void put_ticks(const struct timeline *t, double y)
{
	double seconds = seconds_of(t, t->heat->nr_columns), tick = tick_step(seconds);
	unsigned i;

	for (i = 0; i * tick <= seconds * 1.0001; i++) {
		double x = LEFT + PLOT * i * tick / seconds;

		svg_line(t->f, x, y, x, y + 5, "class=\"axis\"");
		fprintf(t->f,
			"<text class=\"s\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%g"
			"</text>\n",
			x, y + 18, i * tick);
	}
	fprintf(t->f,
		"<text class=\"s\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">seconds since the "
		"first access</text>\n",
		LEFT + PLOT / 2, y + 36);
}

/* A strip of bars, one for each column; @most is what the full height stands for. */
static void put_strip(const struct timeline *t, double y, const char *name, const double *values,
		      const char *most_text, double most, const char *colour)
{
	unsigned i;

	svg_text(t->f, LEFT, y - 8, "class=\"h\"", name);
	fprintf(t->f,
		"<rect class=\"row\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
		LEFT, y, PLOT, STRIP);
	for (i = 0; i < t->heat->nr_columns; i++) {
		double height = most > 0 ? values[i] / most * STRIP : 0;

		if (height < 0.05)
			continue;
		fprintf(t->f,
			"<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"/>\n",
			column_x(t, i), y + STRIP - height,
			t->column_width > 6 ? t->column_width - 1 : t->column_width, height,
			colour);
	}
	svg_text(t->f, LEFT - 10, y + 10, "class=\"n\"", most_text);
	svg_text(t->f, LEFT - 10, y + STRIP, "class=\"n\"", "0");
	svg_line(t->f, LEFT, y + STRIP, LEFT + PLOT, y + STRIP, "class=\"axis\"");
}

static double largest(const double *values, unsigned nr)
{
	double most = 0;
	unsigned i;

	for (i = 0; i < nr; i++)
		if (values[i] > most)
			most = values[i];
	return most;
}

static void put_strips(const struct timeline *t)
{
	double rates[HEAT_COLUMNS], sweeps[HEAT_COLUMNS], most, y = t->bottom + STRIP_HEAD;
	unsigned nr = t->heat->nr_columns, i;
	char text[FIGURE_LEN + 8];

	for (i = 0; i < nr; i++) {
		const struct heat_column *column = &t->heat->columns[i];

		rates[i] = replay_rate(t->replay->opts, column->dirty, column->intervals);
		sweeps[i] = figure_ratio(column->sweep_ns, column->intervals);
	}
	most = largest(rates, nr);
	snprintf(text, sizeof(text), "%.*f MiB/s", most < 10 ? 2 : 0, most);
	put_strip(t, y, "Dirty rate", rates, text, most, svg_red[2]);
	y += STRIP + STRIP_HEAD;
	most = largest(sweeps, nr);
	figure_ns(text, (uint64_t)most);
	put_strip(t, y, "Sweep", sweeps, text, most, svg_blue[3]);
	put_ticks(t, y + STRIP);
}

int replay_write_svg(FILE *f, const struct replay *replay)
{
	struct timeline t = { .f = f, .replay = replay, .heat = replay->heat };
	unsigned shift = replay->heat->shift, i;

	replay_heat_sort(replay->heat);
	while (!cut(&t, shift))
		shift++;
	refine(&t);
	place(&t);
	if (fill(&t))
		return -1;
	svg_begin(f, WIDTH, (unsigned)(t.bottom + 2 * (STRIP + STRIP_HEAD) + FOOT));
	put_head(&t);
	for (i = 0; i < t.nr_bands; i++)
		put_band(&t, &t.bands[i]);
	if (t.heat->nr_columns)
		put_strips(&t);
	fputs("</svg>\n", f);
	free(t.cells);
	return ferror(f) ? -1 : 0;
}
