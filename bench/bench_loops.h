/* SPDX-License-Identifier: MIT */
/*
 * The fastest loops that we know for this machine: read, read-modify-write, write, combine. Each comes
 * in several variants (instruction set, prefetch distance); the one that wins on this machine's memory
 * is the limit that the library is held against.
 */
#ifndef IODIRTY_BENCH_LOOPS_H
#define IODIRTY_BENCH_LOOPS_H

#include <stddef.h>
#include <stdint.h>

/* Try all variants on a buffer larger than the caches (its contents are lost), and choose. */
void bench_loops_init(uint64_t *buffer, size_t items);

/* Lengths are multiples of a leaf table; prefetching beyond the end is harmless. */
uint64_t bench_read(const uint64_t *p, size_t n);
void bench_rmw(uint64_t *p, size_t n, uint64_t keep);
void bench_write(uint64_t *p, size_t n, uint64_t value);
void bench_store(uint64_t *p, size_t n, uint64_t value); /* through the caches */
void bench_or(uint64_t *dst, const uint64_t *src, size_t n);
void bench_locked(uint64_t *p, size_t n, uint64_t keep);
void bench_touch_lines(const uint64_t *p, size_t n);

/* Read whole leaf tables in this order, wherever they lie; @p variant below bench_nr_read_tables. */
extern const unsigned int bench_nr_read_tables;
uint64_t bench_read_tables(uint64_t *const *tables, size_t nr, unsigned int variant);

/* What won: "read avx2+8K, ...". */
const char *bench_loops_chosen(void);

#endif
