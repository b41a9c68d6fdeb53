/* SPDX-License-Identifier: MIT */
/* SMMUv3 commands: fields, legality, and what they reach (chapter 4). */
#include "mdl_smmu_int.h"

#define RANGE_SCALE_MAX 39 /* 4.4.1.1: larger values act as this */
#define ATC_SIZE_ALL	52
#define LEVELS_ALL	0xfu
#define TABLES_ALL	0x7u
#define TTB0_LAST	(((uint64_t)1 << 55) - 1)

struct parse {
	const struct mdl_smmu_id *id;
	struct mdl_smmu_cmd *c;
	uint64_t w[2];
};

static uint64_t get(struct parse *p, unsigned hi, unsigned lo)
{
	return mdl_take(p->w, p->c->res, hi, lo);
}

static void ill(struct parse *p)
{
	p->c->verdict = MDL_CMD_ILL;
}

static void either(struct parse *p)
{
	if (p->c->verdict == MDL_CMD_OK)
		p->c->verdict = MDL_CMD_EITHER;
}

/* 4.1.6: on the Non-secure queue SSec must be 0 */
static void stream(struct parse *p)
{
	p->c->sid = (uint32_t)get(p, 63, 32);
	p->c->ssec = get(p, 10, 10);
	if (p->c->ssec)
		ill(p);
}

static void substream(struct parse *p)
{
	p->c->ssv = get(p, 11, 11);
	p->c->ssid = (uint32_t)get(p, 31, 12);
}

/* 4.4, 4.4.2: without stage 2 there are no VMIDs, with 8-bit ones the upper half is reserved */
static void vmid(struct parse *p)
{
	p->c->vmid = (uint16_t)mdl_field(p->w, 47, 32);
	if (ID_S2P(p->id))
		get(p, ID_VMID16(p->id) ? 47 : 39, 32);
}

static void asid(struct parse *p)
{
	p->c->asid = (uint16_t)mdl_field(p->w, 63, 48);
	get(p, ID_ASID16(p->id) ? 63 : 55, 48);
}

/* Physical and intermediate addresses end at bit 51 before SMMUv3.4 (4.1.6). */
static unsigned addr_top(const struct parse *p)
{
	return mdl_smmu_oas(p->id) > 52 ? 55 : 51;
}

/* 4.4.1.1. With TG = 0, and without RIL, the rest is reserved and of no effect. */
static void range(struct parse *p)
{
	struct mdl_smmu_cmd *c = p->c;
	bool ds = ID_DS(p->id);

	if (!ID_RIL(p->id))
		return;
	c->tg = (unsigned)get(p, 75, 74);
	if (!c->tg)
		return;
	c->num = (unsigned)get(p, 16, 12);
	c->scale = (unsigned)get(p, ds ? 25 : 24, 20);
	c->ttl = (unsigned)get(p, 73, 72);
	if (c->tg == 2 && c->ttl == 1 && !ds) {
		c->ttl = 0;
		either(p);
	}
	if (c->ttl && ID_D128(p->id))
		c->ttl128 = get(p, 71, 71);
	if (!c->num && !c->scale && !c->ttl)
		ill(p);
}

static void tlbi_va(struct parse *p)
{
	p->c->leaf = get(p, 64, 64);
	p->c->addr = get(p, 127, 76) << 12;
	range(p);
}

/* 4.2.2; the place of Stride is DERIVED, so that it counts as reserved */
static void prefetch(struct parse *p)
{
	stream(p);
	substream(p);
	if (p->c->op != MDL_OP_PREFETCH_ADDR)
		return;
	p->c->size = (unsigned)get(p, 68, 64);
	p->c->addr = get(p, 127, 76) << 12;
	p->c->stride = (unsigned)mdl_field(p->w, 73, 69);
}

/* 4.3 */
static void cfgi(struct parse *p)
{
	switch (p->c->op) {
	case MDL_OP_CFGI_STE:
		stream(p);
		p->c->leaf = get(p, 64, 64);
		break;
	case MDL_OP_CFGI_STE_RANGE:
		stream(p);
		p->c->range = (unsigned)get(p, 68, 64);
		break;
	case MDL_OP_CFGI_CD:
		stream(p);
		p->c->ssid = (uint32_t)get(p, 31, 12);
		p->c->leaf = get(p, 64, 64);
		if (!ID_S1P(p->id))
			ill(p);
		break;
	case MDL_OP_CFGI_CD_ALL:
		stream(p);
		if (!ID_S1P(p->id))
			ill(p);
		break;
	default: /* CFGI_VMS_PIDM */
		p->c->ssec = get(p, 10, 10);
		vmid(p);
		if (p->c->ssec || !ID_MPAM(p->id))
			ill(p);
		break;
	}
}

/* 4.4.2 to 4.4.4 */
static void tlbi(struct parse *p)
{
	unsigned op = p->c->op;
	bool nh = op >= MDL_OP_TLBI_NH_ALL && op <= MDL_OP_TLBI_NH_VAA;
	bool el2 = op >= MDL_OP_TLBI_EL2_ALL && op <= MDL_OP_TLBI_EL2_VAA;
	bool s2 = op == MDL_OP_TLBI_S2_IPA || op == MDL_OP_TLBI_S12_VMALL;

	if (nh || s2)
		vmid(p);
	if (op == MDL_OP_TLBI_NH_ASID || op == MDL_OP_TLBI_NH_VA || op == MDL_OP_TLBI_EL2_ASID ||
	    op == MDL_OP_TLBI_EL2_VA)
		asid(p);
	if (op == MDL_OP_TLBI_NH_VA || op == MDL_OP_TLBI_NH_VAA || op == MDL_OP_TLBI_EL2_VA ||
	    op == MDL_OP_TLBI_EL2_VAA)
		tlbi_va(p);
	if (op == MDL_OP_TLBI_S2_IPA) {
		p->c->leaf = get(p, 64, 64);
		p->c->addr = get(p, 64 + addr_top(p), 76) << 12;
		range(p);
	}
	if (((nh || el2) && !ID_S1P(p->id)) || (el2 && !ID_HYP(p->id)) || (s2 && !ID_S2P(p->id)))
		ill(p);
}

/* 4.5: these have no SSec */
static void ats(struct parse *p)
{
	p->c->sid = (uint32_t)get(p, 63, 32);
	substream(p);
	if (p->c->op == MDL_OP_ATC_INV) {
		p->c->global = get(p, 9, 9);
		p->c->size = (unsigned)get(p, 69, 64);
		p->c->addr = get(p, 127, 76) << 12;
		if (!ID_ATS(p->id))
			ill(p);
		if (p->c->size > ATC_SIZE_ALL)
			either(p);
		return;
	}
	p->c->prgi = (uint16_t)get(p, 72, 64);
	p->c->resp = (unsigned)get(p, 77, 76);
	if (!ID_PRI(p->id) || p->c->resp == 3)
		ill(p);
}

/* 4.7 */
static void fault(struct parse *p)
{
	struct mdl_smmu_cmd *c = p->c;

	if (c->op == MDL_OP_SYNC) {
		c->cs = (unsigned)get(p, 13, 12);
		c->msh = (unsigned)get(p, 23, 22);
		c->msi_attr = (unsigned)get(p, 27, 24);
		c->msi_data = (uint32_t)get(p, 63, 32);
		c->msi_addr = get(p, 119, 66) << 2; /* truncated to OAS, if larger */
		if (c->cs == 3)
			ill(p);
		return;
	}
	stream(p);
	if (c->op == MDL_OP_RESUME) {
		c->ac = get(p, 12, 12);
		c->ab = get(p, 13, 13);
		c->stag = (uint16_t)get(p, 79, 64);
	}
	if (ID_STALL_MODEL(p->id) == 1)
		ill(p);
}

/* 4.1.1: what is not in the list is reserved, or not for the Non-secure queue */
static void other(struct parse *p)
{
	bool dpti = p->c->op == 0x70 || p->c->op == 0x73;

	if ((p->c->op & 0xf0) == 0x80 || (dpti && ID_DPT(p->id)))
		either(p);
	else
		ill(p);
}

void mdl_smmu_cmd(const uint8_t raw[16], const struct mdl_smmu_id *id, struct mdl_smmu_cmd *c)
{
	struct parse p = { .id = id, .c = c };
	unsigned i;

	for (i = 0; i < 16; i++)
		p.w[i / 8] |= (uint64_t)raw[i] << 8 * (i % 8);
	*c = (struct mdl_smmu_cmd){ .res = { p.w[0], p.w[1] } };
	c->op = (unsigned)get(&p, 7, 0);
	switch (c->op) {
	case MDL_OP_PREFETCH_CONFIG:
	case MDL_OP_PREFETCH_ADDR:
		prefetch(&p);
		break;
	case MDL_OP_CFGI_STE:
	case MDL_OP_CFGI_STE_RANGE:
	case MDL_OP_CFGI_CD:
	case MDL_OP_CFGI_CD_ALL:
	case MDL_OP_CFGI_VMS_PIDM:
		cfgi(&p);
		break;
	case MDL_OP_TLBI_NH_ALL:
	case MDL_OP_TLBI_NH_ASID:
	case MDL_OP_TLBI_NH_VA:
	case MDL_OP_TLBI_NH_VAA:
	case MDL_OP_TLBI_EL2_ALL:
	case MDL_OP_TLBI_EL2_ASID:
	case MDL_OP_TLBI_EL2_VA:
	case MDL_OP_TLBI_EL2_VAA:
	case MDL_OP_TLBI_S12_VMALL:
	case MDL_OP_TLBI_S2_IPA:
	case MDL_OP_TLBI_NSNH_ALL:
		tlbi(&p);
		break;
	case MDL_OP_ATC_INV:
	case MDL_OP_PRI_RESP:
		ats(&p);
		break;
	case MDL_OP_RESUME:
	case MDL_OP_STALL_TERM:
	case MDL_OP_SYNC:
		fault(&p);
		break;
	default:
		other(&p);
		break;
	}
	if (c->res[0] || c->res[1])
		either(&p);
	c->beyond_id = (uint64_t)c->sid >> ID_SIDSIZE(id) || c->ssid >> ID_SSIDSIZE(id);
}

void mdl_smmu_cmd_ignore(struct mdl_smmu_cmd *c, const struct mdl_smmu_id *id)
{
	if (!c->ssv && c->op != MDL_OP_CFGI_CD) {
		c->ssid = 0;
		c->global = false;
	}
	if (c->op == MDL_OP_CFGI_STE_RANGE) /* 4.3.2: aligned to its size */
		c->sid &= ~(uint32_t)mdl_low(c->range + 1);
	if (c->ac || ID_TERM_MODEL(id)) /* 4.7.1 */
		c->ab = false;
	if (c->op != MDL_OP_SYNC) /* 4.7.3 */
		return;
	if (c->cs == 2 && !ID_SEV(id))
		c->cs = 0;
	if (c->cs == 1 && ID_MSI(id) && c->msi_addr)
		return;
	c->msh = c->msi_attr = 0;
	c->msi_data = 0;
	c->msi_addr = 0;
}

/* 4.4.1.1: the conditions under which the range is UNPREDICTABLE */
static bool misaligned(const struct mdl_smmu_cmd *c, unsigned granule_lg2)
{
	unsigned level = c->ttl ? c->ttl : 3;
	unsigned lg2 = granule_lg2 + (3 - level) * (granule_lg2 - 3);

	return c->addr & mdl_low(lg2);
}

static void cover_va(const struct mdl_smmu_cmd *c, struct mdl_smmu_cover *v)
{
	unsigned scale = c->scale > RANGE_SCALE_MAX ? RANGE_SCALE_MAX : c->scale;
	uint64_t len;

	v->first = c->addr;
	v->last = c->addr | 0xfff;
	v->leaf_levels = LEVELS_ALL;
	v->table_levels = c->leaf ? 0 : TABLES_ALL;
	if (!c->tg)
		return;
	v->granule_lg2 = 10 + 2 * c->tg; /* 12, 14, 16 */
	v->unpredictable = misaligned(c, v->granule_lg2);
	len = (uint64_t)(c->num + 1) << (scale + v->granule_lg2);
	v->last = len - 1 > UINT64_MAX - c->addr ? UINT64_MAX : c->addr + len - 1;
	if (!v->s2 && c->addr <= TTB0_LAST && v->last > TTB0_LAST)
		v->last = TTB0_LAST;
	if (c->ttl) {
		v->leaf_levels = 1u << c->ttl;
		v->table_levels &= (1u << c->ttl) - 1;
	}
}

static void cover_tlbi(const struct mdl_smmu_cmd *c, const struct mdl_smmu_id *id,
		       struct mdl_smmu_cover *v)
{
	unsigned op = c->op;
	bool va = op == MDL_OP_TLBI_NH_VA || op == MDL_OP_TLBI_EL2_VA;

	v->el2 = op >= MDL_OP_TLBI_EL2_ALL && op <= MDL_OP_TLBI_EL2_VAA;
	v->s2 = op == MDL_OP_TLBI_S2_IPA || op == MDL_OP_TLBI_S12_VMALL ||
		op == MDL_OP_TLBI_NSNH_ALL;
	v->s1 = !v->el2 && op != MDL_OP_TLBI_S2_IPA;
	v->vmid = c->vmid;
	v->any_vmid = v->el2 || op == MDL_OP_TLBI_NSNH_ALL || !ID_S2P(id);
	v->asid = c->asid;
	v->any_asid = !va && op != MDL_OP_TLBI_NH_ASID && op != MDL_OP_TLBI_EL2_ASID;
	v->globals = va || v->any_asid;
	v->last = UINT64_MAX;
	v->leaf_levels = LEVELS_ALL;
	v->table_levels = TABLES_ALL;
	if (va || op == MDL_OP_TLBI_NH_VAA || op == MDL_OP_TLBI_EL2_VAA || op == MDL_OP_TLBI_S2_IPA)
		cover_va(c, v);
}

static void cover_cfgi(const struct mdl_smmu_cmd *c, struct mdl_smmu_cover *v)
{
	uint32_t mask = 0;

	if (c->op == MDL_OP_CFGI_VMS_PIDM)
		return;
	v->cd = true;
	if (c->op == MDL_OP_CFGI_STE_RANGE)
		mask = (uint32_t)mdl_low(c->range + 1);
	v->sid_first = c->sid & ~mask;
	v->sid_last = c->sid | mask;
	v->ste = c->op == MDL_OP_CFGI_STE || c->op == MDL_OP_CFGI_STE_RANGE;
	v->l1std = v->ste && !c->leaf;
	v->any_ssid = c->op != MDL_OP_CFGI_CD;
	v->ssid = c->ssid;
	v->l1cd = v->any_ssid || !c->leaf;
}

static void cover_atc(const struct mdl_smmu_cmd *c, struct mdl_smmu_cover *v)
{
	v->atc = true;
	v->sid_first = v->sid_last = c->sid;
	v->atc_ssv = c->ssv;
	v->ssid = c->ssid;
	v->atc_global = c->ssv && c->global;
	v->unpredictable = c->size > ATC_SIZE_ALL;
	if (v->unpredictable)
		return;
	v->first = c->addr & ~mdl_low(12 + c->size);
	v->last = c->addr | mdl_low(12 + c->size);
}

void mdl_smmu_cover(const struct mdl_smmu_cmd *c, const struct mdl_smmu_id *id,
		    struct mdl_smmu_cover *v)
{
	*v = (struct mdl_smmu_cover){ 0 };
	if (c->verdict == MDL_CMD_ILL)
		return;
	if (c->op >= MDL_OP_CFGI_STE && c->op <= MDL_OP_CFGI_VMS_PIDM)
		cover_cfgi(c, v);
	else if (c->op >= MDL_OP_TLBI_NH_ALL && c->op <= MDL_OP_TLBI_NSNH_ALL)
		cover_tlbi(c, id, v);
	else if (c->op == MDL_OP_ATC_INV)
		cover_atc(c, v);
}

static bool tagged(const struct mdl_smmu_cached *e, const struct mdl_smmu_cover *v)
{
	if (e->el2 ? !v->el2 : !(e->s2 ? v->s2 : v->s1))
		return false;
	if (!e->el2 && !v->any_vmid && e->vmid != v->vmid)
		return false;
	if (e->s2 || v->any_asid)
		return true;
	return e->global ? v->globals : e->asid == v->asid;
}

bool mdl_smmu_must_go(const struct mdl_smmu_cached *e, const struct mdl_smmu_cover *v)
{
	uint64_t last = e->first + mdl_low(e->lg2);

	if (v->unpredictable || !tagged(e, v) || last < v->first || v->last < e->first)
		return false;
	if (v->granule_lg2 && v->granule_lg2 != e->granule_lg2)
		return false;
	return (e->table ? v->table_levels : v->leaf_levels) >> e->level & 1;
}
