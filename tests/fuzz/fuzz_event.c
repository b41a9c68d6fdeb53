/* SPDX-License-Identifier: MIT */
/*
 * Event records, page requests and their neutral records, there and back: what
 * is decoded can be said again, and conversions accept or refuse but do not
 * stumble.
 */
#include <errno.h>

#include <iodirty/smmuv3_event.h>

#include "fuzz/fuzz.h"
#include "mdl_smmu.h"
#include "smmu/golden_smmu.h"

#define EVENTS (sizeof(gold_events) / sizeof(gold_events[0]))
#define PPRS   (sizeof(gold_pprs) / sizeof(gold_pprs[0]))

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	uint8_t *at = buf;
	unsigned k;

	(void)max;
	if (n >= EVENTS + PPRS)
		return 0;
	for (k = 0; k < 4 && n < EVENTS; k++)
		at = fuzz_put(at, gold_events[n].w[k], 8);
	for (k = 0; k < 2 && n >= EVENTS; k++)
		at = fuzz_put(at, gold_pprs[n - EVENTS].w[k], 8);
	return (size_t)(at - buf);
}

static void answer(const struct iod_page_request *request)
{
	struct iod_page_response response = {
		.source = request->source,
		.flags = request->flags & IOD_REQ_PASID_VALID,
		.pasid = request->pasid,
		.grpid = request->grpid,
		.code = IOD_RESP_SUCCESS,
		.model = request->model,
	};
	struct iod_smmuv3_cmd cmd;

	if (iod_smmuv3_response_to_cmd(&cmd, &response))
		return;
	FUZZ_CHECK(cmd.op == IOD_SMMUV3_RESUME || cmd.op == IOD_SMMUV3_PRI_RESP);
	FUZZ_CHECK(!iod_smmuv3_response_from_cmd(&response, &cmd));
	FUZZ_CHECK(response.code == IOD_RESP_SUCCESS && response.source == request->source);
}

static void neutral(const struct iod_smmuv3_event *e)
{
	struct iod_unrecov_fault fault = { 0 };
	struct iod_page_request request = { 0 };
	struct iod_smmuv3_raw_event out;
	struct iod_smmuv3_event e2;
	int ret = iod_smmuv3_event_to_fault(e, &request, &fault);

	if (ret == IOD_SMMUV3_EVENT_REQUEST) {
		FUZZ_CHECK(e->stall && request.source == e->sid);
		answer(&request);
		if (!iod_smmuv3_event_from_request(&e2, &request))
			FUZZ_CHECK(e2.stall && e2.stag == e->stag && e2.sid == e->sid);
	} else if (ret == IOD_SMMUV3_EVENT_FAULT) {
		FUZZ_CHECK(!e->stall && fault.source == e->sid);
		if (!iod_smmuv3_event_from_fault(&e2, &fault))
			FUZZ_CHECK(e2.sid == e->sid && !iod_smmuv3_event_encode(&out, &e2));
	} else {
		FUZZ_CHECK(ret == IOD_SMMUV3_EVENT_HINT || ret == -EINVAL);
	}
}

static void one_event(const uint8_t *data)
{
	struct iod_smmuv3_raw_event raw, unknown, out;
	struct iod_smmuv3_event e, e2;
	uint64_t w[4] = { 0 };
	struct mdl_smmu_event m;
	unsigned i;
	int ret;

	memcpy(&raw, data, sizeof(raw));
	for (i = 0; i < 32; i++)
		w[i / 8] |= (uint64_t)data[i] << 8 * (i % 8);
	mdl_smmu_event(w, &m);
	ret = iod_smmuv3_event_decode(&e, &raw, &unknown);
	FUZZ_CHECK(ret == (m.known ? 0 : -EOPNOTSUPP));
	if (ret)
		return;
	FUZZ_CHECK(iod_smmuv3_event_name(e.type) && e.sid == m.sid);
	if (!iod_smmuv3_event_encode(&out, &e)) {
		FUZZ_CHECK(!iod_smmuv3_event_decode(&e2, &out, NULL));
		FUZZ_CHECK(!memcmp(&e, &e2, sizeof(e)));
	}
	neutral(&e);
}

static void one_ppr(const uint8_t *data)
{
	struct iod_smmuv3_raw_pri raw, unknown, out;
	struct iod_smmuv3_pri p, p2;
	struct iod_page_request request = { 0 };

	memcpy(&raw, data, sizeof(raw));
	FUZZ_CHECK(!iod_smmuv3_pri_decode(&p, &raw, &unknown));
	FUZZ_CHECK(!iod_smmuv3_pri_encode(&out, &p));
	FUZZ_CHECK(!iod_smmuv3_pri_decode(&p2, &out, NULL));
	FUZZ_CHECK(!memcmp(&p, &p2, sizeof(p)));
	if (iod_smmuv3_pri_to_request(&request, &p))
		return;
	FUZZ_CHECK(!iod_smmuv3_pri_is_stop(&p));
	answer(&request);
	FUZZ_CHECK(!iod_smmuv3_pri_from_request(&p2, &request));
	FUZZ_CHECK(p2.sid == p.sid && p2.prgi == p.prgi && p2.addr == p.addr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (; size >= 16; data += 16, size -= 16) {
		one_ppr(data);
		if (size >= 32)
			one_event(data);
	}
	return 0;
}
