/* SPDX-License-Identifier: MIT */
/*
 * A guest's SMMUv3 commands become the host's, in batches that a busy guest makes. An item is a guest
 * command. The host's end counts and keeps the last ones; nothing is waited for. The limit is a copy
 * of as many.
 */
#include "bench.h"

#include <errno.h>
#include <string.h>

#include <iodirty/smmuv3_viommu.h>

#define BATCH	256u
#define CMDS	4096u /* too many for a branch predictor to learn */
#define DEVICES 64u
#define VMID	5u

static struct iod_smmuv3_raw_cmd cmds[CMDS], copy[CMDS], kept[CMDS];
static struct iod_smmuv3_viommu *viommu;
static uint64_t issued, syncs;
static volatile uint64_t sum; /* so that nothing is left out */

static int host_issue(void *cookie, const struct iod_smmuv3_raw_cmd *host, size_t nr, bool sync,
		      size_t *taken)
{
	if (nr)
		memcpy(&kept[issued % CMDS & ~(uint64_t)(BATCH - 1)], host, nr * sizeof(*host));
	issued += nr;
	syncs += sync;
	*taken = nr;
	return 0;
}

/* A guest that tears a buffer down page by page; one here and one there; with ATS and two CDs in between. */
static struct iod_smmuv3_cmd make(const struct bench_case *c, unsigned int i)
{
	uint64_t r = bench_random(i);
	struct iod_smmuv3_cmd cmd = { .op = IOD_SMMUV3_TLBI_NH_VA, .asid = 3, .leaf = true };

	if (!strcmp(c->state, "pages")) {
		cmd.addr = ((uint64_t)(i / BATCH) << 32) + ((uint64_t)i << BENCH_PAGE_LG2);
		return cmd;
	}
	cmd.addr = (r & UINT64_C(0xffffff)) << (BENCH_PAGE_LG2 + 1);
	cmd.asid = (uint16_t)(r >> 32 & 7);
	if (!strcmp(c->state, "scattered") || r >> 60 < 8)
		return cmd;
	cmd = (struct iod_smmuv3_cmd){ .sid = (uint32_t)(r >> 24) % DEVICES * 8 };
	cmd.op = r >> 60 < 15 ? IOD_SMMUV3_ATC_INV : IOD_SMMUV3_CFGI_CD;
	if (cmd.op == IOD_SMMUV3_ATC_INV)
		cmd.addr = (r & UINT64_C(0xffffff)) << BENCH_PAGE_LG2;
	return cmd;
}

static int guest_create(bool ranges)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink), .issue = host_issue };
	struct iod_smmuv3_viommu_cfg cfg = { .size = sizeof(cfg), .sink = &sink, .vmid = VMID };
	int err = iod_smmuv3_id_full(&cfg.host);

	if (!ranges)
		cfg.host.idr[3] &= ~IOD_SMMUV3_IDR3_RIL;
	if (!err)
		err = iod_smmuv3_viommu_expose(&cfg.guest, &cfg.host, 0);
	cfg.guest.idr[5] &= ~(IOD_SMMUV3_IDR5_GRAN16K | IOD_SMMUV3_IDR5_GRAN64K);
	if (!err)
		err = iod_smmuv3_viommu_create(&viommu, &cfg);
	for (uint32_t i = 0; i < DEVICES && !err; i++)
		err = iod_smmuv3_viommu_add(viommu, i * 8, 0x1000 + i, IOD_VDEV_ON);
	return err;
}

static int guest_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = guest_create(!strcmp(c->mode, "ranges"));

	for (unsigned int i = 0; i < CMDS && !err; i++) {
		struct iod_smmuv3_cmd cmd = make(c, i);

		err = iod_smmuv3_cmd_encode(&cmds[i], &cmd, NULL, NULL);
	}
	issued = syncs = 0;
	return err ? bench_fail(err, "a guest's SMMU") : 0;
}

static int guest_work(struct bench_rig *rig, const struct bench_case *c)
{
	struct iod_guest_result res = { .size = sizeof(res) };

	for (uint64_t done = 0; done < c->items; done += BATCH) {
		int err = iod_smmuv3_viommu_invalidate(viommu, &cmds[done % CMDS], BATCH, &res);

		if (err)
			return bench_fail(err, "iod_smmuv3_viommu_invalidate");
	}
	return 0;
}

/* The host's StreamID or the VMID in what was kept, and how many commands it took. */
static int kept_check(void)
{
	for (unsigned int i = 0; i < CMDS && i < issued; i++) {
		struct iod_smmuv3_cmd cmd;

		if (!kept[i].word[0]) /* behind a batch that was joined */
			continue;
		if (iod_smmuv3_cmd_decode(&cmd, &kept[i], NULL, NULL))
			return bench_fail(-EIO, "not a command");
		if (cmd.op == IOD_SMMUV3_TLBI_NH_VA ? cmd.vmid != VMID
						    : cmd.sid - 0x1000 >= DEVICES)
			return bench_fail(-EIO, "wrong VMID or StreamID");
	}
	return 0;
}

static int guest_check(struct bench_rig *rig, const struct bench_case *c)
{
	bool joined = !strcmp(c->state, "pages") && !strcmp(c->mode, "ranges");
	int err = kept_check();

	iod_smmuv3_viommu_destroy(viommu);
	viommu = NULL;
	if (err)
		return err;
	if (joined && issued != c->items / BATCH)
		return bench_fail(-EIO, "a batch of pages is not one range");
	if (!joined && (issued > c->items || issued < c->items * 9 / 10))
		return bench_fail(-EIO, "wrong number of commands");
	return syncs < c->items / BATCH ? bench_fail(-EIO, "too few syncs") : 0;
}

static double copy_measure(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_watch watch = bench_start();
	uint64_t done;

	for (done = 0; done < c->items; done += CMDS) {
		for (unsigned int i = 0; i < CMDS; i++)
			copy[i] = (struct iod_smmuv3_raw_cmd){ { cmds[i].word[0],
								 cmds[i].word[1] ^ done } };
		sum += copy[done / CMDS % CMDS].word[1];
	}
	return bench_stop(&watch) / (double)done;
}

const struct bench_ops bench_smmu_guest_ops = {
	.prepare = guest_prepare,
	.work = guest_work,
	.check = guest_check,
};
const struct bench_limit bench_limit_copy_guest = { "copy", copy_measure, true };
