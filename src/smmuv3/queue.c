/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3 queues as their registers describe them: both sides, and the consumer of commands. Whoever is on the
 * other side may write anything into the registers and the ring at any time.
 */
#include <iodirty/smmuv3_queue.h>

#include <errno.h>

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

/* Commands fetched at a time: so many words of stack. */
#define CONSUME_BATCH 64u

struct consumer {
	struct iod_smmuv3_consume *turn;
	struct iod_smmuv3_consumer_ops ops;
	struct ring ring;
	uint32_t cons;
};

static bool is_sync(const struct iod_smmuv3_raw_cmd *raw)
{
	return (iod_le64(raw->word[0]) & CMD0_OP) == IOD_SMMUV3_SYNC;
}

/* Says that the next @n commands are consumed. What they do was done, and is seen by who sees this. */
static void consumed(struct consumer *c, uint32_t n)
{
	if (!n)
		return;
	c->cons = queue_advance(&c->ring, c->cons & ~IOD_SMMUV3_CMDQ_ERR, n);
	c->turn->consumed += n;
	ring_publish32(c->turn->queue.cons, c->cons);
}

/* Stops at the next command (7.1): first the reason, then that there is one. */
static void raise_error(struct consumer *c, enum iod_smmuv3_cerror cerror)
{
	c->turn->cerror = cerror;
	c->cons = (c->cons & ~IOD_SMMUV3_CMDQ_ERR) | (uint32_t)cerror << IOD_SMMUV3_CMDQ_ERR_SHIFT;
	ring_publish32(c->turn->queue.cons, c->cons);
	ring_toggle32(c->turn->gerror, IOD_SMMUV3_GERROR_CMDQ);
}

/* What ops returned. @return what the turn returns; a stop is seen in turn->cerror */
static int refused(struct consumer *c, int ret)
{
	if (ret == -EAGAIN)
		return ret;
	raise_error(c, ret == -EINVAL || ret == -EOPNOTSUPP ? IOD_SMMUV3_CERROR_ILL
							    : IOD_SMMUV3_CERROR_ABT);
	return 0;
}

static int consume_commands(struct consumer *c, const struct iod_smmuv3_raw_cmd *cmds, uint32_t nr)
{
	size_t handled = 0;
	int ret = c->ops.commands(c->turn->cookie, cmds, nr, &handled);

	if (!ret) {
		consumed(c, nr);
		return 0;
	}
	/* One of them was refused, so not all can have been obeyed. */
	consumed(c, handled < nr ? (uint32_t)handled : nr - 1);
	return refused(c, ret);
}

static int consume_sync(struct consumer *c, const struct iod_smmuv3_raw_cmd *raw)
{
	struct iod_smmuv3_cmd cmd;
	int ret = iod_smmuv3_cmd_decode(&cmd, raw, c->turn->id, &c->turn->reason);

	if (!ret)
		ret = c->ops.sync(c->turn->cookie, &cmd);
	if (!ret) {
		consumed(c, 1);
		return 0;
	}
	if (ret == -ETIMEDOUT) {
		raise_error(c, IOD_SMMUV3_CERROR_ATC_INV_SYNC);
		return 0;
	}
	return refused(c, ret);
}

/* The next commands up to a SYNC, or one SYNC. @return the turn's; 1: nothing is left */
static int consume_some(struct consumer *c)
{
	struct iod_smmuv3_consume *turn = c->turn;
	struct iod_smmuv3_raw_cmd cmds[CONSUME_BATCH];
	uint32_t n = queue_used(&c->ring, ring_observe32(turn->queue.prod), c->cons), i, got;

	if (n > CONSUME_BATCH)
		n = CONSUME_BATCH;
	if (turn->budget && n > turn->budget - turn->consumed)
		n = turn->budget - turn->consumed;
	if (!n)
		return 1;
	got = (uint32_t)ring_read(&c->ring, c->cons, cmds, n);
	if (!got) {
		raise_error(c, IOD_SMMUV3_CERROR_ABT);
		return 0;
	}
	for (i = 0; i < got && !is_sync(&cmds[i]); i++)
		;
	return i ? consume_commands(c, cmds, i) : consume_sync(c, &cmds[0]);
}

static int consume_open(struct consumer *c, struct iod_smmuv3_consume *turn)
{
	struct iod_smmuv3_queue queue;
	int ret;

	if (!turn->gerror || !turn->gerrorn)
		return -EINVAL;
	ret = iod_struct_in(&c->ops, sizeof(c->ops), turn->ops, sizeof(c->ops));
	if (ret)
		return ret;
	if (!c->ops.commands || !c->ops.sync)
		return -EINVAL;
	ret = queue_open(&c->ring, &turn->queue, &queue);
	if (ret)
		return ret;
	if (queue.kind != IOD_SMMUV3_CMDQ)
		return -EINVAL;
	turn->queue = queue;
	c->turn = turn;
	c->cons = ring_observe32(queue.cons);
	return 0;
}

int iod_smmuv3_cmdq_consume(struct iod_smmuv3_consume *user)
{
	struct iod_smmuv3_consume turn;
	struct consumer c;
	int ret = iod_struct_in(&turn, sizeof(turn), user, sizeof(turn));

	if (ret)
		return ret;
	ret = consume_open(&c, &turn);
	if (ret)
		return ret;
	turn.consumed = 0;
	turn.cerror = IOD_SMMUV3_CERROR_NONE;
	turn.reason = IOD_CMD_OK;
	while (!ret && !turn.cerror) {
		if ((ring_observe32(turn.gerror) ^ ring_observe32(turn.gerrorn)) &
		    IOD_SMMUV3_GERROR_CMDQ)
			break;
		ret = consume_some(&c);
	}
	user->consumed = turn.consumed;
	user->cerror = turn.cerror;
	user->reason = turn.reason;
	return ret == 1 ? 0 : ret;
}
