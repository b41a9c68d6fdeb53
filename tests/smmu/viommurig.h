/* SPDX-License-Identifier: MIT */
/*
 * A guest's SMMU under test: a host that records what reaches it and can be made to fail, a generator
 * of batches, and a translator of one command after another, written from the specification with bits
 * of its own.
 */
#ifndef VIOMMURIG_H
#define VIOMMURIG_H

#include "iodtest.h"

#define RIG_VMID 0x2a
/* Devices: guest StreamID n * 8, host StreamID 0x1000 + n. */
#define RIG_DEVICES 12u
#define RIG_LOG	    20000u

struct rig_cmd {
	uint64_t w[2]; /* host byte order */
};

/* What the host's queue saw. */
struct rig_host {
	struct rig_cmd cmd[RIG_LOG];
	size_t nr;
	unsigned int calls, syncs;
	size_t at_sync; /* commands before the last sync */
	bool reject;	/* the command with number fail_at is refused, once */
	size_t fail_at;
	int fail_error; /* what a refused command or sync returns */
	bool fail_sync; /* the next sync fails */
	void (*hook)(struct rig_host *host, const struct rig_cmd *cmd);
	void *priv;
};

struct rig_opts {
	uint32_t flags;
	bool host_ril, guest_ril;
	uint32_t granules; /* of the guest: IOD_SMMUV3_IDR5_GRAN* */
	bool ats, pri, stall;
	int (*cfgi_ste)(void *cookie, uint32_t first, uint32_t last, bool leaf);
	int (*quirk)(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max);
	int (*stranger)(void *cookie, const struct iod_smmuv3_cmd *cmd);
	int (*synced)(void *cookie, const struct iod_smmuv3_cmd *sync);
	const struct iod_inv_cost *cost;
	const struct iod_allocator *allocator;
};

struct rig {
	struct rig_opts opts;
	struct iod_smmuv3_viommu *v;
	struct rig_host host;
	/* as the reference knows them */
	enum iod_vdev_state state[RIG_DEVICES];
	bool linear[RIG_DEVICES];
	uint64_t rng;
};

/* The usual: both sides have ranges, one granule of 4 KiB, ATS. */
struct rig_opts rig_defaults(void);
struct iod_smmuv3_viommu_cfg rig_cfg(struct rig *rig, const struct iod_smmuv3_sink *sink);
struct rig *rig_open(const struct rig_opts *opts);
void rig_close(struct rig *rig);
void rig_forget(struct rig *rig);

uint64_t rig_random(struct rig *rig);
uint64_t rig_below(struct rig *rig, uint64_t n);

/* Words into memory, and back. */
struct iod_smmuv3_raw_cmd rig_raw(uint64_t w0, uint64_t w1);
/* One batch. */
int rig_run(struct rig *rig, const struct rig_cmd *cmds, size_t nr, struct iod_guest_result *res);
/* The host was given exactly these. */
void rig_expect(const struct rig *rig, const struct rig_cmd *want, size_t nr);

/* What the specification, and the rules of translation, make of one guest command. */
struct rig_verdict {
	int error;	 /* 0, or what the batch must end with */
	bool reason_any; /* several reasons fit */
	enum iod_cmd_reason reason;
	size_t nr; /* commands for the host, none of them joined */
	struct rig_cmd cmd[64];
	bool everything; /* so many that it is NH_ALL */
};
struct rig_verdict rig_judge(const struct rig *rig, const struct rig_cmd *g);

/* A command that the guest may have written; @hostile: any bits may be wrong. */
struct rig_cmd rig_generate(struct rig *rig, bool hostile);

/* Nothing but what this guest may cause: fails the test otherwise. */
void rig_check_host(const struct rig *rig);

#endif
