/* SPDX-License-Identifier: MIT */
/* The rig of tests of guest invalidation. Bits are those of Arm IHI 0070, 4.2 to 4.7, written down anew. */
#include "viommurig.h"

#define OP(w0)	  ((unsigned int)((w0)&0xff))
#define SID(w0)	  ((uint32_t)((w0) >> 32))
#define ADDR_MASK UINT64_C(0xfffffffffffff000)
#define VMID_MASK UINT64_C(0x0000ffff00000000)
#define SID_BITS  16u
#define SSID_BITS 8u

static int host_issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		      size_t *issued)
{
	struct rig_host *host = cookie;

	host->calls++;
	for (*issued = 0; *issued < nr; ++*issued) {
		struct rig_cmd *cmd = &host->cmd[host->nr];

		if (host->reject && host->nr == host->fail_at) {
			host->reject = false;
			return host->fail_error;
		}
		assert_true(host->nr < RIG_LOG);
		iodt_put_le64(&cmd->w[0], cmds[*issued].word[0]); /* its own inverse */
		iodt_put_le64(&cmd->w[1], cmds[*issued].word[1]);
		if (host->hook)
			host->hook(host, cmd);
		host->nr++;
	}
	if (!sync)
		return 0;
	host->syncs++;
	if (host->fail_sync) {
		host->fail_sync = false;
		return host->fail_error;
	}
	host->at_sync = host->nr;
	return 0;
}

struct rig_opts rig_defaults(void)
{
	return (struct rig_opts){
		.host_ril = true,
		.guest_ril = true,
		.granules = IOD_SMMUV3_IDR5_GRAN4K,
		.ats = true,
	};
}

static void set(uint32_t *reg, uint32_t mask, bool on)
{
	*reg = on ? *reg | mask : *reg & ~mask;
}

/* ID registers by hand: SIDs of 16 bits, SSIDs of 8, ASIDs and VMIDs of 16, 48-bit addresses. */
struct iod_smmuv3_viommu_cfg rig_cfg(struct rig *rig, const struct iod_smmuv3_sink *sink)
{
	const struct rig_opts *o = &rig->opts;
	struct iod_smmuv3_viommu_cfg cfg = { .size = sizeof(cfg) };

	cfg.host.idr[0] = IOD_SMMUV3_IDR0_S1P | IOD_SMMUV3_IDR0_S2P | 2u << 2 |
			  IOD_SMMUV3_IDR0_COHACC | IOD_SMMUV3_IDR0_ATS | IOD_SMMUV3_IDR0_ASID16 |
			  IOD_SMMUV3_IDR0_MSI | IOD_SMMUV3_IDR0_PRI | IOD_SMMUV3_IDR0_VMID16 |
			  IOD_SMMUV3_IDR0_CD2L | 2u << 21 | 1u << 27;
	cfg.host.idr[1] = SID_BITS | SSID_BITS << 6 | 10u << 11 | 10u << 16 | 10u << 21;
	cfg.host.idr[5] = 5 | 7u << 4;
	set(&cfg.host.idr[3], IOD_SMMUV3_IDR3_RIL, o->host_ril);
	cfg.guest = cfg.host;
	cfg.guest.idr[0] &= ~(IOD_SMMUV3_IDR0_S2P | IOD_SMMUV3_IDR0_VMID16);
	set(&cfg.guest.idr[0], IOD_SMMUV3_IDR0_ATS, o->ats);
	set(&cfg.guest.idr[0], IOD_SMMUV3_IDR0_PRI, o->pri);
	if (!o->stall) {
		cfg.guest.idr[0] |= 1u << 24;
	}
	set(&cfg.guest.idr[3], IOD_SMMUV3_IDR3_RIL, o->guest_ril);
	cfg.guest.idr[5] = 5 | o->granules;
	cfg.sink = sink;
	cfg.flags = o->flags;
	cfg.vmid = RIG_VMID;
	cfg.cost = o->cost;
	cfg.quirk = o->quirk;
	cfg.cfgi_ste = o->cfgi_ste;
	cfg.stranger = o->stranger;
	cfg.synced = o->synced;
	cfg.cookie = rig;
	cfg.allocator = o->allocator;
	return cfg;
}

struct rig *rig_open(const struct rig_opts *opts)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct iod_smmuv3_sink sink = { .size = sizeof(sink), .issue = host_issue };
	struct iod_smmuv3_viommu_cfg cfg;
	unsigned int i;

	assert_non_null(rig);
	rig->opts = *opts;
	rig->rng = 88172645463325252u;
	sink.cookie = &rig->host;
	cfg = rig_cfg(rig, &sink);
	iodt_assert_ok(iod_smmuv3_viommu_create(&rig->v, &cfg));
	memset(&sink, 0xff, sizeof(sink)); /* it was copied */
	for (i = 0; i < RIG_DEVICES; i++)
		iodt_assert_ok(iod_smmuv3_viommu_add(rig->v, i * 8, 0x1000 + i, rig->state[i]));
	return rig;
}

void rig_close(struct rig *rig)
{
	iodt_assert_ok(iod_smmuv3_viommu_destroy(rig->v));
	free(rig);
}

void rig_forget(struct rig *rig)
{
	rig->host.nr = 0;
	rig->host.calls = 0;
	rig->host.syncs = 0;
	rig->host.at_sync = 0;
}

uint64_t rig_random(struct rig *rig)
{
	rig->rng ^= rig->rng << 13;
	rig->rng ^= rig->rng >> 7;
	rig->rng ^= rig->rng << 17;
	return rig->rng;
}

uint64_t rig_below(struct rig *rig, uint64_t n)
{
	return (rig_random(rig) >> 11) % n;
}

struct iod_smmuv3_raw_cmd rig_raw(uint64_t w0, uint64_t w1)
{
	struct iod_smmuv3_raw_cmd raw;

	iodt_put_le64(&raw.word[0], w0);
	iodt_put_le64(&raw.word[1], w1);
	return raw;
}

int rig_run(struct rig *rig, const struct rig_cmd *cmds, size_t nr, struct iod_guest_result *res)
{
	struct iod_smmuv3_raw_cmd *raw = calloc(nr + 1, sizeof(*raw));
	size_t i;
	int ret;

	assert_non_null(raw);
	for (i = 0; i < nr; i++)
		raw[i] = rig_raw(cmds[i].w[0], cmds[i].w[1]);
	memset(res, 0xee, sizeof(*res));
	res->size = sizeof(*res);
	ret = iod_smmuv3_viommu_invalidate(rig->v, raw, nr, res);
	free(raw);
	return ret;
}

void rig_expect(const struct rig *rig, const struct rig_cmd *want, size_t nr)
{
	size_t i;

	assert_int_equal(rig->host.nr, nr);
	for (i = 0; i < nr; i++) {
		assert_true(rig->host.cmd[i].w[0] == want[i].w[0]);
		assert_true(rig->host.cmd[i].w[1] == want[i].w[1]);
	}
}

/* ---- one command, by the book ---- */

static struct rig_verdict refused(int error, enum iod_cmd_reason reason)
{
	return (struct rig_verdict){ .error = error, .reason = reason };
}

static struct rig_verdict unsure(int error)
{
	return (struct rig_verdict){ .error = error, .reason_any = true };
}

static void to_host(struct rig_verdict *v, uint64_t w0, uint64_t w1)
{
	assert_true(v->nr < IODT_ARRAY_SIZE(v->cmd));
	v->cmd[v->nr].w[0] = w0;
	v->cmd[v->nr++].w[1] = w1;
}

/* Single addresses in place of a range: one per entry of the level that TTL names (4.4.1). */
static void singles(struct rig_verdict *v, const struct rig_cmd *g)
{
	unsigned int tg = (unsigned int)(g->w[1] >> 10) & 3, ttl = (unsigned int)(g->w[1] >> 8) & 3;
	static const unsigned int page[4] = { 12, 12, 14, 16 };
	static const unsigned int block[4][4] = {
		{ 0 }, { 12, 30, 21, 12 }, { 14, 36, 25, 14 }, { 16, 42, 29, 16 }
	};
	uint64_t scale = g->w[0] >> 20 & 0x3f, num = g->w[0] >> 12 & 0x1f, addr, first, last, n;
	unsigned int lg2 = block[tg][ttl];

	addr = g->w[1] & ADDR_MASK;
	first = addr >> page[tg] << page[tg];
	n = (num + 1) << (scale > 39 ? 39 : scale) << page[tg];
	last = n - 1 > UINT64_MAX - addr ? UINT64_MAX : addr + (n - 1);
	last |= IODT_BIT(page[tg]) - 1;
	if ((addr | (last + 1)) & (IODT_BIT(lg2) - 1)) /* a hint that does not fit says nothing */
		lg2 = page[tg];
	if ((last >> lg2) - (first >> lg2) >= 32) { /* what the cost model is told in these tests */
		v->everything = true;
		to_host(v, 0x10 | (uint64_t)RIG_VMID << 32, 0);
		return;
	}
	for (n = first >> lg2; n <= last >> lg2; n++)
		to_host(v, (g->w[0] & UINT64_C(0xffff0000000000ff)) | (uint64_t)RIG_VMID << 32,
			n << lg2 | (g->w[1] & 1));
}

static struct rig_verdict judge_tlbi(const struct rig *rig, const struct rig_cmd *guest)
{
	static const uint32_t gran[4] = { 0, IOD_SMMUV3_IDR5_GRAN4K, IOD_SMMUV3_IDR5_GRAN16K,
					  IOD_SMMUV3_IDR5_GRAN64K };
	unsigned int op = OP(guest->w[0]), tg;
	bool by_va = op == 0x12 || op == 0x13, has_asid = op == 0x11 || op == 0x12;
	struct rig_verdict v = { 0 };
	uint64_t ok0 = 0xff, ok1 = 0;
	struct rig_cmd g = *guest;

	if (by_va)
		ok1 = ADDR_MASK | 1;
	if (has_asid)
		ok0 |= UINT64_C(0xffff) << 48;
	if (by_va && rig->opts.guest_ril) {
		ok0 |= UINT64_C(0x1f) << 12 | UINT64_C(0x1f) << 20;
		ok1 |= UINT64_C(0xf) << 8;
	}
	if (g.w[0] & VMID_MASK)
		return refused(-EINVAL, IOD_CMD_BAD_DOMAIN);
	if ((g.w[0] & ~ok0) || (g.w[1] & ~ok1))
		return refused(-EINVAL, IOD_CMD_BAD_RESERVED);
	tg = (unsigned int)(g.w[1] >> 10) & 3;
	if (tg == 2 && (g.w[1] >> 8 & 3) == 1) /* no 64 GiB blocks here: any level */
		g.w[1] &= ~(UINT64_C(3) << 8);
	if (tg ? !(g.w[0] & UINT64_C(0x1f1f000)) && !(g.w[1] & 0x300)
	       : (g.w[0] & UINT64_C(0x1f1f000)) || (g.w[1] & 0x300))
		return refused(-EINVAL, IOD_CMD_BAD_RANGE);
	if (tg && !(rig->opts.granules & gran[tg]))
		return refused(-EINVAL, IOD_CMD_BAD_RANGE);
	if (op == 0x10 || op == 0x30)
		to_host(&v, 0x10 | (uint64_t)RIG_VMID << 32, 0);
	else if (tg && (!rig->opts.host_ril || (rig->opts.flags & IOD_SMMUV3_VIOMMU_NO_RANGES)))
		singles(&v, &g);
	else
		to_host(&v, g.w[0] | (uint64_t)RIG_VMID << 32, g.w[1]);
	return v;
}

/* The device of a guest's StreamID; RIG_DEVICES: none. */
static unsigned int device(uint32_t vsid)
{
	return vsid % 8 || vsid / 8 >= RIG_DEVICES ? RIG_DEVICES : vsid / 8;
}

static struct rig_verdict judge_device(const struct rig *rig, const struct rig_cmd *g)
{
	unsigned int op = OP(g->w[0]), dev = device(SID(g->w[0]));
	uint64_t w0 = (g->w[0] & UINT64_C(0xffffffff)) | (uint64_t)(0x1000 + dev) << 32,
		 w1 = g->w[1];
	struct rig_verdict v = { 0 };

	if (dev == RIG_DEVICES)
		return SID(g->w[0]) >> SID_BITS ? unsure(-EINVAL)
						: refused(-ENOENT, IOD_CMD_BAD_SOURCE);
	if (op == 0x05 && !rig->linear[dev])
		w1 &= ~UINT64_C(1);
	if (op == 0x40 || op == 0x41) {
		if (!(w0 & IODT_BIT(11))) /* without SSV there is neither SSID nor Global */
			w0 &= ~UINT64_C(0xfffff200);
		if (rig->state[dev] != IOD_VDEV_ON) {
			if (op == 0x40 && (rig->opts.flags & IOD_SMMUV3_VIOMMU_STRICT_ATC))
				return refused(-EOPNOTSUPP, IOD_CMD_BAD_STATE);
			return v;
		}
	}
	if ((op == 0x44 || op == 0x45) && rig->state[dev] == IOD_VDEV_BLOCKED)
		return v;
	if (op == 0x44 && (w0 & IODT_BIT(12))) /* to retry is not to abort */
		w0 &= ~IODT_BIT(13);
	to_host(&v, w0, w1);
	return v;
}

static struct rig_verdict judge_sid(const struct rig *rig, const struct rig_cmd *g)
{
	unsigned int op = OP(g->w[0]);
	uint64_t ok0 = UINT64_C(0xffffffff000000ff), ok1 = 0, ssid = g->w[0] >> 12 & 0xfffff;
	bool allowed = true, has_ssid = op == 0x05;

	switch (op) {
	case 0x05: /* CFGI_CD */
		ok0 |= UINT64_C(0xfffff000);
		ok1 = 1;
		break;
	case 0x40: /* ATC_INV */
		ok0 |= UINT64_C(0xfffffa00);
		ok1 = ADDR_MASK | 0x3f;
		if (!rig->opts.ats)
			return refused(-EOPNOTSUPP, IOD_CMD_BAD_PERMISSION);
		break;
	case 0x41: /* PRI_RESP */
		ok0 |= UINT64_C(0xfffff800);
		ok1 = 0x31ff;
		if (!rig->opts.pri)
			return refused(-EOPNOTSUPP, IOD_CMD_BAD_PERMISSION);
		allowed = rig->opts.flags & IOD_SMMUV3_VIOMMU_ALLOW_PRI;
		break;
	case 0x44: /* RESUME */
		ok0 |= 0x3000;
		ok1 = 0xffff;
		/* fall through */
	case 0x45: /* STALL_TERM */
		if (!rig->opts.stall)
			return refused(-EOPNOTSUPP, IOD_CMD_BAD_PERMISSION);
		allowed = rig->opts.flags & IOD_SMMUV3_VIOMMU_ALLOW_RESUME;
		break;
	}
	if ((g->w[0] & ~ok0) || (g->w[1] & ~ok1))
		return refused(-EINVAL, IOD_CMD_BAD_RESERVED);
	if (op == 0x40 || op == 0x41)
		has_ssid = g->w[0] & IODT_BIT(11);
	if ((op == 0x40 && (g->w[1] & 0x3f) > 52) || (op == 0x41 && (g->w[1] & 0x3000) == 0x3000) ||
	    (has_ssid && ssid >> SSID_BITS))
		return unsure(-EINVAL);
	if (!allowed && SID(g->w[0]) >> SID_BITS)
		return unsure(-EINVAL);
	if (!allowed)
		return refused(-EOPNOTSUPP, IOD_CMD_BAD_POLICY);
	return judge_device(rig, g);
}

struct rig_verdict rig_judge(const struct rig *rig, const struct rig_cmd *g)
{
	switch (OP(g->w[0])) {
	case 0x05:
	case 0x06:
	case 0x40:
	case 0x41:
	case 0x44:
	case 0x45:
		return judge_sid(rig, g);
	case 0x10:
	case 0x11:
	case 0x12:
	case 0x13:
	case 0x30:
		return judge_tlbi(rig, g);
	case 0x20:
	case 0x21:
	case 0x22:
	case 0x23:
	case 0x28:
	case 0x2a: /* not in the guest's ID registers */
		return refused(-EOPNOTSUPP, IOD_CMD_BAD_PERMISSION);
	default:
		return refused(-EOPNOTSUPP, IOD_CMD_BAD_OPCODE);
	}
}

/* ---- what guests write ---- */

static uint64_t some_range(struct rig *rig, uint64_t *w0)
{
	unsigned int tg = 1 + (unsigned int)rig_below(rig, 3),
		     ttl = (unsigned int)rig_below(rig, 4);
	uint64_t num = rig_below(rig, 3) ? rig_below(rig, 4) : rig_below(rig, 32);
	uint64_t scale = rig_below(rig, 4) ? rig_below(rig, 3) : rig_below(rig, 32);

	*w0 |= num << 12 | scale << 20;
	return (uint64_t)tg << 10 | (uint64_t)ttl << 8;
}

static struct rig_cmd some_tlbi(struct rig *rig)
{
	static const uint8_t ops[] = { 0x12, 0x12, 0x12, 0x12, 0x12, 0x12, 0x12, 0x12, 0x12, 0x12,
				       0x12, 0x12, 0x13, 0x13, 0x13, 0x13, 0x11, 0x11, 0x10, 0x30 };
	struct rig_cmd g = { { ops[rig_below(rig, sizeof(ops))], 0 } };
	unsigned int op = OP(g.w[0]);

	if (op == 0x11 || op == 0x12)
		g.w[0] |= (1 + rig_below(rig, 2)) << 48;
	if (op != 0x12 && op != 0x13)
		return g;
	g.w[1] = (rig_below(rig, 16) << 12) | !rig_below(rig, 4);
	if (!rig_below(rig, 8))
		g.w[1] += rig_below(rig, 2) ? IODT_BIT(55) - 0x8000 : UINT64_C(0xffffffffffff0000);
	if (rig->opts.guest_ril && !rig_below(rig, 3))
		g.w[1] |= some_range(rig, &g.w[0]);
	return g;
}

static struct rig_cmd some_sid(struct rig *rig)
{
	static const uint8_t ops[] = { 0x05, 0x05, 0x06, 0x40, 0x40, 0x40, 0x41, 0x44, 0x45 };
	struct rig_cmd g = { { ops[rig_below(rig, sizeof(ops))], 0 } };
	unsigned int op = OP(g.w[0]);

	g.w[0] |= rig_below(rig, RIG_DEVICES) * 8 << 32;
	if (op == 0x05) {
		g.w[0] |= rig_below(rig, 3) << 12;
		g.w[1] = rig_below(rig, 2);
	} else if (op == 0x40) {
		g.w[1] = rig_below(rig, 8) << 12 | rig_below(rig, 3);
		if (rig_below(rig, 2))
			g.w[0] |= IODT_BIT(11) | rig_below(rig, 3) << 12 | rig_below(rig, 2) << 9;
	} else if (op == 0x41) {
		g.w[1] = rig_below(rig, 512) | rig_below(rig, 3) << 12;
	} else if (op == 0x44) {
		g.w[0] |= rig_below(rig, 4) << 12;
		g.w[1] = rig_below(rig, 65536);
	}
	return g;
}

struct rig_cmd rig_generate(struct rig *rig, bool hostile)
{
	struct rig_cmd g = rig_below(rig, 3) ? some_tlbi(rig) : some_sid(rig);

	if (!hostile)
		return g;
	switch (rig_below(rig, 12)) {
	case 0: /* a few bits */
		g.w[0] ^= IODT_BIT(rig_below(rig, 64));
		break;
	case 1:
		g.w[1] ^= IODT_BIT(rig_below(rig, 64));
		break;
	case 2: /* another's number */
		g.w[0] ^= rig_random(rig) << 32;
		break;
	case 3: /* another command */
		g.w[0] = (g.w[0] & ~UINT64_C(0xff)) | rig_below(rig, 256);
		break;
	case 4: /* anything */
		g.w[0] = rig_random(rig);
		g.w[1] = rig_random(rig);
		break;
	}
	/* Hints and what the callbacks decide have tests of their own. */
	if (OP(g.w[0]) <= 4 || OP(g.w[0]) == 0x46)
		g.w[0] |= 0x80;
	return g;
}

/* ---- what must never reach the host ---- */

static void check_tlbi(const struct rig *rig, const struct rig_cmd *c)
{
	bool by_va = OP(c->w[0]) == 0x12 || OP(c->w[0]) == 0x13;
	bool asid = OP(c->w[0]) == 0x11 || OP(c->w[0]) == 0x12;
	uint64_t ok0 = 0xff | VMID_MASK, ok1 = 0;

	assert_true((c->w[0] & VMID_MASK) >> 32 == RIG_VMID);
	if (asid)
		ok0 |= UINT64_C(0xffff) << 48;
	if (by_va)
		ok1 = ADDR_MASK | 1;
	if (by_va && rig->opts.host_ril && !(rig->opts.flags & IOD_SMMUV3_VIOMMU_NO_RANGES)) {
		ok0 |= UINT64_C(0x1f1f000);
		ok1 |= 0xf00;
	}
	assert_true(!(c->w[0] & ~ok0) && !(c->w[1] & ~ok1));
	/* 4.4.1 */
	assert_true(!(c->w[1] & 0xc00) == !((c->w[0] & 0x1f1f000) | (c->w[1] & 0x300)));
}

static void check_device(const struct rig *rig, const struct rig_cmd *c)
{
	uint32_t sid = SID(c->w[0]);

	assert_true(sid >= 0x1000 && sid < 0x1000 + RIG_DEVICES);
	switch (OP(c->w[0])) {
	case 0x05:
		assert_true(!(c->w[0] & 0xf00) && !(c->w[1] & ~UINT64_C(1)));
		assert_true(rig->linear[sid - 0x1000] || !c->w[1]);
		return;
	case 0x06:
		assert_true(!(c->w[0] & 0xffffff00) && !c->w[1]);
		return;
	case 0x40:
		assert_true(!(c->w[0] & 0x500) && !(c->w[1] & 0xfc0) && (c->w[1] & 0x3f) <= 52);
		assert_int_equal(rig->state[sid - 0x1000], IOD_VDEV_ON);
		return;
	case 0x41:
		assert_true(rig->opts.flags & IOD_SMMUV3_VIOMMU_ALLOW_PRI);
		assert_true(!(c->w[0] & 0x700) && !(c->w[1] & ~UINT64_C(0x31ff)));
		return;
	case 0x44:
		assert_true(!(c->w[0] & 0xffffcf00) && !(c->w[1] & ~UINT64_C(0xffff)));
		break;
	case 0x45:
		assert_true(!(c->w[0] & 0xffffff00) && !c->w[1]);
		break;
	default:
		fail_msg("opcode %02x reached the host", OP(c->w[0]));
	}
	assert_true(rig->opts.flags & IOD_SMMUV3_VIOMMU_ALLOW_RESUME);
}

void rig_check_host(const struct rig *rig)
{
	size_t i;

	for (i = 0; i < rig->host.nr; i++) {
		const struct rig_cmd *c = &rig->host.cmd[i];

		if (OP(c->w[0]) >= 0x10 && OP(c->w[0]) <= 0x13)
			check_tlbi(rig, c);
		else
			check_device(rig, c);
	}
}
