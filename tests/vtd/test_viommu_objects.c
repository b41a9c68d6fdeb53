/* SPDX-License-Identifier: MIT */
/* A guest's VT-d: its tables of names, what it is shown, PASID entries, iommufd's arguments, its own queue. */
#include "viommurig.h"

/* ---- objects ---- */

static void tables(void **state)
{
	struct rig *r = vg_rig_open(0);
	struct iod_vtd_vdev dev = { .size = sizeof(dev) };
	struct iod_viommu_stats stats = { .size = sizeof(stats) };
	struct words g = vg_p_iotlb(1, 7, K4, 0, 0);
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
	assert_int_equal(vg_run(r, &g, 1, &res), -ENOENT);
	assert_int_equal(iod_vtd_viommu_map_pasid(r->v, 1, 1), -EOPNOTSUPP);
	iodt_assert_ok(iod_vtd_viommu_get_stats(r->v, &stats));
	assert_true(stats.batches == 1 && stats.refused == 1);
	vg_rig_close(r);
}

static void refuses_to_show_more(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = vg_issue, .cookie = r };
	struct iod_vtd_viommu_cfg cfg = vg_rig_cfg(r, &sink, 0), c;
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
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = vg_issue, .cookie = r };
	struct iod_vtd_viommu_cfg cfg = vg_rig_cfg(r, &sink, 0);
	struct words g = vg_dev_tlb(0x77, K4, 0, 0);

	cfg.stranger = vg_stranger;
	vg_rig_start(r, &cfg);
	vg_becomes(r, &g, 1, NULL, 0);
	assert_int_equal(r->strangers, 1);
	vg_refused(r, vg_dev_tlb(0x78, K4, 0, 0), -ENOENT, IOD_CMD_BAD_SOURCE, 0x78);
	vg_rig_close(r);
}

static void pasid_entries(void **state)
{
	struct rig *r = vg_rig_open(0);
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
	vg_rig_close(r);
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
	struct rig *r = vg_rig_open(0);
	const uint16_t vsids[2] = { 0x10, 0x12 };
	struct iod_vtd_hwpt hwpt = { .size = sizeof(hwpt), .did = 0x55, .pasid = 9 };
	struct entry e[3] = { { 0x4000, 1, 1, 0 }, { 0x5000, 3, 1, 0 }, { 0, UINT64_MAX, 0, 0 } };
	const struct words joined[2] = { vg_p_iotlb(0x55, 9, 0x4000, 2, 1), vg_p_all(0x55, 9) };
	const struct words with_dev[4] = {
		vg_p_iotlb(0x55, 9, 0x4000, 0, 1), vg_p_dev_tlb(SID(0x10), 9, 0x4000, 5, 0x8123),
		vg_p_all(0x55, 9),
		vg_p_dev_tlb(SID(0x10), 9, UINT64_C(0x7ffffffffffff800), 5, 0x8123)
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
	vg_expect(r, joined, 2);
	hwpt.has_pasid = true;
	hwpt.vsids = vsids;
	hwpt.nr_vsids = 2;
	e[1] = e[2];
	iodt_assert_ok(handler(r, e, 2, &hwpt, 0, &handled));
	vg_expect(r, with_dev, 4);
	for (i = 0; i < IODT_ARRAY_SIZE(bad); i++) {
		e[1] = bad[i].e;
		assert_int_equal(handler(r, e, 3, &hwpt, 0, &handled), bad[i].error);
		assert_int_equal(handled, 1);
		vg_expect(r, with_dev, 2);
	}
	/* the last pages that there are */
	e[0] = (struct entry){ UINT64_C(0xfffffffffffff000), 1, 0, 0 };
	hwpt.nr_vsids = 0;
	iodt_assert_ok(handler(r, e, 1, &hwpt, 0, &handled));
	r->nr = 0;
	vg_rig_close(r);
}

/* What hardware did is said in each entry. */
static void iommufd_hw_error(void **state)
{
	struct rig *r = vg_rig_open(0);
	struct iod_vtd_hwpt hwpt = { .size = sizeof(hwpt), .did = 0x55, .pasid = 9 };
	struct entry e[2] = { { 0x4000, 1, 0, 0xdead }, { 0x8000, 1, 0, 0 } };
	uint32_t handled;

	iodt_assert_ok(handler(r, e, 2, &hwpt, IOD_VTD_IOMMUFD_HW_ERROR, &handled));
	assert_int_equal(r->syncs, 2);
	assert_int_equal(e[0].hw_error, 0);
	r->fail_sync = -ETIMEDOUT;
	assert_int_equal(handler(r, e, 2, &hwpt, IOD_VTD_IOMMUFD_HW_ERROR, &handled), -ETIMEDOUT);
	assert_int_equal(e[0].hw_error, IOD_IOMMUFD_VTD_INV_ITE);
	vg_rig_close(r);
}

/* What was issued and not synced is complete before a device counts as out of order, or as gone. */
static void devices_wait(void **state)
{
	struct rig *r = vg_rig_open(IOD_VTD_VIOMMU_NO_SYNC);
	const struct words g = vg_dev_tlb(0x10, K4, 0, 0);
	struct iod_guest_result res;

	iodt_assert_ok(vg_run(r, &g, 1, &res));
	assert_int_equal(r->syncs, 0);
	iodt_assert_ok(iod_vtd_viommu_set_state(r->v, 0x10, IOD_VDEV_BLOCKED));
	assert_int_equal(r->syncs, 1);
	iodt_assert_ok(iod_vtd_viommu_set_state(r->v, 0x10, IOD_VDEV_ON));
	assert_int_equal(r->syncs, 1);
	iodt_assert_ok(vg_run(r, &g, 1, &res));
	iodt_assert_ok(iod_vtd_viommu_remove(r->v, 0x10));
	assert_int_equal(r->syncs, 2);
	vg_rig_close(r);
}

static void iommufd_prepare(void **state)
{
	const struct words g[6] = { vg_p_iotlb(1, 7, 0x8000, 1, 1),
				    vg_p_iotlb(1, 7, 0xa000, 0, 1),
				    vg_dev_tlb(0x10, 0x9000, 0, 0),
				    vg_p_dev_tlb(0x10, 7, 0x20000, 0, 0),
				    vg_p_all(1, 7),
				    vg_p_iotlb(2, 7, 0x8000, 0, 0) };
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
	/* the last page there is, the first one */
	iodt_put_le64(&raw[0].word[1], UINT64_C(0xfffffffffffff040));
	iodt_put_le64(&raw[1].word[1], 0x40);
	nr = 2;
	iodt_assert_ok(iod_vtd_iommufd_prepare(&arg, e, 8, 33, 1, 7, NULL, raw, &nr));
	assert_int_equal(arg.entry_num, 2);
	assert_true(e[0].npages == 1 && e[1].addr == 0 && e[1].npages == 1);
}

/* ---- the guest's own queue ---- */

static void queue(void **state)
{
	struct rig *r = vg_rig_open(0);
	struct iod_mem *mem = iodt_mem_create(NULL);
	struct iod_vtd_consume turn;
	uint64_t pa, status, head = 0, tail = 0, *ring;
	void *at;
	uint32_t fsts = 0, *done;
	const struct words g[4] = { vg_p_iotlb(1, 7, K4, 0, 0), wait_status,
				    vg_p_iotlb(9, 7, K4, 0, 0), wait_status };
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
	iodt_put_le64(&ring[8], vg_p_iotlb(1, 7, K4, 0, 0).w[0]);
	r->fail_sync = -ETIMEDOUT;
	iodt_assert_ok(iod_vtd_viommu_consume(r->v, &turn));
	assert_int_equal(turn.error, IOD_VTD_IQ_ITE);
	assert_int_equal(head, tail);
	fsts = 0; /* the wait was aborted: it does not come back */
	iodt_assert_ok(iod_vtd_viommu_consume(r->v, &turn));
	assert_int_equal(turn.error, IOD_VTD_IQ_NONE);
	assert_int_equal(turn.consumed, 0);
	assert_int_equal(r->waits, 1);
	/* the host takes nothing: no device answered wrongly */
	tail = 32;
	iodt_put_le64(&ring[0], g[0].w[0]);
	head = 0;
	r->fail = -ENOMEM;
	r->fail_at = r->nr;
	iodt_assert_ok(iod_vtd_viommu_consume(r->v, &turn));
	assert_int_equal(turn.error, IOD_VTD_IQ_IQE);
	assert_int_equal(turn.reason, IOD_CMD_BAD_ISSUE);
	assert_int_equal(head, 0);
	r->fail = 0;
	fsts = 0;
	vg_rig_close(r);
	iodt_assert_ok(iod_mem_free(mem, pa, 4096));
	iodt_assert_ok(iod_mem_free(mem, status, 4096));
	iodt_assert_ok(iod_mem_destroy(mem));
}

/* Each allocation fails once. */
static void memory_fails(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = vg_issue, .cookie = r };
	struct iod_vtd_viommu_cfg cfg = vg_rig_cfg(r, &sink, IOD_VTD_VIOMMU_MAP_PASIDS);
	struct iodt_alloc alloc;
	uint64_t n;
	int ret = -ENOMEM;

	iodt_alloc_init(&alloc);
	cfg.allocator = &alloc.ops;
	for (n = 1; ret == -ENOMEM; n++) {
		alloc.calls = 0;
		alloc.fail_at = n;
		ret = iod_vtd_viommu_create(&r->v, &cfg);
		assert_true(ret == 0 || (ret == -ENOMEM && !alloc.live));
	}
	assert_int_equal(n, 6); /* the object, three tables */
	alloc.calls = 0;
	alloc.fail_at = 1;
	assert_int_equal(iod_vtd_viommu_map_domain(r->v, 1, 2), -ENOMEM);
	iodt_assert_ok(iod_vtd_viommu_map_domain(r->v, 1, 2));
	vg_rig_close(r);
	assert_int_equal(alloc.live, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),	   cmocka_unit_test(refuses_to_show_more),
		cmocka_unit_test(strangers),	   cmocka_unit_test(pasid_entries),
		cmocka_unit_test(iommufd_handler), cmocka_unit_test(iommufd_hw_error),
		cmocka_unit_test(iommufd_prepare), cmocka_unit_test(queue),
		cmocka_unit_test(devices_wait),	   cmocka_unit_test(memory_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
