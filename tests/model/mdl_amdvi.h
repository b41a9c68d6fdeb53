/* SPDX-License-Identifier: MIT */
/*
 * Independent oracle: an AMD IOMMU as bits.md A3, B2 and C3 describe it (AMD 48882), and what public emulators and
 * drivers agree on. Nothing here may include a header of the library.
 *
 * Much of the specification could not be read. Where sources leave something open the model says so, with a verdict
 * of its own or with several answers that are right.
 *
 * Left out, and said so by `beyond`: device table segments, SNP, secure ATS, interrupts, the registers that turn off
 * marks in guest tables.
 */
#ifndef MDL_AMDVI_H
#define MDL_AMDVI_H

#include "model.h"

/* Extended feature registers as read. EFR2 is not looked at. */
struct mdl_amdvi_id {
	uint64_t efr, efr2;
};

/* ---- Commands (2.4, C3.1) ---- */

enum mdl_amdvi_op {
	MDL_AMD_COMPLETION_WAIT = 1,
	MDL_AMD_INVALIDATE_DEVTAB_ENTRY = 2,
	MDL_AMD_INVALIDATE_IOMMU_PAGES = 3,
	MDL_AMD_INVALIDATE_IOTLB_PAGES = 4,
	MDL_AMD_INVALIDATE_INTERRUPT_TABLE = 5,
	MDL_AMD_PREFETCH_IOMMU_PAGES = 6,
	MDL_AMD_COMPLETE_PPR_REQUEST = 7,
	MDL_AMD_INVALIDATE_IOMMU_ALL = 8,
	MDL_AMD_INSERT_GUEST_EVENT = 9,
	MDL_AMD_RESET_VMMIO = 10,
};

enum mdl_amdvi_verdict {
	MDL_AMD_OK,
	MDL_AMD_ILLEGAL,
	/* No two sources say so, or they disagree: newer commands, fields of features that are not there. */
	MDL_AMD_EITHER,
};

/* Fields that a command does not have are 0. */
struct mdl_amdvi_cmd {
	enum mdl_amdvi_verdict verdict;
	unsigned op;
	uint64_t res[2]; /* bits set that are no field of this command */
	bool beyond_id;	 /* a PASID of more bits than the IOMMU has */
	bool s, pde, gn, store, irq, flush, inval;
	unsigned devid, domain, pasid, count, type, maxpend, queueid, tag, status;
	uint64_t addr, store_addr, data;
};

void mdl_amdvi_cmd(const uint64_t w[2], const struct mdl_amdvi_id *id, struct mdl_amdvi_cmd *c);

/* Makes fields 0 that mean nothing given the others. */
void mdl_amdvi_cmd_ignore(struct mdl_amdvi_cmd *c);

/* The least that a command must remove. */
struct mdl_amdvi_cover {
	/* device table entries, interrupt tables */
	bool dte, irt;
	bool any_devid;
	unsigned devid;
	/* translations: host ones, guest ones and those of both combined */
	bool host, guest;
	bool tables; /* directories, too */
	bool any_tag;
	unsigned domain, pasid;
	uint64_t first, last;
	bool undefined; /* an address without a size */
	/* a device's own cache: devid, first, last, and */
	bool atc, atc_pasid;
};

void mdl_amdvi_cover(const struct mdl_amdvi_cmd *c, struct mdl_amdvi_cover *v);

/* Something that an IOMMU caches: a leaf, or an entry of a directory. */
struct mdl_amdvi_cached {
	bool guest; /* of a guest's table, or of both combined: domain and pasid; else domain */
	bool table;
	unsigned domain, pasid, lg2;
	uint64_t first; /* a multiple of 2^lg2 */
};

/* Whether the command removes it for certain. */
bool mdl_amdvi_must_go(const struct mdl_amdvi_cached *e, const struct mdl_amdvi_cover *v);

/* ---- Event and PPR log (2.5, 2.6, C3.2, C3.3) ---- */

enum mdl_amdvi_event_type {
	MDL_AMD_EV_NONE = 0,
	MDL_AMD_ILLEGAL_DEV_TABLE_ENTRY = 1,
	MDL_AMD_IO_PAGE_FAULT = 2,
	MDL_AMD_DEV_TAB_HARDWARE_ERROR = 3,
	MDL_AMD_PAGE_TAB_HARDWARE_ERROR = 4,
	MDL_AMD_ILLEGAL_COMMAND_ERROR = 5,
	MDL_AMD_COMMAND_HARDWARE_ERROR = 6,
	MDL_AMD_IOTLB_INV_TIMEOUT = 7,
	MDL_AMD_INVALID_DEVICE_REQUEST = 8,
	MDL_AMD_INVALID_PPR_REQUEST = 9,
};

/* Fields that an event does not have are 0. Of types 9 and above only the type and the DeviceID are looked at. */
struct mdl_amdvi_event {
	unsigned type;
	bool known; /* 1 to 8: all its fields are */
	unsigned devid, domain, pasid, errtype;
	bool gn, nx, us, irq, pr, rw, pe, rz, tr;
	uint64_t addr;
	uint64_t res[2]; /* bits set in none of these */
};

void mdl_amdvi_event(const uint64_t w[2], struct mdl_amdvi_event *e);

struct mdl_amdvi_ppr {
	unsigned devid, pasid, tag, type;
	bool last, exec, read, write, user, rvsd, gn;
	uint64_t addr;
	uint64_t res[2];
};

void mdl_amdvi_ppr(const uint64_t w[2], struct mdl_amdvi_ppr *p);

/* ---- Structures (2.2, A3.5, A3.6) ---- */

struct mdl_dte {
	bool v, tv, ppr, gprp, giov, gv, ir, iw;
	unsigned had, mode, glx, domain;
	uint64_t root, gcr3;
	bool i, se, sa, cache, sd, ex, sats;
	unsigned ioctl, sysmgt;
	bool iv, ig, initpass, eintpass, nmipass, lint0, lint1;
	unsigned inttablen, guestpagingmode, intctl;
	uint64_t introot;
	unsigned gdeviceid, guestid, snoopattr;
	bool attrv, mode0fc;
	uint64_t res[4];
};

void mdl_dte_decode(const uint64_t w[4], struct mdl_dte *d);

/*
 * What hardware says of an entry. EITHER: sources disagree or there is one; refusing is safe. With TV = 0 fields of
 * translation mean nothing, so what they hold is EITHER at most.
 * *why: a constant string, what is wrong
 */
enum mdl_amdvi_verdict mdl_dte_verdict(const struct mdl_dte *d, const struct mdl_amdvi_id *id,
				       const char **why);

/* Page tables of a legal entry. */
void mdl_dte_host(const struct mdl_dte *d, struct mdl_table *t);
void mdl_dte_guest(const struct mdl_dte *d, uint64_t gcr3_entry, struct mdl_table *t);

/*
 * The valid entry of a PASID. Read through @mem, whose addresses those of the GCR3 table are.
 * @return 0; 1 no valid entry; -1 unreadable, at *at
 */
int mdl_gcr3(const struct mdl_dte *d, const struct mdl_mem *mem, unsigned pasid, uint64_t *entry,
	     uint64_t *at);

/* ---- Rings (C3.1, C3.2): N entries of 16 bytes, N - 1 of them in use at most ---- */

/* Entries of a length code; 0: reserved. */
uint32_t mdl_amdvi_ring_entries(unsigned code);
uint32_t mdl_amdvi_ring_next(uint32_t entries, uint32_t pointer);
uint32_t mdl_amdvi_ring_used(uint32_t entries, uint32_t head, uint32_t tail);

/* ---- A request from end to end ---- */

struct mdl_amdvi {
	struct mdl_amdvi_id id;
	uint64_t devtab_base, control;
	const struct mdl_mem *mem; /* physical memory; changed by marks */
};

struct mdl_amdvi_access {
	unsigned devid, pasid;
	bool has_pasid;
	uint64_t iova;
	bool write;
	bool exec;	 /* with !write: instructions are read */
	bool ats;	 /* a translation request */
	bool translated; /* an address that such a request gave */
};

/* An event that is right. Only the flags of @sure are compared. */
struct mdl_amdvi_answer {
	struct mdl_amdvi_event event;
	bool logged; /* not suppressed by the device table entry */
	struct {
		bool gn, us, pr, rw, pe, rz, addr; /* gn: and NX */
	} sure;
};

struct mdl_amdvi_result {
	bool beyond; /* not modelled; nothing else is valid */
	bool passes; /* untranslated */
	bool nested; /* a guest's table under the host's */
	unsigned
		refused; /* 0: granted at @pa; else how many of why[] there are, any of which is right */
	uint64_t pa;
	struct mdl_amdvi_answer why[4];
	struct mdl_dte dte;
};

/* With the marks that hardware leaves, when granted; when refused, what is marked is not said. */
void mdl_amdvi_access(const struct mdl_amdvi *m, const struct mdl_amdvi_access *a,
		      struct mdl_amdvi_result *r);

#endif
