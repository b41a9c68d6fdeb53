/* SPDX-License-Identifier: MIT */
/* iod_translate(), iod_iova_to_phys() and iod_visit(): what readers are told. */
#include "iodtest.h"

/* R25: -ERANGE where the table does not translate, -ENOENT where it could. */
static void range_errors(struct iodt *t)
{
	const struct iodt_variant *v = t->v;
	struct iod_mapping m;
	uint64_t pa;

	assert_int_equal(iod_translate(t->pt, v->first, &m), -ENOENT);
	assert_int_equal(iod_translate(t->pt, v->last, &m), -ENOENT);
	if (v->first)
		assert_int_equal(iod_translate(t->pt, v->first - 1, &m), -ERANGE);
	if (v->last != UINT64_MAX) {
		assert_int_equal(iod_translate(t->pt, v->last + 1, &m), -ERANGE);
		assert_int_equal(iod_translate(t->pt, UINT64_MAX, &m), -ERANGE);
		assert_int_equal(iod_iova_to_phys(t->pt, v->last + 1, &pa), -ERANGE);
	}
	if (!v->hole_first)
		return;
	assert_int_equal(iod_translate(t->pt, v->hole_first - 1, &m), -ENOENT);
	assert_int_equal(iod_translate(t->pt, v->hole_first, &m), -ERANGE);
	assert_int_equal(iod_translate(t->pt, v->hole_last, &m), -ERANGE);
	assert_int_equal(iod_translate(t->pt, v->hole_last + 1, &m), -ENOENT);
}

/* Every byte of an entry translates to its own output address; the entry is described whole. */
static void every_item_has_its_own_address(struct iodt *t)
{
	uint64_t size, iova = t->v->first, item, at;
	struct iod_mapping m;
	unsigned int s;

	for (s = 12; s < 64; s++) {
		size = IODT_BIT(s);
		if (!(t->v->sizes & size))
			continue;
		item = iodt_item_size(t->v, size);
		iodt_map(t, iova, 0, size, IODT_RW);
		for (at = 0; at < size; at += item) {
			iodt_assert_ok(iod_translate(t->pt, iova + at + item - 1, &m));
			assert_int_equal(m.pa, 0);
			assert_int_equal(m.iova, iova);
			assert_int_equal(m.len, size);
			assert_int_equal(m.items, size / item);
			iodt_verify_at(t, iova + at);
		}
		iodt_unmap(t, iova, size);
		iodt_sync(t);
	}
}

/* A lookup has no side effect, the walker's access has; both see the same afterwards (R1, R24). */
static void accessed_and_dirty_as_hardware_sets_them(struct iodt *t)
{
	uint64_t iova = t->v->first + t->page;
	struct iodt_snapshot s;
	struct iod_mapping m;

	iodt_map(t, iova, 0, t->page, IODT_RW);
	iodt_snapshot(t, &s);
	iodt_assert_ok(iod_translate(t->pt, iova, &m));
	assert_int_equal(m.dirty, IOD_CLEAN);
	iodt_unchanged(t, &s);
	iodt_dma_write(t, iova + 5);
	iodt_assert_ok(iod_translate(t->pt, iova, &m));
	assert_int_equal(m.dirty, IOD_DIRTY);
	assert_true(m.accessed);
	assert_int_equal(m.pte, iodt_read(t, m.pte_pa));
	assert_true(iodt_pte_dirty(t->v, m.pte));
	iodt_verify(t);
}

/* R58: the state of a run is that of any of its items. */
static void any_item_makes_the_entry_dirty(struct iodt *t)
{
	uint64_t size, iova = t->v->first, items, n;
	struct iod_mapping m;
	unsigned int s;

	for (s = 12; s < 64; s++) {
		size = IODT_BIT(s);
		if (!(t->v->sizes & size))
			continue;
		items = size / iodt_item_size(t->v, size);
		for (n = 0; n<items; n += items> 4 ? items / 4 - 1 : 1) {
			iodt_map(t, iova, 0, size, IODT_RW);
			iodt_mark_item(t, iova, (unsigned int)n);
			iodt_assert_ok(iod_translate(t->pt, iova, &m));
			assert_int_equal(m.dirty, IOD_DIRTY);
			assert_true(m.accessed);
			assert_int_equal(m.items, items);
			iodt_verify(t);
			iodt_unmap(t, iova, size);
			iodt_sync(t);
		}
	}
}

/* ---- visits ---- */

struct events {
	struct iod_visit_event ev[512];
	size_t nr;
	int stop_at; /* return 42 there */
};

static int record(void *cookie, const struct iod_visit_event *event)
{
	struct events *e = cookie;

	assert_in_range(e->nr, 0, IODT_ARRAY_SIZE(e->ev) - 1);
	e->ev[e->nr++] = *event;
	return e->stop_at && (int)e->nr == e->stop_at ? 42 : 0;
}

static struct iod_visit visit_arg(struct events *e, uint64_t iova, uint64_t len)
{
	return (struct iod_visit){ .size = sizeof(struct iod_visit),
				   .iova = iova,
				   .len = len,
				   .fn = record,
				   .cookie = e };
}

/* Mappings and holes follow each other without a gap or an overlap, tables come before them. */
static void check_order(const struct iodt *t, const struct events *e, uint64_t iova, uint64_t len)
{
	uint64_t next = iova, first, last, end = iova + (len - 1);
	const struct iod_visit_event *ev;
	bool hole = false;
	size_t i;

	for (i = 0; i < e->nr; i++) {
		ev = &e->ev[i];
		assert_int_equal(ev->bad, IOD_BAD_NONE);
		if (ev->kind == IOD_VISIT_TABLE) {
			/* the joined hole before it is reported before it */
			assert_true(ev->table_len > 0 && ev->table_pa);
			assert_true(ev->last >= ev->iova);
			continue;
		}
		first = ev->kind == IOD_VISIT_HOLE ? ev->iova : ev->mapping.iova;
		last = ev->kind == IOD_VISIT_HOLE ? ev->last : first + (ev->mapping.len - 1);
		if (ev->kind == IOD_VISIT_HOLE) {
			assert_false(hole);
			assert_true(first >= iova && last <= end);
			assert_false(iodt_expected_any(t, first, last - first + 1));
			hole = true;
		} else {
			assert_int_equal(ev->kind, IOD_VISIT_MAPPING);
			assert_non_null(iodt_expected(t, first));
			hole = false;
		}
		if (first < iova)
			first = iova;
		assert_int_equal(first, next);
		next = last + 1;
		if (last >= end)
			next = end + 1;
	}
	assert_int_equal(next, end + 1);
}

static void three_mappings(struct iodt *t)
{
	uint64_t p = t->page, base = t->v->first, last = t->v->last;

	if (t->v->hole_first)
		last = t->v->hole_first - 1;
	iodt_map(t, base + p, 0, p, IODT_RW);
	if (last - base < 16 * p - 1)
		return;
	iodt_map(t, base + 8 * p, 8 * p, 4 * p, IOD_PROT_READ);
	iodt_map(t, last - (p - 1), 32 * p, p, IODT_RW);
}

/* The whole space: order, holes joined and clipped, every table once and before its contents. */
static void ordered_walk_of_everything(struct iodt *t)
{
	struct events *e = calloc(1, sizeof(*e));
	struct iodt_part part[2];
	size_t i, k, n = iodt_parts(t->v, part), tables = 0;

	assert_non_null(e);
	three_mappings(t);
	for (i = 0; i < n; i++) {
		struct iod_visit visit = visit_arg(e, part[i].iova, part[i].len);

		e->nr = 0;
		iodt_assert_ok(iod_visit(t->pt, &visit));
		assert_int_equal(visit.done, part[i].len);
		assert_int_equal(visit.next_iova, part[i].iova + part[i].len);
		assert_true(visit.items > 0);
		check_order(t, e, part[i].iova, part[i].len);
		assert_int_equal(e->ev[0].kind, IOD_VISIT_TABLE);
		for (k = 0; k < e->nr; k++)
			tables += e->ev[k].kind == IOD_VISIT_TABLE;
	}
	/* the root is met once by each call */
	assert_int_equal(tables - (n - 1), iodt_info(t->pt).tables);
	free(e);
}

/* A partial range: holes clipped to it, mappings whole. */
static void partial_ranges(struct iodt *t)
{
	uint64_t p = t->page, base = t->v->first, start, len;
	struct events *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	if (t->v->last - base >= 16 * p - 1) {
		iodt_map(t, base + 4 * p, 4 * p, 4 * p, IODT_RW);
		iodt_map(t, base + 9 * p, 9 * p, p, IODT_RW);
		for (start = 0; start < 12; start++) {
			for (len = 1; start + len <= 12; len++) {
				struct iod_visit visit = visit_arg(e, base + start * p, len * p);

				e->nr = 0;
				iodt_assert_ok(iod_visit(t->pt, &visit));
				assert_int_equal(visit.done, len * p);
				check_order(t, e, base + start * p, len * p);
			}
		}
	}
	free(e);
}

/* fn's answer stops the visit and is returned. */
static void callback_stops_the_visit(struct iodt *t)
{
	struct events *e = calloc(1, sizeof(*e));
	struct iodt_part part[2];
	struct iod_visit visit;
	int i;

	assert_non_null(e);
	three_mappings(t);
	iodt_parts(t->v, part);
	for (i = 1; i < 4; i++) {
		visit = visit_arg(e, part[0].iova, part[0].len);
		e->nr = 0;
		e->stop_at = i;
		assert_int_equal(iod_visit(t->pt, &visit), 42);
		assert_int_equal(e->nr, i);
		assert_true(visit.done <= visit.len);
	}
	free(e);
}

struct mappings {
	uint64_t iova[512];
	size_t nr;
};

static int record_mapping(void *cookie, const struct iod_visit_event *event)
{
	struct mappings *m = cookie;

	assert_int_equal(event->kind, IOD_VISIT_MAPPING);
	assert_in_range(m->nr, 0, 511);
	m->iova[m->nr++] = event->mapping.iova;
	return 0;
}

/* R60: with the smallest budget, resumed until done, the same mappings are met, each once. */
static void budget_one_equals_one_shot(struct iodt *t)
{
	struct mappings *all = calloc(2, sizeof(*all)), *bits = all + 1;
	struct iodt_part part[2];
	struct iod_visit visit = { .size = sizeof(visit),
				   .flags = IOD_VISIT_MAPPINGS_ONLY,
				   .fn = record_mapping };
	size_t i, n = iodt_parts(t->v, part), calls = 0;

	assert_non_null(all);
	three_mappings(t);
	for (i = 0; i < n; i++) {
		visit.iova = part[i].iova;
		visit.len = part[i].len;
		visit.budget = 0;
		visit.cookie = all;
		iodt_assert_ok(iod_visit(t->pt, &visit));
		visit.cookie = bits;
		visit.budget = 1;
		do {
			iodt_assert_ok(iod_visit(t->pt, &visit));
			assert_true(visit.done > 0 && visit.done <= visit.len);
			assert_int_equal(visit.next_iova, visit.iova + visit.done);
			visit.len -= visit.done;
			visit.iova = visit.next_iova;
			calls++;
			assert_true(calls < 100000);
		} while (visit.len);
	}
	assert_int_equal(all->nr, bits->nr);
	assert_memory_equal(all->iova, bits->iova, sizeof(all->iova));
	free(all);
}

/* Attributes that the library was given come back from translate. */
static void attributes_come_back(struct iodt *t)
{
	static const uint32_t flags[] = { IOD_PROT_NOEXEC, IOD_PROT_PRIV, IOD_PROT_GLOBAL,
					  IOD_PROT_SNOOP };
	const uint32_t all =
		IODT_RW | IOD_PROT_NOEXEC | IOD_PROT_PRIV | IOD_PROT_GLOBAL | IOD_PROT_SNOOP;
	struct iod_mapping m;
	uint32_t set;
	size_t i;
	int ret;

	for (set = 0; set < 16; set++) {
		uint32_t prot = IODT_RW;

		for (i = 0; i < 4; i++)
			prot |= set >> i & 1 ? flags[i] : 0;
		ret = iod_map(t->pt, t->v->first, 0, t->page, prot, t->gather, NULL);
		if (ret) {
			assert_int_equal(ret, -EOPNOTSUPP);
			assert_int_not_equal(set, 0);
			iodt_verify_at(t, t->v->first);
			continue;
		}
		iodt_assert_ok(iod_translate(t->pt, t->v->first, &m));
		assert_int_equal(m.prot & all, prot);
		iodt_assert_ok(iod_unmap(t->pt, t->v->first, t->page, 0, t->gather, NULL));
	}
}

static const struct iodt_test tests[] = {
	{ "range_errors", 0, 0, range_errors },
	{ "every_item_has_its_own_address", 0, 0, every_item_has_its_own_address },
	{ "accessed_and_dirty_as_hardware_sets_them", IODT_DIRTY, 0,
	  accessed_and_dirty_as_hardware_sets_them },
	{ "any_item_makes_the_entry_dirty", IODT_DIRTY, 0, any_item_makes_the_entry_dirty },
	{ "ordered_walk_of_everything", 0, 0, ordered_walk_of_everything },
	{ "partial_ranges", 0, 0, partial_ranges },
	{ "callback_stops_the_visit", 0, 0, callback_stops_the_visit },
	{ "budget_one_equals_one_shot", 0, 0, budget_one_equals_one_shot },
	{ "attributes_come_back", 0, 0, attributes_come_back },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
