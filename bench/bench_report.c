/* SPDX-License-Identifier: MIT */
/*
 * The report: a table as rows come in, a footer about the machine, and JSON.
 */
#include "bench.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

void bench_print_header(void)
{
	printf("%-10s%-13s%-6s%-16s%-7s%9s %9s %7s %6s  %-17s %s\n", "bench", "format", "page",
	       "state", "mode", "ns/item", "limit", "ratio", "mad", "min - max", "bound (ns)");
	fflush(stdout);
}

void bench_print_row(const struct bench_row *row)
{
	char range[32], bound[32] = "";

	snprintf(range, sizeof(range), "%.3f - %.3f", row->min, row->max);
	if (row->bounded)
		snprintf(bound, sizeof(bound), "%.2f %s", row->bound, row->ok ? "ok" : "OVER");
	printf("%-10s%-13s%-6s%-16s%-7s%9.3f %9.3f %7.2f %5.1f%%  %-17s %s%s\n", row->c->bench,
	       iod_format_name(row->format), "4K", row->c->state, row->c->mode, row->ns, row->limit,
	       row->ratio, row->ns > 0 ? 100 * row->mad / row->ns : 0, range, bound,
	       row->noisy ? " (noisy)" : "");
	fflush(stdout);
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

void bench_print_footer(const struct bench_options *opt, const struct bench_row *rows, size_t nr)
{
	char cpu[128] = "unknown", thp[32];
	size_t bounded = 0, over = 0, noisy = 0;

	for (size_t i = 0; i < nr; i++) {
		bounded += rows[i].bounded;
		over += rows[i].bounded && !rows[i].ok;
		noisy += rows[i].noisy;
	}
	if (!cpuinfo("model name", cpu, sizeof(cpu)))
		cpuinfo("CPU part", cpu, sizeof(cpu));
	hugepages(thp, sizeof(thp));
	printf("\n%zu rows, %zu of %zu within their bound, %zu noisy (mad above %.0f %%, or preempted)\n",
	       nr, bounded - over, bounded, noisy, 100 * BENCH_MAX_SPREAD);
	printf("limit: the machine itself in the same run, on the same tables; ratio: medians of pairs\n");
	printf("iodirty %s, %" PRIu64 " MiB of IOVA, CPU %s, pages of %ld bytes, huge pages %s, ",
	       iod_version_string(), opt->memory >> 20, cpu, sysconf(_SC_PAGESIZE), thp);
#if defined(__clang__)
	printf("%s\n", __VERSION__);
#elif defined(__GNUC__)
	printf("gcc %s\n", __VERSION__);
#else
	printf("unknown compiler\n");
#endif
}

static void json_row(FILE *file, const struct bench_row *row)
{
	fprintf(file, "  {\"bench\": \"%s\", \"format\": \"%s\", \"page\": %" PRIu64, row->c->bench,
		iod_format_name(row->format), (uint64_t)BENCH_PAGE);
	fprintf(file, ", \"range_bytes\": %" PRIu64 ", \"state\": \"%s\", \"mode\": \"%s\"",
		row->range, row->c->state, row->c->mode);
	fprintf(file, ", \"items\": %" PRIu64 ", \"ns_per_item\": %.5f", row->items, row->ns);
	fprintf(file, ", \"limit\": \"%s\", \"limit_ns_per_item\": %.5f", row->c->limit,
		row->limit);
	fprintf(file, ", \"ratio\": %.4f", row->ratio);
	if (row->bounded)
		fprintf(file, ", \"bound\": %.3f, \"bound_kind\": \"ns\", \"ok\": %s", row->bound,
			row->ok ? "true" : "false");
	fprintf(file, ", \"median\": %.5f, \"min\": %.5f, \"max\": %.5f, \"mad\": %.5f", row->ns,
		row->min, row->max, row->mad);
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
