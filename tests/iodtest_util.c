/* SPDX-License-Identifier: MIT */
/* Small helpers of the harness: chance, places and sizes, raw entries, bitmaps, figures. */
#include "iodtest.h"

#include <endian.h>

#include "bits.h"

uint64_t iodt_random(struct iodt *t)
{
	uint64_t z = t->rng += 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t iodt_below(struct iodt *t, uint64_t n)
{
	return iodt_random(t) % n;
}

unsigned int iodt_scale(unsigned int n)
{
	const char *s = getenv("IOD_TEST_SCALE");
	uint64_t scaled = s ? (uint64_t)n * strtoul(s, NULL, 0) / 100 : n;

	return scaled ? (unsigned int)scaled : 1;
}

/* ---- sizes and places ---- */

uint64_t iodt_pow2_floor(uint64_t n)
{
	uint64_t p = 1;

	while (n >>= 1)
		p <<= 1;
	return p;
}

uint64_t iodt_largest(const struct iodt_variant *v)
{
	return iodt_pow2_floor(v->sizes);
}

uint64_t iodt_best_size(const struct iodt_variant *v, uint64_t iova, uint64_t pa, uint64_t len)
{
	uint64_t best = 0;
	unsigned int s;

	for (s = 0; s < 64; s++)
		if (v->sizes & IODT_BIT(s) && len >= IODT_BIT(s) && !(iova % IODT_BIT(s)) &&
		    !(pa % IODT_BIT(s)))
			best = IODT_BIT(s);
	return best;
}

static void add_place(uint64_t places[IODT_PLACES], size_t *nr, uint64_t iova)
{
	size_t i;

	for (i = 0; i < *nr; i++)
		if (places[i] == iova)
			return;
	places[(*nr)++] = iova;
}

/* Where each piece of the input space begins and ends, and a place inside. */
size_t iodt_places(const struct iodt_variant *v, uint64_t size, uint64_t places[IODT_PLACES])
{
	uint64_t low_last = v->hole_first ? v->hole_first - 1 : v->last;
	uint64_t half = (low_last - v->first) / 2 + 1;
	size_t nr = 0;

	add_place(places, &nr, v->first);
	add_place(places, &nr, low_last - (size - 1));
	add_place(places, &nr, (v->first + half) & -size);
	if (v->hole_first) {
		add_place(places, &nr, v->hole_last + 1);
		add_place(places, &nr, v->last - (size - 1));
	}
	return nr;
}

uint64_t iodt_pa(const struct iodt_variant *v, uint64_t size, uint64_t n)
{
	return (n * size) & (UINT64_MAX >> (64 - iodt_out_bits(v))) & -size;
}

size_t iodt_parts(const struct iodt_variant *v, struct iodt_part part[2])
{
	if (v->hole_first) {
		part[0] = (struct iodt_part){ v->first, v->hole_first - v->first };
		part[1] = (struct iodt_part){ v->hole_last + 1, v->last - v->hole_last };
		return 2;
	}
	if (v->last - v->first == UINT64_MAX) {
		part[0] = (struct iodt_part){ 0, IODT_BIT(63) };
		part[1] = (struct iodt_part){ IODT_BIT(63), IODT_BIT(63) };
		return 2;
	}
	part[0] = (struct iodt_part){ v->first, v->last - v->first + 1 };
	return 1;
}

/* ---- raw entries: bits.md, "One-look comparison" ---- */

uint64_t iodt_accessed_bit(const struct iodt_variant *v)
{
	switch (v->format) {
	case IOD_ARM_LPAE_S1:
	case IOD_ARM_LPAE_S2:
		return IODT_BIT(10);
	case IOD_VTD_SS:
		return IODT_BIT(8);
	default:
		return IODT_BIT(5);
	}
}

static uint64_t dirty_bit(const struct iodt_variant *v)
{
	return v->format == IOD_VTD_SS ? IODT_BIT(9) : IODT_BIT(6);
}

bool iodt_pte_dirty(const struct iodt_variant *v, uint64_t pte)
{
	if (v->format == IOD_ARM_LPAE_S1)
		return pte & IODT_BIT(51) && !(pte & IODT_BIT(7));
	if (v->format == IOD_ARM_LPAE_S2)
		return pte & IODT_BIT(51) && pte & IODT_BIT(7);
	return pte & dirty_bit(v);
}

uint64_t iodt_pte_mark(const struct iodt_variant *v, uint64_t pte)
{
	pte |= iodt_accessed_bit(v);
	if (v->format == IOD_ARM_LPAE_S1)
		return pte & ~IODT_BIT(7);
	if (v->format == IOD_ARM_LPAE_S2)
		return pte | IODT_BIT(7);
	return pte | dirty_bit(v);
}

uint64_t iodt_pte_clean(const struct iodt_variant *v, uint64_t pte)
{
	if (v->format == IOD_ARM_LPAE_S1)
		return pte | IODT_BIT(7);
	if (v->format == IOD_ARM_LPAE_S2)
		return pte & ~IODT_BIT(7);
	return pte & ~dirty_bit(v);
}

static iod_word *word_at(struct iodt *t, uint64_t pa)
{
	void *p = NULL;

	iodt_assert_ok(iod_mem_host_ptr(t->mem, pa, 8, true, &p));
	return p;
}

void iodt_put_le64(uint64_t *word, uint64_t val)
{
	*word = htole64(val);
}

uint64_t iodt_read(struct iodt *t, uint64_t pa)
{
	return le64toh(__atomic_load_n(word_at(t, pa), __ATOMIC_RELAXED));
}

void iodt_write(struct iodt *t, uint64_t pa, uint64_t val)
{
	__atomic_store_n(word_at(t, pa), htole64(val), __ATOMIC_RELAXED);
}

/* ---- the entry above a leaf table ---- */

uint64_t iodt_table_span(const struct iodt_variant *v)
{
	uint64_t granule = v->granule ? v->granule : 4096;

	return granule * (granule / 8);
}

struct level1 {
	uint64_t pa, items;
	bool leaf_table;
};

static int find_level1(void *cookie, const struct iod_visit_event *e)
{
	struct level1 *l = cookie;

	if (e->kind == IOD_VISIT_TABLE && e->level == 1) {
		l->pa = e->table_pa;
		l->items = e->table_len / 8;
	}
	l->leaf_table = l->leaf_table || (e->kind == IOD_VISIT_TABLE && !e->level);
	return 0;
}

/* By what iod_visit() meets on the way down to the page. Tables are aligned to what they map. */
uint64_t iodt_table_entry(const struct iod_pgtable *pt, const struct iodt_variant *v, uint64_t iova)
{
	uint64_t page = v->sizes & -v->sizes;
	struct level1 l = { 0 };
	struct iod_visit visit = {
		.size = sizeof(visit),
		.iova = iova & -page,
		.len = page,
		.fn = find_level1,
		.cookie = &l,
	};

	if (iod_visit(pt, &visit) || !l.pa || !l.leaf_table)
		return 0;
	return l.pa + iova / iodt_table_span(v) % l.items * 8;
}

/* ---- bitmaps, by hand ---- */

void iodt_bits_init(struct iodt_bits *b, uint64_t iova, uint64_t len, uint64_t granule)
{
	uint64_t nbits = len / granule;

	assert_int_equal(len % granule, 0);
	b->bytes = (nbits + 63) / 64 * 8;
	/* a word more, that must stay zero */
	b->mem = calloc(1, b->bytes + 8);
	assert_non_null(b->mem);
	iodt_assert_ok(iod_bitmap_init(&b->bm, iova, len, granule, b->mem, b->bytes, 0));
}

void iodt_bits_zero(struct iodt_bits *b)
{
	memset(b->mem, 0, b->bytes);
}

void iodt_bits_free(struct iodt_bits *b)
{
	assert_int_equal(b->mem[b->bytes / 8], 0);
	free(b->mem);
	b->mem = NULL;
}

bool iodt_bits_get(const struct iodt_bits *b, uint64_t iova)
{
	uint64_t i = (iova - b->bm.base_iova) >> b->bm.granule_lg2;

	return ((const unsigned char *)b->mem)[i / 8] >> (i % 8) & 1;
}

void iodt_bits_put(struct iodt_bits *b, uint64_t iova)
{
	uint64_t i = (iova - b->bm.base_iova) >> b->bm.granule_lg2;

	((unsigned char *)b->mem)[i / 8] |= (unsigned char)(1u << (i % 8));
}

uint64_t iodt_bits_count(const struct iodt_bits *b)
{
	uint64_t i, n = 0;

	for (i = 0; i < b->bytes / 8; i++)
		n += (uint64_t)__builtin_popcountll(b->mem[i]);
	return n;
}

struct iod_sweep iodt_sweep_arg(struct iodt *t, enum iod_sweep_mode mode, uint64_t iova,
				uint64_t len, struct iodt_bits *b)
{
	return (struct iod_sweep){
		.size = sizeof(struct iod_sweep),
		.mode = mode,
		.iova = iova,
		.len = len,
		.bitmap = &b->bm,
		.gather = mode == IOD_SWEEP_READ ? NULL : t->gather,
	};
}

/* ---- figures ---- */

struct iod_mem_stats iodt_stats(const struct iod_mem *mem)
{
	struct iod_mem_stats stats = { .size = sizeof(stats) };

	iodt_assert_ok(iod_mem_get_stats(mem, &stats));
	return stats;
}

struct iod_gather_info iodt_gather_info(const struct iod_gather *gather)
{
	struct iod_gather_info info = { .size = sizeof(info) };

	iodt_assert_ok(iod_gather_get_info(gather, &info));
	return info;
}

struct iod_pgtable_info iodt_info(const struct iod_pgtable *pt)
{
	struct iod_pgtable_info info = { .size = sizeof(info) };

	iodt_assert_ok(iod_pgtable_get_info(pt, &info));
	return info;
}

/* ---- what was invalidated ---- */

static int by_iova(const void *a, const void *b)
{
	const struct iodt_seg *x = a, *y = b;

	return x->iova < y->iova ? -1 : x->iova > y->iova;
}

/* Sorts and joins what touches or overlaps. */
static size_t join(struct iodt_seg *s, size_t nr)
{
	size_t i, n = 0;

	qsort(s, nr, sizeof(*s), by_iova);
	for (i = 0; i < nr; i++) {
		if (n && (s[n - 1].last == UINT64_MAX || s[i].iova <= s[n - 1].last + 1)) {
			if (s[i].last > s[n - 1].last)
				s[n - 1].last = s[i].last;
			continue;
		}
		s[n++] = s[i];
	}
	return n;
}

/* What was wanted and what was recorded, both joined. */
struct compared {
	struct iodt_seg *want, *got;
	size_t nr_want, nr_got;
	bool sane;
};

static struct compared compare(struct iodt *t, const struct iodt_seg *want, size_t nr)
{
	struct compared c = { calloc(nr + 1, sizeof(*want)), calloc(t->log.nr + 1, sizeof(*want)),
			      0, 0, true };
	size_t i;

	assert_non_null(c.want);
	assert_non_null(c.got);
	for (i = 0; i < nr; i++)
		c.want[i] = want[i];
	for (i = 0; i < t->log.nr; i++) {
		c.got[i].iova = t->log.inv[i].iova;
		c.got[i].last = t->log.inv[i].last;
		c.sane = c.sane && t->log.inv[i].kind == IOD_INV_RANGE &&
			 t->log.inv[i].domain == 0x1234 && !t->log.inv[i].reserved;
	}
	c.nr_want = join(c.want, nr);
	c.nr_got = join(c.got, t->log.nr);
	return c;
}

bool iodt_log_is(struct iodt *t, const struct iodt_seg *want, size_t nr)
{
	struct compared c = compare(t, want, nr);
	bool same = c.sane && c.nr_want == c.nr_got;
	size_t i;

	for (i = 0; same && i < c.nr_got; i++)
		same = c.want[i].iova == c.got[i].iova && c.want[i].last == c.got[i].last;
	free(c.want);
	free(c.got);
	return same;
}

bool iodt_log_covers(struct iodt *t, const struct iodt_seg *want, size_t nr)
{
	struct compared c = compare(t, want, nr);
	bool ok = c.sane && !c.nr_want == !c.nr_got;
	size_t i, k = 0;

	for (i = 0; ok && i < c.nr_want; i++) {
		while (k < c.nr_got && c.got[k].last < c.want[i].iova)
			k++;
		ok = k < c.nr_got && c.got[k].iova <= c.want[i].iova &&
		     c.got[k].last >= c.want[i].last;
	}
	if (ok && c.nr_want)
		ok = c.got[0].iova == c.want[0].iova &&
		     c.got[c.nr_got - 1].last == c.want[c.nr_want - 1].last;
	free(c.want);
	free(c.got);
	return ok;
}
