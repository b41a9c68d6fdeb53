/* SPDX-License-Identifier: MIT */
/*
 * A gather's way to an AMD IOMMU: what its commands are (AMD 48882, 2.4), and the object.
 *
 * INVALIDATE_IOMMU_PAGES names a domain, with GN a PASID as well. Whether one without GN takes combined translations
 * along, of guests' tables below the host table, is not confirmed. So with NESTED those go in a second step, behind a
 * COMPLETION_WAIT, so that none is made of the old host table again: by PASID, or by INVALIDATE_IOMMU_ALL where PASIDs
 * are not known or there are too many. The latter takes everything in one step, and is all then.
 */
#include <errno.h>

#include <iodirty/amdvi_cmd.h>
#include <iodirty/amdvi_inv.h>
#include <iodirty/amdvi_queue.h>

#include "amdvi/cmd.h"
#include "amdvi/id.h"
#include "inv_blocks.h"
#include "pgtable/mem.h"

#define INV_NESTED_FLAGS  (IOD_AMDVI_INV_NESTED | IOD_AMDVI_INV_NO_COMBINED)
#define INV_FLAGS	  (INV_NESTED_FLAGS | IOD_AMDVI_INV_NO_RANGES | IOD_AMDVI_INV_REPEAT)
#define INV_MAX_PASIDS	  256u

#define CMD0_DOMAIN_SHIFT 32
#define CMD0_WAIT_F	  BIT64(2)
#define CMD1_S		  BIT64(0)
#define CMD1_PDE	  BIT64(1)

struct iod_amdvi_inv {
	struct inv_core core;
	struct iod_amdvi_sink sink;
	int (*quirk)(void *cookie, struct iod_amdvi_raw_cmd *cmds, size_t *nr, size_t max);
	void *quirk_cookie;
	struct iod_amdvi_id id;
	uint32_t flags, pasids;
	struct inv_block_form form;
	/* Without the domain: of a page (leaves alone); of everything of the table, and of PASID 0. */
	struct iod_amdvi_raw_cmd narrow, wide, guest;
	uint64_t all; /* first word */
};

static inline const struct iod_amdvi_inv *inv_of(const struct inv_core *core)
{
	return (const struct iod_amdvi_inv *)(const void *)core;
}

/* ---- the commands ---- */

/* Whether nothing but everything takes combined translations for certain, at a bearable cost. */
static bool needs_all(const struct inv_core *core)
{
	const struct iod_amdvi_inv *inv = inv_of(core);

	if (!core->combined || !amdvi_has(&inv->id, IOD_AMDVI_EFR_IASUP))
		return false;
	return !inv->pasids || inv->pasids * (1 + word_load(&core->nr_domains)) >
				       core->cost.global / core->cost.command;
}

static void amdvi_put(struct inv_out *o, uint16_t domain, uint64_t page, unsigned lg2, bool leaf)
{
	const struct iod_amdvi_inv *inv = inv_of(o->inv);

	inv_out_put(o, inv->narrow.word[0] | (uint64_t)domain << CMD0_DOMAIN_SHIFT,
		    inv->narrow.word[1] | inv_sized_addr(page, lg2) | (lg2 ? CMD1_S : 0) |
			    (leaf ? 0 : CMD1_PDE));
}

static bool amdvi_narrow(struct inv_out *o, const struct iod_inv *items, size_t nr,
			 uint64_t *budget)
{
	return !needs_all(o->inv) && iod_inv_blocks(o, &inv_of(o->inv)->form, items, nr, budget);
}

static uint64_t amdvi_most(const struct inv_core *core, const struct iod_inv *item)
{
	return iod_inv_blocks_most(&inv_of(core)->form, item);
}

static void amdvi_all(struct inv_out *o)
{
	inv_out_add(o, inv_of(o->inv)->all, 0);
	o->wides++;
}

static bool amdvi_wide(struct inv_out *o)
{
	const struct iod_amdvi_raw_cmd *wide = &inv_of(o->inv)->wide;
	uint32_t pos = 0;
	uint16_t domain;

	if (needs_all(o->inv)) {
		amdvi_all(o);
		return false;
	}
	while (inv_next_domain(o->inv, &pos, &domain)) {
		inv_out_add(o, wide->word[0] | (uint64_t)domain << CMD0_DOMAIN_SHIFT,
			    wide->word[1]);
		o->wides++;
	}
	return o->inv->combined;
}

static void amdvi_combined(struct inv_out *o)
{
	const struct iod_amdvi_inv *inv = inv_of(o->inv);
	uint32_t pos = 0, pasid;
	uint16_t domain;

	if (needs_all(o->inv)) {
		amdvi_all(o);
		return;
	}
	while (inv_next_domain(o->inv, &pos, &domain))
		for (pasid = 0; pasid < inv->pasids; pasid++) {
			inv_out_add(o,
				    inv->guest.word[0] | pasid |
					    (uint64_t)domain << CMD0_DOMAIN_SHIFT,
				    inv->guest.word[1]);
			o->wides++;
		}
}

static void put_iotlb(struct inv_out *o, const struct inv_device *dev, uint64_t addr, bool s)
{
	const struct iod_amdvi_cmd cmd = {
		.op = IOD_AMDVI_INVALIDATE_IOTLB_PAGES,
		.devid = (uint16_t)dev->id,
		.queueid = dev->limits,
		.maxpend = dev->max_pending,
		.gn = dev->has_pasid,
		.pasid = dev->pasid,
		.s = s,
		.addr = addr,
	};
	struct iod_amdvi_raw_cmd raw;

	/* Everything was checked when the device was added. */
	if (iod_amdvi_cmd_encode(&raw, &cmd, NULL, NULL))
		o->err = o->err ? o->err : -EINVAL;
	else
		inv_out_add(o, iod_le64(raw.word[0]), iod_le64(raw.word[1]));
}

static void amdvi_atc(struct inv_out *o, const struct inv_device *dev, uint64_t page, unsigned lg2)
{
	put_iotlb(o, dev, inv_sized_addr(page, lg2), lg2);
}

/* Everything. No command takes all PASIDs of a guest, so there is one for each. */
static void amdvi_atc_all(struct inv_out *o, const struct inv_device *dev)
{
	struct inv_device part = *dev;

	if (!o->inv->nested) {
		put_iotlb(o, dev, IOD_AMDVI_ADDR_ALL, true);
		return;
	}
	part.has_pasid = false;
	put_iotlb(o, &part, IOD_AMDVI_ADDR_ALL, true);
	part.has_pasid = dev->has_pasid;
	for (; dev->has_pasid && part.pasid < inv_of(o->inv)->pasids; part.pasid++)
		put_iotlb(o, &part, IOD_AMDVI_ADDR_ALL, true);
}

static int amdvi_issue(const struct inv_core *core, const uint64_t *cmds, size_t nr, bool sync)
{
	const struct iod_amdvi_sink *sink = &inv_of(core)->sink;
	size_t issued = 0;

	return sink->issue(sink->cookie, (const struct iod_amdvi_raw_cmd *)cmds, nr, sync, &issued);
}

static int amdvi_quirk(const struct inv_core *core, uint64_t *cmds, size_t *nr, size_t max)
{
	const struct iod_amdvi_inv *inv = inv_of(core);

	return inv->quirk(inv->quirk_cookie, (struct iod_amdvi_raw_cmd *)cmds, nr, max);
}

#define OP(op) ((uint64_t)(op) << CMD0_OP_SHIFT)

static const struct inv_vendor amdvi = {
	.words_lg2 = 1,
	.granules = 1u << 12,
	.atc_max_lg2 = SIZE_LG2_MAX - INV_PAGE_LG2,
	.op_mask = CMD0_OP,
	.op_atc = { OP(IOD_AMDVI_INVALIDATE_IOTLB_PAGES), OP(IOD_AMDVI_INVALIDATE_IOTLB_PAGES) },
	/* f: what is combined goes after the host's, not beside it */
	.op_sync = OP(IOD_AMDVI_COMPLETION_WAIT) | CMD0_WAIT_F,
	.most = amdvi_most,
	.narrow = amdvi_narrow,
	.wide = amdvi_wide,
	.all = amdvi_all,
	.combined = amdvi_combined,
	.atc = amdvi_atc,
	.atc_all = amdvi_atc_all,
	.issue = amdvi_issue,
	.quirk = amdvi_quirk,
};

/* ---- creation ---- */

static int inv_check_cfg(const struct iod_amdvi_inv_cfg *cfg)
{
	bool s2 = cfg->stage == 2, nested = cfg->flags & IOD_AMDVI_INV_NESTED;

	if ((cfg->stage != 1 && !s2) || cfg->reserved || cfg->reserved1)
		return -EINVAL;
	if ((cfg->flags & ~INV_FLAGS) || (s2 ? cfg->pasid != 0 : nested))
		return -EINVAL;
	if (!nested && ((cfg->flags & IOD_AMDVI_INV_NO_COMBINED) || cfg->pasids))
		return -EINVAL;
	return cfg->pasids > INV_MAX_PASIDS ? -EINVAL : 0;
}

static int inv_check_id(const struct iod_amdvi_inv_cfg *cfg, const struct iod_amdvi_id *id)
{
	bool nested = cfg->flags & IOD_AMDVI_INV_NESTED;

	if ((cfg->stage == 1 || nested) && !amdvi_has(id, IOD_AMDVI_EFR_GTSUP))
		return -EOPNOTSUPP;
	if (nested && !cfg->pasids && !(cfg->flags & IOD_AMDVI_INV_NO_COMBINED) &&
	    !amdvi_has(id, IOD_AMDVI_EFR_IASUP))
		return -EOPNOTSUPP;
	if (cfg->pasids > UINT32_C(1) << amdvi_pasid_bits(id))
		return -EINVAL;
	return cfg->pasid >> amdvi_pasid_bits(id) ? -EINVAL : 0;
}

/* By the one encoder there is; in host byte order. */
static int inv_words(struct iod_amdvi_raw_cmd *raw, const struct iod_amdvi_cmd *cmd)
{
	int ret = iod_amdvi_cmd_encode(raw, cmd, NULL, NULL);

	raw->word[0] = iod_le64(raw->word[0]);
	raw->word[1] = iod_le64(raw->word[1]);
	return ret;
}

static int inv_cmds(struct iod_amdvi_inv *inv, const struct iod_amdvi_inv_cfg *cfg)
{
	const struct iod_amdvi_cmd all = { .op = IOD_AMDVI_INVALIDATE_IOMMU_ALL };
	struct iod_amdvi_cmd pages = { .op = IOD_AMDVI_INVALIDATE_IOMMU_PAGES,
				       .gn = cfg->stage == 1,
				       .pasid = cfg->pasid };
	struct iod_amdvi_raw_cmd raw = { 0 };
	int ret = inv_words(&inv->narrow, &pages);

	pages.s = pages.pde = true;
	pages.addr = IOD_AMDVI_ADDR_ALL;
	if (!ret)
		ret = inv_words(&inv->wide, &pages);
	pages.gn = true;
	pages.pasid = 0;
	if (!ret)
		ret = inv_words(&inv->guest, &pages);
	if (!ret)
		ret = inv_words(&raw, &all);
	inv->all = raw.word[0];
	return ret;
}

static void inv_core_fill(struct iod_amdvi_inv *inv, const struct iod_amdvi_inv_cfg *cfg)
{
	struct inv_core *core = &inv->core;

	core->vendor = &amdvi;
	core->domain = cfg->domain;
	core->budget = core->cost.domain;
	core->nested = cfg->flags & IOD_AMDVI_INV_NESTED;
	core->combined = core->nested && !(cfg->flags & IOD_AMDVI_INV_NO_COMBINED);
	core->repeat = cfg->flags & IOD_AMDVI_INV_REPEAT;
	core->has_all = amdvi_has(&inv->id, IOD_AMDVI_EFR_IASUP);
	core->has_issue = inv->sink.issue;
	core->has_quirk = cfg->quirk;
}

static int inv_fill(struct iod_amdvi_inv *inv, const struct iod_amdvi_inv_cfg *cfg)
{
	int ret = inv_check_cfg(cfg);

	if (cfg->id)
		inv->id = *cfg->id;
	else if (!ret)
		ret = iod_amdvi_id_full(&inv->id);
	if (!ret)
		ret = inv_check_id(cfg, &inv->id);
	if (!ret && cfg->sink)
		ret = iod_struct_in(&inv->sink, sizeof(inv->sink), cfg->sink, sizeof(inv->sink));
	if (!ret && cfg->sink && !inv->sink.issue)
		ret = -EINVAL;
	if (!ret)
		ret = iod_inv_core_config(&inv->core, cfg->cost, cfg->allocator);
	if (ret)
		return ret;
	inv->quirk = cfg->quirk;
	inv->quirk_cookie = cfg->quirk_cookie;
	inv->flags = cfg->flags;
	inv->pasids = cfg->pasids;
	inv->form.put = amdvi_put;
	inv->form.max_lg2 = cfg->flags & IOD_AMDVI_INV_NO_RANGES ? 0 : SIZE_LG2_MAX - INV_PAGE_LG2;
	inv_core_fill(inv, cfg);
	return inv_cmds(inv, cfg);
}

static void inv_free(struct iod_amdvi_inv *inv)
{
	struct iod_allocator allocator = inv->core.allocator;

	iod_inv_core_free(&inv->core);
	iod_zfree(&allocator, inv, sizeof(*inv));
}

int iod_amdvi_inv_create(struct iod_amdvi_inv **out, const struct iod_amdvi_inv_cfg *user)
{
	struct iod_amdvi_inv_cfg cfg;
	struct iod_amdvi_inv model = { 0 }, *inv;
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

int iod_amdvi_inv_destroy(struct iod_amdvi_inv *inv)
{
	if (!inv)
		return -EINVAL;
	iod_inv_core_fini(&inv->core);
	inv_free(inv);
	return 0;
}

/* ---- domains, devices ---- */

int iod_amdvi_inv_add_domain(struct iod_amdvi_inv *inv, uint16_t domain)
{
	if (!inv)
		return -EINVAL;
	return iod_inv_core_add_domain(&inv->core, domain);
}

int iod_amdvi_inv_remove_domain(struct iod_amdvi_inv *inv, uint16_t domain)
{
	return inv ? iod_inv_core_remove_domain(&inv->core, domain) : -EINVAL;
}

static bool inv_device_ok(const struct iod_amdvi_inv *inv, const struct iod_amdvi_ats_device *dev)
{
	if (dev->stu > 31 || dev->reserved)
		return false;
	if (!dev->pasid_valid)
		return !dev->pasid;
	if (inv->flags & IOD_AMDVI_INV_NESTED)
		return !dev->pasid && inv->pasids;
	return !(dev->pasid >> amdvi_pasid_bits(&inv->id));
}

int iod_amdvi_inv_add_device(struct iod_amdvi_inv *inv, const struct iod_amdvi_ats_device *user)
{
	struct iod_amdvi_ats_device dev;
	int ret;

	if (!inv)
		return -EINVAL;
	ret = iod_struct_in(&dev, sizeof(dev), user, sizeof(dev));
	if (ret)
		return ret;
	/* Whether there is ATS says the PCI capability, not a feature register. */
	if (dev.pasid_valid && !amdvi_has(&inv->id, IOD_AMDVI_EFR_GTSUP))
		return -EOPNOTSUPP;
	if (!inv_device_ok(inv, &dev))
		return -EINVAL;
	return iod_inv_core_add_device(&inv->core,
				       &(struct inv_device){ .id = dev.devid,
							     .limits = dev.queue,
							     .pasid = dev.pasid,
							     .has_pasid = dev.pasid_valid,
							     .max_pending = dev.max_pending,
							     .stu = dev.stu });
}

int iod_amdvi_inv_remove_device(struct iod_amdvi_inv *inv, uint16_t devid, uint32_t pasid,
				bool pasid_valid)
{
	return inv ? iod_inv_core_remove_device(&inv->core, devid, pasid, pasid_valid) : -EINVAL;
}

/* ---- a gather's ops, and the same for those who have a queue of their own ---- */

const struct iod_inv_ops *iod_amdvi_inv_ops(void)
{
	return iod_inv_core_ops();
}

int iod_amdvi_inv_encode(const struct iod_amdvi_inv *inv, const struct iod_inv *items, size_t nr,
			 struct iod_amdvi_raw_cmd *out, size_t max, size_t *n)
{
	if (!inv)
		return -EINVAL;
	return iod_inv_core_encode(&inv->core, items, nr, (uint64_t *)out, max, n);
}

int iod_amdvi_inv_encode_atc(const struct iod_amdvi_inv *inv, const struct iod_inv *items,
			     size_t nr, struct iod_amdvi_raw_cmd *out, size_t max, size_t *n)
{
	if (!inv)
		return -EINVAL;
	return iod_inv_core_encode_atc(&inv->core, items, nr, (uint64_t *)out, max, n);
}

int iod_amdvi_inv_get_stats(const struct iod_amdvi_inv *inv, struct iod_amdvi_inv_stats *stats)
{
	return inv ? iod_inv_core_get_stats(&inv->core, stats) : -EINVAL;
}
