/* SPDX-License-Identifier: MIT */
/* A gather's way to an SMMU: the object and its devices. */
#include "smmuv3/inv.h"

#include <errno.h>

#include "inv_cost.h"
#include "pgtable/mem.h"

#define INV_FLAGS                                                                \
	(IOD_SMMUV3_INV_NESTED | IOD_SMMUV3_INV_EL2 | IOD_SMMUV3_INV_ALL_ASIDS | \
	 IOD_SMMUV3_INV_NO_GLOBAL | IOD_SMMUV3_INV_NO_RANGES | IOD_SMMUV3_INV_REPEAT)
#define INV_S1_FLAGS (IOD_SMMUV3_INV_EL2 | IOD_SMMUV3_INV_ALL_ASIDS | IOD_SMMUV3_INV_NO_GLOBAL)

/* ---- creation ---- */

static int inv_check_flags(const struct iod_smmuv3_inv_cfg *cfg)
{
	bool s2 = cfg->stage == 2;

	if ((cfg->stage != 1 && !s2) || cfg->reserved || (cfg->flags & ~INV_FLAGS))
		return -EINVAL;
	if (cfg->flags & (s2 ? INV_S1_FLAGS : IOD_SMMUV3_INV_NESTED))
		return -EINVAL;
	if (cfg->asid && (s2 || (cfg->flags & IOD_SMMUV3_INV_ALL_ASIDS)))
		return -EINVAL;
	return cfg->vmid && (cfg->flags & IOD_SMMUV3_INV_EL2) ? -EINVAL : 0;
}

static int inv_check_id(const struct iod_smmuv3_inv_cfg *cfg, const struct iod_smmuv3_id *id)
{
	bool s1 = id->idr[0] & IOD_SMMUV3_IDR0_S1P, s2 = id->idr[0] & IOD_SMMUV3_IDR0_S2P;
	bool nested = cfg->flags & IOD_SMMUV3_INV_NESTED;

	if (cfg->stage == 1 ? !s1 : !s2 || (nested && !s1))
		return -EOPNOTSUPP;
	if ((cfg->flags & IOD_SMMUV3_INV_EL2) && !(id->idr[0] & IOD_SMMUV3_IDR0_HYP))
		return -EOPNOTSUPP;
	if (cfg->asid > 0xff && !(id->idr[0] & IOD_SMMUV3_IDR0_ASID16))
		return -EINVAL;
	if (cfg->vmid > 0xff && !(id->idr[0] & IOD_SMMUV3_IDR0_VMID16))
		return -EINVAL;
	return cfg->vmid && !s2 ? -EINVAL : 0;
}

/* The first words of what will be issued. */
static void inv_words(struct iod_smmuv3_inv *inv, const struct iod_smmuv3_inv_cfg *cfg)
{
	uint64_t tag = CMD_PUT(CMD0_VMID, cfg->vmid) | CMD_PUT(CMD0_ASID, cfg->asid);
	uint64_t vmid = CMD_PUT(CMD0_VMID, cfg->vmid);
	bool any = cfg->flags & IOD_SMMUV3_INV_ALL_ASIDS;
	/* Without E2H there is no ASID to name. */
	bool by_asid = (cfg->flags & IOD_SMMUV3_INV_NO_GLOBAL) && !any;

	inv->combined = IOD_SMMUV3_TLBI_NH_ALL | vmid;
	inv->wide_cost = inv->cost.domain;
	if (inv->stage2) {
		inv->narrow = IOD_SMMUV3_TLBI_S2_IPA | vmid;
		inv->wide = IOD_SMMUV3_TLBI_S12_VMALL | vmid;
		return;
	}
	if (cfg->flags & IOD_SMMUV3_INV_EL2) {
		by_asid &= cfg->asid != 0;
		inv->narrow = any ? IOD_SMMUV3_TLBI_EL2_VAA : IOD_SMMUV3_TLBI_EL2_VA | tag;
		inv->wide = by_asid ? IOD_SMMUV3_TLBI_EL2_ASID | tag : IOD_SMMUV3_TLBI_EL2_ALL;
	} else {
		inv->narrow = any ? IOD_SMMUV3_TLBI_NH_VAA | vmid : IOD_SMMUV3_TLBI_NH_VA | tag;
		inv->wide = by_asid ? IOD_SMMUV3_TLBI_NH_ASID | tag : inv->combined;
	}
	if (!by_asid)
		inv->wide_cost = inv->cost.global;
}

static int inv_fill(struct iod_smmuv3_inv *inv, const struct iod_smmuv3_inv_cfg *cfg)
{
	struct iod_smmuv3_id id = { 0 };
	int ret = inv_check_flags(cfg);

	if (cfg->id)
		id = *cfg->id;
	else if (!ret)
		ret = iod_smmuv3_id_full(&id);
	if (!ret)
		ret = inv_check_id(cfg, &id);
	if (!ret && cfg->sink)
		ret = iod_struct_in(&inv->sink, sizeof(inv->sink), cfg->sink, sizeof(inv->sink));
	if (!ret && cfg->sink && !inv->sink.issue)
		ret = -EINVAL;
	if (!ret)
		ret = iod_inv_cost_in(&inv->cost, cfg->cost);
	if (!ret)
		ret = iod_allocator_init(&inv->allocator, cfg->allocator);
	if (ret)
		return ret;
	inv->quirk = cfg->quirk;
	inv->quirk_cookie = cfg->quirk_cookie;
	inv->flags = cfg->flags;
	inv->stage2 = cfg->stage == 2;
	inv->ranges = (id.idr[3] & IOD_SMMUV3_IDR3_RIL) && !(cfg->flags & IOD_SMMUV3_INV_NO_RANGES);
	inv->el2_too = id.idr[0] & IOD_SMMUV3_IDR0_HYP;
	inv->ats = id.idr[0] & IOD_SMMUV3_IDR0_ATS;
	inv->ssid_bits = iod_smmuv3_id_field(id.idr[1], IOD_SMMUV3_IDR1_SSIDSIZE);
	inv->sid_bits = iod_smmuv3_id_field(id.idr[1], IOD_SMMUV3_IDR1_SIDSIZE);
	inv_words(inv, cfg);
	return 0;
}

static void inv_free(struct iod_smmuv3_inv *inv)
{
	struct iod_allocator allocator = inv->allocator;

	iod_zfree(&allocator, inv->pending.span, inv->pending.max * sizeof(struct span));
	iod_zfree(&allocator, inv->taken.span, inv->taken.max * sizeof(struct span));
	iod_zfree(&allocator, inv->device, inv->max_devices * sizeof(*inv->device));
	iod_zfree(&allocator, inv, sizeof(*inv));
}

static int inv_set_init(struct iod_smmuv3_inv *inv, struct span_set *set)
{
	set->span = iod_zalloc(&inv->allocator, INV_MAX_SPANS * sizeof(struct span));
	set->max = set->span ? INV_MAX_SPANS : 0;
	return set->span ? 0 : -ENOMEM;
}

static int inv_init(struct iod_smmuv3_inv *inv)
{
	if (inv_set_init(inv, &inv->pending) || inv_set_init(inv, &inv->taken))
		return -ENOMEM;
	if (pthread_mutex_init(&inv->lock, NULL))
		return -ENOMEM;
	if (pthread_cond_init(&inv->done, NULL)) {
		pthread_mutex_destroy(&inv->lock);
		return -ENOMEM;
	}
	return 0;
}

int iod_smmuv3_inv_create(struct iod_smmuv3_inv **out, const struct iod_smmuv3_inv_cfg *user)
{
	struct iod_smmuv3_inv_cfg cfg;
	struct iod_smmuv3_inv model = { 0 }, *inv;
	int ret;

	if (!out)
		return -EINVAL;
	ret = iod_struct_in(&cfg, sizeof(cfg), user, sizeof(cfg));
	if (!ret)
		ret = inv_fill(&model, &cfg);
	if (ret)
		return ret;
	inv = iod_zalloc(&model.allocator, sizeof(*inv));
	if (!inv)
		return -ENOMEM;
	*inv = model;
	ret = inv_init(inv);
	if (ret) {
		inv_free(inv);
		return ret;
	}
	*out = inv;
	return 0;
}

int iod_smmuv3_inv_destroy(struct iod_smmuv3_inv *inv)
{
	if (!inv)
		return -EINVAL;
	pthread_cond_destroy(&inv->done);
	pthread_mutex_destroy(&inv->lock);
	inv_free(inv);
	return 0;
}

/* ---- devices ---- */

/* Takes the lock; nobody uses the array of devices then. */
static void inv_lock_devices(struct iod_smmuv3_inv *inv)
{
	pthread_mutex_lock(&inv->lock);
	while (inv->flushing)
		pthread_cond_wait(&inv->done, &inv->lock);
}

static struct inv_device *inv_find(struct iod_smmuv3_inv *inv, uint32_t sid, uint32_t ssid,
				   bool ssv)
{
	uint64_t i;

	for (i = 0; i < inv->nr_devices; i++) {
		struct inv_device *dev = &inv->device[i];

		if (dev->sid == sid && dev->ssv == ssv && (!ssv || dev->ssid == ssid))
			return dev;
	}
	return NULL;
}

/* Room for one more. */
static int inv_grow(struct iod_smmuv3_inv *inv)
{
	size_t max = inv->max_devices ? 2 * inv->max_devices : 8;
	struct inv_device *bigger;
	uint64_t i;

	if (inv->nr_devices < inv->max_devices)
		return 0;
	bigger = iod_zalloc(&inv->allocator, max * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	for (i = 0; i < inv->nr_devices; i++)
		bigger[i] = inv->device[i];
	iod_zfree(&inv->allocator, inv->device, inv->max_devices * sizeof(*bigger));
	inv->device = bigger;
	inv->max_devices = max;
	return 0;
}

static bool inv_device_ok(const struct iod_smmuv3_inv *inv, const struct iod_smmuv3_ats_device *dev)
{
	if (dev->stu > 31 || dev->reserved || (uint64_t)dev->sid >> inv->sid_bits)
		return false;
	if (!dev->ssv)
		return !dev->ssid;
	if (inv->flags & IOD_SMMUV3_INV_NESTED)
		return !dev->ssid && inv->ssid_bits;
	return !((uint64_t)dev->ssid >> inv->ssid_bits);
}

int iod_smmuv3_inv_add_device(struct iod_smmuv3_inv *inv, const struct iod_smmuv3_ats_device *user)
{
	struct iod_smmuv3_ats_device dev;
	int ret;

	if (!inv)
		return -EINVAL;
	ret = iod_struct_in(&dev, sizeof(dev), user, sizeof(dev));
	if (ret)
		return ret;
	if (!inv->ats)
		return -EOPNOTSUPP;
	if (!inv_device_ok(inv, &dev))
		return -EINVAL;
	inv_lock_devices(inv);
	ret = inv_find(inv, dev.sid, dev.ssid, dev.ssv) ? -EEXIST : inv_grow(inv);
	if (!ret) {
		inv->device[inv->nr_devices] = (struct inv_device){
			.sid = dev.sid,
			.ssid = dev.ssid,
			.ssv = dev.ssv,
			.stu = dev.stu,
			/* What was invalidated before it was here was not recorded for it. */
			.fresh = true,
		};
		inv->recorded++;
		word_add(&inv->nr_devices, 1);
	}
	pthread_mutex_unlock(&inv->lock);
	return ret;
}

int iod_smmuv3_inv_remove_device(struct iod_smmuv3_inv *inv, uint32_t sid, uint32_t ssid, bool ssv)
{
	struct inv_device *dev;

	if (!inv)
		return -EINVAL;
	inv_lock_devices(inv);
	dev = inv_find(inv, sid, ssid, ssv);
	if (dev) {
		*dev = inv->device[inv->nr_devices - 1];
		word_sub(&inv->nr_devices, 1);
	}
	pthread_mutex_unlock(&inv->lock);
	return dev ? 0 : -ENOENT;
}

int iod_smmuv3_inv_get_stats(const struct iod_smmuv3_inv *inv, struct iod_smmuv3_inv_stats *stats)
{
	struct iod_smmuv3_inv_stats now = { 0 };

	if (!inv)
		return -EINVAL;
	now.items = word_load(&inv->items);
	now.tlbi = word_load(&inv->tlbi);
	now.wide = word_load(&inv->wides);
	now.atc = word_load(&inv->atc);
	now.syncs = word_load(&inv->syncs);
	return iod_struct_out(stats, &now, sizeof(now), sizeof(now));
}
