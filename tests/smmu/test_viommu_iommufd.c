/* SPDX-License-Identifier: MIT */
/* iommufd's arguments: layouts, the kernel's checks in its order, exact counts. */
#include "viommurig.h"

#ifdef __has_include
#if __has_include(<linux/iommufd.h>)
#include <linux/iommufd.h>
#endif
#endif

/* The kernel's own header, where there is one, and as far as it knows these. */
#define SAME(ours, theirs) _Static_assert(sizeof(ours) == sizeof(theirs), "size")
#define SAME_AT(ours, a, theirs, b) \
	_Static_assert(offsetof(ours, a) == offsetof(theirs, b), "layout")
#ifdef IOMMU_HWPT_INVALIDATE
SAME(struct iod_iommufd_hwpt_invalidate, struct iommu_hwpt_invalidate);
SAME_AT(struct iod_iommufd_hwpt_invalidate, hwpt_id, struct iommu_hwpt_invalidate, hwpt_id);
SAME_AT(struct iod_iommufd_hwpt_invalidate, data_uptr, struct iommu_hwpt_invalidate, data_uptr);
SAME_AT(struct iod_iommufd_hwpt_invalidate, data_type, struct iommu_hwpt_invalidate, data_type);
SAME_AT(struct iod_iommufd_hwpt_invalidate, entry_len, struct iommu_hwpt_invalidate, entry_len);
SAME_AT(struct iod_iommufd_hwpt_invalidate, entry_num, struct iommu_hwpt_invalidate, entry_num);
SAME_AT(struct iod_iommufd_hwpt_invalidate, reserved, struct iommu_hwpt_invalidate, __reserved);
#endif
#ifdef IOMMU_VDEVICE_ALLOC
SAME(struct iod_iommufd_vdevice_alloc, struct iommu_vdevice_alloc);
SAME_AT(struct iod_iommufd_vdevice_alloc, viommu_id, struct iommu_vdevice_alloc, viommu_id);
SAME_AT(struct iod_iommufd_vdevice_alloc, dev_id, struct iommu_vdevice_alloc, dev_id);
SAME_AT(struct iod_iommufd_vdevice_alloc, out_vdevice_id, struct iommu_vdevice_alloc,
	out_vdevice_id);
SAME_AT(struct iod_iommufd_vdevice_alloc, virt_id, struct iommu_vdevice_alloc, virt_id);
SAME(struct iod_iommufd_smmuv3_invalidate, struct iommu_viommu_arm_smmuv3_invalidate);
SAME(struct iod_iommufd_hw_info_smmuv3, struct iommu_hw_info_arm_smmuv3);
SAME_AT(struct iod_iommufd_hw_info_smmuv3, idr, struct iommu_hw_info_arm_smmuv3, idr);
SAME_AT(struct iod_iommufd_hw_info_smmuv3, iidr, struct iommu_hw_info_arm_smmuv3, iidr);
SAME_AT(struct iod_iommufd_hw_info_smmuv3, aidr, struct iommu_hw_info_arm_smmuv3, aidr);
SAME(struct iod_iommufd_hwpt_smmuv3, struct iommu_hwpt_arm_smmuv3);
#endif
#ifdef IOMMU_VIOMMU_ALLOC
SAME_AT(struct iod_iommufd_viommu_alloc, type, struct iommu_viommu_alloc, type);
SAME_AT(struct iod_iommufd_viommu_alloc, dev_id, struct iommu_viommu_alloc, dev_id);
SAME_AT(struct iod_iommufd_viommu_alloc, hwpt_id, struct iommu_viommu_alloc, hwpt_id);
SAME_AT(struct iod_iommufd_viommu_alloc, out_viommu_id, struct iommu_viommu_alloc, out_viommu_id);
#endif
#ifdef IOMMU_HW_QUEUE_ALLOC /* since then it has data */
SAME(struct iod_iommufd_viommu_alloc, struct iommu_viommu_alloc);
SAME_AT(struct iod_iommufd_viommu_alloc, data_len, struct iommu_viommu_alloc, data_len);
SAME_AT(struct iod_iommufd_viommu_alloc, data_uptr, struct iommu_viommu_alloc, data_uptr);
#endif
#ifdef IOMMU_VEVENTQ_ALLOC
SAME(struct iod_iommufd_vevent_smmuv3, struct iommu_vevent_arm_smmuv3);
#endif

#define MAX 70u

struct call {
	struct rig *rig;
	struct iod_iommufd_hwpt_invalidate arg;
	unsigned char data[MAX * 40];
	size_t data_len;
	struct iod_guest_result res;
};

static void put(struct call *c, size_t i, uint64_t w0, uint64_t w1)
{
	struct iod_smmuv3_raw_cmd raw = rig_raw(w0, w1);

	memcpy(c->data + i * c->arg.entry_len, &raw, sizeof(raw));
}

static void call_init(struct call *c, struct rig *rig, uint32_t entry_len, uint32_t nr)
{
	memset(c, 0, sizeof(*c));
	c->rig = rig;
	c->arg.size = sizeof(c->arg);
	c->arg.hwpt_id = 3;
	c->arg.data_uptr = (uint64_t)(uintptr_t)c->data;
	c->arg.data_type = 1;
	c->arg.entry_len = entry_len;
	c->arg.entry_num = nr;
	c->data_len = (size_t)entry_len * nr;
	c->res.size = sizeof(c->res);
}

static int call(struct call *c)
{
	rig_forget(c->rig);
	return iod_smmuv3_iommufd_invalidate(c->rig->v, &c->arg, sizeof(c->arg), c->data,
					     c->data_len, &c->res);
}

static void good(void **state)
{
	static const uint32_t lens[] = { 16, 17, 24, 40 };
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	struct call c;
	size_t i, k;

	for (k = 0; k < IODT_ARRAY_SIZE(lens); k++) {
		call_init(&c, rig, lens[k], MAX);
		for (i = 0; i < MAX; i++)
			put(&c, i, 0x12, (uint64_t)i << 13);
		iodt_assert_ok(call(&c));
		assert_int_equal(c.arg.entry_num, MAX);
		assert_int_equal(rig->host.nr, MAX);
		assert_int_equal(rig->host.syncs, 1);
		for (i = 0; i < MAX; i++)
			assert_true(rig->host.cmd[i].w[1] == (uint64_t)i << 13);
	}
	rig_close(rig);
}

/* The count is what was issued: the kernel counts what it converted. */
static void stops_at_bad(void **state)
{
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	struct call c;
	size_t i, bad;

	for (bad = 0; bad < MAX; bad++) {
		call_init(&c, rig, 16, MAX);
		for (i = 0; i < MAX; i++)
			put(&c, i, i == bad ? 0x46 : 0x11 | (uint64_t)i << 48, 0);
		assert_int_equal(call(&c), -EIO);
		assert_int_equal(c.arg.entry_num, bad);
		assert_int_equal(c.res.index, bad);
		assert_int_equal(c.res.reason, IOD_CMD_BAD_POLICY);
		assert_int_equal(rig->host.nr, bad);
		assert_int_equal(rig->host.at_sync, bad);
		/* and when the host refuses */
		put(&c, bad, 0x10, 0);
		c.arg.entry_num = MAX;
		rig->host.reject = true;
		rig->host.fail_at = bad;
		rig->host.fail_error = -ENXIO;
		assert_int_equal(call(&c), -ENXIO);
		assert_int_equal(c.arg.entry_num, bad);
	}
	rig_close(rig);
}

static void check(struct call *c, int error)
{
	c->res.handled = 9;
	assert_int_equal(call(c), error);
	assert_int_equal(c->arg.entry_num, 0);
	assert_int_equal(c->res.handled, 0);
	assert_int_equal(c->rig->host.calls, 0);
}

static void kernel_checks(void **state)
{
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	struct call c;

	call_init(&c, rig, 16, 1);
	c.arg.reserved = 1;
	c.arg.data_uptr = 0; /* reserved is first */
	check(&c, -EOPNOTSUPP);
	call_init(&c, rig, 16, 1);
	c.arg.data_uptr = 0;
	check(&c, -EINVAL);
	call_init(&c, rig, 0, 1);
	check(&c, -EINVAL);
	call_init(&c, rig, 4097, 1);
	check(&c, -EINVAL);
	call_init(&c, rig, 16, 1);
	c.arg.entry_num = (1u << 19) + 1;
	check(&c, -EINVAL);
	call_init(&c, rig, 16, 1);
	c.arg.data_type = 0; /* VT-d's */
	check(&c, -EINVAL);
	call_init(&c, rig, 15, 1);
	check(&c, -EINVAL);
	call_init(&c, rig, 16, 2);
	c.data_len--;
	check(&c, -EFAULT);
	call_init(&c, rig, 24, 2); /* what is not known must be zero, wherever it is */
	put(&c, 0, 0x10, 0);
	put(&c, 1, 0x10, 0);
	c.data[47] = 1;
	check(&c, -E2BIG);
	/* nothing to do: the type is checked nevertheless */
	call_init(&c, rig, 0, 0);
	c.arg.data_uptr = 0;
	iodt_assert_ok(call(&c));
	c.arg.data_type = 7;
	check(&c, -EINVAL);
	rig_close(rig);
}

static void argument_itself(void **state)
{
	struct {
		struct iod_iommufd_hwpt_invalidate arg;
		uint32_t more[2];
	} big;
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	struct call c;

	call_init(&c, rig, 16, 1);
	put(&c, 0, 0x10, 0);
	memset(&big, 0, sizeof(big));
	big.arg = c.arg;
	big.arg.size = sizeof(big);
	iodt_assert_ok(iod_smmuv3_iommufd_invalidate(rig->v, &big, sizeof(big), c.data, 16, NULL));
	big.more[1] = 1;
	assert_int_equal(iod_smmuv3_iommufd_invalidate(rig->v, &big, sizeof(big), c.data, 16, NULL),
			 -E2BIG);
	assert_int_equal(
		iod_smmuv3_iommufd_invalidate(rig->v, &big, sizeof(big) - 4, c.data, 16, NULL),
		-EFAULT);
	c.arg.size--;
	assert_int_equal(iod_smmuv3_iommufd_invalidate(rig->v, &c.arg, 32, c.data, 16, NULL),
			 -EINVAL);
	assert_int_equal(iod_smmuv3_iommufd_invalidate(rig->v, NULL, 32, c.data, 16, NULL),
			 -EFAULT);
	assert_int_equal(iod_smmuv3_iommufd_invalidate(rig->v, &c.arg, 3, c.data, 16, NULL),
			 -EFAULT);
	assert_int_equal(iod_smmuv3_iommufd_invalidate(NULL, &c.arg, 32, c.data, 16, NULL),
			 -EINVAL);
	rig_close(rig);
}

/* A guest's queue cut into what the kernel takes. */
static void prepared(void **state)
{
	static const uint8_t ops[] = { 0x30, 0x10, 0x11, 0x12, 0x13, 0x40, 0x05, 0x06 };
	struct iod_iommufd_hwpt_invalidate arg;
	struct iod_smmuv3_raw_cmd cmds[20];
	unsigned int op, i;
	size_t nr;

	for (op = 0; op < 256; op++) {
		bool want = false;

		for (i = 0; i < sizeof(ops); i++)
			want |= ops[i] == op;
		cmds[0] = rig_raw(op, 0);
		nr = 1;
		iodt_assert_ok(iod_smmuv3_iommufd_prepare(&arg, 5, cmds, &nr));
		assert_int_equal(nr, want);
	}
	for (i = 0; i < 20; i++)
		cmds[i] = rig_raw(i == 13 ? 0x46 : 0x12, 0);
	nr = 20;
	iodt_assert_ok(iod_smmuv3_iommufd_prepare(&arg, 5, cmds, &nr));
	assert_int_equal(nr, 13);
	assert_int_equal(arg.size, 32);
	assert_int_equal(arg.hwpt_id, 5);
	assert_int_equal(arg.data_type, 1);
	assert_int_equal(arg.entry_len, 16);
	assert_int_equal(arg.entry_num, 13);
	assert_int_equal(arg.reserved, 0);
	assert_true(arg.data_uptr == (uint64_t)(uintptr_t)cmds);
	assert_int_equal(iod_smmuv3_iommufd_prepare(&arg, 5, NULL, &nr), -EINVAL);
	assert_int_equal(iod_smmuv3_iommufd_prepare(&arg, 5, cmds, NULL), -EINVAL);
	nr = 0;
	iodt_assert_ok(iod_smmuv3_iommufd_prepare(&arg, 5, NULL, &nr));
	assert_int_equal(arg.entry_num, 0);
}

static int no_issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		    size_t *issued)
{
	*issued = nr;
	return 0;
}

static void objects(void **state)
{
	static const struct iod_smmuv3_sink sink = { .size = sizeof(sink), .issue = no_issue };
	struct iod_iommufd_viommu_alloc va = {
		.size = sizeof(va), .type = 1, .dev_id = 2, .hwpt_id = 3
	};
	struct iod_iommufd_vdevice_alloc da = {
		.size = sizeof(da), .viommu_id = 77, .dev_id = 2, .virt_id = 0x18
	};
	struct iod_smmuv3_vdev dev = { .size = sizeof(dev) };
	struct iod_smmuv3_viommu *v = NULL;
	struct iod_smmuv3_viommu_cfg cfg;
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);

	cfg = rig_cfg(rig, &sink);
#define REFUSED(field, value, error)                                                               \
	do {                                                                                       \
		struct iod_iommufd_viommu_alloc bad = va;                                          \
		bad.field = value;                                                                 \
		assert_int_equal(iod_smmuv3_iommufd_viommu_alloc(&v, &bad, sizeof(bad), &cfg, 77), \
				 error);                                                           \
		assert_int_equal(bad.out_viommu_id, 0);                                            \
	} while (0)
	REFUSED(size, 23, -EINVAL);
	REFUSED(flags, 1, -EOPNOTSUPP);
	REFUSED(type, 0, -EOPNOTSUPP);
	REFUSED(type, 2, -EOPNOTSUPP);
	REFUSED(data_len, 1, -EOPNOTSUPP);
	REFUSED(reserved, 1, -EOPNOTSUPP);
	REFUSED(data_uptr, 1, -EOPNOTSUPP);
	assert_int_equal(iod_smmuv3_iommufd_viommu_alloc(&v, &va, 39, &cfg, 77), -EFAULT);
	iodt_assert_ok(iod_smmuv3_iommufd_viommu_alloc(&v, &va, sizeof(va), &cfg, 77));
	assert_int_equal(va.out_viommu_id, 77);
	iodt_assert_ok(iod_smmuv3_iommufd_vdevice_alloc(v, &da, sizeof(da), 0x1003, 88));
	assert_int_equal(da.out_vdevice_id, 88);
	iodt_assert_ok(iod_smmuv3_viommu_lookup(v, 0x18, &dev));
	assert_int_equal(dev.sid, 0x1003);
	assert_int_equal(dev.state, IOD_VDEV_ON);
	assert_int_equal(iod_smmuv3_iommufd_vdevice_alloc(v, &da, sizeof(da), 0x1004, 89), -EEXIST);
	assert_int_equal(da.out_vdevice_id, 88);
	da.virt_id = IODT_BIT(32);
	assert_int_equal(iod_smmuv3_iommufd_vdevice_alloc(v, &da, sizeof(da), 0x1004, 89), -EINVAL);
	da.size--;
	assert_int_equal(iod_smmuv3_iommufd_vdevice_alloc(v, &da, sizeof(da), 0x1004, 89), -EINVAL);
	assert_int_equal(iod_smmuv3_iommufd_vdevice_alloc(v, NULL, 0, 0x1004, 89), -EFAULT);
	iodt_assert_ok(iod_smmuv3_viommu_destroy(v));
	/* Before it had data it was shorter. */
	va.size = 24;
	iodt_assert_ok(iod_smmuv3_iommufd_viommu_alloc(&v, &va, 24, &cfg, 78));
	iodt_assert_ok(iod_smmuv3_viommu_destroy(v));
	rig_close(rig);
}

static void hardware_information(void **state)
{
	struct iod_smmuv3_id id = { { 1, 2, 3, 4, 5, 6 }, 7, 8 }, back;
	struct iod_iommufd_hw_info_smmuv3 info;

	memset(&info, 0xee, sizeof(info));
	iodt_assert_ok(iod_smmuv3_iommufd_hw_info(&info, &id));
	assert_int_equal(info.flags | info.reserved, 0);
	assert_int_equal(info.idr[5], 6);
	assert_int_equal(info.iidr, 7);
	assert_int_equal(info.aidr, 8);
	iodt_assert_ok(iod_smmuv3_iommufd_id(&back, &info));
	assert_memory_equal(&back, &id, sizeof(id));
	info.flags = 1;
	assert_int_equal(iod_smmuv3_iommufd_id(&back, &info), -EOPNOTSUPP);
	assert_int_equal(iod_smmuv3_iommufd_id(NULL, &info), -EINVAL);
	assert_int_equal(iod_smmuv3_iommufd_hw_info(&info, NULL), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(stops_at_bad),
		cmocka_unit_test(kernel_checks),
		cmocka_unit_test(argument_itself),
		cmocka_unit_test(prepared),
		cmocka_unit_test(objects),
		cmocka_unit_test(hardware_information),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
