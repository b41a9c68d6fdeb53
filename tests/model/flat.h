/* SPDX-License-Identifier: MIT */
/*
 * Flat model of an address space: a hash of pages. What property tests compare
 * a page table with. Ranges are given as (iova, len), both multiples of the
 * page; the last address may be 2^64-1, and len 0 is an empty range.
 */
#ifndef MDL_FLAT_H
#define MDL_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mdl_flat_page {
	uint64_t iova, pa;
	uint32_t prot; /* the test's own flags */
	bool dirty;
	bool used; /* of the hash */
};

struct mdl_flat {
	unsigned lg2; /* page size */
	struct mdl_flat_page *slots;
	size_t nslots, used;	      /* nslots is a power of 2 */
	struct mdl_flat_page **order; /* sorted by iova; NULL if out of date */
};

/* -1 if out of memory */
int mdl_flat_init(struct mdl_flat *f, unsigned lg2);
void mdl_flat_fini(struct mdl_flat *f);

/* -1: misaligned, past 2^64, a page is there already, or no memory; nothing changed then. */
int mdl_flat_map(struct mdl_flat *f, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot);
/* Bytes removed; holes are fine. */
uint64_t mdl_flat_unmap(struct mdl_flat *f, uint64_t iova, uint64_t len);

/* The page around @iova or NULL. Valid until the next map or unmap. */
struct mdl_flat_page *mdl_flat_lookup(const struct mdl_flat *f, uint64_t iova);
/* True if mapped; *pa is the output address of exactly @iova. */
bool mdl_flat_translate(const struct mdl_flat *f, uint64_t iova, uint64_t *pa);

/* -1 if not mapped */
int mdl_flat_set_dirty(struct mdl_flat *f, uint64_t iova);
/* Dirty pages in the range; the second cleans them. */
uint64_t mdl_flat_test_dirty(const struct mdl_flat *f, uint64_t iova, uint64_t len);
uint64_t mdl_flat_clear_dirty(struct mdl_flat *f, uint64_t iova, uint64_t len);

uint64_t mdl_flat_bytes(const struct mdl_flat *f);

/* All pages in order of iova, *n of them; NULL if none (or no memory). Owned by @f. */
struct mdl_flat_page **mdl_flat_sorted(struct mdl_flat *f, size_t *n);
/* In order; stops at and returns the first nonzero value of @fn; -1 if out of memory. */
int mdl_flat_each(struct mdl_flat *f, int (*fn)(void *cookie, const struct mdl_flat_page *p),
		  void *cookie);

#endif
