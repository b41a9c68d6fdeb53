/* SPDX-License-Identifier: MIT */
/*
 * Unmaps of `iodirty replay`, and changes of page sizes. What an unmap delivers is complete when the
 * gather was synced; unmaps of a trace are synced together, when something is mapped again where one of
 * them was, or at the end of the interval.
 */
#include "replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_page(const uint64_t words[REPLAY_WORDS], unsigned page)
{
	return ((const unsigned char *)words)[page / 8] >> page % 8 & 1;
}

static bool is_empty(const uint64_t words[REPLAY_WORDS])
{
	uint64_t all = 0;
	unsigned i;

	for (i = 0; i < REPLAY_WORDS; i++)
		all |= words[i];
	return !all;
}

static uint64_t base_of(const struct replay_region *region)
{
	return region->index << REPLAY_REGION_LG2;
}

bool replay_region_lies(const struct replay_region *region, uint64_t inside, uint64_t len,
			uint64_t pa)
{
	unsigned page = (unsigned)(inside >> REPLAY_PAGE_LG2), last;

	if (len > REPLAY_REGION - inside)
		return false;
	if (!region->pas)
		return pa == region->pa + inside;
	last = (unsigned)((inside + (len - 1)) >> REPLAY_PAGE_LG2);
	if (pa != region->pas[page] + inside % REPLAY_PAGE)
		return false;
	for (; page < last; page++)
		if (region->pas[page + 1] != region->pas[page] + REPLAY_PAGE)
			return false;
	return true;
}

/* --- Unmap -------------------------------------------------------------------------------------*/

/* The pages [first, end) of a region, of which some may be gone already. */
static int unmap_pages(struct replay_space *space, struct replay_region *region, unsigned first,
		       unsigned end)
{
	struct iod_unmap_dirty unmap = {
		.size = sizeof(unmap),
		.iova = base_of(region) + first * REPLAY_PAGE,
		.len = (end - first) * REPLAY_PAGE,
		.flags = IOD_UNMAP_SPLIT,
		.gather = space->gather,
		.bitmap = &region->delivery,
	};
	unsigned page;
	int ret = 0;

	if (!region->delivery.words)
		ret = iod_bitmap_init(&region->delivery, base_of(region), REPLAY_REGION,
				      space->opts->granule, region->delivered,
				      sizeof(region->delivered), 0);
	if (!ret)
		ret = iod_unmap_dirty(space->pt, &unmap);
	if (ret)
		return ret;
	space->unmapped += unmap.unmapped >> REPLAY_PAGE_LG2;
	region->unmapped_at = space->syncs + 1;
	if (end - first < REPLAY_REGION_PAGES)
		region->large = false;
	for (page = first; page < end; page++) {
		if (!has_page(region->gone, page) && has_page(region->written, page)) {
			replay_record(region->written_gone, page * REPLAY_PAGE, 1);
			((unsigned char *)region->written)[page / 8] &=
				(unsigned char)~(1u << page % 8);
		}
		replay_record(region->gone, page * REPLAY_PAGE, 1);
	}
	return 0;
}

static int unmap_region(struct replay_space *space, struct replay_region *region, uint64_t iova,
			uint64_t last)
{
	uint64_t base = base_of(region);
	unsigned first = 0, end = REPLAY_REGION_PAGES;

	if (iova > base)
		first = (unsigned)((iova - base) >> REPLAY_PAGE_LG2);
	if (last - base < REPLAY_REGION)
		end = (unsigned)((last - base) >> REPLAY_PAGE_LG2) + 1;
	return unmap_pages(space, region, first, end);
}

/* A range may be much larger than what is mapped in it. */
int replay_space_unmap(struct replay_space *space, uint64_t iova, uint64_t len)
{
	uint64_t last = iova + (len - 1), index = iova >> REPLAY_REGION_LG2;
	uint64_t end = last >> REPLAY_REGION_LG2;
	struct replay_region *region;
	size_t i;
	int ret = 0;

	space->what = "cannot unmap";
	if (end - index < space->nr) {
		for (; !ret && index <= end; index++) {
			region = replay_space_find(space, index);
			if (region)
				ret = unmap_region(space, region, iova, last);
		}
		return ret;
	}
	for (i = 0; !ret && i < space->nr; i++) {
		region = space->sorted[i];
		if (region->index >= index && region->index <= end)
			ret = unmap_region(space, region, iova, last);
	}
	return ret;
}

/* --- Map again ---------------------------------------------------------------------------------*/

static int keep_addresses(struct replay_region *region)
{
	unsigned i;

	if (region->pas)
		return 0;
	region->pas = malloc(REPLAY_REGION_PAGES * sizeof(*region->pas));
	if (!region->pas)
		return -ENOMEM;
	for (i = 0; i < REPLAY_REGION_PAGES; i++)
		region->pas[i] = region->pa + i * REPLAY_PAGE;
	return 0;
}

/* The pages [first, end) are gone: map them, elsewhere. */
static int map_hole(struct replay_space *space, struct replay_region *region, unsigned first,
		    unsigned end)
{
	bool whole = end - first == REPLAY_REGION_PAGES;
	uint64_t pa = replay_space_next_pa(space);
	unsigned page;
	int ret = whole ? 0 : keep_addresses(region);

	space->what = "cannot map again";
	if (!ret)
		ret = iod_map(space->pt, base_of(region) + first * REPLAY_PAGE,
			      pa + first * REPLAY_PAGE, (end - first) * REPLAY_PAGE,
			      IOD_PROT_READ | IOD_PROT_WRITE, space->gather, NULL);
	if (ret)
		return ret;
	for (page = first; page < end; page++) {
		((unsigned char *)region->gone)[page / 8] &= (unsigned char)~(1u << page % 8);
		if (!whole)
			region->pas[page] = pa + page * REPLAY_PAGE;
	}
	if (!whole)
		return 0;
	free(region->pas);
	region->pas = NULL;
	region->pa = pa;
	return replay_space_born(space, region);
}

/* Whole holes, so that what was unmapped at once is mapped at once. */
int replay_space_map_again(struct replay_space *space, struct replay_region *region,
			   uint64_t inside, uint64_t len)
{
	unsigned page = (unsigned)(inside >> REPLAY_PAGE_LG2), first, end;
	unsigned last = (unsigned)((inside + (len - 1)) >> REPLAY_PAGE_LG2);
	int ret = 0;

	if (is_empty(region->gone))
		return 0;
	for (; page <= last && !ret; page++) {
		if (!has_page(region->gone, page))
			continue;
		/* Caches must have forgotten what was there. */
		if (region->unmapped_at > space->syncs)
			ret = replay_space_sync(space);
		for (first = page; first && has_page(region->gone, first - 1);)
			first--;
		for (end = page; end < REPLAY_REGION_PAGES && has_page(region->gone, end);)
			end++;
		if (!ret)
			ret = map_hole(space, region, first, end);
	}
	return ret;
}

int replay_space_sync(struct replay_space *space)
{
	int ret = iod_gather_sync(space->gather);

	space->what = "cannot invalidate";
	space->syncs += ret ? 0 : 1;
	return ret;
}

/* --- Sizes -------------------------------------------------------------------------------------*/

static int resize(struct replay_space *space, struct replay_region *region, bool merge)
{
	struct iod_resize arg = {
		.size = sizeof(arg),
		.iova = base_of(region),
		.len = REPLAY_REGION,
		.page_size = merge ? REPLAY_REGION : REPLAY_PAGE,
		.gather = space->gather,
	};
	int ret = merge ? iod_merge_range(space->pt, &arg) : iod_split_range(space->pt, &arg);

	space->what = merge ? "cannot merge" : "cannot split";
	if (ret)
		return ret;
	region->large = merge;
	*(merge ? &space->merges : &space->splits) += arg.entries;
	return arg.entries == 1 ? 0 : -EIO;
}

/* After a region was mapped as a whole. */
int replay_space_born(struct replay_space *space, struct replay_region *region)
{
	region->clean = 0;
	region->large = space->opts->large;
	if (region->large && space->opts->policy == REPLAY_EAGER)
		return resize(space, region, false);
	return 0;
}

int replay_space_split_dirty(struct replay_space *space, const struct replay_extent *extent,
			     struct replay_region *region)
{
	uint64_t reported[REPLAY_WORDS];

	if (!region->large)
		return 0;
	replay_space_reported(space, &extent->bitmap, region, reported);
	return is_empty(reported) ? 0 : resize(space, region, false);
}

int replay_space_merge_clean(struct replay_space *space, struct replay_region *region)
{
	if (!space->opts->large || region->large || region->pas || !is_empty(region->gone) ||
	    region->clean < space->opts->merge_after)
		return 0;
	return resize(space, region, true);
}
