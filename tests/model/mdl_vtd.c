/* SPDX-License-Identifier: MIT */
/* VT-d: from RTADDR to the entry of a request (3.4, 7.1.3, 9.1 to 9.6), and what a descriptor may be (6.5.2). */
#include "mdl_vtd.h"

#include <string.h>

#include "model_int.h"

/* Bits hi:lo of a structure, counted from its first word. */
static uint64_t bits(const uint64_t *w, unsigned hi, unsigned lo)
{
	return w[lo / 64] >> lo % 64 & mdl_low(hi - lo + 1);
}

static bool ecap(const struct mdl_vtd_id *id, unsigned n)
{
	return mdl_bit(id->ecap, n);
}

/* Any bit set outside the mask. */
static bool outside(const uint64_t *w, const uint64_t *mask, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (w[i] & ~mask[i])
			return true;
	return false;
}

struct find {
	const struct mdl_mem *mem;
	const struct mdl_vtd_id *id;
	const struct mdl_vtd_request *req;
	struct mdl_vtd_result *res;
};

static bool refuse(struct find *f, unsigned reason)
{
	f->res->reason = reason;
	return false;
}

static bool read_words(struct find *f, uint64_t at, unsigned n, unsigned reason)
{
	f->res->at = at;
	f->res->words = n;
	for (unsigned i = 0; i < n; i++)
		if (f->mem->read64(f->mem->cookie, at + 8 * (uint64_t)i, &f->res->word[i]))
			return refuse(f, reason);
	return true;
}

static bool root(struct find *f, bool sm, uint64_t *table)
{
	const struct mdl_vtd_request *req = f->req;
	const uint64_t *w = f->res->word;
	bool upper = sm && (req->sid >> 7 & 1);

	if (!read_words(f, (req->rtaddr & mdl_bits(63, 12)) + (req->sid >> 8) * 16, 2,
			sm ? 0x38 : 8))
		return false;
	if (!(w[upper] & 1))
		return refuse(f, sm ? 0x39 : 1);
	if ((w[upper] & (mdl_bits(11, 1) | mdl_bits(63, 52))) || (!sm && w[1]))
		return refuse(f, sm ? 0x3a : 0xa);
	*table = w[upper] & mdl_bits(63, 12);
	return true;
}

/* SAGAW bit n: levels n + 2. */
static bool aw_ok(const struct mdl_vtd_id *id, uint64_t aw)
{
	return aw >= 1 && aw <= 3 && mdl_bit(id->cap, 8 + (unsigned)aw);
}

static bool legacy(struct find *f, uint64_t table)
{
	static const uint64_t mask[2] = { 0x000ffffffffff00f, 0x0000000000ffff7f };
	const uint64_t *w = f->res->word;
	uint64_t tt;

	if (!read_words(f, table + (f->req->sid & 0xff) * 16, 2, 9))
		return false;
	f->res->fpd = w[0] >> 1 & 1;
	if (!(w[0] & 1))
		return refuse(f, 2);
	if (outside(w, mask, 2))
		return refuse(f, 0xb);
	tt = bits(w, 3, 2);
	if (tt == 3 || (tt == 1 && !ecap(f->id, 2)) || (tt == 2 && !ecap(f->id, 6)) ||
	    (tt != 2 && !aw_ok(f->id, bits(w, 66, 64))))
		return refuse(f, 3);
	if (f->req->at && tt != 1)
		return refuse(f, 0xd);
	return true;
}

static unsigned pasid_bits(const struct mdl_vtd_id *id)
{
	unsigned n = (id->ecap >> 35 & 0x1f) + 1;

	return n > 20 ? 20 : n;
}

static bool sm_context(struct find *f, uint64_t table, uint64_t ctx[4])
{
	static const uint64_t mask[4] = { 0x000ffffffffffe7f, 0x00000000001fffff };
	const uint64_t *w = f->res->word;

	if (!read_words(f, table + (f->req->sid & 0x7f) * 32, 4, 0x40))
		return false;
	memcpy(ctx, w, 32);
	f->res->fpd = w[0] >> 1 & 1;
	if (!(w[0] & 1))
		return refuse(f, 0x41);
	if (outside(w, mask, 4) || mdl_bit(w[0], 5))
		return refuse(f, 0x42);
	if ((mdl_bit(w[0], 2) && !ecap(f->id, 2)) || (mdl_bit(w[0], 3) && !ecap(f->id, 40)) ||
	    (mdl_bit(w[0], 4) && !ecap(f->id, 29)) || (bits(w, 83, 64) && !ecap(f->id, 49)) ||
	    (mdl_bit(w[1], 20) && !ecap(f->id, 53)))
		return refuse(f, 0x42);
	if ((mdl_bit(w[0], 4) && !mdl_bit(w[0], 2)) || (mdl_bit(w[0], 6) && !mdl_bit(w[0], 3)) ||
	    bits(w, 83, 64) >= (UINT64_C(1) << (bits(w, 11, 9) + 7)) * 64 ||
	    bits(w, 83, 64) >> pasid_bits(f->id))
		return refuse(f, 0x43);
	return true;
}

/* What the context entry allows. */
static bool allowed(struct find *f, const uint64_t ctx[4])
{
	const struct mdl_vtd_request *req = f->req;

	if (req->at && !mdl_bit(ctx[0], 2))
		return refuse(f, 0x44);
	if (req->page_request && !mdl_bit(ctx[0], 4))
		return refuse(f, 0x47);
	if (!req->has_pasid)
		return true;
	if (!mdl_bit(ctx[0], 3))
		return refuse(f, 0x45);
	if (req->pasid >> pasid_bits(f->id))
		return refuse(f, 0x89);
	if (req->pasid >> 6 >= UINT64_C(1) << (bits(ctx, 11, 9) + 7))
		return refuse(f, 0x46);
	if (req->pasid == bits(ctx, 83, 64))
		return refuse(f, 0x48);
	if (req->at == 2 && !mdl_bit(ctx[0], 6))
		return refuse(f, 0x49);
	return true;
}

static bool pasid_values(struct find *f)
{
	const struct mdl_vtd_id *id = f->id;
	const uint64_t *w = f->res->word;
	uint64_t pgtt = bits(w, 8, 6), fspm = bits(w, 131, 130);
	bool fs = pgtt == 1 || pgtt == 3, ss = pgtt == 2 || pgtt == 3;

	if (pgtt < 1 || pgtt > 4 || (fs && !ecap(id, 47)) || (ss && !ecap(id, 46)) ||
	    (pgtt == 3 && !ecap(id, 26)) || (pgtt == 4 && !ecap(id, 6)))
		return refuse(f, 0x5b);
	if (ss && !aw_ok(id, bits(w, 4, 2)))
		return refuse(f, 0x5b);
	if (fs && (fspm > 1 || (fspm == 1 && !mdl_bit(id->cap, 60))))
		return refuse(f, 0x5b);
	return true;
}

static bool pasid_entry(struct find *f, uint64_t dir, const uint64_t ctx[4])
{
	/* 5.10, hardware protection tables not supported; and what older ones had */
	uint64_t mask[8] = { 0x000ffffffffff3df, 0xffffffff0780ffff, 0x000ffffffffff09d };
	const uint64_t *w = f->res->word;
	bool priv = f->req->has_pasid ? f->req->priv : mdl_bit(ctx[1], 20);

	if (f->req->old_fields) {
		mask[1] |= 0xf8000000;
		mask[2] |= 0x62;
	}
	if (!read_words(f, (dir & mdl_bits(63, 12)) + (f->res->pasid & 0x3f) * 64, 8, 0x58))
		return false;
	f->res->fpd |= w[0] >> 1 & 1;
	if (!(w[0] & 1))
		return refuse(f, 0x59);
	if (outside(w, mask, 8))
		return refuse(f, 0x5a);
	/* SSADE, PWSNP, PGSNP, SRE, EAFE */
	if ((mdl_bit(w[0], 9) && !(ecap(f->id, 45) && ecap(f->id, 48))) ||
	    (mdl_bit(w[1], 23) && !ecap(f->id, 48)) || (mdl_bit(w[1], 24) && !ecap(f->id, 7)) ||
	    (mdl_bit(w[2], 0) && !ecap(f->id, 31)) || (mdl_bit(w[2], 7) && !ecap(f->id, 34)))
		return refuse(f, 0x5a);
	if (!pasid_values(f))
		return false;
	if (priv && bits(w, 6, 6) && !mdl_bit(w[2], 0)) /* PGTT 1 and 3 */
		return refuse(f, 0x5d);
	return true;
}

static bool scalable(struct find *f, uint64_t table)
{
	uint64_t ctx[4], dir;

	if (!sm_context(f, table, ctx) || !allowed(f, ctx))
		return false;
	f->res->pasid = f->req->has_pasid ? f->req->pasid : (unsigned)bits(ctx, 83, 64);
	f->res->priv = f->req->has_pasid ? f->req->priv : mdl_bit(ctx[1], 20);
	if (!read_words(f, (ctx[0] & mdl_bits(63, 12)) + (f->res->pasid >> 6) * 8, 1, 0x50))
		return false;
	dir = f->res->word[0];
	f->res->fpd |= dir >> 1 & 1;
	if (!(dir & 1))
		return refuse(f, 0x51);
	if (dir & (mdl_bits(11, 2) | mdl_bits(63, 52)))
		return refuse(f, 0x52);
	return pasid_entry(f, dir, ctx);
}

void mdl_vtd_find(const struct mdl_mem *mem, const struct mdl_vtd_id *id,
		  const struct mdl_vtd_request *req, struct mdl_vtd_result *res)
{
	struct find f = { mem, id, req, res };
	uint64_t ttm = req->rtaddr >> 10 & 3, reserved = 0x37f, table;

	memset(res, 0, sizeof(*res));
	if (ttm >= 2 || (ttm == 1 && !ecap(id, 43))) {
		refuse(&f, 0x31);
		return;
	}
	if (ttm == 0 || !ecap(id, 57))
		reserved |= 0x80;
	if (req->rtaddr & reserved) {
		refuse(&f, 0x30);
		return;
	}
	if (ttm == 0 && (req->has_pasid || req->page_request)) {
		refuse(&f, 0x32);
		return;
	}
	if (!root(&f, ttm == 1, &table))
		return;
	if (ttm == 1)
		scalable(&f, table);
	else
		legacy(&f, table);
}

/* ---- descriptors ---- */

/* Bits that a descriptor of each type may have. */
static const uint64_t desc_mask[10][2] = {
	[1] = { 0x0003ffffffff0e3f, 0 },
	[2] = { 0x00000000ffff0eff, 0xfffffffffffff07f },
	[3] = { 0xfff0ffff001ffe0f, 0xfffffffffffff001 },
	[4] = { 0x0000fffff8000e1f, 0 },
	[5] = { 0xffffffff00000eff, 0xfffffffffffffffc },
	[6] = { 0x000fffffffff0e3f, 0xfffffffffffff07f },
	[7] = { 0x000fffffffff0e3f, 0 },
	[8] = { 0xfffffffffffffe0f | 0x1f0, 0xfffffffffffff801 },
	[9] = { 0x000ffffffffffe1f, 0x0000000000000fff },
};

static bool has_type(const struct mdl_vtd_id *id, unsigned type)
{
	switch (type) {
	case 3:
		return ecap(id, 2);
	case 4:
		return ecap(id, 3);
	case 6:
	case 7:
		return ecap(id, 43);
	case 8:
		return ecap(id, 43) && ecap(id, 2) && ecap(id, 40);
	case 9:
		return ecap(id, 29);
	default:
		return true;
	}
}

/* Domain id and PASID, where the granularity makes them count. */
static bool ids_fit(const uint64_t *w, const struct mdl_vtd_id *id, bool did, bool pasid)
{
	unsigned nd = 4 + 2 * (unsigned)(id->cap & 7);

	if (did && nd < 16 && bits(w, 31, 16) >> nd)
		return false;
	return !(pasid && bits(w, 51, 32) >> pasid_bits(id));
}

/* CAP.MAMV is about the second stage (11.4.2). */
static bool range_fits(const uint64_t *w, const struct mdl_vtd_id *id, bool by_pasid)
{
	unsigned am = w[1] & 0x3f;

	return (by_pasid || am <= (id->cap >> 48 & 0x3f)) && am <= 52;
}

/* Of a device TLB: there is a 0 to say the size. */
static bool size_fits(uint64_t w1, unsigned s)
{
	return !mdl_bit(w1, s) || w1 >> 12 != mdl_low(52);
}

static enum mdl_vtd_verdict values(const uint64_t *w, unsigned type, const struct mdl_vtd_id *id)
{
	unsigned g = w[0] >> 4 & 3, rc = w[0] >> 12 & 0xf;
	bool ok = true;

	switch (type) {
	case 1:
		ok = g && ids_fit(w, id, g != 1, false);
		break;
	case 2:
		if (g == 3 && !mdl_bit(id->cap, 39))
			return MDL_DESC_TYPE;
		ok = g && ids_fit(w, id, g != 1, false) && (g != 3 || range_fits(w, id, false));
		break;
	case 3:
		ok = size_fits(w[1], 0);
		break;
	case 4:
		ok = !(g & 1) || bits(w, 31, 27) <= (id->ecap >> 20 & 0xf);
		break;
	case 5:
		if (mdl_bit(w[0], 7) && !ecap(id, 42))
			return MDL_DESC_TYPE;
		break;
	case 6:
		ok = g >= 2 && ids_fit(w, id, true, true) && (g != 3 || range_fits(w, id, true));
		break;
	case 7:
		ok = g != 2 && ids_fit(w, id, g != 3, g == 1);
		break;
	case 8:
		ok = size_fits(w[1], 11) && ids_fit(w, id, false, !mdl_bit(w[1], 0));
		break;
	default:
		ok = (rc == 0 || rc == 1 || rc == 0xf) && ids_fit(w, id, false, mdl_bit(w[0], 4));
	}
	return ok ? MDL_DESC_OK : MDL_DESC_VALUE;
}

enum mdl_vtd_verdict mdl_vtd_desc(const uint64_t w[4], const struct mdl_vtd_id *id, bool narrow)
{
	unsigned type = (unsigned)((w[0] & 0xf) | (w[0] >> 9 & 7) << 4);

	if (type < 1 || type > 9 || !ecap(id, 1) || !has_type(id, type))
		return MDL_DESC_TYPE;
	if (type == 9 && narrow)
		return MDL_DESC_VALUE;
	if (outside(w, desc_mask[type], 2) || (!narrow && (w[2] | w[3])))
		return MDL_DESC_RESERVED;
	return values(w, type, id);
}
