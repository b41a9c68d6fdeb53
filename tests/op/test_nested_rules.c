/* SPDX-License-Identifier: MIT */
/*
 * What nested translation marks and refuses, by hand: bits.md A1.11 rules 5 to 8, and every class of fault.
 * Each on every plain first stage over every plain second stage that has what it takes.
 */
#include "nestedrig.h"

#define R    IOD_ACCESS_READ
#define W    IOD_ACCESS_WRITE
#define X    IOD_ACCESS_EXEC
#define DATA (NESTED_DATA + IODT_2M)

struct world {
	struct nested n;
	uint64_t iova, page1; /* the page mapped, and the smallest page, of stage 1 */
	uint64_t item;	      /* IPA of its leaf */
	uint64_t pa;	      /* of its data */
	struct iod_fault f;
};

/* ---- the rig: one page of stage 1, its data, tables in pages of their own ---- */

/* w->n is configured. */
static void world_open_in(struct world *w, uint32_t prot1, uint32_t prot2)
{
	const struct iodt_variant *v1 = w->n.v1, *v2 = w->n.v2;
	uint64_t size;

	nested_open(&w->n);
	w->page1 = v1->sizes & -v1->sizes;
	w->iova = v1->first + 2 * w->page1;
	nested_map1(&w->n, w->iova, w->page1, DATA, prot1);
	w->item = nested_item1(&w->n, w->iova, 0);
	size = w->n.t->page;
	w->pa = iodt_pa(v2, size, 9);
	if (prot2)
		iodt_assert_ok(nested_map2(&w->n, DATA, size, w->pa, prot2));
}

static void world_open(struct world *w, const struct iodt_variant *v1,
		       const struct iodt_variant *v2, uint32_t flags, uint32_t prot1,
		       uint32_t prot2)
{
	memset(w, 0, sizeof(*w));
	w->n.v1 = v1;
	w->n.v2 = v2;
	w->n.flags = flags;
	world_open_in(w, prot1, prot2);
}

static void world_close(struct world *w)
{
	nested_close(&w->n);
}

static int access(struct world *w, uint32_t how)
{
	w->f = (struct iod_fault){ 0 };
	return iod_iotlb_access(w->n.tlb, w->n.pt, w->iova, how, NULL, &w->f);
}

static void refused(struct world *w, uint32_t how, enum iod_fault_reason reason, uint32_t stage,
		    enum iod_fault_class cls, uint64_t ipa, bool table_write)
{
	assert_int_equal(access(w, how), -EFAULT);
	assert_int_equal(w->f.reason, reason);
	assert_int_equal(w->f.stage, stage);
	assert_int_equal(w->f.cls, cls);
	assert_int_equal(w->f.ipa, ipa);
	assert_int_equal(w->f.table_write, table_write);
	assert_int_equal(w->f.iova, w->iova);
	assert_int_equal(w->f.access, how);
	assert_int_equal(w->f.domain, NESTED_DOMAIN1);
}

static bool dirty1(struct world *w)
{
	return iodt_pte_dirty(w->n.v1, nested_read(&w->n, w->item));
}

/* Take the page of a table entry away from stage 2, or give it other permissions. */
static void remap(struct world *w, uint64_t ipa, uint64_t pa, uint32_t prot)
{
	uint64_t page = w->n.t->page;

	ipa &= ~(page - 1);
	iodt_assert_ok(iod_unmap(w->n.t->pt, ipa, page, 0, w->n.t->gather, NULL));
	iodt_assert_ok(iod_gather_sync(w->n.t->gather));
	if (prot)
		iodt_assert_ok(nested_map2(&w->n, ipa, page, pa, prot));
	nested_inv_all(&w->n);
}

/* As it was: the page of the hand that writes tables. */
static void restore(struct world *w, uint64_t ipa)
{
	unsigned int i;

	for (i = 0; ipa - w->n.page[i].ipa >= w->n.t->page; i++)
		assert_true(i + 1 < w->n.nr_pages);
	if (!iod_unmap(w->n.t->pt, w->n.page[i].ipa, w->n.t->page, 0, w->n.t->gather, NULL))
		iodt_assert_ok(iod_gather_sync(w->n.t->gather));
	iodt_assert_ok(
		nested_map2(&w->n, w->n.page[i].ipa, w->n.t->page, w->n.page[i].pa, IODT_RW));
	nested_inv_all(&w->n);
}

static uint64_t page_pa(struct world *w, uint64_t ipa)
{
	struct mdl_leaf leaf = nested_leaf2(&w->n, ipa);

	return leaf.pa;
}

/* ---- pairs: those whose stage 2 has 4 KiB pages, so that every table has pages of its own ---- */

static bool tracks(const struct iodt_variant *v)
{
	return iodt_caps(v) & IODT_DIRTY;
}

/* Whether a read sets Accessed in the entries above the leaf as well: bits.md B1. */
static bool marks_tables(const struct iodt_variant *v)
{
	return v->format == IOD_VTD_FS || v->format == IOD_AMD_V2;
}

static void each_pair(void (*fn)(const struct iodt_variant *v1, const struct iodt_variant *v2))
{
	unsigned int i, j, ran = 0;

	for (i = 0; i < iodt_nr_variants; i++) {
		for (j = 0; j < iodt_nr_variants; j++) {
			const struct iodt_variant *v1 = &iodt_variants[i];
			const struct iodt_variant *v2 = &iodt_variants[j];

			if (!v1->plain || !v2->plain || v1->resize || v2->resize ||
			    !(v2->sizes & IODT_4K) || !nested_fits(v1, v2) || !tracks(v1) ||
			    !tracks(v2))
				continue;
			fn(v1, v2);
			ran++;
		}
	}
	if (!ran)
		skip();
}

/* ---- rules 7 and 8 ---- */

/* Rule 8: marking an entry of stage 1 is a write that stage 2 marks. */
static void update_dirties(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;

	world_open(&w, v1, v2, 0, IODT_RW, IODT_RW);
	if (marks_tables(v1)) /* born without: a read is enough */
		nested_clean2(&w.n, w.item);
	else /* the leaf is accessed already */
		assert_int_equal(access(&w, R), 0);
	assert_int_equal(nested_dirty2(&w.n, w.item), false);
	assert_int_equal(nested_dirty2(&w.n, DATA), false);
	assert_int_equal(access(&w, W), 0);
	assert_true(dirty1(&w));
	assert_true(nested_dirty2(&w.n, w.item));
	assert_true(nested_dirty2(&w.n, DATA));
	world_close(&w);
}

/* ... so is setting Accessed; of the tables above as well where they have it. */
static void accessed_dirties(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;
	unsigned int i;

	world_open(&w, v1, v2, 0, IODT_RW, IODT_RW);
	nested_write(&w.n, w.item, nested_read(&w.n, w.item) & ~iodt_accessed_bit(v1));
	assert_int_equal(access(&w, R), 0);
	assert_true(nested_read(&w.n, w.item) & iodt_accessed_bit(v1));
	assert_false(dirty1(&w));
	assert_true(nested_dirty2(&w.n, w.item));
	assert_false(nested_dirty2(&w.n, DATA));
	for (i = 1; i < v1->walk_levels; i++)
		assert_int_equal(nested_dirty2(&w.n, nested_item1(&w.n, w.iova, i)),
				 marks_tables(v1));
	world_close(&w);
}

/* A walk that has nothing to mark reads tables, and no more. */
static void fetch_reads(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;
	unsigned int i;

	world_open(&w, v1, v2, 0, IODT_RW | IOD_PROT_DIRTY, IODT_RW);
	assert_int_equal(access(&w, W), 0);
	assert_true(nested_dirty2(&w.n, DATA));
	for (i = 0; i < v1->walk_levels; i++) {
		uint64_t ipa = nested_item1(&w.n, w.iova, i);

		assert_true(nested_accessed2(&w.n, ipa));
		if (!marks_tables(v1))
			assert_false(nested_dirty2(&w.n, ipa));
		nested_clean2(&w.n, ipa);
	}
	nested_inv_all(&w.n);
	assert_int_equal(access(&w, W), 0);
	for (i = 0; i < v1->walk_levels; i++)
		assert_false(nested_dirty2(&w.n, nested_item1(&w.n, w.iova, i)));
	world_close(&w);
}

/* Rule 7: what stage 1 refuses does not dirty stage 2. */
static void stage1_refuses(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;

	world_open(&w, v1, v2, 0, IOD_PROT_READ, IODT_RW);
	refused(&w, W, IOD_FAULT_PERMISSION, 1, IOD_FAULT_INPUT, 0, false);
	assert_int_equal(w.f.pte_pa, w.item);
	assert_int_equal(w.f.level, 0);
	assert_false(nested_dirty2(&w.n, DATA));
	assert_false(nested_accessed2(&w.n, DATA));
	assert_false(nested_dirty2(&w.n, w.item));
	assert_int_equal(access(&w, R), 0);
	world_close(&w);
}

/* Rule 6, from the other side: what stage 2 refuses does not dirty stage 1. */
static void stage2_refuses(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;

	world_open(&w, v1, v2, 0, IODT_RW, IOD_PROT_READ);
	refused(&w, W, IOD_FAULT_PERMISSION, 2, IOD_FAULT_INPUT, DATA, false);
	assert_int_equal(w.f.pte_pa, nested_leaf2(&w.n, DATA).pte_pa);
	assert_false(dirty1(&w));
	assert_false(nested_dirty2(&w.n, w.item));
	assert_int_equal(access(&w, R), 0);
	assert_false(dirty1(&w));
	world_close(&w);
}

/* Rule 8: an update needs stage 2's write permission. */
static void update_refused(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;
	uint64_t pte;

	world_open(&w, v1, v2, 0, IODT_RW, IODT_RW);
	assert_int_equal(access(&w, R), 0); /* tables are marked */
	pte = nested_read(&w.n, w.item);
	remap(&w, w.item, page_pa(&w, w.item), IOD_PROT_READ);
	refused(&w, W, IOD_FAULT_PERMISSION, 2, IOD_FAULT_TABLE, w.item, true);
	assert_int_equal(nested_read(&w.n, w.item), pte);
	assert_false(nested_dirty2(&w.n, DATA));
	/* nothing to update: granted */
	assert_int_equal(access(&w, R), 0);
	nested_write(&w.n, w.item, iodt_pte_mark(v1, pte));
	nested_inv_all(&w.n);
	assert_int_equal(access(&w, W), 0);
	assert_true(nested_dirty2(&w.n, DATA));
	world_close(&w);
}

/* A2.3 rule 9: with the flag even to read an entry wants write permission, and marks nothing by it. */
static void read_wants_write(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;
	uint32_t flags;

	for (flags = 0; flags <= IOD_MEM_NESTED_READ_WANTS_WRITE; flags++) {
		memset(&w, 0, sizeof(w));
		w.n.v1 = v1;
		w.n.v2 = v2;
		w.n.mem_flags = flags;
		world_open_in(&w, IODT_RW, IODT_RW);
		assert_int_equal(access(&w, W), 0); /* all is marked */
		nested_clean2(&w.n, w.item);
		nested_inv_all(&w.n);
		assert_int_equal(access(&w, R), 0);
		assert_true(nested_accessed2(&w.n, w.item));
		assert_false(nested_dirty2(&w.n, w.item));
		remap(&w, w.item, page_pa(&w, w.item), IOD_PROT_READ);
		if (flags)
			refused(&w, R, IOD_FAULT_PERMISSION, 2, IOD_FAULT_TABLE, w.item, false);
		else
			assert_int_equal(access(&w, R), 0);
		world_close(&w);
	}
}

/* Rule 5: a speculative walk dirties no data; it may dirty tables, for it may set Accessed there. */
static void speculation(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct iod_iotlb_stats s = { .size = sizeof(s) };
	struct world w;
	uint64_t next;
	unsigned int i;

	world_open(&w, v1, v2, IOD_IOTLB_SPECULATE, IODT_RW, 0);
	/* the page behind, in a stage-2 page of its own */
	next = DATA + IODT_2M;
	iodt_assert_ok(nested_map2(&w.n, DATA, w.n.t->page, w.pa, IODT_RW));
	iodt_assert_ok(nested_map2(&w.n, next, w.n.t->page, iodt_pa(v2, w.n.t->page, 11), IODT_RW));
	/* all of the first page is one translation, else the next one begins inside of it */
	nested_map1(&w.n, w.iova + w.page1, w.page1, next, IODT_RW);
	for (i = 0; i < 200; i++) {
		nested_inv_all(&w.n);
		assert_int_equal(access(&w, W), 0);
	}
	iodt_assert_ok(iod_iotlb_get_stats(w.n.tlb, &s));
	assert_true(s.speculated > 0);
	assert_false(nested_dirty2(&w.n, next));
	assert_int_equal(nested_accessed2(&w.n, next), w.page1 <= w.n.t->page);
	world_close(&w);
}

/* ---- what an iotlb of stage 1 was told to be like ---- */

/* An ATC: a request that may write marks both stages at once, one that may not marks neither. */
static void atc(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct iod_access_result r = { 0 };
	struct world w;

	world_open(&w, v1, v2, IOD_IOTLB_ATC, IODT_RW, IODT_RW);
	iodt_assert_ok(iod_iotlb_access(w.n.tlb, w.n.pt, w.iova, R, &r, NULL));
	assert_int_equal(r.prot & IODT_RW, IOD_PROT_READ);
	assert_false(dirty1(&w));
	assert_false(nested_dirty2(&w.n, DATA));
	iodt_assert_ok(iod_iotlb_access(w.n.tlb, w.n.pt, w.iova, W, &r, NULL));
	assert_int_equal(r.prot & IODT_RW, IODT_RW);
	assert_true(dirty1(&w));
	assert_true(nested_dirty2(&w.n, w.item));
	assert_true(nested_dirty2(&w.n, DATA));
	/* dirty in stage 1 alone is not enough to be told that it may write */
	nested_clean2(&w.n, DATA);
	nested_inv_all(&w.n);
	iodt_assert_ok(iod_iotlb_access(w.n.tlb, w.n.pt, w.iova, R, &r, NULL));
	assert_int_equal(r.prot & IODT_RW, IOD_PROT_READ);
	assert_false(nested_dirty2(&w.n, DATA));
	world_close(&w);
}

struct moving {
	struct world *w;
	bool late;
	unsigned int calls;
};

static int look(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct moving *m = cookie;

	assert_int_equal(pa, m->w->pa + 16);
	assert_int_equal(len, 8);
	assert_int_equal(dirty1(m->w), !m->late);
	assert_int_equal(nested_dirty2(&m->w->n, DATA), !m->late);
	m->calls++;
	return 0;
}

/* Rule 12: data before the marks of both stages, or after them. */
static void order(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;
	struct moving m = { .w = &w };
	uint64_t done;

	for (m.late = false;; m.late = true) {
		world_open(&w, v1, v2, m.late ? IOD_IOTLB_LATE_DIRTY : 0, IODT_RW, IODT_RW);
		m.calls = 0;
		done = 0;
		iodt_assert_ok(
			iod_iotlb_dma(w.n.tlb, w.n.pt, w.iova + 16, 8, W, look, &m, &done, NULL));
		assert_int_equal(done, 8);
		assert_int_equal(m.calls, 1);
		assert_true(dirty1(&w));
		assert_true(nested_dirty2(&w.n, DATA));
		world_close(&w);
		if (m.late)
			break;
	}
}

/* Level hints are the first stage's: that is whose tag they come with. */
static void levels(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct iod_inv inv = { .kind = IOD_INV_RANGE, .domain = NESTED_DOMAIN1 };
	uint32_t level = iodt_item_level(v1, IODT_2M), l;
	struct iod_access_result r = { 0 };
	struct world w;

	world_open(&w, v1, v2, IOD_IOTLB_EXACT_LEVELS, IODT_RW, IODT_RW);
	w.iova = v1->first + 4 * IODT_2M;
	nested_map1(&w.n, w.iova, IODT_2M, DATA, IODT_RW);
	inv.iova = w.iova;
	inv.last = w.iova + IODT_4K - 1;
	for (l = 0; l < v1->walk_levels; l++) {
		assert_int_equal(access(&w, R), 0);
		inv.leaf_levels = 1u << l;
		iodt_assert_ok(iod_iotlb_invalidate(w.n.tlb, &inv, 1));
		iodt_assert_ok(iod_iotlb_access(w.n.tlb, w.n.pt, w.iova, R, &r, NULL));
		assert_int_equal(r.hit, l != level);
	}
	world_close(&w);
}

/* ---- classes of fault ---- */

static void holes(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;
	uint64_t ipa;
	unsigned int i;

	world_open(&w, v1, v2, 0, IODT_RW, 0);
	refused(&w, W, IOD_FAULT_TRANSLATION, 2, IOD_FAULT_INPUT, DATA, false);
	assert_false(dirty1(&w));
	iodt_assert_ok(nested_map2(&w.n, DATA, w.n.t->page, w.pa, IODT_RW));
	assert_int_equal(access(&w, W), 0);
	for (i = 0; i < v1->walk_levels; i++) {
		ipa = nested_item1(&w.n, w.iova, i);
		remap(&w, ipa, 0, 0);
		refused(&w, R, IOD_FAULT_TRANSLATION, 2, IOD_FAULT_TABLE, ipa, false);
		refused(&w, W, IOD_FAULT_TRANSLATION, 2, IOD_FAULT_TABLE, ipa, false);
		restore(&w, ipa);
		assert_int_equal(access(&w, R), 0);
	}
	world_close(&w);
}

/* Stage 1 leads out of stage 2's input range. */
static void out_of_range(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	uint64_t ipa = IODT_BIT(46);
	struct world w;

	if (v2->last >= ipa)
		return;
	world_open(&w, v1, v2, 0, IODT_RW, 0);
	nested_map1(&w.n, w.iova, w.page1, ipa, IODT_RW);
	refused(&w, R, IOD_FAULT_RANGE, 2, IOD_FAULT_INPUT, ipa, false);
	assert_false(nested_dirty2(&w.n, w.item));
	world_close(&w);
}

/* A table of stage 2 that is not in memory; one of stage 1 that stage 2 puts where there is none. */
static void aborts(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	uint64_t nowhere = IODT_BIT(44) + (uint64_t)3 * IODT_2M, entry, was;
	struct world w;

	world_open(&w, v1, v2, 0, IODT_RW, IODT_RW);
	remap(&w, w.item, nowhere, IODT_RW);
	refused(&w, R, IOD_FAULT_WALK_ABORT, 1, IOD_FAULT_TABLE, w.item, false);
	assert_int_equal(w.f.pte_pa, nowhere + (w.item & (w.n.t->page - 1)));
	restore(&w, w.item);
	/* the entry of stage 2 that points to the leaf table of the data */
	entry = iodt_table_entry(w.n.t->pt, v2, DATA);
	assert_int_not_equal(entry, 0);
	was = iodt_read(w.n.t, entry);
	iodt_write(w.n.t, entry, iodt_make_table(v2, 1, nowhere));
	nested_inv_all(&w.n);
	refused(&w, R, IOD_FAULT_WALK_ABORT, 2, IOD_FAULT_INPUT, DATA, false);
	assert_in_range(w.f.pte_pa, nowhere, nowhere + 4095);
	iodt_write(w.n.t, entry, was);
	assert_int_equal(access(&w, W), 0);
	world_close(&w);
}

/* ---- of one stage only ---- */

/* Access flag and execution: of VMSAv8-64. */
static void arm_only(void **state)
{
	const struct iodt_variant *v1 = iodt_variant("arm_lpae_s1-4k-ias48");
	const struct iodt_variant *v2 = iodt_variant("arm_lpae_s2-4k-ias48-nohttu");
	struct mdl_leaf leaf;
	struct world w;

	if (!nested_fits(v1, v2))
		skip();
	world_open(&w, v1, v2, 0, IODT_RW, IODT_RW | IOD_PROT_NOEXEC);
	assert_int_equal(access(&w, R), 0);
	refused(&w, R | X, IOD_FAULT_PERMISSION, 2, IOD_FAULT_INPUT, DATA, false);
	leaf = nested_leaf2(&w.n, DATA);
	iodt_write(w.n.t, leaf.pte_pa, leaf.pte & ~IODT_BIT(10)); /* AF */
	nested_inv_all(&w.n);
	refused(&w, R, IOD_FAULT_ACCESS_FLAG, 2, IOD_FAULT_INPUT, DATA, false);
	iodt_write(w.n.t, leaf.pte_pa, leaf.pte);
	/* of the page with the table: fetched before anything else */
	leaf = nested_leaf2(&w.n, w.item);
	iodt_write(w.n.t, leaf.pte_pa, leaf.pte & ~IODT_BIT(10));
	nested_inv_all(&w.n);
	refused(&w, R, IOD_FAULT_ACCESS_FLAG, 2, IOD_FAULT_TABLE, w.item, false);
	iodt_write(w.n.t, leaf.pte_pa, leaf.pte);
	/* stage 1's own */
	nested_map1(&w.n, w.iova, w.page1, DATA, IODT_RW | IOD_PROT_NOEXEC);
	refused(&w, R | X, IOD_FAULT_PERMISSION, 1, IOD_FAULT_INPUT, 0, false);
	nested_map1(&w.n, w.iova, w.page1, DATA, IODT_RW | IOD_PROT_PRIV);
	refused(&w, R, IOD_FAULT_PERMISSION, 1, IOD_FAULT_INPUT, 0, false);
	assert_int_equal(access(&w, R | IOD_ACCESS_PRIV), 0);
	world_close(&w);
}

/* A reserved bit in an entry of stage 2 is stage 2's fault. */
static void reserved(void **state)
{
	const struct iodt_variant *v1 = iodt_variant("vtd_fs-4"), *v2 = iodt_variant("vtd_ss-4");
	struct mdl_leaf leaf;
	struct world w;

	if (!nested_fits(v1, v2))
		skip();
	world_open(&w, v1, v2, 0, IODT_RW, IODT_RW);
	leaf = nested_leaf2(&w.n, DATA);
	iodt_write(w.n.t, leaf.pte_pa, leaf.pte | IODT_BIT(62)); /* IW without SSIRWE */
	refused(&w, R, IOD_FAULT_RESERVED, 2, IOD_FAULT_INPUT, DATA, false);
	assert_int_equal(w.f.pte_pa, leaf.pte_pa);
	assert_int_equal(w.f.level, 0);
	world_close(&w);
}

#define EACH(fn)                            \
	static void test_##fn(void **state) \
	{                                   \
		each_pair(fn);              \
	}

EACH(update_dirties)
EACH(accessed_dirties)
EACH(fetch_reads)
EACH(stage1_refuses)
EACH(stage2_refuses)
EACH(update_refused)
EACH(read_wants_write)
EACH(speculation)
EACH(atc)
EACH(order)
EACH(levels)
EACH(holes)
EACH(out_of_range)
EACH(aborts)

int main(int argc, char **argv)
{
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(test_update_dirties),
		cmocka_unit_test(test_accessed_dirties),
		cmocka_unit_test(test_fetch_reads),
		cmocka_unit_test(test_stage1_refuses),
		cmocka_unit_test(test_stage2_refuses),
		cmocka_unit_test(test_update_refused),
		cmocka_unit_test(test_read_wants_write),
		cmocka_unit_test(test_speculation),
		cmocka_unit_test(test_atc),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_aborts),
		cmocka_unit_test(arm_only),
		cmocka_unit_test(reserved),
	};

	return iodt_main(argc, argv, NULL, 0, plain, IODT_ARRAY_SIZE(plain));
}
