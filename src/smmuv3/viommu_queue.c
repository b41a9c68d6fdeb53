/* SPDX-License-Identifier: MIT */
/* A guest's own queues: its commands on their way to the host, the host's events on their way to it. */
#include "smmuv3/viommu.h"

#include <errno.h>

#include "atomic.h"
#include "pgtable/mem.h"

struct turn {
	struct iod_smmuv3_viommu *v;
	enum iod_cmd_reason reason;
	bool open; /* commands without a SYNC behind them */
};

/* Consumed is not complete: a SYNC follows, for all. */
static int turn_commands(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr,
			 size_t *handled)
{
	struct turn *turn = cookie;
	struct iod_smmuv3_viommu *v = turn->v;
	struct iod_guest_result res;
	struct batch b;
	int ret;

	iod_viommu_batch_begin(&b, v, v->cfg.flags | IOD_SMMUV3_VIOMMU_NO_SYNC);
	ret = iod_guest_end(&b.g, iod_viommu_feed(&b, cmds, nr), &res);
	*handled = res.handled;
	turn->reason = res.reason;
	turn->open = true;
	return iod_guest_consumer_error(ret, res.reason == IOD_CMD_BAD_ISSUE);
}

static int turn_sync(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	struct turn *turn = cookie;
	struct iod_smmuv3_viommu *v = turn->v;
	int ret = iod_guest_queue_sync(&v->core);

	turn->open = false;
	if (ret) {
		turn->reason = IOD_CMD_BAD_ISSUE;
		return ret == -ETIMEDOUT ? ret : iod_guest_consumer_error(ret, true);
	}
	if (v->cfg.synced)
		(void)v->cfg.synced(v->cfg.cookie, sync);
	return 0;
}

int iod_smmuv3_viommu_consume(struct iod_smmuv3_viommu *v, struct iod_smmuv3_consume *consume)
{
	static const struct iod_smmuv3_consumer_ops ops = {
		.size = sizeof(ops),
		.commands = turn_commands,
		.sync = turn_sync,
	};
	struct turn turn = { .v = v };
	struct iod_smmuv3_consume c;
	int ret;

	if (!v)
		return -EINVAL;
	ret = iod_struct_in(&c, sizeof(c), consume, sizeof(c));
	if (ret)
		return ret;
	c.id = &v->cfg.guest;
	c.ops = &ops;
	c.cookie = &turn;
	ret = iod_smmuv3_cmdq_consume(&c);
	if (turn.open)
		iod_guest_queue_pause(&v->core);
	consume->consumed = c.consumed;
	consume->cerror = c.cerror;
	consume->reason = c.reason ? c.reason : turn.reason;
	return ret;
}

/* The guest's StreamID of a host's. @return 0, -ENOENT */
static int vsid_of(struct iod_smmuv3_viommu *v, uint32_t *sid)
{
	struct iod_smmuv3_vdev dev = { .size = sizeof(dev) };
	int ret = iod_smmuv3_viommu_lookup_sid(v, *sid, &dev);

	if (!ret)
		*sid = dev.vsid;
	return ret;
}

/* What the guest's own tables and structures cause; the rest is between us and the host. */
static bool concerns_guest(const struct iod_smmuv3_event *event)
{
	switch (event->type) {
	case IOD_SMMUV3_C_BAD_STE:
	case IOD_SMMUV3_F_STREAM_DISABLED:
	case IOD_SMMUV3_C_BAD_SUBSTREAMID:
	case IOD_SMMUV3_C_BAD_CD:
		return true;
	case IOD_SMMUV3_F_TRANSLATION:
	case IOD_SMMUV3_F_ADDR_SIZE:
	case IOD_SMMUV3_F_ACCESS:
	case IOD_SMMUV3_F_PERMISSION:
		return !event->s2;
	default:
		return false;
	}
}

int iod_smmuv3_viommu_event(struct iod_smmuv3_viommu *v, const struct iod_smmuv3_raw_event *host,
			    struct iod_smmuv3_raw_event *guest)
{
	struct iod_smmuv3_event event;
	int ret;

	if (!v || !host || !guest)
		return -EINVAL;
	ret = iod_smmuv3_event_decode(&event, host, NULL);
	if (ret)
		return ret;
	if (!concerns_guest(&event) ||
	    (event.stall && !(v->cfg.flags & IOD_SMMUV3_VIOMMU_ALLOW_RESUME)))
		return -EOPNOTSUPP;
	ret = vsid_of(v, &event.sid);
	return ret ? ret : iod_smmuv3_event_encode(guest, &event);
}

int iod_smmuv3_viommu_pri(struct iod_smmuv3_viommu *v, const struct iod_smmuv3_raw_pri *host,
			  struct iod_smmuv3_raw_pri *guest)
{
	struct iod_smmuv3_pri pri;
	int ret;

	if (!v || !host || !guest)
		return -EINVAL;
	if (!(v->cfg.flags & IOD_SMMUV3_VIOMMU_ALLOW_PRI))
		return -EOPNOTSUPP;
	ret = iod_smmuv3_pri_decode(&pri, host, NULL);
	if (!ret)
		ret = vsid_of(v, &pri.sid);
	return ret ? ret : iod_smmuv3_pri_encode(guest, &pri);
}
