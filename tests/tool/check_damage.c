/* SPDX-License-Identifier: MIT */
/*
 * Runs `iodirty dump` on damaged, truncated and hostile cores: it must say what is wrong and where,
 * end in bounded time with the promised exit code, and never crash.
 *
 * Usage: check_damage PROGRAM
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elfmem.h"
#include "mkcore.h"
#include "runprog.h"

#define DEADLINE 30
#define FLIPS	 60
#define ADDR	 UINT64_C(0x000ffffffffff000)

static const char *program;
static char core[64]; /* the file that a test makes */

/* Registers and one root per sample, from the samples' JSON files. */
static const struct sample {
	const char *name;
	const char *root[4];
	uint64_t table;	  /* root of a page table with many mappings */
	uint64_t output;  /* address bits of its entries */
	const char *last; /* heading of the last space */
} samples[] = {
	{ "amd-v1-6.12", { "--amd-devtab", "0x1000003" }, 0x19ebde000, ADDR, "Space 6" },
	{ "smmu-s1-4k-6.1",
	  { "--smmu-strtab-base", "0x40000000481da000", "--smmu-strtab-cfg", "0x10210" },
	  0x4724c000,
	  UINT64_C(0x0000fffffffff000),
	  "Space 4" },
	{ "vtd-fs-6.12", { "--vtd-rtaddr", "0x225c400" }, 0x6459000, ADDR, "Space 6" },
	{ "vtd-legacy-strict-6.1",
	  { "--vtd-rtaddr", "0x1449d4000" },
	  0x1655fb000,
	  ADDR,
	  "Space 6" },
};

#define NR_SAMPLES (sizeof(samples) / sizeof(samples[0]))

static const char *sample_file(const struct sample *sample)
{
	static char name[512];

	snprintf(name, sizeof(name), "%s/%s.elf", test_data_dir(), sample->name);
	return name;
}

static void dump(struct run_result *result, const char *const *root, const char *extra)
{
	const char *argv[RUN_ARGS_MAX] = { program, "dump" };
	size_t n = 2, i;

	for (i = 0; i < 6 && root[i]; i++)
		argv[n++] = root[i];
	if (extra)
		argv[n++] = extra;
	argv[n] = core;
	run_prog(result, argv, DEADLINE);
}

static void dump_sample(struct run_result *result, const struct sample *sample, const char *extra)
{
	const char *root[6] = { sample->root[0], sample->root[1], sample->root[2],
				sample->root[3] };

	dump(result, root, extra);
}

/* Dumps `core` and looks at the exit code and at what stderr says (NULL: nothing). */
static void expect(const char *const *root, int status, const char *says)
{
	struct run_result result;

	dump(&result, root, NULL);
	if (result.status != status || (says && !strstr(result.err, says)))
		print_error("exit %d: %.500s\n", result.status, result.err);
	assert_int_equal(result.status, status);
	if (says)
		assert_non_null(strstr(result.err, says));
	else
		assert_int_equal(result.err_len, 0);
	run_free(&result);
}

static void truncated(void **state)
{
	size_t s, len, cut;

	for (s = 0; s < NR_SAMPLES; s++) {
		unsigned char *data = file_read(sample_file(&samples[s]), &len);

		for (cut = 1; cut < len; cut += cut < 4096 ? 173 : 9973) {
			struct run_result result;

			file_write(core, data, cut);
			dump_sample(&result, &samples[s], "--json");
			assert_int_equal(result.status, 2);
			assert_int_equal(result.out_len, 0);
			assert_non_null(strstr(result.err, core));
			if (cut >= 4096)
				assert_non_null(strstr(result.err, "truncated: segment "));
			run_free(&result);
		}
		free(data);
	}
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Random bits turned over, half of the time in the headers. */
static void bit_flips(void **state)
{
	uint64_t x = UINT64_C(0x9e3779b97f4a7c15);
	size_t s, len;
	unsigned i;

	for (s = 0; s < NR_SAMPLES; s++) {
		unsigned char *data = file_read(sample_file(&samples[s]), &len);

		for (i = 0; i < FLIPS; i++) {
			unsigned char *copy = malloc(len);
			uint64_t flips = 1 + next_random(&x) % 16;
			struct run_result result;

			assert_non_null(copy);
			memcpy(copy, data, len);
			while (flips--) {
				uint64_t span = i & 1 ? len : 64 + 56 * 31;
				uint64_t bit = next_random(&x) % (span * 8);

				copy[bit / 8] ^= (unsigned char)(1u << (bit & 7));
			}
			file_write(core, copy, len);
			dump_sample(&result, &samples[s], i % 3 ? "--json" : "--tree");
			assert_true(result.status == 0 || result.status == 2);
			run_free(&result);
			free(copy);
		}
		free(data);
	}
}

/* Calls @change on the first entry of a sample's table and writes the result to `core`. */
static void change_entry(const struct sample *sample,
			 uint64_t (*change)(const struct mdl_elfmem *mem,
					    const struct sample *sample, uint64_t entry))
{
	struct mdl_elfmem mem;
	unsigned char *table;
	unsigned i = 0;

	assert_int_equal(mdl_elfmem_open(&mem, sample_file(sample)), 0);
	table = mdl_elfmem_at(&mem, sample->table, 4096);
	assert_non_null(table);
	while (i < 511 && !get_le64(table + i * 8))
		i++;
	put_le64(table + i * 8, change(&mem, sample, get_le64(table + i * 8)));
	file_write(core, mem.map, mem.len);
	mdl_elfmem_close(&mem);
}

static uint64_t to_itself(const struct mdl_elfmem *mem, const struct sample *sample, uint64_t entry)
{
	return (entry & ~sample->output) | sample->table;
}

static uint64_t to_nowhere(const struct mdl_elfmem *mem, const struct sample *sample,
			   uint64_t entry)
{
	return (entry & ~sample->output) | UINT64_C(0x00000ead00000000);
}

/* To a page between the pieces that the core holds. */
static uint64_t to_a_gap(const struct mdl_elfmem *mem, const struct sample *sample, uint64_t entry)
{
	uint64_t pa = mem->seg[0].pa + mem->seg[0].size;

	while (mdl_elfmem_at(mem, pa, 8))
		pa += 4096;
	return (entry & ~sample->output) | pa;
}

static void check_changed(uint64_t (*change)(const struct mdl_elfmem *mem,
					     const struct sample *sample, uint64_t entry),
			  int status, const char *says)
{
	size_t s;

	for (s = 0; s < NR_SAMPLES; s++) {
		struct run_result result;
		char where[32];

		change_entry(&samples[s], change);
		snprintf(where, sizeof(where), "root 0x%llx", (unsigned long long)samples[s].table);
		dump_sample(&result, &samples[s], NULL);
		if (result.status != status)
			print_error("%s: %s\n", samples[s].name, result.err);
		assert_int_equal(result.status, status);
		assert_non_null(strstr(result.err, where)); /* says in which table */
		if (says)
			assert_non_null(strstr(result.err, says));
		assert_non_null(strstr(result.out, samples[s].last)); /* and goes on */
		run_free(&result);
	}
}

static void cyclic_table(void **state)
{
	check_changed(to_itself, 2, "cycle");
}

static void wild_pointer(void **state)
{
	check_changed(to_nowhere, 2, NULL);
}

static void missing_page(void **state)
{
	check_changed(to_a_gap, 0, "the core does not hold");
}

/* Four VT-d tables; every entry of one names the next: 2^36 leaves in 16 KiB. */
static void fan_out(void **state)
{
	static const char *const root[6] = { "--format", "vtd-second-stage", "--root", "0x10000" };
	static unsigned char tables[4][4096];
	struct core_spec spec = {
		.seg = { { .pa = 0x10000, .data = tables, .len = sizeof(tables) } }, .nr = 1
	};
	unsigned t, i;

	for (t = 0; t < 4; t++)
		for (i = 0; i < 512; i++)
			put_le64(&tables[t][i * 8], (0x11000 + t * 0x1000) | 3);
	core_write(&spec, core);
	expect(root, 2, "stopped at iova");
}

/* 512 devices, all with the same cyclic table, walked from all six levels. */
static void many_spaces(void **state)
{
	static const char *const root[6] = { "--amd-devtab", "0x100003" };
	static unsigned char memory[5 * 4096];
	struct core_spec spec = {
		.seg = { { .pa = 0x100000, .data = memory, .len = sizeof(memory) } }, .nr = 1
	};
	struct run_result result;
	unsigned i;

	for (i = 0; i < 512; i++) {
		put_le64(memory + i * 32, UINT64_C(3) << 61 | 0x104000 | (1 + i % 6) << 9 | 3);
		put_le64(memory + 0x4000 + i * 8, UINT64_C(3) << 61 | 0x104000 | (i % 7) << 9 | 1);
	}
	core_write(&spec, core);
	dump(&result, root, "--json");
	assert_int_equal(result.status, 2);
	run_free(&result);
}

/* One VT-d second-stage table of 3 levels that maps iova 0 to 0x55000, for the ELF tests below. */
static unsigned char good[3][4096];

static void make_good(void)
{
	put_le64(good[0], 0x21003);
	put_le64(good[1], 0x22003);
	put_le64(good[2], 0x55003);
}

static const char *const good_root[6] = { "--format", "vtd-second-stage", "--root",
					  "0x20000",  "--levels",	  "3" };

static struct core_spec good_spec(void)
{
	return (struct core_spec){
		.seg = { { .pa = 0x20000, .data = good[0], .len = 4096 },
			 { .pa = 0x21000, .data = good[1], .len = 4096 },
			 { .pa = 0x22000, .data = good[2], .len = 4096 } },
		.nr = 3,
	};
}

static void expect_good(void)
{
	struct run_result result;

	dump(&result, good_root, "--json");
	if (result.status)
		print_error("%s\n", result.err);
	assert_int_equal(result.status, 0);
	assert_int_equal(result.err_len, 0);
	assert_non_null(strstr(result.out, "[\"0x0\", \"0x1000\", \"0x55000\", \"rw\", 0, 0]"));
	run_free(&result);
}

static void odd_but_good_cores(void **state)
{
	struct core_spec spec = good_spec();

	core_write(&spec, core);
	expect_good();
	spec.xnum = 1;
	core_write(&spec, core);
	expect_good();
	/* The bytes of a segment are not aligned in the file. */
	spec = good_spec();
	spec.seg[1].shift = 3;
	core_write(&spec, core);
	expect_good();
	/* A mapping of the kernel without a physical address. */
	spec = good_spec();
	spec.seg[3] = (struct core_seg_spec){ .pa = UINT64_MAX, .data = good[0], .len = 4096 };
	spec.nr = 4;
	core_write(&spec, core);
	expect_good();
	/* Two segments that overlap and agree. */
	spec.seg[3] = (struct core_seg_spec){ .pa = 0x21000, .data = good[1], .len = 8192 };
	core_write(&spec, core);
	expect_good();
	/* More memory than the file has bytes for. */
	spec.seg[3] = (struct core_seg_spec){
		.pa = 0x30000, .memsz = 0x100000, .data = good[0], .len = 4096
	};
	core_write(&spec, core);
	expect_good();
}

static void bad_cores(void **state)
{
	struct core_spec spec = good_spec();
	size_t len;
	unsigned char *data;

	spec.seg[3] = (struct core_seg_spec){ .pa = 0x21000, .data = good[2], .len = 4096 };
	spec.nr = 4;
	core_write(&spec, core);
	expect(good_root, 2, "overlaps");
	spec = good_spec();
	spec.seg[2].pa = UINT64_MAX - 4094;
	core_write(&spec, core);
	expect(good_root, 2, "wraps around");
	spec = good_spec();
	spec.seg[1].memsz = 8;
	core_write(&spec, core);
	expect(good_root, 2, "exceeds p_memsz");
	spec = good_spec();
	spec.machine = 40; /* 32-bit Arm */
	core_write(&spec, core);
	expect(good_root, 2, "e_machine");
	spec = good_spec();
	spec.nr = 0;
	core_write(&spec, core);
	expect(good_root, 2, "no memory");

	spec = good_spec();
	core_write(&spec, core);
	data = file_read(core, &len);
	data[4] = 1;
	file_write(core, data, len);
	expect(good_root, 2, "64-bit");
	data[4] = 2;
	data[5] = 2;
	file_write(core, data, len);
	expect(good_root, 2, "little-endian");
	data[5] = 1;
	data[16] = 2;
	file_write(core, data, len);
	expect(good_root, 2, "core");
	free(data);
}

/* A core in three files, one segment each. */
static void several_files(void **state)
{
	struct core_spec all = good_spec();
	const char *argv[RUN_ARGS_MAX] = { program, "translate" };
	char names[3][sizeof(core) + 8];
	struct run_result result;
	size_t n = 2, i;

	for (i = 0; i < 6; i++)
		argv[n++] = good_root[i];
	for (i = 0; i < 3; i++) {
		struct core_spec one = { .seg = { all.seg[i] }, .nr = 1 };

		snprintf(names[i], sizeof(names[i]), "%s.%zu", core, i);
		core_write(&one, names[i]);
		argv[n++] = names[i];
	}
	argv[n] = "0x7f";
	run_prog(&result, argv, DEADLINE);
	assert_int_equal(result.status, 0);
	assert_non_null(strstr(result.out, "-> pa 0x5507f"));
	run_free(&result);
	argv[n] = "0x1000";
	run_prog(&result, argv, DEADLINE);
	assert_int_equal(result.status, 3);
	run_free(&result);
	for (i = 0; i < 3; i++)
		remove(names[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truncated),	cmocka_unit_test(bit_flips),
		cmocka_unit_test(cyclic_table), cmocka_unit_test(wild_pointer),
		cmocka_unit_test(missing_page), cmocka_unit_test(fan_out),
		cmocka_unit_test(many_spaces),	cmocka_unit_test(odd_but_good_cores),
		cmocka_unit_test(bad_cores),	cmocka_unit_test(several_files),
	};
	int ret;

	program = argc > 1 ? argv[1] : getenv("IODIRTY_PROGRAM");
	if (!program) {
		fprintf(stderr, "usage: check_damage PROGRAM\n");
		return 77;
	}
	snprintf(core, sizeof(core), "check_damage-%ld.elf", (long)getpid());
	make_good();
	ret = cmocka_run_group_tests_name("damage", tests, NULL, NULL);
	remove(core);
	return ret;
}
