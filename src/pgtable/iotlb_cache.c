/* SPDX-License-Identifier: MIT */
/* A set-associative cache of translations or tables, for the iotlb. */
#include "pgtable/iotlb_cache.h"

#include <errno.h>

#include "bits.h"
#include "pgtable/mem.h"

int iod_tlb_init(struct tlb_cache *cache, const struct iod_allocator *allocator, uint32_t nr,
		 uint32_t ways)
{
	size_t bytes;

	if (__builtin_mul_overflow((size_t)nr, sizeof(*cache->entries), &bytes))
		return -ENOMEM;
	cache->entries = iod_zalloc(allocator, bytes);
	if (!cache->entries)
		return -ENOMEM;
	cache->nr = nr;
	cache->ways = ways;
	return 0;
}

void iod_tlb_fini(struct tlb_cache *cache, const struct iod_allocator *allocator)
{
	iod_zfree(allocator, cache->entries, cache->nr * sizeof(*cache->entries));
}

uint64_t iod_tlb_random(uint64_t *rng)
{
	uint64_t z = *rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Page number modulo the number of sets, as hardware does it; domains are spread over the sets. */
static struct tlb_entry *tlb_set(const struct tlb_cache *cache, uint64_t domain, uint64_t iova,
				 unsigned lg2)
{
	uint32_t sets = cache->nr / cache->ways;

	return cache->entries + (((iova >> lg2) + domain) & (sets - 1)) * cache->ways;
}

/* The entry of exactly this range, or NULL. */
static struct tlb_entry *tlb_find(const struct tlb_cache *cache, uint64_t domain, uint64_t iova,
				  unsigned lg2)
{
	struct tlb_entry *set = tlb_set(cache, domain, iova, lg2);
	uint32_t i;

	for (i = 0; i < cache->ways; i++) {
		if (set[i].lg2 == lg2 && set[i].domain == domain &&
		    set[i].iova == align_down(iova, lg2))
			return &set[i];
	}
	return NULL;
}

struct tlb_entry *iod_tlb_lookup(const struct tlb_cache *cache, uint64_t domain, uint64_t iova)
{
	struct tlb_entry *entry;
	uint64_t sizes;

	for (sizes = cache->sizes; sizes; sizes &= sizes - 1) {
		entry = tlb_find(cache, domain, iova, ctz64(sizes));
		if (entry)
			return entry;
	}
	return NULL;
}

void iod_tlb_drop(struct tlb_cache *cache, struct tlb_entry *entry)
{
	if (!entry->lg2)
		return;
	if (!--cache->count[entry->lg2])
		cache->sizes &= ~BIT64(entry->lg2);
	entry->lg2 = 0;
}

/* Where an entry goes that has no equal in the cache: a free way, or any. */
static struct tlb_entry *tlb_victim(const struct tlb_cache *cache, const struct tlb_entry *entry,
				    uint64_t *rng)
{
	struct tlb_entry *set = tlb_set(cache, entry->domain, entry->iova, entry->lg2);
	uint32_t i;

	for (i = 0; i < cache->ways; i++) {
		if (!set[i].lg2)
			return &set[i];
	}
	return &set[iod_tlb_random(rng) & (cache->ways - 1)];
}

void iod_tlb_insert(struct tlb_cache *cache, const struct tlb_entry *entry, uint64_t *rng)
{
	struct tlb_entry *slot = tlb_find(cache, entry->domain, entry->iova, entry->lg2);

	if (!slot)
		slot = tlb_victim(cache, entry, rng);
	iod_tlb_drop(cache, slot);
	*slot = *entry;
	cache->count[entry->lg2]++;
	cache->sizes |= BIT64(entry->lg2);
}

static bool tlb_covered(const struct tlb_entry *entry, const struct iod_inv *inv)
{
	uint64_t first = align_down(entry->iova, entry->page_lg2);
	uint64_t last = entry->iova | low_mask(entry->page_lg2);

	if (inv->kind == IOD_INV_ALL)
		return true;
	if ((entry->domain ^ inv->domain) & ~inv->domain_ignore)
		return false;
	return inv->kind == IOD_INV_DOMAIN || (first <= inv->last && inv->iova <= last);
}

/* Whether the flags let it go: entries of the walk cache are never global. */
static bool tlb_flagged(const struct tlb_entry *entry, const struct iod_inv *inv)
{
	return !(inv->flags &
		 (entry->prot & IOD_PROT_GLOBAL ? IOD_INV_NO_GLOBAL : IOD_INV_ONLY_GLOBAL));
}

void iod_tlb_invalidate(struct tlb_cache *cache, const struct iod_inv *inv, uint32_t hints)
{
	struct tlb_entry *entry;
	uint32_t i;

	for (i = 0; i < cache->nr; i++) {
		entry = &cache->entries[i];
		if (entry->lg2 && tlb_covered(entry, inv) && tlb_flagged(entry, inv) &&
		    (!hints || (hints >> entry->hint & 1)))
			iod_tlb_drop(cache, entry);
	}
}
