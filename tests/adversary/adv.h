/* SPDX-License-Identifier: MIT */
/*
 * The adversary: devices write into pages through caches of their own while one actor migrates (sweep,
 * invalidate, copy), one splits and merges, one unmaps with dirty and maps elsewhere. Each page has a
 * version that every write raises; when all have stopped, each page's copy must be of its last version.
 *
 * The same actors run as threads (adv_threads.c), and one at a time in an order that a seed decides
 * (adv_determ.c), where a loss can be run again. See docs/adversary.md.
 *
 * Words: a page is one smallest page of IOVA, a frame one of output address. A group is as many pages as
 * the largest page in use has: no page straddles two. Groups have owners (try-locks), because the order of
 * overlapping mutations is the caller's business; sweeps and DMA go everywhere.
 */
#ifndef ADV_H
#define ADV_H

#include <pthread.h>
#include <semaphore.h>

#include "iodtest.h"

/* What is broken on purpose; each is also run whole. */
enum adv_twin {
	ADV_NONE,
	ADV_EARLY_COPY,	     /* pages are copied before the invalidation is complete */
	ADV_NO_ATC,	     /* invalidations do not reach ATCs */
	ADV_LEAF_ONLY,	     /* a merge's invalidations keep walk caches */
	ADV_PLAIN_STORE,     /* items are cleaned by load and store */
	ADV_NO_GRACE,	     /* tables are freed while readers may be in them */
	ADV_NO_HARVEST,	     /* tables that an unmap cut off are not looked at again */
	ADV_NO_HARVEST_LIVE, /* nor those that a merge did */
	ADV_BORN_CLEAN,	     /* the parts of a dirty page are clean after a split */
	ADV_CLEAN_PARTIAL,   /* a page partly inside the range is cleaned */
	ADV_LEAF_LEVEL, /* commands for tables that were cut off say that only leaves changed (Arm: carry the
			   level of leaves) */
	ADV_TWINS,
};

struct adv_cfg {
	const struct iodt_variant *v;
	uint64_t seed;
	enum adv_twin twin; /* what the run leans to */
	bool broken;	    /* and whether it is broken */
	bool only_losses;   /* whatever else comes of it, go on */
	bool trace;	    /* print every step */
	unsigned int steps; /* adv_determ() */
	double seconds;	    /* adv_threads() */
};

struct adv_result {
	bool failed;
	bool loss; /* what failed is that a page was lost */
	char what[256];
	_Alignas(8) uint64_t others; /* findings that were passed over */
	uint64_t steps, points, switches;
	uint64_t writes, faults, sweeps, copied, splits, merges, unmaps, maps;
	uint64_t hash; /* of the order of events */
};

/* Runs one world to its end. */
void adv_determ(const struct adv_cfg *cfg, struct adv_result *res);
void adv_threads(const struct adv_cfg *cfg, struct adv_result *res);

/* ---- the world ---- */

#define ADV_AGENTS  4
#define ADV_ACTORS  10
#define ADV_NOWHERE UINT32_MAX
#define ADV_RANGES  3 /* ranges of one batch */

struct adv_world;
struct adv_actor;
struct adv_iommu;

/* One page of IOVA. */
struct adv_page {
	_Alignas(8) uint64_t state; /* atomic: serial number << 1 | mapped for certain */
	/* under the group's lock */
	uint32_t frame;	  /* where it is mapped, or was last */
	uint64_t changed; /* serial number of when it became that one */
	bool mapped;	  /* owner's */
};

/* A group maps to one of two halves of a pair of places; pairs are swapped between groups. */
struct adv_was {
	uint64_t since;
	uint32_t pair;
};

struct adv_group {
	int busy; /* atomic: somebody owns it */
	pthread_mutex_t lock;
	struct adv_was *was; /* the last one counts */
	size_t nr_was, cap_was;
};

/* Of a device. */
struct adv_agent {
	struct iod_iotlb *tlb;
	uint32_t flags;
	uint64_t rng;
	bool busy; /* under one's nose: paused inside a DMA, so that an invalidation would wait */
};

enum adv_role { ADV_AGENT, ADV_MIGRATOR, ADV_RESIZER, ADV_MAPPER };

/* Invalidations on their way from one gather. */
struct adv_queue {
	struct adv_world *w;
	struct adv_actor *actor; /* NULL: of the last pass */
	struct iod_inv inv[64];
	size_t nr;
	bool lazy;  /* obeyed when the sync waits for them, not before */
	bool merge; /* of a merge that is under way */
	struct adv_iommu
		*iommu; /* where w->commands is set: the way through an IOMMU, once it was needed */
};

/* A range of pages. */
struct adv_range {
	uint32_t page, nr;
};

struct adv_migration {
	unsigned int phase;
	struct iod_sweep s;
	struct iodt_bits bits;
	struct adv_range r;
	uint64_t since;
	bool by_bitmap; /* read first, then clean by the bitmap */
	struct iod_mapping edge[2];
};

/* A device that knows the way to a page, and goes there when the table is gone. */
struct adv_witness {
	bool there;
	unsigned int agent;
	uint32_t page;
};

struct adv_resizing {
	unsigned int phase;
	bool merge, spare, reported;
	struct adv_range pages;
	struct adv_witness witness;
	uint64_t since; /* the sweep before it began */
	struct iod_resize r;
	struct iodt_bits bits;
};

struct adv_mapping {
	unsigned int phase;
	struct adv_range r[ADV_RANGES];
	unsigned int nr;
	bool swap;  /* of two groups */
	bool plain; /* without dirty: all of it is copied */
	struct iodt_bits bits;
	unsigned char *taken; /* a page that this one unmapped, and that was not invalidated yet */
};

struct adv_actor {
	struct adv_world *w;
	enum adv_role role;
	unsigned int id;
	char name[16];
	uint64_t rng;
	_Alignas(8) uint64_t ops; /* atomic */
	struct iod_gather *gather;
	struct iod_gather *other; /* what the first one holds is sometimes moved there */
	struct adv_queue queue;
	struct adv_range owned; /* groups */
	union {
		struct adv_migration migration;
		struct adv_resizing resizing;
		struct adv_mapping mapping;
	} u;
	/* of the runners */
	pthread_t thread;
	sem_t turn;
	bool done, reading;
	bool sweeping; /* inside a sweep: what it cleaned may not be recorded yet */
	bool (*ready)(void *arg);
	void *arg;
	const uint64_t *items; /* what a kernel of this actor is at */
	uint64_t nr_items;
};

struct adv_world {
	struct adv_cfg cfg;
	struct adv_result *res;
	uint64_t seed; /* of this variant */
	struct iod_mem *mem;
	struct iod_pgtable *pt;
	uint64_t page, large; /* smallest and largest page in use */
	uint64_t sizes;
	uint64_t iova, pa;
	uint32_t group_pages, groups, pages, frames;
	uint32_t resize_flags; /* of split and merge, where hardware needs it */
	bool prune, untracked;
	bool flaky;  /* invalidations fail now and then */
	bool scarce; /* memory for tables runs out */
	struct adv_page *pg;
	struct adv_group *group;
	/* by frame, atomic */
	uint32_t *version; /* raised by every write */
	uint32_t *good;	   /* the last of a write that was not refused */
	uint32_t *copy;	   /* as migrated */
	uint32_t *writers; /* mappings through which it may still be written */
	struct adv_agent agent[ADV_AGENTS];
	struct adv_actor actor[ADV_ACTORS];
	unsigned int nr_actors;
	_Alignas(8) uint64_t serial, dmas; /* atomic */
	_Alignas(8) uint64_t focus;	   /* atomic: first page << 32 | pages that are worked on */
	int spare;			   /* atomic: no writes there, only reads */
	uint64_t silent;		   /* from this step on devices do nothing */
	int stop;			   /* atomic */
	bool commands;			   /* invalidations go through an IOMMU's queue */
	pthread_mutex_t lock;		   /* of the result */
	/* of the runner: what happens between two steps inside the library */
	void (*point)(struct adv_world *w, const char *where);
	void (*wait)(struct adv_world *w, bool (*ready)(void *arg), void *arg);
	bool in_burst;
};

/* The actor that runs in this thread, or NULL. */
extern _Thread_local struct adv_actor *adv_self;

/* adv_world.c */
bool adv_open(struct adv_world *w, const struct adv_cfg *cfg, struct adv_result *res);
void adv_close(struct adv_world *w);
/* When all have stopped: the last pass, then compare. */
void adv_last_pass(struct adv_world *w);

uint64_t adv_mix(uint64_t z);
uint64_t adv_random(uint64_t *rng);
uint64_t adv_below(uint64_t *rng, uint64_t n);
bool adv_chance(uint64_t *rng, unsigned int percent);

void adv_fail(struct adv_world *w, bool loss, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void adv_note(struct adv_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool adv_stopped(const struct adv_world *w);
void adv_stop(struct adv_world *w);
void adv_count(uint64_t *counter, uint64_t n);

uint64_t adv_serial(struct adv_world *w);      /* now */
uint64_t adv_next_serial(struct adv_world *w); /* later than anything before */
uint64_t adv_iova(const struct adv_world *w, uint32_t page);
/* Devices go there more often; spare: to read, so that they know the way, and it stays clean. */
void adv_set_focus(struct adv_world *w, struct adv_range r, bool spare);

/* adv_pages.c: which page is where, and copies */
uint32_t adv_frame(struct adv_world *w, uint32_t page, unsigned int half);
void adv_copy_frame(struct adv_world *w, uint32_t frame);
/* Copies what was mapped at a page at any time since then. */
void adv_copy_page(struct adv_world *w, uint32_t page, uint64_t since);
void adv_copy_bits(struct adv_world *w, const struct iodt_bits *bits, uint64_t since);
void adv_place(struct adv_world *w, struct adv_range r, unsigned int half);
void adv_swap(struct adv_world *w, uint32_t a, uint32_t b); /* groups */
void adv_set_state(struct adv_world *w, uint32_t page, bool mapped);
/* One at a time only: no page may be behind its last write that is neither dirty nor on its way. */
void adv_check(struct adv_actor *self);
void adv_bits_new(struct adv_world *w, struct iodt_bits *bits, uint64_t granule);
void adv_bits_free(struct iodt_bits *bits);
bool adv_own(struct adv_actor *a, struct adv_range groups);
void adv_disown(struct adv_actor *a);

/* adv_hw.c: devices, and the way of an invalidation */
bool adv_hw_open(struct adv_world *w);
void adv_hw_close(struct adv_world *w);
void adv_dma(struct adv_world *w, struct adv_agent *agent, bool pauses);
/* One at a time only. */
void adv_witness(struct adv_world *w, struct adv_witness *witness, bool reads);
void adv_burst(struct adv_world *w, uint64_t *rng); /* a few, from inside something else */
struct iod_gather *adv_gather(struct adv_world *w, struct adv_queue *q, uint64_t *rng);
/* Sync or flush until it succeeds, here or in the other gather. */
void adv_settle(struct adv_actor *a, bool flush);
/* Whether an error is to be expected in this world. */
bool adv_excused(const struct adv_world *w, int ret);

/* adv_iommu.c: invalidations as an IOMMU's commands, where w->commands is set */
typedef void (*adv_obey_fn)(struct adv_world *w, struct adv_agent *agent, const struct iod_inv *inv,
			    size_t nr);
bool adv_iommu_wanted(const struct adv_world *w, uint64_t *rng);
/* A batch into the queue, out of it, and to the agents' caches. */
void adv_iommu_deliver(struct adv_queue *q, const struct iod_inv *inv, size_t nr, adv_obey_fn obey);
void adv_iommu_close(struct adv_queue *q);

/* adv_actors.c and adv_mutators.c: one step; and, after the last, to where nothing is half done */
bool adv_actors_open(struct adv_world *w);
void adv_actors_close(struct adv_world *w);
void adv_step(struct adv_actor *a);
/* What it will copy, or NULL. */
const struct iodt_bits *adv_reported(const struct adv_actor *a);
void adv_finish(struct adv_actor *a);
void adv_resizer_step(struct adv_actor *a);
void adv_mapper_step(struct adv_actor *a);
/* Maps what is not mapped of a range. */
void adv_map_range(struct adv_world *w, struct adv_range r, uint64_t *rng,
		   struct iod_gather *gather);

/* adv_hooks.c: where the library was stepped into */
extern struct adv_world *adv_now; /* the world that runs */
void adv_harvest_early(struct iod_gather *gather, bool merge);

/* adv_main.c */
struct adv_case {
	const char *name;
	enum adv_twin twin;
	uint32_t need;
	void (*fn)(const struct iodt_variant *v, enum adv_twin twin);
};
int adv_main(int argc, char **argv, const struct adv_case *cases, size_t nr);
size_t adv_variants(void);
uint64_t adv_first_seed(void);
double adv_seconds(double seconds);
double adv_clock(void);

#endif
