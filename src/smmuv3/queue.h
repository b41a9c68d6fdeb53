/* SPDX-License-Identifier: MIT */
/*
 * PROD and CONS of an SMMUv3 queue (Arm IHI 0070, 3.5.1): an index of n bits, and above it a bit that changes
 * at each turn around the ring, so that full and empty differ. Together: a position modulo 2^(n+1).
 */
#ifndef IOD_SMMUV3_QUEUE_INT_H
#define IOD_SMMUV3_QUEUE_INT_H

#include <iodirty/smmuv3_queue.h>

#include "ring.h"

#define QUEUE_LOG2SIZE_MAX 19u

/* The ring that a base register describes. @return 0; -EINVAL */
int iod_smmuv3_ring_init(struct ring *ring, enum iod_smmuv3_queue_kind kind,
			 const struct iod_mem *mem, uint64_t base);

/* Bits of PROD and CONS that are a position. */
static inline uint32_t queue_mask(const struct ring *ring)
{
	return 2 * ring_nr(ring) - 1;
}

/* Entries between two registers, up to twice the ring: more than the ring is nonsense. */
static inline uint32_t queue_distance(const struct ring *ring, uint32_t prod, uint32_t cons)
{
	return (prod - cons) & queue_mask(ring);
}

/* Entries that wait; nonsense is a full ring. */
static inline uint32_t queue_used(const struct ring *ring, uint32_t prod, uint32_t cons)
{
	uint32_t n = queue_distance(ring, prod, cons);

	return n < ring_nr(ring) ? n : ring_nr(ring);
}

/* The register with its position moved on by @n, other bits kept. */
static inline uint32_t queue_advance(const struct ring *ring, uint32_t reg, uint32_t n)
{
	uint32_t mask = queue_mask(ring);

	return (reg & ~mask) | ((reg + n) & mask);
}

#endif
