/* SPDX-License-Identifier: MIT */
/* Event records and page requests: words worked out by hand, every bit of them flipped. */
#include "iodtest.h"

#include "amdvi/amdrand.h"
#include "amdvi/golden_amdvi.h"

static void put(uint64_t raw[2], const uint64_t word[2])
{
	iodt_put_le64(&raw[0], word[0]);
	iodt_put_le64(&raw[1], word[1]);
}

static bool same_event(const struct iod_amdvi_event *a, const struct iod_amdvi_event *b)
{
	bool ok = true;

#define SAME(member) (ok = ok && a->member == b->member)
	SAME(type);
	SAME(devid);
	SAME(domain);
	SAME(pasid);
	SAME(gn);
	SAME(nx);
	SAME(us);
	SAME(irq);
	SAME(pr);
	SAME(rw);
	SAME(pe);
	SAME(rz);
	SAME(tr);
	SAME(errtype);
	SAME(virt);
	SAME(tag);
	SAME(addr);
	return ok;
}

static bool same_ppr(const struct iod_amdvi_ppr *a, const struct iod_amdvi_ppr *b)
{
	bool ok = true;

	SAME(devid);
	SAME(tag);
	SAME(pasid);
	SAME(gn);
	SAME(last);
	SAME(read);
	SAME(write);
	SAME(exec);
	SAME(user);
	SAME(rvsd);
	SAME(type);
	SAME(addr);
	return ok;
}

/* What was decoded and what was not make up the record. */
static int decode(struct iod_amdvi_event *event, const uint64_t word[2],
		  struct iod_amdvi_raw_event *unknown)
{
	struct iod_amdvi_raw_event raw, again;
	int ret;

	put(raw.word, word);
	memset(event, 0xa5, sizeof(*event));
	memset(unknown, 0, sizeof(*unknown));
	ret = iod_amdvi_event_decode(event, &raw, unknown);
	assert_int_equal(event->type, word[0] >> 60);
	if (ret)
		return ret;
	iodt_assert_ok(iod_amdvi_event_encode(&again, event));
	for (unsigned i = 0; i < 2; i++) {
		assert_true(!(again.word[i] & unknown->word[i]));
		assert_true((again.word[i] | unknown->word[i]) == raw.word[i]);
	}
	return 0;
}

static void test_golden(void **state)
{
	struct iod_amdvi_raw_event raw, want, unknown;
	struct iod_amdvi_event event;

	for (size_t k = 0; k < GOLD_NR_EVENTS; k++) {
		const struct gold_event *g = &gold_events[k];

		put(want.word, g->word);
		iodt_assert_ok(iod_amdvi_event_encode(&raw, &g->event));
		assert_memory_equal(&raw, &want, sizeof(raw));
		iodt_assert_ok(decode(&event, g->word, &unknown));
		assert_true(same_event(&event, &g->event));
		assert_true(!unknown.word[0] && !unknown.word[1]);
		iodt_assert_ok(iod_amdvi_event_decode(&event, &want, NULL));
		assert_non_null(iod_amdvi_event_name(g->event.type));
	}
	assert_string_equal(iod_amdvi_event_name(IOD_AMDVI_IO_PAGE_FAULT), "IO_PAGE_FAULT");
	assert_null(iod_amdvi_event_name((enum iod_amdvi_event_type)0));
	assert_null(iod_amdvi_event_name((enum iod_amdvi_event_type)15));
	assert_null(iod_amdvi_event_name((enum iod_amdvi_event_type) - 1));
}

#define GN_BIT 48u

static void test_every_bit(void **state)
{
	for (size_t k = 0; k < GOLD_NR_EVENTS; k++) {
		const struct gold_event *g = &gold_events[k];

		for (unsigned bit = 0; bit < 128; bit++) {
			uint64_t word[2] = { g->word[0], g->word[1] };
			struct iod_amdvi_raw_event unknown;
			struct iod_amdvi_event event;
			bool field = g->field[bit / 64] >> (bit % 64) & 1;
			int ret;

			word[bit / 64] ^= IODT_BIT(bit % 64);
			ret = decode(&event, word, &unknown);
			if (bit >= 60 && bit < 64) {
				assert_int_equal(ret, word[0] >> 60 == 0    ? -EAGAIN
						      : word[0] >> 60 == 15 ? -EOPNOTSUPP
									    : 0);
				continue;
			}
			assert_int_equal(ret, 0);
			if (bit == GN_BIT && field) /* what was a PASID is a DomainID, and back */
				continue;
			assert_int_equal(!same_event(&event, &g->event), field);
			assert_int_equal(!(unknown.word[0] | unknown.word[1]), field);
		}
	}
}

static void test_encode_refuses(void **state)
{
	static const struct iod_amdvi_event bad[] = {
		{ .type = (enum iod_amdvi_event_type)0 },
		{ .type = (enum iod_amdvi_event_type)15 },
		{ GOLD_TYPE(IO_PAGE_FAULT), .pasid = 1 }, /* a DomainID without GN */
		{ GOLD_TYPE(IO_PAGE_FAULT), .gn = true, .domain = 1 },
		{ GOLD_TYPE(IO_PAGE_FAULT), .gn = true, .pasid = 0x100000 },
		{ GOLD_TYPE(IO_PAGE_FAULT), .tag = 1 },
		{ GOLD_TYPE(IO_PAGE_FAULT), .virt = 0x20 },
		{ GOLD_TYPE(ILLEGAL_DEV_TABLE_ENTRY), .addr = 2 },
		{ GOLD_TYPE(ILLEGAL_DEV_TABLE_ENTRY), .pr = true },
		{ GOLD_TYPE(DEV_TAB_HARDWARE_ERROR), .addr = 8 },
		{ GOLD_TYPE(DEV_TAB_HARDWARE_ERROR), .addr = IODT_BIT(52) },
		{ GOLD_TYPE(DEV_TAB_HARDWARE_ERROR), .errtype = 4 },
		{ GOLD_TYPE(DEV_TAB_HARDWARE_ERROR), .domain = 1 },
		{ GOLD_TYPE(ILLEGAL_COMMAND_ERROR), .devid = 1 },
		{ GOLD_TYPE(INVALID_DEVICE_REQUEST), .errtype = 8 },
		{ GOLD_TYPE(INVALID_PPR_REQUEST), .tag = 0x400 },
		{ GOLD_TYPE(EVENT_COUNTER_ZERO), .devid = 1 },
	};
	struct iod_amdvi_raw_event raw = { { 1, 2 } };
	struct iod_amdvi_event event;

	for (size_t k = 0; k < IODT_ARRAY_SIZE(bad); k++)
		if (iod_amdvi_event_encode(&raw, &bad[k]) != -EINVAL || raw.word[0] != 1)
			fail_msg("row %zu", k);
	assert_int_equal(iod_amdvi_event_encode(NULL, &gold_events[0].event), -EINVAL);
	assert_int_equal(iod_amdvi_event_encode(&raw, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_event_decode(NULL, &raw, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_event_decode(&event, NULL, NULL), -EINVAL);
}

static void test_ppr(void **state)
{
	for (size_t k = 0; k < GOLD_NR_PPRS; k++) {
		const struct gold_ppr *g = &gold_pprs[k];
		struct iod_amdvi_raw_ppr raw, want, unknown;
		struct iod_amdvi_ppr ppr;

		put(want.word, g->word);
		iodt_assert_ok(iod_amdvi_ppr_encode(&raw, &g->ppr));
		assert_memory_equal(&raw, &want, sizeof(raw));
		iodt_assert_ok(iod_amdvi_ppr_decode(&ppr, &want, &unknown));
		assert_true(same_ppr(&ppr, &g->ppr));
		assert_true(!unknown.word[0] && !unknown.word[1]);
		for (unsigned bit = 0; bit < 128; bit++) {
			uint64_t word[2] = { g->word[0], g->word[1] };
			bool field = g->field[bit / 64] >> (bit % 64) & 1;

			word[bit / 64] ^= IODT_BIT(bit % 64);
			put(raw.word, word);
			memset(&ppr, 0xa5, sizeof(ppr));
			if (!(word[0] >> 60)) {
				assert_int_equal(iod_amdvi_ppr_decode(&ppr, &raw, NULL), -EAGAIN);
				continue;
			}
			iodt_assert_ok(iod_amdvi_ppr_decode(&ppr, &raw, &unknown));
			iodt_assert_ok(iod_amdvi_ppr_encode(&want, &ppr));
			for (unsigned i = 0; i < 2; i++)
				assert_true((want.word[i] | unknown.word[i]) == raw.word[i] &&
					    !(want.word[i] & unknown.word[i]));
			if (bit == 56) /* GN: the PASID is one, or is none */
				continue;
			assert_int_equal(!same_ppr(&ppr, &g->ppr),
					 field || (bit >= 60 && bit < 64));
		}
	}
}

static void test_ppr_refuses(void **state)
{
	static const struct iod_amdvi_ppr bad[] = {
		{ .type = 0 },
		{ .type = 16 },
		{ .type = 1, .tag = 0x200 },
		{ .type = 1, .pasid = 1 },
		{ .type = 1, .addr = 0x800 },
		{ .type = 1, .gn = true, .pasid = 0x100000 },
	};
	struct iod_amdvi_raw_ppr raw = { { 1, 2 } };
	struct iod_amdvi_ppr ppr;

	for (size_t k = 0; k < IODT_ARRAY_SIZE(bad); k++)
		if (iod_amdvi_ppr_encode(&raw, &bad[k]) != -EINVAL || raw.word[0] != 1)
			fail_msg("row %zu", k);
	assert_int_equal(iod_amdvi_ppr_encode(NULL, &gold_pprs[0].ppr), -EINVAL);
	assert_int_equal(iod_amdvi_ppr_encode(&raw, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_ppr_decode(NULL, &raw, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_ppr_decode(&ppr, NULL, NULL), -EINVAL);
}

static void test_random(void **state)
{
	struct amdrand r = amdrand_start();

	for (unsigned k = 0; k < 50000; k++) {
		const uint64_t word[2] = { amdrand(&r), amdrand(&r) };
		struct iod_amdvi_raw_event unknown;
		struct iod_amdvi_event event;

		(void)decode(&event, word, &unknown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),	       cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_encode_refuses), cmocka_unit_test(test_ppr),
		cmocka_unit_test(test_ppr_refuses),    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
