/* SPDX-License-Identifier: MIT */
/* The emulated SMMU: streams of each configuration, registers, commands, config caches. */
#include "emurig.h"

#define R	IOD_ACCESS_READ
#define W	IOD_ACCESS_WRITE
#define DATA(n) (RIG_DATA + (uint64_t)(n)*4096)

static void disabled(void **state)
{
	struct emurig *r = *state;

	/* GBPA after reset: bypass; nothing is recorded. */
	rig_ok(r, 3, 0x1234, R | W, 0x1234);
	assert_int_equal(rig_access(r, 3, -1, IODT_BIT(48), R), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ABORTED);
	rig_reg(r, 0x44, 1u << 20); /* without UPDATE: nothing */
	assert_int_equal(rig_get(r, 0x44), 0);
	rig_reg(r, 0x44, 1u << 31 | 1u << 20);
	assert_int_equal(rig_get(r, 0x44), 1u << 20);
	assert_int_equal(rig_access(r, 3, -1, 0x1234, R), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ABORTED);
	assert_int_equal(r->ev.type, 0);
}

static void bypass_and_abort(void **state)
{
	struct emurig *r = *state;

	rig_enable(r, 0);
	rig_ste(r, 1, STE_V | STE_CONFIG(4), 0, 0, 0);
	rig_ste(r, 2, STE_V | STE_CONFIG(0), 0, 0, 0);
	rig_ok(r, 1, 0x123456, W, 0x123456);
	assert_true(r->res.len == IODT_BIT(48) - 0x123456);
	assert_int_equal(rig_access(r, 2, -1, 0x1000, R), -EFAULT);
	assert_int_equal(r->ev.type, 0);
	rig_no_event(r);
	/* 2^48 is beyond OAS: F_ADDR_SIZE, class IN (2 << 40), read (1 << 35). */
	assert_int_equal(rig_access(r, 1, -1, IODT_BIT(48), R), -EFAULT);
	rig_expect_event(r, 0x11 | (uint64_t)1 << 32, (uint64_t)2 << 40 | (uint64_t)1 << 35,
			 IODT_BIT(48), 0);
	/* A substream where there is no stage 1: C_BAD_SUBSTREAMID, SSID without SSV. */
	assert_int_equal(rig_access(r, 1, 0x12345, 0, R), -EFAULT);
	rig_expect_event(r, 0x08 | (uint64_t)0x12345 << 12 | (uint64_t)1 << 32, 0, 0, 0);
}

static void stage1(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r);

	rig_enable(r, 0);
	rig_s1(r, 4, CD_GOOD, root);
	rig_map(r, root, 0x5000, DATA(1) | S1_RW_PAGE, 0);
	rig_map(r, root, 0x6000, DATA(2) | S1_RW_PAGE | S1_RO, 0);
	rig_ok(r, 4, 0x5678, R, DATA(1) + 0x678);
	assert_true(r->res.len == 0x1000 - 0x678);
	rig_ok(r, 4, 0x5678, W, DATA(1) + 0x678);
	rig_ok(r, 4, 0x6000, R, DATA(2));
	/* Write to a read-only page: F_PERMISSION, class IN. */
	assert_int_equal(rig_access(r, 4, -1, 0x6008, W), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ABORTED);
	assert_true(r->res.recorded);
	rig_expect_event(r, 0x13 | (uint64_t)4 << 32, (uint64_t)2 << 40, 0x6008, 0);
	/* Not mapped; a table that is; outside 39 bits; TTB1 is disabled. */
	assert_int_equal(rig_access(r, 4, -1, 0x7000, R | IOD_ACCESS_PRIV), -EFAULT);
	rig_expect_event(r, 0x10 | (uint64_t)4 << 32,
			 (uint64_t)2 << 40 | (uint64_t)1 << 35 | (uint64_t)1 << 33, 0x7000, 0);
	assert_int_equal(rig_access(r, 4, -1, IODT_BIT(39), R), -EFAULT);
	rig_expect_event(r, 0x10 | (uint64_t)4 << 32, (uint64_t)2 << 40 | (uint64_t)1 << 35,
			 IODT_BIT(39), 0);
	assert_int_equal(rig_access(r, 4, -1, ~UINT64_C(0xfff), R), -EFAULT);
	rig_expect_event(r, 0x10 | (uint64_t)4 << 32, (uint64_t)2 << 40 | (uint64_t)1 << 35,
			 ~UINT64_C(0xfff), 0);
	rig_no_event(r);
}

static void stage2(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r);

	rig_enable(r, 0);
	rig_ste(r, 4, STE_V | STE_CONFIG(6), 0, STE2_GOOD, root);
	rig_map(r, root, 0x5000, DATA(1) | S2_RW_PAGE, 0);
	rig_map(r, root, 0x6000, DATA(2) | (S2_RW_PAGE & ~S2_W), 0);
	rig_ok(r, 4, 0x5678, W, DATA(1) + 0x678);
	/* F_PERMISSION of stage 2: S2 (bit 39), class IN, the IPA. */
	assert_int_equal(rig_access(r, 4, -1, 0x6008, W), -EFAULT);
	rig_expect_event(r, 0x13 | (uint64_t)4 << 32, (uint64_t)2 << 40 | (uint64_t)1 << 39, 0x6008,
			 0x6000);
	/* Beyond the 48 bits of intermediate addresses: stage 1's, though it is bypassed. */
	assert_int_equal(rig_access(r, 4, -1, IODT_BIT(48), W), -EFAULT);
	rig_expect_event(r, 0x11 | (uint64_t)4 << 32, (uint64_t)2 << 40, IODT_BIT(48), 0);
	assert_int_equal(rig_access(r, 4, -1, IODT_BIT(40), W), -EFAULT);
	rig_expect_event(r, 0x10 | (uint64_t)4 << 32, (uint64_t)2 << 40 | (uint64_t)1 << 39,
			 IODT_BIT(40), IODT_BIT(40));
}

static void nested(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r);

	rig_enable(r, 0);
	rig_stage2(r, S2_RW_PAGE);
	rig_nested(r, 4, STE2_GOOD, CD_GOOD, root);
	rig_map(r, root, 0x5000, (DATA(1) + RIG_IPA_OFF) | S1_RW_PAGE, RIG_IPA_OFF);
	rig_ok(r, 4, 0x5678, W, DATA(1) + 0x678);
	/* Its output is not there for stage 2. */
	rig_map(r, root, 0x6000, RIG_AWAY | S1_RW_PAGE, RIG_IPA_OFF);
	assert_int_equal(rig_access(r, 4, -1, 0x6008, W), -EFAULT);
	rig_expect_event(r, 0x10 | (uint64_t)4 << 32, (uint64_t)2 << 40 | (uint64_t)1 << 39, 0x6008,
			 RIG_AWAY);
	rig_no_event(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(disabled, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(bypass_and_abort, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(stage1, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(stage2, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(nested, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
