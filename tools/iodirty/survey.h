/* SPDX-License-Identifier: MIT */
/*
 * What is in a core: the devices that its structures describe, and the page tables (spaces) that
 * they go through. Devices with the same root and geometry share a space.
 */
#ifndef IODIRTY_SURVEY_H
#define IODIRTY_SURVEY_H

#include <iodirty/devices.h>

#include "elfcore.h"
#include "options.h"

#define NO_SPACE SIZE_MAX

/* A device, or a PASID of it. */
struct found {
	enum iod_device_kind kind;
	uint32_t source_id;
	bool pasid_valid;
	uint32_t pasid;
	uint32_t stage;
	uint64_t domain;
	uint64_t entry_pa;
	const char *text; /* what happens to its requests, in the words of the output */
	const char *error;
	uint64_t error_pa;
	size_t space;	     /* index, or NO_SPACE */
	size_t space2;	     /* nested: of stage 2 */
	size_t next_user[2]; /* next device of the same space, of the same space2 */
};

struct space {
	struct iod_pgtable_cfg cfg; /* without mem */
	uint64_t root;
	uint32_t prot;	 /* what the device's entry permits (AMD), ANDed to every mapping */
	size_t stage2;	 /* index of the space that translates this one's tables, or NO_SPACE */
	size_t nr_users; /* devices */
	size_t first_user, last_user;
};

struct survey {
	struct core *core;
	struct found *devices;
	size_t nr_devices, max_devices;
	struct space *spaces;
	size_t nr_spaces, max_spaces;
	size_t *hash; /* of spaces: index + 1, 0 is free */
	size_t hash_len;
	uint64_t budget;	   /* items of tables that all walks may still look at */
	uint64_t space_budget;	   /* and one walk */
	unsigned damaged, missing; /* problems met */
	bool out_of_memory;
};

/* Finds devices and spaces. @return 0, -1 (said why) */
int survey_open(struct survey *survey, struct core *core, const struct options *opt);
void survey_close(struct survey *survey);

/* Opens the core, surveys it, calls fn, closes. @return fn's exit code, or EXIT_BAD */
int survey_run(const struct options *opt,
	       int (*fn)(struct survey *survey, const struct options *opt));

/* EXIT_OK or EXIT_BAD, after what was met. */
int survey_exit(const struct survey *survey);

/* The device after @user that goes through that space too. */
size_t space_next_user(const struct survey *survey, size_t space, size_t user);

/* Grants the walks a new budget: for another look at everything. */
void survey_rewind(struct survey *survey);

/* Says what is wrong with a bad device, and counts it. */
void survey_complain_device(struct survey *survey, const struct found *device);

/* A space made ready for calls of the library. */
struct open_space {
	struct iod_pgtable *pt;
	struct iod_pgtable_info info;
	struct iod_pgtable *stage2; /* nested: translates guest addresses of tables */
	struct iod_mem *guest_mem;  /* nested: memory as guest addresses name it */
	const struct iod_mem *host_mem;
};

/* @return 0, or -1 when it cannot be attached (said why, and counted, unless @quiet) */
int space_open(struct survey *survey, size_t index, struct open_space *open, bool quiet);
void space_close(struct open_space *open);

/* Called in IOVA order; tables only when asked for. A nonzero return stops. */
typedef int (*space_fn)(void *cookie, const struct iod_visit_event *event);

struct space_walk {
	bool tables; /* tell of tables */
	bool quiet;  /* a second look: problems were told and counted before */
	space_fn fn; /* gets mappings and tables */
	void *cookie;
};

/* Walks a whole space. Problems are told, counted and skipped. @return 0, or what fn returned */
int space_visit(struct survey *survey, size_t index, const struct space_walk *walk);

#endif
