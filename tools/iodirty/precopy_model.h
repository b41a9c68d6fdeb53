/* SPDX-License-Identifier: MIT */
/*
 * The parts of `iodirty precopy`: what was asked for, the modelled VM with its DMA agents, the
 * migration, its results, and the ways to show them.
 */
#ifndef PRECOPY_MODEL_H
#define PRECOPY_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <iodirty/iodirty.h>

#include "cmds.h"
#include "figures.h"
#include "term.h"

#define PRECOPY_PAGE_LG2   12
#define PRECOPY_PAGE	   (1ull << PRECOPY_PAGE_LG2)
#define PRECOPY_FORMATS	   6
#define PRECOPY_POLICIES   3
#define PRECOPY_MAX_ROUNDS 100 /* live rounds; the final pass has a slot of its own */
#define PRECOPY_MAX_AGENTS 64
#define PRECOPY_LOST_SHOWN 4
#define PRECOPY_RATE_AUTO  UINT64_MAX

/* How a run ended: the program's exit codes. */
enum precopy_exit {
	PRECOPY_OK = EXIT_OK,
	PRECOPY_LOST = EXIT_BAD, /* a write was lost, or another check failed */
	PRECOPY_USAGE = EXIT_USAGE,
	PRECOPY_CANNOT = EXIT_CANNOT,
};

enum precopy_pages {
	PRECOPY_4K,
	PRECOPY_2M,
	PRECOPY_MIXED,
};

/* What becomes of large pages, so that one write does not send a whole one. */
enum precopy_policy {
	PRECOPY_NONE,	  /* they stay */
	PRECOPY_EAGER,	  /* all are split before the first round */
	PRECOPY_ON_DIRTY, /* those that a sweep finds dirty are split */
};

/* Violations of the protocol of docs/dirty.md, each of which must make the check fail. */
enum precopy_break {
	PRECOPY_BREAK_NONE,
	PRECOPY_BREAK_COPY_BEFORE_SYNC, /* copies while the old translations are still in use */
	PRECOPY_BREAK_SKIP_INVALIDATE,	/* cleans the tables and tells nobody */
	PRECOPY_BREAK_SKIP_ATC,		/* invalidates IOTLBs and forgets the devices' own caches */
	PRECOPY_BREAK_FORGET_UNMAPPED,	/* drops what an unmap delivered */
};

struct precopy_opts {
	enum iod_format formats[PRECOPY_FORMATS];
	unsigned nr_formats;
	enum precopy_policy policies[PRECOPY_POLICIES];
	unsigned nr_policies;
	uint64_t memory;      /* bytes */
	uint64_t rate;	      /* pages written per second by all agents; 0: flat out */
	uint64_t bandwidth;   /* bytes per second of the link */
	uint64_t downtime_ns; /* what the last live round may take to send */
	uint64_t seed;
	unsigned agents;
	unsigned max_rounds;
	unsigned hot;	  /* percent of the writes that go to the hot set */
	unsigned hot_set; /* percent of the memory that is hot */
	unsigned unplug;  /* buffers unmapped and mapped elsewhere per second */
	enum precopy_pages pages;
	enum precopy_break violation;
	const char *svg;
	const char *json;
	bool quiet;
};

struct precopy_agent;
struct precopy_plug;
struct precopy_iommu;

/* What an IOMMU took out of its command queue. */
struct precopy_commands {
	uint64_t tlbi;
	uint64_t ranges; /* of these, by range */
	uint64_t atc;
	uint64_t syncs;
};

/* What a vendor calls it. */
struct precopy_words {
	const char *iommu, *tlbi, *atc, *sync;
};

struct precopy_vm {
	const struct precopy_opts *opts;
	struct iod_mem *mem;
	struct iod_pgtable *pt;
	_Atomic uint32_t *version; /* the contents of a page: how often it was written */
	uint32_t *dest;		   /* the contents that the destination has */
	uint64_t pages;
	uint64_t writable; /* pages below this index are written; those above only read */
	struct precopy_agent *agents;
	unsigned nr_agents;
	unsigned running;
	struct precopy_plug *plug;   /* NULL: nothing is unplugged */
	struct precopy_iommu *iommu; /* how invalidations reach the caches */
	struct iod_bitmap delivered; /* guest pages that were dirty when they were unmapped */
	uint64_t *delivered_bits;
	uint64_t map_ns; /* what mapping took */
	atomic_bool stop;
	const char *what; /* what failed, after an error */
};

/* What the agents did, valid once they have stopped. */
struct precopy_activity {
	uint64_t writes;    /* pages */
	uint64_t reads;	    /* pages */
	uint64_t misplaced; /* pages that the IOTLB translated wrongly */
	uint64_t ns;	    /* how long they ran */
	uint64_t hits;
	uint64_t misses;
	uint64_t unplugs;   /* buffers unmapped */
	uint64_t delivered; /* dirty pages that came with that */
	uint64_t refused;   /* writes that came after that */
	struct precopy_commands commands;
	int error; /* of the first agent that failed */
	struct iod_fault fault;
};

int precopy_vm_create(struct precopy_vm *vm, const struct precopy_opts *opts,
		      enum iod_format format, enum precopy_policy policy);
void precopy_vm_destroy(struct precopy_vm *vm);
int precopy_vm_start(struct precopy_vm *vm);
void precopy_vm_stop(struct precopy_vm *vm, struct precopy_activity *did);
/* How a gather reaches the agents' caches. */
void precopy_vm_gather(struct precopy_vm *vm, struct iod_gather_cfg *cfg);
/* Every IOTLB obeys; the devices' own caches do not. */
int precopy_vm_obey(struct precopy_vm *vm, const struct iod_inv *inv, size_t nr);
/* The cache of a device, by its number; NULL: it has none. The one that is unplugged is the last. */
struct iod_iotlb *precopy_vm_atc(struct precopy_vm *vm, uint32_t device);

/* The smallest page that can be split, of those that map the memory. */
uint64_t precopy_vm_large(const struct precopy_vm *vm);
/* bits |= what was delivered since the last call. */
void precopy_vm_take_delivered(struct precopy_vm *vm, struct iod_bitmap *bitmap);

/* precopy_plug.c: a device whose buffers are mapped and unmapped all the time. vm->plug may be NULL. */
int precopy_plug_create(struct precopy_vm *vm);
void precopy_plug_destroy(struct precopy_plug *plug);
int precopy_plug_start(struct precopy_plug *plug);
void precopy_plug_stop(struct precopy_plug *plug, struct precopy_activity *did);
struct iod_iotlb *precopy_plug_atc(struct precopy_plug *plug);

/* precopy_iommu.c: an IOMMU's command queue on the way to the caches. */
int precopy_iommu_create(struct precopy_vm *vm, enum iod_format format);
void precopy_iommu_destroy(struct precopy_iommu *iommu);
void precopy_iommu_gather(const struct precopy_iommu *iommu, struct iod_gather_cfg *cfg);
/* What the queue has seen; nobody may be using it. */
void precopy_iommu_did(const struct precopy_iommu *iommu, struct precopy_commands *did);
/* The tag of the page table in the agents' caches. */
uint64_t precopy_iommu_tag(enum iod_format format);
const struct precopy_words *precopy_iommu_words(enum iod_format format);

struct precopy_round {
	uint64_t start_ns; /* since the migration began */
	uint64_t dirty;	   /* pages to copy */
	uint64_t changed;  /* of these, pages that really differed from the destination's */
	uint64_t items;	   /* table entries looked at */
	uint64_t sweep_ns;
	uint64_t sync_ns;
	uint64_t copy_ns;
	uint64_t split; /* large pages */
	uint64_t split_ns;
	uint64_t invalidations; /* commands issued, before they are multiplied to the agents */
};

struct precopy_lost {
	uint64_t page;
	uint32_t version;
	uint32_t dest;
};

/* Why pre-copy ended and the VM was stopped. */
enum precopy_end {
	PRECOPY_CONVERGED,
	PRECOPY_STALLED, /* the agents dirty memory faster than the link carries it */
	PRECOPY_ROUNDS,	 /* --rounds */
};

struct precopy_result {
	enum iod_format format;
	enum precopy_policy policy;
	const char *name;
	int error;	  /* a negative errno when the library or the system refused */
	const char *what; /* and what it refused */
	enum precopy_end end;
	struct precopy_round rounds[PRECOPY_MAX_ROUNDS + 1]; /* the last one is the final pass */
	unsigned nr_rounds;
	uint64_t pages;
	uint64_t table_bytes;
	uint64_t map_ns;
	uint64_t total_ns;
	uint64_t downtime_ns;
	uint64_t eager_split; /* large pages split before the first round */
	uint64_t eager_ns;
	uint64_t sent;	       /* pages, all rounds */
	uint64_t reported;     /* pages, all rounds but the first, which copies everything */
	uint64_t changed;      /* of these, pages that had changed */
	uint64_t read_only;    /* pages that are only ever read */
	uint64_t read_dirtied; /* reports of such pages */
	uint64_t lost;
	struct precopy_lost lost_shown[PRECOPY_LOST_SHOWN];
	uint64_t version_sum; /* writes, as counted in memory */
	struct precopy_activity did;
};

/* How a run is shown while it goes on. */
struct precopy_report {
	const struct precopy_opts *opts;
	struct term term;
	bool bars;	  /* there is room for them */
	bool splits;	  /* a column for large pages split */
	bool pending;	  /* a progress line is on the screen */
	uint64_t next_ns; /* when progress may be shown next */
	const char *format;
};

void precopy_report_init(struct precopy_report *rep, const struct precopy_opts *opts);
void precopy_report_start(struct precopy_report *rep);
void precopy_report_begin(struct precopy_report *rep, const struct precopy_result *res);
void precopy_report_head(struct precopy_report *rep, const struct precopy_result *res);
void precopy_report_progress(struct precopy_report *rep, unsigned round, const char *phase,
			     uint64_t done, uint64_t total);
void precopy_report_round(struct precopy_report *rep, const struct precopy_result *res,
			  const struct precopy_round *round, bool final);
void precopy_report_end(struct precopy_report *rep, const struct precopy_result *res);
void precopy_report_summary(struct precopy_report *rep, const struct precopy_result *res,
			    unsigned nr);
int precopy_write_json(const char *path, const struct precopy_opts *opts,
		       const struct precopy_result *res, unsigned nr);
int precopy_write_svg(const char *path, const struct precopy_opts *opts,
		      const struct precopy_result *res, unsigned nr);

/* One migration on one format. The result tells all; the return value is for the exit code. */
enum precopy_exit precopy_migrate(const struct precopy_opts *opts, enum iod_format format,
				  enum precopy_policy policy, struct precopy_report *rep,
				  struct precopy_result *res);
bool precopy_passed(const struct precopy_result *res);
/* What the link carries in the downtime asked for. */
uint64_t precopy_threshold(const struct precopy_opts *opts);

uint64_t precopy_rate(const struct precopy_opts *opts);
void precopy_sleep(uint64_t ns);

const char *precopy_text_pages(enum precopy_pages pages);
const char *precopy_text_policy(enum precopy_policy policy);
/* The format, and the policy when there are several. */
const char *precopy_text_name(char text[FIGURE_LEN], const struct precopy_opts *opts,
			      const struct precopy_result *res);

#endif
