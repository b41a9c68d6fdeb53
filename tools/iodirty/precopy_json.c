/* SPDX-License-Identifier: MIT */
/* All figures of `iodirty precopy` as JSON. Times are in nanoseconds, sizes in pages of 4 KiB. */
#include "precopy_model.h"

#include <inttypes.h>
#include <string.h>

static void number(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "\"%s\": %" PRIu64 ", ", name, value);
}

static void print_options(FILE *out, const struct precopy_opts *opts)
{
	static const char *const pages[] = { "4k", "2m", "mixed" };

	fputs("  ", out);
	number(out, "memory", opts->memory);
	fprintf(out, "\"page\": \"%s\", ", pages[opts->pages]);
	number(out, "agents", opts->agents);
	number(out, "rate", precopy_rate(opts));
	number(out, "bandwidth", opts->bandwidth);
	number(out, "downtime_target", opts->downtime_ns);
	number(out, "hot_percent", opts->hot);
	number(out, "hot_set_percent", opts->hot_set);
	fprintf(out, "\"seed\": %" PRIu64 ",\n", opts->seed);
}

static void print_round(FILE *out, const struct precopy_round *round)
{
	fputs("        {", out);
	number(out, "start", round->start_ns);
	number(out, "dirty", round->dirty);
	number(out, "changed", round->changed);
	number(out, "entries", round->items);
	number(out, "sweep", round->sweep_ns);
	number(out, "sync", round->sync_ns);
	number(out, "copy", round->copy_ns);
	fprintf(out, "\"invalidations\": %" PRIu64 "}", round->invalidations);
}

static void print_result(FILE *out, const struct precopy_result *res)
{
	static const char *const ends[] = { "converged", "stalled", "rounds" };
	unsigned i;

	fprintf(out, "    {\n      \"format\": \"%s\", \"passed\": %s, ", res->name,
		precopy_passed(res) ? "true" : "false");
	if (res->error)
		fprintf(out, "\"error\": \"%s: %s\", ", res->what, strerror(-res->error));
	fprintf(out, "\"end\": \"%s\",\n      ", ends[res->end]);
	number(out, "pages", res->pages);
	number(out, "lost", res->lost);
	number(out, "table_bytes", res->table_bytes);
	number(out, "map", res->map_ns);
	number(out, "total", res->total_ns);
	number(out, "downtime", res->downtime_ns);
	number(out, "sent", res->sent);
	fputs("\n      ", out);
	number(out, "reported", res->reported);
	number(out, "changed", res->changed);
	number(out, "read_only", res->read_only);
	number(out, "read_dirtied", res->read_dirtied);
	number(out, "misplaced", res->did.misplaced);
	number(out, "pages_written", res->did.writes);
	number(out, "pages_read", res->did.reads);
	number(out, "cache_hits", res->did.hits);
	number(out, "cache_misses", res->did.misses);
	fputs("\n      \"rounds\": [\n", out);
	for (i = 0; i < res->nr_rounds; i++) {
		print_round(out, &res->rounds[i]);
		fputs(i + 1 < res->nr_rounds ? ",\n" : "\n", out);
	}
	fputs("      ]\n    }", out);
}

/* 0, or -1 with errno set. */
int precopy_write_json(const char *path, const struct precopy_opts *opts,
		       const struct precopy_result *res, unsigned nr)
{
	bool to_stdout = !strcmp(path, "-");
	FILE *out = to_stdout ? stdout : fopen(path, "w");
	unsigned i;
	int ret;

	if (!out)
		return -1;
	fputs("{\n", out);
	print_options(out, opts);
	fputs("  \"formats\": [\n", out);
	for (i = 0; i < nr; i++) {
		print_result(out, &res[i]);
		fputs(i + 1 < nr ? ",\n" : "\n", out);
	}
	fputs("  ]\n}\n", out);
	ret = ferror(out) ? -1 : 0;
	if (to_stdout)
		return fflush(out) ? -1 : ret;
	return fclose(out) ? -1 : ret;
}
