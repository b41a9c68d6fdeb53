/* SPDX-License-Identifier: MIT */
/*
 * What hardware marks while pages are split and merged, at the worst time. iod_gather_harvest() is wrapped:
 * without it, a mark in a detached table is lost. What asks for memory is wrapped, to write between the look
 * at an entry and its replacement.
 */
#include "resizehw.h"

#include "pgtable/mem.h"

struct iod_gather;

void __real_iod_gather_harvest(struct iod_gather *g);
void __wrap_iod_gather_harvest(struct iod_gather *g);
int __real_iod_gather_reserve(struct iod_gather *g, uint64_t n);
int __wrap_iod_gather_reserve(struct iod_gather *g, uint64_t n);
int __real_iod_mem_table_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind,
			       uint64_t max_pa, bool zero, uint64_t *pa);
int __wrap_iod_mem_table_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind,
			       uint64_t max_pa, bool zero, uint64_t *pa);

static bool no_harvest;

/* Hardware writes there when memory is asked for next. */
static struct {
	struct iodt *t;
	uint64_t at;
} meanwhile;

static void write_meanwhile(void)
{
	struct iodt *t = meanwhile.t;

	meanwhile.t = NULL;
	if (t)
		iodt_dma_write(t, meanwhile.at);
}

int __wrap_iod_gather_reserve(struct iod_gather *g, uint64_t n)
{
	write_meanwhile();
	return __real_iod_gather_reserve(g, n);
}

int __wrap_iod_mem_table_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind,
			       uint64_t max_pa, bool zero, uint64_t *pa)
{
	write_meanwhile();
	return __real_iod_mem_table_alloc(mem, len_lg2, kind, max_pa, zero, pa);
}

void __wrap_iod_gather_harvest(struct iod_gather *g)
{
	if (!no_harvest)
		__real_iod_gather_harvest(g);
}

/*
 * Hardware marks the page after it was looked at, before it is replaced: the exchange fails, and all parts
 * are dirty. Of a run that comes apart item by item, it may be the parts of one item.
 */
static void marked_while_it_is_split(struct iodt *t)
{
	uint64_t sizes[64], iova, at;
	size_t i, k, nr = rsz_sizes(t->v, sizes);
	struct iodt_leaves l;
	bool whole;

	for (k = 1; k < nr && sizes[k] <= IODT_1G; k++) {
		if (!iodt_item_level(t->v, sizes[k]) || sizes[k] > t->v->last - t->v->first ||
		    sizes[k] / t->page > 65536)
			continue;
		iova = t->v->first;
		at = iova + sizes[k] - t->page;
		iodt_map(t, iova, 0, sizes[k], IODT_RW);
		iodt_sync(t);
		meanwhile.at = at;
		meanwhile.t = t;
		hw_split(t, iova, sizes[k], 0);
		assert_null(meanwhile.t);
		iodt_leaves(t, &l);
		assert_int_equal(l.nr, sizes[k] / t->page);
		whole = sizes[k] == iodt_table_span(t->v);
		for (i = whole ? 0 : l.nr - 1; i < l.nr; i++)
			assert_int_equal(l.leaf[i].d, 1);
		iodt_leaves_free(&l);
		iodt_unmap(t, iova, sizes[k]);
		iodt_sync(t);
	}
}

/*
 * Merge, while a walk cache still leads into the table that is cut off: what hardware marks there, after the
 * swap and before it obeys, is in the live entry when the merge returns. Returns whether it is.
 */
static bool mark_in_a_detached_table(struct iodt *t, bool harvest)
{
	uint64_t size = hw_table_size(t), iova = t->v->first + size;
	struct iod_resize z;
	struct mdl_leaf leaf;
	struct hw hw;

	if (!size)
		skip();
	hw_open(&hw, t);
	iodt_map(t, iova, 0, size, IODT_RW);
	hw_split(t, iova, size, 0);
	iodt_sync(t);
	iodt_assert_ok(hw_access(t, iova, IOD_ACCESS_READ));
	hw.write_at = iova + (size / 2 & -t->page);
	hw.write = true;
	no_harvest = !harvest;
	z = rsz_arg(t, iova, size, 0);
	iodt_assert_ok(iod_merge_range(t->pt, &z));
	no_harvest = false;
	assert_true(hw.wrote);
	leaf = iodt_walk(t, iova);
	assert_int_equal(leaf.size, size);
	if (leaf.d == 1)
		hw_sweep_finds(t, 0, iova, size, iova, true);
	/* and from now on it is found whatever the harvest does */
	iodt_assert_ok(hw_access(t, iova, IOD_ACCESS_WRITE));
	assert_int_equal(iodt_walk(t, iova).d, 1);
	iodt_verify(t);
	hw_close(&hw, t);
	return leaf.d == 1;
}

static void marks_in_detached_tables_are_found(struct iodt *t)
{
	assert_true(mark_in_a_detached_table(t, true));
}

/* The twin: detached tables are not looked at again. Where entries are broken first, another way is taken. */
static void twin_without_harvest_loses(struct iodt *t)
{
	assert_false(mark_in_a_detached_table(t, false));
}

/* A part is marked after the table was found to be one mapping, before it is replaced. */
static bool mark_while_it_is_merged(struct iodt *t, bool harvest)
{
	uint64_t size = hw_table_size(t), iova = t->v->first + size;
	struct iod_resize z;

	if (!size)
		skip();
	iodt_map(t, iova, 0, size, IODT_RW);
	hw_split(t, iova, size, 0);
	iodt_sync(t);
	meanwhile.at = iova + (size / 2 & -t->page);
	meanwhile.t = t;
	no_harvest = !harvest;
	z = rsz_arg(t, iova, size, 0);
	iodt_assert_ok(iod_merge_range(t->pt, &z));
	no_harvest = false;
	assert_null(meanwhile.t);
	assert_int_equal(iodt_walk(t, iova).size, size);
	iodt_verify(t);
	return iodt_walk(t, iova).d == 1;
}

static void marked_while_it_is_merged(struct iodt *t)
{
	assert_true(mark_while_it_is_merged(t, true));
}

static void twin_marked_while_it_is_merged(struct iodt *t)
{
	assert_false(mark_while_it_is_merged(t, false));
}

#define NEED (IODT_RESIZE | IODT_DIRTY | IODT_HUGE)

static const struct iodt_test tests[] = {
	{ "marked_while_it_is_split", NEED, 0, marked_while_it_is_split },
	{ "marked_while_it_is_merged", NEED, 0, marked_while_it_is_merged },
	{ "twin_marked_while_it_is_merged", NEED | IODT_HITLESS, 0,
	  twin_marked_while_it_is_merged },
	{ "marks_in_detached_tables_are_found", NEED, 0, marks_in_detached_tables_are_found },
	{ "twin_without_harvest_loses", NEED | IODT_HITLESS, 0, twin_without_harvest_loses },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
