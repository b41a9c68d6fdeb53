/* SPDX-License-Identifier: MIT */
/*
 * Commands that a guest wrote: ID registers, then any number of commands. The
 * verdict is the model's, and what is accepted can be said again.
 */
#include <errno.h>

#include <iodirty/smmuv3_cmd.h>

#include "fuzz/fuzz.h"
#include "mdl_smmu.h"
#include "smmu/golden_smmu.h"

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	uint8_t *at = buf;
	unsigned k;

	(void)max;
	if (n >= sizeof(gold_cmds) / sizeof(gold_cmds[0]))
		return 0;
	at = fuzz_put(at, gold_idr[0], 4);
	at = fuzz_put(at, gold_idr[1] | 0x20, 4); /* StreamIDs of 32 bits and more */
	at = fuzz_put(at, gold_idr[3], 4);
	at = fuzz_put(at, gold_idr[5], 4);
	for (k = 0; k < 2; k++)
		at = fuzz_put(at, gold_cmds[n].w[k], 8);
	return (size_t)(at - buf);
}

static void one(const struct iod_smmuv3_id *id, const struct mdl_smmu_id *mid, const uint8_t *raw)
{
	enum iod_cmd_reason why = IOD_CMD_OK;
	struct iod_cmd_effect effect;
	struct iod_smmuv3_raw_cmd in, out;
	struct iod_smmuv3_cmd cmd, cmd2;
	struct mdl_smmu_cmd m;
	uint64_t first, last;
	int ret;

	memcpy(&in, raw, sizeof(in));
	mdl_smmu_cmd(raw, mid, &m);
	ret = iod_smmuv3_cmd_decode(&cmd, &in, id, &why);
	FUZZ_CHECK(ret == 0 || ret == -EINVAL || ret == -EOPNOTSUPP);
	FUZZ_CHECK(!ret == !why);
	FUZZ_CHECK(iod_cmd_reason_name(why));
	if (ret)
		return;
	FUZZ_CHECK(m.verdict != MDL_CMD_ILL);
	FUZZ_CHECK(iod_smmuv3_op_name(cmd.op) && iod_smmuv3_op_permitted(id, cmd.op));
	FUZZ_CHECK(!iod_smmuv3_cmd_encode(&out, &cmd, id, NULL));
	FUZZ_CHECK(!iod_smmuv3_cmd_decode(&cmd2, &out, id, NULL));
	FUZZ_CHECK(!memcmp(&cmd, &cmd2, sizeof(cmd)));
	FUZZ_CHECK(!iod_smmuv3_cmd_effect(&effect, &cmd));
	FUZZ_CHECK(effect.nr_s1 <= 2 && effect.nr_s2 <= 2);
	ret = iod_smmuv3_cmd_atc_range(&cmd, &first, &last);
	FUZZ_CHECK(!ret == (cmd.op == IOD_SMMUV3_ATC_INV));
	FUZZ_CHECK(ret || first <= last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct iod_smmuv3_id id = { 0 };
	struct mdl_smmu_id mid;
	uint8_t raw[16];
	uint64_t low;

	id.idr[0] = (uint32_t)fuzz_take(&in, 4);
	id.idr[1] = (uint32_t)fuzz_take(&in, 4);
	id.idr[3] = (uint32_t)fuzz_take(&in, 4);
	id.idr[5] = (uint32_t)fuzz_take(&in, 4);
	memcpy(mid.idr, id.idr, sizeof(mid.idr));
	while (in.size) {
		low = fuzz_take(&in, 8);
		fuzz_put(fuzz_put(raw, low, 8), fuzz_take(&in, 8), 8);
		one(&id, &mid, raw);
	}
	return 0;
}
