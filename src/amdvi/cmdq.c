/* SPDX-License-Identifier: MIT */
/*
 * A driver's command buffer (src/cmdq.c) at an AMD IOMMU's registers (AMD 48882, 2.4).
 *
 * A sync is a COMPLETION_WAIT with f and s that stores the position behind it. Each waits for all before it, other
 * COMPLETION_WAITs too, so stores come in order and one word is enough.
 *
 * When hardware does not want a command it clears CmdRun; why, and which, is in the event log, which is somebody else's.
 * Whether the head stays at the command or is behind it no source confirms: the queue finds out (cmdq_ops.passes). A
 * device that does not answer is an event only: iod_amdvi_cmdq_timeout().
 */
#include <iodirty/amdvi_cmd.h>
#include <iodirty/amdvi_queue.h>

#include <errno.h>

#include "amdvi/queue.h"
#include "cmdq.h"

#define WAIT0_S	      BIT64(0)
#define WAIT0_F	      BIT64(2)
#define WAIT0_ADDR    MASK64(51, 3)
#define CMD0_OP_SHIFT 60

struct iod_amdvi_cmdq {
	struct cmdq q; /* first */
	struct iod_amdvi_cmdq_cfg cfg;
};

static const uint8_t errors[CMDQ_NR_ERRORS] = {
	[CMDQ_OK] = IOD_AMDVI_CMDQ_NONE,
	[CMDQ_REFUSED] = IOD_AMDVI_CMDQ_ILLEGAL,
	[CMDQ_UNANSWERED] = IOD_AMDVI_CMDQ_TIMEOUT,
	[CMDQ_LOST] = IOD_AMDVI_CMDQ_HARDWARE,
};

static const struct iod_amdvi_cmdq_cfg *cfg_of(const struct cmdq *q)
{
	return &((const struct iod_amdvi_cmdq *)q)->cfg;
}

static void observe(const struct cmdq *q, struct cmdq_view *view)
{
	bool run = ring_observe32(cfg_of(q)->status) & IOD_AMDVI_STATUS_CMDBUFRUN;

	view->stop = run ? 0 : CMDQ_STOP_REFUSED;
	view->moved = offring_moved(&q->cfg.ring, ring_observe64(cfg_of(q)->head), q->tail);
}

static uint64_t *stored_word(const struct cmdq *q, bool write)
{
	return iod_mem_ptr(q->cfg.mem, cfg_of(q)->store, sizeof(uint64_t), write);
}

static unsigned written(const struct cmdq *q, uint64_t *word)
{
	const uint64_t *at = stored_word(q, false);

	if (!at)
		return 0;
	*word = iod_le64(ring_observe64(at));
	return 64;
}

static void sync_words(const struct cmdq *q, uint64_t pos, uint64_t word[CMDQ_SYNC_WORDS])
{
	word[0] = iod_le64((uint64_t)IOD_AMDVI_COMPLETION_WAIT << CMD0_OP_SHIFT | cfg_of(q)->store |
			   WAIT0_F | WAIT0_S);
	word[1] = iod_le64(pos + 1);
}

static void publish(const struct cmdq *q)
{
	ring_publish64(cfg_of(q)->tail, offring_reg(&q->cfg.ring, q->head));
}

static void resume(const struct cmdq *q, unsigned stop)
{
	if (cfg_of(q)->restart)
		cfg_of(q)->restart(q->cfg.cookie);
	else
		__atomic_fetch_or(cfg_of(q)->status, IOD_AMDVI_STATUS_CMDBUFRUN, __ATOMIC_ACQ_REL);
}

static const struct cmdq_ops ops = {
	.raw_size = sizeof(struct iod_amdvi_raw_cmd),
	.spare = 1,
	.passes = true,
	.observe = observe,
	.written = written,
	.sync = sync_words,
	.publish = publish,
	.resume = resume,
};

static int check_cfg(struct ring *ring, const struct iod_amdvi_cmdq_cfg *cfg)
{
	int ret;

	if (!cfg->head || !cfg->tail || !cfg->status || (cfg->store & ~WAIT0_ADDR))
		return -EINVAL;
	ret = iod_amdvi_ring_init(ring, IOD_AMDVI_CMDBUF, cfg->mem, cfg->base);
	if (ret)
		return ret;
	if (offring_index(ring, ring_observe64(cfg->head)) !=
	    offring_index(ring, ring_observe64(cfg->tail)))
		return -EINVAL;
	if (!ring_in_memory(ring, true) ||
	    !iod_mem_ptr(cfg->mem, cfg->store, sizeof(uint64_t), true))
		return -EFAULT;
	return 0;
}

int iod_amdvi_cmdq_create(struct iod_amdvi_cmdq **out, const struct iod_amdvi_cmdq_cfg *user)
{
	struct iod_amdvi_cmdq_cfg cfg;
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
	common.start = offring_index(&common.ring, ring_observe64(cfg.head));
	common.doorbell = cfg.doorbell;
	common.wait = cfg.wait;
	common.complete = cfg.events;
	common.cookie = cfg.cookie;
	ret = iod_cmdq_create(&q, sizeof(**out), cfg.allocator, &common);
	if (ret)
		return ret;
	*out = q;
	(*out)->cfg = cfg;
	ring_publish64(stored_word(q, true), iod_le64((*out)->q.done));
	return 0;
}

int iod_amdvi_cmdq_destroy(struct iod_amdvi_cmdq *q)
{
	if (!q)
		return -EINVAL;
	iod_cmdq_destroy(&q->q);
	return 0;
}

int iod_amdvi_cmdq_submit(struct iod_amdvi_cmdq *q, const struct iod_amdvi_raw_cmd *cmds, size_t nr,
			  bool sync, struct iod_amdvi_submitted *result)
{
	_Static_assert(sizeof(*result) == sizeof(struct cmdq_submitted), "one shape");

	return q ? iod_cmdq_submit_user(&q->q, cmds, nr, sync, result, errors) : -EINVAL;
}

int iod_amdvi_cmdq_timeout(struct iod_amdvi_cmdq *q)
{
	if (!q)
		return -EINVAL;
	iod_cmdq_unanswered(&q->q, !q->cfg.events);
	return 0;
}

static int sink_issue(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, bool sync,
		      size_t *issued)
{
	return iod_cmdq_issue(cookie, cmds, nr, sync, issued);
}

int iod_amdvi_cmdq_sink(struct iod_amdvi_cmdq *q, struct iod_amdvi_sink *sink)
{
	struct iod_amdvi_sink filled = { sizeof(filled), sink_issue, q };

	return q ? iod_struct_out(sink, &filled, sizeof(filled), sizeof(filled)) : -EINVAL;
}

int iod_amdvi_cmdq_get_stats(struct iod_amdvi_cmdq *q, struct iod_amdvi_cmdq_stats *stats)
{
	_Static_assert(sizeof(*stats) == sizeof(struct cmdq_stats), "one shape");

	return q ? iod_cmdq_get_stats(&q->q, stats) : -EINVAL;
}
