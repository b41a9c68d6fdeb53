/* SPDX-License-Identifier: MIT */
/* `iodirty precopy`: the command line, and one migration for each format and policy asked for. */
#include "precopy_model.h"
#include "args.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmds.h"

#define bad(...)      args_bad("precopy", __VA_ARGS__)

#define MIN_MEMORY    (16ull << 20)
#define MAX_MEMORY    (16ull << 40)
#define MEMORY_STEP   (2ull << 20)
#define MIN_BANDWIDTH 1000000ull
#define MAX_BANDWIDTH 100000000000000ull
#define MAX_RATE      1000000000ull
#define MAX_UNPLUG    10000u
#define MAX_DOWNTIME  (60 * 1000000000ull)

enum {
	OPT_AGENTS = 256,
	OPT_BANDWIDTH,
	OPT_BREAK,
	OPT_DOWNTIME,
	OPT_FORMAT,
	OPT_HELP,
	OPT_HOT,
	OPT_HOT_SET,
	OPT_JSON,
	OPT_MEMORY,
	OPT_PAGE,
	OPT_POLICY,
	OPT_QUIET,
	OPT_RATE,
	OPT_ROUNDS,
	OPT_SEED,
	OPT_SVG,
	OPT_UNPLUG,
};

static const struct option long_options[] = {
	{ "agents", required_argument, NULL, OPT_AGENTS },
	{ "bandwidth", required_argument, NULL, OPT_BANDWIDTH },
	{ "break", required_argument, NULL, OPT_BREAK },
	{ "downtime", required_argument, NULL, OPT_DOWNTIME },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "hot", required_argument, NULL, OPT_HOT },
	{ "hot-set", required_argument, NULL, OPT_HOT_SET },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "page", required_argument, NULL, OPT_PAGE },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "rounds", required_argument, NULL, OPT_ROUNDS },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "svg", required_argument, NULL, OPT_SVG },
	{ "unplug", required_argument, NULL, OPT_UNPLUG },
	{ NULL, 0, NULL, 0 },
};

static void print_help(void)
{
	static const char *const text[] = {
		"usage: iodirty precopy [OPTION]...\n"
		"\n"
		"Model the live migration of a VM while devices write into its memory by DMA: map the\n"
		"memory, let agents with IOTLBs and ATCs of their own write, copy in rounds what a sweep\n"
		"finds dirty until little is left, stop the agents, copy the rest. Every page carries the\n"
		"number of its writes; in the end the destination must have the last one of each.\n"
		"\n"
		"What is migrated:\n"
		"  --format F[,F...]   page-table formats, or all (default): arm_lpae_s1, arm_lpae_s2,\n"
		"                      vtd_ss, vtd_fs, amd_v1, amd_v2\n"
		"  --memory SIZE       memory of the VM, 16M to 16T, a multiple of 2M (default 16G), for\n"
		"                      which this takes 5 MiB per GiB with 4k pages; K, M, G, T are\n"
		"                      powers of 1024\n"
		"  --page 4k|2m|mixed  page sizes that map it (default 4k); mixed adds contiguous and\n"
		"                      replicated runs where the format has them\n"
		"\n"
		"What the devices do:\n"
		"  --agents N          DMA agents, 1 to 64 (default 4), a thread each: of every four two\n"
		"                      have an ATC, one moves data before it marks the page, one walks\n"
		"                      ahead\n"
		"  --rate N            pages written per second by all agents together; 0: flat out;\n"
		"                      default: 40 % of what the link carries, at most 1.2M\n"
		"  --hot PERCENT       writes that go to the hot set (default 90)\n"
		"  --hot-set PERCENT   size of the hot set, of the memory (default 2); it slides slowly\n"
		"  --unplug N          buffers per second that a driver unmaps while the device still\n"
		"                      writes, and maps elsewhere, 0 to 10000 (default 100); what was dirty\n"
		"                      comes with the unmap\n"
		"  --seed N            of what the agents write (default 1); threads still race\n",
		"\n"
		"How it is migrated:\n"
		"  --bandwidth RATE    bytes per second of the link (default 10G); K, M, G are powers of\n"
		"                      1000. A round takes as long as this link would.\n"
		"  --downtime TIME     stop the VM when a round was sent in less (default 5ms); us, ms, s\n"
		"  --policy P[,P...]   what becomes of large pages, or all, one migration for each: none\n"
		"                      (default), eager: all are split into 4k before the first round,\n"
		"                      on-dirty: those that a sweep finds dirty; not with --page 4k\n"
		"  --rounds N          stop the VM after N rounds at the latest, 1 to 100 (default 30)\n"
		"\n"
		"What is shown:\n"
		"  --svg FILE          draw the convergence\n"
		"  --json FILE         all figures; - is standard output, all else then goes to standard error\n"
		"  --quiet             one line per format\n"
		"  -h, --help          this text\n"
		"\n"
		"  needless  share of the pages reported dirty that the destination had already: marked\n"
		"            and not written (false positives), or written after the last sweep but\n"
		"            before they were copied\n"
		"  entries   table entries that the sweep looked at, per second\n"
		"  inval     invalidations after the sweep; they reach the agents' caches as the vendor's\n"
		"            commands, through a queue in memory\n"
		"  split     large pages that were split\n"
		"\n"
		"Self-test of the check: violate the protocol, which must lose pages.\n"
		"  --break copy-before-sync   copy while caches still hold the old translations\n"
		"  --break skip-invalidate    clean the tables and invalidate nothing\n"
		"  --break skip-atc           invalidate the IOTLBs, forget the devices' ATCs\n"
		"  --break forget-unmapped    drop what an unmap says was dirty\n"
		"\n"
		"Exit: 0 not one page lost; 1 the command line is wrong; 2 pages lost, or another check\n"
		"failed; 4 it cannot be done (memory, files).\n"
		"\n"
		"Examples:\n"
		"  iodirty precopy\n"
		"  iodirty precopy --format vtd_ss --memory 64G --bandwidth 40G --svg convergence.svg\n"
		"  iodirty precopy --format amd_v1,arm_lpae_s2 --page mixed --policy all\n"
		"  iodirty precopy --format arm_lpae_s1 --memory 1G --break skip-atc\n",
	};
	unsigned i;

	for (i = 0; i < sizeof(text) / sizeof(*text); i++)
		fputs(text[i], stdout);
}

/* --- Options -----------------------------------------------------------------------------------*/

static int add_format(struct precopy_opts *opts, enum iod_format format)
{
	unsigned i;

	for (i = 0; i < opts->nr_formats; i++) {
		if (opts->formats[i] == format)
			return bad("--format: %s is given twice", iod_format_name(format));
	}
	opts->formats[opts->nr_formats++] = format;
	return 0;
}

static int all_formats(struct precopy_opts *opts)
{
	int i;

	opts->nr_formats = 0;
	for (i = IOD_ARM_LPAE_S1; i <= IOD_AMD_V2; i++) {
		if (iod_format_ops((enum iod_format)i))
			opts->formats[opts->nr_formats++] = (enum iod_format)i;
	}
	return opts->nr_formats ? 0 : bad("--format: the library was built without any format");
}

static int set_formats(struct precopy_opts *opts, const char *text)
{
	enum iod_format format;
	char name[32];
	size_t len;
	int ret;

	if (!strcmp(text, "all"))
		return all_formats(opts);
	opts->nr_formats = 0;
	for (;; text += len + 1) {
		len = strcspn(text, ",");
		snprintf(name, sizeof(name), "%.*s", (int)(len > 30 ? 30 : len), text);
		if (format_parse(name, &format))
			return bad(
				"--format: no such format: '%s' (vtd_ss, vtd_fs, amd_v1, amd_v2, "
				"arm_lpae_s1, arm_lpae_s2)",
				name);
		if (!iod_format_ops(format))
			return bad("--format: the library was built without %s", name);
		ret = add_format(opts, format);
		if (ret || !text[len])
			return ret;
	}
}

static int set_memory(struct precopy_opts *opts, const char *text)
{
	if (!args_size(text, 1024, &opts->memory))
		return bad("--memory: '%s' is not a size such as 512M or 64G", text);
	if (opts->memory < MIN_MEMORY || opts->memory > MAX_MEMORY)
		return bad("--memory: %s is not between 16M and 16T", text);
	if (opts->memory % MEMORY_STEP)
		return bad("--memory: %s is not a multiple of 2M", text);
	if (opts->memory / PRECOPY_PAGE > SIZE_MAX / 8)
		return bad("--memory: %s is more than this machine can address", text);
	return 0;
}

static int set_rate(struct precopy_opts *opts, const char *text)
{
	if (!args_size(text, 1000, &opts->rate))
		return bad("--rate: '%s' is not a number such as 200k", text);
	if (opts->rate > MAX_RATE)
		return bad("--rate: %s is not between 0 and 1G", text);
	return 0;
}

static int set_bandwidth(struct precopy_opts *opts, const char *text)
{
	if (!args_size(text, 1000, &opts->bandwidth))
		return bad("--bandwidth: '%s' is not a number of bytes per second such as 10G",
			   text);
	if (opts->bandwidth < MIN_BANDWIDTH || opts->bandwidth > MAX_BANDWIDTH)
		return bad("--bandwidth: %s is not between 1M and 100T", text);
	return 0;
}

static int set_downtime(struct precopy_opts *opts, const char *text)
{
	if (!args_time(text, &opts->downtime_ns))
		return bad("--downtime: '%s' is not a time such as 500us, 5ms or 1s", text);
	if (opts->downtime_ns > MAX_DOWNTIME)
		return bad("--downtime: %s is more than 60s", text);
	return 0;
}

static int set_pages(struct precopy_opts *opts, const char *text)
{
	static const char *const words[] = { "4k", "2m", "mixed", NULL };
	int i = args_word(text, words);

	if (i < 0)
		return bad("--page: '%s' is not one of 4k, 2m, mixed", text);
	opts->pages = (enum precopy_pages)i;
	return 0;
}

static int add_policy(struct precopy_opts *opts, const char *text)
{
	static const char *const words[] = { "none", "eager", "on-dirty", NULL };
	int policy = args_word(text, words);
	unsigned i;

	if (policy < 0)
		return bad("--policy: '%s' is not one of none, eager, on-dirty, all", text);
	for (i = 0; i < opts->nr_policies; i++) {
		if ((int)opts->policies[i] == policy)
			return bad("--policy: %s is given twice", text);
	}
	opts->policies[opts->nr_policies++] = (enum precopy_policy)policy;
	return 0;
}

static int set_policies(struct precopy_opts *opts, const char *text)
{
	char word[16];
	size_t len;
	int ret;

	opts->nr_policies = 0;
	if (!strcmp(text, "all"))
		text = "none,eager,on-dirty";
	for (;; text += len + 1) {
		len = strcspn(text, ",");
		snprintf(word, sizeof(word), "%.*s", (int)(len > 15 ? 15 : len), text);
		ret = add_policy(opts, word);
		if (ret || !text[len])
			return ret;
	}
}

static int set_violation(struct precopy_opts *opts, const char *text)
{
	static const char *const words[] = { "copy-before-sync", "skip-invalidate", "skip-atc",
					     "forget-unmapped", NULL };
	int i = args_word(text, words);

	if (i < 0)
		return bad(
			"--break: '%s' is not one of copy-before-sync, skip-invalidate, skip-atc, "
			"forget-unmapped",
			text);
	opts->violation = (enum precopy_break)(i + 1);
	return 0;
}

static int set_option(void *cookie, int option, const char *value)
{
	struct precopy_opts *opts = cookie;

	switch (option) {
	case OPT_AGENTS:
		return args_unsigned("precopy", "--agents", value, 1, PRECOPY_MAX_AGENTS,
				     &opts->agents);
	case OPT_BANDWIDTH:
		return set_bandwidth(opts, value);
	case OPT_BREAK:
		return set_violation(opts, value);
	case OPT_DOWNTIME:
		return set_downtime(opts, value);
	case OPT_FORMAT:
		return set_formats(opts, value);
	case OPT_HOT:
		return args_unsigned("precopy", "--hot", value, 0, 100, &opts->hot);
	case OPT_HOT_SET:
		return args_unsigned("precopy", "--hot-set", value, 1, 100, &opts->hot_set);
	case OPT_JSON:
		opts->json = value;
		return 0;
	case OPT_MEMORY:
		return set_memory(opts, value);
	case OPT_PAGE:
		return set_pages(opts, value);
	case OPT_POLICY:
		return set_policies(opts, value);
	case OPT_QUIET:
		opts->quiet = true;
		return 0;
	case OPT_RATE:
		return set_rate(opts, value);
	case OPT_ROUNDS:
		return args_unsigned("precopy", "--rounds", value, 1, PRECOPY_MAX_ROUNDS,
				     &opts->max_rounds);
	case OPT_SEED:
		return args_uint("precopy", "--seed", value, 0, UINT64_MAX, &opts->seed);
	case OPT_UNPLUG:
		return args_unsigned("precopy", "--unplug", value, 0, MAX_UNPLUG, &opts->unplug);
	default:
		opts->svg = value;
		return 0;
	}
}

/* 0, PRECOPY_USAGE, or -1 when help was asked for and given. */
static int parse(struct precopy_opts *opts, int argc, char **argv)
{
	static const struct args args = { "precopy", long_options, OPT_AGENTS,
					  OPT_HELP,  print_help,   set_option };
	int ret = args_parse(&args, opts, argc, argv);

	if (ret)
		return ret;
	if (optind < argc)
		return bad("unexpected argument: %s", argv[optind]);
	if (opts->violation == PRECOPY_BREAK_SKIP_ATC && opts->agents < 2)
		return bad("--break skip-atc: one agent alone has no ATC; try --agents 2");
	if (opts->violation == PRECOPY_BREAK_FORGET_UNMAPPED && !opts->unplug)
		return bad("--break forget-unmapped: nothing is unmapped with --unplug 0");
	if (opts->pages == PRECOPY_4K && (opts->nr_policies > 1 || opts->policies[0]))
		return bad("--policy: there are no large pages to split; try --page 2m");
	return opts->nr_formats ? 0 : all_formats(opts);
}

/* --- Run ---------------------------------------------------------------------------------------*/

static int write_files(const struct precopy_opts *opts, const struct precopy_result *res,
		       unsigned nr)
{
	int ret = 0;

	if (opts->json && precopy_write_json(opts->json, opts, res, nr)) {
		fprintf(stderr, "iodirty precopy: %s: %s\n", opts->json, strerror(errno));
		ret = PRECOPY_CANNOT;
	}
	if (opts->svg && precopy_write_svg(opts->svg, opts, res, nr)) {
		fprintf(stderr, "iodirty precopy: %s: %s\n", opts->svg, strerror(errno));
		ret = PRECOPY_CANNOT;
	}
	return ret;
}

/* What the model takes: per page an entry, two version numbers and a bit. */
static bool memory_suffices(const struct precopy_opts *opts)
{
	uint64_t need_kib = opts->memory / PRECOPY_PAGE * 17 / 1024, kib = UINT64_MAX;
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	if (f)
		fclose(f);
	if (need_kib <= kib)
		return true;
	fprintf(stderr, "iodirty precopy: this takes %" PRIu64 " MiB, %" PRIu64 " are available\n",
		need_kib / 1024, kib / 1024);
	return false;
}

/* A lost page outweighs everything else that may have gone wrong. */
static int worse(int a, int b)
{
	if (a == PRECOPY_LOST || b == PRECOPY_LOST)
		return PRECOPY_LOST;
	return a > b ? a : b;
}

int cmd_precopy(int argc, char **argv)
{
	struct precopy_opts opts = {
		.memory = 16ull << 30,
		.rate = PRECOPY_RATE_AUTO,
		.bandwidth = 10000000000ull,
		.downtime_ns = 5000000,
		.seed = 1,
		.agents = 4,
		.max_rounds = 30,
		.hot = 90,
		.hot_set = 2,
		.unplug = 100,
		.policies = { PRECOPY_NONE },
		.nr_policies = 1,
	};
	struct precopy_result *results;
	struct precopy_report report;
	int ret = parse(&opts, argc, argv);
	unsigned i, nr = opts.nr_formats * opts.nr_policies;

	if (ret)
		return ret < 0 ? PRECOPY_OK : ret;
	if (!memory_suffices(&opts))
		return PRECOPY_CANNOT;
	results = calloc(nr, sizeof(*results));
	if (!results) {
		fputs("iodirty precopy: out of memory\n", stderr);
		return PRECOPY_CANNOT;
	}
	precopy_report_init(&report, &opts);
	precopy_report_start(&report);
	for (i = 0; i < nr; i++)
		ret = worse(ret, (int)precopy_migrate(&opts, opts.formats[i / opts.nr_policies],
						      opts.policies[i % opts.nr_policies], &report,
						      &results[i]));
	precopy_report_summary(&report, results, nr);
	ret = worse(ret, write_files(&opts, results, nr));
	free(results);
	return ret;
}
