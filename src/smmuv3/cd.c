/* SPDX-License-Identifier: MIT */
/* Context descriptors: what is ILLEGAL (Arm IHI 0070, 5.4.2), and what hardware makes of a legal one. */
#include <iodirty/smmuv3_ste.h>

#include <errno.h>
#include <string.h>

#include "smmuv3/ste_rules.h"

#define CHECK_FLAGS (IOD_SMMUV3_CHECK_UNKNOWN | IOD_SMMUV3_CHECK_E2H)
#define LPAE32_BITS 40u
#define PIIU_WORD   6u
#define PIIP_WORD   7u
#define PI_ENTRIES  16u

/* A CD and what the legality of it depends on. */
struct cd_view {
	const struct iod_smmuv3_cd *cd;
	const struct iod_smmuv3_ste *ste;
	const struct iod_smmuv3_id *id;
	bool el2;  /* one half, no ASID: EL2 without E2H */
	bool e2h;  /* EL2 with E2H */
	bool epd0; /* as it comes to */
	bool epd1;
};

static const struct iod_smmuv3_ste el1_stage1 = { .valid = true, .config = IOD_SMMUV3_S1 };

static void cd_view(struct cd_view *v, const struct iod_smmuv3_cd *cd,
		    const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id,
		    uint32_t flags)
{
	bool el2;

	v->cd = cd;
	v->ste = ste ? ste : &el1_stage1;
	v->id = smmu_id_or_all(id);
	el2 = smmu_strw_used(v->ste, v->id) && v->ste->strw == STRW_EL2;
	v->e2h = el2 && flags & IOD_SMMUV3_CHECK_E2H;
	v->el2 = el2 && !v->e2h;
	v->epd0 = cd->epd0 && !v->el2;
	v->epd1 = cd->epd1 || v->el2; /* TTB1 is not there */
}

static bool has(const struct cd_view *v, unsigned reg, uint32_t bits)
{
	return (v->id->idr[reg] & bits) == bits;
}

static const char *stall_rules(const struct cd_view *v)
{
	const struct iod_smmuv3_cd *cd = v->cd;

	RULE(cd->s && v->ste->s1stalld, "S: stalls are disabled (STE.S1STALLD)");
	RULE(!cd->a && has(v, 0, IOD_SMMUV3_IDR0_TERM_MODEL), "A: faults must abort here");
	RULE(cd->s && smmu_stall_model(v->id) == STALL_MODEL_NEVER, "S: no stalls here");
	RULE(!cd->s && smmu_stall_model(v->id) == STALL_MODEL_FORCED, "S: stalls are forced here");
	return NULL;
}

static const char *format_rules(const struct cd_view *v)
{
	const struct iod_smmuv3_cd *cd = v->cd;
	uint32_t httu = smmu_httu(v->id);

	RULE(!(v->epd0 && v->epd1) && !smmu_endian_ok(v->id, cd->endi),
	     "ENDI: no such endianness here (IDR0.TTENDIAN)");
	RULE(!cd->aa64 && !(smmu_ttf(v->id) & TTF_LPAE32),
	     "AA64: no 32-bit tables here (IDR0.TTF)");
	RULE(!cd->aa64 && v->e2h, "AA64: 32-bit tables on EL2 with E2H");
	RULE(cd->aa64 && !(smmu_ttf(v->id) & TTF_LPAE64), "AA64: no 64-bit tables here (IDR0.TTF)");
	RULE(cd->aa64 && STE_CONFIG_S2(v->ste->config) && !v->ste->s2aa64,
	     "AA64: 64-bit tables on 32-bit ones (S2AA64)");
	RULE(!v->el2 && cd->asid > 0xff && !has(v, 0, IOD_SMMUV3_IDR0_ASID16),
	     "ASID: more than 8 bits (IDR0.ASID16)");
	if (!cd->aa64)
		return NULL;
	RULE((cd->ha || cd->hd) && httu == 0, "HA, HD: no hardware update here (IDR0.HTTU)");
	RULE(cd->hd && httu == 1, "HD: no hardware update of dirty state here (IDR0.HTTU)");
	RULE(cd->haft && !cd->ha && httu == 3, "HAFT: without HA");
	return NULL;
}

/* What the two halves have each. */
struct half_text {
	const char *tg, *granule, *large, *small, *ttb;
};

static const struct half_text lower_text = {
	"TG0: reserved",
	"TG0: no such granule here (IDR5)",
	"T0SZ: too large an input",
	"T0SZ: too small an input",
	"TTB0: beyond the address size",
};
static const struct half_text upper_text = {
	"TG1: reserved",
	"TG1: no such granule here (IDR5)",
	"T1SZ: too large an input",
	"T1SZ: too small an input",
	"TTB1: beyond the address size",
};

static const char *half_rules(const struct cd_view *v, bool upper)
{
	const struct half_text *text = upper ? &upper_text : &lower_text;
	const struct iod_smmuv3_cd *cd = v->cd;
	unsigned granule = upper ? smmu_tg1_lg2(cd->tg1) : smmu_tg0_lg2(cd->tg0);
	unsigned tsz = upper ? cd->t1sz : cd->t0sz, min = 16;
	uint64_t ttb = upper ? cd->ttb1 : cd->ttb0;
	bool ds = smmu_ds(v->id, cd->ds, granule);

	if (!cd->aa64) {
		RULE(ttb & ~low_mask(LPAE32_BITS), text->ttb);
		return NULL;
	}
	if (iod_smmuv3_id_field(v->id->idr[5], IOD_SMMUV3_IDR5_VAX) && (granule == 16 || ds))
		min = 12;
	RULE(!granule, text->tg);
	RULE(!smmu_granule_ok(v->id, granule), text->granule);
	RULE(tsz < min, text->large);
	RULE(tsz > smmu_tsz_max(v->id, granule), text->small);
	RULE(ttb & ~low_mask(smmu_output_bits(v->id, cd->ips, granule, ds)), text->ttb);
	return NULL;
}

/* Permission indirection is not modelled, but what is ILLEGAL of it is known. */
static const char *indirection_rules(const struct cd_view *v)
{
	uint64_t user = iod_le64(v->cd->unknown.word[PIIU_WORD]);
	uint64_t priv = iod_le64(v->cd->unknown.word[PIIP_WORD]);
	unsigned i;

	if (!v->cd->aa64 || !v->cd->pie || !v->ste->s1pie || !has(v, 3, IDR3_S1PI))
		return NULL;
	for (i = 0; i < PI_ENTRIES; i++, user >>= 3, priv >>= 3) {
		RULE((priv & 7) == 4 || (priv & 7) == 6, "PIIP: reserved");
		if (v->el2)
			continue;
		RULE((user & 7) == 4 || (user & 7) == 6, "PIIU: reserved");
		RULE((priv & 2) && (user & 4), "PIIP: executes what PIIU lets write");
	}
	return NULL;
}

static const char *cd_rules(const struct cd_view *v, uint32_t flags)
{
	const char *why;

	RULE(!v->cd->valid, "V: not valid (V=0)");
	RULE((flags & IOD_SMMUV3_CHECK_UNKNOWN) && smmu_any_unknown(v->cd->unknown.word),
	     "bits of no known field are set");
	why = stall_rules(v);
	if (!why)
		why = format_rules(v);
	if (!why && !v->epd0)
		why = half_rules(v, false);
	if (!why && !v->epd1)
		why = half_rules(v, true);
	return why ? why : indirection_rules(v);
}

int iod_smmuv3_cd_check(const struct iod_smmuv3_cd *cd, const struct iod_smmuv3_ste *ste,
			const struct iod_smmuv3_id *id, uint32_t flags, const char **why)
{
	struct cd_view v;
	const char *text;

	if (!cd || flags & ~CHECK_FLAGS)
		return -EINVAL;
	cd_view(&v, cd, ste, id, flags);
	text = cd_rules(&v, flags);
	if (why)
		*why = text;
	return text ? IOD_SMMUV3_C_BAD_CD : 0;
}

static void effective_half(struct iod_smmuv3_cd *out, const struct cd_view *v, bool upper)
{
	const struct iod_smmuv3_cd *cd = v->cd;
	bool had = has(v, 3, IOD_SMMUV3_IDR3_HAD), hwu = had && has(v, 3, IOD_SMMUV3_IDR3_PBHA);
	bool e0pd = cd->aa64 && !v->el2 && has(v, 3, IOD_SMMUV3_IDR3_E0PD);

	if (upper) {
		out->t1sz = cd->aa64 ? cd->t1sz : cd->t1sz & 7;
		out->tg1 = cd->aa64 ? cd->tg1 : 0;
		out->ir1 = cd->ir1;
		out->or1 = cd->or1;
		out->sh1 = cd->sh1;
		out->tbi1 = cd->tbi1;
		out->had1 = cd->had1 && had;
		out->hwu1 = cd->had1 && hwu ? cd->hwu1 : 0;
		out->e0pd1 = cd->e0pd1 && e0pd;
		out->ttb1 = cd->ttb1;
		return;
	}
	out->t0sz = cd->aa64 ? cd->t0sz : cd->t0sz & 7;
	out->tg0 = cd->aa64 ? cd->tg0 : 0;
	out->ir0 = cd->ir0;
	out->or0 = cd->or0;
	out->sh0 = cd->sh0;
	out->tbi0 = cd->tbi0;
	out->had0 = cd->had0 && had;
	out->hwu0 = cd->had0 && hwu ? cd->hwu0 : 0;
	out->e0pd0 = cd->e0pd0 && e0pd;
	out->ttb0 = cd->ttb0;
}

/* What only 64-bit tables have. */
static void effective_lpae64(struct iod_smmuv3_cd *out, const struct cd_view *v)
{
	const struct iod_smmuv3_cd *cd = v->cd;
	unsigned oas = smmu_oas_code(v->id);
	bool small = (!v->epd0 && smmu_tg0_lg2(cd->tg0) != 16) ||
		     (!v->epd1 && smmu_tg1_lg2(cd->tg1) != 16);

	out->ips = cd->ips < oas ? cd->ips : (uint8_t)oas;
	out->ha = cd->ha;
	out->hd = cd->ha && cd->hd;
	out->haft = cd->ha && cd->haft && smmu_httu(v->id) == 3;
	out->ds = small && smmu_ds(v->id, cd->ds, 0);
	out->pie = cd->pie && v->ste->s1pie && has(v, 3, IDR3_S1PI);
}

static void effective_cd(struct iod_smmuv3_cd *out, const struct cd_view *v)
{
	const struct iod_smmuv3_cd *cd = v->cd;

	out->epd0 = v->epd0;
	out->epd1 = v->epd1;
	out->endi = !(v->epd0 && v->epd1) && cd->endi;
	out->aa64 = cd->aa64;
	out->s = cd->s;
	out->r = cd->r;
	out->a = cd->a;
	out->aset = cd->aset;
	out->asid = v->el2 ? 0 : cd->asid;
	out->wxn = cd->wxn;
	out->uwxn = cd->uwxn && !cd->aa64 && !v->el2;
	out->pan = cd->pan && !v->el2;
	out->mair = cd->mair;
	out->amair = cd->amair;
	if (!v->epd0)
		effective_half(out, v, false);
	if (!v->epd1)
		effective_half(out, v, true);
	if (cd->aa64)
		effective_lpae64(out, v);
	out->affd = !out->ha && cd->affd;
	if (v->ste->s1mpam && has(v, 3, IOD_SMMUV3_IDR3_MPAM)) {
		out->partid = cd->partid;
		out->pmg = cd->pmg;
	}
}

int iod_smmuv3_cd_effective(struct iod_smmuv3_cd *out, const struct iod_smmuv3_cd *cd,
			    const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id,
			    uint32_t flags)
{
	struct iod_smmuv3_cd made = { 0 };
	struct cd_view v;

	if (!out || !cd || flags & ~CHECK_FLAGS)
		return -EINVAL;
	cd_view(&v, cd, ste, id, flags);
	made.valid = cd->valid;
	if (cd->valid)
		effective_cd(&made, &v);
	*out = made;
	return 0;
}
