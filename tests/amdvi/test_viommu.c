/* SPDX-License-Identifier: MIT */
/*
 * A guest's AMD-Vi commands become the host's: words written by hand from the specification on both sides. What is
 * handled was taken, whatever fails.
 */
#include "iodtest.h"

#define DEVID(vdevid) (0x8000u + (vdevid))
#define FIRST	      0x40u
#define LAST	      0x5fu
#define LOG	      20000u
#define K4	      UINT64_C(0x1000)
#define ALL	      UINT64_C(0x7ffffffffffff000)

struct words {
	uint64_t w[2];
};

struct rig {
	struct iod_amdvi_viommu *v;
	uint16_t domain[3]; /* the host's of the guest's 1, 2, 3 */
	struct words host[LOG];
	size_t nr, at_sync, fail_at;
	unsigned int syncs, waits, devtabs, interrupts, timeouts;
	int fail, fail_sync, devtab_answer;
	uint16_t first, last;
};

static uint64_t le(uint64_t word)
{
	const unsigned char *at = (const unsigned char *)&word;
	uint64_t v = 0;

	for (unsigned int i = 0; i < 8; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

/* ---- words, by hand: dw1 is the upper half of the first ---- */

/* @low: S 1, PDE 2, GN 4 */
static struct words pages(uint64_t domain, uint64_t pasid, uint64_t addr, unsigned int low)
{
	return (struct words){ { pasid | domain << 32 | UINT64_C(3) << 60, addr | low } };
}

static struct words iotlb(uint64_t devid, uint64_t queueid, uint64_t maxpend, uint64_t pasid,
			  uint64_t addr, unsigned int low)
{
	return (struct words){ { devid | (pasid >> 8 & 0xff) << 16 | maxpend << 24 | queueid << 32 |
					 (pasid & 0xff) << 48 | pasid >> 16 << 56 |
					 UINT64_C(4) << 60,
				 addr | low } };
}

static struct words devtab_entry(uint64_t devid)
{
	return (struct words){ { devid | UINT64_C(2) << 60, 0 } };
}

static struct words ppr(uint64_t devid, uint64_t pasid, uint64_t tag, uint64_t status)
{
	return (struct words){ { devid | pasid << 32 | UINT64_C(7) << 60,
				 4 | tag << 32 | status << 44 } };
}

static const struct words iommu_all = { { UINT64_C(8) << 60, 0 } };
static const struct words wait_store = { { 1 | 0x5008 | UINT64_C(1) << 60, 0x77 } };

/* ---- the host, the VMM ---- */

static int issue(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, bool sync,
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
		r->host[r->nr++] = (struct words){ { le(cmds[i].word[0]), le(cmds[i].word[1]) } };
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

static int devtab(void *cookie, uint16_t first, uint16_t last)
{
	struct rig *r = cookie;

	assert_int_equal(r->at_sync, r->nr);
	r->devtabs++;
	r->first = first;
	r->last = last;
	return r->devtab_answer;
}

static int interrupts(void *cookie, uint16_t vdevid)
{
	struct rig *r = cookie;

	r->interrupts++;
	r->first = vdevid;
	return 0;
}

static void waited(void *cookie, const struct iod_amdvi_cmd *wait)
{
	((struct rig *)cookie)->waits++;
}

static void timeout(void *cookie)
{
	((struct rig *)cookie)->timeouts++;
}

static struct iod_amdvi_viommu_cfg rig_cfg(struct rig *r, const struct iod_amdvi_sink *sink,
					   uint32_t flags)
{
	struct iod_amdvi_viommu_cfg cfg = { .size = sizeof(cfg),
					    .sink = sink,
					    .flags = flags,
					    .first_domain = FIRST,
					    .last_domain = LAST,
					    .max_pasid = 4,
					    .devtab = devtab,
					    .interrupts = interrupts,
					    .waited = waited,
					    .timeout = timeout,
					    .cookie = r };

	iodt_assert_ok(iod_amdvi_id_full(&cfg.host));
	cfg.host.efr2 |= IOD_AMDVI_EFR2_GCR3TRPMODE;
	iodt_assert_ok(
		iod_amdvi_viommu_expose(&cfg.guest, &cfg.host, flags & IOD_AMDVI_VIOMMU_ALLOW_PPR));
	return cfg;
}

static void rig_start(struct rig *r, const struct iod_amdvi_viommu_cfg *cfg)
{
	struct iod_amdvi_vdev dev = { .size = sizeof(dev), .maxpend = 9 };
	unsigned int i;

	iodt_assert_ok(iod_amdvi_viommu_create(&r->v, cfg));
	for (i = 0; i < 3; i++)
		iodt_assert_ok(iod_amdvi_viommu_map_domain(r->v, (uint16_t)(i + 1), &r->domain[i]));
	for (i = 0; i < 4; i++) {
		dev.vdevid = (uint16_t)(0x10 + i);
		dev.devid = (uint16_t)DEVID(0x10 + i);
		dev.state = i == 2 ? IOD_VDEV_ATS_OFF : i == 3 ? IOD_VDEV_BLOCKED : IOD_VDEV_ON;
		iodt_assert_ok(iod_amdvi_viommu_add(r->v, &dev));
	}
}

static struct rig *rig_open(uint32_t flags)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct iod_amdvi_sink sink = { .size = sizeof(sink), .issue = issue, .cookie = r };
	struct iod_amdvi_viommu_cfg cfg;

	assert_non_null(r);
	cfg = rig_cfg(r, &sink, flags);
	rig_start(r, &cfg);
	return r;
}

static void rig_close(struct rig *r)
{
	iodt_assert_ok(iod_amdvi_viommu_destroy(r->v));
	free(r);
}

static int run(struct rig *r, const struct words *w, size_t nr, struct iod_guest_result *res)
{
	struct iod_amdvi_raw_cmd *raw = calloc(nr ? nr : 1, sizeof(*raw));
	size_t i;
	int ret;

	assert_non_null(raw);
	for (i = 0; i < nr; i++) {
		iodt_put_le64(&raw[i].word[0], w[i].w[0]);
		iodt_put_le64(&raw[i].word[1], w[i].w[1]);
	}
	*res = (struct iod_guest_result){ .size = sizeof(*res) };
	ret = iod_amdvi_viommu_invalidate(r->v, raw, nr, res);
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

	iodt_assert_ok(run(r, guest, nr, &res));
	assert_int_equal(res.handled, nr);
	assert_int_equal(res.reason, IOD_CMD_OK);
	assert_int_equal(res.syncs, nr_want ? 1 : 0);
	assert_true(res.synced);
	expect(r, want, nr_want);
}

static void refused(struct rig *r, struct words bad, int error, enum iod_cmd_reason reason,
		    uint32_t sid)
{
	const struct words guest[3] = { pages(1, 0, K4, 4), bad, pages(1, 0, 9 * K4, 4) };
	const struct words want[1] = { pages(r->domain[0], 0, K4, 4) };
	struct iod_guest_result res;

	assert_int_equal(run(r, guest, 3, &res), error);
	assert_int_equal(res.handled, 1);
	assert_int_equal(res.index, 1);
	assert_int_equal(res.reason, reason);
	assert_int_equal(res.sid, sid);
	assert_int_equal(res.op, bad.w[0] >> 60);
	assert_true(res.synced);
	expect(r, want, 1);
}

/* ---- commands ---- */

static void names(void **state)
{
	struct rig *r = rig_open(0);
	struct words g, h;

	/* domain mapped, PASID kept; guest and host */
	g = pages(2, 0x54321, 7 * K4, 4);
	h = pages(r->domain[1], 0x54321, 7 * K4, 4);
	becomes(r, &g, 1, &h, 1);
	g = pages(2, 0, ALL, 3);
	h = pages(r->domain[1], 0, ALL, 3);
	becomes(r, &g, 1, &h, 1);
	/* S with 16 KiB at 64 KiB: bit 12 set, bit 13 the first that is not */
	g = pages(3, 1, 0x10000 | 0x1000, 7);
	h = pages(r->domain[2], 1, 0x10000 | 0x1000, 7);
	becomes(r, &g, 1, &h, 1);
	/* nobody uses it: nothing is cached */
	g = pages(0x4444, 1, K4, 4);
	becomes(r, &g, 1, NULL, 0);
	/* the host's DomainID is a number like any other to a guest */
	g = pages(r->domain[0], 1, K4, 4);
	becomes(r, &g, 1, NULL, 0);
	/* queue and limit are the host's */
	g = iotlb(0x10, 0x1234, 3, 0x54321, 5 * K4, 4);
	h = iotlb(DEVID(0x10), DEVID(0x10), 9, 0x54321, 5 * K4, 4);
	becomes(r, &g, 1, &h, 1);
	g = iotlb(0x12, 0, 0, 0, K4, 4);
	becomes(r, &g, 1, NULL, 0);
	rig_close(r);
}

static void joins(void **state)
{
	struct rig *r = rig_open(0);
	struct words g[64], h[3];
	size_t i;

	for (i = 0; i < 64; i++)
		g[i] = pages(1, 2, 0x100000 + i * K4, 4);
	h[0] = pages(r->domain[0], 2, 0x100000 | 0x1f000, 5); /* 256 KiB: bits 16:12 set */
	becomes(r, g, 64, h, 1);
	/* 5 pages: 16 KiB and one */
	h[0] = pages(r->domain[0], 2, 0x100000 | 0x1000, 5);
	h[1] = pages(r->domain[0], 2, 0x104000, 4);
	becomes(r, g, 5, h, 2);
	/* PDE keeps apart; duplicates go */
	g[1] = pages(1, 2, 0x101000, 6);
	g[2] = g[0];
	h[0] = pages(r->domain[0], 2, 0x100000, 4);
	h[1] = pages(r->domain[0], 2, 0x101000, 6);
	becomes(r, g, 3, h, 2);
	rig_close(r);
}

static void errors(void **state)
{
	struct rig *r = rig_open(0);
	struct words bad = pages(1, 0, K4, 4);

	refused(r, iotlb(0x8010, 0, 0, 0, K4, 0), -ENOENT, IOD_CMD_BAD_SOURCE, 0x8010);
	refused(r, ppr(0x10, 1, 3, 0), -EOPNOTSUPP, IOD_CMD_BAD_PERMISSION, 0x10);
	refused(r, wait_store, -EOPNOTSUPP, IOD_CMD_BAD_POLICY, 0);
	bad.w[1] |= 0x800;
	refused(r, bad, -EINVAL, IOD_CMD_BAD_RESERVED, 0);
	r->devtab_answer = -EPERM;
	refused(r, devtab_entry(0x11), -EPERM, IOD_CMD_BAD_POLICY, 0x11);
	rig_close(r);
	r = rig_open(IOD_AMDVI_VIOMMU_STRICT_IOTLB);
	refused(r, iotlb(0x12, 0, 0, 0, K4, 0), -EOPNOTSUPP, IOD_CMD_BAD_STATE, 0x12);
	rig_close(r);
}

static void structures(void **state)
{
	struct rig *r = rig_open(IOD_AMDVI_VIOMMU_ACCEPT_WAIT);
	const struct words g[4] = { pages(1, 0, K4, 4),
				    devtab_entry(0x11),
				    { { 0x12 | UINT64_C(5) << 60, 0 } },
				    wait_store };
	const struct words want[1] = { pages(r->domain[0], 0, K4, 4) };
	struct iod_guest_result res;

	iodt_assert_ok(run(r, g, 4, &res));
	assert_int_equal(res.handled, 4);
	assert_int_equal(r->devtabs, 1);
	assert_int_equal(r->last, 0x11);
	assert_int_equal(r->interrupts, 1);
	assert_int_equal(r->first, 0x12);
	assert_int_equal(r->waits, 1);
	expect(r, want, 1);
	rig_close(r);
}

/* Everything: entries first, then each PASID of each domain; and so many that it is everything of the host. */
static void all(void **state)
{
	struct rig *r = rig_open(0);
	struct iod_amdvi_sink sink = { .size = sizeof(sink), .issue = issue, .cookie = r };
	struct iod_amdvi_viommu_cfg cfg = rig_cfg(r, &sink, 0);
	const struct words g[2] = { iommu_all, iommu_all };
	struct iod_guest_result res;
	unsigned int seen[3][5] = { { 0 } };
	size_t i;

	iodt_assert_ok(run(r, g, 1, &res));
	assert_int_equal(res.handled, 1);
	assert_int_equal(r->devtabs, 1);
	assert_int_equal(r->last, 0xffff);
	assert_int_equal(r->nr, 3 * 5);
	for (i = 0; i < r->nr; i++) {
		uint64_t domain = r->host[i].w[0] >> 32 & 0xffff, pasid = r->host[i].w[0] & 0xfffff;
		bool gn = r->host[i].w[1] & 4;

		assert_int_equal(r->host[i].w[1] & ~UINT64_C(4), ALL | 3);
		assert_true(domain >= FIRST && domain < FIRST + 3 && pasid < 4 && (gn || !pasid));
		seen[domain - FIRST][gn ? pasid : 4]++;
	}
	for (i = 0; i < 15; i++)
		assert_int_equal(seen[i / 5][i % 5], 1);
	iodt_assert_ok(iod_amdvi_viommu_destroy(r->v));
	memset(r, 0, sizeof(*r));
	cfg.max_pasid = 0;
	rig_start(r, &cfg);
	assert_int_equal(run(r, g, 2, &res), -EAGAIN);
	assert_int_equal(res.handled, 1);
	expect(r, &iommu_all, 1);
	rig_close(r);
}

static void host_fails(void **state)
{
	struct words g[20];
	struct iod_guest_result res;
	struct rig *r;
	size_t i, k;

	for (i = 0; i < 20; i++)
		g[i] = i % 5 == 4 ? iotlb(0x10, 0, 0, 0, i * K4, 0) : pages(1, 2, i * 2 * K4, 4);
	for (k = 0; k < 20; k++) {
		r = rig_open(0);
		r->fail = -EIO;
		r->fail_at = k;
		assert_int_equal(run(r, g, 20, &res), -EIO);
		assert_int_equal(res.handled, k);
		assert_int_equal(res.reason, IOD_CMD_BAD_ISSUE);
		assert_int_equal(res.op, g[k].w[0] >> 60);
		assert_int_equal(res.sid, k % 5 == 4 ? 0x10 : 0);
		assert_true(res.synced);
		rig_close(r);
	}
}

static void page_requests(void **state)
{
	struct rig *r = rig_open(IOD_AMDVI_VIOMMU_ALLOW_PPR);
	struct words g = ppr(0x11, 3, 0x1ff, 1), h = ppr(DEVID(0x11), 3, 0x1ff, 1);
	struct iod_amdvi_ppr req = { .devid = (uint16_t)DEVID(0x11),
				     .tag = 5,
				     .pasid = 3,
				     .gn = true,
				     .last = true,
				     .read = true,
				     .type = IOD_AMDVI_PPR_PAGE,
				     .addr = 0x9000 };
	struct iod_amdvi_event e = { .type = IOD_AMDVI_IO_PAGE_FAULT,
				     .devid = (uint16_t)DEVID(0x10),
				     .pasid = 2,
				     .gn = true,
				     .addr = 0x7000 };
	struct iod_amdvi_raw_event ehost, eguest;
	struct iod_amdvi_raw_ppr host, guest;

	becomes(r, &g, 1, &h, 1);
	iodt_assert_ok(iod_amdvi_ppr_encode(&host, &req));
	iodt_assert_ok(iod_amdvi_viommu_ppr(r->v, &host, &guest));
	iodt_assert_ok(iod_amdvi_ppr_decode(&req, &guest, NULL));
	assert_int_equal(req.devid, 0x11);
	iodt_assert_ok(iod_amdvi_event_encode(&ehost, &e));
	iodt_assert_ok(iod_amdvi_viommu_event(r->v, &ehost, &eguest));
	iodt_assert_ok(iod_amdvi_event_decode(&e, &eguest, NULL));
	assert_int_equal(e.devid, 0x10);
	e.gn = false; /* of the host's table */
	e.pasid = 0;
	e.devid = (uint16_t)DEVID(0x10);
	iodt_assert_ok(iod_amdvi_event_encode(&ehost, &e));
	assert_int_equal(iod_amdvi_viommu_event(r->v, &ehost, &eguest), -EOPNOTSUPP);
	rig_close(r);
}

/* The host's first DomainID may be the guest's as any other. */
static void event_of_domain_0(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct iod_amdvi_sink sink = { .size = sizeof(sink), .issue = issue, .cookie = r };
	struct iod_amdvi_viommu_cfg cfg = rig_cfg(r, &sink, 0);
	struct iod_amdvi_event e = { .type = IOD_AMDVI_INVALID_DEVICE_REQUEST,
				     .devid = (uint16_t)DEVID(0x10) };
	struct iod_amdvi_raw_event raw;

	cfg.first_domain = 0;
	rig_start(r, &cfg);
	iodt_assert_ok(iod_amdvi_event_encode(&raw, &e));
	iodt_assert_ok(iod_amdvi_viommu_event(r->v, &raw, &raw));
	iodt_assert_ok(iod_amdvi_event_decode(&e, &raw, NULL));
	assert_int_equal(r->domain[0], 0);
	assert_int_equal(e.domain, 1);
	rig_close(r);
}

/* ---- objects ---- */

/* Fresh ones, in turn, and none but the guest's. */
static void domains(void **state)
{
	struct rig *r = rig_open(0);
	uint16_t id, again, list[64];
	size_t nr = 64;
	unsigned int i;

	for (i = 0; i < 3; i++)
		assert_int_equal(r->domain[i], FIRST + i);
	iodt_assert_ok(iod_amdvi_viommu_unmap_domain(r->v, 1));
	iodt_assert_ok(iod_amdvi_viommu_map_domain(r->v, 1, &id));
	assert_int_equal(id, FIRST + 3); /* not the one that was just given back */
	iodt_assert_ok(iod_amdvi_viommu_map_domain(r->v, 1, &again));
	assert_int_equal(id, again);
	for (i = 4; i < LAST - FIRST + 2; i++) {
		iodt_assert_ok(iod_amdvi_viommu_map_domain(r->v, (uint16_t)i, &id));
		assert_in_range(id, FIRST, LAST);
	}
	assert_int_equal(iod_amdvi_viommu_map_domain(r->v, 0x7777, &id), -ENOSPC);
	iodt_assert_ok(iod_amdvi_viommu_domains(r->v, list, &nr));
	assert_int_equal(nr, LAST - FIRST + 1);
	nr = 2;
	assert_int_equal(iod_amdvi_viommu_domains(r->v, list, &nr), -ENOSPC);
	assert_int_equal(nr, LAST - FIRST + 1);
	rig_close(r);
}

static struct iod_amdvi_dte guest_dte(void)
{
	return (struct iod_amdvi_dte){ .v = true,
				       .tv = true,
				       .gv = true,
				       .glx = 1,
				       .gcr3 = 0x345000,
				       .giov = true,
				       .guestpagingmode = 0,
				       .ir = true,
				       .iw = true,
				       .domain = 2,
				       .i = true };
}

static int vdte(struct rig *r, uint16_t vdevid, const struct iod_amdvi_dte *guest,
		struct iod_amdvi_dte *out)
{
	const struct iod_amdvi_dte host = { .v = true,
					    .tv = true,
					    .mode = 4,
					    .root = 0x888000,
					    .had = 3,
					    .ir = true,
					    .iw = true,
					    .domain = 0x30,
					    .i = true,
					    .iv = true,
					    .introot = 0x5000 };
	struct iod_amdvi_raw_dte g, h, o;
	struct iod_iommufd_hwpt_amd hwpt;
	const char *why;
	int ret;

	iodt_assert_ok(iod_amdvi_dte_encode(&g, guest));
	iodt_assert_ok(iod_amdvi_dte_encode(&h, &host));
	ret = iod_amdvi_viommu_vdte(r->v, vdevid, &g, &h, &o, &hwpt, &why);
	assert_true(ret ? why != NULL : !why);
	if (!ret)
		iodt_assert_ok(iod_amdvi_dte_decode(out, &o));
	return ret;
}

static void entries(void **state)
{
	struct rig *r = rig_open(0);
	struct iod_amdvi_dte g = guest_dte(), o;

	iodt_assert_ok(vdte(r, 0x10, &g, &o));
	assert_true(o.v && o.tv && o.gv && o.glx == 1 && o.gcr3 == 0x345000 && o.giov);
	assert_true(o.mode == 4 && o.root == 0x888000 && o.had == 3 && o.i && o.iv &&
		    o.introot == 0x5000);
	assert_int_equal(o.domain, r->domain[1]);
	/* ATS only where it is on */
	iodt_assert_ok(vdte(r, 0x12, &g, &o));
	assert_false(o.i);
	assert_int_equal(vdte(r, 0x99, &g, &o), -ENOENT);
	/* a DomainID that was not seen gets one */
	g.domain = 0x4321;
	iodt_assert_ok(vdte(r, 0x10, &g, &o));
	assert_int_equal(o.domain, FIRST + 3);
	/* the guest takes away */
	g.iw = false;
	iodt_assert_ok(vdte(r, 0x10, &g, &o));
	assert_true(o.ir && !o.iw);
	g = guest_dte();
	g.tv = false;
	iodt_assert_ok(vdte(r, 0x10, &g, &o));
	assert_true(!o.ir && !o.iw && !o.gv);
	g = (struct iod_amdvi_dte){ .v = false };
	iodt_assert_ok(vdte(r, 0x10, &g, &o));
	assert_true(o.v && o.mode == 4 && !o.gv && o.ir && o.iw && !o.i && o.domain == 0x30);
	rig_close(r);
}

static void bad_entries(void **state)
{
	struct rig *r = rig_open(0);
	struct iod_amdvi_dte g, o;

#define BAD(field, value) \
	g = guest_dte();  \
	g.field = value;  \
	assert_int_equal(vdte(r, 0x10, &g, &o), -EINVAL)

	BAD(mode, 4);
	BAD(root, 0x1000);
	BAD(had, 3);
	BAD(ppr, true);
	BAD(ex, true);
	BAD(sysmgt, 1);
	BAD(glx, 3);
	BAD(gdeviceid, 1);
#undef BAD
	rig_close(r);
	r = rig_open(IOD_AMDVI_VIOMMU_ALLOW_PPR);
	g = guest_dte();
	g.ppr = true;
	iodt_assert_ok(vdte(r, 0x10, &g, &o));
	assert_true(o.ppr);
	rig_close(r);
}

static void refuses_to_show_more(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct iod_amdvi_sink sink = { .size = sizeof(sink), .issue = issue, .cookie = r };
	struct iod_amdvi_viommu_cfg cfg = rig_cfg(r, &sink, 0), c;
	struct iod_amdvi_id old = cfg.host, out;

	assert_int_equal(cfg.guest.efr & (IOD_AMDVI_EFR_PPRSUP | IOD_AMDVI_EFR_HDSUP |
					  IOD_AMDVI_EFR_PREFSUP),
			 0);
	c = cfg;
	c.host.efr &= ~IOD_AMDVI_EFR_GIOSUP;
	assert_int_equal(iod_amdvi_viommu_create(&r->v, &c), -EINVAL);
	c = cfg;
	c.first_domain = 9;
	c.last_domain = 8;
	assert_int_equal(iod_amdvi_viommu_create(&r->v, &c), -EINVAL);
	old.efr2 = 0;
	assert_int_equal(iod_amdvi_viommu_expose(&out, &old, 0), -EOPNOTSUPP);
	free(r);
}

/* ---- the guest's own buffer ---- */

static void queue(void **state)
{
	struct rig *r = rig_open(0);
	struct iod_mem *mem = iodt_mem_create(NULL);
	struct iod_amdvi_consume turn;
	uint64_t pa, head = 0, tail = 0, *ring;
	uint32_t status = IOD_AMDVI_STATUS_CMDBUFRUN;
	struct words g[4] = { pages(1, 7, K4, 4), wait_store, iotlb(0x66, 0, 0, 0, K4, 0),
			      wait_store };
	void *at;
	size_t i;

	iodt_assert_ok(iod_mem_alloc(mem, 8192, &pa));
	iodt_assert_ok(iod_mem_host_ptr(mem, pa, 8192, true, &at));
	ring = at;
	g[1].w[0] = g[3].w[0] = 1 | (pa + 4096) | UINT64_C(1) << 60;
	for (i = 0; i < 4; i++) {
		iodt_put_le64(&ring[2 * i], g[i].w[0]);
		iodt_put_le64(&ring[2 * i + 1], g[i].w[1]);
	}
	tail = 4 * 16;
	turn = (struct iod_amdvi_consume){ .size = sizeof(turn),
					   .queue = { .size = sizeof(turn.queue),
						      .kind = IOD_AMDVI_CMDBUF,
						      .mem = mem,
						      .base = pa | UINT64_C(8) << 56,
						      .head = &head,
						      .tail = &tail,
						      .status = &status } };
	iodt_assert_ok(iod_amdvi_viommu_consume(r->v, &turn));
	assert_int_equal(turn.consumed, 2);
	assert_int_equal(turn.reason, IOD_CMD_BAD_SOURCE);
	assert_int_equal(head, 32);
	assert_int_equal(r->waits, 1);
	assert_int_equal(((unsigned char *)ring)[4096], 0x77);
	assert_false(status & IOD_AMDVI_STATUS_CMDBUFRUN);
	status = IOD_AMDVI_STATUS_CMDBUFRUN;
	iodt_put_le64(&ring[4], iotlb(0x10, 0, 0, 0, K4, 0).w[0]);
	r->fail_sync = -ETIMEDOUT;
	iodt_assert_ok(iod_amdvi_viommu_consume(r->v, &turn));
	assert_int_equal(r->timeouts, 1);
	assert_int_equal(head, tail);
	assert_int_equal(r->waits, 2);
	rig_close(r);
	iodt_assert_ok(iod_mem_free(mem, pa, 8192));
	iodt_assert_ok(iod_mem_destroy(mem));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),	 cmocka_unit_test(joins),
		cmocka_unit_test(errors),	 cmocka_unit_test(structures),
		cmocka_unit_test(all),		 cmocka_unit_test(host_fails),
		cmocka_unit_test(page_requests), cmocka_unit_test(event_of_domain_0),
		cmocka_unit_test(domains),	 cmocka_unit_test(entries),
		cmocka_unit_test(bad_entries),	 cmocka_unit_test(refuses_to_show_more),
		cmocka_unit_test(queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
