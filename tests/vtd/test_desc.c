/* SPDX-License-Identifier: MIT */
/* Descriptors: golden bytes, every bit of them flipped, and what the capability registers allow. */
#include "descrows.h"

static void full_id(struct iod_vtd_id *id)
{
	iodt_assert_ok(iod_vtd_id_full(id));
	id->ecap |= IOD_VTD_ECAP_IR | IOD_VTD_ECAP_MHMV;
}

static enum iod_cmd_reason decode_why(struct iod_vtd_desc *desc, const uint64_t word[2],
				      const struct iod_vtd_id *id, uint32_t flags)
{
	struct iod_vtd_raw_desc raw = descrow_raw(word);
	enum iod_cmd_reason why = IOD_CMD_BAD_FETCH;
	int ret;

	memset(desc, 0xa5, sizeof(*desc));
	ret = iod_vtd_desc_decode(desc, &raw, id, flags, &why);
	if (why == IOD_CMD_OK)
		assert_int_equal(ret, 0);
	else if (why == IOD_CMD_BAD_OPCODE || why == IOD_CMD_BAD_PERMISSION)
		assert_int_equal(ret, -EOPNOTSUPP);
	else
		assert_int_equal(ret, -EINVAL);
	return why;
}

static enum iod_cmd_reason encode_why(const struct iod_vtd_desc *desc, const struct iod_vtd_id *id,
				      uint32_t flags)
{
	struct iod_vtd_raw_desc raw = { { 1, 2, 3, 4 } }, same = raw;
	enum iod_cmd_reason why = IOD_CMD_OK;
	int ret = iod_vtd_desc_encode(&raw, desc, id, flags, &why);

	assert_int_equal(ret != 0, why != IOD_CMD_OK);
	if (ret) /* a refused call changes nothing */
		assert_memory_equal(&raw, &same, sizeof(raw));
	return why;
}

static void test_golden(void **state)
{
	struct iod_vtd_raw_desc raw, want;
	enum iod_cmd_reason why;
	struct iod_vtd_desc desc;
	struct iod_vtd_id id;

	full_id(&id);
	for (size_t i = 0; i < nr_descrows; i++) {
		const struct descrow *r = &descrows[i];

		want = descrow_raw(r->word);
		for (int with_id = 0; with_id < 2; with_id++) {
			memset(&raw, 0xa5, sizeof(raw));
			why = IOD_CMD_BAD_FETCH;
			iodt_assert_ok(
				iod_vtd_desc_encode(&raw, &r->desc, with_id ? &id : NULL, 0, &why));
			assert_int_equal(why, IOD_CMD_OK);
			assert_memory_equal(&raw, &want, sizeof(raw));
			why = decode_why(&desc, r->word, with_id ? &id : NULL, 0);
			assert_int_equal(why, IOD_CMD_OK);
			assert_true(descrow_same(&desc, &r->desc));
		}
	}
}

/* A ring of 128-bit descriptors has all but the page group response, and no words above. */
static void test_narrow(void **state)
{
	struct iod_vtd_raw_desc raw;
	struct iod_vtd_desc desc;

	for (size_t i = 0; i < nr_descrows; i++) {
		const struct descrow *r = &descrows[i];
		bool wide = r->desc.type == IOD_VTD_PAGE_GROUP_RESP;
		enum iod_cmd_reason want = wide ? IOD_CMD_BAD_STATE : IOD_CMD_OK;

		assert_int_equal(encode_why(&r->desc, NULL, IOD_VTD_DESC_128), want);
		assert_int_equal(decode_why(&desc, r->word, NULL, IOD_VTD_DESC_128), want);
		raw = descrow_raw(r->word);
		raw.word[2] = raw.word[3] = ~UINT64_C(0);
		assert_int_equal(iod_vtd_desc_decode(&desc, &raw, NULL, IOD_VTD_DESC_128, NULL),
				 wide ? -EINVAL : 0);
	}
}

static void flip(const struct descrow *r, unsigned bit)
{
	uint64_t m[2] = { bit < 64 ? IODT_BIT(bit) : 0, bit < 64 ? 0 : IODT_BIT(bit - 64) };
	uint64_t w[2] = { r->word[0] ^ m[0], r->word[1] ^ m[1] };
	uint32_t type = (uint32_t)((w[0] & 0xf) | (w[0] & 0xe00) >> 5);
	struct iod_vtd_desc desc, none = { .type = (enum iod_vtd_desc_type)type }, again;
	enum iod_cmd_reason why = decode_why(&desc, w, NULL, 0);
	struct iod_vtd_raw_desc raw;

	if (why) {
		assert_true(descrow_same(&desc, &none));
	} else { /* encodes to one that decodes to the same */
		iodt_assert_ok(iod_vtd_desc_encode(&raw, &desc, NULL, 0, NULL));
		iodt_assert_ok(iod_vtd_desc_decode(&again, &raw, NULL, 0, NULL));
		assert_true(descrow_same(&desc, &again));
	}
	if (m[0] & 0xe0f) {
		assert_int_equal(why == IOD_CMD_BAD_OPCODE, type < 1 || type > 9);
	} else if (!((m[0] & r->field[0]) | (m[1] & r->field[1]))) {
		assert_int_equal(why, IOD_CMD_BAD_RESERVED);
	} else if ((m[0] & r->bad[0]) | (m[1] & r->bad[1])) {
		assert_true(why == IOD_CMD_BAD_FIELD || why == IOD_CMD_BAD_RANGE);
	} else {
		assert_int_equal(why, IOD_CMD_OK);
		assert_int_equal(descrow_same(&desc, &r->desc),
				 ((m[0] & r->ignored[0]) | (m[1] & r->ignored[1])) != 0);
	}
}

static void test_every_bit(void **state)
{
	for (size_t i = 0; i < nr_descrows; i++)
		for (unsigned bit = 0; bit < 128; bit++)
			flip(&descrows[i], bit);
}

static void test_upper_words(void **state)
{
	struct iod_vtd_raw_desc raw;
	struct iod_vtd_desc desc;
	enum iod_cmd_reason why;

	for (size_t i = 0; i < nr_descrows; i++) {
		for (unsigned bit = 0; bit < 128; bit++) {
			raw = descrow_raw(descrows[i].word);
			raw.word[2 + bit / 64] = IODT_BIT(bit % 64);
			assert_int_equal(iod_vtd_desc_decode(&desc, &raw, NULL, 0, &why), -EINVAL);
			assert_int_equal(why, IOD_CMD_BAD_RESERVED);
		}
	}
}

static void test_types(void **state)
{
	struct iod_vtd_desc desc, bad = { 0 };

	for (uint32_t type = 0; type < 128; type++) {
		uint64_t word[2] = { (type & 0xf) | (uint64_t)(type & 0x70) << 5, 0 };
		bool known = type >= 1 && type <= 9;

		assert_int_equal(iod_vtd_desc_name((enum iod_vtd_desc_type)type) != NULL, known);
		assert_int_equal(iod_vtd_desc_permitted(NULL, (enum iod_vtd_desc_type)type), known);
		if (known)
			continue;
		assert_int_equal(decode_why(&desc, word, NULL, 0), IOD_CMD_BAD_OPCODE);
		assert_int_equal(desc.type, type);
		bad.type = (enum iod_vtd_desc_type)type;
		assert_int_equal(encode_why(&bad, NULL, 0), IOD_CMD_BAD_OPCODE);
	}
	assert_null(iod_vtd_desc_name((enum iod_vtd_desc_type)0x10005));
	assert_string_equal(iod_vtd_desc_name(IOD_VTD_P_IOTLB_INV), "P_IOTLB_INV");
}

/* 11.4.3: what each descriptor needs. */
static void test_permission(void **state)
{
	static const struct {
		uint64_t without; /* ECAP */
		uint32_t types;	  /* those that are gone, one bit each */
	} needs[] = {
		{ 0, 0 },
		{ IOD_VTD_ECAP_QI, 0x3fe },
		{ IOD_VTD_ECAP_DT, 1u << 3 | 1u << 8 },
		{ IOD_VTD_ECAP_IR, 1u << 4 },
		{ IOD_VTD_ECAP_SMTS, 1u << 6 | 1u << 7 | 1u << 8 },
		{ IOD_VTD_ECAP_PASID, 1u << 8 },
		{ IOD_VTD_ECAP_PRS, 1u << 9 },
	};
	struct iod_vtd_desc desc;
	struct iod_vtd_id id;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(needs); i++) {
		full_id(&id);
		id.ecap &= ~needs[i].without;
		for (size_t k = 0; k < nr_descrows; k++) {
			enum iod_vtd_desc_type type = descrows[k].desc.type;
			bool gone = needs[i].types >> type & 1;
			enum iod_cmd_reason want = gone ? IOD_CMD_BAD_PERMISSION : IOD_CMD_OK;

			assert_int_equal(iod_vtd_desc_permitted(&id, type), !gone);
			assert_int_equal(decode_why(&desc, descrows[k].word, &id, 0), want);
			assert_int_equal(encode_why(&descrows[k].desc, &id, 0), want);
		}
	}
}

/* Both directions refuse with the same reason. */
static void refused(const struct iod_vtd_desc *desc, const struct iod_vtd_id *id,
		    enum iod_cmd_reason want)
{
	struct iod_vtd_raw_desc raw;
	struct iod_vtd_desc back;
	enum iod_cmd_reason why;

	assert_int_equal(encode_why(desc, id, 0), want);
	iodt_assert_ok(iod_vtd_desc_encode(&raw, desc, NULL, 0, NULL));
	assert_true(iod_vtd_desc_decode(&back, &raw, id, 0, &why) < 0);
	assert_int_equal(why, want);
}

static void test_limits(void **state)
{
	const struct iod_vtd_desc psi = {
		.type = IOD_VTD_IOTLB_INV, .gran = IOD_VTD_IOTLB_PAGE, .am = 18, .did = 0x100
	};
	const struct iod_vtd_desc p_psi = {
		.type = IOD_VTD_P_IOTLB_INV, .gran = IOD_VTD_P_IOTLB_PAGE, .am = 18, .pasid = 0x400
	};
	const struct iod_vtd_desc wait = { .type = IOD_VTD_WAIT, .drain = true };
	const struct iod_vtd_desc iec = { .type = IOD_VTD_IEC_INV,
					  .gran = IOD_VTD_IEC_INDEX,
					  .im = 15 };
	struct iod_vtd_id id;

	full_id(&id);
	assert_int_equal(encode_why(&psi, &id, 0), IOD_CMD_OK);
	id.cap = (id.cap & ~IOD_VTD_CAP_MAMV) | UINT64_C(18) << 48;
	assert_int_equal(encode_why(&psi, &id, 0), IOD_CMD_OK);
	assert_int_equal(encode_why(&p_psi, &id, 0), IOD_CMD_OK);
	id.cap = (id.cap & ~IOD_VTD_CAP_MAMV) | UINT64_C(17) << 48;
	refused(&psi, &id, IOD_CMD_BAD_RANGE);
	assert_int_equal(encode_why(&p_psi, &id, 0),
			 IOD_CMD_OK); /* MAMV is about the second stage */

	full_id(&id);
	id.cap &= ~IOD_VTD_CAP_PSI; /* by PASID there is no such choice */
	refused(&psi, &id, IOD_CMD_BAD_PERMISSION);
	assert_int_equal(encode_why(&p_psi, &id, 0), IOD_CMD_OK);

	id.cap = IOD_VTD_CAP_PSI | UINT64_C(63) << 48 | 3; /* 10 bits of domain id */
	assert_int_equal(encode_why(&psi, &id, 0), IOD_CMD_OK);
	id.cap = IOD_VTD_CAP_PSI | UINT64_C(63) << 48 | 2; /* 8 */
	refused(&psi, &id, IOD_CMD_BAD_DOMAIN);

	full_id(&id);
	id.ecap = (id.ecap & ~IOD_VTD_ECAP_PSS) | UINT64_C(10) << 35; /* 11 bits of PASID */
	assert_int_equal(encode_why(&p_psi, &id, 0), IOD_CMD_OK);
	id.ecap = (id.ecap & ~IOD_VTD_ECAP_PSS) | UINT64_C(9) << 35;
	refused(&p_psi, &id, IOD_CMD_BAD_PASID);

	assert_int_equal(encode_why(&iec, &id, 0), IOD_CMD_OK);
	id.ecap = (id.ecap & ~IOD_VTD_ECAP_MHMV) | UINT64_C(14) << 20;
	refused(&iec, &id, IOD_CMD_BAD_RANGE);

	id.ecap &= ~IOD_VTD_ECAP_PDS;
	refused(&wait, &id, IOD_CMD_BAD_PERMISSION);
}

static void test_encode_refuses(void **state)
{
	static const struct {
		struct iod_vtd_desc desc;
		enum iod_cmd_reason why;
	} bad[] = {
		/* what is ignored, or not there */
		{ { .type = IOD_VTD_IOTLB_INV, .gran = 1, .did = 1 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_IOTLB_INV, .gran = 2, .ih = true }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_IOTLB_INV, .gran = 2, .pasid = 1 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_IOTLB_INV, .gran = 3, .span = 1 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_WAIT, .data = 1 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_WAIT, .write = true, .addr = 6 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_PAGE_GROUP_RESP, .pasid = 1 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_P_DEV_TLB_INV, .global = true, .pasid = 1 },
		  IOD_CMD_BAD_FIELD },
		/* what does not fit */
		{ { .type = IOD_VTD_IOTLB_INV, .gran = 7 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_IOTLB_INV, .gran = 3, .addr = 0x800 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_IOTLB_INV, .gran = 3, .am = 53 }, IOD_CMD_BAD_RANGE },
		{ { .type = IOD_VTD_IOTLB_INV, .gran = 3, .am = 64 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_CONTEXT_INV, .gran = 3, .fm = 4 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_DEV_TLB_INV, .mip = 32 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_PASID_CACHE_INV, .gran = 1, .pasid = 0x100000 },
		  IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_PAGE_GROUP_RESP, .prgi = 0x200 }, IOD_CMD_BAD_FIELD },
		/* device TLBs */
		{ { .type = IOD_VTD_DEV_TLB_INV, .span = 53 }, IOD_CMD_BAD_RANGE },
		{ { .type = IOD_VTD_DEV_TLB_INV, .span = 1, .addr = 0x1000 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_DEV_TLB_INV, .span = 52, .addr = 0x1000 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_DEV_TLB_INV, .addr = 0x123 }, IOD_CMD_BAD_FIELD },
		/* reserved values */
		{ { .type = IOD_VTD_CONTEXT_INV }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_P_IOTLB_INV, .gran = 1 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_PASID_CACHE_INV, .gran = 2 }, IOD_CMD_BAD_FIELD },
		{ { .type = IOD_VTD_PAGE_GROUP_RESP, .code = 2 }, IOD_CMD_BAD_FIELD },
	};

	for (size_t i = 0; i < IODT_ARRAY_SIZE(bad); i++) {
		if (encode_why(&bad[i].desc, NULL, 0) != bad[i].why)
			fail_msg("row %zu", i);
	}
}

/* Every size of device TLB invalidations, against the encoding in words: the first 0 bit above bit 11. */
static void test_dev_sizes(void **state)
{
	struct iod_vtd_desc desc = { .type = IOD_VTD_DEV_TLB_INV }, back;
	struct iod_vtd_raw_desc raw;
	uint64_t first, last, word;

	for (unsigned span = 0; span <= 52; span++) {
		uint64_t len_1 = span == 52 ? UINT64_MAX : IODT_BIT(12 + span) - 1;

		for (unsigned top = 0; top < 2; top++) {
			desc.span = (uint8_t)span;
			desc.addr = top ? UINT64_MAX - len_1 : 0;
			if (span == 52)
				desc.addr = 0;
			iodt_assert_ok(iod_vtd_desc_encode(&raw, &desc, NULL, 0, NULL));
			iodt_put_le64(&word, raw.word[1]);
			assert_int_equal(word & 1, span > 0);
			for (unsigned bit = 12; span && bit < 12 + span; bit++)
				assert_int_equal(word >> bit & 1, bit < 11 + span);
			iodt_assert_ok(iod_vtd_desc_decode(&back, &raw, NULL, 0, NULL));
			iodt_assert_ok(iod_vtd_desc_dev_range(&back, &first, &last));
			assert_true(first == desc.addr && last - first == len_1);
		}
	}
	desc.type = IOD_VTD_IOTLB_INV;
	assert_int_equal(iod_vtd_desc_dev_range(&desc, &first, &last), -EINVAL);
}

static void test_misuse(void **state)
{
	struct iod_vtd_raw_desc raw = { { 0 } };
	struct iod_vtd_desc desc = { .type = IOD_VTD_WAIT };
	struct iod_cmd_effect effect;
	enum iod_cmd_reason why;
	uint64_t a, b;

	assert_int_equal(iod_vtd_desc_encode(NULL, &desc, NULL, 0, &why), -EINVAL);
	assert_int_equal(iod_vtd_desc_encode(&raw, NULL, NULL, 0, NULL), -EINVAL);
	assert_int_equal(iod_vtd_desc_encode(&raw, &desc, NULL, 2, NULL), -EINVAL);
	assert_int_equal(iod_vtd_desc_decode(NULL, &raw, NULL, 0, NULL), -EINVAL);
	assert_int_equal(iod_vtd_desc_decode(&desc, NULL, NULL, 0, &why), -EINVAL);
	assert_int_equal(iod_vtd_desc_decode(&desc, &raw, NULL, 2, &why), -EINVAL);
	assert_int_equal(iod_vtd_desc_effect(NULL, &desc), -EINVAL);
	assert_int_equal(iod_vtd_desc_effect(&effect, NULL), -EINVAL);
	assert_int_equal(iod_vtd_desc_dev_range(NULL, &a, &b), -EINVAL);
	assert_int_equal(iod_vtd_desc_dev_range(&desc, NULL, &b), -EINVAL);
	assert_int_equal(iod_vtd_id_full(NULL), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),	  cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_every_bit), cmocka_unit_test(test_upper_words),
		cmocka_unit_test(test_types),	  cmocka_unit_test(test_permission),
		cmocka_unit_test(test_limits),	  cmocka_unit_test(test_encode_refuses),
		cmocka_unit_test(test_dev_sizes), cmocka_unit_test(test_misuse),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
