/* SPDX-License-Identifier: MIT */
/* What becomes of each command of a guest. */
#include "smmuv3/viommu.h"

#include <errno.h>
#include <string.h>

#include "pgtable/mem.h"

static enum viommu_kind kind_of(enum iod_smmuv3_op op)
{
	switch (op) {
	case IOD_SMMUV3_TLBI_NSNH_ALL:
	case IOD_SMMUV3_TLBI_NH_ALL:
	case IOD_SMMUV3_TLBI_NH_ASID:
	case IOD_SMMUV3_TLBI_NH_VA:
	case IOD_SMMUV3_TLBI_NH_VAA:
		return KIND_TLBI;
	case IOD_SMMUV3_CFGI_CD:
	case IOD_SMMUV3_CFGI_CD_ALL:
		return KIND_CFGI;
	case IOD_SMMUV3_ATC_INV:
		return KIND_ATC;
	default:
		return KIND_OTHER;
	}
}

static int refuse(struct batch *b, const uint64_t w[2], enum iod_cmd_reason reason, int ret)
{
	enum iod_smmuv3_op op = (enum iod_smmuv3_op)(w[0] & CMD0_OP);

	b->g.reason = reason;
	b->g.op = (uint32_t)op;
	b->g.sid = kind_of(op) == KIND_TLBI || op == IOD_SMMUV3_SYNC
			   ? 0
			   : (uint32_t)CMD_GET(CMD0_SID, w[0]);
	return ret;
}

/* With the host's StreamID. */
static int emit_to(struct batch *b, const struct iod_vdev *dev, const uint64_t w[2])
{
	struct iod_smmuv3_raw_cmd raw =
		iod_viommu_raw((w[0] & ~CMD0_SID) | CMD_PUT(CMD0_SID, dev->id), w[1]);
	int ret = iod_viommu_run_end(b);

	if (ret)
		return ret;
	return iod_viommu_emit(b, &raw, b->g.seen, b->g.seen + 1, (uint32_t)(w[0] & CMD0_OP),
			       dev->vid);
}

/* Whether the state of a device lets a command through. Without ATS there are no page requests either. */
static bool passes(uint32_t state, uint64_t op)
{
	if (op == IOD_SMMUV3_ATC_INV || op == IOD_SMMUV3_PRI_RESP)
		return state == IOD_VDEV_ON;
	if (op == IOD_SMMUV3_RESUME || op == IOD_SMMUV3_STALL_TERM)
		return state != IOD_VDEV_BLOCKED;
	return true; /* it is for the host's SMMU, not for the device */
}

/* After a callback; @answer is its own. */
static int step_in(struct batch *b, const uint64_t w[2], enum iod_cmd_reason reason, int answer)
{
	iod_guest_step_in(&b->g);
	if (answer)
		return refuse(b, w, reason, answer);
	guest_nothing(&b->g);
	return 0;
}

/* None of the devices: one that the VMM emulates behind the same SMMU, or nobody. */
static int to_stranger(struct batch *b, const uint64_t w[2])
{
	const struct iod_smmuv3_viommu_cfg *cfg = &b->v->cfg;
	struct iod_smmuv3_raw_cmd raw = iod_viommu_raw(w[0], w[1]);
	struct iod_smmuv3_cmd cmd;
	int ret;

	if (!cfg->stranger || iod_smmuv3_cmd_decode(&cmd, &raw, &cfg->guest, NULL))
		return refuse(b, w, IOD_CMD_BAD_SOURCE, -ENOENT);
	ret = iod_guest_step_out(&b->g);
	if (ret)
		return ret;
	return step_in(b, w, IOD_CMD_BAD_SOURCE, cfg->stranger(cfg->cookie, &cmd));
}

/* Commands that name a device. */
static int to_device(struct batch *b, uint64_t w[2])
{
	uint32_t vsid = (uint32_t)CMD_GET(CMD0_SID, w[0]), word;
	uint64_t op = w[0] & CMD0_OP;
	const struct iod_vdev *dev = iod_vdevs_find(viommu_vdevs(b->v), vsid);

	if (!dev)
		return to_stranger(b, w);
	word = iod_vdev_word(dev);
	/* Level-1 descriptors stay with Leaf: does the guest have any? */
	if (op == IOD_SMMUV3_CFGI_CD && !(word & VDEV_LINEAR))
		w[1] &= ~CMD1_LEAF;
	if (passes(word & VDEV_STATE, op))
		return emit_to(b, dev, w);
	if (op == IOD_SMMUV3_ATC_INV && (b->g.flags & IOD_SMMUV3_VIOMMU_STRICT_ATC))
		return refuse(b, w, IOD_CMD_BAD_STATE, -EOPNOTSUPP);
	guest_nothing(&b->g);
	return 0;
}

/* The VMM's stream table is the one that counts. */
static int cfgi_ste(struct batch *b, const uint64_t w[2], const struct iod_smmuv3_cmd *cmd)
{
	const struct iod_smmuv3_viommu_cfg *cfg = &b->v->cfg;
	uint32_t first = cmd->sid, last = cmd->sid;
	int ret;

	if (!cfg->cfgi_ste)
		return refuse(b, w, IOD_CMD_BAD_POLICY, -EOPNOTSUPP);
	if (cmd->op == IOD_SMMUV3_CFGI_STE_RANGE) {
		uint32_t mask = (uint32_t)low_mask(cmd->range + 1u);

		first &= ~mask;
		last |= mask;
	}
	ret = iod_guest_step_out(&b->g);
	if (ret)
		return ret;
	return step_in(b, w, IOD_CMD_BAD_POLICY,
		       cfg->cfgi_ste(cfg->cookie, first, last, cmd->leaf));
}

static int sync_in_batch(struct batch *b, const struct iod_smmuv3_cmd *cmd)
{
	const struct iod_smmuv3_viommu_cfg *cfg = &b->v->cfg;
	int ret;

	ret = iod_guest_sync(&b->g);
	if (ret)
		return ret;
	if (cfg->synced)
		(void)cfg->synced(cfg->cookie, cmd);
	guest_nothing(&b->g);
	return 0;
}

/* Whether it is enabled for guests; what their SMMU has is another question. */
static bool allowed(const struct iod_smmuv3_viommu *v, enum iod_smmuv3_op op)
{
	switch (op) {
	case IOD_SMMUV3_PREFETCH_CONFIG:
	case IOD_SMMUV3_PREFETCH_ADDR:
	case IOD_SMMUV3_CFGI_CD:
	case IOD_SMMUV3_CFGI_CD_ALL:
	case IOD_SMMUV3_TLBI_NH_ALL:
	case IOD_SMMUV3_TLBI_NH_ASID:
	case IOD_SMMUV3_TLBI_NH_VA:
	case IOD_SMMUV3_TLBI_NH_VAA:
	case IOD_SMMUV3_TLBI_NSNH_ALL:
	case IOD_SMMUV3_ATC_INV:
		return true;
	case IOD_SMMUV3_CFGI_STE:
	case IOD_SMMUV3_CFGI_STE_RANGE:
		return v->cfg.cfgi_ste;
	case IOD_SMMUV3_PRI_RESP:
		return v->cfg.flags & IOD_SMMUV3_VIOMMU_ALLOW_PRI;
	case IOD_SMMUV3_RESUME:
	case IOD_SMMUV3_STALL_TERM:
		return v->cfg.flags & IOD_SMMUV3_VIOMMU_ALLOW_RESUME;
	case IOD_SMMUV3_SYNC:
		return v->cfg.flags & IOD_SMMUV3_VIOMMU_ACCEPT_SYNC;
	default: /* EL2 and stage 2 are the host's */
		return false;
	}
}

bool iod_smmuv3_viommu_takes(const struct iod_smmuv3_viommu *v, enum iod_smmuv3_op op)
{
	return v && allowed(v, op) && iod_smmuv3_op_permitted(&v->cfg.guest, op);
}

/* The common ones, checked. */
static int common(struct batch *b, uint64_t w[2], enum viommu_kind kind,
		  const struct iod_smmuv3_raw_cmd *raw)
{
	guest_set_kind(&b->g, kind);
	if (b->v->joins && guest_is_known(&b->g, raw->word)) {
		guest_nothing(&b->g);
		return 0;
	}
	if (kind != KIND_TLBI)
		return to_device(b, w);
	w[0] |= CMD_PUT(CMD0_VMID, b->v->cfg.vmid); /* whatever the guest wrote: it was nothing */
	return iod_viommu_tlbi(b, w);
}

/* Those that come now and then. */
static int uncommon(struct batch *b, uint64_t w[2], const struct iod_smmuv3_cmd *cmd)
{
	switch (cmd->op) {
	case IOD_SMMUV3_PREFETCH_CONFIG:
	case IOD_SMMUV3_PREFETCH_ADDR: /* a hint */
		guest_nothing(&b->g);
		return 0;
	case IOD_SMMUV3_CFGI_STE:
	case IOD_SMMUV3_CFGI_STE_RANGE:
		guest_set_kind(&b->g, KIND_OTHER);
		return cfgi_ste(b, w, cmd);
	case IOD_SMMUV3_SYNC:
		guest_set_kind(&b->g, KIND_OTHER);
		return sync_in_batch(b, cmd);
	case IOD_SMMUV3_PRI_RESP:
		iod_viommu_pack(w, cmd, FORM_PRI);
		break;
	case IOD_SMMUV3_RESUME:
		iod_viommu_pack(w, cmd, FORM_RESUME);
		break;
	default: /* STALL_TERM */
		iod_viommu_pack(w, cmd, FORM_CFGI);
		break;
	}
	guest_set_kind(&b->g, KIND_OTHER);
	return to_device(b, w);
}

static int decode_failed(struct batch *b, const uint64_t w[2], enum iod_cmd_reason reason, int ret)
{
	/* It may have been called reserved bits, by their position. */
	if (reason != IOD_CMD_BAD_PERMISSION && (w[0] & CMD0_VMID) &&
	    kind_of((enum iod_smmuv3_op)(w[0] & CMD0_OP)) == KIND_TLBI)
		reason = IOD_CMD_BAD_DOMAIN;
	return refuse(b, w, reason, ret);
}

/* Every command can go this way. */
static int decoded(struct batch *b, uint64_t w[2], const struct iod_smmuv3_raw_cmd *raw)
{
	enum iod_cmd_reason reason;
	struct iod_smmuv3_cmd cmd;
	enum viommu_kind kind;
	int ret = iod_smmuv3_cmd_decode(&cmd, raw, &b->v->cfg.guest, &reason);

	if (ret)
		return decode_failed(b, w, reason, ret);
	if (!allowed(b->v, cmd.op))
		return refuse(b, w, IOD_CMD_BAD_POLICY, -EOPNOTSUPP);
	kind = kind_of(cmd.op);
	switch (kind) { /* words again, without what is ignored: the host might not ignore it */
	case KIND_TLBI:
		if (cmd.vmid)
			return refuse(b, w, IOD_CMD_BAD_DOMAIN, -EINVAL);
		if (cmd.tg && !(b->v->granules & 1u << cmd.tg))
			return refuse(b, w, IOD_CMD_BAD_RANGE, -EINVAL);
		iod_viommu_pack(w, &cmd, FORM_TLBI);
		break;
	case KIND_CFGI:
		iod_viommu_pack(w, &cmd, FORM_CFGI);
		break;
	case KIND_ATC:
		iod_viommu_pack(w, &cmd, FORM_SPAN);
		break;
	default:
		return uncommon(b, w, &cmd);
	}
	return common(b, w, kind, raw);
}

/* Whether the decoder would find nothing to say, and nothing to ignore. */
static bool is_plain(const struct iod_smmuv3_viommu *v, const uint64_t w[2])
{
	uint64_t op = w[0] & CMD0_OP;
	unsigned int tg = (unsigned int)CMD_GET(CMD1_TG, w[1]);
	const struct viommu_plain *plain;

	if (op >= VIOMMU_NR_PLAIN)
		return false;
	plain = &v->plain[op];
	if (!guest_is_plain(&plain->words, w))
		return false;
	switch (plain->kind) {
	case KIND_TLBI:
		if (!tg)
			return !((w[0] & (CMD0_NUM | CMD0_SCALE)) | (w[1] & CMD1_TTL));
		return (v->granules & 1u << tg) && tg != IOD_SMMUV3_TG_16K &&
		       ((w[0] & (CMD0_NUM | CMD0_SCALE)) | (w[1] & CMD1_TTL));
	case KIND_ATC:
		return ((w[0] & CMD0_SSV) || !(w[0] & (CMD0_SSID | CMD0_GLOBAL))) &&
		       (w[1] & CMD1_SPAN) <= IOD_SMMUV3_ATC_ALL_SPAN;
	default:
		return true;
	}
}

static int one(struct batch *b, const struct iod_smmuv3_raw_cmd *raw)
{
	uint64_t w[2] = { iod_le64(raw->word[0]), iod_le64(raw->word[1]) };

	b->g.now = (uint32_t)(w[0] & CMD0_OP);
	if (is_plain(b->v, w))
		return common(b, w, b->v->plain[w[0] & CMD0_OP].kind, raw);
	return decoded(b, w, raw);
}

/* Of a range something must be given: for is_plain() to ask. */
static bool takes(const void *id, const uint64_t w[2])
{
	struct iod_smmuv3_raw_cmd raw = iod_viommu_raw(w[0], w[1]);
	enum iod_cmd_reason reason;
	struct iod_smmuv3_cmd cmd;

	return kind_of((enum iod_smmuv3_op)(w[0] & CMD0_OP)) != KIND_OTHER &&
	       (!iod_smmuv3_cmd_decode(&cmd, &raw, id, &reason) || reason == IOD_CMD_BAD_RANGE);
}

void iod_viommu_probe(struct iod_smmuv3_viommu *v)
{
	unsigned int op;

	for (op = 0; op < VIOMMU_NR_PLAIN; op++) {
		/* A SubstreamID is only looked at where it is valid. */
		const struct guest_probe probe = {
			.base = { op == IOD_SMMUV3_ATC_INV ? op | CMD0_SSV : op },
			.among = { ~CMD0_OP, ~UINT64_C(0) },
			.ok = takes,
			.id = &v->cfg.guest,
		};

		v->plain[op].kind = kind_of((enum iod_smmuv3_op)op);
		iod_guest_probe(&v->plain[op].words, &probe);
	}
}

/* Each word once: the guest may write there meanwhile. */
static struct iod_smmuv3_raw_cmd read_once(const struct iod_smmuv3_raw_cmd *cmd)
{
	struct iod_smmuv3_raw_cmd raw;

	raw.word[0] = *(const volatile uint64_t *)&cmd->word[0];
	raw.word[1] = *(const volatile uint64_t *)&cmd->word[1];
	return raw;
}

int iod_viommu_feed(struct batch *b, const struct iod_smmuv3_raw_cmd *cmds, size_t nr)
{
	size_t i;
	int ret;

	for (i = 0; i < nr; i++) {
		const struct iod_smmuv3_raw_cmd raw = read_once(&cmds[i]);

		if (b->g.nr > GUEST_ISSUE - GUEST_MARGIN) {
			ret = iod_guest_make_room(&b->g);
			if (ret)
				return ret;
		}
		ret = one(b, &raw);
		if (ret)
			return ret;
		b->g.seen++;
		if (b->g.flags & IOD_SMMUV3_VIOMMU_SYNC_EACH) {
			ret = iod_guest_flush(&b->g, true);
			if (ret)
				return ret;
		}
	}
	return 0;
}

int iod_smmuv3_viommu_invalidate(struct iod_smmuv3_viommu *v, const struct iod_smmuv3_raw_cmd *cmds,
				 size_t nr, struct iod_guest_result *res)
{
	struct iod_guest_result result;
	struct batch b;
	int ret;

	memset(&result, 0, sizeof(result));
	ret = res ? iod_guest_result_out(res, &result) : 0;
	if (ret)
		return ret;
	if (!v || (nr && !cmds) || nr > IOD_SMMUV3_VIOMMU_MAX_BATCH)
		return -EINVAL;
	iod_viommu_batch_begin(&b, v, v->cfg.flags);
	ret = iod_guest_end(&b.g, iod_viommu_feed(&b, cmds, nr), &result);
	if (res)
		(void)iod_guest_result_out(res, &result);
	return ret;
}
