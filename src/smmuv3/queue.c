/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3 queues as their registers describe them: both sides, and the consumer of commands. Whoever is on the
 * other side may write anything into the registers and the ring at any time.
 */
#include <iodirty/smmuv3_queue.h>

#include <errno.h>

#include "consume.h"
#include "smmuv3/cmd.h"
#include "smmuv3/queue.h"

#define BASE_LOG2SIZE(base) ((unsigned)(base)&0x1f)
#define BASE_ADDR(base)	    (MASK64(55, 5) & (base))

int iod_smmuv3_ring_init(struct ring *ring, enum iod_smmuv3_queue_kind kind,
			 const struct iod_mem *mem, uint64_t base)
{
	if (!mem || BASE_LOG2SIZE(base) > QUEUE_LOG2SIZE_MAX)
		return -EINVAL;
	ring->mem = mem;
	ring->nr_lg2 = BASE_LOG2SIZE(base);
	switch (kind) {
	case IOD_SMMUV3_CMDQ:
	case IOD_SMMUV3_PRIQ:
		ring->entry_lg2 = 4;
		break;
	case IOD_SMMUV3_EVTQ:
		ring->entry_lg2 = 5;
		break;
	default:
		return -EINVAL;
	}
	/* Bits below the ring's size are not looked at (6.3.25). */
	ring->pa = align_down(BASE_ADDR(base), ring->nr_lg2 + ring->entry_lg2);
	return 0;
}

static int queue_open(struct ring *ring, const struct iod_smmuv3_queue *user,
		      struct iod_smmuv3_queue *queue)
{
	int ret = iod_struct_in(queue, sizeof(*queue), user, sizeof(*queue));

	if (ret)
		return ret;
	if (!queue->prod || !queue->cons || queue->reserved)
		return -EINVAL;
	return iod_smmuv3_ring_init(ring, queue->kind, queue->mem, queue->base);
}

int iod_smmuv3_queue_check(const struct iod_smmuv3_queue *user)
{
	struct iod_smmuv3_queue queue;
	struct ring ring;
	int ret = queue_open(&ring, user, &queue);

	if (ret)
		return ret;
	/* An SMMU never writes commands. */
	return ring_in_memory(&ring, queue.kind != IOD_SMMUV3_CMDQ) ? 0 : -EFAULT;
}

int64_t iod_smmuv3_queue_used(const struct iod_smmuv3_queue *user)
{
	struct iod_smmuv3_queue queue;
	struct ring ring;
	int ret = queue_open(&ring, user, &queue);

	if (ret)
		return ret;
	return queue_used(&ring, ring_observe32(queue.prod), ring_observe32(queue.cons));
}

int iod_smmuv3_queue_push(const struct iod_smmuv3_queue *user, const void *entries, size_t nr)
{
	struct iod_smmuv3_queue queue;
	struct ring ring;
	uint32_t prod, cons;
	int ret = queue_open(&ring, user, &queue);

	if (ret)
		return ret;
	if (!entries && nr)
		return -EINVAL;
	prod = ring_observe32(queue.prod);
	cons = ring_observe32(queue.cons);
	/* The PRI queue stands still until the overflow was acknowledged (8.1), the event queue does not. */
	if (queue.kind == IOD_SMMUV3_PRIQ && ((prod ^ cons) & IOD_SMMUV3_QUEUE_OVERFLOW))
		return nr ? -ENOSPC : 0;
	if (nr > ring_nr(&ring) - queue_used(&ring, prod, cons))
		return -ENOSPC;
	if (ring_write(&ring, prod, entries, nr) != nr)
		return -EFAULT;
	if (nr)
		ring_publish32(queue.prod, queue_advance(&ring, prod, (uint32_t)nr));
	return 0;
}

int iod_smmuv3_queue_pop(const struct iod_smmuv3_queue *user, void *entries, size_t max, size_t *nr)
{
	struct iod_smmuv3_queue queue;
	struct ring ring;
	uint32_t cons, n;
	int ret;

	if (!nr || (!entries && max))
		return -EINVAL;
	*nr = 0;
	ret = queue_open(&ring, user, &queue);
	if (ret)
		return ret;
	cons = ring_observe32(queue.cons);
	n = queue_used(&ring, ring_observe32(queue.prod), cons);
	if (n > max)
		n = (uint32_t)max;
	if (ring_read(&ring, cons, entries, n) != n)
		return -EFAULT;
	if (n)
		ring_publish32(queue.cons, queue_advance(&ring, cons, n));
	*nr = n;
	return 0;
}

int iod_smmuv3_queue_overflow(const struct iod_smmuv3_queue *user)
{
	struct iod_smmuv3_queue queue;
	struct ring ring;
	uint32_t prod;
	int ret = queue_open(&ring, user, &queue);

	if (ret)
		return ret;
	if (queue.kind == IOD_SMMUV3_CMDQ)
		return -EINVAL;
	prod = ring_observe32(queue.prod);
	if (!((prod ^ ring_observe32(queue.cons)) & IOD_SMMUV3_QUEUE_OVERFLOW))
		ring_publish32(queue.prod, prod ^ IOD_SMMUV3_QUEUE_OVERFLOW);
	return 0;
}

bool iod_smmuv3_queue_overflowed(const struct iod_smmuv3_queue *user)
{
	struct iod_smmuv3_queue queue;
	struct ring ring;

	if (queue_open(&ring, user, &queue) || queue.kind == IOD_SMMUV3_CMDQ)
		return false;
	return (ring_observe32(queue.prod) ^ ring_observe32(queue.cons)) &
	       IOD_SMMUV3_QUEUE_OVERFLOW;
}

int iod_smmuv3_queue_ack_overflow(const struct iod_smmuv3_queue *user)
{
	struct iod_smmuv3_queue queue;
	struct ring ring;
	uint32_t cons;
	int ret = queue_open(&ring, user, &queue);

	if (ret)
		return ret;
	if (queue.kind == IOD_SMMUV3_CMDQ)
		return -EINVAL;
	cons = ring_observe32(queue.cons);
	if (!((ring_observe32(queue.prod) ^ cons) & IOD_SMMUV3_QUEUE_OVERFLOW))
		return 0;
	ring_publish32(queue.cons, cons ^ IOD_SMMUV3_QUEUE_OVERFLOW);
	return 1;
}

/* ---- the consumer of commands ---- */

struct smmu_consumer {
	struct consumer c; /* first */
	struct iod_smmuv3_consume *turn;
	struct iod_smmuv3_consumer_ops ops;
	struct ring ring;
	uint32_t cons;
};

static bool is_sync(const uint64_t *raw)
{
	return (iod_le64(raw[0]) & CMD0_OP) == IOD_SMMUV3_SYNC;
}

static bool runs(struct consumer *c)
{
	const struct iod_smmuv3_consume *turn = ((struct smmu_consumer *)c)->turn;

	return !((ring_observe32(turn->gerror) ^ ring_observe32(turn->gerrorn)) &
		 IOD_SMMUV3_GERROR_CMDQ);
}

static uint32_t waiting(struct consumer *c)
{
	struct smmu_consumer *s = (struct smmu_consumer *)c;

	return queue_used(&s->ring, ring_observe32(s->turn->queue.prod), s->cons);
}

static size_t fetch(struct consumer *c, void *raw, size_t nr)
{
	struct smmu_consumer *s = (struct smmu_consumer *)c;

	return ring_read(&s->ring, s->cons, raw, nr);
}

static void advance(struct consumer *c, uint32_t n)
{
	struct smmu_consumer *s = (struct smmu_consumer *)c;

	s->cons = queue_advance(&s->ring, s->cons & ~IOD_SMMUV3_CMDQ_ERR, n);
	ring_publish32(s->turn->queue.cons, s->cons);
}

static enum iod_smmuv3_cerror cerror_of(int err, bool sync)
{
	if (err == -ETIMEDOUT && sync)
		return IOD_SMMUV3_CERROR_ATC_INV_SYNC;
	return err == -EINVAL || err == -EOPNOTSUPP ? IOD_SMMUV3_CERROR_ILL : IOD_SMMUV3_CERROR_ABT;
}

/* Stops at the next command (7.1): first the reason, then that there is one. */
static void raise_error(struct consumer *c, int err, const void *raw)
{
	struct smmu_consumer *s = (struct smmu_consumer *)c;
	enum iod_smmuv3_cerror cerror = cerror_of(err, raw && is_sync(raw));

	c->stopped = true;
	s->turn->cerror = cerror;
	s->cons = (s->cons & ~IOD_SMMUV3_CMDQ_ERR) | (uint32_t)cerror << IOD_SMMUV3_CMDQ_ERR_SHIFT;
	ring_publish32(s->turn->queue.cons, s->cons);
	ring_toggle32(s->turn->gerror, IOD_SMMUV3_GERROR_CMDQ);
}

static int commands(struct consumer *c, const void *raw, size_t nr, size_t *handled)
{
	struct smmu_consumer *s = (struct smmu_consumer *)c;

	return s->ops.commands(s->turn->cookie, raw, nr, handled);
}

static int sync_one(struct consumer *c, const void *raw)
{
	struct smmu_consumer *s = (struct smmu_consumer *)c;
	struct iod_smmuv3_cmd cmd;
	int ret = iod_smmuv3_cmd_decode(&cmd, raw, s->turn->id, &s->turn->reason);

	if (!ret)
		ret = s->ops.sync(s->turn->cookie, &cmd);
	if (!ret)
		iod_consume_done(c, 1);
	return ret;
}

static const struct consumer_hw consumer_hw = {
	.raw_size = sizeof(struct iod_smmuv3_raw_cmd),
	.runs = runs,
	.waiting = waiting,
	.fetch = fetch,
	.is_sync = is_sync,
	.commands = commands,
	.sync = sync_one,
	.advance = advance,
	.raise = raise_error,
};

static int consume_open(struct smmu_consumer *s, struct iod_smmuv3_consume *turn)
{
	struct iod_smmuv3_queue queue;
	int ret;

	if (!turn->gerror || !turn->gerrorn)
		return -EINVAL;
	ret = iod_struct_in(&s->ops, sizeof(s->ops), turn->ops, sizeof(s->ops));
	if (ret)
		return ret;
	if (!s->ops.commands || !s->ops.sync)
		return -EINVAL;
	ret = queue_open(&s->ring, &turn->queue, &queue);
	if (ret)
		return ret;
	if (queue.kind != IOD_SMMUV3_CMDQ)
		return -EINVAL;
	turn->queue = queue;
	s->turn = turn;
	s->cons = ring_observe32(queue.cons);
	return 0;
}

int iod_smmuv3_cmdq_consume(struct iod_smmuv3_consume *user)
{
	struct smmu_consumer s = { .c.hw = &consumer_hw };
	struct iod_smmuv3_consume turn;
	int ret = iod_struct_in(&turn, sizeof(turn), user, sizeof(turn));

	if (ret)
		return ret;
	ret = consume_open(&s, &turn);
	if (ret)
		return ret;
	turn.cerror = IOD_SMMUV3_CERROR_NONE;
	turn.reason = IOD_CMD_OK;
	s.c.budget = turn.budget;
	ret = iod_consume(&s.c);
	user->consumed = s.c.consumed;
	user->cerror = turn.cerror;
	user->reason = turn.reason;
	return ret;
}
