/* SPDX-License-Identifier: MIT */
/* A driver's command queue: making one, and what vendors give to their users in the same shape. */
#include "cmdq.h"

#include <errno.h>

int iod_cmdq_submit_user(struct cmdq *q, const void *cmds, size_t nr, bool sync, void *user,
			 const uint8_t map[CMDQ_NR_ERRORS])
{
	struct cmdq_submitted out = { .size = sizeof(out) };
	struct cmdq_result result;
	int ret;

	if (user) {
		ret = iod_struct_out(user, &out, sizeof(out), sizeof(out));
		if (ret)
			return ret;
	}
	ret = iod_cmdq_submit(q, cmds, nr, sync, &result);
	out.issued = result.issued;
	out.error = map[result.error];
	if (user)
		(void)iod_struct_out(user, &out, sizeof(out), sizeof(out));
	return ret;
}

int iod_cmdq_issue(struct cmdq *q, const void *cmds, size_t nr, bool sync, size_t *issued)
{
	struct cmdq_result result;
	int ret = iod_cmdq_submit(q, cmds, nr, sync, &result);

	if (issued)
		*issued = result.issued;
	/* For those that pass it on as an IOMMU would. */
	if (ret == -EIO && (result.error == CMDQ_UNANSWERED || result.error == CMDQ_MISANSWERED))
		return -ETIMEDOUT;
	/* wait gave up: nobody knows what became of the commands. */
	return ret == -ETIMEDOUT ? -ETIME : ret;
}

int iod_cmdq_get_stats(struct cmdq *q, void *stats)
{
	struct cmdq_stats now;

	pthread_mutex_lock(&q->lock);
	now = q->stats;
	pthread_mutex_unlock(&q->lock);
	return iod_struct_out(stats, &now, sizeof(now), sizeof(now));
}

/* ---- creating ---- */

int iod_cmdq_create(void **out, size_t len, const struct iod_allocator *user,
		    const struct cmdq_cfg *cfg)
{
	struct iod_allocator allocator;
	size_t slots = ring_nr(&cfg->ring) * sizeof(struct cmdq_slot);
	struct cmdq *q;
	int ret = iod_allocator_init(&allocator, user);

	if (ret)
		return ret;
	q = iod_zalloc(&allocator, len);
	if (!q)
		return -ENOMEM;
	q->slots = iod_zalloc(&allocator, slots);
	if (!q->slots || pthread_mutex_init(&q->lock, NULL)) {
		iod_zfree(&allocator, q->slots, slots);
		iod_zfree(&allocator, q, len);
		return -ENOMEM;
	}
	q->cfg = *cfg;
	q->allocator = allocator;
	q->len = len;
	/* Not from 0 on: there is always a position before. */
	q->head = 2 * (uint64_t)ring_nr(&cfg->ring) + cfg->start;
	q->tail = q->done = q->head;
	q->stats.size = sizeof(q->stats);
	iod_mem_get(cfg->mem);
	*out = q;
	return 0;
}

void iod_cmdq_destroy(struct cmdq *q)
{
	struct iod_allocator allocator = q->allocator;

	iod_mem_put(q->cfg.mem);
	pthread_mutex_destroy(&q->lock);
	iod_zfree(&allocator, q->slots, ring_nr(&q->cfg.ring) * sizeof(*q->slots));
	iod_zfree(&allocator, q, q->len);
}
