/* SPDX-License-Identifier: MIT */
/*
 * A set-associative cache of things that cover naturally aligned power-of-two ranges of one domain:
 * translations, and tables met on walks. Not thread-safe: the iotlb's lock is held.
 */
#ifndef IOD_PGTABLE_IOTLB_CACHE_H
#define IOD_PGTABLE_IOTLB_CACHE_H

#include <iodirty/gather.h>
#include <iodirty/types.h>

struct tlb_entry {
	uint64_t domain;
	uint64_t iova; /* first byte */
	uint64_t pa;   /* output address of the first byte; or the table */
	uint32_t prot; /* permissions; or what the levels above the table deny */
	uint8_t lg2;   /* log2 of the bytes covered, below 64; 0: no entry here */
	uint8_t page_lg2; /* log2 of the bytes of the page that it was made from: not less. An invalidation
			     of any part of that page drops it */
	uint8_t level; /* of the table */
	uint8_t hint; /* level that invalidations call it by: the leaf's; or that of the entry which
			  points to the table */
	bool dirty;   /* a write through it touches no table */
};

struct tlb_cache {
	struct tlb_entry *entries;
	uint32_t nr, ways;
	uint64_t sizes;	    /* bit n: count[n] is not 0 */
	uint32_t count[64]; /* entries of each size */
};

/** @p nr and @p ways are powers of two, ways <= nr. @return 0, -ENOMEM */
int iod_tlb_init(struct tlb_cache *cache, const struct iod_allocator *allocator, uint32_t nr,
		 uint32_t ways);
void iod_tlb_fini(struct tlb_cache *cache, const struct iod_allocator *allocator);

/** The smallest entry that covers @p iova, or NULL. */
struct tlb_entry *iod_tlb_lookup(const struct tlb_cache *cache, uint64_t domain, uint64_t iova);

/** Put in an entry: in place of its equal, in a free way, or of the victim that @p rng names. */
void iod_tlb_insert(struct tlb_cache *cache, const struct tlb_entry *entry, uint64_t *rng);

void iod_tlb_drop(struct tlb_cache *cache, struct tlb_entry *entry);

/** Drop whatever @p inv covers, wholly or in part; of the levels in @p hints only, if that is not 0. */
void iod_tlb_invalidate(struct tlb_cache *cache, const struct iod_inv *inv, uint32_t hints);

/** The next number of a seeded sequence (splitmix64). */
uint64_t iod_tlb_random(uint64_t *rng);

#endif
