/* SPDX-License-Identifier: MIT */
/* AMD-Vi device table entries and GCR3 tables (bits.md A3.5, A3.6). */
#include "mdl_amdvi_int.h"

#define TAKE(word, hi, lo) amd_take(w[word], &d->res[word], hi, lo)
#define FLAG(word, bit)	   amd_take(w[word], &d->res[word], bit, bit)

static void lower(const uint64_t w[4], struct mdl_dte *d)
{
	d->v = FLAG(0, 0);
	d->tv = FLAG(0, 1);
	d->had = (unsigned)TAKE(0, 8, 7);
	d->mode = (unsigned)TAKE(0, 11, 9);
	d->root = TAKE(0, 51, 12) << 12;
	d->ppr = FLAG(0, 52);
	d->gprp = FLAG(0, 53);
	d->giov = FLAG(0, 54);
	d->gv = FLAG(0, 55);
	d->glx = (unsigned)TAKE(0, 57, 56);
	d->ir = FLAG(0, 61);
	d->iw = FLAG(0, 62);
	d->domain = (unsigned)TAKE(1, 15, 0);
	d->gcr3 = TAKE(0, 60, 58) << 12;
	d->gcr3 |= TAKE(1, 31, 16) << 15;
	d->gcr3 |= TAKE(1, 63, 43) << 31;
	d->i = FLAG(1, 32);
	d->se = FLAG(1, 33);
	d->sa = FLAG(1, 34);
	d->ioctl = (unsigned)TAKE(1, 36, 35);
	d->cache = FLAG(1, 37);
	d->sd = FLAG(1, 38);
	d->ex = FLAG(1, 39);
	d->sysmgt = (unsigned)TAKE(1, 41, 40);
	d->sats = FLAG(1, 42);
}

static void upper(const uint64_t w[4], struct mdl_dte *d)
{
	d->iv = FLAG(2, 0);
	d->inttablen = (unsigned)TAKE(2, 4, 1);
	d->ig = FLAG(2, 5);
	d->introot = TAKE(2, 51, 6) << 6;
	d->guestpagingmode = (unsigned)TAKE(2, 55, 54);
	d->initpass = FLAG(2, 56);
	d->eintpass = FLAG(2, 57);
	d->nmipass = FLAG(2, 58);
	d->intctl = (unsigned)TAKE(2, 61, 60);
	d->lint0 = FLAG(2, 62);
	d->lint1 = FLAG(2, 63);
	d->gdeviceid = (unsigned)TAKE(3, 31, 16);
	d->guestid = (unsigned)TAKE(3, 47, 32);
	d->attrv = FLAG(3, 54);
	d->mode0fc = FLAG(3, 55);
	d->snoopattr = (unsigned)TAKE(3, 63, 56);
}

void mdl_dte_decode(const uint64_t w[4], struct mdl_dte *d)
{
	*d = (struct mdl_dte){ .res = { w[0], w[1], w[2], w[3] } };
	lower(w, d);
	upper(w, d);
}

static const char *host_doubt(const struct mdl_dte *d, const struct mdl_amdvi_id *id)
{
	if (d->had == 2)
		return "HAD is reserved";
	if ((d->had & 1) && !EFR_HASUP(id))
		return "HAD without HASup";
	if (d->had == 3 && !EFR_HDSUP(id))
		return "HAD without HDSup";
	return NULL;
}

static const char *guest_doubt(const struct mdl_dte *d, const struct mdl_amdvi_id *id)
{
	if (d->giov && !EFR_GIOSUP(id))
		return "GIOV without GIOSup";
	if (!EFR_GTSUP(id) && (d->gv || d->glx || d->gcr3 || d->guestpagingmode))
		return "guest fields without GTSup";
	if (!d->gv)
		return NULL;
	if (d->glx > EFR_GLXSUP(id))
		return "GLX beyond GLXSup";
	if (d->guestpagingmode > 1)
		return "GuestPagingMode is reserved";
	if (d->guestpagingmode > EFR_GATS(id))
		return "GuestPagingMode beyond GATS";
	return NULL;
}

static enum mdl_amdvi_verdict illegal(const struct mdl_dte *d, const struct mdl_amdvi_id *id,
				      const char **why)
{
	const uint64_t attributes = 7 << 4; /* newer revisions have a memory attribute here */

	*why = "reserved bits";
	if ((d->res[0] & ~attributes) || d->res[1])
		return MDL_AMD_ILLEGAL;
	if (d->res[0])
		return MDL_AMD_EITHER;
	if (!d->tv)
		return MDL_AMD_OK;
	*why = "Mode is reserved";
	if (d->mode == 7)
		return MDL_AMD_ILLEGAL;
	*why = "Mode beyond HATS"; /* 3 is reserved */
	if (EFR_HATS(id) < 3 && d->mode > 4 + EFR_HATS(id))
		return MDL_AMD_ILLEGAL;
	*why = "GLX is reserved";
	if (d->gv && d->glx == 3)
		return MDL_AMD_ILLEGAL;
	return MDL_AMD_OK;
}

enum mdl_amdvi_verdict mdl_dte_verdict(const struct mdl_dte *d, const struct mdl_amdvi_id *id,
				       const char **why)
{
	enum mdl_amdvi_verdict verdict;

	*why = NULL;
	if (!d->v)
		return MDL_AMD_OK;
	verdict = illegal(d, id, why);
	if (verdict != MDL_AMD_OK)
		return verdict;
	*why = host_doubt(d, id);
	if (!*why)
		*why = guest_doubt(d, id);
	if (!*why && (d->ppr || d->gprp) && !EFR_EPHSUP(id))
		*why = "PPR, GPRP without EPHSup";
	if (!*why && d->ioctl == 3)
		*why = "IoCtl is reserved";
	if (!*why && d->sats)
		*why = "SATS";
	/* fields that TV = 0 makes nothing of */
	if (!*why && !d->tv && (d->mode || d->gv || d->glx))
		*why = "TV = 0";
	return *why ? MDL_AMD_EITHER : MDL_AMD_OK;
}

/* Whether hardware marks directories is not known (F.1); the emulator says that it does. */
void mdl_dte_host(const struct mdl_dte *d, struct mdl_table *t)
{
	*t = (struct mdl_table){
		.format = MDL_AMD_V1,
		.root = d->root,
		.granule_lg2 = 12,
		.levels = d->mode,
		.hw_access = d->had & 1,
		.hw_dirty = d->had == 3,
		.hw_table_access = d->had & 1,
	};
}

void mdl_dte_guest(const struct mdl_dte *d, uint64_t gcr3_entry, struct mdl_table *t)
{
	*t = (struct mdl_table){
		.format = MDL_AMD_V2,
		.root = gcr3_entry & mdl_bits(51, 12),
		.granule_lg2 = 12,
		.levels = 4 + d->guestpagingmode,
	};
}

int mdl_gcr3(const struct mdl_dte *d, const struct mdl_mem *mem, unsigned pasid, uint64_t *entry,
	     uint64_t *at)
{
	uint64_t table = d->gcr3;
	unsigned level = d->glx;

	if (pasid >> 9 * (d->glx + 1))
		return 1;
	for (;; level--) {
		*at = table + 8 * (uint64_t)(pasid >> 9 * level & 511);
		if (mem->read64(mem->cookie, *at, entry))
			return -1;
		if (!mdl_bit(*entry, 0))
			return 1;
		if (!level)
			return 0;
		table = *entry & mdl_bits(51, 12);
	}
}
