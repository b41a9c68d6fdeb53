/* SPDX-License-Identifier: MIT */
/*
 * Event and PPR log records of AMD-Vi and their neutral records, there and back: what is decoded is what the model
 * reads, can be said again, and conversions accept or refuse but do not stumble.
 */
#include <errno.h>

#include <iodirty/amdvi_event.h>

#include "amdvi/golden_amdvi.h"
#include "fuzz/fuzz.h"
#include "mdl_amdvi.h"

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	const uint64_t *word;
	uint8_t *at = buf;

	(void)max;
	if (n >= GOLD_NR_EVENTS + GOLD_NR_PPRS)
		return 0;
	word = n < GOLD_NR_EVENTS ? gold_events[n].word : gold_pprs[n - GOLD_NR_EVENTS].word;
	at = fuzz_put(at, word[0], 8);
	at = fuzz_put(at, word[1], 8);
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
	struct iod_amdvi_raw_cmd raw;
	struct iod_amdvi_cmd cmd;

	if (iod_amdvi_response_to_cmd(&cmd, &response))
		return;
	FUZZ_CHECK(cmd.op == IOD_AMDVI_COMPLETE_PPR_REQUEST);
	FUZZ_CHECK(!iod_amdvi_cmd_encode(&raw, &cmd, NULL, NULL));
	FUZZ_CHECK(!iod_amdvi_response_from_cmd(&response, &cmd));
	FUZZ_CHECK(response.code == IOD_RESP_SUCCESS && response.source == request->source);
	FUZZ_CHECK(response.grpid == request->grpid);
}

static void neutral(const struct iod_amdvi_event *e)
{
	struct iod_unrecov_fault fault = { 0 };
	struct iod_amdvi_raw_event out;
	struct iod_amdvi_event e2;
	int ret = iod_amdvi_event_to_fault(&fault, e);

	FUZZ_CHECK(!ret || ret == -EOPNOTSUPP || ret == -EINVAL);
	if (ret)
		return;
	FUZZ_CHECK(fault.source == e->devid && fault.vendor_code == (uint32_t)e->type);
	if (iod_amdvi_event_from_fault(&e2, &fault, e->domain))
		return;
	FUZZ_CHECK(e2.devid == e->devid && e2.gn == e->gn && (!e->gn || e2.pasid == e->pasid));
	FUZZ_CHECK(!iod_amdvi_event_encode(&out, &e2));
}

static void one_event(const uint64_t w[2])
{
	struct iod_amdvi_raw_event raw, unknown, out;
	struct iod_amdvi_event e, e2;
	struct mdl_amdvi_event m;
	int ret;

	fuzz_put(fuzz_put((uint8_t *)&raw, w[0], 8), w[1], 8);
	mdl_amdvi_event(w, &m);
	ret = iod_amdvi_event_decode(&e, &raw, &unknown);
	FUZZ_CHECK(ret == (!m.type ? -EAGAIN : m.type == 15 ? -EOPNOTSUPP : 0));
	if (ret)
		return;
	FUZZ_CHECK(iod_amdvi_event_name(e.type) && (unsigned)e.type == m.type);
	if (m.known)
		FUZZ_CHECK(e.devid == m.devid && e.domain == m.domain && e.pasid == m.pasid &&
			   e.pr == m.pr && e.rw == m.rw && e.addr == m.addr);
	FUZZ_CHECK(!iod_amdvi_event_encode(&out, &e));
	FUZZ_CHECK(!iod_amdvi_event_decode(&e2, &out, NULL));
	FUZZ_CHECK(!memcmp(&e, &e2, sizeof(e)));
	neutral(&e);
}

static void one_ppr(const uint64_t w[2])
{
	struct iod_amdvi_raw_ppr raw, unknown, out;
	struct iod_page_request request = { 0 };
	struct iod_amdvi_ppr p, p2;
	struct mdl_amdvi_ppr m;
	int ret;

	fuzz_put(fuzz_put((uint8_t *)&raw, w[0], 8), w[1], 8);
	mdl_amdvi_ppr(w, &m);
	ret = iod_amdvi_ppr_decode(&p, &raw, &unknown);
	FUZZ_CHECK(ret == (m.type ? 0 : -EAGAIN));
	if (ret)
		return;
	FUZZ_CHECK(p.devid == m.devid && p.tag == m.tag && p.write == m.write && p.addr == m.addr);
	FUZZ_CHECK(!iod_amdvi_ppr_encode(&out, &p));
	FUZZ_CHECK(!iod_amdvi_ppr_decode(&p2, &out, NULL));
	FUZZ_CHECK(!memcmp(&p, &p2, sizeof(p)));
	if (iod_amdvi_ppr_to_request(&request, &p))
		return;
	FUZZ_CHECK(!iod_amdvi_ppr_is_stop(&p) && p.type == IOD_AMDVI_PPR_PAGE);
	answer(&request);
	FUZZ_CHECK(!iod_amdvi_ppr_from_request(&p2, &request));
	FUZZ_CHECK(p2.devid == p.devid && p2.tag == p.tag && p2.addr == p.addr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint64_t w[2];

	while (in.size) {
		w[0] = fuzz_take(&in, 8);
		w[1] = fuzz_take(&in, 8);
		one_event(w);
		one_ppr(w);
	}
	return 0;
}
