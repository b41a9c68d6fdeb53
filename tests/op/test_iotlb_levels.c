/* SPDX-License-Identifier: MIT */
/*
 * IOD_IOTLB_EXACT_LEVELS: an iotlb that takes the level masks of invalidations literally (R103, R104), on
 * tables written by hand.
 */
#include "iotlb_hand.h"

#define DOMAIN	7
#define UNKNOWN 0u
#define ANY	UINT32_MAX

/* Levels 4 to 0, 4 KiB pages; 2 MiB at 2 MiB, 1 GiB at 1 GiB. */
static const struct hand_cfg exact_cfg = {
	.format = IOD_VTD_SS,
	.features = IOD_PT_HW_DIRTY,
	.levels = 5,
	.depth = 5,
	.table = 3,
	.iotlb = IOD_IOTLB_EXACT_LEVELS,
};

static const uint64_t leaf_at[] = { 0x1000, IODT_2M, IODT_1G };

static void inv_levels(struct hand *h, uint32_t flags, uint32_t leaf_levels, uint32_t table_levels)
{
	struct iod_inv inv = {
		.kind = IOD_INV_RANGE,
		.flags = flags,
		.domain = DOMAIN,
		.last = UINT64_MAX,
		.leaf_levels = leaf_levels,
		.table_levels = table_levels,
		.granule_lg2 = 12,
	};

	iodt_assert_ok(iod_iotlb_invalidate(h->tlb, &inv, 1));
}

static void leaves_reset(struct hand *h)
{
	unsigned int i;

	hand_reset(h, PAGE | 3);
	iodt_write(h->t, h->table[1] + 8, 0x40000083);
	iodt_write(h->t, h->table[2] + 8, 0x80000083);
	for (i = 0; i < 3; i++)
		assert_int_equal(hand_access(h, leaf_at[i], R, NULL), OK);
}

static bool leaf_cached(struct hand *h, unsigned int level)
{
	struct iod_access_result r = { 0 };

	assert_int_equal(hand_access(h, leaf_at[level], R, &r), OK);
	return r.hit;
}

/* Every mask of leaf levels, on a translation of each level; table levels make no difference. */
static void leaves_by_level(void **state)
{
	uint32_t mask, level;
	struct hand h;

	hand_open(&h, &exact_cfg);
	for (mask = 0; mask < 1u << 5; mask++) {
		leaves_reset(&h);
		inv_levels(&h, mask & 1 ? IOD_INV_LEAF_ONLY : 0, mask, mask & 1 ? 0 : 1u << 2);
		for (level = 0; level < 3; level++)
			assert_int_equal(leaf_cached(&h, level), mask && !(mask >> level & 1));
	}
	hand_close(&h);
}

/* Levels say nothing in a domain's or in everybody's invalidation, nor to an ATC or without the flag. */
static void levels_not_looked_at(void **state)
{
	static const enum iod_inv_kind kinds[] = { IOD_INV_ALL, IOD_INV_DOMAIN };
	static const uint32_t flags[] = { 0, IOD_IOTLB_EXACT_LEVELS | IOD_IOTLB_ATC };
	struct iod_inv inv = { .domain = DOMAIN, .leaf_levels = 1u << 3, .table_levels = 1u << 4 };
	struct hand_cfg cfg = exact_cfg;
	struct hand h;
	uint32_t level;
	size_t i;

	hand_open(&h, &exact_cfg);
	for (i = 0; i < IODT_ARRAY_SIZE(kinds); i++) {
		leaves_reset(&h);
		inv.kind = kinds[i];
		iodt_assert_ok(iod_iotlb_invalidate(h.tlb, &inv, 1));
		for (level = 0; level < 3; level++)
			assert_false(leaf_cached(&h, level));
	}
	hand_close(&h);
	for (i = 0; i < IODT_ARRAY_SIZE(flags); i++) {
		cfg.iotlb = flags[i];
		hand_open(&h, &cfg);
		leaves_reset(&h);
		inv_levels(&h, 0, 1u << 3, 1u << 4);
		for (level = 0; level < 3; level++)
			assert_false(leaf_cached(&h, level));
		hand_close(&h);
	}
}

/* No leaf changed: translations stay, in an ATC too, unless levels are not looked at; tables go. */
static void tables_alone(void **state)
{
	static const uint32_t flags[] = { IOD_IOTLB_EXACT_LEVELS,
					  IOD_IOTLB_EXACT_LEVELS | IOD_IOTLB_ATC, 0 };
	struct hand_cfg cfg = exact_cfg;
	struct hand h;
	uint32_t level;
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(flags); i++) {
		cfg.iotlb = flags[i];
		hand_open(&h, &cfg);
		leaves_reset(&h);
		inv_levels(&h, IOD_INV_NO_LEAVES, 0, 1u << 1 | 1u << 2);
		for (level = 0; level < 3; level++)
			assert_int_equal(leaf_cached(&h, level), flags[i] != 0);
		hand_close(&h);
	}
}

/* Whether a walk for the page begins at a cached table; the translation is out of the way. */
static bool walk_hit(struct hand *h, uint64_t iova)
{
	uint64_t before;

	inv_levels(h, IOD_INV_LEAF_ONLY, UNKNOWN, 0);
	before = hand_stats(h->tlb).walk_hits;
	assert_int_equal(hand_access(h, iova, R, NULL), OK);
	return hand_stats(h->tlb).walk_hits > before;
}

/*
 * Which of the tables at levels 3 to 0 is remembered: each is met by way of the entry one level above.
 * The tables' entries are made to point elsewhere, one by one from below, and the walk says how far down its
 * memory goes.
 */
static uint32_t tables_kept(struct hand *h)
{
	uint32_t kept = 0;
	unsigned int level;

	for (level = 0; level < 4; level++) {
		struct iod_fault fault = { 0 };

		/* no table from here up can be read any more but the remembered ones */
		inv_levels(h, IOD_INV_LEAF_ONLY, UNKNOWN, 0);
		iodt_write(h->t, h->table[level + 1], 0);
		if (!iod_iotlb_access(h->tlb, h->t->pt, 0x1000, R, NULL, &fault))
			kept |= 1u << level;
		iodt_write(h->t, h->table[level + 1], hand_item(h, level + 1));
	}
	return kept;
}

/*
 * Bit l of table levels: the entry at level l, and so what is remembered of the table at level l - 1.
 * tables_kept() finds whether any table at or below the broken entry is remembered: bit n of what it gives is
 * "one of tables 0 .. n is kept".
 */
static void tables_by_level(void **state)
{
	uint32_t mask, left, want, n;
	struct hand h;

	hand_open(&h, &exact_cfg);
	for (mask = 0; mask < 1u << 5; mask++) {
		hand_reset(&h, PAGE | 3);
		assert_int_equal(hand_access(&h, 0x1000, R, NULL), OK);
		inv_levels(&h, 0, mask & 2 ? 1 : UNKNOWN, mask);
		left = mask ? 0xfu & ~(mask >> 1) : 0;
		for (want = 0, n = 0; n < 4; n++)
			want |= (left & ((2u << n) - 1) ? 1u : 0) << n;
		assert_int_equal(tables_kept(&h), want);
	}
	/* leaf only: whatever the masks say */
	hand_reset(&h, PAGE | 3);
	assert_int_equal(hand_access(&h, 0x1000, R, NULL), OK);
	inv_levels(&h, IOD_INV_LEAF_ONLY, UNKNOWN, ANY);
	assert_int_equal(tables_kept(&h), 0xf);
	/* and without the flag, levels are not looked at */
	hand_close(&h);
}

static void tables_without_the_flag(void **state)
{
	struct hand_cfg cfg = exact_cfg;
	struct hand h;

	cfg.iotlb = 0;
	hand_open(&h, &cfg);
	hand_reset(&h, PAGE | 3);
	assert_int_equal(hand_access(&h, 0x1000, R, NULL), OK);
	inv_levels(&h, 0, 1u << 4, 1u << 3);
	assert_int_equal(tables_kept(&h), 0);
	hand_close(&h);
}

/* A walk that begins at a cached table remembers by way of which entry that was met. */
static void kept_over_walks_from_the_cache(void **state)
{
	struct hand h;

	hand_open(&h, &exact_cfg);
	hand_reset(&h, PAGE | 3);
	iodt_write(h.t, h.table[0] + 16, 0x6003);
	assert_int_equal(hand_access(&h, 0x1000, R, NULL), OK);
	assert_int_equal(hand_access(&h, 0x2000, R, NULL), OK);
	assert_int_equal(hand_stats(h.tlb).walk_hits, 1);
	inv_levels(&h, 0, UNKNOWN, ANY & ~(1u << 1));
	assert_true(walk_hit(&h, 0x1000));
	inv_levels(&h, 0, UNKNOWN, 1u << 1);
	assert_false(walk_hit(&h, 0x1000));
	hand_close(&h);
}

/* AMD v1, a skipped level: the entry at level 2 that points to the table at level 0. */
static void skipped_levels(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_AMD_V1,
		.features = IOD_PT_HW_DIRTY,
		.levels = 3,
		.depth = 3,
		.table = IODT_BIT(61) | IODT_BIT(62) | 1,
		.level_in_item = true,
		.iotlb = IOD_IOTLB_EXACT_LEVELS,
	};
	struct hand h;

	hand_open(&h, &c);
	hand_reset(&h, c.table | PAGE);
	iodt_write(h.t, h.table[2], c.table | 1 << 9 | h.table[0]);
	assert_int_equal(hand_access(&h, 0x1000, R, NULL), OK);
	inv_levels(&h, 0, UNKNOWN, ANY & ~(1u << 2));
	assert_true(walk_hit(&h, 0x1000));
	inv_levels(&h, 0, UNKNOWN, 1u << 2);
	assert_false(walk_hit(&h, 0x1000));
	hand_close(&h);
}

/* A run goes by the level of its items: Arm, 16 contiguous pages; and 16 blocks of 2 MiB. */
static void runs_by_their_items(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_ARM_LPAE_S1,
		.features = IOD_PT_HW_DIRTY,
		.ias = 39,
		.depth = 3,
		.table = 3,
		.iotlb = IOD_IOTLB_EXACT_LEVELS,
	};
	const uint64_t attr = IODT_BIT(51) | IODT_BIT(52) | 0xbc1;
	const uint64_t iova[] = { 16 << 12, UINT64_C(16) << 21 };
	uint32_t level, other;
	struct iod_access_result r;
	struct hand h;
	uint64_t i;

	hand_open(&h, &c);
	hand_reset(&h, 0);
	for (i = 0; i < 16; i++) {
		iodt_write(h.t, h.table[0] + 8 * (16 + i), 0x70000 | i << 12 | attr | 2);
		iodt_write(h.t, h.table[1] + 8 * (16 + i), 0x40000000 | i << 21 | attr);
	}
	for (level = 0; level < 2; level++) {
		other = ANY & ~(1u << level);
		assert_int_equal(hand_access(&h, iova[level], R, &r), OK);
		inv_levels(&h, IOD_INV_LEAF_ONLY, other, 0);
		assert_int_equal(hand_access(&h, iova[level], R, &r), OK);
		assert_true(r.hit);
		inv_levels(&h, IOD_INV_LEAF_ONLY, 1u << level, 0);
		assert_int_equal(hand_access(&h, iova[level], R, &r), OK);
		assert_false(r.hit);
	}
	hand_close(&h);
}

/*
 * R103, the flaw itself: a table of level 1 goes, with 2 MiB leaves in it, and the invalidation names the
 * level of the smallest page. The hint is obeyed and a 2 MiB translation survives.
 */
static void the_ttl_flaw_is_seen(void **state)
{
	struct iod_access_result r;
	struct hand h;

	hand_open(&h, &exact_cfg);
	leaves_reset(&h);
	iodt_write(h.t, h.table[2], 0);
	inv_levels(&h, 0, 1u << 0, 1u << 2 | 1u << 1);
	assert_int_equal(hand_access(&h, IODT_2M, R, &r), OK);
	assert_true(r.hit);
	assert_int_equal(r.pa, 0x40000000);
	inv_levels(&h, 0, 1u << 0 | 1u << 1, 1u << 2 | 1u << 1);
	assert_int_equal(hand_access(&h, IODT_2M, R, &r), NOT_THERE);
	hand_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_by_level),
		cmocka_unit_test(levels_not_looked_at),
		cmocka_unit_test(tables_alone),
		cmocka_unit_test(tables_by_level),
		cmocka_unit_test(tables_without_the_flag),
		cmocka_unit_test(kept_over_walks_from_the_cache),
		cmocka_unit_test(skipped_levels),
		cmocka_unit_test(runs_by_their_items),
		cmocka_unit_test(the_ttl_flaw_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
