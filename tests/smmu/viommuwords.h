/* SPDX-License-Identifier: MIT */
/* Words of commands by hand, and batches whose outcome is known to the last word. */
#ifndef VIOMMUWORDS_H
#define VIOMMUWORDS_H

#include "viommurig.h"

#define VMID	 ((uint64_t)RIG_VMID << 32)
#define VSID(n)	 ((uint64_t)(n)*8 << 32)
#define SID(n)	 ((uint64_t)(0x1000 + (n)) << 32)
#define ASID(n)	 ((uint64_t)(n) << 48)
#define LEAF	 1u
#define TG4K	 (1u << 10)
#define TTL(n)	 ((uint64_t)(n) << 8)
#define NUM(n)	 ((uint64_t)(n) << 12)
#define SCALE(n) ((uint64_t)(n) << 20)
#define SSV	 (1u << 11)

/* All is right: every command handled, the host given exactly @want, one sync if it was given anything. */
void rig_expect_batch(struct rig *rig, const struct rig_cmd *cmds, size_t nr,
		      const struct rig_cmd *want, size_t nr_want);
void rig_expect_one(struct rig *rig, uint64_t w0, uint64_t w1, uint64_t h0, uint64_t h1);
/* One command behind a good one, and before another: that one is issued and synced, nothing else is. */
void rig_expect_refused(struct rig *rig, uint64_t w0, uint64_t w1, int error,
			enum iod_cmd_reason reason);

#endif
