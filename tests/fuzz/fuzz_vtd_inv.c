/* SPDX-License-Identifier: MIT */
/*
 * What a gather asks for, at random, to VT-d descriptors: however little sense it makes, they are legal, there are no
 * more than was said, and the model says that what was asked goes.
 *
 * Input: CAP, ECAP; stage, flags, domain id, PASID, cost of everything; then items.
 */
#include <errno.h>

#include <iodirty/vtd_inv.h>

#include "fuzz/fuzz.h"
#include "mdl_vtd_inv.h"

#define MAX_ITEMS 48u
#define MAX_DESCS 4096u

struct fuzz_inv {
	struct iod_vtd_id id;
	struct iod_vtd_inv_cfg cfg;
	struct iod_inv item[MAX_ITEMS];
	size_t nr_items, nr;
	struct iod_vtd_raw_desc raw[MAX_DESCS];
	struct mdl_vtd_inv m[MAX_DESCS];
};

static struct fuzz_inv f;

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	uint8_t *at = buf;
	unsigned i;

	(void)max;
	if (n > 3)
		return 0;
	at = fuzz_put(at, UINT64_C(0x11f4008c00380e06), 8);
	at = fuzz_put(at, ~UINT64_C(0), 8);
	at = fuzz_put(at, n & 1, 1);
	at = fuzz_put(at, n == 2, 1);
	at = fuzz_put(at, 5, 2);
	at = fuzz_put(at, n & 1 ? 7 : 0, 4);
	at = fuzz_put(at, n == 3 ? 0 : 1u << 30, 4);
	for (i = 0; i < 4; i++) { /* kind and flags, levels, first page, pages */
		at = fuzz_put(at, 3 | i << 2, 1);
		at = fuzz_put(at, 0x21, 1);
		at = fuzz_put(at, 0x40000 + i * 512, 8);
		at = fuzz_put(at, i & 1 ? 512 : 3, 6);
	}
	return (size_t)(at - buf);
}

static void take_item(struct fuzz_in *in, struct iod_inv *v)
{
	static const uint32_t flags[4] = { 0, IOD_INV_LEAF_ONLY, IOD_INV_NO_LEAVES, 0 };
	unsigned what = (unsigned)fuzz_take(in, 1), levels = (unsigned)fuzz_take(in, 1);
	uint64_t first = fuzz_take(in, 8) & ((UINT64_C(1) << 52) - 1), pages = fuzz_take(in, 6);

	memset(v, 0, sizeof(*v));
	v->kind = (enum iod_inv_kind)(what & 3 ? 3 : 1 + (what >> 4 & 1));
	v->granule_lg2 = 12;
	if (v->kind != IOD_INV_RANGE)
		return;
	v->flags = flags[what >> 2 & 3];
	v->iova = first << 12;
	if (pages > (UINT64_C(1) << 52) - first)
		pages = (UINT64_C(1) << 52) - first;
	v->last = v->iova + ((pages ? pages : 1) * 4096 - 1);
	v->leaf_levels = v->flags & IOD_INV_NO_LEAVES ? 0 : levels & 7;
	v->table_levels = v->flags & IOD_INV_LEAF_ONLY ? 0 : levels >> 4 << 1;
}

static void must_go(const struct mdl_vtd_cached *e)
{
	size_t i;

	for (i = 0; i < f.nr; i++)
		if (mdl_vtd_must_go(e, &f.m[i]))
			return;
	FUZZ_CHECK(!"it may stay");
}

/* Leaves of the levels that changed, and table entries, at an address of the item. */
static void check_at(const struct iod_inv *v, uint64_t at)
{
	struct mdl_vtd_cached e = {
		.stage = f.cfg.stage == 1 ? MDL_VTD_FIRST : MDL_VTD_SECOND,
		.did = f.cfg.did,
		.pasid = f.cfg.pasid,
	};
	unsigned level;

	for (level = 0; level < 5; level++) {
		e.lg2 = 12 + 9 * level;
		e.first = at & ~((UINT64_C(1) << e.lg2) - 1);
		e.table = true;
		if (level && !(v->flags & IOD_INV_LEAF_ONLY) &&
		    (!v->table_levels || v->table_levels >> level & 1))
			must_go(&e);
		e.table = false;
		if (level > 2 || v->flags & IOD_INV_NO_LEAVES || e.first < v->iova ||
		    e.first + ((UINT64_C(1) << e.lg2) - 1) > v->last)
			continue;
		if (!v->leaf_levels || v->leaf_levels >> level & 1)
			must_go(&e);
	}
}

static void check(void)
{
	const struct mdl_vtd_id mid = { f.id.cap, f.id.ecap };
	uint64_t w[4];
	size_t i, k;

	for (i = 0; i < f.nr; i++) {
		for (k = 0; k < 4; k++)
			FUZZ_CHECK(!fuzz_word(f.raw[i].word, 4, k * 8, &w[k]));
		mdl_vtd_inv(w, &mid, false, &f.m[i]);
		FUZZ_CHECK(f.m[i].legal != MDL_INV_IQE);
	}
	for (i = 0; i < f.nr_items; i++) {
		struct iod_inv v = f.item[i];

		if (v.kind != IOD_INV_RANGE)
			v.last = ~UINT64_C(0);
		check_at(&v, v.iova);
		check_at(&v, v.last);
		check_at(&v, v.iova + (v.last - v.iova) / 2);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iod_inv_cost cost = { .size = sizeof(cost) };
	struct fuzz_in in = { data, size };
	struct iod_vtd_inv *inv;
	size_t n = 0;
	int ret;

	f.id = (struct iod_vtd_id){ .cap = fuzz_take(&in, 8), .ecap = fuzz_take(&in, 8) };
	f.cfg = (struct iod_vtd_inv_cfg){ .size = sizeof(f.cfg), .id = &f.id, .cost = &cost };
	f.cfg.stage = fuzz_take(&in, 1) & 1 ? 1 : 2;
	f.cfg.flags = (uint32_t)fuzz_take(&in, 1) & (IOD_VTD_INV_NESTED | IOD_VTD_INV_NO_RANGES);
	f.cfg.did = (uint16_t)fuzz_take(&in, 2);
	f.cfg.pasid = (uint32_t)fuzz_take(&in, 4);
	cost.domain = fuzz_take(&in, 4);
	ret = iod_vtd_inv_create(&inv, &f.cfg);
	FUZZ_CHECK(ret == 0 || ret == -EINVAL || ret == -EOPNOTSUPP);
	if (ret)
		return 0;
	for (f.nr_items = 0; f.nr_items < MAX_ITEMS && in.size; f.nr_items++)
		take_item(&in, &f.item[f.nr_items]);
	ret = iod_vtd_inv_encode(inv, f.item, f.nr_items, f.raw, MAX_DESCS, &f.nr);
	FUZZ_CHECK(ret == 0 || (ret == -ENOSPC && f.nr > MAX_DESCS));
	if (!ret) {
		check();
		FUZZ_CHECK(iod_vtd_inv_encode(inv, f.item, f.nr_items, NULL, 0, &n) ==
			   (f.nr ? -ENOSPC : 0));
		FUZZ_CHECK(n == f.nr);
	}
	FUZZ_CHECK(!iod_vtd_inv_destroy(inv));
	return 0;
}
