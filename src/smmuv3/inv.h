/* SPDX-License-Identifier: MIT */
/* Inside of iod_smmuv3_inv: a gather's way to an SMMU. */
#ifndef IOD_SMMUV3_INV_H
#define IOD_SMMUV3_INV_H

#include <pthread.h>

#include <iodirty/smmuv3_inv.h>

#include "atomic.h"
#include "smmuv3/cmd.h"
#include "spans.h"

/* Items looked at together: as many as a gather hands over at a time. */
#define INV_BATCH 32u
/* Commands handed over at a time, and room for what a quirk adds. */
#define INV_CHUNK 64u
#define INV_ROOM  (4 * INV_CHUNK)
/* However cheap the caller says they are: never more single commands than this for a batch. */
#define INV_MAX_SINGLES (UINT64_C(1) << 20)
/* What ATCs are to forget: ranges kept apart before neighbours are joined. */
#define INV_MAX_SPANS 256u
/* ATC_INVs for one device before it forgets everything instead, whatever that costs. */
#define INV_MAX_PIECES 128u

struct inv_device {
	uint32_t sid, ssid;
	bool ssv;
	bool fresh; /* it is to forget everything */
	uint8_t stu;
};

struct iod_smmuv3_inv {
	struct iod_allocator allocator;
	struct iod_smmuv3_sink sink;
	int (*quirk)(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max);
	void *quirk_cookie;
	struct iod_inv_cost cost;
	uint32_t flags;
	bool stage2, ranges, el2_too, ats;
	uint32_t sid_bits, ssid_bits;
	/* First words: by address, for everything of the table, of the VMID for combined translations. */
	uint64_t narrow, wide, combined;
	uint64_t wide_cost;

	_Alignas(8) uint64_t nr_devices; /* written under the lock */

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t done;
	bool flushing;		    /* somebody does, for all: `taken` and the devices are his */
	uint64_t recorded, flushed; /* batches */
	bool due;		    /* combined translations */
	bool all;		    /* ATCs forget everything */
	struct span_set pending, taken; /* else these pages of 4 KiB */
	struct inv_device *device;
	size_t max_devices;

	_Alignas(8) uint64_t items, tlbi, wides, atc, syncs; /* figures */
};

/* Commands on their way. */
struct inv_out {
	const struct iod_smmuv3_inv *inv;
	size_t n;
	/* Takes o->cmd[0..n). 0 or an error, which ends it. */
	int (*flush)(struct inv_out *o, bool sync);
	int err;
	uint64_t wides;
	/* encode */
	struct iod_smmuv3_raw_cmd *to;
	size_t to_max, to_n;
	struct iod_smmuv3_raw_cmd cmd[INV_ROOM];
};

/* Room for n <= INV_CHUNK more. */
static inline bool inv_out_room(struct inv_out *o, size_t n)
{
	if (o->n + n > INV_CHUNK && !o->err) {
		o->err = o->flush(o, false);
		o->n = 0;
	}
	return !o->err;
}

/* There is room. */
static inline void inv_out_put(struct inv_out *o, uint64_t w0, uint64_t w1)
{
	struct iod_smmuv3_raw_cmd *cmd = &o->cmd[o->n++];

	cmd->word[0] = iod_le64(w0);
	cmd->word[1] = iod_le64(w1);
}

static inline uint32_t inv_raw_op(const struct iod_smmuv3_raw_cmd *cmd)
{
	return (uint32_t)(iod_le64(cmd->word[0]) & CMD0_OP);
}

/* Begin, and end with what is left; the error, if there was one. */
void iod_smmuv3_inv_out_init(struct inv_out *o, const struct iod_smmuv3_inv *inv,
			     int (*flush)(struct inv_out *o, bool sync));
int iod_smmuv3_inv_out_end(struct inv_out *o, bool sync);

/* Each TLBI twice, for IOD_SMMUV3_INV_REPEAT. */
void iod_smmuv3_inv_repeat(struct inv_out *o);

/* Whether they are all understood. */
bool iod_smmuv3_inv_valid(const struct iod_inv *items, size_t nr);

/* The TLBIs of a batch of at most INV_BATCH valid items. @return whether combined translations are due */
bool iod_smmuv3_inv_tlbi(struct inv_out *o, const struct iod_inv *items, size_t nr);

/* What ATCs must forget of these items, into a set or *all. */
void iod_smmuv3_inv_spans(const struct iod_smmuv3_inv *inv, const struct iod_inv *items, size_t nr,
			  struct span_set *set, bool *all);

/* The ATC_INVs of a set, which is sorted and joined for it, for all devices. fresh: new ones forget everything. */
void iod_smmuv3_inv_atc(struct inv_out *o, struct span_set *set, bool all, bool fresh);

#endif
