/* SPDX-License-Identifier: MIT */
/* The emulated VT-d: life and figures. See emu.h. */
#include "vtd/emu.h"

#include <errno.h>
#include <string.h>

#define EMU_CONFIG_ENTRIES 64
#define EMU_CONFIG_MAX	   (1u << 20)

/*
 * What is modelled; anything else is not there: posted and remapped interrupts, hardware protection tables,
 * write-buffer flushing, protected memory ranges, extended accessed flags, permissions in bits 62:61, execute
 * requests, commands.
 */
#define EMU_CAP                                                                    \
	(IOD_VTD_CAP_ND | IOD_VTD_CAP_CM | IOD_VTD_CAP_SAGAW | IOD_VTD_CAP_MGAW |  \
	 IOD_VTD_CAP_ZLR | IOD_VTD_CAP_FRO | IOD_VTD_CAP_SSLPS | IOD_VTD_CAP_PSI | \
	 IOD_VTD_CAP_NFR | IOD_VTD_CAP_MAMV | IOD_VTD_CAP_DWD | IOD_VTD_CAP_DRD |  \
	 IOD_VTD_CAP_FS1GP | IOD_VTD_CAP_FS5LP | IOD_VTD_CAP_ESRTPS)
#define EMU_ECAP                                                                                  \
	(IOD_VTD_ECAP_C | IOD_VTD_ECAP_QI | IOD_VTD_ECAP_DT | IOD_VTD_ECAP_PT | IOD_VTD_ECAP_SC | \
	 IOD_VTD_ECAP_IRO | IOD_VTD_ECAP_MTS | IOD_VTD_ECAP_NEST | IOD_VTD_ECAP_PRS |             \
	 IOD_VTD_ECAP_SRS | IOD_VTD_ECAP_NWFS | IOD_VTD_ECAP_PSS | IOD_VTD_ECAP_PASID |           \
	 IOD_VTD_ECAP_PDS | IOD_VTD_ECAP_SMTS | IOD_VTD_ECAP_SSADS | IOD_VTD_ECAP_SSTS |          \
	 IOD_VTD_ECAP_FSTS | IOD_VTD_ECAP_SMPWCS | IOD_VTD_ECAP_RPS | IOD_VTD_ECAP_ADMS |         \
	 IOD_VTD_ECAP_RPRIVS | IOD_VTD_ECAP_SMS)

/* The fault recording registers are where no others are. */
static bool emu_places_fit(const struct iod_vtd_id *id)
{
	uint32_t at = iod_vtd_id_field(id->cap, IOD_VTD_CAP_FRO) * 16;
	uint32_t nr = iod_vtd_id_field(id->cap, IOD_VTD_CAP_NFR) + 1;

	return at >= 0x100 && at + nr * 16 <= IOD_VTD_MMIO_BYTES;
}

static int emu_take_id(struct iod_vtd_emu *emu, const struct iod_vtd_id *id)
{
	int ret = 0;

	if (id)
		emu->id = *id;
	else
		ret = iod_vtd_id_full(&emu->id);
	if (ret)
		return ret;
	emu->id.reserved = 0;
	emu->id.cap &= EMU_CAP;
	emu->id.ecap &= EMU_ECAP;
	/* A2.5: never without coherent walks. */
	if (!(emu->id.ecap & IOD_VTD_ECAP_SMPWCS))
		emu->id.ecap &= ~IOD_VTD_ECAP_SSADS;
	if (!(emu->id.ecap & IOD_VTD_ECAP_QI) || !emu_places_fit(&emu->id))
		return -EOPNOTSUPP;
	return 0;
}

static int emu_take_cfg(struct iod_vtd_emu *emu, const struct iod_vtd_emu_cfg *cfg)
{
	emu->cookie = cfg->cookie;
	emu->config_entries = cfg->config_entries ? cfg->config_entries : EMU_CONFIG_ENTRIES;
	if (!is_pow2(emu->config_entries) || emu->config_entries > EMU_CONFIG_MAX || cfg->reserved)
		return -EINVAL;
	if (!cfg->ops)
		return 0;
	return iod_struct_in(&emu->ops, sizeof(emu->ops), cfg->ops, sizeof(emu->ops));
}

static int emu_new_caches(struct iod_vtd_emu *emu, const struct iod_vtd_emu_cfg *cfg)
{
	int ret;

	ret = iod_emu_tlbs_init(&emu->tlbs, &emu->allocator, cfg->tlb_s1, cfg->tlb_s2);
	if (!ret)
		ret = iod_emu_cache_init(&emu->ctxs, &emu->allocator, emu->config_entries,
					 iod_vemu_destroy_ctx, emu);
	if (ret)
		return ret;
	emu->contexts = iod_zalloc(&emu->allocator, emu->config_entries * sizeof(*emu->contexts));
	return emu->contexts ? 0 : -ENOMEM;
}

static void emu_free(struct iod_vtd_emu *emu)
{
	struct iod_allocator allocator = emu->allocator;

	iod_emu_cache_fini(&emu->ctxs);
	iod_emu_tlbs_fini(&emu->tlbs);
	iod_zfree(&allocator, emu->contexts, emu->config_entries * sizeof(*emu->contexts));
	iod_zfree(&allocator, emu, sizeof(*emu));
}

int iod_vtd_emu_create(struct iod_vtd_emu **out, const struct iod_vtd_emu_cfg *user)
{
	struct iod_vtd_emu_cfg cfg = { 0 };
	struct iod_allocator allocator;
	struct iod_vtd_emu *emu;
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
	iod_vemu_reset_regs(emu);
	*out = emu;
	return 0;
}

int iod_vtd_emu_destroy(struct iod_vtd_emu *emu)
{
	if (!emu)
		return -EINVAL;
	iod_vemu_forget_pasids(emu, NULL);
	iod_mem_put(emu->mem);
	pthread_mutex_destroy(&emu->lock);
	emu_free(emu);
	return 0;
}

int iod_vtd_emu_reset(struct iod_vtd_emu *emu)
{
	if (!emu)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	iod_vemu_forget_pasids(emu, NULL);
	iod_vemu_reset_regs(emu);
	emu->atc_error = 0;
	pthread_mutex_unlock(&emu->lock);
	iod_emu_tlbs_drop(&emu->tlbs);
	return 0;
}

struct iod_vtd_regs *iod_vtd_emu_regs(struct iod_vtd_emu *emu)
{
	return emu ? &emu->regs : NULL;
}

struct iod_iotlb *iod_vtd_emu_iotlb(struct iod_vtd_emu *emu, unsigned int stage)
{
	return emu && (stage == 1 || stage == 2) ? emu->tlbs.tlb[stage - 1] : NULL;
}

int iod_vtd_emu_get_stats(struct iod_vtd_emu *emu, struct iod_vtd_emu_stats *stats)
{
	struct iod_vtd_emu_stats now;

	if (!emu || !stats)
		return -EINVAL;
	pthread_mutex_lock(&emu->lock);
	now = emu->stats;
	pthread_mutex_unlock(&emu->lock);
	return iod_struct_out(stats, &now, sizeof(now), sizeof(now));
}
