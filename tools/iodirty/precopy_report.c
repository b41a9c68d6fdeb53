/* SPDX-License-Identifier: MIT */
/*
 * What `iodirty precopy` shows: progress and a table of rounds while a migration runs, its verdict,
 * and a summary over the formats. On a terminal progress is a line that overwrites itself; elsewhere
 * it is a plain line every few seconds.
 */
#include "precopy_model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TABLE_WIDTH    79
#define BAR_WIDTH      20
#define BAR_DECADES    5 /* a bar of full length is everything, one of no length 1/100000 of it */
#define TTY_EVERY_NS   (100 * 1000000ull)
#define PLAIN_EVERY_NS (5000 * 1000000ull)
#define BOLD	       "\033[1m"
#define DIM	       "\033[2m"
#define RED	       "\033[1;31m"
#define GREEN	       "\033[1;32m"

/* --- Figures -----------------------------------------------------------------------------------*/

/* Three significant digits: 1.23, 12.3, 123. */
static const char *text_scaled(char *text, double value, const char *unit)
{
	int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	snprintf(text, PRECOPY_TEXT, "%.*f %s", digits, value, unit);
	return text;
}

const char *precopy_text_bytes(char *text, uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)bytes / 1024;
	unsigned i = 0;

	for (; value >= 999.5 && i < 4; i++)
		value /= 1024;
	if (value == (double)(unsigned)value) {
		snprintf(text, PRECOPY_TEXT, "%.0f %s", value, units[i]);
		return text;
	}
	return text_scaled(text, value, units[i]);
}

const char *precopy_text_ns(char *text, uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	unsigned i = 0;

	for (; value >= 999.5 && i < 3; i++)
		value /= 1000;
	if (value == (double)(unsigned)value) {
		snprintf(text, PRECOPY_TEXT, "%.0f %s", value, units[i]);
		return text;
	}
	return text_scaled(text, value, units[i]);
}

const char *precopy_text_count(char *text, uint64_t n)
{
	char digits[PRECOPY_TEXT];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n), i, out = 0;

	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			text[out++] = ',';
		text[out++] = digits[i];
	}
	text[out] = '\0';
	return text;
}

/* 1.23 G: the caller appends the unit. */
const char *precopy_text_si(char *text, double value)
{
	static const char *const units[] = { "", "k", "M", "G", "T" };
	unsigned i = 0;

	for (; value >= 999.5 && i < 4; i++)
		value /= 1000;
	if (value == (double)(unsigned)value) {
		snprintf(text, PRECOPY_TEXT, i ? "%.0f %s" : "%.0f", value, units[i]);
		return text;
	}
	return text_scaled(text, value, units[i]);
}

const char *precopy_text_per_s(char *text, double per_second)
{
	precopy_text_si(text, per_second);
	strcat(text, "/s");
	return text;
}

const char *precopy_text_pages(enum precopy_pages pages)
{
	static const char *const names[] = { "4 KiB pages", "2 MiB pages", "mixed pages" };

	return names[pages];
}

double precopy_lg2(double x)
{
	double lg2 = 0, bit;

	for (; x >= 2; x /= 2)
		lg2++;
	for (; x < 1; x *= 2)
		lg2--;
	for (bit = 0.5; bit > 0.00005; bit /= 2) {
		x *= x;
		if (x >= 2) {
			x /= 2;
			lg2 += bit;
		}
	}
	return lg2;
}

static double ratio(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

/* --- The terminal ------------------------------------------------------------------------------*/

static const char *paint(const struct precopy_report *rep, const char *code)
{
	return rep->colour ? code : "";
}

static const char *unpaint(const struct precopy_report *rep)
{
	return rep->colour ? "\033[0m" : "";
}

static bool locale_is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	unsigned i;

	for (i = 0; i < 3; i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strstr(value, "UTF-8") || strstr(value, "utf8");
	}
	return false;
}

void precopy_report_init(struct precopy_report *rep, const struct precopy_opts *opts)
{
	const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	struct winsize size;

	memset(rep, 0, sizeof(*rep));
	rep->opts = opts;
	rep->out = opts->json && !strcmp(opts->json, "-") ? stderr : stdout;
	rep->tty = isatty(fileno(rep->out)) && term && strcmp(term, "dumb");
	rep->colour = rep->tty && !(no_colour && *no_colour);
	rep->utf8 = rep->tty && locale_is_utf8();
	rep->bars = !rep->tty || ioctl(fileno(rep->out), TIOCGWINSZ, &size) ||
		    size.ws_col > TABLE_WIDTH + 2 + BAR_WIDTH;
}

void precopy_report_start(struct precopy_report *rep)
{
	static const char *const violations[] = { "", "copy before sync", "skip invalidate",
						  "skip ATC" };
	const struct precopy_opts *opts = rep->opts;
	char memory[PRECOPY_TEXT], link[PRECOPY_TEXT], rate[PRECOPY_TEXT], stop[PRECOPY_TEXT];

	if (opts->violation)
		fprintf(rep->out, "%sBREAKING THE PROTOCOL ON PURPOSE (%s): pages must be lost%s\n",
			paint(rep, RED), violations[opts->violation], unpaint(rep));
	if (opts->quiet)
		return;
	fprintf(rep->out,
		"Pre-copy migration of %s over a link of %sB/s, %u DMA agents, %s%s, seed %" PRIu64
		"\n%u %% of the writes go to %u %% of the memory; stops when a round takes less than "
		"%s\n\n",
		precopy_text_bytes(memory, opts->memory),
		precopy_text_si(link, (double)opts->bandwidth), opts->agents,
		precopy_rate(opts) ? precopy_text_si(rate, (double)precopy_rate(opts)) : "flat out",
		precopy_rate(opts) ? " pages/s" : "", opts->seed, opts->hot, opts->hot_set,
		precopy_text_ns(stop, opts->downtime_ns));
}

static void wipe_progress(struct precopy_report *rep)
{
	if (rep->pending)
		fputs("\r\033[K", rep->out);
	rep->pending = false;
}

void precopy_report_begin(struct precopy_report *rep, const struct precopy_result *res)
{
	rep->format = res->name;
	rep->next_ns = precopy_now() + (rep->tty ? 0 : PLAIN_EVERY_NS);
	if (!rep->tty)
		return;
	fprintf(rep->out, "  %s: mapping", res->name);
	fflush(rep->out);
	rep->pending = true;
}

void precopy_report_progress(struct precopy_report *rep, unsigned round, const char *phase,
			     uint64_t done, uint64_t total)
{
	uint64_t now = precopy_now();

	if (now < rep->next_ns || (rep->opts->quiet && !rep->tty))
		return;
	rep->next_ns = now + (rep->tty ? TTY_EVERY_NS : PLAIN_EVERY_NS);
	wipe_progress(rep);
	fprintf(rep->out, "%s  %s round %u: %s %3.0f %%%s%s", paint(rep, DIM), rep->format, round,
		phase, 100 * ratio(done, total), unpaint(rep), rep->tty ? "" : "\n");
	rep->pending = rep->tty;
	fflush(rep->out);
}

/* --- The table of rounds -----------------------------------------------------------------------*/

void precopy_report_head(struct precopy_report *rep, const struct precopy_result *res)
{
	const struct precopy_opts *opts = rep->opts;
	char memory[PRECOPY_TEXT], tables[PRECOPY_TEXT], took[PRECOPY_TEXT];

	wipe_progress(rep);
	if (opts->quiet)
		return;
	fprintf(rep->out, "%s%s%s  %s in %s, %s of tables mapped in %s\n", paint(rep, BOLD),
		res->name, unpaint(rep), precopy_text_bytes(memory, opts->memory),
		precopy_text_pages(opts->pages), precopy_text_bytes(tables, res->table_bytes),
		precopy_text_ns(took, res->map_ns));
	fprintf(rep->out, "%s%5s  %10s %9s %8s %8s %9s %6s %7s %8s%s\n", paint(rep, DIM), "round",
		"dirty", "size", "needless", "sweep", "entries", "inval", "sync", "copy",
		unpaint(rep));
	fflush(rep->out);
}

/* Length of a logarithmic bar, in eighths of a character. */
static unsigned bar_eighths(uint64_t dirty, uint64_t pages)
{
	const double decades = BAR_DECADES * 3.3219; /* of which each is so many bits */
	double length;

	if (!dirty)
		return 0;
	length = 1 + precopy_lg2(ratio(dirty, pages)) / decades;
	return length * BAR_WIDTH * 8 > 1 ? (unsigned)(length * BAR_WIDTH * 8) : 1;
}

static void print_bar(struct precopy_report *rep, uint64_t dirty, uint64_t pages)
{
	static const char *const parts[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	unsigned eighths = bar_eighths(dirty, pages), i;

	if (!rep->bars)
		return;
	fputs("  ", rep->out);
	for (i = 0; i < eighths / 8; i++)
		fputs(rep->utf8 ? "█" : "#", rep->out);
	if (rep->utf8)
		fputs(parts[eighths % 8], rep->out);
	else if (eighths && eighths < 8)
		fputs("#", rep->out);
}

void precopy_report_round(struct precopy_report *rep, const struct precopy_result *res,
			  const struct precopy_round *round, bool final)
{
	char name[PRECOPY_TEXT], dirty[PRECOPY_TEXT], size[PRECOPY_TEXT], needless[PRECOPY_TEXT];
	char swept[PRECOPY_TEXT], speed[PRECOPY_TEXT], synced[PRECOPY_TEXT], sent[PRECOPY_TEXT];
	unsigned nr = (unsigned)(round - res->rounds);

	wipe_progress(rep);
	if (rep->opts->quiet)
		return;
	snprintf(name, sizeof(name), "%u", nr);
	if (nr)
		snprintf(needless, sizeof(needless), "%.1f %%",
			 100 * ratio(round->dirty - round->changed, round->dirty));
	else
		snprintf(needless, sizeof(needless), "-"); /* everything is sent, dirty or not */
	fprintf(rep->out, "%5s  %10s %9s %8s %8s %9s %6" PRIu64 " %7s %8s", final ? "final" : name,
		precopy_text_count(dirty, round->dirty),
		precopy_text_bytes(size, round->dirty * PRECOPY_PAGE), needless,
		precopy_text_ns(swept, round->sweep_ns),
		precopy_text_per_s(speed, ratio(round->items, round->sweep_ns) * 1e9),
		round->invalidations, precopy_text_ns(synced, round->sync_ns),
		precopy_text_ns(sent, round->copy_ns));
	print_bar(rep, round->dirty, res->pages);
	fputs("\n", rep->out);
	fflush(rep->out);
}

/* --- Verdicts ----------------------------------------------------------------------------------*/

static void print_lost(struct precopy_report *rep, const struct precopy_lost *lost)
{
	fprintf(rep->out, "  LOST: page 0x%" PRIx64 " was written %" PRIu32 " times, ",
		lost->page << PRECOPY_PAGE_LG2, lost->version - 1);
	if (lost->dest)
		fprintf(rep->out, "the destination has write %" PRIu32 "\n", lost->dest - 1);
	else
		fputs("the destination never got it\n", rep->out);
}

static void print_problem(struct precopy_report *rep, const struct precopy_result *res)
{
	const struct precopy_activity *did = &res->did;
	unsigned i;

	for (i = 0; i < PRECOPY_LOST_SHOWN && i < res->lost; i++)
		print_lost(rep, &res->lost_shown[i]);
	if (res->lost > PRECOPY_LOST_SHOWN)
		fprintf(rep->out, "  LOST: and %" PRIu64 " more\n", res->lost - PRECOPY_LOST_SHOWN);
	if (res->read_dirtied)
		fprintf(rep->out, "  WRONG: %" PRIu64 " reports of pages that were only read\n",
			res->read_dirtied);
	if (did->misplaced)
		fprintf(rep->out, "  WRONG: %" PRIu64 " DMAs went to another address\n",
			did->misplaced);
	if (did->error)
		fprintf(rep->out, "  WRONG: a DMA at 0x%" PRIx64 " was refused: %s, reason %d\n",
			did->fault.iova, strerror(-did->error), (int)did->fault.reason);
	if (!res->error && res->version_sum != did->writes)
		fprintf(rep->out,
			"  WRONG: %" PRIu64 " pages written, but %" PRIu64 " found in memory\n",
			did->writes, res->version_sum);
}

static void print_traffic(struct precopy_report *rep, const struct precopy_result *res)
{
	const struct precopy_activity *did = &res->did;
	char count[PRECOPY_TEXT], rate[PRECOPY_TEXT], wanted[PRECOPY_TEXT], sent[PRECOPY_TEXT];

	fprintf(rep->out, "  %s pages written, %s (wanted: %s); caches hit %.0f %%\n",
		precopy_text_count(count, did->writes),
		precopy_text_per_s(rate, ratio(did->writes, did->ns) * 1e9),
		precopy_rate(rep->opts)
			? precopy_text_per_s(wanted, (double)precopy_rate(rep->opts))
			: "flat out",
		100 * ratio(did->hits, did->hits + did->misses));
	fprintf(rep->out, "  %s pages read; ", precopy_text_count(count, did->reads));
	fprintf(rep->out, "of %s that are only ever read, %" PRIu64 " reported dirty\n",
		precopy_text_count(count, res->read_only), res->read_dirtied);
	fprintf(rep->out,
		"  %s sent, %.2f times the memory; %.1f %% of what was reported dirty was "
		"needless\n",
		precopy_text_bytes(sent, res->sent * PRECOPY_PAGE), ratio(res->sent, res->pages),
		100 * ratio(res->reported - res->changed, res->reported));
	if (res->end == PRECOPY_STALLED)
		fputs("  did not converge: in the time of a round the agents dirty more than the "
		      "downtime carries\n",
		      rep->out);
	else if (res->end == PRECOPY_ROUNDS)
		fputs("  did not converge within --rounds\n", rep->out);
	if (res->end != PRECOPY_CONVERGED && rep->opts->pages != PRECOPY_4K)
		fputs("  one write dirties a whole large page; try --page 4k or a lower --rate\n",
		      rep->out);
}

void precopy_report_end(struct precopy_report *rep, const struct precopy_result *res)
{
	char memory[PRECOPY_TEXT], total[PRECOPY_TEXT], down[PRECOPY_TEXT], lost[PRECOPY_TEXT];
	bool passed = precopy_passed(res);

	wipe_progress(rep);
	if (res->error) {
		fprintf(rep->out, "%s%s: %s: %s%s\n", paint(rep, RED), res->name, res->what,
			strerror(-res->error), unpaint(rep));
		return;
	}
	if (!rep->opts->quiet)
		print_traffic(rep, res);
	print_problem(rep, res);
	fprintf(rep->out, "%s%-11s  %s  %u rounds  %s  downtime %s  %s pages lost%s%s\n",
		paint(rep, passed ? GREEN : RED), res->name,
		precopy_text_bytes(memory, rep->opts->memory), res->nr_rounds,
		precopy_text_ns(total, res->total_ns), precopy_text_ns(down, res->downtime_ns),
		precopy_text_count(lost, res->lost), passed ? "" : "  FAILED", unpaint(rep));
	if (!rep->opts->quiet)
		fputs("\n", rep->out);
	fflush(rep->out);
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
	char total[PRECOPY_TEXT], down[PRECOPY_TEXT], sent[PRECOPY_TEXT], swept[PRECOPY_TEXT];
	char lost[PRECOPY_TEXT];

	if (res->error) {
		fprintf(rep->out, "  %-11s  %s\n", res->name, res->what);
		return;
	}
	fprintf(rep->out, "  %-11s %7u %9s %9s %9s %10s %8.1f %% %6s\n", res->name, res->nr_rounds,
		precopy_text_ns(total, res->total_ns), precopy_text_ns(down, res->downtime_ns),
		precopy_text_bytes(sent, res->sent * PRECOPY_PAGE),
		precopy_text_ns(swept, shortest_sweep(res)),
		100 * ratio(res->reported - res->changed, res->reported),
		precopy_text_count(lost, res->lost));
}

void precopy_report_summary(struct precopy_report *rep, const struct precopy_result *res,
			    unsigned nr)
{
	char pages[PRECOPY_TEXT], writes[PRECOPY_TEXT];
	uint64_t written = 0;
	unsigned i, passed = 0;

	for (i = 0; i < nr; i++) {
		passed += precopy_passed(&res[i]);
		written += res[i].did.writes;
	}
	if (!rep->opts->quiet && nr > 1) {
		fprintf(rep->out, "%s  %-11s %7s %9s %9s %9s %10s %10s %6s%s\n", paint(rep, BOLD),
			"format", "rounds", "total", "downtime", "sent", "best sweep", "needless",
			"lost", unpaint(rep));
		for (i = 0; i < nr; i++)
			print_summary_row(rep, &res[i]);
		fputs("\n", rep->out);
	}
	precopy_text_count(pages, res[0].pages);
	precopy_text_count(writes, written);
	if (passed == nr)
		fprintf(rep->out,
			"%sPASSED%s: %u of %u formats; %s pages each, %s writes, not one "
			"lost\n",
			paint(rep, GREEN), unpaint(rep), passed, nr, pages, writes);
	else
		fprintf(rep->out, "%sFAILED%s: %u of %u formats passed\n", paint(rep, RED),
			unpaint(rep), passed, nr);
	fflush(rep->out);
}
