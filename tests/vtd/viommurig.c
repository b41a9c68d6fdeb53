/* SPDX-License-Identifier: MIT */
/* A guest's VT-d under test: words by hand, and the host. */
#include "viommurig.h"

static uint64_t iodt_le(uint64_t word)
{
	const unsigned char *at = (const unsigned char *)&word;
	uint64_t v = 0;

	for (unsigned int i = 0; i < 8; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

/* ---- words, by hand ---- */

struct words vg_p_iotlb(unsigned int did, uint64_t pasid, uint64_t addr, unsigned int am,
			unsigned int ih)
{
	return (struct words){ { 0x36 | (uint64_t)did << 16 | pasid << 32, addr | ih << 6 | am } };
}

struct words vg_p_all(unsigned int did, uint64_t pasid)
{
	return (struct words){ { 0x26 | (uint64_t)did << 16 | pasid << 32, 0 } };
}

struct words vg_iotlb_domain(unsigned int did)
{
	return (struct words){ { 0x22 | (uint64_t)did << 16, 0 } };
}

struct words vg_iotlb_page(unsigned int did, uint64_t addr)
{
	return (struct words){ { 0x32 | (uint64_t)did << 16, addr } };
}

struct words vg_dev_tlb(uint64_t sid, uint64_t addr, unsigned int mip, uint64_t pfsid)
{
	return (struct words){ { 3 | mip << 16 | (pfsid & 0xf) << 12 | sid << 32 | pfsid >> 4 << 52,
				 addr } };
}

struct words vg_p_dev_tlb(uint64_t sid, uint64_t pasid, uint64_t addr, unsigned int mip,
			  uint64_t pfsid)
{
	return (struct words){ { 8 | mip << 4 | (pfsid & 0xf) << 12 | sid << 16 | pasid << 32 |
					 pfsid >> 4 << 52,
				 addr } };
}

struct words vg_response(uint64_t rid, uint64_t pasid, unsigned int rc, uint64_t prgi)
{
	return (struct words){ { 0x19 | rc << 12 | rid << 16 | pasid << 32, prgi << 3 } };
}

/* ---- the host ---- */

int vg_issue(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, bool sync,
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

int vg_stranger(void *cookie, const struct iod_vtd_desc *desc)
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

struct iod_vtd_viommu_cfg vg_rig_cfg(struct rig *r, const struct iod_vtd_sink *sink, uint32_t flags)
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

void vg_rig_start(struct rig *r, const struct iod_vtd_viommu_cfg *cfg)
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

struct rig *vg_rig_open(uint32_t flags)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = vg_issue, .cookie = r };
	struct iod_vtd_viommu_cfg cfg;

	assert_non_null(r);
	cfg = vg_rig_cfg(r, &sink, flags);
	vg_rig_start(r, &cfg);
	return r;
}

void vg_rig_close(struct rig *r)
{
	iodt_assert_ok(iod_vtd_viommu_destroy(r->v));
	free(r);
}

int vg_run(struct rig *r, const struct words *w, size_t nr, struct iod_guest_result *res)
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

void vg_expect(struct rig *r, const struct words *want, size_t nr)
{
	size_t i;

	assert_int_equal(r->nr, nr);
	for (i = 0; i < nr; i++) {
		assert_int_equal(r->host[i].w[0], want[i].w[0]);
		assert_int_equal(r->host[i].w[1], want[i].w[1]);
	}
	r->nr = r->at_sync = 0;
}

void vg_becomes(struct rig *r, const struct words *guest, size_t nr, const struct words *want,
		size_t nr_want)
{
	struct iod_guest_result res;

	r->syncs = 0;
	iodt_assert_ok(vg_run(r, guest, nr, &res));
	assert_int_equal(res.handled, nr);
	assert_int_equal(res.index, nr);
	assert_int_equal(res.reason, IOD_CMD_OK);
	assert_int_equal(res.host_commands, nr_want);
	assert_int_equal(res.syncs, nr_want ? 1 : 0);
	assert_int_equal(r->syncs, res.syncs);
	assert_true(res.synced);
	vg_expect(r, want, nr_want);
}

/* The second of three fails: the first is issued and complete, the third not looked at. */
void vg_refused(struct rig *r, struct words bad, int error, enum iod_cmd_reason reason,
		uint32_t sid)
{
	const struct words guest[3] = { vg_p_iotlb(1, 7, K4, 0, 0), bad,
					vg_p_iotlb(1, 7, 9 * K4, 0, 0) };
	const struct words want[1] = { vg_p_iotlb(DID(1), 7, K4, 0, 0) };
	struct iod_guest_result res;

	assert_int_equal(vg_run(r, guest, 3, &res), error);
	assert_int_equal(res.handled, 1);
	assert_int_equal(res.index, 1);
	assert_int_equal(res.reason, reason);
	assert_int_equal(res.sid, sid);
	assert_int_equal(res.op, bad.w[0] & 0xf);
	assert_true(res.synced);
	vg_expect(r, want, 1);
}
