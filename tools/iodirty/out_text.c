/* SPDX-License-Identifier: MIT */
/* A dump for people: devices, and per space its mappings merged to runs. */
#include "out.h"

#include "text.h"

#include <inttypes.h>
#include <stdio.h>

/* Devices named in a space's heading; the rest is counted. */
#define NAMED_MAX 8u

/* Neighbouring mappings that differ in nothing that is printed. */
struct run {
	uint64_t iova, last, pa;
	const char *perm;
	uint32_t level;
	uint64_t entries, accessed, dirty;
};

struct text_space {
	const struct options *opt;
	enum iod_format format;
	uint32_t levels;
	struct run run; /* entries 0: none */
	uint64_t runs, entries, bytes, accessed, dirty, dirty_bytes, untracked;
};

/* A table at @level; what is in it stands one step further right. */
static void indent(const struct text_space *text, uint32_t level, unsigned more)
{
	uint32_t depth = text->opt->tree && text->levels > level ? text->levels - level + more : 1;

	printf("%*s", (int)depth * 2, "");
}

static void put_run(struct text_space *text)
{
	struct run *run = &text->run;
	char size[TEXT_LEN];

	if (!run->entries)
		return;
	if (!text->runs++ && !text->opt->tree)
		printf("  %-37s %8s  %-18s perm  entries accessed    dirty\n", "iova", "size",
		       "pa");
	indent(text, run->level, 1);
	printf("0x%016" PRIx64 "-0x%016" PRIx64 " %8s", run->iova, run->last,
	       size_text(run->last - run->iova + 1, size));
	if (text->opt->dirty)
		printf("  %-18s", "");
	else
		printf("  0x%016" PRIx64, run->pa);
	printf("  %-4s %8" PRIu64 " %8" PRIu64 " %8" PRIu64 "\n", run->perm, run->entries,
	       run->accessed, run->dirty);
	run->entries = 0;
}

static bool extends(const struct text_space *text, const struct iod_mapping *map)
{
	const struct run *run = &text->run;

	return run->entries && map->iova == run->last + 1 && run->perm == perm_text(map->prot) &&
	       (text->opt->dirty || map->pa == run->pa + (map->iova - run->iova)) &&
	       (!text->opt->tree || map->level == run->level);
}

static void on_mapping(struct text_space *text, const struct iod_mapping *map)
{
	struct run *run = &text->run;
	int dirty = dirty_value(text->format, map);

	text->entries++;
	text->bytes += map->len;
	text->accessed += map->accessed;
	text->dirty += dirty > 0;
	text->dirty_bytes += dirty > 0 ? map->len : 0;
	text->untracked += dirty < 0 && (map->prot & IOD_PROT_WRITE);
	if (text->opt->dirty && dirty <= 0)
		return;
	if (!extends(text, map)) {
		put_run(text);
		*run = (struct run){
			.iova = map->iova,
			.pa = map->pa,
			.perm = perm_text(map->prot),
			.level = map->level,
		};
	}
	run->last = map->iova + (map->len - 1);
	run->entries++;
	run->accessed += map->accessed;
	run->dirty += dirty > 0;
}

static int on_event(void *cookie, const struct iod_visit_event *event)
{
	struct text_space *text = cookie;

	if (event->kind == IOD_VISIT_MAPPING) {
		on_mapping(text, &event->mapping);
		return 0;
	}
	put_run(text);
	indent(text, event->level, 0);
	printf("level %d table 0x%" PRIx64 "  [0x%" PRIx64 "-0x%" PRIx64 "]\n",
	       arch_level(text->format, event->level), event->table_pa, event->iova, event->last);
	return 0;
}

static void put_summary(const struct text_space *text, const struct space *space)
{
	char size[TEXT_LEN], dirty[TEXT_LEN];

	if (!text->entries) {
		printf("  no mappings\n");
		return;
	}
	printf("  %" PRIu64 " entries, %s mapped; accessed: %" PRIu64 "; dirty: %" PRIu64 " (%s)",
	       text->entries, size_text(text->bytes, size), text->accessed, text->dirty,
	       size_text(text->dirty_bytes, dirty));
	if (text->untracked)
		printf("; writable but not tracked: %" PRIu64, text->untracked);
	if (!(space->cfg.features & IOD_PT_HW_DIRTY))
		printf("; hardware does not keep dirty bits here");
	printf("\n");
}

static void put_source(const struct found *device)
{
	char id[TEXT_LEN];

	printf("%s", source_text(device->source_id, id));
	if (device->pasid_valid)
		printf(" pasid 0x%" PRIx32, device->pasid);
}

static void put_heading(struct survey *survey, size_t index)
{
	const struct space *space = &survey->spaces[index];
	size_t i, user = space->first_user;
	struct open_space open;

	printf("\nSpace %zu: %s, root 0x%" PRIx64, index, format_text(space->cfg.format),
	       space->root);
	if (!space_open(survey, index, &open, true)) {
		printf(", %" PRIu32 " levels", open.info.levels);
		if (space->cfg.format != IOD_AMD_V1)
			printf(", %" PRIu32 "-bit iova", open.info.ias);
		if (open.info.granule_lg2 != 12)
			printf(", %uK granule", 1u << (open.info.granule_lg2 - 10));
		space_close(&open);
	}
	if (space->nr_users)
		printf(", %s 0x%" PRIx64 "\n  devices:", domain_name(space->cfg.format),
		       space->cfg.domain);
	for (i = 0; i < space->nr_users && i < NAMED_MAX; i++) {
		printf(i ? ", " : " ");
		put_source(&survey->devices[user]);
		user = space_next_user(survey, index, user);
	}
	if (i < space->nr_users)
		printf(" and %zu more", space->nr_users - i);
	if (space->stage2 != NO_SPACE)
		printf("\n  nested: pa is a guest address that space %zu translates",
		       space->stage2);
	printf("\n");
}

static void put_space(struct survey *survey, const struct options *opt, size_t index)
{
	const struct space *space = &survey->spaces[index];
	struct text_space text = { .opt = opt, .format = space->cfg.format };
	struct space_walk walk = { .tables = opt->tree, .fn = on_event, .cookie = &text };
	struct open_space open;

	put_heading(survey, index);
	if (!space_open(survey, index, &open, true)) {
		text.levels = open.info.levels;
		space_close(&open);
	}
	space_visit(survey, index, &walk);
	put_run(&text);
	put_summary(&text, space);
}

static void put_devices(struct survey *survey, const struct options *opt)
{
	size_t i, blocked = 0;

	printf("Devices:\n");
	for (i = 0; i < survey->nr_devices; i++) {
		const struct found *device = &survey->devices[i];
		bool hide = device->kind == IOD_DEVICE_BLOCKED && !opt->all && !opt->one_device;

		blocked += hide;
		if (device->kind == IOD_DEVICE_BAD)
			survey_complain_device(survey, device);
		if (hide)
			continue;
		printf("  ");
		put_source(device);
		printf(" (0x%" PRIx32 "): %s", device->source_id, device->text);
		if (device->error)
			printf(": %s, at 0x%" PRIx64, device->error, device->error_pa);
		if (device->space != NO_SPACE)
			printf(", space %zu", device->space);
		if (device->space2 != NO_SPACE)
			printf(" on top of space %zu", device->space2);
		printf("\n");
	}
	if (!survey->nr_devices)
		printf("  none\n");
	if (blocked)
		printf("  and %zu whose entries block every request (--all lists them)\n", blocked);
}

void out_text(struct survey *survey, const struct options *opt)
{
	size_t i;

	if (opt->kind != ROOT_TABLE)
		put_devices(survey, opt);
	for (i = 0; i < survey->nr_spaces; i++)
		put_space(survey, opt, i);
}
