/* SPDX-License-Identifier: MIT */
/*
 * Nested translation against the model: all formats of a first stage over all of a second, random
 * mappings of all sizes, and every word of every table compared. And nested memory as an object.
 */
#include "nestedrig.h"

#define R      IOD_ACCESS_READ
#define W      IOD_ACCESS_WRITE
#define LEAVES 24

/* ---- against the model ---- */

struct leaf {
	uint64_t iova, size, ipa;
};

struct pair {
	struct nested a, b; /* the library walks a, the model b */
	struct nested_model m;
	struct leaf leaf[LEAVES];
	unsigned int nr;
	uint64_t rng;
};

static uint64_t below(struct pair *p, uint64_t n)
{
	p->rng = p->rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (p->rng >> 33) % n;
}

/* One of the page sizes, none so large that the data would not hold some. */
static uint64_t some_size(struct pair *p, const struct iodt_variant *v)
{
	uint64_t size;

	do
		size = IODT_BIT(12 + below(p, 17));
	while (!(v->sizes & size));
	return size;
}

static uint32_t some_prot(struct pair *p)
{
	static const uint32_t prots[] = { IOD_PROT_READ, IODT_RW, IODT_RW,
					  IODT_RW | IOD_PROT_DIRTY };

	return prots[below(p, IODT_ARRAY_SIZE(prots))];
}

/* Some pages of tables cannot be updated, a few not be read. */
static uint32_t table_prot(struct pair *p)
{
	switch (below(p, 12)) {
	case 0:
		return iodt_caps(p->a.v2) & IODT_WRITE_ONLY ? IOD_PROT_WRITE : IODT_RW;
	case 1:
	case 2:
		return IOD_PROT_READ;
	default:
		return IODT_RW;
	}
}

/* A stage-2 page of some size around an address, in both guests, unless there is one. */
static void back(struct pair *p, uint64_t ipa)
{
	uint64_t size = some_size(p, p->a.v2), pa = iodt_pa(p->a.v2, size, below(p, 50) + 3);
	uint32_t prot = some_prot(p);
	int ret;

	ipa &= ~(size - 1);
	ret = nested_map2(&p->a, ipa, size, pa, prot);
	assert_int_equal(nested_map2(&p->b, ipa, size, pa, prot), ret);
	assert_true(!ret || ret == -EEXIST || ret == -ERANGE);
}

static void add_leaf(struct pair *p)
{
	const struct iodt_variant *v = p->a.v1;
	struct leaf *l = &p->leaf[p->nr];
	uint64_t pte, item;
	uint32_t prot = some_prot(p);
	unsigned int i, level;

	l->size = some_size(p, v);
	/* leaves of one size side by side, sizes far from each other where there is room */
	l->iova = v->first;
	if (v->width > 36)
		l->iova += (uint64_t)(iodt_item_level(v, l->size) + below(p, 2) * 3) << 33;
	l->iova += l->size * (p->nr + 1);
	if (l->iova + l->size - 1 > v->last || l->iova < v->first)
		return;
	level = iodt_item_level(v, l->size);
	l->ipa = NESTED_DATA + below(p, IODT_512M / l->size) * l->size;
	/* nothing else may be there: not a leaf above either, which walks would take for a table */
	for (i = 0; i < p->nr; i++)
		if (l->iova <= (p->leaf[i].iova | (p->leaf[i].size - 1)) &&
		    p->leaf[i].iova <= (l->iova | (l->size - 1)))
			return;
	for (i = v->walk_levels - 1; i > level; i--) {
		pte = nested_read(&p->a, nested_item1(&p->a, l->iova, i));
		if (pte &&
		    pte != iodt_make_table(v, i, pte & (IODT_BIT(48) - 1) & ~(uint64_t)0xfff))
			return;
	}
	item = nested_item1(&p->a, l->iova, level);
	if (level && nested_read(&p->a, item))
		return;
	nested_map1(&p->a, l->iova, l->size, l->ipa, prot);
	nested_map1(&p->b, l->iova, l->size, l->ipa, prot);
	back(p, l->ipa);
	back(p, l->ipa + l->size / 2);
	if (below(p, 2))
		back(p, l->ipa + l->size - 1);
	p->nr++;
}

static void pair_open(struct pair *p, const struct iodt_variant *v1, const struct iodt_variant *v2,
		      uint64_t seed)
{
	unsigned int i;

	memset(p, 0, sizeof(*p));
	p->rng = seed * 12345 + 6789;
	p->a.v1 = p->b.v1 = v1;
	p->a.v2 = p->b.v2 = v2;
	nested_open(&p->a);
	nested_open(&p->b);
	for (i = 0; i < 3 * LEAVES && p->nr < LEAVES; i++) {
		p->a.table_prot = p->b.table_prot = table_prot(p);
		add_leaf(p);
	}
	assert_true(p->nr > 0);
	nested_model(&p->b, &p->m);
}

static void pair_close(struct pair *p)
{
	nested_close(&p->a);
	nested_close(&p->b);
}

static uint64_t some_iova(struct pair *p)
{
	const struct leaf *l = &p->leaf[below(p, p->nr)];

	switch (below(p, 12)) {
	case 0:
		return nested_random(&p->a);
	case 1:
		return l->iova + l->size;
	case 2:
		return l->iova + l->size / 2;
	case 3:
		return l->iova + l->size - 1;
	case 4:
		return l->iova + nested_random(&p->a) % l->size;
	default:
		return l->iova;
	}
}

/*
 * Of a run of stage 1 the first item only: which items are marked is not the same with caches and without, and
 * with it not whether marking one more is an update that stage 2 sees.
 */
static uint64_t first_items(struct pair *p, uint64_t iova)
{
	unsigned int i;

	for (i = 0; i < p->nr; i++) {
		const struct leaf *l = &p->leaf[i];

		if (iova - l->iova < l->size)
			return l->iova + (iova & (iodt_item_size(p->a.v1, l->size) - 1));
	}
	return iova;
}

/* Clean or age a first-stage leaf, all items of it, in both guests. */
static void change1(struct pair *p, bool clean)
{
	const struct leaf *l = &p->leaf[below(p, p->nr)];
	const struct iodt_variant *v = p->a.v1;
	uint64_t off, item, pte;

	for (off = 0; off < l->size; off += iodt_item_size(v, l->size)) {
		item = nested_item1(&p->a, l->iova + off, iodt_item_level(v, l->size));
		pte = nested_read(&p->b, item);
		pte = clean ? iodt_pte_clean(v, pte) : pte & ~iodt_accessed_bit(v);
		nested_write(&p->a, item, pte);
		nested_write(&p->b, item, pte);
	}
}

/* Clean or mark the stage-2 leaf of a page with tables: those are single items. */
static void change2(struct pair *p, bool clean)
{
	struct mdl_leaf leaf = nested_leaf2(&p->b, p->a.page[below(p, p->a.nr_pages)].ipa);
	uint64_t pte = clean ? iodt_pte_clean(p->a.v2, leaf.pte) : iodt_pte_mark(p->a.v2, leaf.pte);

	/* elsewhere it would take a permission away, in the midst of runs whose items are not alike */
	if (!leaf.w || !(iodt_caps(p->a.v2) & IODT_DIRTY))
		return;
	iodt_write(p->a.t, leaf.pte_pa, pte);
	iodt_write(p->b.t, leaf.pte_pa, pte);
}

/* A bit that the guest got wrong: any but those that make runs, or lead to what is no table. */
static uint64_t wrong_bit(struct pair *p)
{
	static const uint8_t arm[] = { 0, 1, 6, 7, 10, 40, 47, 51, 53, 54, 59, 61 };
	static const uint8_t x86[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 40, 47, 51, 52, 62, 63 };

	if (iodt_caps(p->a.v1) & IODT_ARM)
		return IODT_BIT(arm[below(p, IODT_ARRAY_SIZE(arm))]);
	return IODT_BIT(x86[below(p, IODT_ARRAY_SIZE(x86))]);
}

/* A broken entry on the way to a leaf, for a while. */
static void broken(struct pair *p, struct nested_tally *tally)
{
	const struct leaf *l = &p->leaf[below(p, p->nr)];
	unsigned int leaf = iodt_item_level(p->a.v1, l->size), i;
	unsigned int level = leaf + (unsigned int)below(p, p->a.v1->walk_levels - leaf);
	uint64_t item = nested_item1(&p->b, l->iova, level);
	uint64_t was_a = nested_read(&p->a, item), was_b = nested_read(&p->b, item);
	uint64_t bit = wrong_bit(p);

	if (iodt_item_size(p->a.v1, l->size) != l->size)
		return; /* half a run is what each makes of it */
	nested_write(&p->a, item, was_a ^ bit);
	nested_write(&p->b, item, was_b ^ bit);
	nested_inv_all(&p->a);
	for (i = 0; i < 3; i++)
		nested_compare(&p->a, &p->m, l->iova + (i ? l->size / 2 : 0), i == 1, tally);
	nested_write(&p->a, item, was_a);
	nested_write(&p->b, item, was_b);
	nested_inv_all(&p->a);
}

static void change(struct pair *p)
{
	if (below(p, 2))
		change1(p, below(p, 2));
	else
		change2(p, below(p, 2));
	nested_inv_all(&p->a);
}

/* @changes: software changes entries too. Else caches must make no difference at all. */
static void run_pair(const struct iodt_variant *v1, const struct iodt_variant *v2, bool changes,
		     struct nested_tally *tally)
{
	unsigned int i, n = iodt_scale(150);
	uint64_t iova;
	struct pair *p = malloc(sizeof(*p));

	assert_non_null(p);
	pair_open(p, v1, v2,
		  (uint64_t)(v1 - iodt_variants) * 1000 + (uint64_t)(v2 - iodt_variants));
	nested_same(&p->a, &p->b);
	for (i = 0; i < n; i++) {
		if (changes && !below(p, 4))
			change(p);
		if (changes && !below(p, 16))
			broken(p, tally);
		iova = some_iova(p);
		if (changes)
			iova = first_items(p, iova);
		nested_compare(&p->a, &p->m, iova, below(p, 2), tally);
	}
	nested_same(&p->a, &p->b);
	pair_close(p);
	free(p);
}

/* Every variant of each, beside a plain one of the other. */
static void all_pairs(bool changes)
{
	const struct iodt_variant *v1, *v2;
	struct nested_tally tally = { 0 };
	unsigned int i, j, ran = 0;

	for (i = 0; i < iodt_nr_variants; i++) {
		for (j = 0; j < iodt_nr_variants; j++) {
			v1 = &iodt_variants[i];
			v2 = &iodt_variants[j];
			if (!nested_fits(v1, v2) || !(v1->plain || v2->plain))
				continue;
			run_pair(v1, v2, changes, &tally);
			ran++;
		}
	}
	if (!ran)
		skip();
	/* every kind of answer was met */
	assert_true(tally.granted && tally.stage1 && tally.output && tally.fetch && tally.update);
}

static void model_caches(void **state)
{
	all_pairs(false);
}

static void model_changes(void **state)
{
	all_pairs(true);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(model_caches),
		cmocka_unit_test(model_changes),
	};

	return iodt_main(argc, argv, NULL, 0, plain, IODT_ARRAY_SIZE(plain));
}
