/* SPDX-License-Identifier: MIT */
/* Cleaning in plain C, shared by all sets of kernels: what changes a live item is scalar everywhere. */
#ifndef IOD_KERNELS_C_H
#define IOD_KERNELS_C_H

#include "bits.h"
#include "kernels.h"

static inline uint64_t kernel_load(const uint64_t *item)
{
	return __atomic_load_n((const iod_word *)item, __ATOMIC_RELAXED);
}

static inline bool kernel_clean_item(uint64_t *item, const struct iod_clean_spec *spec)
{
	uint64_t v = kernel_load(item);

	while ((v & spec->mask) == spec->match)
		if (__atomic_compare_exchange_n((iod_word *)item, &v,
						(v & ~spec->clear) | spec->set, true,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return true;
	return false;
}

static inline unsigned kernel_clean(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
				    uint64_t *words)
{
	unsigned w, i, cleaned = 0;
	uint64_t left;

	for (w = 0; w * 64 < n; w++) {
		for (left = words[w]; left; left &= left - 1) {
			i = ctz64(left);
			if (kernel_clean_item(&items[w * 64 + i], spec))
				cleaned++;
			else
				words[w] &= ~BIT64(i);
		}
	}
	return cleaned;
}

static inline unsigned kernel_clean_stores(uint64_t *items, unsigned n,
					   const struct iod_clean_spec *spec, uint64_t *words)
{
	unsigned w, i, cleaned = 0;
	uint64_t left, v;

	for (w = 0; w * 64 < n; w++) {
		for (left = words[w]; left; left &= left - 1) {
			i = ctz64(left);
			v = kernel_load(&items[w * 64 + i]);
			if ((v & spec->mask) == spec->match) {
				__atomic_store_n((iod_word *)&items[w * 64 + i],
						 (v & ~spec->clear) | spec->set, __ATOMIC_RELAXED);
				cleaned++;
			} else {
				words[w] &= ~BIT64(i);
			}
		}
	}
	return cleaned;
}

#endif
