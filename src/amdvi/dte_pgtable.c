/* SPDX-License-Identifier: MIT */
/* Device table entries from page tables, and back. */
#include <iodirty/amdvi_dte.h>

#include <errno.h>

#include "amdvi/dte_bits.h"

#define OAS 52u

int iod_amdvi_dte_set_host(struct iod_amdvi_dte *dte, const struct iod_hw_info *info,
			   uint16_t domain)
{
	if (!dte || !info || info->format != IOD_AMD_V1)
		return -EINVAL;
	dte->tv = true;
	dte->mode = info->u.amd_v1.mode;
	dte->root = info->u.amd_v1.root;
	dte->had = info->u.amd_v1.had;
	dte->ir = true;
	dte->iw = true;
	dte->domain = domain;
	return 0;
}

int iod_amdvi_dte_set_guest(struct iod_amdvi_dte *dte, uint64_t gcr3, unsigned int levels,
			    unsigned int guest_paging_mode, uint16_t domain)
{
	if (!dte || gcr3 & ~TABLE_ADDR || levels < 1 || levels > GLX_MAX + 1 ||
	    guest_paging_mode > GPM_MAX)
		return -EINVAL;
	dte->tv = true;
	dte->gv = true;
	dte->glx = (uint8_t)(levels - 1);
	dte->gcr3 = gcr3;
	dte->guestpagingmode = (uint8_t)guest_paging_mode;
	dte->ir = true;
	dte->iw = true;
	dte->domain = domain;
	return 0;
}

int iod_amdvi_dte_set_nested(struct iod_amdvi_dte *dte, const struct iod_amdvi_dte *guest,
			     uint16_t domain)
{
	/* Without a host table the guest's addresses would be the system's. */
	if (!dte || !guest || !dte->v || !dte->tv || !dte->mode)
		return -EINVAL;
	/* Nor may they be those of a host table of the guest's, which nobody would ask. */
	if (!guest->v || !guest->tv || !guest->gv || guest->mode || guest->glx > GLX_MAX ||
	    guest->guestpagingmode > GPM_MAX)
		return -EINVAL;
	dte->gv = true;
	dte->glx = guest->glx;
	dte->gcr3 = guest->gcr3;
	dte->giov = guest->giov;
	dte->guestpagingmode = guest->guestpagingmode;
	dte->ppr = guest->ppr;
	dte->gprp = guest->gprp;
	dte->ir = dte->ir && guest->ir;
	dte->iw = dte->iw && guest->iw;
	dte->domain = domain;
	return 0;
}

static int refuse(const char **why, int error, const char *text)
{
	if (why)
		*why = text;
	return error;
}

static struct iod_pgtable_cfg table_cfg(enum iod_format format, unsigned levels, uint16_t domain)
{
	return (struct iod_pgtable_cfg){
		.size = sizeof(struct iod_pgtable_cfg),
		.format = format,
		.levels = levels,
		.oas = OAS,
		.domain = domain,
	};
}

static uint32_t host_features(uint8_t had)
{
	switch (had) {
	case IOD_AMDVI_HAD_ACCESS:
		return IOD_PT_HW_ACCESS;
	case IOD_AMDVI_HAD_DIRTY:
		return IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY;
	default:
		return 0;
	}
}

int iod_amdvi_dte_get_host(const struct iod_amdvi_dte *dte, struct iod_pgtable_cfg *cfg,
			   uint64_t *root, const char **why)
{
	if (!dte || !cfg || !root)
		return refuse(why, -EINVAL, "nothing given");
	if (!dte->v || !dte->tv || !dte->mode)
		return refuse(why, -ENOENT, "no host table");
	if (dte->mode > MODE_MAX)
		return refuse(why, -EINVAL, "Mode: reserved paging mode 7");
	if (dte->had == HAD_RESERVED)
		return refuse(why, -EINVAL, "HAD: reserved");
	*cfg = table_cfg(IOD_AMD_V1, dte->mode, dte->domain);
	cfg->features = host_features(dte->had);
	*root = dte->root;
	return refuse(why, 0, NULL);
}

int iod_amdvi_dte_get_guest(const struct iod_amdvi_dte *dte, uint64_t gcr3_entry,
			    struct iod_pgtable_cfg *cfg, uint64_t *root, const char **why)
{
	if (!dte || !cfg || !root)
		return refuse(why, -EINVAL, "nothing given");
	if (!dte->v || !dte->tv || !dte->gv)
		return refuse(why, -ENOENT, "no guest translation");
	if (!(gcr3_entry & IOD_AMDVI_GCR3_V))
		return refuse(why, -ENOENT, "no guest table for this PASID");
	if (dte->guestpagingmode > GPM_MAX)
		return refuse(why, -EINVAL, "GuestPagingMode: reserved");
	*cfg = table_cfg(IOD_AMD_V2, 4u + dte->guestpagingmode, dte->domain);
	cfg->features = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY;
	*root = gcr3_entry & IOD_AMDVI_GCR3_ADDR;
	return refuse(why, 0, NULL);
}
