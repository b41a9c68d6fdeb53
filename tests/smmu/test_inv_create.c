/* SPDX-License-Identifier: MIT */
/* Creating the object between a gather and an SMMU, and what it refuses: R123. */
#include "invsink.h"

static struct sink sink;

static struct iod_inv leaves(uint64_t iova, uint64_t len)
{
	return (struct iod_inv){ .kind = IOD_INV_RANGE,
				 .flags = IOD_INV_LEAF_ONLY,
				 .iova = iova,
				 .last = iova + (len - 1),
				 .leaf_levels = 1,
				 .granule_lg2 = 12 };
}

static int invalidate(struct iod_smmuv3_inv *inv, const struct iod_inv *item, size_t nr)
{
	return iod_smmuv3_inv_ops()->invalidate(inv, item, nr);
}

static int sync_inv(struct iod_smmuv3_inv *inv)
{
	return iod_smmuv3_inv_ops()->sync(inv);
}

struct setup {
	uint32_t stage, flags;
	uint16_t asid, vmid;
};

static void malformed(void **state)
{
	struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg), .stage = 1 };
	struct iod_smmuv3_inv *inv = NULL, *none = NULL;
	const struct iod_inv good = leaves(0, IODT_4K);
	struct iod_inv bad[8];
	struct iod_smmuv3_raw_cmd raw[2];
	struct iod_smmuv3_inv_stats stats = { .size = sizeof(stats) };
	size_t i, n;

	sink_init(&sink);
	cfg.sink = &sink.ops;
	iodt_assert_ok(iod_smmuv3_inv_create(&inv, &cfg));
	for (i = 0; i < IODT_ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].kind = 0;
	bad[1].kind = 4;
	bad[2].flags = 16;
	bad[3].flags = IOD_INV_ONLY_GLOBAL;
	bad[4].domain_ignore = 0xffff;
	bad[5].iova = IODT_4K;
	bad[6].granule_lg2 = 13;
	bad[7].granule_lg2 = 0;
	for (i = 0; i < IODT_ARRAY_SIZE(bad); i++) {
		struct iod_inv two[2] = { good, bad[i] };

		assert_int_equal(invalidate(inv, two, 2), -EINVAL);
		assert_int_equal(iod_smmuv3_inv_encode(inv, two, 2, raw, 2, &n), -EINVAL);
		assert_int_equal(iod_smmuv3_inv_encode_atc(inv, two, 2, raw, 2, &n), -EINVAL);
	}
	assert_int_equal(sink.calls, 0);
	assert_int_equal(invalidate(NULL, &good, 1), -EINVAL);
	assert_int_equal(invalidate(inv, NULL, 1), -EINVAL);
	assert_int_equal(sync_inv(NULL), -EINVAL);
	iodt_assert_ok(invalidate(inv, NULL, 0));
	assert_int_equal(sink.calls, 0);
	assert_int_equal(iod_smmuv3_inv_encode(inv, &good, 1, raw, 2, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_inv_encode(inv, &good, 1, NULL, 2, &n), -EINVAL);
	assert_int_equal(iod_smmuv3_inv_encode(NULL, &good, 1, raw, 2, &n), -EINVAL);
	assert_int_equal(iod_smmuv3_inv_encode_atc(NULL, &good, 1, raw, 2, &n), -EINVAL);
	assert_int_equal(iod_smmuv3_inv_get_stats(NULL, &stats), -EINVAL);
	assert_int_equal(iod_smmuv3_inv_get_stats(inv, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_inv_destroy(NULL), -EINVAL);
	iodt_assert_ok(iod_smmuv3_inv_destroy(inv));
	/* R123: nowhere to go is no success */
	cfg.sink = NULL;
	iodt_assert_ok(iod_smmuv3_inv_create(&none, &cfg));
	assert_int_equal(invalidate(none, &good, 1), -EINVAL);
	assert_int_equal(sync_inv(none), -EINVAL);
	iodt_assert_ok(iod_smmuv3_inv_encode(none, &good, 1, raw, 2, &n));
	iodt_assert_ok(iod_smmuv3_inv_destroy(none));
}

/* ---- creation ---- */

struct refused {
	const char *name;
	struct setup setup;
	uint32_t idr0_without;
	int ret;
};

#define S1P  IOD_SMMUV3_IDR0_S1P
#define S2P  IOD_SMMUV3_IDR0_S2P
#define EL2_ IOD_SMMUV3_INV_EL2

static const struct refused refused[] = {
	{ "no stage", { .stage = 3 }, 0, -EINVAL },
	{ "flags", { .flags = 1u << 6 }, 0, -EINVAL },
	{ "stage 1 is not nested", { .flags = IOD_SMMUV3_INV_NESTED }, 0, -EINVAL },
	{ "stage 2 has no EL2", { .stage = 2, .flags = EL2_ }, 0, -EINVAL },
	{ "nor ASIDs", { .stage = 2, .flags = IOD_SMMUV3_INV_ALL_ASIDS }, 0, -EINVAL },
	{ "nor global entries", { .stage = 2, .flags = IOD_SMMUV3_INV_NO_GLOBAL }, 0, -EINVAL },
	{ "nor an ASID", { .stage = 2, .asid = 1 }, 0, -EINVAL },
	{ "one of all", { .asid = 1, .flags = IOD_SMMUV3_INV_ALL_ASIDS }, 0, -EINVAL },
	{ "EL2 has no VMID", { .vmid = 1, .flags = EL2_ }, 0, -EINVAL },
	{ "no S1P", { .asid = 1 }, S1P, -EOPNOTSUPP },
	{ "no S2P", { .stage = 2 }, S2P, -EOPNOTSUPP },
	{ "nested without S1P", { .stage = 2, .flags = IOD_SMMUV3_INV_NESTED }, S1P, -EOPNOTSUPP },
	{ "no Hyp", { .flags = EL2_ }, IOD_SMMUV3_IDR0_HYP, -EOPNOTSUPP },
	{ "8 bits of ASID", { .asid = 0x100 }, IOD_SMMUV3_IDR0_ASID16, -EINVAL },
	{ "8 bits of VMID", { .vmid = 0x100 }, IOD_SMMUV3_IDR0_VMID16, -EINVAL },
	{ "no VMIDs", { .vmid = 1 }, S2P, -EINVAL },
	{ "these fit",
	  { .asid = 0xff, .vmid = 0xff },
	  IOD_SMMUV3_IDR0_ASID16 | IOD_SMMUV3_IDR0_VMID16 | IOD_SMMUV3_IDR0_HYP,
	  0 },
	{ "stage 2 alone", { .stage = 2, .vmid = 1 }, S1P, 0 },
	{ "stage 1 alone", { .asid = 1 }, S2P, 0 },
};

static void creation(void **state)
{
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(refused); i++) {
		const struct refused *r = &refused[i];
		struct iod_smmuv3_id id = sink_id(true);
		struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg),
						  .id = &id,
						  .stage = r->setup.stage ? r->setup.stage : 1,
						  .flags = r->setup.flags,
						  .asid = r->setup.asid,
						  .vmid = r->setup.vmid };
		struct iod_smmuv3_inv *inv = NULL;
		int ret;

		id.idr[0] &= ~r->idr0_without;
		ret = iod_smmuv3_inv_create(&inv, &cfg);
		if (ret != r->ret)
			fail_msg("%s: %d", r->name, ret);
		assert_int_equal(!inv, !!ret);
		if (inv)
			iodt_assert_ok(iod_smmuv3_inv_destroy(inv));
	}
}

static void creation_by_structs(void **state)
{
	struct iod_smmuv3_sink nowhere = { .size = sizeof(nowhere) };
	struct iod_inv_cost cost = { .size = sizeof(cost) };
	struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg), .stage = 1 }, c;
	struct {
		struct iod_smmuv3_inv_cfg cfg;
		uint64_t more;
	} larger = { .cfg = { .size = sizeof(larger), .stage = 1 } };
	struct iod_smmuv3_inv *inv = NULL;

	assert_int_equal(iod_smmuv3_inv_create(NULL, &cfg), -EINVAL);
	assert_int_equal(iod_smmuv3_inv_create(&inv, NULL), -EINVAL);
	c = cfg;
	c.size--;
	assert_int_equal(iod_smmuv3_inv_create(&inv, &c), -EINVAL);
	c = cfg;
	c.reserved = 1;
	assert_int_equal(iod_smmuv3_inv_create(&inv, &c), -EINVAL);
	c = cfg;
	c.sink = &nowhere;
	assert_int_equal(iod_smmuv3_inv_create(&inv, &c), -EINVAL);
	c = cfg;
	c.cost = &cost;
	cost.size = 0;
	assert_int_equal(iod_smmuv3_inv_create(&inv, &c), -EINVAL);
	larger.more = 1;
	assert_int_equal(iod_smmuv3_inv_create(&inv, &larger.cfg), -E2BIG);
	assert_null(inv);
	larger.more = 0;
	iodt_assert_ok(iod_smmuv3_inv_create(&inv, &larger.cfg));
	iodt_assert_ok(iod_smmuv3_inv_destroy(inv));
}

/* Every allocation fails once; nothing leaks, and invalidating takes none. */
static void allocation(void **state)
{
	struct iodt_alloc alloc;
	struct iod_smmuv3_ats_device dev = { .size = sizeof(dev) };
	struct iod_smmuv3_inv_cfg cfg = {
		.size = sizeof(cfg), .stage = 1, .sink = &sink.ops, .allocator = &alloc.ops
	};
	const struct iod_inv item = leaves(0, IODT_4K);
	struct iod_smmuv3_inv *inv = NULL;
	uint64_t n, calls;

	sink_init(&sink);
	iodt_alloc_init(&alloc);
	for (n = 1; n < 20; n++) {
		alloc.calls = 0;
		alloc.fail_at = n;
		if (!iod_smmuv3_inv_create(&inv, &cfg))
			break;
		assert_int_equal(alloc.live, 0);
	}
	assert_int_equal(n, 4);
	alloc.fail_at = alloc.calls + 1;
	assert_int_equal(iod_smmuv3_inv_add_device(inv, &dev), -ENOMEM);
	alloc.fail_at = 0;
	for (dev.sid = 0; dev.sid < 20; dev.sid++)
		iodt_assert_ok(iod_smmuv3_inv_add_device(inv, &dev));
	calls = alloc.calls;
	iodt_assert_ok(invalidate(inv, &item, 1));
	iodt_assert_ok(sync_inv(inv));
	assert_int_equal(alloc.calls, calls);
	for (dev.sid = 0; dev.sid < 20; dev.sid++)
		iodt_assert_ok(iod_smmuv3_inv_remove_device(inv, dev.sid, 0, false));
	iodt_assert_ok(iod_smmuv3_inv_destroy(inv));
	assert_int_equal(alloc.live | alloc.bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed),
		cmocka_unit_test(creation),
		cmocka_unit_test(creation_by_structs),
		cmocka_unit_test(allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
