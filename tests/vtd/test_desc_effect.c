/* SPDX-License-Identifier: MIT */
/*
 * What invalidation descriptors do to translations: the invalidations that the specification demands, written out
 * (Intel VT-d, 6.5.2.3 and 6.5.2.4), and no more.
 */
#include "iodtest.h"

#define TYPE(name) .type = IOD_VTD_##name
#define DOMAIN	   .kind = IOD_INV_DOMAIN
#define RANGE	   .kind = IOD_INV_RANGE
#define ALL	   .kind = IOD_INV_ALL
#define PASIDS	   .domain_ignore = 0xfffff

struct row {
	struct iod_vtd_desc desc;
	struct iod_cmd_effect effect;
};

static const struct row rows[] = {
	{ { TYPE(IOTLB_INV), .gran = 1 },
	  { .nr_s1 = 1, .nr_s2 = 1, .s1 = { { ALL } }, .s2 = { { ALL } } } },
	{ { TYPE(IOTLB_INV), .gran = 2, .did = 0x12 },
	  { .nr_s1 = 1,
	    .nr_s2 = 1,
	    .s1 = { { DOMAIN, .domain = 0x1200000, PASIDS } },
	    .s2 = { { DOMAIN, .domain = 0x1200000 } } } },
	/* First-stage and nested: of the domain, whatever the address. */
	{ { TYPE(IOTLB_INV), .gran = 3, .did = 0xffff, .addr = 0x5000 },
	  { .nr_s1 = 1,
	    .nr_s2 = 1,
	    .s1 = { { DOMAIN, .domain = 0xffff00000, PASIDS } },
	    .s2 = { { RANGE, .domain = 0xffff00000, .iova = 0x5000, .last = 0x5fff,
		      .granule_lg2 = 12 } } } },
	/* The address is taken aligned to its size; IH keeps second-stage tables, no others. */
	{ { TYPE(IOTLB_INV), .gran = 3, .did = 1, .am = 9, .ih = true, .addr = 0x40345000 },
	  { .nr_s1 = 1,
	    .nr_s2 = 1,
	    .s1 = { { DOMAIN, .domain = 0x100000, PASIDS } },
	    .s2 = { { RANGE, .domain = 0x100000, .iova = 0x40200000, .last = 0x403fffff,
		      .granule_lg2 = 12, .flags = IOD_INV_LEAF_ONLY } } } },
	{ { TYPE(IOTLB_INV), .gran = 3, .am = 52, .addr = 0xfffffffffffff000 },
	  { .nr_s1 = 1,
	    .nr_s2 = 1,
	    .s1 = { { DOMAIN, PASIDS } },
	    .s2 = { { RANGE, .iova = 0, .last = UINT64_MAX, .granule_lg2 = 12 } } } },
	/* By PASID: first-stage and nested, nothing of the second stage. */
	{ { TYPE(P_IOTLB_INV), .gran = 2, .did = 3, .pasid = 0xfffff },
	  { .nr_s1 = 1, .s1 = { { DOMAIN, .domain = 0x3fffff } } } },
	{ { TYPE(P_IOTLB_INV), .gran = 3, .did = 3, .pasid = 4, .am = 1, .addr = 0x7000 },
	  { .nr_s1 = 1,
	    .s1 = { { RANGE, .domain = 0x300004, .iova = 0x6000, .last = 0x7fff,
		      .granule_lg2 = 12 } } } },
	{ { TYPE(P_IOTLB_INV), .gran = 3, .ih = true, .addr = 0xfffffffffffff000 },
	  { .nr_s1 = 1,
	    .s1 = { { RANGE, .iova = 0xfffffffffffff000, .last = UINT64_MAX, .granule_lg2 = 12,
		      .flags = IOD_INV_LEAF_ONLY } } } },
	{ { TYPE(CONTEXT_INV), .gran = 1 }, { 0 } },
	{ { TYPE(DEV_TLB_INV), .span = 52 }, { 0 } },
	{ { TYPE(IEC_INV) }, { 0 } },
	{ { TYPE(WAIT) }, { 0 } },
	{ { TYPE(PASID_CACHE_INV), .gran = 3 }, { 0 } },
	{ { TYPE(P_DEV_TLB_INV), .span = 52 }, { 0 } },
	{ { TYPE(PAGE_GROUP_RESP) }, { 0 } },
};

static void same_inv(const struct iod_inv *a, const struct iod_inv *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->flags, b->flags);
	assert_true(a->domain == b->domain);
	assert_true(a->domain_ignore == b->domain_ignore);
	assert_true(a->iova == b->iova);
	assert_true(a->last == b->last);
	assert_int_equal(a->leaf_levels, b->leaf_levels);
	assert_int_equal(a->table_levels, b->table_levels);
	assert_int_equal(a->granule_lg2, b->granule_lg2);
	assert_int_equal(a->reserved, 0);
}

static void test_rows(void **state)
{
	struct iod_cmd_effect effect;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		const struct iod_cmd_effect *want = &rows[i].effect;

		memset(&effect, 0xa5, sizeof(effect));
		iodt_assert_ok(iod_vtd_desc_effect(&effect, &rows[i].desc));
		assert_int_equal(effect.nr_s1, want->nr_s1);
		assert_int_equal(effect.nr_s2, want->nr_s2);
		for (uint32_t k = 0; k < want->nr_s1; k++)
			same_inv(&effect.s1[k], &want->s1[k]);
		for (uint32_t k = 0; k < want->nr_s2; k++)
			same_inv(&effect.s2[k], &want->s2[k]);
	}
}

/* A table with one page at @iova, tagged @tag. */
static struct iod_pgtable *table(struct iod_mem *mem, enum iod_format format, uint64_t tag,
				 uint64_t iova)
{
	struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg), .format = format, .mem = mem, .domain = tag
	};
	struct iod_pgtable *pt;

	iodt_assert_ok(iod_pgtable_create(&pt, &cfg));
	iodt_assert_ok(iod_map(pt, iova, 0x100000, 4096, IODT_RW, NULL, NULL));
	return pt;
}

/* Whether the translation is still there: then no walk is needed. */
static bool cached(struct iod_iotlb *tlb, struct iod_pgtable *pt, uint64_t iova)
{
	struct iod_access_result result;

	iodt_assert_ok(iod_iotlb_access(tlb, pt, iova, IOD_ACCESS_READ, &result, NULL));
	return result.hit;
}

/* The tags of the headers, and what descriptors of one domain and PASID leave of the others. */
static void test_tags(void **state)
{
	static const struct {
		struct iod_vtd_desc desc;
		bool kept[3];	 /* did 1 pasid 5, did 1 pasid 6, did 2 pasid 5 */
		bool kept_s2[2]; /* did 1, did 2 */
	} t[] = {
		{ { TYPE(IOTLB_INV), .gran = 1 }, { 0, 0, 0 }, { 0, 0 } },
		{ { TYPE(IOTLB_INV), .gran = 2, .did = 1 }, { 0, 0, 1 }, { 0, 1 } },
		{ { TYPE(IOTLB_INV), .gran = 3, .did = 1, .addr = 0x5000 }, { 0, 0, 1 }, { 0, 1 } },
		{ { TYPE(IOTLB_INV), .gran = 3, .did = 1, .addr = 0x6000 }, { 0, 0, 1 }, { 1, 1 } },
		{ { TYPE(P_IOTLB_INV), .gran = 2, .did = 1, .pasid = 5 }, { 0, 1, 1 }, { 1, 1 } },
		{ { TYPE(P_IOTLB_INV), .gran = 3, .did = 1, .pasid = 5, .addr = 0x5000 },
		  { 0, 1, 1 },
		  { 1, 1 } },
		{ { TYPE(P_IOTLB_INV), .gran = 3, .did = 1, .pasid = 5, .addr = 0x6000 },
		  { 1, 1, 1 },
		  { 1, 1 } },
	};
	static const uint64_t s1_tag[3] = { IOD_VTD_TAG_S1(1, 5), IOD_VTD_TAG_S1(1, 6),
					    IOD_VTD_TAG_S1(2, 5) };
	static const uint64_t s2_tag[2] = { IOD_VTD_TAG_S2(1), IOD_VTD_TAG_S2(2) };
	struct iod_pgtable *s1[3], *s2[2];
	struct iod_iotlb *tlb1, *tlb2;
	struct iod_cmd_effect effect;
	struct iod_mem *mem;

	iodt_assert_ok(iod_mem_create_arena(&mem, NULL));
	iodt_assert_ok(iod_iotlb_create(&tlb1, NULL));
	iodt_assert_ok(iod_iotlb_create(&tlb2, NULL));
	for (int i = 0; i < 3; i++)
		s1[i] = table(mem, IOD_VTD_FS, s1_tag[i], 0x5000);
	for (int i = 0; i < 2; i++)
		s2[i] = table(mem, IOD_VTD_SS, s2_tag[i], 0x5000);
	for (size_t k = 0; k < IODT_ARRAY_SIZE(t); k++) {
		for (int i = 0; i < 3; i++)
			cached(tlb1, s1[i], 0x5000);
		for (int i = 0; i < 2; i++)
			cached(tlb2, s2[i], 0x5000);
		iodt_assert_ok(iod_vtd_desc_effect(&effect, &t[k].desc));
		iodt_assert_ok(iod_iotlb_invalidate(tlb1, effect.s1, effect.nr_s1));
		iodt_assert_ok(iod_iotlb_invalidate(tlb2, effect.s2, effect.nr_s2));
		for (int i = 0; i < 3; i++)
			assert_int_equal(cached(tlb1, s1[i], 0x5000), t[k].kept[i]);
		for (int i = 0; i < 2; i++)
			assert_int_equal(cached(tlb2, s2[i], 0x5000), t[k].kept_s2[i]);
	}
	for (int i = 0; i < 3; i++)
		iodt_assert_ok(iod_pgtable_destroy(s1[i]));
	for (int i = 0; i < 2; i++)
		iodt_assert_ok(iod_pgtable_destroy(s2[i]));
	iodt_assert_ok(iod_iotlb_destroy(tlb1));
	iodt_assert_ok(iod_iotlb_destroy(tlb2));
	iodt_assert_ok(iod_mem_destroy(mem));
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_tags),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
