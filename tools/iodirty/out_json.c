/* SPDX-License-Identifier: MIT */
/* A dump for programs. Numbers are hex strings, as JSON has no 64-bit integers. */
#include "out.h"

#include "text.h"

#include <inttypes.h>
#include <stdio.h>

const char *domain_name(enum iod_format format)
{
	switch (format) {
	case IOD_ARM_LPAE_S1:
		return "asid";
	case IOD_ARM_LPAE_S2:
		return "vmid";
	default:
		return "domain_id";
	}
}

static void put_device(const struct survey *survey, const struct found *device)
{
	printf("  {\"source_id\": \"0x%" PRIx32 "\"", device->source_id);
	if (device->pasid_valid)
		printf(", \"pasid\": \"0x%" PRIx32 "\"", device->pasid);
	printf(", \"translation\": \"%s\"", device->text);
	if (device->error)
		printf(", \"error\": \"%s\", \"error_pa\": \"0x%" PRIx64 "\"", device->error,
		       device->error_pa);
	if (device->space != NO_SPACE)
		printf(", \"%s\": \"0x%" PRIx64 "\"",
		       domain_name(survey->spaces[device->space].cfg.format), device->domain);
	printf(", \"entry_pa\": \"0x%" PRIx64 "\"", device->entry_pa);
	if (device->space != NO_SPACE)
		printf(", \"space\": %zu", device->space);
	if (device->space2 != NO_SPACE)
		printf(", \"stage2_space\": %zu", device->space2);
	printf("}");
}

struct json_space {
	enum iod_format format;
	uint64_t mappings;
};

static int put_mapping(void *cookie, const struct iod_visit_event *event)
{
	struct json_space *json = cookie;
	const struct iod_mapping *map = &event->mapping;
	int dirty = dirty_value(json->format, map);

	printf("%s\n    [\"0x%" PRIx64 "\", \"0x%" PRIx64 "\", \"0x%" PRIx64 "\", \"%s\", %d, %s]",
	       json->mappings++ ? "," : "", map->iova, map->len, map->pa, perm_text(map->prot),
	       map->accessed,
	       dirty < 0 ? "null"
	       : dirty	 ? "1"
			 : "0");
	return 0;
}

static void put_users(const struct survey *survey, size_t index)
{
	const struct space *space = &survey->spaces[index];
	size_t i, user = space->first_user, shown = 0;
	uint32_t before = 0;

	printf("   \"devices\": [");
	for (i = 0; i < space->nr_users; i++) {
		uint32_t id = survey->devices[user].source_id;

		if (!shown || id != before)
			printf("%s\"0x%" PRIx32 "\"", shown++ ? ", " : "", id);
		before = id;
		user = space_next_user(survey, index, user);
	}
	printf("],\n");
}

static void put_space(struct survey *survey, size_t index)
{
	const struct space *space = &survey->spaces[index];
	const enum iod_format format = space->cfg.format;
	struct json_space json = { .format = format };
	struct space_walk walk = { .fn = put_mapping, .cookie = &json };
	struct open_space open;

	printf("  {\"id\": %zu, \"format\": \"%s\", \"root\": \"0x%" PRIx64 "\",\n", index,
	       format_text(format), space->root);
	if (!space_open(survey, index, &open, true)) {
		printf("   \"levels\": %" PRIu32 ", \"granule\": \"0x%" PRIx64
		       "\", \"input_bits\": %" PRIu32 ",\n",
		       open.info.levels, UINT64_C(1) << open.info.granule_lg2, open.info.ias);
		space_close(&open);
	}
	printf("   \"%s\": \"0x%" PRIx64 "\", \"ad_enabled\": %s,\n", domain_name(format),
	       space->cfg.domain, space->cfg.features & IOD_PT_HW_DIRTY ? "true" : "false");
	if (space->stage2 != NO_SPACE)
		printf("   \"stage2_space\": %zu,\n", space->stage2);
	put_users(survey, index);
	printf("   \"mappings\": [");
	space_visit(survey, index, &walk);
	printf("]}");
}

void out_json(struct survey *survey)
{
	size_t i;

	printf("{\n \"mapping_columns\": [\"iova\", \"size\", \"pa\", \"perm\", \"a\", \"d\"],\n");
	printf(" \"devices\": [");
	for (i = 0; i < survey->nr_devices; i++) {
		const struct found *device = &survey->devices[i];

		printf("%s\n", i ? "," : "");
		put_device(survey, device);
		if (device->kind == IOD_DEVICE_BAD)
			survey_complain_device(survey, device);
	}
	printf("],\n \"spaces\": [");
	for (i = 0; i < survey->nr_spaces; i++) {
		printf("%s\n", i ? "," : "");
		put_space(survey, i);
	}
	printf("],\n \"problems\": {\"not_in_core\": %u, \"damaged\": %u}\n}\n", survey->missing,
	       survey->damaged);
}
