/* SPDX-License-Identifier: MIT */
/* Kernels in plain C. */
#include "kernels_scalar.h"

static inline uint64_t is_match(const uint64_t *item, uint64_t mask, uint64_t match)
{
	return (kernel_load(item) & mask) == match;
}

/* Unrolled by hand: compilers do not, as the loads are atomic. */
static inline uint64_t scan_8(const uint64_t *p, uint64_t mask, uint64_t match)
{
	uint64_t low = is_match(p, mask, match) | is_match(p + 1, mask, match) << 1 |
		       is_match(p + 2, mask, match) << 2 | is_match(p + 3, mask, match) << 3;
	uint64_t high = is_match(p + 4, mask, match) | is_match(p + 5, mask, match) << 1 |
			is_match(p + 6, mask, match) << 2 | is_match(p + 7, mask, match) << 3;

	return low | high << 4;
}

/* 64 items at most; branch-free. */
static inline uint64_t scan_word(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match)
{
	uint64_t word = 0;
	unsigned i;

	for (i = 0; i + 8 <= n; i += 8)
		word |= scan_8(&items[i], mask, match) << i;
	for (; i < n; i++)
		word |= is_match(&items[i], mask, match) << i;
	return word;
}

static unsigned scan_c(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match,
		       uint64_t *words, const uint64_t *ahead)
{
	unsigned i, left = n % 64, count = 0;

	(void)ahead; /* prefetching gains nothing at this speed */
	for (i = 0; i < n / 64; i++) {
		words[i] = scan_word(&items[i * 64], 64, mask, match);
		if (words[i])
			count += popcount64(words[i]);
	}
	if (left) {
		words[i] = scan_word(&items[i * 64], left, mask, match);
		count += popcount64(words[i]);
	}
	return count;
}

static unsigned clean_c(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
			uint64_t *words)
{
	return kernel_clean(items, n, spec, words);
}

static unsigned clean_stores_c(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
			       uint64_t *words)
{
	static const struct kernel_parts parts = { kernel_store_8, kernel_list_bits };

	return kernel_clean_stores(items, n, spec, words, &parts);
}

static struct iod_scan_result scan_stores_c(uint64_t *items, unsigned n, uint64_t mask,
					    uint64_t match, const struct iod_clean_spec *spec,
					    uint64_t *found, uint64_t *cleaned,
					    const uint64_t *ahead)
{
	static const struct kernel_parts parts = { kernel_store_8, kernel_list_bits };

	(void)ahead;
	KERNEL_SCAN_STORES(items, n, spec, found, cleaned, &parts,
			   scan_word(&items[i_], 64, mask, match));
}

static void fill_c(uint64_t *items, unsigned n, uint64_t first, uint64_t step)
{
	unsigned i;

	for (i = 0; i < n; i++, first += step)
		items[i] = iod_le64(first);
}

static uint64_t differ_c(const uint64_t *items, unsigned n, uint64_t first, uint64_t step)
{
	return kernel_differ(items, 0, n, first, step);
}

static void zero_c(uint64_t *items, unsigned n)
{
	kernel_zero(items, n);
}

static uint64_t popcount_c(const uint64_t *words, size_t n)
{
	uint64_t count = 0;
	size_t i;

	/* Without an instruction for it, what compilers call is slower. */
	for (i = 0; i < n; i++)
		count += count_bytes64(kernel_load(&words[i])) >> 56;
	return count;
}

static size_t find_other_c(const uint64_t *words, size_t n, uint64_t same)
{
	return kernel_find_other(words, 0, n, same);
}

static void or_words_c(uint64_t *dst, const uint64_t *src, size_t n)
{
	kernel_or_words(dst, src, 0, n);
}

const struct iod_kernels iod_kernels_c = {
	.name = "c",
	.scan = scan_c,
	.clean = clean_c,
	.clean_stores = clean_stores_c,
	.scan_stores = scan_stores_c,
	.fill = fill_c,
	.differ = differ_c,
	.zero = zero_c,
	.popcount = popcount_c,
	.find_other = find_other_c,
	.or_words = or_words_c,
};
