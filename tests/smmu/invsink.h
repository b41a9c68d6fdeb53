/* SPDX-License-Identifier: MIT */
/*
 * A sink that remembers what reached it, and a decoder of the commands that a gather becomes, written from the
 * specification (Arm IHI 0070, 4.4, 4.5) and not from the library.
 */
#ifndef INVSINK_H
#define INVSINK_H

#include "iodtest.h"

#include <iodirty/smmuv3_inv.h>

#define SINK_MAX 70000

/* A command; op 0x46 stands for a sync that was asked for. */
struct seen {
	uint32_t op, sid, ssid;
	bool ssv, global, leaf;
	uint16_t vmid, asid;
	uint8_t tg, num, scale, ttl, span;
	uint64_t addr;
};

struct sink {
	struct iod_smmuv3_sink ops;
	struct seen cmd[SINK_MAX];
	size_t nr;
	size_t calls;
	size_t fail_at; /* the number of the call that fails, counted from 1; 0: none */
	int error;
	void (*each)(struct sink *s, const struct iod_smmuv3_raw_cmd *raw); /* no syncs */
	void *priv;
};

void sink_init(struct sink *s);
void sink_reset(struct sink *s);

/* Requires that no bit is set that the command does not have. */
struct seen seen_decode(const struct iod_smmuv3_raw_cmd *raw);

/* First and last byte that a TLBI by address names; one address: its page of 4 KiB. */
void seen_range(const struct seen *c, uint64_t *first, uint64_t *last);

/* Requires that what the sink saw is this, and forgets it. */
void sink_expect(struct sink *s, const struct seen *want, size_t nr, const char *what);

#define SINK_EXPECT(s, what, ...)                                              \
	do {                                                                   \
		const struct seen want_[] = { __VA_ARGS__ };                   \
		sink_expect((s), want_, sizeof(want_) / sizeof(*want_), what); \
	} while (0)
#define SEEN_SYNC          \
	{                  \
		.op = 0x46 \
	}

/* ID registers of an SMMU with everything, with or without range invalidation. */
struct iod_smmuv3_id sink_id(bool ranges);

/* Of one stage, VMID 9; ASID 7 in stage 1. What covers more than was asked for is never worth it. */
struct iod_smmuv3_inv *sink_open_inv(bool ranges, uint32_t stage);

#endif
