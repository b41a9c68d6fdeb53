/* SPDX-License-Identifier: MIT */
/*
 * Scan kernels: the inner loops of a sweep over one leaf table. Dirty state is data (struct
 * pt_scan_spec), so one set of kernels serves every format; a faster set is put in by one pointer.
 */
#ifndef IOD_DIRTY_SCAN_H
#define IOD_DIRTY_SCAN_H

#include "pgtable/pt_defs.h"

struct iod_scan_kernels {
	const char *name;
	/*
	 * Look at n items (n > 0), each read once as a whole word: bit i of words[] says whether
	 * (item i & mask) == match; the last word's unused bits are 0. mask and match are in the byte
	 * order of the table, so that items are compared as they lie. Returns whether any bit is set.
	 */
	bool (*scan)(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match,
		     uint64_t *words);
};

/* The kernels to use. */
const struct iod_scan_kernels *iod_scan_kernels(void);

#endif
