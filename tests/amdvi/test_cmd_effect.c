/* SPDX-License-Identifier: MIT */
/*
 * What commands do to translations: what is certain, written out, and no more; and sizes in addresses, against a
 * decoder of their own (bits.md C3.1).
 */
#include "iodtest.h"

#include "amdvi/amdrand.h"

#define OP(name) .op = IOD_AMDVI_##name
#define PAGES	 OP(INVALIDATE_IOMMU_PAGES)

struct row {
	struct iod_amdvi_cmd cmd;
	struct iod_cmd_effect effect;
};

static const struct row rows[] = {
	/* The host's: guest translations made through it may stay. */
	{ { PAGES, .domain = 0x12, .addr = 0x5000 },
	  { .nr_s2 = 1,
	    .s2 = { { .kind = IOD_INV_RANGE,
		      .domain = 0x1200000,
		      .iova = 0x5000,
		      .last = 0x5fff,
		      .granule_lg2 = 12,
		      .flags = IOD_INV_LEAF_ONLY } } } },
	{ { PAGES, .domain = 0xffff, .pde = true, .addr = 0xfffffffffffff000 },
	  { .nr_s2 = 1,
	    .s2 = { { .kind = IOD_INV_RANGE,
		      .domain = 0xffff00000,
		      .iova = 0xfffffffffffff000,
		      .last = UINT64_MAX,
		      .granule_lg2 = 12 } } } },
	/* One PASID's. 64 KiB: bits 14:12 */
	{ { PAGES, .domain = 0x12, .pasid = 0x34567, .gn = true, .s = true, .addr = 0x27000 },
	  { .nr_s1 = 1,
	    .s1 = { { .kind = IOD_INV_RANGE,
		      .domain = 0x1234567,
		      .iova = 0x20000,
		      .last = 0x2ffff,
		      .granule_lg2 = 12,
		      .flags = IOD_INV_LEAF_ONLY } } } },
	/* 8 KiB: no bits */
	{ { PAGES, .gn = true, .s = true, .pde = true, .addr = 0x6000 },
	  { .nr_s1 = 1,
	    .s1 = { { .kind = IOD_INV_RANGE,
		      .iova = 0x6000,
		      .last = 0x7fff,
		      .granule_lg2 = 12 } } } },
	{ { PAGES, .domain = 1, .s = true, .pde = true, .addr = IOD_AMDVI_ADDR_ALL },
	  { .nr_s2 = 1, .s2 = { { .kind = IOD_INV_DOMAIN, .domain = 0x100000 } } } },
	{ { PAGES, .domain = 1, .s = true, .addr = 0xfffffffffffff000 },
	  { .nr_s2 = 1,
	    .s2 = { { .kind = IOD_INV_DOMAIN,
		      .domain = 0x100000,
		      .flags = IOD_INV_LEAF_ONLY } } } },
	{ { PAGES, .domain = 1, .pasid = 1, .gn = true, .s = true, .addr = IOD_AMDVI_ADDR_ALL },
	  { .nr_s1 = 1,
	    .s1 = { { .kind = IOD_INV_DOMAIN,
		      .domain = 0x100001,
		      .flags = IOD_INV_LEAF_ONLY } } } },
	{ { OP(INVALIDATE_IOMMU_ALL) },
	  { .nr_s1 = 1,
	    .nr_s2 = 1,
	    .s1 = { { .kind = IOD_INV_ALL } },
	    .s2 = { { .kind = IOD_INV_ALL } } } },
	{ { OP(INVALIDATE_IOTLB_PAGES), .s = true, .addr = IOD_AMDVI_ADDR_ALL }, { 0 } },
	{ { OP(INVALIDATE_DEVTAB_ENTRY) }, { 0 } },
	{ { OP(PREFETCH_IOMMU_PAGES), .inval = true }, { 0 } },
	{ { OP(COMPLETION_WAIT), .flush = true }, { 0 } },
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
	struct iod_amdvi_cmd bad = { PAGES, .addr = 1 };
	struct iod_cmd_effect effect;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		const struct iod_cmd_effect *want = &rows[i].effect;

		memset(&effect, 0xa5, sizeof(effect));
		iodt_assert_ok(iod_amdvi_cmd_effect(&effect, &rows[i].cmd));
		assert_int_equal(effect.nr_s1, want->nr_s1);
		assert_int_equal(effect.nr_s2, want->nr_s2);
		for (unsigned k = 0; k < want->nr_s1; k++)
			assert_inv(&effect.s1[k], &want->s1[k]);
		for (unsigned k = 0; k < want->nr_s2; k++)
			assert_inv(&effect.s2[k], &want->s2[k]);
	}
	assert_int_equal(iod_amdvi_cmd_effect(NULL, &bad), -EINVAL);
	assert_int_equal(iod_amdvi_cmd_effect(&effect, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_cmd_effect(&effect, &bad), -EINVAL);
	bad.addr = 0;
	bad.pasid = 0x100000;
	assert_int_equal(iod_amdvi_cmd_effect(&effect, &bad), -EINVAL);
}

/* Bit by bit, as the rule reads: the first 0 from bit 12 up; what is above it is the address. */
static void model_range(uint64_t addr, bool s, uint64_t *first, uint64_t *last)
{
	uint64_t size = 4096;

	if (s) {
		size = 8192;
		for (unsigned bit = 12; bit < 64 && addr >> bit & 1; bit++)
			size *= 2; /* 0 in the end: 2^64 and more */
	}
	if (!size || size > UINT64_C(1) << 52) {
		*first = 0;
		*last = UINT64_MAX;
		return;
	}
	*first = addr / size * size;
	*last = *first + (size - 1);
}

static void test_range(void **state)
{
	static const enum iod_amdvi_op ops[] = { IOD_AMDVI_INVALIDATE_IOMMU_PAGES,
						 IOD_AMDVI_INVALIDATE_IOTLB_PAGES,
						 IOD_AMDVI_PREFETCH_IOMMU_PAGES };
	struct amdrand r = amdrand_start();
	struct iod_amdvi_cmd cmd = { 0 };
	uint64_t first, last, f, l;

	for (unsigned i = 0; i < 100000; i++) {
		uint64_t ones = amdrand(&r) % 53;

		cmd.op = ops[i % 3];
		cmd.s = i % 7;
		cmd.addr = (amdrand(&r) | ((UINT64_C(1) << ones) - 1) << 12) & ~UINT64_C(0xfff);
		iodt_assert_ok(iod_amdvi_cmd_range(&cmd, &first, &last));
		model_range(cmd.addr, cmd.s, &f, &l);
		assert_true(first == f && last == l);
	}
	cmd.addr |= 8;
	assert_int_equal(iod_amdvi_cmd_range(&cmd, &first, &last), -EINVAL);
	cmd.addr = 0;
	cmd.op = IOD_AMDVI_INVALIDATE_IOMMU_ALL;
	assert_int_equal(iod_amdvi_cmd_range(&cmd, &first, &last), -EINVAL);
	cmd.op = IOD_AMDVI_PREFETCH_IOMMU_PAGES;
	assert_int_equal(iod_amdvi_cmd_range(&cmd, NULL, &last), -EINVAL);
	assert_int_equal(iod_amdvi_cmd_range(&cmd, &first, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_cmd_range(NULL, &first, &last), -EINVAL);
}

/* The smallest block, found by trying all of them. */
static void smallest(uint64_t first, uint64_t last, uint64_t *f, uint64_t *l)
{
	for (unsigned lg2 = 12; lg2 <= 52; lg2++) {
		if (first >> lg2 != last >> lg2)
			continue;
		*f = first >> lg2 << lg2;
		*l = *f + ((UINT64_C(1) << lg2) - 1);
		return;
	}
	*f = 0;
	*l = UINT64_MAX;
}

static void test_set_range(void **state)
{
	struct iod_amdvi_cmd cmd = { PAGES };
	struct amdrand r = amdrand_start();
	uint64_t first, last, f, l;

	for (unsigned i = 0; i < 100000; i++) {
		first = amdrand(&r) >> amdrand(&r) % 64;
		last = first ^ (amdrand(&r) >> amdrand(&r) % 64);
		if (last < first) {
			f = first;
			first = last;
			last = f;
		}
		iodt_assert_ok(iod_amdvi_cmd_set_range(&cmd, first, last));
		smallest(first, last, &f, &l);
		model_range(cmd.addr, cmd.s, &first, &last);
		assert_true(first == f && last == l);
	}
	/* the words: one page, 8 KiB, 1 MiB, 512 MiB, everything */
	iodt_assert_ok(iod_amdvi_cmd_set_range(&cmd, 0x1000, 0x1fff));
	assert_true(cmd.addr == 0x1000 && !cmd.s);
	iodt_assert_ok(iod_amdvi_cmd_set_range(&cmd, 0x2000, 0x3fff));
	assert_true(cmd.addr == 0x2000 && cmd.s);
	iodt_assert_ok(iod_amdvi_cmd_set_range(&cmd, 0x100000, 0x1fffff));
	assert_true(cmd.addr == 0x17f000 && cmd.s);
	iodt_assert_ok(iod_amdvi_cmd_set_range(&cmd, 0, 0x1fffffff));
	assert_true(cmd.addr == 0xffff000 && cmd.s);
	iodt_assert_ok(iod_amdvi_cmd_set_range(&cmd, 0, UINT64_MAX));
	assert_true(cmd.addr == 0x7ffffffffffff000 && cmd.s);
	assert_int_equal(iod_amdvi_cmd_set_range(&cmd, 1, 0), -EINVAL);
	assert_int_equal(iod_amdvi_cmd_set_range(NULL, 0, 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_effects),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_set_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
