/* SPDX-License-Identifier: MIT */
/*
 * From one STE or CD to another while hardware reads it (Arm IHI 0070, 3.21.3): word by word, in any order, old
 * and new ones mixed, until an invalidation is complete.
 *
 * Bits that a structure does not use (IGNORED there) may be anything. So first what the new one uses and the
 * old one does not, then the one word in which both disagree, then what the old one used and the new one does
 * not. If they disagree in two words there is no such way, and V=0 is in between.
 */
#include <iodirty/smmuv3_ste.h>

#include <errno.h>
#include <string.h>

#include "smmuv3/ste_bits.h"
#include "smmuv3/tables.h"
#include "bits.h"

/* One structure: its words as they lie in memory, and which bits of them matter. */
struct version {
	uint64_t word[STE_WORDS];
	uint64_t used[STE_WORDS];
};

/*
 * Each function below fills a typed structure with ones in the fields it means; encoded it is a mask. `all` has
 * ones everywhere.
 */
#define USE(field) (used->field = all->field)

/* What matters of stage 1. */
static void ste_use_stage1(struct iod_smmuv3_ste *used, const struct iod_smmuv3_ste *all,
			   const struct iod_smmuv3_ste *ste)
{
	USE(s1contextptr);
	USE(s1cdmax);
	USE(s1cir);
	USE(s1cor);
	USE(s1csh);
	USE(s1stalld);
	USE(s1pie);
	USE(s1mpam);
	if (ste->config == IOD_SMMUV3_S1)
		USE(strw);
	if (ste->s1cdmax) {
		USE(s1fmt);
		USE(s1dss);
	}
	if (ste->config == IOD_SMMUV3_NESTED && ste->s1mpam)
		USE(vmsptr);
}

/* What matters of stage 2 and may be part of a cached translation (5.2.1). */
static void ste_use_tables(struct iod_smmuv3_ste *used, const struct iod_smmuv3_ste *all)
{
	USE(s2fwb);
	USE(s2t0sz);
	USE(s2sl0);
	USE(s2ir0);
	USE(s2or0);
	USE(s2sh0);
	USE(s2tg);
	USE(s2ps);
	USE(s2aa64);
	USE(s2endi);
	USE(s2affd);
	USE(s2ptw);
	USE(s2hd);
	USE(s2ha);
	USE(s2haft);
	USE(s2pie);
	USE(s2poe);
	USE(s2sl0_2);
	USE(s2ds);
	USE(s2ttb);
}

static bool ste_skips_stage1(const struct iod_smmuv3_ste *ste)
{
	return !STE_CONFIG_S1(ste->config) || (ste->s1cdmax && ste->s1dss == S1DSS_BYPASS);
}

/*
 * The fields that matter (5.2). Not among them: SW, and the hints MEV, CONT and ALLOCCFG, which may be old or new
 * at any time. VMID: whether stage 1 of EL2 has one depends on the ID registers.
 */
static void ste_use(struct iod_smmuv3_ste *used, const struct iod_smmuv3_ste *all,
		    const struct iod_smmuv3_ste *ste)
{
	USE(valid);
	if (!ste->valid)
		return;
	used->config = 4; /* the others abort whatever the lower bits are */
	if (ste->config < IOD_SMMUV3_BYPASS)
		return;
	USE(config);
	USE(ppar);
	USE(mtcfg);
	USE(memattr);
	USE(nscfg);
	USE(privcfg);
	USE(instcfg);
	USE(partid);
	USE(pmg);
	USE(unknown);
	if (ste_skips_stage1(ste))
		USE(shcfg); /* 13.5: else it comes from the stage-1 tables */
	if (ste->config == IOD_SMMUV3_BYPASS)
		return;
	USE(eats);
	if (ste->eats == EATS_DPT)
		USE(dpt_vmatch);
	USE(dre);
	USE(dcp);
	USE(s2vmid);
	if (STE_CONFIG_S1(ste->config))
		ste_use_stage1(used, all, ste);
	if (!STE_CONFIG_S2(ste->config))
		return;
	ste_use_tables(used, all);
	USE(s2hwu);
	USE(s2s);
	USE(s2r);
}

/*
 * Fields that a cached translation may have in it, or be tagged with. With other CDs come other ASIDs: whether
 * they are the same is not to be seen here.
 */
static void ste_use_cached(struct iod_smmuv3_ste *used, const struct iod_smmuv3_ste *all,
			   const struct iod_smmuv3_ste *ste)
{
	if (!ste->valid || ste->config <= IOD_SMMUV3_BYPASS)
		return;
	USE(valid);
	USE(s2vmid);
	USE(unknown);
	if (STE_CONFIG_S1(ste->config)) {
		USE(s1contextptr);
		if (ste->s1cdmax)
			USE(s1fmt);
		if (ste->config == IOD_SMMUV3_S1)
			USE(strw);
	}
	if (STE_CONFIG_S2(ste->config))
		ste_use_tables(used, all);
}

static void cd_use(struct iod_smmuv3_cd *used, const struct iod_smmuv3_cd *all,
		   const struct iod_smmuv3_cd *cd)
{
	if (!cd->valid) {
		USE(valid);
		return;
	}
	*used = *all;
	/* 5.4.1.1. On EL2 without E2H EPD0 is IGNORED; it is to be 0 there. */
	if (cd->epd0) {
		used->nscfg0 = used->had0 = used->e0pd0 = false;
		used->hwu0 = 0;
		used->ttb0 = 0;
	}
	if (cd->epd1) {
		used->nscfg1 = used->had1 = used->e0pd1 = false;
		used->hwu1 = 0;
		used->ttb1 = 0;
	}
}

/* 5.4.1: all but how faults end, and MPAM. */
static void cd_use_cached(struct iod_smmuv3_cd *used, const struct iod_smmuv3_cd *all,
			  const struct iod_smmuv3_cd *cd)
{
	if (!cd->valid)
		return;
	cd_use(used, all, cd);
	used->s = used->r = used->a = false;
	used->partid = 0;
	used->pmg = 0;
}

static void ste_all(struct iod_smmuv3_ste *all)
{
	struct iod_smmuv3_raw_ste ones;

	memset(&ones, 0xff, sizeof(ones));
	iod_smmuv3_ste_decode(all, &ones);
}

static void cd_all(struct iod_smmuv3_cd *all)
{
	struct iod_smmuv3_raw_cd ones;

	memset(&ones, 0xff, sizeof(ones));
	iod_smmuv3_cd_decode(all, &ones);
}

static unsigned words_that_differ(const uint64_t *a, const uint64_t *b)
{
	unsigned i, mask = 0;

	for (i = 0; i < STE_WORDS; i++)
		mask |= (unsigned)(a[i] != b[i]) << i;
	return mask;
}

/* A step that takes these words from @p to; @p now is the structure, before and after. */
static void add_step(struct iod_smmuv3_plan *plan, uint64_t *now, const uint64_t *to, unsigned mask)
{
	unsigned i;

	mask &= words_that_differ(now, to);
	if (!mask)
		return;
	for (i = 0; i < STE_WORDS; i++) {
		if (mask >> i & 1)
			now[i] = to[i];
	}
	plan->step[plan->nr].mask = (uint8_t)mask;
	memcpy(plan->step[plan->nr].value.word, now, sizeof(plan->step[plan->nr].value.word));
	plan->nr++;
}

/* How two versions differ, by words. */
struct difference {
	uint64_t prepared
		[STE_WORDS]; /* the old one, with all that it does not use as in the new one */
	unsigned any;	     /* words that differ at all */
	unsigned critical;   /* in bits that both use */
	unsigned before;     /* in bits that the new one uses: to be there when it counts */
	unsigned after;	     /* in bits that the old one uses: to be there as long as it counts */
};

static void difference(struct difference *d, const struct version *from, const struct version *to)
{
	unsigned i;

	memset(d, 0, sizeof(*d));
	d->any = words_that_differ(from->word, to->word);
	for (i = 0; i < STE_WORDS; i++) {
		uint64_t differ = from->word[i] ^ to->word[i];

		d->prepared[i] = (from->word[i] & from->used[i]) | (to->word[i] & ~from->used[i]);
		d->critical |= (unsigned)!!(differ & from->used[i] & to->used[i]) << i;
		d->before |= (unsigned)!!(differ & ~from->used[i] & to->used[i]) << i;
		d->after |= (unsigned)!!(differ & from->used[i]) << i;
	}
	d->before &= ~d->critical;
	d->after &= ~d->critical;
}

/* At most one word disagrees: what is new beforehand, that word, what was old afterwards. */
static void plan_direct(struct iod_smmuv3_plan *plan, const struct version *from,
			const struct version *to, const struct difference *d)
{
	unsigned loose = d->any & ~(d->critical | d->before | d->after);
	uint64_t now[STE_WORDS];

	memcpy(now, from->word, sizeof(now));
	if (d->before)
		add_step(plan, now, d->prepared, d->before | loose);
	if (d->critical)
		add_step(plan, now, to->word, d->critical | (d->after ? 0 : loose));
	add_step(plan, now, to->word, d->any);
}

/* Through V=0, which makes everything else of a structure IGNORED. */
static void plan_break(struct iod_smmuv3_plan *plan, const struct version *from,
		       const struct version *to, uint64_t v)
{
	uint64_t now[STE_WORDS], off[STE_WORDS];

	memcpy(now, from->word, sizeof(now));
	memcpy(off, to->word, sizeof(off));
	off[0] &= ~v;
	plan->breaks = true;
	add_step(plan, now, off, 1);
	add_step(plan, now, off, 0xff);
	add_step(plan, now, to->word, 1);
}

static bool is_one_word(unsigned mask)
{
	return !(mask & (mask - 1));
}

/* Whether translations of the old one may not stay: it had a field in them that the new one has not. */
static bool outlived(const struct version *from, const struct version *to, const uint64_t *cached)
{
	uint64_t any = 0;
	unsigned i;

	for (i = 0; i < STE_WORDS; i++)
		any |= cached[i] & ((from->word[i] ^ to->word[i]) | ~to->used[i]);
	return any;
}

static void ste_version(struct version *v, const struct iod_smmuv3_raw_ste *raw,
			struct iod_smmuv3_ste *ste, uint64_t *cached)
{
	struct iod_smmuv3_ste all, used = { 0 }, tlb = { 0 };
	struct iod_smmuv3_raw_ste mask;

	ste_all(&all);
	iod_smmuv3_ste_decode(ste, raw);
	ste_use(&used, &all, ste);
	iod_smmuv3_ste_encode(&mask, &used);
	memcpy(v->word, raw->word, sizeof(v->word));
	memcpy(v->used, mask.word, sizeof(v->used));
	ste_use_cached(&tlb, &all, ste);
	iod_smmuv3_ste_encode(&mask, &tlb);
	memcpy(cached, mask.word, sizeof(mask.word));
}

/* ATCs have what was translated; and where ATS ends, they must not keep it. */
static bool atc_outlived(const struct iod_smmuv3_ste *from, const struct iod_smmuv3_ste *to)
{
	if (!from->valid || from->config <= IOD_SMMUV3_BYPASS || from->eats == EATS_NONE)
		return false;
	return !to->valid || from->config != to->config || from->eats != to->eats ||
	       from->s1dss != to->s1dss;
}

/* Whether a CD may lie elsewhere, or nowhere: S1Fmt counts from the first substream on, and so does alignment. */
static bool cds_moved(const struct iod_smmuv3_ste *from, const struct iod_smmuv3_ste *to)
{
	struct cdtab_geometry a = cdtab_geometry(from), b = cdtab_geometry(to);

	if (!from->valid || !STE_CONFIG_S1(from->config))
		return false;
	return b.bits < a.bits || b.base != a.base || b.split != a.split;
}

int iod_smmuv3_ste_plan(struct iod_smmuv3_plan *plan, const struct iod_smmuv3_raw_ste *from,
			const struct iod_smmuv3_raw_ste *to)
{
	uint64_t cached[STE_WORDS], unneeded[STE_WORDS];
	struct iod_smmuv3_ste old, new;
	struct version a, b;
	struct difference d;

	if (!plan || !from || !to)
		return -EINVAL;
	memset(plan, 0, sizeof(*plan));
	ste_version(&a, from, &old, cached);
	ste_version(&b, to, &new, unneeded);
	difference(&d, &a, &b);
	if (is_one_word(d.critical))
		plan_direct(plan, &a, &b, &d);
	else
		plan_break(plan, &a, &b, iod_le64(BIT64(0)));
	plan->tlbi = outlived(&a, &b, cached) || cds_moved(&old, &new);
	plan->atc = atc_outlived(&old, &new) || (plan->tlbi && old.eats != EATS_NONE);
	return 0;
}

static void cd_version(struct version *v, const struct iod_smmuv3_cd *cd, uint64_t *cached)
{
	struct iod_smmuv3_cd all, used = { 0 }, tlb = { 0 };
	struct iod_smmuv3_raw_cd mask;

	cd_all(&all);
	iod_smmuv3_cd_encode(&mask, cd);
	memcpy(v->word, mask.word, sizeof(v->word));
	cd_use(&used, &all, cd);
	iod_smmuv3_cd_encode(&mask, &used);
	memcpy(v->used, mask.word, sizeof(v->used));
	cd_use_cached(&tlb, &all, cd);
	iod_smmuv3_cd_encode(&mask, &tlb);
	memcpy(cached, mask.word, sizeof(mask.word));
}

/*
 * HA and HD are in one word, HAFT in another, and HAFT without HA is ILLEGAL. So HAFT is switched on after, and off
 * before everything else. @return whether that made a plan
 */
static bool plan_haft(struct iod_smmuv3_plan *plan, const struct iod_smmuv3_cd *old,
		      const struct iod_smmuv3_cd *new)
{
	struct iod_smmuv3_cd from = *old, to = *new;
	uint64_t unneeded[STE_WORDS], now[STE_WORDS];
	struct version a, b, first, last;
	struct difference d;

	if (!old->valid || !new->valid || old->haft == new->haft)
		return false;
	/* One that is ILLEGAL for want of HA would be none in between. */
	if (old->haft ? !old->ha : !new->ha)
		return false;
	from.haft = false;
	to.haft = false;
	cd_version(&first, old, unneeded);
	cd_version(&a, &from, unneeded);
	cd_version(&b, &to, unneeded);
	cd_version(&last, new, unneeded);
	difference(&d, &a, &b);
	if (!is_one_word(d.critical))
		return false;
	memcpy(now, first.word, sizeof(now));
	if (old->haft || d.before)
		add_step(plan, now, d.prepared, d.before | 1u << 1);
	add_step(plan, now, b.word, d.critical);
	add_step(plan, now, last.word, 0xff);
	return true;
}

int iod_smmuv3_cd_plan(struct iod_smmuv3_plan *plan, const struct iod_smmuv3_raw_cd *from,
		       const struct iod_smmuv3_raw_cd *to)
{
	uint64_t cached[STE_WORDS], unneeded[STE_WORDS];
	struct iod_smmuv3_cd old, new;
	struct version a, b;
	struct difference d;

	if (!plan || !from || !to)
		return -EINVAL;
	memset(plan, 0, sizeof(*plan));
	iod_smmuv3_cd_decode(&old, from);
	iod_smmuv3_cd_decode(&new, to);
	cd_version(&a, &old, cached);
	cd_version(&b, &new, unneeded);
	difference(&d, &a, &b);
	if (is_one_word(d.critical))
		plan_direct(plan, &a, &b, &d);
	else if (!plan_haft(plan, &old, &new))
		plan_break(plan, &a, &b, iod_le64(BIT64(31)));
	plan->tlbi = outlived(&a, &b, cached);
	plan->atc = plan->tlbi;
	return 0;
}
