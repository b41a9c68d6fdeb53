/* SPDX-License-Identifier: MIT */
/*
 * The harness: one list of formats and configurations, one way to say which of them a test needs,
 * and helpers that compare what the library built with an independent walker (model/).
 *
 * A test is a function that takes a fresh page table; it runs on every variant that has the
 * capabilities it names, as "name[variant]".
 */
#ifndef IODTEST_H
#define IODTEST_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <iodirty/iodirty.h>

#include "model.h"

#define IODT_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define IODT_BIT(n)	   ((uint64_t)1 << (n))

#define IODT_4K		   IODT_BIT(12)
#define IODT_64K	   IODT_BIT(16)
#define IODT_1M		   IODT_BIT(20)
#define IODT_2M		   IODT_BIT(21)
#define IODT_32M	   IODT_BIT(25)
#define IODT_512M	   IODT_BIT(29)
#define IODT_1G		   IODT_BIT(30)
#define IODT_16G	   IODT_BIT(34)
#define IODT_RW		   (IOD_PROT_READ | IOD_PROT_WRITE)

/* What a variant can; found from its facts, see iodt_caps(). */
#define IODT_HUGE	(1u << 0) /* a leaf above the leaf table */
#define IODT_RUNS	(1u << 1) /* pages that span several items */
#define IODT_DIRTY	(1u << 2) /* hardware sets Dirty */
#define IODT_WRITE_ONLY (1u << 3) /* leaves that can be written but not read */
#define IODT_TOP64	(1u << 4) /* the last address is 2^64 - 1 */
#define IODT_CANONICAL	(1u << 5) /* a non-canonical hole in the middle */
#define IODT_GROWS	(1u << 6) /* the root grows */
#define IODT_ARM	(1u << 7)
#define IODT_REPLICAS	(1u << 8)  /* AMD v1 */
#define IODT_TABLES	(1u << 9)  /* two levels or more */
#define IODT_GRAN4K	(1u << 10) /* smallest page is 4 KiB */
#define IODT_ROOMY	(1u << 11) /* 16 GiB of input addresses or more */
#define IODT_X86_SIZES	(1u << 12) /* exactly 4K, 2M and 1G */
#define IODT_UPPER	(1u << 13) /* only the upper half */
#define IODT_MIDDLING	(1u << 14) /* 1 GiB of input addresses or more */
#define IODT_PLAIN	(1u << 15) /* one of the few that slow tests run on */
#define IODT_PRUNE	(1u << 16) /* hardware sets Accessed in table entries, by declaration */
#define IODT_HITLESS	(1u << 17) /* sizes change without a fault: all but ARM below BBM level 1 */
#define IODT_NT		(1u << 18) /* ... by way of nT: ARM at BBM level 1 */
#define IODT_RESIZE	(1u << 19) /* all have it: the test is about page sizes that change */

/* One format in one configuration, and the facts about it, written from the specifications. */
struct iodt_variant {
	const char *name;
	/* what is asked for */
	enum iod_format format;
	uint32_t features, granule, ias, oas, levels;
	uint64_t pgsizes;
	/* what must come of it */
	uint64_t sizes;			/* pages, runs included */
	uint64_t first, last;		/* input addresses */
	uint64_t hole_first, hole_last; /* not canonical */
	uint32_t walk_levels;		/* from the root */
	uint32_t width;			/* input bits */
	uint32_t max_levels;		/* what the root may grow to; 0: it does not */
	uint32_t tables;		/* concatenated at the root; 0: 1 */
	/* fields of CD, STE, context or PASID entry, DTE */
	uint8_t tg, sl0, mode;
	bool plain;
	bool resize; /* like another but for what resizing does: for tests that need IODT_RESIZE */
};

extern const struct iodt_variant iodt_variants[];
extern const size_t iodt_nr_variants;

uint32_t iodt_caps(const struct iodt_variant *v);

/* An allocator that counts, checks lengths, and can be made to fail. */
struct iodt_alloc {
	struct iod_allocator ops;
	uint64_t calls;	  /* since creation */
	uint64_t fail_at; /* the number of the call that fails; 0: none */
	uint64_t live;	  /* blocks */
	uint64_t bad;	  /* frees with a wrong length */
};

void iodt_alloc_init(struct iodt_alloc *alloc);

/* Invalidations as they reach "hardware". */
#define IODT_INV_MAX 4096

struct iodt;

struct iodt_inv_log {
	struct iod_inv inv[IODT_INV_MAX];
	size_t nr;
	unsigned int calls, syncs;
	unsigned int unsynced; /* invalidations issued after the last sync */
	int fail_invalidate;   /* errno to return, once */
	int fail_sync;	       /* errno to return, once */
	void (*hook)(struct iodt *t, const struct iod_inv *inv, size_t nr);
};

/* What is expected to be mapped. */
struct iodt_seg {
	uint64_t iova, last, pa;
	uint32_t prot;
};

struct iodt_leaves {
	struct mdl_leaf *leaf;
	size_t nr, cap;
	uint64_t tables;
};

/* Every word of every table, in the order of a walk. */
struct iodt_snapshot {
	uint64_t *word; /* address, value, address, value ... */
	size_t nr, cap;
};

struct iodt {
	const struct iodt_variant *v;
	uint32_t caps;
	struct iodt_alloc alloc;
	struct iod_mem *mem;
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	struct iodt_inv_log log;
	struct iodt_seg *seg;
	size_t nr_segs, cap_segs;
	uint64_t page; /* smallest page */
	uint64_t rng;
	struct iodt_snapshot *tap; /* read64 records there */
	void *priv;
};

struct iodt_test {
	const char *name;
	uint32_t need;	  /* IODT_*: all of them */
	uint32_t without; /* IODT_*: none of them */
	void (*fn)(struct iodt *t);
};

/*
 * Run @tests on every variant that fits, then the @nr_plain tests that want no variant. argv[1] is
 * a pattern for names. Returns what main() returns; 77 when there was nothing to run.
 */
int iodt_main(int argc, char **argv, const struct iodt_test *tests, size_t nr,
	      const struct CMUnitTest *plain, size_t nr_plain);

/* Fresh objects, for tests without a variant or with several tables. NULL on failure. */
struct iodt *iodt_open(const struct iodt_variant *v);
/* Destroys all and checks that nothing leaked: 0, or -1. */
int iodt_close(struct iodt *t);
const struct iodt_variant *iodt_variant(const char *name);
struct iod_pgtable_cfg iodt_cfg(const struct iodt_variant *v, struct iod_mem *mem);
struct iod_mem *iodt_mem_create(struct iodt_alloc *alloc);

/*
 * Kernels that iodt_cfg() asks for; NULL: the fastest. iodt_main() gives each test the next set, so that
 * all of them are met; IOD_KERNELS names one for all.
 */
extern const char *iodt_kernels;
/* The n-th set, around and around. */
const char *iodt_kernels_nth(uint64_t n);

uint64_t iodt_random(struct iodt *t);
uint64_t iodt_below(struct iodt *t, uint64_t n); /* 0..n-1 */
/* @n scaled by the environment variable IOD_TEST_SCALE (percent), at least 1. */
unsigned int iodt_scale(unsigned int n);

/* Facts of one page size. */
uint32_t iodt_out_bits(const struct iodt_variant *v);
uint64_t iodt_item_size(const struct iodt_variant *v, uint64_t size);
uint32_t iodt_item_level(const struct iodt_variant *v, uint64_t size);
uint64_t iodt_largest(const struct iodt_variant *v);
uint64_t iodt_pow2_floor(uint64_t n);

/* The largest page that fits, by trying all of them. */
uint64_t iodt_best_size(const struct iodt_variant *v, uint64_t iova, uint64_t pa, uint64_t len);

/* Aligned places of @size bytes at the ends of the input space and elsewhere; returns how many. */
#define IODT_PLACES 8
size_t iodt_places(const struct iodt_variant *v, uint64_t size, uint64_t places[IODT_PLACES]);

/* An output address, aligned to @size, different for each @n where the output size allows. */
uint64_t iodt_pa(const struct iodt_variant *v, uint64_t size, uint64_t n);

/* The input space in pieces that a call can take: [iova, iova + len). Returns 1 or 2. */
struct iodt_part {
	uint64_t iova, len;
};
size_t iodt_parts(const struct iodt_variant *v, struct iodt_part part[2]);

/* Raw Accessed and Dirty bits. */
bool iodt_pte_dirty(const struct iodt_variant *v, uint64_t pte);
uint64_t iodt_pte_mark(const struct iodt_variant *v, uint64_t pte); /* Accessed and Dirty */
uint64_t iodt_pte_clean(const struct iodt_variant *v, uint64_t pte);
uint64_t iodt_accessed_bit(const struct iodt_variant *v);

/*
 * Entries by hand, from the specifications. @level: 0 = leaf table. @size: page size, of the whole
 * run; @pa: of the item. Only READ, WRITE, NOEXEC, PRIV, GLOBAL, SNOOP, DIRTY, UNTRACKED and a
 * memory attribute are understood; what a format has not is left out.
 */
uint64_t iodt_make_leaf(const struct iodt_variant *v, uint64_t size, uint64_t pa, uint32_t prot);
uint64_t iodt_make_table(const struct iodt_variant *v, uint32_t level, uint64_t pa);
/* Bits that the library may set or leave: Accessed, and what only counts with hardware's help. */
uint64_t iodt_leaf_free_bits(const struct iodt_variant *v, uint32_t prot);

void iodt_put_le64(uint64_t *word, uint64_t val);
uint64_t iodt_read(struct iodt *t, uint64_t pa);
void iodt_write(struct iodt *t, uint64_t pa, uint64_t val);
/* Mark item @item of the leaf at @iova as hardware would. */
void iodt_mark_item(struct iodt *t, uint64_t iova, unsigned int item);
/* What one leaf table maps; and where the entry lies that points to the one of @iova, or 0. */
uint64_t iodt_table_span(const struct iodt_variant *v);
uint64_t iodt_table_entry(const struct iod_pgtable *pt, const struct iodt_variant *v,
			  uint64_t iova);
/* One write access by the model's hardware. */
void iodt_dma_write(struct iodt *t, uint64_t iova);

/* The table as the model sees it; geometry from iod_pgtable_get_hw_info(). */
void iodt_model(const struct iodt *t, struct mdl_table *table);
struct mdl_mem iodt_mdl_mem(struct iodt *t);
void iodt_leaves(struct iodt *t, struct iodt_leaves *out);
void iodt_leaves_free(struct iodt_leaves *l);
struct mdl_leaf iodt_walk(struct iodt *t, uint64_t iova);

/* Map or unmap, require success, and remember it. */
void iodt_map(struct iodt *t, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot);
void iodt_unmap(struct iodt *t, uint64_t iova, uint64_t len);
void iodt_sync(struct iodt *t);
void iodt_expect_map(struct iodt *t, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot);
void iodt_expect_unmap(struct iodt *t, uint64_t iova, uint64_t len);
/* What is expected at @iova, or NULL. */
const struct iodt_seg *iodt_expected(const struct iodt *t, uint64_t iova);
bool iodt_expected_any(const struct iodt *t, uint64_t iova, uint64_t len);

/* Compare model, library and expectation: leaves, translations, tables. */
void iodt_verify(struct iodt *t);
/* iod_translate() and the model agree on one address with what is expected. */
void iodt_verify_at(struct iodt *t, uint64_t iova);

void iodt_snapshot(struct iodt *t, struct iodt_snapshot *s);
/* Requires that no table has changed since; frees the snapshot. */
void iodt_unchanged(struct iodt *t, struct iodt_snapshot *s);
void iodt_snapshot_free(struct iodt_snapshot *s);

struct iod_mem_stats iodt_stats(const struct iod_mem *mem);
struct iod_gather_info iodt_gather_info(const struct iod_gather *gather);
struct iod_pgtable_info iodt_info(const struct iod_pgtable *pt);

/* Forget what was recorded. */
void iodt_log_reset(struct iodt *t);
/* Whether the recorded invalidations cover exactly the union of the given ranges (iova, last). */
bool iodt_log_is(struct iodt *t, const struct iodt_seg *want, size_t nr);
/* Whether they cover at least that, and nothing before or behind it. */
bool iodt_log_covers(struct iodt *t, const struct iodt_seg *want, size_t nr);

/* A bitmap with its memory. */
struct iodt_bits {
	struct iod_bitmap bm;
	uint64_t *mem;
	uint64_t bytes;
};

void iodt_bits_init(struct iodt_bits *b, uint64_t iova, uint64_t len, uint64_t granule);
void iodt_bits_zero(struct iodt_bits *b);
void iodt_bits_free(struct iodt_bits *b);
/* By hand, not through the library: bit of @iova. */
bool iodt_bits_get(const struct iodt_bits *b, uint64_t iova);
void iodt_bits_put(struct iodt_bits *b, uint64_t iova);
uint64_t iodt_bits_count(const struct iodt_bits *b);

/* A sweep of the test's table, with everything filled in. */
struct iod_sweep iodt_sweep_arg(struct iodt *t, enum iod_sweep_mode mode, uint64_t iova,
				uint64_t len, struct iodt_bits *b);

/*
 * Sweep in as many calls as @budget makes it, and compare with what the model's leaves call for:
 * the
 * bits, every word of every table, the counters, what is invalidated (the gather is flushed).
 */
struct iodt_swept {
	uint64_t dirty, cleaned, calls;
};
struct iodt_swept iodt_sweep(struct iodt *t, enum iod_sweep_mode mode, uint32_t flags,
			     uint64_t iova, uint64_t len, uint64_t budget, struct iodt_bits *b);

#define iodt_assert_ok(expr) assert_int_equal((expr), 0)

#endif
