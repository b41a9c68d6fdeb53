/* SPDX-License-Identifier: MIT */
/* VT-d first stage and AMD v2: x86-64 tables seen by a user access (A2.2, A2.3, A3.5). */
#include "model_int.h"

#define X86_A 5
#define X86_D 6

static bool x86_valid(const struct mdl_table *t)
{
	return t->levels == 4 || t->levels == 5;
}

static int x86_root_level(const struct mdl_table *t)
{
	return (int)t->levels;
}

static unsigned x86_bits(const struct mdl_table *t)
{
	(void)t;
	return 9;
}

static unsigned x86_shift(const struct mdl_table *t, int level)
{
	(void)t;
	return 12 + 9 * (unsigned)(level - 1);
}

static unsigned x86_width(const struct mdl_table *t)
{
	return 12 + 9 * t->levels;
}

static uint64_t x86_to_iova(const struct mdl_table *t, uint64_t off)
{
	unsigned width = x86_width(t);

	return mdl_bit(off, width - 1) ? off | ~mdl_low(width) : off;
}

static bool x86_to_off(const struct mdl_table *t, uint64_t iova, uint64_t *off)
{
	*off = iova & mdl_low(x86_width(t));
	return x86_to_iova(t, *off) == iova;
}

/* Bit 12 of a large page is PAT. */
static uint64_t x86_reserved(const struct mdl_table *t, int level, bool leaf)
{
	uint64_t mask = 0;

	if (t->oas)
		mask |= mdl_bits(51, 12) & ~mdl_low(t->oas);
	if (leaf && level > 1)
		mask |= mdl_bits(x86_shift(t, level) - 1, 13);
	if (level > 3)
		mask |= 1 << 7;
	return mask;
}

static void x86_decode(const struct mdl_table *t, int level, uint64_t pte, struct mdl_ent *e)
{
	bool leaf = level == 1 || (level <= 3 && mdl_bit(pte, 7));

	if (!mdl_bit(pte, 0)) {
		e->kind = MDL_K_NONE;
		return;
	}
	if (pte & x86_reserved(t, level, leaf)) {
		mdl_bad(e, MDL_RESERVED);
		return;
	}
	e->kind = leaf ? MDL_K_LEAF : MDL_K_TABLE;
	e->pa = pte & mdl_bits(51, leaf ? x86_shift(t, level) : 12);
	e->next_level = level - 1;
	e->lg2 = x86_shift(t, level);
	e->r = mdl_bit(pte, 2);
	e->w = mdl_bit(pte, 2) && mdl_bit(pte, 1);
	e->x = mdl_bit(pte, 2) && !mdl_bit(pte, 63);
	e->a = mdl_bit(pte, X86_A);
	e->d = mdl_bit(pte, X86_D);
}

static uint64_t x86_loose(const struct mdl_table *t, int level, uint64_t pte)
{
	(void)t;
	(void)level;
	(void)pte;
	return 0;
}

/* A2.3 rule 1: always on */
static uint64_t x86_touch(const struct mdl_table *t, bool leaf, bool write, uint64_t pte)
{
	(void)t;
	pte |= 1 << X86_A;
	if (leaf && write)
		pte |= 1 << X86_D;
	return pte;
}

const struct mdl_fmt mdl_fmt_x86 = {
	.valid = x86_valid,
	.root_level = x86_root_level,
	.width = x86_width,
	.shift = x86_shift,
	.bits = x86_bits,
	.to_off = x86_to_off,
	.to_iova = x86_to_iova,
	.decode = x86_decode,
	.loose = x86_loose,
	.touch = x86_touch,
};
