/* SPDX-License-Identifier: MIT */
/*
 * Tables written by hand: 4 KiB each, one at each level, item 0 pointing to the next one. The
 * library only walks them.
 */
#ifndef IOTLB_HAND_H
#define IOTLB_HAND_H

#include "iodtest.h"

#define R	   IOD_ACCESS_READ
#define W	   IOD_ACCESS_WRITE
#define X	   IOD_ACCESS_EXEC
#define P	   IOD_ACCESS_PRIV
#define IOVA	   UINT64_C(0x1234) /* page 1 */
#define PAGE	   UINT64_C(0x5000) /* where it leads */

#define OK	   IOD_FAULT_NONE
#define RANGE	   IOD_FAULT_RANGE
#define NOT_THERE  IOD_FAULT_TRANSLATION
#define PERMISSION IOD_FAULT_PERMISSION
#define AFLAG	   IOD_FAULT_ACCESS_FLAG
#define ADDR_SIZE  IOD_FAULT_ADDRESS_SIZE
#define RESERVED   IOD_FAULT_RESERVED
#define ABORT	   IOD_FAULT_WALK_ABORT

struct hand_cfg {
	enum iod_format format;
	uint32_t features, ias, oas, levels;
	unsigned int depth; /* tables */
	uint64_t table;	    /* item that points to a table, without its address */
	bool level_in_item; /* AMD v1: Next Level */
	uint64_t used;	    /* set in such items by a granted access */
	uint32_t iotlb;	    /* IOD_IOTLB_* */
};

#define HAND_DEPTH 5

struct hand {
	const struct hand_cfg *c;
	struct iodt *t;
	struct iod_iotlb *tlb;
	uint64_t table[HAND_DEPTH]; /* by level */
	uint64_t leaf_pa;
};

static inline uint64_t hand_item(const struct hand *h, unsigned int level)
{
	uint64_t item = h->c->table | h->table[level - 1];

	return h->c->level_in_item ? item | (uint64_t)level << 9 : item;
}

static inline struct iod_iotlb *hand_tlb(uint32_t flags)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg), .flags = flags };
	struct iod_iotlb *tlb = NULL;

	iodt_assert_ok(iod_iotlb_create(&tlb, &cfg));
	return tlb;
}

static inline void hand_open(struct hand *h, const struct hand_cfg *c)
{
	struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg),
		.format = c->format,
		.features = c->features,
		.domain = 7,
		.ias = c->ias,
		.oas = c->oas,
		.levels = c->levels,
	};
	unsigned int i;

	if (!iod_format_ops(c->format))
		skip();
	*h = (struct hand){ .c = c, .t = iodt_open(NULL) };
	assert_non_null(h->t);
	for (i = 0; i < c->depth; i++)
		iodt_assert_ok(iod_mem_alloc(h->t->mem, 4096, &h->table[i]));
	h->leaf_pa = h->table[0] + 8;
	cfg.mem = h->t->mem;
	iodt_assert_ok(iod_pgtable_attach(&h->t->pt, &cfg, h->table[c->depth - 1]));
	h->tlb = hand_tlb(c->iotlb);
}

static inline void hand_close(struct hand *h)
{
	unsigned int i;

	iodt_assert_ok(iod_iotlb_destroy(h->tlb));
	for (i = 0; i < h->c->depth; i++)
		iodt_assert_ok(iod_mem_free(h->t->mem, h->table[i], 4096));
	iodt_assert_ok(iodt_close(h->t));
}

/* Point every item 0 to the next table, write the leaf, forget what was cached. */
static inline void hand_reset(struct hand *h, uint64_t leaf)
{
	struct iod_inv all = { .kind = IOD_INV_ALL };
	unsigned int i;

	iodt_write(h->t, h->leaf_pa, leaf);
	for (i = 1; i < h->c->depth; i++)
		iodt_write(h->t, h->table[i], hand_item(h, i));
	iodt_assert_ok(iod_iotlb_invalidate(h->tlb, &all, 1));
}

static inline enum iod_fault_reason hand_access(struct hand *h, uint64_t iova, uint32_t access,
						struct iod_access_result *result)
{
	struct iod_fault fault = { 0 };

	if (!iod_iotlb_access(h->tlb, h->t->pt, iova, access, result, &fault))
		return OK;
	return fault.reason;
}

static inline struct iod_iotlb_stats hand_stats(const struct iod_iotlb *tlb)
{
	struct iod_iotlb_stats s = { .size = sizeof(s) };

	iodt_assert_ok(iod_iotlb_get_stats(tlb, &s));
	return s;
}

#endif
