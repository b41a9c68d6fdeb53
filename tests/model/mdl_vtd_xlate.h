/* SPDX-License-Identifier: MIT */
/*
 * Independent oracle: an untranslated request through a VT-d unit, from RTADDR to the address or the fault: structures
 * (mdl_vtd.h), first stage, second stage, both (Intel VT-d, 3.6 to 3.8, 7.1.3, 9.7 to 9.10), and which Accessed and
 * Dirty bits it sets. Nothing here may include a header of the library.
 *
 * Left out, and said so by `beyond`: EAFE, SSIRWE, supervisor writes with WPE = 0, nested tables whose walks are not
 * snooped, reads of the interrupt range. And where a walker that takes what is reserved marks more, not less: SNP without
 * snoop control, addresses between MGAW and an AW of whole levels more.
 */
#ifndef MDL_VTD_XLATE_H
#define MDL_VTD_XLATE_H

#include "mdl_vtd.h"

struct mdl_vtd_unit {
	struct mdl_vtd_id id;
	uint64_t rtaddr;
	bool old_fields;	   /* those of revisions before 5 are taken */
	const struct mdl_mem *mem; /* cmpxchg64: whether it can be written; nothing is */
};

struct mdl_vtd_access {
	unsigned sid, pasid;
	bool has_pasid, priv, write;
	uint64_t iova;
};

#define MDL_VTD_WHYS  16
#define MDL_VTD_MARKS 64

/* Bits that hardware sets in a table's entry. */
struct mdl_vtd_mark {
	uint64_t pa;
	uint64_t must, may; /* may: besides */
};

struct mdl_vtd_outcome {
	bool beyond; /* not modelled; nothing else is valid */
	bool granted;
	uint64_t pa;
	/* refused: any of these is right (7.1.3 gives no order), or, of structures, the one */
	unsigned why[MDL_VTD_WHYS], nr_why;
	bool fpd; /* qualified faults are not recorded */
	bool is_structure;
	struct mdl_vtd_mark mark[MDL_VTD_MARKS];
	unsigned nr_marks;
};

void mdl_vtd_access(const struct mdl_vtd_unit *u, const struct mdl_vtd_access *a,
		    struct mdl_vtd_outcome *o);

#endif
