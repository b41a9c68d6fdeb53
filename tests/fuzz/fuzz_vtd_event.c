/* SPDX-License-Identifier: MIT */
/*
 * VT-d fault records, page requests and their neutral records, there and back: fields are the model's, what is decoded
 * can be said again, conversions accept or refuse but do not stumble.
 */
#include <errno.h>

#include <iodirty/vtd_event.h>

#include "fuzz/fuzz.h"
#include "mdl_vtd_inv.h"

/* By hand (11.4.7.6, 7.4.1.1). */
static const uint64_t seeds[][4] = {
	{ 0x00007fffdeadb000, 0xd5432171e0000108 },
	{ 0xfffffffffffff000, 0x000000471000ffff },
	{ 0x0035432101080101, 0x00007fff00000fff },
	{ 0x00000000ffff0001, 0x0000000000005009 },
	{ 0x0000000500080101, 0x4 },
};

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	uint8_t *at = buf;
	unsigned k;

	(void)max;
	if (n >= sizeof(seeds) / sizeof(seeds[0]))
		return 0;
	for (k = 0; k < 4; k++)
		at = fuzz_put(at, seeds[n][k], 8);
	return (size_t)(at - buf);
}

static void one_fault(const uint64_t w[2])
{
	struct iod_vtd_raw_fault raw, unknown, out;
	struct iod_unrecov_fault neutral = { 0 };
	struct iod_vtd_fault f, f2;
	struct mdl_vtd_fault m;

	fuzz_put(fuzz_put((uint8_t *)raw.word, w[0], 8), w[1], 8);
	mdl_vtd_fault(w, &m);
	FUZZ_CHECK(!iod_vtd_fault_decode(&f, &raw, &unknown));
	FUZZ_CHECK(f.sid == m.sid && (unsigned)f.reason == m.reason && f.addr == m.addr);
	FUZZ_CHECK(f.pasid_valid == m.pp && f.pasid == m.pasid && f.type == m.type);
	FUZZ_CHECK(!iod_vtd_fault_encode(&out, &f));
	FUZZ_CHECK(!iod_vtd_fault_decode(&f2, &out, NULL));
	FUZZ_CHECK(!memcmp(&f, &f2, sizeof(f)));
	if (iod_vtd_fault_to_unrecov(&neutral, &f))
		return;
	FUZZ_CHECK(neutral.source == m.sid && neutral.vendor_code == m.reason);
	if (iod_vtd_fault_from_unrecov(&f2, &neutral))
		return;
	FUZZ_CHECK(f2.sid == m.sid && f2.fault && !iod_vtd_fault_encode(&out, &f2));
	FUZZ_CHECK(!(neutral.flags & IOD_REQ_IOVA_VALID) || f2.addr == m.addr);
}

static void answer(const struct iod_page_request *request, const struct mdl_vtd_preq *m)
{
	static const struct mdl_vtd_id all = { ~UINT64_C(0), ~UINT64_C(0) };
	struct iod_page_response response = {
		.source = request->source,
		.flags = request->flags & IOD_REQ_PASID_VALID,
		.pasid = request->pasid,
		.grpid = request->grpid,
		.code = IOD_RESP_INVALID,
		.model = request->model,
	};
	struct iod_vtd_raw_desc raw;
	struct iod_vtd_desc desc;
	struct mdl_vtd_inv inv;
	uint64_t w[4];
	unsigned i;

	FUZZ_CHECK(!iod_vtd_response_to_desc(&desc, &response));
	FUZZ_CHECK(!iod_vtd_desc_encode(&raw, &desc, NULL, 0, NULL));
	for (i = 0; i < 4; i++)
		FUZZ_CHECK(!fuzz_word(raw.word, 4, i * UINT64_C(8), &w[i]));
	mdl_vtd_inv(w, &all, false, &inv);
	FUZZ_CHECK(inv.legal == MDL_INV_OK && inv.type == MDL_VTD_RESP && inv.rc == 1);
	FUZZ_CHECK(inv.sid == m->sid && inv.prgi == m->prgi && inv.pasid == m->pasid);
	FUZZ_CHECK(!iod_vtd_response_from_desc(&response, &desc));
	FUZZ_CHECK(response.code == IOD_RESP_INVALID && response.source == request->source);
}

static void one_request(const uint64_t w[4])
{
	struct iod_vtd_raw_page_req raw, unknown, out;
	struct iod_page_request request = { 0 };
	struct iod_vtd_page_req p, p2;
	struct mdl_vtd_preq m;
	unsigned i;
	int ret;

	for (i = 0; i < 4; i++)
		fuzz_put((uint8_t *)&raw.word[i], w[i], 8);
	mdl_vtd_preq(w, &m);
	ret = iod_vtd_page_req_decode(&p, &raw, &unknown);
	FUZZ_CHECK(ret == (m.type == 1 ? 0 : -EOPNOTSUPP));
	if (ret)
		return;
	FUZZ_CHECK(iod_vtd_page_req_is_stop(&p) == m.stop);
	FUZZ_CHECK(!iod_vtd_page_req_encode(&out, &p));
	FUZZ_CHECK(!iod_vtd_page_req_decode(&p2, &out, NULL));
	FUZZ_CHECK(!memcmp(&p, &p2, sizeof(p)));
	ret = iod_vtd_page_req_to_request(&request, &p);
	FUZZ_CHECK(!ret == !m.stop);
	if (ret)
		return;
	answer(&request, &m);
	FUZZ_CHECK(!iod_vtd_page_req_from_request(&p2, &request));
	FUZZ_CHECK(p2.sid == m.sid && p2.prgi == m.prgi && p2.addr == m.addr);
	FUZZ_CHECK(p2.write == m.write && p2.last == m.last && p2.pasid == m.pasid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint64_t w[4];
	unsigned i;

	while (in.size) {
		for (i = 0; i < 4; i++)
			w[i] = fuzz_take(&in, 8);
		one_fault(w);
		one_request(w);
	}
	return 0;
}
