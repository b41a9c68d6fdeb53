/* SPDX-License-Identifier: MIT */
/* Figures as people read them, and the clock. */
#ifndef IODIRTY_FIGURES_H
#define IODIRTY_FIGURES_H

#include <stdint.h>
#include <stdio.h>

#define FIGURE_LEN 32
/* Each writes into a buffer of FIGURE_LEN bytes and returns it. */
const char *figure_bytes(char *text, uint64_t bytes);
const char *figure_ns(char *text, uint64_t ns);
const char *figure_count(char *text, uint64_t n);
const char *figure_si(char *text, double value);
const char *figure_per_s(char *text, double per_second);

/* "name": value, and a comma. */
void json_number(FILE *out, const char *name, uint64_t value);

/* Logarithm of a positive number, to four decimals and without libm. */
double figure_lg2(double x);

/* 0 when there is no whole. */
double figure_ratio(uint64_t part, uint64_t whole);

/* Nanoseconds of a clock that never goes back. */
uint64_t figure_now(void);

#endif
