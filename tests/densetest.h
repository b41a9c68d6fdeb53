/* SPDX-License-Identifier: MIT */
/*
 * Steps into clean_stores, the kernel of dense clears: counts its calls, or puts another in its place. For
 * programs linked with --wrap=iod_kernels_best and --wrap=iod_kernels_by_name.
 */
#ifndef DENSETEST_H
#define DENSETEST_H

#include "atomic.h"
#include "kernels.h"

static _Alignas(8) uint64_t dense_calls, dense_items; /* atomic */
static unsigned (*dense_instead)(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
				 uint64_t *words);
/* One page table with each set at a time would do; a few sets exist. */
static struct {
	const struct iod_kernels *real;
	struct iod_kernels with;
} dense_sets[8];

const struct iod_kernels *__real_iod_kernels_best(void);
const struct iod_kernels *__real_iod_kernels_by_name(const char *name);
const struct iod_kernels *__wrap_iod_kernels_best(void);
const struct iod_kernels *__wrap_iod_kernels_by_name(const char *name);

static unsigned dense_counted(unsigned set, uint64_t *items, unsigned n,
			      const struct iod_clean_spec *spec, uint64_t *words)
{
	unsigned done = (dense_instead ? dense_instead
				       : dense_sets[set].real->clean_stores)(items, n, spec, words);

	word_add(&dense_calls, 1);
	word_add(&dense_items, done);
	return done;
}

/* scan_stores in two steps, so that there is one place to step in. */
static struct iod_scan_result dense_scanned(unsigned set, uint64_t *items, unsigned n,
					    uint64_t mask, uint64_t match,
					    const struct iod_clean_spec *spec, uint64_t *found,
					    uint64_t *cleaned, const uint64_t *ahead)
{
	struct iod_scan_result r = { 0, 0 };
	unsigned w;

	r.found = dense_sets[set].real->scan(items, n, mask, match, found, ahead);
	for (w = 0; w * 64 < n; w++)
		cleaned[w] = found[w];
	if (r.found)
		r.cleaned = dense_counted(set, items, n, spec, cleaned);
	return r;
}

#define DENSE_SET(i)                                                                         \
	static unsigned dense_set_##i(uint64_t *items, unsigned n,                           \
				      const struct iod_clean_spec *spec, uint64_t *words)    \
	{                                                                                    \
		return dense_counted(i, items, n, spec, words);                              \
	}                                                                                    \
	static struct iod_scan_result dense_scan_##i(                                        \
		uint64_t *items, unsigned n, uint64_t mask, uint64_t match,                  \
		const struct iod_clean_spec *spec, uint64_t *found, uint64_t *cleaned,       \
		const uint64_t *ahead)                                                       \
	{                                                                                    \
		return dense_scanned(i, items, n, mask, match, spec, found, cleaned, ahead); \
	}

DENSE_SET(0)
DENSE_SET(1)
DENSE_SET(2)
DENSE_SET(3)
DENSE_SET(4)
DENSE_SET(5)
DENSE_SET(6)
DENSE_SET(7)

static const struct iod_kernels *dense_wrapped(const struct iod_kernels *real)
{
	static unsigned (*const fns[8])(uint64_t * items, unsigned n,
					const struct iod_clean_spec *spec, uint64_t *words) = {
		dense_set_0, dense_set_1, dense_set_2, dense_set_3,
		dense_set_4, dense_set_5, dense_set_6, dense_set_7,
	};
	static struct iod_scan_result (*const scans[8])(
		uint64_t * items, unsigned n, uint64_t mask, uint64_t match,
		const struct iod_clean_spec *spec, uint64_t *found, uint64_t *cleaned,
		const uint64_t *ahead) = {
		dense_scan_0, dense_scan_1, dense_scan_2, dense_scan_3,
		dense_scan_4, dense_scan_5, dense_scan_6, dense_scan_7,
	};
	unsigned i;

	for (i = 0; real && i < 8; i++) {
		if (!dense_sets[i].real) {
			dense_sets[i].real = real;
			dense_sets[i].with = *real;
			dense_sets[i].with.clean_stores = fns[i];
			dense_sets[i].with.scan_stores = scans[i];
		}
		if (dense_sets[i].real == real)
			return &dense_sets[i].with;
	}
	return real;
}

const struct iod_kernels *__wrap_iod_kernels_best(void)
{
	return dense_wrapped(__real_iod_kernels_best());
}

const struct iod_kernels *__wrap_iod_kernels_by_name(const char *name)
{
	return dense_wrapped(__real_iod_kernels_by_name(name));
}

#endif
