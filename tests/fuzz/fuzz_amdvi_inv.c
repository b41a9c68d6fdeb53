/* SPDX-License-Identifier: MIT */
/*
 * Invalidations of any shape as AMD IOMMU commands: refused or encoded, and then whatever lies in them goes, judged by
 * the model of the commands; each command is a legal one.
 *
 * Input: flags, domain, PASID, pasids, costs, a device; then items.
 */
#include <errno.h>
#include <stdlib.h>

#include <iodirty/amdvi_inv.h>

#include "fuzz/fuzz.h"
#include "mdl_amdvi.h"

#define MAX_ITEMS 16u
#define MAX_CMDS  8192u

struct run {
	struct iod_amdvi_inv *inv;
	struct iod_amdvi_inv_cfg cfg;
	struct iod_inv_cost cost;
	struct iod_amdvi_ats_device dev;
	bool has_dev;
	struct iod_inv item[MAX_ITEMS];
	size_t nr_items, nr;
	struct iod_amdvi_raw_cmd raw[MAX_CMDS];
	struct mdl_amdvi_cover cover[MAX_CMDS];
};

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	static const uint8_t head[3][2] = { { 2, 0 }, { 1, 0 }, { 2, 1 } };
	uint8_t *at = buf;

	(void)max;
	if (n >= 3)
		return 0;
	at = fuzz_put(at, head[n][0], 1); /* stage, flags */
	at = fuzz_put(at, head[n][1], 1);
	at = fuzz_put(at, 9, 2);
	at = fuzz_put(at, n == 1 ? 5 : 0, 3);
	at = fuzz_put(at, n == 2 ? 4 : 0, 2);
	at = fuzz_put(at, 0, 8);
	at = fuzz_put(at, 0x10001, 4);
	at = fuzz_put(at, 3, 1); /* a range of leaves */
	at = fuzz_put(at, IOD_INV_LEAF_ONLY, 1);
	at = fuzz_put(at, 1, 2);
	at = fuzz_put(at, 0x7000, 8);
	at = fuzz_put(at, 0x8fff, 8);
	return (size_t)(at - buf);
}

static bool open_inv(struct run *r, struct fuzz_in *in)
{
	uint64_t costs, dev;
	uint8_t stage;

	r->cost.size = sizeof(r->cost);
	r->cfg = (struct iod_amdvi_inv_cfg){ .size = sizeof(r->cfg), .cost = &r->cost };
	stage = (uint8_t)fuzz_take(in, 1);
	r->cfg.stage = stage & 3;
	r->cfg.flags = (uint32_t)fuzz_take(in, 1);
	r->cfg.domain = (uint16_t)fuzz_take(in, 2);
	r->cfg.pasid = (uint32_t)fuzz_take(in, 3);
	r->cfg.pasids = (uint32_t)fuzz_take(in, 2);
	if (stage < 0xe0) { /* what fits together */
		r->cfg.flags &=
			IOD_AMDVI_INV_NESTED | IOD_AMDVI_INV_NO_RANGES | IOD_AMDVI_INV_REPEAT;
		r->cfg.flags &= r->cfg.stage == 2 ? ~0u : ~IOD_AMDVI_INV_NESTED;
		r->cfg.pasid &= r->cfg.stage == 1 ? 0xfffff : 0;
		r->cfg.pasids &= r->cfg.flags & IOD_AMDVI_INV_NESTED ? 0xff : 0;
	}
	costs = fuzz_take(in, 8);
	r->cost.command = costs & 0xffff;
	r->cost.domain = costs >> 16 & 0xffff;
	r->cost.global = costs >> 32 & 0xffff;
	r->cost.page = costs >> 48;
	if (iod_amdvi_inv_create(&r->inv, &r->cfg))
		return false;
	dev = fuzz_take(in, 4);
	r->dev = (struct iod_amdvi_ats_device){ .size = sizeof(r->dev) };
	r->dev.devid = (uint16_t)dev;
	r->dev.pasid_valid = dev >> 16 & 1;
	r->dev.pasid = r->dev.pasid_valid && r->cfg.stage == 1 ? r->cfg.pasid : 0;
	r->dev.stu = dev >> 24 & 31;
	r->has_dev = dev && !iod_amdvi_inv_add_device(r->inv, &r->dev);
	return true;
}

static void take_items(struct run *r, struct fuzz_in *in)
{
	struct iod_inv *inv;
	uint64_t levels;

	for (r->nr_items = 0; in->size && r->nr_items < MAX_ITEMS; r->nr_items++) {
		inv = &r->item[r->nr_items];
		*inv = (struct iod_inv){ .granule_lg2 = 12 };
		inv->kind = (enum iod_inv_kind)(fuzz_take(in, 1) & 3);
		inv->flags = (uint32_t)fuzz_take(in, 1) & 15;
		levels = fuzz_take(in, 2);
		inv->leaf_levels = levels & 0x3f;
		inv->table_levels = levels >> 8 & 0x3f;
		inv->iova = fuzz_take(in, 8);
		inv->last = fuzz_take(in, 8);
	}
}

static bool encode(struct run *r, bool atc)
{
	static const struct mdl_amdvi_id all = { .efr = UINT64_MAX };
	struct mdl_amdvi_cmd cmd;
	uint64_t w[2];
	size_t i;
	int ret;

	ret = (atc ? iod_amdvi_inv_encode_atc : iod_amdvi_inv_encode)(r->inv, r->item, r->nr_items,
								      r->raw, MAX_CMDS, &r->nr);
	FUZZ_CHECK(!ret || ret == -EINVAL || ret == -ENOSPC);
	for (i = 0; !ret && i < r->nr; i++) {
		fuzz_word(r->raw[i].word, 2, 0, &w[0]);
		fuzz_word(r->raw[i].word, 2, 8, &w[1]);
		mdl_amdvi_cmd(w, &all, &cmd);
		FUZZ_CHECK(cmd.verdict == MDL_AMD_OK);
		mdl_amdvi_cover(&cmd, &r->cover[i]);
		FUZZ_CHECK(!r->cover[i].undefined && atc == r->cover[i].atc);
	}
	return !ret;
}

static void must_go(const struct run *r, const struct mdl_amdvi_cached *e)
{
	size_t i;

	for (i = 0; i < r->nr; i++)
		if (mdl_amdvi_must_go(e, &r->cover[i]))
			return;
	FUZZ_CHECK(!"a cached entry stays");
}

/* First, middle and last of an item: a leaf, and a directory of 2 MiB. */
static void check_item(const struct run *r, const struct iod_inv *inv)
{
	bool ranged = inv->kind == IOD_INV_RANGE;
	uint64_t at[3] = { inv->iova, inv->iova / 2 + inv->last / 2, inv->last };
	struct mdl_amdvi_cached e = { .guest = r->cfg.stage == 1,
				      .domain = r->cfg.domain,
				      .pasid = r->cfg.pasid };
	unsigned i;

	for (i = 0; i < 3; i++) {
		if (!(inv->flags & IOD_INV_NO_LEAVES)) {
			e.table = false;
			e.lg2 = 12;
			e.first = ranged ? at[i] & ~UINT64_C(0xfff) : at[i] << 12;
			must_go(r, &e);
		}
		if (!(inv->flags & IOD_INV_LEAF_ONLY) &&
		    (!inv->table_levels || inv->table_levels & 2)) {
			e.table = true;
			e.lg2 = 21;
			e.first = ranged ? at[i] & ~UINT64_C(0x1fffff) : at[i] << 21;
			must_go(r, &e);
		}
	}
}

static void check_device(const struct run *r, const struct iod_inv *inv)
{
	uint64_t at[2] = { inv->iova, inv->last };
	unsigned i;
	size_t k;

	if (inv->flags & IOD_INV_NO_LEAVES)
		return;
	for (i = 0; i < 2; i++) {
		for (k = 0; k < r->nr; k++)
			if (r->cover[k].atc_pasid == r->dev.pasid_valid &&
			    r->cover[k].pasid == r->dev.pasid && r->cover[k].first <= at[i] &&
			    r->cover[k].last >= at[i])
				break;
		FUZZ_CHECK(k < r->nr);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct run *r = calloc(1, sizeof(*r));
	size_t i;

	if (!r)
		return 0;
	if (open_inv(r, &in)) {
		take_items(r, &in);
		if (encode(r, false))
			for (i = 0; i < r->nr_items; i++)
				check_item(r, &r->item[i]);
		if (r->has_dev && encode(r, true))
			for (i = 0; i < r->nr_items; i++)
				check_device(r, &r->item[i]);
		FUZZ_CHECK(!iod_amdvi_inv_destroy(r->inv));
	}
	free(r);
	return 0;
}
