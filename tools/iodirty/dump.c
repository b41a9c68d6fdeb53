/* SPDX-License-Identifier: MIT */
/* iodirty dump: devices and mappings from cores. */
#include "cmds.h"
#include "options.h"
#include "out.h"
#include "text.h"

#include <inttypes.h>

static const char usage[] =
	"iodirty dump - devices and their IOMMU mappings, from a memory dump of a guest\n"
	"\n"
	"Usage: iodirty dump ROOT [OPTION...] FILE...\n"
	"\n"
	"Reads ELF cores (QEMU's dump-guest-memory, kernel crash dumps) of x86-64 and\n"
	"AArch64; several files together form one memory. Follows the IOMMU's structures\n"
	"from the value of a register to the devices and their page tables, and prints\n"
	"the mappings, neighbours merged. Nothing is written to the core.\n"
	"\n"
	"  --tree                     the tables as well, as a tree\n"
	"  --dirty                    only the mappings that are marked dirty\n"
	"  --all                      also devices whose entries block every request\n"
	"  --svg FILE                 draw a heat map of mapped and dirty memory\n"
	"\n"
	"With --json: an object with `devices` (source_id, translation, space) and `spaces`\n"
	"(format, root, mappings: one array [iova, size, pa, perm, a, d] per entry, not\n"
	"merged). d is null where hardware does not track it. Blocked devices are listed.\n"
	"\n"
	"How to get the register's value: QEMU's monitor (`xp /2wx` at the IOMMU's MMIO\n"
	"address + 0x20 VT-d, + 0x80 and + 0x88 SMMUv3, + 0 AMD-Vi), or the guest's log.\n"
	"\n"
	"Examples:\n"
	"  iodirty dump --vtd-rtaddr 0x225c400 guest.elf\n"
	"  iodirty dump --smmu-strtab-base 0x481da000 --smmu-strtab-cfg 0x10210 guest.elf\n"
	"  iodirty dump --amd-devtab 0x1000003 --device 00:05.0 --tree guest.elf\n"
	"  iodirty dump --format vtd-first-stage --root 0x2273000 --json guest.elf\n"
	"\n";

static const struct command command = { .name = "dump", .usage = usage };

/* Problems are told while the output is made, for it walks the tables. */
static int print_all(struct survey *survey, const struct options *opt)
{
	int failed = 0;

	if (opt->one_device && !survey->nr_devices) {
		complain("there is no device 0x%" PRIx32, opt->device);
		return EXIT_BAD;
	}
	if (opt->json)
		out_json(survey);
	else
		out_text(survey, opt);
	if (opt->svg)
		failed = out_svg(survey, opt->svg);
	if (survey->missing)
		complain("%u place%s that the core does not hold %s skipped", survey->missing,
			 survey->missing > 1 ? "s" : "", survey->missing > 1 ? "were" : "was");
	return failed ? EXIT_BAD : survey_exit(survey);
}

int cmd_dump(int argc, char **argv)
{
	struct options opt;
	int ret = options_parse(&opt, argc, argv, &command);

	return ret >= 0 ? ret : survey_run(&opt, print_all);
}
