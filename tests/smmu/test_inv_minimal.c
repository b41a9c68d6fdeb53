/* SPDX-License-Identifier: MIT */
/*
 * Whether a batch becomes the fewest commands that cover exactly what was asked for: thousands of random ones
 * in small spaces, held against all sets of commands there are (dynamic programming over every range that a
 * command can name), and every length on its own. R102, R103, R107, R110.
 */
#include "invsink.h"

#define SPACE	  112
#define MAX_ITEMS 32 /* as a gather hands over at a time: what is in one batch is joined */
#define MAX_CMDS  4096

static uint64_t rng = 1;

static uint64_t rnd(uint64_t n)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (rng >> 33) % n;
}

/* ---- a place where batches are made ---- */

struct place {
	unsigned lg2;
	uint64_t base;
	uint32_t stage;
};

/* Both ends of what addresses there are, for every granule. */
static const struct place places[] = {
	{ 12, 0, 1 },
	{ 12, UINT64_C(0x0000ffffffe00000), 1 },
	{ 12, UINT64_C(0xffff000000000000), 1 },
	{ 12, 0 - (uint64_t)SPACE * 4096, 1 },
	{ 14, UINT64_C(0x7ff000000000), 1 },
	{ 14, 0 - (uint64_t)SPACE * 16384, 1 },
	{ 16, 0 - (uint64_t)SPACE * 65536, 1 },
	{ 16, (UINT64_C(1) << 52) - (uint64_t)SPACE * 65536, 1 },
	{ 12, 0, 2 },
	{ 12, (UINT64_C(1) << 52) - (uint64_t)SPACE * 4096, 2 },
	{ 14, UINT64_C(1) << 40, 2 },
	{ 16, (UINT64_C(1) << 52) - (uint64_t)SPACE * 65536, 2 },
};

/* What is asked for, by granule: 0 nothing, 1 leaves, 2 tables as well. */
struct batch {
	struct place at;
	struct iod_inv item[MAX_ITEMS];
	size_t nr;
	uint8_t want[SPACE];
};

static void batch_add(struct batch *b, unsigned first, unsigned last, bool leaf, uint32_t leaves,
		      uint32_t tables)
{
	unsigned i;

	b->item[b->nr++] = (struct iod_inv){
		.kind = IOD_INV_RANGE,
		.flags = leaf ? IOD_INV_LEAF_ONLY : 0,
		.iova = b->at.base + ((uint64_t)first << b->at.lg2),
		.last = b->at.base + ((uint64_t)last << b->at.lg2) + ((1u << b->at.lg2) - 1),
		.leaf_levels = leaves,
		.table_levels = tables,
		.granule_lg2 = b->at.lg2,
	};
	for (i = first; i <= last; i++)
		if (b->want[i] < (leaf ? 1 : 2))
			b->want[i] = leaf ? 1 : 2;
}

/* kinds: 0 leaves, 1 tables, 2 both. */
static void batch_random(struct batch *b, unsigned kinds)
{
	size_t n = 1 + rnd(rnd(3) ? 8 : MAX_ITEMS);
	unsigned longest = 1 + (unsigned)rnd(rnd(2) ? SPACE : 12);

	memset(b, 0, sizeof(*b));
	b->at = places[rnd(IODT_ARRAY_SIZE(places))];
	while (b->nr < n) {
		unsigned first = (unsigned)rnd(SPACE), len = 1 + (unsigned)rnd(longest);
		bool leaf = kinds == 2 ? rnd(2) : !kinds;

		if (first + len > SPACE)
			len = SPACE - first;
		batch_add(b, first, first + len - 1, leaf, (uint32_t)rnd(8),
			  leaf ? 0 : (uint32_t)rnd(4) << 1);
	}
}

/* ---- all there is ---- */

static unsigned scaled[64], nr_scaled;

/* Lengths that a command can have, by the formula of 4.4.1. */
static bool is_scaled(uint64_t n)
{
	unsigned num, scale;

	for (scale = 0; scale < 32; scale++)
		for (num = 0; num < 32; num++)
			if ((uint64_t)(num + 1) << scale == n)
				return true;
	return false;
}

static void list_scaled(void)
{
	unsigned n;

	nr_scaled = 0;
	for (n = 1; n <= SPACE; n++)
		if (is_scaled(n))
			scaled[nr_scaled++] = n;
}

/* Fewest ranges inside of what is >= allow that cover what is == need. */
static unsigned fewest(const uint8_t *want, uint8_t allow, uint8_t need)
{
	unsigned best[SPACE + 1] = { 0 }, outside[SPACE + 1] = { 0 }, i, k, e;

	for (i = 0; i < SPACE; i++)
		outside[i + 1] = outside[i] + (want[i] < allow);
	/* best[i]: the granules before i are covered; a command may have reached further back or on */
	for (i = 1; i <= SPACE; i++) {
		best[i] = want[i - 1] == need ? UINT32_MAX : best[i - 1];
		if (want[i - 1] < allow)
			continue;
		for (k = 0; k < nr_scaled; k++)
			for (e = i; e <= SPACE && e < i + scaled[k]; e++) {
				unsigned from = e - scaled[k];

				if (e < scaled[k] || outside[e] != outside[from])
					continue;
				if (best[from] + 1 < best[i])
					best[i] = best[from] + 1;
			}
	}
	return best[SPACE];
}

/* ---- what came of it ---- */

struct result {
	struct seen cmd[MAX_CMDS];
	size_t nr;
};

static void encode(const struct iod_smmuv3_inv *inv, const struct batch *b, struct result *r)
{
	static struct iod_smmuv3_raw_cmd raw[MAX_CMDS];
	struct iod_smmuv3_id id = sink_id(true);
	size_t i, again;

	iodt_assert_ok(iod_smmuv3_inv_encode(inv, b->item, b->nr, raw, MAX_CMDS, &r->nr));
	for (i = 0; i < r->nr; i++) {
		struct iod_smmuv3_cmd cmd;

		/* strictly legal, too */
		iodt_assert_ok(iod_smmuv3_cmd_decode(&cmd, &raw[i], &id, NULL));
		r->cmd[i] = seen_decode(&raw[i]);
		assert_int_equal(r->cmd[i].op, b->at.stage == 1 ? 0x12 : 0x2a);
		assert_int_equal(r->cmd[i].vmid, 9);
		assert_int_equal(r->cmd[i].asid, b->at.stage == 1 ? 7 : 0);
	}
	if (r->nr) {
		assert_int_equal(iod_smmuv3_inv_encode(inv, b->item, b->nr, raw, r->nr - 1, &again),
				 -ENOSPC);
		assert_int_equal(again, r->nr);
	}
}

/* A level that an item may have had at a granule is hit by a command without a hint, or with this one. */
static void check_levels(const struct batch *b, const struct iod_inv *item, const struct result *r,
			 uint64_t at)
{
	uint32_t levels = item->leaf_levels ? item->leaf_levels : 7;
	unsigned level;
	size_t i;

	for (level = 0; level < 3; level++) {
		bool hit = false;

		for (i = 0; i < r->nr && !hit; i++) {
			const struct seen *c = &r->cmd[i];
			uint64_t first, last;

			seen_range(c, &first, &last);
			hit = first <= at && last >= at &&
			      (!c->ttl || (c->leaf && c->ttl == 3 - level)) &&
			      (c->leaf <= !!(item->flags & IOD_INV_LEAF_ONLY));
		}
		if (levels >> level & 1 && !hit)
			fail_msg("level %u at %#jx is missed", level, (uintmax_t)at);
	}
}

/* Exactly what was asked for: no granule more, none less, of either kind. */
static void check_exact(const struct batch *b, const struct result *r)
{
	uint8_t got[SPACE] = { 0 };
	unsigned bits = b->at.lg2 - 3;
	size_t i;

	for (i = 0; i < r->nr; i++) {
		const struct seen *c = &r->cmd[i];
		uint64_t first, last, g;

		seen_range(c, &first, &last);
		assert_true(first >= b->at.base);
		if (c->ttl) /* 4.4.1: aligned to the level of the hint */
			assert_int_equal(c->addr >> b->at.lg2 & ((1u << (3 - c->ttl) * bits) - 1),
					 0);
		first = (first - b->at.base) >> b->at.lg2;
		last = (last - b->at.base) >> b->at.lg2;
		assert_true(last < SPACE);
		for (g = first; g <= last; g++)
			if (got[g] < (c->leaf ? 1 : 2))
				got[g] = c->leaf ? 1 : 2;
	}
	assert_memory_equal(got, b->want, SPACE);
	for (i = 0; i < b->nr; i++) {
		uint64_t at = b->item[i].iova;

		for (;; at += UINT64_C(1) << b->at.lg2) {
			check_levels(b, &b->item[i], r, at);
			if (b->item[i].last - at < UINT64_C(1) << b->at.lg2)
				break;
		}
	}
}

static void ranges_are_minimal(void **state)
{
	struct iod_smmuv3_inv *inv[3] = { NULL, sink_open_inv(true, 1), sink_open_inv(true, 2) };
	unsigned i, n = iodt_scale(6000), excess = 0, total = 0;
	static struct result r;

	list_scaled();
	for (i = 0; i < n; i++) {
		struct batch b;
		unsigned least;

		batch_random(&b, i % 3);
		encode(inv[b.at.stage], &b, &r);
		check_exact(&b, &r);
		least = fewest(b.want, 2, 2) + fewest(b.want, 1, 1);
		assert_true(r.nr >= least);
		total += least;
		excess += (unsigned)r.nr - least;
	}
	print_message("%u batches, %u commands at least, %u more\n", n, total, excess);
	assert_int_equal(excess, 0);
	iodt_assert_ok(iod_smmuv3_inv_destroy(inv[1]));
	iodt_assert_ok(iod_smmuv3_inv_destroy(inv[2]));
}

/* One interval of n granules: one command if its length is one that commands have, else two. */
static void check_length(const struct iod_smmuv3_inv *inv, const struct place *at, uint64_t first,
			 uint64_t n)
{
	struct iod_inv item = { .kind = IOD_INV_RANGE,
				.flags = IOD_INV_LEAF_ONLY,
				.iova = first,
				.last = first + ((n << at->lg2) - 1),
				.granule_lg2 = at->lg2 };
	struct iod_smmuv3_raw_cmd raw[4];
	uint64_t to[2][2];
	size_t nr, i;

	iodt_assert_ok(iod_smmuv3_inv_encode(inv, &item, 1, raw, 4, &nr));
	assert_int_equal(nr, is_scaled(n) ? 1 : 2);
	for (i = 0; i < nr; i++) {
		struct seen c = seen_decode(&raw[i]);

		seen_range(&c, &to[i][0], &to[i][1]);
		/* one address of a larger granule means all of it */
		if (!c.tg)
			to[i][1] = to[i][0] + ((UINT64_C(1) << at->lg2) - 1);
	}
	assert_true(to[0][0] == item.iova && to[nr - 1][1] == item.last);
	if (nr == 2)
		assert_true(to[1][0] > item.iova && to[0][1] < item.last &&
			    to[1][0] <= to[0][1] + 1);
}

static void every_length(void **state)
{
	struct iod_smmuv3_inv *inv[3] = { NULL, sink_open_inv(true, 1), sink_open_inv(true, 2) };
	size_t p, i;

	for (p = 0; p < IODT_ARRAY_SIZE(places); p++) {
		const struct place *at = &places[p];
		uint64_t n, top = at->stage == 2 ? UINT64_C(1) << 52 : 0, most;

		for (n = 1; n < 3000; n++) {
			check_length(inv[at->stage], at, UINT64_C(0x1230000), n);
			/* ends at the top of the space */
			check_length(inv[at->stage], at, top - (n << at->lg2), n);
		}
		/* up to the whole of 48 and 52 bits, and half of the space; twice the longest is too long */
		most = (at->stage == 2 ? UINT64_C(1) << 52 : UINT64_C(1) << 63) >> at->lg2;
		if (most > UINT64_C(1) << 37)
			most = UINT64_C(1) << 37;
		for (i = 0; i < 3000; i++) {
			n = 1 + rnd(most >> rnd(30)) + (rnd(2) ? most / 2 : 0);
			n = n > most ? most : n;
			check_length(inv[at->stage], at, 0, n);
			check_length(inv[at->stage], at, top - (n << at->lg2), n);
		}
		check_length(inv[at->stage], at, 0, most);
	}
	iodt_assert_ok(iod_smmuv3_inv_destroy(inv[1]));
	iodt_assert_ok(iod_smmuv3_inv_destroy(inv[2]));
}

/* ---- one address at a time ---- */

#define MAX_SLOTS 2048

/*
 * The entries that an item names, each a slot of 2^lg2 granules of 4 KiB: the fewest addresses so that each has
 * one. A slot that holds a smaller one needs none of its own. One address for tables may serve one smaller
 * slot for leaves inside of it as well.
 */
struct slot {
	uint64_t first;
	unsigned lg2;
	bool leaf, done;
};

/* 512 items to a table: an entry of level 1 maps 512 granules. Unknown levels: the smallest page. */
static unsigned item_stride(const struct iod_inv *item)
{
	bool leaf = item->flags & IOD_INV_LEAF_ONLY;
	uint32_t levels = item->leaf_levels | (leaf ? 0 : item->table_levels);

	if (!item->leaf_levels || (!leaf && !item->table_levels) || levels & 1)
		return 0;
	return levels & 2 ? 9 : 18;
}

/* Items of all sizes around two places. */
static size_t random_items(struct iod_inv *item, unsigned kinds)
{
	size_t n = 1 + rnd(rnd(3) ? 8 : MAX_ITEMS), i;

	for (i = 0; i < n; i++) {
		bool leaf = kinds == 2 ? rnd(2) : !kinds;
		uint64_t first, len;

		item[i] = (struct iod_inv){ .kind = IOD_INV_RANGE,
					    .flags = leaf ? IOD_INV_LEAF_ONLY : 0,
					    .leaf_levels = (uint32_t)rnd(8),
					    .table_levels = leaf ? 0 : (uint32_t)rnd(4) << 1,
					    .granule_lg2 = 12 };
		first = (UINT64_C(1) << 18) - 600 + rnd(1200);
		len = 1 + rnd(40);
		if (item_stride(&item[i])) {
			first &= ~UINT64_C(511);
			len = 512 * (1 + rnd(3));
		}
		item[i].iova = first << 12;
		item[i].last = ((first + len) << 12) - 1;
	}
	return n;
}

static unsigned list_slots(const struct iod_inv *item, size_t nr, struct slot *slot)
{
	unsigned n = 0, k;
	uint64_t s;
	size_t i;

	for (i = 0; i < nr; i++) {
		unsigned lg2 = item_stride(&item[i]);

		for (s = item[i].iova >> 12 >> lg2; s <= item[i].last >> 12 >> lg2; s++) {
			struct slot x = { s << lg2, lg2, item[i].flags & IOD_INV_LEAF_ONLY, false };

			for (k = 0; k < n; k++)
				if (slot[k].first == x.first && slot[k].lg2 == x.lg2 &&
				    slot[k].leaf == x.leaf)
					break;
			assert_true(k < MAX_SLOTS);
			if (k == n)
				slot[n++] = x;
		}
	}
	return n;
}

static bool holds(const struct slot *a, const struct slot *b)
{
	return a->first >> a->lg2 == b->first >> a->lg2 && b->lg2 <= a->lg2;
}

/* Whether an address for b serves a, too. */
static bool serves(const struct slot *b, const struct slot *a)
{
	return holds(a, b) && (a->leaf || !b->leaf) && (b->lg2 < a->lg2 || b->leaf < a->leaf);
}

static unsigned fewest_addresses(struct slot *slot, unsigned n)
{
	unsigned i, k, least = 0;

	for (i = 0; i < n; i++)
		for (k = 0; k < n; k++)
			slot[i].done |= k != i && serves(&slot[k], &slot[i]);
	for (i = 0; i < n; i++)
		least += !slot[i].done;
	for (i = 0; i < n; i++)
		for (k = 0; k < n && !slot[i].leaf && !slot[i].done; k++)
			if (slot[k].leaf && !slot[k].done && slot[k].lg2 < slot[i].lg2 &&
			    holds(&slot[i], &slot[k])) {
				least--;
				break;
			}
	return least;
}

/* Every slot has an address of its kind; no address is outside of what was asked for. */
static void check_addresses(const struct iod_inv *item, size_t nr, const struct slot *slot,
			    unsigned n, const struct iod_smmuv3_raw_cmd *raw, size_t cmds)
{
	unsigned i, k;

	for (i = 0; i < n; i++) {
		bool hit = false;

		for (k = 0; k < cmds && !hit; k++) {
			struct seen c = seen_decode(&raw[k]);

			hit = c.addr >> 12 >> slot[i].lg2 == slot[i].first >> slot[i].lg2 &&
			      c.leaf <= slot[i].leaf;
		}
		assert_true(hit);
	}
	for (k = 0; k < cmds; k++) {
		struct seen c = seen_decode(&raw[k]);
		bool asked = false;

		assert_int_equal(c.tg | c.num | c.scale | c.ttl, 0);
		for (i = 0; i < nr; i++)
			asked |= c.addr >= item[i].iova && c.addr <= item[i].last &&
				 c.leaf >= (item[i].flags & IOD_INV_LEAF_ONLY);
		assert_true(asked);
	}
}

static void addresses_are_nearly_minimal(void **state)
{
	struct iod_smmuv3_inv *inv = sink_open_inv(false, 1);
	unsigned i, n = iodt_scale(3000), excess = 0, total = 0;
	static struct iod_smmuv3_raw_cmd raw[MAX_CMDS];
	static struct slot slot[MAX_SLOTS];

	for (i = 0; i < n; i++) {
		struct iod_inv item[MAX_ITEMS];
		size_t nr = random_items(item, i % 3), cmds;
		unsigned slots = list_slots(item, nr, slot), least = fewest_addresses(slot, slots);

		iodt_assert_ok(iod_smmuv3_inv_encode(inv, item, nr, raw, MAX_CMDS, &cmds));
		check_addresses(item, nr, slot, slots, raw, cmds);
		assert_true(cmds >= least);
		if (i % 3 < 2) /* of one kind: none too many */
			assert_int_equal(cmds, least);
		total += least;
		excess += (unsigned)cmds - least;
	}
	print_message("%u batches, %u commands at least, %u more\n", n, total, excess);
	assert_true(excess * 100 <= total);
	iodt_assert_ok(iod_smmuv3_inv_destroy(inv));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_minimal),
		cmocka_unit_test(every_length),
		cmocka_unit_test(addresses_are_nearly_minimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
