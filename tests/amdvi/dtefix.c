/* SPDX-License-Identifier: MIT */
/* DTEs for tests of changes, and what they mean. Written from bits.md; includes nothing of src/. */
#include "amdvi/dtefix.h"

#define ROOT(n) ((uint64_t)(n) << 12)

const struct dtefix dtefix_entries[DTEFIX_NR] = {
	{ { 0 } },		  /* passes */
	{ { DTE_VTV } },	  /* blocks */
	{ { 1 } },		  /* blocks: TV=0 */
	{ { DTE_VTV | DTE_RW } }, /* passes as permissions say */
	{ { DTE_VTV | DTE_RW | DTE_MODE(3) | ROOT(5), 1 } },
	{ { DTE_VTV | DTE_RW | DTE_MODE(3) | ROOT(5) | DTE_HAD(3), 1 } },
	{ { DTE_VTV | DTE_RW | DTE_MODE(4) | ROOT(6), 1 } },	     /* grown */
	{ { DTE_VTV | DTE_RW | DTE_MODE(4) | ROOT(7), 2 | DTE_I } }, /* another domain */
	{ { DTE_VTV | DTE_RW | DTE_GV | DTE_GCR3_0(1), 3 } },	     /* guest, 4 levels */
	{ { DTE_VTV | DTE_RW | DTE_GV | DTE_GCR3_0(1), 3, DTE_GPM(1) } },
	{ { DTE_VTV | DTE_RW | DTE_GV | DTE_GIOV | DTE_GLX(2), 4 | DTE_GCR3_1(9), DTE_GPM(1) } },
	{ { DTE_VTV | DTE_RW | DTE_MODE(3) | ROOT(5) | DTE_GV | DTE_GCR3_0(1), 3 | DTE_I } },
	{ { DTE_VTV | DTE_RW | DTE_MODE(3) | ROOT(5) | DTE_GV | DTE_GCR3_0(2), 5 | DTE_I,
	    DTE_GPM(1) } },
	/* with interrupts: 28:6 is a root, IV 1 */
	{ { DTE_VTV | DTE_RW | DTE_MODE(3) | ROOT(5), 1, 0x1000001, 0 } },
	{ { DTE_VTV | DTE_RW | DTE_MODE(4) | ROOT(6), 2, 0x2000001, 0 } },
	{ { DTE_VTV | DTE_RW | DTE_GV | DTE_PPR, 6 | DTE_I, 0x2000001 | DTE_GPM(1),
	    UINT64_C(0xa5) << 56 | IODT_BIT(54) } },
};

static uint64_t bits(const struct dtefix *d, unsigned word, unsigned hi, unsigned lo)
{
	return d->w[word] >> lo & ((UINT64_C(2) << (hi - lo)) - 1);
}

static bool equal(const struct dtefix *a, const struct dtefix *b, unsigned word, unsigned hi,
		  unsigned lo)
{
	return bits(a, word, hi, lo) == bits(b, word, hi, lo);
}

bool dtefix_blocks(const struct dtefix *d)
{
	if (!bits(d, 0, 0, 0))
		return false;
	return !bits(d, 0, 1, 1) || !bits(d, 0, 62, 61);
}

/* What else a valid entry says: PPR and GPRP, from I to SATS, unknown bits, GuestID and GDeviceID. */
static bool same_rest(const struct dtefix *a, const struct dtefix *b)
{
	return equal(a, b, 0, 53, 52) && equal(a, b, 1, 42, 32) && equal(a, b, 0, 6, 2) &&
	       equal(a, b, 0, 63, 63) && equal(a, b, 2, 53, 52) && equal(a, b, 2, 59, 59) &&
	       equal(a, b, 3, 53, 0);
}

static bool same_translation(const struct dtefix *a, const struct dtefix *b)
{
	bool same = equal(a, b, 0, 11, 9) && equal(a, b, 0, 62, 61) && equal(a, b, 0, 55, 55) &&
		    equal(a, b, 1, 15, 0) && equal(a, b, 3, 54, 54) && equal(a, b, 3, 63, 56);

	if (bits(a, 0, 11, 9)) /* root and HAD; else Mode0FC */
		same = same && equal(a, b, 0, 51, 12) && equal(a, b, 0, 8, 7);
	else
		same = same && equal(a, b, 3, 55, 55);
	if (bits(a, 0, 55, 55)) /* GIOV, GLX, GCR3 in three pieces, GuestPagingMode */
		same = same && equal(a, b, 0, 54, 54) && equal(a, b, 0, 60, 56) &&
		       equal(a, b, 1, 31, 16) && equal(a, b, 1, 63, 43) && equal(a, b, 2, 55, 54);
	return same;
}

static bool means_the_same(const struct dtefix *a, const struct dtefix *b)
{
	if (!bits(a, 0, 0, 0) || !bits(b, 0, 0, 0))
		return !bits(a, 0, 0, 0) && !bits(b, 0, 0, 0);
	if (dtefix_blocks(a) && dtefix_blocks(b))
		return same_rest(a, b);
	return !dtefix_blocks(a) && !dtefix_blocks(b) && same_rest(a, b) && same_translation(a, b);
}

/* All about interrupts is in word 2 but for bits 55:52 and 59. */
static bool same_interrupts(const struct dtefix *a, const struct dtefix *b)
{
	return equal(a, b, 2, 51, 0) && equal(a, b, 2, 58, 56) && equal(a, b, 2, 63, 60);
}

enum dtefix_class dtefix_class(const struct dtefix *dte, const struct dtefix *from,
			       const struct dtefix *to)
{
	if (!same_interrupts(dte, from) && !same_interrupts(dte, to))
		return DTEFIX_WRONG;
	if (means_the_same(dte, from) || means_the_same(dte, to))
		return DTEFIX_OLD_OR_NEW;
	return dtefix_blocks(dte) ? DTEFIX_BLOCKS : DTEFIX_WRONG;
}

struct iod_amdvi_raw_dte dtefix_raw(const struct dtefix *dte)
{
	struct iod_amdvi_raw_dte raw;

	for (unsigned i = 0; i < 4; i++)
		iodt_put_le64(&raw.word[i], dte->w[i]);
	return raw;
}

struct dtefix dtefix_of(const struct iod_amdvi_raw_dte *raw)
{
	struct dtefix dte;

	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *at = (const uint8_t *)&raw->word[i];

		dte.w[i] = 0;
		for (unsigned k = 0; k < 8; k++)
			dte.w[i] |= (uint64_t)at[k] << 8 * k;
	}
	return dte;
}

struct dtefix dtefix_random(struct amdrand *r)
{
	static const uint64_t may[4] = { 0x63fffffffffff183, 0xfffff807ffffffff, 0xf7cfffffffffffff,
					 0xffc0ffffffff0000 };
	struct dtefix dte = dtefix_entries[amdrand(r) % DTEFIX_NR];

	for (unsigned i = 0; i < 4; i++)
		if (amdrand(r) & 1)
			dte.w[i] ^= amdrand(r) & amdrand(r) & amdrand(r) & may[i];
	return dte;
}
