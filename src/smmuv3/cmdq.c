/* SPDX-License-Identifier: MIT */
/*
 * A driver's command queue (src/cmdq.c) at an SMMUv3's registers: a SYNC is complete when CONS has passed it; an error
 * is in CMDQ_CONS.ERR while GERROR and GERRORN differ (Arm IHI 0070, 7.1).
 */
#include <iodirty/smmuv3_queue.h>

#include <errno.h>

#include "cmdq.h"
#include "smmuv3/queue.h"

struct iod_smmuv3_cmdq {
	struct cmdq q; /* first */
	struct iod_smmuv3_cmdq_cfg cfg;
};

static const uint8_t errors[CMDQ_NR_ERRORS] = {
	[CMDQ_OK] = IOD_SMMUV3_CERROR_NONE,
	[CMDQ_REFUSED] = IOD_SMMUV3_CERROR_ILL,
	[CMDQ_UNANSWERED] = IOD_SMMUV3_CERROR_ATC_INV_SYNC,
	[CMDQ_LOST] = IOD_SMMUV3_CERROR_ABT,
};

static unsigned stop_of(uint32_t cons)
{
	switch ((cons & IOD_SMMUV3_CMDQ_ERR) >> IOD_SMMUV3_CMDQ_ERR_SHIFT) {
	case IOD_SMMUV3_CERROR_ILL:
		return CMDQ_STOP_REFUSED;
	case IOD_SMMUV3_CERROR_ATC_INV_SYNC: /* the SYNC is tried again */
		return CMDQ_STOP_UNANSWERED;
	default:
		return CMDQ_STOP_UNREADABLE;
	}
}

/* GERROR is read first: what CONS says when there is an error stays until that is acknowledged. */
static void observe(const struct cmdq *q, struct cmdq_view *view)
{
	const struct iod_smmuv3_cmdq_cfg *cfg = &((const struct iod_smmuv3_cmdq *)q)->cfg;
	bool error = (ring_observe32(cfg->gerror) ^ ring_observe32(cfg->gerrorn)) &
		     IOD_SMMUV3_GERROR_CMDQ;
	uint32_t cons = ring_observe32(cfg->cons);

	view->moved = queue_distance(&q->cfg.ring, cons, (uint32_t)q->tail);
	view->stop = error ? stop_of(cons) : 0;
}

static void sync_word(const struct cmdq *q, uint64_t pos, uint64_t word[CMDQ_SYNC_WORDS])
{
	word[0] = iod_le64(IOD_SMMUV3_SYNC);
}

static void publish(const struct cmdq *q)
{
	const struct iod_smmuv3_cmdq_cfg *cfg = &((const struct iod_smmuv3_cmdq *)q)->cfg;

	ring_publish32(cfg->prod, (uint32_t)q->head & queue_mask(&q->cfg.ring));
}

static void resume(const struct cmdq *q, unsigned stop)
{
	ring_toggle32(((const struct iod_smmuv3_cmdq *)q)->cfg.gerrorn, IOD_SMMUV3_GERROR_CMDQ);
}

static const struct cmdq_ops ops = {
	.raw_size = sizeof(struct iod_smmuv3_raw_cmd),
	.observe = observe,
	.sync = sync_word,
	.publish = publish,
	.resume = resume,
};

static int check_cfg(struct ring *ring, const struct iod_smmuv3_cmdq_cfg *cfg)
{
	int ret;

	if (!cfg->prod || !cfg->cons || !cfg->gerror || !cfg->gerrorn)
		return -EINVAL;
	ret = iod_smmuv3_ring_init(ring, IOD_SMMUV3_CMDQ, cfg->mem, cfg->base);
	if (ret)
		return ret;
	if (queue_distance(ring, ring_observe32(cfg->prod), ring_observe32(cfg->cons)))
		return -EINVAL;
	return ring_in_memory(ring, true) ? 0 : -EFAULT;
}

int iod_smmuv3_cmdq_create(struct iod_smmuv3_cmdq **out, const struct iod_smmuv3_cmdq_cfg *user)
{
	struct iod_smmuv3_cmdq_cfg cfg;
	struct cmdq_cfg common = { .ops = &ops };
	void *q;
	int ret;

	if (!out)
		return -EINVAL;
	ret = iod_struct_in(&cfg, sizeof(cfg), user, sizeof(cfg));
	if (!ret)
		ret = check_cfg(&common.ring, &cfg);
	if (ret)
		return ret;
	common.mem = cfg.mem;
	common.start = ring_observe32(cfg.cons) & queue_mask(&common.ring);
	common.doorbell = cfg.doorbell;
	common.wait = cfg.wait;
	common.cookie = cfg.cookie;
	ret = iod_cmdq_create(&q, sizeof(**out), cfg.allocator, &common);
	if (ret)
		return ret;
	*out = q;
	(*out)->cfg = cfg;
	return 0;
}

int iod_smmuv3_cmdq_destroy(struct iod_smmuv3_cmdq *q)
{
	if (!q)
		return -EINVAL;
	iod_cmdq_destroy(&q->q);
	return 0;
}

int iod_smmuv3_cmdq_submit(struct iod_smmuv3_cmdq *q, const struct iod_smmuv3_raw_cmd *cmds,
			   size_t nr, bool sync, struct iod_smmuv3_submitted *result)
{
	_Static_assert(sizeof(*result) == sizeof(struct cmdq_submitted), "one shape");

	return q ? iod_cmdq_submit_user(&q->q, cmds, nr, sync, result, errors) : -EINVAL;
}

static int sink_issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		      size_t *issued)
{
	return iod_cmdq_issue(cookie, cmds, nr, sync, issued);
}

int iod_smmuv3_cmdq_sink(struct iod_smmuv3_cmdq *q, struct iod_smmuv3_sink *sink)
{
	struct iod_smmuv3_sink filled = { sizeof(filled), sink_issue, q };

	return q ? iod_struct_out(sink, &filled, sizeof(filled), sizeof(filled)) : -EINVAL;
}

int iod_smmuv3_cmdq_get_stats(struct iod_smmuv3_cmdq *q, struct iod_smmuv3_cmdq_stats *stats)
{
	_Static_assert(sizeof(*stats) == sizeof(struct cmdq_stats), "one shape");

	return q ? iod_cmdq_get_stats(&q->q, stats) : -EINVAL;
}
