/* SPDX-License-Identifier: MIT */
/* Command lines made of long options: what the models (precopy, replay) share. */
#include "args.h"

#include "cmds.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int args_bad(const char *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "iodirty %s: ", command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nTry 'iodirty %s --help'.\n", command);
	return EXIT_USAGE;
}

int args_parse(const struct args *args, void *cookie, int argc, char **argv)
{
	int option, ret;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":h", args->options, NULL)) != -1) {
		if (option == args->help || option == 'h') {
			args->print_help();
			return -1;
		}
		if (option == ':')
			return args_bad(args->command, "%s needs a value", argv[optind - 1]);
		if (option == '?' && optopt >= args->first)
			return args_bad(args->command, "%s takes no value", argv[optind - 1]);
		if (option == '?')
			return args_bad(args->command, "unknown option: %s", argv[optind - 1]);
		ret = args->set(cookie, option, optarg);
		if (ret)
			return ret;
	}
	return 0;
}

/* What a suffix multiplies with; 0 when there is no such suffix. */
static uint64_t suffix(const char *text, uint64_t kilo)
{
	static const char letters[] = "KMGT";
	const char *letter;
	uint64_t unit = 1;

	if (!*text)
		return 1;
	letter = strchr(letters, *text >= 'a' ? *text - 'a' + 'A' : *text);
	if (!letter)
		return 0;
	if (text[1] && strcmp(text + 1, "B") && !(kilo == 1024 && !strcmp(text + 1, "iB")))
		return 0;
	for (; letter >= letters; letter--)
		unit *= kilo;
	return unit;
}

/* A number with a fraction, perhaps, and a suffix. Leaves *rest where the number ends. */
static bool parse_number(const char *text, double *value, const char **rest)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false; /* also signs, blanks, infinities */
	errno = 0;
	*value = strtod(text, &end);
	*rest = end;
	return !errno && !(text[0] == '0' && (text[1] == 'x' || text[1] == 'X'));
}

bool args_size(const char *text, uint64_t kilo, uint64_t *out)
{
	const char *rest;
	uint64_t unit;
	double value;

	if (!parse_number(text, &value, &rest))
		return false;
	unit = suffix(rest, kilo);
	if (!unit || value * (double)unit >= 9e18)
		return false;
	*out = (uint64_t)(value * (double)unit + 0.5);
	return true;
}

bool args_time(const char *text, uint64_t *ns)
{
	const char *rest;
	double value;

	if (!parse_number(text, &value, &rest))
		return false;
	if (!strcmp(rest, "us"))
		value *= 1e3;
	else if (!strcmp(rest, "ms"))
		value *= 1e6;
	else if (!strcmp(rest, "s"))
		value *= 1e9;
	else
		return false;
	if (value >= 9e18)
		return false;
	*ns = (uint64_t)(value + 0.5);
	return true;
}

int args_word(const char *text, const char *const *words)
{
	int i;

	for (i = 0; words[i]; i++) {
		if (!strcmp(text, words[i]))
			return i;
	}
	return -1;
}

int args_uint(const char *command, const char *option, const char *text, uint64_t least,
	      uint64_t most, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end)
		return args_bad(command, "%s: '%s' is not a number", option, text);
	if (errno || *out < least || *out > most)
		return args_bad(command, "%s: %s is not between %" PRIu64 " and %" PRIu64, option,
				text, least, most);
	return 0;
}

int args_unsigned(const char *command, const char *option, const char *text, unsigned least,
		  unsigned most, unsigned *out)
{
	uint64_t value = 0;
	int ret = args_uint(command, option, text, least, most, &value);

	*out = (unsigned)value;
	return ret;
}
