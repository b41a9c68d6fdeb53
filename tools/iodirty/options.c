/* SPDX-License-Identifier: MIT */
/* The command line that dump and translate share. */
#include "options.h"

#include "cmds.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char common_help[] =
	"Where the tables are (one of; values as the registers hold them, 0x for hex):\n"
	"  --vtd-rtaddr VALUE         VT-d: RTADDR, mode in bits 11:10\n"
	"  --smmu-strtab-base VALUE   SMMUv3: STRTAB_BASE ...\n"
	"  --smmu-strtab-cfg VALUE    ... and STRTAB_BASE_CFG\n"
	"  --amd-devtab VALUE         AMD-Vi: device table base, size in bits 8:0\n"
	"  --format FORMAT --root PA  one page table: arm-lpae-s1, arm-lpae-s2,\n"
	"                             vtd-second-stage, vtd-first-stage, amd-v1, amd-v2\n"
	"\n"
	"About the table of --format:\n"
	"  --levels N                 levels from the root (AMD v1: Mode)\n"
	"  --granule SIZE             Arm: 4K (default), 16K or 64K\n"
	"  --ias BITS, --oas BITS     input and output address size\n"
	"  --features LIST            of: access, dirty, table-access (hardware sets those\n"
	"                             bits), upper (TTB1), lpae32, small, s2fwb\n"
	"\n"
	"Other options:\n"
	"  --device SOURCE_ID         only that device: a number, or bus:device.function\n"
	"  --json                     for programs\n"
	"  -h, --help                 this text\n";

static const char exit_help[] =
	"\n"
	"Exit codes: 0 done (table pages that the core does not hold are skipped with a\n"
	"warning), 1 the command line is wrong, 2 a core or a table is damaged or cannot\n"
	"be read (what was found is printed all the same)%s.\n";

enum {
	OPT_RTADDR = 256,
	OPT_STRTAB_BASE,
	OPT_STRTAB_CFG,
	OPT_DEVTAB,
	OPT_FORMAT,
	OPT_ROOT,
	OPT_LEVELS,
	OPT_GRANULE,
	OPT_IAS,
	OPT_OAS,
	OPT_FEATURES,
	OPT_DEVICE,
	OPT_JSON,
	OPT_TREE,
	OPT_DIRTY,
	OPT_ALL,
	OPT_SVG,
};

static const struct option long_options[] = {
	{ "vtd-rtaddr", required_argument, NULL, OPT_RTADDR },
	{ "smmu-strtab-base", required_argument, NULL, OPT_STRTAB_BASE },
	{ "smmu-strtab-cfg", required_argument, NULL, OPT_STRTAB_CFG },
	{ "amd-devtab", required_argument, NULL, OPT_DEVTAB },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "levels", required_argument, NULL, OPT_LEVELS },
	{ "granule", required_argument, NULL, OPT_GRANULE },
	{ "ias", required_argument, NULL, OPT_IAS },
	{ "oas", required_argument, NULL, OPT_OAS },
	{ "features", required_argument, NULL, OPT_FEATURES },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "tree", no_argument, NULL, OPT_TREE },
	{ "dirty", no_argument, NULL, OPT_DIRTY },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "svg", required_argument, NULL, OPT_SVG },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* What was given; each bit is an option that others need or exclude. */
struct parse {
	struct options *opt;
	const struct command *command;
	bool rtaddr, base, cfg, devtab, format, root, table;
};

static int parse_number(const char *text, uint64_t max, uint64_t *out)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno || end == text || *end || strchr(text, '-') || v > max)
		return -1;
	*out = v;
	return 0;
}

static int parse_u32(const char *text, uint32_t max, uint32_t *out)
{
	uint64_t v;

	if (parse_number(text, max, &v))
		return -1;
	*out = (uint32_t)v;
	return 0;
}

/* A number, or [0000:]bus:device.function in hex. */
static int parse_device(const char *text, uint32_t *out)
{
	unsigned domain = 0, bus, dev, fn;
	int end = -1;

	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &dev, &fn, &end) != 4 || end < 0) {
		end = -1;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &dev, &fn, &end) != 3)
			end = -1;
	}
	if (end < 0)
		return parse_u32(text, UINT32_MAX, out);
	if (text[end] || dev > 31 || fn > 7)
		return -1;
	*out = bus << 8 | dev << 3 | fn;
	return 0;
}

static int parse_granule(const char *text, uint32_t *out)
{
	static const struct {
		const char *text;
		uint32_t granule;
	} names[] = {
		{ "4K", 4096 },	  { "4k", 4096 },   { "16K", 16384 },
		{ "16k", 16384 }, { "64K", 65536 }, { "64k", 65536 },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i].text) == 0) {
			*out = names[i].granule;
			return 0;
		}
	}
	return parse_u32(text, 65536, out);
}

static int parse_features(const char *text, uint32_t *out)
{
	static const struct {
		const char *name;
		uint32_t bits;
	} names[] = {
		{ "access", IOD_PT_HW_ACCESS },
		{ "dirty", IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY },
		{ "table-access", IOD_PT_HW_ACCESS | IOD_PT_HW_TABLE_ACCESS },
		{ "upper", IOD_PT_UPPER },
		{ "lpae32", IOD_PT_LPAE32 },
		{ "small", IOD_PT_SMALL },
		{ "s2fwb", IOD_PT_S2FWB },
	};
	const size_t nr = sizeof(names) / sizeof(names[0]);

	while (*text) {
		size_t len = strcspn(text, ","), i;

		for (i = 0; i < nr; i++)
			if (strlen(names[i].name) == len && !strncmp(text, names[i].name, len))
				break;
		if (i == nr)
			return -1;
		*out |= names[i].bits;
		text += len;
		text += *text == ',';
	}
	return 0;
}

/* Options that say where the tables are. @return 0, -1 bad value, 1 another option */
static int parse_root(struct parse *parse, int c, const char *arg)
{
	struct options *opt = parse->opt;

	switch (c) {
	case OPT_RTADDR:
		parse->rtaddr = true;
		return parse_number(arg, UINT64_MAX, &opt->root);
	case OPT_STRTAB_BASE:
		parse->base = true;
		return parse_number(arg, UINT64_MAX, &opt->root);
	case OPT_STRTAB_CFG:
		parse->cfg = true;
		return parse_u32(arg, UINT32_MAX, &opt->strtab_cfg);
	case OPT_DEVTAB:
		parse->devtab = true;
		return parse_number(arg, UINT64_MAX, &opt->root);
	case OPT_FORMAT:
		parse->format = true;
		return format_parse(arg, &opt->cfg.format);
	case OPT_ROOT:
		parse->root = true;
		return parse_number(arg, UINT64_MAX, &opt->root);
	}
	return 1;
}

/* Options about the table of --format; as above. */
static int parse_table(struct parse *parse, int c, const char *arg)
{
	struct iod_pgtable_cfg *cfg = &parse->opt->cfg;

	if (c >= OPT_LEVELS && c <= OPT_FEATURES)
		parse->table = true;
	switch (c) {
	case OPT_LEVELS:
		return parse_u32(arg, 6, &cfg->levels);
	case OPT_GRANULE:
		return parse_granule(arg, &cfg->granule);
	case OPT_IAS:
		return parse_u32(arg, 64, &cfg->ias);
	case OPT_OAS:
		return parse_u32(arg, 64, &cfg->oas);
	case OPT_FEATURES:
		return parse_features(arg, &cfg->features);
	}
	return 1;
}

static int parse_other(struct parse *parse, int c, const char *arg)
{
	struct options *opt = parse->opt;

	switch (c) {
	case OPT_DEVICE:
		opt->one_device = true;
		return parse_device(arg, &opt->device);
	case OPT_JSON:
		opt->json = true;
		return 0;
	case OPT_TREE:
		opt->tree = true;
		return 0;
	case OPT_DIRTY:
		opt->dirty = true;
		return 0;
	case OPT_ALL:
		opt->all = true;
		return 0;
	case OPT_SVG:
		opt->svg = arg;
		return 0;
	}
	return 1;
}

/* @return what is wrong with the options taken together, or NULL */
static const char *check_root(struct parse *parse)
{
	struct options *opt = parse->opt;
	int given = parse->rtaddr + (parse->base || parse->cfg) + parse->devtab +
		    (parse->format || parse->root);

	if (given == 0)
		return "say where the tables are: --vtd-rtaddr, --smmu-strtab-base, --amd-devtab "
		       "or --format and --root";
	if (given > 1)
		return "--vtd-rtaddr, --smmu-strtab-base, --amd-devtab and --format exclude each "
		       "other";
	if (parse->base != parse->cfg)
		return "--smmu-strtab-base and --smmu-strtab-cfg go together";
	if (parse->format != parse->root)
		return "--format and --root go together";
	if (parse->table && !parse->format)
		return "--levels, --granule, --ias, --oas and --features go with --format";
	if (opt->one_device && parse->format)
		return "--device needs a table of devices, not --format";
	opt->kind = parse->rtaddr   ? ROOT_VTD
		    : parse->base   ? ROOT_SMMU
		    : parse->devtab ? ROOT_AMD
				    : ROOT_TABLE;
	return NULL;
}

static const char *check_output(struct parse *parse)
{
	struct options *opt = parse->opt;

	if (parse->command->takes_iova && (opt->tree || opt->dirty || opt->all || opt->svg))
		return "--tree, --dirty, --all and --svg are options of dump";
	if (opt->json && (opt->tree || opt->dirty))
		return "--json excludes --tree and --dirty: it has every mapping";
	return NULL;
}

static int usage_error(const struct command *command, const char *message)
{
	if (message)
		complain("%s", message);
	fprintf(stderr, "Try 'iodirty %s --help'.\n", command->name);
	return EXIT_USAGE;
}

static int print_help(const struct command *command)
{
	fputs(command->usage, stdout);
	fputs(common_help, stdout);
	printf(exit_help, command->takes_iova ? ", 3 nothing maps the IOVA" : "");
	return EXIT_OK;
}

/* What remains: files, and the IOVA. */
static const char *take_arguments(struct parse *parse, int argc, char **argv)
{
	struct options *opt = parse->opt;

	if (parse->command->takes_iova) {
		if (argc < 2)
			return "a core and an IOVA are needed";
		if (parse_number(argv[--argc], UINT64_MAX, &opt->iova))
			return "the last argument must be an IOVA (a number; 0x for hex)";
	}
	if (argc < 1)
		return "which core?";
	opt->files = argv;
	opt->nr_files = argc;
	return NULL;
}

int options_parse(struct options *opt, int argc, char **argv, const struct command *command)
{
	struct parse parse = { .opt = opt, .command = command };
	const char *error;
	int c, index;

	memset(opt, 0, sizeof(*opt));
	opt->cfg.size = sizeof(opt->cfg);
	while ((c = getopt_long(argc, argv, "h", long_options, &index)) != -1) {
		int ret;

		if (c == 'h')
			return print_help(command);
		if (c == '?')
			return usage_error(command, NULL);
		ret = parse_root(&parse, c, optarg);
		ret = ret > 0 ? parse_table(&parse, c, optarg) : ret;
		ret = ret > 0 ? parse_other(&parse, c, optarg) : ret;
		if (ret) {
			complain("--%s: bad value '%s'", long_options[index].name, optarg);
			return usage_error(command, NULL);
		}
	}
	error = take_arguments(&parse, argc - optind, argv + optind);
	error = error ? error : check_root(&parse);
	error = error ? error : check_output(&parse);
	return error ? usage_error(command, error) : -1;
}
