/* SPDX-License-Identifier: MIT */
/*
 * Commands: bytes worked out by hand from the specification (Arm IHI 0070, 4.2 to 4.7), every bit of them
 * flipped, and what the ID registers allow.
 */
#include "iodtest.h"

#define OP(name) .op = IOD_SMMUV3_##name

struct row {
	struct iod_smmuv3_cmd cmd;
	uint64_t word[2];
	uint64_t field[2];   /* bits of fields: to flip one is another command */
	uint64_t bad[2];     /* those of them that may not be flipped in this command */
	uint64_t ignored[2]; /* bits that mean nothing in this command */
};

#define SID	  0xffffffff00000000
#define SUBSTREAM 0xfffff800
#define VMID	  0x0000ffff00000000
#define ASID	  0xffff000000000000
#define ADDR	  0xfffffffffffff000
#define NUMSCALE  0x3f1f000

static const struct row rows[] = {
	{ { OP(PREFETCH_CONFIG), .sid = 0x1234, .ssv = true, .ssid = 0x56789 },
	  { 0x0000123456789801, 0 },
	  { SID | SUBSTREAM, 0 },
	  { 0 },
	  { 0 } },
	{ { OP(PREFETCH_ADDR), .sid = 1, .addr = 0xdeadb000, .span = 3 },
	  { 0x0000000100000002, 0xdeadb003 },
	  { SID | SUBSTREAM, ADDR | 0xfff },
	  { 0 },
	  { 0xfffff000, 0xfe0 } },
	{ { OP(CFGI_STE), .sid = 0xabcdef01, .leaf = true }, /* 4.3.1 */
	  { 0xabcdef0100000003, 1 },
	  { SID, 1 },
	  { 0 },
	  { 0 } },
	{ { OP(CFGI_STE_RANGE), .sid = 0x100, .range = 7 }, /* 4.3.2 */
	  { 0x0000010000000004, 7 },
	  { SID, 0x1f },
	  { 0 },
	  { 0 } },
	{ { OP(CFGI_STE_RANGE), .range = 31 }, { 4, 0x1f }, { SID, 0x1f }, { 0 }, { SID, 0 } },
	{ { OP(CFGI_CD), .sid = 0x22, .ssid = 3, .leaf = true },
	  { 0x0000002200003005, 1 },
	  { SID | 0xfffff000, 1 },
	  { 0 },
	  { 0 } },
	{ { OP(CFGI_CD_ALL), .sid = 0x22 }, { 0x0000002200000006, 0 }, { SID, 0 }, { 0 }, { 0 } },
	{ { OP(TLBI_NH_ALL), .vmid = 0x1234 }, /* 4.4.2 */
	  { 0x0000123400000010, 0 },
	  { VMID, 0 },
	  { 0 },
	  { 0 } },
	{ { OP(TLBI_NH_ASID), .vmid = 0x12, .asid = 0x3456 },
	  { 0x3456001200000011, 0 },
	  { VMID | ASID, 0 },
	  { 0 },
	  { 0 } },
	/* One address: no NUM, SCALE, TTL; and no TG without any of them (4.4.1). */
	{ { OP(TLBI_NH_VA), .vmid = 0x12, .asid = 0x34, .addr = 0x7fffffff000, .leaf = true },
	  { 0x0034001200000012, 0x7fffffff001 },
	  { VMID | ASID | NUMSCALE, ADDR | 0xf01 },
	  { NUMSCALE, 0xf00 },
	  { 0 } },
	{ { OP(TLBI_NH_VA), .vmid = 0x12, .asid = 0x34, .num = 31, .ttl = 3, .tg = 1,
	    .addr = 0x10000000, .leaf = true },
	  { 0x003400120001f012, 0x10000701 },
	  { VMID | ASID | NUMSCALE, ADDR | 0xf01 },
	  { 0, 0x400 },
	  { 0 } },
	/* A level and nothing else is a range of one. */
	{ { OP(TLBI_NH_VA), .ttl = 2, .tg = 1, .addr = 0x40000000 },
	  { 0x0000000000000012, 0x40000600 },
	  { VMID | ASID | NUMSCALE, ADDR | 0xf01 },
	  { 0, 0x600 },
	  { 0 } },
	{ { OP(TLBI_NH_VAA), .scale = 13, .tg = 3, .addr = 0x20000000000 },
	  { 0x0000000000d00013, 0x20000000c00 },
	  { VMID | NUMSCALE, ADDR | 0xf01 },
	  { 0 },
	  { 0 } },
	{ { OP(TLBI_EL2_ALL) }, { 0x20, 0 }, { 0 }, { 0 }, { 0 } },
	{ { OP(TLBI_EL2_ASID), .asid = 0xffff },
	  { 0xffff000000000021, 0 },
	  { ASID, 0 },
	  { 0 },
	  { 0 } },
	{ { OP(TLBI_EL2_VA), .asid = 5, .addr = 0xfffffffffffff000 },
	  { 0x0005000000000022, 0xfffffffffffff000 },
	  { ASID | NUMSCALE, ADDR | 0xf01 },
	  { NUMSCALE, 0xf00 },
	  { 0 } },
	{ { OP(TLBI_EL2_VAA), .num = 2, .scale = 32, .tg = 2, .ttl = 2, .addr = 0x4000000 },
	  { 0x0000000002002023, 0x4000a00 },
	  { NUMSCALE, ADDR | 0xf01 },
	  { 0, 0x800 },
	  { 0 } },
	{ { OP(TLBI_S12_VMALL), .vmid = 0xffff }, /* 4.4.3 */
	  { 0x0000ffff00000028, 0 },
	  { VMID, 0 },
	  { 0 },
	  { 0 } },
	{ { OP(TLBI_S2_IPA), .vmid = 3, .addr = 0xfffffffff000, .leaf = true },
	  { 0x000000030000002a, 0xfffffffff001 },
	  { VMID | NUMSCALE, 0xffffffffff000 | 0xf01 },
	  { NUMSCALE, 0xf00 },
	  { 0 } },
	{ { OP(TLBI_NSNH_ALL) }, { 0x30, 0 }, { 0 }, { 0 }, { 0 } },
	{ { OP(ATC_INV), .sid = 0x10, .ssv = true, .ssid = 0xfffff, .global = true,
	    .addr = 0xabc000, .span = 2 }, /* 4.5.1 */
	  { 0x00000010fffffa40, 0xabc002 },
	  { SID | SUBSTREAM | 0x200, ADDR | 0x3f },
	  { 0 },
	  { 0 } },
	/* Spans end at 52: bits 0, 1 and 3 would make it larger. */
	{ { OP(ATC_INV), .sid = 0x10, .span = 52 },
	  { 0x0000001000000040, 0x34 },
	  { SID | SUBSTREAM | 0x200, ADDR | 0x3f },
	  { 0, 0xb },
	  { 0xfffff200, 0 } },
	{ { OP(PRI_RESP), .sid = 0x10, .ssv = true, .ssid = 1, .prgi = 0x1ff,
	    .resp = IOD_SMMUV3_PRI_SUCCESS }, /* 4.5.2 */
	  { 0x0000001000001841, 0x21ff },
	  { SID | SUBSTREAM, 0x31ff },
	  { 0, 0x1000 },
	  { 0 } },
	{ { OP(RESUME), .sid = 7, .retry = true, .stag = 0xbeef }, /* 4.6.1 */
	  { 0x0000000700001044, 0xbeef },
	  { SID | 0x3000, 0xffff },
	  { 0 },
	  { 0x2000, 0 } },
	{ { OP(RESUME), .sid = 7, .abort = true, .stag = 1 },
	  { 0x0000000700002044, 1 },
	  { SID | 0x3000, 0xffff },
	  { 0 },
	  { 0 } },
	{ { OP(STALL_TERM), .sid = 7 }, { 0x0000000700000045, 0 }, { SID, 0 }, { 0 }, { 0 } },
	{ { OP(SYNC), .cs = IOD_SMMUV3_SYNC_IRQ, .msh = 3, .msi_attr = 15, .msi_data = 0xcafe,
	    .msi_addr = 0x8090040 }, /* 4.7.3 */
	  { 0x0000cafe0fc01046, 0x8090040 },
	  { SID | 0xfc03000, 0xfffffffffffffc },
	  { 0x2000, 0 },
	  { 0 } },
	{ { OP(SYNC), .cs = IOD_SMMUV3_SYNC_SEV },
	  { 0x2046, 0 },
	  { SID | 0xfc03000, 0xfffffffffffffc },
	  { 0x1000, 0 },
	  { 0 } },
};

#define NR_ROWS IODT_ARRAY_SIZE(rows)

static void full_id(struct iod_smmuv3_id *id)
{
	memset(id, 0, sizeof(*id));
	id->idr[0] = IOD_SMMUV3_IDR0_S1P | IOD_SMMUV3_IDR0_S2P | IOD_SMMUV3_IDR0_HYP |
		     IOD_SMMUV3_IDR0_ATS | IOD_SMMUV3_IDR0_PRI | IOD_SMMUV3_IDR0_ASID16 |
		     IOD_SMMUV3_IDR0_VMID16 | IOD_SMMUV3_IDR0_MSI | IOD_SMMUV3_IDR0_SEV;
	id->idr[1] = 32 | 20 << 6;
	id->idr[3] = IOD_SMMUV3_IDR3_RIL;
	id->idr[5] = IOD_SMMUV3_IDR5_DS;
}

static struct iod_smmuv3_raw_cmd raw_of(const uint64_t word[2])
{
	struct iod_smmuv3_raw_cmd raw;

	iodt_put_le64(&raw.word[0], word[0]);
	iodt_put_le64(&raw.word[1], word[1]);
	return raw;
}

/* By member, as structs have padding. */
static void assert_same(const struct iod_smmuv3_cmd *a, const struct iod_smmuv3_cmd *b)
{
#define SAME(member) assert_true(a->member == b->member)
	SAME(op);
	SAME(sid);
	SAME(ssid);
	SAME(ssv);
	SAME(leaf);
	SAME(global);
	SAME(retry);
	SAME(abort);
	SAME(range);
	SAME(tg);
	SAME(ttl);
	SAME(num);
	SAME(scale);
	SAME(span);
	SAME(resp);
	SAME(cs);
	SAME(msh);
	SAME(msi_attr);
	SAME(vmid);
	SAME(asid);
	SAME(prgi);
	SAME(stag);
	SAME(msi_data);
	SAME(msi_addr);
	SAME(addr);
}

static enum iod_cmd_reason decode_why(struct iod_smmuv3_cmd *cmd, uint64_t w0, uint64_t w1,
				      const struct iod_smmuv3_id *id)
{
	const uint64_t word[2] = { w0, w1 };
	struct iod_smmuv3_raw_cmd raw = raw_of(word);
	enum iod_cmd_reason why = IOD_CMD_BAD_FETCH;
	int ret;

	memset(cmd, 0xa5, sizeof(*cmd));
	ret = iod_smmuv3_cmd_decode(cmd, &raw, id, &why);
	if (why == IOD_CMD_OK)
		assert_int_equal(ret, 0);
	else if (why == IOD_CMD_BAD_OPCODE || why == IOD_CMD_BAD_PERMISSION)
		assert_int_equal(ret, -EOPNOTSUPP);
	else
		assert_int_equal(ret, -EINVAL);
	return why;
}

static void test_golden(void **state)
{
	struct iod_smmuv3_raw_cmd raw, want;
	enum iod_cmd_reason why;
	struct iod_smmuv3_cmd cmd;
	struct iod_smmuv3_id id;

	full_id(&id);
	for (size_t i = 0; i < NR_ROWS; i++) {
		const struct row *r = &rows[i];

		want = raw_of(r->word);
		for (int with_id = 0; with_id < 2; with_id++) {
			why = IOD_CMD_BAD_FETCH;
			iodt_assert_ok(
				iod_smmuv3_cmd_encode(&raw, &r->cmd, with_id ? &id : NULL, &why));
			assert_int_equal(why, IOD_CMD_OK);
			assert_memory_equal(&raw, &want, sizeof(raw));
			why = decode_why(&cmd, r->word[0], r->word[1], with_id ? &id : NULL);
			assert_int_equal(why, IOD_CMD_OK);
			assert_same(&cmd, &r->cmd);
		}
	}
}

static bool known(uint64_t op)
{
	static const uint8_t ops[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11,
				       0x12, 0x13, 0x20, 0x21, 0x22, 0x23, 0x28, 0x2a,
				       0x30, 0x40, 0x41, 0x44, 0x45, 0x46 };

	for (size_t i = 0; i < IODT_ARRAY_SIZE(ops); i++)
		if (ops[i] == op)
			return true;
	return false;
}

/* What was decoded encodes to a command that decodes to the same. */
static void check_round(const struct iod_smmuv3_cmd *cmd)
{
	struct iod_smmuv3_raw_cmd raw;
	struct iod_smmuv3_cmd again;

	iodt_assert_ok(iod_smmuv3_cmd_encode(&raw, cmd, NULL, NULL));
	iodt_assert_ok(iod_smmuv3_cmd_decode(&again, &raw, NULL, NULL));
	assert_same(cmd, &again);
}

static void flip(const struct row *r, unsigned bit)
{
	uint64_t m[2] = { bit < 64 ? IODT_BIT(bit) : 0, bit < 64 ? 0 : IODT_BIT(bit - 64) };
	uint64_t w0 = r->word[0] ^ m[0], w1 = r->word[1] ^ m[1];
	struct iod_smmuv3_cmd cmd, none = { .op = (enum iod_smmuv3_op)(w0 & 0xff) };
	enum iod_cmd_reason why = decode_why(&cmd, w0, w1, NULL);

	if (why) { /* nothing but the opcode, and the StreamID where there is one */
		assert_true(!cmd.sid || cmd.sid == w0 >> 32);
		none.sid = cmd.sid;
		assert_same(&cmd, &none);
	} else {
		assert_true(known(w0 & 0xff));
		check_round(&cmd);
	}
	if (m[0] & 0xff) {
		assert_int_equal(why == IOD_CMD_BAD_OPCODE, !known(w0 & 0xff));
	} else if (!((m[0] & r->field[0]) | (m[1] & r->field[1]))) {
		assert_int_equal(why, IOD_CMD_BAD_RESERVED);
	} else if ((m[0] & r->bad[0]) | (m[1] & r->bad[1])) {
		assert_true(why == IOD_CMD_BAD_FIELD || why == IOD_CMD_BAD_RANGE);
	} else {
		assert_int_equal(why, IOD_CMD_OK);
		if ((m[0] & r->ignored[0]) | (m[1] & r->ignored[1]))
			assert_same(&cmd, &r->cmd);
	}
}

static void test_every_bit(void **state)
{
	for (size_t i = 0; i < NR_ROWS; i++)
		for (unsigned bit = 0; bit < 128; bit++)
			flip(&rows[i], bit);
}

/* A flipped field that counts is seen: the decoded commands differ. */
static void test_every_field_counts(void **state)
{
	struct iod_smmuv3_raw_cmd raw;
	struct iod_smmuv3_cmd cmd;
	uint64_t word[2], counts;

	for (size_t i = 0; i < NR_ROWS; i++) {
		const struct row *r = &rows[i];

		for (unsigned bit = 0; bit < 128; bit++) {
			counts = r->field[bit / 64] & ~r->bad[bit / 64] & ~r->ignored[bit / 64];
			word[0] = r->word[0];
			word[1] = r->word[1];
			word[bit / 64] ^= counts & IODT_BIT(bit % 64);
			if (!(counts & IODT_BIT(bit % 64)) ||
			    (r->cmd.op == IOD_SMMUV3_PREFETCH_CONFIG && bit == 11) ||
			    (r->cmd.op == IOD_SMMUV3_CFGI_STE_RANGE && r->cmd.range == 31))
				continue;
			if (decode_why(&cmd, word[0], word[1], NULL))
				fail_msg("row %zu bit %u", i, bit);
			if (iod_smmuv3_cmd_encode(&raw, &cmd, NULL, NULL))
				fail_msg("row %zu bit %u", i, bit);
			/* Without SSV, the SubstreamID is dropped. */
			if (cmd.ssv == r->cmd.ssv && !(cmd.retry && r->cmd.abort) &&
			    memcmp(raw.word, raw_of(word).word, sizeof(raw.word)))
				fail_msg("row %zu bit %u", i, bit);
		}
	}
}

static void test_opcodes(void **state)
{
	struct iod_smmuv3_cmd cmd, bad = { 0 };
	struct iod_smmuv3_raw_cmd raw;
	enum iod_cmd_reason why;

	for (unsigned op = 0; op < 256; op++) {
		assert_int_equal(iod_smmuv3_op_name((enum iod_smmuv3_op)op) != NULL, known(op));
		assert_int_equal(iod_smmuv3_op_permitted(NULL, (enum iod_smmuv3_op)op), known(op));
		if (known(op))
			continue;
		assert_int_equal(decode_why(&cmd, op | UINT64_C(5) << 32, 0, NULL),
				 IOD_CMD_BAD_OPCODE);
		assert_int_equal(cmd.op, op);
		assert_int_equal(cmd.sid, 0);
		bad.op = (enum iod_smmuv3_op)op;
		assert_int_equal(iod_smmuv3_cmd_encode(&raw, &bad, NULL, &why), -EOPNOTSUPP);
		assert_int_equal(why, IOD_CMD_BAD_OPCODE);
	}
	assert_null(iod_smmuv3_op_name((enum iod_smmuv3_op)0x100012));
	assert_string_equal(iod_smmuv3_op_name(IOD_SMMUV3_TLBI_NH_VA), "TLBI_NH_VA");
	assert_string_equal(iod_cmd_reason_name(IOD_CMD_BAD_FETCH), "unreadable memory");
	assert_string_equal(iod_cmd_reason_name((enum iod_cmd_reason)13), "unknown");
	assert_string_equal(iod_cmd_reason_name((enum iod_cmd_reason) - 1), "unknown");
}

/* 4.1.3, 4.3, 4.4, 4.5, 4.6: what each command needs. */
static void test_permission(void **state)
{
	static const struct {
		uint32_t without; /* IDR0 */
		uint8_t ops[11];
	} needs[] = {
		{ IOD_SMMUV3_IDR0_S1P,
		  { 0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x20, 0x21, 0x22, 0x23 } },
		{ IOD_SMMUV3_IDR0_S2P, { 0x28, 0x2a } },
		{ IOD_SMMUV3_IDR0_HYP, { 0x20, 0x21, 0x22, 0x23 } },
		{ IOD_SMMUV3_IDR0_ATS, { 0x40 } },
		{ IOD_SMMUV3_IDR0_PRI, { 0x41 } },
		{ 0, { 0x44, 0x45 } }, /* STALL_MODEL = 1 */
	};
	struct iod_smmuv3_cmd cmd;
	struct iod_smmuv3_id id;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(needs); i++) {
		full_id(&id);
		id.idr[0] &= ~needs[i].without;
		if (!needs[i].without)
			id.idr[0] |= 1u << 24;
		for (unsigned op = 0; op < 256; op++) {
			bool want = known(op) && !(op && memchr(needs[i].ops, (int)op, 11));

			assert_int_equal(iod_smmuv3_op_permitted(&id, (enum iod_smmuv3_op)op),
					 want);
			if (known(op) && !want)
				assert_int_equal(decode_why(&cmd, op, 0, &id),
						 IOD_CMD_BAD_PERMISSION);
		}
	}
}

static enum iod_cmd_reason encode_why(const struct iod_smmuv3_cmd *cmd,
				      const struct iod_smmuv3_id *id)
{
	struct iod_smmuv3_raw_cmd raw = { { 1, 2 } };
	enum iod_cmd_reason why = IOD_CMD_OK;
	int ret = iod_smmuv3_cmd_encode(&raw, cmd, id, &why);

	assert_int_equal(ret != 0, why != IOD_CMD_OK);
	if (ret) { /* a refused call changes nothing */
		assert_true(raw.word[0] == 1);
		assert_true(raw.word[1] == 2);
	}
	return why;
}

static void test_sizes_of_ids(void **state)
{
	struct iod_smmuv3_cmd cmd;
	struct iod_smmuv3_id id;

	full_id(&id);
	id.idr[0] &= ~(IOD_SMMUV3_IDR0_ASID16 | IOD_SMMUV3_IDR0_VMID16);
	id.idr[1] = 8 | 4 << 6;
	assert_int_equal(decode_why(&cmd, 0x00ff00ff00000011, 0, &id), IOD_CMD_OK);
	assert_int_equal(decode_why(&cmd, 0x0100000000000011, 0, &id), IOD_CMD_BAD_RESERVED);
	assert_int_equal(decode_why(&cmd, 0x0000010000000011, 0, &id), IOD_CMD_BAD_RESERVED);
	assert_int_equal(decode_why(&cmd, 0x000000ff00000003, 0, &id), IOD_CMD_OK);
	assert_int_equal(decode_why(&cmd, 0x0000010000000003, 0, &id), IOD_CMD_BAD_SOURCE);
	assert_int_equal(cmd.sid, 0x100);
	assert_int_equal(decode_why(&cmd, 0x000000010000f005, 0, &id), IOD_CMD_OK);
	assert_int_equal(decode_why(&cmd, 0x0000000100010005, 0, &id), IOD_CMD_BAD_PASID);
	assert_int_equal(decode_why(&cmd, 0x0000000100010840, 0, &id), IOD_CMD_BAD_PASID);
	assert_int_equal(decode_why(&cmd, 0x0000000100010040, 0, &id), IOD_CMD_OK);
	assert_int_equal(cmd.ssid, 0);
	/* No substreams: where others have them, RESUME has Ac and Ab. */
	id.idr[1] = 8;
	assert_int_equal(decode_why(&cmd, 0x0000003300001044, 0xabcd, &id), IOD_CMD_OK);
	assert_int_equal(decode_why(&cmd, 0x0000003300002044, 0xabcd, &id), IOD_CMD_OK);
	assert_int_equal(decode_why(&cmd, 0x0000003300001005, 0, &id), IOD_CMD_BAD_PASID);
	/* Every StreamID: CFGI_ALL has none. */
	assert_int_equal(decode_why(&cmd, 0xffffffff00000004, 0x1f, &id), IOD_CMD_OK);
	assert_int_equal(cmd.sid, 0);
	/* No stage 2, no VMID. */
	full_id(&id);
	id.idr[0] &= ~IOD_SMMUV3_IDR0_S2P;
	assert_int_equal(decode_why(&cmd, 0x0001000100000011, 0, &id), IOD_CMD_BAD_DOMAIN);
	assert_int_equal(decode_why(&cmd, 0x0001000000000011, 0, &id), IOD_CMD_OK);
	/* Nonsense in the registers: sizes beyond the field. */
	id.idr[1] = 0x3f | 31 << 6;
	assert_int_equal(decode_why(&cmd, 0xfffffffffffff805, 0, &id), IOD_CMD_BAD_RESERVED);
	assert_int_equal(decode_why(&cmd, 0xfffffffffffff005, 0, &id), IOD_CMD_OK);
}

/* 4.4.1: what goes together, with and without RIL and DS. */
static void test_ranges(void **state)
{
	struct iod_smmuv3_cmd cmd;
	struct iod_smmuv3_id id;

	full_id(&id);
	id.idr[5] = 0;
	assert_int_equal(decode_why(&cmd, 0x2000012, 0x400, &id), IOD_CMD_BAD_RESERVED);
	/* TG 16K with TTL 1 is TTL 0 without DS. */
	assert_int_equal(decode_why(&cmd, 0x1012, 0x900, &id), IOD_CMD_OK);
	assert_int_equal(cmd.ttl, 0);
	assert_int_equal(decode_why(&cmd, 0x12, 0x900, &id), IOD_CMD_BAD_RANGE);
	assert_int_equal(decode_why(&cmd, 0x12, 0x900, NULL), IOD_CMD_OK);
	assert_int_equal(cmd.ttl, 1);
	cmd.num = 1;
	assert_int_equal(encode_why(&cmd, &id), IOD_CMD_BAD_RANGE);
	for (unsigned tg = 0; tg < 4; tg++) {
		bool nothing = !tg;

		assert_int_equal(decode_why(&cmd, 0x2a, tg << 10, &id),
				 nothing ? IOD_CMD_OK : IOD_CMD_BAD_RANGE);
		assert_int_equal(decode_why(&cmd, 0x102a, tg << 10, &id),
				 nothing ? IOD_CMD_BAD_RANGE : IOD_CMD_OK);
		assert_int_equal(decode_why(&cmd, 0x10002a, tg << 10, &id),
				 nothing ? IOD_CMD_BAD_RANGE : IOD_CMD_OK);
		assert_int_equal(decode_why(&cmd, 0x2a, tg << 10 | 0x300, &id),
				 nothing ? IOD_CMD_BAD_RANGE : IOD_CMD_OK);
	}
	id.idr[3] = 0;
	assert_int_equal(decode_why(&cmd, 0x102a, 0x400, &id), IOD_CMD_BAD_RESERVED);
	assert_int_equal(decode_why(&cmd, 0x2a, 0x700, &id), IOD_CMD_BAD_RESERVED);
	assert_int_equal(decode_why(&cmd, 0x2a, 0x5001, &id), IOD_CMD_OK);
}

/* What hardware would ignore or not have is not encoded. */
static void test_encode_refuses(void **state)
{
	static const struct iod_smmuv3_cmd bad[] = {
		{ OP(CFGI_STE), .ssid = 1 },
		{ OP(CFGI_CD), .ssv = true },
		{ OP(CFGI_CD), .ssid = 1 << 20 },
		{ OP(CFGI_CD_ALL), .leaf = true },
		{ OP(CFGI_STE_RANGE), .range = 32 },
		{ OP(CFGI_STE_RANGE), .range = 31, .sid = 1 },
		{ OP(TLBI_NH_ALL), .asid = 1 },
		{ OP(TLBI_NH_ALL), .addr = 0x1000 },
		{ OP(TLBI_NH_VA), .sid = 1 },
		{ OP(TLBI_NH_VA), .addr = 0x1800 },
		{ OP(TLBI_NH_VA), .tg = 4 },
		{ OP(TLBI_NH_VA), .tg = 1, .num = 32 },
		{ OP(TLBI_NH_VA), .tg = 1, .scale = 64 },
		{ OP(TLBI_NH_VA), .tg = 1, .ttl = 4 },
		{ OP(TLBI_NH_VA), .num = 1 },
		{ OP(TLBI_NH_VA), .tg = 1 },
		{ OP(TLBI_NH_VAA), .asid = 1 },
		{ OP(TLBI_EL2_ALL), .vmid = 1 },
		{ OP(TLBI_S2_IPA), .addr = UINT64_C(1) << 52 },
		{ OP(TLBI_S2_IPA), .asid = 1 },
		{ OP(ATC_INV), .ssid = 1 },
		{ OP(ATC_INV), .global = true },
		{ OP(ATC_INV), .span = 53 },
		{ OP(ATC_INV), .span = 64 },
		{ OP(ATC_INV), .vmid = 1 },
		{ OP(PREFETCH_ADDR), .span = 32 },
		{ OP(PREFETCH_CONFIG), .addr = 0x1000 },
		{ OP(PRI_RESP), .resp = 3 },
		{ OP(PRI_RESP), .resp = 4 },
		{ OP(PRI_RESP), .prgi = 512 },
		{ OP(RESUME), .retry = true, .abort = true },
		{ OP(RESUME), .ssid = 1, .ssv = true },
		{ OP(STALL_TERM), .stag = 1 },
		{ OP(SYNC), .cs = 3 },
		{ OP(SYNC), .sid = 1 },
		{ OP(SYNC), .msh = 4 },
		{ OP(SYNC), .msi_attr = 16 },
		{ OP(SYNC), .msi_addr = 2 },
		{ OP(SYNC), .msi_addr = UINT64_C(1) << 56 },
	};

	for (size_t i = 0; i < IODT_ARRAY_SIZE(bad); i++)
		if (!encode_why(&bad[i], NULL))
			fail_msg("row %zu", i);
}

static void test_sync_without(void **state)
{
	struct iod_smmuv3_cmd cmd;
	struct iod_smmuv3_id id;

	full_id(&id);
	id.idr[0] &= ~(IOD_SMMUV3_IDR0_SEV | IOD_SMMUV3_IDR0_MSI);
	assert_int_equal(decode_why(&cmd, 0x2046, 0, &id), IOD_CMD_OK);
	assert_int_equal(cmd.cs, IOD_SMMUV3_SYNC_NONE);
	assert_int_equal(decode_why(&cmd, 0x0000cafe0fc01046, 0x8090040, &id), IOD_CMD_OK);
	assert_int_equal(cmd.cs, IOD_SMMUV3_SYNC_IRQ);
	assert_true(!cmd.msi_addr && !cmd.msi_data && !cmd.msi_attr && !cmd.msh);
	/* Drivers write shareability and type whatever CS is. */
	full_id(&id);
	assert_int_equal(decode_why(&cmd, 0x000000000fc02046, 0, &id), IOD_CMD_OK);
	assert_int_equal(cmd.cs, IOD_SMMUV3_SYNC_SEV);
}

static void test_misuse(void **state)
{
	struct iod_smmuv3_raw_cmd raw = { { 0 } };
	struct iod_smmuv3_cmd cmd = { .op = IOD_SMMUV3_SYNC };
	enum iod_cmd_reason why;

	assert_int_equal(iod_smmuv3_cmd_encode(NULL, &cmd, NULL, &why), -EINVAL);
	assert_int_equal(iod_smmuv3_cmd_encode(&raw, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cmd_decode(NULL, &raw, NULL, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cmd_decode(&cmd, NULL, NULL, &why), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_every_field_counts),
		cmocka_unit_test(test_opcodes),
		cmocka_unit_test(test_permission),
		cmocka_unit_test(test_sizes_of_ids),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_encode_refuses),
		cmocka_unit_test(test_sync_without),
		cmocka_unit_test(test_misuse),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
