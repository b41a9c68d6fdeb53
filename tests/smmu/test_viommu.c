/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a guest's commands, one rule at a time: words on both sides are written by hand from
 * Arm IHI 0070, 4.3 to 4.7.
 */
#include "viommuwords.h"

static void each_command(void **state)
{
	struct rig_opts o = rig_defaults();
	struct rig *rig;

	o.pri = true;
	o.stall = true;
	o.flags = IOD_SMMUV3_VIOMMU_ALLOW_PRI | IOD_SMMUV3_VIOMMU_ALLOW_RESUME;
	rig = rig_open(&o);
	rig_expect_one(rig, 0x10, 0, 0x10 | VMID, 0);
	rig_expect_one(rig, 0x11 | ASID(3), 0, 0x11 | VMID | ASID(3), 0);
	rig_expect_one(rig, 0x12 | ASID(3), 0x123456789000 | LEAF, 0x12 | VMID | ASID(3),
		       0x123456789000 | LEAF);
	rig_expect_one(rig, 0x13, 0xfffffffffffff000, 0x13 | VMID, 0xfffffffffffff000);
	rig_expect_one(rig, 0x12 | ASID(3) | NUM(2) | SCALE(4), 0x200000 | TG4K | TTL(3),
		       0x12 | VMID | ASID(3) | NUM(2) | SCALE(4), 0x200000 | TG4K | TTL(3));
	rig_expect_one(rig, 0x05 | VSID(2) | NUM(9), 0, 0x05 | SID(2) | NUM(9), 0);
	rig_expect_one(rig, 0x06 | VSID(2), 0, 0x06 | SID(2), 0);
	rig_expect_one(rig, 0x40 | VSID(3), 0x4000 | 2, 0x40 | SID(3), 0x4000 | 2);
	rig_expect_one(rig, 0x40 | VSID(3) | SSV | NUM(5) | 1u << 9, 52,
		       0x40 | SID(3) | SSV | NUM(5) | 1u << 9, 52);
	rig_expect_one(rig, 0x41 | VSID(1) | SSV | NUM(5), 0x2001, 0x41 | SID(1) | SSV | NUM(5),
		       0x2001);
	rig_expect_one(rig, 0x44 | VSID(1) | 1u << 12, 0xabcd, 0x44 | SID(1) | 1u << 12, 0xabcd);
	rig_expect_one(rig, 0x45 | VSID(1), 0, 0x45 | SID(1), 0);
	rig_close(rig);
}

/* 4.4.2: a guest's "everything" is everything of its VMID. */
static void nsnh_all(void **state)
{
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);

	rig_expect_one(rig, 0x30, 0, 0x10 | VMID, 0);
	rig_close(rig);
}

static void vmid_is_forced(void **state)
{
	static const uint8_t ops[] = { 0x10, 0x11, 0x12, 0x13 };
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	unsigned int i, bit;

	for (i = 0; i < sizeof(ops); i++)
		for (bit = 32; bit < 48; bit++)
			rig_expect_refused(rig, ops[i] | IODT_BIT(bit), 0, -EINVAL,
					   IOD_CMD_BAD_DOMAIN);
	rig_expect_refused(rig, 0x12 | VMID, 0, -EINVAL,
			   IOD_CMD_BAD_DOMAIN); /* even the right one */
	rig_close(rig);
}

static void atc_one_target(void **state)
{
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	unsigned int i;

	for (i = 0; i < RIG_DEVICES; i++)
		rig_expect_one(rig, 0x40 | VSID(i), 0x8000 | 3, 0x40 | SID(i), 0x8000 | 3);
	rig_close(rig);
	o.ats = false;
	rig = rig_open(&o);
	rig_expect_refused(rig, 0x40 | VSID(1), 0, -EOPNOTSUPP, IOD_CMD_BAD_PERMISSION);
	rig_close(rig);
}

static void set_state(struct rig *rig, unsigned int dev, enum iod_vdev_state state)
{
	iodt_assert_ok(iod_smmuv3_viommu_set_state(rig->v, dev * 8, state));
	rig->state[dev] = state;
}

static void device_state(void **state)
{
	const struct rig_cmd g[] = {
		{ { 0x40 | VSID(1), 1 } },	{ { 0x40 | VSID(2), 1 } },
		{ { 0x40 | VSID(3), 1 } },	{ { 0x06 | VSID(2), 0 } },
		{ { 0x41 | VSID(1), 0x2000 } }, { { 0x41 | VSID(2), 0x2000 } },
		{ { 0x44 | VSID(1), 5 } },	{ { 0x44 | VSID(2), 5 } },
		{ { 0x45 | VSID(2), 0 } },
	};
	const struct rig_cmd want[] = {
		{ { 0x40 | SID(3), 1 } },
		{ { 0x06 | SID(2), 0 } },
		{ { 0x44 | SID(1), 5 } },
	};
	struct rig_opts o = rig_defaults();
	struct rig *rig;

	o.pri = true;
	o.stall = true;
	o.flags = IOD_SMMUV3_VIOMMU_ALLOW_PRI | IOD_SMMUV3_VIOMMU_ALLOW_RESUME;
	rig = rig_open(&o);
	set_state(rig, 1, IOD_VDEV_ATS_OFF);
	set_state(rig, 2, IOD_VDEV_BLOCKED);
	rig_expect_batch(rig, g, IODT_ARRAY_SIZE(g), want, IODT_ARRAY_SIZE(want));
	set_state(rig, 1, IOD_VDEV_ON);
	rig_expect_one(rig, 0x40 | VSID(1), 1, 0x40 | SID(1), 1);
	rig_close(rig);
	o.flags = IOD_SMMUV3_VIOMMU_STRICT_ATC;
	rig = rig_open(&o);
	set_state(rig, 1, IOD_VDEV_ATS_OFF);
	rig_expect_refused(rig, 0x40 | VSID(1), 1, -EOPNOTSUPP, IOD_CMD_BAD_STATE);
	rig_close(rig);
}

static void unknown_sid(void **state)
{
	static const uint8_t ops[] = { 0x05, 0x06, 0x40 };
	const struct rig_cmd g[] = {
		{ { 0x06 | VSID(1), 0 } },
		{ { 0x06 | VSID(2), 0 } },
		{ { 0x06 | UINT64_C(0x1001) << 32, 0 } }, /* a host's StreamID is none of a guest */
		{ { 0x06 | VSID(3), 0 } },
	};
	struct iod_guest_result res;
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	unsigned int i;

	for (i = 0; i < sizeof(ops); i++)
		rig_expect_refused(rig, ops[i] | UINT64_C(0x55) << 32, 0, -ENOENT,
				   IOD_CMD_BAD_SOURCE);
	rig_forget(rig);
	assert_int_equal(rig_run(rig, g, 4, &res), -ENOENT);
	assert_int_equal(res.index, 2);
	assert_int_equal(res.sid, 0x1001);
	assert_int_equal(rig->host.nr, 2);
	iodt_assert_ok(iod_smmuv3_viommu_remove(rig->v, 8));
	rig_forget(rig);
	assert_int_equal(rig_run(rig, g, 1, &res), -ENOENT);
	assert_int_equal(res.sid, 8);
	assert_int_equal(rig->host.nr + rig->host.calls, 0);
	rig_close(rig);
}

static struct iod_smmuv3_cmd strange;
static unsigned int strangers;

/* What came before is with the host; StreamID 0x66 is nobody's. */
static int on_stranger(void *cookie, const struct iod_smmuv3_cmd *cmd)
{
	struct rig *rig = cookie;

	strange = *cmd;
	strangers++;
	assert_int_equal(rig->host.nr, 1);
	assert_int_equal(rig->host.at_sync, 1);
	return cmd->sid == 0x66 ? -ENOENT : 0;
}

/* R115: devices that the VMM emulates behind the same SMMU are its own to tell. */
static void strangers_are_asked_for(void **state)
{
	const struct rig_cmd g[] = {
		{ { 0x06 | VSID(1), 0 } },
		{ { 0x40 | UINT64_C(0x55) << 32, UINT64_C(0x7000) | 1 } }, /* ATC_INV */
		{ { 0x06 | UINT64_C(0x66) << 32, 0 } },
		{ { 0x06 | VSID(2), 0 } },
	};
	struct iod_guest_result res;
	struct rig_opts o = rig_defaults();
	struct rig *rig;

	o.stranger = on_stranger;
	rig = rig_open(&o);
	rig_forget(rig);
	strangers = 0;
	assert_int_equal(rig_run(rig, g, 4, &res), -ENOENT);
	assert_int_equal(strangers, 2);
	assert_int_equal(strange.op, IOD_SMMUV3_CFGI_CD_ALL);
	assert_int_equal(res.handled, 2);
	assert_int_equal(res.index, 2);
	assert_int_equal(res.sid, 0x66);
	assert_int_equal(res.reason, IOD_CMD_BAD_SOURCE);
	assert_int_equal(rig->host.nr, 1);
	assert_int_equal(rig_run(rig, &g[1], 1, &res), 0);
	assert_int_equal(strange.op, IOD_SMMUV3_ATC_INV);
	assert_int_equal(strange.sid, 0x55);
	assert_int_equal(strange.addr, 0x7000);
	assert_int_equal(strange.span, 1);
	rig_close(rig);
}

static void unknown_opcode(void **state)
{
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	unsigned int op;

	for (op = 0; op < 256; op++) {
		const char *name = iod_smmuv3_op_name((enum iod_smmuv3_op)op);

		if (!name)
			rig_expect_refused(rig, op, 0, -EOPNOTSUPP, IOD_CMD_BAD_OPCODE);
		else if (op == 0x41 || op == 0x44 || op == 0x45 || op == 0x28 || op == 0x2a ||
			 (op >= 0x20 && op <= 0x23))
			rig_expect_refused(rig, op, 0, -EOPNOTSUPP, IOD_CMD_BAD_PERMISSION);
	}
	rig_expect_refused(rig, 0x46, 0, -EOPNOTSUPP, IOD_CMD_BAD_POLICY);
	rig_expect_refused(rig, 0x03 | VSID(1), 0, -EOPNOTSUPP, IOD_CMD_BAD_POLICY);
	rig_expect_refused(rig, 0x04, 31, -EOPNOTSUPP, IOD_CMD_BAD_POLICY);
	rig_close(rig);
}

/* The ID registers say yes, the host's owner says no. */
static void not_enabled(void **state)
{
	struct rig_opts o = rig_defaults();
	struct rig *rig;

	o.pri = true;
	o.stall = true;
	rig = rig_open(&o);
	rig_expect_refused(rig, 0x41 | VSID(1), 0, -EOPNOTSUPP, IOD_CMD_BAD_POLICY);
	rig_expect_refused(rig, 0x44 | VSID(1), 0, -EOPNOTSUPP, IOD_CMD_BAD_POLICY);
	rig_expect_refused(rig, 0x45 | VSID(1), 0, -EOPNOTSUPP, IOD_CMD_BAD_POLICY);
	rig_close(rig);
}

static void listing(void **state)
{
	static const uint8_t yes[] = { 1, 2, 5, 6, 0x10, 0x11, 0x12, 0x13, 0x30, 0x40 };
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	unsigned int op, i;

	for (op = 0; op < 300; op++) {
		bool want = false;

		for (i = 0; i < sizeof(yes); i++)
			want |= yes[i] == op;
		assert_int_equal(iod_smmuv3_viommu_takes(rig->v, (enum iod_smmuv3_op)op), want);
	}
	assert_false(iod_smmuv3_viommu_takes(NULL, IOD_SMMUV3_CFGI_CD));
	rig_close(rig);
}

static void cfgi_cd_leaf(void **state)
{
	struct iod_iommufd_hwpt_smmuv3 vste;
	uint64_t ste[2] = { 0, 0 };
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);

	rig_expect_one(rig, 0x05 | VSID(1) | NUM(1), LEAF, 0x05 | SID(1) | NUM(1), 0);
	/* V, Config 5, S1Fmt 0, S1CDMax 4: one level */
	iodt_put_le64(&ste[0], 1 | 5u << 1 | UINT64_C(0x12340000) | UINT64_C(4) << 59);
	iodt_assert_ok(iod_smmuv3_viommu_vste(rig->v, 8, ste, &vste, NULL));
	rig_expect_one(rig, 0x05 | VSID(1) | NUM(1), LEAF, 0x05 | SID(1) | NUM(1), 0);
	iodt_assert_ok(iod_smmuv3_viommu_vste_installed(rig->v, 8, &vste));
	rig->linear[1] = true;
	rig_expect_one(rig, 0x05 | VSID(1) | NUM(1), LEAF, 0x05 | SID(1) | NUM(1), LEAF);
	rig_expect_one(rig, 0x05 | VSID(2) | NUM(1), LEAF, 0x05 | SID(2) | NUM(1), 0); /* another */
	/* S1Fmt 2: about to become two levels */
	iodt_put_le64(&ste[0], 1 | 5u << 1 | 2u << 4 | UINT64_C(0x12340000) | UINT64_C(4) << 59);
	iodt_assert_ok(iod_smmuv3_viommu_vste(rig->v, 8, ste, &vste, NULL));
	rig->linear[1] = false;
	rig_expect_one(rig, 0x05 | VSID(1) | NUM(1), LEAF, 0x05 | SID(1) | NUM(1), 0);
	iodt_assert_ok(iod_smmuv3_viommu_vste_installed(rig->v, 8, &vste));
	rig_expect_one(rig, 0x05 | VSID(1) | NUM(1), LEAF, 0x05 | SID(1) | NUM(1), 0);
	rig_close(rig);
}

static void hints_ignored(void **state)
{
	const struct rig_cmd g[] = {
		{ { 0x01 | VSID(1), 0 } },
		{ { 0x02 | UINT64_C(0x77) << 32, 0x1000 } },
	};
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);

	rig_expect_batch(rig, g, 2, NULL, 0);
	rig_close(rig);
}

static int twice_but_odd(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max)
{
	uint64_t w1;

	assert_true(*nr >= 1 && max >= 2 * *nr);
	iodt_put_le64(&w1, cmds[0].word[1]);
	if (w1 & 0x1000) { /* dropped */
		*nr = 0;
	} else if (w1 & 0x2000) { /* twice */
		cmds[1] = cmds[0];
		*nr = 2;
	} else if (w1 & 0x4000) { /* something else */
		cmds[0] = rig_raw(0x10 | VMID, 0);
	} else if (w1 & 0x8000) {
		return -EIO;
	} else if (w1 & 0x10000) {
		*nr = max + 1;
	}
	return 0;
}

static void quirk_hook(void **state)
{
	const struct rig_cmd g[] = { { { 0x12, 0x1000 } },
				     { { 0x12, 0x2000 } },
				     { { 0x12, 0x4000 } } };
	const struct rig_cmd want[] = { { { 0x12 | VMID, 0x2000 } },
					{ { 0x12 | VMID, 0x2000 } },
					{ { 0x10 | VMID, 0 } } };
	struct rig_opts o = rig_defaults();
	struct iod_guest_result res;
	struct rig_cmd bad[] = { { { 0x12, 0x2000 } }, { { 0x12, 0x8000 } } };
	struct rig *rig;

	o.quirk = twice_but_odd;
	o.flags = IOD_SMMUV3_VIOMMU_LITERAL;
	rig = rig_open(&o);
	rig_expect_batch(rig, g, 3, want, 3);
	rig_forget(rig);
	assert_int_equal(rig_run(rig, bad, 2, &res), -EIO);
	assert_int_equal(res.handled, 1);
	assert_int_equal(res.reason, IOD_CMD_BAD_ISSUE);
	assert_int_equal(res.op, 0x12);
	rig_expect(rig, want, 2);
	bad[1].w[1] = 0x10000;
	assert_int_equal(rig_run(rig, bad, 2, &res), -EINVAL);
	assert_int_equal(res.handled, 1);
	rig_close(rig);
}

static void errata_flags(void **state)
{
	const struct rig_cmd g = { { 0x13 | NUM(1), 0x1000 | TG4K } };
	const struct rig_cmd want[] = {
		{ { 0x13 | VMID, 0x1000 } },
		{ { 0x13 | VMID, 0x1000 } },
		{ { 0x13 | VMID, 0x2000 } },
		{ { 0x13 | VMID, 0x2000 } },
	};
	struct rig_opts o = rig_defaults();
	struct rig *rig;

	o.flags = IOD_SMMUV3_VIOMMU_NO_RANGES | IOD_SMMUV3_VIOMMU_REPEAT;
	rig = rig_open(&o);
	rig_expect_batch(rig, &g, 1, want, 4);
	rig_expect_one(rig, 0x40 | VSID(1), 0, 0x40 | SID(1), 0);
	rig_close(rig);
}

static void sync_policy(void **state)
{
	struct iod_guest_result res;
	struct rig_cmd g[600];
	struct rig_opts o = rig_defaults();
	struct rig *rig;
	unsigned int i;

	for (i = 0; i < 600; i++)
		g[i] = (struct rig_cmd){ { 0x12, (uint64_t)i << 20 } };
	rig = rig_open(&o);
	iodt_assert_ok(rig_run(rig, g, 200, &res));
	assert_int_equal(res.syncs, 1);
	assert_int_equal(rig->host.calls, 1);
	rig_forget(rig);
	iodt_assert_ok(rig_run(rig, g, 600, &res));
	assert_int_equal(res.syncs, 3); /* so that what fails is always known */
	assert_int_equal(rig->host.at_sync, 600);
	rig_close(rig);
	o.flags = IOD_SMMUV3_VIOMMU_SYNC_EACH;
	rig = rig_open(&o);
	iodt_assert_ok(rig_run(rig, g, 20, &res));
	assert_int_equal(res.syncs, 20);
	assert_true(res.synced);
	rig_close(rig);
	o.flags = IOD_SMMUV3_VIOMMU_NO_SYNC;
	rig = rig_open(&o);
	iodt_assert_ok(rig_run(rig, g, 600, &res));
	assert_int_equal(res.syncs + rig->host.syncs, 0);
	assert_int_equal(res.handled, 600);
	assert_false(res.synced);
	rig_close(rig);
}

static unsigned int synced_calls;

static int count_synced(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	struct rig *rig = cookie;

	assert_int_equal(rig->host.at_sync, rig->host.nr); /* complete */
	assert_int_equal(sync->cs, IOD_SMMUV3_SYNC_IRQ);
	assert_int_equal(sync->msi_data, 0x99);
	synced_calls++;
	return -EIO; /* which stops nothing */
}

static void sync_in_batch(void **state)
{
	const struct rig_cmd g[] = {
		{ { 0x12, 0x1000 } },
		{ { 0x46 | 1u << 12 | UINT64_C(0x99) << 32, 0x8000 } },
		{ { 0x12, 0x2000 } },
	};
	struct iod_guest_result res;
	struct rig_opts o = rig_defaults();
	struct rig *rig;

	o.flags = IOD_SMMUV3_VIOMMU_ACCEPT_SYNC;
	o.synced = count_synced;
	rig = rig_open(&o);
	synced_calls = 0;
	iodt_assert_ok(rig_run(rig, g, 3, &res));
	assert_int_equal(res.handled, 3);
	assert_int_equal(synced_calls, 1);
	assert_int_equal(rig->host.nr, 2); /* not joined across it */
	assert_int_equal(res.syncs, 2);
	assert_true(iod_smmuv3_viommu_takes(rig->v, IOD_SMMUV3_SYNC));
	rig_close(rig);
}

static int told(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	const struct rig *rig = cookie;

	(void)sync;
	assert_int_equal(rig->host.at_sync, rig->host.nr);
	synced_calls++;
	return 0;
}

/* What an earlier batch left without a sync: its SYNC is asked for again, or comes in a batch of its own. */
static void sync_alone(void **state)
{
	const struct rig_cmd g[] = { { { 0x12, 0x1000 } }, { { 0x46, 0 } } };
	struct iod_guest_result res;
	struct rig_opts o = rig_defaults();
	unsigned int no_sync;
	struct rig *rig;

	for (no_sync = 0; no_sync < 2; no_sync++) {
		o.flags = IOD_SMMUV3_VIOMMU_ACCEPT_SYNC;
		o.flags |= no_sync ? IOD_SMMUV3_VIOMMU_NO_SYNC : 0;
		o.synced = told;
		rig = rig_open(&o);
		synced_calls = 0;
		rig->host.fail_sync = !no_sync;
		rig->host.fail_error = -EAGAIN;
		assert_int_equal(rig_run(rig, g, no_sync ? 1 : 2, &res), no_sync ? 0 : -EAGAIN);
		assert_int_equal(res.index, 1);
		assert_false(res.synced);
		assert_int_equal(synced_calls, 0);
		iodt_assert_ok(rig_run(rig, g + 1, 1, &res));
		assert_int_equal(synced_calls, 1);
		assert_true(res.synced);
		rig_close(rig);
	}
}

static struct rig *ste_rig;
static uint32_t ste_first, ste_last;
static unsigned int ste_calls;

/* The VMM may do in it whatever it likes. */
static int on_cfgi_ste(void *cookie, uint32_t first, uint32_t last, bool leaf)
{
	struct rig *rig = cookie;

	assert_ptr_equal(rig, ste_rig);
	assert_int_equal(rig->host.nr, 1); /* what was before it */
	ste_first = first;
	ste_last = last;
	ste_calls++;
	if (first == 0x50)
		return -EBUSY;
	iodt_assert_ok(iod_smmuv3_viommu_set_state(rig->v, 8, IOD_VDEV_ATS_OFF));
	iodt_assert_ok(iod_smmuv3_viommu_set_state(rig->v, 8, IOD_VDEV_ON));
	iodt_assert_ok(iod_smmuv3_viommu_remove(rig->v, 16));
	iodt_assert_ok(iod_smmuv3_viommu_add(rig->v, 16, 0x1002, IOD_VDEV_ON));
	return 0;
}

static void cfgi_ste(void **state)
{
	static const struct {
		uint64_t w0, w1;
		uint32_t first, last;
	} rows[] = {
		{ 0x03 | UINT64_C(0x123) << 32, 1, 0x123, 0x123 },
		{ 0x04 | UINT64_C(0x123) << 32, 0, 0x122, 0x123 },
		{ 0x04 | UINT64_C(0x123) << 32, 7, 0x100, 0x1ff },
		{ 0x04 | UINT64_C(0x123) << 32, 30, 0, 0x7fffffff },
		{ 0x04, 31, 0, 0xffffffff },
	};
	struct rig_cmd g[] = { { { 0x12, 0x1000 } }, { { 0 } }, { { 0x12, 0x2000 } } };
	struct iod_guest_result res;
	struct rig_opts o = rig_defaults();
	struct rig *rig;
	size_t i;

	o.cfgi_ste = on_cfgi_ste;
	rig = ste_rig = rig_open(&o);
	for (i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		g[1] = (struct rig_cmd){ { rows[i].w0, rows[i].w1 } };
		ste_calls = 0;
		rig_forget(rig);
		iodt_assert_ok(rig_run(rig, g, 3, &res));
		assert_int_equal(res.handled, 3);
		assert_int_equal(ste_calls, 1);
		assert_int_equal(ste_first, rows[i].first);
		assert_int_equal(ste_last, rows[i].last);
		assert_int_equal(rig->host.nr, 2);
	}
	g[1] = (struct rig_cmd){ { 0x03 | UINT64_C(0x50) << 32, 0 } };
	rig_forget(rig);
	assert_int_equal(rig_run(rig, g, 3, &res), -EBUSY);
	assert_int_equal(res.handled, 1);
	assert_int_equal(res.sid, 0x50);
	assert_int_equal(res.reason, IOD_CMD_BAD_POLICY);
	assert_int_equal(rig->host.nr, 1);
	/* What is before it fails: it is not called. */
	rig_forget(rig);
	ste_calls = 0;
	rig->host.reject = true;
	rig->host.fail_at = 0;
	rig->host.fail_error = -EIO;
	assert_int_equal(rig_run(rig, g, 3, &res), -EIO);
	assert_int_equal(res.handled, 0);
	assert_int_equal(ste_calls, 0);
	rig_close(rig);
}

/* Row 123: nothing to do it with is an error. */
static void misuse(void **state)
{
	const struct rig_cmd bad = { { 0x07, 0 } };
	struct iod_guest_result res = { .size = sizeof(res) };
	struct iod_smmuv3_raw_cmd raw = rig_raw(0x10, 0);
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);

	iodt_assert_ok(rig_run(rig, &bad, 0, &res)); /* nothing is looked at */
	assert_int_equal(res.handled + rig->host.calls, 0);
	assert_int_equal(iod_smmuv3_viommu_invalidate(NULL, &raw, 1, &res), -EINVAL);
	res.handled = 99;
	assert_int_equal(iod_smmuv3_viommu_invalidate(rig->v, NULL, 1, &res), -EINVAL);
	assert_int_equal(res.handled, 0);
	iodt_assert_ok(iod_smmuv3_viommu_invalidate(rig->v, NULL, 0, &res));
	assert_int_equal(
		iod_smmuv3_viommu_invalidate(rig->v, &raw, IOD_SMMUV3_VIOMMU_MAX_BATCH + 1, &res),
		-EINVAL);
	res.size = sizeof(res) - 1;
	assert_int_equal(iod_smmuv3_viommu_invalidate(rig->v, &raw, 1, &res), -EINVAL);
	assert_int_equal(rig->host.nr, 0);
	iodt_assert_ok(iod_smmuv3_viommu_invalidate(rig->v, &raw, 1, NULL));
	assert_int_equal(rig->host.nr, 1);
	rig_close(rig);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_command),
		cmocka_unit_test(nsnh_all),
		cmocka_unit_test(vmid_is_forced),
		cmocka_unit_test(atc_one_target),
		cmocka_unit_test(device_state),
		cmocka_unit_test(unknown_sid),
		cmocka_unit_test(strangers_are_asked_for),
		cmocka_unit_test(unknown_opcode),
		cmocka_unit_test(not_enabled),
		cmocka_unit_test(listing),
		cmocka_unit_test(cfgi_cd_leaf),
		cmocka_unit_test(hints_ignored),
		cmocka_unit_test(quirk_hook),
		cmocka_unit_test(errata_flags),
		cmocka_unit_test(sync_policy),
		cmocka_unit_test(sync_in_batch),
		cmocka_unit_test(sync_alone),
		cmocka_unit_test(cfgi_ste),
		cmocka_unit_test(misuse),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
