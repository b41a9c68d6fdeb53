/* SPDX-License-Identifier: MIT */
/* See invsink.h. */
#include "invsink.h"

static uint64_t bits(uint64_t word, unsigned hi, unsigned lo)
{
	return word >> lo & (UINT64_MAX >> (63 - (hi - lo)));
}

static uint64_t word_of(const struct iod_smmuv3_raw_cmd *raw, unsigned n)
{
	unsigned char byte[8];
	uint64_t word = 0;
	unsigned i;

	memcpy(byte, &raw->word[n], 8);
	for (i = 8; i--;)
		word = word << 8 | byte[i];
	return word;
}

static bool has_address(uint32_t op)
{
	return op == 0x12 || op == 0x13 || op == 0x22 || op == 0x23 || op == 0x2a;
}

static uint64_t tlbi_bits0(uint32_t op, bool ranged)
{
	static const uint8_t with_vmid[] = { 0x10, 0x11, 0x12, 0x13, 0x28, 0x2a };
	static const uint8_t with_asid[] = { 0x11, 0x12, 0x21, 0x22 };
	uint64_t mask = 0xff;
	size_t i;

	for (i = 0; i < sizeof(with_vmid); i++)
		mask |= op == with_vmid[i] ? UINT64_C(0xffff) << 32 : 0;
	for (i = 0; i < sizeof(with_asid); i++)
		mask |= op == with_asid[i] ? UINT64_C(0xffff) << 48 : 0;
	return ranged ? mask | 0x1f1f000 : mask;
}

static void decode_tlbi(struct seen *c, uint64_t w0, uint64_t w1)
{
	uint64_t allowed1 = 0;

	c->vmid = (uint16_t)bits(w0, 47, 32);
	c->asid = (uint16_t)bits(w0, 63, 48);
	c->tg = (uint8_t)bits(w1, 11, 10);
	c->num = (uint8_t)bits(w0, 16, 12);
	c->scale = (uint8_t)bits(w0, 24, 20);
	c->ttl = (uint8_t)bits(w1, 9, 8);
	c->leaf = w1 & 1;
	c->addr = w1 & ~UINT64_C(0xfff);
	if (has_address(c->op))
		allowed1 =
			(c->op == 0x2a ? UINT64_C(0xfffffffffffff) : UINT64_MAX) & ~UINT64_C(0xfff);
	if (has_address(c->op))
		allowed1 |= c->tg ? 0xf01 : 1;
	assert_int_equal(w0 & ~tlbi_bits0(c->op, c->tg), 0);
	assert_int_equal(w1 & ~allowed1, 0);
	if (!c->tg)
		return;
	/* 4.4.1: illegal, and reserved */
	assert_true(c->num || c->scale || c->ttl);
	assert_false(c->tg == 2 && c->ttl == 1);
	assert_int_equal(c->addr & ((UINT64_C(1) << (10 + 2 * c->tg)) - 1), 0);
}

struct seen seen_decode(const struct iod_smmuv3_raw_cmd *raw)
{
	uint64_t w0 = word_of(raw, 0), w1 = word_of(raw, 1);
	struct seen c = { .op = (uint32_t)bits(w0, 7, 0) };

	if (c.op == 0x46) {
		assert_int_equal(w0, 0x46);
		assert_int_equal(w1, 0);
		return c;
	}
	if (c.op != 0x40) {
		decode_tlbi(&c, w0, w1);
		return c;
	}
	c.sid = (uint32_t)bits(w0, 63, 32);
	c.ssid = (uint32_t)bits(w0, 31, 12);
	c.ssv = bits(w0, 11, 11);
	c.global = bits(w0, 9, 9);
	c.span = (uint8_t)bits(w1, 5, 0);
	c.addr = w1 & ~UINT64_C(0xfff);
	assert_int_equal(bits(w0, 10, 10) | bits(w0, 8, 8) | bits(w1, 11, 6), 0);
	assert_true(c.span <= 52);
	assert_int_equal(c.addr & ((UINT64_C(1) << c.span << 12) - 1), c.span == 52 ? c.addr : 0);
	return c;
}

void seen_range(const struct seen *c, uint64_t *first, uint64_t *last)
{
	uint64_t len = 4096;

	if (c->tg)
		len = ((uint64_t)c->num + 1) << c->scale << (10 + 2 * c->tg);
	*first = c->addr;
	*last = c->addr + (len - 1);
	assert_true(*last > *first);
}

static int issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		 size_t *issued)
{
	struct sink *s = cookie;
	size_t i;

	*issued = 0;
	if (++s->calls == s->fail_at)
		return s->error;
	assert_true(s->nr + nr < SINK_MAX);
	for (i = 0; i < nr; i++) {
		s->cmd[s->nr] = seen_decode(&cmds[i]);
		assert_int_not_equal(s->cmd[s->nr].op, 0x46);
		s->nr++;
		if (s->each)
			s->each(s, &cmds[i]);
	}
	if (sync)
		s->cmd[s->nr++] = (struct seen)SEEN_SYNC;
	*issued = nr;
	return 0;
}

void sink_init(struct sink *s)
{
	s->ops = (struct iod_smmuv3_sink){ .size = sizeof(s->ops), .issue = issue, .cookie = s };
	s->each = NULL;
	s->priv = NULL;
	s->error = -EIO;
	sink_reset(s);
}

void sink_reset(struct sink *s)
{
	s->nr = 0;
	s->calls = 0;
	s->fail_at = 0;
}

static bool seen_equal(const struct seen *a, const struct seen *b)
{
	return a->op == b->op && a->sid == b->sid && a->ssid == b->ssid && a->ssv == b->ssv &&
	       a->global == b->global && a->leaf == b->leaf && a->vmid == b->vmid &&
	       a->asid == b->asid && a->tg == b->tg && a->num == b->num && a->scale == b->scale &&
	       a->ttl == b->ttl && a->span == b->span && a->addr == b->addr;
}

static void seen_print(const char *which, const struct seen *c)
{
	print_message(
		"%s op %02x sid %x ssid %d/%x g%d vmid %x asid %x addr %#jx leaf %d tg %d num %d "
		"scale %d ttl %d span %d\n",
		which, c->op, c->sid, c->ssv, c->ssid, c->global, c->vmid, c->asid,
		(uintmax_t)c->addr, c->leaf, c->tg, c->num, c->scale, c->ttl, c->span);
}

void sink_expect(struct sink *s, const struct seen *want, size_t nr, const char *what)
{
	bool equal = s->nr == nr;
	size_t i;

	for (i = 0; equal && i < nr; i++)
		equal = seen_equal(&s->cmd[i], &want[i]);
	if (!equal) {
		for (i = 0; i < nr; i++)
			seen_print("want", &want[i]);
		for (i = 0; i < s->nr && i < 64; i++)
			seen_print("seen", &s->cmd[i]);
		fail_msg("%s: %zu commands, not %zu", what, s->nr, nr);
	}
	sink_reset(s);
}

struct iod_smmuv3_id sink_id(bool ranges)
{
	struct iod_smmuv3_id id;

	iodt_assert_ok(iod_smmuv3_id_full(&id));
	if (!ranges)
		id.idr[3] &= ~IOD_SMMUV3_IDR3_RIL;
	return id;
}

struct iod_smmuv3_inv *sink_open_inv(bool ranges, uint32_t stage)
{
	struct iod_smmuv3_id id = sink_id(ranges);
	struct iod_inv_cost cost = { .size = sizeof(cost),
				     .domain = IOD_INV_NEVER,
				     .global = IOD_INV_NEVER };
	struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg),
					  .id = &id,
					  .stage = stage,
					  .asid = stage == 1 ? 7 : 0,
					  .vmid = 9,
					  .cost = &cost };
	struct iod_smmuv3_inv *inv = NULL;

	iodt_assert_ok(iod_smmuv3_inv_create(&inv, &cfg));
	return inv;
}
