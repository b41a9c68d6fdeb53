/* SPDX-License-Identifier: MIT */
/* Ranges whose commands are known by hand: how many there are, and where a command may not reach. R107. */
#include "invsink.h"

static size_t count_cmds(const struct iod_smmuv3_inv *inv, uint64_t iova, uint64_t len,
			 uint32_t flags, uint32_t leaves, uint32_t tables)
{
	struct iod_inv item = { .kind = IOD_INV_RANGE,
				.flags = flags,
				.iova = iova,
				.last = iova + (len - 1),
				.leaf_levels = leaves,
				.table_levels = tables,
				.granule_lg2 = 12 };
	size_t n = 0;
	int ret = iod_smmuv3_inv_encode(inv, &item, 1, NULL, 0, &n);

	assert_int_equal(ret, n ? -ENOSPC : 0);
	return n;
}

/* 32 MiB of pages and their tables: one command, or 8192. */
static void unmap_of_32_mib(void **state)
{
	struct iod_smmuv3_inv *one = sink_open_inv(true, 2), *many = sink_open_inv(false, 2);

	assert_int_equal(count_cmds(one, UINT64_C(1) << 30, IODT_32M, 0, 1, 2), 1);
	assert_int_equal(count_cmds(many, UINT64_C(1) << 30, IODT_32M, 0, 1, 2), 8192);
	/* blocks: one for each */
	assert_int_equal(count_cmds(many, UINT64_C(1) << 30, IODT_32M, IOD_INV_LEAF_ONLY, 2, 0),
			 16);
	assert_int_equal(count_cmds(many, UINT64_C(1) << 30, IODT_32M, 0, 2, 4), 16);
	/* unaligned: at most two */
	assert_int_equal(count_cmds(one, IODT_4K, IODT_32M + IODT_4K, 0, 1, 2), 2);
	iodt_assert_ok(iod_smmuv3_inv_destroy(one));
	iodt_assert_ok(iod_smmuv3_inv_destroy(many));
}

/* R107: the whole space, and what no range can say, is one wide command. */
static void whole_space(void **state)
{
	uint32_t stage;
	unsigned ranges;

	for (stage = 1; stage <= 2; stage++)
		for (ranges = 0; ranges < 2; ranges++) {
			struct iod_smmuv3_inv *inv = sink_open_inv(ranges, stage);

			assert_int_equal(count_cmds(inv, 0, 0, 0, 7, 14), 1);
			assert_int_equal(count_cmds(inv, 0, 0, IOD_INV_LEAF_ONLY, 0, 0), 1);
			assert_int_equal(count_cmds(inv, IODT_4K, 0 - IODT_BIT(13), 0, 7, 14), 1);
			assert_int_equal(count_cmds(inv, 0, IODT_BIT(63), 0, 7, 14), 1);
			iodt_assert_ok(iod_smmuv3_inv_destroy(inv));
		}
}

/* No command reaches from one half of the addresses into the other, or names an IPA of more than 52 bits. */
static void beyond_addresses(void **state)
{
	static const uint64_t top[] = { UINT64_C(1) << 63, UINT64_C(1) << 52 };
	static const uint32_t wide[] = { 0x10, 0x28 };
	uint32_t stage;
	unsigned ranges;

	for (stage = 1; stage <= 2; stage++)
		for (ranges = 0; ranges < 2; ranges++) {
			struct iod_smmuv3_inv *inv = sink_open_inv(ranges, stage);
			struct iod_inv item = { .kind = IOD_INV_RANGE,
						.flags = IOD_INV_LEAF_ONLY,
						.iova = top[stage - 1] - IODT_4K,
						.last = top[stage - 1] + (IODT_4K - 1),
						.granule_lg2 = 12 };
			struct iod_smmuv3_raw_cmd raw[2];
			size_t n;

			iodt_assert_ok(iod_smmuv3_inv_encode(inv, &item, 1, raw, 2, &n));
			assert_int_equal(n, 1);
			assert_int_equal(seen_decode(&raw[0]).op, wide[stage - 1]);
			iodt_assert_ok(iod_smmuv3_inv_destroy(inv));
		}
}

/* Neither do several items that touch each other there, nor those that are more than two ranges together. */
static void joined_beyond(void **state)
{
	struct iod_smmuv3_inv *one = sink_open_inv(true, 1), *two = sink_open_inv(true, 2);
	struct iod_smmuv3_raw_cmd raw[8];
	struct iod_inv item[4];
	struct iod_smmuv3_cmd cmd;
	uint64_t i;
	size_t n;

	for (i = 0; i < 4; i++)
		item[i] = (struct iod_inv){ .kind = IOD_INV_RANGE,
					    .flags = IOD_INV_LEAF_ONLY,
					    .iova = i << 49,
					    .last = ((i + 1) << 49) - 1,
					    .granule_lg2 = 12 };
	iodt_assert_ok(iod_smmuv3_inv_encode(two, item, 4, raw, 8, &n));
	assert_int_equal(n, 8);
	for (i = 0; i < n; i++) {
		iodt_assert_ok(iod_smmuv3_cmd_decode(&cmd, &raw[i], NULL, NULL));
		assert_int_equal(cmd.addr, i << 48);
		assert_true(cmd.num == 31 && cmd.scale == 31);
	}
	item[0].iova = IODT_BIT(63) - IODT_4K;
	item[0].last = IODT_BIT(63) - 1;
	item[1].iova = IODT_BIT(63);
	item[1].last = IODT_BIT(63) + IODT_4K - 1;
	iodt_assert_ok(iod_smmuv3_inv_encode(one, item, 2, raw, 8, &n));
	assert_int_equal(n, 2);
	assert_true(!seen_decode(&raw[0]).tg && !seen_decode(&raw[1]).tg);
	iodt_assert_ok(iod_smmuv3_inv_destroy(one));
	iodt_assert_ok(iod_smmuv3_inv_destroy(two));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unmap_of_32_mib),
		cmocka_unit_test(whole_space),
		cmocka_unit_test(beyond_addresses),
		cmocka_unit_test(joined_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
