/* SPDX-License-Identifier: MIT */
/*
 * A guest's TLB invalidations by address: ranges on either side, what is joined, what is kept apart,
 * duplicates. Words are written by hand from Arm IHI 0070, 4.4.
 */
#include "viommuwords.h"

/* Without ranges TG is 0; with them it may be. Either is an invalidation. */
static void single_address(void **state)
{
	struct rig_opts o = rig_defaults();
	struct rig *rig;
	int i;

	for (i = 0; i < 4; i++) {
		o.host_ril = i & 1;
		o.guest_ril = i & 2;
		rig = rig_open(&o);
		rig_expect_one(rig, 0x12 | ASID(1), 0x7000, 0x12 | ASID(1) | VMID, 0x7000);
		rig_expect_one(rig, 0x13, 0x7000 | LEAF, 0x13 | VMID, 0x7000 | LEAF);
		rig_close(rig);
	}
}

static void range_rules(void **state)
{
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);

	rig_expect_refused(rig, 0x12, 0x7000 | TG4K, -EINVAL, IOD_CMD_BAD_RANGE); /* 4.4.1 */
	rig_expect_refused(rig, 0x12 | NUM(1), 0x7000, -EINVAL, IOD_CMD_BAD_RANGE);
	rig_expect_refused(rig, 0x12, 0x7000 | TTL(3), -EINVAL, IOD_CMD_BAD_RANGE);
	/* A granule that the guest was not shown. */
	rig_expect_refused(rig, 0x12 | NUM(1), 0x8000 | 2u << 10, -EINVAL, IOD_CMD_BAD_RANGE);
	rig_expect_refused(rig, 0x12 | NUM(1), 0x10000 | 3u << 10, -EINVAL, IOD_CMD_BAD_RANGE);
	rig_close(rig);
	o.guest_ril = false;
	rig = rig_open(&o);
	rig_expect_refused(rig, 0x12 | NUM(1), 0x7000 | TG4K, -EINVAL, IOD_CMD_BAD_RESERVED);
	rig_close(rig);
}

static void ranges_expanded(void **state)
{
	const struct rig_cmd four[] = {
		{ { 0x12 | VMID | ASID(1), 0x5000 | LEAF } },
		{ { 0x12 | VMID | ASID(1), 0x6000 | LEAF } },
		{ { 0x12 | VMID | ASID(1), 0x7000 | LEAF } },
		{ { 0x12 | VMID | ASID(1), 0x8000 | LEAF } },
	};
	const struct rig_cmd blocks[] = {
		{ { 0x13 | VMID, 0x400000 } },
		{ { 0x13 | VMID, 0x600000 } },
	};
	const struct rig_cmd all = { { 0x10 | VMID, 0 } };
	struct rig_cmd g = { { 0x12 | ASID(1) | NUM(3), 0x5000 | LEAF | TG4K } };
	struct rig_opts o = rig_defaults();
	struct rig *rig;

	o.host_ril = false;
	rig = rig_open(&o);
	rig_expect_batch(rig, &g, 1, four, 4);
	g.w[0] = 0x12 | ASID(1) | NUM(1) | SCALE(1); /* 2 * 2 granules */
	rig_expect_batch(rig, &g, 1, four, 4);
	g.w[0] = 0x13 | NUM(1) | SCALE(9); /* 2 * 512 granules, leaves of 2 MiB */
	g.w[1] = 0x400000 | TG4K | TTL(2);
	rig_expect_batch(rig, &g, 1, blocks, 2);
	/* Of a hint that does not fit the range nobody can say what it does: every page, then. */
	g.w[0] = 0x12 | ASID(1) | NUM(3);
	g.w[1] = 0x5000 | LEAF | TG4K | TTL(2);
	rig_expect_batch(rig, &g, 1, four, 4);
	/* Global entries are meant, too: what covers more is everything of the VMID (row 107: to the top). */
	g.w[0] = 0x12 | ASID(1) | NUM(31) | SCALE(31);
	g.w[1] = 0xffff800000000000 | TG4K;
	rig_expect_batch(rig, &g, 1, &all, 1);
	g.w[1] = 0 | TG4K;
	rig_expect_batch(rig, &g, 1, &all, 1);
	g.w[0] = 0x12 | ASID(1) | NUM(31); /* past the top: what there is */
	g.w[1] = 0xffffffffffffe000 | TG4K;
	rig_forget(rig);
	{
		const struct rig_cmd two[] = {
			{ { 0x12 | VMID | ASID(1), 0xffffffffffffe000 } },
			{ { 0x12 | VMID | ASID(1), 0xfffffffffffff000 } },
		};

		rig_expect_batch(rig, &g, 1, two, 2);
	}
	rig_close(rig);
}

static void cost_decides(void **state)
{
	struct iod_inv_cost cost = { .size = sizeof(cost), .command = 10, .global = 70 };
	struct rig_cmd g = { { 0x12 | NUM(6), 0x5000 | TG4K } };
	struct iod_guest_result res;
	struct rig_opts o = rig_defaults();
	struct rig *rig;

	o.host_ril = false;
	o.cost = &cost;
	rig = rig_open(&o);
	iodt_assert_ok(rig_run(rig, &g, 1, &res));
	assert_int_equal(res.host_commands, 7);
	g.w[0] = 0x12 | NUM(7);
	rig_forget(rig);
	rig_expect_one(rig, g.w[0], g.w[1], 0x10 | VMID, 0);
	rig_close(rig);
	cost.global = IOD_INV_NEVER; /* and yet it has an end */
	rig = rig_open(&o);
	g.w[0] = 0x12 | NUM(7) | SCALE(9);
	iodt_assert_ok(rig_run(rig, &g, 1, &res));
	assert_int_equal(res.host_commands, IOD_SMMUV3_VIOMMU_MAX_EXPAND);
	g.w[0] = 0x12 | NUM(8) | SCALE(9);
	rig_expect_one(rig, g.w[0], g.w[1], 0x10 | VMID, 0);
	rig_close(rig);
}

/* Each of them is cheap enough, all of them are not: they end with everything of the VMID. */
static void expansion_bounded(void **state)
{
	const struct iod_inv_cost cost = { .size = sizeof(cost), .command = 1, .global = 2000 };
	struct iod_guest_result res;
	struct rig_opts o = rig_defaults();
	struct rig_cmd g[40];
	struct rig *rig;
	unsigned int i;

	o.host_ril = false;
	o.cost = &cost;
	for (i = 0; i < 40; i++)
		g[i] = (struct rig_cmd){ { 0x12 | NUM(30) | SCALE(6), (uint64_t)i << 24 | TG4K } };
	for (i = 0; i < 2; i++) {
		o.flags = i ? IOD_SMMUV3_VIOMMU_LITERAL : 0;
		rig = rig_open(&o);
		iodt_assert_ok(rig_run(rig, g, 40, &res));
		assert_int_equal(res.handled, 40);
		assert_int_equal(res.host_commands, 2 * 31 * 64 + (i ? 38 : 1));
		assert_true(rig->host.cmd[rig->host.nr - 1].w[0] == (0x10 | VMID));
		rig_close(rig);
	}
}

static void neighbours_joined(void **state)
{
	struct rig_cmd g[64], want[2];
	struct rig_opts o = rig_defaults();
	struct rig *rig;
	unsigned int i;

	o.guest_ril = false;
	rig = rig_open(&o);
	for (i = 0; i < 33; i++)
		g[i] = (struct rig_cmd){ { 0x12 | ASID(1), (UINT64_C(0x100) + i) << 12 | LEAF } };
	/* 8 granules */
	want[0] = (struct rig_cmd){ { 0x12 | VMID | ASID(1) | NUM(7), 0x100000 | LEAF | TG4K } };
	rig_expect_batch(rig, g, 8, want, 1);
	/* 33 = 32 and 32 that overlap: 5 bits hold NUM */
	want[0].w[0] = 0x12 | VMID | ASID(1) | NUM(15) | SCALE(1);
	want[1] = want[0];
	want[1].w[1] += 0x1000;
	rig_expect_batch(rig, g, 33, want, 2);
	/* downwards, and each twice */
	for (i = 0; i < 16; i++)
		g[i] = (struct rig_cmd){ { 0x13, (UINT64_C(0x100) - i / 2) << 12 } };
	want[0] = (struct rig_cmd){ { 0x13 | VMID | NUM(7), 0xf9000 | TG4K } };
	rig_expect_batch(rig, g, 16, want, 1);
	rig_close(rig);
}

/* What no range can say in one piece or two is left as it is. */
static void longest_ranges(void **state)
{
	const struct rig_cmd half[] = {
		{ { 0x13 | NUM(31) | SCALE(30), 0 | TG4K } },
		{ { 0x13 | NUM(31) | SCALE(30), IODT_BIT(47) | TG4K } },
	};
	const struct rig_cmd whole[] = {
		{ { 0x13 | NUM(31) | SCALE(31), 0 | TG4K } },
		{ { 0x13, 0x5000 } },
	};
	const struct rig_cmd nearly[] = {
		{ { 0x13 | NUM(30) | SCALE(31), 0 | TG4K } },
		{ { 0x13, 0x5000 } },
	};
	struct rig_cmd want[2] = { half[0], half[1] };
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);

	want[0].w[0] |= VMID;
	want[1].w[0] |= VMID;
	rig_expect_batch(rig, half, 2, want, 2);
	want[0] = whole[0];
	want[1] = whole[1];
	want[0].w[0] |= VMID;
	want[1].w[0] |= VMID;
	rig_expect_batch(rig, whole, 2, want, 2);
	want[0] = nearly[0];
	want[0].w[0] |= VMID;
	rig_expect_batch(rig, nearly, 2, want, 1);
	rig_close(rig);
}

/* What differs in anything is not joined. */
static void strangers_kept_apart(void **state)
{
	static const struct rig_cmd pairs[][2] = {
		{ { { 0x12 | ASID(1), 0x1000 } }, { { 0x12 | ASID(2), 0x2000 } } },
		{ { { 0x12 | ASID(1), 0x1000 } }, { { 0x13, 0x2000 } } },
		{ { { 0x12 | ASID(1), 0x1000 } }, { { 0x12 | ASID(1), 0x2000 | LEAF } } },
		{ { { 0x12 | ASID(1), 0x1000 } }, { { 0x12 | ASID(1), 0x3000 } } },
		/* from one half of the address space into the other: a range need not reach that far */
		{ { { 0x13, 0x7ffffffffff000 } }, { { 0x13, 0x80000000000000 } } },
		{ { { 0x13 | NUM(1), 0x1000 | TG4K | TTL(3) } }, { { 0x13, 0x3000 } } },
		/* 2 MiB leaves: the hint fits neither start */
		{ { { 0x13 | NUM(1), 0x1000 | TG4K | TTL(2) } },
		  { { 0x13 | NUM(1), 0x3000 | TG4K | TTL(2) } } },
	};
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	size_t i, k;

	for (i = 0; i < IODT_ARRAY_SIZE(pairs); i++) {
		struct rig_cmd want[2] = { pairs[i][0], pairs[i][1] };

		for (k = 0; k < 2; k++)
			want[k].w[0] |= VMID;
		rig_expect_batch(rig, pairs[i], 2, want, 2);
	}
	rig_close(rig);
	/* Two granules: a range of one could miss entries of the other. */
	o.granules = IOD_SMMUV3_IDR5_GRAN4K | IOD_SMMUV3_IDR5_GRAN64K;
	rig = rig_open(&o);
	{
		const struct rig_cmd g[] = { { { 0x13, 0x1000 } }, { { 0x13, 0x2000 } } };
		const struct rig_cmd want[] = { { { 0x13 | VMID, 0x1000 } },
						{ { 0x13 | VMID, 0x2000 } } };

		rig_expect_batch(rig, g, 2, want, 2);
	}
	rig_close(rig);
	/* Ranges of one each are two all the same. */
	o.granules = IOD_SMMUV3_IDR5_GRAN4K | IOD_SMMUV3_IDR5_GRAN16K;
	rig = rig_open(&o);
	{
		const struct rig_cmd g[] = { { { 0x13 | NUM(3), TG4K } },
					     { { 0x13 | NUM(3), 0x4000 | 2u << 10 } } };
		const struct rig_cmd want[] = { { { 0x13 | VMID | NUM(3), TG4K } },
						{ { 0x13 | VMID | NUM(3), 0x4000 | 2u << 10 } } };

		rig_expect_batch(rig, g, 2, want, 2);
	}
	rig_close(rig);
	/* One, but not the smallest: singles are its pages. */
	o.granules = IOD_SMMUV3_IDR5_GRAN64K;
	rig = rig_open(&o);
	{
		const struct rig_cmd g[] = { { { 0x13, 0x11000 } },
					     { { 0x13, 0x1f000 } },
					     { { 0x13, 0x20000 } } };
		const struct rig_cmd want = { { 0x13 | VMID | NUM(1), 0x10000 | 3u << 10 } };

		rig_expect_batch(rig, g, 3, &want, 1);
	}
	rig_close(rig);
}

static void duplicates(void **state)
{
	const struct rig_cmd g[] = {
		{ { 0x12, 0x1000 } },
		{ { 0x12, 0x9000 } },
		{ { 0x12, 0x1000 } },
		{ { 0x40 | VSID(1), 1 } },
		{ { 0x40 | VSID(1), 1 } },
		{ { 0x12, 0x1000 } },	   /* the ATC does not fill the TLB, but not ours to know */
		{ { 0x40 | VSID(1), 1 } }, /* filled again from what was stale until just now */
		{ { 0x30, 0 } },
		{ { 0x12, 0x5000 } },
		{ { 0x11 | ASID(9), 0 } },
		{ { 0x06 | VSID(1), 0 } },
		{ { 0x12, 0x5000 } }, /* may have been walked with a stale CD */
	};
	const struct rig_cmd want[] = {
		{ { 0x12 | VMID, 0x1000 } }, { { 0x12 | VMID, 0x9000 } }, { { 0x40 | SID(1), 1 } },
		{ { 0x12 | VMID, 0x1000 } }, { { 0x40 | SID(1), 1 } },	  { { 0x10 | VMID, 0 } },
		{ { 0x06 | SID(1), 0 } },    { { 0x12 | VMID, 0x5000 } },
	};
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);

	rig_expect_batch(rig, g, IODT_ARRAY_SIZE(g), want, IODT_ARRAY_SIZE(want));
	rig_close(rig);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_address),    cmocka_unit_test(range_rules),
		cmocka_unit_test(ranges_expanded),   cmocka_unit_test(cost_decides),
		cmocka_unit_test(expansion_bounded), cmocka_unit_test(neighbours_joined),
		cmocka_unit_test(longest_ranges),    cmocka_unit_test(strangers_kept_apart),
		cmocka_unit_test(duplicates),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
