/* SPDX-License-Identifier: MIT */
/* Where a model shows its figures: a terminal with colours, or a file. */
#ifndef IODIRTY_TERM_H
#define IODIRTY_TERM_H

#include <stdbool.h>
#include <stdio.h>

#define TERM_BOLD  "\033[1m"
#define TERM_DIM   "\033[2m"
#define TERM_RED   "\033[1;31m"
#define TERM_GREEN "\033[1;32m"

struct term {
	FILE *out;
	bool tty;
	bool colour;
	bool utf8;
};

void term_init(struct term *term, FILE *out);

/* Whether lines of that many columns fit; a file has room for everything. */
bool term_fits(const struct term *term, unsigned columns);

/* The code, or nothing where there are no colours. */
const char *term_paint(const struct term *term, const char *code);
const char *term_unpaint(const struct term *term);

/* A logarithmic bar: of `width` characters for 1, of none for 1/100000. */
void term_bar(const struct term *term, double part, unsigned width);

#endif
