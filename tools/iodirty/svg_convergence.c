/* SPDX-License-Identifier: MIT */
/*
 * Draws the convergence of `iodirty precopy`: on the left dirty memory per round on a logarithmic
 * scale, a line for each format (and policy, dashed, when there are several); on the right how long a
 * sweep took and how it ended, which is the legend as well. The colours are those of Okabe and Ito, told
 * apart by all kinds of eyes.
 */
#include "precopy_model.h"
#include "svg.h"

#include <stdlib.h>

#define WIDTH	     1000
#define PLOT_LEFT    84.0
#define PLOT_RIGHT   650.0
#define PLOT_TOP     104.0
#define PLOT_BOTTOM  500.0
#define SIDE_LEFT    700.0
#define SIDE_WIDTH   260.0
#define SIDE_STEP    66.0
#define GRID_LG2     4 /* a line for each factor of 16 */
#define X_LABELS_MAX 16

struct svg {
	FILE *out;
	const struct precopy_opts *opts;
	const struct precopy_result *res;
	unsigned nr;
	unsigned rounds; /* most of any */
	double low;	 /* log2 of the bytes at the bottom */
	double high;
};

/* One for each format; dashes tell policies apart. */
static const char *const colours[PRECOPY_FORMATS] = { "#0072b2", "#d55e00", "#009e73",
						      "#cc79a7", "#e69f00", "#56b4e9" };

static const char *colour(const struct svg *svg, unsigned run)
{
	return colours[svg->nr <= PRECOPY_FORMATS ? run : run / svg->opts->nr_policies];
}

static const char *dashes(const struct svg *svg, unsigned run)
{
	static const char *const patterns[] = { "none", "2 4", "9 4" };

	return patterns[svg->opts->nr_policies > 1 ? svg->res[run].policy : PRECOPY_NONE];
}

static double round_lg2(const struct svg *svg, uint64_t pages)
{
	double lg2;

	if (!pages)
		return svg->low;
	lg2 = figure_lg2((double)pages * PRECOPY_PAGE);
	return lg2 < svg->low ? svg->low : lg2;
}

static double plot_y(const struct svg *svg, double lg2)
{
	return PLOT_BOTTOM - (lg2 - svg->low) / (svg->high - svg->low) * (PLOT_BOTTOM - PLOT_TOP);
}

static double round_step(const struct svg *svg)
{
	return (PLOT_RIGHT - PLOT_LEFT) / svg->rounds;
}

/* Formats run so much alike that their points would hide each other: set them side by side. */
static double plot_x(const struct svg *svg, unsigned run, unsigned round)
{
	double step = round_step(svg), apart = step / 12;

	if (apart > 7)
		apart = 7;
	return PLOT_LEFT + step * (round + 0.5) + apart * (run - (svg->nr - 1) / 2.0);
}

/* The scale spans whole grid lines, from below the least to the whole memory or above. */
static void find_scale(struct svg *svg)
{
	uint64_t least = svg->opts->memory >> PRECOPY_PAGE_LG2;
	unsigned i, j;

	for (i = 0; i < svg->nr; i++) {
		const struct precopy_result *res = &svg->res[i];

		if (res->nr_rounds > svg->rounds)
			svg->rounds = res->nr_rounds;
		for (j = 0; j < res->nr_rounds; j++) {
			if (res->rounds[j].dirty && res->rounds[j].dirty < least)
				least = res->rounds[j].dirty;
		}
	}
	if (!svg->rounds)
		svg->rounds = 1;
	svg->low = figure_lg2((double)least * PRECOPY_PAGE);
	svg->low = (unsigned)svg->low / GRID_LG2 * GRID_LG2;
	svg->high = figure_lg2((double)svg->opts->memory) + 0.5;
}

static unsigned side_height(const struct svg *svg)
{
	return (unsigned)(PLOT_TOP + 24 + svg->nr * SIDE_STEP);
}

static void draw_title(const struct svg *svg)
{
	const struct precopy_opts *opts = svg->opts;
	char memory[FIGURE_LEN], link[FIGURE_LEN], rate[FIGURE_LEN], title[160];
	unsigned height = side_height(svg) > 560 ? side_height(svg) : 560;

	fprintf(svg->out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %u\" width=\"%d\" "
		"height=\"%u\" font-family=\"system-ui, Helvetica, Arial, sans-serif\" "
		"font-size=\"13\" fill=\"#333\">\n<title>Convergence of a pre-copy migration</title>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		WIDTH, height, WIDTH, height);
	snprintf(title, sizeof(title), "Pre-copy migration of %s in %s",
		 figure_bytes(memory, opts->memory), precopy_text_pages(opts->pages));
	svg_text(svg->out, 28, 40, "font-size=\"22\" font-weight=\"600\" fill=\"#111\"", title);
	snprintf(title, sizeof(title), "%u DMA agents write %s%s, the link carries %sB/s",
		 opts->agents,
		 precopy_rate(opts) ? figure_si(rate, (double)precopy_rate(opts)) : "flat out",
		 precopy_rate(opts) ? " pages/s" : "", figure_si(link, (double)opts->bandwidth));
	svg_text(svg->out, 28, 64, "fill=\"#666\"", title);
}

static void draw_grid(const struct svg *svg)
{
	const char *grid = "stroke=\"#e4e4e4\"", *axis = "stroke=\"#888\"";
	unsigned i, every = (svg->rounds + X_LABELS_MAX - 1) / X_LABELS_MAX;
	char label[FIGURE_LEN];
	double lg2;

	svg_text(svg->out, PLOT_LEFT, PLOT_TOP - 14, "font-weight=\"600\"",
		 "Dirty memory per round");
	for (lg2 = svg->low; lg2 <= svg->high; lg2 += GRID_LG2) {
		double y = plot_y(svg, lg2);

		svg_line(svg->out, PLOT_LEFT, y, PLOT_RIGHT, y, grid);
		figure_bytes(label, 1ull << (unsigned)lg2);
		svg_text(svg->out, PLOT_LEFT - 10, y + 4, "text-anchor=\"end\" fill=\"#666\"",
			 label);
	}
	svg_line(svg->out, PLOT_LEFT, PLOT_BOTTOM, PLOT_RIGHT, PLOT_BOTTOM, axis);
	for (i = 0; i < svg->rounds; i += every) {
		snprintf(label, sizeof(label), "%u", i);
		svg_text(svg->out, PLOT_LEFT + round_step(svg) * (i + 0.5), PLOT_BOTTOM + 20,
			 "text-anchor=\"middle\" fill=\"#666\"", label);
	}
	svg_text(svg->out, (PLOT_LEFT + PLOT_RIGHT) / 2, PLOT_BOTTOM + 42,
		 "text-anchor=\"middle\" fill=\"#666\"",
		 "round (hollow: final pass, the VM stopped)");
}

static void draw_threshold(const struct svg *svg)
{
	char time[FIGURE_LEN], label[80];
	double y, lg2;

	if (!precopy_threshold(svg->opts))
		return;
	lg2 = figure_lg2((double)precopy_threshold(svg->opts));
	if (lg2 <= svg->low || lg2 >= svg->high)
		return;
	y = plot_y(svg, lg2);
	svg_line(svg->out, PLOT_LEFT, y, PLOT_RIGHT, y, "stroke=\"#999\" stroke-dasharray=\"5 4\"");
	snprintf(label, sizeof(label), "sent in %s: stop the VM",
		 figure_ns(time, svg->opts->downtime_ns));
	svg_text(svg->out, PLOT_LEFT + 6, y - 6, "font-size=\"12\" fill=\"#777\"", label);
}

static void draw_series(const struct svg *svg, unsigned run)
{
	const struct precopy_result *res = &svg->res[run];
	bool dots = svg->rounds <= 40;
	unsigned i;

	fprintf(svg->out,
		"<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\" "
		"stroke-dasharray=\"%s\" points=\"",
		colour(svg, run), dashes(svg, run));
	for (i = 0; i < res->nr_rounds; i++)
		fprintf(svg->out, "%.1f,%.1f ", plot_x(svg, run, i),
			plot_y(svg, round_lg2(svg, res->rounds[i].dirty)));
	fputs("\"/>\n", svg->out);
	for (i = dots ? 0 : res->nr_rounds - 1; i < res->nr_rounds; i++) {
		bool final = i + 1 == res->nr_rounds;
		char size[FIGURE_LEN], name[FIGURE_LEN];

		fprintf(svg->out,
			"<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\" stroke=\"%s\" "
			"stroke-width=\"2\"><title>%s %s %u: %s</title></circle>\n",
			plot_x(svg, run, i), plot_y(svg, round_lg2(svg, res->rounds[i].dirty)),
			final ? "#fff" : colour(svg, run), colour(svg, run),
			precopy_text_name(name, svg->opts, res), final ? "final pass" : "round", i,
			figure_bytes(size, res->rounds[i].dirty * PRECOPY_PAGE));
	}
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median_sweep(const struct precopy_result *res)
{
	uint64_t times[PRECOPY_MAX_ROUNDS + 1];
	unsigned i;

	if (!res->nr_rounds)
		return 0;
	for (i = 0; i < res->nr_rounds; i++)
		times[i] = res->rounds[i].sweep_ns;
	qsort(times, res->nr_rounds, sizeof(*times), compare_u64);
	return times[res->nr_rounds / 2];
}

static void draw_side_row(const struct svg *svg, unsigned run, uint64_t longest)
{
	const struct precopy_result *res = &svg->res[run];
	double y = PLOT_TOP + 14 + run * SIDE_STEP, full = SIDE_WIDTH - 70, width;
	char time[FIGURE_LEN], down[FIGURE_LEN], lost[FIGURE_LEN], name[FIGURE_LEN], label[120];
	uint64_t sweep = median_sweep(res);

	svg_text(svg->out, SIDE_LEFT, y, "font-weight=\"600\"",
		 precopy_text_name(name, svg->opts, res));
	if (res->error) {
		svg_text(svg->out, SIDE_LEFT, y + 20, "fill=\"#c00\"", res->what);
		return;
	}
	width = longest ? full * (double)sweep / (double)longest : 0;
	fprintf(svg->out,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"14\" rx=\"2\" fill=\"%s\"/>\n",
		SIDE_LEFT, y + 7, width < 2 ? 2 : width, colour(svg, run));
	svg_text(svg->out, SIDE_LEFT + width + 8, y + 18, "", figure_ns(time, sweep));
	snprintf(label, sizeof(label), "%u rounds, downtime %s, %s lost", res->nr_rounds,
		 figure_ns(down, res->downtime_ns), figure_count(lost, res->lost));
	svg_text(svg->out, SIDE_LEFT, y + 37,
		 precopy_passed(res) ? "font-size=\"12\" fill=\"#666\""
				     : "font-size=\"12\" font-weight=\"600\" fill=\"#c00\"",
		 label);
}

static void draw_side(const struct svg *svg)
{
	uint64_t longest = 0;
	unsigned i;

	for (i = 0; i < svg->nr; i++) {
		if (median_sweep(&svg->res[i]) > longest)
			longest = median_sweep(&svg->res[i]);
	}
	svg_text(svg->out, SIDE_LEFT, PLOT_TOP - 14, "font-weight=\"600\"",
		 "Sweep of all tables (median)");
	for (i = 0; i < svg->nr; i++)
		draw_side_row(svg, i, longest);
}

/* 0, or -1 with errno set. */
int precopy_write_svg(const char *path, const struct precopy_opts *opts,
		      const struct precopy_result *res, unsigned nr)
{
	struct svg svg = { .out = fopen(path, "w"), .opts = opts, .res = res, .nr = nr };
	unsigned i;
	int ret;

	if (!svg.out)
		return -1;
	find_scale(&svg);
	draw_title(&svg);
	draw_grid(&svg);
	draw_threshold(&svg);
	for (i = 0; i < nr; i++) {
		if (res[i].nr_rounds)
			draw_series(&svg, i);
	}
	draw_side(&svg);
	fputs("</svg>\n", svg.out);
	ret = ferror(svg.out) ? -1 : 0;
	return fclose(svg.out) ? -1 : ret;
}
