/* SPDX-License-Identifier: MIT */
/*
 * Where the fields of device table entries lie (bits.md A3.6; AMD 48882, 2.2.2): the only place that says so.
 *
 * X(field, word, highest bit, lowest bit, lowest bit of the field's value). The GCR3 table's address is in three
 * pieces. Names are those of the typed struct. What is missing here is in `unknown`, bits that only one source
 * knows among them: memory attributes 0.6:4, the host table mode hint 2.59, vImuEn 3.15.
 */
#ifndef IOD_AMDVI_DTE_BITS_H
#define IOD_AMDVI_DTE_BITS_H

#include "bits.h"

#define DTE_FIELDS(X)                    \
	X(v, 0, 0, 0, 0)                 \
	X(tv, 0, 1, 1, 0)                \
	X(had, 0, 8, 7, 0)               \
	X(mode, 0, 11, 9, 0)             \
	X(root, 0, 51, 12, 12)           \
	X(ppr, 0, 52, 52, 0)             \
	X(gprp, 0, 53, 53, 0)            \
	X(giov, 0, 54, 54, 0)            \
	X(gv, 0, 55, 55, 0)              \
	X(glx, 0, 57, 56, 0)             \
	X(gcr3, 0, 60, 58, 12)           \
	X(ir, 0, 61, 61, 0)              \
	X(iw, 0, 62, 62, 0)              \
	X(domain, 1, 15, 0, 0)           \
	X(gcr3, 1, 31, 16, 15)           \
	X(i, 1, 32, 32, 0)               \
	X(se, 1, 33, 33, 0)              \
	X(sa, 1, 34, 34, 0)              \
	X(ioctl, 1, 36, 35, 0)           \
	X(cache, 1, 37, 37, 0)           \
	X(sd, 1, 38, 38, 0)              \
	X(ex, 1, 39, 39, 0)              \
	X(sysmgt, 1, 41, 40, 0)          \
	X(sats, 1, 42, 42, 0)            \
	X(gcr3, 1, 63, 43, 31)           \
	X(iv, 2, 0, 0, 0)                \
	X(inttablen, 2, 4, 1, 0)         \
	X(ig, 2, 5, 5, 0)                \
	X(introot, 2, 51, 6, 6)          \
	X(guestpagingmode, 2, 55, 54, 0) \
	X(initpass, 2, 56, 56, 0)        \
	X(eintpass, 2, 57, 57, 0)        \
	X(nmipass, 2, 58, 58, 0)         \
	X(intctl, 2, 61, 60, 0)          \
	X(lint0pass, 2, 62, 62, 0)       \
	X(lint1pass, 2, 63, 63, 0)       \
	X(gdeviceid, 3, 31, 16, 0)       \
	X(guestid, 3, 47, 32, 0)         \
	X(attrv, 3, 54, 54, 0)           \
	X(mode0fc, 3, 55, 55, 0)         \
	X(snoopattr, 3, 63, 56, 0)

#define DTE_WORDS      4u
#define DTE_LG2	       5u /* bytes of a DTE */
#define MODE_MAX       6u /* levels; 7 is reserved */
#define HAD_RESERVED   2u
#define GLX_MAX	       2u
#define GPM_MAX	       1u
#define IOCTL_RESERVED 3u

/* GCR3 tables */
#define GCR3_BITS  9u /* of a PASID, each level */
#define GCR3_TABLE (UINT64_C(8) << GCR3_BITS)

/* Device table base register */
#define DEVTAB_ADDR(v)	 (MASK64(51, 12) & (v))
#define DEVTAB_PAGES(v)	 ((0x1ff & (v)) + 1)
#define DEVTAB_PAGES_MAX 512u

/* Addresses of tables. */
#define TABLE_ADDR MASK64(51, 12)

#endif
