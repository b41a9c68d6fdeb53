/* SPDX-License-Identifier: MIT */
/* What hardware must be told, geometry, names and vtables, against hand tables. */
#include "iodtest.h"

static struct iod_hw_info hw_info(const struct iod_pgtable *pt)
{
	struct iod_hw_info hw = { .size = sizeof(hw) };

	iodt_assert_ok(iod_pgtable_get_hw_info(pt, &hw));
	return hw;
}

/* OAS, IPS, S2PS: bits.md C1.1 */
static unsigned int oas_code(unsigned int bits)
{
	static const unsigned int by_code[] = { 32, 36, 40, 42, 44, 48, 52 };
	unsigned int i;

	for (i = 0; by_code[i] != bits; i++)
		;
	return i;
}

/* bits.md C1.3; IR/OR 1: write-back, write-allocate; SH 3: inner */
static void check_arm_s1(const struct iodt_variant *v, const struct iod_hw_info *hw)
{
	bool lpae32 = v->features & IOD_PT_LPAE32;

	assert_int_equal(hw->u.arm_s1.aa64, !lpae32);
	assert_int_equal(hw->u.arm_s1.tsz, (lpae32 ? 32 : 64) - v->ias);
	assert_int_equal(hw->u.arm_s1.irgn, 1);
	assert_int_equal(hw->u.arm_s1.orgn, 1);
	assert_int_equal(hw->u.arm_s1.sh, 3);
	assert_int_equal(hw->u.arm_s1.upper, !!(v->features & IOD_PT_UPPER));
	assert_int_equal(hw->u.arm_s1.epd_other, 1);
	assert_int_equal(hw->u.arm_s1.mair, 0x0444ff);
	assert_int_equal(hw->u.arm_s1.ttb, hw->root);
	assert_int_equal(hw->u.arm_s1.ha, !!(v->features & (IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY)));
	assert_int_equal(hw->u.arm_s1.hd, !!(v->features & IOD_PT_HW_DIRTY));
	assert_int_equal(hw->u.arm_s1.haft, !!(v->features & IOD_PT_HW_TABLE_ACCESS));
	if (lpae32)
		return;
	assert_int_equal(hw->u.arm_s1.tg, v->tg);
	assert_int_equal(hw->u.arm_s1.ips, oas_code(iodt_out_bits(v)));
}

/* bits.md C1.2 */
static void check_arm_s2(const struct iodt_variant *v, const struct iod_hw_info *hw)
{
	bool lpae32 = v->features & IOD_PT_LPAE32;

	assert_int_equal(hw->u.arm_s2.s2aa64, !lpae32);
	assert_int_equal(hw->u.arm_s2.s2t0sz, (lpae32 ? 32 : 64) - v->ias);
	assert_int_equal(hw->u.arm_s2.s2sl0, v->sl0);
	assert_int_equal(hw->u.arm_s2.s2tg, v->tg);
	assert_int_equal(hw->u.arm_s2.s2ir0, 1);
	assert_int_equal(hw->u.arm_s2.s2or0, 1);
	assert_int_equal(hw->u.arm_s2.s2sh0, 3);
	assert_int_equal(hw->u.arm_s2.s2ttb, hw->root);
	assert_int_equal(hw->u.arm_s2.s2ha, !!(v->features & (IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY)));
	assert_int_equal(hw->u.arm_s2.s2hd, !!(v->features & IOD_PT_HW_DIRTY));
	assert_int_equal(hw->u.arm_s2.s2haft, !!(v->features & IOD_PT_HW_TABLE_ACCESS));
	assert_int_equal(hw->u.arm_s2.s2fwb, !!(v->features & IOD_PT_S2FWB));
	if (!lpae32)
		assert_int_equal(hw->u.arm_s2.s2ps, oas_code(iodt_out_bits(v)));
}

/* bits.md A3.6: HAD 0 off, 1 Accessed, 3 both */
static void check_amd_v1(const struct iodt_variant *v, const struct iod_hw_info *hw)
{
	unsigned int had = v->features & IOD_PT_HW_DIRTY    ? 3
			   : v->features & IOD_PT_HW_ACCESS ? 1
							    : 0;

	assert_int_equal(hw->u.amd_v1.mode, v->mode);
	assert_int_equal(hw->u.amd_v1.had, had);
	assert_int_equal(hw->u.amd_v1.root, hw->root);
}

static void fields_for_hardware(struct iodt *t)
{
	struct iod_hw_info hw = hw_info(t->pt);

	assert_int_equal(hw.format, t->v->format);
	assert_int_equal(hw.levels, t->v->walk_levels);
	assert_true(hw.root && hw.root_len);
	switch (hw.format) {
	case IOD_ARM_LPAE_S1:
		check_arm_s1(t->v, &hw);
		break;
	case IOD_ARM_LPAE_S2:
		check_arm_s2(t->v, &hw);
		break;
	case IOD_VTD_SS:
		assert_int_equal(hw.u.vtd_ss.ssptptr, hw.root);
		assert_int_equal(hw.u.vtd_ss.aw, t->v->mode);
		assert_int_equal(hw.u.vtd_ss.ssade, !!(t->v->features & IOD_PT_HW_DIRTY));
		break;
	case IOD_VTD_FS:
		assert_int_equal(hw.u.vtd_fs.fsptptr, hw.root);
		assert_int_equal(hw.u.vtd_fs.fspm, t->v->mode);
		break;
	case IOD_AMD_V1:
		check_amd_v1(t->v, &hw);
		break;
	case IOD_AMD_V2:
		assert_int_equal(hw.u.amd_v2.gcr3, hw.root);
		assert_int_equal(hw.u.amd_v2.guest_paging_mode, t->v->mode);
		break;
	}
}

/* R27: the root, concatenated tables together, holds all its items and is aligned to its size. */
static void root_size_and_alignment(struct iodt *t)
{
	unsigned int granule_lg2 = t->v->granule == 16384 ? 14 : t->v->granule == 65536 ? 16 : 12;
	unsigned int below = granule_lg2 + (t->v->walk_levels - 1) * (granule_lg2 - 3);
	unsigned int width = t->v->max_levels ? below + 9 : t->v->width;
	uint64_t need = IODT_BIT(width - below + 3);
	struct iod_hw_info hw = hw_info(t->pt);

	assert_true(hw.root_len >= need);
	assert_int_equal(hw.root & (need - 1), 0);
	if (t->v->tables > 1)
		assert_int_equal(hw.root_len, (uint64_t)t->v->tables << granule_lg2);
	else
		assert_true(hw.root_len <= IODT_BIT(granule_lg2));
}

static void geometry(struct iodt *t)
{
	struct iod_pgtable_info info = iodt_info(t->pt);
	uint32_t features = t->v->features;

	if (features & IOD_PT_HW_DIRTY || t->v->format == IOD_VTD_FS || t->v->format == IOD_AMD_V2)
		features |= IOD_PT_HW_DIRTY | IOD_PT_HW_ACCESS;
	if (features & IOD_PT_BBM_2)
		features |= IOD_PT_BBM_1;
	assert_int_equal(info.format, t->v->format);
	assert_int_equal(info.features, features);
	assert_int_equal(info.domain, 0x1234);
	assert_int_equal(info.first, t->v->first);
	assert_int_equal(info.last, t->v->last);
	assert_int_equal(info.hole_first, t->v->hole_first);
	assert_int_equal(info.hole_last, t->v->hole_last);
	assert_int_equal(info.ias, t->v->width);
	assert_int_equal(info.oas, iodt_out_bits(t->v));
	assert_int_equal(info.levels, t->v->walk_levels);
	assert_int_equal(IODT_BIT(info.granule_lg2), t->page);
	assert_int_equal(info.tables, 1);
	assert_in_range(info.table_bytes, 1, iodt_stats(t->mem).bytes);
	/* a page that the output size cannot hold may be listed, it can never be used */
	assert_int_equal(info.pgsize_bitmap & (2 * IODT_BIT(iodt_out_bits(t->v)) - 1), t->v->sizes);
}

/* A root that grew is what hardware must be told. */
static void grown_root(struct iodt *t)
{
	struct iod_hw_info hw;

	iodt_map(t, t->v->last - (t->page - 1), 0, t->page, IODT_RW);
	hw = hw_info(t->pt);
	assert_int_equal(hw.u.amd_v1.mode, t->v->max_levels);
	assert_int_equal(hw.levels, t->v->max_levels);
	iodt_verify(t);
}

/* R29: one vtable per format (ARM: per granule), its slots do what the functions do. */
static void vtable(struct iodt *t)
{
	const struct iod_pgtable_ops *ops = iod_pgtable_get_ops(t->pt);
	uint64_t done = 0, p = t->page;
	struct iod_mapping m;

	assert_non_null(ops);
	if (iodt_info(t->pt).granule_lg2 == 12)
		assert_ptr_equal(ops, iod_format_ops(t->v->format));
	assert_int_equal(ops->size, sizeof(*ops));
	assert_int_equal(ops->format, t->v->format);
	assert_string_equal(ops->name, iod_format_name(t->v->format));
	assert_int_equal(strncmp(t->v->name, ops->name, strlen(ops->name)), 0);
	iodt_assert_ok(ops->map(t->pt, t->v->first, 0, p, IODT_RW, t->gather, &done));
	assert_int_equal(ops->map(t->pt, t->v->first, 0, p + 1, IODT_RW, t->gather, &done),
			 -EINVAL);
	iodt_assert_ok(ops->translate(t->pt, t->v->first, &m));
	iodt_assert_ok(ops->unmap(t->pt, t->v->first, p, 0, t->gather, &done));
	assert_int_equal(done, 2 * p);
	iodt_verify(t);
}

static void names(void **state)
{
	static const char *const name[] = { "arm_lpae_s1", "arm_lpae_s2", "vtd_ss",
					    "vtd_fs",	   "amd_v1",	  "amd_v2" };
	enum iod_format format;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		assert_string_equal(iod_format_name((enum iod_format)(i + 1)), name[i]);
		iodt_assert_ok(iod_format_by_name(name[i], &format));
		assert_int_equal(format, i + 1);
	}
	assert_null(iod_format_name((enum iod_format)0));
	assert_null(iod_format_name((enum iod_format)7));
	assert_null(iod_format_ops((enum iod_format)0));
	assert_null(iod_format_ops((enum iod_format)99));
	assert_int_equal(iod_format_by_name("vtd", &format), -ENOENT);
	assert_int_equal(iod_format_by_name("", &format), -ENOENT);
	assert_int_equal(iod_format_by_name(NULL, &format), -EINVAL);
	assert_int_equal(iod_format_by_name("vtd_ss", NULL), -EINVAL);
	assert_null(iod_pgtable_get_ops(NULL));
}

/* Zero means the default in every field. */
static void defaults(void **state)
{
	static const struct {
		enum iod_format format;
		uint32_t ias, oas, levels;
		uint64_t last;
	} want[] = {
		{ IOD_ARM_LPAE_S1, 48, 48, 4, IODT_BIT(48) - 1 },
		{ IOD_ARM_LPAE_S2, 48, 48, 4, IODT_BIT(48) - 1 },
		{ IOD_VTD_SS, 48, 52, 4, IODT_BIT(48) - 1 },
		{ IOD_VTD_FS, 48, 52, 4, UINT64_MAX },
		{ IOD_AMD_V1, 64, 52, 3, UINT64_MAX },
		{ IOD_AMD_V2, 48, 52, 4, UINT64_MAX },
	};
	struct iod_mem *mem = iodt_mem_create(NULL);
	struct iod_pgtable_info info;
	struct iod_pgtable *pt;
	size_t i;

	assert_non_null(mem);
	for (i = 0; i < IODT_ARRAY_SIZE(want); i++) {
		struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
					       .format = want[i].format,
					       .mem = mem };

		if (!iod_format_ops(want[i].format))
			continue;
		iodt_assert_ok(iod_pgtable_create(&pt, &cfg));
		info = iodt_info(pt);
		assert_int_equal(info.ias, want[i].ias);
		assert_int_equal(info.oas, want[i].oas);
		assert_int_equal(info.levels, want[i].levels);
		assert_int_equal(info.first, 0);
		assert_int_equal(info.last, want[i].last);
		assert_int_equal(info.granule_lg2, 12);
		iodt_assert_ok(iod_pgtable_destroy(pt));
	}
	iodt_assert_ok(iod_mem_destroy(mem));
}

static const struct iodt_test tests[] = {
	{ "fields_for_hardware", 0, 0, fields_for_hardware },
	{ "root_size_and_alignment", 0, 0, root_size_and_alignment },
	{ "geometry", 0, 0, geometry },
	{ "grown_root", IODT_GROWS, 0, grown_root },
	{ "vtable", 0, 0, vtable },
};

static const struct CMUnitTest plain[] = {
	cmocka_unit_test(names),
	cmocka_unit_test(defaults),
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
