/* SPDX-License-Identifier: MIT */
/*
 * Inside of guest invalidation: the object, and one batch on its way to the host. What is not the SMMU's own is in
 * guest_batch.h.
 */
#ifndef IOD_SMMUV3_VIOMMU_INSIDE_H
#define IOD_SMMUV3_VIOMMU_INSIDE_H

#include <iodirty/smmuv3_viommu.h>

#include "guest_batch.h"
#include "smmuv3/cmd.h"

/* Kinds of commands. What comes between two of a kind may fill again what the first one emptied. */
enum viommu_kind {
	KIND_NONE,
	KIND_TLBI,
	KIND_CFGI,
	KIND_ATC,
	KIND_OTHER,
};

struct viommu_plain {
	struct guest_plain words; /* none: not of this guest, or not common */
	enum viommu_kind kind;
};

#define VIOMMU_NR_PLAIN (IOD_SMMUV3_ATC_INV + 1u)

/* Of a device's word. */
#define VDEV_STATE  3u
#define VDEV_LINEAR (1u << 2)

struct iod_smmuv3_viommu {
	struct guest_core core;
	struct iod_smmuv3_viommu_cfg cfg; /* pointers in it: quirk, cfgi_ste, synced, cookie */
	struct iod_smmuv3_sink sink;
	struct iod_allocator allocator;

	bool ranges;	   /* the host is given ranges */
	bool joins;	   /* what fits is joined, what is there already dropped */
	uint8_t single_tg; /* the only granule that the guest can have; 0: there are several */
	uint8_t granules;  /* bit TG: the guest may name it */
	uint64_t expand;   /* singles for a range, at most; more: everything of the VMID */
	struct viommu_plain plain[VIOMMU_NR_PLAIN]; /* by opcode */
};

static inline struct iod_vdevs *viommu_vdevs(struct iod_smmuv3_viommu *v)
{
	return &v->core.table[0];
}

/* Invalidations by address that lie side by side and differ in nothing else. */
struct batch_run {
	uint32_t start;	 /* guest commands before it */
	unsigned int tg; /* granule of first and last */
	uint64_t key[2]; /* words of the host's command without TG, NUM, SCALE, address */
	struct iod_smmuv3_raw_cmd one; /* the first, as the host would be given it */
	uint64_t first, last;
};

struct batch {
	struct guest_batch g;
	struct iod_smmuv3_viommu *v;
	struct batch_run run; /* g.run_nr: guest commands in it */
	struct iod_smmuv3_raw_cmd buf[GUEST_ISSUE];
};

static inline struct batch *batch_of(struct guest_batch *g)
{
	return (struct batch *)((char *)g - offsetof(struct batch, g));
}

/* ---- viommu_batch.c: collecting ---- */

extern const struct guest_ops iod_smmuv3_guest_ops;

void iod_viommu_batch_begin(struct batch *b, struct iod_smmuv3_viommu *v, uint32_t flags);
/*
 * Collects a host command. Guest commands @before are through without it, @after with it; @op and @sid
 * are of the first one that waits for it. May issue what was collected.
 */
int iod_viommu_emit(struct batch *b, const struct iod_smmuv3_raw_cmd *raw, uint32_t before,
		    uint32_t after, uint32_t op, uint32_t sid);

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
