/* SPDX-License-Identifier: MIT */
/* A few pieces of pretended physical memory, and checks in words for golden tests. */
#ifndef MDL_FAKEMEM_H
#define MDL_FAKEMEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model.h"

#define FM_REGIONS 32

struct fakemem {
	struct {
		uint64_t pa, len, *words;
	} region[FM_REGIONS];
	int n;
	struct mdl_mem mem;	    /* to hand to the walkers */
	unsigned long writes;	    /* exchanges that took place */
	uint64_t race_pa, race_val; /* stored just before the next exchange, if race_pa */
};

struct fakemem *fm_new(void);
void fm_free(struct fakemem *m);
void fm_add(struct fakemem *m, uint64_t pa, uint64_t len); /* zeroed */
void fm_set(struct fakemem *m, uint64_t pa, uint64_t val);
uint64_t fm_get(struct fakemem *m, uint64_t pa);

/* mdl_walk() of @iova says "BASE SIZE PA PERM aA dD xITEMS LLEVEL" (hex, d- untracked). */
void fm_walk(const struct mdl_table *t, struct fakemem *m, uint64_t iova, const char *want);
void fm_fault(const struct mdl_table *t, struct fakemem *m, uint64_t iova, enum mdl_fault want);
/* mdl_enumerate() says these lines, each with \n, and this many tables. */
void fm_enum(const struct mdl_table *t, struct fakemem *m, uint64_t tables, const char *want);
/* mdl_access() gives @want; afterwards the word at @pa is @val. */
void fm_access(const struct mdl_table *t, struct fakemem *m, uint64_t iova, bool write,
	       enum mdl_fault want, uint64_t pa, uint64_t val);

int mdl_test_arm(void);
int mdl_test_arm_ad(void);
int mdl_test_vtd(void);
int mdl_test_amd(void);
int mdl_test_edge(void);
int mdl_test_amdvi(void);
int mdl_test_smmu(void);
int mdl_test_smmu_legal(void);
int mdl_test_smmu_walk(void);
int mdl_test_tools(void);
int mdl_test_data(void);

#endif
