/* SPDX-License-Identifier: MIT */
/* SMMUv3 structures: fields of STE, CD and level-1 descriptors, and which are ILLEGAL (chapter 5). */
#include "mdl_smmu_int.h"

unsigned mdl_smmu_bits(unsigned code)
{
	static const uint8_t bits[8] = { 32, 36, 40, 42, 44, 48, 52, 56 };

	return bits[code & 7];
}

unsigned mdl_smmu_oas(const struct mdl_smmu_id *id)
{
	return mdl_smmu_bits(ID_OAS(id));
}

unsigned mdl_smmu_ias(const struct mdl_smmu_id *id)
{
	unsigned bits32 = ID_TTF(id) & 1 ? 40 : 0, bits64 = ID_TTF(id) & 2 ? mdl_smmu_oas(id) : 0;

	return bits32 > bits64 ? bits32 : bits64;
}

static bool s1_on(const struct mdl_ste *ste)
{
	return (ste->config & 5) == 5;
}

static bool s2_on(const struct mdl_ste *ste)
{
	return (ste->config & 6) == 6;
}

/* 5.2: where the field is looked at at all, for a Non-secure stream */
static bool strw_used(const struct mdl_ste *ste, const struct mdl_smmu_id *id)
{
	return ID_S1P(id) && ID_HYP(id) && ste->config == MDL_STE_S1;
}

bool mdl_smmu_el2(const struct mdl_ste *ste, const struct mdl_smmu_id *id, bool e2h)
{
	return strw_used(ste, id) && ste->strw == 2 && !e2h;
}

#define F(hi, lo)    mdl_take(w, ste->res, hi, lo)
#define U(hi, lo)    ((unsigned)F(hi, lo))
#define B(bit)	     (F(bit, bit) != 0)
#define ADDR(hi, lo) mdl_take_addr(w, ste->res, hi, lo)

static void ste_s2(const uint64_t w[8], struct mdl_ste *ste)
{
	ste->s2vmid = (uint16_t)F(143, 128);
	ste->s2t0sz = U(165, 160);
	ste->s2sl0 = U(167, 166);
	ste->s2ir0 = U(169, 168);
	ste->s2or0 = U(171, 170);
	ste->s2sh0 = U(173, 172);
	ste->s2tg = U(175, 174);
	ste->s2ps = U(178, 176);
	ste->s2aa64 = B(179);
	ste->s2endi = B(180);
	ste->s2affd = B(181);
	ste->s2ptw = B(182);
	ste->s2hd = B(183);
	ste->s2ha = B(184);
	ste->s2s = B(185);
	ste->s2r = B(186);
	ste->s2haft = B(187);
	ste->s2pie = B(188);
	ste->s2poe = B(189);
	ste->dpt_vmatch = U(191, 190);
	ste->s2sl0_2 = B(194);
	ste->s2ds = B(195);
	ste->s2ttb = ADDR(247, 196);
	ste->partid = (uint16_t)F(287, 272);
	ste->pmg = (uint8_t)F(327, 320);
	ste->vmsptr = ADDR(375, 332);
}

void mdl_ste_decode(const uint64_t w[8], struct mdl_ste *ste)
{
	unsigned i;

	*ste = (struct mdl_ste){ 0 };
	for (i = 0; i < 8; i++)
		ste->res[i] = w[i];
	ste->v = B(0);
	ste->config = U(3, 1);
	ste->s1fmt = U(5, 4);
	ste->s1ctxptr = ADDR(55, 6);
	ste->s1cdmax = U(63, 59);
	ste->s1dss = U(65, 64);
	ste->s1cir = U(67, 66);
	ste->s1cor = U(69, 68);
	ste->s1csh = U(71, 70);
	ste->s2hwu = U(75, 72);
	ste->dre = B(76);
	ste->cont = U(80, 77);
	ste->dcp = B(81);
	ste->ppar = B(82);
	ste->mev = B(83);
	ste->sw = U(87, 84);
	ste->s1pie = B(88);
	ste->s2fwb = B(89);
	ste->s1mpam = B(90);
	ste->s1stalld = B(91);
	ste->eats = U(93, 92);
	ste->strw = U(95, 94);
	ste->memattr = U(99, 96);
	ste->mtcfg = B(100);
	ste->alloccfg = U(104, 101);
	ste->shcfg = U(109, 108);
	ste->nscfg = U(111, 110);
	ste->privcfg = U(113, 112);
	ste->instcfg = U(115, 114);
	ste_s2(w, ste);
}

#undef F
#undef ADDR
#define F(hi, lo)    mdl_take(w, cd->res, hi, lo)
#define ADDR(hi, lo) mdl_take_addr(w, cd->res, hi, lo)

static void cd_word0(const uint64_t w[8], struct mdl_cd *cd)
{
	cd->t0sz = U(5, 0);
	cd->tg0 = U(7, 6);
	cd->ir0 = U(9, 8);
	cd->or0 = U(11, 10);
	cd->sh0 = U(13, 12);
	cd->epd0 = B(14);
	cd->endi = B(15);
	cd->t1sz = U(21, 16);
	cd->tg1 = U(23, 22);
	cd->ir1 = U(25, 24);
	cd->or1 = U(27, 26);
	cd->sh1 = U(29, 28);
	cd->epd1 = B(30);
	cd->v = B(31);
	cd->ips = U(34, 32);
	cd->affd = B(35);
	cd->wxn = B(36);
	cd->uwxn = B(37);
	cd->tbi0 = B(38);
	cd->tbi1 = B(39);
	cd->pan = B(40);
	cd->aa64 = B(41);
	cd->hd = B(42);
	cd->ha = B(43);
	cd->s = B(44);
	cd->r = B(45);
	cd->a = B(46);
	cd->aset = B(47);
	cd->asid = (uint16_t)F(63, 48);
}

void mdl_cd_decode(const uint64_t w[8], struct mdl_cd *cd)
{
	unsigned i;

	*cd = (struct mdl_cd){ 0 };
	for (i = 0; i < 8; i++)
		cd->res[i] = w[i];
	cd_word0(w, cd);
	cd->nscfg0 = B(64);
	cd->had0 = B(65);
	cd->e0pd0 = B(66);
	cd->haft = B(67);
	cd->ttb0 = ADDR(119, 68);
	cd->pnch = B(122);
	cd->epan = B(123);
	cd->hwu0 = U(127, 124);
	cd->nscfg1 = B(128);
	cd->had1 = B(129);
	cd->e0pd1 = B(130);
	cd->aie = B(131);
	cd->ttb1 = ADDR(183, 132);
	cd->ds = B(186);
	cd->pie = B(187);
	cd->hwu1 = U(191, 188);
	cd->mair = F(255, 192);
	cd->amair = F(319, 256);
	cd->partid = (uint16_t)F(367, 352);
	cd->pmg = (uint8_t)F(375, 368);
}

/* 5.1: the array is aligned to its size */
void mdl_l1std_decode(uint64_t w, struct mdl_l1std *d)
{
	unsigned span = (unsigned)(w & 0x1f);

	d->res = w & ~(mdl_bits(55, 6) | 0x1f);
	d->lg2 = span >= 1 && span <= 11 ? (int)span - 1 : -1;
	d->ptr = w & mdl_bits(55, 6);
	if (d->lg2 >= 0)
		d->ptr &= ~mdl_low(6 + (unsigned)d->lg2);
}

/* 5.3 */
void mdl_l1cd_decode(uint64_t w, struct mdl_l1cd *d)
{
	d->v = w & 1;
	d->ptr = w & mdl_bits(55, 12);
	d->res = w & ~(mdl_bits(55, 12) | 1);
}

/* S2TG and TG0: log2 of the granule, 0 if reserved or not implemented */
unsigned mdl_smmu_granule0(unsigned tg, const struct mdl_smmu_id *id)
{
	static const uint8_t lg2[4] = { 12, 16, 14, 0 }, idr[4] = { 1, 4, 2, 0 };

	return ID_GRANULES(id) & idr[tg] ? lg2[tg] : 0;
}

/* TG1 has a code of its own. */
unsigned mdl_smmu_granule1(unsigned tg, const struct mdl_smmu_id *id)
{
	static const uint8_t tg0[4] = { 3, 2, 0, 1 };

	return mdl_smmu_granule0(tg0[tg], id);
}

static unsigned min_u(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned max_u(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

bool mdl_smmu_ds(bool ds, unsigned granule, const struct mdl_smmu_id *id)
{
	return ds && ID_DS(id) && granule != 16;
}

/* 5.2, 5.4: largest TnSZ and S2T0SZ */
static unsigned tsz_max(unsigned granule, const struct mdl_smmu_id *id)
{
	if (!ID_STT(id))
		return 39;
	return granule == 16 ? 47 : 48;
}

/* CalcPARange and the limit on a table base: 48 bits for small granules without DS */
static bool ttb_ok(uint64_t ttb, bool aa64, unsigned ps, unsigned granule, bool ds,
		   const struct mdl_smmu_id *id)
{
	unsigned bits = aa64 ? min_u(mdl_smmu_bits(ps), mdl_smmu_oas(id)) : 40;

	if (aa64)
		bits = min_u(bits, granule != 16 && !ds ? 48 : 52);
	return !(ttb & ~mdl_low(bits));
}

/*
 * A1.4: the level that {S2SL0_2, S2SL0} stands for, -2 if for none. With @ds
 * level -1 of 4K and level 0 of 16K exist.
 */
int mdl_smmu_s2_level(const struct mdl_ste *ste, unsigned granule, bool ds,
		      const struct mdl_smmu_id *id)
{
	switch (granule) {
	case 12:
		if (ds && ste->s2sl0_2)
			return ste->s2sl0 ? -2 : -1;
		if (ste->s2sl0 == 3)
			return ID_STT(id) ? 3 : -2;
		return 2 - (int)ste->s2sl0;
	case 14:
		if (ste->s2sl0 == 3)
			return ds ? 0 : -2;
		return 3 - (int)ste->s2sl0;
	default:
		return ste->s2sl0 == 3 ? -2 : 3 - (int)ste->s2sl0;
	}
}

/* Input bits resolved below the entries of a table at @level */
static unsigned level_shift(unsigned granule, int level)
{
	return granule + (unsigned)(3 - level) * (granule - 3);
}

/*
 * A1.4: at most 16 concatenated tables, and at least one bit to index the first
 * level with. Where fewer tables are allowed the limit on S2T0SZ says so.
 */
static bool s2_consistent(const struct mdl_ste *ste, unsigned granule, bool ds,
			  const struct mdl_smmu_id *id)
{
	int level = mdl_smmu_s2_level(ste, granule, ds, id);
	unsigned ias = 64 - ste->s2t0sz, shift, most;

	if (level == -2)
		return false;
	shift = level_shift(granule, level);
	most = shift + (granule - 3) + 4;
	return ias > shift && ias <= most;
}

/* VMSAv8-32 LPAE: T0SZ is signed, SL0 0 is level 2 and 1 is level 1 */
static bool s2_consistent32(const struct mdl_ste *ste)
{
	int t0sz = (int)(ste->s2t0sz & 0xf);
	unsigned ias = (unsigned)(32 - (t0sz < 8 ? t0sz : t0sz - 16)), shift;

	if (ste->s2sl0 > 1)
		return false;
	shift = level_shift(12, 2 - (int)ste->s2sl0);
	return ias > shift && ias <= shift + 9 + 4;
}

static const char *ste_eats(const struct mdl_ste *ste, const struct mdl_smmu_id *id)
{
	if (!ID_ATS(id) || ste->config == MDL_STE_BYPASS)
		return NULL;
	if (ste->eats == 2 && (ste->config != MDL_STE_NESTED || ste->s2s || ID_NS1ATS(id)))
		return "EATS: split stage";
	if (ste->eats == 1 && ste->s2s && s2_on(ste))
		return "EATS: full with S2S";
	if (ste->eats != 3 || !ID_DPT(id))
		return NULL;
	if (strw_used(ste, id) && ste->strw)
		return "EATS: DPT outside EL1";
	/* said in the field description only, not in the pseudocode */
	return ste->s2s && s2_on(ste) ? "EATS: DPT with S2S" : NULL;
}

static const char *ste_s1_illegal(const struct mdl_ste *ste, const struct mdl_smmu_id *id)
{
	bool substreams = ID_SSIDSIZE(id) && ste->s1cdmax;

	if (ste->s1stalld && ID_STALL_MODEL(id))
		return "S1STALLD";
	if (ID_SSIDSIZE(id) && ste->s1cdmax > ID_SSIDSIZE(id))
		return "S1CDMax";
	if (substreams && !ID_CD2L(id) && (ste->s1fmt == 1 || ste->s1fmt == 2))
		return "S1Fmt";
	if (ste->s1ctxptr & ~mdl_low(s2_on(ste) ? mdl_smmu_ias(id) : mdl_smmu_oas(id)))
		return "S1ContextPtr";
	if (s2_on(ste) && ste->s1mpam && ID_MPAM(id) && ste->vmsptr & ~mdl_low(mdl_smmu_oas(id)))
		return "VMSPtr";
	return NULL;
}

/* S2POI: sixteen codes in the last word */
static const char *ste_overlay(const struct mdl_ste *ste, const struct mdl_smmu_id *id)
{
	unsigned i, code;

	if (!ste->s2pie || (ID_PBHA(id) && ste->s2hwu))
		return "S2POE";
	for (i = 0; i < 16; i++) {
		code = (unsigned)mdl_field(ste->res, 451 + 4 * i, 448 + 4 * i);
		if (code == 1 || code == 5)
			return "S2POI";
	}
	return NULL;
}

static const char *ste_s2_modes(const struct mdl_ste *ste, const struct mdl_smmu_id *id)
{
	bool aa32 = !ste->s2aa64 && !ID_D128(id);

	if (aa32 && ID_FWB(id) && ste->s2fwb)
		return "S2FWB";
	if (ste->s2s ? ID_STALL_MODEL(id) == 1 : ID_STALL_MODEL(id) == 2)
		return "S2S";
	if ((aa32 && !(ID_TTF(id) & 1)) || (ste->s2aa64 && !(ID_TTF(id) & 2)))
		return "S2AA64";
	if ((ste->s2ha || ste->s2hd) && (aa32 || !ID_HTTU(id)))
		return "S2HA or S2HD";
	if (ste->s2hd && ID_HTTU(id) == 1)
		return "S2HD";
	if (ste->s2haft && !ste->s2ha && ID_HTTU(id) == 3)
		return "S2HAFT";
	if ((ID_TTENDIAN(id) == 2 && ste->s2endi) || (ID_TTENDIAN(id) == 3 && !ste->s2endi))
		return "S2ENDI";
	if (ID_S2PI(id) && ste->s2pie && aa32)
		return "S2PIE";
	if (ID_S2PO(id) && ste->s2poe)
		return ste_overlay(ste, id);
	return NULL;
}

static const char *ste_s2_walk(const struct mdl_ste *ste, const struct mdl_smmu_id *id)
{
	unsigned granule = 12, low;
	bool ds = false;

	if (ste->s2aa64) {
		granule = mdl_smmu_granule0(ste->s2tg, id);
		if (!granule)
			return "S2TG";
		ds = mdl_smmu_ds(ste->s2ds, granule, id);
		low = max_u(granule == 16 || ds ? 12 : 16, 64 - mdl_smmu_ias(id));
		if (ste->s2t0sz < low || ste->s2t0sz > tsz_max(granule, id))
			return "S2T0SZ";
	}
	if (!ttb_ok(ste->s2ttb, ste->s2aa64, ste->s2ps, granule, ds, id))
		return "S2TTB";
	if (ste->s2aa64 ? !s2_consistent(ste, granule, ds, id) : !s2_consistent32(ste))
		return "S2SL0";
	return NULL;
}

static bool vmid_used(const struct mdl_ste *ste, const struct mdl_smmu_id *id)
{
	if (!ID_S2P(id) || ste->config == MDL_STE_BYPASS)
		return false;
	return !strw_used(ste, id) || !ste->strw;
}

const char *mdl_ste_illegal(const struct mdl_ste *ste, const struct mdl_smmu_id *id)
{
	const char *why;

	if (!ste->v)
		return "V";
	if (!(ste->config & 4))
		return NULL;
	if ((s1_on(ste) && !ID_S1P(id)) || (s2_on(ste) && !ID_S2P(id)))
		return "Config";
	why = ste_eats(ste, id);
	if (!why && strw_used(ste, id) && (ste->strw & 1))
		why = "STRW";
	if (!why && s1_on(ste))
		why = ste_s1_illegal(ste, id);
	if (!why && s2_on(ste))
		why = ste_s2_modes(ste, id);
	if (!why && s2_on(ste) && (ste->s2aa64 || !ID_D128(id)))
		why = ste_s2_walk(ste, id);
	if (!why && vmid_used(ste, id) && !ID_VMID16(id) && ste->s2vmid > 0xff)
		why = "S2VMID";
	return why;
}

static const char *cd_half(const struct mdl_cd *cd, int half, const struct mdl_smmu_id *id)
{
	unsigned granule = half ? mdl_smmu_granule1(cd->tg1, id) : mdl_smmu_granule0(cd->tg0, id),
		 low;
	unsigned tsz = half ? cd->t1sz : cd->t0sz;
	bool ds = mdl_smmu_ds(cd->ds, granule, id);

	if (cd->aa64) {
		if (!granule)
			return "TG";
		low = ID_VAX(id) && (granule == 16 || ds) ? 12 : 16;
		if (tsz < low || tsz > tsz_max(granule, id))
			return "TSZ";
	}
	return ttb_ok(half ? cd->ttb1 : cd->ttb0, cd->aa64, cd->ips, granule, ds, id) ? NULL
										      : "TTB";
}

/* 5.4 PIIU and PIIP: sixteen codes each */
static const char *cd_indirect(const struct mdl_cd *cd, bool el2)
{
	unsigned i, user, priv;

	for (i = 0; i < 16; i++) {
		user = (unsigned)mdl_field(cd->res, 386 + 3 * i, 384 + 3 * i);
		priv = (unsigned)mdl_field(cd->res, 450 + 3 * i, 448 + 3 * i);
		if (priv == 4 || priv == 6)
			return "PIIP";
		if (el2)
			continue;
		if (user == 4 || user == 6)
			return "PIIU";
		if ((priv & 2) && (user & 4))
			return "PIIP";
	}
	return NULL;
}

static const char *cd_modes(const struct mdl_ste *ste, const struct mdl_cd *cd,
			    const struct mdl_smmu_id *id, bool e2h)
{
	bool aa32 = !cd->aa64 && !ID_D128(id);
	bool el2_e2h = strw_used(ste, id) && ste->strw == 2 && e2h;

	if (ste->s1stalld && cd->s)
		return "S with S1STALLD";
	if (ID_TERM_MODEL(id) && !cd->a)
		return "A";
	if (cd->s ? ID_STALL_MODEL(id) == 1 : ID_STALL_MODEL(id) == 2)
		return "S";
	if (aa32 && (!(ID_TTF(id) & 1) || el2_e2h))
		return "AA64";
	if (cd->aa64 && (!(ID_TTF(id) & 2) || (s2_on(ste) && !ste->s2aa64 && !ID_D128(id))))
		return "AA64";
	if (!aa32 && (cd->ha || cd->hd) && !ID_HTTU(id))
		return "HA or HD";
	if (!aa32 && cd->hd && ID_HTTU(id) == 1)
		return "HD";
	if (!aa32 && cd->haft && !cd->ha && ID_HTTU(id) == 3)
		return "HAFT";
	return NULL;
}

const char *mdl_cd_illegal(const struct mdl_ste *ste, const struct mdl_cd *cd,
			   const struct mdl_smmu_id *id, bool e2h)
{
	bool el2 = mdl_smmu_el2(ste, id, e2h);
	bool half0 = el2 || !cd->epd0, half1 = !el2 && !cd->epd1;
	const char *why;

	if (!cd->v)
		return "V";
	why = cd_modes(ste, cd, id, e2h);
	if (!why && (half0 || half1) &&
	    ((ID_TTENDIAN(id) == 2 && cd->endi) || (ID_TTENDIAN(id) == 3 && !cd->endi)))
		why = "ENDI";
	if (!why && !el2 && !ID_ASID16(id) && cd->asid > 0xff)
		why = "ASID";
	if (!cd->aa64 && ID_D128(id))
		return why;
	if (!why && half0)
		why = cd_half(cd, 0, id);
	if (!why && half1)
		why = cd_half(cd, 1, id);
	if (!why && cd->aa64 && cd->pie && ste->s1pie && ID_S1PI(id))
		why = cd_indirect(cd, el2);
	return why;
}
