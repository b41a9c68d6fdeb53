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
static int pages(struct amdvi_batch *b, struct iod_amdvi_cmd *cmd)
{
	const struct iod_vdev *domain = iod_vdevs_find(&b->v->core.table[DOMAINS], cmd->domain);

	if (b->g.all || !domain) /* no device uses it: nothing is cached */
		return nothing(b);
	cmd->domain = (uint16_t)domain->id;
	return iod_amdvi_pages(b, cmd);
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
	struct iod_amdvi_cmd cmd = { .op = IOD_AMDVI_INVALIDATE_IOMMU_PAGES,
				     .domain = (uint16_t)domain->id,
				     .pde = true,
				     .s = true,
				     .addr = IOD_AMDVI_ADDR_ALL };
	int ret = iod_amdvi_emit(each->b, &cmd, g->seen, g->seen, g->now, 0);

	each->nr++;
	cmd.gn = true;
	for (cmd.pasid = 0; cmd.pasid < each->b->v->pasids && !ret; cmd.pasid++, each->nr++)
		ret = iod_amdvi_emit(each->b, &cmd, g->seen, g->seen, g->now, 0);
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
	const struct iod_amdvi_cmd host = { .op = IOD_AMDVI_INVALIDATE_IOMMU_ALL };
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
		ret = iod_amdvi_emit(b, &host, b->g.seen, b->g.seen, b->g.now, 0);
	} else {
		ret = iod_vdevs_each(domains, each_domain, &each);
		b->g.expanded += each.nr;
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

static int to_device(struct amdvi_batch *b, const struct iod_amdvi_cmd *guest)
{
	const struct iod_vdev *dev = iod_vdevs_find(&b->v->core.table[DEVICES], guest->devid);
	struct iod_amdvi_cmd cmd = *guest;
	uint32_t word;

	if (!dev)
		return to_stranger(b, guest);
	word = iod_vdev_word(dev);
	if ((word & VDEV_STATE) != IOD_VDEV_ON) {
		if (cmd.op == IOD_AMDVI_INVALIDATE_IOTLB_PAGES &&
		    (b->g.flags & IOD_AMDVI_VIOMMU_STRICT_IOTLB))
			return refuse(b, guest, IOD_CMD_BAD_STATE, -EOPNOTSUPP);
		return nothing(b);
	}
	cmd.devid = (uint16_t)dev->id;
	if (cmd.op == IOD_AMDVI_INVALIDATE_IOTLB_PAGES) {
		cmd.queueid = (uint16_t)dev->id;
		cmd.maxpend = (uint8_t)((word & VDEV_MAXPEND) >> VDEV_MAXPEND_SHIFT);
	}
	return iod_amdvi_emit_alone(b, &cmd, guest->devid);
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

static int one(struct amdvi_batch *b, const struct iod_amdvi_raw_cmd *raw)
{
	enum iod_cmd_reason reason;
	struct iod_amdvi_cmd cmd;
	enum amdvi_kind kind;
	int ret = iod_amdvi_cmd_decode(&cmd, raw, &b->v->cfg.guest, &reason);

	b->g.now = (uint32_t)cmd.op;
	if (ret)
		return refuse(b, &cmd, reason, ret);
	if (!allowed(b->v, cmd.op))
		return refuse(b, &cmd, IOD_CMD_BAD_POLICY, -EOPNOTSUPP);
	kind = kind_of(cmd.op);
	guest_set_kind(&b->g, kind);
	if (b->v->joins && kind != KIND_OTHER && guest_is_known(&b->g, raw->word))
		return nothing(b);
	switch (cmd.op) {
	case IOD_AMDVI_INVALIDATE_IOMMU_PAGES:
		return pages(b, &cmd);
	case IOD_AMDVI_INVALIDATE_IOTLB_PAGES:
	case IOD_AMDVI_COMPLETE_PPR_REQUEST:
		return to_device(b, &cmd);
	case IOD_AMDVI_PREFETCH_IOMMU_PAGES: /* a hint, unless it invalidates */
		return cmd.inval ? refuse(b, &cmd, IOD_CMD_BAD_POLICY, -EOPNOTSUPP) : nothing(b);
	case IOD_AMDVI_INVALIDATE_DEVTAB_ENTRY:
		return devtab(b, &cmd, cmd.devid, cmd.devid);
	case IOD_AMDVI_INVALIDATE_INTERRUPT_TABLE:
		return interrupts(b, &cmd);
	case IOD_AMDVI_COMPLETION_WAIT:
		return wait_in_batch(b, &cmd);
	default:
		return iommu_all(b, &cmd);
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
