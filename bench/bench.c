/* SPDX-License-Identifier: MIT */
/*
 * iodirty bench: options, the list of rows, and the order in which they are measured.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define NR_FORMATS     6
#define DEFAULT_MEMORY (UINT64_C(64) << 30)
#define LEAST_MEMORY   (UINT64_C(256) << 20)
#define MOST_MEMORY    (UINT64_C(4) << 40)
#define SECOND	       1e9
#define QUICK_SECONDS  100.0 /* all rows together; setup and verification come on top */
#define QUICK_ROW      1.0
#define FULL_ROW       5.0
#define QUICK_REPS     5u
#define FULL_REPS      11u

static const char usage_text[] =
	"usage: iodirty bench [OPTIONS]\n"
	"\n"
	"Measures sweeps, map, unmap and translate on every format, beside the machine's own limit.\n"
	"\n"
	"  --quick          at most two minutes for everything\n"
	"  --filter REGEX   only rows whose bench/format/page/state/mode matches (extended regex)\n"
	"  --format NAME    only this format (default: all)\n"
	"  --memory SIZE    IOVA that is mapped, a power of two, 256M to 4T (default 64G)\n"
	"  --reps N         exactly N repetitions a row, 3 to 101 (default: until the spread is small)\n"
	"  --json FILE      write the results as JSON, too\n"
	"  --list           list the rows and measure nothing\n"
	"  --strict         exceeding a bound is a failure\n"
	"  --help           this text\n"
	"\n"
	"Exit: 0; 1 the command line is wrong; 2 a result was wrong or something failed.\n"
	"Bounds are ns per item and come from one machine: compare ratios across machines.\n";

/* A number with an optional suffix K, M, G, T. @return false when it is none */
static bool parse_size(const char *s, uint64_t *size)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	char *end;
	uint64_t n;
	unsigned int shift = 0;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno || end == s || *s == '-')
		return false;
	suffix = *end ? strchr(suffixes, *end) : NULL;
	if (suffix) {
		shift = 10 * (unsigned int)(suffix - suffixes + 1);
		end++;
	}
	if (*end || n > UINT64_MAX >> shift)
		return false;
	*size = n << shift;
	return true;
}

static bool parse_memory(const char *s, uint64_t *memory)
{
	return parse_size(s, memory) && !(*memory & (*memory - 1)) && *memory >= LEAST_MEMORY &&
	       *memory <= MOST_MEMORY;
}

static bool parse_format(const char *s, enum iod_format *format)
{
	if (!strcmp(s, "all"))
		return true;
	return !iod_format_by_name(s, format) && iod_format_ops(*format);
}

static bool parse_reps(const char *s, uint32_t *reps)
{
	uint64_t n;

	if (!parse_size(s, &n) || n < 3 || n > BENCH_MAX_REPS)
		return false;
	*reps = (uint32_t)n;
	return true;
}

static bool parse_option(struct bench_options *opt, int option)
{
	switch (option) {
	case 'q':
		opt->quick = true;
		return true;
	case 's':
		opt->strict = true;
		return true;
	case 'l':
		opt->list = true;
		return true;
	case 'e':
		opt->filter = optarg;
		return true;
	case 'j':
		opt->json = optarg;
		return true;
	case 'f':
		return parse_format(optarg, &opt->format);
	case 'm':
		return parse_memory(optarg, &opt->memory);
	case 'r':
		return parse_reps(optarg, &opt->reps);
	}
	return false;
}

/* @return an exit code, or -1 to go on */
static int parse_options(struct bench_options *opt, int argc, char **argv)
{
	static const struct option options[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "filter", required_argument, NULL, 'e' },
		{ "format", required_argument, NULL, 'f' },
		{ "memory", required_argument, NULL, 'm' },
		{ "reps", required_argument, NULL, 'r' },
		{ "json", required_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'l' },
		{ "strict", no_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option, index = 0;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (option == 'h') {
			fputs(usage_text, stdout);
			return BENCH_OK;
		}
		if (option == '?')
			return BENCH_USAGE;
		if (!parse_option(opt, option)) {
			fprintf(stderr, "iodirty bench: bad --%s: %s\n", options[index].name,
				optarg);
			return BENCH_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "iodirty bench: unexpected argument: %s\n", argv[optind]);
		return BENCH_USAGE;
	}
	return -1;
}

/* The rows of all formats that are asked for and compiled in. @return their number */
static size_t list_rows(const struct bench_options *opt, const regex_t *filter,
			struct bench_row *rows)
{
	size_t nr = 0;

	for (int f = 1; f <= NR_FORMATS; f++) {
		enum iod_format format = (enum iod_format)f;

		if (!iod_format_ops(format) || (opt->format && opt->format != format))
			continue;
		for (size_t i = 0; i < bench_nr_cases; i++) {
			const struct bench_case *c = &bench_cases[i];
			struct bench_row row = { .c = c, .format = format };

			snprintf(row.name, sizeof(row.name), "%s/%s/4K/%s/%s", c->bench,
				 iod_format_name(format), c->state, c->mode);
			if (filter && regexec(filter, row.name, 0, NULL, 0))
				continue;
			row.bound = bench_bound(c, format);
			row.bounded = row.bound > 0;
			rows[nr++] = row;
		}
	}
	return nr;
}

/* What the next row may take: quick runs share what is left of their time. */
static struct bench_budget next_budget(const struct bench_options *opt, double started, size_t left)
{
	struct bench_budget budget = { .min_reps = opt->quick ? QUICK_REPS : FULL_REPS,
				       .max_reps = BENCH_MAX_REPS,
				       .ns = (opt->quick ? QUICK_ROW : FULL_ROW) * SECOND };
	double share = (QUICK_SECONDS * SECOND - (bench_now() - started)) / (double)left;

	if (opt->quick && share < budget.ns)
		budget.ns = share;
	if (opt->reps) {
		budget.min_reps = opt->reps;
		budget.max_reps = opt->reps;
		budget.ns = 3600 * SECOND;
	}
	return budget;
}

/* Measure all rows; those that fail are dropped. @return the number that succeeded */
static size_t measure_rows(const struct bench_options *opt, struct bench_row *rows, size_t nr)
{
	struct bench_rig rig = { .raw = NULL };
	double started = bench_now();
	size_t good = 0;

	bench_print_header();
	for (size_t i = 0; i < nr; i++) {
		struct bench_budget budget = next_budget(opt, started, nr - i);
		struct bench_row *row = &rows[i];
		int err = 0;

		if (rig.format != row->format) {
			bench_rig_exit(&rig);
			err = bench_rig_init(&rig, row->format, opt->memory);
		}
		if (!err)
			err = bench_measure(&rig, row, &budget);
		if (err) {
			fprintf(stderr, "iodirty bench: %s: %s\n", row->name, rig.error);
			bench_rig_exit(&rig);
			continue;
		}
		bench_print_row(row);
		rows[good++] = *row;
	}
	bench_rig_exit(&rig);
	return good;
}

/* Open the file first, so that a bad name costs no minutes. */
static int run(const struct bench_options *opt, struct bench_row *rows, size_t nr)
{
	FILE *json = opt->json ? fopen(opt->json, "w") : NULL;
	int status = BENCH_OK;
	size_t good;

	if (opt->json && !json) {
		fprintf(stderr, "iodirty bench: %s: %s\n", opt->json, strerror(errno));
		return BENCH_FAILED;
	}
	bench_pin();
	if (bench_limit_init(opt->memory / BENCH_LEAF_ITEMS)) {
		fprintf(stderr, "iodirty bench: not enough memory\n");
		good = 0;
	} else {
		good = measure_rows(opt, rows, nr);
		bench_print_footer(opt, rows, good);
	}
	bench_limit_exit();
	for (size_t i = 0; i < good; i++)
		if (opt->strict && rows[i].bounded && !rows[i].ok)
			status = BENCH_OVER;
	if (json) {
		bool written = !bench_write_json(json, rows, good);

		if (fclose(json) || !written) {
			fprintf(stderr, "iodirty bench: %s: cannot write\n", opt->json);
			return BENCH_FAILED;
		}
	}
	return good < nr ? BENCH_FAILED : status;
}

int cmd_bench(int argc, char **argv)
{
	struct bench_options opt = { .memory = DEFAULT_MEMORY };
	struct bench_row *rows;
	regex_t filter;
	size_t nr;
	int status = parse_options(&opt, argc, argv);

	if (status >= 0)
		return status;
	if (opt.filter && regcomp(&filter, opt.filter, REG_EXTENDED | REG_NOSUB)) {
		fprintf(stderr, "iodirty bench: bad regular expression: %s\n", opt.filter);
		return BENCH_USAGE;
	}
	rows = calloc(NR_FORMATS * bench_nr_cases, sizeof(*rows));
	nr = rows ? list_rows(&opt, opt.filter ? &filter : NULL, rows) : 0;
	if (opt.filter)
		regfree(&filter);
	if (nr && opt.list) {
		for (size_t i = 0; i < nr; i++)
			puts(rows[i].name);
		status = BENCH_OK;
	} else if (nr) {
		status = run(&opt, rows, nr);
	} else {
		fprintf(stderr, "iodirty bench: no such rows\n");
		status = BENCH_USAGE;
	}
	free(rows);
	return status;
}
