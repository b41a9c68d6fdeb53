/* SPDX-License-Identifier: MIT */
/* The emulated AMD IOMMU: life and figures. See emu.h. */
#include "amdvi/emu.h"

#include <errno.h>

#define EMU_CONFIG_ENTRIES 64
#define EMU_CONFIG_MAX	   (1u << 20)

/* What is modelled; anything else is not there. */
#define EMU_EFR                                                                                    \
	(IOD_AMDVI_EFR_PREFSUP | IOD_AMDVI_EFR_PPRSUP | IOD_AMDVI_EFR_NXSUP |                      \
	 IOD_AMDVI_EFR_GTSUP | IOD_AMDVI_EFR_IASUP | IOD_AMDVI_EFR_HATS | IOD_AMDVI_EFR_GATS |     \
	 IOD_AMDVI_EFR_GLXSUP | IOD_AMDVI_EFR_PASMAX | IOD_AMDVI_EFR_USSUP |                       \
	 IOD_AMDVI_EFR_GIOSUP | IOD_AMDVI_EFR_HASUP | IOD_AMDVI_EFR_EPHSUP | IOD_AMDVI_EFR_HDSUP | \
	 IOD_AMDVI_EFR_INVIOTLBTYPESUP)
#define EMU_EFR2 IOD_AMDVI_EFR2_GCR3TRPMODE

static int emu_take_id(struct iod_amdvi_emu *emu, const struct iod_amdvi_id *id)
{
	int ret = 0;

	if (id)
		emu->id = *id;
	else
		ret = iod_amdvi_id_full(&emu->id);
	emu->id.efr &= EMU_EFR;
	emu->id.efr2 &= EMU_EFR2;
	/* DTEs with HAD=3, or with PPR, are illegal without these; drivers look at HDSup and PPRSup alone. */
	if (!(emu->id.efr & IOD_AMDVI_EFR_HASUP))
		emu->id.efr &= ~IOD_AMDVI_EFR_HDSUP;
	if (!(emu->id.efr & IOD_AMDVI_EFR_EPHSUP))
		emu->id.efr &= ~IOD_AMDVI_EFR_PPRSUP;
	/* The reserved code of host levels. */
	if (iod_amdvi_id_field(emu->id.efr, IOD_AMDVI_EFR_HATS) == 3)
		emu->id.efr &= ~(UINT64_C(1) << IOD_AMDVI_EFR_HATS_SHIFT);
	return ret;
}

static int emu_take_cfg(struct iod_amdvi_emu *emu, const struct iod_amdvi_emu_cfg *cfg)
{
	emu->cookie = cfg->cookie;
	emu->config_entries = cfg->config_entries ? cfg->config_entries : EMU_CONFIG_ENTRIES;
	emu->flags = cfg->flags;
	if (!is_pow2(emu->config_entries) || emu->config_entries > EMU_CONFIG_MAX ||
	    cfg->flags & ~IOD_AMDVI_EMU_KEEP_COMBINED)
		return -EINVAL;
	if (!cfg->ops)
		return 0;
	return iod_struct_in(&emu->ops, sizeof(emu->ops), cfg->ops, sizeof(emu->ops));
}

static void emu_free(struct iod_amdvi_emu *emu)
{
	struct iod_allocator allocator = emu->allocator;

	iod_emu_cache_fini(&emu->ctxs);
	iod_emu_tlbs_fini(&emu->tlbs);
	iod_zfree(&allocator, emu->dtes, emu->config_entries * sizeof(*emu->dtes));
	iod_zfree(&allocator, emu, sizeof(*emu));
}

static int emu_new_caches(struct iod_amdvi_emu *emu, const struct iod_amdvi_emu_cfg *cfg)
{
	int ret;

	ret = iod_emu_tlbs_init(&emu->tlbs, &emu->allocator, cfg->tlb_s1, cfg->tlb_s2);
	if (!ret)
		ret = iod_emu_cache_init(&emu->ctxs, &emu->allocator, emu->config_entries,
					 iod_amd_emu_destroy_ctx, emu);
	if (ret)
		return ret;
	emu->dtes = iod_zalloc(&emu->allocator, emu->config_entries * sizeof(*emu->dtes));
	return emu->dtes ? 0 : -ENOMEM;
}

int iod_amdvi_emu_create(struct iod_amdvi_emu **out, const struct iod_amdvi_emu_cfg *user)
{
	struct iod_amdvi_emu_cfg cfg = { 0 };
	struct iod_allocator allocator;
	struct iod_amdvi_emu *emu;
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
		ret = emu_take_cfg(emu, &cfg);
	if (!ret)
		ret = emu_new_caches(emu, &cfg);
	if (!ret && pthread_mutex_init(&emu->lock, NULL))
		ret = -ENOMEM;
	if (ret) {
		emu_free(emu);
		return ret;
	}
	iod_mem_get(emu->mem);
	iod_amd_emu_reset_regs(emu);
	*out = emu;
	return 0;
}

int iod_amdvi_emu_destroy(struct iod_amdvi_emu *emu)
{
	if (!emu)
		return -EINVAL;
	iod_amd_emu_forget_dte(emu, -1);
	iod_mem_put(emu->mem);
	pthread_mutex_destroy(&emu->lock);
	emu_free(emu);
	return 0;
}

int iod_amdvi_emu_reset(struct iod_amdvi_emu *emu)
{
	if (!emu)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	iod_amd_emu_forget_dte(emu, -1);
	iod_amd_emu_reset_regs(emu);
	pthread_mutex_unlock(&emu->lock);
	iod_emu_tlbs_drop(&emu->tlbs);
	return 0;
}

struct iod_amdvi_regs *iod_amdvi_emu_regs(struct iod_amdvi_emu *emu)
{
	return emu ? &emu->regs : NULL;
}

struct iod_iotlb *iod_amdvi_emu_iotlb(struct iod_amdvi_emu *emu, unsigned int stage)
{
	return emu && (stage == 1 || stage == 2) ? emu->tlbs.tlb[stage - 1] : NULL;
}

int iod_amdvi_emu_get_stats(struct iod_amdvi_emu *emu, struct iod_amdvi_emu_stats *stats)
{
	struct iod_amdvi_emu_stats now;

	if (!emu || !stats)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	now = emu->stats;
	pthread_mutex_unlock(&emu->lock);
	return iod_struct_out(stats, &now, sizeof(now), sizeof(now));
}
