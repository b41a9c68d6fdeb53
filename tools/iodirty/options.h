/* SPDX-License-Identifier: MIT */
/* What `iodirty dump` and `iodirty translate` are asked to do. */
#ifndef IODIRTY_OPTIONS_H
#define IODIRTY_OPTIONS_H

#include <iodirty/pgtable.h>

/* Where the search for page tables begins. */
enum root_kind {
	ROOT_NONE,
	ROOT_VTD,   /* root: RTADDR */
	ROOT_SMMU,  /* root: STRTAB_BASE */
	ROOT_AMD,   /* root: device table base */
	ROOT_TABLE, /* root: a page table of cfg */
};

struct options {
	char *const *files;
	int nr_files;
	enum root_kind kind;
	uint64_t root;
	uint32_t strtab_cfg;
	struct iod_pgtable_cfg cfg;
	bool one_device;
	uint32_t device;
	bool json, tree, dirty, all;
	const char *svg;
	uint64_t iova; /* translate */
};

/* Which command is parsed for. */
struct command {
	const char *name;
	const char *usage; /* the whole help text but for the common options */
	bool takes_iova;   /* the last argument is an IOVA; no --tree, --dirty, --svg, --all */
};

/*
 * Parses, and says on stderr what is wrong.
 * @return -1 to go on; else what to exit with (also after --help)
 */
int options_parse(struct options *opt, int argc, char **argv, const struct command *command);

#endif
