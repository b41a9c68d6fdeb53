/* SPDX-License-Identifier: MIT */
/*
 * The ground: ranges cut into the pieces that invalidation commands can name. Units are the caller's
 * (granules, pages); ranges are inclusive.
 *
 * Two kinds of pieces exist. Scaled ones begin anywhere and are (num + 1) * 2^scale units long. Aligned ones
 * are 2^lg2 units long and begin at a multiple of that.
 */
#ifndef IOD_SPANS_H
#define IOD_SPANS_H

#include <stddef.h>

#include "bits.h"

struct span {
	uint64_t first, last;
};

/* ---- scaled pieces: 5 bits of num, 5 of scale ---- */

#define SPAN_NUM_LG2   5u
#define SPAN_SCALE_MAX 31u
/* The longest one. */
#define SPAN_SCALED_MAX (UINT64_C(32) << SPAN_SCALE_MAX)

/* The smallest scale at which n units, rounded down, have a num; n > 0. */
static inline unsigned span_scale(uint64_t n)
{
	unsigned top = fls64(n);

	if (top < SPAN_NUM_LG2)
		return 0;
	/* The longest one has num 31, all others that long 16 or more. */
	return top - (SPAN_NUM_LG2 - 1) < SPAN_SCALE_MAX ? top - (SPAN_NUM_LG2 - 1)
							 : SPAN_SCALE_MAX;
}

/* The longest scaled length that is not above n, and n - that is below 2^scale; n > 0. */
static inline uint64_t span_scaled_floor(uint64_t n)
{
	return n >= SPAN_SCALED_MAX ? SPAN_SCALED_MAX : align_down(n, span_scale(n));
}

/* ---- aligned pieces ---- */

struct span_piece {
	uint64_t first;
	unsigned lg2;
};

/* lg2 of the smallest aligned piece that covers [first, last]; 64: none but everything. */
static inline unsigned span_cover_lg2(uint64_t first, uint64_t last)
{
	return first == last ? 0 : fls64(first ^ last) + 1;
}

/* lg2 of the largest aligned piece, up to most, that [first, last] begins with. Covered by these, exactly, it takes the
 * fewest. */
static inline unsigned span_piece_lg2(uint64_t first, uint64_t last, unsigned most)
{
	unsigned lg2 = first ? ctz64(first) : 63,
		 fits = last - first == UINT64_MAX ? 63 : fls64(last - first + 1);

	if (fits < lg2)
		lg2 = fits;
	return lg2 < most ? lg2 : most;
}

/* How many they are; when it is more than enough: enough + 1. */
static inline uint64_t span_count_pieces(uint64_t first, uint64_t last, unsigned most,
					 uint64_t enough)
{
	uint64_t n = 0;

	for (;;) {
		uint64_t len = BIT64(span_piece_lg2(first, last, most));

		if (++n > enough || last - first < len)
			return n;
		first += len;
	}
}

/* What to cover, and with what. */
struct span_cover {
	const struct span *span; /* in order, neither touching nor overlapping */
	size_t nr;
	unsigned min_lg2, max_lg2; /* of pieces; min_lg2 <= max_lg2 < 64 */
	uint64_t piece_cost;	   /* of each piece */
	uint64_t unit_cost;	   /* of each unit that is covered needlessly */
	struct span_piece *piece;  /* receives them, in order */
	size_t max, n;
};

/*
 * Covers the spans with aligned pieces at the least cost. @return the cost; UINT64_MAX when it would take more
 * pieces than there is room for, or larger ones than there are.
 */
uint64_t iod_span_cover(struct span_cover *cover);

/* ---- sets of spans with bounded room ---- */

struct span_set {
	struct span *span;
	size_t nr, max; /* max >= 2 */
};

/* Adds [first, last]; when there is no room, neighbours are joined two by two, with what lies between them. */
void iod_span_add(struct span_set *set, uint64_t first, uint64_t last);

/* Sorts, and joins what touches or overlaps. */
void iod_span_join(struct span_set *set);

#endif
