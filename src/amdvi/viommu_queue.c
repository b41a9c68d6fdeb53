/* SPDX-License-Identifier: MIT */
/* A guest's own rings: its commands on their way to the host, the host's events and page requests on theirs to it. */
#include "amdvi/viommu.h"

#include <errno.h>

#include "pgtable/mem.h"

struct turn {
	struct iod_amdvi_viommu *v;
	enum iod_cmd_reason reason;
	bool open; /* commands without a COMPLETION_WAIT behind them */
};

/* Consumed is not complete: a COMPLETION_WAIT follows, for all. */
static int turn_commands(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr,
			 size_t *handled)
{
	struct turn *turn = cookie;
	struct iod_guest_result res;
	struct amdvi_batch b;
	int ret;

	iod_amdvi_batch_begin(&b, turn->v, turn->v->cfg.flags | GUEST_NO_SYNC);
	ret = iod_guest_end(&b.g, iod_amdvi_feed(&b, cmds, nr), &res);
	*handled = res.handled;
	turn->reason = res.reason;
	turn->open = true;
	return iod_guest_consumer_error(ret, res.reason == IOD_CMD_BAD_ISSUE);
}

static int turn_wait(void *cookie, const struct iod_amdvi_cmd *wait)
{
	struct turn *turn = cookie;
	const struct iod_amdvi_viommu_cfg *cfg = &turn->v->cfg;
	int ret = iod_guest_queue_sync(&turn->v->core);

	turn->open = false;
	/* An event, behind which hardware goes on. */
	if (ret == -ETIMEDOUT) {
		if (cfg->timeout)
			cfg->timeout(cfg->cookie);
		return 0;
	}
	if (ret)
		turn->reason = IOD_CMD_BAD_ISSUE;
	return iod_guest_consumer_error(ret, true);
}

static void turn_waited(void *cookie, const struct iod_amdvi_cmd *wait)
{
	struct turn *turn = cookie;
	const struct iod_amdvi_viommu_cfg *cfg = &turn->v->cfg;

	if (cfg->waited)
		cfg->waited(cfg->cookie, wait);
}

int iod_amdvi_viommu_consume(struct iod_amdvi_viommu *v, struct iod_amdvi_consume *consume)
{
	static const struct iod_amdvi_consumer_ops ops = {
		.size = sizeof(ops),
		.commands = turn_commands,
		.sync = turn_wait,
		.written = turn_waited,
	};
	struct turn turn = { .v = v };
	struct iod_amdvi_consume c;
	int ret;

	if (!v)
		return -EINVAL;
	ret = iod_struct_in(&c, sizeof(c), consume, sizeof(c));
	if (ret)
		return ret;
	c.id = &v->cfg.guest;
	c.ops = &ops;
	c.cookie = &turn;
	ret = iod_amdvi_cmdq_consume(&c);
	if (turn.open)
		iod_guest_queue_pause(&v->core);
	consume->consumed = c.consumed;
	consume->error = c.error;
	consume->address = c.address;
	consume->reason = c.reason ? c.reason : turn.reason;
	return ret;
}

/* ---- to the guest ---- */

static int guest_devid(struct iod_amdvi_viommu *v, uint16_t *devid)
{
	struct iod_amdvi_vdev dev = { .size = sizeof(dev) };
	int ret = iod_amdvi_viommu_lookup_devid(v, *devid, &dev);

	if (!ret)
		*devid = dev.vdevid;
	return ret;
}

/* What the guest's own tables and structures cause; the rest is between us and the host. */
static bool concerns_guest(const struct iod_amdvi_viommu *v, const struct iod_amdvi_event *event)
{
	switch (event->type) {
	case IOD_AMDVI_IO_PAGE_FAULT:
		return event->gn && !event->irq;
	case IOD_AMDVI_INVALID_DEVICE_REQUEST:
		return true;
	case IOD_AMDVI_INVALID_PPR_REQUEST:
		return v->cfg.flags & IOD_AMDVI_VIOMMU_ALLOW_PPR;
	default:
		return false;
	}
}

/* Whether it has a DomainID of the host's. 0 is one where the guest may have it; else it is none. */
static bool names_domain(const struct iod_amdvi_viommu *v, const struct iod_amdvi_event *event)
{
	return event->domain || (event->type == IOD_AMDVI_INVALID_DEVICE_REQUEST && !event->gn &&
				 !v->cfg.first_domain);
}

int iod_amdvi_viommu_event(struct iod_amdvi_viommu *v, const struct iod_amdvi_raw_event *host,
			   struct iod_amdvi_raw_event *guest)
{
	struct iod_amdvi_event event;
	int ret;

	if (!v || !host || !guest)
		return -EINVAL;
	ret = iod_amdvi_event_decode(&event, host, NULL);
	if (ret)
		return ret;
	if (!concerns_guest(v, &event))
		return -EOPNOTSUPP;
	event.virt = 0;
	ret = guest_devid(v, &event.devid);
	if (!ret && names_domain(v, &event))
		ret = iod_amdvi_viommu_find_vdomain(v, event.domain, &event.domain);
	return ret ? ret : iod_amdvi_event_encode(guest, &event);
}

int iod_amdvi_viommu_ppr(struct iod_amdvi_viommu *v, const struct iod_amdvi_raw_ppr *host,
			 struct iod_amdvi_raw_ppr *guest)
{
	struct iod_amdvi_ppr ppr;
	int ret;

	if (!v || !host || !guest)
		return -EINVAL;
	if (!(v->cfg.flags & IOD_AMDVI_VIOMMU_ALLOW_PPR))
		return -EOPNOTSUPP;
	ret = iod_amdvi_ppr_decode(&ppr, host, NULL);
	if (!ret)
		ret = guest_devid(v, &ppr.devid);
	return ret ? ret : iod_amdvi_ppr_encode(guest, &ppr);
}
