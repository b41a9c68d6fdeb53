/* SPDX-License-Identifier: MIT */
/* SMMUv3: what STE and CD say about page tables, in the words of model.h; and what is left out. */
#include "mdl_smmu_int.h"

static unsigned min_u(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

bool mdl_ste_beyond(const struct mdl_ste *ste, const struct mdl_smmu_id *id)
{
	unsigned granule = ste->s2aa64 ? mdl_smmu_granule0(ste->s2tg, id) : 12;

	if (ste->config < MDL_STE_S2)
		return false;
	if (ste->s2endi || (!ste->s2aa64 && ID_D128(id)))
		return true;
	if ((ID_S2PI(id) && ste->s2pie) || (ID_S2PO(id) && ste->s2poe))
		return true;
	/* the VMS is not fetched here */
	if (ste->s1mpam && ID_MPAM(id) && ste->config == MDL_STE_NESTED)
		return true;
	/* 52-bit input with 64K pages where output is shorter: bits 15:12 are not modelled */
	if (granule == 16 && ste->s2t0sz < 16 && mdl_smmu_oas(id) < 52)
		return true;
	return ste->s2aa64 && mdl_smmu_ds(ste->s2ds, granule, id);
}

static bool cd_half_beyond(bool ds, unsigned tsz, unsigned granule, const struct mdl_smmu_id *id)
{
	return mdl_smmu_ds(ds, granule, id) || (granule == 16 && tsz < 16 && mdl_smmu_oas(id) < 52);
}

bool mdl_cd_beyond(const struct mdl_ste *ste, const struct mdl_cd *cd, const struct mdl_smmu_id *id)
{
	if (cd->endi || (!cd->aa64 && ID_D128(id)))
		return true;
	if (cd->pie && ste->s1pie && ID_S1PI(id))
		return true;
	if (!cd->aa64)
		return false;
	return cd_half_beyond(cd->ds, cd->t0sz, mdl_smmu_granule0(cd->tg0, id), id) ||
	       cd_half_beyond(cd->ds, cd->t1sz, mdl_smmu_granule1(cd->tg1, id), id);
}

/* Effective output size of a 64-bit format; a small granule cannot express more than 48 bits. */
static unsigned out_bits(unsigned ps, unsigned granule, const struct mdl_smmu_id *id)
{
	unsigned bits = min_u(mdl_smmu_bits(ps), mdl_smmu_oas(id));

	return min_u(bits, granule == 16 ? 52 : 48);
}

/* Low bits of a base do not count: it is aligned to its size, all concatenated tables, at least 64 bytes. */
static void align_root(struct mdl_table *t)
{
	unsigned shift = t->granule_lg2 + (unsigned)(3 - t->start_level) * (t->granule_lg2 - 3);
	unsigned lg2 = t->ias - shift + 3;

	t->root &= ~mdl_low(lg2 < 6 ? 6 : lg2);
}

void mdl_ste_table(const struct mdl_ste *ste, const struct mdl_smmu_id *id, struct mdl_table *t)
{
	int t0sz = (int)(ste->s2t0sz & 0xf);

	*t = (struct mdl_table){ .format = MDL_ARM_S2, .root = ste->s2ttb, .s2fwb = ste->s2fwb };
	if (!ste->s2aa64) {
		/* VMSAv8-32 LPAE: up to 40 bits of input, so not the model's lpae32 */
		t->granule_lg2 = 12;
		t->ias = (unsigned)(32 - (t0sz < 8 ? t0sz : t0sz - 16));
		t->start_level = 2 - (int)ste->s2sl0;
		t->oas = 40;
		align_root(t);
		return;
	}
	t->granule_lg2 = mdl_smmu_granule0(ste->s2tg, id);
	t->ias = 64 - ste->s2t0sz;
	t->start_level = mdl_smmu_s2_level(ste, t->granule_lg2, false, id);
	t->oas = out_bits(ste->s2ps, t->granule_lg2, id);
	t->lpa52 = t->granule_lg2 == 16 && mdl_smmu_oas(id) >= 52;
	t->hw_access = ste->s2ha;
	t->hw_dirty = ste->s2ha && ste->s2hd;
	t->hw_table_access = ste->s2ha && ste->s2haft && ID_HTTU(id) == 3;
	align_root(t);
}

static int s1_start(unsigned ias, unsigned granule)
{
	unsigned bits = granule - 3;

	return 4 - (int)((ias - granule + bits - 1) / bits);
}

void mdl_cd_table(const struct mdl_cd *cd, const struct mdl_smmu_id *id, int half,
		  struct mdl_table *t)
{
	unsigned tsz = half ? cd->t1sz : cd->t0sz;

	*t = (struct mdl_table){
		.format = MDL_ARM_S1,
		.root = half ? cd->ttb1 : cd->ttb0,
		.upper = half,
	};
	if (!cd->aa64) {
		t->lpae32 = true;
		t->granule_lg2 = 12;
		t->ias = 32 - (tsz & 7);
		t->oas = 40;
	} else {
		t->granule_lg2 =
			half ? mdl_smmu_granule1(cd->tg1, id) : mdl_smmu_granule0(cd->tg0, id);
		t->ias = 64 - tsz;
		t->oas = out_bits(cd->ips, t->granule_lg2, id);
		t->lpa52 = t->granule_lg2 == 16 && mdl_smmu_oas(id) >= 52;
		t->hw_access = cd->ha;
		t->hw_dirty = cd->ha && cd->hd;
		t->hw_table_access = cd->ha && cd->haft && ID_HTTU(id) == 3;
	}
	t->start_level = s1_start(t->ias, t->granule_lg2);
	align_root(t);
}
