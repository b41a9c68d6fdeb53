/* SPDX-License-Identifier: MIT */
/*
 * Entries from page tables and page tables from entries; and entries that real kernels built, looked up with the
 * capabilities that they saw.
 */
#include "elfmem.h"
#include "iodtest.h"
#include "json.h"

static struct iod_pgtable *table(struct iod_mem *mem, enum iod_format format, uint32_t levels,
				 uint32_t features, struct iod_hw_info *info)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = format,
				       .mem = mem,
				       .levels = levels,
				       .features = features };
	struct iod_pgtable *pt;

	iodt_assert_ok(iod_pgtable_create(&pt, &cfg));
	iodt_assert_ok(iod_map(pt, 0x5000, 0x123000, 4096, IODT_RW, NULL, NULL));
	*info = (struct iod_hw_info){ .size = sizeof(*info) };
	iodt_assert_ok(iod_pgtable_get_hw_info(pt, info));
	return pt;
}

static uint64_t word(const struct iod_vtd_pasid *pasid, unsigned i)
{
	struct iod_vtd_raw_pasid raw;
	uint64_t v;

	iodt_assert_ok(iod_vtd_pasid_encode(&raw, pasid));
	iodt_put_le64(&v, raw.word[i]);
	return v;
}

/* The table that an entry leads to has the page of table(). */
static void walk(struct iod_mem *mem, struct iod_pgtable_cfg *cfg, uint64_t root)
{
	struct iod_pgtable *pt;
	struct iod_mapping map;

	cfg->mem = mem;
	iodt_assert_ok(iod_pgtable_attach(&pt, cfg, root));
	iodt_assert_ok(iod_translate(pt, 0x5000, &map));
	assert_true(map.pa == 0x123000);
	iodt_assert_ok(iod_pgtable_destroy(pt));
}

struct rig {
	struct iod_mem *mem;
	struct iod_pgtable *fs, *fs5, *ss, *ss_ad;
	struct iod_hw_info fs_info, fs5_info, ss_info, ss_ad_info;
	struct iod_vtd_id id;
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	iodt_assert_ok(iod_mem_create_arena(&rig->mem, NULL));
	iodt_assert_ok(iod_vtd_id_full(&rig->id));
	rig->fs = table(rig->mem, IOD_VTD_FS, 4, 0, &rig->fs_info);
	rig->fs5 = table(rig->mem, IOD_VTD_FS, 5, 0, &rig->fs5_info);
	rig->ss = table(rig->mem, IOD_VTD_SS, 3, 0, &rig->ss_info);
	rig->ss_ad = table(rig->mem, IOD_VTD_SS, 5, IOD_PT_HW_DIRTY, &rig->ss_ad_info);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	iodt_assert_ok(iod_pgtable_destroy(rig->fs));
	iodt_assert_ok(iod_pgtable_destroy(rig->fs5));
	iodt_assert_ok(iod_pgtable_destroy(rig->ss));
	iodt_assert_ok(iod_pgtable_destroy(rig->ss_ad));
	iodt_assert_ok(iod_mem_destroy(rig->mem));
	free(rig);
	return 0;
}

/* P, PGTT << 6, AW << 2, SSADE << 9; DID, PWSNP << 23; FSPM << 2 */
static void test_pasid(void **state)
{
	struct rig *rig = *state;
	struct iod_vtd_pasid pasid;
	struct iod_pgtable_cfg cfg;
	uint64_t root;
	const char *why;

	memset(&pasid, 0, sizeof(pasid));
	pasid.sre = true;
	iodt_assert_ok(iod_vtd_pasid_set_first(&pasid, &rig->fs5_info, 0x77, &rig->id));
	assert_true(word(&pasid, 0) == 0x41);
	assert_true(word(&pasid, 1) == (0x77 | 1 << 23));
	assert_true(word(&pasid, 2) == (rig->fs5_info.root | 4 | 1));
	assert_int_equal(iod_vtd_pasid_check(&pasid, &rig->id, 0, NULL), 0);
	iodt_assert_ok(iod_vtd_pasid_get_first(&pasid, &rig->id, &cfg, &root, &why));
	assert_null(why);
	assert_int_equal(cfg.features, IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY);
	assert_int_equal(cfg.levels, 5);
	assert_int_equal(cfg.domain, 0x77);
	walk(rig->mem, &cfg, root);
	assert_int_equal(iod_vtd_pasid_get_second(&pasid, &rig->id, 0, &cfg, &root, &why), -EINVAL);
	assert_non_null(why);

	/* what the other stage left is gone; what is the caller's stays */
	pasid.pgsnp = true;
	iodt_assert_ok(iod_vtd_pasid_set_second(&pasid, &rig->ss_ad_info, 5, &rig->id));
	assert_true(word(&pasid, 0) == (rig->ss_ad_info.root | 1 | 2 << 6 | 3 << 2 | 1 << 9));
	assert_true(word(&pasid, 1) == (5 | 1 << 23 | 1 << 24));
	assert_true(word(&pasid, 2) == 0);
	iodt_assert_ok(iod_vtd_pasid_get_second(&pasid, &rig->id, 0, &cfg, &root, &why));
	assert_int_equal(cfg.features, IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY);
	assert_int_equal(cfg.levels, 5);
	walk(rig->mem, &cfg, root);
	assert_int_equal(iod_vtd_pasid_get_first(&pasid, &rig->id, &cfg, &root, &why), -EINVAL);
	assert_int_equal(
		iod_vtd_pasid_get_second(&pasid, &rig->id, IOD_VTD_CHECK_SSIRWE, &cfg, &root, &why),
		-EOPNOTSUPP);

	iodt_assert_ok(iod_vtd_pasid_set_nested(&pasid, &rig->fs_info, &rig->ss_info, 6, &rig->id));
	assert_true(word(&pasid, 0) == (rig->ss_info.root | 1 | 3 << 6 | 1 << 2));
	assert_true(word(&pasid, 2) == rig->fs_info.root);
	iodt_assert_ok(iod_vtd_pasid_get_first(&pasid, &rig->id, &cfg, &root, &why));
	walk(rig->mem, &cfg, root);
	iodt_assert_ok(iod_vtd_pasid_get_second(&pasid, &rig->id, 0, &cfg, &root, &why));
	assert_int_equal(cfg.features, 0);
	walk(rig->mem, &cfg, root);
}

static void test_context(void **state)
{
	struct rig *rig = *state;
	struct iod_vtd_context context;
	struct iod_vtd_raw_context raw;
	struct iod_pgtable_cfg cfg;
	uint64_t root, v;
	const char *why;

	memset(&context, 0, sizeof(context));
	context.tt = IOD_VTD_TT_PASS_THROUGH;
	iodt_assert_ok(iod_vtd_context_set_second(&context, &rig->ss_info, 0x77));
	iodt_assert_ok(iod_vtd_context_encode(&raw, &context));
	iodt_put_le64(&v, raw.word[0]);
	assert_true(v == (rig->ss_info.root | 1));
	iodt_put_le64(&v, raw.word[1]);
	assert_true(v == (1 | 0x77 << 8));
	iodt_assert_ok(iod_vtd_context_get_second(&context, &rig->id, 0, &cfg, &root, &why));
	assert_int_equal(cfg.features, 0);
	assert_int_equal(cfg.levels, 3);
	walk(rig->mem, &cfg, root);
	context.tt = IOD_VTD_TT_SECOND_ATS; /* stays */
	iodt_assert_ok(iod_vtd_context_set_second(&context, &rig->ss_info, 0x77));
	assert_int_equal(context.tt, IOD_VTD_TT_SECOND_ATS);
	/* legacy mode sets no Accessed and Dirty */
	assert_int_equal(iod_vtd_context_set_second(&context, &rig->ss_ad_info, 1), -EINVAL);
	context.tt = IOD_VTD_TT_PASS_THROUGH;
	assert_int_equal(iod_vtd_context_get_second(&context, &rig->id, 0, &cfg, &root, &why),
			 -EINVAL);
}

static void test_capabilities(void **state)
{
	struct rig *rig = *state;
	struct iod_vtd_pasid pasid, same;
	struct iod_pgtable_cfg cfg;
	struct iod_vtd_id id;
	uint64_t root;

	memset(&pasid, 0, sizeof(pasid));
	same = pasid;
#define WITHOUT(reg, bits, call)                                   \
	do {                                                       \
		id = rig->id;                                      \
		id.reg &= ~(bits);                                 \
		assert_int_equal(call, -EOPNOTSUPP);               \
		assert_memory_equal(&pasid, &same, sizeof(pasid)); \
	} while (0)
	WITHOUT(ecap, IOD_VTD_ECAP_FSTS, iod_vtd_pasid_set_first(&pasid, &rig->fs_info, 1, &id));
	WITHOUT(cap, IOD_VTD_CAP_FS5LP, iod_vtd_pasid_set_first(&pasid, &rig->fs5_info, 1, &id));
	WITHOUT(ecap, IOD_VTD_ECAP_SSTS, iod_vtd_pasid_set_second(&pasid, &rig->ss_info, 1, &id));
	WITHOUT(cap, UINT64_C(2) << 8, iod_vtd_pasid_set_second(&pasid, &rig->ss_info, 1, &id));
	WITHOUT(ecap, IOD_VTD_ECAP_SSADS,
		iod_vtd_pasid_set_second(&pasid, &rig->ss_ad_info, 1, &id));
	WITHOUT(ecap, IOD_VTD_ECAP_SMPWCS,
		iod_vtd_pasid_set_second(&pasid, &rig->ss_ad_info, 1, &id));
	WITHOUT(ecap, IOD_VTD_ECAP_NEST,
		iod_vtd_pasid_set_nested(&pasid, &rig->fs_info, &rig->ss_info, 1, &id));
#undef WITHOUT
	id = rig->id;
	id.ecap &= ~IOD_VTD_ECAP_SMPWCS; /* walks that are not coherent */
	iodt_assert_ok(iod_vtd_pasid_set_first(&pasid, &rig->fs_info, 1, &id));
	assert_false(pasid.pwsnp);

	/* page sizes and the input size */
	id = rig->id;
	id.cap &= ~(IOD_VTD_CAP_FS1GP | IOD_VTD_CAP_SSLPS | IOD_VTD_CAP_MGAW);
	id.cap |= UINT64_C(1) << 34 | UINT64_C(37) << 16;
	iodt_assert_ok(iod_vtd_pasid_get_first(&pasid, &id, &cfg, &root, NULL));
	assert_true(cfg.pgsize_bitmap == (IODT_4K | IODT_2M));
	iodt_assert_ok(iod_vtd_pasid_set_second(&pasid, &rig->ss_info, 1, &rig->id));
	iodt_assert_ok(iod_vtd_pasid_get_second(&pasid, &id, 0, &cfg, &root, NULL));
	assert_true(cfg.pgsize_bitmap == (IODT_4K | IODT_2M));
	assert_int_equal(cfg.ias, 38);
	walk(rig->mem, &cfg, root);
	iodt_assert_ok(iod_vtd_pasid_set_second(&pasid, &rig->ss_info, 1, NULL));
	pasid.aw = 2; /* client parts: 4 levels of 48 bits, MGAW 39 */
	id.cap += UINT64_C(1) << 16;
	iodt_assert_ok(iod_vtd_pasid_get_second(&pasid, &id, 0, &cfg, &root, NULL));
	assert_int_equal(cfg.ias, 39);
	iodt_assert_ok(iod_vtd_pasid_get_second(&pasid, NULL, 0, &cfg, &root, NULL));
	assert_true(!cfg.pgsize_bitmap && !cfg.ias);
}

static void test_misuse(void **state)
{
	struct rig *rig = *state;
	struct iod_vtd_context context;
	struct iod_vtd_pasid pasid;
	struct iod_pgtable_cfg cfg;
	uint64_t root;

	memset(&context, 0, sizeof(context));
	memset(&pasid, 0, sizeof(pasid));
	pasid.pgtt = IOD_VTD_PGTT_NESTED;
	pasid.aw = 2;
	assert_int_equal(iod_vtd_context_set_second(NULL, &rig->ss_info, 1), -EINVAL);
	assert_int_equal(iod_vtd_context_set_second(&context, &rig->fs_info, 1), -EINVAL);
	assert_int_equal(iod_vtd_pasid_set_first(&pasid, &rig->ss_info, 1, NULL), -EINVAL);
	assert_int_equal(iod_vtd_pasid_set_first(&pasid, NULL, 1, NULL), -EINVAL);
	assert_int_equal(iod_vtd_pasid_set_second(&pasid, &rig->fs_info, 1, NULL), -EINVAL);
	assert_int_equal(iod_vtd_pasid_set_nested(&pasid, &rig->ss_info, &rig->ss_info, 1, NULL),
			 -EINVAL);
	assert_int_equal(iod_vtd_pasid_get_first(&pasid, NULL, NULL, &root, NULL), -EINVAL);
	assert_int_equal(iod_vtd_pasid_get_second(&pasid, NULL, 2, &cfg, &root, NULL), -EINVAL);
	pasid.aw = 4;
	pasid.fspm = 2;
	assert_int_equal(iod_vtd_pasid_get_first(&pasid, NULL, &cfg, &root, NULL), -EINVAL);
	assert_int_equal(iod_vtd_pasid_get_second(&pasid, NULL, 0, &cfg, &root, NULL), -EINVAL);
}

/* ---- what kernels built ---- */

static void *core_translate(void *cookie, uint64_t pa, uint64_t len, bool write)
{
	return write ? NULL : mdl_elfmem_at(cookie, pa, len);
}

static uint64_t num(const struct mdl_json *j, const char *key)
{
	return mdl_json_u64(mdl_json_get(j, key), UINT64_MAX);
}

static void same_words(const struct mdl_json *list, const uint64_t *raw, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t v;

		iodt_put_le64(&v, raw[i]);
		assert_true(v == mdl_json_u64(mdl_json_at(list, i), ~v));
	}
}

/* The table that the description says. @return whether there is one */
static bool same_table(const struct mdl_json *doc, const struct mdl_json *dev,
		       const struct iod_vtd_lookup *l)
{
	const struct mdl_json *space = mdl_json_get(dev, "space");
	struct iod_pgtable_cfg cfg;
	uint64_t root;

	if (!space || mdl_json_is_null(space))
		return false;
	space = mdl_json_at(mdl_json_get(doc, "spaces"), (size_t)mdl_json_u64(space, 0));
	if (!l->scalable)
		iodt_assert_ok(
			iod_vtd_context_get_second(&l->context, l->id, 0, &cfg, &root, NULL));
	else
		iodt_assert_ok(iod_vtd_pasid_get_first(&l->pasid_entry, l->id, &cfg, &root, NULL));
	assert_true(root == num(space, "root"));
	assert_int_equal(cfg.levels, num(space, "levels"));
	assert_true(cfg.domain == num(dev, "domain_id"));
	return true;
}

static void judge_device(const struct mdl_json *doc, const struct mdl_json *dev,
			 struct iod_vtd_lookup *l, unsigned *tables)
{
	struct iod_vtd_raw_sm_context sm;
	struct iod_vtd_raw_context context;
	struct iod_vtd_raw_pasid pasid;

	l->source_id = (uint16_t)num(dev, "source_id");
	l->pasid = -1;
	iodt_assert_ok(iod_vtd_lookup(l));
	assert_true(l->context_pa == num(dev, "context_entry_pa"));
	if (!l->scalable) {
		iodt_assert_ok(iod_vtd_context_encode(&context, &l->context));
		same_words(mdl_json_get(dev, "context_entry"), context.word, 2);
	} else {
		iodt_assert_ok(iod_vtd_sm_context_encode(&sm, &l->sm_context));
		same_words(mdl_json_get(dev, "context_entry"), sm.word, 4);
		assert_true(l->pasid_pa == num(dev, "pasid_entry_pa"));
		iodt_assert_ok(iod_vtd_pasid_encode(&pasid, &l->pasid_entry));
		same_words(mdl_json_get(dev, "pasid_entry"), pasid.word, 8);
		assert_int_equal(l->pasid_used, num(dev, "rid_pasid"));
	}
	*tables += same_table(doc, dev, l);
}

static void judge(const char *name)
{
	struct iod_mem_vm_ops ops = { .size = sizeof(ops), .translate = core_translate };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .ops = &ops };
	const struct mdl_json *dev, *regs;
	struct iod_vtd_lookup l = { .size = sizeof(l) };
	unsigned devices = 0, tables = 0;
	struct mdl_elfmem core;
	struct iod_vtd_id id;
	struct iod_mem *mem;
	struct mdl_json *doc;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.elf", getenv("TEST_DATA_DIR"), name);
	assert_int_equal(mdl_elfmem_open(&core, path), 0);
	snprintf(path, sizeof(path), "%s/%s.json", getenv("TEST_DATA_DIR"), name);
	doc = mdl_json_load(path);
	assert_non_null(doc);
	cfg.cookie = &core;
	iodt_assert_ok(iod_mem_create_vm(&mem, &cfg));
	regs = mdl_json_get(doc, "registers");
	id = (struct iod_vtd_id){ .ver = (uint32_t)num(regs, "VER"),
				  .cap = num(regs, "CAP"),
				  .ecap = num(regs, "ECAP") };
	l.mem = mem;
	l.id = &id;
	l.rtaddr = num(regs, "RTADDR");
	for (dev = mdl_json_at(mdl_json_get(doc, "devices"), 0); dev; dev = dev->next, devices++)
		judge_device(doc, dev, &l, &tables);
	assert_true(devices > 3 && tables > 2);
	mdl_json_free(doc);
	iodt_assert_ok(iod_mem_destroy(mem));
	mdl_elfmem_close(&core);
}

static void test_kernels(void **state)
{
	if (!getenv("TEST_DATA_DIR"))
		skip();
	judge("vtd-fs-6.12");
	judge("vtd-legacy-lazy-6.1");
	judge("vtd-legacy-strict-6.1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_pasid),
		TEST(test_context),
		TEST(test_capabilities),
		TEST(test_misuse),
		cmocka_unit_test(test_kernels),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
