/* SPDX-License-Identifier: MIT */
#include "bench_loops.h"

#include "bench.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define LINE_ITEMS   8u	 /* items of one 64-byte cache line */
#define BLOCK_ITEMS  64u /* items per step */
#define TABLE_ITEMS  512u
#define TRIALS	     5u
#define MAX_VARIANTS 16u

/* These loops touch nothing but the caller's arrays, and are to cost the same in every build. */
#if defined(__clang__)
#define UNCHECKED __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define UNCHECKED __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))
#endif
#define BODY static inline __attribute__((always_inline)) UNCHECKED

/* One cache line; compilers make of it what the instruction set has. */
typedef uint64_t line __attribute__((vector_size(64), aligned(8), may_alias));

/* @p far: one line of a later table is prefetched as well, once per table. */
BODY uint64_t read_body(const uint64_t *p, size_t n, size_t ahead, size_t far)
{
	uint64_t result = 0;
	line all = { 0 };

	for (size_t i = 0; i < n; i += BLOCK_ITEMS) {
		if (far && i % TABLE_ITEMS == 0)
			__builtin_prefetch(p + i + far);
		for (size_t k = 0; ahead && k < BLOCK_ITEMS; k += LINE_ITEMS)
			__builtin_prefetch(p + i + ahead + k);
		for (size_t k = 0; k < BLOCK_ITEMS; k += LINE_ITEMS)
			all |= *(const line *)(p + i + k);
	}
	for (unsigned int k = 0; k < LINE_ITEMS; k++)
		result |= all[k];
	return result;
}

/* Every item is stored, with the value that it has. */
BODY void rmw_body(uint64_t *p, size_t n, uint64_t keep, size_t ahead)
{
	for (size_t i = 0; i < n; i += BLOCK_ITEMS) {
		for (size_t k = 0; ahead && k < BLOCK_ITEMS; k += LINE_ITEMS)
			__builtin_prefetch(p + i + ahead + k, 1);
		for (size_t k = 0; k < BLOCK_ITEMS; k += LINE_ITEMS)
			*(line *)(p + i + k) &= keep;
	}
}

BODY void or_body(uint64_t *dst, const uint64_t *src, size_t n, size_t ahead)
{
	for (size_t i = 0; i < n; i += BLOCK_ITEMS) {
		for (size_t k = 0; ahead && k < BLOCK_ITEMS; k += LINE_ITEMS) {
			__builtin_prefetch(src + i + ahead + k);
			__builtin_prefetch(dst + i + ahead + k, 1);
		}
		for (size_t k = 0; k < BLOCK_ITEMS; k += LINE_ITEMS)
			*(line *)(dst + i + k) |= *(const line *)(src + i + k);
	}
}

/* While a table is read, the one @p near tables on is prefetched, and the first line of a later one. */
BODY uint64_t read_tables_body(uint64_t *const *tables, size_t nr, size_t near, size_t far)
{
	uint64_t result = 0;
	line all = { 0 };

	for (size_t t = 0; t < nr; t++) {
		const uint64_t *p = tables[t], *next = tables[t + near < nr ? t + near : t];

		if (t + far < nr)
			__builtin_prefetch(tables[t + far]);
		for (size_t i = 0; i < TABLE_ITEMS; i += BLOCK_ITEMS) {
			for (size_t k = 0; k < BLOCK_ITEMS; k += LINE_ITEMS)
				__builtin_prefetch(next + i + k);
			for (size_t k = 0; k < BLOCK_ITEMS; k += LINE_ITEMS)
				all |= *(const line *)(p + i + k);
		}
	}
	for (unsigned int k = 0; k < LINE_ITEMS; k++)
		result |= all[k];
	return result;
}

#define READ(isa, name, ahead, far)                                            \
	isa UNCHECKED static uint64_t read_##name(const uint64_t *p, size_t n) \
	{                                                                      \
		return read_body(p, n, ahead, far);                            \
	}
#define RMW(isa, name, ahead)                                                      \
	isa UNCHECKED static void rmw_##name(uint64_t *p, size_t n, uint64_t keep) \
	{                                                                          \
		rmw_body(p, n, keep, ahead);                                       \
	}
#define OR(isa, name, ahead)                                                              \
	isa UNCHECKED static void or_##name(uint64_t *dst, const uint64_t *src, size_t n) \
	{                                                                                 \
		or_body(dst, src, n, ahead);                                              \
	}
#define TABLES(isa, name, near, far)                                                    \
	isa UNCHECKED static uint64_t tables_##name(uint64_t *const *tables, size_t nr) \
	{                                                                               \
		return read_tables_body(tables, nr, near, far);                         \
	}

/* Prefetch distances are in items: none, one, two and four tables; eight for the far line. */
#define LOOPS(isa, name)                     \
	READ(isa, name##_0, 0, 0)            \
	READ(isa, name##_4k, 512, 0)         \
	READ(isa, name##_8k, 1024, 0)        \
	READ(isa, name##_16k, 2048, 0)       \
	READ(isa, name##_8k_far, 1024, 4096) \
	RMW(isa, name##_0, 0)                \
	RMW(isa, name##_4k, 512)             \
	RMW(isa, name##_8k, 1024)            \
	OR(isa, name##_0, 0)                 \
	OR(isa, name##_4k, 512)              \
	OR(isa, name##_8k, 1024)             \
	TABLES(isa, name##_1, 1, 8)          \
	TABLES(isa, name##_2, 2, 8)          \
	TABLES(isa, name##_4, 4, 16)

LOOPS(, base)
#if defined(__x86_64__)
#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f")))
LOOPS(AVX2, avx2)
LOOPS(AVX512, avx512)
#endif

static void write_memset(uint64_t *p, size_t n, uint64_t value)
{
	memset(p, (int)value, n * sizeof(*p));
}

UNCHECKED static void write_base(uint64_t *p, size_t n, uint64_t value)
{
	for (size_t i = 0; i < n; i++)
		p[i] = value;
}

#if defined(__x86_64__)
/* Past the caches, so that memory is not read before it is written. */
AVX2 UNCHECKED static void write_avx2_nt(uint64_t *p, size_t n, uint64_t value)
{
	__m256i v = _mm256_set1_epi64x((long long)value);

	for (size_t i = 0; i < n; i += 4)
		_mm256_stream_si256((__m256i *)(p + i), v);
	_mm_sfence();
}

AVX512 UNCHECKED static void write_avx512_nt(uint64_t *p, size_t n, uint64_t value)
{
	__m512i v = _mm512_set1_epi64((long long)value);

	for (size_t i = 0; i < n; i += 8)
		_mm512_stream_si512((__m512i *)(p + i), v);
	_mm_sfence();
}
#endif

/* Instruction sets. */
enum { ISA_BASE, ISA_AVX2, ISA_AVX512 };

static bool isa_runs(int isa)
{
#if defined(__x86_64__)
	if (isa == ISA_AVX2)
		return __builtin_cpu_supports("avx2");
	if (isa == ISA_AVX512)
		return __builtin_cpu_supports("avx512f");
#endif
	return isa == ISA_BASE;
}

/* A variant of any of the loops; one of the pointers is set. */
struct variant {
	const char *name;
	int isa;
	uint64_t (*read)(const uint64_t *p, size_t n);
	void (*rmw)(uint64_t *p, size_t n, uint64_t value); /* and write */
	void (*or_words)(uint64_t *dst, const uint64_t *src, size_t n);
	uint64_t (*tables)(uint64_t *const *tables, size_t nr);
};

#define READS(name, isa)                                                                         \
	{ #name, isa, .read = read_##name##_0 }, { #name "+4K", isa, .read = read_##name##_4k }, \
		{ #name "+8K", isa, .read = read_##name##_8k },                                  \
		{ #name "+16K", isa, .read = read_##name##_16k },                                \
		{ #name "+8K+32K", isa, .read = read_##name##_8k_far },
#define RMWS(name, isa)                                                                      \
	{ #name, isa, .rmw = rmw_##name##_0 }, { #name "+4K", isa, .rmw = rmw_##name##_4k }, \
		{ #name "+8K", isa, .rmw = rmw_##name##_8k },
#define ORS(name, isa)                                            \
	{ #name, isa, .or_words = or_##name##_0 },                \
		{ #name "+4K", isa, .or_words = or_##name##_4k }, \
		{ #name "+8K", isa, .or_words = or_##name##_8k },
#define TABLESS(name, isa)                                        \
	{ #name "+1", isa, .tables = tables_##name##_1 },         \
		{ #name "+2", isa, .tables = tables_##name##_2 }, \
		{ #name "+4", isa, .tables = tables_##name##_4 },
#if defined(__x86_64__)
#define EVERY(list) list(base, ISA_BASE) list(avx2, ISA_AVX2) list(avx512, ISA_AVX512)
#else
#define EVERY(list) list(base, ISA_BASE)
#endif

static const struct variant read_variants[] = { EVERY(READS) };
static const struct variant rmw_variants[] = { EVERY(RMWS) };
static const struct variant or_variants[] = { EVERY(ORS) };
static const struct variant tables_variants[] = { EVERY(TABLESS) };
static const struct variant write_variants[] = {
	{ "memset", ISA_BASE, .rmw = write_memset },
	{ "base", ISA_BASE, .rmw = write_base },
#if defined(__x86_64__)
	{ "avx2-nt", ISA_AVX2, .rmw = write_avx2_nt },
	{ "avx512-nt", ISA_AVX512, .rmw = write_avx512_nt },
#endif
};
const unsigned int bench_nr_read_tables = sizeof(tables_variants) / sizeof(tables_variants[0]);

static const struct variant *reader = &read_variants[0], *modifier = &rmw_variants[0];
static const struct variant *writer = &write_variants[0], *combiner = &or_variants[0];
static char chosen[128];
static volatile uint64_t sink; /* so that no result is unused */

/* The second half of the buffer is combined with the first. */
static void run_variant(const struct variant *v, uint64_t *p, size_t n)
{
	if (v->read)
		sink = v->read(p, n);
	else if (v->or_words)
		v->or_words(p + n / 2, p, n / 2);
	else
		v->rmw(p, n, UINT64_MAX);
}

/* The one whose best trial is the shortest. Trials take turns, so that a disturbance hits them all. */
static const struct variant *fastest(const struct variant *v, size_t nr, uint64_t *p, size_t n)
{
	double best[MAX_VARIANTS] = { 0 };
	size_t winner = 0;

	for (unsigned int trial = 0; trial < TRIALS; trial++) {
		for (size_t i = 0; i < nr && i < MAX_VARIANTS; i++) {
			struct bench_watch watch;
			double ns;

			if (!isa_runs(v[i].isa))
				continue;
			watch = bench_start();
			run_variant(&v[i], p, n);
			ns = bench_stop(&watch);
			if (best[i] <= 0 || ns < best[i])
				best[i] = ns;
		}
	}
	for (size_t i = 1; i < nr && i < MAX_VARIANTS; i++)
		if (best[i] > 0 && best[i] < best[winner])
			winner = i;
	return &v[winner];
}

#define FASTEST(list, p, n) fastest(list, sizeof(list) / sizeof((list)[0]), p, n)

void bench_loops_init(uint64_t *buffer, size_t items)
{
	writer = FASTEST(write_variants, buffer, items);
	reader = FASTEST(read_variants, buffer, items);
	modifier = FASTEST(rmw_variants, buffer, items);
	combiner = FASTEST(or_variants, buffer, items);
	snprintf(chosen, sizeof(chosen), "read %s, rmw %s, write %s, or %s", reader->name,
		 modifier->name, writer->name, combiner->name);
}

const char *bench_loops_chosen(void)
{
	return chosen;
}

uint64_t bench_read(const uint64_t *p, size_t n)
{
	return reader->read(p, n);
}

void bench_rmw(uint64_t *p, size_t n, uint64_t keep)
{
	modifier->rmw(p, n, keep);
}

void bench_write(uint64_t *p, size_t n, uint64_t value)
{
	writer->rmw(p, n, value);
}

void bench_store(uint64_t *p, size_t n, uint64_t value)
{
	write_base(p, n, value);
}

void bench_or(uint64_t *dst, const uint64_t *src, size_t n)
{
	combiner->or_words(dst, src, n);
}

/* Variants that this CPU does not run fall back to the first. */
uint64_t bench_read_tables(uint64_t *const *tables, size_t nr, unsigned int variant)
{
	const struct variant *v = &tables_variants[variant];

	return isa_runs(v->isa) ? v->tables(tables, nr) : tables_variants[0].tables(tables, nr);
}

/* One locked operation per item, whose result nobody wants. */
UNCHECKED void bench_locked(uint64_t *p, size_t n, uint64_t keep)
{
	for (size_t i = 0; i < n; i++)
		(void)__atomic_fetch_and(&p[i], keep, __ATOMIC_RELAXED);
}

UNCHECKED void bench_touch_lines(const uint64_t *p, size_t n)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i += LINE_ITEMS)
		all |= p[i];
	sink = all;
}
