/* SPDX-License-Identifier: MIT */
/* AMD-Vi commands: fields, legality, and what they reach (bits.md C3.1, B2). */
#include "mdl_amdvi_int.h"

struct parse {
	const uint64_t *w;
	struct mdl_amdvi_cmd *c;
	const struct mdl_amdvi_id *id;
};

/* Bits of a doubleword, as the tables count them. */
static unsigned get(struct parse *p, unsigned dw, unsigned hi, unsigned lo)
{
	unsigned base = 32 * (dw % 2);

	return (unsigned)amd_take(p->w[dw / 2], &p->c->res[dw / 2], base + hi, base + lo);
}

static void ill(struct parse *p)
{
	p->c->verdict = MDL_AMD_ILLEGAL;
}

static void either(struct parse *p)
{
	if (p->c->verdict == MDL_AMD_OK)
		p->c->verdict = MDL_AMD_EITHER;
}

static void size_and_address(struct parse *p)
{
	p->c->s = get(p, 2, 0, 0);
	p->c->addr = (uint64_t)get(p, 2, 31, 12) << 12;
	p->c->addr |= (uint64_t)get(p, 3, 31, 0) << 32;
}

/* A PASID: of a feature, and with as many bits as that says. */
static void guest(struct parse *p, unsigned pasid)
{
	p->c->gn = get(p, 2, 2, 2);
	p->c->pasid = pasid;
	if (!p->c->gn)
		return;
	if (!EFR_GTSUP(p->id))
		either(p);
	p->c->beyond_id = !amd_pasid_fits(p->id, pasid);
}

static void completion_wait(struct parse *p)
{
	struct mdl_amdvi_cmd *c = p->c;

	c->store = get(p, 0, 0, 0);
	c->irq = get(p, 0, 1, 1);
	c->flush = get(p, 0, 2, 2);
	c->store_addr = (uint64_t)get(p, 0, 31, 3) << 3;
	c->store_addr |= (uint64_t)get(p, 1, 19, 0) << 32;
	c->data = get(p, 2, 31, 0);
	c->data |= (uint64_t)get(p, 3, 31, 0) << 32;
}

static void iommu_pages(struct parse *p)
{
	p->c->domain = get(p, 1, 15, 0);
	p->c->pde = get(p, 2, 1, 1);
	size_and_address(p);
	guest(p, get(p, 0, 19, 0));
}

/* The PASID is in three pieces: [15:8] at 23:16, [7:0] at 55:48, [19:16] at 59:56 */
static void iotlb_pages(struct parse *p)
{
	struct mdl_amdvi_cmd *c = p->c;
	unsigned pasid = get(p, 0, 23, 16) << 8;

	pasid |= get(p, 1, 23, 16);
	pasid |= get(p, 1, 27, 24) << 16;
	c->devid = get(p, 0, 15, 0);
	c->maxpend = get(p, 0, 31, 24);
	c->queueid = get(p, 1, 15, 0);
	c->type = get(p, 2, 5, 4);
	if (c->type && !EFR_IOTLBTYPE(p->id))
		either(p);
	size_and_address(p);
	guest(p, pasid);
}

static void prefetch(struct parse *p)
{
	p->c->devid = get(p, 0, 15, 0);
	p->c->count = get(p, 0, 31, 24);
	p->c->inval = get(p, 2, 4, 4);
	size_and_address(p);
	guest(p, get(p, 1, 19, 0));
	if (!EFR_PREFSUP(p->id))
		ill(p);
}

/* A tag of 9 bits in a field of 16, whose upper 4 drivers use as a status */
static void complete_ppr(struct parse *p)
{
	p->c->devid = get(p, 0, 15, 0);
	p->c->tag = get(p, 3, 11, 0);
	p->c->status = get(p, 3, 15, 12);
	if (p->c->tag >> 9)
		either(p);
	guest(p, get(p, 1, 19, 0));
	if (!EFR_PPRSUP(p->id))
		ill(p);
}

void mdl_amdvi_cmd(const uint64_t w[2], const struct mdl_amdvi_id *id, struct mdl_amdvi_cmd *c)
{
	struct parse p = { .w = w, .c = c, .id = id };

	*c = (struct mdl_amdvi_cmd){ .res = { w[0], w[1] } };
	c->op = get(&p, 1, 31, 28);
	switch (c->op) {
	case MDL_AMD_COMPLETION_WAIT:
		completion_wait(&p);
		break;
	case MDL_AMD_INVALIDATE_DEVTAB_ENTRY:
	case MDL_AMD_INVALIDATE_INTERRUPT_TABLE:
		c->devid = get(&p, 0, 15, 0);
		break;
	case MDL_AMD_INVALIDATE_IOMMU_PAGES:
		iommu_pages(&p);
		break;
	case MDL_AMD_INVALIDATE_IOTLB_PAGES:
		iotlb_pages(&p);
		break;
	case MDL_AMD_PREFETCH_IOMMU_PAGES:
		prefetch(&p);
		break;
	case MDL_AMD_COMPLETE_PPR_REQUEST:
		complete_ppr(&p);
		break;
	case MDL_AMD_INVALIDATE_IOMMU_ALL:
		if (!EFR_IASUP(id))
			ill(&p);
		break;
	case MDL_AMD_INSERT_GUEST_EVENT:
	case MDL_AMD_RESET_VMMIO:
		either(&p); /* one source, newer hardware */
		return;
	default:
		ill(&p);
		return;
	}
	if (c->res[0] || c->res[1])
		ill(&p);
}

void mdl_amdvi_cmd_ignore(struct mdl_amdvi_cmd *c)
{
	if (!c->gn)
		c->pasid = 0;
	if (!c->store) {
		c->store_addr = 0;
		c->data = 0;
	}
	c->tag &= 0x1ff;
}

/* 2^(n + 1) bytes, n the lowest clear bit from 12 on; the address down to that. */
static void extent(const struct mdl_amdvi_cmd *c, struct mdl_amdvi_cover *v)
{
	unsigned bit = 12;

	v->first = c->addr;
	v->last = c->addr | 0xfff;
	if (!c->s)
		return;
	while (bit < 64 && mdl_bit(c->addr, bit))
		bit++;
	v->undefined = bit == 64;
	v->first = c->addr & ~mdl_low(bit + 1);
	v->last = c->addr | mdl_low(bit + 1);
}

void mdl_amdvi_cover(const struct mdl_amdvi_cmd *c, struct mdl_amdvi_cover *v)
{
	*v = (struct mdl_amdvi_cover){ .devid = c->devid, .domain = c->domain, .pasid = c->pasid };
	if (c->verdict == MDL_AMD_ILLEGAL)
		return;
	switch (c->op) {
	case MDL_AMD_INVALIDATE_DEVTAB_ENTRY:
		v->dte = true;
		break;
	case MDL_AMD_INVALIDATE_INTERRUPT_TABLE:
		v->irt = true;
		break;
	case MDL_AMD_INVALIDATE_IOMMU_PAGES:
		/* host ones only: whether those go that were combined with them is not known */
		v->host = !c->gn;
		v->guest = c->gn;
		v->tables = c->pde;
		extent(c, v);
		break;
	case MDL_AMD_INVALIDATE_IOTLB_PAGES:
		v->atc = true;
		v->atc_pasid = c->gn;
		extent(c, v);
		break;
	case MDL_AMD_INVALIDATE_IOMMU_ALL:
		v->dte = v->irt = v->any_devid = true;
		v->host = v->guest = v->tables = v->any_tag = true;
		v->last = UINT64_MAX;
		break;
	default:
		break;
	}
}

bool mdl_amdvi_must_go(const struct mdl_amdvi_cached *e, const struct mdl_amdvi_cover *v)
{
	if (v->undefined || !(e->guest ? v->guest : v->host) || (e->table && !v->tables))
		return false;
	if (!v->any_tag && (e->domain != v->domain || (e->guest && e->pasid != v->pasid)))
		return false;
	return e->first <= v->last && (e->first | mdl_low(e->lg2)) >= v->first;
}

uint32_t mdl_amdvi_ring_entries(unsigned code)
{
	return code >= 8 && code <= 15 ? UINT32_C(1) << code : 0;
}

uint32_t mdl_amdvi_ring_next(uint32_t entries, uint32_t pointer)
{
	return (pointer + 16) & (entries * 16 - 1);
}

uint32_t mdl_amdvi_ring_used(uint32_t entries, uint32_t head, uint32_t tail)
{
	return ((tail - head) & (entries * 16 - 1)) / 16;
}
