/* SPDX-License-Identifier: MIT */
/*
 * The figures of `iodirty replay` as JSON, a line for each interval, written as they come. Times are
 * in nanoseconds, sizes in bytes, all else in pages of 4 KiB or plain counts.
 */
#include "figures.h"
#include "replay.h"

#include <inttypes.h>

void replay_json_start(FILE *out, const struct replay *replay)
{
	static const char *const policies[] = { "none", "eager", "on-dirty" };
	const struct replay_opts *opts = replay->opts;

	fprintf(out, "{\n  \"format\": \"%s\", \"mode\": \"%s\", ", iod_format_name(opts->format),
		opts->read ? "read" : "clear");
	json_number(out, "interval", opts->interval_ns);
	json_number(out, "page", opts->large ? REPLAY_REGION : REPLAY_PAGE);
	json_number(out, "granule", opts->granule);
	fprintf(out, "\"policy\": \"%s\", ", policies[opts->policy]);
	json_number(out, "merge_after", opts->merge_after);
	json_number(out, "seed", opts->seed);
	fprintf(out, "\"ats\": %s, \"prune\": %s,\n  \"intervals\": [",
		opts->ats ? "true" : "false", opts->prune ? "true" : "false");
}

void replay_json_interval(FILE *out, const struct replay *replay, bool first)
{
	const struct replay_interval *now = &replay->now;

	fputs(first ? "\n    {" : ",\n    {", out);
	json_number(out, "start", now->index * replay->opts->interval_ns);
	json_number(out, "intervals", now->nr);
	json_number(out, "reads", now->reads);
	json_number(out, "writes", now->writes);
	json_number(out, "bytes_read", now->bytes_read);
	json_number(out, "bytes_written", now->bytes_written);
	json_number(out, "working_set", now->working_set);
	json_number(out, "written", now->written);
	json_number(out, "dirty", now->dirty);
	json_number(out, "needless", now->needless);
	json_number(out, "lost", now->lost);
	json_number(out, "unmaps", now->unmaps);
	json_number(out, "unmapped", now->unmapped);
	json_number(out, "delivered", now->delivered);
	json_number(out, "splits", now->splits);
	json_number(out, "merges", now->merges);
	fprintf(out, "\"dirty_mib_per_s\": %.3f, ", replay_rate(replay->opts, now->fresh, 1));
	json_number(out, "cache_hits", now->hits);
	json_number(out, "cache_misses", now->misses);
	json_number(out, "sweep", now->sweep_ns);
	json_number(out, "sync", now->sync_ns);
	json_number(out, "entries", now->items);
	json_number(out, "cleaned", now->cleaned);
	json_number(out, "pruned", now->pruned);
	fprintf(out, "\"invalidations\": %" PRIu64 "}", now->invalidations);
}

static void print_sources(FILE *out, const struct replay *replay)
{
	unsigned i;

	fputs("\n  ],\n  \"sources\": [", out);
	for (i = 0; i < replay->nr_sources; i++) {
		const struct replay_source *source = &replay->sources[i];

		fprintf(out, "%s\n    {\"name\": \"%s\", ", i ? "," : "", source->name);
		json_number(out, "reads", source->reads);
		json_number(out, "writes", source->writes);
		json_number(out, "bytes_read", source->bytes_read);
		fprintf(out, "\"bytes_written\": %" PRIu64 "}", source->bytes_written);
	}
	fputs("\n  ],\n  ", out);
}

static void print_percentiles(FILE *out, const struct replay *replay)
{
	static const unsigned percents[] = { 50, 90, 99, 100 };
	unsigned i;

	fputs("\n  \"percentiles\": [", out);
	for (i = 0; i < 4; i++) {
		uint64_t pages = replay_hist_percentile(&replay->totals.dirty_pages, percents[i]);

		fprintf(out, "%s\n    {\"percent\": %u, ", i ? "," : "", percents[i]);
		json_number(out, "dirty", pages);
		fprintf(out, "\"dirty_mib_per_s\": %.3f, \"sweep\": %" PRIu64 "}",
			replay_rate(replay->opts, pages, 1),
			replay_hist_percentile(&replay->totals.sweep_ns, percents[i]));
	}
	fputs("\n  ]\n}\n", out);
}

void replay_json_end(FILE *out, const struct replay *replay)
{
	const struct replay_totals *totals = &replay->totals;

	print_sources(out, replay);
	json_number(out, "lines", replay->trace.line);
	json_number(out, "bad_lines", totals->bad);
	json_number(out, "total_intervals", totals->sum.nr);
	json_number(out, "idle_intervals", totals->idle);
	json_number(out, "faults", totals->faults);
	json_number(out, "misplaced", totals->misplaced);
	json_number(out, "lost", totals->sum.lost);
	json_number(out, "mapped", (uint64_t)replay->space.nr << REPLAY_REGION_LG2);
	fprintf(out, "\"complete\": %s, \"passed\": %s,", replay->stopped ? "false" : "true",
		replay_passed(totals) && !replay->stopped ? "true" : "false");
	print_percentiles(out, replay);
}
