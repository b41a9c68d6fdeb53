/* SPDX-License-Identifier: MIT */
/*
 * What a STE or CD means to hardware, for tests of changes to live ones: taken apart by the independent decoder,
 * with all that is IGNORED left out (5.2, 5.4). Two structures that mean the same are memory-equal.
 */
#ifndef IODTEST_PLANFIX_H
#define IODTEST_PLANFIX_H

#include "stefix.h"

#define MEANING_MAX 64

struct meaning {
	unsigned nr;
	uint64_t value[MEANING_MAX];
};

enum plan_kind { PLAN_STE, PLAN_CD };

/*
 * Hints (MEV, CONT, ALLOCCFG) are left out: they may be old or new at any time. HAFT of a CD is kept apart, because
 * it may change in a step of its own.
 */
struct meaning plan_meaning(enum plan_kind kind, const struct stefix_words *words, bool *haft);

/* How a structure between two others is to be taken. */
enum plan_class {
	PLAN_OLD_OR_NEW,
	PLAN_HAFT, /* the new one of a CD, or the old one, but for HAFT, which is still or already off */
	PLAN_INVALID,
	PLAN_MIXED,
};
enum plan_class plan_class(enum plan_kind kind, const struct stefix_words *words,
			   const struct stefix_words *from, const struct stefix_words *to);

struct iod_smmuv3_plan plan_of(enum plan_kind kind, const struct stefix_words *from,
			       const struct stefix_words *to);

/* Interesting structures of a kind. */
struct plan_case {
	const char *name;
	struct stefix_words words;
};

#define PLAN_CASES 40
unsigned plan_cases(enum plan_kind kind, struct plan_case *cases);

#endif
