/* SPDX-License-Identifier: MIT */
/* Where a model shows its figures: a terminal with colours, or a file. */
#include "term.h"

#include "figures.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_DECADES 5

static bool locale_is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	unsigned i;

	for (i = 0; i < 3; i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strstr(value, "UTF-8") || strstr(value, "utf8");
	}
	return false;
}

void term_init(struct term *term, FILE *out)
{
	const char *name = getenv("TERM"), *no_colour = getenv("NO_COLOR");

	term->out = out;
	term->tty = isatty(fileno(out)) && name && strcmp(name, "dumb");
	term->colour = term->tty && !(no_colour && *no_colour);
	term->utf8 = term->tty && locale_is_utf8();
}

bool term_fits(const struct term *term, unsigned columns)
{
	struct winsize size;

	return !term->tty || ioctl(fileno(term->out), TIOCGWINSZ, &size) || size.ws_col > columns;
}

const char *term_paint(const struct term *term, const char *code)
{
	return term->colour ? code : "";
}

const char *term_unpaint(const struct term *term)
{
	return term->colour ? "\033[0m" : "";
}

/* Length of a bar in eighths of a character; something is never nothing. */
static unsigned bar_eighths(double part, unsigned width)
{
	const double decades = BAR_DECADES * 3.3219; /* of which each is so many bits */
	double length;

	if (part <= 0)
		return 0;
	length = (1 + figure_lg2(part) / decades) * width * 8;
	return length > 1 ? (unsigned)length : 1;
}

void term_bar(const struct term *term, double part, unsigned width)
{
	static const char *const parts[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	unsigned eighths = bar_eighths(part, width), i;

	fputs("  ", term->out);
	for (i = 0; i < eighths / 8; i++)
		fputs(term->utf8 ? "█" : "#", term->out);
	if (term->utf8)
		fputs(parts[eighths % 8], term->out);
	else if (eighths && eighths < 8)
		fputs("#", term->out);
}
