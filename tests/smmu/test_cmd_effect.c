/* SPDX-License-Identifier: MIT */
/*
 * What TLBIs do to translations: the invalidations that the specification demands, written out (Arm IHI 0070,
 * 4.4), and no more.
 */
#include "iodtest.h"

#define OP(name) .op = IOD_SMMUV3_##name
#define DOMAIN	 .kind = IOD_INV_DOMAIN
#define RANGE	 .kind = IOD_INV_RANGE
#define ASIDS	 .domain_ignore = 0xffff
#define EL2	 0x100000000

struct row {
	struct iod_smmuv3_cmd cmd;
	struct iod_cmd_effect effect;
};

static const struct row rows[] = {
	{ { OP(TLBI_NH_ALL), .vmid = 0x12 },
	  { .nr_s1 = 1, .s1 = { { DOMAIN, .domain = 0x120000, ASIDS } } } },
	{ { OP(TLBI_NH_ASID), .vmid = 0x12, .asid = 0x34 }, /* keeps global entries */
	  { .nr_s1 = 1, .s1 = { { DOMAIN, .domain = 0x120034, .flags = IOD_INV_NO_GLOBAL } } } },
	/* Global entries have any ASID. */
	{ { OP(TLBI_NH_VA), .vmid = 0x12, .asid = 0x34, .addr = 0x5000 },
	  { .nr_s1 = 2,
	    .s1 = { { RANGE, .domain = 0x120034, .iova = 0x5000, .last = 0x5fff,
		      .granule_lg2 = 12 },
		    { RANGE, .domain = 0x120000, ASIDS, .iova = 0x5000, .last = 0x5fff,
		      .granule_lg2 = 12, .flags = IOD_INV_ONLY_GLOBAL } } } },
	{ { OP(TLBI_NH_VA), .leaf = true, .addr = 0xfffffffffffff000 },
	  { .nr_s1 = 2,
	    .s1 = { { RANGE, .iova = 0xfffffffffffff000, .last = UINT64_MAX, .granule_lg2 = 12,
		      .flags = IOD_INV_LEAF_ONLY },
		    { RANGE, ASIDS, .iova = 0xfffffffffffff000, .last = UINT64_MAX,
		      .granule_lg2 = 12, .flags = IOD_INV_LEAF_ONLY | IOD_INV_ONLY_GLOBAL } } } },
	{ { OP(TLBI_NH_VAA), .vmid = 1, .addr = 0x5000 },
	  { .nr_s1 = 1,
	    .s1 = { { RANGE, .domain = 0x10000, ASIDS, .iova = 0x5000, .last = 0x5fff,
		      .granule_lg2 = 12 } } } },
	/* (NUM + 1) * 2^SCALE granules: 4 * 32 * 4 KiB; level 3 is the leaf table, tables above it. */
	{ { OP(TLBI_NH_VAA), .tg = 1, .num = 3, .scale = 5, .ttl = 3, .addr = 0x100000 },
	  { .nr_s1 = 1,
	    .s1 = { { RANGE, ASIDS, .iova = 0x100000, .last = 0x17ffff, .granule_lg2 = 12,
		      .leaf_levels = 1, .table_levels = 0x1e } } } },
	{ { OP(TLBI_NH_VAA), .tg = 1, .ttl = 2, .addr = 0x200000 },
	  { .nr_s1 = 1,
	    .s1 = { { RANGE, ASIDS, .iova = 0x200000, .last = 0x200fff, .granule_lg2 = 12,
		      .leaf_levels = 2, .table_levels = 0x1c } } } },
	{ { OP(TLBI_NH_VAA), .tg = 3, .ttl = 1, .leaf = true, .addr = 0x40000000000 },
	  { .nr_s1 = 1,
	    .s1 = { { RANGE, ASIDS, .iova = 0x40000000000, .last = 0x4000000ffff, .granule_lg2 = 16,
		      .leaf_levels = 4, .flags = IOD_INV_LEAF_ONLY } } } },
	/* Not a multiple of the granule: all that it could be. */
	{ { OP(TLBI_NH_VAA), .tg = 2, .num = 1, .addr = 0x5000 },
	  { .nr_s1 = 1,
	    .s1 = { { RANGE, ASIDS, .iova = 0x4000, .last = 0xffff, .granule_lg2 = 14 } } } },
	/* To the top and no further; scales above 39 are 39. */
	{ { OP(TLBI_NH_VAA), .tg = 3, .num = 31, .scale = 63, .addr = 0xf000000000000000 },
	  { .nr_s1 = 1,
	    .s1 = { { RANGE, ASIDS, .iova = 0xf000000000000000, .last = UINT64_MAX,
		      .granule_lg2 = 16 } } } },
	{ { OP(TLBI_NH_VAA), .tg = 3, .num = 31, .scale = 63 },
	  { .nr_s1 = 1, .s1 = { { RANGE, ASIDS, .last = IODT_BIT(60) - 1, .granule_lg2 = 16 } } } },
	{ { OP(TLBI_EL2_ALL) }, { .nr_s1 = 1, .s1 = { { DOMAIN, .domain = EL2, ASIDS } } } },
	{ { OP(TLBI_EL2_ASID), .asid = 5 },
	  { .nr_s1 = 1, .s1 = { { DOMAIN, .domain = EL2 | 5, .flags = IOD_INV_NO_GLOBAL } } } },
	{ { OP(TLBI_EL2_VA), .asid = 5, .addr = 0x1000 },
	  { .nr_s1 = 2,
	    .s1 = { { RANGE, .domain = EL2 | 5, .iova = 0x1000, .last = 0x1fff, .granule_lg2 = 12 },
		    { RANGE, .domain = EL2, ASIDS, .iova = 0x1000, .last = 0x1fff,
		      .granule_lg2 = 12, .flags = IOD_INV_ONLY_GLOBAL } } } },
	{ { OP(TLBI_EL2_VAA), .addr = 0x1000 },
	  { .nr_s1 = 1,
	    .s1 = { { RANGE, .domain = EL2, ASIDS, .iova = 0x1000, .last = 0x1fff,
		      .granule_lg2 = 12 } } } },
	{ { OP(TLBI_S12_VMALL), .vmid = 0xffff },
	  { .nr_s1 = 1,
	    .nr_s2 = 1,
	    .s1 = { { DOMAIN, .domain = 0xffff0000, ASIDS } },
	    .s2 = { { DOMAIN, .domain = 0xffff0000 } } } },
	/* Combined entries may stay. */
	{ { OP(TLBI_S2_IPA), .vmid = 3, .addr = 0x7000, .leaf = true },
	  { .nr_s2 = 1,
	    .s2 = { { RANGE, .domain = 0x30000, .iova = 0x7000, .last = 0x7fff, .granule_lg2 = 12,
		      .flags = IOD_INV_LEAF_ONLY } } } },
	/* Everything but EL2. */
	{ { OP(TLBI_NSNH_ALL) },
	  { .nr_s1 = 1,
	    .nr_s2 = 1,
	    .s1 = { { DOMAIN, .domain_ignore = 0xffffffff } },
	    .s2 = { { DOMAIN, .domain_ignore = 0xffffffff } } } },
	{ { OP(CFGI_STE_RANGE), .range = 31 }, { 0 } },
	{ { OP(CFGI_CD) }, { 0 } },
	{ { OP(ATC_INV), .span = 52 }, { 0 } },
	{ { OP(RESUME) }, { 0 } },
	{ { OP(SYNC) }, { 0 } },
};

static void assert_inv(const struct iod_inv *a, const struct iod_inv *b)
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

static void test_effects(void **state)
{
	struct iod_cmd_effect effect;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		const struct iod_cmd_effect *want = &rows[i].effect;

		memset(&effect, 0xa5, sizeof(effect));
		iodt_assert_ok(iod_smmuv3_cmd_effect(&effect, &rows[i].cmd));
		assert_int_equal(effect.nr_s1, want->nr_s1);
		assert_int_equal(effect.nr_s2, want->nr_s2);
		for (uint32_t k = 0; k < want->nr_s1; k++)
			assert_inv(&effect.s1[k], &want->s1[k]);
		for (uint32_t k = 0; k < want->nr_s2; k++)
			assert_inv(&effect.s2[k], &want->s2[k]);
	}
}

/* An iotlb takes what comes of every command. */
static void test_taken(void **state)
{
	struct iod_cmd_effect effect;
	struct iod_iotlb *tlb;

	iodt_assert_ok(iod_iotlb_create(&tlb, NULL));
	for (size_t i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		iodt_assert_ok(iod_smmuv3_cmd_effect(&effect, &rows[i].cmd));
		iodt_assert_ok(iod_iotlb_invalidate(tlb, effect.s1, effect.nr_s1));
		iodt_assert_ok(iod_iotlb_invalidate(tlb, effect.s2, effect.nr_s2));
	}
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

static void test_atc_range(void **state)
{
	struct iod_smmuv3_cmd cmd = { OP(ATC_INV), .addr = 0x12345000 };
	uint64_t first, last;

	iodt_assert_ok(iod_smmuv3_cmd_atc_range(&cmd, &first, &last));
	assert_true(first == 0x12345000 && last == 0x12345fff);
	cmd.span = 9; /* 2 MiB, and the low bits of the address do not count */
	iodt_assert_ok(iod_smmuv3_cmd_atc_range(&cmd, &first, &last));
	assert_true(first == 0x12200000 && last == 0x123fffff);
	cmd.addr = 0xfffffffffffff000;
	cmd.span = 51;
	iodt_assert_ok(iod_smmuv3_cmd_atc_range(&cmd, &first, &last));
	assert_true(first == IODT_BIT(63) && last == UINT64_MAX);
	cmd.span = IOD_SMMUV3_ATC_ALL_SPAN;
	iodt_assert_ok(iod_smmuv3_cmd_atc_range(&cmd, &first, &last));
	assert_true(first == 0 && last == UINT64_MAX);
	cmd.span = 53;
	assert_int_equal(iod_smmuv3_cmd_atc_range(&cmd, &first, &last), -EINVAL);
	cmd.span = 0;
	cmd.op = IOD_SMMUV3_PREFETCH_ADDR;
	assert_int_equal(iod_smmuv3_cmd_atc_range(&cmd, &first, &last), -EINVAL);
	assert_int_equal(iod_smmuv3_cmd_atc_range(NULL, &first, &last), -EINVAL);
}

static void test_misuse(void **state)
{
	struct iod_smmuv3_cmd cmd = { OP(TLBI_NH_VA), .tg = 4 };
	struct iod_cmd_effect effect;

	assert_int_equal(iod_smmuv3_cmd_effect(&effect, &cmd), -EINVAL);
	cmd.tg = 1;
	cmd.ttl = 4;
	assert_int_equal(iod_smmuv3_cmd_effect(&effect, &cmd), -EINVAL);
	assert_int_equal(iod_smmuv3_cmd_effect(NULL, &cmd), -EINVAL);
	assert_int_equal(iod_smmuv3_cmd_effect(&effect, NULL), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_effects),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_atc_range),
		cmocka_unit_test(test_misuse),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
