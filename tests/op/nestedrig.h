/* SPDX-License-Identifier: MIT */
/*
 * A guest behind a second stage: the library builds stage 2; stage 1 is written by hand, entry by entry,
 * into pages of guest memory. And the model of both: the independent walkers, one reading through the other.
 */
#ifndef NESTEDRIG_H
#define NESTEDRIG_H

#include "iodtest.h"

#define NESTED_PAGES 1024

/* Intermediate physical addresses: tables lie in the first half GiB, data in the second. */
#define NESTED_TABLES  IODT_BIT(24)
#define NESTED_DATA    IODT_512M
#define NESTED_END     IODT_1G

#define NESTED_DOMAIN1 UINT64_C(77)
#define NESTED_DOMAIN2 UINT64_C(0x1234) /* iodt_cfg()'s */

/* A stage-2 page that holds first-stage tables. */
struct nested_page {
	uint64_t ipa, pa;
	uint32_t prot;
	uint64_t *host;
};

struct nested {
	const struct iodt_variant *v1, *v2;
	struct iodt *t;	     /* stage 2, its memory, random numbers */
	struct iod_mem *mem; /* nested */
	struct iod_pgtable *pt;
	struct iod_iotlb *tlb, *tlb2;
	uint64_t root, next; /* IPAs */
	struct nested_page page[NESTED_PAGES];
	unsigned int nr_pages;
	uint64_t hole[NESTED_PAGES]; /* allocated between them, so that they are not neighbours */
	uint32_t table_prot;	     /* of table pages made from now on */
	uint32_t flags, flags2;	     /* IOD_IOTLB_* */
	uint32_t mem_flags;	     /* IOD_MEM_NESTED_* */
	uint64_t rng;
};

/* Pairs that make sense and whose formats are compiled in. */
bool nested_fits(const struct iodt_variant *v1, const struct iodt_variant *v2);

/* Set v1, v2, flags before. The root is there; nothing is mapped. */
void nested_open(struct nested *n);
void nested_close(struct nested *n);

/* First-stage entries by hand. @size: of the whole run; @ipa: where it leads. */
void nested_map1(struct nested *n, uint64_t iova, uint64_t size, uint64_t ipa, uint32_t prot);
/* IPA of the item that maps iova at @level, or of the leaf that was written there. */
uint64_t nested_item1(struct nested *n, uint64_t iova, unsigned int level);
uint64_t nested_read(struct nested *n, uint64_t ipa);
void nested_write(struct nested *n, uint64_t ipa, uint64_t val);
/* Stage 2, by the library. @return what iod_map() does */
int nested_map2(struct nested *n, uint64_t ipa, uint64_t size, uint64_t pa, uint32_t prot);
/* The stage-2 leaf of ipa, from the model. */
struct mdl_leaf nested_leaf2(struct nested *n, uint64_t ipa);
bool nested_dirty2(struct nested *n, uint64_t ipa);
bool nested_accessed2(struct nested *n, uint64_t ipa);
/* As software does: make it clean, or not writable any more; nothing is invalidated. */
void nested_clean2(struct nested *n, uint64_t ipa);

unsigned int nested_shift(const struct iodt_variant *v, unsigned int level);
uint64_t nested_random(struct nested *n);
uint64_t nested_below(struct nested *n, uint64_t nr);
void nested_inv(struct iod_iotlb *tlb, enum iod_inv_kind kind, uint64_t domain, uint64_t iova,
		uint64_t last);
void nested_inv_all(struct nested *n);

/* ---- the model: what hardware does, with all side effects ---- */

struct nested_result {
	/* NONE: granted */
	enum iod_fault_reason reason;
	uint32_t stage;
	enum iod_fault_class cls;
	bool table_write;
	uint64_t ipa;
	struct mdl_leaf leaf1, leaf2; /* granted: of both stages */
};

struct nested_model {
	struct nested *n;
	struct mdl_table table1, table2;
	struct mdl_mem mem1, mem2;
	struct nested_result *r; /* of the access under way */
};

void nested_model(struct nested *n, struct nested_model *m);
void nested_model_access(struct nested_model *m, uint64_t iova, bool write,
			 struct nested_result *r);
/* One access by the library and by the model, in two guests that are alike, and what both say. */
struct nested_tally {
	uint64_t granted, stage1, output, fetch, update; /* and refused by whom, for what */
};
void nested_compare(struct nested *a, struct nested_model *b, uint64_t iova, bool write,
		    struct nested_tally *tally);
/* All tables of both are alike, but for which items of a run are marked. */
void nested_same(struct nested *a, struct nested *b);

#endif
