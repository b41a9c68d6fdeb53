/* SPDX-License-Identifier: MIT */
/*
 * What hardware says of device table entries, and what becomes of requests (bits.md A3.2, A3.4, A3.6).
 *
 * What is UNCONFIRMED is decided so that a request is refused rather than let through or translated in a way that
 * nobody meant: docs/amdvi-structures.md lists it.
 */
#include <iodirty/amdvi_dte.h>

#include <errno.h>
#include <string.h>

#include "amdvi/dte_bits.h"
#include "amdvi/id.h"

/* Each rule has a name. NULL: legal. */
static const char *check_host(const struct iod_amdvi_dte *dte, const struct iod_amdvi_id *id,
			      uint32_t flags)
{
	if (dte->mode > MODE_MAX)
		return "Mode: reserved paging mode 7";
	if (dte->mode > amdvi_host_levels(id))
		return "Mode: more levels than HATS";
	if (dte->had == HAD_RESERVED)
		return "HAD: reserved";
	if (dte->had && !amdvi_has(id, IOD_AMDVI_EFR_HASUP))
		return "HAD: no HASup";
	if (dte->had == IOD_AMDVI_HAD_DIRTY && !amdvi_has(id, IOD_AMDVI_EFR_HDSUP))
		return "HAD: no HDSup";
	if (!dte->mode && !dte->gv && (flags & IOD_AMDVI_CHECK_SNP))
		return "Mode: 0 with SNP";
	return NULL;
}

static const char *check_guest(const struct iod_amdvi_dte *dte, const struct iod_amdvi_id *id)
{
	if (!amdvi_has(id, IOD_AMDVI_EFR_GTSUP) &&
	    (dte->gv || dte->glx || dte->gcr3 || dte->guestpagingmode))
		return "GV, GLX, GCR3, GuestPagingMode: no GTSup";
	if (dte->giov && !amdvi_has(id, IOD_AMDVI_EFR_GIOSUP))
		return "GIOV: no GIoSup";
	if ((dte->ppr || dte->gprp) && !amdvi_has(id, IOD_AMDVI_EFR_EPHSUP))
		return "PPR, GPRP: no EPHSup";
	if (!dte->gv)
		return NULL;
	if (dte->glx > GLX_MAX)
		return "GLX: reserved";
	if (dte->glx > amdvi_max_glx(id))
		return "GLX: more levels than GLXSup";
	if (dte->guestpagingmode > GPM_MAX)
		return "GuestPagingMode: reserved";
	if (4u + dte->guestpagingmode > amdvi_guest_levels(id))
		return "GuestPagingMode: more levels than GATS";
	return NULL;
}

static const char *check(const struct iod_amdvi_dte *dte, const struct iod_amdvi_id *id,
			 uint32_t flags)
{
	const uint64_t *unknown = dte->unknown.word;
	const char *rule = NULL;

	if (!dte->v)
		return NULL;
	if (unknown[0] || unknown[1])
		return "reserved bits of words 0 and 1";
	if ((unknown[2] || unknown[3]) && (flags & IOD_AMDVI_CHECK_UNKNOWN))
		return "bits of no known field";
	if (dte->ioctl == IOCTL_RESERVED)
		return "IoCtl: reserved";
	if (dte->tv)
		rule = check_host(dte, id, flags);
	return rule ? rule : check_guest(dte, id);
}

int iod_amdvi_dte_check(const struct iod_amdvi_dte *dte, const struct iod_amdvi_id *id,
			uint32_t flags, const char **why)
{
	const char *rule;

	if (!dte || flags & ~(IOD_AMDVI_CHECK_UNKNOWN | IOD_AMDVI_CHECK_SNP))
		return -EINVAL;
	rule = check(dte, id, flags);
	if (why)
		*why = rule;
	return rule ? IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY : 0;
}

static void drop_guest(struct iod_amdvi_dte *dte)
{
	dte->gv = false;
	dte->glx = 0;
	dte->gcr3 = 0;
	dte->giov = false;
	dte->guestpagingmode = 0;
}

static void drop_host(struct iod_amdvi_dte *dte)
{
	dte->had = 0;
	dte->mode = 0;
	dte->root = 0;
}

/* With V=0 nothing is left of what is about addresses. */
static void drop_all(struct iod_amdvi_dte *dte)
{
	dte->tv = false;
	dte->ppr = false;
	dte->domain = 0;
	dte->i = false;
	dte->se = false;
	dte->sa = false;
	dte->ioctl = 0;
	dte->cache = false;
	dte->sd = false;
	dte->ex = false;
	dte->sysmgt = 0;
	dte->sats = false;
	dte->gdeviceid = 0;
	dte->guestid = 0;
	dte->attrv = false;
	dte->mode0fc = false;
	dte->snoopattr = 0;
}

int iod_amdvi_dte_effective(struct iod_amdvi_dte *out, const struct iod_amdvi_dte *dte,
			    const struct iod_amdvi_id *id)
{
	if (!out || !dte)
		return -EINVAL;
	*out = *dte;
	memset(&out->unknown, 0, sizeof(out->unknown));
	if (!out->v)
		drop_all(out);
	if (!out->tv) {
		drop_host(out);
		drop_guest(out);
		out->ir = false;
		out->iw = false;
	}
	if (!out->mode)
		drop_host(out);
	if (!out->gv)
		drop_guest(out);
	if (!out->ppr)
		out->gprp = false;
	if (!amdvi_has(
		    id,
		    IOD_AMDVI_EFR_HASUP)) /* nothing is written into tables, whatever is asked for */
		out->had = 0;
	return 0;
}

int iod_amdvi_dte_route(const struct iod_amdvi_dte *dte, bool pasid, uint32_t *perm)
{
	uint32_t allowed = IOD_PERM_READ | IOD_PERM_WRITE;
	int route = IOD_AMDVI_BLOCKED;
	bool guest;

	if (!dte)
		return -EINVAL;
	guest = dte->gv && (pasid || dte->giov);
	if (!dte->v) {
		route = IOD_AMDVI_BYPASS;
	} else {
		allowed = dte->tv ? (dte->ir ? IOD_PERM_READ : 0) | (dte->iw ? IOD_PERM_WRITE : 0)
				  : 0;
		if (!allowed || (pasid && !guest))
			route = IOD_AMDVI_BLOCKED;
		else if (guest)
			route = dte->mode ? IOD_AMDVI_NESTED : IOD_AMDVI_GUEST;
		else
			route = dte->mode ? IOD_AMDVI_HOST : IOD_AMDVI_BYPASS;
	}
	if (perm)
		*perm = route == IOD_AMDVI_BLOCKED ? 0 : allowed;
	return route;
}
