/* SPDX-License-Identifier: MIT */
/* Event records and page requests worked out by hand from the specification (Arm IHI 0070, 7.3 and 8.1). */
#ifndef EVENTROWS_H
#define EVENTROWS_H

#include "iodtest.h"

struct event_row {
	struct iod_smmuv3_event event;
	uint64_t word[4];
	uint64_t field[4]; /* bits of fields of the type, without the type itself */
	uint64_t drop[4];  /* those of them that mean nothing in this record */
};

#define NR_EVENT_ROWS 19
extern const struct event_row event_rows[NR_EVENT_ROWS];

struct pri_row {
	struct iod_smmuv3_pri pri;
	uint64_t word[2];
};

#define NR_PRI_ROWS 3
extern const struct pri_row pri_rows[NR_PRI_ROWS];

void assert_same_event(const struct iod_smmuv3_event *a, const struct iod_smmuv3_event *b);
void assert_same_pri(const struct iod_smmuv3_pri *a, const struct iod_smmuv3_pri *b);

#endif
