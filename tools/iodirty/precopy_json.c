/* SPDX-License-Identifier: MIT */
/* All figures of `iodirty precopy` as JSON. Times are in nanoseconds, sizes in pages of 4 KiB. */
#include "precopy_model.h"

#include <inttypes.h>
#include <string.h>

static void print_options(FILE *out, const struct precopy_opts *opts)
{
	static const char *const pages[] = { "4k", "2m", "mixed" };

	fputs("  ", out);
	json_number(out, "memory", opts->memory);
	fprintf(out, "\"page\": \"%s\", ", pages[opts->pages]);
	json_number(out, "unplug", opts->unplug);
	json_number(out, "agents", opts->agents);
	json_number(out, "rate", precopy_rate(opts));
	json_number(out, "bandwidth", opts->bandwidth);
	json_number(out, "downtime_target", opts->downtime_ns);
	json_number(out, "hot_percent", opts->hot);
	json_number(out, "hot_set_percent", opts->hot_set);
	fprintf(out, "\"seed\": %" PRIu64 ",\n", opts->seed);
}

static void print_round(FILE *out, const struct precopy_round *round)
{
	fputs("        {", out);
	json_number(out, "start", round->start_ns);
	json_number(out, "dirty", round->dirty);
	json_number(out, "changed", round->changed);
	json_number(out, "entries", round->items);
	json_number(out, "sweep", round->sweep_ns);
	json_number(out, "sync", round->sync_ns);
	json_number(out, "copy", round->copy_ns);
	json_number(out, "split_pages", round->split);
	json_number(out, "split", round->split_ns);
	fprintf(out, "\"invalidations\": %" PRIu64 "}", round->invalidations);
}

static void print_result(FILE *out, const struct precopy_result *res)
{
	static const char *const ends[] = { "converged", "stalled", "rounds" };
	unsigned i;

	fprintf(out, "    {\n      \"format\": \"%s\", \"policy\": \"%s\", \"passed\": %s, ",
		res->name, precopy_text_policy(res->policy),
		precopy_passed(res) ? "true" : "false");
	if (res->error)
		fprintf(out, "\"error\": \"%s: %s\", ", res->what, strerror(-res->error));
	fprintf(out, "\"end\": \"%s\",\n      ", ends[res->end]);
	json_number(out, "pages", res->pages);
	json_number(out, "lost", res->lost);
	json_number(out, "table_bytes", res->table_bytes);
	json_number(out, "map", res->map_ns);
	json_number(out, "total", res->total_ns);
	json_number(out, "downtime", res->downtime_ns);
	json_number(out, "sent", res->sent);
	json_number(out, "eager_split_pages", res->eager_split);
	json_number(out, "eager_split", res->eager_ns);
	fputs("\n      ", out);
	json_number(out, "reported", res->reported);
	json_number(out, "changed", res->changed);
	json_number(out, "read_only", res->read_only);
	json_number(out, "read_dirtied", res->read_dirtied);
	json_number(out, "misplaced", res->did.misplaced);
	json_number(out, "pages_written", res->did.writes);
	json_number(out, "pages_read", res->did.reads);
	json_number(out, "unplugged", res->did.unplugs);
	json_number(out, "delivered", res->did.delivered);
	json_number(out, "tlbi", res->did.commands.tlbi);
	json_number(out, "tlbi_ranges", res->did.commands.ranges);
	json_number(out, "atc_inv", res->did.commands.atc);
	json_number(out, "iommu_syncs", res->did.commands.syncs);
	json_number(out, "cache_hits", res->did.hits);
	json_number(out, "cache_misses", res->did.misses);
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
