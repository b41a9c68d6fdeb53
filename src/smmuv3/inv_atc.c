/* SPDX-License-Identifier: MIT */
/*
 * What devices' own translation caches must forget, as ATC_INVs (Arm IHI 0070, 4.5.1): aligned powers of two,
 * each for exactly one device.
 *
 * Several small ones, or one that covers more than was asked for, or everything: whichever the caller's
 * numbers say is cheapest.
 */
#include "smmuv3/inv.h"

#define ATC_PAGE_LG2 12u

void iod_smmuv3_inv_spans(const struct iod_smmuv3_inv *inv, const struct iod_inv *items, size_t nr,
			  struct span_set *set, bool *all)
{
	size_t i;

	/* Devices ask with addresses of stage 1, which stage 2 knows nothing of. */
	*all |= nr && (inv->flags & IOD_SMMUV3_INV_NESTED);
	for (i = 0; i < nr && !*all; i++) {
		if (items[i].kind == IOD_INV_RANGE)
			iod_span_add(set, items[i].iova >> ATC_PAGE_LG2,
				     items[i].last >> ATC_PAGE_LG2);
		else
			*all = true;
	}
}

static void put_atc(struct inv_out *o, const struct inv_device *dev, uint64_t page, unsigned lg2)
{
	uint64_t w0 = IOD_SMMUV3_ATC_INV | CMD_PUT(CMD0_SID, dev->sid);

	if (!inv_out_room(o, 1))
		return;
	if (dev->ssv)
		w0 |= CMD0_SSV | CMD_PUT(CMD0_SSID, dev->ssid);
	inv_out_put(o, w0, page << ATC_PAGE_LG2 | lg2);
}

/*
 * Everything. What a guest tagged with substreams must go as well: one ATC_INV without a substream takes
 * entries without; whether it takes all others, too, is left open here, so there is one for them.
 */
static void put_atc_all(struct inv_out *o, const struct inv_device *dev)
{
	struct inv_device plain = *dev;

	if (!(o->inv->flags & IOD_SMMUV3_INV_NESTED)) {
		put_atc(o, dev, 0, IOD_SMMUV3_ATC_ALL_SPAN);
		return;
	}
	plain.ssv = false;
	put_atc(o, &plain, 0, IOD_SMMUV3_ATC_ALL_SPAN);
	if (dev->ssv && inv_out_room(o, 1))
		inv_out_put(o,
			    IOD_SMMUV3_ATC_INV | CMD_PUT(CMD0_SID, dev->sid) | CMD0_SSV |
				    CMD0_GLOBAL,
			    IOD_SMMUV3_ATC_ALL_SPAN);
}

void iod_smmuv3_inv_atc(struct inv_out *o, struct span_set *set, bool all, bool fresh)
{
	const struct iod_smmuv3_inv *inv = o->inv;
	struct span_piece piece[INV_MAX_PIECES];
	struct span_cover c = {
		.min_lg2 = 64, /* none yet */
		.max_lg2 = IOD_SMMUV3_ATC_ALL_SPAN,
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
			put_atc_all(o, dev);
			continue;
		}
		for (k = 0; k < c.n; k++)
			put_atc(o, dev, piece[k].first, piece[k].lg2);
	}
}
