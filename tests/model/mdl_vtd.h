/* SPDX-License-Identifier: MIT */
/*
 * VT-d structures and descriptors as hardware takes them, written from the specification (Intel VT-d, 6.5.2, 7.1.3, 9)
 * and nothing of src/: where a request's entry lies, why it is refused, and whether a descriptor is one.
 */
#ifndef MDL_VTD_H
#define MDL_VTD_H

#include <stdbool.h>
#include <stdint.h>

#include "model.h"

/* Capability registers. Everything is there with all bits of interest set. */
struct mdl_vtd_id {
	uint64_t cap, ecap;
};

/* A request. */
struct mdl_vtd_request {
	uint64_t rtaddr;
	unsigned sid;
	bool has_pasid, priv, page_request;
	unsigned pasid, at; /* AT: 0 untranslated, 1 translation, 2 translated */
	bool old_fields;    /* those of revisions before 5 are taken */
};

struct mdl_vtd_result {
	unsigned reason; /* 7.1.3; 0: none */
	bool fpd;	 /* in an entry that was read */
	uint64_t at;	 /* the entry that decides, or that is refused */
	uint64_t word[8];
	unsigned words;
	unsigned pasid; /* that was looked for */
	bool priv;	/* a supervisor request: its own flag, or RID_PRIV */
};

void mdl_vtd_find(const struct mdl_mem *mem, const struct mdl_vtd_id *id,
		  const struct mdl_vtd_request *req, struct mdl_vtd_result *res);

/* What is wrong with a descriptor. */
enum mdl_vtd_verdict {
	MDL_DESC_OK,
	MDL_DESC_TYPE,	   /* no such type, or the unit has not */
	MDL_DESC_RESERVED, /* reserved bits */
	MDL_DESC_VALUE,	   /* a value that is reserved, or too large for the unit */
};

enum mdl_vtd_verdict mdl_vtd_desc(const uint64_t w[4], const struct mdl_vtd_id *id, bool narrow);

#endif
