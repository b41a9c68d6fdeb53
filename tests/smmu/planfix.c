/* SPDX-License-Identifier: MIT */
#include "planfix.h"

static void put(struct meaning *m, uint64_t value)
{
	assert_true(m->nr < MEANING_MAX);
	m->value[m->nr++] = value;
}

/* 5.2: what a stream with stage 1 looks at. */
static void ste_stage1(struct meaning *m, const struct mdl_ste *ste)
{
	put(m, ste->s1ctxptr);
	put(m, ste->s1cdmax);
	put(m, ste->s1cir | ste->s1cor << 2 | ste->s1csh << 4);
	put(m, ste->s1stalld);
	put(m, ste->s1pie);
	put(m, ste->s1mpam);
	put(m, ste->config == 5 ? ste->strw : 0);
	put(m, ste->s1cdmax ? ste->s1fmt : 0);
	put(m, ste->s1cdmax ? ste->s1dss : 0);
}

static void ste_stage2(struct meaning *m, const struct mdl_ste *ste)
{
	put(m, ste->s2hwu);
	put(m, ste->s2fwb);
	put(m, ste->s2t0sz | ste->s2sl0 << 6 | ste->s2tg << 8 | ste->s2ps << 10);
	put(m, ste->s2ir0 | ste->s2or0 << 2 | ste->s2sh0 << 4);
	put(m, ste->s2aa64 | ste->s2endi << 1 | ste->s2affd << 2 | ste->s2ptw << 3);
	put(m, ste->s2ha | ste->s2hd << 1 | ste->s2haft << 2);
	put(m, ste->s2s | ste->s2r << 1 | ste->s2pie << 2 | ste->s2poe << 3);
	put(m, ste->s2sl0_2 | ste->s2ds << 1);
	put(m, ste->s2ttb);
}

static struct meaning ste_meaning(const struct stefix_words *words)
{
	struct meaning m = { 0 };
	struct mdl_ste ste;
	bool s1, s2;

	mdl_ste_decode(words->w, &ste);
	put(&m, ste.v);
	if (!ste.v)
		return m;
	put(&m, ste.config & 4 ? ste.config : 0);
	if (!(ste.config & 4))
		return m;
	s1 = ste.config & 1;
	s2 = ste.config & 2;
	put(&m, ste.ppar);
	put(&m,
	    ste.mtcfg | ste.memattr << 1 | ste.nscfg << 5 | ste.privcfg << 7 | ste.instcfg << 9);
	/* PARTID, PMG; VMSPtr counts with both stages and S1MPAM only. */
	if (!(s1 && s2 && ste.s1mpam))
		ste.res[5] &= ~(IODT_BIT(56) - IODT_BIT(12));
	for (unsigned i = 0; i < 8; i++)
		put(&m, ste.res[i]);
	/* 13.5: SHCFG is what bypasses stage 1, or all of it. */
	put(&m, !s1 || (ste.s1cdmax && ste.s1dss == 1) ? ste.shcfg : 0);
	if (ste.config == 4)
		return m;
	put(&m, ste.eats);
	put(&m, ste.eats == 3 ? ste.dpt_vmatch : 0);
	put(&m, ste.dre | ste.dcp << 1);
	put(&m, ste.s2vmid);
	if (s1)
		ste_stage1(&m, &ste);
	if (s2)
		ste_stage2(&m, &ste);
	return m;
}

static struct meaning cd_meaning(const struct stefix_words *words, bool *haft)
{
	struct meaning m = { 0 };
	struct mdl_cd cd;

	mdl_cd_decode(words->w, &cd);
	put(&m, cd.v);
	*haft = cd.v && cd.haft;
	if (!cd.v)
		return m;
	put(&m, words->w[0]);
	put(&m, cd.pnch | cd.epan << 1 | cd.aie << 2 | cd.ds << 3 | cd.pie << 4);
	if (!cd.epd0) {
		put(&m, cd.ttb0);
		put(&m, cd.nscfg0 | cd.had0 << 1 | cd.e0pd0 << 2 | cd.hwu0 << 3);
	}
	if (!cd.epd1) {
		put(&m, cd.ttb1);
		put(&m, cd.nscfg1 | cd.had1 << 1 | cd.e0pd1 << 2 | cd.hwu1 << 3);
	}
	put(&m, cd.mair);
	put(&m, cd.amair);
	for (unsigned i = 0; i < 8; i++)
		put(&m, cd.res[i]);
	/* 5.4: HAFT without HA is ILLEGAL, which is another meaning. */
	put(&m, cd.haft && !cd.ha);
	return m;
}

struct meaning plan_meaning(enum plan_kind kind, const struct stefix_words *words, bool *haft)
{
	*haft = false;
	return kind == PLAN_STE ? ste_meaning(words) : cd_meaning(words, haft);
}

enum plan_class plan_class(enum plan_kind kind, const struct stefix_words *words,
			   const struct stefix_words *from, const struct stefix_words *to)
{
	bool haft, haft_from, haft_to;
	struct meaning m = plan_meaning(kind, words, &haft);
	struct meaning a = plan_meaning(kind, from, &haft_from);
	struct meaning b = plan_meaning(kind, to, &haft_to);
	bool old = !memcmp(&m, &a, sizeof(m)), new = !memcmp(&m, &b, sizeof(m));

	if ((old && haft == haft_from) || (new &&haft == haft_to))
		return PLAN_OLD_OR_NEW;
	if ((old || new) && !haft)
		return PLAN_HAFT;
	return m.value[0] ? PLAN_MIXED : PLAN_INVALID;
}

struct iod_smmuv3_plan plan_of(enum plan_kind kind, const struct stefix_words *from,
			       const struct stefix_words *to)
{
	struct iod_smmuv3_plan plan;

	if (kind == PLAN_STE) {
		struct iod_smmuv3_raw_ste a = stefix_ste(from), b = stefix_ste(to);

		iodt_assert_ok(iod_smmuv3_ste_plan(&plan, &a, &b));
	} else {
		struct iod_smmuv3_raw_cd a = stefix_cd(from), b = stefix_cd(to);

		iodt_assert_ok(iod_smmuv3_cd_plan(&plan, &a, &b));
	}
	return plan;
}

struct variant {
	const char *name;
	const struct stefix_words *base;
	struct stefix_field set[STEFIX_FIELDS];
};

static const struct stefix_words nothing;
/* V=0, and everything else as of a stream with both stages. */
static const struct stefix_words leftovers = {
	{ 0xe | 0x55550000, 0x10d4, 0x66 | UINT64_C(25) << 32 | UINT64_C(1) << 51, 0x70000000 }
};

static const struct variant stes[] = {
	{ "nothing", &nothing, { { 0 } } },
	{ "leftovers", &leftovers, { { 0 } } },
	{ "abort", &stefix_abort, { { 0 } } },
	{ "abort 2", &leftovers, { { STE_V, 1, 1 }, { STE_CONFIG, 3, 2 } } },
	{ "bypass", &stefix_bypass, { { 0 } } },
	{ "bypass, shareable", &stefix_bypass, { { STE_SHCFG, 2, 3 }, { STE_MEV, 1, 1 } } },
	{ "s1", &stefix_s1, { { 0 } } },
	{ "s1, other pointer", &stefix_s1, { { STE_S1CTX, 50, 0x56780000 >> 6 } } },
	{ "s1, 256 CDs", &stefix_s1, { { STE_S1CDMAX, 5, 8 }, { STE_S1DSS, 2, 2 } } },
	{ "s1, 1024 CDs", &stefix_s1, { { STE_S1CDMAX, 5, 10 }, { STE_S1DSS, 2, 2 } } },
	{ "s1, two levels",
	  &stefix_s1,
	  { { STE_S1CDMAX, 5, 16 }, { STE_S1FMT, 2, 2 }, { STE_S1DSS, 2, 2 } } },
	{ "s1, others bypass",
	  &stefix_s1,
	  { { STE_S1CDMAX, 5, 8 }, { STE_S1DSS, 2, 1 }, { STE_SHCFG, 2, 1 } } },
	{ "s1, ATS", &stefix_s1, { { STE_EATS, 2, 1 }, { STE_S1STALLD, 1, 1 } } },
	{ "s1, other VMID", &stefix_s1, { { STE_VMID, 16, 0x43 } } },
	{ "s1, EL2", &stefix_s1, { { STE_STRW, 2, 2 } } },
	{ "s1, MEV", &stefix_s1, { { STE_MEV, 1, 1 }, { STE_CONT, 4, 3 } } },
	{ "s2", &stefix_s2, { { 0 } } },
	{ "s2, other VMID", &stefix_s2, { { STE_VMID, 16, 0x43 } } },
	{ "s2, other table", &stefix_s2, { { STE_S2TTB, 52, 0x90000000 >> 4 } } },
	{ "s2, other VMID and table",
	  &stefix_s2,
	  { { STE_VMID, 16, 0x43 }, { STE_S2TTB, 52, 0x90000000 >> 4 } } },
	{ "s2, tracked", &stefix_s2, { { STE_S2HA, 1, 1 }, { STE_S2HD, 1, 1 } } },
	{ "s2, tracked in tables",
	  &stefix_s2,
	  { { STE_S2HA, 1, 1 }, { STE_S2HD, 1, 1 }, { STE_S2HAFT, 1, 1 } } },
	{ "s2, ATS", &stefix_s2, { { STE_EATS, 2, 1 } } },
	{ "s2, shareable", &stefix_s2, { { STE_SHCFG, 2, 3 } } },
	{ "s2, recorded", &stefix_s2, { { STE_S2R, 1, 1 } } },
	{ "s2, FWB and tracked",
	  &stefix_s2,
	  { { STE_S2FWB, 1, 1 }, { STE_S2HA, 1, 1 }, { STE_S2HD, 1, 1 } } },
	{ "nested", &stefix_nested, { { 0 } } },
	{ "nested, other VMID", &stefix_nested, { { STE_VMID, 16, 0x43 } } },
	{ "nested, tracked", &stefix_nested, { { STE_S2HA, 1, 1 }, { STE_S2HD, 1, 1 } } },
	{ "nested, other pointer", &stefix_nested, { { STE_S1CTX, 50, 0x56780000 >> 6 } } },
	{ "nested, 256 CDs", &stefix_nested, { { STE_S1CDMAX, 5, 8 }, { STE_S1DSS, 2, 1 } } },
	{ "nested, split ATS", &stefix_nested, { { STE_EATS, 2, 2 } } },
	{ "nested, FWB, MEV", &stefix_nested, { { STE_S2FWB, 1, 1 }, { STE_MEV, 1, 1 } } },
	{ "nested, other table", &stefix_nested, { { STE_S2TTB, 52, 0x90000000 >> 4 } } },
};

static const struct variant cds[] = {
	{ "nothing", &nothing, { { 0 } } },
	{ "leftovers", &stefix_both, { { CD_V, 1, 0 }, { CD_TTB0, 52, 0x7777000 } } },
	{ "lower", &stefix_lower, { { 0 } } },
	{ "lower, accessed", &stefix_lower, { { CD_HA, 1, 1 } } },
	{ "lower, tracked", &stefix_lower, { { CD_HA, 1, 1 }, { CD_HD, 1, 1 } } },
	{ "lower, tracked in tables",
	  &stefix_lower,
	  { { CD_HA, 1, 1 }, { CD_HD, 1, 1 }, { CD_HAFT, 1, 1 } } },
	{ "lower, other table", &stefix_lower, { { CD_TTB0, 52, 0x66660000 >> 4 } } },
	{ "lower, other ASID", &stefix_lower, { { CD_ASID, 16, 0x56 } } },
	{ "lower, other ASID and table",
	  &stefix_lower,
	  { { CD_ASID, 16, 0x56 }, { CD_TTB0, 52, 0x66660000 >> 4 } } },
	{ "lower, smaller", &stefix_lower, { { CD_T0SZ, 6, 25 } } },
	{ "lower, other MAIR", &stefix_lower, { { CD_MAIR, 64, 0x440c } } },
	{ "lower, stalls", &stefix_lower, { { CD_S, 1, 1 } } },
	{ "both", &stefix_both, { { 0 } } },
	{ "both, tracked", &stefix_both, { { CD_HA, 1, 1 }, { CD_HD, 1, 1 } } },
	{ "both, tracked in tables",
	  &stefix_both,
	  { { CD_HA, 1, 1 }, { CD_HD, 1, 1 }, { CD_HAFT, 1, 1 } } },
	{ "upper", &stefix_both, { { CD_EPD0, 1, 1 } } },
	{ "upper, nothing below", &stefix_both, { { CD_EPD0, 1, 1 }, { CD_TTB0, 52, 0 } } },
	{ "upper, tracked in tables",
	  &stefix_both,
	  { { CD_EPD0, 1, 1 }, { CD_TTB0, 52, 0 }, { CD_HA, 1, 1 }, { CD_HAFT, 1, 1 } } },
};

unsigned plan_cases(enum plan_kind kind, struct plan_case *cases)
{
	const struct variant *v = kind == PLAN_STE ? stes : cds;
	unsigned nr = kind == PLAN_STE ? IODT_ARRAY_SIZE(stes) : IODT_ARRAY_SIZE(cds);

	assert_true(nr <= PLAN_CASES);
	for (unsigned i = 0; i < nr; i++) {
		cases[i].name = v[i].name;
		cases[i].words = stefix_with(*v[i].base, v[i].set);
	}
	return nr;
}
