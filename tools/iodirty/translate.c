/* SPDX-License-Identifier: MIT */
/* iodirty translate: where one IOVA leads, for each device. */
#include "cmds.h"
#include "options.h"
#include "survey.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"iodirty translate - where one IOVA leads, from a memory dump of a guest\n"
	"\n"
	"Usage: iodirty translate ROOT [OPTION...] FILE... IOVA\n"
	"\n"
	"Reads the same cores as `iodirty dump`, and looks one address up in the page\n"
	"table of each device (or of --device): output address, size and permission of\n"
	"the mapping, its level as the architecture counts (Arm: 3 is the lowest, others:\n"
	"1), Accessed and Dirty bits, and the entry itself.\n"
	"\n"
	"With --json: an object with `iova` and `translations`, an array of one object per\n"
	"device: source_id, translation, mapped, and for a mapping pa, size, perm, level,\n"
	"a, d, pte, pte_pa.\n"
	"\n"
	"Examples:\n"
	"  iodirty translate --vtd-rtaddr 0x225c400 --device 00:05.0 guest.elf 0x100000\n"
	"  iodirty translate --format amd-v1 --root 0x19ebde000 --levels 5 guest.elf 0x100000\n"
	"\n";

static const struct command command = { .name = "translate", .usage = usage, .takes_iova = true };

struct answer {
	const struct found *device; /* NULL: --format */
	enum iod_format format;
	bool mapped, bypass;
	struct iod_mapping map;
	uint64_t pa;	 /* after stage 2, if any */
	const char *why; /* not mapped: the reason */
};

/* @return 0 or -1: a table on the way is damaged or not in the core */
static int look_up(struct survey *survey, size_t index, uint64_t iova, struct answer *answer)
{
	const struct space *space = &survey->spaces[index];
	struct open_space open;
	int ret;

	answer->format = space->cfg.format;
	answer->why = "no usable table";
	if (space_open(survey, index, &open, false))
		return -1;
	ret = iod_translate(open.pt, iova, &answer->map);
	answer->map.prot &= space->prot | ~(IOD_PROT_READ | IOD_PROT_WRITE);
	answer->pa = answer->map.pa + (iova - answer->map.iova);
	if (!ret && open.stage2) {
		uint64_t guest = answer->pa;

		ret = iod_iova_to_phys(open.stage2, guest, &answer->pa);
		if (ret)
			complain("guest address 0x%" PRIx64 " is not mapped by stage 2", guest);
	}
	space_close(&open);
	answer->mapped = !ret;
	answer->why = ret == -ERANGE   ? "outside the table's input range"
		      : ret == -EFAULT ? "a table on the way is damaged or not in the core"
				       : "not mapped";
	return ret == -EFAULT ? -1 : 0;
}

static void print_text(const struct options *opt, const struct answer *answer)
{
	const struct iod_mapping *map = &answer->map;
	int dirty = answer->mapped ? dirty_value(answer->format, map) : 0;
	char text[TEXT_LEN];

	if (answer->device) {
		printf("%s", source_text(answer->device->source_id, text));
		if (answer->device->pasid_valid)
			printf(" pasid 0x%" PRIx32, answer->device->pasid);
		printf(" (%s): ", answer->device->text);
	}
	printf("iova 0x%" PRIx64, opt->iova);
	if (answer->bypass) {
		printf(" -> pa 0x%" PRIx64 ", passed through\n", opt->iova);
		return;
	}
	if (!answer->mapped) {
		printf(": %s\n", answer->why);
		return;
	}
	printf(" -> pa 0x%" PRIx64 ", size %s, %s, level %d, A=%d D=%s, entry 0x%" PRIx64
	       " at 0x%" PRIx64 "\n",
	       answer->pa, size_text(map->len, text), perm_text(map->prot),
	       arch_level(answer->format, map->level), map->accessed,
	       dirty < 0 ? "untracked"
	       : dirty	 ? "1"
			 : "0",
	       map->pte, map->pte_pa);
}

static void print_json(const struct answer *answer, bool first)
{
	const struct iod_mapping *map = &answer->map;
	int dirty = answer->mapped ? dirty_value(answer->format, map) : 0;

	printf("%s\n  {", first ? "" : ",");
	if (answer->device) {
		printf("\"source_id\": \"0x%" PRIx32 "\", ", answer->device->source_id);
		if (answer->device->pasid_valid)
			printf("\"pasid\": \"0x%" PRIx32 "\", ", answer->device->pasid);
		printf("\"translation\": \"%s\", ", answer->device->text);
	}
	printf("\"mapped\": %s", answer->mapped ? "true" : "false");
	if (answer->mapped)
		printf(", \"pa\": \"0x%" PRIx64 "\"", answer->pa);
	if (answer->mapped && !answer->bypass)
		printf(", \"size\": \"0x%" PRIx64 "\", \"perm\": \"%s\", \"level\": %d, \"a\": %d, "
		       "\"d\": %s, \"pte\": \"0x%" PRIx64 "\", \"pte_pa\": \"0x%" PRIx64 "\"",
		       map->len, perm_text(map->prot), arch_level(answer->format, map->level),
		       map->accessed,
		       dirty < 0 ? "null"
		       : dirty	 ? "1"
				 : "0",
		       map->pte, map->pte_pa);
	printf("}");
}

/* @return 0 or -1 as look_up() */
static int answer_device(struct survey *survey, const struct options *opt,
			 const struct found *device, struct answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->device = device;
	answer->why = device->text;
	switch (device->kind) {
	case IOD_DEVICE_TRANSLATED:
		return look_up(survey, device->space, opt->iova, answer);
	case IOD_DEVICE_BYPASS:
		answer->bypass = answer->mapped = true;
		answer->pa = opt->iova;
		return 0;
	case IOD_DEVICE_BAD:
		answer->why = device->error;
		survey_complain_device(survey, device);
		return -1;
	default:
		return 0;
	}
}

/* One answer per device, or the one of --format. */
static int answer_all(struct survey *survey, const struct options *opt)
{
	size_t i, nr = opt->kind == ROOT_TABLE ? 1 : survey->nr_devices;
	bool mapped = false, bad = false, first = true;

	if (opt->json)
		printf("{\n \"iova\": \"0x%" PRIx64 "\",\n \"translations\": [", opt->iova);
	for (i = 0; i < nr; i++) {
		struct answer answer = { .device = NULL };

		if (opt->kind == ROOT_TABLE)
			bad |= look_up(survey, 0, opt->iova, &answer) != 0;
		else
			bad |= answer_device(survey, opt, &survey->devices[i], &answer) != 0;
		mapped |= answer.mapped;
		/* Entries that block everybody would drown the answer. */
		if (!opt->one_device && answer.device && answer.device->kind == IOD_DEVICE_BLOCKED)
			continue;
		if (opt->json)
			print_json(&answer, first);
		else
			print_text(opt, &answer);
		first = false;
	}
	if (opt->json)
		printf("]\n}\n");
	else if (first)
		printf("iova 0x%" PRIx64 ": no device\n", opt->iova);
	return bad ? EXIT_BAD : mapped ? survey_exit(survey) : EXIT_UNMAPPED;
}

int cmd_translate(int argc, char **argv)
{
	struct options opt;
	int ret = options_parse(&opt, argc, argv, &command);

	return ret >= 0 ? ret : survey_run(&opt, answer_all);
}
