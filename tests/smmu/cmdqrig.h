/* SPDX-License-Identifier: MIT */
/*
 * A driver's command queue with an emulated SMMU behind it, which notes what it obeyed and when it was complete.
 * A command is told by its StreamID: CFGI_STE of StreamID n is command n.
 */
#ifndef CMDQRIG_H
#define CMDQRIG_H

#include <pthread.h>

#include "iodtest.h"

#define RIG_BASE   IODT_BIT(32)
#define RIG_SYNC   0x46
#define RIG_BAD	   IODT_BIT(31) /* StreamIDs from here on are refused */
#define RIG_IDS	   (1u << 16)
#define RIG_STREAM 4096 /* what is remembered of the order */

struct cmdqrig {
	struct iodt_alloc alloc;
	struct iod_mem *mem;
	uint64_t *ring;
	uint32_t prod, cons, gerror, gerrorn;
	struct iod_smmuv3_cmdq *q;
	unsigned log2size;
	bool own_thread;

	pthread_mutex_t lock; /* of the SMMU: one turn at a time */
	uint32_t pending[RIG_STREAM];
	uint32_t nr_pending;
	uint32_t order[RIG_STREAM]; /* complete commands */
	uint32_t nr_order;
	uint8_t complete[RIG_IDS]; /* atomic; by StreamID */
	uint32_t syncs;
	uint32_t ill;
	/* What goes wrong. */
	uint32_t timeouts;   /* SYNCs that say that an ATC_INV did not complete */
	uint32_t aborts;     /* times that the ring is unreadable */
	bool stopped;	     /* the SMMU does not look */
	bool sync_too_early; /* twin: a SYNC that waits for nothing */

	uint32_t waits, patience; /* calls of wait, until it gives up; 0: never */
	int wait_gives;
	void (*on_doorbell)(struct cmdqrig *rig);
	void (*on_wait)(struct cmdqrig *rig);

	pthread_t thread; /* the SMMU, when it has one of its own */
	bool quit;
};

/* Positions begin at @start. With @own_thread the SMMU looks by itself, else when the bell rings. */
void rig_open(struct cmdqrig *rig, unsigned log2size, uint32_t start, bool own_thread);
void rig_close(struct cmdqrig *rig);
struct iod_smmuv3_cmdq_cfg rig_cfg(struct cmdqrig *rig, unsigned log2size);
/* One turn of the SMMU. */
void rig_turn(struct cmdqrig *rig);
bool rig_complete(struct cmdqrig *rig, uint32_t n);
/* Commands first, first + 1, ... */
void rig_cmds(struct iod_smmuv3_raw_cmd *cmds, uint32_t first, size_t nr);
void rig_cmd(struct iod_smmuv3_raw_cmd *cmd, uint32_t n);
int rig_submit(struct cmdqrig *rig, uint32_t first, size_t nr, bool sync,
	       struct iod_smmuv3_submitted *result);
struct iod_smmuv3_cmdq_stats rig_stats(struct cmdqrig *rig);

#endif
