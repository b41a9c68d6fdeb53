/* SPDX-License-Identifier: MIT */
/*
 * Misuse of create, attach, map, unmap, translate and visit: one table of calls each, with the
 * errno that the header promises, and nothing changed.
 */
#include "iodtest.h"

#include "badinput.h"

/* Every format, in its plainest configuration. */
static struct iod_pgtable_cfg good_cfg(struct iod_mem *mem, enum iod_format format)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg), .format = format, .mem = mem };

	if (format == IOD_AMD_V1)
		cfg.levels = 4;
	return cfg;
}

struct bad_cfg {
	const char *what;
	enum iod_format format; /* 0: each */
	int err;
	void (*spoil)(struct iod_pgtable_cfg *cfg);
};

#define SPOIL(name, code)                           \
	static void name(struct iod_pgtable_cfg *c) \
	{                                           \
		code;                               \
	}

SPOIL(size_zero, c->size = 0)
SPOIL(size_small, c->size = 8)
SPOIL(no_mem, c->mem = NULL)
SPOIL(format_zero, c->format = (enum iod_format)0)
SPOIL(format_wild, c->format = (enum iod_format)77)
SPOIL(feature_unknown, c->features = 1u << 30)
SPOIL(flags_create, c->flags = IOD_ATTACH_ADOPT)
SPOIL(flags_unknown, c->flags = 1u << 31)
SPOIL(granule_odd, c->granule = 8192)
SPOIL(granule_16k, c->granule = 16384)
SPOIL(pgsizes_none_fit, c->pgsize_bitmap = 1)
SPOIL(ias_53, c->ias = 53)
SPOIL(ias_24, c->ias = 24)
SPOIL(ias_65, c->ias = 65)
SPOIL(ias_15_small, (c->ias = 15, c->features = IOD_PT_SMALL))
SPOIL(oas_53, c->oas = 53)
SPOIL(oas_31, c->oas = 31)
SPOIL(oas_52_4k, c->oas = 52)
SPOIL(levels_2, c->levels = 2)
SPOIL(levels_6, c->levels = 6)
SPOIL(levels_7, c->levels = 7)
SPOIL(levels_3_of_48, c->levels = 3)
SPOIL(upper, c->features = IOD_PT_UPPER)
SPOIL(fwb, c->features = IOD_PT_S2FWB)
SPOIL(small, c->features = IOD_PT_SMALL)
SPOIL(lpae32, c->features = IOD_PT_LPAE32)
SPOIL(haft, c->features = IOD_PT_HW_DIRTY | IOD_PT_HW_TABLE_ACCESS)
SPOIL(haft_alone, c->features = IOD_PT_HW_TABLE_ACCESS)
SPOIL(kernels, c->kernels = "abacus")
SPOIL(lpae32_hd, c->features = IOD_PT_LPAE32 | IOD_PT_HW_DIRTY)
SPOIL(lpae32_16k, (c->features = IOD_PT_LPAE32, c->granule = 16384))
SPOIL(lpae32_ias40, (c->features = IOD_PT_LPAE32, c->ias = 40))
SPOIL(lpae32_oas48, (c->features = IOD_PT_LPAE32, c->oas = 48))
SPOIL(mair, c->mair = 0xff)

/*
 * R2, R3, R74: a code of one meaning for each; -ERANGE sizes, -EOPNOTSUPP features, -EINVAL the
 * rest.
 */
static const struct bad_cfg bad_cfgs[] = {
	{ "size 0", 0, -EINVAL, size_zero },
	{ "size too small", 0, -EINVAL, size_small },
	{ "no memory", 0, -EINVAL, no_mem },
	{ "format 0", 0, -EINVAL, format_zero },
	{ "format 77", 0, -EINVAL, format_wild },
	{ "unknown feature", 0, ANY_OF_EINVAL_EOPNOTSUPP, feature_unknown },
	{ "attach flag in create", 0, -EINVAL, flags_create },
	{ "unknown flag", 0, -EINVAL, flags_unknown },
	{ "granule 8K", 0, -EINVAL, granule_odd },
	{ "granule 16K", IOD_VTD_SS, -EINVAL, granule_16k },
	{ "granule 16K", IOD_VTD_FS, -EINVAL, granule_16k },
	{ "granule 16K", IOD_AMD_V1, -EINVAL, granule_16k },
	{ "granule 16K", IOD_AMD_V2, -EINVAL, granule_16k },
	{ "page sizes that the format lacks", 0, -EINVAL, pgsizes_none_fit },
	{ "ias 53", IOD_ARM_LPAE_S1, -ERANGE, ias_53 },
	{ "ias 53", IOD_ARM_LPAE_S2, -ERANGE, ias_53 },
	{ "ias 24 without small tables", IOD_ARM_LPAE_S1, -ERANGE, ias_24 },
	{ "ias 24 without small tables", IOD_ARM_LPAE_S2, -ERANGE, ias_24 },
	{ "ias 15", IOD_ARM_LPAE_S1, -ERANGE, ias_15_small },
	{ "ias 65", IOD_AMD_V1, -ERANGE, ias_65 },
	{ "oas 53", 0, -ERANGE, oas_53 },
	{ "oas 31", IOD_ARM_LPAE_S1, -ERANGE, oas_31 },
	{ "oas 52 with 4K", IOD_ARM_LPAE_S1, -ERANGE, oas_52_4k },
	{ "oas 52 with 4K", IOD_ARM_LPAE_S2, -ERANGE, oas_52_4k },
	{ "two levels", IOD_VTD_SS, ANY_OF_EINVAL_ERANGE, levels_2 },
	{ "six levels", IOD_VTD_SS, ANY_OF_EINVAL_ERANGE, levels_6 },
	{ "two levels", IOD_VTD_FS, ANY_OF_EINVAL_ERANGE, levels_2 },
	{ "six levels", IOD_AMD_V2, ANY_OF_EINVAL_ERANGE, levels_6 },
	{ "mode 7", IOD_AMD_V1, ANY_OF_EINVAL_ERANGE, levels_7 },
	{ "three levels for 48 bits", IOD_ARM_LPAE_S1, ANY_OF_EINVAL_ERANGE, levels_3_of_48 },
	{ "three levels for 48 bits", IOD_ARM_LPAE_S2, ANY_OF_EINVAL_ERANGE, levels_3_of_48 },
	{ "seven levels", IOD_ARM_LPAE_S2, ANY_OF_EINVAL_ERANGE, levels_7 },
	{ "upper half of stage 2", IOD_ARM_LPAE_S2, -EOPNOTSUPP, upper },
	{ "upper half", IOD_VTD_SS, -EOPNOTSUPP, upper },
	{ "upper half", IOD_AMD_V1, -EOPNOTSUPP, upper },
	{ "FWB of stage 1", IOD_ARM_LPAE_S1, -EOPNOTSUPP, fwb },
	{ "FWB", IOD_VTD_SS, -EOPNOTSUPP, fwb },
	{ "small tables", IOD_VTD_FS, -EOPNOTSUPP, small },
	{ "32-bit LPAE", IOD_AMD_V2, -EOPNOTSUPP, lpae32 },
	{ "kernels", 0, -EOPNOTSUPP, kernels },
	{ "table access without access", IOD_VTD_SS, -EOPNOTSUPP, haft_alone },
	{ "table access", IOD_AMD_V1, -EOPNOTSUPP, haft },
	{ "32-bit LPAE with HD", IOD_ARM_LPAE_S1, -EOPNOTSUPP, lpae32_hd },
	{ "32-bit LPAE with HD", IOD_ARM_LPAE_S2, -EOPNOTSUPP, lpae32_hd },
	{ "32-bit LPAE with 16K", IOD_ARM_LPAE_S1, ANY_OF_EINVAL_EOPNOTSUPP, lpae32_16k },
	{ "32-bit LPAE with ias 40", IOD_ARM_LPAE_S1, -ERANGE, lpae32_ias40 },
	{ "32-bit LPAE with oas 48", IOD_ARM_LPAE_S1, -ERANGE, lpae32_oas48 },
	{ "MAIR of stage 2", IOD_ARM_LPAE_S2, ANY_OF_EINVAL_EOPNOTSUPP, mair },
	{ "MAIR", IOD_VTD_SS, ANY_OF_EINVAL_EOPNOTSUPP, mair },
};

static void try_bad_cfg(const struct bad_cfg *bad, struct iod_mem *mem, enum iod_format format)
{
	struct iod_pgtable_cfg cfg = good_cfg(mem, format);
	struct iod_pgtable *pt = NULL;
	int ret;

	bad->spoil(&cfg);
	ret = iod_pgtable_create(&pt, &cfg);
	if (!same_error(ret, bad->err))
		fail_msg("create %s: %s: %d, want %d", iod_format_name(format), bad->what, ret,
			 bad->err);
	assert_null(pt);
}

static void create(void **state)
{
	struct iod_mem *mem = iodt_mem_create(NULL);
	struct iod_pgtable *pt = NULL;
	struct iod_pgtable_cfg cfg;
	unsigned int f;
	size_t i;

	assert_non_null(mem);
	for (i = 0; i < IODT_ARRAY_SIZE(bad_cfgs); i++)
		for (f = IOD_ARM_LPAE_S1; f <= IOD_AMD_V2; f++)
			if ((!bad_cfgs[i].format || bad_cfgs[i].format == f) &&
			    iod_format_ops((enum iod_format)f))
				try_bad_cfg(&bad_cfgs[i], mem, (enum iod_format)f);
	cfg = good_cfg(mem, IOD_VTD_SS);
	assert_int_equal(iod_pgtable_create(NULL, &cfg), -EINVAL);
	assert_int_equal(iod_pgtable_create(&pt, NULL), -EINVAL);
	assert_int_equal(iod_pgtable_attach(NULL, &cfg, 0x200000), -EINVAL);
	assert_int_equal(iod_pgtable_attach(&pt, NULL, 0x200000), -EINVAL);
	assert_int_equal(iod_pgtable_destroy(NULL), -EINVAL);
	assert_null(pt);
	assert_int_equal(iodt_stats(mem).tables, 0);
	iodt_assert_ok(iod_mem_destroy(mem));
}

/* R74: a bigger struct is accepted while its tail is zero. */
static void bigger_structs(void **state)
{
	struct {
		struct iod_pgtable_cfg cfg;
		uint64_t tail;
	} c = { .tail = 0 };
	struct {
		struct iod_gather_cfg cfg;
		uint64_t tail;
	} g = { .tail = 1 };
	struct iod_mem *mem = iodt_mem_create(NULL);
	struct iod_gather *gather = NULL;
	struct iod_pgtable *pt = NULL;

	assert_non_null(mem);
	if (!iod_format_ops(IOD_VTD_SS)) {
		iodt_assert_ok(iod_mem_destroy(mem));
		skip();
	}
	c.cfg = good_cfg(mem, IOD_VTD_SS);
	c.cfg.size = sizeof(c);
	iodt_assert_ok(iod_pgtable_create(&pt, &c.cfg));
	g.cfg = (struct iod_gather_cfg){ .size = sizeof(g) };
	assert_int_equal(iod_gather_create(&gather, pt, &g.cfg), -E2BIG);
	g.tail = 0;
	iodt_assert_ok(iod_gather_create(&gather, pt, &g.cfg));
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_assert_ok(iod_pgtable_destroy(pt));
	c.tail = 1;
	pt = NULL;
	assert_int_equal(iod_pgtable_create(&pt, &c.cfg), -E2BIG);
	assert_int_equal(iod_pgtable_attach(&pt, &c.cfg, 0x200000), -E2BIG);
	assert_null(pt);
	iodt_assert_ok(iod_mem_destroy(mem));
}

/* ---- ranges ---- */

struct bad_range {
	const char *what;
	uint64_t iova, pa, len; /* in pages but for the odd ones */
	int odd;		/* added to: 1 iova, 2 pa, 3 len */
	uint32_t prot, flags;
	int err;
};

/* R15, R17: zero, misaligned by a byte or half a page, overflowing, unknown flags. */
static const struct bad_range bad_maps[] = {
	{ "len 0", 0, 0, 0, 0, IODT_RW, 0, -EINVAL },
	{ "iova misaligned", 0, 0, 1, 1, IODT_RW, 0, -EINVAL },
	{ "pa misaligned", 0, 0, 1, 2, IODT_RW, 0, -EINVAL },
	{ "len misaligned", 0, 0, 1, 3, IODT_RW, 0, -EINVAL },
	{ "no permission", 0, 0, 1, 0, 0, 0, -EINVAL },
	{ "only NOEXEC", 0, 0, 1, 0, IOD_PROT_NOEXEC, 0, -EINVAL },
	{ "unknown prot bit 10", 0, 0, 1, 0, IODT_RW | 1u << 10, 0, -EINVAL },
	{ "unknown prot bit 31", 0, 0, 1, 0, IODT_RW | 1u << 31, 0, -EINVAL },
	{ "memory attribute without its flag", 0, 0, 1, 0, IODT_RW | 1u << 16, 0,
	  ANY_OF_EINVAL_EOPNOTSUPP },
	{ "shareability without its flag", 0, 0, 1, 0, IODT_RW | 1u << 24, 0,
	  ANY_OF_EINVAL_EOPNOTSUPP },
};

static const struct bad_range bad_unmaps[] = {
	{ "len 0", 0, 0, 0, 0, 0, 0, -EINVAL },
	{ "iova misaligned", 0, 0, 1, 1, 0, 0, -EINVAL },
	{ "len misaligned", 0, 0, 1, 3, 0, 0, -EINVAL },
	{ "unknown flag", 0, 0, 1, 0, 0, 8, -EINVAL },
	{ "unknown flag 31", 0, 0, 1, 0, 0, 1u << 31, -EINVAL },
};

static void check_range(struct iodt *t, const struct bad_range *r, uint64_t by, bool mapping)
{
	uint64_t iova = t->v->first + r->iova * t->page, pa = r->pa * t->page, done = 11;
	uint64_t len = r->len * t->page;
	int ret;

	iova += r->odd == 1 ? by : 0;
	pa += r->odd == 2 ? by : 0;
	len += r->odd == 3 ? by : 0;
	if (mapping)
		ret = iod_map(t->pt, iova, pa, len, r->prot, t->gather, &done);
	else
		ret = iod_unmap(t->pt, iova, len, r->flags, t->gather, &done);
	if (!same_error(ret, r->err))
		fail_msg("%s: %d, want %d", r->what, ret, r->err);
	assert_int_equal(done, 11);
}

static void map(struct iodt *t)
{
	uint64_t by[] = { 1, 8, 512, 2048 };
	size_t i, k;

	for (i = 0; i < IODT_ARRAY_SIZE(bad_maps); i++)
		for (k = 0; k < 4; k++)
			check_range(t, &bad_maps[i], by[k], true);
	assert_int_equal(iod_map(NULL, 0, 0, t->page, IODT_RW, NULL, NULL), -EINVAL);
	/* wraps; the whole of 2^64 cannot be said */
	assert_int_equal(iod_map(t->pt, 0 - t->page, 0, 2 * t->page, IODT_RW, NULL, NULL), -ERANGE);
	assert_int_equal(iod_map(t->pt, t->v->first + t->page, 0, 0 - t->page, IODT_RW, NULL, NULL),
			 -ERANGE);
	assert_int_equal(iod_map(t->pt, t->v->first, 0 - t->page, t->page, IODT_RW, NULL, NULL),
			 -ERANGE);
	iodt_verify(t);
}

static void unmap(struct iodt *t)
{
	uint64_t by[] = { 1, 8, 512, 2048 };
	size_t i, k;

	iodt_map(t, t->v->first, 0, 2 * t->page, IODT_RW);
	for (i = 0; i < IODT_ARRAY_SIZE(bad_unmaps); i++)
		for (k = 0; k < 4; k++)
			check_range(t, &bad_unmaps[i], by[k], false);
	assert_int_equal(iod_unmap(NULL, 0, t->page, 0, t->gather, NULL), -EINVAL);
	assert_int_equal(iod_unmap(t->pt, t->v->first, t->page, 0, NULL, NULL), -EINVAL);
	assert_int_equal(iod_unmap(t->pt, 0 - t->page, 2 * t->page, 0, t->gather, NULL), -ERANGE);
	assert_int_equal(iodt_gather_info(t->gather).ranges, 0);
	iodt_verify(t);
}

static int no_visit(void *cookie, const struct iod_visit_event *ev)
{
	return 1;
}

static void readers(struct iodt *t)
{
	struct iod_visit good = {
		.size = sizeof(good), .iova = t->v->first, .len = t->page, .fn = no_visit
	};
	struct {
		struct iod_visit v;
		uint64_t tail;
	} big = { .tail = 1 };
	struct iod_mapping m;
	struct iod_visit v;
	uint64_t pa;

	assert_int_equal(iod_translate(NULL, 0, &m), -EINVAL);
	assert_int_equal(iod_translate(t->pt, t->v->first, NULL), -EINVAL);
	assert_int_equal(iod_iova_to_phys(NULL, 0, &pa), -EINVAL);
	assert_int_equal(iod_iova_to_phys(t->pt, t->v->first, NULL), -EINVAL);
	assert_int_equal(iod_visit(NULL, &good), -EINVAL);
	assert_int_equal(iod_visit(t->pt, NULL), -EINVAL);
	EXPECT_VISIT(size = 0, -EINVAL);
	EXPECT_VISIT(size = 16, -EINVAL);
	EXPECT_VISIT(len = 0, -EINVAL);
	EXPECT_VISIT(len = t->page / 2, -EINVAL);
	EXPECT_VISIT(iova = t->v->first + 1, -EINVAL);
	EXPECT_VISIT(flags = 2, -EINVAL);
	EXPECT_VISIT(reserved = 1, -EINVAL);
	EXPECT_VISIT(fn = NULL, -EINVAL);
	EXPECT_VISIT(iova = 0 - t->page; v.len = 2 * t->page, -ERANGE);
	if (t->v->last != UINT64_MAX)
		EXPECT_VISIT(iova = t->v->last + 1, -ERANGE);
	big.v = good;
	big.v.size = sizeof(big);
	assert_int_equal(iod_visit(t->pt, &big.v), -E2BIG);
	big.tail = 0;
	assert_int_equal(iod_visit(t->pt, &big.v), 1);
}

static void infos(struct iodt *t)
{
	struct {
		union {
			struct iod_hw_info hw;
			struct iod_pgtable_info pt;
			struct iod_gather_info gather;
			struct iod_iotlb_stats tlb;
			size_t size;
		} u;
	} x;

	CHECK_INFO(struct iod_hw_info, iod_pgtable_get_hw_info, t->pt);
	CHECK_INFO(struct iod_pgtable_info, iod_pgtable_get_info, t->pt);
	CHECK_INFO(struct iod_gather_info, iod_gather_get_info, t->gather);
	memset(&x, 0, sizeof(x));
	x.u.size = sizeof(x.u.hw);
	assert_int_equal(iod_pgtable_get_hw_info(NULL, &x.u.hw), -EINVAL);
	x.u.size = sizeof(x.u.pt);
	assert_int_equal(iod_pgtable_get_info(NULL, &x.u.pt), -EINVAL);
	x.u.size = sizeof(x.u.gather);
	assert_int_equal(iod_gather_get_info(NULL, &x.u.gather), -EINVAL);
}

static const struct iodt_test tests[] = {
	{ "map", 0, 0, map },
	{ "unmap", 0, 0, unmap },
	{ "readers", 0, 0, readers },
	{ "infos", IODT_PLAIN, 0, infos },
};

static const struct CMUnitTest plain[] = {
	cmocka_unit_test(create),
	cmocka_unit_test(bigger_structs),
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
