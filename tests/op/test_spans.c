/* SPDX-License-Identifier: MIT */
/*
 * The ground of invalidation commands: lengths that a command can say, aligned pieces at the least cost, sets
 * with bounded room. Expected values by brute force.
 */
#include "iodtest.h"

#include "spans.h"

static uint64_t rng = 1;

static uint64_t rnd(uint64_t n)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (rng >> 33) % n;
}

/* ---- scaled lengths ---- */

static int u64_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void scaled_lengths(void **state)
{
	uint64_t all[32 * 32];
	unsigned num, scale, n = 0, i;

	for (scale = 0; scale < 32; scale++)
		for (num = 0; num < 32; num++)
			all[n++] = (uint64_t)(num + 1) << scale;
	qsort(all, n, sizeof(*all), u64_order);
	assert_int_equal(all[n - 1], SPAN_SCALED_MAX);
	for (i = 0; i < n; i++) {
		uint64_t below = i ? all[i - 1] : 0, mid = below + (all[i] - below) / 2;

		assert_int_equal(span_scaled_floor(all[i]), all[i]);
		/* num and scale have room */
		assert_true(span_scale(all[i]) <= 31 && all[i] >> span_scale(all[i]) <= 32);
		assert_int_equal(all[i] >> span_scale(all[i]) << span_scale(all[i]), all[i]);
		if (mid == below || mid == all[i])
			continue;
		assert_int_equal(span_scaled_floor(mid), below);
		/* the next one is 2^scale longer, and what is left is shorter than the one below */
		assert_int_equal(below + (UINT64_C(1) << span_scale(mid)), all[i]);
		assert_true(mid - below < UINT64_C(1) << span_scale(mid) && mid - below < below);
	}
	assert_int_equal(span_scaled_floor(SPAN_SCALED_MAX + 1), SPAN_SCALED_MAX);
	assert_int_equal(span_scaled_floor(UINT64_MAX), SPAN_SCALED_MAX);
}

static void smallest_cover(void **state)
{
	uint64_t a, b;
	unsigned lg2;

	for (a = 0; a < 70; a++)
		for (b = a; b < 70; b++) {
			for (lg2 = 0; a >> lg2 != b >> lg2;)
				lg2++;
			assert_int_equal(span_cover_lg2(a, b), lg2);
		}
	assert_int_equal(span_cover_lg2(0, UINT64_MAX), 64);
	assert_int_equal(span_cover_lg2(UINT64_C(1) << 63, UINT64_MAX), 63);
}

/* ---- aligned pieces ---- */

#define UNITS 32

/* Wanted units as bits. The cheapest way to cover those of the block at first, by trying both. */
static uint64_t cheapest(const struct span_cover *c, uint32_t want, unsigned first, unsigned lg2)
{
	uint32_t mask = (lg2 == 5 ? UINT32_MAX : (1u << (1u << lg2)) - 1) << first;
	uint64_t whole = UINT64_MAX, halves = UINT64_MAX;

	if (!(want & mask))
		return 0;
	if (lg2 <= c->max_lg2)
		whole = c->piece_cost +
			c->unit_cost *
				(uint64_t)((1u << lg2) - (unsigned)__builtin_popcount(want & mask));
	if (lg2 > c->min_lg2)
		halves = cheapest(c, want, first, lg2 - 1) +
			 cheapest(c, want, first + (1u << (lg2 - 1)), lg2 - 1);
	return whole < halves ? whole : halves;
}

static size_t spans_of(uint32_t want, struct span *span)
{
	size_t n = 0;
	unsigned i;

	for (i = 0; i < UNITS; i++) {
		if (!(want >> i & 1))
			continue;
		if (n && span[n - 1].last + 1 == i)
			span[n - 1].last = i;
		else
			span[n++] = (struct span){ i, i };
	}
	return n;
}

static void pieces_cost_least(void **state)
{
	unsigned round, n = iodt_scale(50000);

	for (round = 0; round < n; round++) {
		uint32_t want = (uint32_t)(rnd(UINT32_MAX) & (rnd(2) ? rnd(UINT32_MAX) : ~0ull)),
			 got = 0;
		struct span span[UNITS];
		struct span_piece piece[UNITS];
		struct span_cover c = { .span = span,
					.nr = spans_of(want, span),
					.min_lg2 = (unsigned)rnd(3),
					.max_lg2 = 2 + (unsigned)rnd(50),
					.piece_cost = 1 + rnd(20),
					.unit_cost = rnd(6),
					.piece = piece,
					.max = UNITS };
		uint64_t cost = iod_span_cover(&c), sum = 0;
		size_t i;

		assert_int_equal(cost, cheapest(&c, want, 0, 5));
		for (i = 0; i < c.n; i++) {
			uint32_t bits =
				piece[i].lg2 == 5 ? UINT32_MAX : (1u << (1u << piece[i].lg2)) - 1;

			assert_true(piece[i].lg2 >= c.min_lg2 && piece[i].lg2 <= c.max_lg2);
			assert_int_equal(piece[i].first & ((1u << piece[i].lg2) - 1), 0);
			assert_int_equal(got & bits << piece[i].first, 0);
			got |= bits << piece[i].first;
			sum += c.piece_cost;
		}
		assert_int_equal(want & ~got, 0);
		assert_int_equal(sum + c.unit_cost * (uint64_t)__builtin_popcount(got & ~want),
				 cost);
	}
}

/* With too little room larger pieces are taken, or it is said that there are none. */
static void pieces_without_room(void **state)
{
	struct span span[3] = { { 0, 0 }, { 5, 5 }, { 16, 16 } };
	struct span_piece piece[3];
	struct span_cover c = { .span = span,
				.nr = 3,
				.max_lg2 = 63,
				.piece_cost = 1,
				.unit_cost = 1000,
				.piece = piece,
				.max = 3 };

	assert_int_equal(iod_span_cover(&c), 3);
	assert_int_equal(c.n, 3);
	c.max = 2;
	assert_int_not_equal(iod_span_cover(&c), UINT64_MAX);
	assert_int_equal(c.n, 1);
	assert_int_equal(piece[0].lg2, 5);
	c.max_lg2 = 4;
	assert_int_equal(iod_span_cover(&c), UINT64_MAX);
	c.max = 3;
	c.unit_cost = UINT64_MAX;
	assert_int_equal(iod_span_cover(&c), 3);
	c.min_lg2 = 1; /* costs beyond measure */
	assert_int_equal(iod_span_cover(&c), UINT64_MAX);
}

static void pieces_of_everything(void **state)
{
	struct span span = { 0, UINT64_MAX };
	struct span_piece piece[4];
	struct span_cover c = { .span = &span,
				.nr = 1,
				.max_lg2 = 63,
				.piece_cost = 3,
				.unit_cost = 1,
				.piece = piece,
				.max = 4 };

	assert_int_equal(iod_span_cover(&c), 6);
	assert_int_equal(c.n, 2);
	assert_true(piece[0].first == 0 && piece[0].lg2 == 63);
	assert_true(piece[1].first == UINT64_C(1) << 63 && piece[1].lg2 == 63);
	span.first = UINT64_MAX;
	assert_int_equal(iod_span_cover(&c), 3);
	assert_true(c.n == 1 && piece[0].first == UINT64_MAX && piece[0].lg2 == 0);
	c.nr = 0;
	assert_int_equal(iod_span_cover(&c), 0);
	assert_int_equal(c.n, 0);
}

/* ---- sets ---- */

/* Nothing is forgotten, and with room for it nothing is added. */
static void sets_keep_all(void **state)
{
	unsigned round, n = iodt_scale(3000);

	for (round = 0; round < n; round++) {
		bool want[512] = { false }, got[512] = { false };
		struct span span[40];
		struct span_set set = { .span = span, .max = 2 + rnd(39) };
		bool roomy = set.max == 40;
		size_t i, adds = roomy ? 40 : 1 + rnd(200);

		for (i = 0; i < adds; i++) {
			uint64_t first = rnd(512), last = first + rnd(12), k;

			last = last > 511 ? 511 : last;
			iod_span_add(&set, first, last);
			for (k = first; k <= last; k++)
				want[k] = true;
		}
		iod_span_join(&set);
		assert_true(set.nr <= set.max);
		for (i = 0; i < set.nr; i++) {
			uint64_t k;

			assert_true(!i || set.span[i].first > set.span[i - 1].last + 1);
			for (k = set.span[i].first; k <= set.span[i].last; k++)
				got[k] = true;
		}
		for (i = 0; i < 512; i++)
			assert_true(roomy ? want[i] == got[i] : want[i] <= got[i]);
	}
}

static void sets_at_the_ends(void **state)
{
	struct span span[2];
	struct span_set set = { .span = span, .max = 2 };

	iod_span_add(&set, UINT64_MAX, UINT64_MAX);
	iod_span_add(&set, 0, 0);
	iod_span_join(&set);
	assert_int_equal(set.nr, 2);
	iod_span_add(&set, 5, 5);
	iod_span_join(&set);
	assert_true(set.span[0].first == 0 && set.span[set.nr - 1].last == UINT64_MAX);
	set.nr = 0;
	iod_span_add(&set, 0, UINT64_MAX);
	iod_span_add(&set, 7, 9);
	assert_int_equal(set.nr, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scaled_lengths),	cmocka_unit_test(smallest_cover),
		cmocka_unit_test(pieces_cost_least),	cmocka_unit_test(pieces_without_room),
		cmocka_unit_test(pieces_of_everything), cmocka_unit_test(sets_keep_all),
		cmocka_unit_test(sets_at_the_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
