/* SPDX-License-Identifier: MIT */
/* What types of events have, for their conversion to neutral records. */
#ifndef IOD_SMMUV3_EVENT_INT_H
#define IOD_SMMUV3_EVENT_INT_H

#include <iodirty/smmuv3_event.h>

#include "bits.h"

#define EVENT_HAS_ADDR	 (1u << 0)
#define EVENT_HAS_IPA	 (1u << 1)
#define EVENT_HAS_FETCH	 (1u << 2)
#define EVENT_HAS_RNW	 (1u << 3)
#define EVENT_HAS_STAGE	 (1u << 4) /* S2 and CLASS */
#define EVENT_HAS_STALL	 (1u << 5)
#define EVENT_HAS_ACCESS (1u << 6) /* PnU, InD */

/* EVENT_HAS_* of a type; 0 for what is none. */
uint32_t iod_smmuv3_event_valid(enum iod_smmuv3_event_type type);

#endif
