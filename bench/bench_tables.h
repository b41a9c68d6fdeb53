/* SPDX-License-Identifier: MIT */
/*
 * The page tables that benchmarks run on: how they are laid out in memory, which of their entries are
 * dirty, and the bitmap that a sweep must therefore produce.
 */
#ifndef IODIRTY_BENCH_TABLES_H
#define IODIRTY_BENCH_TABLES_H

#include <iodirty/iodirty.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_PAGE_LG2	 12
#define BENCH_PAGE	 (UINT64_C(1) << BENCH_PAGE_LG2)
#define BENCH_BLOCK_LG2	 21
#define BENCH_LEAF_ITEMS 512u /* items of one table, in every format at 4 KiB */
#define BENCH_TABLE_LG2	 9
#define BENCH_RUN_ITEMS	 16u /* of one page of 64 KiB */
#define BENCH_LEVELS	 6

/* How the tables lie, and what is mapped in them. */
enum bench_layout {
	BENCH_PLAIN = 0, /* 4 KiB pages, mapped in one call */
	BENCH_SCATTERED, /* the same with leaf tables in random order in memory */
	BENCH_RUNS,	 /* 64 KiB pages: runs of 16 items */
	BENCH_BLOCKS,	 /* 2 MiB pages */
	BENCH_WIDE,	 /* 4 KiB pages; hardware marks table entries */
	BENCH_MARKED,	 /* the same, over the range of most cases */
	BENCH_RESIZE_2M, /* 2 MiB pages, or the 4 KiB pages that they are split into */
	BENCH_RESIZE_1G, /* 1 GiB pages, likewise */
	BENCH_BREAK,	 /* as BENCH_RESIZE_2M; sizes are changed by break-before-make */
	BENCH_BESIDE,	 /* 4 KiB pages; 2 MiB pages are in use behind them */
};

/* Which items are dirty. Pseudo-random, but the same each time. */
enum bench_pattern {
	BENCH_CLEAN = 0,
	BENCH_DIRTY_0_1, /* per cent of the items */
	BENCH_DIRTY_10,
	BENCH_DIRTY_100,
	BENCH_DIRTY_10_RUNS, /* per cent of the aligned groups of 16, all 16 of them */
	BENCH_DIRTY_ONE,     /* one of every aligned 16 */
};

/* Where a format keeps its bits: what hardware would set. Entries are little-endian. */
struct bench_raw {
	uint64_t dirty_mask;
	uint64_t dirty_value;	 /* dirty when (entry & dirty_mask) == dirty_value */
	uint64_t accessed;	 /* in leaf entries */
	uint64_t table_accessed; /* in table entries */
	bool table_optional; /* hardware sets it there only where IOD_PT_HW_TABLE_ACCESS says so */
};

/* What the entries hold. */
enum bench_state {
	BENCH_STATE_UNKNOWN = 0,
	BENCH_STATE_PATTERN, /* as the pattern says */
	BENCH_STATE_CLEANED, /* all clean, Accessed set */
};

/* One page table. */
struct bench_tables {
	enum iod_format format;
	enum bench_layout layout;
	const struct bench_raw *raw;
	struct iod_mem *mem;
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	uint64_t iova, pa, len; /* what is mapped */
	unsigned int item_lg2;	/* bytes of IOVA of one leaf item */
	bool marks_tables;	/* hardware sets Accessed in table entries */
	bool mapped;
	bool recycled; /* the tables are on their second life */
	bool listed;   /* leaf[] and upper[] are current */

	uint64_t **leaf; /* host pointers of the leaf tables, in IOVA order */
	size_t nr_leaf;
	uint64_t **upper[BENCH_LEVELS]; /* by level: of all other tables, in IOVA order */
	size_t nr_upper[BENCH_LEVELS];

	enum bench_state state;
	enum bench_pattern pattern;
	bool patterned;	       /* marks and expect are those of the pattern */
	uint64_t nr_items;     /* dirty */
	uint64_t nr_entries;   /* dirty: a run counts once */
	uint64_t *marks;       /* bit i: item i is dirty */
	unsigned char *expect; /* the bitmap that a sweep must produce */
	uint64_t *bits;	       /* the bitmap that it does produce */
	uint64_t bits_len;
	struct iod_bitmap bitmap;
};

/* Say what failed. @return err, so that it can be returned */
int bench_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *bench_error(void);

/* bench_tables.c */
int bench_tables_init(struct bench_tables *t, enum iod_format format, enum bench_layout layout,
		      uint64_t len);
void bench_tables_exit(struct bench_tables *t);
int bench_tables_map(struct bench_tables *t, uint64_t *done);
int bench_tables_list(struct bench_tables *t);
bool bench_resizes(enum bench_layout layout);
int bench_tables_unmap(struct bench_tables *t, uint64_t *done);
void bench_tables_changed(struct bench_tables *t);
size_t bench_upper_index(const struct bench_tables *t, unsigned int level, uint64_t iova);
int bench_tables_ready(struct bench_tables *t, bool recycled);
int bench_create_pt(enum iod_format format, uint32_t features, uint64_t page, struct iod_mem *mem,
		    struct iod_pgtable **pt, struct iod_gather **gather);
void bench_destroy_pt(struct iod_pgtable **pt, struct iod_gather **gather);
int bench_check_mapped(const struct bench_tables *t, const struct iod_pgtable *pt, uint64_t len);
int bench_check_unmapped(const struct bench_tables *t, const struct iod_pgtable *pt, uint64_t len);

/* bench_dirty.c: raw bits of entries, written as hardware would. */
const struct bench_raw *bench_raw_of(enum iod_format format);
void bench_dirty_set(struct bench_tables *t, enum bench_pattern pattern);
uint64_t bench_dirty_count(const struct bench_tables *t);

static inline uint64_t bench_le64(uint64_t v)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(v);
#else
	return v;
#endif
}

/* The n-th number of a fixed pseudo-random sequence (a 64-bit finalizer: every bit is good). */
static inline uint64_t bench_random(uint64_t n)
{
	n = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
	n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
	return n ^ (n >> 31);
}

#endif
