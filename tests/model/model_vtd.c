/* SPDX-License-Identifier: MIT */
/* VT-d second stage (bits.md A2.1, A2.3), RTADDR.SSIRWE=0. */
#include "model_int.h"

#define SS_A 8
#define SS_D 9

static bool ssade(const struct mdl_table *t)
{
	return t->hw_access || t->hw_dirty;
}

static bool ss_valid(const struct mdl_table *t)
{
	return t->levels >= 3 && t->levels <= 5;
}

static int ss_root_level(const struct mdl_table *t)
{
	return (int)t->levels;
}

static unsigned ss_bits(const struct mdl_table *t)
{
	(void)t;
	return 9;
}

static unsigned ss_shift(const struct mdl_table *t, int level)
{
	(void)t;
	return 12 + 9 * (unsigned)(level - 1);
}

static unsigned ss_width(const struct mdl_table *t)
{
	return 12 + 9 * t->levels;
}

static bool ss_to_off(const struct mdl_table *t, uint64_t iova, uint64_t *off)
{
	*off = iova;
	return iova <= mdl_low(t->ias ? t->ias : ss_width(t)); /* MGAW */
}

static uint64_t ss_to_iova(const struct mdl_table *t, uint64_t off)
{
	(void)t;
	return off;
}

/* What must be zero in a present entry. Bit 11 of a leaf is SNP, taken as supported. */
static uint64_t ss_reserved(const struct mdl_table *t, int level, bool leaf)
{
	uint64_t mask = (uint64_t)1 << 62;

	if (t->oas)
		mask |= mdl_bits(51, 12) & ~mdl_low(t->oas);
	if (!leaf)
		mask |= 1 << 11;
	if (leaf && level > 1)
		mask |= mdl_bits(ss_shift(t, level) - 1, 12);
	if (level > 3)
		mask |= 1 << 7;
	return mask;
}

static void ss_decode(const struct mdl_table *t, int level, uint64_t pte, struct mdl_ent *e)
{
	bool leaf = level == 1 || (level <= 3 && mdl_bit(pte, 7));

	e->r = mdl_bit(pte, 0);
	e->w = mdl_bit(pte, 1);
	e->x = e->r;
	if (!e->r && !e->w) {
		e->kind = MDL_K_NONE;
		return;
	}
	if (pte & ss_reserved(t, level, leaf)) {
		mdl_bad(e, MDL_RESERVED);
		return;
	}
	e->kind = leaf ? MDL_K_LEAF : MDL_K_TABLE;
	e->pa = pte & mdl_bits(51, 12);
	e->next_level = level - 1;
	e->lg2 = ss_shift(t, level);
	e->a = mdl_bit(pte, SS_A);
	e->d = mdl_bit(pte, SS_D);
}

static uint64_t ss_loose(const struct mdl_table *t, int level, uint64_t pte)
{
	(void)t;
	(void)level;
	(void)pte;
	return 0;
}

/* A2.3 rules 2, 3 */
static uint64_t ss_touch(const struct mdl_table *t, bool leaf, bool write, uint64_t pte)
{
	if (!ssade(t))
		return pte;
	pte |= 1 << SS_A;
	if (leaf && write)
		pte |= 1 << SS_D;
	return pte;
}

const struct mdl_fmt mdl_fmt_vtd_ss = {
	.valid = ss_valid,
	.root_level = ss_root_level,
	.width = ss_width,
	.shift = ss_shift,
	.bits = ss_bits,
	.to_off = ss_to_off,
	.to_iova = ss_to_iova,
	.decode = ss_decode,
	.loose = ss_loose,
	.touch = ss_touch,
};
