/* SPDX-License-Identifier: MIT */
/* AMD-Vi host tables (bits.md A3.1 - A3.4). The IR/IW of the DTE are the caller's. */
#include "model_int.h"

#define V1_A 5
#define V1_D 6

static bool v1_valid(const struct mdl_table *t)
{
	return t->levels >= 1 && t->levels <= 6;
}

static int v1_root_level(const struct mdl_table *t)
{
	return (int)t->levels;
}

static unsigned v1_bits(const struct mdl_table *t)
{
	(void)t;
	return 9;
}

static unsigned v1_shift(const struct mdl_table *t, int level)
{
	(void)t;
	return 12 + 9 * (unsigned)(level - 1);
}

/* A3.2: level 6 has 128 entries only */
static unsigned v1_width(const struct mdl_table *t)
{
	return t->levels == 6 ? 64 : 12 + 9 * t->levels;
}

static bool v1_to_off(const struct mdl_table *t, uint64_t iova, uint64_t *off)
{
	*off = iova;
	return iova <= mdl_low(v1_width(t));
}

static uint64_t v1_to_iova(const struct mdl_table *t, uint64_t off)
{
	(void)t;
	return off;
}

/* A3.3: 1 + index of the first 0 bit from 12 on; 0 if the code fits no size of @level */
static unsigned v1_size_lg2(const struct mdl_table *t, int level, uint64_t pte)
{
	unsigned s, bit = 12;

	while (bit < 52 && mdl_bit(pte, bit))
		bit++;
	s = bit + 1;
	/* 0.2: nothing larger than 2^51 */
	if (s > 51 || s <= v1_shift(t, level) || s >= v1_shift(t, level + 1))
		return 0;
	return s;
}

static void v1_leaf(const struct mdl_table *t, int level, uint64_t pte, struct mdl_ent *e)
{
	bool coded = (pte >> 9 & 7) == 7;

	e->kind = MDL_K_LEAF;
	e->lg2 = coded ? v1_size_lg2(t, level, pte) : v1_shift(t, level);
	/* the top level cannot translate */
	if (level == 6 || !e->lg2 || pte & mdl_bits(58, 52)) {
		mdl_bad(e, MDL_RESERVED);
		return;
	}
	e->replica = coded;
	e->pa = pte & mdl_bits(51, e->lg2);
	e->a = mdl_bit(pte, V1_A);
	e->d = mdl_bit(pte, V1_D);
}

static void v1_decode(const struct mdl_table *t, int level, uint64_t pte, struct mdl_ent *e)
{
	int next = pte >> 9 & 7;

	if (!mdl_bit(pte, 0)) {
		e->kind = MDL_K_NONE;
		return;
	}
	e->r = mdl_bit(pte, 61);
	e->w = mdl_bit(pte, 62);
	e->x = e->r;
	if (next == 0 || next == 7) {
		v1_leaf(t, level, pte, e);
	} else if (next >= level || pte & mdl_bits(60, 52)) {
		mdl_bad(e, MDL_RESERVED);
	} else {
		e->kind = MDL_K_TABLE;
		e->next_level = next;
		e->pa = pte & mdl_bits(51, 12);
	}
	if (e->kind != MDL_K_BAD && t->oas && e->pa & ~mdl_low(t->oas))
		mdl_bad(e, MDL_RESERVED);
}

/* A and D; bits 1-4, 7, 8 and 63 are ignored */
static uint64_t v1_loose(const struct mdl_table *t, int level, uint64_t pte)
{
	(void)t;
	(void)level;
	(void)pte;
	return mdl_bits(8, 1) | (uint64_t)1 << 63;
}

/* A3.4; whether PDEs get A is not known (F.1), so a switch of its own */
static uint64_t v1_touch(const struct mdl_table *t, bool leaf, bool write, uint64_t pte)
{
	if (!t->hw_access || (!leaf && !t->hw_table_access))
		return pte;
	pte |= 1 << V1_A;
	if (leaf && write && t->hw_dirty)
		pte |= 1 << V1_D;
	return pte;
}

const struct mdl_fmt mdl_fmt_amd_v1 = {
	.valid = v1_valid,
	.root_level = v1_root_level,
	.width = v1_width,
	.shift = v1_shift,
	.bits = v1_bits,
	.to_off = v1_to_off,
	.to_iova = v1_to_iova,
	.decode = v1_decode,
	.loose = v1_loose,
	.touch = v1_touch,
};
