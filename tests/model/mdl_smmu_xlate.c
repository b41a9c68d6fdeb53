/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3: one transaction from StreamID to physical address, or to the event
 * that refuses it (3.4, chapter 5, 7.3; order of events 7.3.22).
 */
#include <string.h>

#include "mdl_smmu_xlate.h"

#define NO_PA UINT64_MAX

/* Physical reads, and the address of the one that failed. */
struct phys {
	const struct mdl_mem *mem;
	uint64_t failed;
};

static int phys_read(void *cookie, uint64_t pa, uint64_t *val)
{
	struct phys *p = cookie;

	if (!p->mem->read64(p->mem->cookie, pa, val))
		return 0;
	p->failed = pa;
	return -1;
}

struct mdl_smmu_refusal *mdl_x_refuse(struct xlate *x, enum mdl_smmu_event_type type)
{
	struct mdl_smmu_refusal *why;

	if (x->r->refused < 2)
		x->r->refused++;
	why = &x->r->why[x->r->refused - 1];
	*why = (struct mdl_smmu_refusal){ .abort = true, .record = type != MDL_EV_NONE };
	why->event.type = type;
	why->event.known = type != MDL_EV_NONE;
	why->event.sid = x->a->sid;
	why->event.ssv = x->a->ssv;
	why->event.ssid = x->a->ssv ? x->a->ssid : 0;
	return why;
}

/* An event that tells the access. InD is 0 for writes. */
static struct mdl_smmu_event *refuse_access(struct xlate *x, enum mdl_smmu_event_type type,
					    enum mdl_smmu_class cls, bool s2)
{
	struct mdl_smmu_refusal *why = mdl_x_refuse(x, type);

	why->event.addr = x->a->iova;
	why->event.rnw = !x->a->write;
	why->event.pnu = x->priv;
	why->event.ind = x->inst;
	why->event.cls = cls;
	why->event.s2 = s2;
	return &why->event;
}

/* 5.5: the four faults of translation obey R and S, and A in stage 1 */
static struct mdl_smmu_event *refuse_translation(struct xlate *x, enum mdl_smmu_event_type type,
						 enum mdl_smmu_class cls, bool s2)
{
	struct mdl_smmu_event *e = refuse_access(x, type, cls, s2);
	struct mdl_smmu_refusal *why = &x->r->why[x->r->refused - 1];
	bool stall = s2 ? x->r->ste.s2s : x->r->cd.s;

	e->stall = stall;
	why->record = stall || (s2 ? x->r->ste.s2r : x->r->cd.r);
	why->abort = !stall && (s2 || x->r->cd.a);
	return e;
}

static enum mdl_smmu_event_type event_of(enum mdl_fault fault)
{
	switch (fault) {
	case MDL_ADDR_SIZE:
		return MDL_EV_F_ADDR_SIZE;
	case MDL_ACCESS_FLAG:
		return MDL_EV_F_ACCESS;
	case MDL_PERMISSION:
		return MDL_EV_F_PERMISSION;
	default:
		return MDL_EV_F_TRANSLATION;
	}
}

/* A1.7; with XNX the two bits tell privileged from unprivileged apart */
static bool s2_exec(const struct xlate *x, uint64_t pte, bool priv)
{
	bool xn1 = mdl_bit(pte, 54), xn0 = mdl_bit(pte, 53);

	return ID_XNX(x->id) && priv ? xn1 == xn0 : !xn1;
}

static bool s2_permits(const struct xlate *x, const struct mdl_leaf *leaf, const struct s2_use *use)
{
	/* S2PTW: no structures in device memory (MemAttr 00xx) */
	if (use->cls != MDL_CLASS_IN && x->r->ste.s2ptw && !mdl_bit(leaf->pte, 4) &&
	    !mdl_bit(leaf->pte, 5))
		return false;
	if (use->write)
		return leaf->w;
	return use->inst ? s2_exec(x, leaf->pte, use->priv) : leaf->r;
}

bool mdl_x_stage2(struct xlate *x, uint64_t ipa, const struct s2_use *use, uint64_t *pa)
{
	struct phys phys = { x->m->mem, NO_PA };
	const struct mdl_mem mem = { .cookie = &phys, .read64 = phys_read };
	struct mdl_smmu_event *e;
	enum mdl_fault fault;
	struct mdl_leaf leaf;

	fault = mdl_walk(&x->s2, &mem, ipa, &leaf);
	if (fault == MDL_ACCESS_FLAG && x->r->ste.s2affd)
		fault = MDL_OK;
	if (fault == MDL_OK && !s2_permits(x, &leaf, use))
		fault = MDL_PERMISSION;
	if (fault == MDL_OK) {
		*pa = leaf.pa + (ipa - leaf.iova);
		return true;
	}
	if (fault == MDL_WALK_ABORT) {
		refuse_access(x, MDL_EV_F_WALK_EABT, use->cls, true)->fetch = phys.failed;
		return false;
	}
	e = refuse_translation(x, event_of(fault), use->cls, true);
	e->ipa = ipa;
	if (fault == MDL_PERMISSION && use->cls == MDL_CLASS_TT)
		e->ttrnw = !use->write;
	return false;
}

/* ---- Stage 1 ---- */

/* The reader of the stage-1 walk. Its own failure is refused here already. */
static int s1_read(void *cookie, uint64_t addr, uint64_t *val)
{
	static const struct s2_use use = { .cls = MDL_CLASS_TT };
	struct xlate *x = cookie;
	uint64_t pa = addr;

	if (x->nested && !mdl_x_stage2(x, addr, &use, &pa))
		return -1;
	if (x->m->mem->read64(x->m->mem->cookie, pa, val)) {
		refuse_access(x, MDL_EV_F_WALK_EABT, MDL_CLASS_TT, false)->fetch = pa;
		return -1;
	}
	if (x->reads < MAX_READS) {
		x->read_at[x->reads] = addr;
		x->read[x->reads++] = *val;
	}
	return 0;
}

struct perm {
	bool r, w, x;
};

/* A1.6, A1.8, and the controls of the CD; the leaf is the last of @n descriptors */
static struct perm s1_perm(const struct xlate *x, unsigned n, int half)
{
	const struct mdl_cd *cd = &x->r->cd;
	bool el2 = mdl_smmu_el2(&x->r->ste, x->id, x->m->e2h);
	bool had = ID_HAD(x->id) && (half ? cd->had1 : cd->had0);
	uint64_t leaf = x->read[n - 1], up = 0;
	bool user, write, uw, uxn, hd = cd->aa64 && cd->ha && cd->hd;
	struct perm p;
	unsigned i;

	for (i = 0; i + 1 < n && !had; i++)
		up |= x->read[i];
	write = (!mdl_bit(leaf, 7) || (hd && mdl_bit(leaf, 51))) && !mdl_bit(up, 62);
	user = mdl_bit(leaf, 6) && !mdl_bit(up, 61);
	uxn = mdl_bit(leaf, 54) || mdl_bit(up, 60);
	if (el2)
		return (struct perm){ true, write, !uxn && !(cd->wxn && write) };
	uw = user && write;
	if (!x->priv) {
		/* the 32-bit format has no execute-only pages */
		uxn = uxn || (!cd->aa64 && !user);
		return (struct perm){ user, uw, !uxn && !(cd->wxn && uw) };
	}
	p.r = !(cd->pan && user);
	p.w = write && p.r;
	/* what the unprivileged may write is not executed by the privileged (64-bit format) */
	p.x = !mdl_bit(leaf, 53) && !mdl_bit(up, 59) && !(cd->wxn && write) &&
	      !(uw && (cd->aa64 || cd->uwxn));
	return p;
}

/* One update of a stage-1 descriptor by hardware is a write through stage 2. */
static bool s1_update(struct xlate *x, unsigned i)
{
	static const struct s2_use use = { .cls = MDL_CLASS_TT, .write = true };
	uint64_t pa;

	return mdl_x_stage2(x, x->read_at[i], &use, &pa);
}

/*
 * A1.11 rule 8, A1.13: Accessed in the first @tables descriptors, then in the
 * leaf behind them, if one was reached, and its dirty state. Adds a refusal if
 * stage 2 does not let one be written.
 */
static void s1_updates(struct xlate *x, unsigned tables, bool leaf, bool dirty)
{
	const struct mdl_cd *cd = &x->r->cd;
	uint64_t pte = x->read[tables];
	unsigned i;

	if (!x->nested || !cd->aa64 || !cd->ha)
		return;
	for (i = 0; i < tables && cd->haft && ID_HTTU(x->id) == 3; i++)
		if (!mdl_bit(x->read[i], 10) && !s1_update(x, i))
			return;
	dirty = dirty && cd->hd && mdl_bit(pte, 51) && mdl_bit(pte, 7);
	if (leaf && (!mdl_bit(pte, 10) || dirty))
		s1_update(x, tables);
}

static bool s1_fault(struct xlate *x, enum mdl_smmu_event_type type)
{
	refuse_translation(x, type, MDL_CLASS_IN, false);
	return false;
}

static bool s1_walk(struct xlate *x, int half, uint64_t va, uint64_t *ipa)
{
	const struct mdl_mem mem = { .cookie = x, .read64 = s1_read };
	struct mdl_table t;
	enum mdl_fault fault;
	struct mdl_leaf leaf;
	struct perm p;
	unsigned n;

	mdl_cd_table(&x->r->cd, x->id, half, &t);
	fault = mdl_walk(&t, &mem, va, &leaf);
	if (fault == MDL_ACCESS_FLAG && x->r->cd.affd)
		fault = MDL_OK;
	if (fault == MDL_WALK_ABORT) {
		s1_updates(x, x->reads, false, false);
		return false;
	}
	if (fault != MDL_OK) {
		s1_fault(x, event_of(fault));
		if (x->reads)
			s1_updates(x, x->reads - 1, false, false);
		return false;
	}
	n = (unsigned)(leaf.level - t.start_level + 1);
	p = s1_perm(x, n, half);
	if (!(x->a->write ? p.w : x->inst ? p.x : p.r)) {
		s1_fault(x, MDL_EV_F_PERMISSION);
		s1_updates(x, n - 1, true, false);
		return false;
	}
	*ipa = leaf.pa + (va - leaf.iova);
	s1_updates(x, n - 1, true, x->a->write);
	return true;
}

/* Which half a 32-bit address belongs to, -1 if none (AArch32 TTBCR rules) */
static int half_lpae32(const struct mdl_cd *cd, uint64_t va, bool el2)
{
	unsigned t0 = cd->t0sz & 7, t1 = cd->t1sz & 7;
	bool ones = t1 && va >> (32 - t1) == mdl_low(t1);

	if (va >> 32)
		return -1;
	if (t0 && !(va >> (32 - t0)))
		return 0;
	if (el2)
		return t0 ? -1 : 0;
	if (t1)
		return ones ? 1 : t0 ? -1 : 0;
	return t0 ? 1 : 0;
}

/* 3.4.1: VA[55] selects; ignored top bytes are replaced by its sign extension */
static int half_64(const struct mdl_cd *cd, uint64_t *va, bool el2)
{
	int half = !el2 && mdl_bit(*va, 55);

	if (half ? cd->tbi1 : cd->tbi0)
		*va = half ? *va | mdl_bits(63, 56) : *va & mdl_low(56);
	return half;
}

static bool stage1(struct xlate *x, uint64_t *ipa)
{
	const struct mdl_cd *cd = &x->r->cd;
	bool el2 = mdl_smmu_el2(&x->r->ste, x->id, x->m->e2h);
	uint64_t va = x->a->iova;
	int half = cd->aa64 ? half_64(cd, &va, el2) : half_lpae32(cd, va, el2);

	if (half < 0 || (!el2 && (half ? cd->epd1 : cd->epd0)))
		return s1_fault(x, MDL_EV_F_TRANSLATION);
	if (ID_E0PD(x->id) && cd->aa64 && !el2 && !x->priv && (half ? cd->e0pd1 : cd->e0pd0))
		return s1_fault(x, MDL_EV_F_TRANSLATION);
	return s1_walk(x, half, va, ipa);
}

/* ---- All together ---- */

/* 5.2: PRIVCFG and INSTCFG where the SMMU can override; writes are never instruction accesses */
static void overrides(struct xlate *x)
{
	const struct mdl_ste *ste = &x->r->ste;

	if (ID_PERMS_OVR(x->id)) {
		if (ste->privcfg & 2)
			x->priv = ste->privcfg & 1;
		if (ste->instcfg & 2)
			x->inst = ste->instcfg & 1;
	}
	x->inst = x->inst && !x->a->write;
}

enum s1_way { S1_NO, S1_BYPASS, S1_WALK };

/* 7.3.7, 7.3.9 and 5.2 S1DSS: which context, if any. False: refused. */
static bool context(struct xlate *x, enum s1_way *way, uint32_t *ssid)
{
	const struct mdl_ste *ste = &x->r->ste;
	bool s1 = ste->config & 1, many = ID_SSIDSIZE(x->id) && ste->s1cdmax;

	*way = s1 ? S1_WALK : S1_NO;
	*ssid = x->a->ssv ? x->a->ssid : 0;
	if (x->a->ssv) {
		if (!s1 || !many || x->a->ssid >> ste->s1cdmax)
			return mdl_x_bad_substreamid(x, x->a->ssid);
		if (x->a->ssid || ste->s1dss != 2)
			return true;
	} else {
		if (!s1 || !many || ste->s1dss == 2)
			return true;
		if (ste->s1dss == 1) {
			*way = S1_BYPASS;
			return true;
		}
	}
	mdl_x_refuse(x, MDL_EV_F_STREAM_DISABLED);
	return false;
}

/* 3.4: an address that no stage 1 translates. There is no CD whose A, R and S could count. */
static bool bypass(struct xlate *x, unsigned bits, uint64_t *ipa)
{
	*ipa = x->a->iova;
	if (!(*ipa & ~mdl_low(bits)))
		return true;
	refuse_access(x, MDL_EV_F_ADDR_SIZE, MDL_CLASS_IN, false);
	return false;
}

static bool first_stage(struct xlate *x, uint64_t *ipa)
{
	bool plain = x->r->ste.config == MDL_STE_BYPASS;
	enum s1_way way;
	uint32_t ssid;

	if (!context(x, &way, &ssid))
		return false;
	if (way != S1_WALK)
		return bypass(x, plain ? mdl_smmu_oas(x->id) : mdl_smmu_ias(x->id), ipa);
	return mdl_x_fetch_cd(x, ssid) && stage1(x, ipa);
}

/*
 * 3.4.3: with stage 2, an S1ContextPtr that is too large may show as a fault of
 * stage 2 instead.
 */
static void bad_ste(struct xlate *x)
{
	struct mdl_ste *ste = &x->r->ste, without = *ste;
	uint64_t ipa;

	mdl_x_refuse(x, MDL_EV_C_BAD_STE);
	without.s1ctxptr = 0;
	if (ste->config != MDL_STE_NESTED || mdl_ste_illegal(&without, x->id) ||
	    mdl_ste_beyond(ste, x->id))
		return;
	overrides(x);
	x->nested = true;
	mdl_ste_table(ste, x->id, &x->s2);
	first_stage(x, &ipa);
}

static void translate(struct xlate *x)
{
	struct mdl_ste *ste = &x->r->ste;
	struct s2_use use = { .cls = MDL_CLASS_IN, .write = x->a->write };
	uint64_t ipa;

	if (!mdl_x_fetch_ste(x))
		return;
	if (mdl_ste_illegal(ste, x->id)) {
		bad_ste(x);
		return;
	}
	if (!(ste->config & 4)) {
		mdl_x_refuse(x, MDL_EV_NONE);
		return;
	}
	x->r->beyond = mdl_ste_beyond(ste, x->id);
	if (x->r->beyond)
		return;
	overrides(x);
	x->nested = ste->config & 2;
	if (x->nested)
		mdl_ste_table(ste, x->id, &x->s2);
	if (!first_stage(x, &ipa))
		return;
	use.inst = x->inst;
	use.priv = x->priv;
	if (x->nested)
		mdl_x_stage2(x, ipa, &use, &x->r->pa);
	else
		x->r->pa = ipa & mdl_low(mdl_smmu_oas(x->id));
}

void mdl_smmu_access(const struct mdl_smmu *m, const struct mdl_smmu_access *a,
		     struct mdl_smmu_result *r)
{
	struct xlate x = { .m = m, .id = &m->id, .a = a, .r = r };

	memset(r, 0, sizeof(*r));
	x.priv = a->priv;
	x.inst = a->inst;
	translate(&x);
}
