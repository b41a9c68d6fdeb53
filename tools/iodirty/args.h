/* SPDX-License-Identifier: MIT */
/* Command lines made of long options: what the models (precopy, replay) share. */
#ifndef IODIRTY_ARGS_H
#define IODIRTY_ARGS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/* The command line of one subcommand. Values of options begin at `first`, above all characters. */
struct args {
	const char *command;
	const struct option *options;
	int first;
	int help; /* the option that calls print_help */
	void (*print_help)(void);
	int (*set)(void *cookie, int option, const char *value); /* 0 or an exit code */
};

/*
 * Takes the options; getopt's optind is then the first operand.
 * @return 0; EXIT_USAGE, or what set() returned; -1 when help was asked for and given
 */
int args_parse(const struct args *args, void *cookie, int argc, char **argv);

/* "iodirty COMMAND: ..." and where to find help, on stderr. @return EXIT_USAGE */
int args_bad(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A number with a fraction, perhaps, and K, M, G, T (powers of kilo); hexadecimal is none. */
bool args_size(const char *text, uint64_t kilo, uint64_t *out);

/* A number of us, ms or s. */
bool args_time(const char *text, uint64_t *ns);

/* The index of a word in a list that ends with NULL, or -1. */
int args_word(const char *text, const char *const *words);

/* The numbers of an option; they complain themselves. @return 0, EXIT_USAGE */
int args_uint(const char *command, const char *option, const char *text, uint64_t least,
	      uint64_t most, uint64_t *out);
int args_unsigned(const char *command, const char *option, const char *text, unsigned least,
		  unsigned most, unsigned *out);

#endif
