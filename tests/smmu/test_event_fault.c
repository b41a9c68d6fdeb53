/* SPDX-License-Identifier: MIT */
/* SMMUv3 events, page requests and answers as neutral records, and back. */
#include "eventrows.h"

static void test_stall_to_request(void **state)
{
	struct iod_smmuv3_event event = event_rows[11].event, back;
	struct iod_page_request request;
	struct iod_unrecov_fault fault;

	assert_int_equal(iod_smmuv3_event_to_fault(&event, &request, &fault),
			 IOD_SMMUV3_EVENT_REQUEST);
	assert_int_equal(request.source, 0x1234);
	assert_int_equal(request.flags, IOD_REQ_PASID_VALID | IOD_REQ_LAST | IOD_REQ_IOVA_VALID);
	assert_int_equal(request.pasid, 5);
	assert_int_equal(request.grpid, 0xbeef);
	assert_int_equal(request.perm, IOD_PERM_READ);
	assert_int_equal(request.stage, 1);
	assert_int_equal(request.cls, IOD_FAULT_INPUT);
	assert_int_equal(request.model, IOD_REQUEST_STALL);
	assert_true(request.iova == 0xdeadbeef123);
	iodt_assert_ok(iod_smmuv3_event_from_request(&back, &request));
	assert_same_event(&back, &event);
	/* Stage 2 of each class: both addresses are told. */
	event.s2 = true;
	event.ipa = 0x77000;
	for (uint8_t cls = 0; cls < 3; cls++) {
		event.cls = cls;
		assert_int_equal(iod_smmuv3_event_to_fault(&event, &request, &fault),
				 IOD_SMMUV3_EVENT_REQUEST);
		assert_int_equal(request.stage, 2);
		assert_true(request.flags & IOD_REQ_IPA_VALID);
		assert_true(request.ipa == 0x77000 && request.iova == 0xdeadbeef123);
		assert_int_equal(request.cls, cls == 0	 ? IOD_FAULT_CONTEXT
					      : cls == 1 ? IOD_FAULT_TABLE
							 : IOD_FAULT_INPUT);
		iodt_assert_ok(iod_smmuv3_event_from_request(&back, &request));
		assert_same_event(&back, &event);
	}
	event.cls = 3;
	assert_int_equal(iod_smmuv3_event_to_fault(&event, &request, &fault),
			 IOD_SMMUV3_EVENT_REQUEST);
	assert_int_equal(request.cls, IOD_FAULT_INPUT);
}

/* RnW, InD, PnU: all eight. */
static void test_permissions(void **state)
{
	struct iod_smmuv3_event event = event_rows[11].event, back;
	struct iod_page_request request;
	struct iod_unrecov_fault fault;

	for (unsigned bits = 0; bits < 8; bits++) {
		event.rnw = bits & 1;
		event.ind = bits & 2;
		event.pnu = bits & 4;
		(void)iod_smmuv3_event_to_fault(&event, &request, &fault);
		assert_int_equal(request.perm, (bits & 1 ? IOD_PERM_READ : IOD_PERM_WRITE) |
						       (bits & 2 ? IOD_PERM_EXEC : 0) |
						       (bits & 4 ? IOD_PERM_PRIV : 0));
		iodt_assert_ok(iod_smmuv3_event_from_request(&back, &request));
		assert_int_equal(back.rnw, event.rnw);
		assert_int_equal(back.pnu, event.pnu);
		assert_int_equal(back.ind, event.ind && event.rnw); /* InD = 0 for writes */
	}
}

static void test_unrecoverable(void **state)
{
	static const struct {
		unsigned row;
		enum iod_unrecov_reason reason;
		uint32_t flags, stage, perm;
		enum iod_fault_class cls;
	} want[] = {
		{ 0, IOD_UNRECOV_BAD_REQUEST, IOD_REQ_IOVA_VALID, 0, IOD_PERM_READ | IOD_PERM_PRIV,
		  IOD_FAULT_INPUT },
		{ 1, IOD_UNRECOV_BAD_SOURCE, IOD_REQ_PASID_VALID, 0, 0, IOD_FAULT_INPUT },
		{ 2, IOD_UNRECOV_FETCH, IOD_REQ_FETCH_VALID, 0, 0, IOD_FAULT_CONTEXT },
		{ 3, IOD_UNRECOV_BAD_CONTEXT, 0, 0, 0, IOD_FAULT_CONTEXT },
		{ 4, IOD_UNRECOV_BAD_REQUEST, IOD_REQ_IOVA_VALID, 0, IOD_PERM_READ,
		  IOD_FAULT_INPUT },
		{ 5, IOD_UNRECOV_BLOCKED, 0, 0, 0, IOD_FAULT_INPUT },
		{ 6, IOD_UNRECOV_BAD_REQUEST, IOD_REQ_IOVA_VALID, 0, IOD_PERM_WRITE,
		  IOD_FAULT_INPUT },
		{ 7, IOD_UNRECOV_BAD_PASID, IOD_REQ_PASID_VALID, 0, 0, IOD_FAULT_INPUT },
		{ 8, IOD_UNRECOV_FETCH, IOD_REQ_PASID_VALID | IOD_REQ_FETCH_VALID, 0, 0,
		  IOD_FAULT_CONTEXT },
		{ 9, IOD_UNRECOV_BAD_CONTEXT, IOD_REQ_PASID_VALID, 0, 0, IOD_FAULT_CONTEXT },
		{ 10, IOD_UNRECOV_WALK, IOD_REQ_IOVA_VALID | IOD_REQ_FETCH_VALID, 1, IOD_PERM_READ,
		  IOD_FAULT_TABLE },
		{ 12, IOD_UNRECOV_ADDRESS_SIZE, IOD_REQ_IOVA_VALID, 1, IOD_PERM_WRITE,
		  IOD_FAULT_INPUT },
		{ 13, IOD_UNRECOV_ACCESS, IOD_REQ_IOVA_VALID | IOD_REQ_IPA_VALID, 2,
		  IOD_PERM_WRITE | IOD_PERM_PRIV, IOD_FAULT_CONTEXT },
		{ 14, IOD_UNRECOV_PERMISSION, IOD_REQ_IOVA_VALID | IOD_REQ_IPA_VALID, 2,
		  IOD_PERM_READ | IOD_PERM_EXEC | IOD_PERM_PRIV, IOD_FAULT_TABLE },
		{ 15, IOD_UNRECOV_CONFLICT, IOD_REQ_IOVA_VALID | IOD_REQ_IPA_VALID, 2,
		  IOD_PERM_WRITE, IOD_FAULT_INPUT },
		{ 16, IOD_UNRECOV_CONFLICT, 0, 0, 0, IOD_FAULT_CONTEXT },
		{ 18, IOD_UNRECOV_FETCH, IOD_REQ_FETCH_VALID, 0, 0, IOD_FAULT_CONTEXT },
	};
	struct iod_page_request request;
	struct iod_unrecov_fault fault;
	struct iod_smmuv3_event back, expect;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(want); i++) {
		const struct iod_smmuv3_event *event = &event_rows[want[i].row].event;

		assert_int_equal(iod_smmuv3_event_to_fault(event, &request, &fault),
				 IOD_SMMUV3_EVENT_FAULT);
		assert_int_equal(fault.vendor_code, event->type);
		assert_int_equal(fault.reason, want[i].reason);
		assert_int_equal(fault.flags, want[i].flags);
		assert_int_equal(fault.stage, want[i].stage);
		assert_int_equal(fault.perm, want[i].perm);
		assert_int_equal(fault.cls, want[i].cls);
		assert_true(fault.iova == event->addr && fault.ipa == event->ipa &&
			    fault.fetch_pa == event->fetch);
		/* And back, but for what is the implementation's. */
		iodt_assert_ok(iod_smmuv3_event_from_fault(&back, &fault));
		expect = *event;
		expect.reason = 0;
		expect.gpcf = expect.ttrnw = expect.nsipa = false;
		assert_same_event(&back, &expect);
	}
}

/* A fault that is another vendor's: the type is found by the reason. */
static void test_foreign_fault(void **state)
{
	struct iod_unrecov_fault fault = {
		.source = 4,
		.flags = IOD_REQ_IOVA_VALID | IOD_REQ_PASID_VALID,
		.pasid = 3,
		.iova = 0x1234,
		.perm = IOD_PERM_READ | IOD_PERM_WRITE,
		.stage = 1,
		.vendor_code = IOD_SMMUV3_C_BAD_STE, /* of another meaning there */
	};
	static const uint8_t types[] = { 0,    0x02, 0x04, 0x03, 0x08, 0x06, 0x01,
					 0x0b, 0x10, 0x11, 0x12, 0x13, 0x20 };
	struct iod_smmuv3_event event;
	struct iod_smmuv3_raw_event raw;

	for (unsigned reason = 1; reason <= IOD_UNRECOV_CONFLICT; reason++) {
		fault.reason = (enum iod_unrecov_reason)reason;
		iodt_assert_ok(iod_smmuv3_event_from_fault(&event, &fault));
		assert_int_equal(event.type, types[reason]);
		iodt_assert_ok(iod_smmuv3_event_encode(&raw, &event));
	}
	fault.reason = IOD_UNRECOV_UNKNOWN;
	assert_int_equal(iod_smmuv3_event_from_fault(&event, &fault), -EOPNOTSUPP);
	fault.reason = (enum iod_unrecov_reason)99;
	assert_int_equal(iod_smmuv3_event_from_fault(&event, &fault), -EOPNOTSUPP);
	fault.reason = IOD_UNRECOV_TRANSLATION;
	fault.source = IODT_BIT(32);
	assert_int_equal(iod_smmuv3_event_from_fault(&event, &fault), -EINVAL);
	fault.source = 4;
	fault.pasid = 1 << 20;
	assert_int_equal(iod_smmuv3_event_from_fault(&event, &fault), -EINVAL);
	fault.flags = IOD_REQ_IOVA_VALID;
	fault.stage = 2; /* without its IPA */
	assert_int_equal(iod_smmuv3_event_from_fault(&event, &fault), -EINVAL);
	fault.flags = 0;
	fault.stage = 1;
	assert_int_equal(iod_smmuv3_event_from_fault(&event, &fault), -EINVAL);
	fault.reason = IOD_UNRECOV_BAD_PASID;
	assert_int_equal(iod_smmuv3_event_from_fault(&event, &fault), -EINVAL);
	assert_int_equal(iod_smmuv3_event_from_fault(NULL, &fault), -EINVAL);
	assert_int_equal(iod_smmuv3_event_from_fault(&event, NULL), -EINVAL);
}

static void test_hint(void **state)
{
	struct iod_page_request request;
	struct iod_unrecov_fault fault;

	assert_int_equal(iod_smmuv3_event_to_fault(&event_rows[17].event, &request, &fault),
			 IOD_SMMUV3_EVENT_HINT);
	assert_int_equal(request.perm, IOD_PERM_READ | IOD_PERM_WRITE | IOD_PERM_PRIV);
	assert_int_equal(request.model, 0);
	assert_true(request.iova == 0x7000);
}

static void test_event_misuse(void **state)
{
	struct iod_smmuv3_event event = event_rows[3].event;
	struct iod_page_request request = { 0 };
	struct iod_unrecov_fault fault;

	assert_int_equal(iod_smmuv3_event_to_fault(NULL, &request, &fault), -EINVAL);
	assert_int_equal(iod_smmuv3_event_to_fault(&event, NULL, &fault), -EINVAL);
	assert_int_equal(iod_smmuv3_event_to_fault(&event, &request, NULL), -EINVAL);
	event.stall = true; /* which C_BAD_STE cannot */
	assert_int_equal(iod_smmuv3_event_to_fault(&event, &request, &fault), -EINVAL);
	event.stall = false;
	event.type = (enum iod_smmuv3_event_type)0xe0;
	assert_int_equal(iod_smmuv3_event_to_fault(&event, &request, &fault), -EINVAL);
	for (unsigned i = 0; i < 7; i++) {
		struct iod_page_request bad = { .source = 1,
						.flags = IOD_REQ_IOVA_VALID,
						.stage = 1,
						.model = IOD_REQUEST_STALL };

		iodt_assert_ok(iod_smmuv3_event_from_request(&event, &bad));
		if (i == 0)
			bad.source = IODT_BIT(32);
		else if (i == 1)
			bad.flags = 0;
		else if (i == 2)
			bad.stage = 2;
		else if (i == 3)
			bad.model = IOD_REQUEST_PRI;
		else if (i == 4)
			bad.grpid = 0x10000;
		else if (i == 5)
			bad.stage = 0;
		else
			bad = (struct iod_page_request){
				.flags = IOD_REQ_IOVA_VALID | IOD_REQ_IPA_VALID,
				.stage = 2,
				.model = IOD_REQUEST_STALL,
				.ipa = IODT_BIT(56),
			};
		assert_int_equal(iod_smmuv3_event_from_request(&event, &bad), -EINVAL);
	}
}

static void test_pri_request(void **state)
{
	struct iod_page_request request;
	struct iod_smmuv3_pri back, pri;

	iodt_assert_ok(iod_smmuv3_pri_to_request(&request, &pri_rows[0].pri));
	assert_int_equal(request.source, 0x1234);
	assert_int_equal(request.flags, IOD_REQ_PASID_VALID | IOD_REQ_NEEDS_PASID | IOD_REQ_LAST |
						IOD_REQ_IOVA_VALID);
	assert_int_equal(request.pasid, 0xabcde);
	assert_int_equal(request.grpid, 0x1ff);
	assert_int_equal(request.perm, IOD_PERM_READ | IOD_PERM_EXEC | IOD_PERM_PRIV);
	assert_int_equal(request.stage, 1);
	assert_int_equal(request.model, IOD_REQUEST_PRI);
	assert_true(request.iova == 0xfffffffffffff000);
	iodt_assert_ok(iod_smmuv3_pri_from_request(&back, &request));
	assert_same_pri(&back, &pri_rows[0].pri);
	iodt_assert_ok(iod_smmuv3_pri_to_request(&request, &pri_rows[1].pri));
	assert_int_equal(request.flags, IOD_REQ_IOVA_VALID);
	iodt_assert_ok(iod_smmuv3_pri_from_request(&back, &request));
	assert_same_pri(&back, &pri_rows[1].pri);
	/* A stop marker asks for nothing; without a PASID the same bits do ask. */
	assert_int_equal(iod_smmuv3_pri_to_request(&request, &pri_rows[2].pri), -EINVAL);
	pri = (struct iod_smmuv3_pri){ .last = true };
	iodt_assert_ok(iod_smmuv3_pri_to_request(&request, &pri));
	assert_int_equal(request.perm, 0);
	iodt_assert_ok(iod_smmuv3_pri_from_request(&back, &request));
	request.flags |= IOD_REQ_PASID_VALID;
	assert_int_equal(iod_smmuv3_pri_from_request(&back, &request), -EINVAL);
	request.perm = IOD_PERM_READ;
	iodt_assert_ok(iod_smmuv3_pri_from_request(&back, &request));
	request.grpid = 512;
	assert_int_equal(iod_smmuv3_pri_from_request(&back, &request), -EINVAL);
	request.grpid = 0;
	request.iova = 0x1800;
	assert_int_equal(iod_smmuv3_pri_from_request(&back, &request), -EINVAL);
	request.iova = 0;
	request.pasid = 1 << 20;
	assert_int_equal(iod_smmuv3_pri_from_request(&back, &request), -EINVAL);
	request.flags = IOD_REQ_IOVA_VALID;
	request.perm = IOD_PERM_READ | IOD_PERM_EXEC;
	assert_int_equal(iod_smmuv3_pri_from_request(&back, &request), -EINVAL);
	request.perm = IOD_PERM_READ;
	request.model = IOD_REQUEST_STALL;
	assert_int_equal(iod_smmuv3_pri_from_request(&back, &request), -EINVAL);
}

static void test_responses(void **state)
{
	static const struct {
		enum iod_request_model model;
		enum iod_response_code code;
		uint64_t word[2];
	} want[] = {
		{ IOD_REQUEST_STALL, IOD_RESP_SUCCESS, { 0x0000000900001044, 0x1ff } },
		{ IOD_REQUEST_STALL, IOD_RESP_INVALID, { 0x0000000900002044, 0x1ff } },
		{ IOD_REQUEST_STALL, IOD_RESP_FAILURE, { 0x0000000900002044, 0x1ff } },
		{ IOD_REQUEST_PRI, IOD_RESP_SUCCESS, { 0x0000000900007841, 0x21ff } },
		{ IOD_REQUEST_PRI, IOD_RESP_INVALID, { 0x0000000900007841, 0x11ff } },
		{ IOD_REQUEST_PRI, IOD_RESP_FAILURE, { 0x0000000900007841, 0x01ff } },
	};
	struct iod_page_response response, back;
	struct iod_smmuv3_raw_cmd raw;
	struct iod_smmuv3_cmd cmd;
	uint64_t word[2];

	for (size_t i = 0; i < IODT_ARRAY_SIZE(want); i++) {
		response = (struct iod_page_response){ .source = 9,
						       .flags = IOD_REQ_PASID_VALID,
						       .pasid = 7,
						       .grpid = 0x1ff,
						       .code = want[i].code,
						       .model = want[i].model };
		iodt_assert_ok(iod_smmuv3_response_to_cmd(&cmd, &response));
		iodt_assert_ok(iod_smmuv3_cmd_encode(&raw, &cmd, NULL, NULL));
		iodt_put_le64(&word[0], want[i].word[0]);
		iodt_put_le64(&word[1], want[i].word[1]);
		assert_memory_equal(&raw, word, sizeof(raw));
		iodt_assert_ok(iod_smmuv3_response_from_cmd(&back, &cmd));
		assert_true(back.source == 9 && back.grpid == 0x1ff && back.model == want[i].model);
		assert_int_equal(back.code, want[i].model == IOD_REQUEST_STALL &&
							    want[i].code != IOD_RESP_SUCCESS
						    ? IOD_RESP_INVALID
						    : want[i].code);
		if (want[i].model == IOD_REQUEST_PRI)
			assert_true(back.flags == IOD_REQ_PASID_VALID && back.pasid == 7);
	}
}

static void test_responses_refused(void **state)
{
	struct iod_page_response response = { .source = 9,
					      .pasid = 7,
					      .grpid = 0x1ff,
					      .code = IOD_RESP_FAILURE,
					      .model = IOD_REQUEST_PRI };
	struct iod_page_response back;
	struct iod_smmuv3_cmd cmd;

	/* A device that wants no PASID in it. */
	iodt_assert_ok(iod_smmuv3_response_to_cmd(&cmd, &response));
	assert_true(!cmd.ssv && !cmd.ssid);
	response.flags = IOD_REQ_PASID_VALID;
	response.pasid = 1 << 20;
	assert_int_equal(iod_smmuv3_response_to_cmd(&cmd, &response), -EINVAL);
	response.pasid = 0;
	response.grpid = 512;
	assert_int_equal(iod_smmuv3_response_to_cmd(&cmd, &response), -EINVAL);
	response.model = IOD_REQUEST_STALL;
	iodt_assert_ok(iod_smmuv3_response_to_cmd(&cmd, &response));
	response.grpid = 0x10000;
	assert_int_equal(iod_smmuv3_response_to_cmd(&cmd, &response), -EINVAL);
	response.grpid = 0;
	response.code = (enum iod_response_code)3;
	assert_int_equal(iod_smmuv3_response_to_cmd(&cmd, &response), -EINVAL);
	response.code = IOD_RESP_SUCCESS;
	response.source = IODT_BIT(32);
	assert_int_equal(iod_smmuv3_response_to_cmd(&cmd, &response), -EINVAL);
	response.source = 0;
	response.model = (enum iod_request_model)0;
	assert_int_equal(iod_smmuv3_response_to_cmd(&cmd, &response), -EINVAL);
	cmd.op = IOD_SMMUV3_STALL_TERM;
	assert_int_equal(iod_smmuv3_response_from_cmd(&back, &cmd), -EINVAL);
	cmd.op = IOD_SMMUV3_PRI_RESP;
	cmd.resp = 3;
	assert_int_equal(iod_smmuv3_response_from_cmd(&back, &cmd), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stall_to_request),
		cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_unrecoverable),
		cmocka_unit_test(test_foreign_fault),
		cmocka_unit_test(test_hint),
		cmocka_unit_test(test_event_misuse),
		cmocka_unit_test(test_pri_request),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_responses_refused),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
