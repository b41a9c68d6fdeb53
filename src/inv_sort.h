/* SPDX-License-Identifier: MIT */
/* The ground: sorting the items of a batch by keys. */
#ifndef IOD_INV_SORT_H
#define IOD_INV_SORT_H

#include <stddef.h>
#include <stdint.h>

/* Most keys at a time, and its log2. */
#define INV_SORT_MAX 32u
#define INV_SORT_LG2 5

static inline void inv_key_exchange(uint64_t *a, uint64_t *b)
{
	uint64_t x = *a, y = *b;

	*a = x < y ? x : y;
	*b = x < y ? y : x;
}

/*
 * Keys mostly come in order. Where they do not, merge exchange (Knuth 5.2.2, M) compares the same places
 * whatever is there: no branch that would be guessed wrong half of the time.
 */
static inline void inv_sort(uint64_t *key, size_t n)
{
	size_t half, q, r, d, at, end, i;

	for (i = 1; i < n && key[i - 1] < key[i]; i++)
		;
	if (i >= n)
		return;
	for (half = INV_SORT_MAX / 2; half; half /= 2) {
		q = INV_SORT_MAX / 2;
		r = 0;
		d = half;
		for (;;) {
			for (at = r; at + d < n; at += 2 * half) {
				end = at + half < n - d ? at + half : n - d;
				for (i = at; i < end; i++)
					inv_key_exchange(&key[i], &key[i + d]);
			}
			if (q == half)
				break;
			d = q - half;
			q /= 2;
			r = half;
		}
	}
}

#endif
