/* SPDX-License-Identifier: MIT */
/* What a DTE means to hardware, decided by a decoder of the tests' own (bits.md A3.6). */
#ifndef DTEFIX_H
#define DTEFIX_H

#include "iodtest.h"

#include "amdvi/amdrand.h"

struct dtefix {
	uint64_t w[4]; /* in host order */
};

#define DTE_VTV	      UINT64_C(3)
#define DTE_HAD(n)    ((uint64_t)(n) << 7)
#define DTE_MODE(n)   ((uint64_t)(n) << 9)
#define DTE_PPR	      IODT_BIT(52)
#define DTE_GIOV      IODT_BIT(54)
#define DTE_GV	      IODT_BIT(55)
#define DTE_GLX(n)    ((uint64_t)(n) << 56)
#define DTE_GCR3_0(n) ((uint64_t)(n) << 58)
#define DTE_RW	      (UINT64_C(3) << 61)
#define DTE_I	      IODT_BIT(32) /* word 1 */
#define DTE_GCR3_1(n) ((uint64_t)(n) << 16)
#define DTE_GPM(n)    ((uint64_t)(n) << 54) /* word 2 */

#define DTEFIX_NR     16
extern const struct dtefix dtefix_entries[DTEFIX_NR];

enum dtefix_class {
	DTEFIX_OLD_OR_NEW = 1,
	DTEFIX_BLOCKS = 2, /* neither; nothing passes */
	DTEFIX_WRONG = 3,
};

/* Nothing passes: valid, and TV=0 or no permissions. */
bool dtefix_blocks(const struct dtefix *dte);

/* What @dte, made of words of @from and @to, means beside them. */
enum dtefix_class dtefix_class(const struct dtefix *dte, const struct dtefix *from,
			       const struct dtefix *to);

struct iod_amdvi_raw_dte dtefix_raw(const struct dtefix *dte);
struct dtefix dtefix_of(const struct iod_amdvi_raw_dte *raw);

/* One of the entries with some bits that it may have changed. */
struct dtefix dtefix_random(struct amdrand *r);

#endif
