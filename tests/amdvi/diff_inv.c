/* SPDX-License-Identifier: MIT */
/*
 * A gather's invalidations as AMD IOMMU commands: whatever they ask for must go, judged by the independent model of the
 * commands and not by iod_amdvi_cmd_effect(). Random tables, domains, devices and costs.
 */
#include "amdvi/diff_amdvi.h"

#include <string.h>

#include <iodirty/amdvi_inv.h>

#define MAX_CMDS    32768u
#define MAX_ITEMS   6u
#define MAX_DOMAINS 3u
#define MAX_DEVS    3u

/* Libraries that are wrong on purpose. */
enum { TWIN_NONE, TWIN_DROP, TWIN_NARROW, TWIN_PDE, TWIN_GN, TWIN_TAG, TWIN_DEVICE, TWIN_LAST };

/* Asked for commands, or handed to a sink as a gather does. */
enum way { ENCODE, ENCODE_ATC, ISSUE };

struct world {
	struct diff d;
	struct iod_amdvi_inv *inv;
	struct iod_amdvi_inv_cfg cfg;
	struct iod_inv_cost cost;
	uint16_t domain[MAX_DOMAINS];
	unsigned nr_domains, nr_devs;
	struct iod_amdvi_ats_device dev[MAX_DEVS];
	struct iod_inv item[MAX_ITEMS];
	unsigned nr_items;
	struct iod_amdvi_raw_cmd raw[MAX_CMDS];
	struct mdl_amdvi_cmd cmd[MAX_CMDS];
	struct mdl_amdvi_cover cover[MAX_CMDS];
	size_t nr;
	/* what was looked at */
	unsigned asked, wide, devices;
};

/* ---- worlds ---- */

static int take(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, bool sync,
		size_t *issued)
{
	struct world *w = cookie;

	(void)sync;
	*issued = nr;
	assert_true(w->nr + nr <= MAX_CMDS);
	if (nr)
		memcpy(&w->raw[w->nr], cmds, nr * sizeof(*cmds));
	w->nr += nr;
	return 0;
}

static void some_cost(struct world *w)
{
	struct diff *d = &w->d;

	w->cost = (struct iod_inv_cost){ .size = sizeof(w->cost) };
	if (diff_chance(d, 2))
		return;
	w->cost.command = 1 + diff_below(d, 1000);
	w->cost.domain = diff_chance(d, 4) ? IOD_INV_NEVER : 1 + diff_below(d, 100000);
	w->cost.global = diff_chance(d, 4) ? IOD_INV_NEVER : 1 + diff_below(d, 100000);
	w->cost.page = 1 + diff_below(d, 100);
	w->cost.device_page = 1 + diff_below(d, 100);
	w->cost.device_all = diff_chance(d, 4) ? IOD_INV_NEVER : 1 + diff_below(d, 100000);
}

static void some_devices(struct world *w)
{
	struct diff *d = &w->d;
	bool nested = w->cfg.flags & IOD_AMDVI_INV_NESTED;
	unsigned i;

	w->nr_devs = 0;
	for (i = diff_below(d, MAX_DEVS + 1); i; i--) {
		struct iod_amdvi_ats_device dev = { .size = sizeof(dev) };

		dev.devid = dev.queue = (uint16_t)diff_random(d);
		dev.stu = (uint8_t)(diff_chance(d, 2) ? 0 : diff_below(d, 10));
		if (w->cfg.stage == 1) {
			dev.pasid_valid = w->cfg.pasid || diff_chance(d, 2);
			dev.pasid = dev.pasid_valid ? w->cfg.pasid : 0;
		} else if (nested) {
			dev.pasid_valid = w->cfg.pasids && diff_chance(d, 2);
		} else {
			dev.pasid_valid = diff_chance(d, 4);
			dev.pasid = dev.pasid_valid ? diff_below(d, 1 << 20) : 0;
		}
		if (!iod_amdvi_inv_add_device(w->inv, &dev))
			w->dev[w->nr_devs++] = dev;
	}
}

static bool world_open(struct world *w)
{
	struct iod_amdvi_sink sink = { .size = sizeof(sink), .issue = take, .cookie = w };
	struct diff *d = &w->d;
	int ret;

	diff_id_full(d);
	if (diff_chance(d, 3))
		d->id.efr &= ~IOD_AMDVI_EFR_IASUP;
	d->mid.efr = d->id.efr;
	some_cost(w);
	w->cfg = (struct iod_amdvi_inv_cfg){ .size = sizeof(w->cfg),
					     .id = &d->id,
					     .stage = 1 + diff_below(d, 2),
					     .domain = (uint16_t)diff_random(d),
					     .sink = &sink,
					     .cost = &w->cost };
	if (w->cfg.stage == 1)
		w->cfg.pasid = diff_chance(d, 4) ? 0 : diff_below(d, 1 << 20);
	if (w->cfg.stage == 2 && diff_chance(d, 2)) {
		w->cfg.flags |= IOD_AMDVI_INV_NESTED;
		w->cfg.flags |= diff_chance(d, 3) ? IOD_AMDVI_INV_NO_COMBINED : 0;
		w->cfg.pasids =
			diff_chance(d, 3) ? 0 : 1 + diff_below(d, diff_chance(d, 4) ? 256 : 5);
	}
	w->cfg.flags |= diff_chance(d, 6) ? IOD_AMDVI_INV_NO_RANGES : 0;
	w->cfg.flags |= diff_chance(d, 6) ? IOD_AMDVI_INV_REPEAT : 0;
	ret = iod_amdvi_inv_create(&w->inv, &w->cfg);
	if (ret == -EOPNOTSUPP) /* nested, without PASIDs and without INVALIDATE_IOMMU_ALL */
		return false;
	assert_int_equal(ret, 0);
	w->domain[0] = w->cfg.domain;
	w->nr_domains = 1;
	while (w->nr_domains < MAX_DOMAINS && diff_chance(d, 2)) {
		w->domain[w->nr_domains] = (uint16_t)diff_random(d);
		if (!iod_amdvi_inv_add_domain(w->inv, w->domain[w->nr_domains]))
			w->nr_domains++;
	}
	some_devices(w);
	return true;
}

/* ---- what is asked for ---- */

static void some_item(struct world *w, struct iod_inv *inv)
{
	struct diff *d = &w->d;
	unsigned top = w->cfg.stage == 1 ? 57 : 52;
	uint64_t len = diff_random(d) >> (64 - diff_below(d, top - 12) - 1);

	*inv = (struct iod_inv){ .kind = IOD_INV_RANGE, .granule_lg2 = 12 };
	if (diff_chance(d, 20))
		inv->kind = diff_chance(d, 2) ? IOD_INV_DOMAIN : IOD_INV_ALL;
	if (inv->kind != IOD_INV_RANGE)
		return;
	if (diff_chance(d, 3))
		len = diff_below(d, 16) << 12;
	inv->iova = diff_random(d) >> (64 - top) & ~UINT64_C(0xfff);
	inv->last = (inv->iova + len) | 0xfff;
	if (inv->last >> top)
		inv->last = (UINT64_C(1) << top) - 1;
	if (diff_chance(d, 3)) { /* a whole block */
		len = (UINT64_C(1) << (12 + diff_below(d, top - 12))) - 1;
		inv->iova &= ~len;
		inv->last = inv->iova | len;
	}
	if (diff_chance(d, 2)) {
		inv->flags = IOD_INV_LEAF_ONLY;
		inv->leaf_levels = diff_below(d, 8);
	} else if (diff_chance(d, 2)) {
		inv->leaf_levels = 1 + diff_below(d, 7);
		inv->table_levels = 2 + 2 * diff_below(d, 7);
	}
	if (!inv->flags && inv->table_levels && diff_chance(d, 4)) {
		inv->flags = IOD_INV_NO_LEAVES;
		inv->leaf_levels = 0;
	}
}

/* ---- what comes of it ---- */

/* @return 0, -ENOSPC, -EOPNOTSUPP */
static int get_commands(struct world *w, enum way way)
{
	const struct iod_inv_ops *ops = iod_amdvi_inv_ops();
	int ret;

	if (way == ENCODE)
		return iod_amdvi_inv_encode(w->inv, w->item, w->nr_items, w->raw, MAX_CMDS, &w->nr);
	if (way == ENCODE_ATC)
		return iod_amdvi_inv_encode_atc(w->inv, w->item, w->nr_items, w->raw, MAX_CMDS,
						&w->nr);
	w->nr = 0;
	ret = ops->invalidate(w->inv, w->item, w->nr_items);
	if (!ret)
		iodt_assert_ok(ops->sync(w->inv));
	return ret;
}

/* @return false: no use */
static bool encode(struct world *w, enum way way)
{
	bool atc = way == ENCODE_ATC;
	uint64_t words[2];
	size_t i;
	int ret;

	ret = get_commands(w, way);
	if (ret == -ENOSPC)
		return false;
	if (ret == -EOPNOTSUPP) { /* everything, without a command for that */
		assert_false(w->d.id.efr & IOD_AMDVI_EFR_IASUP);
		return false;
	}
	assert_int_equal(ret, 0);
	if (w->d.twin == TWIN_DROP && w->nr)
		w->nr--;
	for (i = 0; i < w->nr; i++) {
		diff_from_le(words, w->raw[i].word, 2);
		mdl_amdvi_cmd(words, &w->d.mid, &w->cmd[i]);
		if (w->cmd[i].verdict != MDL_AMD_OK || w->cmd[i].beyond_id)
			fail_msg("%016llx %016llx is issued", (unsigned long long)words[0],
				 (unsigned long long)words[1]);
		if (w->d.twin == TWIN_NARROW)
			w->cmd[i].s = false;
		if (w->d.twin == TWIN_PDE)
			w->cmd[i].pde = false;
		if (w->d.twin == TWIN_GN)
			w->cmd[i].gn = !w->cmd[i].gn;
		if (w->d.twin == TWIN_TAG)
			w->cmd[i].domain = w->cfg.domain;
		if (w->d.twin == TWIN_DEVICE && w->cmd[i].op == 4)
			w->cmd[i].devid = w->dev[0].devid;
		mdl_amdvi_cover(&w->cmd[i], &w->cover[i]);
		if (atc && !w->cover[i].atc)
			fail_msg("op %u for a device", w->cmd[i].op);
		if (way == ENCODE && w->cmd[i].op != 1 && w->cmd[i].op != 3 && w->cmd[i].op != 8)
			fail_msg("op %u", w->cmd[i].op);
		w->wide += w->cmd[i].op == 8;
	}
	return true;
}

static bool gone(const struct world *w, const struct mdl_amdvi_cached *e)
{
	size_t i;

	for (i = 0; i < w->nr; i++)
		if (mdl_amdvi_must_go(e, &w->cover[i]))
			return true;
	return false;
}

static uint64_t somewhere(struct world *w, const struct iod_inv *inv)
{
	uint64_t first = inv->iova, last = inv->last;

	if (inv->kind != IOD_INV_RANGE)
		return diff_random(&w->d) >> 7;
	if (diff_chance(&w->d, 3))
		return diff_chance(&w->d, 2) ? first : last;
	return first + diff_random(&w->d) % (last - first + 1);
}

static unsigned some_level(struct diff *d, uint32_t levels)
{
	unsigned level;

	do {
		level = diff_below(d, 4);
	} while (!(levels >> level & 1));
	return level;
}

/* Something that the item is about: a leaf, or an entry of a directory. @return false: the item is about no such */
static bool some_cached(struct world *w, const struct iod_inv *inv, struct mdl_amdvi_cached *e)
{
	struct diff *d = &w->d;
	unsigned level;

	*e = (struct mdl_amdvi_cached){
		.guest = w->cfg.stage == 1,
		.table = diff_chance(d, 2),
		.domain = w->domain[diff_below(d, w->nr_domains)],
		.pasid = w->cfg.pasid,
	};
	if (e->table ? inv->flags & IOD_INV_LEAF_ONLY : inv->flags & IOD_INV_NO_LEAVES)
		return false;
	if (e->table)
		level = some_level(d, inv->table_levels ? inv->table_levels : 0xe);
	else
		level = some_level(d, inv->leaf_levels ? inv->leaf_levels : 7);
	e->lg2 = 12 + 9 * level;
	if (!e->guest && !e->table) /* runs */
		e->lg2 += diff_below(d, 9);
	e->first = somewhere(w, inv) >> e->lg2 << e->lg2;
	return true;
}

static void must_go(struct world *w, const struct iod_inv *inv, const struct mdl_amdvi_cached *e,
		    const char *what)
{
	w->asked++;
	if (!gone(w, e))
		diff_mismatch(
			&w->d,
			"stage %u flags %#x: item %u of %#llx to %#llx flags %#x: keeps %s, %s "
			"of 2^%u at %#llx, domain %u, pasid %u; %zu commands",
			w->cfg.stage, w->cfg.flags, inv->kind, (unsigned long long)inv->iova,
			(unsigned long long)inv->last, inv->flags, what,
			e->table ? "directory" : "leaf", e->lg2, (unsigned long long)e->first,
			e->domain, e->pasid, w->nr);
}

/* What was made of a host's table and guests' ones together, at any guest address. */
static void combined_must_go(struct world *w, const struct iod_inv *inv)
{
	struct diff *d = &w->d;
	struct mdl_amdvi_cached e = {
		.guest = true,
		.table = diff_chance(d, 2),
		.domain = w->domain[diff_below(d, w->nr_domains)],
		.pasid = diff_below(d, w->cfg.pasids ? w->cfg.pasids : 1 << 20),
		.lg2 = 12,
	};

	if (inv->flags & IOD_INV_NO_LEAVES)
		return;
	e.lg2 += 9 * (e.table + diff_below(d, 3));
	e.first = diff_random(d) >> e.lg2 << e.lg2;
	must_go(w, inv, &e, "combined");
}

static void check_iommu(struct world *w)
{
	bool combined = (w->cfg.flags & (IOD_AMDVI_INV_NESTED | IOD_AMDVI_INV_NO_COMBINED)) ==
			IOD_AMDVI_INV_NESTED;
	struct mdl_amdvi_cached e;
	unsigned i, k;

	for (i = 0; i < w->nr_items; i++) {
		for (k = 0; k < 24; k++) {
			if (some_cached(w, &w->item[i], &e))
				must_go(w, &w->item[i], &e, "its own");
			if (combined)
				combined_must_go(w, &w->item[i]);
		}
	}
}

/* ---- devices ---- */

static bool forgets(const struct world *w, const struct iod_amdvi_ats_device *dev, bool has_pasid,
		    unsigned pasid, uint64_t at)
{
	size_t i;

	for (i = 0; i < w->nr; i++) {
		const struct mdl_amdvi_cover *v = &w->cover[i];

		if (v->atc && v->devid == dev->devid && v->atc_pasid == has_pasid &&
		    (!has_pasid || v->pasid == pasid) && v->first <= at && at <= v->last)
			return true;
	}
	return false;
}

static void check_device(struct world *w, const struct iod_amdvi_ats_device *dev,
			 const struct iod_inv *inv)
{
	bool nested = w->cfg.flags & IOD_AMDVI_INV_NESTED;
	struct diff *d = &w->d;
	bool has_pasid = dev->pasid_valid && (!nested || diff_chance(d, 2));
	unsigned pasid = dev->pasid;
	uint64_t at = nested ? diff_random(d) : somewhere(w, inv);

	if (inv->flags & IOD_INV_NO_LEAVES)
		return;
	if (nested && has_pasid)
		pasid = diff_below(d, w->cfg.pasids);
	w->devices++;
	if (!forgets(w, dev, has_pasid, pasid, at))
		diff_mismatch(d, "stage %u flags %#x: device %x (pasid %d) keeps %#llx",
			      w->cfg.stage, w->cfg.flags, dev->devid, has_pasid ? (int)pasid : -1,
			      (unsigned long long)at);
}

/* No device is asked to forget less than it can. */
static void check_units(struct world *w, const struct iod_amdvi_ats_device *dev)
{
	size_t i;

	for (i = 0; i < w->nr; i++)
		if (w->cover[i].atc && w->cmd[i].devid == dev->devid &&
		    w->cover[i].last - w->cover[i].first < (UINT64_C(4096) << dev->stu) - 1)
			diff_mismatch(&w->d, "less than 2^%u pages", dev->stu);
}

static void check_devices(struct world *w)
{
	unsigned i, k, n;

	for (i = 0; i < w->nr_devs; i++) {
		check_units(w, &w->dev[i]);
		for (k = 0; k < w->nr_items; k++)
			for (n = 0; n < 12; n++)
				check_device(w, &w->dev[i], &w->item[k]);
	}
}

/* ---- */

static void one_world(struct world *w, unsigned rounds)
{
	unsigned i;
	bool few;

	if (!world_open(w))
		return;
	while (rounds--) {
		w->nr_items = 1 + diff_below(&w->d, MAX_ITEMS);
		for (i = 0; i < w->nr_items; i++)
			some_item(w, &w->item[i]);
		few = encode(w, ENCODE);
		if (few)
			check_iommu(w);
		if (w->nr_devs) {
			few &= encode(w, ENCODE_ATC);
			if (few)
				check_devices(w);
		}
		if (few && encode(w, ISSUE)) {
			check_iommu(w);
			check_devices(w);
		}
	}
	iodt_assert_ok(iod_amdvi_inv_destroy(w->inv));
}

static void everything_goes(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned i, n = iodt_scale(4000);

	(void)state;
	assert_non_null(w);
	diff_start(&w->d);
	for (i = 0; i < n; i++)
		one_world(w, 8);
	print_message("%u cached entries asked for, %u in devices; %u times everything\n", w->asked,
		      w->devices, w->wide);
	assert_true(w->asked > 100 * n && w->devices > 10 * n && w->wide);
	free(w);
}

static void twins(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int twin, i;

	(void)state;
	assert_non_null(w);
	for (twin = TWIN_DROP; twin < TWIN_LAST; twin++) {
		diff_start(&w->d);
		w->d.twin = twin;
		for (i = 0; i < 200; i++)
			one_world(w, 4);
		print_message("twin %d: %u mismatches\n", twin, w->d.mismatches);
		assert_true(w->d.mismatches > 10);
	}
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_goes),
		cmocka_unit_test(twins),
	};

	return cmocka_run_group_tests_name("AMD-Vi gathers against the model", tests, NULL, NULL);
}
