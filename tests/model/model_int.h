/* SPDX-License-Identifier: MIT */
/* Between model.c (walks) and model_*.c (bits of one format). */
#ifndef MDL_MODEL_INT_H
#define MDL_MODEL_INT_H

#include <stddef.h>

#include "model.h"

enum mdl_kind { MDL_K_NONE, MDL_K_BAD, MDL_K_TABLE, MDL_K_LEAF };

/* One decoded entry. */
struct mdl_ent {
	enum mdl_kind kind;
	enum mdl_fault fault; /* MDL_K_BAD */
	uint64_t pa;	      /* next table, or output address */
	int next_level;	      /* MDL_K_TABLE */
	unsigned lg2;	      /* MDL_K_LEAF: size of the translation, the run's if claimed */
	bool replica;	      /* members are identical and @pa is that of the run */
	bool r, w, x;	      /* what this entry allows */
	bool a;
	int d;
	bool af_fault;
};

struct mdl_fmt {
	bool (*valid)(const struct mdl_table *t);
	int (*root_level)(const struct mdl_table *t);
	unsigned (*width)(const struct mdl_table *t); /* input bits */
	unsigned (*shift)(const struct mdl_table *t, int level);
	unsigned (*bits)(const struct mdl_table *t); /* index bits below the root */
	/* between what the device sends and 0..2^width-1 */
	bool (*to_off)(const struct mdl_table *t, uint64_t iova, uint64_t *off);
	uint64_t (*to_iova)(const struct mdl_table *t, uint64_t off);
	void (*decode)(const struct mdl_table *t, int level, uint64_t pte, struct mdl_ent *e);
	/* bits of members of one run that are not compared; addresses are, decoded */
	uint64_t (*loose)(const struct mdl_table *t, int level, uint64_t pte);
	/* @pte after hardware used it for a granted access */
	uint64_t (*touch)(const struct mdl_table *t, bool leaf, bool write, uint64_t pte);
};

extern const struct mdl_fmt mdl_fmt_arm, mdl_fmt_vtd_ss, mdl_fmt_x86, mdl_fmt_amd_v1;

/* n low bits set, n 0..64 */
static inline uint64_t mdl_low(unsigned n)
{
	return n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

/* bits hi..lo, both included */
static inline uint64_t mdl_bits(unsigned hi, unsigned lo)
{
	return mdl_low(hi + 1) & ~mdl_low(lo);
}

static inline bool mdl_bit(uint64_t v, unsigned n)
{
	return v >> n & 1;
}

static inline void mdl_bad(struct mdl_ent *e, enum mdl_fault fault)
{
	e->kind = MDL_K_BAD;
	e->fault = fault;
}

#endif
