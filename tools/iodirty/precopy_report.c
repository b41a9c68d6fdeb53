/* SPDX-License-Identifier: MIT */
/*
 * What `iodirty precopy` shows: progress and a table of rounds while a migration runs, its verdict,
 * and a summary over the formats. On a terminal progress is a line that overwrites itself; elsewhere
 * it is a plain line every few seconds.
 */
#include "precopy_model.h"

#include <inttypes.h>
#include <string.h>

#define TABLE_WIDTH    79
#define SPLIT_WIDTH    8
#define BAR_WIDTH      20
#define TTY_EVERY_NS   (100 * 1000000ull)
#define PLAIN_EVERY_NS (5000 * 1000000ull)

const char *precopy_text_pages(enum precopy_pages pages)
{
	static const char *const names[] = { "4 KiB pages", "2 MiB pages", "mixed pages" };

	return names[pages];
}

const char *precopy_text_policy(enum precopy_policy policy)
{
	static const char *const names[] = { "none", "eager", "on-dirty" };

	return names[policy];
}

const char *precopy_text_name(char text[FIGURE_LEN], const struct precopy_opts *opts,
			      const struct precopy_result *res)
{
	if (opts->nr_policies > 1)
		snprintf(text, FIGURE_LEN, "%s %s", res->name, precopy_text_policy(res->policy));
	else
		snprintf(text, FIGURE_LEN, "%s", res->name);
	return text;
}

void precopy_report_init(struct precopy_report *rep, const struct precopy_opts *opts)
{
	memset(rep, 0, sizeof(*rep));
	rep->opts = opts;
	term_init(&rep->term, opts->json && !strcmp(opts->json, "-") ? stderr : stdout);
	rep->splits = opts->nr_policies > 1 || opts->policies[0];
	rep->bars = term_fits(&rep->term,
			      TABLE_WIDTH + (rep->splits ? SPLIT_WIDTH : 0) + 2 + BAR_WIDTH);
}

void precopy_report_start(struct precopy_report *rep)
{
	static const char *const violations[] = { "", "copy before sync", "skip invalidate",
						  "skip ATC", "forget unmapped" };
	const struct precopy_opts *opts = rep->opts;
	char memory[FIGURE_LEN], link[FIGURE_LEN], rate[FIGURE_LEN], stop[FIGURE_LEN];

	if (opts->violation)
		fprintf(rep->term.out,
			"%sBREAKING THE PROTOCOL ON PURPOSE (%s): pages must be lost%s\n",
			term_paint(&rep->term, TERM_RED), violations[opts->violation],
			term_unpaint(&rep->term));
	if (opts->quiet)
		return;
	fprintf(rep->term.out,
		"Pre-copy migration of %s over a link of %sB/s, %u DMA agents, %s%s, seed %" PRIu64
		"\n%u %% of the writes go to %u %% of the memory; stops when a round takes less than "
		"%s\n\n",
		figure_bytes(memory, opts->memory), figure_si(link, (double)opts->bandwidth),
		opts->agents,
		precopy_rate(opts) ? figure_si(rate, (double)precopy_rate(opts)) : "flat out",
		precopy_rate(opts) ? " pages/s" : "", opts->seed, opts->hot, opts->hot_set,
		figure_ns(stop, opts->downtime_ns));
}

static void wipe_progress(struct precopy_report *rep)
{
	if (rep->pending)
		fputs("\r\033[K", rep->term.out);
	rep->pending = false;
}

void precopy_report_begin(struct precopy_report *rep, const struct precopy_result *res)
{
	rep->format = res->name;
	rep->next_ns = figure_now() + (rep->term.tty ? 0 : PLAIN_EVERY_NS);
	if (!rep->term.tty)
		return;
	fprintf(rep->term.out, "  %s: mapping", res->name);
	fflush(rep->term.out);
	rep->pending = true;
}

void precopy_report_progress(struct precopy_report *rep, unsigned round, const char *phase,
			     uint64_t done, uint64_t total)
{
	uint64_t now = figure_now();

	if (now < rep->next_ns || (rep->opts->quiet && !rep->term.tty))
		return;
	rep->next_ns = now + (rep->term.tty ? TTY_EVERY_NS : PLAIN_EVERY_NS);
	wipe_progress(rep);
	fprintf(rep->term.out, "%s  %s round %u: %s %3.0f %%%s%s", term_paint(&rep->term, TERM_DIM),
		rep->format, round, phase, 100 * figure_ratio(done, total),
		term_unpaint(&rep->term), rep->term.tty ? "" : "\n");
	rep->pending = rep->term.tty;
	fflush(rep->term.out);
}

/* --- The table of rounds -----------------------------------------------------------------------*/

void precopy_report_head(struct precopy_report *rep, const struct precopy_result *res)
{
	const struct precopy_opts *opts = rep->opts;
	char memory[FIGURE_LEN], tables[FIGURE_LEN], took[FIGURE_LEN];

	wipe_progress(rep);
	if (opts->quiet)
		return;
	fprintf(rep->term.out, "%s%s%s  %s in %s, %s of tables mapped in %s",
		term_paint(&rep->term, TERM_BOLD), res->name, term_unpaint(&rep->term),
		figure_bytes(memory, opts->memory), precopy_text_pages(opts->pages),
		figure_bytes(tables, res->table_bytes), figure_ns(took, res->map_ns));
	if (rep->splits)
		fprintf(rep->term.out, "; policy %s", precopy_text_policy(res->policy));
	fprintf(rep->term.out, "\n%s%5s  %10s %9s %8s %8s %9s %6s %7s %8s%s%s\n",
		term_paint(&rep->term, TERM_DIM), "round", "dirty", "size", "needless", "sweep",
		"entries", "inval", "sync", "copy", rep->splits ? "   split" : "",
		term_unpaint(&rep->term));
	fflush(rep->term.out);
}

void precopy_report_round(struct precopy_report *rep, const struct precopy_result *res,
			  const struct precopy_round *round, bool final)
{
	char name[FIGURE_LEN], dirty[FIGURE_LEN], size[FIGURE_LEN], needless[FIGURE_LEN];
	char swept[FIGURE_LEN], speed[FIGURE_LEN], synced[FIGURE_LEN], sent[FIGURE_LEN];
	unsigned nr = (unsigned)(round - res->rounds);

	wipe_progress(rep);
	if (rep->opts->quiet)
		return;
	snprintf(name, sizeof(name), "%u", nr);
	if (nr)
		snprintf(needless, sizeof(needless), "%.1f %%",
			 100 * figure_ratio(round->dirty - round->changed, round->dirty));
	else
		snprintf(needless, sizeof(needless), "-"); /* everything is sent, dirty or not */
	fprintf(rep->term.out, "%5s  %10s %9s %8s %8s %9s %6" PRIu64 " %7s %8s",
		final ? "final" : name, figure_count(dirty, round->dirty),
		figure_bytes(size, round->dirty * PRECOPY_PAGE), needless,
		figure_ns(swept, round->sweep_ns),
		figure_per_s(speed, figure_ratio(round->items, round->sweep_ns) * 1e9),
		round->invalidations, figure_ns(synced, round->sync_ns),
		figure_ns(sent, round->copy_ns));
	if (rep->splits)
		fprintf(rep->term.out, " %7s", figure_count(sent, round->split));
	if (rep->bars)
		term_bar(&rep->term, figure_ratio(round->dirty, res->pages), BAR_WIDTH);
	fputs("\n", rep->term.out);
	fflush(rep->term.out);
}

/* --- Verdicts ----------------------------------------------------------------------------------*/

static void print_lost(struct precopy_report *rep, const struct precopy_lost *lost)
{
	fprintf(rep->term.out, "  LOST: page 0x%" PRIx64 " was written %" PRIu32 " times, ",
		lost->page << PRECOPY_PAGE_LG2, lost->version - 1);
	if (lost->dest)
		fprintf(rep->term.out, "the destination has write %" PRIu32 "\n", lost->dest - 1);
	else
		fputs("the destination never got it\n", rep->term.out);
}

static void print_problem(struct precopy_report *rep, const struct precopy_result *res)
{
	const struct precopy_activity *did = &res->did;
	unsigned i;

	for (i = 0; i < PRECOPY_LOST_SHOWN && i < res->lost; i++)
		print_lost(rep, &res->lost_shown[i]);
	if (res->lost > PRECOPY_LOST_SHOWN)
		fprintf(rep->term.out, "  LOST: and %" PRIu64 " more\n",
			res->lost - PRECOPY_LOST_SHOWN);
	if (res->read_dirtied)
		fprintf(rep->term.out,
			"  WRONG: %" PRIu64 " reports of pages that were only read\n",
			res->read_dirtied);
	if (did->misplaced)
		fprintf(rep->term.out, "  WRONG: %" PRIu64 " DMAs went to another address\n",
			did->misplaced);
	if (did->error)
		fprintf(rep->term.out,
			"  WRONG: a DMA at 0x%" PRIx64 " was refused: %s, reason %d\n",
			did->fault.iova, strerror(-did->error), (int)did->fault.reason);
	if (!res->error && res->version_sum != did->writes)
		fprintf(rep->term.out,
			"  WRONG: %" PRIu64 " pages written, but %" PRIu64 " found in memory\n",
			did->writes, res->version_sum);
}

/* Pages split before the first round, or in all of them. */
static uint64_t pages_split(const struct precopy_result *res, uint64_t *ns)
{
	uint64_t pages = res->eager_split;
	unsigned i;

	*ns = res->eager_ns;
	for (i = 0; i < res->nr_rounds; i++) {
		pages += res->rounds[i].split;
		*ns += res->rounds[i].split_ns;
	}
	return pages;
}

static void print_split(struct precopy_report *rep, const struct precopy_result *res)
{
	char count[FIGURE_LEN], time[FIGURE_LEN];
	uint64_t ns, pages = pages_split(res, &ns);

	if (res->policy)
		fprintf(rep->term.out, "  %s large pages split in %s%s\n",
			figure_count(count, pages), figure_ns(time, ns),
			res->policy == PRECOPY_EAGER ? ", before the first round" : "");
}

static void print_commands(struct precopy_report *rep, const struct precopy_result *res)
{
	const struct precopy_words *words = precopy_iommu_words(res->format);
	const struct precopy_commands *did = &res->did.commands;
	char tlbi[FIGURE_LEN], atc[FIGURE_LEN], syncs[FIGURE_LEN];

	fprintf(rep->term.out, "  the %s took %s %s (%.0f %% by range), %s %s and %s %s\n",
		words->iommu, figure_count(tlbi, did->tlbi), words->tlbi,
		100 * figure_ratio(did->ranges, did->tlbi), figure_count(atc, did->atc), words->atc,
		figure_count(syncs, did->syncs), words->sync);
}

static void print_traffic(struct precopy_report *rep, const struct precopy_result *res)
{
	const struct precopy_activity *did = &res->did;
	char count[FIGURE_LEN], rate[FIGURE_LEN], wanted[FIGURE_LEN], sent[FIGURE_LEN];

	fprintf(rep->term.out, "  %s pages written, %s (wanted: %s); caches hit %.0f %%\n",
		figure_count(count, did->writes),
		figure_per_s(rate, figure_ratio(did->writes, did->ns) * 1e9),
		precopy_rate(rep->opts) ? figure_per_s(wanted, (double)precopy_rate(rep->opts))
					: "flat out",
		100 * figure_ratio(did->hits, did->hits + did->misses));
	fprintf(rep->term.out, "  %s pages read; ", figure_count(count, did->reads));
	fprintf(rep->term.out, "of %s that are only ever read, %" PRIu64 " reported dirty\n",
		figure_count(count, res->read_only), res->read_dirtied);
	fprintf(rep->term.out,
		"  %s sent, %.2f times the memory; %.1f %% of what was reported dirty was "
		"needless\n",
		figure_bytes(sent, res->sent * PRECOPY_PAGE), figure_ratio(res->sent, res->pages),
		100 * figure_ratio(res->reported - res->changed, res->reported));
	if (rep->opts->unplug)
		fprintf(rep->term.out,
			"  %s buffers unmapped under the device, with %s dirty pages; %s writes came "
			"too late\n",
			figure_count(count, did->unplugs), figure_count(rate, did->delivered),
			figure_count(sent, did->refused));
	print_commands(rep, res);
	print_split(rep, res);
	if (res->end == PRECOPY_STALLED)
		fputs("  did not converge: in the time of a round the agents dirty more than the "
		      "downtime carries\n",
		      rep->term.out);
	else if (res->end == PRECOPY_ROUNDS)
		fputs("  did not converge within --rounds\n", rep->term.out);
	if (res->end != PRECOPY_CONVERGED && rep->opts->pages != PRECOPY_4K && !res->policy)
		fputs("  one write dirties a whole large page; try --policy on-dirty\n",
		      rep->term.out);
}

/* Of the names in the lines about whole migrations. */
static int name_width(const struct precopy_opts *opts)
{
	return opts->nr_policies > 1 ? 20 : 11;
}

void precopy_report_end(struct precopy_report *rep, const struct precopy_result *res)
{
	char memory[FIGURE_LEN], total[FIGURE_LEN], down[FIGURE_LEN], lost[FIGURE_LEN];
	char name[FIGURE_LEN];
	bool passed = precopy_passed(res);

	wipe_progress(rep);
	if (res->error) {
		fprintf(rep->term.out, "%s%s: %s: %s%s\n", term_paint(&rep->term, TERM_RED),
			res->name, res->what, strerror(-res->error), term_unpaint(&rep->term));
		return;
	}
	if (!rep->opts->quiet)
		print_traffic(rep, res);
	print_problem(rep, res);
	fprintf(rep->term.out, "%s%-*s  %s  %u rounds  %s  downtime %s  %s pages lost%s%s\n",
		term_paint(&rep->term, passed ? TERM_GREEN : TERM_RED), name_width(rep->opts),
		precopy_text_name(name, rep->opts, res), figure_bytes(memory, rep->opts->memory),
		res->nr_rounds, figure_ns(total, res->total_ns), figure_ns(down, res->downtime_ns),
		figure_count(lost, res->lost), passed ? "" : "  FAILED", term_unpaint(&rep->term));
	if (!rep->opts->quiet)
		fputs("\n", rep->term.out);
	fflush(rep->term.out);
}

static uint64_t shortest_sweep(const struct precopy_result *res)
{
	uint64_t least = UINT64_MAX;
	unsigned i;

	for (i = 0; i < res->nr_rounds; i++) {
		if (res->rounds[i].sweep_ns < least)
			least = res->rounds[i].sweep_ns;
	}
	return least;
}

static void print_summary_row(struct precopy_report *rep, const struct precopy_result *res)
{
	char total[FIGURE_LEN], down[FIGURE_LEN], sent[FIGURE_LEN], swept[FIGURE_LEN];
	char lost[FIGURE_LEN], name[FIGURE_LEN];
	int width = name_width(rep->opts);

	precopy_text_name(name, rep->opts, res);
	if (res->error) {
		fprintf(rep->term.out, "  %-*s  %s\n", width, name, res->what);
		return;
	}
	fprintf(rep->term.out, "  %-*s %7u %9s %9s %9s %10s %8.1f %% %6s\n", width, name,
		res->nr_rounds, figure_ns(total, res->total_ns), figure_ns(down, res->downtime_ns),
		figure_bytes(sent, res->sent * PRECOPY_PAGE), figure_ns(swept, shortest_sweep(res)),
		100 * figure_ratio(res->reported - res->changed, res->reported),
		figure_count(lost, res->lost));
}

/* Pages that a round copied when the first, which copies everything, was over. */
static double pages_per_round(const struct precopy_result *res)
{
	return figure_ratio(res->sent - res->pages, res->nr_rounds - 1);
}

/* For each format a line: what a round copied with each policy, against the first of them. */
static void print_policies(struct precopy_report *rep, const struct precopy_result *res,
			   unsigned nr)
{
	unsigned i, policies = rep->opts->nr_policies;
	char size[FIGURE_LEN];

	fprintf(rep->term.out, "%scopied in a round after the first, by policy:%s\n",
		term_paint(&rep->term, TERM_BOLD), term_unpaint(&rep->term));
	for (i = 0; i < nr; i++) {
		double pages = res[i].nr_rounds > 1 ? pages_per_round(&res[i]) : 0;
		double first = pages_per_round(&res[i - i % policies]);

		if (i % policies == 0)
			fprintf(rep->term.out, "  %-11s", res[i].name);
		fprintf(rep->term.out, "  %s %s", precopy_text_policy(res[i].policy),
			figure_bytes(size, (uint64_t)(pages * PRECOPY_PAGE)));
		if (i % policies && first > 0)
			fprintf(rep->term.out, " (%.1f %%)", 100 * pages / first);
		if (i % policies == policies - 1)
			fputs("\n", rep->term.out);
	}
}

void precopy_report_summary(struct precopy_report *rep, const struct precopy_result *res,
			    unsigned nr)
{
	char pages[FIGURE_LEN], writes[FIGURE_LEN];
	uint64_t written = 0;
	unsigned i, passed = 0;

	for (i = 0; i < nr; i++) {
		passed += precopy_passed(&res[i]);
		written += res[i].did.writes;
	}
	if (!rep->opts->quiet && nr > 1) {
		fprintf(rep->term.out, "%s  %-*s %7s %9s %9s %9s %10s %10s %6s%s\n",
			term_paint(&rep->term, TERM_BOLD), name_width(rep->opts), "format",
			"rounds", "total", "downtime", "sent", "best sweep", "needless", "lost",
			term_unpaint(&rep->term));
		for (i = 0; i < nr; i++)
			print_summary_row(rep, &res[i]);
		fputs("\n", rep->term.out);
	}
	if (rep->opts->nr_policies > 1)
		print_policies(rep, res, nr);
	figure_count(pages, res[0].pages);
	figure_count(writes, written);
	if (passed == nr)
		fprintf(rep->term.out,
			"%sPASSED%s: %u of %u %s; %s pages each, %s writes, not one "
			"lost\n",
			term_paint(&rep->term, TERM_GREEN), term_unpaint(&rep->term), passed, nr,
			rep->opts->nr_policies > 1 ? "migrations" : "formats", pages, writes);
	else
		fprintf(rep->term.out, "%sFAILED%s: %u of %u %s passed\n",
			term_paint(&rep->term, TERM_RED), term_unpaint(&rep->term), passed, nr,
			rep->opts->nr_policies > 1 ? "migrations" : "formats");
	fflush(rep->term.out);
}
