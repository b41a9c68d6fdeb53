/* SPDX-License-Identifier: MIT */
/*
 * A heat map as SVG: per space the IOVA rows that have mappings, 64 cells each. Blue is how much of
 * a cell is mapped, yellow to red how much of that is dirty. The scale is chosen per space so that
 * its rows fit.
 */
#include "out.h"

#include "svg.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELLS_LG2    6u
#define CELLS	     (1u << CELLS_LG2) /* per row */
#define MAX_ROWS     24u	       /* per space */
#define MAX_SPACES   64u
#define CELL_LG2_MIN 12u
#define SCALES	     (64u - CELLS_LG2 - CELL_LG2_MIN) /* cells of 4K, 8K, ... */

/* Pixels */
#define WIDTH	   1000u
#define LEFT	   190u
#define CELL	   12u
#define GAP	   7u /* between rows that are not neighbours */
#define HEAD	   100u
#define SPACE_HEAD 54u
#define SPACE_FOOT 22u

/* What the first look finds out about a space. */
struct extent {
	uint64_t entries, bytes, dirty, dirty_bytes;
	uint64_t rows[SCALES], gaps[SCALES], last_row[SCALES];
	unsigned scale; /* chosen; rows[scale] fits */
	enum iod_format format;
};

struct row {
	uint64_t index;
	uint64_t mapped[CELLS], dirty[CELLS]; /* bytes */
};

struct drawing {
	const struct extent *extent;
	unsigned cell_lg2, nr;
	struct row rows[MAX_ROWS];
};

static int measure(void *cookie, const struct iod_visit_event *event)
{
	struct extent *extent = cookie;
	const struct iod_mapping *map = &event->mapping;
	uint64_t last = map->iova + (map->len - 1);
	bool dirty = dirty_value(extent->format, map) > 0;
	unsigned i;

	for (i = 0; i < SCALES; i++) {
		unsigned shift = CELL_LG2_MIN + CELLS_LG2 + i;
		uint64_t from = map->iova >> shift, to = last >> shift;

		if (extent->rows[i] && from == extent->last_row[i])
			from++;
		else if (extent->rows[i] && from > extent->last_row[i] + 1)
			extent->gaps[i]++;
		if (from <= to) {
			extent->rows[i] += to - from + 1;
			extent->last_row[i] = to;
		}
	}
	extent->entries++;
	extent->bytes += map->len;
	extent->dirty += dirty;
	extent->dirty_bytes += dirty ? map->len : 0;
	return 0;
}

static struct row *find_row(struct drawing *drawing, uint64_t index)
{
	struct row *row = drawing->nr ? &drawing->rows[drawing->nr - 1] : NULL;

	if (row && row->index == index)
		return row;
	if (drawing->nr == MAX_ROWS)
		return NULL;
	row = &drawing->rows[drawing->nr++];
	memset(row, 0, sizeof(*row));
	row->index = index;
	return row;
}

static int draw(void *cookie, const struct iod_visit_event *event)
{
	struct drawing *drawing = cookie;
	const struct iod_mapping *map = &event->mapping;
	uint64_t cell_len = UINT64_C(1) << drawing->cell_lg2;
	uint64_t iova = map->iova, left = map->len;
	bool dirty = dirty_value(drawing->extent->format, map) > 0;

	while (left) {
		uint64_t cell = iova >> drawing->cell_lg2;
		uint64_t part = cell_len - (iova & (cell_len - 1));
		struct row *row = find_row(drawing, cell >> CELLS_LG2);

		if (!row)
			return 1;
		if (part > left)
			part = left;
		row->mapped[cell & (CELLS - 1)] += part;
		row->dirty[cell & (CELLS - 1)] += dirty ? part : 0;
		iova += part;
		left -= part;
	}
	return 0;
}

static unsigned step(uint64_t part, uint64_t whole)
{
	unsigned n = (unsigned)((double)part / (double)whole * SVG_STEPS);

	return n < SVG_STEPS ? n : SVG_STEPS - 1;
}

static const char *cell_colour(const struct row *row, unsigned cell, uint64_t cell_len)
{
	if (!row->mapped[cell])
		return NULL;
	if (row->dirty[cell])
		return svg_red[step(row->dirty[cell], row->mapped[cell])];
	return svg_blue[step(row->mapped[cell], cell_len)];
}

/* One row; equal neighbours are one rectangle, the grid is laid over it. */
static void put_row(FILE *f, const struct row *row, unsigned cell_lg2, unsigned y)
{
	uint64_t iova = row->index << (cell_lg2 + CELLS_LG2);
	unsigned from = 0, to;

	fprintf(f, "<text class=\"n\" x=\"%u\" y=\"%u\">0x%" PRIx64 "</text>\n", LEFT - 10,
		y + CELL - 2, iova);
	fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" class=\"row\"/>\n", LEFT, y,
		CELLS * CELL, CELL - 1);
	while (from < CELLS) {
		const char *colour = cell_colour(row, from, UINT64_C(1) << cell_lg2);

		for (to = from + 1; to < CELLS; to++)
			if (cell_colour(row, to, UINT64_C(1) << cell_lg2) != colour)
				break;
		if (colour)
			fprintf(f,
				"<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"%s\">"
				"<title>0x%" PRIx64 " - 0x%" PRIx64 "</title></rect>\n",
				LEFT + from * CELL, y, (to - from) * CELL, CELL - 1, colour,
				iova + ((uint64_t)from << cell_lg2),
				iova + ((uint64_t)(to - 1) << cell_lg2) +
					((UINT64_C(1) << cell_lg2) - 1));
		from = to;
	}
	fprintf(f,
		"<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"url(#grid)\" "
		"pointer-events=\"none\"/>\n",
		LEFT, y, CELLS * CELL, CELL - 1);
}

static void put_title(FILE *f, const struct survey *survey, size_t index,
		      const struct extent *extent, unsigned y)
{
	const struct space *space = &survey->spaces[index];
	char id[TEXT_LEN], bytes[TEXT_LEN], dirty[TEXT_LEN];
	size_t i, user = space->first_user;

	fprintf(f, "<text class=\"h\" x=\"24\" y=\"%u\">Space %zu", y + 18, index);
	for (i = 0; i < space->nr_users && i < 4; i++) {
		fprintf(f, "%s%s", i ? ", " : " \xc2\xb7 ",
			source_text(survey->devices[user].source_id, id));
		user = space_next_user(survey, index, user);
	}
	if (i < space->nr_users)
		fprintf(f, " and %zu more", space->nr_users - i);
	fprintf(f, "</text>\n<text class=\"t\" x=\"24\" y=\"%u\">%s, root 0x%" PRIx64, y + 36,
		format_text(space->cfg.format), space->root);
	if (!extent->entries) {
		fprintf(f, ": no mappings</text>\n");
		return;
	}
	fprintf(f, ": %" PRIu64 " entries, %s mapped, ", extent->entries,
		size_text(extent->bytes, bytes));
	if (extent->dirty)
		fprintf(f, "%" PRIu64 " dirty (%s)", extent->dirty,
			size_text(extent->dirty_bytes, dirty));
	else
		fprintf(f, "none dirty");
	if (!(space->cfg.features & IOD_PT_HW_DIRTY))
		fprintf(f, "; hardware does not keep dirty bits here");
	fprintf(f, ".  One cell is %s.</text>\n",
		size_text(UINT64_C(1) << (CELL_LG2_MIN + extent->scale), bytes));
}

static unsigned space_height(const struct extent *extent)
{
	unsigned rows = (unsigned)extent->rows[extent->scale];
	unsigned gaps = (unsigned)extent->gaps[extent->scale];

	return SPACE_HEAD + rows * CELL + gaps * GAP + SPACE_FOOT;
}

static void put_space(FILE *f, struct survey *survey, size_t index, const struct extent *extent,
		      unsigned y)
{
	struct drawing *drawing = calloc(1, sizeof(*drawing));
	struct space_walk walk = { .quiet = true, .fn = draw, .cookie = drawing };
	unsigned i;

	if (!drawing)
		return;
	drawing->extent = extent;
	drawing->cell_lg2 = CELL_LG2_MIN + extent->scale;
	put_title(f, survey, index, extent, y);
	y += SPACE_HEAD - 8;
	space_visit(survey, index, &walk);
	for (i = 0; i < drawing->nr; i++) {
		/* Neighbouring rows touch; a gap of addresses is a gap in the picture. */
		if (i && drawing->rows[i].index != drawing->rows[i - 1].index + 1)
			y += GAP;
		put_row(f, &drawing->rows[i], drawing->cell_lg2, y);
		y += CELL;
	}
	free(drawing);
}

static void put_legend(FILE *f)
{
	unsigned x = WIDTH - 24 - 2 * SVG_STEPS * 22 - 190;

	fprintf(f, "<text class=\"t\" x=\"%u\" y=\"40\">mapped</text>\n", x);
	svg_ramp(f, x + 60, 30, 22, svg_blue);
	x += 60 + SVG_STEPS * 22 + 20;
	fprintf(f, "<text class=\"t\" x=\"%u\" y=\"40\">dirty</text>\n", x);
	svg_ramp(f, x + 44, 30, 22, svg_red);
	fprintf(f, "<text class=\"s\" x=\"%u\" y=\"58\">little to all of a cell</text>\n",
		x + 44 + SVG_STEPS * 22 - 118);
}

static void put_header(FILE *f, const struct survey *survey, unsigned height, size_t drawn)
{
	svg_begin(f, WIDTH, height);
	fprintf(f,
		"<defs><pattern id=\"grid\" x=\"%u\" y=\"0\" width=\"%u\" height=\"%u\" "
		"patternUnits=\"userSpaceOnUse\"><path d=\"M0.5 0V%u\" class=\"grid\"/></pattern></defs>\n",
		LEFT, CELL, CELL, CELL);
	fprintf(f, "<text class=\"b\" x=\"24\" y=\"42\">IOMMU mappings</text>\n");
	fprintf(f,
		"<text class=\"t\" x=\"24\" y=\"64\">%zu page tables%s. Each row is %u cells of "
		"IOVA space; rows without mappings are left out.</text>\n",
		survey->nr_spaces, drawn < survey->nr_spaces ? ", the first 64 of them drawn" : "",
		CELLS);
	put_legend(f);
}

static void choose_scale(struct extent *extent)
{
	while (extent->scale < SCALES - 1 && extent->rows[extent->scale] > MAX_ROWS)
		extent->scale++;
}

static int write_svg(FILE *f, struct survey *survey, struct extent *extents, size_t nr)
{
	unsigned height = HEAD, y = HEAD;
	size_t i;

	survey_rewind(survey);
	for (i = 0; i < nr; i++) {
		struct space_walk walk = { .quiet = true, .fn = measure, .cookie = &extents[i] };

		extents[i].format = survey->spaces[i].cfg.format;
		space_visit(survey, i, &walk);
		choose_scale(&extents[i]);
		height += space_height(&extents[i]);
	}
	put_header(f, survey, height, nr);
	survey_rewind(survey);
	for (i = 0; i < nr; i++) {
		put_space(f, survey, i, &extents[i], y);
		y += space_height(&extents[i]);
	}
	fputs("</svg>\n", f);
	return ferror(f) ? -1 : 0;
}

int out_svg(struct survey *survey, const char *name)
{
	size_t nr = survey->nr_spaces < MAX_SPACES ? survey->nr_spaces : MAX_SPACES;
	struct extent *extents = calloc(nr + 1, sizeof(*extents));
	FILE *f = extents ? fopen(name, "w") : NULL;
	int ret = f ? write_svg(f, survey, extents, nr) : -1;

	if (f && fclose(f))
		ret = -1;
	if (ret)
		complain("%s: %s", name, strerror(errno));
	free(extents);
	return ret;
}
