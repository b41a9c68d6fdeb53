/* SPDX-License-Identifier: MIT */
/*
 * Inside of guest invalidation: the object, and one batch on its way to the host.
 *
 * A batch takes guest commands one by one and collects the host's in a buffer. Each of those knows how
 * many guest commands are through when it was taken; so whatever the sink refuses, the count is exact.
 */
#ifndef IOD_SMMUV3_VIOMMU_INSIDE_H
#define IOD_SMMUV3_VIOMMU_INSIDE_H

#include <iodirty/smmuv3_viommu.h>

#include "smmuv3/cmd.h"
#include "vdevs.h"

/* Kinds of commands. What comes between two of a kind may fill again what the first one emptied. */
enum viommu_kind {
	KIND_NONE,
	KIND_TLBI,
	KIND_CFGI,
	KIND_ATC,
	KIND_OTHER,
};

/* Bits that a command of a common kind may have set: what the decoder says to each of them alone. */
struct viommu_plain {
	uint64_t mask[2]; /* 0: not of this guest, or not common */
	enum viommu_kind kind;
};

#define VIOMMU_NR_PLAIN (IOD_SMMUV3_ATC_INV + 1u)

/* Of a device's word. */
#define VDEV_STATE  3u
#define VDEV_LINEAR (1u << 2)

struct iod_smmuv3_viommu {
	struct iod_smmuv3_viommu_cfg cfg; /* pointers in it: quirk, cfgi_ste, synced, cookie */
	struct iod_smmuv3_sink sink;
	struct iod_allocator allocator;
	struct iod_vdevs vdevs;

	bool ranges;	   /* the host is given ranges */
	bool joins;	   /* what fits is joined, what is there already dropped */
	uint8_t single_tg; /* the only granule that the guest can have; 0: there are several */
	uint8_t granules;  /* bit TG: the guest may name it */
	uint64_t expand;   /* singles for a range, at most; more: everything of the VMID */
	struct viommu_plain plain[VIOMMU_NR_PLAIN]; /* by opcode */
	_Alignas(8) uint64_t stat[5];		    /* enum viommu_stat; atomic */
	_Alignas(8) uint64_t
		owed; /* atomic: errno of a sync that the guest's next SYNC is to tell of; 0 */
};

enum viommu_stat {
	STAT_BATCHES,
	STAT_COMMANDS,
	STAT_REFUSED,
	STAT_HOST,
	STAT_SYNCS,
};

/* A host command, and what it stands for. */
struct batch_note {
	uint32_t done; /* guest commands that are through when it was taken */
	uint32_t sid;  /* of the first guest command in it */
	uint32_t op;
};

/* Invalidations by address that lie side by side and differ in nothing else. */
struct batch_run {
	uint32_t nr;	 /* guest commands in it; 0: there is none */
	uint32_t start;	 /* guest commands before it */
	unsigned int tg; /* granule of first and last */
	uint64_t key[2]; /* words of the host's command without TG, NUM, SCALE, address */
	struct iod_smmuv3_raw_cmd one; /* the first, as the host would be given it */
	uint64_t first, last;
};

/* Guest commands that were seen since the kind changed. */
#define BATCH_RECENT_LG2 4u
struct batch_recent {
	uint64_t word[2];
	uint32_t turn;
};

struct batch {
	struct iod_smmuv3_viommu *v;
	uint32_t flags;	      /* of cfg, and NO_SYNC for parts of a guest's queue */
	unsigned int ticket;  /* iod_vdevs_enter() */
	uint32_t seen;	      /* guest commands translated */
	uint32_t taken;	      /* guest commands that are through when the buffer is empty */
	uint32_t host, syncs; /* as in the result */
	bool unsynced;	      /* something was issued after the last sync */
	bool failed_sync;
	bool issue_failed; /* the error is the sink's */
	enum iod_cmd_reason reason;
	uint32_t sid, op; /* of what failed */
	uint32_t now;	  /* opcode under way, as the guest wrote it */

	enum viommu_kind kind;
	bool all; /* NH_ALL since the kind changed */
	uint32_t turn;
	uint64_t expanded; /* singles beyond one for each range, at most MAX_EXPAND */
	size_t nr;
	struct batch_run run;
	struct batch_recent recent[1u << BATCH_RECENT_LG2];
	struct batch_note note[IOD_SMMUV3_VIOMMU_ISSUE];
	struct iod_smmuv3_raw_cmd buf[IOD_SMMUV3_VIOMMU_ISSUE];
};

/* ---- viommu_batch.c: collecting and issuing ---- */

void iod_viommu_batch_begin(struct batch *b, struct iod_smmuv3_viommu *v, uint32_t flags);
/* Leaves, counts, and fills *res but for size. @ret is what it came to so far. @return the final result */
int iod_viommu_batch_end(struct batch *b, int ret, struct iod_smmuv3_guest_result *res);
/* Most host commands of one guest command that names a device. */
#define BATCH_MARGIN 4u
/* Issues the buffer, and lets those in who change devices. Between guest commands. */
int iod_viommu_make_room(struct batch *b);
/* Hands over what was collected, the run included. */
int iod_viommu_flush(struct batch *b, bool sync);
/*
 * Collects a host command. Guest commands @before are through without it, @after with it; @op and @sid
 * are of the first one that waits for it. May issue what was collected.
 */
int iod_viommu_emit(struct batch *b, const struct iod_smmuv3_raw_cmd *raw, uint32_t before,
		    uint32_t after, uint32_t op, uint32_t sid);
/* The guest command under way needs nothing (more) from the host. */
void iod_viommu_nothing(struct batch *b);

/* ---- viommu_tlbi.c ---- */

/* A TLBI of the guest, checked: its words with the host's VMID. */
int iod_viommu_tlbi(struct batch *b, const uint64_t w[2]);
/* Hands on what was joined. */
int iod_viommu_run_end(struct batch *b);

/* ---- viommu_cmd.c ---- */

/* Finds out which bits are plain. */
void iod_viommu_probe(struct iod_smmuv3_viommu *v);
/* Translates @nr more commands. */
int iod_viommu_feed(struct batch *b, const struct iod_smmuv3_raw_cmd *cmds, size_t nr);

/* To the caller. @return 0, -EINVAL, -E2BIG */
int iod_viommu_result_out(struct iod_smmuv3_guest_result *user,
			  const struct iod_smmuv3_guest_result *res);

/* The words of a command that is right. */
#define VIOMMU_PACK(member, word, hi, lo, shift, forms) \
	if ((forms)&form)                               \
		w[word] |= (uint64_t)cmd->member << (shift);

static inline __attribute__((always_inline)) void
iod_viommu_pack(uint64_t w[2], const struct iod_smmuv3_cmd *cmd, uint32_t form)
{
	w[0] = (uint64_t)cmd->op;
	w[1] = 0;
	CMD_FIELDS(VIOMMU_PACK)
}

static inline struct iod_smmuv3_raw_cmd iod_viommu_raw(uint64_t w0, uint64_t w1)
{
	return (struct iod_smmuv3_raw_cmd){ { iod_le64(w0), iod_le64(w1) } };
}

#endif
