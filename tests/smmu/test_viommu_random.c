/* SPDX-License-Identifier: MIT */
/*
 * Random batches, hostile ones among them, against one command after another translated by the book:
 * what reaches the host, what is said of it, and what remains when the host fails at each of its
 * commands in turn.
 */
#include "viommucover.h"

#define MAX_BATCH 48u

/* Ranges of more than 32 single addresses are everything, as the rig's translator has it. */
static const struct iod_inv_cost cost32 = { .size = sizeof(cost32), .command = 1, .global = 32 };

/* What a batch ought to come to. */
struct wanted {
	struct rig_verdict last; /* error 0: none failed */
	size_t good;		 /* commands before it */
	struct rig_cmd cmd[MAX_BATCH * 33];
	size_t nr;
	size_t upto[MAX_BATCH + 1]; /* host commands of the first n guest commands */
};

static void want(struct wanted *w, const struct rig *rig, const struct rig_cmd *cmds, size_t nr)
{
	memset(w, 0, sizeof(*w));
	for (w->good = 0; w->good < nr; w->good++) {
		size_t i;

		w->last = rig_judge(rig, &cmds[w->good]);
		if (w->last.error)
			return;
		for (i = 0; i < w->last.nr; i++)
			w->cmd[w->nr++] = w->last.cmd[i];
		w->upto[w->good + 1] = w->nr;
	}
}

static bool literal(const struct rig *rig)
{
	return rig->opts.flags & IOD_SMMUV3_VIOMMU_LITERAL;
}

static void compare(const struct rig *rig, const struct wanted *w, const struct rig_cmd *cmds,
		    size_t nr, int ret, const struct iod_guest_result *res)
{
	if (ret != w->last.error || res->handled != w->good) /* where to look */
		print_error("command %zu, %016llx %016llx, or %u\n", w->good,
			    (unsigned long long)cmds[w->good].w[0],
			    (unsigned long long)cmds[w->good].w[1], res->handled);
	assert_int_equal(ret, w->last.error);
	assert_int_equal(res->handled, w->good);
	assert_int_equal(res->index, w->good);
	assert_int_equal(res->host_commands, rig->host.nr);
	assert_true(res->synced);
	if (ret) {
		unsigned int op = cmds[w->good].w[0] & 0xff;

		assert_int_equal(res->op, op);
		if (!w->last.reason_any)
			assert_int_equal(res->reason, w->last.reason);
		if (w->last.reason == IOD_CMD_BAD_SOURCE || w->last.reason == IOD_CMD_BAD_STATE)
			assert_int_equal(res->sid, cmds[w->good].w[0] >> 32);
	} else {
		assert_int_equal(w->good, nr);
	}
	rig_check_host(rig);
	if (literal(rig))
		rig_expect(rig, w->cmd, w->nr);
	else
		cover_equal(rig, w->cmd, w->nr, rig->host.cmd, rig->host.nr);
	assert_int_equal(rig->host.at_sync, rig->host.nr);
}

static void change_devices(struct rig *rig)
{
	struct iod_iommufd_hwpt_smmuv3 vste;
	unsigned int dev = (unsigned int)rig_below(rig, RIG_DEVICES);

	rig->state[dev] = (enum iod_vdev_state)rig_below(rig, 3);
	rig->linear[dev] = rig_below(rig, 2);
	iodt_assert_ok(iod_smmuv3_viommu_set_state(rig->v, dev * 8, rig->state[dev]));
	/* V, Config 5, S1CDMax 3; S1Fmt 0 or 1 */
	iodt_put_le64(&vste.ste[0], 0xb | (rig->linear[dev] ? 0 : 1u << 4) | UINT64_C(3) << 59);
	vste.ste[1] = 0;
	iodt_assert_ok(iod_smmuv3_viommu_vste_installed(rig->v, dev * 8, &vste));
}

static struct rig_opts some_opts(unsigned int n)
{
	static const uint32_t granules[] = { IOD_SMMUV3_IDR5_GRAN4K, IOD_SMMUV3_IDR5_GRAN64K,
					     IOD_SMMUV3_IDR5_GRAN4K | IOD_SMMUV3_IDR5_GRAN16K |
						     IOD_SMMUV3_IDR5_GRAN64K,
					     IOD_SMMUV3_IDR5_GRAN16K };
	struct rig_opts o = rig_defaults();

	o.cost = &cost32;
	o.host_ril = n & 1;
	o.guest_ril = !(n & 2) || n & 4;
	o.flags = n & 8 ? IOD_SMMUV3_VIOMMU_LITERAL : 0;
	o.granules = granules[n >> 4 & 3];
	o.pri = n & 64;
	o.stall = n & 128;
	if (n & 4)
		o.flags |= IOD_SMMUV3_VIOMMU_ALLOW_PRI | IOD_SMMUV3_VIOMMU_ALLOW_RESUME;
	if (n & 256)
		o.flags |= IOD_SMMUV3_VIOMMU_STRICT_ATC | IOD_SMMUV3_VIOMMU_NO_RANGES;
	o.ats = n % 7;
	return o;
}

#define NR_OPTS 512u

static void run_some(unsigned int n, unsigned int rounds, bool hostile)
{
	struct rig_opts o = some_opts(n);
	struct rig *rig = rig_open(&o);
	struct iod_guest_result res;
	struct rig_cmd cmds[MAX_BATCH];
	struct wanted *w = malloc(sizeof(*w));
	size_t nr, i;

	assert_non_null(w);
	rig->rng += n * UINT64_C(0x9e3779b97f4a7c15);
	while (rounds--) {
		int ret;

		change_devices(rig);
		nr = rig_below(rig, MAX_BATCH + 1);
		for (i = 0; i < nr; i++)
			cmds[i] = rig_generate(rig, hostile);
		want(w, rig, cmds, nr);
		rig_forget(rig);
		ret = rig_run(rig, cmds, nr, &res);
		compare(rig, w, cmds, nr, ret, &res);
	}
	free(w);
	rig_close(rig);
}

static void by_the_book(void **state)
{
	unsigned int n;

	for (n = 0; n < NR_OPTS; n++)
		run_some(n, iodt_scale(200), false);
}

static void hostile(void **state)
{
	unsigned int n;

	for (n = 0; n < NR_OPTS; n++)
		run_some(n, iodt_scale(400), true);
}

/* All that the guest's first @handled commands ask for was taken. */
static void check_handled(const struct rig *rig, const struct wanted *w, uint32_t handled)
{
	size_t i;

	for (i = 0; i < w->upto[handled]; i++)
		assert_true(cover_has(rig, rig->host.cmd, rig->host.nr, &w->cmd[i]));
}

/* The command with number @n is refused. */
static void fail_at(struct rig *rig, const struct wanted *w, const struct rig_cmd *cmds, size_t nr,
		    size_t n)
{
	struct iod_guest_result res;
	int ret;

	rig_forget(rig);
	rig->host.reject = true;
	rig->host.fail_at = n;
	rig->host.fail_error = -ENXIO;
	ret = rig_run(rig, cmds, nr, &res);
	if (rig->host.reject) { /* there are not so many */
		rig->host.reject = false;
		assert_int_equal(ret, w->last.error);
		return;
	}
	assert_int_equal(ret, -ENXIO);
	assert_int_equal(res.reason, IOD_CMD_BAD_ISSUE);
	assert_int_equal(res.index, res.handled);
	assert_int_equal(res.host_commands, n);
	assert_int_equal(rig->host.nr, n); /* nothing behind it */
	assert_true(res.handled < nr);
	check_handled(rig, w, res.handled);
	assert_true(res.synced && rig->host.at_sync == n);
	rig_check_host(rig);
	if (literal(rig)) {
		assert_true(w->upto[res.handled] <= n && w->upto[res.handled + 1] > n);
		assert_int_equal(res.op, cmds[res.handled].w[0] & 0xff);
	}
}

static void host_fails(void **state)
{
	struct rig_cmd cmds[MAX_BATCH];
	struct wanted *w = malloc(sizeof(*w));
	unsigned int n, rounds;
	size_t i;

	assert_non_null(w);
	for (n = 0; n < NR_OPTS; n += 3) {
		struct rig_opts o = some_opts(n);
		struct rig *rig = rig_open(&o);

		rig->rng += n;
		for (rounds = iodt_scale(2); rounds; rounds--) {
			change_devices(rig);
			for (i = 0; i < 20; i++)
				cmds[i] = rig_generate(rig, n & 1);
			want(w, rig, cmds, 20);
			for (i = 0; i <= w->nr; i++)
				fail_at(rig, w, cmds, 20, i);
		}
		rig_close(rig);
	}
	free(w);
}

/* Taken, but not known to be complete. */
static void host_sync_fails(void **state)
{
	const struct rig_cmd cmds[] = { { { 0x12, 0x1000 } }, { { 0x12, 0x9000 } } };
	struct iod_guest_result res;
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);

	rig->host.fail_sync = true;
	rig->host.fail_error = -ETIMEDOUT;
	assert_int_equal(rig_run(rig, cmds, 2, &res), -ETIMEDOUT);
	assert_int_equal(res.handled, 2);
	assert_int_equal(res.host_commands, 2);
	assert_int_equal(res.reason, IOD_CMD_BAD_ISSUE);
	assert_int_equal(res.op, 0x46);
	assert_false(res.synced);
	assert_int_equal(rig->host.syncs, 1);
	rig_close(rig);
}

/* A run that takes two ranges counts when both were taken. */
static void fails_between_parts(void **state)
{
	struct iod_guest_result res;
	struct rig_cmd cmds[40];
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	unsigned int i;

	cmds[0] = (struct rig_cmd){ { 0x11, 0 } };
	for (i = 1; i < 40; i++)
		cmds[i] = (struct rig_cmd){ { 0x12, (uint64_t)i << 12 } };
	rig->host.reject = true;
	rig->host.fail_at = 2;
	rig->host.fail_error = -EIO;
	assert_int_equal(rig_run(rig, cmds, 40, &res), -EIO);
	assert_int_equal(res.handled, 1);
	assert_int_equal(res.host_commands, 2);
	assert_int_equal(res.op, 0x12);
	rig_close(rig);
}

static uint32_t handled_at(struct rig *rig, const struct rig_cmd *cmds, size_t nr, size_t fail)
{
	struct iod_guest_result res;

	rig_forget(rig);
	rig->host.reject = true;
	rig->host.fail_at = fail;
	rig->host.fail_error = -EIO;
	assert_int_equal(rig_run(rig, cmds, nr, &res), -EIO);
	assert_int_equal(res.host_commands, fail);
	return res.handled;
}

/* What needs nothing of the host counts with what is before it, and that was not taken yet. */
static void fails_behind_nothing(void **state)
{
	const struct rig_cmd cmds[] = {
		{ { 0x11, 0 } },      /* goes out */
		{ { 0x12, 0x1000 } }, /* may be joined to what comes */
		{ { 0x02, 0 } },      /* a hint */
		{ { 0x12, 0x1000 } }, /* known */
		{ { 0x12, 0x9000 } }, { { 0x02, 0 } },
	};
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);

	assert_int_equal(handled_at(rig, cmds, 6, 0), 0);
	assert_int_equal(handled_at(rig, cmds, 6, 1), 1);
	assert_int_equal(handled_at(rig, cmds, 6, 2), 4);
	rig_close(rig);
}

/* Twice because of an erratum: once is not enough. */
static void fails_between_repeats(void **state)
{
	const struct rig_cmd cmds[] = { { { 0x11, 0 } }, { { 0x10, 0 } } };
	struct rig_opts o = rig_defaults();
	struct rig *rig;
	size_t i;

	o.flags = IOD_SMMUV3_VIOMMU_REPEAT;
	rig = rig_open(&o);
	for (i = 0; i < 4; i++)
		assert_int_equal(handled_at(rig, cmds, 2, i), i / 2);
	rig_close(rig);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_the_book),
		cmocka_unit_test(hostile),
		cmocka_unit_test(host_fails),
		cmocka_unit_test(host_sync_fails),
		cmocka_unit_test(fails_between_parts),
		cmocka_unit_test(fails_behind_nothing),
		cmocka_unit_test(fails_between_repeats),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
