/* SPDX-License-Identifier: MIT */
/*
 * A guest's VT-d descriptors become the host's: words written by hand from the specification on both sides. What is
 * handled was taken, whatever fails.
 */
#include "viommurig.h"

static void names(void **state)
{
	struct rig *r = vg_rig_open(0);
	struct words g, h;

	g = vg_p_iotlb(3, 0x54321, 5 * K4, 0, 1);
	h = vg_p_iotlb(DID(3), 0x54321, 5 * K4, 0, 1);
	vg_becomes(r, &g, 1, &h, 1);
	g = vg_p_iotlb(0, 1, 0x200000, 9, 0);
	h = vg_p_iotlb(DID(0), 1, 0x200000, 9, 0);
	vg_becomes(r, &g, 1, &h, 1);
	g = vg_p_all(2, 4);
	h = vg_p_all(DID(2), 4);
	vg_becomes(r, &g, 1, &h, 1);
	g = vg_iotlb_domain(2);
	h = vg_iotlb_domain(DID(2));
	vg_becomes(r, &g, 1, &h, 1);
	/* second-stage addresses are not the guest's: all of its domain */
	g = vg_iotlb_page(2, 0x7000);
	vg_becomes(r, &g, 1, &h, 1);
	/* MIP and PFSID are the host's */
	g = vg_dev_tlb(0x10, 0x3000, 31, 0x4444);
	h = vg_dev_tlb(SID(0x10), 0x3000, 5, 0x8123);
	vg_becomes(r, &g, 1, &h, 1);
	g = vg_dev_tlb(0x11, 0x7ffffffffffff001, 0, 0); /* S: everything */
	h = vg_dev_tlb(SID(0x11), 0x7ffffffffffff001, 5, 0x8123);
	vg_becomes(r, &g, 1, &h, 1);
	g = vg_p_dev_tlb(0x11, 9, 0x5000, 2, 1);
	h = vg_p_dev_tlb(SID(0x11), 9, 0x5000, 5, 0x8123);
	vg_becomes(r, &g, 1, &h, 1);
	g = vg_p_dev_tlb(0x11, 0, 0x5001, 2, 1); /* global */
	h = vg_p_dev_tlb(SID(0x11), 0, 0x5001, 5, 0x8123);
	vg_becomes(r, &g, 1, &h, 1);
	/* devices without a TLB, or out of order */
	g = vg_dev_tlb(0x12, 0x3000, 0, 0);
	vg_becomes(r, &g, 1, NULL, 0);
	g = vg_p_dev_tlb(0x13, 3, 0x3000, 0, 0);
	vg_becomes(r, &g, 1, NULL, 0);
	vg_rig_close(r);
}

/* Everything: each of its domains, once; what comes behind is covered. */
static void global(void **state)
{
	struct rig *r = vg_rig_open(0);
	const struct words g[4] = { vg_p_iotlb(1, 1, K4, 0, 0), iotlb_global,
				    vg_p_iotlb(1, 1, 2 * K4, 0, 0), iotlb_global };
	struct iod_guest_result res;
	unsigned int seen = 0;
	size_t i;

	iodt_assert_ok(vg_run(r, g, 4, &res));
	assert_int_equal(res.handled, 4);
	assert_int_equal(r->nr, 1 + 4);
	for (i = 1; i < 5; i++) {
		unsigned int did = (unsigned int)(r->host[i].w[0] >> 16 & 0xffff);

		assert_int_equal(r->host[i].w[0], vg_iotlb_domain(did).w[0]);
		assert_in_range(did, DID(0), DID(3));
		seen |= 1u << (did - DID(0));
	}
	assert_int_equal(seen, 0xf);
	vg_rig_close(r);
}

/* So many domains and globals between other kinds that it would be too much: a batch ends, and goes on. */
static void global_is_bounded(void **state)
{
	struct rig *r = vg_rig_open(0);
	struct words g[64];
	struct iod_guest_result res;
	size_t i, done = 0;
	unsigned int calls = 0;
	int ret;

	for (i = 4; i < 1000; i++)
		iodt_assert_ok(iod_vtd_viommu_map_domain(r->v, (uint16_t)i, (uint16_t)DID(i)));
	for (i = 0; i < 64; i++)
		g[i] = i % 2 ? vg_dev_tlb(0x10, i * K4, 0, 0) : iotlb_global;
	while (done < 64) {
		r->nr = 0;
		ret = vg_run(r, g + done, 64 - done, &res);
		assert_true(ret == 0 || ret == -EAGAIN);
		assert_true(res.handled > 0 && r->nr <= IOD_VTD_VIOMMU_MAX_EXPAND + 64);
		done += res.handled;
		calls++;
	}
	assert_in_range(calls, 7, 11);
	vg_rig_close(r);
}

/* A global one of more domains than a batch may become more: what comes behind it is bounded nevertheless. */
static void bounded_behind_global(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	const struct iod_vtd_sink sink = { sizeof(sink), vg_issue, r };
	struct iod_vtd_viommu_cfg cfg = vg_rig_cfg(r, &sink, 0);
	const unsigned int domains = IOD_VTD_VIOMMU_MAX_EXPAND + 4;
	struct words g[34] = { iotlb_global, vg_dev_tlb(0x10, 0, 0, 0) };
	struct iod_guest_result res;
	size_t i;

	cfg.max_domains = domains;
	cfg.host.cap &= ~IOD_VTD_CAP_MAMV;
	cfg.host.cap |= UINT64_C(9) << 48;
	vg_rig_start(r, &cfg);
	for (i = 4; i < domains; i++)
		iodt_assert_ok(iod_vtd_viommu_map_domain(r->v, (uint16_t)i, (uint16_t)DID(i)));
	for (i = 2; i < 34; i++) /* 256 pieces each */
		g[i] = vg_p_iotlb(1, 2, (uint64_t)i << 32, 17, 0);
	iodt_assert_ok(vg_run(r, g, 34, &res));
	assert_int_equal(r->nr, domains + 33);
	vg_rig_close(r);
}

/* Pages side by side are the fewest aligned blocks that are exactly these; duplicates go. */
static void joins(void **state)
{
	struct rig *r = vg_rig_open(0);
	struct words g[64], h[2];
	size_t i;

	for (i = 0; i < 64; i++)
		g[i] = vg_p_iotlb(1, 2, 0x100000 + i * K4, 0, 1);
	h[0] = vg_p_iotlb(DID(1), 2, 0x100000, 6, 1);
	vg_becomes(r, g, 64, h, 1);
	/* 63 of them: 32, 16, 8, 4, 2, 1 */
	{
		struct words p[6];
		uint64_t at = 0x100000;

		for (i = 0; i < 6; i++) {
			p[i] = vg_p_iotlb(DID(1), 2, at, 5 - (unsigned int)i, 1);
			at += K4 << (5 - i);
		}
		vg_becomes(r, g, 63, p, 6);
	}
	/* other IH, other PASID, other domain: for themselves */
	g[1].w[1] &= ~UINT64_C(0x40);
	h[0] = vg_p_iotlb(DID(1), 2, 0x100000, 0, 1);
	h[1] = vg_p_iotlb(DID(1), 2, 0x101000, 0, 0);
	vg_becomes(r, g, 2, h, 2);
	/* the same twice; and again when another kind came between */
	g[1] = g[0];
	vg_becomes(r, g, 2, h, 1);
	g[1] = vg_dev_tlb(0x10, K4, 0, 0);
	g[2] = g[0];
	{
		const struct words w[3] = { h[0], vg_dev_tlb(SID(0x10), K4, 5, 0x8123), h[0] };

		vg_becomes(r, g, 3, w, 3);
	}
	vg_rig_close(r);
	r = vg_rig_open(IOD_VTD_VIOMMU_LITERAL);
	g[1] = g[0];
	h[1] = h[0];
	vg_becomes(r, g, 2, h, 2);
	vg_rig_close(r);
}

/* A host with a smaller MAMV: pieces, and where they are too many everything of the PASID. */
static void narrow_host(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = vg_issue, .cookie = r };
	struct iod_vtd_viommu_cfg cfg = vg_rig_cfg(r, &sink, 0);
	struct words g, h[4];
	unsigned int i;

	cfg.host.cap &= ~IOD_VTD_CAP_MAMV;
	cfg.host.cap |= UINT64_C(9) << 48;
	vg_rig_start(r, &cfg);
	g = vg_p_iotlb(1, 2, 0x40000000, 11, 1);
	for (i = 0; i < 4; i++)
		h[i] = vg_p_iotlb(DID(1), 2, 0x40000000 + i * UINT64_C(0x200000), 9, 1);
	vg_becomes(r, &g, 1, h, 4);
	g = vg_p_iotlb(1, 2, 0, 30, 1);
	h[0] = vg_p_all(DID(1), 2);
	vg_becomes(r, &g, 1, h, 1);
	vg_rig_close(r);
}

static void errors(void **state)
{
	struct rig *r = vg_rig_open(0);
	struct words bad;

	vg_refused(r, vg_p_iotlb(9, 7, K4, 0, 0), -ENOENT, IOD_CMD_BAD_DOMAIN, 0);
	vg_refused(r, vg_p_all(9, 7), -ENOENT, IOD_CMD_BAD_DOMAIN, 0);
	vg_refused(r, vg_iotlb_domain(0x101), -ENOENT, IOD_CMD_BAD_DOMAIN, 0);
	vg_refused(r, vg_dev_tlb(0x8010, K4, 0, 0), -ENOENT, IOD_CMD_BAD_SOURCE, 0x8010);
	vg_refused(r, vg_p_dev_tlb(0x20, 1, K4, 0, 0), -ENOENT, IOD_CMD_BAD_SOURCE, 0x20);
	vg_refused(r, vg_response(0x10, 1, 0, 3), -EOPNOTSUPP, IOD_CMD_BAD_PERMISSION, 0x10);
	vg_refused(r, wait_status, -EOPNOTSUPP, IOD_CMD_BAD_POLICY, 0);
	bad = vg_p_iotlb(1, 7, K4, 0, 0);
	bad.w[0] |= UINT64_C(1) << 60;
	vg_refused(r, bad, -EINVAL, IOD_CMD_BAD_RESERVED, 0);
	bad.w[0] = 0x0f;
	bad.w[1] = 0;
	vg_refused(r, bad, -EOPNOTSUPP, IOD_CMD_BAD_OPCODE, 0);
	vg_rig_close(r);
	r = vg_rig_open(IOD_VTD_VIOMMU_STRICT_DEV_TLB);
	vg_refused(r, vg_dev_tlb(0x12, K4, 0, 0), -EOPNOTSUPP, IOD_CMD_BAD_STATE, 0x12);
	vg_rig_close(r);
}

/* The guest's structures are the VMM's to read. */
static void config_is_told(void **state)
{
	struct rig *r = vg_rig_open(0);
	const struct words g[3] = { vg_p_iotlb(1, 7, K4, 0, 0),
				    { { 0x17 | 2u << 16 | UINT64_C(5) << 32, 0 } },
				    vg_p_iotlb(1, 7, K4, 0, 0) };
	const struct words want[2] = { vg_p_iotlb(DID(1), 7, K4, 0, 0),
				       vg_p_iotlb(DID(1), 7, K4, 0, 0) };
	struct iod_guest_result res;

	iodt_assert_ok(vg_run(r, g, 3, &res));
	assert_int_equal(res.handled, 3);
	assert_int_equal(r->configs, 1);
	assert_int_equal(r->last.type, IOD_VTD_PASID_CACHE_INV);
	assert_int_equal(r->last.did, 2);
	assert_int_equal(r->last.pasid, 5);
	vg_expect(r, want, 2);
	r->config_answer = -EPERM;
	vg_refused(r, g[1], -EPERM, IOD_CMD_BAD_POLICY, 0);
	vg_rig_close(r);
}

/* PASIDs with names of their own: both ways, and none but the guest's. */
static void mapped_pasids(void **state)
{
	struct rig *r = vg_rig_open(IOD_VTD_VIOMMU_MAP_PASIDS);
	struct words g, h;
	uint32_t pasid;

	iodt_assert_ok(iod_vtd_viommu_map_pasid(r->v, 7, 0x777));
	iodt_assert_ok(iod_vtd_viommu_map_pasid(r->v, 8, 0x888));
	assert_int_equal(iod_vtd_viommu_map_pasid(r->v, 9, 0x888), -EEXIST);
	g = vg_p_iotlb(1, 8, K4, 0, 0);
	h = vg_p_iotlb(DID(1), 0x888, K4, 0, 0);
	vg_becomes(r, &g, 1, &h, 1);
	g = vg_p_dev_tlb(0x10, 8, K4, 0, 0);
	h = vg_p_dev_tlb(SID(0x10), 0x888, K4, 5, 0x8123);
	vg_becomes(r, &g, 1, &h, 1);
	iodt_assert_ok(iod_vtd_viommu_find_vpasid(r->v, 0x888, &pasid));
	assert_int_equal(pasid, 8);
	iodt_assert_ok(iod_vtd_viommu_unmap_pasid(r->v, 8));
	assert_int_equal(iod_vtd_viommu_find_pasid(r->v, 8, &pasid), -ENOENT);
	g = vg_p_iotlb(1, 8, K4, 0, 0);
	{
		struct iod_guest_result res;

		assert_int_equal(vg_run(r, &g, 1, &res), -ENOENT);
		assert_int_equal(res.reason, IOD_CMD_BAD_PASID);
		assert_int_equal(r->nr, 0);
	}
	vg_rig_close(r);
}

static void page_requests(void **state)
{
	struct rig *r = vg_rig_open(IOD_VTD_VIOMMU_ALLOW_PRI | IOD_VTD_VIOMMU_ACCEPT_WAIT);
	struct words g[2] = { vg_response(0x11, 3, 1, 0x1ff), wait_status }, h;
	struct iod_vtd_raw_page_req host, guest;
	struct iod_vtd_page_req req = { .sid = (uint16_t)SID(0x11),
					.pasid = 3,
					.pasid_valid = true,
					.read = true,
					.last = true,
					.prgi = 5,
					.addr = 0x9000 };

	h = vg_response(SID(0x11), 3, 1, 0x1ff);
	vg_becomes(r, g, 1, &h, 1);
	g[1].w[0] |= 1u << 7; /* PD */
	vg_becomes(r, g, 2, &h, 1);
	assert_int_equal(r->drains, 1);
	assert_int_equal(r->waits, 1);
	assert_int_equal(r->last.data, 0x1234);
	/* to the guest */
	iodt_assert_ok(iod_vtd_page_req_encode(&host, &req));
	iodt_assert_ok(iod_vtd_viommu_page_req(r->v, &host, &guest));
	iodt_assert_ok(iod_vtd_page_req_decode(&req, &guest, NULL));
	assert_int_equal(req.sid, 0x11);
	req.sid = 0x11; /* no such host device */
	iodt_assert_ok(iod_vtd_page_req_encode(&host, &req));
	assert_int_equal(iod_vtd_viommu_page_req(r->v, &host, &guest), -ENOENT);
	vg_rig_close(r);
}

static void faults(void **state)
{
	struct rig *r = vg_rig_open(0);
	struct iod_vtd_fault f = { .reason = (enum iod_vtd_fault_reason)0x71,
				   .sid = (uint16_t)SID(0x10),
				   .pasid = 3,
				   .pasid_valid = true,
				   .fault = true,
				   .addr = 0x7000 };
	struct iod_vtd_raw_fault host, guest;

	iodt_assert_ok(iod_vtd_fault_encode(&host, &f));
	iodt_assert_ok(iod_vtd_viommu_fault(r->v, &host, &guest));
	iodt_assert_ok(iod_vtd_fault_decode(&f, &guest, NULL));
	assert_int_equal(f.sid, 0x10);
	assert_int_equal(f.addr, 0x7000);
	f.reason = (enum iod_vtd_fault_reason)0x78; /* the second stage is the host's */
	f.sid = (uint16_t)SID(0x10);
	iodt_assert_ok(iod_vtd_fault_encode(&host, &f));
	assert_int_equal(iod_vtd_viommu_fault(r->v, &host, &guest), -EOPNOTSUPP);
	vg_rig_close(r);
}

/* Whatever the host refuses: what is handled was taken. */
static void host_fails(void **state)
{
	struct words g[20];
	struct iod_guest_result res;
	struct rig *r;
	size_t i, k;

	for (i = 0; i < 20; i++)
		g[i] = i % 5 == 4 ? vg_dev_tlb(0x10, i * K4, 0, 0)
				  : vg_p_iotlb(1, 2, i * 2 * K4, 0, 0);
	for (k = 0; k < 20; k++) {
		r = vg_rig_open(0);
		r->fail = -EIO;
		r->fail_at = k;
		assert_int_equal(vg_run(r, g, 20, &res), -EIO);
		assert_int_equal(res.handled, k);
		assert_int_equal(res.index, k);
		assert_int_equal(res.reason, IOD_CMD_BAD_ISSUE);
		assert_int_equal(res.op, g[k].w[0] & 0xf);
		assert_int_equal(res.sid, k % 5 == 4 ? 0x10 : 0);
		assert_true(res.synced);
		assert_int_equal(r->nr, k);
		vg_rig_close(r);
	}
	r = vg_rig_open(0);
	r->fail_sync = -ETIMEDOUT;
	assert_int_equal(vg_run(r, g, 20, &res), -ETIMEDOUT);
	assert_int_equal(res.handled, 20);
	assert_int_equal(res.op, IOD_VTD_WAIT);
	assert_false(res.synced);
	vg_rig_close(r);
}

/* Duplicates behind what is joined count as well, and with one sync for each there are as many. */
static void accounts(void **state)
{
	struct words g[4] = { vg_p_iotlb(1, 2, 0, 0, 0), vg_p_iotlb(1, 2, K4, 0, 0),
			      vg_p_iotlb(1, 2, 0, 0, 0), vg_p_iotlb(1, 2, 2 * K4, 0, 0) };
	struct iod_guest_result res;
	struct rig *r = vg_rig_open(0);

	iodt_assert_ok(vg_run(r, g, 4, &res));
	assert_int_equal(res.handled, 4);
	assert_int_equal(r->nr, 2); /* two pages, one page */
	vg_rig_close(r);
	r = vg_rig_open(IOD_VTD_VIOMMU_SYNC_EACH);
	iodt_assert_ok(vg_run(r, g, 4, &res));
	assert_int_equal(res.syncs, 4);
	assert_int_equal(r->nr, 4);
	vg_rig_close(r);
	r = vg_rig_open(IOD_VTD_VIOMMU_NO_SYNC);
	iodt_assert_ok(vg_run(r, g, 4, &res));
	assert_int_equal(res.syncs, 0);
	assert_false(res.synced);
	vg_rig_close(r);
	r = vg_rig_open(IOD_VTD_VIOMMU_REPEAT);
	iodt_assert_ok(vg_run(r, g, 1, &res));
	assert_int_equal(r->nr, 2);
	vg_rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(global),
		cmocka_unit_test(global_is_bounded),
		cmocka_unit_test(bounded_behind_global),
		cmocka_unit_test(joins),
		cmocka_unit_test(narrow_host),
		cmocka_unit_test(errors),
		cmocka_unit_test(config_is_told),
		cmocka_unit_test(mapped_pasids),
		cmocka_unit_test(page_requests),
		cmocka_unit_test(faults),
		cmocka_unit_test(host_fails),
		cmocka_unit_test(accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
