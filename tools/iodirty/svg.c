/* SPDX-License-Identifier: MIT */
/* What the drawings share: the frame with its style, light and dark, colours, text and lines. */
#include "svg.h"

const char *const svg_blue[SVG_STEPS] = { "#d6e8f7", "#a9cfec", "#74b0dc", "#3f8cc4", "#1b659f" };
const char *const svg_red[SVG_STEPS] = { "#fde3a7", "#fbbf5d", "#f58f3c", "#e2562e", "#b3202c" };

void svg_begin(FILE *f, unsigned width, unsigned height)
{
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		"viewBox=\"0 0 %u %u\">\n",
		width, height, width, height);
	fputs("<style>text{font-family:system-ui,sans-serif;fill:#24292f}"
	      ".b{font-size:20px;font-weight:600}.h{font-size:14px;font-weight:600}"
	      ".t{font-size:12px;fill:#57606a}.s{font-size:11px;fill:#57606a}"
	      ".n{font-size:11px;font-family:ui-monospace,monospace;text-anchor:end;"
	      "fill:#57606a}.bg{fill:#fff}.row{fill:#eef1f4}.grid{stroke:#fff;stroke-opacity:0.6}"
	      ".axis{stroke:#8c959f}\n"
	      "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.t,.s,.n{fill:#9198a1}"
	      ".bg{fill:#0d1117}.row{fill:#1f262e}.grid{stroke:#0d1117}}</style>\n",
	      f);
	fprintf(f, "<rect class=\"bg\" width=\"%u\" height=\"%u\"/>\n", width, height);
}

void svg_ramp(FILE *f, unsigned x, unsigned y, unsigned width, const char *const *colours)
{
	unsigned i;

	for (i = 0; i < SVG_STEPS; i++)
		fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"12\" fill=\"%s\"/>\n",
			x + i * width, y, width, colours[i]);
}

void svg_text(FILE *f, double x, double y, const char *attributes, const char *string)
{
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y, attributes, string);
}

void svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *attributes)
{
	fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2, y2,
		attributes);
}
