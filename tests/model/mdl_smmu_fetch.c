/* SPDX-License-Identifier: MIT */
/* SMMUv3: where a stream's STE and a substream's CD are, and what comes of it when they are not. */
#include "mdl_smmu_xlate.h"

/* ---- Stream table (5.1, 6.3.25) ---- */

static unsigned strtab_split(const struct mdl_smmu *m)
{
	unsigned split = m->strtab_cfg >> 6 & 0x1f;

	return split == 8 || split == 10 ? split : 6;
}

static unsigned strtab_lg2(const struct mdl_smmu *m)
{
	unsigned lg2 = m->strtab_cfg & 0x3f;

	return lg2 < ID_SIDSIZE(&m->id) ? lg2 : ID_SIDSIZE(&m->id);
}

static bool phys_words(const struct xlate *x, uint64_t pa, uint64_t *w, unsigned n,
		       uint64_t *failed)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		*failed = pa + 8 * (uint64_t)i;
		if (x->m->mem->read64(x->m->mem->cookie, *failed, &w[i]))
			return false;
	}
	return true;
}

static bool bad_streamid(struct xlate *x)
{
	mdl_x_refuse(x, MDL_EV_C_BAD_STREAMID)->record = x->m->recinvsid;
	return false;
}

static bool ste_fetch_failed(struct xlate *x, uint64_t pa)
{
	mdl_x_refuse(x, MDL_EV_F_STE_FETCH)->event.fetch = pa;
	return false;
}

/* The base is aligned to the size that LOG2SIZE says, capped or not (6.3.24). */
static bool ste_address(struct xlate *x, uint64_t *at)
{
	const struct mdl_smmu *m = x->m;
	unsigned lg2 = strtab_lg2(m), literal = m->strtab_cfg & 0x3f, split = strtab_split(m);
	uint64_t sid = x->a->sid, base = m->strtab_base & mdl_bits(55, 6), word, failed;
	struct mdl_l1std d;
	unsigned l1_lg2;

	if (sid >> lg2)
		return bad_streamid(x);
	if (!ID_ST_LEVEL(x->id) || (m->strtab_cfg >> 16 & 3) != 1) {
		*at = (base & ~mdl_low(literal + 6)) + 64 * sid;
		return true;
	}
	l1_lg2 = literal > split ? literal - split + 3 : 3;
	base &= ~mdl_low(l1_lg2 > 6 ? l1_lg2 : 6);
	if (!phys_words(x, base + 8 * (sid >> split), &word, 1, &failed))
		return ste_fetch_failed(x, base + 8 * (sid >> split));
	mdl_l1std_decode(word, &d);
	if (d.lg2 < 0 || (unsigned)d.lg2 > split || (sid & mdl_low(split)) >> d.lg2)
		return bad_streamid(x);
	*at = d.ptr + 64 * (sid & mdl_low(split));
	return true;
}

bool mdl_x_fetch_ste(struct xlate *x)
{
	uint64_t at, failed, w[8];

	if (!ste_address(x, &at))
		return false;
	if (!phys_words(x, at, w, 8, &failed))
		return ste_fetch_failed(x, at);
	mdl_ste_decode(w, &x->r->ste);
	x->r->have_ste = true;
	return true;
}

/* ---- Context descriptors (5.2 S1Fmt, 5.3) ---- */

bool mdl_x_bad_substreamid(struct xlate *x, uint32_t ssid)
{
	struct mdl_smmu_event *e = &mdl_x_refuse(x, MDL_EV_C_BAD_SUBSTREAMID)->event;

	e->ssv = true;
	e->ssid = ssid;
	return false;
}

/* Words of a structure that stage 1 is configured by. */
static bool context_words(struct xlate *x, uint64_t at, uint64_t *w, unsigned n)
{
	static const struct s2_use use = { .cls = MDL_CLASS_CD };
	uint64_t failed;

	if (x->nested && !mdl_x_stage2(x, at, &use, &at))
		return false;
	if (phys_words(x, at, w, n, &failed))
		return true;
	mdl_x_refuse(x, MDL_EV_F_CD_FETCH)->event.fetch = at;
	return false;
}

/*
 * 3.4.3: a pointer too large. With stage 2 the architecture leaves open whether
 * it is refused as such or by the translation.
 */
static bool pointer_too_large(struct xlate *x, uint64_t at, uint64_t pointer, uint32_t ssid)
{
	static const struct s2_use use = { .cls = MDL_CLASS_CD };

	if (!(pointer & ~mdl_low(x->nested ? mdl_smmu_ias(x->id) : mdl_smmu_oas(x->id))))
		return false;
	mdl_x_bad_substreamid(x, ssid);
	if (x->nested)
		mdl_x_stage2(x, at, &use, &at);
	return true;
}

static bool cd_address(struct xlate *x, uint32_t ssid, uint64_t *at)
{
	const struct mdl_ste *ste = &x->r->ste;
	unsigned split = ste->s1fmt == 1 ? 6 : 10, max = ste->s1cdmax, lg2;
	struct mdl_l1cd d;
	uint64_t word;

	if (!ID_SSIDSIZE(x->id) || !max) {
		*at = ste->s1ctxptr;
		return true;
	}
	if (ste->s1fmt != 1 && ste->s1fmt != 2) {
		*at = (ste->s1ctxptr & ~mdl_low(6 + max)) + 64 * (uint64_t)ssid;
		return true;
	}
	lg2 = max > split ? max - split + 3 : 3;
	*at = ste->s1ctxptr & ~mdl_low(lg2 > 6 ? lg2 : 6);
	if (!context_words(x, *at + 8 * (uint64_t)(ssid >> split), &word, 1))
		return false;
	mdl_l1cd_decode(word, &d);
	if (!d.v)
		return mdl_x_bad_substreamid(x, ssid);
	*at = (d.ptr & ~mdl_low(6 + split)) + 64 * (ssid & mdl_low(split));
	return !pointer_too_large(x, *at, d.ptr, ssid);
}

bool mdl_x_fetch_cd(struct xlate *x, uint32_t ssid)
{
	uint64_t at, w[8];

	if (!cd_address(x, ssid, &at) || !context_words(x, at, w, 8))
		return false;
	mdl_cd_decode(w, &x->r->cd);
	x->r->have_cd = true;
	if (mdl_cd_illegal(&x->r->ste, &x->r->cd, x->id, x->m->e2h)) {
		mdl_x_refuse(x, MDL_EV_C_BAD_CD);
		return false;
	}
	x->r->beyond = mdl_cd_beyond(&x->r->ste, &x->r->cd, x->id);
	return !x->r->beyond;
}
