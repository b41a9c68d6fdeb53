/* SPDX-License-Identifier: MIT */
/* `iodirty replay`: the command line, and the files that are written. */
#include "replay.h"

#include "args.h"
#include "figures.h"
#include "replay_heat.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define bad(...)	args_bad("replay", __VA_ARGS__)

#define MIN_INTERVAL	1000ull
#define MAX_INTERVAL	(86400 * 1000000000ull)
#define MAX_LIMIT	(16ull << 40)
#define MAX_IOTLB	(1u << 20)
#define MAX_MERGE_AFTER 1000000u

enum {
	OPT_ATS = 256,
	OPT_BREAK,
	OPT_FORMAT,
	OPT_GRANULE,
	OPT_HELP,
	OPT_INTERVAL,
	OPT_IOTLB,
	OPT_JSON,
	OPT_LIMIT,
	OPT_MAP,
	OPT_MERGE_AFTER,
	OPT_MODE,
	OPT_PAGE,
	OPT_POLICY,
	OPT_PRUNE,
	OPT_QUIET,
	OPT_SEED,
	OPT_SKIP_BAD,
	OPT_SVG,
};

static const struct option long_options[] = {
	{ "ats", no_argument, NULL, OPT_ATS },
	{ "break", required_argument, NULL, OPT_BREAK },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "granule", required_argument, NULL, OPT_GRANULE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "iotlb", required_argument, NULL, OPT_IOTLB },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "map", required_argument, NULL, OPT_MAP },
	{ "merge-after", required_argument, NULL, OPT_MERGE_AFTER },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "page", required_argument, NULL, OPT_PAGE },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "prune", no_argument, NULL, OPT_PRUNE },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "skip-bad", no_argument, NULL, OPT_SKIP_BAD },
	{ "svg", required_argument, NULL, OPT_SVG },
	{ NULL, 0, NULL, 0 },
};

static void print_help(void)
{
	static const char *const text[] = {
		"usage: iodirty replay [OPTION]... TRACE\n"
		"\n"
		"Replay a trace of DMA accesses through a model of an IOTLB onto a page table, sweep the\n"
		"table at an interval, and print working set, dirty rate and cost of the sweep for each.\n"
		"The program keeps its own record of what was written and holds every sweep against it.\n"
		"\n"
		"TRACE is text, an access a line, - is standard input:\n"
		"  time source iova length r|w|u\n"
		"  0.000125 00:05.0 0xfffff000 64 r\n"
		"  time    seconds, up to 9 digits after the point; never before that of the line above\n"
		"  source  who accesses: a bus:device.function or any name\n"
		"  iova    where, decimal or 0x; length likewise, or with K, M, G\n"
		"  r|w|u   the device reads or writes memory; u: its driver unmaps the pages, what was\n"
		"          dirty is delivered with that, and they are mapped elsewhere when touched again\n"
		"  Blank lines and lines that begin with # are passed over. See docs/replay.md.\n"
		"\n"
		"The table:\n"
		"  --format F        arm_lpae_s1, arm_lpae_s2, vtd_ss (default), vtd_fs, amd_v1, amd_v2\n"
		"  --page 4k|2m      size of its leaves (default 4k). Regions of 2 MiB are mapped when\n"
		"                    they are first touched, which no figure includes.\n"
		"  --map IOVA:SIZE   map that from the beginning, touched or not; up to 16 times\n"
		"  --policy P        of 2m leaves: none (default): they stay; eager: split when mapped;\n"
		"                    on-dirty: split when a sweep finds them dirty, so that the next one\n"
		"                    reports no more than what was written\n"
		"  --merge-after N   merge them again when they were clean for N intervals\n"
		"  --limit SIZE      map at most so much (default 64G); K, M, G, T are powers of 1024\n"
		"\n"
		"The hardware:\n"
		"  --iotlb N         entries of the cache, a power of two (default 256)\n"
		"  --ats             every source has an ATC of that size, instead of one IOTLB for all\n"
		"  --seed N          of what the caches evict (default 1)\n",
		"\n"
		"The sweep:\n"
		"  --interval TIME   of the trace's time between two (default 100ms); us, ms, s\n"
		"  --mode clear|read clean what is reported (default), or leave it dirty: pages then add\n"
		"                    up, and the rate is that of new ones\n"
		"  --granule SIZE    of a bit in the bitmap, 4K (default) to 2M\n"
		"  --prune           skip what Accessed bits of table entries say nobody used\n"
		"\n"
		"What is shown:\n"
		"  --svg FILE        draw the dirty pages over addresses and time\n"
		"  --json FILE       all figures; - is standard output, all else then goes to standard error\n"
		"  --quiet           the verdict only\n"
		"  --skip-bad        count malformed lines and go on, instead of stopping at the first\n"
		"  -h, --help        this text\n"
		"\n"
		"  time      of the interval's begin, since the first access; *N stands for N intervals\n"
		"            without any access, of which the first was swept\n"
		"  touched   working set: pages of 4 KiB read or written in the interval\n"
		"  dirty     pages that the sweep reports; MiB/s: the same, per second of the trace\n"
		"  needless  share of them that was not written\n"
		"  hits      accesses that the cache answered\n"
		"  ns/entry  cost of the sweep per table entry it looked at\n"
		"  inval     invalidations after it; with --prune: leaf tables that it skipped\n"
		"\n"
		"Self-test of the check: violate the protocol, which must lose pages.\n"
		"  --break skip-invalidate    clean the table and invalidate nothing\n"
		"  --break forget-unmapped    drop what unmaps say was dirty\n"
		"\n"
		"Exit: 0 not one page lost; 1 the command line is wrong; 2 the trace is malformed (the\n"
		"line is named) or cannot be read, a page was lost, or another check failed; 4 it cannot be\n"
		"done (memory, files, the limit).\n"
		"\n"
		"Examples:\n"
		"  iodirty replay --interval 50ms --svg heat.svg nic-disk.trace\n"
		"  sort -s -n a.trace b.trace | iodirty replay --format amd_v1 --page 2m -\n"
		"  iodirty replay --page 2m --policy on-dirty --merge-after 5 nic-disk.trace\n"
		"  iodirty replay --format vtd_fs --prune --map 0:64G nic-disk.trace\n",
	};
	unsigned i;

	for (i = 0; i < sizeof(text) / sizeof(*text); i++)
		fputs(text[i], stdout);
}

/* --- Options -----------------------------------------------------------------------------------*/

static int set_format(struct replay_opts *opts, const char *text)
{
	if (format_parse(text, &opts->format))
		return bad("--format: no such format: '%s' (vtd_ss, vtd_fs, amd_v1, amd_v2, "
			   "arm_lpae_s1, arm_lpae_s2)",
			   text);
	if (!iod_format_ops(opts->format))
		return bad("--format: the library was built without %s", text);
	return 0;
}

static int set_interval(struct replay_opts *opts, const char *text)
{
	if (!args_time(text, &opts->interval_ns))
		return bad("--interval: '%s' is not a time such as 500us, 100ms or 1s", text);
	if (opts->interval_ns < MIN_INTERVAL || opts->interval_ns > MAX_INTERVAL)
		return bad("--interval: %s is not between 1us and 86400s", text);
	return 0;
}

static int set_granule(struct replay_opts *opts, const char *text)
{
	uint64_t size;

	if (!args_size(text, 1024, &size) || size < REPLAY_PAGE || size > REPLAY_REGION ||
	    (size & (size - 1)))
		return bad("--granule: '%s' is not a power of two between 4K and 2M", text);
	opts->granule = size;
	return 0;
}

static int set_limit(struct replay_opts *opts, const char *text)
{
	if (!args_size(text, 1024, &opts->limit))
		return bad("--limit: '%s' is not a size such as 512M or 64G", text);
	if (opts->limit < REPLAY_REGION || opts->limit > MAX_LIMIT)
		return bad("--limit: %s is not between 2M and 16T", text);
	return 0;
}

static int set_map(struct replay_opts *opts, const char *text)
{
	const char *colon = strchr(text, ':');
	uint64_t iova, len;
	char *end;

	errno = 0;
	iova = strtoull(text, &end, 0);
	if (!colon || *text < '0' || *text > '9' || errno || end != colon ||
	    !args_size(colon + 1, 1024, &len) || !len)
		return bad("--map: '%s' is not an address and a size such as 0x100000000:4G", text);
	if (iova + (len - 1) < iova || len > MAX_LIMIT)
		return bad("--map: %s is more than 16T, or past the end of 64 bits", text);
	if (opts->nr_maps == REPLAY_MAPS)
		return bad("--map: at most %d of them", REPLAY_MAPS);
	opts->maps[opts->nr_maps].iova = iova;
	opts->maps[opts->nr_maps++].len = len;
	return 0;
}

static int set_iotlb(struct replay_opts *opts, const char *text)
{
	int ret = args_unsigned("replay", "--iotlb", text, 1, MAX_IOTLB, &opts->iotlb);

	if (!ret && (opts->iotlb & (opts->iotlb - 1)))
		return bad("--iotlb: %s is not a power of two", text);
	return ret;
}

static int set_word(const char *option, const char *text, const char *first, const char *second,
		    bool *is_second)
{
	const char *const words[] = { first, second, NULL };
	int i = args_word(text, words);

	if (i < 0)
		return bad("%s: '%s' is neither %s nor %s", option, text, first, second);
	*is_second = i == 1;
	return 0;
}

static int set_policy(struct replay_opts *opts, const char *text)
{
	static const char *const words[] = { "none", "eager", "on-dirty", NULL };
	int i = args_word(text, words);

	if (i < 0)
		return bad("--policy: '%s' is not one of none, eager, on-dirty", text);
	opts->policy = (enum replay_policy)i;
	return 0;
}

static int set_flag(struct replay_opts *opts, int option, const char *value)
{
	switch (option) {
	case OPT_ATS:
		opts->ats = true;
		return 0;
	case OPT_BREAK:
		opts->skip_invalidate |= !strcmp(value, "skip-invalidate");
		opts->forget_unmapped |= !strcmp(value, "forget-unmapped");
		if (strcmp(value, "skip-invalidate") && strcmp(value, "forget-unmapped"))
			return bad("--break: '%s' is neither skip-invalidate nor forget-unmapped",
				   value);
		return 0;
	case OPT_PRUNE:
		opts->prune = true;
		return 0;
	case OPT_QUIET:
		opts->quiet = true;
		return 0;
	default:
		opts->skip_bad = true;
		return 0;
	}
}

static int set_option(void *cookie, int option, const char *value)
{
	struct replay_opts *opts = cookie;

	switch (option) {
	case OPT_FORMAT:
		return set_format(opts, value);
	case OPT_GRANULE:
		return set_granule(opts, value);
	case OPT_INTERVAL:
		return set_interval(opts, value);
	case OPT_IOTLB:
		return set_iotlb(opts, value);
	case OPT_JSON:
		opts->json = value;
		return 0;
	case OPT_LIMIT:
		return set_limit(opts, value);
	case OPT_MAP:
		return set_map(opts, value);
	case OPT_MERGE_AFTER:
		return args_unsigned("replay", "--merge-after", value, 1, MAX_MERGE_AFTER,
				     &opts->merge_after);
	case OPT_MODE:
		return set_word("--mode", value, "clear", "read", &opts->read);
	case OPT_PAGE:
		return set_word("--page", value, "4k", "2m", &opts->large);
	case OPT_POLICY:
		return set_policy(opts, value);
	case OPT_SEED:
		return args_uint("replay", "--seed", value, 0, UINT64_MAX, &opts->seed);
	case OPT_SVG:
		opts->svg = value;
		return 0;
	default:
		return set_flag(opts, option, value);
	}
}

/* In whole regions. */
static uint64_t maps_len(const struct replay_opts *opts)
{
	uint64_t len = 0;
	unsigned i;

	for (i = 0; i < opts->nr_maps; i++) {
		uint64_t first = opts->maps[i].iova, last = first + (opts->maps[i].len - 1);

		len += ((last >> REPLAY_REGION_LG2) - (first >> REPLAY_REGION_LG2) + 1)
		       << REPLAY_REGION_LG2;
	}
	return len;
}

static int parse(struct replay_opts *opts, int argc, char **argv)
{
	static const struct args args = { "replay", long_options, OPT_ATS,
					  OPT_HELP, print_help,	  set_option };
	int ret = args_parse(&args, opts, argc, argv);

	if (ret)
		return ret;
	if (optind == argc)
		return bad("which TRACE? - is standard input");
	if (optind + 1 < argc)
		return bad("unexpected argument: %s", argv[optind + 1]);
	opts->trace = argv[optind];
	if (maps_len(opts) > opts->limit)
		return bad("--map: that is more than --limit allows");
	if (opts->prune && opts->read)
		return bad("--prune is for sweeps that clear");
	if ((opts->policy || opts->merge_after) && !opts->large)
		return bad("--policy, --merge-after: there are no large leaves; try --page 2m");
	if ((opts->policy || opts->merge_after) && opts->read)
		return bad("--policy, --merge-after are for sweeps that clear");
	if (opts->skip_invalidate && opts->read)
		return bad("--break skip-invalidate: --mode read invalidates nothing anyway");
	if (!iod_format_ops(opts->format))
		return bad("--format: the library was built without %s, which is the default",
			   iod_format_name(opts->format) ? iod_format_name(opts->format) : "it");
	return 0;
}

/* --- Run ---------------------------------------------------------------------------------------*/

static int complain_file(const char *name, int ret)
{
	fprintf(stderr, "iodirty replay: %s: %s\n", name, strerror(errno));
	return ret;
}

/* All files are opened at once, so that a bad name costs nothing. */
static int open_files(struct replay *replay, const struct replay_opts *opts, FILE **svg)
{
	struct replay_report *report = replay->report;

	if (trace_open(&replay->trace, opts->trace))
		return complain_file(opts->trace, EXIT_BAD);
	if (opts->json)
		report->json = strcmp(opts->json, "-") ? fopen(opts->json, "w") : stdout;
	if (opts->json && !report->json)
		return complain_file(opts->json, EXIT_CANNOT);
	*svg = opts->svg ? fopen(opts->svg, "w") : NULL;
	if (opts->svg && !*svg)
		return complain_file(opts->svg, EXIT_CANNOT);
	replay->heat = opts->svg ? replay_heat_create() : NULL;
	if (opts->svg && !replay->heat) {
		fputs("iodirty replay: no memory for the heat map\n", stderr);
		return EXIT_CANNOT;
	}
	return 0;
}

static int close_files(struct replay *replay, const struct replay_opts *opts, FILE *svg)
{
	FILE *json = replay->report->json;
	int ret = 0;

	trace_close(&replay->trace);
	if (svg && fclose(svg))
		ret = complain_file(opts->svg, EXIT_CANNOT);
	if (json && (ferror(json) || (json == stdout ? fflush(json) : fclose(json))))
		ret = complain_file(opts->json, EXIT_CANNOT);
	replay_heat_destroy(replay->heat);
	return ret;
}

static int run(struct replay *replay, const struct replay_opts *opts, FILE *svg)
{
	int ret = replay_create(replay, opts);

	if (ret)
		return ret;
	replay_report_start(replay->report, replay);
	ret = replay_run(replay);
	replay_report_end(replay->report, replay);
	if (svg && replay_write_svg(svg, replay))
		return complain_file(opts->svg, EXIT_CANNOT);
	if (!ret && !replay_passed(&replay->totals))
		ret = EXIT_BAD;
	return ret;
}

int cmd_replay(int argc, char **argv)
{
	struct replay_opts opts = {
		.format = IOD_VTD_SS,
		.interval_ns = 100000000,
		.granule = REPLAY_PAGE,
		.limit = 64ull << 30,
		.seed = 1,
		.iotlb = 256,
	};
	struct replay_report report = { .opts = &opts };
	struct replay replay = { .report = &report };
	FILE *svg = NULL;
	int ret = parse(&opts, argc, argv), closed;

	if (ret)
		return ret < 0 ? EXIT_OK : ret;
	term_init(&report.term, opts.json && !strcmp(opts.json, "-") ? stderr : stdout);
	ret = open_files(&replay, &opts, &svg);
	if (!ret) {
		ret = run(&replay, &opts, svg);
		replay_destroy(&replay);
	}
	closed = close_files(&replay, &opts, svg);
	return ret ? ret : closed;
}
