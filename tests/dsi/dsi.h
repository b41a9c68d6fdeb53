/* SPDX-License-Identifier: MIT */
/*
 * A deterministic simulator of a guest that invalidates lazily and domain-selectively, under a VMM that shadows
 * its IOMMU page table (VT-d in caching mode; any format here), while the VM is being migrated.
 *
 * The guest: a driver maps buffers page by page, devices write to them, the driver unmaps them: entries go from
 * the guest's table at once, but the invalidation waits in a queue, until the queue is full or a timer ends; then
 * one invalidation of the domain, and only then the addresses are used again.
 *
 * The VMM: maps in the shadow what the guest says it mapped. On an invalidation of the domain it walks the
 * guest's table from end to end, finds what is gone, and unmaps it from the shadow in one batch, with its dirty
 * state. Beside that it sweeps, syncs and copies in rounds.
 *
 * Every page of the guest has a version that each write of a device raises. At the end every copy must be of the
 * last version. Time is simulated, chance comes from a seed: equal configurations do equal things.
 */
#ifndef DSI_H
#define DSI_H

#include "iodtest.h"

#define DSI_MS	     UINT64_C(1000000) /* time is in nanoseconds */
#define DSI_S	     (1000 * DSI_MS)

#define DSI_PAGE     IODT_4K
#define DSI_WINDOWS  2
#define DSI_PAGES    (1u << 20) /* of a window: 4 GiB */
#define DSI_AGENTS   2
#define DSI_BUFFERS  4096
#define DSI_NO_FRAME UINT32_MAX

/* What a workload does. */
struct dsi_preset {
	const char *name;
	uint64_t gap;		     /* mean time between two buffers */
	uint64_t hold_min, hold_max; /* a buffer's life */
	uint32_t pages_min, pages_max;
	uint32_t writes;  /* of devices, per buffer */
	uint32_t high;	  /* of 100 buffers, so many above 4 GiB */
	uint32_t queue;	  /* entries of the guest's flush queue */
	uint64_t timeout; /* of its timer */
	uint64_t round;	  /* time between two rounds of pre-copy */
	uint32_t frames;  /* pages of the guest */
	/* invalidations of the domain seen in the field: so many in so many seconds */
	uint32_t flushes, seconds;
};

extern const struct dsi_preset dsi_presets[];
extern const size_t dsi_nr_presets;
const struct dsi_preset *dsi_preset(const char *name);

/* How the VMM unmaps. */
enum dsi_how {
	DSI_SHADOW,	/* the library's shadow */
	DSI_BATCH,	/* by hand: iod_unmap_dirty_batch(), one sync, then the bitmaps */
	DSI_JOIN,	/* iod_dirty_log_unmap(), of a log in guest addresses */
	DSI_READ_QUIET, /* a sweep that only reads, then iod_unmap(), while devices do nothing */
	/* and what loses pages: */
	DSI_SHADOW_PLAIN, /* a shadow that was not told to track */
	DSI_SHADOW_NO_HARVEST,
	DSI_READ_FIRST, /* the same while devices are at work */
	DSI_PLAIN,	/* iod_unmap() */
	DSI_EARLY,	/* the bitmaps are read, and pages copied, before the sync */
	DSI_NO_HARVEST, /* tables that are cut off are looked at before the invalidation only */
};

struct dsi_cfg {
	const struct iodt_variant *v; /* of the shadow, and of the guest's table */
	const struct dsi_preset *preset;
	uint64_t time; /* how long */
	uint64_t seed;
	enum dsi_how how;
};

struct dsi_result {
	uint64_t buffers, writes;
	uint64_t flushes, by_timer, by_full;
	uint64_t requests, largest_batch, by_table; /* by_table: requests of 2 MiB and more */
	uint64_t unmapped;			    /* pages */
	uint64_t reported;			    /* pages in the bitmaps of unmaps */
	uint64_t late, late_written;   /* writes after the guest had unmapped; let through */
	uint64_t rounds, swept;	       /* swept: pages found dirty */
	uint64_t invalidations, syncs; /* for unmaps */
	uint64_t most_mapped;	       /* pages at a time */
	uint64_t walked, walked_most;  /* items of the guest's table, in all and in one flush */
	uint64_t tables_most;	       /* of the guest, at the flush that walked most */
	uint64_t swept_most;	       /* items of one sweep */
	uint64_t shadow_tables_most;   /* at that sweep */
	uint64_t copied, lost;
};

/* Fails the test on any error but lost pages. */
void dsi_run(const struct dsi_cfg *cfg, struct dsi_result *res);

/* ---- inside ---- */

struct dsi_buffer {
	uint64_t iova;
	uint32_t pages, order;
	int window; /* -1: unused */
};

/* The driver, its addresses, its queue. */
struct dsi_guest {
	struct iod_mem *mem;
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	uint64_t base[DSI_WINDOWS];	 /* first address of each */
	uint32_t bump[DSI_WINDOWS];	 /* pages below that were never used */
	uint32_t *free[DSI_WINDOWS][20]; /* page numbers, by order; last in, first out */
	uint32_t nr_free[DSI_WINDOWS][20], cap_free[DSI_WINDOWS][20];
	struct dsi_buffer buffer[DSI_BUFFERS];
	uint32_t queue[DSI_BUFFERS];
	uint32_t nr_queue;
};

/* A range to unmap from the shadow, and where its bits go. */
struct dsi_unmap {
	uint64_t first, last; /* page numbers in the window */
	int window;
	struct iod_bitmap bm;
	uint64_t *mem; /* NULL: the window's */
};

struct dsi_hole {
	uint64_t first, last; /* page numbers in the window, inclusive */
	int window;
};

struct dsi_vmm {
	struct iod_mem *mem;
	struct iod_pgtable *pt;
	struct iod_gather *round, *gather; /* of the sweeps; of the unmaps */
	struct iod_iotlb *agent[DSI_AGENTS];
	uint32_t *frame[DSI_WINDOWS];  /* what each page is mapped to */
	uint64_t *mapped[DSI_WINDOWS]; /* a bit for each */
	uint64_t nr_mapped;
	uint64_t *bits[DSI_WINDOWS];	/* a bitmap for each: sweeps, unmaps */
	uint32_t *version, *copy;	/* of each frame */
	unsigned char *pending, *dirty; /* swept, not synced yet; to be copied */
	struct dsi_unmap *unmap;
	struct iod_unmap_dirty *arg;
	size_t nr, cap;
	struct dsi_hole *hole;
	size_t nr_holes, cap_holes;
	bool late;		   /* devices write into what is being unmapped */
	struct iod_shadow *shadow; /* NULL: by hand */
	struct iod_dirty_log *log; /* DSI_JOIN */
	struct iod_gpa_join *join;
};

struct dsi {
	const struct dsi_cfg *cfg;
	struct dsi_result *res;
	uint64_t rng, now;
	struct dsi_guest guest;
	struct dsi_vmm vmm;
};

uint64_t dsi_random(struct dsi *d);
uint64_t dsi_below(struct dsi *d, uint64_t n);

/* dsi_guest.c */
void dsi_guest_open(struct dsi *d);
void dsi_guest_close(struct dsi *d);
/* Maps a new buffer. DSI_BUFFERS: too many at a time. */
uint32_t dsi_guest_map(struct dsi *d);
/* Takes it from the guest's table and queues it. True: the queue is full. */
bool dsi_guest_unmap(struct dsi *d, uint32_t buffer);
/* The invalidation is complete: addresses may be used again. */
void dsi_guest_flushed(struct dsi *d);

/* dsi_vmm.c */
void dsi_vmm_open(struct dsi *d);
void dsi_vmm_close(struct dsi *d);
/* The guest says that it mapped something there. */
void dsi_vmm_mapped(struct dsi *d, uint64_t iova, uint64_t len);
/* A device of the guest writes one byte. False: refused. */
bool dsi_vmm_write(struct dsi *d, unsigned int agent, uint64_t iova);
/* Devices write into what is being unmapped: their requests were on the way when the guest unmapped. */
void dsi_vmm_late_writes(struct dsi *d);
/* The guest invalidates its domain. */
void dsi_vmm_invalidate(struct dsi *d);
/* Parts of a round. */
void dsi_vmm_sweep(struct dsi *d, uint32_t flags);
void dsi_vmm_sync(struct dsi *d);
void dsi_vmm_copy(struct dsi *d);

/* dsi_shadow.c: the same by the library. */
bool dsi_how_shadow(enum dsi_how how);
void dsi_shadow_open(struct dsi *d);
void dsi_shadow_close(struct dsi *d);
void dsi_shadow_mapped(struct dsi *d, uint64_t iova, uint64_t len);
void dsi_shadow_invalidate(struct dsi *d);
/* Tables that are cut off are not looked at again. */
extern bool dsi_no_harvest;
/* Page number in its window; -1: in none. */
int dsi_window_of(const struct dsi *d, uint64_t iova, uint64_t *page);
/* dsi_join.c: the same with a dirty log and a join. */
void dsi_join_open(struct dsi *d, const struct iod_inv_ops *ops);
void dsi_join_close(struct dsi *d);
void dsi_join_sync(struct dsi *d, uint32_t flags);
void dsi_join_unmap(struct dsi *d, uint64_t iova, uint64_t len);

/* dsi_unmap.c: unmaps what the holes of the guest's table cover of the shadow. */
void dsi_vmm_unmap_holes(struct dsi *d);
uint64_t dsi_iova(const struct dsi *d, int window, uint64_t page);

#endif
