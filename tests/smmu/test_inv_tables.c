/* SPDX-License-Identifier: MIT */
/*
 * Real tables of every variant, changed in every way, with hardware that is told by commands and takes them
 * literally: whatever it held, it sees afterwards what is in memory, and writes are seen there. Twins that say
 * less lose. R103, R105, R107, R110.
 */
#include "invhw.h"

#define NEED (IODT_ARM | IODT_TABLES)

/* Somewhere with four leaf tables, in a level-2 entry of its own if there are two such. */
struct region {
	uint64_t page, s1, s2, base, len;
	bool deep;
};

static bool region(struct iodt *t, struct region *r)
{
	uint64_t granule = t->v->granule ? t->v->granule : 4096;

	r->page = t->page;
	r->s1 = iodt_table_span(t->v);
	r->s2 = r->s1 * (granule / 8);
	r->deep = t->v->walk_levels > 2 && t->v->last - t->v->first >= 4 * r->s2 - 1;
	if (t->v->last - t->v->first < 8 * r->s1 - 1)
		return false;
	r->base = t->v->first + (r->deep ? 2 * r->s2 : 4 * r->s1);
	r->len = 4 * r->s1;
	return true;
}

static bool has(const struct iodt *t, uint64_t size)
{
	return t->v->sizes & size && size <= IODT_1G;
}

/* ---- everything in random order ---- */

static void map_something(struct iodt *t, const struct region *r)
{
	uint64_t size, iova;

	do
		size = IODT_BIT(iodt_below(t, 40));
	while (!(t->v->sizes & size) || size > r->len / 2);
	iova = r->base + iodt_below(t, r->len / size) * size;
	if (!iodt_expected_any(t, iova, size))
		iodt_map(t, iova, iodt_pa(t->v, size, iodt_below(t, 16)), size, IODT_RW);
}

/* What a merge made of two things is not cut. */
static void unmap(struct iodt *t, uint64_t iova, uint64_t len)
{
	int ret = iod_unmap(t->pt, iova, len, 0, t->gather, NULL);

	if (ret == -EINVAL)
		return;
	assert_int_equal(ret, iodt_expected_any(t, iova, len) ? 0 : -ENOENT);
	iodt_expect_unmap(t, iova, len);
}

/* What is mapped in whole tables, or one thing that is mapped. */
static void unmap_something(struct iodt *t, const struct region *r)
{
	uint64_t n = iodt_below(t, 8), i;

	if (n < 2) {
		unmap(t, r->base + n * (r->len / 2), r->len / 2);
	} else if (n == 2) {
		unmap(t, r->base, r->len);
	} else if (t->nr_segs) {
		i = iodt_below(t, t->nr_segs);
		unmap(t, t->seg[i].iova, t->seg[i].last - t->seg[i].iova + 1);
	}
}

static void sweep_something(struct iodt *t, const struct region *r)
{
	struct iodt_bits b;
	struct iod_sweep s;

	iodt_bits_init(&b, r->base, r->len, t->page);
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, r->base, r->len, &b);
	iodt_assert_ok(iod_sweep(t->pt, &s));
	iodt_bits_free(&b);
}

static void resize_something(struct iodt *t, const struct region *r)
{
	struct iod_resize z = {
		.size = sizeof(z), .iova = r->base, .len = r->len, .gather = t->gather
	};

	if (!(t->caps & IODT_HITLESS))
		z.flags = IOD_RESIZE_ALLOW_FAULTS;

	if (iodt_below(t, 2))
		iodt_assert_ok(iod_split_range(t->pt, &z));
	else
		iodt_assert_ok(iod_merge_range(t->pt, &z));
}

static void warm_up(struct invhw *hw, const struct region *r)
{
	struct iodt *t = hw->t;
	unsigned i;

	for (i = 0; i < 40; i++)
		invhw_warm(hw, r->base + iodt_below(t, r->len / t->page) * t->page,
			   iodt_below(t, 2) ? IOD_ACCESS_WRITE : IOD_ACCESS_READ);
	for (i = 0; i < t->nr_segs && i < 40; i++)
		invhw_warm(hw, t->seg[i].iova, IOD_ACCESS_WRITE);
}

static unsigned look(struct invhw *hw, const struct region *r)
{
	struct iodt *t = hw->t;
	unsigned i, n = 0;

	for (i = 0; i < 20; i++) {
		uint64_t iova = r->base + iodt_below(t, r->len / t->page) * t->page;

		n += invhw_stale(hw, iova) + invhw_unseen(hw, iova);
	}
	for (i = 0; i < t->nr_segs && i < 10; i++) {
		uint64_t iova = t->seg[iodt_below(t, t->nr_segs)].iova;

		n += invhw_stale(hw, iova) + invhw_unseen(hw, iova);
	}
	return n;
}

static void step(struct invhw *hw, const struct region *r)
{
	struct iodt *t = hw->t;

	warm_up(hw, r);
	switch (iodt_below(t, 6)) {
	case 0:
		unmap_something(t, r);
		break;
	case 1:
		if (t->caps & IODT_DIRTY)
			sweep_something(t, r);
		break;
	case 2:
		resize_something(t, r);
		break;
	default:
		map_something(t, r);
		break;
	}
	if (iodt_below(t, 2))
		iodt_sync(t);
	else
		iodt_assert_ok(iod_gather_flush(t->gather));
}

static void finish(struct invhw *hw, const struct region *r)
{
	unmap(hw->t, r->base, r->len);
	invhw_close(hw);
}

static const struct iod_inv_cost never = { .size = sizeof(never),
					   .domain = IOD_INV_NEVER,
					   .global = IOD_INV_NEVER,
					   .device_all = IOD_INV_NEVER };

static void configure(struct iodt *t, struct invhw_cfg *cfg, unsigned round)
{
	cfg->addresses = round & 1;
	cfg->cost = round & 2 ? NULL : &never;
	if (t->v->format == IOD_ARM_LPAE_S1)
		cfg->flags = round & 4 ? IOD_SMMUV3_INV_NO_GLOBAL : 0;
}

static void nothing_stale(struct iodt *t)
{
	unsigned round, i;
	struct region r;

	if (!region(t, &r))
		return;
	for (round = 0; round < 8; round++) {
		struct invhw_cfg cfg = { 0 };
		struct invhw *hw;

		configure(t, &cfg, round);
		hw = invhw_open(t, &cfg);
		for (i = 0; i < iodt_scale(60); i++) {
			step(hw, &r);
			if (look(hw, &r))
				fail_msg("round %u step %u: stale", round, i);
			sink_reset(&hw->sink);
		}
		finish(hw, &r);
	}
}

/* ---- twins: one command in so many is left out ---- */

struct leave_out {
	uint32_t op;
	unsigned n;
};

static int leave_out(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max)
{
	struct leave_out *l = cookie;
	size_t i, n = 0;

	for (i = 0; i < *nr; i++)
		if (seen_decode(&cmds[i]).op != l->op || l->n++ % 2)
			cmds[n++] = cmds[i];
	*nr = n;
	return 0;
}

static void twins(struct iodt *t)
{
	struct leave_out tlbi = { .op = t->v->format == IOD_ARM_LPAE_S1 ? 0x12 : 0x2a };
	struct leave_out atc = { .op = 0x40 };
	struct leave_out *which[2] = { &tlbi, &atc };
	unsigned i, k, found;
	struct region r;

	if (!region(t, &r))
		return;
	for (i = 0; i < 2; i++) {
		struct invhw_cfg cfg = { .cost = &never,
					 .quirk = leave_out,
					 .quirk_cookie = which[i] };
		struct invhw *hw = invhw_open(t, &cfg);

		for (found = k = 0; k < 300 && !found; k++) {
			step(hw, &r);
			found = look(hw, &r);
			sink_reset(&hw->sink);
		}
		assert_int_not_equal(found, 0);
		finish(hw, &r);
	}
}

/* ---- R103, R105: a level-1 table goes, a block takes its place ---- */

/* What lost translations in the field: the hint of the leaf table for everything below. */
static int leaf_table_hint(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max)
{
	size_t i;

	for (i = 0; i < *nr; i++) {
		/* TTL is in the second byte of the second word */
		unsigned char *byte = (unsigned char *)&cmds[i].word[1];

		if (seen_decode(&cmds[i]).tg)
			byte[1] |= 3;
	}
	return 0;
}

/* Pages and blocks under one level-1 table (Arm's count), all held; then a block over it all. */
static unsigned replace_a_table(struct iodt *t, const struct region *r, const struct invhw_cfg *cfg)
{
	const uint64_t probe[] = { r->base, r->base + r->s1, r->base + r->s2 - r->page };
	struct invhw *hw = invhw_open(t, cfg);
	unsigned i, n = 0;

	iodt_map(t, r->base, iodt_pa(t->v, r->page, 1), r->page, IODT_RW);
	iodt_map(t, r->base + r->s1, iodt_pa(t->v, r->s1, 2), r->s1, IODT_RW);
	iodt_map(t, r->base + r->s2 - r->page, iodt_pa(t->v, r->page, 3), r->page, IODT_RW);
	for (i = 0; i < 3; i++)
		invhw_warm(hw, probe[i], IOD_ACCESS_WRITE);
	iodt_unmap(t, r->base, r->s2);
	iodt_sync(t);
	for (i = 0; i < 3; i++)
		n += invhw_stale(hw, probe[i]);
	iodt_map(t, r->base, iodt_pa(t->v, r->s2, 4), r->s2, IODT_RW);
	iodt_sync(t);
	for (i = 0; i < 3; i++)
		n += invhw_stale(hw, probe[i]);
	iodt_unmap(t, r->base, r->s2);
	invhw_close(hw);
	return n;
}

static void removed_table_then_block(struct iodt *t)
{
	struct invhw_cfg cfg = { .no_atc = true, .cost = &never }, twin = cfg;
	struct region r;

	if (!region(t, &r) || !r.deep || !has(t, r.s1) || !has(t, r.s2))
		return;
	assert_int_equal(replace_a_table(t, &r, &cfg), 0);
	cfg.cost = NULL;
	cfg.addresses = true;
	assert_int_equal(replace_a_table(t, &r, &cfg), 0);
	twin.quirk = leaf_table_hint;
	assert_int_not_equal(replace_a_table(t, &r, &twin), 0);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "nothing_stale", NEED, 0, nothing_stale },
		{ "twins", NEED | IODT_DIRTY, 0, twins },
		{ "removed_table_then_block", NEED | IODT_HUGE, 0, removed_table_then_block },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
