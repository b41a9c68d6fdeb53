/* SPDX-License-Identifier: MIT */
/*
 * Atomic access to 64-bit words that hardware, other threads or a guest may change. Table items are
 * little-endian in memory; item_* convert, word_* do not.
 */
#ifndef IOD_ATOMIC_H
#define IOD_ATOMIC_H

#include "bits.h"

/* One untorn read. Acquire: what a table entry points to is seen as it was when it was installed. */
static inline uint64_t item_load(const uint64_t *item)
{
	return iod_le64(__atomic_load_n((const iod_word *)item, __ATOMIC_ACQUIRE));
}

static inline uint64_t item_load_relaxed(const uint64_t *item)
{
	return iod_le64(__atomic_load_n((const iod_word *)item, __ATOMIC_RELAXED));
}

static inline void item_store_relaxed(uint64_t *item, uint64_t v)
{
	__atomic_store_n((iod_word *)item, iod_le64(v), __ATOMIC_RELAXED);
}

/* Compare and exchange; on failure *old is what was seen. */
static inline bool item_cas(uint64_t *item, uint64_t *old, uint64_t v)
{
	uint64_t expected = iod_le64(*old);
	bool ok = __atomic_compare_exchange_n((iod_word *)item, &expected, iod_le64(v), false,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);

	*old = iod_le64(expected);
	return ok;
}

/* Takes an item: what it was is the caller's, and nobody marks it any more. */
static inline uint64_t item_exchange(uint64_t *item, uint64_t v)
{
	return iod_le64(__atomic_exchange_n((iod_word *)item, iod_le64(v), __ATOMIC_ACQ_REL));
}

/* Everything before it is seen before everything after it: towards hardware, which takes no lock. */
static inline void full_fence(void)
{
#ifdef __SANITIZE_THREAD__ /* gcc: not supported there; the sanitizer's own accesses are ordered */
	uint64_t word = 0;

	__atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static inline uint64_t word_load(const uint64_t *word)
{
	return __atomic_load_n((const iod_word *)word, __ATOMIC_ACQUIRE);
}

static inline uint64_t word_add(uint64_t *word, uint64_t v)
{
	return __atomic_add_fetch((iod_word *)word, v, __ATOMIC_ACQ_REL);
}

static inline uint64_t word_sub(uint64_t *word, uint64_t v)
{
	return __atomic_sub_fetch((iod_word *)word, v, __ATOMIC_ACQ_REL);
}

/* A figure: nothing is ordered by it. */
static inline void word_count(uint64_t *figure, uint64_t n)
{
	__atomic_fetch_add((iod_word *)figure, n, __ATOMIC_RELAXED);
}

static inline bool word_cas(uint64_t *word, uint64_t *old, uint64_t v)
{
	return __atomic_compare_exchange_n((iod_word *)word, old, v, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

#endif
