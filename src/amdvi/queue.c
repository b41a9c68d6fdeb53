/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi queues as their registers describe them: both sides, and the consumer of commands. Whoever is on the other
 * side may write anything into the registers and the ring at any time.
 */
#include <iodirty/amdvi_cmd.h>
#include <iodirty/amdvi_queue.h>

#include <errno.h>

#include "amdvi/queue.h"
#include "consume.h"

#define BASE_LEN(base)	((unsigned)((base) >> 56) & 0xf)
#define BASE_ADDR(base) (MASK64(51, 12) & (base))
#define LEN_MIN		8u
#define ENTRY_LG2	4u

#define CMD0_OP		MASK64(63, 60)

int iod_amdvi_ring_init(struct ring *ring, enum iod_amdvi_queue_kind kind,
			const struct iod_mem *mem, uint64_t base)
{
	if (!mem || BASE_LEN(base) < LEN_MIN || kind < IOD_AMDVI_CMDBUF || kind > IOD_AMDVI_PPRLOG)
		return -EINVAL;
	ring->mem = mem;
	ring->nr_lg2 = BASE_LEN(base);
	ring->entry_lg2 = ENTRY_LG2;
	ring->pa = BASE_ADDR(base);
	return 0;
}

/* The log's bits of the status register; a command buffer has none. */
struct log_bits {
	uint32_t run, overflow, intr;
};

static struct log_bits log_bits(enum iod_amdvi_queue_kind kind)
{
	switch (kind) {
	case IOD_AMDVI_EVTLOG:
		return (struct log_bits){ IOD_AMDVI_STATUS_EVENTLOGRUN,
					  IOD_AMDVI_STATUS_EVENTOVERFLOW,
					  IOD_AMDVI_STATUS_EVENTLOGINT };
	case IOD_AMDVI_PPRLOG:
		return (struct log_bits){ IOD_AMDVI_STATUS_PPRLOGRUN, IOD_AMDVI_STATUS_PPROVERFLOW,
					  IOD_AMDVI_STATUS_PPRINT };
	default:
		return (struct log_bits){ 0 };
	}
}

static int queue_open(struct offring *r, const struct iod_amdvi_queue *user,
		      struct iod_amdvi_queue *queue)
{
	int ret = iod_struct_in(queue, sizeof(*queue), user, sizeof(*queue));

	if (ret)
		return ret;
	if (!queue->head || !queue->tail || !queue->status || queue->reserved)
		return -EINVAL;
	r->raw_size = (size_t)1 << ENTRY_LG2;
	r->head = queue->head;
	r->tail = queue->tail;
	return iod_amdvi_ring_init(&r->ring, queue->kind, queue->mem, queue->base);
}

int iod_amdvi_queue_check(const struct iod_amdvi_queue *user)
{
	struct iod_amdvi_queue queue;
	struct offring r;
	int ret = queue_open(&r, user, &queue);

	if (ret)
		return ret;
	/* An IOMMU never writes commands. */
	return ring_in_memory(&r.ring, queue.kind != IOD_AMDVI_CMDBUF) ? 0 : -EFAULT;
}

int64_t iod_amdvi_queue_used(const struct iod_amdvi_queue *user)
{
	struct iod_amdvi_queue queue;
	struct offring r;
	int ret = queue_open(&r, user, &queue);

	return ret ? ret : (int64_t)offring_used(&r);
}

int iod_amdvi_queue_push(const struct iod_amdvi_queue *user, const void *entries, size_t nr)
{
	struct iod_amdvi_queue queue;
	struct log_bits bits;
	struct offring r;
	int ret = queue_open(&r, user, &queue);

	if (ret)
		return ret;
	bits = log_bits(queue.kind);
	if (bits.run && !(ring_observe32(queue.status) & bits.run))
		return nr ? -ENOSPC : 0;
	ret = iod_offring_push(&r, entries, nr);
	if (!ret && nr && bits.intr)
		__atomic_fetch_or(queue.status, bits.intr, __ATOMIC_ACQ_REL);
	return ret;
}

int iod_amdvi_queue_pop(const struct iod_amdvi_queue *user, void *entries, size_t max, size_t *nr)
{
	struct iod_amdvi_queue queue;
	struct offring r;
	int ret;

	if (!nr || (!entries && max))
		return -EINVAL;
	*nr = 0;
	ret = queue_open(&r, user, &queue);
	return ret ? ret : iod_offring_pop(&r, entries, max, nr);
}

/* A log's bits. @return 0; -EINVAL also for a command buffer */
static int log_open(const struct iod_amdvi_queue *user, struct iod_amdvi_queue *queue,
		    struct log_bits *bits)
{
	struct offring r;
	int ret = queue_open(&r, user, queue);

	if (ret)
		return ret;
	*bits = log_bits(queue->kind);
	return bits->run ? 0 : -EINVAL;
}

int iod_amdvi_queue_overflow(const struct iod_amdvi_queue *user)
{
	struct iod_amdvi_queue queue;
	struct log_bits bits;
	int ret = log_open(user, &queue, &bits);

	if (ret)
		return ret;
	__atomic_fetch_or(queue.status, bits.overflow, __ATOMIC_ACQ_REL);
	__atomic_fetch_and(queue.status, ~bits.run, __ATOMIC_ACQ_REL);
	return 0;
}

bool iod_amdvi_queue_overflowed(const struct iod_amdvi_queue *user)
{
	struct iod_amdvi_queue queue;
	struct log_bits bits;

	return !log_open(user, &queue, &bits) && (ring_observe32(queue.status) & bits.overflow);
}

int iod_amdvi_queue_ack_overflow(const struct iod_amdvi_queue *user)
{
	struct iod_amdvi_queue queue;
	struct log_bits bits;
	uint32_t was;
	int ret = log_open(user, &queue, &bits);

	if (ret)
		return ret;
	was = __atomic_fetch_and(queue.status, ~bits.overflow, __ATOMIC_ACQ_REL);
	__atomic_fetch_or(queue.status, bits.run, __ATOMIC_ACQ_REL);
	return !!(was & bits.overflow);
}

/* ---- the consumer of commands ---- */

struct amdvi_consumer {
	struct consumer c; /* first */
	struct iod_amdvi_consume *turn;
	struct iod_amdvi_consumer_ops ops;
	struct offring r;
	uint32_t index; /* of the next command */
};

static void raise_error(struct consumer *c, int err, const void *raw)
{
	struct amdvi_consumer *a = (struct amdvi_consumer *)c;
	bool illegal = raw && (err == -EINVAL || err == -EOPNOTSUPP);

	c->stopped = true;
	a->turn->error = illegal ? IOD_AMDVI_CMDQ_ILLEGAL : IOD_AMDVI_CMDQ_HARDWARE;
	a->turn->address = a->r.ring.pa + offring_reg(&a->r.ring, a->index);
	__atomic_fetch_and(a->turn->queue.status, ~IOD_AMDVI_STATUS_CMDBUFRUN, __ATOMIC_ACQ_REL);
}

static bool runs(struct consumer *c)
{
	return ring_observe32(((struct amdvi_consumer *)c)->turn->queue.status) &
	       IOD_AMDVI_STATUS_CMDBUFRUN;
}

/* Tails outside the ring: as if they were inside, bits outside the field are not there. */
static uint32_t waiting(struct consumer *c)
{
	struct amdvi_consumer *a = (struct amdvi_consumer *)c;
	uint64_t tail = ring_observe64(a->r.tail) & AMDVI_QUEUE_OFFSET;

	return offring_distance(&a->r.ring, a->index, offring_index(&a->r.ring, tail));
}

static size_t fetch(struct consumer *c, void *raw, size_t nr)
{
	struct amdvi_consumer *a = (struct amdvi_consumer *)c;

	return iod_offring_read(&a->r, a->index, raw, nr);
}

static bool is_sync(const uint64_t *raw)
{
	return (iod_le64(raw[0]) & CMD0_OP) >> 60 == IOD_AMDVI_COMPLETION_WAIT;
}

static void advance(struct consumer *c, uint32_t n)
{
	struct amdvi_consumer *a = (struct amdvi_consumer *)c;

	a->index = (a->index + n) & (ring_nr(&a->r.ring) - 1);
	ring_publish64(a->r.head, offring_reg(&a->r.ring, a->index));
}

static int commands(struct consumer *c, const void *raw, size_t nr, size_t *handled)
{
	struct amdvi_consumer *a = (struct amdvi_consumer *)c;

	return a->ops.commands(a->turn->cookie, raw, nr, handled);
}

/* What a COMPLETION_WAIT stores. Where there is no memory it is lost, as on a bus. */
static void store(struct amdvi_consumer *a, const struct iod_amdvi_cmd *wait)
{
	uint64_t *at = iod_mem_ptr(a->r.ring.mem, wait->store_addr, sizeof(*at), true);

	if (at)
		ring_publish64(at, iod_le64(wait->data));
}

/* The head is behind the command before its store tells anybody so. */
static int sync_one(struct consumer *c, const void *raw)
{
	struct amdvi_consumer *a = (struct amdvi_consumer *)c;
	struct iod_amdvi_cmd wait;
	int ret = iod_amdvi_cmd_decode(&wait, raw, a->turn->id, &a->turn->reason);

	if (!ret)
		ret = a->ops.sync(a->turn->cookie, &wait);
	if (ret)
		return ret;
	iod_consume_done(c, 1);
	if (wait.store)
		store(a, &wait);
	if (a->ops.written)
		a->ops.written(a->turn->cookie, &wait);
	return 0;
}

static const struct consumer_hw consumer_hw = {
	.raw_size = sizeof(struct iod_amdvi_raw_cmd),
	.runs = runs,
	.waiting = waiting,
	.fetch = fetch,
	.is_sync = is_sync,
	.commands = commands,
	.sync = sync_one,
	.advance = advance,
	.raise = raise_error,
};

static int consume_open(struct amdvi_consumer *a, struct iod_amdvi_consume *turn)
{
	struct iod_amdvi_queue queue;
	int ret;

	ret = iod_struct_in(&a->ops, sizeof(a->ops), turn->ops, sizeof(a->ops));
	if (ret)
		return ret;
	if (!a->ops.commands || !a->ops.sync)
		return -EINVAL;
	ret = queue_open(&a->r, &turn->queue, &queue);
	if (ret)
		return ret;
	if (queue.kind != IOD_AMDVI_CMDBUF)
		return -EINVAL;
	turn->queue = queue;
	a->turn = turn;
	a->index = offring_index(&a->r.ring, ring_observe64(queue.head));
	return 0;
}

int iod_amdvi_cmdq_consume(struct iod_amdvi_consume *user)
{
	struct amdvi_consumer a = { .c.hw = &consumer_hw };
	struct iod_amdvi_consume turn;
	int ret = iod_struct_in(&turn, sizeof(turn), user, sizeof(turn));

	if (ret)
		return ret;
	ret = consume_open(&a, &turn);
	if (ret)
		return ret;
	turn.error = IOD_AMDVI_CMDQ_NONE;
	turn.reason = IOD_CMD_OK;
	turn.address = 0;
	a.c.budget = turn.budget;
	ret = iod_consume(&a.c);
	user->consumed = a.c.consumed;
	user->error = turn.error;
	user->reason = turn.reason;
	user->address = turn.address;
	return ret;
}
