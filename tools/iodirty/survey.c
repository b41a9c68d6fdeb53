/* SPDX-License-Identifier: MIT */
/* Devices and spaces of a core. */
#include "survey.h"

#include "cmds.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* More than any machine has; a core that claims more is damaged. */
#define MAX_DEVICES (1u << 20)

/*
 * Items that all walks together may look at. Tables are seldom shared, so a sound core is done
 * after about as many items as it holds; one whose tables name each other over and over is stopped.
 */
#define BUDGET_MIN (UINT64_C(1) << 22)
#define BUDGET_MAX (UINT64_C(1) << 28)

/* What happens to a device's requests, in the words of the output. */
static const char *device_text(enum root_kind kind, const struct iod_device *dev)
{
	if (dev->kind == IOD_DEVICE_BYPASS)
		return kind == ROOT_SMMU ? "bypass" : "passthrough";
	if (dev->kind != IOD_DEVICE_BLOCKED)
		return dev->translation;
	if (kind == ROOT_SMMU && dev->entry[0] && !(dev->entry[0] >> 3 & 1))
		return "abort"; /* STE.Config 0 to 3 */
	if (kind == ROOT_AMD && !(dev->entry[0] >> 1 & 1))
		return "blocked (TV=0)";
	if (kind == ROOT_AMD && !(dev->entry[0] >> 55 & 1))
		return "blocked (mode 0, IR=0 IW=0)";
	return "blocked";
}

static uint64_t space_hash(const struct space *space)
{
	const uint64_t words[] = {
		space->root,
		(uint64_t)space->cfg.format << 32 | space->cfg.features,
		(uint64_t)space->cfg.levels << 32 | space->cfg.granule,
		(uint64_t)space->cfg.ias << 32 | space->cfg.oas,
		(uint64_t)space->prot ^ (uint64_t)space->stage2 << 8,
	};
	uint64_t h = 0;
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return h;
}

static bool same_space(const struct space *a, const struct space *b)
{
	return a->root == b->root && a->cfg.format == b->cfg.format &&
	       a->cfg.features == b->cfg.features && a->cfg.levels == b->cfg.levels &&
	       a->cfg.granule == b->cfg.granule && a->cfg.ias == b->cfg.ias &&
	       a->cfg.oas == b->cfg.oas && a->prot == b->prot && a->stage2 == b->stage2;
}

/* Slot of the hash table where @space is or belongs. */
static size_t *hash_slot(const struct survey *survey, const struct space *space)
{
	size_t i = (size_t)space_hash(space) & (survey->hash_len - 1);

	while (survey->hash[i] && !same_space(&survey->spaces[survey->hash[i] - 1], space))
		i = (i + 1) & (survey->hash_len - 1);
	return &survey->hash[i];
}

/* Doubles an array that is full. @return 0, -1 */
static int grow(struct survey *survey, void **array, size_t nr, size_t *max, size_t len)
{
	size_t want = *max ? *max * 2 : 64;
	void *bigger;

	if (nr < *max)
		return 0;
	bigger = realloc(*array, want * len);
	if (!bigger) {
		survey->out_of_memory = true;
		return -1;
	}
	*array = bigger;
	*max = want;
	return 0;
}

static int grow_hash(struct survey *survey)
{
	size_t i, len = survey->hash_len ? survey->hash_len * 2 : 128;
	size_t *hash;

	if (survey->nr_spaces * 2 < survey->hash_len)
		return 0;
	hash = calloc(len, sizeof(*hash));
	if (!hash) {
		survey->out_of_memory = true;
		return -1;
	}
	free(survey->hash);
	survey->hash = hash;
	survey->hash_len = len;
	for (i = 0; i < survey->nr_spaces; i++)
		*hash_slot(survey, &survey->spaces[i]) = i + 1;
	return 0;
}

/* @return index of the space, NO_SPACE without memory */
static size_t add_space(struct survey *survey, const struct space *space)
{
	size_t *slot;

	if (grow_hash(survey))
		return NO_SPACE;
	slot = hash_slot(survey, space);
	if (*slot)
		return *slot - 1;
	if (grow(survey, (void **)&survey->spaces, survey->nr_spaces, &survey->max_spaces,
		 sizeof(*survey->spaces)))
		return NO_SPACE;
	survey->spaces[survey->nr_spaces++] = *space;
	*slot = survey->nr_spaces;
	return survey->nr_spaces - 1;
}

static size_t device_space(struct survey *survey, const struct iod_device *dev, size_t *space2)
{
	struct space space = {
		.cfg = dev->cfg,
		.root = dev->root,
		.prot = IOD_PROT_READ | IOD_PROT_WRITE,
		.stage2 = NO_SPACE,
	};
	struct space second = space;
	uint32_t amd_prot = 0;

	/* DTE.IR and IW count as one more level of permissions. */
	if (dev->entry[0] >> 61 & 1)
		amd_prot |= IOD_PROT_READ;
	if (dev->entry[0] >> 62 & 1)
		amd_prot |= IOD_PROT_WRITE;
	if (dev->cfg.format == IOD_AMD_V1)
		space.prot = amd_prot;
	*space2 = NO_SPACE;
	if (dev->stage == 3) {
		second.cfg = dev->cfg2;
		second.root = dev->root2;
		if (dev->cfg2.format == IOD_AMD_V1)
			second.prot = amd_prot;
		*space2 = add_space(survey, &second);
		if (*space2 == NO_SPACE)
			return NO_SPACE;
		space.stage2 = *space2;
	}
	return add_space(survey, &space);
}

/* Appends a device to the users of a space. */
static void use_space(struct survey *survey, size_t space, size_t user)
{
	struct space *sp;
	struct found *last;

	if (space == NO_SPACE)
		return;
	sp = &survey->spaces[space];
	if (!sp->nr_users++) {
		sp->first_user = user;
	} else {
		last = &survey->devices[sp->last_user];
		last->next_user[last->space == space ? 0 : 1] = user;
	}
	sp->last_user = user;
}

size_t space_next_user(const struct survey *survey, size_t space, size_t user)
{
	const struct found *device = &survey->devices[user];

	return device->next_user[device->space == space ? 0 : 1];
}

struct visit {
	struct survey *survey;
	const struct options *opt;
};

static int on_device(void *cookie, const struct iod_device *dev)
{
	struct visit *visit = cookie;
	struct survey *survey = visit->survey;
	struct found *found;
	size_t n = survey->nr_devices;

	if (visit->opt->one_device && dev->source_id != visit->opt->device)
		return 0;
	if (n >= MAX_DEVICES)
		return -E2BIG;
	if (grow(survey, (void **)&survey->devices, n, &survey->max_devices,
		 sizeof(*survey->devices)))
		return -ENOMEM;
	found = &survey->devices[n];
	*found = (struct found){
		.kind = dev->kind,
		.source_id = dev->source_id,
		.pasid_valid = dev->pasid_valid,
		.pasid = dev->pasid,
		.stage = dev->stage,
		.domain = dev->domain,
		.entry_pa = dev->entry_pa,
		.text = device_text(visit->opt->kind, dev),
		.error = dev->error,
		.error_pa = dev->error_pa,
		.space = NO_SPACE,
		.space2 = NO_SPACE,
	};
	if (dev->kind == IOD_DEVICE_TRANSLATED) {
		found->space = device_space(survey, dev, &found->space2);
		if (found->space == NO_SPACE)
			return -ENOMEM;
		use_space(survey, found->space, n);
		use_space(survey, found->space2, n);
	}
	survey->nr_devices++;
	return 0;
}

static int visit_devices(struct survey *survey, const struct options *opt)
{
	struct visit visit = { .survey = survey, .opt = opt };
	struct iod_mem *mem = survey->core->mem;

	switch (opt->kind) {
	case ROOT_VTD:
		return iod_vtd_visit_devices(mem, opt->root, on_device, &visit);
	case ROOT_SMMU:
		return iod_smmuv3_visit_devices(mem, opt->root, opt->strtab_cfg, on_device, &visit);
	default:
		return iod_amdvi_visit_devices(mem, opt->root, on_device, &visit);
	}
}

/* --format: one space, no device. */
static int add_table(struct survey *survey, const struct options *opt)
{
	struct space space = {
		.cfg = opt->cfg,
		.root = opt->root,
		.prot = IOD_PROT_READ | IOD_PROT_WRITE,
		.stage2 = NO_SPACE,
	};
	struct open_space open;
	size_t index = add_space(survey, &space);

	if (index == NO_SPACE) {
		complain("out of memory");
		return -1;
	}
	/* Here nothing else can be printed, so that it is worth a failure. */
	if (space_open(survey, index, &open, false))
		return -1;
	space_close(&open);
	return 0;
}

static void complain_visit(const struct options *opt, int ret)
{
	switch (ret) {
	case -EFAULT:
		complain("the table of devices that 0x%" PRIx64 " names is not in the core",
			 opt->root);
		break;
	case -EINVAL:
		complain("that register value has a reserved mode: 0x%" PRIx64, opt->root);
		break;
	case -E2BIG:
		complain("damaged: more than %u devices", MAX_DEVICES);
		break;
	default:
		complain("%s", strerror(-ret));
	}
}

void survey_rewind(struct survey *survey)
{
	uint64_t items = survey->core->bytes / 8;

	survey->budget = items > BUDGET_MAX / 8 ? BUDGET_MAX : items * 8;
	if (survey->budget < BUDGET_MIN)
		survey->budget = BUDGET_MIN;
	survey->space_budget = items * 2 + 4096;
}

int survey_open(struct survey *survey, struct core *core, const struct options *opt)
{
	int ret;

	memset(survey, 0, sizeof(*survey));
	survey->core = core;
	survey_rewind(survey);
	if (opt->kind == ROOT_TABLE)
		ret = add_table(survey, opt);
	else
		ret = visit_devices(survey, opt);
	if (opt->kind != ROOT_TABLE && ret)
		complain_visit(opt, ret);
	if (ret && !survey->nr_devices) {
		survey_close(survey);
		return -1;
	}
	if (ret)
		survey->damaged++;
	return 0;
}

void survey_close(struct survey *survey)
{
	free(survey->devices);
	free(survey->spaces);
	free(survey->hash);
	memset(survey, 0, sizeof(*survey));
}

int survey_exit(const struct survey *survey)
{
	return survey->damaged ? EXIT_BAD : EXIT_OK;
}

void survey_complain_device(struct survey *survey, const struct found *device)
{
	bool absent = !core_has(survey->core, device->error_pa);
	bool wild = absent && !core_plausible(survey->core, device->error_pa);
	char id[TEXT_LEN];

	if (absent && !wild)
		survey->missing++;
	else
		survey->damaged++;
	complain("device %s (0x%" PRIx32 "): %s, at 0x%" PRIx64 "%s",
		 source_text(device->source_id, id), device->source_id, device->error,
		 device->error_pa, wild ? ", beyond all memory" : "");
}

int survey_run(const struct options *opt,
	       int (*fn)(struct survey *survey, const struct options *opt))
{
	struct survey survey;
	struct core core;
	int ret = EXIT_BAD;

	if (core_open(&core, opt->files, opt->nr_files))
		return EXIT_BAD;
	if (!survey_open(&survey, &core, opt)) {
		ret = fn(&survey, opt);
		survey_close(&survey);
	}
	core_close(&core);
	return ret;
}
