/* SPDX-License-Identifier: MIT */
/* Commands on their way out; a gather's commands for those who have a queue of their own. */
#include "smmuv3/inv.h"

#include <errno.h>

/* There is room. */
void iod_smmuv3_inv_repeat(struct inv_out *o)
{
	size_t i, n = o->n, tlbis = 0, to;

	for (i = 0; i < n; i++)
		tlbis += inv_raw_op(&o->cmd[i]) < IOD_SMMUV3_ATC_INV;
	o->n = to = n + tlbis;
	for (i = n; i-- && to > i + 1;) {
		o->cmd[--to] = o->cmd[i];
		if (inv_raw_op(&o->cmd[to]) < IOD_SMMUV3_ATC_INV)
			o->cmd[--to] = o->cmd[i];
	}
}

void iod_smmuv3_inv_out_init(struct inv_out *o, const struct iod_smmuv3_inv *inv,
			     int (*flush)(struct inv_out *o, bool sync))
{
	o->inv = inv;
	o->n = 0;
	o->flush = flush;
	o->err = 0;
	o->wides = 0;
	o->to_n = 0;
}

int iod_smmuv3_inv_out_end(struct inv_out *o, bool sync)
{
	if (!o->err && (o->n || sync))
		o->err = o->flush(o, sync);
	o->n = 0;
	return o->err;
}

static int inv_copy(struct inv_out *o, bool sync)
{
	size_t i;

	if (o->inv->flags & IOD_SMMUV3_INV_REPEAT)
		iod_smmuv3_inv_repeat(o);
	for (i = 0; i < o->n; i++, o->to_n++)
		if (o->to_n < o->to_max)
			o->to[o->to_n] = o->cmd[i];
	return 0;
}

static int inv_copied(struct inv_out *o, size_t *n)
{
	iod_smmuv3_inv_out_end(o, false);
	*n = o->to_n;
	return o->to_n > o->to_max ? -ENOSPC : 0;
}

int iod_smmuv3_inv_encode(const struct iod_smmuv3_inv *inv, const struct iod_inv *items, size_t nr,
			  struct iod_smmuv3_raw_cmd *out, size_t max, size_t *n)
{
	struct inv_out o;
	bool due = false;
	size_t i, some;

	if (!inv || !n || (max && !out) || !iod_smmuv3_inv_valid(items, nr))
		return -EINVAL;
	iod_smmuv3_inv_out_init(&o, inv, inv_copy);
	o.to = out;
	o.to_max = max;
	for (i = 0; i < nr; i += some) {
		some = nr - i < INV_BATCH ? nr - i : INV_BATCH;
		due |= iod_smmuv3_inv_tlbi(&o, items + i, some);
	}
	if (due && inv_out_room(&o, 2)) {
		inv_out_put(&o, IOD_SMMUV3_SYNC, 0);
		inv_out_put(&o, inv->combined, 0);
	}
	return inv_copied(&o, n);
}

int iod_smmuv3_inv_encode_atc(const struct iod_smmuv3_inv *inv, const struct iod_inv *items,
			      size_t nr, struct iod_smmuv3_raw_cmd *out, size_t max, size_t *n)
{
	/* The lock is the object's business, not its user's. */
	struct iod_smmuv3_inv *mut = (struct iod_smmuv3_inv *)(uintptr_t)inv;
	struct span span[INV_MAX_SPANS];
	struct span_set set = { .span = span, .max = INV_MAX_SPANS };
	struct inv_out o;
	bool all = false;

	if (!inv || !n || (max && !out) || !iod_smmuv3_inv_valid(items, nr))
		return -EINVAL;
	iod_smmuv3_inv_spans(inv, items, nr, &set, &all);
	iod_smmuv3_inv_out_init(&o, inv, inv_copy);
	o.to = out;
	o.to_max = max;
	pthread_mutex_lock(&mut->lock);
	/* No sync will come that settles new ones; they are told of whatever is invalidated from now on. */
	if (nr)
		iod_smmuv3_inv_atc(&o, &set, all, false);
	pthread_mutex_unlock(&mut->lock);
	return inv_copied(&o, n);
}
