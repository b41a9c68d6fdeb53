/* SPDX-License-Identifier: MIT */
/* Events, page requests and answers as neutral records, and back: written out by hand. */
#include "iodtest.h"

#include "amdvi/golden_amdvi.h"

#define FLAGS_IOVA  IOD_REQ_IOVA_VALID
#define FLAGS_FETCH IOD_REQ_FETCH_VALID

static const struct {
	struct iod_amdvi_event event;
	struct iod_unrecov_fault fault;
	bool back; /* says all that the event does */
} rows[] = {
	{ { GOLD_TYPE(IO_PAGE_FAULT), .devid = 0x10, .domain = 7, .addr = 0x1234 },
	  { .source = 0x10,
	    .flags = FLAGS_IOVA,
	    .reason = IOD_UNRECOV_TRANSLATION,
	    .vendor_code = 2,
	    .stage = 2,
	    .iova = 0x1234 },
	  true },
	/* RW says nothing without PR */
	{ { GOLD_TYPE(IO_PAGE_FAULT), .devid = 0x10, .domain = 7, .rw = true, .addr = 0x1234 },
	  { .source = 0x10,
	    .flags = FLAGS_IOVA,
	    .reason = IOD_UNRECOV_TRANSLATION,
	    .vendor_code = 2,
	    .stage = 2,
	    .iova = 0x1234 },
	  false },
	{ { GOLD_TYPE(IO_PAGE_FAULT), .devid = 0x10, .domain = 7, .pr = true, .pe = true,
	    .rw = true, .addr = 0x1234 },
	  { .source = 0x10,
	    .flags = FLAGS_IOVA,
	    .reason = IOD_UNRECOV_PERMISSION,
	    .vendor_code = 2,
	    .perm = IOD_PERM_WRITE,
	    .stage = 2,
	    .iova = 0x1234 },
	  true },
	{ { GOLD_TYPE(IO_PAGE_FAULT), .devid = 0x10, .gn = true, .pasid = 0xabcde, .pr = true,
	    .pe = true, .nx = true, .us = true, .addr = 0x1234 },
	  { .source = 0x10,
	    .flags = FLAGS_IOVA | IOD_REQ_PASID_VALID,
	    .pasid = 0xabcde,
	    .reason = IOD_UNRECOV_PERMISSION,
	    .vendor_code = 2,
	    .perm = IOD_PERM_READ | IOD_PERM_EXEC,
	    .stage = 1,
	    .iova = 0x1234 },
	  true },
	/* reserved bits: as good as not there */
	{ { GOLD_TYPE(IO_PAGE_FAULT), .devid = 0x10, .domain = 7, .pr = true, .rz = true,
	    .addr = 0x1234 },
	  { .source = 0x10,
	    .flags = FLAGS_IOVA,
	    .reason = IOD_UNRECOV_TRANSLATION,
	    .vendor_code = 2,
	    .perm = IOD_PERM_READ,
	    .stage = 2,
	    .iova = 0x1234 },
	  false },
	{ { GOLD_TYPE(IO_PAGE_FAULT), .devid = 0x10, .domain = 7, .pr = true, .tr = true,
	    .rw = true, .addr = 0x1234 },
	  { .source = 0x10,
	    .flags = FLAGS_IOVA,
	    .reason = IOD_UNRECOV_UNKNOWN,
	    .vendor_code = 2,
	    .stage = 2,
	    .iova = 0x1234 },
	  false },
	/* an interrupt's */
	{ { GOLD_TYPE(IO_PAGE_FAULT), .devid = 0x10, .domain = 7, .irq = true, .pe = true,
	    .addr = 0xfdf8000000 },
	  { .source = 0x10,
	    .flags = FLAGS_IOVA,
	    .reason = IOD_UNRECOV_UNKNOWN,
	    .vendor_code = 2,
	    .iova = 0xfdf8000000 },
	  false },
	{ { GOLD_TYPE(ILLEGAL_DEV_TABLE_ENTRY), .devid = 0x10, .domain = 7, .addr = 0x1234 },
	  { .source = 0x10,
	    .flags = FLAGS_IOVA,
	    .reason = IOD_UNRECOV_BAD_CONTEXT,
	    .vendor_code = 1,
	    .cls = IOD_FAULT_CONTEXT,
	    .iova = 0x1234 },
	  true },
	{ { GOLD_TYPE(DEV_TAB_HARDWARE_ERROR), .devid = 0x10, .addr = 0x4440 },
	  { .source = 0x10,
	    .flags = FLAGS_FETCH,
	    .reason = IOD_UNRECOV_FETCH,
	    .vendor_code = 3,
	    .cls = IOD_FAULT_CONTEXT,
	    .fetch_pa = 0x4440 },
	  true },
	{ { GOLD_TYPE(PAGE_TAB_HARDWARE_ERROR), .devid = 0x10, .gn = true, .pasid = 5,
	    .addr = 0x4440 },
	  { .source = 0x10,
	    .flags = FLAGS_FETCH | IOD_REQ_PASID_VALID,
	    .pasid = 5,
	    .reason = IOD_UNRECOV_WALK,
	    .vendor_code = 4,
	    .fetch_pa = 0x4440 },
	  true },
	{ { GOLD_TYPE(INVALID_DEVICE_REQUEST), .devid = 0x10, .domain = 7, .addr = 0x1234 },
	  { .source = 0x10,
	    .flags = FLAGS_IOVA,
	    .reason = IOD_UNRECOV_BAD_REQUEST,
	    .vendor_code = 8,
	    .iova = 0x1234 },
	  true },
	{ { GOLD_TYPE(INVALID_PPR_REQUEST), .devid = 0x10, .gn = true, .pasid = 5, .addr = 0x1000 },
	  { .source = 0x10,
	    .flags = FLAGS_IOVA | IOD_REQ_PASID_VALID,
	    .pasid = 5,
	    .reason = IOD_UNRECOV_BAD_REQUEST,
	    .vendor_code = 9,
	    .iova = 0x1000 },
	  true },
};

static void assert_fault(const struct iod_unrecov_fault *a, const struct iod_unrecov_fault *b)
{
	assert_true(a->source == b->source);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->pasid, b->pasid);
	assert_int_equal(a->reason, b->reason);
	assert_int_equal(a->vendor_code, b->vendor_code);
	assert_int_equal(a->perm, b->perm);
	assert_int_equal(a->stage, b->stage);
	assert_int_equal(a->cls, b->cls);
	assert_true(a->iova == b->iova && a->ipa == b->ipa && a->fetch_pa == b->fetch_pa);
}

static void test_faults(void **state)
{
	struct iod_amdvi_raw_event raw, again;
	struct iod_unrecov_fault fault;
	struct iod_amdvi_event event;

	for (size_t k = 0; k < IODT_ARRAY_SIZE(rows); k++) {
		memset(&fault, 0xa5, sizeof(fault));
		iodt_assert_ok(iod_amdvi_event_to_fault(&fault, &rows[k].event));
		assert_fault(&fault, &rows[k].fault);
		if (iod_amdvi_event_from_fault(&event, &fault, 7)) {
			assert_int_equal(fault.reason, IOD_UNRECOV_UNKNOWN);
			continue;
		}
		iodt_assert_ok(iod_amdvi_event_encode(&raw, &event));
		iodt_assert_ok(iod_amdvi_event_encode(&again, &rows[k].event));
		if (rows[k].back)
			assert_memory_equal(&raw, &again, sizeof(raw));
	}
}

/* Each reason has an event, or is refused; what comes of it can be written into the log. */
static void test_reasons(void **state)
{
	static const uint8_t types[] = {
		[IOD_UNRECOV_BAD_SOURCE] = 1,	[IOD_UNRECOV_BAD_CONTEXT] = 1,
		[IOD_UNRECOV_FETCH] = 3,	[IOD_UNRECOV_BAD_PASID] = 2,
		[IOD_UNRECOV_BLOCKED] = 2,	[IOD_UNRECOV_BAD_REQUEST] = 8,
		[IOD_UNRECOV_WALK] = 4,		[IOD_UNRECOV_TRANSLATION] = 2,
		[IOD_UNRECOV_ADDRESS_SIZE] = 2, [IOD_UNRECOV_ACCESS] = 2,
		[IOD_UNRECOV_PERMISSION] = 2,	[IOD_UNRECOV_CONFLICT] = 0,
	};
	struct iod_amdvi_raw_event raw;
	struct iod_amdvi_event event;

	for (uint32_t reason = 0; reason < IODT_ARRAY_SIZE(types); reason++)
		for (uint32_t with_pasid = 0; with_pasid < 2; with_pasid++) {
			struct iod_unrecov_fault fault = {
				.source = 0x10,
				.flags = FLAGS_IOVA | FLAGS_FETCH |
					 (with_pasid ? IOD_REQ_PASID_VALID : 0),
				.pasid = with_pasid ? 5 : 0,
				.reason = (enum iod_unrecov_reason)reason,
				.perm = IOD_PERM_WRITE,
				.iova = 0x1237,
				.fetch_pa = 0x444c,
			};

			if (!types[reason]) {
				assert_int_equal(iod_amdvi_event_from_fault(&event, &fault, 7),
						 -EOPNOTSUPP);
				continue;
			}
			iodt_assert_ok(iod_amdvi_event_from_fault(&event, &fault, 7));
			assert_int_equal(event.type, types[reason]);
			iodt_assert_ok(iod_amdvi_event_encode(&raw, &event));
			fault.source = 0x10000;
			assert_int_equal(iod_amdvi_event_from_fault(&event, &fault, 7), -EINVAL);
			fault.source = 0x10;
			fault.flags &= ~FLAGS_IOVA;
			assert_int_equal(iod_amdvi_event_from_fault(&event, &fault, 7),
					 types[reason] == 2 || types[reason] == 8 ? -EINVAL : 0);
		}
}

static void test_not_about_an_access(void **state)
{
	struct iod_unrecov_fault fault;

	for (uint32_t type = 0; type < 16; type++) {
		struct iod_amdvi_event event = { .type = (enum iod_amdvi_event_type)type };
		int want = type == 0 || type == 15 ? -EINVAL : 0;

		if ((type >= 5 && type <= 7) || (type >= 10 && type < 15))
			want = -EOPNOTSUPP;
		assert_int_equal(iod_amdvi_event_to_fault(&fault, &event), want);
	}
	assert_int_equal(iod_amdvi_event_to_fault(NULL, &rows[0].event), -EINVAL);
	assert_int_equal(iod_amdvi_event_to_fault(&fault, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_event_from_fault(NULL, &fault, 0), -EINVAL);
}

static void test_requests(void **state)
{
	struct iod_amdvi_ppr ppr = gold_pprs[0].ppr, back;
	struct iod_amdvi_raw_ppr raw;
	struct iod_page_request request;

	memset(&request, 0xa5, sizeof(request));
	iodt_assert_ok(iod_amdvi_ppr_to_request(&request, &ppr));
	assert_true(request.source == 0x1234 && request.iova == 0xabc000);
	assert_int_equal(request.flags,
			 FLAGS_IOVA | IOD_REQ_PASID_VALID | IOD_REQ_NEEDS_PASID | IOD_REQ_LAST);
	assert_int_equal(request.pasid, 0xabcde);
	assert_int_equal(request.grpid, 0x1ff);
	assert_int_equal(request.perm, IOD_PERM_READ | IOD_PERM_WRITE | IOD_PERM_EXEC);
	assert_int_equal(request.stage, 1);
	assert_int_equal(request.model, IOD_REQUEST_PRI);
	for (size_t k = 0; k < GOLD_NR_PPRS; k++) {
		uint64_t want[2];

		iodt_assert_ok(iod_amdvi_ppr_to_request(&request, &gold_pprs[k].ppr));
		iodt_assert_ok(iod_amdvi_ppr_from_request(&back, &request));
		iodt_assert_ok(iod_amdvi_ppr_encode(&raw, &back));
		iodt_put_le64(&want[0], gold_pprs[k].word[0]);
		iodt_put_le64(&want[1], gold_pprs[k].word[1]);
		assert_memory_equal(&raw, want, sizeof(raw));
	}
	ppr.user = false;
	iodt_assert_ok(iod_amdvi_ppr_to_request(&request, &ppr));
	assert_true(request.perm & IOD_PERM_PRIV);
	ppr.rvsd = true; /* somebody waits for the answer */
	iodt_assert_ok(iod_amdvi_ppr_to_request(&request, &ppr));
	ppr.read = false;
	ppr.write = false; /* a stop marker */
	assert_true(iod_amdvi_ppr_is_stop(&ppr));
	assert_int_equal(iod_amdvi_ppr_to_request(&request, &ppr), -EINVAL);
	ppr = gold_pprs[0].ppr;
	ppr.type = 2;
	assert_int_equal(iod_amdvi_ppr_to_request(&request, &ppr), -EINVAL);
}

static void test_requests_refused(void **state)
{
	const struct iod_page_request good = { .source = 1,
					       .flags = FLAGS_IOVA | IOD_REQ_LAST,
					       .perm = IOD_PERM_READ,
					       .stage = 1,
					       .model = IOD_REQUEST_PRI,
					       .iova = 0x1000 };
	struct iod_page_request bad[7];
	struct iod_amdvi_ppr ppr;

	iodt_assert_ok(iod_amdvi_ppr_from_request(&ppr, &good));
	for (size_t k = 0; k < IODT_ARRAY_SIZE(bad); k++)
		bad[k] = good;
	bad[0].source = 0x10000;
	bad[1].grpid = 0x200;
	bad[2].iova = 0x1001;
	bad[3].model = IOD_REQUEST_STALL;
	bad[4].perm = IOD_PERM_READ | IOD_PERM_PRIV; /* comes with a PASID */
	bad[5].flags |= IOD_REQ_PASID_VALID;
	bad[5].pasid = 0x100000;
	bad[6].flags |= IOD_REQ_PASID_VALID; /* it would be a stop marker */
	bad[6].perm = 0;
	for (size_t k = 0; k < IODT_ARRAY_SIZE(bad); k++)
		assert_int_equal(iod_amdvi_ppr_from_request(&ppr, &bad[k]), -EINVAL);
	assert_int_equal(iod_amdvi_ppr_from_request(NULL, &good), -EINVAL);
	assert_int_equal(iod_amdvi_ppr_from_request(&ppr, NULL), -EINVAL);
}

/* PCIe's codes: 0, 1, Fh; everything else is a failure. */
static void test_responses(void **state)
{
	static const uint8_t status[] = { 0, 1, 0xf };
	struct iod_page_response response = { .source = 0x20,
					      .flags = IOD_REQ_PASID_VALID,
					      .pasid = 7,
					      .grpid = 0x1ff,
					      .model = IOD_REQUEST_PRI },
				 back;
	struct iod_amdvi_raw_cmd raw;
	struct iod_amdvi_cmd cmd;

	for (uint32_t code = 0; code < 3; code++) {
		response.code = (enum iod_response_code)code;
		iodt_assert_ok(iod_amdvi_response_to_cmd(&cmd, &response));
		assert_int_equal(cmd.status, status[code]);
		iodt_assert_ok(iod_amdvi_cmd_encode(&raw, &cmd, NULL, NULL));
		iodt_assert_ok(iod_amdvi_response_from_cmd(&back, &cmd));
		assert_true(back.source == 0x20 && back.pasid == 7 && back.grpid == 0x1ff &&
			    back.flags == IOD_REQ_PASID_VALID && back.model == IOD_REQUEST_PRI);
		assert_int_equal(back.code, code);
	}
	for (uint8_t s = 2; s < 16; s++) {
		cmd.status = s;
		iodt_assert_ok(iod_amdvi_response_from_cmd(&back, &cmd));
		assert_int_equal(back.code, IOD_RESP_FAILURE);
	}
	cmd.op = IOD_AMDVI_COMPLETION_WAIT;
	assert_int_equal(iod_amdvi_response_from_cmd(&back, &cmd), -EINVAL);
	assert_int_equal(iod_amdvi_response_from_cmd(NULL, &cmd), -EINVAL);
	response.code = (enum iod_response_code)3;
	assert_int_equal(iod_amdvi_response_to_cmd(&cmd, &response), -EINVAL);
	response.code = IOD_RESP_SUCCESS;
	response.grpid = 0x200;
	assert_int_equal(iod_amdvi_response_to_cmd(&cmd, &response), -EINVAL);
	response.grpid = 0;
	response.pasid = 0x100000;
	assert_int_equal(iod_amdvi_response_to_cmd(&cmd, &response), -EINVAL);
	response.pasid = 0;
	response.model = IOD_REQUEST_STALL;
	assert_int_equal(iod_amdvi_response_to_cmd(&cmd, &response), -EINVAL);
	response.model = IOD_REQUEST_PRI;
	response.source = 0x10000;
	assert_int_equal(iod_amdvi_response_to_cmd(&cmd, &response), -EINVAL);
	assert_int_equal(iod_amdvi_response_to_cmd(NULL, &response), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_not_about_an_access),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_requests_refused),
		cmocka_unit_test(test_responses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
