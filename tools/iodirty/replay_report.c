/* SPDX-License-Identifier: MIT */
/* What `iodirty replay` prints: a row for each interval as it ends, then totals and a verdict. */
#include "figures.h"
#include "replay.h"
#include "text.h"

#include <inttypes.h>
#include <string.h>

#define TABLE_WIDTH 112
#define BAR_WIDTH   16

double replay_rate(const struct replay_opts *opts, uint64_t pages, uint64_t intervals)
{
	double seconds = (double)opts->interval_ns * 1e-9 * (double)intervals;

	return intervals ? (double)pages * REPLAY_PAGE / (1 << 20) / seconds : 0;
}

static const char *rate_text(char text[FIGURE_LEN], double rate)
{
	int digits = rate < 9.995 ? 2 : rate < 99.95 ? 1 : 0;

	snprintf(text, FIGURE_LEN, "%.*f", digits, rate);
	return text;
}

static const char *percent_text(char text[FIGURE_LEN], uint64_t part, uint64_t whole)
{
	if (whole)
		snprintf(text, FIGURE_LEN, "%.1f %%", 100 * figure_ratio(part, whole));
	else
		strcpy(text, "-");
	return text;
}

static const char *ns_per_entry(char text[FIGURE_LEN], const struct replay_interval *of)
{
	if (of->items)
		snprintf(text, FIGURE_LEN, "%.2f", figure_ratio(of->sweep_ns, of->items));
	else
		strcpy(text, "-");
	return text;
}

void replay_report_start(struct replay_report *report, const struct replay *replay)
{
	const struct replay_opts *opts = replay->opts;
	const struct term *term = &report->term;
	char interval[FIGURE_LEN], granule[FIGURE_LEN];

	report->wide = term_fits(term, TABLE_WIDTH);
	report->bars = term_fits(term, TABLE_WIDTH + 2 + BAR_WIDTH);
	if (report->json)
		replay_json_start(report->json, replay);
	if (opts->skip_invalidate || opts->forget_unmapped)
		fprintf(term->out,
			"%sBREAKING THE PROTOCOL ON PURPOSE (%s): pages must be lost%s\n",
			term_paint(term, TERM_RED),
			opts->skip_invalidate ? "skip invalidate" : "forget unmapped",
			term_unpaint(term));
	if (opts->quiet)
		return;
	fprintf(term->out,
		"%s: %s in %s pages, through %s of %u entries%s\n"
		"every %s of the trace a sweep that %s%s; a bit for %s\n\n",
		replay->trace.name, iod_format_name(opts->format), opts->large ? "2 MiB" : "4 KiB",
		opts->ats ? "an ATC" : "an IOTLB", opts->iotlb ? opts->iotlb : 256,
		opts->ats ? " for each source" : "", figure_ns(interval, opts->interval_ns),
		opts->read ? "reads" : "reads and clears", opts->prune ? ", pruned" : "",
		figure_bytes(granule, opts->granule));
	fprintf(term->out, "%s%10s %7s %7s %8s %8s %7s %8s %8s %8s", term_paint(term, TERM_DIM),
		"time", "reads", "writes", "touched", "dirty", "MiB/s", "needless", "sweep",
		"ns/entry");
	if (report->wide)
		fprintf(term->out, " %9s %7s %6s %7s", "moved", "hits",
			opts->prune ? "pruned" : "inval", "sync");
	fprintf(term->out, "%s\n", term_unpaint(term));
}

static const char *time_text(char text[FIGURE_LEN], const struct replay *replay)
{
	const struct replay_interval *now = &replay->now;
	double start = (double)now->index * (double)replay->opts->interval_ns * 1e-9;
	int digits = replay->opts->interval_ns % 1000000 ? 6 : 3;

	if (now->nr > 1)
		snprintf(text, FIGURE_LEN, "%.*f *%" PRIu64, digits, start, now->nr);
	else
		snprintf(text, FIGURE_LEN, "%.*f", digits, start);
	return text;
}

static void print_wide(const struct replay_report *report, const struct replay *replay)
{
	const struct replay_interval *now = &replay->now;
	char moved[FIGURE_LEN], hits[FIGURE_LEN], synced[FIGURE_LEN];

	fprintf(report->term.out, " %9s %7s %6" PRIu64 " %7s",
		figure_bytes(moved, now->bytes_read + now->bytes_written),
		percent_text(hits, now->hits, now->hits + now->misses),
		replay->opts->prune ? now->pruned : now->invalidations,
		figure_ns(synced, now->sync_ns));
}

void replay_report_interval(struct replay_report *report, const struct replay *replay)
{
	const struct replay_interval *now = &replay->now;
	const struct term *term = &report->term;
	char time[FIGURE_LEN], touched[FIGURE_LEN], dirty[FIGURE_LEN], rate[FIGURE_LEN];
	char needless[FIGURE_LEN], swept[FIGURE_LEN], entry[FIGURE_LEN];

	if (report->json)
		replay_json_interval(report->json, replay, !report->json_rows++);
	if (replay->opts->quiet)
		return;
	fprintf(term->out, "%10s %7" PRIu64 " %7" PRIu64 " %8s %8s %7s %8s %8s %8s",
		time_text(time, replay), now->reads, now->writes,
		figure_count(touched, now->working_set), figure_count(dirty, now->dirty),
		rate_text(rate, replay_rate(replay->opts, now->fresh, 1)),
		percent_text(needless, now->needless, now->dirty), figure_ns(swept, now->sweep_ns),
		ns_per_entry(entry, now));
	if (report->wide)
		print_wide(report, replay);
	if (report->bars)
		term_bar(term,
			 figure_ratio(now->dirty, (uint64_t)replay->space.nr * REPLAY_REGION_PAGES),
			 BAR_WIDTH);
	fputs("\n", term->out);
	fflush(term->out);
}

void replay_report_lost(struct replay_report *report, const struct replay *replay, uint64_t iova)
{
	const struct term *term = &report->term;
	double start = (double)replay->now.index * (double)replay->opts->interval_ns * 1e-9;

	fprintf(term->out,
		"%s  LOST: page 0x%" PRIx64
		" was written between %.3f s and %.3f s, the sweep does "
		"not report it%s\n",
		term_paint(term, TERM_RED), iova, start,
		start + (double)replay->opts->interval_ns * 1e-9, term_unpaint(term));
}

/* --- Totals ------------------------------------------------------------------------------------*/

static void print_sources(const struct replay_report *report, const struct replay *replay)
{
	char read[FIGURE_LEN], written[FIGURE_LEN];
	unsigned i;

	for (i = 0; i < replay->nr_sources; i++) {
		const struct replay_source *source = &replay->sources[i];

		fprintf(report->term.out,
			"  %-12s %9" PRIu64 " reads, %8s; %9" PRIu64 " writes, %8s\n", source->name,
			source->reads, figure_bytes(read, source->bytes_read), source->writes,
			figure_bytes(written, source->bytes_written));
	}
}

static void print_percentiles(const struct replay_report *report, const struct replay *replay)
{
	static const unsigned percents[] = { 50, 90, 99, 100 };
	const struct replay_totals *totals = &replay->totals;
	char rate[4][FIGURE_LEN], swept[4][FIGURE_LEN];
	unsigned i;

	for (i = 0; i < 4; i++) {
		uint64_t pages = replay_hist_percentile(&totals->dirty_pages, percents[i]);

		rate_text(rate[i], replay_rate(replay->opts, pages, 1));
		figure_ns(swept[i], replay_hist_percentile(&totals->sweep_ns, percents[i]));
	}
	fprintf(report->term.out,
		"  dirty rate, MiB/s: median %s, 90 %% %s, 99 %% %s, most %s\n"
		"  sweep: median %s, 90 %% %s, 99 %% %s, most %s\n",
		rate[0], rate[1], rate[2], rate[3], swept[0], swept[1], swept[2], swept[3]);
}

static void print_totals(const struct replay_report *report, const struct replay *replay)
{
	const struct replay_totals *totals = &replay->totals;
	const struct replay_interval *sum = &totals->sum;
	char mapped[FIGURE_LEN], tables[FIGURE_LEN], touched[FIGURE_LEN], needless[FIGURE_LEN];
	char hits[FIGURE_LEN], entry[FIGURE_LEN];
	struct iod_pgtable_info info = { .size = sizeof(info) };
	FILE *out = report->term.out;

	if (iod_pgtable_get_info(replay->space.pt, &info))
		return;
	fputs("\n", out);
	print_sources(report, replay);
	print_percentiles(report, replay);
	fprintf(out, "  largest working set %s pages; %s mapped in %zu pieces, %s of tables\n",
		figure_count(touched, totals->most_touched),
		figure_bytes(mapped, (uint64_t)replay->space.nr << REPLAY_REGION_LG2),
		replay->space.nr_extents, figure_bytes(tables, info.table_bytes));
	fprintf(out,
		"  %s of the pages reported were not written; caches hit %s; %s ns per entry\n",
		percent_text(needless, sum->needless, sum->dirty),
		percent_text(hits, sum->hits, sum->hits + sum->misses), ns_per_entry(entry, sum));
	if (sum->unmaps)
		fprintf(out, "  %" PRIu64 " unmaps of %s, with %s dirty pages\n", sum->unmaps,
			figure_bytes(mapped, sum->unmapped * REPLAY_PAGE),
			figure_count(touched, sum->delivered));
	if (sum->splits || sum->merges)
		fprintf(out, "  %" PRIu64 " large leaves split, %" PRIu64 " merged again\n",
			sum->splits, sum->merges);
	if (totals->idle)
		fprintf(out, "  %" PRIu64 " intervals without any access\n", totals->idle);
}

static void print_problems(const struct replay_report *report, const struct replay *replay)
{
	const struct replay_totals *totals = &replay->totals;
	FILE *out = report->term.out;

	if (totals->bad)
		fprintf(out, "  %" PRIu64 " bad lines were skipped\n", totals->bad);
	if (totals->sum.lost > REPLAY_SHOWN)
		fprintf(out, "  LOST: %" PRIu64 " pages in all\n", totals->sum.lost);
	if (totals->misplaced)
		fprintf(out, "  WRONG: %" PRIu64 " accesses went to another address\n",
			totals->misplaced);
	if (totals->faults)
		fprintf(out,
			"  WRONG: %" PRIu64 " accesses were refused, the first in line %" PRIu64
			": 0x%" PRIx64 ", reason %d\n",
			totals->faults, totals->fault_line, totals->fault.iova,
			(int)totals->fault.reason);
}

static void print_verdict(const struct replay_report *report, const struct replay *replay)
{
	const struct replay_totals *totals = &replay->totals;
	const struct replay_interval *sum = &totals->sum;
	char accesses[FIGURE_LEN], written[FIGURE_LEN], lost[FIGURE_LEN], rate[FIGURE_LEN];
	bool passed = replay_passed(totals) && !replay->stopped;

	fprintf(report->term.out,
		"%s%s%s: %s  %s accesses, %" PRIu64
		" intervals, %s MiB/s dirtied; %s pages written, "
		"%s lost\n",
		term_paint(&report->term, passed ? TERM_GREEN : TERM_RED),
		passed		  ? "PASSED"
		: replay->stopped ? "STOPPED"
				  : "FAILED",
		term_unpaint(&report->term), iod_format_name(replay->opts->format),
		figure_count(accesses, sum->reads + sum->writes), sum->nr,
		rate_text(rate, replay_rate(replay->opts, sum->fresh, sum->nr)),
		figure_count(written, sum->written), figure_count(lost, sum->lost));
}

void replay_report_end(struct replay_report *report, const struct replay *replay)
{
	if (report->json)
		replay_json_end(report->json, replay);
	if (replay->totals.sweeps && !replay->opts->quiet)
		print_totals(report, replay);
	print_problems(report, replay);
	if (replay->totals.sweeps)
		print_verdict(report, replay);
	fflush(report->term.out);
}
