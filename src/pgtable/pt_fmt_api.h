/* SPDX-License-Identifier: MIT */
/*
 * What a format must provide: the contract. Included after the format's header, so that a missing
 * function or a wrong signature does not compile. All are `static inline` and see one item at a time.
 */
#ifndef IOD_PT_FMT_API_H
#define IOD_PT_FMT_API_H

#include "pgtable/pt_defs.h"

/* ---- geometry ---- */

/* log2 of the bytes that one item at this level covers. */
static inline unsigned pt_shift(const struct iod_pgtable *pt, unsigned level);
/* log2 of the items of a table at this level, when the root is at top_level. */
static inline unsigned pt_items_lg2(const struct iod_pgtable *pt, unsigned level,
				    unsigned top_level);
/* Leaf sizes possible at this level: bit n = 2^n bytes, runs included. */
static inline uint64_t pt_leaf_sizes(const struct iod_pgtable *pt, unsigned level);

/* ---- decoding ---- */

/* What the item is, by structure alone: reserved bits that hardware might ignore do not matter, so that
 * a sweep that relies on it reports too much rather than too little. */
static inline enum pt_type pt_item_type(const struct iod_pgtable *pt, unsigned level, uint64_t pte);
/* Whether a TABLE or LEAF item breaks a reserved-bit rule of the format. */
static inline bool pt_item_reserved(const struct iod_pgtable *pt, unsigned level, uint64_t pte);
/* TABLE: address and level of the table pointed to; what the entry denies to everything below
 * (IOD_PROT_READ / WRITE taken away, IOD_PROT_NOEXEC / PRIV added). */
static inline uint64_t pt_table_pa(const struct iod_pgtable *pt, uint64_t pte);
static inline unsigned pt_table_level(const struct iod_pgtable *pt, unsigned level, uint64_t pte);
static inline uint32_t pt_table_deny(const struct iod_pgtable *pt, uint64_t pte);
/* LEAF: log2 of the bytes of the whole entry, which never leaves its table; its first output address; permissions with the
 * configured hardware features; memory attribute; raw A and D. */
static inline unsigned pt_leaf_lg2(const struct iod_pgtable *pt, unsigned level, uint64_t pte);
static inline uint64_t pt_leaf_pa(const struct iod_pgtable *pt, unsigned level, uint64_t pte);
/* Output address of x by the LEAF item that holds it in a leaf table that we built. */
static inline uint64_t pt_page_pa(const struct iod_pgtable *pt, uint64_t pte, uint64_t x);
static inline uint32_t pt_leaf_prot(const struct iod_pgtable *pt, uint64_t pte);
static inline uint32_t pt_leaf_memattr(const struct iod_pgtable *pt, unsigned level, uint64_t pte);
static inline bool pt_leaf_accessed(const struct iod_pgtable *pt, uint64_t pte);
static inline enum iod_dirty pt_leaf_dirty(const struct iod_pgtable *pt, uint64_t pte);

/* ---- encoding ---- */

/* Everything of a leaf but its address, size and level. -EINVAL, -EOPNOTSUPP. */
static inline int pt_encode_prot(const struct iod_pgtable *pt, uint32_t prot, uint64_t *attr);
/* The item at output address pa of a leaf of 2^lg2 bytes (pa advances by items within a run). */
static inline uint64_t pt_make_leaf(const struct iod_pgtable *pt, unsigned level, unsigned lg2,
				    uint64_t pa, uint64_t attr);
/* What pt_encode_prot() gave for the LEAF item, with A and D as they are: all but address, size, level. */
static inline uint64_t pt_leaf_attr(const struct iod_pgtable *pt, unsigned level, uint64_t pte);
/* A table item at `level` that points to pa at level - 1. */
static inline uint64_t pt_make_table(const struct iod_pgtable *pt, unsigned level, uint64_t pa);

/* ---- dirty state ---- */

static inline void pt_get_scan_spec(const struct iod_pgtable *pt, bool skip_untracked,
				    struct pt_scan_spec *spec);
/* (pte & *mask) == *match for the leaves of exactly 2^lg2 bytes in a leaf table, among items that are
 * present and in tables that we built; lg2 is a size that a leaf table has. */
static inline void pt_size_spec(const struct iod_pgtable *pt, unsigned lg2, uint64_t *mask,
				uint64_t *match);
/* The same for tables that somebody else built: *mask takes in all that makes an item a LEAF like the LEAF
 * item pte, so that what matches is one of the same size. */
static inline void pt_like_spec(const struct iod_pgtable *pt, uint64_t pte, uint64_t *mask,
				uint64_t *match);
/* (pte & *mask) == *match for the TABLE items, in tables that we built, whose Accessed bit, *bit, is
 * set. Asked only with IOD_PT_HW_TABLE_ACCESS. */
static inline void pt_table_access_spec(const struct iod_pgtable *pt, uint64_t *mask,
					uint64_t *match, uint64_t *bit);

/* ---- the hardware's side (pt_hw.h) ---- */

/* The leaf as hardware leaves it after an access that it permits: Accessed set where enabled, Dirty
 * for a write where enabled. Equal to pte when there is nothing to write. */
static inline uint64_t pt_hw_mark(const struct iod_pgtable *pt, uint64_t pte, bool write);
/* Whether hardware refuses the leaf because Accessed is clear and it may not set it (ARM). */
static inline bool pt_hw_access_flag_fault(const struct iod_pgtable *pt, uint64_t pte);
/* The table item with Accessed set, where enabled. `open`: also where the specification leaves it
 * open whether hardware does (bits.md B1). */
static inline uint64_t pt_hw_mark_table(const struct iod_pgtable *pt, uint64_t pte, bool open);
/* 1 or 2: the stage that a fault is reported for. */
#ifndef PT_STAGE
#error "a format defines PT_STAGE"
#endif

/* ---- configuration ---- */

/* Format-specific part of create and attach: see struct pt_engine.init. */
static inline int pt_fmt_init(struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg,
			      unsigned *top_level);
static inline void pt_fmt_hw_info(const struct iod_pgtable *pt, struct pt_top top,
				  struct iod_hw_info *info);
/* Whether map may put a new root above the present one. */
#ifndef PT_CAN_GROW
#define PT_CAN_GROW 0
#endif

#endif
