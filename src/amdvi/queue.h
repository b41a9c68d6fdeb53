/* SPDX-License-Identifier: MIT */
/* AMD-Vi queues by their base registers (AMD 48882, 3.4.1, 3.4.13). */
#ifndef IOD_AMDVI_QUEUE_INT_H
#define IOD_AMDVI_QUEUE_INT_H

#include <iodirty/amdvi_queue.h>

#include "offring.h"

/* Bits of heads and tails. */
#define AMDVI_QUEUE_OFFSET MASK64(18, 4)

/* The ring that a base register describes. @return 0; -EINVAL */
int iod_amdvi_ring_init(struct ring *ring, enum iod_amdvi_queue_kind kind,
			const struct iod_mem *mem, uint64_t base);

#endif
