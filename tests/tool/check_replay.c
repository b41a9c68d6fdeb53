/* SPDX-License-Identifier: MIT */
/*
 * Runs `iodirty replay` on the shipped trace and compares every interval with what a count of the
 * trace's text says, on every format; breaks the protocol and sees it noticed; and feeds it lines that
 * are malformed, which it must name by number.
 *
 * Usage: check_replay PROGRAM
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <iodirty/pgtable.h>

#include "json.h"
#include "replay_model.h"
#include "runprog.h"

#define DEADLINE 60

static const char *program;
static char shipped[512]; /* the trace in tests/data */
static char scratch[64];  /* a trace that a test writes */
static const char *any;	  /* a format of this build */

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Runs `iodirty replay ARGS...`; must end with @status and say both texts (NULL: anything). */
static void run(struct run_result *result, int status, const char *out, const char *err,
		const char *const *args)
{
	const char *argv[RUN_ARGS_MAX] = { program, "replay" };
	unsigned n = 2;

	for (; *args; args++) {
		assert_true(n < RUN_ARGS_MAX - 1);
		argv[n++] = *args;
	}
	run_prog(result, argv, DEADLINE);
	if (result->status != status || (out && !strstr(result->out, out)) ||
	    (err && !strstr(result->err, err)))
		fail_msg("exit %d (not %d)\nwanted: %s | %s\nstdout: %s\nstderr: %s",
			 result->status, status, out ? out : "", err ? err : "", result->out,
			 result->err);
}

static void expect(int status, const char *out, const char *err, const char *const *args)
{
	struct run_result result;

	run(&result, status, out, err, args);
	run_free(&result);
}

static void write_trace(const char *text, size_t len)
{
	FILE *f = fopen(scratch, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* --- The shipped trace -------------------------------------------------------------------------*/

static void same(const struct mdl_json *row, const char *name, uint64_t want)
{
	uint64_t got = mdl_json_u64(mdl_json_get(row, name), UINT64_MAX);

	if (got != want)
		fail_msg("%s: %" PRIu64 ", not %" PRIu64 " (interval at %" PRIu64 " ns)", name, got,
			 want, mdl_json_u64(mdl_json_get(row, "start"), 0));
}

static void check_interval(const struct mdl_json *row, const struct rm_count *want)
{
	same(row, "intervals", 1);
	same(row, "reads", want->reads);
	same(row, "writes", want->writes);
	same(row, "bytes_read", want->bytes_read);
	same(row, "bytes_written", want->bytes_written);
	same(row, "working_set", want->touched);
	same(row, "written", want->written);
	same(row, "dirty", want->dirty);
	same(row, "needless", want->dirty - want->written);
	same(row, "lost", 0);
	same(row, "unmaps", want->unmaps);
	same(row, "unmapped", want->unmapped);
	same(row, "splits", want->splits);
	same(row, "merges", want->merges);
}

#define LARGE "--page", "2m"
static const struct variant {
	const char *args[9];
	struct rm_options options;
} variants[] = {
	{ { "--interval", "100ms" }, { .interval_us = 100000 } },
	{ { "--interval", "7ms", "--iotlb", "16" }, { .interval_us = 7000 } },
	{ { "--interval", "40ms", "--ats" }, { .interval_us = 40000 } },
	{ { "--interval", "100ms", LARGE }, { .interval_us = 100000, .large = true } },
	{ { "--interval", "50ms", "--granule", "64K" },
	  { .interval_us = 50000, .granule_lg2 = 4 } },
	{ { "--interval", "25ms", LARGE, "--policy", "eager" },
	  { .interval_us = 25000, .large = true, .policy = RM_EAGER } },
	{ { "--interval", "25ms", LARGE, "--policy", "on-dirty" },
	  { .interval_us = 25000, .large = true, .policy = RM_ON_DIRTY } },
	{ { "--interval", "20ms", LARGE, "--policy", "on-dirty", "--merge-after", "6" },
	  { .interval_us = 20000, .large = true, .policy = RM_ON_DIRTY, .merge_after = 6 } },
	{ { "--interval", "10ms", "--mode", "read" }, { .interval_us = 10000, .read = true } },
};

static struct mdl_json *replay(const char *format, const char *const *more)
{
	const char *args[16] = { "--format", format, "--quiet", "--json", "-", shipped };
	struct run_result result;
	struct mdl_json *json;
	unsigned n = 6;

	while (n < 15 && *more)
		args[n++] = *more++;
	run(&result, 0, NULL, " 0 lost", args);
	json = mdl_json_parse(result.out, result.out_len, NULL);
	assert_non_null(json);
	run_free(&result);
	return json;
}

static void check_shipped(const char *format, const struct variant *variant)
{
	struct mdl_json *json = replay(format, variant->args);
	const struct mdl_json *rows = mdl_json_get(json, "intervals");
	struct rm_count sum = { 0 };
	struct rm_counts want;
	size_t i;

	rm_count_trace(&want, shipped, &variant->options);
	assert_int_equal(rows->n, want.nr);
	for (i = 0; i < want.nr; i++) {
		const struct mdl_json *row = mdl_json_at(rows, i);

		same(row, "start", i * variant->options.interval_us * 1000);
		check_interval(row, &want.intervals[i]);
		if (!variant->options.granule_lg2)
			same(row, "delivered", want.intervals[i].delivered);
		if (variant->options.read)
			same(row, "cleaned", 0);
		sum.delivered += want.intervals[i].delivered;
		sum.splits += want.intervals[i].splits;
		sum.merges += want.intervals[i].merges;
	}
	/* The trace is worth it. */
	assert_true(sum.delivered > 0 || variant->options.interval_us < 10000);
	assert_true(sum.splits > 1 || !variant->options.policy);
	assert_true(sum.merges > 1 || !variant->options.merge_after);
	assert_string_equal(mdl_json_str(mdl_json_get(json, "format")), format);
	assert_int_equal(mdl_json_u64(mdl_json_get(json, "passed"), 0), 1);
	assert_int_equal(mdl_json_u64(mdl_json_get(json, "complete"), 0), 1);
	assert_int_equal(mdl_json_get(json, "sources")->n, 3);
	free(want.intervals);
	mdl_json_free(json);
}

static const char *format_at(int i)
{
	return iod_format_ops((enum iod_format)i) ? iod_format_name((enum iod_format)i) : NULL;
}

static void shipped_trace(void **state)
{
	size_t v;
	int i;

	for (i = IOD_ARM_LPAE_S1; i <= IOD_AMD_V2; i++) {
		for (v = 0; v < sizeof(variants) / sizeof(variants[0]); v++)
			if (format_at(i))
				check_shipped(format_at(i), &variants[v]);
	}
}

/* What is mapped and not touched changes nothing. */
static void mapped_first(void **state)
{
	static const struct variant variant = { { "--interval", "25ms", "--map", "0:256M" },
						{ .interval_us = 25000 } };

	check_shipped(any, &variant);
}

/* Of 4 GiB in 2048 leaf tables the devices use no more than 8. */
static void check_pruned(const char *format)
{
	static const struct variant variant = { { "--interval", "20ms", "--prune" },
						{ .interval_us = 20000 } };
	struct mdl_json *json = replay(format, ARGS("--prune", "--map", "0:4G"));
	const struct mdl_json *rows = mdl_json_get(json, "intervals");
	size_t i;

	for (i = 1; i < rows->n; i++)
		assert_true(mdl_json_u64(mdl_json_get(mdl_json_at(rows, i), "pruned"), 0) >= 2040);
	assert_int_equal(rows->n, 20);
	mdl_json_free(json);
	check_shipped(format, &variant);
}

/* Where hardware promises Accessed bits in table entries; the others refuse. */
static void pruned(void **state)
{
	int i;

	for (i = IOD_ARM_LPAE_S1; i <= IOD_VTD_FS; i++)
		if (format_at(i))
			check_pruned(format_at(i));
	for (; i <= IOD_AMD_V2; i++)
		if (format_at(i))
			expect(4, NULL, "--prune: hardware does not promise",
			       ARGS("--format", format_at(i), "--prune", shipped));
}

/* The twin: a cache that heard nothing writes on through what it remembers, and marks nothing. */
static void broken(void **state)
{
	int i;

	for (i = IOD_ARM_LPAE_S1; i <= IOD_AMD_V2; i++) {
		if (!format_at(i))
			continue;
		expect(2, "LOST: page 0xfffff000 was written", NULL,
		       ARGS("--format", format_at(i), "--break", "skip-invalidate", shipped));
		expect(2, "LOST: page 0x1100", NULL,
		       ARGS("--format", format_at(i), "--break", "forget-unmapped", shipped));
		expect(2, "FAILED: ", NULL,
		       ARGS("--format", format_at(i), "--break", "skip-invalidate", "--ats",
			    "--page", "2m", "--quiet", shipped));
		if (i <= IOD_VTD_FS)
			expect(2, "FAILED: ", NULL,
			       ARGS("--format", format_at(i), "--break", "skip-invalidate",
				    "--prune", "--quiet", shipped));
	}
}

/* --- Lines -------------------------------------------------------------------------------------*/

#define GOOD "0.5 a 0x1000 64 w\n"
#define S16  "0123456789abcdef"
#define S64  S16 S16 S16 S16
#define S512 S64 S64 S64 S64 S64 S64 S64 S64

static const struct malformed {
	const char *text;
	unsigned line;
	const char *why;
} malformed[] = {
	{ GOOD "1 a 0x1000 64\n", 2, "4 fields, not the 5 of: time source iova length r|w|u" },
	{ "x\n", 1, "1 fields, not the 5 of" },
	{ GOOD GOOD "# 3\n\n\t \n1 a 0x1000 64 w w\n", 6, "'w' follows the access" },
	{ GOOD "0.499999999 a 0x1000 64 w\n", 2, "time: '0.499999999' is before that of line 1" },
	{ "-1 a 0 1 w\n", 1, "time: '-1' is not a number of seconds" },
	{ "1. a 0 1 w\n", 1, "time: '1.' is not a number of seconds" },
	{ ".5 a 0 1 w\n", 1, "time: '.5' is not a number of seconds" },
	{ "1.2.3 a 0 1 w\n", 1, "time: '1.2.3' is not a number of seconds" },
	{ "0x10 a 0 1 w\n", 1, "time: '0x10' is not a number of seconds" },
	{ "1e3 a 0 1 w\n", 1, "time: '1e3' is not a number of seconds" },
	{ "nan a 0 1 w\n", 1, "time: 'nan' is not a number of seconds" },
	{ "1.0000000001 a 0 1 w\n", 1, "has more than 9 digits after the point" },
	{ "18446744073 a 0 1 w\n", 1, "time: '18446744073' is too large" },
	{ "99999999999999999999999 a 0 1 w\n", 1, "is too large" },
	{ "1 " S64 " 0 1 w\n", 1, "is longer than 63 characters" },
	{ "1 a<b 0 1 w\n", 1, "source: 'a<b' has a character that no name may have" },
	{ "1 a\"b 0 1 w\n", 1, "source: 'a\"b' has a character" },
	{ "1 a\033[31m 0 1 w\n", 1, "source: 'a?[31m' has a character" },
	{ "1 \303\251 0 1 w\n", 1, "source: '?\?' has a character" },
	{ "1 a 0x 1 w\n", 1, "iova: '0x' is not a number" },
	{ "1 a 0x1g 1 w\n", 1, "iova: '0x1g' is not a number" },
	{ "1 a ff 1 w\n", 1, "iova: 'ff' is not a number" },
	{ "1 a -1 1 w\n", 1, "iova: '-1' is not a number" },
	{ "1 a 1K 1 w\n", 1, "iova: '1K' is not a number" },
	{ "1 a 0x10000000000000000 1 w\n", 1, "does not fit into 64 bits" },
	{ "1 a 18446744073709551616 1 w\n", 1, "does not fit into 64 bits" },
	{ "1 a 0 0 w\n", 1, "length: nothing is accessed" },
	{ "1 a 0 1X w\n", 1, "length: '1X' is not a number" },
	{ "1 a 0 K w\n", 1, "length: 'K' is not a number" },
	{ "1 a 0 1.5K w\n", 1, "length: '1.5K' is not a number" },
	{ "1 a 0 18014398509481984K w\n", 1, "does not fit into 64 bits" },
	{ "1 a 0xffffffffffffffff 2 w\n", 1, "is past the end of 64 bits" },
	{ "1 a 0 1 rw\n", 1, "access: 'rw' is none of r, w, u" },
	{ "1 a 0 1 x\n", 1, "access: 'x' is none of r, w, u" },
	{ GOOD S512 S512 "\n", 2, "the line is longer than 1023 bytes" },
	{ GOOD "#" S512 S512 "\n", 2, "the line is longer than 1023 bytes" },
	{ GOOD "1 a 0 1", 2, "4 fields, not the 5 of" }, /* cut off */
	{ GOOD GOOD "garbage\r\n", 3, "1 fields, not the 5 of" },
};

static void malformed_lines(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		const struct malformed *bad = &malformed[i];
		char start[128], why[256];

		write_trace(bad->text, strlen(bad->text));
		snprintf(start, sizeof(start), "iodirty replay: %s:%u: ", scratch, bad->line);
		expect(2, NULL, start, ARGS("--format", any, "--quiet", scratch));
		expect(2, NULL, bad->why, ARGS("--format", any, "--quiet", scratch));
		snprintf(why, sizeof(why), "%sskipped: ", start);
		expect(strstr(bad->text, GOOD) ? 0 : 2, NULL, why,
		       ARGS("--format", any, "--quiet", "--skip-bad", scratch));
	}
}

static void nul_bytes(void **state)
{
	static const char text[] = "0.5 a 0x1000 64 w\n0.6 a\0b 0x1000 64 w\n\0\n";

	write_trace(text, sizeof(text) - 1);
	expect(2, NULL, ":2: the line has a NUL byte in it", ARGS("--format", any, scratch));
	expect(0, "2 bad lines were skipped", ":3: skipped: the line has a NUL byte",
	       ARGS("--format", any, "--skip-bad", scratch));
}

/* More bad lines than are shown. */
static void skipped_lines(void **state)
{
	static const char text[] = "1\n2\n3\n4\n" GOOD "6\n7\n" GOOD;
	struct run_result result;

	write_trace(text, strlen(text));
	run(&result, 0, "6 bad lines were skipped", ":4: skipped: 1 fields",
	    ARGS("--format", any, "--skip-bad", scratch));
	assert_null(strstr(result.err, ":6: "));
	assert_non_null(strstr(result.out, "2 accesses, 1 intervals"));
	run_free(&result);
}

static void replay_text(const char *text, const char *says)
{
	write_trace(text, strlen(text));
	expect(0, says, NULL, ARGS("--format", any, "--quiet", scratch));
}

static void good_lines(void **state)
{
	replay_text("0 a 4096 1 w", "1 accesses, 1 intervals");
	replay_text("0.000000001\ta\t0X1fFf  0x10 R\r\n\r\n# c\r\n", "1 accesses, 1 intervals");
	replay_text("  1.5  00:1f.2 0 2K W\n", "1 accesses, 1 intervals");
	/* 2 MiB in 10 MiB/s: 1 MiB from the middle of a page on touches 257 pages */
	replay_text("7.0 a 0x800 1m w\n", "1 accesses, 1 intervals, 10.0 MiB/s dirtied; 257 pages");
	replay_text("0.0 a 0 1 w\n0.1 b 0 1 w\n", "2 accesses, 2 intervals");
	replay_text("0.05 a 0 1 w\n0.149999999 b 0 1 w\n", "2 accesses, 1 intervals");
	replay_text("18446744072.999999999 a 0x1fffff 2 w\n", "1 accesses, 1 intervals");
}

/* Unmaps of nothing, of pages written before, of far more than is mapped; what comes after is mapped anew. */
static void unmaps(void **state)
{
	static const char text[] =
		"0 a 0x1000 8K u\n0 a 0x1fff 2 w\n0 a 0x2000 1 U\n0 b 0x2000 1 r\n"
		"0.1 a 0x2000 1 w\n0.1 a 0 1024G u\n0.1 a 0x2000 8192 w\n";

	replay_text(text, "4 accesses, 2 intervals, 0.08 MiB/s dirtied; 4 pages written, 0 lost");
	expect(0, "3 unmaps of 2.00 MiB, with 2 dirty pages", NULL, ARGS("--format", any, scratch));
	expect(0, "PASSED", NULL, ARGS("--format", any, LARGE, "--ats", scratch));
	expect(0, "PASSED", NULL, ARGS("--format", any, "--mode", "read", scratch));
}

/* --- The rest ----------------------------------------------------------------------------------*/

static void idle(void **state)
{
	static const char text[] = "10.0 a 0x1000 64 w\n11.0 a 0x1000 64 w\n11.1 a 0 1 r\n";

	write_trace(text, strlen(text));
	expect(0, "0.100 *9 ", NULL, ARGS("--format", any, scratch));
	expect(0, "9 intervals without any access", NULL, ARGS("--format", any, scratch));
	expect(0, "3 accesses, 12 intervals", NULL, ARGS("--format", any, scratch));
}

/* Formats differ in the addresses they have. */
static void addresses(void **state)
{
	static const char text[] = "0 a 0xfffffffffffff000 4096 w\n";
	static const char hole[] = "0 a 0x7ffffffff000 0x1000 w\n0 a 0x7ffffffff000 0x1001 w\n";

	write_trace(text, strlen(text));
	if (iod_format_ops(IOD_AMD_V1))
		expect(0, "1 accesses", NULL, ARGS("--format", "amd_v1", scratch));
	if (iod_format_ops(IOD_VTD_SS))
		expect(2, NULL, ":1: 0xfffffffffffff000..0xffffffffffffffff is outside the",
		       ARGS("--format", "vtd_ss", scratch));
	write_trace(hole, strlen(hole));
	if (iod_format_ops(IOD_VTD_FS))
		expect(2, NULL, ":2: 0x7ffffffff000..0x800000000000 is outside the addresses of",
		       ARGS("--format", "vtd_fs", scratch));
	if (iod_format_ops(IOD_VTD_FS))
		expect(0, "1 bad lines were skipped", ":2: skipped: 0x7ffffffff000..",
		       ARGS("--format", "vtd_fs", "--skip-bad", scratch));
}

static void limits(void **state)
{
	static const char wide[] = GOOD "1 a 0 4G w\n";
	FILE *f;
	int i;

	write_trace(wide, strlen(wide));
	expect(4, NULL, ":2: the trace touches more than 64 MiB, in pieces of 2 MiB; see --limit",
	       ARGS("--format", any, "--limit", "64M", scratch));
	expect(0, "2 accesses", NULL, ARGS("--format", any, "--limit", "4G", scratch));
	f = fopen(scratch, "w");
	assert_non_null(f);
	for (i = 0; i < 1025; i++)
		fprintf(f, "%d name%d 0x%x 8 r\n", i, i, i * 4096);
	assert_int_equal(fclose(f), 0);
	expect(4, NULL, ":1025: more than 1024 sources", ARGS("--format", any, scratch));
}

static void command_line(void **state)
{
	expect(1, NULL, "which TRACE?", ARGS("--format", any));
	expect(1, NULL, "unexpected argument: b", ARGS("--format", any, "a", "b"));
	expect(1, NULL, "--format: no such format: 'vtd'", ARGS("--format", "vtd", "-"));
	expect(1, NULL, "--interval: '5' is not a time", ARGS("--interval", "5", "-"));
	expect(1, NULL, "--interval: 0us is not between", ARGS("--interval", "0us", "-"));
	expect(1, NULL, "--granule: '6K' is not a power of two", ARGS("--granule", "6K", "-"));
	expect(1, NULL, "--granule: '4M' is not a power", ARGS("--granule", "4M", "-"));
	expect(1, NULL, "--iotlb: 3 is not a power of two", ARGS("--iotlb", "3", "-"));
	expect(1, NULL, "--iotlb: 0 is not between", ARGS("--iotlb", "0", "-"));
	expect(1, NULL, "--map: '1G' is not an address and a size", ARGS("--map", "1G", "-"));
	expect(1, NULL, "--map: 0:17T is more than 16T", ARGS("--map", "0:17T", "-"));
	expect(1, NULL, "--map: that is more than --limit",
	       ARGS("--format", any, "--map", "0:65G", "-"));
	expect(1, NULL, "--mode: 'write' is neither clear nor read", ARGS("--mode", "write", "-"));
	expect(1, NULL, "--page: '8k' is neither 4k nor 2m", ARGS("--page", "8k", "-"));
	expect(1, NULL, "--break: 'all' is neither skip-invalidate", ARGS("--break", "all", "-"));
	expect(1, NULL, "--prune is for sweeps that clear",
	       ARGS("--format", any, "--prune", "--mode", "read", "-"));
	expect(1, NULL, "--limit: 1M is not between 2M and 16T", ARGS("--limit", "1M", "-"));
	expect(1, NULL, "--seed: 'x' is not a number", ARGS("--seed", "x", "-"));
	expect(1, NULL, "unknown option: --frob", ARGS("--frob"));
	expect(1, NULL, "--json needs a value", ARGS("--json"));
	expect(1, NULL, "--policy: 'lazy' is not one of", ARGS("--policy", "lazy", "-"));
	expect(1, NULL, "--policy, --merge-after: there are no large leaves",
	       ARGS("--format", any, "--merge-after", "3", "-"));
	expect(1, NULL, "--policy, --merge-after are for sweeps that clear",
	       ARGS("--format", any, LARGE, "--policy", "eager", "--mode", "read", "-"));
	expect(1, NULL, "--merge-after: 0 is not between", ARGS("--merge-after", "0", "-"));
	expect(0, "time source iova length r|w|u", NULL, ARGS("--help"));
	expect(0, "time source iova length r|w|u", NULL, ARGS("-h"));
}

/* All are opened before the trace is replayed; a trace that ends badly leaves whole files. */
static void files(void **state)
{
	static const char text[] = GOOD "1 a 0 1 w\nbad\n";
	struct mdl_json *json;
	char name[96], head[8] = "";
	FILE *f;

	expect(2, NULL, "none/a.trace: No such file", ARGS("--format", any, "none/a.trace"));
	expect(2, NULL, ".: Is a directory", ARGS("--format", any, "."));
	expect(4, NULL, "none/a.svg: No such file",
	       ARGS("--format", any, "--svg", "none/a.svg", shipped));
	expect(4, NULL, "none/a.json: No such file",
	       ARGS("--format", any, "--json", "none/a.json", shipped));
	write_trace("# nothing\n", 10);
	expect(2, NULL, "no accesses in it", ARGS("--format", any, scratch));
	write_trace(text, strlen(text));
	snprintf(name, sizeof(name), "%s.json", scratch);
	expect(2, "STOPPED", ":3: 1 fields", ARGS("--format", any, "--json", name, scratch));
	json = mdl_json_load(name);
	assert_non_null(json);
	assert_int_equal(mdl_json_u64(mdl_json_get(json, "complete"), 1), 0);
	assert_int_equal(mdl_json_get(json, "intervals")->n, 2);
	mdl_json_free(json);
	remove(name);
	snprintf(name, sizeof(name), "%s.svg", scratch);
	expect(0, NULL, NULL, ARGS("--format", any, "--svg", name, shipped));
	f = fopen(name, "r");
	assert_non_null(f);
	assert_int_equal(fread(head, 1, 5, f), 5);
	fclose(f);
	assert_string_equal(head, "<svg ");
	remove(name);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_trace),   cmocka_unit_test(mapped_first),
		cmocka_unit_test(pruned),	   cmocka_unit_test(broken),
		cmocka_unit_test(malformed_lines), cmocka_unit_test(nul_bytes),
		cmocka_unit_test(skipped_lines),   cmocka_unit_test(good_lines),
		cmocka_unit_test(unmaps),	   cmocka_unit_test(idle),
		cmocka_unit_test(addresses),	   cmocka_unit_test(limits),
		cmocka_unit_test(command_line),	   cmocka_unit_test(files),
	};
	int i, ret;

	program = argc > 1 ? argv[1] : getenv("IODIRTY_PROGRAM");
	if (!program) {
		fprintf(stderr, "usage: check_replay PROGRAM\n");
		return 77;
	}
	for (i = IOD_ARM_LPAE_S1; i <= IOD_AMD_V2 && !any; i++)
		any = format_at(i);
	snprintf(shipped, sizeof(shipped), "%s/nic-disk.trace", test_data_dir());
	snprintf(scratch, sizeof(scratch), "check_replay-%ld.trace", (long)getpid());
	ret = cmocka_run_group_tests_name("replay", tests, NULL, NULL);
	remove(scratch);
	return ret;
}
