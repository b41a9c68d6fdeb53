/* SPDX-License-Identifier: MIT */
/*
 * Splits and merges as they should be: a list of pages, worked out from the contract in resize.h, and the
 * comparison of that list with what the independent walker finds in memory.
 */
#ifndef RESIZERIG_H
#define RESIZERIG_H

#include "iodtest.h"

/* One page: all items of a run. */
struct rsz_page {
	uint64_t iova, size, pa;
	uint32_t prot; /* as asked for, without IOD_PROT_DIRTY */
	int a;	       /* 1, 0; -1: either */
	int d;	       /* as struct mdl_leaf has it */
};

struct rsz_pages {
	struct rsz_page *p;
	size_t nr, cap;
};

/* What a range was mapped with. */
struct rsz_area {
	uint64_t iova, last;
	uint32_t prot;
};

struct rsz {
	struct iodt *t;
	struct rsz_pages now; /* as last loaded or worked out */
	struct rsz_area area[64];
	size_t nr_areas;
	uint64_t sw; /* bits of software's that all leaves carry */
	struct iod_pgtable *own_pt;
	struct iod_gather *own_gather;
};

void rsz_open(struct rsz *r, struct iodt *t);
void rsz_close(struct rsz *r);

/* Maps, and remembers the whole of prot. */
void rsz_map(struct rsz *r, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot);
/* The same; false: this format has no such prot. */
bool rsz_try_map(struct rsz *r, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot);

/* Puts tables built by hand and adopted in the place of the test's own: one of each level, with leaves of
 * level 1 as items 0 to n - 1, alike but for their addresses. Their size; 0: not for this variant. */
uint64_t rsz_adopt(struct rsz *r, unsigned int n, uint32_t prot, uint64_t sw);
void rsz_disown(struct rsz *r);
/* A bit that the format leaves to software, in leaves and table entries. */
uint64_t rsz_sw_bit(const struct iodt_variant *v);

/* What is in memory becomes what is expected: pages, Accessed, Dirty. */
void rsz_load(struct rsz *r);
/* Requires that memory holds what is expected, to the bit; what iodt_verify() wants, besides. */
void rsz_check(struct rsz *r);

/* Work out what comes of it. page_size as in struct iod_resize. Returns how many pages go (split) or come
 * (merge). */
uint64_t rsz_want_split(struct rsz *r, uint64_t iova, uint64_t len, uint64_t page_size);
uint64_t rsz_want_merge(struct rsz *r, uint64_t iova, uint64_t len, uint64_t page_size);

/* Arguments, with the flags that this variant needs. */
struct iod_resize rsz_arg(struct iodt *t, uint64_t iova, uint64_t len, uint64_t page_size);

/*
 * Do it in as many calls as the budget makes it, compare after each, sync. Returns how many calls it took.
 */
uint64_t rsz_split(struct rsz *r, uint64_t iova, uint64_t len, uint64_t page_size, uint64_t budget);
uint64_t rsz_merge(struct rsz *r, uint64_t iova, uint64_t len, uint64_t page_size, uint64_t budget);

/* Page sizes in use, smallest first; how many. */
size_t rsz_sizes(const struct iodt_variant *v, uint64_t sizes[64]);

/* The expected page at an address, or NULL. */
struct rsz_page *rsz_at(struct rsz *r, uint64_t iova);

#endif
