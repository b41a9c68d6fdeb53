/* SPDX-License-Identifier: MIT */
/*
 * From one DTE to another while hardware reads it: all 256 bits at once, or in smaller pieces (bits.md A3.4, A3.6).
 *
 * What is written at once is a unit: half a DTE, or a word. Bits that a DTE does not use may be anything. So first
 * what the new one uses and the old one does not, then the one unit in which both disagree, then what the old one
 * used and the new one does not. If they disagree in two units there is no such way, and an entry that blocks is in
 * between. Whatever is about interrupts lies in one word, and may be old or new beside any rest.
 *
 * Never V=0 in between: that lets requests pass.
 */
#include <iodirty/amdvi_dte.h>

#include <errno.h>
#include <string.h>

#include "amdvi/dte_bits.h"

/* One DTE: its words, and which bits of them matter. */
struct version {
	struct iod_amdvi_dte dte;
	uint64_t word[DTE_WORDS];
	uint64_t used[DTE_WORDS];   /* to requests for memory */
	uint64_t cached[DTE_WORDS]; /* of those, what a cached translation may depend on */
	uint64_t irq[DTE_WORDS];    /* to interrupts */
};

/* Each function below fills a typed DTE with ones in the fields it means; encoded it is a mask. `all` has ones
 * everywhere. */
#define USE(field) (used->field = all->field)

static void use_translation(struct iod_amdvi_dte *used, const struct iod_amdvi_dte *all,
			    const struct iod_amdvi_dte *dte)
{
	USE(mode);
	USE(ir);
	USE(iw);
	USE(gv);
	USE(domain);
	USE(attrv);
	USE(snoopattr);
	if (dte->mode) {
		USE(root);
		USE(had);
	} else {
		USE(mode0fc);
	}
	if (dte->gv) {
		USE(glx);
		USE(gcr3);
		USE(giov);
		USE(guestpagingmode);
	}
}

static void use_cached(struct iod_amdvi_dte *used, const struct iod_amdvi_dte *all,
		       const struct iod_amdvi_dte *dte)
{
	USE(v);
	if (!dte->v)
		return;
	USE(tv);
	USE(unknown);
	USE(cache);
	USE(sd);
	USE(ex);
	USE(sats);
	USE(gdeviceid);
	USE(guestid);
	if (dte->tv)
		use_translation(used, all, dte);
}

static void use_memory(struct iod_amdvi_dte *used, const struct iod_amdvi_dte *all,
		       const struct iod_amdvi_dte *dte)
{
	use_cached(used, all, dte);
	if (!dte->v)
		return;
	USE(ppr);
	USE(gprp);
	USE(i);
	USE(se);
	USE(sa);
	USE(ioctl);
	USE(sysmgt);
}

/* UNCONFIRMED whether V matters to them: IV alone is taken to. */
static void use_interrupts(struct iod_amdvi_dte *used, const struct iod_amdvi_dte *all,
			   const struct iod_amdvi_dte *dte)
{
	(void)dte;
	USE(iv);
	USE(inttablen);
	USE(ig);
	USE(introot);
	USE(initpass);
	USE(eintpass);
	USE(nmipass);
	USE(intctl);
	USE(lint0pass);
	USE(lint1pass);
}

static void mask_of(uint64_t *mask, const struct iod_amdvi_dte *dte,
		    void (*use)(struct iod_amdvi_dte *used, const struct iod_amdvi_dte *all,
				const struct iod_amdvi_dte *dte))
{
	struct iod_amdvi_dte all, used;
	struct iod_amdvi_raw_dte raw;
	unsigned i;

	memset(&raw, 0xff, sizeof(raw));
	iod_amdvi_dte_decode(&all, &raw);
	memset(&used, 0, sizeof(used));
	use(&used, &all, dte);
	iod_amdvi_dte_encode(&raw, &used);
	for (i = 0; i < DTE_WORDS; i++)
		mask[i] = iod_le64(raw.word[i]);
}

static void version_of(struct version *version, const uint64_t *word)
{
	struct iod_amdvi_raw_dte raw;
	unsigned i;

	for (i = 0; i < DTE_WORDS; i++) {
		version->word[i] = word[i];
		raw.word[i] = iod_le64(word[i]);
	}
	iod_amdvi_dte_decode(&version->dte, &raw);
	mask_of(version->used, &version->dte, use_memory);
	mask_of(version->cached, &version->dte, use_cached);
	mask_of(version->irq, &version->dte, use_interrupts);
}

/* The first word of an entry that nothing passes, under any reading of what is UNCONFIRMED: valid, without
 * permissions and guest tables, with the host table that either has. */
static uint64_t blocking_word(const struct version *from, const struct version *to)
{
	const struct iod_amdvi_dte *old = &from->dte, *new = &to->dte;
	struct iod_amdvi_dte dte = { .v = true, .tv = true };
	struct iod_amdvi_raw_dte raw;

	if (old->tv && old->mode && old->mode <= MODE_MAX) {
		dte.mode = old->mode;
		dte.root = old->root;
	} else if (new->mode <= MODE_MAX) {
		dte.mode = new->mode;
		dte.root = new->root;
	}
	iod_amdvi_dte_encode(&raw, &dte);
	return iod_le64(raw.word[0]);
}

/* A plan in the making. */
struct planner {
	struct iod_amdvi_plan *plan;
	uint64_t now[DTE_WORDS]; /* after its steps */
	bool words;		 /* a unit is a word, not half a DTE */
};

/* The words of the unit that a word is in, as a mask. */
static unsigned unit_of(const struct planner *p, unsigned word)
{
	return p->words ? 1u << word : word < 2 ? 3u : 0xcu;
}

/* A step to @word, in whole units; none when it is there. */
static void add_step(struct planner *p, const uint64_t *word)
{
	struct iod_amdvi_plan *plan = p->plan;
	unsigned i, mask = 0;

	for (i = 0; i < DTE_WORDS; i++)
		mask |= word[i] != p->now[i] ? unit_of(p, i) : 0;
	if (!mask)
		return;
	plan->step[plan->nr].mask = (uint8_t)mask;
	for (i = 0; i < DTE_WORDS; i++) {
		p->now[i] = word[i];
		plan->step[plan->nr].value.word[i] = iod_le64(word[i]);
	}
	plan->nr++;
}

/* The words of units in which both disagree. */
static unsigned disagree(const struct planner *p, const struct version *from,
			 const struct version *to)
{
	unsigned i, mask = 0;

	for (i = 0; i < DTE_WORDS; i++)
		if ((from->word[i] ^ to->word[i]) & from->used[i] & to->used[i])
			mask |= unit_of(p, i);
	return mask;
}

/* If they disagree in one unit at most. What neither uses goes with it. */
static bool plan_direct(struct planner *p, const struct version *from, const struct version *to)
{
	unsigned i, turn = disagree(p, from, to);
	uint64_t word[DTE_WORDS];

	if (turn && turn != unit_of(p, ctz64(turn)))
		return false;
	/* What the new one needs, and the old one does not look at. */
	for (i = 0; i < DTE_WORDS; i++) {
		uint64_t unused = ~from->used[i], differ = from->word[i] ^ to->word[i];
		bool need = to->used[i] & unused & differ;

		word[i] = from->word[i];
		if (turn && need && !(turn >> i & 1))
			word[i] ^= differ & unused;
	}
	add_step(p, word);
	for (i = 0; i < DTE_WORDS; i++) {
		uint64_t differ = word[i] ^ to->word[i];

		if ((turn >> i & 1) || !(differ & (from->used[i] | to->used[i])))
			word[i] = to->word[i];
	}
	add_step(p, word);
	add_step(p, to->word);
	return true;
}

/* The first word blocks, the rest changes, the unit of the first word is last. */
static void plan_blocking(struct planner *p, const struct version *from, const struct version *to)
{
	uint64_t word[DTE_WORDS];
	unsigned i;

	p->plan->breaks = true;
	memcpy(word, from->word, sizeof(word));
	word[0] = blocking_word(from, to);
	add_step(p, word);
	for (i = 0; i < DTE_WORDS; i++)
		if (!(unit_of(p, 0) >> i & 1))
			word[i] = to->word[i];
	add_step(p, word);
	add_step(p, to->word);
}

/* Whether they differ in what is in the mask of either. */
static bool differ(const struct version *from, const struct version *to, const uint64_t *mask1,
		   const uint64_t *mask2)
{
	uint64_t any = 0;
	unsigned i;

	for (i = 0; i < DTE_WORDS; i++)
		any |= (from->word[i] ^ to->word[i]) & (mask1[i] | mask2[i]);
	return any;
}

int iod_amdvi_dte_plan(struct iod_amdvi_plan *plan, const struct iod_amdvi_raw_dte *from,
		       const struct iod_amdvi_raw_dte *to, uint32_t flags)
{
	struct planner p = { .plan = plan, .words = flags & IOD_AMDVI_CHANGE_WORDS };
	struct version old, new;
	uint64_t word[DTE_WORDS];
	unsigned i;

	if (!plan || !from || !to || flags & ~(IOD_AMDVI_CHANGE_HITLESS | IOD_AMDVI_CHANGE_WORDS))
		return -EINVAL;
	memset(plan, 0, sizeof(*plan));
	for (i = 0; i < DTE_WORDS; i++) {
		p.now[i] = iod_le64(from->word[i]);
		word[i] = iod_le64(to->word[i]);
	}
	version_of(&old, p.now);
	version_of(&new, word);
	if (!plan_direct(&p, &old, &new)) {
		if (flags & IOD_AMDVI_CHANGE_HITLESS)
			return -EBUSY;
		plan_blocking(&p, &old, &new);
	}
	plan->tlbi = differ(&old, &new, old.cached, new.cached);
	plan->atc = old.dte.v && old.dte.i && (plan->tlbi || !new.dte.v || !new.dte.i);
	plan->atc |= plan->tlbi && new.dte.v &&new.dte.i;
	plan->irt = differ(&old, &new, old.irq, new.irq);
	return 0;
}
