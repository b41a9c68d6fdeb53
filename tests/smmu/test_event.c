/* SPDX-License-Identifier: MIT */
/*
 * Event records and page requests (Arm IHI 0070, 7.3 and 8.1): bytes worked out by hand, every bit of them
 * flipped, what does not fit.
 */
#include "eventrows.h"

#define TYPE(name) .type = IOD_SMMUV3_##name

static struct iod_smmuv3_raw_event raw_of(const uint64_t word[4])
{
	struct iod_smmuv3_raw_event raw;

	for (unsigned i = 0; i < 4; i++)
		iodt_put_le64(&raw.word[i], word[i]);
	return raw;
}

static void test_golden(void **state)
{
	struct iod_smmuv3_raw_event raw, want, unknown;
	struct iod_smmuv3_event event;

	for (size_t i = 0; i < NR_EVENT_ROWS; i++) {
		want = raw_of(event_rows[i].word);
		memset(&raw, 0xa5, sizeof(raw));
		iodt_assert_ok(iod_smmuv3_event_encode(&raw, &event_rows[i].event));
		assert_memory_equal(&raw, &want, sizeof(raw));
		memset(&event, 0xa5, sizeof(event));
		iodt_assert_ok(iod_smmuv3_event_decode(&event, &raw, &unknown));
		assert_same_event(&event, &event_rows[i].event);
		assert_true(
			!(unknown.word[0] | unknown.word[1] | unknown.word[2] | unknown.word[3]));
		iodt_assert_ok(iod_smmuv3_event_decode(&event, &raw, NULL));
		assert_non_null(iod_smmuv3_event_name(event_rows[i].event.type));
	}
	assert_string_equal(iod_smmuv3_event_name(IOD_SMMUV3_F_PERMISSION), "F_PERMISSION");
}

/* Each flipped bit is in a field that changes, is told to be unknown, or means nothing. */
static void flip(const struct event_row *r, unsigned bit)
{
	struct iod_smmuv3_raw_event raw, again, unknown;
	struct iod_smmuv3_event event;
	uint64_t word[4], m = IODT_BIT(bit % 64);
	unsigned k = bit / 64;
	uint8_t cls;

	memcpy(word, r->word, sizeof(word));
	word[k] ^= m;
	raw = raw_of(word);
	iodt_assert_ok(iod_smmuv3_event_decode(&event, &raw, &unknown));
	if (!(r->field[k] & m)) {
		assert_same_event(&event, &r->event);
		memset(word, 0, sizeof(word));
		word[k] = m;
		raw = raw_of(word);
		assert_memory_equal(&unknown, &raw, sizeof(raw));
		return;
	}
	assert_true(!(unknown.word[0] | unknown.word[1] | unknown.word[2] | unknown.word[3]));
	if (r->drop[k] & m) {
		assert_same_event(&event, &r->event);
		return;
	}
	cls = event.cls;
	if (cls == 3) { /* reserved: told as it is, and not encoded */
		assert_int_equal(iod_smmuv3_event_encode(&again, &event), -EINVAL);
		return;
	}
	iodt_assert_ok(iod_smmuv3_event_encode(&again, &event));
	/* SSV, S2 and Stall take others along. */
	if (event.ssv == r->event.ssv && event.s2 == r->event.s2 && event.stall == r->event.stall)
		assert_memory_equal(&again, &raw, sizeof(raw));
	else
		assert_memory_not_equal(&again, raw_of(r->word).word, sizeof(raw));
}

static void test_every_bit(void **state)
{
	for (size_t i = 0; i < NR_EVENT_ROWS; i++)
		for (unsigned bit = 8; bit < 256; bit++)
			flip(&event_rows[i], bit);
}

static bool known(unsigned type)
{
	for (size_t i = 0; i < NR_EVENT_ROWS; i++)
		if (event_rows[i].word[0] % 256 == type)
			return true;
	return false;
}

static void test_types(void **state)
{
	struct iod_smmuv3_event event, bad = { 0 };
	struct iod_smmuv3_raw_event raw;

	for (unsigned type = 0; type < 256; type++) {
		const uint64_t word[4] = { type };

		raw = raw_of(word);
		assert_int_equal(iod_smmuv3_event_decode(&event, &raw, NULL),
				 known(type) ? 0 : -EOPNOTSUPP);
		assert_int_equal(event.type, type);
		bad.type = (enum iod_smmuv3_event_type)type;
		assert_int_equal(iod_smmuv3_event_encode(&raw, &bad), known(type) ? 0 : -EINVAL);
		assert_int_equal(iod_smmuv3_event_name(bad.type) != NULL, known(type));
	}
	assert_int_equal(iod_smmuv3_event_decode(NULL, &raw, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_event_decode(&event, NULL, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_event_encode(NULL, &event_rows[0].event), -EINVAL);
	assert_int_equal(iod_smmuv3_event_encode(&raw, NULL), -EINVAL);
}

static void test_encode_refuses(void **state)
{
	static const struct iod_smmuv3_event bad[] = {
		{ TYPE(F_TRANSLATION), .ssid = 1 },
		{ TYPE(F_TRANSLATION), .ssv = true, .ssid = 1 << 20 },
		{ TYPE(F_TRANSLATION), .stag = 1 },
		{ TYPE(F_TRANSLATION), .ipa = 0x1000 },
		{ TYPE(F_TRANSLATION), .nsipa = true },
		{ TYPE(F_TRANSLATION), .s2 = true, .ipa = 0x1800 },
		{ TYPE(F_TRANSLATION), .s2 = true, .ipa = IODT_BIT(56) },
		{ TYPE(F_TRANSLATION), .cls = 3 },
		{ TYPE(F_TRANSLATION), .ttrnw = true },
		{ TYPE(F_TRANSLATION), .fetch = 8 },
		{ TYPE(F_TRANSLATION), .reason = 1 },
		{ TYPE(F_TRANSLATION), .span = 1 },
		{ TYPE(F_TRANSLATION), .hints = 1 },
		{ TYPE(F_WALK_EABT), .stall = true },
		{ TYPE(F_WALK_EABT), .s2 = true, .ipa = 0x1000 },
		{ TYPE(F_STE_FETCH), .fetch = 4 },
		{ TYPE(C_BAD_STE), .addr = 1 },
		{ TYPE(C_BAD_CD), .rnw = true },
		{ TYPE(C_BAD_SUBSTREAMID), .ssv = true, .ssid = 1 },
		{ TYPE(E_PAGE_REQUEST), .addr = 0x7800 },
		{ TYPE(E_PAGE_REQUEST), .hints = 64 },
	};
	struct iod_smmuv3_raw_event raw;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(bad); i++)
		if (iod_smmuv3_event_encode(&raw, &bad[i]) != -EINVAL)
			fail_msg("row %zu", i);
}

/* ---- page requests ---- */

static void test_pri(void **state)
{
	struct iod_smmuv3_raw_pri raw, want, unknown;
	struct iod_smmuv3_pri pri;

	for (size_t i = 0; i < NR_PRI_ROWS; i++) {
		iodt_put_le64(&want.word[0], pri_rows[i].word[0]);
		iodt_put_le64(&want.word[1], pri_rows[i].word[1]);
		iodt_assert_ok(iod_smmuv3_pri_encode(&raw, &pri_rows[i].pri));
		assert_memory_equal(&raw, &want, sizeof(raw));
		iodt_assert_ok(iod_smmuv3_pri_decode(&pri, &raw, &unknown));
		assert_same_pri(&pri, &pri_rows[i].pri);
		assert_true(!(unknown.word[0] | unknown.word[1]));
	}
	assert_false(iod_smmuv3_pri_is_stop(&pri_rows[0].pri));
	assert_true(iod_smmuv3_pri_is_stop(&pri_rows[2].pri));
	pri = pri_rows[2].pri; /* without a PASID it asks, if for nothing */
	pri.ssv = false;
	assert_false(iod_smmuv3_pri_is_stop(&pri));
	iodt_put_le64(&raw.word[0], UINT64_C(0x0cf0abcd00000001)); /* SSV = 0 */
	iodt_put_le64(&raw.word[1], 0xe00);
	iodt_assert_ok(iod_smmuv3_pri_decode(&pri, &raw, &unknown));
	assert_true(!pri.ssid && !pri.priv && !pri.exec);
	iodt_put_le64(&want.word[0], UINT64_C(0x00f0000000000000));
	iodt_put_le64(&want.word[1], 0xe00);
	assert_memory_equal(&unknown, &want, sizeof(want));
	assert_int_equal(iod_smmuv3_pri_decode(NULL, &raw, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_pri_decode(&pri, NULL, NULL), -EINVAL);
}

static void test_pri_refuses(void **state)
{
	static const struct iod_smmuv3_pri bad[] = {
		{ .ssid = 1 },	 { .priv = true },   { .exec = true },
		{ .prgi = 512 }, { .addr = 0x1800 }, { .ssv = true, .ssid = 1 << 20 },
	};
	struct iod_smmuv3_raw_pri raw;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(bad); i++)
		assert_int_equal(iod_smmuv3_pri_encode(&raw, &bad[i]), -EINVAL);
	assert_int_equal(iod_smmuv3_pri_encode(NULL, &bad[0]), -EINVAL);
	assert_int_equal(iod_smmuv3_pri_encode(&raw, NULL), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden), cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_types),  cmocka_unit_test(test_encode_refuses),
		cmocka_unit_test(test_pri),    cmocka_unit_test(test_pri_refuses),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
