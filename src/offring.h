/* SPDX-License-Identifier: MIT */
/*
 * Rings whose head and tail are byte offsets (VT-d, AMD-Vi): equal means empty, so one entry stays unused. Entries may
 * be shorter in memory than their struct, which is 0 behind them then.
 */
#ifndef IOD_OFFRING_H
#define IOD_OFFRING_H

#include "ring.h"

struct offring {
	struct ring ring;
	size_t raw_size; /* bytes of an entry as the caller has it */
	uint64_t *head, *tail;
};

/* The entry that a register names; one outside the ring as if it were inside. */
static inline uint32_t offring_index(const struct ring *ring, uint64_t reg)
{
	return (uint32_t)(reg >> ring->entry_lg2) & (ring_nr(ring) - 1);
}

static inline uint64_t offring_reg(const struct ring *ring, uint64_t pos)
{
	return (pos & (ring_nr(ring) - 1)) << ring->entry_lg2;
}

static inline uint32_t offring_distance(const struct ring *ring, uint32_t from, uint32_t to)
{
	return (to - from) & (ring_nr(ring) - 1);
}

static inline uint32_t offring_used(const struct offring *r)
{
	return offring_distance(&r->ring, offring_index(&r->ring, ring_observe64(r->head)),
				offring_index(&r->ring, ring_observe64(r->tail)));
}

/* Entries that hardware has fetched behind position @tail, by its head register; outside the ring: nonsense. */
static inline uint64_t offring_moved(const struct ring *ring, uint64_t reg, uint64_t tail)
{
	if (reg != offring_reg(ring, reg >> ring->entry_lg2))
		return UINT64_MAX;
	return offring_distance(ring, (uint32_t)tail & (ring_nr(ring) - 1),
				offring_index(ring, reg));
}

/* Copies @nr entries out. @return how many; fewer: unreadable */
size_t iod_offring_read(const struct offring *r, uint32_t index, void *entries, size_t nr);

/* Producer: all or nothing. @return 0; -ENOSPC; -EFAULT; -EINVAL what does not fit into an entry is not 0 */
int iod_offring_push(const struct offring *r, const void *entries, size_t nr);

/* Consumer: at most @max. @return 0; -EFAULT */
int iod_offring_pop(const struct offring *r, void *entries, size_t max, size_t *nr);

#endif
