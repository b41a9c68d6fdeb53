/* SPDX-License-Identifier: MIT */
/* Page tables from context and PASID entries, and back (Intel VT-d specification, 9.3, 9.6). */
#include <iodirty/vtd_entry.h>

#include <errno.h>
#include <stddef.h>

#include "bits.h"
#include "vtd/entry_bits.h"
#include "vtd/id.h"

#define PAGE_4K	    BIT64(12)
#define PAGE_2M	    BIT64(21)
#define PAGE_1G	    BIT64(30)
#define SSLPS_2M    1u
#define SSLPS_1G    2u

#define OAS	    52u
#define TABLE_PTR   MASK64(63, 12)
#define AW_BITS(aw) (12 + 9 * AW_LEVELS(aw))
#define MGAW_MIN    30u /* no table has so few bits */

/* ---- into entries ---- */

static bool has_second(const struct iod_hw_info *info, const struct iod_vtd_id *id)
{
	uint8_t aw = info->u.vtd_ss.aw;

	if (info->u.vtd_ss.ssade && !vtd_ecap(id, IOD_VTD_ECAP_SSADS | IOD_VTD_ECAP_SMPWCS))
		return false;
	return !id || (iod_vtd_id_field(id->cap, IOD_VTD_CAP_SAGAW) >> aw & 1);
}

static bool is_second(const struct iod_hw_info *info)
{
	return info && info->format == IOD_VTD_SS && info->u.vtd_ss.aw >= AW_3_LEVELS &&
	       info->u.vtd_ss.aw <= AW_5_LEVELS && !(info->u.vtd_ss.ssptptr & ~TABLE_PTR);
}

static bool is_first(const struct iod_hw_info *info)
{
	return info && info->format == IOD_VTD_FS && info->u.vtd_fs.fspm <= FSPM_5_LEVELS &&
	       !(info->u.vtd_fs.fsptptr & ~TABLE_PTR);
}

int iod_vtd_context_set_second(struct iod_vtd_context *context, const struct iod_hw_info *info,
			       uint16_t did)
{
	if (!context || !is_second(info) || info->u.vtd_ss.ssade)
		return -EINVAL;
	context->present = true;
	if (context->tt != IOD_VTD_TT_SECOND_ATS)
		context->tt = IOD_VTD_TT_SECOND;
	context->aw = info->u.vtd_ss.aw;
	context->ssptptr = info->u.vtd_ss.ssptptr;
	context->did = did;
	return 0;
}

/* Either stage may be NULL, not both. */
static int set(struct iod_vtd_pasid *pasid, const struct iod_hw_info *first,
	       const struct iod_hw_info *second, enum iod_vtd_pgtt pgtt, uint16_t did,
	       const struct iod_vtd_id *id)
{
	struct iod_vtd_pasid made = *pasid;

	made.present = true;
	made.pgtt = (uint8_t)pgtt;
	made.did = did;
	made.pwsnp = vtd_ecap(id, IOD_VTD_ECAP_SMPWCS);
	made.aw = second ? second->u.vtd_ss.aw : 0;
	made.ssade = second && second->u.vtd_ss.ssade;
	made.ssptptr = second ? second->u.vtd_ss.ssptptr : 0;
	made.fspm = first ? first->u.vtd_fs.fspm : 0;
	made.fsptptr = first ? first->u.vtd_fs.fsptptr : 0;
	if (!first) {
		made.sre = false;
		made.wpe = false;
		made.eafe = false;
	}
	if (second && !has_second(second, id))
		return -EOPNOTSUPP;
	/* What the caller has set beside is his, but is it a translation type that the unit has? */
	if (iod_vtd_pasid_check(&made, id, IOD_VTD_CHECK_LENIENT, NULL))
		return -EOPNOTSUPP;
	*pasid = made;
	return 0;
}

int iod_vtd_pasid_set_first(struct iod_vtd_pasid *pasid, const struct iod_hw_info *first,
			    uint16_t did, const struct iod_vtd_id *id)
{
	if (!pasid || !is_first(first))
		return -EINVAL;
	return set(pasid, first, NULL, IOD_VTD_PGTT_FIRST, did, id);
}

int iod_vtd_pasid_set_second(struct iod_vtd_pasid *pasid, const struct iod_hw_info *second,
			     uint16_t did, const struct iod_vtd_id *id)
{
	if (!pasid || !is_second(second))
		return -EINVAL;
	return set(pasid, NULL, second, IOD_VTD_PGTT_SECOND, did, id);
}

int iod_vtd_pasid_set_nested(struct iod_vtd_pasid *pasid, const struct iod_hw_info *first,
			     const struct iod_hw_info *second, uint16_t did,
			     const struct iod_vtd_id *id)
{
	if (!pasid || !is_first(first) || !is_second(second))
		return -EINVAL;
	return set(pasid, first, second, IOD_VTD_PGTT_NESTED, did, id);
}

/* ---- out of entries ---- */

static int refuse(int error, const char *text, const char **why)
{
	if (why)
		*why = text;
	return error;
}

/* Input addresses end at MGAW where that cuts the levels short. */
static uint32_t second_ias(unsigned aw, const struct iod_vtd_id *id)
{
	uint32_t mgaw = id ? iod_vtd_id_field(id->cap, IOD_VTD_CAP_MGAW) + 1 : 64;

	return mgaw < AW_BITS(aw) && mgaw > MGAW_MIN ? mgaw : 0;
}

/* Sizes that the unit has not are reserved in entries; 0: it has all. */
static uint64_t second_sizes(const struct iod_vtd_id *id)
{
	uint32_t sslps = id ? iod_vtd_id_field(id->cap, IOD_VTD_CAP_SSLPS) : SSLPS_2M | SSLPS_1G;

	if ((sslps & (SSLPS_2M | SSLPS_1G)) == (SSLPS_2M | SSLPS_1G))
		return 0;
	return PAGE_4K | (sslps & SSLPS_2M ? PAGE_2M : 0) | (sslps & SSLPS_1G ? PAGE_1G : 0);
}

static int get_second(unsigned aw, uint64_t ssptptr, uint16_t did, const struct iod_vtd_id *id,
		      uint32_t flags, struct iod_pgtable_cfg *cfg, uint64_t *root, const char **why)
{
	if (flags & IOD_VTD_CHECK_SSIRWE)
		return refuse(-EOPNOTSUPP,
			      "second-stage permissions in bits 62:61 (SSIRWE) are not supported",
			      why);
	if (aw < AW_3_LEVELS || aw > AW_5_LEVELS)
		return refuse(-EINVAL, "AW: reserved address width", why);
	*cfg = (struct iod_pgtable_cfg){
		.size = sizeof(*cfg),
		.format = IOD_VTD_SS,
		.levels = AW_LEVELS(aw),
		.ias = second_ias(aw, id),
		.oas = OAS,
		.pgsize_bitmap = second_sizes(id),
		.domain = did,
	};
	*root = ssptptr;
	if (why)
		*why = NULL;
	return 0;
}

int iod_vtd_context_get_second(const struct iod_vtd_context *context, const struct iod_vtd_id *id,
			       uint32_t flags, struct iod_pgtable_cfg *cfg, uint64_t *root,
			       const char **why)
{
	if (!context || !cfg || !root || flags & ~IOD_VTD_CHECK_SSIRWE)
		return -EINVAL;
	if (context->tt != IOD_VTD_TT_SECOND && context->tt != IOD_VTD_TT_SECOND_ATS)
		return refuse(-EINVAL, "TT: no second stage", why);
	return get_second(context->aw, context->ssptptr, context->did, id, flags, cfg, root, why);
}

int iod_vtd_pasid_get_second(const struct iod_vtd_pasid *pasid, const struct iod_vtd_id *id,
			     uint32_t flags, struct iod_pgtable_cfg *cfg, uint64_t *root,
			     const char **why)
{
	int ret;

	if (!pasid || !cfg || !root || flags & ~IOD_VTD_CHECK_SSIRWE)
		return -EINVAL;
	if (pasid->pgtt != IOD_VTD_PGTT_SECOND && pasid->pgtt != IOD_VTD_PGTT_NESTED)
		return refuse(-EINVAL, "PGTT: no second stage", why);
	ret = get_second(pasid->aw, pasid->ssptptr, pasid->did, id, flags, cfg, root, why);
	if (!ret && pasid->ssade)
		cfg->features = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY;
	return ret;
}

int iod_vtd_pasid_get_first(const struct iod_vtd_pasid *pasid, const struct iod_vtd_id *id,
			    struct iod_pgtable_cfg *cfg, uint64_t *root, const char **why)
{
	if (!pasid || !cfg || !root)
		return -EINVAL;
	if (pasid->pgtt != IOD_VTD_PGTT_FIRST && pasid->pgtt != IOD_VTD_PGTT_NESTED)
		return refuse(-EINVAL, "PGTT: no first stage", why);
	if (pasid->fspm > FSPM_5_LEVELS)
		return refuse(-EINVAL, "FSPM: reserved first-stage paging mode", why);
	*cfg = (struct iod_pgtable_cfg){
		.size = sizeof(*cfg),
		.format = IOD_VTD_FS,
		.features = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY,
		.levels = FSPM_LEVELS(pasid->fspm),
		.oas = OAS,
		.pgsize_bitmap = vtd_cap(id, IOD_VTD_CAP_FS1GP) ? 0 : PAGE_4K | PAGE_2M,
		.domain = pasid->did,
	};
	*root = pasid->fsptptr;
	if (why)
		*why = NULL;
	return 0;
}
