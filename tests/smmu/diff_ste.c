/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3 stream table entries and context descriptors: the library's fields,
 * its verdicts and the page tables it finds in them, against the independent
 * model. Uniform words, words a few bits off legal ones, every bit of every
 * golden structure.
 */
#include "smmu/diff_smmu.h"

#include <string.h>

#include <iodirty/pgtable.h>
#include <iodirty/smmuv3_ste.h>

#define NE(l, m)                                    \
	do {                                        \
		if ((uint64_t)(l) != (uint64_t)(m)) \
			return #l;                  \
	} while (0)

/* @return NULL, or the field that differs */
static const char *ste_s2_differs(const struct iod_smmuv3_ste *l, const struct mdl_ste *m)
{
	NE(l->s2vmid, m->s2vmid);
	NE(l->s2t0sz, m->s2t0sz);
	NE(l->s2sl0, m->s2sl0);
	NE(l->s2ir0, m->s2ir0);
	NE(l->s2or0, m->s2or0);
	NE(l->s2sh0, m->s2sh0);
	NE(l->s2tg, m->s2tg);
	NE(l->s2ps, m->s2ps);
	NE(l->s2aa64, m->s2aa64);
	NE(l->s2endi, m->s2endi);
	NE(l->s2affd, m->s2affd);
	NE(l->s2ptw, m->s2ptw);
	NE(l->s2hd, m->s2hd);
	NE(l->s2ha, m->s2ha);
	NE(l->s2s, m->s2s);
	NE(l->s2r, m->s2r);
	NE(l->s2haft, m->s2haft);
	NE(l->s2pie, m->s2pie);
	NE(l->s2poe, m->s2poe);
	NE(l->dpt_vmatch, m->dpt_vmatch);
	NE(l->s2sl0_2, m->s2sl0_2);
	NE(l->s2ds, m->s2ds);
	NE(l->s2ttb, m->s2ttb);
	return NULL;
}

static const char *ste_differs(const struct iod_smmuv3_ste *l, const struct mdl_ste *m)
{
	NE(l->valid, m->v);
	NE(l->config, m->config);
	NE(l->s1fmt, m->s1fmt);
	NE(l->s1cdmax, m->s1cdmax);
	NE(l->s1contextptr, m->s1ctxptr);
	NE(l->s1dss, m->s1dss);
	NE(l->s1cir, m->s1cir);
	NE(l->s1cor, m->s1cor);
	NE(l->s1csh, m->s1csh);
	NE(l->s2hwu, m->s2hwu);
	NE(l->dre, m->dre);
	NE(l->cont, m->cont);
	NE(l->dcp, m->dcp);
	NE(l->ppar, m->ppar);
	NE(l->mev, m->mev);
	NE(l->sw, m->sw);
	NE(l->s1pie, m->s1pie);
	NE(l->s2fwb, m->s2fwb);
	NE(l->s1mpam, m->s1mpam);
	NE(l->s1stalld, m->s1stalld);
	NE(l->eats, m->eats);
	NE(l->strw, m->strw);
	NE(l->memattr, m->memattr);
	NE(l->mtcfg, m->mtcfg);
	NE(l->alloccfg, m->alloccfg);
	NE(l->shcfg, m->shcfg);
	NE(l->nscfg, m->nscfg);
	NE(l->privcfg, m->privcfg);
	NE(l->instcfg, m->instcfg);
	NE(l->partid, m->partid);
	NE(l->pmg, m->pmg);
	NE(l->vmsptr, m->vmsptr);
	return ste_s2_differs(l, m);
}

static const char *cd_word0_differs(const struct iod_smmuv3_cd *l, const struct mdl_cd *m)
{
	NE(l->valid, m->v);
	NE(l->t0sz, m->t0sz);
	NE(l->tg0, m->tg0);
	NE(l->ir0, m->ir0);
	NE(l->or0, m->or0);
	NE(l->sh0, m->sh0);
	NE(l->epd0, m->epd0);
	NE(l->endi, m->endi);
	NE(l->t1sz, m->t1sz);
	NE(l->tg1, m->tg1);
	NE(l->ir1, m->ir1);
	NE(l->or1, m->or1);
	NE(l->sh1, m->sh1);
	NE(l->epd1, m->epd1);
	NE(l->ips, m->ips);
	NE(l->affd, m->affd);
	NE(l->wxn, m->wxn);
	NE(l->uwxn, m->uwxn);
	NE(l->tbi0, m->tbi0);
	NE(l->tbi1, m->tbi1);
	NE(l->pan, m->pan);
	NE(l->aa64, m->aa64);
	NE(l->hd, m->hd);
	NE(l->ha, m->ha);
	NE(l->s, m->s);
	NE(l->r, m->r);
	NE(l->a, m->a);
	NE(l->aset, m->aset);
	NE(l->asid, m->asid);
	return NULL;
}

static const char *cd_differs(const struct iod_smmuv3_cd *l, const struct mdl_cd *m)
{
	NE(l->nscfg0, m->nscfg0);
	NE(l->had0, m->had0);
	NE(l->e0pd0, m->e0pd0);
	NE(l->haft, m->haft);
	NE(l->ttb0, m->ttb0);
	NE(l->pnch, m->pnch);
	NE(l->epan, m->epan);
	NE(l->hwu0, m->hwu0);
	NE(l->nscfg1, m->nscfg1);
	NE(l->had1, m->had1);
	NE(l->e0pd1, m->e0pd1);
	NE(l->aie, m->aie);
	NE(l->ttb1, m->ttb1);
	NE(l->ds, m->ds);
	NE(l->pie, m->pie);
	NE(l->hwu1, m->hwu1);
	NE(l->mair, m->mair);
	NE(l->amair, m->amair);
	NE(l->partid, m->partid);
	NE(l->pmg, m->pmg);
	return cd_word0_differs(l, m);
}

static bool any(const uint64_t w[8])
{
	uint64_t all = 0;
	unsigned i;

	for (i = 0; i < 8; i++)
		all |= w[i];
	return all;
}

/* Both ways of one structure. */
struct both_ste {
	struct iod_smmuv3_ste l;
	struct mdl_ste m;
};

struct both_cd {
	struct iod_smmuv3_cd l;
	struct mdl_cd m;
};

static void both_ste(struct diff *d, const uint64_t w[8], struct both_ste *b)
{
	struct iod_smmuv3_raw_ste raw, back;
	uint64_t unknown[8];
	const char *what;

	diff_to_le(raw.word, w, 8);
	memset(&b->l, 0xa5, sizeof(b->l));
	assert_int_equal(iod_smmuv3_ste_decode(&b->l, &raw), 0);
	mdl_ste_decode(w, &b->m);
	what = ste_differs(&b->l, &b->m);
	if (what)
		diff_mismatch(d, "STE: %s", what);
	diff_from_le(unknown, b->l.unknown.word, 8);
	if (memcmp(unknown, b->m.res, sizeof(unknown)))
		diff_mismatch(d, "STE: unknown bits");
	assert_int_equal(iod_smmuv3_ste_encode(&back, &b->l), 0);
	assert_memory_equal(&back, &raw, sizeof(raw));
}

static void both_cd(struct diff *d, const uint64_t w[8], struct both_cd *b)
{
	struct iod_smmuv3_raw_cd raw, back;
	uint64_t unknown[8];
	const char *what;

	diff_to_le(raw.word, w, 8);
	memset(&b->l, 0xa5, sizeof(b->l));
	assert_int_equal(iod_smmuv3_cd_decode(&b->l, &raw), 0);
	mdl_cd_decode(w, &b->m);
	what = cd_differs(&b->l, &b->m);
	if (what)
		diff_mismatch(d, "CD: %s", what);
	diff_from_le(unknown, b->l.unknown.word, 8);
	if (memcmp(unknown, b->m.res, sizeof(unknown)))
		diff_mismatch(d, "CD: unknown bits");
	assert_int_equal(iod_smmuv3_cd_encode(&back, &b->l), 0);
	assert_memory_equal(&back, &raw, sizeof(raw));
}

/* A table that is found must be the model's; one that is not found must be beyond something. */
static void same_table(struct diff *d, const struct iod_pgtable_cfg *cfg, uint64_t root,
		       const struct mdl_table *t)
{
	bool access = cfg->features & IOD_PT_HW_ACCESS;

	if (cfg->granule != 1u << t->granule_lg2 || cfg->ias != t->ias || root != t->root)
		diff_mismatch(d, "granule %u ias %u root %#llx", cfg->granule, cfg->ias,
			      (unsigned long long)root);
	if (cfg->oas != t->oas)
		diff_mismatch(d, "oas %u, not %u", cfg->oas, t->oas);
	if (cfg->levels && cfg->levels != (unsigned)(4 - t->start_level))
		diff_mismatch(d, "%u levels", cfg->levels);
	if (access != t->hw_access || !(cfg->features & IOD_PT_HW_DIRTY) != !t->hw_dirty ||
	    !(cfg->features & IOD_PT_HW_TABLE_ACCESS) != !t->hw_table_access)
		diff_mismatch(d, "hardware update %#x", cfg->features);
	if (!(cfg->features & IOD_PT_UPPER) != !t->upper)
		diff_mismatch(d, "upper");
}

/* What the library refuses of legal tables: things the model leaves out, or has no use for. */
static void stage2_table(struct diff *d, const struct both_ste *b)
{
	struct iod_smmuv3_ste eff;
	struct iod_pgtable_cfg cfg;
	struct mdl_table t;
	const char *why;
	uint64_t root;
	int ret;

	if (b->m.config < MDL_STE_S2)
		return;
	assert_int_equal(iod_smmuv3_ste_effective(&eff, &b->l, &d->id, 0), 0);
	ret = iod_smmuv3_ste_get_stage2(&eff, &cfg, &root, &why);
	if (mdl_ste_beyond(&b->m, &d->mid))
		return;
	mdl_ste_table(&b->m, &d->mid, &t);
	if (ret &&
	    ((t.ias > 48 && t.oas < 52) || (t.ias > 32 && !b->m.s2aa64))) /* the library's limits */
		return;
	if (ret) {
		diff_mismatch(d, "stage 2 refused: %s", why);
		return;
	}
	same_table(d, &cfg, root, &t);
}

static void stage1_table(struct diff *d, const struct both_ste *s, const struct both_cd *b,
			 int half, uint32_t flags)
{
	bool el2 = (d->mid.idr[0] & 0x202) == 0x202 && s->m.config == MDL_STE_S1 &&
		   s->m.strw == 2 && !flags;
	bool off = half ? el2 || b->m.epd1 : !el2 && b->m.epd0;
	struct iod_smmuv3_cd eff;
	struct iod_pgtable_cfg cfg;
	struct mdl_table t;
	const char *why;
	uint64_t root;
	int ret;

	assert_int_equal(iod_smmuv3_cd_effective(&eff, &b->l, &s->l, &d->id, flags), 0);
	ret = iod_smmuv3_cd_get_stage1(&eff, half, &cfg, &root, &why);
	if (off) {
		if (ret != -ENOENT)
			diff_mismatch(d, "half %d is off, but %d", half, ret);
		return;
	}
	if (mdl_cd_beyond(&s->m, &b->m, &d->mid))
		return;
	/* the upper half of 32-bit tables with T1SZ 0: what the lower one leaves, maybe nothing */
	if (ret && half && !b->m.aa64 && !(b->m.t1sz & 7))
		return;
	mdl_cd_table(&b->m, &d->mid, half, &t);
	if (ret && t.ias > 48 && t.oas < 52)
		return;
	if (ret) {
		diff_mismatch(d, "half %d refused: %s", half, why);
		return;
	}
	same_table(d, &cfg, root, &t);
}

/* @return whether it is legal */
static bool verdict_ste(struct diff *d, const struct both_ste *b)
{
	const char *why = NULL, *model = mdl_ste_illegal(&b->m, &d->mid);
	int ret = iod_smmuv3_ste_check(&b->l, &d->id, 0, &why);
	int strict = iod_smmuv3_ste_check(&b->l, &d->id, IOD_SMMUV3_CHECK_UNKNOWN, NULL);

	if (ret != (model ? IOD_SMMUV3_C_BAD_STE : 0))
		diff_mismatch(d, "STE: %d (%s), the model says %s", ret, why ? why : "legal",
			      model ? model : "legal");
	if (ret && !why)
		diff_mismatch(d, "STE: no reason");
	if (strict != (model || any(b->m.res) ? IOD_SMMUV3_C_BAD_STE : 0))
		diff_mismatch(d, "STE: unknown bits are overlooked");
	if (!model)
		stage2_table(d, b);
	return !model;
}

static bool verdict_cd(struct diff *d, const struct both_ste *s, const struct both_cd *b)
{
	uint32_t e2h = diff_chance(d, 2) ? IOD_SMMUV3_CHECK_E2H : 0;
	const char *why = NULL, *model = mdl_cd_illegal(&s->m, &b->m, &d->mid, e2h);
	int ret = iod_smmuv3_cd_check(&b->l, &s->l, &d->id, e2h, &why);
	int strict =
		iod_smmuv3_cd_check(&b->l, &s->l, &d->id, e2h | IOD_SMMUV3_CHECK_UNKNOWN, NULL);

	if (ret != (model ? IOD_SMMUV3_C_BAD_CD : 0))
		diff_mismatch(d, "CD: %d (%s), the model says %s", ret, why ? why : "legal",
			      model ? model : "legal");
	if (ret && !why)
		diff_mismatch(d, "CD: no reason");
	if (strict != (model || any(b->m.res) ? IOD_SMMUV3_C_BAD_CD : 0))
		diff_mismatch(d, "CD: unknown bits are overlooked");
	if (!model) {
		stage1_table(d, s, b, 0, e2h);
		stage1_table(d, s, b, 1, e2h);
	}
	return !model;
}

/* Extensions that have no name in the library's header: S1PI, S2PI, S2PO, MPAM. */
static void id_extensions(struct diff *d)
{
	static const uint8_t bits[4] = { 18, 19, 20, 7 };
	unsigned i;

	for (i = 0; i < 4; i++)
		if (diff_chance(d, 3))
			d->id.idr[3] |= 1u << bits[i];
	memcpy(d->mid.idr, d->id.idr, sizeof(d->mid.idr));
}

static void some_id(struct diff *d)
{
	if (diff_chance(d, 4))
		diff_id_gold(d);
	else
		diff_id_random(d);
	if (diff_chance(d, 4))
		id_extensions(d);
}

/* Fields of a legal structure made new at random, so that much of what is legal is met. */
static void vary_ste(struct diff *d, uint64_t w[8])
{
	if (diff_chance(d, 2)) /* S2T0SZ, S2SL0 */
		w[2] = (w[2] & ~(UINT64_C(0xff) << 32)) | (diff_random(d) & 0xff) << 32;
	if (diff_chance(d, 3)) /* S2TG */
		w[2] ^= (diff_random(d) & 3) << 46;
	if (diff_chance(d, 3)) /* S2PS */
		w[2] ^= (diff_random(d) & 7) << 48;
	if (diff_chance(d, 4)) /* AA64 */
		w[2] ^= UINT64_C(1) << 51;
	if (diff_chance(d, 3)) /* S2TTB */
		w[3] = diff_random(d) >> (8 + diff_below(d, 56)) & ~UINT64_C(15);
	if (diff_chance(d, 3)) /* Config */
		w[0] ^= (diff_random(d) & 7) << 1;
	if (diff_chance(d, 3)) /* S1CDMax, S1Fmt */
		w[0] ^= diff_random(d) << 59 | (diff_random(d) & 3) << 4;
	if (diff_chance(d, 3)) /* S1STALLD, EATS, STRW */
		w[1] ^= (diff_random(d) & 0x1f) << 27;
	if (diff_chance(d, 8))
		w[7] ^= diff_random(d);
	diff_flip(d, w, 4);
}

static void vary_cd(struct diff *d, uint64_t w[8])
{
	if (diff_chance(d, 2)) /* T0SZ, TG0 */
		w[0] = (w[0] & ~UINT64_C(0xff)) | (diff_random(d) & 0xff);
	if (diff_chance(d, 2)) /* T1SZ, TG1 */
		w[0] = (w[0] & ~UINT64_C(0xff0000)) | (diff_random(d) & 0xff0000);
	if (diff_chance(d, 3)) /* EPD0, EPD1 */
		w[0] ^= diff_random(d) & (UINT64_C(1) << 14 | UINT64_C(1) << 30);
	if (diff_chance(d, 3)) /* IPS to A */
		w[0] ^= (diff_random(d) & diff_random(d) & 0x7fff) << 32;
	if (diff_chance(d, 3))
		w[1 + diff_below(d, 2)] = diff_random(d) >> (8 + diff_below(d, 56)) & ~UINT64_C(15);
	if (diff_chance(d, 8))
		w[6 + diff_below(d, 2)] ^= diff_random(d) & diff_random(d);
	diff_flip(d, w, 3);
}

static void uniform(void **state)
{
	unsigned i, k, n = iodt_scale(50000);
	struct both_ste s;
	struct both_cd c;
	struct diff d;
	uint64_t w[8];

	(void)state;
	diff_start(&d);
	for (i = 0; i < n; i++) {
		some_id(&d);
		for (k = 0; k < 8; k++)
			w[k] = diff_random(&d);
		both_ste(&d, w, &s);
		verdict_ste(&d, &s);
		both_cd(&d, w, &c);
		verdict_cd(&d, &s, &c);
	}
}

static unsigned near_legal_ste(struct diff *d, unsigned n)
{
	const struct gold *g;
	struct both_ste s;
	unsigned i, legal = 0;
	uint64_t w[8];

	for (i = 0; i < n; i++) {
		some_id(d);
		g = &gold_stes[2 + diff_below(d, DIFF_COUNT(gold_stes) - 2)];
		memcpy(w, g->w, sizeof(w));
		vary_ste(d, w);
		both_ste(d, w, &s);
		legal += verdict_ste(d, &s);
	}
	return legal;
}

static unsigned near_legal_cd(struct diff *d, unsigned n)
{
	const struct gold *g;
	struct both_ste s;
	struct both_cd c;
	unsigned i, legal = 0;
	uint64_t w[8], sw[8];

	for (i = 0; i < n; i++) {
		some_id(d);
		g = &gold_stes[3 + diff_below(d, DIFF_COUNT(gold_stes) - 3)];
		memcpy(sw, g->w, sizeof(sw));
		vary_ste(d, sw);
		both_ste(d, sw, &s);
		g = &gold_cds[1 + diff_below(d, DIFF_COUNT(gold_cds) - 1)];
		memcpy(w, g->w, sizeof(w));
		vary_cd(d, w);
		both_cd(d, w, &c);
		legal += verdict_cd(d, &s, &c);
	}
	return legal;
}

static void near_legal(void **state)
{
	unsigned n = iodt_scale(150000), stes, cds;
	struct diff d;

	(void)state;
	diff_start(&d);
	stes = near_legal_ste(&d, n);
	cds = near_legal_cd(&d, n);
	print_message("legal: %u STEs, %u CDs of %u each\n", stes, cds, n);
	assert_true(stes > n / 10 && cds > n / 50);
}

/*
 * Every bit of every golden structure: another value of a field, or among the
 * unknown bits; and the verdict is the model's.
 */
static void every_bit(void **state)
{
	struct both_ste s, s0;
	struct both_cd c, c0;
	unsigned i, bit;
	struct diff d;
	uint64_t w[8];

	(void)state;
	diff_start(&d);
	for (i = 0; i < DIFF_COUNT(gold_stes); i++) {
		both_ste(&d, gold_stes[i].w, &s0);
		assert_int_equal(verdict_ste(&d, &s0), gold_stes[i].verdict == GOLD_OK);
		for (bit = 0; bit < 512; bit++) {
			memcpy(w, gold_stes[i].w, sizeof(w));
			w[bit / 64] ^= UINT64_C(1) << bit % 64;
			both_ste(&d, w, &s);
			verdict_ste(&d, &s);
			assert_memory_not_equal(&s.l, &s0.l, sizeof(s.l));
		}
	}
	both_ste(&d, gold_stes[3].w, &s0);
	s0.l.s1stalld = s0.m.s1stalld = false;
	for (i = 0; i < DIFF_COUNT(gold_cds); i++) {
		both_cd(&d, gold_cds[i].w, &c0);
		assert_int_equal(verdict_cd(&d, &s0, &c0), gold_cds[i].verdict == GOLD_OK);
		for (bit = 0; bit < 512; bit++) {
			memcpy(w, gold_cds[i].w, sizeof(w));
			w[bit / 64] ^= UINT64_C(1) << bit % 64;
			both_cd(&d, w, &c);
			verdict_cd(&d, &s0, &c);
			assert_memory_not_equal(&c.l, &c0.l, sizeof(c.l));
		}
	}
}

/* Level-1 descriptors: what the library encodes, the model reads. */
static void level1(void **state)
{
	uint64_t raw, ptr, w;
	struct mdl_l1std st;
	struct mdl_l1cd cd;
	struct diff d;
	unsigned i, lg2;

	(void)state;
	diff_start(&d);
	for (i = 0; i < 20000; i++) {
		lg2 = diff_below(&d, 11);
		ptr = diff_random(&d) & UINT64_C(0x00ffffffffffffff) & ~((UINT64_C(64) << lg2) - 1);
		assert_int_equal(iod_smmuv3_l1std_encode(&raw, ptr, lg2), 0);
		diff_from_le(&w, &raw, 1);
		mdl_l1std_decode(w, &st);
		assert_int_equal(st.lg2, lg2);
		assert_int_equal(st.ptr, ptr);
		assert_int_equal(st.res, 0);
		ptr &= ~UINT64_C(0xfff);
		assert_int_equal(iod_smmuv3_l1cd_encode(&raw, ptr), 0);
		diff_from_le(&w, &raw, 1);
		mdl_l1cd_decode(w, &cd);
		assert_true(cd.v);
		assert_int_equal(cd.ptr, ptr);
		assert_int_equal(cd.res, 0);
	}
	assert_int_equal(iod_smmuv3_l1std_encode(&raw, 0, 11), -EINVAL);
	assert_int_equal(iod_smmuv3_l1std_encode(&raw, UINT64_C(1) << 56, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_l1cd_encode(&raw, 0x800), -EINVAL);
}

/* The twin: a library that does not know that VMIDs have 8 bits here, and checks with both flags, is seen. */
static void twin(void **state)
{
	struct both_ste s;
	struct diff d;

	(void)state;
	diff_start(&d);
	d.twin = 1;
	d.mid.idr[0] &= ~(1u << 18);
	both_ste(&d, gold_stes[6].w, &s); /* VMID 0x1234 */
	assert_int_equal(d.mismatches, 0);
	verdict_ste(&d, &s);
	assert_int_equal(d.mismatches, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uniform),   cmocka_unit_test(near_legal),
		cmocka_unit_test(every_bit), cmocka_unit_test(level1),
		cmocka_unit_test(twin),
	};

	return cmocka_run_group_tests_name("SMMUv3 structures against the model", tests, NULL,
					   NULL);
}
