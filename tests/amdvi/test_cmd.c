/* SPDX-License-Identifier: MIT */
/*
 * Commands: bytes worked out by hand, every bit of them flipped, and what the feature register allows.
 */
#include "iodtest.h"

#include "amdvi/amdrand.h"
#include "amdvi/golden_amdvi.h"

static struct iod_amdvi_raw_cmd raw_of(uint64_t w0, uint64_t w1)
{
	struct iod_amdvi_raw_cmd raw;

	iodt_put_le64(&raw.word[0], w0);
	iodt_put_le64(&raw.word[1], w1);
	return raw;
}

/* By member, as structs have padding. */
static bool same(const struct iod_amdvi_cmd *a, const struct iod_amdvi_cmd *b)
{
	bool ok = true;

#define SAME(member) (ok = ok && a->member == b->member)
	SAME(op);
	SAME(devid);
	SAME(domain);
	SAME(pasid);
	SAME(gn);
	SAME(pde);
	SAME(s);
	SAME(store);
	SAME(irq);
	SAME(flush);
	SAME(inval);
	SAME(count);
	SAME(type);
	SAME(maxpend);
	SAME(queueid);
	SAME(tag);
	SAME(status);
	SAME(addr);
	SAME(store_addr);
	SAME(data);
	return ok;
}

static enum iod_cmd_reason decode_why(struct iod_amdvi_cmd *cmd, uint64_t w0, uint64_t w1,
				      const struct iod_amdvi_id *id)
{
	struct iod_amdvi_raw_cmd raw = raw_of(w0, w1);
	enum iod_cmd_reason why = IOD_CMD_BAD_FETCH;
	int ret;

	memset(cmd, 0xa5, sizeof(*cmd));
	ret = iod_amdvi_cmd_decode(cmd, &raw, id, &why);
	if (why == IOD_CMD_OK)
		assert_int_equal(ret, 0);
	else if (why == IOD_CMD_BAD_OPCODE || why == IOD_CMD_BAD_PERMISSION)
		assert_int_equal(ret, -EOPNOTSUPP);
	else
		assert_int_equal(ret, -EINVAL);
	return why;
}

static enum iod_cmd_reason encode_why(const struct iod_amdvi_cmd *cmd,
				      const struct iod_amdvi_id *id)
{
	struct iod_amdvi_raw_cmd raw = { { 1, 2 } };
	enum iod_cmd_reason why = IOD_CMD_OK;
	int ret = iod_amdvi_cmd_encode(&raw, cmd, id, &why);

	assert_int_equal(ret != 0, why != IOD_CMD_OK);
	if (ret) { /* a refused call changes nothing */
		assert_true(raw.word[0] == 1);
		assert_true(raw.word[1] == 2);
	}
	return why;
}

static void test_golden(void **state)
{
	struct iod_amdvi_raw_cmd raw, want;
	struct iod_amdvi_cmd cmd;
	struct iod_amdvi_id id;

	iodt_assert_ok(iod_amdvi_id_full(&id));
	for (size_t i = 0; i < GOLD_NR_CMDS; i++) {
		const struct gold_cmd *g = &gold_cmds[i];

		want = raw_of(g->word[0], g->word[1]);
		for (int with_id = 0; with_id < 2; with_id++) {
			iodt_assert_ok(
				iod_amdvi_cmd_encode(&raw, &g->cmd, with_id ? &id : NULL, NULL));
			assert_memory_equal(&raw, &want, sizeof(raw));
			assert_int_equal(
				decode_why(&cmd, g->word[0], g->word[1], with_id ? &id : NULL),
				IOD_CMD_OK);
			assert_true(same(&cmd, &g->cmd));
		}
	}
}

static void flip(const struct gold_cmd *g, unsigned bit)
{
	uint64_t m[2] = { bit < 64 ? IODT_BIT(bit) : 0, bit < 64 ? 0 : IODT_BIT(bit - 64) };
	uint64_t w0 = g->word[0] ^ m[0], w1 = g->word[1] ^ m[1];
	struct iod_amdvi_cmd cmd, again, none = { .op = (enum iod_amdvi_op)(w0 >> 60) };
	enum iod_cmd_reason why = decode_why(&cmd, w0, w1, NULL);
	struct iod_amdvi_raw_cmd raw;
	bool known = w0 >> 60 >= 1 && w0 >> 60 <= 8;

	if (why) { /* nothing but the opcode, and the DeviceID where there is one */
		assert_true(!cmd.devid || cmd.devid == (w0 & 0xffff));
		none.devid = cmd.devid;
		assert_true(same(&cmd, &none));
	} else { /* what was decoded encodes to a command that decodes to the same */
		iodt_assert_ok(iod_amdvi_cmd_encode(&raw, &cmd, NULL, NULL));
		iodt_assert_ok(iod_amdvi_cmd_decode(&again, &raw, NULL, NULL));
		assert_true(same(&cmd, &again));
	}
	if (m[0] >> 60) {
		assert_int_equal(why == IOD_CMD_BAD_OPCODE, !known);
	} else if (!((m[0] & g->field[0]) | (m[1] & g->field[1]))) {
		assert_int_equal(why, IOD_CMD_BAD_RESERVED);
	} else {
		assert_int_equal(why, IOD_CMD_OK);
		assert_int_equal(same(&cmd, &g->cmd),
				 !!((m[0] & g->ignored[0]) | (m[1] & g->ignored[1])));
	}
}

static void test_every_bit(void **state)
{
	for (size_t i = 0; i < GOLD_NR_CMDS; i++)
		for (unsigned bit = 0; bit < 128; bit++)
			flip(&gold_cmds[i], bit);
}

static void test_opcodes(void **state)
{
	struct iod_amdvi_cmd cmd, bad = { 0 };

	for (unsigned op = 0; op < 16; op++) {
		bool known = op >= 1 && op <= 8;

		assert_int_equal(iod_amdvi_op_name((enum iod_amdvi_op)op) != NULL, known);
		assert_int_equal(iod_amdvi_op_permitted(NULL, (enum iod_amdvi_op)op), known);
		if (known)
			continue;
		assert_int_equal(decode_why(&cmd, (uint64_t)op << 60 | 5, 0, NULL),
				 IOD_CMD_BAD_OPCODE);
		assert_int_equal(cmd.op, op);
		assert_int_equal(cmd.devid, 0);
		bad.op = (enum iod_amdvi_op)op;
		assert_int_equal(encode_why(&bad, NULL), IOD_CMD_BAD_OPCODE);
	}
	assert_null(iod_amdvi_op_name((enum iod_amdvi_op)0x103));
	assert_string_equal(iod_amdvi_op_name(IOD_AMDVI_PREFETCH_IOMMU_PAGES),
			    "PREFETCH_IOMMU_PAGES");
}

/* EFR bits: PreFSup 0, PPRSup 1, IASup 6 for commands; GTSup 4 for GN, InvIotlbTypeSup 54 for Type. */
static void test_features(void **state)
{
	static const struct {
		unsigned bit, op;
	} needs[] = { { 0, 6 }, { 1, 7 }, { 6, 8 } };
	struct iod_amdvi_id full, id;
	struct iod_amdvi_cmd cmd;

	iodt_assert_ok(iod_amdvi_id_full(&full));
	for (size_t i = 0; i < IODT_ARRAY_SIZE(needs); i++) {
		id = full;
		id.efr &= ~IODT_BIT(needs[i].bit);
		for (unsigned op = 1; op <= 8; op++) {
			assert_int_equal(iod_amdvi_op_permitted(&id, (enum iod_amdvi_op)op),
					 op != needs[i].op);
			assert_int_equal(decode_why(&cmd, (uint64_t)op << 60, 0, &id),
					 op == needs[i].op ? IOD_CMD_BAD_PERMISSION : IOD_CMD_OK);
		}
	}
	for (size_t i = 0; i < GOLD_NR_CMDS; i++) {
		const struct gold_cmd *g = &gold_cmds[i];

		id = full;
		id.efr &= ~IODT_BIT(4);
		assert_int_equal(decode_why(&cmd, g->word[0], g->word[1], &id),
				 g->cmd.gn ? IOD_CMD_BAD_RESERVED : IOD_CMD_OK);
		assert_int_equal(encode_why(&g->cmd, &id),
				 g->cmd.gn ? IOD_CMD_BAD_RESERVED : IOD_CMD_OK);
		id = full;
		id.efr &= ~IODT_BIT(54);
		assert_int_equal(decode_why(&cmd, g->word[0], g->word[1], &id),
				 g->cmd.type ? IOD_CMD_BAD_RESERVED : IOD_CMD_OK);
		/* PASmax 36:32: 8 bits of PASID */
		id = full;
		id.efr = (id.efr & ~(UINT64_C(0x1f) << 32)) | UINT64_C(7) << 32;
		assert_int_equal(decode_why(&cmd, g->word[0], g->word[1], &id),
				 g->cmd.pasid > 0xff ? IOD_CMD_BAD_PASID : IOD_CMD_OK);
	}
}

static void test_encode_refuses(void **state)
{
	static const struct iod_amdvi_cmd bad[] = {
		{ GOLD_OP(COMPLETION_WAIT), .store = true, .store_addr = 4 },
		{ GOLD_OP(COMPLETION_WAIT), .store = true, .store_addr = IODT_BIT(52) },
		{ GOLD_OP(COMPLETION_WAIT), .store_addr = 8 }, /* would be ignored */
		{ GOLD_OP(COMPLETION_WAIT), .data = 1 },
		{ GOLD_OP(COMPLETION_WAIT), .devid = 1 },
		{ GOLD_OP(INVALIDATE_DEVTAB_ENTRY), .addr = 0x1000 },
		{ GOLD_OP(INVALIDATE_IOMMU_PAGES), .addr = 0x800 },
		{ GOLD_OP(INVALIDATE_IOMMU_PAGES), .pasid = 1 },
		{ GOLD_OP(INVALIDATE_IOMMU_PAGES), .gn = true, .pasid = 0x100000 },
		{ GOLD_OP(INVALIDATE_IOMMU_PAGES), .devid = 1 },
		{ GOLD_OP(INVALIDATE_IOTLB_PAGES), .pde = true },
		{ GOLD_OP(INVALIDATE_IOTLB_PAGES), .type = 4 },
		{ GOLD_OP(INVALIDATE_IOTLB_PAGES), .domain = 1 },
		{ GOLD_OP(COMPLETE_PPR_REQUEST), .tag = 0x200 },
		{ GOLD_OP(COMPLETE_PPR_REQUEST), .status = 0x10 },
		{ GOLD_OP(COMPLETE_PPR_REQUEST), .s = true },
		{ GOLD_OP(INVALIDATE_IOMMU_ALL), .domain = 1 },
		{ GOLD_OP(INVALIDATE_IOMMU_ALL), .irq = true },
	};
	struct iod_amdvi_raw_cmd raw;
	struct iod_amdvi_cmd cmd = { GOLD_OP(INVALIDATE_IOMMU_ALL) };
	enum iod_cmd_reason why;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(bad); i++)
		if (encode_why(&bad[i], NULL) != IOD_CMD_BAD_FIELD)
			fail_msg("row %zu", i);
	assert_int_equal(iod_amdvi_cmd_encode(NULL, &cmd, NULL, &why), -EINVAL);
	assert_int_equal(iod_amdvi_cmd_encode(&raw, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_cmd_decode(NULL, &raw, NULL, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_cmd_decode(&cmd, NULL, NULL, NULL), -EINVAL);
}

/* Random words: refused, or what came of them comes back. */
static void test_random(void **state)
{
	struct amdrand r = amdrand_start();
	struct iod_amdvi_cmd cmd, again;
	struct iod_amdvi_raw_cmd raw;
	struct iod_amdvi_id id = { 0 };
	unsigned accepted = 0;

	for (unsigned i = 0; i < 200000; i++) {
		const struct gold_cmd *g = &gold_cmds[amdrand(&r) % GOLD_NR_CMDS];
		uint64_t w0 = g->word[0] ^ (amdrand(&r) & amdrand(&r) & g->field[0]);
		uint64_t w1 = g->word[1] ^ (amdrand(&r) & amdrand(&r) & g->field[1]);

		id.efr = amdrand(&r) | amdrand(&r);
		if (decode_why(&cmd, w0, w1, &id))
			continue;
		accepted++;
		iodt_assert_ok(iod_amdvi_cmd_encode(&raw, &cmd, &id, NULL));
		iodt_assert_ok(iod_amdvi_cmd_decode(&again, &raw, &id, NULL));
		assert_true(same(&cmd, &again));
	}
	assert_true(accepted > 50000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),	       cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_opcodes),	       cmocka_unit_test(test_features),
		cmocka_unit_test(test_encode_refuses), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
