/* SPDX-License-Identifier: MIT */
/*
 * What is cached where in nested translation: combined translations go with the first stage's tags and in
 * no other way, what stage 2's iotlb holds goes by stage 2's. Each promise has a twin that leaves out the
 * invalidation that it depends on, or has two of them the wrong way around.
 */
#include "nestedrig.h"

#define R    IOD_ACCESS_READ
#define W    IOD_ACCESS_WRITE
#define DATA (NESTED_DATA + IODT_2M)

struct world {
	struct nested n;
	uint64_t iova, size1, page2;
	uint64_t pa;
};

static void world_open(struct world *w, const struct iodt_variant *v1,
		       const struct iodt_variant *v2, uint64_t size1)
{
	memset(w, 0, sizeof(*w));
	w->n.v1 = v1;
	w->n.v2 = v2;
	nested_open(&w->n);
	w->page2 = w->n.t->page;
	w->size1 = size1;
	w->iova = v1->first + 2 * size1;
	nested_map1(&w->n, w->iova, size1, DATA, IODT_RW);
	w->pa = iodt_pa(v2, w->page2, 9);
	iodt_assert_ok(nested_map2(&w->n, DATA, w->page2, w->pa, IODT_RW));
}

static uint64_t small1(const struct iodt_variant *v)
{
	return v->sizes & -v->sizes;
}

static struct iod_access_result access_at(struct world *w, uint64_t iova, uint32_t how)
{
	struct iod_access_result r = { 0 };

	iodt_assert_ok(iod_iotlb_access(w->n.tlb, w->n.pt, iova, how, &r, NULL));
	return r;
}

static uint64_t write_to(struct world *w)
{
	return access_at(w, w->iova, W).pa;
}

/* What the hypervisor tells the caches when it changed stage 2 at DATA. */
static void tell_stage2(struct world *w)
{
	nested_inv(w->n.tlb2, IOD_INV_RANGE, NESTED_DOMAIN2, DATA, DATA + w->page2 - 1);
}

static void tell_stage1(struct world *w)
{
	nested_inv(w->n.tlb, IOD_INV_DOMAIN, NESTED_DOMAIN1, 0, 0);
}

static uint64_t move_data(struct world *w, uint64_t n)
{
	uint64_t pa = iodt_pa(w->n.v2, w->page2, n);

	iodt_assert_ok(iod_unmap(w->n.t->pt, DATA, w->page2, 0, w->n.t->gather, NULL));
	iodt_assert_ok(iod_gather_sync(w->n.t->gather));
	iodt_assert_ok(nested_map2(&w->n, DATA, w->page2, pa, IODT_RW));
	return pa;
}

static void each_pair(void (*fn)(const struct iodt_variant *v1, const struct iodt_variant *v2))
{
	unsigned int i, j, ran = 0;

	for (i = 0; i < iodt_nr_variants; i++) {
		for (j = 0; j < iodt_nr_variants; j++) {
			const struct iodt_variant *v1 = &iodt_variants[i];
			const struct iodt_variant *v2 = &iodt_variants[j];

			if (!v1->plain || !v2->plain || v1->resize || v2->resize ||
			    !nested_fits(v1, v2) || !(iodt_caps(v1) & IODT_DIRTY) ||
			    !(iodt_caps(v2) & IODT_DIRTY))
				continue;
			fn(v1, v2);
			ran++;
		}
	}
	if (!ran)
		skip();
}

/* ---- the page that stage 2 gives ---- */

static void moved(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;
	uint64_t pa;

	world_open(&w, v1, v2, small1(v1));
	assert_int_equal(write_to(&w), w.pa);
	pa = move_data(&w, 10);
	/* twins: nothing said, stage 2's caches only, the first stage's only */
	assert_int_equal(write_to(&w), w.pa);
	tell_stage2(&w);
	assert_int_equal(write_to(&w), w.pa);
	/* both, in this order */
	tell_stage1(&w);
	assert_int_equal(write_to(&w), pa);
	assert_true(nested_dirty2(&w.n, DATA));

	/* twin: the first stage's alone. What stage 2's iotlb has is used once more. */
	w.pa = pa;
	pa = move_data(&w, 11);
	tell_stage1(&w);
	assert_int_equal(write_to(&w), w.pa);
	/* twin: so the other way around is not enough either, if there is an access between them */
	tell_stage2(&w);
	assert_int_equal(write_to(&w), w.pa);
	tell_stage1(&w);
	assert_int_equal(write_to(&w), pa);
	nested_close(&w.n);
}

/* Clean, invalidate, copy: a write after the invalidation marks again. */
static void cleaned(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;

	world_open(&w, v1, v2, small1(v1));
	write_to(&w);
	assert_true(nested_dirty2(&w.n, DATA));
	nested_clean2(&w.n, DATA);
	tell_stage2(&w);
	tell_stage1(&w);
	write_to(&w);
	assert_true(nested_dirty2(&w.n, DATA));
	/* twin: what is combined needs no update, so none is made */
	nested_clean2(&w.n, DATA);
	tell_stage2(&w);
	write_to(&w);
	assert_false(nested_dirty2(&w.n, DATA));
	/* twin: nor is one, if stage 2's iotlb was not told */
	tell_stage1(&w);
	nested_clean2(&w.n, DATA);
	write_to(&w);
	nested_clean2(&w.n, DATA);
	tell_stage1(&w);
	write_to(&w);
	assert_false(nested_dirty2(&w.n, DATA));
	nested_close(&w.n);
}

/* The same of pages with tables of stage 1: an update by a walk. */
static void cleaned_table(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct world w;
	uint64_t item, pte;

	world_open(&w, v1, v2, small1(v1));
	item = nested_item1(&w.n, w.iova, 0);
	pte = nested_read(&w.n, item);
	write_to(&w);
	assert_true(nested_dirty2(&w.n, item));
	nested_clean2(&w.n, item);
	/* the guest cleans its leaf, and says so */
	nested_write(&w.n, item, pte);
	tell_stage1(&w);
	/* twin: stage 2's iotlb was not told, so the update leaves no trace */
	write_to(&w);
	assert_int_not_equal(nested_read(&w.n, item), pte);
	assert_false(nested_dirty2(&w.n, item));
	nested_write(&w.n, item, pte);
	tell_stage1(&w);
	nested_inv(w.n.tlb2, IOD_INV_DOMAIN, NESTED_DOMAIN2, 0, 0);
	write_to(&w);
	assert_int_not_equal(nested_read(&w.n, item), pte);
	assert_true(nested_dirty2(&w.n, item));
	nested_close(&w.n);
}

/* A combined translation that was not dirty in one of the stages: a write walks both. */
static void clean_walks(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	struct iod_access_result r;
	struct world w;
	uint64_t item;

	world_open(&w, v1, v2, small1(v1));
	item = nested_item1(&w.n, w.iova, 0);
	assert_false(access_at(&w, w.iova, R).hit);
	assert_true(access_at(&w, w.iova, R).hit);
	r = access_at(&w, w.iova, W);
	assert_false(r.hit);
	assert_true(iodt_pte_dirty(v1, nested_read(&w.n, item)));
	assert_true(nested_dirty2(&w.n, DATA));
	assert_true(access_at(&w, w.iova, W).hit);
	/* dirty in stage 1 only; a read cached it so */
	nested_clean2(&w.n, DATA);
	nested_inv_all(&w.n);
	access_at(&w, w.iova, R);
	assert_false(access_at(&w, w.iova, W).hit);
	assert_true(nested_dirty2(&w.n, DATA));
	/* in stage 2 only */
	nested_write(&w.n, item, iodt_pte_clean(v1, nested_read(&w.n, item)));
	nested_inv_all(&w.n);
	access_at(&w, w.iova, R);
	assert_false(access_at(&w, w.iova, W).hit);
	assert_true(iodt_pte_dirty(v1, nested_read(&w.n, item)));
	nested_close(&w.n);
}

/* ---- tables ---- */

/* What the walk cache has is where a table lies in the guest's memory. Stage 2 is asked where that is. */
static void moved_table(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	uint64_t item, other, base, *words, pa;
	struct iod_iotlb_stats s = { .size = sizeof(s) };
	struct world w;
	void *host;

	world_open(&w, v1, v2, small1(v1));
	/* the neighbour: walked from the same leaf table */
	other = w.iova + w.size1;
	nested_map1(&w.n, other, w.size1, DATA, IODT_RW);
	item = nested_item1(&w.n, other, 0);
	access_at(&w, w.iova, R);
	/* the page that holds the neighbour's item moves, and its contents are different there */
	base = item & ~(w.page2 - 1);
	iodt_assert_ok(iod_mem_alloc(w.n.t->mem, w.page2, &pa));
	iodt_assert_ok(iod_mem_host_ptr(w.n.t->mem, pa, w.page2, true, &host));
	words = host;
	iodt_put_le64(&words[(item - base) / 8],
		      iodt_make_leaf(v1, w.size1, DATA + IODT_2M, IODT_RW));
	iodt_assert_ok(
		nested_map2(&w.n, DATA + IODT_2M, w.page2, iodt_pa(v2, w.page2, 20), IODT_RW));
	iodt_assert_ok(iod_unmap(w.n.t->pt, base, w.page2, 0, w.n.t->gather, NULL));
	iodt_assert_ok(iod_gather_sync(w.n.t->gather));
	iodt_assert_ok(nested_map2(&w.n, base, w.page2, pa, IODT_RW));
	/* twin: stage 2's iotlb was not told: the table is read where it was */
	assert_int_equal(access_at(&w, other, R).pa, w.pa);
	nested_inv(w.n.tlb2, IOD_INV_RANGE, NESTED_DOMAIN2, base, base + w.page2 - 1);
	nested_inv(w.n.tlb, IOD_INV_RANGE, NESTED_DOMAIN1, other, other);
	access_at(&w, w.iova, R);
	assert_int_equal(access_at(&w, other, R).pa, iodt_pa(v2, w.page2, 20));
	iodt_assert_ok(iod_iotlb_get_stats(w.n.tlb, &s));
	assert_true(s.walk_hits > 0);
	iodt_assert_ok(iod_unmap(w.n.t->pt, base, w.page2, 0, w.n.t->gather, NULL));
	iodt_assert_ok(iod_gather_sync(w.n.t->gather));
	iodt_assert_ok(iod_mem_free(w.n.t->mem, pa, w.page2));
	nested_close(&w.n);
}

/* ---- sizes ---- */

/* A large page of stage 1 over small ones of stage 2: pieces, that go with any part of the large page. */
static void pieces(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	uint64_t at[3], size = IODT_2M, i, where;
	struct world w;
	bool first;

	world_open(&w, v1, v2, size);
	for (i = 1; i < 512 * 4096 / w.page2; i++)
		iodt_assert_ok(nested_map2(&w.n, DATA + i * w.page2, w.page2,
					   iodt_pa(v2, w.page2, 2 * i + 40), IODT_RW));
	at[0] = w.iova;
	at[1] = w.iova + size / 2;
	at[2] = w.iova + size - 1;
	for (where = 0; where < 3; where++) {
		for (i = 0; i < 3; i++) {
			access_at(&w, at[i], R);
			assert_true(access_at(&w, at[i], R).hit);
			assert_int_equal(access_at(&w, at[i], R).len,
					 w.page2 - (at[i] & (w.page2 - 1)));
		}
		/* a neighbour's */
		nested_inv(w.n.tlb, IOD_INV_RANGE, NESTED_DOMAIN1, w.iova - 1, w.iova - 1);
		nested_inv(w.n.tlb, IOD_INV_RANGE, NESTED_DOMAIN1, w.iova + size, w.iova + size);
		for (i = 0; i < 3; i++)
			assert_true(access_at(&w, at[i], R).hit);
		nested_inv(w.n.tlb, IOD_INV_RANGE, NESTED_DOMAIN1, at[where], at[where]);
		for (i = 0; i < 3; i++) {
			first = access_at(&w, at[i], R).hit;
			assert_false(first);
		}
	}
	nested_close(&w.n);
}

/* A small page of stage 1 inside a large one of stage 2: what is behind it is not its business. */
static void inside(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	uint64_t size = small1(v1), pa = iodt_pa(v2, IODT_2M, 5), ipa = DATA + 2 * IODT_2M;
	struct iod_access_result r;
	struct world w;

	world_open(&w, v1, v2, size);
	nested_map1(&w.n, w.iova, size, ipa + 3 * size, IODT_RW);
	iodt_assert_ok(nested_map2(&w.n, ipa, IODT_2M, pa, IODT_RW));
	r = access_at(&w, w.iova + 8, W);
	assert_int_equal(r.pa, pa + 3 * size + 8);
	assert_int_equal(r.len, size - 8);
	assert_int_equal(nested_leaf2(&w.n, ipa).size, IODT_2M);
	assert_true(nested_dirty2(&w.n, ipa));
	assert_true(access_at(&w, w.iova, W).hit);
	nested_close(&w.n);
}

#define EACH(fn)                            \
	static void test_##fn(void **state) \
	{                                   \
		each_pair(fn);              \
	}

EACH(moved)
EACH(cleaned)
EACH(cleaned_table)
EACH(clean_walks)
EACH(moved_table)
EACH(pieces)
EACH(inside)

int main(int argc, char **argv)
{
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(test_moved),	      cmocka_unit_test(test_cleaned),
		cmocka_unit_test(test_cleaned_table), cmocka_unit_test(test_clean_walks),
		cmocka_unit_test(test_moved_table),   cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_inside),
	};

	return iodt_main(argc, argv, NULL, 0, plain, IODT_ARRAY_SIZE(plain));
}
