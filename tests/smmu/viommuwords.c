/* SPDX-License-Identifier: MIT */
/* Batches whose outcome is known to the last word. */
#include "viommuwords.h"

void rig_expect_batch(struct rig *rig, const struct rig_cmd *cmds, size_t nr,
		      const struct rig_cmd *want, size_t nr_want)
{
	struct iod_guest_result res;

	rig_forget(rig);
	iodt_assert_ok(rig_run(rig, cmds, nr, &res));
	assert_int_equal(res.handled, nr);
	assert_int_equal(res.index, nr);
	assert_int_equal(res.reason, IOD_CMD_OK);
	assert_int_equal(res.host_commands, nr_want);
	assert_true(res.synced);
	assert_int_equal(res.syncs, nr_want != 0);
	rig_expect(rig, want, nr_want);
	rig_check_host(rig);
}

void rig_expect_one(struct rig *rig, uint64_t w0, uint64_t w1, uint64_t h0, uint64_t h1)
{
	const struct rig_cmd cmd = { { w0, w1 } }, want = { { h0, h1 } };

	rig_expect_batch(rig, &cmd, 1, &want, 1);
}

void rig_expect_refused(struct rig *rig, uint64_t w0, uint64_t w1, int error,
			enum iod_cmd_reason reason)
{
	const struct rig_cmd cmds[] = {
		{ { 0x11 | ASID(7), 0 } },
		{ { w0, w1 } },
		{ { 0x10, 0 } },
	};
	const struct rig_cmd want = { { 0x11 | ASID(7) | VMID, 0 } };
	struct iod_guest_result res;

	rig_forget(rig);
	assert_int_equal(rig_run(rig, cmds, 3, &res), error);
	assert_int_equal(res.handled, 1);
	assert_int_equal(res.index, 1);
	assert_int_equal(res.reason, reason);
	assert_int_equal(res.op, w0 & 0xff);
	assert_true(res.synced);
	assert_int_equal(res.syncs, 1);
	rig_expect(rig, &want, 1); /* what is before it was issued, what is behind it was not */
	assert_int_equal(rig->host.at_sync, 1);
}
