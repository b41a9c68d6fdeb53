/* SPDX-License-Identifier: MIT */
/* What the drawings share: the frame with its style, light and dark, colours, text and lines. */
#ifndef IODIRTY_SVG_H
#define IODIRTY_SVG_H

#include <stdint.h>
#include <stdio.h>

#define SVG_STEPS 5u

/* From little to much: blue is what is mapped or used, yellow to red what is dirty. */
extern const char *const svg_blue[SVG_STEPS];
extern const char *const svg_red[SVG_STEPS];

/*
 * Classes: text b (title), h (heading), t (small), s (smaller), n (number that ends at x);
 * rectangles bg and row; lines grid and axis.
 */
void svg_begin(FILE *f, unsigned width, unsigned height);

/* A legend: all steps side by side, each so wide, as high as small text. */
void svg_ramp(FILE *f, unsigned x, unsigned y, unsigned width, const char *const *colours);

void svg_text(FILE *f, double x, double y, const char *attributes, const char *string);
void svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *attributes);

#endif
