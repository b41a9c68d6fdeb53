/* SPDX-License-Identifier: MIT */
/*
 * Gathers to VT-d descriptors, against the independent model: for random batches, units and costs, whatever hardware
 * may hold of what was asked must go, says the model of the descriptors that came out. The library's own decoder and
 * effects are not asked.
 */
#include "vtd/diff_vtd.h"

#include <errno.h>
#include <string.h>

#include <iodirty/vtd_inv.h>

#define BIT(n)	  (UINT64_C(1) << (n))
#define MAX_ITEMS 32
#define MAX_DESCS 40000
#define MAX_DIDS  3
#define MAX_DEVS  3
#define LEVELS	  5

enum {
	TWIN_NONE,
	TWIN_DROPS,  /* one descriptor of all */
	TWIN_HINTS,  /* IH = 1 everywhere */
	TWIN_MASK,   /* AM is one less */
	TWIN_DOMAIN, /* the first domain id for all */
	TWIN_PASID,  /* the PASID is one off */
	TWIN_KIND,   /* by domain what should be by PASID, and back */
	TWIN_S,	     /* device TLBs: one page for all */
	TWIN_SOURCE, /* device TLBs: the first device for all */
	TWIN_LAST,
};

struct world {
	struct diff d;
	struct iod_vtd_inv_cfg cfg;
	struct iod_vtd_inv *inv;
	unsigned did[MAX_DIDS], nr_dids;
	struct iod_vtd_ats_device dev[MAX_DEVS];
	unsigned nr_devs;
	struct iod_inv item[MAX_ITEMS];
	size_t nr_items;
	struct iod_vtd_raw_desc raw[MAX_DESCS];
	struct mdl_vtd_inv m[MAX_DESCS];
	size_t nr;
	unsigned checked, skipped;
};

/* ---- random batches ---- */

static uint64_t some_levels(struct diff *d)
{
	return diff_chance(d, 3) ? 0 : 1 + diff_below(d, 7);
}

/* What a gather may say: leaves, table entries or both, in whole pages. */
static void random_item(struct diff *d, struct iod_inv *v)
{
	unsigned lg2 = diff_below(d, 4) ? diff_below(d, 22) : diff_below(d, 52);
	uint64_t pages = diff_chance(d, 3) ? BIT(lg2) : 1 + (diff_random(d) & (BIT(lg2) - 1));
	uint64_t at = diff_chance(d, 2) ? diff_random(d) >> 7 : BIT(30) + diff_below(d, 64) * 4096;

	memset(v, 0, sizeof(*v));
	v->kind = diff_chance(d, 40) ? IOD_INV_DOMAIN : IOD_INV_RANGE;
	if (diff_chance(d, 80))
		v->kind = IOD_INV_ALL;
	v->granule_lg2 = 12;
	if (v->kind != IOD_INV_RANGE)
		return;
	if (diff_chance(d, 2)) /* whole blocks */
		at &= ~(BIT(12 + lg2) - 1);
	v->iova = at & ~UINT64_C(4095);
	v->last = v->iova + (pages * 4096 - 1);
	if (v->last < v->iova)
		v->last = UINT64_MAX;
	v->leaf_levels = (uint32_t)some_levels(d);
	v->table_levels = (uint32_t)some_levels(d) << 1;
	switch (diff_below(d, 4)) {
	case 0:
	case 1:
		v->flags = IOD_INV_LEAF_ONLY;
		v->table_levels = 0;
		break;
	case 2:
		v->flags = IOD_INV_NO_LEAVES;
		v->leaf_levels = 0;
		if (!v->table_levels)
			v->table_levels = 2;
		break;
	default:
		break;
	}
}

static void random_cost(struct diff *d, struct iod_inv_cost *cost)
{
	uint64_t *v[] = { &cost->command, &cost->sync,	      &cost->domain,	 &cost->global,
			  &cost->device,  &cost->device_page, &cost->device_all, &cost->page };
	unsigned i;

	*cost = (struct iod_inv_cost){ .size = sizeof(*cost) };
	for (i = 0; i < DIFF_COUNT(v); i++)
		if (diff_chance(d, 3))
			*v[i] = 1 + (diff_random(d) & (BIT(diff_below(d, 30)) - 1));
	if (diff_chance(d, 4))
		cost->page = IOD_INV_NEVER;
	if (diff_chance(d, 4))
		cost->device_page = IOD_INV_NEVER;
}

/* That the unit has: of RID_PASID nothing says that it is below ECAP.PSS, but hardware is not asked here. */
static unsigned some_pasid(struct diff *d)
{
	unsigned bits = 1 + (d->id.ecap >> 35 & 31);

	return diff_below(d, 1u << (bits < 20 && diff_chance(d, 2) ? bits : bits < 6 ? bits : 6));
}

static void add_devices(struct world *w)
{
	struct diff *d = &w->d;
	bool nested = w->cfg.flags & IOD_VTD_INV_NESTED;
	struct iod_vtd_ats_device *dev;
	unsigned n = diff_below(d, MAX_DEVS + 1);

	while (w->nr_devs < n) {
		dev = &w->dev[w->nr_devs];
		*dev = (struct iod_vtd_ats_device){ .size = sizeof(*dev),
						    .sid = (uint16_t)(diff_below(d, 4096) * 16 +
								      w->nr_devs),
						    .max_pending = (uint8_t)diff_below(d, 32) };
		dev->pfsid = diff_chance(d, 2) ? dev->sid : (uint16_t)diff_random(d);
		dev->stu = diff_chance(d, 2) ? 0 : (uint8_t)diff_below(d, 12);
		if (d->id.ecap & BIT(40) && diff_chance(d, 2)) {
			dev->pasid_valid = true; /* nested: the guest has PASIDs, all of them */
			dev->pasid = nested ? 0 : some_pasid(d);
		}
		if (iod_vtd_inv_add_device(w->inv, dev))
			return; /* there are no device TLBs */
		w->nr_devs++;
	}
}

static bool open_world(struct world *w)
{
	struct diff *d = &w->d;
	struct iod_inv_cost cost;
	uint16_t did;
	int ret;

	diff_id_random(d);
	random_cost(d, &cost);
	w->nr_devs = 0;
	w->nr_dids = 1;
	w->cfg = (struct iod_vtd_inv_cfg){ .size = sizeof(w->cfg), .id = &d->id, .cost = &cost };
	w->cfg.stage = 1 + diff_below(d, 2);
	w->cfg.did = (uint16_t)diff_below(d, 16);
	w->did[0] = w->cfg.did;
	if (w->cfg.stage == 1)
		w->cfg.pasid = some_pasid(d);
	if (w->cfg.stage == 2 && diff_chance(d, 3))
		w->cfg.flags |= IOD_VTD_INV_NESTED;
	if (diff_chance(d, 8))
		w->cfg.flags |= IOD_VTD_INV_NO_RANGES;
	if (diff_chance(d, 8))
		w->cfg.flags |= IOD_VTD_INV_REPEAT;
	ret = iod_vtd_inv_create(&w->inv, &w->cfg);
	if (ret) {
		assert_true(ret == -EOPNOTSUPP || ret == -EINVAL);
		return false;
	}
	while (w->nr_dids < MAX_DIDS && diff_chance(d, 3)) {
		did = (uint16_t)diff_below(d, 16);
		if (!iod_vtd_inv_add_domain(w->inv, did))
			w->did[w->nr_dids++] = did;
	}
	add_devices(w);
	return true;
}

static void random_batch(struct world *w)
{
	size_t i;

	w->nr_items = 1 + diff_below(&w->d, diff_chance(&w->d, 2) ? 4 : MAX_ITEMS);
	for (i = 0; i < w->nr_items; i++)
		random_item(&w->d, &w->item[i]);
}

/* ---- what came out ---- */

static void break_iotlb(struct world *w, uint64_t *v, size_t i)
{
	unsigned type = v[0] & 0xf;

	if (w->d.twin == TWIN_HINTS)
		v[1] |= BIT(6);
	if (w->d.twin == TWIN_MASK && v[1] & 0x3f)
		v[1]--;
	if (w->d.twin == TWIN_DOMAIN)
		v[0] = (v[0] & ~(UINT64_C(0xffff) << 16)) | (uint64_t)w->did[0] << 16;
	if (w->d.twin == TWIN_PASID && type == MDL_VTD_P_IOTLB)
		v[0] ^= BIT(32);
	if (w->d.twin == TWIN_KIND)
		v[0] ^= type == MDL_VTD_P_IOTLB ? 4 | (v[0] & (UINT64_C(0xfffff) << 32)) : 4;
	if (w->d.twin == TWIN_DROPS && i == w->nr / 2)
		memset(v, 0, 32);
}

static void break_device(struct world *w, uint64_t *v, size_t i)
{
	bool by_pasid = (v[0] & 0xf) == MDL_VTD_P_DEV_TLB;
	unsigned sid = by_pasid ? 16 : 32;

	if (w->d.twin == TWIN_S)
		v[1] &= ~(by_pasid ? BIT(11) : BIT(0));
	if (w->d.twin == TWIN_SOURCE)
		v[0] = (v[0] & ~(UINT64_C(0xffff) << sid)) | (uint64_t)w->dev[0].sid << sid;
	if (w->d.twin == TWIN_PASID && by_pasid)
		v[0] ^= BIT(32);
	if (w->d.twin == TWIN_DROPS && i == w->nr / 2)
		memset(v, 0, 32);
}

static void understand(struct world *w, bool devices)
{
	uint64_t v[4];
	size_t i;

	for (i = 0; i < w->nr; i++) {
		diff_from_le(v, w->raw[i].word, 4);
		if (devices)
			break_device(w, v, i);
		else
			break_iotlb(w, v, i);
		mdl_vtd_inv(v, &w->d.mid, false, &w->m[i]);
		if (w->m[i].legal != MDL_INV_OK)
			diff_mismatch(&w->d, "%016llx %016llx is not legal for certain",
				      (unsigned long long)v[0], (unsigned long long)v[1]);
	}
}

/* ---- the IOTLB ---- */

static void must_go(struct world *w, const struct mdl_vtd_cached *e, const struct iod_inv *v)
{
	size_t i;

	w->checked++;
	for (i = 0; i < w->nr; i++)
		if (mdl_vtd_must_go(e, &w->m[i]))
			return;
	diff_mismatch(&w->d,
		      "[%llx, %llx] flags %x levels %x %x: %s of stage %d, 2^%u at %llx, stays "
		      "(%zu descriptors)",
		      (unsigned long long)v->iova, (unsigned long long)v->last, v->flags,
		      v->leaf_levels, v->table_levels, e->table ? "a table" : "a leaf", e->stage,
		      e->lg2, (unsigned long long)e->first, w->nr);
}

static uint64_t some_address(struct diff *d, const struct iod_inv *v)
{
	uint64_t len = v->last - v->iova;

	if (v->kind != IOD_INV_RANGE)
		return diff_random(d);
	if (diff_chance(d, 3))
		return v->iova;
	if (diff_chance(d, 2))
		return v->last;
	return v->iova + (len == UINT64_MAX ? diff_random(d) : diff_random(d) % (len + 1));
}

/* A leaf of a level that changed, or a piece of it, wholly inside. @return false: there is none like it */
static bool some_leaf(struct diff *d, const struct iod_inv *v, struct mdl_vtd_cached *e)
{
	unsigned level = diff_below(d, 3);
	uint64_t at = some_address(d, v), leaf, size;

	if (v->kind == IOD_INV_RANGE && v->leaf_levels && !(v->leaf_levels >> level & 1))
		return false;
	size = BIT(12 + 9 * level);
	leaf = at & ~(size - 1);
	if (v->kind == IOD_INV_RANGE && (leaf < v->iova || leaf + (size - 1) > v->last))
		return false;
	e->lg2 = 12 + 9 * diff_below(d, level + 1);
	e->first = at & ~(BIT(e->lg2) - 1);
	return true;
}

static bool some_table(struct diff *d, const struct iod_inv *v, struct mdl_vtd_cached *e)
{
	unsigned level = 1 + diff_below(d, LEVELS - 1);

	if (v->kind == IOD_INV_RANGE && v->table_levels && !(v->table_levels >> level & 1))
		return false;
	e->lg2 = 12 + 9 * level;
	e->first = some_address(d, v) & ~(BIT(e->lg2) - 1);
	return true;
}

/* Something that hardware may hold of what an item is about. */
static bool some_cached(struct world *w, const struct iod_inv *v, struct mdl_vtd_cached *e)
{
	struct diff *d = &w->d;

	memset(e, 0, sizeof(*e));
	e->table = diff_chance(d, 2);
	e->did = w->did[diff_below(d, w->nr_dids)];
	e->stage = w->cfg.stage == 1 ? MDL_VTD_FIRST : MDL_VTD_SECOND;
	e->pasid = w->cfg.pasid;
	if (w->cfg.flags & IOD_VTD_INV_NESTED && diff_chance(d, 2)) {
		/* any address of any PASID may have come this way; tables of stage 1 were found this way */
		e->stage = e->table ? MDL_VTD_FIRST : MDL_VTD_NESTED;
		e->pasid = diff_below(d, 1 << 20);
		e->lg2 = e->table ? 12 + 9 * (1 + diff_below(d, 4)) : 12 + 9 * diff_below(d, 3);
		e->first = diff_random(d) & ~(BIT(e->lg2) - 1);
		return !(v->flags & IOD_INV_NO_LEAVES); /* no translation changed */
	}
	if (e->table)
		return !(v->flags & IOD_INV_LEAF_ONLY) && some_table(d, v, e);
	return !(v->flags & IOD_INV_NO_LEAVES) && some_leaf(d, v, e);
}

static void check_iotlb(struct world *w)
{
	const struct iod_inv *v;
	struct mdl_vtd_cached e;
	unsigned k;
	int ret;

	ret = iod_vtd_inv_encode(w->inv, w->item, w->nr_items, w->raw, MAX_DESCS, &w->nr);
	if (ret == -ENOSPC) {
		w->skipped++;
		return;
	}
	assert_int_equal(ret, 0);
	understand(w, false);
	for (k = 0; k < 64; k++) {
		v = &w->item[diff_below(&w->d, (unsigned)w->nr_items)];
		if (some_cached(w, v, &e))
			must_go(w, &e, v);
	}
}

/* ---- devices ---- */

static void must_forget(struct world *w, const struct iod_vtd_ats_device *dev, bool pasid_valid,
			unsigned pasid, uint64_t at)
{
	const struct mdl_vtd_inv *m;
	uint64_t first, last;
	size_t i;

	w->checked++;
	for (i = 0; i < w->nr; i++) {
		m = &w->m[i];
		if (m->sid != dev->sid || m->pfsid != dev->pfsid || m->mip != dev->max_pending)
			continue;
		if (m->type != (pasid_valid ? MDL_VTD_P_DEV_TLB : MDL_VTD_DEV_TLB))
			continue;
		if (pasid_valid && !m->all_pasids && m->pasid != pasid)
			continue;
		mdl_vtd_inv_device(m, &first, &last);
		if (at >= first && at <= last)
			return;
	}
	for (i = 0; i < w->nr && !w->d.twin; i++)
		print_error("  %016llx %016llx\n", (unsigned long long)w->raw[i].word[0],
			    (unsigned long long)w->raw[i].word[1]);
	diff_mismatch(&w->d, "device %x, %s %x, keeps %llx (%zu descriptors)", dev->sid,
		      pasid_valid ? "PASID" : "no PASID", pasid, (unsigned long long)at, w->nr);
}

static void check_devices(struct world *w)
{
	const struct iod_vtd_ats_device *dev;
	bool nested = w->cfg.flags & IOD_VTD_INV_NESTED;
	const struct iod_inv *v;
	unsigned k;
	int ret;

	ret = iod_vtd_inv_encode_atc(w->inv, w->item, w->nr_items, w->raw, MAX_DESCS, &w->nr);
	if (ret == -ENOSPC) {
		w->skipped++;
		return;
	}
	assert_int_equal(ret, 0);
	understand(w, true);
	for (k = 0; k < 32 && w->nr_devs; k++) {
		dev = &w->dev[diff_below(&w->d, w->nr_devs)];
		v = &w->item[diff_below(&w->d, (unsigned)w->nr_items)];
		if (v->flags & IOD_INV_NO_LEAVES)
			continue;
		if (!nested) {
			must_forget(w, dev, dev->pasid_valid, dev->pasid, some_address(&w->d, v));
			continue;
		}
		must_forget(w, dev, false, 0, diff_random(&w->d));
		if (dev->pasid_valid)
			must_forget(w, dev, true, diff_below(&w->d, 1 << 20), diff_random(&w->d));
	}
}

static unsigned run(struct world *w, unsigned worlds)
{
	unsigned i, opened = 0;

	while (worlds--) {
		if (!open_world(w))
			continue;
		opened++;
		for (i = 0; i < 4; i++) {
			random_batch(w);
			check_iotlb(w);
			check_devices(w);
		}
		assert_int_equal(iod_vtd_inv_destroy(w->inv), 0);
	}
	return opened;
}

static void batches(void **state)
{
	unsigned n = (unsigned)iodt_scale(4000), opened;
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	diff_start(&w->d);
	opened = run(w, n);
	print_message("%u units of %u, %u asked and gone, %u batches too long\n", opened, n,
		      w->checked, w->skipped);
	assert_true(opened > n / 4 && w->checked > 100 * opened && w->skipped < opened / 4);
	free(w);
}

static void twins(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int twin;

	(void)state;
	assert_non_null(w);
	for (twin = TWIN_NONE + 1; twin < TWIN_LAST; twin++) {
		diff_start(&w->d);
		w->d.twin = twin;
		run(w, 200);
		if (w->d.mismatches <= 10)
			fail_msg("twin %d: %u", twin, w->d.mismatches);
	}
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(batches), cmocka_unit_test(twins) };

	return cmocka_run_group_tests_name("gathers to VT-d descriptors, against the model", tests,
					   NULL, NULL);
}
