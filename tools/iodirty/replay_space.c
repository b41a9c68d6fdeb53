/* SPDX-License-Identifier: MIT */
/*
 * The space of `iodirty replay`: regions of 2 MiB, mapped when they are first touched, and beside
 * each the program's own record of the pages accessed, which knows nothing of the table.
 */
#include "replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024
#define PA_END	    (1ull << 46) /* fits every format */

static size_t slot_of(const struct replay_space *space, uint64_t index)
{
	return (size_t)((index * 0x9e3779b97f4a7c15ull) >> 20) & (space->nr_slots - 1);
}

struct replay_region *replay_space_find(struct replay_space *space, uint64_t index)
{
	struct replay_region *region = space->recent;
	size_t i;

	if (region && region->index == index)
		return region;
	for (i = slot_of(space, index); space->slots[i]; i = (i + 1) & (space->nr_slots - 1)) {
		if (space->slots[i]->index == index)
			return space->recent = space->slots[i];
	}
	return NULL;
}

static void put_into_slot(struct replay_space *space, struct replay_region *region)
{
	size_t i = slot_of(space, region->index);

	while (space->slots[i])
		i = (i + 1) & (space->nr_slots - 1);
	space->slots[i] = region;
}

/* Room for one more region in both arrays; half of the slots stay free. */
static int make_room(struct replay_space *space)
{
	size_t max = space->max ? space->max * 2 : FIRST_SLOTS / 2, i;
	struct replay_region **sorted, **slots;

	if (space->nr < space->max)
		return 0;
	sorted = realloc(space->sorted, max * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	space->sorted = sorted;
	slots = calloc(max * 2, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(space->slots);
	space->slots = slots;
	space->nr_slots = max * 2;
	space->max = max;
	for (i = 0; i < space->nr; i++)
		put_into_slot(space, sorted[i]);
	return 0;
}

/* --- Mapping -----------------------------------------------------------------------------------*/

/* In the order of first touch; a long trace gets addresses again that it used long ago. */
uint64_t replay_space_next_pa(struct replay_space *space)
{
	uint64_t pa = space->next_pa;

	space->next_pa = (pa + REPLAY_REGION) % PA_END;
	return pa;
}

static int map_region(struct replay_space *space, uint64_t index)
{
	struct replay_region *region;
	int ret = make_room(space);

	space->what = "no memory for another region";
	if (ret)
		return ret;
	region = calloc(1, sizeof(*region));
	if (!region)
		return -ENOMEM;
	region->index = index;
	region->pa = replay_space_next_pa(space);
	space->what = "cannot map";
	ret = iod_map(space->pt, index << REPLAY_REGION_LG2, region->pa, REPLAY_REGION,
		      IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL);
	if (ret) {
		free(region);
		return ret;
	}
	space->sorted[space->nr++] = region;
	put_into_slot(space, region);
	return replay_space_born(space, region);
}

bool replay_space_has(const struct replay_space *space, uint64_t iova, uint64_t len)
{
	const struct iod_pgtable_info *info = &space->info;
	uint64_t last = iova + (len - 1);

	return iova >= info->first && last <= info->last &&
	       (!info->hole_first || last < info->hole_first || iova > info->hole_last);
}

void replay_space_refusal(const struct replay_space *space, uint64_t iova, uint64_t len,
			  char text[REPLAY_REFUSAL])
{
	const struct iod_pgtable_info *info = &space->info;
	char has[96];

	if (info->hole_first)
		snprintf(has, sizeof(has),
			 "0x%" PRIx64 "..0x%" PRIx64 " and 0x%" PRIx64 "..0x%" PRIx64, info->first,
			 info->hole_first - 1, info->hole_last + 1, info->last);
	else
		snprintf(has, sizeof(has), "0x%" PRIx64 "..0x%" PRIx64, info->first, info->last);
	snprintf(text, REPLAY_REFUSAL,
		 "0x%" PRIx64 "..0x%" PRIx64 " is outside the addresses of %s, %s", iova,
		 iova + (len - 1), iod_format_name(info->format), has);
}

int replay_space_map(struct replay_space *space, uint64_t iova, uint64_t len)
{
	uint64_t index = iova >> REPLAY_REGION_LG2;
	uint64_t last = (iova + (len - 1)) >> REPLAY_REGION_LG2;
	uint64_t most = space->opts->limit >> REPLAY_REGION_LG2;
	struct replay_region *region;
	int ret;

	/* Whatever is mapped already, such a range does not fit. */
	space->what = "beyond the limit";
	if (last - index >= most)
		return -E2BIG;
	for (; index <= last; index++) {
		region = replay_space_find(space, index);
		if (region) {
			uint64_t base = index << REPLAY_REGION_LG2;
			uint64_t from = iova > base ? iova - base : 0;
			uint64_t to = iova + (len - 1) - base;

			if (to >= REPLAY_REGION)
				to = REPLAY_REGION - 1;
			ret = replay_space_map_again(space, region, from, to - from + 1);
			if (ret)
				return ret;
			continue;
		}
		space->what = "beyond the limit";
		if (space->nr >= most)
			return -E2BIG;
		ret = map_region(space, index);
		if (ret)
			return ret;
	}
	return 0;
}

static int create_table(struct replay_space *space)
{
	const struct replay_opts *opts = space->opts;
	struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg),
		.format = opts->format,
		.features = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY,
		.pgsize_bitmap = REPLAY_PAGE | (opts->large ? REPLAY_REGION : 0),
		.domain = 1,
	};
	int ret;

	/* Large leaves may be split, if only by an unmap. */
	if (opts->large && (opts->format == IOD_ARM_LPAE_S1 || opts->format == IOD_ARM_LPAE_S2))
		cfg.features |= IOD_PT_BBM_2;
	if (opts->prune)
		cfg.features |= IOD_PT_HW_TABLE_ACCESS;
	space->what = "cannot create the arena for the page tables";
	ret = iod_mem_create_arena(&space->mem, NULL);
	if (ret)
		return ret;
	cfg.mem = space->mem;
	space->what = "cannot create the page table";
	ret = iod_pgtable_create(&space->pt, &cfg);
	if (ret == -EOPNOTSUPP && opts->prune)
		space->what = "--prune: hardware does not promise Accessed bits in the table "
			      "entries of this format";
	if (ret)
		return ret;
	space->info.size = sizeof(space->info);
	return iod_pgtable_get_info(space->pt, &space->info);
}

int replay_space_create(struct replay_space *space, const struct replay_opts *opts)
{
	int ret;

	memset(space, 0, sizeof(*space));
	space->opts = opts;
	space->what = "no memory";
	ret = make_room(space);
	return ret ? ret : create_table(space);
}

int replay_space_map_first(struct replay_space *space)
{
	const struct replay_opts *opts = space->opts;
	unsigned i;
	int ret = 0;

	for (i = 0; !ret && i < opts->nr_maps; i++) {
		if (!replay_space_has(space, opts->maps[i].iova, opts->maps[i].len)) {
			space->what = "--map: not all of it is in the addresses of the format";
			return -ERANGE;
		}
		ret = replay_space_map(space, opts->maps[i].iova, opts->maps[i].len);
	}
	return ret;
}

void replay_space_destroy(struct replay_space *space)
{
	size_t i;

	for (i = 0; i < space->nr; i++) {
		free(space->sorted[i]->pas);
		free(space->sorted[i]);
	}
	free(space->sorted);
	free(space->slots);
	free(space->extents);
	free(space->bits);
	if (space->pt)
		iod_pgtable_destroy(space->pt);
	if (space->mem)
		iod_mem_destroy(space->mem);
	memset(space, 0, sizeof(*space));
}

/* --- Extents -----------------------------------------------------------------------------------*/

static int compare_regions(const void *a, const void *b)
{
	uint64_t x = (*(struct replay_region *const *)a)->index;
	uint64_t y = (*(struct replay_region *const *)b)->index;

	return (x > y) - (x < y);
}

static uint64_t extent_len(const struct replay_extent *extent)
{
	return (uint64_t)extent->nr << REPLAY_REGION_LG2;
}

static int find_extents(struct replay_space *space)
{
	struct replay_extent *extents;
	size_t nr = 0, i;

	extents = realloc(space->extents, space->max * sizeof(*extents));
	if (!extents)
		return -ENOMEM;
	space->extents = extents;
	qsort(space->sorted, space->nr, sizeof(*space->sorted), compare_regions);
	for (i = 0; i < space->nr; i++) {
		if (i && space->sorted[i]->index == space->sorted[i - 1]->index + 1)
			extents[nr - 1].nr++;
		else
			extents[nr++] = (struct replay_extent){ .first = i, .nr = 1 };
	}
	space->nr_extents = nr;
	return 0;
}

static int make_bitmaps(struct replay_space *space)
{
	uint64_t granule = space->opts->granule, len = 0, at = 0;
	size_t i;
	int ret;

	for (i = 0; i < space->nr_extents; i++)
		len += iod_bitmap_bytes(extent_len(&space->extents[i]), granule);
	if (len > SIZE_MAX)
		return -ENOMEM;
	free(space->bits);
	space->bits_len = 0;
	space->bits = malloc((size_t)len);
	if (!space->bits)
		return -ENOMEM;
	space->bits_len = (size_t)len;
	for (i = 0; i < space->nr_extents; i++) {
		struct replay_extent *extent = &space->extents[i];
		uint64_t bytes = iod_bitmap_bytes(extent_len(extent), granule);

		ret = iod_bitmap_init(&extent->bitmap,
				      space->sorted[extent->first]->index << REPLAY_REGION_LG2,
				      extent_len(extent), granule, space->bits + at / 8, bytes, 0);
		if (ret)
			return ret;
		at += bytes;
	}
	return 0;
}

int replay_space_lay_out(struct replay_space *space)
{
	int ret = 0;

	space->what = "no memory for the bitmaps";
	if (space->nr != space->nr_laid_out) {
		ret = find_extents(space);
		if (!ret)
			ret = make_bitmaps(space);
		if (ret)
			return ret;
		space->nr_laid_out = space->nr;
	}
	memset(space->bits, 0, space->bits_len);
	return 0;
}

/* --- Records -----------------------------------------------------------------------------------*/

static void record_page(uint64_t words[REPLAY_WORDS], unsigned page)
{
	((unsigned char *)words)[page / 8] |= (unsigned char)(1u << page % 8);
}

void replay_record(uint64_t words[REPLAY_WORDS], uint64_t offset, uint64_t len)
{
	unsigned page = (unsigned)(offset >> REPLAY_PAGE_LG2);
	unsigned last = (unsigned)((offset + (len - 1)) >> REPLAY_PAGE_LG2);

	for (; page <= last && page < REPLAY_REGION_PAGES; page++)
		record_page(words, page);
}

unsigned replay_count(const uint64_t words[REPLAY_WORDS])
{
	unsigned n = 0, i;

	for (i = 0; i < REPLAY_WORDS; i++)
		n += (unsigned)__builtin_popcountll(words[i]);
	return n;
}

void replay_space_reported(const struct replay_space *space, const struct iod_bitmap *bitmap,
			   const struct replay_region *region, uint64_t words[REPLAY_WORDS])
{
	uint64_t granule = space->opts->granule, offset;
	uint64_t iova = region->index << REPLAY_REGION_LG2;

	/* The bitmap's words are the region's then. */
	if (granule == REPLAY_PAGE) {
		memcpy(words, bitmap->words + (iova - bitmap->base_iova) / 64 / granule,
		       REPLAY_WORDS * sizeof(*words));
		return;
	}
	memset(words, 0, REPLAY_WORDS * sizeof(*words));
	for (offset = 0; offset < REPLAY_REGION; offset += granule)
		if (iod_bitmap_test(bitmap, iova + offset))
			replay_record(words, offset, granule);
}
