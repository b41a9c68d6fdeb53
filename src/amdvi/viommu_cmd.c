/* SPDX-License-Identifier: MIT */
/* What becomes of each command of a guest. */
#include "amdvi/viommu.h"

#include <errno.h>
#include <string.h>

#include "pgtable/mem.h"

static int refuse(struct amdvi_batch *b, const struct iod_amdvi_cmd *cmd,
		  enum iod_cmd_reason reason, int ret)
{
	return guest_refuse(&b->g, cmd->devid, reason, ret);
}

static int nothing(struct amdvi_batch *b)
{
	guest_nothing(&b->g);
	return 0;
}

/* ---- pages ---- */

/*
 * gn = 0 says host tables, of which the guest has none; whether it drops guest translations of the domain as well is
 * UNCONFIRMED. The host is given the same for the host's DomainID: whichever it is, the guest gets what it would get.
 */
static int pages(struct amdvi_batch *b, const uint64_t w[2])
{
	const struct iod_vdev *domain = iod_vdevs_find(
		&b->v->core.table[DOMAINS], (uint32_t)((w[0] & CMD0_PAGES_DOMAIN) >> 32));

	if (b->g.all || !domain) /* no device uses it: nothing is cached */
		return nothing(b);
	return iod_amdvi_pages(b, (w[0] & ~CMD0_PAGES_DOMAIN) | (uint64_t)domain->id << 32, w[1]);
}

struct each {
	struct amdvi_batch *b;
	uint64_t nr;
};

/* Everything of a domain: the host's part, then each PASID. */
static int each_domain(void *cookie, const struct iod_vdev *domain)
{
	struct each *each = cookie;
	struct guest_batch *g = &each->b->g;
	uint64_t w[2] = { (uint64_t)IOD_AMDVI_INVALIDATE_IOMMU_PAGES << CMD0_OP_SHIFT |
				  (uint64_t)domain->id << 32,
			  IOD_AMDVI_ADDR_ALL | CMD1_S | CMD1_PDE };
	int ret = iod_amdvi_emit(each->b, w, g->seen, g->seen, g->now, 0);
	uint32_t pasid;

	each->nr++;
	w[1] |= CMD1_GN;
	for (pasid = 0; pasid < each->b->v->pasids && !ret; pasid++, w[0]++, each->nr++)
		ret = iod_amdvi_emit(each->b, w, g->seen, g->seen, g->now, 0);
	return ret;
}

/*
 * INVALIDATE_IOMMU_ALL: in each domain, each PASID, as no command takes all of them. Where that is too many it is
 * everything of the host. So that no batch becomes too many, it ends before a second time.
 */
static int everything(struct amdvi_batch *b, const struct iod_amdvi_cmd *cmd)
{
	const struct iod_vdevs *domains = &b->v->core.table[DOMAINS];
	uint64_t n = (uint64_t)iod_vdevs_about(domains) * (1 + b->v->pasids);
	bool all = n > IOD_AMDVI_VIOMMU_MAX_EXPAND;
	const uint64_t host[2] = { (uint64_t)IOD_AMDVI_INVALIDATE_IOMMU_ALL << CMD0_OP_SHIFT };
	struct each each = { .b = b };
	int ret;

	if (b->g.expanded && (all || b->g.expanded + n > IOD_AMDVI_VIOMMU_MAX_EXPAND))
		return refuse(b, cmd, IOD_CMD_BAD_ISSUE, -EAGAIN);
	if (all && !(b->v->cfg.host.efr & IOD_AMDVI_EFR_IASUP))
		return refuse(b, cmd, IOD_CMD_BAD_POLICY, -EOPNOTSUPP);
	ret = iod_amdvi_guest_ops.run_end(&b->g);
	if (ret)
		return ret;
	if (all) {
		b->g.expanded++;
		ret = iod_amdvi_emit(b, host, b->g.seen, b->g.seen, b->g.now, 0);
	} else {
		ret = iod_vdevs_each(domains, each_domain, &each);
		guest_expand(&b->g, each.nr, IOD_AMDVI_VIOMMU_MAX_EXPAND);
	}
	b->g.all = b->v->joins && !ret;
	return ret;
}

/* ---- devices, and what is the VMM's business ---- */

static int step_in(struct amdvi_batch *b, const struct iod_amdvi_cmd *cmd,
		   enum iod_cmd_reason reason, int answer)
{
	iod_guest_step_in(&b->g);
	if (answer)
		return refuse(b, cmd, reason, answer);
	return nothing(b);
}

/* None of the devices: one that the VMM emulates behind the same IOMMU, or nobody. */
static int to_stranger(struct amdvi_batch *b, const struct iod_amdvi_cmd *cmd)
{
	const struct iod_amdvi_viommu_cfg *cfg = &b->v->cfg;
	int ret;

	if (!cfg->stranger)
		return refuse(b, cmd, IOD_CMD_BAD_SOURCE, -ENOENT);
	ret = iod_guest_step_out(&b->g);
	if (ret)
		return ret;
	return step_in(b, cmd, IOD_CMD_BAD_SOURCE, cfg->stranger(cfg->cookie, cmd));
}

/* @w: as the decoder would take them, with nothing that it ignores */
static int to_device(struct amdvi_batch *b, const uint64_t w[2])
{
	bool iotlb = w[0] >> CMD0_OP_SHIFT == IOD_AMDVI_INVALIDATE_IOTLB_PAGES;
	uint32_t vdevid = (uint16_t)w[0], word;
	const struct iod_vdev *dev = iod_vdevs_find(&b->v->core.table[DEVICES], vdevid);
	uint64_t host[2];

	if (!dev) {
		const struct iod_amdvi_raw_cmd raw = { { iod_le64(w[0]), iod_le64(w[1]) } };
		struct iod_amdvi_cmd cmd;

		(void)iod_amdvi_cmd_decode(&cmd, &raw, &b->v->cfg.guest, NULL);
		return to_stranger(b, &cmd);
	}
	word = iod_vdev_word(dev);
	if ((word & VDEV_STATE) != IOD_VDEV_ON) {
		if (iotlb && (b->g.flags & IOD_AMDVI_VIOMMU_STRICT_IOTLB))
			return guest_refuse(&b->g, vdevid, IOD_CMD_BAD_STATE, -EOPNOTSUPP);
		return nothing(b);
	}
	host[0] = (w[0] & ~CMD0_DEVID) | dev->id;
	host[1] = w[1];
	if (iotlb)
		host[0] = (host[0] & ~(CMD0_IOTLB_QUEUE | CMD0_IOTLB_PEND)) |
			  (uint64_t)dev->id << 32 |
			  (uint64_t)((word & VDEV_MAXPEND) >> VDEV_MAXPEND_SHIFT) << 24;
	return iod_amdvi_emit_alone(b, host, vdevid);
}

static int devtab(struct amdvi_batch *b, const struct iod_amdvi_cmd *cmd, uint16_t first,
		  uint16_t last)
{
	const struct iod_amdvi_viommu_cfg *cfg = &b->v->cfg;
	int ret = iod_guest_step_out(&b->g);

	if (ret)
		return ret;
	return step_in(b, cmd, IOD_CMD_BAD_POLICY, cfg->devtab(cfg->cookie, first, last));
}

static int interrupts(struct amdvi_batch *b, const struct iod_amdvi_cmd *cmd)
{
	const struct iod_amdvi_viommu_cfg *cfg = &b->v->cfg;
	int ret = iod_guest_step_out(&b->g);

	if (ret)
		return ret;
	return step_in(b, cmd, IOD_CMD_BAD_POLICY, cfg->interrupts(cfg->cookie, cmd->devid));
}

/* Entries first: what is walked for afterwards is walked for through the new ones. */
static int iommu_all(struct amdvi_batch *b, const struct iod_amdvi_cmd *cmd)
{
	int ret = devtab(b, cmd, 0, UINT16_MAX);

	/* Not through before the rest is. */
	if (!ret && b->g.taken > b->g.seen)
		b->g.taken = b->g.seen;
	if (!ret)
		ret = everything(b, cmd);
	return ret ? ret : nothing(b);
}

static int wait_in_batch(struct amdvi_batch *b, const struct iod_amdvi_cmd *cmd)
{
	const struct iod_amdvi_viommu_cfg *cfg = &b->v->cfg;
	int ret = iod_guest_sync(&b->g);

	if (ret)
		return ret;
	if (cfg->waited)
		cfg->waited(cfg->cookie, cmd);
	return nothing(b);
}

/* ---- which ---- */

/* Whether it is enabled for guests; what their IOMMU has is another question. */
static bool allowed(const struct iod_amdvi_viommu *v, enum iod_amdvi_op op)
{
	switch (op) {
	case IOD_AMDVI_INVALIDATE_IOMMU_PAGES:
	case IOD_AMDVI_INVALIDATE_IOTLB_PAGES:
	case IOD_AMDVI_PREFETCH_IOMMU_PAGES:
		return true;
	case IOD_AMDVI_INVALIDATE_DEVTAB_ENTRY:
	case IOD_AMDVI_INVALIDATE_IOMMU_ALL:
		return v->cfg.devtab;
	case IOD_AMDVI_INVALIDATE_INTERRUPT_TABLE:
		return v->cfg.interrupts;
	case IOD_AMDVI_COMPLETE_PPR_REQUEST:
		return v->cfg.flags & IOD_AMDVI_VIOMMU_ALLOW_PPR;
	case IOD_AMDVI_COMPLETION_WAIT:
		return v->cfg.flags & IOD_AMDVI_VIOMMU_ACCEPT_WAIT;
	default:
		return false;
	}
}

bool iod_amdvi_viommu_takes(const struct iod_amdvi_viommu *v, enum iod_amdvi_op op)
{
	return v && allowed(v, op) && iod_amdvi_op_permitted(&v->cfg.guest, op);
}

static enum amdvi_kind kind_of(enum iod_amdvi_op op)
{
	if (op == IOD_AMDVI_INVALIDATE_IOMMU_PAGES)
		return KIND_PAGES;
	return op == IOD_AMDVI_INVALIDATE_IOTLB_PAGES ? KIND_IOTLB : KIND_OTHER;
}

/* Of a kind that caches are emptied by. @w: as of to_device() */
static int common(struct amdvi_batch *b, const struct iod_amdvi_raw_cmd *raw, const uint64_t w[2],
		  enum amdvi_kind kind)
{
	guest_set_kind(&b->g, kind);
	if (b->v->joins && guest_is_known(&b->g, raw->word))
		return nothing(b);
	return kind == KIND_PAGES ? pages(b, w) : to_device(b, w);
}

/* Those that come now and then. @w: as of to_device() */
static int uncommon(struct amdvi_batch *b, const uint64_t w[2], const struct iod_amdvi_cmd *cmd)
{
	guest_set_kind(&b->g, KIND_OTHER);
	switch (cmd->op) {
	case IOD_AMDVI_COMPLETE_PPR_REQUEST:
		return to_device(b, w);
	case IOD_AMDVI_PREFETCH_IOMMU_PAGES: /* a hint, unless it invalidates */
		return cmd->inval ? refuse(b, cmd, IOD_CMD_BAD_POLICY, -EOPNOTSUPP) : nothing(b);
	case IOD_AMDVI_INVALIDATE_DEVTAB_ENTRY:
		return devtab(b, cmd, cmd->devid, cmd->devid);
	case IOD_AMDVI_INVALIDATE_INTERRUPT_TABLE:
		return interrupts(b, cmd);
	case IOD_AMDVI_COMPLETION_WAIT:
		return wait_in_batch(b, cmd);
	default:
		return iommu_all(b, cmd);
	}
}

/* Every command can go this way. */
static int decoded(struct amdvi_batch *b, const struct iod_amdvi_raw_cmd *raw)
{
	enum iod_cmd_reason reason;
	struct iod_amdvi_raw_cmd clean;
	struct iod_amdvi_cmd cmd;
	uint64_t w[2];
	int ret = iod_amdvi_cmd_decode(&cmd, raw, &b->v->cfg.guest, &reason);

	b->g.now = (uint32_t)cmd.op;
	if (ret)
		return refuse(b, &cmd, reason, ret);
	if (!allowed(b->v, cmd.op))
		return refuse(b, &cmd, IOD_CMD_BAD_POLICY, -EOPNOTSUPP);
	/* Words again, without what is ignored: the host might not ignore it. It has all that the guest is shown. */
	ret = iod_amdvi_cmd_encode(&clean, &cmd, &b->v->cfg.guest, &reason);
	if (ret)
		return refuse(b, &cmd, reason, ret);
	w[0] = iod_le64(clean.word[0]);
	w[1] = iod_le64(clean.word[1]);
	return kind_of(cmd.op) == KIND_OTHER ? uncommon(b, w, &cmd)
					     : common(b, raw, w, kind_of(cmd.op));
}

static int one(struct amdvi_batch *b, const struct iod_amdvi_raw_cmd *raw)
{
	const uint64_t w[2] = { iod_le64(raw->word[0]), iod_le64(raw->word[1]) };
	unsigned int op = (unsigned int)(w[0] >> CMD0_OP_SHIFT);

	if (op >= NR_PLAIN || !guest_is_plain(&b->v->plain[op][!!(w[1] & CMD1_GN)], w))
		return decoded(b, raw);
	b->g.now = op;
	return common(b, raw, w, kind_of((enum iod_amdvi_op)op));
}

/* And ignores nothing of it. */
static bool takes(const void *id, const uint64_t w[2])
{
	const struct iod_amdvi_raw_cmd raw = { { iod_le64(w[0]), iod_le64(w[1]) } };
	struct iod_amdvi_raw_cmd back;
	struct iod_amdvi_cmd cmd;

	return kind_of((enum iod_amdvi_op)(w[0] >> CMD0_OP_SHIFT)) != KIND_OTHER &&
	       !iod_amdvi_cmd_decode(&cmd, &raw, id, NULL) &&
	       !iod_amdvi_cmd_encode(&back, &cmd, id, NULL) &&
	       !((raw.word[0] ^ back.word[0]) | (raw.word[1] ^ back.word[1]));
}

void iod_amdvi_probe(struct iod_amdvi_viommu *v)
{
	unsigned int op, gn;

	for (op = 0; op < NR_PLAIN; op++) {
		for (gn = 0; gn < 2; gn++) {
			const struct guest_probe probe = {
				.base = { (uint64_t)op << CMD0_OP_SHIFT, gn ? CMD1_GN : 0 },
				.among = { ~CMD0_OP, ~CMD1_GN },
				.ok = takes,
				.id = &v->cfg.guest,
			};

			iod_guest_probe(&v->plain[op][gn], &probe);
		}
	}
}

/* Each word once: the guest may write there meanwhile. */
static struct iod_amdvi_raw_cmd read_once(const struct iod_amdvi_raw_cmd *cmd)
{
	struct iod_amdvi_raw_cmd raw;

	raw.word[0] = *(const volatile uint64_t *)&cmd->word[0];
	raw.word[1] = *(const volatile uint64_t *)&cmd->word[1];
	return raw;
}

int iod_amdvi_feed(struct amdvi_batch *b, const struct iod_amdvi_raw_cmd *cmds, size_t nr)
{
	size_t i;
	int ret;

	for (i = 0; i < nr; i++) {
		const struct iod_amdvi_raw_cmd raw = read_once(&cmds[i]);

		if (b->g.nr > GUEST_ISSUE - GUEST_MARGIN) {
			ret = iod_guest_make_room(&b->g);
			if (ret)
				return ret;
		}
		ret = one(b, &raw);
		if (ret)
			return ret;
		b->g.seen++;
		if (b->g.flags & GUEST_SYNC_EACH) {
			ret = iod_guest_flush(&b->g, true);
			if (ret)
				return ret;
		}
	}
	return 0;
}

int iod_amdvi_viommu_invalidate(struct iod_amdvi_viommu *v, const struct iod_amdvi_raw_cmd *cmds,
				size_t nr, struct iod_guest_result *res)
{
	struct iod_guest_result result;
	struct amdvi_batch b;
	int ret;

	memset(&result, 0, sizeof(result));
	ret = res ? iod_guest_result_out(res, &result) : 0;
	if (ret)
		return ret;
	if (!v || (nr && !cmds) || nr > IOD_AMDVI_VIOMMU_MAX_BATCH)
		return -EINVAL;
	iod_amdvi_batch_begin(&b, v, v->cfg.flags);
	ret = iod_guest_end(&b.g, iod_amdvi_feed(&b, cmds, nr), &result);
	if (res)
		(void)iod_guest_result_out(res, &result);
	return ret;
}
