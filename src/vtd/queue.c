/* SPDX-License-Identifier: MIT */
/*
 * VT-d queues as their registers describe them: both sides, and the consumer of descriptors. Whoever is on the other
 * side may write anything into the registers and the ring at any time.
 */
#include <iodirty/vtd_desc.h>
#include <iodirty/vtd_queue.h>

#include <errno.h>

#include "consume.h"
#include "vtd/queue.h"

#define BASE_SIZE(base) ((unsigned)(base)&0x7)
#define BASE_ADDR(base) (MASK64(63, 12) & (base))

/* Entries of 16 bytes in a page; of 32 there are half as many. */
#define PAGE_NR_LG2 8u

/* IQERCD: source-ids of ITE and ICE. */
#define IQERCD_IQEI	    MASK64(3, 0)
#define IQERCD_ITESID_SHIFT 32
#define IQERCD_ICESID_SHIFT 48

int iod_vtd_ring_init(struct ring *ring, enum iod_vtd_queue_kind kind, const struct iod_mem *mem,
		      uint64_t base)
{
	if (!mem)
		return -EINVAL;
	switch (kind) {
	case IOD_VTD_IQ:
		ring->entry_lg2 = base & IOD_VTD_IQA_DW ? 5 : 4;
		break;
	case IOD_VTD_PRQ:
		ring->entry_lg2 = 5;
		break;
	default:
		return -EINVAL;
	}
	ring->mem = mem;
	ring->nr_lg2 = BASE_SIZE(base) + PAGE_NR_LG2 - (ring->entry_lg2 - 4);
	ring->pa = align_down(BASE_ADDR(base), ring->nr_lg2 + ring->entry_lg2);
	return 0;
}

static int queue_open(struct offring *r, const struct iod_vtd_queue *user,
		      struct iod_vtd_queue *queue)
{
	int ret = iod_struct_in(queue, sizeof(*queue), user, sizeof(*queue));

	if (ret)
		return ret;
	if (!queue->head || !queue->tail || queue->reserved ||
	    (queue->kind == IOD_VTD_PRQ) != !!queue->prs)
		return -EINVAL;
	r->raw_size = sizeof(struct iod_vtd_raw_desc);
	r->head = queue->head;
	r->tail = queue->tail;
	return iod_vtd_ring_init(&r->ring, queue->kind, queue->mem, queue->base);
}

int iod_vtd_queue_check(const struct iod_vtd_queue *user)
{
	struct iod_vtd_queue queue;
	struct offring r;
	int ret = queue_open(&r, user, &queue);

	if (ret)
		return ret;
	/* A VT-d never writes descriptors. */
	return ring_in_memory(&r.ring, queue.kind != IOD_VTD_IQ) ? 0 : -EFAULT;
}

int64_t iod_vtd_queue_used(const struct iod_vtd_queue *user)
{
	struct iod_vtd_queue queue;
	struct offring r;
	int ret = queue_open(&r, user, &queue);

	return ret ? ret : (int64_t)offring_used(&r);
}

int iod_vtd_queue_push(const struct iod_vtd_queue *user, const void *entries, size_t nr)
{
	struct iod_vtd_queue queue;
	struct offring r;
	int ret = queue_open(&r, user, &queue);

	if (ret)
		return ret;
	/* Once PRO is set nothing is put in until it is cleared (7.4.1). */
	if (queue.prs && (ring_observe32(queue.prs) & IOD_VTD_PRS_PRO))
		return nr ? -ENOSPC : 0;
	ret = iod_offring_push(&r, entries, nr);
	if (!ret && nr && queue.prs)
		__atomic_fetch_or(queue.prs, IOD_VTD_PRS_PPR, __ATOMIC_ACQ_REL);
	return ret;
}

int iod_vtd_queue_pop(const struct iod_vtd_queue *user, void *entries, size_t max, size_t *nr)
{
	struct iod_vtd_queue queue;
	struct offring r;
	int ret;

	if (!nr || (!entries && max))
		return -EINVAL;
	*nr = 0;
	ret = queue_open(&r, user, &queue);
	return ret ? ret : iod_offring_pop(&r, entries, max, nr);
}

int iod_vtd_queue_overflow(const struct iod_vtd_queue *user)
{
	struct iod_vtd_queue queue;
	struct offring r;
	int ret = queue_open(&r, user, &queue);

	if (ret)
		return ret;
	if (!queue.prs)
		return -EINVAL;
	__atomic_fetch_or(queue.prs, IOD_VTD_PRS_PRO, __ATOMIC_ACQ_REL);
	return 0;
}

bool iod_vtd_queue_overflowed(const struct iod_vtd_queue *user)
{
	struct iod_vtd_queue queue;
	struct offring r;

	if (queue_open(&r, user, &queue) || !queue.prs)
		return false;
	return ring_observe32(queue.prs) & IOD_VTD_PRS_PRO;
}

int iod_vtd_queue_ack_overflow(const struct iod_vtd_queue *user)
{
	struct iod_vtd_queue queue;
	struct offring r;
	int ret = queue_open(&r, user, &queue);

	if (ret)
		return ret;
	if (!queue.prs)
		return -EINVAL;
	return !!(__atomic_fetch_and(queue.prs, ~IOD_VTD_PRS_PRO, __ATOMIC_ACQ_REL) &
		  IOD_VTD_PRS_PRO);
}

/* ---- the consumer of descriptors ---- */

struct vtd_consumer {
	struct consumer c; /* first */
	struct iod_vtd_consume *turn;
	struct iod_vtd_consumer_ops ops;
	struct offring r;
	uint32_t index; /* of the next descriptor */
};

static uint32_t flags_of(const struct vtd_consumer *v)
{
	return v->r.ring.entry_lg2 == 4 ? IOD_VTD_DESC_128 : 0;
}

/* Stops: first the reason, then that there is one. */
static void stop(struct vtd_consumer *v, enum iod_vtd_iq_error error, uint64_t iqercd_mask,
		 uint64_t iqercd)
{
	static const uint32_t bits[] = { [IOD_VTD_IQ_IQE] = IOD_VTD_FSTS_IQE,
					 [IOD_VTD_IQ_ITE] = IOD_VTD_FSTS_ITE,
					 [IOD_VTD_IQ_ICE] = IOD_VTD_FSTS_ICE };
	uint64_t *reg = v->turn->iqercd;

	v->c.stopped = true;
	v->turn->error = error;
	if (reg)
		ring_publish64(reg, (ring_observe64(reg) & ~iqercd_mask) | iqercd);
	__atomic_fetch_or(v->turn->fsts, bits[error], __ATOMIC_ACQ_REL);
}

static void stop_iqe(struct vtd_consumer *v, enum iod_vtd_iqei iqei)
{
	v->turn->iqei = iqei;
	stop(v, IOD_VTD_IQ_IQE, IQERCD_IQEI, (uint64_t)iqei);
}

static void stop_device(struct vtd_consumer *v, enum iod_vtd_iq_error error, unsigned shift)
{
	uint64_t sid = v->turn->sid ? *v->turn->sid : 0;

	stop(v, error, UINT64_C(0xffff) << shift, sid << shift);
}

/* What is wrong with a descriptor that was refused. */
static enum iod_vtd_iqei judge(struct vtd_consumer *v, const struct iod_vtd_raw_desc *raw)
{
	struct iod_vtd_desc desc;

	(void)iod_vtd_desc_decode(&desc, raw, v->turn->id, flags_of(v), &v->turn->reason);
	switch (v->turn->reason) {
	case IOD_CMD_OK:
		return IOD_VTD_IQEI_NONE;
	case IOD_CMD_BAD_OPCODE:
	case IOD_CMD_BAD_PERMISSION:
		return desc.type == IOD_VTD_PAGE_GROUP_RESP && flags_of(v) ? IOD_VTD_IQEI_WIDTH
									   : IOD_VTD_IQEI_TYPE;
	default:
		return IOD_VTD_IQEI_RESERVED;
	}
}

static void raise_error(struct consumer *c, int err, const void *raw)
{
	struct vtd_consumer *v = (struct vtd_consumer *)c;

	if (!raw)
		stop_iqe(v, IOD_VTD_IQEI_FETCH);
	else if (err == -ETIMEDOUT)
		stop_device(v, IOD_VTD_IQ_ITE, IQERCD_ITESID_SHIFT);
	else if (err == -EIO)
		stop_device(v, IOD_VTD_IQ_ICE, IQERCD_ICESID_SHIFT);
	else
		stop_iqe(v, judge(v, raw));
}

static bool runs(struct consumer *c)
{
	return !(ring_observe32(((struct vtd_consumer *)c)->turn->fsts) &
		 (IOD_VTD_FSTS_IQE | IOD_VTD_FSTS_ITE | IOD_VTD_FSTS_ICE));
}

static uint32_t waiting(struct consumer *c)
{
	struct vtd_consumer *v = (struct vtd_consumer *)c;
	const struct ring *ring = &v->r.ring;
	uint64_t tail = ring_observe64(v->r.tail) & VTD_QUEUE_OFFSET;

	if (tail >> (ring->nr_lg2 + ring->entry_lg2))
		stop_iqe(v, IOD_VTD_IQEI_TAIL);
	else if (!is_aligned(tail, ring->entry_lg2))
		stop_iqe(v, IOD_VTD_IQEI_MISALIGNED);
	else
		return offring_distance(ring, v->index, offring_index(ring, tail));
	return 0;
}

static size_t fetch(struct consumer *c, void *raw, size_t nr)
{
	struct vtd_consumer *v = (struct vtd_consumer *)c;

	return iod_offring_read(&v->r, v->index, raw, nr);
}

static bool is_sync(const uint64_t *raw)
{
	return (iod_le64(raw[0]) & (DESC0_TYPE_LO | DESC0_TYPE_HI)) == IOD_VTD_WAIT;
}

static void advance(struct consumer *c, uint32_t n)
{
	struct vtd_consumer *v = (struct vtd_consumer *)c;

	v->index += n;
	ring_publish64(v->r.head, offring_reg(&v->r.ring, v->index));
}

static int commands(struct consumer *c, const void *raw, size_t nr, size_t *handled)
{
	struct vtd_consumer *v = (struct vtd_consumer *)c;

	return v->ops.commands(v->turn->cookie, raw, nr, handled);
}

/* The status of a wait descriptor. Where there is no memory it is lost, as on a bus. */
static void write_status(struct vtd_consumer *v, const struct iod_vtd_desc *wait)
{
	uint32_t *at = ring_word32(v->r.ring.mem, wait->addr, true);

	if (at)
		ring_publish32(at, iod_le32(wait->data));
}

/*
 * The head is behind the wait before its status tells anybody so. ITE aborts the wait, which was fetched (6.5.2.11): it
 * is never complete, or whoever issued the invalidation that failed would be told that it went well.
 */
static int sync_one(struct consumer *c, const void *raw)
{
	struct vtd_consumer *v = (struct vtd_consumer *)c;
	struct iod_vtd_desc wait;
	int ret = iod_vtd_desc_decode(&wait, raw, v->turn->id, flags_of(v), NULL);

	if (ret)
		return ret;
	ret = v->ops.sync(v->turn->cookie, &wait);
	if (!ret || ret == -ETIMEDOUT)
		iod_consume_done(c, 1);
	if (ret)
		return ret;
	if (wait.write)
		write_status(v, &wait);
	if (v->ops.written)
		v->ops.written(v->turn->cookie, &wait);
	return 0;
}

static const struct consumer_hw consumer_hw = {
	.raw_size = sizeof(struct iod_vtd_raw_desc),
	.runs = runs,
	.waiting = waiting,
	.fetch = fetch,
	.is_sync = is_sync,
	.commands = commands,
	.sync = sync_one,
	.advance = advance,
	.raise = raise_error,
};

static int consume_open(struct vtd_consumer *v, struct iod_vtd_consume *turn)
{
	struct iod_vtd_queue queue;
	int ret;

	if (!turn->fsts)
		return -EINVAL;
	ret = iod_struct_in(&v->ops, sizeof(v->ops), turn->ops, sizeof(v->ops));
	if (ret)
		return ret;
	if (!v->ops.commands || !v->ops.sync)
		return -EINVAL;
	ret = queue_open(&v->r, &turn->queue, &queue);
	if (ret)
		return ret;
	if (queue.kind != IOD_VTD_IQ)
		return -EINVAL;
	turn->queue = queue;
	v->turn = turn;
	v->index = offring_index(&v->r.ring, ring_observe64(queue.head));
	return 0;
}

int iod_vtd_iq_consume(struct iod_vtd_consume *user)
{
	struct vtd_consumer v = { .c.hw = &consumer_hw };
	struct iod_vtd_consume turn;
	int ret = iod_struct_in(&turn, sizeof(turn), user, sizeof(turn));

	if (ret)
		return ret;
	ret = consume_open(&v, &turn);
	if (ret)
		return ret;
	turn.error = IOD_VTD_IQ_NONE;
	turn.iqei = IOD_VTD_IQEI_NONE;
	turn.reason = IOD_CMD_OK;
	v.c.budget = turn.budget;
	ret = iod_consume(&v.c);
	user->consumed = v.c.consumed;
	user->error = turn.error;
	user->iqei = turn.iqei;
	user->reason = turn.reason;
	return ret;
}
