/* SPDX-License-Identifier: MIT */
/* The subcommands of the program, and what they exit with. */
#ifndef IODIRTY_CMDS_H
#define IODIRTY_CMDS_H

/* Exit codes, the same in every subcommand; --help lists them. */
enum {
	EXIT_OK = 0,
	EXIT_USAGE = 1,	   /* the command line is wrong */
	EXIT_BAD = 2,	   /* a file or a table in it is damaged, or a check failed */
	EXIT_UNMAPPED = 3, /* translate: nothing maps the address */
	EXIT_CANNOT = 4,   /* no memory, a file cannot be written, the library refused */
};

/* argv[0] is the subcommand's name. Each returns what the program exits with. */
int cmd_dump(int argc, char **argv);
int cmd_translate(int argc, char **argv);
int cmd_precopy(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_bench(int argc, char **argv);

#endif
