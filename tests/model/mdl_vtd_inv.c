/* SPDX-License-Identifier: MIT */
/* VT-d: descriptors, what they reach, page requests, fault records, rings. */
#include "mdl_vtd_inv.h"

#include <string.h>

#include "model_int.h"

struct parse {
	const uint64_t *w;
	uint64_t *res; /* what is left */
};

/* A field, bits hi:lo counted from the first word, all in one of them. */
static uint64_t take(struct parse *p, unsigned hi, unsigned lo)
{
	unsigned i = lo / 64;
	uint64_t mask = mdl_bits(hi % 64, lo % 64);

	p->res[i] &= ~mask;
	return (p->w[i] & mask) >> lo % 64;
}

static bool flag(struct parse *p, unsigned n)
{
	return take(p, n, n);
}

static uint64_t address(struct parse *p)
{
	return take(p, 127, 76) << 12;
}

static void iqe(struct mdl_vtd_inv *d)
{
	d->legal = MDL_INV_IQE;
}

static void either(struct mdl_vtd_inv *d)
{
	if (d->legal == MDL_INV_OK)
		d->legal = MDL_INV_EITHER;
}

static bool have(const struct mdl_vtd_id *id, unsigned ecap)
{
	return mdl_bit(id->ecap, ecap);
}

static unsigned did_bits(const struct mdl_vtd_id *id)
{
	unsigned nd = id->cap & 7;

	return nd >= 6 ? 16 : 4 + 2 * nd;
}

static unsigned pasid_bits(const struct mdl_vtd_id *id)
{
	unsigned n = (id->ecap >> 35 & 31) + 1;

	return n < 20 ? n : 20;
}

static void did_fits(struct mdl_vtd_inv *d, const struct mdl_vtd_id *id)
{
	if (d->did >> did_bits(id))
		either(d);
}

static void pasid_fits(struct mdl_vtd_inv *d, const struct mdl_vtd_id *id)
{
	if (d->pasid >> pasid_bits(id))
		either(d);
}

/* AM, IH, address. MAMV is about invalidations of the second stage (11.4.2): not of those by PASID. */
static void pages(struct parse *p, struct mdl_vtd_inv *d, const struct mdl_vtd_id *id)
{
	d->am = (unsigned)take(p, 69, 64);
	d->ih = flag(p, 70);
	d->addr = address(p);
	if (d->g != 3)
		return;
	if (d->type == MDL_VTD_IOTLB && d->am > (id->cap >> 48 & 0x3f))
		either(d);
	if (d->am > 52)
		either(d);
}

static void context(struct parse *p, struct mdl_vtd_inv *d, const struct mdl_vtd_id *id)
{
	d->g = (unsigned)take(p, 5, 4);
	d->did = (unsigned)take(p, 31, 16);
	d->sid = (unsigned)take(p, 47, 32);
	d->fm = (unsigned)take(p, 49, 48);
	if (!d->g)
		iqe(d);
	if (d->g > 1)
		did_fits(d, id);
}

static void iotlb(struct parse *p, struct mdl_vtd_inv *d, const struct mdl_vtd_id *id)
{
	d->g = (unsigned)take(p, 5, 4);
	d->dw = flag(p, 6);
	d->dr = flag(p, 7);
	d->did = (unsigned)take(p, 31, 16);
	pages(p, d, id);
	if (!d->g)
		iqe(d);
	if (d->g > 1)
		did_fits(d, id);
	if (d->g == 3 && !mdl_bit(id->cap, 39))
		either(d);
}

static void p_iotlb(struct parse *p, struct mdl_vtd_inv *d, const struct mdl_vtd_id *id)
{
	d->g = (unsigned)take(p, 5, 4);
	d->did = (unsigned)take(p, 31, 16);
	d->pasid = (unsigned)take(p, 51, 32);
	pages(p, d, id);
	if (d->g < 2 || !have(id, 43))
		iqe(d);
	did_fits(d, id);
	pasid_fits(d, id);
}

static void pasid_cache(struct parse *p, struct mdl_vtd_inv *d, const struct mdl_vtd_id *id)
{
	d->g = (unsigned)take(p, 5, 4);
	d->did = (unsigned)take(p, 31, 16);
	d->pasid = (unsigned)take(p, 51, 32);
	if (d->g == 2 || !have(id, 43))
		iqe(d);
	if (d->g < 2)
		did_fits(d, id);
	if (d->g == 1)
		pasid_fits(d, id);
}

static void entries(struct parse *p, struct mdl_vtd_inv *d, const struct mdl_vtd_id *id)
{
	d->g = flag(p, 4);
	d->im = (unsigned)take(p, 31, 27);
	d->iidx = (unsigned)take(p, 47, 32);
	if (!have(id, 3))
		iqe(d);
	if (d->g && d->im > (id->ecap >> 20 & 0xf))
		either(d);
}

static void wait(struct parse *p, struct mdl_vtd_inv *d, const struct mdl_vtd_id *id)
{
	d->intr = flag(p, 4);
	d->write = flag(p, 5);
	d->fence = flag(p, 6);
	d->drain = flag(p, 7);
	d->data = (uint32_t)take(p, 63, 32);
	d->addr = take(p, 127, 66) << 2;
	if (d->drain && !have(id, 42))
		either(d);
}

static void device(struct parse *p, struct mdl_vtd_inv *d, const struct mdl_vtd_id *id)
{
	bool by_pasid = d->type == MDL_VTD_P_DEV_TLB;

	d->pfsid = (unsigned)(take(p, 15, 12) | take(p, 63, 52) << 4);
	d->mip = (unsigned)(by_pasid ? take(p, 8, 4) : take(p, 20, 16));
	d->sid = (unsigned)(by_pasid ? take(p, 31, 16) : take(p, 47, 32));
	d->addr = address(p);
	d->s = by_pasid ? flag(p, 75) : flag(p, 64);
	if (by_pasid) {
		d->pasid = (unsigned)take(p, 51, 32);
		d->all_pasids = flag(p, 64);
		if (!d->all_pasids)
			pasid_fits(d, id);
	}
	if (!have(id, 2) || (by_pasid && (!have(id, 43) || !have(id, 40))))
		iqe(d);
	if (d->s && d->addr == mdl_bits(63, 12))
		either(d);
}

static void response(struct parse *p, struct mdl_vtd_inv *d, const struct mdl_vtd_id *id)
{
	d->pp = flag(p, 4);
	d->rc = (unsigned)take(p, 15, 12);
	d->sid = (unsigned)take(p, 31, 16);
	d->pasid = (unsigned)take(p, 51, 32);
	take(p, 66, 64); /* ignored */
	d->prgi = (unsigned)take(p, 75, 67);
	if (d->rc > 1 && d->rc != 0xf)
		either(d);
	if (d->pp)
		pasid_fits(d, id);
	if (!have(id, 29))
		iqe(d);
}

void mdl_vtd_inv(const uint64_t w[4], const struct mdl_vtd_id *id, bool narrow,
		 struct mdl_vtd_inv *d)
{
	static void (*const of[])(struct parse *, struct mdl_vtd_inv *,
				  const struct mdl_vtd_id *) = {
		[MDL_VTD_CC] = context,
		[MDL_VTD_IOTLB] = iotlb,
		[MDL_VTD_DEV_TLB] = device,
		[MDL_VTD_IEC] = entries,
		[MDL_VTD_WAIT] = wait,
		[MDL_VTD_P_IOTLB] = p_iotlb,
		[MDL_VTD_PASID_CACHE] = pasid_cache,
		[MDL_VTD_P_DEV_TLB] = device,
		[MDL_VTD_RESP] = response,
	};
	struct parse p = { w, d->res };
	unsigned i;

	memset(d, 0, sizeof(*d));
	for (i = 0; i < (narrow ? 2u : 4u); i++)
		d->res[i] = w[i];
	d->type = (unsigned)(take(&p, 3, 0) | take(&p, 11, 9) << 4);
	if (d->type < 1 || d->type > MDL_VTD_RESP || !have(id, 1)) {
		iqe(d);
		return;
	}
	of[d->type](&p, d, id);
	if (d->type == MDL_VTD_RESP && narrow)
		iqe(d);
	if (d->res[0] | d->res[1] | d->res[2] | d->res[3])
		iqe(d);
}

void mdl_vtd_inv_ignore(struct mdl_vtd_inv *d)
{
	bool iotlb = d->type == MDL_VTD_IOTLB, page = d->g == 3;

	if (d->type == MDL_VTD_CC && d->g != 3)
		d->sid = d->fm = 0;
	if ((d->type == MDL_VTD_CC || iotlb) && d->g == 1)
		d->did = 0;
	if ((iotlb || d->type == MDL_VTD_P_IOTLB) && !page) {
		d->am = 0;
		d->ih = false;
		d->addr = 0;
	}
	if (iotlb || d->type == MDL_VTD_P_IOTLB)
		d->addr &= ~mdl_low(12 + d->am);
	if (d->type == MDL_VTD_PASID_CACHE && d->g != 1)
		d->pasid = 0;
	if (d->type == MDL_VTD_PASID_CACHE && d->g == 3)
		d->did = 0;
	if (d->type == MDL_VTD_IEC && !d->g)
		d->im = d->iidx = 0;
	if (d->type == MDL_VTD_WAIT && !d->write) {
		d->data = 0;
		d->addr = 0;
	}
	if (d->all_pasids || (d->type == MDL_VTD_RESP && !d->pp))
		d->pasid = 0;
}

/* The first 0 at or above bit 12 says the size; S = 0: one page. */
void mdl_vtd_inv_device(const struct mdl_vtd_inv *d, uint64_t *first, uint64_t *last)
{
	unsigned n = 12;

	if (d->s)
		while (n < 64 && mdl_bit(d->addr, n))
			n++;
	n += d->s;
	*first = d->addr & ~mdl_low(n);
	*last = *first | mdl_low(n);
}

/* The range of a page-selective descriptor. */
static bool in_range(const struct mdl_vtd_cached *e, const struct mdl_vtd_inv *d)
{
	uint64_t first = d->addr & ~mdl_low(12 + d->am), last = first | mdl_low(12 + d->am);
	uint64_t end = e->first | mdl_low(e->lg2);

	if (end < first || last < e->first)
		return false;
	return e->table || e->lg2 <= 12 + d->am;
}

static bool by_domain(const struct mdl_vtd_cached *e, const struct mdl_vtd_inv *d)
{
	if (d->g == 1)
		return true;
	if (e->did != d->did)
		return false;
	if (d->g == 2)
		return true;
	if (e->table && d->ih)
		return false;
	return e->stage != MDL_VTD_SECOND || in_range(e, d);
}

static bool by_pasid(const struct mdl_vtd_cached *e, const struct mdl_vtd_inv *d)
{
	if (e->stage == MDL_VTD_SECOND || e->did != d->did || e->pasid != d->pasid)
		return false;
	if (d->g == 2)
		return true;
	return !(e->table && d->ih) && in_range(e, d);
}

bool mdl_vtd_must_go(const struct mdl_vtd_cached *e, const struct mdl_vtd_inv *d)
{
	if (d->legal == MDL_INV_IQE)
		return false;
	if (d->type == MDL_VTD_IOTLB)
		return by_domain(e, d);
	return d->type == MDL_VTD_P_IOTLB && by_pasid(e, d);
}

/* ---- records ---- */

void mdl_vtd_fault(const uint64_t w[2], struct mdl_vtd_fault *f)
{
	struct parse p = { w, f->res };

	memset(f, 0, sizeof(*f));
	f->res[0] = w[0];
	f->res[1] = w[1];
	f->addr = take(&p, 63, 12) << 12;
	f->sid = (unsigned)take(&p, 79, 64);
	f->type = (unsigned)(flag(&p, 92) << 1 | flag(&p, 126));
	f->priv = flag(&p, 93);
	f->exe = flag(&p, 94);
	f->pp = flag(&p, 95);
	f->reason = (unsigned)take(&p, 103, 96);
	f->pasid = (unsigned)take(&p, 123, 104);
	f->at = (unsigned)take(&p, 125, 124);
	f->f = flag(&p, 127);
	if (!f->pp) {
		f->priv = f->exe = false;
		f->pasid = 0;
	}
}

/* Rows of Table 30: reasons, qualified or not. */
static const struct {
	unsigned char first, last;
	bool qualified;
} reasons[] = {
	{ 0x01, 0x01, false }, { 0x02, 0x07, true },  { 0x08, 0x0a, false }, { 0x0b, 0x0e, true },
	{ 0x30, 0x34, false }, { 0x38, 0x3a, false }, { 0x40, 0x40, false }, { 0x41, 0x49, true },
	{ 0x50, 0x50, false }, { 0x51, 0x52, true },  { 0x58, 0x58, false }, { 0x59, 0x5d, true },
	{ 0x60, 0x60, true },  { 0x70, 0x7d, true },  { 0x80, 0x87, true },  { 0x89, 0x89, true },
	{ 0x90, 0x91, true },
};

static int row(unsigned reason)
{
	unsigned i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reason >= reasons[i].first && reason <= reasons[i].last)
			return (int)i;
	return -1;
}

bool mdl_vtd_qualified(unsigned reason)
{
	return row(reason) >= 0 && reasons[row(reason)].qualified;
}

bool mdl_vtd_known(unsigned reason)
{
	return row(reason) >= 0;
}

void mdl_vtd_preq(const uint64_t w[4], struct mdl_vtd_preq *p)
{
	struct parse q = { w, p->res };

	memset(p, 0, sizeof(*p));
	memcpy(p->res, w, sizeof(p->res));
	p->type = (unsigned)take(&q, 7, 0);
	p->pp = flag(&q, 8);
	p->sid = (unsigned)take(&q, 31, 16);
	p->pasid = (unsigned)take(&q, 51, 32);
	p->exe = flag(&q, 52);
	p->priv = flag(&q, 53);
	p->read = flag(&q, 64);
	p->write = flag(&q, 65);
	p->last = flag(&q, 66);
	p->prgi = (unsigned)take(&q, 75, 67);
	p->addr = address(&q);
	if (!p->pp) {
		p->exe = p->priv = false;
		p->pasid = 0;
	}
	/* PCIe: a marker says which PASID stops */
	p->stop = p->pp && p->last && !p->read && !p->write;
}

/* ---- rings ---- */

void mdl_vtd_ring(uint64_t reg, bool prq, struct mdl_vtd_ring *r)
{
	r->bytes = 4096u << (reg & 7);
	r->entry = prq || mdl_bit(reg, 11) ? 32 : 16;
	r->base = reg & ~mdl_low(12) & ~(uint64_t)(r->bytes - 1);
}

unsigned mdl_vtd_ring_next(const struct mdl_vtd_ring *r, unsigned at)
{
	return at + r->entry == r->bytes ? 0 : at + r->entry;
}

unsigned mdl_vtd_ring_used(const struct mdl_vtd_ring *r, unsigned head, unsigned tail)
{
	return (tail >= head ? tail - head : r->bytes - head + tail) / r->entry;
}

unsigned mdl_vtd_ring_room(const struct mdl_vtd_ring *r, unsigned head, unsigned tail)
{
	return r->bytes / r->entry - 1 - mdl_vtd_ring_used(r, head, tail);
}
