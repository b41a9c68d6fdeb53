/* SPDX-License-Identifier: MIT */
/*
 * The report: a table as rows come in, a footer about the machine, and JSON.
 */
#include "bench.h"

#include "bench_loops.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static const char *format_name(const struct bench_row *row)
{
	return row->format ? iod_format_name(row->format) : "-";
}

/* A power of two of bytes. */
static void print_size(char *text, size_t len, uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	unsigned int unit = 0;

	while (bytes >= 1024 && !(bytes % 1024)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, len, "%" PRIu64 "%c", bytes, units[unit]);
}

static void print_ratio(char *text, size_t len, const struct bench_row *row)
{
	if (row->c->bound.kind == BENCH_INVERSE && row->ratio > 0)
		snprintf(text, len, "1/%.0f", 1 / row->ratio);
	else
		snprintf(text, len, "%.2fx", row->ratio);
}

/* The bound in its own unit. */
static void print_bound(char *text, size_t len, const struct bench_row *row)
{
	switch (row->c->bound.kind) {
	case BENCH_NO_BOUND:
		snprintf(text, len, "-");
		break;
	case BENCH_RATIO:
		snprintf(text, len, "<= %.2fx", row->bound);
		break;
	case BENCH_INVERSE:
		snprintf(text, len, "<= 1/%.0f", row->bound);
		break;
	case BENCH_NS:
		snprintf(text, len, "<= %.4g ns", row->bound);
		break;
	case BENCH_SPEEDUP:
		snprintf(text, len, ">= %.2fx", row->bound);
		break;
	}
}

static const char *verdict(const struct bench_row *row)
{
	if (row->c->bound.kind == BENCH_NO_BOUND)
		return "";
	return row->ok ? "ok" : "over";
}

static FILE *out; /* the table */

void bench_print_to(FILE *file)
{
	out = file;
}

void bench_print_header(void)
{
	fprintf(out, "%-12s%-12s%-5s%6s  %-18s%-8s%9s %9s %-9s%9s%8s  %s\n", "bench", "format",
		"page", "range", "state", "mode", "ns/item", "limit", "is", "ratio", "spread",
		"bound");
	fflush(out);
}

static void print_name(const struct bench_case *c, const char *format, const char *range)
{
	fprintf(out, "%-12s%-12s%-5s%6s  %-18s%-8s", c->bench, format, c->page, range, c->state,
		c->mode);
}

void bench_print_row(const struct bench_row *row)
{
	char range[24] = "-", ratio[24], bound[24];

	if (row->range)
		print_size(range, sizeof(range), row->range);
	print_ratio(ratio, sizeof(ratio), row);
	print_bound(bound, sizeof(bound), row);
	print_name(row->c, format_name(row), range);
	fprintf(out, "%9.3f %9.3f %-9s%9s%7.1f%%  %-10s %s%s", row->ns, row->limit,
		row->c->limit->name, ratio, 100 * row->spread, bound, verdict(row),
		row->noisy ? " (noisy)" : "");
	if (row->worst > 0)
		fprintf(out, " longest %.1f us, alone %.1f us", row->worst / 1e3,
			row->worst_alone / 1e3);
	if (row->commands > 0)
		fprintf(out, " %.2f commands a batch, %.2f too many", row->commands, row->excess);
	putc('\n', out);
	fflush(out);
}

/* A row that cannot be measured here. */
void bench_print_skipped(const struct bench_row *row, const char *why)
{
	print_name(row->c, format_name(row), "");
	fprintf(out, "  skipped: %s\n", why);
	fflush(out);
}

/* The value of the first line of /proc/cpuinfo that begins with @p key. */
static bool cpuinfo(const char *key, char *value, size_t len)
{
	char line[256];
	bool found = false;
	FILE *file = fopen("/proc/cpuinfo", "r");

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, key, strlen(key)) || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(value, len, "%s", colon + 1 + strspn(colon + 1, " "));
		found = true;
	}
	fclose(file);
	return found;
}

/* The bracketed word of the transparent huge page setting. */
static void hugepages(char *value, size_t len)
{
	char line[128] = "";
	const char *open;
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");

	snprintf(value, len, "unknown");
	if (!file)
		return;
	if (fgets(line, sizeof(line), file)) {
		open = strchr(line, '[');
		if (open)
			snprintf(value, len, "%.*s", (int)strcspn(open + 1, "]"), open + 1);
	}
	fclose(file);
}

/* What differs from the full measurement. */
static void print_ranges(const struct bench_options *opt, uint64_t wide)
{
	char memory[16], pruned[16];

	print_size(memory, sizeof(memory), opt->memory);
	print_size(pruned, sizeof(pruned), wide);
	fprintf(out, "range: %s of IOVA, pruned sweeps %s", memory, pruned);
	if (wide < BENCH_WIDE_RANGE)
		fprintf(out, " instead of 1T, because of --quick or a small --memory");
	fprintf(out, "\n");
}

void bench_print_footer(const struct bench_options *opt, const struct bench_row *rows, size_t nr,
			uint64_t wide)
{
	char cpu[128] = "unknown", thp[32];
	size_t bounded = 0, over = 0, noisy = 0;

	for (size_t i = 0; i < nr; i++) {
		bounded += rows[i].c->bound.kind != BENCH_NO_BOUND;
		over += !rows[i].ok;
		noisy += rows[i].noisy;
	}
	if (!cpuinfo("model name", cpu, sizeof(cpu)))
		cpuinfo("CPU part", cpu, sizeof(cpu));
	hugepages(thp, sizeof(thp));
	fprintf(out,
		"\n%zu rows, %zu of %zu within their bound, %zu noisy (spread above %.0f %%)\n", nr,
		bounded - over, bounded, noisy, 100 * BENCH_MAX_SPREAD);
	fprintf(out,
		"limit: the machine itself, or the library's plain way, on the same tables in the same run\n");
	fprintf(out,
		"ratio: work / limit, median of pairs (shares: limit / work; beside it the bus's own gain)\n");
	print_ranges(opt, wide);
	fprintf(out, "fastest loops here: %s\n", bench_loops_chosen());
	fprintf(out, "iodirty %s, CPU %s, pages of %ld bytes, huge pages %s, ",
		iod_version_string(), cpu, sysconf(_SC_PAGESIZE), thp);
#if defined(__clang__)
	fprintf(out, "%s\n", __VERSION__);
#elif defined(__GNUC__)
	fprintf(out, "gcc %s\n", __VERSION__);
#else
	fprintf(out, "unknown compiler\n");
#endif
}

static const char *kind_name(enum bench_bound_kind kind)
{
	static const char *const names[] = {
		[BENCH_RATIO] = "ratio",
		[BENCH_INVERSE] = "ratio",
		[BENCH_NS] = "ns",
		[BENCH_SPEEDUP] = "speedup",
	};

	return names[kind];
}

static void json_bound(FILE *file, const struct bench_row *row)
{
	enum bench_bound_kind kind = row->c->bound.kind;

	if (kind == BENCH_NO_BOUND)
		return;
	fprintf(file, ", \"bound\": %.4f, \"bound_kind\": \"%s\", \"ok\": %s",
		kind == BENCH_INVERSE ? 1 / row->bound : row->bound, kind_name(kind),
		row->ok ? "true" : "false");
}

/* Bytes of a page; 0 when the row has none. */
static uint64_t page_bytes(const struct bench_case *c)
{
	if (!c->formats)
		return 0;
	if (!strcmp(c->page, "2M"))
		return UINT64_C(1) << BENCH_BLOCK_LG2;
	if (!strcmp(c->page, "1G"))
		return UINT64_C(1) << 30;
	return c->layout == BENCH_RUNS ? BENCH_PAGE * BENCH_RUN_ITEMS : BENCH_PAGE;
}

static void json_row(FILE *file, const struct bench_row *row)
{
	fprintf(file, "  {\"bench\": \"%s\", \"format\": \"%s\", \"page\": %" PRIu64, row->c->bench,
		format_name(row), page_bytes(row->c));
	fprintf(file, ", \"range_bytes\": %" PRIu64 ", \"state\": \"%s\", \"mode\": \"%s\"",
		row->range, row->c->state, row->c->mode);
	fprintf(file, ", \"items\": %" PRIu64 ", \"ns_per_item\": %.6f", row->items, row->ns);
	fprintf(file, ", \"limit\": \"%s\", \"limit_ns_per_item\": %.6f", row->c->limit->name,
		row->limit);
	fprintf(file, ", \"ratio\": %.5f", row->ratio);
	json_bound(file, row);
	if (row->bus > 0)
		fprintf(file, ", \"bus_speedup\": %.4f", row->bus);
	if (row->worst > 0)
		fprintf(file, ", \"longest_ns\": %.0f, \"longest_alone_ns\": %.0f", row->worst,
			row->worst_alone);
	if (row->commands > 0)
		fprintf(file, ", \"commands\": %.4f, \"excess_commands\": %.4f", row->commands,
			row->excess);
	fprintf(file, ", \"median\": %.6f, \"min\": %.6f, \"max\": %.6f, \"mad\": %.6f", row->ns,
		row->min, row->max, row->mad);
	fprintf(file, ", \"spread\": %.5f", row->spread);
	fprintf(file, ", \"reps\": %" PRIu32 ", \"disturbed\": %" PRIu32 ", \"noisy\": %s}",
		row->reps, row->disturbed, row->noisy ? "true" : "false");
}

/* An array of objects, one a line. @return 0 or -1 */
int bench_write_json(FILE *file, const struct bench_row *rows, size_t nr)
{
	fputs("[\n", file);
	for (size_t i = 0; i < nr; i++) {
		json_row(file, &rows[i]);
		fputs(i + 1 < nr ? ",\n" : "\n", file);
	}
	fputs("]\n", file);
	return fflush(file) || ferror(file) ? -1 : 0;
}
