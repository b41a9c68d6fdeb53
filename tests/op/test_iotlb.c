/* SPDX-License-Identifier: MIT */
/*
 * An iotlb on every format and configuration: against the independent model, and what it may do
 * with what it has cached.
 */
#include "iodtest.h"

#define R IOD_ACCESS_READ
#define W IOD_ACCESS_WRITE

static struct iod_iotlb *new_tlb(uint32_t entries, uint32_t ways, uint32_t walk, uint32_t flags,
				 uint64_t seed)
{
	struct iod_iotlb_cfg cfg = {
		.size = sizeof(cfg),
		.entries = entries,
		.ways = ways,
		.walk_entries = walk,
		.flags = flags,
		.seed = seed,
	};
	struct iod_iotlb *tlb = NULL;

	iodt_assert_ok(iod_iotlb_create(&tlb, &cfg));
	return tlb;
}

static struct iod_iotlb_stats stats_of(const struct iod_iotlb *tlb)
{
	struct iod_iotlb_stats s = { .size = sizeof(s) };

	iodt_assert_ok(iod_iotlb_get_stats(tlb, &s));
	return s;
}

static void inv(struct iod_iotlb *tlb, enum iod_inv_kind kind, uint32_t flags, uint64_t domain,
		uint64_t iova, uint64_t last)
{
	struct iod_inv i = {
		.kind = kind, .flags = flags, .domain = domain, .iova = iova, .last = last
	};

	iodt_assert_ok(iod_iotlb_invalidate(tlb, &i, 1));
}

/* An access that must be granted. @return whether it was a hit */
static bool hit(struct iodt *t, struct iod_iotlb *tlb, uint64_t iova, uint32_t access)
{
	struct iod_access_result r = { 0 };

	iodt_assert_ok(iod_iotlb_access(tlb, t->pt, iova, access, &r, NULL));
	return r.hit;
}

/* ---- against the model: two tables built alike, one for the iotlb and one for the model ---- */

struct pair {
	struct iodt *t, *twin;
	struct iod_iotlb *tlb;
	struct mdl_table table; /* of the twin */
	struct mdl_mem mem;
	struct iodt_leaves leaves;
	bool caches; /* nothing is invalidated, nothing is changed by software */
};

static void map_twins(struct pair *p, uint64_t iova, uint64_t size, uint64_t n)
{
	static const uint32_t prots[] = {
		IOD_PROT_READ, IODT_RW, IODT_RW, IODT_RW, IODT_RW | IOD_PROT_DIRTY, IOD_PROT_WRITE
	};
	uint32_t prot = prots[n % IODT_ARRAY_SIZE(prots)];
	uint64_t pa = iodt_pa(p->t->v, size, n + 3);
	int ret = iod_map(p->t->pt, iova, pa, size, prot, NULL, NULL);

	assert_int_equal(iod_map(p->twin->pt, iova, pa, size, prot, NULL, NULL), ret);
	assert_true(!ret || ret == -EEXIST || ret == -EOPNOTSUPP || ret == -ERANGE);
}

/* One page of each size at the ends and inside of the input space, and its neighbours. */
static void build_twins(struct pair *p)
{
	const struct iodt_variant *v = p->t->v;
	uint64_t places[IODT_PLACES], n = 0;
	size_t i, nr;
	unsigned int s;

	for (s = 12; s < 50; s++) {
		if (!(v->sizes & IODT_BIT(s)))
			continue;
		nr = iodt_places(v, IODT_BIT(s), places);
		for (i = 0; i < nr; i++, n++)
			map_twins(p, places[i], IODT_BIT(s), n);
	}
	for (i = 0; i < 24; i++, n++)
		map_twins(p, v->first + p->t->page * (2 * i + i % 3), p->t->page, n);
}

static void pair_open(struct pair *p, struct iodt *t, uint32_t flags, bool caches)
{
	*p = (struct pair){ .t = t, .twin = iodt_open(t->v), .caches = caches };
	assert_non_null(p->twin);
	p->tlb = new_tlb(8, 2, 4, flags, 1);
	build_twins(p);
	iodt_leaves(p->twin, &p->leaves);
	assert_true(p->leaves.nr > 0);
	iodt_model(p->twin, &p->table);
	/* open in the manual: the flag of the iotlb says */
	if (t->v->format == IOD_AMD_V1)
		p->table.hw_table_access = !(flags & IOD_IOTLB_NO_TABLE_ACCESS);
	p->mem = iodt_mdl_mem(p->twin);
}

static void pair_close(struct pair *p)
{
	iodt_leaves_free(&p->leaves);
	iodt_assert_ok(iod_iotlb_destroy(p->tlb));
	iodt_assert_ok(iodt_close(p->twin));
}

static enum iod_fault_reason expected_reason(const struct pair *p, enum mdl_fault fault)
{
	switch (fault) {
	case MDL_OK:
		return IOD_FAULT_NONE;
	case MDL_RANGE:
		return IOD_FAULT_RANGE;
	case MDL_NOT_PRESENT:
		return IOD_FAULT_TRANSLATION;
	case MDL_PERMISSION:
		return IOD_FAULT_PERMISSION;
	case MDL_ACCESS_FLAG:
		return IOD_FAULT_ACCESS_FLAG;
	case MDL_ADDR_SIZE:
		return IOD_FAULT_ADDRESS_SIZE;
	case MDL_RESERVED:
		return p->t->caps & IODT_ARM ? IOD_FAULT_TRANSLATION : IOD_FAULT_RESERVED;
	case MDL_WALK_ABORT:
		break;
	}
	return IOD_FAULT_WALK_ABORT;
}

static uint64_t pick_iova(struct pair *p)
{
	const struct mdl_leaf *l = &p->leaves.leaf[iodt_below(p->t, p->leaves.nr)];
	uint64_t r = iodt_random(p->t);

	switch (iodt_below(p->t, 8)) {
	case 0:
		return r;
	case 1:
		return p->t->v->first + r % (p->t->v->last - p->t->v->first + !!~p->t->v->last);
	case 2:
		return l->iova + l->size; /* the page behind */
	default:
		return l->iova + r % l->size;
	}
}

static void one_access(struct pair *p)
{
	uint64_t iova = pick_iova(p);
	uint32_t access = iodt_below(p->t, 2) ? W : R;
	struct iod_access_result r = { 0 };
	struct iod_fault fault = { 0 };
	struct mdl_leaf leaf;
	enum mdl_fault expect;

	expect = mdl_access(&p->table, &p->mem, iova, access == W, &leaf);
	iod_iotlb_access(p->tlb, p->t->pt, iova, access, &r, &fault);
	if (fault.reason != expected_reason(p, expect))
		print_error("%jx: the model says %s\n", (uintmax_t)iova, mdl_fault_name(expect));
	assert_int_equal(fault.reason, expected_reason(p, expect));
	if (expect != MDL_OK)
		return;
	assert_int_equal(r.pa, leaf.pa + (iova - leaf.iova));
	assert_int_equal(r.len, leaf.size - (iova - leaf.iova));
	assert_int_equal(!!(r.prot & IOD_PROT_READ), leaf.r);
	assert_int_equal(!!(r.prot & IOD_PROT_WRITE), leaf.w);
}

/* Software cleans, ages or breaks an entry: in both tables. */
static void one_change(struct pair *p)
{
	const struct iodt_variant *v = p->t->v;
	const struct mdl_leaf *l = &p->leaves.leaf[iodt_below(p->t, p->leaves.nr)];
	uint64_t item = l->pte_pa + 8 * iodt_below(p->t, l->items);
	uint64_t pte = iodt_read(p->twin, item);

	switch (iodt_below(p->t, 4)) {
	case 0:
		pte = pte & ~iodt_accessed_bit(v);
		break;
	case 1:
		pte = iodt_pte_mark(v, pte);
		break;
	case 2:
		pte ^= IODT_BIT(iodt_below(p->t, 2));
		break;
	default:
		pte = iodt_pte_clean(v, pte);
		break;
	}
	iodt_write(p->twin, item, pte);
	iodt_write(p->t, item, pte);
	inv(p->tlb, IOD_INV_DOMAIN, 0, 0x1234, 0, 0);
}

static void compare_tables(struct pair *p)
{
	struct iodt_snapshot a, b;

	iodt_snapshot(p->t, &a);
	iodt_snapshot(p->twin, &b);
	assert_int_equal(a.nr, b.nr);
	assert_memory_equal(a.word, b.word, a.nr * sizeof(*a.word));
	iodt_snapshot_free(&a);
	iodt_snapshot_free(&b);
}

static void run_pair(struct iodt *t, uint32_t flags, bool caches)
{
	unsigned int i, n = iodt_scale(600);
	struct pair p;

	pair_open(&p, t, flags, caches);
	compare_tables(&p);
	for (i = 0; i < n; i++) {
		if (!caches && !iodt_below(t, 3))
			one_change(&p);
		one_access(&p);
	}
	compare_tables(&p);
	pair_close(&p);
}

static void model_changes(struct iodt *t)
{
	run_pair(t, 0, false);
}

/* Caches change neither answers nor tables as long as only hardware writes there. */
static void model_caches(struct iodt *t)
{
	run_pair(t, 0, true);
}

static void model_no_table_access(struct iodt *t)
{
	run_pair(t, IOD_IOTLB_NO_TABLE_ACCESS, true);
}

/* ---- what a cached translation hides ---- */

static uint64_t leaf_item(struct iodt *t, uint64_t iova)
{
	return iodt_walk(t, iova).pte_pa;
}

static bool is_dirty(struct iodt *t, uint64_t iova)
{
	return iodt_pte_dirty(t->v, iodt_read(t, leaf_item(t, iova)));
}

static void clean(struct iodt *t, uint64_t iova)
{
	uint64_t item = leaf_item(t, iova);

	iodt_write(t, item, iodt_pte_clean(t->v, iodt_read(t, item)));
}

/* The stale hazard: a write through a translation that was dirty when cached leaves no trace. */
static void stale_dirty_of(struct iodt *t, struct iod_iotlb *tlb, uint64_t iova, uint64_t size)
{
	uint64_t at = iova + size / 2;
	unsigned int i;

	assert_false(is_dirty(t, at));
	assert_false(hit(t, tlb, at, W));
	assert_true(is_dirty(t, at));
	clean(t, at);
	assert_true(hit(t, tlb, at, W));
	assert_false(is_dirty(t, at));
	/* not its domain, not its address */
	inv(tlb, IOD_INV_DOMAIN, 0, 0x1235, 0, 0);
	inv(tlb, IOD_INV_RANGE, 0, 0x1235, iova, iova + size - 1);
	if (iova + size)
		inv(tlb, IOD_INV_RANGE, 0, 0x1234, iova + size, iova + size);
	if (iova)
		inv(tlb, IOD_INV_RANGE, 0, 0x1234, 0, iova - 1);
	assert_true(hit(t, tlb, at, W));
	assert_false(is_dirty(t, at));
	/* each of these drops it: the first byte, the last byte, more than it, everything */
	for (i = 0; i < 6; i++) {
		if (i == 0)
			inv(tlb, IOD_INV_RANGE, IOD_INV_LEAF_ONLY, 0x1234, iova, iova);
		else if (i == 1)
			inv(tlb, IOD_INV_RANGE, IOD_INV_LEAF_ONLY, 0x1234, iova + size - 1,
			    iova + size - 1);
		else if (i == 2)
			inv(tlb, IOD_INV_RANGE, 0, 0x1234, 0, UINT64_MAX);
		else if (i == 3)
			inv(tlb, IOD_INV_DOMAIN, IOD_INV_LEAF_ONLY, 0x1234, 0, 0);
		else
			inv(tlb, IOD_INV_ALL, i == 4 ? IOD_INV_LEAF_ONLY : 0, 0, 0, 0);
		clean(t, at);
		assert_false(hit(t, tlb, at, W));
		assert_true(is_dirty(t, at));
	}
}

static void stale_dirty(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(0, 0, 0, 0, 0);
	uint64_t places[IODT_PLACES];
	unsigned int s;
	size_t i, nr;

	for (s = 12; s < 50; s++) {
		if (!(t->v->sizes & IODT_BIT(s)))
			continue;
		nr = iodt_places(t->v, IODT_BIT(s), places);
		for (i = 0; i < nr; i++) {
			iodt_map(t, places[i], iodt_pa(t->v, IODT_BIT(s), i), IODT_BIT(s), IODT_RW);
			stale_dirty_of(t, tlb, places[i], IODT_BIT(s));
			iodt_unmap(t, places[i], IODT_BIT(s));
			iodt_sync(t);
			inv(tlb, IOD_INV_ALL, 0, 0, 0, 0);
		}
	}
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/*
 * A read caches a clean translation; the first write through it walks again, the second does
 * not.
 */
static void write_after_read(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(0, 0, 0, 0, 0);
	uint64_t iova = t->v->first;

	iodt_map(t, iova, 0, t->page, IODT_RW);
	assert_false(hit(t, tlb, iova, R));
	assert_true(hit(t, tlb, iova, R));
	assert_false(is_dirty(t, iova));
	assert_false(hit(t, tlb, iova, W));
	assert_true(is_dirty(t, iova));
	assert_true(hit(t, tlb, iova, W));
	assert_true(hit(t, tlb, iova, R | W));
	assert_int_equal(stats_of(tlb).set_dirty, 1);
	assert_int_equal(stats_of(tlb).hits, 3);
	assert_int_equal(stats_of(tlb).misses, 2);
	/* cleaned and accessed bits: of the cached one hardware sets neither again */
	iodt_write(t, leaf_item(t, iova),
		   iodt_pte_clean(t->v, iodt_read(t, leaf_item(t, iova))) &
			   ~iodt_accessed_bit(t->v));
	assert_true(hit(t, tlb, iova, R | W));
	assert_false(iodt_walk(t, iova).a);
	assert_false(is_dirty(t, iova));
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* Without hardware dirty state, a write through a translation that a read cached is a hit. */
static void untracked(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(0, 0, 0, 0, 0);
	uint64_t iova = t->v->first;
	struct iodt_snapshot s;

	iodt_map(t, iova, 0, t->page, IODT_RW);
	assert_false(hit(t, tlb, iova, R));
	iodt_snapshot(t, &s);
	assert_true(hit(t, tlb, iova, W));
	iodt_unchanged(t, &s);
	assert_int_equal(stats_of(tlb).set_dirty, 0);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* So it is where single leaves are not tracked (ARM: writable without DBM). */
static void untracked_leaf(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(0, 0, 0, 0, 0);
	uint64_t iova = t->v->first;

	iodt_map(t, iova, 0, t->page, IODT_RW | IOD_PROT_UNTRACKED);
	assert_false(hit(t, tlb, iova, R));
	assert_true(hit(t, tlb, iova, W));
	assert_int_equal(stats_of(tlb).set_dirty, 0);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* Of an address without translation nothing is kept: mapping needs no invalidation. */
static void no_negative_caching(struct iodt *t)
{
	struct iod_iotlb *tlb = new_tlb(0, 0, 0, 0, 0);
	struct iod_fault fault = { 0 };
	uint64_t iova = t->v->first;

	/* a neighbour, so that the table stays */
	iodt_map(t, iova + t->page, 0, t->page, IODT_RW);
	assert_int_equal(iod_iotlb_access(tlb, t->pt, iova, R, NULL, &fault), -EFAULT);
	assert_int_equal(fault.reason, IOD_FAULT_TRANSLATION);
	assert_int_equal(fault.iova, iova);
	assert_int_equal(fault.domain, 0x1234);
	iodt_map(t, iova, 0, t->page, IOD_PROT_READ);
	assert_false(hit(t, tlb, iova, R));
	/* nor of a missing permission: raised without an invalidation */
	assert_int_equal(iod_iotlb_access(tlb, t->pt, iova, W, NULL, &fault), -EFAULT);
	assert_int_equal(fault.reason, IOD_FAULT_PERMISSION);
	iodt_unmap(t, iova, t->page);
	iodt_map(t, iova, 0, t->page, IODT_RW);
	assert_false(hit(t, tlb, iova, W));
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* ---- geometry of the cache; on plain variants ---- */

/* Pages small enough to be one entry each, whatever the sizes of the format. */
static void map_single(struct iodt *t, uint64_t nr)
{
	uint64_t i;

	/* every other output page, so that neighbours never make a run */
	for (i = 0; i < nr; i++)
		iodt_map(t, t->v->first + i * t->page, 2 * i * t->page, t->page, IODT_RW);
}

static uint64_t hits_of(struct iodt *t, struct iod_iotlb *tlb, const uint64_t *page, size_t nr)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < nr; i++)
		n += hit(t, tlb, t->v->first + page[i] * t->page, R);
	return n;
}

static void geometry(struct iodt *t)
{
	static const uint64_t eight[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	static const uint64_t same_set[] = { 0, 4, 8 }, other_set[] = { 1, 5 };
	struct iod_iotlb *full = new_tlb(8, 8, 1, 0, 0), *two = new_tlb(8, 2, 1, 0, 0);
	struct iod_iotlb *one = new_tlb(1, 0, 1, 0, 0);
	uint64_t n;

	map_single(t, 16);
	assert_int_equal(hits_of(t, full, eight, 8), 0);
	assert_int_equal(hits_of(t, full, eight, 8), 8);
	/* the ninth takes the place of one */
	assert_false(hit(t, full, t->v->first + 8 * t->page, R));
	assert_true(hit(t, full, t->v->first + 8 * t->page, R));

	/* four sets of two ways: pages 0, 4 and 8 share one */
	assert_int_equal(hits_of(t, two, eight, 8), 0);
	assert_int_equal(hits_of(t, two, eight, 8), 8);
	assert_false(hit(t, two, t->v->first + 8 * t->page, R));
	assert_int_equal(hits_of(t, two, other_set, 2), 2);
	n = hits_of(t, two, same_set, 3);
	assert_true(n < 3);

	assert_false(hit(t, one, t->v->first, R));
	assert_true(hit(t, one, t->v->first, R));
	assert_false(hit(t, one, t->v->first + t->page, R));
	assert_false(hit(t, one, t->v->first, R));
	iodt_assert_ok(iod_iotlb_destroy(full));
	iodt_assert_ok(iod_iotlb_destroy(two));
	iodt_assert_ok(iod_iotlb_destroy(one));
}

/* Equal seeds behave equally; unequal ones need not. */
static void determinism(struct iodt *t)
{
	struct iod_iotlb *a = new_tlb(8, 4, 2, IOD_IOTLB_SPECULATE, 5);
	struct iod_iotlb *b = new_tlb(8, 4, 2, IOD_IOTLB_SPECULATE, 5);
	struct iod_iotlb *c = new_tlb(8, 4, 2, IOD_IOTLB_SPECULATE, 6);
	unsigned int i, differ = 0;
	uint64_t iova;
	bool h;

	map_single(t, 32);
	for (i = 0; i < 2000; i++) {
		iova = t->v->first + iodt_below(t, 32) * t->page;
		h = hit(t, a, iova, R);
		assert_int_equal(hit(t, b, iova, R), h);
		differ += hit(t, c, iova, R) != h;
	}
	assert_true(differ > 0);
	assert_int_equal(stats_of(a).hits, stats_of(b).hits);
	assert_int_equal(stats_of(a).speculated, stats_of(b).speculated);
	assert_int_equal(stats_of(a).walk_hits, stats_of(b).walk_hits);
	iodt_assert_ok(iod_iotlb_destroy(a));
	iodt_assert_ok(iod_iotlb_destroy(b));
	iodt_assert_ok(iod_iotlb_destroy(c));
}

/* Entries belong to a domain: equal tags share them, as in hardware. */
static void domains(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	struct iod_iotlb *tlb = new_tlb(0, 0, 0, 0, 0);
	struct iod_pgtable *same, *other;
	struct iod_access_result r;
	uint64_t iova = t->v->first;

	iodt_map(t, iova, 0, t->page, IODT_RW);
	iodt_assert_ok(iod_pgtable_create(&same, &cfg));
	cfg.domain += IODT_BIT(32); /* the same set of the cache */
	iodt_assert_ok(iod_pgtable_create(&other, &cfg));
	iodt_assert_ok(iod_map(other, iova, t->page, t->page, IODT_RW, NULL, NULL));
	assert_false(hit(t, tlb, iova, W));
	iodt_assert_ok(iod_iotlb_access(tlb, other, iova, W, &r, NULL));
	assert_int_equal(r.pa, t->page);
	assert_false(r.hit);
	iodt_assert_ok(iod_iotlb_access(tlb, same, iova, W, &r, NULL));
	assert_int_equal(r.pa, 0);
	assert_true(r.hit);
	inv(tlb, IOD_INV_DOMAIN, 0, 0x1234, 0, 0);
	assert_int_equal(iod_iotlb_access(tlb, same, iova, W, &r, NULL), -EFAULT);
	iodt_assert_ok(iod_iotlb_access(tlb, other, iova, W, &r, NULL));
	assert_true(r.hit);
	iodt_assert_ok(iod_pgtable_destroy(same));
	iodt_assert_ok(iod_pgtable_destroy(other));
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "model_changes", 0, 0, model_changes },
		{ "model_caches", 0, 0, model_caches },
		{ "model_no_table_access", IODT_REPLICAS, 0, model_no_table_access },
		{ "stale_dirty", IODT_DIRTY, 0, stale_dirty },
		{ "write_after_read", IODT_DIRTY, 0, write_after_read },
		{ "untracked", 0, IODT_DIRTY, untracked },
		{ "untracked_leaf", IODT_DIRTY | IODT_ARM, 0, untracked_leaf },
		{ "no_negative_caching", 0, 0, no_negative_caching },
		{ "geometry", IODT_MIDDLING, 0, geometry },
		{ "determinism", IODT_PLAIN, 0, determinism },
		{ "domains", 0, 0, domains },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
