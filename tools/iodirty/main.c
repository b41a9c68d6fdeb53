/* SPDX-License-Identifier: MIT */
/* The program iodirty: picks the subcommand. */
#include "cmds.h"

#include <iodirty/version.h>

#include <stdio.h>
#include <string.h>

static const char help[] =
	"iodirty - IOMMU page tables with dirty tracking: look at them, model them, measure\n"
	"\n"
	"Usage: iodirty COMMAND [ARGUMENT...]\n"
	"\n"
	"Commands:\n"
	"  dump       devices and their IOMMU mappings, from a memory dump of a guest\n"
	"  translate  where one IOVA leads, from a memory dump of a guest\n"
	"  precopy    model the pre-copy phase of a live migration with DMA running\n"
	"  replay     replay a trace of DMA accesses, sweeping at an interval\n"
#ifdef IOD_TOOL_BENCH
	"  bench      measure the library on this machine\n"
#endif
	"\n"
	"  iodirty COMMAND --help     what the command does, its options, examples\n"
	"  iodirty --version          version of the program and of the library\n"
	"\n"
	"Examples:\n"
	"  iodirty dump --vtd-rtaddr 0x1449d4000 guest.elf\n"
	"  iodirty translate --amd-devtab 0x1000003 --device 00:05.0 guest.elf 0xfff40000\n"
	"  iodirty precopy --help\n"
	"\n"
	"Exit codes: 0 done, 1 the command line is wrong, 2 damaged input or a failed\n"
	"check, 3 (translate) nothing maps the IOVA, 4 it cannot be done (memory, files).\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "dump", cmd_dump },	    { "translate", cmd_translate },
	{ "precopy", cmd_precopy }, { "replay", cmd_replay },
#ifdef IOD_TOOL_BENCH
	{ "bench", cmd_bench },
#endif
};

static void print_version(void)
{
	printf("iodirty %d.%d.%d (library %s)\n", IOD_VERSION_MAJOR, IOD_VERSION_MINOR,
	       IOD_VERSION_PATCH, iod_version_string());
}

/* What was printed must have arrived: a full disk is no success. */
static int finish(int ret)
{
	if (fflush(stdout) || ferror(stdout)) {
		perror("iodirty: standard output");
		return ret ? ret : EXIT_BAD;
	}
	return ret;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	size_t i;

	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		fputs(help, stdout);
		return finish(EXIT_OK);
	}
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		print_version();
		return finish(EXIT_OK);
	}
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(name, commands[i].name))
			return finish(commands[i].run(argc - 1, argv + 1));
	if (argc > 1)
		fprintf(stderr, "iodirty: no command '%s'\n", name);
	fputs("Try 'iodirty --help'.\n", stderr);
	return EXIT_USAGE;
}
