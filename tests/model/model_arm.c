/* SPDX-License-Identifier: MIT */
/* VMSAv8-64 and 32-bit LPAE, stage 1 and 2 (bits.md A1). No DS=1, D128 or PIE. */
#include "model_int.h"

#define ARM_AF	 10
#define ARM_DBM	 51
#define ARM_CONT 52

static bool is_s1(const struct mdl_table *t)
{
	return t->format == MDL_ARM_S1;
}

/* A1.10: HD without HA is off, so is HAFT; the 32-bit format has none of them. */
static bool ha(const struct mdl_table *t)
{
	return t->hw_access && !t->lpae32;
}

static bool hd(const struct mdl_table *t)
{
	return ha(t) && t->hw_dirty;
}

static unsigned arm_bits(const struct mdl_table *t)
{
	return t->granule_lg2 - 3;
}

static unsigned arm_shift(const struct mdl_table *t, int level)
{
	return t->granule_lg2 + (unsigned)(3 - level) * arm_bits(t);
}

static unsigned arm_width(const struct mdl_table *t)
{
	return t->ias;
}

static int arm_root_level(const struct mdl_table *t)
{
	return t->start_level;
}

static bool arm_valid(const struct mdl_table *t)
{
	unsigned top, extra = is_s1(t) ? 0 : 4;
	unsigned max = t->lpae32 ? 32 : t->lpa52 ? 52 : 48;

	if (t->granule_lg2 != 12 && t->granule_lg2 != 14 && t->granule_lg2 != 16)
		return false;
	if (t->lpa52 && (t->granule_lg2 != 16 || t->lpae32))
		return false;
	if (t->lpae32 && (t->granule_lg2 != 12 || t->start_level < 1))
		return false;
	if (t->upper && !is_s1(t))
		return false;
	if (t->start_level < 0 || t->start_level > 3 || t->ias > max)
		return false;
	/* A1.1: 64K has no level 0; 16K level 0 is for stage 1 only */
	if (!t->start_level && (t->granule_lg2 == 16 || (t->granule_lg2 == 14 && !is_s1(t))))
		return false;
	top = arm_shift(t, t->start_level);
	return t->ias > top && t->ias - top <= arm_bits(t) + extra;
}

static uint64_t arm_top(const struct mdl_table *t)
{
	return t->lpae32 ? UINT32_MAX : UINT64_MAX;
}

static uint64_t arm_base(const struct mdl_table *t)
{
	return t->upper ? arm_top(t) - mdl_low(t->ias) : 0;
}

static bool arm_to_off(const struct mdl_table *t, uint64_t iova, uint64_t *off)
{
	if (iova < arm_base(t) || iova > arm_top(t))
		return false;
	*off = iova - arm_base(t);
	return *off <= mdl_low(t->ias);
}

static uint64_t arm_to_iova(const struct mdl_table *t, uint64_t off)
{
	return arm_base(t) + off;
}

/* A1.14 */
static uint64_t arm_addr(const struct mdl_table *t, uint64_t pte, unsigned lg2)
{
	uint64_t pa = pte & mdl_bits(47, lg2);

	if (t->lpa52)
		pa |= (pte & mdl_bits(15, 12)) << 36;
	return pa;
}

/* A1.2, columns without DS=1 */
static bool arm_block_ok(const struct mdl_table *t, int level)
{
	switch (t->granule_lg2) {
	case 12:
		return level == 1 || level == 2;
	case 14:
		return level == 2;
	default:
		return level == 2 || (level == 1 && t->lpa52);
	}
}

/* A1.9: log2 of the entries in a run, 0 where the bit is RES0 */
static unsigned arm_run_lg2(const struct mdl_table *t, int level)
{
	switch (t->granule_lg2) {
	case 12:
		return level >= 1 ? 4 : 0;
	case 14:
		return level == 3 ? 7 : level == 2 ? 5 : 0;
	default:
		return level >= 2 ? 5 : 0;
	}
}

/* A1.6, A1.12; a device without PASID privilege is unprivileged */
static void arm_perm_s1(const struct mdl_table *t, uint64_t pte, struct mdl_ent *e)
{
	bool user = mdl_bit(pte, 6), ro = mdl_bit(pte, 7);

	e->r = user;
	e->w = user && (!ro || (mdl_bit(pte, ARM_DBM) && hd(t)));
	e->x = !mdl_bit(pte, 54);
	e->d = mdl_bit(pte, ARM_DBM) ? !ro : -1;
}

/* A1.7, A1.12; bit 54 says "no" to the unprivileged with and without XNX */
static void arm_perm_s2(const struct mdl_table *t, uint64_t pte, struct mdl_ent *e)
{
	bool wr = mdl_bit(pte, 7);

	e->r = mdl_bit(pte, 6);
	e->w = wr || (mdl_bit(pte, ARM_DBM) && hd(t));
	e->x = !mdl_bit(pte, 54);
	e->d = mdl_bit(pte, ARM_DBM) ? wr : -1;
}

static void arm_table(const struct mdl_table *t, int level, uint64_t pte, struct mdl_ent *e)
{
	e->kind = MDL_K_TABLE;
	e->next_level = level + 1;
	e->pa = arm_addr(t, pte, t->granule_lg2);
	e->r = e->w = e->x = true;
	if (is_s1(t)) { /* A1.8; these bits are RES0 in stage 2 */
		e->r = !mdl_bit(pte, 61);
		e->w = !mdl_bit(pte, 61) && !mdl_bit(pte, 62);
		e->x = !mdl_bit(pte, 60);
	}
}

static void arm_leaf(const struct mdl_table *t, int level, uint64_t pte, struct mdl_ent *e)
{
	e->kind = MDL_K_LEAF;
	e->lg2 = arm_shift(t, level);
	e->pa = arm_addr(t, pte, e->lg2);
	if (mdl_bit(pte, ARM_CONT))
		e->lg2 += arm_run_lg2(t, level);
	if (is_s1(t))
		arm_perm_s1(t, pte, e);
	else
		arm_perm_s2(t, pte, e);
	if (t->lpae32)
		e->d = -1;
	e->a = mdl_bit(pte, ARM_AF);
	e->af_fault = !e->a && !ha(t);
}

static void arm_decode(const struct mdl_table *t, int level, uint64_t pte, struct mdl_ent *e)
{
	bool two = mdl_bit(pte, 1);

	/* A1.5 */
	if (!mdl_bit(pte, 0)) {
		e->kind = MDL_K_NONE;
		return;
	}
	if (level < 3 && two) {
		arm_table(t, level, pte, e);
	} else if (level == 3 ? two : arm_block_ok(t, level)) {
		arm_leaf(t, level, pte, e);
	} else {
		mdl_bad(e, MDL_RESERVED);
		return;
	}
	if (t->oas && e->pa & ~mdl_low(t->oas))
		mdl_bad(e, MDL_ADDR_SIZE);
}

/* A1.9: AF and, where DBM makes it the dirty carrier, bit 7; software bits; the address */
static uint64_t arm_loose(const struct mdl_table *t, int level, uint64_t pte)
{
	uint64_t mask = mdl_bits(58, 55) | (uint64_t)1 << ARM_AF;

	mask |= mdl_bits(47, arm_shift(t, level));
	if (t->lpa52)
		mask |= mdl_bits(15, 12);
	if (mdl_bit(pte, ARM_DBM) && !t->lpae32)
		mask |= 1 << 7;
	if (is_s1(t))
		mask |= (uint64_t)1 << 63;
	return mask;
}

/* A1.11 rules 1-3, A1.13 rule 1 */
static uint64_t arm_touch(const struct mdl_table *t, bool leaf, bool write, uint64_t pte)
{
	if (!ha(t) || (!leaf && !t->hw_table_access))
		return pte;
	pte |= (uint64_t)1 << ARM_AF;
	if (!leaf || !write || !hd(t) || !mdl_bit(pte, ARM_DBM))
		return pte;
	return is_s1(t) ? pte & ~((uint64_t)1 << 7) : pte | 1 << 7;
}

const struct mdl_fmt mdl_fmt_arm = {
	.valid = arm_valid,
	.root_level = arm_root_level,
	.width = arm_width,
	.shift = arm_shift,
	.bits = arm_bits,
	.to_off = arm_to_off,
	.to_iova = arm_to_iova,
	.decode = arm_decode,
	.loose = arm_loose,
	.touch = arm_touch,
};
