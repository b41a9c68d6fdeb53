/* SPDX-License-Identifier: MIT */
/*
 * Runs `iodirty dump` and `iodirty translate` on cores of real guests, and compares every device,
 * every mapping and every traced translation with what independent readers found there.
 *
 * Usage: check_dump PROGRAM
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mkcore.h"
#include "runprog.h"

#define DEADLINE 60

static const char *program;

/* One core, and what its JSON file says. */
struct sample {
	const char *name;
	char elf[512];
	struct mdl_json *want;
	const char *root[4]; /* the options that say where the tables are; NULL ends */
};

static void load_sample(struct sample *sample, const char *name)
{
	const struct mdl_json *regs;
	char json[512];

	memset(sample, 0, sizeof(*sample));
	sample->name = name;
	snprintf(sample->elf, sizeof(sample->elf), "%s/%s.elf", test_data_dir(), name);
	snprintf(json, sizeof(json), "%s/%s.json", test_data_dir(), name);
	sample->want = mdl_json_load(json);
	assert_non_null(sample->want);
	regs = mdl_json_get(sample->want, "registers");
	if (mdl_json_get(regs, "RTADDR")) {
		sample->root[0] = "--vtd-rtaddr";
		sample->root[1] = mdl_json_str(mdl_json_get(regs, "RTADDR"));
	} else if (mdl_json_get(regs, "DEVTAB_BASE")) {
		sample->root[0] = "--amd-devtab";
		sample->root[1] = mdl_json_str(mdl_json_get(regs, "DEVTAB_BASE"));
	} else {
		sample->root[0] = "--smmu-strtab-base";
		sample->root[1] = mdl_json_str(mdl_json_get(regs, "STRTAB_BASE"));
		sample->root[2] = "--smmu-strtab-cfg";
		sample->root[3] = mdl_json_str(mdl_json_get(regs, "STRTAB_BASE_CFG"));
	}
}

/* PROGRAM COMMAND ROOT... EXTRA... ELF [IOVA] */
static void run(struct run_result *result, const struct sample *sample, const char *command,
		const char *const *extra, const char *iova)
{
	const char *argv[RUN_ARGS_MAX] = { program, command };
	size_t n = 2, i;

	for (i = 0; i < 4 && sample->root[i]; i++)
		argv[n++] = sample->root[i];
	for (i = 0; extra && extra[i]; i++)
		argv[n++] = extra[i];
	argv[n++] = sample->elf;
	argv[n] = iova;
	run_prog(result, argv, DEADLINE);
}

static struct mdl_json *parse_output(const struct run_result *result)
{
	struct mdl_json *json = mdl_json_parse(result->out, result->out_len, NULL);

	if (!json)
		print_error("not JSON: %.200s\n%s\n", result->out, result->err);
	assert_non_null(json);
	return json;
}

/* Strings, numbers, booleans and null alike. */
static void same_value(const struct mdl_json *want, const struct mdl_json *got, const char *what)
{
	if (!got)
		print_error("%s is missing\n", what);
	assert_non_null(got);
	assert_int_equal(mdl_json_is_null(want), mdl_json_is_null(got));
	if (mdl_json_is_null(want))
		return;
	if (mdl_json_str(want) && mdl_json_str(got) && mdl_json_str(want)[0] != '0') {
		assert_string_equal(mdl_json_str(want), mdl_json_str(got));
		return;
	}
	assert_int_equal(mdl_json_u64(want, 1234567), mdl_json_u64(got, 7654321));
}

static void same_mappings(const struct mdl_json *want, const struct mdl_json *got)
{
	const struct mdl_json *a = want->child, *b = got->child;

	for (; a && b; a = a->next, b = b->next) {
		const struct mdl_json *x = a->child, *y = b->child;
		unsigned column;

		assert_int_equal(b->n, 6);
		for (column = 0; column < 6; column++, x = x->next, y = y->next)
			same_value(x, y, "mapping column");
	}
	assert_int_equal(want->n, got->n);
}

/* A space of the sample and the one that the program gave the same device. */
static void same_space(const struct mdl_json *want, const struct mdl_json *got)
{
	static const char *const fields[] = { "format",	   "root", "levels",	 "granule",
					      "domain_id", "asid", "input_bits", "ad_enabled" };
	const struct mdl_json *users_want = mdl_json_get(want, "devices")->child;
	const struct mdl_json *users_got = mdl_json_get(got, "devices")->child;
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (mdl_json_get(want, fields[i]))
			same_value(mdl_json_get(want, fields[i]), mdl_json_get(got, fields[i]),
				   fields[i]);
	for (; users_want && users_got; users_want = users_want->next, users_got = users_got->next)
		assert_int_equal(mdl_json_u64(users_want, 1), mdl_json_u64(users_got, 2));
	assert_ptr_equal(users_want, users_got); /* both at their end */
	same_mappings(mdl_json_get(want, "mappings"), mdl_json_get(got, "mappings"));
}

static const struct mdl_json *find_device(const struct mdl_json *devices, uint64_t source_id)
{
	const struct mdl_json *device;

	for (device = devices->child; device; device = device->next)
		if (mdl_json_u64(mdl_json_get(device, "source_id"), UINT64_MAX) == source_id)
			return device;
	return NULL;
}

/* Entries that block and belong to no device are in the program's list only. */
static void no_inventions(const struct mdl_json *want, const struct mdl_json *got)
{
	const struct mdl_json *device;

	for (device = got->child; device; device = device->next) {
		const char *text = mdl_json_str(mdl_json_get(device, "translation"));
		uint64_t id = mdl_json_u64(mdl_json_get(device, "source_id"), UINT64_MAX);

		if (strncmp(text, "blocked", 7) != 0 && strcmp(text, "abort") != 0)
			assert_non_null(find_device(want, id));
	}
}

static void check_devices(const struct sample *sample, const struct mdl_json *got)
{
	const struct mdl_json *want_devices = mdl_json_get(sample->want, "devices");
	const struct mdl_json *got_devices = mdl_json_get(got, "devices");
	const struct mdl_json *device;

	for (device = want_devices->child; device; device = device->next) {
		uint64_t id = mdl_json_u64(mdl_json_get(device, "source_id"), UINT64_MAX);
		const struct mdl_json *other = find_device(got_devices, id);
		const struct mdl_json *space = mdl_json_get(device, "space");
		const struct mdl_json *other_space = mdl_json_get(other, "space");

		assert_non_null(other);
		assert_string_equal(mdl_json_str(mdl_json_get(device, "translation")),
				    mdl_json_str(mdl_json_get(other, "translation")));
		assert_int_equal(space != NULL, other_space != NULL);
		if (!space)
			continue;
		same_space(mdl_json_at(mdl_json_get(sample->want, "spaces"),
				       mdl_json_u64(space, SIZE_MAX)),
			   mdl_json_at(mdl_json_get(got, "spaces"),
				       mdl_json_u64(other_space, SIZE_MAX)));
	}
	no_inventions(want_devices, got_devices);
	assert_int_equal(mdl_json_get(sample->want, "spaces")->n, mdl_json_get(got, "spaces")->n);
}

static void check_sample(const char *name)
{
	static const char *const extra[] = { "--json", NULL };
	struct run_result result;
	struct sample sample;
	struct mdl_json *got;

	load_sample(&sample, name);
	run(&result, &sample, "dump", extra, NULL);
	assert_int_equal(result.status, 0);
	assert_int_equal(result.err_len, 0);
	got = parse_output(&result);
	check_devices(&sample, got);
	mdl_json_free(got);
	mdl_json_free(sample.want);
	run_free(&result);
}

/* One translation: row is [source_id, iova, out, perm, ...]. */
static void check_translation(const struct sample *sample, const struct mdl_json *row)
{
	const char *extra[] = { "--json", "--device", mdl_json_str(mdl_json_at(row, 0)), NULL };
	const struct mdl_json *perm = mdl_json_at(row, 3), *answers, *answer;
	struct run_result result;
	struct mdl_json *got;

	run(&result, sample, "translate", extra, mdl_json_str(mdl_json_at(row, 1)));
	assert_int_equal(result.status, 0);
	got = parse_output(&result);
	answers = mdl_json_get(got, "translations");
	assert_int_equal(answers->n, 1);
	answer = mdl_json_at(answers, 0);
	assert_int_equal(mdl_json_u64(mdl_json_at(row, 2), 1),
			 mdl_json_u64(mdl_json_get(answer, "pa"), 2));
	if (!mdl_json_is_null(perm) && mdl_json_get(answer, "perm"))
		assert_string_equal(mdl_json_str(perm), mdl_json_str(mdl_json_get(answer, "perm")));
	mdl_json_free(got);
	run_free(&result);
}

/* IOD_TEST_SCALE (percent) thins them out. */
static void check_traced(const char *name)
{
	const char *scale = getenv("IOD_TEST_SCALE");
	unsigned percent = scale ? (unsigned)atoi(scale) : 100, credit = 100;
	const struct mdl_json *row;
	struct sample sample;

	load_sample(&sample, name);
	row = mdl_json_get(mdl_json_get(sample.want, "traced"), "list")->child;
	assert_non_null(row);
	for (; row; row = row->next) {
		credit += percent < 100 ? percent : 100;
		if (credit < 100)
			continue;
		credit -= 100;
		check_translation(&sample, row);
	}
	mdl_json_free(sample.want);
}

/* What the guests' accesses were refused for: nothing mapped there (exit 3), or no permission. */
static void check_refused(const char *name)
{
	const struct mdl_json *row;
	struct sample sample;

	load_sample(&sample, name);
	row = mdl_json_get(mdl_json_get(sample.want, "refused"), "list")->child;
	for (; row; row = row->next) {
		const char *extra[] = { "--device", mdl_json_str(mdl_json_at(row, 0)), NULL };
		bool unmapped = !strcmp(mdl_json_str(mdl_json_at(row, 4)), "not mapped");
		struct run_result result;

		run(&result, &sample, "translate", extra, mdl_json_str(mdl_json_at(row, 1)));
		assert_int_equal(result.status, unmapped ? 3 : 0);
		assert_non_null(strstr(result.out, unmapped ? ": not mapped" : ", r-, "));
		run_free(&result);
	}
	mdl_json_free(sample.want);
}

/* The forms for people: they must run, and say what they should at least. */
static void check_text(const char *name)
{
	static const char *const tree[] = { "--tree", "--all", NULL };
	static const char *const dirty[] = { "--dirty", NULL };
	static const char *const svg[] = { "--svg", "check_dump.svg", NULL };
	struct run_result result;
	struct sample sample;
	char head[64];
	FILE *f;

	load_sample(&sample, name);
	run(&result, &sample, "dump", tree, NULL);
	assert_int_equal(result.status, 0);
	assert_non_null(strstr(result.out, " table 0x"));
	run_free(&result);
	run(&result, &sample, "dump", dirty, NULL);
	assert_int_equal(result.status, 0);
	run_free(&result);
	run(&result, &sample, "dump", svg, NULL);
	assert_int_equal(result.status, 0);
	run_free(&result);
	f = fopen("check_dump.svg", "r");
	assert_non_null(f);
	assert_non_null(fgets(head, sizeof(head), f));
	fclose(f);
	remove("check_dump.svg");
	assert_int_equal(strncmp(head, "<svg ", 5), 0);
	mdl_json_free(sample.want);
}

#define SAMPLE(id, name)                       \
	static void devices_##id(void **state) \
	{                                      \
		check_sample(name);            \
	}                                      \
	static void traced_##id(void **state)  \
	{                                      \
		check_traced(name);            \
	}                                      \
	static void refused_##id(void **state) \
	{                                      \
		check_refused(name);           \
	}                                      \
	static void text_##id(void **state)    \
	{                                      \
		check_text(name);              \
	}

SAMPLE(amd_v1, "amd-v1-6.12")
SAMPLE(smmu_s1, "smmu-s1-4k-6.1")
SAMPLE(vtd_fs, "vtd-fs-6.12")
SAMPLE(vtd_lazy, "vtd-legacy-lazy-6.1")
SAMPLE(vtd_strict, "vtd-legacy-strict-6.1")

#define TESTS(id)                                                      \
	cmocka_unit_test(devices_##id), cmocka_unit_test(traced_##id), \
		cmocka_unit_test(refused_##id), cmocka_unit_test(text_##id)

/* Options, help and exit codes. */
static void expect(int status, const char *in_out, const char *in_err, const char *const *args)
{
	const char *argv[RUN_ARGS_MAX] = { program };
	struct run_result result;
	size_t n;

	for (n = 0; args[n]; n++)
		argv[n + 1] = args[n];
	run_prog(&result, argv, DEADLINE);
	assert_int_equal(result.status, status);
	if (in_out)
		assert_non_null(strstr(result.out, in_out));
	if (in_err)
		assert_non_null(strstr(result.err, in_err));
	run_free(&result);
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void command_line(void **state)
{
	expect(0, "translate", NULL, ARGS("--help"));
	expect(0, "iodirty ", NULL, ARGS("--version"));
	expect(0, "--vtd-rtaddr", NULL, ARGS("dump", "--help"));
	expect(0, "3 nothing maps", NULL, ARGS("translate", "--help"));
	expect(1, NULL, "no command", ARGS("nonsense"));
	expect(1, NULL, "which core", ARGS("dump", "--vtd-rtaddr", "0"));
	expect(1, NULL, "where the tables are", ARGS("dump", "x.elf"));
	expect(1, NULL, "bad value", ARGS("dump", "--vtd-rtaddr", "0x1g", "x.elf"));
	expect(1, NULL, "bad value", ARGS("dump", "--format", "vtd", "--root", "0", "x.elf"));
	expect(1, NULL, "go together", ARGS("dump", "--smmu-strtab-base", "0", "x.elf"));
	expect(1, NULL, "exclude", ARGS("dump", "--vtd-rtaddr", "0", "--amd-devtab", "0", "x.elf"));
	expect(1, NULL, "IOVA", ARGS("translate", "--vtd-rtaddr", "0", "x.elf", "here"));
	expect(1, NULL, "--json", ARGS("dump", "--json", "--tree", "--vtd-rtaddr", "0", "x.elf"));
	expect(2, NULL, "no-such-file.elf", ARGS("dump", "--vtd-rtaddr", "0", "no-such-file.elf"));
}

/* A root given by hand, with the format's name in either spelling. */
static void one_table(void **state)
{
	char elf[512];

	snprintf(elf, sizeof(elf), "%s/amd-v1-6.12.elf", test_data_dir());
	/* From the sample's JSON: space 4, first mapping. */
	expect(0, "-> pa 0x1056fe123", NULL,
	       ARGS("translate", "--format", "amd-v1", "--root", "0x19ebde000", "--levels", "5",
		    elf, "0x100123"));
	expect(0, "-> pa 0x1056fe123", NULL,
	       ARGS("translate", "--format", "amd_v1", "--root", "0x19ebde000", "--levels", "5",
		    elf, "0x100123"));
	expect(0, "\"rw\", 0, 0]", NULL,
	       ARGS("dump", "--json", "--format", "amd-v1", "--root", "0x19ebde000", "--levels",
		    "5", elf));
	expect(0, "00:05.0", NULL,
	       ARGS("dump", "--amd-devtab", "0x1000003", "--device", "00:05.0", elf));
	expect(2, NULL, "no device",
	       ARGS("dump", "--amd-devtab", "0x1000003", "--device", "07:00.0", elf));
	expect(2, NULL, "not in the core", ARGS("dump", "--vtd-rtaddr", "0x7000", elf));
}

/*
 * SMMUv3, nested: the context descriptor and the stage-1 table lie at guest addresses. Stage 2 maps
 * guest address 1 GiB to 0 in one block; stage 1 maps iova 0 to guest address 0x40200000 in one.
 */
static void nested(void **state)
{
	static const char name[] = "check_dump-nested.elf";
	static unsigned char pages[4][4096]; /* stream table, CD, stage 2, stage 1 */
	const struct core_spec spec = {
		.seg = { { .pa = 0x100000, .data = pages, .len = sizeof(pages) } },
		.nr = 1,
		.machine = 183,
	};
	const uint64_t vmid_geometry =
		UINT64_C(25) << 32 | UINT64_C(1) << 38 | UINT64_C(5) << 48 | UINT64_C(1) << 51 | 9;

	put_le64(pages[0] + 64, 0x40101000 | 7 << 1 | 1);
	put_le64(pages[0] + 80, vmid_geometry);
	put_le64(pages[0] + 88, 0x102000);
	/* T0SZ 39, EPD1, V, IPS 5, AA64, ASID 3 */
	put_le64(pages[1], 39 | UINT64_C(3) << 30 | UINT64_C(5) << 32 | UINT64_C(1) << 41 |
				   UINT64_C(3) << 48);
	put_le64(pages[1] + 8, 0x40103000);
	put_le64(pages[2] + 8, 1 << 10 | 3 << 6 | 0xf << 2 | 1);
	put_le64(pages[3], 0x40200000 | 1 << 10 | 1 << 6 | 1);
	core_write(&spec, name);
	expect(0, "-> pa 0x201234, size 2M, rw, level 2", NULL,
	       ARGS("translate", "--smmu-strtab-base", "0x100000", "--smmu-strtab-cfg", "6", name,
		    "0x1234"));
	expect(3, "not mapped", NULL,
	       ARGS("translate", "--smmu-strtab-base", "0x100000", "--smmu-strtab-cfg", "6", name,
		    "0x201000"));
	expect(0, "[\"0x0\", \"0x200000\", \"0x40200000\", \"rw\", 1, null]", NULL,
	       ARGS("dump", "--json", "--smmu-strtab-base", "0x100000", "--smmu-strtab-cfg", "6",
		    name));
	expect(0, "[\"0x40000000\", \"0x40000000\", \"0x0\", \"rw\", 1, null]", NULL,
	       ARGS("dump", "--json", "--smmu-strtab-base", "0x100000", "--smmu-strtab-cfg", "6",
		    name));
	remove(name);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_line),
		cmocka_unit_test(one_table),
		cmocka_unit_test(nested),
		TESTS(amd_v1),
		TESTS(smmu_s1),
		TESTS(vtd_fs),
		TESTS(vtd_lazy),
		TESTS(vtd_strict),
	};

	program = argc > 1 ? argv[1] : getenv("IODIRTY_PROGRAM");
	if (!program) {
		fprintf(stderr, "usage: check_dump PROGRAM\n");
		return 77;
	}
	return cmocka_run_group_tests_name("dump", tests, NULL, NULL);
}
