/* SPDX-License-Identifier: MIT */
/*
 * Independent oracle: page-table walkers written from the format facts only.
 *
 * Nothing here may include a header of the library. Speed does not matter,
 * being obviously right does. One table per call, no caches: every walk reads
 * memory from the root.
 */
#ifndef MDL_MODEL_H
#define MDL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum mdl_format { MDL_ARM_S1, MDL_ARM_S2, MDL_VTD_SS, MDL_VTD_FS, MDL_AMD_V1, MDL_AMD_V2 };

/* Both return 0, or nonzero if there is no memory at @pa. @pa is 8-aligned. */
struct mdl_mem {
	void *cookie;
	/* value in host order; the entry itself is little-endian */
	int (*read64)(void *cookie, uint64_t pa, uint64_t *val);
	/* *seen gets the value found; the exchange took place iff *seen == old */
	int (*cmpxchg64)(void *cookie, uint64_t pa, uint64_t old, uint64_t new_, uint64_t *seen);
};

/* What STE/CD, context/PASID entry or DTE say about one page table. */
struct mdl_table {
	enum mdl_format format;
	uint64_t root;
	unsigned granule_lg2; /* ARM 12/14/16, others 12 */
	unsigned ias; /* ARM: 64-TnSZ / 64-S2T0SZ (32-bit LPAE: ias <= 32); VT-d SS: MGAW, 0: all */
	int start_level; /* ARM level of the root, 0..3; S2 concatenation follows from ias */
	unsigned levels; /* VT-d SS 3/4/5, FS and AMD v2 4/5, AMD v1 Mode 1..6 */
	unsigned oas;	 /* output address bits, 0: not checked */
	bool upper;	 /* ARM TTBR1: the top 2^ias addresses (of 2^32 if lpae32) */
	bool lpae32;
	bool lpa52; /* 64K granule, OA[51:48] in bits 15:12, 4T blocks */
	bool s2fwb; /* changes memory types only, so nothing here */
	/*
	 *              hw_access     hw_dirty           hw_table_access
	 * ARM          HA / S2HA     HD (needs HA)      HAFT (needs HA)
	 * VT-d SS      SSADE is on if hw_access or hw_dirty; covers tables too
	 * VT-d FS      not looked at: A in every entry and D in the leaf, always
	 * AMD v1       HAD[0]        HAD=3 (needs A)    also A in PDEs (spec unclear)
	 * AMD v2       not looked at, as VT-d FS
	 */
	bool hw_access, hw_dirty, hw_table_access;
};

/*
 * One translation. A run (ARM contiguous, AMD replicated) is one leaf: iova,
 * size and pa are those of the whole run, a and d are ORed over its members.
 * pte/pte_pa: the first member when enumerating, the member walked otherwise.
 * A group that is not a well-formed run is read entry by entry.
 */
struct mdl_leaf {
	uint64_t iova; /* as the device sends it: sign-extended, upper half */
	uint64_t size, pa;
	bool r, w, x; /* access possible now, ANDed over the levels */
	bool a;	      /* raw bit, whether or not hardware keeps it */
	int d;	      /* 1 dirty, 0 clean, -1 untracked (ARM DBM=0); raw as well */
	uint64_t pte, pte_pa;
	unsigned items; /* entries in the run, 1 if none */
	int level;	/* ARM 0..3, others 1 = lowest */
};

enum mdl_fault {
	MDL_OK,
	MDL_RANGE,	 /* outside the input size, or not canonical */
	MDL_NOT_PRESENT, /* also: AMD skipped-level IOVA bits not zero */
	MDL_PERMISSION,	 /* mdl_access() only */
	MDL_ACCESS_FLAG, /* ARM AF=0 without HA; the leaf is filled in */
	MDL_ADDR_SIZE,	 /* ARM address beyond oas */
	MDL_RESERVED,	 /* reserved encoding or bit (ARM reports F_TRANSLATION) */
	MDL_WALK_ABORT,	 /* table unreadable, or struct mdl_table makes no sense */
};

/* Read-only translation of one address. *out may be NULL. */
enum mdl_fault mdl_walk(const struct mdl_table *t, const struct mdl_mem *mem, uint64_t iova,
			struct mdl_leaf *out);

/*
 * What hardware does on one unprivileged access, with A and D updates by
 * mem->cmpxchg64; an entry that changed under the walk makes it start anew.
 * A refused access updates nothing. *out (may be NULL) is the state after.
 */
enum mdl_fault mdl_access(const struct mdl_table *t, const struct mdl_mem *mem, uint64_t iova,
			  bool write, struct mdl_leaf *out);

/*
 * Calls @fn for every leaf in order of (unsigned) iova. Entries that only
 * fault are passed over; leaves with AF=0 or without permissions are not.
 * @tables (may be NULL) counts table pages met, each member of a concatenated
 * root by itself. Returns 0, the nonzero value of @fn, or -1 on an unreadable
 * table or a nonsensical @t.
 */
int mdl_enumerate(const struct mdl_table *t, const struct mdl_mem *mem,
		  int (*fn)(void *cookie, const struct mdl_leaf *leaf), void *cookie,
		  uint64_t *tables);

const char *mdl_fault_name(enum mdl_fault fault);

#endif
