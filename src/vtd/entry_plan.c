/* SPDX-License-Identifier: MIT */
/*
 * From one structure to another while hardware reads it (Intel VT-d specification, 6.5.3.3).
 *
 * Hardware fetches a structure in pieces and may see some words as they were and others as they are to be. One aligned
 * word of 64 bits is the largest thing that is written whole everywhere. So a structure that is present changes in one
 * word, or through P = 0: that word first, then what was cached of it is invalidated, then the others are written, and
 * the one with P last.
 */
#include <iodirty/vtd_entry.h>

#include <errno.h>
#include <string.h>

#include "bits.h"
#include "vtd/entry_bits.h"
#include "vtd/id.h"

#define WORDS_MAX 8u

/* A change: words in host byte order. */
struct change {
	unsigned nr_words;
	uint64_t from[WORDS_MAX], to[WORDS_MAX];
	uint32_t cached;  /* what goes when the old one does */
	uint32_t caching; /* what goes in caching mode, where what is not present is cached */
	uint32_t fpd;	  /* what goes when nothing but FPD has changed */
	uint16_t did;	  /* of the old one */
	uint16_t new_did;
};

static void words_in(uint64_t *word, const uint64_t *raw, unsigned nr)
{
	unsigned i;

	for (i = 0; i < nr; i++)
		word[i] = iod_le64(raw[i]);
}

static unsigned words_that_differ(const struct change *c)
{
	unsigned i, mask = 0;

	/* The second bound is for compilers that look into it with sanitizers on. */
	for (i = 0; i < c->nr_words && i < WORDS_MAX; i++)
		mask |= (unsigned)(c->from[i] != c->to[i]) << i;
	return mask;
}

/* A step that takes the words of @mask from @to; @now is the structure, before and after. */
static void add_step(struct iod_vtd_plan *plan, uint64_t *now, const uint64_t *to, unsigned mask,
		     uint32_t inv, uint16_t did)
{
	unsigned i;

	plan->step[plan->nr].mask = (uint8_t)mask;
	plan->step[plan->nr].inv = inv;
	plan->step[plan->nr].did = inv ? did : 0;
	for (i = 0; i < WORDS_MAX; i++) {
		if (mask >> i & 1)
			now[i] = to[i];
		plan->step[plan->nr].value.word[i] = iod_le64(now[i]);
	}
	plan->nr++;
}

/* Everything but the word with P, which comes last. */
static void add_present(struct iod_vtd_plan *plan, uint64_t *now, const struct change *c,
			unsigned mask, bool caching)
{
	if (mask & ~1u)
		add_step(plan, now, c->to, mask & ~1u, 0, 0);
	add_step(plan, now, c->to, 1, caching ? c->caching : 0, c->new_did);
}

static void add_absent(struct iod_vtd_plan *plan, uint64_t *now, const struct change *c)
{
	uint64_t off[WORDS_MAX];

	memcpy(off, now, sizeof(off));
	off[0] &= ~ENTRY_P;
	add_step(plan, now, off, 1, c->cached, c->did);
}

static void make_plan(struct iod_vtd_plan *plan, const struct change *c, bool caching)
{
	bool was = c->from[0] & ENTRY_P, is = c->to[0] & ENTRY_P;
	unsigned mask = words_that_differ(c);
	uint64_t now[WORDS_MAX];

	memset(plan, 0, sizeof(*plan));
	memcpy(now, c->from, sizeof(now));
	if (!mask)
		return;
	if (!was && !is) { /* FPD counts whatever P says */
		add_step(plan, now, c->to, mask, caching ? c->caching : 0, c->new_did);
	} else if (!was) {
		add_present(plan, now, c, mask, caching);
	} else if (is && mask == 1 && (c->from[0] ^ c->to[0]) == ENTRY_FPD) {
		add_step(plan, now, c->to, 1, c->fpd, c->did);
	} else if (is && !(mask & (mask - 1))) {
		add_step(plan, now, c->to, mask, c->cached, c->did);
	} else if (!is) { /* FPD goes with P: in caching mode it is remembered, too */
		add_step(plan, now, c->to, 1, c->cached, c->did);
		if (mask & ~1u)
			add_step(plan, now, c->to, mask & ~1u, 0, 0);
	} else {
		plan->breaks = true;
		add_absent(plan, now, c);
		add_present(plan, now, c, mask, caching);
	}
}

/* Translations of an entry: those of the second stage are known by their domain, others by domain and PASID. Of
 * pass-through it is not certain which: both. */
static uint32_t pasid_cached(unsigned pgtt)
{
	uint32_t inv = IOD_VTD_FLUSH_PASID | IOD_VTD_FLUSH_DEV_TLB;

	if (pgtt != IOD_VTD_PGTT_FIRST)
		inv |= IOD_VTD_FLUSH_IOTLB;
	if (pgtt != IOD_VTD_PGTT_SECOND && pgtt != IOD_VTD_PGTT_NESTED)
		inv |= IOD_VTD_FLUSH_P_IOTLB;
	return inv;
}

int iod_vtd_pasid_plan(struct iod_vtd_plan *plan, const struct iod_vtd_raw_pasid *from,
		       const struct iod_vtd_raw_pasid *to, const struct iod_vtd_id *id)
{
	struct change c = { .nr_words = 8, .fpd = IOD_VTD_FLUSH_PASID };
	struct iod_vtd_pasid old, new;

	if (!plan || iod_vtd_pasid_decode(&old, from) || iod_vtd_pasid_decode(&new, to))
		return -EINVAL;
	words_in(c.from, from->word, 8);
	words_in(c.to, to->word, 8);
	c.cached = pasid_cached(old.pgtt);
	c.caching = pasid_cached(new.pgtt) & ~IOD_VTD_FLUSH_DEV_TLB;
	c.did = old.did;
	c.new_did = new.did;
	make_plan(plan, &c, vtd_cap(id, IOD_VTD_CAP_CM));
	return 0;
}

int iod_vtd_context_plan(struct iod_vtd_plan *plan, const struct iod_vtd_raw_context *from,
			 const struct iod_vtd_raw_context *to, const struct iod_vtd_id *id)
{
	struct change c = { .nr_words = 2, .fpd = IOD_VTD_FLUSH_CONTEXT };
	struct iod_vtd_context old, new;

	if (!plan || iod_vtd_context_decode(&old, from) || iod_vtd_context_decode(&new, to))
		return -EINVAL;
	words_in(c.from, from->word, 2);
	words_in(c.to, to->word, 2);
	c.caching = IOD_VTD_FLUSH_CONTEXT | IOD_VTD_FLUSH_IOTLB;
	c.cached = c.caching | IOD_VTD_FLUSH_DEV_TLB;
	c.did = old.did;
	c.new_did = new.did;
	make_plan(plan, &c, vtd_cap(id, IOD_VTD_CAP_CM));
	return 0;
}

int iod_vtd_sm_context_plan(struct iod_vtd_plan *plan, const struct iod_vtd_raw_sm_context *from,
			    const struct iod_vtd_raw_sm_context *to, const struct iod_vtd_id *id)
{
	struct change c = { .nr_words = 4, .fpd = IOD_VTD_FLUSH_CONTEXT };

	if (!plan || !from || !to)
		return -EINVAL;
	words_in(c.from, from->word, 4);
	words_in(c.to, to->word, 4);
	c.caching = IOD_VTD_FLUSH_CONTEXT | IOD_VTD_FLUSH_PASID | IOD_VTD_FLUSH_IOTLB;
	c.cached = c.caching | IOD_VTD_FLUSH_DEV_TLB;
	make_plan(plan, &c, vtd_cap(id, IOD_VTD_CAP_CM));
	return 0;
}
