/* SPDX-License-Identifier: MIT */
/*
 * Whether a batch becomes the fewest VT-d descriptors and AMD commands: thousands of random ones in small spaces, held
 * against all sets of aligned blocks there are (dynamic programming over every block that a command can name), with
 * nothing invalidated needlessly, and at the least cost where that is allowed; and intervals of any length by a
 * formula. R102, R103, R107.
 */
#include "gcmd.h"

#define SPACE	  128
#define MAX_ITEMS 32
#define MAX_CMDS  4096
#define NEVER	  UINT64_MAX

static uint64_t rng = 1;

static uint64_t rnd(uint64_t n)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (rng >> 33) % n;
}

/* What is asked for, by page: 0 nothing, 1 leaves, 2 tables as well. */
struct batch {
	uint64_t base; /* aligned to SPACE pages */
	struct iod_inv item[MAX_ITEMS];
	size_t nr;
	uint8_t want[SPACE];
};

static void batch_add(struct batch *b, unsigned first, unsigned len, bool leaf)
{
	unsigned i;

	b->item[b->nr++] = leaf ? gc_leaves(b->base + first, len) : gc_tables(b->base + first, len);
	for (i = first; i < first + len; i++)
		if (b->want[i] < (leaf ? 1 : 2))
			b->want[i] = leaf ? 1 : 2;
}

/* kinds: 0 leaves, 1 tables, 2 both. Both ends of what addresses there are. */
static void batch_random(struct batch *b, unsigned kinds)
{
	static const uint64_t base[] = { 0, UINT64_C(0x7ffffff80), UINT64_C(0xffff800000000),
					 (UINT64_C(1) << 52) - SPACE };
	size_t n = 1 + rnd(rnd(3) ? 8 : MAX_ITEMS);
	unsigned longest = 1 + (unsigned)rnd(rnd(2) ? SPACE : 12);

	memset(b, 0, sizeof(*b));
	b->base = base[rnd(4)];
	while (b->nr < n) {
		unsigned first = (unsigned)rnd(SPACE), len = 1 + (unsigned)rnd(longest);

		len = first + len > SPACE ? SPACE - first : len;
		batch_add(b, first, len, kinds == 2 ? rnd(2) : !kinds);
	}
}

/* Fewest aligned blocks of at most 2^max pages inside of what is >= allow that cover what is == need. */
static unsigned fewest(const uint8_t *want, uint8_t allow, uint8_t need, unsigned max)
{
	unsigned best[SPACE + 1] = { 0 }, outside[SPACE + 1] = { 0 }, i, lg2, from, to;

	for (i = 0; i < SPACE; i++)
		outside[i + 1] = outside[i] + (want[i] < allow);
	for (i = 1; i <= SPACE; i++) {
		best[i] = want[i - 1] == need ? UINT32_MAX : best[i - 1];
		for (lg2 = 0; lg2 <= max && lg2 <= 7; lg2++) {
			from = (i - 1) >> lg2 << lg2;
			to = from + (1u << lg2);
			if (outside[to] == outside[from] && best[from] + 1 < best[i])
				best[i] = best[from] + 1;
		}
	}
	return best[SPACE];
}

/* The least that covering all that is asked for costs: what lies in a block needlessly costs per page. */
static uint64_t cheapest(const uint8_t *want, unsigned max, uint64_t command, uint64_t page)
{
	uint64_t best[SPACE + 1] = { 0 };
	unsigned asked[SPACE + 1] = { 0 }, i, lg2, from;

	for (i = 0; i < SPACE; i++)
		asked[i + 1] = asked[i] + (want[i] > 0);
	for (i = 1; i <= SPACE; i++) {
		best[i] = want[i - 1] ? UINT64_MAX : best[i - 1];
		for (lg2 = 0; lg2 <= max && lg2 <= 7 && !(i & ((1u << lg2) - 1)); lg2++) {
			uint64_t cost;

			from = i - (1u << lg2);
			cost = best[from] + command +
			       page * ((1u << lg2) - (asked[i] - asked[from]));
			if (best[from] != UINT64_MAX && cost < best[i])
				best[i] = cost;
		}
	}
	return best[SPACE];
}

/* ---- what came of it ---- */

struct result {
	struct gc_cmd cmd[MAX_CMDS];
	size_t nr;
	uint8_t got[SPACE];
	uint64_t waste;
};

static void encode(const struct gc *gc, const struct batch *b, struct result *r)
{
	static uint64_t raw[MAX_CMDS * GC_WORDS];
	size_t i, w, k, again;

	iodt_assert_ok(gc->v->encode(gc->inv, false, b->item, b->nr, raw, MAX_CMDS, &r->nr));
	memset(r->got, 0, sizeof(r->got));
	r->waste = 0;
	for (i = 0; i < r->nr; i++) {
		struct gc_cmd *c = &r->cmd[i];
		struct iod_cmd_effect e;
		struct iod_inv dev;
		uint64_t word[GC_WORDS];

		/* strictly legal, too */
		gc->v->effect(&raw[i * gc->v->words], &e, &dev);
		for (w = 0; w < gc->v->words; w++)
			iodt_put_le64(&word[w], raw[i * gc->v->words + w]);
		*c = gc->v->decode(word);
		assert_int_equal(c->kind, GC_PAGES);
		assert_true(c->first >> 12 >= b->base && c->last >> 12 < b->base + SPACE);
		for (k = (c->first >> 12) - b->base; k <= (c->last >> 12) - b->base; k++) {
			if (r->got[k] < (c->leaf ? 1 : 2))
				r->got[k] = c->leaf ? 1 : 2;
			r->waste += !b->want[k];
		}
	}
	assert_int_equal(gc->v->encode(gc->inv, false, b->item, b->nr, raw, r->nr - 1, &again),
			 -ENOSPC);
	assert_int_equal(again, r->nr);
}

struct size {
	unsigned vendor;
	uint32_t mamv; /* VT-d: + 1 */
	unsigned max;
};

static const struct size sizes[] = {
	{ GC_VTD, 0, 52 }, { GC_VTD, 1, 0 }, { GC_VTD, 3, 2 }, { GC_VTD, 10, 9 }, { GC_AMD, 0, 40 },
};

static void exact_ones_are_minimal(void **state)
{
	unsigned s, i, n = iodt_scale(2000), total = 0;
	static struct result r;

	for (s = 0; s < IODT_ARRAY_SIZE(sizes); s++) {
		struct gc_cfg cfg = { .mamv = sizes[s].mamv, .cost = &gc_never };
		struct gc *gc = gc_open(&gc_vendors[sizes[s].vendor], &cfg);

		for (i = 0; i < n; i++) {
			unsigned max = sizes[s].max, least;
			struct batch b;

			batch_random(&b, i % 3);
			encode(gc, &b, &r);
			assert_memory_equal(r.got, b.want, SPACE);
			least = fewest(b.want, 2, 2, max) + fewest(b.want, 1, 1, max);
			if (r.nr != least)
				fail_msg("%s, batch %u: %zu commands, not %u", gc->v->name, i, r.nr,
					 least);
			total += least;
		}
		gc_close(gc);
	}
	print_message("%u commands, none too many\n", total);
}

/* Leaves alone or tables alone: at the least cost there is. */
static void others_are_the_cheapest(void **state)
{
	static const uint64_t page[] = { 1, 10, 40, 130 };
	unsigned s, i, n = iodt_scale(1500);
	static struct result r;

	for (s = 0; s < IODT_ARRAY_SIZE(sizes); s++) {
		for (i = 0; i < n; i++) {
			struct iod_inv_cost cost = gc_never;
			struct gc_cfg cfg = { .mamv = sizes[s].mamv, .cost = &cost };
			struct batch b;
			struct gc *gc;
			unsigned k;

			cost.page = page[i % 4];
			gc = gc_open(&gc_vendors[sizes[s].vendor], &cfg);
			batch_random(&b, i % 2);
			encode(gc, &b, &r);
			for (k = 0; k < SPACE; k++)
				assert_true(r.got[k] >= b.want[k]);
			assert_int_equal(r.nr * 100 + r.waste * cost.page,
					 cheapest(b.want, sizes[s].max, 100, cost.page));
			gc_close(gc);
		}
	}
}

/* Both kinds: never more commands than the exact ones, nor a dearer set; nothing is left out. */
static void mixed_ones_are_no_dearer(void **state)
{
	unsigned i, n = iodt_scale(3000), fewer = 0, total = 0;
	static struct result r;

	for (i = 0; i < n; i++) {
		struct iod_inv_cost cost = gc_never;
		const struct size *s = &sizes[i % IODT_ARRAY_SIZE(sizes)];
		struct gc_cfg cfg = { .mamv = s->mamv, .cost = &cost };
		struct batch b;
		struct gc *gc;
		unsigned k, exact;

		cost.page = 10;
		gc = gc_open(&gc_vendors[s->vendor], &cfg);
		batch_random(&b, 2);
		encode(gc, &b, &r);
		for (k = 0; k < SPACE; k++)
			assert_true(r.got[k] >= b.want[k]);
		exact = fewest(b.want, 2, 2, s->max) + fewest(b.want, 1, 1, s->max);
		assert_true(r.nr <= exact);
		/* one page of leaves under a table's command loses an entry of a walk cache at most */
		assert_true(r.nr * 100 + r.waste * cost.page <= exact * 100);
		fewer += exact - (unsigned)r.nr;
		total += exact;
		gc_close(gc);
	}
	print_message("%u commands, %u fewer than exact ones\n", total, fewer);
}

/* ---- one interval ---- */

static uint64_t by_size(uint64_t n, unsigned max)
{
	uint64_t count = 0;
	unsigned k;

	for (k = 0; k < 64; k++)
		if (n >> k & 1)
			count += k > max ? UINT64_C(1) << (k - max) : 1;
	return count;
}

/*
 * How many aligned blocks [a, b) is made of: both sides of the most aligned place inside are sums of powers of two,
 * each once.
 */
static uint64_t count_blocks(uint64_t a, uint64_t b, unsigned max)
{
	unsigned l = 63;
	uint64_t half;

	while (!((a ^ b) >> l & 1))
		l--;
	half = UINT64_C(1) << l;
	return by_size(half - (a & (half - 1)), max) + by_size(b & (half - 1), max);
}

static void check_length(const struct gc *gc, unsigned max, uint64_t first, uint64_t n)
{
	struct iod_inv item = gc_leaves(first, n);
	uint64_t want = count_blocks(first, first + n, max);
	size_t nr = 0;

	assert_int_equal(gc->v->encode(gc->inv, false, &item, 1, NULL, 0, &nr), -ENOSPC);
	if (want > UINT64_C(1) << 20)
		want = 1; /* everything */
	if (nr != want)
		fail_msg("%s: %zu for %#jx pages from %#jx, not %ju", gc->v->name, nr, (uintmax_t)n,
			 (uintmax_t)first, (uintmax_t)want);
}

static void every_length(void **state)
{
	unsigned s;

	for (s = 0; s < IODT_ARRAY_SIZE(sizes); s++) {
		struct gc_cfg cfg = { .mamv = sizes[s].mamv, .cost = &gc_never };
		struct gc *gc = gc_open(&gc_vendors[sizes[s].vendor], &cfg);
		uint64_t n, i, first;

		for (n = 1; n < 3000; n++) {
			check_length(gc, sizes[s].max, 0x12345, n);
			check_length(gc, sizes[s].max, 0x40000000 - n, n);
		}
		for (i = 0; i < 3000; i++) {
			n = 1 + rnd(UINT64_C(1) << (31 - rnd(29)));
			n <<= rnd(14);
			first = rnd(UINT64_C(1) << 30) << rnd(14);
			check_length(gc, sizes[s].max, first, n);
		}
		gc_close(gc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_ones_are_minimal),
		cmocka_unit_test(others_are_the_cheapest),
		cmocka_unit_test(mixed_ones_are_no_dearer),
		cmocka_unit_test(every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
