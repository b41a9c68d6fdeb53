/* SPDX-License-Identifier: MIT */
/* The emulated SMMU: life and figures. See emu.h. */
#include "smmuv3/emu.h"

#include <errno.h>
#include <string.h>

#define EMU_CONFIG_ENTRIES 64
#define EMU_CONFIG_MAX	   (1u << 20)
#define EMU_STALLS	   64

/* What is modelled; anything else is not there. */
#define EMU_IDR0                                                                           \
	(IOD_SMMUV3_IDR0_S2P | IOD_SMMUV3_IDR0_S1P | IOD_SMMUV3_IDR0_TTF |                 \
	 IOD_SMMUV3_IDR0_COHACC | IOD_SMMUV3_IDR0_HTTU | IOD_SMMUV3_IDR0_HYP |             \
	 IOD_SMMUV3_IDR0_ATS | IOD_SMMUV3_IDR0_NS1ATS | IOD_SMMUV3_IDR0_ASID16 |           \
	 IOD_SMMUV3_IDR0_MSI | IOD_SMMUV3_IDR0_PRI | IOD_SMMUV3_IDR0_VMID16 |              \
	 IOD_SMMUV3_IDR0_CD2L | IOD_SMMUV3_IDR0_STALL_MODEL | IOD_SMMUV3_IDR0_TERM_MODEL | \
	 IOD_SMMUV3_IDR0_ST_LEVEL)
#define EMU_IDR1 0x0fffffffu /* sizes, ATTR_*_OVR; no presets, no relative bases */
#define EMU_IDR3                                                                                 \
	(IOD_SMMUV3_IDR3_PPS | IOD_SMMUV3_IDR3_FWB | IOD_SMMUV3_IDR3_STT | IOD_SMMUV3_IDR3_RIL | \
	 IOD_SMMUV3_IDR3_BBML | IOD_SMMUV3_IDR3_E0PD)
#define EMU_IDR5                                                                  \
	(IOD_SMMUV3_IDR5_OAS | IOD_SMMUV3_IDR5_GRAN4K | IOD_SMMUV3_IDR5_GRAN16K | \
	 IOD_SMMUV3_IDR5_GRAN64K | UINT32_MAX << IOD_SMMUV3_IDR5_STALL_MAX_SHIFT)
#define EMU_OAS_MAX 6u /* 52 bits */

static void emu_mask_id(struct iod_smmuv3_id *id)
{
	id->idr[0] = (id->idr[0] & EMU_IDR0) | 2u << IOD_SMMUV3_IDR0_TTENDIAN_SHIFT;
	id->idr[1] &= EMU_IDR1;
	id->idr[2] = 0;
	id->idr[3] &= EMU_IDR3;
	id->idr[4] = 0;
	if ((id->idr[5] & IOD_SMMUV3_IDR5_OAS) > EMU_OAS_MAX)
		id->idr[5] = (id->idr[5] & ~IOD_SMMUV3_IDR5_OAS) | EMU_OAS_MAX;
	id->idr[5] &= EMU_IDR5;
}

static int emu_take_id(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_id *id)
{
	const uint32_t stages = IOD_SMMUV3_IDR0_S1P | IOD_SMMUV3_IDR0_S2P;
	int ret = 0;

	if (id)
		emu->id = *id;
	else
		ret = iod_smmuv3_id_full(&emu->id);
	if (ret)
		return ret;
	emu_mask_id(&emu->id);
	if (!(emu->id.idr[0] & stages))
		return -EOPNOTSUPP;
	return 0;
}

static int emu_take_sizes(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_emu_cfg *cfg)
{
	uint32_t model = smmu_stall_model(&emu->id);
	uint32_t most = emu->id.idr[5] >> IOD_SMMUV3_IDR5_STALL_MAX_SHIFT;

	emu->config_entries = cfg->config_entries ? cfg->config_entries : EMU_CONFIG_ENTRIES;
	if (!is_pow2(emu->config_entries) || emu->config_entries > EMU_CONFIG_MAX)
		return -EINVAL;
	emu->nr_stalls = cfg->stalls ? cfg->stalls : EMU_STALLS;
	if (emu->nr_stalls > most)
		emu->nr_stalls = most;
	if (model == 1)
		emu->nr_stalls = 0;
	return 0;
}

static int emu_take_ops(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_emu_cfg *cfg)
{
	emu->cookie = cfg->cookie;
	if (!cfg->ops)
		return 0;
	return iod_struct_in(&emu->ops, sizeof(emu->ops), cfg->ops, sizeof(emu->ops));
}

static void emu_free(struct iod_smmuv3_emu *emu)
{
	struct iod_allocator allocator = emu->allocator;

	iod_emu_cache_fini(&emu->ctxs);
	iod_emu_tlbs_fini(&emu->tlbs);
	iod_zfree(&allocator, emu->stalls, emu->nr_stalls * sizeof(*emu->stalls));
	iod_zfree(&allocator, emu->stes, emu->config_entries * sizeof(*emu->stes));
	iod_zfree(&allocator, emu, sizeof(*emu));
}

static int emu_new_caches(struct iod_smmuv3_emu *emu, const struct iod_smmuv3_emu_cfg *cfg)
{
	int ret;

	ret = iod_emu_tlbs_init(&emu->tlbs, &emu->allocator, cfg->tlb_s1, cfg->tlb_s2);
	if (!ret)
		ret = iod_emu_cache_init(&emu->ctxs, &emu->allocator, emu->config_entries,
					 iod_smmu_emu_destroy_ctx, emu);
	if (ret)
		return ret;
	emu->stes = iod_zalloc(&emu->allocator, emu->config_entries * sizeof(*emu->stes));
	if (emu->nr_stalls)
		emu->stalls = iod_zalloc(&emu->allocator, emu->nr_stalls * sizeof(*emu->stalls));
	if (!emu->stes || (emu->nr_stalls && !emu->stalls))
		return -ENOMEM;
	return 0;
}

int iod_smmuv3_emu_create(struct iod_smmuv3_emu **out, const struct iod_smmuv3_emu_cfg *user)
{
	struct iod_smmuv3_emu_cfg cfg = { 0 };
	struct iod_allocator allocator;
	struct iod_smmuv3_emu *emu;
	int ret;

	if (!out)
		return -EINVAL;
	ret = iod_struct_in(&cfg, sizeof(cfg), user, sizeof(cfg));
	if (!ret && !cfg.mem)
		ret = -EINVAL;
	if (!ret)
		ret = iod_allocator_init(&allocator, cfg.allocator);
	if (ret)
		return ret;
	emu = iod_zalloc(&allocator, sizeof(*emu));
	if (!emu)
		return -ENOMEM;
	emu->allocator = allocator;
	emu->mem = cfg.mem;
	ret = emu_take_id(emu, cfg.id);
	if (!ret)
		ret = emu_take_ops(emu, &cfg);
	if (!ret)
		ret = emu_take_sizes(emu, &cfg);
	if (!ret)
		ret = emu_new_caches(emu, &cfg);
	if (!ret && pthread_mutex_init(&emu->lock, NULL))
		ret = -ENOMEM;
	if (ret) {
		emu_free(emu);
		return ret;
	}
	iod_mem_get(emu->mem);
	iod_smmu_emu_reset_regs(emu);
	*out = emu;
	return 0;
}

int iod_smmuv3_emu_destroy(struct iod_smmuv3_emu *emu)
{
	if (!emu)
		return -EINVAL;
	iod_smmu_emu_forget_stes(emu, 0, UINT32_MAX);
	iod_mem_put(emu->mem);
	pthread_mutex_destroy(&emu->lock);
	emu_free(emu);
	return 0;
}

int iod_smmuv3_emu_reset(struct iod_smmuv3_emu *emu)
{
	uint32_t stag;
	void *cookie;
	bool used;

	if (!emu)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	iod_smmu_emu_forget_stes(emu, 0, UINT32_MAX);
	iod_smmu_emu_reset_regs(emu);
	emu->atc_timeout = false;
	pthread_mutex_unlock(&emu->lock);
	iod_emu_tlbs_drop(&emu->tlbs);
	for (stag = 0; stag < emu->nr_stalls; stag++) {
		pthread_mutex_lock(&emu->lock);
		used = iod_smmu_emu_unstall(emu, stag, &cookie);
		pthread_mutex_unlock(&emu->lock);
		if (used && emu->ops.resumed)
			emu->ops.resumed(emu->cookie, cookie, (uint16_t)stag, IOD_EMU_ABORTED);
	}
	return 0;
}

struct iod_smmuv3_regs *iod_smmuv3_emu_regs(struct iod_smmuv3_emu *emu)
{
	return emu ? &emu->regs : NULL;
}

struct iod_iotlb *iod_smmuv3_emu_iotlb(struct iod_smmuv3_emu *emu, unsigned int stage)
{
	return emu && (stage == 1 || stage == 2) ? emu->tlbs.tlb[stage - 1] : NULL;
}

int iod_smmuv3_emu_get_stats(struct iod_smmuv3_emu *emu, struct iod_smmuv3_emu_stats *stats)
{
	struct iod_smmuv3_emu_stats now;

	if (!emu || !stats)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	now = emu->stats;
	pthread_mutex_unlock(&emu->lock);
	return iod_struct_out(stats, &now, sizeof(now), sizeof(now));
}
