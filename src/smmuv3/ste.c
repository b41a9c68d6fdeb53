/* SPDX-License-Identifier: MIT */
/* Stream table entries: what is ILLEGAL (Arm IHI 0070, 5.2.2), and what hardware makes of a legal one. */
#include <iodirty/smmuv3_ste.h>

#include <errno.h>
#include <string.h>

#include "smmuv3/ste_rules.h"

#define CHECK_FLAGS   (IOD_SMMUV3_CHECK_UNKNOWN | IOD_SMMUV3_CHECK_E2H)
#define LPAE32_BITS   40u
#define S2POI_WORD    7u
#define S2POI_ENTRIES 16u

static bool has(const struct iod_smmuv3_id *id, unsigned reg, uint32_t bits)
{
	return (id->idr[reg] & bits) == bits;
}

static const char *config_rules(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id)
{
	RULE(STE_CONFIG_S1(ste->config) && !has(id, 0, IOD_SMMUV3_IDR0_S1P),
	     "Config: no stage 1 here (IDR0.S1P)");
	RULE(STE_CONFIG_S2(ste->config) && !has(id, 0, IOD_SMMUV3_IDR0_S2P),
	     "Config: no stage 2 here (IDR0.S2P)");
	RULE(smmu_strw_used(ste, id) && (ste->strw & 1), "STRW: reserved");
	return NULL;
}

static const char *eats_rules(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id)
{
	bool stalls = STE_CONFIG_S2(ste->config) && ste->s2s;

	if (!has(id, 0, IOD_SMMUV3_IDR0_ATS) || ste->config == IOD_SMMUV3_BYPASS)
		return NULL;
	switch (ste->eats) {
	case EATS_FULL:
		RULE(stalls, "EATS: full ATS with S2S=1");
		break;
	case EATS_SPLIT:
		RULE(ste->config != IOD_SMMUV3_NESTED, "EATS: split-stage ATS without both stages");
		RULE(ste->s2s, "EATS: split-stage ATS with S2S=1");
		RULE(has(id, 0, IOD_SMMUV3_IDR0_NS1ATS), "EATS: no split-stage ATS (IDR0.NS1ATS)");
		break;
	case EATS_DPT:
		if (!has(id, 3, IDR3_DPT))
			break; /* behaves as 0 */
		RULE(smmu_strw_used(ste, id) && ste->strw != STRW_EL1, "EATS: DPT outside EL1");
		RULE(stalls, "EATS: DPT with S2S=1"); /* in the text, not in the pseudocode */
		break;
	}
	return NULL;
}

static const char *stage1_rules(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id)
{
	unsigned bits = ste->config == IOD_SMMUV3_NESTED ? smmu_ias(id) : smmu_oas(id);

	RULE(ste->s1stalld && smmu_stall_model(id), "S1STALLD: stalls are not configurable");
	if (smmu_ssidsize(id)) {
		RULE(ste->s1cdmax > smmu_ssidsize(id), "S1CDMax: more than IDR1.SSIDSIZE");
		RULE(ste->s1cdmax && (ste->s1fmt == S1FMT_4K || ste->s1fmt == S1FMT_64K) &&
			     !has(id, 0, IOD_SMMUV3_IDR0_CD2L),
		     "S1Fmt: no two-level CD tables here (IDR0.CD2L)");
	}
	/* Nested, beyond IAS: this, or a fault of stage 2 (3.4.3); the choice is the implementation's. */
	RULE(ste->s1contextptr & ~low_mask(bits), "S1ContextPtr: beyond the address size");
	RULE(ste->config == IOD_SMMUV3_NESTED && ste->s1mpam && has(id, 3, IOD_SMMUV3_IDR3_MPAM) &&
		     ste->vmsptr & ~low_mask(smmu_oas(id)),
	     "VMSPtr: beyond the address size");
	return NULL;
}

/* Geometry of 64-bit stage-2 tables. */
static const char *stage2_lpae64(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id)
{
	unsigned granule = smmu_tg0_lg2(ste->s2tg), ias = smmu_ias(id);
	bool ds = smmu_ds(id, ste->s2ds, granule), stt = has(id, 3, IOD_SMMUV3_IDR3_STT);
	unsigned min = granule == 16 || ds ? 12 : 16;
	int start;

	RULE(!granule, "S2TG: reserved");
	RULE(!smmu_granule_ok(id, granule), "S2TG: no such granule here (IDR5)");
	RULE(ste->s2t0sz < min || ste->s2t0sz + ias < 64, "S2T0SZ: too large an input");
	RULE(ste->s2t0sz > smmu_tsz_max(id, granule), "S2T0SZ: too small an input");
	start = smmu_start_level(granule, ste->s2sl0, ste->s2sl0_2, ds, stt);
	RULE(start == SMMU_NO_LEVEL || !smmu_stage2_fits(granule, start, 64u - ste->s2t0sz),
	     "S2SL0: S2T0SZ, S2SL0 and S2TG do not fit each other");
	RULE(ste->s2ttb & ~low_mask(smmu_output_bits(id, ste->s2ps, granule, ds)),
	     "S2TTB: beyond the address size");
	return NULL;
}

/* Geometry of 32-bit LPAE: S2T0SZ is a signed 4-bit size, and there are two start levels. */
static const char *stage2_lpae32(const struct iod_smmuv3_ste *ste)
{
	unsigned t0sz = ste->s2t0sz & 0xf, ias = t0sz < 8 ? 32 - t0sz : 48 - t0sz;

	RULE(ste->s2sl0 > 1, "S2SL0: reserved");
	RULE(!smmu_stage2_fits(12, 2 - ste->s2sl0, ias),
	     "S2SL0: S2T0SZ and S2SL0 do not fit each other");
	RULE(ste->s2ttb & ~low_mask(LPAE32_BITS), "S2TTB: beyond 40 bits");
	return NULL;
}

/* HTTU, and what else depends on the format of the tables. */
static const char *stage2_update_rules(const struct iod_smmuv3_ste *ste,
				       const struct iod_smmuv3_id *id)
{
	uint32_t httu = smmu_httu(id);

	RULE(!ste->s2aa64 && !(smmu_ttf(id) & TTF_LPAE32),
	     "S2AA64: no 32-bit tables here (IDR0.TTF)");
	RULE(ste->s2aa64 && !(smmu_ttf(id) & TTF_LPAE64),
	     "S2AA64: no 64-bit tables here (IDR0.TTF)");
	RULE((ste->s2ha || ste->s2hd) && !ste->s2aa64, "S2HA, S2HD: with 32-bit tables");
	RULE((ste->s2ha || ste->s2hd) && httu == 0,
	     "S2HA, S2HD: no hardware update here (IDR0.HTTU)");
	RULE(ste->s2hd && httu == 1, "S2HD: no hardware update of dirty state here (IDR0.HTTU)");
	RULE(ste->s2haft && !ste->s2ha && httu == 3, "S2HAFT: without S2HA");
	RULE(ste->s2fwb && !ste->s2aa64 && has(id, 3, IOD_SMMUV3_IDR3_FWB),
	     "S2FWB: with 32-bit tables");
	RULE(!smmu_endian_ok(id, ste->s2endi), "S2ENDI: no such endianness here (IDR0.TTENDIAN)");
	RULE(ste->s2s && smmu_stall_model(id) == STALL_MODEL_NEVER, "S2S: no stalls here");
	RULE(!ste->s2s && smmu_stall_model(id) == STALL_MODEL_FORCED,
	     "S2S: stalls are forced here");
	return NULL;
}

/* Permission indirection and overlays are not modelled, but what is ILLEGAL of them is known. */
static const char *stage2_overlay_rules(const struct iod_smmuv3_ste *ste,
					const struct iod_smmuv3_id *id)
{
	uint64_t s2poi = iod_le64(ste->unknown.word[S2POI_WORD]);
	unsigned i;

	RULE(ste->s2pie && !ste->s2aa64 && has(id, 3, IDR3_S2PI), "S2PIE: with 32-bit tables");
	if (!ste->s2poe || !has(id, 3, IDR3_S2PO))
		return NULL;
	RULE(!ste->s2pie, "S2POE: without S2PIE");
	RULE(ste->s2hwu && has(id, 3, IOD_SMMUV3_IDR3_PBHA), "S2POE: with S2HWU");
	for (i = 0; i < S2POI_ENTRIES; i++, s2poi >>= 4)
		RULE((s2poi & 0xf) == 1 || (s2poi & 0xf) == 5, "S2POI: reserved");
	return NULL;
}

static const char *stage2_rules(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id)
{
	const char *why = stage2_update_rules(ste, id);

	if (!why)
		why = ste->s2aa64 ? stage2_lpae64(ste, id) : stage2_lpae32(ste);
	return why ? why : stage2_overlay_rules(ste, id);
}

/* 5.2.2: streams that neither translate nor belong to EL1 have no VMID. */
static bool vmid_used(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id)
{
	return has(id, 0, IOD_SMMUV3_IDR0_S2P) && ste->config > IOD_SMMUV3_BYPASS &&
	       !(smmu_strw_used(ste, id) && ste->strw != STRW_EL1);
}

static const char *ste_rules(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id,
			     uint32_t flags)
{
	const char *why;

	RULE(!ste->valid, "V: not valid (V=0)");
	RULE((flags & IOD_SMMUV3_CHECK_UNKNOWN) && smmu_any_unknown(ste->unknown.word),
	     "bits of no known field are set");
	if (ste->config < IOD_SMMUV3_BYPASS)
		return NULL;
	why = config_rules(ste, id);
	if (!why)
		why = eats_rules(ste, id);
	if (!why && STE_CONFIG_S1(ste->config))
		why = stage1_rules(ste, id);
	if (!why && STE_CONFIG_S2(ste->config))
		why = stage2_rules(ste, id);
	if (why)
		return why;
	RULE(vmid_used(ste, id) && ste->s2vmid > 0xff && !has(id, 0, IOD_SMMUV3_IDR0_VMID16),
	     "S2VMID: more than 8 bits (IDR0.VMID16)");
	return NULL;
}

int iod_smmuv3_ste_check(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id,
			 uint32_t flags, const char **why)
{
	const char *text;

	if (!ste || flags & ~CHECK_FLAGS)
		return -EINVAL;
	text = ste_rules(ste, smmu_id_or_all(id), flags);
	if (why)
		*why = text;
	return text ? IOD_SMMUV3_C_BAD_STE : 0;
}

/* Fields of stage 1, and of substreams. */
static void effective_stage1(struct iod_smmuv3_ste *out, const struct iod_smmuv3_ste *ste,
			     const struct iod_smmuv3_id *id)
{
	out->s1contextptr = ste->s1contextptr;
	out->s1cir = ste->s1cir;
	out->s1cor = ste->s1cor;
	out->s1csh = ste->s1csh;
	out->s1stalld = ste->s1stalld;
	out->s1pie = ste->s1pie && has(id, 3, IDR3_S1PI);
	out->s1mpam = ste->s1mpam && has(id, 3, IOD_SMMUV3_IDR3_MPAM);
	out->strw = smmu_strw_used(ste, id) ? ste->strw : STRW_EL1;
	out->s1cdmax = smmu_ssidsize(id) ? ste->s1cdmax : 0;
	if (!out->s1cdmax)
		return;
	out->s1fmt = ste->s1fmt == 3 ? S1FMT_LINEAR : ste->s1fmt;
	out->s1dss = ste->s1dss == 3 ? S1DSS_TERMINATE : ste->s1dss;
}

/* What only 64-bit tables of stage 2 have. */
static void effective_lpae64(struct iod_smmuv3_ste *out, const struct iod_smmuv3_ste *ste,
			     const struct iod_smmuv3_id *id)
{
	unsigned oas = smmu_oas_code(id), granule = smmu_tg0_lg2(ste->s2tg);

	out->s2tg = ste->s2tg;
	out->s2t0sz = ste->s2t0sz;
	out->s2ps = ste->s2ps < oas ? ste->s2ps : (uint8_t)oas;
	out->s2ha = ste->s2ha;
	out->s2hd = ste->s2ha && ste->s2hd;
	out->s2haft = ste->s2ha && ste->s2haft && smmu_httu(id) == 3;
	out->s2ds = smmu_ds(id, ste->s2ds, granule);
	out->s2sl0_2 = out->s2ds && granule == 12 && ste->s2sl0_2;
	out->s2fwb = ste->s2fwb && has(id, 3, IOD_SMMUV3_IDR3_FWB);
	out->s2pie = ste->s2pie && has(id, 3, IDR3_S2PI);
	out->s2poe = ste->s2poe && has(id, 3, IDR3_S2PO);
}

static void effective_stage2(struct iod_smmuv3_ste *out, const struct iod_smmuv3_ste *ste,
			     const struct iod_smmuv3_id *id)
{
	out->s2aa64 = ste->s2aa64;
	out->s2sl0 = ste->s2sl0;
	out->s2ir0 = ste->s2ir0;
	out->s2or0 = ste->s2or0;
	out->s2sh0 = ste->s2sh0;
	out->s2endi = ste->s2endi;
	out->s2s = ste->s2s;
	out->s2r = ste->s2r;
	out->s2ttb = ste->s2ttb;
	out->s2ptw = ste->config == IOD_SMMUV3_NESTED && ste->s2ptw;
	out->s2hwu = has(id, 3, IOD_SMMUV3_IDR3_PBHA) ? ste->s2hwu : 0;
	if (ste->s2aa64)
		effective_lpae64(out, ste, id);
	else
		out->s2t0sz = ste->s2t0sz & 0xf;
	out->s2affd = !out->s2ha && ste->s2affd;
}

static uint8_t effective_eats(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id)
{
	if (!has(id, 0, IOD_SMMUV3_IDR0_ATS) || ste->config == IOD_SMMUV3_BYPASS)
		return EATS_NONE;
	return ste->eats == EATS_DPT && !has(id, 3, IDR3_DPT) ? EATS_NONE : ste->eats;
}

/* What all streams have that let traffic pass. */
static void effective_common(struct iod_smmuv3_ste *out, const struct iod_smmuv3_ste *ste,
			     const struct iod_smmuv3_id *id)
{
	out->dre = ste->config != IOD_SMMUV3_BYPASS && ste->dre;
	out->dcp = ste->config != IOD_SMMUV3_BYPASS && ste->dcp;
	out->ppar = ste->ppar && has(id, 0, IOD_SMMUV3_IDR0_PRI) && smmu_ssidsize(id);
	out->mev = ste->mev;
	out->mtcfg = ste->mtcfg;
	out->memattr = ste->mtcfg ? ste->memattr : 0;
	out->alloccfg = ste->alloccfg;
	out->shcfg = ste->shcfg;
	out->privcfg = ste->privcfg;
	out->instcfg = ste->instcfg;
	out->eats = effective_eats(ste, id);
	out->dpt_vmatch = out->eats == EATS_DPT ? ste->dpt_vmatch : 0;
	out->s2vmid = vmid_used(ste, id) ? ste->s2vmid : 0;
	if (!has(id, 3, IOD_SMMUV3_IDR3_MPAM))
		return;
	out->partid = ste->partid;
	out->pmg = ste->pmg;
	if (ste->config == IOD_SMMUV3_NESTED && ste->s1mpam)
		out->vmsptr = ste->vmsptr;
}

int iod_smmuv3_ste_effective(struct iod_smmuv3_ste *out, const struct iod_smmuv3_ste *ste,
			     const struct iod_smmuv3_id *id, uint32_t flags)
{
	struct iod_smmuv3_ste made = { 0 };

	if (!out || !ste || flags & ~CHECK_FLAGS)
		return -EINVAL;
	id = smmu_id_or_all(id);
	made.valid = ste->valid;
	made.cont = ste->valid ? ste->cont : 0;
	if (ste->valid && ste->config >= IOD_SMMUV3_BYPASS) {
		made.config = ste->config;
		effective_common(&made, ste, id);
		if (STE_CONFIG_S1(ste->config))
			effective_stage1(&made, ste, id);
		if (STE_CONFIG_S2(ste->config))
			effective_stage2(&made, ste, id);
	}
	*out = made;
	return 0;
}
