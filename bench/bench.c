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

#define DEFAULT_MEMORY (UINT64_C(64) << 30)
#define LEAST_MEMORY   (UINT64_C(256) << 20)
#define MOST_MEMORY    (UINT64_C(4) << 40)
#define SECOND	       1e9
#define QUICK_SECONDS  60.0 /* all rows together; setup and verification come on top */
#define QUICK_ROW      1.0
#define FULL_ROW       5.0
#define QUICK_REPS     5u
#define FULL_REPS      11u

static const char usage_text[] =
	"usage: iodirty bench [OPTIONS]\n"
	"\n"
	"Measures sweeps, map, unmap, split, merge and translate on every format, beside the machine's\n"
	"own limit.\n"
	"\n"
	"  --quick          rows with a bound only, in about a minute and a half\n"
	"  --filter REGEX   only rows whose bench/format/page/state/mode matches (extended regex)\n"
	"  --format NAME    only this format (default: all)\n"
	"  --memory SIZE    IOVA that is mapped, a power of two, 256M to 4T (default 64G)\n"
	"  --reps N         exactly N repetitions a row, 3 to 101 (default: until the spread is small)\n"
	"  --json FILE      write the results as JSON, too; - is standard output, the table then goes\n"
	"                   to standard error\n"
	"  --list           list the rows and measure nothing\n"
	"  --strict         exceeding a bound is a failure\n"
	"  -h, --help       this text\n"
	"\n"
	"Exit: 0; 1 the command line is wrong; 2 a result was wrong or something failed.\n"
	"A bound is a ratio to the limit beside it, or ns per item on one machine: compare ratios\n"
	"across machines. (noisy): the spread stayed large, measure again.\n"
	"\n"
	"item        a table entry of 8 bytes; bitmap rows: a word of 64 bits\n"
	"keep clear  the sweep leaves dirty state, or takes it away\n"
	"dirtyN      so many percent of the entries are dirty\n"
	"attached    a guest's own tables, which are cleaned by locked operations\n"
	"scattered   leaf tables lie in memory in random order\n"
	"runs        pages of 16 entries; one_of_16: one entry of each is dirty\n"
	"touchedN    devices used so many percent of the 2 MiB regions (pruned sweep)\n"
	"recycled    memory that was used before; fresh: it has to be faulted in\n"
	"percall     one call a page; partial: all but one page of each leaf table\n"
	"shadow      a shadow of a guest's table: dsi: an invalidation of the domain; page: one that\n"
	"            stayed or went\n"
	"join        a sync behind a virtual IOMMU, with guest memory shuffled in 4K or 2M\n"
	"split merge so many pages into 4K, or 4K into such; break: by break-before-make\n"
	"dirty       unmap that delivers dirty pages; untouched: no device used the tables, as their\n"
	"            Accessed bits tell; clean_plain: clean, against the unmap that reads no table\n"
	"beside      a sweep while a second thread maps and unmaps pages or ranges, or splits and merges\n"
	"            (resize), in the same page table\n"
	"pause       the time that 99.9 % of unmap and map of a page do not exceed beside a sweep\n"
	"Limits      read, rmw (read, modify, write), write: in order; random: read in random order;\n"
	"            locked: a loop of locked operations; load: one load; fault: touching fresh\n"
	"            memory; plain: pages of one entry; full: the sweep without pruning; unmap: without\n"
	"            dirty; traffic: the sweep beside as much plain memory traffic; alone: no sweep\n";

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
	while ((option = getopt_long(argc, argv, "h", options, &index)) != -1) {
		if (option == 'h') {
			fputs(usage_text, stdout);
			return BENCH_OK;
		}
		if (option == '?')
			return BENCH_USAGE;
		if (!parse_option(opt, option)) {
			fprintf(stderr,
				"iodirty bench: bad --%s: %s (iodirty bench --help says what it may be)\n",
				options[index].name, optarg);
			return BENCH_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "iodirty bench: unexpected argument: %s\n", argv[optind]);
		return BENCH_USAGE;
	}
	return -1;
}

static void name_row(struct bench_row *row)
{
	const struct bench_case *c = row->c;

	snprintf(row->name, sizeof(row->name), "%s/%s/%s/%s/%s", c->bench,
		 row->format ? iod_format_name(row->format) : "-", c->page, c->state, c->mode);
}

/* The rows of one format, or of none. @return their number */
static size_t list_format(const struct bench_options *opt, enum iod_format format,
			  const regex_t *filter, struct bench_row *rows)
{
	size_t nr = 0;

	for (size_t i = 0; i < bench_nr_cases; i++) {
		const struct bench_case *c = &bench_cases[i];
		struct bench_row *row = &rows[nr];

		if (format ? !(c->formats & BENCH_F(format)) : c->formats)
			continue;
		if (opt->quick && c->bound.kind == BENCH_NO_BOUND)
			continue;
		*row = (struct bench_row){ .c = c, .format = format };
		name_row(row);
		nr += !filter || !regexec(filter, row->name, 0, NULL, 0);
	}
	return nr;
}

/* The rows of all formats that are asked for and compiled in, then those without. */
static size_t list_rows(const struct bench_options *opt, const regex_t *filter,
			struct bench_row *rows)
{
	size_t nr = 0;

	for (int f = 1; f <= BENCH_NR_FORMATS; f++) {
		enum iod_format format = (enum iod_format)f;

		if (iod_format_ops(format) && (!opt->format || opt->format == format))
			nr += list_format(opt, format, filter, rows + nr);
	}
	return opt->format ? nr : nr + list_format(opt, 0, filter, rows + nr);
}

/* Bytes of IOVA of pruned sweeps. */
static uint64_t wide_range(const struct bench_options *opt)
{
	if (opt->quick || opt->memory < DEFAULT_MEMORY || opt->memory > BENCH_WIDE_RANGE)
		return opt->memory;
	return BENCH_WIDE_RANGE;
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

/* A rig for the row's format. @return 0 or a negative errno */
static int use_format(struct bench_rig *rig, bool *used, const struct bench_options *opt,
		      enum iod_format format)
{
	if (*used && rig->format == format)
		return 0;
	bench_rig_exit(rig);
	*used = true;
	return bench_rig_init(rig, format, opt->memory, wide_range(opt));
}

/* Measure all rows; those that fail or cannot be had are dropped. @return whether none failed */
static bool measure_rows(const struct bench_options *opt, struct bench_row *rows, size_t *nr)
{
	struct bench_rig rig = { .format = 0 };
	double started = bench_now();
	bool used = false, failed = false;
	size_t good = 0;

	bench_print_header();
	for (size_t i = 0; i < *nr; i++) {
		struct bench_budget budget = next_budget(opt, started, *nr - i);
		struct bench_row *row = &rows[i];
		int err;

		if (row->c->threads && !bench_has_helper()) {
			bench_print_skipped(row, "needs two CPUs");
			continue;
		}
		err = use_format(&rig, &used, opt, row->format);
		if (!err)
			err = bench_measure(&rig, row, &budget);
		if (err) {
			fprintf(stderr, "iodirty bench: %s: %s\n", row->name, bench_error());
			bench_rig_exit(&rig);
			used = false;
			failed = true;
			continue;
		}
		bench_print_row(row);
		rows[good++] = *row;
	}
	bench_rig_exit(&rig);
	*nr = good;
	return !failed;
}

static int write_json(FILE *file, const char *name, const struct bench_row *rows, size_t nr)
{
	bool written = !bench_write_json(file, rows, nr);

	if (file == stdout ? written : !fclose(file) && written)
		return BENCH_OK;
	fprintf(stderr, "iodirty bench: %s: cannot write\n", name);
	return BENCH_FAILED;
}

/* Open the file first, so that a bad name costs no minutes. */
static int run(const struct bench_options *opt, struct bench_row *rows, size_t nr)
{
	bool to_stdout = opt->json && !strcmp(opt->json, "-");
	FILE *json = to_stdout ? stdout : opt->json ? fopen(opt->json, "w") : NULL;
	int status = BENCH_OK;

	if (opt->json && !json) {
		fprintf(stderr, "iodirty bench: %s: %s\n", opt->json, strerror(errno));
		return BENCH_FAILED;
	}
	bench_print_to(to_stdout ? stderr : stdout);
	bench_pin();
	if (bench_limit_init(opt->memory / BENCH_LEAF_ITEMS)) {
		fprintf(stderr, "iodirty bench: not enough memory\n");
		status = BENCH_FAILED;
		nr = 0;
	} else {
		if (!measure_rows(opt, rows, &nr))
			status = BENCH_FAILED;
		bench_print_footer(opt, rows, nr, wide_range(opt));
	}
	bench_limit_exit();
	for (size_t i = 0; i < nr; i++)
		if (opt->strict && !rows[i].ok)
			status = BENCH_OVER;
	if (json && write_json(json, opt->json, rows, nr))
		status = BENCH_FAILED;
	return status;
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
	rows = calloc((BENCH_NR_FORMATS + 1) * bench_nr_cases, sizeof(*rows));
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
