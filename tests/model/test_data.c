/* SPDX-License-Identifier: MIT */
/*
 * The oracle against tables that Linux built (tests/data/README.md): every pair
 * NAME.elf / NAME.json of the directory, every mapping, every traced translation.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elfmem.h"
#include "fakemem.h"
#include "json.h"

#ifndef TEST_DATA_DIR
#define TEST_DATA_DIR "tests/data"
#endif

#define MAX_FILES 64

static char *names[MAX_FILES];
static struct CMUnitTest data_tests[MAX_FILES];

static const char *dir(void)
{
	const char *d = getenv("TEST_DATA_DIR");

	return d ? d : TEST_DATA_DIR;
}

static unsigned lg2_of(uint64_t v)
{
	unsigned n = 0;

	while (v >> 1 >> n)
		n++;
	return n;
}

static void table_of(const struct mdl_json *space, struct mdl_table *t)
{
	static const struct {
		const char *name;
		enum mdl_format format;
	} formats[] = {
		{ "arm-lpae-s1", MDL_ARM_S1 },	    { "arm-lpae-s2", MDL_ARM_S2 },
		{ "vtd-second-stage", MDL_VTD_SS }, { "vtd-first-stage", MDL_VTD_FS },
		{ "amd-v1", MDL_AMD_V1 },	    { "amd-v2", MDL_AMD_V2 },
	};
	const char *format = mdl_json_str(mdl_json_get(space, "format"));
	unsigned i;

	assert_non_null(format);
	for (i = 0; i < 6 && strcmp(format, formats[i].name); i++)
		;
	if (i == 6)
		fail_msg("unknown format %s", format);
	*t = (struct mdl_table){
		.format = formats[i].format,
		.root = mdl_json_u64(mdl_json_get(space, "root"), 0),
		.granule_lg2 = lg2_of(mdl_json_u64(mdl_json_get(space, "granule"), 4096)),
		.ias = (unsigned)mdl_json_u64(mdl_json_get(space, "input_bits"), 0),
		.start_level = (int)mdl_json_u64(mdl_json_get(space, "start_level"), 0),
		.levels = (unsigned)mdl_json_u64(mdl_json_get(space, "levels"), 0),
		.oas = formats[i].format <= MDL_ARM_S2 ? 48 : 52,
	};
}

struct compare {
	const struct mdl_json *next;
	unsigned long n;
};

static void check_num(const struct mdl_json *row, size_t col, uint64_t got, uint64_t iova)
{
	uint64_t want = mdl_json_u64(mdl_json_at(row, col), ~got);

	if (want != got)
		fail_msg("iova %#llx column %zu: walk %#llx, file %#llx", (unsigned long long)iova,
			 col, (unsigned long long)got, (unsigned long long)want);
}

/* Columns: iova, size, pa, perm, a, d, level, pte_pa, pte */
static int compare_leaf(void *cookie, const struct mdl_leaf *l)
{
	char perm[] = { l->r ? 'r' : '-', l->w ? 'w' : '-', 0 };
	struct compare *c = cookie;
	const struct mdl_json *row = c->next;

	if (!row)
		fail_msg("iova %#llx is not in the file", (unsigned long long)l->iova);
	check_num(row, 0, l->iova, l->iova);
	check_num(row, 1, l->size, l->iova);
	check_num(row, 2, l->pa, l->iova);
	assert_string_equal(mdl_json_str(mdl_json_at(row, 3)), perm);
	check_num(row, 4, l->a, l->iova);
	if (l->d < 0)
		assert_true(mdl_json_is_null(mdl_json_at(row, 5)));
	else
		check_num(row, 5, (uint64_t)l->d, l->iova);
	check_num(row, 6, (uint64_t)l->level, l->iova);
	check_num(row, 7, l->pte_pa, l->iova);
	check_num(row, 8, l->pte, l->iova);
	c->next = row->next;
	c->n++;
	return 0;
}

/* Every mapping again through mdl_walk(), first and last byte and just outside. */
static void walk_mappings(const struct mdl_table *t, const struct mdl_mem *mem,
			  const struct mdl_json *row)
{
	uint64_t iova, size, pa, end = 0;
	struct mdl_leaf leaf;

	for (; row; row = row->next) {
		iova = mdl_json_u64(mdl_json_at(row, 0), 0);
		size = mdl_json_u64(mdl_json_at(row, 1), 0);
		pa = mdl_json_u64(mdl_json_at(row, 2), 0);
		assert_int_equal(mdl_walk(t, mem, iova, &leaf), MDL_OK);
		assert_true(leaf.iova == iova && leaf.size == size && leaf.pa == pa);
		assert_int_equal(mdl_walk(t, mem, iova + size - 1, &leaf), MDL_OK);
		assert_true(leaf.iova == iova && leaf.size == size && leaf.pa == pa);
		if (iova > end)
			assert_int_equal(mdl_walk(t, mem, iova - 1, NULL), MDL_NOT_PRESENT);
		end = iova + size;
	}
}

static unsigned long judge_space(const struct mdl_json *space, const struct mdl_mem *mem)
{
	const struct mdl_json *rows = mdl_json_get(space, "mappings");
	struct compare c = { .n = 0 };
	struct mdl_table t;
	uint64_t tables;
	int rc;

	assert_non_null(rows);
	c.next = rows->child;
	table_of(space, &t);
	rc = mdl_enumerate(&t, mem, compare_leaf, &c, &tables);
	assert_int_equal(rc, 0);
	assert_int_equal(c.n, rows->n);
	assert_int_equal(tables, 1 + mdl_json_u64(mdl_json_get(space, "table_entries_nonleaf"), 0));
	walk_mappings(&t, mem, rows->child);
	return c.n;
}

/* The space that @list ("devices" of a space) gives to @source */
static const struct mdl_json *space_of(const struct mdl_json *doc, uint64_t source)
{
	const struct mdl_json *s = mdl_json_at(mdl_json_get(doc, "spaces"), 0), *d;

	for (; s; s = s->next)
		for (d = mdl_json_at(mdl_json_get(s, "devices"), 0); d; d = d->next)
			if (mdl_json_u64(d, UINT64_MAX) == source)
				return s;
	return NULL;
}

/* traced.list: source_id, iova, out, perm or null, ... */
static unsigned long judge_traced(const struct mdl_json *doc, const struct mdl_mem *mem)
{
	const struct mdl_json *list = mdl_json_get(mdl_json_get(doc, "traced"), "list"), *row;
	const struct mdl_json *space;
	struct mdl_leaf leaf;
	struct mdl_table t;
	const char *perm;
	uint64_t iova;

	for (row = mdl_json_at(list, 0); row; row = row->next) {
		space = space_of(doc, mdl_json_u64(mdl_json_at(row, 0), 0));
		assert_non_null(space);
		table_of(space, &t);
		iova = mdl_json_u64(mdl_json_at(row, 1), 0);
		assert_int_equal(mdl_walk(&t, mem, iova, &leaf), MDL_OK);
		check_num(row, 2, leaf.pa + (iova - leaf.iova), iova);
		perm = mdl_json_str(mdl_json_at(row, 3));
		assert_true(!perm || (leaf.r == (perm[0] == 'r') && leaf.w == (perm[1] == 'w')));
	}
	return list ? list->n : 0;
}

/*
 * refused.list: source_id, iova, write or null, reason, walker. Here an access
 * of the kind has to be refused, and nothing else is known of it.
 */
static void judge_refused(const struct mdl_json *doc, const struct mdl_mem *mem)
{
	const struct mdl_json *row =
		mdl_json_at(mdl_json_get(mdl_json_get(doc, "refused"), "list"), 0);
	const struct mdl_json *space, *write;
	struct mdl_table t;

	for (; row; row = row->next) {
		space = space_of(doc, mdl_json_u64(mdl_json_at(row, 0), 0));
		assert_non_null(space);
		table_of(space, &t);
		write = mdl_json_at(row, 2);
		assert_int_not_equal(mdl_access(&t, mem, mdl_json_u64(mdl_json_at(row, 1), 0),
						mdl_json_u64(write, 1), NULL),
				     MDL_OK);
	}
}

static void judge_file(void **state)
{
	unsigned long mappings = 0, spaces = 0, traced;
	const struct mdl_json *s;
	struct mdl_elfmem elf;
	struct mdl_json *doc;
	struct mdl_mem mem;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.json", dir(), (const char *)*state);
	doc = mdl_json_load(path);
	assert_non_null(doc);
	snprintf(path, sizeof(path), "%s/%s.elf", dir(), (const char *)*state);
	assert_int_equal(mdl_elfmem_open(&elf, path), 0);
	mem = mdl_elfmem_mem(&elf);
	for (s = mdl_json_at(mdl_json_get(doc, "spaces"), 0); s; s = s->next, spaces++)
		mappings += judge_space(s, &mem);
	assert_true(spaces > 0);
	traced = judge_traced(doc, &mem);
	judge_refused(doc, &mem);
	print_message("%s: %lu spaces, %lu mappings, %lu traced: all as the file says\n",
		      (const char *)*state, spaces, mappings, traced);
	mdl_elfmem_close(&elf);
	mdl_json_free(doc);
}

static int cmp_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int find_files(void)
{
	DIR *d = opendir(dir());
	struct dirent *e;
	size_t len;
	int n = 0;

	if (!d)
		return 0;
	while (n < MAX_FILES && (e = readdir(d)) != NULL) {
		len = strlen(e->d_name);
		if (len > 4 && !strcmp(e->d_name + len - 4, ".elf"))
			names[n++] = strndup(e->d_name, len - 4);
	}
	closedir(d);
	qsort(names, (size_t)n, sizeof(*names), cmp_name);
	return n;
}

/* No data is a failure: a wrong directory must not pass. */
int mdl_test_data(void)
{
	int i, rc, n = find_files();

	if (!n) {
		fprintf(stderr, "no data in %s (set TEST_DATA_DIR)\n", dir());
		return 1;
	}
	for (i = 0; i < n; i++)
		data_tests[i] = (struct CMUnitTest){ names[i], judge_file, NULL, NULL, names[i] };
	rc = _cmocka_run_group_tests("model: data", data_tests, (size_t)n, NULL, NULL);
	while (n)
		free(names[--n]);
	return rc;
}
