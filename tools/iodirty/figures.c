/* SPDX-License-Identifier: MIT */
/* Figures as people read them, and the clock. */
#include "figures.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* Three significant digits: 1.23, 12.3, 123. */
static const char *text_scaled(char *text, double value, const char *unit)
{
	int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	snprintf(text, FIGURE_LEN, "%.*f %s", digits, value, unit);
	return text;
}

const char *figure_bytes(char *text, uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)bytes / 1024;
	unsigned i = 0;

	if (bytes < 1024) {
		snprintf(text, FIGURE_LEN, "%u B", (unsigned)bytes);
		return text;
	}
	for (; value >= 999.5 && i < 4; i++)
		value /= 1024;
	if (value == (double)(unsigned)value) {
		snprintf(text, FIGURE_LEN, "%.0f %s", value, units[i]);
		return text;
	}
	return text_scaled(text, value, units[i]);
}

const char *figure_ns(char *text, uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	unsigned i = 0;

	for (; value >= 999.5 && i < 3; i++)
		value /= 1000;
	if (value == (double)(unsigned)value) {
		snprintf(text, FIGURE_LEN, "%.0f %s", value, units[i]);
		return text;
	}
	return text_scaled(text, value, units[i]);
}

const char *figure_count(char *text, uint64_t n)
{
	char digits[FIGURE_LEN];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n), i, out = 0;

	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			text[out++] = ',';
		text[out++] = digits[i];
	}
	text[out] = '\0';
	return text;
}

/* 1.23 G: the caller appends the unit. */
const char *figure_si(char *text, double value)
{
	static const char *const units[] = { "", "k", "M", "G", "T" };
	unsigned i = 0;

	for (; value >= 999.5 && i < 4; i++)
		value /= 1000;
	if (value == (double)(unsigned)value) {
		snprintf(text, FIGURE_LEN, i ? "%.0f %s" : "%.0f", value, units[i]);
		return text;
	}
	return text_scaled(text, value, units[i]);
}

const char *figure_per_s(char *text, double per_second)
{
	figure_si(text, per_second);
	strcat(text, "/s");
	return text;
}

void json_number(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "\"%s\": %" PRIu64 ", ", name, value);
}

double figure_lg2(double x)
{
	double lg2 = 0, bit;

	for (; x >= 2; x /= 2)
		lg2++;
	for (; x < 1; x *= 2)
		lg2--;
	for (bit = 0.5; bit > 0.00005; bit /= 2) {
		x *= x;
		if (x >= 2) {
			x /= 2;
			lg2 += bit;
		}
	}
	return lg2;
}

double figure_ratio(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

uint64_t figure_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
