/* SPDX-License-Identifier: MIT */
/*
 * A driver and its devices on the two sides of an emulated IOMMU, whichever: threads of DMA, rounds of migration
 * (pages are swept, invalidated, copied while devices write; after the final pass the copy is what the memory
 * is), and pages mapped and unmapped (when a gather is synced, no DMA reaches the page).
 */
#ifndef EMUWORLD_H
#define EMUWORLD_H

#include <pthread.h>

#include <iodirty/emu.h>
#include <iodirty/sweep.h>

#include "iodtest.h"

#define EW_PAGES     128u		 /* written and migrated */
#define EW_WINDOW    16u		 /* mapped and unmapped */
#define EW_DATA	     (UINT64_C(1) << 36) /* output address of page 0 */
#define EW_IOVA	     UINT64_C(0x10000000)
#define EW_WINDOW_AT UINT64_C(0x20000000)
#define EW_DMAS	     2

struct emuworld_ops {
	int (*access)(void *emu, const struct iod_emu_req *req, struct iod_emu_result *result);
	int (*dma)(void *emu, const struct iod_emu_req *req, uint64_t len,
		   int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
		   void *cookie);
};

struct emuworld {
	const struct emuworld_ops *ops;
	void *emu;
	struct iod_pgtable *pt; /* what is tracked */
	struct iod_gather *gather;
	struct iod_emu_req req; /* of the device: source, PASID */
	bool untracked;		/* nothing is marked: no migration */
	uint64_t atc;	   /* the device's ATC: what page 0 translates to, writable; 0: nothing */
	unsigned int stop; /* atomic */
	unsigned int bad;  /* atomic: DMA that reached a page after it was unmapped */
	unsigned int mapped[EW_WINDOW]; /* atomic: the page may be reached */
	_Alignas(8) uint64_t data[EW_PAGES],
		copy[EW_PAGES];	     /* atomic: what lies in the pages; word by word is enough */
	_Alignas(8) uint64_t writes; /* atomic */
	unsigned int inside, go;     /* atomic: of ew_slow_dma() */
	pthread_t thread[EW_DMAS];
};

/* Maps all pages; @guest, which may be NULL, maps them and the window to themselves. */
void ew_map(struct emuworld *w, struct iod_pgtable *guest);
/* One DMA, as a device's thread makes them. */
void ew_dma(struct emuworld *w, uint64_t iova);
void ew_start(struct emuworld *w);
void ew_stop(struct emuworld *w);
/* One round of migration. */
void ew_round(struct emuworld *w, uint32_t flags);
/* Until so many DMAs were made beside it: map, unmap, migrate. */
void ew_rounds(struct emuworld *w, uint64_t dmas);
/* Pages that are not what was copied. */
unsigned int ew_lost(struct emuworld *w);
/* One DMA at a time: loses one page, and reaches one that was unmapped, when nothing is invalidated. */
void ew_steps(struct emuworld *w);
/* A device with a cache of its own writes page 0: through that, or it asks. A request that wants to write marks the page
 * now. */
void ew_ats_write(struct emuworld *w);
/* For ops.atc_inv: page 0 is forgotten, if that is in the range. */
void ew_forget(struct emuworld *w, uint64_t first, uint64_t last);
/* @act is to return only when a DMA of two pages that was under way is through; it is, a while later. */
void ew_slow_dma(struct emuworld *w, void (*act)(void *cookie), void *cookie);

#endif
