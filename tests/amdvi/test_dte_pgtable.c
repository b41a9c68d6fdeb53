/* SPDX-License-Identifier: MIT */
/*
 * DTEs from page tables, and page tables from DTEs; the device table; GCR3 tables of one to three levels against a walk
 * of the tests' own, on system addresses and below a host table.
 */
#include "iodtest.h"

#include "amdvi/amdrand.h"

#define DOMAIN 0x42u

static struct iod_mem *arena(void)
{
	struct iod_mem_arena_cfg cfg = { .size = sizeof(cfg) };
	struct iod_mem *mem;

	iodt_assert_ok(iod_mem_create_arena(&mem, &cfg));
	return mem;
}

static struct iod_pgtable *table(struct iod_mem *mem, enum iod_format format, uint32_t levels,
				 uint32_t features)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = format,
				       .mem = mem,
				       .levels = levels,
				       .features = features };
	struct iod_pgtable *pt;

	iodt_assert_ok(iod_pgtable_create(&pt, &cfg));
	return pt;
}

static void map(struct iod_pgtable *pt, uint64_t iova, uint64_t pa, uint64_t len)
{
	struct iod_gather *gather;
	uint64_t done = 0;

	iodt_assert_ok(iod_gather_create(&gather, pt, NULL));
	iodt_assert_ok(iod_map(pt, iova, pa, len, IOD_PROT_READ | IOD_PROT_WRITE, gather, &done));
	iodt_assert_ok(iod_gather_sync(gather));
	iodt_assert_ok(iod_gather_destroy(gather));
}

/* Through words and back. */
static struct iod_amdvi_dte through(const struct iod_amdvi_dte *dte)
{
	struct iod_amdvi_raw_dte raw;
	struct iod_amdvi_dte out;

	iodt_assert_ok(iod_amdvi_dte_encode(&raw, dte));
	iodt_assert_ok(iod_amdvi_dte_decode(&out, &raw));
	iodt_assert_ok(iod_amdvi_dte_check(&out, NULL, IOD_AMDVI_CHECK_UNKNOWN, NULL));
	iodt_assert_ok(iod_amdvi_dte_effective(&out, &out, NULL));
	return out;
}

static void same_page(struct iod_pgtable_cfg *cfg, uint64_t root, struct iod_mem *mem,
		      uint64_t iova, uint64_t pa)
{
	struct iod_pgtable *pt;
	struct iod_mapping m;

	cfg->mem = mem;
	iodt_assert_ok(iod_pgtable_attach(&pt, cfg, root));
	iodt_assert_ok(iod_translate(pt, iova, &m));
	assert_true(m.pa == pa);
	iod_pgtable_destroy(pt);
}

static void set_host(struct iod_amdvi_dte *dte, const struct iod_pgtable *pt)
{
	struct iod_hw_info info = { .size = sizeof(info) };

	iodt_assert_ok(iod_pgtable_get_hw_info(pt, &info));
	iodt_assert_ok(iod_amdvi_dte_set_host(dte, &info, DOMAIN));
}

static void test_host(void **state)
{
	static const uint32_t features[] = { 0, IOD_PT_HW_ACCESS,
					     IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY };
	static const uint8_t had[] = { 0, 1, 3 };
	struct iod_mem *mem = arena();

	for (uint32_t levels = 1; levels <= 6; levels++)
		for (unsigned f = 0; f < 3; f++) {
			struct iod_pgtable *pt = table(mem, IOD_AMD_V1, levels, features[f]);
			struct iod_amdvi_dte dte = { .v = true, .intctl = 2, .i = true };
			struct iod_pgtable_cfg cfg;
			const char *why = "";
			uint64_t root;

			map(pt, 0x5000, 0x123000, 0x1000);
			set_host(&dte, pt);
			assert_true(dte.tv && dte.ir && dte.iw && dte.i && !dte.gv);
			assert_int_equal(dte.mode, levels);
			assert_int_equal(dte.had, had[f]);
			assert_int_equal(dte.domain, DOMAIN);
			assert_int_equal(dte.intctl, 2);
			dte = through(&dte);
			iodt_assert_ok(iod_amdvi_dte_get_host(&dte, &cfg, &root, &why));
			assert_null(why);
			assert_int_equal(cfg.features, features[f]);
			assert_int_equal(cfg.domain, DOMAIN);
			assert_int_equal(cfg.levels, levels);
			same_page(&cfg, root, mem, 0x5000, 0x123000);
			iod_pgtable_destroy(pt);
		}
	iodt_assert_ok(iod_mem_destroy(mem));
}

/* A table that grows: another Mode and another root, which lie in one word. */
static void test_growth(void **state)
{
	struct iod_amdvi_raw_dte old, new;
	struct iod_amdvi_dte dte = { .v = true };
	struct iod_mem *mem = arena();
	struct iod_pgtable *pt = table(mem, IOD_AMD_V1, 3, 0);
	struct iod_amdvi_plan plan;
	struct iod_pgtable_cfg cfg;
	uint64_t root;

	map(pt, 0x5000, 0x123000, 0x1000);
	set_host(&dte, pt);
	iodt_assert_ok(iod_amdvi_dte_encode(&old, &dte));
	assert_int_equal(dte.mode, 3);
	map(pt, IODT_BIT(50), 0x456000, 0x1000);
	set_host(&dte, pt);
	assert_int_equal(dte.mode, 5);
	iodt_assert_ok(iod_amdvi_dte_encode(&new, &dte));
	iodt_assert_ok(iod_amdvi_dte_plan(&plan, &old, &new,
					  IOD_AMDVI_CHANGE_WORDS | IOD_AMDVI_CHANGE_HITLESS));
	assert_true(plan.nr == 1 && plan.step[0].mask == 1 && plan.tlbi);
	dte = through(&dte);
	iodt_assert_ok(iod_amdvi_dte_get_host(&dte, &cfg, &root, NULL));
	same_page(&cfg, root, mem, IODT_BIT(50), 0x456000);
	same_page(&cfg, root, mem, 0x5000, 0x123000);
	iod_pgtable_destroy(pt);
	iodt_assert_ok(iod_mem_destroy(mem));
}

static void test_get_refuses(void **state)
{
	struct iod_amdvi_dte dte = { .v = true, .tv = true, .mode = 3 };
	struct iod_pgtable_cfg cfg;
	const char *why;
	uint64_t root;

	iodt_assert_ok(iod_amdvi_dte_get_host(&dte, &cfg, &root, &why));
	dte.had = 2;
	assert_int_equal(iod_amdvi_dte_get_host(&dte, &cfg, &root, &why), -EINVAL);
	assert_non_null(strstr(why, "HAD"));
	dte.mode = 7;
	assert_int_equal(iod_amdvi_dte_get_host(&dte, &cfg, &root, &why), -EINVAL);
	assert_non_null(strstr(why, "Mode"));
	dte.mode = 0;
	assert_int_equal(iod_amdvi_dte_get_host(&dte, &cfg, &root, &why), -ENOENT);
	assert_int_equal(iod_amdvi_dte_get_guest(&dte, 1, &cfg, &root, &why), -ENOENT);
	dte.gv = true;
	assert_int_equal(iod_amdvi_dte_get_guest(&dte, 0x1000, &cfg, &root, &why), -ENOENT);
	iodt_assert_ok(iod_amdvi_dte_get_guest(&dte, 0x1001, &cfg, &root, &why));
	assert_true(root == 0x1000 && cfg.levels == 4 && cfg.format == IOD_AMD_V2);
	dte.guestpagingmode = 1;
	iodt_assert_ok(iod_amdvi_dte_get_guest(&dte, 0x1001, &cfg, &root, NULL));
	assert_int_equal(cfg.levels, 5);
	dte.guestpagingmode = 2;
	assert_int_equal(iod_amdvi_dte_get_guest(&dte, 0x1001, &cfg, &root, &why), -EINVAL);
	dte.tv = false;
	assert_int_equal(iod_amdvi_dte_get_guest(&dte, 0x1001, &cfg, &root, &why), -ENOENT);
	assert_int_equal(iod_amdvi_dte_get_host(NULL, &cfg, &root, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_dte_get_guest(&dte, 1, NULL, &root, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_dte_set_guest(&dte, 0x800, 1, 0, 1), -EINVAL);
	assert_int_equal(iod_amdvi_dte_set_guest(&dte, 0x1000, 0, 0, 1), -EINVAL);
	assert_int_equal(iod_amdvi_dte_set_guest(&dte, 0x1000, 4, 0, 1), -EINVAL);
	assert_int_equal(iod_amdvi_dte_set_guest(&dte, 0x1000, 1, 2, 1), -EINVAL);
	assert_int_equal(iod_amdvi_dte_set_host(&dte, NULL, 1), -EINVAL);
}

/* The guest's fields, and no more than both permit; never without a host table. */
static void test_nested(void **state)
{
	const struct iod_amdvi_dte guest = { .v = true,
					     .tv = true,
					     .had = 3,
					     .gv = true,
					     .glx = 2,
					     .gcr3 = 0x9000,
					     .giov = true,
					     .ppr = true,
					     .gprp = true,
					     .ir = true,
					     .domain = 5,
					     .i = true,
					     .iv = true,
					     .introot = 0x4000,
					     .guestpagingmode = 1 };
	const struct iod_amdvi_dte host = { .v = true,
					    .tv = true,
					    .mode = 4,
					    .root = 0x1000,
					    .had = 1,
					    .ir = true,
					    .iw = true,
					    .domain = 1,
					    .intctl = 2 };
	struct iod_amdvi_dte dte = host, bad;

	iodt_assert_ok(iod_amdvi_dte_set_nested(&dte, &guest, 77));
	assert_true(dte.mode == 4 && dte.root == 0x1000 && dte.had == 1 && dte.domain == 77);
	assert_true(dte.gv && dte.glx == 2 && dte.gcr3 == 0x9000 && dte.giov && dte.ppr &&
		    dte.gprp && dte.guestpagingmode == 1);
	assert_true(dte.ir && !dte.iw && !dte.i && !dte.iv && !dte.introot && dte.intctl == 2);
	assert_int_equal(iod_amdvi_dte_route(&dte, true, NULL), IOD_AMDVI_NESTED);
	bad = host;
	bad.mode = 0; /* the guest's addresses would be the system's */
	assert_int_equal(iod_amdvi_dte_set_nested(&bad, &guest, 77), -EINVAL);
	bad = guest;
	bad.gv = false;
	dte = host;
	assert_int_equal(iod_amdvi_dte_set_nested(&dte, &bad, 77), -EINVAL);
	bad = guest;
	bad.glx = 3;
	assert_int_equal(iod_amdvi_dte_set_nested(&dte, &bad, 77), -EINVAL);
	bad = guest;
	bad.mode = 3;
	assert_int_equal(iod_amdvi_dte_set_nested(&dte, &bad, 77), -EINVAL);
	bad = guest;
	bad.v = false;
	assert_int_equal(iod_amdvi_dte_set_nested(&dte, &bad, 77), -EINVAL);
	assert_true(!dte.gv);
	assert_int_equal(iod_amdvi_dte_set_nested(NULL, &guest, 77), -EINVAL);
	assert_int_equal(iod_amdvi_dte_set_nested(&dte, NULL, 77), -EINVAL);
}

/* ---- the device table ---- */

static void test_devtab(void **state)
{
	uint64_t *words = calloc(2, 4096);
	struct iod_mem_region region = { .pa = 0x10000, .len = 4096, .host = words };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };
	struct iod_amdvi_raw_dte raw;
	struct iod_amdvi_devtab tab;
	enum iod_amdvi_event_type event;
	struct iod_mem *mem;
	uint64_t pa;

	assert_non_null(words);
	iodt_assert_ok(iod_mem_create_vm(&mem, &cfg));
	iodt_assert_ok(iod_amdvi_devtab_init(&tab, 0x10000, 2));
	assert_true(tab.base == 0x10001);
	assert_int_equal(iod_amdvi_devtab_bytes(&tab), 8192);
	iodt_assert_ok(iod_amdvi_devtab_lookup(&tab, mem, 127, &pa, &event));
	assert_true(pa == 0x10000 + 127 * 32 && !event);
	iodt_put_le64(&words[127 * 4 + 3], 0x1122334455667788);
	iodt_assert_ok(iod_amdvi_dte_read(&raw, mem, pa));
	assert_memory_equal(&raw, &words[127 * 4], 32);
	assert_int_equal(iod_amdvi_dte_read(&raw, mem, pa + 16), -EINVAL);
	assert_int_equal(iod_amdvi_dte_read(&raw, mem, pa + 32), -EFAULT);
	/* in the table, not in memory */
	assert_int_equal(iod_amdvi_devtab_lookup(&tab, mem, 128, &pa, &event), -EFAULT);
	assert_int_equal(event, IOD_AMDVI_DEV_TAB_HARDWARE_ERROR);
	assert_true(pa == 0x11000);
	assert_int_equal(iod_amdvi_devtab_lookup(&tab, mem, 256, &pa, &event), -ENOENT);
	assert_int_equal(event, IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY);
	iodt_assert_ok(iod_amdvi_devtab_init(&tab, 0xffffffffff000, 512));
	assert_int_equal(iod_amdvi_devtab_bytes(&tab), 65536 * 32);
	assert_int_equal(iod_amdvi_devtab_lookup(&tab, mem, 0xffff, &pa, NULL), -EFAULT);
	assert_int_equal(iod_amdvi_devtab_init(&tab, 0x10000, 0), -EINVAL);
	assert_int_equal(iod_amdvi_devtab_init(&tab, 0x10000, 513), -EINVAL);
	assert_int_equal(iod_amdvi_devtab_init(&tab, 0x10800, 1), -EINVAL);
	assert_int_equal(iod_amdvi_devtab_init(&tab, IODT_BIT(52), 1), -EINVAL);
	assert_int_equal(iod_amdvi_devtab_lookup(NULL, mem, 0, &pa, NULL), -EINVAL);
	iodt_assert_ok(iod_mem_destroy(mem));
	free(words);
}

/* ---- GCR3 tables ---- */

static uint64_t word_at(struct iod_mem *mem, uint64_t pa)
{
	const uint8_t *at;
	uint64_t v = 0;
	void *host;

	iodt_assert_ok(iod_mem_host_ptr(mem, pa, 8, false, &host));
	at = host;
	for (unsigned k = 0; k < 8; k++)
		v |= (uint64_t)at[k] << 8 * k;
	return v;
}

/* As the rule reads: 9 bits of the PASID for each level. */
static uint64_t walk(struct iod_mem *mem, const struct iod_amdvi_dte *dte, uint32_t pasid)
{
	uint64_t entry = dte->gcr3 | 1;

	for (int level = dte->glx; level >= 0; level--) {
		unsigned index = pasid >> 9 * level & 511;

		if (!(entry & 1))
			return 0;
		entry = word_at(mem, (entry & 0xffffffffff000) + 8 * index);
	}
	return entry & 1 ? entry : 0;
}

static uint64_t new_table(struct iod_mem *mem)
{
	uint64_t pa;

	iodt_assert_ok(iod_mem_alloc(mem, 4096, &pa));
	return pa;
}

/* Write one, with what tables it takes. */
static void put_root(const struct iod_amdvi_dte *dte, struct iod_mem *mem, uint32_t pasid,
		     uint64_t root)
{
	unsigned level = 99;
	int ret;

	while ((ret = iod_amdvi_gcr3_write(dte, mem, pasid, root, &level)) == -ENOENT) {
		assert_true(level < dte->glx);
		iodt_assert_ok(iod_amdvi_gcr3_install(dte, mem, pasid, level, new_table(mem)));
		assert_int_equal(iod_amdvi_gcr3_install(dte, mem, pasid, level, 0), -EEXIST);
	}
	iodt_assert_ok(ret);
}

static void test_gcr3(void **state)
{
	static const uint32_t pasids[] = { 0, 1, 511, 512, 0x1ff00, 0x3ffff, 0x40000, 0xfffff };
	static const uint32_t fits[] = { 511, 0x3ffff, 0xfffff };

	for (uint8_t glx = 0; glx < 3; glx++) {
		struct iod_mem *mem = arena();
		struct iod_amdvi_dte dte = { .v = true };
		enum iod_amdvi_event_type event;
		uint64_t entry, pa;
		unsigned level;

		iodt_assert_ok(iod_amdvi_dte_set_guest(&dte, new_table(mem), glx + 1u, 1, DOMAIN));
		dte = through(&dte);
		for (size_t i = 0; i < IODT_ARRAY_SIZE(pasids); i++) {
			uint32_t pasid = pasids[i];
			uint64_t root = (uint64_t)(i + 1) << 12;

			if (pasid > fits[glx]) {
				assert_int_equal(
					iod_amdvi_gcr3_write(&dte, mem, pasid, root, &level),
					-ERANGE);
				assert_int_equal(iod_amdvi_gcr3_lookup(&dte, NULL, mem, pasid, NULL,
								       NULL, &entry, &pa, &event),
						 -ENOENT);
				assert_int_equal(event, IOD_AMDVI_IO_PAGE_FAULT);
				continue;
			}
			assert_int_equal(iod_amdvi_gcr3_lookup(&dte, NULL, mem, pasid, NULL, NULL,
							       &entry, &pa, &event),
					 -ENOENT);
			put_root(&dte, mem, pasid, root);
			iodt_assert_ok(iod_amdvi_gcr3_lookup(&dte, NULL, mem, pasid, NULL, NULL,
							     &entry, &pa, &event));
			assert_true(entry == (root | 1) && entry == walk(mem, &dte, pasid));
			assert_true(word_at(mem, pa) == entry);
			assert_int_equal(event, 0);
			/* and no other */
			assert_true(!walk(mem, &dte, pasid ^ 2));
		}
		iodt_assert_ok(iod_amdvi_gcr3_write(&dte, mem, 1, 0, NULL));
		assert_int_equal(
			iod_amdvi_gcr3_lookup(&dte, NULL, mem, 1, NULL, NULL, &entry, &pa, NULL),
			-ENOENT);
		assert_int_equal(iod_amdvi_gcr3_install(&dte, mem, 1, glx, 0x1000), -EINVAL);
		iodt_assert_ok(iod_mem_destroy(mem));
	}
}

static int shifted(void *cookie, uint64_t gpa, uint64_t *pa)
{
	const uint64_t *refused = cookie;

	if (gpa >> 12 == *refused >> 12)
		return -EACCES;
	*pa = gpa - IODT_BIT(40);
	return 0;
}

/* Requests without PASIDs, PASmax, a host table below, memory that is not there. */
static void test_gcr3_lookup(void **state)
{
	struct iod_mem *mem = arena();
	struct iod_amdvi_dte dte = { .v = true };
	struct iod_amdvi_id id = { .efr = UINT64_C(7) << 32 }; /* 8 bits */
	enum iod_amdvi_event_type event;
	uint64_t entry, pa, refused = 0, top = new_table(mem), leaf;
	void *host;

	iodt_assert_ok(iod_amdvi_dte_set_guest(&dte, top, 2, 0, DOMAIN));
	put_root(&dte, mem, 0, 0x5000);
	put_root(&dte, mem, 300, 0x6000);
	leaf = word_at(mem, top) & ~UINT64_C(1);
#define LOOK(id, pasid, fn) \
	iod_amdvi_gcr3_lookup(&dte, id, mem, pasid, fn, &refused, &entry, &pa, &event)
	assert_int_equal(LOOK(NULL, -1, NULL), 1); /* without GIOV */
	dte.giov = true;
	iodt_assert_ok(LOOK(NULL, -1, NULL));
	assert_true(entry == 0x5001);
	iodt_assert_ok(LOOK(NULL, 300, NULL));
	assert_int_equal(LOOK(&id, 300, NULL), -ENOENT);
	assert_int_equal(event, IOD_AMDVI_IO_PAGE_FAULT);
	/* Every pointer is a guest's address: the table and what it holds, one by one. */
	dte.gcr3 = top + IODT_BIT(40);
	assert_int_equal(LOOK(NULL, 0, shifted), -EFAULT); /* the second one is not in that range */
	assert_int_equal(event, IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR);
	iodt_assert_ok(iod_mem_host_ptr(mem, top, 8, true, &host));
	iodt_put_le64(host, (leaf + IODT_BIT(40)) | 1);
	iodt_assert_ok(LOOK(NULL, 0, shifted));
	assert_true(entry == 0x5001 && pa == leaf);
	refused = leaf + IODT_BIT(40);
	assert_int_equal(LOOK(NULL, 0, shifted), -EACCES);
	assert_int_equal(event, 0);
	assert_true(!entry);
	dte.gcr3 = IODT_BIT(45);
	assert_int_equal(LOOK(NULL, 0, NULL), -EFAULT);
	assert_int_equal(event, IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR);
	assert_true(pa == IODT_BIT(45));
	dte.gv = false;
	assert_int_equal(LOOK(NULL, 0, NULL), 1);
	dte.gv = true;
	dte.glx = 3;
	assert_int_equal(LOOK(NULL, 0, NULL), -EINVAL);
	dte.glx = 0;
	assert_int_equal(LOOK(NULL, -2, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_gcr3_write(&dte, mem, 0, 0x800, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_gcr3_write(&dte, mem, 0, 0x1000, NULL), -EFAULT);
	iodt_assert_ok(iod_mem_destroy(mem));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),	    cmocka_unit_test(test_growth),
		cmocka_unit_test(test_get_refuses), cmocka_unit_test(test_nested),
		cmocka_unit_test(test_devtab),	    cmocka_unit_test(test_gcr3),
		cmocka_unit_test(test_gcr3_lookup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
