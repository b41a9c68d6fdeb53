/* SPDX-License-Identifier: MIT */
/*
 * Every kernel of every set that this CPU runs, against loops that do one item at a time, word for word
 * and with what lies around: all lengths and alignments, items that miss a match by one bit, items that
 * change between scan and clean, specs of every kind. `--bench` prints how fast they are instead.
 */
#include "kernels_test.h"

#include <sys/mman.h>
#include <unistd.h>

#define MAX_ITEMS 8192u
#define SLACK	  16u /* words around what a kernel may touch */

static uint64_t rng = 1;

/* What one kernel works on: n words, at any place within a cache line, and what is around them. */
struct bed {
	_Alignas(64) uint64_t mem[SLACK + MAX_ITEMS + SLACK];
	uint64_t *at;
};

static struct bed bed, expected;

static void place(struct bed *b, unsigned offset)
{
	size_t i;

	for (i = 0; i < sizeof(b->mem) / 8; i++)
		b->mem[i] = next_random(&rng);
	b->at = &b->mem[8 + offset % 8];
}

static void copy(struct bed *to, const struct bed *from)
{
	memcpy(to->mem, from->mem, sizeof(to->mem));
	to->at = to->mem + (from->at - from->mem);
}

/* ---- lengths, specs, patterns ---- */

static const unsigned large[] = { 192, 255, 256, 257, 511, 512, 513, 1000, 2048, 8191, 8192 };

#define NR_LENGTHS (130 + sizeof(large) / sizeof(large[0]))

static unsigned length(size_t i)
{
	return i < 130 ? (unsigned)i + 1 : large[i - 130];
}

static const struct iod_clean_spec specs[] = {
	{ 0x41, 0x41, 0x40, 0 },				       /* clears a bit */
	{ BIT64(51) | BIT64(7), BIT64(51), 0, BIT64(7) },	       /* sets one */
	{ BIT64(51) | BIT64(7), BIT64(51) | BIT64(7), BIT64(7), 0 },   /* clears one of two */
	{ BIT64(63), BIT64(63), BIT64(63), 0 },			       /* the ends of the word */
	{ UINT64_MAX, UINT64_C(0x0123456789abcdef), 0xff, BIT64(62) }, /* all bits count */
	{ 0xff, 0x81, 0x0f, 0x02 },				       /* both, overlapping */
	{ 0xff, 0x81, 0x03, 0x01 },				       /* set wins */
	{ 1, 1, 0xff00, 0xaa0000 },				       /* outside the mask */
	{ 0, 0, 0x40, 0 },					       /* everything matches */
	{ 0xff, 0x181, 0x80, 0 },				       /* nothing can match */
	{ BIT64(9), 0, 0, BIT64(9) },				       /* a bit that is 0 */
};

#define NR_SPECS (sizeof(specs) / sizeof(specs[0]))

static bool matches(uint64_t item, const struct iod_clean_spec *s)
{
	return (item & s->mask) == s->match;
}

/* Matches, or does not by one bit; the rest is random. */
static uint64_t make_item(const struct iod_clean_spec *s, bool match)
{
	uint64_t v = (next_random(&rng) & ~s->mask) | s->match, bit;

	if (match || !s->mask)
		return v;
	do
		bit = BIT64(next_random(&rng) % 64);
	while (!(bit & s->mask));
	return v ^ bit;
}

enum pattern { NONE, ALL, HALF, FEW, MOST, FIRST, LAST, ALL_BUT_ONE, BLOCKS, NR_PATTERNS };

static bool in_pattern(enum pattern p, unsigned i, unsigned n)
{
	static unsigned odd_one;

	if (!i)
		odd_one = (unsigned)(next_random(&rng) % n);
	switch (p) {
	case ALL:
		return true;
	case HALF:
		return next_random(&rng) % 2;
	case FEW:
		return next_random(&rng) % 20 == 0;
	case MOST:
		return next_random(&rng) % 20 != 0;
	case FIRST:
		return i == 0;
	case LAST:
		return i == n - 1;
	case ALL_BUT_ONE:
		return i != odd_one;
	case BLOCKS:
		return i / 64 % 2 || i / 8 % 3;
	default:
		return false;
	}
}

static void make_items(unsigned n, unsigned offset, const struct iod_clean_spec *s, enum pattern p)
{
	unsigned i;

	place(&bed, offset);
	for (i = 0; i < n; i++)
		bed.at[i] = make_item(s, in_pattern(p, i, n));
	copy(&expected, &bed);
}

/* ---- scan ---- */

static void check_scan(const struct iod_kernels *k, unsigned n, const struct iod_clean_spec *s,
		       const uint64_t *ahead)
{
	uint64_t got[MAX_ITEMS / 64 + 2], want[MAX_ITEMS / 64 + 2];
	unsigned i, found = 0;

	memset(got, 0xa5, sizeof(got));
	memcpy(want, got, sizeof(got));
	for (i = 0; i < n; i++) {
		if (i % 64 == 0)
			want[1 + i / 64] = 0;
		if (matches(bed.at[i], s)) {
			want[1 + i / 64] |= BIT64(i % 64);
			found++;
		}
	}
	assert_int_equal(k->scan(bed.at, n, s->mask, s->match, &got[1], ahead), found);
	assert_memory_equal(got, want, sizeof(got));
	assert_memory_equal(bed.mem, expected.mem, sizeof(bed.mem));
}

static void scan(void **state)
{
	/* Where nothing is, and where addresses end. */
	static const uintptr_t wild[] = { 8, UINTPTR_MAX - 7, (uintptr_t)1 << 31, 0 };
	const struct iod_kernels *k;
	unsigned set, n;
	size_t l, p;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++)
		for (l = 0; l < NR_LENGTHS; l++)
			for (p = 0; p < scaled(2 * NR_PATTERNS); p++) {
				n = length(l);
				make_items(n, (unsigned)(l + p), &specs[(l + p) % NR_SPECS],
					   (enum pattern)((l + p) % NR_PATTERNS));
				check_scan(k, n, &specs[(l + p) % NR_SPECS],
					   p % 2 ? (const uint64_t *)wild[l % 4] : bed.at);
			}
}

/* Each bit alone, by an item that matches among items that just do not, and the other way round. */
static void scan_single_bits(void **state)
{
	const struct iod_clean_spec *s = &specs[1];
	const struct iod_kernels *k;
	unsigned set, i, n = 200;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++)
		for (i = 0; i < n; i += scaled(100) < 100 ? 7 : 1) {
			make_items(n, i, s, NONE);
			bed.at[i] = expected.at[i] = make_item(s, true);
			check_scan(k, n, s, NULL);
			make_items(n, i, s, ALL);
			bed.at[i] = expected.at[i] = make_item(s, false);
			check_scan(k, n, s, NULL);
		}
}

/* ---- clean ---- */

typedef unsigned clean_fn(uint64_t *, unsigned, const struct iod_clean_spec *, uint64_t *);

/* What one item at a time makes of bed and words. */
static unsigned expect_clean(unsigned n, const struct iod_clean_spec *s, uint64_t *words)
{
	unsigned i, cleaned = 0;

	for (i = 0; i < n; i++) {
		if (!(words[i / 64] & BIT64(i % 64)))
			continue;
		if (matches(bed.at[i], s)) {
			expected.at[i] = (bed.at[i] & ~s->clear) | s->set;
			cleaned++;
		} else {
			words[i / 64] -= BIT64(i % 64);
		}
	}
	return cleaned;
}

/* `stale`: of so many items one has changed since the scan; 0: none has. */
static void check_clean(clean_fn *clean, unsigned n, const struct iod_clean_spec *s, unsigned stale)
{
	uint64_t got[MAX_ITEMS / 64 + 2], want[MAX_ITEMS / 64 + 2];
	unsigned i, cleaned;

	memset(got, 0xa5, sizeof(got));
	for (i = 0; i < n; i++) {
		if (i % 64 == 0)
			got[1 + i / 64] = 0;
		if (matches(bed.at[i], s))
			got[1 + i / 64] |= BIT64(i % 64);
		if (stale && next_random(&rng) % stale == 0) {
			if (i % 5 == 0)
				got[1 + i / 64] ^= BIT64(i % 64);
			else
				bed.at[i] = make_item(s, next_random(&rng) % 2);
		}
	}
	copy(&expected, &bed);
	memcpy(want, got, sizeof(got));
	cleaned = expect_clean(n, s, &want[1]);
	assert_int_equal(clean(bed.at, n, s, &got[1]), cleaned);
	assert_memory_equal(got, want, sizeof(got));
	assert_memory_equal(bed.mem, expected.mem, sizeof(bed.mem));
}

static void clean_by(bool stores)
{
	static const unsigned stale[] = { 0, 3, 100 };
	const struct iod_kernels *k;
	const struct iod_clean_spec *s;
	unsigned set, n;
	size_t l, p;

	for (set = 0; (k = kernels_nth(set)); set++)
		for (l = 0; l < NR_LENGTHS; l++)
			for (p = 0; p < scaled(2 * NR_PATTERNS); p++) {
				n = length(l);
				s = &specs[(l + p / 2) % NR_SPECS];
				make_items(n, (unsigned)(l / 2 + p), s,
					   (enum pattern)((l + p) % NR_PATTERNS));
				check_clean(stores ? k->clean_stores : k->clean, n, s,
					    stale[(l + p) % 3]);
			}
}

static void clean(void **state)
{
	(void)state;
	clean_by(false);
}

static void clean_stores(void **state)
{
	(void)state;
	clean_by(true);
}

/* Dirty by one spec, cleaned by a narrower one, as Accessed makes it. */
static void check_scan_stores(const struct iod_kernels *k, unsigned n,
			      const struct iod_clean_spec *s, uint64_t extra)
{
	uint64_t found[MAX_ITEMS / 64], cleaned[MAX_ITEMS / 64];
	uint64_t want[MAX_ITEMS / 64] = { 0 }, want_cleaned[MAX_ITEMS / 64];
	struct iod_clean_spec narrow = *s;
	struct iod_scan_result r;
	unsigned i, nr = 0, nr_cleaned;

	narrow.mask |= extra;
	narrow.match |= extra;
	for (i = 0; i < n; i++) {
		want[i / 64] |= (uint64_t)matches(bed.at[i], s) << i % 64;
		nr += matches(bed.at[i], s);
	}
	memcpy(want_cleaned, want, sizeof(want));
	nr_cleaned = expect_clean(n, &narrow, want_cleaned);
	r = k->scan_stores(bed.at, n, s->mask, s->match, &narrow, found, cleaned, NULL);
	assert_int_equal(r.found, nr);
	assert_int_equal(r.cleaned, nr_cleaned);
	assert_memory_equal(found, want, n / 8);
	assert_memory_equal(cleaned, want_cleaned, n / 8);
	assert_memory_equal(bed.mem, expected.mem, sizeof(bed.mem));
}

static void scan_stores(void **state)
{
	static const unsigned lengths[] = { 64, 128, 192, 512, 2048, 8192 };
	const struct iod_clean_spec *s;
	const struct iod_kernels *k;
	unsigned set, l, p;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++)
		for (l = 0; l < 6; l++)
			for (p = 0; p < scaled(20 * NR_PATTERNS); p++) {
				s = &specs[(l + p / 2) % NR_SPECS];
				make_items(lengths[l], l + p, s, (enum pattern)(p % NR_PATTERNS));
				check_scan_stores(k, lengths[l], s, p % 3 ? BIT64(33) : 0);
			}
}

/* ---- fill and bitmaps ---- */

static void fill(void **state)
{
	const struct iod_kernels *k;
	uint64_t first, step;
	unsigned set, n, i;
	size_t l;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++)
		for (l = 0; l < NR_LENGTHS; l++) {
			n = length(l);
			place(&bed, (unsigned)l);
			copy(&expected, &bed);
			first = next_random(&rng);
			step = l % 3 ? BIT64(12 + l % 20) : next_random(&rng);
			for (i = 0; i < n; i++)
				expected.at[i] = iod_le64(first + i * step);
			if (k->fill_past && l % 2) {
				k->fill_past(bed.at, n, first, step);
				k->fill_end();
			} else {
				k->fill(bed.at, n, first, step);
			}
			assert_memory_equal(bed.mem, expected.mem, sizeof(bed.mem));
		}
}

static void differ(void **state)
{
	const struct iod_kernels *k;
	uint64_t first, step, want;
	unsigned set, n, i;
	size_t l;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++)
		for (l = 0; l < NR_LENGTHS; l++) {
			n = length(l);
			place(&bed, (unsigned)l);
			first = next_random(&rng);
			step = l % 3 ? BIT64(12 + l % 20) : next_random(&rng);
			for (i = 0; i < n; i++)
				bed.at[i] = iod_le64(first + i * step);
			assert_true(k->differ(bed.at, n, first, step) == 0);
			want = 0;
			for (i = 0; i < 3 && n; i++) {
				want = BIT64(next_random(&rng) % 64) |
				       BIT64(next_random(&rng) % 64);
				bed.at[next_random(&rng) % n] ^= iod_le64(want);
			}
			for (i = 0, want = 0; i < n; i++)
				want |= iod_le64(bed.at[i]) ^ (first + i * step);
			assert_true(k->differ(bed.at, n, first, step) == want);
		}
}

static void zero(void **state)
{
	const struct iod_kernels *k;
	unsigned set, n;
	size_t l;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++)
		for (l = 0; l < NR_LENGTHS; l++) {
			n = length(l);
			place(&bed, (unsigned)l);
			copy(&expected, &bed);
			memset(expected.at, 0, n * 8);
			k->zero(bed.at, n);
			assert_memory_equal(bed.mem, expected.mem, sizeof(bed.mem));
			k->zero(bed.at - 3, 0);
			assert_memory_equal(bed.mem, expected.mem, sizeof(bed.mem));
		}
}

/* Words, most of them empty, full, or random. */
static void make_words(unsigned n, unsigned offset, unsigned kind)
{
	unsigned i;

	place(&bed, offset);
	for (i = 0; i < n; i++) {
		if (kind % 3 == 0)
			bed.at[i] = next_random(&rng) % 50 ? 0 : bed.at[i];
		else if (kind % 3 == 1)
			bed.at[i] = next_random(&rng) % 50 ? UINT64_MAX : bed.at[i];
	}
	copy(&expected, &bed);
}

static void popcount(void **state)
{
	const struct iod_kernels *k;
	uint64_t count, v;
	unsigned set, n, i;
	size_t l;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++) {
		assert_int_equal(k->popcount(bed.mem, 0), 0);
		for (l = 0; l < 3 * NR_LENGTHS; l++) {
			n = length(l / 3);
			make_words(n, (unsigned)l, (unsigned)l);
			for (i = 0, count = 0; i < n; i++)
				for (v = bed.at[i]; v; v >>= 1)
					count += v & 1;
			assert_int_equal(k->popcount(bed.at, n), count);
		}
	}
}

static void find_other(void **state)
{
	const struct iod_kernels *k;
	uint64_t same;
	unsigned set, n, at, i;
	size_t l;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++)
		for (l = 0; l < 2 * NR_LENGTHS; l++) {
			n = length(l / 2);
			same = l % 2 ? UINT64_MAX : 0;
			place(&bed, (unsigned)l);
			for (i = 0; i < n; i++)
				bed.at[i] = same;
			bed.at[n] = ~same; /* not to be looked at */
			assert_int_equal(k->find_other(bed.at, 0, same), 0);
			assert_int_equal(k->find_other(bed.at, n, same), n);
			for (at = n; at-- > 0; at -= at % 64 && n > 600 ? at % 64 : 0) {
				bed.at[at] ^= BIT64(next_random(&rng) % 64);
				assert_int_equal(k->find_other(bed.at, n, same), at);
			}
		}
}

static void or_words(void **state)
{
	static struct bed src;
	const struct iod_kernels *k;
	unsigned set, n, i;
	size_t l;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++)
		for (l = 0; l < 6 * NR_LENGTHS; l++) {
			n = length(l / 6);
			make_words(n, (unsigned)l / 2, (unsigned)l);
			copy(&src, &bed);
			make_words(n, (unsigned)l, (unsigned)l / 2);
			for (i = 0; i < n; i++)
				expected.at[i] |= src.at[i];
			k->or_words(bed.at, src.at, n);
			assert_memory_equal(bed.mem, expected.mem, sizeof(bed.mem));
		}
}

/* ---- where memory ends ---- */

/* Three pages, of which only the second is there. */
static unsigned char *lone_page(size_t page)
{
	void *p = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect((char *)p + page, page, PROT_READ | PROT_WRITE), 0);
	return (unsigned char *)p + page;
}

/* All kernels on n words, of which nothing lies before or behind. */
static void use_all(const struct iod_kernels *k, uint64_t *at, uint64_t *src, unsigned n)
{
	/* What fill() writes is little-endian, and so must be what looks for it. */
	struct iod_clean_spec le = { iod_le64(0x41), iod_le64(0x41), iod_le64(0x40), 0 };
	uint64_t words[8];

	k->fill(at, n, 0x41, 0x1000);
	assert_int_equal(k->scan(at, n, le.mask, le.match, words, NULL), n);
	assert_int_equal(k->clean(at, n, &le, words), n);
	k->fill(at, n, 0x41, 0x1000);
	assert_int_equal(k->clean_stores(at, n, &le, words), n);
	k->zero(at, n);
	assert_int_equal(k->find_other(at, n, 0), n);
	memset(src, 0xff, n * 8);
	k->or_words(at, src, n);
	assert_int_equal(k->popcount(at, n), n * 64);
}

static void ends_of_memory(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *a = lone_page(page), *b = lone_page(page);
	const struct iod_kernels *k;
	unsigned set, n;

	(void)state;
	for (set = 0; (k = kernels_nth(set)); set++)
		for (n = 1; n <= 300; n++) {
			use_all(k, (uint64_t *)(void *)(a + page) - n,
				(uint64_t *)(void *)(b + page) - n, n);
			use_all(k, (uint64_t *)(void *)a, (uint64_t *)(void *)b, n);
		}
	munmap(a - page, 3 * page);
	munmap(b - page, 3 * page);
}

/* ---- which ---- */

static void names(void **state)
{
	unsigned n = 0, i;

	(void)state;
	while (iod_kernels_name(n))
		n++;
	assert_true(n >= 1);
	assert_string_equal(iod_kernels_name(n - 1), "c");
	assert_null(iod_kernels_name(n + 1));
	assert_null(iod_kernels_name(UINT32_MAX));
	assert_ptr_equal(iod_kernels_best(), kernels_nth(0));
	for (i = 0; i < n; i++)
		assert_string_equal(kernels_nth(i)->name, iod_kernels_name(i));
	assert_null(iod_kernels_by_name("abacus"));
	assert_null(iod_kernels_by_name(""));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(scan),
		cmocka_unit_test(scan_single_bits),
		cmocka_unit_test(clean),
		cmocka_unit_test(clean_stores),
		cmocka_unit_test(scan_stores),
		cmocka_unit_test(fill),
		cmocka_unit_test(differ),
		cmocka_unit_test(zero),
		cmocka_unit_test(popcount),
		cmocka_unit_test(find_other),
		cmocka_unit_test(or_words),
		cmocka_unit_test(ends_of_memory),
		cmocka_unit_test(threads_clean),
		cmocka_unit_test(threads_clean_stores),
		cmocka_unit_test(threads_scan_stores),
		cmocka_unit_test(threads_twin_lines),
		cmocka_unit_test(threads_twin_condition),
	};

	if (argc > 1 && !strcmp(argv[1], "--bench"))
		return kernels_bench(argc > 2 ? argv[2] : NULL);
	return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
