/* SPDX-License-Identifier: MIT */
/* Which kernels this CPU runs. */
#include "kernels.h"

#include <string.h>

#include <iodirty/pgtable.h>

/* Vector loads of words that others change look like races to ThreadSanitizer: kernels.h. */
#if defined(__SANITIZE_THREAD__)
#define ONLY_C
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ONLY_C
#endif
#endif
#ifdef ONLY_C
#undef IOD_KERNELS_AVX2
#undef IOD_KERNELS_AVX512
#undef IOD_KERNELS_NEON
#endif

/*
 * The compiler's run-time looks at the CPU once, when the program starts, and says yes only if the
 * operating system keeps the registers, too (XGETBV).
 */
#ifdef IOD_KERNELS_AVX2
static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}
#endif

#ifdef IOD_KERNELS_AVX512
static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vpopcntdq") &&
	       __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
	       __builtin_cpu_supports("popcnt");
}
#endif

/* The index-th set that this CPU runs, fastest first, or NULL. */
static const struct iod_kernels *kernels_at(unsigned index)
{
#ifdef IOD_KERNELS_AVX512
	if (has_avx512() && !index--)
		return &iod_kernels_avx512;
#endif
#ifdef IOD_KERNELS_AVX2
	if (has_avx2() && !index--)
		return &iod_kernels_avx2;
#endif
#ifdef IOD_KERNELS_NEON
	if (!index--)
		return &iod_kernels_neon;
#endif
	return index == 0 ? &iod_kernels_c : NULL;
}

const struct iod_kernels *iod_kernels_best(void)
{
	return kernels_at(0);
}

const struct iod_kernels *iod_kernels_by_name(const char *name)
{
	const struct iod_kernels *k;
	unsigned i;

	for (i = 0; (k = kernels_at(i)); i++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

const char *iod_kernels_name(unsigned int index)
{
	const struct iod_kernels *k = kernels_at(index);

	return k ? k->name : NULL;
}
