/* SPDX-License-Identifier: MIT */
/*
 * Scan kernels: the inner loops of a sweep over one leaf table. Dirty state is data (struct
 * pt_scan_spec), so one set of kernels serves every format; a faster set is put in by one pointer.
 */
#ifndef IOD_DIRTY_SCAN_H
#define IOD_DIRTY_SCAN_H

#include "pgtable/pt_defs.h"

/* A spec in the byte order of the table, so that kernels compare words as they lie. */
struct iod_scan_words {
	uint64_t mask, match, run_mask, run_match;
};

#define SCAN_DIRTY 1u /* some item is dirty */
#define SCAN_RUNS  2u /* some item, dirty or not, is a member of a run */

struct iod_scan_kernels {
	const char *name;
	/*
	 * Look at n items (n > 0), each read once as a whole word: bit i of words[] says whether item i
	 * is dirty; the last word's unused bits are 0. Returns SCAN_*. SCAN_RUNS is not looked for when
	 * run_mask is 0.
	 */
	unsigned (*scan)(const uint64_t *items, unsigned n, const struct iod_scan_words *spec,
			 uint64_t *words);
};

/* The kernels to use. */
const struct iod_scan_kernels *iod_scan_kernels(void);

static inline struct iod_scan_words iod_scan_words(const struct pt_scan_spec *spec)
{
	return (struct iod_scan_words){
		.mask = iod_le64(spec->mask),
		.match = iod_le64(spec->match),
		.run_mask = iod_le64(spec->run_mask),
		.run_match = iod_le64(spec->run_match),
	};
}

#endif
