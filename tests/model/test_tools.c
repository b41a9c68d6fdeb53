/* SPDX-License-Identifier: MIT */
/* The flat model, the JSON reader and the core reader by themselves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elfmem.h"
#include "fakemem.h"
#include "flat.h"
#include "json.h"

static void flat_basic(void **state)
{
	struct mdl_flat f;
	uint64_t pa;

	(void)state;
	assert_int_equal(mdl_flat_init(&f, 12), 0);
	assert_int_equal(mdl_flat_map(&f, 0x10000, 0x500000, 0x4000, 3), 0);
	assert_int_equal(mdl_flat_map(&f, 0x13000, 0, 0x1000, 3), -1);
	assert_int_equal(mdl_flat_map(&f, 0xf000, 0, 0x2000, 3), -1);
	assert_null(mdl_flat_lookup(&f, 0xf000));
	assert_int_equal(mdl_flat_map(&f, 0x800, 0, 0x1000, 3), -1);
	assert_int_equal(mdl_flat_map(&f, UINT64_C(0xfffffffffffff000), 0, 0x2000, 3), -1);
	assert_int_equal(mdl_flat_map(&f, UINT64_C(0xfffffffffffff000), 0x7000, 0x1000, 1), 0);
	assert_int_equal(mdl_flat_bytes(&f), 0x5000);
	assert_true(mdl_flat_translate(&f, 0x12345, &pa));
	assert_int_equal(pa, 0x502345);
	assert_true(mdl_flat_translate(&f, UINT64_MAX, &pa));
	assert_int_equal(pa, 0x7fff);
	assert_int_equal(mdl_flat_set_dirty(&f, 0x12345), 0);
	assert_int_equal(mdl_flat_set_dirty(&f, UINT64_MAX), 0);
	assert_int_equal(mdl_flat_set_dirty(&f, 0x14000), -1);
	assert_int_equal(mdl_flat_test_dirty(&f, 0x10000, 0x2000), 0);
	assert_int_equal(mdl_flat_test_dirty(&f, 0x10000, 0x3000), 1);
	assert_int_equal(mdl_flat_test_dirty(&f, 0x10000, UINT64_C(0xffffffffffff0000)), 2);
	assert_int_equal(mdl_flat_clear_dirty(&f, 0x10000, 0x4000), 1);
	assert_int_equal(mdl_flat_test_dirty(&f, 0, UINT64_C(0xfffffffffffff000)), 0);
	assert_int_equal(mdl_flat_unmap(&f, 0x12000, 0x10000), 0x2000);
	assert_null(mdl_flat_lookup(&f, 0x12000));
	assert_non_null(mdl_flat_lookup(&f, 0x11fff));
	assert_int_equal(mdl_flat_unmap(&f, 0x1000, UINT64_C(0xfffffffffffff000)), 0x3000);
	assert_int_equal(mdl_flat_bytes(&f), 0);
	mdl_flat_fini(&f);
}

static int in_order(void *cookie, const struct mdl_flat_page *p)
{
	uint64_t *next = cookie;

	assert_true(p->iova >= *next);
	*next = p->iova + 1;
	return 0;
}

/* Against a plain array, with enough holes to exercise deletion */
static void flat_random(void **state)
{
	enum { N = 4096 };
	static uint64_t ref[N]; /* pa + 1 */
	uint64_t i, page, len, next = 0, seed = 12345, n = 0, gone, want;
	struct mdl_flat f;
	bool clash;
	int round;

	(void)state;
	assert_int_equal(mdl_flat_init(&f, 12), 0);
	for (round = 0; round < 20000; round++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		page = (seed >> 20) % N;
		len = 1 + (seed >> 40) % 16;
		if (page + len > N)
			continue;
		clash = false;
		for (i = page, want = 0; i < page + len; i++)
			want += ref[i] != 0;
		clash = want;
		if (seed >> 63) {
			gone = mdl_flat_unmap(&f, page << 12, len << 12);
			assert_int_equal(gone, want << 12);
			memset(ref + page, 0, len * sizeof(*ref));
		} else {
			assert_int_equal(
				mdl_flat_map(&f, page << 12, (uint64_t)round << 12, len << 12, 0),
				clash ? -1 : 0);
			for (i = 0; !clash && i < len; i++)
				ref[page + i] = ((uint64_t)round + i) * 4096 + 1;
		}
	}
	for (i = 0; i < N; i++) {
		struct mdl_flat_page *p = mdl_flat_lookup(&f, i << 12);

		assert_int_equal(p ? p->pa + 1 : 0, ref[i]);
		n += p != NULL;
	}
	assert_int_equal(mdl_flat_bytes(&f), n << 12);
	assert_int_equal(mdl_flat_each(&f, in_order, &next), 0);
	mdl_flat_fini(&f);
}

static void flat_big(void **state)
{
	struct mdl_flat f;
	size_t n;

	(void)state;
	assert_int_equal(mdl_flat_init(&f, 12), 0);
	assert_int_equal(mdl_flat_map(&f, UINT64_C(0xffff800000000000), 0, 0x100000000, 3), 0);
	assert_non_null(mdl_flat_sorted(&f, &n));
	assert_int_equal(n, 0x100000);
	assert_int_equal(mdl_flat_unmap(&f, UINT64_C(0xffff800000000000), 0x80000000), 0x80000000);
	assert_int_equal(mdl_flat_bytes(&f), 0x80000000);
	mdl_flat_fini(&f);
}

static struct mdl_json *parse(const char *text)
{
	size_t error = 0;

	return mdl_json_parse(text, strlen(text), &error);
}

static void json_good(void **state)
{
	struct mdl_json *j = parse(" {\"a\": [1, \"0x1f\", null, true, -2.5e1, {}, [],],\n"
				   "\"b\":{\"c\":18446744073709551615}, \"\": \"\","
				   "\"s\":\"q\\\"\\\\\\n\\u00e9\\u20ac\\ud83d\\ude00\"}");
	const struct mdl_json *a = mdl_json_get(j, "a");

	(void)state;
	assert_non_null(j);
	assert_int_equal(j->n, 4);
	assert_int_equal(a->n, 7);
	assert_int_equal(mdl_json_u64(mdl_json_at(a, 0), 9), 1);
	assert_int_equal(mdl_json_u64(mdl_json_at(a, 1), 9), 0x1f);
	assert_true(mdl_json_is_null(mdl_json_at(a, 2)));
	assert_int_equal(mdl_json_u64(mdl_json_at(a, 2), 9), 9);
	assert_int_equal(mdl_json_u64(mdl_json_at(a, 3), 9), 1);
	assert_true(mdl_json_double(mdl_json_at(a, 4), 0) == -25.0);
	assert_int_equal(mdl_json_at(a, 5)->type, MDL_JSON_OBJECT);
	assert_int_equal(mdl_json_at(a, 6)->type, MDL_JSON_ARRAY);
	assert_null(mdl_json_at(a, 7));
	assert_int_equal(mdl_json_u64(mdl_json_get(mdl_json_get(j, "b"), "c"), 9), UINT64_MAX);
	assert_string_equal(mdl_json_str(mdl_json_get(j, "s")),
			    "q\"\\\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_null(mdl_json_get(j, "nope"));
	assert_null(mdl_json_get(NULL, "nope"));
	mdl_json_free(j);
}

static void json_bad(void **state)
{
	static const char *const bad[] = {
		"",	 " ",	    "{",	 "[",	  "[1",
		"[1 2]", "{\"a\"}", "{\"a\":}",	 "{a:1}", "\"abc",
		"\"\\",	 "\"\\x\"", "\"\\u12\"", "nul",	  "\"\\ud800\\u\"",
	};
	char deep[200];
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(parse(bad[i]));
	memset(deep, '[', sizeof(deep));
	assert_null(mdl_json_parse(deep, sizeof(deep), NULL));
	assert_null(mdl_json_load("/nonexistent"));
}

static void write_file(const char *name, const void *data, size_t len)
{
	FILE *fp = fopen(name, "wb");

	assert_non_null(fp);
	assert_int_equal(fwrite(data, 1, len, fp), len);
	assert_int_equal(fclose(fp), 0);
}

/* A core made by hand: header 64, two program headers of 56, data at 0x100 and 0x110 */
static void elf_core(void **state)
{
	unsigned char img[0x120] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
	char name[] = "/tmp/mdl-elf-XXXXXX";
	int i, fd = mkstemp(name);
	struct mdl_elfmem e;
	struct mdl_mem mem;
	uint64_t v;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	img[16] = 4;  /* ET_CORE */
	img[32] = 64; /* e_phoff */
	img[54] = 56; /* e_phentsize */
	img[56] = 2;  /* e_phnum */
	for (i = 0; i < 2; i++) {
		unsigned char *ph = img + 64 + 56 * i;

		ph[0] = 1; /* PT_LOAD */
		ph[9] = 1;
		ph[8] = (unsigned char)(16 * i); /* p_offset 0x100, 0x110 */
		ph[25] = i ? 0x10 : 0x20;	 /* p_paddr 0x2000, 0x1000 */
		ph[32] = 16;			 /* p_filesz */
	}
	for (i = 0; i < 32; i++)
		img[0x100 + i] = (unsigned char)i;
	write_file(name, img, sizeof(img));
	assert_int_equal(mdl_elfmem_open(&e, name), 0);
	mem = mdl_elfmem_mem(&e);
	assert_int_equal(mem.read64(mem.cookie, 0x2008, &v), 0);
	assert_int_equal(v, UINT64_C(0x0f0e0d0c0b0a0908));
	assert_int_equal(mem.read64(mem.cookie, 0x1000, &v), 0);
	assert_int_equal(v, UINT64_C(0x1716151413121110));
	assert_int_equal(mem.read64(mem.cookie, 0x1010, &v), -1);
	assert_int_equal(mem.read64(mem.cookie, 0xff8, &v), -1);
	assert_int_equal(mem.read64(mem.cookie, 0x100c, &v), -1);
	assert_int_equal(mem.cmpxchg64(mem.cookie, 0x1000, 1, 2, &v), 0);
	assert_int_equal(v, UINT64_C(0x1716151413121110));
	assert_int_equal(mem.cmpxchg64(mem.cookie, 0x1000, v, 2, &v), 0);
	assert_int_equal(mem.read64(mem.cookie, 0x1000, &v), 0);
	assert_int_equal(v, 2);
	mdl_elfmem_close(&e);
	write_file(name, img, sizeof(img) - 1); /* second segment cut */
	assert_int_equal(mdl_elfmem_open(&e, name), -1);
	img[4] = 1; /* ELFCLASS32 */
	write_file(name, img, sizeof(img));
	assert_int_equal(mdl_elfmem_open(&e, name), -1);
	unlink(name);
	assert_int_equal(mdl_elfmem_open(&e, name), -1);
}

int mdl_test_tools(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(flat_basic), cmocka_unit_test(flat_random),
		cmocka_unit_test(flat_big),   cmocka_unit_test(json_good),
		cmocka_unit_test(json_bad),   cmocka_unit_test(elf_core),
	};

	return cmocka_run_group_tests_name("model: flat, json, elf", tests, NULL, NULL);
}
