/* SPDX-License-Identifier: MIT */
/*
 * A gather's way to VT-d: what its descriptors are (VT-d specification, 6.5.2), and the object.
 *
 * An invalidation of the second stage names a domain id. It takes first-stage and nested translations of that id
 * along whatever their addresses, and what walk caches hold of both stages' tables (IH = 0); so nothing combined is
 * left. One of the first stage names a PASID as well, and leaves the second stage's walk caches alone.
 *
 * Nested translations and first-stage tables in walk caches were found through second-stage leaves. Whether IH = 1
 * keeps the latter is not confirmed, so that it is not said for a second stage that others are nested on.
 *
 * Scalable mode knows no global pages: everything of a PASID is everything.
 */
#include <errno.h>

#include <iodirty/vtd_inv.h>

#include "inv_blocks.h"
#include "pgtable/mem.h"
#include "vtd/desc.h"
#include "vtd/id.h"

#define INV_FLAGS	(IOD_VTD_INV_NESTED | IOD_VTD_INV_NO_RANGES | IOD_VTD_INV_REPEAT)

#define DESC0_DID_SHIFT 16
#define DESC1_IH	BIT64(6)

struct iod_vtd_inv {
	struct inv_core core;
	struct iod_vtd_sink sink;
	int (*quirk)(void *cookie, struct iod_vtd_raw_desc *descs, size_t *nr, size_t max);
	void *quirk_cookie;
	struct iod_vtd_id id;
	uint32_t flags;
	bool by_page; /* page-selective ones exist */
	struct inv_block_form form;
	/* First words without the domain id: by address, for everything of the table, for everything there is. */
	uint64_t narrow, wide, all;
};

static inline const struct iod_vtd_inv *inv_of(const struct inv_core *core)
{
	return (const struct iod_vtd_inv *)(const void *)core;
}

/* ---- the descriptors ---- */

static void vtd_put(struct inv_out *o, uint16_t did, uint64_t page, unsigned lg2, bool leaf)
{
	inv_out_put(o, inv_of(o->inv)->narrow | (uint64_t)did << DESC0_DID_SHIFT,
		    page << INV_PAGE_LG2 | lg2 | (leaf ? DESC1_IH : 0));
}

static bool vtd_narrow(struct inv_out *o, const struct iod_inv *items, size_t nr, uint64_t *budget)
{
	const struct iod_vtd_inv *inv = inv_of(o->inv);

	return inv->by_page && iod_inv_blocks(o, &inv->form, items, nr, budget);
}

static uint64_t vtd_most(const struct inv_core *core, const struct iod_inv *item)
{
	return iod_inv_blocks_most(&inv_of(core)->form, item);
}

static bool vtd_wide(struct inv_out *o)
{
	uint32_t pos = 0;
	uint16_t did;

	while (inv_next_domain(o->inv, &pos, &did)) {
		inv_out_add(o, inv_of(o->inv)->wide | (uint64_t)did << DESC0_DID_SHIFT, 0);
		o->wides++;
	}
	return false;
}

static void vtd_all(struct inv_out *o)
{
	inv_out_add(o, inv_of(o->inv)->all, 0);
	o->wides++;
}

/* Nothing is left to do. */
static void vtd_combined(struct inv_out *o)
{
}

static void put_dev(struct inv_out *o, const struct iod_vtd_desc *desc)
{
	struct iod_vtd_raw_desc raw;

	/* Everything was checked when the device was added. */
	if (iod_vtd_desc_encode(&raw, desc, NULL, 0, NULL))
		o->err = o->err ? o->err : -EINVAL;
	else
		inv_out_add(o, iod_le64(raw.word[0]), iod_le64(raw.word[1]));
}

static void vtd_atc(struct inv_out *o, const struct inv_device *dev, uint64_t page, unsigned lg2)
{
	struct iod_vtd_desc desc = {
		.type = dev->has_pasid ? IOD_VTD_P_DEV_TLB_INV : IOD_VTD_DEV_TLB_INV,
		.sid = (uint16_t)dev->id,
		.pfsid = dev->limits,
		.mip = dev->max_pending,
		.pasid = dev->pasid,
		.span = (uint8_t)lg2,
		.addr = page << INV_PAGE_LG2,
	};

	put_dev(o, &desc);
}

/* Everything. What a guest tagged with PASIDs is not taken along by a request without one, so there are two. */
static void vtd_atc_all(struct inv_out *o, const struct inv_device *dev)
{
	struct inv_device plain = *dev;
	struct iod_vtd_desc desc = {
		.type = IOD_VTD_P_DEV_TLB_INV,
		.sid = (uint16_t)dev->id,
		.pfsid = dev->limits,
		.mip = dev->max_pending,
		.global = true,
		.span = IOD_VTD_DEV_TLB_ALL_SPAN,
	};

	if (!o->inv->nested) {
		vtd_atc(o, dev, 0, IOD_VTD_DEV_TLB_ALL_SPAN);
		return;
	}
	plain.has_pasid = false;
	vtd_atc(o, &plain, 0, IOD_VTD_DEV_TLB_ALL_SPAN);
	if (dev->has_pasid)
		put_dev(o, &desc);
}

static int vtd_issue(const struct inv_core *core, const uint64_t *descs, size_t nr, bool sync)
{
	const struct iod_vtd_sink *sink = &inv_of(core)->sink;
	size_t issued = 0;

	return sink->issue(sink->cookie, (const struct iod_vtd_raw_desc *)descs, nr, sync, &issued);
}

static int vtd_quirk(const struct inv_core *core, uint64_t *descs, size_t *nr, size_t max)
{
	const struct iod_vtd_inv *inv = inv_of(core);

	return inv->quirk(inv->quirk_cookie, (struct iod_vtd_raw_desc *)descs, nr, max);
}

static const struct inv_vendor vtd = {
	.words_lg2 = 2,
	.granules = 1u << 12,
	.atc_max_lg2 = IOD_VTD_DEV_TLB_ALL_SPAN - 1,
	.op_mask = DESC0_TYPE_LOW | DESC0_TYPE_HIGH,
	.op_atc = { IOD_VTD_DEV_TLB_INV, IOD_VTD_P_DEV_TLB_INV },
	.op_sync = IOD_VTD_WAIT,
	.most = vtd_most,
	.narrow = vtd_narrow,
	.wide = vtd_wide,
	.all = vtd_all,
	.combined = vtd_combined,
	.atc = vtd_atc,
	.atc_all = vtd_atc_all,
	.issue = vtd_issue,
	.quirk = vtd_quirk,
};

/* ---- creation ---- */

static int inv_check_cfg(const struct iod_vtd_inv_cfg *cfg)
{
	bool s2 = cfg->stage == 2;

	if ((cfg->stage != 1 && !s2) || cfg->reserved || (cfg->flags & ~INV_FLAGS))
		return -EINVAL;
	if (!s2 && (cfg->flags & IOD_VTD_INV_NESTED))
		return -EINVAL;
	return s2 && cfg->pasid ? -EINVAL : 0;
}

static int inv_check_id(const struct iod_vtd_inv_cfg *cfg, const struct iod_vtd_id *id)
{
	uint64_t need = IOD_VTD_ECAP_QI;

	if (cfg->stage == 1)
		need |= IOD_VTD_ECAP_SMTS | IOD_VTD_ECAP_FSTS;
	if (cfg->flags & IOD_VTD_INV_NESTED)
		need |= IOD_VTD_ECAP_SMTS | IOD_VTD_ECAP_NEST;
	if (!vtd_ecap(id, need))
		return -EOPNOTSUPP;
	if (cfg->did >> vtd_did_bits(id))
		return -EINVAL;
	/* RID_PASID, that of requests without one, may have no more either. */
	return cfg->pasid >> vtd_pasid_bits(id) ? -EINVAL : 0;
}

/* First words, by the one encoder there is. */
static int inv_word(uint64_t *word, const struct iod_vtd_desc *desc)
{
	struct iod_vtd_raw_desc raw;
	int ret = iod_vtd_desc_encode(&raw, desc, NULL, 0, NULL);

	*word = ret ? 0 : iod_le64(raw.word[0]);
	return ret;
}

static int inv_words(struct iod_vtd_inv *inv, const struct iod_vtd_inv_cfg *cfg)
{
	const struct iod_vtd_desc iotlb = {
		.type = IOD_VTD_IOTLB_INV,
		.dr = inv->id.cap & IOD_VTD_CAP_DRD,
		.dw = inv->id.cap & IOD_VTD_CAP_DWD,
	};
	struct iod_vtd_desc narrow = iotlb, wide = iotlb, all = iotlb;
	int ret;

	narrow.gran = IOD_VTD_IOTLB_PAGE;
	wide.gran = IOD_VTD_IOTLB_DOMAIN;
	all.gran = IOD_VTD_IOTLB_GLOBAL;
	inv->core.budget = inv->core.cost.domain;
	if (cfg->stage == 1) {
		narrow = wide =
			(struct iod_vtd_desc){ .type = IOD_VTD_P_IOTLB_INV, .pasid = cfg->pasid };
		narrow.gran = IOD_VTD_P_IOTLB_PAGE;
		wide.gran = IOD_VTD_P_IOTLB_PASID;
	}
	ret = inv_word(&inv->narrow, &narrow);
	if (!ret)
		ret = inv_word(&inv->wide, &wide);
	return ret ? ret : inv_word(&inv->all, &all);
}

static int inv_fill(struct iod_vtd_inv *inv, const struct iod_vtd_inv_cfg *cfg)
{
	struct inv_core *core = &inv->core;
	int ret = inv_check_cfg(cfg);

	if (cfg->id)
		inv->id = *cfg->id;
	else if (!ret)
		ret = iod_vtd_id_full(&inv->id);
	if (!ret)
		ret = inv_check_id(cfg, &inv->id);
	if (!ret && cfg->sink)
		ret = iod_struct_in(&inv->sink, sizeof(inv->sink), cfg->sink, sizeof(inv->sink));
	if (!ret && cfg->sink && !inv->sink.issue)
		ret = -EINVAL;
	if (!ret)
		ret = iod_inv_core_config(core, cfg->cost, cfg->allocator);
	if (ret)
		return ret;
	inv->quirk = cfg->quirk;
	inv->quirk_cookie = cfg->quirk_cookie;
	inv->flags = cfg->flags;
	/* PSI and MAMV are about the second stage (11.4.2). */
	inv->by_page = cfg->stage == 1 || (inv->id.cap & IOD_VTD_CAP_PSI);
	inv->form.put = vtd_put;
	inv->form.all_tables = cfg->flags & IOD_VTD_INV_NESTED;
	inv->form.max_lg2 = cfg->stage == 1 ? AM_MAX : vtd_mamv(&inv->id);
	if (cfg->flags & IOD_VTD_INV_NO_RANGES)
		inv->form.max_lg2 = 0;
	core->vendor = &vtd;
	core->domain = cfg->did;
	core->nested = cfg->flags & IOD_VTD_INV_NESTED;
	core->repeat = cfg->flags & IOD_VTD_INV_REPEAT;
	core->has_all = true;
	core->has_issue = inv->sink.issue;
	core->has_quirk = cfg->quirk;
	return inv_words(inv, cfg);
}

static void inv_free(struct iod_vtd_inv *inv)
{
	struct iod_allocator allocator = inv->core.allocator;

	iod_inv_core_free(&inv->core);
	iod_zfree(&allocator, inv, sizeof(*inv));
}

int iod_vtd_inv_create(struct iod_vtd_inv **out, const struct iod_vtd_inv_cfg *user)
{
	struct iod_vtd_inv_cfg cfg;
	struct iod_vtd_inv model = { 0 }, *inv;
	int ret;

	if (!out)
		return -EINVAL;
	ret = iod_struct_in(&cfg, sizeof(cfg), user, sizeof(cfg));
	if (!ret)
		ret = inv_fill(&model, &cfg);
	if (ret)
		return ret;
	inv = iod_zalloc(&model.core.allocator, sizeof(*inv));
	if (!inv)
		return -ENOMEM;
	*inv = model;
	ret = iod_inv_core_init(&inv->core);
	if (ret) {
		inv_free(inv);
		return ret;
	}
	*out = inv;
	return 0;
}

int iod_vtd_inv_destroy(struct iod_vtd_inv *inv)
{
	if (!inv)
		return -EINVAL;
	iod_inv_core_fini(&inv->core);
	inv_free(inv);
	return 0;
}

/* ---- domain ids, devices ---- */

int iod_vtd_inv_add_domain(struct iod_vtd_inv *inv, uint16_t did)
{
	if (!inv || did >> vtd_did_bits(&inv->id))
		return -EINVAL;
	return iod_inv_core_add_domain(&inv->core, did);
}

int iod_vtd_inv_remove_domain(struct iod_vtd_inv *inv, uint16_t did)
{
	return inv ? iod_inv_core_remove_domain(&inv->core, did) : -EINVAL;
}

static bool inv_device_ok(const struct iod_vtd_inv *inv, const struct iod_vtd_ats_device *dev)
{
	if (dev->stu > 31 || dev->max_pending > 31 || dev->reserved)
		return false;
	if (!dev->pasid_valid || (inv->flags & IOD_VTD_INV_NESTED))
		return !dev->pasid;
	return !(dev->pasid >> vtd_pasid_bits(&inv->id));
}

int iod_vtd_inv_add_device(struct iod_vtd_inv *inv, const struct iod_vtd_ats_device *user)
{
	struct iod_vtd_ats_device dev;
	int ret;

	if (!inv)
		return -EINVAL;
	ret = iod_struct_in(&dev, sizeof(dev), user, sizeof(dev));
	if (ret)
		return ret;
	if (!vtd_ecap(&inv->id, IOD_VTD_ECAP_DT))
		return -EOPNOTSUPP;
	if (dev.pasid_valid && !iod_vtd_desc_permitted(&inv->id, IOD_VTD_P_DEV_TLB_INV))
		return -EOPNOTSUPP;
	if (!inv_device_ok(inv, &dev))
		return -EINVAL;
	return iod_inv_core_add_device(&inv->core,
				       &(struct inv_device){ .id = dev.sid,
							     .limits = dev.pfsid,
							     .pasid = dev.pasid,
							     .has_pasid = dev.pasid_valid,
							     .max_pending = dev.max_pending,
							     .stu = dev.stu });
}

int iod_vtd_inv_remove_device(struct iod_vtd_inv *inv, uint16_t sid, uint32_t pasid,
			      bool pasid_valid)
{
	return inv ? iod_inv_core_remove_device(&inv->core, sid, pasid, pasid_valid) : -EINVAL;
}

/* ---- a gather's ops, and the same for those who have a queue of their own ---- */

const struct iod_inv_ops *iod_vtd_inv_ops(void)
{
	return iod_inv_core_ops();
}

int iod_vtd_inv_encode(const struct iod_vtd_inv *inv, const struct iod_inv *items, size_t nr,
		       struct iod_vtd_raw_desc *out, size_t max, size_t *n)
{
	if (!inv)
		return -EINVAL;
	return iod_inv_core_encode(&inv->core, items, nr, (uint64_t *)out, max, n);
}

int iod_vtd_inv_encode_atc(const struct iod_vtd_inv *inv, const struct iod_inv *items, size_t nr,
			   struct iod_vtd_raw_desc *out, size_t max, size_t *n)
{
	if (!inv)
		return -EINVAL;
	return iod_inv_core_encode_atc(&inv->core, items, nr, (uint64_t *)out, max, n);
}

int iod_vtd_inv_get_stats(const struct iod_vtd_inv *inv, struct iod_vtd_inv_stats *stats)
{
	return inv ? iod_inv_core_get_stats(&inv->core, stats) : -EINVAL;
}
