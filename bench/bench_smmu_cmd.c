/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3 commands, encoded and decoded one by one with the ID registers of an SMMU that has everything. The
 * limit is a copy of as many.
 */
#include "bench.h"

#include <errno.h>
#include <string.h>

/* Few enough to stay in the L2 cache, too many for a branch predictor to learn. */
#define CMDS 4096u

static struct iod_smmuv3_id id;
static struct iod_smmuv3_cmd typed[CMDS], typed_out[CMDS];
static struct iod_smmuv3_raw_cmd raw[CMDS], raw_out[CMDS], copy[CMDS];
static uint64_t sum;

/* TLBIs of pages and of ranges. */
static struct iod_smmuv3_cmd make_tlbi(uint64_t r)
{
	struct iod_smmuv3_cmd cmd = { .op = IOD_SMMUV3_TLBI_NH_VA };

	cmd.vmid = (uint16_t)(r >> 8);
	cmd.asid = (uint16_t)(r >> 24);
	cmd.leaf = r >> 40 & 1;
	cmd.addr = r & UINT64_C(0xfffffffff000);
	if (r & 1) {
		cmd.tg = IOD_SMMUV3_TG_4K;
		cmd.num = r >> 41 & 31;
		cmd.scale = r >> 46 & 15;
		cmd.ttl = 3;
	}
	return cmd;
}

/* What a guest sends in a busy minute: half of it TLBIs. */
static struct iod_smmuv3_cmd make_any(uint64_t r)
{
	struct iod_smmuv3_cmd cmd = { .sid = (uint32_t)(r >> 16) & 0xff };

	switch (r >> 56 & 7) {
	case 0:
		cmd.op = IOD_SMMUV3_CFGI_CD;
		cmd.ssid = r >> 24 & 0xff;
		return cmd;
	case 1:
		cmd.op = IOD_SMMUV3_ATC_INV;
		cmd.addr = r & UINT64_C(0xfffffffff000);
		cmd.span = r & 15;
		return cmd;
	case 2:
		cmd.op = IOD_SMMUV3_RESUME;
		cmd.stag = (uint16_t)r;
		cmd.retry = true;
		return cmd;
	case 3:
		return (struct iod_smmuv3_cmd){ .op = IOD_SMMUV3_SYNC };
	default:
		return make_tlbi(r);
	}
}

static int cmd_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	bool any = !strcmp(c->state, "mixed");
	int err = iod_smmuv3_id_full(&id);

	for (unsigned int i = 0; i < CMDS && !err; i++) {
		typed[i] = any ? make_any(bench_random(i)) : make_tlbi(bench_random(i));
		err = iod_smmuv3_cmd_encode(&raw[i], &typed[i], &id, NULL);
	}
	memset(typed_out, 0, sizeof(typed_out));
	memset(raw_out, 0, sizeof(raw_out));
	return err ? bench_fail(err, "iod_smmuv3_cmd_encode") : 0;
}

static int encode_work(struct bench_rig *rig, const struct bench_case *c)
{
	int err = 0;

	for (uint64_t done = 0; done < c->items; done += CMDS)
		for (unsigned int i = 0; i < CMDS; i++)
			err |= iod_smmuv3_cmd_encode(&raw_out[i], &typed[i], &id, NULL);
	return err ? bench_fail(-EIO, "iod_smmuv3_cmd_encode") : 0;
}

static int decode_work(struct bench_rig *rig, const struct bench_case *c)
{
	int err = 0;

	for (uint64_t done = 0; done < c->items; done += CMDS)
		for (unsigned int i = 0; i < CMDS; i++)
			err |= iod_smmuv3_cmd_decode(&typed_out[i], &raw[i], &id, NULL);
	return err ? bench_fail(-EIO, "iod_smmuv3_cmd_decode") : 0;
}

/* What was decoded encodes to what was there. */
static int decode_check(struct bench_rig *rig, const struct bench_case *c)
{
	for (unsigned int i = 0; i < CMDS; i++) {
		if (iod_smmuv3_cmd_encode(&raw_out[i], &typed_out[i], &id, NULL))
			return bench_fail(-EIO, "decoded wrongly");
	}
	return memcmp(raw, raw_out, sizeof(raw)) ? bench_fail(-EIO, "decoded wrongly") : 0;
}

static int encode_check(struct bench_rig *rig, const struct bench_case *c)
{
	return memcmp(raw, raw_out, sizeof(raw)) ? bench_fail(-EIO, "encoded wrongly") : 0;
}

static double copy_measure(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_watch watch = bench_start();
	uint64_t done;

	for (done = 0; done < c->items; done += CMDS) {
		for (unsigned int i = 0; i < CMDS; i++)
			copy[i] = (struct iod_smmuv3_raw_cmd){ { raw[i].word[0],
								 raw[i].word[1] ^ done } };
		sum += copy[done % CMDS].word[1];
	}
	return bench_stop(&watch) / (double)done;
}

const struct bench_ops bench_smmu_encode_ops = {
	.prepare = cmd_prepare,
	.work = encode_work,
	.check = encode_check,
};
const struct bench_ops bench_smmu_decode_ops = {
	.prepare = cmd_prepare,
	.work = decode_work,
	.check = decode_check,
};
const struct bench_limit bench_limit_copy_cmds = { "copy", copy_measure, true };
