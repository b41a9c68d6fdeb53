/* SPDX-License-Identifier: MIT */
/*
 * What devices' own translation caches must forget: aligned powers of two, each for exactly one device.
 *
 * Several small ones, or one that covers more than was asked for, or everything: whichever the caller's
 * numbers say is cheapest.
 */
#include "inv_core.h"

void iod_inv_spans(const struct inv_core *inv, const struct iod_inv *items, size_t nr,
		   struct span_set *set, bool *all)
{
	size_t i;

	/* Devices ask with addresses of stage 1, which stage 2 knows nothing of. */
	*all |= nr && inv->nested;
	for (i = 0; i < nr && !*all; i++) {
		if (items[i].kind != IOD_INV_RANGE)
			*all = true;
		else if (!(items[i].flags & IOD_INV_NO_LEAVES)) /* they hold nothing else */
			iod_span_add(set, items[i].iova >> INV_PAGE_LG2,
				     items[i].last >> INV_PAGE_LG2);
	}
}

void iod_inv_atc(struct inv_out *o, struct span_set *set, bool all, bool fresh)
{
	const struct inv_core *inv = o->inv;
	const struct inv_vendor *v = inv->vendor;
	struct span_piece piece[INV_MAX_PIECES];
	struct span_cover c = {
		.min_lg2 = 64, /* none yet */
		.max_lg2 = v->atc_max_lg2,
		.piece_cost = inv->cost.device,
		.unit_cost = inv->cost.device_page,
		.piece = piece,
		.max = INV_MAX_PIECES,
	};
	uint64_t cost = 0;
	size_t i, k;

	iod_span_join(set);
	c.span = set->span;
	c.nr = set->nr;
	for (i = 0; i < inv->nr_devices; i++) {
		const struct inv_device *dev = &inv->device[i];

		if (c.min_lg2 != dev->stu && !all) {
			c.min_lg2 = dev->stu;
			cost = iod_span_cover(&c);
		}
		if (all || (fresh && dev->fresh) || cost == UINT64_MAX ||
		    cost > inv->cost.device_all) {
			v->atc_all(o, dev);
			continue;
		}
		for (k = 0; k < c.n; k++)
			v->atc(o, dev, piece[k].first, piece[k].lg2);
	}
}
