/* SPDX-License-Identifier: MIT */
/*
 * From RTADDR_REG to the entry that decides about a request (Intel VT-d specification, 3.4, 7.1.3): each entry is
 * read once, word by word, and judged before it is followed.
 */
#include <iodirty/vtd_entry.h>

#include <errno.h>
#include <stddef.h>

#include "atomic.h"
#include "pgtable/mem.h"
#include "vtd/entry_bits.h"
#include "vtd/id.h"
#include "vtd/lookup.h"

#define LOOKUP_SIZE_MIN sizeof(struct iod_vtd_lookup)
#define LOOKUP_FLAGS	(IOD_VTD_CHECK_REV5 | IOD_VTD_CHECK_LENIENT)

/* Bits 6:0 and 9:8 of RTADDR_REG are reserved. */
#define RTADDR_RESERVED (MASK64(6, 0) | MASK64(9, 8))

static int refuse(struct iod_vtd_lookup *l, enum iod_vtd_fault_reason reason, const char *why)
{
	l->reason = reason;
	l->why = why;
	return -ENOENT;
}

/* Reads an entry. @return 0; -EFAULT it is not in memory, which is refused for @reason */
static int fetch(struct iod_vtd_lookup *l, uint64_t pa, uint64_t *raw, unsigned nr,
		 enum iod_vtd_fault_reason reason)
{
	const uint64_t *word;
	void *host;
	unsigned i;

	l->fetch_pa = pa;
	if (iod_mem_host_ptr(l->mem, pa, nr * 8, false, &host)) {
		refuse(l, reason, "not in memory");
		return -EFAULT;
	}
	word = host;
	for (i = 0; i < nr; i++)
		raw[i] = iod_le64(item_load(&word[i]));
	return 0;
}

/* What a check said: 0 or refused. */
static int judged(struct iod_vtd_lookup *l, int reason, const char *why)
{
	return reason ? refuse(l, (enum iod_vtd_fault_reason)reason, why) : 0;
}

static int check_mode(struct iod_vtd_lookup *l)
{
	uint64_t ttm = l->rtaddr & IOD_VTD_RTADDR_TTM, reserved = RTADDR_RESERVED;
	bool scalable = ttm == IOD_VTD_RTADDR_SCALABLE;

	l->scalable = scalable;
	if (!scalable || !vtd_ecap(l->id, IOD_VTD_ECAP_SSIRWS))
		reserved |= IOD_VTD_RTADDR_SSIRWE;
	if (ttm == IOD_VTD_RTADDR_ABORT && vtd_ecap(l->id, IOD_VTD_ECAP_ADMS))
		return refuse(l, IOD_VTD_F_RTADDR_TTM, "TTM: abort");
	if (ttm != IOD_VTD_RTADDR_LEGACY && !(scalable && vtd_ecap(l->id, IOD_VTD_ECAP_SMTS)))
		return refuse(l, IOD_VTD_F_RTADDR_TTM, "TTM: reserved, or not supported");
	if ((l->rtaddr & reserved) && !(l->flags & IOD_VTD_CHECK_LENIENT))
		return refuse(l, IOD_VTD_F_RTADDR_RESERVED, "RTADDR: reserved bits are set");
	if (!scalable && (l->pasid >= 0 || l->page_request))
		return refuse(l, IOD_VTD_F_RTADDR_LEGACY,
			      "legacy mode has no PASIDs and no page requests");
	return 0;
}

/* @param table receives the context table of the device's half of the bus */
static int find_root(struct iod_vtd_lookup *l, uint64_t *table)
{
	bool upper = l->scalable && (l->source_id & 0x80);
	uint32_t flags = l->flags | (l->scalable ? IOD_VTD_CHECK_SCALABLE : 0);
	struct iod_vtd_raw_root raw;
	const char *why;
	int reason, ret;

	l->root_pa = (l->rtaddr & IOD_VTD_RTADDR_RTA) + (uint64_t)(l->source_id >> 8) * sizeof(raw);
	ret = fetch(l, l->root_pa, raw.word, 2,
		    l->scalable ? IOD_VTD_F_SM_ROOT_ACCESS : IOD_VTD_F_ROOT_ACCESS);
	if (ret)
		return ret;
	iod_vtd_root_decode(&l->root, &raw);
	reason = iod_vtd_root_check(&l->root, upper, l->id, flags, &why);
	ret = judged(l, reason, why);
	*table = upper ? l->root.uctp : l->root.lctp;
	return ret;
}

static int find_scalable(struct iod_vtd_lookup *l, uint64_t table)
{
	struct iod_vtd_raw_sm_context raw;
	const char *why;
	int reason, ret;

	l->context_pa = table + (l->source_id & 0x7f) * sizeof(raw);
	ret = fetch(l, l->context_pa, raw.word, 4, IOD_VTD_F_SM_CONTEXT_ACCESS);
	if (ret)
		return ret;
	iod_vtd_sm_context_decode(&l->sm_context, &raw);
	l->fpd = l->sm_context.fpd;
	reason = iod_vtd_sm_context_check(&l->sm_context, l->id, l->flags, &why);
	return judged(l, reason, why);
}

static enum iod_vtd_fault_reason say(enum iod_vtd_fault_reason reason, const char *text,
				     const char **why)
{
	if (why)
		*why = text;
	return reason;
}

static enum iod_vtd_fault_reason check_scalable(const struct iod_vtd_sm_context *context,
						const struct iod_vtd_id *id,
						const struct vtd_request *req, const char **why)
{
	uint64_t pasid = (uint64_t)req->pasid;

	if (req->at != IOD_VTD_AT_UNTRANSLATED && !context->dte)
		return say(IOD_VTD_F_SM_DTE, "DTE = 0", why);
	if (req->page_request && !context->pre)
		return say(IOD_VTD_F_SM_PRE, "PRE = 0", why);
	if (req->pasid < 0)
		return say(IOD_VTD_F_NONE, NULL, why);
	if (!context->paside)
		return say(IOD_VTD_F_SM_PASIDE, "PASIDE = 0", why);
	if (pasid >> vtd_pasid_bits(id))
		return say(IOD_VTD_F_PASID_PSS, "PASID is beyond ECAP.PSS", why);
	if (pasid >> (PASID_DIR_LG2 + PASIDS_LG2 + context->pdts))
		return say(IOD_VTD_F_SM_PDTS, "PASID is beyond the PASID directory", why);
	if (pasid == context->rid_pasid)
		return say(IOD_VTD_F_SM_RID_PASID, "PASID is RID_PASID", why);
	if (req->at == IOD_VTD_AT_TRANSLATED && !context->eptr)
		return say(IOD_VTD_F_SM_EPTR, "EPTR = 0", why);
	return say(IOD_VTD_F_NONE, NULL, why);
}

enum iod_vtd_fault_reason iod_vtd_check_request(const struct iod_vtd_lookup *found,
						const struct vtd_request *req, const char **why)
{
	if (found->scalable)
		return check_scalable(&found->sm_context, found->id, req, why);
	if (req->at != IOD_VTD_AT_UNTRANSLATED && found->context.tt != IOD_VTD_TT_SECOND_ATS)
		return say(IOD_VTD_F_TT_BLOCKED, "TT: no ATS", why);
	return say(IOD_VTD_F_NONE, NULL, why);
}

/* What the context entry allows. */
static int check_request(struct iod_vtd_lookup *l)
{
	const struct vtd_request req = { l->pasid, l->at, l->page_request };
	const char *why;
	int reason = (int)iod_vtd_check_request(l, &req, &why);

	return judged(l, reason, why);
}

static int find_legacy(struct iod_vtd_lookup *l, uint64_t table)
{
	struct iod_vtd_raw_context raw;
	const char *why;
	int reason, ret;

	l->context_pa = table + (l->source_id & 0xff) * sizeof(raw);
	ret = fetch(l, l->context_pa, raw.word, 2, IOD_VTD_F_CONTEXT_ACCESS);
	if (ret)
		return ret;
	iod_vtd_context_decode(&l->context, &raw);
	l->fpd = l->context.fpd; /* whether it is present or not */
	reason = iod_vtd_context_check(&l->context, l->id, l->flags, &why);
	ret = judged(l, reason, why);
	return ret ? ret : check_request(l);
}

static int find_pasid_dir(struct iod_vtd_lookup *l)
{
	struct iod_vtd_raw_pasid_dir raw;
	const char *why;
	int reason, ret;

	l->pasid_dir_pa =
		l->sm_context.pasiddirptr + (uint64_t)(l->pasid_used >> PASIDS_LG2) * sizeof(raw);
	ret = fetch(l, l->pasid_dir_pa, raw.word, 1, IOD_VTD_F_PASID_DIR_ACCESS);
	if (ret)
		return ret;
	iod_vtd_pasid_dir_decode(&l->pasid_dir, &raw);
	l->fpd |= l->pasid_dir.fpd;
	reason = iod_vtd_pasid_dir_check(&l->pasid_dir, l->id, l->flags, &why);
	return judged(l, reason, why);
}

static int find_pasid(struct iod_vtd_lookup *l)
{
	struct iod_vtd_raw_pasid raw;
	bool priv, first;
	const char *why;
	int reason, ret;

	l->pasid_pa = l->pasid_dir.smptblptr +
		      (l->pasid_used & (uint32_t)low_mask(PASIDS_LG2)) * sizeof(raw);
	ret = fetch(l, l->pasid_pa, raw.word, 8, IOD_VTD_F_PASID_ACCESS);
	if (ret)
		return ret;
	iod_vtd_pasid_decode(&l->pasid_entry, &raw);
	l->fpd |= l->pasid_entry.fpd;
	reason = iod_vtd_pasid_check(&l->pasid_entry, l->id, l->flags, &why);
	ret = judged(l, reason, why);
	if (ret)
		return ret;
	priv = l->pasid < 0 ? l->sm_context.rid_priv : l->priv;
	first = l->pasid_entry.pgtt == IOD_VTD_PGTT_FIRST ||
		l->pasid_entry.pgtt == IOD_VTD_PGTT_NESTED;
	if (priv && first && !l->pasid_entry.sre)
		return refuse(l, IOD_VTD_F_PASID_SRE, "SRE = 0");
	return 0;
}

/* The first half. */
static int context(struct iod_vtd_lookup *l)
{
	uint64_t table = 0;
	int ret;

	l->fpd = false;
	ret = check_mode(l);
	if (!ret)
		ret = find_root(l, &table);
	if (!ret)
		ret = l->scalable ? find_scalable(l, table) : find_legacy(l, table);
	return ret;
}

/* The second half. */
static int pasid(struct iod_vtd_lookup *l)
{
	int ret;

	if (!l->scalable)
		return 0;
	l->fetch_pa = l->context_pa;
	ret = check_request(l);
	if (ret)
		return ret;
	l->pasid_used = l->pasid < 0 ? l->sm_context.rid_pasid : (uint32_t)l->pasid;
	ret = find_pasid_dir(l);
	return ret ? ret : find_pasid(l);
}

static int both(struct iod_vtd_lookup *l)
{
	int ret = context(l);

	return ret ? ret : pasid(l);
}

static bool sane(const struct iod_vtd_lookup *l)
{
	return l->mem && !(l->flags & ~LOOKUP_FLAGS) && l->at <= IOD_VTD_AT_TRANSLATED &&
	       l->pasid >= -1 && l->pasid <= UINT32_MAX && l->sm_context.pdts <= 7;
}

static int lookup(struct iod_vtd_lookup *user, int (*part)(struct iod_vtd_lookup *l))
{
	struct iod_vtd_lookup l;
	int ret;

	if (!user)
		return -EINVAL;
	ret = iod_struct_in(&l, sizeof(l), user, LOOKUP_SIZE_MIN);
	if (ret)
		return ret;
	if (!sane(&l))
		return -EINVAL;
	l.reason = IOD_VTD_F_NONE;
	l.why = NULL;
	l.pasid_used = 0;
	l.pasid_dir_pa = 0;
	l.pasid_pa = 0;
	if (part != pasid) {
		l.fetch_pa = 0;
		l.root_pa = 0;
		l.context_pa = 0;
	}
	ret = part(&l);
	if (!ret)
		l.fetch_pa = 0;
	iod_struct_out(user, &l, sizeof(l), LOOKUP_SIZE_MIN);
	return ret;
}

int iod_vtd_lookup(struct iod_vtd_lookup *l)
{
	return lookup(l, both);
}

int iod_vtd_lookup_context(struct iod_vtd_lookup *l)
{
	return lookup(l, context);
}

int iod_vtd_lookup_pasid(struct iod_vtd_lookup *l)
{
	return lookup(l, pasid);
}
