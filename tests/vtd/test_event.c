/* SPDX-License-Identifier: MIT */
/*
 * Fault records and page requests: golden words, every bit of them, and the reasons of faults (Intel VT-d
 * specification, 7.1.3, 11.4.7.6, 7.4.1.1).
 */
#include "golden_vtd.h"
#include "iodtest.h"

static bool same_fault(const struct iod_vtd_fault *a, const struct iod_vtd_fault *b)
{
	return a->reason == b->reason && a->sid == b->sid && a->pasid == b->pasid &&
	       a->pasid_valid == b->pasid_valid && a->exec == b->exec && a->priv == b->priv &&
	       a->type == b->type && a->at == b->at && a->fault == b->fault && a->addr == b->addr;
}

static bool same_req(const struct iod_vtd_page_req *a, const struct iod_vtd_page_req *b)
{
	return a->sid == b->sid && a->pasid == b->pasid && a->pasid_valid == b->pasid_valid &&
	       a->exec == b->exec && a->priv == b->priv && a->read == b->read &&
	       a->write == b->write && a->last == b->last && a->prgi == b->prgi &&
	       a->addr == b->addr;
}

static uint64_t le(uint64_t v)
{
	uint64_t out;

	iodt_put_le64(&out, v);
	return out;
}

static const struct {
	uint64_t word[2];
	struct iod_vtd_fault fault;
} faults[] = {
	{ GOLDEN_FAULT_WORDS, GOLDEN_FAULT },
	{ GOLDEN_FAULT_2_WORDS, GOLDEN_FAULT_2 },
};

static const struct {
	uint64_t word[4];
	struct iod_vtd_page_req req;
} reqs[] = {
	{ GOLDEN_PAGE_REQ_WORDS, GOLDEN_PAGE_REQ },
	{ GOLDEN_PAGE_REQ_2_WORDS, GOLDEN_PAGE_REQ_2 },
};

static void test_golden(void **state)
{
	struct iod_vtd_raw_page_req raw_req, left_req;
	struct iod_vtd_raw_fault raw, left;
	struct iod_vtd_page_req req;
	struct iod_vtd_fault fault;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(faults); i++) {
		iodt_assert_ok(iod_vtd_fault_encode(&raw, &faults[i].fault));
		for (int k = 0; k < 2; k++)
			assert_true(le(raw.word[k]) == faults[i].word[k]);
		iodt_assert_ok(iod_vtd_fault_decode(&fault, &raw, &left));
		assert_true(same_fault(&fault, &faults[i].fault));
		assert_true(!left.word[0] && !left.word[1]);
	}
	for (size_t i = 0; i < IODT_ARRAY_SIZE(reqs); i++) {
		iodt_assert_ok(iod_vtd_page_req_encode(&raw_req, &reqs[i].req));
		for (int k = 0; k < 4; k++)
			assert_true(le(raw_req.word[k]) == reqs[i].word[k]);
		iodt_assert_ok(iod_vtd_page_req_decode(&req, &raw_req, &left_req));
		assert_true(same_req(&req, &reqs[i].req));
		for (int k = 0; k < 4; k++)
			assert_true(!left_req.word[k]);
	}
}

/* A flipped bit is another value, and encodes back; or it is left over. */
static void test_every_bit_of_faults(void **state)
{
	struct iod_vtd_raw_fault raw, left, again;
	struct iod_vtd_fault fault;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(faults); i++) {
		for (unsigned bit = 0; bit < 128; bit++) {
			/* 11:0 of FI; 91:80 of the other; and what needs PP */
			bool other = bit < 12 || (bit >= 80 && bit < 92);
			bool pp = bit == 93 || bit == 94 || (bit >= 104 && bit < 124);

			if (pp && !faults[i].fault.pasid_valid)
				other = true;
			for (int k = 0; k < 2; k++)
				raw.word[k] = le(faults[i].word[k]);
			raw.word[bit / 64] ^= le(IODT_BIT(bit % 64));
			iodt_assert_ok(iod_vtd_fault_decode(&fault, &raw, &left));
			if (bit != 95) /* without PP, PASID, EXE and PRIV are left over */
				assert_int_equal((left.word[0] | left.word[1]) != 0, other);
			assert_int_equal(same_fault(&fault, &faults[i].fault), other);
			iodt_assert_ok(iod_vtd_fault_encode(&again, &fault));
			for (int k = 0; k < 2; k++)
				assert_true((again.word[k] | left.word[k]) == raw.word[k]);
		}
	}
}

static void test_every_bit_of_page_reqs(void **state)
{
	struct iod_vtd_raw_page_req raw, left, again;
	struct iod_vtd_page_req req;
	uint64_t any;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(reqs); i++) {
		for (unsigned bit = 0; bit < 256; bit++) {
			bool pp = bit >= 32 && bit < 54;
			bool other =
				(bit >= 9 && bit < 16) || (bit >= 54 && bit < 64) || bit >= 128;

			if (pp && !reqs[i].req.pasid_valid)
				other = true;
			for (int k = 0; k < 4; k++)
				raw.word[k] = le(reqs[i].word[k]);
			raw.word[bit / 64] ^= le(IODT_BIT(bit % 64));
			if (bit < 8) {
				assert_int_equal(iod_vtd_page_req_decode(&req, &raw, &left),
						 -EOPNOTSUPP);
				continue;
			}
			iodt_assert_ok(iod_vtd_page_req_decode(&req, &raw, &left));
			any = left.word[0] | left.word[1] | left.word[2] | left.word[3];
			if (bit != 8)
				assert_int_equal(any != 0, other);
			assert_int_equal(same_req(&req, &reqs[i].req), other);
			iodt_assert_ok(iod_vtd_page_req_encode(&again, &req));
			for (int k = 0; k < 4; k++)
				assert_true((again.word[k] | left.word[k]) == raw.word[k]);
		}
	}
}

static void test_encode_refuses(void **state)
{
	static const struct iod_vtd_fault bad_faults[] = {
		{ .reason = (enum iod_vtd_fault_reason)0x100 },
		{ .pasid = 1 },
		{ .exec = true },
		{ .priv = true },
		{ .pasid_valid = true, .pasid = 0x100000 },
		{ .type = 4 },
		{ .at = 4 },
		{ .addr = 0x800 },
	};
	static const struct iod_vtd_page_req bad_reqs[] = {
		{ .pasid = 1 },	   { .exec = true },
		{ .priv = true },  { .pasid_valid = true, .pasid = 0x100000 },
		{ .prgi = 0x200 }, { .addr = 0x800 },
	};
	struct iod_vtd_raw_page_req raw_req;
	struct iod_vtd_page_req req = { 0 };
	struct iod_vtd_fault fault = { 0 };
	struct iod_vtd_raw_fault raw;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(bad_faults); i++)
		assert_int_equal(iod_vtd_fault_encode(&raw, &bad_faults[i]), -EINVAL);
	for (size_t i = 0; i < IODT_ARRAY_SIZE(bad_reqs); i++)
		assert_int_equal(iod_vtd_page_req_encode(&raw_req, &bad_reqs[i]), -EINVAL);
	assert_int_equal(iod_vtd_fault_encode(NULL, &fault), -EINVAL);
	assert_int_equal(iod_vtd_fault_encode(&raw, NULL), -EINVAL);
	assert_int_equal(iod_vtd_fault_decode(NULL, &raw, NULL), -EINVAL);
	assert_int_equal(iod_vtd_fault_decode(&fault, NULL, NULL), -EINVAL);
	assert_int_equal(iod_vtd_page_req_encode(NULL, &req), -EINVAL);
	assert_int_equal(iod_vtd_page_req_decode(&req, NULL, NULL), -EINVAL);
}

/* 7.1.3, Table 30: the reasons that exist, those that are not qualified, a name of its own for each. */
static void test_reasons(void **state)
{
	static const uint8_t codes[] = {
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d,
		0x0e, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x30, 0x31, 0x32, 0x33, 0x34,
		0x38, 0x39, 0x3a, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
		0x50, 0x51, 0x52, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x60, 0x70, 0x71, 0x72,
		0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d, 0x80, 0x81,
		0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x89, 0x90, 0x91,
	};
	static const uint8_t unqualified[] = { 0x01, 0x08, 0x09, 0x0a, 0x20, 0x21, 0x23,
					       0x25, 0x30, 0x31, 0x32, 0x33, 0x34, 0x38,
					       0x39, 0x3a, 0x40, 0x50, 0x58 };

	for (unsigned code = 0; code < 0x200; code++) {
		const char *name = iod_vtd_fault_reason_name((enum iod_vtd_fault_reason)code);
		bool known = code < 256 && memchr(codes, (int)code, sizeof(codes));
		bool plain = code < 256 && memchr(unqualified, (int)code, sizeof(unqualified));

		assert_int_equal(name != NULL, known);
		assert_int_equal(iod_vtd_fault_is_qualified((enum iod_vtd_fault_reason)code),
				 known && !plain);
		for (unsigned k = 0; name && k < code; k++) {
			const char *n = iod_vtd_fault_reason_name((enum iod_vtd_fault_reason)k);

			assert_true(!n || strcmp(n, name));
		}
	}
}

static void test_fault_to_unrecov(void **state)
{
	static const struct {
		struct iod_vtd_fault fault;
		struct iod_unrecov_fault want;
	} t[] = {
		{ GOLDEN_FAULT,
		  { .source = 0x0108,
		    .flags = IOD_REQ_PASID_VALID | IOD_REQ_IOVA_VALID,
		    .pasid = 0x54321,
		    .reason = IOD_UNRECOV_TRANSLATION,
		    .vendor_code = 0x71,
		    .perm = IOD_PERM_READ | IOD_PERM_EXEC | IOD_PERM_PRIV,
		    .stage = 1,
		    .iova = 0x7fffdeadb000 } },
		{ GOLDEN_FAULT_2,
		  { .source = 0xffff,
		    .flags = IOD_REQ_IOVA_VALID,
		    .reason = IOD_UNRECOV_BAD_REQUEST,
		    .vendor_code = 0x47,
		    .iova = 0xfffffffffffff000 } },
		{ { .reason = IOD_VTD_F_WRITE, .type = IOD_VTD_FAULT_WRITE, .addr = 0x1000 },
		  { .flags = IOD_REQ_IOVA_VALID,
		    .reason = IOD_UNRECOV_PERMISSION,
		    .vendor_code = 5,
		    .perm = IOD_PERM_WRITE,
		    .stage = 2,
		    .iova = 0x1000 } },
		{ { .reason = IOD_VTD_F_FS_UPDATE_SS, .type = IOD_VTD_FAULT_ATOMIC },
		  { .flags = IOD_REQ_IOVA_VALID,
		    .reason = IOD_UNRECOV_PERMISSION,
		    .vendor_code = 0x77,
		    .perm = IOD_PERM_READ | IOD_PERM_WRITE,
		    .stage = 2,
		    .cls = IOD_FAULT_TABLE } },
		{ { .reason = IOD_VTD_F_CONTEXT_ACCESS, .type = IOD_VTD_FAULT_READ },
		  { .flags = IOD_REQ_IOVA_VALID,
		    .reason = IOD_UNRECOV_FETCH,
		    .vendor_code = 9,
		    .perm = IOD_PERM_READ,
		    .cls = IOD_FAULT_CONTEXT } },
		{ { .reason = (enum iod_vtd_fault_reason)0xff, .type = IOD_VTD_FAULT_READ },
		  { .flags = IOD_REQ_IOVA_VALID, .vendor_code = 0xff, .perm = IOD_PERM_READ } },
	};
	struct iod_unrecov_fault got;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(t); i++) {
		memset(&got, 0xa5, sizeof(got));
		iodt_assert_ok(iod_vtd_fault_to_unrecov(&got, &t[i].fault));
		assert_true(got.source == t[i].want.source);
		assert_int_equal(got.flags, t[i].want.flags);
		assert_int_equal(got.pasid, t[i].want.pasid);
		assert_int_equal(got.reason, t[i].want.reason);
		assert_int_equal(got.vendor_code, t[i].want.vendor_code);
		assert_int_equal(got.perm, t[i].want.perm);
		assert_int_equal(got.stage, t[i].want.stage);
		assert_int_equal(got.cls, t[i].want.cls);
		assert_true(got.iova == t[i].want.iova);
		assert_true(!got.ipa && !got.fetch_pa && !got.reserved);
	}
}

/* Every reason survives the way there and back. */
static void test_fault_round_trip(void **state)
{
	struct iod_unrecov_fault neutral;
	struct iod_vtd_fault back;

	for (unsigned code = 1; code < 256; code++) {
		struct iod_vtd_fault fault = GOLDEN_FAULT;

		fault.reason = (enum iod_vtd_fault_reason)code;
		fault.at = IOD_VTD_AT_UNTRANSLATED;
		if (!iod_vtd_fault_reason_name(fault.reason))
			continue;
		iodt_assert_ok(iod_vtd_fault_to_unrecov(&neutral, &fault));
		iodt_assert_ok(iod_vtd_fault_from_unrecov(&back, &neutral));
		assert_true(same_fault(&back, &fault));
		/* without the code: another reason that says the same, or none */
		neutral.vendor_code = 0;
		if (neutral.reason == IOD_UNRECOV_UNKNOWN) {
			assert_int_equal(iod_vtd_fault_from_unrecov(&back, &neutral), -EOPNOTSUPP);
			continue;
		}
		iodt_assert_ok(iod_vtd_fault_from_unrecov(&back, &neutral));
		iodt_assert_ok(iod_vtd_fault_to_unrecov(&neutral, &back));
		assert_int_equal(back.reason >= 0x30, 1);
		fault.reason = back.reason;
		assert_true(same_fault(&back, &fault));
	}
}

static void test_fault_from_unrecov(void **state)
{
	struct iod_unrecov_fault in = { .reason = IOD_UNRECOV_PERMISSION,
					.flags = IOD_REQ_IOVA_VALID,
					.perm = IOD_PERM_WRITE | IOD_PERM_PRIV,
					.iova = 0x1234 };
	struct iod_vtd_fault fault;

	iodt_assert_ok(iod_vtd_fault_from_unrecov(&fault, &in));
	assert_int_equal(fault.reason, IOD_VTD_F_SM_WRITE);
	assert_int_equal(fault.type, IOD_VTD_FAULT_WRITE);
	assert_false(fault.priv); /* not without a PASID */
	assert_true(fault.fault && fault.addr == 0x1000);
	in.perm = IOD_PERM_READ;
	iodt_assert_ok(iod_vtd_fault_from_unrecov(&fault, &in));
	assert_int_equal(fault.reason, IOD_VTD_F_SM_READ);
	in.stage = 2;
	in.cls = IOD_FAULT_TABLE;
	iodt_assert_ok(iod_vtd_fault_from_unrecov(&fault, &in));
	assert_int_equal(fault.reason, IOD_VTD_F_FS_ENTRY_SS);
	in.vendor_code = IOD_VTD_F_FS_NOT_PRESENT; /* another vendor's number */
	iodt_assert_ok(iod_vtd_fault_from_unrecov(&fault, &in));
	assert_int_equal(fault.reason, IOD_VTD_F_FS_ENTRY_SS);
	in.reason = IOD_UNRECOV_CONFLICT;
	assert_int_equal(iod_vtd_fault_from_unrecov(&fault, &in), -EOPNOTSUPP);
	in.reason = IOD_UNRECOV_WALK;
	in.source = 0x10000;
	assert_int_equal(iod_vtd_fault_from_unrecov(&fault, &in), -EINVAL);
	in.source = 1;
	in.flags = IOD_REQ_PASID_VALID;
	in.pasid = 0x100000;
	assert_int_equal(iod_vtd_fault_from_unrecov(&fault, &in), -EINVAL);
	assert_int_equal(iod_vtd_fault_from_unrecov(NULL, &in), -EINVAL);
	assert_int_equal(iod_vtd_fault_to_unrecov(NULL, &fault), -EINVAL);
}

static void test_page_requests(void **state)
{
	const struct iod_vtd_page_req golden = GOLDEN_PAGE_REQ, plain = GOLDEN_PAGE_REQ_2;
	const struct iod_vtd_page_req stop = { .pasid_valid = true, .last = true, .pasid = 5 };
	struct iod_page_request request;
	struct iod_vtd_page_req back;

	iodt_assert_ok(iod_vtd_page_req_to_request(&request, &golden));
	assert_true(request.source == 0x0108 && request.iova == 0x7fff00000000);
	assert_int_equal(request.flags, IOD_REQ_PASID_VALID | IOD_REQ_NEEDS_PASID | IOD_REQ_LAST |
						IOD_REQ_IOVA_VALID);
	assert_int_equal(request.pasid, 0x54321);
	assert_int_equal(request.grpid, 0x1ff);
	assert_int_equal(request.perm,
			 IOD_PERM_READ | IOD_PERM_WRITE | IOD_PERM_EXEC | IOD_PERM_PRIV);
	assert_int_equal(request.stage, 1);
	assert_int_equal(request.model, IOD_REQUEST_PRI);
	iodt_assert_ok(iod_vtd_page_req_from_request(&back, &request));
	assert_true(same_req(&back, &golden));

	iodt_assert_ok(iod_vtd_page_req_to_request(&request, &plain));
	assert_int_equal(request.flags, IOD_REQ_IOVA_VALID);
	iodt_assert_ok(iod_vtd_page_req_from_request(&back, &request));
	assert_true(same_req(&back, &plain));

	assert_true(iod_vtd_page_req_is_stop(&stop));
	assert_int_equal(iod_vtd_page_req_to_request(&request, &stop), -EINVAL);
	iodt_assert_ok(iod_vtd_page_req_to_request(&request, &golden));
	request.perm = 0; /* would be a stop marker */
	assert_int_equal(iod_vtd_page_req_from_request(&back, &request), -EINVAL);
	request.perm = IOD_PERM_READ;
	request.model = IOD_REQUEST_STALL;
	assert_int_equal(iod_vtd_page_req_from_request(&back, &request), -EINVAL);
	request.model = IOD_REQUEST_PRI;
	request.grpid = 0x200;
	assert_int_equal(iod_vtd_page_req_from_request(&back, &request), -EINVAL);
	request.grpid = 0;
	request.flags = IOD_REQ_IOVA_VALID;
	request.perm = IOD_PERM_READ | IOD_PERM_EXEC; /* not without a PASID */
	assert_int_equal(iod_vtd_page_req_from_request(&back, &request), -EINVAL);
}

static void test_responses(void **state)
{
	static const struct {
		enum iod_response_code code;
		uint8_t wire;
	} t[] = { { IOD_RESP_SUCCESS, 0 }, { IOD_RESP_INVALID, 1 }, { IOD_RESP_FAILURE, 0xf } };
	struct iod_page_response response = { .source = 0x108,
					      .flags = IOD_REQ_PASID_VALID,
					      .pasid = 7,
					      .grpid = 0x1ff,
					      .model = IOD_REQUEST_PRI };
	struct iod_page_response back;
	struct iod_vtd_raw_desc raw;
	struct iod_vtd_desc desc;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(t); i++) {
		response.code = t[i].code;
		iodt_assert_ok(iod_vtd_response_to_desc(&desc, &response));
		iodt_assert_ok(iod_vtd_desc_encode(&raw, &desc, NULL, 0, NULL));
		assert_true(le(raw.word[0]) == (0x0000000701080019 | (uint64_t)t[i].wire << 12));
		assert_true(le(raw.word[1]) == 0xff8);
		iodt_assert_ok(iod_vtd_response_from_desc(&back, &desc));
		assert_memory_equal(&back, &response, sizeof(back));
	}
	desc.code = 2;
	assert_int_equal(iod_vtd_response_from_desc(&back, &desc), -EINVAL);
	desc.type = IOD_VTD_WAIT;
	assert_int_equal(iod_vtd_response_from_desc(&back, &desc), -EINVAL);
	response.code = (enum iod_response_code)3;
	assert_int_equal(iod_vtd_response_to_desc(&desc, &response), -EINVAL);
	response.code = IOD_RESP_SUCCESS;
	response.model = IOD_REQUEST_STALL;
	assert_int_equal(iod_vtd_response_to_desc(&desc, &response), -EINVAL);
	response.model = IOD_REQUEST_PRI;
	response.source = 0x10000;
	assert_int_equal(iod_vtd_response_to_desc(&desc, &response), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_every_bit_of_faults),
		cmocka_unit_test(test_every_bit_of_page_reqs),
		cmocka_unit_test(test_encode_refuses),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_fault_to_unrecov),
		cmocka_unit_test(test_fault_round_trip),
		cmocka_unit_test(test_fault_from_unrecov),
		cmocka_unit_test(test_page_requests),
		cmocka_unit_test(test_responses),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
