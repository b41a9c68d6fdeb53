/* SPDX-License-Identifier: MIT */
/*
 * A driver's invalidation queue (src/cmdq.c) at a VT-d's registers (Intel D51397, 6.5.2).
 *
 * A sync is a wait descriptor with SW and FN that writes the low 32 bits of the position behind it. With FN later
 * descriptors wait for it, so status writes come in order and one word is enough.
 *
 * IQE: the head stays at a descriptor that hardware does not want; it becomes a sync. ITE: hardware has dropped the waits
 * that it had fetched and not completed, and fetches nothing until ITE is cleared: they are put in again, and every
 * call with descriptors that are not known to be complete is told. ICE tells as much; waits that hardware has are not
 * dropped, as far as is known: one that is nevertheless never completes, which is safe.
 */
#include <iodirty/vtd_desc.h>
#include <iodirty/vtd_queue.h>

#include <errno.h>

#include "cmdq.h"
#include "vtd/queue.h"

struct iod_vtd_iq {
	struct cmdq q; /* first */
	struct iod_vtd_iq_cfg cfg;
};

static const uint8_t errors[CMDQ_NR_ERRORS] = {
	[CMDQ_OK] = IOD_VTD_IQ_NONE,	    [CMDQ_REFUSED] = IOD_VTD_IQ_IQE,
	[CMDQ_UNANSWERED] = IOD_VTD_IQ_ITE, [CMDQ_MISANSWERED] = IOD_VTD_IQ_ICE,
	[CMDQ_LOST] = IOD_VTD_IQ_LOST,
};

static const struct iod_vtd_iq_cfg *cfg_of(const struct cmdq *q)
{
	return &((const struct iod_vtd_iq *)q)->cfg;
}

static void observe(const struct cmdq *q, struct cmdq_view *view)
{
	uint32_t fsts = ring_observe32(cfg_of(q)->fsts);

	view->stop = (fsts & IOD_VTD_FSTS_IQE ? CMDQ_STOP_REFUSED : 0) |
		     (fsts & IOD_VTD_FSTS_ITE ? CMDQ_STOP_UNANSWERED : 0) |
		     (fsts & IOD_VTD_FSTS_ICE ? CMDQ_STOP_MISANSWERED : 0);
	view->moved = offring_moved(&q->cfg.ring, ring_observe64(cfg_of(q)->head), q->tail);
}

static uint32_t *status_word(const struct cmdq *q, bool write)
{
	return ring_word32(q->cfg.mem, cfg_of(q)->status, write);
}

static unsigned written(const struct cmdq *q, uint64_t *word)
{
	const uint32_t *at = status_word(q, false);

	if (!at)
		return 0;
	*word = iod_le32(ring_observe32(at));
	return 32;
}

static void sync_words(const struct cmdq *q, uint64_t pos, uint64_t word[CMDQ_SYNC_WORDS])
{
	word[0] = iod_le64(IOD_VTD_WAIT | WAIT0_SW | WAIT0_FN |
			   (uint64_t)(uint32_t)(pos + 1) << WAIT0_DATA_SHIFT);
	word[1] = iod_le64(cfg_of(q)->status);
}

static void publish(const struct cmdq *q)
{
	ring_publish64(cfg_of(q)->tail, offring_reg(&q->cfg.ring, q->head));
}

static void resume(const struct cmdq *q, unsigned stop)
{
	uint32_t bits = (stop & (CMDQ_STOP_REFUSED | CMDQ_STOP_UNREADABLE) ? IOD_VTD_FSTS_IQE : 0) |
			(stop & CMDQ_STOP_UNANSWERED ? IOD_VTD_FSTS_ITE : 0) |
			(stop & CMDQ_STOP_MISANSWERED ? IOD_VTD_FSTS_ICE : 0);

	if (cfg_of(q)->clear)
		cfg_of(q)->clear(q->cfg.cookie, bits);
	else
		__atomic_fetch_and(cfg_of(q)->fsts, ~bits, __ATOMIC_ACQ_REL);
}

static const struct cmdq_ops ops = {
	.raw_size = sizeof(struct iod_vtd_raw_desc),
	.spare = 1,
	.aborts = true,
	.observe = observe,
	.written = written,
	.sync = sync_words,
	.publish = publish,
	.resume = resume,
};

static int check_cfg(struct ring *ring, const struct iod_vtd_iq_cfg *cfg)
{
	int ret;

	if (!cfg->head || !cfg->tail || !cfg->fsts || !is_aligned(cfg->status, 2))
		return -EINVAL;
	ret = iod_vtd_ring_init(ring, IOD_VTD_IQ, cfg->mem, cfg->base);
	if (ret)
		return ret;
	if (offring_index(ring, ring_observe64(cfg->head)) !=
	    offring_index(ring, ring_observe64(cfg->tail)))
		return -EINVAL;
	if (!ring_in_memory(ring, true) || !ring_word32(cfg->mem, cfg->status, true))
		return -EFAULT;
	return 0;
}

int iod_vtd_iq_create(struct iod_vtd_iq **out, const struct iod_vtd_iq_cfg *user)
{
	struct iod_vtd_iq_cfg cfg;
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
	common.cookie = cfg.cookie;
	ret = iod_cmdq_create(&q, sizeof(**out), cfg.allocator, &common);
	if (ret)
		return ret;
	*out = q;
	(*out)->cfg = cfg;
	ring_publish32(status_word(q, true), iod_le32((uint32_t)(*out)->q.done));
	return 0;
}

int iod_vtd_iq_destroy(struct iod_vtd_iq *q)
{
	if (!q)
		return -EINVAL;
	iod_cmdq_destroy(&q->q);
	return 0;
}

/* Upper words that have no place in the ring. */
static bool fits(const struct iod_vtd_iq *q, const struct iod_vtd_raw_desc *descs, size_t nr)
{
	size_t i;

	if (q->q.cfg.ring.entry_lg2 == 5 || !descs)
		return true;
	for (i = 0; i < nr; i++)
		if (descs[i].word[2] | descs[i].word[3])
			return false;
	return true;
}

int iod_vtd_iq_submit(struct iod_vtd_iq *q, const struct iod_vtd_raw_desc *descs, size_t nr,
		      bool sync, struct iod_vtd_submitted *result)
{
	_Static_assert(sizeof(*result) == sizeof(struct cmdq_submitted), "one shape");

	if (!q || !fits(q, descs, nr))
		return -EINVAL;
	return iod_cmdq_submit_user(&q->q, descs, nr, sync, result, errors);
}

static int sink_issue(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, bool sync,
		      size_t *issued)
{
	if (issued)
		*issued = 0;
	return fits(cookie, descs, nr) ? iod_cmdq_issue(cookie, descs, nr, sync, issued) : -EINVAL;
}

int iod_vtd_iq_sink(struct iod_vtd_iq *q, struct iod_vtd_sink *sink)
{
	struct iod_vtd_sink filled = { sizeof(filled), sink_issue, q };

	return q ? iod_struct_out(sink, &filled, sizeof(filled), sizeof(filled)) : -EINVAL;
}

int iod_vtd_iq_get_stats(struct iod_vtd_iq *q, struct iod_vtd_iq_stats *stats)
{
	_Static_assert(sizeof(*stats) == sizeof(struct cmdq_stats), "one shape");

	return q ? iod_cmdq_get_stats(&q->q, stats) : -EINVAL;
}
