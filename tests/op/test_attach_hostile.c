/* SPDX-License-Identifier: MIT */
/* Attached tables that lie: wild, reserved, cyclic, endless. R26: bounded, counted, no crash. */
#include "iodtest.h"

struct hostile {
	struct iodt *t;
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	uint64_t table[6]; /* by level; item 0 of each points to the next */
	uint64_t len[6];
	uint32_t levels;
	uint64_t bytes; /* of an ordinary table */
	/* what a visit met */
	unsigned int mappings, bad[4];
};

static void open_hostile(struct iodt *t, struct hostile *h)
{
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg) };
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	uint32_t l;

	*h = (struct hostile){ .t = t, .levels = t->v->walk_levels };
	h->bytes = t->v->granule > 4096 ? t->v->granule : 4096;
	for (l = 0; l < h->levels; l++) {
		h->len[l] = h->bytes;
		if (l == h->levels - 1 && t->v->tables)
			h->len[l] *= t->v->tables;
		iodt_assert_ok(iod_mem_alloc(t->mem, h->len[l], &h->table[l]));
		if (l)
			iodt_write(t, h->table[l], iodt_make_table(t->v, l, h->table[l - 1]));
	}
	cfg.levels = h->levels;
	iodt_assert_ok(iod_pgtable_attach(&h->pt, &cfg, h->table[h->levels - 1]));
	iodt_assert_ok(iod_gather_create(&h->gather, h->pt, &gcfg));
}

static void close_hostile(struct hostile *h)
{
	uint32_t l;

	iodt_assert_ok(iod_gather_sync(h->gather));
	iodt_assert_ok(iod_gather_destroy(h->gather));
	iodt_assert_ok(iod_pgtable_destroy(h->pt));
	for (l = 0; l < h->levels; l++)
		iodt_assert_ok(iod_mem_free(h->t->mem, h->table[l], h->len[l]));
}

static int count_events(void *cookie, const struct iod_visit_event *ev)
{
	struct hostile *h = cookie;

	if (ev->kind == IOD_VISIT_MAPPING)
		h->mappings++;
	if (ev->kind == IOD_VISIT_BAD) {
		assert_in_range(ev->bad, IOD_BAD_RESERVED, IOD_BAD_CYCLE);
		assert_int_equal(ev->pte, iodt_read(h->t, ev->pte_pa));
		assert_true(ev->last >= ev->iova);
		h->bad[ev->bad]++;
	}
	return 0;
}

static void visit_from_start(struct hostile *h, uint64_t len)
{
	struct iod_visit v = { .size = sizeof(v),
			       .iova = h->t->v->first,
			       .len = len,
			       .fn = count_events,
			       .cookie = h };

	h->mappings = 0;
	memset(h->bad, 0, sizeof(h->bad));
	iodt_assert_ok(iod_visit(h->pt, &v));
	assert_int_equal(v.done, len);
}

static uint64_t sweep_from_start(struct hostile *h, enum iod_sweep_mode mode, uint64_t len,
				 uint64_t *bad)
{
	uint64_t g = len / 1024 > h->t->page ? len / 1024 : h->t->page, n;
	struct iodt_bits b;
	struct iod_sweep s;

	iodt_bits_init(&b, h->t->v->first, len, g);
	s = iodt_sweep_arg(h->t, mode, h->t->v->first, len, &b);
	s.gather = mode == IOD_SWEEP_READ ? NULL : h->gather;
	iodt_assert_ok(iod_sweep(h->pt, &s));
	assert_int_equal(s.done, len);
	*bad = s.bad;
	n = iodt_bits_count(&b);
	iodt_bits_free(&b);
	return n;
}

/* Wild pointers at every level: skipped and counted; the neighbours are seen. */
static void wild_pointers(struct iodt *t)
{
	uint64_t span = t->page << 1, bad;
	struct hostile h;
	struct iod_mapping m;
	uint32_t l;

	open_hostile(t, &h);
	for (l = 1; l < h.levels; l++) {
		uint64_t keep = iodt_read(t, h.table[l]);

		iodt_write(t, h.table[l], iodt_make_table(t->v, l, IODT_BIT(31)));
		assert_int_equal(iod_translate(h.pt, t->v->first, &m), -EFAULT);
		visit_from_start(&h, span);
		assert_int_equal(h.bad[IOD_BAD_UNREADABLE], 1);
		assert_int_equal(sweep_from_start(&h, IOD_SWEEP_READ, span, &bad), 0);
		assert_int_equal(bad, 1);
		assert_int_equal(sweep_from_start(&h, IOD_SWEEP_CLEAR, span, &bad), 0);
		assert_int_equal(bad, 1);
		iodt_write(t, h.table[l], keep);
	}
	iodt_write(t, h.table[0], iodt_make_leaf(t->v, t->page, 0, IODT_RW | IOD_PROT_DIRTY));
	assert_int_equal(sweep_from_start(&h, IOD_SWEEP_CLEAR, span, &bad), 1);
	assert_int_equal(bad, 0);
	close_hostile(&h);
}

/* A table that points to itself or to one above it: a cycle, met once. */
static void tables_that_point_upwards(struct iodt *t)
{
	struct iod_mapping m;
	struct hostile h;
	uint64_t bad;
	uint32_t l, up;
	int ret;

	open_hostile(t, &h);
	for (l = 1; l < h.levels; l++) {
		for (up = l; up < h.levels; up++) {
			iodt_write(t, h.table[l], iodt_make_table(t->v, l, h.table[up]));
			ret = iod_translate(h.pt, t->v->first, &m);
			assert_true(ret == -EFAULT || ret == -ENOENT || ret == 0);
			visit_from_start(&h, 2 * t->page);
			assert_int_equal(h.bad[IOD_BAD_CYCLE], 1);
			/* a sweep may follow the circle to its depth, as hardware does */
			sweep_from_start(&h, IOD_SWEEP_READ, 2 * t->page, &bad);
			iodt_write(t, h.table[l], iodt_make_table(t->v, l, h.table[l - 1]));
		}
	}
	close_hostile(&h);
}

/* Every item of the root points to the root: as many bad entries; a sweep keeps to its budget. */
static void root_full_of_itself(struct iodt *t)
{
	uint64_t i, items,
		len = t->v->hole_first ? t->v->hole_first
				       : iodt_pow2_floor(t->v->last - t->v->first);
	struct iodt_bits b;
	struct iod_sweep s;
	struct hostile h;
	uint32_t top;

	open_hostile(t, &h);
	top = h.levels - 1;
	items = h.len[top] / 8;
	for (i = 0; i < items; i++)
		iodt_write(t, h.table[top] + 8 * i, iodt_make_table(t->v, top, h.table[top]));
	visit_from_start(&h, len);
	assert_true(h.bad[IOD_BAD_CYCLE] > 0 && h.bad[IOD_BAD_CYCLE] <= items);
	assert_int_equal(h.mappings, 0);
	iodt_bits_init(&b, t->v->first, len, len / 1024 > t->page ? len / 1024 : t->page);
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, t->v->first, len, &b);
	s.gather = h.gather;
	s.budget = 50000;
	iodt_assert_ok(iod_sweep(h.pt, &s));
	assert_true(s.items < 50000 + 24 * (h.bytes / 8));
	iodt_bits_free(&b);
	close_hostile(&h);
}

/* Tables full of pointers to one table below: endless, so the budget must hold. */
static void budget_holds_in_a_tree_of_shared_tables(struct iodt *t)
{
	uint64_t i, len = t->v->hole_first ? t->v->hole_first
					   : iodt_pow2_floor(t->v->last - t->v->first);
	struct hostile h;
	struct iodt_bits b;
	struct iod_sweep s;
	unsigned int round;
	uint32_t l;

	open_hostile(t, &h);
	for (l = 1; l < h.levels; l++)
		for (i = 0; i < h.len[l] / 8; i++)
			iodt_write(t, h.table[l] + 8 * i, iodt_make_table(t->v, l, h.table[l - 1]));
	iodt_bits_init(&b, t->v->first, len, len / 1024 > t->page ? len / 1024 : t->page);
	s = iodt_sweep_arg(t, IOD_SWEEP_READ, t->v->first, len, &b);
	s.budget = 50000;
	for (round = 0; round < 3 && s.len; round++) {
		struct iod_visit v = { .size = sizeof(v),
				       .iova = s.iova,
				       .len = s.len,
				       .fn = count_events,
				       .cookie = &h,
				       .budget = 50000 };

		iodt_assert_ok(iod_visit(h.pt, &v));
		assert_true(v.items < 50000 + 8 * (h.bytes / 8) * 3);
		iodt_assert_ok(iod_sweep(h.pt, &s));
		assert_true(s.items < 50000 + 8 * (h.bytes / 8) * 3);
		assert_true(s.done > 0);
		s.iova = s.next_iova;
		s.len -= s.done;
	}
	iodt_bits_free(&b);
	close_hostile(&h);
}

/* One reserved encoding: where, and what. */
struct reserved {
	uint32_t level;
	uint64_t pte;
};

static size_t reserved_encodings(const struct iodt_variant *v, const struct hostile *h,
				 struct reserved *r)
{
	uint32_t top = h->levels - 1;
	uint64_t leaf = iodt_make_leaf(v, v->sizes & -v->sizes, 0, IODT_RW);
	size_t n = 0;

	switch (v->format) {
	case IOD_ARM_LPAE_S1:
	case IOD_ARM_LPAE_S2:
		r[n++] = (struct reserved){ 0, leaf & ~UINT64_C(2) }; /* 01 at level 3 */
		/* a block where the level has none: 4K L0, 16K L1 and L0, 64K L1 without 52 bits */
		if (iodt_item_level(v, iodt_largest(v)) < top && v->pgsizes == 0)
			r[n++] = (struct reserved){ top, leaf & ~UINT64_C(2) };
		break;
	case IOD_VTD_SS:
		if (top >= 3)
			r[n++] = (struct reserved){ 3, h->table[2] | 3 | 1 << 7 };
		break;
	case IOD_VTD_FS:
	case IOD_AMD_V2:
		r[n++] = (struct reserved){ 3, h->table[2] | 7 | 1 << 7 };
		break;
	case IOD_AMD_V1:
		/* next level the same, or above */
		r[n++] = (struct reserved){ 0, iodt_make_table(v, 1, h->table[0]) };
		if (top)
			r[n++] = (struct reserved){ 1, iodt_make_table(v, 2, h->table[0]) };
		if (top)
			r[n++] = (struct reserved){ 1, iodt_make_table(v, 6, h->table[0]) };
		/* a size code that is too large for the level, and too small for it */
		r[n++] = (struct reserved){ 0, leaf | 7u << 9 | (IODT_BIT(30) - 4096) };
		if (top)
			r[n++] = (struct reserved){ 1, leaf | 7u << 9 };
		break;
	}
	return n;
}

static void reserved_are_skipped(struct iodt *t)
{
	struct reserved r[8];
	struct iod_mapping m;
	struct hostile h;
	uint64_t keep, bad;
	size_t i, n;

	open_hostile(t, &h);
	n = reserved_encodings(t->v, &h, r);
	for (i = 0; i < n; i++) {
		keep = iodt_read(t, h.table[r[i].level]);
		iodt_write(t, h.table[r[i].level], r[i].pte);
		assert_int_equal(iod_translate(h.pt, t->v->first, &m), -EFAULT);
		visit_from_start(&h, t->page);
		assert_int_equal(h.bad[IOD_BAD_RESERVED], 1);
		assert_int_equal(h.mappings, 0);
		sweep_from_start(&h, IOD_SWEEP_READ, t->page, &bad);
		assert_int_equal(bad, 1);
		iodt_write(t, h.table[r[i].level], keep);
	}
	close_hostile(&h);
}

/* Random words in all tables: nothing crashes, nothing hangs, the model agrees where it can. */
static void random_words(struct iodt *t)
{
	uint64_t i, len = t->v->hole_first ? t->v->hole_first
					   : iodt_pow2_floor(t->v->last - t->v->first);
	unsigned int round;
	struct hostile h;
	struct iodt_bits b;
	struct iod_sweep s;
	uint32_t l;

	open_hostile(t, &h);
	iodt_bits_init(&b, t->v->first, len, len / 1024 > t->page ? len / 1024 : t->page);
	for (round = 0; round < iodt_scale(20); round++) {
		for (l = 0; l < h.levels; l++) {
			for (i = 0; i < 40; i++) {
				uint64_t pte = iodt_random(t);

				if (l && i & 1)
					pte = (pte & 0xfff0000000000e07u) |
					      h.table[iodt_below(t, h.levels)];
				iodt_write(t, h.table[l] + 8 * iodt_below(t, h.len[l] / 8), pte);
			}
		}
		s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, t->v->first, len, &b);
		s.gather = h.gather;
		s.budget = 100000;
		iodt_assert_ok(iod_sweep(h.pt, &s));
		assert_true(s.done > 0);
		{
			struct iod_visit v = { .size = sizeof(v),
					       .iova = t->v->first,
					       .len = len,
					       .fn = count_events,
					       .cookie = &h,
					       .budget = 100000 };

			iodt_assert_ok(iod_visit(h.pt, &v));
		}
	}
	iodt_bits_free(&b);
	close_hostile(&h);
}

/* Every item of a root claims to be part of a run, in memory that ends where the root ends. */
static void runs_stay_inside_their_table(struct iodt *t)
{
	struct iod_hw_info hw = { .size = sizeof(hw) };
	struct iod_mem_region region = { .pa = IODT_1M };
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm), .regions = &region, .nr_regions = 1 };
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg) };
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, NULL);
	uint64_t i, pte, len, g, *words;
	struct hostile h = { .t = t };
	struct iod_mem *guest = NULL;
	struct iod_mapping m;
	struct iodt_bits b;
	struct iod_sweep s;

	iodt_assert_ok(iod_pgtable_get_hw_info(t->pt, &hw));
	region.len = hw.root_len;
	/* an exact allocation, so that a checker sees one word too many */
	region.host = words = calloc(1, region.len);
	assert_non_null(words);
	iodt_assert_ok(iod_mem_create_vm(&guest, &vm));
	cfg.mem = guest;
	cfg.levels = t->v->walk_levels;
	iodt_assert_ok(iod_pgtable_attach(&h.pt, &cfg, region.pa));
	iodt_assert_ok(iod_gather_create(&h.gather, h.pt, &gcfg));
	pte = iodt_make_leaf(t->v, t->page, 0, IODT_RW | IOD_PROT_DIRTY);
	if (t->v->walk_levels > 1)
		pte &= ~UINT64_C(2);
	len = t->v->last - t->v->first + 1;
	g = len / 1024 > t->page ? len / 1024 : t->page;
	iodt_bits_init(&b, t->v->first, len, g);
	for (i = 0; i < region.len / 8; i++)
		iodt_put_le64(&words[i], pte | IODT_BIT(52) | (i & 1 ? IODT_BIT(20) : 0));
	iod_translate(h.pt, t->v->first, &m);
	iod_translate(h.pt, t->v->last, &m);
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, t->v->first, len, &b);
	s.gather = h.gather;
	iodt_assert_ok(iod_sweep(h.pt, &s));
	s.iova = t->v->last - (t->page - 1);
	s.len = t->page;
	iodt_assert_ok(iod_sweep(h.pt, &s));
	iodt_bits_free(&b);
	iodt_assert_ok(iod_gather_sync(h.gather));
	iodt_assert_ok(iod_gather_destroy(h.gather));
	iodt_assert_ok(iod_pgtable_destroy(h.pt));
	iodt_assert_ok(iod_mem_destroy(guest));
	free(words);
}

/* ---- AMD ---- */

/*
 * R58: two of four replicas. Reads give them as far as they go; hardware may have cached the whole
 * page through either, so a dirty one reports all of it.
 */
static void partial_replica_set(struct iodt *t)
{
	uint64_t size = 4 * IODT_4K, pte = iodt_make_leaf(t->v, size, 8 * IODT_4K, IODT_RW), bad;
	struct iod_mapping m;
	struct hostile h;
	unsigned int i;

	open_hostile(t, &h);
	for (i = 1; i < 3; i++)
		iodt_write(t, h.table[0] + 8 * i, pte);
	assert_int_equal(iod_translate(h.pt, 0, &m), -ENOENT);
	assert_int_equal(iod_translate(h.pt, 3 * IODT_4K, &m), -ENOENT);
	iodt_assert_ok(iod_translate(h.pt, 2 * IODT_4K, &m));
	assert_int_equal(m.iova, IODT_4K);
	assert_int_equal(m.len, 2 * IODT_4K);
	assert_int_equal(m.pa, 9 * IODT_4K);
	iodt_write(t, h.table[0] + 16, iodt_pte_mark(t->v, pte));
	assert_int_equal(sweep_from_start(&h, IOD_SWEEP_CLEAR, size, &bad), 4);
	assert_int_equal(bad, 0);
	assert_false(iodt_pte_dirty(t->v, iodt_read(t, h.table[0] + 16)));
	assert_int_equal(sweep_from_start(&h, IOD_SWEEP_READ, size, &bad), 0);
	close_hostile(&h);
}

/* A3.2: an entry may skip levels; the addresses that it skips over are not translated. */
static void level_skipping(struct iodt *t)
{
	uint64_t top, pa, bad;
	struct iod_mapping m;
	struct hostile h;

	open_hostile(t, &h);
	top = h.levels - 1;
	/* the second item of the root goes straight to the leaf table */
	iodt_write(t, h.table[top] + 8, iodt_make_table(t->v, 1, h.table[0]));
	iodt_write(t, h.table[0] + 8 * 5, iodt_make_leaf(t->v, IODT_4K, 0x7000, IODT_RW));
	iodt_assert_ok(iod_iova_to_phys(h.pt, IODT_BIT(12 + 9 * top) + 0x5123, &pa));
	assert_int_equal(pa, 0x7123);
	assert_int_equal(iod_translate(h.pt, IODT_BIT(12 + 9 * top) + IODT_2M + 0x5000, &m),
			 -ENOENT);
	assert_int_equal(iod_translate(h.pt, IODT_BIT(12 + 9 * top) + 0x4000, &m), -ENOENT);
	visit_from_start(&h, IODT_BIT(13 + 9 * top));
	/* once through each path */
	assert_int_equal(h.mappings, 2);
	iodt_write(t, h.table[0] + 8 * 5, iodt_pte_mark(t->v, iodt_read(t, h.table[0] + 8 * 5)));
	assert_int_equal(sweep_from_start(&h, IOD_SWEEP_READ, IODT_BIT(13 + 9 * top), &bad), 2);
	assert_int_equal(bad, 0);
	close_hostile(&h);
}

static const struct iodt_test tests[] = {
	{ "wild_pointers", IODT_DIRTY | IODT_TABLES, IODT_GROWS, wild_pointers },
	{ "tables_that_point_upwards", IODT_DIRTY | IODT_TABLES, IODT_GROWS,
	  tables_that_point_upwards },
	{ "root_full_of_itself", IODT_DIRTY | IODT_TABLES, IODT_GROWS, root_full_of_itself },
	{ "budget_holds_in_a_tree_of_shared_tables", IODT_DIRTY | IODT_TABLES, IODT_GROWS,
	  budget_holds_in_a_tree_of_shared_tables },
	{ "reserved_are_skipped", IODT_DIRTY, IODT_GROWS, reserved_are_skipped },
	{ "random_words", IODT_DIRTY, IODT_GROWS, random_words },
	{ "runs_stay_inside_their_table", IODT_DIRTY | IODT_ARM, 0, runs_stay_inside_their_table },
	{ "partial_replica_set", IODT_DIRTY | IODT_REPLICAS, IODT_GROWS, partial_replica_set },
	{ "level_skipping", IODT_DIRTY | IODT_REPLICAS | IODT_ROOMY, IODT_GROWS, level_skipping },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
