/* SPDX-License-Identifier: MIT */
/* A batch as commands, by address or wide, whichever costs less; commands on their way out. */
#include "inv_core.h"

#include <errno.h>

#define INV_FLAGS (IOD_INV_LEAF_ONLY | IOD_INV_NO_LEAVES)

/* ---- on their way out ---- */

void iod_inv_out_init(struct inv_out *o, const struct inv_core *inv,
		      int (*flush)(struct inv_out *o, bool sync))
{
	o->inv = inv;
	o->n = 0;
	o->words_lg2 = inv->vendor->words_lg2;
	o->flush = flush;
	o->dry = false;
	o->flushed = false;
	o->err = 0;
	o->wides = 0;
	o->to_n = 0;
}

void iod_inv_out_flush(struct inv_out *o)
{
	if (!o->err && !o->dry) {
		o->err = o->flush(o, false);
		o->flushed = true;
	}
	o->n = 0;
}

int iod_inv_out_end(struct inv_out *o, bool sync)
{
	if (!o->err && (o->n || sync))
		o->err = o->flush(o, sync);
	o->n = 0;
	return o->err;
}

static bool is_atc(const struct inv_vendor *v, const uint64_t *cmd)
{
	uint64_t op = iod_le64(cmd[0]) & v->op_mask;

	return op == v->op_atc[0] || op == v->op_atc[1];
}

size_t iod_inv_out_count_atc(struct inv_out *o)
{
	size_t i, n = 0;

	for (i = 0; i < o->n; i++)
		n += is_atc(o->inv->vendor, inv_out_cmd(o, i));
	return n;
}

static bool is_repeated(const struct inv_vendor *v, const uint64_t *cmd)
{
	return !is_atc(v, cmd) && ((iod_le64(cmd[0]) ^ v->op_sync) & v->op_mask);
}

static void move_cmd(struct inv_out *o, size_t to, size_t from)
{
	size_t k;

	for (k = 0; !(k >> o->words_lg2); k++)
		inv_out_cmd(o, to)[k] = inv_out_cmd(o, from)[k];
}

void iod_inv_out_repeat(struct inv_out *o)
{
	const struct inv_vendor *v = o->inv->vendor;
	size_t i, n = o->n, twice = 0, to;

	for (i = 0; i < n; i++)
		twice += is_repeated(v, inv_out_cmd(o, i));
	o->n = to = n + twice;
	for (i = n; i-- && to > i + 1;) {
		move_cmd(o, --to, i);
		if (is_repeated(v, inv_out_cmd(o, to)))
			move_cmd(o, --to, i);
	}
}

/* ---- a batch ---- */

static bool item_ok(const struct inv_core *inv, const struct iod_inv *item)
{
	if ((item->flags & ~INV_FLAGS) || item->domain_ignore)
		return false;
	if ((item->flags & IOD_INV_NO_LEAVES) &&
	    ((item->flags & IOD_INV_LEAF_ONLY) || item->leaf_levels))
		return false;
	if (item->kind != IOD_INV_RANGE)
		return item->kind == IOD_INV_DOMAIN || item->kind == IOD_INV_ALL;
	return item->iova <= item->last && item->granule_lg2 < 32 &&
	       (inv->vendor->granules >> item->granule_lg2 & 1);
}

int iod_inv_check(const struct inv_core *inv, const struct iod_inv *items, size_t nr)
{
	size_t i;

	if (nr && !items)
		return -EINVAL;
	for (i = 0; i < nr; i++)
		if (!item_ok(inv, &items[i]))
			return -EINVAL;
	for (i = 0; i < nr; i++)
		if (items[i].kind == IOD_INV_ALL && !inv->has_all)
			return -EOPNOTSUPP;
	return 0;
}

/* False: dearer than the wide command, or not possible. */
static bool batch_narrow(struct inv_out *o, const struct iod_inv *items, size_t nr)
{
	uint64_t budget = o->inv->budget;
	size_t i, n;

	for (i = 0; i < nr; i += n) {
		n = nr - i < INV_BATCH ? nr - i : INV_BATCH;
		if (!o->inv->vendor->narrow(o, items + i, n, &budget))
			return false;
	}
	return true;
}

/* Whether it could turn out only after some were issued that the wide command would have been cheaper. */
static bool batch_is_close(const struct inv_core *inv, const struct iod_inv *items, size_t nr)
{
	uint64_t left = inv->budget / inv->cost.command, most;
	size_t i;

	if (inv->budget == UINT64_MAX)
		return false;
	if (inv->repeat)
		left /= 2;
	for (i = 0; i < nr; i++) {
		most = inv->vendor->most(inv, &items[i]);
		if (most > left)
			return true;
		left -= most;
	}
	return false;
}

bool iod_inv_batch(struct inv_out *o, const struct iod_inv *items, size_t nr)
{
	const struct inv_core *inv = o->inv;
	bool wide = false;
	size_t i;

	for (i = 0; i < nr; i++) {
		wide |= items[i].kind == IOD_INV_DOMAIN;
		if (items[i].kind == IOD_INV_ALL) {
			inv->vendor->all(o);
			return false;
		}
	}
	if (!wide && batch_is_close(inv, items, nr)) {
		o->dry = true;
		wide = !batch_narrow(o, items, nr);
		o->dry = false;
		o->n = 0;
	}
	if (!wide) {
		wide = !batch_narrow(o, items, nr);
		if (wide && !o->flushed)
			o->n = 0;
	}
	return wide ? inv->vendor->wide(o) : nr && inv->combined;
}
