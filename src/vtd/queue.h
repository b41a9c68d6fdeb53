/* SPDX-License-Identifier: MIT */
/* VT-d queues by their base registers (Intel D51397, 11.4.9.3, 11.4.12.3). */
#ifndef IOD_VTD_QUEUE_INT_H
#define IOD_VTD_QUEUE_INT_H

#include <iodirty/vtd_queue.h>

#include "offring.h"

/* Bits of heads and tails. */
#define VTD_QUEUE_OFFSET MASK64(18, 4)

/* A wait descriptor's words (6.5.2.9). */
#define WAIT0_SW	 BIT64(5)
#define WAIT0_FN	 BIT64(6)
#define WAIT0_DATA_SHIFT 32
#define WAIT1_ADDR	 MASK64(63, 2)

#define DESC0_TYPE_LO	 MASK64(3, 0)
#define DESC0_TYPE_HI	 MASK64(11, 9)

/* The ring that a base register describes. @return 0; -EINVAL */
int iod_vtd_ring_init(struct ring *ring, enum iod_vtd_queue_kind kind, const struct iod_mem *mem,
		      uint64_t base);

#endif
