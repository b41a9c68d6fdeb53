/* SPDX-License-Identifier: MIT */
/*
 * A guest's VT-d descriptors become the host's: words written by hand from the specification on both sides. What is
 * handled was taken, whatever fails.
 */
#include "iodtest.h"

#define DID(vdid) (0x100u + (vdid))
#define SID(vsid) (0x8000u + (vsid))
#define LOG	  20000u
#define K4	  UINT64_C(0x1000)

struct words {
	uint64_t w[2];
};

struct rig {
	struct iod_vtd_viommu *v;
	struct words host[LOG];
	size_t nr, at_sync, fail_at;
	unsigned int syncs, drains, waits, configs, strangers;
	int fail, fail_sync, config_answer;
	struct iod_vtd_desc last;
};

static uint64_t iodt_le(uint64_t word)
{
	const unsigned char *at = (const unsigned char *)&word;
	uint64_t v = 0;

	for (unsigned int i = 0; i < 8; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

/* ---- words, by hand ---- */

static struct words p_iotlb(unsigned int did, uint64_t pasid, uint64_t addr, unsigned int am,
			    unsigned int ih)
{
	return (struct words){ { 0x36 | (uint64_t)did << 16 | pasid << 32, addr | ih << 6 | am } };
}

static struct words p_all(unsigned int did, uint64_t pasid)
{
	return (struct words){ { 0x26 | (uint64_t)did << 16 | pasid << 32, 0 } };
}

static struct words iotlb_domain(unsigned int did)
{
	return (struct words){ { 0x22 | (uint64_t)did << 16, 0 } };
}

static struct words iotlb_page(unsigned int did, uint64_t addr)
{
	return (struct words){ { 0x32 | (uint64_t)did << 16, addr } };
}

static const struct words iotlb_global = { { 0x12, 0 } };

static struct words dev_tlb(uint64_t sid, uint64_t addr, unsigned int mip, uint64_t pfsid)
{
	return (struct words){ { 3 | mip << 16 | (pfsid & 0xf) << 12 | sid << 32 | pfsid >> 4 << 52,
				 addr } };
}

static struct words p_dev_tlb(uint64_t sid, uint64_t pasid, uint64_t addr, unsigned int mip,
			      uint64_t pfsid)
{
	return (struct words){ { 8 | mip << 4 | (pfsid & 0xf) << 12 | sid << 16 | pasid << 32 |
					 pfsid >> 4 << 52,
				 addr } };
}

static struct words response(uint64_t rid, uint64_t pasid, unsigned int rc, uint64_t prgi)
{
	return (struct words){ { 0x19 | rc << 12 | rid << 16 | pasid << 32, prgi << 3 } };
}

static const struct words wait_status = { { 0x25 | UINT64_C(0x1234) << 32, 0x5000 } };

/* ---- the host ---- */

static int issue(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, bool sync,
		 size_t *issued)
{
	struct rig *r = cookie;
	size_t i;
	int ret;

	*issued = 0;
	for (i = 0; i < nr; i++) {
		if (r->fail && r->nr == r->fail_at) {
			ret = r->fail;
			r->fail = 0;
			return ret;
		}
		assert_true(r->nr < LOG);
		r->host[r->nr++] =
			(struct words){ { iodt_le(descs[i].word[0]), iodt_le(descs[i].word[1]) } };
		assert_true(!descs[i].word[2] && !descs[i].word[3]);
		++*issued;
	}
	if (!sync)
		return 0;
	r->syncs++;
	ret = r->fail_sync;
	r->fail_sync = 0;
	if (!ret)
		r->at_sync = r->nr;
	return ret;
}

static int config(void *cookie, const struct iod_vtd_desc *desc)
{
	struct rig *r = cookie;

	/* What came before is complete. */
	assert_int_equal(r->at_sync, r->nr);
	r->configs++;
	r->last = *desc;
	return r->config_answer;
}

static int stranger(void *cookie, const struct iod_vtd_desc *desc)
{
	struct rig *r = cookie;

	r->strangers++;
	r->last = *desc;
	return desc->sid == 0x77 ? 0 : -ENOENT;
}

static int drain(void *cookie)
{
	((struct rig *)cookie)->drains++;
	return 0;
}

static void waited(void *cookie, const struct iod_vtd_desc *wait)
{
	struct rig *r = cookie;

	assert_int_equal(r->at_sync, r->nr);
	r->waits++;
	r->last = *wait;
}

/* ---- the rig ---- */

static struct iod_vtd_viommu_cfg rig_cfg(struct rig *r, const struct iod_vtd_sink *sink,
					 uint32_t flags)
{
	struct iod_vtd_viommu_cfg cfg = { .size = sizeof(cfg),
					  .sink = sink,
					  .flags = flags,
					  .config = config,
					  .drain = drain,
					  .waited = waited,
					  .cookie = r };

	iodt_assert_ok(iod_vtd_id_full(&cfg.host));
	iodt_assert_ok(
		iod_vtd_viommu_expose(&cfg.guest, &cfg.host, flags & IOD_VTD_VIOMMU_ALLOW_PRI));
	return cfg;
}

static void rig_start(struct rig *r, const struct iod_vtd_viommu_cfg *cfg)
{
	struct iod_vtd_vdev dev = { .size = sizeof(dev), .mip = 5, .pfsid = 0x8123 };
	unsigned int i;

	iodt_assert_ok(iod_vtd_viommu_create(&r->v, cfg));
	for (i = 0; i < 4; i++) {
		iodt_assert_ok(iod_vtd_viommu_map_domain(r->v, (uint16_t)i, (uint16_t)DID(i)));
		dev.vsid = (uint16_t)(0x10 + i);
		dev.sid = (uint16_t)SID(0x10 + i);
		dev.state = i == 2 ? IOD_VDEV_ATS_OFF : i == 3 ? IOD_VDEV_BLOCKED : IOD_VDEV_ON;
		iodt_assert_ok(iod_vtd_viommu_add(r->v, &dev));
	}
}

static struct rig *rig_open(uint32_t flags)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = issue, .cookie = r };
	struct iod_vtd_viommu_cfg cfg;

	assert_non_null(r);
	cfg = rig_cfg(r, &sink, flags);
	rig_start(r, &cfg);
	return r;
}

static void rig_close(struct rig *r)
{
	iodt_assert_ok(iod_vtd_viommu_destroy(r->v));
	free(r);
}

static int run(struct rig *r, const struct words *w, size_t nr, struct iod_guest_result *res)
{
	struct iod_vtd_raw_desc *raw = calloc(nr ? nr : 1, sizeof(*raw));
	size_t i;
	int ret;

	assert_non_null(raw);
	for (i = 0; i < nr; i++) {
		iodt_put_le64(&raw[i].word[0], w[i].w[0]);
		iodt_put_le64(&raw[i].word[1], w[i].w[1]);
	}
	*res = (struct iod_guest_result){ .size = sizeof(*res) };
	ret = iod_vtd_viommu_invalidate(r->v, raw, nr, res);
	free(raw);
	return ret;
}

static void expect(struct rig *r, const struct words *want, size_t nr)
{
	size_t i;

	assert_int_equal(r->nr, nr);
	for (i = 0; i < nr; i++) {
		assert_int_equal(r->host[i].w[0], want[i].w[0]);
		assert_int_equal(r->host[i].w[1], want[i].w[1]);
	}
	r->nr = r->at_sync = 0;
}

static void becomes(struct rig *r, const struct words *guest, size_t nr, const struct words *want,
		    size_t nr_want)
{
	struct iod_guest_result res;

	r->syncs = 0;
	iodt_assert_ok(run(r, guest, nr, &res));
	assert_int_equal(res.handled, nr);
	assert_int_equal(res.index, nr);
	assert_int_equal(res.reason, IOD_CMD_OK);
	assert_int_equal(res.host_commands, nr_want);
	assert_int_equal(res.syncs, nr_want ? 1 : 0);
	assert_int_equal(r->syncs, res.syncs);
	assert_true(res.synced);
	expect(r, want, nr_want);
}

/* The second of three fails: the first is issued and complete, the third not looked at. */
static void refused(struct rig *r, struct words bad, int error, enum iod_cmd_reason reason,
		    uint32_t sid)
{
	const struct words guest[3] = { p_iotlb(1, 7, K4, 0, 0), bad, p_iotlb(1, 7, 9 * K4, 0, 0) };
	const struct words want[1] = { p_iotlb(DID(1), 7, K4, 0, 0) };
	struct iod_guest_result res;

	assert_int_equal(run(r, guest, 3, &res), error);
	assert_int_equal(res.handled, 1);
	assert_int_equal(res.index, 1);
	assert_int_equal(res.reason, reason);
	assert_int_equal(res.sid, sid);
	assert_int_equal(res.op, bad.w[0] & 0xf);
	assert_true(res.synced);
	expect(r, want, 1);
}

/* ---- tests ---- */

static void names(void **state)
{
	struct rig *r = rig_open(0);
	struct words g, h;

	g = p_iotlb(3, 0x54321, 5 * K4, 0, 1);
	h = p_iotlb(DID(3), 0x54321, 5 * K4, 0, 1);
	becomes(r, &g, 1, &h, 1);
	g = p_iotlb(0, 1, 0x200000, 9, 0);
	h = p_iotlb(DID(0), 1, 0x200000, 9, 0);
	becomes(r, &g, 1, &h, 1);
	g = p_all(2, 4);
	h = p_all(DID(2), 4);
	becomes(r, &g, 1, &h, 1);
	g = iotlb_domain(2);
	h = iotlb_domain(DID(2));
	becomes(r, &g, 1, &h, 1);
	/* second-stage addresses are not the guest's: all of its domain */
	g = iotlb_page(2, 0x7000);
	becomes(r, &g, 1, &h, 1);
	/* MIP and PFSID are the host's */
	g = dev_tlb(0x10, 0x3000, 31, 0x4444);
	h = dev_tlb(SID(0x10), 0x3000, 5, 0x8123);
	becomes(r, &g, 1, &h, 1);
	g = dev_tlb(0x11, 0x7ffffffffffff001, 0, 0); /* S: everything */
	h = dev_tlb(SID(0x11), 0x7ffffffffffff001, 5, 0x8123);
	becomes(r, &g, 1, &h, 1);
	g = p_dev_tlb(0x11, 9, 0x5000, 2, 1);
	h = p_dev_tlb(SID(0x11), 9, 0x5000, 5, 0x8123);
	becomes(r, &g, 1, &h, 1);
	g = p_dev_tlb(0x11, 0, 0x5001, 2, 1); /* global */
	h = p_dev_tlb(SID(0x11), 0, 0x5001, 5, 0x8123);
	becomes(r, &g, 1, &h, 1);
	/* devices without a TLB, or out of order */
	g = dev_tlb(0x12, 0x3000, 0, 0);
	becomes(r, &g, 1, NULL, 0);
	g = p_dev_tlb(0x13, 3, 0x3000, 0, 0);
	becomes(r, &g, 1, NULL, 0);
	rig_close(r);
}

/* Everything: each of its domains, once; what comes behind is covered. */
static void global(void **state)
{
	struct rig *r = rig_open(0);
	const struct words g[4] = { p_iotlb(1, 1, K4, 0, 0), iotlb_global,
				    p_iotlb(1, 1, 2 * K4, 0, 0), iotlb_global };
	struct iod_guest_result res;
	unsigned int seen = 0;
	size_t i;

	iodt_assert_ok(run(r, g, 4, &res));
	assert_int_equal(res.handled, 4);
	assert_int_equal(r->nr, 1 + 4);
	for (i = 1; i < 5; i++) {
		unsigned int did = (unsigned int)(r->host[i].w[0] >> 16 & 0xffff);

		assert_int_equal(r->host[i].w[0], iotlb_domain(did).w[0]);
		assert_in_range(did, DID(0), DID(3));
		seen |= 1u << (did - DID(0));
	}
	assert_int_equal(seen, 0xf);
	rig_close(r);
}

/* So many domains and globals between other kinds that it would be too much: a batch ends, and goes on. */
static void global_is_bounded(void **state)
{
	struct rig *r = rig_open(0);
	struct words g[64];
	struct iod_guest_result res;
	size_t i, done = 0;
	unsigned int calls = 0;
	int ret;

	for (i = 4; i < 1000; i++)
		iodt_assert_ok(iod_vtd_viommu_map_domain(r->v, (uint16_t)i, (uint16_t)DID(i)));
	for (i = 0; i < 64; i++)
		g[i] = i % 2 ? dev_tlb(0x10, i * K4, 0, 0) : iotlb_global;
	while (done < 64) {
		r->nr = 0;
		ret = run(r, g + done, 64 - done, &res);
		assert_true(ret == 0 || ret == -EAGAIN);
		assert_true(res.handled > 0 && r->nr <= IOD_VTD_VIOMMU_MAX_EXPAND + 64);
		done += res.handled;
		calls++;
	}
	assert_in_range(calls, 7, 11);
	rig_close(r);
}

/* Pages side by side are the fewest aligned blocks that are exactly these; duplicates go. */
static void joins(void **state)
{
	struct rig *r = rig_open(0);
	struct words g[64], h[2];
	size_t i;

	for (i = 0; i < 64; i++)
		g[i] = p_iotlb(1, 2, 0x100000 + i * K4, 0, 1);
	h[0] = p_iotlb(DID(1), 2, 0x100000, 6, 1);
	becomes(r, g, 64, h, 1);
	/* 63 of them: 32, 16, 8, 4, 2, 1 */
	{
		struct words p[6];
		uint64_t at = 0x100000;

		for (i = 0; i < 6; i++) {
			p[i] = p_iotlb(DID(1), 2, at, 5 - (unsigned int)i, 1);
			at += K4 << (5 - i);
		}
		becomes(r, g, 63, p, 6);
	}
	/* other IH, other PASID, other domain: for themselves */
	g[1].w[1] &= ~UINT64_C(0x40);
	h[0] = p_iotlb(DID(1), 2, 0x100000, 0, 1);
	h[1] = p_iotlb(DID(1), 2, 0x101000, 0, 0);
	becomes(r, g, 2, h, 2);
	/* the same twice; and again when another kind came between */
	g[1] = g[0];
	becomes(r, g, 2, h, 1);
	g[1] = dev_tlb(0x10, K4, 0, 0);
	g[2] = g[0];
	{
		const struct words w[3] = { h[0], dev_tlb(SID(0x10), K4, 5, 0x8123), h[0] };

		becomes(r, g, 3, w, 3);
	}
	rig_close(r);
	r = rig_open(IOD_VTD_VIOMMU_LITERAL);
	g[1] = g[0];
	h[1] = h[0];
	becomes(r, g, 2, h, 2);
	rig_close(r);
}

/* A host with a smaller MAMV: pieces, and where they are too many everything of the PASID. */
static void narrow_host(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = issue, .cookie = r };
	struct iod_vtd_viommu_cfg cfg = rig_cfg(r, &sink, 0);
	struct words g, h[4];
	unsigned int i;

	cfg.host.cap &= ~IOD_VTD_CAP_MAMV;
	cfg.host.cap |= UINT64_C(9) << 48;
	rig_start(r, &cfg);
	g = p_iotlb(1, 2, 0x40000000, 11, 1);
	for (i = 0; i < 4; i++)
		h[i] = p_iotlb(DID(1), 2, 0x40000000 + i * UINT64_C(0x200000), 9, 1);
	becomes(r, &g, 1, h, 4);
	g = p_iotlb(1, 2, 0, 30, 1);
	h[0] = p_all(DID(1), 2);
	becomes(r, &g, 1, h, 1);
	rig_close(r);
}

static void errors(void **state)
{
	struct rig *r = rig_open(0);
	struct words bad;

	refused(r, p_iotlb(9, 7, K4, 0, 0), -ENOENT, IOD_CMD_BAD_DOMAIN, 0);
	refused(r, p_all(9, 7), -ENOENT, IOD_CMD_BAD_DOMAIN, 0);
	refused(r, iotlb_domain(0x101), -ENOENT, IOD_CMD_BAD_DOMAIN, 0);
	refused(r, dev_tlb(0x8010, K4, 0, 0), -ENOENT, IOD_CMD_BAD_SOURCE, 0x8010);
	refused(r, p_dev_tlb(0x20, 1, K4, 0, 0), -ENOENT, IOD_CMD_BAD_SOURCE, 0x20);
	refused(r, response(0x10, 1, 0, 3), -EOPNOTSUPP, IOD_CMD_BAD_PERMISSION, 0x10);
	refused(r, wait_status, -EOPNOTSUPP, IOD_CMD_BAD_POLICY, 0);
	bad = p_iotlb(1, 7, K4, 0, 0);
	bad.w[0] |= UINT64_C(1) << 60;
	refused(r, bad, -EINVAL, IOD_CMD_BAD_RESERVED, 0);
	bad.w[0] = 0x0f;
	bad.w[1] = 0;
	refused(r, bad, -EOPNOTSUPP, IOD_CMD_BAD_OPCODE, 0);
	rig_close(r);
	r = rig_open(IOD_VTD_VIOMMU_STRICT_DEV_TLB);
	refused(r, dev_tlb(0x12, K4, 0, 0), -EOPNOTSUPP, IOD_CMD_BAD_STATE, 0x12);
	rig_close(r);
}

/* The guest's structures are the VMM's to read. */
static void config_is_told(void **state)
{
	struct rig *r = rig_open(0);
	const struct words g[3] = { p_iotlb(1, 7, K4, 0, 0),
				    { { 0x17 | 2u << 16 | UINT64_C(5) << 32, 0 } },
				    p_iotlb(1, 7, K4, 0, 0) };
	const struct words want[2] = { p_iotlb(DID(1), 7, K4, 0, 0), p_iotlb(DID(1), 7, K4, 0, 0) };
	struct iod_guest_result res;

	iodt_assert_ok(run(r, g, 3, &res));
	assert_int_equal(res.handled, 3);
	assert_int_equal(r->configs, 1);
	assert_int_equal(r->last.type, IOD_VTD_PASID_CACHE_INV);
	assert_int_equal(r->last.did, 2);
	assert_int_equal(r->last.pasid, 5);
	expect(r, want, 2);
	r->config_answer = -EPERM;
	refused(r, g[1], -EPERM, IOD_CMD_BAD_POLICY, 0);
	rig_close(r);
}

/* PASIDs with names of their own: both ways, and none but the guest's. */
static void mapped_pasids(void **state)
{
	struct rig *r = rig_open(IOD_VTD_VIOMMU_MAP_PASIDS);
	struct words g, h;
	uint32_t pasid;

	iodt_assert_ok(iod_vtd_viommu_map_pasid(r->v, 7, 0x777));
	iodt_assert_ok(iod_vtd_viommu_map_pasid(r->v, 8, 0x888));
	assert_int_equal(iod_vtd_viommu_map_pasid(r->v, 9, 0x888), -EEXIST);
	g = p_iotlb(1, 8, K4, 0, 0);
	h = p_iotlb(DID(1), 0x888, K4, 0, 0);
	becomes(r, &g, 1, &h, 1);
	g = p_dev_tlb(0x10, 8, K4, 0, 0);
	h = p_dev_tlb(SID(0x10), 0x888, K4, 5, 0x8123);
	becomes(r, &g, 1, &h, 1);
	iodt_assert_ok(iod_vtd_viommu_find_vpasid(r->v, 0x888, &pasid));
	assert_int_equal(pasid, 8);
	iodt_assert_ok(iod_vtd_viommu_unmap_pasid(r->v, 8));
	assert_int_equal(iod_vtd_viommu_find_pasid(r->v, 8, &pasid), -ENOENT);
	g = p_iotlb(1, 8, K4, 0, 0);
	{
		struct iod_guest_result res;

		assert_int_equal(run(r, &g, 1, &res), -ENOENT);
		assert_int_equal(res.reason, IOD_CMD_BAD_PASID);
		assert_int_equal(r->nr, 0);
	}
	rig_close(r);
}

static void page_requests(void **state)
{
	struct rig *r = rig_open(IOD_VTD_VIOMMU_ALLOW_PRI | IOD_VTD_VIOMMU_ACCEPT_WAIT);
	struct words g[2] = { response(0x11, 3, 1, 0x1ff), wait_status }, h;
	struct iod_vtd_raw_page_req host, guest;
	struct iod_vtd_page_req req = { .sid = (uint16_t)SID(0x11),
					.pasid = 3,
					.pasid_valid = true,
					.read = true,
					.last = true,
					.prgi = 5,
					.addr = 0x9000 };

	h = response(SID(0x11), 3, 1, 0x1ff);
	becomes(r, g, 1, &h, 1);
	g[1].w[0] |= 1u << 7; /* PD */
	becomes(r, g, 2, &h, 1);
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
	rig_close(r);
}

static void faults(void **state)
{
	struct rig *r = rig_open(0);
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
	rig_close(r);
}

/* Whatever the host refuses: what is handled was taken. */
static void host_fails(void **state)
{
	struct words g[20];
	struct iod_guest_result res;
	struct rig *r;
	size_t i, k;

	for (i = 0; i < 20; i++)
		g[i] = i % 5 == 4 ? dev_tlb(0x10, i * K4, 0, 0) : p_iotlb(1, 2, i * 2 * K4, 0, 0);
	for (k = 0; k < 20; k++) {
		r = rig_open(0);
		r->fail = -EIO;
		r->fail_at = k;
		assert_int_equal(run(r, g, 20, &res), -EIO);
		assert_int_equal(res.handled, k);
		assert_int_equal(res.index, k);
		assert_int_equal(res.reason, IOD_CMD_BAD_ISSUE);
		assert_int_equal(res.op, g[k].w[0] & 0xf);
		assert_int_equal(res.sid, k % 5 == 4 ? 0x10 : 0);
		assert_true(res.synced);
		assert_int_equal(r->nr, k);
		rig_close(r);
	}
	r = rig_open(0);
	r->fail_sync = -ETIMEDOUT;
	assert_int_equal(run(r, g, 20, &res), -ETIMEDOUT);
	assert_int_equal(res.handled, 20);
	assert_int_equal(res.op, IOD_VTD_WAIT);
	assert_false(res.synced);
	rig_close(r);
}

/* Duplicates behind what is joined count as well, and with one sync for each there are as many. */
static void accounts(void **state)
{
	struct words g[4] = { p_iotlb(1, 2, 0, 0, 0), p_iotlb(1, 2, K4, 0, 0),
			      p_iotlb(1, 2, 0, 0, 0), p_iotlb(1, 2, 2 * K4, 0, 0) };
	struct iod_guest_result res;
	struct rig *r = rig_open(0);

	iodt_assert_ok(run(r, g, 4, &res));
	assert_int_equal(res.handled, 4);
	assert_int_equal(r->nr, 2); /* two pages, one page */
	rig_close(r);
	r = rig_open(IOD_VTD_VIOMMU_SYNC_EACH);
	iodt_assert_ok(run(r, g, 4, &res));
	assert_int_equal(res.syncs, 4);
	assert_int_equal(r->nr, 4);
	rig_close(r);
	r = rig_open(IOD_VTD_VIOMMU_NO_SYNC);
	iodt_assert_ok(run(r, g, 4, &res));
	assert_int_equal(res.syncs, 0);
	assert_false(res.synced);
	rig_close(r);
	r = rig_open(IOD_VTD_VIOMMU_REPEAT);
	iodt_assert_ok(run(r, g, 1, &res));
	assert_int_equal(r->nr, 2);
	rig_close(r);
}

/* ---- objects ---- */

static void tables(void **state)
{
	struct rig *r = rig_open(0);
	struct iod_vtd_vdev dev = { .size = sizeof(dev) };
	struct iod_viommu_stats stats = { .size = sizeof(stats) };
	struct words g = p_iotlb(1, 7, K4, 0, 0);
	struct iod_guest_result res;
	uint16_t id;

	iodt_assert_ok(iod_vtd_viommu_lookup(r->v, 0x11, &dev));
	assert_true(dev.sid == SID(0x11) && dev.mip == 5 && dev.pfsid == 0x8123 &&
		    dev.state == IOD_VDEV_ON);
	iodt_assert_ok(iod_vtd_viommu_lookup_sid(r->v, (uint16_t)SID(0x12), &dev));
	assert_true(dev.vsid == 0x12 && dev.state == IOD_VDEV_ATS_OFF);
	assert_int_equal(iod_vtd_viommu_lookup(r->v, 0x99, &dev), -ENOENT);
	assert_int_equal(iod_vtd_viommu_add(r->v, &dev), -EEXIST);
	iodt_assert_ok(iod_vtd_viommu_set_state(r->v, 0x12, IOD_VDEV_ON));
	iodt_assert_ok(iod_vtd_viommu_remove(r->v, 0x12));
	assert_int_equal(iod_vtd_viommu_remove(r->v, 0x12), -ENOENT);
	assert_int_equal(iod_vtd_viommu_devices(r->v), 3);
	iodt_assert_ok(iod_vtd_viommu_find_domain(r->v, 1, &id));
	assert_int_equal(id, DID(1));
	iodt_assert_ok(iod_vtd_viommu_find_vdomain(r->v, (uint16_t)DID(3), &id));
	assert_int_equal(id, 3);
	assert_int_equal(iod_vtd_viommu_map_domain(r->v, 9, (uint16_t)DID(3)), -EEXIST);
	iodt_assert_ok(iod_vtd_viommu_unmap_domain(r->v, 1));
	assert_int_equal(run(r, &g, 1, &res), -ENOENT);
	assert_int_equal(iod_vtd_viommu_map_pasid(r->v, 1, 1), -EOPNOTSUPP);
	iodt_assert_ok(iod_vtd_viommu_get_stats(r->v, &stats));
	assert_true(stats.batches == 1 && stats.refused == 1);
	rig_close(r);
}

static void refuses_to_show_more(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = issue, .cookie = r };
	struct iod_vtd_viommu_cfg cfg = rig_cfg(r, &sink, 0), c;
	struct iod_vtd_id no_nest = cfg.host, out;

	assert_int_equal(
		cfg.guest.ecap & (IOD_VTD_ECAP_NEST | IOD_VTD_ECAP_SSTS | IOD_VTD_ECAP_PRS), 0);
	assert_int_equal(cfg.guest.cap & IOD_VTD_CAP_CM, 0);
	c = cfg;
	c.guest.ecap |= IOD_VTD_ECAP_SSTS;
	assert_int_equal(iod_vtd_viommu_create(&r->v, &c), -EINVAL);
	c = cfg;
	c.guest.cap |= IOD_VTD_CAP_CM;
	assert_int_equal(iod_vtd_viommu_create(&r->v, &c), -EINVAL);
	c = cfg;
	c.host.ecap &= ~IOD_VTD_ECAP_SRS;
	assert_int_equal(iod_vtd_viommu_create(&r->v, &c), -EINVAL);
	c = cfg;
	c.guest.ecap |= IOD_VTD_ECAP_PDS;
	c.drain = NULL;
	assert_int_equal(iod_vtd_viommu_create(&r->v, &c), -EINVAL);
	c = cfg;
	c.flags = 1u << 30;
	assert_int_equal(iod_vtd_viommu_create(&r->v, &c), -EINVAL);
	c = cfg;
	c.flags = IOD_VTD_VIOMMU_NO_SYNC | IOD_VTD_VIOMMU_SYNC_EACH;
	assert_int_equal(iod_vtd_viommu_create(&r->v, &c), -EINVAL);
	no_nest.ecap &= ~IOD_VTD_ECAP_NEST;
	assert_int_equal(iod_vtd_viommu_expose(&out, &no_nest, 0), -EOPNOTSUPP);
	free(r);
}

/* Devices that the VMM emulates. */
static void strangers(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = issue, .cookie = r };
	struct iod_vtd_viommu_cfg cfg = rig_cfg(r, &sink, 0);
	struct words g = dev_tlb(0x77, K4, 0, 0);

	cfg.stranger = stranger;
	rig_start(r, &cfg);
	becomes(r, &g, 1, NULL, 0);
	assert_int_equal(r->strangers, 1);
	refused(r, dev_tlb(0x78, K4, 0, 0), -ENOENT, IOD_CMD_BAD_SOURCE, 0x78);
	rig_close(r);
}

static void pasid_entries(void **state)
{
	struct rig *r = rig_open(0);
	struct iod_vtd_pasid p = { .present = true,
				   .pgtt = IOD_VTD_PGTT_FIRST,
				   .did = 2,
				   .fspm = 1,
				   .sre = true,
				   .wpe = true,
				   .fsptptr = 0x123000 };
	struct iod_iommufd_hwpt_vtd_s1 hwpt;
	struct iod_vtd_raw_pasid raw;
	const char *why;
	uint16_t did;

	iodt_assert_ok(iod_vtd_pasid_encode(&raw, &p));
	iodt_assert_ok(iod_vtd_viommu_vpasid(r->v, &raw, &hwpt, &did, &why));
	assert_null(why);
	assert_int_equal(did, DID(2));
	assert_int_equal(hwpt.pgtbl_addr, 0x123000);
	assert_int_equal(hwpt.addr_width, 57);
	assert_int_equal(hwpt.flags, 1 | 4);
	p.did = 50;
	iodt_assert_ok(iod_vtd_pasid_encode(&raw, &p));
	assert_int_equal(iod_vtd_viommu_vpasid(r->v, &raw, &hwpt, &did, &why), -ENOENT);
	p.did = 2;
	p.ssptptr = 0x1000;
	iodt_assert_ok(iod_vtd_pasid_encode(&raw, &p));
	assert_int_equal(iod_vtd_viommu_vpasid(r->v, &raw, &hwpt, &did, &why), -EINVAL);
	assert_non_null(why);
	p.pgtt = IOD_VTD_PGTT_SECOND;
	iodt_assert_ok(iod_vtd_pasid_encode(&raw, &p));
	assert_int_equal(iod_vtd_viommu_vpasid(r->v, &raw, &hwpt, &did, &why), -EOPNOTSUPP);
	rig_close(r);
}

/* ---- iommufd ---- */

struct entry {
	uint64_t addr, npages;
	uint32_t flags, hw_error;
};

static int handler(struct rig *r, struct entry *e, uint32_t nr, const struct iod_vtd_hwpt *hwpt,
		   uint32_t flags, uint32_t *handled)
{
	struct iod_iommufd_hwpt_invalidate arg = {
		.size = sizeof(arg), .data_uptr = 1, .entry_len = sizeof(*e), .entry_num = nr
	};
	int ret = iod_vtd_iommufd_invalidate(r->v, hwpt, &arg, sizeof(arg), e, nr * sizeof(*e),
					     flags, NULL);

	*handled = arg.entry_num;
	return ret;
}

static void iommufd_handler(void **state)
{
	struct rig *r = rig_open(0);
	const uint16_t vsids[2] = { 0x10, 0x12 };
	struct iod_vtd_hwpt hwpt = { .size = sizeof(hwpt), .did = 0x55, .pasid = 9 };
	struct entry e[3] = { { 0x4000, 1, 1, 0 }, { 0x5000, 3, 1, 0 }, { 0, UINT64_MAX, 0, 0 } };
	const struct words joined[2] = { p_iotlb(0x55, 9, 0x4000, 2, 1), p_all(0x55, 9) };
	const struct words with_dev[4] = {
		p_iotlb(0x55, 9, 0x4000, 0, 1), p_dev_tlb(SID(0x10), 9, 0x4000, 5, 0x8123),
		p_all(0x55, 9), p_dev_tlb(SID(0x10), 9, UINT64_C(0x7ffffffffffff800), 5, 0x8123)
	};
	static const struct {
		struct entry e;
		int error;
	} bad[] = {
		{ { 0x4001, 1, 0, 0 }, -EINVAL },
		{ { 0x4000, 0, 0, 0 }, -EINVAL },
		{ { 0x4000, UINT64_MAX, 0, 0 }, -EINVAL },
		{ { UINT64_C(0xfffffffffffff000), 2, 0, 0 }, -EINVAL },
		{ { 0, UINT64_C(1) << 52 | 1, 0, 0 }, -EINVAL },
		{ { 0x4000, 1, 2, 0 }, -EOPNOTSUPP },
		{ { 0x4000, 1, 0, 1 }, -EOPNOTSUPP },
	};
	uint32_t handled, i;

	iodt_assert_ok(handler(r, e, 3, &hwpt, 0, &handled));
	assert_int_equal(handled, 3);
	expect(r, joined, 2);
	hwpt.has_pasid = true;
	hwpt.vsids = vsids;
	hwpt.nr_vsids = 2;
	e[1] = e[2];
	iodt_assert_ok(handler(r, e, 2, &hwpt, 0, &handled));
	expect(r, with_dev, 4);
	for (i = 0; i < IODT_ARRAY_SIZE(bad); i++) {
		e[1] = bad[i].e;
		assert_int_equal(handler(r, e, 3, &hwpt, 0, &handled), bad[i].error);
		assert_int_equal(handled, 1);
		expect(r, with_dev, 2);
	}
	/* the last pages that there are */
	e[0] = (struct entry){ UINT64_C(0xfffffffffffff000), 1, 0, 0 };
	hwpt.nr_vsids = 0;
	iodt_assert_ok(handler(r, e, 1, &hwpt, 0, &handled));
	r->nr = 0;
	rig_close(r);
}

/* What hardware did is said in each entry. */
static void iommufd_hw_error(void **state)
{
	struct rig *r = rig_open(0);
	struct iod_vtd_hwpt hwpt = { .size = sizeof(hwpt), .did = 0x55, .pasid = 9 };
	struct entry e[2] = { { 0x4000, 1, 0, 0xdead }, { 0x8000, 1, 0, 0 } };
	uint32_t handled;

	iodt_assert_ok(handler(r, e, 2, &hwpt, IOD_VTD_IOMMUFD_HW_ERROR, &handled));
	assert_int_equal(r->syncs, 2);
	assert_int_equal(e[0].hw_error, 0);
	r->fail_sync = -ETIMEDOUT;
	assert_int_equal(handler(r, e, 2, &hwpt, IOD_VTD_IOMMUFD_HW_ERROR, &handled), -ETIMEDOUT);
	assert_int_equal(e[0].hw_error, IOD_IOMMUFD_VTD_INV_ITE);
	rig_close(r);
}

static void iommufd_prepare(void **state)
{
	const struct words g[6] = { p_iotlb(1, 7, 0x8000, 1, 1),
				    p_iotlb(1, 7, 0xa000, 0, 1),
				    dev_tlb(0x10, 0x9000, 0, 0),
				    p_dev_tlb(0x10, 7, 0x20000, 0, 0),
				    p_all(1, 7),
				    p_iotlb(2, 7, 0x8000, 0, 0) };
	struct iod_iommufd_hwpt_invalidate arg;
	struct iod_iommufd_vtd_s1_invalidate e[8];
	struct iod_vtd_raw_desc raw[6];
	size_t nr = 6, i;

	memset(raw, 0, sizeof(raw));
	for (i = 0; i < 6; i++) {
		iodt_put_le64(&raw[i].word[0], g[i].w[0]);
		iodt_put_le64(&raw[i].word[1], g[i].w[1]);
	}
	iodt_assert_ok(iod_vtd_iommufd_prepare(&arg, e, 8, 33, 1, 7, NULL, raw, &nr));
	assert_int_equal(nr, 5); /* the sixth is another HWPT's */
	assert_int_equal(arg.hwpt_id, 33);
	assert_int_equal(arg.entry_len, 24);
	assert_int_equal(arg.entry_num, 3);
	assert_true(e[0].addr == 0x8000 && e[0].npages == 3 && e[0].flags == 1);
	assert_true(e[1].addr == 0x20000 &&
		    e[1].npages == 1); /* no entry would have reached the device */
	assert_true(e[2].addr == 0 && e[2].npages == UINT64_MAX);
	nr = 6;
	iodt_assert_ok(iod_vtd_iommufd_prepare(&arg, e, 1, 33, 1, 7, NULL, raw, &nr));
	assert_int_equal(nr, 3);
	nr = 1;
	iodt_assert_ok(iod_vtd_iommufd_prepare(&arg, e, 1, 33, 2, 7, NULL, raw, &nr));
	assert_int_equal(nr, 0);
}

/* ---- the guest's own queue ---- */

static void queue(void **state)
{
	struct rig *r = rig_open(0);
	struct iod_mem *mem = iodt_mem_create(NULL);
	struct iod_vtd_consume turn;
	uint64_t pa, status, head = 0, tail = 0, *ring;
	void *at;
	uint32_t fsts = 0, *done;
	const struct words g[4] = { p_iotlb(1, 7, K4, 0, 0), wait_status, p_iotlb(9, 7, K4, 0, 0),
				    wait_status };
	size_t i;

	iodt_assert_ok(iod_mem_alloc(mem, 4096, &pa));
	iodt_assert_ok(iod_mem_alloc(mem, 4096, &status));
	iodt_assert_ok(iod_mem_host_ptr(mem, pa, 4096, true, &at));
	ring = at;
	iodt_assert_ok(iod_mem_host_ptr(mem, status, 4096, true, &at));
	done = at;
	for (i = 0; i < 4; i++) {
		iodt_put_le64(&ring[4 * i], g[i].w[0]);
		iodt_put_le64(&ring[4 * i + 1], (g[i].w[0] & 0xf) == 5 ? status : g[i].w[1]);
	}
	tail = 4 * 32;
	turn = (struct iod_vtd_consume){ .size = sizeof(turn),
					 .queue = { .size = sizeof(turn.queue),
						    .kind = IOD_VTD_IQ,
						    .mem = mem,
						    .base = pa | IOD_VTD_IQA_DW,
						    .head = &head,
						    .tail = &tail },
					 .fsts = &fsts };
	iodt_assert_ok(iod_vtd_viommu_consume(r->v, &turn));
	assert_int_equal(turn.consumed, 2);
	assert_int_equal(turn.error, IOD_VTD_IQ_IQE);
	assert_int_equal(turn.reason, IOD_CMD_BAD_DOMAIN);
	assert_int_equal(head, 64);
	assert_int_equal(r->waits, 1);
	assert_int_equal(r->nr, 1);
	assert_int_equal(((unsigned char *)done)[1], 0x12);
	assert_true(fsts & IOD_VTD_FSTS_IQE);
	/* the guest takes it out; the host does not answer in time */
	fsts = 0;
	iodt_put_le64(&ring[8], p_iotlb(1, 7, K4, 0, 0).w[0]);
	r->fail_sync = -ETIMEDOUT;
	iodt_assert_ok(iod_vtd_viommu_consume(r->v, &turn));
	assert_int_equal(turn.error, IOD_VTD_IQ_ITE);
	assert_int_equal(head, 96);
	fsts = 0;
	iodt_assert_ok(iod_vtd_viommu_consume(r->v, &turn));
	assert_int_equal(turn.error, IOD_VTD_IQ_NONE);
	assert_int_equal(head, tail);
	assert_int_equal(r->waits, 2);
	rig_close(r);
	iodt_assert_ok(iod_mem_free(mem, pa, 4096));
	iodt_assert_ok(iod_mem_free(mem, status, 4096));
	iodt_assert_ok(iod_mem_destroy(mem));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(global),
		cmocka_unit_test(global_is_bounded),
		cmocka_unit_test(joins),
		cmocka_unit_test(narrow_host),
		cmocka_unit_test(errors),
		cmocka_unit_test(config_is_told),
		cmocka_unit_test(mapped_pasids),
		cmocka_unit_test(page_requests),
		cmocka_unit_test(faults),
		cmocka_unit_test(host_fails),
		cmocka_unit_test(accounts),
		cmocka_unit_test(tables),
		cmocka_unit_test(refuses_to_show_more),
		cmocka_unit_test(strangers),
		cmocka_unit_test(pasid_entries),
		cmocka_unit_test(iommufd_handler),
		cmocka_unit_test(iommufd_hw_error),
		cmocka_unit_test(iommufd_prepare),
		cmocka_unit_test(queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
