/* SPDX-License-Identifier: MIT */
/*
 * Invalidations by parts of a tag: domains made of two numbers of which one is not compared, and
 * translations that are global or are not. Four page tables share an iotlb.
 */
#include "iodtest.h"

#define R	       IOD_ACCESS_READ
#define LOW_HALF       UINT64_C(0xffffffff)
#define HIGH_HALF      (LOW_HALF << 32)
#define TABLES	       4
#define PAGES	       2 /* page 0 is global, where the format has that */

#define TAG(high, low) (UINT64_C(high) << 32 | (low))

static const uint64_t domains[TABLES] = { TAG(1, 1), TAG(1, 2), TAG(2, 1), TAG(2, 2) };

struct tags {
	struct iodt *t;
	struct iod_pgtable *pt[TABLES];
	struct iod_iotlb *tlb;
	bool has_global;
};

static uint64_t page_at(const struct tags *g, unsigned int page)
{
	return g->t->v->first + page * g->t->page;
}

static bool hit(struct tags *g, unsigned int table, unsigned int page)
{
	struct iod_access_result r = { 0 };

	iodt_assert_ok(iod_iotlb_access(g->tlb, g->pt[table], page_at(g, page), R, &r, NULL));
	return r.hit;
}

static void tags_open(struct tags *g, struct iodt *t)
{
	struct iod_iotlb_cfg tlb = { .size = sizeof(tlb), .entries = 64, .ways = 64 };
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	unsigned int i, page;
	int ret;

	*g = (struct tags){ .t = t };
	iodt_assert_ok(iod_iotlb_create(&g->tlb, &tlb));
	for (i = 0; i < TABLES; i++) {
		cfg.domain = domains[i];
		iodt_assert_ok(iod_pgtable_create(&g->pt[i], &cfg));
		/* every other page, so that there are no runs */
		for (page = 0; page <= PAGES && page * t->page < t->v->last - t->v->first; page++) {
			ret = iod_map(g->pt[i], page_at(g, page), 2 * page * t->page, t->page,
				      IODT_RW | (page ? 0 : IOD_PROT_GLOBAL), NULL, NULL);
			g->has_global = g->has_global || (!page && !ret);
			if (!page && ret == -EOPNOTSUPP)
				ret = iod_map(g->pt[i], page_at(g, 0), 0, t->page, IODT_RW, NULL,
					      NULL);
			iodt_assert_ok(ret);
		}
	}
	assert_int_equal(g->has_global, t->v->format == IOD_ARM_LPAE_S1 ||
						t->v->format == IOD_VTD_FS ||
						t->v->format == IOD_AMD_V2);
}

static void tags_close(struct tags *g)
{
	unsigned int i;

	iodt_assert_ok(iod_iotlb_destroy(g->tlb));
	for (i = 0; i < TABLES; i++)
		iodt_assert_ok(iod_pgtable_destroy(g->pt[i]));
}

static void fill(struct tags *g)
{
	unsigned int i, page;

	for (i = 0; i < TABLES; i++)
		for (page = 0; page < PAGES; page++)
			(void)hit(g, i, page);
	for (i = 0; i < TABLES; i++)
		for (page = 0; page < PAGES; page++)
			assert_true(hit(g, i, page));
}

/* Fill, invalidate, and look at what is left: gone[table][page] is what must not be. */
static void expect(struct tags *g, const struct iod_inv *inv, bool gone[TABLES][PAGES])
{
	unsigned int i, page;

	fill(g);
	iodt_assert_ok(iod_iotlb_invalidate(g->tlb, inv, 1));
	for (i = 0; i < TABLES; i++)
		for (page = 0; page < PAGES; page++)
			assert_int_equal(hit(g, i, page), !gone[i][page]);
}

/* ---- domains ---- */

static void parts(struct iodt *t)
{
	/* what is not compared, and which of the tables an invalidation for the second one names */
	static const struct {
		uint64_t ignore;
		bool named[TABLES];
	} cases[] = {
		{ 0, { false, true, false, false } },
		{ LOW_HALF, { true, true, false, false } },
		{ HIGH_HALF, { false, true, false, true } },
		{ UINT64_MAX, { true, true, true, true } },
		{ UINT64_C(3) << 32, { false, true, false, true } },
		{ UINT64_C(1) << 60, { false, true, false, false } },
	};
	bool gone[TABLES][PAGES];
	struct iod_inv inv;
	struct tags g;
	size_t i;
	unsigned int n;

	tags_open(&g, t);
	for (i = 0; i < IODT_ARRAY_SIZE(cases); i++) {
		inv = (struct iod_inv){
			.kind = IOD_INV_DOMAIN,
			.domain = domains[1],
			.domain_ignore = cases[i].ignore,
		};
		for (n = 0; n < TABLES; n++)
			gone[n][0] = gone[n][1] = cases[i].named[n];
		expect(&g, &inv, gone);
		/* bits that are not compared may say anything */
		inv.domain ^= cases[i].ignore;
		expect(&g, &inv, gone);
		inv.kind = IOD_INV_RANGE;
		inv.iova = page_at(&g, 1);
		inv.last = inv.iova + t->page - 1;
		for (n = 0; n < TABLES; n++)
			gone[n][0] = false;
		expect(&g, &inv, gone);
		inv.kind = IOD_INV_ALL;
		for (n = 0; n < TABLES; n++)
			gone[n][0] = gone[n][1] = true;
		expect(&g, &inv, gone);
	}
	tags_close(&g);
}

/* ---- global ---- */

static void global(struct iodt *t)
{
	static const enum iod_inv_kind kinds[] = { IOD_INV_ALL, IOD_INV_DOMAIN, IOD_INV_RANGE };
	static const uint32_t flags[] = { 0, IOD_INV_NO_GLOBAL, IOD_INV_ONLY_GLOBAL };
	bool gone[TABLES][PAGES], named;
	struct iod_inv inv;
	unsigned int k, f, n, page;
	struct tags g;

	tags_open(&g, t);
	for (k = 0; k < 3; k++) {
		for (f = 0; f < 3; f++) {
			inv = (struct iod_inv){
				.kind = kinds[k],
				.flags = flags[f],
				.domain = domains[2],
				.domain_ignore = LOW_HALF,
				.iova = t->v->first,
				.last = t->v->first + PAGES * t->page - 1,
			};
			for (n = 0; n < TABLES; n++) {
				named = kinds[k] == IOD_INV_ALL || n >= 2;
				for (page = 0; page < PAGES; page++) {
					bool glob = g.has_global && page == 0;

					gone[n][page] = named && !(flags[f] == flags[1] && glob) &&
							!(flags[f] == flags[2] && !glob);
				}
			}
			expect(&g, &inv, gone);
			inv.flags |= IOD_INV_LEAF_ONLY;
			expect(&g, &inv, gone);
		}
	}
	tags_close(&g);
}

/* Tables that a walk cache holds are not global, and have tags as translations do. */
static void walk_cache(struct iodt *t)
{
	static const struct {
		uint32_t flags;
		uint64_t domain, ignore;
		bool kept;
	} cases[] = {
		{ 0, TAG(1, 1), 0, false },
		{ IOD_INV_LEAF_ONLY, TAG(1, 1), 0, true },
		{ IOD_INV_NO_GLOBAL, TAG(1, 1), 0, false },
		{ IOD_INV_ONLY_GLOBAL, TAG(1, 1), 0, true },
		{ 0, TAG(2, 2), 0, true },
		{ 0, TAG(2, 2), LOW_HALF, true },
		{ 0, TAG(2, 1), HIGH_HALF, false },
		{ 0, TAG(1, 2), LOW_HALF, false },
		{ IOD_INV_NO_GLOBAL, TAG(1, 2), LOW_HALF, false },
	};
	struct iod_iotlb_stats s = { .size = sizeof(s) };
	struct iod_inv inv, all = { .kind = IOD_INV_ALL };
	uint64_t before;
	struct tags g;
	size_t i;

	tags_open(&g, t);
	for (i = 0; i < IODT_ARRAY_SIZE(cases); i++) {
		iodt_assert_ok(iod_iotlb_invalidate(g.tlb, &all, 1));
		(void)hit(&g, 0, 0);
		inv = (struct iod_inv){
			.kind = IOD_INV_DOMAIN,
			.flags = cases[i].flags,
			.domain = cases[i].domain,
			.domain_ignore = cases[i].ignore,
		};
		iodt_assert_ok(iod_iotlb_invalidate(g.tlb, &inv, 1));
		iodt_assert_ok(iod_iotlb_get_stats(g.tlb, &s));
		before = s.walk_hits;
		assert_false(hit(&g, 0, PAGES));
		iodt_assert_ok(iod_iotlb_get_stats(g.tlb, &s));
		assert_int_equal(s.walk_hits - before, cases[i].kept);
	}
	tags_close(&g);
}

static void refused(void **state)
{
	struct iod_iotlb *tlb;
	struct iod_inv inv = { .kind = IOD_INV_DOMAIN };
	uint32_t flags;

	iodt_assert_ok(iod_iotlb_create(&tlb, NULL));
	for (flags = 0; flags < 64; flags++) {
		inv.flags = flags;
		assert_int_equal(iod_iotlb_invalidate(tlb, &inv, 1),
				 flags < 16 && (flags & 6) != 6 && (flags & 9) != 9 ? 0 : -EINVAL);
	}
	inv.flags = IOD_INV_NO_LEAVES;
	inv.leaf_levels = 1;
	assert_int_equal(iod_iotlb_invalidate(tlb, &inv, 1), -EINVAL);
	inv.leaf_levels = 0;
	inv.flags = UINT32_C(1) << 31;
	assert_int_equal(iod_iotlb_invalidate(tlb, &inv, 1), -EINVAL);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "parts", 0, 0, parts },
		{ "global", 0, 0, global },
		{ "walk_cache", IODT_TABLES, IODT_GROWS, walk_cache },
	};
	const struct CMUnitTest plain[] = { cmocka_unit_test(refused) };

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
