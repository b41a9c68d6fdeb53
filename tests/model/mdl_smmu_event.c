/* SPDX-License-Identifier: MIT */
/* SMMUv3 event records, page requests and queue indices (chapters 7, 8 and 3.5). */
#include "mdl_smmu_int.h"

#define OVERFLOW (UINT32_C(1) << 31)

struct parse {
	const uint64_t *w;
	struct mdl_smmu_event *e;
};

static uint64_t get(const struct parse *p, unsigned hi, unsigned lo)
{
	return mdl_take(p->w, p->e->res, hi, lo);
}

static uint64_t addr(const struct parse *p, unsigned hi, unsigned lo)
{
	return mdl_take_addr(p->w, p->e->res, hi, lo);
}

/* The access that led to the event */
static void access(const struct parse *p)
{
	p->e->pnu = get(p, 97, 97);
	p->e->ind = get(p, 98, 98);
	p->e->rnw = get(p, 99, 99);
	p->e->addr = get(p, 191, 128);
}

/* What a fetch of a structure or of a descriptor adds */
static void fetch(const struct parse *p)
{
	p->e->reason = (uint16_t)get(p, 79, 64);
	p->e->gpcf = get(p, 80, 80);
	p->e->fetch = addr(p, 247, 195);
}

static void stage(const struct parse *p)
{
	p->e->s2 = get(p, 103, 103);
	p->e->cls = (unsigned)get(p, 105, 104);
}

/* Position of NSIPA UNCONFIRMED: by elimination. Only where there is an IPA. */
static void ipa(const struct parse *p)
{
	p->e->nsipa = get(p, 100, 100);
	p->e->ipa = addr(p, 247, 204);
}

/* 7.3.13 to 7.3.16 */
static void translation(const struct parse *p)
{
	access(p);
	stage(p);
	ipa(p);
	p->e->stag = (uint16_t)get(p, 79, 64);
	p->e->stall = get(p, 95, 95);
	if (p->e->type == MDL_EV_F_PERMISSION)
		p->e->ttrnw = get(p, 108, 108);
}

/* 7.3.19 */
static void page_request(const struct parse *p)
{
	p->e->ux = get(p, 97, 97);
	p->e->uw = get(p, 98, 98);
	p->e->ur = get(p, 99, 99);
	p->e->px = get(p, 101, 101);
	p->e->pw = get(p, 102, 102);
	p->e->pr = get(p, 103, 103);
	p->e->span = (unsigned)get(p, 115, 108);
	p->e->addr = addr(p, 191, 140);
}

static void body(const struct parse *p)
{
	switch (p->e->type) {
	case MDL_EV_F_UUT:
		access(p);
		p->e->reason = (uint16_t)get(p, 79, 64);
		break;
	case MDL_EV_F_STE_FETCH:
	case MDL_EV_F_CD_FETCH:
	case MDL_EV_F_VMS_FETCH:
		fetch(p);
		break;
	case MDL_EV_F_BAD_ATS_TREQ:
	case MDL_EV_F_TRANSL_FORBIDDEN:
		p->e->rnw = get(p, 99, 99);
		p->e->addr = get(p, 191, 128);
		break;
	case MDL_EV_F_WALK_EABT:
		access(p);
		stage(p);
		fetch(p);
		break;
	case MDL_EV_F_TRANSLATION:
	case MDL_EV_F_ADDR_SIZE:
	case MDL_EV_F_ACCESS:
	case MDL_EV_F_PERMISSION:
		translation(p);
		break;
	case MDL_EV_F_TLB_CONFLICT:
		access(p);
		p->e->reason = (uint16_t)get(p, 79, 64);
		p->e->s2 = get(p, 103, 103);
		ipa(p);
		break;
	case MDL_EV_F_CFG_CONFLICT:
		p->e->reason = (uint16_t)get(p, 79, 64);
		break;
	case MDL_EV_E_PAGE_REQUEST:
		page_request(p);
		break;
	default:
		break;
	}
}

static bool known(unsigned type)
{
	return (type >= MDL_EV_F_UUT && type <= MDL_EV_F_WALK_EABT) ||
	       (type >= MDL_EV_F_TRANSLATION && type <= MDL_EV_F_PERMISSION) ||
	       type == MDL_EV_F_TLB_CONFLICT || type == MDL_EV_F_CFG_CONFLICT ||
	       type == MDL_EV_E_PAGE_REQUEST || type == MDL_EV_F_VMS_FETCH;
}

void mdl_smmu_event(const uint64_t w[4], struct mdl_smmu_event *e)
{
	struct parse p = { .w = w, .e = e };
	unsigned i;

	*e = (struct mdl_smmu_event){ 0 };
	for (i = 0; i < 4; i++)
		e->res[i] = w[i];
	e->type = (unsigned)get(&p, 7, 0);
	e->known = known(e->type);
	if (!e->known)
		return;
	e->sid = (uint32_t)get(&p, 63, 32);
	e->ssid = (uint32_t)get(&p, 31, 12);
	/* 7.3.9: there the SubstreamID is always valid */
	if (e->type == MDL_EV_C_BAD_SUBSTREAMID)
		e->ssv = true;
	else
		e->ssv = get(&p, 11, 11);
	body(&p);
}

void mdl_smmu_event_ignore(struct mdl_smmu_event *e)
{
	if (!e->ssv)
		e->ssid = 0;
	if (!e->stall)
		e->stag = 0;
	if (!e->s2) {
		e->ipa = 0;
		e->nsipa = false;
	}
}

void mdl_smmu_ppr(const uint64_t w[2], struct mdl_smmu_ppr *p)
{
	*p = (struct mdl_smmu_ppr){ .res = { w[0], w[1] } };
	p->sid = (uint32_t)mdl_take(w, p->res, 31, 0);
	p->ssid = (uint32_t)mdl_take(w, p->res, 51, 32);
	p->priv = mdl_take(w, p->res, 58, 58);
	p->exec = mdl_take(w, p->res, 59, 59);
	p->read = mdl_take(w, p->res, 60, 60);
	p->write = mdl_take(w, p->res, 61, 61);
	p->last = mdl_take(w, p->res, 62, 62);
	p->ssv = mdl_take(w, p->res, 63, 63);
	p->prgi = (unsigned)mdl_take(w, p->res, 72, 64);
	p->addr = mdl_take_addr(w, p->res, 127, 76);
	/* chapter 8: without a PASID it is a request like any other */
	p->stop = p->ssv && p->last && !p->read && !p->write;
}

/* Index and wrap bit */
static uint32_t position(unsigned lg2, uint32_t ptr)
{
	return ptr & (uint32_t)mdl_low(lg2 + 1);
}

bool mdl_queue_empty(unsigned lg2, uint32_t prod, uint32_t cons)
{
	return position(lg2, prod) == position(lg2, cons);
}

bool mdl_queue_full(unsigned lg2, uint32_t prod, uint32_t cons)
{
	return (position(lg2, prod) ^ position(lg2, cons)) == UINT32_C(1) << lg2;
}

uint32_t mdl_queue_used(unsigned lg2, uint32_t prod, uint32_t cons)
{
	return position(lg2, position(lg2, prod) - position(lg2, cons));
}

uint32_t mdl_queue_index(unsigned lg2, uint32_t ptr)
{
	return ptr & (uint32_t)mdl_low(lg2);
}

uint32_t mdl_queue_next(unsigned lg2, uint32_t ptr)
{
	return (ptr & ~(uint32_t)mdl_low(lg2 + 1)) | position(lg2, ptr + 1);
}

bool mdl_queue_overflown(uint32_t prod, uint32_t cons)
{
	return (prod ^ cons) & OVERFLOW;
}

uint32_t mdl_queue_overflow(uint32_t prod, uint32_t cons)
{
	return mdl_queue_overflown(prod, cons) ? prod : prod ^ OVERFLOW;
}
