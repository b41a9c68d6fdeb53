/* SPDX-License-Identifier: MIT */
/*
 * Independent oracle: VT-d's invalidation descriptors, page requests, fault records and rings as the specification
 * describes them (Intel VT-d, 6.5.2, 7.1.3, 7.4, 7.6, 11.4), with every field, and what a descriptor removes for
 * certain.
 *
 * Nothing here may include a header of the library.
 */
#ifndef MDL_VTD_INV_H
#define MDL_VTD_INV_H

#include "mdl_vtd.h"

/* ---- Descriptors (6.5.2, 7.6.1) ---- */

enum mdl_vtd_type {
	MDL_VTD_CC = 1,
	MDL_VTD_IOTLB = 2,
	MDL_VTD_DEV_TLB = 3,
	MDL_VTD_IEC = 4,
	MDL_VTD_WAIT = 5,
	MDL_VTD_P_IOTLB = 6,
	MDL_VTD_PASID_CACHE = 7,
	MDL_VTD_P_DEV_TLB = 8,
	MDL_VTD_RESP = 9,
};

enum mdl_vtd_legal {
	MDL_INV_OK,
	MDL_INV_IQE, /* invalidation queue error */
	/*
	 * No source says for certain, or two differ: an error, or the value is cut to what there is. Ids beyond CAP.ND
	 * and ECAP.PSS, AM beyond MAMV, IM beyond MHMV, PD without PDS, response codes 2 to 14, S with ones only.
	 */
	MDL_INV_EITHER,
};

/* Fields that a descriptor does not have are 0. */
struct mdl_vtd_inv {
	enum mdl_vtd_legal legal;
	unsigned type, g;
	uint64_t res[4]; /* set bits of no field */
	unsigned did, sid, pfsid, fm, am, mip, im, iidx, pasid, rc, prgi;
	bool dr, dw, ih, intr, write, fence, drain, s, all_pasids, pp;
	uint32_t data;
	uint64_t addr;
};

/* @narrow: of a ring of 128-bit entries */
void mdl_vtd_inv(const uint64_t w[4], const struct mdl_vtd_id *id, bool narrow,
		 struct mdl_vtd_inv *d);

/* Makes fields 0 that the others leave without meaning, so that descriptors that do the same are equal. */
void mdl_vtd_inv_ignore(struct mdl_vtd_inv *d);

/* What a device TLB must forget: [first, last]; addr and s of d. */
void mdl_vtd_inv_device(const struct mdl_vtd_inv *d, uint64_t *first, uint64_t *last);

enum mdl_vtd_stage { MDL_VTD_FIRST, MDL_VTD_SECOND, MDL_VTD_NESTED };

/* Something that the IOTLB or a paging-structure cache holds. */
struct mdl_vtd_cached {
	/* a translation: how it came to be; a table entry: FIRST of alone or nested first-stage tables, SECOND */
	enum mdl_vtd_stage stage;
	bool table;
	unsigned did, pasid; /* pasid: not of SECOND */
	unsigned lg2;	     /* bytes that it translates, or that the table entry spans */
	uint64_t first;	     /* a multiple of 2^lg2 */
};

/*
 * Whether the descriptor removes it for certain (6.5.2.3, 6.5.2.4). A translation of a large page only if AM is at
 * least that of the page: software must give that, says the specification. What IH = 1 does to cached first-stage
 * table entries of a domain is UNCONFIRMED: they may stay.
 */
bool mdl_vtd_must_go(const struct mdl_vtd_cached *e, const struct mdl_vtd_inv *d);

/* ---- Fault records (11.4.7.6), page requests (7.4.1.1) ---- */

struct mdl_vtd_fault {
	bool f, pp, exe, priv;
	unsigned reason, sid, pasid, at;
	unsigned type; /* T2 T1: 0 write, 1 read, 2 page request, 3 atomic */
	uint64_t addr;
	uint64_t res[2];
};

/* Both: exe, priv, pasid are 0 without PASID; what was there then is in no res. */
void mdl_vtd_fault(const uint64_t w[2], struct mdl_vtd_fault *f);
/* Not reported when FPD is set (7.1.3, Table 30). */
bool mdl_vtd_qualified(unsigned reason);
/* A reason of Table 30. */
bool mdl_vtd_known(unsigned reason);

struct mdl_vtd_preq {
	unsigned type, sid, pasid, prgi;
	bool pp, exe, priv, read, write, last;
	bool stop; /* a stop marker: no response */
	uint64_t addr;
	uint64_t res[4];
};

void mdl_vtd_preq(const uint64_t w[4], struct mdl_vtd_preq *p);

/* ---- Rings (6.5.2, 11.4.9, 11.4.12): offsets in bytes ---- */

struct mdl_vtd_ring {
	uint64_t base;
	unsigned bytes; /* of the ring: 2^QS pages */
	unsigned entry; /* bytes of one */
};

/* @reg: IQA or PQA. @prq: page requests, which have no DW. */
void mdl_vtd_ring(uint64_t reg, bool prq, struct mdl_vtd_ring *r);
unsigned mdl_vtd_ring_next(const struct mdl_vtd_ring *r, unsigned at);
unsigned mdl_vtd_ring_used(const struct mdl_vtd_ring *r, unsigned head, unsigned tail);
/* How many still fit: one slot stays empty. */
unsigned mdl_vtd_ring_room(const struct mdl_vtd_ring *r, unsigned head, unsigned tail);

#endif
