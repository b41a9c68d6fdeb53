/* SPDX-License-Identifier: MIT */
/* Creating the objects between a gather and VT-d or an AMD IOMMU, and what they refuse: R123. */
#include <iodirty/vtd_inv.h>

#include "gcmd.h"

static void refused(void **state)
{
	static const struct gc_cfg bad[] = {
		{ .stage = 3 },
		{ .stage = 1, .flags = GC_NESTED },
		{ .stage = 2, .pasid = 1 },
		{ .flags = 1u << 6 },
		{ .stage = 1, .pasid = 1u << 20 },
	};
	unsigned v;
	size_t i, n;

	for (v = 0; v < GC_VENDORS; v++) {
		struct gc_cfg cfg = { .no_sink = true };
		struct iod_inv item[9];
		struct gc *gc = NULL;
		uint64_t raw[4];

		for (i = 0; i < IODT_ARRAY_SIZE(bad); i++)
			assert_int_equal(gc_try(&gc_vendors[v], &bad[i], &gc), -EINVAL);
		gc = gc_open(&gc_vendors[v], &cfg);
		for (i = 0; i < 9; i++)
			item[i] = gc_leaves(1, 1);
		item[1].kind = 4;
		item[2].flags = 16;
		item[3].flags = IOD_INV_ONLY_GLOBAL;
		item[4].domain_ignore = 1;
		item[5].iova = 2 * IODT_4K;
		item[6].granule_lg2 = 14;
		item[7].flags |= IOD_INV_NO_LEAVES;
		item[8].flags = IOD_INV_NO_LEAVES; /* with a level of leaves */
		for (i = 1; i < 9; i++) {
			assert_int_equal(gc->v->encode(gc->inv, false, &item[i], 1, raw, 1, &n),
					 -EINVAL);
			assert_int_equal(gc->v->encode(gc->inv, true, &item[i], 1, raw, 1, &n),
					 -EINVAL);
		}
		/* R123: nowhere to go is no success */
		assert_int_equal(gc_invalidate(gc, item, 1), -EINVAL);
		assert_int_equal(gc_sync(gc), -EINVAL);
		assert_int_equal(gc->v->ops()->invalidate(NULL, item, 1), -EINVAL);
		assert_int_equal(gc->v->ops()->sync(NULL), -EINVAL);
		iodt_assert_ok(gc->v->encode(gc->inv, false, item, 1, raw, 1, &n));
		assert_int_equal(n, 1);
		gc_close(gc);
	}
}

/* A PASID, RID_PASID or not, and a domain id of more bits than the unit has: what was encoded would be refused. */
static void too_wide(void **state)
{
	struct iod_vtd_id id;
	struct iod_vtd_inv_cfg cfg = {
		.size = sizeof(cfg), .id = &id, .stage = 1, .did = 1, .pasid = 0xff
	};
	struct iod_vtd_inv *inv;

	iodt_assert_ok(iod_vtd_id_full(&id));
	id.ecap = (id.ecap & ~IOD_VTD_ECAP_PSS) | UINT64_C(7) << 35;
	iodt_assert_ok(iod_vtd_inv_create(&inv, &cfg));
	iodt_assert_ok(iod_vtd_inv_destroy(inv));
	cfg.pasid = 0x100;
	assert_int_equal(iod_vtd_inv_create(&inv, &cfg), -EINVAL);
	cfg.pasid = 0;
	id.cap &= ~IOD_VTD_CAP_ND;
	cfg.did = 16;
	assert_int_equal(iod_vtd_inv_create(&inv, &cfg), -EINVAL);
}

/* Every allocation fails once; nothing leaks, and invalidating takes none. */
static void allocation(void **state)
{
	unsigned v;

	for (v = 0; v < GC_VENDORS; v++) {
		const struct gc_dev dev = { .id = 1 };
		struct iod_inv item = gc_leaves(5, 1);
		struct iodt_alloc alloc;
		struct gc_cfg cfg = { .allocator = &alloc.ops };
		struct gc *gc = NULL;
		uint64_t n, calls;

		iodt_alloc_init(&alloc);
		for (n = 1; n < 20; n++) {
			alloc.calls = 0;
			alloc.fail_at = n;
			if (!gc_try(&gc_vendors[v], &cfg, &gc))
				break;
			assert_int_equal(alloc.live, 0);
		}
		assert_int_equal(n, 4);
		alloc.fail_at = alloc.calls + 1;
		assert_int_equal(gc->v->add_device(gc->inv, &dev), -ENOMEM);
		alloc.fail_at = alloc.calls + 1;
		assert_int_equal(gc->v->add_domain(gc->inv, 9), -ENOMEM);
		alloc.fail_at = 0;
		iodt_assert_ok(gc->v->add_device(gc->inv, &dev));
		iodt_assert_ok(gc->v->add_domain(gc->inv, 9));
		calls = alloc.calls;
		iodt_assert_ok(gc_invalidate(gc, &item, 1));
		iodt_assert_ok(gc_sync(gc));
		assert_int_equal(alloc.calls, calls);
		gc_close(gc);
		assert_int_equal(alloc.live | alloc.bad, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),
		cmocka_unit_test(too_wide),
		cmocka_unit_test(allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
