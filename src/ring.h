/* SPDX-License-Identifier: MIT */
/*
 * Rings in memory between software and an IOMMU, either of them possibly a guest: what the vendors' queues
 * share. A ring is 2^n entries of 2^m bytes at a table address; who stands where in it, and what full
 * means, is the vendor's (index and wrap bit, or byte offsets with one slot left empty).
 *
 * - The memory is found anew at each access and never trusted: each word is read once.
 * - Entries are little-endian in memory and are copied as they are.
 * - Who publishes does it by one register: entries first, then ring_publish32/64(); who looks at the
 *   register by ring_observe32/64() sees the entries.
 */
#ifndef IOD_RING_H
#define IOD_RING_H

#include <errno.h>

#include "bits.h"
#include "pgtable/mem.h"

struct ring {
	const struct iod_mem *mem;
	uint64_t pa;	    /* aligned to an entry */
	unsigned nr_lg2;    /* entries */
	unsigned entry_lg2; /* bytes of one, at least 3 */
};

static inline uint32_t ring_nr(const struct ring *ring)
{
	return UINT32_C(1) << ring->nr_lg2;
}

/* The entry at @index (modulo the ring) in host memory, or NULL; it is not required to lie in a piece. */
static inline uint64_t *ring_entry(const struct ring *ring, uint32_t index, bool write)
{
	uint64_t off = (uint64_t)(index & (ring_nr(ring) - 1)) << ring->entry_lg2;

	return iod_mem_ptr(ring->mem, ring->pa + off, UINT64_C(1) << ring->entry_lg2, write);
}

/* Copies @nr entries out, from @index on and around the end. @return how many; fewer: unreadable */
static inline size_t ring_read(const struct ring *ring, uint32_t index, void *entries, size_t nr)
{
	unsigned words = 1u << (ring->entry_lg2 - 3), k;
	uint64_t *out = entries;
	const uint64_t *in;
	size_t i;

	for (i = 0; i < nr; i++) {
		in = ring_entry(ring, index + (uint32_t)i, false);
		if (!in)
			break;
		for (k = 0; k < words; k++)
			*out++ = __atomic_load_n((const iod_word *)&in[k], __ATOMIC_RELAXED);
	}
	return i;
}

/* Copies @nr entries in. @return how many; fewer: not writable */
static inline size_t ring_write(const struct ring *ring, uint32_t index, const void *entries,
				size_t nr)
{
	unsigned words = 1u << (ring->entry_lg2 - 3), k;
	const uint64_t *in = entries;
	uint64_t *out;
	size_t i;

	for (i = 0; i < nr; i++) {
		out = ring_entry(ring, index + (uint32_t)i, true);
		if (!out)
			break;
		for (k = 0; k < words; k++)
			__atomic_store_n((iod_word *)&out[k], *in++, __ATOMIC_RELAXED);
	}
	return i;
}

/* Whether every entry is in memory. */
static inline bool ring_in_memory(const struct ring *ring, bool write)
{
	uint32_t i, step = ring->entry_lg2 < 12 ? 1u << (12 - ring->entry_lg2) : 1,
		    nr = ring_nr(ring);

	if (iod_mem_ptr(ring->mem, ring->pa, (uint64_t)nr << ring->entry_lg2, write))
		return true;
	/* In pieces: pages, and where those are not whole, entries. */
	for (i = 0; i < nr; i++) {
		if (i % step == 0 && i + step <= nr && is_aligned(ring->pa, 12) &&
		    iod_mem_ptr(ring->mem, ring->pa + ((uint64_t)i << ring->entry_lg2),
				(uint64_t)step << ring->entry_lg2, write)) {
			i += step - 1;
			continue;
		}
		if (!ring_entry(ring, i, write))
			return false;
	}
	return true;
}

/* Four bytes in memory, aligned to four, or NULL. */
static inline uint32_t *ring_word32(const struct iod_mem *mem, uint64_t pa, bool write)
{
	unsigned char *at = iod_mem_ptr(mem, align_down(pa, 3), 8, write);

	return at ? (uint32_t *)(void *)(at + (pa & 4)) : NULL;
}

/* Registers, in host byte order. */
static inline uint32_t ring_observe32(const uint32_t *reg)
{
	return __atomic_load_n(reg, __ATOMIC_ACQUIRE);
}

static inline void ring_publish32(uint32_t *reg, uint32_t v)
{
	__atomic_store_n(reg, v, __ATOMIC_RELEASE);
}

static inline uint64_t ring_observe64(const uint64_t *reg)
{
	return __atomic_load_n((const iod_word *)reg, __ATOMIC_ACQUIRE);
}

static inline void ring_publish64(uint64_t *reg, uint64_t v)
{
	__atomic_store_n((iod_word *)reg, v, __ATOMIC_RELEASE);
}

/* Bits that other threads write as well: toggle some of them. */
static inline void ring_toggle32(uint32_t *reg, uint32_t bits)
{
	__atomic_fetch_xor(reg, bits, __ATOMIC_ACQ_REL);
}

#endif
