/* SPDX-License-Identifier: MIT */
/*
 * Commands that a guest wrote: a feature register, then any number of commands. What is legal is decided here, bit by
 * bit (bits.md C3.1), and what is accepted can be said again.
 */
#include <errno.h>

#include <iodirty/amdvi_cmd.h>

#include "amdvi/golden_amdvi.h"
#include "fuzz/fuzz.h"

#define BIT(n) (UINT64_C(1) << (n))

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	uint8_t *at = buf;

	(void)max;
	if (n >= GOLD_NR_CMDS)
		return 0;
	at = fuzz_put(at, ~UINT64_C(0), 8);
	at = fuzz_put(at, gold_cmds[n].word[0], 8);
	at = fuzz_put(at, gold_cmds[n].word[1], 8);
	return (size_t)(at - buf);
}

/* Bits that a command may have, and the feature that it takes. */
static const struct {
	uint64_t word[2], efr;
} legal[9] = {
	{ { 0 }, 0 },
	{ { 0x100fffffffffffff, ~UINT64_C(0) }, 0 },
	{ { 0x200000000000ffff, 0 }, 0 },
	{ { 0x3000ffff000fffff, 0xfffffffffffff007 }, 0 },
	{ { 0x4fffffffffffffff, 0xfffffffffffff035 }, 0 },
	{ { 0x500000000000ffff, 0 }, 0 },
	{ { 0x600fffffff00ffff, 0xfffffffffffff015 }, BIT(0) },
	{ { 0x700fffff0000ffff, 0x0000ffff00000004 }, BIT(1) },
	{ { 0x8000000000000000, 0 }, BIT(6) },
};

static uint64_t pasid_of(unsigned op, uint64_t w0)
{
	switch (op) {
	case 3:
		return w0 & 0xfffff;
	case 4:
		return (w0 >> 48 & 0xff) | (w0 >> 16 & 0xff) << 8 | (w0 >> 56 & 0xf) << 16;
	default:
		return w0 >> 32 & 0xfffff;
	}
}

static bool is_legal(uint64_t efr, uint64_t w0, uint64_t w1)
{
	unsigned op = (unsigned)(w0 >> 60), bits = (unsigned)(efr >> 32 & 0x1f) + 1;
	bool has_gn = op == 3 || op == 4 || op == 6 || op == 7;

	if (op < 1 || op > 8 || (legal[op].efr & ~efr))
		return false;
	if ((w0 & ~legal[op].word[0]) || (w1 & ~legal[op].word[1]))
		return false;
	if (op == 4 && (w1 & 0x30) && !(efr & BIT(54)))
		return false;
	if (has_gn && (w1 & 4))
		return (efr & BIT(4)) && !(pasid_of(op, w0) >> (bits < 20 ? bits : 20));
	return true;
}

static void one(const struct iod_amdvi_id *id, uint64_t w0, uint64_t w1)
{
	enum iod_cmd_reason why = IOD_CMD_OK;
	struct iod_cmd_effect effect;
	struct iod_amdvi_raw_cmd in, out;
	struct iod_amdvi_cmd cmd, cmd2;
	uint64_t first, last;
	int ret;

	fuzz_put(fuzz_put((uint8_t *)&in, w0, 8), w1, 8);
	ret = iod_amdvi_cmd_decode(&cmd, &in, id, &why);
	FUZZ_CHECK(ret == 0 || ret == -EINVAL || ret == -EOPNOTSUPP);
	FUZZ_CHECK(!ret == !why);
	FUZZ_CHECK(!ret == is_legal(id->efr, w0, w1));
	if (ret)
		return;
	FUZZ_CHECK(iod_amdvi_op_name(cmd.op) && iod_amdvi_op_permitted(id, cmd.op));
	FUZZ_CHECK(!iod_amdvi_cmd_encode(&out, &cmd, id, NULL));
	FUZZ_CHECK(!iod_amdvi_cmd_decode(&cmd2, &out, id, NULL));
	FUZZ_CHECK(!memcmp(&cmd, &cmd2, sizeof(cmd)));
	FUZZ_CHECK(!iod_amdvi_cmd_effect(&effect, &cmd));
	FUZZ_CHECK(effect.nr_s1 <= 2 && effect.nr_s2 <= 2);
	ret = iod_amdvi_cmd_range(&cmd, &first, &last);
	FUZZ_CHECK(!ret == (cmd.op == 3 || cmd.op == 4 || cmd.op == 6));
	if (ret)
		return;
	FUZZ_CHECK(first <= last && (cmd.s || last - first == 4095));
	FUZZ_CHECK(!iod_amdvi_cmd_set_range(&cmd2, first, last));
	FUZZ_CHECK(!iod_amdvi_cmd_range(&cmd2, &w0, &w1));
	FUZZ_CHECK(w0 == first && w1 == last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct iod_amdvi_id id = { .efr = fuzz_take(&in, 8) };

	while (in.size) {
		uint64_t w0 = fuzz_take(&in, 8);

		one(&id, w0, fuzz_take(&in, 8));
	}
	return 0;
}
