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

#define DENSE_SET(i)                                                                      \
	static unsigned dense_set_##i(uint64_t *items, unsigned n,                        \
				      const struct iod_clean_spec *spec, uint64_t *words) \
	{                                                                                 \
		return dense_counted(i, items, n, spec, words);                           \
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
	unsigned i;

	for (i = 0; real && i < 8; i++) {
		if (!dense_sets[i].real) {
			dense_sets[i].real = real;
			dense_sets[i].with = *real;
			dense_sets[i].with.clean_stores = fns[i];
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
