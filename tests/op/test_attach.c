/* SPDX-License-Identifier: MIT */
/* iod_pgtable_attach(): tables that somebody else built, adopted ones and ordinary foreign ones. */
#include "iodtest.h"

static struct iod_pgtable_cfg attach_cfg(struct iodt *t, uint32_t flags)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);

	cfg.levels = iodt_info(t->pt).levels;
	cfg.flags = flags;
	return cfg;
}

static uint64_t root_of(struct iodt *t)
{
	struct iod_hw_info hw = { .size = sizeof(hw) };

	iodt_assert_ok(iod_pgtable_get_hw_info(t->pt, &hw));
	return hw.root;
}

static struct iod_pgtable *attach(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = attach_cfg(t, 0);
	struct iod_pgtable *pt = NULL;

	iodt_assert_ok(iod_pgtable_attach(&pt, &cfg, root_of(t)));
	assert_non_null(pt);
	return pt;
}

static void a_few_mappings(struct iodt *t)
{
	uint64_t places[IODT_PLACES], size = iodt_largest(t->v);
	size_t i, n = iodt_places(t->v, t->page, places);

	for (i = 1; i < n; i++)
		iodt_map(t, places[i], i * t->page, t->page, IODT_RW);
	while (size > t->page && (iodt_expected_any(t, t->v->first, size) || !(t->v->sizes & size)))
		size >>= 1;
	iodt_map(t, t->v->first, 0, size, IODT_RW);
}

/* A second pair of eyes on the same tables sees the same. */
static void sees_what_was_built(struct iodt *t)
{
	struct iod_pgtable *own = t->pt, *pt;
	size_t i;

	a_few_mappings(t);
	pt = attach(t);
	for (i = 0; i < t->nr_segs; i++) {
		struct iod_mapping a, b;

		memset(&a, 0, sizeof(a));
		memset(&b, 0, sizeof(b));
		iodt_assert_ok(iod_translate(own, t->seg[i].iova, &a));
		iodt_assert_ok(iod_translate(pt, t->seg[i].iova, &b));
		assert_int_equal(a.pa, b.pa);
		assert_int_equal(a.len, b.len);
		assert_int_equal(a.pte_pa, b.pte_pa);
		assert_int_equal(a.prot, b.prot);
	}
	assert_int_equal(iodt_info(pt).tables, 0);
	assert_int_equal(iodt_info(pt).levels, iodt_info(own).levels);
	assert_int_equal(iodt_info(pt).last, t->v->max_levels ? iodt_info(pt).last : t->v->last);
	iodt_assert_ok(iod_pgtable_destroy(pt));
	iodt_verify(t);
}

/* Not ours: map and unmap are refused, nothing moves, destroy leaves the tables alone. */
static void foreign_tables_are_not_changed(struct iodt *t)
{
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg) };
	struct iod_gather *gather = NULL;
	struct iodt_snapshot snap;
	struct iod_pgtable *pt;
	uint64_t done = 0;

	a_few_mappings(t);
	pt = attach(t);
	iodt_assert_ok(iod_gather_create(&gather, pt, &gcfg));
	iodt_snapshot(t, &snap);
	assert_int_equal(
		iod_map(pt, t->v->last - (t->page - 1), 0, t->page, IODT_RW, gather, &done),
		-EOPNOTSUPP);
	assert_int_equal(iod_unmap(pt, t->v->first, t->page, 0, gather, &done), -EOPNOTSUPP);
	assert_int_equal(done, 0);
	assert_int_equal(iod_pgtable_destroy(pt), -EBUSY);
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_assert_ok(iod_pgtable_destroy(pt));
	iodt_unchanged(t, &snap);
}

/* A sweep cleans foreign tables; that is all it does. */
static void foreign_tables_are_cleaned(struct iodt *t)
{
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg) };
	struct iod_gather *gather = NULL;
	struct iod_pgtable *pt;
	struct iodt_bits b;
	struct iod_sweep s;

	a_few_mappings(t);
	iodt_dma_write(t, t->v->first);
	pt = attach(t);
	iodt_assert_ok(iod_gather_create(&gather, pt, &gcfg));
	iodt_bits_init(&b, t->v->first, t->page, t->page);
	s = iodt_sweep_arg(t, IOD_SWEEP_READ, t->v->first, t->page, &b);
	iodt_assert_ok(iod_sweep(pt, &s));
	assert_int_equal(iodt_bits_count(&b), 1);
	iodt_bits_free(&b);
	iodt_bits_init(&b, t->v->first, t->seg[0].last - t->seg[0].iova + 1,
		       t->seg[0].last - t->seg[0].iova + 1);
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, t->v->first, t->seg[0].last - t->seg[0].iova + 1,
			   &b);
	s.gather = gather;
	iodt_assert_ok(iod_sweep(pt, &s));
	assert_int_equal(s.cleaned, 1);
	assert_int_equal(iodt_walk(t, t->v->first).d, 0);
	iodt_bits_free(&b);
	iodt_assert_ok(iod_gather_sync(gather));
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_assert_ok(iod_pgtable_destroy(pt));
	iodt_verify(t);
}

static int any_event(void *cookie, const struct iod_visit_event *event)
{
	(void)cookie;
	(void)event;
	return 0;
}

/* A root that is not aligned, or not there. */
static void bad_roots(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = attach_cfg(t, 0);
	struct iod_pgtable *pt = NULL;
	uint64_t root = root_of(t);

	assert_int_equal(iod_pgtable_attach(&pt, &cfg, root + 8), -EINVAL);
	assert_int_equal(iod_pgtable_attach(&pt, &cfg, IODT_BIT(31)), -EFAULT);
	cfg.flags = IOD_ATTACH_ADOPT;
	assert_int_equal(iod_pgtable_attach(&pt, &cfg, IODT_BIT(31)), -EFAULT);
	cfg.flags = 4;
	assert_int_equal(iod_pgtable_attach(&pt, &cfg, root), -EINVAL);
	cfg.flags = IOD_ATTACH_ADOPT | IOD_ATTACH_ANY_ROOT;
	assert_int_equal(iod_pgtable_attach(&pt, &cfg, root), -EINVAL);
	assert_null(pt);
	if (t->v->format == IOD_AMD_V1) {
		cfg.flags = 0;
		cfg.levels = 0;
		assert_int_equal(iod_pgtable_attach(&pt, &cfg, root), -EINVAL);
	}
	iodt_verify(t);
}

/* A root that need not be there: what walks need of it is an error of theirs. */
static void any_root(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = attach_cfg(t, 0);
	struct iod_visit visit = { .size = sizeof(visit), .iova = t->v->first, .len = t->page };
	struct iod_access_result result;
	struct iod_iotlb *tlb = NULL;
	struct iod_pgtable *pt = NULL;
	struct iod_fault fault;
	uint64_t pa;

	visit.fn = any_event;
	cfg.flags = IOD_ATTACH_ANY_ROOT;
	iodt_assert_ok(iod_iotlb_create(&tlb, NULL));
	iodt_assert_ok(iod_pgtable_attach(&pt, &cfg, IODT_BIT(31)));
	assert_int_equal(iod_iova_to_phys(pt, t->v->first, &pa), -EFAULT);
	assert_int_equal(iod_visit(pt, &visit), -EFAULT);
	assert_int_equal(iod_iotlb_access(tlb, pt, t->v->first, IOD_ACCESS_READ, &result, &fault),
			 -EFAULT);
	assert_int_equal(fault.reason, IOD_FAULT_WALK_ABORT);
	assert_int_equal(fault.pte_pa & ~UINT64_C(0xffff), IODT_BIT(31));
	iodt_assert_ok(iod_pgtable_destroy(pt));
	iodt_assert_ok(iod_pgtable_attach(&pt, &cfg, root_of(t)));
	iodt_assert_ok(iod_pgtable_destroy(pt));
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* ---- tables built by hand ---- */

struct tree {
	struct iod_pgtable_cfg cfg;
	uint64_t table[6]; /* by level; item 0 of each points to the next */
	uint64_t len[6];
	uint32_t levels;
};

/* A root that is smaller than a page is allocated as one. */
static uint64_t table_bytes(struct iodt *t, bool root)
{
	struct iod_hw_info hw = { .size = sizeof(hw) };
	uint64_t len = t->v->granule;

	iodt_assert_ok(iod_pgtable_get_hw_info(t->pt, &hw));
	if (root)
		len = hw.root_len;
	return len > 4096 ? len : 4096;
}

static void tree_build(struct iodt *t, struct tree *tree)
{
	uint32_t l;

	tree->cfg = attach_cfg(t, 0);
	tree->levels = t->v->walk_levels;
	for (l = 0; l < tree->levels; l++) {
		tree->len[l] = table_bytes(t, l == tree->levels - 1);
		iodt_assert_ok(iod_mem_alloc(t->mem, tree->len[l], &tree->table[l]));
		if (l)
			iodt_write(t, tree->table[l], iodt_make_table(t->v, l, tree->table[l - 1]));
	}
}

static void tree_free(struct iodt *t, struct tree *tree)
{
	uint32_t l;

	for (l = 0; l < tree->levels; l++)
		iodt_assert_ok(iod_mem_free(t->mem, tree->table[l], tree->len[l]));
}

/* Hand-built tables translate, and after adoption are ours: map, unmap, freed at the end. */
static void adopted_tables_are_ours(struct iodt *t)
{
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg) };
	struct iod_gather *gather = NULL;
	struct iod_pgtable *pt = NULL;
	uint64_t before = iodt_stats(t->mem).tables, p = t->page, pa;
	struct tree tree;

	tree_build(t, &tree);
	iodt_write(t, tree.table[0], iodt_make_leaf(t->v, p, 5 * p, IODT_RW));
	tree.cfg.flags = IOD_ATTACH_ADOPT;
	iodt_assert_ok(iod_pgtable_attach(&pt, &tree.cfg, tree.table[tree.levels - 1]));
	iodt_assert_ok(iod_gather_create(&gather, pt, &gcfg));
	iodt_assert_ok(iod_iova_to_phys(pt, t->v->first + 3, &pa));
	assert_int_equal(pa, 5 * p + 3);
	assert_int_equal(iodt_info(pt).tables, tree.levels);
	assert_int_equal(iod_map(pt, t->v->first, 0, p, IODT_RW, gather, NULL), -EEXIST);
	iodt_assert_ok(iod_map(pt, t->v->first + p, 6 * p, p, IODT_RW, gather, NULL));
	iodt_assert_ok(iod_unmap(pt, t->v->first, 2 * p, 0, gather, NULL));
	iodt_assert_ok(iod_gather_sync(gather));
	assert_int_equal(iod_iova_to_phys(pt, t->v->first, &pa), -ENOENT);
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_assert_ok(iod_pgtable_destroy(pt));
	assert_int_equal(iodt_stats(t->mem).tables, before);
}

/* Adopting a table that is reached twice, or that cannot be read, is refused; nothing is freed. */
static void adoption_checks_every_table(struct iodt *t)
{
	struct iod_pgtable *pt = NULL;
	struct tree tree;
	uint64_t tables;
	uint32_t top;

	tree_build(t, &tree);
	tables = iodt_stats(t->mem).tables;
	top = tree.levels - 1;
	tree.cfg.flags = IOD_ATTACH_ADOPT;
	iodt_write(t, tree.table[top] + 8, iodt_read(t, tree.table[top]));
	assert_int_equal(iod_pgtable_attach(&pt, &tree.cfg, tree.table[top]), -EFAULT);
	iodt_write(t, tree.table[top] + 8, iodt_make_table(t->v, top, IODT_BIT(31)));
	assert_int_equal(iod_pgtable_attach(&pt, &tree.cfg, tree.table[top]), -EFAULT);
	/* a root smaller than a granule cannot be pointed to */
	iodt_write(t, tree.table[top] + 8, iodt_make_table(t->v, top, tree.table[top]));
	if (!(tree.table[top] & (table_bytes(t, false) - 1)))
		assert_int_equal(iod_pgtable_attach(&pt, &tree.cfg, tree.table[top]), -EFAULT);
	assert_null(pt);
	assert_int_equal(iodt_stats(t->mem).tables, tables);
	tree_free(t, &tree);
}

/* Read-only memory: reading works, cleaning is -EOPNOTSUPP and changes nothing. */
static void read_only_memory(struct iodt *t)
{
	struct iod_mem_region region = { .flags = IOD_REGION_READONLY };
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm), .regions = &region, .nr_regions = 1 };
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg) };
	struct iod_gather *gather = NULL;
	struct iod_pgtable *pt = NULL;
	struct iod_mem *ro = NULL;
	struct iodt_bits b;
	struct iod_sweep s;
	struct tree tree;

	tree_build(t, &tree);
	iodt_write(t, tree.table[0], iodt_make_leaf(t->v, t->page, 0, IODT_RW | IOD_PROT_DIRTY));
	region.pa = 2 * IODT_1M;
	region.len = iodt_stats(t->mem).committed;
	if (iod_mem_host_ptr(t->mem, region.pa, region.len, false, &region.host)) {
		/* chunks in use are not side by side: one table is enough for this */
		region.len = 0;
	}
	if (region.len) {
		iodt_assert_ok(iod_mem_create_vm(&ro, &vm));
		tree.cfg.mem = ro;
		if (!iod_pgtable_attach(&pt, &tree.cfg, tree.table[tree.levels - 1])) {
			iodt_assert_ok(iod_gather_create(&gather, pt, &gcfg));
			iodt_bits_init(&b, t->v->first, t->page, t->page);
			s = iodt_sweep_arg(t, IOD_SWEEP_READ, t->v->first, t->page, &b);
			iodt_assert_ok(iod_sweep(pt, &s));
			assert_int_equal(iodt_bits_count(&b), s.bad ? 0 : 1);
			s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, t->v->first, t->page, &b);
			s.gather = gather;
			if (iodt_bits_count(&b))
				assert_int_equal(iod_sweep(pt, &s), -EOPNOTSUPP);
			assert_true(iodt_pte_dirty(t->v, iodt_read(t, tree.table[0])));
			iodt_bits_free(&b);
			iodt_assert_ok(iod_gather_destroy(gather));
			iodt_assert_ok(iod_pgtable_destroy(pt));
		}
		iodt_assert_ok(iod_mem_destroy(ro));
	}
	tree_free(t, &tree);
}

static const struct iodt_test tests[] = {
	{ "sees_what_was_built", 0, 0, sees_what_was_built },
	{ "foreign_tables_are_not_changed", 0, 0, foreign_tables_are_not_changed },
	{ "foreign_tables_are_cleaned", IODT_DIRTY, 0, foreign_tables_are_cleaned },
	{ "bad_roots", 0, 0, bad_roots },
	{ "any_root", 0, 0, any_root },
	{ "adopted_tables_are_ours", 0, 0, adopted_tables_are_ours },
	{ "adoption_checks_every_table", IODT_TABLES, IODT_GROWS, adoption_checks_every_table },
	{ "read_only_memory", IODT_DIRTY, 0, read_only_memory },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
