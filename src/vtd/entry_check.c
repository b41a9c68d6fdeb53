/* SPDX-License-Identifier: MIT */
/*
 * What hardware says of root, context and PASID structures (Intel VT-d specification, 7.1.3, 9.1 to 9.6). A structure
 * has rules, in the order in which they are looked at: present, reserved, values.
 */
#include <iodirty/vtd_entry.h>

#include <errno.h>
#include <stddef.h>

#include "bits.h"
#include "vtd/entry_bits.h"
#include "vtd/id.h"

#define CHECK_FLAGS \
	(IOD_VTD_CHECK_SSIRWE | IOD_VTD_CHECK_REV5 | IOD_VTD_CHECK_SCALABLE | IOD_VTD_CHECK_LENIENT)

#define NOT_PRESENT "P: not present"
#define RESERVED    "reserved bits are set"

/* No host address is wider. */
#define BEYOND_HAW MASK64(63, 52)

static int refuse(enum iod_vtd_fault_reason reason, const char *text, const char **why)
{
	if (why)
		*why = text;
	return (int)reason;
}

static int accept(const char **why)
{
	if (why)
		*why = NULL;
	return 0;
}

/* Reserved bits are little-endian. */
static bool any_word(const uint64_t *word, unsigned nr)
{
	uint64_t any = 0;
	unsigned i;

	for (i = 0; i < nr; i++)
		any |= word[i];
	return any;
}

/* Whether second-stage tables of this many levels can be used: no levels for reserved values. */
static bool has_aw(const struct iod_vtd_id *id, unsigned aw)
{
	if (aw < AW_3_LEVELS || aw > AW_5_LEVELS)
		return false;
	return !id || (iod_vtd_id_field(id->cap, IOD_VTD_CAP_SAGAW) >> aw & 1);
}

int iod_vtd_root_check(const struct iod_vtd_root *root, bool upper, const struct iod_vtd_id *id,
		       uint32_t flags, const char **why)
{
	bool scalable = flags & IOD_VTD_CHECK_SCALABLE, lenient = flags & IOD_VTD_CHECK_LENIENT;
	bool reserved;

	(void)id;
	if (!root || flags & ~CHECK_FLAGS || (upper && !scalable))
		return -EINVAL;
	if (upper ? !root->up : !root->lp)
		return refuse(scalable ? IOD_VTD_F_SM_ROOT_NOT_PRESENT : IOD_VTD_F_ROOT_NOT_PRESENT,
			      NOT_PRESENT, why);
	if (scalable)
		reserved =
			root->unknown.word[upper] || (upper ? root->uctp : root->lctp) & BEYOND_HAW;
	else
		reserved = root->up || root->uctp || any_word(root->unknown.word, 2) ||
			   root->lctp & BEYOND_HAW;
	if (reserved && !lenient)
		return refuse(scalable ? IOD_VTD_F_SM_ROOT_RESERVED : IOD_VTD_F_ROOT_RESERVED,
			      RESERVED, why);
	return accept(why);
}

int iod_vtd_context_check(const struct iod_vtd_context *context, const struct iod_vtd_id *id,
			  uint32_t flags, const char **why)
{
	const char *text = NULL;

	if (!context || flags & ~CHECK_FLAGS)
		return -EINVAL;
	if (!context->present)
		return refuse(IOD_VTD_F_CONTEXT_NOT_PRESENT, NOT_PRESENT, why);
	if ((any_word(context->unknown.word, 2) || context->ssptptr & BEYOND_HAW) &&
	    !(flags & IOD_VTD_CHECK_LENIENT))
		return refuse(IOD_VTD_F_CONTEXT_RESERVED, RESERVED, why);
	if (context->tt > IOD_VTD_TT_PASS_THROUGH)
		text = "TT: reserved translation type";
	else if (context->tt == IOD_VTD_TT_SECOND_ATS && !vtd_ecap(id, IOD_VTD_ECAP_DT))
		text = "TT: no device TLBs (ECAP.DT)";
	else if (context->tt == IOD_VTD_TT_PASS_THROUGH && !vtd_ecap(id, IOD_VTD_ECAP_PT))
		text = "TT: no pass-through (ECAP.PT)";
	else if (context->tt != IOD_VTD_TT_PASS_THROUGH && !has_aw(id, context->aw))
		text = "AW: reserved address width, or not in SAGAW";
	return text ? refuse(IOD_VTD_F_CONTEXT_INVALID, text, why) : accept(why);
}

/* What capabilities make reserved; NULL: nothing that is set. */
static const char *sm_context_reserved(const struct iod_vtd_sm_context *context,
				       const struct iod_vtd_id *id)
{
	if (any_word(context->unknown.word, 4) || context->pasiddirptr & BEYOND_HAW)
		return RESERVED;
	if (context->dte && !vtd_ecap(id, IOD_VTD_ECAP_DT))
		return "DTE: no device TLBs (ECAP.DT)";
	if (context->paside && !vtd_ecap(id, IOD_VTD_ECAP_PASID))
		return "PASIDE: no PASIDs (ECAP.PASID)";
	if (context->pre && !vtd_ecap(id, IOD_VTD_ECAP_PRS))
		return "PRE: no page requests (ECAP.PRS)";
	if (context->hpte)
		return "HPTE: hardware protection tables are not modelled";
	if (context->rid_pasid && !vtd_ecap(id, IOD_VTD_ECAP_RPS))
		return "RID_PASID: not supported (ECAP.RPS)";
	if (context->rid_priv && !vtd_ecap(id, IOD_VTD_ECAP_RPRIVS))
		return "RID_PRIV: not supported (ECAP.RPRIVS)";
	return NULL;
}

int iod_vtd_sm_context_check(const struct iod_vtd_sm_context *context, const struct iod_vtd_id *id,
			     uint32_t flags, const char **why)
{
	const char *text;

	if (!context || flags & ~CHECK_FLAGS || context->pdts > 7)
		return -EINVAL;
	if (!context->present)
		return refuse(IOD_VTD_F_SM_CONTEXT_NOT_PRESENT, NOT_PRESENT, why);
	text = flags & IOD_VTD_CHECK_LENIENT ? NULL : sm_context_reserved(context, id);
	if (text)
		return refuse(IOD_VTD_F_SM_CONTEXT_RESERVED, text, why);
	if (context->pre && !context->dte)
		text = "PRE: without DTE";
	else if (context->eptr && !context->paside)
		text = "EPTR: without PASIDE";
	else if (context->rid_pasid >> (PASID_DIR_LG2 + PASIDS_LG2 + context->pdts))
		text = "RID_PASID is beyond the PASID directory";
	else if (context->rid_pasid >> vtd_pasid_bits(id))
		text = "RID_PASID is beyond ECAP.PSS";
	return text ? refuse(IOD_VTD_F_SM_CONTEXT_INVALID, text, why) : accept(why);
}

int iod_vtd_pasid_dir_check(const struct iod_vtd_pasid_dir *dir, const struct iod_vtd_id *id,
			    uint32_t flags, const char **why)
{
	(void)id;
	if (!dir || flags & ~CHECK_FLAGS)
		return -EINVAL;
	if (!dir->present)
		return refuse(IOD_VTD_F_PASID_DIR_NOT_PRESENT, NOT_PRESENT, why);
	if ((dir->unknown.word[0] || dir->smptblptr & BEYOND_HAW) &&
	    !(flags & IOD_VTD_CHECK_LENIENT))
		return refuse(IOD_VTD_F_PASID_DIR_RESERVED, RESERVED, why);
	return accept(why);
}

/*
 * Memory types (PAT, CD, EMTE) without ECAP.MTS are let pass: whether they are reserved then or ignored is not
 * certain, and nothing here depends on them.
 */
static const char *pasid_reserved(const struct iod_vtd_pasid *pasid, const struct iod_vtd_id *id,
				  uint32_t flags)
{
	if (any_word(pasid->unknown.word, 8) || (pasid->ssptptr | pasid->fsptptr) & BEYOND_HAW)
		return RESERVED;
	if (pasid->hptsz || pasid->hptpfd || pasid->hptptr || pasid->hptdid)
		return "HPT: hardware protection tables are not modelled";
	if ((flags & IOD_VTD_CHECK_REV5) &&
	    (pasid->emt || pasid->pwt || pasid->pcd || pasid->ere || pasid->nxe || pasid->smep))
		return "a field of older revisions is set";
	if (pasid->ssade && !vtd_ecap(id, IOD_VTD_ECAP_SSADS | IOD_VTD_ECAP_SMPWCS))
		return "SSADE: not supported (ECAP.SSADS)";
	if (pasid->pwsnp && !vtd_ecap(id, IOD_VTD_ECAP_SMPWCS))
		return "PWSNP: not supported (ECAP.SMPWCS)";
	if (pasid->pgsnp && !vtd_ecap(id, IOD_VTD_ECAP_SC))
		return "PGSNP: not supported (ECAP.SC)";
	if (pasid->sre && !vtd_ecap(id, IOD_VTD_ECAP_SRS))
		return "SRE: not supported (ECAP.SRS)";
	if (pasid->eafe && !vtd_ecap(id, IOD_VTD_ECAP_EAFS))
		return "EAFE: not supported (ECAP.EAFS)";
	return NULL;
}

static bool has_pgtt(const struct iod_vtd_id *id, unsigned pgtt)
{
	switch (pgtt) {
	case IOD_VTD_PGTT_FIRST:
		return vtd_ecap(id, IOD_VTD_ECAP_FSTS);
	case IOD_VTD_PGTT_SECOND:
		return vtd_ecap(id, IOD_VTD_ECAP_SSTS);
	case IOD_VTD_PGTT_NESTED:
		return vtd_ecap(id, IOD_VTD_ECAP_FSTS | IOD_VTD_ECAP_SSTS | IOD_VTD_ECAP_NEST);
	case IOD_VTD_PGTT_PASS_THROUGH:
		return vtd_ecap(id, IOD_VTD_ECAP_PT);
	default:
		return false;
	}
}

static bool has_fspm(const struct iod_vtd_id *id, unsigned fspm)
{
	return fspm == FSPM_4_LEVELS || (fspm == FSPM_5_LEVELS && vtd_cap(id, IOD_VTD_CAP_FS5LP));
}

/* Values of what PGTT says is used. */
static const char *pasid_invalid(const struct iod_vtd_pasid *pasid, const struct iod_vtd_id *id)
{
	bool first = pasid->pgtt == IOD_VTD_PGTT_FIRST || pasid->pgtt == IOD_VTD_PGTT_NESTED;
	bool second = pasid->pgtt == IOD_VTD_PGTT_SECOND || pasid->pgtt == IOD_VTD_PGTT_NESTED;

	if (!has_pgtt(NULL, pasid->pgtt) || pasid->pgtt > IOD_VTD_PGTT_PASS_THROUGH)
		return "PGTT: reserved PASID translation type";
	if (!has_pgtt(id, pasid->pgtt))
		return "PGTT: not supported (ECAP)";
	if (second && !has_aw(id, pasid->aw))
		return "AW: reserved address width, or not in SAGAW";
	if (first && !has_fspm(id, pasid->fspm))
		return "FSPM: reserved first-stage paging mode, or not supported";
	return NULL;
}

int iod_vtd_pasid_check(const struct iod_vtd_pasid *pasid, const struct iod_vtd_id *id,
			uint32_t flags, const char **why)
{
	const char *text;

	if (!pasid || flags & ~CHECK_FLAGS)
		return -EINVAL;
	if (!pasid->present)
		return refuse(IOD_VTD_F_PASID_NOT_PRESENT, NOT_PRESENT, why);
	text = flags & IOD_VTD_CHECK_LENIENT ? NULL : pasid_reserved(pasid, id, flags);
	if (text)
		return refuse(IOD_VTD_F_PASID_RESERVED, text, why);
	text = pasid_invalid(pasid, id);
	return text ? refuse(IOD_VTD_F_PASID_INVALID, text, why) : accept(why);
}
